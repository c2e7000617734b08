//! A short text in an event: a host, a reason, a digest.

use crate::wire::{Reader, Wire};
use core::fmt;
use serde::{Serialize, Serializer};

/// Bytes of a label; a SHA-256 in hexadecimal has as many.
pub const LABEL_BYTES_MAX: usize = 64;

/// A text of at most [`LABEL_BYTES_MAX`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label {
    bytes: [u8; LABEL_BYTES_MAX],
    length: u8,
}

impl Label {
    /// `text`, or as many of its first characters as there is room for.
    #[must_use]
    pub fn of(text: &str) -> Label {
        let mut end = text.len().min(LABEL_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut label = Label { bytes: [0; LABEL_BYTES_MAX], length: u8::try_from(end).unwrap_or(0) };
        for (to, from) in label.bytes.iter_mut().zip(text.as_bytes().iter().take(end)) {
            *to = *from;
        }
        label
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for Label {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'a> Wire<'a> for Label {
    fn read(reader: &mut Reader<'a>) -> Label {
        let text = <&str>::read(reader);
        if text.len() > LABEL_BYTES_MAX {
            reader.refuse();
        }
        Label::of(text)
    }
}
