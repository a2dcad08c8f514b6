// SPDX-License-Identifier: MIT
//! Bounded in-process caches with many eviction policies, lifetimes and weights, by libcachetools.
//!
//! - [`Cache`] has typed keys, and hands values out as `Arc<V>`.
//! - [`ByteCache`] has byte strings, which can be saved as snapshots, and hands values out pinned.
//! - [`Memo`] is a function that remembers its results. [`KeyBuilder`] makes keys that other
//!   languages make, too.
#![cfg_attr(
    feature = "serde",
    doc = "- [`FormatCache`] has values that serde serializes, and can be saved."
)]
//!
//! ```
//! use cachetools::{Cache, Policy};
//!
//! # fn main() -> cachetools::Result<()> {
//! let cache = Cache::<String, &str>::new(Policy::Lru, 1000)?;
//! cache.insert("answer", "forty-two")?;
//! assert_eq!(Some("forty-two"), cache.get("answer").as_deref().copied());
//! # Ok(())
//! # }
//! ```
//!
//! # Conventions
//!
//! **Outcomes.** A miss, and a value that is not kept, are ordinary answers. An [`Error`] says that
//! nothing happened. What a loader fails with comes back unchanged, by its own type, to its own
//! caller; those who waited for it fail with [`Error::Load`], as they know nothing of that type.
//!
//! **Panics.** A panic never unwinds through the library. It stops at the end of its callback, and
//! goes on in the call that ran the callback, when that call has ended as after any failure of the
//! callback: nothing is leaked, nothing is half done. So it is with a `V` whose `drop` panics.
//!
//! **Time.** Durations throughout; the library counts nanoseconds. What 64 bits do not hold is for
//! ever. Zero is none as an option of a cache, and over at once as the lifetime of one entry.
//!
//! **Threads.** All caches are `Send` and `Sync`. Give those that many threads use
//! [shards](Builder::shards).
//!
//! **The library.** The crate `cachetools-sys` finds it by pkg-config. Its header, `cachetools.h`,
//! says more of each operation.
#![deny(missing_docs, unsafe_op_in_unsafe_fn)]
#![warn(
    missing_debug_implementations,
    rust_2018_idioms,
    clippy::undocumented_unsafe_blocks
)]

mod batch;
mod builder;
mod byte_cache;
mod cache;
mod callbacks;
mod entry;
mod error;
mod event;
#[cfg(feature = "serde")]
mod format;
mod key;
mod key_builder;
mod load;
mod memo;
mod panics;
#[doc(hidden)]
pub mod parts;
mod pending;
mod policy;
mod problem;
mod refusal;
mod shared;
mod snapshot;
mod stats;
mod time;
mod value;
mod walk;

pub use builder::{Builder, Options, WeightKind, UNBOUNDED};
pub use byte_cache::ByteCache;
pub use cache::{Cache, Event, Iter};
pub use entry::{EntryInfo, EntryOptions, Outcome};
pub use error::{Error, Result};
pub use event::{ByteEvent, Cause};
#[cfg(feature = "serde")]
pub use format::{Format, FormatCache};
pub use key::{DecodeKey, Key, TupleBytes};
pub use key_builder::{KeyBuilder, KeyRef};
pub use load::{Change, Found, Lease, Leased, LoadOptions, Loaded, Output};
pub use memo::{Memo, MemoInfo};
pub use policy::{EvictionPolicy, Policy};
pub use problem::Problem;
pub use stats::{write_stats, Counted, Stats};
pub use value::Value;
pub use walk::{Order, Walk};

/// The version of the library: "0.1.0".
pub fn version() -> &'static str {
    // SAFETY: returns a static string.
    unsafe { error::text(cachetools_sys::ct_version_string()) }.unwrap_or("")
}

/// The program in README.md is compiled and run with the examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
