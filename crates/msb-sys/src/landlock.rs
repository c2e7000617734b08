//! What Landlock there is; landlock(7).

use crate::Result;
use crate::arch::{common, syscall};

/// The newest ABI of Landlock that the kernel has.
///
/// # Errors
/// `ENOSYS` where it was not built in, `EOPNOTSUPP` where it was turned off at boot.
pub fn abi() -> Result<u32> {
    const VERSION: usize = 1; // LANDLOCK_CREATE_RULESET_VERSION of linux/landlock.h
    // SAFETY: without a ruleset nothing is read and no descriptor is made.
    let version = unsafe { syscall(common::LANDLOCK_CREATE_RULESET, [0, 0, VERSION, 0, 0, 0])? };
    Ok(u32::try_from(version).unwrap_or(u32::MAX))
}
