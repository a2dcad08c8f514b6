// SPDX-License-Identifier: MIT
//! Runs the tests of a program, and counts leaks of std.testing.allocator as failures. Prints a
//! line for each test, because Zig's own runner prints no names without a terminal.
const builtin = @import("builtin");
const std = @import("std");

// std's own output changes from version to version.
extern fn printf(format: [*:0]const u8, ...) c_int;
extern fn fflush(stream: ?*anyopaque) c_int;

// Zig 0.17 has another allocator for tests.
const has_safe_allocator = @hasDecl(std.heap, "SafeAllocator");

fn beginAllocator() void {
    std.testing.allocator_instance =
        if (has_safe_allocator) .init(std.heap.page_allocator, .{}) else .{};
}

fn hasLeaked() bool {
    const leaks = std.testing.allocator_instance.deinit();
    return if (has_safe_allocator) leaks != 0 else leaks == .leak;
}

pub fn main() void {
    const tests = builtin.test_functions;
    var failed: usize = 0;
    for (tests) |it| {
        beginAllocator();
        const result = it.func();
        var failure: ?[:0]const u8 = null;
        if (result) |_| {} else |reason| failure = @errorName(reason);
        if (hasLeaked()) failure = failure orelse "leak";
        const name = it.name[if (std.mem.lastIndexOf(u8, it.name, "test.")) |i| i + 5 else 0..];
        const verdict: [:0]const u8 = if (failure == null) "ok" else "FAILED";
        const size: c_int = @intCast(name.len);
        if (failure) |reason| {
            _ = printf("%s\n", reason.ptr);
            failed += 1;
        }
        _ = printf("test %.*s ... %s\n", size, name.ptr, verdict.ptr);
        _ = fflush(null);
    }
    if (failed > 0) std.process.exit(1);
}
