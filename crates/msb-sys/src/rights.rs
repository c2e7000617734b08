//! Open descriptors over a socket of this host (`SCM_RIGHTS`, unix(7)). What rustix has for it takes every kind of message
//! there is, and is three times as large.

use crate::Result;
use crate::arch::{nr, syscall};
use crate::at::Descriptor;
use rustix::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

/// Descriptors that one message takes here; the kernel's own bound is 253 (`SCM_MAX_FD` of net/scm.h).
pub const DESCRIPTORS_MAX: usize = 8;
/// `SOL_SOCKET` of asm-generic/socket.h, and `SCM_RIGHTS` of linux/socket.h.
const SOL_SOCKET: u32 = 1;
const SCM_RIGHTS: u32 = 1;

/// `struct cmsghdr` of linux/socket.h, and what follows it.
#[repr(C)]
struct Control {
    bytes: usize,
    level: u32,
    kind: u32,
    descriptors: [RawFd; DESCRIPTORS_MAX],
}

impl Control {
    /// Bytes of one with `count` descriptors: `CMSG_LEN` of cmsg(3).
    const fn bytes(count: usize) -> usize {
        size_of::<usize>() + 2 * size_of::<u32>() + count * size_of::<RawFd>()
    }
}

/// `struct user_msghdr` of linux/socket.h.
#[repr(C)]
struct Message {
    name: usize,
    name_bytes: u32,
    parts: usize,
    parts_count: usize,
    control: usize,
    control_bytes: usize,
    flags: u32,
}

/// Makes call `number` with a message of one part, an address and a length, and with `control_bytes` of `control`; gives how
/// many bytes of the part there were, and how many of the control message.
///
/// # Safety
/// `part` must be good for what call `number` does with the parts of a message.
#[inline(never)]
unsafe fn call(
    number: usize,
    socket: RawFd,
    part: [usize; 2],
    (control, control_bytes): (&mut Control, usize),
    flags: u32,
) -> Result<(usize, usize)> {
    let mut message = Message {
        name: 0,
        name_bytes: 0,
        parts: (&raw const part).expose_provenance(),
        parts_count: 1,
        control: (&raw mut *control).expose_provenance(),
        control_bytes: control_bytes.min(size_of::<Control>()),
        flags: 0,
    };
    let header = (&raw mut message).expose_provenance();
    let arguments = [socket.cast_unsigned() as usize, header, flags as usize, 0, 0, 0];
    // SAFETY: the header, its part (a `struct iovec` is two words) and `control`, of which no more is named than there is,
    // live through the call; the caller answers for what the part points to.
    let bytes = unsafe { syscall(number, arguments)? };
    Ok((bytes, message.control_bytes))
}

/// Sends `bytes` as one message with `descriptors`; sendmsg(2).
///
/// # Errors
/// `EMSGSIZE` for more than [`DESCRIPTORS_MAX`]; those of the call.
pub fn send(socket: impl Descriptor, bytes: &[u8], descriptors: &[OwnedFd], flags: SendFlags) -> Result<()> {
    send_number(socket.number(), bytes, descriptors, flags)
}

#[inline(never)]
fn send_number(socket: RawFd, bytes: &[u8], descriptors: &[OwnedFd], flags: SendFlags) -> Result<()> {
    let mut control =
        Control { bytes: 0, level: SOL_SOCKET, kind: SCM_RIGHTS, descriptors: [-1; DESCRIPTORS_MAX] };
    for (index, descriptor) in descriptors.iter().enumerate() {
        *control.descriptors.get_mut(index).ok_or(Errno::MSGSIZE)? = descriptor.as_raw_fd();
    }
    control.bytes = Control::bytes(descriptors.len());
    // A message without descriptors has no control message.
    let control_bytes = if descriptors.is_empty() { 0 } else { control.bytes };
    let part = [bytes.as_ptr().expose_provenance(), bytes.len()];
    // SAFETY: the kernel reads the part, which lives through the call.
    unsafe { call(nr::SENDMSG, socket, part, (&mut control, control_bytes), flags.bits()) }.map(drop)
}

/// Receives a message, at most as much of it as there is room in `bytes`: its length, and the descriptor that came with it,
/// close-on-exec; recvmsg(2). The kernel drops further ones.
///
/// # Errors
/// Those of the call.
pub fn receive(
    socket: impl Descriptor,
    bytes: &mut [u8],
    flags: RecvFlags,
) -> Result<(usize, Option<OwnedFd>)> {
    receive_number(socket.number(), bytes, flags)
}

#[inline(never)]
fn receive_number(socket: RawFd, bytes: &mut [u8], flags: RecvFlags) -> Result<(usize, Option<OwnedFd>)> {
    let mut control = Control { bytes: 0, level: 0, kind: 0, descriptors: [-1; DESCRIPTORS_MAX] };
    let room = Control::bytes(1);
    let part = [bytes.as_mut_ptr().expose_provenance(), bytes.len()];
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    // SAFETY: the kernel writes no more than there is room for in the part, which lives through the call.
    let (length, given) = unsafe { call(nr::RECVMSG, socket, part, (&mut control, room), flags.bits())? };
    let [first, ..] = control.descriptors;
    let came =
        given >= room && control.bytes == room && (control.level, control.kind) == (SOL_SOCKET, SCM_RIGHTS);
    // SAFETY: the kernel has made it for this message, and nobody else owns it.
    let descriptor = came.then(|| unsafe { OwnedFd::from_raw_fd(first) });
    Ok((length, descriptor))
}
