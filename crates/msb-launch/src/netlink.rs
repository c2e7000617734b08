//! Netlink: finished messages go to the kernel in one call, and hold only when it says so.
//!
//! rtnetlink and nf_tables work while sendmsg(2) runs, so that every answer is there when it comes back: what has not
//! come then never will.

use alloc::vec;
use msb_sys::net::{SocketOption, turn_on};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netlink::SocketAddrNetlink, recv,
    sendto, socket_with,
};

/// Bytes of `struct nlmsghdr`; linux/netlink.h.
const HEADER_BYTES: usize = 16;
/// `NLMSG_ERROR`: an error, or, with number 0, the answer that was asked for.
const NLMSG_ERROR: u16 = 2;
/// `NLM_F_ACK_TLVS`: attributes follow.
const ACK_TLVS: u16 = 0x200;
/// `NLMSGERR_ATTR_OFFS`: where in its message an error is.
const ATTR_OFFS: u16 = 2;
/// Bytes of one receive: one error has fewer than 200, and those of a whole batch come one by one.
const ANSWER_BYTES: usize = 4096;

/// Why the kernel did not take messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    /// errno(3) of the first error.
    pub(crate) errno: Errno,
    /// Where in the messages it is, where the kernel says that.
    pub(crate) offset_bytes: Option<usize>,
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Refused {
        Refused { errno, offset_bytes: None }
    }
}

/// Sends `messages`, one of which asks for an answer, and comes back when all of them hold. Without a protocol they are
/// for rtnetlink(7), whose number is 0.
pub(crate) fn send(protocol: Option<Protocol>, messages: &[u8]) -> Result<(), Refused> {
    exchange(&socket(protocol)?, messages)
}

/// A new socket, non-blocking and close-on-exec.
pub(crate) fn socket(protocol: Option<Protocol>) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)
}

/// As [`send`], by a socket that is there.
pub(crate) fn exchange(socket: &OwnedFd, messages: &[u8]) -> Result<(), Refused> {
    turn_on(socket, SocketOption::NETLINK_CAP_ACK)?;
    turn_on(socket, SocketOption::NETLINK_EXT_ACK)?;
    // Address 0 is the kernel's.
    let sent = sendto(socket, messages, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    if sent != messages.len() {
        return Err(Errno::MSGSIZE.into());
    }
    let mut answered = false;
    let mut answer = vec![0; ANSWER_BYTES];
    loop {
        match recv(socket, answer.as_mut_slice(), RecvFlags::DONTWAIT) {
            Ok((length, _)) => answered |= read(answer.get(..length).unwrap_or_default(), messages)?,
            Err(Errno::AGAIN) if answered => return Ok(()),
            // Nothing was said: it is not known whether they hold.
            Err(Errno::AGAIN) => return Err(Errno::NOMSG.into()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Whether `answers` has the one that was asked for.
fn read(mut answers: &[u8], messages: &[u8]) -> Result<bool, Refused> {
    let mut answered = false;
    while !answers.is_empty() {
        let (kind, flags, length) = head(answers).ok_or(Errno::BADMSG)?;
        let (answer, rest) = answers.split_at_checked(length).ok_or(Errno::BADMSG)?;
        answers = rest;
        if kind != NLMSG_ERROR {
            continue;
        }
        let number = word(answer, HEADER_BYTES).ok_or(Errno::BADMSG)?.cast_signed();
        if number != 0 {
            let offset_bytes = (flags & ACK_TLVS != 0).then(|| offset(answer, messages)).flatten();
            return Err(Refused { errno: Errno::from_raw_os_error(number.wrapping_neg()), offset_bytes });
        }
        answered = true;
    }
    Ok(answered)
}

/// Kind, flags and aligned length of a message.
pub(crate) fn head(bytes: &[u8]) -> Option<(u16, u16, usize)> {
    let length = word(bytes, 0)? as usize;
    let [kind_low, kind_high, flags_low, flags_high] = word(bytes, 4)?.to_le_bytes();
    let length = length.checked_next_multiple_of(4).filter(|length| *length >= HEADER_BYTES)?;
    Some((u16::from_le_bytes([kind_low, kind_high]), u16::from_le_bytes([flags_low, flags_high]), length))
}

/// Where in `messages` an error is: the message with the number that it names, and the offset in it.
fn offset(answer: &[u8], messages: &[u8]) -> Option<usize> {
    // struct nlmsgerr: the number, then the header of the message, of which the third word is its sequence number.
    let sequence = word(answer, HEADER_BYTES + 4 + 8)?;
    let mut attributes = answer.get(HEADER_BYTES + 4 + HEADER_BYTES..)?;
    let within = loop {
        let [a, b, c, d] = *attributes.first_chunk::<4>()?;
        let length = usize::from(u16::from_le_bytes([a, b]));
        if u16::from_le_bytes([c, d]) == ATTR_OFFS {
            break word(attributes, 4)? as usize;
        }
        attributes = attributes.get(length.max(4).next_multiple_of(4)..)?;
    };
    let mut at = 0;
    loop {
        let message = messages.get(at..)?;
        if word(message, 8)? == sequence {
            return at.checked_add(within);
        }
        at = at.checked_add(head(message)?.2)?;
    }
}

/// Four bytes in the order of the machine, which is little endian wherever a plan is for.
#[inline(never)]
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|it| u32::from_le_bytes(*it))
}
