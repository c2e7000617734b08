//! Events as lines of JSON (RFC 8259), with the names that msb-report gives them.

use crate::files::push_decimal;
use crate::gateway;
use alloc::vec::Vec;
use msb_plan::event::{Cause, Ended, Event};
use msb_plan::network::Listen;
use msb_plan::{OriginId, Plan};

/// A JSON text that is written from its beginning to its end.
#[derive(Debug, Default)]
pub(crate) struct Json {
    text: Vec<u8>,
}

impl Json {
    /// Begins an object.
    pub(crate) fn object() -> Json {
        Json { text: Vec::from(b"{") }
    }

    /// The whole object, as a line.
    pub(crate) fn line(mut self) -> Vec<u8> {
        self.text.extend_from_slice(b"}\n");
        self.text
    }

    /// Begins a member.
    fn name(&mut self, name: &str) {
        if !self.text.ends_with(b"{") {
            self.text.push(b',');
        }
        self.string(name.as_bytes());
        self.text.push(b':');
    }

    /// A number, or null.
    #[inline(never)]
    pub(crate) fn number(&mut self, name: &str, value: Option<u64>) {
        self.name(name);
        match value {
            Some(value) => push_decimal(&mut self.text, value),
            None => self.text.extend_from_slice(b"null"),
        }
    }

    /// A text, or null.
    #[inline(never)]
    pub(crate) fn text(&mut self, name: &str, value: Option<&[u8]>) {
        self.name(name);
        match value {
            Some(value) => self.string(value),
            None => self.text.extend_from_slice(b"null"),
        }
    }

    /// Where a policy asked for it: an object, or null.
    pub(crate) fn origin(&mut self, at: Option<OriginId>, plan: Option<&Plan<'_>>) {
        self.name("origin");
        let found = at.zip(plan).and_then(|(id, plan)| plan.origins.get(usize::from(id.0)));
        let Some(at) = found else { return self.text.extend_from_slice(b"null") };
        let mut object = Json::object();
        object.text("file", Some(at.file.as_bytes()));
        object.number("line", Some(u64::from(at.line)));
        object.number("column", Some(u64::from(at.column)));
        object.text("text", Some(at.text.as_bytes()));
        self.text.extend_from_slice(&object.text);
        self.text.push(b'}');
    }

    /// A string. Bytes that are no UTF-8 become U+FFFD.
    fn string(&mut self, value: &[u8]) {
        self.text.push(b'"');
        for chunk in value.utf8_chunks() {
            for byte in chunk.valid().bytes() {
                match byte {
                    b'"' | b'\\' => self.text.extend_from_slice(&[b'\\', byte]),
                    0..0x20 => {
                        const DIGITS: &[u8; 16] = b"0123456789abcdef";
                        let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
                        self.text.extend_from_slice(b"\\u00");
                        self.text.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
                    }
                    _ => self.text.push(byte),
                }
            }
            if !chunk.invalid().is_empty() {
                self.text.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
        self.text.push(b'"');
    }
}

/// `event` as a line.
pub(crate) fn line(event: &Event, plan: Option<&Plan<'_>>) -> Vec<u8> {
    let mut json = Json::object();
    let kind = |json: &mut Json, kind: &str| json.text("event", Some(kind.as_bytes()));
    match *event {
        Event::Failed(failure) => {
            kind(&mut json, "failed");
            json.text("step", Some(failure.step.name().as_bytes()));
            json.number("errno", Some(u64::from(failure.errno)));
            json.origin(failure.origin, plan);
        }
        Event::HeldWithoutCgroup { limit, origin } => {
            kind(&mut json, "held-without-cgroup");
            json.text("limit", Some(limit.word().as_bytes()));
            json.origin(Some(origin), plan);
        }
        Event::HeldByLandlock { origin } => {
            kind(&mut json, "held-by-landlock");
            json.origin(Some(origin), plan);
        }
        Event::Published { index, port, origin } => {
            kind(&mut json, "published");
            let listen = plan.and_then(|plan| gateway::listens(plan).get(usize::from(index)));
            json.text("protocol", listen.map(|it| it.carries().as_bytes()));
            json.text("host", listen.map(Listen::host).as_deref().map(str::as_bytes));
            json.number("port", Some(u64::from(port)));
            json.number("inside", listen.map(|it| u64::from(it.inside)));
            json.origin(Some(origin), plan);
        }
        Event::Searched { origin, directories, places } => {
            kind(&mut json, "searched");
            json.number("directories", Some(u64::from(directories)));
            json.number("places", Some(u64::from(places)));
            json.origin(Some(origin), plan);
        }
        Event::LimitReached { limit, times, origin } => {
            kind(&mut json, "limit-reached");
            json.text("limit", Some(limit.word().as_bytes()));
            json.number("times", Some(times));
            json.origin(Some(origin), plan);
        }
        Event::KilledByFilter { nr, origin } => {
            kind(&mut json, "killed-by-filter");
            json.number("nr", nr.map(u64::from));
            json.origin(Some(origin), plan);
        }
        Event::Timing { step, at_us } => {
            kind(&mut json, "timing");
            json.text("step", Some(step.name().as_bytes()));
            json.number("at_us", Some(u64::from(at_us)));
        }
        Event::Ended(ended) => end(&mut json, &ended, plan),
    }
    json.line()
}

fn end(json: &mut Json, ended: &Ended, plan: Option<&Plan<'_>>) {
    let (cause, limit, origin) = match ended.cause {
        Cause::Command => ("command", None, None),
        Cause::Limit(limit, origin) => ("limit", Some(limit.word().as_bytes()), Some(origin)),
        Cause::Outside => ("outside", None, None),
        Cause::Gateway => ("gateway", None, None),
    };
    // wait(2): the low 7 bits are the signal, the next byte but one is the exit status.
    let signal = u64::from(ended.wait_status & 0x7f);
    json.text("event", Some(b"ended"));
    json.number("exit_code", (signal == 0).then_some(u64::from(ended.wait_status >> 8 & 0xff)));
    json.number("signal", (signal != 0).then_some(signal));
    json.text("cause", Some(cause.as_bytes()));
    json.text("limit", limit);
    json.origin(origin, plan);
    json.number("wall_us", Some(ended.wall_us));
    json.number("cpu_us", Some(ended.cpu_us));
    json.number("memory_peak_bytes", Some(ended.memory_peak_bytes));
    json.number("pids_peak", ended.usage.pids_peak);
    json.number("read_bytes", Some(ended.usage.read_bytes));
    json.number("written_bytes", Some(ended.usage.written_bytes));
    json.number("output_bytes", ended.usage.output_bytes);
    json.number("throttled", ended.usage.throttled);
}
