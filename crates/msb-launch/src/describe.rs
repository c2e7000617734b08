//! What a dry run says: what this launch decided of what the plan leaves open, a JSON object a line. The rest is the plan's
//! to say (`msbc show`).

use crate::cgroup::Held;
use crate::deny::Denial;
use crate::files::write_once;
use crate::host::Entry;
use crate::path::absolute;
use crate::text::{Value, filled};
use msb_plan::{MountKind, Plan, Rights};
use msb_sys::process::borrowed;

/// Prints it to standard output. Nobody may be reading: then it is lost, and the exit code remains.
pub(crate) fn print(plan: &Plan<'_>, entries: &[Entry<'_>], denials: &[Denial], held: Held) {
    let at = |id| Value::Origin(Some(id));
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
        say(
            plan,
            "{\"would\":\"mount\",\"kind\":#,\"target\":#,\"source\":#,\"rights\":#,\"origin\":#}\n",
            &[
                Value::String(kind),
                Value::String(absolute(entry.target)),
                Value::string(entry.source.as_ref().map(|source| source.real)),
                Value::String(rights(entry.rights)),
                at(entry.mount.origin),
            ],
        );
    }
    // What takes nothing away only keeps a place where it is.
    for denial in denials.iter().filter(|denial| denial.rights != Rights::NONE) {
        say(
            plan,
            "{\"would\":\"deny\",\"target\":#,\"rights\":#,\"origin\":#}\n",
            &[
                Value::String(absolute(denial.inside)),
                Value::String(rights(denial.rights)),
                at(denial.origin),
            ],
        );
    }
    for (kind, limit) in plan.limits.each() {
        let held_by: &[u8] = if held.has(kind) { b"cgroup" } else { b"launcher" };
        say(
            plan,
            "{\"would\":\"limit\",\"limit\":#,\"value\":#,\"held_by\":#,\"origin\":#}\n",
            &[
                Value::String(kind.word().as_bytes()),
                Value::Number(limit.value),
                Value::String(held_by),
                at(limit.origin),
            ],
        );
    }
}

fn say(plan: &Plan<'_>, text: &str, values: &[Value<'_>]) {
    let _ = write_once(borrowed(1), &filled(Some(plan), text, values));
}

/// What a mount grants, or what a deny takes away: a grant has `read`, and who may not read may not do the rest either.
fn rights(rights: Rights) -> &'static [u8] {
    match [Rights::READ, Rights::WRITE, Rights::RUN].map(|right| rights.contains(right)) {
        [true, true, true] => b"read write run",
        [true, true, false] => b"read write",
        [true, false, true] => b"read run",
        [true, false, false] => b"read",
        [false, true, true] => b"write run",
        [false, true, false] => b"write",
        [false, false, _] => b"run",
    }
}
