//! Requests: HTTP in the clear and, where rules ask for it, in TLS that ends here.
//!
//! A thread with an asynchronous runtime of its own, started with the first connection that needs it. It speaks the
//! same version of HTTP to both sides, decides each request by host, method and path, puts secrets in, and answers
//! what is refused with a body that says which rule refused it and which one would allow it. Bodies stream through;
//! connections that change their protocol (WebSocket) are passed on as bytes once the request was allowed.

mod answer;
mod dial;
mod exchange;
mod metered;

use crate::authority::Authority;
use crate::hello::Hello;
use crate::limits::Pass;
use crate::resolve::{STACK_BYTES, THREADS_MAX};
use crate::rules::{Protocol, RuleId, Target};
use crate::state::{Held, State};
use rustix::fd::OwnedFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A connection whose requests are to be read.
#[derive(Debug)]
pub struct Job {
    /// The program's socket, non-blocking.
    pub client: OwnedFd,
    /// What was read of it.
    pub first: Vec<u8>,
    /// Whom it dialled.
    pub target: Target,
    /// On which port.
    pub port: u16,
    /// [`Protocol::Https`] or [`Protocol::Http`].
    pub spoken: Protocol,
    /// Rules that cover it.
    pub rules: Vec<RuleId>,
    /// The one that it is counted for.
    pub rule: RuleId,
    /// Kept for as long as it lasts.
    pub pass: Pass,
    /// The same.
    pub held: Option<Held>,
    /// Of TLS.
    pub hello: Hello,
}

/// The thread that reads requests, or what it needs to start.
#[derive(Debug)]
pub struct Reader {
    state: Arc<State>,
    authority: Option<Arc<Authority>>,
    jobs: Option<UnboundedSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// A reader that decides by `state`; without an authority it can't end TLS.
    #[must_use]
    pub fn new(state: Arc<State>, authority: Option<Arc<Authority>>) -> Reader {
        Reader { state, authority, jobs: None, thread: None }
    }

    /// Takes a connection over.
    pub fn read(&mut self, job: Job) {
        let jobs = match &self.jobs {
            Some(jobs) => jobs,
            None => {
                let (jobs, taken) = unbounded_channel();
                let (state, authority) = (Arc::clone(&self.state), self.authority.clone());
                let builder = thread::Builder::new().name("requests".to_owned());
                // Without the thread the job is dropped with the channel, and its connection closed.
                self.thread = builder.spawn(move || run(&state, authority.as_ref(), taken)).ok();
                self.jobs.insert(jobs)
            }
        };
        if let Err(refused) = jobs.send(job) {
            self.jobs = None;
            crate::socket::reset(refused.0.client);
        }
    }

    /// Ends what is open, and comes back when it was written down.
    pub fn end(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to write.
            let _ = thread.join();
        }
    }
}

fn run(state: &Arc<State>, authority: Option<&Arc<Authority>>, mut jobs: UnboundedReceiver<Job>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_io().enable_time().max_blocking_threads(THREADS_MAX).thread_stack_size(STACK_BYTES);
    let Ok(runtime) = builder.build() else { return };
    runtime.block_on(async {
        while let Some(job) = jobs.recv().await {
            tokio::spawn(exchange::serve(Arc::clone(state), authority.cloned(), job));
        }
    });
    // What is open is dropped, and writes its end down; a lookup that the host's resolver has not answered is not
    // waited for.
    runtime.shutdown_background();
}
