//! Privileges given up: resource limits, no_new_privs, capabilities.

use crate::cgroup::Held;
use crate::fail::{At, Result};
use crate::files::{number, numbered, open, write_once};
use crate::gather::Gather;
use crate::ids;
use crate::parent::sleep_us;
use alloc::vec::Vec;
use msb_plan::event::{LimitKind, Step};
use msb_plan::{CAPABILITY_MAX, Identity, Keyring, Limit, Limits};
use msb_sys::keyring::new_session_keyring;
use rustix::fs::{CWD, OFlags};
use rustix::io::{Errno, pread};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, CpuSet, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, sched_getaffinity, sched_setaffinity, set_capabilities,
    set_capabilities_secure_bits, set_no_new_privs,
};

/// The launcher's own init is one process more than the policy counts.
pub(crate) const INIT_PIDS: u32 = 1;

/// How willingly the kernel ends it where the host runs out of memory: 1000 is first of all, 0 like everybody
/// (proc(5), `oom_score_adj`). An agent's work can be done again.
const OOM_SCORE: u64 = 500;

/// No file holds so little, and the one value for which the kernel does not start the host's handler of crashes either,
/// which reads, as root and outside, what a program inside has made (fs/coredump.c; CVE-2025-5054, CVE-2022-28655).
/// With 0 it starts it.
const NO_CORE: u64 = 1;

/// How often, and how far apart, a keyring is asked for, where too many are there: half a second in all.
const KEYRING_TRIES: u32 = 50;
const KEYRING_WAIT_US: u64 = 10_000;

/// Sets what setrlimit(2) and sched_setaffinity(2) hold, and reads each back.
///
/// Must run inside the new user namespace: there `RLIMIT_NPROC` counts the sandbox's processes alone. `is_root` says that
/// the sandbox has the launcher's own id, and that this is some root's.
pub(crate) fn limits(limits: &Limits, held: Held, is_root: bool) -> Result<()> {
    rlimit(Resource::Core, NO_CORE).at(Step::Rlimit, None)?;
    let swap = limits.swap_bytes.map_or(0, |limit| limit.value);
    for (kind, Limit { value, origin }) in limits.each().filter(|(kind, _)| !held.has(*kind)) {
        let at = Some(origin);
        match kind {
            LimitKind::Files => rlimit(Resource::Nofile, value).at(Step::Rlimit, at)?,
            LimitKind::FileSize => rlimit(Resource::Fsize, value).at(Step::Rlimit, at)?,
            LimitKind::CpuTime => rlimit(Resource::Cpu, value.div_ceil(1000)).at(Step::Rlimit, at)?,
            LimitKind::Pids => {
                if is_root {
                    ids::counts_processes(origin)?;
                }
                rlimit(Resource::Nproc, value + u64::from(INIT_PIDS)).at(Step::Rlimit, at)?;
            }
            LimitKind::Memory => rlimit(Resource::Data, value + swap).at(Step::Rlimit, at)?,
            // A share of CPUs that no cgroup holds is whole CPUs: `cgroup::second_way`.
            LimitKind::Cpu => affinity(value.div_ceil(100)).at(Step::Affinity, at)?,
            LimitKind::Cpuset => affinity(value).at(Step::Affinity, at)?,
            LimitKind::Swap | LimitKind::Io | LimitKind::IoWeight | LimitKind::Wall | LimitKind::Output => {}
        }
    }
    Ok(())
}

fn rlimit(resource: Resource, value: u64) -> core::result::Result<(), Errno> {
    let limit = Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(resource, limit)?;
    if getrlimit(resource) == limit { Ok(()) } else { Err(Errno::INVAL) }
}

/// Restricts the process to `count` of its CPUs; the compiler has sealed this with a rule that denies
/// sched_setaffinity.
fn affinity(count: u64) -> core::result::Result<(), Errno> {
    let mut chosen = CpuSet::new();
    for cpu in cpus(count)? {
        chosen.set(cpu);
    }
    sched_setaffinity(None, &chosen)?;
    if sched_getaffinity(None)? == chosen { Ok(()) } else { Err(Errno::INVAL) }
}

/// The last `count` of the CPUs that this process may run on: the first ones are where interrupts go.
pub(crate) fn cpus(count: u64) -> core::result::Result<Vec<usize>, Errno> {
    let allowed = sched_getaffinity(None)?;
    let mut cpus: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).gather();
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    Ok(cpus.split_off(cpus.len().saturating_sub(count)))
}

/// Offers the sandbox to the host's out-of-memory killer before others. Must run while the host's procfs shows.
pub(crate) fn oom_score() -> core::result::Result<(), Errno> {
    let file = open(CWD, "/proc/self/oom_score_adj", OFlags::RDWR)?;
    let score = || {
        let mut text = [0; 8];
        let length = pread(&file, &mut text, 0)?;
        Ok(text.get(..length).and_then(number).unwrap_or(0))
    };
    // Whoever started the launcher may have asked for more, and only root may ask for less.
    if score()? < OOM_SCORE {
        write_once(&file, numbered(b"", OOM_SCORE))?;
        if score()? != OOM_SCORE {
            return Err(Errno::INVAL);
        }
    }
    Ok(())
}

/// Sets no_new_privs and keeps the capabilities of `identity` alone, in every set; without any, nothing that
/// is executed later can gain one.
pub(crate) fn privileges(identity: &Identity<'_>) -> Result<()> {
    no_new_privileges(identity)?;
    capabilities(identity.capabilities).at(Step::Capabilities, Some(identity.origin))
}

/// Sets no_new_privs: nothing that is executed later gains what its caller does not have.
fn no_new_privileges(identity: &Identity<'_>) -> Result<()> {
    set_no_new_privs(true).at(Step::NoNewPrivs, Some(identity.origin))
}

/// The same without namespaces, where an ordinary user has no capability, and no right over the sets that only root
/// needs to lock: root of a container gives up what it has.
pub(crate) fn privileges_without_namespaces(identity: &Identity<'_>) -> Result<()> {
    no_new_privileges(identity)?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    set_capabilities(None, sets).at(Step::Capabilities, Some(identity.origin))
}

/// Keeps memory that is or was writable from becoming executable, in every process to come, where the policy says so.
///
/// # Errors
/// `EINVAL` before Linux 6.3.
pub(crate) fn write_execute(identity: &Identity<'_>) -> Result<()> {
    match identity.write_execute_denied {
        None => Ok(()),
        Some(line) => msb_sys::process::deny_write_execute().at(Step::WriteExecute, Some(line)),
    }
}

/// Starts with an empty session keyring where a program could ask for what is in that of who launches.
pub(crate) fn keyring(identity: &Identity<'_>) -> Result<()> {
    if identity.keyring == Keyring::Unreachable {
        return Ok(());
    }
    let mut tries = KEYRING_TRIES;
    loop {
        match new_session_keyring() {
            // A kernel without keys has none to give away.
            Ok(()) | Err(Errno::NOSYS) => return Ok(()),
            // A user may have 200 keys at a time (keyrings(7), `maxkeys`), and those of sandboxes that have ended count
            // until the kernel has swept them up.
            Err(Errno::DQUOT) if tries > 0 => sleep_us(KEYRING_WAIT_US),
            Err(errno) => return Err(errno).at(Step::Keyring, Some(identity.origin)),
        }
        tries -= 1;
    }
}

fn capabilities(kept: u64) -> core::result::Result<(), Errno> {
    for number in 0..64_u32 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if kept >> number & 1 == 1 {
            continue;
        }
        match remove_capability_from_bounding_set(capability) {
            // Past the last one that this kernel has: capabilities(7). Every kernel that plans run on has those up to
            // `CAPABILITY_MAX`.
            Err(Errno::INVAL) if number > CAPABILITY_MAX => break,
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
