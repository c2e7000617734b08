//! `accept MSB0611 because "…"`: a warning that a person looked at and keeps.

use msb_diag::{Code, Diagnostic, Severity, Span, codes};
use msb_resolve::{LayerId, Resolved};
use msb_syntax::ast::{Name, StmtKind};

/// Takes away from `found` what the policy accepts, and says what is wrong with how it does.
///
/// Only warnings and hints can be accepted. An `accept` in the policy holds everywhere; one in a profile
/// holds for findings in the file of that profile.
#[must_use]
pub fn accept(resolved: &Resolved, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let broken = msb_diag::has_errors(&found);
    let mut kept = found;
    let mut said = Vec::new();
    for placed in &resolved.stmts {
        let StmtKind::Accept { codes, because } = &placed.stmt.kind else { continue };
        // One that is not there at all was reported by the parser.
        let Some(because) = because else { continue };
        if because.node.trim().is_empty() {
            said.push(
                Diagnostic::new(codes::ACCEPT_WITHOUT_REASON, "`accept` gives no reason")
                    .label(because.span, "who reads this next wants to know why")
                    .help("say in a few words why the warning is fine here"),
            );
            continue;
        }
        let mut unneeded: Vec<(usize, &Name, Code)> = Vec::new();
        for (index, name) in codes.iter().enumerate() {
            let Some(code) = acceptable(name, &mut said) else { continue };
            let before = kept.len();
            kept.retain(|it| !(it.code == code && !it.is_error() && holds(placed.layer, name.span, it)));
            // A policy with errors was not looked at as a whole: the warning may come yet.
            if kept.len() == before && placed.layer == LayerId::POLICY && !broken {
                unneeded.push((index, name, code));
            }
        }
        let all = unneeded.len() == codes.len();
        said.extend(unneeded.into_iter().map(|(index, name, code)| {
            let whole = if all { placed.stmt.span } else { with_comma(codes, index, name) };
            Diagnostic::new(codes::ACCEPT_NOT_NEEDED, format!("`accept {code}` is not needed"))
                .label(name.span, "nothing here gives this warning")
                .help("take it away")
                .edit(whole, "")
        }));
    }
    kept.extend(said);
    kept
}

/// A code with the comma that divides it from its neighbour.
fn with_comma(codes: &[Name], index: usize, name: &Name) -> Span {
    let span = |index: usize| codes.get(index).map(|name| name.span);
    match (span(index + 1), index.checked_sub(1).and_then(span)) {
        (Some(next), _) => Span { end: next.start, ..name.span },
        (None, Some(before)) => Span { start: before.end, ..name.span },
        (None, None) => name.span,
    }
}

fn holds(layer: LayerId, accept: Span, found: &Diagnostic) -> bool {
    layer == LayerId::POLICY || found.span().is_some_and(|span| span.file == accept.file)
}

fn acceptable(name: &Name, said: &mut Vec<Diagnostic>) -> Option<Code> {
    let Some(code) = Code::parse(&name.node) else {
        said.push(
            Diagnostic::new(codes::ACCEPT_WITHOUT_REASON, format!("unknown code `{}`", name.node))
                .label(name.span, "no diagnostic has this code")
                .help("write the code that the warning shows, such as `MSB0611`"),
        );
        return None;
    };
    if code.severity() == Severity::Error {
        said.push(
            Diagnostic::new(
                codes::ACCEPT_WITHOUT_REASON,
                format!("`{code}` is an error and cannot be accepted"),
            )
            .label(name.span, "only warnings can be accepted")
            .help("take the code away, and repair what it is about"),
        );
        return None;
    }
    Some(code)
}
