// SPDX-License-Identifier: MIT
//! Keys and values of a type as the bytes that the library keeps, and back.

const std = @import("std");
const c = @import("c.zig");
const Error = @import("errors.zig").Error;
const check = @import("errors.zig").check;

/// A pointer and a size as a slice; of null, the empty one. Borrowed.
pub fn slice(data: ?*const anyopaque, size: usize) []const u8 {
    const first: [*]const u8 = @ptrCast(data orelse return &.{});
    return first[0..size];
}

/// The bytes of a key or a value.
pub fn encode(comptime T: type, it: *const T) []const u8 {
    return if (T == []const u8) it.* else std.mem.asBytes(it);
}

/// A key or a value of its bytes. Bytes are borrowed.
pub fn decode(comptime T: type, bytes: []const u8) T {
    return if (T == []const u8) bytes else std.mem.bytesToValue(T, bytes[0..@sizeOf(T)]);
}

/// Whether values are objects that the cache owns: pointers that it calls deinit of.
pub fn isOwned(comptime V: type) bool {
    const info = @typeInfo(V);
    return info == .pointer and info.pointer.size == .one;
}

/// Refuses to compile for types that cannot be keys.
pub fn checkKey(comptime K: type) void {
    if (K != []const u8 and !hasOneForm(K)) @compileError("keys are []const u8, and types " ++
        "without padding of bools, integers and enums, not " ++ @typeName(K));
}

/// Refuses to compile for types that cannot be values.
pub fn checkValue(comptime V: type) void {
    if (V == []const u8 or isPlain(V)) return;
    if (!isOwned(V)) @compileError("values are []const u8, types without pointers, and *T, not " ++
        @typeName(V));
    if (!@hasDecl(std.meta.Child(V), "deinit")) @compileError(@typeName(V) ++ " has no deinit");
}

/// Whether equal values have equal bytes.
fn hasOneForm(comptime T: type) bool {
    return switch (@typeInfo(T)) {
        .bool => true,
        .int => |info| info.bits == 8 * @sizeOf(T),
        .@"enum" => |info| hasOneForm(info.tag_type),
        .array => |info| hasOneForm(info.child),
        .@"struct" => |info| {
            if (info.layout == .@"packed") return @bitSizeOf(T) == 8 * @sizeOf(T) and isPlain(T);
            var size: usize = 0;
            inline for (fieldTypes(info)) |Field| {
                if (!hasOneForm(Field)) return false;
                size += @sizeOf(Field);
            }
            return size == @sizeOf(T);
        },
        else => false,
    };
}

/// Whether a value is its bytes: it has no pointers.
fn isPlain(comptime T: type) bool {
    return switch (@typeInfo(T)) {
        .void, .bool, .int, .float, .@"enum", .error_set => true,
        .optional => |info| isPlain(info.child),
        .array => |info| isPlain(info.child),
        .vector => |info| isPlain(info.child),
        .@"struct" => |info| all: {
            inline for (fieldTypes(info)) |Field| if (!isPlain(Field)) break :all false;
            break :all true;
        },
        .@"union" => |info| all: {
            inline for (fieldTypes(info)) |Field| if (!isPlain(Field)) break :all false;
            break :all true;
        },
        else => false,
    };
}

/// The types of the fields of a struct or a union, which Zig tells in another way from 0.17 on.
fn fieldTypes(comptime info: anytype) []const type {
    if (@hasField(@TypeOf(info), "field_types")) return info.field_types;
    var types: []const type = &.{};
    for (info.fields) |field| types = types ++ &[_]type{field.type};
    return types;
}

/// Bytes that were read out. Any thread may use and release them.
pub const Value = struct {
    raw: c.ct_value,

    /// The bytes, valid until deinit.
    pub fn bytes(self: Value) []const u8 {
        return slice(self.raw.data, self.raw.size);
    }

    /// A second, independent pin.
    pub fn ref(self: Value) Error!Value {
        var out: c.ct_value = undefined;
        _ = try check(c.ct_value_ref(&self.raw, &out));
        return .{ .raw = out };
    }

    /// Ends the pin.
    pub fn deinit(self: Value) void {
        var raw = self.raw;
        c.ct_value_release(&raw);
    }
};

/// An object of a cache that was read out. Any thread may release it.
pub fn Ref(comptime T: type) type {
    return struct {
        object: *T,
        raw: c.ct_value,

        const Self = @This();

        /// A second, independent pin.
        pub fn ref(self: Self) Error!Self {
            var out: c.ct_value = undefined;
            _ = try check(c.ct_value_ref(&self.raw, &out));
            return .{ .object = self.object, .raw = out };
        }

        /// Calls deinit of the object if it has left its cache, and this was its last Ref.
        pub fn deinit(self: Self) void {
            var raw = self.raw;
            c.ct_value_release(&raw);
        }
    };
}

/// What is read out of a cache for a value: a copy, a Ref, or a Value.
pub fn Got(comptime T: type) type {
    if (T == []const u8) return Value;
    return if (isOwned(T)) Ref(std.meta.Child(T)) else T;
}

/// Takes over a pinned value.
pub fn take(comptime T: type, raw: c.ct_value) Got(T) {
    if (T == []const u8) return .{ .raw = raw };
    const it = decode(T, slice(raw.data, raw.size));
    if (comptime isOwned(T)) return .{ .object = it, .raw = raw };
    var pinned = raw;
    c.ct_value_release(&pinned);
    return it;
}
