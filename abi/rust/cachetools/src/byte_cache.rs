// SPDX-License-Identifier: MIT
//! The cache of bytes: reading, writing, removing, size and time.
use std::ffi::c_void;
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use cachetools_sys as sys;

use crate::builder::{Builder, Options};
use crate::callbacks::Callbacks;
use crate::entry::{EntryInfo, EntryOptions, Outcome};
use crate::error::{check, Error, Result};
use crate::event::ByteEvent;
use crate::panics::{self, guard};
use crate::policy::Policy;
use crate::stats::Stats;
use crate::time::ticks;
use crate::value::{at, bytes, Value};

/// A cache of byte strings, bounded by a policy. Any thread may use it at any time.
///
/// ```
/// use cachetools::{ByteCache, Policy};
///
/// # fn main() -> cachetools::Result<()> {
/// let cache = ByteCache::new(Policy::Sieve, 1000)?;
/// cache.insert("answer", "forty-two")?;
/// let value = cache.get("answer")?.expect("there is room");
/// assert_eq!(b"forty-two", &*value);
/// # Ok(())
/// # }
/// ```
pub struct ByteCache {
    handle: NonNull<sys::ct_cache>,
    callbacks: Option<Arc<Callbacks>>,
    /// How many walks and leases there are. They borrow the cache, but may be forgotten.
    open: AtomicUsize,
}

// SAFETY: the library lets any thread call any function; callbacks are Send and Sync. What is
// exclusive, freeing, takes the cache by value.
unsafe impl Send for ByteCache {}
// SAFETY: as Send.
unsafe impl Sync for ByteCache {}

impl Drop for ByteCache {
    fn drop(&mut self) {
        if self.is_free() {
            // SAFETY: no call is running, as none borrows the cache, and no walk or lease is left.
            unsafe { sys::ct_cache_free(self.raw()) };
            panics::resume_in_drop();
        }
    }
}

impl fmt::Debug for ByteCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteCache")
            .field("maxsize", &self.maxsize())
            .finish_non_exhaustive()
    }
}

// In what follows, every call into the library passes a cache that is alive, slices and out
// arguments that live for the call, and closures at user_data that the library calls during the call
// only, on this thread.

impl ByteCache {
    /// Makes a cache of at most `maxsize` entries; 0 is refused.
    pub fn new(policy: Policy, maxsize: u64) -> Result<ByteCache> {
        ByteCache::builder(policy, maxsize).build()
    }

    /// Begins to make a cache.
    pub fn builder(policy: Policy, maxsize: u64) -> Builder<ByteCache> {
        Builder::new(policy, maxsize)
    }

    /// Makes a cache with the same options and the same entries, in the order in which they would
    /// leave. Callbacks serve both. What runs, and what is remembered as missing, is not copied. A
    /// cache with [`on_drop`](Builder::on_drop) cannot be copied: [`Error::Unsupported`].
    pub fn try_clone(&self) -> Result<ByteCache> {
        let mut copy = ptr::null_mut();
        // SAFETY: see above.
        let status = unsafe { sys::ct_cache_copy(self.raw(), &mut copy) };
        let copy = NonNull::new(copy).map(|handle| {
            // SAFETY: the copy is this object's, and has the user_data of this cache.
            unsafe { ByteCache::from_raw(handle, self.callbacks.clone()) }
        });
        panics::resume();
        check(status)?;
        copy.ok_or(Error::Internal)
    }

    /// # Safety
    ///
    /// The handle is a cache's, which is this object's to free, and `callbacks` are its user_data.
    pub(crate) unsafe fn from_raw(
        handle: NonNull<sys::ct_cache>,
        callbacks: Option<Arc<Callbacks>>,
    ) -> ByteCache {
        ByteCache {
            handle,
            callbacks,
            open: AtomicUsize::new(0),
        }
    }

    /// Whether no walk and no lease is left. With one that was forgotten, the cache must not be
    /// freed, and is forgotten, too.
    pub(crate) fn is_free(&mut self) -> bool {
        *self.open.get_mut() == 0
    }

    /// Counts a walk or a lease that begins.
    pub(crate) fn open(&self) -> &ByteCache {
        self.open.fetch_add(1, Ordering::Relaxed);
        self
    }

    /// Counts a walk or a lease that has ended.
    pub(crate) fn close(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn raw(&self) -> *mut sys::ct_cache {
        self.handle.as_ptr()
    }

    /// Lets the callbacks go, of a cache that the library has freed.
    pub(crate) fn take_callbacks(&mut self) -> Option<Arc<Callbacks>> {
        self.callbacks.take()
    }

    /// Takes over a value that a call has read out, before anything else may fail.
    ///
    /// # Safety
    ///
    /// A call on this cache filled `raw` in, and nobody else releases it.
    #[inline]
    pub(crate) unsafe fn own(&self, raw: sys::ct_value) -> Value {
        let outlives = |it: &&Arc<Callbacks>| it.outlive_the_cache();
        let callbacks = self.callbacks.as_ref().filter(outlives).cloned();
        // SAFETY: the caller's promise.
        unsafe { Value::new(raw, callbacks) }
    }

    /// Returns the value that a call has read out, if any.
    ///
    /// # Safety
    ///
    /// As for `own`.
    #[inline]
    unsafe fn found(&self, status: sys::ct_status, value: sys::ct_value) -> Result<Option<Value>> {
        // SAFETY: the caller's promise.
        let value = unsafe { self.own(value) };
        panics::resume();
        let is_there = check(status)? == sys::CT_OK;
        Ok(Some(value).filter(|_| is_there))
    }

    /// Returns whether the call returned CT_OK.
    fn done(&self, status: sys::ct_status) -> Result<bool> {
        panics::resume();
        Ok(check(status)? == sys::CT_OK)
    }

    // -- Reading --

    /// Looks a key up. A hit is a use. Fails only for want of memory, and only beyond 65,000 pins on
    /// one entry.
    #[inline]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        let (key, mut value) = (key.as_ref(), sys::ct_value::EMPTY);
        // SAFETY: see above.
        unsafe {
            let status = sys::ct_get(self.raw(), at(key), key.len(), &mut value);
            self.found(status, value)
        }
    }

    /// Looks a key up without a trace: this is no use, and nothing is counted.
    pub fn peek(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        let (key, mut value) = (key.as_ref(), sys::ct_value::EMPTY);
        // SAFETY: see above.
        unsafe {
            let status = sys::ct_peek(self.raw(), at(key), key.len(), &mut value);
            self.found(status, value)
        }
    }

    /// Copies a value into the buffer, and returns how many bytes it has. If the buffer is too small
    /// for them, the error is [`Error::Buffer`]. Takes no lock, mostly.
    pub fn get_copy(&self, key: impl AsRef<[u8]>, buffer: &mut [u8]) -> Result<Option<usize>> {
        let (key, mut size) = (key.as_ref(), 0);
        let (data, capacity) = (buffer.as_mut_ptr().cast(), buffer.len());
        // SAFETY: see above.
        let status =
            unsafe { sys::ct_get_copy(self.raw(), at(key), key.len(), data, capacity, &mut size) };
        let is_there = self.done(status)?;
        Ok(Some(size).filter(|_| is_there))
    }

    /// Returns whether a key is there. This is no use.
    pub fn contains(&self, key: impl AsRef<[u8]>) -> bool {
        let key = key.as_ref();
        // SAFETY: see above.
        let is_there = unsafe { sys::ct_contains(self.raw(), at(key), key.len()) };
        panics::resume();
        is_there
    }

    // -- Writing --

    /// Stores a value in place of the old one.
    pub fn insert(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Outcome> {
        let status = self.store(key.as_ref(), value.as_ref(), None, None);
        panics::resume();
        Outcome::from_status(status)
    }

    /// Stores a value with a lifetime, a weight or a condition of its own.
    pub fn insert_with(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        options: &EntryOptions,
    ) -> Result<Outcome> {
        let status = self.store(key.as_ref(), value.as_ref(), Some(options), None);
        panics::resume();
        self.outcome(status, Some(options), None)
    }

    /// Stores a value only if the key still has the very value that was seen: equal bytes that were
    /// stored later are another one. This is compare-and-swap. Options have no other condition.
    ///
    /// ```
    /// # use cachetools::{ByteCache, EntryOptions, Outcome, Policy};
    /// # fn main() -> cachetools::Result<()> {
    /// # let cache = ByteCache::new(Policy::Lru, 10)?;
    /// cache.insert("answer", "41")?;
    /// let seen = cache.get("answer")?.expect("there is room");
    /// let options = EntryOptions::new().keep_ttl();
    /// assert_eq!(Outcome::Stored, cache.insert_if_same("answer", "42", &seen, &options)?);
    /// assert_eq!(Outcome::Exists, cache.insert_if_same("answer", "43", &seen, &options)?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn insert_if_same(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        seen: &Value,
        options: &EntryOptions,
    ) -> Result<Outcome> {
        let status = self.store(key.as_ref(), value.as_ref(), Some(options), Some(seen));
        panics::resume();
        self.outcome(status, Some(options), Some(seen))
    }

    /// Adds to a counter, as if at once, and returns the sum, which never overflows. A counter is a
    /// value of 8 bytes, an `i64` in the machine's order; another is [`Error::Unsupported`]. If the
    /// key is absent, stores `initial + delta`, for which the options count: a lifetime, a weight,
    /// tags. With [`EntryOptions::if_present`], returns `None` instead.
    ///
    /// A counter that is there keeps its lifetime. So this alone limits a rate, in windows that begin
    /// with their first request:
    ///
    /// ```
    /// # use cachetools::{ByteCache, EntryOptions, Policy};
    /// # use std::time::Duration;
    /// # fn main() -> cachetools::Result<()> {
    /// # let cache = ByteCache::new(Policy::Lru, 10)?;
    /// let window = EntryOptions::new().ttl(Duration::from_secs(60));
    /// let count = cache.add("client", 1, 0, &window)?;
    /// let is_allowed = count.map_or(true, |count| count <= 100);
    /// # assert!(is_allowed);
    /// # Ok(())
    /// # }
    /// ```
    pub fn add(
        &self,
        key: impl AsRef<[u8]>,
        delta: i64,
        initial: i64,
        options: &EntryOptions,
    ) -> Result<Option<i64>> {
        let (key, mut sum) = (key.as_ref(), 0);
        let status = options.with_raw(None, |options| {
            // SAFETY: see above.
            unsafe {
                let (cache, key, size) = (self.raw(), at(key), key.len());
                sys::ct_add(cache, key, size, delta, initial, options, &mut sum)
            }
        });
        panics::resume();
        let fewer = "options: a counter takes neither if_absent() nor keep_ttl().";
        let is_missing = options.check(self, None, status, fewer)? == sys::CT_MISS;
        Ok(Some(sum).filter(|_| !is_missing))
    }

    /// Stores a value. The caller resumes panics of callbacks.
    #[inline]
    pub(crate) fn store(
        &self,
        key: &[u8],
        value: &[u8],
        options: Option<&EntryOptions>,
        same: Option<&Value>,
    ) -> sys::ct_status {
        let (cache, key, key_size) = (self.raw(), at(key), key.len());
        let (value, value_size) = (at(value), value.len());
        match options {
            // SAFETY: see above.
            None => unsafe { sys::ct_set(cache, key, key_size, value, value_size) },
            // SAFETY: see above.
            Some(options) => options.with_raw(same, |options| unsafe {
                sys::ct_set_with(cache, key, key_size, value, value_size, options)
            }),
        }
    }

    /// What became of a value that was to be stored.
    #[inline]
    pub(crate) fn outcome(
        &self,
        status: sys::ct_status,
        options: Option<&EntryOptions>,
        same: Option<&Value>,
    ) -> Result<Outcome> {
        match options {
            None => Outcome::from_status(status),
            Some(options) => options.check(self, same, status, "").map(Outcome::of),
        }
    }

    /// Reads a key, and stores the given value first if the key is absent. All callers at the same
    /// time get the same value.
    pub fn get_or_insert(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Value> {
        let (key, value, mut out) = (key.as_ref(), value.as_ref(), sys::ct_value::EMPTY);
        // SAFETY: see above.
        let status = unsafe {
            sys::ct_setdefault(
                self.raw(),
                at(key),
                key.len(),
                at(value),
                value.len(),
                &mut out,
            )
        };
        // SAFETY: that call filled it in.
        let out = unsafe { self.own(out) };
        panics::resume();
        check(status).map(|_| out)
    }

    // -- Removing --

    /// Removes an entry, and returns its value. Fails only for want of memory, and only beyond
    /// 65,000 pins on one entry.
    pub fn pop(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        let (key, mut value) = (key.as_ref(), sys::ct_value::EMPTY);
        // SAFETY: see above.
        unsafe {
            let status = sys::ct_pop(self.raw(), at(key), key.len(), &mut value);
            self.found(status, value)
        }
    }

    /// Removes an entry. Returns whether there was one.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> bool {
        let key = key.as_ref();
        // SAFETY: see above.
        let status = unsafe { sys::ct_delete(self.raw(), at(key), key.len()) };
        panics::resume();
        status == sys::CT_OK // the only failure is a key that is too long to be there
    }

    /// Removes an entry if the key still has the very value that was seen. Returns whether it had.
    pub fn remove_if_same(&self, key: impl AsRef<[u8]>, seen: &Value) -> bool {
        let key = key.as_ref();
        // SAFETY: see above.
        let status = unsafe { sys::ct_delete_if(self.raw(), at(key), key.len(), seen.raw()) };
        panics::resume();
        status == sys::CT_OK
    }

    /// Ends all values that carry a [tag](EntryOptions::tag), at once, whatever their keys are. What
    /// is loaded or computed from what was there before is not kept, either, if it carries the tag.
    /// Fails only for a tag of 2^32 bytes or more.
    ///
    /// ```
    /// # use cachetools::{ByteCache, EntryOptions, Policy};
    /// # fn main() -> cachetools::Result<()> {
    /// # let cache = ByteCache::new(Policy::Lru, 10)?;
    /// let made_of = EntryOptions::new().tag("product:17").tag("template:4");
    /// cache.insert_with("/shoes", "<h1>Shoes</h1>", &made_of)?;
    /// cache.invalidate_tag("product:17")?;
    /// assert!(!cache.contains("/shoes"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn invalidate_tag(&self, tag: impl AsRef<[u8]>) -> Result<()> {
        let tag = tag.as_ref();
        // SAFETY: see above.
        let status = unsafe { sys::ct_invalidate_tag(self.raw(), at(tag), tag.len(), 0) };
        self.done(status).map(drop)
    }

    /// Removes the policy's next victim, and returns its key and value.
    pub fn pop_victim(&self) -> Result<Option<(Value, Value)>> {
        let (mut key, mut value) = (sys::ct_value::EMPTY, sys::ct_value::EMPTY);
        // SAFETY: see above.
        let status = unsafe { sys::ct_popitem(self.raw(), &mut key, &mut value) };
        // SAFETY: that call filled them in.
        let pair = unsafe { (self.own(key), self.own(value)) };
        let is_there = self.done(status)?;
        Ok(Some(pair).filter(|_| is_there))
    }

    /// Removes all entries. Those that others store meanwhile may stay.
    pub fn clear(&self) {
        // SAFETY: see above.
        let status = unsafe { sys::ct_clear(self.raw()) };
        panics::resume();
        debug_assert_eq!(sys::CT_OK, status); // there is no failure but a null pointer
    }

    /// Removes all entries whose key and value match, and returns how many.
    pub fn remove_if<F: FnMut(&[u8], &[u8]) -> bool>(&self, mut matches: F) -> u64 {
        unsafe extern "C" fn run<F: FnMut(&[u8], &[u8]) -> bool>(
            user_data: *mut c_void,
            key: *const c_void,
            key_size: usize,
            value: *const c_void,
            value_size: usize,
        ) -> bool {
            // SAFETY: user_data is the closure below; key and value are lent for this call.
            let (matches, key, value) = unsafe {
                (
                    &mut *user_data.cast::<F>(),
                    bytes(key, key_size),
                    bytes(value, value_size),
                )
            };
            guard(false, || matches(key, value))
        }
        let user_data = &mut matches as *mut F as *mut c_void;
        // SAFETY: see above.
        let removed = unsafe { sys::ct_remove_if(self.raw(), Some(run::<F>), user_data) };
        panics::resume();
        removed
    }

    // -- Size --

    /// Counts the entries, after removing those that have expired.
    pub fn len(&self) -> usize {
        // SAFETY: see above.
        let length = unsafe { sys::ct_len(self.raw()) };
        panics::resume();
        length as usize // entries are in memory
    }

    /// Returns whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sums the weights, after removing the entries that have expired.
    pub fn weight(&self) -> u64 {
        // SAFETY: see above.
        let weight = unsafe { sys::ct_currsize(self.raw()) };
        panics::resume();
        weight
    }

    /// The limit, in units of weight.
    pub fn maxsize(&self) -> u64 {
        // SAFETY: see above.
        unsafe { sys::ct_maxsize(self.raw()) }
    }

    /// The bytes of memory held in all.
    pub fn memory(&self) -> u64 {
        // SAFETY: see above.
        unsafe { sys::ct_memory(self.raw()) }
    }

    /// Sets another limit, and evicts until it holds. Fails only if a policy of your own does.
    pub fn resize(&self, maxsize: u64) -> Result<()> {
        // SAFETY: see above.
        self.done(unsafe { sys::ct_resize(self.raw(), maxsize) })
            .map(drop)
    }

    // -- Time --

    /// Gives an entry another lifetime from now on, and returns whether it is there.
    pub fn set_lifetime(&self, key: impl AsRef<[u8]>, ttl: Duration) -> Result<bool> {
        let key = key.as_ref();
        // SAFETY: see above.
        self.done(unsafe { sys::ct_set_lifetime(self.raw(), at(key), key.len(), ticks(ttl)) })
    }

    /// Returns what is known of an entry. This is no use.
    pub fn inspect(&self, key: impl AsRef<[u8]>) -> Option<EntryInfo> {
        let (key, mut info) = (key.as_ref(), EntryInfo::empty());
        // SAFETY: see above.
        let status = unsafe { sys::ct_inspect(self.raw(), at(key), key.len(), &mut info) };
        panics::resume();
        Some(EntryInfo::from_raw(&info)).filter(|_| status == sys::CT_OK)
    }

    /// Removes the entries whose deadline has passed, shows each to `visit`, and returns how many.
    pub fn expire<F: FnMut(&ByteEvent<'_>)>(&self, mut visit: F) -> u64 {
        unsafe extern "C" fn run<F: FnMut(&ByteEvent<'_>)>(
            user_data: *mut c_void,
            event: *const sys::ct_event,
        ) {
            // SAFETY: user_data is the closure below; the event is lent for this call.
            let (visit, event) =
                unsafe { (&mut *user_data.cast::<F>(), ByteEvent::from_raw(&*event)) };
            guard((), || visit(&event))
        }
        let user_data = &mut visit as *mut F as *mut c_void;
        let run: sys::ct_visit_fn = Some(run::<F>);
        // SAFETY: see above.
        let expired = unsafe { sys::ct_expire(self.raw(), sys::CT_NOW, run, user_data) };
        panics::resume();
        expired
    }

    // -- What is known of the cache --

    /// Reads the counters.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::empty();
        // SAFETY: see above.
        let status = unsafe { sys::ct_cache_stats(self.raw(), &mut stats) };
        debug_assert_eq!(sys::CT_OK, status);
        Stats::from_raw(&stats)
    }

    /// Counts from zero again.
    pub fn reset_stats(&self) {
        // SAFETY: see above.
        let status = unsafe { sys::ct_cache_stats_reset(self.raw()) };
        debug_assert_eq!(sys::CT_OK, status);
    }

    /// Which part of the reads would miss in this cache at other sizes: multiples of the present
    /// one, from a half to four. `None` where that is not known, or not yet. The cache has to be
    /// built with [`curve`](Builder::curve).
    pub fn miss_ratios(&self, scales: &[f64]) -> Result<Vec<Option<f64>>> {
        let mut ratios = vec![f64::NAN; scales.len()];
        // SAFETY: see above; both are as long as is said.
        let status = unsafe {
            let (from, to) = (scales.as_ptr(), ratios.as_mut_ptr());
            sys::ct_cache_curve(self.raw(), from, scales.len(), to)
        };
        if status == sys::CT_ERR_INVALID {
            return Err(Error::invalid("scales: one is not above 0."));
        }
        check(status)?;
        Ok(ratios
            .into_iter()
            .map(|ratio| Some(ratio).filter(|it| !it.is_nan()))
            .collect())
    }

    /// The options in force, with defaults filled in and the seed that was drawn.
    pub fn options(&self) -> Result<Options> {
        Options::of(self)
    }
}
