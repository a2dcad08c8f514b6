// SPDX-License-Identifier: MIT
//! libcachetools for Zig 0.14 to 0.17.
//!
//! `Cache(K, V)` holds values of a type by keys of a type:
//!
//! - Keys are `[]const u8`, and types without padding that are made of bools, integers and enums:
//!   these, arrays, structs, packed structs.
//! - Values without pointers are copied in and out.
//! - `*T` is an object that the cache owns from a successful `set` on. `T.deinit(self: *T)` is
//!   called once it has left and nobody reads it any more. A `Ref` keeps it meanwhile.
//! - `[]const u8` are bytes in the library's own memory. A `Value` is a slice of it.
//!
//! A `Value` or `Ref` is pinned until its `deinit`, whatever happens to its entry or to the cache.
//! Call each deinit once.
//!
//! Ordinary outcomes are null, bools and enums; failures are `Error`. The error of a loader comes
//! back unchanged. Times are a `Duration`: `.ttl = .minutes(5)`.
//!
//! Callbacks are methods of a struct of yours. The cache does not own the struct, which must
//! outlive the cache, and with `drop` or an allocator its values too. Callbacks must not longjmp;
//! a panic in one ends the program, like any panic.

const std = @import("std");

/// The functions of cachetools.h.
pub const c = @import("c.zig");

/// As a deadline: no end. As a lifetime, that is `Duration.forever`.
pub const never = c.CT_NEVER;
/// As maxsize: no limit.
pub const unbounded = c.CT_UNBOUNDED;

/// The version of the library: "0.1.0".
pub fn version() []const u8 {
    return std.mem.span(c.ct_version_string());
}

pub const Error = @import("errors.zig").Error;
pub const message = @import("errors.zig").message;

pub const Policy = @import("options.zig").Policy;
pub const WeightKind = @import("options.zig").WeightKind;
pub const Options = @import("options.zig").Options;

pub const Duration = @import("duration.zig").Duration;

pub const Cause = @import("callbacks.zig").Cause;
pub const Event = @import("callbacks.zig").Event;

pub const Value = @import("codec.zig").Value;
pub const Ref = @import("codec.zig").Ref;

pub const Cache = @import("cache.zig").Cache;
pub const Outcome = @import("cache.zig").Outcome;
pub const EntryOptions = @import("cache.zig").EntryOptions;
pub const Entry = @import("cache.zig").Entry;
pub const tag = @import("cache.zig").tag;
pub const writeStats = @import("cache.zig").writeStats;
pub const Order = @import("cache.zig").Order;
pub const Iterator = @import("cache.zig").Iterator;

pub const Result = @import("loading.zig").Result;
pub const Loaded = @import("loading.zig").Loaded;
pub const LoadOptions = @import("loading.zig").LoadOptions;
pub const Change = @import("loading.zig").Change;
pub const Lease = @import("loading.zig").Lease;
pub const Leased = @import("loading.zig").Leased;
pub const Batch = @import("loading.zig").Batch;
pub const Wait = @import("loading.zig").Wait;

pub const Key = @import("key.zig").Key;
pub const Memo = @import("memo.zig").Memo;
pub const Store = @import("memo.zig").Store;
