// SPDX-License-Identifier: MIT
//! Connects the library's callbacks with the methods of a struct.

const std = @import("std");
const c = @import("c.zig");
const codec = @import("codec.zig");
const Options = @import("options.zig").Options;

/// Why an entry left.
pub const Cause = enum(i32) {
    evicted = c.CT_CAUSE_EVICTED,
    expired = c.CT_CAUSE_EXPIRED,
    replaced = c.CT_CAUSE_REPLACED,
    removed = c.CT_CAUSE_REMOVED,
    cleared = c.CT_CAUSE_CLEARED,
    _, // known to a newer library only
};

/// An entry that left. Key and value are borrowed for the call.
pub fn Event(comptime K: type, comptime V: type) type {
    return struct {
        key: K,
        value: V,
        weight: u64,
        cause: Cause,

        /// Decodes what the library shows.
        pub fn from(raw: *const c.ct_event) @This() {
            return .{
                .key = codec.decode(K, codec.slice(raw.key.data, raw.key.size)),
                .value = codec.decode(V, codec.slice(raw.value.data, raw.value.size)),
                .weight = raw.weight,
                .cause = @enumFromInt(raw.cause),
            };
        }
    };
}

/// Options with callbacks, and what they point to.
pub const Full = struct {
    options: c.ct_options,
    ops: c.ct_policy_ops,
    allocator: c.ct_allocator,

    /// Translates options. The result points into full, which must not move meanwhile.
    pub fn fill(
        full: *Full,
        plain: Options,
        callbacks: anytype,
        comptime K: type,
        comptime V: type,
    ) *const c.ct_options {
        const options = &full.options;
        c.ct_options_init(options, @sizeOf(c.ct_options));
        options.policy = @intFromEnum(plain.policy);
        options.weight_kind = @intFromEnum(plain.weight_kind);
        options.maxsize = plain.maxsize;
        options.shards = plain.shards;
        options.ttl = plain.ttl.ns;
        options.tti = plain.tti.ns;
        options.seed = plain.seed;
        options.refresh_ahead = plain.refresh_ahead.ns;
        options.stale = plain.stale.ns;
        options.retry = plain.retry.ns;
        options.negative_ttl = plain.negative_ttl.ns;
        options.jitter = plain.jitter.ns;
        if (plain.keep_nothing) options.flags |= c.CT_FLAG_KEEP_NOTHING;
        if (plain.single_threaded) options.flags |= c.CT_FLAG_SINGLE_THREADED;
        if (plain.no_stats) options.flags |= c.CT_FLAG_NO_STATS;
        if (plain.curve) options.flags |= c.CT_FLAG_CURVE;
        if (plain.precise_clock) options.flags |= c.CT_FLAG_PRECISE_CLOCK;
        if (plain.allocator) |allocator| {
            c.ct_allocator_init(&full.allocator, @sizeOf(c.ct_allocator));
            full.allocator.alloc = Memory.alloc;
            full.allocator.free = Memory.free;
            full.allocator.ctx = @constCast(allocator);
            options.allocator = &full.allocator;
        }
        if (comptime codec.isOwned(V)) {
            options.drop = deinitOwned(V);
            options.flags |= c.CT_FLAG_DROP_LOADED;
        }
        if (@TypeOf(callbacks) == void) return options;

        const T = std.meta.Child(@TypeOf(callbacks));
        const of = Trampolines(T, K, V);
        options.user_data = @constCast(callbacks);
        if (@hasDecl(T, "timer")) options.timer = of.timer;
        if (@hasDecl(T, "timeToUse")) options.ttu = of.ttu;
        if (@hasDecl(T, "weigh")) options.weigher = of.weigher;
        if (@hasDecl(T, "choose")) options.choice = of.choice;
        if (@hasDecl(T, "listen")) options.listener = of.listener;
        if (@hasDecl(T, "drop")) {
            if (comptime codec.isOwned(V)) @compileError("deinit drops " ++ @typeName(V));
            options.drop = of.drop;
        }
        if (@hasDecl(T, "Evictor")) {
            const ops = &full.ops;
            c.ct_policy_ops_init(ops, @sizeOf(c.ct_policy_ops));
            ops.state_new = of.state_new;
            ops.state_free = of.state_free;
            ops.on_insert = of.on_insert;
            if (@hasDecl(T.Evictor, "update")) ops.on_update = of.on_update;
            ops.on_hit = of.on_hit;
            ops.on_remove = of.on_remove;
            if (@hasDecl(T.Evictor, "resize")) ops.on_resize = of.on_resize;
            ops.victim = of.victim;
            options.custom = ops;
        }
        return options;
    }
};

/// The T that user_data points to, which is not null.
pub fn at(comptime T: type, user_data: ?*anyopaque) *T {
    return @ptrCast(@alignCast(user_data.?));
}

fn deinitOwned(comptime V: type) *const c.ct_drop_fn {
    return struct {
        fn drop(_: ?*anyopaque, value: ?*const anyopaque, size: usize) callconv(.c) void {
            codec.decode(V, codec.slice(value, size)).deinit();
        }
    }.drop;
}

/// The functions that the library calls, for callbacks that are methods of T.
fn Trampolines(comptime T: type, comptime K: type, comptime V: type) type {
    return struct {
        fn keyOf(data: ?*const anyopaque, size: usize) K {
            return codec.decode(K, codec.slice(data, size));
        }

        fn valueOf(data: ?*const anyopaque, size: usize) V {
            return codec.decode(V, codec.slice(data, size));
        }

        fn timer(self: ?*anyopaque) callconv(.c) u64 {
            return at(T, self).timer();
        }

        fn ttu(
            self: ?*anyopaque,
            key: ?*const anyopaque,
            key_size: usize,
            value: ?*const anyopaque,
            value_size: usize,
            now: u64,
        ) callconv(.c) u64 {
            return at(T, self).timeToUse(keyOf(key, key_size), valueOf(value, value_size), now);
        }

        fn weigher(
            self: ?*anyopaque,
            key: ?*const anyopaque,
            key_size: usize,
            value: ?*const anyopaque,
            value_size: usize,
        ) callconv(.c) u64 {
            return at(T, self).weigh(keyOf(key, key_size), valueOf(value, value_size));
        }

        fn choice(self: ?*anyopaque, count: u64) callconv(.c) u64 {
            return at(T, self).choose(count);
        }

        fn listener(self: ?*anyopaque, event: *const c.ct_event) callconv(.c) void {
            at(T, self).listen(Event(K, V).from(event));
        }

        fn drop(self: ?*anyopaque, value: ?*const anyopaque, size: usize) callconv(.c) void {
            at(T, self).drop(valueOf(value, size));
        }

        // The policy of the caller's own, T.Evictor. It runs inside the critical section of its
        // shard, and must not use any cache.

        fn state_new(self: ?*anyopaque, maxsize: u64) callconv(.c) ?*anyopaque {
            return T.Evictor.init(at(T, self), maxsize); // null: no memory
        }

        fn state_free(state: ?*anyopaque) callconv(.c) void {
            at(T.Evictor, state).deinit();
        }

        fn on_insert(
            state: ?*anyopaque,
            id: u32,
            weight: u64,
            key: ?*const anyopaque,
            key_size: usize,
            now: u64,
        ) callconv(.c) void {
            at(T.Evictor, state).insert(id, weight, codec.slice(key, key_size), now);
        }

        fn on_update(
            state: ?*anyopaque,
            id: u32,
            weight: u64,
            key: ?*const anyopaque,
            key_size: usize,
            now: u64,
        ) callconv(.c) void {
            at(T.Evictor, state).update(id, weight, codec.slice(key, key_size), now);
        }

        fn on_hit(state: ?*anyopaque, id: u32, now: u64) callconv(.c) void {
            at(T.Evictor, state).hit(id, now);
        }

        fn on_remove(state: ?*anyopaque, id: u32) callconv(.c) void {
            at(T.Evictor, state).remove(id);
        }

        fn on_resize(state: ?*anyopaque, maxsize: u64) callconv(.c) void {
            at(T.Evictor, state).resize(maxsize);
        }

        fn victim(state: ?*anyopaque) callconv(.c) u32 {
            return at(T.Evictor, state).victim();
        }
    };
}

/// A std.mem.Allocator as a ct_allocator.
const Memory = struct {
    fn alloc(ctx: ?*anyopaque, size: usize, bytes: usize) callconv(.c) ?*anyopaque {
        const allocator = at(std.mem.Allocator, ctx);
        return allocator.rawAlloc(size, .fromByteUnits(bytes), @returnAddress());
    }

    fn free(ctx: ?*anyopaque, block: ?*anyopaque, size: usize, bytes: usize) callconv(.c) void {
        const first: [*]u8 = @ptrCast(block.?);
        at(std.mem.Allocator, ctx).rawFree(first[0..size], .fromByteUnits(bytes), @returnAddress());
    }
};
