//! Events as JSON, for programs.

use crate::{Context, explain, place, short, words};
use msb_plan::event::{Cause, Counted, Ended, Event, Traffic};
use msb_plan::network::{Listen, Network};
use msb_plan::{OriginId, Plan};
use serde_json::{Value, json};

/// `event` as an object.
///
/// `event` is `failed`, `held-without-cgroup`, `held-by-landlock`, `limit-reached`, `published`,
/// `killed-by-filter`, `timing` or `ended`. Every object has `sentence`, and
/// `code`, `message` and `help`, null where the command ended by itself. `origin` is `file`, `line`,
/// `column` and `text`, or null. A failure has `step`, `errno` and `errno_name`; a limit `limit` and `value`; a
/// published port `protocol`, `host`, `port` of the host and `inside`;
/// an end `exit_code` or `signal` (the other is null), `cause`, `wall_us`, `cpu_us`, `memory_peak_bytes` and the
/// fields of [`msb_plan::event::Usage`].
#[must_use]
pub fn to_json(event: &Event, plan: &Plan<'_>, context: &Context<'_>) -> Value {
    let mut object = match *event {
        Event::Failed(failure) => json!({
            "event": "failed",
            "step": format!("{:?}", failure.step),
            "errno": failure.errno,
            "errno_name": words::errno_name(failure.errno),
            "origin": origin(failure.origin, plan),
        }),
        Event::HeldWithoutCgroup { limit, origin: at } => json!({
            "event": "held-without-cgroup",
            "limit": limit.word(),
            "value": words::limit_value(limit, plan),
            "origin": origin(Some(at), plan),
        }),
        Event::HeldByLandlock { origin: at } => json!({
            "event": "held-by-landlock",
            "origin": origin(Some(at), plan),
        }),
        Event::Published { index, port, origin: at } => {
            let listen = listen(plan, index);
            json!({
                "event": "published",
                "protocol": listen.map(Listen::carries),
                "host": listen.map(Listen::host),
                "port": port,
                "inside": listen.map(|it| it.inside),
                "origin": origin(Some(at), plan),
            })
        }
        Event::Searched { origin: at, directories, places } => json!({
            "event": "searched",
            "directories": directories,
            "places": places,
            "origin": origin(Some(at), plan),
        }),
        Event::LimitReached { limit, times, origin: at } => json!({
            "event": "limit-reached",
            "limit": limit.word(),
            "value": words::limit_value(limit, plan),
            "times": times,
            "origin": origin(Some(at), plan),
        }),
        Event::KilledByFilter { nr, origin: at } => json!({
            "event": "killed-by-filter",
            "nr": nr,
            "origin": origin(Some(at), plan),
        }),
        Event::Timing { step, at_us } => json!({
            "event": "timing",
            "step": format!("{step:?}"),
            "at_us": at_us,
        }),
        Event::Ended(ended) => end(ended, plan),
    };
    let report = explain(event, plan, context);
    let diagnostic = report.as_ref().map(|report| &report.diagnostic);
    object["sentence"] = json!(short(event, plan));
    object["code"] = json!(diagnostic.map(|found| found.code.to_string()));
    object["message"] = json!(diagnostic.map(|found| &found.message));
    object["help"] = json!(diagnostic.and_then(|found| found.help.as_ref()));
    object
}

/// The rule that publishes a port.
pub(crate) fn listen<'p>(plan: &'p Plan<'_>, index: u8) -> Option<&'p Listen> {
    match &plan.network {
        Network::Gateway(gateway) => gateway.listens.get(usize::from(index)),
        Network::None | Network::Loopback => None,
    }
}

/// What a gateway counted as an object: `event` is `network-rule`, `network-denied` or `network`.
#[must_use]
pub fn counted_to_json(counted: &Counted, plan: &Plan<'_>) -> Value {
    let (mut object, at, words) = match counted {
        Counted::Rule { origin: at, traffic } => {
            let mut object = json!({"event": "network-rule", "origin": origin(Some(*at), plan)});
            counts(&mut object, traffic);
            (object, Some(*at), words::traffic(traffic))
        }
        Counted::Denied(denied) => {
            let object = json!({
                "event": "network-denied",
                "subject": denied.subject.as_str(),
                "target": denied.target.as_str(),
                "port": (denied.port != 0).then_some(denied.port),
                "reason": denied.reason.as_str(),
                "times": denied.times,
                "origin": origin(denied.origin, plan),
            });
            (object, denied.origin, words::denied(denied))
        }
        Counted::All { traffic, audit_lines, audit_sha256 } => {
            let has_log = *audit_lines > 0;
            let mut object = json!({
                "event": "network",
                "audit_lines": has_log.then_some(audit_lines),
                "audit_sha256": has_log.then_some(audit_sha256.as_str()),
            });
            counts(&mut object, traffic);
            (object, None, words::traffic(traffic))
        }
    };
    let at = at.and_then(|at| place::show(plan, at));
    object["sentence"] = json!(at.map_or_else(|| words.clone(), |at| format!("{words} ({at})")));
    object
}

fn counts(object: &mut Value, traffic: &Traffic) {
    for (name, count) in traffic.each() {
        object[name] = json!(count);
    }
}

fn end(ended: Ended, plan: &Plan<'_>) -> Value {
    let signal = words::signal(ended.wait_status);
    let (cause, limit, at) = match ended.cause {
        Cause::Command => ("command", None, None),
        Cause::Limit(limit, at) => ("limit", Some(limit.word()), Some(at)),
        Cause::Outside => ("outside", None, None),
        Cause::Gateway => ("gateway", None, None),
    };
    json!({
        "event": "ended",
        "exit_code": signal.is_none().then_some(ended.wait_status >> 8 & 0xff),
        "signal": signal,
        "cause": cause,
        "limit": limit,
        "origin": origin(at, plan),
        "wall_us": ended.wall_us,
        "cpu_us": ended.cpu_us,
        "memory_peak_bytes": ended.memory_peak_bytes,
        "pids_peak": ended.usage.pids_peak,
        "read_bytes": ended.usage.read_bytes,
        "written_bytes": ended.usage.written_bytes,
        "output_bytes": ended.usage.output_bytes,
        "throttled": ended.usage.throttled,
    })
}

fn origin(at: Option<OriginId>, plan: &Plan<'_>) -> Value {
    at.and_then(|at| plan.origins.get(usize::from(at.0))).map_or(
        Value::Null,
        |at| json!({"file": at.file, "line": at.line, "column": at.column, "text": at.text}),
    )
}
