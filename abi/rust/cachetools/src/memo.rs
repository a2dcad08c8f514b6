// SPDX-License-Identifier: MIT
//! Functions that remember their results.
use std::cell::Cell;
use std::ffi::c_void;
use std::fmt;
use std::mem::{size_of, ManuallyDrop};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use cachetools_sys as sys;

use crate::builder::{explain, Builder};
use crate::byte_cache::ByteCache;
use crate::callbacks::FAILED;
use crate::error::{check, Error, Result};
use crate::key_builder::{KeyBuilder, KeyRef};
use crate::load::{Found, Loaded, Output};
use crate::panics::{self, guard};
use crate::value::{at, Value};

type MemoFn<A, E> =
    dyn Fn(&Memo<A, E>, &A, &mut Output<'_>) -> Result<Option<Vec<u8>>, E> + Send + Sync;
type MemoKeyFn<A> = dyn Fn(&A, &mut KeyRef<'_>) + Send + Sync;

/// A function of bytes that remembers its results.
///
/// However many threads ask for the same result at once, one computes it. `Ok(None)` and failures
/// are not remembered. The function gets the memo too, so that it can call itself.
pub struct Memo<A: ?Sized, E = Error> {
    handle: NonNull<sys::ct_memo>,
    _functions: Arc<Functions<A, E>>, // the library has their address
    cache: Results,
}

struct Functions<A: ?Sized, E> {
    function: Box<MemoFn<A, E>>,
    key: Box<MemoKeyFn<A>>,
}

/// Where results are kept. A shared cache outlives the memo.
enum Results {
    Own(ManuallyDrop<ByteCache>), // the memo frees it
    Shared(Arc<ByteCache>),
}

/// What a call passes to its callbacks as args.
struct Call<'call, A: ?Sized, E> {
    memo: &'call Memo<A, E>,
    args: &'call A,
    error: Cell<Option<E>>,
}

// SAFETY: the functions are Send and Sync, and so is the cache; arguments and errors never leave the
// thread of their call.
unsafe impl<A: ?Sized, E> Send for Memo<A, E> {}
// SAFETY: as Send.
unsafe impl<A: ?Sized, E> Sync for Memo<A, E> {}

/// What a memo has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoInfo {
    /// Calls that did not call the function, waits included.
    pub hits: u64,
    /// Calls of the function, failed ones included.
    pub misses: u64,
    /// The limit of the cache.
    pub maxsize: u64,
    /// The sum of the weights in the cache, other memos' results included.
    pub weight: u64,
}

// In what follows, every call into the library passes a memo that is alive, and arguments that
// callbacks use during the call only, on this thread.

impl<A: ?Sized, E: From<Error>> Memo<A, E> {
    /// Keeps results in a cache of its own.
    pub fn new(
        own: Builder<ByteCache>,
        function: impl Fn(&Memo<A, E>, &A) -> Result<Option<Vec<u8>>, E> + Send + Sync + 'static,
        key: impl Fn(&A, &mut KeyRef<'_>) + Send + Sync + 'static,
    ) -> Result<Memo<A, E>> {
        Memo::new_with(own, move |memo, args, _| function(memo, args), key)
    }

    /// As [`new`](Memo::new), with a function that may give its result a lifetime, a weight or tags.
    pub fn new_with(
        own: Builder<ByteCache>,
        function: impl Fn(&Memo<A, E>, &A, &mut Output<'_>) -> Result<Option<Vec<u8>>, E>
            + Send
            + Sync
            + 'static,
        key: impl Fn(&A, &mut KeyRef<'_>) + Send + Sync + 'static,
    ) -> Result<Memo<A, E>> {
        let functions = Functions::new(function, key);
        let mut options = functions.options();
        let mut handle = ptr::null_mut();
        let (callbacks, made) = own.with_kept(|own| {
            options.own = own;
            // SAFETY: options are filled in. Their user_data is kept beside the handle, as is that
            // of own.
            explain(own, unsafe { sys::ct_memo_new(&options, &mut handle) })
        });
        panics::resume();
        made?;
        let handle = NonNull::new(handle).ok_or(Error::Internal)?;
        // SAFETY: see above.
        let cache = unsafe { sys::ct_memo_cache(handle.as_ptr(), ptr::null_mut()) };
        let cache = NonNull::new(cache).ok_or(Error::Internal)?;
        // SAFETY: the memo's own, with these callbacks. It is never dropped: the memo frees it.
        let cache = ManuallyDrop::new(unsafe { ByteCache::from_raw(cache, callbacks) });
        Ok(Memo {
            handle,
            _functions: functions,
            cache: Results::Own(cache),
        })
    }

    /// Keeps results in a cache that others use too; the prefix keeps memos apart.
    pub fn sharing(
        cache: Arc<ByteCache>,
        prefix: &[u8],
        function: impl Fn(&Memo<A, E>, &A) -> Result<Option<Vec<u8>>, E> + Send + Sync + 'static,
        key: impl Fn(&A, &mut KeyRef<'_>) + Send + Sync + 'static,
    ) -> Result<Memo<A, E>> {
        Memo::sharing_with(
            cache,
            prefix,
            move |memo, args, _| function(memo, args),
            key,
        )
    }

    /// As [`sharing`](Memo::sharing), with a function that may give its result a lifetime, a weight
    /// or tags.
    pub fn sharing_with(
        cache: Arc<ByteCache>,
        prefix: &[u8],
        function: impl Fn(&Memo<A, E>, &A, &mut Output<'_>) -> Result<Option<Vec<u8>>, E>
            + Send
            + Sync
            + 'static,
        key: impl Fn(&A, &mut KeyRef<'_>) + Send + Sync + 'static,
    ) -> Result<Memo<A, E>> {
        let functions = Functions::new(function, key);
        let mut options = functions.options();
        options.cache = cache.raw();
        options.prefix = at(prefix);
        options.prefix_size = prefix.len();
        let mut handle = ptr::null_mut();
        // SAFETY: options are filled in. Their user_data and the cache are kept beside the handle.
        check(unsafe { sys::ct_memo_new(&options, &mut handle) })?;
        let handle = NonNull::new(handle).ok_or(Error::Internal)?;
        Ok(Memo {
            handle,
            _functions: functions,
            cache: Results::Shared(cache),
        })
    }

    /// Returns the remembered result, or calls the function. If that fails to renew a result, the old
    /// one serves. A function that needs the very result
    /// that it is computing is [`Error::Recursion`].
    pub fn call(&self, args: &A) -> Result<Option<Value>, E> {
        let call = Call::new(self, args);
        let mut value = sys::ct_value::EMPTY;
        // SAFETY: see above.
        let status =
            unsafe { sys::ct_memo_call(self.raw(), ptr::null_mut(), call.raw(), &mut value) };
        // SAFETY: that call, on this cache, filled it in.
        let value = unsafe { self.cache().own(value) };
        panics::resume();
        let loaded = Loaded {
            is_stale: status == sys::CT_STALE,
            failure: call.error.take(),
            value,
        };
        Ok(loaded.check(status)?.map(|loaded| loaded.value))
    }

    /// Forgets the result of one call. Returns whether it was kept.
    pub fn invalidate(&self, args: &A) -> Result<bool> {
        let call = Call::new(self, args);
        // SAFETY: see above.
        let status = unsafe { sys::ct_memo_invalidate(self.raw(), ptr::null_mut(), call.raw()) };
        panics::resume();
        Ok(check(status)? == sys::CT_OK)
    }

    /// Returns the key that the result of a call is stored under.
    pub fn key(&self, args: &A) -> Result<Vec<u8>> {
        let call = Call::new(self, args);
        let mut key = KeyBuilder::new()?;
        // SAFETY: see above.
        let status =
            unsafe { sys::ct_memo_key(self.raw(), ptr::null_mut(), call.raw(), key.raw()) };
        panics::resume();
        check(status)?;
        key.data().map(<[u8]>::to_vec)
    }

    /// Returns what the memo has seen.
    pub fn info(&self) -> Result<MemoInfo> {
        let mut info = sys::ct_cache_info {
            struct_size: size_of::<sys::ct_cache_info>(),
            hits: 0,
            misses: 0,
            maxsize: 0,
            currsize: 0,
            flags: 0,
            reserved: 0,
        };
        // SAFETY: see above.
        let status = unsafe { sys::ct_memo_info(self.raw(), ptr::null_mut(), &mut info) };
        panics::resume();
        check(status)?;
        Ok(MemoInfo {
            hits: info.hits,
            misses: info.misses,
            maxsize: info.maxsize,
            weight: info.currsize,
        })
    }

    /// Counts from zero again; results stay.
    pub fn forget(&self) {
        // SAFETY: see above.
        unsafe { sys::ct_memo_forget(self.raw(), ptr::null_mut()) }
    }

    /// Empties the cache, and counts from zero again.
    pub fn clear(&self) -> Result<()> {
        // SAFETY: see above.
        let status = unsafe { sys::ct_memo_clear(self.raw(), ptr::null_mut()) };
        panics::resume();
        check(status).map(drop)
    }
}

impl<A: ?Sized, E> Memo<A, E> {
    /// The cache that keeps the results.
    pub fn cache(&self) -> &ByteCache {
        match &self.cache {
            Results::Own(cache) => cache,
            Results::Shared(cache) => cache,
        }
    }

    fn raw(&self) -> *mut sys::ct_memo {
        self.handle.as_ptr()
    }
}

impl<A: ?Sized, E> Drop for Memo<A, E> {
    fn drop(&mut self) {
        if let Results::Own(cache) = &mut self.cache {
            if !cache.is_free() {
                return;
            }
        }
        // SAFETY: made by ct_memo_new, and freed once. No call is running, as none borrows the memo,
        // and no walk or lease of its own cache is left.
        unsafe { sys::ct_memo_free(self.raw()) };
        if let Results::Own(cache) = &mut self.cache {
            drop(cache.take_callbacks());
        }
        panics::resume_in_drop();
    }
}

impl<A: ?Sized, E> fmt::Debug for Memo<A, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo")
            .field("cache", self.cache())
            .finish_non_exhaustive()
    }
}

impl<A: ?Sized, E> Functions<A, E> {
    fn new(
        function: impl Fn(&Memo<A, E>, &A, &mut Output<'_>) -> Result<Option<Vec<u8>>, E>
            + Send
            + Sync
            + 'static,
        key: impl Fn(&A, &mut KeyRef<'_>) + Send + Sync + 'static,
    ) -> Arc<Functions<A, E>> {
        Arc::new(Functions {
            function: Box::new(function),
            key: Box::new(key),
        })
    }

    fn options(&self) -> sys::ct_memo_options {
        sys::ct_memo_options {
            struct_size: size_of::<sys::ct_memo_options>(),
            flags: 0,
            reserved: 0,
            user_data: self as *const _ as *mut c_void,
            fn_: Some(compute::<A, E>),
            key: Some(add_key::<A, E>),
            cache: ptr::null_mut(),
            cache_of: None,
            own: ptr::null(),
            prefix: ptr::null(),
            prefix_size: 0,
        }
    }
}

impl<'call, A: ?Sized, E> Call<'call, A, E> {
    fn new(memo: &'call Memo<A, E>, args: &'call A) -> Self {
        Call {
            memo,
            args,
            error: Cell::new(None),
        }
    }

    fn raw(&self) -> *const c_void {
        self as *const _ as *const c_void
    }
}

unsafe extern "C" fn compute<A: ?Sized, E>(
    user_data: *mut c_void,
    _self: *mut c_void,
    args: *const c_void,
    result: *mut sys::ct_result,
) -> sys::ct_status {
    // SAFETY: user_data is of Functions::options, args of Call::raw, and both are alive.
    let (functions, call) = unsafe {
        (
            &*user_data.cast::<Functions<A, E>>(),
            &*args.cast::<Call<'_, A, E>>(),
        )
    };
    guard(FAILED, || {
        let mut error = None;
        let load = |output: &mut Output<'_>| {
            (functions.function)(call.memo, call.args, output).map(Found::from)
        };
        // SAFETY: the result is lent for this call.
        let status = unsafe { Output::new(result) }.load(load, &mut error);
        call.error.set(error);
        status
    })
}

unsafe extern "C" fn add_key<A: ?Sized, E>(
    user_data: *mut c_void,
    _self: *mut c_void,
    args: *const c_void,
    key: *mut sys::ct_key,
) -> sys::ct_status {
    // SAFETY: as in compute; the key is lent for this call, and not null.
    let (functions, call, mut key) = unsafe {
        (
            &*user_data.cast::<Functions<A, E>>(),
            &*args.cast::<Call<'_, A, E>>(),
            KeyRef::new(NonNull::new_unchecked(key)),
        )
    };
    guard(FAILED, || {
        (functions.key)(call.args, &mut key);
        sys::CT_OK
    })
}
