/* SPDX-License-Identifier: MIT */
/* What is peculiar to W-TinyLFU: which entries are let in, which stay, and what changes without
 * memory for the sketch. Seeds are fixed, as a sketch errs now and then. */
#include "fixture.h"

enum { kMaxsize = 1000, kSeeds = 5 };

static ct_options options_of(uint64_t seed, uint64_t maxsize) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = CT_POLICY_WTINYLFU;
  options.maxsize = maxsize;
  options.seed = seed;
  return options;
}

static bool get_number(ct_cache *cache, uint64_t key) {
  return ct_get(cache, &key, sizeof key, NULL) == CT_OK;
}

static ct_status put(ct_cache *cache, uint64_t key) {
  return ct_set(cache, &key, sizeof key, NULL, 0);
}

static bool has_number(ct_cache *cache, uint64_t key) {
  return ct_contains(cache, &key, sizeof key);
}

static uint64_t frequency_of(ct_cache *cache, uint64_t key) {
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  assert_status(CT_OK, ct_inspect(cache, &key, sizeof key, &info));
  return info.frequency;
}

/* Asks for the keys from begin to end - 1, and stores those that are absent. Returns the hits. */
static uint64_t request(ct_cache *cache, uint64_t begin, uint64_t end) {
  uint64_t hits = 0;
  for (uint64_t key = begin; key < end; key++) {
    if (get_number(cache, key))
      hits++;
    else
      assert_status(CT_OK, put(cache, key));
  }
  return hits;
}

static uint64_t count_there(ct_cache *cache, uint64_t begin, uint64_t end) {
  uint64_t count = 0;
  for (uint64_t key = begin; key < end; key++) count += has_number(cache, key);
  return count;
}

TEST(scan_leaves_what_is_used_often) {
  for (uint64_t seed = 1; seed <= kSeeds; seed++) {
    const ct_options options = options_of(seed, kMaxsize);
    ct_cache *cache = new_cache(&options);
    for (int i = 0; i < 6; i++) request(cache, 0, kMaxsize / 2);
    request(cache, 1000000, 1000000 + 2 * kMaxsize);
    assert_int_equal(kMaxsize, ct_len(cache));
    assert_in_range(count_there(cache, 0, kMaxsize / 2), kMaxsize / 2 * 4 / 5, kMaxsize / 2);
    ct_cache_free(cache);
  }
}

TEST(loop_larger_than_the_cache_hits) {
  for (uint64_t seed = 1; seed <= kSeeds; seed++) {
    const ct_options options = options_of(seed, kMaxsize);
    ct_cache *cache = new_cache(&options);
    uint64_t hits = 0;
    for (int i = 0; i < 20; i++) hits += request(cache, 0, 2 * kMaxsize);
    /* LRU has no hits; the best that is possible is half. */
    assert_in_range(hits, 20 * 2 * kMaxsize / 5, 20 * 2 * kMaxsize / 2);
    ct_cache_free(cache);
  }
}

TEST(newcomer_is_there_whatever_the_others) {
  const uint64_t sizes[] = {1, 2, 3, 10, kMaxsize};
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    const ct_options options = options_of(1, sizes[i]);
    ct_cache *cache = new_cache(&options);
    for (int round = 0; round < 10; round++) request(cache, 0, sizes[i]);
    for (uint64_t key = 5000; key < 5100; key++) {
      assert_status(CT_OK, put(cache, key));
      assert_true(get_number(cache, key));
      assert_int_equal(sizes[i], ct_len(cache));
    }
    ct_cache_free(cache);
  }
}

static bool request_one(ct_cache *cache, uint64_t key) {
  return request(cache, key, key + 1) != 0;
}

TEST(new_habits_replace_old_ones) {
  for (uint64_t seed = 1; seed <= kSeeds; seed++) {
    const ct_options options = options_of(seed, kMaxsize);
    ct_cache *cache = new_cache(&options);
    uint64_t random = seed;
    for (int i = 0; i < 50000; i++) request_one(cache, test_random_below(&random, 1000));
    uint64_t hits = 0;
    for (int i = 0; i < 50000; i++) {
      const bool hit = request_one(cache, 10000 + test_random_below(&random, 900));
      if (i >= 40000) hits += hit;
    }
    assert_in_range(hits, 9900, 10000);
    ct_cache_free(cache);
  }
}

/* Each key comes again shortly after its first time, and then never. The older entries were used
 * more often than any of these keys will be. */
TEST(window_grows_for_what_comes_again_soon) {
  for (uint64_t seed = 1; seed <= kSeeds; seed++) {
    const ct_options options = options_of(seed, kMaxsize);
    ct_cache *cache = new_cache(&options);
    uint64_t random = seed;
    for (int i = 0; i < 10; i++) request(cache, 0, kMaxsize);
    uint64_t hits = 0;
    for (uint64_t key = 10000; key < 60000; key++) {
      request_one(cache, key);
      /* The key is any of the newest 400, twice as many as the window begins with. */
      const bool hit = request_one(cache, key - 1 - test_random_below(&random, 400));
      if (key >= 50000) hits += hit;
    }
    assert_in_range(hits, 9900, 10000);
    ct_cache_free(cache);
  }
}

TEST(frequency_counts_uses_up_to_seven) {
  const ct_options options = options_of(1, kMaxsize);
  ct_cache *cache = new_cache(&options);
  assert_status(CT_OK, put(cache, 1));
  assert_int_equal(1, frequency_of(cache, 1));
  for (uint64_t uses = 2; uses <= 10; uses++) {
    assert_true(get_number(cache, 1));
    assert_int_equal(uses < 7 ? uses : 7, frequency_of(cache, 1));
  }
  ct_cache_free(cache);
}

TEST(frequency_outlives_the_entry) {
  const ct_options options = options_of(1, kMaxsize);
  ct_cache *cache = new_cache(&options);
  assert_status(CT_OK, put(cache, 1));
  assert_true(get_number(cache, 1));
  const uint64_t key = 1;
  assert_status(CT_OK, ct_delete(cache, &key, sizeof key));
  assert_status(CT_OK, put(cache, 1));
  assert_int_equal(3, frequency_of(cache, 1));
  ct_cache_free(cache);
}

TEST(frequency_outlives_growth) {
  const uint64_t sizes[] = {100000, CT_UNBOUNDED};
  for (int i = 0; i < 2; i++) {
    const ct_options options = options_of(1, sizes[i]);
    ct_cache *cache = new_cache(&options);
    for (int round = 0; round < 4; round++) request(cache, 0, 20);
    for (uint64_t next = 1000; next < 3000; next++) {
      request_one(cache, next);
      for (uint64_t key = 0; key < 20; key++) assert_in_range(frequency_of(cache, key), 1, 7);
    }
    /* By now all counts were halved once or twice; keys that came once count less. */
    uint64_t often = 0;
    uint64_t once = 0;
    for (uint64_t key = 0; key < 20; key++) {
      often += frequency_of(cache, key);
      once += frequency_of(cache, 1000 + key);
    }
    assert_true(often > once);
    ct_cache_free(cache);
  }
}

TEST(clear_forgets_frequencies) {
  test_allocator allocator;
  test_allocator_init(&allocator);
  ct_options options = options_of(1, kMaxsize);
  options.allocator = &allocator.hooks;
  ct_cache *cache = new_cache(&options);
  const int64_t empty = allocator.bytes;
  for (int i = 0; i < 5; i++) request(cache, 0, 2 * kMaxsize);
  assert_true(allocator.bytes > empty + kMaxsize);
  ct_clear(cache);
  assert_int_equal(0, ct_len(cache));
  assert_status(CT_OK, put(cache, 1));
  assert_int_equal(1, frequency_of(cache, 1));
  assert_int_equal(1, request(cache, 0, kMaxsize));
  ct_cache_free(cache);
  assert_int_equal(0, allocator.blocks);
}

/* ---- Weights and lifetimes ------------------------------------------------------------------ */

static void put_weighed(ct_cache *cache, uint64_t key, uint64_t weight) {
  ct_entry_options entry = entry_with(.flags = CT_ENTRY_WEIGHT, .weight = weight);
  assert_status(CT_OK, ct_set_with(cache, &key, sizeof key, NULL, 0, &entry));
}

TEST(scan_of_any_weights_leaves_what_is_used_often) {
  for (uint64_t seed = 1; seed <= kSeeds; seed++) {
    const ct_options options = options_of(seed, 10 * kMaxsize);
    ct_cache *cache = new_cache(&options);
    uint64_t random = seed;
    for (uint64_t key = 0; key < 500; key++)
      put_weighed(cache, key, test_random_below(&random, 20));
    for (int i = 0; i < 5; i++) request(cache, 0, 500);
    for (uint64_t key = 1000; key < 3000; key++) {
      put_weighed(cache, key, test_random_below(&random, 20));
      assert_true(ct_currsize(cache) <= 10 * kMaxsize);
      assert_true(has_number(cache, key));
    }
    assert_in_range(count_there(cache, 0, 500), 300, 500);
    ct_cache_free(cache);
  }
}

TEST(weights_may_be_none_change_and_be_as_large_as_the_cache) {
  const uint64_t weights[] = {0, 0, 1, 3, 50, 99, 100};
  for (uint64_t seed = 1; seed <= kSeeds; seed++) {
    const ct_options options = options_of(seed, 100);
    ct_cache *cache = new_cache(&options);
    uint64_t random = seed;
    for (int i = 0; i < 20000; i++) {
      const uint64_t key = test_random_below(&random, 200);
      if (test_random_below(&random, 2) == 0) {
        put_weighed(cache, key, weights[test_random_below(&random, 7)]);
        assert_true(has_number(cache, key));
      } else {
        get_number(cache, key);
      }
      assert_true(ct_currsize(cache) <= 100);
    }
    ct_cache_free(cache);
  }
}

FIXTURE_TEST(expired_goes_before_what_is_used_never,
             open_fixture(f, .policy = CT_POLICY_WTINYLFU, .maxsize = 3, .ttl = 10)) {
  assert_status(CT_OK, set_text(f->cache, "often", "1"));
  for (int i = 0; i < 10; i++) assert_text(f->cache, "often", "1");
  set_now(f, 5);
  assert_status(CT_OK, set_text(f->cache, "a", "2"));
  assert_status(CT_OK, set_text(f->cache, "b", "3"));
  set_now(f, 10);
  assert_status(CT_OK, set_text(f->cache, "c", "4"));
  assert_told(f, "EXPIRED often=1");
  assert_int_equal(3, ct_len(f->cache));
}

/* ---- The order ------------------------------------------------------------------------------ */

TEST(coldest_first_tells_each_entry_once) {
  const ct_options options = options_of(1, kMaxsize);
  ct_cache *cache = new_cache(&options);
  for (int i = 0; i < 3; i++) request(cache, 0, kMaxsize / 2);
  request(cache, 10000, 10000 + 2 * kMaxsize);
  request(cache, 0, kMaxsize / 2);
  static bool seen[10000 + 2 * kMaxsize];
  memset(seen, 0, sizeof seen);
  ct_iter *iter;
  assert_status(CT_OK, ct_iter_new(cache, CT_ORDER_COLDEST, &iter));
  uint64_t count = 0;
  for (ct_bytes key; ct_iter_next(iter, &key, NULL) == CT_OK; count++) {
    uint64_t number;
    memcpy(&number, key.data, sizeof number);
    assert_false(seen[number]);
    seen[number] = true;
  }
  ct_iter_free(iter);
  assert_int_equal(kMaxsize, count);
  ct_cache_free(cache);
}

/* ---- Without memory ------------------------------------------------------------------------- */

/* Only the sketch and the index allocate whole cache lines, and the index has its first ones by
 * then. */
typedef struct refusing {
  test_allocator inner;
  bool refuses;
  int refused;
} refusing;

static void *refuse_lines(void *ctx, size_t size, size_t align) {
  refusing *self = ctx;
  if (self->refuses && align == 64) {
    self->refused++;
    return NULL;
  }
  return self->inner.hooks.alloc(self->inner.hooks.ctx, size, align);
}

static void free_lines(void *ctx, void *ptr, size_t size, size_t align) {
  refusing *self = ctx;
  self->inner.hooks.free(self->inner.hooks.ctx, ptr, size, align);
}

/* Some failing allocations fail a call, which then changes nothing. Those of the sketch do not. */
TEST(any_allocation_of_the_sketch_may_fail) {
  test_allocator allocator;
  test_allocator_init(&allocator);
  ct_options options = options_of(1, kMaxsize);
  options.allocator = &allocator.hooks;
  int unnoticed = 0;
  for (int64_t fail = 1;; fail++) {
    allocator.calls = 0;
    allocator.failed = 0;
    allocator.fail_at = fail;
    ct_cache *cache = new_cache(&options);
    int refused = 0;
    for (uint64_t key = 0; key < 3 * kMaxsize; key++) {
      const ct_status status = put(cache, key);
      if (status == CT_ERR_NOMEM) {
        refused++;
        assert_status(CT_OK, put(cache, key));
      } else {
        assert_status(CT_OK, status);
      }
      assert_true(get_number(cache, key));
    }
    assert_int_equal(kMaxsize, ct_len(cache));
    const bool failed = allocator.failed != 0;
    if (failed && refused == 0) unnoticed++;
    ct_cache_free(cache);
    assert_int_equal(0, allocator.blocks);
    if (!failed) break;
  }
  assert_true(unnoticed > 0);
}

TEST(without_a_sketch_it_is_a_cache_still) {
  refusing allocator = {.refuses = false};
  test_allocator_init(&allocator.inner);
  ct_allocator hooks = allocator.inner.hooks;
  hooks.ctx = &allocator;
  hooks.alloc = refuse_lines;
  hooks.free = free_lines;
  ct_options options = options_of(1, CT_UNBOUNDED);
  options.allocator = &hooks;
  ct_cache *cache = new_cache(&options);
  request(cache, 0, 20);
  allocator.refuses = true;
  uint64_t count = 20;
  while (put(cache, count) == CT_OK) count++;
  /* The index is full: its growth was refused, and the sketch's was refused before that. */
  assert_true(allocator.refused > 1);
  count -= 20;
  assert_status(CT_OK, ct_resize(cache, count));
  for (uint64_t key = 100000; key < 103000; key++) {
    assert_status(CT_OK, put(cache, key));
    assert_true(get_number(cache, key));
    assert_int_equal(count, ct_len(cache));
  }
  ct_cache_free(cache);
  assert_int_equal(0, allocator.inner.blocks);
}

/* ---- One working set after another ------------------------------------------------------------ */

typedef enum weights { kAllOne, kUpTo20, kFewHeavy, kWeights } weights;

typedef struct change_of_sets {
  uint64_t maxsize;
  uint64_t percent; /* weight of the second set, of maxsize */
  int rounds_before;
  bool beside_one_offs; /* every tenth request is for a key that never comes again */
  weights weights;
} change_of_sets;

static const uint64_t kLargest[] = {[kAllOne] = 1, [kUpTo20] = 20, [kFewHeavy] = 601};

static uint64_t weight_of_number(const change_of_sets *change, uint64_t key) {
  if (change->weights == kUpTo20) return 1 + key * 7 % 20;
  /* One entry in 50 has 12 of 13 parts of the weight. */
  return change->weights == kFewHeavy && key % 50 == 0 ? kLargest[kFewHeavy] : 1;
}

static bool request_weighed(ct_cache *cache, const change_of_sets *change, uint64_t key) {
  const bool hit = get_number(cache, key);
  if (!hit) put_weighed(cache, key, weight_of_number(change, key));
  return hit;
}

/* Returns how many keys from begin on weigh no more than that together. */
static uint64_t count_within(const change_of_sets *change, uint64_t begin, uint64_t weight) {
  uint64_t count = 0;
  for (uint64_t left = weight; weight_of_number(change, begin + count) <= left; count++)
    left -= weight_of_number(change, begin + count);
  return count;
}

/* Returns the misses in the last five rounds of the second set. */
static uint64_t misses_at_last(const change_of_sets *change, uint64_t rounds) {
  enum { kSecond = 1000000, kOneOffs = 2000000 };
  const ct_options options = options_of(1, change->maxsize);
  ct_cache *cache = new_cache(&options);
  const uint64_t first = count_within(change, 0, change->maxsize);
  const uint64_t second = count_within(change, kSecond, change->maxsize * change->percent / 100);
  for (int round = 0; round < change->rounds_before; round++)
    for (uint64_t key = 0; key < first; key++) request_weighed(cache, change, key);
  uint64_t misses = 0;
  uint64_t one_offs = 0;
  for (uint64_t round = 0; round < rounds; round++) {
    for (uint64_t i = 0; i < second; i++) {
      const bool hit = request_weighed(cache, change, kSecond + i);
      if (round + 5 >= rounds) misses += !hit;
      if (change->beside_one_offs && i % 9 == 0)
        request_weighed(cache, change, kOneOffs + one_offs++);
    }
  }
  ct_cache_free(cache);
  return misses;
}

/* However often the first set was used, and whatever entries weigh, a second set that fits has only
 * hits after 20 rounds. */
TEST(second_working_set_is_answered_whole) {
  const uint64_t sizes[] = {10, 20, 100, 1000, 5000, 65000};
  const uint64_t percents[] = {50, 80, 90, 100};
  for (size_t s = 0; s < COUNT_OF(sizes); s++) {
    for (size_t p = 0; p < COUNT_OF(percents); p++) {
      for (int variant = 0; variant < 4 * kWeights; variant++) {
        const change_of_sets change = {sizes[s], percents[p], variant & 1 ? 5 : 20,
                                       (variant & 2) != 0, variant / 4};
        /* With no room for one-off keys, or for two of the largest weight, it does not fit. */
        const uint64_t spare = change.maxsize - change.maxsize * change.percent / 100;
        if (change.beside_one_offs && spare == 0) continue;
        if (change.weights != kAllOne && spare < 2 * kLargest[change.weights]) continue;
        if (change.weights == kUpTo20 && change.maxsize < 1000) continue;
        if (change.weights == kAllOne && change.maxsize > 5000) continue; /* takes long */
        const uint64_t misses = misses_at_last(&change, 25);
        if (misses != 0)
          fail_msg("%llu in all, %llu %%, after %d rounds%s, weights %d: %llu misses",
                   (unsigned long long)change.maxsize, (unsigned long long)change.percent,
                   change.rounds_before, change.beside_one_offs ? ", one-offs" : "", change.weights,
                   (unsigned long long)misses);
      }
    }
  }
}
