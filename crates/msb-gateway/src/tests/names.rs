use super::*;
use proptest::prelude::*;

const FIRST: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 1);

fn names(count: u32, now: Instant) -> Names {
    Names::new(vec![("a.example".to_owned(), Ipv4Addr::new(198, 18, 1, 1))], FIRST, count, now)
}

#[test]
fn a_fixed_name_has_its_address() {
    let now = Instant::now();
    let mut names = names(4, now);
    assert_eq!(names.address("a.example", now), Ok(Ipv4Addr::new(198, 18, 1, 1)));
    assert_eq!(names.name(Ipv4Addr::new(198, 18, 1, 1)), Some("a.example"));
    assert_eq!(names.leased(), 0);
}

#[test]
fn a_lease_goes_to_another_only_when_nobody_can_use_it() {
    let now = Instant::now();
    let mut names = names(2, now);
    let one = names.address("one.example", now);
    let two = names.address("two.example", now);
    assert!(one.is_ok() && two.is_ok() && one != two);
    assert_eq!(names.address("one.example", now), one);
    assert_eq!(names.address("three.example", now), Err(NoLease::Full));
    let later = now + LEASE_MIN;
    // The older one is connected; the other one was asked for again.
    names.hold(one.unwrap_or(FIRST));
    assert_eq!(names.address("two.example", later - Duration::from_secs(1)), two);
    assert_eq!(names.address("three.example", later), Err(NoLease::Full));
    names.release(one.unwrap_or(FIRST));
    assert_eq!(names.address("three.example", later), one);
    assert_eq!(names.name(one.unwrap_or(FIRST)), Some("three.example"));
    assert_eq!(names.address("one.example", later), Err(NoLease::Full));
}

#[test]
fn new_names_are_bounded_in_number() {
    let now = Instant::now();
    let mut names = names(60_000, now);
    let given =
        (0..10_000).filter(|number| names.address(&format!("n{number}.example"), now).is_ok()).count();
    assert_eq!(given as u64, NEW_NAMES.burst);
    assert!(matches!(names.address("more.example", now), Err(NoLease::Rate(_))));
    // Those that are known are not new.
    assert!(names.address("n1.example", now).is_ok());
    assert!(names.address("more.example", now + Duration::from_secs(1)).is_ok());
}

proptest! {
    /// Whatever happens, an address has one name and a name one address, both ways the same.
    #[test]
    fn names_and_addresses_are_one_to_one(steps in prop::collection::vec((0..12_usize, 0..400_u64, any::<bool>()), 0..80)) {
        let mut now = Instant::now();
        let mut names = names(5, now);
        let mut held: Vec<(Ipv4Addr, String)> = Vec::new();
        for (number, seconds, holds) in steps {
            now += Duration::from_secs(seconds);
            let name = format!("n{number}.example");
            if let Ok(address) = names.address(&name, now) {
                prop_assert_eq!(names.name(address), Some(name.as_str()));
                prop_assert!(names.is_synthetic(address));
                if holds {
                    names.hold(address);
                    held.push((address, name));
                } else if let Some((address, _)) = held.pop() {
                    names.release(address);
                }
            }
            for (address, name) in &held {
                prop_assert_eq!(names.name(*address), Some(name.as_str()), "a connection lost its name");
            }
        }
    }
}
