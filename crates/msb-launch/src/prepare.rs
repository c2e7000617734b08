//! The launch from its first instruction to the clone.

use crate::arguments::{self, Arguments, Request};
use crate::bind::{self, Bindings};
use crate::cgroup::{Cgroups, kinds};
use crate::deny;
use crate::fail::{At, Failed, Result, failure, refusal};
use crate::gateway::{self, Counts, Given};
use crate::gather::Gather;
use crate::host::{self, Entry};
use crate::mounts::Table;
use crate::output::{EXIT_REFUSED, Output};
use crate::parent::exit_of_failure;
use crate::path::{Bytes, c_string, sort_by};
use crate::placeholders::Placeholders;
use crate::spawn::Host;
use crate::timing::Timing;
use crate::{describe, environment, guard, ids, overlap, plan_file, search, signature, tier};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ffi::CStr;
use msb_plan::event::{Event, Step};
use msb_plan::{Arch, CheckedPlan, DecodeError, Filter, Listener, Plan, Tier};
use msb_sys::at::{openat, openat2};
use msb_sys::process::{close_range, inherited, monotonic_us};
use msb_sys::start::Start;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};

/// Runs the launcher: gives its exit status.
#[must_use]
pub fn run(start: &Start) -> i32 {
    let output = keep(Output::default());
    let words = start.arguments.get(1..).unwrap_or_default();
    let arguments = match arguments::parse(words) {
        Ok(Request::Launch(arguments)) => keep(arguments),
        Ok(Request::Help) => return print(arguments::HELP),
        Ok(Request::Version) => return print(concat!("msb-launch ", env!("CARGO_PKG_VERSION"), "\n")),
        Err(failure) => return fail(output, failure, None),
    };
    let opened = open_plan(arguments, output);
    let read = opened.and_then(|opened| Ok((read_plan(opened.bytes, arguments.trust)?, opened)));
    let ((body, plan), opened) = match read {
        Ok(read) => read,
        Err(failure) => return fail(output, failure, None),
    };
    match launch(plan, body, arguments, &start.environment, opened, output) {
        Ok(code) => code,
        Err(failure) => fail(output, failure, Some(plan)),
    }
}

/// `value`, for as long as the process runs: what is made once for a launch is given back with everything else.
pub(crate) fn keep<'a, T>(value: T) -> &'a mut T {
    Box::leak(Box::new(value))
}

#[inline(never)]
fn read_plan<'p>(bytes: &'p [u8], trust: Option<&CStr>) -> Result<(&'p [u8], &'p Plan<'p>)> {
    let body = signature::trusted(bytes, trust)?;
    match msb_plan::decode(body) {
        Ok(plan) => Ok((body, keep(CheckedPlan::into_plan(plan)))),
        Err(error) => Err(failure(Step::PlanDecode, None, errno_of(error))),
    }
}

fn print(text: &str) -> i32 {
    match crate::files::write_once(msb_sys::process::borrowed(1), text.as_bytes()) {
        Ok(()) => 0,
        Err(_) => EXIT_REFUSED,
    }
}

fn fail(output: &Output, failure: Failed, plan: Option<&Plan<'_>>) -> i32 {
    let failure = failure.into();
    output.say(&Event::Failed(failure), plan);
    exit_of_failure(&failure)
}

/// What is wrong with a plan, as the nearest errno: the launcher's events are numbers.
fn errno_of(error: DecodeError) -> Errno {
    match error {
        DecodeError::NotAPlan => Errno::NOEXEC,
        DecodeError::OtherFormat(_) => Errno::PROTONOSUPPORT,
        DecodeError::Truncated => Errno::NODATA,
        DecodeError::Trailing | DecodeError::TooLong => Errno::FBIG,
        DecodeError::Altered => Errno::BADMSG,
        DecodeError::Malformed | DecodeError::Invalid(_) => Errno::INVAL,
    }
}

/// What the launcher was started with.
struct Opened {
    /// The plan.
    bytes: Bytes,
    /// The files that decide about the sandbox, and its report.
    guarded: &'static [Bytes],
    /// Where the filter's listener goes.
    listener: Option<OwnedFd>,
    /// What is for the gateway.
    given: Given,
}

/// Reads the plan, takes the descriptors that were named, and closes every other one: nothing that is open
/// from here on was open before (CVE-2024-21626).
fn open_plan(arguments: &Arguments<'_>, output: &mut Output) -> Result<&'static mut Opened> {
    open_standard().at(Step::CloseFds, None)?;
    let bytes = plan_file::read(arguments.plan, Step::PlanOpen);
    // Before descriptors are closed: one of them may be the plan's name, and have another file a moment later.
    let guarded = guarded(arguments);
    let secrets = &*arguments.secret_numbers().leak();
    let mut kept = Vec::from(secrets);
    for number in [arguments.report_fd, arguments.notify_fd, arguments.audit_fd].into_iter().flatten() {
        kept.push(number);
    }
    sort_by(&mut kept, |a, b| a < b);
    close_all_but(&kept).at(Step::CloseFds, None)?;
    // Each has one owner.
    if kept.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(refusal(Step::Usage, None));
    }
    // Kept from here on: where this fails, the process ends, and gives back everything.
    let opened = keep(Opened { bytes: b"", guarded: &[], listener: None, given: Given::default() });
    opened.listener = match (arguments.notify_fd, arguments.notify) {
        (number, None) => taken(number)?,
        (None, Some(path)) => Some(connect(path).at(Step::Listener, None)?),
        (Some(_), Some(_)) => return Err(refusal(Step::Usage, None)),
    };
    opened.given.audit = taken(arguments.audit_fd)?;
    for number in secrets {
        opened.given.secrets.push(take(*number)?);
    }
    if let Some(path) = arguments.report {
        output.file = Some(report_file(path)?);
    }
    output.events = taken(arguments.report_fd)?;
    output.json = arguments.json;
    // What happened inside is not told otherwise from there.
    let written = output.file.as_ref().map_or(Ok(None), |file| has_path(bind::real_path(file)));
    opened.bytes = bytes?.leak();
    let mut guarded = guarded?;
    if let Some(written) = written? {
        guarded.push(written);
    }
    opened.guarded = guarded.leak();
    Ok(opened)
}

/// Opens the file for the report, which only this user reads: it names paths. A link on the way may be one that an earlier run
/// left in its workspace, and is not followed; those that name descriptors are the kernel's.
#[inline(never)]
fn report_file(path: &CStr) -> Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOCTTY;
    let is_kernels = [b"/dev/std".as_slice(), b"/dev/fd/", b"/proc/self/fd/"]
        .iter()
        .any(|it| path.to_bytes().starts_with(it));
    let resolve = if is_kernels { ResolveFlags::empty() } else { ResolveFlags::NO_SYMLINKS };
    openat2(CWD, path.to_bytes(), flags, Mode::RUSR | Mode::WUSR, resolve).at(Step::Report, None)
}

/// Takes an inherited descriptor and makes it close-on-exec.
fn take(number: u32) -> Result<OwnedFd> {
    let number = number.cast_signed();
    let borrowed = msb_sys::process::borrowed(number);
    rustix::io::fcntl_setfd(borrowed, rustix::io::FdFlags::CLOEXEC).at(Step::Usage, None)?;
    Ok(inherited(number))
}

/// The same for one that may not have been named.
fn taken(number: Option<u32>) -> Result<Option<OwnedFd>> {
    match number {
        Some(number) => take(number).map(Some),
        None => Ok(None),
    }
}

/// A connection to whoever answers the filter.
fn connect(path: &CStr) -> core::result::Result<OwnedFd, Errno> {
    let address = SocketAddrUnix::new(path)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket)
}

/// Opens /dev/null for each of the first three descriptors that is closed: the next file that is opened
/// would become the command's input or output.
fn open_standard() -> core::result::Result<(), Errno> {
    loop {
        let null = openat(CWD, "/dev/null", OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
        if null.as_raw_fd() > 2 {
            return Ok(());
        }
        // It fills a gap, and stays.
        core::mem::forget(null);
    }
}

/// Closes every descriptor above 2 except `kept`, which is sorted.
pub(crate) fn close_all_but(kept: &[u32]) -> core::result::Result<(), Errno> {
    let mut first = 3;
    for &number in kept {
        if number > first {
            close_range(first, number - 1)?;
        }
        first = number + 1;
    }
    close_range(first, u32::MAX)
}

fn launch<'a>(
    plan: &'a Plan<'a>,
    body: &[u8],
    arguments: &Arguments<'a>,
    own_environment: &[&'a CStr],
    opened: &'a mut Opened,
    output: &'a Output,
) -> Result<i32> {
    let timing = keep(Timing::begin(arguments.timings));
    let filter = target(plan, opened.listener.is_some())?;
    let bindings = keep(Bindings::new(plan, arguments, own_environment)?);
    let environment = environment::build(plan, bindings, own_environment)?.leak();
    let command = command(plan, arguments)?;
    let cwd = match plan.identity.cwd {
        Some((path, origin)) => {
            c_string(&[b"/", bindings.inside_path(path, origin)?]).at(Step::Cwd, Some(origin))?
        }
        None => c"/",
    };
    crate::landlock::check_standard()?;
    let private_id = ids::private();
    let tier = if private_id.is_some() { Tier::Full } else { tier::choose(plan)? };
    timing.done(Step::Param);
    let entries = host::table(plan, bindings)?.leak();
    let table = keep(Table::read().at(Step::MountSource, Some(plan.policy.origin))?);
    overlap::check(plan, entries, table)?;
    let guards = guard::denies(opened.guarded, entries, plan.policy.origin)?.leak();
    let found = keep(deny::locate(plan, guards, bindings, table)?);
    timing.done(Step::MountSource);
    let searched = search::find(plan, bindings, entries, table, found)?;
    timing.done(Step::Search);
    if let Some(event) = searched.filter(|_| output.is_read()) {
        output.say(&event, Some(plan));
    }
    let mut placeholders = Placeholders::new(private_id.is_some());
    let started = deny::find(plan, bindings, entries, table, found, &mut placeholders).and_then(|denials| {
        timing.done(Step::DenySource);
        let mut cgroups = Cgroups::new(&plan.limits)?;
        let begin_us = monotonic_us();
        timing.done(Step::Cgroup);
        let dry_run = arguments.dry_run;
        let host = Host {
            plan,
            tier,
            private_id,
            filter,
            cwd,
            environment,
            command,
            denials,
            held: cgroups.held,
            timing,
            output,
            dry_run,
        };
        let host = keep(host);
        let gateway = |given: Given| {
            let counts = if output.is_read() { Counts::Wanted } else { Counts::None };
            gateway::start(plan, body, arguments, own_environment, counts, &given)
        };
        let started = decide(host, entries)
            .and_then(|()| gateway(core::mem::take(&mut opened.given)))
            .and_then(|gateway| host.start(entries, opened.listener.take(), gateway, &mut cgroups));
        cgroups.sweep(monotonic_us().saturating_sub(begin_us));
        cgroups.remove();
        // What it holds ends with this process, as what the placeholders hold.
        core::mem::forget(cgroups);
        started
    });
    placeholders.remove();
    core::mem::forget(placeholders);
    started
}

/// The command line's command, or the plan's.
fn command<'a>(plan: &Plan<'_>, arguments: &Arguments<'a>) -> Result<&'a [&'a CStr]> {
    if !arguments.command.is_empty() {
        return Ok(arguments.command);
    }
    let mut command: Vec<&CStr> = Vec::new();
    for word in &plan.command {
        command.push(c_string(&[word.as_bytes()]).at(Step::Exec, None)?);
    }
    if command.is_empty() { Err(refusal(Step::Usage, None)) } else { Ok(command.leak()) }
}

/// Settles what depends on the tier, and says what was decided.
fn decide(host: &Host<'_>, entries: &mut [Entry<'_>]) -> Result<()> {
    let Host { plan, denials, held, output, .. } = *host;
    match host.tier {
        Tier::Full => host::find_aliases(entries, &denials.iter().map(|denial| denial.inside)),
        Tier::Landlock => {
            tier::check(plan, entries, denials, held)?;
            output.say(&Event::HeldByLandlock { origin: plan.target.origin }, Some(plan));
        }
    }
    let without: Vec<_> = kinds(&plan.limits).filter(|(kind, _)| !held.has(*kind)).gather();
    output.say_held(&without, plan);
    if host.dry_run {
        describe::print(plan, entries, denials, held);
    }
    Ok(())
}

/// The files that decide about this sandbox, by the paths that the kernel calls them. One that has no path, such as a
/// pipe, cannot be reached by one.
fn guarded(arguments: &Arguments<'_>) -> Result<Vec<Bytes>> {
    // Whoever changes the launcher or its gateway is outside at the next launch.
    let own = gateway::own_program().at(Step::PlanOpen, None)?;
    let gateway = gateway::program(arguments, own).at(Step::PlanOpen, None)?;
    let mut files = Vec::from([own]);
    let mut add = |file: &CStr| -> Result<()> {
        let plain = bind::absolute(file.to_bytes()).filter(|path| bind::is_plain(path));
        if let Some(path) = plain.filter(|path| bind::open_unlinked(path).is_ok()) {
            files.push(path);
            return Ok(());
        }
        // Magic links are followed: `msbc run` names its plan by a descriptor.
        let place = openat(CWD, file.to_bytes(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let place = match place {
            // What it is for is said where it is read.
            Err(Errno::NOENT | Errno::BADF) if file == arguments.plan || Some(file) == arguments.trust => {
                return Ok(());
            }
            // Not every installation has one; where rules need it, they say that it is missing.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) if file == gateway => return Ok(()),
            place => place.at(Step::Protect, None)?,
        };
        if let Some(path) = has_path(bind::real_path(&place))? {
            files.push(path);
        }
        Ok(())
    };
    for file in &arguments.protect {
        add(file)?;
    }
    add(arguments.plan)?;
    add(gateway)?;
    if let Some(trust) = arguments.trust {
        add(trust)?;
    }
    Ok(files)
}

/// `None` for what has no path.
fn has_path(path: core::result::Result<Bytes, Errno>) -> Result<Option<Bytes>> {
    match path {
        Err(Errno::NOENT) => Ok(None),
        path => path.map(Some).at(Step::Protect, None),
    }
}

/// The filter for this machine, if the plan can run here at all.
fn target<'p>(plan: &Plan<'p>, has_listener: bool) -> Result<Filter<'p>> {
    let origin = Some(plan.policy.origin);
    let name = rustix::system::uname();
    if kernel(name.release().to_bytes()) < plan.target.kernel_min {
        return Err(failure(Step::Target, origin, Errno::NOSYS));
    }
    let filter = plan.filters.iter().find(|filter| Some(filter.arch) == Arch::HOST);
    let filter = filter.ok_or_else(|| failure(Step::Target, origin, Errno::NOEXEC))?;
    let wrong = match filter.listener {
        Listener::None => has_listener,
        Listener::Required => !has_listener,
        Listener::Optional => false,
    };
    if wrong {
        return Err(failure(Step::Listener, Some(filter.origin), Errno::NOTCONN));
    }
    Ok(*filter)
}

/// Major and minor number of a kernel release such as `6.1.0-18-amd64`.
pub(crate) fn kernel(release: &[u8]) -> (u16, u16) {
    let mut parts = crate::files::parts(release, b'.').map(|part| crate::files::number(part).unwrap_or(0));
    let mut next = || -> u16 { u16::try_from(parts.next().unwrap_or(0)).unwrap_or(u16::MAX) };
    (next(), next())
}
