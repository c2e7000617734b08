//! The bytes of signatures and keys.

use super::sample;
use crate::signed::{PUBLIC_MAGIC, SECRET_MAGIC, TRUSTED_KEYS_MAX, public_keys, secret_key, split, trailer};
use crate::{decode, encode};
use alloc::vec::Vec;

#[test]
fn a_plan_and_its_signature_come_apart_again() {
    let plan = encode(&sample::plan()).unwrap();
    assert_eq!(split(&plan), (plan.as_slice(), None));
    let key = [7; 32];
    let signed = [plan.as_slice(), &trailer(&[9; 64], &key)].concat();
    let (body, signature) = split(&signed);
    let signature = signature.expect("a signature");
    assert_eq!((body, signature.key_id, signature.bytes), (plan.as_slice(), &[7; 8], &[9; 64]));
    assert!(decode(&signed).is_err(), "the plan alone is a plan");
    // One byte less or more, or a second signature, is none.
    assert_eq!(split(&signed[..signed.len() - 1]).1, None);
    assert_eq!(split(&[signed.as_slice(), &[0]].concat()).1, None);
    assert_eq!(split(&[signed.as_slice(), &trailer(&[9; 64], &key)].concat()).1, None);
    for length in 0..48 {
        assert_eq!(split(&signed[..length]).1, None);
    }
}

#[test]
fn keys_are_read_whole_or_not_at_all() {
    let entry = |fill: u8| [PUBLIC_MAGIC.as_slice(), &[fill; 32]].concat();
    let keys = |file: &[u8]| public_keys(file).map(|keys| keys.map(|key| key[0]).collect::<Vec<u8>>());
    assert_eq!(keys(&entry(1)), Some(Vec::from([1])));
    assert_eq!(keys(&[entry(1), entry(2)].concat()), Some(Vec::from([1, 2])));
    assert_eq!(keys(&entry(3).repeat(TRUSTED_KEYS_MAX)).map(|keys| keys.len()), Some(TRUSTED_KEYS_MAX));
    assert_eq!(keys(&entry(3).repeat(TRUSTED_KEYS_MAX + 1)), None);
    assert_eq!(keys(b""), None);
    assert_eq!(keys(&entry(1)[1..]), None);
    assert_eq!(keys(&[entry(1), Vec::from([0])].concat()), None);
    let secret = [SECRET_MAGIC.as_slice(), &[5; 32]].concat();
    assert_eq!(keys(&secret), None);
    assert_eq!(
        (secret_key(&secret), secret_key(&secret[..39]), secret_key(&entry(1))),
        (Some(&[5; 32]), None, None)
    );
}
