// SPDX-License-Identifier: MIT
//! Values read out of a cache of bytes.
use std::ffi::c_void;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use cachetools_sys as sys;

use crate::callbacks::Callbacks;
use crate::error::{check, Result};
use crate::panics;

/// Bytes read out of a [`ByteCache`](crate::ByteCache).
///
/// They are pinned: valid and unchanged until this is dropped, whatever happens to their entry or to
/// the cache. May be dropped on any thread.
pub struct Value {
    raw: sys::ct_value,
    /// What the last release may call: the cache's drop and its allocator.
    callbacks: Option<Arc<Callbacks>>,
}

// SAFETY: the library lets any thread read and release values; callbacks are Send and Sync.
unsafe impl Send for Value {}
// SAFETY: a shared value is only read, and pinned once more, which any thread may do at any time.
unsafe impl Sync for Value {}

impl Value {
    /// Takes over what a call has read out.
    ///
    /// # Safety
    ///
    /// The library filled `raw` in, nobody else releases it, and `callbacks` are those of its cache
    /// that outlive the cache.
    pub(crate) unsafe fn new(raw: sys::ct_value, callbacks: Option<Arc<Callbacks>>) -> Value {
        Value { raw, callbacks }
    }

    /// Whether there is a value; it may be empty.
    pub(crate) fn is_held(&self) -> bool {
        !self.raw.data.is_null()
    }

    pub(crate) fn raw(&self) -> &sys::ct_value {
        &self.raw
    }

    /// Takes a second, independent pin on the same bytes. Fails only for want of memory, and only
    /// beyond 65,000 pins on one entry.
    pub fn try_clone(&self) -> Result<Value> {
        let mut raw = sys::ct_value::EMPTY;
        // SAFETY: self.raw was filled by the library, and has not been released.
        check(unsafe { sys::ct_value_ref(&self.raw, &mut raw) })?;
        // SAFETY: just filled in, with another pin on a value of the same cache.
        Ok(unsafe { Value::new(raw, self.callbacks.clone()) })
    }
}

impl Deref for Value {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the pin keeps the bytes, which nobody writes.
        unsafe { bytes(self.raw.data, self.raw.size) }
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Drop for Value {
    #[inline]
    fn drop(&mut self) {
        if self.raw.pin != 0 {
            // SAFETY: filled by the library; released once, here.
            unsafe { sys::ct_value_release(&mut self.raw) };
        }
        if self.callbacks.is_some() {
            panics::resume_in_drop();
        }
    }
}

/// Borrows bytes of the library's.
///
/// # Safety
///
/// `data` is null, or `size` bytes there stay valid and unchanged for `'a`.
#[inline]
pub(crate) unsafe fn bytes<'a>(data: *const c_void, size: usize) -> &'a [u8] {
    if data.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(data.cast(), size) }
}

/// The pointer that the library takes for a slice.
#[inline]
pub(crate) fn at(slice: &[u8]) -> *const c_void {
    slice.as_ptr().cast()
}
