//! A policy as text, a section after the other.

use crate::filter::Outcome;
use crate::{Undone, claims, syscalls};
use msb_policy::{
    Base, Endpoint, EnvKind, FsKind, Limit, Limits, Links, Missing, Net, NetKind, NetLimits, NetRule, Param,
    ParamKind, Path, Policy, Rights, Search, Terms, Text,
};
use msb_syscalls::{Arch, capability_name};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Lists end here and go on in a rule of their own.
const COLUMNS: usize = 110;
/// What the language takes when nothing is said.
const USER: u32 = 1000;
const HOSTNAME: &str = "sandbox";

/// The text of `policy`, whose calls are `outcomes`; of those in `said` the default is said, too.
pub(crate) fn policy(policy: &Policy, outcomes: &[Outcome], said: &BTreeSet<u32>) -> Result<String, Undone> {
    let mut text = format!("edition {}\n\n", policy.edition);
    let params: Vec<String> = policy.params.iter().map(param).collect::<Result<_, _>>()?;
    let params = if params.is_empty() { String::new() } else { format!("({})", params.join(", ")) };
    let _ = writeln!(text, "policy {}{params} {{", policy.name);
    section(&mut text, "fs", &files(policy)?);
    match &policy.net {
        Net::None { .. } => text.push_str("\n  net none\n"),
        Net::Rules { rules, .. } if rules.is_empty() => text.push_str("\n  net { }\n"),
        Net::Rules { rules, .. } => section(&mut text, "net", &network(policy, rules)?),
    }
    text.push_str(&capabilities(policy.capabilities.0)?);
    let mut lines = Vec::new();
    if policy.archs != [Arch::X86_64] {
        let words: Vec<&str> = policy.archs.iter().map(|arch| arch.word()).collect();
        lines.push(format!("arch {}", words.join(", ")));
    }
    let default = syscalls::default(outcomes);
    for arch in &policy.archs {
        for (verb, names, condition) in syscalls::rules(outcomes, said, *arch, default)? {
            if policy.archs.len() == 1 {
                lists(&mut lines, &verb, names, &condition);
                continue;
            }
            // `on` is of one item.
            let on = format!(" on {}", arch.word());
            if condition.is_empty() {
                lists(&mut lines, &verb, names.iter().map(|name| format!("{name}{on}")).collect(), "");
            } else {
                lines.extend(names.iter().map(|name| format!("{verb} {name}{condition}{on}")));
            }
        }
    }
    lines.extend(syscalls::default_rule(default)?);
    section(&mut text, "syscalls", &lines);
    let hard = if policy.limits.hard { "limits hard" } else { "limits" };
    section(&mut text, hard, &limits(&policy.limits));
    section(&mut text, "env", &environment(policy)?);
    section(&mut text, "exec", &exec(policy)?);
    let abi = policy.sandbox.landlock_abi_min.map(|limit| format!("landlock {}", limit.value));
    let tier = policy.sandbox.tier_landlock.map(|_| "tier landlock".to_owned());
    let mdwe = policy.sandbox.mdwe.map(|_| "mdwe on".to_owned());
    section(&mut text, "sandbox", &abi.into_iter().chain(mdwe).chain(tier).collect::<Vec<_>>());
    section(&mut text, "assert", &claims::lines(policy)?);
    text.push_str("}\n");
    Ok(text)
}

/// The lines of `net`: rules of one line of the source in one, as they share their limits.
fn network(policy: &Policy, rules: &[NetRule]) -> Result<Vec<String>, Undone> {
    let mut lines: Vec<String> = Vec::new();
    let mut before: Option<(&NetRule, usize)> = None;
    for rule in rules {
        let (verb, to, terms) = match &rule.kind {
            NetKind::Allow { endpoint, terms } => ("allow", endpoint, self::terms(policy, terms)?),
            NetKind::Deny(endpoint) => ("deny", endpoint, String::new()),
            NetKind::Listen(publish) => {
                let inside = publish.inside.map_or_else(String::new, |port| format!(" at {port}"));
                ("listen", &publish.at, inside)
            }
            NetKind::Total(of) => {
                lines.push(format!("total{}", net_limits(of)?));
                continue;
            }
        };
        let to = endpoint(policy, to)?;
        let same = |(other, at): (&NetRule, usize)| {
            let terms = |rule: &NetRule| match &rule.kind {
                NetKind::Allow { terms, .. } => Some(terms.clone()),
                _ => None,
            };
            (other.origin == rule.origin && terms(rule).is_some() && terms(other) == terms(rule))
                .then_some(at)
        };
        if let Some(line) = before.and_then(same).and_then(|at| lines.get_mut(at)) {
            let head = line.len() - terms.len();
            line.insert_str(head, &format!(", {to}"));
        } else {
            before = Some((rule, lines.len()));
            lines.push(format!("{verb} {to}{terms}"));
        }
    }
    Ok(lines)
}

/// `https "api.example.org":443`.
pub(crate) fn endpoint(policy: &Policy, endpoint: &Endpoint) -> Result<String, Undone> {
    const PORTS_MAX: usize = 256;
    let ports = match endpoint.ports.as_slice() {
        [(first, last)] if first == last => first.to_string(),
        [(first, last)] => format!("{first}..{last}"),
        several => {
            let all: Vec<String> = several
                .iter()
                .flat_map(|(first, last)| *first..=*last)
                .map(|port| port.to_string())
                .collect();
            if all.len() > PORTS_MAX {
                return Err(Undone::NoWords("several ranges of ports".to_owned()));
            }
            format!("{{{}}}", all.join(", "))
        }
    };
    Ok(format!("{} {}:{ports}", endpoint.protocol.word(), policy.shown_peer(&endpoint.peer)))
}

fn terms(policy: &Policy, terms: &Terms) -> Result<String, Undone> {
    let mut text = String::new();
    if let Some(only) = &terms.only {
        let methods: Vec<&str> = only.methods.iter().map(|method| method.word()).collect();
        let paths: Vec<String> = only.paths.iter().map(|path| quoted(path)).collect();
        let _ = write!(text, " only {} {}", methods.join(", "), paths.join(", "));
    }
    if let Some(index) = terms.inject {
        let param = policy.params.get(index).ok_or_else(|| Undone::NoWords("a secret".to_owned()))?;
        let _ = write!(text, " inject ${}", param.name);
    }
    if terms.inspect {
        text.push_str(" inspect");
    }
    if terms.optional {
        text.push_str(" optional");
    }
    text.push_str(&net_limits(&terms.limits)?);
    Ok(text)
}

fn net_limits(limits: &NetLimits) -> Result<String, Undone> {
    let mut text = String::new();
    if let Some(rate) = limits.rate {
        let units = [(1_000_000, "s"), (60_000_000, "min"), (3_600_000_000, "h"), (86_400_000_000, "d")];
        let unit = units.iter().find(|(period_us, _)| *period_us == rate.period_us);
        let (_, unit) = unit.ok_or_else(|| Undone::NoWords(format!("a rate in {} us", rate.period_us)))?;
        let _ = write!(text, " rate {}/{unit} burst {}", rate.count, rate.burst);
    }
    for (bytes, way) in [(limits.up_bytes, " up"), (limits.down_bytes, " down"), (limits.both_bytes, "")] {
        if let Some(bytes) = bytes {
            let _ = write!(text, " quota {}{way}", size(bytes));
        }
    }
    if let Some(connections) = limits.connections {
        let _ = write!(text, " connections {connections}");
    }
    Ok(text)
}

fn section(text: &mut String, name: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n  {name} {{");
    for line in lines {
        let _ = writeln!(text, "    {line}");
    }
    text.push_str("  }\n");
}

/// `VERB A, B, C END`, as often as it takes.
fn lists(lines: &mut Vec<String>, verb: &str, names: Vec<String>, end: &str) {
    if names.is_empty() {
        lines.push(format!("{verb}{end}"));
    }
    let mut line = String::new();
    for name in names {
        if !line.is_empty() && verb.len() + line.len() + name.len() + end.len() > COLUMNS {
            lines.push(format!("{verb} {line}{end}"));
            line.clear();
        }
        if !line.is_empty() {
            line.push_str(", ");
        }
        line.push_str(&name);
    }
    if !line.is_empty() {
        lines.push(format!("{verb} {line}{end}"));
    }
}

fn param(param: &Param) -> Result<String, Undone> {
    let kind = match param.kind {
        ParamKind::Dir => "dir",
        ParamKind::File => "file",
        ParamKind::Text => "string",
        ParamKind::Host => "host",
        ParamKind::Secret => "secret",
        ParamKind::Number => return Err(Undone::NoWords(format!("the parameter `{}`", param.name))),
    };
    let default =
        param.default.as_ref().map_or_else(String::new, |default| format!(" = {}", quoted(default)));
    Ok(format!("{}: {kind}{default}", param.name))
}

/// A string of the language.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            other if other.is_control() || msb_diag::is_invisible(other) => {
                let _ = write!(quoted, "\\u{{{:X}}}", u32::from(other));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// A path as the language reads it: bare where it can be.
pub(crate) fn path(policy: &Policy, path: &Path, end: &str) -> Result<String, Undone> {
    let shown = policy.shown(path) + end;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+@%=~/-".contains(&byte);
    if path.rest.bytes().all(plain) {
        return Ok(shown);
    }
    // A pattern is no path, and a string has no parameters in it.
    if path.rest.contains(['*', '?']) || matches!(path.base, Base::Param(_)) {
        return Err(Undone::NoWords(format!("the path `{shown}`")));
    }
    Ok(quoted(&shown))
}

/// The path of a search, `$root/**/NAME`.
fn searched(policy: &Policy, search: &Search, end: &str) -> Result<String, Undone> {
    // As it would be without the pattern, which every path can have.
    let plain = path(policy, &search.root.join(&search.rest), "")?;
    let shown = policy.shown_search(search) + end;
    let has_pattern = search.root.rest.contains(['*', '?']) || search.rest.contains(['*', '?']);
    match (plain.starts_with('"'), has_pattern) {
        (_, true) => Err(Undone::NoWords(format!("the path `{shown}`"))),
        (true, false) => Ok(quoted(&shown)),
        (false, false) => Ok(shown),
    }
}

fn files(policy: &Policy) -> Result<Vec<String>, Undone> {
    let mut lines = Vec::new();
    let mut lists: Vec<(&str, Vec<String>, String)> = Vec::new();
    let mut add = |verb: &'static str, path: String, end: String| match lists
        .iter_mut()
        .find(|(its, _, ends)| *its == verb && *ends == end)
    {
        Some((_, paths, _)) => paths.push(path),
        None => lists.push((verb, vec![path], end)),
    };
    let mut placed = Vec::new();
    for rule in &policy.fs {
        match &rule.kind {
            FsKind::Grant { source, target, rights, optional, links } => {
                let end = ends(source, *links, *optional);
                if source == target {
                    for verb in verbs(*rights) {
                        add(verb, path(policy, source, "")?, end.to_owned());
                    }
                } else {
                    let (shown, at) = (path(policy, source, "")?, path(policy, target, "")?);
                    placed.extend(verbs(*rights).iter().map(|verb| format!("{verb} {shown} at {at}{end}")));
                }
            }
            FsKind::Overlay { source, target, size_bytes, inodes, run, optional, links } => {
                let (shown, at) = (path(policy, source, "")?, path(policy, target, "")?);
                let (size, end) = (size(*size_bytes), ends(source, *links, *optional));
                placed.push(format!("overlay {shown} at {at} size {size} inodes {inodes}{end}"));
                if *run {
                    placed.push(format!("run {at}"));
                }
            }
            FsKind::Device { path: device, optional } => {
                let end = if *optional { "  optional" } else { "" };
                placed.push(format!("device {}{end}", path(policy, device, "")?));
            }
            FsKind::Socket { source, target, optional, links } => {
                let (shown, at) = (path(policy, source, "")?, path(policy, target, "")?);
                placed.push(format!("socket {shown} at {at}{}", ends(source, *links, *optional)));
            }
            FsKind::Scratch { target, size_bytes, inodes } => {
                let size = size(*size_bytes);
                placed.push(format!("scratch {} size {size} inodes {inodes}", path(policy, target, "")?));
            }
            FsKind::StdDevices => placed.push("device @std".to_owned()),
            FsKind::ProcSelf => placed.push("proc /proc/self".to_owned()),
            FsKind::ProcAll => placed.push("proc /proc".to_owned()),
            FsKind::Deny { path: denied, rights, missing } => {
                let (slash, end) = absent(*missing);
                let shown = path(policy, denied, slash)?;
                for verb in denials(*rights) {
                    add(verb, shown.clone(), end.to_owned());
                }
            }
            FsKind::DenyFound { search, rights, missing } => {
                let (slash, end) = absent(*missing);
                let shown = searched(policy, search, slash)?;
                let own = search.rest.split('/').next() == Some(&search.beside);
                let beside = if own { String::new() } else { format!(" beside {}", quoted(&search.beside)) };
                let end = format!("{end}  enforce snapshot{beside} depth {}", search.depth);
                for verb in denials(*rights) {
                    add(verb, shown.clone(), end.clone());
                }
            }
        }
    }
    let grants = |verb: &str| !verb.starts_with("deny");
    for (verb, paths, end) in lists.iter().filter(|(verb, ..)| grants(verb)) {
        self::lists(&mut lines, verb, paths.clone(), end);
    }
    lines.append(&mut placed);
    for (verb, paths, end) in lists.iter().filter(|(verb, ..)| !grants(verb)) {
        self::lists(&mut lines, verb, paths.clone(), end);
    }
    Ok(lines)
}

/// The slash after a denied path, and what the rule says where nothing is there.
fn absent(missing: Missing) -> (&'static str, &'static str) {
    match missing {
        Missing::Mask { directory: true } => ("/", ""),
        Missing::Mask { directory: false } => ("", ""),
        Missing::Fail => ("", "  missing fail"),
        Missing::Skip => ("", "  missing skip"),
    }
}

/// What a rule says after its paths, where it is not what it would mean without.
fn ends(source: &Path, links: Links, optional: bool) -> &'static str {
    let usual = if matches!(source.base, Base::Param(_)) { Links::Refuse } else { Links::Follow };
    match (optional, links == usual, links) {
        (false, true, _) => "",
        (true, true, _) => "  optional",
        (false, false, Links::Follow) => "  symlinks follow",
        (false, false, Links::Refuse) => "  symlinks refuse",
        (true, false, Links::Follow) => "  optional symlinks follow",
        (true, false, Links::Refuse) => "  optional symlinks refuse",
    }
}

fn verbs(rights: Rights) -> Vec<&'static str> {
    match (rights.write, rights.run) {
        (false, false) => vec!["read"],
        (true, false) => vec!["write"],
        (false, true) => vec!["run"],
        (true, true) => vec!["write", "run"],
    }
}

fn denials(rights: Rights) -> Vec<&'static str> {
    match (rights.read, rights.write, rights.run) {
        (true, ..) => vec!["deny"],
        (false, true, true) => vec!["deny write", "deny run"],
        (false, true, false) => vec!["deny write"],
        (false, false, _) => vec!["deny run"],
    }
}

/// Bytes in the largest unit of which they are a whole number.
fn size(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.iter().find(|(shift, _)| bytes != 0 && bytes.trailing_zeros() >= *shift);
    unit.map_or_else(|| format!("{bytes}B"), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

fn duration(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")];
    let unit = units.iter().find(|(unit, _)| ms != 0 && ms.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{ms}ms"), |(unit, word)| format!("{}{word}", ms / unit))
}

fn capabilities(bits: u64) -> Result<String, Undone> {
    let mut names = Vec::new();
    for bit in (0..u64::BITS).filter(|bit| bits >> bit & 1 == 1) {
        names.push(capability_name(bit).ok_or_else(|| Undone::NoWords(format!("capability {bit}")))?);
    }
    Ok(format!("  caps {}\n", if names.is_empty() { "none".to_owned() } else { names.join(", ") }))
}

fn limits(limits: &Limits) -> Vec<String> {
    fn one<T: Copy>(limit: Option<Limit<T>>, write: impl Fn(T) -> String) -> String {
        limit.map_or_else(|| "unlimited".to_owned(), |limit| write(limit.value))
    }
    let cpu = |percent: u32| match percent.is_multiple_of(100) {
        true => (percent / 100).to_string(),
        false => format!("{percent}%"),
    };
    let mut lines = vec![
        format!("memory {}", one(limits.memory_bytes, size)),
        format!("pids {}", one(limits.pids, |count: u32| count.to_string())),
        format!("wall {}", one(limits.wall_ms, duration)),
    ];
    lines.extend(limits.cpu_percent.map(|limit| format!("cpu {}", cpu(limit.value))));
    lines.extend(limits.files.map(|limit| format!("files {}", limit.value)));
    lines.extend(limits.swap_bytes.map(|limit| format!("swap {}", size(limit.value))));
    lines.extend(limits.cpuset.map(|limit| format!("cpuset {}", limit.value)));
    lines.extend(limits.cpu_time_ms.map(|limit| format!("cpu_time {}", duration(limit.value))));
    lines.extend(limits.io_bytes_per_s.map(|limit| format!("io {}", size(limit.value))));
    lines.extend(limits.io_weight.map(|limit| format!("io_weight {}", limit.value)));
    lines.extend(limits.output_bytes.map(|limit| format!("output {}", size(limit.value))));
    lines.extend(limits.file_bytes.map(|limit| format!("fsize {}", size(limit.value))));
    lines
}

fn environment(policy: &Policy) -> Result<Vec<String>, Undone> {
    let (mut passed, mut lines) = (Vec::new(), Vec::new());
    for rule in &policy.env {
        match &rule.kind {
            EnvKind::Pass { name, prefix } => {
                passed.push(format!("{name}{}", if *prefix { "*" } else { "" }));
            }
            EnvKind::Set { name, value } => {
                let value = match value {
                    Text::Literal(text) => quoted(text),
                    Text::Param(index) => {
                        let param = policy.params.get(*index).ok_or_else(|| Undone::NoWords(name.clone()))?;
                        format!("${}", param.name)
                    }
                };
                lines.push(format!("set {name} = {value}"));
            }
        }
    }
    let mut all = Vec::new();
    if !passed.is_empty() {
        lists(&mut all, "pass", passed, "");
    }
    all.extend(lines);
    Ok(all)
}

fn exec(policy: &Policy) -> Result<Vec<String>, Undone> {
    let exec = &policy.exec;
    if exec.uid != exec.gid {
        return Err(Undone::NoWords(format!("user {} in group {}", exec.uid, exec.gid)));
    }
    let mut lines = Vec::new();
    if !exec.command.is_empty() {
        let words: Vec<String> = exec.command.iter().map(|word| quoted(word)).collect();
        lines.push(format!("command {}", words.join(" ")));
    }
    if exec.uid != USER {
        lines.push(format!("user {}", exec.uid));
    }
    if let Some((cwd, _)) = &exec.cwd {
        lines.push(format!("cwd {}", path(policy, cwd, "")?));
    }
    if exec.terminal.is_some() {
        lines.push("tty private".to_owned());
    }
    if exec.hostname != HOSTNAME {
        lines.push(format!("hostname {}", quoted(&exec.hostname)));
    }
    Ok(lines)
}
