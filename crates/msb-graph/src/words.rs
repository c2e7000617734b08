//! The language in plain English.

use msb_syntax::ast::{FsVerb, PathExpr, PathKind, Value};

/// What a badge says of a rule, and its colour.
pub(crate) fn verb(verb: FsVerb) -> (&'static str, Tone) {
    match verb {
        FsVerb::Read => ("can read", Tone::Look),
        FsVerb::Write => ("can change", Tone::Change),
        FsVerb::Create => ("can create", Tone::Change),
        FsVerb::Append => ("can append", Tone::Change),
        FsVerb::Run => ("can run", Tone::Run),
        FsVerb::Deny => ("hidden", Tone::Deny),
        FsVerb::DenyRead => ("cannot read", Tone::Deny),
        FsVerb::DenyWrite => ("cannot change", Tone::Deny),
        FsVerb::DenyRun => ("cannot run", Tone::Deny),
        FsVerb::Scratch => ("temporary", Tone::Passing),
        FsVerb::Overlay => ("changes vanish", Tone::Passing),
        FsVerb::Device => ("devices", Tone::Look),
        FsVerb::Socket => ("can connect", Tone::Change),
        FsVerb::Proc => ("can read", Tone::Look),
    }
}

/// What a colour stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Only looked at.
    Look,
    /// Changed, sent or reached.
    Change,
    /// Run.
    Run,
    /// Gone at the end.
    Passing,
    /// Not possible.
    Deny,
    /// A plain fact.
    #[default]
    Plain,
}

/// A path as a person would say it.
pub(crate) fn path(path: &PathExpr) -> String {
    match &path.kind {
        PathKind::Path(text) if text == "/proc/self" => "its own entries in /proc".to_owned(),
        PathKind::Path(text) => match text.strip_prefix('~') {
            Some(rest) => format!("your home{rest}"),
            None => text.clone(),
        },
        PathKind::Var { name, rest } => format!("‹{}›{rest}", name.node),
        PathKind::Group(name) if name == "@std" => "null, zero, full, random, terminal".to_owned(),
        PathKind::Group(name) => name.clone(),
    }
}

/// A value as a person would say it.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Text(text) | Value::Path(text) | Value::Address(text) | Value::Ident(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Size(bytes) => size(*bytes),
        Value::Duration(micros) => duration(*micros),
        Value::Rate(count, micros) => format!("{count} per {}", period(*micros)),
        Value::Percent(percent) => format!("{percent} %"),
        Value::Var { name, rest } => format!("‹{}›{rest}", name.node),
        Value::Flags(all) => all.iter().map(|it| self::value(&it.node)).collect::<Vec<_>>().join(" | "),
        Value::List(all) => all.iter().map(|it| self::value(&it.node)).collect::<Vec<_>>().join(", "),
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) if bytes.is_multiple_of(*unit) => format!("{} {name}", bytes / unit),
        Some((name, unit)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}

fn duration(micros: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("day", 86_400_000_000), ("hour", 3_600_000_000), ("minute", 60_000_000), ("second", 1_000_000)];
    let mut parts = Vec::new();
    let mut rest = micros;
    for (name, unit) in UNITS {
        let count = rest / unit;
        rest %= unit;
        if count > 0 {
            parts.push(format!("{count} {name}{}", if count == 1 { "" } else { "s" }));
        }
    }
    if rest > 0 || parts.is_empty() {
        parts.push(format!("{} ms", rest / 1000));
    }
    parts.join(" ")
}

/// The period of a rate.
pub(crate) fn period(micros: u64) -> &'static str {
    match micros {
        1_000_000 => "second",
        60_000_000 => "minute",
        3_600_000_000 => "hour",
        _ => "day",
    }
}

/// What a limit limits, and to what.
pub(crate) fn limit(name: &str, value: &Value) -> (String, String) {
    let said = match (name, value) {
        ("cpu", Value::Percent(percent)) if percent.is_multiple_of(100) => (percent / 100).to_string(),
        ("cpu", Value::Percent(percent)) => format!("{}.{:02}", percent / 100, percent % 100),
        _ => self::value(value),
    };
    let what = match name {
        "pids" => "processes",
        "cpu" if said == "1" => "CPU",
        "cpu" => "CPUs",
        "wall" => "time, start to end",
        "cpu_time" => "time computing",
        "files" => "open files, each process",
        "fsize" => "largest file",
        "cpuset" => "CPUs to run on",
        "io" => "bytes a second, each disk",
        "io_weight" => "share of each disk",
        other => other,
    };
    (what.to_owned(), said)
}
