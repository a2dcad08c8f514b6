// SPDX-License-Identifier: MIT
//! Waiting for the load of a key without a thread. The futures need no runtime of any kind.
use std::ffi::c_void;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use cachetools_sys as sys;

use crate::byte_cache::ByteCache;
use crate::entry::EntryOptions;
use crate::error::{Error, Result};
use crate::load::Leased;
use crate::panics::{self, guard};
use crate::value::{at, Value};

/// What a call has come to.
struct Answer {
    status: sys::ct_status,
    value: sys::ct_value,
    lease: *mut sys::ct_lease,
}

// SAFETY: any thread may release a value, and a lease belongs to no thread.
unsafe impl Send for Answer {}

enum State {
    /// The library has not called `done` yet. It wakes who has polled last.
    Waits(Option<Waker>),
    Done(Answer),
    /// The future has taken the answer, or is gone.
    Left,
}

/// What the future and `done` share. Each of them has a count of the `Arc`, so that it is there for
/// whichever of them comes last.
#[derive(Default)]
struct Shared(Mutex<State>);

impl Default for State {
    fn default() -> State {
        State::Waits(None)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under the lock, so nothing is half done after a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

unsafe extern "C" fn done(
    user_data: *mut c_void,
    status: sys::ct_status,
    value: *const sys::ct_value,
    lease: *mut sys::ct_lease,
) {
    // SAFETY: user_data is the count that begin has given to this call, which is the only one.
    let shared = unsafe { Arc::from_raw(user_data.cast::<Shared>()) };
    let mut state = shared.lock();
    let waker = match &mut *state {
        State::Waits(waker) => waker.take(),
        _ => {
            drop(state);
            // SAFETY: the lease is this call's, and nobody is left to end it. Those who end a load
            // borrow the cache, so that it is alive. A null pointer does nothing.
            return unsafe { sys::ct_lease_abandon(lease) };
        }
    };
    let mut answer = Answer {
        status,
        value: sys::ct_value::EMPTY,
        lease,
    };
    // SAFETY: the value, if any, is lent for this call.
    let pinned = unsafe { value.as_ref() }.map_or(sys::CT_OK, |value| {
        // SAFETY: as above; the answer's is written.
        unsafe { sys::ct_value_ref(value, &mut answer.value) }
    });
    if pinned != sys::CT_OK {
        let has_lease = !lease.is_null(); // without the old value, then
        answer.status = if has_lease { sys::CT_LEASED } else { pinned };
    }
    *state = State::Done(answer);
    drop(state);
    guard((), || {
        if let Some(waker) = waker {
            waker.wake(); // code of the executor's
        }
    });
}

/// A call that waits, until it is dropped.
struct Pending<'cache> {
    cache: &'cache ByteCache,
    shared: Arc<Shared>,
    wait: *mut sys::ct_wait,
}

// SAFETY: any thread may cancel a call; the rest is Send.
unsafe impl Send for Pending<'_> {}
// SAFETY: of a shared one, nothing can be used.
unsafe impl Sync for Pending<'_> {}

impl<'cache> Future for Pending<'cache> {
    type Output = Result<Leased<'cache>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = context.waker().clone(); // code of the executor's: not under the lock
        let mut state = self.shared.lock();
        let earlier = match &mut *state {
            State::Waits(earlier) => earlier.replace(waker),
            _ => {
                let answered = mem::replace(&mut *state, State::Left);
                drop(state);
                return match answered {
                    State::Done(answer) => Poll::Ready(self.take(answer)),
                    _ => panic!("a future is not polled after it is ready"),
                };
            }
        };
        drop(state);
        drop(earlier);
        Poll::Pending
    }
}

impl<'cache> Pending<'cache> {
    fn take(&self, answer: Answer) -> Result<Leased<'cache>> {
        // SAFETY: done was given them by a call on this cache, and each answer is taken once.
        unsafe { (self.cache).leased(answer.status, answer.value, answer.lease) }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        // SAFETY: the wait is given back once, here; the cache is alive, as it is borrowed.
        if unsafe { sys::ct_wait_cancel(self.wait) } {
            // SAFETY: done will not run, so that the count which was given to it is this call's.
            drop(unsafe { Arc::from_raw(Arc::as_ptr(&self.shared)) });
        }
        let left = mem::replace(&mut *self.shared.lock(), State::Left);
        if let State::Done(answer) = left {
            drop(self.take(answer)); // a value is released, a lease is given up
        } // else done disposes of what comes
        self.cache.close();
        panics::resume_in_drop();
    }
}

/// What a call returns: its answer, or one to wait for.
enum Begun<'cache> {
    Answered(Result<Leased<'cache>>),
    Pending(Pending<'cache>),
}

impl ByteCache {
    fn begin(&self, key: &[u8]) -> Begun<'_> {
        let shared = Arc::<Shared>::default();
        let (mut value, mut lease) = (sys::ct_value::EMPTY, ptr::null_mut());
        let mut wait = ptr::null_mut();
        let user_data = Arc::into_raw(Arc::clone(&shared)); // done's count
                                                            // SAFETY: the cache is alive, the key lives for the call, the rest is writable. A call that
                                                            // is pending is given back while the cache is borrowed, or else, forgotten, keeps the cache
                                                            // from being freed. So done, which nobody but callers of this cache run, finds it alive.
        let status = unsafe {
            sys::ct_get_or_lease_async(
                self.raw(),
                at(key),
                key.len(),
                ptr::null(),
                Some(done),
                user_data as *mut c_void,
                &mut value,
                &mut lease,
                &mut wait,
            )
        };
        if status == sys::CT_PENDING {
            let cache = self.open();
            let pending = Pending {
                cache,
                shared,
                wait,
            };
            panics::resume(); // of a waker, if done ran within the call
            return Begun::Pending(pending);
        }
        // SAFETY: done will not run, so that its count is this call's.
        drop(unsafe { Arc::from_raw(user_data) });
        // SAFETY: that call filled them in.
        let leased = unsafe { self.leased(status, value, lease) };
        panics::resume();
        Begun::Answered(leased)
    }

    /// As [`get_or_lease`](ByteCache::get_or_lease), but who waits for the holder of the lease is a
    /// future, not a thread. It never is [`Leased::Busy`].
    ///
    /// Nothing happens before the first poll. To drop the future ends the wait: thousands may wait on
    /// a thread, and any of them may be given up when a time is over. If the lease has come to it
    /// meanwhile, the next one who waits gets that.
    ///
    /// Do not await a key whose lease the same task holds: it would wait for itself.
    ///
    /// ```
    /// # use cachetools::{ByteCache, EntryOptions, Leased, Result, Value};
    /// async fn page(cache: &ByteCache, url: &str) -> Result<Option<Value>> {
    ///     match cache.get_or_lease_async(url).await? {
    ///         Leased::Lease(lease) => {
    ///             let page = fetch(url).await; // dropped meanwhile, the lease is given up
    ///             lease.fulfil(page, &EntryOptions::new()).map(Some)
    ///         }
    ///         Leased::Value(value) => Ok(Some(value)),
    ///         _ => Ok(None),
    ///     }
    /// }
    /// # async fn fetch(url: &str) -> Vec<u8> { url.into() }
    /// ```
    pub async fn get_or_lease_async(&self, key: impl AsRef<[u8]>) -> Result<Leased<'_>> {
        let begun = self.begin(key.as_ref());
        match begun {
            Begun::Answered(leased) => leased,
            Begun::Pending(pending) => pending.await,
        }
    }

    /// As [`get_or_load`](ByteCache::get_or_load), but whoever loads or waits is a future. The loader
    /// runs in the first that asks. If that one is dropped meanwhile, the next one who waits loads.
    ///
    /// Do not await a key within its own loader: it would wait for itself.
    ///
    /// ```
    /// # use cachetools::{ByteCache, Error, Value};
    /// async fn page(cache: &ByteCache, url: &str) -> Result<Option<Value>, Error> {
    ///     cache.get_or_load_async(url, || async { Ok(fetch(url).await) }).await
    /// }
    /// # async fn fetch(url: &str) -> Option<Vec<u8>> { Some(url.into()) }
    /// ```
    pub async fn get_or_load_async<V, E, F>(
        &self,
        key: impl AsRef<[u8]>,
        load: impl FnOnce() -> F,
    ) -> Result<Option<Value>, E>
    where
        V: AsRef<[u8]>,
        E: From<Error>,
        F: Future<Output = Result<Option<V>, E>>,
    {
        let (lease, is_renewal) = match self.get_or_lease_async(key.as_ref()).await? {
            Leased::Value(value) | Leased::Stale(value) => return Ok(Some(value)),
            Leased::Missing => return Ok(None),
            Leased::Busy => return Err(Error::Busy.into()),
            Leased::Renew(_, lease) => (lease, true),
            Leased::Lease(lease) => (lease, false),
        };
        match load().await {
            Ok(Some(value)) => Ok(Some(lease.fulfil(value, &EntryOptions::new())?)),
            Ok(None) => {
                lease.find_nothing();
                Ok(None)
            }
            Err(failure) => {
                lease.fail(Error::Load);
                let old = Some(key).filter(|_| is_renewal);
                match old.and_then(|key| self.still_there(key.as_ref())) {
                    Some((value, _)) => Ok(Some(value)),
                    None => Err(failure),
                }
            }
        }
    }
}
