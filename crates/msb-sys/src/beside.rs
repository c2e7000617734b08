//! Processes that share this one's memory where the kernel lets them: one that becomes a program while its maker waits, and
//! one that makes a network namespace while its maker goes on (docs/adr/0062-processes-beside.md).
//!
//! A copy of the memory, which fork makes, costs its tables, a fault for each page that is written afterwards, and, when
//! the copy executes, that they are cleared away again.

use crate::Result;
use crate::arch::{clone_on, common, nr, syscall};
use crate::process::{CloneArgs, SIGCHLD, close_range, exit, flags};
use crate::shared::Words;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use rustix::fd::{AsRawFd, FromRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::Pid;

/// Enough for what a command's process does before it executes. Pages that nobody touches cost nothing.
const STACK_BYTES: usize = 64 * 1024;
/// Enough for two system calls, on a page that other blocks are on.
const STACK_BYTES_OF_MAKER: usize = 1024;

#[allow(clippy::cast_possible_truncation, reason = "a flag below bit 32")]
const NEWNET: usize = flags::NEWNET as usize;

/// Makes a process with a stack of its own of `stack_bytes`, a multiple of 16, which calls `run` with `argument`.
///
/// # Safety
/// What `run` does with `argument` must be sound while the caller waits, with [`flags::VFORK`], or goes on, without, in the
/// same memory, with [`flags::VM`].
unsafe fn start(
    flags: u64,
    stack_bytes: usize,
    run: extern "C" fn(usize) -> !,
    argument: usize,
) -> Result<Pid> {
    // It is not given back: nobody here knows when its process ends, and there is one for each kind.
    let mut stack: Vec<u128> = Vec::with_capacity(stack_bytes / size_of::<u128>());
    let bottom = stack.as_mut_ptr().expose_provenance();
    core::mem::forget(stack);
    let args = CloneArgs {
        flags,
        exit_signal: SIGCHLD,
        stack: bottom as u64,
        stack_size: stack_bytes as u64,
        ..CloneArgs::default()
    };
    let whole = [(&raw const args).expose_provenance(), size_of::<CloneArgs>()];
    // SAFETY: `args` lives through the call, its stack is new and aligned, and the caller answers for `run`.
    let child = match unsafe { clone_on(common::CLONE3, whole, run, argument) } {
        // As for `fork`.
        Err(Errno::NOSYS) => {
            let flags = usize::try_from(flags | SIGCHLD).map_err(|_| Errno::NOSYS)?;
            // SAFETY: the stack is new and aligned at its end, and the caller answers for `run`.
            unsafe { clone_on(nr::CLONE, [flags, bottom + stack_bytes], run, argument) }
        }
        made => made,
    }?;
    i32::try_from(child).ok().and_then(Pid::from_raw).ok_or(Errno::CHILD)
}

/// Calls `work` in a new process, which has, with [`flags::FILES`], the caller's descriptors. The caller waits until that
/// process has executed a program or ended (vfork(2)); it ends with status 127 when `work` returns.
///
/// Gives the process, and the words in which `work`, which is called with them, leaves what is for the caller to see. It has
/// the caller's memory where the kernel lets it, and else a copy.
///
/// # Errors
/// As clone3(2): `EAGAIN` at a process limit, `ENOMEM`.
pub fn vfork(flags: u64, work: &mut dyn FnMut(Words)) -> Result<(Pid, Words)> {
    extern "C" fn enter(argument: usize) -> ! {
        let call = core::ptr::with_exposed_provenance_mut::<(&mut dyn FnMut(Words), Words)>(argument);
        // SAFETY: it is `call` of `vfork`, which nobody else uses while that waits.
        let (work, words) = unsafe { &mut *call };
        work(*words);
        exit(127)
    }
    let mut call = (work, Words::here());
    let argument = (&raw mut call).expose_provenance();
    // SAFETY: the caller is suspended for as long as `work` runs, so that it has what it borrows to itself.
    match unsafe { start(flags | self::flags::VFORK | self::flags::VM, STACK_BYTES, enter, argument) } {
        // Linux 6.1 lets no process share its maker's memory that is to be in another time namespace (copy_process); 6.12 does.
        Err(Errno::INVAL) => {}
        made => return Ok((made?, call.1)),
    }
    call.1 = Words::new()?;
    // SAFETY: as before, and on a copy.
    let made = unsafe { start(flags | self::flags::VFORK, STACK_BYTES, enter, argument) }?;
    Ok((made, call.1))
}

/// A network namespace that another process is making.
#[derive(Debug)]
pub struct Network {
    maker: Pid,
    word: &'static AtomicUsize,
}

/// What the word says that both share, besides what [`encoded`] gives: that nobody has begun, or who has.
const NOBODY: usize = 0;
const MAKER: usize = 1;
const CALLER: usize = 2;

/// What the maker leaves: its descriptor and 3, or the complement of an errno.
fn encoded(made: Result<usize>) -> usize {
    match made {
        Ok(fd) => fd + 3,
        Err(errno) => !usize::try_from(errno.raw_os_error()).unwrap_or(0),
    }
}

/// Whether `who` is the first to begin.
fn begins(word: &AtomicUsize, who: usize) -> bool {
    word.compare_exchange(NOBODY, who, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

fn unshare() -> Result<()> {
    // SAFETY: a namespace alone is unshared; no memory and no descriptor of the process changes.
    unsafe { syscall(nr::UNSHARE, [NEWNET, 0, 0, 0, 0, 0]) }.map(drop)
}

/// Begins to make a network namespace, owned by the caller's user namespace, in a process beside. It is a process of the
/// caller's pid namespace, so that it can't outlive that.
///
/// # Errors
/// As clone3(2): `EAGAIN` at a process limit, `ENOMEM`.
pub fn network() -> Result<Network> {
    /// Nothing but system calls and one word of shared memory: the caller goes on meanwhile, with everything else.
    extern "C" fn enter(argument: usize) -> ! {
        let word = core::ptr::with_exposed_provenance::<AtomicUsize>(argument);
        // SAFETY: the word is never given back.
        let word = unsafe { &*word };
        if begins(word, MAKER) {
            word.store(encoded(unshare().and_then(|()| own_namespace())), Ordering::Release);
        }
        exit(0)
    }
    /// A descriptor of it, by a socket in it: a first look at the process's own files in procfs costs several times as
    /// much, and a root without procfs may have come meanwhile.
    fn own_namespace() -> Result<usize> {
        const AF_UNIX: usize = 1; // linux/socket.h
        const DGRAM_CLOEXEC: usize = 2 | 0o2_000_000; // SOCK_DGRAM and SOCK_CLOEXEC, linux/net.h
        const SIOCGSKNS: usize = 0x894c; // linux/sockios.h, Linux 4.9
        // SAFETY: no pointer is passed.
        let socket = unsafe { syscall(nr::SOCKET, [AF_UNIX, DGRAM_CLOEXEC, 0, 0, 0, 0]) }?;
        // SAFETY: this request takes no pointer; the descriptor that it gives is close-on-exec.
        let namespace = unsafe { syscall(nr::IOCTL, [socket, SIOCGSKNS, 0, 0, 0, 0]) };
        close_range(u32::try_from(socket).unwrap_or(u32::MAX), u32::try_from(socket).unwrap_or(u32::MAX))?;
        namespace
    }
    let word: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(NOBODY)));
    let argument = (&raw const *word).expose_provenance();
    // SAFETY: `enter` uses the word, which both may, and nothing else of the caller's.
    let maker = unsafe { start(flags::FILES | flags::VM, STACK_BYTES_OF_MAKER, enter, argument) }?;
    Ok(Network { maker, word })
}

impl Network {
    /// Enters it, when it is made and its maker is gone. Where that one did not have its turn yet, as on a host with more
    /// to do than processors, the caller makes one itself, and is told of the maker's end like of that of any child.
    ///
    /// # Errors
    /// As unshare(2) or setns(2): `ENOSPC` at a limit on namespaces, `EPERM` where the right to make one is missing;
    /// `ECHILD` when the maker ended without making it.
    pub fn enter(self) -> Result<()> {
        if begins(self.word, CALLER) {
            return unshare();
        }
        loop {
            match crate::process::wait(self.maker) {
                Err(Errno::INTR) => {}
                waited => break waited.map(|_| ())?,
            }
        }
        let made = self.word.load(Ordering::Acquire);
        let namespace = match (i32::try_from(made), i32::try_from(!made)) {
            (Ok(number @ 3..), _) => {
                // SAFETY: the maker opened it in the table that both share, and is gone.
                unsafe { OwnedFd::from_raw_fd(number - 3) }
            }
            (_, Ok(errno @ 1..)) => return Err(Errno::from_raw_os_error(errno)),
            _ => return Err(Errno::CHILD),
        };
        let number = namespace.as_raw_fd().unsigned_abs() as usize;
        // SAFETY: no pointer is passed, and nothing of this process's memory belongs to a network.
        unsafe { syscall(nr::SETNS, [number, NEWNET, 0, 0, 0, 0]) }.map(drop)
    }
}
