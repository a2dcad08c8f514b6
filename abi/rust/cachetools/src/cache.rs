// SPDX-License-Identifier: MIT
//! The cache of typed keys and shared values.
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use cachetools_sys as sys;

use crate::builder::{Builder, Options};
use crate::byte_cache::ByteCache;
use crate::entry::{EntryInfo, EntryOptions, Outcome};
use crate::error::{check, Error, Result};
use crate::event::Cause;
use crate::key::{DecodeKey, Key};
use crate::load::{Change, Found, Leased, LoadOptions, Loaded, Output};
use crate::panics;
use crate::policy::Policy;
use crate::shared::{self, Address, Parcel};
use crate::stats::Stats;
use crate::value::Value;
use crate::walk::{Order, Walk};

/// A cache of values of type `V` under keys of type `K`, bounded by a policy. Any thread may use it
/// at any time.
///
/// Values are held and handed out as `Arc<V>`, and never copied. The cache's own count is given back
/// when the entry has left, and whatever is still being read of it. Keys are copied as bytes, so
/// look-ups and inserts borrow them: as any [`Key<K>`](Key), such as `str` for `String`.
///
/// ```
/// use cachetools::{Cache, Policy};
/// use std::time::Duration;
///
/// # fn main() -> cachetools::Result<()> {
/// let prices = Cache::<String, f64>::builder(Policy::Sieve, 1000)
///     .ttl(Duration::from_secs(300))
///     .build()?;
/// prices.insert("tea", 2.5)?;
/// assert_eq!(Some(2.5), prices.get("tea").map(|price| *price));
///
/// // However many threads ask for it, one loads it, and the others wait.
/// let milk = prices.get_or_load("milk", || Ok::<_, cachetools::Error>(1.25))?;
/// assert_eq!(1.25, *milk);
/// # Ok(())
/// # }
/// ```
pub struct Cache<K, V> {
    bytes: ByteCache, // each value is of a Parcel<V>
    keys: PhantomData<fn(&K)>,
    values: PhantomData<Arc<V>>,
}

impl<K, V> Cache<K, V> {
    pub(crate) fn as_bytes(&self) -> &ByteCache {
        &self.bytes
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("maxsize", &self.bytes.maxsize())
            .finish_non_exhaustive()
    }
}

/// An entry that left a [`Cache`].
#[non_exhaustive]
pub struct Event<'a, K, V> {
    /// The bytes of its key: see [`Key::with_bytes`].
    pub key_bytes: &'a [u8],
    /// Its value.
    pub value: &'a Arc<V>,
    /// The weight that counted against `maxsize`.
    pub weight: u64,
    /// Why it left.
    pub cause: Cause,
    key: PhantomData<fn() -> K>,
}

impl<K: DecodeKey, V> Event<'_, K, V> {
    /// Its key.
    ///
    /// # Panics
    ///
    /// If [`DecodeKey::decode`] does not know the bytes that [`Key::with_bytes`] made.
    pub fn key(&self) -> K {
        K::decode(self.key_bytes).expect("a key's bytes are decoded")
    }
}

impl<K, V: fmt::Debug> fmt::Debug for Event<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("key_bytes", &self.key_bytes)
            .field("value", &self.value)
            .field("weight", &self.weight)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

impl<K: Key, V: Send + Sync + 'static> Builder<Cache<K, V>> {
    /// Weighs the bytes of a key, and a value.
    pub fn weigher(mut self, weigher: impl Fn(&[u8], &V) -> u64 + Send + Sync + 'static) -> Self {
        self.callbacks.weigher = Some(Box::new(move |key, value| {
            // SAFETY: the library lends the value, which is of a Parcel<V>, for this call.
            let value = unsafe { shared::lend::<V>(value) };
            weigher(key, &value)
        }));
        self
    }

    /// Returns from the bytes of a key, a value and now until when an entry may be used, by the
    /// cache's timer.
    pub fn time_to_use(
        mut self,
        time_to_use: impl Fn(&[u8], &V, Duration) -> Duration + Send + Sync + 'static,
    ) -> Self {
        self.callbacks.time_to_use = Some(Box::new(move |key, value, now| {
            // SAFETY: as in weigher.
            let value = unsafe { shared::lend::<V>(value) };
            time_to_use(key, &value, now)
        }));
        self
    }

    /// Is told of every entry that leaves, before the call that removed it returns. It is not told
    /// of those that are there when the cache is dropped.
    pub fn listener(mut self, listener: impl Fn(&Event<'_, K, V>) + Send + Sync + 'static) -> Self {
        self.callbacks.listener = Some(Box::new(move |event| {
            // SAFETY: as in weigher.
            let value = unsafe { shared::lend::<V>(event.value) };
            listener(&Event {
                key_bytes: event.key,
                value: &value,
                weight: event.weight,
                cause: event.cause,
                key: PhantomData,
            });
        }));
        self
    }

    /// Makes the cache. What is wrong with the options is an [`Error::Invalid`] that says so.
    pub fn build(mut self) -> Result<Cache<K, V>> {
        self.drop = Some(shared::release::<V>);
        self.flags |= sys::CT_FLAG_DROP_LOADED;
        Ok(Cache {
            bytes: self.build_bytes()?,
            keys: PhantomData,
            values: PhantomData,
        })
    }
}

impl<K: Key, V: Send + Sync + 'static> Cache<K, V> {
    /// Makes a cache of at most `maxsize` entries; 0 is refused.
    pub fn new(policy: Policy, maxsize: u64) -> Result<Cache<K, V>> {
        Cache::builder(policy, maxsize).build()
    }

    /// Begins to make a cache.
    pub fn builder(policy: Policy, maxsize: u64) -> Builder<Cache<K, V>> {
        Builder::new(policy, maxsize)
    }

    /// Shares what a value shares, and unpins it.
    #[inline]
    fn share(value: Result<Option<Value>>) -> Option<Arc<V>> {
        // The only failure is want of memory for more pins than there are threads to have them.
        let value = value.ok().flatten()?;
        // SAFETY: the value is pinned, and of a Parcel<V>.
        Some(unsafe { shared::share(&value) })
    }

    // -- Reading --

    /// Looks a key up. A hit is a use.
    #[inline]
    pub fn get<Q: Key<K> + ?Sized>(&self, key: &Q) -> Option<Arc<V>> {
        key.with_bytes(|key| Self::share(self.bytes.get(key)))
    }

    /// Looks a key up without a trace: this is no use, and nothing is counted.
    pub fn peek<Q: Key<K> + ?Sized>(&self, key: &Q) -> Option<Arc<V>> {
        key.with_bytes(|key| Self::share(self.bytes.peek(key)))
    }

    /// Returns whether a key is there. This is no use.
    pub fn contains<Q: Key<K> + ?Sized>(&self, key: &Q) -> bool {
        key.with_bytes(|key| self.bytes.contains(key))
    }

    // -- Writing --

    /// Stores a value in place of the old one.
    ///
    /// A value that is not stored is dropped. If that is because it weighs more than `maxsize`, which
    /// is [`Error::TooLarge`], the old value stays.
    ///
    /// The value is a `V`, a `Box<V>` or an `Arc<V>`: make a `String` of a `&str` by `to_string`. The
    /// compiler does not infer what `.into()` is to make here.
    ///
    /// ```
    /// # fn main() -> cachetools::Result<()> {
    /// # let drinks = cachetools::Cache::<u32, String>::new(cachetools::Policy::Lru, 10)?;
    /// drinks.insert(&1, "tea".to_string())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn insert<Q: Key<K> + ?Sized>(&self, key: &Q, value: impl Into<Arc<V>>) -> Result<Outcome> {
        self.store(key, value.into(), None)
    }

    /// Stores a value with a lifetime, a weight or a condition of its own.
    pub fn insert_with<Q: Key<K> + ?Sized>(
        &self,
        key: &Q,
        value: impl Into<Arc<V>>,
        options: &EntryOptions,
    ) -> Result<Outcome> {
        self.store(key, value.into(), Some(options))
    }

    fn store<Q: Key<K> + ?Sized>(
        &self,
        key: &Q,
        value: Arc<V>,
        options: Option<&EntryOptions>,
    ) -> Result<Outcome> {
        let parcel = Parcel::new(value);
        // Whatever with_bytes does after that, it is settled whose the count is.
        key.with_bytes(|key| {
            let status = self.bytes.store(key, parcel.bytes(), options, None);
            parcel.settle(status);
            panics::resume();
            self.bytes.outcome(status, options, None)
        })
    }

    /// Stores a value only if the key still has the one that was seen, shared by the very same `Arc`.
    /// This is compare-and-swap. Options have no other condition.
    pub fn insert_if_same<Q: Key<K> + ?Sized>(
        &self,
        key: &Q,
        value: impl Into<Arc<V>>,
        seen: &Arc<V>,
        options: &EntryOptions,
    ) -> Result<Outcome> {
        let parcel = Parcel::new(value.into());
        key.with_bytes(|key| {
            let there = match self.bytes.peek(key)? {
                Some(there) if Self::is_of(&there, seen) => there,
                Some(_) => return Ok(Outcome::Exists),
                None => return Ok(Outcome::Missing),
            };
            let status = (self.bytes).store(key, parcel.bytes(), Some(options), Some(&there));
            parcel.settle(status);
            let outcome = self.bytes.outcome(status, Some(options), Some(&there));
            drop(there);
            panics::resume();
            outcome
        })
    }

    fn is_of(value: &Value, seen: &Arc<V>) -> bool {
        // SAFETY: the value is pinned, and of a Parcel<V>.
        let shared = unsafe { shared::lend::<V>(value) };
        Arc::ptr_eq(&shared, seen)
    }

    // -- Loading --

    /// Looks a key up, and loads it if it is absent.
    ///
    /// However many threads ask, one of them loads, and the others wait for its value. The error or
    /// the panic of a loader comes out of its own caller's call only: nothing is stored, and all who
    /// wait at that moment fail with [`Error::Load`]. Whoever comes later loads anew. If the key is
    /// written meanwhile, all who wait get that value at once, and what the loader brings is for its
    /// own caller only. If the key is removed meanwhile, or the value weighs too much or is dead on
    /// arrival, it is also for those who wait already, but not kept.
    ///
    /// The loader's error has to take those of the library: it is a `Box<dyn std::error::Error>`, a
    /// `std::io::Error`, or a type of yours that implements `From<cachetools::Error>`.
    ///
    /// The loader may load other keys of the same cache. To load the same key, even once it has
    /// removed that, also by a ring of threads that wait for each other, is [`Error::Recursion`].
    ///
    /// With [`refresh_ahead`](Builder::refresh_ahead) and [`stale`](Builder::stale), a loader also
    /// renews a value that is there, while others get the old one, which serves if that fails: it may
    /// be past its deadline. [`get_or_renew`](Cache::get_or_renew) tells.
    pub fn get_or_load<Q, L, E>(
        &self,
        key: &Q,
        load: impl FnOnce() -> Result<L, E>,
    ) -> Result<Arc<V>, E>
    where
        Q: Key<K> + ?Sized,
        L: Into<Arc<V>>,
        E: From<Error>,
    {
        self.get_or_load_with(key, || Ok((load()?, EntryOptions::new())))
    }

    /// As [`get_or_load`](Cache::get_or_load). The loader also says what is special about the entry.
    pub fn get_or_load_with<Q, L, E>(
        &self,
        key: &Q,
        load: impl FnOnce() -> Result<(L, EntryOptions), E>,
    ) -> Result<Arc<V>, E>
    where
        Q: Key<K> + ?Sized,
        L: Into<Arc<V>>,
        E: From<Error>,
    {
        self.get_or_renew(key, |_| load())
            .map(|loaded| loaded.value)
    }

    /// As [`get_or_load_with`](Cache::get_or_load_with). The loader also sees the old value, if it is
    /// to renew one, and may return that again; and the result says whether the value is stale.
    ///
    /// ```
    /// # use cachetools::{Cache, EntryOptions, Error, Policy};
    /// # use std::time::Duration;
    /// # fn main() -> cachetools::Result<()> {
    /// let prices = Cache::<String, f64>::builder(Policy::Sieve, 1000)
    ///     .ttl(Duration::from_secs(300))
    ///     .stale(Duration::from_secs(3600))
    ///     .build()?;
    /// let tea = prices.get_or_renew("tea", |_| Ok::<_, Error>((2.5, EntryOptions::new())))?;
    /// if let Some(failure) = tea.failure {
    ///     println!("{} is the last price known, as: {}", tea.value, failure);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_or_renew<Q, L, E>(
        &self,
        key: &Q,
        load: impl FnOnce(Option<&Arc<V>>) -> Result<(L, EntryOptions), E>,
    ) -> Result<Loaded<Arc<V>, E>, E>
    where
        Q: Key<K> + ?Sized,
        L: Into<Arc<V>>,
        E: From<Error>,
    {
        let loaded = key.with_bytes(|key| self.find(key, |old| load(old).map(Some)))?;
        loaded.ok_or_else(|| Error::Missing.into())
    }

    /// As [`get_or_load`](Cache::get_or_load), with a loader that returns `None` if there is no such
    /// value: to all who wait for it, and to all who come within
    /// [`negative_ttl`](Builder::negative_ttl).
    ///
    /// ```
    /// # use cachetools::{Cache, Error, Policy};
    /// # use std::time::Duration;
    /// # fn main() -> cachetools::Result<()> {
    /// let prices = Cache::<String, f64>::builder(Policy::Sieve, 1000)
    ///     .negative_ttl(Duration::from_secs(10))
    ///     .build()?;
    /// let absinthe = prices.get_or_find("absinthe", || Ok::<Option<f64>, Error>(None))?;
    /// assert!(absinthe.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn get_or_find<Q, L, E>(
        &self,
        key: &Q,
        find: impl FnOnce() -> Result<Option<L>, E>,
    ) -> Result<Option<Arc<V>>, E>
    where
        Q: Key<K> + ?Sized,
        L: Into<Arc<V>>,
        E: From<Error>,
    {
        let load = |_: Option<&Arc<V>>| {
            find().map(|found| found.map(|value| (value, EntryOptions::new())))
        };
        let found = key.with_bytes(|key| self.find(key, load))?;
        Ok(found.map(|found| found.value))
    }

    /// As [`get_or_find`](Cache::get_or_find) for many keys, by one query for those that are absent.
    ///
    /// The loader is called once, with the keys that nobody else is loading, each of them once. It
    /// returns what it has found in their order, so that each may be missing or fail alone; another
    /// number of answers is [`Error::Callback`] for each. After that the call waits for the loads of
    /// others. It loads a key that one of them has given up by one more call of the loader.
    ///
    /// Each key succeeds or fails alone. If it is asked for twice, only the first one tells what it
    /// failed with; the other one fails with [`Error::Load`]. If the loader itself fails, so does the
    /// call, and nothing is kept, unless old values [serve](Builder::stale).
    ///
    /// ```
    /// # use cachetools::{Cache, Error, Policy};
    /// # fn main() -> cachetools::Result<()> {
    /// let lengths = Cache::<String, usize>::new(Policy::Sieve, 1000)?;
    /// let found = lengths.get_or_load_many(&["tea", "milk"], |absent| {
    ///     Ok::<_, Error>(absent.iter().map(|key| Ok(Some(key.len()))).collect())
    /// })?;
    /// for length in found {
    ///     println!("{:?}", length?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[allow(clippy::type_complexity)] // spelt out for its readers
    pub fn get_or_load_many<Q, L, E>(
        &self,
        keys: &[Q],
        mut load: impl FnMut(&[&Q]) -> Result<Vec<Result<Option<L>, E>>, E>,
    ) -> Result<Vec<Result<Option<Arc<V>>, E>>, E>
    where
        Q: Key<K>,
        L: Into<Arc<V>>,
        E: From<Error>,
    {
        let bytes = keys.iter().map(|key| key.with_bytes(<[u8]>::to_vec));
        let bytes = bytes.collect::<Vec<_>>();
        let places = bytes.iter().zip(keys).collect::<HashMap<_, _>>();
        let mut brought = HashMap::new();
        let loaded = self.bytes.begin_load_many(&bytes, |absent| {
            let asked = absent.iter().map(|key| places[&key.to_vec()]);
            let found = load(&asked.collect::<Vec<_>>())?;
            let found = found.into_iter().enumerate().map(|(i, found)| {
                let parcel = found?.map(|value| Parcel::new(value.into()));
                Ok(parcel.map(|parcel| {
                    let address = parcel.address();
                    if let Some(key) = absent.get(i) {
                        brought.insert(key.to_vec(), parcel);
                    }
                    address
                }))
            });
            Ok::<Vec<Result<Option<Address<V>>, E>>, E>(found.collect())
        });
        for (key, found) in bytes.iter().zip(&loaded.each) {
            if let Some(parcel) = brought.remove(key) {
                parcel.settle_load(found.as_ref().ok().and_then(Option::as_deref));
            }
        }
        panics::resume();
        let each = loaded.finish()?.into_iter();
        // SAFETY: the values are pinned, and each is of a Parcel<V>.
        let share = |value: Value| unsafe { shared::share(&value) };
        Ok(each.map(|found| found.map(|it| it.map(share))).collect())
    }

    /// Looks a key up, and loads it if it is absent.
    fn find<L, E>(
        &self,
        key: &[u8],
        load: impl FnOnce(Option<&Arc<V>>) -> Result<Option<(L, EntryOptions)>, E>,
    ) -> Result<Option<Loaded<Arc<V>, E>>, E>
    where
        L: Into<Arc<V>>,
        E: From<Error>,
    {
        let mut brought = None;
        let load = |_: &[u8], output: &mut Output<'_>| {
            // SAFETY: the library lends the old value, which is of a Parcel<V>, for this call.
            let old = output.old().map(|old| unsafe { shared::share(old) });
            let (value, options) = match load(old.as_ref())? {
                Some(loaded) => loaded,
                None => return Ok(Found::Missing),
            };
            options.check_for_loads()?;
            output.give(&options);
            let parcel = brought.insert(Parcel::new(value.into()));
            Ok(Found::Value(parcel.address()))
        };
        let (status, loaded) = (self.bytes).begin_load::<_, E, _>(key, &LoadOptions::new(), load);
        if let Some(parcel) = brought {
            parcel.settle_load(Some(&*loaded.value).filter(|_| loaded.value.is_held()));
        }
        panics::resume();
        let loaded = loaded.check(status)?;
        Ok(loaded.map(|it| Loaded {
            failure: it.failure,
            ..Self::loaded(&it.value, it.is_stale)
        }))
    }

    /// As [`get_or_load`](Cache::get_or_load), but whoever loads or waits is a future, for any
    /// executor. The loader runs in the first that asks. If that one is dropped meanwhile, or its
    /// loader panics, the next one who waits loads.
    ///
    /// Do not await a key within its own loader: it would wait for itself. Nor let a thread wait for
    /// a future that it runs.
    ///
    /// ```
    /// # use cachetools::{Cache, Error};
    /// # use std::sync::Arc;
    /// async fn page(cache: &Cache<String, String>, url: &str) -> Result<Arc<String>, Error> {
    ///     cache.get_or_load_async(url, || async { Ok(fetch(url).await) }).await
    /// }
    /// # async fn fetch(url: &str) -> String { url.into() }
    /// ```
    pub async fn get_or_load_async<Q, L, E, F>(
        &self,
        key: &Q,
        load: impl FnOnce() -> F,
    ) -> Result<Arc<V>, E>
    where
        Q: Key<K> + ?Sized,
        L: Into<Arc<V>>,
        E: From<Error>,
        F: Future<Output = Result<L, E>>,
    {
        let found = self.get_or_find_async(key, || async { load().await.map(Some) });
        found.await?.ok_or_else(|| Error::Missing.into())
    }

    /// As [`get_or_load_async`](Cache::get_or_load_async), with a loader that returns `None` if there
    /// is no such value: see [`get_or_find`](Cache::get_or_find).
    pub async fn get_or_find_async<Q, L, E, F>(
        &self,
        key: &Q,
        find: impl FnOnce() -> F,
    ) -> Result<Option<Arc<V>>, E>
    where
        Q: Key<K> + ?Sized,
        L: Into<Arc<V>>,
        E: From<Error>,
        F: Future<Output = Result<Option<L>, E>>,
    {
        let key = key.with_bytes(<[u8]>::to_vec);
        let (lease, is_renewal) = match self.bytes.get_or_lease_async(&key).await? {
            Leased::Value(value) | Leased::Stale(value) => return Ok(Self::share(Ok(Some(value)))),
            Leased::Missing => return Ok(None),
            Leased::Busy => return Err(Error::Busy.into()),
            Leased::Renew(_, lease) => (lease, true),
            Leased::Lease(lease) => (lease, false),
        };
        let value: Arc<V> = match find().await {
            Ok(Some(value)) => value.into(),
            Ok(None) => {
                lease.find_nothing();
                return Ok(None);
            }
            Err(failure) => {
                lease.fail(Error::Load);
                let old = Some(&key).filter(|_| is_renewal);
                return match old.and_then(|key| self.bytes.still_there(key)) {
                    Some((value, _)) => Ok(Self::share(Ok(Some(value)))),
                    None => Err(failure),
                };
            }
        };
        let parcel = Parcel::new(Arc::clone(&value));
        let (status, out) = lease.bring(parcel.bytes(), &EntryOptions::new());
        parcel.settle_load(Some(&*out).filter(|_| out.is_held()));
        drop(out);
        panics::resume();
        check(status)?;
        Ok(Some(value))
    }

    fn loaded<E>(value: &Value, is_stale: bool) -> Loaded<Arc<V>, E> {
        Loaded {
            // SAFETY: the value is pinned, and of a Parcel<V>.
            value: unsafe { shared::share(value) },
            is_stale,
            failure: None,
        }
    }

    /// As [`get_or_load`](Cache::get_or_load), with a loader that does not fail.
    pub fn get_or_insert_with<Q: Key<K> + ?Sized, L: Into<Arc<V>>>(
        &self,
        key: &Q,
        load: impl FnOnce() -> L,
    ) -> Result<Arc<V>> {
        self.get_or_load(key, || Ok(load()))
    }

    /// Reads, changes and writes one entry, as if at once. Returns the value that is there
    /// afterwards.
    ///
    /// Computes of one key take turns. If another call has written the key meanwhile, the closure
    /// runs again, at most 16 times; then the error is [`Error::Busy`], and nothing is changed. To
    /// compute a key within its own closure is [`Error::Recursion`].
    ///
    /// ```
    /// # use cachetools::{Cache, Change, Policy};
    /// # fn main() -> cachetools::Result<()> {
    /// let counts = Cache::<String, u64>::new(Policy::Lru, 1000)?;
    /// let count = counts.compute("tea", |old| {
    ///     Ok::<_, cachetools::Error>(Change::Store(old.map_or(1, |old| **old + 1)))
    /// })?;
    /// assert_eq!(Some(1), count.as_deref().copied());
    /// # Ok(())
    /// # }
    /// ```
    pub fn compute<Q, L, E>(
        &self,
        key: &Q,
        mut change: impl FnMut(Option<&Arc<V>>) -> Result<Change<L>, E>,
    ) -> Result<Option<Arc<V>>, E>
    where
        Q: Key<K> + ?Sized,
        L: Into<Arc<V>>,
        E: From<Error>,
    {
        key.with_bytes(|key| {
            let mut brought = None; // by the last run of the closure
            let computed = self.bytes.begin_compute(key, |old, _| {
                brought = None;
                // SAFETY: the library lends the old value, which is of a Parcel<V>, for this call.
                let old = old.map(|old| unsafe { shared::lend::<V>(old) });
                Ok::<_, E>(match change(old.as_deref())? {
                    Change::Store(value) => {
                        let parcel = brought.insert(Parcel::new(value.into()));
                        Change::Store(parcel.address())
                    }
                    Change::Remove => Change::Remove,
                    Change::Leave => Change::Leave,
                })
            });
            // SAFETY: the value is pinned, and of a Parcel<V>: one that is stored, or brought.
            let value = Some(&computed.value)
                .filter(|value| value.is_held())
                .map(|value| unsafe { shared::share(value) });
            if let Some(parcel) = brought {
                parcel.settle(computed.status);
            }
            panics::resume();
            computed.finish()?;
            Ok(value)
        })
    }

    // -- Removing --

    /// Removes an entry, and returns its value.
    pub fn remove<Q: Key<K> + ?Sized>(&self, key: &Q) -> Option<Arc<V>> {
        key.with_bytes(|key| Self::share(self.bytes.pop(key)))
    }

    /// Removes an entry if the key still has the value that was seen, shared by the very same `Arc`.
    /// Returns whether it had.
    pub fn remove_if_same<Q: Key<K> + ?Sized>(&self, key: &Q, seen: &Arc<V>) -> bool {
        key.with_bytes(|key| match self.bytes.peek(key) {
            Ok(Some(there)) if Self::is_of(&there, seen) => self.bytes.remove_if_same(key, &there),
            _ => false,
        })
    }

    /// Ends all values that carry a [tag](EntryOptions::tag), at once, whatever their keys are. What
    /// is loaded or computed from what was there before is not kept, either, if it carries the tag.
    /// Fails only for a tag of 2^32 bytes or more.
    pub fn invalidate_tag(&self, tag: impl AsRef<[u8]>) -> Result<()> {
        self.bytes.invalidate_tag(tag)
    }

    /// Removes the policy's next victim, and returns its key and value. Fails only for want of
    /// memory, or if a policy of your own does.
    pub fn pop_victim(&self) -> Result<Option<(K, Arc<V>)>>
    where
        K: DecodeKey,
    {
        let (key, value) = match self.bytes.pop_victim()? {
            Some(pair) => pair,
            None => return Ok(None),
        };
        // SAFETY: the value is pinned, and of a Parcel<V>.
        let value = unsafe { shared::share(&value) };
        let key = K::decode(&key).ok_or(Error::Corrupt)?;
        Ok(Some((key, value)))
    }

    /// Removes all entries. Those that others store meanwhile may stay.
    pub fn clear(&self) {
        self.bytes.clear();
    }

    /// Removes all entries that match, given the bytes of a key and a value, and returns how many.
    pub fn remove_if(&self, mut matches: impl FnMut(&[u8], &V) -> bool) -> u64 {
        self.bytes.remove_if(|key, value| {
            // SAFETY: the library lends the value, which is of a Parcel<V>, for this call.
            let value = unsafe { shared::lend::<V>(value) };
            matches(key, &value)
        })
    }

    // -- Walks --

    /// Shows the bytes of each key, and each value, in no particular order. Fails only for want of
    /// memory.
    pub fn for_each(&self, mut show: impl FnMut(&[u8], &Arc<V>)) -> Result<()> {
        let mut walk = self.bytes.walk(Order::Any)?;
        while let Some((key, value)) = walk.next_entry()? {
            // SAFETY: the walk pins the value until its next step; it is of a Parcel<V>.
            let value = unsafe { shared::lend::<V>(value) };
            show(key, &value);
        }
        Ok(())
    }

    /// Begins a walk over keys and values. It uses nothing, and counts nothing; an entry that is
    /// there and unwritten throughout is seen exactly once.
    ///
    /// [`Policy::Rr`], [`Policy::Adaptive`] and [`Policy::Custom`] have no order but [`Order::Any`]:
    /// [`Error::Unsupported`].
    pub fn iter(&self, order: Order) -> Result<Iter<'_, K, V>>
    where
        K: DecodeKey,
    {
        Ok(Iter {
            walk: self.bytes.walk(order)?,
            keys: PhantomData,
            values: PhantomData,
        })
    }

    // -- Size --

    /// Counts the entries, after removing those that have expired.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sums the weights, after removing the entries that have expired.
    pub fn weight(&self) -> u64 {
        self.bytes.weight()
    }

    /// The limit, in units of weight.
    pub fn maxsize(&self) -> u64 {
        self.bytes.maxsize()
    }

    /// Sets another limit, and evicts until it holds. Fails only if a policy of your own does.
    pub fn resize(&self, maxsize: u64) -> Result<()> {
        self.bytes.resize(maxsize)
    }

    // -- Time --

    /// Gives an entry another lifetime from now on, and returns whether it is there.
    pub fn set_lifetime<Q: Key<K> + ?Sized>(&self, key: &Q, ttl: Duration) -> Result<bool> {
        key.with_bytes(|key| self.bytes.set_lifetime(key, ttl))
    }

    /// Returns what is known of an entry. This is no use. Sizes are of the bytes that the cache
    /// holds: those of the key and of an address.
    pub fn inspect<Q: Key<K> + ?Sized>(&self, key: &Q) -> Option<EntryInfo> {
        key.with_bytes(|key| self.bytes.inspect(key))
    }

    /// Removes the entries whose deadline has passed, and returns how many.
    pub fn expire(&self) -> u64 {
        self.bytes.expire(|_| ())
    }

    // -- What is known of the cache --

    /// Reads the counters.
    pub fn stats(&self) -> Stats {
        self.bytes.stats()
    }

    /// Counts from zero again.
    pub fn reset_stats(&self) {
        self.bytes.reset_stats();
    }

    /// As [`ByteCache::miss_ratios`].
    pub fn miss_ratios(&self, scales: &[f64]) -> Result<Vec<Option<f64>>> {
        self.bytes.miss_ratios(scales)
    }

    /// The options in force, with defaults filled in and the seed that was drawn.
    pub fn options(&self) -> Result<Options> {
        self.bytes.options()
    }
}

/// A walk over the entries of a [`Cache`].
///
/// A step fails for want of memory, and can then be tried again; or with [`Error::Corrupt`], if the
/// key cannot be decoded.
pub struct Iter<'cache, K, V> {
    walk: Walk<'cache>,
    keys: PhantomData<fn() -> K>,
    values: PhantomData<&'cache Arc<V>>,
}

impl<K: DecodeKey, V> Iterator for Iter<'_, K, V> {
    type Item = Result<(K, Arc<V>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.walk.next_entry().transpose()?;
        Some(entry.and_then(|(key, value)| {
            // SAFETY: the walk pins the value until its next step; it is of a Parcel<V>.
            let value = unsafe { shared::share(value) };
            Ok((K::decode(key).ok_or(Error::Corrupt)?, value))
        }))
    }
}

impl<K, V> fmt::Debug for Iter<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").finish_non_exhaustive()
    }
}
