//! The session keyring; keyctl(2).

use crate::Result;
use crate::arch::{nr, syscall};

const JOIN_SESSION_KEYRING: usize = 1; // linux/keyctl.h

/// Gives the calling process a new, empty session keyring without a name.
///
/// # Errors
/// `ENOSYS` on a kernel without keys, `EDQUOT` when the user has as many keys as may be.
pub fn new_session_keyring() -> Result<()> {
    // SAFETY: without a name no pointer is passed.
    unsafe { syscall(nr::KEYCTL, [JOIN_SESSION_KEYRING, 0, 0, 0, 0, 0]) }.map(drop)
}
