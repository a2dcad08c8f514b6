// SPDX-License-Identifier: MIT
//! The cache.

const std = @import("std");
const c = @import("c.zig");
const codec = @import("codec.zig");
const callbacks_of = @import("callbacks.zig");
const errors = @import("errors.zig");
const loading = @import("loading.zig");
const words = @import("words.zig");
const Duration = @import("duration.zig").Duration;
const Options = @import("options.zig").Options;
const Policy = @import("options.zig").Policy;
const Error = errors.Error;
const Event = callbacks_of.Event;
const Value = codec.Value;
const at = callbacks_of.at;
const check = errors.check;
const done = errors.done;
const callback_failed = loading.callback_failed;

/// The outcome of a write.
pub const Outcome = enum {
    stored,
    /// Dead on arrival.
    not_stored,
    /// With if_absent.
    exists,
    /// With if_present.
    missing,

    /// Translates the status of a write.
    pub fn from(status: c.ct_status) Error!Outcome {
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
    /// From now on. Zero is over at once: the value is not kept.
    ttl: ?Duration = null,
    /// A reading of the timer; not together with ttl.
    deadline: ?u64 = null,
    /// What the entry weighs against maxsize.
    weight: ?u64 = null,
    /// Whether to write at all: not over an entry, or only over one.
    condition: enum { always, if_absent, if_present } = .always,
    /// Write only if the key still has this version, from `version`. Not together with condition.
    if_same: ?*const Value = null,
    /// Live as long as the old value would have; ttl and deadline count if there is none.
    keep_ttl: bool = false,
    /// What it costs to bring the value back, at least 1. ADAPTIVE keeps what costs much.
    cost: ?u64 = null,
    /// What the value was made of, at most 8: `.{ .tags = &.{cachetools.tag("product:17")} }`. See
    /// invalidateTag.
    tags: []const c.ct_bytes = &.{},

    /// Translates options.
    pub fn raw(self: EntryOptions) c.ct_entry_options {
        var options: c.ct_entry_options = undefined;
        c.ct_entry_options_init(&options, @sizeOf(c.ct_entry_options));
        if (self.ttl != null) options.flags |= c.CT_ENTRY_TTL;
        if (self.deadline != null) options.flags |= c.CT_ENTRY_DEADLINE;
        if (self.weight != null) options.flags |= c.CT_ENTRY_WEIGHT;
        if (self.condition == .if_absent) options.flags |= c.CT_ENTRY_IF_ABSENT;
        if (self.condition == .if_present) options.flags |= c.CT_ENTRY_IF_PRESENT;
        if (self.keep_ttl) options.flags |= c.CT_ENTRY_KEEP_TTL;
        if (self.if_same) |version| {
            options.flags |= c.CT_ENTRY_IF_SAME;
            options.same = &version.raw;
        }
        if (self.tags.len > 0) {
            options.flags |= c.CT_ENTRY_TAGS;
            options.tags = self.tags.ptr;
            options.tag_count = self.tags.len;
        }
        options.ttl = (self.ttl orelse Duration.zero).ns;
        options.deadline = self.deadline orelse 0;
        options.weight = self.weight orelse 0;
        if (self.cost) |cost| {
            options.flags |= c.CT_ENTRY_COST;
            options.cost = cost;
        }
        return options;
    }
};

/// A tag of a value. Borrowed.
pub fn tag(name: []const u8) c.ct_bytes {
    return .{ .data = name.ptr, .size = name.len };
}

/// Writes the counters of caches, as Prometheus reads them, into anything with
/// writeAll(bytes: []const u8) anyerror!void. Caches are given by their handles, and each has a
/// name, which becomes a label.
pub fn writeStats(
    writer: anytype,
    caches: []const ?*c.ct_cache,
    names: []const ?[*:0]const u8,
) anyerror!void {
    if (caches.len != names.len) return Error.Invalid;
    const Call = Writing(@TypeOf(writer));
    var call = Call{ .writer = writer };
    const status =
        c.ct_stats_write(caches.ptr, names.ptr, caches.len, Call.write, &call);
    if (call.failure) |failure| return failure;
    _ = try check(status);
}

fn Writing(comptime Writer: type) type {
    return struct {
        writer: Writer,
        failure: ?anyerror = null,

        fn write(it: ?*anyopaque, data: ?*const anyopaque, size: usize) callconv(.c) c.ct_status {
            const call = at(@This(), it);
            call.writer.writeAll(codec.slice(data, size)) catch |failure| {
                call.failure = failure;
                return callback_failed;
            };
            return c.CT_OK;
        }
    };
}

/// A key and its value.
pub fn Entry(comptime K: type, comptime V: type) type {
    return struct { key: K, value: V };
}

/// A cache of values of type V by keys of type K, bounded by a policy. cachetools.zig says what
/// they may be. Any number of threads may use it at once.
pub fn Cache(comptime K: type, comptime V: type) type {
    codec.checkKey(K);
    codec.checkValue(V);
    return struct {
        handle: *c.ct_cache,

        const Self = @This();
        const Got = codec.Got(V);
        const Result = loading.Result(V);
        const Loaded = loading.Loaded(V);
        const Leased = loading.Leased(K, V);
        const Batch = loading.Batch(K, V);
        const Wait = loading.Wait;
        const is_owned = codec.isOwned(V);

        /// Makes a cache of at most maxsize entries; Invalid for 0.
        pub fn init(policy: Policy, maxsize: u64) Error!Self {
            return initWith(.{ .policy = policy, .maxsize = maxsize }, {});
        }

        /// Makes a cache. If the error is Invalid, options.problem(callbacks) says what is wrong, and
        /// std.log warns of it.
        /// callbacks is {}, or a pointer to a struct with any of these methods:
        ///
        ///     pub fn listen(self: *T, event: Event(K, V)) void
        ///     pub fn weigh(self: *T, key: K, value: V) u64
        ///     pub fn timeToUse(self: *T, key: K, value: V, now: u64) u64
        ///     pub fn drop(self: *T, value: V) void         // not for objects
        ///     pub fn timer(self: *T) u64                   // inside the critical section:
        ///     pub fn choose(self: *T, count: u64) u64      // must not use any cache
        ///
        /// For policy custom the struct has a type Evictor, with init(*T, maxsize) ?*Evictor,
        /// deinit, insert, hit, remove and victim. It may have update, with insert's parameters,
        /// and resize(*Evictor, maxsize).
        pub fn initWith(options: Options, callbacks: anytype) Error!Self {
            var full: callbacks_of.Full = undefined;
            var handle: ?*c.ct_cache = null;
            const raw = full.fill(options, callbacks, K, V);
            const status = c.ct_cache_new_with(raw, &handle);
            if (status == c.CT_ERR_INVALID) words.explain(c.ct_options_problem(raw));
            _ = try check(status);
            return .{ .handle = handle.? };
        }

        /// Frees the cache. No other call may be running. What was read out stays readable until it
        /// is released.
        pub fn deinit(self: Self) void {
            c.ct_cache_free(self.handle);
        }

        /// A cache with the same entries, which calls the same callbacks. Unsupported with drop.
        pub fn copy(self: Self) Error!Self {
            if (is_owned) @compileError("objects cannot be owned twice");
            var handle: ?*c.ct_cache = null;
            _ = try check(c.ct_cache_copy(self.handle, &handle));
            return .{ .handle = handle.? };
        }

        /// Takes over what a call read out.
        pub fn found(status: c.ct_status, out: c.ct_value) Error!?Got {
            return if (try done(status)) codec.take(V, out) else null;
        }

        /// A hit is a use.
        pub fn get(self: Self, key: K) Error!?Got {
            const k = codec.encode(K, &key);
            if (Got == V) { // copied, without a lock if it can be
                var value: V = undefined;
                const status =
                    c.ct_get_copy(self.handle, k.ptr, k.len, &value, @sizeOf(V), null);
                return if (try done(status)) value else null;
            }
            var out: c.ct_value = undefined;
            return found(c.ct_get(self.handle, k.ptr, k.len, &out), out);
        }

        /// Reads without a trace: this is no use, and nothing is counted.
        pub fn peek(self: Self, key: K) Error!?Got {
            const k = codec.encode(K, &key);
            var out: c.ct_value = undefined;
            return found(c.ct_peek(self.handle, k.ptr, k.len, &out), out);
        }

        /// Copies bytes into the buffer, and returns the part of the buffer that holds them.
        pub fn getCopy(self: Self, key: K, buffer: []u8) Error!?[]u8 {
            if (V != []const u8) @compileError("getCopy is for bytes");
            const k = codec.encode(K, &key);
            var size: usize = undefined;
            const status =
                c.ct_get_copy(self.handle, k.ptr, k.len, buffer.ptr, buffer.len, &size);
            return if (try done(status)) buffer[0..size] else null;
        }

        /// Whether a key is there and alive. This is no use, and nothing is counted.
        pub fn contains(self: Self, key: K) bool {
            const k = codec.encode(K, &key);
            return c.ct_contains(self.handle, k.ptr, k.len);
        }

        /// Returns whether the value was kept: it may have been dead on arrival. An object that was
        /// not kept, also after an error, is still yours.
        pub fn set(self: Self, key: K, value: V) Error!bool {
            const k = codec.encode(K, &key);
            const v = codec.encode(V, &value);
            return done(c.ct_set(self.handle, k.ptr, k.len, v.ptr, v.len));
        }

        /// set with a lifetime of its own, from now on.
        pub fn setTtl(self: Self, key: K, value: V, ttl: Duration) Error!bool {
            const k = codec.encode(K, &key);
            const v = codec.encode(V, &value);
            return done(c.ct_set_ttl(self.handle, k.ptr, k.len, v.ptr, v.len, ttl.ns));
        }

        /// set with a lifetime, a weight or a condition of its own.
        pub fn setWith(self: Self, key: K, value: V, options: EntryOptions) Error!Outcome {
            const k = codec.encode(K, &key);
            const v = codec.encode(V, &value);
            const raw = options.raw();
            const status = c.ct_set_with(self.handle, k.ptr, k.len, v.ptr, v.len, &raw);
            self.explain(status, &raw);
            return Outcome.from(status);
        }

        fn explain(self: Self, status: c.ct_status, options: *const c.ct_entry_options) void {
            if (status != c.CT_ERR_INVALID) return;
            words.explain(c.ct_entry_options_problem(self.handle, options));
        }

        /// Reads a key, and stores the given value first if the key is absent.
        pub fn getOrSet(self: Self, key: K, value: V) Error!Got {
            if (is_owned) @compileError("getOrSet is not for objects, which it may not keep");
            const k = codec.encode(K, &key);
            const v = codec.encode(V, &value);
            var out: c.ct_value = undefined;
            _ = try check(c.ct_setdefault(self.handle, k.ptr, k.len, v.ptr, v.len, &out));
            return codec.take(V, out);
        }

        /// Removes an entry and returns its value.
        pub fn pop(self: Self, key: K) Error!?Got {
            const k = codec.encode(K, &key);
            var out: c.ct_value = undefined;
            return found(c.ct_pop(self.handle, k.ptr, k.len, &out), out);
        }

        /// Removes an entry. Returns whether there was one.
        pub fn remove(self: Self, key: K) Error!bool {
            const k = codec.encode(K, &key);
            return done(c.ct_delete(self.handle, k.ptr, k.len));
        }

        /// The version of a key, for if_same and removeIfSame; of an absent key, one that holds
        /// nothing. It keeps the value until its deinit. This is a use.
        pub fn version(self: Self, key: K) Error!Value {
            const k = codec.encode(K, &key);
            var out: c.ct_value = undefined;
            _ = try check(c.ct_get(self.handle, k.ptr, k.len, &out));
            return .{ .raw = out };
        }

        /// Removes an entry if the key still has that version. Returns whether it had.
        pub fn removeIfSame(self: Self, key: K, same: *const Value) Error!bool {
            const k = codec.encode(K, &key);
            return done(c.ct_delete_if(self.handle, k.ptr, k.len, &same.raw));
        }

        /// Adds to a counter, or stores initial + delta as options say, and returns the sum; null
        /// with if_present if there is no counter. Sums saturate.
        pub fn add(self: Self, key: K, delta: i64, initial: i64, options: EntryOptions) Error!?i64 {
            if (V != i64) @compileError("only values of i64 are counters");
            const k = codec.encode(K, &key);
            const raw = options.raw();
            var sum: i64 = undefined;
            const status = c.ct_add(self.handle, k.ptr, k.len, delta, initial, &raw, &sum);
            self.explain(status, &raw);
            return if (try done(status)) sum else null;
        }

        /// Ends all values that carry a tag, at once, without touching them. A value whose load was
        /// begun before is not kept if it carries the tag.
        pub fn invalidateTag(self: Self, name: []const u8) Error!void {
            _ = try check(c.ct_invalidate_tag(self.handle, name.ptr, name.len, 0));
        }

        /// Removes the policy's next victim, and returns its key and value.
        pub fn popVictim(self: Self) Error!?struct { key: codec.Got(K), value: Got } {
            var key: c.ct_value = undefined;
            var value: c.ct_value = undefined;
            if (!try done(c.ct_popitem(self.handle, &key, &value))) return null;
            return .{ .key = codec.take(K, key), .value = codec.take(V, value) };
        }

        /// Removes all entries.
        pub fn clear(self: Self) Error!void {
            _ = try check(c.ct_clear(self.handle));
        }

        /// Removes all entries for which context.matches(key, value) holds, and returns how many.
        pub fn removeIf(self: Self, context: anytype) u64 {
            const T = @TypeOf(context);
            const trampoline = struct {
                fn match(
                    it: ?*anyopaque,
                    key: ?*const anyopaque,
                    key_size: usize,
                    value: ?*const anyopaque,
                    value_size: usize,
                ) callconv(.c) bool {
                    return at(T, it).matches(
                        codec.decode(K, codec.slice(key, key_size)),
                        codec.decode(V, codec.slice(value, value_size)),
                    );
                }
            };
            var it = context;
            return c.ct_remove_if(self.handle, trampoline.match, &it);
        }

        // -- Many at once --

        /// `get` for many keys, whose look-ups overlap. On failure no value is left pinned.
        pub fn getMany(self: Self, keys: []const K, values: []?Got) Error!void {
            const at_once = 64;
            var raw_keys: [at_once]c.ct_bytes = undefined;
            var raw_values: [at_once]c.ct_value = undefined;
            var statuses: [at_once]c.ct_status = undefined;
            var passed: usize = 0;
            errdefer if (Got != V) {
                for (values[0..passed]) |value| if (value) |it| it.deinit();
            };
            while (passed < keys.len) {
                const count = @min(at_once, keys.len - passed);
                for (keys[passed..][0..count], raw_keys[0..count]) |*key, *raw| {
                    const k = codec.encode(K, key);
                    raw.* = .{ .data = k.ptr, .size = k.len };
                }
                _ = try check(
                    c.ct_get_many(self.handle, &raw_keys, count, &raw_values, &statuses),
                );
                for (values[passed..][0..count], raw_values[0..count], statuses[0..count]) |
                    *value,
                    raw,
                    status,
                | {
                    value.* = if (status == c.CT_OK) codec.take(V, raw) else null;
                }
                passed += count;
            }
        }

        /// `setWith` for many entries in one call. Each succeeds or fails alone, as outcomes say.
        /// If the call as a whole is refused, it returns the error.
        pub fn setMany(
            self: Self,
            allocator: std.mem.Allocator,
            entries: []const Entry(K, V),
            options: EntryOptions,
            outcomes: []Error!Outcome,
        ) Error!void {
            var size: usize = 0;
            for (entries) |*entry| {
                size += codec.encode(K, &entry.key).len + codec.encode(V, &entry.value).len;
            }
            const data = try allocator.alloc(u8, size);
            defer allocator.free(data);
            const ends = try allocator.alloc(usize, 2 * entries.len);
            defer allocator.free(ends);
            const statuses = try allocator.alloc(c.ct_status, entries.len);
            defer allocator.free(statuses);

            var end: usize = 0;
            for (entries, 0..) |*entry, i| {
                const parts = [_][]const u8{
                    codec.encode(K, &entry.key),
                    codec.encode(V, &entry.value),
                };
                for (parts, 2 * i..) |part, j| {
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
            if (was_tried) return;
            self.explain(status, &raw);
            _ = try check(status);
        }

        // -- Size and time --

        /// The number of entries. Removes those whose deadline has passed first.
        pub fn len(self: Self) u64 {
            return c.ct_len(self.handle);
        }

        /// The sum of the weights. Removes those entries whose deadline has passed first.
        pub fn weight(self: Self) u64 {
            return c.ct_currsize(self.handle);
        }

        /// The maxsize in force.
        pub fn limit(self: Self) u64 {
            return c.ct_maxsize(self.handle);
        }

        /// The bytes of memory that the library holds in all; not what objects take.
        pub fn memory(self: Self) u64 {
            return c.ct_memory(self.handle);
        }

        /// Changes maxsize, and evicts until it holds. 0 keeps only what weighs 0.
        pub fn resize(self: Self, maxsize: u64) Error!void {
            _ = try check(c.ct_resize(self.handle, maxsize));
        }

        /// Gives an entry another lifetime from now on, if it is there.
        pub fn setLifetime(self: Self, key: K, ttl: Duration) Error!bool {
            const k = codec.encode(K, &key);
            return done(c.ct_set_lifetime(self.handle, k.ptr, k.len, ttl.ns));
        }

        /// Tells about an entry without a trace, with times in ticks of the cache's timer.
        pub fn inspect(self: Self, key: K) Error!?c.ct_entry_info {
            const k = codec.encode(K, &key);
            var info: c.ct_entry_info = undefined;
            c.ct_entry_info_init(&info, @sizeOf(c.ct_entry_info));
            const status = c.ct_inspect(self.handle, k.ptr, k.len, &info);
            return if (try done(status)) info else null;
        }

        /// Removes the entries whose deadline has passed, and returns how many. Shows each to
        /// context.visit(event), unless the context is {}.
        pub fn expire(self: Self, context: anytype) u64 {
            const T = @TypeOf(context);
            if (T == void) return c.ct_expire(self.handle, c.CT_NOW, null, null);
            const trampoline = struct {
                fn visit(it: ?*anyopaque, event: *const c.ct_event) callconv(.c) void {
                    at(T, it).visit(Event(K, V).from(event));
                }
            };
            var it = context;
            return c.ct_expire(self.handle, c.CT_NOW, trampoline.visit, &it);
        }

        /// What the cache has counted since it was made, or since resetStats.
        pub fn stats(self: Self) Error!c.ct_stats {
            var out: c.ct_stats = undefined;
            c.ct_stats_init(&out, @sizeOf(c.ct_stats));
            _ = try check(c.ct_cache_stats(self.handle, &out));
            return out;
        }

        /// Counts from zero again. Entries stay.
        pub fn resetStats(self: Self) Error!void {
            _ = try check(c.ct_cache_stats_reset(self.handle));
        }

        /// Sets ratios[i] to the part of the reads that would miss in this cache at scales[i] times
        /// the present size, from a half to four; NaN where that is not known, or not yet. It
        /// requires the option curve.
        pub fn missRatios(self: Self, scales: []const f64, ratios: []f64) Error!void {
            std.debug.assert(scales.len == ratios.len);
            _ = try check(c.ct_cache_curve(self.handle, scales.ptr, scales.len, ratios.ptr));
        }

        /// The options in force, with defaults filled in and the seed that was drawn. Times are
        /// in ticks.
        pub fn optionsInForce(self: Self) Error!c.ct_options {
            var out: c.ct_options = undefined;
            c.ct_options_init(&out, @sizeOf(c.ct_options));
            _ = try check(c.ct_cache_options(self.handle, &out));
            return out;
        }

        /// Begins a walk over the entries. The caller ends it by deinit; Unsupported for an order
        /// that the policy does not have.
        pub fn iterate(self: Self, order: Order) Error!Iterator(K, V) {
            var handle: ?*c.ct_iter = null;
            _ = try check(c.ct_iter_new(self.handle, @intFromEnum(order), &handle));
            return .{ .handle = handle.? };
        }

        // -- Snapshots --

        /// Saves the contents of the cache in a file. The file is replaced as a whole or not at
        /// all. Of structs, use packed or extern ones: the layout of others may change.
        pub fn saveFile(self: Self, path: [:0]const u8) Error!void {
            checkSaveable();
            _ = try check(c.ct_snapshot_save_file(self.handle, path.ptr));
        }

        /// Adds the entries of a file, from the hottest on, as far as there is room. Lifetimes go
        /// on from where they were at the save. The file must be of keys and values of these types.
        pub fn loadFile(self: Self, path: [:0]const u8) Error!void {
            checkSaveable();
            _ = try check(c.ct_snapshot_load_file(self.handle, path.ptr));
        }

        /// As loadFile, but the time since the save is taken off lifetimes, by the wall clock. Both
        /// caches must have the default timer.
        pub fn loadFileAged(self: Self, path: [:0]const u8) Error!void {
            checkSaveable();
            _ = try check(
                c.ct_snapshot_load_file_with(self.handle, path.ptr, c.CT_SNAPSHOT_AGED),
            );
        }

        /// As saveFile, into anything with writeAll(bytes: []const u8) anyerror!void.
        pub fn save(self: Self, writer: anytype) anyerror!void {
            checkSaveable();
            const Call = Writing(@TypeOf(writer));
            var call = Call{ .writer = writer };
            const status = c.ct_snapshot_save(self.handle, Call.write, &call);
            if (call.failure) |failure| return failure;
            _ = try check(status);
        }

        /// As loadFile, from anything with read(buffer: []u8) anyerror!usize, which returns 0 at
        /// the end. Nothing beyond the snapshot is read.
        pub fn load(self: Self, reader: anytype) anyerror!void {
            return self.loadWith(reader, 0);
        }

        /// As loadFileAged, from anything that load takes.
        pub fn loadAged(self: Self, reader: anytype) anyerror!void {
            return self.loadWith(reader, c.CT_SNAPSHOT_AGED);
        }

        fn loadWith(self: Self, reader: anytype, flags: u32) anyerror!void {
            checkSaveable();
            const Call = struct {
                reader: @TypeOf(reader),
                failure: ?anyerror = null,

                fn read(
                    it: ?*anyopaque,
                    buffer: ?*anyopaque,
                    capacity: usize,
                    got: *usize,
                ) callconv(.c) c.ct_status {
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

        fn checkSaveable() void {
            if (is_owned) @compileError("only the addresses of objects would be saved");
        }

        // -- Loading --

        /// Looks a key up, and if it is absent calls
        ///
        ///     loader.load(key: K, result: Result(V)) anyerror!bool
        ///
        /// which returns false if there is no such value. However many threads ask, one of them
        /// loads, and the others wait for its value. If it fails, or finds none, so do they; but
        /// Busy and Recursion are for its own caller alone, and then one of them loads. If the key
        /// is set meanwhile, they get that value at once, and what the loader brings goes to its
        /// own caller alone.
        ///
        /// With refresh_ahead or stale, one caller renews a value, and the others get the old one
        /// at once. If a renewal fails, its caller gets the old one, too.
        pub fn getOrLoad(self: Self, key: K, loader: anytype) anyerror!?Got {
            const found_ = try self.getStaleOrLoad(key, loader);
            return if (found_) |it| it.value else null;
        }

        /// getOrLoad that also tells whether the value is past its deadline.
        pub fn getStaleOrLoad(self: Self, key: K, loader: anytype) anyerror!?Loaded {
            return self.getOrLoadWith(key, loader, .{});
        }

        /// getStaleOrLoad with options.
        pub fn getOrLoadWith(
            self: Self,
            key: K,
            loader: anytype,
            options: loading.LoadOptions,
        ) anyerror!?Loaded {
            const Call = struct {
                loader: @TypeOf(loader),
                sent: Sent = no_object,
                failure: ?anyerror = null,

                fn load(
                    it: ?*anyopaque,
                    data: ?*const anyopaque,
                    size: usize,
                    result: ?*c.ct_result,
                ) callconv(.c) c.ct_status {
                    const call = at(@This(), it);
                    const sought = codec.decode(K, codec.slice(data, size));
                    const is_found = call.loader.load(sought, Result{
                        .handle = result.?,
                        .sent = if (is_owned) &call.sent else {},
                    });
                    return loading.answer(is_found, &call.failure);
                }
            };
            const k = codec.encode(K, &key);
            const raw = options.raw();
            var call = Call{ .loader = loader };
            var out: c.ct_value = undefined;
            const status =
                c.ct_get_or_load_with(self.handle, k.ptr, k.len, Call.load, &call, &raw, &out);
            if (is_owned) {
                // What is handed out was taken, kept or not.
                if (call.sent) |object| if (!isOf(object, out)) object.deinit();
            }
            return Loaded.from(status, out, call.failure);
        }

        const Sent = if (is_owned) ?V else void;
        const no_object: Sent = if (is_owned) null else {};

        fn isOf(object: V, value: c.ct_value) bool {
            return value.data != null and codec.decode(V, codec.slice(value.data, value.size)) == object;
        }

        /// getOrLoadWith for many keys, which calls once, with those that are absent and that
        /// nobody else is loading,
        ///
        ///     loader.loadMany(batch: Batch(K, V)) anyerror!void
        ///
        /// and then waits for the loads of others, all in all for the time of options. Each load
        /// that is given up meanwhile costs one more call, with that key alone. A key that is there
        /// more than once is looked up once. If the loader fails, so does every key that it was
        /// asked for; batch.result(i).fail fails one alone. To load a key of the batch inside is
        /// Recursion.
        ///
        /// Each key succeeds or fails alone, as answers say. If the call as a whole is refused, it
        /// returns the error, and nothing was loaded.
        pub fn getOrLoadMany(
            self: Self,
            allocator: std.mem.Allocator,
            keys: []const K,
            loader: anytype,
            options: loading.LoadOptions,
            answers: []anyerror!?Loaded,
        ) Error!void {
            const Call = struct {
                loader: @TypeOf(loader),
                sent: if (is_owned) []?V else void, // of keys not asked for yet

                fn load(
                    it: ?*anyopaque,
                    asked: [*]const c.ct_bytes,
                    count: usize,
                    results: [*]const *c.ct_result,
                ) callconv(.c) c.ct_status {
                    const call = at(@This(), it);
                    const batch = Batch{
                        .keys = asked[0..count],
                        .results = results,
                        .sent = if (is_owned) call.sent.ptr else {},
                    };
                    if (is_owned) call.sent = call.sent[count..];
                    call.loader.loadMany(batch) catch |reason| return loading.statusOf(reason);
                    return c.CT_OK;
                }
            };
            var size: usize = 0;
            for (keys) |*key| size += codec.encode(K, key).len;
            const data = try allocator.alloc(u8, size);
            defer allocator.free(data);
            const ends = try allocator.alloc(usize, keys.len);
            defer allocator.free(ends);
            const values = try allocator.alloc(c.ct_value, keys.len);
            defer allocator.free(values);
            const statuses = try allocator.alloc(c.ct_status, keys.len);
            defer allocator.free(statuses);
            const sent = if (is_owned) try allocator.alloc(?V, keys.len) else {};
            defer if (is_owned) allocator.free(sent);
            var taken: std.AutoHashMapUnmanaged(usize, void) = .{};
            defer taken.deinit(allocator);
            if (is_owned) {
                @memset(sent, null);
                try taken.ensureTotalCapacity(allocator, @intCast(keys.len));
            }

            var end: usize = 0;
            for (keys, ends) |*key, *out| {
                const part = codec.encode(K, key);
                @memcpy(data[end..][0..part.len], part);
                end += part.len;
                out.* = end;
            }
            const raw = options.raw();
            var call = Call{ .loader = loader, .sent = sent };
            const status_of_all = c.ct_get_or_load_many(
                self.handle,
                data.ptr,
                ends.ptr,
                keys.len,
                Call.load,
                &call,
                &raw,
                values.ptr,
                statuses.ptr,
            );
            if (is_owned) {
                for (values) |it| {
                    if (it.data == null) continue;
                    const object = codec.decode(V, codec.slice(it.data, it.size));
                    taken.putAssumeCapacity(@intFromPtr(object), {});
                }
                for (sent) |it| {
                    const object = it orelse continue;
                    if (!taken.contains(@intFromPtr(object))) object.deinit();
                }
            }
            _ = try check(status_of_all);
            for (values, statuses, answers[0..keys.len]) |value, status, *answer| {
                answer.* = Loaded.from(status, value, null);
            }
        }

        /// Looks a key up. If it is absent, takes its lease, or waits for the holder, in real time.
        /// If that fails its lease, the error is the same.
        pub fn getOrLease(self: Self, key: K, wait: Duration) anyerror!Leased {
            if (is_owned) @compileError("leases are not for objects: use getOrLoad");
            const k = codec.encode(K, &key);
            var out: c.ct_value = undefined;
            var lease: ?*c.ct_lease = null;
            const status = c.ct_get_or_lease(self.handle, k.ptr, k.len, wait.ns, &out, &lease);
            return Leased.from(self.handle, status, out, lease);
        }

        /// getOrLease that never waits, for event loops. Returns null where getOrLease would wait;
        /// then it calls
        ///
        ///     waiter.done(found: anyerror!Leased(K, V)) void
        ///
        /// exactly once: on whichever thread ends the load, perhaps before this call returns, and
        /// with no lock held. It is found as by getOrLease, except for busy. waiter is a pointer,
        /// which must stay valid until then. With wait, the call can be cancelled.
        pub fn getOrLeaseAsync(self: Self, key: K, waiter: anytype, wait: ?*Wait) anyerror!?Leased {
            if (is_owned) @compileError("leases are not for objects: use getOrLoad");
            const Call = struct {
                fn done(
                    it: ?*anyopaque,
                    status: c.ct_status,
                    value: ?*const c.ct_value,
                    lease: ?*c.ct_lease,
                ) callconv(.c) void {
                    at(std.meta.Child(@TypeOf(waiter)), it).done(tell(status, value, lease));
                }

                fn tell(
                    status: c.ct_status,
                    value: ?*const c.ct_value,
                    lease: ?*c.ct_lease,
                ) anyerror!Leased {
                    errdefer c.ct_lease_abandon(lease);
                    var own = c.ct_value.none;
                    if (value) |borrowed| _ = try check(c.ct_value_ref(borrowed, &own));
                    return Leased.from(null, status, own, lease);
                }
            };
            const k = codec.encode(K, &key);
            var out: c.ct_value = undefined;
            var lease: ?*c.ct_lease = null;
            const status = c.ct_get_or_lease_async(
                self.handle,
                k.ptr,
                k.len,
                null,
                Call.done,
                waiter,
                &out,
                &lease,
                if (wait) |it| &it.handle else null,
            );
            if (status == c.CT_PENDING) return null;
            return try Leased.from(self.handle, status, out, lease);
        }

        /// Reads, changes and writes one entry, as if at once, by
        ///
        ///     changer.change(old: ?V, result: Result(V)) anyerror!Change
        ///
        /// Returns the value that is there afterwards. Computes of one key take turns. If another
        /// call has written the key meanwhile, change runs again, at most 16 times; then the error
        /// is Busy, and nothing is changed. To compute a key within its own changer is Recursion.
        pub fn compute(self: Self, key: K, changer: anytype) anyerror!?Got {
            if (is_owned) @compileError("compute is not for objects, which it may not keep");
            const Call = struct {
                changer: @TypeOf(changer),
                failure: ?anyerror = null,

                fn change(
                    it: ?*anyopaque,
                    _: ?*const anyopaque,
                    _: usize,
                    old: ?*const c.ct_bytes,
                    result: ?*c.ct_result,
                ) callconv(.c) c.ct_status {
                    const call = at(@This(), it);
                    const before: ?V =
                        if (old) |it_| codec.decode(V, codec.slice(it_.data, it_.size)) else null;
                    const after = call.changer.change(before, Result{
                        .handle = result.?,
                        .is_load = false,
                    });
                    return switch (after catch |failure| {
                        call.failure = failure;
                        return callback_failed;
                    }) {
                        loading.Change.store => c.CT_OK,
                        loading.Change.remove => c.CT_MISS,
                        loading.Change.leave => c.CT_NOT_STORED,
                    };
                }
            };
            const k = codec.encode(K, &key);
            var call = Call{ .changer = changer };
            var out: c.ct_value = undefined;
            const status = c.ct_compute(self.handle, k.ptr, k.len, Call.change, &call, &out);
            if (call.failure) |failure| return failure;
            if (try check(status) == c.CT_BUSY) return Error.Busy;
            return if (out.data == null) null else codec.take(V, out);
        }
    };
}

/// The order of a walk.
pub const Order = enum(i32) {
    any = c.CT_ORDER_ANY,
    coldest = c.CT_ORDER_COLDEST,
    hottest = c.CT_ORDER_HOTTEST,
};

/// A walk over a cache's entries, for one thread at a time. It must end before its cache.
pub fn Iterator(comptime K: type, comptime V: type) type {
    return struct {
        handle: *c.ct_iter,

        const Self = @This();

        /// Goes to the next entry. Bytes and objects in it are valid until the next call.
        pub fn next(self: Self) Error!?Entry(K, V) {
            var key: c.ct_bytes = undefined;
            var value: c.ct_bytes = undefined;
            if (!try done(c.ct_iter_next(self.handle, &key, &value))) return null;
            return .{
                .key = codec.decode(K, codec.slice(key.data, key.size)),
                .value = codec.decode(V, codec.slice(value.data, value.size)),
            };
        }

        /// Ends the walk.
        pub fn deinit(self: Self) void {
            c.ct_iter_free(self.handle);
        }
    };
}
