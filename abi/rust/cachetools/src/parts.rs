// SPDX-License-Identifier: MIT
//! What the crate `cachetools-redis` makes a tier of. Not for others: it changes with any release.
use std::ffi::c_void;
use std::time::Duration;

use cachetools_sys as sys;

use crate::byte_cache::ByteCache;
use crate::error::{self, Error, Result};
use crate::load::{Found, Loaded, Output};
use crate::panics;
use crate::time;
use crate::value::{self, Value};

/// The cache in C, alive as long as this one.
pub fn handle(cache: &ByteCache) -> *mut sys::ct_cache {
    cache.raw()
}

/// Takes over what a call has read out, before anything else may fail.
///
/// # Safety
///
/// `value` is this cache's, or empty, and nobody else releases it.
pub unsafe fn own(cache: &ByteCache, value: sys::ct_value) -> Value {
    // SAFETY: the caller's promise.
    unsafe { cache.own(value) }
}

/// Loads a value by a call that gets a loader, its user_data, and where the value goes.
///
/// # Safety
///
/// The call runs the loader on this thread, not after it has returned, and hands out a value of this
/// cache, or none.
pub unsafe fn load<V, E, F>(
    cache: &ByteCache,
    load: F,
    get_or_load: impl FnOnce(sys::ct_loader_fn, *mut c_void, &mut sys::ct_value) -> sys::ct_status,
) -> Result<Option<Loaded<Value, E>>, E>
where
    V: AsRef<[u8]>,
    E: From<Error>,
    F: FnOnce(&[u8], &mut Output<'_>) -> Result<Found<V>, E>,
{
    // SAFETY: the caller's promise.
    let (status, loaded) = unsafe { cache.load_by(load, get_or_load) };
    panics::resume();
    loaded.check(status)
}

/// Lets panics of the last call's callbacks go on, and ordinary outcomes pass.
pub fn check(status: sys::ct_status) -> Result<sys::ct_status> {
    panics::resume();
    error::check(status)
}

/// An option is not allowed, as the sentence says.
pub fn invalid(sentence: &'static str) -> Error {
    Error::invalid(sentence)
}

/// Runs a callback that must not unwind. See `check`.
pub fn guard(callback: impl FnOnce()) {
    panics::guard((), callback);
}

/// `check` at the end of a `Drop`.
pub fn resume_in_drop() {
    panics::resume_in_drop();
}

/// Nanoseconds. What 64 bits do not hold is for ever.
pub fn ticks(duration: Duration) -> u64 {
    time::ticks(duration)
}

/// The inverse of `ticks`: nothing, if that is for ever.
pub fn finite(ticks: u64) -> Option<Duration> {
    time::finite(ticks)
}

/// Borrows bytes of the library's.
///
/// # Safety
///
/// They stay valid and unchanged as long as they are borrowed.
pub unsafe fn bytes(bytes: &sys::ct_bytes) -> &[u8] {
    // SAFETY: the caller's promise.
    unsafe { value::bytes(bytes.data, bytes.size) }
}
