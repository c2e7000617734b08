//! The claims of a plan, read back, and written as `assert`.

use crate::plan::path;
use crate::{Undone, net, write};
use msb_plan::Extent;
use msb_policy as ir;
use msb_policy::{Expected, OpenAsked, OpenClaim, Policy};

fn expected(expected: msb_plan::Expected) -> Expected {
    match expected {
        msb_plan::Expected::Allowed => Expected::Allowed,
        msb_plan::Expected::Denied => Expected::Denied,
    }
}

/// What `plan` asserts; `None` if that is about a right or a range of addresses that no claim can say.
pub(crate) fn claims(
    plan: &msb_plan::Plan<'_>,
    origin: impl Fn(msb_plan::OriginId) -> ir::OriginId,
) -> Option<Vec<OpenClaim>> {
    let mut claims = Vec::new();
    for claim in &plan.claims {
        let access = match claim.right {
            msb_plan::Rights::READ => ir::Access::Read,
            msb_plan::Rights::WRITE => ir::Access::Write,
            msb_plan::Rights::RUN => ir::Access::Run,
            _ => return None,
        };
        let below = claim.extent == Extent::Below;
        let asked = OpenAsked::Path { path: path(claim.path), access, below };
        claims.push(OpenClaim { asked, expected: expected(claim.expected), origin: origin(claim.origin) });
    }
    if let msb_plan::network::Network::Gateway(gateway) = &plan.network {
        for claim in &gateway.claims {
            let endpoint = ir::Endpoint {
                protocol: net::protocol(claim.protocol),
                peer: net::peer(claim.peer)?,
                ports: claim.ports.clone(),
            };
            let asked = OpenAsked::Connect(endpoint);
            claims.push(OpenClaim {
                asked,
                expected: expected(claim.expected),
                origin: origin(claim.origin),
            });
        }
    }
    Some(claims)
}

/// The lines of `assert`.
pub(crate) fn lines(policy: &Policy) -> Result<Vec<String>, Undone> {
    let line = |claim: &OpenClaim| {
        let verb = match (claim.expected, &claim.asked) {
            (Expected::Allowed, _) => "allow",
            (Expected::Denied, OpenAsked::Path { below: true, .. }) => "never",
            (Expected::Denied, _) => "deny",
        };
        Ok(match &claim.asked {
            OpenAsked::Path { path, access, .. } => {
                format!("{verb} open {} for {}", write::path(policy, path, "")?, access.word())
            }
            // No plan holds one.
            OpenAsked::Call(text) => format!("{verb} {text}"),
            OpenAsked::Connect(endpoint) => format!("{verb} connect {}", write::endpoint(policy, endpoint)?),
        })
    };
    policy.claims.iter().map(line).collect()
}
