//! The instructions of a syscall filter as text.

use msb_decompile::{Instruction, instructions};
use std::fmt::Write as _;

/// What a filter can return: `SECCOMP_RET_*` of linux/seccomp.h.
pub(super) fn action(value: u32) -> String {
    match value & 0xffff_0000 {
        0x7fff_0000 => "allow".to_owned(),
        0x0005_0000 => {
            let errno = u16::try_from(value & 0xffff).unwrap_or(0);
            msb_syscalls::errno_name(errno)
                .map_or_else(|| format!("errno {errno}"), |name| format!("errno {name}"))
        }
        0x8000_0000 => "kill".to_owned(),
        0x7ffc_0000 => "log".to_owned(),
        0x0003_0000 => "trap".to_owned(),
        0x7fc0_0000 => "notify".to_owned(),
        _ => format!("{value:#010x}"),
    }
}

/// A field of `struct seccomp_data` by its offset.
fn field(offset: u32) -> String {
    match offset {
        0 => "nr".to_owned(),
        4 => "arch".to_owned(),
        8 | 12 => format!("ip.{}", half(offset)),
        _ => format!("args[{}].{}", (offset.saturating_sub(16)) / 8, half(offset)),
    }
}

fn half(offset: u32) -> &'static str {
    // Both architectures are little endian, so that the low half comes first.
    if offset.is_multiple_of(8) { "low" } else { "high" }
}

/// The program with numbered lines, jumps as line numbers.
pub(super) fn disassemble(program: &[u8]) -> String {
    let mut text = String::new();
    for (at, instruction) in instructions(program).into_iter().enumerate() {
        let Instruction { code, jt, jf, k } = instruction;
        let to = |offset: usize| at + 1 + offset;
        let jump = |condition: &str| {
            format!("if A {condition} {k:#x} goto {} else {}", to(jt.into()), to(jf.into()))
        };
        let line = match code {
            0x20 => format!("A = {}", field(k)),
            0x05 => format!("goto {}", to(k as usize)),
            0x15 => jump("=="),
            0x25 => jump(">"),
            0x35 => jump(">="),
            0x45 => jump("&"),
            0x54 => format!("A &= {k:#x}"),
            0x06 => format!("return {}", action(k)),
            _ => format!("{code:#06x} {jt} {jf} {k:#x}"),
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{at:5}  {line}");
    }
    text
}
