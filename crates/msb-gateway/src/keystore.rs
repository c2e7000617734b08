//! Certificates as Java reads them: a key store of type JKS.
//!
//! Java takes no PEM as a trust store. JKS is the simplest form that every version of it since 1.2 reads; its layout is
//! that of `sun.security.provider.JavaKeyStore`, all numbers in the order of the network.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use memchr::{memchr_iter, memmem};
use sha1::{Digest as _, Sha1};

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
/// An entry that is a certificate; others hold keys.
const CERTIFICATE: u32 = 2;
/// What Java's own key store of authorities has. It protects nothing: who can change the file knows it.
const PASSWORD: &str = "changeit";
/// Around a certificate; RFC 7468, 5.1.
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";
/// Stands between the password and the content in what is digested.
const WHITENER: &[u8] = b"Mighty Aphrodite";

/// The certificates of `bundle`, PEM, as a key store. What is no certificate is left out.
#[must_use]
pub fn jks(bundle: &[u8]) -> Vec<u8> {
    let certificates = certificates(bundle);
    let mut store = Vec::with_capacity(bundle.len());
    let number = |store: &mut Vec<u8>, value: usize| {
        store.extend(u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes());
    };
    store.extend(MAGIC.to_be_bytes());
    store.extend(VERSION.to_be_bytes());
    number(&mut store, certificates.len());
    for (index, certificate) in certificates.iter().enumerate() {
        store.extend(CERTIFICATE.to_be_bytes());
        text(&mut store, &format!("authority-{index}"));
        // When it was added, in milliseconds since 1970: nobody asks.
        store.extend(0_u64.to_be_bytes());
        text(&mut store, "X.509");
        number(&mut store, certificate.len());
        store.extend_from_slice(certificate);
    }
    let mut digest = Sha1::new();
    for unit in PASSWORD.encode_utf16() {
        digest.update(unit.to_be_bytes());
    }
    digest.update(WHITENER);
    digest.update(&store);
    store.extend_from_slice(&digest.finalize());
    store
}

/// What is between the marks, decoded, each by itself, so that one which can't be read does not cost the others. There are a
/// hundred and more at each launch, for which a reader of PEM of any kind takes a millisecond, a good part of all of it.
fn certificates(bundle: &[u8]) -> Vec<Vec<u8>> {
    let mut digits = Vec::new();
    let block = |at: usize| {
        let inside = bundle.get(at + BEGIN.len()..)?;
        digits.clear();
        unbroken(inside.get(..memmem::find(inside, END)?)?, &mut digits);
        BASE64_STANDARD.decode(&digits).ok().filter(|it| is_whole(it))
    };
    memmem::find_iter(bundle, BEGIN).filter_map(block).collect()
}

/// Appends the lines of `text` to `to`, without what is blank around them.
fn unbroken(text: &[u8], to: &mut Vec<u8>) {
    let mut start = 0;
    for end in memchr_iter(b'\n', text).chain([text.len()]) {
        to.extend_from_slice(text.get(start..end).unwrap_or_default().trim_ascii());
        start = end + 1;
    }
}

/// Whether `der` is one sequence and nothing behind it (X.690, 8.1.3): of anything else Java refuses the whole store.
fn is_whole(der: &[u8]) -> bool {
    let (bytes, length) = match der {
        [0x30, length @ ..=0x7f, rest @ ..] => (rest, usize::from(*length)),
        [0x30, 0x81, length, rest @ ..] => (rest, usize::from(*length)),
        [0x30, 0x82, high, low, rest @ ..] => (rest, usize::from(u16::from_be_bytes([*high, *low]))),
        _ => return false,
    };
    bytes.len() == length
}

/// A short text of ASCII, its length first.
fn text(store: &mut Vec<u8>, text: &str) {
    store.extend(u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
    store.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
#[path = "tests/keystore.rs"]
mod tests;
