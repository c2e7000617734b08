use super::*;

fn path(text: &str) -> Path {
    let (base, rest) = match text.split_at(1) {
        ("/", rest) => (Base::Root, rest),
        ("~", rest) => (Base::Home, rest),
        (_, rest) => (Base::Param(usize::from(rest.starts_with('1'))), &rest[1..]),
    };
    Path { base, rest: rest.trim_start_matches('/').to_owned() }
}

fn rights(letters: &str) -> Rights {
    Rights { read: letters.contains('r'), write: letters.contains('w'), run: letters.contains('x') }
}

pub(super) fn grant(letters: &str, source: &str, target: &str, origin: u32) -> FsRule {
    let kind = FsKind::Grant {
        source: path(source),
        target: path(target),
        rights: rights(letters),
        optional: false,
        links: Links::Follow,
    };
    FsRule { kind, origin: OriginId(origin) }
}

fn deny(letters: &str, denied: &str, origin: u32) -> FsRule {
    let kind = FsKind::Deny { path: path(denied), rights: rights(letters), missing: Missing::Fail };
    FsRule { kind, origin: OriginId(origin) }
}

fn scratch(target: &str, origin: u32) -> FsRule {
    let kind = FsKind::Scratch { target: path(target), size_bytes: 4096, inodes: 2 };
    FsRule { kind, origin: OriginId(origin) }
}

pub(super) fn with(fs: Vec<FsRule>) -> Policy {
    let param = |name: &str| Param {
        name: name.to_owned(),
        kind: ParamKind::Dir,
        default: None,
        origin: OriginId(0),
    };
    let params = vec![param("first"), param("second")];
    Policy { fs, params, ..policy(Vec::new(), SyscallAction::Errno(1)) }
}

/// `(path, access, allowed, proved)`
#[track_caller]
fn answers(rules: Vec<FsRule>, cases: &[(&str, Access, bool, bool)]) {
    let policy = with(rules);
    for (name, access, allowed, proved) in cases {
        let open = policy.open(&path(name), *access);
        assert_eq!((open.verdict.is_allowed(), open.proved), (*allowed, *proved), "{name} {access:?}");
    }
}

#[test]
fn what_is_shown_has_the_rights_of_its_grants() {
    answers(
        vec![grant("rw", "$0", "/work", 1), grant("r", "/usr", "/usr", 2), scratch("/tmp", 3)],
        &[
            ("/work/a", Access::Write, true, true),
            ("/work", Access::Read, true, true),
            ("/work/a", Access::Run, false, true),
            ("/worker", Access::Read, false, true),
            ("/usr/lib", Access::Read, true, true),
            ("/usr/lib", Access::Write, false, true),
            ("/tmp/x", Access::Write, true, true),
            ("/etc/shadow", Access::Read, false, true),
        ],
    );
}

#[test]
fn a_deny_overrides_by_both_names() {
    answers(
        vec![grant("rw", "$0", "/work", 1), deny("w", "$0/.git", 2)],
        &[
            ("/work/.git/hooks", Access::Write, false, true),
            ("/work/.git/hooks", Access::Read, true, true),
            ("$0/.git/config", Access::Write, false, true),
            ("$0/src", Access::Write, true, true),
        ],
    );
    answers(
        vec![grant("rw", "$0", "/work", 1), deny("rwx", "/work/secrets", 3)],
        &[
            ("/work/secrets/key", Access::Read, false, true),
            // $0 may be the host's own /work/secrets.
            ("/work/src", Access::Read, true, false),
        ],
    );
}

/// A grant without a place of its own may come to lie over another one.
#[test]
fn what_depends_on_a_parameter_is_not_proved() {
    answers(
        vec![grant("r", "$0", "$0", 1), grant("rw", "$1", "/work", 2)],
        &[
            // $0 may be /work/a.
            ("/work/a/b", Access::Write, true, false),
            ("/work", Access::Read, true, true),
            ("/etc/x", Access::Read, false, false),
            ("/etc/x", Access::Write, false, true),
            // $0 may be $1, or the other way round.
            ("$1", Access::Write, true, false),
            ("$0", Access::Write, false, false),
            ("~/.ssh", Access::Read, false, false),
        ],
    );
}

#[test]
fn last_components_that_differ_are_proof() {
    answers(
        vec![grant("rw", "$0/notes", "/work", 1), deny("w", "$0/.git/hooks", 2)],
        &[("/work/out", Access::Write, true, true), ("/work/notes", Access::Write, true, true)],
    );
    answers(
        vec![grant("rw", "$0", "/work", 1), deny("w", "~/.ssh", 2)],
        &[("/work/x", Access::Write, true, false)],
    );
}

#[test]
fn the_error_is_that_of_the_kernel() {
    let policy = with(vec![grant("r", "$0", "/work", 1), deny("rwx", "$0/secrets", 2)]);
    let ask = |name: &str, access| policy.decide(&Request::Open { path: &path(name), access });
    let errno = |number, origin: Option<u32>| Decision {
        action: SyscallAction::Errno(number),
        origin: origin.map(OriginId),
    };
    assert_eq!(
        ask("/work", Access::Read),
        Decision { action: SyscallAction::Allow, origin: Some(OriginId(1)) }
    );
    assert_eq!(ask("/work/x", Access::Write), errno(30, Some(1)));
    assert_eq!(ask("/work/x", Access::Run), errno(13, Some(1)));
    assert_eq!(ask("/work/secrets/x", Access::Read), errno(13, Some(2)));
    assert_eq!(ask("/nothing", Access::Read), errno(2, None));
}

/// What one parameter puts below a folder that another one places is below that folder by every name.
#[test]
fn what_another_parameter_puts_below_a_placed_folder_counts() {
    let policy = with(vec![grant("r", "/", "~/b", 1), scratch("$0/b/a", 2)]);
    let binding = ["/a", "/a", "/"].map(str::to_owned);
    let here = bound(&policy, &binding);
    assert!(here.decide_path(&path("~/b/a"), Access::Write).is_allowed());
    assert_eq!(here.allowed_below(&path("~"), Access::Write), Some((path("$0/b/a"), OriginId(2))));
    let open = policy.open_below(&path("~"), Access::Write);
    assert_eq!((open.allowed, open.proved), (None, false));
}

/// Few names, so that paths meet.
pub(super) fn any_rest() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b"]), 0..3).prop_map(|parts| parts.join("/"))
}

pub(super) fn any_path() -> impl Strategy<Value = Path> {
    let base = prop::sample::select(vec![Base::Root, Base::Home, Base::Param(0), Base::Param(1)]);
    (base, any_rest()).prop_map(|(base, rest)| Path { base, rest })
}

fn any_rights() -> impl Strategy<Value = Rights> {
    any::<(bool, bool)>().prop_map(|(write, run)| Rights { read: true, write, run })
}

pub(super) fn any_fs() -> impl Strategy<Value = FsRule> {
    any_fs_about(any_path().boxed())
}

/// Rules about any paths, or about so few that several lie over each other.
fn any_rules() -> impl Strategy<Value = Vec<FsRule>> {
    let few = prop::collection::vec(any_path(), 2..5).prop_flat_map(|paths| {
        let paths = prop::sample::select(paths).boxed();
        prop::collection::vec(any_fs_about(paths), 1..7)
    });
    prop_oneof![prop::collection::vec(any_fs(), 0..6), few]
}

fn any_fs_about(paths: BoxedStrategy<Path>) -> impl Strategy<Value = FsRule> {
    let any_path = move || paths.clone();
    let kind = prop_oneof![
        3 => (any_path(), any_path(), any_rights(), any::<bool>()).prop_map(|(source, target, rights, moved)| {
            let target = if moved { target } else { source.clone() };
            FsKind::Grant { source, target, rights, optional: false, links: Links::Follow }
        }),
        1 => (any_path(), any_path(), any::<bool>()).prop_map(|(source, target, run)| FsKind::Overlay {
            source,
            target,
            size_bytes: 4096,
            inodes: 2,
            run,
            optional: false,
            links: Links::Follow,
        }),
        1 => (any_path(), any_path()).prop_map(|(source, target)| FsKind::Socket {
            source,
            target,
            optional: false,
            links: Links::Follow,
        }),
        1 => any_path().prop_map(|target| FsKind::Scratch { target, size_bytes: 4096, inodes: 2 }),
        2 => (any_path(), any::<[bool; 3]>()).prop_map(|(path, [read, write, run])| {
            let rights = Rights { read, write: write || read, run: run || read };
            FsKind::Deny { path, rights, missing: Missing::Fail }
        }),
        1 => any_search(any_path()),
    ];
    (kind, 0..50u32).prop_map(|(kind, origin)| FsRule { kind, origin: OriginId(origin) })
}

fn any_search(roots: BoxedStrategy<Path>) -> impl Strategy<Value = FsKind> {
    let name = || prop::sample::select(vec!["a", "b"]);
    let rest =
        prop_oneof![name().prop_map(str::to_owned), (name(), name()).prop_map(|(a, b)| format!("{a}/{b}"))];
    (roots, 0..3u8, name(), rest, any::<[bool; 3]>()).prop_map(|(root, depth, beside, rest, rights)| {
        let search = Search { root, depth, beside: beside.to_owned(), rest };
        let [read, write, run] = rights;
        let rights = Rights { read, write: write || read, run: run || read };
        FsKind::DenyFound { search, rights, missing: Missing::Skip }
    })
}

pub(super) fn any_access() -> impl Strategy<Value = Access> {
    prop::sample::select(Access::ALL.to_vec())
}

/// Directories that may lie in each other and in what rules name.
pub(super) fn any_binding() -> impl Strategy<Value = [String; 3]> {
    let place = || any_rest().prop_map(|rest| format!("/{rest}"));
    [place(), place(), place()]
}

pub(super) fn bound(policy: &Policy, [home, first, second]: &[String; 3]) -> Places {
    let params = [first, second];
    Places::new(policy, |index| params.get(index).map(|value| (*value).clone()), Some(home))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// What is said to be proved for all parameters is so for these, too.
    #[test]
    fn a_proof_holds_for_every_binding(
        rules in any_rules(),
        path in any_path(),
        access in any_access(),
        binding in any_binding(),
    ) {
        let policy = with(rules);
        let open = policy.open(&path, access);
        if open.proved {
            let here = bound(&policy, &binding).decide_path(&path, access);
            prop_assert_eq!(here.is_allowed(), open.verdict.is_allowed(), "{:?}", here);
        }
    }

    /// The same of everything below a path.
    #[test]
    fn a_proof_of_all_below_holds_for_every_binding(
        rules in any_rules(),
        path in any_path(),
        access in any_access(),
        binding in any_binding(),
        below in any_rest(),
    ) {
        let policy = with(rules);
        let all = policy.open_below(&path, access);
        let here = bound(&policy, &binding);
        let allowed = here.allowed_below(&path, access);
        if all.proved {
            prop_assert_eq!(allowed.is_some(), all.allowed.is_some(), "{:?}", allowed);
        }
        // Nothing below is missed.
        let below = path.join(&below);
        if here.decide_path(&below, access).is_allowed() {
            prop_assert!(allowed.is_some());
        }
    }

    #[test]
    fn the_order_of_file_rules_changes_nothing(
        rules in prop::collection::vec(any_fs(), 0..6),
        path in any_path(),
        access in any_access(),
        binding in any_binding(),
        seed in any::<prop::sample::Index>(),
    ) {
        let policy = with(rules.clone());
        let mut moved = rules;
        if !moved.is_empty() {
            let middle = seed.index(moved.len());
            moved.push(moved[middle].clone());
            moved.rotate_left(middle);
            moved.reverse();
        }
        let other = with(moved);
        prop_assert_eq!(policy.open(&path, access).proved, other.open(&path, access).proved);
        let (a, b) = (bound(&policy, &binding), bound(&other, &binding));
        let (a, b) = (a.decide_path(&path, access), b.decide_path(&path, access));
        prop_assert_eq!(a.decision(access).action, b.decision(access).action);
        prop_assert_eq!(a.is_allowed(), b.is_allowed());
    }

    #[test]
    fn a_deny_never_opens_a_path(
        rules in prop::collection::vec(any_fs(), 0..6),
        denied in any_path(),
        taken in any_rights(),
        path in any_path(),
        access in any_access(),
        binding in any_binding(),
    ) {
        let before = with(rules.clone());
        let kind = FsKind::Deny { path: denied, rights: taken, missing: Missing::Fail };
        let after = with([rules, vec![FsRule { kind, origin: OriginId(99) }]].concat());
        let (a, b) = (bound(&before, &binding), bound(&after, &binding));
        let opened = !a.decide_path(&path, access).is_allowed()
            && b.decide_path(&path, access).is_allowed();
        prop_assert!(!opened);
    }
}

/// A name that is a file of the host shown elsewhere, and of what is put inside: which of the two an answer tells of does not
/// depend on the order of the rules.
#[test]
fn a_name_of_two_things_tells_of_the_hosts_file() {
    let mut rules = vec![scratch("~/c", 1), grant("rwx", "~/c", "~", 2)];
    for _ in 0..2 {
        let verdict = Places::apart(&with(rules.clone())).decide_path(&path("~/c"), Access::Read);
        let Verdict::Allowed { host: Some(host), .. } = verdict else { panic!("{verdict:?}") };
        assert!(host.ends_with("/c"), "{host}");
        let [first, second] = rules.as_mut_slice() else { unreachable!("there are two") };
        std::mem::swap(&mut first.origin, &mut second.origin);
    }
}
