// SPDX-License-Identifier: MIT
//! What the library says is wrong, by the names of this package.

const std = @import("std");

const log = std.log.scoped(.cachetools);

/// Logs why options are refused, as an error of Zig cannot say it. Programs that do not want that set
/// log_scope_levels in std_options.
pub fn explain(sentence: ?[*:0]const u8) void {
    if (sentence) |it| log.warn("{s}", .{problem(it)});
}

const names = [_][2][]const u8{
    .{ "CT_FLAG_CURVE", "curve" },
    .{ "CT_FLAG_KEEP_NOTHING", "keep_nothing" },
    .{ "CT_FLAG_NO_STATS", "no_stats" },
    .{ "CT_FLAG_PRECISE_CLOCK", "precise_clock" },
    .{ "CT_POLICY_CUSTOM", "policy custom" },
    .{ "CT_POLICY_TLRU", "policy tlru" },
    .{ "CT_POLICY_TTL", "policy ttl" },
    .{ "CT_SECONDS", "Duration.seconds" },
    .{ "ct_policy", "Policy" },
    .{ "ct_weight_kind", "WeightKind" },
    .{ "custom", "Evictor" },
    .{ "flags", "options" },
    .{ "ttu", "timeToUse" },
};

threadlocal var buffer: [256]u8 = undefined;

/// Returns a sentence of the library, valid until this thread asks for the next one.
pub fn problem(sentence: [*:0]const u8) []const u8 {
    var rest = std.mem.span(sentence);
    var size: usize = 0;
    while (rest.len > 0) {
        const word = rest[0..lengthOf(rest, true)];
        size += put(size, nameOf(word));
        rest = rest[word.len..];
        const between = rest[0..lengthOf(rest, false)];
        size += put(size, between);
        rest = rest[between.len..];
    }
    return buffer[0..size];
}

/// How many bytes from the first on are of words, or are not.
fn lengthOf(text: []const u8, of_words: bool) usize {
    for (text, 0..) |byte, i| {
        if ((std.ascii.isAlphanumeric(byte) or byte == '_') != of_words) return i;
    }
    return text.len;
}

fn nameOf(word: []const u8) []const u8 {
    for (names) |pair| {
        if (std.mem.eql(u8, pair[0], word)) return pair[1];
    }
    return word;
}

fn put(at: usize, text: []const u8) usize {
    const size = @min(text.len, buffer.len - at);
    @memcpy(buffer[at..][0..size], text[0..size]);
    return size;
}
