//! The other ABIs of an x86-64 kernel: refused outright, and decided by rules of their own where a policy names them.

use msb_testkit::{Account, Ended, Need, Workspace, accounts, finish, skip};
use std::process::Command;

/// A 32-bit program that makes a directory and ends with the errno of that.
const MAKES_A_DIRECTORY: &str = "
.globl _start
_start:
  movl $39, %eax
  movl $name, %ebx
  movl $0700, %ecx
  int $0x80
  negl %eax
  movl %eax, %ebx
  movl $1, %eax
  int $0x80
name: .asciz \"made\"
";

/// The same by `int 0x80` of a 64-bit program, with the upper halves of its registers full.
const INT_80: &str = "
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
code, name = libc.mmap(None, 4096, 7, 0x62, -1, 0), libc.mmap(None, 4096, 3, 0x62, -1, 0)
ctypes.memmove(name, b'/work/made\\0', 11)
# push rbx; mov rbx, rdi; mov ecx, 0700; mov rax, rsi; int 0x80; pop rbx; ret
ctypes.memmove(code, b'\\x53\\x48\\x89\\xfb\\xb9\\xc0\\x01\\0\\0\\x48\\x89\\xf0\\xcd\\x80\\x5b\\xc3', 16)
call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_long, ctypes.c_long)(code)
print(-call(name | 1 << 32, 39), flush=True)
";

/// getpid, by x32.
const X32: &str = "
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall(0x40000000 | 39), ctypes.get_errno(), flush=True)
";

fn policy(rules: &str) -> String {
    format!(
        "edition 2026\npolicy abis(workspace: dir) {{\n  include std.base\n  include std.python\n  \
         fs {{ write $workspace at /work  run $workspace at /programs }}\n  syscalls {{\n    {rules}\n  }}\n  \
         limits {{ memory 256MiB  pids 12  wall 1min }}\n  exec {{ cwd /work }}\n}}\n"
    )
}

fn run(account: Account, rules: &str, program: Option<&[u8]>, words: &[&str]) -> (Ended, Workspace) {
    let workspace = Workspace::new(account);
    if let Some(program) = program {
        let file = workspace.write("work/program", program);
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(file, mode).expect("a mode");
    }
    let plan = workspace.compile(&policy(rules));
    workspace.own();
    (finish(&mut workspace.launch(&plan, words), 60), workspace)
}

/// The 32-bit program; `None`, with the reason told, where it cannot be made or run.
fn program() -> Option<Vec<u8>> {
    if !cfg!(target_arch = "x86_64") {
        skip(Need::X86, "i386 is an ABI of x86-64 alone");
        return None;
    }
    let place = std::env::temp_dir().join(format!("msb-i386-{}", std::process::id()));
    std::fs::create_dir_all(&place).expect("a directory");
    let (source, built) = (place.join("program.s"), place.join("program"));
    std::fs::write(&source, MAKES_A_DIRECTORY).expect("a file");
    let made =
        Command::new("cc").args(["-m32", "-static", "-nostdlib", "-o"]).arg(&built).arg(&source).output();
    let program = match made {
        Ok(output) if output.status.success() => std::fs::read(&built).ok(),
        _ => None,
    };
    // Not on a kernel without IA32_EMULATION; outside there is no /work for it.
    let runs = Command::new(&built).current_dir(&place).env_clear().status().is_ok();
    std::fs::remove_dir_all(&place).expect("it is there");
    if program.is_none() || !runs {
        skip(Need::Compiler, "no 32-bit program can be built, or none be run");
        return None;
    }
    program
}

/// What an exit status is that a signal gives: SIGSYS is 31.
const SIGSYS: i32 = 128 + 31;
const EACCES: i32 = 13;

#[test]
fn a_32_bit_program_runs_where_its_abi_is_named_and_its_rules_hold() {
    let Some(program) = program() else { return };
    let cases = [
        ("arch x86_64, i386", 0, true),
        ("arch i386", 0, true),
        ("arch x86_64, i386\n errno EACCES mkdir", EACCES, false),
        ("arch x86_64, i386\n errno EACCES mkdir on i386", EACCES, false),
        ("arch x86_64, i386\n errno EACCES mkdir on x86_64", 0, true),
        ("arch x86_64, i386\n kill mkdir on i386", SIGSYS, false),
        ("arch x86_64", SIGSYS, false),
        ("arch x86_64, x32", SIGSYS, false),
    ];
    for account in accounts() {
        for (rules, code, made) in cases {
            let (ended, workspace) = run(account, rules, Some(&program), &["/programs/program"]);
            assert_eq!(ended.code(), code, "{rules}: {}", ended.err());
            assert_eq!(workspace.path().join("made").is_dir(), made, "{rules}");
        }
    }
}

#[test]
fn calls_of_i386_from_64_bit_code_are_those_of_i386() {
    if program().is_none() {
        return;
    }
    for account in accounts() {
        let words = ["python3", "-c", INT_80];
        let (ended, workspace) = run(account, "arch x86_64, i386", None, &words);
        assert_eq!((ended.code(), ended.out().trim()), (0, "0"), "{}", ended.err());
        assert!(workspace.path().join("made").is_dir());
        let (ended, _) = run(account, "arch x86_64, i386\n errno EACCES mkdir on i386", None, &words);
        assert_eq!((ended.code(), ended.out().trim()), (0, "13"), "{}", ended.err());
        // 39 is getpid for x86_64, which is allowed.
        let (ended, workspace) = run(account, "arch x86_64", None, &words);
        assert_eq!(ended.code(), SIGSYS, "{}", ended.err());
        assert!(!workspace.path().join("made").exists());
    }
}

/// Whether this kernel serves x32 or not, the filter sees its calls first.
#[test]
fn calls_of_x32_fail_as_the_policy_says() {
    if !cfg!(target_arch = "x86_64") {
        return skip(Need::X86, "x32 is an ABI of x86-64 alone");
    }
    for account in accounts() {
        for (rules, errno) in [
            ("arch x86_64", 38),
            ("arch x86_64\n default errno EACCES", 38),
            ("arch x86_64, x32\n errno EACCES getpid on x32", 13),
            ("arch x86_64, x32\n errno EACCES getpid on x86_64\n errno EXDEV getpid on x32", 18),
        ] {
            let (ended, _) = run(account, rules, None, &["python3", "-c", X32]);
            assert_eq!(ended.out().trim(), format!("-1 {errno}"), "{rules}: {}", ended.err());
        }
    }
}

/// One plan, and on each machine the filter that is its own.
#[test]
fn a_plan_for_two_machines_runs_on_this_one() {
    for account in accounts() {
        let rules =
            "arch x86_64, aarch64\n errno EACCES getpriority on x86_64\n errno EXDEV getpriority on aarch64";
        let script = "import os\ntry: os.getpriority(0, 0)\nexcept OSError as error: print(error.errno)";
        let (ended, workspace) = run(account, rules, None, &["python3", "-c", script]);
        assert_eq!((ended.code(), ended.out().trim()), (0, "13"), "{}", ended.err());
        let shown = finish(&mut workspace.msbc(["show", "plan.bin"]), 60).out();
        assert!(
            shown.contains("system calls on x86_64 (") && shown.contains("system calls on aarch64 ("),
            "{shown}"
        );
    }
}
