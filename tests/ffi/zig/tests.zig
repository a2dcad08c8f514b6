// SPDX-License-Identifier: MIT
//! Uses every group of the library's functions, in caches of bytes.
const std = @import("std");
const ct = @import("cachetools");
const Bytes = []const u8;
const Cache = ct.Cache(Bytes, Bytes);
const Entry = ct.Entry(Bytes, Bytes);
const Event = ct.Event(Bytes, Bytes);
const Result = ct.Result(Bytes);
const expect = std.testing.expect;
const expectEqual = std.testing.expectEqual;
const expectError = std.testing.expectError;
const expectEqualStrings = std.testing.expectEqualStrings;

extern fn getpid() c_int;
extern fn remove(path: [*:0]const u8) c_int;

test {
    _ = @import("typed.zig");
}

fn setAll(cache: Cache, keys: []const u8) !void {
    for (keys, 0..) |_, i| try expect(try cache.set(keys[i..][0..1], keys[i..][0..1]));
}

/// Compares a value, and releases it.
fn expectValue(expected: ?[]const u8, found: ?ct.Value) !void {
    const value = found orelse return expectEqual(@as(?[]const u8, null), expected);
    defer value.deinit();
    try expectEqualStrings(expected.?, value.bytes());
}

/// Text that is put together piece by piece.
const Text = struct {
    buffer: [256]u8 = undefined,
    size: usize = 0,

    fn add(self: *Text, piece: []const u8) void {
        @memcpy(self.buffer[self.size..][0..piece.len], piece);
        self.size += piece.len;
    }

    fn get(self: *const Text) []const u8 {
        return self.buffer[0..self.size];
    }
};

/// A clock that stands still until it is set.
const ManualClock = struct {
    now: u64 = 1000,

    pub fn timer(self: *ManualClock) u64 {
        return self.now;
    }
};

// ---- Statuses, policies, options ----------------------------------------------------------------

test "errors have messages" {
    try expect(std.mem.indexOf(u8, ct.message(error.OutOfMemory), "memory") != null);
    try expectEqual(@as(usize, 2), std.mem.count(u8, ct.version(), "."));
}

test "policies have names" {
    try expectEqualStrings("WTINYLFU", ct.Policy.wtinylfu.name());
    try expectEqual(ct.Policy.sieve, try ct.Policy.named("sieve"));
    try expectError(error.Invalid, ct.Policy.named("best"));
}

test "wrong options are explained" {
    const day: ct.Duration = .hours(24);
    for ([_]struct { []const u8, ct.Options }{
        .{ "ttl: policy ttl requires one above 0.", .{ .maxsize = 9, .policy = .ttl } },
        .{ "timeToUse: policy tlru requires one.", .{ .maxsize = 9, .policy = .tlru } },
        .{ "Evictor: policy custom requires it.", .{ .maxsize = 9, .policy = .custom } },
        .{
            "shards: it is not 0 or a power of two up to 4096.",
            .{ .maxsize = 9, .shards = 3 },
        },
        .{
            "options: curve needs the counts that no_stats leaves out.",
            .{ .maxsize = 9, .curve = true, .no_stats = true },
        },
        .{
            "ttl: it is below 1 ms, for which precise_clock is needed; was Duration.seconds meant?",
            .{ .maxsize = 9, .ttl = .nanoseconds(60) },
        },
        .{ "jitter: it is not below ttl.", .{ .maxsize = 9, .jitter = day } },
        .{
            "refresh_ahead: it is not below ttl.",
            .{ .maxsize = 9, .ttl = day, .refresh_ahead = day },
        },
        .{
            "retry: stale requires one above 0 where there is neither ttl nor refresh_ahead.",
            .{ .maxsize = 9, .stale = day },
        },
        .{ "policy: it is not one of Policy.", .{ .maxsize = 9, .policy = @enumFromInt(77) } },
    }) |wrong| {
        try expectEqualStrings(wrong[0], wrong[1].problem({}).?);
        try expectError(error.Invalid, Cache.initWith(wrong[1], {}));
    }
    try expect((ct.Options{ .maxsize = 10 }).problem({}) == null);
    try expectError(error.Invalid, Cache.init(.ttl, 10));
}

test "a cache that keeps nothing is meant to" {
    var options = ct.Options{ .maxsize = 0 };
    try expectEqualStrings(
        "maxsize: 0 keeps nothing, which keep_nothing says is meant.",
        options.problem({}).?,
    );
    try expectError(error.Invalid, Cache.initWith(options, {}));
    try expectError(error.Invalid, Cache.init(.lru, 0));
    var greeting = Greeting{ .word = "hello" };
    try expectError(error.Invalid, ct.Memo(Greeting).init(&greeting, .{ .own = options }));

    options.keep_nothing = true;
    try expect(options.problem({}) == null);
    const cache = try Cache.initWith(options, {});
    defer cache.deinit();
    var calls: usize = 0;
    try expectError(error.TooLarge, cache.set("a", "1"));
    try expectValue("A", try cache.getOrLoad("a", Loader{ .calls = &calls }));
    try expect(cache.len() == 0 and calls == 1);
    try expect((try cache.optionsInForce()).flags == ct.c.CT_FLAG_KEEP_NOTHING);
}

test "durations have units, and are never too long" {
    const most = std.math.maxInt(u64);
    const Duration = ct.Duration;
    try expectEqual(@as(u64, 7), Duration.nanoseconds(7).ns);
    try expectEqual(@as(u64, 7_000_000), Duration.milliseconds(7).ns);
    try expectEqual(@as(u64, 7_000_000_000), Duration.seconds(7).ns);
    try expectEqual(@as(u64, 420_000_000_000), Duration.minutes(7).ns);
    try expectEqual(@as(u64, 25_200_000_000_000), Duration.hours(7).ns);
    try expectEqual(Duration.zero, Duration.hours(0));
    try expectEqual(Duration.forever, Duration.nanoseconds(most));
    const longest = most / 1_000_000_000;
    try expectEqual(@as(u64, longest * 1_000_000_000), Duration.seconds(longest).ns);
    for ([_]Duration{ .milliseconds(most), .seconds(most), .minutes(most), .hours(most) }) |it| {
        try expectEqual(Duration.forever, it);
    }
    try expectEqual(Duration.forever, Duration.seconds(longest + 1));
}

test "each time that is given reaches the library" {
    var clock = ManualClock{};
    const cache = try Cache.initWith(.{ .maxsize = 10 }, &clock);
    defer cache.deinit();
    const lasting = [_]struct { ct.Duration, u64 }{
        .{ .nanoseconds(3), 3 },
        .{ .{ .ns = 4 }, 4 }, // ticks of the clock
        .{ .seconds(3), 3_000_000_000 },
        .{ .forever, ct.never },
    };
    const Brings = struct {
        span: ct.Duration,
        pub fn load(self: @This(), _: Bytes, result: Result) anyerror!bool {
            try result.set("1");
            result.ttl(self.span);
            return true;
        }
    };
    for (lasting) |it| {
        const span, const ticks = it;
        try expect(try cache.setTtl("a", "1", span));
        try expectEqual(ticks, (try cache.inspect("a")).?.remaining);
        try expectEqual(.stored, try cache.setWith("b", "1", .{ .ttl = span }));
        try expectEqual(ticks, (try cache.inspect("b")).?.remaining);
        try expect(try cache.set("c", "1") and try cache.setLifetime("c", span));
        try expectEqual(ticks, (try cache.inspect("c")).?.remaining);
        try cache.clear();
        try expectValue("1", try cache.getOrLoad("d", Brings{ .span = span }));
        try expectEqual(ticks, (try cache.inspect("d")).?.remaining);
    }
    const load = (ct.LoadOptions{ .timeout = .seconds(2), .stale_after = .minutes(1) }).raw();
    try expect(load.timeout_ns == 2_000_000_000 and load.stale_after_ns == 60_000_000_000);
    try expectEqual(ct.never, (ct.LoadOptions{ .timeout = .forever }).raw().timeout_ns);
}

test "options in force are told" {
    const cache = try Cache.initWith(.{
        .policy = .sieve,
        .maxsize = 10,
        .ttl = .seconds(60),
        .tti = .milliseconds(20),
        .single_threaded = true,
    }, {});
    defer cache.deinit();
    const options = try cache.optionsInForce();
    try expectEqual(ct.c.CT_POLICY_SIEVE, options.policy);
    try expect(options.ttl == 60_000_000_000 and options.tti == 20_000_000 and options.seed != 0);
    try expect(options.flags == ct.c.CT_FLAG_SINGLE_THREADED);
}

// ---- The mapping --------------------------------------------------------------------------------

test "what is set is got" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    try expect(try cache.set("a", "1"));
    try expectValue("1", try cache.get("a"));
    try expectValue("1", try cache.peek("a"));
    try expectValue(null, try cache.get("b"));
    try expect(cache.contains("a") and !cache.contains("b"));
    try expect(cache.len() == 1 and cache.weight() == 1 and cache.limit() == 10);
    try expect(cache.memory() > 0);
}

test "any bytes are keys and values" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    const zeros: [100_000]u8 = @splat(0);
    try expect(try cache.set("", "") and try cache.set("\x00\xff\x00", &zeros));
    try expectValue("", try cache.get(""));
    try expectValue(&zeros, try cache.get("\x00\xff\x00"));
}

test "copies go into a buffer of the right size" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    try expect(try cache.set("a", "12345"));
    var buffer: [8]u8 = undefined;
    try expectEqualStrings("12345", (try cache.getCopy("a", &buffer)).?);
    try expectError(error.BufferTooSmall, cache.getCopy("a", buffer[0..4]));
    try expect(try cache.getCopy("b", &buffer) == null);
}

test "a value outlives its entry and its cache" {
    const cache = try Cache.init(.lru, 1);
    try expect(try cache.set("a", "first"));
    const first = (try cache.get("a")).?;
    const second = try first.ref();
    try expect(try cache.set("b", "other")); // evicts it
    cache.deinit();
    try expectEqualStrings("first", first.bytes());
    first.deinit();
    try expectEqualStrings("first", second.bytes());
    second.deinit();
}

test "conditions, lifetimes and weights of single entries" {
    var clock = ManualClock{};
    const cache = try Cache.initWith(.{ .maxsize = 100 }, &clock);
    defer cache.deinit();
    try expectEqual(.missing, try cache.setWith("a", "1", .{ .condition = .if_present }));
    try expectEqual(.stored, try cache.setWith("a", "1", .{ .condition = .if_absent }));
    try expectEqual(.exists, try cache.setWith("a", "2", .{ .condition = .if_absent }));
    try expectEqual(.stored, try cache.setWith("b", "22", .{ .deadline = 1500, .weight = 7 }));
    const info = (try cache.inspect("b")).?;
    try expect(info.weight == 7 and info.deadline == 1500 and info.remaining == 500);
    try expect(info.key_size == 1 and info.value_size == 2);
    try expect(try cache.inspect("x") == null);

    try expect(try cache.setTtl("c", "3", .{ .ns = 10 }));
    try expect(!try cache.setTtl("d", "4", .zero)); // dead on arrival
    try expect(try cache.setLifetime("a", .{ .ns = 20 }));
    try expect(!try cache.setLifetime("x", .{ .ns = 20 }));
    clock.now = 1015;
    try expect(!cache.contains("c") and cache.contains("a"));
    clock.now = 1020;
    try expect(!cache.contains("a"));
    const both = ct.EntryOptions{ .ttl = .{ .ns = 1 }, .deadline = 1 };
    try expectError(error.Invalid, cache.setWith("a", "1", both));
    try expectError(error.TooLarge, cache.setWith("a", "1", .{ .weight = 101 }));
}

test "entries are taken out" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    try setAll(cache, "abcde");
    try expectValue("x", try cache.getOrSet("x", "x"));
    try expectValue("x", try cache.getOrSet("x", "y"));
    try expectValue("c", try cache.pop("c"));
    try expectValue(null, try cache.pop("c"));
    try expect(try cache.remove("d") and !try cache.remove("d"));
    const victim = (try cache.popVictim()).?;
    try expectValue("a", victim.key);
    try expectValue("a", victim.value);
    const IsB = struct {
        pub fn matches(_: @This(), key: []const u8, value: []const u8) bool {
            return std.mem.eql(u8, key, "b") and std.mem.eql(u8, value, "b");
        }
    };
    try expectEqual(@as(u64, 1), cache.removeIf(IsB{}));
    try expectEqual(@as(u64, 2), cache.len());
    try cache.clear();
    try expect(try cache.popVictim() == null);
}

test "a smaller limit evicts" {
    const cache = try Cache.init(.lru, 3);
    defer cache.deinit();
    try setAll(cache, "abc");
    try cache.resize(1);
    try expect(cache.limit() == 1 and cache.len() == 1 and cache.contains("c"));
}

test "what is due is shown" {
    var clock = ManualClock{};
    const options = ct.Options{ .policy = .ttl, .maxsize = 10, .ttl = .{ .ns = 10 } };
    const cache = try Cache.initWith(options, &clock);
    defer cache.deinit();
    try setAll(cache, "a");
    clock.now = 1005;
    try setAll(cache, "b");
    clock.now = 1010;
    const Visitor = struct {
        shown: *Text,
        pub fn visit(self: @This(), event: Event) void {
            if (event.cause == .expired) self.shown.add(event.key);
        }
    };
    var shown = Text{};
    try expectEqual(@as(u64, 1), cache.expire(Visitor{ .shown = &shown }));
    try expectEqualStrings("a", shown.get());
    clock.now = 2000;
    try expectEqual(@as(u64, 1), cache.expire({}));
}

// ---- Many at once -------------------------------------------------------------------------------

test "a key is written if it is the same, and its lifetime kept" {
    var clock = ManualClock{};
    const cache = try Cache.initWith(.{ .maxsize = 10, .ttl = .{ .ns = 100 } }, &clock);
    defer cache.deinit();
    const absent = try cache.version("a");
    defer absent.deinit();
    try expectEqual(.stored, try cache.setWith("a", "1", .{ .if_same = &absent }));
    try expectEqual(.exists, try cache.setWith("a", "2", .{ .if_same = &absent }));
    const seen = try cache.version("a");
    defer seen.deinit();
    try expectEqualStrings("1", seen.bytes());
    clock.now += 30;
    try expectEqual(.stored, try cache.setWith("a", "1", .{ .if_same = &seen, .keep_ttl = true }));
    try expectEqual(@as(u64, 70), (try cache.inspect("a")).?.remaining);
    try expect(!try cache.removeIfSame("a", &seen));
    const now = try cache.version("a");
    defer now.deinit();
    try expect(try cache.removeIfSame("a", &now));
    try expectEqual(.missing, try cache.setWith("a", "2", .{ .if_same = &now }));
}

test "counters count" {
    const cache = try ct.Cache(u8, i64).init(.lru, 10);
    defer cache.deinit();
    try expectEqual(@as(?i64, null), try cache.add('n', 1, 0, .{ .condition = .if_present }));
    try expectEqual(@as(?i64, 8), try cache.add('n', -2, 10, .{ .weight = 3 }));
    try expectEqual(@as(?i64, 9), try cache.add('n', 1, 0, .{}));
    try expectEqual(@as(?i64, 9), try cache.get('n'));
    try expectEqual(@as(u64, 3), cache.weight());
}

const Tagging = struct {
    pub fn load(_: Tagging, _: []const u8, result: Result) anyerror!bool {
        result.tag("x");
        try result.set("1");
        return true;
    }
};

test "what carries a tag ends with it" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    const both = [_]ct.c.ct_bytes{ ct.tag("x"), ct.tag("y") };
    try expectEqual(.stored, try cache.setWith("a", "1", .{ .tags = &both }));
    try expectEqual(.stored, try cache.setWith("b", "1", .{ .tags = both[1..] }));
    try expect(try cache.set("c", "1"));
    try expectValue("1", try cache.getOrLoad("d", Tagging{}));
    try cache.invalidateTag("x");
    try expect(!cache.contains("a") and !cache.contains("d"));
    try expectEqual(@as(u64, 2), cache.len());
    try cache.invalidateTag("y");
    try expectEqual(@as(u64, 1), cache.len());
    const nine: [9]ct.c.ct_bytes = @splat(ct.tag("z"));
    try expectError(error.Invalid, cache.setWith("a", "1", .{ .tags = &nine }));
}

test "a copy has the same entries" {
    const cache = try Cache.init(.lru, 3);
    try setAll(cache, "abc");
    const other = try cache.copy();
    defer other.deinit();
    cache.deinit();
    try setAll(other, "d");
    try expect(!other.contains("a") and other.contains("b"));
}

test "statistics are text" {
    const cache = try Cache.init(.lru, 3);
    defer cache.deinit();
    const Sink = struct {
        size: usize = 0,
        is_named: bool = false,
        failure: ?anyerror = null,

        pub fn writeAll(self: *@This(), bytes: []const u8) anyerror!void {
            if (self.failure) |failure| return failure;
            self.size += bytes.len;
            if (std.mem.indexOf(u8, bytes, "cache=\"pages\"") != null) self.is_named = true;
        }
    };
    var sink = Sink{};
    try ct.writeStats(&sink, &.{cache.handle}, &.{"pages"});
    try expect(sink.is_named and sink.size > 1000);
    try expectError(error.Invalid, ct.writeStats(&sink, &.{cache.handle}, &.{}));
    sink.failure = error.DiskFull;
    try expectError(error.DiskFull, ct.writeStats(&sink, &.{cache.handle}, &.{"pages"}));
}

test "many are set and got" {
    const cache = try Cache.init(.lru, 1000);
    defer cache.deinit();
    const allocator = std.testing.allocator;
    const entries = [_]Entry{
        .{ .key = "a", .value = "1" },
        .{ .key = "", .value = "empty" },
        .{ .key = "c", .value = "" },
    };
    var outcomes: [3]ct.Error!ct.Outcome = undefined;
    try cache.setMany(allocator, &entries, .{}, &outcomes);
    for (outcomes) |outcome| try expectEqual(.stored, try outcome);

    // More keys than the wrapper passes in one call.
    const four = [_][]const u8{ "a", "x", "", "c" };
    var keys: [200][]const u8 = undefined;
    for (&keys, 0..) |*key, i| key.* = four[i % 4];
    var values: [keys.len]?ct.Value = undefined;
    try cache.getMany(&keys, &values);
    const expected = [_]?[]const u8{ "1", null, "empty", "" };
    for (values, 0..) |value, i| try expectValue(expected[i % 4], value);
    try cache.getMany(&.{}, &.{});
    try cache.setMany(allocator, &.{}, .{}, &.{});
}

test "each of many goes its own way" {
    const cache = try Cache.initWith(.{ .maxsize = 4, .weight_kind = .value }, {});
    defer cache.deinit();
    const entries =
        [_]Entry{ .{ .key = "a", .value = "1" }, .{ .key = "b", .value = "too large" } };
    var outcomes: [2]ct.Error!ct.Outcome = undefined;
    try cache.setMany(std.testing.allocator, &entries, .{}, &outcomes);
    try expectEqual(.stored, try outcomes[0]);
    try expectError(error.TooLarge, outcomes[1]);
    const both = ct.EntryOptions{ .ttl = .{ .ns = 1 }, .deadline = 1 };
    try expectError(
        error.Invalid,
        cache.setMany(std.testing.allocator, &entries, both, &outcomes),
    );
}

// ---- Iteration and statistics -------------------------------------------------------------------

test "walks see everything in order" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    try setAll(cache, "abc");
    try expectValue("a", try cache.get("a"));
    const walk = try cache.iterate(.coldest);
    var seen = Text{};
    while (try walk.next()) |entry| {
        seen.add(entry.key);
        seen.add(entry.value);
    }
    walk.deinit();
    try expectEqualStrings("bbccaa", seen.get());
    const random = try Cache.init(.rr, 10);
    defer random.deinit();
    try expectError(error.Unsupported, random.iterate(.hottest));
}

test "events are counted" {
    const cache = try Cache.init(.lru, 1);
    defer cache.deinit();
    try setAll(cache, "ab");
    try expectValue(null, try cache.get("a"));
    try expectValue("b", try cache.get("b"));
    const stats = try cache.stats();
    try expect(stats.hits == 1 and stats.misses == 1);
    try expect(stats.inserts == 2 and stats.evictions == 1);
    try cache.resetStats();
    try expectEqual(@as(u64, 0), (try cache.stats()).hits);
    var ratios: [1]f64 = undefined;
    try std.testing.expectError(error.Unsupported, cache.missRatios(&.{1}, &ratios));
}

// ---- Snapshots ----------------------------------------------------------------------------------

/// A file in memory.
const Tape = struct {
    bytes: [512]u8 = undefined,
    size: usize = 0,
    position: usize = 0,
    failure: ?anyerror = null,

    pub fn writeAll(self: *Tape, bytes: []const u8) anyerror!void {
        if (self.failure) |failure| return failure;
        @memcpy(self.bytes[self.size..][0..bytes.len], bytes);
        self.size += bytes.len;
    }

    pub fn read(self: *Tape, buffer: []u8) anyerror!usize {
        if (self.failure) |failure| return failure;
        const count = @min(1, buffer.len, self.size - self.position);
        @memcpy(buffer[0..count], self.bytes[self.position..][0..count]);
        self.position += count;
        return count;
    }
};

test "snapshots go through writers and readers" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    try setAll(cache, "abc");
    var tape = Tape{};
    try cache.save(&tape);
    const size = tape.size;
    try tape.writeAll("more");

    const smaller = try Cache.init(.lru, 2);
    defer smaller.deinit();
    try smaller.load(&tape);
    try expectEqual(size, tape.position);
    try expect(!smaller.contains("a") and smaller.contains("b") and smaller.contains("c"));

    tape.bytes[size / 2] ^= 1;
    tape.position = 0;
    try expectError(error.Corrupt, cache.load(&tape));
    tape.failure = error.Broken;
    try expectError(error.Broken, cache.save(&tape));
    try expectError(error.Broken, cache.load(&tape));
}

test "snapshots go through files" {
    var buffer: [64]u8 = undefined;
    const text = try std.fmt.bufPrint(&buffer, "/tmp/cachetools-zig-{d}\x00", .{getpid()});
    const path = text[0 .. text.len - 1 :0];
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    try setAll(cache, "a");
    try cache.saveFile(path);
    const other = try Cache.init(.lru, 10);
    defer other.deinit();
    try other.loadFile(path);
    try expectValue("a", try other.get("a"));
    try expectEqual(@as(c_int, 0), remove(path.ptr));
    try expectError(error.InputOutput, other.loadFile(path));
}

/// Recorded in 2023, of entries that had two hours to live or to idle at most.
const dated = "../../data/snapshots/dated.ctsnap";

test "what ran out in a snapshot does not come back aged" {
    const cache = try Cache.initWith(.{ .maxsize = 10, .tti = .{ .ns = 1 << 50 } }, {});
    defer cache.deinit();
    try cache.loadFileAged(dated);
    try expectEqual(@as(u64, 0), cache.len());
    try cache.loadFile(dated);
    try expectEqual(@as(u64, 3), cache.len());

    var tape = Tape{};
    try cache.save(&tape);
    const copy = try Cache.init(.lru, 10);
    defer copy.deinit();
    try copy.loadAged(&tape);
    try expectEqual(@as(u64, 3), copy.len());

    var clock = ManualClock{};
    const other = try Cache.initWith(.{ .maxsize = 10 }, &clock);
    defer other.deinit();
    try expectError(error.Unsupported, other.loadFileAged(dated));
    tape.position = 0;
    try expectError(error.Unsupported, other.loadAged(&tape));
    try other.load(&tape);
    try expectEqual(@as(u64, 3), other.len());
}

// ---- Callbacks of a cache -----------------------------------------------------------------------

test "the listener is told why entries leave" {
    const Listener = struct {
        told: Text = .{},
        pub fn listen(self: *@This(), event: Event) void {
            self.told.add(@tagName(event.cause));
            self.told.add(event.key);
            self.told.add(event.value);
            self.told.add(" ");
        }
    };
    var listener = Listener{};
    const cache = try Cache.initWith(.{ .maxsize = 2 }, &listener);
    defer cache.deinit();
    try setAll(cache, "ab");
    try expect(try cache.set("b", "c"));
    try setAll(cache, "c");
    try expect(try cache.remove("b"));
    try cache.clear();
    try expectEqualStrings("replacedbb evictedaa removedbc clearedcc ", listener.told.get());
}

test "weighers weigh and times to use end" {
    const Callbacks = struct {
        now: u64 = 1000,
        pub fn timer(self: *@This()) u64 {
            return self.now;
        }
        pub fn weigh(_: *@This(), key: []const u8, value: []const u8) u64 {
            return key.len + value.len;
        }
        pub fn timeToUse(_: *@This(), _: []const u8, value: []const u8, now: u64) u64 {
            return now + value.len;
        }
    };
    var callbacks = Callbacks{};
    const cache = try Cache.initWith(.{ .policy = .tlru, .maxsize = 100 }, &callbacks);
    defer cache.deinit();
    try expect(try cache.set("a", "12345"));
    try expectEqual(@as(u64, 6), cache.weight());
    callbacks.now = 1004;
    try expect(cache.contains("a"));
    callbacks.now = 1005;
    try expect(!cache.contains("a"));
    try expectError(error.TooLarge, cache.set("b", &@as([100]u8, @splat(0))));
}

test "a choice chooses victims" {
    const Chooser = struct {
        pub fn choose(_: *const @This(), count: u64) u64 {
            return count - 1;
        }
    };
    const cache = try Cache.initWith(.{ .policy = .rr, .maxsize = 3 }, &Chooser{});
    defer cache.deinit();
    try setAll(cache, "abcd");
    try expect(cache.contains("b") and !cache.contains("c"));
}

test "every stored value is dropped once, even after the cache" {
    const Dropper = struct {
        dropped: Text = .{},
        pub fn drop(self: *@This(), value: []const u8) void {
            self.dropped.add(value);
        }
    };
    var dropper = Dropper{};
    const cache = try Cache.initWith(.{ .maxsize = 2 }, &dropper);
    try setAll(cache, "abc");
    try expectEqualStrings("a", dropper.dropped.get());
    const pinned = (try cache.get("b")).?;
    cache.deinit();
    try expectEqualStrings("ac", dropper.dropped.get());
    pinned.deinit();
    try expectEqualStrings("acb", dropper.dropped.get());
}

test "memory comes from the allocator and goes back" {
    // It checks sizes and alignments, and that nothing is left.
    const cache = try Cache.initWith(.{ .maxsize = 1000, .allocator = &std.testing.allocator }, {});
    try setAll(cache, "abc");
    const value = (try cache.get("a")).?;
    cache.deinit();
    try expectEqualStrings("a", value.bytes());
    value.deinit();

    const none = std.testing.failing_allocator;
    const options = ct.Options{ .maxsize = 1000, .allocator = &none };
    try expectError(error.OutOfMemory, Cache.initWith(options, {}));
}

/// Last in, first out.
const Stacks = struct {
    hits: usize = 0,

    pub const Evictor = struct {
        ids: [8]u32 = undefined,
        size: usize = 0,
        owner: *Stacks,

        pub fn init(owner: *Stacks, _: u64) ?*Evictor {
            const self = std.testing.allocator.create(Evictor) catch return null;
            self.* = .{ .owner = owner };
            return self;
        }
        pub fn deinit(self: *Evictor) void {
            std.testing.allocator.destroy(self);
        }
        pub fn insert(self: *Evictor, id: u32, _: u64, _: []const u8, _: u64) void {
            self.ids[self.size] = id;
            self.size += 1;
        }
        pub fn hit(self: *Evictor, _: u32, _: u64) void {
            self.owner.hits += 1;
        }
        pub fn remove(self: *Evictor, id: u32) void {
            const i = std.mem.indexOfScalar(u32, self.ids[0..self.size], id).?;
            self.size -= 1;
            std.mem.copyForwards(u32, self.ids[i..self.size], self.ids[i + 1 .. self.size + 1]);
        }
        pub fn victim(self: *Evictor) u32 {
            return self.ids[self.size - 1];
        }
    };
};

test "a policy of one's own decides" {
    var stacks = Stacks{};
    const cache = try Cache.initWith(.{ .policy = .custom, .maxsize = 2 }, &stacks);
    defer cache.deinit();
    try setAll(cache, "abc");
    try expect(cache.contains("a") and !cache.contains("b") and cache.contains("c"));
    try expectValue("a", try cache.get("a"));
    try expectEqual(@as(usize, 1), stacks.hits);
}

// ---- Loading ------------------------------------------------------------------------------------

const Loader = struct {
    calls: *usize,
    failure: ?anyerror = null,
    is_there: bool = true,

    pub fn load(self: Loader, key: []const u8, result: Result) anyerror!bool {
        _ = @atomicRmw(usize, self.calls, .Add, 1, .seq_cst);
        if (self.failure) |failure| return failure;
        var upper: [8]u8 = undefined;
        if (self.is_there) try result.set(std.ascii.upperString(&upper, key));
        return self.is_there;
    }
};

test "a key is loaded once" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    var calls: usize = 0;
    try expectValue("ABC", try cache.getOrLoad("abc", Loader{ .calls = &calls }));
    try expectValue("ABC", try cache.getOrLoad("abc", Loader{ .calls = &calls }));
    try expectEqual(@as(usize, 1), calls);
    try expectValue(null, try cache.getOrLoad("x", Loader{ .calls = &calls, .is_there = false }));
    const stats = try cache.stats();
    try expect(stats.loads == 1 and stats.load_failures == 1);
}

test "loaders say what is special" {
    var clock = ManualClock{};
    const cache = try Cache.initWith(.{ .maxsize = 100 }, &clock);
    defer cache.deinit();
    const Special = struct {
        keep: bool,
        pub fn load(self: @This(), _: []const u8, result: Result) anyerror!bool {
            result.deadline(2000);
            result.ttl(.{ .ns = 50 });
            result.weight(9);
            if (!self.keep) result.discard();
            try result.set("1");
            return true;
        }
    };
    try expectValue("1", try cache.getOrLoad("a", Special{ .keep = true }));
    const info = (try cache.inspect("a")).?;
    try expect(info.weight == 9 and info.remaining == 50);
    try expectValue("1", try cache.getOrLoad("b", Special{ .keep = false }));
    try expect(!cache.contains("b"));
}

test "what a loader fails with comes back" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    var calls: usize = 0;
    const failing = Loader{ .calls = &calls, .failure = error.DatabaseIsDown };
    try expectError(error.DatabaseIsDown, cache.getOrLoad("a", failing));

    const Again = struct {
        cache: Cache,
        loader: Loader,
        pub fn load(self: @This(), key: []const u8, _: Result) anyerror!bool {
            return try self.cache.getOrLoad(key, self.loader) != null;
        }
    };
    const again = Again{ .cache = cache, .loader = .{ .calls = &calls } };
    try expectError(error.Recursion, cache.getOrLoad("a", again));
    try expect(!cache.contains("a"));
}

test "of many threads one loads" {
    const cache = try Cache.initWith(.{ .maxsize = 10, .shards = 4 }, {});
    defer cache.deinit();
    const Worker = struct {
        fn run(shared: Cache, calls: *usize, wrong: *usize) void {
            const value = shared.getOrLoad("a", Loader{ .calls = calls }) catch null;
            expectValue("A", value) catch {
                _ = @atomicRmw(usize, wrong, .Add, 1, .seq_cst);
            };
        }
    };
    var calls: usize = 0;
    var wrong: usize = 0;
    var threads: [4]std.Thread = undefined;
    for (&threads) |*thread| {
        thread.* = try std.Thread.spawn(.{}, Worker.run, .{ cache, &calls, &wrong });
    }
    for (threads) |thread| thread.join();
    try expectEqual(@as(usize, 1), calls);
    try expectEqual(@as(usize, 0), wrong);
}

test "a lease is fulfilled on another thread or given up" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    const lease = (try cache.getOrLease("a", .forever)).lease;
    try expectEqualStrings("a", lease.key());
    try expectEqual(ct.Leased(Bytes, Bytes).busy, try cache.getOrLease("a", .zero));
    const Fulfiller = struct {
        fn run(it: ct.Lease(Bytes, Bytes)) void {
            if (it.fulfil("1", .{})) |value| value.deinit() else |_| {}
        }
    };
    const thread = try std.Thread.spawn(.{}, Fulfiller.run, .{lease});
    try expectValue("1", (try cache.getOrLease("a", .forever)).value);
    thread.join();

    (try cache.getOrLease("b", .zero)).lease.abandon();
    (try cache.getOrLease("b", .zero)).lease.abandon();
}

/// A ttl of 100, the last 20 of which a value is renewed in, and serves 50 longer.
const freshness = ct.Options{
    .maxsize = 100,
    .ttl = .{ .ns = 100 },
    .refresh_ahead = .{ .ns = 20 },
    .stale = .{ .ns = 50 },
    .retry = .{ .ns = 5 },
    .jitter = .zero,
};

test "options of freshness are told" {
    var options = freshness;
    options.precise_clock = true;
    options.jitter = .{ .ns = 7 };
    const cache = try Cache.initWith(options, {});
    defer cache.deinit();
    const told = try cache.optionsInForce();
    try expect(told.refresh_ahead == 20 and told.stale == 50);
    try expect(told.retry == 5 and told.jitter == 7);
    options.refresh_ahead = options.ttl;
    try expect(options.problem({}) != null);
}

/// Renews values, as its fields say.
const Renewer = struct {
    expected: ?[]const u8 = null,
    what: union(enum) { keep, none, fail: anyerror, bring: []const u8 },

    pub fn load(self: @This(), _: []const u8, result: Result) anyerror!bool {
        const old = result.old();
        if (self.expected) |expected| {
            try expectEqualStrings(expected, old.?);
        } else {
            try expect(old == null);
        }
        switch (self.what) {
            .keep => result.notModified(),
            .none => return false,
            .fail => |reason| return reason,
            .bring => |value| try result.set(value),
        }
        return true;
    }
};

fn expectLoaded(expected: []const u8, is_stale: bool, found: ?ct.Loaded(Bytes)) !void {
    try expectEqual(is_stale, found.?.is_stale);
    try expectValue(expected, found.?.value);
}

test "a value is renewed, and an old one serves" {
    var clock = ManualClock{};
    const cache = try Cache.initWith(freshness, &clock);
    defer cache.deinit();
    const down = Renewer{ .expected = "1", .what = .{ .fail = error.DatabaseIsDown } };
    try expect(try cache.set("a", "1"));
    clock.now = 1085;
    try expectLoaded("1", false, try cache.getStaleOrLoad("a", down));
    clock.now = 1095;
    try expectLoaded("1", false, try cache.getStaleOrLoad("a", Renewer{
        .expected = "1",
        .what = .keep,
    }));
    try expectEqual(@as(u64, 100), (try cache.inspect("a")).?.remaining);
    clock.now = 1200;
    try expectLoaded("1", true, try cache.getStaleOrLoad("a", down));
    try expectValue("1", try cache.getOrLoad("a", down)); // nobody tries again so soon
    const stats = try cache.stats();
    try expect(stats.renewals == 3 and stats.renewal_failures == 2);
    try expect(stats.stale_served == 2 and stats.pinned == 0);
    clock.now = 1210;
    try expectError(error.Busy, cache.getOrLoad("a", Renewer{
        .expected = "1",
        .what = .{ .fail = error.Busy },
    }));
    try expectValue("2", try cache.getOrLoad("a", Renewer{
        .expected = "1",
        .what = .{ .bring = "2" },
    }));
    clock.now = 1320;
    try expectValue(null, try cache.getOrLoad("a", Renewer{ .expected = "2", .what = .none }));
    try expectError(error.Callback, cache.getOrLoad("a", Renewer{ .what = .keep }));
}

test "a load is forced" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    try expect(try cache.set("a", "1"));
    const down = Renewer{ .expected = "1", .what = .{ .fail = error.DatabaseIsDown } };
    try expectError(error.DatabaseIsDown, cache.getOrLoadWith("a", down, .{ .force = true }));
    try expectValue("1", try cache.get("a"));
    const renewer = Renewer{ .expected = "1", .what = .{ .bring = "2" } };
    try expectLoaded("2", false, try cache.getOrLoadWith("a", renewer, .{ .force = true }));
    try expectValue("2", try cache.get("a"));
}

test "a wait ends" {
    var clock = ManualClock{};
    const cache = try Cache.initWith(freshness, &clock);
    defer cache.deinit();
    const never = Renewer{ .what = .none };
    const lease = (try cache.getOrLease("a", .zero)).lease;
    try expectError(error.Busy, cache.getOrLoadWith("a", never, .{ .timeout = .zero }));
    const brief = ct.LoadOptions{ .timeout = .nanoseconds(1000) };
    try expectError(error.Busy, cache.getOrLoadWith("a", never, brief));
    (try lease.fulfil("1", .{})).deinit();
    clock.now = 1110;
    const renewal = (try cache.getOrLease("a", .zero)).renew;
    defer renewal.lease.abandon();
    try expectValue("1", renewal.value);
    const patient = ct.LoadOptions{ .stale_after = .nanoseconds(1000) };
    try expectLoaded("1", true, try cache.getOrLoadWith("a", never, patient));
}

test "a lease that is refused is given up" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    for ([_]ct.EntryOptions{
        .{ .condition = .if_absent },
        .{ .keep_ttl = true },
        .{ .ttl = .seconds(1), .deadline = 1 },
    }) |wrong| {
        try expectError(
            error.Invalid,
            (try cache.getOrLease("a", .zero)).lease.fulfil("1", wrong),
        );
    }
    try expectValue("1", try (try cache.getOrLease("a", .zero)).lease.fulfil("1", .{}));
}

test "a lease renews, keeps and fails" {
    var clock = ManualClock{};
    const cache = try Cache.initWith(freshness, &clock);
    defer cache.deinit();
    try expect(try cache.set("a", "1"));
    clock.now = 1090;
    const renewal = (try cache.getOrLease("a", .zero)).renew;
    try expectValue("1", renewal.value);
    try expectValue("1", (try cache.getOrLease("a", .zero)).value); // another renews it
    try expect(try renewal.lease.keep(.{}));
    try expectEqual(@as(u64, 100), (try cache.inspect("a")).?.remaining);
    clock.now = 1200;
    const failing = (try cache.getOrLease("a", .zero)).renew;
    failing.value.deinit();
    failing.lease.fail(error.DatabaseIsDown);
    try expectValue("1", (try cache.getOrLease("a", .zero)).stale);
    clock.now = 1210;
    const gone = (try cache.getOrLease("a", .zero)).renew;
    gone.value.deinit();
    gone.lease.fail(null);
    try expectError(error.Invalid, (try cache.getOrLease("a", .zero)).lease.keep(.{}));
    const overtaken = (try cache.getOrLease("a", .zero)).lease;
    try expect(!try cache.remove("a"));
    overtaken.fail(error.Busy);
}

/// Waits for a load. Nobody can see who waits in the library, so the test tries until one has.
const Waiter = struct {
    began: std.atomic.Value(bool) = std.atomic.Value(bool).init(false),
    calls: usize = 0,
    failure: ?anyerror = null,
    is_missing: bool = false,

    fn run(self: *Waiter, cache: Cache) void {
        self.began.store(true, .seq_cst);
        const loader = Loader{ .calls = &self.calls, .is_there = false };
        if (cache.getOrLoad("a", loader)) |found| {
            self.is_missing = found == null;
            if (found) |value| value.deinit();
        } else |failure| {
            self.failure = failure;
        }
    }
};

/// Loads while another thread begins to wait, then fails.
const FailsLate = struct {
    reason: ?anyerror,
    cache: Cache,
    waiter: *Waiter,
    thread: *?std.Thread,

    pub fn load(self: @This(), _: []const u8, _: Result) anyerror!bool {
        self.thread.* = try std.Thread.spawn(.{}, Waiter.run, .{ self.waiter, self.cache });
        while (!self.waiter.began.load(.seq_cst)) std.atomic.spinLoopHint();
        for (0..100) |_| std.Thread.yield() catch {};
        return self.reason orelse false;
    }
};

test "a failure is that of all who wait" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    const reasons = [_]?anyerror{ error.DatabaseIsDown, error.OutOfMemory, null };
    for (reasons) |reason| {
        for (0..100000) |_| {
            const before = (try cache.stats()).shared_failures;
            var waiter = Waiter{};
            var thread: ?std.Thread = null;
            const loader = FailsLate{
                .reason = reason,
                .cache = cache,
                .waiter = &waiter,
                .thread = &thread,
            };
            if (cache.getOrLoad("a", loader)) |found| {
                try expect(found == null and reason == null);
            } else |failure| {
                try expectEqual(reason.?, failure);
            }
            thread.?.join();
            if ((try cache.stats()).shared_failures == before) continue;
            try expectEqual(reason, waiter.failure);
            try expectEqual(@as(usize, 0), waiter.calls);
            try expectEqual(reason == null, waiter.is_missing);
            break;
        } else return error.NobodyWaited;
    }
}

test "a load that is cancelled is its own caller's" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    var waiter = Waiter{};
    var thread: ?std.Thread = null;
    const loader = FailsLate{
        .reason = error.Busy,
        .cache = cache,
        .waiter = &waiter,
        .thread = &thread,
    };
    try expectError(error.Busy, cache.getOrLoad("a", loader));
    thread.?.join();
    try expect(waiter.calls == 1 and waiter.is_missing);
}

const Counter = struct {
    pub fn change(_: Counter, old: ?[]const u8, result: Result) anyerror!ct.Change {
        try result.set(&.{if (old) |before| before[0] + 1 else 1});
        return .store;
    }

    fn run(cache: Cache) void {
        for (0..50) |_| {
            const value = cache.compute("n", Counter{}) catch return;
            value.?.deinit();
        }
    }
};

/// Loads what is not "x", and notes what it was asked for.
const ManyLoader = struct {
    asked: Text = .{},
    calls: usize = 0,
    failure: ?anyerror = null,
    inner: ?Cache = null,

    pub fn loadMany(self: *ManyLoader, batch: ct.Batch(Bytes, Bytes)) anyerror!void {
        self.calls += 1;
        for (0..batch.len()) |i| {
            const key = batch.key(i);
            self.asked.add(key);
            if (std.mem.eql(u8, key, "f")) batch.result(i).fail(error.DatabaseIsDown);
            if (key[0] == 'x' or key[0] == 'f') continue;
            var upper: [8]u8 = undefined;
            try batch.result(i).set(std.ascii.upperString(&upper, key));
        }
        if (self.inner) |cache| {
            var calls: usize = 0;
            const loader = Loader{ .calls = &calls };
            try expectError(error.Recursion, cache.getOrLoad(batch.key(0), loader));
        }
        if (self.failure) |failure| return failure;
    }

    fn expectAsked(self: *ManyLoader, calls: usize, asked: []const u8) !void {
        try expectEqual(calls, self.calls);
        try expectEqualStrings(asked, self.asked.get());
        self.calls = 0;
        self.asked = .{};
    }
};

const Answer = anyerror!?ct.Loaded(Bytes);

fn expectAnswer(expected: ?[]const u8, answer: Answer) !void {
    const found = try answer;
    try expectValue(expected, if (found) |it| it.value else null);
}

test "many keys are loaded by one call" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    var loader = ManyLoader{};
    try expect(try cache.set("b", "there"));
    var answers: [6]Answer = undefined;
    const keys = [_][]const u8{ "a", "b", "f", "x", "a", "" };
    try cache.getOrLoadMany(std.testing.allocator, keys[0..5], &loader, .{}, &answers);
    try loader.expectAsked(1, "afx");
    try expectAnswer("A", answers[0]);
    try expectAnswer("there", answers[1]);
    try expectError(error.DatabaseIsDown, answers[2]);
    try expectAnswer(null, answers[3]);
    try expectAnswer("A", answers[4]);

    loader.failure = error.OutOfMemory;
    loader.inner = cache;
    try cache.getOrLoadMany(std.testing.allocator, &.{ "a", "c", "d" }, &loader, .{}, &answers);
    try loader.expectAsked(1, "cd");
    try expectAnswer("A", answers[0]);
    for (answers[1..3]) |answer| try expectError(error.OutOfMemory, answer);
    try cache.getOrLoadMany(std.testing.allocator, &.{}, &loader, .{}, &answers);
    try loader.expectAsked(0, "");
    try expectError(error.OutOfMemory, cache.getOrLoadMany(
        std.testing.failing_allocator,
        &.{"c"},
        &loader,
        .{},
        &answers,
    ));
}

test "many keys wait for others, and no longer than they may" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    var loader = ManyLoader{};
    const lease = (try cache.getOrLease("a", .zero)).lease;
    var answers: [2]Answer = undefined;
    const options = ct.LoadOptions{ .timeout = .zero };
    try cache.getOrLoadMany(std.testing.allocator, &.{ "a", "b" }, &loader, options, &answers);
    try expectError(error.Busy, answers[0]);
    try expectAnswer("B", answers[1]);
    try loader.expectAsked(1, "b");
    (try lease.fulfil("1", .{})).deinit();
    try cache.getOrLoadMany(std.testing.allocator, &.{ "a", "b" }, &loader, options, &answers);
    try expectAnswer("1", answers[0]);
    try expectAnswer("B", answers[1]);
}

test "typed values are loaded many at once" {
    const cache = try ct.Cache(u16, u32).init(.lru, 10);
    defer cache.deinit();
    const Squares = struct {
        pub fn loadMany(_: @This(), batch: ct.Batch(u16, u32)) anyerror!void {
            for (0..batch.len()) |i| {
                const key: u32 = batch.key(i);
                if (key != 0) try batch.result(i).set(key * key);
            }
        }
    };
    var answers: [3]anyerror!?ct.Loaded(u32) = undefined;
    try cache.getOrLoadMany(std.testing.allocator, &.{ 300, 0, 7 }, Squares{}, .{}, &answers);
    try expectEqual(@as(u32, 90000), (try answers[0]).?.value);
    try expect(try answers[1] == null);
    try expectEqual(@as(u32, 49), (try answers[2]).?.value);
}

test "that there is no value is remembered until the key is written" {
    const cache = try Cache.initWith(.{ .maxsize = 100, .negative_ttl = .hours(1) }, {});
    defer cache.deinit();
    var calls: usize = 0;
    const nothing = Loader{ .calls = &calls, .is_there = false };
    for (0..3) |_| try expectValue(null, try cache.getOrLoad("x", nothing));
    try expectEqual(@as(usize, 1), calls);
    try expectEqual(ct.Leased(Bytes, Bytes).missing, try cache.getOrLease("x", .forever));
    var loader = ManyLoader{};
    var answers: [2]Answer = undefined;
    try cache.getOrLoadMany(std.testing.allocator, &.{ "x", "xy" }, &loader, .{}, &answers);
    for (answers) |answer| try expectAnswer(null, answer);
    try loader.expectAsked(1, "xy");
    try expectEqual(@as(u64, 4), (try cache.stats()).negative_hits);
    try expect(!try cache.remove("x"));
    (try cache.getOrLease("x", .forever)).lease.fail(null);
    try expectValue(null, try cache.getOrLoad("x", nothing));
    try expect(try cache.set("x", "1"));
    try expectValue("1", try cache.getOrLoad("x", nothing));
    try expectEqual(@as(usize, 1), calls);
}

/// What a call that waits without a thread is told.
const Told = struct {
    times: usize = 0,
    found: anyerror!ct.Leased(Bytes, Bytes) = error.NotTold,

    pub fn done(self: *Told, found: anyerror!ct.Leased(Bytes, Bytes)) void {
        self.times += 1;
        self.found = found;
    }
};

test "thousands wait without a thread" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    var told: [1000]Told = undefined;
    @memset(&told, .{});
    const lease = (try cache.getOrLeaseAsync("a", &told[0], null)).?.lease;
    for (&told) |*it| try expect(try cache.getOrLeaseAsync("a", it, null) == null);
    (try lease.fulfil("1", .{})).deinit();
    for (told) |it| {
        try expectEqual(@as(usize, 1), it.times);
        try expectValue("1", (try it.found).value);
    }
    try expectValue("1", (try cache.getOrLeaseAsync("a", &told[0], null)).?.value);
}

test "who waits without a thread is told of failures, takes over, or cancels" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    var told: [3]Told = undefined;
    var waits: [3]ct.Wait = undefined;
    for (0..3) |round| {
        @memset(&told, .{});
        @memset(&waits, .{});
        const lease = (try cache.getOrLease("a", .zero)).lease;
        for (&told, &waits) |*it, *wait| {
            try expect(try cache.getOrLeaseAsync("a", it, wait) == null);
        }
        try expect(waits[0].cancel());
        switch (round) {
            0 => {
                lease.fail(error.DatabaseIsDown);
                for (told[1..]) |it| try expectError(error.DatabaseIsDown, it.found);
            },
            1 => {
                lease.fail(null);
                for (told[1..]) |it| {
                    try expectEqual(ct.Leased(Bytes, Bytes).missing, try it.found);
                }
            },
            else => {
                lease.abandon(); // one of them takes over
                const first: usize = if (told[1].times == 1) 1 else 2;
                (try (try told[first].found).lease.fulfil("1", .{})).deinit();
                try expectValue("1", (try told[3 - first].found).value);
            },
        }
        for (waits[1..]) |*wait| try expect(!wait.cancel());
        try expectEqual(@as(usize, 0), told[0].times);
        for (told[1..]) |it| try expectEqual(@as(usize, 1), it.times);
    }
}

test "compute reads, changes and writes" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    const thread = try std.Thread.spawn(.{}, Counter.run, .{cache});
    Counter.run(cache);
    thread.join();
    try expectValue("\x64", try cache.get("n"));

    const Other = struct {
        change_to: anyerror!ct.Change,
        pub fn change(self: @This(), _: ?[]const u8, _: Result) anyerror!ct.Change {
            return self.change_to;
        }
    };
    try expectValue("\x64", try cache.compute("n", Other{ .change_to = .leave }));
    try expectError(error.No, cache.compute("n", Other{ .change_to = error.No }));
    try expectValue(null, try cache.compute("n", Other{ .change_to = .remove }));
    try expectEqual(@as(u64, 0), cache.len());

    const TooLate = struct {
        cache: Cache,
        pub fn change(self: @This(), _: ?[]const u8, result: Result) anyerror!ct.Change {
            _ = try self.cache.set("n", "written");
            try result.set("computed");
            return .store;
        }
    };
    try expectError(error.Busy, cache.compute("n", TooLate{ .cache = cache }));
    try expectValue("written", try cache.get("n"));

    const Within = struct {
        cache: Cache,
        pub fn change(self: @This(), _: ?[]const u8, result: Result) anyerror!ct.Change {
            try expectError(error.Recursion, self.cache.compute("n", Counter{}));
            try result.set("computed");
            return .store;
        }
    };
    try expectValue("computed", try cache.compute("n", Within{ .cache = cache }));
}

// ---- Keys and memos -----------------------------------------------------------------------------

test "keys are equal if their arguments are" {
    const key = try ct.Key.init();
    defer key.deinit();
    const other = try ct.Key.init();
    defer other.deinit();
    key.addInt(1);
    other.addFloat(1);
    try expectEqualStrings(try key.data(), try other.data());
    other.reset();
    other.addBool(true);
    try expectEqualStrings(try key.data(), try other.data());
    other.reset();
    other.addUint(1);
    try expectEqualStrings(try key.data(), try other.data());
    other.reset();
    other.addText("1");
    try expect(!std.mem.eql(u8, try key.data(), try other.data()));
    key.reset();
    key.addBytes("1");
    try expect(!std.mem.eql(u8, try key.data(), try other.data()));
    key.reset();
    key.addNull();
    key.beginTuple();
    key.addInt(1);
    key.endTuple();
    key.addName("a");
    key.addInt(1);
    try expect((try key.data()).len > 0);
    try expectEqual(null, key.problem());
    key.addName("b");
    try expectError(error.Invalid, key.data());
    try std.testing.expectEqualStrings("name: it has no value.", key.problem().?);

    const typed = try ct.Key.initTyped();
    defer typed.deinit();
    typed.addFloat(1);
    other.reset();
    other.addFloat(1);
    try expect(!std.mem.eql(u8, try typed.data(), try other.data()));
}

const Fibonacci = struct {
    calls: usize = 0,
    memo: ct.Memo(Fibonacci) = undefined,

    pub const Args = u64;

    pub fn addKey(_: *Fibonacci, n: u64, key: ct.Key) void {
        key.addUint(n);
    }

    pub fn call(self: *Fibonacci, n: u64, result: Result) anyerror!bool {
        self.calls += 1;
        const sum = if (n < 2) n else try self.of(n - 1) + try self.of(n - 2);
        try result.set(std.mem.asBytes(&sum));
        return true;
    }

    fn of(self: *Fibonacci, n: u64) anyerror!u64 {
        const value = (try self.memo.call(n)).?;
        defer value.deinit();
        return std.mem.bytesToValue(u64, value.bytes()[0..8]);
    }
};

test "a memo remembers and calls itself" {
    var fibonacci = Fibonacci{};
    const memo = try ct.Memo(Fibonacci).init(&fibonacci, .{ .own = .{ .maxsize = 128 } });
    defer memo.deinit();
    fibonacci.memo = memo;
    try expectEqual(@as(u64, 2880067194370816120), try fibonacci.of(90));
    try expectEqual(@as(usize, 91), fibonacci.calls);
    const info = try memo.info();
    try expect(info.misses == 91 and info.currsize == 91 and info.maxsize == 128);
    try expect(try memo.invalidate(90) and !try memo.invalidate(90));
    _ = try fibonacci.of(90);
    try expectEqual(@as(usize, 92), fibonacci.calls);
    try memo.clear();
    try expectEqual(@as(u64, 0), (try memo.info()).currsize);

    const expected = try ct.Key.init();
    defer expected.deinit();
    expected.addUint(7);
    const key = try ct.Key.init();
    defer key.deinit();
    try expectEqualStrings(try expected.data(), try memo.keyOf(7, key));

    _ = try fibonacci.of(7);
    const value = (try memo.cache().get(try key.data())).?;
    defer value.deinit();
    try expectEqual(@as(u64, 13), std.mem.bytesToValue(u64, value.bytes()[0..8]));
    memo.forget();
    const forgotten = try memo.info();
    try expect(forgotten.hits == 0 and forgotten.misses == 0 and forgotten.currsize == 8);
}

const Greeting = struct {
    word: []const u8,

    pub const Args = []const u8;

    pub fn addKey(_: *Greeting, name: []const u8, key: ct.Key) void {
        key.addText(name);
    }

    pub fn call(self: *Greeting, name: []const u8, result: Result) anyerror!bool {
        if (name.len == 0) return error.NoName;
        if (std.mem.eql(u8, name, "nobody")) return false;
        try result.set(self.word);
        return true;
    }
};

test "memos share a cache and fail with their own errors" {
    const cache = try Cache.init(.lru, 10);
    defer cache.deinit();
    var hello = Greeting{ .word = "hello" };
    var bye = Greeting{ .word = "bye" };
    const Memo = ct.Memo(Greeting);
    const first = try Memo.init(&hello, .{ .shared = .{ .cache = cache, .prefix = "1" } });
    defer first.deinit();
    const second = try Memo.init(&bye, .{ .shared = .{ .cache = cache, .prefix = "2" } });
    defer second.deinit();
    try expectValue("hello", try first.call("you"));
    try expectValue("bye", try second.call("you"));
    try expectEqual(@as(u64, 2), cache.len());
    try expect(first.cache().handle == cache.handle);
    try expectValue(null, try first.call("nobody"));
    try expectError(error.NoName, first.call(""));
}

// ---- Threads ------------------------------------------------------------------------------------

fn work(cache: Cache, begin: u32, wrong: *usize) void {
    workOn(cache, begin) catch {
        _ = @atomicRmw(usize, wrong, .Add, 1, .seq_cst);
    };
}

fn workOn(cache: Cache, begin: u32) !void {
    for (0..5000) |i| {
        const number: u32 = (@as(u32, @intCast(i)) + begin) % 150;
        const key = std.mem.asBytes(&number);
        _ = try cache.set(key, key);
        const other: u32 = (number * 7) % 150;
        if (try cache.get(std.mem.asBytes(&other))) |value| {
            try expectValue(std.mem.asBytes(&other), value);
        }
    }
}

test "threads share a cache" {
    const cache = try Cache.initWith(.{ .policy = .sieve, .maxsize = 100, .shards = 8 }, {});
    defer cache.deinit();
    var wrong: usize = 0;
    var threads: [4]std.Thread = undefined;
    for (&threads, 0..) |*thread, i| {
        const begin: u32 = @intCast(37 * i);
        thread.* = try std.Thread.spawn(.{}, work, .{ cache, begin, &wrong });
    }
    for (threads) |thread| thread.join();
    try expectEqual(@as(usize, 0), wrong);
    try expect(cache.len() <= 100);
}
