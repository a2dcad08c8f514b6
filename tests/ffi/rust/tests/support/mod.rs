// SPDX-License-Identifier: MIT
//! What several tests use.
#![allow(dead_code)] // no test needs all of it

use cachetools::*;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub fn ns(nanoseconds: u64) -> Duration {
    Duration::from_nanos(nanoseconds)
}

pub fn lru(maxsize: u64) -> ByteCache {
    ByteCache::new(Policy::Lru, maxsize).unwrap()
}

pub fn get(cache: &ByteCache, key: &str) -> Option<String> {
    let value = cache.get(key).unwrap()?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

/// The sentence of an argument that is not allowed.
pub fn invalid<T>(result: Result<T>) -> String {
    match result.err() {
        Some(Error::Invalid(problem)) => problem.to_string(),
        other => panic!("{:?}", other),
    }
}

/// A clock that stands still until it is set, and a builder of caches that go by it.
pub fn clocked(policy: Policy) -> (Arc<AtomicU64>, Builder<ByteCache>) {
    let clock = Arc::new(AtomicU64::new(1000));
    let hand = clock.clone();
    (
        clock,
        ByteCache::builder(policy, 100).timer(move || ns(hand.load(SeqCst))),
    )
}

pub type Log = Arc<Mutex<Vec<String>>>;

/// Writes down what leaves: "EVICTED a=1".
pub fn listening(builder: Builder<ByteCache>) -> (Log, Builder<ByteCache>) {
    let log = Log::default();
    let lines = log.clone();
    let builder = builder.listener(move |event| {
        let (key, value) = (
            String::from_utf8_lossy(event.key),
            String::from_utf8_lossy(event.value),
        );
        lines
            .lock()
            .unwrap()
            .push(format!("{:?} {}={}", event.cause, key, value));
    });
    (log, builder)
}

pub fn message_of(panic: Box<dyn std::any::Any + Send>) -> String {
    panic.downcast_ref::<&str>().unwrap().to_string()
}
