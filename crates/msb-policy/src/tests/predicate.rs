use super::*;

/// Every value on which conditions with constants below 8 can differ: low words to 15, and a high word.
fn values() -> impl Iterator<Item = u64> + Clone {
    (0..16u64).flat_map(|low| [low, low | 1 << 32])
}

fn brute_force(holds: impl Fn(&[u64; 6]) -> bool) -> bool {
    values().any(|first| values().any(|second| holds(&[first, second, 0, 0, 0, 0])))
}

#[test]
fn a_witness_is_found_where_one_exists() {
    let eq = |value| compare(0, Width::W64, Op::Eq, value);
    let masked = |mask, value| Pred::Masked { argument: 0, width: Width::W64, mask, value };
    let not = |pred| Pred::Not(Box::new(pred));
    let high = 1u64 << 32;
    let cases: Vec<(Pred, Option<u64>)> = vec![
        (Pred::True, Some(0)),
        (Pred::All(vec![]), Some(0)),
        (Pred::Any(vec![]), None),
        (not(Pred::True), None),
        (eq(u64::MAX), Some(u64::MAX)),
        (compare(0, Width::W32, Op::Gt, 0xffff_ffff), None),
        (compare(0, Width::W64, Op::Gt, u64::MAX), None),
        (compare(0, Width::W64, Op::Lt, 0), None),
        (compare(0, Width::W64, Op::Ge, high + 7), Some(high + 7)),
        (compare(0, Width::W32, Op::Eq, high), None),
        (Pred::Masked { argument: 0, width: Width::W32, mask: 1, value: 2 }, None),
        (not(Pred::Masked { argument: 0, width: Width::W32, mask: 1, value: 2 }), Some(0)),
        (not(masked(0, 0)), None),
        (Pred::All(vec![masked(6, 4), masked(3, 1)]), Some(5)),
        (Pred::All(vec![masked(6, 4), masked(2, 2)]), None),
        (Pred::All(vec![masked(1, 1), compare(0, Width::W64, Op::Ge, 8)]), Some(9)),
        (Pred::All(vec![masked(high, high), compare(0, Width::W64, Op::Lt, high)]), None),
        (Pred::All(vec![masked(high, high), compare(0, Width::W32, Op::Ge, 3)]), Some(high + 3)),
        (
            Pred::All(vec![
                compare(0, Width::W64, Op::Gt, 3 * high + 5),
                compare(0, Width::W64, Op::Lt, 5 * high),
                compare(0, Width::W32, Op::Le, 4),
            ]),
            Some(4 * high),
        ),
        (Pred::All((0..100).map(|value| not(eq(value))).collect()), Some(100)),
        (
            Pred::All(
                (0..300).map(|value| not(eq(value))).chain([compare(0, Width::W64, Op::Lt, 300)]).collect(),
            ),
            None,
        ),
    ];
    for (pred, expected) in cases {
        let found = pred.witness().found();
        assert_eq!(found.is_some(), expected.is_some(), "{pred:?}");
        if let (Some(found), Some(_)) = (found, expected) {
            assert!(pred.holds(&found), "{pred:?} {found:x?}");
        }
        // Where nothing is forbidden the smallest value is found.
        if let (Some(found), Some(expected), Pred::Compare { .. }) = (found, expected, &pred) {
            assert_eq!(found[0], expected, "{pred:?}");
        }
    }
}

#[test]
fn two_rules_overlap_where_a_witness_says() {
    let family = |value| compare(0, Width::W32, Op::Eq, value);
    let raw = Pred::Masked { argument: 1, width: Width::W32, mask: 0xf, value: 3 };
    let args = family(2).witness_with(&raw).found().expect("an AF_INET raw socket");
    assert_eq!(args, [2, 3, 0, 0, 0, 0]);
    assert_eq!(family(2).witness_with(&family(10)), Solution::Nothing);
    assert!(Pred::Any(vec![family(2), Pred::Not(Box::new(family(2)))]).always());
    assert!(!family(2).always());
    assert!(family(2).witness_without(&Pred::Any(vec![family(1), family(2)])) == Solution::Nothing);
}

#[test]
fn an_argument_beyond_the_sixth_reads_as_zero() {
    let beyond = |value| compare(6, Width::W64, Op::Eq, value);
    assert!(beyond(0).holds(&[9; 6]) && beyond(0).satisfiable());
    assert!(!beyond(9).holds(&[9; 6]) && !beyond(9).satisfiable());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn satisfiable_is_what_brute_force_finds(pred in any_pred()) {
        prop_assert_eq!(pred.satisfiable(), brute_force(|args| pred.holds(args)));
        prop_assert_eq!(pred.always(), !brute_force(|args| !pred.holds(args)));
        if let Some(args) = pred.witness().found() {
            prop_assert!(pred.holds(&args));
        }
    }

    #[test]
    fn overlaps_are_what_brute_force_finds(first in any_pred(), second in any_pred()) {
        let both = first.witness_with(&second).found();
        prop_assert_eq!(both.is_some(), brute_force(|args| first.holds(args) && second.holds(args)));
        let without = first.witness_without(&second).found();
        prop_assert_eq!(without.is_some(), brute_force(|args| first.holds(args) && !second.holds(args)));
        prop_assert!(both.is_none_or(|args| first.holds(&args) && second.holds(&args)));
        prop_assert!(without.is_none_or(|args| first.holds(&args) && !second.holds(&args)));
    }

    #[test]
    fn a_witness_holds_at_the_borders_of_the_words(
        width in any_width(),
        (first, second) in (any_op(), any_op()),
        values in prop::collection::vec(prop::sample::select(vec![
            0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 32, (1 << 32) + 1, u64::MAX - 1, u64::MAX,
        ]), 2),
        mask in any::<u64>(),
    ) {
        let pred = Pred::All(vec![
            compare(0, width, first, values[0]),
            compare(0, Width::W64, second, values[1]),
            Pred::Masked { argument: 0, width, mask: mask & width.mask(), value: values[0] & mask & width.mask() },
        ]);
        // Every border of an interval, with the bits of the mask filled in.
        let borders = values.iter().flat_map(|value| [value.wrapping_sub(1), *value, value.wrapping_add(1)]);
        let somewhere = borders.clone().any(|value| pred.holds(&[value, 0, 0, 0, 0, 0]));
        match pred.witness().found() {
            Some(args) => prop_assert!(pred.holds(&args)),
            None => prop_assert!(!somewhere),
        }
    }
}

/// What contradicts itself among many other choices is seen before those are made: one after the other they would be
/// 2²⁴ ways, each to the same end.
#[test]
fn a_contradiction_among_many_choices_is_found_at_once() {
    let is = |argument, value| Pred::Compare { argument, width: Width::W64, op: Op::Eq, value };
    let bit =
        |argument, bit: u64| Pred::Masked { argument, width: Width::W64, mask: 1 << bit, value: 1 << bit };
    let mut all = vec![Pred::Any(vec![is(0, 1), is(0, 2)])];
    all.extend((0..24).map(|at| Pred::Any(vec![bit(1, at), bit(2, at)])));
    let good = Pred::All(all.clone());
    let found = good.witness().found().expect("a way");
    assert!(good.holds(&found));
    all.push(Pred::Any(vec![is(0, 3), is(0, 4)]));
    assert_eq!(Pred::All(all).witness(), Solution::Nothing);
}

/// `count` clauses of three bits each, of `bits` bits over as many arguments as that needs: a formula of which nobody
/// knows a quick way to tell whether it holds for some arguments.
fn clauses(count: usize, bits: u64) -> Pred {
    let mut state = 1u64;
    let mut random = |below: u64| {
        // Knuth's MMIX.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut literal = || {
        let (at, set) = (random(bits), random(2));
        let (argument, bit) = (u8::try_from(at / 64).expect("six arguments"), 1u64 << (at % 64));
        Pred::Masked { argument, width: Width::W64, mask: bit, value: bit * set }
    };
    Pred::All((0..count).map(|_| Pred::Any(vec![literal(), literal(), literal()])).collect())
}

/// A search that would take years is given up, and says so: it never says that there are no arguments.
#[test]
fn what_takes_too_long_is_given_up() {
    let (loose, tight) = (clauses(600, 384), clauses(1700, 384));
    let found = loose.witness().found().expect("plenty of ways");
    assert!(loose.holds(&found));
    let before = std::time::Instant::now();
    assert_eq!(tight.witness(), Solution::GivenUp);
    assert!(tight.satisfiable() && !Pred::Not(Box::new(tight.clone())).always());
    // In a tenth of a second each, optimized and alone.
    assert!(before.elapsed().as_secs() < 60, "{:?}", before.elapsed());

    let rule = |predicate| rule(16, SyscallAction::Allow, predicate, 1);
    let child = policy(vec![rule(tight)], SyscallAction::Errno(1));
    let parent = policy(Vec::new(), SyscallAction::Errno(1));
    let found = child.widenings(&parent, By::Host);
    assert!(matches!(&found[..], [Widening { what: Wider::Undecided { nr: 16, .. }, .. }]), "{found:?}");
    let loose = policy(vec![rule(loose)], SyscallAction::Errno(1));
    assert!(matches!(&loose.widenings(&parent, By::Host)[..], [Widening { what: Wider::Call { .. }, .. }]));
}

/// As many rules as a large policy has for one call: neither single values nor pairs of conditions that are denied make a
/// search long.
#[test]
fn many_denies_of_one_call_are_searched_quickly() {
    let is = |argument, value| Pred::Compare { argument, width: Width::W32, op: Op::Eq, value };
    let denies: Vec<(&str, Vec<Pred>)> = vec![
        ("values", (0..3000).map(|value| is(0, value)).collect()),
        ("pairs", (0..3000).map(|value| Pred::All(vec![is(0, value), is(1, value)])).collect()),
        ("pairs with one value", (0..3000).map(|value| Pred::All(vec![is(0, value), is(1, 0)])).collect()),
        (
            "ranges",
            (0..3000)
                .map(|it| {
                    let end = |op, value| Pred::Compare { argument: 0, width: Width::W32, op, value };
                    Pred::All(vec![end(Op::Ge, 4 * it), end(Op::Le, 4 * it + 1)])
                })
                .collect(),
        ),
    ];
    for (name, denied) in denies {
        let open = Pred::True.witness_without(&Pred::Any(denied.clone())).found();
        let open = open.unwrap_or_else(|| panic!("{name}: something is left"));
        assert!(denied.iter().all(|deny| !deny.holds(&open)), "{name}");
    }
}
