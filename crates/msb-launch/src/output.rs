//! What the launcher says: events on a descriptor, or sentences on standard error.

use crate::files::{exact, write_once};
use crate::gateway;
use crate::json;
use crate::text::{Value, fill};
use alloc::vec::Vec;
use msb_plan::event::{Cause, Ended, Event, Failure, LimitKind, Step, encode_event};
use msb_plan::{OriginId, Plan};
use rustix::fd::OwnedFd;

/// The launcher refused, or failed before the command ran; as timeout(1), env(1) and chroot(1).
pub(crate) const EXIT_REFUSED: i32 = 125;
/// The command was found and can't be executed.
pub(crate) const EXIT_NOT_EXECUTABLE: i32 = 126;
/// The command was not found.
pub(crate) const EXIT_NOT_FOUND: i32 = 127;
/// Added to the number of the signal that ended the command.
pub(crate) const EXIT_SIGNAL: i32 = 128;

/// Where events go.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// To another program, as it reads them.
    pub(crate) events: Option<OwnedFd>,
    /// To a file, as JSON.
    pub(crate) file: Option<OwnedFd>,
    /// To standard error, as JSON and not as sentences.
    pub(crate) json: bool,
}

impl Output {
    /// The descriptor that events go to, if another program reads them.
    pub(crate) fn report(&self) -> Option<&OwnedFd> {
        self.events.as_ref()
    }

    /// Whether a program reads what is said.
    pub(crate) fn is_read(&self) -> bool {
        self.events.is_some() || self.file.is_some() || self.json
    }

    /// Says which limits are held without a cgroup.
    pub(crate) fn say_held(&self, held: &[(LimitKind, OriginId)], plan: &Plan<'_>) {
        if held.is_empty() {
            return;
        }
        if self.events.is_none() && !self.json {
            let _ = write_once(msb_sys::process::borrowed(2), &held_sentence(held, plan));
        }
        for &(limit, origin) in held {
            self.say(&Event::HeldWithoutCgroup { limit, origin }, Some(plan));
        }
    }

    /// Says what the gateway counted, which comes in both forms (`msb_plan::handover`).
    pub(crate) fn pass_on(&self, counted: &[u8]) {
        let Some((length, rest)) = counted.split_first_chunk::<4>() else { return };
        let Some((json, events)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else {
            return;
        };
        let error = msb_sys::process::borrowed(2);
        let _ = self.file.as_ref().map(|file| write_once(file, json));
        let _ = match &self.events {
            Some(to) => write_once(to, events),
            None if self.json => write_once(error, json),
            None => Ok(()),
        };
    }

    /// Says `event`. Nobody may be listening: then it is lost, and the exit code remains.
    pub(crate) fn say(&self, event: &Event, plan: Option<&Plan<'_>>) {
        if let Some(file) = &self.file {
            let _ = write_once(file, &json::line(event, plan));
        }
        let error = msb_sys::process::borrowed(2);
        let _ = match &self.events {
            Some(events) => write_once(events, &encode_event(event)),
            None if self.json => write_once(error, &json::line(event, plan)),
            None => match sentence(event, plan) {
                nothing if nothing.is_empty() => Ok(()),
                sentence => write_once(error, &sentence),
            },
        };
    }
}

/// One line for all limits that no cgroup holds.
pub(crate) fn held_sentence(held: &[(LimitKind, OriginId)], plan: &Plan<'_>) -> Vec<u8> {
    let mut line = Vec::from(b"msb-launch: no cgroup can be had here:");
    for (index, (limit, id)) in held.iter().enumerate() {
        fill(&mut line, None, if index == 0 { " #" } else { ", #" }, &[Value::Words(limit.word())]);
        if let Some(at) = plan.origins.get(usize::from(id.0)) {
            fill(&mut line, None, " (#:#)", &[Value::Words(at.file), Value::Number(u64::from(at.line))]);
        }
        let how = match limit {
            LimitKind::Memory => " is held for each process by RLIMIT_DATA and for all by watching",
            LimitKind::Swap => " as one sum with memory",
            LimitKind::Pids => " by RLIMIT_NPROC",
            LimitKind::Cpu | LimitKind::Cpuset => " by restricting the CPUs",
            _ => " as ever",
        };
        line.extend_from_slice(how.as_bytes());
    }
    line.push(b'\n');
    line
}

/// An event in words; "" for one that needs none.
pub(crate) fn sentence(event: &Event, plan: Option<&Plan<'_>>) -> Vec<u8> {
    let mut line = Vec::from(b"msb-launch: ");
    let at = |id| Value::Line(Some(id));
    match *event {
        Event::Failed(failure) => {
            failed(&mut line, failure, plan);
        }
        Event::HeldByLandlock { origin } => {
            let text = "this host refuses user namespaces, so Landlock and the filter hold the run alone#";
            fill(&mut line, plan, text, &[at(origin)]);
        }
        Event::Published { index, port, origin } => {
            let listen = plan.and_then(|plan| gateway::listens(plan).get(usize::from(index)));
            let Some(listen) = listen.filter(|it| it.port == 0) else { return Vec::new() };
            let values = [
                Value::Words(&listen.host()),
                Value::Number(u64::from(port)),
                Value::Words(listen.carries()),
                Value::Number(u64::from(listen.inside)),
                at(origin),
            ];
            fill(&mut line, plan, "#:# is # port # of the sandbox#", &values);
        }
        Event::KilledByFilter { nr: None, origin } => {
            fill(&mut line, plan, "the filter killed the command#", &[at(origin)]);
        }
        Event::KilledByFilter { nr: Some(nr), origin } => {
            let values = [Value::Number(u64::from(nr)), at(origin)];
            fill(&mut line, plan, "the filter killed the command for system call ##", &values);
        }
        Event::LimitReached { limit, times: ..2, origin } => {
            fill(&mut line, plan, "the limit of # was reached#", &[Value::Words(limit.word()), at(origin)]);
        }
        Event::LimitReached { limit, times, origin } => {
            let values = [Value::Words(limit.word()), Value::Number(times), at(origin)];
            fill(&mut line, plan, "the limit of # was reached # times#", &values);
        }
        Event::Ended(Ended { cause: Cause::Outside, .. }) => {
            fill(&mut line, plan, "the sandbox was killed from outside", &[]);
        }
        Event::Ended(Ended { cause: Cause::Gateway, .. }) => {
            fill(&mut line, plan, "everything inside was killed, because the network gateway had ended", &[]);
        }
        // The first is said once for all of them (`Output::say_held`); the next two are for programs alone.
        Event::HeldWithoutCgroup { .. }
        | Event::Timing { .. }
        | Event::Searched { .. }
        | Event::Ended(Ended { cause: Cause::Limit(..) | Cause::Command, .. }) => return Vec::new(),
    }
    line.push(b'\n');
    line
}

/// Why nothing was started.
fn failed(line: &mut Vec<u8>, failure: Failure, plan: Option<&Plan<'_>>) {
    let Failure { step, errno, origin } = failure;
    let (words, at) = (Value::Words(step.words()), Value::Line(origin));
    match (step, errno) {
        (Step::Usage, _) => {
            fill(line, plan, "could not understand the command line; `msb-launch --help` shows it", &[]);
        }
        // Its number is that of a parameter, and no errno.
        (Step::ParamOverlap, _) => {
            let text = "could not tell the parameters apart: another, which may be written, lies within this one or around it#";
            fill(line, plan, text, &[at]);
        }
        (Step::ParamSame, _) => {
            fill(line, plan, "could not show the same folder at its own path for two parameters#", &[at]);
        }
        (Step::PlanDecode, 8) => {
            fill(line, plan, "this is no plan; `msbc compile` makes one of a policy", &[]);
        }
        (Step::PlanDecode, _) => {
            fill(line, plan, "the plan is damaged, or another version's; `msbc compile` makes it again", &[]);
        }
        // Who can change the file decides what runs.
        (Step::PlanOpen | Step::PlanTrust, 0) => {
            fill(line, plan, "could not #: others than you can write the file, see `chmod go-w`", &[words]);
        }
        (_, 0) => fill(line, plan, "could not ##", &[words, at]),
        _ => match errno_text(errno) {
            Some(known) => fill(line, plan, "could not #: ##", &[words, Value::Words(known), at]),
            None => fill(line, plan, "could not #: errno ##", &[words, Value::Number(u64::from(errno)), at]),
        },
    }
}

/// The errors that set-up meets, as strerror(3) has them: a number and a text each.
const ERRORS: &str = "\
1 operation not permitted (EPERM)
2 no such file or directory (ENOENT)
3 no such parameter (ESRCH)
5 input/output error (EIO)
8 not a program (ENOEXEC)
9 bad file descriptor (EBADF)
11 temporarily unavailable (EAGAIN)
12 out of memory (ENOMEM)
13 permission denied (EACCES)
16 in use (EBUSY)
17 exists already (EEXIST)
19 not a regular file, or no device (ENODEV)
20 not a directory (ENOTDIR)
21 is a directory (EISDIR)
22 invalid (EINVAL)
24 too many open files (EMFILE)
26 text file busy (ETXTBSY)
27 too large (EFBIG)
28 no space left, or a limit on namespaces (ENOSPC)
30 read-only file system (EROFS)
31 it has other hard links (EMLINK)
36 name too long (ENAMETOOLONG)
38 this kernel does not have it (ENOSYS)
40 a symbolic link is on the way (ELOOP)
87 too many users or namespaces (EUSERS)
88 not a socket (ENOTSOCK)
93 no such protocol (EPROTONOSUPPORT)
95 not supported (EOPNOTSUPP)
98 in use (EADDRINUSE)
111 refused (ECONNREFUSED)
116 changed while the sandbox was set up (ESTALE)
122 a quota is used up (EDQUOT)
126 no signature of a trusted key (ENOKEY)
129 changed after it was signed (EKEYREJECTED)
";

fn errno_text(errno: u16) -> Option<&'static str> {
    ERRORS.split('\n').find_map(|line| {
        let (number, text) = line.split_once(' ')?;
        (exact(number.as_bytes(), 10)? == u64::from(errno)).then_some(text)
    })
}
