// SPDX-License-Identifier: MIT
//! The cache of typed keys and of values that serde serializes.
use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::byte_cache::ByteCache;
use crate::entry::{EntryOptions, Outcome};
use crate::error::{Error, Result};
use crate::key::Key;

/// A format of serde's, such as JSON or postcard, by which a [`FormatCache`] turns values into bytes
/// and back. This crate brings none.
pub trait Format {
    /// What can go wrong. [`std::io::Error`] will do, and so will any boxed error.
    type Error: From<Error>;

    /// Turns a value into bytes.
    fn serialize<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, Self::Error>;

    /// Turns bytes into a value.
    fn deserialize<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Self::Error>;
}

/// A cache whose values are serialized by serde, so that they can be saved, and weighed by their
/// bytes. Each read makes a new value.
///
/// ```
/// use cachetools::{ByteCache, Format, FormatCache, Policy, WeightKind};
/// use serde::{de::DeserializeOwned, Serialize};
/// use std::io;
///
/// struct Json;
///
/// impl Format for Json {
///     type Error = io::Error;
///     fn serialize<T: Serialize>(&self, value: &T) -> io::Result<Vec<u8>> {
///         Ok(serde_json::to_vec(value)?)
///     }
///     fn deserialize<T: DeserializeOwned>(&self, bytes: &[u8]) -> io::Result<T> {
///         Ok(serde_json::from_slice(bytes)?)
///     }
/// }
///
/// # fn main() -> io::Result<()> {
/// let bytes = ByteCache::builder(Policy::Lru, 1 << 20)
///     .weight_kind(WeightKind::Memory)
///     .build()?;
/// let prices = FormatCache::<String, Vec<f64>, Json>::new(bytes, Json);
/// prices.insert("tea", &vec![2.5, 2.25])?;
/// assert_eq!(Some(vec![2.5, 2.25]), prices.get("tea")?);
/// prices.bytes().save(io::sink())?;
/// # Ok(())
/// # }
/// ```
pub struct FormatCache<K, V, F> {
    bytes: ByteCache,
    format: F,
    keys: PhantomData<fn(&K)>,
    values: PhantomData<fn(&V) -> V>,
}

impl<K: Key, V: Serialize + DeserializeOwned, F: Format> FormatCache<K, V, F> {
    /// Keeps values in a cache of bytes, which others should not write to.
    pub fn new(bytes: ByteCache, format: F) -> FormatCache<K, V, F> {
        FormatCache {
            bytes,
            format,
            keys: PhantomData,
            values: PhantomData,
        }
    }

    /// The cache of bytes: to save and load, to count, to clear.
    pub fn bytes(&self) -> &ByteCache {
        &self.bytes
    }

    /// Looks a key up. A hit is a use.
    pub fn get<Q: Key<K> + ?Sized>(&self, key: &Q) -> Result<Option<V>, F::Error> {
        let value = key.with_bytes(|key| self.bytes.get(key))?;
        value.map(|it| self.format.deserialize(&it)).transpose()
    }

    /// Returns whether a key is there. This is no use.
    pub fn contains<Q: Key<K> + ?Sized>(&self, key: &Q) -> bool {
        key.with_bytes(|key| self.bytes.contains(key))
    }

    /// Stores a value in place of the old one.
    pub fn insert<Q: Key<K> + ?Sized>(&self, key: &Q, value: &V) -> Result<Outcome, F::Error> {
        self.insert_with(key, value, &EntryOptions::new())
    }

    /// Stores a value with a lifetime, a weight or a condition of its own.
    pub fn insert_with<Q: Key<K> + ?Sized>(
        &self,
        key: &Q,
        value: &V,
        options: &EntryOptions,
    ) -> Result<Outcome, F::Error> {
        let value = self.format.serialize(value)?;
        Ok(key.with_bytes(|key| self.bytes.insert_with(key, value, options))?)
    }

    /// Looks a key up, and loads it if it is absent. However many threads ask, one of them loads,
    /// and the others wait for its value: see [`ByteCache::get_or_load`].
    pub fn get_or_load<Q, E>(&self, key: &Q, load: impl FnOnce() -> Result<V, E>) -> Result<V, E>
    where
        Q: Key<K> + ?Sized,
        E: From<Error> + From<F::Error>,
    {
        let mut loaded = None;
        let value = key.with_bytes(|key| {
            self.bytes.get_or_load(key, |_, _| {
                let value = load()?;
                let bytes = self.format.serialize(&value)?;
                loaded = Some(value);
                Ok::<_, E>(Some(bytes))
            })
        })?;
        match (loaded, value) {
            (Some(loaded), _) => Ok(loaded),
            (None, Some(value)) => Ok(self.format.deserialize(&value)?),
            (None, None) => Err(Error::Missing.into()), // others may have loaded by bytes()
        }
    }

    /// Removes an entry. Returns whether there was one.
    pub fn remove<Q: Key<K> + ?Sized>(&self, key: &Q) -> bool {
        key.with_bytes(|key| self.bytes.remove(key))
    }
}

impl<K, V, F> fmt::Debug for FormatCache<K, V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormatCache")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
