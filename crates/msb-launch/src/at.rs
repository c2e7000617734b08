//! Calls that take a path, each one function: rustix has a copy of them for every type that a path may be of, with a
//! buffer on the stack in each, and together they were a twentieth of the launcher.

use alloc::ffi::CString;
use alloc::vec::Vec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Access, AtFlags, CWD, Dev, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, OpenTreeFlags};

/// The path as the kernel takes it.
///
/// # Errors
/// `EINVAL` for one with a NUL.
#[inline(never)]
fn zero_ended(path: &[u8]) -> Result<CString, Errno> {
    let mut bytes = Vec::with_capacity(path.len() + 1);
    bytes.extend_from_slice(path);
    bytes.push(0);
    CString::from_vec_with_nul(bytes).map_err(|_| Errno::INVAL)
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) -> $out:ty = $call:path;)*) => {$(
        $(#[$doc])*
        pub(crate) fn $name(at: impl AsFd, path: impl AsRef<[u8]>, $($arg: $type),*) -> Result<$out, Errno> {
            #[inline(never)]
            fn one(at: BorrowedFd<'_>, path: &[u8], $($arg: $type),*) -> Result<$out, Errno> {
                $call(at, zero_ended(path)?.as_c_str(), $($arg),*)
            }
            one(at.as_fd(), path.as_ref(), $($arg),*)
        }
    )*};
}

calls! {
    /// openat(2).
    openat(flags: OFlags, mode: Mode) -> OwnedFd = rustix::fs::openat;
    /// openat2(2).
    openat2(flags: OFlags, mode: Mode, resolve: ResolveFlags) -> OwnedFd = rustix::fs::openat2;
    /// mkdirat(2).
    mkdirat(mode: Mode) -> () = rustix::fs::mkdirat;
    /// mknodat(2).
    mknodat(kind: FileType, mode: Mode, device: Dev) -> () = rustix::fs::mknodat;
    /// unlinkat(2).
    unlinkat(flags: AtFlags) -> () = rustix::fs::unlinkat;
    /// fstatat(2).
    statat(flags: AtFlags) -> Stat = rustix::fs::statat;
    /// faccessat(2).
    accessat(access: Access, flags: AtFlags) -> () = rustix::fs::accessat;
    /// open_tree(2).
    open_tree(flags: OpenTreeFlags) -> OwnedFd = rustix::mount::open_tree;
}

/// readlink(2).
pub(crate) fn readlink(path: &[u8]) -> Result<Vec<u8>, Errno> {
    readlinkat(CWD, path)
}

/// readlinkat(2); where `path` is "", of the link that `at` is open on.
pub(crate) fn readlinkat(at: impl AsFd, path: impl AsRef<[u8]>) -> Result<Vec<u8>, Errno> {
    #[inline(never)]
    fn one(at: BorrowedFd<'_>, path: &[u8]) -> Result<Vec<u8>, Errno> {
        rustix::fs::readlinkat(at, zero_ended(path)?.as_c_str(), Vec::new()).map(CString::into_bytes)
    }
    one(at.as_fd(), path.as_ref())
}

/// symlinkat(2): makes `path` lead to `to`.
pub(crate) fn symlinkat(to: impl AsRef<[u8]>, at: impl AsFd, path: impl AsRef<[u8]>) -> Result<(), Errno> {
    #[inline(never)]
    fn one(to: &[u8], at: BorrowedFd<'_>, path: &[u8]) -> Result<(), Errno> {
        rustix::fs::symlinkat(zero_ended(to)?.as_c_str(), at, zero_ended(path)?.as_c_str())
    }
    one(to.as_ref(), at.as_fd(), path.as_ref())
}

/// move_mount(2): mounts the detached `tree` at `path`, or, where that is "", at what `at` is open on.
pub(crate) fn move_mount(tree: impl AsFd, at: impl AsFd, path: impl AsRef<[u8]>) -> Result<(), Errno> {
    #[inline(never)]
    fn one(tree: BorrowedFd<'_>, at: BorrowedFd<'_>, path: &[u8]) -> Result<(), Errno> {
        let mut flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        if path.is_empty() {
            flags |= MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        }
        rustix::mount::move_mount(tree, c"", at, zero_ended(path)?.as_c_str(), flags)
    }
    one(tree.as_fd(), at.as_fd(), path.as_ref())
}
