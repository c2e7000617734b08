//! Making processes, waiting for them, and the clock.

use crate::arch::{common, nr, syscall};
use crate::{Errno, Result};
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::process::Pid;

/// Flags of clone3; linux/sched.h, clone(2).
pub mod flags {
    /// New time namespace, for children; Linux 5.6.
    pub const NEWTIME: u64 = 0x0000_0080;
    /// New mount namespace.
    pub const NEWNS: u64 = 0x0002_0000;
    /// New cgroup namespace.
    pub const NEWCGROUP: u64 = 0x0200_0000;
    /// New UTS namespace.
    pub const NEWUTS: u64 = 0x0400_0000;
    /// New IPC namespace.
    pub const NEWIPC: u64 = 0x0800_0000;
    /// New user namespace.
    pub const NEWUSER: u64 = 0x1000_0000;
    /// New pid namespace.
    pub const NEWPID: u64 = 0x2000_0000;
    /// New network namespace.
    pub const NEWNET: u64 = 0x4000_0000;
    /// Share the table of descriptors.
    pub const FILES: u64 = 0x0000_0400;
    pub(crate) const VM: u64 = 0x0000_0100;
    pub(crate) const VFORK: u64 = 0x0000_4000;
    pub(crate) const PIDFD: u64 = 0x0000_1000;
    pub(crate) const INTO_CGROUP: u64 = 0x2_0000_0000;
}

/// What [`fork`] gives: one in each process.
#[derive(Debug)]
pub enum Fork {
    /// In the new process.
    Child,
    /// In the old one.
    Parent {
        /// The new process.
        pid: Pid,
        /// A descriptor of it, close-on-exec.
        pidfd: OwnedFd,
    },
}

/// `struct clone_args` of linux/sched.h, version 2 (Linux 5.7).
#[repr(C)]
#[derive(Default)]
pub(crate) struct CloneArgs {
    pub(crate) flags: u64,
    pub(crate) pidfd: u64,
    pub(crate) child_tid: u64,
    pub(crate) parent_tid: u64,
    pub(crate) exit_signal: u64,
    pub(crate) stack: u64,
    pub(crate) stack_size: u64,
    pub(crate) tls: u64,
    pub(crate) set_tid: u64,
    pub(crate) set_tid_size: u64,
    pub(crate) cgroup: u64,
}

pub(crate) const SIGCHLD: u64 = 17; // signal(7), the same on x86-64 and AArch64

/// Forks with `flags` (of [`flags`]), into `cgroup` where one is given (cgroup v2, Linux 5.7).
///
/// The child goes on with a copy of the caller's memory and one thread. A caller with other threads must
/// have the child execute, or make system calls alone: a lock that another thread held stays locked.
///
/// # Errors
/// As clone3(2), or as clone(2) where there is no clone3: Docker's filter says so, since it can't see the flags of that.
/// `EPERM` or `ENOSPC` where user namespaces are refused, `EAGAIN` at a process limit,
/// `EBUSY` or `EOPNOTSUPP` for a cgroup that takes no processes.
pub fn fork(flags: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Fork> {
    let mut pidfd: RawFd = -1;
    let mut args = CloneArgs {
        flags: flags | self::flags::PIDFD,
        pidfd: (&raw mut pidfd).addr() as u64,
        exit_signal: SIGCHLD,
        ..CloneArgs::default()
    };
    if let Some(cgroup) = cgroup {
        args.flags |= self::flags::INTO_CGROUP;
        args.cgroup = u64::from(cgroup.as_raw_fd().unsigned_abs());
    }
    let arguments = [(&raw const args).expose_provenance(), size_of::<CloneArgs>(), 0, 0, 0, 0];
    (&raw mut pidfd).expose_provenance();
    // SAFETY: `args` and the `pidfd` it points to live through the call; no new stack and no shared memory
    // is asked for, so the child returns here on its own copy of this stack.
    let child = match unsafe { syscall(common::CLONE3, arguments) } {
        Err(Errno::NOSYS) if cgroup.is_none() => {
            let flags = usize::try_from(args.flags | SIGCHLD).map_err(|_| Errno::NOSYS)?;
            // SAFETY: the same in the words of clone(2), which puts the descriptor where its third argument says.
            unsafe { syscall(nr::CLONE, [flags, 0, (&raw mut pidfd).expose_provenance(), 0, 0, 0])? }
        }
        made => made?,
    };
    crate::start::leave_memory();
    let Some(pid) = i32::try_from(child).ok().and_then(Pid::from_raw) else {
        return Ok(Fork::Child);
    };
    // SAFETY: the kernel stored a descriptor there that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Fork::Parent { pid, pidfd })
}

/// Ends the process, at once and without a handler. `status` is cut to its low 8 bits by the kernel.
pub fn exit(status: i32) -> ! {
    // SAFETY: exit_group takes no pointer.
    let _ = unsafe { syscall(nr::EXIT_GROUP, [status.unsigned_abs() as usize, 0, 0, 0, 0, 0]) };
    // It comes back only when a filter denies it.
    crate::arch::trap()
}

/// Gives the children of the calling process a time namespace (unshare(2), time_namespaces(7); Linux 5.6). What its
/// clocks are set back by can be said until the first of them is made.
///
/// # Errors
/// `EINVAL` where the kernel has none, `EPERM` without CAP_SYS_ADMIN in its user namespace, `ENOSPC` at a limit on
/// namespaces.
pub fn unshare_time() -> Result<()> {
    // SAFETY: a namespace alone is unshared; no memory and no descriptor of the process changes.
    unsafe { syscall(nr::UNSHARE, [usize::try_from(flags::NEWTIME).unwrap_or(0), 0, 0, 0, 0, 0]) }.map(drop)
}

/// Gives the calling process a cgroup namespace whose root is the cgroup that it is in now (unshare(2)).
///
/// # Errors
/// `EPERM` without CAP_SYS_ADMIN in its user namespace, `ENOSPC` at a limit on namespaces.
pub fn unshare_cgroup() -> Result<()> {
    // SAFETY: a namespace alone is unshared; no memory and no descriptor of the process changes.
    unsafe { syscall(nr::UNSHARE, [usize::try_from(flags::NEWCGROUP).unwrap_or(0), 0, 0, 0, 0, 0]) }.map(drop)
}

/// Refuses memory that is, or was, writable and becomes executable, in this process and all that come from it, for good
/// (prctl(2), `PR_SET_MDWE`).
///
/// # Errors
/// `EINVAL` before Linux 6.3, `EOPNOTSUPP` on machines without it.
pub fn deny_write_execute() -> Result<()> {
    const PR_SET_MDWE: usize = 65; // linux/prctl.h
    const PR_GET_MDWE: usize = 66;
    const PR_MDWE_REFUSE_EXEC_GAIN: usize = 1;
    // SAFETY: no pointer is passed, and memory that is mapped already stays as it is.
    unsafe { syscall(nr::PRCTL, [PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0, 0])? };
    // SAFETY: no pointer is passed.
    let set = unsafe { syscall(nr::PRCTL, [PR_GET_MDWE, 0, 0, 0, 0, 0])? };
    if set == PR_MDWE_REFUSE_EXEC_GAIN { Ok(()) } else { Err(rustix::io::Errno::INVAL) }
}

/// Kills every process that this one may signal, itself excepted (kill(2), pid -1).
///
/// # Errors
/// `ESRCH` or `EPERM` when there is none.
pub fn kill_all() -> Result<()> {
    const SIGKILL: usize = 9; // signal(7)
    // SAFETY: no pointer is passed.
    unsafe { syscall(nr::KILL, [usize::MAX, SIGKILL, 0, 0, 0, 0]) }.map(drop)
}

/// Closes every descriptor from `first` to `last`, both included; Linux 5.9.
///
/// # Errors
/// `EINVAL` when `first` is greater than `last`.
///
/// Descriptors that an `OwnedFd` still owns must not be among them.
pub fn close_range(first: u32, last: u32) -> Result<()> {
    // SAFETY: no pointer is passed.
    unsafe { syscall(common::CLOSE_RANGE, [first as usize, last as usize, 0, 0, 0, 0]) }.map(drop)
}

/// How a child ended and what it used, with all the descendants that were waited for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// As wait(2) gives it.
    pub wait_status: i32,
    /// User and system time, microseconds.
    pub cpu_us: u64,
    /// Resident memory of the largest process at its peak, bytes.
    pub resident_peak_bytes: u64,
    /// Bytes that were read from block devices.
    pub read_bytes: u64,
    /// Bytes that were made to be written to block devices.
    pub written_bytes: u64,
}

/// `struct rusage` of linux/resource.h.
#[repr(C)]
#[derive(Default)]
struct Rusage {
    user_s: i64,
    user_us: i64,
    system_s: i64,
    system_us: i64,
    resident_peak_kb: i64,
    /// Sizes that Linux does not keep, faults and swaps.
    unused: [i64; 6],
    blocks_in: i64,
    blocks_out: i64,
    rest: [i64; 5],
}

/// Waits until `pid` has ended.
///
/// # Errors
/// `ECHILD` when `pid` is no child, `EINTR` when a signal came first.
pub fn wait(pid: Pid) -> Result<Usage> {
    let mut status = 0_i32;
    let mut used = Rusage::default();
    let arguments = [
        pid.as_raw_nonzero().get().unsigned_abs() as usize,
        (&raw mut status).expose_provenance(),
        0,
        (&raw mut used).expose_provenance(),
        0,
        0,
    ];
    // SAFETY: both pointers are to live values of the types that wait4(2) writes.
    unsafe { syscall(nr::WAIT4, arguments)? };
    let whole = |value: i64| u64::try_from(value).unwrap_or(0);
    Ok(Usage {
        wait_status: status,
        cpu_us: whole(used.user_s + used.system_s) * 1_000_000 + whole(used.user_us + used.system_us),
        resident_peak_bytes: whole(used.resident_peak_kb) * 1024,
        // Blocks of 512 bytes: getrusage(2), task_io_get_inblock of the kernel.
        read_bytes: whole(used.blocks_in) * 512,
        written_bytes: whole(used.blocks_out) * 512,
    })
}

/// Microseconds of `CLOCK_MONOTONIC` (clock_gettime(2)).
#[must_use]
pub fn monotonic_us() -> u64 {
    const CLOCK_MONOTONIC: usize = 1;
    let mut time = [0_i64; 2];
    let arguments = [CLOCK_MONOTONIC, (&raw mut time).expose_provenance(), 0, 0, 0, 0];
    // SAFETY: `time` has the size and alignment of `struct timespec` and lives through the call.
    let done = unsafe { syscall(nr::CLOCK_GETTIME, arguments) };
    debug_assert!(done.is_ok(), "CLOCK_MONOTONIC is always there");
    let [seconds, nanoseconds] = time.map(|part| u64::try_from(part).unwrap_or(0));
    seconds * 1_000_000 + nanoseconds / 1000
}

/// Takes ownership of a descriptor that the process was started with.
///
/// Call it once for each number, before anything else is opened.
#[must_use]
pub fn inherited(fd: RawFd) -> OwnedFd {
    // SAFETY: an inherited descriptor has no other owner in this process, and the caller asks once.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// A descriptor by number, for a look at it; errors show when it is used.
#[must_use]
pub fn borrowed(fd: RawFd) -> BorrowedFd<'static> {
    // SAFETY: a number that is open nowhere gives `EBADF` and nothing worse; -1 is the one that the type forbids.
    unsafe { BorrowedFd::borrow_raw(fd.max(0)) }
}
