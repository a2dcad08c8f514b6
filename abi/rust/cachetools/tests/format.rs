// SPDX-License-Identifier: MIT
//! The cache of values that serde serializes. Other tests, which need no other crates, are in
//! tests/ffi/rust.
#![cfg(feature = "serde")]

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::Barrier;

use cachetools::{ByteCache, EntryOptions, Format, FormatCache, Outcome, Policy};
use serde::{de::DeserializeOwned, Serialize};

struct Json;

impl Format for Json {
    type Error = io::Error;

    fn serialize<T: Serialize>(&self, value: &T) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(value)?)
    }

    fn deserialize<T: DeserializeOwned>(&self, bytes: &[u8]) -> io::Result<T> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

type Prices = FormatCache<String, (String, u32), Json>;

fn prices(maxsize: u64) -> Prices {
    FormatCache::new(ByteCache::new(Policy::Lru, maxsize).unwrap(), Json)
}

#[test]
fn values_come_back_also_through_a_snapshot() {
    let cache = prices(10);
    let tea = ("leaves".to_string(), 7);
    assert_eq!(Outcome::Stored, cache.insert("tea", &tea).unwrap());
    let if_absent = EntryOptions::new().if_absent();
    let exists = cache.insert_with("tea", &tea, &if_absent).unwrap();
    assert_eq!(Outcome::Exists, exists);
    let mut saved = Vec::new();
    cache.bytes().save(&mut saved).unwrap();
    let other = prices(10);
    other.bytes().load(&saved[..]).unwrap();
    assert_eq!(Some(tea), other.get("tea").unwrap());
    assert!(other.contains("tea") && other.remove("tea") && !other.remove("tea"));
    assert_eq!(None, other.get("tea").unwrap());
}

#[test]
fn bytes_that_are_no_value_are_an_error() {
    let cache = prices(10);
    cache.bytes().insert("tea", "no JSON").unwrap();
    let error = cache.get("tea").unwrap_err();
    assert_eq!(io::ErrorKind::InvalidData, error.kind());
    let error = cache.get_or_load("tea", || -> io::Result<_> { unreachable!() });
    assert_eq!(io::ErrorKind::InvalidData, error.unwrap_err().kind());
}

#[test]
fn of_many_threads_one_loads() {
    let (cache, loads, barrier) = (prices(10), AtomicUsize::new(0), Barrier::new(4));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                barrier.wait();
                let load = || {
                    loads.fetch_add(1, SeqCst);
                    Ok::<_, io::Error>(("leaves".to_string(), 7))
                };
                assert_eq!(7, cache.get_or_load("tea", load).unwrap().1);
            });
        }
    });
    assert_eq!(1, loads.load(SeqCst));
    let fails = || Err(io::Error::from(io::ErrorKind::TimedOut));
    let error = cache.get_or_load("milk", fails).unwrap_err();
    assert_eq!(io::ErrorKind::TimedOut, error.kind());
}
