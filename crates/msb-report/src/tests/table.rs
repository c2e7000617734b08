//! The table of advice as a whole.

use super::fixture::{POLICY, said};
use crate::advice::{self, TABLE};
use msb_diag::codes;
use msb_plan::event::Step;

#[test]
fn every_step_has_a_row_for_every_errno() {
    for &step in Step::ALL {
        assert!(
            TABLE.iter().any(|row| row.steps.contains(&step) && row.errnos.is_empty()),
            "{step:?} has no general row"
        );
    }
}

/// A row below a general one of the same step is never taken.
#[test]
fn every_row_is_reached() {
    for row in TABLE {
        let errnos = if row.errnos.is_empty() { &[999][..] } else { row.errnos };
        let taken = |step| errnos.iter().all(|&errno| std::ptr::eq(advice::find(step, errno), row));
        assert!(row.steps.iter().copied().any(taken), "never taken: {}", row.message);
    }
}

#[test]
fn rows_have_codes_of_launch_failures() {
    for row in TABLE {
        let known = row.code.row().expect("a row in the registry");
        assert!((1100..1200).contains(&known.code.0), "{}", row.code);
    }
    for row in codes::TABLE.iter().filter(|row| (1100..1200).contains(&row.code.0)) {
        assert!(TABLE.iter().any(|advice| advice.code == row.code), "{} is never given", row.code);
    }
}

#[test]
fn every_field_is_filled_and_every_text_is_plain() {
    for &step in Step::ALL {
        for errno in 0..140 {
            for origin in [None, Some(POLICY)] {
                let (message, help) = said(step, errno, origin);
                for text in [&message, &help] {
                    assert!(!text.contains('{') && !text.contains('}'), "{step:?} {errno}: {text}");
                    assert!(!text.ends_with('.') && !text.contains("  "), "{step:?} {errno}: {text}");
                    assert_eq!(text.matches('`').count() % 2, 0, "{step:?} {errno}: {text}");
                }
                let first = message.chars().next().expect("a message");
                assert!(!first.is_uppercase(), "{message}");
            }
        }
    }
}
