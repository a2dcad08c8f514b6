/* SPDX-License-Identifier: MIT */
/* ct_cache_curve: what a cache would miss at other sizes, beside caches of these sizes that did the
 * same. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "fixture.h"

enum { kEntries = 10000, kReads = 200000, kScales = 4 };
static const double kAsked[kScales] = {0.5, 1, 2, 4};
static const ct_policy kPolicies[] = {
    CT_POLICY_LRU,   CT_POLICY_FIFO,   CT_POLICY_LFU,      CT_POLICY_RR,  CT_POLICY_CLOCK,
    CT_POLICY_SIEVE, CT_POLICY_S3FIFO, CT_POLICY_WTINYLFU, CT_POLICY_ARC, CT_POLICY_ADAPTIVE};

/* ---- Reads ---------------------------------------------------------------------------------- */

/* A few hot keys, many cold ones, and now and then a loop over many. */
typedef struct reads {
  uint64_t random;
  uint64_t turn;
} reads;

static uint64_t next_key(reads *self) {
  self->turn++;
  const uint64_t phase = self->turn % 60000;
  if (phase >= 45000) return 1000000 + phase;
  const uint64_t below = UINT64_C(1) << (8 + test_random_below(&self->random, 9));
  return test_random_below(&self->random, below) * 7;
}

/* Does one read of the key, and stores a value if it misses. Returns whether it has hit. */
typedef bool (*reader)(ct_cache *cache, uint64_t key);

static bool read_copy(ct_cache *cache, uint64_t key) {
  char buffer[8];
  size_t size;
  if (ct_get_copy(cache, &key, sizeof key, buffer, sizeof buffer, &size) == CT_OK) return true;
  assert_status(CT_OK, ct_set(cache, &key, sizeof key, "12345678", 8));
  return false;
}

static bool read_pinned(ct_cache *cache, uint64_t key) {
  ct_value value;
  if (ct_get(cache, &key, sizeof key, &value) == CT_OK) {
    ct_value_release(&value);
    return true;
  }
  assert_status(CT_OK, ct_set(cache, &key, sizeof key, "12345678", 8));
  return false;
}

static bool read_many(ct_cache *cache, uint64_t key) {
  const ct_bytes bytes = {&key, sizeof key};
  ct_value value;
  ct_status status;
  assert_status(CT_OK, ct_get_many(cache, &bytes, 1, &value, &status));
  if (status == CT_OK) {
    ct_value_release(&value);
    return true;
  }
  assert_status(CT_OK, ct_set(cache, &key, sizeof key, "12345678", 8));
  return false;
}

static bool read_many_copied(ct_cache *cache, uint64_t key) {
  const size_t end = sizeof key;
  char buffer[8];
  size_t value_end;
  ct_status status;
  assert_status(CT_OK,
                ct_get_many_copy(cache, &key, &end, 1, buffer, sizeof buffer, &value_end, &status));
  if (status == CT_OK) return true;
  assert_status(CT_OK, ct_set(cache, &key, sizeof key, "12345678", 8));
  return false;
}

static ct_status load(void *called, const void *key, size_t key_size, ct_result *result) {
  (void)key, (void)key_size;
  *(bool *)called = true;
  return ct_result_set(result, "12345678", 8);
}

static bool read_through(ct_cache *cache, uint64_t key) {
  bool called = false;
  assert_status(CT_OK, ct_get_or_load(cache, &key, sizeof key, load, &called, NULL));
  return !called;
}

static ct_status compute(void *called, const void *key, size_t key_size, const ct_bytes *old,
                         ct_result *result) {
  return old != NULL ? CT_NOT_STORED : load(called, key, key_size, result);
}

static bool read_computed(ct_cache *cache, uint64_t key) {
  bool called = false;
  const ct_status status = ct_compute(cache, &key, sizeof key, compute, &called, NULL);
  assert_status(called ? CT_OK : CT_NOT_STORED, status);
  return !called;
}

static bool read_default(ct_cache *cache, uint64_t key) {
  const ct_stats before = stats_of(cache);
  assert_status(CT_OK, ct_setdefault(cache, &key, sizeof key, "12345678", 8, NULL));
  return stats_of(cache).hits != before.hits;
}

static bool read_counter(ct_cache *cache, uint64_t key) {
  const ct_stats before = stats_of(cache);
  int64_t sum;
  assert_status(CT_OK, ct_add(cache, &key, sizeof key, 1, 0, NULL, &sum));
  return stats_of(cache).hits != before.hits;
}

/* ---- Beside caches of those sizes ----------------------------------------------------------- */

static ct_options at_scale(ct_options options, double scale) {
  options.maxsize = (uint64_t)((double)options.maxsize * scale);
  options.flags &= ~CT_FLAG_CURVE;
  return options;
}

/* Asserts that the curve is about what caches of those sizes miss. */
static void assert_like_real_ones(ct_options options, reader read, uint64_t count, double error) {
  options.struct_size = sizeof options;
  options.flags |= CT_FLAG_CURVE;
  options.seed = 11;
  ct_cache *cache = new_cache(&options);
  double misses[kScales] = {0}, ratios[kScales];
  reads same = {5, 0};
  for (uint64_t i = 0; i < count; i++) read(cache, next_key(&same));
  assert_status(CT_OK, ct_cache_curve(cache, kAsked, kScales, ratios));
  for (int i = 0; i < kScales; i++) {
    const ct_options other = at_scale(options, kAsked[i]);
    ct_cache *real = new_cache(&other);
    reads again = {5, 0};
    for (uint64_t j = 0; j < count; j++) misses[i] += !read(real, next_key(&again));
    misses[i] /= (double)count;
    ct_cache_free(real);
    if (fabs(misses[i] - ratios[i]) >= error)
      fail_msg("policy %d at %g: %g instead of %g", options.policy, kAsked[i], ratios[i],
               misses[i]);
  }
  assert_true(misses[0] > misses[kScales - 1] + 0.05); /* there was something to tell */
  ct_cache_free(cache);
}

TEST(it_tells_what_caches_of_other_sizes_miss) {
  for (size_t i = 0; i < COUNT_OF(kPolicies); i++) {
    const ct_options options = {.policy = kPolicies[i], .maxsize = kEntries};
    assert_like_real_ones(options, read_copy, kReads, 0.02);
  }
}

TEST(shards_are_told_as_one_cache) {
  const ct_options options = {.policy = CT_POLICY_SIEVE, .maxsize = kEntries, .shards = 16};
  assert_like_real_ones(options, read_copy, kReads, 0.02);
}

TEST(a_cache_of_one_thread_has_a_curve) {
  const ct_options options = {.maxsize = kEntries, .flags = CT_FLAG_SINGLE_THREADED};
  assert_like_real_ones(options, read_copy, kReads, 0.02);
}

TEST(every_way_to_read_counts) {
  const reader readers[] = {read_pinned,  read_many,     read_many_copied, read_through,
                            read_default, read_computed, read_counter};
  for (size_t i = 0; i < COUNT_OF(readers); i++) {
    const ct_options options = {.policy = CT_POLICY_S3FIFO, .maxsize = kEntries};
    assert_like_real_ones(options, readers[i], kReads / 2, 0.03);
  }
}

static uint64_t weigh(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size) {
  (void)user_data, (void)value, (void)value_size;
  uint64_t number;
  memcpy(&number, key, key_size);
  return 1 + number % 64;
}

TEST(entries_keep_their_weights) {
  const ct_options options = {.maxsize = 32 * kEntries, .weigher = weigh};
  assert_like_real_ones(options, read_copy, kReads, 0.02);
}

TEST(memory_is_a_weight_too) {
  const ct_options options = {.maxsize = 56 * kEntries, .weight_kind = CT_WEIGHT_MEMORY};
  assert_like_real_ones(options, read_copy, kReads, 0.02);
}

/* ---- Lifetimes and removals ----------------------------------------------------------------- */

static ct_options ticking(manual_clock *clock) {
  return (ct_options){.struct_size = sizeof(ct_options),
                      .maxsize = kEntries,
                      .flags = CT_FLAG_CURVE,
                      .seed = 3,
                      .timer = manual_clock_read,
                      .user_data = clock};
}

/* Asserts that nothing would hit in a cache of any size. */
static void assert_all_miss(ct_cache *cache) {
  double ratios[kScales];
  assert_status(CT_OK, ct_cache_curve(cache, kAsked, kScales, ratios));
  for (int i = 0; i < kScales; i++) assert_true(ratios[i] > 0.98);
}

TEST(what_expires_is_in_no_cache) {
  manual_clock clock = {0};
  ct_options options = ticking(&clock);
  options.ttl = 10000;
  ct_cache *cache = new_cache(&options);
  for (uint64_t i = 0; i < kReads; i++, clock.now++) read_copy(cache, i % 12000);
  assert_all_miss(cache);
  ct_cache_free(cache);
}

TEST(what_was_idle_is_in_no_cache) {
  manual_clock clock = {0};
  ct_options options = ticking(&clock);
  options.tti = 10000;
  ct_cache *cache = new_cache(&options);
  for (uint64_t i = 0; i < kReads; i++, clock.now++) read_copy(cache, i % 12000);
  assert_all_miss(cache);
  ct_cache_free(cache);
}

TEST(a_lifetime_that_is_set_later_holds_at_all_sizes) {
  manual_clock clock = {0};
  const ct_options options = ticking(&clock);
  ct_cache *cache = new_cache(&options);
  for (uint64_t i = 0; i < kReads; i++, clock.now++) {
    const uint64_t key = i % 8000;
    read_copy(cache, key);
    assert_status(CT_OK, ct_set_lifetime(cache, &key, sizeof key, 4000));
  }
  assert_all_miss(cache);
  ct_cache_free(cache);
}

TEST(what_is_deleted_is_in_no_cache) {
  ct_cache *cache = cache_of(.maxsize = kEntries, .flags = CT_FLAG_CURVE, .seed = 3);
  /* A key comes again when the cache has evicted it, and larger ones have not. */
  for (uint64_t i = 0; i < kReads; i++) {
    const uint64_t key = i % 15000, old = (i + 14999) % 15000;
    read_copy(cache, key);
    ct_delete(cache, &old, sizeof old);
    const uint64_t evicted = (i + 1) % 15000;
    ct_delete(cache, &evicted, sizeof evicted);
  }
  assert_all_miss(cache);
  ct_cache_free(cache);
}

TEST(clear_clears_all_sizes) {
  ct_cache *cache = cache_of(.maxsize = kEntries, .flags = CT_FLAG_CURVE, .seed = 3);
  for (uint64_t i = 0; i < kReads; i++) {
    if (i % 8000 == 0) ct_clear(cache);
    read_copy(cache, i % 8000);
  }
  assert_all_miss(cache);
  ct_cache_free(cache);
}

TEST(a_write_of_its_own_stores_at_all_sizes) {
  ct_cache *cache = cache_of(.maxsize = kEntries, .flags = CT_FLAG_CURVE, .seed = 3);
  double ratios[kScales];
  for (uint64_t i = 0; i < kReads; i++) {
    const uint64_t key = i % 3000;
    assert_status(CT_OK, ct_set(cache, &key, sizeof key, "1", 1));
    assert_true(read_copy(cache, key));
  }
  assert_status(CT_OK, ct_cache_curve(cache, kAsked, kScales, ratios));
  for (int i = 0; i < kScales; i++) assert_true(ratios[i] == 0);
  ct_cache_free(cache);
}

/* ---- What it begins anew with --------------------------------------------------------------- */

TEST(it_does_not_know_before_there_were_enough_reads) {
  ct_cache *cache = cache_of(.maxsize = kEntries, .flags = CT_FLAG_CURVE);
  double ratios[kScales];
  assert_status(CT_MISS, ct_cache_curve(cache, kAsked, kScales, ratios));
  for (int i = 0; i < kScales; i++) assert_true(isnan(ratios[i]));
  reads some = {5, 0};
  uint64_t misses = 0;
  for (int i = 0; i < 500; i++) misses += !read_copy(cache, next_key(&some));
  assert_status(CT_MISS, ct_cache_curve(cache, kAsked, kScales, ratios));
  assert_true(ratios[1] == (double)misses / 500); /* the cache itself */
  assert_true(isnan(ratios[0]) && isnan(ratios[2]) && isnan(ratios[3]));
  ct_cache_free(cache);
}

TEST(it_does_not_know_what_a_small_cache_would_do) {
  ct_cache *cache = cache_of(.maxsize = 100, .flags = CT_FLAG_CURVE);
  double ratios[kScales];
  reads some = {5, 0};
  for (int i = 0; i < kReads; i++) read_copy(cache, next_key(&some));
  assert_status(CT_MISS, ct_cache_curve(cache, kAsked, kScales, ratios));
  assert_true(isnan(ratios[0]) && !isnan(ratios[1]) && isnan(ratios[2]) && isnan(ratios[3]));
  ct_cache_free(cache);
}

TEST(a_reset_of_the_statistics_begins_anew) {
  ct_cache *cache = cache_of(.maxsize = kEntries, .flags = CT_FLAG_CURVE, .seed = 3);
  double ratios[kScales];
  for (uint64_t i = 0; i < kReads; i++) read_copy(cache, i);
  assert_all_miss(cache);
  assert_status(CT_OK, ct_cache_stats_reset(cache));
  assert_status(CT_MISS, ct_cache_curve(cache, kAsked, kScales, ratios));
  for (uint64_t i = 0; i < kReads; i++) read_copy(cache, i % 2000);
  assert_status(CT_OK, ct_cache_curve(cache, kAsked, kScales, ratios));
  for (int i = 0; i < kScales; i++) assert_true(ratios[i] < 0.03);
  ct_cache_free(cache);
}

/* After a resize a cache of twice the size is one that was resized, too. */
static void assert_right_after_resize(uint64_t before, uint64_t after) {
  ct_cache *cache = cache_of(.maxsize = before, .flags = CT_FLAG_CURVE, .seed = 3);
  ct_cache *twice = cache_of(.maxsize = 2 * before);
  double ratios[kScales];
  reads same = {5, 0}, again = {5, 0};
  double misses = 0;
  for (int i = 0; i < kReads; i++) {
    read_copy(cache, next_key(&same));
    read_copy(twice, next_key(&again));
  }
  assert_status(CT_OK, ct_resize(cache, after));
  assert_status(CT_OK, ct_resize(twice, 2 * after));
  assert_status(CT_MISS, ct_cache_curve(cache, kAsked, kScales, ratios));
  for (int i = 0; i < kReads; i++) {
    read_copy(cache, next_key(&same));
    misses += !read_copy(twice, next_key(&again));
  }
  assert_status(CT_OK, ct_cache_curve(cache, kAsked, kScales, ratios));
  assert_true(fabs(ratios[2] - misses / kReads) < 0.03);
  ct_cache_free(twice);
  ct_cache_free(cache);
}

TEST(scales_are_multiples_of_the_present_size) {
  assert_right_after_resize(kEntries, 2 * kEntries);
  assert_right_after_resize(2 * kEntries, kEntries);
  assert_right_after_resize(40 * kEntries, kEntries);
}

TEST(a_copy_has_a_curve_of_its_own) {
  ct_cache *cache = cache_of(.maxsize = kEntries, .flags = CT_FLAG_CURVE, .seed = 3);
  double ratios[kScales];
  for (uint64_t i = 0; i < kReads; i++) read_copy(cache, i % 5000);
  ct_cache *copy;
  assert_status(CT_OK, ct_cache_copy(cache, &copy));
  assert_status(CT_MISS, ct_cache_curve(copy, kAsked, kScales, ratios));
  for (uint64_t i = 0; i < kReads; i++) assert_true(read_copy(copy, i % 5000));
  assert_status(CT_OK, ct_cache_curve(copy, &kAsked[1], kScales - 1, ratios));
  for (int i = 0; i < kScales - 1; i++) assert_true(ratios[i] == 0);
  ct_cache_free(copy);
  ct_cache_free(cache);
}

/* ---- Arguments ------------------------------------------------------------------------------ */

TEST(scales_in_between_are_interpolated_and_others_not_known) {
  ct_cache *cache = cache_of(.maxsize = kEntries, .flags = CT_FLAG_CURVE, .seed = 3);
  reads some = {5, 0};
  for (int i = 0; i < kReads; i++) read_copy(cache, next_key(&some));
  const double scales[] = {0.49, 0.5, 0.75, 1, 1.5, 2, 3, 4, 4.01, 1e300};
  double ratios[COUNT_OF(scales)];
  assert_status(CT_MISS, ct_cache_curve(cache, scales, COUNT_OF(scales), ratios));
  assert_true(isnan(ratios[0]) && isnan(ratios[8]) && isnan(ratios[9]));
  for (int i = 2; i < 7; i += 2)
    assert_true(fabs(ratios[i] - (ratios[i - 1] + ratios[i + 1]) / 2) < 1e-9);
  assert_status(CT_OK, ct_cache_curve(cache, NULL, 0, NULL));
  /* In place. */
  double same[kScales];
  memcpy(same, kAsked, sizeof same);
  assert_status(CT_OK, ct_cache_curve(cache, same, kScales, same));
  assert_true(same[3] == ratios[7]);
  ct_cache_free(cache);
}

TEST(what_is_no_scale_is_refused) {
  ct_cache *cache = cache_of(.maxsize = kEntries, .flags = CT_FLAG_CURVE);
  const double wrong[] = {0, -1, NAN, INFINITY, -INFINITY};
  for (size_t i = 0; i < COUNT_OF(wrong); i++) {
    const double scales[] = {1, wrong[i]};
    double ratios[] = {7, 7};
    assert_status(CT_ERR_INVALID, ct_cache_curve(cache, scales, 2, ratios));
    assert_true(isnan(ratios[0]) && isnan(ratios[1]));
  }
  double ratio = 7;
  assert_status(CT_ERR_INVALID, ct_cache_curve(NULL, kAsked, 1, &ratio));
  assert_true(isnan(ratio));
  assert_status(CT_ERR_INVALID, ct_cache_curve(cache, NULL, 1, &ratio));
  assert_status(CT_ERR_INVALID, ct_cache_curve(cache, kAsked, 1, NULL));
  ct_cache_free(cache);
}

TEST(a_cache_without_the_flag_has_no_curve) {
  ct_cache *cache = cache_of(.maxsize = kEntries);
  double ratio = 7;
  assert_status(CT_ERR_UNSUPPORTED, ct_cache_curve(cache, kAsked, 1, &ratio));
  assert_true(isnan(ratio));
  ct_cache_free(cache);
}

TEST(a_limit_of_nothing_has_no_multiples) {
  ct_cache *cache = cache_of(.flags = CT_FLAG_CURVE | CT_FLAG_KEEP_NOTHING);
  double ratios[kScales];
  uint64_t key = 1;
  size_t size;
  for (; key < kReads; key++) ct_get_copy(cache, &key, sizeof key, NULL, 0, &size);
  assert_status(CT_MISS, ct_cache_curve(cache, kAsked, kScales, ratios));
  for (int i = 0; i < kScales; i++) assert_true(isnan(ratios[i]));
  assert_status(CT_OK, ct_resize(cache, kEntries));
  for (uint64_t i = 0; i < kReads; i++) read_copy(cache, i % 2000);
  assert_status(CT_OK, ct_cache_curve(cache, kAsked, kScales, ratios));
  ct_cache_free(cache);
}

TEST(no_limit_is_no_mistake) {
  ct_cache *cache = cache_of(.maxsize = CT_UNBOUNDED, .flags = CT_FLAG_CURVE);
  double ratios[kScales];
  for (uint64_t i = 0; i < kReads; i++) read_copy(cache, i % 20000);
  assert_status(CT_OK, ct_cache_curve(cache, kAsked, kScales, ratios));
  for (int i = 0; i < kScales; i++) assert_true(fabs(ratios[i] - 0.1) < 0.02);
  ct_cache_free(cache);
}

/* ---- Memory --------------------------------------------------------------------------------- */

TEST(it_takes_at_most_256_kB) {
  for (size_t i = 0; i < COUNT_OF(kPolicies); i++) {
    for (int weighs = 0; weighs < 2; weighs++) {
      uint64_t held[2];
      for (uint32_t flag = 0; flag < 2; flag++) {
        test_allocator allocator;
        test_allocator_init(&allocator);
        ct_cache *cache =
            cache_of(.policy = kPolicies[i], .seed = 3, .ttl = weighs ? CT_HOURS(1) : 0,
                     .maxsize = weighs ? 32 * 100000 : 100000, .weigher = weighs ? weigh : NULL,
                     .flags = flag != 0 ? CT_FLAG_CURVE : 0, .allocator = &allocator.hooks);
        reads some = {5, 0};
        for (int j = 0; j < kReads; j++) read_copy(cache, test_random(&some.random) % 300000);
        held[flag] = ct_memory(cache);
        assert_int_equal(allocator.bytes, held[flag]);
        ct_cache_free(cache);
        assert_int_equal(0, allocator.blocks);
      }
      assert_true(held[1] > held[0]);
      assert_true(held[1] - held[0] <= 256 * 1024);
    }
  }
}

TEST(without_memory_there_is_no_cache) {
  for (int64_t fault = 0;; fault++) {
    test_allocator allocator;
    test_allocator_init(&allocator);
    allocator.fail_at = fault;
    const ct_options options = {.struct_size = sizeof options,
                                .maxsize = kEntries,
                                .flags = CT_FLAG_CURVE,
                                .allocator = &allocator.hooks};
    ct_cache *cache;
    const ct_status status = ct_cache_new_with(&options, &cache);
    if (status == CT_OK) {
      assert_true(fault > 3);
      ct_cache_free(cache);
    }
    assert_int_equal(0, allocator.blocks);
    if (status == CT_OK) break;
    assert_status(CT_ERR_NOMEM, status);
  }
}

TEST(without_memory_a_set_stores_all_the_same) {
  test_allocator allocator;
  test_allocator_init(&allocator);
  ct_cache *cache = cache_of(.maxsize = 20 * kEntries, .flags = CT_FLAG_CURVE, .seed = 3,
                             .allocator = &allocator.hooks);
  uint64_t stored = 0;
  for (uint64_t i = 0; i < 10 * kEntries; i++) {
    allocator.fail_at = i % 3 == 0 ? allocator.calls : -1;
    const ct_status status = ct_set(cache, &i, sizeof i, "1", 1);
    assert_true(status == CT_OK || status == CT_ERR_NOMEM);
    stored += status == CT_OK;
  }
  allocator.fail_at = -1;
  assert_int_equal(stored, ct_len(cache));
  ct_cache_free(cache);
  assert_int_equal(0, allocator.blocks);
}

/* ---- Threads -------------------------------------------------------------------------------- */

enum { kThreads = 4 };

typedef struct worker {
  ct_cache *cache;
  uint64_t seed;
} worker;

static void *work(void *argument) {
  const worker *self = argument;
  reads some = {self->seed, 0};
  char buffer[8];
  size_t size;
  double ratios[kScales];
  for (int i = 0; i < kReads; i++) {
    const uint64_t key = next_key(&some);
    if (ct_get_copy(self->cache, &key, sizeof key, buffer, sizeof buffer, &size) != CT_OK)
      ct_set(self->cache, &key, sizeof key, "12345678", 8);
    if (i % 1000 == 0) ct_cache_curve(self->cache, kAsked, kScales, ratios);
    if (self->seed == 0 && i == kReads / 4) ct_resize(self->cache, 2 * kEntries);
    if (self->seed == 0 && i == kReads / 2) ct_cache_stats_reset(self->cache);
  }
  return NULL;
}

TEST(threads_share_a_curve) {
  ct_cache *cache = cache_of(.maxsize = kEntries, .flags = CT_FLAG_CURVE, .shards = 4, .seed = 3);
  pthread_t threads[kThreads];
  worker workers[kThreads];
  for (uint64_t i = 0; i < kThreads; i++) {
    workers[i] = (worker){cache, i};
    assert_int_equal(0, pthread_create(&threads[i], NULL, work, &workers[i]));
  }
  for (int i = 0; i < kThreads; i++) pthread_join(threads[i], NULL);
  double ratios[kScales];
  assert_status(CT_OK, ct_cache_curve(cache, kAsked, kScales, ratios));
  const ct_stats stats = stats_of(cache);
  assert_true(fabs(ratios[1] - (double)stats.misses / (double)(stats.hits + stats.misses)) < 1e-9);
  assert_true(ratios[0] > ratios[1] && ratios[1] > ratios[3]);
  ct_cache_free(cache);
}
