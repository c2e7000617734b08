use proptest::prelude::*;

use super::*;

/// Tests on eight bits, so that every value can be tried.
fn any_test() -> impl Strategy<Value = Test> {
    let mask = || prop_oneof![2 => Just(u32::MAX), 3 => 0..256u32];
    let value = || prop_oneof![9 => 0..256u32, 1 => 256..300u32];
    prop_oneof![
        (mask(), value()).prop_map(|(mask, value)| Test::Equal { mask, value }),
        (mask(), value(), any::<bool>()).prop_map(|(mask, value, inside)| Test::Equal {
            mask,
            value: if inside { value & mask } else { value }
        }),
        (mask(), value()).prop_map(|(mask, least)| Test::AtLeast { mask, least }),
    ]
}

/// The values of a set within eight bits, found one by one.
fn values(set: &Set) -> Vec<u32> {
    (0..256).filter(|value| set.contains(*value)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn pieces_are_exactly_the_values_that_pass(tests in prop::collection::vec((any_test(), any::<bool>()), 0..12)) {
        let mut sets = vec![Set::range(0, 255)];
        let mut expected: Vec<u32> = (0..256).collect();
        for (test, holds) in tests {
            for set in &sets {
                let inside = values(set);
                let passing = inside.iter().filter(|value| test.holds(**value)).count();
                match set.verdict(test) {
                    Some(true) => prop_assert_eq!(passing, inside.len()),
                    Some(false) => prop_assert_eq!(passing, 0),
                    None => {}
                }
            }
            sets = sets.iter().flat_map(|set| set.split(test, holds)).collect();
            expected.retain(|value| test.holds(*value) == holds);
            let mut found: Vec<u32> = sets.iter().flat_map(values).collect();
            found.sort_unstable();
            // Equal to the list without repetitions: pieces have no value in common.
            prop_assert_eq!(&found, &expected);
            for set in &sets {
                let member = set.member().expect("no piece is empty");
                prop_assert!(set.contains(member) && member < 256, "{} of {:?}", member, set);
            }
        }
        // What is split on is decided in its pieces, so that a walk ends.
        for set in &sets {
            for test in [Test::Equal { mask: 0x2c, value: 0x24 }, Test::AtLeast { mask: 0x33, least: 0x12 }] {
                for holds in [false, true] {
                    for piece in set.split(test, holds) {
                        prop_assert_eq!(piece.verdict(test), Some(holds), "{:?} {:?}", piece, test);
                    }
                }
            }
        }
    }

    #[test]
    fn whole_words_too(tests in prop::collection::vec((any::<u32>(), any::<u32>(), 0..4u8), 0..8), word in any::<u32>()) {
        let mut set = Set::all();
        for (mask, value, how) in tests {
            let test = match how {
                0 => Test::Equal { mask, value: value & mask },
                1 => Test::Equal { mask: u32::MAX, value: word.wrapping_add(value % 3) },
                2 => Test::AtLeast { mask: u32::MAX, least: value },
                _ => Test::AtLeast { mask, least: value & mask },
            };
            // The pieces that the word is in, and no other, hold on.
            let pieces = set.split(test, test.holds(word));
            let mut with: Vec<Set> = pieces.into_iter().filter(|piece| piece.contains(word)).collect();
            prop_assert_eq!(with.len(), 1);
            prop_assert!(!set.split(test, !test.holds(word)).iter().any(|piece| piece.contains(word)));
            set = with.remove(0);
        }
    }
}

#[test]
fn borders_of_the_word() {
    let most = Test::AtLeast { mask: u32::MAX, least: u32::MAX };
    assert_eq!(Set::all().split(most, true), [Set::range(u32::MAX, u32::MAX)]);
    assert_eq!(Set::all().split(most, false), [Set::range(0, u32::MAX - 1)]);
    let none = Test::AtLeast { mask: u32::MAX, least: 0 };
    assert_eq!(Set::all().split(none, false), []);
    let all_out: Vec<Set> = (0..4).fold(vec![Set::range(0, 3)], |sets, value| {
        sets.iter().flat_map(|set| set.split(Test::Equal { mask: 3, value }, false)).collect()
    });
    assert_eq!(all_out, [], "each of the four values of two bits is out");
}
