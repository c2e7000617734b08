//! The outside: waits, forwards signals, holds the wall clock, and kills everything at a limit.

use crate::cgroup::Cgroups;
use crate::gateway::{self, Running};
use crate::killed;
use crate::message::{self, Message};
use crate::output::{EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, EXIT_REFUSED, EXIT_SIGNAL, Output};
use crate::pump::{Moved, Pump};
use crate::spawn::Host;
use crate::storage::Storage;
use crate::terminal::{BACKGROUND_PERIOD_US, Terminal, Until};
use crate::tier;
use crate::watch::{self, Watch};
use alloc::vec::Vec;
use msb_plan::OriginId;
use msb_plan::event::{self, Cause, Ended, Event, Failure, LimitKind, Step};
use msb_sys::poll::{Waited, poll};
use msb_sys::process::{Usage, monotonic_us};
use msb_sys::shared::Word;
use msb_sys::signal;
use rustix::event::PollFlags;
use rustix::fd::OwnedFd;
use rustix::io::{Errno, read};
use rustix::process::{Pid, Signal, getpid, kill_process, pidfd_send_signal};

/// Of signal(7), the same on x86-64 and AArch64.
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;
const SIGSYS: i32 = 31;
const SIGXFSZ: i32 = 25;
const SIGTSTP: u32 = 20;

/// A sandbox from outside.
pub(crate) struct Parent<'a> {
    pub(crate) host: &'a Host<'a>,
    /// Where no pid namespace is: tells the init to end everything, by being anything but 0.
    pub(crate) ending: Option<Word>,
    pub(crate) init: Pid,
    pub(crate) pidfd: OwnedFd,
    pub(crate) status: OwnedFd,
    /// What the init said of the command, once it has.
    pub(crate) said: Option<Message>,
    /// Published ports that it has not told of.
    pub(crate) untold: usize,
    pub(crate) signals: OwnedFd,
    /// When the wall clock began.
    pub(crate) begin_us: u64,
    /// What everything inside had used of CPUs, microseconds, when it was killed for a limit.
    pub(crate) killed_cpu_us: u64,
    pub(crate) gateway: Option<Running>,
    /// Whether everything was killed because the gateway had ended.
    pub(crate) gateway_killed: bool,
    /// Its user on the host.
    pub(crate) uid: u32,
    /// Of what the plan limits of output, and of the private terminal.
    pub(crate) pump: Pump,
    /// The sandbox's file systems in memory, where the watch counts them.
    pub(crate) storage: Storage,
    /// The user's side of the private terminal.
    pub(crate) terminal: Option<Terminal>,
}

/// How long the sandbox's first process has to say that it was the gateway's end that ended it.
const GATEWAY_GRACE_US: u64 = 100_000;

impl Parent<'_> {
    /// Waits for the end and gives the exit code.
    #[inline(never)]
    pub(crate) fn run(&mut self, cgroups: &Cgroups) -> i32 {
        let output = self.host.output;
        let killed_for = self.wait(cgroups, output);
        let usage = loop {
            match msb_sys::process::wait(self.init) {
                Err(Errno::INTR) => {}
                usage => break usage.unwrap_or_default(),
            }
        };
        // It has its own to report, before the end.
        if let Some(gateway) = self.gateway.take() {
            output.pass_on(&gateway.end());
        }
        if self.ending.is_some() {
            tier::end_orphans();
        }
        // Nobody is left who writes: what is in the pipes is the last of it.
        let flushed = self.flush();
        // Before anything is said on it.
        if let Some(terminal) = &mut self.terminal {
            terminal.restore(Until::TheEnd);
        }
        let killed_for = killed_for.or(flushed);
        while self.said.is_none() && self.hear(output) {}
        let said = self.said;
        let end = match (killed_for, said) {
            (None, Some(Message::Failed(failure))) => Err(Failure::from(failure)),
            _ if self.gateway_killed && killed_for.is_none() => Ok((SIGKILL, Cause::Gateway)),
            (Some((limit, origin)), _) => Ok((SIGKILL, Cause::Limit(limit, origin))),
            (None, Some(Message::Ended(status))) if status & 0x7f != SIGKILL => Ok((status, Cause::Command)),
            (None, said) => {
                let by_itself = if said.is_some() { Cause::Command } else { Cause::Outside };
                // The kernel killed the command, or with it everything: memory.oom.group.
                let out_of_memory = |_: &_| cgroups.times_reached(LimitKind::Memory) > 0;
                let cause = match self.host.plan.limits.memory_bytes.filter(out_of_memory) {
                    Some(limit) => Cause::Limit(LimitKind::Memory, limit.origin),
                    None => by_itself,
                };
                Ok((SIGKILL, cause))
            }
        };
        for (kind, limit) in self.host.plan.limits.each() {
            let times = match end {
                Ok((_, Cause::Limit(reached, _))) if reached == kind => cgroups.times_reached(kind).max(1),
                Ok((status, Cause::Command)) if by_rlimit(kind, limit.value, status, &usage) => 1,
                _ => cgroups.times_reached(kind),
            };
            if times > 0 {
                let reached = Event::LimitReached { limit: kind, times, origin: limit.origin };
                output.say(&reached, Some(self.host.plan));
            }
        }
        match end {
            Err(failure) => {
                output.say(&Event::Failed(failure), Some(self.host.plan));
                exit_of_failure(&failure)
            }
            Ok((status, cause)) => {
                if cause == Cause::Command && status & 0x7f == SIGSYS {
                    output.say(&self.killed(), Some(self.host.plan));
                }
                self.end(status, cause, &usage, cgroups, output)
            }
        }
    }

    /// Reads one thing that the init says; `false` where there is nothing.
    fn hear(&mut self, output: &Output) -> bool {
        let mut bytes = [0; message::BYTES];
        let heard = match read(&self.status, &mut bytes) {
            Ok(message::BYTES) => Message::decode(bytes),
            _ => None,
        };
        match heard {
            Some(Message::Published { index, port }) => {
                self.untold = self.untold.saturating_sub(1);
                if let Some(listen) = gateway::listens(self.host.plan).get(usize::from(index)) {
                    output
                        .say(&Event::Published { index, port, origin: listen.origin }, Some(self.host.plan));
                }
            }
            said => {
                self.untold = 0;
                self.said = said;
            }
        }
        heard.is_some()
    }

    /// For which system call the filter killed the command, as far as anybody can tell.
    #[inline(never)]
    fn killed(&self) -> Event {
        let nr = killed::call(self.uid, self.begin_us);
        let line_of =
            |nr| self.host.filter.killing().find(|(kills, _)| *kills == nr).map(|(_, origin)| origin);
        let mut lines = self.host.filter.killing().map(|(_, origin)| origin);
        let only = lines.next().filter(|first| lines.all(|line| line == *first));
        let origin = match nr {
            Some(nr) => line_of(nr),
            None => only,
        };
        Event::KilledByFilter { nr, origin: origin.unwrap_or(self.host.filter.origin) }
    }

    fn end(&self, status: i32, cause: Cause, usage: &Usage, cgroups: &Cgroups, output: &Output) -> i32 {
        let ended = Ended {
            wait_status: status.cast_unsigned(),
            cause,
            wall_us: monotonic_us().saturating_sub(self.begin_us),
            cpu_us: usage.cpu_us.max(cgroups.cpu_us().unwrap_or(self.killed_cpu_us)),
            memory_peak_bytes: cgroups.memory_peak_bytes().unwrap_or(usage.resident_peak_bytes),
            usage: event::Usage {
                pids_peak: cgroups.pids_peak(),
                read_bytes: usage.read_bytes,
                written_bytes: usage.written_bytes,
                output_bytes: self.output_limit().map(|_| self.pump.bytes),
                throttled: cgroups.throttled(),
            },
        };
        for timing in self.host.timing.events() {
            output.say(&timing, Some(self.host.plan));
        }
        output.say(&Event::Ended(ended), Some(self.host.plan));
        exit_of_status(status)
    }

    /// Forwards signals and output until the init has ended; gives the limit for which this killed it.
    ///
    /// Whoever reads the events started this, and waits for it: when nobody can read them any more, that
    /// process was killed, and the sandbox ends with it.
    #[inline(never)]
    fn wait(&mut self, cgroups: &Cgroups, output: &Output) -> Option<(LimitKind, OriginId)> {
        let limits = &self.host.plan.limits;
        let init = self.init();
        let deadline = limits.wall_ms.map(|limit| (self.begin_us + limit.value * 1000, limit.origin));
        let storage = core::mem::take(&mut self.storage);
        let mut watch = Watch::new(limits, self.host.held, init, self.begin_us, storage);
        let mut killed_for = None;
        let mut abandoned = false;
        let mut gateway_ended: Option<u64> = None;
        loop {
            let background = self.follow_terminal();
            let now = monotonic_us();
            if killed_for.is_none() {
                if gateway_ended.is_some_and(|at| now >= at + GATEWAY_GRACE_US) && !self.gateway_killed {
                    self.gateway_killed = true;
                    let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
                }
                let over = deadline.filter(|(at, _)| now >= *at);
                let reached = match over {
                    Some((_, origin)) => Some((LimitKind::Wall, origin)),
                    None => watch.look(now, cgroups),
                };
                killed_for = reached.map(|reached| self.kill(reached, cgroups));
            }
            let until_kill = gateway_ended.map(|at| at + GATEWAY_GRACE_US).filter(|_| !self.gateway_killed);
            let next = earliest(&[deadline.map(|(at, _)| at), watch.next_us(), until_kill]);
            let wait_us = next.filter(|_| killed_for.is_none()).map(|at| at.saturating_sub(monotonic_us()));
            let wait_us = earliest(&[wait_us, background]);
            // A pipe's end for writing has nothing to wait for but the end of its readers.
            let (reader, nothing) = match output.report() {
                Some(report) if !abandoned => (report, PollFlags::empty()),
                _ => (&self.pidfd, PollFlags::IN),
            };
            let gateway = match &self.gateway {
                Some(gateway) if gateway_ended.is_none() => &gateway.pidfd,
                _ => &self.pidfd,
            };
            let mut fds = Vec::from([
                Waited::new(&self.pidfd, PollFlags::IN),
                Waited::new(&self.signals, PollFlags::IN),
                Waited::new(reader, nothing),
                Waited::new(gateway, PollFlags::IN),
                Waited::new(self.master().unwrap_or(&self.pidfd), PollFlags::IN),
                Waited::new(if self.untold > 0 { &self.status } else { &self.pidfd }, PollFlags::IN),
            ]);
            self.pump.want(&mut fds);
            // An interrupted one is the next round's.
            let _ = poll(&mut fds, wait_us);
            // A bit for each; those of output come last.
            let mut happened = 0_u32;
            for (index, fd) in fds.iter().enumerate() {
                happened |= u32::from(fd.has_happened()) << index.min(6);
            }
            let has = |bit: u32| happened >> bit & 1 == 1;
            let (init, signals, reader, gateway) = (has(0), has(1), has(2), has(3));
            let (master, heard, output_moves) = (has(4), has(5), has(6));
            if init {
                return killed_for;
            }
            if heard {
                self.hear(output);
            }
            if reader {
                abandoned = true;
                self.end_init();
            }
            if master {
                self.relay();
            }
            if signals {
                self.take_signals(Taken::Forwarded);
            }
            if gateway && gateway_ended.is_none() {
                gateway_ended = Some(monotonic_us());
            }
            if output_moves && self.pump.step() == Moved::Exceeded {
                killed_for = killed_for.or_else(|| Some(self.kill(self.output_limit()?, cgroups)));
            }
            if output_moves {
                self.hang_up();
            }
        }
    }

    /// Where the private terminal's other end comes from, until it has.
    fn master(&self) -> Option<&OwnedFd> {
        self.terminal.as_ref().and_then(Terminal::socket)
    }

    /// Begins to relay, when the child has made its terminal.
    #[inline(never)]
    fn relay(&mut self) {
        let pump = &mut self.pump;
        if let Some(terminal) = &mut self.terminal
            && let Some(master) = terminal.take_master()
            && pump.relay(master, terminal).is_err()
        {
            // Nobody can see or type anything: as if the line were cut.
            pump.hang_up();
            terminal.hang_up();
        }
    }

    /// Hangs up inside once the user's terminal has.
    fn hang_up(&mut self) {
        if let Some(terminal) = &mut self.terminal
            && terminal.is_relayed()
            && self.pump.has_hung_up(terminal)
        {
            self.pump.hang_up();
            terminal.hang_up();
        }
    }

    /// Leaves keys to others while this job is in the background; gives when to look again.
    #[inline(never)]
    fn follow_terminal(&mut self) -> Option<u64> {
        let (terminal, pump) = (self.terminal.as_mut()?, &mut self.pump);
        pump.is_in_background = terminal.has_input && !terminal.follow();
        pump.is_in_background.then_some(BACKGROUND_PERIOD_US)
    }

    fn output_limit(&self) -> Option<(LimitKind, OriginId)> {
        self.host.plan.limits.output_bytes.map(|limit| (LimitKind::Output, limit.origin))
    }

    /// Moves on what is left in the pipes after the end. A reader that does not take it is waited for until the
    /// wall clock is over or a signal comes.
    #[inline(never)]
    fn flush(&mut self) -> Option<(LimitKind, OriginId)> {
        let end = self.host.plan.limits.wall_ms.map(|limit| self.begin_us + limit.value * 1000);
        self.pump.end_input();
        loop {
            let pump = &mut self.pump;
            match pump.step() {
                Moved::Exceeded => return self.output_limit(),
                Moved::Something => continue,
                // What is empty now stays so, even where a descriptor of it went to another process.
                Moved::Nothing if !pump.is_full() => return None,
                Moved::Nothing => {}
            }
            let mut fds = Vec::from([Waited::new(&self.signals, PollFlags::IN)]);
            pump.want(&mut fds);
            if poll(&mut fds, end.map(|end| end.saturating_sub(monotonic_us()))) == Ok(0) {
                return None;
            }
            if fds.first().is_some_and(Waited::has_happened) && self.take_signals(Taken::Dropped) {
                return None;
            }
        }
    }

    /// Ends everything for a limit.
    fn kill(&mut self, reached: (LimitKind, OriginId), cgroups: &Cgroups) -> (LimitKind, OriginId) {
        // What is asked before the end, and takes some 20 ms: who starts processes without end does not put it off.
        const LOOKS_MAX: u32 = 1024;
        // Nobody is left to wait for those that an init leaves behind, and what they used goes with them. Memory does not
        // wait for the sum.
        if reached.0 != LimitKind::Memory && cgroups.cpu_us().is_none() {
            self.killed_cpu_us = watch::cpu_us(self.init().into(), LOOKS_MAX);
        }
        self.end_init();
        reached
    }

    fn init(&self) -> u32 {
        self.init.as_raw_nonzero().get().unsigned_abs()
    }

    /// Ends the init. Its death is everybody's: by the kernel in a pid namespace (pid_namespaces(7)), by its own hand
    /// without one. It may have ended by itself just now.
    fn end_init(&self) {
        match self.ending {
            None => {
                let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
            }
            Some(ending) => {
                ending.set(1);
                for signal in [Signal::TERM, Signal::CONT] {
                    let _ = pidfd_send_signal(&self.pidfd, signal);
                }
            }
        }
    }

    /// Takes the signals that came; gives whether one of them is for the command.
    fn take_signals(&mut self, how: Taken) -> bool {
        let mut any = false;
        let mut siginfo = [0; signal::SIGNALFD_BYTES];
        while let Ok(signal::SIGNALFD_BYTES) = read(&self.signals, &mut siginfo) {
            let [a, b, c, d, ..] = siginfo;
            match (Signal::from_named_raw(i32::from_le_bytes([a, b, c, d])), &self.terminal) {
                (Some(Signal::TSTP), _) => self.stop(),
                // The loop looks what has changed meanwhile.
                (Some(Signal::CONT), _) => {}
                (Some(Signal::WINCH), Some(terminal)) => terminal.resize(),
                (Some(signal), _) => {
                    any = true;
                    if how == Taken::Forwarded {
                        // The init forwards it to the command; when it is gone, poll says so next.
                        let _ = pidfd_send_signal(&self.pidfd, signal);
                    }
                }
                (None, _) => {}
            }
        }
        any
    }

    /// Stops everything inside and then this process, as a shell user expects of a job, until it is continued.
    #[inline(never)]
    fn stop(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            terminal.restore(Until::Continued);
        }
        let stopped = watch::stop(self.init);
        // By the signal's own effect, which the kernel leaves out where nobody is there to continue it (signal(7), orphaned
        // process groups).
        let blocked = signal::block(signal::Set::ALL.without(SIGTSTP));
        let _ = kill_process(getpid(), Signal::TSTP);
        signal::block(blocked);
        for pidfd in &stopped {
            // It may have been killed meanwhile.
            let _ = pidfd_send_signal(pidfd, Signal::CONT);
        }
    }
}

/// What becomes of signals for the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// It gets them.
    Forwarded,
    /// It has ended.
    Dropped,
}

/// Sleeps for so long, a little longer when a signal comes.
pub(crate) fn sleep_us(microseconds: u64) {
    // poll(2) without descriptors is a sleep, and an interrupted one is short: nobody counts on the length.
    let _ = poll(&mut [], Some(microseconds));
}

/// The first of some times.
pub(crate) fn earliest(times: &[Option<u64>]) -> Option<u64> {
    times.iter().fold(None, |first: Option<u64>, time| match (first, *time) {
        (Some(first), Some(time)) => Some(first.min(time)),
        (first, time) => first.or(time),
    })
}

/// Whether a command that ended with `status` was killed for a limit that setrlimit(2) holds.
fn by_rlimit(kind: LimitKind, value: u64, status: i32, usage: &Usage) -> bool {
    match (kind, status & 0x7f) {
        (LimitKind::FileSize, SIGXFSZ) | (LimitKind::CpuTime, SIGXCPU) => true,
        (LimitKind::CpuTime, SIGKILL) => usage.cpu_us >= value * 1000,
        _ => false,
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
