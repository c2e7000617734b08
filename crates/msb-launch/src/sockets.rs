//! What is on its way in the sandbox's sockets is memory too, and no process has it mapped: where no cgroup counts it, the
//! watch asks the kernel (sock_diag(7)).
//!
//! Sockets belong to a network namespace, whoever has them open, and those that were sent over another one and are in
//! nobody's hands are among them. So the child, which is in the namespace, makes the socket that asks and gives it away.

use crate::files::{number, read_small};
use crate::netlink::{self, head, word};
use alloc::vec;
use rustix::fd::OwnedFd;
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{RecvFlags, SendFlags, recv, sendto};

/// What a socket may hold where it takes all it can get, tcp(7) (`tcp_wmem`, `tcp_rmem`) being the most: where so much each is
/// too little to matter, nobody is asked.
const SOCKET_BYTES_MAX: u64 = 10 << 20;
/// Of linux/netlink.h: an error, and the end of a list.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// Bytes of one receive: what the kernel fills at most.
const ANSWER_BYTES: usize = 32 << 10;

/// The question for a list: `struct nlmsghdr` with `SOCK_DIAG_BY_FAMILY` of linux/sock_diag.h and `NLM_F_REQUEST |
/// NLM_F_DUMP`, and `struct inet_diag_req_v2` of linux/inet_diag.h for every state, of which the shorter `struct
/// unix_diag_req` has the beginning.
const QUESTION: [u8; 72] = {
    let mut bytes = [0; 72];
    [bytes[0], bytes[4], bytes[6], bytes[7]] = [72, 20, 1, 3];
    [bytes[20], bytes[21], bytes[22], bytes[23]] = [0xff; 4];
    bytes
};

/// One kind of socket, as it is asked for.
struct Kind {
    family: u8,
    protocol: u8,
    /// Of the internet, what an answer has besides: `1 << (INET_DIAG_SKMEMINFO - 1)`.
    extensions: u8,
    /// The same of `AF_UNIX`: `UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_MEMINFO`.
    show: u8,
    /// Bytes of an answer before its attributes.
    answer_bytes: u8,
    /// The attribute of `SK_MEMINFO_*`.
    memory: u8,
}

const fn internet(family: u8, protocol: u8) -> Kind {
    Kind { family, protocol, extensions: 0x40, show: 0, answer_bytes: 72, memory: 7 }
}

/// `AF_UNIX` and `SOCK_STREAM`.
const UNIX: u8 = 1;
const STREAM: u8 = 1;
/// `UNIX_DIAG_PEER`, which comes first, and `UNIX_DIAG_RQLEN`.
const PEER: u16 = 2;
const QUEUE: u16 = 4;
static KINDS: [Kind; 5] = [
    Kind { family: UNIX, protocol: 0, extensions: 0, show: 0x34, answer_bytes: 16, memory: 5 },
    internet(2, 6),
    internet(2, 17),
    internet(10, 6),
    internet(10, 17),
];

/// A socket that asks about those of the network namespace that this process is in.
pub(crate) fn asker() -> Result<OwnedFd, Errno> {
    netlink::socket(Some(SOCK_DIAG))
}

/// Bytes that the sockets hold of the network namespace of process `directory` of procfs, in which `asker` was made; 0 where
/// it cannot be more than `small`. `None` of a kernel that cannot list one of the kinds (`CONFIG_UNIX_DIAG`,
/// `CONFIG_INET_DIAG`).
#[inline(never)]
pub(crate) fn bytes(asker: &OwnedFd, directory: &[u8], small: u64) -> Option<u64> {
    let before = used(directory)?;
    if before.saturating_mul(SOCKET_BYTES_MAX) <= small {
        return Some(0);
    }
    // Twice what a program asks for: socket(7), SO_SNDBUF.
    let most = read_small(CWD, "/proc/sys/net/core/wmem_max").unwrap_or_default();
    let mut sum = Sum { most: number(&most).unwrap_or(0) * 2, ..Sum::default() };
    let mut buffer = vec![0; ANSWER_BYTES];
    for kind in &KINDS {
        sum.ask(asker, kind, &mut buffer)?;
    }
    // Those that were closed meanwhile are none.
    let closed = before.min(used(directory)?).saturating_sub(sum.sockets + OWN);
    Some(sum.memory.max(sum.queued) + sum.unseen.min(closed.saturating_mul(sum.most)))
}

/// How many sockets there are: `sockets: used 12`, in the first line.
#[inline(never)]
fn used(directory: &[u8]) -> Option<u64> {
    let text = read_small(CWD, [directory, b"/net/sockstat"].concat()).ok()?;
    number(text.strip_prefix(b"sockets: used ")?)
}

/// Sockets of the launcher's own on no list: the asker.
const OWN: u64 = 1;
/// What one byte takes that is sent alone, at most: a `struct sk_buff` and its buffer.
const BYTES_PER_BYTE: u64 = 1024;

#[derive(Debug, Default)]
struct Sum {
    sockets: u64,
    /// What the kernel counts for those who sent and for those who receive by the internet.
    memory: u64,
    /// What waits to be read, in bytes of who sent it.
    queued: u64,
    /// What may wait besides, sent by somebody who has closed: its socket lives on until that is read, counts it, and is on
    /// no list.
    unseen: u64,
    /// The most that one socket may send.
    most: u64,
}

impl Sum {
    /// Adds all of `kind`; `None` for what cannot be listed.
    #[inline(never)]
    fn ask(&mut self, asker: &OwnedFd, kind: &Kind, buffer: &mut [u8]) -> Option<()> {
        let mut question = QUESTION;
        [question[16], question[17], question[18], question[28]] =
            [kind.family, kind.protocol, kind.extensions, kind.show];
        sendto(asker, &question, SendFlags::empty(), &SocketAddrNetlink::new(0, 0)).ok()?;
        loop {
            let (length, _) = recv(asker, &mut *buffer, RecvFlags::DONTWAIT).ok()?;
            let mut rest = buffer.get(..length)?;
            while let Some((answer, _, length)) = head(rest) {
                match answer {
                    NLMSG_ERROR => return None,
                    NLMSG_DONE => return Some(()),
                    _ => {}
                }
                let (one, others) = rest.split_at_checked(length)?;
                let (head, attributes) = one.split_at_checked(16 + usize::from(kind.answer_bytes))?;
                self.add(attributes, kind, head.get(17) == Some(&STREAM));
                rest = others;
            }
        }
    }

    /// Adds a socket with these attributes. Of one that `is_stream` the kernel says how much waits in all, of others how long
    /// the first message is.
    fn add(&mut self, mut attributes: &[u8], kind: &Kind, is_stream: bool) {
        self.sockets += 1;
        // A peer that has closed has no number.
        let mut peer = 0;
        while let Some(first) = word(attributes, 0) {
            let (length, name) = ((first & 0xffff) as usize, (first >> 16) as u16);
            let value = |at: usize| word(attributes, 4 + 4 * at).map_or(0, u64::from);
            if name == u16::from(kind.memory) {
                // SK_MEMINFO_RMEM_ALLOC, _WMEM_ALLOC, _WMEM_QUEUED and _BACKLOG.
                self.memory += value(0) + value(2).max(value(5)) + value(7);
            } else if kind.family == UNIX && name == PEER {
                peer = value(0);
            } else if kind.family == UNIX && name == QUEUE {
                self.queued += value(0);
                let unseen = if is_stream { value(0) * BYTES_PER_BYTE } else { self.most };
                self.unseen += if peer == 0 { unseen.min(self.most) } else { 0 };
            }
            attributes = attributes.get(length.max(4).next_multiple_of(4)..).unwrap_or_default();
        }
    }
}
