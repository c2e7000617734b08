//! What a confined program was refused, as it happens.
//!
//! `msbc run --explain` compiles the policy with a filter that asks instead of answering: every call that it
//! denies, and every call that names a path, starts a process or maps much memory, waits for a [`Tracer`]
//! outside. The tracer decides nothing by what it reads: a denied call gets the errno that the oracle gives
//! for its registers, every other call goes on and the kernel decides (seccomp_unotify(2): what a pointer
//! leads to can change after it was read). What it reads only says which line of the policy a refusal comes
//! from. If it dies, every such call fails with ENOSYS.

mod calls;
mod process;

use msb_policy::{OriginId, Places, Policy, Reason, Request, SyscallAction, Verdict};
use msb_sys::Errno;
use msb_sys::notify::{Answer, Notification, answer, receive};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;

/// One thing that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// What was tried, as a person would say it: `write /usr/bin/x`, `socket(domain: AF_INET, …)`.
    pub what: String,
    /// The line that decides; `None` where no line allows it.
    pub origin: Option<OriginId>,
    /// Why that line decides.
    pub why: Why,
    /// The error that the program sees, where the filter gives it.
    pub errno: Option<u16>,
}

/// Why a line of the policy decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// It denies this.
    Denied,
    /// It allows less than this.
    AllowsLess,
    /// Nothing allows it: what is not allowed is denied.
    NothingAllows,
    /// It sets a limit that is reached.
    Limit,
}

/// Answers the calls of one run.
#[derive(Debug)]
pub struct Tracer<'p> {
    policy: &'p Policy,
    places: Places,
    seen: HashMap<Refusal, u64>,
}

/// Kinds of refusals that are told of and counted; of a program that makes more, the later ones are left out.
const TOLD_MAX: usize = 1000;

impl<'p> Tracer<'p> {
    /// A tracer for `policy`, with the file rules of `places`.
    #[must_use]
    pub fn new(policy: &'p Policy, places: Places) -> Tracer<'p> {
        Tracer { policy, places, seen: HashMap::new() }
    }

    /// Takes the listener from `socket` and answers until the last process inside has ended; `tell` hears of
    /// each refusal once, before the program sees it.
    ///
    /// # Errors
    /// When the listener does not come or fails. A launcher that ends before it has one is no error.
    pub fn serve(&mut self, socket: OwnedFd, mut tell: impl FnMut(&Refusal)) -> io::Result<()> {
        let listener = take_listener(&socket)?;
        // The launcher's end is closed when nobody has this one either.
        drop(socket);
        let Some(listener) = listener else { return Ok(()) };
        loop {
            let mut ready = [PollFd::new(&listener, PollFlags::IN)];
            match poll(&mut ready, None) {
                Err(Errno::INTR) => continue,
                done => done?,
            };
            if !ready[0].revents().contains(PollFlags::IN) {
                // Hung up: nobody is left that could ask.
                return Ok(());
            }
            let asked = match receive(listener.as_fd()) {
                // The caller was killed while it waited.
                Err(Errno::NOENT | Errno::INTR) => continue,
                asked => asked?,
            };
            let (reply, refusals) = self.judge(&asked);
            for refusal in refusals {
                self.note(refusal, &mut tell);
            }
            match answer(listener.as_fd(), asked.id, reply) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// How often each refusal came.
    #[must_use]
    pub fn counts(&self) -> &HashMap<Refusal, u64> {
        &self.seen
    }

    fn note(&mut self, refusal: Refusal, tell: &mut impl FnMut(&Refusal)) {
        let room = self.seen.len() < TOLD_MAX;
        match self.seen.get_mut(&refusal) {
            Some(count) => *count += 1,
            None if room => {
                tell(&refusal);
                self.seen.insert(refusal, 1);
            }
            None => {}
        }
    }

    /// The answer to a call, by its registers alone, and what to tell of it.
    fn judge(&self, asked: &Notification) -> (Answer, Vec<Refusal>) {
        let nr = asked.nr.cast_unsigned();
        let call = Request::Syscall { audit_arch: asked.audit_arch, nr, args: asked.args };
        let decision = self.policy.decide(&call);
        match decision.action {
            SyscallAction::Allow | SyscallAction::Log => (Answer::Continue, self.look(asked)),
            // Not refused but not there: glibc tries clone3 first each time, and goes on with clone.
            SyscallAction::Errno(errno) if calls::falls_back(self.policy.arch, asked) => {
                (Answer::Errno(errno), Vec::new())
            }
            SyscallAction::Errno(errno) => {
                let why = match decision.origin {
                    Some(origin) if origin != self.policy.syscall_default.1 => Why::Denied,
                    _ => Why::NothingAllows,
                };
                let what = msb_syscalls::describe(self.policy.arch, nr, &asked.args);
                let refusal = Refusal { what, origin: decision.origin, why, errno: Some(errno) };
                (Answer::Errno(errno), Vec::from([refusal]))
            }
            // The filter kills and traps by itself; if it asks all the same, nothing is allowed.
            SyscallAction::Kill | SyscallAction::Trap => (Answer::Errno(EPERM), Vec::new()),
        }
    }

    /// What the kernel will refuse of a call that the filter allows.
    fn look(&self, asked: &Notification) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        for touched in calls::touched(self.policy.arch, asked) {
            if let Verdict::Refused { reason, host } = self.places.decide(&touched.path, touched.access)
                && process::exists(&host, touched.access)
            {
                let (why, origin) = match reason {
                    Reason::Denied(origin) => (Why::Denied, Some(origin)),
                    Reason::NotGranted(origin) => (Why::AllowsLess, Some(origin)),
                    Reason::NotShown => (Why::NothingAllows, None),
                };
                let what = format!("{} {}", calls::verb(touched.access), touched.path);
                refusals.push(Refusal { what, origin, why, errno: None });
            }
        }
        refusals.extend(self.look_at_limits(asked));
        refusals
    }

    fn look_at_limits(&self, asked: &Notification) -> Option<Refusal> {
        let (what, origin) = if calls::starts_process(self.policy.arch, asked) {
            let limit = self.policy.limits.pids?;
            let running = process::threads_beside(asked.pid)?;
            (running >= u64::from(limit.value))
                .then(|| (format!("start a process beside {running} others"), limit.origin))?
        } else {
            let limit = self.policy.limits.memory_bytes?;
            let wanted = calls::maps_bytes(self.policy.arch, asked)?;
            process::exceeds_data_limit(asked.pid, wanted)
                .then(|| (format!("map {} MiB more of memory", wanted >> 20), limit.origin))?
        };
        Some(Refusal { what, origin: Some(origin), why: Why::Limit, errno: None })
    }
}

const EPERM: u16 = 1;

/// Receives the listener that the launcher sends; `None` when it ends without sending one.
fn take_listener(socket: &OwnedFd) -> io::Result<Option<OwnedFd>> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    Ok(descriptors.next().and_then(|mut descriptors| descriptors.next()))
}
