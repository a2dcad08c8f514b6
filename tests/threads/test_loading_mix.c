/* SPDX-License-Identifier: MIT */
/* Loads, leases and all other calls at once, on many threads: in the end, the counts agree. */
#include "stage.h"

enum { kMixers = 6, kMixedKeys = 12, kMixedSteps = 4000, kLargeValue = 20000 };

typedef struct mixer {
  ct_cache *cache;
  pthread_t thread;
  uint64_t random;
  int steps;
  int depth;        /* of loaders in loaders */
  bool ran;         /* the loader of the latest call */
  bool had_old;     /* which had a value to renew */
  uint64_t renewed; /* loads and leases that came with the old value */
  uint64_t reads;   /* that count a hit or a miss */
  uint64_t missed;  /* leases taken, by loaders too */
  uint64_t loads;   /* of these, fulfilled */
  uint64_t unnamed; /* statuses that may not occur */
  uint64_t damaged; /* values that are not what anyone stored under their key */
} mixer;

/* Time passes a little with some of the calls. */
static _Atomic uint64_t mixed_time;

static uint64_t read_mixed_time(void *user_data) {
  (void)user_data;
  return mixed_time;
}

/* A value begins with its key; all of its other bytes are equal. */
static size_t make_value(mixer *self, uint64_t key, char *value) {
  const size_t size = test_random_below(&self->random, 16) == 0
                          ? kLargeValue
                          : 9 + test_random_below(&self->random, 300);
  memset(value, (int)test_random_below(&self->random, 256), size);
  memcpy(value, &key, sizeof(key));
  return size;
}

static void check_value(mixer *self, uint64_t key, const void *data, size_t size) {
  const char *value = data;
  bool whole = size >= 9 && memcmp(value, &key, sizeof(key)) == 0;
  for (size_t i = 9; i < size && whole; i++) whole = value[i] == value[8];
  self->damaged += !whole;
}

static void mix_load(mixer *self, uint64_t key);

static ct_status bring_mixed(mixer *self, const void *key, size_t key_size, ct_bytes old,
                             ct_result *result) {
  self->missed++;
  char value[kLargeValue];
  uint64_t number;
  memcpy(&number, key, key_size);
  if (old.data != NULL) check_value(self, number, old.data, old.size);
  const size_t size = make_value(self, number, value);
  ct_result_set(result, value, size);
  if (test_random_below(&self->random, 4) == 0) sched_yield();
  switch (test_random_below(&self->random, 15)) {
    case 0:
      return CT_MISS;
    case 12:
      return CT_BUSY;
    case 1:
      return (ct_status)-1000;
    case 2:
      ct_result_discard(result);
      break;
    case 3:
      ct_result_weight(result, UINT64_MAX);
      break;
    case 4:
      ct_result_ttl(result, test_random_below(&self->random, 2));
      break;
    case 5:
      ct_delete(self->cache, key, key_size);
      break;
    case 6:
    case 7: {
      /* Any other key, so that rings occur. */
      if (self->depth >= 3) break;
      self->depth++;
      mix_load(self, test_random_below(&self->random, kMixedKeys));
      self->depth--;
      break;
    }
    case 13:
    case 14:
      if (old.data != NULL) ct_result_not_modified(result);
      break;
  }
  self->loads++;
  return CT_OK;
}

static ct_status load_mixed(void *user_data, const void *key, size_t key_size, ct_result *result) {
  mixer *self = user_data;
  ct_bytes old;
  const bool had_old = ct_result_old(result, &old) == CT_OK;
  const ct_status status = bring_mixed(self, key, key_size, old, result);
  self->ran = true;
  self->had_old = had_old;
  return status;
}

static void mix_load(mixer *self, uint64_t key) {
  ct_value value = CT_VALUE_INIT;
  ct_load_options options = CT_LOAD_OPTIONS_INIT;
  if (test_random_below(&self->random, 8) == 0) options.flags = CT_LOAD_FORCE;
  if (test_random_below(&self->random, 4) == 0)
    options.timeout_ns = 1 + test_random_below(&self->random, 100000);
  if (test_random_below(&self->random, 2) == 0)
    options.stale_after_ns = test_random_below(&self->random, 3) == 0 ? kForever : 50000;
  self->ran = self->had_old = false;
  const ct_status status =
      ct_get_or_load_with(self->cache, &key, sizeof(key), load_mixed, self, &options, &value);
  self->reads += status != CT_ERR_RECURSION && (status != CT_BUSY || self->ran);
  self->renewed += self->had_old && options.flags == 0;
  if (status == CT_OK || status == CT_STALE) {
    check_value(self, key, value.data, value.size);
  } else {
    self->unnamed += status != CT_MISS && status != (ct_status)-1000 && status != CT_BUSY &&
                     (status != CT_ERR_RECURSION || self->depth == 0);
    self->unnamed += value.pin != 0;
  }
  ct_value_release(&value);
}

static void mix_lease(mixer *self, uint64_t key) {
  const uint64_t waits[] = {0, test_random_below(&self->random, 100000), kForever};
  ct_value value = CT_VALUE_INIT;
  ct_lease *lease = NULL;
  const ct_status status = ct_get_or_lease(
      self->cache, &key, sizeof(key), waits[test_random_below(&self->random, 3)], &value, &lease);
  const bool failed = status == CT_MISS || status == (ct_status)-1000; /* with another's load */
  const bool served = status == CT_OK || status == CT_STALE || status == CT_RENEW;
  self->reads += served || status == CT_LEASED || failed;
  if (served) check_value(self, key, value.data, value.size);
  if (lease != NULL) {
    ct_value_release(&value);
    self->missed++;
    self->renewed += status == CT_RENEW;
    self->unnamed += status != CT_RENEW && status != CT_LEASED;
    if (status == CT_RENEW && test_random_below(&self->random, 3) == 0) {
      const ct_status kept = ct_lease_keep(lease, NULL);
      self->unnamed += kept != CT_OK && kept != CT_NOT_STORED;
      self->loads++;
      return;
    }
    if (test_random_below(&self->random, 3) == 0) {
      if (test_random_below(&self->random, 2) == 0)
        ct_lease_abandon(lease);
      else
        ct_lease_fail(lease, test_random_below(&self->random, 2) == 0 ? CT_MISS : (ct_status)-1000);
      return;
    }
    char brought[kLargeValue];
    const size_t size = make_value(self, key, brought);
    const ct_status kept = ct_lease_fulfil(lease, brought, size, NULL, &value);
    self->unnamed += kept != CT_OK && kept != CT_NOT_STORED;
    check_value(self, key, value.data, value.size);
    self->loads++;
  } else {
    self->unnamed += !served && !failed && status != CT_BUSY;
  }
  ct_value_release(&value);
}

static ct_status compute_mixed(void *user_data, const void *key, size_t key_size,
                               const ct_bytes *old, ct_result *result) {
  mixer *self = user_data;
  uint64_t number;
  memcpy(&number, key, key_size);
  if (old != NULL) check_value(self, number, old->data, old->size);
  char value[kLargeValue];
  const size_t size = make_value(self, number, value);
  ct_result_set(result, value, size);
  static const ct_status answers[] = {CT_OK, CT_OK, CT_MISS, CT_NOT_STORED};
  return answers[test_random_below(&self->random, COUNT_OF(answers))];
}

static void *mix(void *user_data) {
  mixer *self = user_data;
  for (int step = 0; step < self->steps; step++) {
    const uint64_t key = test_random_below(&self->random, kMixedKeys);
    ct_value value = CT_VALUE_INIT;
    ct_status status;
    if (test_random_below(&self->random, 8) == 0)
      atomic_fetch_add(&mixed_time, test_random_below(&self->random, 6));
    switch (test_random_below(&self->random, 20)) {
      case 0: {
        char given[kLargeValue];
        const size_t size = make_value(self, key, given);
        ct_set(self->cache, &key, sizeof(key), given, size);
        break;
      }
      case 1:
      case 2:
      case 3:
        ct_delete(self->cache, &key, sizeof(key));
        break;
      case 4:
        if (ct_pop(self->cache, &key, sizeof(key), &value) == CT_OK)
          check_value(self, key, value.data, value.size);
        break;
      case 5:
        ct_popitem(self->cache, NULL, NULL);
        break;
      case 6:
        if (step % 8 == 0) ct_clear(self->cache);
        if (step % 8 == 1) ct_set_lifetime(self->cache, &key, sizeof(key), step % 3);
        if (step % 8 == 2) ct_expire(self->cache, CT_NOW, NULL, NULL);
        break;
      case 7:
        self->reads++;
        if (ct_get(self->cache, &key, sizeof(key), &value) == CT_OK)
          check_value(self, key, value.data, value.size);
        break;
      case 8:
      case 9:
        /* A compute that fails, because the value is too large, or that gives up, counts
         * nothing. */
        status = ct_compute(self->cache, &key, sizeof(key), compute_mixed, self, &value);
        self->reads += status >= 0 && status != CT_BUSY;
        if (value.pin != 0) check_value(self, key, value.data, value.size);
        break;
      case 10:
        ct_resize(self->cache, 1000 + test_random_below(&self->random, 50000));
        break;
      case 11:
      case 12:
      case 13:
      case 14:
        mix_lease(self, key);
        break;
      default:
        mix_load(self, key);
    }
    ct_value_release(&value);
  }
  return NULL;
}

/* Runs threads of mix, and asserts what must hold whatever happened. */
static void assert_mix_adds_up(ct_options options, int steps, uint64_t seed) {
  test_allocator allocator;
  test_allocator_init(&allocator);
  options.struct_size = sizeof(options);
  options.weight_kind = CT_WEIGHT_VALUE;
  options.maxsize = 45000;
  options.timer = read_mixed_time;
  options.allocator = &allocator.hooks;
  ct_cache *cache = new_cache(&options);
  mixer mixers[kMixers];
  for (size_t i = 0; i < kMixers; i++) {
    mixers[i] = (mixer){.cache = cache, .random = seed + i * 1000003, .steps = steps};
    assert_int_equal(0, pthread_create(&mixers[i].thread, NULL, mix, &mixers[i]));
  }
  mixer sum = {0};
  for (size_t i = 0; i < kMixers; i++) {
    pthread_join(mixers[i].thread, NULL);
    sum.reads += mixers[i].reads;
    sum.missed += mixers[i].missed;
    sum.loads += mixers[i].loads;
    sum.renewed += mixers[i].renewed;
    sum.unnamed += mixers[i].unnamed;
    sum.damaged += mixers[i].damaged;
  }
  assert_int_equal(0, sum.damaged);
  assert_int_equal(0, sum.unnamed);
  const uint64_t entries = ct_len(cache);
  const ct_stats stats = stats_of(cache);
  assert_int_equal(sum.loads, stats.loads);
  assert_int_equal(sum.missed, stats.loads + stats.load_failures);
  assert_in_range(stats.waits, 0, stats.hits);
  assert_int_equal(stats.inserts, entries + stats.evictions + stats.expirations + stats.removals);
  assert_int_equal(sum.reads, stats.hits + stats.misses);
  assert_int_equal(sum.renewed, stats.renewals);
  assert_in_range(stats.renewal_failures, 0, stats.renewals);
  assert_in_range(stats.stale_served, 0, stats.hits);
  assert_int_equal(0, stats.pinned);
  ct_cache_free(cache);
  assert_int_equal(0, allocator.blocks);
}

TEST(mix_of_everything_adds_up) {
  const uint64_t seed = test_seed();
  for (uint32_t shards = 1; shards <= 4; shards *= 2)
    assert_mix_adds_up((ct_options){.shards = shards}, rounds(kMixedSteps), seed + shards);
}

TEST(mix_of_everything_adds_up_where_values_are_renewed) {
  const uint64_t seed = test_seed();
  for (uint32_t shards = 1; shards <= 4; shards *= 4) {
    const ct_options options = {
        .shards = shards, .ttl = 40, .refresh_ahead = 10, .stale = 30, .retry = 2, .jitter = 5};
    assert_mix_adds_up(options, rounds(kMixedSteps), seed + shards);
  }
}
