// SPDX-License-Identifier: MIT
//! The declarations of libcachetools-redis' C header, `cachetools-redis.h`, by their names in C. The
//! header says what each function does, costs and promises, and which arguments are allowed; what
//! stands here is a reminder. The crate `cachetools-redis` has a safe API.
//!
//! `build.rs` finds the library by pkg-config, and links it.
#![deny(missing_docs)]
#![allow(non_camel_case_types)]

use std::ffi::c_void;
use std::marker::{PhantomData, PhantomPinned};
use std::os::raw::c_char;

use cachetools_sys::{ct_bytes, ct_cache, ct_loader_fn, ct_status, ct_value};

/// There is no thread. The connection is served by `ct_redis_step`, and by calls that wait.
pub const CT_REDIS_NO_THREAD: u32 = 1;
/// Values on the server are bare bytes, without a trailer. There are no leases.
pub const CT_REDIS_RAW: u32 = 2;

/// Connected, and told of changes from now on.
pub const CT_REDIS_ONLINE: i32 = 0;
/// The connection was lost, refused or given up; text says why.
pub const CT_REDIS_OFFLINE: i32 = 1;
/// More keys were written while offline than are remembered.
pub const CT_REDIS_OVERFLOW: i32 = 2;
/// This key's value on the server was not written by this library.
pub const CT_REDIS_UNKNOWN_TRAILER: i32 = 3;

/// A tier: a connection to a server, and the near cache in front of it. Opaque.
#[repr(C)]
pub struct ct_redis {
    _data: [u8; 0],
    _marker: PhantomData<(*mut u8, PhantomPinned)>,
}

/// An event. The library writes it. It may grow, so read it through the pointer.
#[repr(C)]
pub struct ct_redis_event {
    /// A `ct_redis_event_kind`.
    pub kind: i32,
    /// 0.
    pub reserved: u32,
    /// Borrowed for the call, without the prefix; empty if no key is concerned.
    pub key: ct_bytes,
    /// Borrowed for the call: what the server or the system said; may be empty.
    pub text: ct_bytes,
}

/// Is told of events, with no lock held, mostly on the tier's own thread.
pub type ct_redis_listener_fn = Option<unsafe extern "C" fn(*mut c_void, *const ct_redis_event)>;

/// How to open a tier. Zero is the default everywhere; url and near are needed. Times are
/// nanoseconds.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ct_redis_options {
    /// sizeof(ct_redis_options).
    pub struct_size: usize,
    /// `CT_REDIS_...`.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// `redis://user:password@host:port/db`, `rediss://` for TLS, or `unix:///path?db=0`.
    pub url: *const c_char,
    /// In front of the server; outlives the tier.
    pub near: *mut ct_cache,
    /// Of every key on the server.
    pub prefix: *const c_void,
    /// In bytes, below 65536.
    pub prefix_size: usize,
    /// Lifetime on the server; 0 or `CT_NEVER`: none.
    pub ttl: u64,
    /// Longest lifetime in near; 0: the ttl of near, if it has one.
    pub near_ttl: u64,
    /// Lifetime in near of what is loaded while the server cannot be reached; 0: max_stale.
    pub offline_ttl: u64,
    /// The bound on staleness, at least 50 ms; 0: 1 s.
    pub max_stale: u64,
    /// How long a call waits for the server, or for the lease of another; 0: 5 s.
    pub timeout: u64,
    /// How long others wait for a process that died while it loaded; 0: 10 s.
    pub lease: u64,
    /// Bytes of a value that goes to the server; 0: 16 MiB.
    pub max_value: u64,
    /// Bytes that may wait to be sent; 0: 64 MiB.
    pub max_pending: u64,
    /// Handed to listener.
    pub user_data: *mut c_void,
    /// NULL: none.
    pub listener: ct_redis_listener_fn,
}

/// What has happened.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ct_redis_counters {
    /// sizeof(ct_redis_counters), set by the caller.
    pub struct_size: usize,
    /// Values, or that there is none, found on the server.
    pub server_hits: u64,
    /// Keys absent on the server, or leased by another.
    pub server_misses: u64,
    /// Calls of loaders.
    pub loads: u64,
    /// Of these, whose answers were stored on the server.
    pub fills: u64,
    /// Of these, whose answers were not, because the key was written.
    pub fills_refused: u64,
    /// Of these, without a lease, while online.
    pub unkept_loads: u64,
    /// Of these, while the server could not be reached.
    pub offline_loads: u64,
    /// Times that a call waited for the lease of another process.
    pub lease_waits: u64,
    /// Sets and deletes that were acknowledged.
    pub writes: u64,
    /// Keys that the server said were written by others.
    pub invalidations: u64,
    /// Times that it said so of all keys.
    pub flushes: u64,
    /// Times that the tier went online.
    pub connects: u64,
    /// Times that it went offline.
    pub disconnects: u64,
    /// Calls that waited for the server for too long.
    pub timeouts: u64,
    /// Values that were not written by this library.
    pub unknown_trailers: u64,
    /// Keys written while offline that could not be remembered.
    pub overflows: u64,
    /// Keys written while offline that are still to be deleted: now.
    pub remembered: u64,
    /// Bytes that wait to be sent: now.
    pub pending_bytes: u64,
    /// 1 while online, else 0: now.
    pub online: u64,
    /// Near shows all writes acknowledged until that long ago; `CT_NEVER` while offline.
    pub proof_age_ns: u64,
}

extern "C" {
    /// Sets options to their defaults.
    pub fn ct_redis_options_init(options: *mut ct_redis_options, struct_size: usize);
    /// Says what is wrong with options, or returns NULL.
    pub fn ct_redis_problem(options: *const ct_redis_options) -> *const c_char;
    /// Opens a tier, and clears the near cache. Does not wait for the server.
    pub fn ct_redis_open(options: *const ct_redis_options, out: *mut *mut ct_redis) -> ct_status;
    /// Closes a tier, and clears the near cache. Exclusive; never from a callback.
    pub fn ct_redis_close(tier: *mut ct_redis);
    /// Waits until the server is there.
    pub fn ct_redis_wait(tier: *mut ct_redis, wait_ns: u64) -> ct_status;
    /// Waits until near shows all that was written on the server, and acknowledged, before this
    /// call.
    pub fn ct_redis_sync(tier: *mut ct_redis) -> ct_status;
    /// Looks a key up in the near cache, then on the server.
    pub fn ct_redis_get(
        tier: *mut ct_redis,
        key: *const c_void,
        key_size: usize,
        out: *mut ct_value,
    ) -> ct_status;
    /// Does the same as `ct_redis_get`, and copies the value.
    pub fn ct_redis_get_copy(
        tier: *mut ct_redis,
        key: *const c_void,
        key_size: usize,
        buffer: *mut c_void,
        capacity: usize,
        size: *mut usize,
    ) -> ct_status;
    /// Does the same as `ct_redis_get` for many keys, with one round trip for all that are not near.
    pub fn ct_redis_get_many(
        tier: *mut ct_redis,
        keys: *const ct_bytes,
        count: usize,
        values: *mut ct_value,
        statuses: *mut ct_status,
    ) -> ct_status;
    /// Looks a key up in the near cache, then on the server, and loads it if it is absent.
    pub fn ct_redis_get_or_load(
        tier: *mut ct_redis,
        key: *const c_void,
        key_size: usize,
        ttl: u64,
        load: ct_loader_fn,
        user_data: *mut c_void,
        out: *mut ct_value,
    ) -> ct_status;
    /// Returns whether near can be relied on at present, so that a read of what is near asks nobody.
    pub fn ct_redis_is_fresh(tier: *const ct_redis) -> bool;
    /// Stores a value on the server and near. All processes drop theirs.
    pub fn ct_redis_set(
        tier: *mut ct_redis,
        key: *const c_void,
        key_size: usize,
        value: *const c_void,
        value_size: usize,
        ttl: u64,
    ) -> ct_status;
    /// Deletes a key on the server and near. All processes drop theirs.
    pub fn ct_redis_delete(tier: *mut ct_redis, key: *const c_void, key_size: usize) -> ct_status;
    /// Returns a file descriptor that is readable whenever `ct_redis_step` has something to do, or
    /// -1.
    pub fn ct_redis_fd(tier: *const ct_redis) -> i32;
    /// Does what the tier's thread would do now.
    pub fn ct_redis_step(tier: *mut ct_redis) -> ct_status;
    /// Sets counters to what `ct_redis_stats` fills in.
    pub fn ct_redis_counters_init(counters: *mut ct_redis_counters, struct_size: usize);
    /// Reads the counters.
    pub fn ct_redis_stats(tier: *mut ct_redis, out: *mut ct_redis_counters) -> ct_status;
}
