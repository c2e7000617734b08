//! Events on the report descriptor.

use crate::OriginId;
use crate::event::{
    Cause, EVENT_BYTES_MAX, Ended, Event, Failure, LimitKind, Step, Usage, decode_event, encode_event,
};
use alloc::{vec, vec::Vec};

/// One of each kind, each with the largest numbers.
fn events() -> Vec<Event> {
    let origin = OriginId(u16::MAX);
    let mut events = vec![
        Event::Failed(Failure { step: Step::Usage, origin: None, errno: 0 }),
        Event::HeldWithoutCgroup { limit: LimitKind::Files, origin },
        Event::Searched { origin, directories: u32::MAX, places: 7 },
        Event::LimitReached { limit: LimitKind::Pids, times: u64::MAX, origin },
        Event::KilledByFilter { nr: Some(u32::MAX), origin },
        Event::Timing { step: Step::Usage, at_us: u32::MAX },
    ];
    for cause in [Cause::Command, Cause::Limit(LimitKind::Wall, origin), Cause::Outside] {
        events.push(Event::Ended(Ended {
            wait_status: u32::MAX,
            cause,
            wall_us: u64::MAX,
            cpu_us: u64::MAX,
            memory_peak_bytes: u64::MAX,
            usage: Usage {
                pids_peak: Some(u64::MAX),
                read_bytes: u64::MAX,
                written_bytes: u64::MAX,
                output_bytes: Some(u64::MAX),
                throttled: Some(u64::MAX),
            },
        }));
    }
    for &step in Step::ALL {
        events.push(Event::Failed(Failure { step, origin: Some(origin), errno: u16::MAX }));
    }
    events
}

#[test]
fn events_survive_in_sequence() {
    let bytes: Vec<u8> = events().iter().flat_map(encode_event).collect();
    let mut rest = &bytes[..];
    for event in events() {
        let (read, left) = decode_event(rest).expect("an event");
        assert_eq!(read, event);
        rest = left;
    }
    assert!(rest.is_empty());
}

#[test]
fn no_event_is_longer_than_its_bound() {
    for event in events() {
        assert!(encode_event(&event).len() <= EVENT_BYTES_MAX, "{event:?}");
    }
}

#[test]
fn partial_events_are_none() {
    for event in events() {
        let bytes = encode_event(&event);
        for length in 0..bytes.len() {
            assert_eq!(decode_event(&bytes[..length]), None, "{event:?}, {length} bytes");
        }
    }
}

#[test]
fn events_with_bytes_left_over_or_out_of_bounds_are_none() {
    let mut bytes = encode_event(&Event::HeldWithoutCgroup { limit: LimitKind::Cpu, origin: OriginId(0) });
    bytes[0] += 1;
    bytes.push(0);
    assert_eq!(decode_event(&bytes), None);
    let mut long = vec![0; EVENT_BYTES_MAX + 1];
    long[..2].copy_from_slice(&u16::try_from(EVENT_BYTES_MAX - 1).unwrap().to_le_bytes());
    assert_eq!(decode_event(&long), None);
    assert_eq!(decode_event(&[1, 0, 200]), None, "an event that does not exist");
}

#[test]
fn steps_have_words_and_are_listed_once() {
    for (index, step) in Step::ALL.iter().enumerate() {
        assert!(!step.words().is_empty() && !step.words().ends_with('.'), "{step:?}");
        assert!(!Step::ALL[..index].contains(step), "{step:?} is listed twice");
    }
}
