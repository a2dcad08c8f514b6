// SPDX-License-Identifier: MIT
//! Keys of memoized functions.

const std = @import("std");

const c = @import("c.zig");
const codec = @import("codec.zig");
const Error = @import("errors.zig").Error;
const check = @import("errors.zig").check;

/// Builds a key from typed arguments: bytes that are equal if and only if the arguments are. One
/// thread at a time may use it.
pub const Key = struct {
    handle: *c.ct_key,

    /// A builder for which 1, 1.0 and true are one key. Free it by deinit.
    pub fn init() Error!Key {
        return .{ .handle = c.ct_key_new(0) orelse return Error.OutOfMemory };
    }

    /// A builder for which 1, 1.0 and true are three keys. Free it by deinit.
    pub fn initTyped() Error!Key {
        return .{ .handle = c.ct_key_new(c.CT_KEY_TYPED) orelse return Error.OutOfMemory };
    }

    /// Frees the builder, and what data has returned.
    pub fn deinit(self: Key) void {
        c.ct_key_free(self.handle);
    }

    /// Empties the builder, and forgets mistakes. Keeps its memory.
    pub fn reset(self: Key) void {
        c.ct_key_reset(self.handle);
    }

    /// Adds the absence of a value.
    pub fn addNull(self: Key) void {
        c.ct_key_null(self.handle);
    }

    /// Adds a bool, which equals 0 or 1 unless the builder is typed.
    pub fn addBool(self: Key, value: bool) void {
        c.ct_key_bool(self.handle, value);
    }

    /// Adds an integer.
    pub fn addInt(self: Key, value: i64) void {
        c.ct_key_int(self.handle, value);
    }

    /// Adds an integer, of the same type as addInt's.
    pub fn addUint(self: Key, value: u64) void {
        c.ct_key_uint(self.handle, value);
    }

    /// Adds a float, which equals an integer of the same value unless the builder is typed.
    pub fn addFloat(self: Key, value: f64) void {
        c.ct_key_double(self.handle, value);
    }

    /// Adds text, which must be UTF-8. It is copied.
    pub fn addText(self: Key, text: []const u8) void {
        c.ct_key_text(self.handle, text.ptr, text.len);
    }

    /// Adds bytes, which never equal text. They are copied.
    pub fn addBytes(self: Key, bytes: []const u8) void {
        c.ct_key_bytes(self.handle, bytes.ptr, bytes.len);
    }

    /// Begins a tuple: what follows are its elements.
    pub fn beginTuple(self: Key) void {
        c.ct_key_tuple_begin(self.handle);
    }

    /// Ends the tuple that was begun last.
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
        return codec.slice(bytes, size);
    }

    /// Says why data would fail; null if it would not.
    pub fn problem(self: Key) ?[]const u8 {
        return std.mem.span(c.ct_key_problem(self.handle) orelse return null);
    }
};
