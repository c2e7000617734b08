//! From the command line to the event loop: what is set up, in which order, and who is told when it fails.

use crate::audit::{Kernel, Log};
use crate::authority::{self, Authority};
use crate::bind::{self, Bound};
use crate::claims;
use crate::engine::{End, Engine, Published};
use crate::limits::Meters;
use crate::names::Names;
use crate::reader::Reader;
use crate::secret::Secret;
use crate::state::State;
use crate::{confine, handover, keystore};
use msb_plan::event::{Failure, Step};
use msb_plan::handover::{JAVA_TRUST, TRUST};
use msb_plan::network::{Gateway, LEASED, Network};
use msb_plan::{CheckedPlan, OriginId, PLAN_BYTES_MAX, Param, ParamKind, Plan};
use rustix::fd::OwnedFd;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Instant;

/// What the launcher said on the command line ([`msb_plan::handover`]).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The plan's bytes.
    pub plan_fd: Option<RawFd>,
    /// The line to the launcher's side.
    pub sockets_fd: Option<RawFd>,
    /// Where the log goes.
    pub audit_fd: Option<RawFd>,
    /// Where the launcher reads at the end what was counted.
    pub report_fd: Option<RawFd>,
    /// What the log calls this run.
    pub sandbox: String,
    /// Parameters that were given.
    pub given: BTreeMap<String, String>,
}

impl Options {
    /// Reads words of the command line.
    ///
    /// # Errors
    /// Which word is wrong.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Options, String> {
        let mut options = Options::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("`{word}` needs a value"))?;
            let number = || match value.parse::<RawFd>() {
                Ok(number) if number > 2 => Ok(Some(number)),
                _ => Err(format!("`{word} {value}`: a number above 2 is needed")),
            };
            match word.as_str() {
                "--plan-fd" => options.plan_fd = number()?,
                "--sockets-fd" => options.sockets_fd = number()?,
                "--audit-fd" => options.audit_fd = number()?,
                "--report-fd" => options.report_fd = number()?,
                "--sandbox" => options.sandbox = value,
                "--set" => {
                    let (name, value) =
                        value.split_once('=').ok_or_else(|| "`--set` needs NAME=VALUE".to_owned())?;
                    options.given.insert(name.to_owned(), value.to_owned());
                }
                _ => return Err(format!("`{word}` is not known")),
            }
        }
        Ok(options)
    }
}

/// Why it did not start: for the launcher, and in words for standard error where they say more; else empty.
#[derive(Debug)]
struct NotStarted {
    failure: Failure,
    why: String,
}

fn not_started(step: Step, origin: Option<OriginId>, why: impl Into<String>) -> NotStarted {
    NotStarted { failure: Failure { step, origin, errno: 0 }, why: why.into() }
}

fn io_failure(step: Step, origin: Option<OriginId>, error: &io::Error) -> NotStarted {
    let errno = error.raw_os_error().and_then(|it| u16::try_from(it).ok()).unwrap_or(0);
    // The launcher says a number in words, with the line.
    let why = if errno == 0 { error.to_string() } else { String::new() };
    NotStarted { failure: Failure { step, origin, errno }, why }
}

/// Runs until the sandbox has ended.
///
/// # Errors
/// In words, why it ended otherwise, or did not start; the launcher was told. Empty where that says all.
pub fn run(options: &Options) -> Result<(), String> {
    let control = options.sockets_fd.map(taken);
    let control = control.ok_or_else(|| "`--sockets-fd` is missing".to_owned())?;
    let prepared = match prepare(options, &control) {
        Ok(prepared) => prepared,
        Err(NotStarted { failure, why }) => {
            handover::send_failed(&control, failure);
            return Err(why);
        }
    };
    match serve(control, prepared)? {
        End::Sandbox => Ok(()),
        End::Log(error) => Err(format!("the audit log can't be written: {error}")),
        End::Kernel(errno) => Err(format!("the kernel refuses to wait: {errno}")),
    }
}

/// A descriptor that the launcher gave; a command that prints a secret does not get it.
fn taken(fd: RawFd) -> OwnedFd {
    let taken = msb_sys::process::inherited(fd);
    // One that is not open shows when it is used.
    let _ = rustix::io::fcntl_setfd(&taken, rustix::io::FdFlags::CLOEXEC);
    taken
}

/// Everything that needs the host, from before the process confined itself.
struct Prepared {
    state: Arc<State>,
    authority: Option<Arc<Authority>>,
    listens: Vec<Published>,
    /// The port of the host that each of the plan's `listens` has.
    ports: Vec<u16>,
    report: Option<File>,
}

fn prepare(options: &Options, control: &OwnedFd) -> Result<Prepared, NotStarted> {
    confine::raise_descriptors();
    let mut bytes = Vec::new();
    let plan_fd =
        options.plan_fd.ok_or_else(|| not_started(Step::Gateway, None, "`--plan-fd` is missing"))?;
    let file = File::from(taken(plan_fd));
    let most = PLAN_BYTES_MAX as u64 + 1;
    file.take(most).read_to_end(&mut bytes).map_err(|error| io_failure(Step::Gateway, None, &error))?;
    let checked: CheckedPlan<'_> =
        msb_plan::decode(&bytes).map_err(|error| not_started(Step::Gateway, None, format!("{error:?}")))?;
    let plan = checked.plan();
    let Network::Gateway(gateway) = &plan.network else {
        return Err(not_started(Step::Gateway, None, "the plan has no network"));
    };
    let audit = options.audit_fd.map(|fd| File::from(taken(fd)));
    let state = Arc::new(state(options, plan, gateway, audit)?);
    let (listens, ports) = listens(gateway)?;
    let mut authority = None;
    if gateway.trust.is_some() {
        let origin = Some(gateway.origin);
        let failed = |error: io::Error| io_failure(Step::Gateway, origin, &error);
        let made = Authority::new().map_err(|error| not_started(Step::Gateway, origin, error.0))?;
        // At once, so that the launcher has something to do while the key store is made.
        let pem = made.trust();
        handover::give_trust(control, TRUST, &pem).map_err(failed)?;
        if gateway.java_trust.is_some() {
            handover::give_trust(control, JAVA_TRUST, &keystore::jks(&pem)).map_err(failed)?;
        }
        if rustix::process::getuid().is_root()
            && !authority::are_for_everybody(&authority::named(|name| std::env::var_os(name)))
        {
            // Before root is given up. Otherwise it is left to the first connection that needs them: there are hundreds.
            made.load_roots();
        }
        authority = Some(Arc::new(made));
    }
    confine::confine().map_err(|failed| not_started(Step::Gateway, None, failed.0))?;
    let report = options.report_fd.map(|fd| File::from(taken(fd)));
    Ok(Prepared { state, authority, listens, ports, report })
}

fn state(
    options: &Options,
    plan: &Plan<'_>,
    gateway: &Gateway<'_>,
    audit: Option<File>,
) -> Result<State, NotStarted> {
    let bad = |bad: bind::BadBinding| NotStarted {
        failure: Failure {
            step: Step::GatewayHost,
            origin: Some(bad.origin),
            errno: bad.errno.raw_os_error().unsigned_abs().try_into().unwrap_or(0),
        },
        why: bad.why,
    };
    let bound = bind::bind(gateway, &plan.params, &options.given).map_err(bad)?;
    if let Some((origin, why)) = claims::broken(&bound) {
        return Err(not_started(Step::Claim, Some(origin), why));
    }
    let Bound { rules, names, .. } = bound;
    let now = Instant::now();
    // Above .0.0, which some programs take for no address.
    let first = Ipv4Addr::new(LEASED[0], LEASED[1], 0, 1);
    let names = Names::new(names, first, u32::from(u16::MAX) - 1, now);
    let secrets = secrets(plan, gateway, &options.given)?;
    let policy: String = plan.policy.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    let log = Log::new(audit, &options.sandbox, &policy, &plan.origins);
    let meters = Meters::new(&rules, now);
    Ok(State::new(rules, meters, names, log, secrets))
}

/// The secrets that rules inject; others are not read.
fn secrets(
    plan: &Plan<'_>,
    gateway: &Gateway<'_>,
    given: &BTreeMap<String, String>,
) -> Result<Vec<Option<Secret>>, NotStarted> {
    let load = |(index, param): (usize, &Param<'_>)| {
        let uses = gateway.rules.iter().find(|rule| rule.terms.inject.map(usize::from) == Some(index));
        let (ParamKind::Secret, Some(_)) = (param.kind, uses) else { return Ok(None) };
        let failed = |why: String| not_started(Step::Secret, Some(param.origin), why);
        let place =
            bind::value(param, given).ok_or_else(|| failed(format!("`${}` has no value", param.name)))?;
        if place.starts_with("command:") && !given.contains_key(param.name) {
            return Err(failed("a plan names no command that is executed on the host".to_owned()));
        }
        Secret::load(place).map(Some).map_err(|bad| failed(bad.0))
    };
    plan.params.iter().enumerate().map(load).collect()
}

/// What is published, and the port of the host that each rule for it has.
fn listens(gateway: &Gateway<'_>) -> Result<(Vec<Published>, Vec<u16>), NotStarted> {
    let (mut all, mut ports) = (Vec::new(), Vec::new());
    for listen in &gateway.listens {
        let (bound, port) = Published::bind(listen)
            .map_err(|error| io_failure(Step::Publish, Some(listen.origin), &error))?;
        all.extend(bound);
        ports.push(port);
    }
    Ok((all, ports))
}

fn serve(control: OwnedFd, prepared: Prepared) -> Result<End, String> {
    let words = |error: io::Error| error.to_string();
    let Prepared { state, authority, listens, ports, report } = prepared;
    let Some(sockets) = handover::sockets(&control).map_err(words)? else { return Ok(End::Sandbox) };
    let reader = Reader::new(Arc::clone(&state), authority);
    let kernel = if sockets.refusals.is_some() { Kernel::Listed } else { Kernel::Silent };
    let ready = control.try_clone().map_err(words)?;
    let mut engine = Engine::new(Arc::clone(&state), sockets, control, listens, reader).map_err(words)?;
    handover::send_ready(&ready, &ports).map_err(words)?;
    drop(ready);
    let end = engine.run();
    engine.end();
    state.log.finish(kernel);
    let flushed = state.log.flush();
    if let Some(mut report) = report {
        let (lines, digest) = state.log.sealed();
        // Whoever does not read it does not want to know.
        let _ = report.write_all(&state.log.tally.report((lines, &digest), state.log.origins()));
    }
    match flushed {
        Err(error) if matches!(end, End::Sandbox) => Ok(End::Log(error)),
        _ => Ok(end),
    }
}
