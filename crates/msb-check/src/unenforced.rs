//! What the grammar has and this version does not enforce: an error, so that nobody relies on it.

use crate::context::Context;
use msb_diag::{Diagnostic, Span, codes};
use msb_syntax::ast::{File, Item, StmtKind};

/// Reports items; sections report what is in them.
pub(crate) fn unenforced(file: &File, cx: &mut Context<'_>) {
    for item in &file.items {
        match item {
            Item::Tool(tool) => cx.say(later("tool", tool.name.span, TOOL)),
            Item::Block(_) | Item::Group { .. } | Item::Const { .. } | Item::Test { .. } => {}
        }
    }
}

/// Reports whole statements.
pub(crate) fn statements(cx: &mut Context<'_>) {
    for placed in cx.stmts() {
        let span = placed.stmt.span;
        match &placed.stmt.kind {
            StmtKind::ToolUse(_) => cx.say(later("tools", span, TOOL)),
            StmtKind::Tool(tool) => cx.say(later("tool", tool.name.span, TOOL)),
            StmtKind::Sandbox(_) => {
                cx.say(later("sandbox", span, "take it away: what this version has is always used"));
            }
            _ => {}
        }
    }
}

const TOOL: &str = "take it away: nothing outside of the sandbox can be called";

fn later(what: &str, span: Span, help: &str) -> Diagnostic {
    Diagnostic::new(codes::NOT_ENFORCED, format!("`{what}` is not enforced by this version"))
        .label(span, "not enforced yet")
        .help(help)
}
