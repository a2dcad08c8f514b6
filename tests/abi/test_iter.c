/* SPDX-License-Identifier: MIT */
/* Walks over the entries, in any order and in the order of eviction, during growth, deletes,
 * updates, evictions, expiry and clear; and ct_remove_if, which walks too. */
#include "fixture.h"

static const int32_t kOrders[] = {CT_ORDER_ANY, CT_ORDER_COLDEST, CT_ORDER_HOTTEST};

static ct_iter *new_iter(ct_cache *cache, int32_t order) {
  ct_iter *iter = NULL;
  assert_status(CT_OK, ct_iter_new(cache, order, &iter));
  assert_non_null(iter);
  return iter;
}

/* Goes to the next entry, whose key is a number. Returns false at the end. */
static bool next_number(ct_iter *iter, uint64_t *key, uint64_t *value) {
  ct_bytes key_bytes = {"x", 77};
  ct_bytes value_bytes = {"x", 77};
  ct_status status = ct_iter_next(iter, &key_bytes, &value_bytes);
  if (status == CT_END) {
    assert_null(key_bytes.data);
    assert_int_equal(0, key_bytes.size);
    assert_null(value_bytes.data);
    assert_int_equal(0, value_bytes.size);
    return false;
  }
  assert_status(CT_OK, status);
  assert_int_equal(sizeof(*key), key_bytes.size);
  assert_int_equal(sizeof(*value), value_bytes.size);
  memcpy(key, key_bytes.data, sizeof(*key));
  memcpy(value, value_bytes.data, sizeof(*value));
  return true;
}

static void set_pair(ct_cache *cache, uint64_t key, uint64_t value) {
  assert_status(CT_OK, set_number(cache, key, &value, sizeof(value)));
}

/* A cache that holds the numbers below count, each as a key and its value. */
static ct_cache *new_pairs(uint64_t count, uint64_t maxsize, uint32_t shards) {
  ct_cache *cache = cache_of(.maxsize = maxsize, .shards = shards);
  for (uint64_t key = 0; key < count; key++) set_pair(cache, key, key);
  return cache;
}

/* ---- A quiet cache -------------------------------------------------------------------------- */

TEST(empty_cache_ends_at_once) {
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
    ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 8);
    ct_iter *iter = new_iter(cache, kOrders[i]);
    uint64_t key, value;
    assert_false(next_number(iter, &key, &value));
    ct_iter_free(iter);
    ct_cache_free(cache);
  }
}

TEST(every_entry_is_seen_once) {
  enum { kCount = 5000 };
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
    for (uint32_t shards = 1; shards <= 16; shards *= 16) {
      ct_cache *cache = cache_of(.maxsize = kCount, .shards = shards);
      for (uint64_t key = 0; key < kCount; key++) set_pair(cache, key, key * 3);
      unsigned char seen[kCount] = {0};
      ct_iter *iter = new_iter(cache, kOrders[i]);
      uint64_t key, value;
      while (next_number(iter, &key, &value)) {
        assert_true(key < kCount);
        assert_int_equal(key * 3, value);
        assert_int_equal(0, seen[key]++);
      }
      for (size_t each = 0; each < kCount; each++) assert_int_equal(1, seen[each]);
      ct_iter_free(iter);
      ct_cache_free(cache);
    }
  }
}

TEST(end_is_told_again) {
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
    ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 8);
    set_pair(cache, 1, 1);
    ct_iter *iter = new_iter(cache, kOrders[i]);
    uint64_t key, value;
    assert_true(next_number(iter, &key, &value));
    for (int again = 0; again < 5; again++) {
      assert_false(next_number(iter, &key, &value));
      set_pair(cache, 2 + (uint64_t)again, 1);
    }
    ct_iter_free(iter);
    ct_cache_free(cache);
  }
}

TEST(end_is_told_without_results) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 8);
  set_pair(cache, 1, 1);
  ct_iter *iter = new_iter(cache, CT_ORDER_ANY);
  assert_status(CT_OK, ct_iter_next(iter, NULL, NULL));
  assert_status(CT_END, ct_iter_next(iter, NULL, NULL));
  ct_iter_free(iter);
  ct_cache_free(cache);
}

TEST(empty_key_and_value_are_not_null) {
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
    ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 8);
    assert_status(CT_OK, ct_set(cache, NULL, 0, NULL, 0));
    ct_iter *iter = new_iter(cache, kOrders[i]);
    ct_bytes key = {NULL, 77};
    ct_bytes value = {NULL, 77};
    assert_status(CT_OK, ct_iter_next(iter, &key, &value));
    assert_value("", key);
    assert_value("", value);
    ct_iter_free(iter);
    ct_cache_free(cache);
  }
}

TEST(iteration_in_the_middle_leaves_nothing_behind) {
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
    for (int passed = 0; passed < 60; passed += 7) {
      test_allocator allocator;
      test_allocator_init(&allocator);
      ct_cache *cache = cache_of(.maxsize = 100, .shards = 2, .allocator = &allocator.hooks);
      for (uint64_t key = 0; key < 60; key++) set_pair(cache, key, key);
      ct_iter *iter = new_iter(cache, kOrders[i]);
      for (int n = 0; n < passed; n++) assert_status(CT_OK, ct_iter_next(iter, NULL, NULL));
      assert_status(CT_OK, ct_clear(cache));
      ct_iter_free(iter);
      ct_cache_free(cache);
      assert_int_equal(0, allocator.blocks);
    }
  }
}

TEST(iteration_is_quiet) {
  static const ct_policy policies[] = {CT_POLICY_LRU,   CT_POLICY_FIFO,   CT_POLICY_LFU,
                                       CT_POLICY_ANY,   CT_POLICY_MRU,    CT_POLICY_CLOCK,
                                       CT_POLICY_SIEVE, CT_POLICY_S3FIFO, CT_POLICY_ARC};
  uint64_t random = test_seed();
  for (size_t p = 0; p < COUNT_OF(policies); p++) {
    /* Two caches get the same calls, but only the second is walked. */
    fixture plain;
    fixture walked;
    ct_options plain_options = fixture_options(&plain, policies[p], 100);
    ct_options walked_options = fixture_options(&walked, policies[p], 100);
    fixture_open(&plain, &plain_options);
    fixture_open(&walked, &walked_options);
    for (int step = 0; step < 500; step++) {
      char key[2] = {(char)('a' + test_random_below(&random, 26)), '\0'};
      if (step % 2 == 0) {
        set_text(plain.cache, key, "v");
        set_text(walked.cache, key, "v");
      } else {
        use_text(plain.cache, key);
        use_text(walked.cache, key);
      }
      if (step % 50 != 0) continue;
      ct_iter *iter = new_iter(walked.cache, kOrders[step / 50 % 3]);
      while (ct_iter_next(iter, NULL, NULL) == CT_OK) continue;
      ct_iter_free(iter);
    }
    ct_stats plain_stats = stats_of(plain.cache);
    ct_stats walked_stats = stats_of(walked.cache);
    assert_memory_equal(&plain_stats, &walked_stats, sizeof(plain_stats));
    while (ct_popitem(plain.cache, NULL, NULL) == CT_OK)
      assert_status(CT_OK, ct_popitem(walked.cache, NULL, NULL));
    assert_string_equal(plain.log, walked.log);
    fixture_close(&plain);
    fixture_close(&walked);
  }
}

/* ---- The order of eviction ------------------------------------------------------------------ */

static uint64_t endless(void *user_data, const void *key, size_t key_size, const void *value,
                        size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size, (void)now;
  return CT_NEVER;
}

TEST(coldest_first_is_the_order_of_popitem) {
  static const ct_policy policies[] = {
      CT_POLICY_LRU, CT_POLICY_FIFO, CT_POLICY_LFU,   CT_POLICY_TTL,   CT_POLICY_TLRU,
      CT_POLICY_ANY, CT_POLICY_MRU,  CT_POLICY_CLOCK, CT_POLICY_SIEVE, CT_POLICY_ARC};
  enum { kKeys = 60, kKept = 40 };
  uint64_t random = test_seed();
  for (size_t p = 0; p < COUNT_OF(policies); p++) {
    ct_cache *cache =
        cache_of(.policy = policies[p], .maxsize = kKept,
                 .ttl = policies[p] == CT_POLICY_TTL ? (uint64_t)1 << 60 : 0, .ttu = endless);
    for (int step = 0; step < 2000; step++) {
      uint64_t key = test_random_below(&random, kKeys);
      uint64_t choice = test_random_below(&random, 10);
      if (choice < 4) set_pair(cache, key, key);
      if (choice >= 4 && choice < 9) ct_get(cache, &key, sizeof(key), NULL);
      if (choice == 9) ct_delete(cache, &key, sizeof(key));
    }
    uint64_t order[kKept];
    uint64_t count = 0;
    uint64_t key, value;
    ct_iter *iter = new_iter(cache, CT_ORDER_COLDEST);
    while (next_number(iter, &key, &value)) {
      assert_true(count < kKept);
      order[count++] = key;
    }
    ct_iter_free(iter);
    assert_int_equal(ct_len(cache), count);

    iter = new_iter(cache, CT_ORDER_HOTTEST);
    for (uint64_t i = count; i > 0; i--) {
      assert_true(next_number(iter, &key, &value));
      assert_int_equal(order[i - 1], key);
    }
    assert_false(next_number(iter, &key, &value));
    ct_iter_free(iter);

    for (uint64_t i = 0; i < count; i++) {
      ct_value popped;
      assert_status(CT_OK, ct_popitem(cache, &popped, NULL));
      assert_memory_equal(&order[i], popped.data, sizeof(order[i]));
      ct_value_release(&popped);
    }
    ct_cache_free(cache);
  }
}

TEST(hottest_first_is_the_reverse_over_shards) {
  enum { kCount = 200 };
  ct_cache *cache = new_pairs(kCount, kCount, 8);
  uint64_t order[kCount];
  uint64_t key, value;
  ct_iter *iter = new_iter(cache, CT_ORDER_COLDEST);
  for (size_t i = 0; i < kCount; i++) {
    assert_true(next_number(iter, &key, &value));
    order[i] = key;
  }
  ct_iter_free(iter);
  iter = new_iter(cache, CT_ORDER_HOTTEST);
  for (size_t i = kCount; i > 0; i--) {
    assert_true(next_number(iter, &key, &value));
    assert_int_equal(order[i - 1], key);
  }
  ct_iter_free(iter);
  ct_cache_free(cache);
}

TEST(ordered_iteration_keeps_the_order_taken_down) {
  ct_cache *cache = new_pairs(4, 8, 1);
  ct_iter *iter = new_iter(cache, CT_ORDER_COLDEST);
  uint64_t key, value;
  assert_true(next_number(iter, &key, &value));
  assert_int_equal(0, key);
  /* A use changes the order of the cache, but not that of a walk that has begun. */
  uint64_t moved = 1;
  assert_status(CT_OK, ct_get(cache, &moved, sizeof(moved), NULL));
  for (uint64_t expected = 1; expected < 4; expected++) {
    assert_true(next_number(iter, &key, &value));
    assert_int_equal(expected, key);
  }
  assert_false(next_number(iter, &key, &value));
  ct_iter_free(iter);
  ct_cache_free(cache);
}

static uint32_t choose_none(void *policy) {
  (void)policy;
  return 0;
}
static void ignore_insert(void *policy, uint32_t id, uint64_t weight, const void *key,
                          size_t key_size, uint64_t now) {
  (void)policy, (void)id, (void)weight, (void)key, (void)key_size, (void)now;
}
static void ignore_remove(void *policy, uint32_t id) {
  (void)policy, (void)id;
}

TEST(order_is_unsupported_with_rr_and_custom) {
  static const ct_policy_ops ops = {.struct_size = sizeof(ct_policy_ops),
                                    .on_insert = ignore_insert,
                                    .on_remove = ignore_remove,
                                    .victim = choose_none};
  static const ct_policy policies[] = {CT_POLICY_RR, CT_POLICY_CUSTOM};
  for (size_t p = 0; p < COUNT_OF(policies); p++) {
    ct_cache *cache = cache_of(.policy = policies[p], .maxsize = 8, .custom = &ops);
    set_pair(cache, 1, 1);
    ct_iter *iter = (ct_iter *)(uintptr_t)8;
    assert_status(CT_ERR_UNSUPPORTED, ct_iter_new(cache, CT_ORDER_COLDEST, &iter));
    assert_null(iter);
    iter = (ct_iter *)(uintptr_t)8;
    assert_status(CT_ERR_UNSUPPORTED, ct_iter_new(cache, CT_ORDER_HOTTEST, &iter));
    assert_null(iter);
    iter = new_iter(cache, CT_ORDER_ANY);
    uint64_t key, value;
    assert_true(next_number(iter, &key, &value));
    assert_int_equal(1, key);
    ct_iter_free(iter);
    ct_cache_free(cache);
  }
}

/* ---- A busy cache --------------------------------------------------------------------------- */

TEST(growth_meanwhile_hides_and_repeats_nothing) {
  enum { kFirst = 1000, kMost = 40000 };
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
    for (uint32_t shards = 1; shards <= 4; shards *= 4) {
      static unsigned char seen[kMost];
      memset(seen, 0, sizeof(seen));
      ct_cache *cache = new_pairs(kFirst, CT_UNBOUNDED, shards);
      ct_iter *iter = new_iter(cache, kOrders[i]);
      uint64_t next = kFirst;
      uint64_t key, value;
      while (next_number(iter, &key, &value)) {
        assert_true(key < kMost);
        assert_int_equal(0, seen[key]++);
        for (int more = 0; more < 30 && next < kMost; more++, next++) set_pair(cache, next, next);
      }
      for (size_t each = 0; each < kFirst; each++) assert_int_equal(1, seen[each]);
      assert_true(next > 20 * kFirst);
      ct_iter_free(iter);
      ct_cache_free(cache);
    }
  }
}

TEST(deletes_meanwhile_hide_and_repeat_nothing_else) {
  enum { kCount = 3000 };
  uint64_t random = test_seed();
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
    unsigned char seen[kCount] = {0};
    bool deleted[kCount] = {false};
    ct_cache *cache = new_pairs(kCount, kCount, 2);
    ct_iter *iter = new_iter(cache, kOrders[i]);
    uint64_t key, value;
    while (next_number(iter, &key, &value)) {
      assert_int_equal(0, seen[key]++);
      uint64_t victim = test_random_below(&random, kCount);
      ct_status status = ct_delete(cache, &victim, sizeof(victim));
      assert_status(deleted[victim] ? CT_MISS : CT_OK, status);
      deleted[victim] = true;
    }
    for (size_t each = 0; each < kCount; each++) assert_true(seen[each] == 1 || deleted[each]);
    ct_iter_free(iter);
    ct_cache_free(cache);
  }
}

TEST(updates_meanwhile_show_no_value_twice) {
  enum { kCount = 1000, kValues = 20000 };
  uint64_t random = test_seed();
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
    /* Values are numbers, and none is used twice. */
    static unsigned char seen[kValues];
    memset(seen, 0, sizeof(seen));
    bool updated[kCount] = {false};
    unsigned char seen_key[kCount] = {0};
    ct_cache *cache = new_pairs(kCount, kCount, 2);
    ct_iter *iter = new_iter(cache, kOrders[i]);
    uint64_t next = kCount;
    uint64_t key, value;
    while (next_number(iter, &key, &value)) {
      assert_true(value < kValues);
      assert_int_equal(0, seen[value]++);
      seen_key[key] = 1;
      for (int more = 0; more < 3 && next < kValues; more++) {
        uint64_t other = test_random_below(&random, kCount / 2);
        updated[other] = true;
        set_pair(cache, other, next++);
      }
    }
    for (size_t each = 0; each < kCount; each++) assert_true(updated[each] || seen_key[each] == 1);
    ct_iter_free(iter);
    ct_cache_free(cache);
  }
}

TEST(updates_of_other_sizes_meanwhile_show_no_value_twice) {
  enum { kCount = 500, kValues = 8000 };
  static char bytes[3000];
  uint64_t random = test_seed();
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
    static unsigned char seen[kValues];
    memset(seen, 0, sizeof(seen));
    ct_cache *cache = new_pairs(kCount, kCount, 1);
    ct_iter *iter = new_iter(cache, kOrders[i]);
    uint64_t next = kCount;
    ct_bytes key, value;
    ct_status status;
    while ((status = ct_iter_next(iter, &key, &value)) == CT_OK) {
      uint64_t number;
      memcpy(&number, value.data, sizeof(number));
      assert_true(number < kValues);
      assert_int_equal(0, seen[number]++);
      for (int more = 0; more < 3 && next < kValues; more++) {
        uint64_t other = test_random_below(&random, kCount);
        memcpy(bytes, &next, sizeof(next));
        next++;
        size_t size = 8 + test_random_below(&random, sizeof(bytes) - 8);
        assert_status(CT_OK, set_number(cache, other, bytes, size));
      }
    }
    assert_status(CT_END, status);
    ct_iter_free(iter);
    ct_cache_free(cache);
  }
}

TEST(lifetimes_set_meanwhile_hide_and_repeat_nothing) {
  enum { kCount = 1000 };
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
    /* The first lifetime of an entry may move it in memory, but this is no write. */
    unsigned char seen[kCount] = {0};
    ct_cache *cache = new_pairs(kCount, kCount, 2);
    ct_iter *iter = new_iter(cache, kOrders[i]);
    uint64_t next = 0;
    uint64_t key, value;
    while (next_number(iter, &key, &value)) {
      assert_int_equal(0, seen[key]++);
      for (int more = 0; more < 3 && next < kCount; more++, next++)
        assert_status(CT_OK, ct_set_lifetime(cache, &next, sizeof(next), (uint64_t)1 << 60));
    }
    for (size_t each = 0; each < kCount; each++) assert_int_equal(1, seen[each]);
    ct_iter_free(iter);
    ct_cache_free(cache);
  }
}

TEST(evictions_meanwhile_hide_and_repeat_nothing_else) {
  enum { kCount = 1000, kMost = 20000 };
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
    static unsigned char seen[kMost];
    memset(seen, 0, sizeof(seen));
    ct_cache *cache = new_pairs(kCount, kCount, 2);
    ct_iter *iter = new_iter(cache, kOrders[i]);
    uint64_t next = kCount;
    uint64_t key, value;
    while (next_number(iter, &key, &value)) {
      assert_true(key < kMost);
      assert_int_equal(key, value);
      assert_int_equal(0, seen[key]++);
      for (int more = 0; more < 2 && next < kMost; more++, next++) set_pair(cache, next, next);
    }
    /* An entry that was there at the start and is still there was there all the time. */
    for (uint64_t each = 0; each < kCount; each++)
      if (ct_contains(cache, &each, sizeof(each))) assert_int_equal(1, seen[each]);
    assert_int_equal(kCount, ct_len(cache));
    ct_iter_free(iter);
    ct_cache_free(cache);
  }
}

TEST(clear_meanwhile_ends_the_walk) {
  enum { kCount = 1000 };
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
    unsigned char seen[kCount] = {0};
    ct_cache *cache = new_pairs(kCount, kCount, 2);
    ct_iter *iter = new_iter(cache, kOrders[i]);
    uint64_t key, value;
    for (int passed = 0; passed < 100; passed++) {
      assert_true(next_number(iter, &key, &value));
      assert_int_equal(0, seen[key]++);
    }
    assert_status(CT_OK, ct_clear(cache));
    while (next_number(iter, &key, &value)) {
      assert_true(key < kCount);
      assert_int_equal(0, seen[key]++);
    }
    ct_iter_free(iter);
    ct_cache_free(cache);
  }
}

TEST(expired_entries_are_never_seen) {
  enum { kCount = 1000 };
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
    fixture f;
    unsigned char seen[kCount] = {0};
    open_fixture(&f, .maxsize = kCount, .shards = 2);
    for (uint64_t key = 0; key < kCount; key++) {
      /* Deadlines all along the walk; every tenth entry outlives it. */
      uint64_t ttl = key % 10 == 0 ? CT_NEVER : 1 + key * 7 % kCount;
      assert_status(CT_OK, ct_set_ttl(f.cache, &key, sizeof(key), &ttl, sizeof(ttl), ttl));
    }
    ct_iter *iter = new_iter(f.cache, kOrders[i]);
    uint64_t key, deadline;
    while (next_number(iter, &key, &deadline)) {
      assert_true(f.clock.now < deadline);
      assert_int_equal(0, seen[key]++);
      set_now(&f, f.clock.now + 1);
    }
    for (size_t each = 0; each < kCount; each += 10) assert_int_equal(1, seen[each]);
    assert_true(f.clock.now > kCount / 10);
    assert_told(&f, "");
    ct_iter_free(iter);
    fixture_close(&f);
  }
}

TEST(entries_expired_before_are_never_seen) {
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
    fixture f;
    open_lru(&f, 8);
    set_text_ttl(f.cache, "a", "1", 5);
    set_text(f.cache, "b", "2");
    set_now(&f, 5);
    ct_iter *iter = new_iter(f.cache, kOrders[i]);
    ct_bytes key, value;
    assert_status(CT_OK, ct_iter_next(iter, &key, &value));
    assert_value("b", key);
    assert_value("2", value);
    assert_status(CT_END, ct_iter_next(iter, &key, &value));
    ct_iter_free(iter);
    fixture_close(&f);
  }
}

TEST(views_last_until_the_next_call) {
  enum { kCount = 200 };
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
    ct_cache *cache = cache_of(.maxsize = kCount, .shards = 2);
    char bytes[300];
    for (uint64_t key = 0; key < kCount; key++) {
      memset(bytes, (int)key, sizeof(bytes));
      assert_status(CT_OK, set_number(cache, key, bytes, sizeof(bytes)));
    }
    ct_iter *iter = new_iter(cache, kOrders[i]);
    ct_bytes key, value;
    uint64_t other = kCount;
    for (int passed = 0; passed < kCount / 4; passed++) {
      assert_status(CT_OK, ct_iter_next(iter, &key, &value));
      uint64_t number;
      memcpy(&number, key.data, sizeof(number));
      /* The entry goes, and its memory would be used again. */
      assert_status(CT_OK, ct_delete(cache, &number, sizeof(number)));
      memset(bytes, 0xee, sizeof(bytes));
      for (int more = 0; more < 5; more++) {
        assert_status(CT_OK, set_number(cache, other, bytes, sizeof(bytes)));
        assert_status(CT_OK, ct_delete(cache, &other, sizeof(other)));
        other++;
      }
      assert_memory_equal(&number, key.data, sizeof(number));
      memset(bytes, (int)number, sizeof(bytes));
      assert_int_equal(sizeof(bytes), value.size);
      assert_memory_equal(bytes, value.data, sizeof(bytes));
    }
    ct_iter_free(iter);
    ct_cache_free(cache);
  }
}

TEST(walks_side_by_side_are_independent) {
  enum { kCount = 100 };
  ct_cache *cache = new_pairs(kCount, kCount, 1);
  ct_iter *iters[COUNT_OF(kOrders)];
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) iters[i] = new_iter(cache, kOrders[i]);
  uint64_t sums[COUNT_OF(kOrders)] = {0};
  uint64_t key, value;
  for (int passed = 0; passed < kCount; passed++) {
    for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
      assert_true(next_number(iters[i], &key, &value));
      sums[i] += key;
    }
  }
  for (size_t i = 0; i < COUNT_OF(kOrders); i++) {
    assert_false(next_number(iters[i], &key, &value));
    assert_int_equal(kCount * (kCount - 1) / 2, sums[i]);
    ct_iter_free(iters[i]);
  }
  ct_cache_free(cache);
}

TEST(random_work_meanwhile_keeps_the_promise) {
  enum { kKeys = 600, kValues = 60000 };
  uint64_t random = test_seed();
  for (int round = 0; round < 60; round++) {
    static unsigned char seen[kValues];
    memset(seen, 0, sizeof(seen));
    /* The value that each key had at the start: it tells whether the entry was changed since. */
    uint64_t first[kKeys] = {0};
    bool untouched[kKeys] = {false};
    uint64_t next = 1;
    ct_cache *cache = cache_of(.maxsize = CT_UNBOUNDED, .shards = round % 2 == 0 ? 1 : 4);
    size_t entries = test_random_below(&random, kKeys);
    for (size_t i = 0; i < entries; i++) {
      uint64_t key = test_random_below(&random, kKeys);
      first[key] = next;
      untouched[key] = true;
      set_pair(cache, key, next++);
    }
    ct_iter *iter = new_iter(cache, kOrders[round % 3]);
    uint64_t key, value;
    while (next_number(iter, &key, &value)) {
      assert_true(value < kValues);
      assert_int_equal(0, seen[value]++);
      uint64_t work = test_random_below(&random, 8);
      for (uint64_t i = 0; i < work && next < kValues; i++) {
        key = test_random_below(&random, kKeys);
        untouched[key] = false;
        if (test_random_below(&random, 3) == 0)
          ct_delete(cache, &key, sizeof(key));
        else
          set_pair(cache, key, next++);
      }
    }
    for (size_t i = 0; i < kKeys; i++)
      if (untouched[i]) assert_int_equal(1, seen[first[i]]);
    ct_iter_free(iter);
    ct_cache_free(cache);
  }
}

/* ---- ct_remove_if --------------------------------------------------------------------------- */

/* For a match function that does something to the cache, then answers. */
typedef struct matching {
  ct_cache *cache;
  uint64_t asked;
  uint64_t wrong;
  unsigned char seen[2000];
  bool null;
} matching;

static uint64_t note_asked(matching *self, const void *key, size_t key_size) {
  uint64_t number = UINT64_MAX;
  self->asked++;
  if (key_size == sizeof(number)) memcpy(&number, key, sizeof(number));
  if (number >= sizeof(self->seen) || self->seen[number]++ != 0) self->wrong++;
  return number;
}

static bool match_odd(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size) {
  (void)value, (void)value_size;
  return note_asked(user_data, key, key_size) % 2 == 1;
}

TEST(remove_if_removes_what_matches) {
  for (uint32_t shards = 1; shards <= 8; shards *= 8) {
    static matching m;
    memset(&m, 0, sizeof(m));
    ct_cache *cache = new_pairs(2000, 2000, shards);
    assert_int_equal(1000, ct_remove_if(cache, match_odd, &m));
    assert_int_equal(2000, m.asked);
    assert_int_equal(0, m.wrong);
    for (uint64_t key = 0; key < 2000; key++)
      assert_int_equal(key % 2 == 0, ct_contains(cache, &key, sizeof(key)));
    assert_int_equal(1000, ct_len(cache));
    ct_cache_free(cache);
  }
}

static bool match_by_value(void *user_data, const void *key, size_t key_size, const void *value,
                           size_t value_size) {
  matching *self = user_data;
  self->null |= key == NULL || value == NULL;
  return key_size == 0 && value_size == 0;
}

TEST(remove_if_shows_empty_bytes_that_are_not_null) {
  static matching m;
  memset(&m, 0, sizeof(m));
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 8);
  assert_status(CT_OK, ct_set(cache, NULL, 0, NULL, 0));
  assert_int_equal(1, ct_remove_if(cache, match_by_value, &m));
  assert_false(m.null);
  ct_cache_free(cache);
}

static bool never_match(void *user_data, const void *key, size_t key_size, const void *value,
                        size_t value_size) {
  (void)value, (void)value_size;
  note_asked(user_data, key, key_size);
  return false;
}

TEST(remove_if_asks_nothing_of_expired_entries) {
  static matching m;
  memset(&m, 0, sizeof(m));
  fixture f;
  open_lru(&f, 100);
  for (uint64_t key = 0; key < 100; key++)
    assert_status(CT_OK, ct_set_ttl(f.cache, &key, sizeof(key), "v", 1, key < 40 ? 5 : 50));
  set_now(&f, 5);
  assert_int_equal(0, ct_remove_if(f.cache, never_match, &m));
  assert_int_equal(60, m.asked);
  fixture_close(&f);
}

static bool replace_and_match(void *user_data, const void *key, size_t key_size, const void *value,
                              size_t value_size) {
  matching *self = user_data;
  (void)value_size;
  uint64_t number = note_asked(self, key, key_size);
  uint64_t old;
  memcpy(&old, value, sizeof(old));
  /* Every third entry is overwritten while it is judged, though with the same value. */
  if (number % 3 == 0) ct_set(self->cache, key, key_size, &old, sizeof(old));
  return true;
}

TEST(remove_if_spares_what_is_written_meanwhile) {
  static matching m;
  memset(&m, 0, sizeof(m));
  m.cache = cache_of(.maxsize = 300, .shards = 2);
  for (uint64_t key = 0; key < 300; key++) set_pair(m.cache, key, key);
  assert_int_equal(200, ct_remove_if(m.cache, replace_and_match, &m));
  for (uint64_t key = 0; key < 300; key++)
    assert_int_equal(key % 3 == 0, ct_contains(m.cache, &key, sizeof(key)));
  ct_cache_free(m.cache);
}

static bool use_and_match(void *user_data, const void *key, size_t key_size, const void *value,
                          size_t value_size) {
  matching *self = user_data;
  (void)value, (void)value_size;
  ct_get(self->cache, key, key_size, NULL);
  return true;
}

TEST(remove_if_removes_what_is_only_read_meanwhile) {
  static matching m;
  memset(&m, 0, sizeof(m));
  m.cache = cache_of(.maxsize = 100, .shards = 2);
  for (uint64_t key = 0; key < 100; key++) set_pair(m.cache, key, key);
  assert_int_equal(100, ct_remove_if(m.cache, use_and_match, &m));
  assert_int_equal(0, ct_len(m.cache));
  ct_cache_free(m.cache);
}

static bool delete_and_match(void *user_data, const void *key, size_t key_size, const void *value,
                             size_t value_size) {
  matching *self = user_data;
  (void)value, (void)value_size;
  ct_delete(self->cache, key, key_size);
  return true;
}

TEST(remove_if_does_not_count_what_is_deleted_meanwhile) {
  static matching m;
  memset(&m, 0, sizeof(m));
  m.cache = cache_of(.maxsize = 100, .shards = 2);
  for (uint64_t key = 0; key < 100; key++) set_pair(m.cache, key, key);
  assert_int_equal(0, ct_remove_if(m.cache, delete_and_match, &m));
  assert_int_equal(0, ct_len(m.cache));
  assert_int_equal(100, stats_of(m.cache).removals);
  ct_cache_free(m.cache);
}

static bool match_within_match(void *user_data, const void *key, size_t key_size, const void *value,
                               size_t value_size) {
  matching *self = user_data;
  (void)value, (void)value_size;
  uint64_t number;
  memcpy(&number, key, key_size);
  static matching inner;
  if (self->asked++ == 0) {
    memset(&inner, 0, sizeof(inner));
    self->wrong += ct_remove_if(self->cache, match_odd, &inner) != 50;
  }
  return number % 2 == 0;
}

TEST(remove_if_within_its_match_function) {
  static matching m;
  memset(&m, 0, sizeof(m));
  m.cache = cache_of(.maxsize = 100, .shards = 1);
  for (uint64_t key = 0; key < 100; key++) set_pair(m.cache, key, key);
  assert_int_equal(50, ct_remove_if(m.cache, match_within_match, &m));
  assert_int_equal(0, m.wrong);
  assert_int_equal(0, ct_len(m.cache));
  ct_cache_free(m.cache);
}

TEST(remove_if_is_quiet_about_what_stays) {
  static matching m;
  memset(&m, 0, sizeof(m));
  ct_cache *cache = new_pairs(3, 3, 1);
  assert_int_equal(0, ct_remove_if(cache, never_match, &m));
  ct_stats stats = stats_of(cache);
  assert_int_equal(0, stats.hits + stats.misses + stats.removals);
  for (uint64_t key = 0; key < 3; key++) {
    ct_value popped;
    assert_status(CT_OK, ct_popitem(cache, &popped, NULL));
    assert_memory_equal(&key, popped.data, sizeof(key));
    ct_value_release(&popped);
  }
  ct_cache_free(cache);
}
