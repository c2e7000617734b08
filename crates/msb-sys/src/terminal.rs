//! The modes of a terminal, as the kernel has them; ioctl_tty(2). rustix takes every speed apart and puts it together again.

use crate::Result;
use crate::arch::{nr, syscall};
use crate::at::Descriptor;

const TCGETS2: usize = 0x802c_542a; // asm-generic/ioctls.h, the same on x86-64 and AArch64
const TCSETS2: usize = 0x402c_542b;
const TCSETSF2: usize = 0x402c_542d;

/// `struct termios2` of asm-generic/termbits.h.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub struct Modes {
    input: u32,
    output: u32,
    control: u32,
    local: u32,
    line: u8,
    characters: [u8; 19],
    input_speed: u32,
    output_speed: u32,
}

/// When modes are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// When what was written is out, and without what was typed and not read.
    Flush,
}

impl Modes {
    /// What is written goes out as it is.
    #[must_use]
    pub const fn as_written(self) -> Modes {
        const OPOST: u32 = 0x1;
        Modes { output: self.output & !OPOST, ..self }
    }

    /// Every key goes on as it is, and nothing is made of it: as cfmakeraw(3).
    #[must_use]
    pub fn raw(self) -> Modes {
        // IGNBRK, BRKINT, PARMRK, ISTRIP, INLCR, IGNCR, ICRNL and IXON.
        const INPUT: u32 = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x80 | 0x100 | 0x400;
        // ISIG, ICANON, ECHO, ECHONL and IEXTEN.
        const LOCAL: u32 = 0x1 | 0x2 | 0x8 | 0x40 | 0x8000;
        // CSIZE, of which CS8 is all, and PARENB.
        const CS8: u32 = 0x30;
        const PARENB: u32 = 0x100;
        const VTIME: usize = 5;
        const VMIN: usize = 6;
        let mut raw = self.as_written();
        raw.input &= !INPUT;
        raw.local &= !LOCAL;
        raw.control = raw.control & !PARENB | CS8;
        raw.characters[VTIME] = 0;
        raw.characters[VMIN] = 1;
        raw
    }
}

/// The modes of a terminal.
///
/// # Errors
/// `ENOTTY` of what is none, `EIO` of one that hung up.
pub fn modes(terminal: impl Descriptor) -> Result<Modes> {
    let mut modes = Modes::default();
    let address = (&raw mut modes).expose_provenance();
    let number = terminal.number().cast_unsigned() as usize;
    // SAFETY: the kernel writes one `struct termios2` to `modes`, which lives through the call.
    unsafe { syscall(nr::IOCTL, [number, TCGETS2, address, 0, 0, 0]) }?;
    Ok(modes)
}

/// Changes them.
///
/// # Errors
/// As [`modes`]; `EINTR` by a signal, from the background (termios(3), SIGTTOU).
pub fn set_modes(terminal: impl Descriptor, when: When, modes: &Modes) -> Result<()> {
    let request = match when {
        When::Now => TCSETS2,
        When::Flush => TCSETSF2,
    };
    let address = (&raw const *modes).expose_provenance();
    let number = terminal.number().cast_unsigned() as usize;
    // SAFETY: the kernel reads one `struct termios2` from `modes`, which lives through the call.
    unsafe { syscall(nr::IOCTL, [number, request, address, 0, 0, 0]) }.map(drop)
}
