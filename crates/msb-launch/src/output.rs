//! What the launcher says: events on a descriptor, or sentences on standard error.

use crate::files::{decimal, write_once};
use crate::gateway;
use crate::json;
use alloc::string::String;
use msb_plan::event::{Cause, Event, Failure, LimitKind, Step, encode_event};
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
            let _ = write_once(msb_sys::process::borrowed(2), held_sentence(held, plan).as_bytes());
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
                sentence => write_once(error, sentence.as_bytes()),
            },
        };
    }
}

/// One line for all limits that no cgroup holds.
pub(crate) fn held_sentence(held: &[(LimitKind, OriginId)], plan: &Plan<'_>) -> String {
    let mut line = String::from("msb-launch: no cgroup can be had here:");
    for (index, (limit, origin)) in held.iter().enumerate() {
        line.push_str(if index == 0 { " " } else { ", " });
        line.push_str(limit.word());
        if let Some(at) = plan.origins.get(usize::from(origin.0)) {
            line.push_str(" (");
            line.push_str(at.file);
            line.push(':');
            push_number(&mut line, u64::from(at.line));
            line.push(')');
        }
        line.push_str(match limit {
            LimitKind::Memory => " is held for each process by RLIMIT_DATA and for all by watching",
            LimitKind::Swap => " as one sum with memory",
            LimitKind::Pids => " by RLIMIT_NPROC",
            LimitKind::Cpu | LimitKind::Cpuset => " by restricting the CPUs",
            _ => " as ever",
        });
    }
    line.push('\n');
    line
}

/// An event in words; "" for one that needs none.
pub(crate) fn sentence(event: &Event, plan: Option<&Plan<'_>>) -> String {
    let mut line = String::from("msb-launch: ");
    match *event {
        Event::Failed(Failure { step: Step::Usage, .. }) => {
            line.push_str("could not understand the command line; `msb-launch --help` shows it");
        }
        // Its number is that of a parameter, and no errno.
        Event::Failed(Failure { step: Step::ParamOverlap, origin, .. }) => {
            line.push_str(
                "could not tell the parameters apart: another, which may be written, lies within this one or around it",
            );
            add_origin(&mut line, origin, plan);
        }
        Event::Failed(Failure { step: Step::ParamSame, origin, .. }) => {
            line.push_str("could not show the same folder at its own path for two parameters");
            add_origin(&mut line, origin, plan);
        }
        Event::Failed(Failure { step: Step::PlanDecode, errno: 8, .. }) => {
            line.push_str("this is no plan; `msbc compile` makes one of a policy");
        }
        Event::Failed(Failure { step: Step::PlanDecode, .. }) => {
            line.push_str("the plan is damaged, or another version's; `msbc compile` makes it again");
        }
        // Who can change the file decides what runs.
        Event::Failed(Failure { step: step @ (Step::PlanOpen | Step::PlanTrust), errno: 0, .. }) => {
            line.push_str("could not ");
            line.push_str(step.words());
            line.push_str(": others than you can write the file, see `chmod go-w`");
        }
        Event::Failed(Failure { step, origin, errno }) => {
            line.push_str("could not ");
            line.push_str(step.words());
            if errno != 0 {
                line.push_str(": ");
                line.push_str(&errno_text(errno));
            }
            add_origin(&mut line, origin, plan);
        }
        // Said once for all of them: `Output::say_held`.
        Event::HeldWithoutCgroup { .. } => return String::new(),
        Event::HeldByLandlock { origin } => {
            line.push_str("this host refuses user namespaces, so Landlock and the filter hold the run alone");
            add_origin(&mut line, Some(origin), plan);
        }
        // For programs alone.
        Event::Timing { .. } | Event::Searched { .. } => return String::new(),
        Event::Published { index, port, origin } => {
            let Some(listen) = plan
                .and_then(|plan| gateway::listens(plan).get(usize::from(index)))
                .filter(|it| it.port == 0)
            else {
                return String::new();
            };
            line.push_str(&listen.host());
            line.push(':');
            push_number(&mut line, u64::from(port));
            line.push_str(" is ");
            line.push_str(listen.carries());
            line.push_str(" port ");
            push_number(&mut line, u64::from(listen.inside));
            line.push_str(" of the sandbox");
            add_origin(&mut line, Some(origin), plan);
        }
        Event::KilledByFilter { nr, origin } => {
            line.push_str("the filter killed the command");
            if let Some(nr) = nr {
                line.push_str(" for system call ");
                push_number(&mut line, u64::from(nr));
            }
            add_origin(&mut line, Some(origin), plan);
        }
        Event::LimitReached { limit, times, origin } => {
            line.push_str("the limit of ");
            line.push_str(limit.word());
            line.push_str(" was reached");
            if times > 1 {
                line.push(' ');
                push_number(&mut line, times);
                line.push_str(" times");
            }
            add_origin(&mut line, Some(origin), plan);
        }
        Event::Ended(ended) => match ended.cause {
            Cause::Outside => line.push_str("the sandbox was killed from outside"),
            Cause::Gateway => {
                line.push_str("everything inside was killed, because the network gateway had ended");
            }
            Cause::Limit(..) | Cause::Command => return String::new(),
        },
    }
    line.push('\n');
    line
}

fn add_origin(line: &mut String, origin: Option<OriginId>, plan: Option<&Plan<'_>>) {
    let found = origin.zip(plan).and_then(|(id, plan)| plan.origins.get(usize::from(id.0)));
    if let Some(at) = found {
        line.push_str("\n  ");
        line.push_str(at.file);
        line.push(':');
        push_number(line, u64::from(at.line));
        line.push_str(": ");
        line.push_str(at.text);
    }
}

fn push_number(line: &mut String, value: u64) {
    let digits = decimal(b"", value);
    line.push_str(core::str::from_utf8(digits).unwrap_or(""));
}

/// The errors that set-up meets, as strerror(3) has them.
fn errno_text(errno: u16) -> String {
    let known = match errno {
        1 => "operation not permitted (EPERM)",
        2 => "no such file or directory (ENOENT)",
        3 => "no such parameter (ESRCH)",
        5 => "input/output error (EIO)",
        8 => "not a program (ENOEXEC)",
        9 => "bad file descriptor (EBADF)",
        11 => "temporarily unavailable (EAGAIN)",
        12 => "out of memory (ENOMEM)",
        13 => "permission denied (EACCES)",
        16 => "in use (EBUSY)",
        17 => "exists already (EEXIST)",
        19 => "not a regular file, or no device (ENODEV)",
        20 => "not a directory (ENOTDIR)",
        21 => "is a directory (EISDIR)",
        22 => "invalid (EINVAL)",
        24 => "too many open files (EMFILE)",
        26 => "text file busy (ETXTBSY)",
        27 => "too large (EFBIG)",
        28 => "no space left, or a limit on namespaces (ENOSPC)",
        30 => "read-only file system (EROFS)",
        31 => "it has other hard links (EMLINK)",
        36 => "name too long (ENAMETOOLONG)",
        38 => "this kernel does not have it (ENOSYS)",
        40 => "a symbolic link is on the way (ELOOP)",
        87 => "too many users or namespaces (EUSERS)",
        88 => "not a socket (ENOTSOCK)",
        93 => "no such protocol (EPROTONOSUPPORT)",
        95 => "not supported (EOPNOTSUPP)",
        98 => "in use (EADDRINUSE)",
        111 => "refused (ECONNREFUSED)",
        122 => "a quota is used up (EDQUOT)",
        126 => "no signature of a trusted key (ENOKEY)",
        129 => "changed after it was signed (EKEYREJECTED)",
        116 => "changed while the sandbox was set up (ESTALE)",
        _ => "",
    };
    let mut text = String::from(known);
    if known.is_empty() {
        text.push_str("errno ");
        push_number(&mut text, u64::from(errno));
    }
    text
}
