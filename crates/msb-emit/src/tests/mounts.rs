//! Which rules become which mounts and denies.

use super::fixture::{error, fs, policy, shown_mounts, with_plan};
use crate::{EmitError, ir};

/// Compares the mounts and denies of `rules` with `expected`, in order.
#[track_caller]
fn check(rules: &[&str], expected: &[&str]) {
    let policy = ir::Policy { fs: fs(rules), ..policy() };
    assert_eq!(with_plan(&policy, shown_mounts), expected);
}

#[test]
fn nothing_granted_is_nothing_mounted() {
    check(&[], &[]);
}

#[test]
fn each_kind_of_rule_is_a_mount() {
    check(
        &[
            "rx /usr /usr",
            "scratch /tmp 1024 10",
            "proc",
            "dev",
            "rw $workspace /work",
            "r $key $key",
            "r? ~ ~",
        ],
        &[
            "dev #5",
            "proc #4",
            "scratch /tmp 1024 10 #3",
            "rx /usr /usr #2",
            "rw $workspace /work #6",
            "r? ~ ~ #8",
            "r $key $key #7",
        ],
    );
}

#[test]
fn grants_of_one_source_and_target_add_up() {
    check(&["r /a /a", "rw /a /a", "rx /a /a"], &["rwx /a /a #2"]);
}

#[test]
fn a_mount_is_optional_only_if_every_grant_is() {
    check(&["r? /a /a", "rw? /a /a"], &["rw? /a /a #2"]);
    check(&["r? /a /a", "rw /a /a"], &["rw /a /a #2"]);
}

#[test]
fn nested_grants_of_one_place_inherit_rights() {
    check(
        &["rx /usr /usr", "rw /usr/local /usr/local"],
        &["rx /usr /usr #2", "rwx /usr/local /usr/local #3"],
    );
    check(
        &["r /a /a", "rw /a/b /a/b", "rx /a/b/c /a/b/c"],
        &["r /a /a #2", "rw /a/b /a/b #3", "rwx /a/b/c /a/b/c #4"],
    );
}

#[test]
fn nested_grants_that_add_nothing_are_dropped() {
    check(&["rx /usr /usr", "r /usr/lib /usr/lib"], &["rx /usr /usr #2"]);
    check(&["rw $workspace /w", "r $workspace/a/b /w/a/b"], &["rw $workspace /w #2"]);
    check(&["r /a /a", "r /a/b /a/b", "r /a/b/c /a/b/c"], &["r /a /a #2"]);
}

#[test]
fn nested_grants_of_another_place_stay() {
    check(
        &["rw $workspace /w", "r /usr/a /w/a"],
        &["r /usr/a /w/a #3", "rw $workspace /w #2"].into_iter().rev().collect::<Vec<_>>(),
    );
    check(&["rw /a /x", "r /a/b /x/c"], &["rw /a /x #2", "r /a/b /x/c #3"]);
    check(&["rw /a /x", "r /ab /xb"], &["rw /a /x #2", "r /ab /xb #3"]);
}

/// What lies between hides the outer mount, so the inner one shows its place again.
#[test]
fn a_grant_behind_another_mount_stays() {
    check(
        &["r /a /a", "r /other /a/b", "r /a/b/c /a/b/c"],
        &["r /a /a #2", "r /other /a/b #3", "r /a/b/c /a/b/c #4"],
    );
    check(
        &["r /a /a", "scratch /a/b 1 1", "r /a/b/c /a/b/c"],
        &["r /a /a #2", "scratch /a/b 1 1 #3", "r /a/b/c /a/b/c #4"],
    );
}

/// Dropped, it would be missing where the optional one around it is.
#[test]
fn a_required_grant_inside_an_optional_one_stays() {
    check(&["r? /a /a", "r /a/b /a/b"], &["r? /a /a #2", "r /a/b /a/b #3"]);
    check(&["r? /a /a", "r? /a/b /a/b"], &["r? /a /a #2"]);
    check(&["r /a /a", "r? /a/b /a/b"], &["r /a /a #2"]);
}

/// Where a parameter or `~` lies is known at launch alone.
#[test]
fn grants_with_other_bases_are_not_compared() {
    check(&["rw /home /home", "r ~ ~"], &["rw /home /home #2", "r ~ ~ #3"]);
    check(&["r /k /k", "r $key $key"], &["r /k /k #2", "r $key $key #3"]);
}

#[test]
fn denies_of_one_path_are_one() {
    check(&["deny w /a file", "deny x /a file", "deny w /a file"], &["deny wx /a file #2"]);
    check(&["deny rwx /b skip", "deny w /a dir"], &["deny w /a dir #3", "deny rwx /b skip #2"]);
}

#[test]
fn the_strictest_missing_wins() {
    let order = ["skip", "file", "dir", "fail"];
    for (at, weaker) in order.iter().enumerate() {
        for stricter in &order[at..] {
            let (a, b) = (format!("deny w /a {weaker}"), format!("deny w /a {stricter}"));
            let expected = format!("deny w /a {stricter} #2");
            check(&[&a, &b], &[&expected]);
            check(&[&b, &a], &[&expected]);
        }
    }
}

#[track_caller]
fn refused(rules: &[&str], message: &str, lines: &[u32]) {
    let policy = ir::Policy { fs: fs(rules), ..policy() };
    let error = error(&policy);
    assert_eq!(error.to_string(), message);
    let line = |origin: &ir::OriginId| policy.origins[origin.0 as usize].line;
    assert_eq!(error.origins().iter().map(line).collect::<Vec<_>>(), lines);
    assert!(error.help().is_some());
}

#[test]
fn one_place_shows_one_thing() {
    let at_x = "two rules put different things at `/x`";
    refused(&["r /a /x", "r /b /x"], at_x, &[3, 2]);
    refused(&["scratch /x 1 1", "r /b /x"], at_x, &[3, 2]);
    refused(&["scratch /x 1 1", "scratch /x 2 1"], at_x, &[3, 2]);
    check(&["scratch /x 1 1", "scratch /x 1 1"], &["scratch /x 1 1 #2"]);
    check(&["proc", "proc", "dev", "dev"], &["dev #4", "proc #2"]);
    refused(&["proc", "r /proc /proc"], "two rules put different things at `/proc`", &[3, 2]);
    refused(&["r /dev /dev", "dev"], "two rules put different things at `/dev`", &[3, 2]);
    refused(
        &["r /a $workspace/b", "r /b $workspace/b"],
        "two rules put different things at `$workspace/b`",
        &[3, 2],
    );
}

#[test]
fn the_root_stays_the_sandboxs_own() {
    refused(&["r /a /"], "nothing can be mounted over `/`", &[2]);
    check(&["r / /host"], &["r / /host #2"]);
}

#[test]
fn more_mounts_than_a_plan_holds_are_an_error() {
    let rules: Vec<String> = (0..300).map(|i| format!("r /a{i} /a{i}")).collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let mut fs = fs(&rules);
    fs.iter_mut().for_each(|rule| rule.origin = ir::OriginId(1));
    let error = error(&ir::Policy { fs, ..policy() });
    assert_eq!(error.to_string(), "300 mounts, where a plan holds 256");
    assert!(matches!(error, EmitError::TooMany { .. }));
}
