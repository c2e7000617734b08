//! The command's own process, from fork to execve: it loads the filter last.

use crate::child::Child;
use crate::fail::Failed;
use crate::files::parts;
use crate::gather::Gather;
use crate::init;
use crate::landlock::Wall;
use crate::path::c_string;
use alloc::vec::Vec;
use core::ffi::CStr;
use msb_plan::Tier;
use msb_plan::event::Step;
use msb_sys::at::{accessat, statat};
use msb_sys::exec::{Strings, execute as execve};
use msb_sys::seccomp;
use rustix::fd::IntoRawFd;
use rustix::fs::{Access, AtFlags, CWD, FileType};
use rustix::io::Errno;

/// Where the command is looked for when the environment has no PATH: `_CS_PATH` of confstr(3), and /usr/local.
const PATH: &[u8] = b"/usr/local/bin:/usr/bin:/bin";

/// Loads the filter and becomes the command; comes back only with a code for [`failure`].
///
/// `listener` is told the number of the filter's listener. After the filter nothing is called but execve:
/// what else the policy allows is not known here.
pub(crate) fn execute(child: &Child<'_>, listener: impl Fn(u32)) -> u32 {
    let Some(name) = child.host.command.first() else { return code(Step::Exec, Errno::NOENT) };
    let candidates = candidates(name, child.host.environment);
    let arguments: Strings<'_> = child.host.command.iter().copied().collect();
    let environment: Strings<'_> = child.host.environment.iter().copied().collect();
    if child.host.tier == Tier::Landlock
        && let Err(errno) = Wall::signals()
    {
        return code(Step::Landlock, errno);
    }
    let found = child
        .host
        .dry_run
        .then(|| candidates.iter().map(executable).find(|found| *found != Err(Errno::NOENT)));
    // Where nobody takes the listener there is none: the kernel refuses what it would have asked about.
    let loaded = match child.listener {
        None => seccomp::load(child.host.filter.program),
        Some(_) => seccomp::load_with_listener(child.host.filter.program)
            .map(|fd| listener(fd.into_raw_fd().unsigned_abs())),
    };
    if let Err(errno) = loaded {
        return code(Step::Filter, errno);
    }
    match found {
        None => {}
        Some(Some(Ok(()))) => msb_sys::process::exit(0),
        Some(found) => {
            return code(Step::Exec, found.and_then(core::result::Result::err).unwrap_or(Errno::NOENT));
        }
    }
    let mut worst = Errno::NOENT;
    for candidate in &candidates {
        match execve(candidate, &arguments, &environment) {
            Errno::NOENT | Errno::NOTDIR => {}
            // Found, but not executable: go on looking, as execvp(3) does.
            Errno::ACCESS => worst = Errno::ACCESS,
            errno => return code(Step::Exec, errno),
        }
    }
    code(Step::Exec, worst)
}

/// Whether execve(2) could execute what is at `path`, as far as its kind and mode tell.
fn executable(path: &&CStr) -> Result<(), Errno> {
    let path = path.to_bytes();
    match FileType::from_raw_mode(statat(CWD, path, AtFlags::empty())?.st_mode) {
        FileType::RegularFile => accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS),
        _ => Err(Errno::ACCESS),
    }
}

/// The paths to try for `name`: itself when it has a `/`, else one in each directory of PATH.
#[inline(never)]
fn candidates<'a>(name: &'a CStr, environment: &[&CStr]) -> Vec<&'a CStr> {
    if name.is_empty() {
        return Vec::new();
    }
    if name.to_bytes().contains(&b'/') {
        return Vec::from([name]);
    }
    let path = environment.iter().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH=")).unwrap_or(PATH);
    parts(path, b':')
        .filter(|directory| directory.starts_with(b"/"))
        .filter_map(|directory| c_string(&[directory, b"/", name.to_bytes()]).ok())
        .gather()
}

/// A step and an errno as one number that is not 0.
pub(crate) fn code(step: Step, errno: Errno) -> u32 {
    (step as u32 + 1) << 16 | u32::try_from(errno.raw_os_error()).unwrap_or(0)
}

/// What a code of [`execute`] means; `None` for 0.
pub(crate) fn failure(code: u32, child: &Child<'_>) -> Option<Failed> {
    let step = usize::try_from(code >> 16).ok()?.checked_sub(1)?;
    let errno = u16::try_from(code & 0xffff).unwrap_or(0);
    Some(init::step_failure(*Step::ALL.get(step)?, errno, child))
}
