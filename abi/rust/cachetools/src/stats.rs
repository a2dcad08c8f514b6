// SPDX-License-Identifier: MIT
//! Counters.
use std::ffi::CString;
use std::io;
use std::mem::size_of;
use std::time::Duration;

use cachetools_sys as sys;

use crate::byte_cache::ByteCache;
use crate::cache::Cache;
use crate::snapshot;

/// What has happened in a cache, each event counted exactly once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Keys read and found.
    pub hits: u64,
    /// Keys read, absent or expired.
    pub misses: u64,
    /// Entries stored under a key that was absent or expired.
    pub inserts: u64,
    /// Entries stored in place of a live one.
    pub updates: u64,
    /// Entries that left for want of room, or as popped victims.
    pub evictions: u64,
    /// Their weights.
    pub evicted_weight: u64,
    /// Entries that left past their deadline.
    pub expirations: u64,
    /// Entries removed, popped or cleared, or replaced by a dead one.
    pub removals: u64,
    /// Stores refused: too large, or dead on arrival.
    pub rejections: u64,
    /// Loads that brought a value.
    pub loads: u64,
    /// Loads that failed, were given up, or brought no value.
    pub load_failures: u64,
    /// How long the loads took in all.
    pub load_time: Duration,
    /// Values received from another caller's load in a [`ByteCache`](crate::ByteCache); these are
    /// hits, too.
    pub waits: u64,
    /// Values pinned right now, open walks and running calls included.
    pub pinned: u64,
    /// Failures received from another caller's load in a [`ByteCache`](crate::ByteCache); these are
    /// misses, too.
    pub shared_failures: u64,
    /// Values handed out past their deadline; these are hits, too.
    pub stale_served: u64,
    /// Loads begun while the old value was there; these are hits, not misses.
    pub renewals: u64,
    /// Renewals that failed, and left the old value.
    pub renewal_failures: u64,
    /// Loading calls that were told of a remembered miss; these are misses, too.
    pub negative_hits: u64,
    /// How long loads took, in real time: `load_buckets[i]` of them at most 4^i µs (1, 4, 16 µs ...
    /// 1.05 s) and longer than those of the bucket before; the last has all that took longer.
    pub load_buckets: [u64; 12],
}

impl Stats {
    /// For the library to fill in.
    pub(crate) fn empty() -> sys::ct_stats {
        sys::ct_stats {
            struct_size: size_of::<sys::ct_stats>(),
            hits: 0,
            misses: 0,
            inserts: 0,
            updates: 0,
            evictions: 0,
            evicted_weight: 0,
            expirations: 0,
            removals: 0,
            rejections: 0,
            loads: 0,
            load_failures: 0,
            load_ticks: 0,
            waits: 0,
            pinned: 0,
            shared_failures: 0,
            stale_served: 0,
            renewals: 0,
            renewal_failures: 0,
            negative_hits: 0,
            load_buckets: [0; 12],
        }
    }

    pub(crate) fn from_raw(raw: &sys::ct_stats) -> Stats {
        Stats {
            hits: raw.hits,
            misses: raw.misses,
            inserts: raw.inserts,
            updates: raw.updates,
            evictions: raw.evictions,
            evicted_weight: raw.evicted_weight,
            expirations: raw.expirations,
            removals: raw.removals,
            rejections: raw.rejections,
            loads: raw.loads,
            load_failures: raw.load_failures,
            load_time: Duration::from_nanos(raw.load_ticks),
            waits: raw.waits,
            pinned: raw.pinned,
            shared_failures: raw.shared_failures,
            stale_served: raw.stale_served,
            renewals: raw.renewals,
            renewal_failures: raw.renewal_failures,
            negative_hits: raw.negative_hits,
            load_buckets: raw.load_buckets,
        }
    }
}

/// A cache whose counters [`write_stats`] writes.
pub trait Counted: sealed::Counted {}

impl Counted for ByteCache {}
impl<K, V> Counted for Cache<K, V> {}

mod sealed {
    use crate::byte_cache::ByteCache;
    use crate::cache::Cache;

    pub trait Counted {
        fn bytes(&self) -> &ByteCache;
    }

    impl Counted for ByteCache {
        fn bytes(&self) -> &ByteCache {
            self
        }
    }

    impl<K, V> Counted for Cache<K, V> {
        fn bytes(&self) -> &ByteCache {
            self.as_bytes()
        }
    }
}

/// Writes the counters of caches, each with a name of its own, as text for Prometheus, in its
/// exposition format, version 0.0.4. A name has no NUL. The error of the writer, which may be `&mut`
/// one, comes back unchanged.
///
/// ```
/// # use cachetools::{write_stats, ByteCache, Cache, Policy};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pages = ByteCache::new(Policy::Lru, 10)?;
/// let users = Cache::<u64, String>::new(Policy::Lru, 10)?;
/// let mut answer = Vec::new();
/// write_stats(&[("pages", &pages), ("users", &users)], &mut answer)?;
/// assert!(String::from_utf8(answer)?.contains("cachetools_hits_total{cache=\"users\"} 0"));
/// # Ok(())
/// # }
/// ```
pub fn write_stats<W: io::Write>(caches: &[(&str, &dyn Counted)], to: W) -> io::Result<()> {
    let names = caches.iter().map(|(name, _)| CString::new(*name));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    let names = names.iter().map(|name| name.as_ptr()).collect::<Vec<_>>();
    let handles = caches.iter().map(|(_, cache)| cache.bytes().raw());
    let handles = handles.collect::<Vec<_>>();
    snapshot::write(to, |run, user_data| {
        // SAFETY: there are a cache, alive, and a name, zero-terminated, for each; the library
        // writes during this call only.
        unsafe {
            sys::ct_stats_write(
                handles.as_ptr(),
                names.as_ptr(),
                names.len(),
                run,
                user_data,
            )
        }
    })
}
