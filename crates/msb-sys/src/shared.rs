//! Words that a process and its forked child both see.

use crate::Result;
use crate::arch::{nr, syscall};
use alloc::boxed::Box;
use core::sync::atomic::{AtomicU32, Ordering};

const PAGE_BYTES: usize = 4096;

/// Shared 32-bit words, 0 at first. They are there until the process ends.
#[derive(Debug, Clone, Copy)]
pub struct Words(&'static [AtomicU32]);

impl Words {
    /// Some that only processes with the same memory share.
    pub(crate) fn here() -> Words {
        const COUNT: usize = 8;
        Words(Box::leak(Box::new([const { AtomicU32::new(0) }; COUNT])))
    }

    /// A new page of them, which children share that have a copy of the memory.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new() -> Result<Words> {
        let words = core::ptr::with_exposed_provenance::<[AtomicU32; PAGE_BYTES / 4]>(map_page()?);
        // SAFETY: the page is mapped readable and writable, zeroed, aligned, and never unmapped.
        Ok(Words(unsafe { &*words }))
    }

    /// What word `index` holds; 0 past the last.
    #[must_use]
    pub fn get(self, index: usize) -> u32 {
        self.0.get(index).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Changes what word `index` holds; nothing past the last.
    pub fn set(self, index: usize, value: u32) {
        if let Some(word) = self.0.get(index) {
            word.store(value, Ordering::Release);
        }
    }
}

/// One shared 32-bit word, 0 at first. It is there until the process ends.
#[derive(Debug, Clone, Copy)]
pub struct Word(&'static AtomicU32);

impl Word {
    /// Maps a new one.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new() -> Result<Word> {
        let address = map_page()?;
        let word = core::ptr::with_exposed_provenance::<AtomicU32>(address);
        // SAFETY: the page is mapped readable and writable, zeroed, aligned, and never unmapped.
        Ok(Word(unsafe { &*word }))
    }

    /// What it holds.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Changes what it holds.
    pub fn set(self, value: u32) {
        self.0.store(value, Ordering::Release);
    }
}

/// Maps a page that children of this process share.
fn map_page() -> Result<usize> {
    const READ_WRITE: usize = 3; // PROT_READ | PROT_WRITE
    const SHARED_ANONYMOUS: usize = 0x21; // MAP_SHARED | MAP_ANONYMOUS
    let arguments = [0, PAGE_BYTES, READ_WRITE, SHARED_ANONYMOUS, usize::MAX, 0];
    // SAFETY: a new mapping at an address of the kernel's choice touches no memory in use.
    unsafe { syscall(nr::MMAP, arguments) }
}
