// SPDX-License-Identifier: MIT
//! A safe Rust wrapper of libcachetools, in one file without crates. Put it beside your sources and
//! write `mod cachetools;`. Needs Rust 1.63 or later.
//!
//! - `Drop` frees handles. A [`Value`] is a borrowed slice that pins its entry: it stays valid when
//!   the entry is evicted, and even when the cache is gone. Leases and walks borrow their cache, so
//!   the cache cannot be freed while they live.
//! - `Ok(None)` and `Ok(false)` are ordinary answers. An [`Error`] says that nothing happened. The
//!   error of a loader comes back unchanged.
//! - A panic never unwinds through the library. Callbacks run under `catch_unwind`; the call that
//!   ran them then resumes the panic.
//! - Caches are `Sync`, so `CT_FLAG_SINGLE_THREADED` is not offered.
#![allow(dead_code)] // no program needs all of it

use std::alloc::{GlobalAlloc, Layout};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::{c_void, CStr, CString};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::mem::{size_of, ManuallyDrop};
use std::ops::{Deref, DerefMut};
use std::os::unix::ffi::OsStrExt;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

/// As a lifetime: no end.
pub const NEVER: u64 = raw::CT_NEVER;
/// As `maxsize`: no limit.
pub const UNBOUNDED: u64 = raw::CT_UNBOUNDED;

/// A duration in the ticks of the default timer, which are nanoseconds.
pub fn ticks(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

/// The version of the library, "0.1.0".
pub fn version() -> &'static str {
    text(unsafe { raw::ct_version_string() }).unwrap_or("")
}

// ---- Errors -------------------------------------------------------------------------------------

/// A negative status, or `BUSY`: the operation did not happen.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Error(raw::ct_status);

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub const CALLBACK: Error = Error(raw::CT_ERR_CALLBACK);
    pub const UNSUPPORTED: Error = Error(raw::CT_ERR_UNSUPPORTED);
    pub const INTERNAL: Error = Error(raw::CT_ERR_INTERNAL);
    pub const IO: Error = Error(raw::CT_ERR_IO);
    pub const CORRUPT: Error = Error(raw::CT_ERR_CORRUPT);
    pub const RECURSION: Error = Error(raw::CT_ERR_RECURSION);
    pub const BUFFER: Error = Error(raw::CT_ERR_BUFFER);
    pub const TOO_LARGE: Error = Error(raw::CT_ERR_TOO_LARGE);
    pub const NO_MEMORY: Error = Error(raw::CT_ERR_NOMEM);
    pub const INVALID: Error = Error(raw::CT_ERR_INVALID);
    pub const BUSY: Error = Error(raw::CT_BUSY);

    pub fn status(self) -> i32 {
        self.0
    }

    /// The name of the status in C: "CT_ERR_NOMEM".
    pub fn name(self) -> &'static str {
        text(unsafe { raw::ct_status_name(self.0) }).unwrap_or("")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(text(unsafe { raw::ct_status_message(self.0) }).unwrap_or(""))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match error {
            Error::CORRUPT => io::ErrorKind::InvalidData,
            Error::INVALID => io::ErrorKind::InvalidInput,
            Error::NO_MEMORY => io::ErrorKind::OutOfMemory,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

fn check(status: raw::ct_status) -> Result<raw::ct_status> {
    if status < 0 {
        Err(Error(status))
    } else {
        Ok(status)
    }
}

/// Converts a static string of the library.
fn text(string: *const std::os::raw::c_char) -> Option<&'static str> {
    if string.is_null() {
        return None;
    }
    unsafe { CStr::from_ptr(string) }.to_str().ok()
}

// ---- Panics of callbacks ------------------------------------------------------------------------

thread_local! {
    /// The panic of a callback, until the call that ran the callback has returned.
    static PANIC: RefCell<Option<Box<dyn Any + Send>>> = const { RefCell::new(None) };
}

/// Runs a callback. If it panics, returns `fallback` to the library.
fn guard<T>(fallback: T, callback: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(callback)).unwrap_or_else(|panic| {
        let _ = PANIC.try_with(|kept| {
            kept.borrow_mut().get_or_insert(panic); // the first counts
        });
        fallback
    })
}

/// Resumes the panic of a callback that ran in the last call.
fn resume_panic() {
    if let Ok(Some(panic)) = PANIC.try_with(|kept| kept.borrow_mut().take()) {
        resume_unwind(panic);
    }
}

/// The same at the end of a `Drop`. If the thread panics already, this panic is discarded, so that
/// no later call resumes it.
fn resume_panic_in_drop() {
    if let Ok(Some(panic)) = PANIC.try_with(|kept| kept.borrow_mut().take()) {
        if !std::thread::panicking() {
            resume_unwind(panic);
        }
    }
}

// ---- Values -------------------------------------------------------------------------------------

/// Bytes read out of a cache, valid and unchanged until this is dropped, whatever happens to their
/// entry or to the cache. May be dropped on any thread.
pub struct Value {
    raw: raw::ct_value,
    /// The callbacks that the last release may run: the cache's drop and its allocator.
    _callbacks: Option<Arc<Callbacks>>,
}

// Any thread may read and release values; callbacks are Send and Sync.
unsafe impl Send for Value {}
unsafe impl Sync for Value {}

impl Value {
    /// A second, independent pin on the same bytes.
    pub fn try_clone(&self) -> Result<Value> {
        let mut raw = raw::ct_value::EMPTY;
        check(unsafe { raw::ct_value_ref(&self.raw, &mut raw) })?;
        Ok(Value {
            raw,
            _callbacks: self._callbacks.clone(),
        })
    }
}

impl Deref for Value {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
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
    fn drop(&mut self) {
        unsafe { raw::ct_value_release(&mut self.raw) };
        if self._callbacks.is_some() {
            resume_panic_in_drop();
        }
    }
}

unsafe fn bytes<'a>(data: *const c_void, size: usize) -> &'a [u8] {
    if data.is_null() {
        return &[];
    }
    std::slice::from_raw_parts(data.cast(), size)
}

// ---- How to make a cache ------------------------------------------------------------------------

/// Which entry leaves when room is needed. README.md and cachetools.h say more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Policy {
    Lru = raw::CT_POLICY_LRU,
    Fifo = raw::CT_POLICY_FIFO,
    Lfu = raw::CT_POLICY_LFU,
    Rr = raw::CT_POLICY_RR,
    Ttl = raw::CT_POLICY_TTL,
    Tlru = raw::CT_POLICY_TLRU,
    Any = raw::CT_POLICY_ANY,
    Mru = raw::CT_POLICY_MRU,
    Clock = raw::CT_POLICY_CLOCK,
    Sieve = raw::CT_POLICY_SIEVE,
    S3Fifo = raw::CT_POLICY_S3FIFO,
    WTinyLfu = raw::CT_POLICY_WTINYLFU,
    Arc = raw::CT_POLICY_ARC,
    Custom = raw::CT_POLICY_CUSTOM,
}

impl Policy {
    const ALL: [Policy; 14] = [
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
        Policy::Custom,
    ];

    pub fn name(self) -> &'static str {
        text(unsafe { raw::ct_policy_name(self as raw::ct_policy) }).unwrap_or("")
    }
}

/// Finds a policy by its name, in any case.
impl std::str::FromStr for Policy {
    type Err = Error;
    fn from_str(name: &str) -> Result<Policy> {
        let name = CString::new(name).map_err(|_| Error::INVALID)?;
        let mut policy = 0;
        check(unsafe { raw::ct_policy_from_name(name.as_ptr(), &mut policy) })?;
        let found = Policy::ALL
            .iter()
            .find(|known| **known as raw::ct_policy == policy);
        found.copied().ok_or(Error::UNSUPPORTED)
    }
}

/// What an entry weighs against `maxsize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum WeightKind {
    Count = raw::CT_WEIGHT_COUNT,
    Value = raw::CT_WEIGHT_VALUE,
    Memory = raw::CT_WEIGHT_MEMORY,
}

/// Why an entry left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Evicted,
    Expired,
    Replaced,
    Removed,
    Cleared,
    /// A cause that only a newer library knows.
    Other(i32),
}

/// An entry that left.
#[derive(Debug)]
pub struct Event<'a> {
    pub key: &'a [u8],
    pub value: &'a [u8],
    pub weight: u64,
    pub cause: Cause,
}

impl<'a> Event<'a> {
    unsafe fn from_raw(raw: &'a raw::ct_event) -> Event<'a> {
        Event {
            key: bytes(raw.key.data, raw.key.size),
            value: bytes(raw.value.data, raw.value.size),
            weight: raw.weight,
            cause: match raw.cause {
                raw::CT_CAUSE_EVICTED => Cause::Evicted,
                raw::CT_CAUSE_EXPIRED => Cause::Expired,
                raw::CT_CAUSE_REPLACED => Cause::Replaced,
                raw::CT_CAUSE_REMOVED => Cause::Removed,
                raw::CT_CAUSE_CLEARED => Cause::Cleared,
                other => Cause::Other(other),
            },
        }
    }
}

/// An eviction policy of your own, one object for each shard. Entries have small numbers. All
/// methods run inside the critical section and must not use any cache.
pub trait EvictionPolicy: Send {
    fn insert(&mut self, id: u32, weight: u64, key: &[u8], now: u64);
    fn update(&mut self, _id: u32, _weight: u64, _key: &[u8], _now: u64) {}
    fn hit(&mut self, _id: u32, _now: u64) {}
    fn remove(&mut self, id: u32);
    fn resize(&mut self, _maxsize: u64) {}
    /// Returns the entry that leaves next, and removes nothing. Called only if there is an entry.
    fn victim(&mut self) -> u32;
    /// The same value has another weight now.
    fn reweigh(&mut self, _id: u32, _weight: u64) {}
}

type Weigher = dyn Fn(&[u8], &[u8]) -> u64 + Send + Sync;
type TimeToUse = dyn Fn(&[u8], &[u8], u64) -> u64 + Send + Sync;
type Dropper = dyn Fn(&[u8]) + Send + Sync;
type Listener = dyn Fn(&Event<'_>) + Send + Sync;
type PolicyMaker = dyn Fn(u64) -> Box<dyn EvictionPolicy> + Send + Sync;

/// The callbacks of a cache: its user_data. Lives until the last value that may call one is
/// released.
#[derive(Default)]
struct Callbacks {
    timer: Option<Box<dyn Fn() -> u64 + Send + Sync>>,
    ttu: Option<Box<TimeToUse>>,
    weigher: Option<Box<Weigher>>,
    choice: Option<Box<dyn Fn(u64) -> u64 + Send + Sync>>,
    listener: Option<Box<Listener>>,
    drop: Option<Box<Dropper>>,
    policy: Option<Box<PolicyMaker>>,
    allocator: Option<Box<dyn GlobalAlloc + Send + Sync>>,
}

impl Callbacks {
    fn are_none(&self) -> bool {
        self.timer.is_none()
            && self.ttu.is_none()
            && self.weigher.is_none()
            && self.choice.is_none()
            && self.listener.is_none()
            && self.drop.is_none()
            && self.policy.is_none()
            && self.allocator.is_none()
    }
}

/// How to make a cache.
pub struct Builder {
    options: raw::ct_options,
    callbacks: Callbacks,
}

impl Builder {
    pub fn new(policy: Policy, maxsize: u64) -> Builder {
        let mut options: raw::ct_options = unsafe { std::mem::zeroed() };
        options.struct_size = size_of::<raw::ct_options>();
        options.policy = policy as i32;
        options.maxsize = maxsize;
        options.flags = raw::CT_FLAG_KEEP_NOTHING; // a 0 is meant, as there is no default
        Builder {
            options,
            callbacks: Callbacks::default(),
        }
    }

    pub fn weight_kind(mut self, kind: WeightKind) -> Builder {
        self.options.weight_kind = kind as i32;
        self
    }

    pub fn shards(mut self, shards: u32) -> Builder {
        self.options.shards = shards;
        self
    }

    /// Time to live from a write on, in ticks.
    pub fn ttl(mut self, ticks: u64) -> Builder {
        self.options.ttl = ticks;
        self
    }

    /// Time to idle from a use on, in ticks.
    pub fn tti(mut self, ticks: u64) -> Builder {
        self.options.tti = ticks;
        self
    }

    /// The seed of hashing and RR, for repeatable runs.
    pub fn seed(mut self, seed: u64) -> Builder {
        self.options.seed = seed;
        self
    }

    pub fn without_stats(mut self) -> Builder {
        self.options.flags |= raw::CT_FLAG_NO_STATS;
        self
    }

    pub fn precise_clock(mut self) -> Builder {
        self.options.flags |= raw::CT_FLAG_PRECISE_CLOCK;
        self
    }

    /// Returns the time. Runs inside the critical section, and must not use any cache.
    pub fn timer(mut self, timer: impl Fn() -> u64 + Send + Sync + 'static) -> Builder {
        self.callbacks.timer = Some(Box::new(timer));
        self
    }

    /// Returns from key, value and now until when an entry may be used.
    pub fn time_to_use(
        mut self,
        ttu: impl Fn(&[u8], &[u8], u64) -> u64 + Send + Sync + 'static,
    ) -> Builder {
        self.callbacks.ttu = Some(Box::new(ttu));
        self
    }

    /// Weighs key and value.
    pub fn weigher(
        mut self,
        weigher: impl Fn(&[u8], &[u8]) -> u64 + Send + Sync + 'static,
    ) -> Builder {
        self.callbacks.weigher = Some(Box::new(weigher));
        self
    }

    /// Chooses a victim for RR out of that many entries. Runs inside the critical section.
    pub fn choice(mut self, choice: impl Fn(u64) -> u64 + Send + Sync + 'static) -> Builder {
        self.callbacks.choice = Some(Box::new(choice));
        self
    }

    /// Is told of every entry that leaves.
    pub fn listener(mut self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Builder {
        self.callbacks.listener = Some(Box::new(listener));
        self
    }

    /// Is called for each stored value after it has left and its last pin is gone.
    pub fn on_drop(mut self, drop: impl Fn(&[u8]) + Send + Sync + 'static) -> Builder {
        self.callbacks.drop = Some(Box::new(drop));
        self
    }

    /// Makes the policy of a shard; `maxsize` is that of the whole cache.
    pub fn custom(
        mut self,
        policy: impl Fn(u64) -> Box<dyn EvictionPolicy> + Send + Sync + 'static,
    ) -> Builder {
        self.callbacks.policy = Some(Box::new(policy));
        self
    }

    /// Sets where the memory comes from.
    pub fn allocator(mut self, allocator: impl GlobalAlloc + Send + Sync + 'static) -> Builder {
        self.callbacks.allocator = Some(Box::new(allocator));
        self
    }

    /// Says what is wrong with these options, in one sentence that names the field.
    pub fn problem(&self) -> Option<&'static str> {
        self.with_raw(&self.callbacks, |options| {
            text(unsafe { raw::ct_options_problem(options) })
        })
    }

    pub fn build(self) -> Result<Cache> {
        let mut handle = ptr::null_mut();
        let (keep, status) =
            self.with_kept(|options| unsafe { raw::ct_cache_new_with(options, &mut handle) });
        resume_panic();
        check(status)?;
        Ok(Cache {
            handle: NonNull::new(handle).ok_or(Error::INTERNAL)?,
            keep,
        })
    }

    fn with_kept<T>(mut self, run: impl FnOnce(&raw::ct_options) -> T) -> (Keep, T) {
        let callbacks = Arc::new(std::mem::take(&mut self.callbacks));
        let result = self.with_raw(&callbacks, run);
        (
            Keep(if callbacks.are_none() {
                None
            } else {
                Some(callbacks)
            }),
            result,
        )
    }

    fn with_raw<T>(&self, callbacks: &Callbacks, run: impl FnOnce(&raw::ct_options) -> T) -> T {
        let user_data = callbacks as *const Callbacks as *mut c_void;
        let ops = raw::ct_policy_ops {
            struct_size: size_of::<raw::ct_policy_ops>(),
            state_new: Some(trampolines::state_new),
            state_free: Some(trampolines::state_free),
            on_insert: Some(trampolines::on_insert),
            on_update: Some(trampolines::on_update),
            on_hit: Some(trampolines::on_hit),
            on_remove: Some(trampolines::on_remove),
            on_clear: None,
            on_resize: Some(trampolines::on_resize),
            victim: Some(trampolines::victim),
            on_reweigh: Some(trampolines::on_reweigh),
        };
        let allocator = raw::ct_allocator {
            struct_size: size_of::<raw::ct_allocator>(),
            alloc: Some(trampolines::alloc),
            free: Some(trampolines::free),
            ctx: user_data,
        };
        let mut options = self.options;
        options.user_data = user_data;
        options.timer = callbacks.timer.as_ref().map(|_| trampolines::timer as _);
        options.ttu = callbacks.ttu.as_ref().map(|_| trampolines::ttu as _);
        options.weigher = callbacks
            .weigher
            .as_ref()
            .map(|_| trampolines::weigher as _);
        options.choice = callbacks.choice.as_ref().map(|_| trampolines::choice as _);
        options.listener = callbacks
            .listener
            .as_ref()
            .map(|_| trampolines::listener as _);
        options.drop = callbacks.drop.as_ref().map(|_| trampolines::drop as _);
        options.custom = callbacks.policy.as_ref().map_or(ptr::null(), |_| &ops);
        options.allocator = callbacks
            .allocator
            .as_ref()
            .map_or(ptr::null(), |_| &allocator);
        run(&options)
    }
}

/// Keeps callbacks, if there are any, alive for as long as they may be called.
struct Keep(Option<Arc<Callbacks>>);

impl Keep {
    fn own(&self, raw: raw::ct_value) -> Value {
        let outlives = |it: &&Arc<Callbacks>| it.drop.is_some() || it.allocator.is_some();
        Value {
            raw,
            _callbacks: self.0.as_ref().filter(outlives).cloned(),
        }
    }

    /// Resumes the panic of a callback of the cache.
    fn resume_panic(&self) {
        if self.0.is_some() {
            resume_panic();
        }
    }
}

// ---- The cache ----------------------------------------------------------------------------------

/// A cache of byte strings, bounded by a policy.
pub struct Cache {
    handle: NonNull<raw::ct_cache>,
    keep: Keep,
}

// Every function of the library is safe from any number of threads; callbacks are Send and Sync.
unsafe impl Send for Cache {}
unsafe impl Sync for Cache {}

impl Drop for Cache {
    fn drop(&mut self) {
        unsafe { raw::ct_cache_free(self.handle.as_ptr()) };
        resume_panic_in_drop();
    }
}

/// The outcome of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Stored,
    /// Dead on arrival.
    NotStored,
    /// With [`Condition::IfAbsent`].
    Exists,
    /// With [`Condition::IfPresent`].
    Missing,
}

impl Outcome {
    fn from_status(status: raw::ct_status) -> Result<Outcome> {
        match check(status)? {
            raw::CT_OK => Ok(Outcome::Stored),
            raw::CT_EXISTS => Ok(Outcome::Exists),
            raw::CT_MISS => Ok(Outcome::Missing),
            _ => Ok(Outcome::NotStored),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    #[default]
    Always,
    IfAbsent,
    IfPresent,
}

/// What is special about one entry. For `None`, the cache decides.
#[derive(Clone, Copy, Debug, Default)]
pub struct EntryOptions {
    /// In ticks from now.
    pub ttl: Option<u64>,
    /// In ticks, absolute; not together with `ttl`.
    pub deadline: Option<u64>,
    pub weight: Option<u64>,
    pub condition: Condition,
}

impl EntryOptions {
    fn raw(&self) -> raw::ct_entry_options {
        let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
        raw::ct_entry_options {
            struct_size: size_of::<raw::ct_entry_options>(),
            flags: flag(self.ttl.is_some(), raw::CT_ENTRY_TTL)
                | flag(self.deadline.is_some(), raw::CT_ENTRY_DEADLINE)
                | flag(self.weight.is_some(), raw::CT_ENTRY_WEIGHT)
                | flag(
                    self.condition == Condition::IfAbsent,
                    raw::CT_ENTRY_IF_ABSENT,
                )
                | flag(
                    self.condition == Condition::IfPresent,
                    raw::CT_ENTRY_IF_PRESENT,
                ),
            reserved: 0,
            ttl: self.ttl.unwrap_or(0),
            deadline: self.deadline.unwrap_or(0),
            weight: self.weight.unwrap_or(0),
        }
    }
}

pub use raw::{ct_cache_info as MemoInfo, ct_entry_info as EntryInfo, ct_stats as Stats};

impl Cache {
    /// Makes a cache of at most `maxsize` entries.
    pub fn new(policy: Policy, maxsize: u64) -> Result<Cache> {
        Builder::new(policy, maxsize).build()
    }

    pub fn builder(policy: Policy, maxsize: u64) -> Builder {
        Builder::new(policy, maxsize)
    }

    fn raw(&self) -> *mut raw::ct_cache {
        self.handle.as_ptr()
    }

    /// Returns the value that a call read out, if any.
    fn found(&self, status: raw::ct_status, value: raw::ct_value) -> Result<Option<Value>> {
        let value = self.keep.own(value);
        self.keep.resume_panic();
        Ok(if check(status)? == raw::CT_OK {
            Some(value)
        } else {
            None
        })
    }

    /// Returns whether the call returned CT_OK.
    fn done(&self, status: raw::ct_status) -> Result<bool> {
        self.keep.resume_panic();
        Ok(check(status)? == raw::CT_OK)
    }

    /// A hit is a use.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        let (key, mut value) = (key.as_ref(), raw::ct_value::EMPTY);
        let status = unsafe { raw::ct_get(self.raw(), at(key), key.len(), &mut value) };
        self.found(status, value)
    }

    /// Reads without a trace: this is no use, and nothing is counted.
    pub fn peek(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        let (key, mut value) = (key.as_ref(), raw::ct_value::EMPTY);
        let status = unsafe { raw::ct_peek(self.raw(), at(key), key.len(), &mut value) };
        self.found(status, value)
    }

    /// Copies into the buffer, and returns how many bytes; `Error::BUFFER` if it is too small.
    pub fn get_copy(&self, key: impl AsRef<[u8]>, buffer: &mut [u8]) -> Result<Option<usize>> {
        let (key, mut size) = (key.as_ref(), 0);
        let (data, capacity) = (buffer.as_mut_ptr().cast(), buffer.len());
        let status =
            unsafe { raw::ct_get_copy(self.raw(), at(key), key.len(), data, capacity, &mut size) };
        Ok(if self.done(status)? { Some(size) } else { None })
    }

    pub fn contains(&self, key: impl AsRef<[u8]>) -> bool {
        let key = key.as_ref();
        let is_there = unsafe { raw::ct_contains(self.raw(), at(key), key.len()) };
        self.keep.resume_panic();
        is_there
    }

    /// Returns whether the value was kept: it may have been dead on arrival.
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<bool> {
        let (key, value) = (key.as_ref(), value.as_ref());
        let status = unsafe { raw::ct_set(self.raw(), at(key), key.len(), at(value), value.len()) };
        self.done(status)
    }

    pub fn set_ttl(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        ttl: u64,
    ) -> Result<bool> {
        let (key, value) = (key.as_ref(), value.as_ref());
        let status =
            unsafe { raw::ct_set_ttl(self.raw(), at(key), key.len(), at(value), value.len(), ttl) };
        self.done(status)
    }

    pub fn set_with(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        options: &EntryOptions,
    ) -> Result<Outcome> {
        let (key, value) = (key.as_ref(), value.as_ref());
        let status = unsafe {
            raw::ct_set_with(
                self.raw(),
                at(key),
                key.len(),
                at(value),
                value.len(),
                &options.raw(),
            )
        };
        self.keep.resume_panic();
        Outcome::from_status(status)
    }

    /// Reads a key, and stores the given value first if the key is absent.
    pub fn get_or_set(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Value> {
        let (key, value, mut out) = (key.as_ref(), value.as_ref(), raw::ct_value::EMPTY);
        let status = unsafe {
            raw::ct_setdefault(
                self.raw(),
                at(key),
                key.len(),
                at(value),
                value.len(),
                &mut out,
            )
        };
        let out = self.keep.own(out);
        self.keep.resume_panic();
        check(status).map(|_| out)
    }

    /// Removes an entry and returns its value.
    pub fn pop(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        let (key, mut value) = (key.as_ref(), raw::ct_value::EMPTY);
        let status = unsafe { raw::ct_pop(self.raw(), at(key), key.len(), &mut value) };
        self.found(status, value)
    }

    /// Removes an entry. Returns whether there was one.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let key = key.as_ref();
        self.done(unsafe { raw::ct_delete(self.raw(), at(key), key.len()) })
    }

    /// Removes the policy's next victim, and returns its key and value.
    pub fn pop_victim(&self) -> Result<Option<(Value, Value)>> {
        let (mut key, mut value) = (raw::ct_value::EMPTY, raw::ct_value::EMPTY);
        let status = unsafe { raw::ct_popitem(self.raw(), &mut key, &mut value) };
        let pair = (self.keep.own(key), self.keep.own(value));
        Ok(if self.done(status)? { Some(pair) } else { None })
    }

    pub fn clear(&self) -> Result<()> {
        self.done(unsafe { raw::ct_clear(self.raw()) }).map(drop)
    }

    /// Removes all entries that match, and returns how many.
    pub fn remove_if<F: FnMut(&[u8], &[u8]) -> bool>(&self, mut matches: F) -> u64 {
        unsafe extern "C" fn run<F: FnMut(&[u8], &[u8]) -> bool>(
            user_data: *mut c_void,
            key: *const c_void,
            key_size: usize,
            value: *const c_void,
            value_size: usize,
        ) -> bool {
            let matches = &mut *user_data.cast::<F>();
            guard(false, || {
                matches(bytes(key, key_size), bytes(value, value_size))
            })
        }
        let user_data = &mut matches as *mut F as *mut c_void;
        let removed = unsafe { raw::ct_remove_if(self.raw(), Some(run::<F>), user_data) };
        resume_panic();
        removed
    }

    // -- Many at once --

    /// `get` for many keys, whose look-ups overlap.
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Value>>> {
        const AT_ONCE: usize = 64;
        let mut found = Vec::with_capacity(keys.len());
        for some in keys.chunks(AT_ONCE) {
            let mut raw_keys = [raw::ct_bytes::EMPTY; AT_ONCE];
            let mut values = [raw::ct_value::EMPTY; AT_ONCE];
            let mut statuses = [0; AT_ONCE];
            for (raw, key) in raw_keys.iter_mut().zip(some) {
                *raw = raw::ct_bytes::of(key.as_ref());
            }
            let status = unsafe {
                raw::ct_get_many(
                    self.raw(),
                    raw_keys.as_ptr(),
                    some.len(),
                    values.as_mut_ptr(),
                    statuses.as_mut_ptr(),
                )
            };
            if status == raw::CT_OK {
                let answers = values.iter().zip(statuses).take(some.len());
                found.extend(answers.map(|(value, status)| match status {
                    raw::CT_OK => Some(self.keep.own(*value)),
                    _ => None,
                }));
            }
            self.done(status)?;
        }
        Ok(found)
    }

    /// `set_with` for many pairs in one call. Each succeeds or fails alone.
    pub fn set_many<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        entries: &[(K, V)],
        options: Option<&EntryOptions>,
    ) -> Result<Vec<Result<Outcome>>> {
        let mut data = Vec::new();
        let mut ends = Vec::with_capacity(2 * entries.len());
        for (key, value) in entries {
            for part in [key.as_ref(), value.as_ref()] {
                data.extend_from_slice(part);
                ends.push(data.len());
            }
        }
        let options = options.map(EntryOptions::raw);
        let options = options
            .as_ref()
            .map_or(ptr::null(), |options| options as *const _);
        let mut statuses = vec![0; entries.len()];
        let (data, ends) = (at(&data), ends.as_ptr());
        let count = entries.len();
        let status = unsafe {
            raw::ct_set_many(
                self.raw(),
                data,
                ends,
                count,
                options,
                statuses.as_mut_ptr(),
            )
        };
        self.keep.resume_panic();
        if statuses.iter().all(|status| *status == raw::CT_OK) {
            check(status)?; // nothing was tried
        }
        Ok(statuses.into_iter().map(Outcome::from_status).collect())
    }

    // -- Size and time --

    pub fn len(&self) -> u64 {
        let length = unsafe { raw::ct_len(self.raw()) };
        self.keep.resume_panic();
        length
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sum of the weights.
    pub fn weight(&self) -> u64 {
        let weight = unsafe { raw::ct_currsize(self.raw()) };
        self.keep.resume_panic();
        weight
    }

    pub fn maxsize(&self) -> u64 {
        unsafe { raw::ct_maxsize(self.raw()) }
    }

    /// The bytes of memory held in all.
    pub fn memory(&self) -> u64 {
        unsafe { raw::ct_memory(self.raw()) }
    }

    pub fn resize(&self, maxsize: u64) -> Result<()> {
        self.done(unsafe { raw::ct_resize(self.raw(), maxsize) })
            .map(drop)
    }

    /// Gives an entry another lifetime, if it is there.
    pub fn set_lifetime(&self, key: impl AsRef<[u8]>, ttl: u64) -> Result<bool> {
        let key = key.as_ref();
        self.done(unsafe { raw::ct_set_lifetime(self.raw(), at(key), key.len(), ttl) })
    }

    pub fn inspect(&self, key: impl AsRef<[u8]>) -> Result<Option<EntryInfo>> {
        let key = key.as_ref();
        let mut info: EntryInfo = unsafe { std::mem::zeroed() };
        info.struct_size = size_of::<EntryInfo>();
        let status = unsafe { raw::ct_inspect(self.raw(), at(key), key.len(), &mut info) };
        Ok(if self.done(status)? { Some(info) } else { None })
    }

    /// Removes the entries whose deadline has passed, shows each to `visit`, and returns how many.
    pub fn expire<F: FnMut(&Event<'_>)>(&self, mut visit: F) -> u64 {
        unsafe extern "C" fn run<F: FnMut(&Event<'_>)>(
            user_data: *mut c_void,
            event: *const raw::ct_event,
        ) {
            let visit = &mut *user_data.cast::<F>();
            guard((), || visit(&Event::from_raw(&*event)))
        }
        let user_data = &mut visit as *mut F as *mut c_void;
        let run: raw::ct_visit_fn = Some(run::<F>);
        let expired = unsafe { raw::ct_expire(self.raw(), raw::CT_NOW, run, user_data) };
        resume_panic();
        expired
    }

    pub fn stats(&self) -> Result<Stats> {
        let mut stats: Stats = unsafe { std::mem::zeroed() };
        stats.struct_size = size_of::<Stats>();
        check(unsafe { raw::ct_cache_stats(self.raw(), &mut stats) }).map(|_| stats)
    }

    pub fn reset_stats(&self) -> Result<()> {
        check(unsafe { raw::ct_cache_stats_reset(self.raw()) }).map(drop)
    }

    /// The options in force, with defaults filled in and the seed that was drawn.
    pub fn options(&self) -> Result<raw::ct_options> {
        let mut options: raw::ct_options = unsafe { std::mem::zeroed() };
        options.struct_size = size_of::<raw::ct_options>();
        check(unsafe { raw::ct_cache_options(self.raw(), &mut options) }).map(|_| options)
    }

    // -- Iteration --

    /// Begins a walk: `while let Some((key, value)) = walk.next_entry()? { ... }`.
    pub fn iter(&self, order: Order) -> Result<Iter<'_>> {
        let mut handle = ptr::null_mut();
        check(unsafe { raw::ct_iter_new(self.raw(), order as i32, &mut handle) })?;
        let handle = NonNull::new(handle).ok_or(Error::INTERNAL)?;
        Ok(Iter {
            handle,
            _cache: PhantomData,
        })
    }

    // -- Snapshots --

    /// Saves the contents of the cache in a file. The file is replaced as a whole or not at all.
    pub fn save_file(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = c_path(path.as_ref())?;
        self.done(unsafe { raw::ct_snapshot_save_file(self.raw(), path.as_ptr()) })
            .map(drop)
    }

    /// Adds the entries of a file, from the hottest on, as far as there is room. Lifetimes go on
    /// from where they were at the save.
    pub fn load_file(&self, path: impl AsRef<Path>) -> Result<()> {
        self.load_file_with(path.as_ref(), 0)
    }

    /// As `load_file`, but the time since the save is taken off lifetimes, by the wall clock. Both
    /// caches must have the default timer.
    pub fn load_file_aged(&self, path: impl AsRef<Path>) -> Result<()> {
        self.load_file_with(path.as_ref(), raw::CT_SNAPSHOT_AGED)
    }

    fn load_file_with(&self, path: &Path, flags: u32) -> Result<()> {
        let path = c_path(path)?;
        self.done(unsafe { raw::ct_snapshot_load_file_with(self.raw(), path.as_ptr(), flags) })
            .map(drop)
    }

    /// As `save_file`, into a writer. The error of the writer comes back unchanged.
    pub fn save<W: io::Write>(&self, to: &mut W) -> io::Result<()> {
        struct Call<'call, W> {
            to: &'call mut W,
            error: Option<io::Error>,
        }
        unsafe extern "C" fn run<W: io::Write>(
            user_data: *mut c_void,
            data: *const c_void,
            size: usize,
        ) -> raw::ct_status {
            let call = &mut *user_data.cast::<Call<'_, W>>();
            guard(CALLBACK_FAILED, || {
                match call.to.write_all(bytes(data, size)) {
                    Ok(()) => raw::CT_OK,
                    Err(error) => {
                        call.error = Some(error);
                        CALLBACK_FAILED
                    }
                }
            })
        }
        let mut call = Call { to, error: None };
        let user_data = &mut call as *mut Call<'_, W> as *mut c_void;
        let status = unsafe { raw::ct_snapshot_save(self.raw(), Some(run::<W>), user_data) };
        resume_panic();
        call.error.map_or(Ok(()), Err)?;
        Ok(check(status).map(drop)?)
    }

    /// As `load_file`, from a reader. Nothing beyond the snapshot is read.
    pub fn load<R: io::Read>(&self, from: &mut R) -> io::Result<()> {
        self.load_with(from, 0)
    }

    /// As `load_file_aged`, from a reader.
    pub fn load_aged<R: io::Read>(&self, from: &mut R) -> io::Result<()> {
        self.load_with(from, raw::CT_SNAPSHOT_AGED)
    }

    fn load_with<R: io::Read>(&self, from: &mut R, flags: u32) -> io::Result<()> {
        struct Call<'call, R> {
            from: &'call mut R,
            error: Option<io::Error>,
        }
        unsafe extern "C" fn run<R: io::Read>(
            user_data: *mut c_void,
            buffer: *mut c_void,
            capacity: usize,
            got: *mut usize,
        ) -> raw::ct_status {
            let call = &mut *user_data.cast::<Call<'_, R>>();
            guard(CALLBACK_FAILED, || {
                ptr::write_bytes(buffer.cast::<u8>(), 0, capacity); // readers may look at it
                let buffer = std::slice::from_raw_parts_mut(buffer.cast::<u8>(), capacity);
                loop {
                    match call.from.read(buffer) {
                        Ok(size) => *got = size,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                        Err(error) => {
                            call.error = Some(error);
                            return CALLBACK_FAILED;
                        }
                    }
                    return raw::CT_OK;
                }
            })
        }
        let mut call = Call { from, error: None };
        let user_data = &mut call as *mut Call<'_, R> as *mut c_void;
        let status =
            unsafe { raw::ct_snapshot_load_with(self.raw(), Some(run::<R>), user_data, flags) };
        resume_panic();
        call.error.map_or(Ok(()), Err)?;
        Ok(check(status).map(drop)?)
    }

    // -- Loading --

    /// Looks a key up, and loads it if it is absent. However many threads ask, one of them loads,
    /// and the others wait for its value. A loader returns `None` if there is no such value.
    pub fn get_or_load<V, E, F>(&self, key: impl AsRef<[u8]>, load: F) -> Result<Option<Value>, E>
    where
        V: AsRef<[u8]>,
        E: From<Error>,
        F: FnOnce(&[u8], &mut Output<'_>) -> Result<Option<V>, E>,
    {
        struct Call<F, E> {
            load: Option<F>,
            error: Option<E>,
        }
        unsafe extern "C" fn run<V, E, F>(
            user_data: *mut c_void,
            key: *const c_void,
            key_size: usize,
            result: *mut raw::ct_result,
        ) -> raw::ct_status
        where
            V: AsRef<[u8]>,
            F: FnOnce(&[u8], &mut Output<'_>) -> Result<Option<V>, E>,
        {
            let call = &mut *user_data.cast::<Call<F, E>>();
            guard(CALLBACK_FAILED, || {
                let mut output = Output {
                    raw: result,
                    _call: PhantomData,
                };
                let load = call.load.take().expect("a loader runs once a call");
                let loaded = load(bytes(key, key_size), &mut output);
                output.finish(loaded, &mut call.error)
            })
        }

        let key = key.as_ref();
        let mut call = Call {
            load: Some(load),
            error: None,
        };
        let user_data = &mut call as *mut Call<F, E> as *mut c_void;
        let mut value = raw::ct_value::EMPTY;
        let status = unsafe {
            let load: raw::ct_loader_fn = Some(run::<V, E, F>);
            raw::ct_get_or_load(self.raw(), at(key), key.len(), load, user_data, &mut value)
        };
        let value = self.keep.own(value);
        resume_panic();
        if let Some(error) = call.error {
            return Err(error);
        }
        Ok(if check(status)? == raw::CT_OK {
            Some(value)
        } else {
            None
        })
    }

    /// Looks a key up. If it is absent, takes its lease, or waits for the holder.
    pub fn get_or_lease(&self, key: impl AsRef<[u8]>, wait: Duration) -> Result<Leased<'_>> {
        let (key, mut value, mut lease) = (key.as_ref(), raw::ct_value::EMPTY, ptr::null_mut());
        let wait = ticks(wait);
        let status = unsafe {
            raw::ct_get_or_lease(self.raw(), at(key), key.len(), wait, &mut value, &mut lease)
        };
        let value = self.keep.own(value);
        let lease = NonNull::new(lease).map(|handle| Lease {
            handle,
            cache: self,
        });
        resume_panic();
        match (check(status)?, lease) {
            (raw::CT_LEASED, Some(lease)) => Ok(Leased::Lease(lease)),
            (raw::CT_BUSY, _) => Ok(Leased::Busy),
            _ => Ok(Leased::Value(value)),
        }
    }

    /// Reads, changes and writes one entry, as if at once. Returns the value that is there
    /// afterwards.
    ///
    /// Computes of one key take turns. If another call has written the key meanwhile, the closure
    /// runs again, at most 16 times; then the error is [`Error::BUSY`], and nothing is changed. To
    /// compute a key within its own closure is [`Error::RECURSION`].
    pub fn compute<V, E, F>(&self, key: impl AsRef<[u8]>, change: F) -> Result<Option<Value>, E>
    where
        V: AsRef<[u8]>,
        E: From<Error>,
        F: FnMut(Option<&[u8]>, &mut Output<'_>) -> Result<Change<V>, E>,
    {
        struct Call<F, E> {
            change: F,
            error: Option<E>,
        }
        unsafe extern "C" fn run<V, E, F>(
            user_data: *mut c_void,
            _key: *const c_void,
            _key_size: usize,
            old: *const raw::ct_bytes,
            result: *mut raw::ct_result,
        ) -> raw::ct_status
        where
            V: AsRef<[u8]>,
            F: FnMut(Option<&[u8]>, &mut Output<'_>) -> Result<Change<V>, E>,
        {
            let call = &mut *user_data.cast::<Call<F, E>>();
            guard(CALLBACK_FAILED, || {
                let mut output = Output {
                    raw: result,
                    _call: PhantomData,
                };
                let old = old.as_ref().map(|old| bytes(old.data, old.size));
                match (call.change)(old, &mut output) {
                    Ok(Change::Leave) => raw::CT_NOT_STORED,
                    Ok(Change::Remove) => raw::CT_MISS,
                    Ok(Change::Store(value)) => output.finish(Ok(Some(value)), &mut call.error),
                    Err(error) => output.finish(Err::<Option<V>, E>(error), &mut call.error),
                }
            })
        }

        let key = key.as_ref();
        let mut call = Call {
            change,
            error: None,
        };
        let user_data = &mut call as *mut Call<F, E> as *mut c_void;
        let mut value = raw::ct_value::EMPTY;
        let status = unsafe {
            let compute: raw::ct_compute_fn = Some(run::<V, E, F>);
            raw::ct_compute(
                self.raw(),
                at(key),
                key.len(),
                compute,
                user_data,
                &mut value,
            )
        };
        let value = self.keep.own(value);
        resume_panic();
        if let Some(error) = call.error {
            return Err(error);
        }
        if check(status)? == raw::CT_BUSY {
            return Err(Error::BUSY.into());
        }
        Ok(if value.raw.data.is_null() {
            None
        } else {
            Some(value)
        })
    }
}

fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::INVALID)
}

fn at(slice: &[u8]) -> *const c_void {
    slice.as_ptr().cast()
}

// ---- Iteration ----------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Order {
    Any = raw::CT_ORDER_ANY,
    Coldest = raw::CT_ORDER_COLDEST,
    Hottest = raw::CT_ORDER_HOTTEST,
}

/// A walk over a cache's entries. It is no `Iterator`: an entry is valid only until the next step.
pub struct Iter<'cache> {
    handle: NonNull<raw::ct_iter>,
    _cache: PhantomData<&'cache Cache>,
}

unsafe impl Send for Iter<'_> {} // used by one thread at a time

impl Iter<'_> {
    pub fn next_entry(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        let (mut key, mut value) = (raw::ct_bytes::EMPTY, raw::ct_bytes::EMPTY);
        let status = unsafe { raw::ct_iter_next(self.handle.as_ptr(), &mut key, &mut value) };
        resume_panic();
        if check(status)? != raw::CT_OK {
            return Ok(None);
        }
        Ok(Some(unsafe {
            (bytes(key.data, key.size), bytes(value.data, value.size))
        }))
    }
}

impl Drop for Iter<'_> {
    fn drop(&mut self) {
        unsafe { raw::ct_iter_free(self.handle.as_ptr()) };
        resume_panic_in_drop();
    }
}

// ---- Loading ------------------------------------------------------------------------------------

/// A callback's own status. Its error or panic is kept on this side.
const CALLBACK_FAILED: raw::ct_status = -1000;

/// What is special about a value that a callback brings. Each is optional.
pub struct Output<'call> {
    raw: *mut raw::ct_result,
    _call: PhantomData<&'call mut ()>,
}

impl Output<'_> {
    /// A lifetime, in ticks from the callback's return on.
    pub fn ttl(&mut self, ttl: u64) {
        unsafe { raw::ct_result_ttl(self.raw, ttl) }
    }

    /// In ticks, absolute.
    pub fn deadline(&mut self, deadline: u64) {
        unsafe { raw::ct_result_deadline(self.raw, deadline) }
    }

    pub fn weight(&mut self, weight: u64) {
        unsafe { raw::ct_result_weight(self.raw, weight) }
    }

    /// Hands the value to the callers, but does not keep it.
    pub fn discard(&mut self) {
        unsafe { raw::ct_result_discard(self.raw) }
    }

    fn finish<V: AsRef<[u8]>, E>(
        &mut self,
        found: Result<Option<V>, E>,
        error: &mut Option<E>,
    ) -> raw::ct_status {
        match found {
            Ok(Some(value)) => {
                let value = value.as_ref();
                unsafe { raw::ct_result_set(self.raw, at(value), value.len()) }
            }
            Ok(None) => raw::CT_MISS,
            Err(failure) => {
                *error = Some(failure);
                CALLBACK_FAILED
            }
        }
    }
}

/// What [`Cache::compute`] shall do.
pub enum Change<V> {
    Store(V),
    Remove,
    Leave,
}

/// What [`Cache::get_or_lease`] found.
pub enum Leased<'cache> {
    Value(Value),
    /// The caller must now load the key.
    Lease(Lease<'cache>),
    /// Another caller has the lease, and the time is over.
    Busy,
}

/// The right and the duty to load a key. Dropping it gives it up: another caller becomes the
/// loader.
pub struct Lease<'cache> {
    handle: NonNull<raw::ct_lease>,
    cache: &'cache Cache,
}

unsafe impl Send for Lease<'_> {} // belongs to no thread
unsafe impl Sync for Lease<'_> {}

impl Lease<'_> {
    pub fn key(&self) -> &[u8] {
        let mut key = raw::ct_bytes::EMPTY;
        unsafe {
            raw::ct_lease_key(self.handle.as_ptr(), &mut key);
            bytes(key.data, key.size)
        }
    }

    /// Stores the value, hands it to all who wait, and returns it.
    pub fn fulfil(self, value: impl AsRef<[u8]>, options: Option<&EntryOptions>) -> Result<Value> {
        let lease = ManuallyDrop::new(self); // consumed, whatever is returned
        let options = options.map(EntryOptions::raw);
        let options = options
            .as_ref()
            .map_or(ptr::null(), |options| options as *const _);
        let (value, mut out) = (value.as_ref(), raw::ct_value::EMPTY);
        let status = unsafe {
            let handle = lease.handle.as_ptr();
            raw::ct_lease_fulfil(handle, at(value), value.len(), options, &mut out)
        };
        let out = lease.cache.keep.own(out);
        resume_panic();
        check(status).map(|_| out)
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        unsafe { raw::ct_lease_abandon(self.handle.as_ptr()) };
        resume_panic_in_drop();
    }
}

// ---- Keys ---------------------------------------------------------------------------------------

/// Builds a key from typed arguments: bytes that are equal if and only if the arguments are. The
/// functions of [`KeyRef`] add arguments.
pub struct Key(KeyRef<'static>);

unsafe impl Send for Key {} // used by one thread at a time

impl Key {
    pub fn new() -> Result<Key> {
        Key::with_flags(0)
    }

    /// A builder for which 1, 1.0 and true are three keys.
    pub fn typed() -> Result<Key> {
        Key::with_flags(raw::CT_KEY_TYPED)
    }

    fn with_flags(flags: u32) -> Result<Key> {
        let handle = NonNull::new(unsafe { raw::ct_key_new(flags) }).ok_or(Error::NO_MEMORY)?;
        Ok(Key(KeyRef {
            handle,
            _lent: PhantomData,
        }))
    }

    /// Empties the builder.
    pub fn reset(&mut self) -> &mut KeyRef<'static> {
        self.0.add(|key| unsafe { raw::ct_key_reset(key) })
    }
}

impl Deref for Key {
    type Target = KeyRef<'static>;
    fn deref(&self) -> &KeyRef<'static> {
        &self.0
    }
}

impl DerefMut for Key {
    fn deref_mut(&mut self) -> &mut KeyRef<'static> {
        &mut self.0
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        unsafe { raw::ct_key_free(self.0.handle.as_ptr()) };
    }
}

/// A borrowed builder, also the one that a memo's key function gets for a call. It frees nothing.
/// Its lifetime prevents that it is swapped with another one.
pub struct KeyRef<'lent> {
    handle: NonNull<raw::ct_key>,
    _lent: PhantomData<Cell<&'lent ()>>,
}

impl KeyRef<'_> {
    pub fn null(&mut self) -> &mut Self {
        self.add(|key| unsafe { raw::ct_key_null(key) })
    }

    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.add(|key| unsafe { raw::ct_key_bool(key, value) })
    }

    pub fn int(&mut self, value: i64) -> &mut Self {
        self.add(|key| unsafe { raw::ct_key_int(key, value) })
    }

    pub fn uint(&mut self, value: u64) -> &mut Self {
        self.add(|key| unsafe { raw::ct_key_uint(key, value) })
    }

    pub fn float(&mut self, value: f64) -> &mut Self {
        self.add(|key| unsafe { raw::ct_key_double(key, value) })
    }

    pub fn text(&mut self, value: &str) -> &mut Self {
        self.add(|key| unsafe { raw::ct_key_text(key, value.as_ptr().cast(), value.len()) })
    }

    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.add(|key| unsafe { raw::ct_key_bytes(key, at(value), value.len()) })
    }

    /// Adds a tuple of what the closure adds.
    pub fn tuple(&mut self, elements: impl FnOnce(&mut Self)) -> &mut Self {
        self.add(|key| unsafe { raw::ct_key_tuple_begin(key) });
        elements(self);
        self.add(|key| unsafe { raw::ct_key_tuple_end(key) })
    }

    /// Names the next value.
    pub fn name(&mut self, name: &str) -> &mut Self {
        self.add(|key| unsafe { raw::ct_key_name(key, name.as_ptr().cast(), name.len()) })
    }

    /// Returns the key, or the error for a mistake in what was added.
    pub fn data(&mut self) -> Result<&[u8]> {
        let (mut data, mut size) = (ptr::null(), 0);
        check(unsafe { raw::ct_key_data(self.handle.as_ptr(), &mut data, &mut size) })?;
        Ok(unsafe { bytes(data, size) })
    }

    fn add(&mut self, add: impl FnOnce(*mut raw::ct_key)) -> &mut Self {
        add(self.handle.as_ptr());
        self
    }
}

// ---- Memoized functions -------------------------------------------------------------------------

type MemoFn<A, E> = dyn Fn(&Memo<A, E>, &A) -> Result<Option<Vec<u8>>, E> + Send + Sync;
type MemoKeyFn<A> = dyn Fn(&A, &mut KeyRef<'_>) + Send + Sync;

/// A function that remembers its results. `Ok(None)` and failures are not remembered. The function
/// gets the memo too, so that it can call itself.
pub struct Memo<A: ?Sized, E = Error> {
    handle: NonNull<raw::ct_memo>,
    _functions: Arc<MemoFunctions<A, E>>,
    cache: MemoCache,
}

struct MemoFunctions<A: ?Sized, E> {
    function: Box<MemoFn<A, E>>,
    key: Box<MemoKeyFn<A>>,
}

/// Where results are kept. A shared cache outlives the memo.
enum MemoCache {
    Own(ManuallyDrop<Cache>), // the memo frees it
    Shared(Arc<Cache>),
}

/// What a call passes to its callbacks as args.
struct MemoCall<'call, A: ?Sized, E> {
    memo: &'call Memo<A, E>,
    args: &'call A,
    error: Cell<Option<E>>,
}

// The functions are Send and Sync; arguments and errors never leave the thread of their call.
unsafe impl<A: ?Sized, E> Send for Memo<A, E> {}
unsafe impl<A: ?Sized, E> Sync for Memo<A, E> {}

impl<A: ?Sized, E: From<Error>> Memo<A, E> {
    /// Keeps results in a cache of its own.
    pub fn new(
        own: Builder,
        function: impl Fn(&Memo<A, E>, &A) -> Result<Option<Vec<u8>>, E> + Send + Sync + 'static,
        key: impl Fn(&A, &mut KeyRef<'_>) + Send + Sync + 'static,
    ) -> Result<Memo<A, E>> {
        let functions = Arc::new(MemoFunctions {
            function: Box::new(function),
            key: Box::new(key),
        });
        let mut options = Memo::<A, E>::options(&functions);
        let mut handle = ptr::null_mut();
        let (keep, status) = own.with_kept(|own| unsafe {
            options.own = own;
            raw::ct_memo_new(&options, &mut handle)
        });
        resume_panic();
        check(status)?;
        let cache = NonNull::new(unsafe { raw::ct_memo_cache(handle, ptr::null_mut()) });
        Ok(Memo {
            handle: NonNull::new(handle).ok_or(Error::INTERNAL)?,
            _functions: functions,
            cache: MemoCache::Own(ManuallyDrop::new(Cache {
                handle: cache.ok_or(Error::INTERNAL)?,
                keep,
            })),
        })
    }

    /// Keeps results in a cache that others use too; the prefix keeps memos apart.
    pub fn sharing(
        cache: Arc<Cache>,
        prefix: &[u8],
        function: impl Fn(&Memo<A, E>, &A) -> Result<Option<Vec<u8>>, E> + Send + Sync + 'static,
        key: impl Fn(&A, &mut KeyRef<'_>) + Send + Sync + 'static,
    ) -> Result<Memo<A, E>> {
        let functions = Arc::new(MemoFunctions {
            function: Box::new(function),
            key: Box::new(key),
        });
        let mut options = Memo::<A, E>::options(&functions);
        options.cache = cache.raw();
        options.prefix = at(prefix);
        options.prefix_size = prefix.len();
        let mut handle = ptr::null_mut();
        check(unsafe { raw::ct_memo_new(&options, &mut handle) })?;
        let handle = NonNull::new(handle).ok_or(Error::INTERNAL)?;
        Ok(Memo {
            handle,
            _functions: functions,
            cache: MemoCache::Shared(cache),
        })
    }

    fn options(functions: &MemoFunctions<A, E>) -> raw::ct_memo_options {
        let mut options: raw::ct_memo_options = unsafe { std::mem::zeroed() };
        options.struct_size = size_of::<raw::ct_memo_options>();
        options.user_data = functions as *const _ as *mut c_void;
        options.fn_ = Some(trampolines::memo_fn::<A, E>);
        options.key = Some(trampolines::memo_key::<A, E>);
        options
    }

    /// Returns the remembered result, or calls the function.
    pub fn call(&self, args: &A) -> Result<Option<Value>, E> {
        let call = MemoCall {
            memo: self,
            args,
            error: Cell::new(None),
        };
        let mut value = raw::ct_value::EMPTY;
        let status = unsafe {
            raw::ct_memo_call(
                self.handle.as_ptr(),
                ptr::null_mut(),
                call.raw(),
                &mut value,
            )
        };
        let value = self.cache().keep.own(value);
        resume_panic();
        if let Some(error) = call.error.take() {
            return Err(error);
        }
        Ok(if check(status)? == raw::CT_OK {
            Some(value)
        } else {
            None
        })
    }

    /// Forgets the result of one call. Returns whether it was kept.
    pub fn invalidate(&self, args: &A) -> Result<bool> {
        let call = MemoCall {
            memo: self,
            args,
            error: Cell::new(None),
        };
        let status =
            unsafe { raw::ct_memo_invalidate(self.handle.as_ptr(), ptr::null_mut(), call.raw()) };
        resume_panic();
        Ok(check(status)? == raw::CT_OK)
    }

    /// Returns the key that the result of a call is stored under.
    pub fn key(&self, args: &A) -> Result<Vec<u8>> {
        let call = MemoCall {
            memo: self,
            args,
            error: Cell::new(None),
        };
        let mut key = Key::new()?;
        let status = unsafe {
            let builder = key.handle.as_ptr();
            raw::ct_memo_key(self.handle.as_ptr(), ptr::null_mut(), call.raw(), builder)
        };
        resume_panic();
        check(status)?;
        key.data().map(<[u8]>::to_vec)
    }

    pub fn info(&self) -> Result<MemoInfo> {
        let mut info: MemoInfo = unsafe { std::mem::zeroed() };
        info.struct_size = size_of::<MemoInfo>();
        let memo = self.handle.as_ptr();
        check(unsafe { raw::ct_memo_info(memo, ptr::null_mut(), &mut info) })?;
        Ok(info)
    }

    /// The cache that keeps the results.
    pub fn cache(&self) -> &Cache {
        match &self.cache {
            MemoCache::Own(cache) => cache,
            MemoCache::Shared(cache) => cache,
        }
    }

    /// Counts from zero again; results stay.
    pub fn forget(&self) {
        unsafe { raw::ct_memo_forget(self.handle.as_ptr(), ptr::null_mut()) }
    }

    /// Empties the cache, and counts from zero again.
    pub fn clear(&self) -> Result<()> {
        let status = unsafe { raw::ct_memo_clear(self.handle.as_ptr(), ptr::null_mut()) };
        resume_panic();
        check(status).map(drop)
    }
}

impl<A: ?Sized, E> MemoCall<'_, A, E> {
    fn raw(&self) -> *const c_void {
        self as *const _ as *const c_void
    }
}

impl<A: ?Sized, E> Drop for Memo<A, E> {
    fn drop(&mut self) {
        unsafe { raw::ct_memo_free(self.handle.as_ptr()) };
        if let MemoCache::Own(cache) = &mut self.cache {
            cache.keep.0.take();
        }
        resume_panic_in_drop();
    }
}

// ---- What the library calls ---------------------------------------------------------------------

mod trampolines {
    use super::*;

    unsafe fn callbacks<'a>(user_data: *mut c_void) -> &'a Callbacks {
        &*user_data.cast()
    }

    pub unsafe extern "C" fn timer(user_data: *mut c_void) -> u64 {
        guard(0, || callbacks(user_data).timer.as_ref().unwrap()())
    }

    pub unsafe extern "C" fn ttu(
        user_data: *mut c_void,
        key: *const c_void,
        key_size: usize,
        value: *const c_void,
        value_size: usize,
        now: u64,
    ) -> u64 {
        guard(NEVER, || {
            let ttu = callbacks(user_data).ttu.as_ref().unwrap();
            ttu(bytes(key, key_size), bytes(value, value_size), now)
        })
    }

    pub unsafe extern "C" fn weigher(
        user_data: *mut c_void,
        key: *const c_void,
        key_size: usize,
        value: *const c_void,
        value_size: usize,
    ) -> u64 {
        // If the weigher panics, the entry is refused as too large.
        guard(UNBOUNDED, || {
            let weigher = callbacks(user_data).weigher.as_ref().unwrap();
            weigher(bytes(key, key_size), bytes(value, value_size))
        })
    }

    pub unsafe extern "C" fn choice(user_data: *mut c_void, count: u64) -> u64 {
        guard(0, || callbacks(user_data).choice.as_ref().unwrap()(count))
    }

    pub unsafe extern "C" fn listener(user_data: *mut c_void, event: *const raw::ct_event) {
        guard((), || {
            callbacks(user_data).listener.as_ref().unwrap()(&Event::from_raw(&*event))
        })
    }

    pub unsafe extern "C" fn drop(user_data: *mut c_void, value: *const c_void, size: usize) {
        guard((), || {
            callbacks(user_data).drop.as_ref().unwrap()(bytes(value, size))
        })
    }

    pub unsafe extern "C" fn alloc(ctx: *mut c_void, size: usize, align: usize) -> *mut c_void {
        guard(ptr::null_mut(), || {
            match Layout::from_size_align(size, align) {
                Ok(layout) => callbacks(ctx)
                    .allocator
                    .as_ref()
                    .unwrap()
                    .alloc(layout)
                    .cast(),
                Err(_) => ptr::null_mut(),
            }
        })
    }

    pub unsafe extern "C" fn free(ctx: *mut c_void, ptr: *mut c_void, size: usize, align: usize) {
        guard((), || {
            let layout = Layout::from_size_align_unchecked(size, align);
            callbacks(ctx)
                .allocator
                .as_ref()
                .unwrap()
                .dealloc(ptr.cast(), layout)
        })
    }

    type State = Box<dyn EvictionPolicy>;

    unsafe fn policy<'a>(state: *mut c_void) -> &'a mut State {
        &mut *state.cast()
    }

    pub unsafe extern "C" fn state_new(user_data: *mut c_void, maxsize: u64) -> *mut c_void {
        guard(ptr::null_mut(), || {
            let state: State = callbacks(user_data).policy.as_ref().unwrap()(maxsize);
            Box::into_raw(Box::new(state)).cast()
        })
    }

    pub unsafe extern "C" fn state_free(state: *mut c_void) {
        guard((), || std::mem::drop(Box::from_raw(state.cast::<State>())))
    }

    pub unsafe extern "C" fn on_insert(
        state: *mut c_void,
        id: u32,
        weight: u64,
        key: *const c_void,
        key_size: usize,
        now: u64,
    ) {
        guard((), || {
            policy(state).insert(id, weight, bytes(key, key_size), now)
        })
    }

    pub unsafe extern "C" fn on_update(
        state: *mut c_void,
        id: u32,
        weight: u64,
        key: *const c_void,
        key_size: usize,
        now: u64,
    ) {
        guard((), || {
            policy(state).update(id, weight, bytes(key, key_size), now)
        })
    }

    pub unsafe extern "C" fn on_hit(state: *mut c_void, id: u32, now: u64) {
        guard((), || policy(state).hit(id, now))
    }

    pub unsafe extern "C" fn on_remove(state: *mut c_void, id: u32) {
        guard((), || policy(state).remove(id))
    }

    pub unsafe extern "C" fn on_resize(state: *mut c_void, maxsize: u64) {
        guard((), || policy(state).resize(maxsize))
    }

    pub unsafe extern "C" fn victim(state: *mut c_void) -> u32 {
        guard(u32::MAX, || policy(state).victim()) // no entry has this id: CT_ERR_CALLBACK
    }

    pub unsafe extern "C" fn on_reweigh(state: *mut c_void, id: u32, weight: u64) {
        guard((), || policy(state).reweigh(id, weight))
    }

    pub unsafe extern "C" fn memo_fn<A: ?Sized, E>(
        user_data: *mut c_void,
        _self: *mut c_void,
        args: *const c_void,
        result: *mut raw::ct_result,
    ) -> raw::ct_status {
        let functions = &*user_data.cast::<MemoFunctions<A, E>>();
        let call = &*args.cast::<MemoCall<'_, A, E>>();
        guard(CALLBACK_FAILED, || {
            let mut error = None;
            let found = (functions.function)(call.memo, call.args);
            let mut output = Output {
                raw: result,
                _call: PhantomData,
            };
            let status = output.finish(found, &mut error);
            call.error.set(error);
            status
        })
    }

    pub unsafe extern "C" fn memo_key<A: ?Sized, E>(
        user_data: *mut c_void,
        _self: *mut c_void,
        args: *const c_void,
        key: *mut raw::ct_key,
    ) -> raw::ct_status {
        let functions = &*user_data.cast::<MemoFunctions<A, E>>();
        let call = &*args.cast::<MemoCall<'_, A, E>>();
        guard(CALLBACK_FAILED, || {
            let mut lent = KeyRef {
                handle: NonNull::new_unchecked(key),
                _lent: PhantomData,
            };
            (functions.key)(call.args, &mut lent);
            raw::CT_OK
        })
    }
}

// ---- The header ---------------------------------------------------------------------------------

/// The declarations of cachetools.h; check_declarations.py compares both.
#[allow(non_camel_case_types)]
pub mod raw {
    use std::ffi::c_void;
    use std::marker::{PhantomData, PhantomPinned};
    use std::os::raw::c_char;

    /// An int32_t, because callbacks add statuses of their own.
    pub type ct_status = i32;
    pub const CT_ERR_CALLBACK: ct_status = -10;
    pub const CT_ERR_UNSUPPORTED: ct_status = -9;
    pub const CT_ERR_INTERNAL: ct_status = -8;
    pub const CT_ERR_IO: ct_status = -7;
    pub const CT_ERR_CORRUPT: ct_status = -6;
    pub const CT_ERR_RECURSION: ct_status = -5;
    pub const CT_ERR_BUFFER: ct_status = -4;
    pub const CT_ERR_TOO_LARGE: ct_status = -3;
    pub const CT_ERR_NOMEM: ct_status = -2;
    pub const CT_ERR_INVALID: ct_status = -1;
    pub const CT_OK: ct_status = 0;
    pub const CT_MISS: ct_status = 1;
    pub const CT_EXISTS: ct_status = 2;
    pub const CT_NOT_STORED: ct_status = 3;
    pub const CT_LEASED: ct_status = 4;
    pub const CT_BUSY: ct_status = 5;
    pub const CT_END: ct_status = 6;

    pub type ct_policy = i32;
    pub const CT_POLICY_LRU: ct_policy = 0;
    pub const CT_POLICY_FIFO: ct_policy = 1;
    pub const CT_POLICY_LFU: ct_policy = 2;
    pub const CT_POLICY_RR: ct_policy = 3;
    pub const CT_POLICY_TTL: ct_policy = 4;
    pub const CT_POLICY_TLRU: ct_policy = 5;
    pub const CT_POLICY_ANY: ct_policy = 6;
    pub const CT_POLICY_MRU: ct_policy = 7;
    pub const CT_POLICY_CLOCK: ct_policy = 8;
    pub const CT_POLICY_SIEVE: ct_policy = 9;
    pub const CT_POLICY_S3FIFO: ct_policy = 10;
    pub const CT_POLICY_WTINYLFU: ct_policy = 11;
    pub const CT_POLICY_ARC: ct_policy = 12;
    pub const CT_POLICY_CUSTOM: ct_policy = 63;

    pub const CT_WEIGHT_COUNT: i32 = 0;
    pub const CT_WEIGHT_VALUE: i32 = 1;
    pub const CT_WEIGHT_MEMORY: i32 = 2;

    pub const CT_CAUSE_EVICTED: i32 = 0;
    pub const CT_CAUSE_EXPIRED: i32 = 1;
    pub const CT_CAUSE_REPLACED: i32 = 2;
    pub const CT_CAUSE_REMOVED: i32 = 3;
    pub const CT_CAUSE_CLEARED: i32 = 4;

    pub const CT_ORDER_ANY: i32 = 0;
    pub const CT_ORDER_COLDEST: i32 = 1;
    pub const CT_ORDER_HOTTEST: i32 = 2;

    pub const CT_NEVER: u64 = u64::MAX;
    pub const CT_UNBOUNDED: u64 = u64::MAX;
    pub const CT_NOW: u64 = u64::MAX;

    pub const CT_FLAG_SINGLE_THREADED: u32 = 1;
    pub const CT_FLAG_NO_STATS: u32 = 2;
    pub const CT_FLAG_PRECISE_CLOCK: u32 = 4;
    pub const CT_FLAG_KEEP_NOTHING: u32 = 8;

    pub const CT_ENTRY_TTL: u32 = 1;
    pub const CT_ENTRY_DEADLINE: u32 = 2;
    pub const CT_ENTRY_WEIGHT: u32 = 4;
    pub const CT_ENTRY_IF_ABSENT: u32 = 8;
    pub const CT_ENTRY_IF_PRESENT: u32 = 16;

    pub const CT_KEY_TYPED: u32 = 1;
    pub const CT_MEMO_TYPED: u32 = 1;
    pub const CT_MEMO_RACE: u32 = 2;
    pub const CT_INFO_NO_CACHE: u32 = 1;

    pub const CT_SNAPSHOT_AGED: u32 = 1;

    /// Opaque types, which Rust neither makes nor moves, and which are not Send or Sync by
    /// themselves.
    macro_rules! opaque {
        ($($name:ident)*) => {$(
            #[repr(C)]
            pub struct $name {
                _data: [u8; 0],
                _marker: PhantomData<(*mut u8, PhantomPinned)>,
            }
        )*};
    }
    opaque!(ct_cache ct_iter ct_result ct_lease ct_key ct_memo);

    #[repr(C)]
    #[derive(Clone, Copy)]
    pub struct ct_bytes {
        pub data: *const c_void,
        pub size: usize,
    }

    impl ct_bytes {
        pub const EMPTY: ct_bytes = ct_bytes {
            data: std::ptr::null(),
            size: 0,
        };
        pub fn of(slice: &[u8]) -> ct_bytes {
            ct_bytes {
                data: slice.as_ptr().cast(),
                size: slice.len(),
            }
        }
    }

    #[repr(C)]
    #[derive(Clone, Copy)]
    pub struct ct_value {
        pub data: *const c_void,
        pub size: usize,
        pub pin: u64,
    }

    impl ct_value {
        pub const EMPTY: ct_value = ct_value {
            data: std::ptr::null(),
            size: 0,
            pin: 0,
        };
    }

    #[repr(C)]
    pub struct ct_event {
        pub key: ct_bytes,
        pub value: ct_bytes,
        pub weight: u64,
        pub cause: i32,
        pub reserved: u32,
    }

    pub type ct_timer_fn = Option<unsafe extern "C" fn(*mut c_void) -> u64>;
    pub type ct_ttu_fn = Option<
        unsafe extern "C" fn(*mut c_void, *const c_void, usize, *const c_void, usize, u64) -> u64,
    >;
    pub type ct_weigher_fn = Option<
        unsafe extern "C" fn(*mut c_void, *const c_void, usize, *const c_void, usize) -> u64,
    >;
    pub type ct_choice_fn = Option<unsafe extern "C" fn(*mut c_void, u64) -> u64>;
    pub type ct_listener_fn = Option<unsafe extern "C" fn(*mut c_void, *const ct_event)>;
    pub type ct_drop_fn = Option<unsafe extern "C" fn(*mut c_void, *const c_void, usize)>;
    pub type ct_match_fn = Option<
        unsafe extern "C" fn(*mut c_void, *const c_void, usize, *const c_void, usize) -> bool,
    >;
    pub type ct_visit_fn = Option<unsafe extern "C" fn(*mut c_void, *const ct_event)>;
    pub type ct_loader_fn = Option<
        unsafe extern "C" fn(*mut c_void, *const c_void, usize, *mut ct_result) -> ct_status,
    >;
    pub type ct_compute_fn = Option<
        unsafe extern "C" fn(
            *mut c_void,
            *const c_void,
            usize,
            *const ct_bytes,
            *mut ct_result,
        ) -> ct_status,
    >;
    pub type ct_write_fn =
        Option<unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> ct_status>;
    pub type ct_read_fn =
        Option<unsafe extern "C" fn(*mut c_void, *mut c_void, usize, *mut usize) -> ct_status>;
    pub type ct_memo_fn = Option<
        unsafe extern "C" fn(*mut c_void, *mut c_void, *const c_void, *mut ct_result) -> ct_status,
    >;
    pub type ct_memo_key_fn = Option<
        unsafe extern "C" fn(*mut c_void, *mut c_void, *const c_void, *mut ct_key) -> ct_status,
    >;
    pub type ct_memo_cache_fn =
        Option<unsafe extern "C" fn(*mut c_void, *mut c_void) -> *mut ct_cache>;

    #[repr(C)]
    #[derive(Clone, Copy)]
    pub struct ct_allocator {
        pub struct_size: usize,
        pub alloc: Option<unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void>,
        pub free: Option<unsafe extern "C" fn(*mut c_void, *mut c_void, usize, usize)>,
        pub ctx: *mut c_void,
    }

    #[repr(C)]
    #[derive(Clone, Copy)]
    pub struct ct_policy_ops {
        pub struct_size: usize,
        pub state_new: Option<unsafe extern "C" fn(*mut c_void, u64) -> *mut c_void>,
        pub state_free: Option<unsafe extern "C" fn(*mut c_void)>,
        pub on_insert:
            Option<unsafe extern "C" fn(*mut c_void, u32, u64, *const c_void, usize, u64)>,
        pub on_update:
            Option<unsafe extern "C" fn(*mut c_void, u32, u64, *const c_void, usize, u64)>,
        pub on_hit: Option<unsafe extern "C" fn(*mut c_void, u32, u64)>,
        pub on_remove: Option<unsafe extern "C" fn(*mut c_void, u32)>,
        pub on_clear: Option<unsafe extern "C" fn(*mut c_void)>,
        pub on_resize: Option<unsafe extern "C" fn(*mut c_void, u64)>,
        pub victim: Option<unsafe extern "C" fn(*mut c_void) -> u32>,
        pub on_reweigh: Option<unsafe extern "C" fn(*mut c_void, u32, u64)>,
    }

    #[repr(C)]
    #[derive(Clone, Copy)]
    pub struct ct_options {
        pub struct_size: usize,
        pub policy: i32,
        pub weight_kind: i32,
        pub maxsize: u64,
        pub shards: u32,
        pub flags: u32,
        pub ttl: u64,
        pub tti: u64,
        pub seed: u64,
        pub user_data: *mut c_void,
        pub timer: ct_timer_fn,
        pub ttu: ct_ttu_fn,
        pub weigher: ct_weigher_fn,
        pub choice: ct_choice_fn,
        pub listener: ct_listener_fn,
        pub drop: ct_drop_fn,
        pub custom: *const ct_policy_ops,
        pub allocator: *const ct_allocator,
    }

    #[repr(C)]
    #[derive(Clone, Copy)]
    pub struct ct_entry_options {
        pub struct_size: usize,
        pub flags: u32,
        pub reserved: u32,
        pub ttl: u64,
        pub deadline: u64,
        pub weight: u64,
    }

    #[repr(C)]
    #[derive(Clone, Copy, Debug)]
    pub struct ct_entry_info {
        pub struct_size: usize,
        pub weight: u64,
        pub deadline: u64,
        pub remaining: u64,
        pub frequency: u64,
        pub key_size: u64,
        pub value_size: u64,
    }

    #[repr(C)]
    #[derive(Clone, Copy)]
    pub struct ct_memo_options {
        pub struct_size: usize,
        pub flags: u32,
        pub reserved: u32,
        pub user_data: *mut c_void,
        pub fn_: ct_memo_fn,
        pub key: ct_memo_key_fn,
        pub cache: *mut ct_cache,
        pub cache_of: ct_memo_cache_fn,
        pub own: *const ct_options,
        pub prefix: *const c_void,
        pub prefix_size: usize,
    }

    #[repr(C)]
    #[derive(Clone, Copy, Debug)]
    pub struct ct_cache_info {
        pub struct_size: usize,
        pub hits: u64,
        pub misses: u64,
        pub maxsize: u64,
        pub currsize: u64,
        pub flags: u32,
        pub reserved: u32,
    }

    #[repr(C)]
    #[derive(Clone, Copy, Debug)]
    pub struct ct_stats {
        pub struct_size: usize,
        pub hits: u64,
        pub misses: u64,
        pub inserts: u64,
        pub updates: u64,
        pub evictions: u64,
        pub evicted_weight: u64,
        pub expirations: u64,
        pub removals: u64,
        pub rejections: u64,
        pub loads: u64,
        pub load_failures: u64,
        pub load_ticks: u64,
        pub waits: u64,
        pub pinned: u64,
    }

    #[link(name = "cachetools")]
    extern "C" {
        pub fn ct_version() -> u32;
        pub fn ct_version_string() -> *const c_char;
        pub fn ct_status_name(status: ct_status) -> *const c_char;
        pub fn ct_status_message(status: ct_status) -> *const c_char;
        pub fn ct_policy_name(policy: ct_policy) -> *const c_char;
        pub fn ct_policy_from_name(name: *const c_char, out: *mut ct_policy) -> ct_status;

        pub fn ct_value_release(value: *mut ct_value);
        pub fn ct_value_ref(value: *const ct_value, out: *mut ct_value) -> ct_status;

        pub fn ct_options_problem(options: *const ct_options) -> *const c_char;
        pub fn ct_cache_new_with(options: *const ct_options, out: *mut *mut ct_cache) -> ct_status;
        pub fn ct_cache_options(cache: *const ct_cache, out: *mut ct_options) -> ct_status;
        pub fn ct_cache_free(cache: *mut ct_cache);

        pub fn ct_get(
            cache: *mut ct_cache,
            key: *const c_void,
            key_size: usize,
            out: *mut ct_value,
        ) -> ct_status;
        pub fn ct_get_copy(
            cache: *mut ct_cache,
            key: *const c_void,
            key_size: usize,
            buffer: *mut c_void,
            capacity: usize,
            size: *mut usize,
        ) -> ct_status;
        pub fn ct_peek(
            cache: *mut ct_cache,
            key: *const c_void,
            key_size: usize,
            out: *mut ct_value,
        ) -> ct_status;
        pub fn ct_contains(cache: *mut ct_cache, key: *const c_void, key_size: usize) -> bool;
        pub fn ct_set(
            cache: *mut ct_cache,
            key: *const c_void,
            key_size: usize,
            value: *const c_void,
            value_size: usize,
        ) -> ct_status;
        pub fn ct_set_ttl(
            cache: *mut ct_cache,
            key: *const c_void,
            key_size: usize,
            value: *const c_void,
            value_size: usize,
            ttl: u64,
        ) -> ct_status;
        pub fn ct_set_with(
            cache: *mut ct_cache,
            key: *const c_void,
            key_size: usize,
            value: *const c_void,
            value_size: usize,
            options: *const ct_entry_options,
        ) -> ct_status;
        pub fn ct_setdefault(
            cache: *mut ct_cache,
            key: *const c_void,
            key_size: usize,
            value: *const c_void,
            value_size: usize,
            out: *mut ct_value,
        ) -> ct_status;
        pub fn ct_pop(
            cache: *mut ct_cache,
            key: *const c_void,
            key_size: usize,
            out: *mut ct_value,
        ) -> ct_status;
        pub fn ct_delete(cache: *mut ct_cache, key: *const c_void, key_size: usize) -> ct_status;
        pub fn ct_popitem(
            cache: *mut ct_cache,
            key: *mut ct_value,
            value: *mut ct_value,
        ) -> ct_status;
        pub fn ct_clear(cache: *mut ct_cache) -> ct_status;
        pub fn ct_remove_if(
            cache: *mut ct_cache,
            matches: ct_match_fn,
            user_data: *mut c_void,
        ) -> u64;

        pub fn ct_get_many(
            cache: *mut ct_cache,
            keys: *const ct_bytes,
            count: usize,
            values: *mut ct_value,
            statuses: *mut ct_status,
        ) -> ct_status;
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
        pub fn ct_set_many(
            cache: *mut ct_cache,
            data: *const c_void,
            ends: *const usize,
            count: usize,
            options: *const ct_entry_options,
            statuses: *mut ct_status,
        ) -> ct_status;

        pub fn ct_len(cache: *mut ct_cache) -> u64;
        pub fn ct_currsize(cache: *mut ct_cache) -> u64;
        pub fn ct_maxsize(cache: *const ct_cache) -> u64;
        pub fn ct_memory(cache: *const ct_cache) -> u64;
        pub fn ct_resize(cache: *mut ct_cache, maxsize: u64) -> ct_status;
        pub fn ct_set_lifetime(
            cache: *mut ct_cache,
            key: *const c_void,
            key_size: usize,
            ttl: u64,
        ) -> ct_status;
        pub fn ct_inspect(
            cache: *mut ct_cache,
            key: *const c_void,
            key_size: usize,
            out: *mut ct_entry_info,
        ) -> ct_status;
        pub fn ct_expire(
            cache: *mut ct_cache,
            now: u64,
            visit: ct_visit_fn,
            user_data: *mut c_void,
        ) -> u64;
        pub fn ct_cache_stats(cache: *const ct_cache, out: *mut ct_stats) -> ct_status;
        pub fn ct_cache_stats_reset(cache: *mut ct_cache) -> ct_status;

        pub fn ct_iter_new(cache: *mut ct_cache, order: i32, out: *mut *mut ct_iter) -> ct_status;
        pub fn ct_iter_next(
            iter: *mut ct_iter,
            key: *mut ct_bytes,
            value: *mut ct_bytes,
        ) -> ct_status;
        pub fn ct_iter_free(iter: *mut ct_iter);

        pub fn ct_snapshot_save(
            cache: *mut ct_cache,
            write: ct_write_fn,
            user_data: *mut c_void,
        ) -> ct_status;
        pub fn ct_snapshot_load(
            cache: *mut ct_cache,
            read: ct_read_fn,
            user_data: *mut c_void,
        ) -> ct_status;
        pub fn ct_snapshot_load_with(
            cache: *mut ct_cache,
            read: ct_read_fn,
            user_data: *mut c_void,
            flags: u32,
        ) -> ct_status;
        pub fn ct_snapshot_save_file(cache: *mut ct_cache, path: *const c_char) -> ct_status;
        pub fn ct_snapshot_load_file(cache: *mut ct_cache, path: *const c_char) -> ct_status;
        pub fn ct_snapshot_load_file_with(
            cache: *mut ct_cache,
            path: *const c_char,
            flags: u32,
        ) -> ct_status;

        pub fn ct_result_set(result: *mut ct_result, data: *const c_void, size: usize)
            -> ct_status;
        pub fn ct_result_ttl(result: *mut ct_result, ttl: u64);
        pub fn ct_result_deadline(result: *mut ct_result, deadline: u64);
        pub fn ct_result_weight(result: *mut ct_result, weight: u64);
        pub fn ct_result_discard(result: *mut ct_result);
        pub fn ct_get_or_load(
            cache: *mut ct_cache,
            key: *const c_void,
            key_size: usize,
            load: ct_loader_fn,
            user_data: *mut c_void,
            out: *mut ct_value,
        ) -> ct_status;
        pub fn ct_get_or_lease(
            cache: *mut ct_cache,
            key: *const c_void,
            key_size: usize,
            wait_ns: u64,
            out: *mut ct_value,
            lease: *mut *mut ct_lease,
        ) -> ct_status;
        pub fn ct_lease_fulfil(
            lease: *mut ct_lease,
            value: *const c_void,
            value_size: usize,
            options: *const ct_entry_options,
            out: *mut ct_value,
        ) -> ct_status;
        pub fn ct_lease_abandon(lease: *mut ct_lease);
        pub fn ct_lease_key(lease: *const ct_lease, out: *mut ct_bytes);
        pub fn ct_compute(
            cache: *mut ct_cache,
            key: *const c_void,
            key_size: usize,
            compute: ct_compute_fn,
            user_data: *mut c_void,
            out: *mut ct_value,
        ) -> ct_status;

        pub fn ct_key_new(flags: u32) -> *mut ct_key;
        pub fn ct_key_reset(key: *mut ct_key);
        pub fn ct_key_free(key: *mut ct_key);
        pub fn ct_key_null(key: *mut ct_key);
        pub fn ct_key_bool(key: *mut ct_key, value: bool);
        pub fn ct_key_int(key: *mut ct_key, value: i64);
        pub fn ct_key_uint(key: *mut ct_key, value: u64);
        pub fn ct_key_double(key: *mut ct_key, value: f64);
        pub fn ct_key_text(key: *mut ct_key, text: *const c_char, size: usize);
        pub fn ct_key_bytes(key: *mut ct_key, data: *const c_void, size: usize);
        pub fn ct_key_tuple_begin(key: *mut ct_key);
        pub fn ct_key_tuple_end(key: *mut ct_key);
        pub fn ct_key_name(key: *mut ct_key, name: *const c_char, size: usize);
        pub fn ct_key_data(
            key: *mut ct_key,
            data: *mut *const c_void,
            size: *mut usize,
        ) -> ct_status;

        pub fn ct_memo_new(options: *const ct_memo_options, out: *mut *mut ct_memo) -> ct_status;
        pub fn ct_memo_free(memo: *mut ct_memo);
        pub fn ct_memo_call(
            memo: *mut ct_memo,
            object: *mut c_void,
            args: *const c_void,
            out: *mut ct_value,
        ) -> ct_status;
        pub fn ct_memo_key(
            memo: *mut ct_memo,
            object: *mut c_void,
            args: *const c_void,
            key: *mut ct_key,
        ) -> ct_status;
        pub fn ct_memo_cache(memo: *mut ct_memo, object: *mut c_void) -> *mut ct_cache;
        pub fn ct_memo_invalidate(
            memo: *mut ct_memo,
            object: *mut c_void,
            args: *const c_void,
        ) -> ct_status;
        pub fn ct_memo_info(
            memo: *mut ct_memo,
            object: *mut c_void,
            out: *mut ct_cache_info,
        ) -> ct_status;
        pub fn ct_memo_clear(memo: *mut ct_memo, object: *mut c_void) -> ct_status;
        pub fn ct_memo_forget(memo: *mut ct_memo, object: *mut c_void);
    }
}
