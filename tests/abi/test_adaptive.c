/* SPDX-License-Identifier: MIT */
/* What ADAPTIVE promises beyond the contract of all policies: that it is not far behind the best of
 * the others, whatever keys come in turn; that it is the same under the same seed; that weights
 * count; that a snapshot keeps what is known of entries. */
#include "fixture.h"
#include "snapshots.h"

/* ---- Patterns ------------------------------------------------------------------------------- */

/* Requests for numbered keys, made as they are needed. */
typedef struct pattern {
  const char *name;
  uint64_t entries; /* of the cache */
  uint64_t turn;    /* requests of a turn */
  uint64_t (*key)(uint64_t request, uint64_t entries, uint64_t *random);
  uint64_t (*before)(uint64_t request, uint64_t entries, uint64_t *random); /* fills the cache */
} pattern;

static uint64_t loop_too_long(uint64_t request, uint64_t entries, uint64_t *random) {
  (void)random;
  return request % (entries + 1);
}

static uint64_t loop_that_fits(uint64_t request, uint64_t entries, uint64_t *random) {
  (void)random;
  return request % (entries * 9 / 10);
}

static uint64_t other_keys(uint64_t request, uint64_t entries, uint64_t *random) {
  (void)request;
  return 1000000 + test_random_below(random, entries * 2);
}

/* Half of the room is used at random; every second request is for a key that comes once. */
static uint64_t scan_through_hot_set(uint64_t request, uint64_t entries, uint64_t *random) {
  return request % 2 == 0 ? test_random_below(random, entries / 2) : 1000000 + request;
}

static uint64_t hot_set(uint64_t request, uint64_t entries, uint64_t *random) {
  (void)request;
  return 2000000 + test_random_below(random, entries * 9 / 10);
}

static uint64_t new_set(uint64_t request, uint64_t entries, uint64_t *random) {
  (void)request;
  return test_random_below(random, entries * 9 / 10);
}

static uint64_t each_once(uint64_t request, uint64_t entries, uint64_t *random) {
  (void)entries, (void)random;
  return request;
}

static uint64_t uniform(uint64_t request, uint64_t entries, uint64_t *random) {
  (void)request;
  return test_random_below(random, entries * 2);
}

/* Two sets, each as large as the cache, take turns. */
static uint64_t alternating_sets(uint64_t request, uint64_t entries, uint64_t *random) {
  const uint64_t set = request / (entries * 5) % 2;
  return set * 1000000 + test_random_below(random, entries);
}

static uint64_t loop_twice_too_long(uint64_t request, uint64_t entries, uint64_t *random) {
  (void)random;
  return request % (entries * 2);
}

static const pattern kPatterns[] = {
    {"a loop one larger than the cache", 1000, 1001, loop_too_long, NULL},
    {"a loop twice as large as the cache", 1000, 2000, loop_twice_too_long, NULL},
    {"a loop that fits, after other keys", 1000, 900, loop_that_fits, other_keys},
    {"a scan through a hot set", 1000, 2000, scan_through_hot_set, NULL},
    {"a sudden change of the whole set", 1000, 2000, new_set, hot_set},
    {"all keys once", 1000, 1000, each_once, NULL},
    {"uniform", 1000, 2000, uniform, NULL},
    {"two sets in turn", 1000, 10000, alternating_sets, NULL},
    {"a loop over 15 keys, 14 entries", 14, 15, loop_too_long, NULL},
    {"uniform, 14 entries", 14, 28, uniform, NULL},
    {"two sets in turn, 14 entries", 14, 140, alternating_sets, NULL},
    {"a loop that fits, 14 entries", 14, 12, loop_that_fits, other_keys},
    {"uniform, one entry", 1, 10, uniform, NULL},
    {"a loop over two keys, one entry", 1, 2, loop_too_long, NULL},
    {"a loop one larger than a large cache", 20000, 20001, loop_too_long, NULL},
    {"a loop that fits a large cache", 20000, 18000, loop_that_fits, other_keys},
};

static bool ask(ct_cache *cache, uint64_t key) {
  if (ct_get(cache, &key, sizeof key, NULL) == CT_OK) return true;
  assert_status(CT_OK, ct_set(cache, &key, sizeof key, NULL, 0));
  return false;
}

/* Returns the share of hits in the turns that follow ten turns: five, or as many as it takes to tell
 * it from chance. */
static double hits_after_ten_turns(ct_policy policy, const pattern *it, uint64_t seed) {
  ct_cache *cache = cache_of(.policy = policy, .maxsize = it->entries, .seed = seed);
  uint64_t random = seed;
  if (it->before != NULL)
    for (uint64_t i = 0; i < it->entries * 20; i++) ask(cache, it->before(i, it->entries, &random));
  const uint64_t counted = it->turn * (it->turn < 2000 ? 10000 / it->turn : 5);
  uint64_t hits = 0;
  for (uint64_t i = 0; i < it->turn * 10 + counted; i++) {
    const bool hit = ask(cache, it->key(i, it->entries, &random));
    hits += hit && i >= it->turn * 10;
  }
  ct_cache_free(cache);
  return (double)hits / (double)counted;
}

/* MRU is the best there is for loops that do not fit. */
TEST(it_is_near_the_best_policy_whatever_the_pattern) {
  static const ct_policy kOthers[] = {CT_POLICY_LRU, CT_POLICY_SIEVE,    CT_POLICY_S3FIFO,
                                      CT_POLICY_ARC, CT_POLICY_WTINYLFU, CT_POLICY_MRU};
  const uint64_t seed = test_seed();
  for (size_t n = 0; n < COUNT_OF(kPatterns); n++) {
    const double own = hits_after_ten_turns(CT_POLICY_ADAPTIVE, &kPatterns[n], seed);
    for (size_t p = 0; p < COUNT_OF(kOthers); p++) {
      const double other = hits_after_ten_turns(kOthers[p], &kPatterns[n], seed);
      if (own < other - 0.05)
        fail_msg("%s: %.3f of the requests hit, with %s %.3f", kPatterns[n].name, own,
                 ct_policy_name(kOthers[p]), other);
    }
  }
}

/* ---- Determinism ---------------------------------------------------------------------------- */

/* Returns a number that depends on which of many requests hit. */
static uint64_t trail(ct_cache *cache) {
  uint64_t random = 5;
  uint64_t trail = 0;
  for (int i = 0; i < 200000; i++) {
    const uint64_t key = test_random_below(&random, 1 + test_random_below(&random, 4000));
    trail = trail * 31 + ask(cache, key);
  }
  return trail;
}

TEST(the_same_seed_makes_the_same_choices) {
  for (uint32_t shards = 1; shards <= 4; shards *= 4) {
    uint64_t trails[3];
    for (uint64_t i = 0; i < 3; i++) {
      ct_cache *cache = cache_of(.policy = CT_POLICY_ADAPTIVE, .maxsize = 1000, .shards = shards,
                                 .seed = i == 2 ? 8 : 7);
      trails[i] = trail(cache);
      ct_cache_free(cache);
    }
    assert_true(trails[0] == trails[1]);
    assert_true(trails[0] != trails[2]);
  }
}

TEST(a_cleared_cache_begins_anew) {
  ct_cache *cache = cache_of(.policy = CT_POLICY_ADAPTIVE, .maxsize = 1000, .seed = 7);
  const uint64_t held = ct_memory(cache);
  const uint64_t first = trail(cache);
  ct_clear(cache);
  assert_true(ct_memory(cache) < held + 64 * 1024);
  assert_true(first == trail(cache));
  ct_cache_free(cache);
}

/* ---- Weights -------------------------------------------------------------------------------- */

/* Light and heavy keys are asked for equally often. So light ones promise more hits for their
 * room. */
TEST(light_entries_stay_where_heavy_ones_are_used_as_often) {
  enum { kKeys = 2000, kHeavy = 16 };
  ct_cache *cache = cache_of(.policy = CT_POLICY_ADAPTIVE, .maxsize = kKeys * 2, .seed = 7);
  ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
  entry.flags = CT_ENTRY_WEIGHT;
  uint64_t random = test_seed();
  int hits[2] = {0, 0};
  for (int i = 0; i < 300000; i++) {
    const uint64_t key = test_random_below(&random, kKeys);
    if (ct_get(cache, &key, sizeof key, NULL) == CT_OK) {
      hits[key % 2] += i >= 200000;
      continue;
    }
    entry.weight = key % 2 == 0 ? 1 : kHeavy;
    assert_status(CT_OK, ct_set_with(cache, &key, sizeof key, NULL, 0, &entry));
  }
  /* All light ones fit: half of the requests. The room for an eighth of the heavy ones is left. */
  printf("# %d light hits, %d heavy ones\n", hits[0], hits[1]);
  assert_true(hits[0] > 47000);
  assert_true(hits[1] > 3000);
  ct_cache_free(cache);
}

/* ---- Costs ---------------------------------------------------------------------------------- */

/* Cheap and dear keys are asked for equally often, and half of all fit. Sets hits[0] to those of
 * even, cheap keys. */
static void count_hits(ct_cache *cache, void (*store)(ct_cache *cache, uint64_t key), int *hits) {
  uint64_t random = test_seed();
  hits[0] = hits[1] = 0;
  for (int i = 0; i < 200000; i++) {
    const uint64_t key = test_random_below(&random, 2000);
    if (ct_get(cache, &key, sizeof key, NULL) == CT_OK)
      hits[key % 2] += i >= 100000;
    else
      store(cache, key);
  }
}

static void store_at_cost(ct_cache *cache, uint64_t key) {
  ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
  entry.flags = CT_ENTRY_COST;
  entry.cost = key % 2 == 0 ? 1 : 20;
  assert_status(CT_OK, ct_set_with(cache, &key, sizeof key, NULL, 0, &entry));
}

TEST(dear_entries_stay_where_cheap_ones_are_used_as_often) {
  int hits[2];
  ct_cache *cache = cache_of(.policy = CT_POLICY_ADAPTIVE, .maxsize = 1000, .seed = 7);
  count_hits(cache, store_at_cost, hits);
  assert_true(hits[1] > 40000);
  assert_true(hits[0] < 10000);
  ct_cache_free(cache);
}

static manual_clock g_clock;

static ct_status load_slowly(void *unused, const void *key, size_t key_size, ct_result *result) {
  (void)unused, (void)key_size;
  uint64_t number;
  memcpy(&number, key, sizeof number);
  g_clock.now += number % 2 == 0 ? 10 : 200;
  return ct_result_set(result, &number, sizeof number);
}

static void load_key(ct_cache *cache, uint64_t key) {
  assert_status(CT_OK, ct_get_or_load(cache, &key, sizeof key, load_slowly, NULL, NULL));
}

TEST(what_takes_long_to_load_stays) {
  for (int by_time = 0; by_time <= 1; by_time++) {
    int hits[2];
    ct_cache *cache = cache_of(.policy = CT_POLICY_ADAPTIVE, .maxsize = 1000, .seed = 7,
                               .timer = manual_clock_read, .user_data = &g_clock,
                               .flags = by_time ? CT_FLAG_COST_BY_TIME | CT_FLAG_NO_STATS : 0);
    count_hits(cache, load_key, hits);
    assert_true(by_time ? hits[1] > 40000 && hits[0] < 10000 : hits[1] < 30000);
    ct_cache_free(cache);
  }
}

TEST(cost_is_given_with_its_flag_only) {
  ct_cache *cache = cache_of(.policy = CT_POLICY_ADAPTIVE, .maxsize = 10);
  ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
  entry.cost = 5;
  assert_status(CT_ERR_INVALID, ct_set_with(cache, "k", 1, "v", 1, &entry));
  entry.flags = CT_ENTRY_COST;
  assert_status(CT_OK, ct_set_with(cache, "k", 1, "v", 1, &entry));
  entry.cost = UINT64_MAX;
  assert_status(CT_OK, ct_set_with(cache, "k", 1, "v", 1, &entry));
  entry.cost = 0;
  assert_status(CT_ERR_INVALID, ct_set_with(cache, "k", 1, "v", 1, &entry));
  ct_cache_free(cache);
}

/* A copy knows what its entries cost: the dear ones outlast a flood of new keys. */
TEST(costs_come_along_in_a_copy) {
  ct_cache *cache = cache_of(.policy = CT_POLICY_ADAPTIVE, .maxsize = 1000, .seed = 7);
  int hits[2];
  count_hits(cache, store_at_cost, hits);
  ct_cache *copy = NULL;
  assert_status(CT_OK, ct_cache_copy(cache, &copy));
  ct_cache_free(cache);
  for (uint64_t key = 1000000; key < 1001000; key++) ask(copy, key);
  int left = 0;
  for (uint64_t key = 1; key < 2000; key += 2) left += ct_contains(copy, &key, sizeof key);
  printf("# %d dear entries are left\n", left);
  assert_true(left > 700);
  ct_cache_free(copy);
}

/* ---- Snapshots ------------------------------------------------------------------------------ */

/* Returns a cache of the policy with what the other one holds, through a snapshot. */
static ct_cache *pass_on(ct_cache *cache, ct_policy policy, uint64_t maxsize) {
  ct_cache *other = cache_of(.policy = policy, .maxsize = maxsize, .seed = 8);
  tape t = {0};
  assert_status(CT_OK, save_tape(cache, &t));
  assert_status(CT_OK, load_tape(other, &t));
  tape_free(&t);
  ct_cache_free(cache);
  return other;
}

static uint64_t frequency_of(ct_cache *cache, uint64_t key) {
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  assert_status(CT_OK, ct_inspect(cache, &key, sizeof key, &info));
  return info.frequency;
}

/* A snapshot may be loaded into a cache of any policy. What it keeps is more than a count, but LFU
 * sees the count. */
TEST(uses_come_along_in_a_snapshot) {
  ct_cache *cache = cache_of(.policy = CT_POLICY_ADAPTIVE, .maxsize = 100, .seed = 7);
  for (uint64_t key = 0; key < 10; key++)
    for (uint64_t use = 0; use <= key; use++)
      for (uint64_t other = 0; other <= use; other++) ask(cache, other == use ? key : 50 + other);
  assert_int_equal(0, frequency_of(cache, 3));
  cache = pass_on(cache, CT_POLICY_ADAPTIVE, 100);
  cache = pass_on(cache, CT_POLICY_LFU, 100);
  assert_int_equal(1, frequency_of(cache, 0));
  assert_int_equal(4, frequency_of(cache, 3));
  /* It counts no further than that. */
  assert_int_equal(7, frequency_of(cache, 9));
  const size_t before = ct_len(cache);
  cache = pass_on(cache, CT_POLICY_ADAPTIVE, 100);
  assert_int_equal(before, ct_len(cache));
  ct_cache_free(cache);
}

/* Before anything is learned, the order is that of LRU. */
TEST(ages_come_along_in_a_snapshot) {
  ct_cache *cache = cache_of(.policy = CT_POLICY_ADAPTIVE, .maxsize = 20, .seed = 7);
  for (uint64_t key = 0; key < 20; key++) ask(cache, key);
  ask(cache, 3);
  cache = pass_on(cache, CT_POLICY_ADAPTIVE, 20);
  for (uint64_t key = 100; key < 119; key++) ask(cache, key);
  for (uint64_t key = 0; key < 20; key++)
    assert_int_equal(key == 3, ct_contains(cache, &key, sizeof key));
  ct_cache_free(cache);
}

int main(void) {
  return run_registered_tests();
}
