//! pid 1 of the sandbox: starts the command, reaps whatever dies, forwards signals, ends with the command.
//!
//! It has no capability and no descriptor of the host but the pipe to the parent. When it ends, the kernel
//! kills everything that is left inside (pid_namespaces(7)).

use crate::child::Child;
use crate::command;
use crate::fail::{At, Failed, Result, failure};
use crate::files::write_once;
use crate::message::Message;
use crate::terminal::Inside;
use core::convert::Infallible;
use msb_plan::Tier;
use msb_plan::event::Step;
use msb_sys::beside::vfork;
use msb_sys::poll::{Waited, poll};
use msb_sys::process::flags;
use msb_sys::rights;
use msb_sys::shared::Words;
use msb_sys::signal;
use rustix::event::PollFlags;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::process::{
    Pid, Signal, WaitOptions, getpgid, getpgrp, kill_current_process_group, kill_process, kill_process_group,
    wait as reap_one,
};

const SIGCHLD: u32 = 17; // signal(7), the same on x86-64 and AArch64

/// Starts the command and waits for its end.
pub(crate) fn run(child: &mut Child<'_>) -> Infallible {
    let started = start(child);
    let message = match started {
        Ok((pid, left)) => watch(pid, left, child),
        Err(failure) => Message::Failed(failure),
    };
    if child.host.tier == Tier::Landlock {
        end_all();
    }
    // When this fails, the parent is gone, and so is this process in a moment.
    let _ = write_once(&child.status, &message.encode());
    msb_sys::process::exit(match message {
        Message::Ended(_) | Message::Published { .. } => 0,
        Message::Failed(_) => crate::output::EXIT_REFUSED,
    })
}

/// Kills and reaps everything that is left inside, where no pid namespace does.
///
/// To signal every process reaches those that Landlock keeps inside with this one, and no other: its scope is the
/// sandbox. A process that is being forked meanwhile is met by the next round.
fn end_all() {
    loop {
        // Nobody left is no error that matters.
        let _ = msb_sys::process::kill_all();
        match reap_one(WaitOptions::empty()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// What the command's process leaves for init to see: words that both share.
#[derive(Debug, Clone, Copy)]
struct Left(Words);

impl Left {
    /// What [`command::execute`] says of its failure; 0 for none.
    const FAILURE: usize = 0;
    /// The listener's descriptor, in the table that both share then; 0 for none.
    const LISTENER: usize = 1;
}

/// Starts the command; gives its process, and what it left.
fn start(child: &Child<'_>) -> Result<(Pid, Left)> {
    let at = Some(child.host.filter.origin);
    // The listener is made by the command's process, after the filter is loaded, and from then on every call
    // of that process may wait for an answer: so it shares its descriptors, and init, which waits until it
    // has executed, finds the listener among its own.
    let shared = if child.listener.is_some() { flags::FILES } else { 0 };
    // Here and not in the command's process, whose clocks are its time namespace's.
    child.host.timing.done(Step::Spawn);
    let (pid, left) = vfork(shared, &mut |left| {
        signal::block(child.signals);
        let failure = match child.terminal.as_ref().map(Inside::control) {
            Some(Err(errno)) => command::code(Step::Terminal, errno),
            _ => command::execute(child, |fd| left.set(Left::LISTENER, fd)),
        };
        left.set(Left::FAILURE, failure);
    })
    .at(Step::Spawn, None)?;
    let left = Left(left);
    if let Some(socket) = &child.listener {
        hand_over(left.0.get(Left::LISTENER), socket).at(Step::Listener, at)?;
    }
    Ok((pid, left))
}

/// Sends the listener over `socket`; nobody in here keeps it.
fn hand_over(number: u32, socket: &OwnedFd) -> core::result::Result<(), Errno> {
    let number = i32::try_from(number).ok().filter(|number| *number > 2);
    // Without a listener the command did not get as far; its failure says why.
    let Some(number) = number else { return Ok(()) };
    let listener = msb_sys::process::inherited(number);
    rights::send(socket, b"L", &[listener], SendFlags::NOSIGNAL)
}

fn watch(command: Pid, left: Left, child: &Child<'_>) -> Message {
    loop {
        let number = wait(child);
        if child.must_end() {
            end_all();
            msb_sys::process::exit(crate::output::EXIT_REFUSED)
        }
        if number == SIGCHLD {
            if let Some(status) = reap(command) {
                return match command::failure(left.0.get(Left::FAILURE), child) {
                    Some(failure) => Message::Failed(failure),
                    None => Message::Ended(status),
                };
            }
        } else if let Some(signal) = i32::try_from(number).ok().and_then(Signal::from_named_raw) {
            forward(signal, command, child.terminal.is_some());
        }
    }
}

/// Passes a signal on to the command; what a terminal sends to all that is in its foreground, to the command's process group:
/// a shell waits for whom it started, which must end of it, too.
fn forward(signal: Signal, command: Pid, has_terminal: bool) {
    // The command may be gone already: then its SIGCHLD is on the way.
    let is_keys = matches!(signal, Signal::INT | Signal::QUIT | Signal::WINCH);
    if is_keys && has_terminal && kill_process_group(command, signal).is_ok() {
        return;
    }
    if is_keys && getpgid(Some(command)) == Ok(getpgrp()) && kill_current_process_group(signal).is_ok() {
        // Of this process, too, which has it blocked.
        let _ = signal::wait(signal::Set::NONE.with(signal.as_raw().unsigned_abs()));
        return;
    }
    let _ = kill_process(command, signal);
}

/// The next signal's number; until it comes, the gateway gets the sockets that it asks for.
fn wait(child: &Child<'_>) -> u32 {
    let next = || signal::wait(signal::Set::ALL).unwrap_or(0);
    let Some(handover) = &child.gateway else { return next() };
    let Ok(signals) = signal::descriptor(signal::Set::ALL) else { return next() };
    loop {
        let mut both = [&signals, handover.socket()].map(|fd| Waited::new(fd, PollFlags::IN));
        // An interrupted one is the next round's.
        let _ = poll(&mut both, None);
        let [signalled, asked] = both.map(|one| one.has_happened());
        // When the gateway is gone, so is everything in a moment.
        if signalled || (asked && !handover.make()) {
            return next();
        }
    }
}

/// Reaps everything that has ended and gives the wait status of the command, if it has.
fn reap(command: Pid) -> Option<i32> {
    const SIGKILL: i32 = 9;
    let mut ended = None;
    loop {
        match reap_one(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == command && (status.exited() || status.signaled()) => {
                ended = Some(status.as_raw());
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(Errno::CHILD) => return ended,
            // Who can't wait would never see the command's end: then this is everybody's.
            Err(_) => return ended.or(Some(SIGKILL)),
        }
    }
}

/// The failure of a step of the command's own process.
pub(crate) fn step_failure(step: Step, errno: u16, child: &Child<'_>) -> Failed {
    let origin = match step {
        Step::Filter => child.host.filter.origin,
        Step::Terminal => child.host.plan.identity.terminal.unwrap_or(child.host.plan.policy.origin),
        _ => child.host.plan.policy.origin,
    };
    failure(step, Some(origin), Errno::from_raw_os_error(i32::from(errno)))
}
