// SPDX-License-Identifier: MIT
//! Offers the module "cachetools", which links libcachetools where pkg-config finds it.

const std = @import("std");

pub fn build(b: *std.Build) void {
    const module = b.addModule("cachetools", .{
        .root_source_file = b.path("src/cachetools.zig"),
        .target = b.standardTargetOptions(.{}),
        .optimize = b.standardOptimizeOption(.{}),
        .link_libc = true,
    });
    module.linkSystemLibrary("cachetools", .{});
}
