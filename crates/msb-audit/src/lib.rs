//! The chain that ties the lines of an audit log together.
//!
//! Each line is a JSON object that begins with its number and the SHA-256 of the line before it ([`Chain`]), so that a line
//! that was changed, taken out, put in or moved shows at the next one ([`verify`]). What is cut off at the end does not show
//! in the log itself: the run report has the digest of the last line.

mod verify;

pub use verify::{Broken, LINE_BYTES_MAX, Run, Why, verify};

use sha2::{Digest as _, Sha256};

/// Bytes of a digest (FIPS 180-4).
pub const DIGEST_BYTES: usize = 32;
/// The `event` of a run's last line.
pub const LAST_EVENT: &str = "totals";

/// Where a log has got to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain {
    lines: u64,
    last: [u8; DIGEST_BYTES],
}

impl Chain {
    /// `object`, a JSON object without `seq` and `prev`, as the next line of the log, its newline included.
    ///
    /// # Panics
    /// When `object` does not begin with `{`.
    pub fn seal(&mut self, object: &str) -> String {
        let rest = object.strip_prefix('{').unwrap_or_else(|| panic!("`{object}` is no object"));
        let comma = if rest.starts_with('}') { "" } else { "," };
        let mut line = format!("{{\"seq\":{},\"prev\":\"{}\"{comma}{rest}", self.lines, self.digest());
        self.last = digest(line.as_bytes());
        self.lines += 1;
        line.push('\n');
        line
    }

    /// How many lines there are.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// The digest of the last line without its newline, in hexadecimal; of no line, zeros.
    #[must_use]
    pub fn digest(&self) -> String {
        hexadecimal(&self.last)
    }
}

fn digest(line: &[u8]) -> [u8; DIGEST_BYTES] {
    Sha256::digest(line).into()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
