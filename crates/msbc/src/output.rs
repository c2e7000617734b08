//! Standard output and standard error: the only place that writes to them.
//!
//! A reader that went away (`msbc show plan.bin | head`) is not an error: what is left is not written.
//! Anything else that keeps the answer from arriving, such as a full disk, is.

use crate::Exit;
use crate::cli::Color;
use msb_diag::{Diagnostic, Sources, Style};
use nix::sys::termios::{OutputFlags, tcgetattr};
use std::io::{self, ErrorKind, IsTerminal as _, Write};
use terminal_size::{Width, terminal_size_of};

/// Where the answer and the messages go.
pub(crate) struct Output {
    style: Style,
    /// Whether standard output did not take all of the answer.
    failed: bool,
}

impl Output {
    pub(crate) fn new(color: Color) -> Output {
        let terminal = io::stderr().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !plain,
        };
        Output { style: Style { color, width: width(), ..Style::default() }, failed: false }
    }

    /// Writes a part of the answer to standard output.
    pub(crate) fn answer(&mut self, text: &str) {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                drop(out);
                self.failed = true;
                self.message(&format!("cannot write to standard output: {}", reason(&error)));
            }
            _ => {}
        }
    }

    /// Writes a value to standard output, indented.
    pub(crate) fn json(&mut self, value: &serde_json::Value) {
        self.answer(&format!("{value:#}\n"));
    }

    /// Writes a value to standard error, as one line: for a command whose standard output is another's.
    pub(crate) fn json_message(&self, value: &serde_json::Value) {
        self.error(&format!("{value}\n"));
    }

    /// Writes `msbc: …` to standard error.
    pub(crate) fn message(&self, text: &str) {
        self.error(&format!("msbc: {text}\n"));
    }

    /// Writes text that was asked for to standard error, where another thing has standard output.
    pub(crate) fn note(&self, text: &str) {
        self.error(text);
    }

    /// Writes findings to standard error.
    pub(crate) fn findings(&self, found: &[Diagnostic], sources: &Sources) {
        self.error(&msb_diag::render(found, sources, self.style));
    }

    /// Writes a finding about a run to standard error.
    pub(crate) fn report(&self, report: &msb_report::Report) {
        self.error(&report.render(self.style));
    }

    /// Writes what was refused, and the line that refuses it, to standard error.
    pub(crate) fn refusal(&self, what: &str, line: &str) {
        let (red, dim, end) =
            if self.style.color { ("\x1b[31m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
        self.error(&format!("{red}refused{end}  {what}\n         {dim}{line}{end}\n"));
    }

    fn error(&self, text: &str) {
        let mut stderr = io::stderr().lock();
        // A terminal in raw mode, as it is while `tty private` relays it, goes down where a line ends, and not to its beginning.
        let is_raw = tcgetattr(&stderr).is_ok_and(|modes| !modes.output_flags.contains(OutputFlags::OPOST));
        let text = if is_raw { text.replace('\n', "\r\n") } else { text.to_owned() };
        // Nobody is left to tell when standard error is closed or full.
        let _ = stderr.write_all(text.as_bytes());
    }

    /// The exit code, now that everything is written.
    pub(crate) fn finish(self, exit: Exit) -> Exit {
        match exit {
            Exit::Success if self.failed => Exit::Internal,
            exit => exit,
        }
    }
}

/// Columns to write in: what `COLUMNS` says, or else those of the terminal. Longer lines are hard to read, and shorter ones
/// have no room for a line of a policy.
fn width() -> usize {
    const COLUMNS: std::ops::RangeInclusive<usize> = 30..=160;
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size_of(io::stderr()).map(|(Width(columns), _)| usize::from(columns));
    let columns = said.or_else(terminal).filter(|&columns| columns > 0);
    columns.unwrap_or(Style::default().width).clamp(*COLUMNS.start(), *COLUMNS.end())
}

/// An error of the system in a few words: without `(os error 2)`, lowercase.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
