//! How long each step of setting up takes, for `--timings`: both processes write into a page that they share.

use msb_plan::event::{Event, Step};
use msb_sys::process::monotonic_us;
use msb_sys::shared::Words;

/// When each step was done; nothing is kept, and no clock is read, where nobody asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    words: Option<Words>,
    begin_us: u64,
}

impl Timing {
    /// Begins now.
    pub(crate) fn begin(wanted: bool) -> Timing {
        // Without memory for it there are no times, and that is no reason not to start.
        let words = wanted.then(Words::new).and_then(Result::ok);
        Timing { words, begin_us: monotonic_us() }
    }

    /// Says that `step` is done.
    #[inline(never)]
    pub(crate) fn done(&self, step: Step) {
        if let Some(words) = self.words {
            let after = monotonic_us().saturating_sub(self.begin_us).max(1);
            words.set(step as usize, u32::try_from(after).unwrap_or(u32::MAX));
        }
    }

    /// What was kept, in the order of the steps' table.
    pub(crate) fn events(self) -> impl Iterator<Item = Event> {
        Step::ALL.iter().filter_map(move |step| {
            let at_us = self.words?.get(*step as usize);
            (at_us > 0).then_some(Event::Timing { step: *step, at_us })
        })
    }
}
