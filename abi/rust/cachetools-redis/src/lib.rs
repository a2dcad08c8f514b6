// SPDX-License-Identifier: MIT
//! A second tier of caches on a Redis or Valkey server that many machines share, by
//! libcachetools-redis.
//!
//! A [`Tier`] looks into a cache of this process, which is near; then on the server; then loads:
//! once, however many threads and machines ask. Whatever anybody writes is pushed by the server, and
//! leaves every near cache at once.
//!
//! ```no_run
//! use cachetools_redis::{cachetools, Tier};
//! use cachetools::{ByteCache, Policy};
//! use std::time::Duration;
//!
//! # fn read(_: &[u8]) -> std::io::Result<Option<String>> { Ok(None) }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let near = ByteCache::builder(Policy::Lru, 100_000).shards(16).build()?;
//! let tier = Tier::builder("redis://localhost:6379", near)
//!     .prefix("shop:")
//!     .ttl(Duration::from_secs(600))
//!     .open()?;
//! if let Some(user) = tier.get_or_load("user:7", |key, _| read(key))? {
//!     println!("{} bytes", user.len());
//! }
//! tier.remove("user:7")?; // whenever the source has changed
//! # Ok(())
//! # }
//! ```
//!
//! # Conventions
//!
//! Those of the crate `cachetools` hold: outcomes, panics, time, threads.
//!
//! **Staleness.** No read returns a value that had been replaced on the server, and the replacement
//! acknowledged to whoever wrote it, more than [`max_stale`](Builder::max_stale) before the read
//! began; but for [`is_stale`](cachetools::Loaded::is_stale). This holds while the network is cut,
//! and while the server or this process is stopped. What a loader brings while the server cannot be
//! reached is as old as its load, and serves for [`offline_ttl`](Builder::offline_ttl).
//!
//! **Near.** Stale, retry, negative_ttl and jitter of the near cache mean the same for the tier.
//!
//! **The tier's thread.** Changes of others are applied to the near cache there, so its callbacks
//! may run there, as the tier's listener does. A call that would have to wait for the server fails
//! there with [`Recursion`](cachetools::Error::Recursion). A panic has no call there in which it could
//! go on: it ends at the end of its callback.
//!
//! **The library.** The crate `cachetools-redis-sys` finds it by pkg-config. Its header,
//! `cachetools-redis.h`, says more of each operation, and of the format on the server.
#![deny(missing_docs, unsafe_op_in_unsafe_fn)]
#![warn(
    missing_debug_implementations,
    rust_2018_idioms,
    clippy::undocumented_unsafe_blocks
)]

mod builder;
mod event;
mod stats;
mod tier;

pub use cachetools;

pub use builder::Builder;
pub use event::{Event, EventKind};
pub use stats::Stats;
pub use tier::Tier;

/// The program in README.md is compiled with the examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
