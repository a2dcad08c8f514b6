// SPDX-License-Identifier: MIT
//! Runs the tests of a program and prints TAP; the leaks of std.testing.allocator count.
const builtin = @import("builtin");
const std = @import("std");
const io = @cImport(@cInclude("stdio.h")); // std's own output changes from version to version

pub fn main() void {
    const tests = builtin.test_functions;
    _ = io.printf("1..%zu\n", tests.len);
    var failed: usize = 0;
    for (tests, 1..) |it, number| {
        std.testing.allocator_instance = .{};
        const result = it.func();
        var failure: ?[:0]const u8 = null;
        if (result) |_| {} else |reason| failure = @errorName(reason);
        if (std.testing.allocator_instance.deinit() == .leak) failure = failure orelse "leak";
        const name = it.name[if (std.mem.lastIndexOf(u8, it.name, "test.")) |i| i + 5 else 0..];
        const verdict: [:0]const u8 = if (failure == null) "ok" else "not ok";
        const size: c_int = @intCast(name.len);
        _ = io.printf("%s %zu - %.*s\n", verdict.ptr, number, size, name.ptr);
        if (failure) |reason| {
            _ = io.printf("# %s\n", reason.ptr);
            failed += 1;
        }
        _ = io.fflush(null);
    }
    if (failed > 0) std.process.exit(1);
}
