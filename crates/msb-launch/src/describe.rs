//! What a dry run says: what this launch decided of what the plan leaves open, a JSON object a line. The rest is the plan's
//! to say (`msbc show`).

use crate::cgroup::Held;
use crate::deny::Denial;
use crate::files::write_once;
use crate::host::Entry;
use crate::json::Json;
use crate::path::absolute;
use msb_plan::{MountKind, Plan, Rights};
use msb_sys::process::borrowed;

/// Prints it to standard output. Nobody may be reading: then it is lost, and the exit code remains.
pub(crate) fn print(plan: &Plan<'_>, entries: &[Entry<'_>], denials: &[Denial], held: Held) {
    for entry in entries {
        let kind: &[u8] = match entry.mount.kind {
            MountKind::Bind { .. } => b"bind",
            MountKind::Overlay { .. } => b"overlay",
            MountKind::Scratch { .. } => b"scratch",
            MountKind::Device { .. } => b"device",
            MountKind::Socket { .. } => b"socket",
            MountKind::Proc(_) => b"proc",
            MountKind::Dev { .. } => b"dev",
        };
        let mut line = begin("mount");
        line.text("kind", Some(kind));
        line.text("target", Some(absolute(entry.target)));
        line.text("source", entry.source.as_ref().map(|source| source.real));
        line.text("rights", Some(rights(entry.rights)));
        end(line, plan, Some(entry.mount.origin));
    }
    // What takes nothing away only keeps a place where it is.
    for denial in denials.iter().filter(|denial| denial.rights != Rights::NONE) {
        let mut line = begin("deny");
        line.text("target", Some(absolute(denial.inside)));
        line.text("rights", Some(rights(denial.rights)));
        end(line, plan, Some(denial.origin));
    }
    for (kind, limit) in plan.limits.each() {
        let mut line = begin("limit");
        line.text("limit", Some(kind.word().as_bytes()));
        line.number("value", Some(limit.value));
        line.text("held_by", Some(if held.has(kind) { b"cgroup" } else { b"launcher" }));
        end(line, plan, Some(limit.origin));
    }
}

fn begin(what: &str) -> Json {
    let mut line = Json::object();
    line.text("would", Some(what.as_bytes()));
    line
}

fn end(mut line: Json, plan: &Plan<'_>, origin: Option<msb_plan::OriginId>) {
    line.origin(origin, Some(plan));
    let _ = write_once(borrowed(1), &line.line());
}

fn rights(rights: Rights) -> &'static [u8] {
    match (rights.contains(Rights::WRITE), rights.contains(Rights::RUN)) {
        (false, false) => b"read",
        (true, false) => b"read write",
        (false, true) => b"read run",
        (true, true) => b"read write run",
    }
}
