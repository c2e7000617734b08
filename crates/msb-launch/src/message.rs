//! What the sandbox's init tells the parent, over a pipe: records of eight bytes.

use crate::fail::Failed;

/// Bytes of a record; fewer than `PIPE_BUF`, so that each is written and read whole.
pub(crate) const BYTES: usize = 8;
const FAILED: u8 = 1;
const ENDED: u8 = 2;
const PUBLISHED: u8 = 3;

/// A record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    /// The command did not start.
    Failed(Failed),
    /// The command ended with this wait status.
    Ended(i32),
    /// One of the plan's `listens` has this port of the host.
    Published { index: u8, port: u16 },
}

impl Message {
    /// As it stands in the pipe.
    pub(crate) fn encode(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        match self {
            Message::Failed(failure) => {
                bytes[0] = FAILED;
                bytes[4..8].copy_from_slice(&failure.to_bytes());
            }
            Message::Ended(status) => {
                bytes[0] = ENDED;
                bytes[4..8].copy_from_slice(&status.to_le_bytes());
            }
            Message::Published { index, port } => {
                bytes[0] = PUBLISHED;
                bytes[1] = index;
                bytes[4..6].copy_from_slice(&port.to_le_bytes());
            }
        }
        bytes
    }

    /// Reads a record; `None` for anything that [`Message::encode`] does not write.
    pub(crate) fn decode(bytes: [u8; BYTES]) -> Option<Message> {
        let [kind, index, _, _, a, b, c, d] = bytes;
        match kind {
            FAILED => Failed::from_bytes([a, b, c, d]).map(Message::Failed),
            PUBLISHED => Some(Message::Published { index, port: u16::from_le_bytes([a, b]) }),
            ENDED => Some(Message::Ended(i32::from_le_bytes([a, b, c, d]))),
            _ => None,
        }
    }
}
