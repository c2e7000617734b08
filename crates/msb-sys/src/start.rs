//! What a program without a standard library starts with: entry point, memory, panic.

use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of memory that a program can allocate in all: a plan of 1 MiB, what is decoded from it, lists of the longest
/// command line and environment that execve(2) passes on, and a table of twenty thousand mounts. Untouched pages cost
/// nothing.
const ARENA_BYTES: usize = 32 << 20;

/// Sizes are rounded up to powers of two from 16 bytes on: one list of free blocks for each, up to all there is.
const CLASSES: usize = ARENA_BYTES.trailing_zeros() as usize + 1;
const BLOCK_BYTES_MIN: usize = 16;

/// Blocks begin anew on a page of their own after a fork.
const PAGE_BYTES: usize = 4096;

/// A small allocator for a program of one thread: blocks are cut from one piece of memory, and those that
/// were given back serve again for their size.
#[derive(Debug)]
// What is written all the time comes first, on a page that a program's own variables have touched before.
#[repr(C)]
pub struct Arena {
    used: AtomicUsize,
    /// Where blocks begin that may be written again when they are given back: see [`Arena::leave`].
    own: AtomicUsize,
    /// The first free block of each size; each begins with the address of the next, 0 at the end.
    free: [AtomicUsize; CLASSES],
    memory: UnsafeCell<MaybeUninit<[u8; ARENA_BYTES]>>,
}

// SAFETY: a program made by `program!` has one thread.
unsafe impl Sync for Arena {}

/// The memory of a program made by `program!`; nothing of it is touched in others.
static ARENA: Arena = Arena::new();

/// Serves `program!` with its memory.
#[derive(Debug, Clone, Copy)]
pub struct Memory;

/// Leaves what was allocated before a fork as it is, in both processes: a block that is given back is written to, and each
/// page that two processes share is copied for that.
pub(crate) fn leave_memory() {
    ARENA.leave();
}

impl Arena {
    /// An empty one.
    const fn new() -> Arena {
        let free = [const { AtomicUsize::new(0) }; CLASSES];
        let memory = UnsafeCell::new(MaybeUninit::uninit());
        Arena { used: AtomicUsize::new(0), own: AtomicUsize::new(0), free, memory }
    }

    /// Bytes of the block that serves `layout`, and the list for that size; `None` when there is no such block.
    fn class(&self, layout: Layout) -> Option<(usize, &AtomicUsize)> {
        if layout.align() > BLOCK_BYTES_MIN {
            return None;
        }
        let class = usize::BITS - (layout.size().max(BLOCK_BYTES_MIN) - 1).leading_zeros();
        Some((1 << class, self.free.get(class as usize)?))
    }

    /// Neither cuts from pages that blocks are on, nor takes blocks that were given back, nor writes to those that will be.
    fn leave(&self) {
        let used = self.used.load(Ordering::Relaxed);
        if used == 0 {
            return;
        }
        let base = self.memory.get().addr();
        let next = (base + used).next_multiple_of(PAGE_BYTES);
        self.used.store((next - base).min(ARENA_BYTES), Ordering::Relaxed);
        self.own.store(next, Ordering::Relaxed);
        for free in &self.free {
            free.store(0, Ordering::Relaxed);
        }
    }
}

// SAFETY: a block is cut once from `memory`, where `used` only grows past it, or taken off a list of free
// blocks of its size; it is aligned to 16 bytes, and nothing that asks for more is served.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((bytes, free)) = ARENA.class(layout) else { return core::ptr::null_mut() };
        let base = ARENA.memory.get().cast::<u8>();
        let first = free.load(Ordering::Relaxed);
        if first != 0 {
            let block = base.wrapping_add(first - base.addr());
            // SAFETY: a free block begins with the address of the next, as `dealloc` wrote it.
            let next = unsafe { block.cast::<usize>().read() };
            free.store(next, Ordering::Relaxed);
            return block;
        }
        // One block after the other, whatever their sizes: each page that is touched the first time is a fault.
        let used = base.addr() + ARENA.used.load(Ordering::Relaxed);
        let start = used.next_multiple_of(BLOCK_BYTES_MIN) - base.addr();
        if start + bytes > ARENA_BYTES {
            return core::ptr::null_mut();
        }
        ARENA.used.store(start + bytes, Ordering::Relaxed);
        base.wrapping_add(start)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some((_, free)) = ARENA.class(layout) else { return };
        if block.addr() < ARENA.own.load(Ordering::Relaxed) {
            return;
        }
        let next = free.load(Ordering::Relaxed);
        // SAFETY: the block came from `alloc`: at least 16 bytes, aligned to them, and nobody's any more.
        unsafe { block.cast::<usize>().write(next) };
        free.store(block.addr(), Ordering::Relaxed);
    }
}

/// What a program was started with.
#[derive(Debug)]
pub struct Start {
    /// Its arguments, the name first.
    pub arguments: Vec<&'static CStr>,
    /// Its environment.
    pub environment: Vec<&'static CStr>,
}

/// Reads what the kernel put on the stack of a new program: a count, pointers to that many strings, null,
/// pointers to more strings, null (System V ABI, process initialization).
///
/// # Safety
/// `stack` must be the stack pointer that the program was started with.
#[must_use]
pub unsafe fn read(stack: *const usize) -> Start {
    // SAFETY: the caller says that this is such a stack.
    let count = unsafe { *stack };
    let arguments = stack.wrapping_add(1).cast::<*const c_char>();
    // SAFETY: `count` pointers and a null follow the count.
    let (arguments, next) = unsafe { list(arguments) };
    debug_assert_eq!(arguments.len(), count, "the list ends where the count says");
    // SAFETY: the environment follows, in the same form.
    let (environment, _) = unsafe { list(next) };
    Start { arguments, environment }
}

/// Reads strings up to a null, and gives what stands after it.
///
/// # Safety
/// `at` must point to pointers to C strings that are never freed, the last of them null.
unsafe fn list(mut at: *const *const c_char) -> (Vec<&'static CStr>, *const *const c_char) {
    let mut strings = Vec::new();
    loop {
        // SAFETY: the end of the list was not passed.
        let pointer = unsafe { *at };
        at = at.wrapping_add(1);
        if pointer.is_null() {
            return (strings, at);
        }
        // SAFETY: the caller says that it is a C string that stays.
        strings.push(unsafe { CStr::from_ptr(pointer) });
    }
}

/// Ends a program that met a bug of its own or has no memory left, and says so.
pub fn give_up() -> ! {
    let text = b"msb-launch: a bug, or no memory is left; the sandbox ends with its launcher\n";
    // Standard error may be closed: the exit status says it too.
    let _ = rustix::io::write(crate::process::borrowed(2), text);
    crate::process::exit(125)
}

/// Makes a `no_std`, `no_main` crate a program: `$main` is a `fn(&Start) -> i32` that gives the exit status.
///
/// It needs the link arguments `-nostartfiles -nostdlib -static`.
#[macro_export]
macro_rules! program {
    ($main:path) => {
        #[global_allocator]
        static MEMORY: $crate::start::Memory = $crate::start::Memory;

        #[panic_handler]
        fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
            $crate::start::give_up()
        }

        #[cfg(target_arch = "x86_64")]
        core::arch::global_asm!(
            ".globl _start", "_start:", "xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {begin}", "ud2",
            begin = sym begin
        );

        #[cfg(target_arch = "aarch64")]
        core::arch::global_asm!(
            ".globl _start", "_start:", "mov x29, #0", "mov x30, #0", "mov x0, sp", "and sp, x0, #-16",
            "bl {begin}", "brk #1",
            begin = sym begin
        );

        extern "C" fn begin(stack: *const usize) -> ! {
            // SAFETY: `_start` passes the stack pointer of a new program.
            let start = unsafe { $crate::start::read(stack) };
            $crate::process::exit($main(&start))
        }

        $crate::memory_functions!();
    };
}

/// The functions that compiled code calls on memory, and that a C library has otherwise.
#[doc(hidden)]
#[macro_export]
macro_rules! memory_functions {
    () => {
        /// memcpy(3).
        ///
        /// # Safety
        /// As in C.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
            // SAFETY: the caller gives two blocks of `count` bytes that do not overlap.
            unsafe { $crate::start::copy_forward(to, from, count) };
            to
        }

        /// memmove(3).
        ///
        /// # Safety
        /// As in C.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
            if to.addr().wrapping_sub(from.addr()) >= count {
                // SAFETY: `to` does not lie inside the source, so that copying upwards reads before it writes.
                unsafe { $crate::start::copy_forward(to, from, count) };
            } else {
                // SAFETY: `to` lies inside the source, so that copying downwards reads before it writes.
                unsafe { $crate::start::copy_backward(to, from, count) };
            }
            to
        }

        /// memset(3).
        ///
        /// # Safety
        /// As in C.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
            // SAFETY: the caller gives a block of `count` bytes.
            unsafe { $crate::start::fill(to, value.to_le_bytes()[0], count) };
            to
        }

        /// memcmp(3).
        ///
        /// # Safety
        /// As in C.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
            // SAFETY: the caller gives two blocks of `count` bytes.
            unsafe { $crate::start::compare(a, b, count) }
        }

        /// bcmp(3).
        ///
        /// # Safety
        /// As in C.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
            // SAFETY: the caller gives two blocks of `count` bytes.
            unsafe { $crate::start::compare(a, b, count) }
        }

        /// strlen(3).
        ///
        /// # Safety
        /// As in C.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn strlen(text: *const u8) -> usize {
            // SAFETY: the caller gives a C string.
            unsafe { $crate::start::length(text) }
        }

        // A profile that unwinds names these; nothing here unwinds, so nothing calls them.
        #[unsafe(no_mangle)]
        extern "C" fn rust_eh_personality() {}

        #[unsafe(no_mangle)]
        extern "C" fn _Unwind_Resume() {}
    };
}

/// Copies `count` bytes upwards.
///
/// # Safety
/// Both blocks must be that long, and `to` must not lie inside the source.
#[inline]
pub unsafe fn copy_forward(to: *mut u8, from: *const u8, count: usize) {
    // Most are a few words, and the processor takes as long to begin a string instruction as to copy four of them. Both
    // ends are read before either is written, and meet in the middle.
    if (8..=16).contains(&count) {
        let (from_end, to_end) = (from.wrapping_add(count - 8), to.wrapping_add(count - 8));
        // SAFETY: the source has at least 8 bytes.
        let first = unsafe { from.cast::<u64>().read_unaligned() };
        // SAFETY: these are its last 8 bytes.
        let last = unsafe { from_end.cast::<u64>().read_unaligned() };
        // SAFETY: the target is as long.
        unsafe { to.cast::<u64>().write_unaligned(first) };
        // SAFETY: as the one before.
        unsafe { to_end.cast::<u64>().write_unaligned(last) };
        return;
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller answers for the blocks; the direction flag is clear (System V ABI).
    unsafe {
        core::arch::asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    for index in 0..count {
        // SAFETY: as the caller says; volatile, so that the loop does not become a call of memcpy.
        let byte = unsafe { from.wrapping_add(index).read_volatile() };
        // SAFETY: as the caller says.
        unsafe { to.wrapping_add(index).write_volatile(byte) };
    }
}

/// Copies `count` bytes downwards.
///
/// # Safety
/// Both blocks must be that long.
pub unsafe fn copy_backward(to: *mut u8, from: *const u8, count: usize) {
    for index in (0..count).rev() {
        // SAFETY: as the caller says; volatile, so that the loop does not become a call of memmove.
        let byte = unsafe { from.wrapping_add(index).read_volatile() };
        // SAFETY: as the caller says.
        unsafe { to.wrapping_add(index).write_volatile(byte) };
    }
}

/// Fills `count` bytes.
///
/// # Safety
/// The block must be that long.
#[inline]
pub unsafe fn fill(to: *mut u8, value: u8, count: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller answers for the block; the direction flag is clear (System V ABI).
    unsafe {
        core::arch::asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") value,
            options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    for index in 0..count {
        // SAFETY: as the caller says; volatile, so that the loop does not become a call of memset.
        unsafe { to.wrapping_add(index).write_volatile(value) };
    }
}

/// The difference of the first two bytes that differ, or 0.
///
/// # Safety
/// Both blocks must be `count` bytes long.
#[must_use]
pub unsafe fn compare(a: *const u8, b: *const u8, count: usize) -> i32 {
    let mut same = 0;
    while count - same >= 8 {
        // SAFETY: 8 bytes are left of the first block.
        let x = unsafe { a.wrapping_add(same).cast::<u64>().read_unaligned() };
        // SAFETY: and of the second.
        let y = unsafe { b.wrapping_add(same).cast::<u64>().read_unaligned() };
        if x != y {
            break;
        }
        same += 8;
    }
    for index in same..count {
        // SAFETY: as the caller says; volatile, so that the loop does not become a call of memcmp.
        let x = unsafe { a.wrapping_add(index).read_volatile() };
        // SAFETY: as the caller says.
        let y = unsafe { b.wrapping_add(index).read_volatile() };
        if x != y {
            return i32::from(x) - i32::from(y);
        }
    }
    0
}

/// Bytes before the NUL.
///
/// # Safety
/// `text` must be a C string.
#[must_use]
pub unsafe fn length(text: *const u8) -> usize {
    let mut count = 0;
    loop {
        // SAFETY: no NUL was met yet, so the string goes on; volatile, so that the loop does not become strlen.
        if unsafe { text.wrapping_add(count).read_volatile() } == 0 {
            return count;
        }
        count += 1;
    }
}
