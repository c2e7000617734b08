//! What is said of failures.

use super::fixture::{CWD, DENY, HOME, PARAM, POLICY, READ, SOURCE, WRITE, event, plan, said, sources, with};
use crate::{Context, explain, short, to_json};
use msb_diag::Style;
use msb_plan::event::Step;
use std::ffi::OsString;

const ENOENT: u16 = 2;
const EACCES: u16 = 13;

#[track_caller]
fn check((found, advice): &(String, String), message: &str, help: &str) {
    assert_eq!((found.as_str(), advice.as_str()), (message, help));
}

#[test]
fn a_missing_source_is_named_as_written_and_as_bound() {
    check(
        &said(Step::MountSource, ENOENT, Some(WRITE)),
        "`$workspace/src` (/x/y/src) does not exist on this host",
        "create it, or pass another with `--set workspace=DIR`, or write `optional` where it may be missing",
    );
    check(
        &said(Step::MountSource, ENOENT, Some(HOME)),
        "`~/.config` (/home/u/.config) does not exist on this host",
        "create it, or write `optional` where it may be missing",
    );
}

#[test]
fn of_several_sources_on_a_line_the_missing_one_is_named() {
    check(
        &said(Step::MountSource, EACCES, Some(READ)),
        "you may not reach one of `/usr` and `/opt/tools`",
        "the sandbox can show no more than you can see: change its permissions, or drop the rule",
    );
    let context = Context { exists: Some(|path| path.starts_with("/usr")), ..Context::default() };
    let report = explain(&event(Step::MountSource, ENOENT, Some(READ)), &plan(), &context).expect("a report");
    assert_eq!(report.diagnostic.message, "`/opt/tools` does not exist on this host");
}

#[test]
fn parameters_say_which_and_what_to_type() {
    let said = |set: &[(&str, &str)], errno, origin| {
        let diagnostic = with(set, Step::Param, errno, origin).diagnostic;
        (diagnostic.message, diagnostic.help.unwrap_or_default())
    };
    let on_param = Some(PARAM);
    check(&said(&[], 22, on_param), "`$workspace` has no value", "add `--set workspace=DIR`");
    check(
        &said(&[("workspace", "w")], ENOENT, on_param),
        "`$workspace` is `w`, which does not exist",
        "create it, or pass another with `--set workspace=DIR`",
    );
    // What a shell did not change: it does so at the beginning of a word alone.
    for (value, begins) in [("~/w", "write `$HOME` in place of `~` here: "), ("", "it is empty: ")] {
        let (_, help) = said(&[("workspace", value)], ENOENT, on_param);
        assert!(help.starts_with(begins) && help.ends_with("`--set workspace=DIR`"), "{help}");
    }
    let long = said(&[("workspace", &"w".repeat(5000))], 36, on_param).0;
    assert!(long.len() < 300 && long.contains("ww…`"), "{long}");
    check(
        &said(&[("workspace", "w")], 20, on_param),
        "`$workspace` is `w`, which is not a directory",
        "pass a directory: `--set workspace=DIR`",
    );
    let all = "the policy takes `--set workspace=DIR`, `--set key=FILE`, `--set tag=TEXT`";
    check(
        &said(&[("workspace", "w"), ("wrokspace", "w")], 3, None),
        "the policy has no parameter `wrokspace`",
        all,
    );
    check(
        &said(&[("tag", "a"), ("key", "k"), ("tag", "b")], 17, None),
        "`tag` is set twice",
        "keep one `--set` for each parameter",
    );
}

#[test]
fn refused_namespaces_name_what_refuses_them() {
    for step in [Step::Namespaces, Step::IdMap] {
        for errno in [1, 28] {
            let (message, help) = said(step, errno, None);
            assert!(message.starts_with("this host refuses user namespaces: E"), "{message}");
            for name in [
                "kernel.apparmor_restrict_unprivileged_userns",
                "user.max_user_namespaces",
                "kernel.unprivileged_userns_clone",
                "container",
            ] {
                assert!(help.contains(name), "{help}");
            }
        }
    }
    let (message, help) = said(Step::Proc, 1, None);
    assert!(message.contains("a new /proc") && help.contains("systempaths=unconfined"), "{message}: {help}");
    let (message, help) = said(Step::Root, EACCES, None);
    assert!(message.contains("even in a user namespace"), "{message}");
    assert!(help.contains("AppArmor"), "{help}");
}

#[test]
fn cgroups_and_cpus_say_how_to_get_one() {
    let delegate = "systemd-run --user --scope -p Delegate=yes";
    assert!(said(Step::Cgroup, EACCES, Some(POLICY)).1.contains(delegate));
    let (message, help) = said(Step::LimitFallback, 95, Some(POLICY));
    assert!(
        message.contains("without a cgroup") && help.contains("whole") && help.contains(delegate),
        "{help}"
    );
    let (message, help) = said(Step::LimitFallback, 1, Some(POLICY));
    assert!(
        message.contains("holds root to no number of processes") && help.contains("another user"),
        "{help}"
    );
    let (message, help) = said(Step::LimitFallback, EACCES, Some(POLICY));
    assert!(message.contains("/proc") && help.contains("hidepid") && help.contains(delegate), "{help}");
}

#[test]
fn denies_say_which_path() {
    check(
        &said(Step::DenySource, ENOENT, Some(DENY)),
        "`$workspace/.git` (/x/y/.git) does not exist, and the rule says `missing fail`",
        "create it, or write `missing mask` to keep the place empty",
    );
    let (message, help) = said(Step::DenyHardLink, 31, Some(DENY));
    assert!(message.starts_with("`$workspace/.git` (/x/y/.git) has other hard links"), "{message}");
    assert!(help.contains("-samefile"));
}

#[test]
fn commands_are_named() {
    check(
        &said(Step::Exec, ENOENT, None),
        "`python3` is not found inside the sandbox",
        "only what the policy grants is there: grant its directory with `run`. A script also needs the \
         interpreter after its `#!`, a dynamic program its loader and libraries",
    );
    let command = [OsString::from("nodejs"), OsString::from("x")];
    let context = Context { command: &command, ..Context::default() };
    let report = explain(&event(Step::Exec, EACCES, None), &plan(), &context).expect("a report");
    assert_eq!(report.diagnostic.message, "`nodejs` may not be executed inside the sandbox");
}

#[test]
fn machines_and_kernels_are_named() {
    assert_eq!(said(Step::Target, 0, None).0, "this plan needs Linux 5.12 or later on x86_64");
}

/// Values come from outside: a `{help}` in a path is a path.
#[test]
fn values_are_not_templates() {
    let report = with(&[("workspace", "/x/{set}{")], Step::Param, ENOENT, Some(PARAM));
    assert_eq!(report.diagnostic.message, "`$workspace` is `/x/{set}{`, which does not exist");
}

#[test]
fn the_line_is_shown_from_the_file_when_it_is_at_hand() {
    let params = [("workspace".to_owned(), "/x/y".to_owned())];
    let sources = sources();
    let context = Context { params: &params, sources: Some(&sources), ..Context::default() };
    let report =
        explain(&event(Step::MountSource, ENOENT, Some(WRITE)), &plan(), &context).expect("a report");
    let expected = "\
error[MSB1109]

  × `$workspace/src` (/x/y/src) does not exist on this host
   ╭─[agent.msb:6:5]
 5 │     read /usr, /opt/tools
 6 │     write $workspace/src at /work
   ·     ──────────────┬──────────────
   ·                   ╰── could not open the source of the mount: ENOENT, does not exist
 7 │     read ~/.config
   ╰────
  help: create it, or pass another with `--set workspace=DIR`, or write
        `optional` where it may be missing
";
    assert_eq!(report.render(Style { width: 80, ..Style::default() }), expected);
}

/// The plan's own copy of the line, at its number, where the file is gone or says something else.
#[test]
fn the_line_is_shown_from_the_plan_otherwise() {
    let mut changed = msb_diag::Sources::default();
    changed.add("agent.msb", SOURCE.replace("write $workspace", "read $workspace"));
    for sources in [None, Some(&changed)] {
        let context = Context { sources, ..Context::default() };
        let report =
            explain(&event(Step::MountSource, ENOENT, Some(WRITE)), &plan(), &context).expect("a report");
        let text = report.render(Style::default());
        assert!(text.contains("[agent.msb:6:5]"), "{text}");
        assert!(text.contains(" 6 │     write $workspace/src at /work\n"), "{text}");
    }
}

#[test]
fn short_is_one_line() {
    assert_eq!(
        short(&event(Step::Cwd, ENOENT, Some(CWD)), &plan()),
        "could not enter the working directory: ENOENT, does not exist; nothing was started (agent.msb:11:10)"
    );
    assert_eq!(
        short(&event(Step::PlanDecode, 0, None), &plan()),
        "could not understand the plan: refused; nothing was started"
    );
}

#[test]
fn json_has_numbers_words_and_place() {
    let params = [("workspace".to_owned(), "/x/y".to_owned())];
    let context = Context { params: &params, ..Context::default() };
    let json = to_json(&event(Step::MountSource, ENOENT, Some(WRITE)), &plan(), &context);
    assert_eq!(json["event"], "failed");
    assert_eq!(json["step"], "MountSource");
    assert_eq!((&json["errno"], &json["errno_name"]), (&2.into(), &"ENOENT".into()));
    assert_eq!(json["origin"]["file"], "agent.msb");
    assert_eq!((&json["origin"]["line"], &json["origin"]["column"]), (&6.into(), &5.into()));
    assert_eq!(json["origin"]["text"], "write $workspace/src at /work");
    assert_eq!(json["code"], "MSB1109");
    assert_eq!(json["message"], "`$workspace/src` (/x/y/src) does not exist on this host");
    assert!(json["help"].is_string());
}

/// The launcher names a line that has nothing to do with the command.
#[test]
fn a_command_that_cannot_be_executed_is_shown_on_the_policys_line() {
    let report = with(&[], Step::Exec, ENOENT, Some(CWD));
    assert!(report.render(Style::default()).contains("[agent.msb:3:1]"));
    assert!(short(&event(Step::Exec, ENOENT, Some(CWD)), &plan()).ends_with("(agent.msb:3:1)"));
}

#[test]
fn a_parameter_without_a_value_is_shown_where_it_is_declared() {
    let text = with(&[], Step::Param, 22, Some(PARAM)).render(Style::default());
    assert!(text.contains("it is declared here, without a default") && !text.contains("EINVAL"), "{text}");
}
