//! A plan for people.

use super::{bpf, calls, net};
use msb_plan::event::LimitKind;
use msb_plan::{
    Base, Env, Missing, Mount, MountKind, OriginId, ParamKind, Path, Plan, Presence, ProcScope, Rights, Text,
};
use msb_report::size;

/// Sections of lines in columns.
struct Page<'a> {
    text: String,
    plan: &'a Plan<'a>,
}

/// The whole plan.
pub(super) fn plan(plan: &Plan<'_>, with_instructions: bool) -> String {
    let mut page = Page { text: String::new(), plan };
    page.head();
    page.section("parameters", parameters(plan));
    page.section("identity", identity(plan));
    page.section("mounts", plan.mounts.iter().map(|m| (mount(m, plan), Some(m.origin))).collect());
    page.section("denied", denies(plan));
    page.section("files", files(plan));
    page.section("network", net::lines(plan));
    page.section("limits", limits(plan));
    page.section("environment", plan.env.iter().map(|rule| (env(rule, plan), None)).collect());
    if !plan.command.is_empty() {
        let words: Vec<String> = plan.command.iter().map(|word| format!("{word:?}")).collect();
        page.section("command", vec![(words.join(" "), None)]);
    }
    page.filters(with_instructions);
    page.text
}

pub(super) type Lines = Vec<(String, Option<OriginId>)>;

impl Page<'_> {
    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn head(&mut self) {
        let policy = self.plan.policy;
        let digest: String = policy.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        let (major, minor) = self.plan.target.kernel_min;
        let at = msb_report::location(self.plan, policy.origin).unwrap_or_default();
        self.push(&format!("policy {} (edition {}, {at})", policy.name, policy.edition));
        self.push(&format!("  sha256 {digest}"));
        self.push(&format!("  needs Linux {major}.{minor} or later"));
    }

    /// A title and lines, each with the place of the policy that asked, aligned.
    fn section(&mut self, title: &str, lines: Lines) {
        if lines.is_empty() {
            return;
        }
        self.push(&format!("\n{title}"));
        let shown: Vec<(String, Option<OriginId>)> =
            lines.into_iter().map(|(line, origin)| (visible(&line), origin)).collect();
        let width =
            shown.iter().map(|(line, _)| line.chars().count()).filter(|&n| n <= 72).max().unwrap_or(0);
        for (line, origin) in shown {
            match origin.and_then(|origin| msb_report::location(self.plan, origin)) {
                Some(at) => self.push(&format!("  {line:width$}  # {}", visible(&at))),
                None => self.push(&format!("  {line}")),
            }
        }
    }

    fn filters(&mut self, with_instructions: bool) {
        for filter in &self.plan.filters {
            let (tables, unknown) = calls::of(filter);
            let count = filter.program.len() / msb_plan::INSTRUCTION_BYTES;
            let machine = match filter.arch {
                msb_plan::Arch::X86_64 => "x86_64",
                msb_plan::Arch::Aarch64 => "aarch64",
            };
            for (arch, calls) in &tables {
                let count = match arch.is_second() {
                    true => format!("by the filter of {machine}"),
                    false => format!("{count} instructions"),
                };
                self.push(&format!("\nsystem calls on {} ({count})", arch.word()));
                for (action, names) in calls {
                    self.push(&format!("  {action}: {}", names.len()));
                    for line in wrap(names, 96) {
                        self.push(&format!("    {line}"));
                    }
                }
            }
            self.push(&format!("  numbers without a call: {unknown}"));
            if with_instructions {
                self.push(&format!("\nfilter on {machine}"));
                self.text.push_str(&bpf::disassemble(filter.program));
            }
        }
    }
}

/// Words in lines of at most `width` columns.
fn wrap(words: &[&str], width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words {
        if let Some(line) = lines.last_mut() {
            if line.is_empty() {
                line.push_str(word);
            } else if line.len() + 1 + word.len() <= width {
                line.push(' ');
                line.push_str(word);
            } else {
                lines.push((*word).to_owned());
            }
        }
    }
    lines
}

/// Without control characters: a plan comes from somebody else, and a terminal obeys.
fn visible(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        if character.is_control() || msb_diag::is_invisible(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A path as a policy writes it.
pub(super) fn path(path: Path<'_>, plan: &Plan<'_>) -> String {
    let base = match path.base {
        Base::Root => return format!("/{}", path.rest),
        Base::Home => "~".to_owned(),
        Base::Param(index) => format!("${}", parameter(index, plan)),
    };
    if path.rest.is_empty() { base } else { format!("{base}/{}", path.rest) }
}

pub(super) fn parameter<'p>(index: u8, plan: &Plan<'p>) -> &'p str {
    plan.params.get(usize::from(index)).map_or("?", |param| param.name)
}

/// `read, write`.
pub(super) fn rights(rights: Rights) -> Vec<&'static str> {
    [(Rights::READ, "read"), (Rights::WRITE, "write"), (Rights::RUN, "run")]
        .into_iter()
        .filter(|(right, _)| rights.contains(*right))
        .map(|(_, name)| name)
        .collect()
}

pub(super) fn param_kind(kind: ParamKind) -> &'static str {
    match kind {
        ParamKind::Dir => "dir",
        ParamKind::File => "file",
        ParamKind::Text => "string",
        ParamKind::Host => "host",
        ParamKind::Secret => "secret",
    }
}

pub(super) fn missing(missing: Missing) -> &'static str {
    match missing {
        Missing::MaskFile => "mask with a file",
        Missing::MaskDot => "mask with a file that says `.`",
        Missing::MaskDir => "mask with a directory",
        Missing::Fail => "fail",
        Missing::Skip => "skip",
    }
}

fn parameters(plan: &Plan<'_>) -> Lines {
    let line = |param: &msb_plan::Param<'_>| {
        let default = match param.default {
            Some(default) => format!(" = {default:?}"),
            None => " (required)".to_owned(),
        };
        (format!("{}: {}{default}", param.name, param_kind(param.kind)), Some(param.origin))
    };
    plan.params.iter().map(line).collect()
}

fn identity(plan: &Plan<'_>) -> Lines {
    let who = plan.identity;
    let mut lines = vec![
        (format!("user {}, group {}", who.uid, who.gid), None),
        (format!("host name {}", who.hostname), None),
    ];
    match who.cwd {
        Some((cwd, origin)) => lines.push((format!("working directory {}", path(cwd, plan)), Some(origin))),
        None => lines.push(("working directory /".to_owned(), None)),
    }
    let terminal = who.terminal.map_or("no controlling terminal", |_| "a private terminal");
    lines.push((terminal.to_owned(), who.terminal));
    if let Some(origin) = who.write_execute_denied {
        lines.push(("no memory that is writable becomes executable".to_owned(), Some(origin)));
    }
    let kept = capabilities(who.capabilities);
    let kept = if kept.is_empty() { "none".to_owned() } else { kept.join(", ") };
    lines.push((format!("capabilities {kept}"), Some(who.origin)));
    lines
}

/// The names of the capabilities whose bits are set.
pub(super) fn capabilities(bits: u64) -> Vec<String> {
    let name = |number: u32| {
        msb_syscalls::capability_name(number).map_or_else(|| format!("capability {number}"), str::to_owned)
    };
    (0..64).filter(|number| bits >> number & 1 == 1).map(name).collect()
}

fn mount(mount: &Mount<'_>, plan: &Plan<'_>) -> String {
    let target = path(mount.target, plan);
    let optional = if mount.presence == Presence::Optional { ", if it exists" } else { "" };
    match mount.kind {
        MountKind::Bind { source, rights: of, .. } => {
            format!("{target}{}: {}{optional}", from(source, mount.target, plan), rights(of).join(", "))
        }
        MountKind::Overlay { source, size_bytes, inodes, rights: of, .. } => {
            let (from, rights) = (from(source, mount.target, plan), rights(of).join(", "));
            let size = size(size_bytes);
            format!("{target}{from}: {rights}; {size} and {inodes} inodes of changes, discarded{optional}")
        }
        MountKind::Device { .. } => format!("{target}: device of the host{optional}"),
        MountKind::Socket { source, .. } => {
            format!("{target}{}: socket of the host{optional}", from(source, mount.target, plan))
        }
        MountKind::Scratch { size_bytes, inodes, rights: of } => {
            let rights = rights(of).join(", ");
            format!("{target}: scratch of {} and {inodes} inodes, {rights}", size(size_bytes))
        }
        MountKind::Proc(ProcScope::Processes) => format!("{target}: its own processes"),
        MountKind::Proc(ProcScope::All) => format!("{target}: all of procfs, read only"),
        MountKind::Dev { shm_bytes } => {
            format!("{target}: standard devices, {} of shared memory", size(shm_bytes))
        }
    }
}

/// Where it comes from, when that is elsewhere.
fn from(source: Path<'_>, target: Path<'_>, plan: &Plan<'_>) -> String {
    if source == target { String::new() } else { format!(" from {}", path(source, plan)) }
}

fn denies(plan: &Plan<'_>) -> Lines {
    let line = |deny: &msb_plan::Deny<'_>| {
        let (at, rights) = (path(deny.path, plan), rights(deny.rights).join(", "));
        (format!("{at}: {rights}; where it is missing, {}", missing(deny.missing)), Some(deny.origin))
    };
    let search = |it: &msb_plan::Search<'_>| {
        let at = path(it.root, plan);
        let (rights, root) = (rights(it.rights).join(", "), at.trim_end_matches('/'));
        let beside = match it.rest.split('/').next() {
            Some(first) if first == it.beside => String::new(),
            _ => format!(" beside {}", it.beside),
        };
        let levels = it.depth;
        let missing = missing(it.missing);
        let line = format!(
            "{root}/**/{}: {rights}; where it is there at launch{beside}, {levels} levels deep; in it, where it is missing, {missing}",
            it.rest
        );
        (line, Some(it.origin))
    };
    plan.denies.iter().map(line).chain(plan.searches.iter().map(search)).collect()
}

fn files(plan: &Plan<'_>) -> Lines {
    let line = |file: &msb_plan::File<'_>| {
        (format!("{}: {} bytes", path(file.path, plan), file.content.len()), Some(file.origin))
    };
    plan.files.iter().map(line).collect()
}

fn limits(plan: &Plan<'_>) -> Lines {
    /// Shown as `unlimited` where the plan does not have them; the others are left out.
    const EXPECTED: [LimitKind; 5] =
        [LimitKind::Memory, LimitKind::Pids, LimitKind::Cpu, LimitKind::Wall, LimitKind::Files];
    let limits = plan.limits;
    let hold = match limits.hold {
        msb_plan::Hold::Best => "held by a cgroup where one can be had",
        msb_plan::Hold::Cgroup => "held by a cgroup, or nothing is started",
    };
    let line = |kind: LimitKind| {
        let origin = limits.get(kind).map(|limit| limit.origin);
        (format!("{} {}", kind.word(), msb_report::limit_value(kind, plan)), origin)
    };
    let others = limits.each().map(|(kind, _)| kind).filter(|kind| !EXPECTED.contains(kind));
    EXPECTED.into_iter().chain(others).map(line).chain([(hold.to_owned(), None)]).collect()
}

fn env(rule: &Env<'_>, plan: &Plan<'_>) -> String {
    match *rule {
        Env::Pass { name } => format!("pass {name}"),
        Env::PassPrefix { prefix } => format!("pass {prefix}*"),
        Env::Set { name, value: Text::Literal(value) } => format!("set {name} = {value:?}"),
        Env::Set { name, value: Text::Param(index) } => format!("set {name} = ${}", parameter(index, plan)),
    }
}
