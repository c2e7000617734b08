//! Privileges given up: resource limits, no_new_privs, capabilities.

use crate::cgroup::Held;
use crate::fail::{At, Result};
use alloc::vec::Vec;
use msb_plan::event::Step;
use msb_plan::{CAPABILITY_MAX, Identity, Keyring, Limit, Limits};
use msb_sys::keyring::new_session_keyring;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, CpuSet, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, sched_getaffinity, sched_setaffinity, set_capabilities,
    set_capabilities_secure_bits, set_no_new_privs,
};

/// The launcher's own init is one process more than the policy counts.
pub(crate) const INIT_PIDS: u32 = 1;

/// Sets what setrlimit(2) and sched_setaffinity(2) hold.
///
/// Must run inside the new user namespace: there `RLIMIT_NPROC` counts the sandbox's processes alone.
pub(crate) fn limits(limits: &Limits, held: &Held) -> Result<()> {
    rlimit(Resource::Core, 0).at(Step::Rlimit, None)?;
    if let Some(Limit { value, origin }) = limits.files {
        rlimit(Resource::Nofile, u64::from(value)).at(Step::Rlimit, Some(origin))?;
    }
    if let (Some(Limit { value, origin }), false) = (limits.pids, held.pids) {
        rlimit(Resource::Nproc, u64::from(value + INIT_PIDS)).at(Step::Rlimit, Some(origin))?;
    }
    if let (Some(Limit { value, origin }), false) = (limits.memory_bytes, held.memory) {
        rlimit(Resource::Data, value).at(Step::Rlimit, Some(origin))?;
    }
    if let (Some(Limit { value, origin }), false) = (limits.cpu_percent, held.cpu) {
        affinity(value).at(Step::Affinity, Some(origin))?;
    }
    Ok(())
}

fn rlimit(resource: Resource, value: u64) -> core::result::Result<(), Errno> {
    setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })
}

/// Restricts the process to as many of its CPUs as `percent` asks for; the compiler has sealed this with a
/// rule that denies sched_setaffinity.
fn affinity(percent: u32) -> core::result::Result<(), Errno> {
    let allowed = sched_getaffinity(None)?;
    let mut chosen = CpuSet::new();
    let cpus = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let wanted = usize::try_from(percent / 100).unwrap_or(usize::MAX);
    for cpu in cpus.collect::<Vec<_>>().into_iter().rev().take(wanted) {
        chosen.set(cpu);
    }
    sched_setaffinity(None, &chosen)
}

/// Sets no_new_privs and keeps the capabilities of `identity` alone, in every set; without any, nothing that
/// is executed later can gain one.
pub(crate) fn privileges(identity: &Identity<'_>) -> Result<()> {
    no_new_privileges(identity)?;
    capabilities(identity.capabilities).at(Step::Capabilities, Some(identity.origin))
}

/// Sets no_new_privs: an ordinary user has no capability to give up.
pub(crate) fn no_new_privileges(identity: &Identity<'_>) -> Result<()> {
    set_no_new_privs(true).at(Step::NoNewPrivs, Some(identity.origin))
}

/// Starts with an empty session keyring where a program could ask for what is in that of who launches.
pub(crate) fn keyring(identity: &Identity<'_>) -> Result<()> {
    if identity.keyring == Keyring::Unreachable {
        return Ok(());
    }
    match new_session_keyring() {
        // A kernel without keys has none to give away.
        Ok(()) | Err(Errno::NOSYS) => Ok(()),
        Err(errno) => Err(errno).at(Step::Keyring, Some(identity.origin)),
    }
}

fn capabilities(kept: u64) -> core::result::Result<(), Errno> {
    for number in 0..64_u32 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if kept >> number & 1 == 1 {
            continue;
        }
        match remove_capability_from_bounding_set(capability) {
            // Past the last one that this kernel has: capabilities(7).
            Err(Errno::INVAL) if number > 0 => break,
            removed => removed?,
        }
    }
    // No capability comes back by being user 0 or by changing ids: capabilities(7), securebits.
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED;
    set_capabilities_secure_bits(bits)?;
    let kept_set = CapabilitySet::from_bits_retain(kept);
    set_capabilities(
        None,
        CapabilitySets { effective: kept_set, permitted: kept_set, inheritable: kept_set },
    )?;
    for number in (0..=CAPABILITY_MAX).filter(|number| kept >> number & 1 == 1) {
        configure_capability_in_ambient_set(CapabilitySet::from_bits_retain(1 << number), true)?;
    }
    Ok(())
}
