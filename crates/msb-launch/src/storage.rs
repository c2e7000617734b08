//! What lies in the sandbox's own file systems is memory, and nobody maps it: where no cgroup counts it, the watch does.
//!
//! The child alone sees them, so it hands a descriptor of each to the parent, good for asking how full it is and for
//! nothing else (`O_PATH`); and one that asks about its sockets.

use crate::cgroup::Held;
use crate::gateway::send;
use crate::host::Entry;
use crate::path::join;
use crate::sockets;
use alloc::vec::Vec;
use msb_plan::event::LimitKind;
use msb_plan::{MountKind, Plan};
use msb_sys::at::openat;
use msb_sys::rights::receive;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, fstatfs};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, socketpair};

/// What is handed over.
const PLACE: &[u8; 1] = b"P";
const ASKER: &[u8; 1] = b"A";

/// The sandbox's own file systems and sockets, from outside.
#[derive(Debug, Default)]
pub(crate) struct Storage {
    /// Where they come from, until the child is set up.
    socket: Option<OwnedFd>,
    places: Vec<OwnedFd>,
    asker: Option<OwnedFd>,
}

/// Both ends, where the watch has to know.
pub(crate) fn pair(plan: &Plan<'_>, held: Held) -> Result<(Storage, Option<OwnedFd>), Errno> {
    let is_watched = plan.limits.memory_bytes.is_some() && !held.has(LimitKind::Memory);
    if !is_watched {
        return Ok((Storage::default(), None));
    }
    let (socket, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((Storage { socket: Some(socket), ..Storage::default() }, Some(theirs)))
}

fn is_memory(kind: MountKind<'_>) -> bool {
    matches!(kind, MountKind::Scratch { .. } | MountKind::Overlay { .. } | MountKind::Dev { .. })
}

/// Hands over what `entries` have of them below `root`.
pub(crate) fn give(socket: &OwnedFd, root: &OwnedFd, entries: &[Entry<'_>]) -> Result<(), Errno> {
    for entry in entries.iter().filter(|entry| is_memory(entry.mount.kind)) {
        let target = match entry.mount.kind {
            MountKind::Dev { .. } => join(entry.target, b"shm"),
            _ => entry.target,
        };
        let place = openat(root, target, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        send(socket, PLACE, &[place])?;
    }
    Ok(())
}

/// Hands over what asks about the sockets of the network namespace that this process is in.
pub(crate) fn give_asker(socket: &OwnedFd) -> Result<(), Errno> {
    send(socket, ASKER, &[sockets::asker()?])
}

impl Storage {
    /// Bytes that are in use.
    pub(crate) fn bytes(&mut self) -> u64 {
        let mut what = [0];
        while let Some(socket) = &self.socket {
            match receive(socket, &mut what, RecvFlags::DONTWAIT) {
                Ok((_, Some(asker))) if what == *ASKER => self.asker = Some(asker),
                Ok((_, Some(place))) => self.places.push(place),
                Err(Errno::AGAIN | Errno::INTR) => break,
                // The child has let go: these are all.
                Ok((_, None)) | Err(_) => self.socket = None,
            }
        }
        let used = |place: &OwnedFd| {
            let status = fstatfs(place).ok()?;
            let blocks = status.f_blocks.saturating_sub(status.f_bfree);
            Some(blocks * u64::try_from(status.f_bsize).ok()?)
        };
        self.places.iter().filter_map(used).sum()
    }

    /// Bytes on their way in sockets, as far as they can be more than `small` together; what no kernel says is 0.
    pub(crate) fn socket_bytes(&self, init: &[u8], small: u64) -> u64 {
        self.asker.as_ref().and_then(|asker| sockets::bytes(asker, init, small)).unwrap_or(0)
    }
}
