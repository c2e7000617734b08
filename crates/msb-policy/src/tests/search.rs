//! Denies of what a search finds: what is said of them holds whatever is there at launch.

use super::open::{any_access, any_fs, any_path, any_rest, bound, grant, with};
use super::*;

fn search(root: &str, depth: u8, beside: &str, rest: &str) -> Search {
    let root = root.strip_prefix('/').map_or(
        Path { base: Base::Param(0), rest: root.trim_start_matches("$0").trim_start_matches('/').to_owned() },
        |rest| Path { base: Base::Root, rest: rest.to_owned() },
    );
    Search { root, depth, beside: beside.to_owned(), rest: rest.to_owned() }
}

fn below(rest: &str) -> Path {
    Path { base: Base::Param(0), rest: rest.to_owned() }
}

#[test]
fn a_search_is_about_what_lies_as_deep_as_it_goes() {
    let hooks = search("$0", 1, ".git", ".git/hooks");
    for (rest, matched) in [
        (".git/hooks", true),
        (".git/hooks/pre-commit", true),
        ("a/.git/hooks", true),
        ("a/.git/hooks/x/y", true),
        ("a/b/.git/hooks", false),
        ("a/.git", false),
        ("a/.git/hooks2", false),
        ("a/x.git/hooks", false),
        ("", false),
    ] {
        assert_eq!(hooks.matches(&below(rest)), matched, "{rest}");
    }
    let other = Path { base: Base::Home, rest: ".git/hooks".to_owned() };
    assert!(!hooks.matches(&other));
}

#[test]
fn a_search_covers_one_that_denies_less() {
    let hooks = search("$0", 2, ".git", ".git/hooks");
    assert!(hooks.covers(&hooks));
    assert!(search("$0", 2, ".git", ".git").covers(&hooks));
    assert!(search("$0", 3, ".git", ".git/hooks").covers(&hooks));
    assert!(hooks.covers(&search("$0/a", 1, ".git", ".git/hooks")));
    assert!(!hooks.covers(&search("$0/a", 2, ".git", ".git/hooks")));
    assert!(!hooks.covers(&search("$0", 2, ".git", ".git")));
    assert!(!hooks.covers(&search("$0", 3, ".git", ".git/hooks")));
    assert!(!hooks.covers(&search("$0", 2, ".hg", ".git/hooks")));
    assert!(!search("$0/a", 3, ".git", ".git/hooks").covers(&hooks));
}

/// A directory of the host, and what is in it.
type There = (String, &'static str);

fn any_there() -> impl Strategy<Value = Vec<There>> {
    let one = (any_rest().prop_map(|rest| format!("/{rest}")), prop::sample::select(vec!["a", "b"]));
    prop::collection::vec(one, 0..4)
}

/// The policy with what its searches find where each base is what `absolute` says.
fn found(policy: &Policy, there: &[There], absolute: impl Fn(&Path) -> String) -> Policy {
    let mut all = Vec::new();
    for rule in &policy.fs {
        let FsKind::DenyFound { search, rights, missing } = &rule.kind else {
            all.push(rule.clone());
            continue;
        };
        let root = absolute(&search.root);
        for (directory, name) in there {
            let rest = directory.strip_prefix(root.trim_end_matches('/'));
            let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with('/'));
            let Some(rest) = rest.map(|rest| rest.trim_start_matches('/')) else { continue };
            let level = rest.split('/').filter(|part| !part.is_empty()).count();
            if *name == search.beside && level <= usize::from(search.depth) {
                let path = search.root.join(rest).join(&search.rest);
                let kind = FsKind::Deny { path, rights: *rights, missing: *missing };
                all.push(FsRule { kind, origin: rule.origin });
            }
        }
    }
    Policy { fs: all, ..policy.clone() }
}

fn named(path: &Path, [home, first, second]: &[String; 3]) -> String {
    let base = match path.base {
        Base::Root => "",
        Base::Home => home,
        Base::Param(index) => [first, second][index],
    };
    format!("{}/{}", base.trim_end_matches('/'), path.rest).trim_end_matches('/').to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    /// What is proved is so for every binding, and for everything that may be there.
    #[test]
    fn a_proof_holds_whatever_is_found(
        rules in prop::collection::vec(any_fs(), 0..6),
        path in any_path(),
        access in any_access(),
        binding in super::open::any_binding(),
        there in any_there(),
    ) {
        let policy = with(rules);
        let open = policy.open(&path, access);
        if open.proved {
            let here = found(&policy, &there, |path| named(path, &binding));
            let here = bound(&here, &binding).decide_path(&path, access);
            prop_assert_eq!(here.is_allowed(), open.verdict.is_allowed(), "{:?}", here);
        }
    }

    /// What is found takes something away only where the oracle says that a search may.
    #[test]
    fn what_is_found_denies_what_was_said_to_be_sought(
        rules in prop::collection::vec(any_fs(), 0..6),
        path in any_path(),
        access in any_access(),
        binding in super::open::any_binding(),
        there in any_there(),
    ) {
        let policy = with(rules);
        let places = bound(&policy, &binding);
        let here = bound(&found(&policy, &there, |path| named(path, &binding)), &binding);
        let allowed = |places: &Places| places.decide_path(&path, access).is_allowed();
        prop_assert!(allowed(&places) || !allowed(&here));
        if allowed(&places) && !allowed(&here) {
            prop_assert!(places.sought(&path, access).is_some());
        }
    }

    /// Where no widening is found, none is there, whatever searches find.
    #[test]
    fn what_is_narrower_allows_no_more_whatever_is_found(
        parent in prop::collection::vec(any_denied(), 1..3),
        child in prop::collection::vec(any_denied(), 1..4),
        rest in any_rest(),
        access in any_access(),
        there in any_there(),
    ) {
        let shown = grant("rwx", "$0", "/work", 1);
        let [parent, child] = [parent, child].map(|denied| with([vec![shown.clone()], denied].concat()));
        if child.widenings(&parent, By::Inside).is_empty() && child.widenings(&parent, By::Host).is_empty() {
            let apart = ["/\0home", "/\u{0}0", "/\u{0}1"].map(str::to_owned);
            let there: Vec<There> =
                there.iter().map(|(at, name)| (format!("/\u{0}0{}", at.trim_end_matches('/')), *name)).collect();
            let [child, parent] =
                [&child, &parent].map(|policy| found(policy, &there, |path| named(path, &apart)));
            let path = Path { base: Base::Root, rest: format!("work/{rest}").trim_end_matches('/').to_owned() };
            let allowed = |policy: &Policy| policy.open(&path, access).verdict.is_allowed();
            prop_assert!(!allowed(&child) || allowed(&parent), "{}", path.rest);
        }
    }
}

/// A deny of something below the first parameter.
fn any_denied() -> impl Strategy<Value = FsRule> {
    let denies = |rule: &FsRule| matches!(rule.kind, FsKind::Deny { .. } | FsKind::DenyFound { .. });
    any_fs().prop_filter("a deny", denies).prop_map(|mut rule| {
        match &mut rule.kind {
            FsKind::Deny { path, .. } => path.base = Base::Param(0),
            FsKind::DenyFound { search, .. } => search.root.base = Base::Param(0),
            _ => {}
        }
        rule
    })
}
