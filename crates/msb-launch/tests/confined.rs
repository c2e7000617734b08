//! What every launch takes away that no mount and no filter shows: each probe fails where the launcher leaves its part out.

#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use common::{ORIGIN, Stage, launcher, plan, stdout};
use std::process::Command;

/// Python's way to the system calls that are asked about here (x86-64, AArch64), and what each gives or its error.
const CALLS: &str = "import ctypes, mmap, os, platform, sys
libc = ctypes.CDLL(None, use_errno=True)
arm = platform.machine() == 'aarch64'
def call(numbers, *arguments):
    result = libc.syscall(numbers[arm], *arguments)
    return result if result >= 0 else -ctypes.get_errno()
ADD_KEY, KEYCTL, PRCTL, PTRACE = (248, 217), (250, 219), (157, 167), (101, 117)
";

fn has_python() -> bool {
    std::path::Path::new("/usr/bin/python3").exists()
}

#[test]
fn no_key_of_the_session_comes_along() {
    if !has_python() {
        eprintln!("skipped, because python3 is not installed");
        return;
    }
    let stage = Stage::new(&plan());
    // JOIN_SESSION_KEYRING is 1, SEARCH is 10, the session's keyring -3 (keyctl(2)). ENOKEY is 126.
    let inside = format!("{CALLS}print(call(KEYCTL, 10, -3, b'user', b'msb-probe', 0))");
    let launch = stage.command(&["python3", "-c", &inside]);
    let outside = format!(
        "{CALLS}
if call(KEYCTL, 1, None) < 0: print('none'); sys.exit()
assert call(ADD_KEY, b'user', b'msb-probe', b'x', 1, -3) > 0
assert call(KEYCTL, 10, -3, b'user', b'msb-probe', 0) > 0
os.execv(sys.argv[1], sys.argv[1:])
"
    );
    let mut command = Command::new("python3");
    command.args(["-c", &outside]).arg(launcher()).args(launch.get_args());
    match stdout(&command.output().expect("python3 starts")).as_str() {
        "none\n" => eprintln!("skipped, because this kernel has no keys"),
        found => assert_eq!(found, "-126\n"),
    }
}

#[test]
fn memory_that_was_writable_is_not_executed() {
    if !has_python() {
        eprintln!("skipped, because python3 is not installed");
        return;
    }
    // PR_GET_MDWE is 66, Linux 6.3. The library's own mprotect(2), of a page that is written first.
    let script = format!(
        "{CALLS}
area = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
area[0] = 1
place = ctypes.addressof(ctypes.c_char.from_buffer(area))
done = libc.mprotect(ctypes.c_void_p(place), 4096, 5)
print(call(PRCTL, 66, 0, 0, 0, 0), 0 if done == 0 else ctypes.get_errno())
"
    );
    let mut plan = plan();
    let run = |plan: &msb_plan::Plan<'_>| Stage::new(plan).command(&["python3", "-c", &script]).output();
    let without = stdout(&run(&plan).expect("starts"));
    if without.starts_with("-22") {
        eprintln!("skipped, because this kernel is older than 6.3");
        return;
    }
    assert_eq!(without, "0 0\n");
    plan.identity.write_execute_denied = Some(ORIGIN);
    assert_eq!(stdout(&run(&plan).expect("starts")), "1 13\n");
}

/// The sandbox's init holds the pipe to the launcher, and is of the same user as everything inside.
#[test]
fn nobody_looks_into_init() {
    let stage = Stage::new(&plan());
    let script = "cat /proc/1/environ /proc/1/maps; ls /proc/1/fd; readlink /proc/1/exe; echo asked";
    assert_eq!(stdout(&stage.shell(script)), "asked\n");
    if !has_python() {
        eprintln!("skipped, because python3 is not installed");
        return;
    }
    // PTRACE_SEIZE is 0x4206. EPERM is 1.
    let seize = format!("{CALLS}print(call(PTRACE, 0x4206, 1, 0, 0))");
    assert_eq!(stdout(&stage.command(&["python3", "-c", &seize]).output().expect("starts")), "-1\n");
}

/// Whatever the launcher was started with.
#[test]
fn the_mask_of_new_files_is_one() {
    for mask in ["000", "077", "022"] {
        let stage = Stage::new(&plan());
        let launch = stage.command(&["sh", "-c", "umask; touch f; mkdir d; stat -c %a f d"]);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("umask {mask}; exec \"$@\""), "sh"]);
        command.arg(launch.get_program()).args(launch.get_args());
        assert_eq!(stdout(&command.output().expect("starts")), "0022\n644\n755\n", "umask {mask}");
    }
}
