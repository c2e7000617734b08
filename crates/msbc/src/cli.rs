//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// Compiles security policies and runs commands confined by them.
#[derive(Debug, Parser)]
#[command(name = "msbc", version, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Whether to colour messages
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// At a terminal, unless NO_COLOR is set
    Auto,
    /// Even into a file
    Always,
    /// Not at all
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Says what is wrong with a policy
    Check(Check),
    /// Decides the assertions and tests of a policy, and says what no assertion is about
    Test(Test),
    /// Says everything that is worth a look, hints included; any finding is a failure
    Lint(Check),
    /// Brings policies into the one style
    Fmt(Fmt),
    /// Repairs what has one plain repair: units, quotes, misspelt names, a missing edition
    Fix(Fix),
    /// Says what a policy or a plan decides of one request, by which line, and what would change it
    Explain(Explain),
    /// Says what a new version of a policy allows and denies that the old one did not
    Diff(Diff),
    /// Writes the plan of a policy
    Compile(Compile),
    /// Prints the policy that a plan was made of, as far as the plan holds it
    Decompile(Decompile),
    /// Makes a pair of keys for signing plans: NAME.key and NAME.pub
    Keygen(Keygen),
    /// Signs a plan, which `msb-launch --trust` then runs
    Sign(Sign),
    /// Prints everything that a policy or a plan grants
    Show(Show),
    /// Compiles a policy and runs a command confined by it
    Run(Run),
    /// Reads the audit log of a run again
    #[command(subcommand)]
    Audit(Audit),
    /// Draws what a policy allows, as an SVG picture
    Graph(Graph),
    /// Prints what makes a shell complete msbc's words
    Completions(Completions),
    /// Prints the manual page, or writes those of all commands to a folder
    Man(Man),
    /// Says what this host offers to sandboxes, what each missing thing costs, and how to get it
    Doctor(Doctor),
    /// Speaks the language server protocol on standard input and output, for editors
    Lsp,
    /// Prints a policy in another form, without its comments
    Convert(Convert),
    /// Prints the JSON Schema of policies as YAML and JSON
    Schema,
    /// Explains a diagnostic (MSB0304), a standard profile (std.base) or a group (@file-system)
    Doc(Doc),
    /// Prints the table of system calls, or those that a word finds
    Syscalls(Syscalls),
}

/// What every command that reads a policy takes.
#[derive(Debug, Args)]
pub(crate) struct Policy {
    /// The policy, a text file; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Which policy of the file; needed where it has several
    #[arg(long = "policy", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Prints JSON, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

/// What the policy is held to.
#[derive(Debug, Args)]
pub(crate) struct Ceiling {
    /// A policy that must allow all that this one does; its parameters are those of the same names
    #[arg(long, value_name = "FILE")]
    pub(crate) ceiling: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) policy: Policy,
    /// More policies; of each, `--policy` names one
    #[arg(value_name = "FILE")]
    pub(crate) more: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) above: Ceiling,
    /// Prints findings as SARIF 2.1.0, for code hosts
    #[arg(long, conflicts_with = "json")]
    pub(crate) sarif: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Says whether every line follows from the one before it, and whether the log is whole
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The log, as `msbc run --audit` writes it
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The report of the same run, which has the digest of the log's last line
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Prints it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// Where the keys go, without their endings
    #[arg(value_name = "NAME")]
    pub(crate) name: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The plan that `msbc compile` wrote; a signature that it has is replaced
    #[arg(value_name = "PLAN")]
    pub(crate) plan: PathBuf,
    /// The secret key, NAME.key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    #[command(flatten)]
    pub(crate) policy: Policy,
}

#[derive(Debug, Args)]
pub(crate) struct Fmt {
    /// The policies, text files
    #[arg(value_name = "FILE", required_unless_present = "stdin")]
    pub(crate) files: Vec<PathBuf>,
    /// Changes nothing, says what is not formatted, and ends with 1 if anything is
    #[arg(long)]
    pub(crate) check: bool,
    /// Reads a policy from standard input and prints it formatted
    #[arg(long, conflicts_with = "files")]
    pub(crate) stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Fix {
    #[command(flatten)]
    pub(crate) policy: Policy,
    /// Prints the repaired policy and changes no file
    #[arg(long, conflicts_with = "json")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Convert {
    /// The policy; `.yaml`, `.yml` and `.json` are read as that, any other name as the language
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The form to print
    #[arg(long, value_enum, value_name = "FORM")]
    pub(crate) to: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// The language itself
    Msb,
    /// YAML
    Yaml,
    /// JSON
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) policy: Policy,
    /// The request, as in an assertion: open /etc/passwd for read, syscall mmap(prot: PROT_EXEC), env HOME
    #[arg(required = true, value_name = "REQUEST")]
    pub(crate) request: Vec<String>,
}

/// Of which differences `diff` makes an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// What is newly allowed
    Widen,
    /// What is newly allowed or denied
    Any,
    /// None
    Never,
}

/// Exit code 3 when anything is newly allowed.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// A policy or a plan
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// A policy or a plan
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// Which policy of the files; needed where they have several
    #[arg(long = "policy", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Which differences end in exit code 3
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = FailOn::Widen)]
    pub(crate) fail_on: FailOn,
    /// Prints the differences as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Decompile {
    /// The plan
    #[arg(value_name = "PLAN")]
    pub(crate) plan: PathBuf,
    /// Where to write the policy; without it, standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// The policy
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Which policy of the file; needed where it has several
    #[arg(long = "policy", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Where to write the picture; without it, standard output
    #[arg(short, long, value_name = "SVG")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// For which shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The folder, such as ~/.local/share/man/man1
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Compile {
    #[command(flatten)]
    pub(crate) policy: Policy,
    #[command(flatten)]
    pub(crate) above: Ceiling,
    /// Where to write the plan
    #[arg(short, long, value_name = "PLAN")]
    pub(crate) output: PathBuf,
    /// Says on standard error what each pass cost
    #[arg(long)]
    pub(crate) timings: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) policy: Policy,
    /// Prints the instructions of the syscall filter too
    #[arg(long)]
    pub(crate) filter: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) policy: Policy,
    /// Binds a parameter of the policy; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = SetParser)]
    pub(crate) set: Vec<Set>,
    /// Says what is refused, as it happens, and which line of the policy refuses it
    #[arg(long)]
    pub(crate) explain: bool,
    /// Asks you, at the terminal, about calls that a `notify` rule names; without it they are refused
    #[arg(long)]
    pub(crate) ask: bool,
    /// Writes what the launcher reports to a file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Writes what the network gateway decides to a file: a JSON object for each lookup, connection and request
    #[arg(long, value_name = "FILE")]
    pub(crate) audit: Option<PathBuf>,
    /// The command and its arguments; without one, the policy's own
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Doc {
    /// A code such as MSB0304, a profile such as std.base, or a group such as @file-system
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct Syscalls {
    /// A call by name or number, a part of a name, an argument, or a constant such as TIOCSTI
    #[arg(value_name = "SEARCH")]
    pub(crate) search: Option<String>,
    /// The architecture
    #[arg(long, value_enum, default_value_t = Architecture::X86_64, value_name = "ARCH")]
    pub(crate) arch: Architecture,
    /// Only calls of this group, such as @file-system
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// Prints everything that is known as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Architecture {
    #[value(name = "x86_64")]
    X86_64,
    #[value(name = "aarch64")]
    Aarch64,
    /// 32-bit programs of x86
    #[value(name = "i386")]
    I386,
    /// x86_64 with 32-bit pointers
    #[value(name = "x32")]
    X32,
}

/// A parameter and its value, which may be a path that is not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) value: OsString,
}

impl Set {
    /// `NAME=VALUE`, as the launcher takes it.
    pub(crate) fn argument(&self) -> OsString {
        let mut argument = OsString::from(&self.name);
        argument.push("=");
        argument.push(&self.value);
        argument
    }

    fn parse(text: &OsStr) -> Option<Set> {
        let bytes = text.as_bytes();
        let equals = bytes.iter().position(|&byte| byte == b'=')?;
        let (name, value) = (bytes.get(..equals)?, bytes.get(equals + 1..)?);
        let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty())?;
        Some(Set { name: name.to_owned(), value: OsStr::from_bytes(value).to_owned() })
    }
}

#[derive(Debug, Clone)]
struct SetParser;

impl clap::builder::TypedValueParser for SetParser {
    type Value = Set;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Set, clap::Error> {
        Set::parse(value).ok_or_else(|| {
            let message = format!("`--set {}` is not NAME=VALUE\n", value.to_string_lossy());
            clap::Error::raw(clap::error::ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}
