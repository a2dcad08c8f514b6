/* SPDX-License-Identifier: MIT */
/* Expired entries leave before live ones, and ct_expire removes all that are due. */
#include "lifetimes.h"

/* ---- Expired entries first ------------------------------------------------------------------ */

TEST(no_live_entry_is_evicted_while_an_expired_one_remains) {
  for (uint32_t shards = 1; shards <= 64; shards *= 4) {
    fixture f;
    open_fixture(&f, .maxsize = 256, .shards = shards);
    uint64_t random = test_seed();
    /* Half of the entries, at random places, will have expired. */
    size_t dying = 0;
    for (uint64_t key = 0; key < 256; key++) {
      bool dies = test_random_below(&random, 2) == 0;
      uint64_t ttl = dies ? 1 + test_random_below(&random, 100) : 1000;
      assert_status(CT_OK, ct_set_ttl(f.cache, &key, sizeof(key), "v", 1, ttl));
      dying += dies;
    }
    set_now(&f, 101);
    for (uint64_t key = 1000; key < 1000 + dying; key++)
      assert_status(CT_OK, set_number(f.cache, key, "w", 1));
    assert_int_equal(0, stats_of(f.cache).evictions);
    assert_int_equal(dying, stats_of(f.cache).expirations);
    assert_int_equal(256, ct_len(f.cache));
    assert_status(CT_OK, set_number(f.cache, 5000, "w", 1));
    assert_int_equal(1, stats_of(f.cache).evictions);
    fixture_close(&f);
  }
}

FIXTURE_TEST(heavy_entry_takes_the_room_of_expired_ones_in_all_shards,
             open_fixture(f, .maxsize = 64, .shards = 16)) {
  for (uint64_t key = 0; key < 64; key++)
    assert_status(CT_OK, ct_set_ttl(f->cache, &key, sizeof(key), "v", 1, key < 32 ? 5 : 50));
  set_now(f, 5);
  assert_status(CT_OK, set_text_weight(f->cache, "heavy", "w", 32));
  assert_int_equal(0, stats_of(f->cache).evictions);
  assert_int_equal(32, stats_of(f->cache).expirations);
  assert_int_equal(33, ct_len(f->cache));
}

FIXTURE_TEST(popitem_never_takes_an_expired_entry, open_fixture(f, .maxsize = 64, .shards = 4)) {
  for (uint64_t key = 0; key < 64; key++)
    assert_status(
        CT_OK, ct_set_ttl(f->cache, &key, sizeof(key), &key, sizeof(key), key % 2 == 0 ? 5 : 50));
  set_now(f, 5);
  ct_value value;
  for (int i = 0; i < 32; i++) {
    assert_status(CT_OK, ct_popitem(f->cache, NULL, &value));
    assert_int_equal(1, *(const uint64_t *)value.data % 2);
    ct_value_release(&value);
  }
  assert_status(CT_MISS, ct_popitem(f->cache, NULL, NULL));
}

/* ---- ct_expire ------------------------------------------------------------------------------ */

FIXTURE_TEST(expire_up_to_a_time_of_the_callers, open_at_100(f, 0, 0)) {
  set_text_deadline(f->cache, "a", "1", 200);
  set_text_deadline(f->cache, "b", "2", 300);
  set_text(f->cache, "c", "3");
  assert_int_equal(0, ct_expire(f->cache, 199, NULL, NULL));
  assert_int_equal(1, ct_expire(f->cache, 200, NULL, NULL));
  assert_told(f, "EXPIRED a=1");
  assert_int_equal(1, ct_expire(f->cache, CT_NEVER - 1, NULL, NULL));
  assert_told(f, "EXPIRED b=2");
  assert_text(f->cache, "c", "3");
  assert_int_equal(1, ct_len(f->cache));
}

FIXTURE_TEST(expire_far_ahead_leaves_later_lifetimes_whole, open_at_100(f, 10, 0)) {
  set_text(f->cache, "a", "1");
  assert_int_equal(1, ct_expire(f->cache, (uint64_t)1 << 60, NULL, NULL));
  assert_told(f, "EXPIRED a=1");
  set_text(f->cache, "b", "2");
  set_text_ttl(f->cache, "c", "3", 1000);
  assert_int_equal(2, ct_len(f->cache));
  assert_expires_at(f, "b", 110);
  assert_int_equal(1, ct_len(f->cache));
  assert_expires_at(f, "c", 1100);
  assert_int_equal(0, ct_len(f->cache));
  assert_told(f, "EXPIRED b=2, EXPIRED c=3");
}

FIXTURE_TEST(expire_in_a_cache_without_lifetimes_removes_nothing, open_at_100(f, 0, 0)) {
  set_text(f->cache, "a", "1");
  assert_int_equal(0, ct_expire(f->cache, CT_NOW, NULL, NULL));
  assert_int_equal(0, ct_expire(f->cache, 1000, NULL, NULL));
  assert_int_equal(1, ct_len(f->cache));
}

FIXTURE_TEST(expire_by_tti_follows_the_last_use, open_at_100(f, 0, 10)) {
  fill_abc(f->cache);
  set_now(f, 105);
  use_text(f->cache, "a");
  set_now(f, 107);
  use_text(f->cache, "b");
  set_now(f, 109);
  use_text(f->cache, "a");
  set_now(f, 130);
  assert_int_equal(3, ct_expire(f->cache, CT_NOW, NULL, NULL));
  assert_told(f, "EXPIRED c=3, EXPIRED b=2, EXPIRED a=1");
}

enum { kManyEntries = 100000 };

/* Checks what ct_expire shows against the deadlines that the entries were given. */
typedef struct expectation {
  manual_clock clock;
  uint64_t deadlines[kManyEntries];
  bool gone[kManyEntries];
  uint64_t after;    /* all entries due up to then have gone */
  uint64_t now;      /* entries due up to then may go */
  uint64_t previous; /* the deadline shown last */
  uint64_t shown;
  uint64_t wrong;
} expectation;

static void expect_in_order(void *user_data, const ct_event *event) {
  expectation *self = user_data;
  uint64_t key;
  memcpy(&key, event->key.data, sizeof(key));
  if (key >= kManyEntries || self->gone[key]) {
    self->wrong++;
    return;
  }
  uint64_t deadline = self->deadlines[key];
  self->wrong += deadline <= self->after || deadline > self->now || deadline < self->previous;
  self->gone[key] = true;
  self->previous = deadline;
  self->shown++;
}

static int compare_numbers(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left;
  uint64_t b = *(const uint64_t *)right;
  return a < b ? -1 : a > b;
}

static void assert_entries_expire_in_order(uint32_t shards, bool by_timer) {
  static expectation e;
  static uint64_t sorted[kManyEntries];
  memset(&e, 0, sizeof(e));
  uint64_t random = test_seed();
  ct_cache *cache = cache_of(.maxsize = CT_UNBOUNDED, .shards = shards, .timer = manual_clock_read,
                             .user_data = &e);
  for (uint64_t key = 0; key < kManyEntries; key++) {
    /* Deadlines have every magnitude from 1 to 2^62; many of the small ones are equal. */
    uint64_t magnitude = (uint64_t)1 << test_random_below(&random, 62);
    e.deadlines[key] = sorted[key] = magnitude + test_random_below(&random, magnitude);
    assert_status(CT_OK, ct_set_ttl(cache, &key, sizeof(key), "v", 1, e.deadlines[key]));
  }
  assert_int_equal(kManyEntries, ct_len(cache));
  qsort(sorted, kManyEntries, sizeof(sorted[0]), compare_numbers);
  size_t at = 0;
  while (at < kManyEntries) {
    /* Goes on to a later deadline, and stops right before it first. */
    size_t last = at + test_random_below(&random, 200);
    if (last >= kManyEntries) last = kManyEntries - 1;
    for (int exactly = 0; exactly < 2; exactly++) {
      uint64_t now = sorted[last] - (exactly ? 0 : 1);
      size_t expected = at;
      while (expected < kManyEntries && sorted[expected] <= now) expected++;
      e.now = now;
      e.previous = 0;
      e.shown = 0;
      e.clock.now = by_timer ? now : 0;
      uint64_t count = ct_expire(cache, by_timer ? CT_NOW : now, expect_in_order, &e);
      assert_int_equal(expected - at, count);
      assert_int_equal(expected - at, e.shown);
      assert_int_equal(0, e.wrong);
      e.after = now;
      at = expected;
    }
  }
  assert_int_equal(0, ct_len(cache));
  ct_cache_free(cache);
}

TEST(random_deadlines_expire_in_order) {
  assert_entries_expire_in_order(1, false);
}

TEST(random_deadlines_expire_in_order_over_shards) {
  assert_entries_expire_in_order(16, false);
}

TEST(random_deadlines_expire_in_order_by_the_timer) {
  assert_entries_expire_in_order(1, true);
}

TEST(random_deadlines_expire_in_order_by_the_timer_over_shards) {
  assert_entries_expire_in_order(16, true);
}
