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

use msb_policy::{Arch, OriginId, Places, Policy, Reason, Request, SyscallAction, Verdict};
use msb_sys::Errno;
use msb_sys::notify::{Answer, Notification, answer, is_waiting, receive};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
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
    /// It has somebody asked, and nobody is there to answer.
    NobodyAsked,
    /// It has somebody asked, who said no.
    SaidNo,
    /// It has somebody asked about a call that is about what its pointers lead to, which can change after an answer.
    InMemory,
}

/// A call that a `notify` rule puts to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The call as a person would say it.
    pub what: String,
    /// The line of the rule.
    pub origin: Option<OriginId>,
    /// Who makes it, as a number of this process's pid namespace.
    pub pid: u32,
}

/// Who answers questions: whether the call is to be made; `None` where nobody is there. The second argument says
/// whether it still waits, since an answer may take long and a limit may end the run meanwhile.
pub type Asker<'a> = dyn FnMut(&Question, &dyn Fn() -> bool) -> Option<bool> + 'a;

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
    /// each refusal once, before the program sees it, and `ask` of each call that a `notify` rule is about.
    ///
    /// # Errors
    /// When the listener does not come or fails. A launcher that ends before it has one is no error.
    pub fn serve(
        &mut self,
        socket: OwnedFd,
        mut tell: impl FnMut(&Refusal),
        ask: &mut Asker<'_>,
    ) -> io::Result<()> {
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
            let (reply, refusals) = self.judge(listener.as_fd(), &asked, ask);
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
    fn judge(
        &self,
        listener: BorrowedFd<'_>,
        asked: &Notification,
        ask: &mut Asker<'_>,
    ) -> (Answer, Vec<Refusal>) {
        let nr = asked.nr.cast_unsigned();
        let call = Request::Syscall { audit_arch: asked.audit_arch, nr, args: asked.args };
        let decision = self.policy.decide(&call);
        let arch = Arch::of_call(asked.audit_arch, nr);
        match decision.action {
            SyscallAction::Notify => self.question(listener, asked, decision.origin, ask),
            SyscallAction::Allow | SyscallAction::Log => (Answer::Continue, self.look(asked)),
            // Not refused but not there: glibc tries clone3 first each time, and goes on with clone.
            SyscallAction::Errno(errno) if calls::falls_back(arch, asked) => {
                (Answer::Errno(errno), Vec::new())
            }
            SyscallAction::Errno(errno) => {
                let why = match decision.origin {
                    Some(origin) if origin != self.policy.syscall_default.1 => Why::Denied,
                    _ => Why::NothingAllows,
                };
                let what = describe(arch, asked);
                let refusal = Refusal { what, origin: decision.origin, why, errno: Some(errno) };
                (Answer::Errno(errno), Vec::from([refusal]))
            }
            // The filter kills and traps by itself; if it asks all the same, nothing is allowed.
            SyscallAction::Kill | SyscallAction::Trap => (Answer::Errno(EPERM), Vec::new()),
        }
    }

    /// Puts a call to whoever answers. A yes has the kernel make it, with the registers that were shown: what pointers
    /// lead to nobody was asked about, and so there is none for a call that has one.
    fn question(
        &self,
        listener: BorrowedFd<'_>,
        asked: &Notification,
        origin: Option<OriginId>,
        ask: &mut Asker<'_>,
    ) -> (Answer, Vec<Refusal>) {
        let arch = Arch::of_call(asked.audit_arch, asked.nr.cast_unsigned());
        let what = describe(arch, asked);
        let why = if calls::in_registers(arch, asked) {
            let question = Question { what: what.clone(), origin, pid: asked.pid };
            match ask(&question, &|| is_waiting(listener, asked.id)) {
                Some(true) => return (Answer::Continue, Vec::new()),
                Some(false) => Why::SaidNo,
                None => Why::NobodyAsked,
            }
        } else {
            Why::InMemory
        };
        (Answer::Errno(EPERM), Vec::from([Refusal { what, origin, why, errno: Some(EPERM) }]))
    }

    /// What the kernel will refuse of a call that the filter allows.
    fn look(&self, asked: &Notification) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let arch = Arch::of_call(asked.audit_arch, asked.nr.cast_unsigned());
        for touched in calls::touched(arch, asked) {
            // What is there is what was there at launch: nobody inside can take it away.
            let is_there = |path: &String| std::fs::symlink_metadata(path).is_ok();
            if let Some((origin, beside)) = self.places.sought_inside(&touched.path, touched.access)
                && beside.iter().any(is_there)
            {
                let what = format!("{} {}", calls::verb(touched.access), touched.path);
                refusals.push(Refusal { what, origin: Some(origin), why: Why::Denied, errno: None });
            } else if let Verdict::Refused { reason, host } =
                self.places.decide(&touched.path, touched.access)
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
        let arch = Arch::of_call(asked.audit_arch, asked.nr.cast_unsigned());
        let (what, origin) = if calls::starts_process(arch, asked) {
            let limit = self.policy.limits.pids?;
            let running = process::threads_beside(asked.pid)?;
            (running >= u64::from(limit.value))
                .then(|| (format!("start a process beside {running} others"), limit.origin))?
        } else {
            let limit = self.policy.limits.memory_bytes?;
            let wanted = calls::maps_bytes(arch, asked)?;
            process::exceeds_data_limit(asked.pid, wanted)
                .then(|| (format!("map {} MiB more of memory", wanted >> 20), limit.origin))?
        };
        Some(Refusal { what, origin: Some(origin), why: Why::Limit, errno: None })
    }
}

const EPERM: u16 = 1;

/// A call as a person would say it.
fn describe(arch: Option<Arch>, asked: &Notification) -> String {
    let nr = asked.nr.cast_unsigned();
    match arch {
        Some(arch) if arch.is_second() => {
            format!("{} on {}", msb_syscalls::describe(arch, nr, &asked.args), arch.word())
        }
        Some(arch) => msb_syscalls::describe(arch, nr, &asked.args),
        None => format!("syscall({nr})"),
    }
}

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
