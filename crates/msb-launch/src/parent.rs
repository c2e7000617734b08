//! The outside: waits, forwards signals, holds the wall clock, and kills everything at a limit.

use crate::cgroup::{Cgroups, Held, kinds};
use crate::gateway::Running;
use crate::message::{self, Message};
use crate::output::{EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, EXIT_REFUSED, EXIT_SIGNAL, Output};
use crate::watch;
use msb_plan::event::{Cause, Ended, Event, Failure, LimitKind, Step};
use msb_plan::{OriginId, Plan};
use msb_sys::process::{Usage, monotonic_us};
use msb_sys::signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::{Errno, read};
use rustix::process::{Pid, Signal, pidfd_send_signal};

/// SIGKILL's number.
const SIGKILL: i32 = 9;

/// A sandbox from outside.
pub(crate) struct Parent<'a> {
    pub(crate) plan: &'a Plan<'a>,
    pub(crate) init: Pid,
    pub(crate) pidfd: OwnedFd,
    pub(crate) status: OwnedFd,
    pub(crate) signals: OwnedFd,
    pub(crate) held: Held,
    pub(crate) begin_us: u64,
    pub(crate) gateway: Option<Running>,
}

/// What this killed everything for.
#[derive(Debug, Clone, Copy)]
enum Killed {
    Limit(LimitKind, OriginId),
    /// The gateway had ended.
    Gateway,
}

/// How long the sandbox's first process has to say that it was the gateway's end that ended it.
const GATEWAY_GRACE_US: u64 = 100_000;

impl Parent<'_> {
    /// Waits for the end and gives the exit code.
    pub(crate) fn run(mut self, cgroups: &Cgroups, output: &Output) -> i32 {
        let killed_for = self.wait(output);
        let usage = loop {
            match msb_sys::process::wait(self.init) {
                Err(Errno::INTR) => {}
                usage => break usage.unwrap_or_default(),
            }
        };
        // It has its own to report, before the end.
        if let Some(gateway) = self.gateway.take() {
            gateway.end();
        }
        let mut bytes = [0; message::BYTES];
        let said = match read(&self.status, &mut bytes) {
            Ok(message::BYTES) => Message::decode(bytes),
            _ => None,
        };
        for (kind, origin) in kinds(&self.plan.limits) {
            let times = cgroups.times_reached(kind);
            if times > 0 {
                output.say(&Event::LimitReached { limit: kind, times, origin }, Some(self.plan));
            }
        }
        if let Some(Killed::Limit(limit, origin)) = killed_for {
            output.say(&Event::LimitReached { limit, times: 1, origin }, Some(self.plan));
        }
        match (killed_for, said) {
            (None | Some(Killed::Gateway), Some(Message::Failed(failure))) => {
                output.say(&Event::Failed(failure), Some(self.plan));
                exit_of_failure(&failure)
            }
            (None, Some(Message::Ended(status))) => self.end(status, Cause::Command, &usage, cgroups, output),
            (Some(Killed::Limit(limit, origin)), _) => {
                self.end(SIGKILL, Cause::Limit(limit, origin), &usage, cgroups, output)
            }
            (Some(Killed::Gateway), _) => self.end(SIGKILL, Cause::Gateway, &usage, cgroups, output),
            (None, None) => {
                let cause = match self.plan.limits.memory_bytes {
                    Some(limit) if cgroups.times_reached(LimitKind::Memory) > 0 => {
                        Cause::Limit(LimitKind::Memory, limit.origin)
                    }
                    _ => Cause::Outside,
                };
                self.end(SIGKILL, cause, &usage, cgroups, output)
            }
        }
    }

    fn end(&self, status: i32, cause: Cause, usage: &Usage, cgroups: &Cgroups, output: &Output) -> i32 {
        let ended = Ended {
            wait_status: status.cast_unsigned(),
            cause,
            wall_us: monotonic_us().saturating_sub(self.begin_us),
            cpu_us: usage.cpu_us,
            memory_peak_bytes: cgroups.memory_peak_bytes().unwrap_or(usage.resident_peak_bytes),
        };
        output.say(&Event::Ended(ended), Some(self.plan));
        exit_of_status(status)
    }

    /// Forwards signals until the init has ended; gives what this killed it for.
    ///
    /// Whoever reads the events started this, and waits for it: when nobody can read them any more, that
    /// process was killed, and the sandbox ends with it.
    fn wait(&self, output: &Output) -> Option<Killed> {
        let limits = &self.plan.limits;
        let deadline = limits.wall_ms.map(|limit| (self.begin_us + limit.value * 1000, limit.origin));
        let watched = limits.memory_bytes.filter(|_| !self.held.memory);
        let mut killed_for = None;
        let mut abandoned = false;
        let mut gateway_ended: Option<u64> = None;
        loop {
            let now = monotonic_us();
            if killed_for.is_none() {
                if gateway_ended.is_some_and(|at| now >= at + GATEWAY_GRACE_US) {
                    killed_for = self.kill(Killed::Gateway);
                } else if let Some((_, origin)) = deadline.filter(|(at, _)| now >= *at) {
                    killed_for = self.kill(Killed::Limit(LimitKind::Wall, origin));
                } else if let Some(limit) = watched
                    && watch::memory_bytes(self.init.as_raw_nonzero().get().unsigned_abs()) > limit.value
                {
                    killed_for = self.kill(Killed::Limit(LimitKind::Memory, limit.origin));
                }
            }
            let until_deadline = deadline.map(|(at, _)| at.saturating_sub(now));
            let until_look = watched.map(|_| watch::PERIOD_US);
            let until_kill = gateway_ended.map(|at| (at + GATEWAY_GRACE_US).saturating_sub(now));
            let wait_us = match killed_for {
                Some(_) => None,
                None => [until_deadline, until_look, until_kill].into_iter().flatten().min(),
            };
            // A pipe's end for writing has nothing to wait for but the end of its readers.
            let (reader, nothing) = match output.report() {
                Some(report) if !abandoned => (report, PollFlags::empty()),
                _ => (&self.pidfd, PollFlags::IN),
            };
            let gateway = match &self.gateway {
                Some(gateway) if gateway_ended.is_none() => &gateway.pidfd,
                _ => &self.pidfd,
            };
            let mut fds = [
                PollFd::new(&self.pidfd, PollFlags::IN),
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::new(reader, nothing),
                PollFd::new(gateway, PollFlags::IN),
            ];
            let ready = poll(&mut fds, wait_us.map(timespec).as_ref());
            let [init, signals, reader, gateway] = fds.map(|fd| ready.is_ok() && !fd.revents().is_empty());
            if init {
                return killed_for;
            }
            if reader {
                abandoned = true;
                let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
            }
            if signals {
                self.forward();
            }
            if gateway && gateway_ended.is_none() {
                gateway_ended = Some(monotonic_us());
            }
        }
    }

    fn kill(&self, what: Killed) -> Option<Killed> {
        // The init's death is everybody's: pid_namespaces(7). It may have ended by itself just now.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        Some(what)
    }

    fn forward(&self) {
        let mut siginfo = [0; signal::SIGNALFD_BYTES];
        while let Ok(signal::SIGNALFD_BYTES) = read(&self.signals, &mut siginfo) {
            let [a, b, c, d, ..] = siginfo;
            let number = i32::from_le_bytes([a, b, c, d]);
            if let Some(signal) = Signal::from_named_raw(number) {
                // The init forwards it to the command; when it is gone, poll says so next.
                let _ = pidfd_send_signal(&self.pidfd, signal);
            }
        }
    }
}

/// Sleeps for so long, a little longer when a signal comes.
pub(crate) fn sleep_us(microseconds: u64) {
    // poll(2) without descriptors is a sleep, and an interrupted one is short: nobody counts on the length.
    let _ = poll(&mut [], Some(&timespec(microseconds)));
}

fn timespec(microseconds: u64) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(microseconds / 1_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(microseconds % 1_000_000 * 1000).unwrap_or(0),
    }
}

/// wait(2): the low 7 bits are the signal, the next byte but one is the exit status.
pub(crate) fn exit_of_status(status: i32) -> i32 {
    match status & 0x7f {
        0 => status >> 8 & 0xff,
        signal => EXIT_SIGNAL + signal,
    }
}

/// 126 and 127 for a command that can't be executed, as a shell has it; 125 for everything else.
pub(crate) fn exit_of_failure(failure: &Failure) -> i32 {
    // A refusal of the launcher's own has number 0, which is no errno.
    let is_missing = i32::from(failure.errno) == Errno::NOENT.raw_os_error();
    match failure.step {
        Step::Exec if is_missing => EXIT_NOT_FOUND,
        Step::Exec => EXIT_NOT_EXECUTABLE,
        _ => EXIT_REFUSED,
    }
}
