//! The `limits` section: numbers with units, within what a launcher can hold.

use crate::context::Context;
use crate::syscalls::implied::{self, Implied};
use crate::values;
use msb_diag::{Code, Diagnostic, Span, codes};
use msb_policy::{Limit, Limits, OriginId, Policy};
use msb_resolve::{LayerId, nearest};
use msb_syntax::ast::{LimitStmt, Spanned, StmtKind, Value};

/// A limit of the language.
struct Known {
    name: &'static str,
    /// Reads a value; `None` where that was reported.
    read: fn(&mut Context<'_>, &Spanned<Value>) -> Option<u64>,
    min: u64,
    max: u64,
    /// The range, and why it begins where it does.
    range: &'static str,
    least: &'static str,
}

/// The ranges are those that a plan is checked for. `pids` begins at 2, as init is the first.
const KNOWN: &[Known] = &[
    Known {
        name: "memory",
        read: |cx, value| values::size(cx, value, "memory"),
        min: 1 << 20,
        max: 1 << 50,
        range: "from 1MiB to 1024TiB",
        least: "1MiB",
    },
    Known {
        name: "pids",
        read: |cx, value| values::int(cx, value, "pids"),
        min: 2,
        max: 1 << 22,
        range: "from 2, init and one program, to 4194304",
        least: "2",
    },
    Known { name: "cpu", read: cpu, min: 1, max: 100 * 8192, range: "from 1% to 8192 CPUs", least: "1%" },
    Known {
        name: "wall",
        read: wall,
        min: 1,
        max: 366 * 24 * 3600 * 1000,
        range: "from 1ms to 366d",
        least: "1ms",
    },
    Known {
        name: "files",
        read: |cx, value| values::int(cx, value, "files"),
        min: 16,
        max: 1 << 20,
        range: "from 16 to 1048576",
        least: "16",
    },
    Known {
        name: "swap",
        read: |cx, value| values::size(cx, value, "swap"),
        min: 0,
        max: 1 << 50,
        range: "at most 1024TiB",
        least: "0B",
    },
    Known {
        name: "cpuset",
        read: |cx, value| values::int(cx, value, "cpuset"),
        min: 1,
        max: 8192,
        range: "from 1 to 8192 CPUs",
        least: "1",
    },
    Known {
        name: "cpu_time",
        read: |cx, value| values::duration(cx, value, "cpu_time").map(|us| us.div_ceil(1000)),
        min: 10,
        max: 366 * 24 * 3600 * 1000,
        range: "from 10ms to 366d",
        least: "10ms",
    },
    Known {
        name: "io",
        read: |cx, value| values::size(cx, value, "io"),
        min: 1 << 10,
        max: 1 << 50,
        range: "from 1KiB to 1024TiB, each second",
        least: "1KiB",
    },
    Known {
        name: "io_weight",
        read: |cx, value| values::int(cx, value, "io_weight"),
        min: 1,
        max: 10_000,
        range: "from 1 to 10000; 100 is as everybody",
        least: "1",
    },
    Known {
        name: "output",
        read: |cx, value| values::size(cx, value, "output"),
        min: 0,
        max: 1 << 50,
        range: "at most 1024TiB",
        least: "0B",
    },
    Known {
        name: "fsize",
        read: |cx, value| values::size(cx, value, "fsize"),
        min: 0,
        max: 1 << 50,
        range: "at most 1024TiB",
        least: "0B",
    },
];

/// A limit as one line sets it; `None` is `unlimited`.
#[derive(Clone, Copy)]
struct Set {
    value: Option<u64>,
    origin: OriginId,
    span: Span,
    layer: LayerId,
}

/// The limits, and the rules for system calls that follow from them.
pub(crate) fn limits(cx: &mut Context<'_>) -> (Limits, Vec<Implied>) {
    let mut hard = false;
    let mut all: Vec<Vec<Set>> = KNOWN.iter().map(|_| Vec::new()).collect();
    // What is wrong was meant, too: one mistake gives one finding.
    let mut meant: Vec<String> = Vec::new();
    for placed in cx.stmts() {
        let StmtKind::Limits { hard: written, limits } = &placed.stmt.kind else { continue };
        hard |= written.is_some();
        for limit in limits {
            meant.push(meaning(&limit.name.node).to_owned());
            if let Some((index, set)) = one(cx, limit, placed.layer)
                && let Some(lines) = all.get_mut(index)
            {
                if let (None, true, Some(known)) =
                    (set.value, placed.layer == LayerId::POLICY, KNOWN.get(index))
                {
                    cx.unlimited.push((known.name, set.span));
                }
                twice(cx, limit, lines, &set);
                lines.push(set);
            }
        }
    }
    cx.limits_meant = meant;
    let mut least = all.iter().map(|lines| smallest(lines));
    let mut next = || least.next().flatten();
    let (memory, pids, cpu, wall, files) = (next(), next(), next(), next(), next());
    let (swap, cpuset, cpu_time) = (next(), next(), next());
    let (io, io_weight, output, fsize) = (next(), next(), next(), next());
    let broken =
        cx.limits_meant.iter().any(|name| name == "memory") && all.first().is_some_and(Vec::is_empty);
    if let (Some(swap), None, false) = (swap, memory, broken) {
        without_memory(cx, swap.origin, &all);
        cx.limits_meant.push("memory".to_owned());
    }
    let narrow = |limit: Option<Limit<u64>>| {
        // The ranges above fit.
        limit.map(|limit| Limit {
            value: u32::try_from(limit.value).unwrap_or(u32::MAX),
            origin: limit.origin,
        })
    };
    let implied = cpu.or(cpuset).map(|limit| {
        // Without a cgroup a process is held to its CPUs by affinity, which it must not change back.
        implied::always(&cx.archs, "sched_setaffinity", "EPERM", limit.origin)
    });
    let limits = Limits {
        hard,
        memory_bytes: memory,
        pids: narrow(pids),
        cpu_percent: narrow(cpu),
        wall_ms: wall,
        files: narrow(files),
        swap_bytes: swap,
        cpuset,
        cpu_time_ms: cpu_time,
        io_bytes_per_s: io,
        io_weight,
        output_bytes: output,
        file_bytes: fsize,
    };
    (limits, implied.unwrap_or_default())
}

fn one(cx: &mut Context<'_>, limit: &LimitStmt, layer: LayerId) -> Option<(usize, Set)> {
    let name = limit.name.node.as_str();
    let Some(index) = KNOWN.iter().position(|known| known.name == name) else {
        cx.say(unknown(limit));
        return None;
    };
    let known = KNOWN.get(index)?;
    let unlimited = matches!(&limit.value.node, Value::Ident(word) if word == "unlimited");
    let value = match &limit.value.node {
        _ if unlimited => None,
        // Nothing is nothing, with or without a unit.
        Value::Int(0) => Some(0),
        _ => Some((known.read)(cx, &limit.value)?),
    };
    if let Some(value) = value
        && !(known.min..=known.max).contains(&value)
    {
        cx.say(out_of_range(limit, known, value));
        return None;
    }
    let origin = cx.origin(limit.span);
    Some((index, Set { value, origin, span: limit.span, layer }))
}

fn unknown(limit: &LimitStmt) -> Diagnostic {
    let name = limit.name.node.as_str();
    let unknown = Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown limit `{name}`"))
        .label(limit.name.span, "no limit has this name");
    let meant = meaning(name);
    if meant == name {
        let names: Vec<String> = KNOWN.iter().map(|known| format!("`{}`", known.name)).collect();
        return unknown.help(format!("the limits are {}", names.join(", ")));
    }
    unknown.help(format!("did you mean `{meant}`?")).edit(limit.name.span, meant)
}

/// What other tools call a limit: systemd.resource-control(5), setrlimit(2), container runtimes.
const ELSEWHERE: &[(&str, &[&str])] = &[
    ("memory", &["mem", "ram", "memorymax", "as", "rss"]),
    ("pids", &["processes", "process", "procs", "nproc", "threads", "tasks", "tasksmax"]),
    ("cpu", &["cpus", "cores", "cpuquota"]),
    ("wall", &["timeout", "time", "duration", "runtime", "walltime", "deadline", "runtimemaxsec"]),
    ("files", &["nofile", "fds", "descriptors", "file"]),
    ("swap", &["memswap", "swapmax", "memoryswapmax"]),
    ("cpuset", &["cpusetcpus", "allowedcpus", "affinity"]),
    ("cpu_time", &["cputime", "cpuseconds", "limitcpu"]),
    ("fsize", &["filesize", "limitfsize"]),
    ("io_weight", &["ioweight", "blkioweight", "blkio"]),
    ("output", &["stdout", "outputsize"]),
];

/// The limit that `name` means or was meant to be; `name` itself where that cannot be said.
fn meaning(name: &str) -> &str {
    let known = || KNOWN.iter().map(|known| known.name);
    if known().any(|known| known == name) {
        return name;
    }
    let plain = name.to_ascii_lowercase();
    let parts = || plain.split(['_', '-']).filter(|part| !matches!(*part, "max" | "min" | "limit" | "size"));
    let named = |part: &str| {
        let elsewhere = ELSEWHERE.iter().find(|(_, names)| names.contains(&part)).map(|(meant, _)| *meant);
        known().find(|known| *known == part).or(elsewhere)
    };
    let whole = plain.replace(['_', '-'], "");
    named(&whole).or_else(|| parts().find_map(named)).or_else(|| nearest(name, known())).unwrap_or(name)
}

fn out_of_range(limit: &LimitStmt, known: &Known, value: u64) -> Diagnostic {
    let low = value < known.min;
    let (code, what): (Code, _) = if low {
        (codes::LIMIT_TOO_LOW, "is too low to start anything")
    } else {
        (codes::LIMIT_TOO_HIGH, "is more than can be held")
    };
    let found = Diagnostic::new(code, format!("limit `{}` {what}", known.name))
        .label(limit.value.span, format!("must be {}", known.range));
    if low {
        let unlimited = if value == 0 { ", or `unlimited` where there is to be no limit" } else { "" };
        found.help(format!("write at least `{} {}`{unlimited}", known.name, known.least))
    } else {
        let range = known.range.split(';').next().unwrap_or_default();
        found.help(format!("write a value {range}, or `unlimited`"))
    }
}

/// A limit that one block sets to two values. From two blocks the smaller holds, as a profile that limits
/// cannot be undone.
fn twice(cx: &mut Context<'_>, limit: &LimitStmt, lines: &[Set], set: &Set) {
    // What came before was compared with each other already.
    let mut same_layer = lines.iter().rev().filter(|other| other.layer == set.layer).take(1);
    let other = same_layer.find(|other| other.value != set.value);
    if let Some(other) = other {
        cx.say(
            Diagnostic::new(codes::DUPLICATE_SETTING, format!("limit `{}` is set twice", limit.name.node))
                .label(limit.span, "again here")
                .label(other.span, "first here")
                .help("keep one of them"),
        );
    }
}

/// `swap` where `memory` is not limited: it is what may be used besides.
fn without_memory(cx: &mut Context<'_>, origin: OriginId, all: &[Vec<Set>]) {
    let Some(set) = all.iter().flatten().find(|set| set.origin == origin) else { return };
    cx.say(
        Diagnostic::new(codes::SWAP_WITHOUT_MEMORY, "`swap` is limited and `memory` is not")
            .label(set.span, "what may be swapped out besides `memory`")
            .help("write `memory 1GiB` as well"),
    );
}

fn smallest(lines: &[Set]) -> Option<Limit<u64>> {
    lines
        .iter()
        .filter_map(|set| Some((set.value?, set.origin)))
        .min_by_key(|(value, _)| *value)
        .map(|(value, origin)| Limit { value, origin })
}

/// Resources that a program can use up and that neither the policy nor a parent says anything about.
pub(crate) fn missing(cx: &mut Context<'_>, policy: &Policy) {
    const EXPECTED: &[&str] = &["memory", "pids", "wall"];
    // What a parent brings is not known where the two were not compared.
    if cx.resolved.extends.is_some() && msb_diag::has_errors(&cx.found) {
        return;
    }
    let held = |name: &str| match name {
        "memory" => policy.limits.memory_bytes.is_some(),
        "pids" => policy.limits.pids.is_some(),
        _ => policy.limits.wall_ms.is_some(),
    };
    let meant: Vec<&str> = cx.limits_meant.iter().map(String::as_str).collect();
    // A name that is none may be any of them.
    let known = |name: &&str| KNOWN.iter().any(|known| known.name == *name);
    if meant.iter().any(|name| !known(name)) {
        return;
    }
    let absent = EXPECTED.iter().filter(|name| !meant.contains(name) && !held(name));
    let absent: Vec<String> = absent.map(|name| format!("`{name}`")).collect();
    let Some((last, others)) = absent.split_last() else { return };
    let names = if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
    cx.say(
        Diagnostic::new(codes::NO_LIMIT, format!("no limit for {names}"))
            .label(cx.resolved.block.head, "a runaway program takes all that the host has")
            .help("write `limits { memory 1GiB  pids 128  wall 30min }`, or `unlimited` where that is meant"),
    );
}

/// Percent of one CPU: a percentage, or a number of CPUs.
fn cpu(cx: &mut Context<'_>, value: &Spanned<Value>) -> Option<u64> {
    match &value.node {
        Value::Percent(percent) => Some(*percent),
        Value::Int(cpus) => Some(cpus.saturating_mul(100)),
        _ => values::mistaken(cx, value, "cpu", "percent", "200%"),
    }
}

/// Milliseconds, rounded up so that nothing that was asked for becomes nothing.
fn wall(cx: &mut Context<'_>, value: &Spanned<Value>) -> Option<u64> {
    values::duration(cx, value, "wall").map(|microseconds| microseconds.div_ceil(1000))
}
