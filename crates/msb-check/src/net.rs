//! The `net` section: in this version a sandbox has no network, and says so in the filter as well.

use crate::context::{ARCH, Context};
use crate::syscalls::implied::{self, Implied};
use msb_diag::{Diagnostic, codes};
use msb_policy::{Net, Op};
use msb_syntax::ast::{self, StmtKind};

/// `AF_UNIX` of linux/socket.h, the same on every architecture.
const AF_UNIX: u64 = 1;

/// The network, and the rules for system calls that follow from it.
pub(crate) fn net(cx: &mut Context<'_>) -> (Net, Vec<Implied>) {
    let mut line = None;
    for placed in cx.stmts() {
        let StmtKind::Net(net) = &placed.stmt.kind else { continue };
        let span = placed.stmt.span;
        match net {
            ast::Net::None => line = line.or(Some(span)),
            ast::Net::Host => cx.say(
                Diagnostic::new(codes::NOT_ENFORCED, "`net host` is not enforced by this version")
                    .label(span, "a sandbox has no network yet")
                    .help("write `net none`"),
            ),
            ast::Net::Rules(rules) => {
                let at = rules.first().map_or(span, |rule| rule.span);
                cx.say(
                    Diagnostic::new(codes::NOT_ENFORCED, "network rules are not enforced by this version")
                        .label(at, "a sandbox has no network yet")
                        .help("write `net none`"),
                );
            }
        }
    }
    let origin = cx.origin(line.unwrap_or(cx.resolved.block.head));
    // A network namespace does not cover AF_VSOCK, AF_ALG and others: the family itself is refused.
    let family = |call| implied::compare(ARCH, call, "domain", Op::Ne, AF_UNIX, "EACCES", origin);
    (Net::None { origin }, ["socket", "socketpair"].into_iter().filter_map(family).collect())
}
