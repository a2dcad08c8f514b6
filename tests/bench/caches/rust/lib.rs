// SPDX-License-Identifier: MIT
//! Caches written in Rust behind the functions that ../rust.cpp declares. All hash with ahash. Keys
//! and values are byte strings of any size; values that readers share are `Arc`, as both concurrent
//! caches hand out clones.

use std::num::NonZeroUsize;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;

type Key = Box<[u8]>;
type Shared = Arc<[u8]>;

/// Always the same, so that a run can be repeated.
fn hasher() -> RandomState {
    RandomState::with_seed(1)
}

/// Far more than any benchmark takes.
const LIFETIME: Duration = Duration::from_secs(3600);

pub enum Peer {
    QuickCache(quick_cache::sync::Cache<Key, Shared, quick_cache::UnitWeighter, RandomState>),
    Moka(moka::sync::Cache<Key, Shared, RandomState>),
    /// As one shares it between threads.
    Lru(parking_lot::Mutex<lru::LruCache<Key, Box<[u8]>, RandomState>>),
}

fn quick_cache(entries: usize, shards: usize) -> Peer {
    let options = quick_cache::OptionsBuilder::new()
        .estimated_items_capacity(entries)
        .weight_capacity(entries as u64)
        .shards(shards)
        .build()
        .unwrap();
    Peer::QuickCache(quick_cache::sync::Cache::with_options(
        options,
        quick_cache::UnitWeighter,
        hasher(),
        Default::default(),
    ))
}

fn moka(entries: usize, ttl: bool) -> Peer {
    let builder = moka::sync::Cache::builder().max_capacity(entries as u64);
    let builder = if ttl {
        builder.time_to_live(LIFETIME)
    } else {
        builder
    };
    Peer::Moka(builder.build_with_hasher(hasher()))
}

fn lru(entries: usize) -> Peer {
    let entries = NonZeroUsize::new(entries).unwrap();
    Peer::Lru(parking_lot::Mutex::new(lru::LruCache::with_hasher(
        entries,
        hasher(),
    )))
}

/// Returns NULL if there is no cache of that name.
///
/// # Safety
/// `name` is so long. The peer is for peer_free.
#[no_mangle]
pub unsafe extern "C" fn peer_new(
    name: *const u8,
    name_size: usize,
    entries: usize,
    shards: usize,
    ttl: bool,
) -> *mut Peer {
    let peer = match slice::from_raw_parts(name, name_size) {
        b"quick_cache" => quick_cache(entries, shards),
        b"moka" => moka(entries, ttl),
        b"lru" => lru(entries),
        _ => return std::ptr::null_mut(),
    };
    Box::into_raw(Box::new(peer))
}

/// # Safety
/// The peer is of peer_new, and not used any more.
#[no_mangle]
pub unsafe extern "C" fn peer_free(peer: *mut Peer) {
    drop(Box::from_raw(peer));
}

/// Copies the value out, which has `value_size` bytes. Returns false if there is none.
///
/// # Safety
/// The peer is of peer_new; key and value are so long.
#[no_mangle]
pub unsafe extern "C" fn peer_get(
    peer: *const Peer,
    key: *const u8,
    key_size: usize,
    value: *mut u8,
    value_size: usize,
) -> bool {
    let key = slice::from_raw_parts(key, key_size);
    let out = slice::from_raw_parts_mut(value, value_size);
    match &*peer {
        Peer::QuickCache(cache) => cache.get(key).map(|value| out.copy_from_slice(&value)),
        Peer::Moka(cache) => cache.get(key).map(|value| out.copy_from_slice(&value)),
        Peer::Lru(cache) => cache
            .lock()
            .get(key)
            .map(|value| out.copy_from_slice(value)),
    }
    .is_some()
}

/// # Safety
/// The peer is of peer_new; key and value are so long.
#[no_mangle]
pub unsafe extern "C" fn peer_set(
    peer: *const Peer,
    key: *const u8,
    key_size: usize,
    value: *const u8,
    value_size: usize,
) {
    let key = Key::from(slice::from_raw_parts(key, key_size));
    let value = slice::from_raw_parts(value, value_size);
    match &*peer {
        Peer::QuickCache(cache) => cache.insert(key, value.into()),
        Peer::Moka(cache) => cache.insert(key, value.into()),
        Peer::Lru(cache) => {
            let value = value.into();
            let evicted = cache.lock().push(key, value);
            drop(evicted); // without the lock
        }
    }
}

/// # Safety
/// The peer is of peer_new; the key is so long.
#[no_mangle]
pub unsafe extern "C" fn peer_remove(peer: *const Peer, key: *const u8, key_size: usize) {
    let key = slice::from_raw_parts(key, key_size);
    match &*peer {
        Peer::QuickCache(cache) => drop(cache.remove(key)),
        Peer::Moka(cache) => cache.invalidate(key),
        Peer::Lru(cache) => {
            let removed = cache.lock().pop(key);
            drop(removed);
        }
    }
}
