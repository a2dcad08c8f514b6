// SPDX-License-Identifier: MIT
//! What cachetools.h declares, in Zig, which has no @cImport from 0.17 on. The header says what it
//! means. tests/ffi/check_declarations.py compares the two.

const std = @import("std");

pub const ct_status = i32;
pub const ct_policy = i32;

pub const ct_cache = opaque {};
pub const ct_iter = opaque {};
pub const ct_result = opaque {};
pub const ct_lease = opaque {};
pub const ct_wait = opaque {};
pub const ct_key = opaque {};
pub const ct_memo = opaque {};

pub const CT_ERR_CALLBACK = -10;
pub const CT_ERR_UNSUPPORTED = -9;
pub const CT_ERR_INTERNAL = -8;
pub const CT_ERR_IO = -7;
pub const CT_ERR_CORRUPT = -6;
pub const CT_ERR_RECURSION = -5;
pub const CT_ERR_BUFFER = -4;
pub const CT_ERR_TOO_LARGE = -3;
pub const CT_ERR_NOMEM = -2;
pub const CT_ERR_INVALID = -1;
pub const CT_OK = 0;
pub const CT_MISS = 1;
pub const CT_EXISTS = 2;
pub const CT_NOT_STORED = 3;
pub const CT_LEASED = 4;
pub const CT_BUSY = 5;
pub const CT_END = 6;
pub const CT_STALE = 7;
pub const CT_RENEW = 8;
pub const CT_PENDING = 9;
pub const CT_POLICY_LRU = 0;
pub const CT_POLICY_FIFO = 1;
pub const CT_POLICY_LFU = 2;
pub const CT_POLICY_RR = 3;
pub const CT_POLICY_TTL = 4;
pub const CT_POLICY_TLRU = 5;
pub const CT_POLICY_ANY = 6;
pub const CT_POLICY_MRU = 7;
pub const CT_POLICY_CLOCK = 8;
pub const CT_POLICY_SIEVE = 9;
pub const CT_POLICY_S3FIFO = 10;
pub const CT_POLICY_WTINYLFU = 11;
pub const CT_POLICY_ARC = 12;
pub const CT_POLICY_ADAPTIVE = 13;
pub const CT_POLICY_CUSTOM = 63;
pub const CT_CAUSE_EVICTED = 0;
pub const CT_CAUSE_EXPIRED = 1;
pub const CT_CAUSE_REPLACED = 2;
pub const CT_CAUSE_REMOVED = 3;
pub const CT_CAUSE_CLEARED = 4;
pub const CT_WEIGHT_COUNT = 0;
pub const CT_WEIGHT_VALUE = 1;
pub const CT_WEIGHT_MEMORY = 2;
pub const CT_NEVER = std.math.maxInt(u64);
pub const CT_ENTRY_TTL = 0x1;
pub const CT_ENTRY_DEADLINE = 0x2;
pub const CT_ENTRY_WEIGHT = 0x4;
pub const CT_ENTRY_IF_ABSENT = 0x8;
pub const CT_ENTRY_IF_PRESENT = 0x10;
pub const CT_ENTRY_IF_SAME = 0x20;
pub const CT_ENTRY_KEEP_TTL = 0x40;
pub const CT_ENTRY_TAGS = 0x80;
pub const CT_ENTRY_COST = 0x100;
pub const CT_UNBOUNDED = std.math.maxInt(u64);
pub const CT_FLAG_SINGLE_THREADED = 0x1;
pub const CT_FLAG_NO_STATS = 0x2;
pub const CT_FLAG_PRECISE_CLOCK = 0x4;
pub const CT_FLAG_KEEP_NOTHING = 0x8;
pub const CT_FLAG_DROP_LOADED = 0x10;
pub const CT_FLAG_COST_BY_TIME = 0x20;
pub const CT_FLAG_CURVE = 0x40;
pub const CT_NOW = std.math.maxInt(u64);
pub const CT_ORDER_ANY = 0;
pub const CT_ORDER_COLDEST = 1;
pub const CT_ORDER_HOTTEST = 2;
pub const CT_LOAD_FORCE = 0x1;
pub const CT_KEY_TYPED = 0x1;
pub const CT_MEMO_TYPED = 0x1;
pub const CT_MEMO_RACE = 0x2;
pub const CT_INFO_NO_CACHE = 0x1;
pub const CT_SNAPSHOT_AGED = 0x1;
pub const CT_VERSION_MAJOR = 0;
pub const CT_VERSION_MINOR = 1;
pub const CT_VERSION_PATCH = 0;

pub const ct_match_fn = fn (
    ?*anyopaque,
    ?*const anyopaque,
    usize,
    ?*const anyopaque,
    usize,
) callconv(.c) bool;
pub const ct_timer_fn = fn (?*anyopaque) callconv(.c) u64;
pub const ct_ttu_fn = fn (
    ?*anyopaque,
    ?*const anyopaque,
    usize,
    ?*const anyopaque,
    usize,
    u64,
) callconv(.c) u64;
pub const ct_weigher_fn = fn (
    ?*anyopaque,
    ?*const anyopaque,
    usize,
    ?*const anyopaque,
    usize,
) callconv(.c) u64;
pub const ct_choice_fn = fn (?*anyopaque, u64) callconv(.c) u64;
pub const ct_load_many_fn = fn (
    ?*anyopaque,
    [*]const ct_bytes,
    usize,
    [*]const *ct_result,
) callconv(.c) ct_status;
pub const ct_done_fn = fn (?*anyopaque, ct_status, ?*const ct_value, ?*ct_lease) callconv(.c) void;
pub const ct_listener_fn = fn (?*anyopaque, *const ct_event) callconv(.c) void;
pub const ct_drop_fn = fn (?*anyopaque, ?*const anyopaque, usize) callconv(.c) void;
pub const ct_visit_fn = fn (?*anyopaque, *const ct_event) callconv(.c) void;
pub const ct_loader_fn = fn (
    ?*anyopaque,
    ?*const anyopaque,
    usize,
    ?*ct_result,
) callconv(.c) ct_status;
pub const ct_compute_fn = fn (
    ?*anyopaque,
    ?*const anyopaque,
    usize,
    ?*const ct_bytes,
    ?*ct_result,
) callconv(.c) ct_status;
pub const ct_memo_fn = fn (
    ?*anyopaque,
    ?*anyopaque,
    ?*const anyopaque,
    ?*ct_result,
) callconv(.c) ct_status;
pub const ct_memo_key_fn = fn (
    ?*anyopaque,
    ?*anyopaque,
    ?*const anyopaque,
    ?*ct_key,
) callconv(.c) ct_status;
pub const ct_memo_cache_fn = fn (?*anyopaque, ?*anyopaque) callconv(.c) ?*ct_cache;
pub const ct_write_fn = fn (?*anyopaque, ?*const anyopaque, usize) callconv(.c) ct_status;
pub const ct_read_fn = fn (?*anyopaque, ?*anyopaque, usize, *usize) callconv(.c) ct_status;

pub const ct_value = extern struct {
    data: ?*const anyopaque,
    size: usize,
    pin: u64,

    /// CT_VALUE_INIT.
    pub const none = ct_value{ .data = null, .size = 0, .pin = 0 };
};

pub const ct_entry_options = extern struct {
    struct_size: usize,
    flags: u32,
    reserved: u32,
    ttl: u64,
    deadline: u64,
    weight: u64,
    same: ?*const ct_value,
    tags: ?[*]const ct_bytes,
    tag_count: usize,
    cost: u64,
};

pub const ct_bytes = extern struct {
    data: ?*const anyopaque,
    size: usize,
};

pub const ct_event = extern struct {
    key: ct_bytes,
    value: ct_bytes,
    weight: u64,
    cause: i32,
    reserved: u32,
};

pub const ct_options = extern struct {
    struct_size: usize,
    policy: i32,
    weight_kind: i32,
    maxsize: u64,
    shards: u32,
    flags: u32,
    ttl: u64,
    tti: u64,
    seed: u64,
    user_data: ?*anyopaque,
    timer: ?*const ct_timer_fn,
    ttu: ?*const ct_ttu_fn,
    weigher: ?*const ct_weigher_fn,
    choice: ?*const ct_choice_fn,
    listener: ?*const ct_listener_fn,
    drop: ?*const ct_drop_fn,
    custom: ?*const ct_policy_ops,
    allocator: ?*const ct_allocator,
    refresh_ahead: u64,
    stale: u64,
    retry: u64,
    negative_ttl: u64,
    jitter: u64,
};

pub const ct_entry_info = extern struct {
    struct_size: usize,
    weight: u64,
    deadline: u64,
    remaining: u64,
    frequency: u64,
    key_size: u64,
    value_size: u64,
};

pub const ct_load_options = extern struct {
    struct_size: usize,
    flags: u32,
    reserved: u32,
    timeout_ns: u64,
    stale_after_ns: u64,
};

pub const ct_memo_options = extern struct {
    struct_size: usize,
    flags: u32,
    reserved: u32,
    user_data: ?*anyopaque,
    @"fn": ?*const ct_memo_fn,
    key: ?*const ct_memo_key_fn,
    cache: ?*ct_cache,
    cache_of: ?*const ct_memo_cache_fn,
    own: ?*const ct_options,
    prefix: ?*const anyopaque,
    prefix_size: usize,
};

pub const ct_cache_info = extern struct {
    struct_size: usize,
    hits: u64,
    misses: u64,
    maxsize: u64,
    currsize: u64,
    flags: u32,
    reserved: u32,
};

pub const ct_stats = extern struct {
    struct_size: usize,
    hits: u64,
    misses: u64,
    inserts: u64,
    updates: u64,
    evictions: u64,
    evicted_weight: u64,
    expirations: u64,
    removals: u64,
    rejections: u64,
    loads: u64,
    load_failures: u64,
    load_ticks: u64,
    waits: u64,
    pinned: u64,
    shared_failures: u64,
    stale_served: u64,
    renewals: u64,
    renewal_failures: u64,
    negative_hits: u64,
    load_buckets: [12]u64,
};

pub const ct_policy_ops = extern struct {
    struct_size: usize,
    state_new: ?*const fn (?*anyopaque, u64) callconv(.c) ?*anyopaque,
    state_free: ?*const fn (?*anyopaque) callconv(.c) void,
    on_insert: ?*const fn (?*anyopaque, u32, u64, ?*const anyopaque, usize, u64) callconv(.c) void,
    on_update: ?*const fn (?*anyopaque, u32, u64, ?*const anyopaque, usize, u64) callconv(.c) void,
    on_hit: ?*const fn (?*anyopaque, u32, u64) callconv(.c) void,
    on_remove: ?*const fn (?*anyopaque, u32) callconv(.c) void,
    on_clear: ?*const fn (?*anyopaque) callconv(.c) void,
    on_resize: ?*const fn (?*anyopaque, u64) callconv(.c) void,
    victim: ?*const fn (?*anyopaque) callconv(.c) u32,
    on_reweigh: ?*const fn (?*anyopaque, u32, u64) callconv(.c) void,
};

pub const ct_allocator = extern struct {
    struct_size: usize,
    alloc: ?*const fn (?*anyopaque, usize, usize) callconv(.c) ?*anyopaque,
    free: ?*const fn (?*anyopaque, ?*anyopaque, usize, usize) callconv(.c) void,
    ctx: ?*anyopaque,
};

pub extern fn ct_cache_new(policy: ct_policy, maxsize: u64) ?*ct_cache;
pub extern fn ct_set(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    value: ?*const anyopaque,
    value_size: usize,
) ct_status;
pub extern fn ct_get(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    out: ?*ct_value,
) ct_status;
pub extern fn ct_value_release(value: ?*ct_value) void;
pub extern fn ct_delete(cache: ?*ct_cache, key: ?*const anyopaque, key_size: usize) ct_status;
pub extern fn ct_delete_if(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    same: ?*const ct_value,
) ct_status;
pub extern fn ct_cache_free(cache: ?*ct_cache) void;
pub extern fn ct_get_copy(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    buffer: ?*anyopaque,
    capacity: usize,
    size: ?*usize,
) ct_status;
pub extern fn ct_peek(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    out: ?*ct_value,
) ct_status;
pub extern fn ct_contains(cache: ?*ct_cache, key: ?*const anyopaque, key_size: usize) bool;
pub extern fn ct_value_ref(value: ?*const ct_value, out: ?*ct_value) ct_status;
pub extern fn ct_set_ttl(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    value: ?*const anyopaque,
    value_size: usize,
    ttl: u64,
) ct_status;
pub extern fn ct_entry_options_init(options: ?*ct_entry_options, struct_size: usize) void;
pub extern fn ct_entry_options_problem(
    cache: ?*const ct_cache,
    options: ?*const ct_entry_options,
) ?[*:0]const u8;
pub extern fn ct_set_with(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    value: ?*const anyopaque,
    value_size: usize,
    options: ?*const ct_entry_options,
) ct_status;
pub extern fn ct_add(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    delta: i64,
    initial: i64,
    options: ?*const ct_entry_options,
    out: ?*i64,
) ct_status;
pub extern fn ct_setdefault(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    value: ?*const anyopaque,
    value_size: usize,
    out: ?*ct_value,
) ct_status;
pub extern fn ct_pop(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    out: ?*ct_value,
) ct_status;
pub extern fn ct_popitem(cache: ?*ct_cache, key: ?*ct_value, value: ?*ct_value) ct_status;
pub extern fn ct_clear(cache: ?*ct_cache) ct_status;
pub extern fn ct_remove_if(
    cache: ?*ct_cache,
    match: ?*const ct_match_fn,
    user_data: ?*anyopaque,
) u64;
pub extern fn ct_invalidate_tag(
    cache: ?*ct_cache,
    tag: ?*const anyopaque,
    tag_size: usize,
    flags: u32,
) ct_status;
pub extern fn ct_get_many(
    cache: ?*ct_cache,
    keys: ?[*]const ct_bytes,
    count: usize,
    values: ?[*]ct_value,
    statuses: ?[*]ct_status,
) ct_status;
pub extern fn ct_get_many_copy(
    cache: ?*ct_cache,
    keys: ?*const anyopaque,
    key_ends: ?[*]const usize,
    count: usize,
    buffer: ?*anyopaque,
    capacity: usize,
    value_ends: ?[*]usize,
    statuses: ?[*]ct_status,
) ct_status;
pub extern fn ct_set_many(
    cache: ?*ct_cache,
    data: ?*const anyopaque,
    ends: ?[*]const usize,
    count: usize,
    options: ?*const ct_entry_options,
    statuses: ?[*]ct_status,
) ct_status;
pub extern fn ct_options_init(options: ?*ct_options, struct_size: usize) void;
pub extern fn ct_options_problem(options: ?*const ct_options) ?[*:0]const u8;
pub extern fn ct_cache_new_with(options: ?*const ct_options, out: ?*?*ct_cache) ct_status;
pub extern fn ct_cache_copy(cache: ?*ct_cache, out: ?*?*ct_cache) ct_status;
pub extern fn ct_cache_options(cache: ?*const ct_cache, out: ?*ct_options) ct_status;
pub extern fn ct_set_lifetime(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    ttl: u64,
) ct_status;
pub extern fn ct_entry_info_init(info: ?*ct_entry_info, struct_size: usize) void;
pub extern fn ct_inspect(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    out: ?*ct_entry_info,
) ct_status;
pub extern fn ct_expire(
    cache: ?*ct_cache,
    now: u64,
    visit: ?*const ct_visit_fn,
    user_data: ?*anyopaque,
) u64;
pub extern fn ct_len(cache: ?*ct_cache) u64;
pub extern fn ct_currsize(cache: ?*ct_cache) u64;
pub extern fn ct_maxsize(cache: ?*const ct_cache) u64;
pub extern fn ct_memory(cache: ?*const ct_cache) u64;
pub extern fn ct_resize(cache: ?*ct_cache, maxsize: u64) ct_status;
pub extern fn ct_iter_new(cache: ?*ct_cache, order: i32, out: ?*?*ct_iter) ct_status;
pub extern fn ct_iter_next(iter: ?*ct_iter, key: ?*ct_bytes, value: ?*ct_bytes) ct_status;
pub extern fn ct_iter_free(iter: ?*ct_iter) void;
pub extern fn ct_result_set(result: ?*ct_result, data: ?*const anyopaque, size: usize) ct_status;
pub extern fn ct_result_ttl(result: ?*ct_result, ttl: u64) void;
pub extern fn ct_result_deadline(result: ?*ct_result, deadline: u64) void;
pub extern fn ct_result_weight(result: ?*ct_result, weight: u64) void;
pub extern fn ct_result_keep_ttl(result: ?*ct_result) void;
pub extern fn ct_result_tag(result: ?*ct_result, tag: ?*const anyopaque, tag_size: usize) void;
pub extern fn ct_result_discard(result: ?*ct_result) void;
pub extern fn ct_result_not_modified(result: ?*ct_result) void;
pub extern fn ct_result_old(result: ?*const ct_result, out: ?*ct_bytes) ct_status;
pub extern fn ct_result_value(result: ?*const ct_result, out: ?*ct_bytes) ct_status;
pub extern fn ct_get_or_load(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    load: ?*const ct_loader_fn,
    user_data: ?*anyopaque,
    out: ?*ct_value,
) ct_status;
pub extern fn ct_load_options_init(options: ?*ct_load_options, struct_size: usize) void;
pub extern fn ct_get_or_load_with(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    load: ?*const ct_loader_fn,
    user_data: ?*anyopaque,
    options: ?*const ct_load_options,
    out: ?*ct_value,
) ct_status;
pub extern fn ct_get_or_lease(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    wait_ns: u64,
    out: ?*ct_value,
    lease: ?*?*ct_lease,
) ct_status;
pub extern fn ct_get_or_lease_async(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    options: ?*const ct_load_options,
    done: ?*const ct_done_fn,
    user_data: ?*anyopaque,
    out: ?*ct_value,
    lease: ?*?*ct_lease,
    wait: ?*?*ct_wait,
) ct_status;
pub extern fn ct_wait_cancel(wait: ?*ct_wait) bool;
pub extern fn ct_get_or_load_many(
    cache: ?*ct_cache,
    keys: ?*const anyopaque,
    key_ends: ?[*]const usize,
    count: usize,
    load: ?*const ct_load_many_fn,
    user_data: ?*anyopaque,
    options: ?*const ct_load_options,
    values: ?[*]ct_value,
    statuses: ?[*]ct_status,
) ct_status;
pub extern fn ct_result_fail(result: ?*ct_result, status: ct_status) void;
pub extern fn ct_lease_fulfil(
    lease: ?*ct_lease,
    value: ?*const anyopaque,
    value_size: usize,
    options: ?*const ct_entry_options,
    out: ?*ct_value,
) ct_status;
pub extern fn ct_lease_abandon(lease: ?*ct_lease) void;
pub extern fn ct_lease_fail(lease: ?*ct_lease, status: ct_status) void;
pub extern fn ct_lease_keep(
    lease: ?*ct_lease,
    options: ?*const ct_entry_options,
) ct_status;
pub extern fn ct_lease_key(lease: ?*const ct_lease, out: ?*ct_bytes) void;
pub extern fn ct_compute(
    cache: ?*ct_cache,
    key: ?*const anyopaque,
    key_size: usize,
    compute: ?*const ct_compute_fn,
    user_data: ?*anyopaque,
    out: ?*ct_value,
) ct_status;
pub extern fn ct_key_new(flags: u32) ?*ct_key;
pub extern fn ct_key_reset(key: ?*ct_key) void;
pub extern fn ct_key_free(key: ?*ct_key) void;
pub extern fn ct_key_null(key: ?*ct_key) void;
pub extern fn ct_key_bool(key: ?*ct_key, value: bool) void;
pub extern fn ct_key_int(key: ?*ct_key, value: i64) void;
pub extern fn ct_key_uint(key: ?*ct_key, value: u64) void;
pub extern fn ct_key_double(key: ?*ct_key, value: f64) void;
pub extern fn ct_key_text(key: ?*ct_key, text: ?[*]const u8, size: usize) void;
pub extern fn ct_key_bytes(key: ?*ct_key, data: ?*const anyopaque, size: usize) void;
pub extern fn ct_key_tuple_begin(key: ?*ct_key) void;
pub extern fn ct_key_tuple_end(key: ?*ct_key) void;
pub extern fn ct_key_name(key: ?*ct_key, name: ?[*]const u8, size: usize) void;
pub extern fn ct_key_data(key: ?*ct_key, data: ?*?*const anyopaque, size: ?*usize) ct_status;
pub extern fn ct_key_problem(key: ?*const ct_key) ?[*:0]const u8;
pub extern fn ct_memo_options_init(options: ?*ct_memo_options, struct_size: usize) void;
pub extern fn ct_memo_own_default(options: ?*ct_options, struct_size: usize) void;
pub extern fn ct_memo_problem(options: ?*const ct_memo_options) ?[*:0]const u8;
pub extern fn ct_memo_new(options: ?*const ct_memo_options, out: ?*?*ct_memo) ct_status;
pub extern fn ct_memo_free(memo: ?*ct_memo) void;
pub extern fn ct_memo_call(
    memo: ?*ct_memo,
    self: ?*anyopaque,
    args: ?*const anyopaque,
    out: ?*ct_value,
) ct_status;
pub extern fn ct_memo_key(
    memo: ?*ct_memo,
    self: ?*anyopaque,
    args: ?*const anyopaque,
    key: ?*ct_key,
) ct_status;
pub extern fn ct_memo_cache(memo: ?*ct_memo, self: ?*anyopaque) ?*ct_cache;
pub extern fn ct_memo_invalidate(
    memo: ?*ct_memo,
    self: ?*anyopaque,
    args: ?*const anyopaque,
) ct_status;
pub extern fn ct_cache_info_init(info: ?*ct_cache_info, struct_size: usize) void;
pub extern fn ct_memo_info(memo: ?*ct_memo, self: ?*anyopaque, out: ?*ct_cache_info) ct_status;
pub extern fn ct_memo_clear(memo: ?*ct_memo, self: ?*anyopaque) ct_status;
pub extern fn ct_memo_forget(memo: ?*ct_memo, self: ?*anyopaque) void;
pub extern fn ct_snapshot_save(
    cache: ?*ct_cache,
    write: ?*const ct_write_fn,
    user_data: ?*anyopaque,
) ct_status;
pub extern fn ct_snapshot_load(
    cache: ?*ct_cache,
    read: ?*const ct_read_fn,
    user_data: ?*anyopaque,
) ct_status;
pub extern fn ct_snapshot_load_with(
    cache: ?*ct_cache,
    read: ?*const ct_read_fn,
    user_data: ?*anyopaque,
    flags: u32,
) ct_status;
pub extern fn ct_snapshot_save_file(cache: ?*ct_cache, path: ?[*:0]const u8) ct_status;
pub extern fn ct_snapshot_load_file(cache: ?*ct_cache, path: ?[*:0]const u8) ct_status;
pub extern fn ct_snapshot_load_file_with(
    cache: ?*ct_cache,
    path: ?[*:0]const u8,
    flags: u32,
) ct_status;
pub extern fn ct_stats_init(stats: ?*ct_stats, struct_size: usize) void;
pub extern fn ct_cache_stats(cache: ?*const ct_cache, out: ?*ct_stats) ct_status;
pub extern fn ct_cache_stats_reset(cache: ?*ct_cache) ct_status;
pub extern fn ct_cache_curve(
    cache: ?*ct_cache,
    scales: ?[*]const f64,
    count: usize,
    miss_ratios: ?[*]f64,
) ct_status;
pub extern fn ct_stats_write(
    caches: ?[*]const ?*ct_cache,
    names: ?[*]const ?[*:0]const u8,
    count: usize,
    write: ?*const ct_write_fn,
    user_data: ?*anyopaque,
) ct_status;
pub extern fn ct_status_name(status: ct_status) [*:0]const u8;
pub extern fn ct_status_message(status: ct_status) [*:0]const u8;
pub extern fn ct_policy_name(policy: ct_policy) ?[*:0]const u8;
pub extern fn ct_policy_from_name(name: ?[*:0]const u8, out: ?*ct_policy) ct_status;
pub extern fn ct_version() u32;
pub extern fn ct_version_string() [*:0]const u8;
pub extern fn ct_policy_ops_init(ops: ?*ct_policy_ops, struct_size: usize) void;
pub extern fn ct_allocator_init(allocator: ?*ct_allocator, struct_size: usize) void;
