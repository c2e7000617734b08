//! From the last decision on the host to the sandbox's first process, and the ids that root gives it.

use crate::cgroup::{Cgroups, Held};
use crate::child::{Child, Ids, map};
use crate::deny::Denial;
use crate::fail::{At, Result};
use crate::files::{numbered, open, write_once, write_small};
use crate::gateway::{self, Running};
use crate::host::Entry;
use crate::output::Output;
use crate::parent::Parent;
use crate::path::{Bytes, concat};
use crate::prepare::keep;
use crate::pump::Pump;
use crate::timing::Timing;
use crate::{root, storage, terminal};
use core::ffi::CStr;
use core::mem::ManuallyDrop;
use msb_plan::event::Step;
use msb_plan::{Base, Filter, MountKind, Plan, Rights, Tier};
use msb_sys::process::{Fork, flags, fork, monotonic_us};
use msb_sys::shared::Word;
use msb_sys::signal;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Signal, getegid, geteuid, getpid, pidfd_open, pidfd_send_signal, set_child_subreaper,
};

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

/// What is settled before any process is made.
pub(crate) struct Host<'a> {
    pub(crate) plan: &'a Plan<'a>,
    pub(crate) tier: Tier,
    /// The user and group that root gives the sandbox on the host.
    pub(crate) private_id: Option<u32>,
    pub(crate) filter: Filter<'a>,
    /// Inside.
    pub(crate) cwd: &'a CStr,
    pub(crate) environment: &'a [&'a CStr],
    pub(crate) command: &'a [&'a CStr],
    pub(crate) denials: &'a [Denial],
    /// What cgroups hold.
    pub(crate) held: Held,
    pub(crate) timing: &'a Timing,
    pub(crate) output: &'a Output,
    /// Whether the command is looked for and not executed.
    pub(crate) dry_run: bool,
}

impl<'a> Host<'a> {
    /// Makes the sandbox's first process, and waits for its end; gives the exit code.
    pub(crate) fn start(
        &'a self,
        entries: &'a mut [Entry<'a>],
        listener: Option<OwnedFd>,
        gateway: Option<Running>,
        cgroups: &mut Cgroups,
    ) -> Result<i32> {
        let (plan, begin_us) = (self.plan, monotonic_us());
        let policy = Some(plan.policy.origin);
        // Where this fails, the process ends, and gives back everything.
        let gateway = ManuallyDrop::new(gateway);
        let handover = match &*gateway {
            Some(gateway) => Some(gateway.handover().at(Step::Gateway, gateway::origin(plan))?),
            None => None,
        };
        let (status, status_in) = pipe_with(PipeFlags::CLOEXEC).at(Step::Namespaces, policy)?;
        let own = pidfd_open(getpid(), PidfdFlags::empty()).at(Step::Lifeline, policy)?;
        let output_max = plan.limits.output_bytes;
        let asked = plan.identity.terminal;
        let (terminal, inside) = match asked {
            Some(_) => terminal::pair().at(Step::Terminal, asked)?,
            None => (None, None),
        };
        let memory = plan.limits.memory_bytes.map(|limit| limit.origin);
        let (storage, given) = storage::pair(plan, self.held).at(Step::LimitFallback, memory)?;
        let (terminal, storage) = (ManuallyDrop::new(terminal), ManuallyDrop::new(storage));
        let output_line = output_max.map(|limit| limit.origin).or(asked);
        let bytes_max = output_max.map(|limit| limit.value);
        let (pump, ends) = Pump::new(bytes_max, inside.as_ref()).at(Step::Output, output_line)?;
        let pump = ManuallyDrop::new(pump);
        let (ids, root_ids) = self.ids(entries)?;
        let ending = match self.tier {
            Tier::Full => None,
            Tier::Landlock => {
                // Whom the init leaves comes here (`tier::end_orphans`).
                set_child_subreaper(Some(getpid())).at(Step::Lifeline, policy)?;
                Some(Word::new().at(Step::Lifeline, policy)?)
            }
        };
        if let Some(root) = &root_ids {
            ends.give_to(root.id).at(Step::Output, output_line)?;
        }
        // Blocked from here on, so that none is lost between the clone and the wait.
        let forwarded = NOT_TAKEN.iter().fold(signal::Set::ALL, |set, number| set.without(*number));
        signal::reset(SIGCHLD).at(Step::Lifeline, policy)?;
        let before = signal::block(forwarded);
        let signals = signal::descriptor(forwarded.without(SIGPIPE)).at(Step::Lifeline, policy)?;
        let mut child = Child {
            host: self,
            ending,
            entries,
            join: core::mem::take(&mut cgroups.join),
            ids,
            status: status_in,
            // To close it is a call, and the child may be waiting for this processor: it ends with this process.
            parent: keep(own),
            listener,
            gateway: handover,
            output: ends,
            storage: given,
            terminal: inside,
            signals: before,
            root: None,
        };
        let namespaces = if self.tier == Tier::Full { NAMESPACES } else { 0 };
        let into = cgroups.clone_into().map(AsFd::as_fd);
        let (init, pidfd) = match fork(namespaces, into).at(Step::Namespaces, policy)? {
            Fork::Child => {
                signal::block(signal::Set::ALL);
                // It waits for what the other end of this says, or for its end. The parent's other descriptors are closed
                // with all that is not the sandbox's (`Child::let_go`).
                drop(root_ids);
                child.run()
            }
            Fork::Parent { pid, pidfd } => (pid, pidfd),
        };
        // The ends that the child has now.
        drop(child);
        let uid = root_ids.as_ref().map_or(geteuid().as_raw(), |root| root.id);
        if let Some(Err(failure)) = root_ids.map(|ids| ids.map(plan, init)) {
            // Reaped here, so that nothing is left in the cgroups when they are removed.
            let _ = pidfd_send_signal(&pidfd, Signal::KILL);
            let _ = msb_sys::process::wait(init);
            return Err(failure);
        }
        let mut parent = Parent {
            host: self,
            ending,
            init,
            pidfd,
            status,
            said: None,
            untold: gateway::listens(plan).len(),
            signals,
            begin_us,
            gateway: ManuallyDrop::into_inner(gateway),
            gateway_killed: false,
            killed_cpu_us: 0,
            uid,
            pump: ManuallyDrop::into_inner(pump),
            terminal: ManuallyDrop::into_inner(terminal),
            storage: ManuallyDrop::into_inner(storage),
        };
        let code = parent.run(cgroups);
        // What it holds ends with this process, which does.
        core::mem::forget(parent);
        Ok(code)
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
                && entry.rights.contains(Rights::WRITE);
            let userns = if personal || written {
                Some(id_map(source.stat.st_uid, source.stat.st_gid, id).at(Step::MountIdMap, origin)?)
            } else {
                None
            };
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
        map_of(pid, map(who.uid, self.id), map(who.gid, self.id))
            .and_then(|()| write_once(&self.done, b"m"))
            .at(Step::IdMap, Some(who.origin))
    }
}

/// A file of process `pid`.
fn of(pid: Pid, file: &[u8]) -> Bytes {
    concat(&[numbered(b"/proc/", u64::from(pid.as_raw_nonzero().get().unsigned_abs())), file])
}

/// Maps the users and the groups of the user namespace of `pid`.
fn map_of(pid: Pid, users: &[u8], groups: &[u8]) -> core::result::Result<(), Errno> {
    write_small(CWD, of(pid, b"/uid_map"), users)?;
    write_small(CWD, of(pid, b"/gid_map"), groups)
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
            let namespace = map_of(pid, map(uid, id), map(gid, id))
                .and_then(|()| open(CWD, of(pid, b"/ns/user"), OFlags::RDONLY));
            drop(release);
            let _ = msb_sys::process::wait(pid);
            namespace
        }
    }
}
