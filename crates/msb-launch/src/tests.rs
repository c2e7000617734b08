//! Tests of what needs no sandbox.

use crate::arguments::{self, Arguments, Request};
use crate::deny::{Denial, Kind};
use crate::fail::refusal;
use crate::files::{decimal, number};
use crate::message::Message;
use crate::output::sentence;
use crate::parent::{exit_of_failure, exit_of_status};
use crate::path::{ancestors, below, join, sort_by, split};
use crate::prepare::kernel;
use alloc::vec::Vec;
use core::ffi::CStr;
use msb_plan::event::{Event, Failure, LimitKind, Step};
use msb_plan::{OriginId, Rights};

#[test]
fn command_line_is_read_word_by_word() {
    let words = [c"plan.bin", c"--set", c"a=b=c", c"--report-fd", c"9", c"--", c"--set", c"x"];
    let expected = Arguments {
        plan: c"plan.bin",
        set: Vec::from([(b"a".as_slice(), c"b=c")]),
        report_fd: Some(9),
        notify_fd: None,
        audit_fd: None,
        gateway: None,
        command: Vec::from([c"--set", c"x"]),
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
    assert_eq!(join(b"/", b"a"), Ok(Vec::from(b"/a")));
    assert_eq!(join(b"", b"a"), Ok(Vec::from(b"a")));
    assert_eq!(join(b"/a", b""), Ok(Vec::from(b"/a")));
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
        let message = Message::Failed(Failure { step: *step, origin, errno: 13 });
        assert_eq!(Message::decode(message.encode()), Some(message));
    }
    assert_eq!(Message::decode(Message::Ended(-3).encode()), Some(Message::Ended(-3)));
    assert_eq!(Message::decode([0; 8]), None);
    assert_eq!(Message::decode([1, 255, 0, 0, 0, 0, 0, 0]), None);
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
    let denial = |inside: &[u8], create| Denial {
        inside: Vec::from(inside),
        rights: Rights::WRITE,
        pins_below: None,
        create,
        origin: OriginId(0),
    };
    let mut list = [denial(b"a/b", None), denial(b"a", Some(Kind::File)), denial(b"a/a", None)];
    sort_by(&mut list, |a, b| a < b);
    assert_eq!(list.each_ref().map(|d| d.inside.as_slice()), [b"a".as_slice(), b"a/a", b"a/b"]);
}

#[test]
fn events_are_said_in_words() {
    let failed = Event::Failed(Failure { step: Step::MountSource, origin: None, errno: 2 });
    let expected = "msb-launch: could not open the source of the mount: no such file or directory (ENOENT)\n";
    assert_eq!(sentence(&failed, None), expected);
    let reached = Event::LimitReached { limit: LimitKind::Pids, times: 3, origin: OriginId(0) };
    assert_eq!(sentence(&reached, None), "msb-launch: the limit of pids was reached 3 times\n");
}
