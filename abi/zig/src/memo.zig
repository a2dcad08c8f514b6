// SPDX-License-Identifier: MIT
//! Functions that remember their results.

const c = @import("c.zig");
const errors = @import("errors.zig");
const Error = errors.Error;
const check = errors.check;
const done = errors.done;
const at = @import("callbacks.zig").at;
const Full = @import("callbacks.zig").Full;
const Options = @import("options.zig").Options;
const Key = @import("key.zig").Key;
const Result = @import("loading.zig").Result;
const Loaded = @import("loading.zig").Loaded;
const answer = @import("loading.zig").answer;
const Value = @import("codec.zig").Value;
const words = @import("words.zig");
const Bytes = []const u8;
const ByteCache = @import("cache.zig").Cache(Bytes, Bytes);

/// Where a memo keeps its results.
pub const Store = union(enum) {
    /// A cache of its own.
    own: Options,
    /// A shared cache, which must outlive the memo; the prefix keeps memos apart.
    shared: struct { cache: ByteCache, prefix: []const u8 = "" },
};

/// Remembers the results of a function. Function is a struct with
///
///     pub const Args = ...;
///     pub fn call(self: *Function, args: Args, result: Result([]const u8)) anyerror!bool
///     pub fn addKey(self: *Function, args: Args, key: Key) void
///
/// The memo does not own it; it must outlive the memo.
pub fn Memo(comptime Function: type) type {
    return struct {
        handle: *c.ct_memo,

        const Self = @This();
        const Call = struct { args: Function.Args, failure: ?anyerror = null };

        /// Makes a memo of a function that stays where it is until deinit.
        pub fn init(function: *Function, store: Store) Error!Self {
            var full: Full = undefined;
            var memo_options: c.ct_memo_options = undefined;
            c.ct_memo_options_init(&memo_options, @sizeOf(c.ct_memo_options));
            memo_options.user_data = function;
            memo_options.@"fn" = callFunction;
            memo_options.key = addKey;
            switch (store) {
                .own => |own| memo_options.own = full.fill(own, {}, []const u8, []const u8),
                .shared => |shared| {
                    memo_options.cache = shared.cache.handle;
                    memo_options.prefix = shared.prefix.ptr;
                    memo_options.prefix_size = shared.prefix.len;
                },
            }
            var handle: ?*c.ct_memo = null;
            const status = c.ct_memo_new(&memo_options, &handle);
            if (status == c.CT_ERR_INVALID) words.explain(c.ct_memo_problem(&memo_options));
            _ = try check(status);
            return .{ .handle = handle.? };
        }

        /// Frees the memo, and the cache if it is its own. No call may be running.
        pub fn deinit(self: Self) void {
            c.ct_memo_free(self.handle);
        }

        fn callFunction(
            function: ?*anyopaque,
            _: ?*anyopaque,
            args: ?*const anyopaque,
            result: ?*c.ct_result,
        ) callconv(.c) c.ct_status {
            const it = at(Call, @constCast(args));
            const found = at(Function, function).call(it.args, .{ .handle = result.? });
            return answer(found, &it.failure);
        }

        fn addKey(
            function: ?*anyopaque,
            _: ?*anyopaque,
            args: ?*const anyopaque,
            key: ?*c.ct_key,
        ) callconv(.c) c.ct_status {
            const it = at(Call, @constCast(args));
            at(Function, function).addKey(it.args, Key{ .handle = key.? });
            return c.CT_OK;
        }

        /// Returns the remembered result, or calls the function.
        pub fn call(self: Self, args: Function.Args) anyerror!?Value {
            var it = Call{ .args = args };
            var out: c.ct_value = undefined;
            const status = c.ct_memo_call(self.handle, null, &it, &out);
            const found = try Loaded(Bytes).from(status, out, it.failure);
            return if (found) |loaded| loaded.value else null;
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

        /// The calls that were hits and misses, and how full the cache is.
        pub fn info(self: Self) Error!c.ct_cache_info {
            var out: c.ct_cache_info = undefined;
            c.ct_cache_info_init(&out, @sizeOf(c.ct_cache_info));
            _ = try check(c.ct_memo_info(self.handle, null, &out));
            return out;
        }

        /// The cache that keeps the results: the shared one, or the memo's own, which ends with the
        /// memo.
        pub fn cache(self: Self) ByteCache {
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
