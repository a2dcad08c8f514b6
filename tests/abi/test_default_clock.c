/* SPDX-License-Identifier: MIT */
/* Lifetimes by the system's clocks. The coarse clock may be up to two ticks behind; no lifetime
 * ends early all the same. This program replaces the clocks, for the library too. */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

static const uint64_t kTick = 4000000;
static const uint64_t kTtl = 3000000; /* of caches and entries here: less than a tick */

static uint64_t true_time;
static uint64_t lag; /* of the coarse clock, below two ticks */

static struct timespec time_of(uint64_t ns) {
  return (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
}

int clock_gettime(clockid_t id, struct timespec *out) {
  if (id == CLOCK_MONOTONIC) {
    *out = time_of(true_time);
  } else if (id == CLOCK_MONOTONIC_COARSE) {
    *out = time_of(true_time - lag);
  } else {
    return (int)syscall(SYS_clock_gettime, id, out);
  }
  return 0;
}

int clock_getres(clockid_t id, struct timespec *out) {
  *out = time_of(id == CLOCK_MONOTONIC_COARSE ? kTick : 1);
  return 0;
}

static int begin(void **state) {
  (void)state;
  true_time = 1000 * kTick;
  return 0;
}

#define CLOCK_TEST(name) TEST_WITH(name, begin, NULL)

static uint64_t live_for_ttl(void *user_data, const void *key, size_t key_size, const void *value,
                             size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  return now + kTtl;
}

static ct_cache *open_cache_with(ct_ttu_fn ttu, uint64_t ttl, uint64_t tti, uint32_t flags) {
  ct_cache *cache = cache_of(.ttu = ttu, .maxsize = 8, .ttl = ttl, .tti = tti, .flags = flags);
  return cache;
}

static ct_cache *open_cache(uint64_t ttl, uint64_t tti, uint32_t flags) {
  return open_cache_with(NULL, ttl, tti, flags);
}

/* ---- Each way to a lifetime ----------------------------------------------------------------- */

static void by_ttl_of_cache(ct_cache *cache) {
  assert_status(CT_OK, set_text(cache, "a", "1"));
}

static void by_set_ttl(ct_cache *cache) {
  assert_status(CT_OK, ct_set_ttl(cache, "a", 1, "1", 1, kTtl));
}

static void by_options(ct_cache *cache) {
  ct_entry_options options = entry_with(.flags = CT_ENTRY_TTL, .ttl = kTtl);
  assert_status(CT_OK, ct_set_with(cache, "a", 1, "1", 1, &options));
}

static void by_set_lifetime(ct_cache *cache) {
  assert_status(CT_OK, ct_set_ttl(cache, "a", 1, "1", 1, CT_NEVER));
  assert_status(CT_OK, ct_set_lifetime(cache, "a", 1, kTtl));
}

static ct_status load(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)user_data;
  (void)key;
  (void)key_size;
  ct_result_ttl(result, kTtl);
  return ct_result_set(result, "1", 1);
}

static void by_loader(ct_cache *cache) {
  assert_status(CT_OK, ct_get_or_load(cache, "a", 1, load, NULL, NULL));
}

static ct_status compute(void *user_data, const void *key, size_t key_size, const ct_bytes *old,
                         ct_result *result) {
  (void)old;
  return load(user_data, key, key_size, result);
}

static void by_compute(ct_cache *cache) {
  assert_status(CT_OK, ct_compute(cache, "a", 1, compute, NULL, NULL));
}

static void by_use(ct_cache *cache) {
  assert_status(CT_OK, set_text(cache, "a", "1"));
  true_time += kTtl / 2;
  assert_text(cache, "a", "1");
}

static const struct {
  const char *name;
  void (*store)(ct_cache *cache); /* stores "a", which lives for kTtl from the call's end on */
  uint64_t ttl, tti;              /* of the cache */
  ct_ttu_fn ttu;
} kWays[] = {
    {"ttl", by_ttl_of_cache, kTtl, 0, NULL},
    {"tti", by_ttl_of_cache, 0, kTtl, NULL},
    {"use", by_use, 0, kTtl, NULL},
    {"set_ttl", by_set_ttl, 0, 0, NULL},
    {"set_ttl beside a ttl", by_set_ttl, kTtl * 100, 0, NULL},
    {"options", by_options, 0, 0, NULL},
    {"set_lifetime", by_set_lifetime, 0, 0, NULL},
    {"set_lifetime beside a ttl", by_set_lifetime, kTtl * 100, 0, NULL},
    {"loader", by_loader, 0, 0, NULL},
    {"compute", by_compute, 0, 0, NULL},
    {"ttu", by_ttl_of_cache, 0, 0, live_for_ttl},
};

CLOCK_TEST(no_lifetime_ends_early_however_old_the_reading_was) {
  for (size_t i = 0; i < COUNT_OF(kWays); i++) {
    print_message("# %s\n", kWays[i].name);
    lag = 2 * kTick - 1;
    ct_cache *cache = open_cache_with(kWays[i].ttu, kWays[i].ttl, kWays[i].tti, 0);
    kWays[i].store(cache);
    true_time += kTtl - 1;
    lag = 0;
    assert_true(has_text(cache, "a"));
    assert_int_equal(0, ct_expire(cache, CT_NOW, NULL, NULL));
    ct_cache_free(cache);
  }
}

/* The library adds two ticks, and the reading that ends the lifetime may be two ticks old. */
CLOCK_TEST(lifetime_ends_four_ticks_late_at_most) {
  for (size_t i = 0; i < COUNT_OF(kWays); i++) {
    print_message("# %s\n", kWays[i].name);
    lag = 0;
    ct_cache *cache = open_cache_with(kWays[i].ttu, kWays[i].ttl, kWays[i].tti, 0);
    kWays[i].store(cache);
    true_time += kTtl + 4 * kTick;
    lag = 2 * kTick - 1;
    assert_false(has_text(cache, "a"));
    ct_cache_free(cache);
  }
}

CLOCK_TEST(snapshot_shortens_no_lifetime) {
  char path[] = "/tmp/cachetools-XXXXXX";
  assert_int_equal(0, close(mkstemp(path)));
  lag = 2 * kTick - 1;
  ct_cache *from = open_cache(kTtl, kTtl, 0);
  assert_status(CT_OK, set_text(from, "a", "1"));
  lag = 0;
  assert_status(CT_OK, ct_snapshot_save_file(from, path));
  ct_cache_free(from);
  lag = 2 * kTick - 1;
  ct_cache *to = open_cache(kTtl, kTtl, 0);
  assert_status(CT_OK, ct_snapshot_load_file(to, path));
  true_time += kTtl - 1;
  lag = 0;
  assert_true(has_text(to, "a"));
  ct_cache_free(to);
  assert_int_equal(0, unlink(path));
}

/* Otherwise a cache that is handed on often would keep its entries for ever. */
CLOCK_TEST(snapshots_lengthen_no_lifetime) {
  char path[] = "/tmp/cachetools-XXXXXX";
  assert_int_equal(0, close(mkstemp(path)));
  const uint32_t kFlags[] = {0, CT_SNAPSHOT_AGED};
  for (size_t i = 0; i < COUNT_OF(kFlags); i++) {
    lag = 0;
    ct_cache *cache = open_cache(kTtl, kTtl, 0);
    assert_status(CT_OK, set_text(cache, "a", "1"));
    for (int times = 0; times < 100; times++) {
      lag = 2 * kTick - 1;
      assert_status(CT_OK, ct_snapshot_save_file(cache, path));
      ct_cache_free(cache);
      cache = open_cache(kTtl, kTtl, 0);
      lag = 0;
      assert_status(CT_OK, ct_snapshot_load_file_with(cache, path, kFlags[i]));
    }
    true_time += kTtl + 4 * kTick;
    lag = 2 * kTick - 1;
    assert_false(has_text(cache, "a"));
    ct_cache_free(cache);
  }
  assert_int_equal(0, unlink(path));
}

/* ---- What is reported, and what is not changed ---------------------------------------------- */

CLOCK_TEST(inspect_tells_a_lifetime_with_what_was_added) {
  lag = kTick;
  ct_cache *cache = open_cache(0, 0, 0);
  by_set_ttl(cache);
  assert_int_equal(kTtl + 2 * kTick, info_of(cache, "a").remaining);
  assert_int_equal(true_time - lag + kTtl + 2 * kTick, info_of(cache, "a").deadline);
  ct_cache_free(cache);
}

CLOCK_TEST(deadline_stays_as_it_was_given) {
  lag = kTick;
  ct_cache *cache = open_cache(0, 0, 0);
  ct_entry_options options = entry_with(.flags = CT_ENTRY_DEADLINE, .deadline = true_time + 1);
  assert_status(CT_OK, ct_set_with(cache, "a", 1, "1", 1, &options));
  assert_int_equal(options.deadline, info_of(cache, "a").deadline);
  options.deadline = true_time - lag;
  assert_status(CT_NOT_STORED, ct_set_with(cache, "a", 1, "1", 1, &options));
  ct_cache_free(cache);
}

CLOCK_TEST(ttu_of_no_time_is_none_by_the_coarse_clock_too) {
  ct_cache *cache = open_cache_with(dead_on_arrival, 0, 0, 0);
  assert_status(CT_NOT_STORED, set_text(cache, "a", "1"));
  ct_cache_free(cache);
}

CLOCK_TEST(no_time_to_live_is_none_by_the_coarse_clock_too) {
  lag = kTick;
  ct_cache *cache = open_cache(kTtl, 0, 0);
  assert_status(CT_OK, set_text(cache, "a", "1"));
  assert_status(CT_OK, ct_set_lifetime(cache, "a", 1, 0));
  assert_false(has_text(cache, "a"));
  assert_status(CT_NOT_STORED, ct_set_ttl(cache, "a", 1, "1", 1, 0));
  ct_cache_free(cache);
}

CLOCK_TEST(lifetimes_beyond_the_clock_never_end) {
  lag = kTick;
  ct_cache *cache = open_cache(0, 0, 0);
  const uint64_t ttls[] = {CT_NEVER, CT_NEVER - 1, CT_NEVER - true_time - kTick};
  for (size_t i = 0; i < COUNT_OF(ttls); i++) {
    assert_status(CT_OK, ct_set_ttl(cache, "a", 1, "1", 1, ttls[i]));
    assert_true(info_of(cache, "a").deadline == CT_NEVER);
  }
  ct_cache_free(cache);
}

CLOCK_TEST(precise_clock_ends_lifetimes_to_the_nanosecond) {
  lag = kTick;
  for (size_t i = 0; i < COUNT_OF(kWays); i++) {
    print_message("# %s\n", kWays[i].name);
    ct_cache *cache =
        open_cache_with(kWays[i].ttu, kWays[i].ttl, kWays[i].tti, CT_FLAG_PRECISE_CLOCK);
    kWays[i].store(cache);
    assert_int_equal(kTtl, info_of(cache, "a").remaining);
    true_time += kTtl - 1;
    assert_int_equal(1, info_of(cache, "a").remaining);
    true_time++;
    assert_false(has_text(cache, "a"));
    ct_cache_free(cache);
  }
}

/* ---- How long loads take -------------------------------------------------------------------- */

static ct_status load_for(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)key, (void)key_size;
  true_time += *(const uint64_t *)user_data;
  return ct_result_set(result, "1", 1);
}

static uint64_t tell_nothing(void *user_data) {
  (void)user_data;
  return 7;
}

/* Loads the key anew in that time, and returns the bucket in which that was counted. */
static int bucket_of(ct_cache *cache, uint64_t ns) {
  ct_delete(cache, "a", 1);
  const ct_stats before = stats_of(cache);
  assert_status(CT_OK, ct_get_or_load(cache, "a", 1, load_for, &ns, NULL));
  const ct_stats after = stats_of(cache);
  assert_int_equal(after.loads, bucketed_loads(&after));
  assert_int_equal(before.loads + 1, after.loads);
  int bucket = -1;
  for (int i = 0; i < (int)COUNT_OF(after.load_buckets); i++) {
    if (after.load_buckets[i] == before.load_buckets[i]) continue;
    assert_int_equal(-1, bucket);
    bucket = i;
  }
  return bucket;
}

static void assert_buckets(ct_cache *cache) {
  enum { kLast = 11 };
  assert_int_equal(0, bucket_of(cache, 0));
  assert_int_equal(0, bucket_of(cache, 1));
  uint64_t limit = 1000;
  for (int i = 0; i < kLast; i++, limit *= 4) {
    assert_int_equal(i, bucket_of(cache, limit));
    assert_int_equal(i + 1, bucket_of(cache, limit + 1));
  }
  assert_int_equal(kLast, bucket_of(cache, UINT64_MAX / 4));
  ct_cache_free(cache);
}

CLOCK_TEST(loads_fall_into_the_bucket_of_their_time) {
  lag = kTick;
  assert_buckets(open_cache(0, 0, 0));
  assert_buckets(open_cache(CT_NEVER, 0, CT_FLAG_PRECISE_CLOCK));
}

CLOCK_TEST(loads_by_a_timer_of_ones_own_fall_into_the_bucket_of_their_real_time) {
  ct_cache *cache = cache_of(.maxsize = 8, .timer = tell_nothing);
  uint64_t ns = 5000;
  assert_status(CT_OK, ct_get_or_load(cache, "a", 1, load_for, &ns, NULL));
  assert_int_equal(0, stats_of(cache).load_ticks);
  assert_buckets(cache);
}

CLOCK_TEST(lease_is_timed_from_when_it_was_handed_out) {
  lag = kTick;
  ct_cache *cache = open_cache(0, 0, 0);
  ct_lease *lease;
  assert_status(CT_LEASED, ct_get_or_lease(cache, "a", 1, 0, NULL, &lease));
  true_time += 300000;
  assert_status(CT_OK, ct_lease_fulfil(lease, "1", 1, NULL, NULL));
  assert_int_equal(300000, stats_of(cache).load_ticks);
  assert_int_equal(1, stats_of(cache).load_buckets[5]);
  assert_status(CT_OK, ct_cache_stats_reset(cache));
  const ct_stats stats = stats_of(cache);
  assert_int_equal(0, stats.loads + stats.load_ticks + bucketed_loads(&stats));
  ct_cache_free(cache);
}

CLOCK_TEST(load_that_fails_is_in_no_bucket) {
  ct_cache *cache = open_cache(0, 0, 0);
  ct_lease *lease;
  assert_status(CT_LEASED, ct_get_or_lease(cache, "a", 1, 0, NULL, &lease));
  ct_lease_fail(lease, CT_ERR_IO);
  const ct_stats stats = stats_of(cache);
  assert_int_equal(0, bucketed_loads(&stats));
  ct_cache_free(cache);
}

CLOCK_TEST(cache_without_statistics_times_no_load) {
  ct_cache *cache = open_cache(0, 0, CT_FLAG_NO_STATS);
  uint64_t ns = 5000;
  assert_status(CT_OK, ct_get_or_load(cache, "a", 1, load_for, &ns, NULL));
  const ct_stats stats = stats_of(cache);
  assert_int_equal(0, stats.loads + stats.load_ticks + bucketed_loads(&stats));
  ct_cache_free(cache);
}
