//! The launcher's side of the line: sockets of the sandbox come, and the word that the gateway is ready goes.
//!
//! The messages are those of [`msb_plan::handover`].

use crate::engine::Sockets;
use msb_plan::event::Failure;
use msb_plan::handover::{FAILED, MESSAGE_BYTES_MAX, SOCKETS, Socket, encode_failure, encode_ready};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, send, sendmsg,
};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Seek as _, Write as _};
use std::mem::MaybeUninit;

/// Waits for the sandbox's sockets. `None` when the launcher's side has ended before.
///
/// # Errors
/// When it says something else.
pub fn sockets(control: &OwnedFd) -> io::Result<Option<Sockets>> {
    let mut bytes = [0_u8; MESSAGE_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(Socket::ALL.len()))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let read = recvmsg(control, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?.bytes;
    if read == 0 {
        return Ok(None);
    }
    let mut fds: Vec<Option<OwnedFd>> = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(more) = message {
            fds.extend(more.map(Some));
        }
    }
    let [SOCKETS, mask] = bytes[..read] else {
        return Err(io::Error::other("the launcher said something else than where the sockets are"));
    };
    if fds.len() != mask.count_ones() as usize {
        return Err(io::Error::other("the launcher sent another number of sockets than it said"));
    }
    let mut take = |socket: Socket| socket.place(mask).and_then(|place| fds.get_mut(place)?.take());
    Ok(Some(Sockets {
        tcp: [take(Socket::Tcp4), take(Socket::Tcp6)].into_iter().flatten().collect(),
        udp: [take(Socket::Udp4), take(Socket::Udp6)].into_iter().flatten().collect(),
        raw4: take(Socket::Raw4),
        raw6: take(Socket::Raw6),
        refusals: take(Socket::Refusals),
    }))
}

/// Hands certificates over in a file in memory, with the message that says in which form they are.
///
/// # Errors
/// As memfd_create(2), write(2) and sendmsg(2); none when the launcher's side has ended, which [`sockets`] says.
pub fn give_trust(control: &OwnedFd, message: u8, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::from(memfd_create("trust", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let files = [file.as_fd()];
    if !ancillary.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    match sendmsg(control, &[IoSlice::new(&[message])], &mut ancillary, SendFlags::NOSIGNAL) {
        Ok(_) | Err(Errno::PIPE) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Says that connections are answered from now on, and on which `ports` of the host, in the order of the plan's rules.
///
/// # Errors
/// As send(2).
pub fn send_ready(control: &OwnedFd, ports: &[u16]) -> io::Result<()> {
    send(control, &encode_ready(ports), SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Says why nothing will be answered.
pub fn send_failed(control: &OwnedFd, failure: Failure) {
    let message = [&[FAILED][..], &encode_failure(&failure)].concat();
    // When nobody listens, the launch has failed already.
    let _ = send(control, &message, SendFlags::NOSIGNAL);
}
