// SPDX-License-Identifier: MIT
//! What bench.c measures, in Rust.
use cachetools::{ByteCache, Policy};
use std::time::Instant;

const ENTRIES: usize = 1000;
const BATCH: usize = 16;
const GETS: usize = 80_000;
const RUNS: usize = 50;

/// Gets return the sum of what they read, so that they do read it.
fn measure(mut gets: impl FnMut() -> u64) -> f64 {
    let runs = (0..RUNS).map(|_| {
        let begin = Instant::now();
        assert_ne!(0, gets());
        begin.elapsed().as_nanos() as f64 / GETS as f64
    });
    runs.fold(f64::MAX, f64::min)
}

fn main() {
    let cache = ByteCache::new(Policy::Lru, ENTRIES as u64).unwrap();
    let mut keys: Vec<String> = Vec::new();
    let mut random = 1u32;
    for i in 0..ENTRIES {
        let key = format!("key {:012}", i);
        cache.insert(&key, [i as u8; 64]).unwrap();
        keys.push(key);
        random = random.wrapping_mul(1664525).wrapping_add(1013904223);
        keys.swap(i, (random >> 8) as usize % (i + 1));
    }
    keys.extend_from_within(..BATCH);

    let single = measure(|| {
        let mut sum = 0;
        for i in 0..GETS {
            let value = cache.get(&keys[i % ENTRIES]).unwrap().unwrap();
            sum += u64::from(value[0]);
        }
        sum
    });
    let copied = measure(|| {
        let (mut sum, mut buffer) = (0, [0; 64]);
        for i in 0..GETS {
            cache
                .get_copy(&keys[i % ENTRIES], &mut buffer)
                .unwrap()
                .unwrap();
            sum += u64::from(buffer[0]);
        }
        sum
    });
    let batches = measure(|| {
        let mut sum = 0;
        for i in (0..GETS).step_by(BATCH) {
            let begin = i % ENTRIES;
            for value in cache.get_many(&keys[begin..begin + BATCH]).unwrap() {
                sum += u64::from(value.unwrap()[0]);
            }
        }
        sum
    });
    println!("{:.1} {:.1} {:.1}", single, copied, batches);
}
