// SPDX-License-Identifier: MIT
//! Walks over the entries of a cache of bytes.
use std::fmt;
use std::ptr::{self, NonNull};

use cachetools_sys as sys;

use crate::byte_cache::ByteCache;
use crate::error::{check, Error, Result};
use crate::panics;
use crate::value::bytes;

/// The order of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Order {
    /// No particular one; needs no memory for it.
    Any = sys::CT_ORDER_ANY,
    /// The policy's next victim first, one shard after the other.
    Coldest = sys::CT_ORDER_COLDEST,
    /// The reverse.
    Hottest = sys::CT_ORDER_HOTTEST,
}

/// A walk over the entries of a [`ByteCache`]. It uses nothing, and counts nothing.
///
/// An entry that is there and unwritten throughout is seen exactly once, others at most once for
/// each value, expired ones never. It is no `Iterator`: what it shows is valid only until the next
/// step.
pub struct Walk<'cache> {
    handle: NonNull<sys::ct_iter>,
    cache: &'cache ByteCache,
}

// SAFETY: a walk belongs to no thread. It is used by one at a time, as each step takes &mut.
unsafe impl Send for Walk<'_> {}
// SAFETY: nothing can be done with a shared walk.
unsafe impl Sync for Walk<'_> {}

impl ByteCache {
    /// Begins a walk: `while let Some((key, value)) = walk.next_entry()? { ... }`.
    ///
    /// [`Policy::Rr`](crate::Policy::Rr), [`Policy::Adaptive`](crate::Policy::Adaptive) and
    /// [`Policy::Custom`](crate::Policy::Custom) have no order but [`Order::Any`]:
    /// [`Error::Unsupported`].
    pub fn walk(&self, order: Order) -> Result<Walk<'_>> {
        let mut handle = ptr::null_mut();
        // SAFETY: the cache is alive, handle is writable.
        check(unsafe { sys::ct_iter_new(self.raw(), order as i32, &mut handle) })?;
        Ok(Walk {
            handle: NonNull::new(handle).ok_or(Error::Internal)?,
            cache: self.open(),
        })
    }
}

impl Walk<'_> {
    /// Goes to the next entry, and shows its key and value. After a failure, which is for want of
    /// memory, the same step can be tried again.
    pub fn next_entry(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        let (mut key, mut value) = (sys::ct_bytes::EMPTY, sys::ct_bytes::EMPTY);
        // SAFETY: the cache is alive, as it is borrowed; key and value are writable.
        let status = unsafe { sys::ct_iter_next(self.handle.as_ptr(), &mut key, &mut value) };
        panics::resume();
        if check(status)? != sys::CT_OK {
            return Ok(None);
        }
        // SAFETY: valid until the next step, which the borrow of self puts off.
        Ok(Some(unsafe {
            (bytes(key.data, key.size), bytes(value.data, value.size))
        }))
    }
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        // SAFETY: made by ct_iter_new, and freed once; the cache is alive, as it is borrowed.
        unsafe { sys::ct_iter_free(self.handle.as_ptr()) };
        self.cache.close();
        panics::resume_in_drop();
    }
}

impl fmt::Debug for Walk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Walk").finish_non_exhaustive()
    }
}
