// SPDX-License-Identifier: MIT
//! What bench.c measures, in Zig.
const std = @import("std");
const ct = @import("cachetools");

const Cache = ct.Cache([]const u8, []const u8);

const entries = 1000;
const batch = 16;
const gets = 80_000;
const runs = 50;

var text: [entries][16]u8 = undefined;
var keys: [entries + batch][]const u8 = undefined;

// std's own clock and output change from version to version.
extern fn clock_gettime(clock: c_int, now: *[2]c_long) c_int;
extern fn printf(format: [*:0]const u8, ...) c_int;

fn nowNs() f64 {
    var now: [2]c_long = undefined; // a timespec
    _ = clock_gettime(1, &now); // CLOCK_MONOTONIC
    return @as(f64, @floatFromInt(now[0])) * 1e9 + @as(f64, @floatFromInt(now[1]));
}

fn getSingle(cache: Cache) anyerror!void {
    for (0..gets) |i| {
        const value = (try cache.get(keys[i % entries])).?;
        defer value.deinit();
        std.mem.doNotOptimizeAway(value.bytes()[0]);
    }
}

fn getCopied(cache: Cache) anyerror!void {
    var buffer: [64]u8 = undefined;
    for (0..gets) |i| {
        const value = (try cache.getCopy(keys[i % entries], &buffer)).?;
        std.mem.doNotOptimizeAway(value[0]);
    }
}

fn getBatches(cache: Cache) anyerror!void {
    var values: [batch]?ct.Value = undefined;
    var i: usize = 0;
    while (i < gets) : (i += batch) {
        try cache.getMany(keys[i % entries ..][0..batch], &values);
        for (values) |value| {
            std.mem.doNotOptimizeAway(value.?.bytes()[0]);
            value.?.deinit();
        }
    }
}

fn measure(comptime run: fn (Cache) anyerror!void, cache: Cache) !f64 {
    var least = std.math.inf(f64);
    for (0..runs) |_| {
        const begin = nowNs();
        try run(cache);
        least = @min(least, (nowNs() - begin) / gets);
    }
    return least;
}

pub fn main() !void {
    const cache = try Cache.init(.lru, entries);
    defer cache.deinit();
    var random: u32 = 1;
    for (0..entries) |i| {
        _ = try std.fmt.bufPrint(&text[i], "key {d:0>12}", .{i});
        keys[i] = &text[i];
        _ = try cache.set(&text[i], &@as([64]u8, @splat(@truncate(i))));
        random = random *% 1664525 +% 1013904223;
        std.mem.swap([]const u8, &keys[i], &keys[(random >> 8) % (i + 1)]);
    }
    @memcpy(keys[entries..], keys[0..batch]);

    _ = printf(
        "%.1f %.1f %.1f\n",
        try measure(getSingle, cache),
        try measure(getCopied, cache),
        try measure(getBatches, cache),
    );
}
