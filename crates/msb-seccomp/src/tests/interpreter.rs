//! The interpreter on programs written by hand: it must not be right by the emitter's grace.

use super::*;
use crate::{Instruction, run};

fn i(code: u16, jt: u8, jf: u8, k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

const DATA: SeccompData = SeccompData {
    nr: 0x11,
    arch: 0x22,
    instruction_pointer: 0x4444_0000_3333,
    args: [0x1_0000_0002, 0, 0, 0, 0, 0xffff_ffff_8000_0000],
};

#[test]
fn words_are_loaded_from_where_the_kernel_has_them() {
    let words = [
        (0, 0x11),
        (4, 0x22),
        (8, 0x3333),
        (12, 0x4444),
        (16, 2),
        (20, 1),
        (56, 0x8000_0000),
        (60, 0xffff_ffff),
    ];
    for (offset, word) in words {
        let program = [i(0x20, 0, 0, offset), i(0x15, 0, 1, word), i(0x06, 0, 0, 7), i(0x06, 0, 0, 8)];
        assert_eq!(run(&program, &DATA), 7, "{offset}");
    }
}

#[test]
fn comparisons_are_unsigned_and_jumps_relative() {
    let cases = [
        (0x15, 0x8000_0000, true),
        (0x15, 0x8000_0001, false),
        (0x25, 0x7fff_ffff, true),
        (0x25, 0x8000_0000, false),
        (0x35, 0x8000_0000, true),
        (0x35, 0x8000_0001, false),
        (0x45, 0xc000_0000, true),
        (0x45, 0x7fff_ffff, false),
    ];
    for (code, k, holds) in cases {
        let program = [
            i(0x20, 0, 0, 56),
            i(code, 1, 0, k),
            i(0x06, 0, 0, 0),
            i(0x05, 0, 0, 1),
            i(0x06, 0, 0, 9),
            i(0x06, 0, 0, 1),
        ];
        assert_eq!(run(&program, &DATA), u32::from(holds), "{code:#x} {k:#x}");
    }
    let masked =
        [i(0x20, 0, 0, 60), i(0x54, 0, 0, 0xf0), i(0x15, 0, 1, 0xf0), i(0x06, 0, 0, 1), i(0x06, 0, 0, 0)];
    assert_eq!(run(&masked, &DATA), 1);
}

#[test]
fn what_the_kernel_would_refuse_kills() {
    let programs: [&[Instruction]; 6] = [
        &[],
        &[i(0x20, 0, 0, 0)],
        &[i(0x20, 0, 0, 64), i(0x06, 0, 0, action::ALLOW)],
        &[i(0x20, 0, 0, 2), i(0x06, 0, 0, action::ALLOW)],
        &[i(0x05, 0, 0, u32::MAX), i(0x06, 0, 0, action::ALLOW)],
        &[i(0x16, 0, 0, 0), i(0x06, 0, 0, action::ALLOW)],
    ];
    for program in programs {
        assert_eq!(run(program, &DATA), action::KILL_PROCESS, "{program:?}");
    }
}

#[test]
fn executed_instructions_are_counted() {
    let program = [i(0x20, 0, 0, 0), i(0x15, 1, 0, 0x11), i(0x06, 0, 0, 0), i(0x06, 0, 0, 5)];
    assert_eq!(execute(&program, &DATA), Execution { action: 5, instructions: 3 });
}
