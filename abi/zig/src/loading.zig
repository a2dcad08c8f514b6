// SPDX-License-Identifier: MIT
//! What loaders and computes hand back, and leases.

const std = @import("std");
const c = @import("c.zig");
const codec = @import("codec.zig");
const Error = @import("errors.zig").Error;
const check = @import("errors.zig").check;
const EntryOptions = @import("cache.zig").EntryOptions;

/// A callback's own status. Its error is kept in the call.
pub const callback_failed: c.ct_status = -1000;

pub fn answer(is_found: anyerror!bool, failure: *?anyerror) c.ct_status {
    const is_there = is_found catch |reason| {
        failure.* = reason;
        return callback_failed;
    };
    return if (is_there) c.CT_OK else c.CT_MISS;
}

/// Where a callback leaves its value. Lives as long as the callback runs.
pub fn Result(comptime V: type) type {
    if (codec.isOwned(V)) return OwnedResult(V);
    return struct {
        handle: *c.ct_result,

        const Self = @This();

        /// Of several calls the last one counts.
        pub fn set(self: Self, value: V) Error!void {
            const bytes = codec.encode(V, &value);
            _ = try check(c.ct_result_set(self.handle, bytes.ptr, bytes.len));
        }

        /// A lifetime, from the callback's return on.
        pub fn ttl(self: Self, nanoseconds: u64) void {
            c.ct_result_ttl(self.handle, nanoseconds);
        }

        /// A reading of the timer.
        pub fn deadline(self: Self, time: u64) void {
            c.ct_result_deadline(self.handle, time);
        }

        pub fn weight(self: Self, units: u64) void {
            c.ct_result_weight(self.handle, units);
        }

        /// Hands the value to the callers, but does not keep it.
        pub fn discard(self: Self) void {
            c.ct_result_discard(self.handle);
        }
    };
}

/// An object that a loader brought, and what is special about its entry.
pub fn Brought(comptime V: type) type {
    return struct {
        object: ?V = null,
        options: EntryOptions = .{},
        is_discarded: bool = false,

        pub fn deinit(self: *@This()) void {
            if (self.object) |object| object.deinit();
            self.object = null;
        }
    };
}

fn OwnedResult(comptime V: type) type {
    return struct {
        brought: *Brought(V),

        const Self = @This();

        /// Gives the object away, even if the loader fails later. Of several the last one counts.
        pub fn set(self: Self, object: V) Error!void {
            self.brought.deinit();
            self.brought.object = object;
        }

        /// A lifetime, from the callback's return on.
        pub fn ttl(self: Self, nanoseconds: u64) void {
            self.brought.options.ttl = nanoseconds;
            self.brought.options.deadline = null;
        }

        /// A reading of the timer.
        pub fn deadline(self: Self, time: u64) void {
            self.brought.options.deadline = time;
            self.brought.options.ttl = null;
        }

        pub fn weight(self: Self, units: u64) void {
            self.brought.options.weight = units;
        }

        /// Hands the object to the caller, but does not keep it.
        pub fn discard(self: Self) void {
            self.brought.is_discarded = true;
        }
    };
}

/// What compute shall do.
pub const Change = enum { store, remove, leave };

/// What getOrLease found.
pub fn Leased(comptime K: type, comptime V: type) type {
    return union(enum) {
        value: codec.Got(V),
        /// The caller must now load the key.
        lease: Lease(K, V),
        /// Another caller has the lease, and the time is over.
        busy,
    };
}

/// The right and the duty to load a key. It belongs to no thread. Fulfil or abandon it once, before
/// the cache ends.
pub fn Lease(comptime K: type, comptime V: type) type {
    return struct {
        handle: *c.ct_lease,

        const Self = @This();

        /// The key, valid as long as the lease.
        pub fn key(self: Self) K {
            var out: c.ct_bytes = undefined;
            c.ct_lease_key(self.handle, &out);
            return codec.decode(K, codec.slice(out.data, out.size));
        }

        /// Stores the value, hands it to all who wait, and returns it.
        pub fn fulfil(self: Self, value: V, options: EntryOptions) Error!codec.Got(V) {
            const raw = options.raw();
            const bytes = codec.encode(V, &value);
            var out: c.ct_value = undefined;
            _ = try check(c.ct_lease_fulfil(self.handle, bytes.ptr, bytes.len, &raw, &out));
            return codec.take(V, out);
        }

        pub fn abandon(self: Self) void {
            c.ct_lease_abandon(self.handle);
        }
    };
}
