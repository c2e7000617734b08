//! Landlock: rights on files that a process gives up for good; landlock(7).

use crate::Result;
use crate::arch::{common, syscall};
use crate::at::Descriptor;
use rustix::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::Errno;

/// Rights on files and directories; linux/landlock.h.
pub mod access {
    /// Execute a file.
    pub const EXECUTE: u64 = 1;
    /// Open a file for writing.
    pub const WRITE_FILE: u64 = 1 << 1;
    /// Open a file for reading.
    pub const READ_FILE: u64 = 1 << 2;
    /// List a directory.
    pub const READ_DIR: u64 = 1 << 3;
    /// Remove a directory, or rename it.
    pub const REMOVE_DIR: u64 = 1 << 4;
    /// Remove a file, or rename it.
    pub const REMOVE_FILE: u64 = 1 << 5;
    /// Make a directory.
    pub const MAKE_DIR: u64 = 1 << 7;
    /// Make a regular file.
    pub const MAKE_REG: u64 = 1 << 8;
    /// Make a socket.
    pub const MAKE_SOCK: u64 = 1 << 9;
    /// Make a FIFO.
    pub const MAKE_FIFO: u64 = 1 << 10;
    /// Make a symbolic link.
    pub const MAKE_SYM: u64 = 1 << 12;
    /// Rename or link from one directory to another; ABI 2.
    pub const REFER: u64 = 1 << 13;
    /// Truncate a file; ABI 3.
    pub const TRUNCATE: u64 = 1 << 14;
    /// ioctl(2) on a device; ABI 5.
    pub const IOCTL_DEV: u64 = 1 << 15;
    /// What a rule on a file, and not on a directory, may give.
    pub const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;
    /// All that ABI 1 knows, devices included (bits 6 and 11, which make them).
    const ABI_1: u64 = (1 << 13) - 1;

    /// All that the kernel of this ABI knows.
    #[must_use]
    pub const fn known(abi: u32) -> u64 {
        match abi {
            0 => 0,
            1 => ABI_1,
            2 => ABI_1 | REFER,
            3 | 4 => ABI_1 | REFER | TRUNCATE,
            _ => ABI_1 | REFER | TRUNCATE | IOCTL_DEV,
        }
    }
}

/// What can be done with TCP; ABI 4.
pub mod net {
    /// Bind a port.
    pub const BIND_TCP: u64 = 1;
    /// Connect to a port.
    pub const CONNECT_TCP: u64 = 1 << 1;
}

/// What a process keeps to those that gave up the same, or more; ABI 6.
pub mod scope {
    /// Connections to abstract unix sockets.
    pub const ABSTRACT_UNIX_SOCKET: u64 = 1;
    /// Signals.
    pub const SIGNAL: u64 = 1 << 1;
}

/// `struct landlock_ruleset_attr` of linux/landlock.h. Older kernels take a longer one whose rest is 0.
#[repr(C)]
struct RulesetAttr {
    files: u64,
    net: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr` of linux/landlock.h, which is packed.
#[repr(C, packed)]
struct PathBeneathAttr {
    access: u64,
    parent: i32,
}

const CREATE_RULESET_VERSION: usize = 1; // linux/landlock.h
const RULE_PATH_BENEATH: usize = 1; // linux/landlock.h

/// The version of Landlock that this kernel has: from 1 (Linux 5.13); 0 where there is none, or it is off.
#[must_use]
pub fn abi() -> u32 {
    // SAFETY: without an attribute nothing is read.
    let version =
        unsafe { syscall(common::LANDLOCK_CREATE_RULESET, [0, 0, CREATE_RULESET_VERSION, 0, 0, 0]) };
    version.map_or(0, |version| u32::try_from(version).unwrap_or(0))
}

/// Rules that are not in force yet.
#[derive(Debug)]
pub struct Ruleset {
    fd: OwnedFd,
    files: u64,
}

impl Ruleset {
    /// Takes away `files` (of [`access`], as far as [`access::known`]) everywhere and `net` (of [`mod@net`], ABI 4) on
    /// all ports, and keeps `scoped` (of [`scope`], ABI 6) inside.
    ///
    /// # Errors
    /// `ENOSYS` or `EOPNOTSUPP` where there is no Landlock, `EINVAL` for what this kernel does not know.
    pub fn new(files: u64, net: u64, scoped: u64) -> Result<Ruleset> {
        let attr = RulesetAttr { files, net, scoped };
        let arguments = [(&raw const attr).expose_provenance(), size_of::<RulesetAttr>(), 0, 0, 0, 0];
        // SAFETY: `attr` is a live value of the size that is passed; the kernel reads it.
        let fd = unsafe { syscall(common::LANDLOCK_CREATE_RULESET, arguments)? };
        let fd = i32::try_from(fd).map_err(|_| Errno::BADF)?;
        // SAFETY: the kernel just gave this descriptor, which is close-on-exec, to us alone.
        Ok(Ruleset { fd: unsafe { OwnedFd::from_raw_fd(fd) }, files })
    }

    /// Gives back `access` (of [`access`]) on what `place` is open on and on everything below it, as far as it
    /// was taken away. `place` may be an `O_PATH` descriptor.
    ///
    /// # Errors
    /// `EINVAL` for a right that a file has not (see [`access::OF_FILES`]), `EBADFD` for a descriptor of no file
    /// system that has names, such as a pipe.
    pub fn allow(&self, place: impl Descriptor, access: u64) -> Result<()> {
        self.allow_number(place.number(), access)
    }

    fn allow_number(&self, parent: RawFd, access: u64) -> Result<()> {
        let access = access & self.files;
        if access == 0 {
            return Ok(());
        }
        let attr = PathBeneathAttr { access, parent };
        let arguments = [
            self.fd.as_raw_fd().unsigned_abs() as usize,
            RULE_PATH_BENEATH,
            (&raw const attr).expose_provenance(),
            0,
            0,
            0,
        ];
        // SAFETY: `attr` is a live value of the type that this kind of rule has; the kernel reads it.
        unsafe { syscall(common::LANDLOCK_ADD_RULE, arguments) }.map(drop)
    }

    /// Puts the rules in force for this thread and all that it will start. Nothing takes them off again.
    ///
    /// What is refused by rules that a program adds for itself later is not in the host's audit log, where the kernel
    /// can leave it out (ABI 7): it could fill that log.
    ///
    /// # Errors
    /// `EPERM` without no_new_privs, `E2BIG` when 16 sets are in force already.
    pub fn restrict(self) -> Result<()> {
        const LOG_SUBDOMAINS_OFF: usize = 1 << 2; // LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF of linux/landlock.h
        let flags = if abi() < 7 { 0 } else { LOG_SUBDOMAINS_OFF };
        let arguments = [self.fd.as_raw_fd().unsigned_abs() as usize, flags, 0, 0, 0, 0];
        // SAFETY: no pointer is passed.
        unsafe { syscall(common::LANDLOCK_RESTRICT_SELF, arguments) }.map(drop)
    }
}
