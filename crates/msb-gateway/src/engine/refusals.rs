//! What the kernel refused is written down like what the gateway refuses: with the line of the policy, and the rule that
//! would be needed.
//!
//! It costs the gateway something, and a program can be refused very often: a number of them is written down one by one,
//! and the others are counted together, by the numbers that the kernel gives them.

use super::{CLIENT, Engine, Kind, SERVER, Token};
use crate::audit::{Decision, Subject};
use crate::limits::Bucket;
use crate::packet;
use crate::refusals::{Head, MESSAGE_BYTES_MAX, Message, Transport, read};
use crate::rules::{Opening, Protocol, Rate, Target};
use crate::socket;
use crate::state::{about, set};
use msb_plan::network::{GATEWAY_V4, OWN_V4, OWN_V6};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, sendto};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Refusals that are written down one by one.
const LISTED: Rate = Rate { count: 256, period_us: 1_000_000, burst: 1024 };
/// Messages before others have their turn. A socket has room for about 250.
const TURNS_MAX: usize = 64;
/// How long nothing is read once there were too many.
const PAUSE: Duration = Duration::from_millis(500);

/// Where the kernel says what it refused.
#[derive(Debug)]
pub(super) struct Refusals {
    socket: OwnedFd,
    bucket: Bucket,
    /// The number that the next one has.
    next: u32,
    /// How many were not written down one by one since the last that was.
    unlisted: u64,
    /// Whether some had no room, so that more may be missing behind the last one.
    lost: bool,
    paused: bool,
}

/// Where nothing is sent to but by [`Engine::end_refusals`]: a program can't name port 0 (udp(7)), and it is refused.
const MARK: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(GATEWAY_V4[0], GATEWAY_V4[1], GATEWAY_V4[2], GATEWAY_V4[3])), 0);

impl Engine {
    /// Watches what the kernel refuses.
    ///
    /// # Errors
    /// When the kernel refuses to watch it.
    pub(super) fn watch_refusals(&mut self, socket: OwnedFd) -> Result<(), Errno> {
        let Some(token) = self.allocate() else { return Err(Errno::MFILE) };
        socket::watch(&self.epoll, &socket, token.with_side(SERVER).0, EventFlags::IN)?;
        let bucket = Bucket::new(LISTED, Instant::now());
        let refusals = Refusals { socket, bucket, next: 0, unlisted: 0, lost: false, paused: false };
        self.refusals = Some(token);
        self.put(token, Kind::Refusals(Box::new(refusals)));
        Ok(())
    }

    /// The kernel refused something.
    pub(super) fn refusals_event(&mut self, token: Token, mut refusals: Box<Refusals>) {
        for _ in 0..TURNS_MAX {
            match self.next_refusal(&mut refusals) {
                Next::Listed => {}
                Next::Nothing => break,
                Next::TooMany => {
                    refusals.paused = self.watch_again(token, &refusals.socket, EventFlags::empty());
                    self.remind(token, Instant::now() + PAUSE);
                    break;
                }
            }
        }
        self.put(token, Kind::Refusals(refusals));
    }

    /// It was quiet for a while: what there is now is read again.
    pub(super) fn refusals_deadline(&mut self, token: Token, mut refusals: Box<Refusals>) {
        if refusals.paused {
            refusals.paused = !self.watch_again(token, &refusals.socket, EventFlags::IN);
        }
        self.refusals_event(token, refusals);
    }

    /// Writes down what the kernel said until the end, and how much of it is not listed.
    pub(super) fn end_refusals(&mut self) {
        let Some(token) = self.refusals.take() else { return };
        let Kind::Refusals(mut refusals) = self.take(token) else { return };
        while self.next_refusal(&mut refusals) != Next::Nothing {}
        if refusals.lost {
            // How many had no room shows by the number of the next one.
            let own = SocketAddr::from((OWN_V4, 0));
            if let (Some(raw), Some(mark)) = (&self.sockets.raw4, packet::datagram(own, MARK, &[])) {
                // Without it there are fewer in the sum.
                let _ = sendto(raw, &mark, SendFlags::DONTWAIT, &MARK);
            }
            while self.next_refusal(&mut refusals) != Next::Nothing {}
        }
        self.count_unlisted(&mut refusals);
        self.release(token.with_side(CLIENT));
    }

    fn watch_again(&self, token: Token, socket: &OwnedFd, events: EventFlags) -> bool {
        let data = EventData::new_u64(token.with_side(SERVER).0);
        epoll::modify(&self.epoll, socket, data, events).is_ok()
    }

    fn next_refusal(&self, refusals: &mut Refusals) -> Next {
        let mut bytes = [0_u8; MESSAGE_BYTES_MAX];
        let length = match recv(&refusals.socket, &mut bytes[..], RecvFlags::DONTWAIT) {
            Ok((length, _)) => length,
            // Some had no room: their numbers are missing in what comes next.
            Err(Errno::NOBUFS) => {
                refusals.lost = true;
                return Next::Listed;
            }
            Err(Errno::INTR) => return Next::Listed,
            Err(_) => return Next::Nothing,
        };
        let Some(Message { number, head }) = bytes.get(..length).and_then(read) else { return Next::Listed };
        refusals.unlisted += u64::from(number.wrapping_sub(refusals.next));
        refusals.next = number.wrapping_add(1);
        let Some(head) = head.filter(|head| head.destination != MARK) else { return Next::Listed };
        if refusals.bucket.take(Instant::now()).is_err() {
            refusals.unlisted += 1;
            return Next::TooMany;
        }
        self.count_unlisted(refusals);
        self.refused_by_kernel(&head);
        Next::Listed
    }

    fn count_unlisted(&self, refusals: &mut Refusals) {
        match std::mem::take(&mut refusals.unlisted) {
            0 => {}
            times => self.state.log.unlisted(times),
        }
    }

    /// Says why: nf_tables knows addresses and ports, and the rules the lines.
    fn refused_by_kernel(&self, head: &Head) {
        let (to, port) = (head.destination.ip().to_canonical(), head.destination.port());
        let spoken = if head.transport == Transport::Tcp { Protocol::Tcp } else { Protocol::Udp };
        let mut more = about(spoken, &Target::Address(to), port);
        set(&mut more, "by", "kernel");
        let own = [IpAddr::from(OWN_V4), IpAddr::from(OWN_V6)];
        let reason = match self.state.target(to) {
            _ if !own.contains(&head.source) => "source-not-own",
            Err(reason) => reason,
            Ok(target) => {
                more["target"] = json!(target.to_string());
                let refusal = match spoken {
                    Protocol::Udp => self.state.rules.decide(spoken, &target, port).err(),
                    _ => match self.state.rules.open(&target, port) {
                        Opening::Refuse(refusal) => Some(refusal),
                        Opening::Stream(_) | Opening::Sniff { .. } => None,
                    },
                };
                if let Some(refusal) = refusal {
                    return self.state.refused(refusal, (spoken, &target, port), more);
                }
                // Such as a name that has lost the address: the kernel is asked before the gateway is.
                "refused-by-kernel"
            }
        };
        set(&mut more, "reason", reason);
        self.state.log.decided(Subject::Connection, Decision::Deny, None, more);
    }
}

/// What there was to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// One more, or nothing that needs words.
    Listed,
    /// One more than are listed.
    TooMany,
    /// None.
    Nothing,
}
