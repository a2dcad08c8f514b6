// SPDX-License-Identifier: MIT
//! Keys of memoized functions.

const c = @import("c.zig");
const codec = @import("codec.zig");
const Error = @import("errors.zig").Error;
const check = @import("errors.zig").check;

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
        return codec.slice(bytes, size);
    }
};
