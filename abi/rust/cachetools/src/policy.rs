// SPDX-License-Identifier: MIT
//! Eviction policies: those of the library by their names, and policies of one's own.
use std::ffi::{c_void, CString};
use std::mem::size_of;
use std::ptr;
use std::str::FromStr;

use cachetools_sys as sys;

use crate::callbacks::Callbacks;
use crate::error::{text, Error, Result};
use crate::panics::guard;
use crate::value::bytes;

/// Which entry leaves when room is needed. Expired entries leave before live ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum Policy {
    /// The least recently used.
    Lru = sys::CT_POLICY_LRU,
    /// The first stored; an update counts as storing.
    Fifo = sys::CT_POLICY_FIFO,
    /// The least often used; of several, the first to have reached its count.
    Lfu = sys::CT_POLICY_LFU,
    /// A random one.
    Rr = sys::CT_POLICY_RR,
    /// The least recently used; requires a ttl.
    Ttl = sys::CT_POLICY_TTL,
    /// The least recently used; requires a time to use.
    Tlru = sys::CT_POLICY_TLRU,
    /// The first inserted; an update does not move an entry.
    Any = sys::CT_POLICY_ANY,
    /// The most recently used.
    Mru = sys::CT_POLICY_MRU,
    /// CLOCK: the oldest entry not used since the hand last passed it.
    Clock = sys::CT_POLICY_CLOCK,
    /// SIEVE: as CLOCK, but new entries come before spared ones.
    Sieve = sys::CT_POLICY_SIEVE,
    /// S3-FIFO: new entries not used twice within a tenth of the room.
    S3Fifo = sys::CT_POLICY_S3FIFO,
    /// W-TinyLFU: by frequency, with a window by recency that adapts.
    WTinyLfu = sys::CT_POLICY_WTINYLFU,
    /// ARC: learns to weigh recent against repeated use.
    Arc = sys::CT_POLICY_ARC,
    /// Learns when entries come back, and keeps those worth their room.
    Adaptive = sys::CT_POLICY_ADAPTIVE,
    /// One of your own: see [`EvictionPolicy`].
    Custom = sys::CT_POLICY_CUSTOM,
}

impl Policy {
    const ALL: [Policy; 15] = [
        Policy::Lru,
        Policy::Fifo,
        Policy::Lfu,
        Policy::Rr,
        Policy::Ttl,
        Policy::Tlru,
        Policy::Any,
        Policy::Mru,
        Policy::Clock,
        Policy::Sieve,
        Policy::S3Fifo,
        Policy::WTinyLfu,
        Policy::Arc,
        Policy::Adaptive,
        Policy::Custom,
    ];

    /// Its name: "LRU".
    pub fn name(self) -> &'static str {
        // SAFETY: takes any number, and returns a static string or null.
        unsafe { text(sys::ct_policy_name(self as sys::ct_policy)) }.unwrap_or("")
    }

    pub(crate) fn from_raw(policy: sys::ct_policy) -> Result<Policy> {
        let found = Policy::ALL.iter().find(|it| **it as i32 == policy);
        found.copied().ok_or(Error::Unsupported)
    }
}

/// Finds a policy by its name, in any case.
impl FromStr for Policy {
    type Err = Error;

    fn from_str(name: &str) -> Result<Policy> {
        let unknown = Error::invalid("policy: there is none of this name.");
        let name = CString::new(name).map_err(|_| unknown)?;
        let mut policy = 0;
        // SAFETY: name is zero-terminated, policy writable.
        match unsafe { sys::ct_policy_from_name(name.as_ptr(), &mut policy) } {
            sys::CT_OK => Policy::from_raw(policy),
            _ => Err(unknown),
        }
    }
}

/// An eviction policy of your own, for [`Policy::Custom`]: one object for each shard.
///
/// Entries have small numbers, each used again only after [`remove`](EvictionPolicy::remove). All
/// methods run inside the critical section of their shard: a method that uses a cache may wait for
/// itself, for ever. Times are readings of the cache's timer, in nanoseconds.
pub trait EvictionPolicy: Send {
    /// There is a new entry.
    fn insert(&mut self, id: u32, weight: u64, key: &[u8], now: u64);
    /// There is another value under the same key.
    fn update(&mut self, _id: u32, _weight: u64, _key: &[u8], _now: u64) {}
    /// An entry is used.
    fn hit(&mut self, _id: u32, _now: u64) {}
    /// An entry has left, for whatever reason.
    fn remove(&mut self, id: u32);
    /// There is another limit, of the whole cache.
    fn resize(&mut self, _maxsize: u64) {}
    /// Returns the entry that leaves next, and removes nothing. Called only if there is an entry. A
    /// number that is no entry's fails the call, with [`Error::Callback`].
    fn victim(&mut self) -> u32;
    /// The same value has another weight now.
    fn reweigh(&mut self, _id: u32, _weight: u64) {}
}

/// Makes the policy of a shard from the limit of the whole cache.
pub(crate) type PolicyMaker = dyn Fn(u64) -> Box<dyn EvictionPolicy> + Send + Sync;

/// What the library calls.
pub(crate) const OPS: sys::ct_policy_ops = sys::ct_policy_ops {
    struct_size: size_of::<sys::ct_policy_ops>(),
    state_new: Some(state_new),
    state_free: Some(state_free),
    on_insert: Some(on_insert),
    on_update: Some(on_update),
    on_hit: Some(on_hit),
    on_remove: Some(on_remove),
    on_clear: None,
    on_resize: Some(on_resize),
    victim: Some(victim),
    on_reweigh: Some(on_reweigh),
};

/// A shard's state: a thin pointer to it is what the library keeps.
type State = Box<dyn EvictionPolicy>;

/// # Safety
///
/// `state` is of `state_new`, and the library holds the lock of its shard, so that no other
/// reference to it is alive.
unsafe fn policy<'a>(state: *mut c_void) -> &'a mut State {
    // SAFETY: the caller's promise.
    unsafe { &mut *state.cast() }
}

unsafe extern "C" fn state_new(user_data: *mut c_void, maxsize: u64) -> *mut c_void {
    guard(ptr::null_mut(), || {
        // SAFETY: user_data is the cache's.
        let callbacks = unsafe { Callbacks::of(user_data) };
        let state: State = callbacks.policy.as_ref().unwrap()(maxsize);
        Box::into_raw(Box::new(state)).cast()
    })
}

unsafe extern "C" fn state_free(state: *mut c_void) {
    // SAFETY: of state_new, and freed once.
    guard((), || drop(unsafe { Box::from_raw(state.cast::<State>()) }))
}

unsafe extern "C" fn on_insert(
    state: *mut c_void,
    id: u32,
    weight: u64,
    key: *const c_void,
    key_size: usize,
    now: u64,
) {
    // SAFETY: the library lends state and key for this call.
    let (policy, key) = unsafe { (policy(state), bytes(key, key_size)) };
    guard((), || policy.insert(id, weight, key, now))
}

unsafe extern "C" fn on_update(
    state: *mut c_void,
    id: u32,
    weight: u64,
    key: *const c_void,
    key_size: usize,
    now: u64,
) {
    // SAFETY: as in on_insert.
    let (policy, key) = unsafe { (policy(state), bytes(key, key_size)) };
    guard((), || policy.update(id, weight, key, now))
}

unsafe extern "C" fn on_hit(state: *mut c_void, id: u32, now: u64) {
    // SAFETY: the library lends state for this call.
    let policy = unsafe { policy(state) };
    guard((), || policy.hit(id, now))
}

unsafe extern "C" fn on_remove(state: *mut c_void, id: u32) {
    // SAFETY: as in on_hit.
    let policy = unsafe { policy(state) };
    guard((), || policy.remove(id))
}

unsafe extern "C" fn on_resize(state: *mut c_void, maxsize: u64) {
    // SAFETY: as in on_hit.
    let policy = unsafe { policy(state) };
    guard((), || policy.resize(maxsize))
}

unsafe extern "C" fn victim(state: *mut c_void) -> u32 {
    // SAFETY: as in on_hit.
    let policy = unsafe { policy(state) };
    guard(u32::MAX, || policy.victim()) // no entry has this number: CT_ERR_CALLBACK
}

unsafe extern "C" fn on_reweigh(state: *mut c_void, id: u32, weight: u64) {
    // SAFETY: as in on_hit.
    let policy = unsafe { policy(state) };
    guard((), || policy.reweigh(id, weight))
}
