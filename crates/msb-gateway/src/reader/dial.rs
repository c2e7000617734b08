//! Dialling for the thread that reads requests: the same addresses in the same order as the event loop's.

use crate::engine::dial::{ATTEMPT_DELAY, DIAL_MAX, LOOPBACK, order};
use crate::resolve::{Addresses, Failed, REMEMBERED, look_up};
use crate::rules::{Protocol, Target};
use crate::state::State;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Answers of the last seconds.
static ANSWERS: LazyLock<Mutex<HashMap<String, (Instant, Addresses)>>> = LazyLock::new(Mutex::default);
/// Answers that are remembered.
const ANSWERS_MAX: usize = 1024;

/// Why nothing was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotReached {
    /// The name has only addresses that no rule names.
    AddressNotNamed(Vec<IpAddr>),
    /// It could not be resolved, or nobody answers; in words.
    Failed(String),
}

/// Connects to `target`.
pub(super) async fn connect(
    state: &State,
    spoken: Protocol,
    target: &Target,
    port: u16,
) -> Result<TcpStream, NotReached> {
    let addresses = match target {
        Target::Address(address) => vec![*address],
        Target::Loopback => LOOPBACK.to_vec(),
        Target::Name(name) => {
            let found = resolve(name).await.map_err(|Failed(why)| NotReached::Failed(why))?;
            let may = order(&state.rules, spoken, port, &found);
            if may.is_empty() {
                return Err(NotReached::AddressNotNamed(found.to_vec()));
            }
            may
        }
    };
    let failed = |why: String| NotReached::Failed(why);
    match timeout(DIAL_MAX, race(addresses, port)).await {
        Ok(connected) => connected.map_err(|error| failed(error.to_string())),
        Err(_) => Err(failed("nobody answers".to_owned())),
    }
}

/// The first of `addresses` that answers, each begun a little after the one before.
async fn race(addresses: Vec<IpAddr>, port: u16) -> std::io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    let mut error = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    let mut rest = addresses.into_iter();
    loop {
        let more = rest.next();
        let is_last = more.is_none();
        if let Some(address) = more {
            attempts.spawn(TcpStream::connect(SocketAddr::new(address, port)));
        }
        let joined = if is_last {
            attempts.join_next().await
        } else {
            match timeout(ATTEMPT_DELAY, attempts.join_next()).await {
                Ok(joined) => joined,
                Err(_) => continue,
            }
        };
        match joined {
            None if is_last => return Err(error),
            None => {}
            Some(Ok(Ok(stream))) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Some(Ok(Err(refused))) => error = refused,
            Some(Err(_)) => {}
        }
    }
}

async fn resolve(name: &str) -> Addresses {
    let now = Instant::now();
    let known = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
    if let Some((asked, answer)) = known
        && now.saturating_duration_since(asked) < REMEMBERED
    {
        return answer;
    }
    let asked = name.to_owned();
    let answer = tokio::task::spawn_blocking(move || look_up(&asked))
        .await
        .unwrap_or_else(|error| Err(Failed(error.to_string())));
    if answer.is_ok() {
        let mut answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= ANSWERS_MAX {
            answers.clear();
        }
        answers.insert(name.to_owned(), (now, answer.clone()));
    }
    answer
}
