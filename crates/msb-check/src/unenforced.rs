//! What the grammar has and this version does not enforce: an error, so that nobody relies on it.

use crate::context::Context;
use msb_diag::{Diagnostic, Span, codes};
use msb_syntax::ast::StmtKind;

/// Reports whole statements.
pub(crate) fn statements(cx: &mut Context<'_>) {
    for placed in cx.stmts() {
        if let StmtKind::Sandbox(_) = &placed.stmt.kind {
            let span = placed.stmt.span;
            cx.say(later("sandbox", span, "take it away: what this version has is always used"));
        }
    }
}

fn later(what: &str, span: Span, help: &str) -> Diagnostic {
    Diagnostic::new(codes::NOT_ENFORCED, format!("`{what}` is not enforced by this version"))
        .label(span, "not enforced yet")
        .help(help)
}
