//! Classic BPF as seccomp takes it: the eight instructions that we emit, and an interpreter for them.

/// Operation codes, from linux/bpf_common.h and linux/filter.h.
pub(crate) mod code {
    /// `BPF_LD | BPF_W | BPF_ABS`: load the word at offset k.
    pub(crate) const LD: u16 = 0x20;
    /// `BPF_ALU | BPF_AND | BPF_K`.
    pub(crate) const AND: u16 = 0x54;
    /// `BPF_JMP | BPF_JA`.
    pub(crate) const JA: u16 = 0x05;
    /// `BPF_JMP | BPF_JEQ | BPF_K`.
    pub(crate) const JEQ: u16 = 0x15;
    /// `BPF_JMP | BPF_JGT | BPF_K`, unsigned.
    pub(crate) const JGT: u16 = 0x25;
    /// `BPF_JMP | BPF_JGE | BPF_K`, unsigned.
    pub(crate) const JGE: u16 = 0x35;
    /// `BPF_JMP | BPF_JSET | BPF_K`: jump if any bit of k is set.
    pub(crate) const JSET: u16 = 0x45;
    /// `BPF_RET | BPF_K`.
    pub(crate) const RET: u16 = 0x06;
}

/// What a program returns, from linux/seccomp.h.
pub mod action {
    /// `SECCOMP_RET_ALLOW`.
    pub const ALLOW: u32 = 0x7fff_0000;
    /// `SECCOMP_RET_LOG`, Linux 4.14.
    pub const LOG: u32 = 0x7ffc_0000;
    /// `SECCOMP_RET_TRAP`.
    pub const TRAP: u32 = 0x0003_0000;
    /// `SECCOMP_RET_KILL_PROCESS`, Linux 4.14.
    pub const KILL_PROCESS: u32 = 0x8000_0000;
    /// `SECCOMP_RET_USER_NOTIF`, Linux 5.0.
    pub const USER_NOTIF: u32 = 0x7fc0_0000;

    /// `SECCOMP_RET_ERRNO` with `errno` as its data.
    #[must_use]
    pub const fn errno(errno: u16) -> u32 {
        0x0005_0000 | errno as u32
    }
}

/// One instruction: `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// How many instructions to skip if the test holds.
    pub jt: u8,
    /// How many instructions to skip if it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

impl Instruction {
    /// As the kernel takes it on a little-endian machine.
    #[must_use]
    pub const fn bytes(self) -> [u8; 8] {
        let ([c0, c1], [k0, k1, k2, k3]) = (self.code.to_le_bytes(), self.k.to_le_bytes());
        [c0, c1, self.jt, self.jf, k0, k1, k2, k3]
    }
}

/// What a program looks at: `struct seccomp_data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeccompData {
    /// Number of the call.
    pub nr: u32,
    /// `AUDIT_ARCH_*` of the instruction set that made it.
    pub arch: u32,
    /// Where it was made; no program of ours looks at it.
    pub instruction_pointer: u64,
    /// Its arguments.
    pub args: [u64; 6],
}

impl SeccompData {
    /// Offset of `nr`, in bytes.
    pub(crate) const NR: u32 = 0;
    /// Offset of `arch`, in bytes.
    pub(crate) const ARCH: u32 = 4;
    /// Offset of the low word of the first argument on a little-endian machine, in bytes; the high word
    /// follows, and then the next argument.
    pub(crate) const ARGS: u32 = 16;

    /// The word at `offset`, in bytes.
    fn word(&self, offset: u32) -> Option<u32> {
        let pair = |value: u64| if offset.is_multiple_of(8) { value & 0xffff_ffff } else { value >> 32 };
        let word = match (offset, offset % 4) {
            (Self::NR, _) => return Some(self.nr),
            (Self::ARCH, _) => return Some(self.arch),
            (8..16, 0) => pair(self.instruction_pointer),
            (16..64, 0) => pair(*self.args.get((offset as usize - 16) / 8)?),
            _ => return None,
        };
        u32::try_from(word).ok()
    }
}

/// What came of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    /// What the program returned.
    pub action: u32,
    /// How many instructions it took.
    pub instructions: usize,
}

/// Runs `program` on `data` and gives what it returns; see [`execute`].
#[must_use]
pub fn run(program: &[Instruction], data: &SeccompData) -> u32 {
    execute(program, data).action
}

/// Runs `program` on `data`.
///
/// A program that the kernel would refuse (a jump or a fall past its end, an operation that it does not have,
/// an offset outside of the data) kills. Jumps go forward only, so every run ends.
#[must_use]
pub fn execute(program: &[Instruction], data: &SeccompData) -> Execution {
    let (mut at, mut accumulator, mut instructions) = (0usize, 0u32, 0);
    while let Some(&Instruction { code, jt, jf, k }) = program.get(at) {
        instructions += 1;
        at += 1;
        let mut branch = |holds: bool| at += usize::from(if holds { jt } else { jf });
        match code {
            code::LD => match data.word(k) {
                Some(word) => accumulator = word,
                None => break,
            },
            code::AND => accumulator &= k,
            code::JA => at = at.saturating_add(k as usize),
            code::JEQ => branch(accumulator == k),
            code::JGT => branch(accumulator > k),
            code::JGE => branch(accumulator >= k),
            code::JSET => branch(accumulator & k != 0),
            code::RET => return Execution { action: k, instructions },
            _ => break,
        }
    }
    Execution { action: action::KILL_PROCESS, instructions }
}
