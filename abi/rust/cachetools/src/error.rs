// SPDX-License-Identifier: MIT
//! Errors: the library's statuses that say that nothing happened.
use std::ffi::CStr;
use std::fmt;
use std::io;
use std::os::raw::c_char;

use cachetools_sys as sys;

use crate::callbacks::FAILED;
use crate::problem::Problem;
use crate::refusal;

/// Why an operation did not happen.
///
/// Ordinary outcomes, such as a miss, are no errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// A callback answered what it may not.
    Callback,
    /// This cache or this system cannot do that.
    Unsupported,
    /// The library or this crate has a fault.
    Internal,
    /// Reading or writing failed.
    Io,
    /// The input is truncated or altered.
    Corrupt,
    /// The call would wait for itself.
    Recursion,
    /// The buffer is too small.
    Buffer,
    /// The entry weighs more than `maxsize`, or has 2^32 bytes or more.
    TooLarge,
    /// The allocator has no memory left.
    NoMemory,
    /// An option or an argument is not allowed: this one.
    Invalid(Problem),
    /// Others kept changing the entry, or still load it when the time is over.
    Busy,
    /// There is no such value, as another caller's load has found, by
    /// [`get_or_find`](crate::Cache::get_or_find) say; but this caller's loader always brings one.
    Missing,
    /// The load of another caller, for which this one waited, failed. What with, or what it panicked
    /// at, is for that caller, who alone knows the type.
    Load,
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) const fn invalid(sentence: &'static str) -> Error {
        Error::Invalid(Problem::new(sentence))
    }

    /// The error of a failure's status.
    fn of(status: sys::ct_status) -> Error {
        match status {
            sys::CT_ERR_CALLBACK => Error::Callback,
            sys::CT_ERR_UNSUPPORTED => Error::Unsupported,
            sys::CT_ERR_IO => Error::Io,
            sys::CT_ERR_CORRUPT => Error::Corrupt,
            sys::CT_ERR_RECURSION => Error::Recursion,
            sys::CT_ERR_BUFFER => Error::Buffer,
            sys::CT_ERR_TOO_LARGE => Error::TooLarge,
            sys::CT_ERR_NOMEM => Error::NoMemory,
            sys::CT_ERR_INVALID => Error::invalid(message(status)),
            FAILED => Error::Load,
            _ => Error::Internal,
        }
    }

    /// The status in C.
    pub fn status(self) -> i32 {
        match self {
            Error::Callback => sys::CT_ERR_CALLBACK,
            Error::Unsupported => sys::CT_ERR_UNSUPPORTED,
            Error::Internal => sys::CT_ERR_INTERNAL,
            Error::Io => sys::CT_ERR_IO,
            Error::Corrupt => sys::CT_ERR_CORRUPT,
            Error::Recursion => sys::CT_ERR_RECURSION,
            Error::Buffer => sys::CT_ERR_BUFFER,
            Error::TooLarge => sys::CT_ERR_TOO_LARGE,
            Error::NoMemory => sys::CT_ERR_NOMEM,
            Error::Invalid(_) => sys::CT_ERR_INVALID,
            Error::Busy => sys::CT_BUSY,
            Error::Missing => sys::CT_MISS,
            Error::Load => FAILED,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Invalid(problem) => problem.fmt(f),
            Error::Load => f.write_str("The load of another caller failed."),
            _ => f.write_str(message(self.status())),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match error {
            Error::Corrupt => io::ErrorKind::InvalidData,
            Error::Invalid(_) => io::ErrorKind::InvalidInput,
            Error::Unsupported => io::ErrorKind::Unsupported,
            Error::NoMemory => io::ErrorKind::OutOfMemory,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

fn message(status: sys::ct_status) -> &'static str {
    // SAFETY: takes any number, and returns a static string.
    unsafe { text(sys::ct_status_message(status)) }.unwrap_or("")
}

/// Lets ordinary outcomes pass.
pub(crate) fn check(status: sys::ct_status) -> Result<sys::ct_status> {
    if status < 0 {
        if status == sys::CT_ERR_RECURSION {
            refusal::note();
        }
        Err(Error::of(status))
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
