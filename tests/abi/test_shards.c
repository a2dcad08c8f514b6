/* SPDX-License-Identifier: MIT */
/* Which shard makes room for which: none starves, whatever entries weigh and however long it
 * goes on. Each shard gets the part of the limit that its keys need, so hit ratios are near
 * those of one shard. The limit is still one and exact. */
#include "fixture.h"

static uint64_t mix(uint64_t x) {
  return test_random(&x);
}

static void ignore_event(void *user_data, const ct_event *event) {
  (void)user_data;
  (void)event;
}

/* ---- Hit ratios ----------------------------------------------------------------------------- */

typedef struct load {
  const char *name;
  uint32_t shards;
  uint64_t maxsize;
  uint32_t keys;
  uint64_t (*weigh)(uint32_t key);
  bool even; /* All keys are asked for alike, instead of by Zipf's law. */
} load;

static uint64_t weigh_up_to_4096(uint32_t key) {
  return 1 + mix(key) % 4096;
}
/* Some of the hottest keys weigh a quarter of an even part; by chance, a shard has none of them
 * or six. */
static uint64_t weigh_quarters(uint32_t key) {
  return key % 7 == 0 && key < 7 * 40 ? 250 : 1 + mix(key) % 2;
}
/* Few keys weigh a quarter of an even part. They take half of the room if all are used alike. */
static uint64_t weigh_few_quarters(uint32_t key) {
  return mix(key) % 250 == 0 ? 250 : 1;
}
/* A few keys weigh as much as all others together. */
static uint64_t weigh_steeply(uint32_t key) {
  const uint64_t steps = (uint64_t)__builtin_ctzll(mix(key) | 1 << 9);
  return UINT64_C(1) << steps;
}
static uint64_t weigh_one(uint32_t key) {
  (void)key;
  return 1;
}

static const load kLoads[] = {
    {"1 to 4096", 16, 16 * 500 * 2048, 32000, weigh_up_to_4096, false},
    {"1 to 4096, few entries", 16, 1 << 21, 4000, weigh_up_to_4096, false},
    {"quarters of a part", 16, 16 * 1000, 64000, weigh_quarters, false},
    {"few quarters of a part", 16, 16 * 1000, 64000, weigh_few_quarters, false},
    {"powers of two", 16, 16 * 500 * 5, 64000, weigh_steeply, false},
    {"1 to 4096, 4 shards", 4, 4 * 500 * 2048, 8000, weigh_up_to_4096, false},
    {"equal", 16, 16 * 500, 32000, weigh_one, false},
};

static uint32_t draw_key(const double *sums, uint32_t keys, uint64_t *state) {
  const double at = (double)(test_random(state) >> 11) / 9007199254740992.0 * sums[keys - 1];
  uint32_t low = 0;
  for (uint32_t high = keys - 1; low < high;) {
    const uint32_t middle = (low + high) / 2;
    if (sums[middle] < at)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

enum { kWindows = 6, kWindow = 150000, kSeeds = 4 };

static void measure_hits(const load *it, ct_policy policy, uint32_t shards, uint64_t seed,
                         const double *sums, double *hits) {
  ct_cache *cache =
      cache_of(.policy = policy, .maxsize = it->maxsize, .shards = shards, .seed = seed + 4);
  ct_entry_options entry = entry_with(.flags = CT_ENTRY_WEIGHT);
  uint64_t state = seed;
  for (int w = 0; w < kWindows; w++) {
    int found = 0;
    for (int i = 0; i < kWindow; i++) {
      const uint32_t key = draw_key(sums, it->keys, &state);
      if (ct_get(cache, &key, sizeof key, NULL) == CT_OK) {
        found++;
      } else {
        entry.weight = it->weigh(key);
        assert_status(CT_OK, ct_set_with(cache, &key, sizeof key, "", 0, &entry));
      }
    }
    assert_true(ct_currsize(cache) <= it->maxsize);
    hits[w] = (double)found / kWindow;
  }
  ct_cache_free(cache);
}

static const double *sums_of(const load *it) {
  static double sums[64000];
  double sum = 0;
  for (uint32_t i = 0; i < it->keys; i++) sums[i] = sum += it->even ? 1 : 1.0 / (i + 1);
  return sums;
}

static void assert_hits_as_one(ct_policy policy) {
  for (size_t n = 0; n < COUNT_OF(kLoads); n++) {
    const load *it = &kLoads[n];
    const double *sums = sums_of(it);
    double one[kWindows], some[kWindows];
    measure_hits(it, policy, 1, 3, sums, one);
    measure_hits(it, policy, it->shards, 3, sums, some);
    for (int w = 1; w < kWindows; w++) {
      if (some[w] < one[w] - 0.01)
        fail_msg("%s, %s: %.4f of the requests hit in window %d, with one shard %.4f",
                 ct_policy_name(policy), it->name, some[w], w, one[w]);
    }
  }
}

/* The same on an average of windows and seeds, for policies that swing by themselves. */
static void assert_mean_hits_as_one(ct_policy policy, const load *it) {
  const double *sums = sums_of(it);
  double means[2] = {0, 0};
  for (uint64_t seed = 1; seed <= kSeeds; seed++) {
    for (int i = 0; i < 2; i++) {
      double hits[kWindows];
      measure_hits(it, policy, i == 0 ? 1 : it->shards, seed, sums, hits);
      for (int w = 1; w < kWindows; w++) means[i] += hits[w] / ((kWindows - 1) * kSeeds);
    }
  }
  if (means[1] < means[0] - 0.01)
    fail_msg("%s, %s: %.4f of the requests hit, with one shard %.4f", ct_policy_name(policy),
             it->name, means[1], means[0]);
}

#define SHARDS_TEST(name, policy)       \
  TEST(shards_hit_as_one_with_##name) { \
    assert_hits_as_one(policy);         \
  }

SHARDS_TEST(lru, CT_POLICY_LRU)
SHARDS_TEST(fifo, CT_POLICY_FIFO)
SHARDS_TEST(lfu, CT_POLICY_LFU)
SHARDS_TEST(rr, CT_POLICY_RR)
SHARDS_TEST(clock, CT_POLICY_CLOCK)
SHARDS_TEST(sieve, CT_POLICY_SIEVE)
SHARDS_TEST(s3fifo, CT_POLICY_S3FIFO)
SHARDS_TEST(wtinylfu, CT_POLICY_WTINYLFU)
SHARDS_TEST(arc, CT_POLICY_ARC)
SHARDS_TEST(adaptive, CT_POLICY_ADAPTIVE)

TEST(shards_hit_as_one_with_mru) {
  const load loads[] = {
      {"few quarters of a part", 16, 16 * 1000, 64000, weigh_few_quarters, true},
      {"few quarters of a part, few keys", 16, 16 * 1000, 16000, weigh_few_quarters, true},
  };
  for (size_t n = 0; n < COUNT_OF(loads); n++) assert_mean_hits_as_one(CT_POLICY_MRU, &loads[n]);
}

/* ---- Working sets --------------------------------------------------------------------------- */

static uint64_t weigh_100(uint32_t key) {
  (void)key;
  return 100;
}
static uint64_t weigh_50_to_150(uint32_t key) {
  return 50 + mix(key) % 101;
}

/* Uses one working set in turn after the other, each of which fits. Returns the hits of the last
 * rounds with all sets but the first. */
static double hits_of_sets(ct_policy policy, uint32_t shards, bool told, double fill,
                           uint64_t (*weigh)(uint32_t key)) {
  enum { kEntries = 16 * 500, kSets = 4, kRounds = 30, kCounted = 5 };
  const uint32_t keys = (uint32_t)(kEntries * fill);
  ct_cache *cache = cache_of(.policy = policy, .maxsize = kEntries * (weigh == weigh_one ? 1 : 100),
                             .shards = shards, .seed = 7, .listener = told ? ignore_event : NULL);
  ct_entry_options entry = entry_with(.flags = CT_ENTRY_WEIGHT);
  int hits = 0;
  for (uint32_t set = 0; set < kSets; set++) {
    for (int round = 0; round < kRounds; round++) {
      for (uint32_t key = set * kEntries; key < set * kEntries + keys; key++) {
        const bool counts = set != 0 && round >= kRounds - kCounted;
        if (ct_get(cache, &key, sizeof key, NULL) == CT_OK) {
          hits += counts;
        } else if (weigh == weigh_one) {
          assert_status(CT_OK, ct_set(cache, &key, sizeof key, "", 0));
        } else {
          entry.weight = weigh(key);
          assert_status(CT_OK, ct_set_with(cache, &key, sizeof key, "", 0, &entry));
        }
      }
    }
  }
  ct_cache_free(cache);
  return hits / ((kSets - 1) * kCounted * (double)keys);
}

/* The keys of a set that fall to a shard are a few more or less than an even part. A shard that had
 * fewer keys of the set before has to be given room by those that had more. */
TEST(working_set_that_fits_is_answered_whole) {
  const ct_policy policies[] = {CT_POLICY_LRU, CT_POLICY_CLOCK, CT_POLICY_S3FIFO,
                                CT_POLICY_WTINYLFU};
  uint64_t (*const weighs[])(uint32_t key) = {weigh_one, weigh_100, weigh_50_to_150};
  for (size_t p = 0; p < COUNT_OF(policies); p++) {
    for (size_t w = 0; w < COUNT_OF(weighs); w++) {
      for (int told = 0; told < 2; told++) {
        const double fill = policies[p] == CT_POLICY_LRU ? 0.97 : 0.95;
        const double one = hits_of_sets(policies[p], 1, told, fill, weighs[w]);
        const double some = hits_of_sets(policies[p], 16, told, fill, weighs[w]);
        if (some < one - 0.01)
          fail_msg("%s, weights %zu, %s: %.4f of the requests hit, with one shard %.4f",
                   ct_policy_name(policies[p]), w, told ? "told" : "quiet", some, one);
      }
    }
  }
}

/* ---- Heavy entries -------------------------------------------------------------------------- */

/* Asks for light keys and a heavy one in turn, all of which fit, in a cache that other keys have
 * filled. Returns the hits of the last hundred rounds. */
static int hits_of_turns(ct_policy policy, uint32_t shards, uint64_t seed, uint64_t maxsize,
                         int light, uint64_t heavy) {
  ct_cache *cache = cache_of(.policy = policy, .maxsize = maxsize, .shards = shards, .seed = seed);
  for (int key = 1000; key < 1000 + (int)maxsize; key++) ct_set(cache, &key, sizeof key, "", 0);
  ct_entry_options entry = entry_with(.flags = CT_ENTRY_WEIGHT);
  int hits = 0;
  for (int round = 0; round < 1000; round++) {
    for (int key = 0; key <= light; key++) {
      entry.weight = key == light ? heavy : 1;
      if (ct_get(cache, &key, sizeof key, NULL) == CT_OK)
        hits += round >= 900;
      else
        assert_status(CT_OK, ct_set_with(cache, &key, sizeof key, "", 0, &entry));
    }
  }
  ct_cache_free(cache);
  return hits;
}

TEST(heavy_hot_entry_stays_and_so_do_its_neighbours) {
  const ct_policy policies[] = {CT_POLICY_LRU, CT_POLICY_FIFO, CT_POLICY_CLOCK, CT_POLICY_SIEVE};
  for (size_t p = 0; p < COUNT_OF(policies); p++) {
    for (uint64_t seed = 1; seed <= 8; seed++) {
      assert_int_equal(2100, hits_of_turns(policies[p], 2, seed, 100, 20, 60));
      assert_int_equal(2100, hits_of_turns(policies[p], 4, seed, 100, 20, 60));
      assert_int_equal(40100, hits_of_turns(policies[p], 16, seed, 1600, 400, 400));
    }
  }
}

/* The room for a heavy entry comes from all shards. */
TEST(heavy_entry_leaves_each_shard_its_part) {
  ct_cache *cache = cache_of(.maxsize = 16000, .shards = 16, .seed = 5);
  for (int key = 0; key < 16000; key++) ct_set(cache, &key, sizeof key, "", 0);
  ct_entry_options entry = entry_with(.flags = CT_ENTRY_WEIGHT, .weight = 8000);
  assert_status(CT_OK, ct_set_with(cache, "heavy", 5, "", 0, &entry));
  assert_int_equal(8001, ct_len(cache));
  /* The walk takes shard after shard. Where the next shard begins, keys are older again. */
  ct_iter *iter;
  assert_status(CT_OK, ct_iter_new(cache, CT_ORDER_COLDEST, &iter));
  int counts[17] = {0};
  int shard = 0;
  int last = -1;
  for (ct_bytes key; ct_iter_next(iter, &key, NULL) == CT_OK;) {
    if (key.size != sizeof last) continue;
    int number;
    memcpy(&number, key.data, sizeof number);
    if (number < last) shard++;
    assert_true(shard < 16);
    counts[shard]++;
    last = number;
  }
  ct_iter_free(iter);
  for (int i = 0; i < 16; i++) {
    if (counts[i] < 350 || counts[i] > 650)
      fail_msg("shard %d has %d entries of 500", i, counts[i]);
  }
  ct_cache_free(cache);
}
