//! The system call instruction of each architecture, and the numbers of the calls made with it.

use crate::Result;
use rustix::io::Errno;

/// Numbers that are not the same everywhere; asm/unistd_64.h and asm-generic/unistd.h.
#[cfg(target_arch = "x86_64")]
pub(crate) mod nr {
    pub(crate) const MMAP: usize = 9;
    pub(crate) const RT_SIGACTION: usize = 13;
    pub(crate) const RT_SIGPROCMASK: usize = 14;
    pub(crate) const IOCTL: usize = 16;
    pub(crate) const SOCKET: usize = 41;
    pub(crate) const SENDMSG: usize = 46;
    pub(crate) const RECVMSG: usize = 47;
    pub(crate) const SETSOCKOPT: usize = 54;
    pub(crate) const CLONE: usize = 56;
    pub(crate) const EXECVE: usize = 59;
    pub(crate) const WAIT4: usize = 61;
    pub(crate) const KILL: usize = 62;
    pub(crate) const RT_SIGTIMEDWAIT: usize = 128;
    pub(crate) const PRCTL: usize = 157;
    pub(crate) const UMOUNT2: usize = 166;
    pub(crate) const CLOCK_GETTIME: usize = 228;
    pub(crate) const EXIT_GROUP: usize = 231;
    pub(crate) const KEYCTL: usize = 250;
    pub(crate) const SIGNALFD4: usize = 289;
    pub(crate) const OPENAT: usize = 257;
    pub(crate) const MKDIRAT: usize = 258;
    pub(crate) const MKNODAT: usize = 259;
    pub(crate) const NEWFSTATAT: usize = 262;
    pub(crate) const PPOLL: usize = 271;
    pub(crate) const UNLINKAT: usize = 263;
    pub(crate) const SYMLINKAT: usize = 266;
    pub(crate) const READLINKAT: usize = 267;
    pub(crate) const UNSHARE: usize = 272;
    pub(crate) const SETNS: usize = 308;
    pub(crate) const SECCOMP: usize = 317;
    pub(crate) const STATX: usize = 332;
}

/// Numbers that are not the same everywhere; asm-generic/unistd.h.
#[cfg(target_arch = "aarch64")]
pub(crate) mod nr {
    pub(crate) const IOCTL: usize = 29;
    pub(crate) const MKNODAT: usize = 33;
    pub(crate) const MKDIRAT: usize = 34;
    pub(crate) const UNLINKAT: usize = 35;
    pub(crate) const SYMLINKAT: usize = 36;
    pub(crate) const UMOUNT2: usize = 39;
    pub(crate) const OPENAT: usize = 56;
    pub(crate) const READLINKAT: usize = 78;
    pub(crate) const NEWFSTATAT: usize = 79;
    pub(crate) const UNSHARE: usize = 97;
    pub(crate) const PPOLL: usize = 73;
    pub(crate) const SIGNALFD4: usize = 74;
    pub(crate) const EXIT_GROUP: usize = 94;
    pub(crate) const CLOCK_GETTIME: usize = 113;
    pub(crate) const KILL: usize = 129;
    pub(crate) const RT_SIGACTION: usize = 134;
    pub(crate) const RT_SIGPROCMASK: usize = 135;
    pub(crate) const RT_SIGTIMEDWAIT: usize = 137;
    pub(crate) const PRCTL: usize = 167;
    pub(crate) const KEYCTL: usize = 219;
    pub(crate) const CLONE: usize = 220;
    pub(crate) const SOCKET: usize = 198;
    pub(crate) const SETSOCKOPT: usize = 208;
    pub(crate) const SENDMSG: usize = 211;
    pub(crate) const RECVMSG: usize = 212;
    pub(crate) const EXECVE: usize = 221;
    pub(crate) const MMAP: usize = 222;
    pub(crate) const WAIT4: usize = 260;
    pub(crate) const SETNS: usize = 268;
    pub(crate) const SECCOMP: usize = 277;
    pub(crate) const STATX: usize = 291;
}

/// Numbers that are the same everywhere: since Linux 5.1 new calls get one number.
pub(crate) mod common {
    pub(crate) const OPEN_TREE: usize = 428;
    pub(crate) const MOVE_MOUNT: usize = 429;
    pub(crate) const FSCONFIG: usize = 431;
    pub(crate) const CLONE3: usize = 435;
    pub(crate) const CLOSE_RANGE: usize = 436;
    pub(crate) const OPENAT2: usize = 437;
    pub(crate) const FACCESSAT2: usize = 439;
    pub(crate) const MOUNT_SETATTR: usize = 442;
    pub(crate) const LANDLOCK_CREATE_RULESET: usize = 444;
    pub(crate) const STATMOUNT: usize = 457;
    pub(crate) const LISTMOUNT: usize = 458;
    pub(crate) const LANDLOCK_ADD_RULE: usize = 445;
    pub(crate) const LANDLOCK_RESTRICT_SELF: usize = 446;
}

/// Makes a system call and tells errors from values (the kernel returns -4095 to -1 for errors).
///
/// # Safety
/// Every pointer among `args` must be good for what call `nr` does with it.
#[inline]
pub(crate) unsafe fn syscall(nr: usize, args: [usize; 6]) -> Result<usize> {
    // SAFETY: the caller answers for the arguments.
    checked(unsafe { raw(nr, args) })
}

/// Tells errors from values.
#[inline]
fn checked(value: usize) -> Result<usize> {
    let errno = value.wrapping_neg();
    if (1..=4095).contains(&errno) {
        return Err(Errno::from_raw_os_error(i32::try_from(errno).unwrap_or(i32::MAX)));
    }
    Ok(value)
}

/// clone or clone3, as `nr` says, with a stack of the child's own, on which it calls `run` with `argument`; gives the child's
/// number.
///
/// # Safety
/// For clone3 `first` must point to a `struct clone_args` of `second` bytes, for clone they are flags and the end of the
/// stack. The stack must be one that nobody else uses, aligned to 16 bytes at its end. What `run` does with `argument` must
/// be sound while the caller goes on, or is suspended, as the flags say.
pub(crate) unsafe fn clone_on(
    nr: usize,
    [first, second]: [usize; 2],
    run: extern "C" fn(usize) -> !,
    argument: usize,
) -> Result<usize> {
    let value;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the kernel keeps every register but rax, rcx and r11 (syscall(2)), so that the child, on its own stack, finds
    // what to call; it never comes out of here.
    unsafe {
        core::arch::asm!("syscall", "test rax, rax", "jnz 2f", "xor ebp, ebp", "mov rdi, r12", "call r13", "ud2", "2:",
            inlateout("rax") nr => value, in("rdi") first, in("rsi") second, in("rdx") 0, in("r10") 0, in("r8") 0,
            in("r12") argument, in("r13") run, out("rcx") _, out("r11") _);
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the kernel keeps every register but x0 (syscall(2)), so that the child, on its own stack, finds what to call;
    // it never comes out of here.
    unsafe {
        core::arch::asm!("svc 0", "cbnz x0, 2f", "mov x29, xzr", "mov x30, xzr", "mov x0, x21", "blr x22", "brk #1",
            "2:", in("x8") nr, inlateout("x0") first => value, in("x1") second, in("x2") 0, in("x3") 0, in("x4") 0,
            in("x21") argument, in("x22") run);
    }
    checked(value)
}

#[cfg(target_arch = "x86_64")]
#[inline]
unsafe fn raw(nr: usize, [a, b, c, d, e, f]: [usize; 6]) -> usize {
    let value;
    // SAFETY: the registers are those of the kernel's calling convention (syscall(2)), clobbers included.
    unsafe {
        core::arch::asm!("syscall", inlateout("rax") nr => value, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    value
}

#[cfg(target_arch = "aarch64")]
#[inline]
unsafe fn raw(nr: usize, [a, b, c, d, e, f]: [usize; 6]) -> usize {
    let value;
    // SAFETY: the registers are those of the kernel's calling convention (syscall(2)).
    unsafe {
        core::arch::asm!("svc 0", in("x8") nr, inlateout("x0") a => value, in("x1") b, in("x2") c,
            in("x3") d, in("x4") e, in("x5") f, options(nostack));
    }
    value
}

/// Dies on the spot, whatever a filter says of ending.
pub(crate) fn trap() -> ! {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: an undefined instruction raises SIGILL, which kills a process that has no handler.
    unsafe {
        core::arch::asm!("ud2", options(noreturn, nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a breakpoint raises SIGTRAP, which kills a process that has no handler.
    unsafe {
        core::arch::asm!("brk #1", options(noreturn, nostack));
    }
}
