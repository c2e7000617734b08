//! What goes wrong around a launch ends it: no call that fails, no death of the launcher, no starvation leaves a weaker
//! sandbox, a process or anything else behind.
//!
//! `MSB_SOAK` multiplies the rounds, 1 where it is not set; `scripts/soak.sh` runs the long ones.

#[allow(dead_code, reason = "each test file uses a part")]
mod common;

use common::{ORIGIN, Stage, deny, launcher, plan, stdout, workspace};
use msb_plan::{Limit, Plan, Rights};
use rustix::fs::{FlockOperation::NonBlockingLockShared, flock};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often something is tried: `few` times as many as `MSB_SOAK` says.
fn rounds(few: u32) -> u32 {
    few * std::env::var("MSB_SOAK").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// The tests of this file look at the traces of every launcher, and a killed one leaves some: one runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Numbers that look random and are the same each time: xorshift64 of Marsaglia, "Xorshift RNGs".
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn confined() -> Plan<'static> {
    let mut plan = plan();
    plan.denies = vec![deny(workspace("secret"), Rights::ALL), deny(workspace("kept"), Rights::WRITE)];
    plan.limits.files = Some(Limit { value: 99, origin: ORIGIN });
    plan.limits.pids = Some(Limit { value: 50, origin: ORIGIN });
    plan.limits.memory_bytes = Some(Limit { value: 256 << 20, origin: ORIGIN });
    plan
}

fn stage() -> Stage {
    let stage = Stage::new(&confined());
    std::fs::write(stage.workspace.join("secret"), "canary").expect("a secret");
    std::fs::write(stage.workspace.join("kept"), "as it was").expect("a file");
    stage
}

/// Says how it is confined and tries what is denied. Any line may be missing where a call of its own fails; none may be
/// another than here.
///
/// Its own calls may be made to fail too: each line is one write of one process, and nothing is read from a pipe.
const PAYLOAD: &str = "grep -E '^(Seccomp|NoNewPrivs|Cap...|Uid):' /proc/self/status; cat secret; echo x > kept; \
    (ulimit -n); (ulimit -c); for n in mnt pid net ipc uts user cgroup time; do readlink /proc/self/ns/$n; done; \
    echo pid $$; ls /";

/// What a confined payload says, line by line.
fn expected(stage: &Stage) -> BTreeSet<String> {
    let output = stage.shell(PAYLOAD);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("Seccomp:\t2")
            && said.contains("NoNewPrivs:\t1")
            && said.contains("CapEff:\t0000000000000000")
    );
    assert!(said.contains("\n99\n0\n") && said.contains("pid 3"), "{said}");
    said.lines().filter(|line| !line.contains(":[")).map(str::to_owned).collect()
}

/// The namespaces that this test is in.
fn own_namespaces() -> BTreeSet<String> {
    let own = ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup", "time"].iter();
    own.map(|name| {
        let link = std::fs::read_link(format!("/proc/self/ns/{name}")).expect("a namespace");
        link.to_str().expect("UTF-8").to_owned()
    })
    .collect()
}

/// Waits for the end, and kills what does not come to one.
fn finish(mut child: Child, seconds_max: u64, what: &str) -> Output {
    let end = Instant::now() + Duration::from_secs(seconds_max);
    let mut stdout = child.stdout.take().expect("piped");
    let mut stderr = child.stderr.take().expect("piped");
    let out = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let error = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stderr.read_to_end(&mut bytes).map(|_| bytes)
    });
    let status = loop {
        if let Some(status) = child.try_wait().expect("waits") {
            break status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            panic!("{what}: it hangs");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    // Both end only when nobody holds the other ends any more.
    while !(out.is_finished() && error.is_finished()) {
        assert!(Instant::now() < end, "{what}: somebody survives");
        std::thread::sleep(Duration::from_millis(2));
    }
    let (stdout, stderr) =
        (out.join().expect("joins").expect("read"), error.join().expect("joins").expect("read"));
    Output { status, stdout, stderr }
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
}

/// Everything that a launch could leave: mounts and cgroups of the host, and what lies in the workspace.
fn traces(stage: &Stage) -> (usize, BTreeSet<String>, BTreeSet<String>) {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts").lines().count();
    let mut groups = BTreeSet::new();
    below(Path::new("/sys/fs/cgroup"), &mut groups);
    // Of launchers that have ended: others may run beside this test, and each holds its own locked.
    let left = |path: &String| {
        let is_launchers = path.rsplit('/').next().is_some_and(|name| {
            name.strip_prefix("msb-").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        });
        is_launchers
            && std::fs::File::open(path)
                .is_ok_and(|directory| flock(&directory, NonBlockingLockShared).is_ok())
    };
    let groups = groups.into_iter().filter(left).collect();
    let list = std::fs::read_dir(&stage.workspace).expect("a folder");
    let files =
        list.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    (mounts, groups, files)
}

/// Asserts that nothing is there that was not `before`. What somebody's killed launcher had left may be gone.
#[track_caller]
fn assert_left_nothing(stage: &Stage, before: &(usize, BTreeSet<String>, BTreeSet<String>)) {
    let after = traces(stage);
    assert_eq!((after.0, &after.2), (before.0, &before.2));
    assert!(after.1.is_subset(&before.1), "{:?}", after.1.difference(&before.1));
}

fn below(directory: &Path, into: &mut BTreeSet<String>) {
    let Ok(list) = std::fs::read_dir(directory) else { return };
    for entry in list.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        into.insert(entry.path().to_string_lossy().into_owned());
        below(&entry.path(), into);
    }
}

/// Calls without errors: their manual pages say so.
const CANNOT_FAIL: [&str; 9] =
    ["exit_group", "exit", "getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid"];

/// What a call can end with, for strace's injection.
const ERRORS: [&str; 10] =
    ["EPERM", "ENOMEM", "EINTR", "EINVAL", "ENOSYS", "EAGAIN", "EACCES", "EBUSY", "ENOSPC", "EMFILE"];

/// The outcomes of the call `name` that are tried: all in a long run, else four in turn of `round`. A write takes less
/// than it was given, and a read has come to an end.
fn outcomes(name: &str, round: usize) -> Vec<String> {
    let every = ERRORS.iter().map(|error| format!("error={error}"));
    let short: &[&str] = match name {
        "write" | "writev" | "pwrite64" => &["retval=0", "retval=1"],
        "sendto" | "sendmsg" => &["retval=0"],
        "read" | "readv" | "pread64" | "getdents64" | "recvmsg" | "recvfrom" => &["retval=0"],
        _ => &[],
    };
    let every: Vec<String> = every.chain(short.iter().map(|&short| short.to_owned())).collect();
    let count = if rounds(1) > 1 { every.len() } else { 4 };
    (0..count).filter_map(|n| every.get((round * 4 + n) % every.len()).cloned()).collect()
}

/// The calls of a launch, by name, and how often a process makes each.
fn calls(stage: &Stage) -> BTreeMap<String, u32> {
    let log = stage.dir.path().join("strace");
    let launch = stage.command(&["true"]);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(&log).arg(launch.get_program()).args(launch.get_args());
    assert!(finish(spawn(&mut command), 60, "strace").status.success());
    let mut counts: BTreeMap<(String, String), u32> = BTreeMap::new();
    let text = String::from_utf8_lossy(&std::fs::read(&log).expect("a log")).into_owned();
    for line in text.lines() {
        let Some((pid, call)) = line.split_once(' ') else { continue };
        let name: String =
            call.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if call.contains('(') && !name.is_empty() {
            *counts.entry((pid.to_owned(), name)).or_default() += 1;
        }
    }
    let mut most: BTreeMap<String, u32> = BTreeMap::new();
    for ((_, name), count) in counts {
        let most = most.entry(name).or_default();
        *most = count.max(*most);
    }
    most
}

/// Each call of the launcher, of the sandbox's init and of the command fails in turn, by strace's injection.
#[test]
fn every_call_that_fails_ends_in_a_refusal_or_changes_nothing() {
    if !Path::new("/usr/bin/strace").exists() {
        eprintln!("skipped, because strace is not installed");
        return;
    }
    let _alone = alone();
    let stage = stage();
    let (right, own) = (expected(&stage), own_namespaces());
    let before = traces(&stage);
    let calls = calls(&stage);
    assert!(
        calls.len() > 40 && calls.contains_key("clone3") && calls.contains_key("pivot_root"),
        "{calls:?}"
    );
    let (mut refused, mut tried, mut wrongs) = (0, 0, Vec::new());
    // Some of many calls of a kind in a short run, all of them in a long one.
    let few = if rounds(1) > 1 { u32::MAX } else { 3 };
    for (name, count) in calls {
        for when in (1..=count).filter(|when| *when <= few || when % 11 == 0) {
            // The first execve is strace's own start of the launcher. A close that fails closes all the same (close(2)),
            // which injection, that leaves the call out, cannot show.
            if (name == "execve" && when == 1) || CANNOT_FAIL.contains(&name.as_str()) || name == "close" {
                continue;
            }
            tried += 1;
            for outcome in outcomes(&name, tried) {
                let launch = stage.command(&["sh", "-c", PAYLOAD]);
                let mut command = Command::new("strace");
                command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={name}"), "-e"]);
                command.arg(format!("inject={name}:{outcome}:when={when}"));
                command.arg(launch.get_program()).args(launch.get_args());
                let what = format!("{name} number {when} ends with {outcome}");
                let output = finish(spawn(&mut command), 60, &what);
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                let error = String::from_utf8_lossy(&output.stderr).into_owned();
                let other = |line: &&str| {
                    if line.contains(":[") { own.contains(*line) } else { !right.contains(*line) }
                };
                let mut wrong = |why: &str| wrongs.push(format!("{what}: {why}\n{said}\n{error}"));
                if let Some(line) = said.lines().find(other) {
                    wrong(&format!("{line:?}"));
                }
                if output.status.code() == Some(125) {
                    refused += 1;
                    if !said.is_empty() {
                        wrong("refused, and yet it ran");
                    }
                    // The message may be the write that fails.
                    if !error.contains("msb-launch: ") && !name.contains("write") {
                        wrong("refused without a word");
                    }
                }
                let kept = std::fs::read(stage.workspace.join("kept")).expect("kept");
                if kept != b"as it was" {
                    wrong("a denied file was written");
                }
            }
        }
    }
    assert!(wrongs.is_empty(), "{} wrong:\n{}", wrongs.len(), wrongs.join("\n"));
    assert!(refused > 50, "only {refused} refusals: was anything injected?");
    // A cgroup that could not be removed is removed by the next run that lasts a moment.
    stdout(&stage.shell("sleep 0.1"));
    assert_left_nothing(&stage, &before);
}

/// The launcher is killed at any moment of a launch; whoever is inside ends with it.
#[test]
fn nobody_survives_the_launcher() {
    let _alone = alone();
    let stage = stage();
    let before = traces(&stage);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut started = 0;
    for round in 0..rounds(200) {
        let script = "echo started; (setsid sleep 1000 &) ; sleep 1000";
        let mut child = spawn(&mut stage.command(&["sh", "-c", script]));
        // A launch takes some milliseconds; most deaths fall into it.
        std::thread::sleep(Duration::from_micros(numbers.below(6000)));
        child.kill().expect("killed");
        let output = finish(child, 20, &format!("round {round}"));
        started += u32::from(!output.stdout.is_empty());
    }
    eprintln!("{started} of {} commands had started", rounds(200));
    // What a killed launcher left of cgroups is removed by the next run that lasts a moment.
    stdout(&stage.shell("sleep 0.1"));
    assert_left_nothing(&stage, &before);
}

#[test]
fn many_launches_leave_nothing() {
    let _alone = alone();
    let stage = stage();
    let descriptors = || std::fs::read_dir("/proc/self/fd").expect("a folder").count();
    stdout(&stage.shell("true"));
    let before = traces(&stage);
    let open = descriptors();
    for round in 0..rounds(200) {
        let status = if round % 10 == 9 { "exit 3" } else { "(sleep 1000 &)" };
        let output = finish(spawn(&mut stage.command(&["sh", "-c", status])), 30, "a launch");
        assert_eq!(output.status.code(), Some(if round % 10 == 9 { 3 } else { 0 }), "{output:?}");
    }
    assert_left_nothing(&stage, &before);
    assert_eq!(descriptors(), open);
    // No child of a launcher became this process's or anybody's: every one was waited for. Who is waited for just now, by
    // another test, is gone a moment later.
    let own = format!("PPid:\t{}", std::process::id());
    let zombies = || -> BTreeSet<std::ffi::OsString> {
        let dead = |entry: &std::fs::DirEntry| {
            let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            status.contains("State:\tZ") && (status.contains(&own) || status.contains("Name:\tmsb-launch"))
        };
        let entries = std::fs::read_dir("/proc").expect("a folder").flatten();
        entries.filter(dead).map(|entry| entry.file_name()).collect()
    };
    let mut lasting = zombies();
    for _ in 0..50 {
        if lasting.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        let still = zombies();
        lasting.retain(|pid| still.contains(pid));
    }
    assert_eq!(lasting, BTreeSet::new());
}

/// Fifty at once: each ends as it should, and they leave nothing.
#[test]
fn fifty_at_once() {
    let _alone = alone();
    let stage = stage();
    let before = traces(&stage);
    let children: Vec<Child> =
        (0..50).map(|code| spawn(&mut stage.command(&["sh", "-c", &format!("exit {code}")]))).collect();
    for (code, child) in (0..).zip(children) {
        assert_eq!(finish(child, 60, "one of fifty").status.code(), Some(code));
    }
    assert_left_nothing(&stage, &before);
}

/// With too few descriptors, processes or bytes of memory it is refused, or all of it is there.
#[test]
fn starvation_is_a_refusal() {
    let _alone = alone();
    let stage = stage();
    let right = expected(&stage);
    let before = traces(&stage);
    let launch = stage.command(&["sh", "-c", PAYLOAD]);
    let words: Vec<String> = launch
        .get_args()
        .map(|word| format!("'{}'", word.to_str().expect("UTF-8").replace('\'', "'\\''")))
        .collect();
    let limits = (3..70).map(|n| format!("-n {n}"));
    let limits =
        limits.chain((0..30).map(|n| format!("-u {n}"))).chain((8..40).map(|n| format!("-v {}", n * 2048)));
    let (mut refused, mut ran) = (0, 0);
    for limit in limits {
        let script = format!("ulimit {limit} && exec '{}' {}", launcher().display(), words.join(" "));
        let output = finish(spawn(Command::new("bash").args(["-c", &script])), 60, &limit);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        for line in said.lines().filter(|line| !line.contains(":[") && !line.starts_with("files")) {
            assert!(right.contains(line), "{limit}: {line:?} in\n{said}");
        }
        if said.is_empty() {
            refused += 1;
            assert_ne!(output.status.code(), Some(0), "{limit}");
        } else {
            ran += 1;
        }
    }
    assert!(refused > 20 && ran > 5, "{refused} refused, {ran} ran");
    stdout(&stage.shell("true"));
    assert_left_nothing(&stage, &before);
}

/// A plan of which any byte differs is refused before anything is done for it.
#[test]
fn mutated_plans_are_refused_whole() {
    let _alone = alone();
    let stage = stage();
    let whole = msb_plan::encode(&confined()).expect("a plan");
    let file = stage.dir.path().join("mutated");
    let before = traces(&stage);
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    for round in 0..rounds(500) {
        let mut bytes = whole.clone();
        let at = |numbers: &mut Numbers, bytes: &[u8]| {
            usize::try_from(numbers.below(bytes.len() as u64)).expect("small")
        };
        for _ in 0..=numbers.below(3) {
            if bytes.is_empty() {
                break;
            }
            let place = at(&mut numbers, &bytes);
            match numbers.below(5) {
                0 => bytes[place] ^= 1 << numbers.below(8),
                1 => bytes[place] = u8::try_from(numbers.below(256)).expect("a byte"),
                2 => bytes.truncate(place.max(1)),
                3 => bytes.insert(place, 0),
                _ => drop(bytes.remove(place)),
            }
        }
        if bytes == whole {
            continue;
        }
        // Every second one has a right checksum, so that it is the decoder that must refuse it, or it is another plan.
        let framed = round % 2 == 1 && bytes.len() > msb_plan::HEADER_BYTES;
        if framed {
            let (header, body) = bytes.split_at_mut(msb_plan::HEADER_BYTES);
            header[..8].copy_from_slice(&whole[..8]);
            header[8..12].copy_from_slice(&u32::try_from(body.len()).expect("small").to_le_bytes());
            header[12..].copy_from_slice(&msb_plan::checksum(body));
            if msb_plan::decode(&bytes).is_ok() {
                continue;
            }
        }
        std::fs::write(&file, &bytes).expect("a file");
        let mut command = Command::new(launcher());
        command.arg(&file).arg("--set").arg(format!("workspace={}", stage.workspace.display()));
        let output = command.args(["--", "echo", "ran"]).output().expect("starts");
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(125), b"".as_slice()),
            "round {round}"
        );
    }
    assert_left_nothing(&stage, &before);
}
