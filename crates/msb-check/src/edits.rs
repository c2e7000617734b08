//! What to take out of a text so that something is gone.

use crate::context::Context;
use msb_diag::Span;

/// What to take away so that the item at `span`, of the statement at `whole`, is gone: all of the statement where the
/// item is `alone` in it, or the item and its comma; `None` where it has none.
pub(crate) fn take_away(cx: &Context<'_>, span: Span, whole: Span, alone: bool) -> Option<Span> {
    if alone {
        return Some(whole);
    }
    let text = &cx.sources.get(span.file)?.text;
    let offset = |byte: usize| u32::try_from(byte).ok();
    let (start, end) = (usize::try_from(span.start).ok()?, usize::try_from(span.end).ok()?);
    let after = text.get(end..)?;
    if let Some(rest) = after.trim_start().strip_prefix(',') {
        let next = text.len() - rest.trim_start().len();
        return Some(Span { end: offset(next)?, ..span });
    }
    let before = text.get(..start)?.trim_end().strip_suffix(',')?;
    Some(Span { start: offset(before.len())?, ..span })
}
