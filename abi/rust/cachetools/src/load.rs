// SPDX-License-Identifier: MIT
//! Loading and computing values of a cache of bytes. Single flight: however many threads ask for an
//! absent key, one of them loads it, and the others wait for its value.
use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::mem::{size_of, ManuallyDrop};
use std::ptr::{self, NonNull};
use std::time::Duration;

use cachetools_sys as sys;

use crate::byte_cache::ByteCache;
use crate::callbacks::FAILED;
use crate::entry::EntryOptions;
use crate::error::{check, Error, Result};
use crate::panics::{self, guard};
use crate::refusal;
use crate::time::ticks;
use crate::value::{at, bytes, Value};

/// What is special about a value that a closure brings. Each is optional.
pub struct Output<'call> {
    raw: *mut sys::ct_result,
    is_cancelled: bool,
    call: PhantomData<&'call mut ()>,
}

// In what follows, raw is lent, as new was promised.
impl Output<'_> {
    /// # Safety
    ///
    /// The library lends `raw` to a callback that runs for as long as this lives.
    pub(crate) unsafe fn new(raw: *mut sys::ct_result) -> Self {
        Output {
            raw,
            is_cancelled: false,
            call: PhantomData,
        }
    }

    /// A lifetime, from the closure's return on.
    pub fn ttl(&mut self, ttl: Duration) {
        // SAFETY: see above.
        unsafe { sys::ct_result_ttl(self.raw, ticks(ttl)) }
    }

    /// When it expires, by the cache's timer.
    pub fn deadline(&mut self, deadline: Duration) {
        // SAFETY: see above.
        unsafe { sys::ct_result_deadline(self.raw, ticks(deadline)) }
    }

    /// What it weighs, in units of `maxsize`.
    pub fn weight(&mut self, weight: u64) {
        // SAFETY: see above.
        unsafe { sys::ct_result_weight(self.raw, weight) }
    }

    /// Lets the value that a closure computes live as long as the one that it has seen would have.
    /// Not for loads, which have none.
    pub fn keep_ttl(&mut self) {
        // SAFETY: see above.
        unsafe { sys::ct_result_keep_ttl(self.raw) }
    }

    /// A tag, in addition to others: see [`EntryOptions::tag`].
    pub fn tag(&mut self, tag: impl AsRef<[u8]>) {
        let tag = tag.as_ref();
        // SAFETY: see above; the library copies the tag.
        unsafe { sys::ct_result_tag(self.raw, at(tag), tag.len()) }
    }

    /// Hands the value to the callers, but does not keep it.
    pub fn discard(&mut self) {
        // SAFETY: see above.
        unsafe { sys::ct_result_discard(self.raw) }
    }

    /// The value that a loader is to renew: it can ask whether that has changed, and answer
    /// [`Found::NotModified`].
    pub fn old(&self) -> Option<&[u8]> {
        let mut old = sys::ct_bytes::EMPTY;
        // SAFETY: see above; the old value is lent for the callback, as this is.
        unsafe {
            let is_there = sys::ct_result_old(self.raw, &mut old) == sys::CT_OK;
            Some(bytes(old.data, old.size)).filter(|_| is_there)
        }
    }

    /// If the loader fails, only its own caller was cancelled: of those who wait, none fails, and
    /// one loads.
    pub fn cancel(&mut self) {
        self.is_cancelled = true;
    }

    /// Of many keys, this one fails.
    pub(crate) fn fail(&mut self, status: sys::ct_status) {
        // SAFETY: see above.
        unsafe { sys::ct_result_fail(self.raw, status) }
    }

    /// Hands a value back, and returns the callback's status.
    pub(crate) fn set(&mut self, value: &[u8]) -> sys::ct_status {
        // SAFETY: see above; the library copies the value.
        unsafe { sys::ct_result_set(self.raw, at(value), value.len()) }
    }

    /// Gives the value what the options say. They are for loads.
    pub(crate) fn give(&mut self, options: &EntryOptions) {
        let EntryOptions { raw, tags } = options;
        // SAFETY: see above.
        unsafe {
            if raw.flags & sys::CT_ENTRY_TTL != 0 {
                sys::ct_result_ttl(self.raw, raw.ttl);
            }
            if raw.flags & sys::CT_ENTRY_DEADLINE != 0 {
                sys::ct_result_deadline(self.raw, raw.deadline);
            }
            if raw.flags & sys::CT_ENTRY_WEIGHT != 0 {
                sys::ct_result_weight(self.raw, raw.weight);
            }
        }
        tags.iter().for_each(|tag| self.tag(tag));
    }

    /// Runs a loader, and hands back what it found, or keeps its error.
    pub(crate) fn load<V: AsRef<[u8]>, E>(
        &mut self,
        load: impl FnOnce(&mut Self) -> Result<Found<V>, E>,
        error: &mut Option<E>,
    ) -> sys::ct_status {
        let (found, is_refused) = refusal::run(|| load(self));
        match found {
            Ok(Found::NotModified) => {
                // SAFETY: see above.
                unsafe { sys::ct_result_not_modified(self.raw) };
                sys::CT_OK
            }
            Ok(Found::Value(value)) => self.finish(Ok(Some(value)), error),
            Ok(Found::Missing) => sys::CT_MISS,
            Err(failure) => match self.finish(Err::<Option<V>, _>(failure), error) {
                _ if self.is_cancelled => sys::CT_BUSY,
                _ if is_refused => sys::CT_ERR_RECURSION,
                failed => failed,
            },
        }
    }

    /// Hands back what a closure found, or keeps its error.
    pub(crate) fn finish<V: AsRef<[u8]>, E>(
        &mut self,
        found: Result<Option<V>, E>,
        error: &mut Option<E>,
    ) -> sys::ct_status {
        match found {
            Ok(Some(value)) => self.set(value.as_ref()),
            Ok(None) => sys::CT_MISS,
            Err(failure) => {
                *error = Some(failure);
                FAILED
            }
        }
    }
}

impl fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").finish_non_exhaustive()
    }
}

/// What a closure that computes has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change<V> {
    /// Store this value.
    Store(V),
    /// Remove the entry, if there is one.
    Remove,
    /// Leave all as it is.
    Leave,
}

/// What a loader of many keys has found, in their order; or why none was.
pub(crate) type FoundMany<V, E> = Result<Vec<Result<Option<V>, E>>, E>;

/// Runs a loader of `count` keys. One that returns another number of answers has failed each with
/// [`Error::Callback`]. Also returns whether one of them may have failed after a refusal.
pub(crate) fn run_many<V, E: From<Error>>(
    count: usize,
    load: impl FnOnce() -> FoundMany<V, E>,
) -> (FoundMany<V, E>, bool) {
    let has_failed = |found: &FoundMany<V, E>| match found {
        Ok(found) => found.iter().any(Result::is_err),
        Err(_) => true,
    };
    let (mut found, is_refused) = refusal::run_many(load, has_failed);
    if let Ok(found) = &mut found {
        if found.len() != count {
            found.clear();
            found.resize_with(count, || Err(Error::Callback.into()));
        }
    }
    (found, is_refused)
}

/// Each answer, unless one of them is wanting as the loader itself has failed.
pub(crate) fn all_or<V, E>(
    each: Vec<Result<V, E>>,
    failure: Option<E>,
) -> Result<Vec<Result<V, E>>, E> {
    match failure {
        Some(failure) if each.iter().any(Result::is_err) => Err(failure),
        _ => Ok(each),
    }
}

/// What a loader has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Found<V> {
    /// This value.
    Value(V),
    /// The [old value](Output::old) is still right: its lifetime begins anew. Without an old value,
    /// the call fails with [`Error::Callback`].
    NotModified,
    /// There is no such value.
    Missing,
}

impl<V> From<Option<V>> for Found<V> {
    fn from(value: Option<V>) -> Found<V> {
        value.map_or(Found::Missing, Found::Value)
    }
}

/// What a loading call hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded<V, E = Error> {
    /// The value.
    pub value: V,
    /// Whether the value is past its deadline: a renewal has failed, or is on its way.
    pub is_stale: bool,
    /// What the loader of this very call has failed with, if the old value serves nevertheless.
    pub failure: Option<E>,
}

/// How to load: see [`ByteCache::get_or_load_with`].
///
/// ```
/// # use cachetools::LoadOptions;
/// # use std::time::Duration;
/// LoadOptions::new().timeout(Duration::from_secs(2)).force();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    raw: sys::ct_load_options,
}

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        LoadOptions::new()
    }
}

impl LoadOptions {
    /// Waits as long as it takes, and not for a value that is stale already.
    pub const fn new() -> LoadOptions {
        LoadOptions {
            raw: sys::ct_load_options {
                struct_size: size_of::<sys::ct_load_options>(),
                flags: 0,
                reserved: 0,
                timeout_ns: 0,
                stale_after_ns: 0,
            },
        }
    }

    /// How long to wait, in real time, for the load of another caller: then the error is
    /// [`Error::Busy`]. Does not end one's own loader.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> LoadOptions {
        self.raw.timeout_ns = ticks(timeout).max(1); // 0 is as long as it takes
        self
    }

    /// How long to wait, in real time, for the renewal of a value past its deadline, before that
    /// one serves.
    #[must_use]
    pub fn stale_after(mut self, stale_after: Duration) -> LoadOptions {
        self.raw.stale_after_ns = ticks(stale_after);
        self
    }

    /// Loads, even if there is a value, or joins a load that runs. If it fails, the call fails, and
    /// the old value stays.
    #[must_use]
    pub fn force(mut self) -> LoadOptions {
        self.raw.flags |= sys::CT_LOAD_FORCE;
        self
    }
}

impl ByteCache {
    /// Looks a key up, and loads it if it is absent.
    ///
    /// However many threads ask, one of them loads, and the others wait for its value. A loader
    /// returns `None` if there is no such value. A loader that fails, or finds nothing, does so for
    /// all who wait at that moment; a failure is [`Error::Load`] to these. Whoever comes later loads
    /// anew. To load a key within its own loader, even once that has removed it, is
    /// [`Error::Recursion`].
    ///
    /// With [`refresh_ahead`](crate::Builder::refresh_ahead) and [`stale`](crate::Builder::stale), a
    /// loader also renews a value that is there, and the old one serves if that fails: it may be past
    /// its deadline. [`get_or_load_with`](ByteCache::get_or_load_with) tells.
    pub fn get_or_load<V, E, F>(&self, key: impl AsRef<[u8]>, load: F) -> Result<Option<Value>, E>
    where
        V: AsRef<[u8]>,
        E: From<Error>,
        F: FnOnce(&[u8], &mut Output<'_>) -> Result<Option<V>, E>,
    {
        let load = |key: &[u8], output: &mut Output<'_>| load(key, output).map(Found::from);
        let loaded = self.get_or_load_with(key, &LoadOptions::new(), load)?;
        Ok(loaded.map(|loaded| loaded.value))
    }

    /// As [`get_or_load`](ByteCache::get_or_load), with options. The loader may say that the
    /// [old value](Output::old) is still right, and the result says whether the value is stale.
    pub fn get_or_load_with<V, E, F>(
        &self,
        key: impl AsRef<[u8]>,
        options: &LoadOptions,
        load: F,
    ) -> Result<Option<Loaded<Value, E>>, E>
    where
        V: AsRef<[u8]>,
        E: From<Error>,
        F: FnOnce(&[u8], &mut Output<'_>) -> Result<Found<V>, E>,
    {
        let (status, loaded) = self.begin_load(key.as_ref(), options, load);
        panics::resume();
        loaded.check(status)
    }

    /// The same. The caller resumes panics of callbacks, then checks.
    pub(crate) fn begin_load<V, E, F>(
        &self,
        key: &[u8],
        options: &LoadOptions,
        load: F,
    ) -> (sys::ct_status, Loaded<Value, E>)
    where
        V: AsRef<[u8]>,
        F: FnOnce(&[u8], &mut Output<'_>) -> Result<Found<V>, E>,
    {
        let (cache, key, size) = (self.raw(), at(key), key.len());
        let options = &options.raw;
        // SAFETY: the cache is alive; the loader runs during this call only.
        unsafe {
            self.load_by(load, |load, user_data, value| {
                sys::ct_get_or_load_with(cache, key, size, load, user_data, options, value)
            })
        }
    }

    /// The same by any call: it gets a loader, its user_data, and where the value goes.
    ///
    /// # Safety
    ///
    /// The call runs the loader on this thread, not after it has returned, and hands out a value of
    /// this cache, or none.
    pub(crate) unsafe fn load_by<V, E, F>(
        &self,
        load: F,
        get_or_load: impl FnOnce(sys::ct_loader_fn, *mut c_void, &mut sys::ct_value) -> sys::ct_status,
    ) -> (sys::ct_status, Loaded<Value, E>)
    where
        V: AsRef<[u8]>,
        F: FnOnce(&[u8], &mut Output<'_>) -> Result<Found<V>, E>,
    {
        struct Call<F, E> {
            load: Option<F>,
            error: Option<E>,
        }
        unsafe extern "C" fn run<V, E, F>(
            user_data: *mut c_void,
            key: *const c_void,
            key_size: usize,
            result: *mut sys::ct_result,
        ) -> sys::ct_status
        where
            V: AsRef<[u8]>,
            F: FnOnce(&[u8], &mut Output<'_>) -> Result<Found<V>, E>,
        {
            // SAFETY: user_data is the call below; the key is lent for this call.
            let (call, key) =
                unsafe { (&mut *user_data.cast::<Call<F, E>>(), bytes(key, key_size)) };
            guard(FAILED, || {
                // SAFETY: the result is lent for this call.
                let mut output = unsafe { Output::new(result) };
                let load = call.load.take().expect("a loader runs once a call");
                output.load(|output| load(key, output), &mut call.error)
            })
        }

        let mut call = Call {
            load: Some(load),
            error: None,
        };
        let user_data = &mut call as *mut Call<F, E> as *mut c_void;
        let mut value = sys::ct_value::EMPTY;
        let status = get_or_load(Some(run::<V, E, F>), user_data, &mut value);
        let loaded = Loaded {
            is_stale: status == sys::CT_STALE,
            failure: call.error,
            // SAFETY: that call filled it in.
            value: unsafe { self.own(value) },
        };
        (status, loaded)
    }

    /// Reads, changes and writes one entry, as if at once. Returns the value that is there
    /// afterwards.
    ///
    /// Computes of one key take turns. If another call has written the key meanwhile, the closure
    /// runs again, at most 16 times; then the error is [`Error::Busy`], and nothing is changed. To
    /// compute a key within its own closure is [`Error::Recursion`].
    pub fn compute<V, E, F>(&self, key: impl AsRef<[u8]>, change: F) -> Result<Option<Value>, E>
    where
        V: AsRef<[u8]>,
        E: From<Error>,
        F: FnMut(Option<&[u8]>, &mut Output<'_>) -> Result<Change<V>, E>,
    {
        let computed = self.begin_compute(key.as_ref(), change);
        panics::resume();
        computed.finish()
    }

    /// The same. The caller resumes panics of callbacks, then finishes.
    pub(crate) fn begin_compute<V, E, F>(&self, key: &[u8], change: F) -> Computed<E>
    where
        V: AsRef<[u8]>,
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
            old: *const sys::ct_bytes,
            result: *mut sys::ct_result,
        ) -> sys::ct_status
        where
            V: AsRef<[u8]>,
            F: FnMut(Option<&[u8]>, &mut Output<'_>) -> Result<Change<V>, E>,
        {
            // SAFETY: user_data is the call below; the old value is lent for this call.
            let (call, old) = unsafe {
                let old = old.as_ref().map(|old| bytes(old.data, old.size));
                (&mut *user_data.cast::<Call<F, E>>(), old)
            };
            guard(FAILED, || {
                // SAFETY: the result is lent for this call.
                let mut output = unsafe { Output::new(result) };
                let found = match (call.change)(old, &mut output) {
                    Ok(Change::Leave) => return sys::CT_NOT_STORED,
                    Ok(Change::Remove) => Ok(None),
                    Ok(Change::Store(value)) => Ok(Some(value)),
                    Err(error) => Err(error),
                };
                output.finish(found, &mut call.error)
            })
        }

        let mut call = Call {
            change,
            error: None,
        };
        let user_data = &mut call as *mut Call<F, E> as *mut c_void;
        let mut value = sys::ct_value::EMPTY;
        let run: sys::ct_compute_fn = Some(run::<V, E, F>);
        // SAFETY: the cache is alive; the closure runs during this call only.
        let status =
            unsafe { sys::ct_compute(self.raw(), at(key), key.len(), run, user_data, &mut value) };
        Computed {
            status,
            // SAFETY: that call filled it in.
            value: unsafe { self.own(value) },
            error: call.error,
        }
    }

    /// Looks a key up. If it is absent, takes its lease, or waits for the holder: for programs that
    /// load in their own way, later, or on another thread.
    ///
    /// Do not ask, with time to wait, for a key whose lease this thread holds: it would wait for
    /// itself.
    pub fn get_or_lease(&self, key: impl AsRef<[u8]>, wait: Duration) -> Result<Leased<'_>> {
        let (key, mut value, mut lease) = (key.as_ref(), sys::ct_value::EMPTY, ptr::null_mut());
        let wait = ticks(wait);
        // SAFETY: the cache is alive, the key lives for the call, the rest is writable.
        let status = unsafe {
            sys::ct_get_or_lease(self.raw(), at(key), key.len(), wait, &mut value, &mut lease)
        };
        // SAFETY: that call filled them in.
        let leased = unsafe { self.leased(status, value, lease) };
        panics::resume();
        leased
    }

    /// Takes over what a call has answered.
    ///
    /// # Safety
    ///
    /// That call was on this cache; nobody else releases the value or ends the lease, if any.
    pub(crate) unsafe fn leased(
        &self,
        status: sys::ct_status,
        value: sys::ct_value,
        lease: *mut sys::ct_lease,
    ) -> Result<Leased<'_>> {
        // SAFETY: the caller's promise.
        let value = unsafe { self.own(value) };
        let lease = NonNull::new(lease).map(|handle| Lease {
            handle,
            cache: self.open(),
        });
        Ok(match (check(status)?, lease) {
            (sys::CT_RENEW, Some(lease)) => Leased::Renew(value, lease),
            (_, Some(lease)) => Leased::Lease(lease),
            (sys::CT_BUSY, _) => Leased::Busy,
            (sys::CT_STALE, _) => Leased::Stale(value),
            (sys::CT_MISS, _) => Leased::Missing,
            _ => Leased::Value(value),
        })
    }

    /// Finds the value whose renewal has just failed, and whether it is stale: not if it has been
    /// invalidated meanwhile, or its time is over for good. A lease cannot tell.
    pub(crate) fn still_there(&self, key: &[u8]) -> Option<(Value, bool)> {
        match self.get_or_lease(key, Duration::ZERO).ok()? {
            Leased::Value(value) => Some((value, false)),
            Leased::Stale(value) => Some((value, true)),
            Leased::Renew(value, _) => Some((value, !self.contains(key))),
            Leased::Lease(_) | Leased::Missing | Leased::Busy => None,
        }
    }
}

/// What a compute has come to. With CT_OK, the value that the closure has brought last is stored.
pub(crate) struct Computed<E> {
    pub(crate) status: sys::ct_status,
    pub(crate) value: Value,
    error: Option<E>,
}

impl<E: From<Error>> Computed<E> {
    /// Returns the value that is there now.
    pub(crate) fn finish(self) -> Result<Option<Value>, E> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if check(self.status)? == sys::CT_BUSY {
            return Err(Error::Busy.into());
        }
        Ok(Some(self.value).filter(Value::is_held))
    }
}

impl<E: From<Error>> Loaded<Value, E> {
    /// What a loading call returns, if that was its status and this is what it handed out, or
    /// nothing.
    pub(crate) fn check(self, status: sys::ct_status) -> Result<Option<Self>, E> {
        if self.value.is_held() {
            return Ok(Some(self));
        }
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        match check(status)? {
            sys::CT_BUSY => Err(Error::Busy.into()),
            _ => Ok(None),
        }
    }
}

/// What [`ByteCache::get_or_lease`] has found.
#[derive(Debug)]
pub enum Leased<'cache> {
    /// The value.
    Value(Value),
    /// The value, which is past its deadline: another caller renews it, or a renewal has just
    /// failed.
    Stale(Value),
    /// The value, to go on with, which may be past its deadline: the caller must now load a newer
    /// one.
    Renew(Value, Lease<'cache>),
    /// Nothing: the caller must now load the key.
    Lease(Lease<'cache>),
    /// There is no such value: so a load has found, for which this call has waited, or which is
    /// [remembered](crate::Builder::negative_ttl).
    Missing,
    /// Another caller has the lease, and the time is over.
    Busy,
}

/// The right and the duty to load a key: end it by [`fulfil`](Lease::fulfil), or one of the others.
/// Dropping it gives it up: one of those who wait becomes the loader. If it is forgotten, they wait
/// for ever.
pub struct Lease<'cache> {
    handle: NonNull<sys::ct_lease>,
    cache: &'cache ByteCache,
}

// SAFETY: a lease belongs to no thread.
unsafe impl Send for Lease<'_> {}
// SAFETY: of a shared lease, only the key is read, which never changes.
unsafe impl Sync for Lease<'_> {}

impl Lease<'_> {
    /// The key to load.
    pub fn key(&self) -> &[u8] {
        let mut key = sys::ct_bytes::EMPTY;
        // SAFETY: the key is valid as long as the lease.
        unsafe {
            sys::ct_lease_key(self.handle.as_ptr(), &mut key);
            bytes(key.data, key.size)
        }
    }

    /// Stores the value, unless something has invalidated the key meanwhile; hands it to all who
    /// wait, and returns it. Options have no condition.
    pub fn fulfil(self, value: impl AsRef<[u8]>, options: &EntryOptions) -> Result<Value> {
        options.check_for_leases()?;
        let cache = self.cache;
        let (status, value) = self.bring(value.as_ref(), options);
        panics::resume();
        options.check(cache, None, status, "").map(|_| value)
    }

    /// Of [`Leased::Renew`]: the old value is still right, and its lifetime begins anew. Returns
    /// whether it is kept: not if something has invalidated the key meanwhile. Options have no
    /// condition.
    pub fn keep(self, options: &EntryOptions) -> Result<bool> {
        options.check_for_leases()?;
        if !options.tags.is_empty() {
            return Err(Error::invalid("tags: a value that is kept keeps its own."));
        }
        let lease = ManuallyDrop::new(self); // consumed, whatever is returned
        let status = options.with_raw(None, |options| {
            // SAFETY: the cache is alive, as it is borrowed.
            unsafe { sys::ct_lease_keep(lease.handle.as_ptr(), options) }
        });
        lease.cache.close();
        panics::resume();
        let nothing = "lease: there is no old value to keep.";
        Ok(options.check(lease.cache, None, status, nothing)? == sys::CT_OK)
    }

    /// The load has failed. All who wait fail with the error, which is [`Error::Load`] unless you
    /// know better; whoever comes later starts anew. An old value stays.
    pub fn fail(self, error: Error) {
        self.end(error.status());
        panics::resume();
    }

    /// There is no such value: for all who wait, either. An old value leaves.
    pub fn find_nothing(self) {
        self.end(sys::CT_MISS);
        panics::resume();
    }

    /// The same. The caller resumes panics of callbacks.
    pub(crate) fn end(self, status: sys::ct_status) {
        let lease = ManuallyDrop::new(self); // consumed
                                             // SAFETY: the cache is alive, as it is borrowed.
        unsafe { sys::ct_lease_fail(lease.handle.as_ptr(), status) };
        lease.cache.close();
    }

    /// As `fulfil`. The status says whether the value was kept. The caller resumes panics of
    /// callbacks.
    pub(crate) fn bring(self, value: &[u8], options: &EntryOptions) -> (sys::ct_status, Value) {
        let lease = ManuallyDrop::new(self); // consumed, whatever is returned
        let mut out = sys::ct_value::EMPTY;
        let status = options.with_raw(None, |options| {
            let lease = lease.handle.as_ptr();
            // SAFETY: the cache is alive, as it is borrowed; the library copies the value.
            unsafe { sys::ct_lease_fulfil(lease, at(value), value.len(), options, &mut out) }
        });
        lease.cache.close();
        // SAFETY: that call, on this cache, filled it in.
        (status, unsafe { lease.cache.own(out) })
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // SAFETY: the lease was not fulfilled; the cache is alive, as it is borrowed.
        unsafe { sys::ct_lease_abandon(self.handle.as_ptr()) };
        self.cache.close();
        panics::resume_in_drop();
    }
}

impl fmt::Debug for Lease<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("key", &self.key())
            .finish_non_exhaustive()
    }
}
