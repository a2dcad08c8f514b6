/* SPDX-License-Identifier: MIT */
/* ct_add and CT_ENTRY_IF_SAME on many threads: no change is lost, and no reader sees half of one. */
#include "stage.h"

enum { kKeys = 16, kAdding = 8, kSwapping = 4, kReading = 2 };

/* Added to a counter, it changes both halves alike. */
#define BOTH_HALVES INT64_C(0x100000001)

typedef struct worker {
  ct_cache *cache;
  pthread_t thread;
  uint64_t number, times, faults;
  _Atomic bool *over;
} worker;

static void begin(worker *self, void *(*run)(void *)) {
  assert_int_equal(0, pthread_create(&self->thread, NULL, run, self));
}

static void *add(void *user_data) {
  worker *self = user_data;
  for (uint64_t i = 0; i < self->times; i++) {
    const uint64_t key = (self->number + i) % kKeys;
    int64_t sum = 0;
    const ct_status status = ct_add(self->cache, &key, sizeof key, BOTH_HALVES, 0, NULL, &sum);
    self->faults += status != CT_OK || sum % BOTH_HALVES != 0;
  }
  return NULL;
}

static void *read_whole(void *user_data) {
  worker *self = user_data;
  int64_t before[kKeys] = {0};
  for (uint64_t i = 0; !*self->over; i++) {
    const uint64_t key = i % kKeys;
    int64_t seen = 0;
    size_t size = 0;
    ct_value value;
    if (self->number % 2 == 0) {
      if (ct_get_copy(self->cache, &key, sizeof key, &seen, sizeof seen, &size) != CT_OK) continue;
    } else {
      if (ct_get(self->cache, &key, sizeof key, &value) != CT_OK) continue;
      memcpy(&seen, value.data, sizeof seen);
      ct_value_release(&value);
    }
    self->faults += seen % BOTH_HALVES != 0 || seen < before[key];
    before[key] = seen;
  }
  return NULL;
}

static void count_event(void *user_data, const ct_event *event) {
  if (event->cause == CT_CAUSE_REPLACED) atomic_fetch_add((_Atomic uint64_t *)user_data, 1);
}

/* Adds on many threads beside readers. listener: of the cache; NULL: sums are changed in place. */
static void check_sums(uint32_t shards, ct_listener_fn listener, uint64_t ttl, uint64_t times) {
  _Atomic uint64_t told = 0;
  _Atomic bool over = false;
  ct_cache *cache = cache_of(.maxsize = 1000, .shards = shards, .listener = listener,
                             .user_data = &told, .ttl = ttl);
  /* Other entries, so that the shards are read without the lock. */
  for (uint64_t key = 1000; key < 1900; key++) ct_set(cache, &key, sizeof key, "value", 5);
  worker adding[kAdding], reading[kReading];
  for (uint64_t i = 0; i < kReading; i++) {
    reading[i] = (worker){.cache = cache, .number = i, .over = &over};
    begin(&reading[i], read_whole);
  }
  for (uint64_t i = 0; i < kAdding; i++) {
    adding[i] = (worker){.cache = cache, .number = i, .times = times * kKeys};
    begin(&adding[i], add);
  }
  for (uint64_t i = 0; i < kAdding; i++) {
    pthread_join(adding[i].thread, NULL);
    assert_int_equal(0, adding[i].faults);
  }
  over = true;
  for (uint64_t i = 0; i < kReading; i++) {
    pthread_join(reading[i].thread, NULL);
    assert_int_equal(0, reading[i].faults);
  }
  for (uint64_t key = 0; key < kKeys; key++) {
    ct_value value = CT_VALUE_INIT;
    assert_status(CT_OK, ct_peek(cache, &key, sizeof key, &value));
    assert_true(*(const int64_t *)value.data == (int64_t)(times * kAdding) * BOTH_HALVES);
    ct_value_release(&value);
  }
  const uint64_t updates = times * kAdding * kKeys - kKeys;
  const ct_stats stats = stats_of(cache);
  assert_int_equal(updates, stats.updates);
  assert_int_equal(0, stats.pinned);
  assert_true(stats.hits >= updates);
  if (listener != NULL) assert_int_equal(updates, told);
  ct_cache_free(cache);
}

TEST(sums_in_place_are_exact) {
  const uint64_t times = (uint64_t)rounds(100000 / kKeys);
  check_sums(1, NULL, 0, times);
  check_sums(4, NULL, CT_HOURS(1), times);
}

TEST(sums_that_a_listener_is_told_of_are_exact) {
  check_sums(4, count_event, 0, (uint64_t)rounds(500));
}

/* ---- Compare and swap ----------------------------------------------------------------------- */

static void *swap(void *user_data) {
  worker *self = user_data;
  for (uint64_t i = 0; i < self->times;) {
    const uint64_t key = i % 2;
    ct_value seen;
    const ct_status found = ct_get(self->cache, &key, sizeof key, &seen);
    int64_t count = 0;
    if (found == CT_OK) memcpy(&count, seen.data, sizeof count);
    count++;
    ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
    options.flags = CT_ENTRY_IF_SAME | CT_ENTRY_KEEP_TTL;
    options.same = &seen;
    const ct_status status =
        ct_set_with(self->cache, &key, sizeof key, &count, sizeof count, &options);
    if (found == CT_OK && i % 64 == 0)
      ct_set_lifetime(self->cache, &key, sizeof key, CT_HOURS(1) + i);
    ct_value_release(&seen);
    self->faults += status != CT_OK && status != CT_EXISTS;
    i += status == CT_OK;
  }
  return NULL;
}

/* A value moves when it gets its first lifetime; a thread that saw it before knows it still. */
TEST(swaps_of_what_was_seen_are_exact) {
  const uint64_t times = 2 * (uint64_t)rounds(5000);
  for (uint32_t flags = 0; flags < 2; flags++) {
    ct_cache *cache = cache_of(.maxsize = 100, .ttl = flags == 0 ? 0 : CT_HOURS(1));
    worker swapping[kSwapping];
    for (uint64_t i = 0; i < kSwapping; i++) {
      swapping[i] = (worker){.cache = cache, .number = i, .times = times};
      begin(&swapping[i], swap);
    }
    for (uint64_t i = 0; i < kSwapping; i++) {
      pthread_join(swapping[i].thread, NULL);
      assert_int_equal(0, swapping[i].faults);
    }
    for (uint64_t key = 0; key < 2; key++) {
      ct_value value = CT_VALUE_INIT;
      assert_status(CT_OK, ct_peek(cache, &key, sizeof key, &value));
      assert_true(*(const int64_t *)value.data == (int64_t)(times / 2 * kSwapping));
      ct_value_release(&value);
    }
    assert_int_equal(0, stats_of(cache).pinned);
    ct_cache_free(cache);
  }
}

/* One of the threads that delete what they saw has deleted it. */
static void *delete_seen(void *user_data) {
  worker *self = user_data;
  for (uint64_t key = 0; key < self->times; key++) {
    ct_value seen;
    if (ct_get(self->cache, &key, sizeof key, &seen) != CT_OK) continue;
    self->number += ct_delete_if(self->cache, &key, sizeof key, &seen) == CT_OK;
    ct_value_release(&seen);
  }
  return NULL;
}

TEST(each_value_is_deleted_once) {
  const uint64_t times = (uint64_t)rounds(20000);
  ct_cache *cache = cache_of(.maxsize = CT_UNBOUNDED, .shards = 4);
  for (uint64_t key = 0; key < times; key++) ct_set(cache, &key, sizeof key, &key, sizeof key);
  worker deleting[kSwapping];
  for (uint64_t i = 0; i < kSwapping; i++) {
    deleting[i] = (worker){.cache = cache, .times = times};
    begin(&deleting[i], delete_seen);
  }
  uint64_t deleted = 0;
  for (uint64_t i = 0; i < kSwapping; i++) {
    pthread_join(deleting[i].thread, NULL);
    deleted += deleting[i].number;
  }
  assert_int_equal(times, deleted);
  assert_int_equal(0, ct_len(cache));
  assert_int_equal(times, stats_of(cache).removals);
  ct_cache_free(cache);
}
