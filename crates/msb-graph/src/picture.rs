//! What is in the picture: a policy's statements as cards of rows.

use crate::words::{self, Tone};
use msb_diag::Sources;
use msb_resolve::{LayerId, Placed, Resolved};
use msb_syntax::ast::{
    ActionKind, Endpoint, EnvRuleKind, ExecRuleKind, FsOption, FsOptionKind, FsRule, Net, NetOptionKind,
    NetRule, NetRuleKind, Peer, SetKind, StmtKind, SysItem, SysRuleKind, Tool, ToolOptionKind,
};
use msb_syscalls::group;
use std::collections::BTreeSet;

/// Everything that is drawn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Picture {
    pub(crate) title: String,
    pub(crate) about: String,
    /// The program, and what it is started with.
    pub(crate) program: Vec<String>,
    /// What has to be given when it is started.
    pub(crate) given: Vec<String>,
    pub(crate) files: Vec<Row>,
    pub(crate) network: Vec<Row>,
    /// Whether anything is reachable.
    pub(crate) online: bool,
    pub(crate) tools: Vec<Row>,
    pub(crate) calls: Vec<Row>,
    /// What is limited and to what.
    pub(crate) limits: Vec<(String, String)>,
    pub(crate) environment: Vec<Row>,
}

/// A line of a card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) badge: &'static str,
    pub(crate) tone: Tone,
    pub(crate) text: String,
    /// Smaller, below it.
    pub(crate) note: String,
    /// The profile or parent whose rule it is; empty for the policy's own.
    pub(crate) by: String,
}

pub(crate) fn picture(resolved: &Resolved, sources: &Sources) -> Picture {
    let block = &resolved.block;
    let mut picture =
        Picture { title: block.name.node.clone(), about: block.doc.replace('\n', " "), ..Picture::default() };
    for param in &block.params {
        let default = param.default.as_ref().map(|it| format!(" (else {})", words::value(&it.node)));
        let ty = sources.text(param.ty.span);
        picture.given.push(format!("‹{}›: {ty}{}", param.name.node, default.unwrap_or_default()));
    }
    picture.layers(resolved, sources);
    let mut parent = resolved.extends.as_deref();
    while let Some(inherited) = parent {
        picture.inherited(&inherited.name, &inherited.resolved, sources);
        parent = inherited.resolved.extends.as_deref();
    }
    for rows in [&mut picture.files, &mut picture.network, &mut picture.calls, &mut picture.environment] {
        once(rows);
    }
    if picture.files.is_empty() {
        picture.files.push(row("nothing", Tone::Deny, "No file of the host is seen.", ""));
    }
    if picture.network.is_empty() {
        picture.network.push(row("nothing", Tone::Deny, "No network at all.", ""));
    }
    picture
}

/// Takes away rows that say what one before them says, be it of another profile: a rule that is said twice is one.
fn once(rows: &mut Vec<Row>) {
    let mut seen = BTreeSet::new();
    rows.retain(|row| seen.insert((row.badge, row.text.clone(), row.note.clone())));
}

fn row(badge: &'static str, tone: Tone, text: impl Into<String>, note: impl Into<String>) -> Row {
    Row { badge, tone, text: text.into(), note: note.into(), by: String::new() }
}

impl Picture {
    fn layers(&mut self, resolved: &Resolved, sources: &Sources) {
        for (index, layer) in resolved.layers.iter().enumerate() {
            let stmts: Vec<&Placed> = resolved.stmts.iter().filter(|it| it.layer == LayerId(index)).collect();
            if index == 0 {
                stmts.iter().for_each(|placed| self.own(placed, sources));
            } else {
                self.included(&layer.name, &stmts, sources);
            }
        }
    }

    /// What a policy takes over from the one that it extends: denies, and limits that it has not lowered.
    fn inherited(&mut self, name: &str, parent: &Resolved, sources: &Sources) {
        let mut part = Picture::default();
        part.layers(parent, sources);
        let denied = |rows: Vec<Row>| {
            rows.into_iter().filter(|row| row.tone == Tone::Deny).map(|mut row| {
                row.by = format!("{name}, which it extends");
                row
            })
        };
        self.files.extend(denied(part.files));
        self.network.extend(denied(part.network));
        self.calls.extend(denied(part.calls));
        for (limit, value) in part.limits {
            if self.limits.iter().all(|(known, _)| *known != limit) {
                self.limits.push((limit, value));
            }
        }
    }

    fn own(&mut self, placed: &Placed, sources: &Sources) {
        match &placed.stmt.kind {
            StmtKind::Fs(rules) => self.files.extend(rules.iter().map(fs)),
            StmtKind::Net(net) => self.net(net),
            StmtKind::Syscalls(rules) => {
                for rule in rules {
                    let (kind, items): (_, &[SysItem]) = match &rule.kind {
                        SysRuleKind::Action { action, items } => (&action.kind, items),
                        SysRuleKind::Default(action) => {
                            self.calls.push(call_row(
                                &action.kind,
                                "every other call".to_owned(),
                                String::new(),
                            ));
                            continue;
                        }
                        SysRuleKind::Arch(_) => continue,
                    };
                    self.calls.extend(calls(kind, items, sources));
                }
            }
            StmtKind::Limits { limits, .. } => {
                for limit in limits {
                    self.limits.push(words::limit(&limit.name.node, &limit.value.node));
                }
            }
            StmtKind::Caps(caps) if !caps.is_empty() => {
                let names: Vec<&str> = caps.iter().map(|it| it.node.as_str()).collect();
                self.calls.push(row(
                    "privileges",
                    Tone::Change,
                    names.join(", "),
                    "capabilities of root that it keeps",
                ));
            }
            StmtKind::Env(rules) => {
                for rule in rules {
                    self.environment.push(match &rule.kind {
                        EnvRuleKind::Pass(names) => {
                            let names: Vec<&str> = names.iter().map(|it| it.node.as_str()).collect();
                            row("passed on", Tone::Look, names.join(", "), "")
                        }
                        EnvRuleKind::Set { name, value } => row(
                            "set",
                            Tone::Plain,
                            format!("{} = {}", name.node, words::value(&value.node)),
                            "",
                        ),
                        EnvRuleKind::Secret { name, from } => {
                            row("secret", Tone::Change, format!("{} = ‹{}›", name.node, from.node), "")
                        }
                    });
                }
            }
            StmtKind::Exec(rules) => {
                for rule in rules {
                    self.program.push(match &rule.kind {
                        ExecRuleKind::Command(words) => {
                            words.iter().map(|it| it.node.as_str()).collect::<Vec<_>>().join(" ")
                        }
                        ExecRuleKind::User(it) => format!("as user {}", words::value(&it.node)),
                        ExecRuleKind::Cwd(it) => format!("in {}", words::path(it)),
                        ExecRuleKind::Tty(it) if it.node == "none" => "without a terminal".to_owned(),
                        ExecRuleKind::Tty(it) => format!("with a {} terminal", it.node),
                        ExecRuleKind::Hostname(it) => format!("on a host named {}", it.node),
                    });
                }
            }
            StmtKind::Tool(it) => self.tools.push(tool(it)),
            StmtKind::ToolUse(names) => {
                for name in names {
                    let name: Vec<&str> = name.parts.iter().map(|part| part.node.as_str()).collect();
                    self.tools.push(row("may ask", Tone::Change, name.join("."), ""));
                }
            }
            StmtKind::Include(_)
            | StmtKind::Caps(_)
            | StmtKind::Assert(_)
            | StmtKind::Accept { .. }
            | StmtKind::Sandbox(_) => {}
        }
    }

    fn net(&mut self, net: &Net) {
        match net {
            Net::None => {}
            Net::Host => {
                self.online = true;
                self.network.push(row(
                    "everything",
                    Tone::Change,
                    "The host's own network, unrestricted.",
                    "",
                ));
            }
            Net::Rules(rules) => {
                for rule in rules {
                    self.online |= matches!(rule.kind, NetRuleKind::Allow(_) | NetRuleKind::Listen(_));
                    self.network.extend(net_rows(rule));
                }
            }
        }
    }

    /// A profile's rules, its places of one kind in one row.
    fn included(&mut self, name: &str, stmts: &[&Placed], sources: &Sources) {
        let mut part = Picture::default();
        stmts.iter().for_each(|placed| part.own(placed, sources));
        let mut files: Vec<Row> = Vec::new();
        for file in part.files {
            match files.iter_mut().find(|it| it.badge == file.badge && it.note == file.note) {
                Some(row) => row.text = format!("{}, {}", row.text, file.text),
                None => files.push(file),
            }
        }
        let by = |rows: Vec<Row>| rows.into_iter().map(|row| Row { by: name.to_owned(), ..row });
        self.files.extend(by(files));
        self.calls.extend(by(part.calls));
        self.environment.extend(by(part.environment));
        self.network.extend(by(part.network));
        self.tools.extend(by(part.tools));
        self.online |= part.online;
        self.limits.extend(part.limits);
    }
}

fn fs(rule: &FsRule) -> Row {
    let (badge, tone) = words::verb(rule.verb.node);
    let mut text: Vec<String> = rule.paths.iter().map(words::path).collect();
    let mut notes = Vec::new();
    for FsOption { kind, .. } in &rule.options {
        match kind {
            FsOptionKind::At(at) => {
                let shown = text.pop().unwrap_or_default();
                text.push(format!("{shown}  →  {}", words::path(at)));
            }
            FsOptionKind::Size(size) => notes.push(format!("up to {}", words::value(&size.node))),
            FsOptionKind::Inodes(count) => notes.push(format!("{} files", words::value(&count.node))),
            FsOptionKind::From(from) => notes.push(format!("from {}", words::path(from))),
            FsOptionKind::Optional => notes.push("if it exists".to_owned()),
            FsOptionKind::Symlinks(how) if how.node == "refuse" => {
                notes.push("links are not followed".to_owned());
            }
            FsOptionKind::Symlinks(_) => notes.push("links are followed".to_owned()),
            FsOptionKind::Missing(how) if how.node == "mask" => {
                notes.push("cannot be created either".to_owned());
            }
            FsOptionKind::Enforce(how) if how.node == "snapshot" => {
                notes.push("where it is there at the start".to_owned());
            }
            FsOptionKind::Beside(name) => notes.push(format!("beside {}", name.node)),
            FsOptionKind::Depth(levels) => notes.push(format!("{} levels deep", words::value(&levels.node))),
            FsOptionKind::Missing(_) | FsOptionKind::Enforce(_) => {}
        }
    }
    row(badge, tone, text.join(", "), notes.join(", "))
}

fn endpoint(end: &Endpoint) -> String {
    let peer = match &end.peer {
        Peer::Text(it) | Peer::Address(it) => it.node.clone(),
        Peer::Word(it) => match it.node.as_str() {
            "any" => "any address".to_owned(),
            "private" => "private networks".to_owned(),
            "host" => "this machine".to_owned(),
            "metadata" => "cloud metadata services".to_owned(),
            other => other.to_owned(),
        },
        Peer::Var(it) => format!("‹{}›", it.node),
        Peer::Path(it) => words::path(it),
    };
    let ports: Vec<String> = end
        .ports
        .iter()
        .map(|it| {
            if it.from.node == it.to.node {
                it.from.node.to_string()
            } else {
                format!("{}–{}", it.from.node, it.to.node)
            }
        })
        .collect();
    let ports = if ports.is_empty() { String::new() } else { format!(" port {}", ports.join(", ")) };
    let ports = if ports == " port 0" { " a free port".to_owned() } else { ports };
    let inside = end.inside.as_ref().map_or_else(String::new, |port| format!(", port {} inside", port.node));
    format!("{peer}{ports}{inside} ({})", end.protocol.node)
}

fn net_rows(rule: &NetRule) -> Vec<Row> {
    let notes: Vec<String> = rule
        .options
        .iter()
        .map(|option| match &option.kind {
            NetOptionKind::Only { methods, paths } => {
                let methods: Vec<&str> = methods.iter().map(|it| it.node.as_str()).collect();
                let below: Vec<String> = paths.iter().map(words::path).collect();
                let below =
                    if below.is_empty() { String::new() } else { format!(" of {}", below.join(", ")) };
                format!("only {}{below}", methods.join(", "))
            }
            NetOptionKind::Inject(key) => {
                format!("the secret ‹{}› is added outside, and never seen", key.node)
            }
            NetOptionKind::Inspect => "read by the gateway".to_owned(),
            NetOptionKind::Optional => "if it exists".to_owned(),
            NetOptionKind::Rate { rate, burst } => {
                let burst = burst.as_ref().map(|it| format!(", {} at once", it.node)).unwrap_or_default();
                format!("{}{burst}", words::value(&rate.node))
            }
            NetOptionKind::Quota { size, direction } => {
                let direction = match direction.as_ref().map(|it| it.node.as_str()) {
                    Some("up") => " sent",
                    Some(_) => " received",
                    None => "",
                };
                format!("{}{direction} in all", words::value(&size.node))
            }
            NetOptionKind::Connections(count) => format!("{} connections at a time", count.node),
        })
        .collect();
    let (badge, tone, ends) = match &rule.kind {
        NetRuleKind::Allow(all) => ("can reach", Tone::Change, all),
        NetRuleKind::Deny(all) => ("cannot reach", Tone::Deny, all),
        NetRuleKind::Listen(all) => ("is reached at", Tone::Change, all),
        NetRuleKind::Total => return vec![row("all together", Tone::Plain, notes.join(", "), "")],
    };
    ends.iter().map(|end| row(badge, tone, endpoint(end), notes.join(", "))).collect()
}

fn call_row(kind: &ActionKind, text: String, note: String) -> Row {
    let (badge, tone) = match kind {
        ActionKind::Allow => ("allowed", Tone::Look),
        ActionKind::Log => ("allowed, logged", Tone::Look),
        ActionKind::Notify => ("asked about", Tone::Plain),
        ActionKind::Errno(_) => ("fails", Tone::Deny),
        ActionKind::Trap => ("signals", Tone::Deny),
        ActionKind::Kill => ("ends the program", Tone::Deny),
    };
    let note = match kind {
        ActionKind::Errno(name) if note.is_empty() => format!("with {}", name.node),
        ActionKind::Errno(name) => format!("{note}; with {}", name.node),
        _ => note,
    };
    row(badge, tone, text, note)
}

/// The plain calls in one row; what has a condition, and each group with what it is for, in rows of their own.
///
/// A condition behind the last item is that of every item without one of its own (ADR 0002).
fn calls(kind: &ActionKind, items: &[SysItem], sources: &Sources) -> Vec<Row> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shared = items.last().and_then(|last| last.predicate.as_ref());
    let mut plain = Vec::new();
    let mut sharing = Vec::new();
    let mut rows = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let written = words(sources.text(item.span));
        let bare = item.predicate.is_none() && item.on.is_empty();
        let last = index + 1 == items.len();
        match &item.set.kind {
            _ if item.predicate.is_none() && shared.is_some() => sharing.push(written),
            _ if last && !sharing.is_empty() => {
                sharing.push(written);
                rows.push(call_row(kind, sharing.join(", "), String::new()));
            }
            SetKind::Group(name) if bare => {
                let about = group(name).map(|group| group.about).unwrap_or_default();
                rows.push(call_row(kind, name.clone(), about.to_owned()));
            }
            SetKind::Call(name) if bare => plain.push(name.clone()),
            _ => rows.push(call_row(kind, written, String::new())),
        }
    }
    if !plain.is_empty() {
        rows.push(call_row(kind, plain.join(", "), String::new()));
    }
    rows
}

fn tool(tool: &Tool) -> Row {
    let params: Vec<&str> = tool.params.iter().map(|param| param.name.node.as_str()).collect();
    let notes: Vec<String> = tool
        .options
        .iter()
        .map(|option| match &option.kind {
            ToolOptionKind::Rate { rate, .. } => words::value(&rate.node),
            ToolOptionKind::Quota(count) => format!("{} in all", count.node),
            ToolOptionKind::Timeout(it) => format!("{} each", words::value(&it.node)),
            ToolOptionKind::Concurrency(count) => format!("{} at a time", count.node),
            ToolOptionKind::Result(it) => format!("results up to {}", words::value(&it.node)),
            ToolOptionKind::Confirm => "a person is asked each time".to_owned(),
            ToolOptionKind::Exec(all) => {
                format!("runs {}", all.iter().map(|it| words::value(&it.node)).collect::<Vec<_>>().join(" "))
            }
            ToolOptionKind::Stdin(name) => format!("‹{}› as its input", name.node),
            ToolOptionKind::In(include) => {
                let name: Vec<&str> = include.name.parts.iter().map(|part| part.node.as_str()).collect();
                format!("under the policy {}", name.join("."))
            }
            ToolOptionKind::Shim => "also as a command".to_owned(),
            ToolOptionKind::Log(what) => format!("logs {}", what.node),
        })
        .collect();
    row("may ask", Tone::Change, format!("{}({})", tool.name.node, params.join(", ")), notes.join(", "))
}
