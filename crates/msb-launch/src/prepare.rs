//! The launch from its first instruction to the clone.

use crate::arguments::{self, Arguments, Request};
use crate::bind::{self, Bindings};
use crate::cgroup::{Cgroups, kinds};
use crate::child::{Child, Ids, map};
use crate::deny;
use crate::fail::{At, Result, failure, refusal};
use crate::files::{decimal, write_small};
use crate::gateway::{self, Counts, Given, Handover, Running};
use crate::gather::Gather;
use crate::host::{self, Entry};
use crate::mounts::Table;
use crate::output::{EXIT_REFUSED, Output};
use crate::parent::{Parent, exit_of_failure};
use crate::path::sort_by;
use crate::placeholders::Placeholders;
use crate::pump::Pump;
use crate::timing::Timing;
use crate::{
    describe, environment, guard, ids, overlap, plan_file, root, search, signature, storage, terminal, tier,
};
use alloc::vec::Vec;
use core::ffi::CStr;
use msb_plan::event::{Event, Step};
use msb_plan::{Arch, Base, CheckedPlan, DecodeError, Filter, Listener, MountKind, Plan, Tier};
use msb_sys::at::openat;
use msb_sys::process::{Fork, close_range, flags, fork, inherited, monotonic_us};
use msb_sys::shared::Word;
use msb_sys::signal;
use msb_sys::start::Start;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, getegid, geteuid, getpid, pidfd_send_signal, set_child_subreaper};

/// What the sandbox's first process gets a new one of as it is made; time, cgroup and network follow (`child`).
pub(crate) const NAMESPACES: u64 =
    flags::NEWUSER | flags::NEWPID | flags::NEWNS | flags::NEWIPC | flags::NEWUTS;

/// Of signal(7), the same on x86-64 and AArch64.
const SIGCHLD: u32 = 17;
/// Faults of the launcher's own, and what the terminal stops it for: ILL, TRAP, BUS, FPE, SEGV, TTIN, TTOU and CHLD of
/// signal(7).
const NOT_TAKEN: [u32; 8] = [4, 5, 7, 8, 11, 21, 22, SIGCHLD];
/// Raised by a message of the launcher's own that nobody reads: blocked, and nobody else's business.
const SIGPIPE: u32 = 13;

/// Runs the launcher: gives its exit status.
#[must_use]
pub fn run(start: &Start) -> i32 {
    let mut output = Output::default();
    let words = start.arguments.get(1..).unwrap_or_default();
    let arguments = match arguments::parse(words) {
        Ok(Request::Launch(arguments)) => arguments,
        Ok(Request::Help) => return print(arguments::HELP),
        Ok(Request::Version) => return print(concat!("msb-launch ", env!("CARGO_PKG_VERSION"), "\n")),
        Err(failure) => return fail(&output, &Event::Failed(failure), None),
    };
    match open_plan(&arguments, &mut output) {
        Err(failure) => fail(&output, &Event::Failed(failure), None),
        Ok(Opened { bytes, guarded, listener, given }) => match read_plan(&bytes, arguments.trust) {
            Err(failure) => fail(&output, &Event::Failed(failure), None),
            Ok((body, mut plan)) => {
                // They live as long as the program, as what is told of a failure later may name them.
                let opened = (guarded.leak() as &[Vec<u8>], listener, given);
                match launch(&mut plan, body, &arguments, &start.environment, opened, &output) {
                    Ok(code) => code,
                    Err(failure) => {
                        output.say(&Event::Failed(failure), Some(&plan));
                        exit_of_failure(&failure)
                    }
                }
            }
        },
    }
}

fn read_plan<'p>(bytes: &'p [u8], trust: Option<&CStr>) -> Result<(&'p [u8], Plan<'p>)> {
    let body = signature::trusted(bytes, trust)?;
    msb_plan::decode(body)
        .map(|plan| (body, CheckedPlan::into_plan(plan)))
        .map_err(|error| failure(Step::PlanDecode, None, errno_of(error)))
}

fn print(text: &str) -> i32 {
    match crate::files::write_once(msb_sys::process::borrowed(1), text.as_bytes()) {
        Ok(()) => 0,
        Err(_) => EXIT_REFUSED,
    }
}

fn fail(output: &Output, event: &Event, plan: Option<&Plan<'_>>) -> i32 {
    output.say(event, plan);
    EXIT_REFUSED
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
    bytes: Vec<u8>,
    /// The files that decide about the sandbox, and its report.
    guarded: Vec<Vec<u8>>,
    /// Where the filter's listener goes.
    listener: Option<OwnedFd>,
    /// What is for the gateway.
    given: Given,
}

/// Reads the plan, takes the descriptors that were named, and closes every other one: nothing that is open
/// from here on was open before (CVE-2024-21626).
fn open_plan(arguments: &Arguments<'_>, output: &mut Output) -> Result<Opened> {
    let bytes = plan_file::read(arguments.plan);
    if bytes.is_err() {
        // What is wrong may go to a file.
        open_standard().at(Step::CloseFds, None)?;
    }
    // Before descriptors are closed: one of them may be the plan's name, and have another file a moment later.
    let guarded = guarded(arguments);
    let named = [arguments.report_fd, arguments.notify_fd, arguments.audit_fd];
    let mut kept: Vec<u32> = named.into_iter().flatten().gather();
    let secrets = arguments.secret_numbers();
    if secrets.iter().any(|number| kept.contains(number)) {
        return Err(refusal(Step::Usage, None));
    }
    kept.extend_from_slice(&secrets);
    sort_by(&mut kept, |a, b| a < b);
    close_all_but(&kept).at(Step::CloseFds, None)?;
    // Each has one owner.
    if kept.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(refusal(Step::Usage, None));
    }
    let report = arguments.report_fd.map(take).transpose()?;
    let listener = match (arguments.notify_fd, arguments.notify) {
        (Some(number), None) => Some(take(number)?),
        (None, Some(path)) => Some(connect(path).at(Step::Listener, None)?),
        (None, None) => None,
        (Some(_), Some(_)) => return Err(refusal(Step::Usage, None)),
    };
    let audit = arguments.audit_fd.map(take).transpose()?;
    let secrets = secrets.iter().map(|number| take(*number)).try_gather()?;
    let file = arguments.report.map(report_file).transpose()?;
    // What happened inside is not told otherwise from there.
    let written = file.as_ref().map_or(Ok(None), |file| has_path(crate::bind::real_path(file)));
    *output = Output { events: report, file, json: arguments.json };
    let (bytes, mut guarded) = (bytes?, guarded?);
    guarded.extend(written?);
    Ok(Opened { bytes, guarded, listener, given: Given { audit, secrets } })
}

/// Opens the file for the report, which only this user reads: it names paths. A link may be one that an earlier run left in
/// its workspace, and is not followed; those that name descriptors are the kernel's.
fn report_file(path: &CStr) -> Result<OwnedFd> {
    let mut flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOCTTY;
    let is_kernels = [b"/dev/std".as_slice(), b"/dev/fd/", b"/proc/self/fd/"]
        .iter()
        .any(|it| path.to_bytes().starts_with(it));
    flags.set(OFlags::NOFOLLOW, !is_kernels);
    openat(CWD, path.to_bytes(), flags, Mode::RUSR | Mode::WUSR).at(Step::Report, None)
}

/// Takes an inherited descriptor and makes it close-on-exec.
fn take(number: u32) -> Result<OwnedFd> {
    let number = number.cast_signed();
    let borrowed = msb_sys::process::borrowed(number);
    rustix::io::fcntl_setfd(borrowed, rustix::io::FdFlags::CLOEXEC).at(Step::Usage, None)?;
    Ok(inherited(number))
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
pub(crate) fn open_standard() -> core::result::Result<(), Errno> {
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

fn launch<'p>(
    plan: &mut Plan<'p>,
    body: &[u8],
    arguments: &Arguments<'_>,
    own_environment: &[&CStr],
    (guarded, listener, given): (&'p [Vec<u8>], Option<OwnedFd>, Given),
    output: &Output,
) -> Result<i32> {
    let timing = Timing::begin(arguments.timings);
    let filter = target(plan, listener.is_some())?;
    let bindings = Bindings::new(plan, arguments, own_environment)?;
    let environment = environment::build(plan, &bindings, own_environment)?;
    let defaults: Vec<_> = plan
        .command
        .iter()
        .map(|word| alloc::ffi::CString::new(*word).map_err(|_| Errno::INVAL))
        .try_gather()
        .at(Step::Exec, None)?;
    let command: Vec<&CStr> = match arguments.command.as_slice() {
        [] => defaults.iter().map(alloc::ffi::CString::as_c_str).gather(),
        given => Vec::from(given),
    };
    if command.is_empty() {
        return Err(refusal(Step::Usage, None));
    }
    let cwd = match plan.identity.cwd {
        Some((path, origin)) => bindings.inside_path(path, origin)?,
        None => Vec::new(),
    };
    crate::landlock::check_standard()?;
    let private_id = ids::private();
    let tier = if private_id.is_some() { Tier::Full } else { tier::choose(plan)? };
    timing.done(Step::Param);
    let mut entries = host::table(plan, &bindings)?;
    let table = Table::read().at(Step::MountSource, Some(plan.policy.origin))?;
    overlap::check(plan, &entries, &table)?;
    timing.done(Step::MountSource);
    let (searched, found) = search::find(plan, &bindings, &entries, &table)?;
    timing.done(Step::Search);
    if let Some(event) = found.filter(|_| output.is_read()) {
        output.say(&event, Some(plan));
    }
    let guards = guard::denies(guarded, &entries, plan.policy.origin)?;
    plan.denies.extend(guards);
    let plan = &*plan;
    let mut placeholders = Placeholders::new(private_id.is_some());
    let started =
        deny::find(plan, &bindings, &mut entries, &table, searched, &mut placeholders).and_then(|denials| {
            timing.done(Step::DenySource);
            let mut cgroups = Cgroups::new(&plan.limits)?;
            let begin_us = monotonic_us();
            timing.done(Step::Cgroup);
            let held = cgroups.held;
            match tier {
                Tier::Full => {
                    host::find_aliases(&mut entries, &denials.iter().map(|denial| denial.inside.as_slice()));
                }
                Tier::Landlock => {
                    tier::check(plan, &entries, &denials, held)?;
                    output.say(&Event::HeldByLandlock { origin: plan.target.origin }, Some(plan));
                }
            }
            let without: Vec<_> = kinds(&plan.limits).filter(|(kind, _)| !held.has(*kind)).gather();
            output.say_held(&without, plan);
            if arguments.dry_run {
                describe::print(plan, &entries, &denials, held);
            }
            let dry_run = arguments.dry_run;
            let counts = if output.is_read() { Counts::Wanted } else { Counts::None };
            let gateway = gateway::start(plan, body, arguments, own_environment, counts, &given)?;
            drop(given);
            let result = Host {
                plan,
                tier,
                private_id,
                filter,
                cwd,
                environment,
                command,
                listener,
                gateway,
                timing,
                dry_run,
            }
            .start(entries, denials, &mut cgroups, output);
            cgroups.sweep(monotonic_us().saturating_sub(begin_us));
            cgroups.remove();
            result
        });
    placeholders.remove();
    started
}

/// The files that decide about this sandbox, by the paths that the kernel calls them. One that has no path, such as a
/// pipe, cannot be reached by one.
fn guarded(arguments: &Arguments<'_>) -> Result<Vec<Vec<u8>>> {
    // Whoever changes the launcher or its gateway is outside at the next launch.
    let own = gateway::own_program().at(Step::PlanOpen, None)?;
    let gateway = gateway::program(arguments, &own).at(Step::PlanOpen, None)?;
    let mut files = Vec::from([own]);
    let named = [Some(arguments.plan), arguments.trust].into_iter().flatten();
    for file in named.chain([gateway.as_c_str()]).chain(arguments.protect.iter().copied()) {
        let plain = bind::absolute(file.to_bytes()).filter(|path| bind::is_plain(path));
        if let Some(path) = plain.filter(|path| bind::open_unlinked(path).is_ok()) {
            files.push(path);
            continue;
        }
        // Magic links are followed: `msbc run` names its plan by a descriptor.
        let place = openat(CWD, file.to_bytes(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let place = match place {
            // What it is for is said where the plan is read.
            Err(Errno::NOENT | Errno::BADF) if file == arguments.plan => continue,
            // Not every installation has one; where rules need it, they say that it is missing.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) if file == gateway.as_c_str() => continue,
            place => place.at(Step::PlanOpen, None)?,
        };
        files.extend(has_path(crate::bind::real_path(&place))?);
    }
    Ok(files)
}

/// `None` for what has no path.
fn has_path(path: core::result::Result<Vec<u8>, Errno>) -> Result<Option<Vec<u8>>> {
    match path {
        Err(Errno::NOENT) => Ok(None),
        path => path.map(Some).at(Step::PlanOpen, None),
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
    let mut parts = release.split(|b| *b == b'.').map(|part| crate::files::number(part).unwrap_or(0));
    let mut next = || -> u16 { u16::try_from(parts.next().unwrap_or(0)).unwrap_or(u16::MAX) };
    (next(), next())
}

/// What is settled before any process is made.
struct Host<'a> {
    plan: &'a Plan<'a>,
    tier: Tier,
    /// The user and group that root gives the sandbox on the host.
    private_id: Option<u32>,
    filter: Filter<'a>,
    cwd: Vec<u8>,
    environment: Vec<alloc::ffi::CString>,
    command: Vec<&'a CStr>,
    listener: Option<OwnedFd>,
    gateway: Option<Running>,
    timing: Timing,
    dry_run: bool,
}

impl<'a> Host<'a> {
    fn start(
        self,
        mut entries: Vec<Entry<'a>>,
        denials: Vec<deny::Denial>,
        cgroups: &mut Cgroups,
        output: &Output,
    ) -> Result<i32> {
        let (begin_us, timing) = (monotonic_us(), self.timing);
        let handover = self.handover().at(Step::Gateway, gateway::origin(self.plan))?;
        let policy = Some(self.plan.policy.origin);
        let (status, status_in) = pipe_with(PipeFlags::CLOEXEC).at(Step::Namespaces, policy)?;
        let output_max = self.plan.limits.output_bytes;
        let asked = self.plan.identity.terminal;
        let terminals = asked.and_then(|line| terminal::pair().at(Step::Terminal, Some(line)).transpose());
        let (terminal, inside) = terminals.transpose()?.unzip();
        let memory = self.plan.limits.memory_bytes.map(|limit| limit.origin);
        let (storage, given) =
            storage::pair(self.plan, cgroups.held).at(Step::LimitFallback, memory)?.unzip();
        let output_line = output_max.map(|limit| limit.origin).or(asked);
        let bytes_max = output_max.map(|limit| limit.value);
        let is_pumped = output_max.is_some() || terminal.is_some();
        let pipes = is_pumped.then(|| Pump::new(bytes_max, inside.as_ref()).at(Step::Output, output_line));
        let (pump, ends) = pipes.transpose()?.unzip();
        let (ids, root_ids) = self.ids(&mut entries)?;
        let ending = match self.tier {
            Tier::Full => None,
            Tier::Landlock => {
                // Whom the init leaves comes here (`tier::end_orphans`).
                set_child_subreaper(Some(getpid())).at(Step::Lifeline, policy)?;
                Some(Word::new().at(Step::Lifeline, policy)?)
            }
        };
        if let (Some(root), Some(ends)) = (&root_ids, &ends) {
            ends.give_to(root.id).at(Step::Output, output_line)?;
        }
        // Blocked from here on, so that none is lost between the clone and the wait.
        let forwarded = NOT_TAKEN.iter().fold(signal::Set::ALL, |set, number| set.without(*number));
        signal::reset(SIGCHLD).at(Step::Lifeline, policy)?;
        let before = signal::block(forwarded);
        let signals = signal::descriptor(forwarded.without(SIGPIPE)).at(Step::Lifeline, policy)?;
        let into = cgroups.clone_into().map(AsFd::as_fd);
        let child = match fork(if self.tier == Tier::Full { NAMESPACES } else { 0 }, into)
            .at(Step::Namespaces, policy)?
        {
            Fork::Child => {
                signal::block(signal::Set::ALL);
                drop((signals, status, root_ids, pump, terminal, storage, self.gateway));
                let child = Child {
                    plan: self.plan,
                    tier: self.tier,
                    ending,
                    filter: self.filter,
                    entries,
                    denials,
                    environment: self.environment,
                    command: self.command,
                    cwd: root::absolute(&self.cwd),
                    held: cgroups.held,
                    join: core::mem::take(&mut cgroups.join),
                    ids,
                    status: status_in,
                    listener: self.listener,
                    gateway: handover,
                    output: ends,
                    storage: given,
                    terminal: inside,
                    signals: before,
                    timing,
                    dry_run: self.dry_run,
                    root: None,
                };
                child.run()
            }
            Fork::Parent { pid, pidfd } => {
                drop((denials, status_in, ids, ends, inside, given, self.listener, handover));
                // To close each of them is a call, and the child may be waiting for this processor: they end with
                // this process.
                core::mem::forget(entries);
                let uid = root_ids.as_ref().map_or(geteuid().as_raw(), |root| root.id);
                if let Some(Err(failure)) = root_ids.map(|ids| ids.map(self.plan, pid)) {
                    // Reaped here, so that nothing is left in the cgroups when they are removed.
                    let _ = pidfd_send_signal(&pidfd, Signal::KILL);
                    let _ = msb_sys::process::wait(pid);
                    return Err(failure);
                }
                Parent {
                    plan: self.plan,
                    ending,
                    init: pid,
                    pidfd,
                    status,
                    said: None,
                    untold: gateway::listens(self.plan).len(),
                    signals,
                    held: cgroups.held,
                    begin_us,
                    gateway: self.gateway,
                    gateway_killed: false,
                    killed_cpu_us: 0,
                    uid,
                    filter: self.filter,
                    timing,
                    pump,
                    terminal,
                    storage: storage.unwrap_or_default(),
                }
            }
        };
        Ok(child.run(cgroups, output))
    }

    /// The sandbox's own descriptor of its side of the gateway's socket.
    fn handover(&self) -> core::result::Result<Option<Handover>, Errno> {
        let Some((gateway, origin)) = self.gateway.as_ref().zip(gateway::origin(self.plan)) else {
            return Ok(None);
        };
        let socket = rustix::io::fcntl_dupfd_cloexec(&gateway.socket, 3)?;
        Ok(Some(Handover::new(socket, origin, gateway.refusals)))
    }

    /// Who the sandbox is on the host: the user who launches, or, where root can have one (`ids`), an id of its own.
    fn ids(&self, entries: &mut [Entry<'_>]) -> Result<(Ids, Option<RootIds>)> {
        let policy = Some(self.plan.policy.origin);
        let Some(id) = self.private_id else {
            let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
            return Ok((Ids::Own { uid, gid }, None));
        };
        for entry in entries.iter_mut().filter(|entry| entry.alias.is_none()) {
            let attributes = entry.attributes();
            let (Some(source), origin) = (&mut entry.source, Some(entry.mount.origin)) else { continue };
            // What a parameter or the home directory names belongs to whoever works there; the system's own
            // places are for everybody to read.
            let personal = entry.mount.kind.source().is_some_and(|(source, _)| source.base != Base::Root);
            let written = matches!(entry.mount.kind, MountKind::Bind { .. } | MountKind::Overlay { .. })
                && entry.rights.contains(msb_plan::Rights::WRITE);
            let userns = (personal || written)
                .then(|| id_map(source.stat.st_uid, source.stat.st_gid, id))
                .transpose()
                .at(Step::MountIdMap, origin)?;
            let step = if userns.is_some() { Step::MountIdMap } else { Step::Mount };
            source.tree = Some(
                root::bind(&source.place, attributes, userns.as_ref().map(AsFd::as_fd)).at(step, origin)?,
            );
        }
        let (done, done_in) = pipe_with(PipeFlags::CLOEXEC).at(Step::IdMap, policy)?;
        Ok((Ids::Parent { done }, Some(RootIds { id, done: done_in })))
    }
}

/// Root's half of mapping the ids of a sandbox.
struct RootIds {
    id: u32,
    done: OwnedFd,
}

impl RootIds {
    /// Maps them, and tells the child.
    fn map(self, plan: &Plan<'_>, pid: Pid) -> Result<()> {
        let who = &plan.identity;
        let directory = decimal(b"/proc/", u64::from(pid.as_raw_nonzero().get().unsigned_abs()));
        let write = |file: &[u8], inside| {
            write_small(CWD, [directory.as_slice(), file].concat(), &map(inside, self.id))
        };
        write(b"/uid_map", who.uid)
            .and_then(|()| write(b"/gid_map", who.gid))
            .and_then(|()| crate::files::write_once(&self.done, b"m"))
            .at(Step::IdMap, Some(who.origin))
    }
}

/// A user namespace that maps the owner of a source to `id`, for a mount of it (mount_setattr(2),
/// `MOUNT_ATTR_IDMAP`, Linux 5.12).
fn id_map(uid: u32, gid: u32, id: u32) -> core::result::Result<OwnedFd, Errno> {
    let (wait, release) = pipe_with(PipeFlags::CLOEXEC)?;
    match fork(flags::NEWUSER, None)? {
        Fork::Child => {
            drop(release);
            // Ends when the parent lets go of the other end.
            let _ = rustix::io::read(&wait, &mut [0; 1]);
            msb_sys::process::exit(0)
        }
        Fork::Parent { pid, .. } => {
            let directory = decimal(b"/proc/", u64::from(pid.as_raw_nonzero().get().unsigned_abs()));
            let write =
                |file: &[u8], line: &[u8]| write_small(CWD, [directory.as_slice(), file].concat(), line);
            let namespace = write(b"/uid_map", &map(uid, id))
                .and_then(|()| write(b"/gid_map", &map(gid, id)))
                .and_then(|()| {
                    crate::files::open(CWD, [directory.as_slice(), b"/ns/user"].concat(), OFlags::RDONLY)
                });
            drop(release);
            let _ = msb_sys::process::wait(pid);
            namespace
        }
    }
}
