//! The command that people type: audit, check, test, lint, fmt, fix, explain, diff, compile, decompile, show, run, convert,
//! schema, graph, lsp, completions, man, doc, syscalls.
//!
//! Everything that reads files, writes files and speaks to a person is here; what a policy means is
//! decided elsewhere. Exit codes: 0 for success, 1 for a policy or plan that is wrong, 2 for a wrong command
//! line, 3 when a new version allows more, 4 when msbc itself cannot go on; `run` ends with the launcher's.

mod audit;
mod cli;
mod compile;
mod convert;
mod decompile;
mod diff;
mod doc;
mod doctor;
mod explain;
mod fix;
mod format;
mod graph;
mod input;
mod install;
mod lsp;
mod meaning;
mod output;
mod run;
mod show;
mod sign;
mod syscalls;
mod test;
mod write;

use clap::Parser as _;
use cli::{Arguments, Command};
use output::Output;
use std::process::ExitCode;

/// What a command ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// Done, and nothing is wrong.
    Success,
    /// The policy or plan is wrong, or cannot be read.
    Wrong,
    /// The command line is wrong.
    Usage,
    /// A new version allows more than the old one.
    Widened,
    /// msbc cannot go on.
    Internal,
    /// The launcher's own exit code.
    Launcher(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Success => 0,
            Exit::Wrong => 1,
            Exit::Usage => 2,
            Exit::Widened => 3,
            Exit::Internal => 4,
            Exit::Launcher(code) => code,
        })
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut output = Output::new(arguments.color);
    let exit = match arguments.command {
        Command::Check(check) => compile::check(&check, &mut output),
        Command::Test(test) => test::test(&test, &mut output),
        Command::Lint(check) => compile::lint(&check, &mut output),
        Command::Fmt(fmt) => format::format(&fmt, &mut output),
        Command::Fix(fix) => fix::fix(&fix, &mut output),
        Command::Explain(explain) => explain::explain(&explain, &mut output),
        Command::Diff(diff) => diff::diff(&diff, &mut output),
        Command::Compile(compile) => compile::compile(&compile, &mut output),
        Command::Decompile(decompile) => decompile::decompile(&decompile, &mut output),
        Command::Keygen(keygen) => sign::keygen(&keygen, &mut output),
        Command::Sign(sign) => sign::sign(&sign, &mut output),
        Command::Show(show) => show::show(&show, &mut output),
        Command::Run(run) => run::run(&run, &mut output),
        Command::Audit(cli::Audit::Verify(verify)) => audit::verify(&verify, &mut output),
        Command::Graph(graph) => graph::graph(&graph, &mut output),
        Command::Completions(completions) => install::completions(&completions, &mut output),
        Command::Man(man) => install::man(&man, &mut output),
        Command::Doctor(doctor) => doctor::doctor(&doctor, &mut output),
        Command::Lsp => lsp::lsp(&output),
        Command::Convert(convert) => convert::convert(&convert, &mut output),
        Command::Schema => convert::schema(&mut output),
        Command::Doc(doc) => doc::doc(&doc, &mut output),
        Command::Syscalls(syscalls) => syscalls::syscalls(&syscalls, &mut output),
    };
    output.finish(exit).into()
}
