// SPDX-License-Identifier: MIT
//! Snapshots of a cache of bytes: its entries, their order, and what is left of their lifetimes.
use std::ffi::{c_void, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::{ptr, slice};

use cachetools_sys as sys;

use crate::byte_cache::ByteCache;
use crate::callbacks::FAILED;
use crate::error::{check, Error, Result};
use crate::panics::{self, guard};
use crate::value::bytes;

/// A reader or a writer, and what it failed with.
struct Call<'call, T> {
    stream: &'call mut T,
    error: Option<io::Error>,
}

impl<T> Call<'_, T> {
    fn end(self, status: sys::ct_status) -> io::Result<()> {
        panics::resume();
        self.error.map_or(Ok(()), Err)?;
        check(status)?;
        Ok(())
    }

    fn fail(&mut self, error: io::Error) -> sys::ct_status {
        self.error = Some(error);
        FAILED
    }
}

/// Makes a call of the library that writes, given a function and its user_data for the call.
pub(crate) fn write<W: io::Write>(
    mut to: W,
    call: impl FnOnce(sys::ct_write_fn, *mut c_void) -> sys::ct_status,
) -> io::Result<()> {
    unsafe extern "C" fn run<W: io::Write>(
        user_data: *mut c_void,
        data: *const c_void,
        size: usize,
    ) -> sys::ct_status {
        // SAFETY: user_data is the call below; data is lent for this call.
        let (call, data) = unsafe { (&mut *user_data.cast::<Call<'_, W>>(), bytes(data, size)) };
        guard(FAILED, || match call.stream.write_all(data) {
            Ok(()) => sys::CT_OK,
            Err(error) => call.fail(error),
        })
    }
    let mut writing = Call {
        stream: &mut to,
        error: None,
    };
    let user_data = &mut writing as *mut Call<'_, W> as *mut c_void;
    let status = call(Some(run::<W>), user_data);
    writing.end(status)
}

impl ByteCache {
    /// Saves the contents of the cache in a file, which is replaced as a whole or not at all.
    pub fn save_file(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = c_path(path.as_ref())?;
        // SAFETY: the cache is alive, path is zero-terminated.
        let status = unsafe { sys::ct_snapshot_save_file(self.raw(), path.as_ptr()) };
        panics::resume();
        check(status).map(drop)
    }

    /// Adds the entries of a file, from the hottest on, as far as there is room. Lifetimes go on
    /// from where they were at the save.
    pub fn load_file(&self, path: impl AsRef<Path>) -> Result<()> {
        self.load_file_with(path.as_ref(), 0)
    }

    /// As [`load_file`](ByteCache::load_file), but the time since the save is taken off lifetimes,
    /// by the wall clock. Both caches must have the default timer.
    pub fn load_file_aged(&self, path: impl AsRef<Path>) -> Result<()> {
        self.load_file_with(path.as_ref(), sys::CT_SNAPSHOT_AGED)
    }

    fn load_file_with(&self, path: &Path, flags: u32) -> Result<()> {
        let path = c_path(path)?;
        // SAFETY: the cache is alive, path is zero-terminated.
        let status = unsafe { sys::ct_snapshot_load_file_with(self.raw(), path.as_ptr(), flags) };
        panics::resume();
        check(status).map(drop)
    }

    /// As [`save_file`](ByteCache::save_file), into a writer, which may be `&mut` one. The error of
    /// the writer comes back unchanged.
    pub fn save<W: io::Write>(&self, to: W) -> io::Result<()> {
        write(to, |run, user_data| {
            // SAFETY: the cache is alive; the library writes during this call only.
            unsafe { sys::ct_snapshot_save(self.raw(), run, user_data) }
        })
    }

    /// As [`load_file`](ByteCache::load_file), from a reader, which may be `&mut` one. Nothing
    /// beyond the snapshot is read.
    pub fn load<R: io::Read>(&self, from: R) -> io::Result<()> {
        self.load_with(from, 0)
    }

    /// As [`load_file_aged`](ByteCache::load_file_aged), from a reader.
    pub fn load_aged<R: io::Read>(&self, from: R) -> io::Result<()> {
        self.load_with(from, sys::CT_SNAPSHOT_AGED)
    }

    fn load_with<R: io::Read>(&self, mut from: R, flags: u32) -> io::Result<()> {
        unsafe extern "C" fn run<R: io::Read>(
            user_data: *mut c_void,
            buffer: *mut c_void,
            capacity: usize,
            got: *mut usize,
        ) -> sys::ct_status {
            // SAFETY: user_data is the call below. The buffer is lent for this call; it is cleared,
            // as readers may look at it.
            let (call, buffer, got) = unsafe {
                ptr::write_bytes(buffer.cast::<u8>(), 0, capacity);
                (
                    &mut *user_data.cast::<Call<'_, R>>(),
                    slice::from_raw_parts_mut(buffer.cast::<u8>(), capacity),
                    &mut *got,
                )
            };
            guard(FAILED, || loop {
                match call.stream.read(buffer) {
                    Ok(size) => {
                        *got = size; // if that is too much, the library says so
                        return sys::CT_OK;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return call.fail(error),
                }
            })
        }
        let mut call = Call {
            stream: &mut from,
            error: None,
        };
        let user_data = &mut call as *mut Call<'_, R> as *mut c_void;
        // SAFETY: the cache is alive; the library reads during this call only.
        let status =
            unsafe { sys::ct_snapshot_load_with(self.raw(), Some(run::<R>), user_data, flags) };
        call.end(status)
    }
}

fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::invalid("path: it has a NUL."))
}
