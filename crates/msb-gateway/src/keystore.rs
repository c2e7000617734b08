//! Certificates as Java reads them: a key store of type JKS.
//!
//! Java takes no PEM as a trust store. JKS is the simplest form that every version of it since 1.2 reads; its layout is
//! that of `sun.security.provider.JavaKeyStore`, all numbers in the order of the network.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
/// An entry that is a certificate; others hold keys.
const CERTIFICATE: u32 = 2;
/// What Java's own key store of authorities has. It protects nothing: who can change the file knows it.
const PASSWORD: &str = "changeit";
/// Around a certificate; RFC 7468, 5.1.
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// Stands between the password and the content in what is digested.
const WHITENER: &[u8] = b"Mighty Aphrodite";

/// The certificates of `bundle`, PEM, as a key store. What is no certificate is left out.
#[must_use]
pub fn jks(bundle: &[u8]) -> Vec<u8> {
    let words = String::from_utf8_lossy(bundle);
    // Each by itself, so that one which can't be read does not cost the others. rustls reads PEM for keys, in a time that
    // tells nothing of what it reads, which is longer, and here are a hundred and more at each launch.
    let blocks = words.match_indices(BEGIN).filter_map(|(at, _)| words.get(at..));
    let certificates: Vec<Vec<u8>> =
        blocks.filter_map(|block| Some(pem::parse(cut(block)?).ok()?.into_contents())).collect();
    let mut store = Vec::new();
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
    let mut digest = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    for unit in PASSWORD.encode_utf16() {
        digest.update(&unit.to_be_bytes());
    }
    digest.update(WHITENER);
    digest.update(&store);
    store.extend_from_slice(digest.finish().as_ref());
    store
}

/// Up to the end of the first certificate.
fn cut(block: &str) -> Option<&str> {
    block.find(END).and_then(|at| block.get(..at + END.len()))
}

/// A short text of ASCII, its length first.
fn text(store: &mut Vec<u8>, text: &str) {
    store.extend(u16::try_from(text.len()).unwrap_or(0).to_be_bytes());
    store.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
#[path = "tests/keystore.rs"]
mod tests;
