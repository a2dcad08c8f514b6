// SPDX-License-Identifier: MIT
//! How an `Arc` is a value of a cache of bytes: the value is the address of what it shares, and owns
//! one of its counts. The library's drop gives that count back, when the entry has left and its last
//! pin is gone.
use std::ffi::c_void;
use std::mem::{self, size_of, ManuallyDrop};
use std::ptr;
use std::slice;
use std::sync::Arc;

use cachetools_sys as sys;

use crate::panics::guard;
use crate::value::bytes;

/// Of `Arc::into_raw`. The library copies it as bytes; on this side it stays a pointer.
pub(crate) struct Address<V>(*const V);

impl<V> AsRef<[u8]> for Address<V> {
    fn as_ref(&self) -> &[u8] {
        let pointer: *const *const V = &self.0;
        // SAFETY: these are the bytes of the pointer, borrowed with it.
        unsafe { slice::from_raw_parts(pointer.cast(), size_of::<*const V>()) }
    }
}

/// # Safety
///
/// `value` is a value of a cache of `Arc<V>`.
#[inline]
unsafe fn address<V>(value: &[u8]) -> *const V {
    debug_assert_eq!(size_of::<*const V>(), value.len());
    // SAFETY: a Parcel's address was copied there.
    unsafe { ptr::read_unaligned(value.as_ptr().cast()) }
}

/// Shares what a value shares.
///
/// # Safety
///
/// `value` is a value of a cache of `Arc<V>`, and pinned or in a callback's hands, so that its count
/// is not given back before this returns.
#[inline]
pub(crate) unsafe fn share<V>(value: &[u8]) -> Arc<V> {
    // SAFETY: the address is of Arc::into_raw, and its count is alive.
    unsafe {
        let address = address::<V>(value);
        Arc::increment_strong_count(address);
        Arc::from_raw(address)
    }
}

/// Lends what a value shares.
///
/// # Safety
///
/// As for `share`; moreover the value stays pinned for as long as the result is used.
#[inline]
pub(crate) unsafe fn lend<V>(value: &[u8]) -> ManuallyDrop<Arc<V>> {
    // SAFETY: the address is of Arc::into_raw. ManuallyDrop leaves the count with the value.
    ManuallyDrop::new(unsafe { Arc::from_raw(address::<V>(value)) })
}

/// The library's drop.
///
/// # Safety
///
/// For the library to call, once for each value that a cache of `Arc<V>` has stored.
pub(crate) unsafe extern "C" fn release<V>(
    _user_data: *mut c_void,
    value: *const c_void,
    size: usize,
) {
    guard((), || {
        // SAFETY: the value has left, so that its count is this call's.
        drop(unsafe { Arc::from_raw(address::<V>(bytes(value, size))) });
    });
}

/// An `Arc` on its way into the library, which owns a count until the library says that it has
/// stored the value.
pub(crate) struct Parcel<V> {
    address: Address<V>,
}

impl<V> Parcel<V> {
    pub(crate) fn new(value: Arc<V>) -> Parcel<V> {
        Parcel {
            address: Address(Arc::into_raw(value)),
        }
    }

    /// What the library stores.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.address.as_ref()
    }

    /// The same, to be handed on. The count stays the parcel's.
    pub(crate) fn address(&self) -> Address<V> {
        Address(self.address.0)
    }

    /// After a load, which has handed out `value`, or nothing: a value that it has brought is the
    /// library's, kept or not.
    pub(crate) fn settle_load(self, value: Option<&[u8]>) {
        let is_taken = value == Some(self.bytes());
        self.settle(if is_taken { sys::CT_OK } else { sys::CT_MISS });
    }

    /// After the call that was to store it. With CT_OK, the library's drop gives the count back; with
    /// any other status, nothing was stored, and this does. A panic of that is kept, like one of a
    /// callback.
    pub(crate) fn settle(self, status: sys::ct_status) {
        if status == sys::CT_OK {
            mem::forget(self);
        } else {
            guard((), || drop(self));
        }
    }
}

impl<V> Drop for Parcel<V> {
    fn drop(&mut self) {
        // SAFETY: of Arc::into_raw, and this count is still the parcel's.
        drop(unsafe { Arc::from_raw(self.address.0) });
    }
}
