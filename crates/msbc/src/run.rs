//! run: compile in memory, start the launcher, say what it reports.
//!
//! The plan goes to the launcher in a sealed memory file and events come back through a pipe, so that nothing
//! is written to disk. Standard input, output and error are the command's; what msbc has to say comes
//! before the command starts and after it has ended.

pub(crate) mod launcher;
mod made;
mod network;
mod obstacle;
mod person;
mod refusals;
pub(crate) mod scope;
mod signals;

use crate::cli::Run;
use crate::compile::Filter;
use crate::output::{Output, reason};
use crate::{Exit, compile};
use launcher::Timings;
use msb_compile::Compiled;
use msb_plan::event::{Cause, EVENT_BYTES_MAX, Event, decode_counted, decode_event};
use msb_plan::network::Network;
use msb_plan::{CheckedPlan, Listener, Plan};
use msb_policy::{Places, Policy};
use msb_report::Context;
use msb_trace::{Refusal, Tracer};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::stat::Mode;
use person::Person;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The launcher could not be started, or did not start the command; as env(1) and timeout(1).
const NOT_STARTED: Exit = Exit::Launcher(125);

/// What a launcher may report in all: each event is a few bytes, and there are some dozens of them.
const REPORT_BYTES_MAX: usize = 1 << 20;

/// How the launcher's events came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// Nobody can write more.
    Ended,
    /// There was more than a launcher has to say.
    Endless,
}

/// `msbc run`.
pub(crate) fn run(arguments: &Run, output: &mut Output) -> Exit {
    let filter = if arguments.explain { Filter::Asks } else { Filter::Decides };
    let Some(compiled) = compile::compiled(&arguments.policy, filter, output) else { return Exit::Usage };
    if arguments.policy.json && !compiled.diagnostics.is_empty() {
        output.json_message(&msb_diag::to_json(&compiled.diagnostics, &compiled.sources));
    }
    let Some(bytes) = &compiled.plan else { return Exit::Wrong };
    match msb_plan::decode(bytes) {
        Ok(plan) => Session { arguments, output, compiled: &compiled, plan, bytes }.start(),
        Err(error) => {
            output.message(&format!("the compiler wrote a plan that it does not read ({error:?})"));
            Exit::Internal
        }
    }
}

/// One run.
struct Session<'a> {
    arguments: &'a Run,
    output: &'a Output,
    compiled: &'a Compiled,
    plan: CheckedPlan<'a>,
    bytes: &'a [u8],
}

impl Session<'_> {
    fn start(&self) -> Exit {
        if self.arguments.command.is_empty() && self.plan.plan().command.is_empty() {
            self.output.message("no command: the policy names none, so give one after `--`");
            return Exit::Usage;
        }
        let open = |path: Option<&Path>| path.map(open_report).transpose();
        let opened = open(self.arguments.report.as_deref())
            .and_then(|report| open(self.arguments.audit.as_deref()).map(|audit| (report, audit)));
        let (report, audit) = match opened {
            Ok(opened) => opened,
            Err(reason) => {
                self.output.message(&reason);
                return Exit::Usage;
            }
        };
        let Some(program) = launcher::find() else {
            self.output.message(
                "msb-launch is neither beside msbc nor on the PATH; `scripts/build.sh` puts both in one place",
            );
            return NOT_STARTED;
        };
        let Ok(person) = Person::find(self.arguments.ask) else {
            self.output.message("there is no terminal: `--ask` asks at the one that it is started from");
            return Exit::Usage;
        };
        if person.is_some() && self.plan().identity.terminal.is_some() {
            self.output.message(
                "`--ask` asks at the terminal, which `tty private` hands to the command: leave out one",
            );
            return Exit::Usage;
        }
        match self.launch(&program, report, audit, person) {
            Ok(exit) => exit,
            Err(error) => {
                self.output.message(&format!("cannot run `{}`: {}", program.display(), reason(&error)));
                NOT_STARTED
            }
        }
    }

    /// The files that the policy was read from, and this program: nobody inside changes what the next run will be
    /// allowed. Nor what is written of this one.
    fn protected_files(&self) -> Vec<PathBuf> {
        let sources = &self.compiled.sources;
        let ids = (0..u32::try_from(sources.len()).unwrap_or(0)).map(msb_diag::FileId);
        // A standard profile is no file.
        let written = [&self.arguments.report, &self.arguments.audit].into_iter().flatten();
        let written = written.filter_map(|path| std::fs::canonicalize(path).ok());
        ids.filter_map(|id| std::fs::canonicalize(&sources.get(id)?.name).ok())
            .filter(|path| path.is_file())
            .chain(std::env::current_exe())
            .chain(written.filter(|path| path.is_file()))
            .collect()
    }

    /// The file rules, with the parameters of this run.
    fn places(&self, policy: &Policy) -> Places {
        let home = std::env::var("HOME").ok();
        Places::new(policy, |index| self.place(policy, index), home.as_deref())
    }

    fn launch(
        &self,
        program: &Path,
        report: Option<File>,
        audit: Option<File>,
        person: Option<Person>,
    ) -> io::Result<Exit> {
        if let Err(reason) = scope::enter(&self.plan().limits) {
            self.output.message(&format!("systemd gives no cgroup to this run: {reason}"));
        }
        let (log, audit) = self.followed(audit)?;
        let set: Vec<_> = self.arguments.set.iter().map(crate::cli::Set::argument).collect();
        let before = made::find(self.plan(), |path| self.host_path(path));
        self.tell_closed(&before);
        let listens = self.plan().filters.iter().any(|filter| filter.listener != Listener::None);
        let started = launcher::start(
            program,
            self.bytes,
            listens,
            if report.is_some() { Timings::Wanted } else { Timings::None },
            (&self.protected_files(), audit.as_ref()),
            &set,
            &self.arguments.command,
        )?;
        drop(audit);
        let report = Mutex::new(report);
        thread::scope(|scope| {
            let tracer = started.listener.zip(self.compiled.policy.as_ref());
            let tracer =
                tracer.map(|(socket, policy)| scope.spawn(|| self.trace(socket, policy, &report, person)));
            let log = log.map(|log| {
                scope.spawn(|| network::follow(log, |refused| self.tell_network(refused, &report)))
            });
            let (events, flow) = self.listen(started.events, &report);
            let mut launched = started.launched;
            if flow == Flow::Endless {
                // It is no launcher of ours, or one that has lost its mind: what it runs is not watched.
                self.output.message("msb-launch reports without an end, and was killed");
                launched.kill();
            }
            let code = launched.wait()?;
            let traced = tracer.map(|tracer| tracer.join().unwrap_or_else(|_| Err(panicked())));
            let network = log.map(|log| log.join().unwrap_or_else(|_| Err(panicked())));
            self.sum_up(traced, network);
            self.explain(&events, code);
            self.tell_obstacle(&events, before.iter().cloned(), &report);
            if events.iter().any(|event| matches!(event, Event::Ended(_))) {
                self.tell_made(&before, &report);
            }
            Ok(Exit::Launcher(code))
        })
    }

    /// Reads events until nobody can write more; what a person should know at once is said at once.
    fn listen(&self, mut from: impl Read + AsFd, report: &Mutex<Option<File>>) -> (Vec<Event>, Flow) {
        let mut events = Vec::new();
        let mut told = 0;
        let mut left_bytes = REPORT_BYTES_MAX;
        let mut bytes = Vec::new();
        let mut chunk = [0; EVENT_BYTES_MAX];
        loop {
            // What is held without a cgroup comes limit by limit, and is told of at once but together.
            if told < events.len() && !comes_soon(&from) {
                self.announce(&events[told..]);
                told = events.len();
            }
            match from.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(count) if count > left_bytes => return (events, Flow::Endless),
                Ok(count) if count > 0 => {
                    left_bytes -= count;
                    bytes.extend_from_slice(&chunk[..count]);
                }
                _ => {
                    self.announce(&events[told..]);
                    return (events, Flow::Ended);
                }
            }
            let mut rest = bytes.as_slice();
            loop {
                if let Some((counted, left)) = decode_counted(rest) {
                    rest = left;
                    let line = msb_report::counted_to_json(&counted, self.plan());
                    if self.arguments.policy.json {
                        self.output.json_message(&line);
                    }
                    self.record(report, || line);
                    continue;
                }
                let Some((event, left)) = decode_event(rest) else { break };
                rest = left;
                self.record(report, || {
                    self.with_context(|context| msb_report::to_json(&event, self.plan(), context))
                });
                events.push(event);
            }
            bytes = rest.to_vec();
            if bytes.len() > EVENT_BYTES_MAX {
                // Not an event and never the beginning of one; the exit code still says how it ended.
                bytes.clear();
            }
        }
    }

    fn announce(&self, events: &[Event]) {
        for event in events.iter().filter(|event| matches!(event, Event::Published { .. })) {
            if self.arguments.policy.json {
                self.output.json_message(&self.with_context(|c| msb_report::to_json(event, self.plan(), c)));
                continue;
            }
            let line = msb_report::chosen(event, self.plan());
            if !line.is_empty() {
                self.output.message(&line);
            }
        }
        let line = msb_report::held_together(events, self.plan());
        if !line.is_empty() && !self.arguments.policy.json {
            self.output.message(&line);
        }
    }

    /// Writes a line to the report file.
    fn record(&self, report: &Mutex<Option<File>>, line: impl FnOnce() -> serde_json::Value) {
        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = report.as_mut() else { return };
        if let Err(error) = writeln!(file, "{}", line()) {
            self.output.message(&format!("the report is incomplete: {}", reason(&error)));
            *report = None;
        }
    }

    /// Where the gateway writes its log: to `audit`, and with `--explain` through here.
    fn followed(&self, audit: Option<File>) -> io::Result<(Option<network::Log>, Option<File>)> {
        let has_gateway = matches!(self.plan().network, Network::Gateway(_));
        if !(self.arguments.explain && has_gateway) {
            return Ok((None, audit));
        }
        let (from, to) = io::pipe()?;
        Ok((Some(network::Log { from, to: audit }), Some(File::from(OwnedFd::from(to)))))
    }

    /// Says what the network refused.
    fn tell_network(&self, refused: &network::Refused, report: &Mutex<Option<File>>) {
        self.record(report, || refused.to_json());
        if self.arguments.policy.json {
            return self.output.json_message(&refused.to_json());
        }
        let net = match &self.plan().network {
            Network::Gateway(gateway) => self.plan().origins.get(usize::from(gateway.origin.0)),
            Network::None | Network::Loopback => None,
        };
        let net = net.map_or_else(String::new, |it| format!("{}:{}: {}", it.file, it.line, it.text));
        self.output.refusal(&refused.what, &refused.lines(&net));
    }

    /// Says which folders the launcher denies as a whole.
    fn tell_closed(&self, before: &BTreeSet<made::Found>) {
        if !self.arguments.policy.json {
            before.iter().filter_map(made::Found::closed_line).for_each(|line| self.output.message(&line));
        }
    }

    /// Says what is in the way of a launch that was refused.
    fn tell_obstacle(
        &self,
        events: &[Event],
        before: impl Iterator<Item = made::Found>,
        report: &Mutex<Option<File>>,
    ) {
        let failure = events.iter().find_map(|event| match event {
            Event::Failed(failure) => Some(*failure),
            _ => None,
        });
        let found =
            failure.and_then(|it| obstacle::find(it, self.plan(), before, |path| self.host_path(path)));
        let Some(obstacle) = found else { return };
        self.record(report, || obstacle.to_json());
        if self.arguments.policy.json {
            self.output.json_message(&obstacle.to_json());
        } else {
            self.output.message(obstacle.line());
        }
    }

    /// Says what was made that the next start denies.
    fn tell_made(&self, before: &BTreeSet<made::Found>, report: &Mutex<Option<File>>) {
        const LINES_MAX: usize = 10;
        let plan = self.plan();
        let made = made::news(before, &made::find(plan, |path| self.host_path(path)));
        for one in &made {
            self.record(report, || one.to_json(plan));
            if self.arguments.policy.json {
                self.output.json_message(&one.to_json(plan));
            }
        }
        if self.arguments.policy.json {
            return;
        }
        made.iter().take(LINES_MAX).for_each(|one| self.output.message(&one.line()));
        if let Some(more) = made.len().checked_sub(LINES_MAX).filter(|more| *more > 0) {
            self.output.message(&format!("and {more} more: `--report FILE` has all of them"));
        }
    }

    /// Where a path of the plan lies on the host, in this run.
    fn host_path(&self, path: msb_plan::Path<'_>) -> Option<PathBuf> {
        let base = match path.base {
            msb_plan::Base::Root => PathBuf::from("/"),
            msb_plan::Base::Home => PathBuf::from(std::env::var_os("HOME")?),
            msb_plan::Base::Param(index) => {
                let param = self.plan().params.get(usize::from(index))?;
                let given = self.arguments.set.iter().find(|set| set.name == param.name);
                let value = given.map(|set| set.value.clone()).or_else(|| param.default.map(Into::into))?;
                std::fs::canonicalize(value).ok()?
            }
        };
        Some(base.join(path.rest))
    }

    /// Says how much was refused, once everything has ended.
    fn sum_up(&self, traced: Option<io::Result<(usize, u64)>>, network: Option<io::Result<network::Counts>>) {
        let (mut kinds, mut times) = (0, 0);
        match traced {
            Some(Ok((more_kinds, more_times))) => (kinds, times) = (more_kinds, more_times),
            Some(Err(error)) => {
                self.output.message(&format!("not every refusal was seen: {}", reason(&error)));
            }
            None => {}
        }
        match network {
            Some(Ok(counts)) => {
                kinds += counts.kinds;
                times += counts.times;
                if self.arguments.explain && !self.arguments.policy.json {
                    if counts.is_cut {
                        self.output
                            .message("the network refused more than is told: `--audit FILE` has all of it");
                    }
                    if counts.kernel_is_silent {
                        self.output
                            .message("what the kernel refused at once is not told: it has no nfnetlink_log");
                    }
                }
            }
            Some(Err(error)) => {
                self.output.message(&format!("the audit log ended early: {}", reason(&error)));
            }
            None => {}
        }
        if !self.arguments.policy.json && self.arguments.explain {
            self.output.message(&refusals::summary(kinds, times));
        }
    }

    /// Answers the filter and says what is refused, until the last process inside has ended; of how many kinds it was, and
    /// how often.
    fn trace(
        &self,
        socket: OwnedFd,
        policy: &Policy,
        report: &Mutex<Option<File>>,
        mut person: Option<Person>,
    ) -> io::Result<(usize, u64)> {
        let mut tracer = Tracer::new(policy, self.places(policy));
        let tell = |refusal: &Refusal| {
            self.record(report, || refusals::to_json(refusal, policy));
            if self.arguments.policy.json {
                self.output.json_message(&refusals::to_json(refusal, policy));
            } else {
                self.output.refusal(&refusals::what(refusal), &refusals::line(refusal, policy));
            }
        };
        tracer.serve(socket, tell, &mut |question, waits| {
            Some(person.as_mut()?.answers(question, waits, policy))
        })?;
        Ok((tracer.counts().len(), tracer.counts().values().sum()))
    }

    /// The absolute path that a parameter is bound to.
    fn place(&self, policy: &Policy, index: usize) -> Option<String> {
        let param = policy.params.get(index)?;
        let given = self.arguments.set.iter().find(|set| set.name == param.name).map(|set| set.value.clone());
        let value = given.or_else(|| param.default.as_ref().map(Into::into))?;
        std::fs::canonicalize(value).ok()?.into_os_string().into_string().ok()
    }

    /// Says what happened, after the command has ended.
    fn explain(&self, events: &[Event], code: u8) {
        let ended_for = events.iter().find_map(|event| match event {
            Event::Ended(ended) => match ended.cause {
                Cause::Limit(limit, _) => Some(limit),
                Cause::Command | Cause::Outside | Cause::Gateway => None,
            },
            _ => None,
        });
        // What is published was said when it was.
        for event in events.iter().filter(|event| !matches!(event, Event::Published { .. })) {
            if self.arguments.policy.json {
                self.output.json_message(&self.with_context(|c| msb_report::to_json(event, self.plan(), c)));
                continue;
            }
            match event {
                // It was announced, or the end says the same.
                Event::HeldWithoutCgroup { .. } => {}
                Event::LimitReached { limit, .. } if ended_for == Some(*limit) => {}
                _ => {
                    if let Some(report) = self.with_context(|c| msb_report::explain(event, self.plan(), c)) {
                        self.output.report(&report);
                    }
                }
            }
        }
        let concluded = events.iter().any(|event| matches!(event, Event::Failed(_) | Event::Ended(_)));
        if !concluded {
            self.output.message(&format!("msb-launch ended with {code} and did not say why"));
        }
    }

    fn plan(&self) -> &Plan<'_> {
        self.plan.plan()
    }

    fn with_context<T>(&self, say: impl FnOnce(&Context<'_>) -> T) -> T {
        let value = |set: &crate::cli::Set| (set.name.clone(), set.value.to_string_lossy().into_owned());
        let params: Vec<(String, String)> = self.arguments.set.iter().map(value).collect();
        let home = std::env::var("HOME").ok();
        say(&Context {
            params: &params,
            command: &self.arguments.command,
            home: home.as_deref(),
            sources: Some(&self.compiled.sources),
            exists: Some(Path::exists),
        })
    }
}

fn panicked() -> io::Error {
    io::Error::other("it panicked")
}

/// Whether there is more to read within a few milliseconds.
fn comes_soon(from: impl AsFd) -> bool {
    const SOON_MS: u8 = 5;
    let mut fds = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, SOON_MS).is_ok_and(|ready| ready > 0)
}

/// Opened before anything is started, and without waiting for the reader of a FIFO. A link on the way may be one that an earlier
/// run left in its workspace, and is not followed; those that name descriptors are the kernel's.
fn open_report(path: &Path) -> Result<File, String> {
    let descriptors = ["/dev/std", "/dev/fd/", "/proc/self/fd/"];
    let is_kernels = descriptors.iter().any(|it| path.as_os_str().as_bytes().starts_with(it.as_bytes()));
    let links = if is_kernels { ResolveFlag::empty() } else { ResolveFlag::RESOLVE_NO_SYMLINKS };
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
    let how = OpenHow::new()
        .flags(flags | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)
        .mode(Mode::from_bits_truncate(0o666))
        .resolve(links);
    openat2(AT_FDCWD, path, how).map(File::from).map_err(|errno| {
        let why = match (errno, std::fs::canonicalize(path.parent().unwrap_or(path))) {
            (Errno::ELOOP, Ok(parent)) if !path.is_symlink() => format!(
                "a symbolic link is on the way; name the folder that is meant, which may be `{}`",
                parent.display()
            ),
            (Errno::ELOOP, _) => "it is a symbolic link; name the file that is meant".to_owned(),
            _ => reason(&errno.into()),
        };
        format!("cannot write `{}`: {why}", path.display())
    })
}
