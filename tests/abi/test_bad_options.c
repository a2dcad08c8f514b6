/* SPDX-License-Identifier: MIT */
/* Options that are allowed, and options that are not: ct_options_problem names what is wrong,
 * and no cache is made. */
#include "fixture.h"

static void on_insert(void *policy, uint32_t id, uint64_t weight, const void *key, size_t key_size,
                      uint64_t now) {
  (void)policy, (void)id, (void)weight, (void)key, (void)key_size, (void)now;
}

static void on_remove(void *policy, uint32_t id) {
  (void)policy, (void)id;
}

static uint32_t victim(void *policy) {
  (void)policy;
  return 0;
}

#define OPS(...) \
  { .struct_size = sizeof(ct_policy_ops), __VA_ARGS__ }
static const ct_policy_ops kOps =
    OPS(.on_insert = on_insert, .on_remove = on_remove, .victim = victim);
static const ct_policy_ops kOpsWithoutInsert = OPS(.on_remove = on_remove, .victim = victim);
static const ct_policy_ops kOpsWithoutRemove = OPS(.on_insert = on_insert, .victim = victim);
static const ct_policy_ops kOpsWithoutVictim = OPS(.on_insert = on_insert, .on_remove = on_remove);
static const ct_policy_ops kOpsWithoutSize = {
    .on_insert = on_insert, .on_remove = on_remove, .victim = victim};

static void *no_memory(void *ctx, size_t size, size_t align) {
  (void)ctx, (void)size, (void)align;
  return NULL;
}

static void free_nothing(void *ctx, void *ptr, size_t size, size_t align) {
  (void)ctx, (void)ptr, (void)size, (void)align;
}

static const ct_allocator kAllocatorWithoutFree = {sizeof(ct_allocator), no_memory, NULL, NULL};
static const ct_allocator kAllocatorWithoutAlloc = {sizeof(ct_allocator), NULL, free_nothing, NULL};
static const ct_allocator kAllocatorWithoutSize = {0, no_memory, free_nothing, NULL};
static const ct_allocator kAllocatorWithoutMemory = {sizeof(ct_allocator), no_memory, free_nothing,
                                                     NULL};

static const uint64_t kMs = 1000000;

#define OPTIONS(...) \
  { .struct_size = sizeof(ct_options), __VA_ARGS__ }

TEST(options_that_are_wrong_are_named) {
  static const struct {
    const char *field;
    ct_options options;
  } rows[] = {
      {"struct_size", {.struct_size = 0}},
      {"struct_size", {.struct_size = 1}},
      {"struct_size", {.struct_size = sizeof(size_t)}},
      {"struct_size", {.struct_size = sizeof(ct_options) - 1}},
      {"policy", OPTIONS(.policy = -1)},
      {"policy", OPTIONS(.policy = 62)},
      {"policy", OPTIONS(.policy = 64)},
      {"policy", OPTIONS(.policy = INT32_MAX)},
      {"policy", OPTIONS(.policy = INT32_MIN)},
      {"weight_kind", OPTIONS(.weight_kind = -1)},
      {"weight_kind", OPTIONS(.weight_kind = 100)},
      {"shards", OPTIONS(.shards = 3)},
      {"shards", OPTIONS(.shards = 4095)},
      {"shards", OPTIONS(.shards = 4097)},
      {"shards", OPTIONS(.shards = 8192)},
      {"shards", OPTIONS(.shards = 0x80000000u)},
      {"shards", OPTIONS(.shards = UINT32_MAX)},
      {"flags", OPTIONS(.flags = 0x80u)},
      {"flags", OPTIONS(.flags = 0x40000000u)},
      {"flags", OPTIONS(.flags = 0x80000000u)},
      {"flags", OPTIONS(.flags = UINT32_MAX)},
      {"flags", OPTIONS(.maxsize = 8, .flags = CT_FLAG_CURVE | CT_FLAG_NO_STATS)},
      {"flags", OPTIONS(.maxsize = 8, .flags = CT_FLAG_CURVE, .policy = CT_POLICY_CUSTOM,
                        .custom = &kQueue)},
      {"ttl", OPTIONS(.policy = CT_POLICY_TTL)},
      {"ttl", OPTIONS(.policy = CT_POLICY_TTL, .tti = 5 * kMs)},
      {"ttu", OPTIONS(.policy = CT_POLICY_TLRU)},
      {"ttu", OPTIONS(.policy = CT_POLICY_TLRU, .ttl = 5 * kMs)},
      {"custom", OPTIONS(.policy = CT_POLICY_CUSTOM)},
      {"custom", OPTIONS(.policy = CT_POLICY_CUSTOM, .custom = &kOpsWithoutInsert)},
      {"custom", OPTIONS(.policy = CT_POLICY_CUSTOM, .custom = &kOpsWithoutRemove)},
      {"custom", OPTIONS(.policy = CT_POLICY_CUSTOM, .custom = &kOpsWithoutVictim)},
      {"custom", OPTIONS(.policy = CT_POLICY_CUSTOM, .custom = &kOpsWithoutSize)},
      {"allocator", OPTIONS(.allocator = &kAllocatorWithoutAlloc)},
      {"allocator", OPTIONS(.allocator = &kAllocatorWithoutFree)},
      {"allocator", OPTIONS(.allocator = &kAllocatorWithoutSize)},
      {"refresh_ahead", OPTIONS(.maxsize = 8, .ttl = 5 * kMs, .refresh_ahead = 5 * kMs)},
      {"refresh_ahead",
       OPTIONS(.maxsize = 8, .ttl = 5 * kMs, .refresh_ahead = 2 * kMs, .jitter = 3 * kMs)},
      {"jitter", OPTIONS(.maxsize = 8, .jitter = 1 * kMs)},
      {"jitter", OPTIONS(.maxsize = 8, .ttl = 5 * kMs, .jitter = 5 * kMs)},
      {"retry", OPTIONS(.maxsize = 8, .stale = 5 * kMs)},
      {"retry", OPTIONS(.maxsize = 8, .tti = 5 * kMs, .stale = 5 * kMs)},
      {"maxsize", CT_OPTIONS_INIT},
      {"maxsize", OPTIONS(.weight_kind = CT_WEIGHT_VALUE)},
      {"maxsize", OPTIONS(.flags = CT_FLAG_NO_STATS)},
  };
  for (size_t i = 0; i < COUNT_OF(rows); i++) {
    const char *problem = ct_options_problem(&rows[i].options);
    if (problem == NULL) fail_msg("row %zu: no problem with %s", i, rows[i].field);
    if (strstr(problem, rows[i].field) == NULL)
      fail_msg("row %zu: \"%s\" does not name %s", i, problem, rows[i].field);
    ct_cache *cache = (ct_cache *)(uintptr_t)8;
    assert_status(CT_ERR_INVALID, ct_cache_new_with(&rows[i].options, &cache));
    assert_null(cache);
  }
}

TEST(options_that_are_right_make_a_cache) {
  static const ct_options rows[] = {
      OPTIONS(.maxsize = 1),
      OPTIONS(.flags = CT_FLAG_KEEP_NOTHING),
      OPTIONS(.flags = CT_FLAG_KEEP_NOTHING, .maxsize = 8),
      OPTIONS(.maxsize = CT_UNBOUNDED),
      OPTIONS(.maxsize = 8, .policy = CT_POLICY_MRU, .weight_kind = CT_WEIGHT_MEMORY),
      OPTIONS(.maxsize = 8, .policy = CT_POLICY_TTL, .ttl = 1 * kMs),
      OPTIONS(.maxsize = 8, .ttl = 5 * kMs, .refresh_ahead = 2 * kMs, .jitter = 2 * kMs,
              .stale = CT_NEVER),
      OPTIONS(.maxsize = 8, .refresh_ahead = CT_NEVER, .stale = 5 * kMs),
      OPTIONS(.maxsize = 8, .tti = 5 * kMs, .stale = 5 * kMs, .retry = 1 * kMs),
      OPTIONS(.maxsize = 8, .policy = CT_POLICY_TTL, .ttl = CT_NEVER),
      OPTIONS(.maxsize = 8, .policy = CT_POLICY_TLRU, .ttu = dead_on_arrival),
      OPTIONS(.maxsize = 8, .policy = CT_POLICY_RR, .seed = UINT64_MAX, .tti = CT_NEVER),
      OPTIONS(.maxsize = 8, .policy = CT_POLICY_CUSTOM, .custom = &kOps),
      OPTIONS(.maxsize = 8, .shards = 1),
      OPTIONS(.maxsize = 8, .shards = 2, .weight_kind = CT_WEIGHT_VALUE),
      OPTIONS(.maxsize = 8, .shards = 4096),
      OPTIONS(.maxsize = 8,
              .flags = CT_FLAG_SINGLE_THREADED | CT_FLAG_NO_STATS | CT_FLAG_PRECISE_CLOCK),
      OPTIONS(.maxsize = 8, .flags = CT_FLAG_COST_BY_TIME),
  };
  for (size_t i = 0; i < COUNT_OF(rows); i++) {
    const char *problem = ct_options_problem(&rows[i]);
    if (problem != NULL) fail_msg("row %zu: %s", i, problem);
    ct_cache_free(new_cache(&rows[i]));
  }
}

/* Each time of a cache, as a field of the options. */
static const struct {
  const char *name;
  size_t offset;
} kTimes[] = {
    {"ttl", offsetof(ct_options, ttl)},
    {"tti", offsetof(ct_options, tti)},
    {"refresh_ahead", offsetof(ct_options, refresh_ahead)},
    {"stale", offsetof(ct_options, stale)},
    {"retry", offsetof(ct_options, retry)},
    {"negative_ttl", offsetof(ct_options, negative_ttl)},
    {"jitter", offsetof(ct_options, jitter)},
};

/* Returns what is wrong with that time. All else is right with it, if it is in ms. */
static const char *problem_of_time(size_t number, uint64_t time, uint32_t flags,
                                   ct_timer_fn timer) {
  ct_options options = OPTIONS(.maxsize = 8, .flags = flags, .timer = timer);
  options.ttl = 100 * kMs;
  options.retry = 10 * kMs;
  memcpy((char *)&options + kTimes[number].offset, &time, sizeof time);
  return ct_options_problem(&options);
}

/* 60 is a minute in other libraries, and would be 60 ns here, which the coarse clock makes 8 ms. */
TEST(time_below_1_ms_is_refused_by_its_name) {
  const uint64_t times[] = {1, 60, 3600, kMs - 1};
  for (size_t i = 0; i < COUNT_OF(kTimes); i++) {
    for (size_t j = 0; j < COUNT_OF(times); j++) {
      const char *problem = problem_of_time(i, times[j], 0, NULL);
      if (problem == NULL) fail_msg("%s: time %zu", kTimes[i].name, j);
      assert_int_equal(0, strncmp(problem, kTimes[i].name, strlen(kTimes[i].name)));
      assert_non_null(strstr(problem, ": it is below 1 ms"));
      assert_non_null(strstr(problem, "CT_SECONDS"));
      if (strcmp("ttl", kTimes[i].name) == 0) continue; /* the others would not be below it */
      assert_null(problem_of_time(i, times[j], CT_FLAG_PRECISE_CLOCK, NULL));
      assert_null(problem_of_time(i, times[j], 0, manual_clock_read));
    }
    assert_null(problem_of_time(i, kMs, 0, NULL));
  }
}

TEST(ttl_below_1_ms_takes_a_clock_that_can_measure_it) {
  const ct_options precise = OPTIONS(.maxsize = 8, .ttl = 60, .flags = CT_FLAG_PRECISE_CLOCK);
  const ct_options own = OPTIONS(.maxsize = 8, .ttl = 60, .timer = manual_clock_read);
  assert_null(ct_options_problem(&precise));
  assert_null(ct_options_problem(&own));
}

TEST(retry_by_default_is_one_that_may_be_asked_for) {
  ct_cache *cache = cache_of(.maxsize = 8, .ttl = 5 * kMs, .stale = 5 * kMs);
  ct_options options = CT_OPTIONS_INIT;
  assert_status(CT_OK, ct_cache_options(cache, &options));
  assert_int_equal(kMs, options.retry);
  assert_null(ct_options_problem(&options));
  ct_cache_free(cache);
}

/* What ct_cache_options returns makes another cache, whatever became of the limit. */
TEST(options_in_force_say_whether_nothing_is_kept) {
  ct_cache *caches[] = {
      ct_cache_new(CT_POLICY_LRU, 0),
      ct_cache_new(CT_POLICY_LRU, 8),
      new_cache(&(ct_options)OPTIONS(.flags = CT_FLAG_KEEP_NOTHING)),
      new_cache(&(ct_options)OPTIONS(.flags = CT_FLAG_KEEP_NOTHING, .maxsize = 8)),
  };
  for (size_t i = 0; i < COUNT_OF(caches); i++) {
    assert_non_null(caches[i]);
    for (uint64_t limit = ct_maxsize(caches[i]), turn = 0; turn < 3; turn++, limit = 8 - limit) {
      assert_status(CT_OK, ct_resize(caches[i], limit));
      ct_options options = CT_OPTIONS_INIT;
      assert_status(CT_OK, ct_cache_options(caches[i], &options));
      assert_int_equal(limit, options.maxsize);
      assert_int_equal(limit == 0 ? CT_FLAG_KEEP_NOTHING : 0, options.flags);
      ct_cache_free(new_cache(&options));
    }
    ct_cache_free(caches[i]);
  }
}

TEST(unbounded_options_make_a_cache) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, CT_UNBOUNDED);
  assert_non_null(cache);
  assert_true(ct_maxsize(cache) == CT_UNBOUNDED);
  ct_cache_free(cache);
}

TEST(null_options_are_a_problem) {
  assert_non_null(ct_options_problem(NULL));
  ct_cache *cache = (ct_cache *)(uintptr_t)8;
  assert_status(CT_ERR_INVALID, ct_cache_new_with(NULL, &cache));
  assert_null(cache);
}

TEST(options_of_later_release_are_accepted_if_unused) {
  NEWER(ct_options) options = {.known = OPTIONS(.maxsize = 8)};
  options.known.struct_size = sizeof(options);
  assert_null(ct_options_problem(&options.known));
  ct_cache_free(new_cache(&options.known));
}

TEST(options_of_later_release_are_a_problem_if_used) {
  for (size_t i = 0; i < kTail; i++) {
    NEWER(ct_options) options = {.known = CT_OPTIONS_INIT};
    options.known.struct_size = sizeof(options);
    options.tail[i] = 0x80;
    const char *problem = ct_options_problem(&options.known);
    assert_non_null(problem);
    assert_non_null(strstr(problem, "struct_size"));
    ct_cache *cache = (ct_cache *)(uintptr_t)8;
    assert_status(CT_ERR_INVALID, ct_cache_new_with(&options.known, &cache));
    assert_null(cache);
  }
}

TEST(allocator_of_later_release_is_accepted_if_unused) {
  test_allocator allocator;
  test_allocator_init(&allocator);
  NEWER(ct_allocator) hooks = {.known = allocator.hooks};
  hooks.known.struct_size = sizeof(hooks);
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 8;
  options.allocator = &hooks.known;
  assert_null(ct_options_problem(&options));
  ct_cache_free(new_cache(&options));
  assert_int_equal(0, allocator.blocks);
  hooks.tail[3] = 1;
  assert_non_null(ct_options_problem(&options));
}

TEST(policy_ops_of_later_release_are_accepted_if_unused) {
  NEWER(ct_policy_ops) ops = {.known = kOps};
  ops.known.struct_size = sizeof(ops);
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 8;
  options.policy = CT_POLICY_CUSTOM;
  options.custom = &ops.known;
  assert_null(ct_options_problem(&options));
  ct_cache_free(new_cache(&options));
  ops.tail[3] = 1;
  assert_non_null(ct_options_problem(&options));
}

TEST(new_without_memory_is_nomem) {
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 8;
  options.allocator = &kAllocatorWithoutMemory;
  ct_cache *cache = (ct_cache *)(uintptr_t)8;
  assert_status(CT_ERR_NOMEM, ct_cache_new_with(&options, &cache));
  assert_null(cache);
}

TEST(new_with_policy_that_needs_options_is_null) {
  const int32_t policies[] = {CT_POLICY_TTL,       CT_POLICY_TLRU, CT_POLICY_CUSTOM, -1, 62, 64,
                              CT_POLICY_RANGE_MAX_};
  for (size_t i = 0; i < COUNT_OF(policies); i++)
    assert_null(ct_cache_new((ct_policy)policies[i], 8));
}
