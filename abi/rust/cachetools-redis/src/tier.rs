// SPDX-License-Identifier: MIT
//! A tier: reading, writing, waiting.
use std::fmt;
use std::mem::ManuallyDrop;
use std::os::unix::io::BorrowedFd;
use std::process;
use std::ptr::NonNull;
use std::thread;
use std::time::Duration;

use cachetools::parts::{self, check, ticks};
use cachetools::{ByteCache, Error, Found, Loaded, Output, Result, Value};
use cachetools_redis_sys as sys;
use cachetools_sys::{ct_bytes, ct_status, ct_value, CT_BUSY, CT_ERR_RECURSION, CT_OK};

use crate::builder::{Builder, Callbacks};
use crate::stats::Stats;

/// A second tier behind a cache: a connection to a Redis or Valkey server, and the cache of this
/// process in front of it, which is near. Any thread may use it at any time.
///
/// Dropping it closes it, and drops the near cache. What was not sent is not sent any more.
///
/// After a fork, a child process can only drop it. That leaves the connection to the parent; other
/// calls fail with [`Error::Unsupported`], or go on to read what is near for `max_stale` at most.
pub struct Tier {
    open: ManuallyDrop<Open>,
}

/// What is closed at the end.
struct Open {
    handle: NonNull<sys::ct_redis>,
    near: ManuallyDrop<ByteCache>,
    callbacks: ManuallyDrop<Box<Callbacks>>,
    /// The process that may do more than close it.
    process: u32,
}

// SAFETY: the library lets any thread call any function; the listener is Send and Sync. What is
// exclusive, closing, takes the tier by value.
unsafe impl Send for Open {}
// SAFETY: as Send.
unsafe impl Sync for Open {}

impl Drop for Open {
    fn drop(&mut self) {
        // SAFETY: no call is running, as none borrows the tier; this is no callback of it.
        unsafe { sys::ct_redis_close(self.handle.as_ptr()) };
        if self.process == process::id() {
            // SAFETY: dropped once, here, after the tier that used them.
            unsafe {
                ManuallyDrop::drop(&mut self.near);
                ManuallyDrop::drop(&mut self.callbacks);
            }
        } // else threads of the parent may have left the cache in the middle of something
        parts::resume_in_drop();
    }
}

impl Drop for Tier {
    fn drop(&mut self) {
        // SAFETY: taken once, here.
        let open = ManuallyDrop::new(unsafe { ManuallyDrop::take(&mut self.open) });
        let close = move || drop(ManuallyDrop::into_inner(open));
        // SAFETY: the tier is alive.
        let status = unsafe { sys::ct_redis_wait(self.raw(), 0) };
        if status == CT_ERR_RECURSION {
            // A callback has the last handle to the tier, whose thread cannot close it. Without
            // another thread, it stays open.
            drop(thread::Builder::new().spawn(close));
        } else {
            close();
        }
    }
}

impl fmt::Debug for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tier")
            .field("near", &*self.open.near)
            .finish_non_exhaustive()
    }
}

/// The pointer that the library takes for a slice.
fn at(slice: &[u8]) -> *const std::ffi::c_void {
    slice.as_ptr().cast()
}

// In what follows, every call into the library passes a tier that is open, slices and out arguments
// that live for the call, and loaders that the library runs during the call only, on this thread. All
// values that it hands out are those of the near cache.

impl Tier {
    /// Begins to open a tier.
    ///
    /// The url is `redis://user:password@host:port/db`, `rediss://` for TLS, or `unix:///path?db=0`;
    /// only the host is needed. What stands in it is percent-encoded. The near cache has no timer of
    /// its own and no `refresh_ahead`.
    pub fn builder(url: impl Into<String>, near: ByteCache) -> Builder {
        Builder::new(url, near)
    }

    /// # Safety
    ///
    /// The handle is a tier's, which is this object's to close, and `near` and `callbacks` are those
    /// that it was opened with.
    pub(crate) unsafe fn from_raw(
        handle: NonNull<sys::ct_redis>,
        near: ByteCache,
        callbacks: Box<Callbacks>,
    ) -> Tier {
        Tier {
            open: ManuallyDrop::new(Open {
                handle,
                near: ManuallyDrop::new(near),
                callbacks: ManuallyDrop::new(callbacks),
                process: process::id(),
            }),
        }
    }

    #[inline]
    fn raw(&self) -> *mut sys::ct_redis {
        self.open.handle.as_ptr()
    }

    /// The near cache, for its counters, and to resize it. Read and write through the tier alone.
    #[inline]
    pub fn near(&self) -> &ByteCache {
        &self.open.near
    }

    /// Returns whether near can be relied on at present, so that a read of what is near asks nobody.
    /// What is found in [`near`](Self::near) right after is what the tier would have returned. It
    /// takes no lock and makes no system call.
    #[inline]
    pub fn is_fresh(&self) -> bool {
        // SAFETY: see above.
        unsafe { sys::ct_redis_is_fresh(self.raw()) }
    }

    /// Waits until the server is there, and returns whether it is.
    pub fn wait(&self, wait: Duration) -> Result<bool> {
        // SAFETY: see above.
        let status = unsafe { sys::ct_redis_wait(self.raw(), ticks(wait)) };
        Ok(check(status)? == CT_OK)
    }

    /// Waits until near shows all that was written on the server, and acknowledged to its writer,
    /// before this call. One round trip.
    pub fn sync(&self) -> Result<()> {
        // SAFETY: see above.
        found(unsafe { sys::ct_redis_sync(self.raw()) }, ()).map(drop)
    }

    // -- Reading --

    /// Looks a key up in the near cache, then on the server. What the server has stays near. Never
    /// waits for a load.
    ///
    /// [`Error::Io`]: near does not have it, and the server cannot be reached, or has not answered
    /// within the [`timeout`](Builder::timeout). [`Error::Unsupported`]: the key holds no string on
    /// the server, or the server does not allow it.
    #[inline]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Value>> {
        let (key, mut value) = (key.as_ref(), ct_value::EMPTY);
        // SAFETY: see above.
        unsafe {
            let status = sys::ct_redis_get(self.raw(), at(key), key.len(), &mut value);
            found(status, parts::own(self.near(), value))
        }
    }

    /// Copies a value into the buffer, and returns how many bytes it has. If the buffer is too small
    /// for them, the error is [`Error::Buffer`]. Otherwise as [`get`](Tier::get).
    pub fn get_copy(&self, key: impl AsRef<[u8]>, buffer: &mut [u8]) -> Result<Option<usize>> {
        let (key, mut size) = (key.as_ref(), 0);
        let (data, capacity) = (buffer.as_mut_ptr().cast(), buffer.len());
        // SAFETY: see above.
        let status = unsafe {
            sys::ct_redis_get_copy(self.raw(), at(key), key.len(), data, capacity, &mut size)
        };
        found(status, size)
    }

    /// [`get`](Tier::get) for many keys, with one round trip for all that are not near. Each key
    /// succeeds or fails alone.
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Result<Option<Value>>>> {
        let raw_keys = keys.iter().map(|key| ct_bytes::of(key.as_ref()));
        let raw_keys = raw_keys.collect::<Vec<_>>();
        let mut values = vec![ct_value::EMPTY; keys.len()];
        let mut statuses = vec![CT_OK; keys.len()];
        // SAFETY: see above; there are a value and a status for each key.
        let status = unsafe {
            sys::ct_redis_get_many(
                self.raw(),
                raw_keys.as_ptr(),
                keys.len(),
                values.as_mut_ptr(),
                statuses.as_mut_ptr(),
            )
        };
        // SAFETY: that call filled them in; each is taken once.
        let values = values
            .into_iter()
            .map(|value| unsafe { parts::own(self.near(), value) });
        let values = values.collect::<Vec<_>>();
        check(status)?;
        let each = values.into_iter().zip(statuses);
        Ok(each.map(|(value, status)| found(status, value)).collect())
    }

    /// Looks a key up in the near cache, then on the server, and loads it if it is absent: once at a
    /// time across all threads and machines. The others wait for it.
    ///
    /// Who loads holds a lease in the key itself on the server. Any write of the key by anybody
    /// destroys it; then the value goes to the caller, and is kept nowhere. If the process dies, the
    /// next one loads once the [`lease`](Builder::lease) has ended.
    ///
    /// If the server cannot be reached, this loads, and keeps the value near for
    /// [`offline_ttl`](Builder::offline_ttl). Of the [`Output`], lifetimes and what it discards do
    /// not reach the server. To load a key within its own loader is [`Error::Recursion`].
    pub fn get_or_load<V, E, F>(&self, key: impl AsRef<[u8]>, load: F) -> Result<Option<Value>, E>
    where
        V: AsRef<[u8]>,
        E: From<Error>,
        F: FnOnce(&[u8], &mut Output<'_>) -> Result<Option<V>, E>,
    {
        let load = |key: &[u8], output: &mut Output<'_>| load(key, output).map(Found::from);
        let loaded = self.get_or_load_with_ttl(key, Duration::ZERO, load)?;
        Ok(loaded.map(|loaded| loaded.value))
    }

    /// As [`get_or_load`](Tier::get_or_load), with a lifetime on the server of what is loaded: zero is
    /// the tier's, [`Duration::MAX`] has no end. The loader may say that the [old
    /// value](Output::old) is still right, and the result says whether the value is stale.
    pub fn get_or_load_with_ttl<V, E, F>(
        &self,
        key: impl AsRef<[u8]>,
        ttl: Duration,
        load: F,
    ) -> Result<Option<Loaded<Value, E>>, E>
    where
        V: AsRef<[u8]>,
        E: From<Error>,
        F: FnOnce(&[u8], &mut Output<'_>) -> Result<Found<V>, E>,
    {
        let (tier, key, ttl) = (self.raw(), key.as_ref(), ticks(ttl));
        // SAFETY: see above.
        unsafe {
            parts::load(self.near(), load, |load, user_data, value| {
                sys::ct_redis_get_or_load(tier, at(key), key.len(), ttl, load, user_data, value)
            })
        }
    }

    // -- Writing --

    /// Stores a value on the server and near. All other processes drop theirs. Change the source
    /// first.
    ///
    /// [`Error::Io`]: the server cannot be reached, has not answered within the
    /// [`timeout`](Builder::timeout), or refuses writes. If it cannot be reached, what is near leaves,
    /// and the key is deleted on the server as soon as that is there again.
    pub fn insert(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.insert_with_ttl(key, value, Duration::ZERO)
    }

    /// As [`insert`](Tier::insert), with a lifetime on the server: zero is the tier's,
    /// [`Duration::MAX`] has no end.
    pub fn insert_with_ttl(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        ttl: Duration,
    ) -> Result<()> {
        let (tier, key, value) = (self.raw(), key.as_ref(), value.as_ref());
        let (data, size, ttl) = (at(value), value.len(), ticks(ttl));
        // SAFETY: see above.
        found(
            unsafe { sys::ct_redis_set(tier, at(key), key.len(), data, size, ttl) },
            (),
        )
        .map(drop)
    }

    /// Deletes a key on the server and near, whether it is there or not. All other processes drop
    /// theirs. Fails as [`insert`](Tier::insert) does.
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<()> {
        let key = key.as_ref();
        // SAFETY: see above.
        found(
            unsafe { sys::ct_redis_delete(self.raw(), at(key), key.len()) },
            (),
        )
        .map(drop)
    }

    // -- Event loops --

    /// A file descriptor that is readable whenever [`step`](Tier::step) has something to do. None
    /// unless the tier is [`without_thread`](Builder::without_thread).
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        // SAFETY: see above; the descriptor stays open as long as the tier.
        unsafe {
            let fd = sys::ct_redis_fd(self.raw());
            (fd >= 0).then(|| BorrowedFd::borrow_raw(fd))
        }
    }

    /// Does what the tier's thread would do now, without waiting, but when it looks up the name of a
    /// host. Returns false if another thread is doing it.
    pub fn step(&self) -> Result<bool> {
        // SAFETY: see above.
        Ok(check(unsafe { sys::ct_redis_step(self.raw()) })? == CT_OK)
    }

    /// Reads the counters.
    pub fn stats(&self) -> Result<Stats> {
        let mut raw = Stats::empty();
        // SAFETY: see above.
        check(unsafe { sys::ct_redis_stats(self.raw(), &mut raw) })?;
        Ok(Stats::from_raw(&raw))
    }
}

/// What a call has found, to which only being too busy is no ordinary outcome.
#[inline]
fn found<T>(status: ct_status, value: T) -> Result<Option<T>> {
    match check(status)? {
        CT_OK => Ok(Some(value)),
        CT_BUSY => Err(Error::Busy),
        _ => Ok(None),
    }
}
