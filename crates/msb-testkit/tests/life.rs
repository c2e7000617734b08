//! Life and death of a sandbox that has everything a policy can ask for: searches with placeholders, a gateway with
//! published ports, a private terminal, counted output, own file systems and every limit. Killed at any moment, launched
//! again and again, starved, with each of its calls failing: nothing is left, and nothing is weaker.
//!
//! `MSB_SOAK` multiplies the rounds, and `MSB_SEED` makes other numbers of them; `scripts/soak.sh` runs the long ones.

use msb_testkit::{Account, Ended, Need, Workspace, accounts, finish_with_file, has, skip, wait_until};
use nix::fcntl::{Flock, FlockArg};
use nix::pty::openpty;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const POLICY: &str = r#"edition 2026
policy everything(workspace: dir) {
  include std.base
  include std.workspace(root: $workspace)
  fs {
    write $workspace at /work
    scratch /scratch          size 16MiB inodes 200
    overlay /usr/share/misc   size 4MiB inodes 100
    deny $workspace/secret
    deny write $workspace/kept
    deny read $workspace/**/.env  missing mask enforce snapshot depth 2
  }
  net {
    allow https "a.example.org"
    allow http "b.example.org" only GET
    allow tcp 192.0.2.1:9000
    listen tcp host:0 at 3000, tcp 127.0.0.2:0 at 8443
  }
  limits { memory 256MiB  pids 40  cpu 100%  files 99  output 16MiB  fsize 64MiB  cpu_time 30s  wall 1min }
  exec { tty private  cwd /work }
}
"#;

/// Says how it is confined and tries what is denied: each line is one write of one process.
const PAYLOAD: &str = "grep -E '^(Seccomp|NoNewPrivs|Cap...|Uid):' /proc/self/status; cat secret; cat sub/.env; \
    (echo x > kept) 2>/dev/null; (echo x > sub/.git/x) 2>/dev/null; (echo x > .npmrc) 2>/dev/null; \
    (ulimit -n); (ulimit -c); for n in mnt pid net ipc uts user cgroup time; do readlink /proc/self/ns/$n; done; \
    readlink /proc/self/fd/0; ls /; ls /sys /home /root 2>/dev/null; exit 0";

const SECONDS_MAX: u64 = 60;

/// How often something is tried: `few` times as many as `MSB_SOAK` says.
fn rounds(few: u32) -> u32 {
    few * soak()
}

fn soak() -> u32 {
    std::env::var("MSB_SOAK").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// Numbers that look random and are the same each time: xorshift64 of Marsaglia, "Xorshift RNGs".
struct Numbers(u64);

impl Numbers {
    fn new() -> Numbers {
        let seed: u64 = std::env::var("MSB_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
        Numbers(0x9e37_79b9_7f4a_7c15 ^ (seed << 32))
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a length")
    }
}

/// A compiled policy and its workspace. One test at a time has any: each looks at all children of this process.
struct Life {
    workspace: Workspace,
    plan: PathBuf,
    /// What the workspace holds, as it has to stay.
    files: BTreeSet<String>,
    _alone: MutexGuard<'static, ()>,
}

impl Life {
    fn new(account: Account) -> Life {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever is left of a launch becomes a child of this process.
        set_child_subreaper(true).expect("a subreaper");
        let workspace = Workspace::new(account);
        for (file, content) in
            [("secret", "canary"), ("kept", "as it was"), ("sub/.git/HEAD", ""), ("sub/.env", "canary")]
        {
            workspace.write(&format!("work/{file}"), content.as_bytes());
        }
        workspace.own();
        let plan = workspace.compile(POLICY);
        let files = files(&workspace);
        Life { workspace, plan, files, _alone: alone }
    }

    /// The launcher's words for `script`.
    fn words(&self, script: &str) -> Vec<String> {
        let command = self.workspace.launch(&self.plan, ["sh", "-c", script]);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_str().expect("UTF-8").to_owned()).collect()
    }

    /// Runs `words` with a terminal as standard input.
    fn run(&self, words: &[String]) -> Ended {
        let pty = openpty(None, None).expect("a terminal");
        let [program, arguments @ ..] = words else { panic!("a program") };
        let mut command = self.workspace.command(program);
        command.args(arguments);
        finish_with_file(&mut command, File::from(pty.slave), SECONDS_MAX)
    }

    /// What a payload that is confined as it should be says, line by line, namespaces apart.
    fn expected(&self) -> BTreeSet<String> {
        let ended = self.run(&self.words(PAYLOAD));
        let said = ended.out();
        for line in [
            "Seccomp:\t2",
            "NoNewPrivs:\t1",
            "CapEff:\t0000000000000000",
            "\n99\n0\n",
            "/dev/pts/0",
            "scratch",
        ] {
            assert!(said.contains(line), "{line} is not in\n{said}\n{}", ended.err());
        }
        assert!(!said.contains("canary"), "{said}");
        said.lines().filter(|line| !line.contains(":[")).map(str::to_owned).collect()
    }

    /// Waits until no process of a launch is there any more.
    #[track_caller]
    fn expect_nobody(&self, what: &str) {
        let gone = wait_until(Duration::from_secs(20), || {
            loop {
                match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                    Ok(WaitStatus::StillAlive) => return None,
                    Ok(_) => {}
                    Err(_) => return Some(()),
                }
            }
        });
        assert!(gone.is_some(), "{what}: somebody survives:\n{}", children());
    }

    /// Asserts that nothing is left of what launches made in the workspace: those of a killed one are the next one's to
    /// remove.
    #[track_caller]
    fn expect_clean(&self) {
        let ended = self.run(&self.words("sleep 0.1"));
        assert_eq!(ended.code(), 0, "{}", ended.err());
        assert_eq!(files(&self.workspace), self.files);
        assert_eq!(fs::read(self.workspace.join("kept")).expect("kept"), b"as it was");
    }
}

fn files(workspace: &Workspace) -> BTreeSet<String> {
    fn below(directory: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            found.insert(entry.path().display().to_string());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                below(&entry.path(), found);
            }
        }
    }
    let mut found = BTreeSet::new();
    below(&workspace.path(), &mut found);
    found
}

fn children() -> String {
    let own = std::process::id();
    let shown = msb_testkit::descendants(own).into_iter().map(|pid| {
        let file = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        format!(
            "{pid} {} {}",
            String::from_utf8_lossy(&file("cmdline")),
            String::from_utf8_lossy(&file("wchan"))
        )
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// The launcher is killed at any moment; everybody ends with it, and the next launch finds its way.
#[test]
fn all_of_it_dies_with_the_launcher() {
    for account in accounts() {
        let life = Life::new(account);
        let right = life.expected();
        let words = life.words("echo started; (setsid sleep 1000 &) ; sleep 1000");
        let begin = || {
            let pty = openpty(None, None).expect("a terminal");
            let mut command = life.workspace.command(&words[0]);
            command.args(&words[1..]).stdin(File::from(pty.slave));
            command.stdout(Stdio::piped()).stderr(Stdio::null());
            (command.spawn().expect("starts"), pty.master)
        };
        let end = |(mut child, _terminal): (Child, OwnedFd), round: &str| {
            child.kill().expect("killed");
            child.wait().expect("reaped");
            life.expect_nobody(round);
            let length = child.stdout.take().expect("piped").read(&mut [0; 8]);
            length.is_ok_and(|length| length > 0)
        };
        // As long as a launch takes here, so that about half of the kills come before the command.
        let (clock, mut first) = (Instant::now(), begin());
        first.0.stdout.as_mut().expect("piped").read_exact(&mut [0; 8]).expect("started");
        let launch_us = u64::try_from(clock.elapsed().as_micros()).expect("not for ages");
        end(first, "the first");
        let mut numbers = Numbers::new();
        let mut started = 0;
        for round in 0..rounds(60) {
            let child = begin();
            std::thread::sleep(Duration::from_micros(numbers.below(2 * launch_us)));
            started += u32::from(end(child, &format!("round {round}")));
        }
        eprintln!("{started} of {} commands had started", rounds(60));
        assert!(started > 0 && started < rounds(60), "{started}: every moment is meant");
        let ended = life.run(&life.words(PAYLOAD));
        let said = ended.out();
        assert!(
            said.lines().all(|line| line.contains(":[") || right.contains(line)),
            "{said}\n{}",
            ended.err()
        );
        life.expect_clean();
    }
}

/// What launches could leave on the host.
#[derive(Debug, PartialEq, Eq)]
struct Host {
    mounts: usize,
    descriptors: usize,
}

impl Host {
    fn look() -> Host {
        Host {
            mounts: fs::read_to_string("/proc/self/mountinfo").expect("mounts").lines().count(),
            descriptors: fs::read_dir("/proc/self/fd").expect("a folder").count(),
        }
    }
}

/// The cgroups of launchers that have ended, beside this process: a living one holds its own locked.
fn cgroups_left() -> Vec<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut found = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let group = Path::new("/sys/fs/cgroup").join(controllers).join(path.trim_start_matches('/'));
        for entry in fs::read_dir(group).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("msb-")).unwrap_or_default();
            let is_free = |directory: File| Flock::lock(directory, FlockArg::LockSharedNonblock).is_ok();
            if number.starts_with(|c: char| c.is_ascii_digit()) && File::open(entry.path()).is_ok_and(is_free)
            {
                found.push(entry.path());
            }
        }
    }
    found
}

/// Objects of the kernel of which each launch makes one or more, by their caches (slabinfo(5)): empty where this may not be
/// read.
fn kernel_objects() -> BTreeMap<String, u64> {
    const CACHES: [&str; 5] =
        ["net_namespace", "pid_namespace", "mnt_cache", "user_namespace", "shmem_inode_cache"];
    // What was freed a grace period of RCU ago is counted until then.
    let text = fs::read_to_string("/proc/slabinfo").unwrap_or_default();
    let counts = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (name, active) = (words.next()?, words.next()?.parse().ok()?);
        CACHES.contains(&name).then(|| (name.to_owned(), active))
    });
    counts.collect()
}

/// Keys of the session keyrings of every user (keyrings(7)).
fn keys() -> usize {
    fs::read_to_string("/proc/keys").unwrap_or_default().lines().filter(|line| line.contains("msb")).count()
}

#[test]
fn launches_leave_nothing() {
    for account in accounts() {
        let life = Life::new(account);
        let words =
            life.words("(setsid sleep 1000 &) ; echo x > /scratch/x; echo x > /usr/share/misc/x; exit 3");
        life.run(&words);
        let (before, objects, keys_before) = (Host::look(), kernel_objects(), keys());
        for round in 0..rounds(30) {
            let ended = life.run(&words);
            assert_eq!(ended.code(), 3, "round {round}: {}", ended.err());
            life.expect_nobody(&format!("round {round}"));
            assert_eq!(files(&life.workspace), life.files, "round {round}");
        }
        life.expect_clean();
        let after = Host::look();
        assert_eq!((after.mounts, after.descriptors), (before.mounts, before.descriptors));
        // Others launch beside this test, and one that is killed leaves its own for the next.
        let swept = wait_until(Duration::from_secs(10), || {
            life.run(&life.words("sleep 0.1"));
            cgroups_left().is_empty().then_some(())
        });
        assert!(swept.is_some(), "{:?}", cgroups_left());
        assert!(keys() <= keys_before, "{} keys, and {keys_before} before", keys());
        // Others use the kernel meanwhile: only what grows with the launches is theirs.
        if rounds(1) >= 10 {
            let most = u64::from(rounds(30) / 3);
            let grown = wait_until(Duration::from_secs(30), || {
                let grown: BTreeMap<_, _> = kernel_objects()
                    .into_iter()
                    .map(|(name, count)| {
                        (name.clone(), count.saturating_sub(objects.get(&name).copied().unwrap_or(0)))
                    })
                    .filter(|(_, more)| *more > most)
                    .collect();
                grown.is_empty().then_some(())
            });
            assert!(grown.is_some(), "before: {objects:?}\nafter: {:?}", kernel_objects());
        }
    }
}

/// A run with these `limits` of the shell's: refused, or with all of its walls.
fn starve(life: &Life, right: &BTreeSet<String>, limit: &str) -> Ended {
    let words: Vec<String> =
        life.words(PAYLOAD).iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
    let script = format!("ulimit {limit} && exec {}", words.join(" "));
    let ended = life.run(&["bash".to_owned(), "-c".to_owned(), script]);
    let said = ended.out();
    for line in said.lines().filter(|line| !line.contains(":[")) {
        assert!(right.contains(line) || limit.starts_with("-n"), "{limit}: {line:?} in\n{said}");
    }
    assert!(!said.contains("canary"), "{said}");
    assert!(!said.is_empty() || ended.code() != 0, "{limit}: neither ran nor refused: {}", ended.err());
    life.expect_nobody(limit);
    ended
}

/// With too few descriptors, processes or bytes of memory it is refused, or all of it is there.
#[test]
fn starvation_of_any_kind_is_a_refusal() {
    for account in accounts() {
        let life = Life::new(account);
        let right = life.expected();
        let step = if soak() > 1 { 1 } else { 4 };
        let limits = (3..60).step_by(step).map(|n| format!("-n {n}"));
        let limits = limits.chain((0..30).step_by(step).map(|n| format!("-u {n}")));
        let limits = limits.chain(["-n 512", "-n 1024", "-u 200", "-v 100000"].map(str::to_owned));
        let limits = limits.chain((4..40).step_by(step).map(|n| format!("-v {}", n * 256)));
        let (mut refused, mut ran) = (0, 0);
        for limit in limits {
            let ended = starve(&life, &right, &limit);
            if ended.out().is_empty() { refused += 1 } else { ran += 1 }
        }
        assert!(refused > 10 && ran > 3, "{refused} refused, {ran} ran");
        life.expect_clean();
    }
}

/// Calls without errors, as their manual pages say, and close(2), which closes when it fails.
const CANNOT_FAIL: [&str; 10] =
    ["exit_group", "exit", "getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "close"];

/// What a call can end with, for strace's injection.
const ERRORS: [&str; 10] =
    ["EPERM", "ENOMEM", "EINTR", "EINVAL", "ENOSYS", "EAGAIN", "EACCES", "EBUSY", "ENOSPC", "EMFILE"];

/// The calls of a launch with strace, by name, and how often a process makes each.
fn calls(life: &Life) -> BTreeMap<String, u32> {
    let log = life.workspace.base().join("home/strace");
    let mut words: Vec<String> = ["strace", "-f", "-qq", "-o"].map(str::to_owned).into();
    words.push(log.display().to_string());
    words.extend(life.words("true"));
    assert_eq!(life.run(&words).code(), 0);
    let mut counts: BTreeMap<(String, String), u32> = BTreeMap::new();
    for line in String::from_utf8_lossy(&fs::read(&log).expect("a log")).lines() {
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

/// What `name` is made to end with: its errors, and for who reads or writes less than all.
fn outcomes(name: &str) -> Vec<String> {
    let short: &[&str] = match name {
        "write" | "writev" | "pwrite64" => &["retval=0", "retval=1"],
        "read" | "readv" | "pread64" | "sendto" | "sendmsg" | "getdents64" | "recvmsg" | "recvfrom"
        | "ppoll" | "poll" | "epoll_wait" | "epoll_pwait" => &["retval=0"],
        _ => &[],
    };
    let errors = ERRORS.iter().map(|error| format!("error={error}"));
    errors.chain(short.iter().map(|&short| short.to_owned())).collect()
}

/// Each call of the launcher, the gateway, the sandbox's init and the command fails, by strace's injection: some of them in
/// a short run, all in a long one.
#[test]
fn every_call_of_all_that_fails_changes_nothing() {
    if !has("strace") {
        skip(Need::Strace, "strace is not installed");
        return;
    }
    for account in accounts() {
        let life = Life::new(account);
        let right = life.expected();
        let own: BTreeSet<String> = ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup", "time"]
            .map(|name| {
                fs::read_link(format!("/proc/self/ns/{name}")).expect("a namespace").display().to_string()
            })
            .into();
        let calls = calls(&life);
        for name in ["clone3", "pivot_root", "openat2", "getdents64", "setsockopt", "recvmsg", "ioctl"] {
            assert!(calls.contains_key(name), "{name} is not among {calls:?}");
        }
        let mut cases = Vec::new();
        for (name, count) in calls.iter().filter(|(name, _)| !CANNOT_FAIL.contains(&name.as_str())) {
            // The first execve is strace's own start of the launcher.
            for when in (if name == "execve" { 2 } else { 1 })..=*count {
                cases.extend(outcomes(name).into_iter().map(|outcome| (name.as_str(), when, outcome)));
            }
        }
        let mut numbers = Numbers::new();
        let few = usize::try_from(rounds(60)).expect("small").min(cases.len());
        let (mut refused, mut wrongs) = (0, Vec::new());
        for _ in 0..few {
            let (name, when, outcome) = cases.swap_remove(numbers.index(cases.len()));
            let what = format!("{name} number {when} ends with {outcome}");
            let mut words: Vec<String> =
                ["strace", "-f", "-qq", "-o", "/dev/null", "-e"].map(str::to_owned).into();
            words.extend([
                format!("trace={name}"),
                "-e".into(),
                format!("inject={name}:{outcome}:when={when}"),
            ]);
            words.extend(life.words(PAYLOAD));
            let ended = life.run(&words);
            let said = ended.out();
            // A terminal that cannot be relayed is hung up.
            let other = |line: &&str| match *line {
                "/dev/pts/0 (deleted)" => false,
                line if line.contains(":[") => own.contains(line),
                line => !right.contains(line),
            };
            let mut wrong = |why: &str| wrongs.push(format!("{what}: {why}\n{said}\n{}", ended.err()));
            if let Some(line) = said.lines().find(other) {
                wrong(&format!("{line:?}"));
            }
            if said.contains("canary") || fs::read(life.workspace.join("kept")).expect("kept") != b"as it was"
            {
                wrong("what is denied was read or written");
            }
            if ended.code() == 125 {
                refused += 1;
                if !said.is_empty() {
                    wrong("refused, and yet it ran");
                }
                // The message may be the write that fails.
                if !ended.err().contains("msb-") && !name.contains("write") {
                    wrong("refused without a word");
                }
            }
            life.expect_nobody(&what);
        }
        assert!(wrongs.is_empty(), "{} wrong:\n{}", wrongs.len(), wrongs.join("\n"));
        assert!(refused > 10, "only {refused} refusals: was anything injected?");
        life.expect_clean();
    }
}

/// A plan of which any byte differs is refused, or it is another plan that holds: nothing hangs, nothing is left.
#[test]
fn mutated_plans_of_everything_are_refused() {
    for account in accounts() {
        let life = Life::new(account);
        let whole = fs::read(&life.plan).expect("a plan");
        let before = Host::look();
        let mut numbers = Numbers::new();
        let (mut framed, mut other) = (0, 0);
        for round in 0..rounds(300) {
            let mut bytes = whole.clone();
            for _ in 0..=numbers.below(3) {
                let place = numbers.index(bytes.len().max(1));
                match (numbers.below(5), bytes.get_mut(place)) {
                    (0, Some(byte)) => *byte ^= 1 << numbers.below(8),
                    (1, Some(byte)) => *byte = u8::try_from(numbers.below(256)).expect("a byte"),
                    (2, _) => bytes.truncate(place.max(1)),
                    (3, _) => bytes.insert(place, 0),
                    (_, Some(_)) => drop(bytes.remove(place)),
                    (_, None) => {}
                }
            }
            if bytes == whole {
                continue;
            }
            // Most have a right checksum, so that it is the decoder that must refuse them, or they are other plans.
            if numbers.below(4) > 0 && bytes.len() > msb_plan::HEADER_BYTES {
                framed += 1;
                let (header, body) = bytes.split_at_mut(msb_plan::HEADER_BYTES);
                header[..8].copy_from_slice(&whole[..8]);
                header[8..12].copy_from_slice(&u32::try_from(body.len()).expect("small").to_le_bytes());
                header[12..].copy_from_slice(&msb_plan::checksum(body));
            }
            let is_plan = msb_plan::decode(&bytes).is_ok();
            other += u32::from(is_plan);
            // What another plan would have root do is anybody's guess.
            if is_plan && account.is_root() {
                continue;
            }
            fs::write(&life.plan, &bytes).expect("a file");
            // Another plan may take long to launch, or be for another machine.
            let ended = life.run(&life.words("true"));
            assert!(is_plan || ended.code() == 125, "round {round}: {} {}", ended.code(), ended.err());
            if is_plan {
                life.expect_nobody(&format!("round {round}"));
            }
        }
        assert!(framed > 0 && other > 0, "{framed} with a right checksum, {other} plans");
        assert_eq!(Host::look().descriptors, before.descriptors);
    }
}
