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

/* Returns the share of hits in the five turns that follow ten turns. */
static double hits_after_ten_turns(ct_policy policy, const pattern *it, uint64_t seed) {
  ct_cache *cache = cache_of(.policy = policy, .maxsize = it->entries, .seed = seed);
  uint64_t random = seed;
  if (it->before != NULL)
    for (uint64_t i = 0; i < it->entries * 20; i++) ask(cache, it->before(i, it->entries, &random));
  uint64_t hits = 0;
  for (uint64_t i = 0; i < it->turn * 15; i++) {
    const bool hit = ask(cache, it->key(i, it->entries, &random));
    hits += hit && i >= it->turn * 10;
  }
  ct_cache_free(cache);
  return (double)hits / (double)(it->turn * 5);
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

/* ---- Snapshots ------------------------------------------------------------------------------ */

/* A hot set is used often, then keys come that are used once. A cache that is restored from a
 * snapshot knows which are which. */
static uint64_t hot_left(ct_policy policy, bool restores) {
  enum { kHot = 500, kEntries = 1000 };
  ct_cache *cache = cache_of(.policy = policy, .maxsize = kEntries, .seed = 7);
  uint64_t random = 3;
  uint64_t once = 1000000;
  for (int i = 0; i < 60000; i++)
    ask(cache, i % 2 == 0 ? test_random_below(&random, kHot) : once++);
  for (int i = 0; i < 300; i++) ask(cache, once++);
  if (restores) {
    tape t = {0};
    assert_status(CT_OK, save_tape(cache, &t));
    ct_cache_free(cache);
    cache = cache_of(.policy = policy, .maxsize = kEntries, .seed = 9);
    assert_status(CT_OK, load_tape(cache, &t));
    tape_free(&t);
  }
  for (int i = 0; i < 400; i++) ask(cache, once++);
  uint64_t left = 0;
  for (uint64_t key = 0; key < kHot; key++) left += ct_contains(cache, &key, sizeof key);
  ct_cache_free(cache);
  return left;
}

TEST(what_is_known_of_entries_comes_along_in_a_snapshot) {
  const uint64_t before = hot_left(CT_POLICY_ADAPTIVE, false);
  const uint64_t after = hot_left(CT_POLICY_ADAPTIVE, true);
  printf("# of 500 hot entries %llu are left, %llu after a restore\n", (unsigned long long)before,
         (unsigned long long)after);
  assert_true(before > 480);
  assert_true(after > 400);
}

/* A snapshot may be loaded into a cache of any policy, and come from one. */
TEST(a_snapshot_goes_to_lfu_and_back) {
  ct_cache *own = cache_of(.policy = CT_POLICY_ADAPTIVE, .maxsize = 100, .seed = 7);
  for (int i = 0; i < 1000; i++) ask(own, (uint64_t)i % 10);
  ct_cache *lfu = cache_of(.policy = CT_POLICY_LFU, .maxsize = 100, .seed = 8);
  ct_cache *back = cache_of(.policy = CT_POLICY_ADAPTIVE, .maxsize = 100, .seed = 9);
  tape t = {0};
  assert_status(CT_OK, save_tape(own, &t));
  assert_status(CT_OK, load_tape(lfu, &t));
  tape_free(&t);
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  const uint64_t key = 3;
  assert_status(CT_OK, ct_inspect(lfu, &key, sizeof key, &info));
  /* It counts no further than that. */
  assert_int_equal(7, info.frequency);
  t = (tape){0};
  assert_status(CT_OK, save_tape(lfu, &t));
  assert_status(CT_OK, load_tape(back, &t));
  tape_free(&t);
  assert_int_equal(10, ct_len(back));
  ct_cache_free(own);
  ct_cache_free(lfu);
  ct_cache_free(back);
}

int main(void) {
  return run_registered_tests();
}
