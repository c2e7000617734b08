//! What the sandbox's init tells the parent, over a pipe: records of eight bytes.

use msb_plan::OriginId;
use msb_plan::event::{Failure, Step};

/// Bytes of a record; fewer than `PIPE_BUF`, so that each is written and read whole.
pub(crate) const BYTES: usize = 8;
const FAILED: u8 = 1;
const ENDED: u8 = 2;
const PUBLISHED: u8 = 3;
const NO_ORIGIN: u16 = u16::MAX;

/// A record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    /// The command did not start.
    Failed(Failure),
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
                bytes[1] = failure.step as u8;
                bytes[2..4]
                    .copy_from_slice(&failure.origin.map_or(NO_ORIGIN, |origin| origin.0).to_le_bytes());
                bytes[4..6].copy_from_slice(&failure.errno.to_le_bytes());
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
        let [kind, step, o0, o1, a, b, c, d] = bytes;
        match kind {
            FAILED => {
                let origin = u16::from_le_bytes([o0, o1]);
                Some(Message::Failed(Failure {
                    step: *Step::ALL.get(usize::from(step))?,
                    origin: (origin != NO_ORIGIN).then_some(OriginId(origin)),
                    errno: u16::from_le_bytes([a, b]),
                }))
            }
            PUBLISHED => Some(Message::Published { index: step, port: u16::from_le_bytes([a, b]) }),
            ENDED => Some(Message::Ended(i32::from_le_bytes([a, b, c, d]))),
            _ => None,
        }
    }
}
