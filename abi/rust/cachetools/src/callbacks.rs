// SPDX-License-Identifier: MIT
//! The callbacks of a cache, and the functions by which the library calls them.
use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_void;
use std::ptr;
use std::time::Duration;

use cachetools_sys as sys;

use crate::event::ByteEvent;
use crate::panics::guard;
use crate::policy::PolicyMaker;
use crate::time::{duration, ticks};
use crate::value::bytes;

pub(crate) type Timer = dyn Fn() -> Duration + Send + Sync;
pub(crate) type TimeToUse = dyn Fn(&[u8], &[u8], Duration) -> Duration + Send + Sync;
pub(crate) type Weigher = dyn Fn(&[u8], &[u8]) -> u64 + Send + Sync;
pub(crate) type Choice = dyn Fn(u64) -> u64 + Send + Sync;
pub(crate) type Listener = dyn Fn(&ByteEvent<'_>) + Send + Sync;
pub(crate) type Dropper = dyn Fn(&[u8]) + Send + Sync;

/// A cache's user_data. Lives until the last value that may call one of them is released.
#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) timer: Option<Box<Timer>>,
    pub(crate) time_to_use: Option<Box<TimeToUse>>,
    pub(crate) weigher: Option<Box<Weigher>>,
    pub(crate) choice: Option<Box<Choice>>,
    pub(crate) listener: Option<Box<Listener>>,
    pub(crate) drop: Option<Box<Dropper>>,
    pub(crate) policy: Option<Box<PolicyMaker>>,
    pub(crate) allocator: Option<Box<dyn GlobalAlloc + Send + Sync>>,
}

impl Callbacks {
    /// # Safety
    ///
    /// `user_data` is the address of callbacks that live for `'a`.
    pub(crate) unsafe fn of<'a>(user_data: *mut c_void) -> &'a Callbacks {
        // SAFETY: the caller's promise.
        unsafe { &*user_data.cast() }
    }

    pub(crate) fn are_none(&self) -> bool {
        self.timer.is_none()
            && self.time_to_use.is_none()
            && self.weigher.is_none()
            && self.choice.is_none()
            && self.listener.is_none()
            && self.drop.is_none()
            && self.policy.is_none()
            && self.allocator.is_none()
    }

    /// Whether releasing a value may call one of them.
    pub(crate) fn outlive_the_cache(&self) -> bool {
        self.drop.is_some() || self.allocator.is_some()
    }
}

// In what follows, user_data is that of a cache which still is, or of a value that is being
// released, both of which keep their callbacks; and what the library lends, it lends for the call.

pub(crate) unsafe extern "C" fn timer(user_data: *mut c_void) -> u64 {
    // SAFETY: see above.
    let callbacks = unsafe { Callbacks::of(user_data) };
    guard(0, || ticks(callbacks.timer.as_ref().unwrap()()))
}

pub(crate) unsafe extern "C" fn time_to_use(
    user_data: *mut c_void,
    key: *const c_void,
    key_size: usize,
    value: *const c_void,
    value_size: usize,
    now: u64,
) -> u64 {
    // SAFETY: see above.
    let (callbacks, key, value) = unsafe {
        (
            Callbacks::of(user_data),
            bytes(key, key_size),
            bytes(value, value_size),
        )
    };
    // After a panic, the value is dead on arrival.
    guard(0, || {
        let time_to_use = callbacks.time_to_use.as_ref().unwrap();
        ticks(time_to_use(key, value, duration(now)))
    })
}

pub(crate) unsafe extern "C" fn weigher(
    user_data: *mut c_void,
    key: *const c_void,
    key_size: usize,
    value: *const c_void,
    value_size: usize,
) -> u64 {
    // SAFETY: see above.
    let (callbacks, key, value) = unsafe {
        (
            Callbacks::of(user_data),
            bytes(key, key_size),
            bytes(value, value_size),
        )
    };
    // After a panic, the entry is refused as too large.
    guard(sys::CT_UNBOUNDED, || {
        callbacks.weigher.as_ref().unwrap()(key, value)
    })
}

pub(crate) unsafe extern "C" fn choice(user_data: *mut c_void, count: u64) -> u64 {
    // SAFETY: see above.
    let callbacks = unsafe { Callbacks::of(user_data) };
    guard(0, || callbacks.choice.as_ref().unwrap()(count))
}

pub(crate) unsafe extern "C" fn listener(user_data: *mut c_void, event: *const sys::ct_event) {
    // SAFETY: see above.
    let (callbacks, event) = unsafe { (Callbacks::of(user_data), ByteEvent::from_raw(&*event)) };
    guard((), || callbacks.listener.as_ref().unwrap()(&event))
}

pub(crate) unsafe extern "C" fn drop(user_data: *mut c_void, value: *const c_void, size: usize) {
    // SAFETY: see above.
    let (callbacks, value) = unsafe { (Callbacks::of(user_data), bytes(value, size)) };
    guard((), || callbacks.drop.as_ref().unwrap()(value))
}

pub(crate) unsafe extern "C" fn alloc(
    user_data: *mut c_void,
    size: usize,
    align: usize,
) -> *mut c_void {
    // SAFETY: see above.
    let callbacks = unsafe { Callbacks::of(user_data) };
    guard(ptr::null_mut(), || {
        match Layout::from_size_align(size, align) {
            // SAFETY: the layout is not empty.
            Ok(layout) if size != 0 => unsafe {
                callbacks.allocator.as_ref().unwrap().alloc(layout).cast()
            },
            _ => ptr::null_mut(),
        }
    })
}

pub(crate) unsafe extern "C" fn free(
    user_data: *mut c_void,
    block: *mut c_void,
    size: usize,
    align: usize,
) {
    // SAFETY: see above.
    let callbacks = unsafe { Callbacks::of(user_data) };
    // SAFETY: the library gives back what alloc gave, with the same size and alignment.
    guard((), || unsafe {
        let layout = Layout::from_size_align_unchecked(size, align);
        let allocator = callbacks.allocator.as_ref().unwrap();
        allocator.dealloc(block.cast(), layout);
    })
}

/// A callback's own status, by which it says that it failed. Its error or panic is kept on this side.
pub(crate) const FAILED: sys::ct_status = -1000;
