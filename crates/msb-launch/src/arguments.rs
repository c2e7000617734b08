//! The command line.

use crate::fail::{Result, refusal};
use crate::files::exact;
use crate::path::sort_by;
use alloc::vec::Vec;
use core::ffi::CStr;
use msb_plan::event::Step;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
msb-launch PLAN [--set NAME=VALUE]... [OPTION]... [--] [COMMAND [ARG]...]

Starts COMMAND, or the plan's own command, confined by PLAN (made by `msbc compile`).

  --set NAME=VALUE  binds a parameter of the plan; a secret's is env:NAME, file:PATH, fd:N or command:PROGRAM WORD…
  --trust KEYS      runs no plan but one that a key of this file has signed (`msbc keygen`, `msbc sign`)
  --protect FILE    lets nobody inside write FILE, as it is with the plan and the keys
  --dry-run         sets everything up, says what on standard output, as JSON, and executes nothing
  --report FILE     writes what happened to FILE, a JSON object a line
  --json            writes the same to standard error, instead of sentences
  --timings         adds when each step of setting up was done, to FILE and to JSON
  --notify SOCKET   sends the listener of a filter that asks (`notify`) over the unix socket at this path; without
                    one, calls that it asks about fail with ENOSYS
  --report-fd N     writes events to descriptor N instead of sentences to standard error (`msbc run`)
  --notify-fd N     sends the filter's listener over the unix socket N (`msbc run`)
  --audit-fd N      has the gateway log every lookup, connection and request to descriptor N
  --gateway PATH    the gateway's program, where it is not beside msb-launch

Exit status: the command's own; 128+n when signal n ended it; 126 when it can't be executed; 127 when it is
not found; 125 when the launcher refused, and nothing was started.
";

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments<'a> {
    /// The plan file.
    pub(crate) plan: &'a CStr,
    /// Parameters and their values, in order.
    pub(crate) set: Vec<(&'a [u8], &'a CStr)>,
    /// Where events go.
    pub(crate) report_fd: Option<u32>,
    /// The file of public keys.
    pub(crate) trust: Option<&'a CStr>,
    /// Files that nobody inside may write.
    pub(crate) protect: Vec<&'a CStr>,
    /// Whether everything is done but to execute the command.
    pub(crate) dry_run: bool,
    /// The file for events as JSON.
    pub(crate) report: Option<&'a CStr>,
    /// Whether events go to standard error as JSON.
    pub(crate) json: bool,
    /// Whether each step is timed.
    pub(crate) timings: bool,
    /// Where the listener goes.
    pub(crate) notify_fd: Option<u32>,
    /// The socket where it goes instead.
    pub(crate) notify: Option<&'a CStr>,
    /// Where the gateway's log goes.
    pub(crate) audit_fd: Option<u32>,
    /// The gateway's program.
    pub(crate) gateway: Option<&'a CStr>,
    /// The command; empty for the plan's own.
    pub(crate) command: &'a [&'a CStr],
}

/// What the command line means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    /// Launch.
    Launch(Arguments<'a>),
    /// Print [`HELP`].
    Help,
    /// Print the version.
    Version,
}

/// What an option does.
#[derive(Clone, Copy)]
enum Does {
    Help,
    Version,
    DryRun,
    Json,
    Timings,
    Set,
    Report,
    Trust,
    Protect,
    ReportFd,
    NotifyFd,
    Notify,
    AuditFd,
    Gateway,
}

/// Options by name; one comparison for all of them, as a `match` of texts compares byte by byte and is a page of code.
const OPTIONS: [(&[u8], Does); 16] = [
    (b"--help", Does::Help),
    (b"-h", Does::Help),
    (b"--version", Does::Version),
    (b"-V", Does::Version),
    (b"--dry-run", Does::DryRun),
    (b"--json", Does::Json),
    (b"--timings", Does::Timings),
    (b"--set", Does::Set),
    (b"--report", Does::Report),
    (b"--trust", Does::Trust),
    (b"--protect", Does::Protect),
    (b"--report-fd", Does::ReportFd),
    (b"--notify-fd", Does::NotifyFd),
    (b"--notify", Does::Notify),
    (b"--audit-fd", Does::AuditFd),
    (b"--gateway", Does::Gateway),
];

/// Reads the command line; `words` does not hold the program's name.
pub(crate) fn parse<'a>(words: &'a [&'a CStr]) -> Result<Request<'a>> {
    let wrong = refusal(Step::Usage, None);
    let mut arguments = Arguments::default();
    let mut plan = None;
    let mut left = words;
    while let [word, rest @ ..] = left {
        let bytes = word.to_bytes();
        if bytes == b"--" && plan.is_some() {
            arguments.command = rest;
            break;
        }
        if !bytes.starts_with(b"-") {
            if plan.is_some() {
                arguments.command = left;
                break;
            }
            plan = Some(*word);
            left = rest;
            continue;
        }
        left = rest;
        let (_, does) = OPTIONS.iter().find(|(name, _)| *name == bytes).ok_or(wrong)?;
        match does {
            Does::Help => return Ok(Request::Help),
            Does::Version => return Ok(Request::Version),
            Does::DryRun => arguments.dry_run = true,
            Does::Json => arguments.json = true,
            Does::Timings => arguments.timings = true,
            _ => {
                let (value, rest) = left.split_first().ok_or(wrong)?;
                arguments.take(*does, value).ok_or(wrong)?;
                left = rest;
            }
        }
    }
    arguments.plan = plan.ok_or(wrong)?;
    Ok(Request::Launch(arguments))
}

impl<'a> Arguments<'a> {
    /// An option with a value; `None` where it has none like this.
    fn take(&mut self, does: Does, value: &'a CStr) -> Option<()> {
        let number = || descriptor(value.to_bytes());
        match does {
            Does::Help | Does::Version | Does::DryRun | Does::Json | Does::Timings => {}
            Does::Set => self.set.push(binding(value)?),
            Does::Report => self.report = Some(value),
            // Whoever starts the launcher has the first word on whose signature counts.
            Does::Trust if self.trust.is_some() => return None,
            Does::Trust => self.trust = Some(value),
            Does::Protect => self.protect.push(value),
            Does::ReportFd => self.report_fd = Some(number()?),
            Does::NotifyFd => self.notify_fd = Some(number()?),
            Does::Notify => self.notify = Some(value),
            Does::AuditFd => self.audit_fd = Some(number()?),
            Does::Gateway => self.gateway = Some(value),
        }
        Some(())
    }
}

impl Arguments<'_> {
    /// Numbers of the descriptors that `fd:N` names, sorted and without repetitions.
    pub(crate) fn secret_numbers(&self) -> Vec<u32> {
        let number = |value: &CStr| descriptor(value.to_bytes().strip_prefix(b"fd:")?);
        let mut numbers = Vec::new();
        for number in self.set.iter().filter_map(|(_, value)| number(value)) {
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        sort_by(&mut numbers, |a, b| a < b);
        numbers
    }
}

fn binding(word: &CStr) -> Option<(&[u8], &CStr)> {
    let equals = word.to_bytes().iter().position(|b| *b == b'=')?;
    let (name, value) = word.to_bytes_with_nul().split_at(equals);
    Some((name, CStr::from_bytes_with_nul(value.get(1..)?).ok()?))
}

/// The number of a descriptor; 0, 1 and 2 belong to the command.
fn descriptor(digits: &[u8]) -> Option<u32> {
    let number = exact(digits, 10).and_then(|number| i32::try_from(number).ok())?;
    (number > 2).then_some(number.unsigned_abs())
}
