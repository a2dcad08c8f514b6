// SPDX-License-Identifier: MIT
//! What a get of an `Arc` costs beside what it is made of, ct_get and ct_value_release, in
//! instructions: 100 gets of each of 1,000 entries. ../../../check_cost.sh counts them.
use std::ffi::c_void;
use std::ptr;

use cachetools::{Cache, Policy};
use cachetools_sys as sys;

const ENTRIES: u64 = 1000;
const ROUNDS: u64 = 100;
const SUM: u64 = ROUNDS * ENTRIES * (ENTRIES - 1) / 2;

#[inline(never)]
fn get_by_c(cache: *mut sys::ct_cache) -> u64 {
    let mut sum = 0;
    for _ in 0..ROUNDS {
        for key in 0..ENTRIES {
            let (key, mut value) = (key.to_le_bytes(), sys::ct_value::EMPTY);
            // SAFETY: the cache is alive; the value was filled in, and is not used again.
            unsafe {
                let key: *const c_void = key.as_ptr().cast();
                assert_eq!(sys::CT_OK, sys::ct_get(cache, key, 8, &mut value));
                sum += *value.data.cast::<u64>();
                sys::ct_value_release(&mut value);
            }
        }
    }
    sum
}

#[inline(never)]
fn get_typed(cache: &Cache<u64, u64>) -> u64 {
    let mut sum = 0;
    for _ in 0..ROUNDS {
        for key in 0..ENTRIES {
            sum += *cache.get(&key).unwrap();
        }
    }
    sum
}

fn by_c() {
    // SAFETY: each value is 8 bytes that live for the call; the cache is freed last.
    unsafe {
        let cache = sys::ct_cache_new(sys::CT_POLICY_LRU, ENTRIES);
        assert_ne!(ptr::null_mut(), cache);
        for key in 0..ENTRIES {
            let bytes = key.to_le_bytes();
            let bytes: *const c_void = bytes.as_ptr().cast();
            assert_eq!(sys::CT_OK, sys::ct_set(cache, bytes, 8, bytes, 8));
        }
        assert_eq!(SUM, get_by_c(cache));
        sys::ct_cache_free(cache);
    }
}

fn typed() {
    let cache = Cache::<u64, u64>::new(Policy::Lru, ENTRIES).unwrap();
    for key in 0..ENTRIES {
        cache.insert(&key, key).unwrap();
    }
    assert_eq!(SUM, get_typed(&cache));
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("c") => by_c(),
        Some("typed") => typed(),
        _ => panic!("Usage: cost c|typed"),
    }
}
