// SPDX-License-Identifier: MIT
//! Errors: the library's statuses that say that nothing happened.
use std::ffi::CStr;
use std::fmt;
use std::io;
use std::os::raw::c_char;

use cachetools_sys as sys;

use crate::callbacks::FAILED;
use crate::refusal;

/// Why an operation did not happen.
///
/// Ordinary outcomes, such as a miss, are no errors.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Error(sys::ct_status);

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A callback answered what it may not.
    pub const CALLBACK: Error = Error(sys::CT_ERR_CALLBACK);
    /// This cache or this system cannot do that.
    pub const UNSUPPORTED: Error = Error(sys::CT_ERR_UNSUPPORTED);
    /// The library or this crate has a fault.
    pub const INTERNAL: Error = Error(sys::CT_ERR_INTERNAL);
    /// Reading or writing failed.
    pub const IO: Error = Error(sys::CT_ERR_IO);
    /// The input is truncated or altered.
    pub const CORRUPT: Error = Error(sys::CT_ERR_CORRUPT);
    /// The call would wait for itself.
    pub const RECURSION: Error = Error(sys::CT_ERR_RECURSION);
    /// The buffer is too small.
    pub const BUFFER: Error = Error(sys::CT_ERR_BUFFER);
    /// The entry weighs more than `maxsize`, or has 2^32 bytes or more.
    pub const TOO_LARGE: Error = Error(sys::CT_ERR_TOO_LARGE);
    /// The allocator has no memory left.
    pub const NO_MEMORY: Error = Error(sys::CT_ERR_NOMEM);
    /// An argument is not allowed.
    pub const INVALID: Error = Error(sys::CT_ERR_INVALID);
    /// Others kept changing the entry, or still load it when the time is over.
    pub const BUSY: Error = Error(sys::CT_BUSY);
    /// There is no such value, as another caller's load has found, by
    /// [`get_or_find`](crate::Cache::get_or_find) say; but this caller's loader always brings one.
    pub const MISSING: Error = Error(sys::CT_MISS);
    /// The load of another caller, for which this one waited, failed. What with, or what it panicked
    /// at, is for that caller, who alone knows the type.
    pub const LOAD: Error = Error(FAILED);

    /// The status in C.
    pub fn status(self) -> i32 {
        self.0
    }

    /// The name of the status in C: "CT_ERR_NOMEM".
    pub fn name(self) -> &'static str {
        if self == Error::LOAD {
            return "LOAD"; // a status of this crate's own, for which the library has no name
        }
        // SAFETY: takes any number, and returns a static string.
        unsafe { text(sys::ct_status_name(self.0)) }.unwrap_or("")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Error::LOAD {
            return f.write_str("the load of another caller failed");
        }
        // SAFETY: takes any number, and returns a static string.
        f.write_str(unsafe { text(sys::ct_status_message(self.0)) }.unwrap_or(""))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match error {
            Error::CORRUPT => io::ErrorKind::InvalidData,
            Error::INVALID => io::ErrorKind::InvalidInput,
            Error::UNSUPPORTED => io::ErrorKind::Unsupported,
            Error::NO_MEMORY => io::ErrorKind::OutOfMemory,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// Lets ordinary outcomes pass.
pub(crate) fn check(status: sys::ct_status) -> Result<sys::ct_status> {
    if status < 0 {
        if status == sys::CT_ERR_RECURSION {
            refusal::note();
        }
        Err(Error(status))
    } else {
        Ok(status)
    }
}

/// Converts a string of the library.
///
/// # Safety
///
/// `string` is null or a zero-terminated string that is never freed.
pub(crate) unsafe fn text(string: *const c_char) -> Option<&'static str> {
    if string.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(string) }.to_str().ok()
}
