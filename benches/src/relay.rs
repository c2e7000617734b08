//! The floor of what any process between two sockets can reach: it accepts, dials and copies, and decides nothing.
//!
//! One thread, one epoll instance, one buffer, sockets watched once, edge-triggered, as the gateway does it. What the
//! gateway takes more than this is what it decides, counts and writes down, and nf_tables.

use nix::sched::{CloneFlags, setns};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, recv};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Result, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::path::Path;

/// As much as the gateway's.
const BUFFER_BYTES: usize = 256 * 1024;
/// What stands for listeners: less than any connection.
const LISTENERS_MAX: u64 = 256;

/// Two ends, and how many of them have said that no more comes.
struct Pair {
    ends: [TcpStream; 2],
    ended: [bool; 2],
}

/// Passes on what is dialled at `ports` in the network namespace `netns`, whatever the address, to the same outside; until it
/// is killed.
///
/// # Errors
/// When the namespace can't be entered, or a port be had.
pub fn relay(netns: &Path, ports: &[u16]) -> Result<()> {
    let outside = File::open("/proc/thread-self/ns/net")?;
    setns(File::open(netns)?, CloneFlags::CLONE_NEWNET)?;
    let listeners: Vec<TcpListener> =
        ports.iter().map(|port| TcpListener::bind(("0.0.0.0", *port))).collect::<Result<_>>()?;
    setns(outside, CloneFlags::CLONE_NEWNET)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    for (number, listener) in (0..LISTENERS_MAX).zip(&listeners) {
        epoll.add(listener, EpollEvent::new(EpollFlags::EPOLLIN, number))?;
    }
    let mut pairs: HashMap<u64, Pair> = HashMap::new();
    let mut next = LISTENERS_MAX;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut events = vec![EpollEvent::empty(); 256];
    loop {
        let count = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in events.iter().take(count) {
            let token = event.data();
            if let (true, Some(listener)) = (token < LISTENERS_MAX, listener_of(&listeners, token)) {
                let (inside, _) = listener.accept()?;
                let outside = TcpStream::connect(inside.local_addr()?)?;
                for (end, number) in [(&inside, next), (&outside, next + 1)] {
                    end.set_nodelay(true)?;
                    let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
                    epoll.add(end, EpollEvent::new(flags, number))?;
                }
                pairs.insert(next / 2, Pair { ends: [inside, outside], ended: [false; 2] });
                next += 2;
                continue;
            }
            let Some(pair) = pairs.get_mut(&(token / 2)) else { continue };
            let side = usize::from(token % 2 == 1);
            let is_over = event.events().intersects(EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP);
            // Whoever is gone is the end of the connection.
            if pair.pass_on(side, is_over, &mut buffer).is_err() || pair.ended == [true; 2] {
                pairs.remove(&(token / 2));
            }
        }
    }
}

fn listener_of(listeners: &[TcpListener], token: u64) -> Option<&TcpListener> {
    listeners.get(usize::try_from(token).ok()?)
}

impl Pair {
    /// Copies what `side` has, and its end. Whoever does not read holds all up: nobody else is served meanwhile.
    fn pass_on(&mut self, side: usize, is_over: bool, buffer: &mut [u8]) -> Result<()> {
        let [inside, outside] = &mut self.ends;
        let (from, to) = if side == 0 { (inside, outside) } else { (outside, inside) };
        loop {
            let read = match recv(from.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => {
                    self.ended[side] = true;
                    return to.shutdown(Shutdown::Write);
                }
                Ok(read) => read,
                Err(nix::errno::Errno::EAGAIN) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            };
            to.write_all(&buffer[..read])?;
            // A short read empties a stream socket (epoll(7)).
            if read < buffer.len() && !is_over {
                return Ok(());
            }
        }
    }
}
