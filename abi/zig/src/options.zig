// SPDX-License-Identifier: MIT
//! How to make a cache.

const std = @import("std");
const c = @import("c.zig");
const Error = @import("errors.zig").Error;
const check = @import("errors.zig").check;
const Duration = @import("duration.zig").Duration;
const Full = @import("callbacks.zig").Full;
const words = @import("words.zig");

/// Which entry leaves when room is needed. README.md and cachetools.h say more.
pub const Policy = enum(i32) {
    lru = c.CT_POLICY_LRU,
    fifo = c.CT_POLICY_FIFO,
    lfu = c.CT_POLICY_LFU,
    rr = c.CT_POLICY_RR,
    ttl = c.CT_POLICY_TTL,
    tlru = c.CT_POLICY_TLRU,
    any = c.CT_POLICY_ANY,
    mru = c.CT_POLICY_MRU,
    clock = c.CT_POLICY_CLOCK,
    sieve = c.CT_POLICY_SIEVE,
    s3fifo = c.CT_POLICY_S3FIFO,
    wtinylfu = c.CT_POLICY_WTINYLFU,
    arc = c.CT_POLICY_ARC,
    adaptive = c.CT_POLICY_ADAPTIVE,
    custom = c.CT_POLICY_CUSTOM,
    _, // known to a newer library only

    /// The name: "LRU". Static; empty for a policy that the library does not know.
    pub fn name(self: Policy) []const u8 {
        return std.mem.span(c.ct_policy_name(@intFromEnum(self)) orelse return "");
    }

    /// The policy of a name in any case, "lru" or "LRU"; Invalid for none.
    pub fn named(text: [:0]const u8) Error!Policy {
        var out: c.ct_policy = undefined;
        _ = try check(c.ct_policy_from_name(text.ptr, &out));
        return @enumFromInt(out);
    }
};

/// What an entry weighs against maxsize.
pub const WeightKind = enum(i32) {
    count = c.CT_WEIGHT_COUNT,
    value = c.CT_WEIGHT_VALUE,
    memory = c.CT_WEIGHT_MEMORY,
};

/// How to make a cache. With a timer of yours, Duration{ .ns = n } is n of its ticks.
pub const Options = struct {
    policy: Policy = .lru,
    weight_kind: WeightKind = .count,
    /// 0 is Invalid without keep_nothing.
    maxsize: u64,
    /// A maxsize of 0 is meant: only what weighs 0 is kept, and anything else is TooLarge to set.
    /// Loads are shared all the same.
    keep_nothing: bool = false,
    /// 0 is 1: exact order; else a power of two up to 4096. More serve more threads at once.
    shards: u32 = 0,
    /// Time to live from a write on; zero: none.
    ttl: Duration = .zero,
    /// Time to idle from a use on; zero: none.
    tti: Duration = .zero,
    /// Below ttl: a loading call that finds a value with less than this left renews it, and others
    /// get the old one meanwhile; zero: none.
    refresh_ahead: Duration = .zero,
    /// For this long past its deadline, loading calls get the old value if a newer one cannot be
    /// loaded yet; zero: not at all.
    stale: Duration = .zero,
    /// How long nobody tries to renew a value after a failure; zero: a tenth of ttl, or of
    /// refresh_ahead without one.
    retry: Duration = .zero,
    /// For so long it is remembered that a loader has found no value, and loading calls tell so
    /// without a load; zero: not at all.
    negative_ttl: Duration = .zero,
    /// Below ttl: up to this much, at random, is taken off the ttl, so that what was stored at once
    /// does not expire at once.
    jitter: Duration = .zero,
    /// Of hashing and of policy rr; 0: random.
    seed: u64 = 0,
    /// Only one thread at a time uses the cache and its values.
    single_threaded: bool = false,
    /// Counts nothing: stats are zeros, but for pinned.
    no_stats: bool = false,
    /// Lifetimes end on time, not some milliseconds late; each reading of the clock costs more.
    precise_clock: bool = false,
    /// Keeps the miss-ratio curve that missRatios tells.
    curve: bool = false,
    /// Must outlive the cache and its values. Null: the system's.
    allocator: ?*const std.mem.Allocator = null,

    /// Says what is wrong with these options and callbacks; null if nothing is. Valid until this
    /// thread asks again.
    pub fn problem(self: Options, callbacks: anytype) ?[]const u8 {
        var full: Full = undefined;
        const options = full.fill(self, callbacks, []const u8, []const u8);
        const text = c.ct_options_problem(options) orelse return null;
        return words.problem(text);
    }
};
