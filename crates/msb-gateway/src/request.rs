//! Whether a request is for the host that was dialled, whatever way it says so.
//!
//! A request can name its host in its target, in `Host` and, by HTTP/2, in `:authority`. All of them must be there
//! where the protocol asks for them, once, and name the same host, the one that a rule was found for; else one program
//! may see one host and the next another. Framing is hyper's: a request is written anew for the server, with one
//! length, so nothing can hide between two readings of it.

use crate::rules::Target;
use hyper::header::{HOST, HeaderMap};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, Version};
use msb_host::Host;
use msb_plan::network::{HOST_NAMES, HOST_V4};
use std::net::{IpAddr, Ipv4Addr};

/// Why a request is refused whatever the rules say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Odd {
    /// CONNECT would hide what is sent; TRACE would show headers that the gateway puts in.
    Method,
    /// It does not say which host it is for.
    HostMissing,
    /// It says so more than once.
    HostTwice,
    /// It is for another host than was dialled.
    OtherHost,
    /// Its target is written for a proxy or another scheme.
    Target,
    /// A field asks the server to take it for another request, where the rule says which requests it allows.
    Override,
}

impl Odd {
    /// In a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Odd::Method => "requests with this method are not let through",
            Odd::HostMissing => "the request has no Host header",
            Odd::HostTwice => "the request names more than one host",
            Odd::OtherHost => "the Host of the request is not the host that was dialled",
            Odd::Target => "the target of the request is not a path on this host",
            Odd::Override => "a header of the request asks for another method or path",
        }
    }

    /// For the log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Odd::Method => "method-not-let-through",
            Odd::HostMissing => "host-missing",
            Odd::HostTwice => "host-twice",
            Odd::OtherHost => "host-differs",
            Odd::Target => "odd-target",
            Odd::Override => "override",
        }
    }
}

/// Checks a request that came to `target` on `port`, by TLS if `is_tls`.
///
/// # Errors
/// What is odd about it.
pub fn check(parts: &Parts, target: &Target, port: u16, is_tls: bool) -> Result<(), Odd> {
    if parts.method == Method::CONNECT || parts.method == Method::TRACE {
        return Err(Odd::Method);
    }
    let scheme = if is_tls { "https" } else { "http" };
    if parts.uri.scheme_str().is_some_and(|it| !it.eq_ignore_ascii_case(scheme)) {
        return Err(Odd::Target);
    }
    let path = parts.uri.path();
    let of_server = parts.method == Method::OPTIONS && path == "*";
    if !path.starts_with('/') && !of_server {
        return Err(Odd::Target);
    }
    let host = host(&parts.headers)?;
    let authority = parts.uri.authority();
    if host.is_none() && (authority.is_none() || parts.version < Version::HTTP_2) {
        return Err(Odd::HostMissing);
    }
    let default = if is_tls { 443 } else { 80 };
    for one in [host.as_ref(), authority].into_iter().flatten() {
        if !is_for(one, target, port, default) {
            return Err(Odd::OtherHost);
        }
    }
    Ok(())
}

/// Fields by which servers take a request for one with another method or path: Rack, Express, Django and ASP.NET know the
/// first four, Symfony and IIS the others (CVE-2018-14773).
const OVERRIDES: [&str; 6] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-tunneled-method",
    "x-original-url",
    "x-rewrite-url",
];

/// Whether a field asks the server to take the request for another one.
#[must_use]
pub fn overrides(headers: &HeaderMap) -> bool {
    OVERRIDES.iter().any(|name| headers.contains_key(*name))
}

/// The one Host header.
fn host(headers: &HeaderMap) -> Result<Option<Authority>, Odd> {
    let mut values = headers.get_all(HOST).iter();
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(Odd::HostTwice);
    }
    // Empty is allowed for targets without an authority (RFC 9110, 7.2), which there are none of here.
    match first {
        None => Ok(None),
        Some(value) => Authority::try_from(value.as_bytes()).map(Some).map_err(|_| Odd::OtherHost),
    }
}

fn is_for(authority: &Authority, target: &Target, port: u16, default: u16) -> bool {
    // A user before the host is nothing that belongs here (RFC 9110, 4.2.4).
    if authority.as_str().contains('@') {
        return false;
    }
    // What follows the host must be a port or nothing, not a port that was not understood.
    let host = authority.host();
    let has_port = authority.as_str().len() > host.len();
    let named = match (authority.port_u16(), has_port) {
        (Some(named), _) => named,
        (None, false) => default,
        (None, true) => return false,
    };
    // A port that is not named and not the usual one: clients that are told to dial elsewhere do that.
    if named != port && has_port {
        return false;
    }
    let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
    match (msb_host::parse(host), target) {
        (Ok(Host::Name(name)), Target::Name(dialled)) => name == *dialled,
        (Ok(Host::Address(network)), Target::Address(dialled)) => {
            network.is_one() && network.first() == *dialled
        }
        (Ok(Host::Name(name)), Target::Loopback) => {
            name == "localhost" || HOST_NAMES.contains(&name.as_str())
        }
        (Ok(Host::Address(network)), Target::Loopback) => {
            network.is_one()
                && (network.first() == IpAddr::V4(Ipv4Addr::from(HOST_V4)) || network.first().is_loopback())
        }
        _ => false,
    }
}

#[cfg(test)]
#[path = "tests/request.rs"]
mod tests;
