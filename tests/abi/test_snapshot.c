/* SPDX-License-Identifier: MIT */
/* What a snapshot keeps, and what becomes of it in caches of other kinds. */
#include "fixture.h"
#include "snapshots.h"

/* ---- Helpers -------------------------------------------------------------------------------- */

static const ct_policy kOrdered[] = {
    CT_POLICY_LRU,   CT_POLICY_FIFO,  CT_POLICY_LFU,    CT_POLICY_ANY,      CT_POLICY_MRU,
    CT_POLICY_CLOCK, CT_POLICY_SIEVE, CT_POLICY_S3FIFO, CT_POLICY_WTINYLFU, CT_POLICY_ARC,
};
enum { kOrderedCount = COUNT_OF(kOrdered), kMost = 4096 };

static ct_options options_of(ct_policy policy, uint64_t maxsize) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.maxsize = maxsize;
  options.seed = 7;
  return options;
}

/* Saves one cache and loads the other. */
static void carry_over(ct_cache *from, ct_cache *to) {
  tape t = {0};
  assert_status(CT_OK, save_tape(from, &t));
  assert_status(CT_OK, load_tape(to, &t));
  assert_int_equal(t.size, t.at);
  tape_free(&t);
}

/* Lists the keys, which are numbers, coldest first. */
static unsigned list_numbers(ct_cache *cache, uint64_t *numbers) {
  ct_iter *iter;
  assert_status(CT_OK, ct_iter_new(cache, CT_ORDER_COLDEST, &iter));
  unsigned count = 0;
  for (ct_bytes key, value; ct_iter_next(iter, &key, &value) == CT_OK; count++) {
    assert_true(count < kMost);
    memcpy(&numbers[count], key.data, sizeof numbers[count]);
  }
  ct_iter_free(iter);
  return count;
}

static void assert_same_order(ct_cache *expected, ct_cache *actual) {
  static uint64_t one[kMost], other[kMost];
  const unsigned count = list_numbers(expected, one);
  assert_int_equal(count, list_numbers(actual, other));
  assert_memory_equal(one, other, count * sizeof one[0]);
}

static ct_status put_n(ct_cache *cache, uint64_t key) {
  return set_number(cache, key, &key, sizeof key);
}

static bool has_n(ct_cache *cache, uint64_t key) {
  return ct_contains(cache, &key, sizeof key);
}

static ct_entry_info info_of_n(ct_cache *cache, uint64_t key) {
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  assert_status(CT_OK, ct_inspect(cache, &key, sizeof key, &info));
  return info;
}

/* Stores and uses numbers at random, some more often than others, with evictions on the way. */
static void stir(ct_cache *cache, uint64_t *random, unsigned keys, unsigned steps) {
  for (unsigned i = 0; i < steps; i++) {
    const uint64_t key = test_random_below(random, 1 + test_random_below(random, keys));
    if (ct_get(cache, &key, sizeof key, NULL) == CT_MISS) assert_status(CT_OK, put_n(cache, key));
  }
}

/* ---- Entries -------------------------------------------------------------------------------- */

TEST(empty_cache_is_saved_and_loaded) {
  ct_cache *from = ct_cache_new(CT_POLICY_LRU, 10);
  ct_cache *to = ct_cache_new(CT_POLICY_LRU, 10);
  carry_over(from, to);
  assert_int_equal(0, ct_len(to));
  assert_status(CT_OK, set_text(to, "a", "1"));
  ct_cache_free(from);
  carry_over(to, to);
  assert_int_equal(1, ct_len(to));
  ct_cache_free(to);
}

TEST(bytes_of_any_kind_and_length_come_back) {
  static const size_t kSizes[] = {0,     1,     7,     8,     9,     255,   1024,  16384,
                                  16385, 65523, 65524, 65535, 65536, 65537, 70000, 300000};
  enum { kCount = COUNT_OF(kSizes), kLongest = 300000 };
  unsigned char *bytes = calloc(1, kLongest + kCount);
  assert_non_null(bytes);
  for (size_t i = 0; i < kLongest + kCount; i++) bytes[i] = (unsigned char)(i * 7 % 5 * (i % 251));
  ct_cache *from = ct_cache_new(CT_POLICY_LRU, CT_UNBOUNDED);
  for (size_t i = 0; i < kCount; i++)
    for (size_t j = 0; j < kCount; j++)
      assert_status(CT_OK, ct_set(from, bytes + j, kSizes[i], bytes + j, kSizes[j]));
  const uint64_t count = ct_len(from);
  assert_true(count > kCount * 3);

  tape t = {0};
  assert_status(CT_OK, save_tape(from, &t));
  static const size_t kPieces[] = {0, 1, 1000, 65536};
  for (size_t i = 0; i < 4; i++) {
    t.most = kPieces[i];
    ct_cache *to = ct_cache_new(CT_POLICY_LRU, CT_UNBOUNDED);
    assert_status(CT_OK, load_tape(to, &t));
    assert_int_equal(count, ct_len(to));
    ct_iter *iter;
    assert_status(CT_OK, ct_iter_new(from, CT_ORDER_ANY, &iter));
    for (ct_bytes key, value; ct_iter_next(iter, &key, &value) == CT_OK;) {
      ct_value found;
      assert_status(CT_OK, ct_peek(to, key.data, key.size, &found));
      assert_int_equal(value.size, found.size);
      if (value.size > 0) assert_memory_equal(value.data, found.data, value.size);
      ct_value_release(&found);
    }
    ct_iter_free(iter);
    ct_cache_free(to);
  }
  tape_free(&t);
  ct_cache_free(from);
  free(bytes);
}

TEST(same_entries_make_the_same_bytes) {
  tape tapes[2] = {{0}, {0}};
  for (int i = 0; i < 2; i++) {
    fixture f;
    open_fixture(&f, .policy = CT_POLICY_LFU, .maxsize = 100, .seed = 7);
    uint64_t random = 3;
    stir(f.cache, &random, 200, 3000);
    assert_status(CT_OK, save_tape(f.cache, &tapes[i]));
    fixture_close(&f);
  }
  assert_int_equal(tapes[0].size, tapes[1].size);
  assert_memory_equal(tapes[0].bytes, tapes[1].bytes, tapes[0].size);
  for (int i = 0; i < 2; i++) tape_free(&tapes[i]);
}

TEST(saving_is_no_use_and_counts_nothing) {
  for (int i = 0; i < kOrderedCount; i++) {
    fixture f;
    open_fixture(&f, .policy = kOrdered[i], .maxsize = 50, .tti = 100);
    uint64_t random = 5;
    stir(f.cache, &random, 200, 1000);
    static uint64_t before[kMost], after[kMost];
    const unsigned count = list_numbers(f.cache, before);
    const ct_stats stats = stats_of(f.cache);
    f.told = 0;
    set_now(&f, 10);
    tape t = {0};
    assert_status(CT_OK, save_tape(f.cache, &t));
    tape_free(&t);
    assert_stats(&stats, f.cache, __LINE__);
    assert_int_equal(0, f.told);
    assert_int_equal(count, list_numbers(f.cache, after));
    assert_memory_equal(before, after, count * sizeof before[0]);
    for (unsigned j = 0; j < count; j++)
      assert_int_equal(100, info_of_n(f.cache, before[j]).deadline);
    fixture_close(&f);
  }
}

/* ---- Order ---------------------------------------------------------------------------------- */

TEST(order_comes_back_whatever_the_policies) {
  uint64_t random = test_seed();
  for (int i = 0; i < kOrderedCount; i++) {
    const ct_options options = options_of(kOrdered[i], 300);
    ct_cache *from = new_cache(&options);
    stir(from, &random, 1200, 5000);
    assert_int_equal(300, ct_len(from));
    for (int j = 0; j < kOrderedCount; j++) {
      const ct_options other = options_of(kOrdered[j], 500);
      ct_cache *to = new_cache(&other);
      carry_over(from, to);
      /* LFU knows its own order only among entries that it has counted itself. */
      assert_same_order(from, to);
      assert_counted(to, 0);
      ct_cache_free(to);
    }
    ct_cache_free(from);
  }
}

TEST(same_victims_go_in_the_same_order) {
  static const ct_policy kExact[] = {CT_POLICY_LRU, CT_POLICY_FIFO,  CT_POLICY_LFU,  CT_POLICY_ANY,
                                     CT_POLICY_MRU, CT_POLICY_CLOCK, CT_POLICY_SIEVE};
  uint64_t random = test_seed();
  for (size_t i = 0; i < COUNT_OF(kExact); i++) {
    const ct_options options = options_of(kExact[i], 200);
    ct_cache *from = new_cache(&options);
    ct_cache *to = new_cache(&options);
    stir(from, &random, 700, 4000);
    carry_over(from, to);
    for (int left = 200; left > 0; left--) {
      ct_value one, other;
      assert_status(CT_OK, ct_popitem(from, &one, NULL));
      assert_status(CT_OK, ct_popitem(to, &other, NULL));
      assert_memory_equal(one.data, other.data, sizeof(uint64_t));
      ct_value_release(&one);
      ct_value_release(&other);
    }
    ct_cache_free(from);
    ct_cache_free(to);
  }
}

/* The order is written in stretches of a thousand or so. */
TEST(long_order_comes_back) {
  uint64_t random = test_seed();
  for (int i = 0; i < kOrderedCount; i++) {
    const ct_options options = options_of(kOrdered[i], 3000);
    ct_cache *from = new_cache(&options);
    ct_cache *to = new_cache(&options);
    stir(from, &random, 9000, 20000);
    assert_in_range(ct_len(from), 2100, 3000);
    carry_over(from, to);
    assert_same_order(from, to);
    ct_cache_free(from);
    ct_cache_free(to);
  }
}

TEST(lfu_keeps_its_counts) {
  uint64_t random = test_seed();
  for (uint32_t shards = 1; shards <= 16; shards *= 4) {
    ct_options options = options_of(CT_POLICY_LFU, 300);
    options.shards = shards;
    ct_cache *from = new_cache(&options);
    stir(from, &random, 1000, 8000);
    ct_cache *to = ct_cache_new(CT_POLICY_LFU, 300);
    carry_over(from, to);
    static uint64_t numbers[kMost];
    const unsigned count = list_numbers(from, numbers);
    assert_int_equal(count, ct_len(to));
    uint64_t most = 0;
    for (unsigned i = 0; i < count; i++) {
      const uint64_t frequency = info_of_n(from, numbers[i]).frequency;
      assert_int_equal(frequency, info_of_n(to, numbers[i]).frequency);
      if (frequency > most) most = frequency;
    }
    assert_true(most > 5);
    ct_cache_free(from);
    ct_cache_free(to);
  }
}

TEST(lfu_fits_counts_between_those_that_are_there) {
  ct_cache *from = ct_cache_new(CT_POLICY_LFU, 10);
  ct_cache *to = ct_cache_new(CT_POLICY_LFU, 10);
  for (uint64_t key = 1; key <= 5; key++) {
    put_n(from, key);
    put_n(to, key + 10);
    for (uint64_t i = 1; i < key; i++) {
      ct_get(from, &key, sizeof key, NULL);
      const uint64_t other = key + 10;
      ct_get(to, &other, sizeof other, NULL);
    }
  }
  carry_over(from, to);
  uint64_t numbers[kMost];
  assert_int_equal(10, list_numbers(to, numbers));
  static const uint64_t kExpected[] = {11, 1, 12, 2, 13, 3, 14, 4, 15, 5};
  assert_memory_equal(kExpected, numbers, sizeof kExpected);
  const uint64_t new_one = 20;
  put_n(to, new_one);
  assert_false(has_n(to, 11));
  ct_cache_free(from);
  ct_cache_free(to);
}

TEST(other_policies_counts_are_not_kept) {
  ct_cache *from = ct_cache_new(CT_POLICY_WTINYLFU, 10);
  ct_cache *to = ct_cache_new(CT_POLICY_LFU, 10);
  const uint64_t key = 3;
  put_n(from, key);
  for (int i = 0; i < 5; i++) ct_get(from, &key, sizeof key, NULL);
  assert_true(info_of_n(from, key).frequency > 1);
  carry_over(from, to);
  assert_int_equal(1, info_of_n(to, key).frequency);
  ct_cache_free(from);
  ct_cache_free(to);
}

TEST(policies_without_an_order_keep_entries) {
  const ct_policy kinds[] = {CT_POLICY_RR, CT_POLICY_CUSTOM, CT_POLICY_LRU};
  for (int i = 0; i < 3; i++) {
    for (int j = 0; j < 3; j++) {
      ct_options options = options_of(kinds[i], 100);
      options.custom = kinds[i] == CT_POLICY_CUSTOM ? &kQueue : NULL;
      ct_cache *from = new_cache(&options);
      for (uint64_t key = 0; key < 100; key++) put_n(from, key);
      options = options_of(kinds[j], 60);
      options.custom = kinds[j] == CT_POLICY_CUSTOM ? &kQueue : NULL;
      ct_cache *to = new_cache(&options);
      carry_over(from, to);
      unsigned there = 0, hottest = 0;
      for (uint64_t key = 0; key < 100; key++) {
        there += has_n(to, key);
        hottest += key >= 40 && has_n(to, key);
      }
      assert_int_equal(60, there);
      if (kinds[i] == CT_POLICY_LRU) assert_int_equal(60, hottest);
      for (uint64_t key = 200; key < 300; key++) assert_status(CT_OK, put_n(to, key));
      assert_int_equal(60, ct_len(to));
      ct_cache_free(from);
      ct_cache_free(to);
    }
  }
}

/* ---- What fits ------------------------------------------------------------------------------ */

TEST(hottest_that_fit_are_kept) {
  uint64_t random = test_seed();
  for (int i = 0; i < kOrderedCount; i++) {
    const ct_options options = options_of(kOrdered[i], 300);
    ct_cache *from = new_cache(&options);
    stir(from, &random, 1200, 5000);
    uint64_t numbers[kMost];
    assert_int_equal(300, list_numbers(from, numbers));
    for (int j = 0; j < kOrderedCount; j++) {
      fixture f;
      ct_options other = fixture_options(&f, kOrdered[j], 123);
      fixture_open(&f, &other);
      carry_over(from, f.cache);
      assert_int_equal(123, ct_len(f.cache));
      assert_int_equal(123, ct_currsize(f.cache));
      for (int k = 0; k < 300; k++) assert_int_equal(k >= 300 - 123, has_n(f.cache, numbers[k]));
      assert_told(&f, "");
      assert_counted(f.cache, 0);
      fixture_close(&f);
    }
    ct_cache_free(from);
  }
}

TEST(maxsize_0_keeps_nothing) {
  ct_cache *from = ct_cache_new(CT_POLICY_LRU, 10);
  ct_cache *to = ct_cache_new(CT_POLICY_LRU, 0);
  put_n(from, 1);
  carry_over(from, to);
  assert_int_equal(0, ct_len(to));
  ct_cache_free(from);
  ct_cache_free(to);
}

TEST(what_does_not_fit_lets_colder_ones_in_that_do) {
  ct_options options = options_of(CT_POLICY_LRU, 1000);
  ct_cache *from = new_cache(&options);
  set_text_weight(from, "coldest", "1", 3);
  set_text_weight(from, "light", "2", 1);
  set_text_weight(from, "heavy", "3", 500);
  set_text_weight(from, "hottest", "4", 7);
  options.maxsize = 10;
  ct_cache *to = new_cache(&options);
  carry_over(from, to);
  assert_true(has_text(to, "hottest"));
  assert_false(has_text(to, "heavy"));
  assert_true(has_text(to, "light"));
  assert_false(has_text(to, "coldest"));
  assert_int_equal(8, ct_currsize(to));
  ct_cache_free(from);
  ct_cache_free(to);
}

/* Each shard keeps its hottest entries, whatever the numbers of shards: no shard counts as
 * colder than another. */
TEST(other_numbers_of_shards_keep_the_hottest_of_each) {
  uint64_t random = test_seed();
  for (uint32_t before = 1; before <= 16; before *= 4) {
    for (uint32_t after = 1; after <= 16; after *= 4) {
      ct_options options = options_of(CT_POLICY_LRU, 800);
      options.shards = before;
      ct_cache *from = new_cache(&options);
      stir(from, &random, 3000, 9000);
      uint64_t numbers[kMost];
      const unsigned count = list_numbers(from, numbers);
      assert_int_equal(800, count);

      options.shards = after;
      ct_cache *all = new_cache(&options);
      carry_over(from, all);
      assert_int_equal(800, ct_len(all));
      ct_cache_free(all);

      options.maxsize = 400;
      ct_cache *half = new_cache(&options);
      carry_over(from, half);
      unsigned kept = 0, turns = 0;
      for (unsigned i = 0; i < count; i++) {
        const bool here = has_n(half, numbers[i]);
        kept += here;
        turns += i > 0 && !here && has_n(half, numbers[i - 1]);
      }
      assert_int_equal(400, kept);
      /* There is a turn where a shard ends and another begins, unless that one is so small that
       * all of it stays. */
      assert_in_range(turns, (before - 1) * 3 / 4, before - 1);
      ct_cache_free(half);
      ct_cache_free(from);
    }
  }
}

/* ---- Weights -------------------------------------------------------------------------------- */

TEST(weights_are_kept_in_caches_of_one_kind) {
  for (int32_t kind = CT_WEIGHT_COUNT; kind <= CT_WEIGHT_VALUE; kind++) {
    ct_options options = options_of(CT_POLICY_LRU, 1000);
    options.weight_kind = kind;
    ct_cache *from = new_cache(&options);
    ct_cache *to = new_cache(&options);
    set_text_weight(from, "own", "four", 77);
    set_text(from, "usual", "four");
    carry_over(from, to);
    assert_int_equal(77, info_of(to, "own").weight);
    assert_int_equal(kind == CT_WEIGHT_COUNT ? 1 : 4, info_of(to, "usual").weight);
    assert_int_equal(ct_currsize(from), ct_currsize(to));
    ct_cache_free(from);
    ct_cache_free(to);
  }
}

static uint64_t asked;

static uint64_t weigh_and_count(void *user_data, const void *key, size_t key_size,
                                const void *value, size_t value_size) {
  (void)user_data, (void)key, (void)key_size, (void)value;
  asked++;
  return value_size * 10;
}

TEST(weigher_is_not_asked_for_what_another_has_weighed) {
  ct_options options = options_of(CT_POLICY_LRU, 1000);
  options.weigher = weigh_and_count;
  ct_cache *from = new_cache(&options);
  ct_cache *to = new_cache(&options);
  set_text(from, "a", "four");
  set_text_weight(from, "b", "four", 3);
  asked = 0;
  carry_over(from, to);
  assert_int_equal(0, asked);
  assert_int_equal(40, info_of(to, "a").weight);
  assert_int_equal(3, info_of(to, "b").weight);
  ct_cache_free(from);
  ct_cache_free(to);
}

TEST(cache_that_weighs_otherwise_weighs_anew) {
  ct_options options = options_of(CT_POLICY_LRU, 1000);
  ct_cache *from = new_cache(&options);
  set_text_weight(from, "a", "four", 77);
  options.weigher = weigh_and_count;
  ct_cache *weighed = new_cache(&options);
  carry_over(from, weighed);
  assert_int_equal(40, info_of(weighed, "a").weight);
  options.weigher = NULL;
  options.weight_kind = CT_WEIGHT_MEMORY;
  ct_cache *memory = new_cache(&options);
  carry_over(weighed, memory);
  const uint64_t in_memory = info_of(memory, "a").weight;
  assert_in_range(in_memory, 16, 100);
  set_text(memory, "b", "four");
  assert_int_equal(info_of(memory, "b").weight, in_memory);
  options.weight_kind = CT_WEIGHT_VALUE;
  ct_cache *by_value = new_cache(&options);
  carry_over(memory, by_value);
  assert_int_equal(4, info_of(by_value, "a").weight);
  ct_cache_free(from);
  ct_cache_free(weighed);
  ct_cache_free(memory);
  ct_cache_free(by_value);
}

static uint64_t shrink_and_weigh(void *user_data, const void *key, size_t key_size,
                                 const void *value, size_t value_size) {
  (void)key, (void)key_size, (void)value, (void)value_size;
  static bool inside;
  ct_cache *cache = *(ct_cache **)user_data;
  if (inside) return 1;
  inside = true;
  ct_resize(cache, 4);
  ct_set(cache, "from the weigher", 16, "", 0);
  inside = false;
  return 1;
}

/* A lower limit waits for what others have reserved, so the load must not have reserved anything
 * then. */
TEST(weigher_may_resize_the_cache_that_is_loaded) {
  ct_cache *from = ct_cache_new(CT_POLICY_LRU, 100);
  for (uint64_t key = 0; key < 20; key++) put_n(from, key);
  ct_cache *to = NULL;
  ct_options options = options_of(CT_POLICY_LRU, 100);
  options.weigher = shrink_and_weigh;
  options.user_data = &to;
  to = new_cache(&options);
  carry_over(from, to);
  assert_int_equal(4, ct_maxsize(to));
  assert_int_equal(4, ct_len(to));
  assert_true(has_text(to, "from the weigher"));
  for (uint64_t key = 17; key < 20; key++) assert_true(has_n(to, key));
  ct_cache_free(to);
  ct_cache_free(from);
}

/* ---- Lifetimes ------------------------------------------------------------------------------ */

TEST(lifetimes_go_on_from_where_they_were) {
  fixture f, g;
  ct_options options = fixture_options(&f, CT_POLICY_LRU, 100);
  fixture_open(&f, &options);
  set_now(&f, 1000);
  set_text_ttl(f.cache, "ten", "1", 10);
  set_text_ttl(f.cache, "forty", "2", 40);
  set_text_ttl(f.cache, "always", "3", CT_NEVER);
  set_text_deadline(f.cache, "last moment", "4", CT_NEVER - 1);
  set_now(&f, 1007);

  options = fixture_options(&g, CT_POLICY_LRU, 100);
  fixture_open(&g, &options);
  set_now(&g, 5);
  carry_over(f.cache, g.cache);
  assert_int_equal(3, info_of(g.cache, "ten").remaining);
  assert_int_equal(33, info_of(g.cache, "forty").remaining);
  assert_int_equal(38, info_of(g.cache, "forty").deadline);
  assert_int_equal(CT_NEVER, info_of(g.cache, "always").deadline);
  assert_int_equal(CT_NEVER - 1 - 1007, info_of(g.cache, "last moment").remaining);
  set_now(&g, 8);
  assert_false(has_text(g.cache, "ten"));
  assert_true(has_text(g.cache, "forty"));
  assert_int_equal(1, ct_expire(g.cache, CT_NOW, NULL, NULL));
  assert_told(&g, "EXPIRED ten=1");
  fixture_close(&f);
  fixture_close(&g);
}

TEST(cache_with_a_ttl_gives_none_to_what_is_loaded) {
  fixture f, g;
  ct_options options = fixture_options(&f, CT_POLICY_TTL, 100);
  options.ttl = 50;
  fixture_open(&f, &options);
  ct_cache *from = ct_cache_new(CT_POLICY_LRU, 10);
  set_text(from, "a", "1");
  carry_over(from, f.cache);
  assert_int_equal(CT_NEVER, info_of(f.cache, "a").deadline);
  set_text(f.cache, "b", "2");
  set_now(&f, 20);
  options = fixture_options(&g, CT_POLICY_LRU, 10);
  fixture_open(&g, &options);
  carry_over(f.cache, g.cache);
  assert_int_equal(30, info_of(g.cache, "b").remaining);
  fixture_close(&f);
  fixture_close(&g);
  ct_cache_free(from);
}

TEST(idle_times_go_on_too) {
  fixture f, g;
  ct_options options = fixture_options(&f, CT_POLICY_LRU, 100);
  options.tti = 100;
  fixture_open(&f, &options);
  set_text(f.cache, "early", "1");
  set_now(&f, 60);
  set_text(f.cache, "late", "2");
  set_text_ttl(f.cache, "both", "3", 30);
  set_now(&f, 80);

  options = fixture_options(&g, CT_POLICY_LRU, 100);
  options.tti = 50;
  fixture_open(&g, &options);
  carry_over(f.cache, g.cache);
  assert_int_equal(20, info_of(g.cache, "early").remaining);
  assert_int_equal(50, info_of(g.cache, "late").remaining); /* no longer than the cache's own */
  assert_int_equal(10, info_of(g.cache, "both").remaining);
  use_text(g.cache, "early");
  assert_int_equal(50, info_of(g.cache, "early").remaining);
  set_now(&g, 10);
  assert_false(has_text(g.cache, "both"));
  fixture_close(&g);

  options = fixture_options(&g, CT_POLICY_LRU, 100);
  fixture_open(&g, &options);
  carry_over(f.cache, g.cache);
  assert_int_equal(CT_NEVER, info_of(g.cache, "late").remaining);
  assert_int_equal(10, info_of(g.cache, "both").remaining);
  fixture_close(&g);
  fixture_close(&f);
}

FIXTURE_TEST(expired_entries_are_not_saved, open_lru(f, 100)) {
  set_text_ttl(f->cache, "dead", "1", 5);
  set_text(f->cache, "alive", "2");
  set_now(f, 5);
  ct_cache *to = ct_cache_new(CT_POLICY_LRU, 10);
  carry_over(f->cache, to);
  assert_int_equal(1, ct_len(to));
  assert_text(to, "alive", "2");
  assert_told(f, ""); /* and they stay where they are */
  ct_cache_free(to);
}

FIXTURE_TEST(time_is_read_once_a_call_and_only_where_there_are_lifetimes,
             open_fixture(f, .maxsize = 100, .timer = count_readings)) {
  for (uint64_t key = 0; key < 50; key++) put_n(f->cache, key);
  tape t = {0};
  assert_status(CT_OK, save_tape(f->cache, &t));
  ct_clear(f->cache);
  assert_status(CT_OK, load_tape(f->cache, &t));
  assert_int_equal(50, ct_len(f->cache));
  assert_int_equal(0, f->readings);
  for (uint64_t key = 0; key < 50; key++)
    ct_set_ttl(f->cache, &key, sizeof key, &key, sizeof key, 100 + key);
  f->readings = 0;
  assert_status(CT_OK, save_tape(f->cache, &t));
  assert_int_equal(1, f->readings);
  ct_clear(f->cache);
  f->readings = 0;
  assert_status(CT_OK, load_tape(f->cache, &t));
  assert_int_equal(1, f->readings);
  tape_free(&t);
}

/* ---- What is there already ------------------------------------------------------------------ */

TEST(present_keys_win_and_nothing_is_evicted) {
  ct_cache *from = ct_cache_new(CT_POLICY_LRU, 10);
  set_text(from, "both", "snapshot");
  set_text(from, "cold", "snapshot");
  set_text(from, "warm", "snapshot");
  set_text(from, "hot", "snapshot");
  fixture f;
  open_lru(&f, 4);
  set_text(f.cache, "both", "here");
  set_text(f.cache, "other", "here");
  const ct_stats before = stats_of(f.cache);
  carry_over(from, f.cache);
  assert_text_quietly(f.cache, "both", "here");
  assert_text_quietly(f.cache, "other", "here");
  assert_text_quietly(f.cache, "hot", "snapshot");
  assert_text_quietly(f.cache, "warm", "snapshot");
  assert_false(has_text(f.cache, "cold"));
  assert_stats(&before, f.cache, __LINE__);
  assert_told(&f, "");
  /* What was loaded counts as stored last. */
  set_text(f.cache, "a", "1");
  set_text(f.cache, "b", "1");
  set_text(f.cache, "c", "1");
  assert_told(&f, "EVICTED both=here, EVICTED other=here, EVICTED warm=snapshot");
  fixture_close(&f);
  ct_cache_free(from);
}

TEST(loading_twice_changes_nothing_more) {
  ct_cache *from = ct_cache_new(CT_POLICY_LRU, 100);
  ct_cache *to = ct_cache_new(CT_POLICY_LRU, 100);
  for (uint64_t key = 0; key < 60; key++) put_n(from, key);
  carry_over(from, to);
  carry_over(from, to);
  assert_int_equal(60, ct_len(to));
  assert_same_order(from, to);
  ct_cache_free(from);
  ct_cache_free(to);
}

TEST(expired_entries_make_room) {
  ct_cache *from = ct_cache_new(CT_POLICY_LRU, 10);
  set_text(from, "a", "new");
  set_text(from, "b", "new");
  fixture f;
  open_lru(&f, 3);
  set_text_ttl(f.cache, "a", "old", 5);
  set_text_ttl(f.cache, "x", "old", 6);
  set_text(f.cache, "stays", "old");
  set_now(&f, 7);
  carry_over(from, f.cache);
  assert_told(&f, "EXPIRED a=old, EXPIRED x=old");
  assert_text_quietly(f.cache, "a", "new");
  assert_text_quietly(f.cache, "b", "new");
  assert_text_quietly(f.cache, "stays", "old");
  assert_counted(f.cache, .inserts = 3, .expirations = 2);
  fixture_close(&f);
  ct_cache_free(from);
}

TEST(lease_is_not_overtaken_by_what_is_loaded) {
  ct_cache *from = ct_cache_new(CT_POLICY_LRU, 10);
  ct_cache *to = ct_cache_new(CT_POLICY_LRU, 10);
  set_text(from, "a", "old");
  ct_lease *lease;
  ct_value value;
  assert_status(CT_LEASED, ct_get_or_lease(to, "a", 1, 0, &value, &lease));
  carry_over(from, to);
  assert_text(to, "a", "old");
  assert_status(CT_OK, ct_lease_fulfil(lease, "fresh", 5, NULL, NULL));
  assert_text(to, "a", "fresh");
  ct_cache_free(from);
  ct_cache_free(to);
}

static uint64_t dropped;

static void count_drop(void *user_data, const void *value, size_t value_size) {
  (void)user_data, (void)value, (void)value_size;
  dropped++;
}

TEST(each_copy_that_was_kept_is_dropped_once) {
  ct_options options = options_of(CT_POLICY_LRU, 5);
  options.drop = count_drop;
  ct_cache *from = ct_cache_new(CT_POLICY_LRU, 10);
  for (uint64_t key = 0; key < 10; key++) put_n(from, key);
  ct_cache *to = new_cache(&options);
  put_n(to, 9);
  dropped = 0;
  carry_over(from, to);
  assert_int_equal(0, dropped);
  ct_cache_free(to);
  assert_int_equal(5, dropped);
  ct_cache_free(from);
}

/* ---- A policy of the caller's --------------------------------------------------------------- */

TEST(custom_policy_is_told_coldest_first) {
  ct_options options = options_of(CT_POLICY_CUSTOM, 20);
  options.custom = &kQueue;
  ct_cache *to = new_cache(&options);
  ct_cache *from = ct_cache_new(CT_POLICY_LRU, 20);
  for (uint64_t key = 0; key < 20; key++) put_n(from, key);
  carry_over(from, to);
  for (uint64_t key = 0; key < 20; key++) {
    ct_value popped;
    assert_status(CT_OK, ct_popitem(to, &popped, NULL));
    assert_memory_equal(&key, popped.data, sizeof key);
    ct_value_release(&popped);
  }
  ct_cache_free(from);
  ct_cache_free(to);
}

/* ---- The format ----------------------------------------------------------------------------- */

/* A cache with everything in it that the format knows. */
static ct_cache *make_golden_cache(fixture *f) {
  open_fixture(f, .policy = CT_POLICY_LFU, .maxsize = 1000, .tti = 5000, .seed = 1);
  set_now(f, 10000);
  set_text(f->cache, "plain", "once used");
  set_text_ttl(f->cache, "short", "lived", 100);
  set_text_weight(f->cache, "heavy", "", 1 + (uint64_t)'w' * 5);
  set_text(f->cache, "", "no key");
  set_text(f->cache, "popular", "used");
  for (int i = 0; i < 300; i++) use_text(f->cache, "popular");
  use_text(f->cache, "short");
  set_now(f, 10040);
  use_text(f->cache, "");
  return f->cache;
}

static const char kGolden[] =
    "weighing 0, flags 1\n"
    "shard\n"
    "rank 0: 6b9653d41b66c850\n"
    "rank 0: 82547fe87d41c918\n"
    "rank 0: b42ad57460d20d0a\n"
    "rank 0: 2d06800538d394c2\n"
    "rank 0: d6d00c8344c336e8\n"
    " = no key, count 2, weight 0, ttl 0, idle 5000\n"
    "heavy = , count 1, weight 596, ttl 0, idle 4960\n"
    "plain = once used, count 1, weight 0, ttl 0, idle 4960\n"
    "popular = used, count 301, weight 0, ttl 0, idle 4960\n"
    "short = lived, count 2, weight 0, ttl 60, idle 4960\n";

/* A snapshot that is written today says the same as the recorded one of version 1. */
TEST(format_is_the_recorded_one) {
  char text[4096];
  fixture f;
  tape t = {0};
  assert_status(CT_OK, save_tape(make_golden_cache(&f), &t));
  record_snapshot(&t);
  describe_snapshot(&t, text, sizeof text);
  assert_string_equal(kGolden, text);
  tape_free(&t);
  fixture_close(&f);

  t = read_recorded("lfu.ctsnap");
  describe_snapshot(&t, text, sizeof text);
  assert_string_equal(kGolden, text);
  tape_free(&t);
}

TEST(recorded_snapshot_can_be_loaded) {
  tape t = read_recorded("lfu.ctsnap");
  fixture f, g;
  ct_cache *expected = make_golden_cache(&f);
  open_fixture(&g, .policy = CT_POLICY_LFU, .maxsize = 1000, .tti = 5000);
  assert_status(CT_OK, load_tape(g.cache, &t));
  assert_int_equal(5, ct_len(g.cache));
  ct_iter *one, *other;
  assert_status(CT_OK, ct_iter_new(expected, CT_ORDER_COLDEST, &one));
  assert_status(CT_OK, ct_iter_new(g.cache, CT_ORDER_COLDEST, &other));
  for (ct_bytes key, value; ct_iter_next(one, &key, &value) == CT_OK;) {
    ct_bytes other_key, other_value;
    assert_status(CT_OK, ct_iter_next(other, &other_key, &other_value));
    assert_int_equal(key.size, other_key.size);
    assert_memory_equal(key.data, other_key.data, key.size);
    assert_int_equal(value.size, other_value.size);
    assert_memory_equal(value.data, other_value.data, value.size);
    ct_entry_info here = CT_ENTRY_INFO_INIT, there = CT_ENTRY_INFO_INIT;
    assert_status(CT_OK, ct_inspect(expected, key.data, key.size, &here));
    assert_status(CT_OK, ct_inspect(g.cache, key.data, key.size, &there));
    assert_int_equal(here.frequency, there.frequency);
    assert_int_equal(here.remaining, there.remaining);
    assert_int_equal(here.weight, there.weight);
  }
  ct_iter_free(one);
  ct_iter_free(other);
  tape_free(&t);
  fixture_close(&f);
  fixture_close(&g);
}

/* Entries whose place in the order was not saved are the hottest. */
TEST(entries_without_a_rank_are_the_hottest) {
  ct_cache *from = ct_cache_new(CT_POLICY_LRU, 10);
  for (uint64_t key = 0; key < 10; key++) put_n(from, key);
  tape t = {0}, content = {0}, without = {0};
  assert_status(CT_OK, save_tape(from, &t));
  assert_true(get_frames(&t, &content));
  enum { kHead = 4 + 8 + 1, kRank = 10 };
  for (uint64_t key = 0; key < 10; key++) {
    const unsigned char *rank = content.bytes + kHead + key * kRank;
    assert_int_equal('R', rank[0]);
    assert_int_equal(0, rank[1]);
    assert_true(snapshot_id(&key, sizeof key) == number_at(rank + 2, 8));
  }
  /* The fifth and the sixth are left out. */
  tape_write(&without, content.bytes, kHead + 4 * kRank);
  tape_write(&without, content.bytes + kHead + 6 * kRank, content.size - kHead - 6 * kRank);
  t.size = 0;
  put_frames(&t, kDatedPrefix, without.bytes, without.size, 37);
  ct_cache *to = ct_cache_new(CT_POLICY_LRU, 10);
  assert_status(CT_OK, load_tape(to, &t));
  uint64_t numbers[kMost];
  assert_int_equal(10, list_numbers(to, numbers));
  static const uint64_t kExpected[] = {0, 1, 2, 3, 6, 7, 8, 9};
  assert_memory_equal(kExpected, numbers, sizeof kExpected);
  assert_int_equal(4 + 5, numbers[8] + numbers[9]);
  tape_free(&t);
  tape_free(&content);
  tape_free(&without);
  ct_cache_free(from);
  ct_cache_free(to);
}
