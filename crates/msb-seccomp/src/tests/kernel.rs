//! The kernel itself: programs are loaded, calls are made, and what comes back is what the oracle says.
//!
//! A thread loads the program for itself and starts perl, which inherits it; perl's `syscall` passes whole
//! 64-bit arguments, so that high bits can be set that no wrapper would let through. Errnos above 900 are not
//! the kernel's: only our program gives them.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use super::*;
use crate::{Options, compile};

/// Makes the calls that are its arguments, `number argument...`, and prints the errno of each, or 0.
const MAKE_CALLS: &str = r#"
    $| = 1;
    $SIG{SYS} = sub { print "trapped\n" };
    for (@ARGV) {
        my ($number, @arguments) = map { $_ + 0 } split / /;
        $! = 0;
        my $result = syscall($number, @arguments);
        syscall(231, 0) if $number == 56 && $result == 0; # the child of clone ends here
        print $result == -1 ? $! + 0 : 0, "\n";
    }
"#;

/// A socket of a family that is never to be had, and its errno.
const NO_FAMILY: SyscallAction = SyscallAction::Errno(901);
const NO_IOCTL: SyscallAction = SyscallAction::Errno(902);
const NO_SEEK: SyscallAction = SyscallAction::Errno(903);
const NO_PERSONA: SyscallAction = SyscallAction::Errno(904);

fn marked() -> Policy {
    let families = Pred::Any([1, 2, 10].map(|family| low(0, Op::Eq, family)).to_vec());
    let far = Pred::Compare { argument: 1, width: Width::W64, op: Op::Ge, value: 1 << 33 };
    let bits = Pred::Masked { argument: 0, width: Width::W32, mask: 0x044_0000, value: 0x004_0000 };
    let rules = vec![
        rule(nr("socket"), NO_FAMILY, not(families)),
        rule(nr("ioctl"), NO_IOCTL, low(1, Op::Eq, 0x5412)),
        rule(nr("lseek"), NO_SEEK, far),
        rule(nr("personality"), NO_PERSONA, bits),
        rule(nr("acct"), KILL, Pred::True),
        rule(nr("getpid"), SyscallAction::Log, Pred::True),
        rule(nr("getuid"), SyscallAction::Trap, low(0, Op::Eq, 5)),
    ];
    policy(Arch::X86_64, rules, ALLOW)
}

/// Loads the program of `policy` and lets perl make `calls`. `None`, with the reason printed, where there is no
/// perl or the machine is another.
fn make(policy: &Policy, calls: &[(u32, Vec<u64>)]) -> Option<Output> {
    if !cfg!(target_arch = "x86_64") {
        println!("skipped: the calls are those of x86-64");
        return None;
    }
    let program = compile(policy, Options::default()).expect("short, and right");
    let filter: Vec<_> = program
        .instructions
        .iter()
        .map(|i| seccompiler::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k })
        .collect();
    let words = calls.iter().map(|(nr, args)| {
        let args: Vec<_> = args.iter().map(ToString::to_string).collect();
        // libc's syscall takes a long: -1 is what loads u32::MAX as the number.
        format!("{} {}", nr.cast_signed(), args.join(" "))
    });
    let mut perl = Command::new("perl");
    perl.arg("-e").arg(MAKE_CALLS).args(words);
    let filtered = std::thread::spawn(move || {
        seccompiler::apply_filter(&filter).expect("the kernel takes the program");
        perl.output()
    });
    match filtered.join().expect("the thread ends") {
        Ok(output) => Some(output),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: perl is not installed");
            None
        }
        Err(cause) => panic!("perl does not start under the filter: {cause}"),
    }
}

#[test]
fn the_kernel_decides_as_the_oracle() {
    let policy = marked();
    let high = [0u64, 1 << 32, 1 << 63, 0xffff_ffff << 32];
    let mut calls: Vec<(u32, Vec<u64>)> = Vec::new();
    for high in high {
        // AF_UNIX, AF_INET, AF_NETLINK, AF_ALG, AF_VSOCK.
        for family in [1, 2, 16, 38, 40] {
            calls.push((nr("socket"), vec![family | high, 2, 0]));
        }
        calls.push((nr("ioctl"), vec![1, 0x5412 | high, 0]));
        calls.push((nr("ioctl"), vec![1, 0x5413 | high, 0]));
        calls.push((nr("personality"), vec![0x004_0000 | high]));
        calls.push((nr("lseek"), vec![1000, 7 | high, 0]));
    }
    for offset in [(1 << 33) - 1, 1 << 33, (1 << 33) + 1, (1 << 34) - 1, (1 << 32) | 5] {
        calls.push((nr("lseek"), vec![1000, offset, 0]));
    }
    for number in [nr("getpid"), 472, 512, 700, 0x3fff_ffff, 0x4000_0000 | nr("getpid"), u32::MAX] {
        calls.push((number, Vec::new()));
    }
    let Some(output) = make(&policy, &calls) else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    let found: Vec<u16> = text.lines().map(|line| line.parse().expect("an errno")).collect();
    assert_eq!(found.len(), calls.len(), "{output:?}");
    let mut denied = 0;
    for ((nr, args), errno) in calls.iter().zip(found) {
        let mut six = [0; 6];
        six[..args.len()].copy_from_slice(args);
        let request = Request::Syscall { audit_arch: policy.archs[0].audit(), nr: *nr, args: six };
        match policy.decide(&request).action {
            SyscallAction::Errno(decided) => {
                denied += 1;
                assert_eq!(errno, decided, "{nr} {args:x?}");
            }
            SyscallAction::Allow | SyscallAction::Log => {
                assert!(errno < 900 && errno != 38, "{nr} {args:x?}: {errno}");
            }
            SyscallAction::Kill | SyscallAction::Trap | SyscallAction::Notify => {
                panic!("{nr} {args:x?} is not to be made here")
            }
        }
    }
    assert!(denied > 20, "{denied} of {}", calls.len());
}

/// Without a filter these calls are made: what the test above sees is our program's doing.
#[test]
fn the_kernel_ignores_bit_32_of_an_int() {
    let open = policy(Arch::X86_64, Vec::new(), ALLOW);
    let calls = [(nr("socket"), vec![1 | 1 << 32, 1, 0]), (nr("socket"), vec![1, 1, 0])];
    let Some(output) = make(&open, &calls) else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n0\n", "{output:?}");
}

/// The legacy clone takes the low word of its flags (lower_32_bits in kernel/fork.c), wide as they are declared:
/// with high bits it makes a child all the same, and so a deny of 64 bits would be no deny.
#[test]
fn the_kernel_ignores_bit_32_of_the_flags_of_clone() {
    let sigchld = 17;
    let calls = [0, 1 << 32, 1 << 40].map(|high| (nr("clone"), vec![sigchld | high, 0, 0, 0, 0]));
    let open = policy(Arch::X86_64, Vec::new(), ALLOW);
    let Some(output) = make(&open, &calls) else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n0\n0\n", "{output:?}");
    let denied = policy(Arch::X86_64, vec![rule(nr("clone"), NO_FAMILY, low(0, Op::Eq, sigchld))], ALLOW);
    let Some(output) = make(&denied, &calls) else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "901\n901\n901\n", "{output:?}");
}

#[test]
fn a_call_that_kills_ends_the_process_with_sigsys() {
    let calls = [(nr("getpid"), Vec::new()), (nr("acct"), vec![0]), (nr("getpid"), Vec::new())];
    let Some(output) = make(&marked(), &calls) else { return };
    assert_eq!(output.status.signal(), Some(31), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n", "nothing after it is made");
}

/// A program may handle the signal, and goes on after the call, which was not made.
#[test]
fn a_call_that_is_trapped_gives_a_signal_that_can_be_handled() {
    let calls = [5, 6, 5 | 1 << 32].map(|argument| (nr("getuid"), vec![argument]));
    let Some(output) = make(&marked(), &calls) else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "trapped\n0\n0\ntrapped\n0\n", "{output:?}");
}

/// A policy that allows what perl needs and nothing else, so that perl itself is the probe.
#[test]
fn a_real_program_runs_under_a_real_policy() {
    let policy = coding_agent();
    let calls = [
        (nr("getpid"), Vec::new()),
        (nr("mount"), vec![0; 5]),
        (nr("clone3"), vec![0, 0]),
        (nr("socket"), vec![38 | 1 << 32, 5, 0]),
        (nr("unshare"), vec![0x1000_0000]),
        (700, Vec::new()),
    ];
    let Some(output) = make(&policy, &calls) else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n1\n38\n1\n1\n38\n", "{output:?}");
}
