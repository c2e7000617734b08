//! Rules of the network that are more than they seem, less, or contradict each other.

use super::Rule;
use crate::context::Context;
use crate::paths::shown;
use msb_diag::{Diagnostic, Span, codes};
use msb_host::{Host, Kind, Network, kind};
use msb_policy::{Endpoint, Method, NetKind, NetLimits, Path, Peer, Protocol, Terms};
use msb_resolve::LayerId;
use std::collections::HashMap;

/// Suffixes under which one address serves many names, of everybody: who dials one can ask it for another.
const SHARED: &[&str] = &[
    "akamaiedge.net",
    "akamaized.net",
    "amazonaws.com",
    "appspot.com",
    "azureedge.net",
    "azurewebsites.net",
    "b-cdn.net",
    "cdn77.org",
    "cloudflare.net",
    "cloudfront.net",
    "edgesuite.net",
    "fastly.net",
    "fastlylb.net",
    "firebaseapp.com",
    "fly.dev",
    "github.io",
    "githubusercontent.com",
    "googleusercontent.com",
    "herokuapp.com",
    "netlify.app",
    "onrender.com",
    "pages.dev",
    "r2.dev",
    "run.app",
    "storage.googleapis.com",
    "vercel.app",
    "windows.net",
    "workers.dev",
];

/// Hosts that keep what anybody sends them, for anybody to fetch.
const UPLOADS: &[&str] = &[
    "0x0.st",
    "amazonaws.com",
    "api.github.com",
    "bitbucket.org",
    "discord.com",
    "dropboxapi.com",
    "file.io",
    "gist.github.com",
    "github.com",
    "gitlab.com",
    "hastebin.com",
    "hooks.slack.com",
    "huggingface.co",
    "ngrok.io",
    "pastebin.com",
    "storage.googleapis.com",
    "transfer.sh",
    "webhook.site",
    "windows.net",
];

/// Sockets of services that act for whoever connects: as good as root, or as the user.
const SOCKETS: &[(&str, &str)] = &[
    ("run/docker.sock", "starts containers as root"),
    ("var/run/docker.sock", "starts containers as root"),
    ("run/podman/podman.sock", "starts containers as root"),
    ("run/containerd/containerd.sock", "starts containers as root"),
    ("run/crio/crio.sock", "starts containers as root"),
    ("run/dbus/system_bus_socket", "asks system services, as the user"),
    ("run/systemd/private", "starts services"),
    ("run/systemd/notify", "speaks for services"),
    ("tmp/.X11-unix", "reads and types for every window"),
    ("run/snapd.socket", "installs packages as root"),
    ("run/libvirt/libvirt-sock", "starts machines as root"),
];

/// Reports a socket whose service gives everything away.
///
/// Who sees a socket may connect to it, be it shown read only or not (unix(7) asks for the right to write to the
/// socket, which a read-only mount does not take), so this is asked of every grant.
pub(crate) fn dangerous_socket(cx: &mut Context<'_>, path: &Path, span: Span) {
    let ends = |socket: &str| path.rest == socket || path.rest.ends_with(&format!("/{socket}"));
    if let Some((_, why)) = SOCKETS.iter().find(|(socket, _)| ends(socket)) {
        let path = shown(cx, path);
        cx.say(
            Diagnostic::new(
                codes::SOCKET_OF_A_SERVICE,
                format!("`{path}` is as good as leaving the sandbox"),
            )
            .label(span, format!("who connects to it {why}"))
            .help("take it away, and do what needs it outside of the sandbox"),
        );
    }
}

pub(super) fn lints(cx: &mut Context<'_>, rules: &[Rule]) {
    let addresses: Vec<&Rule> = rules.iter().filter(|rule| allows_addresses(rule)).collect();
    let versions = Versions::of(rules);
    let mut earlier: HashMap<(&Peer, Protocol, LayerId), Vec<&Rule>> = HashMap::new();
    for rule in rules {
        match &rule.kind {
            NetKind::Allow { endpoint, terms } => {
                allow(cx, rule, endpoint, terms);
                let same = earlier.entry((&endpoint.peer, endpoint.protocol, rule.layer)).or_default();
                disagree(cx, rule, endpoint, terms, same);
                same.push(rule);
            }
            NetKind::Deny(endpoint) => {
                unenforceable(cx, rule, endpoint, &addresses);
                other_version(cx, rule, endpoint, &versions);
            }
            NetKind::Total(limits) => half_limited(cx, rule.span, limits),
            NetKind::Listen(_) => {}
        }
    }
    datagrams(cx, rules);
}

fn allow(cx: &mut Context<'_>, rule: &Rule, endpoint: &Endpoint, terms: &Terms) {
    let Endpoint { protocol, peer, ports } = endpoint;
    let every_port = ports.as_slice() == [(1, u16::MAX)];
    if let Peer::Host(Host::Address(network)) = peer {
        covers_special(cx, rule.span, network);
    }
    if let Peer::Host(Host::Below(name)) = peer {
        cx.say(
            Diagnostic::new(codes::WILDCARD_CHANNEL, format!("every name below `{name}` can be looked up"))
                .label(rule.span, "who owns a server there reads what is put into a name")
                .help("name the hosts, where they are known"),
        );
    }
    let name = match peer {
        Peer::Host(Host::Name(name) | Host::Below(name)) => Some(name.as_str()),
        _ => None,
    };
    let among = |list: &[&str]| {
        name.is_some_and(|name| {
            list.iter().any(|it| name == *it || name.strip_suffix(it).is_some_and(|rest| rest.ends_with('.')))
        })
    };
    if *protocol == Protocol::Tcp && among(SHARED) {
        cx.say(
            Diagnostic::new(codes::SHARED_SERVER, "other sites share the servers of this name")
                .label(rule.span, "through `tcp` the program can ask them for another site")
                .help("write `https` or `tls` in place of `tcp`: the name is then checked in the connection"),
        );
    }
    let uploads = |only: &msb_policy::Only| {
        only.methods.iter().any(|method| matches!(method, Method::Post | Method::Put | Method::Patch))
    };
    if *protocol != Protocol::Udp && among(UPLOADS) && terms.only.as_ref().is_none_or(uploads) {
        cx.say(
            Diagnostic::new(codes::UPLOAD_ALLOWED, "this host keeps what anybody sends it")
                .label(rule.span, "what the program knows can leave this way")
                .help("write `https … only GET, HEAD`, or say why with `accept MSB0806 because \"…\"`"),
        );
    }
    // Who gives a parameter answers for the way to it: a mirror of one's own, with packages that are signed.
    let has_80 = ports.iter().any(|(first, last)| (*first..=*last).contains(&80));
    let plain = *protocol == Protocol::Http || (*protocol == Protocol::Tcp && !every_port && has_80);
    if plain && !matches!(peer, Peer::Param(_)) && !is_metadata(peer) {
        cx.say(
            Diagnostic::new(
                codes::PLAINTEXT,
                "what goes through this port can be read and changed on the way",
            )
            .label(
                rule.span,
                if *protocol == Protocol::Http || ports == &[(80, 80)] {
                    "not encrypted"
                } else {
                    "port 80 is not encrypted"
                },
            )
            .help("write `https`, or say why with `accept MSB0809 because \"…\"`"),
        );
    }
    if every_port && *protocol != Protocol::Https {
        cx.say(
            Diagnostic::new(codes::EVERY_PORT, "every port is allowed")
                .label(rule.span, "no port is named")
                .help("write the port after the host: `:443`"),
        );
    }
    within(cx, rule.span, peer);
    half_limited(cx, rule.span, &terms.limits);
}

pub(super) fn is_metadata(peer: &Peer) -> bool {
    match peer {
        Peer::Host(Host::Name(name)) => msb_host::METADATA_NAMES.contains(&name.as_str()),
        Peer::Host(Host::Address(network)) => {
            network.first() == network.last() && msb_host::METADATA.contains(&network.first())
        }
        Peer::Metadata => true,
        _ => false,
    }
}

/// Reports who is never dialled through the gateway, as it is the sandbox itself, and who gives out credentials.
fn within(cx: &mut Context<'_>, span: Span, peer: &Peer) {
    const OF_ENGINES: &[&str] =
        &["host.docker.internal", "host.containers.internal", "gateway.docker.internal"];
    const INSIDE: &str = "inside, its own loopback is meant, and needs no rule";
    let why = match peer {
        Peer::Host(Host::Name(name)) if name == "localhost" || name.ends_with(".localhost") => Some(INSIDE),
        Peer::Host(Host::Name(name)) if OF_ENGINES.contains(&name.as_str()) => {
            Some("a name that container engines make, and nobody else")
        }
        Peer::Host(Host::Address(network)) => {
            let first = network.first();
            let unspecified = first.is_unspecified() && first == network.last();
            (first.is_loopback() || unspecified).then_some(INSIDE)
        }
        _ => None,
    };
    if let Some(why) = why {
        cx.say(
            Diagnostic::new(codes::RULE_FOR_ITSELF, "the host is not reached by this")
                .label(span, why)
                .help("write `host` for the host's own loopback"),
        );
    }
    if is_metadata(peer) {
        cx.say(
            Diagnostic::new(codes::METADATA_ALLOWED, "the metadata service of a cloud is allowed")
                .label(span, "it gives the credentials of the machine to who asks")
                .help("take it away, or say why with `accept MSB0818 because \"…\"`"),
        );
    }
}

/// Ranges that are not the public internet, and what lies there.
const SPECIAL: &[(&str, &str)] = &[
    ("127.0.0.0/8", OWN),
    ("169.254.0.0/16", OWN),
    ("10.0.0.0/8", OWN),
    ("172.16.0.0/12", OWN),
    ("192.168.0.0/16", OWN),
    ("[::1]", OWN),
    ("[fe80::]/10", OWN),
    ("[fc00::]/7", OWN),
    // To connect to 0.0.0.0 is to connect to the host itself: ip(7).
    ("0.0.0.0/8", OWN),
    ("[::]/96", OWN),
    // What is sent there reaches whoever listens in the network of the host: routers that open ports when they are asked to
    // (UPnP, 239.255.255.250), names that anybody answers for (mDNS, 224.0.0.251, ff02::fb).
    ("224.0.0.0/4", "what every machine of the host's network may hear"),
    ("[ff00::]/8", "what every machine of the host's network may hear"),
    // Class E, and the broadcast address: RFC 1112, RFC 919.
    ("240.0.0.0/4", "reserved addresses, and that of everybody in the host's network"),
    ("192.0.0.0/24", UNROUTED),
    ("198.18.0.0/15", UNROUTED),
    ("[100::]/64", UNROUTED),
    ("[2001:2::]/48", UNROUTED),
];
const OWN: &str = "the host itself or networks of one's own";
const UNROUTED: &str = "addresses that no network has for others";

/// Reports a range that has the host itself, the link or metadata services in it without being theirs, and one of
/// addresses that are nobody's.
fn covers_special(cx: &mut Context<'_>, span: Span, network: &Network) {
    let ends = [kind(network.first()), kind(network.last())];
    // A range that lies in one of them names it.
    let itself = network.is_one() && network.first().is_unspecified();
    if itself || ends[0] == ends[1] && !matches!(ends[0], Kind::Public | Kind::Special) {
        return;
    }
    let inside = SPECIAL
        .iter()
        .filter_map(|(range, what)| Some((Network::parse(range).ok()?, *what)))
        .find(|(range, _)| network.covers(range) || (ends[0] == Kind::Special && range.covers(network)));
    let metadata = msb_host::METADATA.iter().find(|address| network.contains(**address));
    let message = match (inside, metadata) {
        (_, Some(address)) => {
            format!("`{network}` has `{address}`, where clouds give out credentials, in it")
        }
        (Some((range, what)), None) if range == *network => format!("`{network}` is {what}"),
        (Some((range, what)), None) if range.covers(network) => {
            format!("`{network}` is of `{range}`, {what}")
        }
        (Some((range, what)), None) => format!("`{network}` has `{range}`, {what}, in it"),
        (None, None) => return,
    };
    cx.say(
        Diagnostic::new(codes::RANGE_TOO_BROAD, message)
            .label(span, "more than the public internet")
            .help("write `any` for every public address, or the range that is meant"),
    );
}

/// A name cannot be denied where its addresses are allowed.
fn unenforceable(cx: &mut Context<'_>, rule: &Rule, denied: &Endpoint, addresses: &[&Rule]) {
    let Peer::Host(host @ (Host::Name(_) | Host::Below(_))) = &denied.peer else { return };
    let by_address = addresses.iter().find(|other| match &other.kind {
        NetKind::Allow { endpoint, .. } => meet(&endpoint.ports, &denied.ports),
        _ => false,
    });
    if let Some(allow) = by_address {
        cx.say(
            Diagnostic::new(codes::NAME_DENIED_BY_ADDRESS, format!("denying `{host}` cannot be enforced"))
                .label(rule.span, "a program that knows its address does not ask for the name")
                .label(allow.span, "allows addresses")
                .help("allow the names that the program needs, in place of addresses"),
        );
    }
}

/// Rules by the version of IP that they are about.
#[derive(Default)]
struct Versions<'r> {
    /// The first allow of everything.
    open: Option<&'r Rule>,
    /// Allows of addresses, by whether they are IPv4.
    allowed: [Vec<(&'r Rule, &'r Endpoint)>; 2],
    /// Whether any address is denied, by whether it is IPv4.
    denied: [bool; 2],
}

impl<'r> Versions<'r> {
    fn of(rules: &'r [Rule]) -> Versions<'r> {
        let mut versions = Versions::default();
        for rule in rules {
            let (NetKind::Allow { endpoint, .. } | NetKind::Deny(endpoint)) = &rule.kind else { continue };
            let denies = matches!(rule.kind, NetKind::Deny(_));
            match (&endpoint.peer, denies) {
                (Peer::Any, true) => versions.denied = [true; 2],
                (Peer::Any, false) => versions.open = versions.open.or(Some(rule)),
                (Peer::Host(Host::Address(it)), true) => versions.denied[usize::from(is_v4(it))] = true,
                (Peer::Host(Host::Address(it)), false) => {
                    versions.allowed[usize::from(is_v4(it))].push((rule, endpoint));
                }
                _ => {}
            }
        }
        versions
    }
}

fn is_v4(it: &Network) -> bool {
    it.first().is_ipv4()
}

/// A denied network whose machines have addresses of the other version of IP, which stay open.
fn other_version(cx: &mut Context<'_>, rule: &Rule, denied: &Endpoint, versions: &Versions<'_>) {
    let Peer::Host(Host::Address(network)) = &denied.peer else { return };
    let other = usize::from(!is_v4(network));
    let twin = versions.denied[other];
    let meets = versions.allowed[other].iter().find(|(_, it)| meet(&it.ports, &denied.ports));
    let open = versions.open.or(meets.map(|(rule, _)| *rule));
    let (Some(allow), false) = (open, twin) else { return };
    let (this, other) = if is_v4(network) { ("IPv4", "IPv6") } else { ("IPv6", "IPv4") };
    cx.say(
        Diagnostic::new(
            codes::OTHER_IP_VERSION,
            format!("`{network}` is denied, and its machines may have {other} too"),
        )
        .label(rule.span, format!("covers {this} alone"))
        .label(allow.span, format!("allows {other}"))
        .help(format!("deny their {other} addresses as well, or allow the names that the program needs")),
    );
}

/// Whether a rule lets programs dial addresses, whatever the names that they have.
fn allows_addresses(rule: &Rule) -> bool {
    let NetKind::Allow { endpoint, .. } = &rule.kind else { return false };
    matches!(endpoint.peer, Peer::Any | Peer::Private | Peer::Host(Host::Address(_)))
        && !matches!(endpoint.protocol, Protocol::Tls | Protocol::Https | Protocol::Http)
}

/// Two allows for one host, by one protocol, that differ in what the gateway does with the requests.
fn disagree(cx: &mut Context<'_>, rule: &Rule, endpoint: &Endpoint, terms: &Terms, same: &[&Rule]) {
    for other in same {
        let NetKind::Allow { endpoint: there, terms: those } = &other.kind else { continue };
        if meet(&there.ports, &endpoint.ports)
            && (terms.inject, terms.inspect) != (those.inject, those.inspect)
        {
            cx.say(
                Diagnostic::new(
                    codes::TERMS_DISAGREE,
                    "two rules for one host treat its requests differently",
                )
                .label(rule.span, "here")
                .label(other.span, "and here")
                .help("say it in one rule"),
            );
        }
    }
}

fn meet(a: &[(u16, u16)], b: &[(u16, u16)]) -> bool {
    a.iter().any(|(first, last)| b.iter().any(|(from, to)| first <= to && from <= last))
}

fn half_limited(cx: &mut Context<'_>, span: Span, limits: &NetLimits) {
    let quota = limits.up_bytes.or(limits.down_bytes).or(limits.both_bytes).is_some();
    let (has, lacks) = match (limits.rate.is_some(), quota) {
        (true, false) => ("a rate", "a quota"),
        (false, true) => ("a quota", "a rate"),
        _ => return,
    };
    let why = if quota { "all of it can be used up at once" } else { "one request can carry any amount" };
    let write = if quota { "rate 60/min" } else { "quota 1GiB" };
    cx.say(
        Diagnostic::new(
            codes::HALF_LIMITED,
            format!("there is {has} and no {}", lacks.trim_start_matches("a ")),
        )
        .label(span, why)
        .help(format!("add `{write}`")),
    );
}

/// HTTP/3 beside rules for HTTP: the same requests, unseen.
fn datagrams(cx: &mut Context<'_>, rules: &[Rule]) {
    let quic = rules.iter().find(|rule| match &rule.kind {
        NetKind::Allow { endpoint, .. } => {
            endpoint.protocol == Protocol::Udp && meet(&endpoint.ports, &[(443, 443)])
        }
        _ => false,
    });
    let http = rules.iter().find(|rule| match &rule.kind {
        NetKind::Allow { endpoint, .. } => matches!(endpoint.protocol, Protocol::Https | Protocol::Tls),
        _ => false,
    });
    if let (Some(quic), Some(http)) = (quic, http) {
        cx.say(
            Diagnostic::new(codes::QUIC_OPEN, "HTTP/3 passes by the rules for `https`")
                .label(quic.span, "udp to port 443")
                .label(http.span, "expects a byte stream")
                .help("take `udp` away: programs go back to HTTP/2 by themselves"),
        );
    }
}
