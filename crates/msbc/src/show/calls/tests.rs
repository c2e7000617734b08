use super::{of, returns};
use crate::show::bpf::disassemble;
use msb_decompile::instructions;
use msb_plan::{Arch, Filter, Listener, OriginId};

fn program(lines: &[(u16, u8, u8, u32)]) -> Vec<u8> {
    let line = |&(code, jt, jf, k): &(u16, u8, u8, u32)| {
        [&code.to_le_bytes()[..], &[jt, jf], &k.to_le_bytes()].concat()
    };
    lines.iter().flat_map(line).collect()
}

const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;
const KILL: u32 = 0x8000_0000;

/// read is allowed, write is allowed to descriptor 1, everything else fails; another architecture dies.
fn sample() -> Vec<u8> {
    program(&[
        (0x20, 0, 0, 4),
        (0x15, 1, 0, 0xC000_003E),
        (0x06, 0, 0, KILL),
        (0x20, 0, 0, 0),
        (0x15, 3, 0, 0),
        (0x15, 0, 3, 1),
        (0x20, 0, 0, 16),
        (0x15, 0, 1, 1),
        (0x06, 0, 0, ALLOW),
        (0x06, 0, 0, EPERM),
    ])
}

#[test]
fn known_numbers_take_one_way_and_arguments_both() {
    let bytes = sample();
    let program = instructions(&bytes);
    let found = |arch, nr| returns(&program, arch, nr).into_iter().collect::<Vec<_>>();
    assert_eq!(found(0xC000_003E, 0), [ALLOW]);
    assert_eq!(found(0xC000_003E, 1), [EPERM, ALLOW]);
    assert_eq!(found(0xC000_003E, 2), [EPERM]);
    assert_eq!(found(0x4000_0003, 0), [KILL]);
}

#[test]
fn every_call_of_the_table_is_in_one_list() {
    let bytes = sample();
    let filter = Filter {
        arch: Arch::X86_64,
        listener: Listener::None,
        program: &bytes,
        kills: &[],
        origin: OriginId(0),
    };
    let (calls, unknown) = of(&filter);
    assert_eq!(calls["allow"], ["read"]);
    assert_eq!(calls["allow or errno EPERM, by arguments"], ["write"]);
    let count: usize = calls.values().map(Vec::len).sum();
    assert_eq!(count, msb_syscalls::all(msb_syscalls::Arch::X86_64).len());
    assert_eq!(unknown, "errno EPERM");
}

#[test]
fn instructions_are_readable() {
    let text = disassemble(&sample());
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(lines[0], "0  A = arch");
    assert_eq!(lines[1], "1  if A == 0xc000003e goto 3 else 2");
    assert_eq!(lines[2], "2  return kill");
    assert_eq!(lines[6], "6  A = args[0].low");
    assert_eq!(lines[9], "9  return errno EPERM");
}
