// SPDX-License-Identifier: MIT
//! How to open a tier.
use std::ffi::{c_void, CStr, CString};
use std::fmt;
use std::mem::size_of;
use std::ptr;
use std::time::Duration;

use cachetools::parts::{self, ticks};
use cachetools::{ByteCache, Error, Result};
use cachetools_redis_sys as sys;

use crate::event::Event;
use crate::tier::Tier;

pub(crate) type Listener = dyn Fn(&Event<'_>) + Send + Sync;

/// A tier's user_data. Lives until the tier is closed.
#[derive(Default)]
pub(crate) struct Callbacks {
    listener: Option<Box<Listener>>,
}

/// Opens a [`Tier`]. All is optional.
#[must_use]
pub struct Builder {
    near: ByteCache,
    url: String,
    prefix: Vec<u8>,
    flags: u32,
    ttl: u64,
    near_ttl: u64,
    offline_ttl: u64,
    max_stale: u64,
    timeout: u64,
    lease: u64,
    max_value: u64,
    max_pending: u64,
    callbacks: Callbacks,
}

impl Builder {
    /// Begins with a server and the cache that is to be in front of it. See [`Tier::builder`].
    pub fn new(url: impl Into<String>, near: ByteCache) -> Builder {
        Builder {
            near,
            url: url.into(),
            prefix: Vec::new(),
            flags: 0,
            ttl: 0,
            near_ttl: 0,
            offline_ttl: 0,
            max_stale: 0,
            timeout: 0,
            lease: 0,
            max_value: 0,
            max_pending: 0,
            callbacks: Callbacks::default(),
        }
    }

    /// Begins every key on the server. Access control must allow all of the keys that it begins.
    pub fn prefix(mut self, prefix: impl Into<Vec<u8>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The lifetime on the server of what is stored or loaded. Zero is none.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ticks(ttl);
        self
    }

    /// The longest lifetime in the near cache. Zero is that cache's ttl, if it has one.
    pub fn near_ttl(mut self, near_ttl: Duration) -> Self {
        self.near_ttl = ticks(near_ttl);
        self
    }

    /// The lifetime in the near cache of what is loaded while the server cannot be reached, from the
    /// beginning of the load. Zero is `max_stale`.
    pub fn offline_ttl(mut self, offline_ttl: Duration) -> Self {
        self.offline_ttl = ticks(offline_ttl);
        self
    }

    /// The bound on staleness, at least 50 ms. Zero is 1 s.
    pub fn max_stale(mut self, max_stale: Duration) -> Self {
        self.max_stale = ticks(max_stale);
        self
    }

    /// How long a call waits for the server, or for the lease of another process. Zero is 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = ticks(timeout);
        self
    }

    /// How long others wait for a process that died while it loaded, at least 1 ms: longer than loads
    /// take. Zero is 10 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = ticks(lease);
        self
    }

    /// The bytes of a value that goes to the server, 256 MiB at most; larger ones are not shared.
    /// Zero is 16 MiB.
    pub fn max_value(mut self, max_value: u64) -> Self {
        self.max_value = max_value;
        self
    }

    /// The bytes that may wait to be sent. Beyond that calls fail with [`Error::Busy`]. Zero is
    /// 64 MiB.
    pub fn max_pending(mut self, max_pending: u64) -> Self {
        self.max_pending = max_pending;
        self
    }

    /// Stores bare bytes on the server, without the trailer of 8 bytes: to share keys with programs
    /// that know nothing of the library. Then there are no leases, so each process may load once, and
    /// a load may store what a writer has made obsolete meanwhile, until its ttl ends it.
    pub fn raw(mut self) -> Self {
        self.flags |= sys::CT_REDIS_RAW;
        self
    }

    /// Begins no thread: [`Tier::step`] and calls that wait serve the connection.
    pub fn without_thread(mut self) -> Self {
        self.flags |= sys::CT_REDIS_NO_THREAD;
        self
    }

    /// Is told of events, mostly on the tier's own thread. Calls that would have to wait for the
    /// server fail there with [`Error::Recursion`].
    pub fn listener(mut self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.callbacks.listener = Some(Box::new(listener));
        self
    }

    /// Says what is wrong, by the name of the option.
    pub fn problem(&self) -> Option<&'static str> {
        let problem = self.with_raw(&self.callbacks, |options| {
            // SAFETY: options are filled in; the answer is null or a static string.
            unsafe {
                let problem = sys::ct_redis_problem(options);
                (!problem.is_null()).then(|| CStr::from_ptr(problem))
            }
        });
        match problem {
            None => Some("url has a byte of zero"),
            Some(problem) => match problem?.to_str() {
                Ok("prefix_size is 65536 or more") => Some("prefix has 65536 bytes or more"),
                problem => problem.ok(),
            },
        }
    }

    /// Opens the tier, and clears the near cache. Does not wait for the server: until it is there,
    /// calls do as when it is lost.
    ///
    /// [`Error::Invalid`] says what [`problem`](Builder::problem) does. [`Error::Unsupported`]: the
    /// library was built without TLS. [`Error::Io`]: the system gives no thread or file.
    pub fn open(mut self) -> Result<Tier> {
        if let Some(problem) = self.problem() {
            return Err(parts::invalid(problem));
        }
        let callbacks = Box::new(std::mem::take(&mut self.callbacks));
        let mut handle = ptr::null_mut();
        let status = self.with_raw(&callbacks, |options| {
            // SAFETY: options are filled in, and what they point to is kept beside the handle.
            unsafe { sys::ct_redis_open(options, &mut handle) }
        });
        parts::check(status.ok_or(Error::Internal)?)?;
        let handle = ptr::NonNull::new(handle).ok_or(Error::Internal)?;
        // SAFETY: just opened, with these.
        Ok(unsafe { Tier::from_raw(handle, self.near, callbacks) })
    }

    /// Makes a call with what the library takes, unless the url has a zero.
    fn with_raw<T>(
        &self,
        callbacks: &Callbacks,
        run: impl FnOnce(&sys::ct_redis_options) -> T,
    ) -> Option<T> {
        let url = CString::new(self.url.as_str()).ok()?;
        Some(run(&sys::ct_redis_options {
            struct_size: size_of::<sys::ct_redis_options>(),
            flags: self.flags,
            reserved: 0,
            url: url.as_ptr(),
            near: parts::handle(&self.near),
            prefix: self.prefix.as_ptr().cast(),
            prefix_size: self.prefix.len(),
            ttl: self.ttl,
            near_ttl: self.near_ttl,
            offline_ttl: self.offline_ttl,
            max_stale: self.max_stale,
            timeout: self.timeout,
            lease: self.lease,
            max_value: self.max_value,
            max_pending: self.max_pending,
            user_data: callbacks as *const Callbacks as *mut c_void,
            listener: callbacks.listener.as_ref().map(|_| tell as _),
        }))
    }
}

unsafe extern "C" fn tell(user_data: *mut c_void, event: *const sys::ct_redis_event) {
    // SAFETY: user_data is that of a tier which still is; the event is lent for this call.
    let (callbacks, event) = unsafe { (&*user_data.cast::<Callbacks>(), Event::from_raw(&*event)) };
    parts::guard(|| callbacks.listener.as_ref().unwrap()(&event));
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("near", &self.near)
            .field("prefix", &String::from_utf8_lossy(&self.prefix))
            .finish_non_exhaustive() // a url may have a password
    }
}
