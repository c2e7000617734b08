//! What is looked up by what it is about is what going through all finds.

use super::net::{any_connection, any_net_rule};
use super::*;
use crate::names::Names;

/// Absolute names, with and without what is not canonical.
fn any_name() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "",
        "/",
        "/a",
        "/a/",
        "/a/b",
        "/ab",
        "/ab/c",
        "/a/b/c",
        "/a!",
        "/a0",
        "/b//c",
        "/\0home",
        "/\0home/a",
    ])
    .prop_map(str::to_owned)
}

fn covers(above: &str, name: &str) -> bool {
    let rest = name.strip_prefix(above.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn names_are_found_above_and_below(all in prop::collection::vec(any_name(), 0..8), name in any_name()) {
        let names = Names::of(all.iter().map(|name| Some(name.as_str())));
        let sorted = |found: &mut dyn Iterator<Item = usize>| {
            let mut found: Vec<usize> = found.collect();
            found.sort_unstable();
            found
        };
        let those = |wanted: &dyn Fn(&str) -> bool| {
            let all = all.iter().enumerate().filter(|(_, it)| wanted(it));
            all.map(|(index, _)| index).collect::<Vec<_>>()
        };
        let above = those(&|it| covers(it, &name));
        prop_assert_eq!(sorted(&mut names.above(&name)), above.clone());
        prop_assert_eq!(sorted(&mut names.below(&name)), those(&|it| covers(&name, it)));
        let depth = |index: &usize| all[*index].trim_end_matches('/').len();
        let deepest = above.iter().map(depth).max();
        let deepest: Vec<usize> = above.into_iter().filter(|index| Some(depth(index)) == deepest).collect();
        prop_assert_eq!(names.deepest(&name), deepest);
    }

    #[test]
    fn connections_are_decided_as_by_all_rules(
        rules in prop::collection::vec(any_net_rule(), 0..8),
        connection in any_connection(),
    ) {
        let net = Net::Rules { rules, origin: OriginId(500) };
        let policy = Policy { net, ..policy(Vec::new(), SyscallAction::Errno(1)) };
        prop_assert_eq!(Connections::of(&policy).decide(&connection), policy.connect(&connection));
    }

    #[test]
    fn calls_are_decided_as_by_all_rules(
        rules in prop::collection::vec(any_rule(), 0..8),
        default in any_action(),
        request in any_request(),
    ) {
        let policy = policy(rules, default);
        let Request::Syscall { audit_arch, nr, args } = request else { unreachable!("a call") };
        let calls = Calls::of(&policy);
        prop_assert_eq!(calls.decide(audit_arch, nr, args), policy.decide(&request));
        let made = policy.call(Arch::X86_64, nr, args).action.may_make();
        prop_assert_eq!(calls.made_when(Arch::X86_64, nr).holds(&args), made);
    }
}
