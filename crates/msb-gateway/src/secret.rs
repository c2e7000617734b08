//! Secrets: put into requests, never shown.
//!
//! A secret is read once, at launch, from where the launcher says it is. Nothing here prints it: not its Debug form,
//! not an error, not the log, which goes through [`Secret::redact`].

use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Bytes of a secret.
pub const SECRET_BYTES_MAX: u64 = 16 * 1024;

/// How long a command may take that prints a secret: a launch waits ten seconds for its gateway.
const COMMAND_MAX: Duration = Duration::from_secs(8);
/// How much is shown of what it said on standard error.
const SAID_BYTES_MAX: u64 = 2048;

/// A header that is put into requests.
#[derive(Clone)]
pub struct Secret {
    name: HeaderName,
    value: HeaderValue,
    /// What must not be seen: the value without `Bearer`.
    plain: String,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({}: …)", self.name)
    }
}

/// Why a secret can't be used. Says where it was looked for and never what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSecret(pub String);

impl Secret {
    /// The secret that `text` is: `Name: value` is this header; anything else is a bearer token (RFC 6750, 2.1).
    ///
    /// # Errors
    /// When it is empty or no header can hold it.
    pub fn of(text: &str) -> Result<Secret, BadSecret> {
        let text = text.trim_end_matches(['\r', '\n']);
        let bad = |why: &str| BadSecret(why.to_owned());
        if text.trim().is_empty() {
            return Err(bad("it is empty"));
        }
        let (name, plain, whole) = match text.split_once(": ") {
            Some((name, value)) => {
                let name: HeaderName =
                    name.parse().map_err(|_| bad("what stands before `: ` is no header"))?;
                (name, value.to_owned(), value.to_owned())
            }
            None => (AUTHORIZATION, text.to_owned(), format!("Bearer {text}")),
        };
        let mut value = HeaderValue::from_str(&whole).map_err(|_| bad("no header can hold it"))?;
        // hyper's HTTP/2 then never indexes it, and Debug does not show it.
        value.set_sensitive(true);
        let plain = plain.rsplit_once(' ').map_or(plain.clone(), |(_, last)| last.to_owned());
        Ok(Secret { name, value, plain })
    }

    /// Reads a secret from where it is: `env:NAME`, `file:PATH`, `fd:N`, or what `command:PROGRAM WORD…` prints.
    ///
    /// # Errors
    /// When it is not there.
    pub fn load(place: &str) -> Result<Secret, BadSecret> {
        let bad = |why: String| BadSecret(format!("`{place}`: {why}"));
        let text = match place.split_once(':') {
            Some(("env", name)) => std::env::var(name).map_err(|error| bad(error.to_string())),
            Some(("file", path)) => File::open(path).and_then(read).map_err(|error| bad(error.to_string())),
            Some(("fd", number)) => match number.parse() {
                Ok(number) if number > 2 => {
                    let fd: OwnedFd = msb_sys::process::inherited(number);
                    read(File::from(fd)).map_err(|error| bad(error.to_string()))
                }
                _ => Err(bad("is no number of a descriptor above 2".to_owned())),
            },
            Some(("command", words)) => printed(words, COMMAND_MAX).map_err(bad),
            _ => Err(bad("write env:NAME, file:PATH, fd:N or command:PROGRAM".to_owned())),
        }?;
        Secret::of(&text).map_err(|BadSecret(why)| bad(why))
    }

    /// The header's name.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The header's value.
    #[must_use]
    pub fn value(&self) -> &HeaderValue {
        &self.value
    }

    /// `text` without the secret.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        // Short ones would take ordinary words out, and show where they stood.
        if self.plain.len() < 4 { text.to_owned() } else { text.replace(&self.plain, "[redacted]") }
    }
}

fn read(from: impl Read) -> std::io::Result<String> {
    let mut text = String::new();
    from.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(std::io::Error::other("it is longer than 16 KiB"));
    }
    Ok(text)
}

/// What a command prints. No shell: words are what spaces divide. It runs as who launches, outside of every sandbox, and has
/// no terminal: its session is the gateway's.
fn printed(words: &str, most: Duration) -> Result<String, String> {
    let mut words = words.split_ascii_whitespace();
    let program = words.next().ok_or_else(|| "no program is named".to_owned())?;
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that whatever it started ends with it.
    let mut child = command.process_group(0).spawn().map_err(|error| error.to_string())?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let out = child.stdout.take().map(|from| thread::spawn(|| read(from)));
    let said = child.stderr.take().map(|from| thread::spawn(|| said(from)));
    let ended = group.is_some_and(|group| has_ended(group, most));
    if !ended && let Some(group) = group {
        // It may have ended just now.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let said = said.and_then(|it| it.join().ok()).unwrap_or_default();
    if !ended {
        return Err(format!("it took longer than {} s{said}", most.as_secs()));
    }
    if !status.success() {
        return Err(format!("it ended with {status}{said}"));
    }
    let out = out.and_then(|it| it.join().ok()).unwrap_or_else(|| Ok(String::new()));
    out.map_err(|error| error.to_string())
}

/// Whether a process ends within `most`.
fn has_ended(process: Pid, most: Duration) -> bool {
    let Ok(pidfd) = pidfd_open(process, PidfdFlags::empty()) else { return true };
    let most = most.try_into().ok();
    let mut ends = [PollFd::new(&pidfd, PollFlags::IN)];
    loop {
        match poll(&mut ends, most.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            ended => return ended != Ok(0),
        }
    }
}

/// What a program said on standard error, as the end of a sentence.
fn said(from: impl Read) -> String {
    let mut bytes = Vec::new();
    // What was read before an error is what there is to show.
    let _ = from.take(SAID_BYTES_MAX).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    // It is shown at a terminal, which would obey other characters.
    let shown: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if shown.is_empty() { shown } else { format!(": {shown}") }
}

#[cfg(test)]
#[path = "tests/secret.rs"]
mod tests;
