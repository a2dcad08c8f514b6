/* SPDX-License-Identifier: MIT */
/* How the clock is read: how often, when it goes back, at the end of time, and by default. */
#include <time.h>

#include "lifetimes.h"

/* ---- Sums that reach the end of time -------------------------------------------------------- */

FIXTURE_TEST(ttl_saturates_at_never, open_at_100(f, 100, 0)) {
  set_now(f, CT_NEVER - 50);
  set_text(f->cache, "a", "1");
  set_text_ttl(f->cache, "b", "2", CT_NEVER - 1);
  set_text_ttl(f->cache, "c", "3", 49);
  assert_true(info_of(f->cache, "a").deadline == CT_NEVER);
  assert_true(info_of(f->cache, "b").deadline == CT_NEVER);
  assert_true(info_of(f->cache, "c").deadline == CT_NEVER - 1);
  set_now(f, CT_NEVER - 2);
  assert_text(f->cache, "c", "3");
  set_now(f, CT_NEVER - 1);
  assert_text(f->cache, "a", "1");
  assert_text(f->cache, "b", "2");
  assert_text(f->cache, "c", NULL);
  assert_int_equal(2, ct_len(f->cache));
}

FIXTURE_TEST(tti_saturates_at_never, open_at_100(f, 0, 100)) {
  set_now(f, CT_NEVER - 50);
  set_text(f->cache, "a", "1");
  set_now(f, CT_NEVER - 1);
  assert_text(f->cache, "a", "1");
  assert_int_equal(1, ct_len(f->cache));
}

FIXTURE_TEST(set_lifetime_saturates_at_never, open_at_100(f, 10, 0)) {
  set_text(f->cache, "a", "1");
  assert_status(CT_OK, ct_set_lifetime(f->cache, "a", 1, CT_NEVER - 1));
  assert_true(info_of(f->cache, "a").deadline == CT_NEVER);
  set_now(f, CT_NEVER - 1);
  assert_text(f->cache, "a", "1");
}

/* ---- Clocks that go back -------------------------------------------------------------------- */

/* Counts the entries whose key is the number of entries that were counted before. */
static void visit_in_order(void *user_data, const ct_event *event) {
  uint64_t *next = user_data;
  *next += memcmp(event->key.data, next, sizeof *next) == 0;
}

FIXTURE_TEST(clock_that_goes_back_hides_nothing, open_at_100(f, 10, 0)) {
  set_text(f->cache, "a", "1");
  set_now(f, 50);
  assert_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  assert_int_equal(2, ct_len(f->cache));
  set_now(f, 59);
  assert_text(f->cache, "b", "2");
  assert_int_equal(0, ct_expire(f->cache, CT_NOW, NULL, NULL));
  set_now(f, 60);
  assert_text(f->cache, "b", NULL);
  assert_text(f->cache, "a", "1");
  assert_int_equal(1, ct_len(f->cache));
  assert_told(f, "EXPIRED b=2");
  set_now(f, 110);
  assert_text(f->cache, "a", NULL);
  assert_int_equal(0, ct_len(f->cache));
  assert_told(f, "EXPIRED a=1");
}

FIXTURE_TEST(entry_hidden_by_a_late_reading_comes_back, open_at_100(f, 10, 0)) {
  set_text(f->cache, "a", "1");
  set_now(f, 1000);
  assert_text(f->cache, "a", NULL);
  assert_false(has_text(f->cache, "a"));
  set_now(f, 105);
  assert_text(f->cache, "a", "1");
  assert_expires_at(f, "a", 110);
}

/* The clock goes so far back that the entries that are due last have to be filed anew. */
TEST(clock_that_went_far_back_expires_many_in_order) {
  enum { kPast = 100, kFuture = 10, kLater = 1000000 };
  fixture f;
  open_lru(&f, CT_UNBOUNDED);
  set_now(&f, kLater);
  for (uint64_t i = 0; i < kFuture; i++) {
    const uint64_t key = kPast + i;
    assert_status(CT_OK, ct_set_ttl(f.cache, &key, sizeof key, &key, sizeof key, 10 + i));
  }
  set_now(&f, 5);
  for (uint64_t i = 0; i < kPast; i++) {
    const uint64_t key = i * 7 % kPast;
    assert_status(CT_OK, ct_set_ttl(f.cache, &key, sizeof key, &key, sizeof key, 1 + key));
  }
  uint64_t next = 0;
  set_now(&f, 55);
  assert_int_equal(50, ct_expire(f.cache, CT_NOW, visit_in_order, &next));
  assert_int_equal(50, next);
  set_now(&f, 5 + kPast);
  assert_int_equal(50, ct_expire(f.cache, CT_NOW, visit_in_order, &next));
  assert_int_equal(kPast, next);
  assert_int_equal(kFuture, ct_len(f.cache));
  set_now(&f, kLater + 10 + kFuture);
  assert_int_equal(kFuture, ct_expire(f.cache, CT_NOW, visit_in_order, &next));
  assert_int_equal(kPast + kFuture, next);
  assert_int_equal(0, ct_len(f.cache));
  fixture_close(&f);
}

FIXTURE_TEST(tti_is_not_shortened_by_an_early_reading, open_at_100(f, 0, 10)) {
  set_text(f->cache, "a", "1");
  set_now(f, 20);
  assert_text(f->cache, "a", "1");
  assert_expires_at(f, "a", 110);
}

TEST(readings_out_of_order_expire_each_entry_at_its_deadline) {
  enum { kKeys = 500 };
  uint64_t deadlines[kKeys];
  uint64_t random = test_seed();
  fixture f;
  ct_options options = fixture_options(&f, CT_POLICY_LRU, kKeys);
  options.shards = 4;
  options.listener = NULL;
  fixture_open(&f, &options);
  bool there[kKeys] = {false};
  for (int step = 0; step < 20000; step++) {
    uint64_t now = test_random_below(&random, (uint64_t)1 << (1 + test_random_below(&random, 40)));
    set_now(&f, now);
    uint64_t key = test_random_below(&random, kKeys);
    switch (test_random_below(&random, 4)) {
      case 0:
        /* Reclaims all that is due. */
        ct_expire(f.cache, CT_NOW, NULL, NULL);
        for (size_t i = 0; i < kKeys; i++) there[i] = there[i] && deadlines[i] > now;
        break;
      case 1: {
        uint64_t ttl = 1 + test_random_below(&random, (uint64_t)1 << 40);
        ct_set_ttl(f.cache, &key, sizeof(key), "v", 1, ttl);
        /* A write may reclaim what is due. */
        ct_expire(f.cache, CT_NOW, NULL, NULL);
        for (size_t i = 0; i < kKeys; i++) there[i] = there[i] && deadlines[i] > now;
        there[key] = true;
        deadlines[key] = now + ttl;
        break;
      }
      default:
        assert_int_equal(there[key] && deadlines[key] > now,
                         ct_contains(f.cache, &key, sizeof(key)));
    }
  }
  fixture_close(&f);
}

/* ---- How often the clock is read ------------------------------------------------------------ */

static uint64_t weigh_one(void *user_data, const void *key, size_t key_size, const void *value,
                          size_t value_size) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  return 1;
}

static void by_set(ct_cache *cache) {
  set_text(cache, "a", "1");
}

static void by_set_another(ct_cache *cache) {
  set_text(cache, "another", "1");
}

static void by_set_with(ct_cache *cache) {
  set_text_with(cache, "a", "1", NULL);
}

static void by_set_many(ct_cache *cache) {
  const size_t ends[] = {1, 2, 3, 4, 5, 6};
  ct_set_many(cache, "a1b2c3", ends, 3, NULL, NULL);
}

static void by_get_many_keys(ct_cache *cache) {
  const ct_bytes keys[] = {{"a", 1}, {"b", 1}, {"c", 1}, {"x", 1}};
  ct_value values[4];
  ct_status statuses[4];
  ct_get_many(cache, keys, 4, values, statuses);
  for (int i = 0; i < 4; i++) ct_value_release(&values[i]);
}

static void by_get_many_copied_keys(ct_cache *cache) {
  const size_t ends[] = {1, 2, 3, 4};
  char buffer[64];
  size_t value_ends[4];
  ct_status statuses[4];
  ct_get_many_copy(cache, "abcx", ends, 4, buffer, sizeof(buffer), value_ends, statuses);
}

static void by_setdefault_of_another(ct_cache *cache) {
  ct_setdefault(cache, "new", 3, "1", 1, NULL);
}

static void by_miss(ct_cache *cache) {
  use_text(cache, "x");
}

static void by_pop(ct_cache *cache) {
  ct_pop(cache, "b", 1, NULL);
}

static void by_delete(ct_cache *cache) {
  delete_text(cache, "c");
}

static void by_popitem(ct_cache *cache) {
  ct_popitem(cache, NULL, NULL);
}

static void by_clear(ct_cache *cache) {
  ct_clear(cache);
}

static void by_currsize(ct_cache *cache) {
  ct_currsize(cache);
}

static void by_maxsize(ct_cache *cache) {
  ct_maxsize(cache);
}

static void by_memory(ct_cache *cache) {
  ct_memory(cache);
}

static void by_shrinking(ct_cache *cache) {
  ct_resize(cache, 2);
}

static void by_growing(ct_cache *cache) {
  ct_resize(cache, 8);
}

static void by_stats(ct_cache *cache) {
  stats_of(cache);
}

static void by_stats_reset(ct_cache *cache) {
  ct_cache_stats_reset(cache);
}

static void by_expire(ct_cache *cache) {
  ct_expire(cache, CT_NOW, NULL, NULL);
}

static bool match_c(void *user_data, const void *key, size_t key_size, const void *value,
                    size_t value_size) {
  (void)user_data, (void)value, (void)value_size;
  return key_size == 1 && *(const char *)key == 'c';
}

static void by_removing_some(ct_cache *cache) {
  ct_remove_if(cache, match_c, NULL);
}

static void by_set_ttl(ct_cache *cache) {
  set_text_ttl(cache, "a", "1", 50);
}

static void by_set_dead(ct_cache *cache) {
  set_text_ttl(cache, "b", "1", 0);
}

static void by_set_deadline(ct_cache *cache) {
  set_text_deadline(cache, "a", "1", 500);
}

static void by_short_lifetime(ct_cache *cache) {
  ct_set_lifetime(cache, "a", 1, 7);
}

static void by_no_lifetime(ct_cache *cache) {
  ct_set_lifetime(cache, "c", 1, 0);
}

/* Actions that give no entry a lifetime. */
static const action kPlainActions[] = {
    by_set,
    by_set_another,
    by_set_with,
    by_set_many,
    by_get,
    by_get_copy,
    by_get_copy_too_small,
    by_get_many,
    by_get_many_keys,
    by_get_many_copied_keys,
    by_get_many_copy_too_small,
    by_miss,
    by_peek,
    by_contains,
    by_inspect,
    by_setdefault,
    by_setdefault_of_another,
    by_set_if_absent,
    by_set_too_large,
    by_removing_some,
    by_pop,
    by_delete,
    by_expire,
    by_currsize,
    by_maxsize,
    by_memory,
    by_shrinking,
    by_growing,
    by_stats,
    by_stats_reset,
    by_popitem,
    by_clear,
};

static const action kLifetimeActions[] = {by_set_ttl, by_set_deadline, by_set_dead,
                                          by_short_lifetime, by_no_lifetime};

static void act_reading_at_most(fixture *f, action act, uint64_t most) {
  f->readings = 0;
  act(f->cache);
  if (f->readings > most)
    fail_msg("the clock was read %llu times", (unsigned long long)f->readings);
}

static void count_in_iteration(fixture *f, int32_t order, uint64_t most) {
  ct_iter *iter;
  f->readings = 0;
  assert_status(CT_OK, ct_iter_new(f->cache, order, &iter));
  assert_true(f->readings <= most);
  ct_status status;
  do {
    f->readings = 0;
    status = ct_iter_next(iter, NULL, NULL);
    assert_true(f->readings <= most);
  } while (status == CT_OK);
  assert_status(CT_END, status);
  f->readings = 0;
  ct_iter_free(iter);
  assert_int_equal(0, f->readings);
}

static const ct_policy kOrderedPolicies[] = {CT_POLICY_LRU, CT_POLICY_FIFO, CT_POLICY_LFU,
                                             CT_POLICY_ANY, CT_POLICY_MRU};

TEST(cache_without_lifetimes_never_reads_the_clock) {
  for (size_t p = 0; p < COUNT_OF(kOrderedPolicies); p++) {
    for (uint32_t shards = 1; shards <= 4; shards *= 4) {
      fixture f;
      open_fixture(&f, .policy = kOrderedPolicies[p], .maxsize = 8, .timer = count_readings,
                   .weigher = weigh_one, .shards = shards);
      for (size_t i = 0; i < COUNT_OF(kPlainActions); i++) {
        fill_abc(f.cache);
        act_reading_at_most(&f, kPlainActions[i], 0);
        f.log[0] = '\0';
      }
      fill_abc(f.cache);
      for (int32_t order = CT_ORDER_ANY; order <= CT_ORDER_HOTTEST; order++)
        count_in_iteration(&f, order, 0);
      fixture_close(&f);
      assert_int_equal(0, f.readings);
    }
  }
}

TEST(a_call_reads_the_clock_at_most_once) {
  for (size_t p = 0; p < COUNT_OF(kOrderedPolicies); p++) {
    for (int kind = 0; kind < 4; kind++) {
      fixture f;
      open_fixture(&f, .policy = kOrderedPolicies[p], .maxsize = 8, .timer = count_readings,
                   .ttl = kind == 0 || kind == 2 ? 20 : 0, .tti = kind == 1 || kind == 2 ? 10 : 0,
                   .shards = kind == 2 ? 4 : 1, .ttu = kind == 3 ? ttu_by_value : NULL);
      for (int live = 0; live < 2; live++) {
        for (size_t i = 0; i < COUNT_OF(kPlainActions) + COUNT_OF(kLifetimeActions); i++) {
          fill_abc(f.cache);
          set_text_ttl(f.cache, "soon", "1", 1);
          f.log[0] = '\0';
          /* In the second round, one entry has always expired. */
          set_now(&f, f.clock.now + (uint64_t)live);
          act_reading_at_most(&f,
                              i < COUNT_OF(kPlainActions)
                                  ? kPlainActions[i]
                                  : kLifetimeActions[i - COUNT_OF(kPlainActions)],
                              1);
        }
        fill_abc(f.cache);
        for (int32_t order = CT_ORDER_ANY; order <= CT_ORDER_HOTTEST; order++)
          count_in_iteration(&f, order, 1);
      }
      fixture_close(&f);
    }
  }
}

/* ---- The default timer ---------------------------------------------------------------------- */

static uint64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void assert_default_timer_moves(uint32_t flags) {
  const uint64_t second = 1000000000u;
  ct_cache *cache = cache_of(.maxsize = 8, .flags = flags);
  assert_status(CT_OK, set_text_ttl(cache, "long", "1", 3600 * second));
  assert_status(CT_OK, set_text_ttl(cache, "short", "2", second / 20));
  uint64_t began = monotonic_ns();
  while (has_text(cache, "short") && monotonic_ns() - began < 20 * second) continue;
  assert_false(has_text(cache, "short"));
  /* The unit is nanoseconds. The coarse clock may be some milliseconds late, but no more. */
  assert_true(monotonic_ns() - began >= second / 20 - second / 50);
  uint64_t remaining = info_of(cache, "long").remaining;
  assert_true(remaining < 3600 * second);
  assert_true(remaining > 3000 * second);
  assert_text(cache, "long", "1");
  ct_cache_free(cache);
}

TEST(coarse_timer_moves) {
  assert_default_timer_moves(0);
}

TEST(precise_timer_moves) {
  assert_default_timer_moves(CT_FLAG_PRECISE_CLOCK);
}
