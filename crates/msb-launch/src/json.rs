//! Events as lines of JSON (RFC 8259), with the names that msb-report gives them.

use crate::gateway;
use crate::text::{Value, filled};
use alloc::vec::Vec;
use msb_plan::Plan;
use msb_plan::event::{Cause, Ended, Event};
use msb_plan::network::Listen;

/// `event` as a line.
pub(crate) fn line(event: &Event, plan: Option<&Plan<'_>>) -> Vec<u8> {
    let number = |value: u32| Value::Number(u64::from(value));
    let word = |word: &'static str| Value::String(word.as_bytes());
    let at = |id| Value::Origin(Some(id));
    match *event {
        Event::Failed(failure) => filled(
            plan,
            "{\"event\":\"failed\",\"step\":#,\"errno\":#,\"origin\":#}\n",
            &[word(failure.step.name()), number(u32::from(failure.errno)), Value::Origin(failure.origin)],
        ),
        Event::HeldWithoutCgroup { limit, origin } => filled(
            plan,
            "{\"event\":\"held-without-cgroup\",\"limit\":#,\"origin\":#}\n",
            &[word(limit.word()), at(origin)],
        ),
        Event::HeldByLandlock { origin } => {
            filled(plan, "{\"event\":\"held-by-landlock\",\"origin\":#}\n", &[at(origin)])
        }
        Event::Published { index, port, origin } => {
            let listen = plan.and_then(|plan| gateway::listens(plan).get(usize::from(index)));
            let host = listen.map(Listen::host);
            filled(
                plan,
                "{\"event\":\"published\",\"protocol\":#,\"host\":#,\"port\":#,\"inside\":#,\"origin\":#}\n",
                &[
                    Value::string(listen.map(|it| it.carries().as_bytes())),
                    Value::string(host.as_deref().map(str::as_bytes)),
                    number(u32::from(port)),
                    Value::number(listen.map(|it| u64::from(it.inside))),
                    at(origin),
                ],
            )
        }
        Event::Searched { origin, directories, places } => filled(
            plan,
            "{\"event\":\"searched\",\"directories\":#,\"places\":#,\"origin\":#}\n",
            &[number(directories), number(places), at(origin)],
        ),
        Event::LimitReached { limit, times, origin } => filled(
            plan,
            "{\"event\":\"limit-reached\",\"limit\":#,\"times\":#,\"origin\":#}\n",
            &[word(limit.word()), Value::Number(times), at(origin)],
        ),
        Event::KilledByFilter { nr, origin } => filled(
            plan,
            "{\"event\":\"killed-by-filter\",\"nr\":#,\"origin\":#}\n",
            &[Value::number(nr.map(u64::from)), at(origin)],
        ),
        Event::Timing { step, at_us } => filled(
            plan,
            "{\"event\":\"timing\",\"step\":#,\"at_us\":#}\n",
            &[word(step.name()), number(at_us)],
        ),
        Event::Ended(ended) => end(&ended, plan),
    }
}

fn end(ended: &Ended, plan: Option<&Plan<'_>>) -> Vec<u8> {
    let (cause, limit, line) = match ended.cause {
        Cause::Command => ("command", None, None),
        Cause::Limit(limit, line) => ("limit", Some(limit.word().as_bytes()), Some(line)),
        Cause::Outside => ("outside", None, None),
        Cause::Gateway => ("gateway", None, None),
    };
    // wait(2): the low 7 bits are the signal, the next byte but one is the exit status.
    let signal = u64::from(ended.wait_status & 0x7f);
    filled(
        plan,
        "{\"event\":\"ended\",\"exit_code\":#,\"signal\":#,\"cause\":#,\"limit\":#,\"origin\":#,\"wall_us\":#,\
         \"cpu_us\":#,\"memory_peak_bytes\":#,\"pids_peak\":#,\"read_bytes\":#,\"written_bytes\":#,\
         \"output_bytes\":#,\"throttled\":#}\n",
        &[
            Value::number((signal == 0).then_some(u64::from(ended.wait_status >> 8 & 0xff))),
            Value::number((signal != 0).then_some(signal)),
            Value::String(cause.as_bytes()),
            Value::string(limit),
            Value::Origin(line),
            Value::Number(ended.wall_us),
            Value::Number(ended.cpu_us),
            Value::Number(ended.memory_peak_bytes),
            Value::number(ended.usage.pids_peak),
            Value::Number(ended.usage.read_bytes),
            Value::Number(ended.usage.written_bytes),
            Value::number(ended.usage.output_bytes),
            Value::number(ended.usage.throttled),
        ],
    )
}
