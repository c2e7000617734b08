//! Whose plans run: with `--trust KEYS`, those alone that one of these keys has signed.

use crate::fail::{At, Result};
use crate::plan_file;
use core::ffi::CStr;
use msb_plan::event::Step;
use msb_plan::signed::{key_id, public_keys, split};
use rustix::io::Errno;

/// The plan's own bytes, which a key of the file `trusted` has signed. Without a file every plan is trusted, and a
/// signature that it may have is not looked at.
///
/// The file is read as a plan is, by [`plan_file::read`]: who can change it decides what runs.
///
/// # Errors
/// `ENOKEY` for a plan without a signature, or of a key that is not in the file; `EKEYREJECTED` for a signature that is
/// not of these bytes; `EINVAL` for a file that is not one of public keys.
pub(crate) fn trusted<'p>(plan: &'p [u8], trusted: Option<&CStr>) -> Result<&'p [u8]> {
    let (body, signature) = split(plan);
    let Some(file) = trusted else { return Ok(body) };
    let keys = plan_file::read(file, Step::PlanTrust)?;
    let mut keys = public_keys(&keys).ok_or(Errno::INVAL).at(Step::PlanTrust, None)?;
    let signature = signature.ok_or(Errno::NOKEY).at(Step::PlanTrust, None)?;
    let key =
        keys.find(|key| key_id(key) == signature.key_id).ok_or(Errno::NOKEY).at(Step::PlanTrust, None)?;
    if msb_ed25519::verify(key, body, signature.bytes) {
        Ok(body)
    } else {
        Err(Errno::KEYREJECTED).at(Step::PlanTrust, None)
    }
}
