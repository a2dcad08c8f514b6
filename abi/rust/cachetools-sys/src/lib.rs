// SPDX-License-Identifier: MIT
//! The declarations of libcachetools' C header, `cachetools.h`, by their names in C. The header says
//! what each function does, costs and promises, and which arguments are allowed; what stands here is
//! a reminder. The crate `cachetools` has a safe API.
//!
//! `build.rs` finds the library by pkg-config, and links it.
#![deny(missing_docs)]
#![allow(non_camel_case_types)]

use std::ffi::c_void;
use std::marker::{PhantomData, PhantomPinned};
use std::os::raw::c_char;

/// An int32_t, because callbacks add statuses of their own.
pub type ct_status = i32;
/// A callback answered what it may not; see Callbacks.
pub const CT_ERR_CALLBACK: ct_status = -10;
/// This cache or this system cannot do that.
pub const CT_ERR_UNSUPPORTED: ct_status = -9;
/// The library has a fault, or its binding to another language.
pub const CT_ERR_INTERNAL: ct_status = -8;
/// Reading or writing failed.
pub const CT_ERR_IO: ct_status = -7;
/// The input is truncated or altered.
pub const CT_ERR_CORRUPT: ct_status = -6;
/// The call would wait for itself.
pub const CT_ERR_RECURSION: ct_status = -5;
/// The buffer is too small; the call returns the size needed.
pub const CT_ERR_BUFFER: ct_status = -4;
/// The entry weighs more than maxsize, or a size is 2^32 or more.
pub const CT_ERR_TOO_LARGE: ct_status = -3;
/// The allocator has no memory left.
pub const CT_ERR_NOMEM: ct_status = -2;
/// An argument is not allowed.
pub const CT_ERR_INVALID: ct_status = -1;
/// Done.
pub const CT_OK: ct_status = 0;
/// There is no such entry: it is absent or expired.
pub const CT_MISS: ct_status = 1;
/// There is such an entry already.
pub const CT_EXISTS: ct_status = 2;
/// The value was not kept.
pub const CT_NOT_STORED: ct_status = 3;
/// The caller must now load this key.
pub const CT_LEASED: ct_status = 4;
/// Another caller is loading this key, or others keep changing it.
pub const CT_BUSY: ct_status = 5;
/// Nothing more follows.
pub const CT_END: ct_status = 6;
/// Here is a value past its lifetime: no newer one could be loaded yet.
pub const CT_STALE: ct_status = 7;
/// Here is a value, and the caller must now load a newer one.
pub const CT_RENEW: ct_status = 8;
/// The answer comes later, by a callback.
pub const CT_PENDING: ct_status = 9;

/// Which entry leaves when room is needed. Expired entries, of all shards, leave before live ones.
/// Each shard keeps its own order, so the order is exact with one shard. With several threads, uses
/// close in time may be reordered or lost; with one thread none are. See Options for more.
pub type ct_policy = i32;
/// Least recently used.
pub const CT_POLICY_LRU: ct_policy = 0;
/// First stored; an update counts as storing.
pub const CT_POLICY_FIFO: ct_policy = 1;
/// Least often used; of several, the first to have reached its count.
pub const CT_POLICY_LFU: ct_policy = 2;
/// Random.
pub const CT_POLICY_RR: ct_policy = 3;
/// Least recently used; requires a ttl.
pub const CT_POLICY_TTL: ct_policy = 4;
/// Least recently used; requires a ttu callback.
pub const CT_POLICY_TLRU: ct_policy = 5;
/// First inserted; an update does not move an entry.
pub const CT_POLICY_ANY: ct_policy = 6;
/// Most recently used.
pub const CT_POLICY_MRU: ct_policy = 7;
/// CLOCK: oldest entry not used since the hand last passed it.
pub const CT_POLICY_CLOCK: ct_policy = 8;
/// SIEVE: as CLOCK, but new entries come before spared ones.
pub const CT_POLICY_SIEVE: ct_policy = 9;
/// S3-FIFO: new entries not used twice within a tenth of the room.
pub const CT_POLICY_S3FIFO: ct_policy = 10;
/// W-TinyLFU: by frequency, with a window by recency that adapts.
pub const CT_POLICY_WTINYLFU: ct_policy = 11;
/// ARC: learns to weigh recent against repeated use.
pub const CT_POLICY_ARC: ct_policy = 12;
/// Learns when entries come back, and keeps those worth their room.
pub const CT_POLICY_ADAPTIVE: ct_policy = 13;
/// Yours: see `ct_policy_ops`.
pub const CT_POLICY_CUSTOM: ct_policy = 63;

/// 1 each: maxsize is a number of entries.
pub const CT_WEIGHT_COUNT: i32 = 0;
/// The bytes of its value; 0 if that is empty.
pub const CT_WEIGHT_VALUE: i32 = 1;
/// The bytes that it takes: key, value, header, and its share of the index, of what the policy
/// remembers and of the free room between entries.
pub const CT_WEIGHT_MEMORY: i32 = 2;

/// Room was needed, or `ct_popitem` took it.
pub const CT_CAUSE_EVICTED: i32 = 0;
/// Its deadline had passed, whichever call removed it.
pub const CT_CAUSE_EXPIRED: i32 = 1;
/// Another value was stored under its key.
pub const CT_CAUSE_REPLACED: i32 = 2;
/// Deleted, popped or matched, or replaced by a value dead on arrival.
pub const CT_CAUSE_REMOVED: i32 = 3;
/// `ct_clear`.
pub const CT_CAUSE_CLEARED: i32 = 4;

/// No particular order; needs no memory for it.
pub const CT_ORDER_ANY: i32 = 0;
/// The order in which `ct_popitem` would take the entries if nothing were used meanwhile, one shard
/// after the other; with S3FIFO and WTINYLFU nearly so, queue by queue.
pub const CT_ORDER_COLDEST: i32 = 1;
/// The reverse of `CT_ORDER_COLDEST`.
pub const CT_ORDER_HOTTEST: i32 = 2;

/// In time or weight: no end, no limit.
pub const CT_NEVER: u64 = u64::MAX;
/// As maxsize: no limit.
pub const CT_UNBOUNDED: u64 = u64::MAX;
/// For `ct_expire`: the timer's reading.
pub const CT_NOW: u64 = u64::MAX;

/// Only one thread at a time uses this cache and its values: it takes no locks.
pub const CT_FLAG_SINGLE_THREADED: u32 = 1;
/// Nothing is counted: `ct_cache_stats` returns zeros, but for pinned.
pub const CT_FLAG_NO_STATS: u32 = 2;
/// The default timer reads the exact clock (22 to 26 ns a reading) instead of the coarse one (3 to
/// 6 ns a reading), with which lifetimes end some milliseconds late: see Time and lifetimes.
pub const CT_FLAG_PRECISE_CLOCK: u32 = 4;
/// `maxsize` may be 0, which without this flag is taken for forgotten: `CT_ERR_INVALID`. With another
/// maxsize, this flag does nothing.
pub const CT_FLAG_KEEP_NOTHING: u32 = 8;
/// drop is also called for a value that a load has brought and that is not kept, once its last pin is
/// gone: nobody else can know when all who waited for it have released it. So a value is the
/// library's as soon as `ct_lease_fulfil` has returned `CT_OK` or `CT_NOT_STORED`, or a call that loads
/// has handed it out. Other calls hand back what they do not store, and without drop, this flag does
/// nothing.
pub const CT_FLAG_DROP_LOADED: u32 = 16;
/// What a load has brought costs the time that the load took.
pub const CT_FLAG_COST_BY_TIME: u32 = 32;
/// The cache keeps its miss-ratio curve: see `ct_cache_curve`. Neither with `CT_FLAG_NO_STATS` nor
/// with CUSTOM.
pub const CT_FLAG_CURVE: u32 = 64;

/// `ct_entry_options.ttl` applies, from now on. Not together with `CT_ENTRY_DEADLINE`.
pub const CT_ENTRY_TTL: u32 = 1;
/// `ct_entry_options.deadline` applies.
pub const CT_ENTRY_DEADLINE: u32 = 2;
/// `ct_entry_options.weight` applies, and no weigher is called. `CT_ERR_INVALID` if the cache
/// weighs by `CT_WEIGHT_MEMORY`.
pub const CT_ENTRY_WEIGHT: u32 = 4;
/// Store only if the key is absent or expired: else `CT_EXISTS`.
pub const CT_ENTRY_IF_ABSENT: u32 = 8;
/// Store only if the key is there: else `CT_MISS`. Of this, `CT_ENTRY_IF_ABSENT` and
/// `CT_ENTRY_IF_SAME` at most one.
pub const CT_ENTRY_IF_PRESENT: u32 = 16;
/// Store only if the key still has the very value `ct_entry_options.same`: `CT_MISS` if it has
/// none, `CT_EXISTS` if it has another. Not in `ct_set_many`.
pub const CT_ENTRY_IF_SAME: u32 = 32;
/// The value that is replaced hands its deadline on, or its being without one.
pub const CT_ENTRY_KEEP_TTL: u32 = 64;
/// `ct_entry_options.tags` apply: see Tags.
pub const CT_ENTRY_TAGS: u32 = 128;
/// `ct_entry_options.cost` applies: ADAPTIVE keeps what costs much for its weight.
pub const CT_ENTRY_COST: u32 = 256;

/// Load, even if there is a value; or join a load that runs. If it fails, the call fails, and the
/// old value stays.
pub const CT_LOAD_FORCE: u32 = 1;

/// Arguments of different types differ: 1, 1.0 and true are three keys. This does not apply to the
/// types of values within a tuple.
pub const CT_KEY_TYPED: u32 = 1;
/// Keys carry the types of their arguments: `CT_KEY_TYPED`.
pub const CT_MEMO_TYPED: u32 = 1;
/// Threads that ask for the same result at once all call the function, and all get the result that
/// was stored first. Without this flag, one calls and the others wait.
pub const CT_MEMO_RACE: u32 = 2;
/// There is no cache: calls are passed through.
pub const CT_INFO_NO_CACHE: u32 = 1;

/// For `ct_snapshot_load_with`: lifetimes have gone on since the save. The time that has passed, in
/// nanoseconds, is taken off what was left of each lifetime, and entries that are over by that are
/// not loaded. In a cache with tti, time to idle is such a lifetime.
pub const CT_SNAPSHOT_AGED: u32 = 1;

/// The version of the header that this crate repeats, before the first dot.
pub const CT_VERSION_MAJOR: u32 = 0;
/// The same, between the dots.
pub const CT_VERSION_MINOR: u32 = 1;
/// The same, after the last dot.
pub const CT_VERSION_PATCH: u32 = 0;

// Opaque types, which Rust neither makes nor moves, and which are not Send or Sync by themselves.
macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[repr(C)]
        pub struct $name {
            _data: [u8; 0],
            _marker: PhantomData<(*mut u8, PhantomPinned)>,
        }
    )*};
}
opaque! {
    /// A cache: entries, each a key and its value, up to a limit. Opaque.
    ct_cache
    /// A walk over a cache's entries. Opaque.
    ct_iter
    /// What a callback hands back. Opaque; lives as long as the callback runs.
    ct_result
    /// The right and the duty to load a key. Opaque.
    ct_lease
    /// A call that waits for a load without a thread. Opaque.
    ct_wait
    /// A builder of keys from typed arguments. Opaque.
    ct_key
    /// A function that remembers its results. Opaque.
    ct_memo
}

/// Borrowed bytes. This struct never changes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ct_bytes {
    /// `size` bytes.
    pub data: *const c_void,
    /// In bytes.
    pub size: usize,
}

impl ct_bytes {
    /// Holds nothing.
    pub const EMPTY: ct_bytes = ct_bytes {
        data: std::ptr::null(),
        size: 0,
    };
    /// Borrows a slice, whose lifetime is then the caller's to watch.
    pub fn of(slice: &[u8]) -> ct_bytes {
        ct_bytes {
            data: slice.as_ptr().cast(),
            size: slice.len(),
        }
    }
}

/// A value read out. It is pinned: valid and unchanged until `ct_value_release`, whatever happens
/// to its entry (eviction, replacement, `ct_clear`) or to the cache (`ct_cache_free`). Do not copy
/// it by assignment; `ct_value_ref` takes another pin. This struct never changes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ct_value {
    /// `size` bytes, aligned to 8; NULL if nothing is held.
    pub data: *const c_void,
    /// In bytes.
    pub size: usize,
    /// The library's; 0 if nothing is held.
    pub pin: u64,
}

impl ct_value {
    /// Holds nothing.
    pub const EMPTY: ct_value = ct_value {
        data: std::ptr::null(),
        size: 0,
        pin: 0,
    };
}

/// An entry that left. The library writes it. It may grow, so read it through the pointer.
#[repr(C)]
pub struct ct_event {
    /// Borrowed for the call.
    pub key: ct_bytes,
    /// Borrowed for the call.
    pub value: ct_bytes,
    /// The weight that counted against maxsize.
    pub weight: u64,
    /// A `ct_cause`.
    pub cause: i32,
    /// 0.
    pub reserved: u32,
}

/// Returns the time, in ticks of any unit. Runs inside the critical section.
pub type ct_timer_fn = Option<unsafe extern "C" fn(*mut c_void) -> u64>;
/// Time to use: returns until when an entry that is about to be stored may be used.
pub type ct_ttu_fn = Option<
    unsafe extern "C" fn(*mut c_void, *const c_void, usize, *const c_void, usize, u64) -> u64,
>;
/// Weighs an entry that is about to be stored, in the unit of maxsize. 0 is allowed: the entry then
/// needs no room. It is evicted in its turn all the same, though that makes no room.
pub type ct_weigher_fn =
    Option<unsafe extern "C" fn(*mut c_void, *const c_void, usize, *const c_void, usize) -> u64>;
/// Chooses a victim for `CT_POLICY_RR`: an index, taken modulo count. Runs inside the critical
/// section. Entries are numbered in order of insertion; when one leaves, the last one takes its
/// number.
pub type ct_choice_fn = Option<unsafe extern "C" fn(*mut c_void, u64) -> u64>;
/// Is told of every entry that leaves, exactly once.
pub type ct_listener_fn = Option<unsafe extern "C" fn(*mut c_void, *const ct_event)>;
/// Is called once for each stored copy of a value, after the value has left the cache and its last
/// pin is gone, also by and after `ct_cache_free`. Not called for a value that was handed back
/// instead of being stored. For values that hold pointers.
pub type ct_drop_fn = Option<unsafe extern "C" fn(*mut c_void, *const c_void, usize)>;
/// Returns whether an entry matches.
pub type ct_match_fn =
    Option<unsafe extern "C" fn(*mut c_void, *const c_void, usize, *const c_void, usize) -> bool>;
/// Is shown an entry.
pub type ct_visit_fn = Option<unsafe extern "C" fn(*mut c_void, *const ct_event)>;
/// Finds the value of a key that is absent. It may load other keys of the same cache.
pub type ct_loader_fn =
    Option<unsafe extern "C" fn(*mut c_void, *const c_void, usize, *mut ct_result) -> ct_status>;
/// Finds the values of many keys that are absent, as `ct_loader_fn` does for one.
pub type ct_load_many_fn = Option<
    unsafe extern "C" fn(*mut c_void, *const ct_bytes, usize, *const *mut ct_result) -> ct_status,
>;
/// Tells what has come of a call that returned `CT_PENDING`.
pub type ct_done_fn =
    Option<unsafe extern "C" fn(*mut c_void, ct_status, *const ct_value, *mut ct_lease)>;
/// Makes a new value out of the old one. May run more than once in one call, so it must have no
/// side effects.
pub type ct_compute_fn = Option<
    unsafe extern "C" fn(
        *mut c_void,
        *const c_void,
        usize,
        *const ct_bytes,
        *mut ct_result,
    ) -> ct_status,
>;
/// Takes the next size bytes of a snapshot; size is never 0.
pub type ct_write_fn = Option<unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> ct_status>;
/// Brings the next bytes of a snapshot: up to capacity of them, which is never 0.
pub type ct_read_fn =
    Option<unsafe extern "C" fn(*mut c_void, *mut c_void, usize, *mut usize) -> ct_status>;
/// The function: finds the result for args, as a loader does. self is the object that it was called
/// on, or NULL.
pub type ct_memo_fn = Option<
    unsafe extern "C" fn(*mut c_void, *mut c_void, *const c_void, *mut ct_result) -> ct_status,
>;
/// Adds the arguments to a key. With any result but `CT_OK` the call fails, as with `ct_loader_fn`,
/// and the function is not called.
pub type ct_memo_key_fn =
    Option<unsafe extern "C" fn(*mut c_void, *mut c_void, *const c_void, *mut ct_key) -> ct_status>;
/// Returns the cache of an object. With NULL the call fails with `CT_ERR_CALLBACK`.
pub type ct_memo_cache_fn = Option<unsafe extern "C" fn(*mut c_void, *mut c_void) -> *mut ct_cache>;

/// Where memory comes from: see Allocators of your own.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ct_allocator {
    /// Sizeof(`ct_allocator`).
    pub struct_size: usize,
    /// NULL: none left.
    pub alloc: Option<unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void>,
    /// Ptr is never NULL.
    pub free: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, usize, usize)>,
    /// Handed to both.
    pub ctx: *mut c_void,
}

/// An eviction policy of your own: see Policies of your own.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ct_policy_ops {
    /// Sizeof(`ct_policy_ops`).
    pub struct_size: usize,
    /// Makes the state of a shard; null means `CT_ERR_NOMEM`. Optional: without it the state is
    /// user_data.
    pub state_new: Option<unsafe extern "C" fn(*mut c_void, u64) -> *mut c_void>,
    /// Optional.
    pub state_free: Option<unsafe extern "C" fn(*mut c_void)>,
    /// There is a new entry.
    pub on_insert: Option<unsafe extern "C" fn(*mut c_void, u32, u64, *const c_void, usize, u64)>,
    /// There is another value under the same key; optional.
    pub on_update: Option<unsafe extern "C" fn(*mut c_void, u32, u64, *const c_void, usize, u64)>,
    /// A use; optional.
    pub on_hit: Option<unsafe extern "C" fn(*mut c_void, u32, u64)>,
    /// After every single departure.
    pub on_remove: Option<unsafe extern "C" fn(*mut c_void, u32)>,
    /// All entries that are left go at once. Optional: without it, on_remove is called for each.
    pub on_clear: Option<unsafe extern "C" fn(*mut c_void)>,
    /// Optional.
    pub on_resize: Option<unsafe extern "C" fn(*mut c_void, u64)>,
    /// Chooses the entry that leaves next, and removes nothing.
    pub victim: Option<unsafe extern "C" fn(*mut c_void) -> u32>,
    /// The same value weighs something else. Optional: without it, on_update is called.
    pub on_reweigh: Option<unsafe extern "C" fn(*mut c_void, u32, u64)>,
}

/// How to make a cache. Zero is the default everywhere: LRU, each entry weighs 1, one shard. Always
/// set maxsize: 0 is refused without `CT_FLAG_KEEP_NOTHING`. Times are in ticks: options.ttl =
/// `CT_SECONDS(60)`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ct_options {
    /// Sizeof(`ct_options`).
    pub struct_size: usize,
    /// A `ct_policy`.
    pub policy: i32,
    /// A `ct_weight_kind`.
    pub weight_kind: i32,
    /// In units of weight; 0 keeps only what weighs 0; `CT_UNBOUNDED`.
    pub maxsize: u64,
    /// 0 is 1: exact order; else a power of two up to 4096.
    pub shards: u32,
    /// `CT_FLAG_...`.
    pub flags: u32,
    /// Time to live from a write on, in ticks; 0: none.
    pub ttl: u64,
    /// Time to idle from a use on, in ticks; 0: none.
    pub tti: u64,
    /// Of hashing and RR; 0: random from the system.
    pub seed: u64,
    /// Handed to the callbacks below.
    pub user_data: *mut c_void,
    /// NULL: the monotonic clock, in nanoseconds.
    pub timer: ct_timer_fn,
    /// NULL: ttl decides.
    pub ttu: ct_ttu_fn,
    /// NULL: weight_kind decides.
    pub weigher: ct_weigher_fn,
    /// Used by RR only; NULL: the library's own random numbers.
    pub choice: ct_choice_fn,
    /// NULL: none.
    pub listener: ct_listener_fn,
    /// NULL: none.
    pub drop: ct_drop_fn,
    /// Used by CUSTOM only, which requires it; copied.
    pub custom: *const ct_policy_ops,
    /// NULL: the system's; copied.
    pub allocator: *const ct_allocator,
    /// Below ttl: a value with less than this left is renewed, in ticks; 0: none.
    pub refresh_ahead: u64,
    /// Loading calls may get a value for this long past its deadline, in ticks; 0: not at all.
    pub stale: u64,
    /// How long nobody tries to renew a value after a failure, in ticks; 0: a tenth of ttl, or of
    /// refresh_ahead without one.
    pub retry: u64,
    /// For this long it is remembered that a load has found no value, in ticks; 0: not at all.
    pub negative_ttl: u64,
    /// Below ttl: up to this much, at random, is taken off the ttl, in ticks, so that what was
    /// stored at once does not expire at once.
    pub jitter: u64,
}

/// What is special about one entry. A field without its flag must be 0, else `CT_ERR_INVALID`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ct_entry_options {
    /// Sizeof(`ct_entry_options`).
    pub struct_size: usize,
    /// `CT_ENTRY_...`.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// In ticks from now; 0 is dead on arrival; `CT_NEVER`: none.
    pub ttl: u64,
    /// In ticks, absolute; `CT_NEVER`: none.
    pub deadline: u64,
    /// In units of maxsize.
    pub weight: u64,
    /// Borrowed for the call; not NULL with `CT_ENTRY_IF_SAME`.
    pub same: *const ct_value,
    /// Read during the call; NULL only if there are none.
    pub tags: *const ct_bytes,
    /// 8 at most; equal ones count once.
    pub tag_count: usize,
    /// Of bringing the value back, in any unit; 1 without the flag; not 0.
    pub cost: u64,
}

/// What is known of an entry.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ct_entry_info {
    /// Sizeof(`ct_entry_info`), set by the caller.
    pub struct_size: usize,
    /// In units of maxsize.
    pub weight: u64,
    /// In ticks, absolute; `CT_NEVER`: none.
    pub deadline: u64,
    /// In ticks from now, including what the coarse clock adds to a lifetime; `CT_NEVER`: no
    /// deadline.
    pub remaining: u64,
    /// How often stored or used, if the policy counts, else 0.
    pub frequency: u64,
    /// In bytes.
    pub key_size: u64,
    /// In bytes.
    pub value_size: u64,
}

/// How to memoize a function. At most one of cache, cache_of and own says where results are kept.
/// With none of them, every call is passed through and counted as a miss.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ct_memo_options {
    /// Sizeof(`ct_memo_options`).
    pub struct_size: usize,
    /// `CT_MEMO_...`.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Handed to the callbacks below.
    pub user_data: *mut c_void,
    /// Required.
    pub fn_: ct_memo_fn,
    /// Required.
    pub key: ct_memo_key_fn,
    /// A shared cache; it must outlive the memo.
    pub cache: *mut ct_cache,
    /// A cache for each self.
    pub cache_of: ct_memo_cache_fn,
    /// A cache of the memo's own, made and freed with it.
    pub own: *const ct_options,
    /// Keeps the keys of memos that share a cache apart; copied.
    pub prefix: *const c_void,
    /// In bytes.
    pub prefix_size: usize,
}

/// What a memo has seen.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ct_cache_info {
    /// Sizeof(`ct_cache_info`), set by the caller.
    pub struct_size: usize,
    /// Calls that did not call the function, waits included.
    pub hits: u64,
    /// Calls of the function, failed ones included.
    pub misses: u64,
    /// Of the cache.
    pub maxsize: u64,
    /// Of the cache, other memos' results included.
    pub currsize: u64,
    /// `CT_INFO_...`.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

/// What has happened, each event counted exactly once, and how many values are pinned now. If
/// pinned grows while nobody holds values, some are never released.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ct_stats {
    /// Sizeof(`ct_stats`), set by the caller.
    pub struct_size: usize,
    /// Keys read and found.
    pub hits: u64,
    /// Keys read, absent or expired.
    pub misses: u64,
    /// Entries stored under a key that was absent or expired.
    pub inserts: u64,
    /// Entries stored in place of a live one.
    pub updates: u64,
    /// Entries that left for want of room or by `ct_popitem`.
    pub evictions: u64,
    /// Their weights.
    pub evicted_weight: u64,
    /// Entries that left past their deadline.
    pub expirations: u64,
    /// Entries deleted, popped or cleared, or replaced by a dead one.
    pub removals: u64,
    /// Stores refused: too large, or dead on arrival.
    pub rejections: u64,
    /// Leases fulfilled, also by loaders.
    pub loads: u64,
    /// Leases given up, or loaders that brought no value.
    pub load_failures: u64,
    /// From lease to fulfilment, summed over loads; by the default timer in nanoseconds of the exact
    /// clock.
    pub load_ticks: u64,
    /// Values received from another caller's load; these are hits too.
    pub waits: u64,
    /// Pins that hold a value, or a key, right now: those that callers have not released, and those
    /// of open walks and of calls that run. Neither `CT_FLAG_NO_STATS` nor a reset matters to it.
    pub pinned: u64,
    /// Failures received from another caller's load; misses, too.
    pub shared_failures: u64,
    /// Values handed out past their deadline; hits, too.
    pub stale_served: u64,
    /// Loads begun while the old value was there; hits, not misses.
    pub renewals: u64,
    /// Of these, how many failed and left the old value.
    pub renewal_failures: u64,
    /// Loading calls that were told of a remembered miss; misses, too.
    pub negative_hits: u64,
    /// How many loads took at most 4^i microseconds and longer than those of the bucket before; the
    /// last bucket has all that took longer.
    pub load_buckets: [u64; 12],
}

/// How to load.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ct_load_options {
    /// Sizeof(`ct_load_options`).
    pub struct_size: usize,
    /// `CT_LOAD_...`.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// How long to wait for the load of another caller, in nanoseconds of real time; 0: as long as
    /// it takes. Does not end one's own loader.
    pub timeout_ns: u64,
    /// How long to wait for the renewal of a value past its deadline before that one serves, in
    /// nanoseconds of real time; 0: not at all.
    pub stale_after_ns: u64,
}

extern "C" {
    /// Returns the library's version: major * 1000000 + minor * 1000 + patch.
    pub fn ct_version() -> u32;
    /// Returns the library's version as a static string: "0.1.0".
    pub fn ct_version_string() -> *const c_char;
    /// Names a status: "`CT_ERR_NOMEM`".
    pub fn ct_status_name(status: ct_status) -> *const c_char;
    /// Says in one plain sentence what a status means.
    pub fn ct_status_message(status: ct_status) -> *const c_char;
    /// Names a policy: "LRU".
    pub fn ct_policy_name(policy: ct_policy) -> *const c_char;
    /// Finds a policy by its name, in any case: "lru", "LRU".
    pub fn ct_policy_from_name(name: *const c_char, out: *mut ct_policy) -> ct_status;

    /// Releases a value, and sets it to hold nothing, so that releasing it again is harmless. The
    /// last release of a value that has left its cache calls drop and frees its memory.
    pub fn ct_value_release(value: *mut ct_value);
    /// Takes a second, independent pin on a value.
    pub fn ct_value_ref(value: *const ct_value, out: *mut ct_value) -> ct_status;

    /// Says what is wrong with options.
    pub fn ct_options_problem(options: *const ct_options) -> *const c_char;
    /// Makes a cache from a policy and a limit, in O(1). `ct_cache_new_with` takes more options.
    pub fn ct_cache_new(policy: ct_policy, maxsize: u64) -> *mut ct_cache;
    /// Makes a cache.
    pub fn ct_cache_new_with(options: *const ct_options, out: *mut *mut ct_cache) -> ct_status;
    /// Makes a cache with the same options and entries. Callbacks and `user_data` serve both.
    pub fn ct_cache_copy(cache: *mut ct_cache, out: *mut *mut ct_cache) -> ct_status;
    /// Returns the options in force: with defaults filled in, the seed that was drawn, and the
    /// maxsize that `ct_resize` set. `CT_FLAG_KEEP_NOTHING` is set if and only if that is 0.
    pub fn ct_cache_options(cache: *const ct_cache, out: *mut ct_options) -> ct_status;
    /// Frees a cache. Pinned values stay readable; the last release frees what remains of the
    /// cache. drop is called for every other value. The listener is told nothing: call `ct_clear`
    /// first for that.
    pub fn ct_cache_free(cache: *mut ct_cache);

    /// Looks a key up. A hit is a use: it matters to the policy, renews the tti, and is counted.
    pub fn ct_get(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        out: *mut ct_value,
    ) -> ct_status;
    /// Looks a key up and copies the value. A hit is a use.
    pub fn ct_get_copy(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        buffer: *mut c_void,
        capacity: usize,
        size: *mut usize,
    ) -> ct_status;
    /// Looks a key up without a trace: this is no use, and nothing is counted. Otherwise as
    /// `ct_get`.
    pub fn ct_peek(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        out: *mut ct_value,
    ) -> ct_status;
    /// Returns whether a key is there and not expired. This is no use, and nothing is counted.
    pub fn ct_contains(cache: *mut ct_cache, key: *const c_void, key_size: usize) -> bool;
    /// Stores a value under a key, in place of the old value. Makes room first, see Writing.
    pub fn ct_set(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        value: *const c_void,
        value_size: usize,
    ) -> ct_status;
    /// Stores a value with a lifetime of its own, instead of the cache's ttl or ttu.
    pub fn ct_set_ttl(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        value: *const c_void,
        value_size: usize,
        ttl: u64,
    ) -> ct_status;
    /// Stores a value with a lifetime, a weight or a condition of its own.
    pub fn ct_set_with(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        value: *const c_void,
        value_size: usize,
        options: *const ct_entry_options,
    ) -> ct_status;
    /// Adds to a counter, as if at once: an entry whose value is 8 bytes, an `i64` in the machine's
    /// order. Of an absent key it stores initial + delta. Sums saturate.
    pub fn ct_add(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        delta: i64,
        initial: i64,
        options: *const ct_entry_options,
        out: *mut i64,
    ) -> ct_status;
    /// Reads a key, and stores the given value first if the key is absent.
    pub fn ct_setdefault(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        value: *const c_void,
        value_size: usize,
        out: *mut ct_value,
    ) -> ct_status;
    /// Removes an entry, with cause REMOVED, and hands its value over. Counts neither a hit nor a
    /// miss. Overtakes a running load of the key, whether there is an entry or not; so does
    /// `ct_delete`.
    pub fn ct_pop(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        out: *mut ct_value,
    ) -> ct_status;
    /// Removes an entry, with cause REMOVED. Overtakes a running load of the key (see Loading).
    pub fn ct_delete(cache: *mut ct_cache, key: *const c_void, key_size: usize) -> ct_status;
    /// Removes an entry, with cause REMOVED, if the key still has the very value `same`.
    pub fn ct_delete_if(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        same: *const ct_value,
    ) -> ct_status;
    /// Removes the policy's next victim, with cause EVICTED, never an expired entry. Shards take
    /// turns.
    pub fn ct_popitem(cache: *mut ct_cache, key: *mut ct_value, value: *mut ct_value) -> ct_status;
    /// Removes all entries, with cause CLEARED or EXPIRED: a few hundred at a time if each one must
    /// be told of. Counters stay as they are. Overtakes every running load.
    pub fn ct_clear(cache: *mut ct_cache) -> ct_status;
    /// Removes all entries that match, with cause REMOVED. An entry that is written after match saw
    /// it stays.
    pub fn ct_remove_if(cache: *mut ct_cache, matches: ct_match_fn, user_data: *mut c_void) -> u64;

    /// Invalidates all entries that carry a tag, at once, without touching them.
    pub fn ct_invalidate_tag(
        cache: *mut ct_cache,
        tag: *const c_void,
        tag_size: usize,
        flags: u32,
    ) -> ct_status;

    /// `ct_get` for many keys in one call.
    pub fn ct_get_many(
        cache: *mut ct_cache,
        keys: *const ct_bytes,
        count: usize,
        values: *mut ct_value,
        statuses: *mut ct_status,
    ) -> ct_status;
    /// `ct_get_copy` for many keys in one call, all flat: for languages that may not pass nested
    /// pointers.
    pub fn ct_get_many_copy(
        cache: *mut ct_cache,
        keys: *const c_void,
        key_ends: *const usize,
        count: usize,
        buffer: *mut c_void,
        capacity: usize,
        value_ends: *mut usize,
        statuses: *mut ct_status,
    ) -> ct_status;
    /// `ct_set_with` for many pairs in one call, in order.
    pub fn ct_set_many(
        cache: *mut ct_cache,
        data: *const c_void,
        ends: *const usize,
        count: usize,
        options: *const ct_entry_options,
        statuses: *mut ct_status,
    ) -> ct_status;

    /// Counts the entries, after removing expired ones as `ct_expire(cache, CT_NOW, ...)` does.
    pub fn ct_len(cache: *mut ct_cache) -> u64;
    /// Sums the weights, after removing expired entries as `ct_expire(cache, CT_NOW, ...)` does.
    pub fn ct_currsize(cache: *mut ct_cache) -> u64;
    /// Returns the limit, in units of weight.
    pub fn ct_maxsize(cache: *const ct_cache) -> u64;
    /// Returns the bytes of memory held in all: entries, values that left and are still pinned,
    /// index, what the policy remembers, free room. With an allocator of yours, these are the bytes
    /// that it gave. Otherwise they are the resident pages: pages that went back to the system do
    /// not count; pages that are locked (mlock) and cannot go back do. A cache then has at most 64
    /// mappings a gibibyte, and uses addresses again that the system refuses to unmap.
    pub fn ct_memory(cache: *const ct_cache) -> u64;
    /// Sets another limit, then evicts until it holds: from each shard in proportion, a few hundred
    /// entries at a time, between which other calls come in. A write meanwhile makes its own room,
    /// and evicts at most two more entries.
    pub fn ct_resize(cache: *mut ct_cache, maxsize: u64) -> ct_status;
    /// Gives an entry another lifetime. This is neither a use nor a write of the value; a tti goes
    /// on as before. With a ttl of 0 it overtakes a running load of the key, whether there is an
    /// entry or not.
    pub fn ct_set_lifetime(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        ttl: u64,
    ) -> ct_status;
    /// Returns what is known of an entry. This is no use.
    pub fn ct_inspect(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        out: *mut ct_entry_info,
    ) -> ct_status;
    /// Removes the entries whose deadline has passed, in order of deadline.
    pub fn ct_expire(
        cache: *mut ct_cache,
        now: u64,
        visit: ct_visit_fn,
        user_data: *mut c_void,
    ) -> u64;
    /// Reads the counters.
    pub fn ct_cache_stats(cache: *const ct_cache, out: *mut ct_stats) -> ct_status;
    /// Counts from zero again. This moves a baseline: an event that happens meanwhile is in the old
    /// count or in the new one, never in both, never lost.
    pub fn ct_cache_stats_reset(cache: *mut ct_cache) -> ct_status;
    /// Tells which part of the reads would miss in this cache, under its policy, at other sizes.
    pub fn ct_cache_curve(
        cache: *mut ct_cache,
        scales: *const f64,
        count: usize,
        miss_ratios: *mut f64,
    ) -> ct_status;
    /// Writes the statistics of several caches as text for Prometheus, in its exposition format,
    /// version 0.0.4. Names are UTF-8, and end in a zero.
    pub fn ct_stats_write(
        caches: *const *mut ct_cache,
        names: *const *const c_char,
        count: usize,
        write: ct_write_fn,
        user_data: *mut c_void,
    ) -> ct_status;

    /// Begins a walk over the entries. A walk uses nothing and counts nothing.
    pub fn ct_iter_new(cache: *mut ct_cache, order: i32, out: *mut *mut ct_iter) -> ct_status;
    /// Goes to the next entry.
    pub fn ct_iter_next(iter: *mut ct_iter, key: *mut ct_bytes, value: *mut ct_bytes) -> ct_status;
    /// Ends a walk, at any point. NULL does nothing.
    pub fn ct_iter_free(iter: *mut ct_iter);

    /// Writes down the contents of a cache, for `ct_snapshot_load` today or after a restart: keys
    /// and values, weights that were given or came from a weigher, what is left of lifetimes, and
    /// the order of the policy, with LFU also how often each entry was used. This uses nothing and
    /// counts nothing.
    pub fn ct_snapshot_save(
        cache: *mut ct_cache,
        write: ct_write_fn,
        user_data: *mut c_void,
    ) -> ct_status;
    /// Adds the entries of a snapshot, of a cache with any policy, limit and number of shards.
    pub fn ct_snapshot_load(
        cache: *mut ct_cache,
        read: ct_read_fn,
        user_data: *mut c_void,
    ) -> ct_status;
    /// Adds the entries of a snapshot as flags say: with 0 as `ct_snapshot_load`.
    pub fn ct_snapshot_load_with(
        cache: *mut ct_cache,
        read: ct_read_fn,
        user_data: *mut c_void,
        flags: u32,
    ) -> ct_status;
    /// Saves a snapshot in a file.
    pub fn ct_snapshot_save_file(cache: *mut ct_cache, path: *const c_char) -> ct_status;
    /// Loads a snapshot from a file, which must hold nothing else.
    pub fn ct_snapshot_load_file(cache: *mut ct_cache, path: *const c_char) -> ct_status;
    /// Loads a snapshot from a file as flags say: with 0 as `ct_snapshot_load_file`.
    pub fn ct_snapshot_load_file_with(
        cache: *mut ct_cache,
        path: *const c_char,
        flags: u32,
    ) -> ct_status;

    /// Hands a value back. Of several calls the last one counts.
    pub fn ct_result_set(result: *mut ct_result, data: *const c_void, size: usize) -> ct_status;
    /// Gives the value a lifetime instead of the cache's, in ticks from the callback's return on.
    /// The last of this and `ct_result_deadline` counts.
    pub fn ct_result_ttl(result: *mut ct_result, ttl: u64);
    /// Gives the value a deadline, in ticks, absolute. The last of this and `ct_result_ttl` counts.
    pub fn ct_result_deadline(result: *mut ct_result, deadline: u64);
    /// Gives the value a weight. With `CT_WEIGHT_MEMORY` the call then fails with
    /// `CT_ERR_CALLBACK`.
    pub fn ct_result_weight(result: *mut ct_result, weight: u64);
    /// Lets the value live as long as the old one would have, if compute saw one.
    pub fn ct_result_keep_ttl(result: *mut ct_result);
    /// Gives the value a tag, in addition to those that it has. A ninth one, or what `ct_set_with`
    /// would not take, fails the call.
    pub fn ct_result_tag(result: *mut ct_result, tag: *const c_void, tag_size: usize);
    /// Hands the value back to the callers, but does not keep it.
    pub fn ct_result_discard(result: *mut ct_result);
    /// Hands back the old value that is to be renewed: it is still right, and its lifetime begins
    /// anew. Of this and `ct_result_set`, the last one counts.
    pub fn ct_result_not_modified(result: *mut ct_result);
    /// Shows a loader the value that it is to renew.
    pub fn ct_result_old(result: *const ct_result, out: *mut ct_bytes) -> ct_status;
    /// Shows what was handed back so far, for callbacks that wrap others.
    pub fn ct_result_value(result: *const ct_result, out: *mut ct_bytes) -> ct_status;
    /// Looks a key up, and loads it if it is absent.
    pub fn ct_get_or_load(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        load: ct_loader_fn,
        user_data: *mut c_void,
        out: *mut ct_value,
    ) -> ct_status;
    /// Does the same as `ct_get_or_load`, with options.
    pub fn ct_get_or_load_with(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        load: ct_loader_fn,
        user_data: *mut c_void,
        options: *const ct_load_options,
        out: *mut ct_value,
    ) -> ct_status;
    /// Looks a key up. If it is absent, takes its lease, or waits for the holder: `ct_get_or_load`
    /// for programs that load in their own way, later, or on another thread. Counts as
    /// `ct_get_or_load` does.
    pub fn ct_get_or_lease(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        wait_ns: u64,
        out: *mut ct_value,
        lease: *mut *mut ct_lease,
    ) -> ct_status;
    /// Does the same as `ct_get_or_lease`, but never waits: `done` is called later.
    pub fn ct_get_or_lease_async(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        options: *const ct_load_options,
        done: ct_done_fn,
        user_data: *mut c_void,
        out: *mut ct_value,
        lease: *mut *mut ct_lease,
        wait: *mut *mut ct_wait,
    ) -> ct_status;
    /// Ends a call that returned `CT_PENDING`, or gives back what it left.
    pub fn ct_wait_cancel(wait: *mut ct_wait) -> bool;
    /// `ct_get_or_load_with` for many keys in one call.
    pub fn ct_get_or_load_many(
        cache: *mut ct_cache,
        keys: *const c_void,
        key_ends: *const usize,
        count: usize,
        load: ct_load_many_fn,
        user_data: *mut c_void,
        options: *const ct_load_options,
        values: *mut ct_value,
        statuses: *mut ct_status,
    ) -> ct_status;
    /// Fails with that status: `CT_MISS`, a `CT_ERR_...`, a status of one's own, or `CT_BUSY`.
    pub fn ct_result_fail(result: *mut ct_result, status: ct_status);
    /// Brings the value that a lease was taken for: stores it, and hands it to all who wait.
    pub fn ct_lease_fulfil(
        lease: *mut ct_lease,
        value: *const c_void,
        value_size: usize,
        options: *const ct_entry_options,
        out: *mut ct_value,
    ) -> ct_status;
    /// Gives a lease up. One of those who wait becomes the loader.
    pub fn ct_lease_abandon(lease: *mut ct_lease);
    /// Ends a lease whose load has failed, or has found that there is no such value. All who wait
    /// fail with the status.
    pub fn ct_lease_fail(lease: *mut ct_lease, status: ct_status);
    /// Ends a lease that `CT_RENEW` gave: the old value is still right, and its lifetime begins
    /// anew.
    pub fn ct_lease_keep(lease: *mut ct_lease, options: *const ct_entry_options) -> ct_status;
    /// Returns the key that a lease is for. *out is valid as long as the lease.
    pub fn ct_lease_key(lease: *const ct_lease, out: *mut ct_bytes);
    /// Reads, changes and writes one entry, as if at once.
    pub fn ct_compute(
        cache: *mut ct_cache,
        key: *const c_void,
        key_size: usize,
        compute: ct_compute_fn,
        user_data: *mut c_void,
        out: *mut ct_value,
    ) -> ct_status;

    /// Makes a key builder.
    pub fn ct_key_new(flags: u32) -> *mut ct_key;
    /// Empties a builder, and forgets its mistakes. Keeps its memory.
    pub fn ct_key_reset(key: *mut ct_key);
    /// Frees a builder. NULL does nothing.
    pub fn ct_key_free(key: *mut ct_key);
    /// Adds the absence of a value: None, null, nil.
    pub fn ct_key_null(key: *mut ct_key);
    /// Adds a truth value, which equals 0 or 1 unless typed.
    pub fn ct_key_bool(key: *mut ct_key, value: bool);
    /// Adds an integer.
    pub fn ct_key_int(key: *mut ct_key, value: i64);
    /// Adds an integer, of the same type as `ct_key_int`'s.
    pub fn ct_key_uint(key: *mut ct_key, value: u64);
    /// Adds a floating-point number, which equals an integer of the same value unless typed.
    pub fn ct_key_double(key: *mut ct_key, value: f64);
    /// Adds text: size bytes of UTF-8; NULL only if size is 0.
    pub fn ct_key_text(key: *mut ct_key, text: *const c_char, size: usize);
    /// Adds bytes, which never equal text; NULL only if size is 0.
    pub fn ct_key_bytes(key: *mut ct_key, data: *const c_void, size: usize);
    /// Begins a tuple: what follows are its elements. Tuples may hold tuples.
    pub fn ct_key_tuple_begin(key: *mut ct_key);
    /// Ends the tuple that was begun last.
    pub fn ct_key_tuple_end(key: *mut ct_key);
    /// Names the next value: size bytes of UTF-8; NULL only if size is 0.
    pub fn ct_key_name(key: *mut ct_key, name: *const c_char, size: usize);
    /// Returns the key.
    pub fn ct_key_data(key: *mut ct_key, data: *mut *const c_void, size: *mut usize) -> ct_status;
    /// Says why `ct_key_data` would fail, in one sentence; NULL if it would not.
    pub fn ct_key_problem(key: *const ct_key) -> *const c_char;

    /// Says what is wrong with options of a memo, in one sentence; NULL if nothing is.
    pub fn ct_memo_problem(options: *const ct_memo_options) -> *const c_char;
    /// Memoizes a function.
    pub fn ct_memo_new(options: *const ct_memo_options, out: *mut *mut ct_memo) -> ct_status;
    /// Frees a memo, and its own cache as `ct_cache_free` does.
    pub fn ct_memo_free(memo: *mut ct_memo);
    /// Returns the remembered result, or calls the function.
    pub fn ct_memo_call(
        memo: *mut ct_memo,
        object: *mut c_void,
        args: *const c_void,
        out: *mut ct_value,
    ) -> ct_status;
    /// Builds the key that the result of a call is stored under, with the memo's prefix.
    pub fn ct_memo_key(
        memo: *mut ct_memo,
        object: *mut c_void,
        args: *const c_void,
        key: *mut ct_key,
    ) -> ct_status;
    /// Returns the cache that keeps the results for self; NULL if there is none.
    pub fn ct_memo_cache(memo: *mut ct_memo, object: *mut c_void) -> *mut ct_cache;
    /// Forgets the result of one call.
    pub fn ct_memo_invalidate(
        memo: *mut ct_memo,
        object: *mut c_void,
        args: *const c_void,
    ) -> ct_status;
    /// Returns hits and misses of this memo and this self, and how full the cache is.
    pub fn ct_memo_info(
        memo: *mut ct_memo,
        object: *mut c_void,
        out: *mut ct_cache_info,
    ) -> ct_status;
    /// Empties the cache, other memos' results included, and sets this memo's hits and misses of
    /// self to zero.
    pub fn ct_memo_clear(memo: *mut ct_memo, object: *mut c_void) -> ct_status;
    /// Forgets the hits and misses of self. Call it before self is destroyed. Its results stay.
    pub fn ct_memo_forget(memo: *mut ct_memo, object: *mut c_void);

    /// Sets options to their defaults; maxsize is left to the caller.
    pub fn ct_options_init(options: *mut ct_options, struct_size: usize);
    /// As `ct_options_init`, for a `ct_entry_options` that says nothing special.
    pub fn ct_entry_options_init(options: *mut ct_entry_options, struct_size: usize);
    /// Says what is wrong with options of an entry of this cache, after a CT_ERR_INVALID.
    pub fn ct_entry_options_problem(
        cache: *const ct_cache,
        options: *const ct_entry_options,
    ) -> *const c_char;
    /// As `ct_options_init`, for a `ct_load_options`.
    pub fn ct_load_options_init(options: *mut ct_load_options, struct_size: usize);
    /// As `ct_options_init`, for a `ct_entry_info` to be filled in.
    pub fn ct_entry_info_init(info: *mut ct_entry_info, struct_size: usize);
    /// As `ct_options_init`, for a `ct_stats` to be filled in.
    pub fn ct_stats_init(stats: *mut ct_stats, struct_size: usize);
    /// As `ct_options_init`, for a `ct_policy_ops`.
    pub fn ct_policy_ops_init(ops: *mut ct_policy_ops, struct_size: usize);
    /// As `ct_options_init`, for a `ct_allocator`.
    pub fn ct_allocator_init(allocator: *mut ct_allocator, struct_size: usize);
    /// As `ct_options_init`, for a `ct_memo_options`.
    pub fn ct_memo_options_init(options: *mut ct_memo_options, struct_size: usize);
    /// As `ct_options_init`, for the usual cache of a memo's own: LRU, 128 entries.
    pub fn ct_memo_own_default(options: *mut ct_options, struct_size: usize);
    /// As `ct_options_init`, for a `ct_cache_info` to be filled in.
    pub fn ct_cache_info_init(info: *mut ct_cache_info, struct_size: usize);
}
