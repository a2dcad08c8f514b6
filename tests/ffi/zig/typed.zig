// SPDX-License-Identifier: MIT
//! Caches of values of a type. tests.zig tests what they share with caches of bytes.
const std = @import("std");
const ct = @import("cachetools");
const Bytes = []const u8;
const expect = std.testing.expect;
const expectEqual = std.testing.expectEqual;
const expectError = std.testing.expectError;
const expectEqualStrings = std.testing.expectEqualStrings;

// ---- Keys ---------------------------------------------------------------------------------------

/// Stores a value under each of several keys that differ, and reads keys and values back.
fn expectKeys(comptime K: type, keys: []const K) !void {
    const cache = try ct.Cache(K, usize).init(.fifo, 100);
    defer cache.deinit();
    for (keys, 0..) |key, i| try expect(try cache.set(key, i));
    try expectEqual(@as(u64, keys.len), cache.len());
    for (keys, 0..) |key, i| try expectEqual(i, try cache.get(key));
    const walk = try cache.iterate(.any);
    defer walk.deinit();
    var seen: usize = 0;
    while (try walk.next()) |entry| : (seen += 1) {
        try std.testing.expectEqualDeep(keys[entry.value], entry.key);
    }
    try expectEqual(keys.len, seen);
    const first = (try cache.popVictim()).?;
    try expectEqual(@as(usize, 0), first.value);
    if (K == Bytes) {
        defer first.key.deinit();
        try expectEqualStrings(keys[0], first.key.bytes());
    } else {
        try expectEqual(keys[0], first.key);
    }
    try expect(try cache.remove(keys[1]) and !try cache.remove(keys[1]));
}

test "keys are bytes, numbers, and what is made of numbers" {
    const Color = enum(u8) { red, green };
    const Point = extern struct { x: i32, y: i32 };
    const Bits = packed struct { low: u3, high: i12, flag: bool };
    try expectKeys(Bytes, &.{ "", "a", "\x00", "\x00\x00" });
    try expectKeys(bool, &.{ false, true });
    try expectKeys(u8, &.{ 0, 255 });
    try expectKeys(i64, &.{ -1, 0, 1, std.math.maxInt(i64) });
    try expectKeys(u128, &.{ 0, 1, std.math.maxInt(u128) });
    try expectKeys(Color, &.{ .red, .green });
    try expectKeys([2]i16, &.{ .{ 1, 2 }, .{ 2, 1 } });
    try expectKeys(Point, &.{ .{ .x = 1, .y = 2 }, .{ .x = 2, .y = 1 } });
    try expectKeys(Bits, &.{
        .{ .low = 1, .high = -1, .flag = true },
        .{ .low = 1, .high = 0, .flag = true },
    });
}

// ---- Values -------------------------------------------------------------------------------------

test "values without pointers are copied" {
    const Quote = struct { price: f64, volume: ?u32, name: [4]u8 };
    const cache = try ct.Cache(u32, Quote).init(.lru, 10);
    defer cache.deinit();
    const quote = Quote{ .price = 2.5, .volume = null, .name = "tea ".* };
    try expect(try cache.set(7, quote));
    try expectEqual(quote, (try cache.get(7)).?);
    try expectEqual(quote, (try cache.peek(7)).?);
    try expect(try cache.get(8) == null);
    try expectEqual(quote, try cache.getOrSet(7, undefined));
    const stats = try cache.stats();
    try expect(stats.hits == 2 and stats.misses == 1 and stats.pinned == 0);
    var values: [3]?Quote = undefined;
    try cache.getMany(&.{ 7, 8, 7 }, &values);
    try expect(values[0].?.price == 2.5 and values[1] == null and values[2].?.price == 2.5);
    const entries = [_]ct.Entry(u32, Quote){
        .{ .key = 1, .value = quote },
        .{ .key = 2, .value = quote },
    };
    var outcomes: [2]ct.Error!ct.Outcome = undefined;
    try cache.setMany(std.testing.allocator, &entries, .{}, &outcomes);
    for (outcomes) |outcome| try expectEqual(.stored, try outcome);
    try expectEqual(quote, (try cache.pop(2)).?);
    try expect(try cache.setTtl(2, quote, .forever));
    try expectEqual(.exists, try cache.setWith(2, quote, .{ .condition = .if_absent }));
    try expect(try cache.setLifetime(2, .minutes(1)));
    const info = (try cache.inspect(2)).?;
    try expect(info.remaining > 50 * std.time.ns_per_s and info.key_size == 4);
}

test "values may be nothing, and bytes by keys of a type" {
    const set = try ct.Cache(i16, void).init(.lru, 10);
    defer set.deinit();
    try expect(try set.set(-5, {}));
    try expect(try set.get(-5) != null and try set.get(5) == null);

    const texts = try ct.Cache(i16, Bytes).init(.lru, 10);
    defer texts.deinit();
    try expect(try texts.set(1, "one"));
    const one = (try texts.get(1)).?;
    defer one.deinit();
    try texts.clear();
    try expectEqualStrings("one", one.bytes());
}

test "callbacks get keys and values" {
    const Callbacks = struct {
        listened: i64 = 0,
        dropped: i64 = 0,

        pub fn listen(self: *@This(), event: ct.Event(u32, i64)) void {
            if (event.cause == .evicted) self.listened += event.key * event.value;
        }
        pub fn weigh(_: *@This(), key: u32, value: i64) u64 {
            return key + @as(u64, @intCast(value));
        }
        pub fn timeToUse(_: *@This(), key: u32, _: i64, _: u64) u64 {
            return if (key == 9) 0 else ct.never;
        }
        pub fn drop(self: *@This(), value: i64) void {
            self.dropped += value;
        }
    };
    var callbacks = Callbacks{};
    const cache = try ct.Cache(u32, i64).initWith(.{ .policy = .tlru, .maxsize = 30 }, &callbacks);
    defer cache.deinit();
    try expect(try cache.set(2, 10));
    try expect(try cache.set(3, 20));
    try expectEqual(@as(u64, 23), cache.weight());
    try expect(callbacks.listened == 20 and callbacks.dropped == 10);
    try expect(!try cache.set(9, 1));
    const IsTwenty = struct {
        pub fn matches(_: @This(), key: u32, value: i64) bool {
            return key == 3 and value == 20;
        }
    };
    try expectEqual(@as(u64, 1), cache.removeIf(IsTwenty{}));
    try expect(callbacks.dropped == 30);
}

const Upper = struct {
    calls: usize = 0,

    pub fn load(self: *Upper, key: u8, result: ct.Result(u32)) anyerror!bool {
        self.calls += 1;
        if (key == 'x') return false;
        if (key == 'e') return error.NoSuchLetter;
        if (key == 't') result.ttl(.zero);
        try result.set(std.ascii.toUpper(key));
        return true;
    }
};

const Doubled = struct {
    pub fn change(_: Doubled, old: ?u32, result: ct.Result(u32)) anyerror!ct.Change {
        try result.set(2 * (old orelse return .leave));
        return .store;
    }
};

test "values are loaded, computed and leased" {
    const cache = try ct.Cache(u8, u32).init(.lru, 10);
    defer cache.deinit();
    var upper = Upper{};
    for (0..2) |_| try expectEqual(@as(?u32, 'A'), try cache.getOrLoad('a', &upper));
    try expectEqual(@as(usize, 1), upper.calls);
    try expectEqual(@as(?u32, null), try cache.getOrLoad('x', &upper));
    try expectError(error.NoSuchLetter, cache.getOrLoad('e', &upper));
    try expectEqual(@as(?u32, 'T'), try cache.getOrLoad('t', &upper));
    try expect(!cache.contains('t'));
    try expectEqual(@as(?u32, 2 * 'A'), try cache.compute('a', Doubled{}));
    try expectEqual(@as(?u32, null), try cache.compute('b', Doubled{}));
    const lease = (try cache.getOrLease('b', .zero)).lease;
    try expectEqual(@as(u8, 'b'), lease.key());
    try expectEqual(@as(u32, 5), try lease.fulfil(5, .{}));
    try expectEqual(@as(u32, 5), (try cache.getOrLease('b', .zero)).value);
}

test "that there is no value is remembered, of values and of objects" {
    const options = ct.Options{ .maxsize = 100, .negative_ttl = .hours(1) };
    const letters = try ct.Cache(u8, u32).initWith(options, {});
    defer letters.deinit();
    var upper = Upper{};
    for (0..3) |_| try expectEqual(@as(?u32, null), try letters.getOrLoad('x', &upper));
    try expectEqual(@as(usize, 1), upper.calls);
    try expect(try letters.set('x', 7));
    try expectEqual(@as(?u32, 7), try letters.getOrLoad('x', &upper));

    var alive = Alive.init(0);
    var calls = Alive.init(0);
    const objects = try Objects.initWith(options, {});
    defer objects.deinit();
    const none = Maker{ .alive = &alive, .calls = &calls, .what = .none };
    for (0..3) |_| try expect(try objects.getOrLoad(1, none) == null);
    try expect(try objects.getStaleOrLoad(1, none) == null);
    try expectEqual(@as(usize, 1), alivesOf(&calls));
    try expectEqual(@as(u64, 3), (try objects.stats()).negative_hits);
    try expect(!try objects.remove(1));
    try expect(try objects.getOrLoad(1, none) == null);
    try expectEqual(@as(usize, 2), alivesOf(&calls));
    try expect(try objects.set(1, try Counted.init(1, &alive)));
    (try objects.getOrLoad(1, none)).?.deinit();
    try expectEqual(@as(usize, 2), alivesOf(&calls));
}

/// Loads many objects: no 0, and 9 fails. Others may change keys meanwhile.
const ManyMaker = struct {
    alive: *Alive,
    asked: *Alive,
    cache: ?Objects = null,
    failure: ?anyerror = null,
    is_discarded: bool = false,

    pub fn loadMany(self: ManyMaker, batch: ct.Batch(u32, *Counted)) anyerror!void {
        _ = self.asked.fetchAdd(batch.len(), .seq_cst);
        for (0..batch.len()) |i| {
            const key = batch.key(i);
            if (key == 0) continue;
            if (self.is_discarded) batch.result(i).discard();
            try batch.result(i).set(try Counted.init(key, self.alive));
            if (key == 9) batch.result(i).fail(error.DatabaseIsDown);
        }
        if (self.cache) |cache| {
            const maker = Maker{ .alive = self.alive, .calls = self.asked };
            try expectError(error.Recursion, cache.getOrLoad(batch.key(0), maker));
        }
        if (self.failure) |failure| return failure;
    }
};

const ObjectAnswer = anyerror!?ct.Loaded(*Counted);

fn expectObject(expected: u32, answer: ObjectAnswer) !void {
    const read = (try answer).?;
    defer read.value.deinit();
    try expectEqual(expected, read.value.object.number);
}

test "many objects are loaded by one call" {
    var alive = Alive.init(0);
    var asked = Alive.init(0);
    const cache = try Objects.initWith(.{ .maxsize = 10, .negative_ttl = .hours(1) }, {});
    var maker = ManyMaker{ .alive = &alive, .asked = &asked, .cache = cache };
    try expect(try cache.set(2, try Counted.init(2, &alive)));
    const allocator = std.testing.allocator;
    var answers: [5]ObjectAnswer = undefined;
    try cache.getOrLoadMany(allocator, &.{ 1, 2, 0, 9, 1 }, maker, .{}, &answers);
    try expectEqual(@as(usize, 3), alivesOf(&asked));
    try expectObject(1, answers[0]);
    try expectObject(2, answers[1]);
    try expect(try answers[2] == null);
    try expectError(error.DatabaseIsDown, answers[3]);
    try expectObject(1, answers[4]);
    try expectEqual(@as(usize, 2), alivesOf(&alive));
    try cache.getOrLoadMany(allocator, &.{ 0, 1 }, maker, .{}, &answers);
    try expectEqual(@as(usize, 3), alivesOf(&asked)); // that there is none is remembered
    try expect(try answers[0] == null);
    try expectObject(1, answers[1]);

    maker.failure = error.Recursion;
    maker.cache = null;
    try cache.getOrLoadMany(allocator, &.{ 1, 3, 4 }, maker, .{}, &answers);
    try expectObject(1, answers[0]);
    for (answers[1..3]) |answer| try expectError(error.Recursion, answer);
    maker.failure = null;
    maker.is_discarded = true;
    try cache.getOrLoadMany(allocator, &.{ 5, 5 }, maker, .{}, &answers);
    try expectObject(5, answers[0]);
    try expectObject(5, answers[1]);
    maker.is_discarded = false;
    asked.store(0, .seq_cst);
    try cache.getOrLoadMany(allocator, &.{2}, maker, .{ .force = true }, &answers);
    try expectObject(2, answers[0]);
    try expectEqual(@as(usize, 1), alivesOf(&asked));
    try expectEqual(@as(usize, 2), alivesOf(&alive));
    try expectEqual(@as(u64, 0), (try cache.stats()).pinned);
    cache.deinit();
    try expectEqual(@as(usize, 0), alivesOf(&alive));
}

test "many objects are renewed, and old ones serve" {
    var clock = Clock{};
    var alive = Alive.init(0);
    const cache = try Objects.initWith(.{
        .maxsize = 10,
        .ttl = .{ .ns = 100 },
        .stale = .{ .ns = 50 },
        .retry = .{ .ns = 5 },
    }, &clock);
    const ManyRenewer = struct {
        pub fn loadMany(_: @This(), batch: ct.Batch(u32, *Counted)) anyerror!void {
            for (0..batch.len()) |i| {
                try expectEqual(batch.key(i), batch.result(i).old().?.number);
                if (batch.key(i) == 1) batch.result(i).notModified();
                if (batch.key(i) == 2) batch.result(i).fail(error.DatabaseIsDown);
            }
        }
    };
    for (1..4) |number| {
        const object = try Counted.init(@intCast(number), &alive);
        try expect(try cache.set(@intCast(number), object));
    }
    clock.now += 110;
    var answers: [3]ObjectAnswer = undefined;
    const keys = [_]u32{ 1, 2, 3 };
    try cache.getOrLoadMany(std.testing.allocator, &keys, ManyRenewer{}, .{}, &answers);
    try expect(!(try answers[0]).?.is_stale and (try answers[1]).?.is_stale);
    try expectObject(1, answers[0]);
    try expectObject(2, answers[1]);
    try expect(try answers[2] == null);
    cache.deinit();
    try expectEqual(@as(usize, 0), alivesOf(&alive));
}

/// Asks for the same keys as others, in an order of its own.
const ManyAsker = struct {
    fn run(cache: Objects, maker: ManyMaker, start: usize, wrong: *Alive) void {
        for (0..50) |turn| {
            var keys: [8]u32 = undefined;
            for (&keys, 0..) |*key, i| key.* = @intCast(10 + 10 * turn + (start + i) % 8);
            var answers: [8]ObjectAnswer = undefined;
            cache.getOrLoadMany(std.testing.allocator, &keys, maker, .{}, &answers) catch {
                _ = wrong.fetchAdd(1, .seq_cst);
                continue;
            };
            for (keys, answers) |key, answer| expectObject(key, answer) catch {
                _ = wrong.fetchAdd(1, .seq_cst);
            };
        }
    }
};

test "batches of objects that overlap do not wait for each other" {
    for ([_]bool{ false, true }) |is_discarded| {
        var alive = Alive.init(0);
        var asked = Alive.init(0);
        var wrong = Alive.init(0);
        const cache = try Objects.init(.lru, 1000);
        const maker = ManyMaker{ .alive = &alive, .asked = &asked, .is_discarded = is_discarded };
        var threads: [4]std.Thread = undefined;
        for (&threads, 0..) |*thread, i| {
            thread.* = try std.Thread.spawn(.{}, ManyAsker.run, .{ cache, maker, i, &wrong });
        }
        for (threads) |thread| thread.join();
        try expectEqual(@as(usize, 0), alivesOf(&wrong));
        if (!is_discarded) try expectEqual(@as(usize, 400), alivesOf(&asked));
        cache.deinit();
        try expectEqual(@as(usize, 0), alivesOf(&alive));
    }
}

test "a snapshot of typed values goes into another cache" {
    var bytes: [512]u8 = undefined;
    const Tape = struct {
        bytes: []u8,
        size: usize = 0,
        position: usize = 0,

        pub fn writeAll(self: *@This(), piece: []const u8) anyerror!void {
            @memcpy(self.bytes[self.size..][0..piece.len], piece);
            self.size += piece.len;
        }
        pub fn read(self: *@This(), buffer: []u8) anyerror!usize {
            const count = @min(buffer.len, self.size - self.position);
            @memcpy(buffer[0..count], self.bytes[self.position..][0..count]);
            self.position += count;
            return count;
        }
    };
    var tape = Tape{ .bytes = &bytes };
    const cache = try ct.Cache(u16, f32).init(.lru, 10);
    defer cache.deinit();
    try expect(try cache.set(1, 1.5));
    try cache.save(&tape);
    const other = try ct.Cache(u16, f32).init(.sieve, 10);
    defer other.deinit();
    try other.load(&tape);
    try expectEqual(@as(?f32, 1.5), try other.get(1));
}

/// Evicts the entry stored last, and remembers what it is told.
const Watcher = struct {
    key: u8 = 0,
    weight: u64 = 0,
    limit: u64 = 0,
    updates: usize = 0,

    pub fn weigh(_: *Watcher, _: u8, value: u64) u64 {
        return value;
    }

    pub const Evictor = struct {
        watcher: *Watcher,
        id: u32 = 0,

        pub fn init(watcher: *Watcher, _: u64) ?*Evictor {
            const self = std.testing.allocator.create(Evictor) catch return null;
            self.* = .{ .watcher = watcher };
            return self;
        }
        pub fn deinit(self: *Evictor) void {
            std.testing.allocator.destroy(self);
        }
        pub fn insert(self: *Evictor, id: u32, _: u64, _: []const u8, _: u64) void {
            self.id = id;
        }
        pub fn update(self: *Evictor, id: u32, weight: u64, key: []const u8, _: u64) void {
            self.id = id;
            self.watcher.updates += 1;
            self.watcher.weight = weight;
            self.watcher.key = key[0];
        }
        pub fn hit(_: *Evictor, _: u32, _: u64) void {}
        pub fn remove(_: *Evictor, _: u32) void {}
        pub fn resize(self: *Evictor, maxsize: u64) void {
            self.watcher.limit = maxsize;
        }
        pub fn victim(self: *Evictor) u32 {
            return self.id;
        }
    };
};

test "a policy of one's own is told of updates and limits" {
    var watcher = Watcher{};
    const options = ct.Options{ .policy = .custom, .maxsize = 100 };
    const cache = try ct.Cache(u8, u64).initWith(options, &watcher);
    defer cache.deinit();
    try expect(try cache.set('a', 1) and try cache.set('a', 3));
    try expect(watcher.updates == 1 and watcher.weight == 3 and watcher.key == 'a');
    try cache.resize(50);
    try expectEqual(@as(u64, 50), watcher.limit);
}

// ---- Objects ------------------------------------------------------------------------------------

/// An object that counts how many of its kind there are.
const Counted = struct {
    number: u32,
    alive: *std.atomic.Value(usize),

    fn init(number: u32, alive: *std.atomic.Value(usize)) !*Counted {
        const self = try std.heap.c_allocator.create(Counted);
        self.* = .{ .number = number, .alive = alive };
        _ = alive.fetchAdd(1, .seq_cst);
        return self;
    }

    pub fn deinit(self: *Counted) void {
        _ = self.alive.fetchSub(1, .seq_cst);
        std.heap.c_allocator.destroy(self);
    }
};

const Alive = std.atomic.Value(usize);
const Objects = ct.Cache(u32, *Counted);

fn alivesOf(alive: *const Alive) usize {
    return alive.load(.seq_cst);
}

test "objects are the cache's until nobody reads them" {
    var alive = Alive.init(0);
    const cache = try Objects.init(.lru, 2);
    for (0..5) |i| try expect(try cache.set(@intCast(i), try Counted.init(@intCast(i), &alive)));
    try expectEqual(@as(usize, 2), alivesOf(&alive));
    try expect(try cache.set(4, try Counted.init(40, &alive))); // replaces it
    try expectEqual(@as(usize, 2), alivesOf(&alive));

    const read = (try cache.get(4)).?;
    const again = try read.ref();
    try expectEqual(@as(u32, 40), read.object.number);
    try cache.clear();
    try expectEqual(@as(usize, 1), alivesOf(&alive));
    read.deinit();
    try expectEqual(@as(u32, 40), again.object.number);
    again.deinit();
    try expectEqual(@as(usize, 0), alivesOf(&alive));

    const late = try Counted.init(7, &alive);
    try expect(!try cache.setTtl(7, late, .zero)); // it is still the caller's
    try expectEqual(@as(usize, 1), alivesOf(&alive));
    try expectEqual(.missing, try cache.setWith(7, late, .{ .condition = .if_present }));
    try expect(try cache.set(7, late));
    const popped = (try cache.pop(7)).?;
    try expect(popped.object == late);
    popped.deinit();
    try expectEqual(@as(usize, 0), alivesOf(&alive));

    try expect(try cache.set(8, try Counted.init(8, &alive)));
    const left = (try cache.get(8)).?;
    cache.deinit();
    try expectEqual(@as(usize, 1), alivesOf(&alive));
    left.deinit();
    try expectEqual(@as(usize, 0), alivesOf(&alive));
}

/// Loads objects, as its fields say.
const Maker = struct {
    alive: *Alive,
    calls: *Alive,
    cache: ?Objects = null,
    what: What = .plain,

    const What = enum {
        plain,
        twice,
        none,
        nothing,
        failing,
        failing_late,
        heavy,
        late,
        discarded,
        overtaken,
        again,
    };

    pub fn load(self: Maker, key: u32, result: ct.Result(*Counted)) anyerror!bool {
        _ = self.calls.fetchAdd(1, .seq_cst);
        switch (self.what) {
            .plain => {},
            .twice => try result.set(try Counted.init(key, self.alive)),
            .none => return false,
            .nothing => return true,
            .failing => return error.DatabaseIsDown,
            .failing_late => {
                try result.set(try Counted.init(key, self.alive));
                return error.DatabaseIsDown;
            },
            .heavy => result.weight(1000),
            .late => result.ttl(.zero),
            .discarded => result.discard(),
            .overtaken => _ = try self.cache.?.remove(key),
            .again => {
                if (try self.cache.?.getOrLoad(key, self)) |read| read.deinit();
            },
        }
        try result.set(try Counted.init(key, self.alive));
        return true;
    }
};

test "objects are loaded once, and go to their own caller if they are not kept" {
    var alive = Alive.init(0);
    var calls = Alive.init(0);
    const cache = try Objects.init(.lru, 10);
    const maker = Maker{ .alive = &alive, .calls = &calls, .cache = cache };
    for (0..2) |_| {
        const read = (try cache.getOrLoad(1, maker)).?;
        defer read.deinit();
        try expectEqual(@as(u32, 1), read.object.number);
    }
    try expectEqual(@as(usize, 1), alivesOf(&calls));
    const stats = try cache.stats();
    try expect(stats.hits == 1 and stats.misses == 1 and stats.loads == 1 and stats.pinned == 0);

    var it = maker;
    it.what = .twice;
    (try cache.getOrLoad(2, it)).?.deinit();
    try expectEqual(@as(usize, 2), alivesOf(&alive));
    it.what = .none;
    try expect(try cache.getOrLoad(3, it) == null);
    it.what = .nothing;
    try expectError(error.Callback, cache.getOrLoad(3, it));
    it.what = .failing;
    try expectError(error.DatabaseIsDown, cache.getOrLoad(3, it));
    it.what = .failing_late;
    try expectError(error.DatabaseIsDown, cache.getOrLoad(3, it));
    it.what = .again;
    try expectError(error.Recursion, cache.getOrLoad(3, it));
    try expectEqual(@as(usize, 2), alivesOf(&alive));
    for ([_]Maker.What{ .heavy, .late, .discarded, .overtaken }) |what| {
        it.what = what;
        const read = (try cache.getOrLoad(3, it)).?;
        try expectEqual(@as(u32, 3), read.object.number);
        (try read.ref()).deinit();
        try expect(!cache.contains(3));
        try expectEqual(@as(usize, 3), alivesOf(&alive));
        read.deinit();
        try expectEqual(@as(usize, 2), alivesOf(&alive));
    }
    cache.deinit();
    try expectEqual(@as(usize, 0), alivesOf(&alive));
}

const Clock = struct {
    now: u64 = 1000,

    pub fn timer(self: *Clock) u64 {
        return self.now;
    }
};

/// Renews objects, as its fields say.
const Renewer = struct {
    alive: *Alive,
    cache: Objects,
    expected: ?u32 = null,
    is_stale: bool = false,
    what: union(enum) { keep, none, discard: u32, remove, fail: anyerror, bring: u32 },

    pub fn load(self: Renewer, key: u32, result: ct.Result(*Counted)) anyerror!bool {
        if (self.expected) |expected| {
            try expectEqual(expected, result.old().?.number);
            const others = (try self.cache.getStaleOrLoad(key, self)).?;
            defer others.value.deinit();
            try expectEqual(expected, others.value.object.number);
            try expectEqual(self.is_stale, others.is_stale);
        } else {
            try expect(result.old() == null);
        }
        switch (self.what) {
            .keep => {
                try result.set(try Counted.init(0, self.alive));
                result.notModified();
            },
            .none => return false,
            .discard => |number| {
                result.discard();
                try result.set(try Counted.init(number, self.alive));
            },
            .remove => {
                try expect(self.is_stale != try self.cache.remove(key));
                return error.DatabaseIsDown;
            },
            .fail => |reason| {
                try result.set(try Counted.init(0, self.alive));
                return reason;
            },
            .bring => |number| {
                result.notModified();
                try result.set(try Counted.init(number, self.alive));
            },
        }
        return true;
    }

    fn expectFound(self: Renewer, number: u32, is_stale: bool) !void {
        const found = (try self.cache.getStaleOrLoad(1, self)).?;
        defer found.value.deinit();
        try expectEqual(number, found.value.object.number);
        try expectEqual(is_stale, found.is_stale);
    }
};

test "objects are renewed, and old ones serve" {
    var alive = Alive.init(0);
    var clock = Clock{};
    const cache = try Objects.initWith(.{
        .maxsize = 10,
        .ttl = .{ .ns = 100 },
        .refresh_ahead = .{ .ns = 20 },
        .stale = .{ .ns = 50 },
        .retry = .{ .ns = 5 },
    }, &clock);
    try expect(try cache.set(1, try Counted.init(10, &alive)));
    var it = Renewer{ .alive = &alive, .cache = cache, .expected = 10, .what = .keep };
    clock.now = 1090;
    try it.expectFound(10, false);
    try expectEqual(@as(u64, 100), (try cache.inspect(1)).?.remaining);
    clock.now = 1180;
    it.what = .{ .fail = error.DatabaseIsDown };
    try it.expectFound(10, false);
    clock.now = 1200;
    it.is_stale = true;
    try it.expectFound(10, true);
    try it.expectFound(10, true); // nobody tries again so soon
    try expectEqual(@as(u64, 2), (try cache.stats()).renewal_failures);
    clock.now = 1210;
    it.what = .{ .fail = error.Busy };
    try expectError(error.Busy, cache.getOrLoad(1, it));
    it.what = .{ .bring = 11 };
    try it.expectFound(11, false);
    clock.now = 1300;
    it.is_stale = false;
    it.expected = 11;
    it.what = .remove; // what was invalidated is never served
    try expectError(error.DatabaseIsDown, cache.getOrLoad(1, it));
    try expectEqual(@as(usize, 0), alivesOf(&alive));

    try expect(try cache.set(1, try Counted.init(12, &alive)));
    clock.now = 1390;
    it.expected = 12;
    it.what = .none;
    try expect(try cache.getOrLoad(1, it) == null);
    try expectEqual(@as(usize, 0), alivesOf(&alive));
    try expect(try cache.set(1, try Counted.init(13, &alive)));
    clock.now = 1480;
    it.expected = 13;
    it.what = .{ .discard = 14 };
    try it.expectFound(14, false);
    try expectEqual(@as(usize, 0), alivesOf(&alive));
    it.expected = null;
    it.what = .keep;
    try expectError(error.Callback, cache.getOrLoad(1, it));
    try expectEqual(@as(u64, 0), (try cache.stats()).pinned);
    cache.deinit();
    try expectEqual(@as(usize, 0), alivesOf(&alive));
}

/// Loads an object while another thread asks for it, then fails.
const FailsLate = struct {
    reason: ?anyerror,
    cache: Objects,
    alive: *Alive,
    calls: *Alive,
    failure: *?anyerror,
    began: *std.atomic.Value(bool),
    thread: *?std.Thread,

    pub fn load(self: FailsLate, _: u32, result: ct.Result(*Counted)) anyerror!bool {
        self.thread.* = try std.Thread.spawn(.{}, wait, .{self});
        while (!self.began.load(.seq_cst)) std.atomic.spinLoopHint();
        for (0..100) |_| std.Thread.yield() catch {};
        try result.set(try Counted.init(0, self.alive));
        return self.reason orelse false;
    }

    fn wait(self: FailsLate) void {
        const maker = Maker{ .alive = self.alive, .calls = self.calls };
        self.began.store(true, .seq_cst);
        if (self.cache.getOrLoad(1, maker)) |found| {
            if (found) |read| read.deinit();
        } else |failure| {
            self.failure.* = failure;
        }
    }
};

test "a failure to load an object is that of all who wait" {
    var alive = Alive.init(0);
    var calls = Alive.init(0);
    const cache = try Objects.init(.lru, 10);
    for ([_]?anyerror{ error.DatabaseIsDown, null, error.Busy }) |reason| {
        const is_shared = reason == null or reason.? != error.Busy;
        for (0..100000) |_| {
            try cache.resetStats();
            calls.store(0, .seq_cst);
            var failure: ?anyerror = null;
            var began = std.atomic.Value(bool).init(false);
            var thread: ?std.Thread = null;
            const loader = FailsLate{
                .reason = reason,
                .cache = cache,
                .alive = &alive,
                .calls = &calls,
                .failure = &failure,
                .began = &began,
                .thread = &thread,
            };
            if (cache.getOrLoad(1, loader)) |found| {
                try expect(found == null and reason == null);
            } else |own| {
                try expectEqual(reason.?, own);
            }
            thread.?.join();
            _ = try cache.remove(1);
            const stats = try cache.stats();
            if (is_shared and stats.shared_failures == 0) continue;
            try expectEqual(@as(usize, if (is_shared) 0 else 1), alivesOf(&calls));
            try expectEqual(if (is_shared) reason else null, failure);
            if (is_shared) try expectEqual(@as(u64, 2), stats.misses);
            break;
        } else return error.NobodyWaited;
    }
    cache.deinit();
    try expectEqual(@as(usize, 0), alivesOf(&alive));
}

/// Changes a key while another thread asks for it, then brings an object, or fails.
const ChangesLate = struct {
    cache: Objects,
    alive: *Alive,
    calls: *Alive,
    found: *Alive,
    began: *std.atomic.Value(bool),
    thread: *?std.Thread,
    sets: bool,
    reason: ?anyerror = null,

    pub fn load(self: ChangesLate, key: u32, result: ct.Result(*Counted)) anyerror!bool {
        self.thread.* = try std.Thread.spawn(.{}, wait, .{self});
        while (!self.began.load(.seq_cst)) std.atomic.spinLoopHint();
        for (0..100) |_| std.Thread.yield() catch {};
        if (self.sets) {
            try expect(try self.cache.set(key, try Counted.init(50, self.alive)));
            try expect(try self.cache.remove(key));
            // One that has waited has that; one that asks only now loads itself.
            self.thread.*.?.join();
            self.thread.* = null;
        } else {
            try expect(!try self.cache.remove(key));
        }
        if (self.reason) |reason| return reason;
        try result.set(try Counted.init(7, self.alive));
        result.tag("sevens");
        return true;
    }

    fn wait(self: ChangesLate) void {
        const maker = Maker{ .alive = self.alive, .calls = self.calls };
        self.began.store(true, .seq_cst);
        const found = self.cache.getOrLoad(1, maker) catch return;
        self.found.store(found.?.object.number, .seq_cst);
        found.?.deinit();
    }

    fn expectTold(self: ChangesLate, number: u32) !void {
        for (0..100000) |_| {
            self.calls.store(0, .seq_cst);
            self.found.store(0, .seq_cst);
            self.began.store(false, .seq_cst);
            if (self.cache.getOrLoad(1, self)) |own| {
                try expectEqual(@as(u32, 7), own.?.object.number);
                own.?.deinit();
            } else |reason| try expectEqual(self.reason.?, reason);
            if (self.thread.*) |thread| thread.join();
            const waited = alivesOf(self.calls) == 0 and alivesOf(self.found) != 0;
            if (waited) try expectEqual(@as(usize, number), alivesOf(self.found));
            try expectEqual(!waited, try self.cache.remove(1));
            if (waited) return;
        } else return error.NobodyWaited;
    }
};

// They waited until the loader came back, and failed with it, or loaded one after the other.
test "who waits gets what is set meanwhile at once, or shares an object that is not kept" {
    var alive = Alive.init(0);
    var calls = Alive.init(0);
    var found = Alive.init(0);
    var began = std.atomic.Value(bool).init(false);
    var thread: ?std.Thread = null;
    const cache = try Objects.init(.lru, 10);
    var it = ChangesLate{
        .cache = cache,
        .alive = &alive,
        .calls = &calls,
        .found = &found,
        .began = &began,
        .thread = &thread,
        .sets = true,
    };
    try it.expectTold(50);
    it.reason = error.DatabaseIsDown;
    try it.expectTold(50);
    it.reason = null;
    it.sets = false;
    try it.expectTold(7);
    try expectEqual(@as(usize, 0), alivesOf(&alive));
    cache.deinit();
}

test "objects and computes have tags and lifetimes, and computes renew nothing" {
    var alive = Alive.init(0);
    const objects = try Objects.init(.lru, 10);
    defer objects.deinit();
    const Tags = struct {
        alive: *Alive,

        pub fn load(self: @This(), key: u32, result: ct.Result(*Counted)) anyerror!bool {
            result.tag("red");
            try result.set(try Counted.init(key, self.alive));
            return true;
        }
    };
    (try objects.getOrLoad(1, Tags{ .alive = &alive })).?.deinit();
    try expect(objects.contains(1));
    try objects.invalidateTag("red");
    try expect(!objects.contains(1));

    var clock = Clock{};
    const numbers = try ct.Cache(u32, u32).initWith(.{ .maxsize = 10, .ttl = .{ .ns = 100 } }, &clock);
    defer numbers.deinit();
    const Changes = struct {
        renews: bool,

        pub fn change(self: @This(), old: ?u32, result: ct.Result(u32)) anyerror!ct.Change {
            if (self.renews) {
                result.notModified();
            } else {
                result.keepTtl();
                try result.set(old.? + 1);
            }
            return .store;
        }
    };
    try expect(try numbers.set(1, 41));
    clock.now += 30;
    try expectEqual(@as(?u32, 42), try numbers.compute(1, Changes{ .renews = false }));
    try expectEqual(@as(u64, 70), (try numbers.inspect(1)).?.remaining);
    try expectError(error.Callback, numbers.compute(1, Changes{ .renews = true }));
    try expectEqual(@as(?u32, 42), try numbers.get(1));
}

fn work(cache: Objects, seed: u32, maker: Maker, wrong: *Alive) void {
    workOn(cache, seed, maker) catch {
        _ = wrong.fetchAdd(1, .seq_cst);
    };
}

fn workOn(cache: Objects, seed: u32, maker: Maker) !void {
    var random = seed;
    for (0..3000) |_| {
        random = random *% 1664525 +% 1013904223;
        const key = (random >> 16) % 80;
        const read = switch ((random >> 8) % 4) {
            0 => {
                if (!try cache.set(key, try Counted.init(key, maker.alive))) return error.NotKept;
                continue;
            },
            1 => try cache.pop(key),
            2 => try cache.getOrLoad(key, maker),
            else => try cache.get(key),
        };
        if (read) |it| {
            defer it.deinit();
            try expectEqual(key, it.object.number);
        }
    }
}

test "threads share a cache of objects" {
    var alive = Alive.init(0);
    var calls = Alive.init(0);
    var wrong = Alive.init(0);
    const cache = try Objects.initWith(.{ .policy = .sieve, .maxsize = 50, .shards = 8 }, {});
    const maker = Maker{ .alive = &alive, .calls = &calls };
    var threads: [4]std.Thread = undefined;
    for (&threads, 1..) |*thread, i| {
        const seed: u32 = @intCast(i);
        thread.* = try std.Thread.spawn(.{}, work, .{ cache, seed, maker, &wrong });
    }
    for (threads) |thread| thread.join();
    try expectEqual(@as(usize, 0), alivesOf(&wrong));
    try expectEqual(@as(u64, 0), (try cache.stats()).pinned);
    try expectEqual(cache.len(), @as(u64, alivesOf(&alive)));
    cache.deinit();
    try expectEqual(@as(usize, 0), alivesOf(&alive));
}

test "objects whose cache cannot be made cost nothing" {
    const none = std.testing.failing_allocator;
    const options = ct.Options{ .maxsize = 10, .allocator = &none };
    try expectError(error.OutOfMemory, Objects.initWith(options, {}));
    // The cache itself is made, its turns are not: it checks that nothing is left.
    var failing = std.testing.FailingAllocator.init(std.testing.allocator, .{});
    const all = failing.allocator();
    (try Objects.initWith(.{ .maxsize = 10, .allocator = &all }, {})).deinit();
    for (0..failing.alloc_index) |index| {
        var at = std.testing.FailingAllocator.init(std.testing.allocator, .{ .fail_index = index });
        const one = at.allocator();
        const cache = Objects.initWith(.{ .maxsize = 10, .allocator = &one }, {});
        try expectError(error.OutOfMemory, cache);
    }
}
