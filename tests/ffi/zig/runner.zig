// SPDX-License-Identifier: MIT
//! Runs the tests of a program, and counts leaks of std.testing.allocator as failures. Prints a
//! line for each test, because Zig's own runner prints no names without a terminal.
const builtin = @import("builtin");
const std = @import("std");
const io = @cImport(@cInclude("stdio.h")); // std's own output changes from version to version

pub fn main() void {
    const tests = builtin.test_functions;
    var failed: usize = 0;
    for (tests) |it| {
        std.testing.allocator_instance = .{};
        const result = it.func();
        var failure: ?[:0]const u8 = null;
        if (result) |_| {} else |reason| failure = @errorName(reason);
        if (std.testing.allocator_instance.deinit() == .leak) failure = failure orelse "leak";
        const name = it.name[if (std.mem.lastIndexOf(u8, it.name, "test.")) |i| i + 5 else 0..];
        const verdict: [:0]const u8 = if (failure == null) "ok" else "FAILED";
        const size: c_int = @intCast(name.len);
        if (failure) |reason| {
            _ = io.printf("%s\n", reason.ptr);
            failed += 1;
        }
        _ = io.printf("test %.*s ... %s\n", size, name.ptr, verdict.ptr);
        _ = io.fflush(null);
    }
    if (failed > 0) std.process.exit(1);
}
