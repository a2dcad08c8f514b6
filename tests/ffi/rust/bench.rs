// SPDX-License-Identifier: MIT
//! What bench.c measures, in Rust.
mod cachetools;

use cachetools::{Cache, Policy};
use std::hint::black_box;
use std::time::Instant;

const ENTRIES: usize = 1000;
const BATCH: usize = 16;
const GETS: usize = 80_000;
const RUNS: usize = 50;

fn measure(mut gets: impl FnMut()) -> f64 {
    let runs = (0..RUNS).map(|_| {
        let begin = Instant::now();
        gets();
        begin.elapsed().as_nanos() as f64 / GETS as f64
    });
    runs.fold(f64::MAX, f64::min)
}

fn main() {
    let cache = Cache::new(Policy::Lru, ENTRIES as u64).unwrap();
    let mut keys: Vec<String> = Vec::new();
    let mut random = 1u32;
    for i in 0..ENTRIES {
        let key = format!("key {:012}", i);
        cache.set(&key, [i as u8; 64]).unwrap();
        keys.push(key);
        random = random.wrapping_mul(1664525).wrapping_add(1013904223);
        keys.swap(i, (random >> 8) as usize % (i + 1));
    }
    keys.extend_from_within(..BATCH);

    let single = measure(|| {
        for i in 0..GETS {
            let value = cache.get(&keys[i % ENTRIES]).unwrap().unwrap();
            black_box(value[0]);
        }
    });
    let copied = measure(|| {
        let mut buffer = [0; 64];
        for i in 0..GETS {
            cache
                .get_copy(&keys[i % ENTRIES], &mut buffer)
                .unwrap()
                .unwrap();
            black_box(buffer[0]);
        }
    });
    let batches = measure(|| {
        for i in (0..GETS).step_by(BATCH) {
            let begin = i % ENTRIES;
            for value in cache.get_many(&keys[begin..begin + BATCH]).unwrap() {
                black_box(value.unwrap()[0]);
            }
        }
    });
    println!("{:.1} {:.1} {:.1}", single, copied, batches);
}
