//! Tests of what needs no sandbox.

extern crate std;

use crate::arguments::{self, Arguments, Request};
use crate::deny::{Denial, merge};
use crate::fail::{Failed, refusal};
use crate::files::{decimal, number};
use crate::message::Message;
use crate::parent::{exit_of_failure, exit_of_status};
use crate::path::{ancestors, below, join, sort_by, split};
use crate::placeholders::{Kind, hand_over};
use crate::prepare::kernel;
use crate::text::Value;
use alloc::vec::Vec;
use core::ffi::CStr;
use msb_plan::event::{Event, Failure, LimitKind, Step};
use msb_plan::{OriginId, Rights};
use rustix::io::Errno;

#[test]
fn command_line_is_read_word_by_word() {
    let words = [c"plan.bin", c"--set", c"a=b=c", c"--report-fd", c"9", c"--", c"--set", c"x"];
    let expected = Arguments {
        plan: c"plan.bin",
        set: Vec::from([(b"a".as_slice(), c"b=c")]),
        report_fd: Some(9),
        command: &[c"--set", c"x"],
        ..Arguments::default()
    };
    assert_eq!(arguments::parse(&words), Ok(Request::Launch(expected)));
    let short = arguments::parse(&[c"--set", c"n=", c"plan", c"sh", c"-c", c"--help"]);
    let Ok(Request::Launch(short)) = short else { panic!("{short:?}") };
    assert_eq!((short.plan, short.set.as_slice()), (c"plan", [(b"n".as_slice(), c"")].as_slice()));
    assert_eq!(short.command, [c"sh", c"-c", c"--help"]);
}

#[test]
fn bad_command_lines_are_refused() {
    let cases: [&[&CStr]; 8] = [
        &[],
        &[c"--"],
        &[c"plan", c"--set"],
        &[c"plan", c"--set", c"novalue"],
        &[c"plan", c"--report-fd", c"1"],
        &[c"plan", c"--report-fd", c"x"],
        &[c"plan", c"--unknown", c"sh"],
        &[c"-x", c"plan"],
    ];
    for words in cases {
        assert_eq!(arguments::parse(words), Err(refusal(Step::Usage, None)), "{words:?}");
    }
}

#[test]
fn paths_are_compared_by_component() {
    type Case = (&'static [u8], &'static [u8], Option<&'static [u8]>);
    let cases: [Case; 8] = [
        (b"/a/b", b"/a", Some(b"b")),
        (b"/a", b"/a", Some(b"")),
        (b"/ab", b"/a", None),
        (b"/a", b"/", Some(b"a")),
        (b"/", b"/", Some(b"")),
        (b"a/b", b"", Some(b"a/b")),
        (b"a/bc", b"a/b", None),
        (b"/a", b"/a/b", None),
    ];
    for (path, base, expected) in cases {
        assert_eq!(below(path, base), expected, "{path:?} {base:?}");
    }
    assert_eq!(join(b"/", b"a"), b"/a");
    assert_eq!(join(b"", b"a"), b"a");
    assert_eq!(join(b"/a", b""), b"/a");
    assert_eq!(
        (split(b"a/b/c"), split(b"/a"), split(b"a")),
        (
            (b"a/b".as_slice(), b"c".as_slice()),
            (b"/".as_slice(), b"a".as_slice()),
            (b"".as_slice(), b"a".as_slice())
        )
    );
    assert_eq!(ancestors(b"a/b/c").collect::<Vec<_>>(), [b"a".as_slice(), b"a/b"]);
}

#[test]
fn numbers_of_the_kernel_are_read_and_written() {
    assert_eq!(decimal(b"x-", 4096), b"x-4096");
    assert_eq!(decimal(b"", 0), b"0");
    assert_eq!((number(b" 12\n"), number(b"max"), number(b"7 8")), (Some(12), None, Some(7)));
    assert_eq!((kernel(b"6.1.0-18-amd64"), kernel(b"5.12"), kernel(b"odd")), ((6, 1), (5, 12), (0, 0)));
}

#[test]
fn records_of_the_init_survive_the_pipe() {
    for (index, step) in Step::ALL.iter().enumerate() {
        let origin = (index % 2 == 0).then_some(OriginId(7));
        let failure = Failure { step: *step, origin, errno: 13 };
        let message = Message::Failed(failure.into());
        assert_eq!(Message::decode(message.encode()), Some(message));
        assert_eq!(Failure::from(Failed::from(failure)), failure);
    }
    assert_eq!(Message::decode(Message::Ended(-3).encode()), Some(Message::Ended(-3)));
    let published = Message::Published { index: 63, port: 0xabcd };
    assert_eq!(Message::decode(published.encode()), Some(published));
    assert_eq!(Message::decode([0; 8]), None);
    assert_eq!(Message::decode([1, 0, 0, 0, 0, 0, 0, 0]), None);
    assert_eq!(Message::decode([1, 0, 0, 0, 0, 0, 0, 255]), None);
}

/// The memory of a launch stays (`path::Bytes`); what goes on for as long as the sandbox runs would take all there is.
#[test]
fn what_goes_on_gives_back_what_it_takes() {
    let files = [
        ("init.rs", include_str!("init.rs")),
        ("parent.rs", include_str!("parent.rs")),
        ("sockets.rs", include_str!("sockets.rs")),
        ("watch.rs", include_str!("watch.rs")),
    ];
    for (file, text) in files {
        for kept in ["numbered(", "c_string(", "concat(&", " join(", "keep(", ".leak()"] {
            assert!(!text.contains(kept), "{file}: {kept}");
        }
    }
}

#[test]
fn wait_status_becomes_an_exit_code() {
    assert_eq!(
        (exit_of_status(0), exit_of_status(42 << 8), exit_of_status(9), exit_of_status(0x8b)),
        (0, 42, 137, 139)
    );
}

#[test]
fn failures_become_exit_codes() {
    let code = |step, errno| exit_of_failure(&Failure { step, origin: None, errno });
    assert_eq!((code(Step::Exec, 2), code(Step::Exec, 13), code(Step::Exec, 0)), (127, 126, 126));
    for step in Step::ALL.iter().filter(|step| **step != Step::Exec) {
        assert_eq!((code(*step, 0), code(*step, 2), code(*step, 133)), (125, 125, 125));
    }
}

#[test]
fn short_lists_are_sorted() {
    let mut list = [5, 3, 9, 1, 1, 7];
    sort_by(&mut list, |a, b| a < b);
    assert_eq!(list, [1, 1, 3, 5, 7, 9]);
}

#[test]
fn denials_come_parents_first() {
    let denial =
        |inside, rights, create| Denial { inside, rights, pins_below: None, create, origin: OriginId(0) };
    let mut list = Vec::from([
        denial(b"a/b".as_slice(), Rights::WRITE, None),
        denial(b"a", Rights::RUN, Some(Kind::File)),
        denial(b"a/a", Rights::WRITE, None),
        denial(b"a/b", Rights::READ, None),
    ]);
    merge(&mut list);
    let found: Vec<_> = list.iter().map(|denial| (denial.inside, denial.rights)).collect();
    let both = Rights::READ.union(Rights::WRITE);
    assert_eq!(found, [(b"a".as_slice(), Rights::RUN), (b"a/a", Rights::WRITE), (b"a/b", both)]);
}

#[test]
fn the_kernel_s_log_tells_which_call_was_killed() {
    let arch = msb_plan::Arch::HOST.map_or(0, msb_plan::Arch::audit);
    let record = |type_: u32, uid: u32, arch: u32, code: &str| {
        std::format!(
            "5,1200,9000000,-;audit: type={type_} audit(1.2:3): auid=7 uid={uid} gid=7 ses=7 pid=7 comm=\"x\" \
             sig=31 arch={arch:x} syscall=101 compat=0 ip=0x7 code={code}\n"
        )
    };
    let one = |record: std::string::String| crate::killed::one(record.as_bytes(), 1000, 9_050_000);
    assert_eq!(one(record(1326, 1000, arch, "0x80000000")), Some(101));
    for other in [
        record(1300, 1000, arch, "0x80000000"),
        record(1326, 10001, arch, "0x80000000"),
        record(1326, 1000, 0x4000_0003, "0x80000000"),
        record(1326, 1000, arch, "0x7ffc0000"),
        std::string::String::from("6,1,2,-;"),
        std::string::String::new(),
    ] {
        assert_eq!(one(other.clone()), None, "{other}");
    }
    let late = crate::killed::one(record(1326, 1000, arch, "0x80000000").as_bytes(), 1000, 9_200_000);
    assert_eq!(late, None, "before this run");
}

#[test]
fn events_are_lines_of_json() {
    let failed = Event::Failed(Failure { step: Step::MountSource, origin: None, errno: 2 });
    let line = crate::json::line(&failed, None);
    assert_eq!(line, b"{\"event\":\"failed\",\"step\":\"MountSource\",\"errno\":2,\"origin\":null}\n");
    let values = [Value::String(b"\"\\\n\xff\xc3\xa9#"), Value::number(None)];
    let expected = "{\"a\":\"\\\"\\\\\\u000a\u{fffd}é#\",\"b\":null}";
    assert_eq!(crate::text::filled(None, "{\"a\":#,\"b\":#}", &values), expected.as_bytes());
}

fn sentence(event: &Event, plan: Option<&msb_plan::Plan<'_>>) -> std::string::String {
    std::string::String::from_utf8(crate::output::sentence(event, plan)).expect("text")
}

#[test]
fn events_are_said_in_words() {
    let failed = Event::Failed(Failure { step: Step::MountSource, origin: None, errno: 2 });
    let expected = "msb-launch: could not open the source of the mount: no such file or directory (ENOENT)\n";
    assert_eq!(sentence(&failed, None), expected);
    let error = msb_plan::decode(b"edition 2026\npolicy p {}\n").expect_err("a policy");
    let failed = Event::Failed(Failure { step: Step::PlanDecode, origin: None, errno: 8 });
    assert_eq!(error, msb_plan::DecodeError::NotAPlan);
    assert_eq!(
        sentence(&failed, None),
        "msb-launch: this is no plan; `msbc compile` makes one of a policy\n"
    );
    // Which file it is that others can write, and what to type.
    for (step, what) in [(Step::PlanOpen, "open"), (Step::PlanTrust, "trust")] {
        let failed = Event::Failed(Failure { step, origin: None, errno: 0 });
        let expected = std::format!(
            "msb-launch: could not {what} the plan: others than you can write the file, see `chmod go-w`\n"
        );
        assert_eq!(sentence(&failed, None), expected);
    }
    let damaged = Event::Failed(Failure { step: Step::PlanDecode, origin: None, errno: 74 });
    assert_eq!(
        sentence(&damaged, None),
        "msb-launch: the plan is damaged, or another version's; `msbc compile` makes it again\n"
    );
    let reached = Event::LimitReached { limit: LimitKind::Pids, times: 3, origin: OriginId(0) };
    assert_eq!(sentence(&reached, None), "msb-launch: the limit of pids was reached 3 times\n");
}

/// Without any mount: a thread that only Landlock confines, as a way around the mounts would leave it.
#[test]
fn landlock_alone_holds_the_grants() {
    extern crate std;
    use crate::landlock::{Wall, rights};
    use msb_plan::{Base, Links, MountKind, Path, Target};
    use std::fs::{File, create_dir, read_dir, rename, write};
    use std::io::ErrorKind::PermissionDenied;
    use std::process::Command;

    if msb_sys::landlock::abi() < 2 {
        std::println!("skipped, because this kernel has no Landlock of ABI 2");
        return;
    }
    let stage = tempfile::tempdir().expect("a folder");
    for name in ["run", "write", "write/a", "write/b", "other"] {
        create_dir(stage.path().join(name)).expect("a folder");
        write(stage.path().join(name).join("file"), "content").expect("a file");
    }
    std::fs::copy("/bin/true", stage.path().join("write/true")).expect("a program");
    let bind = |kind: u8| {
        let source = Path { base: Base::Root, rest: "" };
        rights(MountKind::Bind { source, rights: Rights(kind), links: Links::Follow }, Rights(kind))
    };
    let at = |name: &str| stage.path().join(name);
    // Before Landlock: what is refused below is refused by Landlock alone.
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("its address");
    let refused =
        |result: std::io::Result<File>| result.map_err(|it| it.kind()).err() == Some(PermissionDenied);
    let confined = std::thread::scope(|scope| {
        let confined = scope.spawn(|| {
            let target = Target {
                kernel_min: (5, 13),
                landlock_abi_min: 0,
                tier_min: msb_plan::Tier::Full,
                origin: OriginId(0),
            };
            let wall = Wall::new(&target, &msb_plan::network::Network::None);
            let wall = wall.expect("Landlock");
            let open = |name| File::open(at(name)).expect(name);
            wall.directory(&open("run"), bind(5)).expect("a rule");
            wall.directory(&open("write"), bind(3)).expect("a rule");
            let system = ["/usr", "/bin", "/lib", "/lib64"].map(|path| File::open(path).ok());
            for place in system.iter().flatten() {
                wall.directory(place, bind(5)).expect("a rule");
            }
            rustix::thread::set_no_new_privs(true).expect("no_new_privs");
            wall.restrict().expect("in force");
            File::open(at("run/file")).expect("read");
            assert!(refused(File::create(at("run/file"))) && refused(File::create(at("run/new"))));
            File::create(at("write/file")).expect("written");
            rename(at("write/a/file"), at("write/b/moved")).expect("renamed");
            assert!(refused(File::open(at("other/file"))) && refused(File::open("/etc/passwd")));
            assert!(read_dir(at("other")).is_err() && rename(at("write/file"), at("other/x")).is_err());
            let run = |path| Command::new(path).status().map_err(|error| error.kind());
            assert!(run(std::path::PathBuf::from("/bin/true")).expect("it runs").success());
            assert_eq!(run(at("write/true")).err(), Some(PermissionDenied));
            if msb_sys::landlock::abi() >= 4 {
                let tcp = std::net::TcpStream::connect(port).map(drop);
                let bound = std::net::TcpListener::bind("127.0.0.1:0").map(drop);
                let kinds = [tcp, bound].map(|tried| tried.map_err(|error| error.kind()));
                assert_eq!(kinds, [Err(PermissionDenied), Err(PermissionDenied)]);
            }
        });
        confined.join()
    });
    confined.expect("Landlock alone holds them");
}

/// Whoever may write to a folder in which root launches can put something of root's where a placeholder was made.
#[test]
fn only_a_placeholder_is_handed_over() {
    use rustix::fs::{Mode, OFlags};
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    let folder = std::env::temp_dir().join(std::format!("msb-placeholders-{}", std::process::id()));
    fs::create_dir(&folder).expect("made");
    let marked = |name: &str, mode, content: &str| {
        let path = folder.join(name);
        fs::write(&path, content).expect("written");
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("changed");
    };
    marked("placeholder", 0o1600, "");
    marked("secret", 0o1600, "secret");
    marked("empty", 0o600, "");
    symlink("placeholder", folder.join("link")).expect("linked");
    let parent = rustix::fs::open(&folder, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).expect("opened");
    // Root alone may give files away.
    let own = fs::metadata(&folder).expect("there");
    let owner = if own.uid() == 0 { (12345, 54321) } else { (own.uid(), own.gid()) };
    for name in ["secret", "empty", "link"] {
        assert_eq!(hand_over(&parent, name.as_bytes(), Kind::File, owner), Err(Errno::EXIST), "{name}");
        let stat = fs::symlink_metadata(folder.join(name)).expect("there");
        assert_eq!((stat.uid(), stat.gid()), (own.uid(), own.gid()), "{name}");
    }
    assert_eq!(hand_over(&parent, b"placeholder", Kind::Directory, owner), Err(Errno::EXIST));
    assert_eq!(hand_over(&parent, b"placeholder", Kind::File, owner), Ok(()));
    let stat = fs::metadata(folder.join("placeholder")).expect("there");
    assert_eq!((stat.uid(), stat.gid()), owner);
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn a_text_has_the_parts_that_the_standard_library_finds() {
    for text in [b"".as_slice(), b"a", b"\n", b"\n\n", b"a\n", b"\na", b"a\nbc\n\nd", b"a b"] {
        let expected: Vec<_> = text.split(|b| *b == b'\n').collect();
        assert_eq!(crate::files::lines(text).collect::<Vec<_>>(), expected, "{text:?}");
    }
}
