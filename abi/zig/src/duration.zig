// SPDX-License-Identifier: MIT
//! Spans of time.

const std = @import("std");

/// A span of time: `.seconds(60)` where one is expected, `Duration.seconds(60)` elsewhere. What is
/// too long for 64 bits is `.forever`.
///
/// A cache whose callbacks have a timer counts its lifetimes in that timer's ticks, whatever they
/// are: give ticks as `Duration{ .ns = ticks }`.
pub const Duration = struct {
    /// Nanoseconds, or ticks of the caller's timer.
    ns: u64,

    /// As the lifetime of an entry: over at once. As an option of a cache: none. As a time to wait:
    /// not at all.
    pub const zero = Duration{ .ns = 0 };
    /// As a lifetime: no end. As a time to wait: as long as it takes.
    pub const forever = Duration{ .ns = std.math.maxInt(u64) };

    /// A span of so many nanoseconds.
    pub fn nanoseconds(count: u64) Duration {
        return .{ .ns = count };
    }

    /// A span of so many thousandths of a second.
    pub fn milliseconds(count: u64) Duration {
        return .{ .ns = count *| std.time.ns_per_ms };
    }

    /// A span of so many seconds.
    pub fn seconds(count: u64) Duration {
        return .{ .ns = count *| std.time.ns_per_s };
    }

    /// A span of so many minutes.
    pub fn minutes(count: u64) Duration {
        return .{ .ns = count *| std.time.ns_per_min };
    }

    /// A span of so many hours.
    pub fn hours(count: u64) Duration {
        return .{ .ns = count *| std.time.ns_per_hour };
    }
};
