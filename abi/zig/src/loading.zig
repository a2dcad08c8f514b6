// SPDX-License-Identifier: MIT
//! What loaders and computes hand back, and leases.

const std = @import("std");
const c = @import("c.zig");
const codec = @import("codec.zig");
const Error = @import("errors.zig").Error;
const check = @import("errors.zig").check;
const Duration = @import("duration.zig").Duration;
const words = @import("words.zig");
const EntryOptions = @import("cache.zig").EntryOptions;

/// A callback's own status. Its error is kept in the call.
pub const callback_failed: c.ct_status = -1000;

/// What a loader answers. Its error becomes a status of its own, from which those who wait for the
/// load get the error back; see failed. CT_BUSY and CT_ERR_RECURSION are its own caller's only.
pub fn answer(is_found: anyerror!bool, failure: *?anyerror) c.ct_status {
    const is_there = is_found catch |reason| {
        failure.* = reason;
        return statusOf(reason);
    };
    return if (is_there) c.CT_OK else c.CT_MISS;
}

/// The status that carries an error through the library; see failed.
pub fn statusOf(reason: anyerror) c.ct_status {
    return switch (reason) {
        error.Busy => c.CT_BUSY,
        error.Recursion => c.CT_ERR_RECURSION,
        else => callback_failed - @as(c.ct_status, @intFromError(reason)),
    };
}

/// Returns the error of a load that failed, here or elsewhere.
pub fn failed(status: c.ct_status) anyerror {
    if (status < callback_failed) {
        return @errorFromInt(@as(u16, @intCast(callback_failed - status)));
    }
    if (status == c.CT_BUSY) return Error.Busy;
    _ = check(status) catch |failure| return failure;
    return Error.Internal;
}

/// What a loading call found.
pub fn Loaded(comptime V: type) type {
    return struct {
        value: codec.Got(V),
        /// It is past its deadline: a newer value could not be loaded yet.
        is_stale: bool,

        /// Takes over what a call read out. failure is that of its own loader, which counts unless
        /// an old value serves.
        pub fn from(status: c.ct_status, out: c.ct_value, failure: ?anyerror) anyerror!?@This() {
            return switch (status) {
                c.CT_OK, c.CT_STALE => .{
                    .value = codec.take(V, out),
                    .is_stale = status == c.CT_STALE,
                },
                c.CT_MISS => null,
                else => failure orelse failed(status),
            };
        }
    };
}

/// How to load. Times are real ones, whatever timer the cache has.
pub const LoadOptions = struct {
    /// How long to wait for the load of another caller; then the error is Busy. Null: as long as it
    /// takes. It does not end one's own loader.
    timeout: ?Duration = null,
    /// How long to wait for the renewal of a value past its deadline before that one serves.
    stale_after: Duration = .zero,
    /// Load, even if there is a value; or join a load that runs. If it fails, the call fails, and
    /// the old value stays.
    force: bool = false,

    /// Translates options.
    pub fn raw(self: LoadOptions) c.ct_load_options {
        var options: c.ct_load_options = undefined;
        c.ct_load_options_init(&options, @sizeOf(c.ct_load_options));
        if (self.timeout) |timeout| options.timeout_ns = @max(timeout.ns, 1);
        options.stale_after_ns = self.stale_after.ns;
        if (self.force) options.flags |= c.CT_LOAD_FORCE;
        return options;
    }
};

/// Where a callback leaves its value. Lives as long as the callback runs.
pub fn Result(comptime V: type) type {
    return struct {
        handle: *c.ct_result,
        /// The object that was set, until it is known whether the library has taken it.
        sent: if (is_owned) ?*?V else void = if (is_owned) null else {},
        is_load: bool = true,

        const Self = @This();
        const is_owned = codec.isOwned(V);

        /// Of several calls the last one counts. Gives an object away, even if the loader fails
        /// later.
        pub fn set(self: Self, value: V) Error!void {
            if (is_owned) {
                const sent = self.sent.?;
                if (sent.*) |earlier| earlier.deinit();
                sent.* = value;
            }
            const bytes = codec.encode(V, &value);
            _ = try check(c.ct_result_set(self.handle, bytes.ptr, bytes.len));
        }

        /// A lifetime, from the callback's return on.
        pub fn ttl(self: Self, span: Duration) void {
            c.ct_result_ttl(self.handle, span.ns);
        }

        /// A reading of the timer.
        pub fn deadline(self: Self, time: u64) void {
            c.ct_result_deadline(self.handle, time);
        }

        /// What the entry weighs against maxsize, whatever the cache would have said.
        pub fn weight(self: Self, units: u64) void {
            c.ct_result_weight(self.handle, units);
        }

        /// Hands the value to the callers, but does not keep it.
        pub fn discard(self: Self) void {
            c.ct_result_discard(self.handle);
        }

        /// For computes: the new value lives as long as the old one would have. A load has no old
        /// lifetime to keep, and fails with Callback.
        pub fn keepTtl(self: Self) void {
            c.ct_result_keep_ttl(self.handle);
        }

        /// For loaders: the value that is to be renewed, if any. Bytes and objects are borrowed.
        pub fn old(self: Self) ?V {
            var out: c.ct_bytes = undefined;
            if (c.ct_result_old(self.handle, &out) != c.CT_OK) return null;
            return codec.decode(V, codec.slice(out.data, out.size));
        }

        /// For loaders: hands back the old value, which is still right, and its lifetime begins
        /// anew. Of this and set, the last one counts. Without an old value, and in a compute, the
        /// error is Callback.
        pub fn notModified(self: Self) void {
            if (!self.is_load) return c.ct_result_fail(self.handle, c.CT_ERR_CALLBACK);
            c.ct_result_not_modified(self.handle);
        }

        /// What the value was made of: see Cache.invalidateTag. At most 8.
        pub fn tag(self: Self, name: []const u8) void {
            c.ct_result_tag(self.handle, name.ptr, name.len);
        }

        /// Of many keys, this one alone fails. Of this and set, the last one counts.
        pub fn fail(self: Self, reason: anyerror) void {
            c.ct_result_fail(self.handle, statusOf(reason));
        }
    };
}

/// What a loader of many keys is asked for. Lives as long as the loader runs.
pub fn Batch(comptime K: type, comptime V: type) type {
    return struct {
        keys: []const c.ct_bytes,
        results: [*]const *c.ct_result,
        /// As in Result, of each key.
        sent: if (codec.isOwned(V)) [*]?V else void,

        /// The number of keys, no two of which are the same.
        pub fn len(self: @This()) usize {
            return self.keys.len;
        }

        /// A key. Bytes are borrowed.
        pub fn key(self: @This(), i: usize) K {
            return codec.decode(K, codec.slice(self.keys[i].data, self.keys[i].size));
        }

        /// Where its value goes. A result that nothing is done with says that there is none.
        pub fn result(self: @This(), i: usize) Result(V) {
            return .{
                .handle = self.results[i],
                .sent = if (comptime codec.isOwned(V)) &self.sent[i] else {},
            };
        }
    };
}

/// What compute shall do.
pub const Change = enum { store, remove, leave };

/// What getOrLease found.
pub fn Leased(comptime K: type, comptime V: type) type {
    return union(enum) {
        value: codec.Got(V),
        /// The value is past its deadline. Another caller renews it, or a renewal has just failed.
        stale: codec.Got(V),
        /// The caller must now load the key.
        lease: Lease(K, V),
        /// The same, but there is a value to go on with.
        renew: struct { value: codec.Got(V), lease: Lease(K, V) },
        /// Another caller has the lease, and the time is over.
        busy,
        /// A load has found that there is no such value: another caller's, or an earlier one that
        /// is remembered.
        missing,

        /// Takes over what a call read out.
        pub fn from(
            cache: ?*c.ct_cache,
            status: c.ct_status,
            out: c.ct_value,
            lease: ?*c.ct_lease,
        ) anyerror!@This() {
            return switch (status) {
                c.CT_OK => .{ .value = codec.take(V, out) },
                c.CT_STALE => .{ .stale = codec.take(V, out) },
                c.CT_LEASED => .{ .lease = .{ .handle = lease.?, .cache = cache } },
                c.CT_RENEW => .{ .renew = .{
                    .value = codec.take(V, out),
                    .lease = .{ .handle = lease.?, .cache = cache },
                } },
                c.CT_BUSY => .busy,
                c.CT_MISS => .missing,
                else => failed(status),
            };
        }
    };
}

/// A call that waits for a load without a thread. It must not move before the call has returned.
pub const Wait = struct {
    handle: ?*c.ct_wait = null,

    /// Ends the wait, or gives back what it left, before, in or after its `done`. Call it once, if
    /// the call returned null, and before the cache ends. Returns true if `done` will not run;
    /// after false it has run, runs, or will.
    pub fn cancel(self: *Wait) bool {
        defer self.handle = null;
        return c.ct_wait_cancel(self.handle);
    }
};

/// The right and the duty to load a key. It belongs to no thread. End it once by fulfil, keep, fail
/// or abandon, before the cache ends.
pub fn Lease(comptime K: type, comptime V: type) type {
    return struct {
        handle: *c.ct_lease,
        /// Null where nobody knows it: see getOrLeaseAsync.
        cache: ?*c.ct_cache,

        const Self = @This();

        /// The key, valid as long as the lease.
        pub fn key(self: Self) K {
            var out: c.ct_bytes = undefined;
            c.ct_lease_key(self.handle, &out);
            return codec.decode(K, codec.slice(out.data, out.size));
        }

        /// Stores the value, hands it to all who wait, and returns it. Invalid, and the reason is
        /// logged, for options with a condition or keep_ttl.
        pub fn fulfil(self: Self, value: V, options: EntryOptions) Error!codec.Got(V) {
            const raw = options.raw();
            const bytes = codec.encode(V, &value);
            var out: c.ct_value = undefined;
            const status = c.ct_lease_fulfil(self.handle, bytes.ptr, bytes.len, &raw, &out);
            self.explain(status, &raw, "options: a load takes no condition and no keep_ttl.");
            _ = try check(status);
            return codec.take(V, out);
        }

        /// Says that the value to be renewed is still right: its lifetime begins anew. Returns
        /// whether it was kept: the key may have been set or removed meanwhile. Invalid, if there
        /// is no such value; then the lease is given up.
        pub fn keep(self: Self, options: EntryOptions) Error!bool {
            const raw = options.raw();
            const status = c.ct_lease_keep(self.handle, &raw);
            self.explain(status, &raw, "there is no old value that the lease could keep so.");
            return try check(status) == c.CT_OK;
        }

        /// Logs why the options are refused; or else, what fewer options the call takes.
        fn explain(
            self: Self,
            status: c.ct_status,
            options: *const c.ct_entry_options,
            fewer: [*:0]const u8,
        ) void {
            if (status != c.CT_ERR_INVALID) return;
            const cache = self.cache orelse return;
            words.explain(c.ct_entry_options_problem(cache, options) orelse fewer);
        }

        /// Says that the load failed, or, for null, that there is no such value. All who wait get
        /// the same error, or null; but after Busy one of them loads. A value that was to be
        /// renewed stays after an error, and leaves if there is no such value.
        pub fn fail(self: Self, reason: ?anyerror) void {
            const status = if (reason) |it| statusOf(it) else c.CT_MISS;
            if (status == c.CT_BUSY) return c.ct_lease_abandon(self.handle);
            c.ct_lease_fail(self.handle, status);
        }

        /// Gives the lease up: one of those who wait becomes the loader.
        pub fn abandon(self: Self) void {
            c.ct_lease_abandon(self.handle);
        }
    };
}
