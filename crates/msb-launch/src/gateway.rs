//! The gateway: started before the sandbox is made, handed the sandbox's sockets, ended after it.
//!
//! `msb_plan::handover` has the contract. [`start`] and [`Running`] are the parent's side, outside; [`Handover`] is that
//! of the sandbox's first process, which alone can make sockets inside.

use crate::arguments::Arguments;
use crate::fail::{At, Failed, Result, failure};
use crate::files::{numbered, read_all};
use crate::network::{self, Refusals, Sockets};
use crate::path::{Bytes, c_string, join, split};
use alloc::vec::Vec;
use core::ffi::CStr;
use msb_plan::event::Step;
use msb_plan::handover::{self, Socket};
use msb_plan::network::{Listen, Network};
use msb_plan::{OriginId, ParamKind, Plan};
use msb_sys::at::{accessat, openat, readlink};
use msb_sys::exec::{Strings, execute};
use msb_sys::poll::{Waited, poll};
use msb_sys::process::{Fork, fork};
use msb_sys::rights::{self, receive};
use rustix::event::PollFlags;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Access, AtFlags, CWD, MemfdFlags, Mode, OFlags, SealFlags, memfd_create};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, Signal, pidfd_send_signal, set_parent_process_death_signal, setsid};

/// The program, beside the launcher's own.
const NAME: &[u8] = b"msb-gateway";
/// How long the gateway has to become ready.
const READY_US: u64 = 10_000_000;

/// One message has room for all sockets.
const _: () = assert!(Socket::ALL.len() <= rights::DESCRIPTORS_MAX);

/// The line that begins the network rules, where there are any.
pub(crate) fn origin(plan: &Plan<'_>) -> Option<OriginId> {
    match &plan.network {
        Network::Gateway(gateway) => Some(gateway.origin),
        Network::None | Network::Loopback => None,
    }
}

/// The ports that are published.
pub(crate) fn listens<'p>(plan: &'p Plan<'_>) -> &'p [Listen] {
    match &plan.network {
        Network::Gateway(gateway) => &gateway.listens,
        Network::None | Network::Loopback => &[],
    }
}

/// Descriptors that the launcher was started with for the gateway alone.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Where its log goes.
    pub(crate) audit: Option<OwnedFd>,
    /// What `fd:N` of `--set` names.
    pub(crate) secrets: Vec<OwnedFd>,
}

/// A gateway from outside.
pub(crate) struct Running {
    pid: Pid,
    /// Readable once it has ended.
    pub(crate) pidfd: OwnedFd,
    /// The sandbox's side of the socket; the sandbox's first process has another descriptor of it.
    socket: OwnedFd,
    /// Whether it says anybody what the kernel refuses.
    refusals: Refusals,
    /// The line that begins the network rules.
    origin: OriginId,
    /// A file in memory where it writes at its end what it counted, if anybody wants to know.
    report: Option<OwnedFd>,
}

/// Whether anybody wants to know what the gateway counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    /// Somebody does.
    Wanted,
    /// Nobody does.
    None,
}

/// Starts a gateway for `plan`, whose bytes are `bytes`, where it has network rules. It gets what is `given`, and `counts`
/// for who wants them.
#[inline(never)]
pub(crate) fn start(
    plan: &Plan<'_>,
    bytes: &[u8],
    arguments: &Arguments<'_>,
    environment: &[&CStr],
    counts: Counts,
    given: &Given,
) -> Result<Option<Running>> {
    let Some(origin) = origin(plan) else { return Ok(None) };
    let begin = || -> core::result::Result<Running, Errno> {
        let program = program(arguments, own_program()?)?;
        accessat(CWD, program.to_bytes(), Access::EXEC_OK, AtFlags::empty())?;
        let memory = sealed(bytes)?;
        let flags = SocketFlags::CLOEXEC;
        let (socket, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let report = match counts {
            Counts::Wanted => Some(memfd_create(c"msb-report", MemfdFlags::CLOEXEC)?),
            Counts::None => None,
        };
        let fds = (report.as_ref().map(AsFd::as_fd), given.audit.as_ref().map(AsFd::as_fd));
        let words = words(plan, arguments, &memory, &theirs, fds)?;
        match fork(0, None)? {
            Fork::Child => {
                drop(socket);
                let mut kept: Vec<BorrowedFd<'_>> = Vec::from([memory.as_fd(), theirs.as_fd()]);
                kept.extend(report.iter().map(AsFd::as_fd));
                kept.extend(given.audit.iter().chain(&given.secrets).map(AsFd::as_fd));
                become_gateway(program, &words, environment, &kept)
            }
            Fork::Parent { pid, pidfd } => {
                let is_wanted = counts == Counts::Wanted || given.audit.is_some();
                let refusals = if is_wanted { Refusals::Wanted } else { Refusals::None };
                Ok(Running { pid, pidfd, socket, refusals, origin, report })
            }
        }
    };
    begin().at(Step::Gateway, Some(origin)).map(Some)
}

/// What the kernel calls the launcher's own program.
pub(crate) fn own_program() -> core::result::Result<Bytes, Errno> {
    Ok(readlink(b"/proc/self/exe")?.leak())
}

/// Where the gateway's program is: beside the launcher's `own`, where none was named.
pub(crate) fn program<'a>(arguments: &Arguments<'a>, own: &[u8]) -> core::result::Result<&'a CStr, Errno> {
    if let Some(given) = arguments.gateway {
        return Ok(given);
    }
    c_string(&[join(split(own).0, NAME)])
}

/// A file in memory that holds `bytes` and that nobody can change any more: the gateway must see the plan that is applied.
fn sealed(bytes: &[u8]) -> core::result::Result<OwnedFd, Errno> {
    let memory = memfd_create(c"msb-plan", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = rustix::io::write(&memory, rest)?;
        rest = rest.get(written..).ok_or(Errno::IO)?;
    }
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&memory, seals)?;
    rustix::fs::seek(&memory, rustix::fs::SeekFrom::Start(0))?;
    Ok(memory)
}

/// The gateway's command line.
fn words(
    plan: &Plan<'_>,
    arguments: &Arguments<'_>,
    memory: &OwnedFd,
    socket: &OwnedFd,
    (report, audit): (Option<BorrowedFd<'_>>, Option<BorrowedFd<'_>>),
) -> core::result::Result<Vec<&'static CStr>, Errno> {
    let number = |fd: BorrowedFd<'_>| numbered(b"", u64::from(fd.as_raw_fd().unsigned_abs()));
    let mut words = Vec::from([c"msb-gateway"]);
    let options = [
        (c"--plan-fd", Some(memory.as_fd())),
        (c"--sockets-fd", Some(socket.as_fd())),
        (c"--report-fd", report),
        (c"--audit-fd", audit),
    ];
    for (option, fd) in options {
        if let Some(fd) = fd {
            words.push(option);
            words.push(c_string(&[number(fd)])?);
        }
    }
    for (name, value) in &arguments.set {
        let wanted = |kind| matches!(kind, ParamKind::Host | ParamKind::Secret);
        if plan.params.iter().any(|param| param.name.as_bytes() == *name && wanted(param.kind)) {
            words.push(c"--set");
            words.push(c_string(&[name, b"=", value.to_bytes()])?);
        }
    }
    Ok(words)
}

/// In the new process: becomes the gateway, away from the terminal, for as long as the launcher lives.
fn become_gateway(program: &CStr, words: &[&CStr], environment: &[&CStr], kept: &[BorrowedFd<'_>]) -> ! {
    let ready = || -> core::result::Result<(), Errno> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // Ctrl-C is for the command; the gateway ends when that has.
        setsid()?;
        let null = openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty())?;
        rustix::stdio::dup2_stdin(&null)?;
        rustix::stdio::dup2_stdout(&null)?;
        kept.iter().try_for_each(|fd| fcntl_setfd(fd, FdFlags::empty()))
    };
    if ready().is_ok() {
        let words: Strings<'_> = words.iter().copied().collect();
        let environment: Strings<'_> = environment.iter().copied().collect();
        // Its failure is seen where its socket is: nobody is there.
        let _ = execute(program, &words, &environment);
    }
    msb_sys::process::exit(crate::output::EXIT_REFUSED)
}

impl Running {
    /// The sandbox's own descriptor of its side of the socket.
    pub(crate) fn handover(&self) -> core::result::Result<Handover, Errno> {
        let socket = rustix::io::fcntl_dupfd_cloexec(&self.socket, 3)?;
        Ok(Handover { socket, origin: self.origin, refusals: self.refusals })
    }

    /// Says that everything inside has ended, and waits until the gateway has as well; gives what it counted, as
    /// `msb_plan::handover` has it.
    #[inline(never)]
    pub(crate) fn end(self) -> Vec<u8> {
        let Running { pid, pidfd, socket, report, .. } = self;
        drop(socket);
        let mut ended = [Waited::new(&pidfd, PollFlags::IN)];
        if !matches!(poll(&mut ended, Some(handover::END_MS * 1000)), Ok(1)) {
            let _ = pidfd_send_signal(&pidfd, Signal::KILL);
        }
        while matches!(msb_sys::process::wait(pid), Err(Errno::INTR)) {}
        let counted = report.map(|report| {
            rustix::fs::seek(&report, rustix::fs::SeekFrom::Start(0))?;
            read_all(&report, handover::REPORT_BYTES_MAX)
        });
        counted.and_then(core::result::Result::ok).unwrap_or_default()
    }
}

/// The sandbox's side, in its first process.
pub(crate) struct Handover {
    socket: OwnedFd,
    origin: OriginId,
    /// Whether anybody wants to know what the kernel refuses.
    pub(crate) refusals: Refusals,
}

impl Handover {
    /// Hands the sandbox's sockets over; nobody in here keeps them.
    pub(crate) fn give(&self, sockets: &Sockets) -> Result<()> {
        match send(&self.socket, &[handover::SOCKETS, sockets.mask], &sockets.sockets) {
            // It has ended already, and why it did is still to be read, behind what it may have handed over before.
            Err(Errno::PIPE) => loop {
                self.next()?;
            },
            sent => sent.at(Step::Gateway, Some(self.origin)),
        }
    }

    /// Waits for the certificates of the run, which come with `message`.
    pub(crate) fn trust(&self, message: u8) -> Result<OwnedFd> {
        match self.next()? {
            (kind, Some(file)) if kind == message => Ok(file),
            _ => Err(failure(Step::Gateway, Some(self.origin), Errno::PROTO)),
        }
    }

    /// Waits until connections are answered; gives the ports of the host that are published, as the plan numbers them.
    pub(crate) fn ready(&self) -> Result<Vec<u16>> {
        let mut bytes = [0; handover::MESSAGE_BYTES_MAX];
        match self.receive(&mut bytes)? {
            ([handover::READY, ports @ ..], _) => Ok(handover::decode_ports(ports).collect()),
            _ => Err(failure(Step::Gateway, Some(self.origin), Errno::PROTO)),
        }
    }

    /// The next message's kind and descriptor.
    fn next(&self) -> Result<(u8, Option<OwnedFd>)> {
        let mut bytes = [0; handover::MESSAGE_BYTES_MAX];
        let (message, file) = self.receive(&mut bytes)?;
        Ok((message.first().copied().unwrap_or(0), file))
    }

    /// The next message, which is not empty, and its descriptor.
    fn receive<'b>(
        &self,
        bytes: &'b mut [u8; handover::MESSAGE_BYTES_MAX],
    ) -> Result<(&'b [u8], Option<OwnedFd>)> {
        let failed = |errno| failure(Step::Gateway, Some(self.origin), errno);
        let mut there = [Waited::new(&self.socket, PollFlags::IN)];
        match poll(&mut there, Some(READY_US)) {
            Ok(0) => return Err(failed(Errno::TIMEDOUT)),
            polled => polled.map_err(failed)?,
        };
        let mut got = receive(&self.socket, bytes, RecvFlags::empty());
        if matches!(got, Err(Errno::CONNRESET)) {
            // It ended without reading what was sent to it; what it said before comes after this error (unix(7)).
            got = receive(&self.socket, bytes, RecvFlags::empty());
        }
        let (length, file) = got.map_err(failed)?;
        match bytes.get(..length).unwrap_or_default() {
            // Its end: it says on standard error why.
            [] => Err(failed(Errno::PIPE)),
            [handover::FAILED, rest @ ..] => {
                Err(handover::decode_failure(rest).map_or(failed(Errno::PROTO), Failed::from))
            }
            message => Ok((message, file)),
        }
    }

    /// The socket, to wait for what is asked.
    pub(crate) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Answers one question for a socket, where there is one; `false` when the gateway is gone.
    pub(crate) fn make(&self) -> bool {
        let mut bytes = [0; handover::MESSAGE_BYTES_MAX];
        let length = match receive(&self.socket, &mut bytes, RecvFlags::DONTWAIT) {
            Ok((length, _)) => length,
            Err(errno) => return matches!(errno, Errno::AGAIN | Errno::INTR),
        };
        let asked = match bytes.get(..length).unwrap_or_default() {
            [] => return false,
            [handover::MAKE, family] => match *family {
                handover::V4_STREAM => Some((AddressFamily::INET, SocketType::STREAM)),
                handover::V6_STREAM => Some((AddressFamily::INET6, SocketType::STREAM)),
                handover::V4_DATAGRAM => Some((AddressFamily::INET, SocketType::DGRAM)),
                handover::V6_DATAGRAM => Some((AddressFamily::INET6, SocketType::DGRAM)),
                _ => None,
            },
            _ => return true,
        };
        let made = asked.and_then(|(family, how)| network::socket(family, how, None).ok());
        // A gateway that does not read its answers asks for no more.
        let _ = send(&self.socket, &[handover::MADE], made.as_slice());
        true
    }
}

/// Sends `bytes` as one message, with `descriptors`, without waiting.
pub(crate) fn send(
    socket: &OwnedFd,
    bytes: &[u8],
    descriptors: &[OwnedFd],
) -> core::result::Result<(), Errno> {
    rights::send(socket, bytes, descriptors, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
}

/// A failure of the gateway's own, for who waits for it.
pub(crate) fn ended(plan: &Plan<'_>) -> Failed {
    failure(Step::Gateway, origin(plan), Errno::PIPE)
}
