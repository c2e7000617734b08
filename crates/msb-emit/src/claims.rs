//! What a policy asserts and what depends on its parameters: for the launcher and the gateway to decide.

use crate::origins::Origins;
use crate::path::lower;
use crate::{EmitError, ir, net, plan};
use plan::network;

fn expected(expected: ir::Expected) -> plan::Expected {
    match expected {
        ir::Expected::Allowed => plan::Expected::Allowed,
        ir::Expected::Denied => plan::Expected::Denied,
    }
}

/// Claims about paths, each once, sorted.
pub(crate) fn paths<'p>(
    policy: &'p ir::Policy,
    origins: &Origins<'p>,
) -> Result<Vec<plan::Claim<'p>>, EmitError> {
    let mut claims = Vec::new();
    for claim in &policy.claims {
        let ir::OpenAsked::Path { path, access, below } = &claim.asked else { continue };
        claims.push(plan::Claim {
            path: lower(path, claim.origin)?,
            right: match access {
                ir::Access::Read => plan::Rights::READ,
                ir::Access::Write => plan::Rights::WRITE,
                ir::Access::Run => plan::Rights::RUN,
            },
            extent: if *below { plan::Extent::Below } else { plan::Extent::Path },
            expected: expected(claim.expected),
            origin: origins.id(claim.origin),
        });
    }
    claims.sort_unstable();
    claims.dedup_by_key(|claim| plan::Claim { origin: plan::OriginId(0), ..*claim });
    Ok(claims)
}

/// Claims about connections, each once, in the order of their lines.
pub(crate) fn connections<'p>(
    policy: &'p ir::Policy,
    origins: &Origins<'_>,
) -> Result<Vec<network::Claim<'p>>, EmitError> {
    let mut claims: Vec<network::Claim<'p>> = Vec::new();
    for claim in &policy.claims {
        let ir::OpenAsked::Connect(endpoint) = &claim.asked else { continue };
        let one = network::Claim {
            protocol: net::protocol(endpoint.protocol),
            peer: net::peer(&endpoint.peer, claim.origin)?,
            ports: net::joined(&endpoint.ports),
            expected: expected(claim.expected),
            origin: origins.id(claim.origin),
        };
        claims.push(one);
    }
    claims.sort_by_key(|claim| claim.origin.0);
    let mut known: Vec<network::Claim<'p>> = Vec::new();
    for claim in claims {
        let same = |it: &network::Claim<'_>| network::Claim { origin: claim.origin, ..it.clone() } == claim;
        if !known.iter().any(same) {
            known.push(claim);
        }
    }
    Ok(known)
}
