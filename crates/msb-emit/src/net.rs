//! The network section: rules for the gateway, the batch for nf_tables, and what follows for files and variables.

use crate::mounts::Mount;
use crate::origins::{Order, Origins};
use crate::path::below;
use crate::{EmitError, ir, plan};
use msb_host::Host;
use msb_nft::{Addresses, Batch};
use plan::network;
use std::net::IpAddr;

/// Where the certificates are put; the first below no mount is taken.
const TRUST_FILES: [&str; 3] =
    ["etc/msb-certificates.pem", "run/msb-certificates.pem", "msb-certificates.pem"];
/// Where Java's key store is put; the first below no mount is taken.
const JAVA_TRUST_FILES: [&str; 3] =
    ["etc/msb-certificates.jks", "run/msb-certificates.jks", "msb-certificates.jks"];
/// Key stores that Java takes its certificates from by itself: Debian, Fedora, openSUSE.
const JAVA_TRUST_PLACES: [&str; 3] = [
    "etc/ssl/certs/java/cacerts",
    "etc/pki/ca-trust/extracted/java/cacerts",
    "var/lib/ca-certificates/java-cacerts",
];
/// Options of every Java program, with which one that brings certificates of its own takes these.
const JAVA_TRUST_VARIABLE: &str = "JAVA_TOOL_OPTIONS";
/// Files that programs take their certificates from by themselves: Debian and Arch, Fedora, openSUSE, Alpine.
const TRUST_PLACES: [&str; 5] = [
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/ssl/ca-bundle.pem",
    "etc/ssl/cert.pem",
];
/// Variables that programs take them from: OpenSSL and Go, requests and pip, Node, curl, git, AWS, cargo, gRPC, Deno.
const TRUST_VARIABLES: [&str; 9] = [
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "CURL_CA_BUNDLE",
    "DENO_CERT",
    "GIT_SSL_CAINFO",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
];

/// The network of a policy, ready to be written down.
pub(crate) struct Net<'p> {
    rules: Vec<&'p ir::NetRule>,
    addresses: Addresses,
    batch: Batch,
    /// The place of the certificates, with its leading `/`, where the gateway reads TLS.
    trust: Option<String>,
    /// The same of Java's, and the value of its variable.
    java_trust: Option<(String, String)>,
    origin: ir::OriginId,
}

impl<'p> Net<'p> {
    /// What `policy` says; `None` where it reaches nothing outside.
    pub(crate) fn of(
        policy: &'p ir::Policy,
        order: &Order,
        mounts: &[Mount<'_>],
    ) -> Result<Option<Net<'p>>, EmitError> {
        let (rules, origin) = match &policy.net {
            ir::Net::Rules { rules, origin } if !rules.is_empty() => (rules, *origin),
            _ => return Ok(None),
        };
        let count = rules.iter().filter(|rule| endpoint(rule).is_some()).count();
        let too_many = |what, count, max| EmitError::TooMany { what, count, max, origin };
        if count > network::RULES_MAX {
            return Err(too_many("network rules", count, network::RULES_MAX));
        }
        let failed = |error| match error {
            msb_nft::Error::Names { count } => too_many("host names", count, network::RULES_MAX),
            msb_nft::Error::TooLong { bytes } => {
                too_many("bytes of addresses and ports", bytes, network::BATCH_BYTES_MAX)
            }
        };
        let addresses = Addresses::of(rules).map_err(failed)?;
        let batch = msb_nft::compile(rules, &addresses, origin).map_err(failed)?;
        let shown = |file: &str| {
            let file = plan::Path { base: plan::Base::Root, rest: file };
            mounts.iter().any(|mount| below(mount.target, file).is_some())
        };
        let reads = rules.iter().any(|rule| match &rule.kind {
            ir::NetKind::Allow { endpoint, terms } => {
                endpoint.protocol == ir::Protocol::Https && reads_requests(terms)
            }
            _ => false,
        });
        let free = |files: &[&'static str; 3]| {
            let free = files.iter().find(|file| !shown(file)).unwrap_or(&files[0]);
            reads.then(|| format!("/{free}"))
        };
        let trust = free(&TRUST_FILES);
        let java_trust = free(&JAVA_TRUST_FILES).map(|file| {
            let option = format!("-Djavax.net.ssl.trustStore={file}");
            (file, option)
        });
        let mut rules: Vec<&ir::NetRule> = rules.iter().collect();
        rules.sort_by_key(|rule| order.place(rule.origin));
        Ok(Some(Net { rules, addresses, batch, trust, java_trust, origin }))
    }

    /// The lines that the section points to.
    pub(crate) fn origins(&self) -> impl Iterator<Item = ir::OriginId> {
        let rules = self.rules.iter().map(|rule| rule.origin);
        rules.chain(self.batch.marks.iter().map(|(_, origin)| *origin)).chain([self.origin])
    }

    /// Variables that no rule of `policy` names, with their value, where certificates are given out.
    pub(crate) fn variables(&self, policy: &ir::Policy) -> Vec<(&'static str, &str)> {
        let named = |name: &str| {
            policy.env.iter().any(|rule| match &rule.kind {
                ir::EnvKind::Pass { name: it, prefix: false } | ir::EnvKind::Set { name: it, .. } => {
                    it == name
                }
                ir::EnvKind::Pass { .. } => false,
            })
        };
        let pem = self.trust.as_deref();
        let pem = pem.into_iter().flat_map(|file| TRUST_VARIABLES.iter().map(move |name| (*name, file)));
        let java = self.java_trust.iter().map(|(_, option)| (JAVA_TRUST_VARIABLE, option.as_str()));
        pem.chain(java).filter(|(name, _)| !named(name)).collect()
    }

    /// Whether a rule names the host's own loopback, so that it has a name inside.
    pub(crate) fn dials_host(&self) -> bool {
        self.rules.iter().any(|rule| match &rule.kind {
            ir::NetKind::Allow { endpoint, .. } => endpoint.peer == ir::Peer::Loopback,
            _ => false,
        })
    }

    /// The section.
    pub(crate) fn emit<'s>(
        &'s self,
        policy: &'s ir::Policy,
        origins: &Origins<'p>,
    ) -> Result<network::Network<'s>, EmitError> {
        let mut rules = Vec::new();
        let mut totals = Vec::new();
        let mut listens: Vec<network::Listen> = Vec::new();
        for rule in &self.rules {
            let origin = origins.id(rule.origin);
            match &rule.kind {
                ir::NetKind::Allow { endpoint, terms } => {
                    rules.push(self.rule(
                        network::Action::Allow,
                        endpoint,
                        Some(terms),
                        rule.origin,
                        origin,
                    )?);
                }
                ir::NetKind::Deny(endpoint) => {
                    rules.push(self.rule(network::Action::Deny, endpoint, None, rule.origin, origin)?);
                }
                ir::NetKind::Listen(publish) => listen(publish, origin, &mut listens),
                ir::NetKind::Total(of) => totals.push(network::Total { limits: limits(of), origin }),
            }
        }
        let claims = crate::claims::connections(policy, origins)?;
        for (what, count, max) in [
            ("claims for launch", claims.len(), network::CLAIMS_MAX),
            ("published ports", listens.len(), network::LISTENS_MAX),
            ("`total` rules", totals.len(), network::TOTALS_MAX),
        ] {
            if count > max {
                return Err(EmitError::TooMany { what, count, max, origin: self.origin });
            }
        }
        let mark = |(offset_bytes, origin): &(u32, ir::OriginId)| network::Mark {
            offset_bytes: *offset_bytes,
            origin: origins.id(*origin),
        };
        Ok(network::Network::Gateway(network::Gateway {
            batch: &self.batch.bytes,
            refusals: &self.batch.refusals,
            marks: self.batch.marks.iter().map(mark).collect(),
            rules,
            totals,
            listens,
            trust: self.trust.as_deref().map(|file| trust(file, &TRUST_PLACES)),
            java_trust: self.java_trust.as_ref().map(|(file, _)| trust(file, &JAVA_TRUST_PLACES)),
            claims,
            origin: origins.id(self.origin),
        }))
    }

    fn rule(
        &self,
        action: network::Action,
        endpoint: &'p ir::Endpoint,
        of: Option<&'p ir::Terms>,
        line: ir::OriginId,
        origin: plan::OriginId,
    ) -> Result<network::Rule<'p>, EmitError> {
        Ok(network::Rule {
            action,
            protocol: protocol(endpoint.protocol),
            peer: self.peer(&endpoint.peer, line)?,
            ports: joined(&endpoint.ports),
            terms: of.map_or(Ok(network::Terms::default()), |of| terms(of, line))?,
            origin,
        })
    }

    fn peer(&self, of: &'p ir::Peer, origin: ir::OriginId) -> Result<network::Peer<'p>, EmitError> {
        let lost = || EmitError::UnknownOrigin { origin };
        let mut peer = peer(of, origin)?;
        match &mut peer {
            network::Peer::Name { name, address } => {
                *address = self.addresses.name(name).ok_or_else(lost)?.octets();
            }
            network::Peer::Param { index, address } => {
                *address = self.addresses.param(usize::from(*index)).ok_or_else(lost)?.octets();
            }
            _ => {}
        }
        Ok(peer)
    }
}

/// A peer without its address inside.
pub(crate) fn peer(peer: &ir::Peer, origin: ir::OriginId) -> Result<network::Peer<'_>, EmitError> {
    const NOWHERE: [u8; 4] = [0; 4];
    Ok(match peer {
        ir::Peer::Any => network::Peer::Any,
        ir::Peer::Private => network::Peer::Private,
        ir::Peer::Metadata => network::Peer::Metadata,
        ir::Peer::Loopback => network::Peer::Host,
        ir::Peer::Host(Host::Below(name)) => network::Peer::Below(name),
        ir::Peer::Host(Host::Name(name)) => network::Peer::Name { name, address: NOWHERE },
        ir::Peer::Host(Host::Address(range)) => match range.first() {
            IpAddr::V4(first) => network::Peer::V4 { first: first.octets(), bits: range.bits() },
            IpAddr::V6(first) => network::Peer::V6 { first: first.octets(), bits: range.bits() },
        },
        ir::Peer::Param(index) => {
            network::Peer::Param { index: crate::path::parameter(*index, origin)?, address: NOWHERE }
        }
    })
}

fn trust<'a>(file: &'a str, places: &[&'a str]) -> network::Trust<'a> {
    network::Trust { file: file.trim_start_matches('/'), places: places.to_vec() }
}

fn endpoint(rule: &ir::NetRule) -> Option<&ir::Endpoint> {
    match &rule.kind {
        ir::NetKind::Allow { endpoint, .. } | ir::NetKind::Deny(endpoint) => Some(endpoint),
        ir::NetKind::Listen(_) | ir::NetKind::Total(_) => None,
    }
}

pub(crate) fn protocol(protocol: ir::Protocol) -> network::Protocol {
    match protocol {
        ir::Protocol::Tcp => network::Protocol::Tcp,
        ir::Protocol::Udp => network::Protocol::Udp,
        ir::Protocol::Tls => network::Protocol::Tls,
        ir::Protocol::Https => network::Protocol::Https,
        ir::Protocol::Http => network::Protocol::Http,
    }
}

/// Whether terms of `https` have the gateway end TLS; as [`network::Terms::reads_requests`].
fn reads_requests(terms: &ir::Terms) -> bool {
    terms.only.is_some() || terms.inject.is_some() || terms.inspect || terms.limits.rate.is_some()
}

fn terms(terms: &ir::Terms, origin: ir::OriginId) -> Result<network::Terms<'_>, EmitError> {
    let bit = |method: &ir::Method| {
        let place = network::Methods::WORDS.iter().position(|word| *word == method.word());
        place.map_or(0, |place| 1_u8 << place)
    };
    Ok(network::Terms {
        only: terms.only.as_ref().map(|only| network::Only {
            methods: network::Methods(only.methods.iter().fold(0, |all, method| all | bit(method))),
            paths: only.paths.iter().map(String::as_str).collect(),
        }),
        inject: terms.inject.map(|index| crate::path::parameter(index, origin)).transpose()?,
        inspect: terms.inspect,
        optional: terms.optional,
        limits: limits(&terms.limits),
    })
}

fn limits(limits: &ir::NetLimits) -> network::Limits {
    network::Limits {
        rate: limits.rate.map(|rate| network::Rate {
            count: rate.count,
            period_us: rate.period_us,
            burst: rate.burst,
        }),
        up_bytes: limits.up_bytes,
        down_bytes: limits.down_bytes,
        both_bytes: limits.both_bytes,
        connections: limits.connections,
    }
}

/// The same ports in ranges that neither meet nor touch.
pub(crate) fn joined(ports: &[(u16, u16)]) -> Vec<(u16, u16)> {
    let mut sorted = ports.to_vec();
    sorted.sort_unstable();
    let mut all: Vec<(u16, u16)> = Vec::new();
    for (first, last) in sorted {
        match all.last_mut() {
            Some(it) if first <= it.1.saturating_add(1) => it.1 = it.1.max(last),
            _ => all.push((first, last)),
        }
    }
    all
}

/// Publishes ports, each once: what another rule publishes already is left out, and one that publishes it by more
/// addresses takes the place of those by fewer.
fn listen(publish: &ir::Publish, origin: plan::OriginId, listens: &mut Vec<network::Listen>) {
    let addresses = publish.addresses();
    let v4 = addresses.iter().find_map(|address| match address {
        IpAddr::V4(address) => Some(address.octets()),
        IpAddr::V6(_) => None,
    });
    let v6 = addresses.iter().any(IpAddr::is_ipv6);
    for port in publish.at.ports.iter().flat_map(|(first, last)| *first..=*last) {
        let inside = publish.inside(port);
        let one = network::Listen { protocol: protocol(publish.at.protocol), v4, v6, port, inside, origin };
        if listens.iter().any(|it| covers(it, &one)) {
            continue;
        }
        listens.retain(|it| !covers(&one, it));
        listens.push(one);
    }
}

/// Whether all that `other` publishes `one` does as well.
fn covers(one: &network::Listen, other: &network::Listen) -> bool {
    let datagrams = |it: &network::Listen| it.protocol == network::Protocol::Udp;
    (one.port, one.inside, datagrams(one)) == (other.port, other.inside, datagrams(other))
        && (other.v4.is_none() || other.v4 == one.v4)
        && (one.v6 || !other.v6)
}
