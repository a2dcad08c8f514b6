// SPDX-License-Identifier: MIT
//! Offers the module "cachetools", which links libcachetools where pkg-config finds it, or with the
//! option "vendored" compiles it. For that, a checkout has to make the folder vendored:
//! `meson setup build -Dtests=false && meson compile -C build vendor`.

const std = @import("std");

pub fn build(b: *std.Build) void {
    const vendored = b.option(bool, "vendored", "Compile the library into the program") orelse false;
    const target = b.standardTargetOptions(.{});
    const module = b.addModule("cachetools", .{
        .root_source_file = b.path("src/cachetools.zig"),
        .target = target,
        .optimize = b.standardOptimizeOption(.{}),
        .link_libc = true,
        .link_libcpp = vendored, // for its headers
    });
    if (vendored) {
        module.addCSourceFile(.{
            .file = b.path("vendored/cachetools.cpp"),
            .flags = &.{
                "-std=c++17",      "-O2",
                "-fno-exceptions", "-fno-rtti",
                "-fno-math-errno", "-fno-threadsafe-statics",
                "-fno-sanitize=undefined", // which Debug would add, and which takes time
            },
        });
        if (target.result.os.tag == .windows) { // what threads sleep by
            module.linkSystemLibrary("api-ms-win-core-synch-l1-2-0", .{ .use_pkg_config = .no });
        }
    } else {
        module.linkSystemLibrary("cachetools", .{});
    }
}
