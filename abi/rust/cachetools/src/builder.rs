// SPDX-License-Identifier: MIT
//! How to make a cache.
use std::alloc::GlobalAlloc;
use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::mem::{self, size_of};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use cachetools_sys as sys;

use crate::byte_cache::ByteCache;
use crate::callbacks::{self, Callbacks};
use crate::error::{check, text, Error, Result};
use crate::event::ByteEvent;
use crate::panics;
use crate::policy::{self, EvictionPolicy, Policy};
use crate::problem::Problem;
use crate::time::{duration, ticks};

/// As `maxsize`: no limit.
pub const UNBOUNDED: u64 = sys::CT_UNBOUNDED;

/// What an entry of bytes weighs against `maxsize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(i32)]
pub enum WeightKind {
    /// 1: `maxsize` is a number of entries.
    Count = sys::CT_WEIGHT_COUNT,
    /// The bytes of its value; nothing if that is empty.
    Value = sys::CT_WEIGHT_VALUE,
    /// The bytes that it takes, with its share of all that the cache holds.
    Memory = sys::CT_WEIGHT_MEMORY,
}

/// Makes a cache of type `C`, which is [`Cache`](crate::Cache) or [`ByteCache`].
///
/// Times are nanoseconds of the monotonic clock, unless you bring a [`timer`](Builder::timer).
///
/// Callbacks may use the cache, those that run "inside the critical section" excepted: these may
/// wait for themselves, for ever. If a callback panics, the panic goes on in the call that ran it,
/// when the library has ended that call.
#[must_use]
pub struct Builder<C> {
    policy: i32,
    weight_kind: i32,
    maxsize: u64,
    shards: u32,
    pub(crate) flags: u32,
    ttl: u64,
    tti: u64,
    refresh_ahead: u64,
    stale: u64,
    retry: u64,
    negative_ttl: u64,
    jitter: u64,
    seed: u64,
    /// Called in place of `Callbacks::drop`, if any: one that needs no user_data.
    pub(crate) drop: sys::ct_drop_fn,
    pub(crate) callbacks: Callbacks,
    makes: PhantomData<fn() -> C>,
}

impl<C> Builder<C> {
    /// Begins with a policy and a limit: a number of entries, unless they weigh something else.
    /// [`UNBOUNDED`] is no limit; 0 is refused without [`keep_nothing`](Builder::keep_nothing).
    pub fn new(policy: Policy, maxsize: u64) -> Builder<C> {
        Builder {
            policy: policy as i32,
            weight_kind: sys::CT_WEIGHT_COUNT,
            maxsize,
            shards: 0,
            flags: 0,
            ttl: 0,
            tti: 0,
            refresh_ahead: 0,
            stale: 0,
            retry: 0,
            negative_ttl: 0,
            jitter: 0,
            seed: 0,
            drop: None,
            callbacks: Callbacks::default(),
            makes: PhantomData,
        }
    }

    /// How many parts have a lock and an order of their own: a power of two up to 4096. Without
    /// this it is 1, and the order is exact; for many threads, 16 or so.
    pub fn shards(mut self, shards: u32) -> Self {
        self.shards = shards;
        self
    }

    /// Time to live from a write on. Zero is none.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ticks(ttl);
        self
    }

    /// Time to idle from a use on. Zero is none.
    pub fn tti(mut self, tti: Duration) -> Self {
        self.tti = ticks(tti);
        self
    }

    /// Loading calls renew a value with less than this left of its ttl: one of them loads, and the
    /// others get the old value at once. Below the ttl. Zero is none.
    pub fn refresh_ahead(mut self, refresh_ahead: Duration) -> Self {
        self.refresh_ahead = ticks(refresh_ahead);
        self
    }

    /// A value that has expired stays that much longer, for loading calls alone: they renew it, and
    /// get the old one while that goes on, or if it fails. Zero is not at all.
    pub fn stale(mut self, stale: Duration) -> Self {
        self.stale = ticks(stale);
        self
    }

    /// How long nobody tries to renew a value after a failure. Zero is a tenth of the ttl, or of
    /// `refresh_ahead` without one.
    pub fn retry(mut self, retry: Duration) -> Self {
        self.retry = ticks(retry);
        self
    }

    /// How long it is remembered that a loader has found no value. Until then loading calls tell so
    /// without a load. Zero is not at all.
    pub fn negative_ttl(mut self, negative_ttl: Duration) -> Self {
        self.negative_ttl = ticks(negative_ttl);
        self
    }

    /// Takes up to this much, at random, off the ttl, so that what was stored at once does not
    /// expire at once. Below the ttl. Zero is nothing.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = ticks(jitter);
        self
    }

    /// The seed of hashing and of [`Policy::Rr`], for repeatable runs. Hostile keys are harmless
    /// only while it is secret.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Counts nothing.
    pub fn without_stats(mut self) -> Self {
        self.flags |= sys::CT_FLAG_NO_STATS;
        self
    }

    /// Reads the exact clock, which takes longer, instead of the coarse one, by which lifetimes end
    /// some milliseconds late.
    pub fn precise_clock(mut self) -> Self {
        self.flags |= sys::CT_FLAG_PRECISE_CLOCK;
        self
    }

    /// Keeps the miss-ratio curve that `miss_ratios` tells.
    pub fn curve(mut self) -> Self {
        self.flags |= sys::CT_FLAG_CURVE;
        self
    }

    /// Lets `maxsize` be 0: only what weighs 0 is kept.
    pub fn keep_nothing(mut self) -> Self {
        self.flags |= sys::CT_FLAG_KEEP_NOTHING;
        self
    }

    /// Tells the time, since whenever. Runs inside the critical section.
    pub fn timer(mut self, timer: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.callbacks.timer = Some(Box::new(timer));
        self
    }

    /// Chooses a victim for [`Policy::Rr`]: an index, out of that many entries. Runs inside the
    /// critical section.
    pub fn choice(mut self, choice: impl Fn(u64) -> u64 + Send + Sync + 'static) -> Self {
        self.callbacks.choice = Some(Box::new(choice));
        self
    }

    /// Makes the policy of a shard, for [`Policy::Custom`], from the limit of the whole cache.
    pub fn custom(
        mut self,
        policy: impl Fn(u64) -> Box<dyn EvictionPolicy> + Send + Sync + 'static,
    ) -> Self {
        self.callbacks.policy = Some(Box::new(policy));
        self
    }

    /// Says where the cache's memory comes from. Runs inside the critical section.
    pub fn allocator(mut self, allocator: impl GlobalAlloc + Send + Sync + 'static) -> Self {
        self.callbacks.allocator = Some(Box::new(allocator));
        self
    }

    /// Says what is wrong: [`build`](Builder::build) would fail with it, as [`Error::Invalid`].
    pub fn problem(&self) -> Option<Problem> {
        self.with_raw(&self.callbacks, problem_of)
    }

    /// Makes the cache of bytes that any cache is.
    pub(crate) fn build_bytes(self) -> Result<ByteCache> {
        let mut handle = ptr::null_mut();
        let (callbacks, made) = self.with_kept(|options| {
            // SAFETY: options are filled in, and their callbacks are kept beside the handle.
            explain(options, unsafe {
                sys::ct_cache_new_with(options, &mut handle)
            })
        });
        panics::resume();
        made?;
        let handle = NonNull::new(handle).ok_or(Error::Internal)?;
        // SAFETY: just made, with these callbacks.
        Ok(unsafe { ByteCache::from_raw(handle, callbacks) })
    }

    /// Calls a function that keeps the options' user_data, and returns what must be kept with it.
    pub(crate) fn with_kept<T>(
        mut self,
        run: impl FnOnce(&sys::ct_options) -> T,
    ) -> (Option<Arc<Callbacks>>, T) {
        let callbacks = Arc::new(mem::take(&mut self.callbacks));
        let result = self.with_raw(&callbacks, run);
        let is_needed = !callbacks.are_none();
        (Some(callbacks).filter(|_| is_needed), result)
    }

    fn with_raw<T>(&self, callbacks: &Callbacks, run: impl FnOnce(&sys::ct_options) -> T) -> T {
        let user_data = callbacks as *const Callbacks as *mut c_void;
        let allocator = sys::ct_allocator {
            struct_size: size_of::<sys::ct_allocator>(),
            alloc: Some(callbacks::alloc),
            free: Some(callbacks::free),
            ctx: user_data,
        };
        // What a weigher has panicked at weighs UNBOUNDED: more than any cache takes.
        let most = UNBOUNDED - u64::from(callbacks.weigher.is_some());
        run(&sys::ct_options {
            struct_size: size_of::<sys::ct_options>(),
            policy: self.policy,
            weight_kind: self.weight_kind,
            maxsize: self.maxsize.min(most),
            shards: self.shards,
            flags: self.flags,
            ttl: self.ttl,
            tti: self.tti,
            seed: self.seed,
            user_data,
            timer: callbacks.timer.as_ref().map(|_| callbacks::timer as _),
            ttu: (callbacks.time_to_use.as_ref()).map(|_| callbacks::time_to_use as _),
            weigher: callbacks.weigher.as_ref().map(|_| callbacks::weigher as _),
            choice: callbacks.choice.as_ref().map(|_| callbacks::choice as _),
            listener: callbacks
                .listener
                .as_ref()
                .map(|_| callbacks::listener as _),
            drop: (self.drop).or_else(|| callbacks.drop.as_ref().map(|_| callbacks::drop as _)),
            custom: (callbacks.policy.as_ref()).map_or(ptr::null(), |_| &policy::OPS),
            allocator: (callbacks.allocator.as_ref()).map_or(ptr::null(), |_| &allocator),
            refresh_ahead: self.refresh_ahead,
            stale: self.stale,
            retry: self.retry,
            negative_ttl: self.negative_ttl,
            jitter: self.jitter,
        })
    }
}

impl Builder<ByteCache> {
    /// What entries weigh, unless a weigher says otherwise.
    pub fn weight_kind(mut self, kind: WeightKind) -> Self {
        self.weight_kind = kind as i32;
        self
    }

    /// Weighs key and value.
    pub fn weigher(
        mut self,
        weigher: impl Fn(&[u8], &[u8]) -> u64 + Send + Sync + 'static,
    ) -> Self {
        self.callbacks.weigher = Some(Box::new(weigher));
        self
    }

    /// Returns from key, value and now until when an entry may be used, by the cache's timer.
    pub fn time_to_use(
        mut self,
        time_to_use: impl Fn(&[u8], &[u8], Duration) -> Duration + Send + Sync + 'static,
    ) -> Self {
        self.callbacks.time_to_use = Some(Box::new(time_to_use));
        self
    }

    /// Is told of every entry that leaves, before the call that removed it returns. It is not told
    /// of those that are there when the cache is dropped.
    pub fn listener(mut self, listener: impl Fn(&ByteEvent<'_>) + Send + Sync + 'static) -> Self {
        self.callbacks.listener = Some(Box::new(listener));
        self
    }

    /// Is called for each stored value after it has left and its last pin is gone.
    pub fn on_drop(mut self, drop: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        self.callbacks.drop = Some(Box::new(drop));
        self
    }

    /// Makes the cache. What is wrong with the options is an [`Error::Invalid`] that says so.
    pub fn build(self) -> Result<ByteCache> {
        self.build_bytes()
    }
}

impl<C> fmt::Debug for Builder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("policy", &Policy::from_raw(self.policy))
            .field("maxsize", &self.maxsize)
            .finish_non_exhaustive()
    }
}

/// Lets success pass. Of options that are not allowed, says why.
pub(crate) fn explain(options: &sys::ct_options, status: sys::ct_status) -> Result<()> {
    match check(status) {
        Err(Error::Invalid(unexplained)) => {
            Err(Error::Invalid(problem_of(options).unwrap_or(unexplained)))
        }
        other => other.map(drop),
    }
}

fn problem_of(options: &sys::ct_options) -> Option<Problem> {
    // SAFETY: options are filled in, and the answer is a static string or null.
    unsafe { text(sys::ct_options_problem(options)) }.map(Problem::new)
}

/// The options in force, with defaults filled in and the seed that was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Which entry leaves when room is needed.
    pub policy: Policy,
    /// The limit, also after a resize.
    pub maxsize: u64,
    /// How many parts there are.
    pub shards: u32,
    /// Time to live; zero if there is none.
    pub ttl: Duration,
    /// Time to idle; zero if there is none.
    pub tti: Duration,
    /// How long before its deadline a value is renewed; zero if there is no such time.
    pub refresh_ahead: Duration,
    /// How long after its deadline a value may serve; zero if not at all.
    pub stale: Duration,
    /// How long nobody tries to renew a value after a failure.
    pub retry: Duration,
    /// How long it is remembered that there is no value; zero if not at all.
    pub negative_ttl: Duration,
    /// How much at most is taken off the ttl; zero if nothing is.
    pub jitter: Duration,
    /// The seed of hashing.
    pub seed: u64,
    /// Whether events are counted.
    pub has_stats: bool,
    /// Whether the exact clock is read.
    pub has_precise_clock: bool,
}

impl Options {
    pub(crate) fn of(cache: &ByteCache) -> Result<Options> {
        // SAFETY: zeros are valid: numbers, null pointers and no functions.
        let mut raw: sys::ct_options = unsafe { mem::zeroed() };
        raw.struct_size = size_of::<sys::ct_options>();
        // SAFETY: the cache is alive, and raw is writable.
        check(unsafe { sys::ct_cache_options(cache.raw(), &mut raw) })?;
        Ok(Options {
            policy: Policy::from_raw(raw.policy)?,
            maxsize: raw.maxsize,
            shards: raw.shards,
            ttl: duration(raw.ttl),
            tti: duration(raw.tti),
            refresh_ahead: duration(raw.refresh_ahead),
            stale: duration(raw.stale),
            retry: duration(raw.retry),
            negative_ttl: duration(raw.negative_ttl),
            jitter: duration(raw.jitter),
            seed: raw.seed,
            has_stats: raw.flags & sys::CT_FLAG_NO_STATS == 0,
            has_precise_clock: raw.flags & sys::CT_FLAG_PRECISE_CLOCK != 0,
        })
    }
}
