//! Lists of C strings, and execve(2).

use crate::arch::{nr, syscall};
use alloc::vec::Vec;
use core::ffi::{CStr, c_char};
use rustix::io::Errno;

/// A list of C strings with its end marked, as execve(2) takes it.
#[derive(Debug, Default)]
pub struct Strings<'a> {
    pointers: Vec<*const c_char>,
    strings: core::marker::PhantomData<&'a CStr>,
}

impl<'a> FromIterator<&'a CStr> for Strings<'a> {
    fn from_iter<I: IntoIterator<Item = &'a CStr>>(strings: I) -> Self {
        let mut pointers = Vec::new();
        // A plain loop: `collect` is several of them, and the launcher is small.
        for string in strings {
            pointers.push(string.as_ptr());
        }
        pointers.push(core::ptr::null());
        Strings { pointers, strings: core::marker::PhantomData }
    }
}

/// Becomes the program at `path`; comes back only with an error.
#[must_use]
pub fn execute(path: &CStr, arguments: &Strings<'_>, environment: &Strings<'_>) -> Errno {
    for &pointer in arguments.pointers.iter().chain(&environment.pointers) {
        pointer.expose_provenance();
    }
    let call = [
        path.as_ptr().expose_provenance(),
        arguments.pointers.as_ptr().expose_provenance(),
        environment.pointers.as_ptr().expose_provenance(),
        0,
        0,
        0,
    ];
    // SAFETY: all are C strings and null-ended lists of C strings that live as long as `'a`.
    match unsafe { syscall(nr::EXECVE, call) } {
        Ok(_) => Errno::INVAL,
        Err(errno) => errno,
    }
}
