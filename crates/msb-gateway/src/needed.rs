//! The rule that a policy would need for what was refused, as a person types it.

use crate::path;
use crate::rules::{Protocol, Refusal, Target};
use msb_host::{Host, Kind, METADATA_NAMES, kind};
use msb_plan::network::Methods;

/// Where `https` is without a port; RFC 9110, 4.2.2.
const HTTPS_PORT: u16 = 443;

/// The rule that allows `spoken` to `target` on `port`, where it is the lack of a rule that refuses it.
#[must_use]
pub fn connection(refusal: Refusal, spoken: Protocol, target: &Target, port: u16) -> Option<String> {
    if refusal != Refusal::NoRule {
        return None;
    }
    let spoken = match (spoken, target, port) {
        // What a name on these ports is dialled for, and no wider than that.
        (Protocol::Tcp, Target::Name(_), 443) => Protocol::Https,
        (Protocol::Tcp, Target::Name(_), 80) => Protocol::Http,
        (spoken, ..) => spoken,
    };
    exactly(spoken, target, port)
}

/// The rule that allows just this.
#[must_use]
pub fn exactly(spoken: Protocol, target: &Target, port: u16) -> Option<String> {
    Some(format!("allow {} {}:{port}", spoken.word(), host(target)?))
}

/// The rule with which `name` is known.
#[must_use]
pub fn lookup(name: &str) -> Option<String> {
    exactly(Protocol::Https, &Target::Name(name.to_owned()), HTTPS_PORT)
}

/// The rule with which TLS may ask for `name`, as a ClientHello has it.
#[must_use]
pub fn server_name(name: &str, port: u16) -> Option<String> {
    match msb_host::parse(name) {
        Ok(Host::Name(name)) => exactly(Protocol::Tls, &Target::Name(name), port),
        _ => None,
    }
}

/// The rule that allows requests with this method and path; none where the language has no word for them.
#[must_use]
pub fn request(spoken: Protocol, target: &Target, port: u16, (method, path): (&str, &str)) -> Option<String> {
    let plain = path::plain(path).filter(|plain| !plain.contains(['*', '?', '"']))?;
    if !Methods::WORDS.contains(&method) {
        return None;
    }
    // What a path has without quotes; as in policy-lang/grammar.
    let is_bare = plain.chars().all(|c| c.is_ascii_alphanumeric() || "._+@%=~/-".contains(c));
    let path = if is_bare { plain } else { format!("\"{plain}\"") };
    Some(format!("{} only {method} {path}", exactly(spoken, target, port)?))
}

/// A host as rules name it.
fn host(target: &Target) -> Option<String> {
    match target {
        // Nobody should be led to a metadata service, and a rule for the other kinds is refused or means nothing.
        Target::Address(address) if !matches!(kind(*address), Kind::Public | Kind::Private) => None,
        Target::Name(name) if METADATA_NAMES.contains(&name.as_str()) => None,
        Target::Name(name) => Some(format!("\"{name}\"")),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
#[path = "tests/needed.rs"]
mod tests;
