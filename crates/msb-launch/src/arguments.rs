//! The command line.

use crate::fail::{Result, refusal};
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
    pub(crate) report_fd: Option<i32>,
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
    pub(crate) notify_fd: Option<i32>,
    /// The socket where it goes instead.
    pub(crate) notify: Option<&'a CStr>,
    /// Where the gateway's log goes.
    pub(crate) audit_fd: Option<i32>,
    /// The gateway's program.
    pub(crate) gateway: Option<&'a CStr>,
    /// The command; empty for the plan's own.
    pub(crate) command: Vec<&'a CStr>,
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

/// Reads the command line; `words` does not hold the program's name.
pub(crate) fn parse<'a>(words: &[&'a CStr]) -> Result<Request<'a>> {
    let mut arguments = Arguments::default();
    let mut plan = None;
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word.to_bytes() {
            b"--help" | b"-h" => return Ok(Request::Help),
            b"--version" | b"-V" => return Ok(Request::Version),
            b"--set" => arguments.set.push(binding(words.next())?),
            b"--report" => arguments.report = Some(file(words.next())?),
            b"--trust" if arguments.trust.is_none() => arguments.trust = Some(file(words.next())?),
            b"--protect" => arguments.protect.push(file(words.next())?),
            b"--dry-run" => arguments.dry_run = true,
            b"--json" => arguments.json = true,
            b"--timings" => arguments.timings = true,
            b"--report-fd" => arguments.report_fd = Some(descriptor(words.next())?),
            b"--notify-fd" => arguments.notify_fd = Some(descriptor(words.next())?),
            b"--notify" => arguments.notify = Some(file(words.next())?),
            b"--audit-fd" => arguments.audit_fd = Some(descriptor(words.next())?),
            b"--gateway" => arguments.gateway = Some(file(words.next())?),
            b"--" if plan.is_some() => {
                arguments.command = words.collect();
                break;
            }
            bytes if bytes.starts_with(b"-") => return Err(refusal(Step::Usage, None)),
            _ if plan.is_none() => plan = Some(word),
            _ => {
                arguments.command = core::iter::once(word).chain(words).collect();
                break;
            }
        }
    }
    arguments.plan = plan.ok_or_else(|| refusal(Step::Usage, None))?;
    Ok(Request::Launch(arguments))
}

impl Arguments<'_> {
    /// Numbers of the descriptors that `fd:N` names, sorted and without repetitions.
    pub(crate) fn secret_numbers(&self) -> Vec<u32> {
        let number = |value: &CStr| {
            let digits = value.to_bytes().strip_prefix(b"fd:")?;
            let number: i32 = core::str::from_utf8(digits).ok()?.parse().ok()?;
            u32::try_from(number).ok().filter(|number| *number > 2)
        };
        let mut numbers: Vec<u32> = self.set.iter().filter_map(|(_, value)| number(value)).collect();
        sort_by(&mut numbers, |a, b| a < b);
        numbers.dedup();
        numbers
    }
}

fn file(word: Option<&CStr>) -> Result<&CStr> {
    word.ok_or_else(|| refusal(Step::Usage, None))
}

fn binding(word: Option<&CStr>) -> Result<(&[u8], &CStr)> {
    let wrong = || refusal(Step::Usage, None);
    let word = word.ok_or_else(wrong)?;
    let equals = word.to_bytes().iter().position(|b| *b == b'=').ok_or_else(wrong)?;
    let (name, value) = word.to_bytes_with_nul().split_at(equals);
    let value = value.get(1..).and_then(|value| CStr::from_bytes_with_nul(value).ok()).ok_or_else(wrong)?;
    Ok((name, value))
}

fn descriptor(word: Option<&CStr>) -> Result<i32> {
    let number = word.and_then(|word| word.to_str().ok()).and_then(|word| word.parse().ok());
    // 0, 1 and 2 belong to the command.
    number.filter(|number| *number > 2).ok_or_else(|| refusal(Step::Usage, None))
}
