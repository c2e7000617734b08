//! Names: what DNS asks for, in lower case, ASCII, without a final dot.

use crate::Network;
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use unicode_security::{MixedScript as _, skeleton};

/// A host in its canonical form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// One name.
    Name(String),
    /// Every name below this one, at any depth, and not the name itself: `*.example.org`.
    Below(String),
    /// An address.
    Address(Network),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Below(name) => write!(f, "*.{name}"),
            Host::Address(network) => network.fmt(f),
        }
    }
}

/// Why a text is no host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadHost {
    /// Nothing is there.
    Empty,
    /// An address in a spelling of which programs make different things, and what most make of it.
    Spelling(Ipv4Addr),
    /// A number where an address or a name should be.
    Number,
    /// A `*` that is not all of the first label.
    Wildcard,
    /// A scheme, a path, a port or a user, and what is left without them.
    Url(String),
    /// A name that DNS does not take.
    Name,
}

/// Reads a host as a policy, a program or a resolver writes it.
///
/// # Errors
/// Why it is no host.
pub fn parse(text: &str) -> Result<Host, BadHost> {
    if text.is_empty() || text == "." {
        return Err(BadHost::Empty);
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Host::Address(Network::of(address)));
    }
    if let Some(host) = inside_of_url(text) {
        return Err(BadHost::Url(host));
    }
    if let Some(rest) = text.strip_prefix("*.") {
        return match parse(rest)? {
            Host::Name(name) => Ok(Host::Below(name)),
            Host::Below(_) | Host::Address(_) => Err(BadHost::Wildcard),
        };
    }
    if text.contains('*') {
        return Err(BadHost::Wildcard);
    }
    // STD 3: letters, digits and hyphens; of Unicode what IDNA 2008 and UTS 46 take.
    let ascii = Uts46::new()
        .to_ascii(
            text.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::VerifyAllowRootDot,
        )
        .map_err(|_| BadHost::Name)?;
    let name = ascii.strip_suffix('.').unwrap_or(&ascii);
    if name.is_empty() {
        return Err(BadHost::Name);
    }
    if let Some(address) = numeric(name) {
        return match address {
            // A dotted quad was read above, unless it was written in full-width digits or with a final dot.
            Some(address) => Err(BadHost::Spelling(address)),
            None => Err(BadHost::Number),
        };
    }
    Ok(Host::Name(name.to_owned()))
}

/// The host of a text that has more in it, such as `https://example.org:443/x`.
fn inside_of_url(text: &str) -> Option<String> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let rest = rest.split_once(':').map_or(rest, |(host, _)| host);
    (rest.len() < text.len() && !rest.is_empty()).then(|| rest.to_owned())
}

/// The address that inet_aton(3) makes of a name whose last label is a number; `Some(None)` if none, `None` if the
/// last label is no number.
fn numeric(name: &str) -> Option<Option<Ipv4Addr>> {
    let labels: Vec<&str> = name.split('.').collect();
    let last = labels.last()?;
    let digits = last.strip_prefix("0x").unwrap_or(last);
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || (last.starts_with("0x") && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !is_number {
        return None;
    }
    let numbers: Option<Vec<u64>> = labels.iter().map(|label| number(label)).collect();
    Some(numbers.and_then(|numbers| {
        let (last, first) = numbers.split_last()?;
        let bits = 8 * (4 - u32::try_from(first.len()).ok().filter(|count| *count < 4)?);
        if first.iter().any(|number| *number > 255) || *last >> bits != 0 {
            return None;
        }
        let high = first.iter().enumerate().map(|(index, number)| number << (24 - 8 * index)).sum::<u64>();
        u32::try_from(high | last).ok().map(Ipv4Addr::from)
    }))
}

fn number(label: &str) -> Option<u64> {
    if let Some(hex) = label.strip_prefix("0x") {
        return if hex.is_empty() { Some(0) } else { u64::from_str_radix(hex, 16).ok() };
    }
    match label.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u64::from_str_radix(octal, 8).ok(),
        _ => label.parse().ok(),
    }
}

/// Whether anybody can register a name directly below this one (`com`, `co.uk`, `github.io`), by the public suffix
/// list. A name of one label counts, be it on the list or not.
#[must_use]
pub fn is_public_suffix(name: &str) -> bool {
    !name.contains('.') || psl::suffix_str(name) == Some(name)
}

/// `paypaI.com` with the `I` as the `l` that it is taken for: a capital within small letters is written for the eye.
fn capital_i(text: &str) -> Option<String> {
    let mut before = '.';
    let mut found = false;
    let looks = text.chars().map(|c| {
        let hidden = c == 'I' && before.is_ascii_lowercase();
        found |= hidden;
        before = c;
        if hidden { 'l' } else { c.to_ascii_lowercase() }
    });
    let looks: String = looks.collect();
    found.then_some(looks)
}

/// The Latin name that this one can be mistaken for, or "" where letters of several scripts are mixed; `None` for
/// plain names.
#[must_use]
pub fn confusable(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let (unicode, _) = Uts46::new().to_unicode(lower.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow);
    if unicode.is_ascii() {
        return capital_i(text);
    }
    let looks = plain(&unicode);
    let mixed = unicode.split('.').any(|label| !label.is_single_script());
    if looks.is_ascii() {
        return Some(looks);
    }
    mixed.then(String::new)
}

/// What a path looks like of which a component mixes letters of several scripts, where that is ASCII: a Cyrillic `а` among
/// Latin letters. A component in one script is what it says.
#[must_use]
pub fn mixed_scripts(path: &str) -> Option<String> {
    let mixed = !path.is_ascii() && path.split('/').any(|component| !component.is_single_script());
    Some(plain(path)).filter(|looks| mixed && looks.is_ascii())
}

/// The text with ASCII letters in the place of those that look like them.
fn plain(text: &str) -> String {
    let mut looks = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            // The skeleton of an ASCII letter may be another one: `m` is `rn`.
            looks.push(character);
        } else {
            let like: String = skeleton(character.encode_utf8(&mut [0; 4])).collect();
            looks.push_str(if like == "rn" { "m" } else { &like });
        }
    }
    looks
}
