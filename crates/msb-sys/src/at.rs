//! Calls that take a descriptor and a path, by one function. rustix has a copy of each for every type that a path may
//! be of, with a buffer on the stack in each, and looks at every descriptor once more: together they were a twentieth
//! of the launcher.

use crate::Result;
use crate::arch::{common, nr, syscall};
use alloc::vec::Vec;
use core::mem::MaybeUninit;
use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, UnmountFlags};

const MOVE_MOUNT_F_EMPTY_PATH: usize = 0x4; // linux/mount.h
const MOVE_MOUNT_T_EMPTY_PATH: usize = 0x40; // linux/mount.h
const FSCONFIG_SET_FLAG: usize = 0; // linux/mount.h
const FSCONFIG_SET_STRING: usize = 1; // linux/mount.h
const S_IFREG: usize = 0o100_000; // linux/stat.h
const PATH_MAX: usize = 4096; // linux/limits.h
const AT_EMPTY_PATH: usize = 0x1000; // linux/fcntl.h

/// An open descriptor, of whatever type.
pub trait Descriptor: Copy {
    /// Its number.
    fn number(self) -> RawFd;
}

impl Descriptor for BorrowedFd<'_> {
    fn number(self) -> RawFd {
        self.as_raw_fd()
    }
}

/// The number of one; what is open on it shows when it is used.
impl Descriptor for RawFd {
    fn number(self) -> RawFd {
        self
    }
}

impl<T: AsRawFd> Descriptor for &T {
    fn number(self) -> RawFd {
        self.as_raw_fd()
    }
}

/// `struct open_how` of linux/openat2.h.
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// Most paths are shorter, and to allocate takes longer than to copy them.
const SHORT_BYTES: usize = 256;

/// Room for one path as the kernel takes it.
struct Room {
    short: [u8; SHORT_BYTES],
    long: Vec<u8>,
}

impl Room {
    const fn new() -> Room {
        Room { short: [0; SHORT_BYTES], long: Vec::new() }
    }

    /// The address of `path` with a zero at its end, for as long as there is room. Asked once.
    #[inline(never)]
    fn ended(&mut self, path: &[u8]) -> Result<usize> {
        if path.contains(&0) {
            return Err(Errno::INVAL);
        }
        if path.len() < SHORT_BYTES {
            self.short.iter_mut().zip(path).for_each(|(to, from)| *to = *from);
            return Ok(self.short.as_ptr().expose_provenance());
        }
        self.long.reserve_exact(path.len() + 1);
        self.long.extend_from_slice(path);
        self.long.push(0);
        Ok(self.long.as_ptr().expose_provenance())
    }
}

/// Makes call `number` with a descriptor, a path and two arguments more.
///
/// # Safety
/// `first` and `second` must be good for what call `number` does with its third and fourth argument.
#[inline(never)]
unsafe fn call(number: usize, at: RawFd, path: &[u8], first: usize, second: usize) -> Result<usize> {
    let mut room = Room::new();
    let arguments = [descriptor(at), room.ended(path)?, first, second, 0, 0];
    // SAFETY: the path is a C string that lives through the call; the caller answers for the others.
    unsafe { syscall(number, arguments) }
}

/// The same for a call that makes a descriptor.
///
/// # Safety
/// As for [`call`].
#[inline(never)]
unsafe fn open(number: usize, at: RawFd, path: &[u8], first: usize, second: usize) -> Result<OwnedFd> {
    // SAFETY: the caller answers for the arguments.
    let number = unsafe { call(number, at, path, first, second)? };
    // SAFETY: the kernel has made it for this call, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(number).unwrap_or(-1)) })
}

/// The same for a call that gives nothing back.
///
/// # Safety
/// As for [`call`].
#[inline(never)]
unsafe fn done(number: usize, at: RawFd, path: &[u8], first: usize, second: usize) -> Result<()> {
    // SAFETY: the caller answers for the arguments.
    unsafe { call(number, at, path, first, second) }.map(drop)
}

/// A descriptor's number as an argument; that of the working directory is negative.
fn descriptor(number: RawFd) -> usize {
    number.cast_unsigned() as usize
}

/// openat(2).
///
/// # Errors
/// Those of the call, as everywhere in this module; `EINVAL` for a path with a NUL.
pub fn openat(at: impl Descriptor, path: impl AsRef<[u8]>, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
    // SAFETY: both are numbers.
    unsafe { open(nr::OPENAT, at.number(), path.as_ref(), flags.bits() as usize, mode.bits() as usize) }
}

/// openat2(2).
///
/// # Errors
/// As [`openat`].
pub fn openat2(
    at: impl Descriptor,
    path: impl AsRef<[u8]>,
    flags: OFlags,
    mode: Mode,
    resolve: ResolveFlags,
) -> Result<OwnedFd> {
    #[inline(never)]
    fn one(at: RawFd, path: &[u8], flags: OFlags, mode: Mode, resolve: ResolveFlags) -> Result<OwnedFd> {
        let how = OpenHow { flags: flags.bits().into(), mode: mode.bits().into(), resolve: resolve.bits() };
        let address = (&raw const how).expose_provenance();
        // SAFETY: `how` is a live structure of the size that is passed, and the kernel reads it.
        unsafe { open(common::OPENAT2, at, path, address, size_of::<OpenHow>()) }
    }
    one(at.number(), path.as_ref(), flags, mode, resolve)
}

/// open_tree(2).
///
/// # Errors
/// As [`openat`].
pub fn open_tree(at: impl Descriptor, path: impl AsRef<[u8]>, flags: OpenTreeFlags) -> Result<OwnedFd> {
    // SAFETY: the flags are a number, and the call has no more arguments.
    unsafe { open(common::OPEN_TREE, at.number(), path.as_ref(), flags.bits() as usize, 0) }
}

/// mkdirat(2).
///
/// # Errors
/// As [`openat`].
pub fn mkdirat(at: impl Descriptor, path: impl AsRef<[u8]>, mode: Mode) -> Result<()> {
    // SAFETY: the mode is a number, and the call has no more arguments.
    unsafe { done(nr::MKDIRAT, at.number(), path.as_ref(), mode.bits() as usize, 0) }
}

/// mknodat(2) of an ordinary, empty file.
///
/// # Errors
/// As [`openat`].
pub fn mkfileat(at: impl Descriptor, path: impl AsRef<[u8]>, mode: Mode) -> Result<()> {
    // SAFETY: the mode and the device's number, which is none, are numbers.
    unsafe { done(nr::MKNODAT, at.number(), path.as_ref(), S_IFREG | mode.bits() as usize, 0) }
}

/// unlinkat(2).
///
/// # Errors
/// As [`openat`].
pub fn unlinkat(at: impl Descriptor, path: impl AsRef<[u8]>, flags: AtFlags) -> Result<()> {
    // SAFETY: the flags are a number, and the call has no more arguments.
    unsafe { done(nr::UNLINKAT, at.number(), path.as_ref(), flags.bits() as usize, 0) }
}

/// faccessat2(2), Linux 5.8.
///
/// # Errors
/// As [`openat`].
pub fn accessat(at: impl Descriptor, path: impl AsRef<[u8]>, access: Access, flags: AtFlags) -> Result<()> {
    let (access, flags) = (access.bits() as usize, flags.bits() as usize);
    // SAFETY: both are numbers.
    unsafe { done(common::FACCESSAT2, at.number(), path.as_ref(), access, flags) }
}

/// fstatat(2).
///
/// # Errors
/// As [`openat`].
pub fn statat(at: impl Descriptor, path: impl AsRef<[u8]>, flags: AtFlags) -> Result<Stat> {
    #[inline(never)]
    fn one(at: RawFd, path: &[u8], flags: AtFlags) -> Result<Stat> {
        let mut stat = MaybeUninit::<Stat>::uninit();
        let address = stat.as_mut_ptr().expose_provenance();
        // SAFETY: the kernel writes one `struct stat` to `stat`, which lives through the call; the flags are a number.
        unsafe { done(nr::NEWFSTATAT, at, path, address, flags.bits() as usize)? };
        // SAFETY: the call succeeded, and has filled it.
        Ok(unsafe { stat.assume_init() })
    }
    one(at.number(), path.as_ref(), flags)
}

/// Which numbers mounts have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Numbers {
    /// Those of /proc/self/mountinfo, which a later mount may get again; `STATX_MNT_ID` of linux/stat.h, Linux 5.8.
    OfTable = 0x1000,
    /// Those of listmount(2), each given once; `STATX_MNT_ID_UNIQUE` of linux/stat.h, Linux 6.8.
    Unique = 0x4000,
}

/// What a place lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lies {
    /// The number of its mount.
    pub mount: u64,
    /// Major and minor number of its file system.
    pub device: (u64, u64),
}

/// What `path` lies on, or, where that is "", what `at` is open on; by statx(2).
///
/// # Errors
/// As [`openat`].
pub fn lies(at: impl Descriptor, path: impl AsRef<[u8]>, numbers: Numbers) -> Result<Lies> {
    #[inline(never)]
    fn one(at: RawFd, path: &[u8], numbers: Numbers) -> Result<Lies> {
        const WORDS: usize = 32; // struct statx of linux/stat.h has 256 bytes
        let mut words = [0_u64; WORDS];
        let mut room = Room::new();
        let path = room.ended(path)?;
        let arguments = [
            descriptor(at),
            path,
            AT_EMPTY_PATH,
            numbers as usize,
            words.as_mut_ptr().expose_provenance(),
            0,
        ];
        // SAFETY: the path is a C string, and the kernel writes one structure; both live through the call.
        unsafe { syscall(nr::STATX, arguments)? };
        // `stx_dev_major` and `stx_dev_minor` are the eighteenth word, `stx_mnt_id` is the next: 0, which no mount has, where the
        // kernel does not know such numbers.
        Ok(Lies { mount: words[18], device: halves(words[17]) })
    }
    one(at.number(), path.as_ref(), numbers)
}

/// The two numbers of 32 bits that a word has, as they lie in memory. Both architectures have the low half first.
pub(crate) fn halves(word: u64) -> (u64, u64) {
    (word & 0xffff_ffff, word >> 32)
}

/// readlinkat(2); where `path` is "", of the link that `at` is open on.
///
/// # Errors
/// As [`openat`]; `ENAMETOOLONG` for a link to more than a path may have.
pub fn readlinkat(at: impl Descriptor, path: impl AsRef<[u8]>) -> Result<Vec<u8>> {
    #[inline(never)]
    fn one(at: RawFd, path: &[u8]) -> Result<Vec<u8>> {
        let mut to = [0_u8; PATH_MAX];
        let address = to.as_mut_ptr().expose_provenance();
        // SAFETY: the kernel writes at most as many bytes as there is room for.
        let length = unsafe { call(nr::READLINKAT, at, path, address, PATH_MAX)? };
        to.get(..length).filter(|to| to.len() < PATH_MAX).map(Vec::from).ok_or(Errno::NAMETOOLONG)
    }
    one(at.number(), path.as_ref())
}

/// readlink(2).
///
/// # Errors
/// As [`readlinkat`].
pub fn readlink(path: &[u8]) -> Result<Vec<u8>> {
    readlinkat(CWD, path)
}

/// symlinkat(2): makes `path` lead to `to`.
///
/// # Errors
/// As [`openat`].
pub fn symlinkat(to: impl AsRef<[u8]>, at: impl Descriptor, path: impl AsRef<[u8]>) -> Result<()> {
    #[inline(never)]
    fn one(to: &[u8], at: RawFd, path: &[u8]) -> Result<()> {
        let (mut leads, mut stands) = (Room::new(), Room::new());
        let arguments = [leads.ended(to)?, descriptor(at), stands.ended(path)?, 0, 0, 0];
        // SAFETY: both paths are C strings that live through the call.
        unsafe { syscall(nr::SYMLINKAT, arguments) }.map(drop)
    }
    one(to.as_ref(), at.number(), path.as_ref())
}

/// move_mount(2): mounts the detached `tree` at `path`, or, where that is "", at what `at` is open on.
///
/// # Errors
/// As [`openat`].
pub fn move_mount(tree: impl Descriptor, at: impl Descriptor, path: impl AsRef<[u8]>) -> Result<()> {
    #[inline(never)]
    fn one(tree: RawFd, at: RawFd, path: &[u8]) -> Result<()> {
        let here = if path.is_empty() { MOVE_MOUNT_T_EMPTY_PATH } else { 0 };
        let mut room = Room::new();
        let (own, path) = (c"".as_ptr().expose_provenance(), room.ended(path)?);
        let arguments = [descriptor(tree), own, descriptor(at), path, MOVE_MOUNT_F_EMPTY_PATH | here, 0];
        // SAFETY: both paths are C strings that live through the call.
        unsafe { syscall(common::MOVE_MOUNT, arguments) }.map(drop)
    }
    one(tree.number(), at.number(), path.as_ref())
}

/// umount2(2).
///
/// # Errors
/// As [`openat`].
pub fn unmount(path: &[u8], flags: UnmountFlags) -> Result<()> {
    let mut room = Room::new();
    let arguments = [room.ended(path)?, flags.bits() as usize, 0, 0, 0, 0];
    // SAFETY: the path is a C string that lives through the call.
    unsafe { syscall(nr::UMOUNT2, arguments) }.map(drop)
}

/// Sets an option of a file system that is to be made, or a flag where there is no value; fsconfig(2), Linux 5.2.
///
/// # Errors
/// `EINVAL` for one that the file system does not know.
pub fn configure(context: impl Descriptor, key: &[u8], value: Option<&[u8]>) -> Result<()> {
    let (mut named, mut said) = (Room::new(), Room::new());
    let (command, value) = match value {
        Some(value) => (FSCONFIG_SET_STRING, said.ended(value)?),
        None => (FSCONFIG_SET_FLAG, 0),
    };
    let arguments = [descriptor(context.number()), command, named.ended(key)?, value, 0, 0];
    // SAFETY: key and value are C strings that live through the call; a flag has none.
    unsafe { syscall(common::FSCONFIG, arguments) }.map(drop)
}
