//! The second wall: Landlock, with what the mounts grant and nothing else.
//!
//! Mounts hold every file rule. Landlock holds the grants again, by another part of the kernel: a way around
//! the mounts would still open nothing. It knows no denies inside of grants, and it does not see whom a file is
//! shown to by which name, so it is never more than the mounts are, and at times less.
//!
//! It also keeps the standard descriptors from being doors: /proc/self/fd/0 opens the file again, by the user's
//! own rights and not by those of the descriptor, unless Landlock says what the descriptor was good for.

use crate::fail::{At, Result, failure};
use msb_plan::event::Step;
use msb_plan::network::Network;
use msb_plan::{MountKind, Rights, Target};
use msb_sys::at::Descriptor;
use msb_sys::landlock::{Ruleset, abi, access, net, scope};
use rustix::fd::BorrowedFd;
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::io::Errno;

/// Before ABI 2 (Linux 5.19) Landlock refuses every rename to another directory, which policies grant.
const ABI_MIN: u32 = 2;
/// Rules for TCP came with ABI 4 (Linux 6.7).
const ABI_OF_TCP: u32 = 4;
/// The scopes came with ABI 6 (Linux 6.12).
const ABI_OF_SCOPES: u32 = 6;

/// Opens for reading, lists.
const READ: u64 = access::READ_FILE | access::READ_DIR;
/// Everything that changes files and directories; no right makes devices.
const WRITE: u64 = access::WRITE_FILE
    | access::TRUNCATE
    | access::REMOVE_DIR
    | access::REMOVE_FILE
    | access::MAKE_DIR
    | access::MAKE_REG
    | access::MAKE_SOCK
    | access::MAKE_FIFO
    | access::MAKE_SYM
    | access::REFER;

/// Landlock's rules as they are collected; nothing where the kernel has no Landlock.
#[derive(Debug)]
pub(crate) struct Wall(Option<Ruleset>);

impl Wall {
    /// Begins with no right at all; of TCP, everything stays where there is a network, even if it is a loopback alone.
    pub(crate) fn new(target: &Target, network: &Network<'_>) -> Result<Wall> {
        let origin = Some(target.origin);
        let abi = abi();
        if abi < u32::from(target.landlock_abi_min) {
            return Err(failure(Step::Landlock, origin, Errno::OPNOTSUPP));
        }
        if abi < ABI_MIN {
            return Ok(Wall(None));
        }
        let scoped = if abi < ABI_OF_SCOPES { 0 } else { scope::ABSTRACT_UNIX_SOCKET | scope::SIGNAL };
        let tcp = match network {
            Network::None if abi >= ABI_OF_TCP => net::BIND_TCP | net::CONNECT_TCP,
            _ => 0,
        };
        Ruleset::new(access::known(abi), tcp, scoped)
            .map(|rules| Wall(Some(rules)))
            .at(Step::Landlock, origin)
    }

    /// Gives `rights` on a directory and on everything below it.
    pub(crate) fn directory(&self, place: impl Descriptor, rights: u64) -> core::result::Result<(), Errno> {
        match &self.0 {
            // The root has the rest: whatever is shown may be read.
            Some(rules) if rights & !READ != 0 => rules.allow(place, rights),
            _ => Ok(()),
        }
    }

    /// Gives `rights` on anything else.
    pub(crate) fn file(&self, place: impl Descriptor, rights: u64) -> core::result::Result<(), Errno> {
        self.directory(place, rights & access::OF_FILES)
    }

    /// Gives `access` (of [`access`]) on a place of the host.
    pub(crate) fn grant(&self, place: impl Descriptor, access: u64) -> core::result::Result<(), Errno> {
        self.0.as_ref().map_or(Err(Errno::OPNOTSUPP), |rules| rules.allow(place, access))
    }

    /// Gives what the standard descriptors were opened for.
    pub(crate) fn standards(&self) -> core::result::Result<(), Errno> {
        (0..=2).try_for_each(|number| self.standard(msb_sys::process::borrowed(number)))
    }

    /// Keeps signals of the processes to come from this one, and nothing else: a second wall inside of the first.
    pub(crate) fn signals() -> core::result::Result<(), Errno> {
        Ruleset::new(0, 0, scope::SIGNAL)?.restrict()
    }

    /// Gives what is left: the new root with its generated files, which nobody may change, and what the standard
    /// descriptors were opened for.
    pub(crate) fn root(&self, root: impl Descriptor) -> core::result::Result<(), Errno> {
        self.0.as_ref().map_or(Ok(()), |rules| rules.allow(root, READ))?;
        self.standards()
    }

    /// Gives what the standard descriptor `fd` was opened for, on its file alone.
    fn standard(&self, fd: BorrowedFd<'_>) -> core::result::Result<(), Errno> {
        let Some(rules) = &self.0 else { return Ok(()) };
        let rights = match fcntl_getfl(fd)? & OFlags::RWMODE {
            OFlags::RDONLY => access::READ_FILE,
            OFlags::WRONLY => access::WRITE_FILE | access::TRUNCATE,
            _ => access::READ_FILE | access::WRITE_FILE | access::TRUNCATE,
        };
        match rules.allow(fd, rights | access::IOCTL_DEV) {
            // Pipes and sockets have no name by which Landlock could tell them apart.
            Err(Errno::BADFD | Errno::BADF) => Ok(()),
            allowed => allowed,
        }
    }

    /// Puts it in force.
    pub(crate) fn restrict(self) -> core::result::Result<(), Errno> {
        self.0.map_or(Ok(()), Ruleset::restrict)
    }
}

/// The rights that a mount gives.
pub(crate) fn rights(kind: MountKind<'_>, rights: Rights) -> u64 {
    match kind {
        MountKind::Bind { .. } | MountKind::Overlay { .. } | MountKind::Scratch { .. } => {
            [(Rights::READ, READ), (Rights::WRITE, WRITE), (Rights::RUN, access::EXECUTE)]
                .into_iter()
                .filter(|(right, _)| rights.contains(*right))
                .fold(0, |all, (_, bits)| all | bits)
        }
        MountKind::Device { .. } => access::READ_FILE | access::WRITE_FILE | access::IOCTL_DEV,
        // To connect asks Landlock for nothing.
        MountKind::Socket { .. } => 0,
        MountKind::Proc(_) => READ,
        // The terminals are devices, and /dev/shm is for files.
        MountKind::Dev { .. } => READ | WRITE | access::IOCTL_DEV,
    }
}

/// Refuses standard descriptors that are doors by themselves: a directory leads to what is below and above it,
/// and a descriptor of a path alone (`O_PATH`) opens its file anew.
pub(crate) fn check_standard() -> Result<()> {
    for number in 0..=2 {
        let fd = msb_sys::process::borrowed(number);
        let kind = fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode)).at(Step::Standard, None)?;
        if kind == FileType::Directory {
            return Err(failure(Step::Standard, None, Errno::ISDIR));
        }
        if fcntl_getfl(fd).at(Step::Standard, None)?.contains(OFlags::PATH) {
            return Err(failure(Step::Standard, None, Errno::BADF));
        }
    }
    Ok(())
}
