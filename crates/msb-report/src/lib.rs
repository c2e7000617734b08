//! What the launcher reports, explained on the line of the policy that asked.
//!
//! The launcher holds no text: an [`Event`] is a step, an errno and the number of a line. [`explain`]
//! makes a diagnostic of it, with what the errno means at that step and what to do about it, [`short`] one
//! line, [`to_json`] a value for programs. What to say lies in one table, `advice.rs`; a limit or
//! a failure without a row of its own still says what was being done and which line asked.

mod advice;
mod json;
mod place;
mod subject;
mod words;

pub use json::{counted_to_json, to_json};
pub use words::{duration, limit_value, size};

use msb_diag::{Diagnostic, Severity, Sources, Style, codes};
use msb_plan::event::{Cause, Event, Failure, LimitKind, Step};
use msb_plan::network::Network;
use msb_plan::{OriginId, Plan};
use std::ffi::OsString;
use std::path::Path;

/// What whoever started the launcher knows and the launcher's numbers do not say.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::exhaustive_structs, reason = "callers write it out")]
pub struct Context<'a> {
    /// Parameters that were set, by name.
    pub params: &'a [(String, String)],
    /// The command that was given; empty for the plan's own.
    pub command: &'a [OsString],
    /// What `~` names.
    pub home: Option<&'a str>,
    /// The policy's files, where they are at hand: a report shows the line that is there.
    pub sources: Option<&'a Sources>,
    /// Whether a path of the host exists: picks the one that is missing from several on one line.
    pub exists: Option<fn(&Path) -> bool>,
}

/// An event in words.
#[derive(Debug, Clone)]
pub struct Report {
    /// What happened, in one sentence.
    pub sentence: String,
    /// The same on the line of the policy, with what to do.
    pub diagnostic: Diagnostic,
    /// What the diagnostic's places are in.
    pub sources: Sources,
}

impl Report {
    /// The diagnostic as text.
    #[must_use]
    pub fn render(&self, style: Style) -> String {
        msb_diag::render(std::slice::from_ref(&self.diagnostic), &self.sources, style)
    }
}

/// What `event` says, on a line of the policy that `plan` came from; `None` where there is nothing to
/// explain because the command ended by itself.
#[must_use]
pub fn explain(event: &Event, plan: &Plan<'_>, context: &Context<'_>) -> Option<Report> {
    let (diagnostic, origin, label) = match *event {
        Event::Failed(failure) => {
            let (origin, label) = blamed(failure, plan);
            (failed(failure, plan, context), origin, Some(label))
        }
        Event::HeldWithoutCgroup { limit, origin } => (held(limit, plan), Some(origin), None),
        Event::HeldByLandlock { origin } => {
            (held_by_landlock(), Some(origin), Some("accepted here".to_owned()))
        }
        Event::LimitReached { limit, times, origin } => (reached(limit, times, plan), Some(origin), None),
        Event::KilledByFilter { nr, origin } => (killed_by_filter(nr, plan), Some(origin), None),
        Event::Timing { .. } | Event::Published { .. } | Event::Searched { .. } => return None,
        Event::Ended(ended) => match ended.cause {
            Cause::Command => return None,
            Cause::Limit(limit, origin) => (ended_by(limit, plan), Some(origin), None),
            Cause::Outside => (outside(ended.wait_status), None, None),
            Cause::Gateway => (gateway_ended(), network(plan), Some("it decides these".to_owned())),
        },
    };
    let mut sources = context.sources.cloned().unwrap_or_default();
    let diagnostic = match origin.and_then(|origin| place::of(plan, origin, &mut sources)) {
        Some(span) => diagnostic.label(span, label.unwrap_or_else(|| "asked for here".to_owned())),
        None => diagnostic,
    };
    Some(Report { sentence: sentence(event, plan), diagnostic, sources })
}

/// Several limits that no cgroup holds, in one line; "" for none.
#[must_use]
pub fn held_together(events: &[Event], plan: &Plan<'_>) -> String {
    let held: Vec<(LimitKind, OriginId)> = events
        .iter()
        .filter_map(|event| match *event {
            Event::HeldWithoutCgroup { limit, origin } => Some((limit, origin)),
            _ => None,
        })
        .collect();
    let name = |(limit, _): &(LimitKind, OriginId)| {
        format!("`{} {}`", limit.word(), words::limit_value(*limit, plan))
    };
    let names: Vec<String> = held.iter().map(name).collect();
    let Some(((_, origin), (last, others))) = held.first().zip(names.split_last()) else {
        return String::new();
    };
    let names = if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
    let verb = if others.is_empty() { "is" } else { "are" };
    let at = place::show(plan, *origin).map_or_else(String::new, |at| format!(" ({at})"));
    format!("no cgroup can be had: {names} {verb} held in a weaker way, see `msbc doc MSB1202`{at}")
}

/// `event` in one line, without a line break: the sentence, and where the policy asked for it.
#[must_use]
pub fn short(event: &Event, plan: &Plan<'_>) -> String {
    let origin = match *event {
        Event::Failed(failure) => blamed(failure, plan).0,
        Event::HeldWithoutCgroup { origin, .. }
        | Event::HeldByLandlock { origin }
        | Event::Searched { origin, .. }
        | Event::LimitReached { origin, .. }
        | Event::Published { origin, .. }
        | Event::KilledByFilter { origin, .. } => Some(origin),
        Event::Timing { .. } => None,
        Event::Ended(ended) => match ended.cause {
            Cause::Limit(_, origin) => Some(origin),
            Cause::Gateway => network(plan),
            Cause::Command | Cause::Outside => None,
        },
    };
    let at = origin.and_then(|origin| place::show(plan, origin));
    match at {
        Some(at) => format!("{} ({at})", sentence(event, plan)),
        None => sentence(event, plan),
    }
}

fn sentence(event: &Event, plan: &Plan<'_>) -> String {
    match *event {
        Event::Failed(failure) => format!("{}; nothing was started", words::failure(failure)),
        Event::HeldWithoutCgroup { limit, .. } => held(limit, plan).message,
        Event::HeldByLandlock { .. } => held_by_landlock().message,
        Event::Searched { directories, places, .. } => {
            format!("{directories} directories were searched, and {places} places denied for what is there")
        }
        Event::LimitReached { limit, times, .. } => reached(limit, times, plan).message,
        Event::Published { index, port, .. } => published(index, port, plan),
        Event::KilledByFilter { nr, .. } => killed_by_filter(nr, plan).message,
        Event::Timing { step, at_us } => format!("{} after {at_us} µs", words::step_done(step)),
        Event::Ended(ended) => match ended.cause {
            Cause::Command => format!("the command {}", words::wait_status(ended.wait_status)),
            Cause::Limit(limit, _) => ended_by(limit, plan).message,
            Cause::Outside => outside(ended.wait_status).message,
            Cause::Gateway => gateway_ended().message,
        },
    }
}

/// The line that a failure is shown on, and what is said there.
fn blamed(failure: Failure, plan: &Plan<'_>) -> (Option<OriginId>, String) {
    /// The launcher's own findings about parameters, which it says with an errno.
    const MISSING: u16 = 22; // EINVAL
    match failure.step {
        Step::Param if failure.errno == MISSING => {
            (failure.origin, "it is declared here, without a default".to_owned())
        }
        // Its errno is the number of a parameter.
        Step::ParamOverlap => (failure.origin, "not to be written".to_owned()),
        Step::ParamSame => (failure.origin, "shown at its own path".to_owned()),
        // A command is given at launch, and what is there to execute is the whole policy's matter.
        Step::Exec => (Some(plan.policy.origin), words::failure(failure)),
        _ => (failure.origin, words::failure(failure)),
    }
}

fn failed(failure: Failure, plan: &Plan<'_>, context: &Context<'_>) -> Diagnostic {
    let row = advice::find(failure.step, failure.errno);
    let subject = subject::Subject::of(failure, plan, context);
    let diagnostic = Diagnostic::new(row.code, subject.fill(row.message));
    match subject.fill(row.help) {
        help if help.is_empty() => diagnostic,
        help => diagnostic.help(help),
    }
}

fn held_by_landlock() -> Diagnostic {
    let message = "Landlock and the filter hold the run, since this host refuses user namespaces";
    Diagnostic::new(codes::HELD_BY_LANDLOCK, message)
        .help("`msbc doc MSB1210` says what that means; `tier full` refuses to start instead")
}

fn held(limit: LimitKind, plan: &Plan<'_>) -> Diagnostic {
    let name = limit.word();
    let (how, help) = advice::fallback(limit);
    let value = words::limit_value(limit, plan);
    Diagnostic::new(codes::HELD_WITHOUT_CGROUP, format!("`{name} {value}` is held without a cgroup: {how}"))
        .help(help)
}

fn reached(limit: LimitKind, times: u64, plan: &Plan<'_>) -> Diagnostic {
    let (name, value) = (limit.word(), words::limit_value(limit, plan));
    let (what, help) = advice::reached(limit);
    let times = if times == 1 { "once".to_owned() } else { format!("{times} times") };
    Diagnostic::new(codes::LIMIT_REACHED, format!("`{name} {value}` was reached {times}: {what}")).help(help)
}

fn ended_by(limit: LimitKind, plan: &Plan<'_>) -> Diagnostic {
    let (name, value) = (limit.word(), words::limit_value(limit, plan));
    let (_, help) = advice::reached(limit);
    Diagnostic::new(codes::LIMIT_REACHED, format!("everything inside was killed at `{name} {value}`"))
        .help(help)
        .raise(Severity::Error)
}

fn killed_by_filter(nr: Option<u32>, plan: &Plan<'_>) -> Diagnostic {
    let name = |nr| {
        let arch = match plan.filters.first().map(|filter| filter.arch) {
            Some(msb_plan::Arch::Aarch64) => msb_syscalls::Arch::Aarch64,
            _ => msb_syscalls::Arch::X86_64,
        };
        msb_syscalls::by_number(arch, nr).map_or_else(|| format!("call {nr}"), |call| call.name.to_owned())
    };
    let call = nr.map_or_else(|| "a system call".to_owned(), |nr| format!("`{}`", name(nr)));
    let help = match nr {
        Some(nr) => {
            format!("write `allow {0}` if it needs it, or `errno EPERM {0}` if it can do without", name(nr))
        }
        None => {
            "`dmesg`, as root, says which: the line with `type=1326`; or run it with `msbc run --explain`"
                .to_owned()
        }
    };
    Diagnostic::new(codes::KILLED_BY_FILTER, format!("the command was killed for {call}")).help(help)
}

fn published(index: u8, port: u16, plan: &Plan<'_>) -> String {
    let Some(listen) = json::listen(plan, index) else { return String::new() };
    let (host, carries) = (listen.host(), listen.carries());
    format!("{host}:{port} is {carries} port {} of the sandbox", listen.inside)
}

/// What is said while it runs of a port that the launch chose; "" for one that the policy names.
#[must_use]
pub fn chosen(event: &Event, plan: &Plan<'_>) -> String {
    match *event {
        Event::Published { index, .. } if json::listen(plan, index).is_some_and(|it| it.port == 0) => {
            short(event, plan)
        }
        _ => String::new(),
    }
}

fn outside(wait_status: u32) -> Diagnostic {
    let how = words::wait_status(wait_status);
    Diagnostic::new(codes::KILLED_FROM_OUTSIDE, format!("the sandbox was ended from outside: its init {how}"))
        .help("look in the kernel's log (`dmesg`) for the host's out-of-memory killer, and for who sent a signal")
}

fn gateway_ended() -> Diagnostic {
    Diagnostic::new(
        codes::GATEWAY_ENDED,
        "everything inside was killed, because the network gateway had ended",
    )
    .help("it says why on standard error, unless it was killed itself: look in the kernel's log (`dmesg`)")
}

/// The line that begins the network rules.
fn network(plan: &Plan<'_>) -> Option<OriginId> {
    match &plan.network {
        Network::Gateway(gateway) => Some(gateway.origin),
        Network::None | Network::Loopback => None,
    }
}

/// Where in the policy a number of the plan points: `agent.msb:7:3`.
#[must_use]
pub fn location(plan: &Plan<'_>, origin: OriginId) -> Option<String> {
    place::show(plan, origin)
}

#[cfg(test)]
mod tests;
