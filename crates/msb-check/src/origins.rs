//! The lines that rules come from, each once.

use msb_diag::{Sources, Span};
use msb_policy::{Origin, OriginId};
use std::collections::BTreeMap;

/// Bytes of the text of an origin: the bound that a plan has.
pub(crate) const ORIGIN_TEXT_BYTES_MAX: usize = 200;

/// Collects [`Origin`]s while the policy is checked.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    all: Vec<Origin>,
    known: BTreeMap<Span, OriginId>,
    spans: Vec<Span>,
}

impl Origins {
    /// The origin of what stands at `span`: its first line, without the space around it.
    pub(crate) fn of(&mut self, span: Span, sources: &Sources) -> OriginId {
        if let Some(known) = self.known.get(&span) {
            return *known;
        }
        let (line, column) = sources.line_column(span).map_or((1, 1), |(line, column, _)| (line, column));
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let text = sources.text(span).lines().next().unwrap_or("").trim();
        let origin = Origin {
            file: sources.get(span.file).map_or_else(String::new, |file| file.name.clone()),
            line: number(line),
            column: number(column),
            text: shortened(text).to_owned(),
        };
        let id = OriginId(number(self.all.len()));
        self.all.push(origin);
        self.known.insert(span, id);
        self.spans.push(span);
        id
    }

    /// Where an origin stands.
    pub(crate) fn span(&self, origin: OriginId) -> Option<Span> {
        self.spans.get(usize::try_from(origin.0).ok()?).copied()
    }

    /// Where each origin stands.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.spans.clone()
    }

    pub(crate) fn finish(&mut self) -> Vec<Origin> {
        std::mem::take(&mut self.all)
    }
}

fn shortened(text: &str) -> &str {
    let end = (0..=ORIGIN_TEXT_BYTES_MAX.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    text.get(..end.unwrap_or(0)).unwrap_or("")
}
