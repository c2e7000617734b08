//! The sandbox's first process, from clone to confinement: the privileged half of its life.

use crate::cgroup::Join;
use crate::deny;
use crate::fail::{At, Result, refusal};
use crate::files::{numbered, write_once, write_small};
use crate::gateway::{self, Handover};
use crate::gather::Gather;
use crate::host::Entry;
use crate::landlock::Wall;
use crate::path::{Bytes, concat, sort_by};
use crate::prepare::close_all_but;
use crate::spawn::Host;
use crate::{confine, init, message::Message, network, pump, root, storage, terminal, tier, trust};
use alloc::vec::Vec;
use msb_plan::event::Step;
use msb_plan::handover::{JAVA_TRUST, TRUST};
use msb_plan::network::Network;
use msb_plan::{MountKind, ProcScope, Tier};
use msb_sys::beside;
use msb_sys::poll::{Waited, poll};
use msb_sys::shared::Word;
use rustix::event::PollFlags;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::CWD;
use rustix::fs::Mode;
use rustix::io::{Errno, read};
use rustix::process::{
    DumpableBehavior, Gid, Pid, Signal, Uid, getpid, getppid, set_child_subreaper, set_dumpable_behavior,
    set_parent_process_death_signal, setsid, test_kill_process, umask,
};
use rustix::system::sethostname;
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// Everything the child needs, made ready by the parent.
pub(crate) struct Child<'a> {
    pub(crate) host: &'a Host<'a>,
    /// Where no pid namespace is: set when everything is to end.
    pub(crate) ending: Option<Word>,
    pub(crate) entries: &'a mut [Entry<'a>],
    pub(crate) join: Vec<Join>,
    pub(crate) ids: Ids,
    pub(crate) status: OwnedFd,
    /// The launcher outside: readable when it has ended.
    pub(crate) parent: &'a OwnedFd,
    pub(crate) listener: Option<OwnedFd>,
    pub(crate) gateway: Option<Handover>,
    pub(crate) output: pump::Ends,
    /// Where descriptors of file systems in memory go, that the parent watches.
    pub(crate) storage: Option<OwnedFd>,
    /// Of `tty private`, where a standard descriptor is a terminal.
    pub(crate) terminal: Option<terminal::Inside>,
    pub(crate) signals: msb_sys::signal::Set,
    /// The descriptor of a root of its own, which init keeps to its end (`root`).
    pub(crate) root: Option<OwnedFd>,
}

/// Who maps the user and group ids.
pub(crate) enum Ids {
    /// The child itself: a user may map the own ids (user_namespaces(7)).
    Own { uid: u32, gid: u32 },
    /// The parent, as root: a byte on this pipe says that it is done.
    Parent { done: OwnedFd },
}

impl Child<'_> {
    /// Sets everything up, runs the command and ends.
    pub(crate) fn run(&mut self) -> ! {
        let failure = match self.set_up() {
            Ok(()) => return_never(init::run(self)),
            Err(failure) => failure,
        };
        // The parent sees the pipe close when even this fails, and takes it for a failure all the same.
        let _ = write_once(&self.status, &Message::Failed(failure).encode());
        msb_sys::process::exit(crate::output::EXIT_REFUSED)
    }

    fn set_up(&mut self) -> Result<()> {
        if self.host.tier == Tier::Landlock {
            return self.set_up_without_namespaces();
        }
        let timing = &self.host.timing;
        timing.done(Step::Namespaces);
        self.tie_to_parent()?;
        // Before ids change, which takes the own files of procfs away.
        confine::oom_score().at(Step::Rlimit, None)?;
        self.make_room();
        // It takes as long as all the mounts, and is made beside them.
        let network = beside::network().at(Step::Namespaces, None)?;
        time_of_its_own().at(Step::Namespaces, None)?;
        for join in &self.join {
            join.enter().at(Step::CgroupJoin, join.origin)?;
        }
        self.map_ids()?;
        timing.done(Step::IdMap);
        let who = &self.host.plan.identity;
        msb_sys::process::unshare_cgroup().at(Step::Namespaces, None)?;
        sethostname(who.hostname.as_bytes()).at(Step::Hostname, Some(who.origin))?;
        let mut network = Some(network);
        if self.gateway.is_some() {
            // Which begins its own work as soon as it has the sandbox's sockets.
            self.network(&mut network)?;
        }
        umask(Mode::from_raw_mode(0));
        let root = root::make().at(Step::Root, Some(self.host.plan.policy.origin))?;
        timing.done(Step::Root);
        let wall = Wall::new(&self.host.plan.target, &self.host.plan.network)?;
        root::mount_all(&root, self.entries, &wall, self.terminal.is_some())?;
        timing.done(Step::Mount);
        root::write_files(&root, &self.host.plan.files, self.entries)?;
        self.trust(&root)?;
        let all_of_proc = |entry: &&Entry<'_>| matches!(entry.mount.kind, MountKind::Proc(ProcScope::All));
        let proc = self.entries.iter().find(all_of_proc).map(|entry| entry.mount.origin);
        deny::apply(rustix::fd::AsFd::as_fd(&root), self.host.denials, proc)?;
        timing.done(Step::Deny);
        let memory = self.host.plan.limits.memory_bytes.map(|limit| limit.origin);
        if let Some(socket) = &self.storage {
            storage::give(socket, &root, self.entries).at(Step::LimitFallback, memory)?;
        }
        if let Some(terminal) = &self.terminal {
            terminal.make(&root, self.entries).at(Step::Terminal, who.terminal)?;
        }
        wall.root(&root).at(Step::Landlock, Some(self.host.plan.target.origin))?;
        self.root =
            root::enter(root, who.mount_table).at(Step::PivotRoot, Some(self.host.plan.policy.origin))?;
        timing.done(Step::PivotRoot);
        // As late as can be: it has been made meanwhile.
        self.network(&mut network)?;
        if let Some(socket) = self.storage.take() {
            storage::give_asker(&socket).at(Step::LimitFallback, memory)?;
        }
        timing.done(Step::Network);
        umask(Mode::from_raw_mode(0o022));
        self.limit()?;
        confine::privileges(who)?;
        wall.restrict().at(Step::Landlock, Some(self.host.plan.target.origin))?;
        timing.done(Step::Capabilities);
        self.let_go()?;
        // Nobody inside may look at this process: /proc/1/fd leads to the parent's pipe.
        set_dumpable_behavior(DumpableBehavior::NotDumpable).at(Step::Lifeline, None)?;
        self.await_gateway()?;
        self.tie_to_parent()
    }

    /// Has the table of descriptors grow before it is shared, where those to come would not fit: later the kernel waits for every
    /// reader of it first (`synchronize_rcu` in `expand_fdtable` of fs/file.c), which takes milliseconds.
    fn make_room(&self) {
        // It holds a multiple of 64. This descriptor is one of the last, and a step opens some at a time.
        let (last, room) = (self.status.as_raw_fd(), 24);
        let next = (last | 63) + 1;
        if last + room >= next {
            // Time is all that is lost where a limit forbids it.
            drop(rustix::io::fcntl_dupfd_cloexec(&self.status, next));
        }
    }

    /// Goes where the command begins, in a session of its own, with its limits.
    fn limit(&self) -> Result<()> {
        let who = &self.host.plan.identity;
        let cwd_origin = who.cwd.map_or(who.origin, |(_, origin)| origin);
        rustix::process::chdir(self.host.cwd).at(Step::Cwd, Some(cwd_origin))?;
        setsid().at(Step::Session, Some(who.origin))?;
        confine::limits(&self.host.plan.limits, self.host.held, self.is_root())?;
        confine::keyring(who)?;
        confine::write_execute(who)?;
        Ok(())
    }

    /// Makes the command's output its own, and closes every descriptor that init does not work with: those of the host's
    /// directories, and whatever else was open when the parent forked.
    fn let_go(&mut self) -> Result<()> {
        let output = self.host.plan.limits.output_bytes.map(|limit| limit.origin);
        core::mem::take(&mut self.output).install().at(Step::Output, output)?;
        // Closed below, all at once: each for itself is a call.
        core::mem::forget(core::mem::take(&mut self.join));
        let kept = [Some(&self.status), Some(self.parent), self.listener.as_ref(), self.root.as_ref()];
        let gateway = self.gateway.as_ref().map(|gateway| gateway.socket().as_raw_fd());
        let kept = kept.into_iter().flatten().map(AsRawFd::as_raw_fd).chain(gateway);
        let mut kept: Vec<u32> = kept.map(i32::unsigned_abs).gather();
        sort_by(&mut kept, |a, b| a < b);
        close_all_but(&kept).at(Step::CloseFds, None)
    }

    /// Enters the network namespace, sets the network up, and gives its sockets away, where that was not done before.
    fn network(&self, made: &mut Option<beside::Network>) -> Result<()> {
        let Some(made) = made.take() else { return Ok(()) };
        made.enter().at(Step::Namespaces, Some(self.host.plan.policy.origin))?;
        match (&self.host.plan.network, &self.gateway) {
            (Network::None, _) => Ok(()),
            (Network::Loopback, _) => {
                network::loopback_up().at(Step::Loopback, Some(self.host.plan.policy.origin))
            }
            (Network::Gateway(gateway), Some(handover)) => {
                handover.give(&network::set_up(gateway, handover.refusals)?)
            }
            (Network::Gateway(_), None) => Err(gateway::ended(self.host.plan)),
        }
    }

    /// Puts the certificates of this run where programs look for them.
    fn trust(&self, root: &OwnedFd) -> Result<()> {
        let (Network::Gateway(gateway), Some(handover)) = (&self.host.plan.network, &self.gateway) else {
            return Ok(());
        };
        for (trust, message) in [(&gateway.trust, TRUST), (&gateway.java_trust, JAVA_TRUST)] {
            if let Some(trust) = trust {
                let certificates = handover.trust(message)?;
                trust::put(root, trust, &certificates, self.entries).at(Step::Trust, Some(gateway.origin))?;
            }
        }
        Ok(())
    }

    /// Waits until the gateway answers; the init keeps its socket only to make others on demand.
    fn await_gateway(&mut self) -> Result<()> {
        if let Some(handover) = &self.gateway {
            for (index, port) in (0..).zip(handover.ready()?) {
                // Nobody may be there to hear it, which other things show.
                let _ = write_once(&self.status, &Message::Published { index, port }.encode());
            }
        }
        let publishes = matches!(&self.host.plan.network, Network::Gateway(it) if !it.listens.is_empty());
        self.gateway.take_if(|_| !publishes);
        Ok(())
    }

    /// The same for a host that refuses user namespaces: what is left of each phase.
    fn set_up_without_namespaces(&mut self) -> Result<()> {
        // Not SIGKILL: without a pid namespace this process must take the others along (`init`).
        set_parent_process_death_signal(Some(Signal::TERM)).at(Step::Lifeline, None)?;
        set_child_subreaper(Some(getpid())).at(Step::Lifeline, None)?;
        confine::oom_score().at(Step::Rlimit, None)?;
        for join in &self.join {
            join.enter().at(Step::CgroupJoin, join.origin)?;
        }
        let who = &self.host.plan.identity;
        umask(Mode::from_raw_mode(0o022));
        let wall = tier::wall(self.host.plan, self.entries)?;
        self.limit()?;
        confine::privileges_without_namespaces(who)?;
        wall.restrict().at(Step::Landlock, Some(self.host.plan.target.origin))?;
        // The end of the run kills whatever may be signalled (`init`): it had better be the sandbox alone.
        if test_kill_process(getppid().unwrap_or(Pid::INIT)) != Err(Errno::PERM) {
            return Err(refusal(Step::Landlock, Some(self.host.plan.target.origin)));
        }
        self.let_go()?;
        set_dumpable_behavior(DumpableBehavior::NotDumpable).at(Step::Lifeline, None)?;
        if self.is_orphan().at(Step::Lifeline, None)? { Err(refusal(Step::Lifeline, None)) } else { Ok(()) }
    }

    /// Whether everything inside is to end, where no pid namespace sees to it: the launcher outside says so, or has
    /// ended.
    pub(crate) fn must_end(&self) -> bool {
        self.ending.is_some_and(|ending| ending.get() != 0 || self.is_orphan().unwrap_or(true))
    }

    /// Whether the sandbox is on the host what its launcher is, and that is root.
    fn is_root(&self) -> bool {
        matches!(self.ids, Ids::Own { uid: 0, .. })
    }

    /// Whether the launcher outside has ended.
    fn is_orphan(&self) -> core::result::Result<bool, Errno> {
        poll(&mut [Waited::new(self.parent, PollFlags::IN)], Some(0)).map(|ready| ready > 0)
    }

    /// Has the kernel kill this process with its parent, and looks whether it is too late for that.
    ///
    /// Changes of ids clear it (prctl(2), `PR_SET_PDEATHSIG`), so that it is done first and last.
    fn tie_to_parent(&self) -> Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL)).at(Step::Lifeline, None)?;
        if self.is_orphan().at(Step::Lifeline, None)? { Err(refusal(Step::Lifeline, None)) } else { Ok(()) }
    }

    fn map_ids(&self) -> Result<()> {
        let who = &self.host.plan.identity;
        match &self.ids {
            Ids::Own { uid, gid } => own_map(who.uid, *uid, who.gid, *gid).at(Step::IdMap, Some(who.origin)),
            Ids::Parent { done } => {
                let mut byte = [0];
                let got = read(done, &mut byte).at(Step::IdMap, Some(who.origin))?;
                if got != 1 {
                    return Err(refusal(Step::IdMap, Some(who.origin)));
                }
                become_user(who.uid, who.gid).at(Step::HostIdentity, Some(who.origin))
            }
        }
    }
}

/// The command's own time namespace, in which this machine has just been started: since when a host runs is nobody's
/// business inside, and tells it from others.
fn time_of_its_own() -> core::result::Result<(), Errno> {
    msb_sys::process::unshare_time()?;
    // Whole seconds, so that no clock is set to before its beginning, which the kernel refuses.
    let seconds = msb_sys::process::monotonic_us() / 1_000_000;
    let back = numbered(b" -", seconds);
    let lines = concat(&[b"monotonic", back, b" 0\nboottime", back, b" 0\n"]);
    write_small(CWD, "/proc/self/timens_offsets", lines)
}

fn return_never(never: core::convert::Infallible) -> ! {
    match never {}
}

pub(crate) fn own_map(
    inside_uid: u32,
    uid: u32,
    inside_gid: u32,
    gid: u32,
) -> core::result::Result<(), Errno> {
    // A process that maps its own group must first give up setgroups: user_namespaces(7), CVE-2014-8989.
    write_small(CWD, "/proc/self/setgroups", b"deny")?;
    write_small(CWD, "/proc/self/uid_map", map(inside_uid, uid))?;
    write_small(CWD, "/proc/self/gid_map", map(inside_gid, gid))
}

/// One line of an id map: one id inside is one id outside.
pub(crate) fn map(inside: u32, outside: u32) -> Bytes {
    concat(&[numbered(b"", u64::from(inside)), numbered(b" ", u64::from(outside)), b" 1\n"])
}

/// From the host's root, which has no name inside, to the one user that has.
fn become_user(uid: u32, gid: u32) -> core::result::Result<(), Errno> {
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)
}
