//! The tests of a file: which policy each is for, and with which arguments.

use crate::args::{self, Binding};
use crate::scope::{blocks, dotted, list};
use crate::{Resolved, nearest, walk};
use msb_diag::{Diagnostic, Span, codes};
use msb_syntax::ast::{Block, BlockKind, Claim, ClaimKind, File, Include, Item, Probe, Spanned, Value};

/// A test of the policy, with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// Its title.
    pub title: Spanned<String>,
    /// Parameters by name, and what the test gives them; the others stay open.
    pub given: Vec<(String, Value)>,
    /// What must hold, in terms of the policy's parameters.
    pub claims: Vec<Claim>,
    /// All of it.
    pub span: Span,
}

/// The tests of `file` for `policy`, where `scope` is what its own statements can name.
pub(crate) fn tests(
    file: &File,
    policy: &Block,
    scope: &[Binding],
    found: &mut Vec<Diagnostic>,
) -> Vec<Test> {
    let mut tests = Vec::new();
    for item in &file.items {
        let Item::Test { title, of, args, claims, span } = item else { continue };
        let name = dotted(of);
        let Some(tested) = blocks(file).find(|block| block.name.node == name) else {
            found.push(unknown(file, &name, of.span));
            continue;
        };
        if tested.kind == BlockKind::Profile {
            found.push(
                Diagnostic::new(codes::UNKNOWN_NAME, format!("`{name}` is a profile and cannot be tested"))
                    .label(of.span, "expected a policy")
                    .label(tested.head, "declared as a profile here")
                    .help("test a policy that includes it, or `assert` inside of the profile"),
            );
            continue;
        }
        if tested.name.node != policy.name.node {
            continue;
        }
        let given = Include { name: of.clone(), args: args.clone(), span: of.span };
        let given = args::bind_given(&given, tested, found);
        let mut claims = claims.clone();
        for claim in &mut claims {
            walk::claim(claim, &mut args::Substitute { scope, found });
        }
        tests.push(Test { title: title.clone(), given, claims, span: *span });
    }
    tests
}

/// Names in a request that `resolved` does not have.
#[must_use]
pub fn unknown_in(request: &Probe, resolved: &Resolved) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let scope = args::open(&resolved.block, &mut found);
    let kind = ClaimKind::Allow(request.clone());
    let mut claim = Claim { doc: String::new(), kind, by: None, because: None, span: Span::default() };
    walk::claim(&mut claim, &mut args::Substitute { scope: &scope, found: &mut found });
    found
}

fn unknown(file: &File, name: &str, span: Span) -> Diagnostic {
    let policies = || blocks(file).filter(|block| block.kind == BlockKind::Policy);
    let unknown = Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown policy `{name}`"))
        .label(span, "no policy of this file has this name");
    match nearest(name, policies().map(|block| block.name.node.as_str())) {
        Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(span, meant),
        None => {
            let names: Vec<String> = policies().map(|block| block.name.node.clone()).collect();
            unknown.help(format!("the policies here are {}", list(&names)))
        }
    }
}
