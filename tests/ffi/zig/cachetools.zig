// SPDX-License-Identifier: MIT
//! A Zig wrapper of libcachetools by @cImport, in one file. Needs Zig 0.12 to 0.16; later versions
//! have no @cImport.
//!
//! - `Value` is a slice of the library's own memory, pinned until `deinit`, whatever happens to its
//!   entry or to the cache. Call each deinit once.
//! - Ordinary outcomes are null, bools and enums; failures are `Error`. The error of a loader comes
//!   back unchanged.
//! - Callbacks are methods of a struct of yours. The cache does not own the struct, which must
//!   outlive the cache, and with `drop` or an allocator its values too. Callbacks must not longjmp;
//!   a panic in one ends the program, like any panic.

const std = @import("std");

pub const c = @cImport(@cInclude("cachetools.h"));

const cc: std.builtin.CallingConvention =
    if (@hasDecl(std.builtin.CallingConvention, "c")) .c else .C;

/// As a lifetime: no end.
pub const never: u64 = std.math.maxInt(u64);
/// As maxsize: no limit.
pub const unbounded: u64 = std.math.maxInt(u64);

/// The version of the library: "0.1.0".
pub fn version() []const u8 {
    return std.mem.span(c.ct_version_string());
}

// ---- Errors -------------------------------------------------------------------------------------

/// The operation did not happen.
pub const Error = error{
    Callback,
    Unsupported,
    Internal,
    InputOutput,
    Corrupt,
    Recursion,
    BufferTooSmall,
    TooLarge,
    OutOfMemory,
    Invalid,
    /// compute: others wrote the key too often. getOrLoad: a single-threaded cache does not wait.
    Busy,
};

fn check(status: c_int) Error!c_int {
    if (status >= 0) return status;
    return switch (status) {
        c.CT_ERR_CALLBACK => Error.Callback,
        c.CT_ERR_UNSUPPORTED => Error.Unsupported,
        c.CT_ERR_IO => Error.InputOutput,
        c.CT_ERR_CORRUPT => Error.Corrupt,
        c.CT_ERR_RECURSION => Error.Recursion,
        c.CT_ERR_BUFFER => Error.BufferTooSmall,
        c.CT_ERR_TOO_LARGE => Error.TooLarge,
        c.CT_ERR_NOMEM => Error.OutOfMemory,
        c.CT_ERR_INVALID => Error.Invalid,
        else => Error.Internal,
    };
}

/// Returns whether the call returned CT_OK.
fn done(status: c_int) Error!bool {
    return try check(status) == c.CT_OK;
}

/// Says in one sentence what a failure means.
pub fn message(failure: Error) []const u8 {
    return std.mem.span(c.ct_status_message(switch (failure) {
        Error.Callback => c.CT_ERR_CALLBACK,
        Error.Unsupported => c.CT_ERR_UNSUPPORTED,
        Error.Internal => c.CT_ERR_INTERNAL,
        Error.InputOutput => c.CT_ERR_IO,
        Error.Corrupt => c.CT_ERR_CORRUPT,
        Error.Recursion => c.CT_ERR_RECURSION,
        Error.BufferTooSmall => c.CT_ERR_BUFFER,
        Error.TooLarge => c.CT_ERR_TOO_LARGE,
        Error.OutOfMemory => c.CT_ERR_NOMEM,
        Error.Invalid => c.CT_ERR_INVALID,
        Error.Busy => c.CT_BUSY,
    }));
}

// ---- Values -------------------------------------------------------------------------------------

fn slice(data: ?*const anyopaque, size: usize) []const u8 {
    const first: [*]const u8 = @ptrCast(data orelse return &.{});
    return first[0..size];
}

/// A value read out. Any thread may use and release it.
pub const Value = struct {
    raw: c.ct_value,

    pub fn bytes(self: Value) []const u8 {
        return slice(self.raw.data, self.raw.size);
    }

    /// A second, independent pin.
    pub fn ref(self: Value) Error!Value {
        var out: c.ct_value = undefined;
        _ = try check(c.ct_value_ref(&self.raw, &out));
        return .{ .raw = out };
    }

    pub fn deinit(self: Value) void {
        var raw = self.raw;
        c.ct_value_release(&raw);
    }
};

// ---- How to make a cache ------------------------------------------------------------------------

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
    custom = c.CT_POLICY_CUSTOM,
    _, // known to a newer library only

    pub fn name(self: Policy) []const u8 {
        return std.mem.span(c.ct_policy_name(@intCast(@intFromEnum(self))) orelse return "");
    }

    pub fn named(text: [:0]const u8) Error!Policy {
        var out: c.ct_policy = undefined;
        _ = try check(c.ct_policy_from_name(text.ptr, &out));
        return @enumFromInt(@as(i32, @intCast(out)));
    }
};

/// What an entry weighs against maxsize.
pub const WeightKind = enum(i32) {
    count = c.CT_WEIGHT_COUNT,
    value = c.CT_WEIGHT_VALUE,
    memory = c.CT_WEIGHT_MEMORY,
};

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
pub const Event = struct {
    key: []const u8,
    value: []const u8,
    weight: u64,
    cause: Cause,

    fn from(raw: [*c]const c.ct_event) Event {
        return .{
            .key = slice(raw.*.key.data, raw.*.key.size),
            .value = slice(raw.*.value.data, raw.*.value.size),
            .weight = raw.*.weight,
            .cause = @enumFromInt(raw.*.cause),
        };
    }
};

/// How to make a cache. Times are in ticks of the timer: nanoseconds, unless you bring a timer.
pub const Options = struct {
    policy: Policy = .lru,
    weight_kind: WeightKind = .count,
    maxsize: u64,
    shards: u32 = 0,
    ttl: u64 = 0,
    tti: u64 = 0,
    seed: u64 = 0,
    /// Only one thread at a time uses the cache and its values.
    single_threaded: bool = false,
    no_stats: bool = false,
    precise_clock: bool = false,
    /// Must outlive the cache and its values. Null: the system's.
    allocator: ?*const std.mem.Allocator = null,

    /// Says what is wrong with these options and callbacks; null if nothing is.
    pub fn problem(self: Options, callbacks: anytype) ?[]const u8 {
        var full: Full = undefined;
        const text = c.ct_options_problem(full.fill(self, callbacks)) orelse return null;
        return std.mem.span(text);
    }
};

/// Options with callbacks, and what they point to.
const Full = struct {
    options: c.ct_options,
    ops: c.ct_policy_ops,
    allocator: c.ct_allocator,

    fn fill(full: *Full, plain: Options, callbacks: anytype) *const c.ct_options {
        const options = &full.options;
        c.ct_options_init(options, @sizeOf(c.ct_options));
        options.policy = @intFromEnum(plain.policy);
        options.weight_kind = @intFromEnum(plain.weight_kind);
        options.maxsize = plain.maxsize;
        options.shards = plain.shards;
        options.ttl = plain.ttl;
        options.tti = plain.tti;
        options.seed = plain.seed;
        options.flags = c.CT_FLAG_KEEP_NOTHING; // a 0 is meant, as there is no default
        if (plain.single_threaded) options.flags |= c.CT_FLAG_SINGLE_THREADED;
        if (plain.no_stats) options.flags |= c.CT_FLAG_NO_STATS;
        if (plain.precise_clock) options.flags |= c.CT_FLAG_PRECISE_CLOCK;
        if (plain.allocator) |allocator| {
            c.ct_allocator_init(&full.allocator, @sizeOf(c.ct_allocator));
            full.allocator.alloc = Memory.alloc;
            full.allocator.free = Memory.free;
            full.allocator.ctx = @constCast(allocator);
            options.allocator = &full.allocator;
        }
        if (@TypeOf(callbacks) == void) return options;

        const T = std.meta.Child(@TypeOf(callbacks));
        const of = Trampolines(T);
        options.user_data = @constCast(callbacks);
        if (@hasDecl(T, "timer")) options.timer = of.timer;
        if (@hasDecl(T, "timeToUse")) options.ttu = of.ttu;
        if (@hasDecl(T, "weigh")) options.weigher = of.weigher;
        if (@hasDecl(T, "choose")) options.choice = of.choice;
        if (@hasDecl(T, "listen")) options.listener = of.listener;
        if (@hasDecl(T, "drop")) options.drop = of.drop;
        if (@hasDecl(T, "Evictor")) {
            const ops = &full.ops;
            c.ct_policy_ops_init(ops, @sizeOf(c.ct_policy_ops));
            ops.state_new = of.state_new;
            ops.state_free = of.state_free;
            ops.on_insert = of.on_insert;
            ops.on_hit = of.on_hit;
            ops.on_remove = of.on_remove;
            ops.victim = of.victim;
            options.custom = ops;
        }
        return options;
    }
};

fn at(comptime T: type, user_data: ?*anyopaque) *T {
    return @ptrCast(@alignCast(user_data.?));
}

/// The functions that the library calls, for callbacks that are methods of T.
fn Trampolines(comptime T: type) type {
    return struct {
        fn timer(self: ?*anyopaque) callconv(cc) u64 {
            return at(T, self).timer();
        }

        fn ttu(
            self: ?*anyopaque,
            key: ?*const anyopaque,
            key_size: usize,
            value: ?*const anyopaque,
            value_size: usize,
            now: u64,
        ) callconv(cc) u64 {
            return at(T, self).timeToUse(slice(key, key_size), slice(value, value_size), now);
        }

        fn weigher(
            self: ?*anyopaque,
            key: ?*const anyopaque,
            key_size: usize,
            value: ?*const anyopaque,
            value_size: usize,
        ) callconv(cc) u64 {
            return at(T, self).weigh(slice(key, key_size), slice(value, value_size));
        }

        fn choice(self: ?*anyopaque, count: u64) callconv(cc) u64 {
            return at(T, self).choose(count);
        }

        fn listener(self: ?*anyopaque, event: [*c]const c.ct_event) callconv(cc) void {
            at(T, self).listen(Event.from(event));
        }

        fn drop(self: ?*anyopaque, value: ?*const anyopaque, size: usize) callconv(cc) void {
            at(T, self).drop(slice(value, size));
        }

        // The policy of the caller's own, T.Evictor. It runs inside the critical section of its
        // shard, and must not use any cache.

        fn state_new(self: ?*anyopaque, maxsize: u64) callconv(cc) ?*anyopaque {
            return T.Evictor.init(at(T, self), maxsize); // null: no memory
        }

        fn state_free(state: ?*anyopaque) callconv(cc) void {
            at(T.Evictor, state).deinit();
        }

        fn on_insert(
            state: ?*anyopaque,
            id: u32,
            weight: u64,
            key: ?*const anyopaque,
            key_size: usize,
            now: u64,
        ) callconv(cc) void {
            at(T.Evictor, state).insert(id, weight, slice(key, key_size), now);
        }

        fn on_hit(state: ?*anyopaque, id: u32, now: u64) callconv(cc) void {
            at(T.Evictor, state).hit(id, now);
        }

        fn on_remove(state: ?*anyopaque, id: u32) callconv(cc) void {
            at(T.Evictor, state).remove(id);
        }

        fn victim(state: ?*anyopaque) callconv(cc) u32 {
            return at(T.Evictor, state).victim();
        }
    };
}

/// A std.mem.Allocator as a ct_allocator.
const Memory = struct {
    fn alignment(bytes: usize) if (@hasDecl(std.mem, "Alignment")) std.mem.Alignment else u8 {
        if (@hasDecl(std.mem, "Alignment")) return std.mem.Alignment.fromByteUnits(bytes);
        return std.math.log2_int(usize, bytes);
    }

    fn alloc(ctx: ?*anyopaque, size: usize, bytes: usize) callconv(cc) ?*anyopaque {
        const allocator = at(std.mem.Allocator, ctx);
        return allocator.rawAlloc(size, alignment(bytes), @returnAddress());
    }

    fn free(ctx: ?*anyopaque, block: ?*anyopaque, size: usize, bytes: usize) callconv(cc) void {
        const first: [*]u8 = @ptrCast(block.?);
        at(std.mem.Allocator, ctx).rawFree(first[0..size], alignment(bytes), @returnAddress());
    }
};

// ---- The cache ----------------------------------------------------------------------------------

/// The outcome of a write.
pub const Outcome = enum {
    stored,
    /// Dead on arrival.
    not_stored,
    /// With if_absent.
    exists,
    /// With if_present.
    missing,

    fn from(status: c_int) Error!Outcome {
        return switch (try check(status)) {
            c.CT_OK => .stored,
            c.CT_EXISTS => .exists,
            c.CT_MISS => .missing,
            else => .not_stored,
        };
    }
};

/// What is special about one entry. For null, the cache decides.
pub const EntryOptions = struct {
    /// In ticks from now.
    ttl: ?u64 = null,
    /// In ticks, absolute; not together with ttl.
    deadline: ?u64 = null,
    weight: ?u64 = null,
    condition: enum { always, if_absent, if_present } = .always,

    fn raw(self: EntryOptions) c.ct_entry_options {
        var options: c.ct_entry_options = undefined;
        c.ct_entry_options_init(&options, @sizeOf(c.ct_entry_options));
        if (self.ttl != null) options.flags |= c.CT_ENTRY_TTL;
        if (self.deadline != null) options.flags |= c.CT_ENTRY_DEADLINE;
        if (self.weight != null) options.flags |= c.CT_ENTRY_WEIGHT;
        if (self.condition == .if_absent) options.flags |= c.CT_ENTRY_IF_ABSENT;
        if (self.condition == .if_present) options.flags |= c.CT_ENTRY_IF_PRESENT;
        options.ttl = self.ttl orelse 0;
        options.deadline = self.deadline orelse 0;
        options.weight = self.weight orelse 0;
        return options;
    }
};

pub const Entry = struct { key: []const u8, value: []const u8 };

/// A callback's own status. Its error is kept in the call.
const callback_failed: c_int = -1000;

/// A cache of byte strings, bounded by a policy.
pub const Cache = struct {
    handle: *c.ct_cache,

    /// Makes a cache of at most maxsize entries.
    pub fn init(policy: Policy, maxsize: u64) Error!Cache {
        return initWith(.{ .policy = policy, .maxsize = maxsize }, {});
    }

    /// callbacks is {}, or a pointer to a struct with any of these methods:
    ///
    ///     pub fn listen(self: *T, event: Event) void
    ///     pub fn weigh(self: *T, key: []const u8, value: []const u8) u64
    ///     pub fn timeToUse(self: *T, key: []const u8, value: []const u8, now: u64) u64
    ///     pub fn drop(self: *T, value: []const u8) void
    ///     pub fn timer(self: *T) u64                   // inside the critical section:
    ///     pub fn choose(self: *T, count: u64) u64      // must not use any cache
    ///
    /// For policy custom the struct has a type Evictor, with init(*T, maxsize) ?*Evictor, deinit,
    /// insert, hit, remove and victim.
    pub fn initWith(options: Options, callbacks: anytype) Error!Cache {
        var full: Full = undefined;
        var handle: ?*c.ct_cache = null;
        _ = try check(c.ct_cache_new_with(full.fill(options, callbacks), &handle));
        return .{ .handle = handle.? };
    }

    /// Frees the cache. No other call may be running. Values stay readable until they are released.
    pub fn deinit(self: Cache) void {
        c.ct_cache_free(self.handle);
    }

    fn found(status: c_int, value: c.ct_value) Error!?Value {
        return if (try done(status)) .{ .raw = value } else null;
    }

    /// A hit is a use.
    pub fn get(self: Cache, key: []const u8) Error!?Value {
        var out: c.ct_value = undefined;
        return found(c.ct_get(self.handle, key.ptr, key.len, &out), out);
    }

    /// Reads without a trace: this is no use, and nothing is counted.
    pub fn peek(self: Cache, key: []const u8) Error!?Value {
        var out: c.ct_value = undefined;
        return found(c.ct_peek(self.handle, key.ptr, key.len, &out), out);
    }

    /// Copies the value into the buffer, and returns the part of the buffer that holds it.
    pub fn getCopy(self: Cache, key: []const u8, buffer: []u8) Error!?[]u8 {
        var size: usize = undefined;
        const status =
            c.ct_get_copy(self.handle, key.ptr, key.len, buffer.ptr, buffer.len, &size);
        return if (try done(status)) buffer[0..size] else null;
    }

    pub fn contains(self: Cache, key: []const u8) bool {
        return c.ct_contains(self.handle, key.ptr, key.len);
    }

    /// Returns whether the value was kept: it may have been dead on arrival.
    pub fn set(self: Cache, key: []const u8, value: []const u8) Error!bool {
        return done(c.ct_set(self.handle, key.ptr, key.len, value.ptr, value.len));
    }

    pub fn setTtl(self: Cache, key: []const u8, value: []const u8, ttl: u64) Error!bool {
        return done(c.ct_set_ttl(self.handle, key.ptr, key.len, value.ptr, value.len, ttl));
    }

    pub fn setWith(
        self: Cache,
        key: []const u8,
        value: []const u8,
        options: EntryOptions,
    ) Error!Outcome {
        const raw = options.raw();
        return Outcome.from(
            c.ct_set_with(self.handle, key.ptr, key.len, value.ptr, value.len, &raw),
        );
    }

    /// Reads a key, and stores the given value first if the key is absent.
    pub fn getOrSet(self: Cache, key: []const u8, value: []const u8) Error!Value {
        var out: c.ct_value = undefined;
        _ = try check(
            c.ct_setdefault(self.handle, key.ptr, key.len, value.ptr, value.len, &out),
        );
        return .{ .raw = out };
    }

    /// Removes an entry and returns its value.
    pub fn pop(self: Cache, key: []const u8) Error!?Value {
        var out: c.ct_value = undefined;
        return found(c.ct_pop(self.handle, key.ptr, key.len, &out), out);
    }

    /// Removes an entry. Returns whether there was one.
    pub fn remove(self: Cache, key: []const u8) Error!bool {
        return done(c.ct_delete(self.handle, key.ptr, key.len));
    }

    /// Removes the policy's next victim, and returns its key and value.
    pub fn popVictim(self: Cache) Error!?struct { key: Value, value: Value } {
        var key: c.ct_value = undefined;
        var value: c.ct_value = undefined;
        if (!try done(c.ct_popitem(self.handle, &key, &value))) return null;
        return .{ .key = .{ .raw = key }, .value = .{ .raw = value } };
    }

    pub fn clear(self: Cache) Error!void {
        _ = try check(c.ct_clear(self.handle));
    }

    /// Removes all entries for which context.matches(key, value) holds, and returns how many.
    pub fn removeIf(self: Cache, context: anytype) u64 {
        const T = @TypeOf(context);
        const trampoline = struct {
            fn match(
                it: ?*anyopaque,
                key: ?*const anyopaque,
                key_size: usize,
                value: ?*const anyopaque,
                value_size: usize,
            ) callconv(cc) bool {
                return at(T, it).matches(slice(key, key_size), slice(value, value_size));
            }
        };
        var it = context;
        return c.ct_remove_if(self.handle, trampoline.match, &it);
    }

    // -- Many at once --

    /// `get` for many keys, whose look-ups overlap. On failure no value is left pinned.
    pub fn getMany(self: Cache, keys: []const []const u8, values: []?Value) Error!void {
        const at_once = 64;
        var raw_keys: [at_once]c.ct_bytes = undefined;
        var raw_values: [at_once]c.ct_value = undefined;
        var statuses: [at_once]c.ct_status = undefined;
        var passed: usize = 0;
        errdefer for (values[0..passed]) |value| if (value) |it| it.deinit();
        while (passed < keys.len) {
            const count = @min(at_once, keys.len - passed);
            for (keys[passed..][0..count], raw_keys[0..count]) |key, *raw| {
                raw.* = .{ .data = key.ptr, .size = key.len };
            }
            _ = try check(
                c.ct_get_many(self.handle, &raw_keys, count, &raw_values, &statuses),
            );
            for (values[passed..][0..count], raw_values[0..count], statuses[0..count]) |
                *value,
                raw,
                status,
            | {
                value.* = if (status == c.CT_OK) .{ .raw = raw } else null;
            }
            passed += count;
        }
    }

    /// `setWith` for many entries in one call. Each succeeds or fails alone, as outcomes say. If
    /// the call as a whole is refused, it returns the error.
    pub fn setMany(
        self: Cache,
        allocator: std.mem.Allocator,
        entries: []const Entry,
        options: EntryOptions,
        outcomes: []Error!Outcome,
    ) Error!void {
        var size: usize = 0;
        for (entries) |entry| size += entry.key.len + entry.value.len;
        const data = try allocator.alloc(u8, size);
        defer allocator.free(data);
        const ends = try allocator.alloc(usize, 2 * entries.len);
        defer allocator.free(ends);
        const statuses = try allocator.alloc(c.ct_status, entries.len);
        defer allocator.free(statuses);

        var end: usize = 0;
        for (entries, 0..) |entry, i| {
            for ([_][]const u8{ entry.key, entry.value }, 2 * i..) |part, j| {
                @memcpy(data[end..][0..part.len], part);
                end += part.len;
                ends[j] = end;
            }
        }
        const raw = options.raw();
        const status = c.ct_set_many(
            self.handle,
            data.ptr,
            ends.ptr,
            entries.len,
            &raw,
            statuses.ptr,
        );
        var was_tried = false;
        for (statuses, outcomes[0..entries.len]) |one, *outcome| {
            outcome.* = Outcome.from(one);
            was_tried = was_tried or one != c.CT_OK;
        }
        if (!was_tried) _ = try check(status);
    }

    // -- Size and time --

    pub fn len(self: Cache) u64 {
        return c.ct_len(self.handle);
    }

    /// The sum of the weights.
    pub fn weight(self: Cache) u64 {
        return c.ct_currsize(self.handle);
    }

    pub fn limit(self: Cache) u64 {
        return c.ct_maxsize(self.handle);
    }

    /// The bytes of memory held in all.
    pub fn memory(self: Cache) u64 {
        return c.ct_memory(self.handle);
    }

    pub fn resize(self: Cache, maxsize: u64) Error!void {
        _ = try check(c.ct_resize(self.handle, maxsize));
    }

    /// Gives an entry another lifetime, if it is there.
    pub fn setLifetime(self: Cache, key: []const u8, ttl: u64) Error!bool {
        return done(c.ct_set_lifetime(self.handle, key.ptr, key.len, ttl));
    }

    pub fn inspect(self: Cache, key: []const u8) Error!?c.ct_entry_info {
        var info: c.ct_entry_info = undefined;
        c.ct_entry_info_init(&info, @sizeOf(c.ct_entry_info));
        const status = c.ct_inspect(self.handle, key.ptr, key.len, &info);
        return if (try done(status)) info else null;
    }

    /// Removes the entries whose deadline has passed, and returns how many. Shows each to
    /// context.visit(event), unless the context is {}.
    pub fn expire(self: Cache, context: anytype) u64 {
        const T = @TypeOf(context);
        if (T == void) return c.ct_expire(self.handle, never, null, null);
        const trampoline = struct {
            fn visit(it: ?*anyopaque, event: [*c]const c.ct_event) callconv(cc) void {
                at(T, it).visit(Event.from(event));
            }
        };
        var it = context;
        return c.ct_expire(self.handle, never, trampoline.visit, &it);
    }

    pub fn stats(self: Cache) Error!c.ct_stats {
        var out: c.ct_stats = undefined;
        c.ct_stats_init(&out, @sizeOf(c.ct_stats));
        _ = try check(c.ct_cache_stats(self.handle, &out));
        return out;
    }

    pub fn resetStats(self: Cache) Error!void {
        _ = try check(c.ct_cache_stats_reset(self.handle));
    }

    /// The options in force, with defaults filled in and the seed that was drawn.
    pub fn optionsInForce(self: Cache) Error!c.ct_options {
        var out: c.ct_options = undefined;
        c.ct_options_init(&out, @sizeOf(c.ct_options));
        _ = try check(c.ct_cache_options(self.handle, &out));
        return out;
    }

    pub fn iterate(self: Cache, order: Order) Error!Iterator {
        var handle: ?*c.ct_iter = null;
        _ = try check(c.ct_iter_new(self.handle, @intFromEnum(order), &handle));
        return .{ .handle = handle.? };
    }

    // -- Snapshots --

    /// Saves the contents of the cache in a file. The file is replaced as a whole or not at all.
    pub fn saveFile(self: Cache, path: [:0]const u8) Error!void {
        _ = try check(c.ct_snapshot_save_file(self.handle, path.ptr));
    }

    /// Adds the entries of a file, from the hottest on, as far as there is room. Lifetimes go on
    /// from where they were at the save.
    pub fn loadFile(self: Cache, path: [:0]const u8) Error!void {
        _ = try check(c.ct_snapshot_load_file(self.handle, path.ptr));
    }

    /// As loadFile, but the time since the save is taken off lifetimes, by the wall clock. Both
    /// caches must have the default timer.
    pub fn loadFileAged(self: Cache, path: [:0]const u8) Error!void {
        _ = try check(c.ct_snapshot_load_file_with(self.handle, path.ptr, c.CT_SNAPSHOT_AGED));
    }

    /// As saveFile, into anything with writeAll(bytes: []const u8) anyerror!void.
    pub fn save(self: Cache, writer: anytype) anyerror!void {
        const Call = struct {
            writer: @TypeOf(writer),
            failure: ?anyerror = null,

            fn write(it: ?*anyopaque, data: ?*const anyopaque, size: usize) callconv(cc) c_int {
                const call = at(@This(), it);
                call.writer.writeAll(slice(data, size)) catch |failure| {
                    call.failure = failure;
                    return callback_failed;
                };
                return c.CT_OK;
            }
        };
        var call = Call{ .writer = writer };
        const status = c.ct_snapshot_save(self.handle, Call.write, &call);
        if (call.failure) |failure| return failure;
        _ = try check(status);
    }

    /// As loadFile, from anything with read(buffer: []u8) anyerror!usize, which returns 0 at the
    /// end. Nothing beyond the snapshot is read.
    pub fn load(self: Cache, reader: anytype) anyerror!void {
        return self.loadWith(reader, 0);
    }

    /// As loadFileAged, from anything that load takes.
    pub fn loadAged(self: Cache, reader: anytype) anyerror!void {
        return self.loadWith(reader, c.CT_SNAPSHOT_AGED);
    }

    fn loadWith(self: Cache, reader: anytype, flags: u32) anyerror!void {
        const Call = struct {
            reader: @TypeOf(reader),
            failure: ?anyerror = null,

            fn read(
                it: ?*anyopaque,
                buffer: ?*anyopaque,
                capacity: usize,
                got: [*c]usize,
            ) callconv(cc) c_int {
                const call = at(@This(), it);
                const first: [*]u8 = @ptrCast(buffer.?);
                got.* = call.reader.read(first[0..capacity]) catch |failure| {
                    call.failure = failure;
                    return callback_failed;
                };
                return c.CT_OK;
            }
        };
        var call = Call{ .reader = reader };
        const status = c.ct_snapshot_load_with(self.handle, Call.read, &call, flags);
        if (call.failure) |failure| return failure;
        _ = try check(status);
    }

    // -- Loading --

    /// Looks a key up, and if it is absent calls
    ///
    ///     loader.load(key: []const u8, result: Result) anyerror!bool
    ///
    /// which returns false if there is no such value. However many threads ask, one of them loads,
    /// and the others wait for its value.
    pub fn getOrLoad(self: Cache, key: []const u8, loader: anytype) anyerror!?Value {
        const Call = struct {
            loader: @TypeOf(loader),
            failure: ?anyerror = null,

            fn load(
                it: ?*anyopaque,
                data: ?*const anyopaque,
                size: usize,
                result: ?*c.ct_result,
            ) callconv(cc) c_int {
                const call = at(@This(), it);
                const is_found = call.loader.load(slice(data, size), Result{ .handle = result.? });
                return answer(is_found, &call.failure);
            }
        };
        var call = Call{ .loader = loader };
        var out: c.ct_value = undefined;
        const status =
            c.ct_get_or_load(self.handle, key.ptr, key.len, Call.load, &call, &out);
        if (call.failure) |failure| return failure;
        if (status == c.CT_BUSY) return Error.Busy;
        return found(status, out);
    }

    /// Looks a key up. If it is absent, takes its lease, or waits for the holder.
    pub fn getOrLease(self: Cache, key: []const u8, wait_ns: u64) Error!Leased {
        var out: c.ct_value = undefined;
        var lease: ?*c.ct_lease = null;
        const status =
            c.ct_get_or_lease(self.handle, key.ptr, key.len, wait_ns, &out, &lease);
        return switch (try check(status)) {
            c.CT_LEASED => .{ .lease = .{ .handle = lease.? } },
            c.CT_BUSY => .busy,
            else => .{ .value = .{ .raw = out } },
        };
    }

    /// Reads, changes and writes one entry, as if at once, by
    ///
    ///     changer.change(old: ?[]const u8, result: Result) anyerror!Change
    ///
    /// Returns the value that is there afterwards. Computes of one key take turns. If another call
    /// has written the key meanwhile, change runs again, at most 16 times; then the error is Busy,
    /// and nothing is changed. To compute a key within its own changer is Recursion.
    pub fn compute(self: Cache, key: []const u8, changer: anytype) anyerror!?Value {
        const Call = struct {
            changer: @TypeOf(changer),
            failure: ?anyerror = null,

            fn change(
                it: ?*anyopaque,
                data: ?*const anyopaque,
                size: usize,
                old: [*c]const c.ct_bytes,
                result: ?*c.ct_result,
            ) callconv(cc) c_int {
                _ = data;
                _ = size;
                const call = at(@This(), it);
                const before: ?[]const u8 =
                    if (old == null) null else slice(old.*.data, old.*.size);
                const after = call.changer.change(before, Result{ .handle = result.? });
                return switch (after catch |failure| {
                    call.failure = failure;
                    return callback_failed;
                }) {
                    Change.store => c.CT_OK,
                    Change.remove => c.CT_MISS,
                    Change.leave => c.CT_NOT_STORED,
                };
            }
        };
        var call = Call{ .changer = changer };
        var out: c.ct_value = undefined;
        const status =
            c.ct_compute(self.handle, key.ptr, key.len, Call.change, &call, &out);
        if (call.failure) |failure| return failure;
        if (try check(status) == c.CT_BUSY) return Error.Busy;
        return if (out.data == null) null else .{ .raw = out };
    }
};

fn answer(is_found: anyerror!bool, failure: *?anyerror) c_int {
    const is_there = is_found catch |reason| {
        failure.* = reason;
        return callback_failed;
    };
    return if (is_there) c.CT_OK else c.CT_MISS;
}

// ---- Iteration ----------------------------------------------------------------------------------

pub const Order = enum(i32) {
    any = c.CT_ORDER_ANY,
    coldest = c.CT_ORDER_COLDEST,
    hottest = c.CT_ORDER_HOTTEST,
};

/// A walk over a cache's entries, for one thread at a time. It must end before its cache.
pub const Iterator = struct {
    handle: *c.ct_iter,

    /// Goes to the next entry, which is valid until the next call.
    pub fn next(self: Iterator) Error!?Entry {
        var key: c.ct_bytes = undefined;
        var value: c.ct_bytes = undefined;
        if (!try done(c.ct_iter_next(self.handle, &key, &value))) return null;
        return .{ .key = slice(key.data, key.size), .value = slice(value.data, value.size) };
    }

    pub fn deinit(self: Iterator) void {
        c.ct_iter_free(self.handle);
    }
};

// ---- Loading ------------------------------------------------------------------------------------

/// Where a callback leaves its value. Lives as long as the callback runs.
pub const Result = struct {
    handle: *c.ct_result,

    pub fn set(self: Result, value: []const u8) Error!void {
        _ = try check(c.ct_result_set(self.handle, value.ptr, value.len));
    }

    /// A lifetime, in ticks from the callback's return on.
    pub fn ttl(self: Result, ticks: u64) void {
        c.ct_result_ttl(self.handle, ticks);
    }

    /// In ticks, absolute.
    pub fn deadline(self: Result, ticks: u64) void {
        c.ct_result_deadline(self.handle, ticks);
    }

    pub fn weight(self: Result, units: u64) void {
        c.ct_result_weight(self.handle, units);
    }

    /// Hands the value to the callers, but does not keep it.
    pub fn discard(self: Result) void {
        c.ct_result_discard(self.handle);
    }
};

/// What compute shall do.
pub const Change = enum { store, remove, leave };

/// What getOrLease found.
pub const Leased = union(enum) {
    value: Value,
    /// The caller must now load the key.
    lease: Lease,
    /// Another caller has the lease, and the time is over.
    busy,
};

/// The right and the duty to load a key. It belongs to no thread. Fulfil or abandon it once, before
/// the cache ends.
pub const Lease = struct {
    handle: *c.ct_lease,

    pub fn key(self: Lease) []const u8 {
        var out: c.ct_bytes = undefined;
        c.ct_lease_key(self.handle, &out);
        return slice(out.data, out.size);
    }

    /// Stores the value, hands it to all who wait, and returns it.
    pub fn fulfil(self: Lease, value: []const u8, options: EntryOptions) Error!Value {
        const raw = options.raw();
        var out: c.ct_value = undefined;
        _ = try check(c.ct_lease_fulfil(self.handle, value.ptr, value.len, &raw, &out));
        return .{ .raw = out };
    }

    pub fn abandon(self: Lease) void {
        c.ct_lease_abandon(self.handle);
    }
};

// ---- Keys ---------------------------------------------------------------------------------------

/// Builds a key from typed arguments: bytes that are equal if and only if the arguments are. One
/// thread at a time may use it.
pub const Key = struct {
    handle: *c.ct_key,

    pub fn init() Error!Key {
        return .{ .handle = c.ct_key_new(0) orelse return Error.OutOfMemory };
    }

    /// A builder for which 1, 1.0 and true are three keys.
    pub fn initTyped() Error!Key {
        return .{ .handle = c.ct_key_new(c.CT_KEY_TYPED) orelse return Error.OutOfMemory };
    }

    pub fn deinit(self: Key) void {
        c.ct_key_free(self.handle);
    }

    pub fn reset(self: Key) void {
        c.ct_key_reset(self.handle);
    }

    pub fn addNull(self: Key) void {
        c.ct_key_null(self.handle);
    }

    pub fn addBool(self: Key, value: bool) void {
        c.ct_key_bool(self.handle, value);
    }

    pub fn addInt(self: Key, value: i64) void {
        c.ct_key_int(self.handle, value);
    }

    pub fn addUint(self: Key, value: u64) void {
        c.ct_key_uint(self.handle, value);
    }

    pub fn addFloat(self: Key, value: f64) void {
        c.ct_key_double(self.handle, value);
    }

    pub fn addText(self: Key, text: []const u8) void {
        c.ct_key_text(self.handle, text.ptr, text.len);
    }

    pub fn addBytes(self: Key, bytes: []const u8) void {
        c.ct_key_bytes(self.handle, bytes.ptr, bytes.len);
    }

    /// Begins a tuple: what follows are its elements.
    pub fn beginTuple(self: Key) void {
        c.ct_key_tuple_begin(self.handle);
    }

    pub fn endTuple(self: Key) void {
        c.ct_key_tuple_end(self.handle);
    }

    /// Names the next value.
    pub fn addName(self: Key, name: []const u8) void {
        c.ct_key_name(self.handle, name.ptr, name.len);
    }

    /// Returns the key, valid until the builder is next changed, or the error for a mistake in what
    /// was added.
    pub fn data(self: Key) Error![]const u8 {
        var bytes: ?*const anyopaque = null;
        var size: usize = undefined;
        _ = try check(c.ct_key_data(self.handle, &bytes, &size));
        return slice(bytes, size);
    }
};

// ---- Memoized functions -------------------------------------------------------------------------

/// Where a memo keeps its results.
pub const Store = union(enum) {
    /// A cache of its own.
    own: Options,
    /// A shared cache, which must outlive the memo; the prefix keeps memos apart.
    shared: struct { cache: Cache, prefix: []const u8 = "" },
};

/// Remembers the results of a function. Function is a struct with
///
///     pub const Args = ...;
///     pub fn call(self: *Function, args: Args, result: Result) anyerror!bool
///     pub fn addKey(self: *Function, args: Args, key: Key) void
///
/// The memo does not own it; it must outlive the memo.
pub fn Memo(comptime Function: type) type {
    return struct {
        handle: *c.ct_memo,

        const Self = @This();
        const Call = struct { args: Function.Args, failure: ?anyerror = null };

        pub fn init(function: *Function, store: Store) Error!Self {
            var full: Full = undefined;
            var memo_options: c.ct_memo_options = undefined;
            c.ct_memo_options_init(&memo_options, @sizeOf(c.ct_memo_options));
            memo_options.user_data = function;
            memo_options.@"fn" = callFunction;
            memo_options.key = addKey;
            switch (store) {
                .own => |own| memo_options.own = full.fill(own, {}),
                .shared => |shared| {
                    memo_options.cache = shared.cache.handle;
                    memo_options.prefix = shared.prefix.ptr;
                    memo_options.prefix_size = shared.prefix.len;
                },
            }
            var handle: ?*c.ct_memo = null;
            _ = try check(c.ct_memo_new(&memo_options, &handle));
            return .{ .handle = handle.? };
        }

        pub fn deinit(self: Self) void {
            c.ct_memo_free(self.handle);
        }

        fn callFunction(
            function: ?*anyopaque,
            _: ?*anyopaque,
            args: ?*const anyopaque,
            result: ?*c.ct_result,
        ) callconv(cc) c_int {
            const it = at(Call, @constCast(args));
            const is_found = at(Function, function).call(it.args, Result{ .handle = result.? });
            return answer(is_found, &it.failure);
        }

        fn addKey(
            function: ?*anyopaque,
            _: ?*anyopaque,
            args: ?*const anyopaque,
            key: ?*c.ct_key,
        ) callconv(cc) c_int {
            const it = at(Call, @constCast(args));
            at(Function, function).addKey(it.args, Key{ .handle = key.? });
            return c.CT_OK;
        }

        /// Returns the remembered result, or calls the function.
        pub fn call(self: Self, args: Function.Args) anyerror!?Value {
            var it = Call{ .args = args };
            var out: c.ct_value = undefined;
            const status = c.ct_memo_call(self.handle, null, &it, &out);
            if (it.failure) |failure| return failure;
            return Cache.found(status, out);
        }

        /// Writes the key that the result of a call is stored under.
        pub fn keyOf(self: Self, args: Function.Args, key: Key) Error![]const u8 {
            var it = Call{ .args = args };
            _ = try check(c.ct_memo_key(self.handle, null, &it, key.handle));
            return key.data();
        }

        /// Forgets the result of one call. Returns whether it was kept.
        pub fn invalidate(self: Self, args: Function.Args) Error!bool {
            var it = Call{ .args = args };
            return done(c.ct_memo_invalidate(self.handle, null, &it));
        }

        pub fn info(self: Self) Error!c.ct_cache_info {
            var out: c.ct_cache_info = undefined;
            c.ct_cache_info_init(&out, @sizeOf(c.ct_cache_info));
            _ = try check(c.ct_memo_info(self.handle, null, &out));
            return out;
        }

        /// The cache that keeps the results: the shared one, or the memo's own, which ends with the
        /// memo.
        pub fn cache(self: Self) Cache {
            return .{ .handle = c.ct_memo_cache(self.handle, null).? };
        }

        /// Counts from zero again. Results stay.
        pub fn forget(self: Self) void {
            c.ct_memo_forget(self.handle, null);
        }

        /// Empties the cache, and counts from zero again.
        pub fn clear(self: Self) Error!void {
            _ = try check(c.ct_memo_clear(self.handle, null));
        }
    };
}
