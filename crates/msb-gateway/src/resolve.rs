//! Real addresses of names, by the host's resolver, when they are dialled and not before.
//!
//! getaddrinfo(3) does it, so that /etc/hosts, search order and the host's resolver count as they do for every other
//! program of the host. It blocks, so a few threads call it. What it says is remembered for seconds only: long
//! enough for a burst of connections, shorter than any rebinding needs to matter, since every use is checked anew.

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long an answer counts.
pub const REMEMBERED: Duration = Duration::from_secs(5);
/// Threads that ask, at most.
pub(crate) const THREADS_MAX: usize = 8;
/// Questions that wait, at most.
const WAITING_MAX: usize = 4096;
/// Answers that are remembered, at most.
const ANSWERS_MAX: usize = 4096;
/// Bytes of a thread's stack: what glibc's resolver needs with room to spare.
pub(crate) const STACK_BYTES: usize = 512 * 1024;

/// What the host's resolver said of a name.
pub type Addresses = Result<Arc<[IpAddr]>, Failed>;

/// The name has no address, or nobody could say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed(pub String);

/// Asks the host's resolver in the background.
#[derive(Debug)]
pub struct Resolver {
    shared: Arc<Shared>,
    remembered: HashMap<String, (Instant, Addresses)>,
    threads: usize,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    wanted: Condvar,
    event: OwnedFd,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<String>,
    idle: usize,
    answers: Vec<(String, Addresses)>,
}

impl Resolver {
    /// A resolver without threads yet.
    ///
    /// # Errors
    /// Without an eventfd(2).
    pub fn new() -> io::Result<Resolver> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Arc::new(Shared { queue: Mutex::default(), wanted: Condvar::new(), event });
        Ok(Resolver { shared, remembered: HashMap::new(), threads: 0 })
    }

    /// Readable when there are [`Resolver::answers`].
    #[must_use]
    pub fn event(&self) -> BorrowedFd<'_> {
        self.shared.event.as_fd()
    }

    /// What is known of `name` at once; else it will be among [`Resolver::answers`].
    pub fn ask(&mut self, name: &str, now: Instant) -> Option<Addresses> {
        if let Some((asked, answer)) = self.remembered.get(name)
            && now.saturating_duration_since(*asked) < REMEMBERED
        {
            return Some(answer.clone());
        }
        let idle = {
            let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
            if queue.waiting.len() >= WAITING_MAX {
                return Some(Err(Failed("too many names are being resolved".to_owned())));
            }
            if !queue.waiting.iter().any(|it| it == name) {
                queue.waiting.push_back(name.to_owned());
            }
            queue.idle >= queue.waiting.len()
        };
        if !idle && self.threads < THREADS_MAX {
            let shared = Arc::clone(&self.shared);
            let builder = thread::Builder::new().name("resolve".to_owned()).stack_size(STACK_BYTES);
            match builder.spawn(move || work(&shared)) {
                Ok(_) => self.threads += 1,
                Err(error) if self.threads == 0 => return Some(Err(Failed(error.to_string()))),
                Err(_) => {}
            }
        }
        self.shared.wanted.notify_one();
        None
    }

    /// The answers that came since the last call.
    pub fn answers(&mut self, now: Instant) -> Vec<(String, Addresses)> {
        let mut count = [0; 8];
        // It may not be readable, which is no error; what matters is the list.
        let _ = rustix::io::read(&self.shared.event, &mut count);
        let answers =
            std::mem::take(&mut self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).answers);
        if self.remembered.len() + answers.len() > ANSWERS_MAX {
            self.remembered.clear();
        }
        for (name, answer) in &answers {
            if answer.is_ok() {
                self.remembered.insert(name.clone(), (now, answer.clone()));
            }
        }
        answers
    }
}

/// Until the process ends.
fn work(shared: &Shared) {
    let mut queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let Some(name) = queue.waiting.pop_front() else {
            queue.idle += 1;
            queue = shared.wanted.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
            continue;
        };
        drop(queue);
        let answer = look_up(&name);
        queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.answers.push((name, answer));
        // Only a full counter refuses, and that is readable already.
        let _ = rustix::io::write(&shared.event, &1_u64.to_ne_bytes());
    }
}

/// Every address of `name`, best first (RFC 6724), by the host's resolver.
///
/// # Errors
/// When it has none.
pub fn look_up(name: &str) -> Addresses {
    let found = (name, 0_u16).to_socket_addrs();
    let mut addresses: Vec<IpAddr> =
        found.map_err(|error| Failed(error.to_string()))?.map(|it| it.ip().to_canonical()).collect();
    let mut seen = std::collections::HashSet::new();
    addresses.retain(|address| seen.insert(*address));
    if addresses.is_empty() { Err(Failed("it has no address".to_owned())) } else { Ok(addresses.into()) }
}

#[cfg(test)]
#[path = "tests/resolve.rs"]
mod tests;
