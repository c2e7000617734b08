//! A person at the terminal who says whether calls of `notify` rules are to be made.
//!
//! The command may have the same terminal: what it prints can look like a question, but an answer to it goes to the
//! command alone. A real question drops what was typed before it, takes one line, and anything but a clear yes is no.

use super::refusals;
use msb_policy::Policy;
use msb_trace::Question;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::termios::{FlushArg, tcflush};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::AsFd as _;

/// Who is asked, and what was said once for all.
pub(super) struct Person {
    terminal: BufReader<File>,
    said: HashMap<String, bool>,
}

impl Person {
    /// The person at this process's terminal; `None` where nobody is to be asked.
    pub(super) fn find(asked: bool) -> io::Result<Option<Person>> {
        if !asked {
            return Ok(None);
        }
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        Ok(Some(Person { terminal: BufReader::new(terminal), said: HashMap::new() }))
    }

    /// Whether the call is to be made.
    pub(super) fn answers(&mut self, question: &Question, waits: &dyn Fn() -> bool, policy: &Policy) -> bool {
        if let Some(said) = self.said.get(&question.what) {
            return *said;
        }
        // Who hangs up has not said yes.
        let (answer, always) = self.ask(question, waits, policy).unwrap_or((false, false));
        if always {
            self.said.insert(question.what.clone(), answer);
        }
        answer
    }

    /// What is said, and whether it holds for the same call from now on.
    fn ask(
        &mut self,
        question: &Question,
        waits: &dyn Fn() -> bool,
        policy: &Policy,
    ) -> io::Result<(bool, bool)> {
        let Question { what, origin, pid } = question;
        let line = refusals::place(origin.unwrap_or(policy.origin), policy);
        let what = refusals::printable(what);
        // What was typed before the question was not said to it.
        tcflush(self.terminal.get_ref(), FlushArg::TCIFLUSH)?;
        self.terminal.consume(self.terminal.buffer().len());
        let text = format!(
            "msbc: process {pid} asks for {what}\n      {line}\n      make the call? [y]es, [n]o, [a]lways, ne[v]er: "
        );
        self.terminal.get_mut().write_all(text.as_bytes())?;
        while !self.can_read()? {
            if !waits() {
                self.terminal.get_mut().write_all(b"\nmsbc: it has ended and needs no answer\n")?;
                return Ok((false, false));
            }
        }
        let mut answer = String::new();
        self.terminal.read_line(&mut answer)?;
        Ok(match answer.trim() {
            "y" | "yes" => (true, false),
            "a" | "always" => (true, true),
            "v" | "never" => (false, true),
            _ => (false, false),
        })
    }

    /// Whether there is a line, waiting a moment for one.
    fn can_read(&self) -> io::Result<bool> {
        const MOMENT_MS: u8 = 200;
        let mut fds = [PollFd::new(self.terminal.get_ref().as_fd(), PollFlags::POLLIN)];
        Ok(poll(&mut fds, MOMENT_MS)? > 0)
    }
}
