/* SPDX-License-Identifier: MIT */
/* The contract: a cache as a whole. Many keys at once, walks, sizes and counters. */
#include "contract.h"

/* ---- Many at once --------------------------------------------------------------------------- */

CONTRACT(get_many_answers_each_key_alone) {
  open_unbounded(s);
  put_range(s, 0, 40);
  number_key texts[60];
  ct_bytes keys[60];
  ct_value values[60];
  ct_status statuses[60];
  for (unsigned i = 0; i < 60; i++) {
    texts[i] = key_of(i * 7 % 60);
    keys[i] = (ct_bytes){texts[i].text, kKeySize};
    values[i] = poisoned_value();
    statuses[i] = CT_END;
  }
  assert_status(CT_OK, ct_get_many(s->cache, keys, 60, values, statuses));
  for (unsigned i = 0; i < 60; i++) {
    const unsigned number = i * 7 % 60;
    assert_status(number < 40 ? CT_OK : CT_MISS, statuses[i]);
    if (number < 40) {
      assert_int_equal(kValueSize, values[i].size);
      assert_memory_equal(texts[i].text + 3, (const char *)values[i].data + 3, 5);
    } else {
      assert_holds_nothing(values[i]);
    }
    ct_value_release(&values[i]);
  }
  assert_int_equal(40, stats_of(s->cache).hits);
  assert_int_equal(20, stats_of(s->cache).misses);
  assert_status(CT_OK, ct_get_many(s->cache, NULL, 0, NULL, NULL));
}

CONTRACT(get_many_with_a_bad_key_pins_nothing) {
  open_unbounded(s);
  put_range(s, 0, 2);
  const number_key first = key_of(0);
  const ct_bytes keys[] = {{first.text, kKeySize}, {NULL, 3}, {first.text, kKeySize}};
  ct_value values[3] = {poisoned_value(), poisoned_value(), poisoned_value()};
  ct_status statuses[3] = {CT_END, CT_END, CT_END};
  assert_status(CT_ERR_INVALID, ct_get_many(s->cache, keys, 3, values, statuses));
  for (unsigned i = 0; i < 3; i++) {
    assert_holds_nothing(values[i]);
    assert_int_equal(0, statuses[i]);
  }
  assert_status(CT_OK, ct_clear(s->cache));
  assert_dropped(s, 2);
}

CONTRACT(get_many_copy_lays_values_end_to_end) {
  open_unbounded(s);
  assert_status(CT_OK, ct_set(s->cache, "a", 1, "one", 3));
  assert_status(CT_OK, ct_set(s->cache, "bb", 2, "", 0));
  assert_status(CT_OK, ct_set(s->cache, "", 0, "three", 5));
  const size_t key_ends[] = {1, 3, 4, 4, 5};
  char buffer[12];
  memset(buffer, '#', sizeof buffer);
  size_t value_ends[5];
  ct_status statuses[5];
  assert_status(CT_OK,
                ct_get_many_copy(s->cache, "abbxa", key_ends, 5, buffer, 11, value_ends, statuses));
  assert_memory_equal("onethreeone#", buffer, sizeof buffer);
  const size_t expected_ends[] = {3, 3, 3, 8, 11};
  const ct_status expected_statuses[] = {CT_OK, CT_OK, CT_MISS, CT_OK, CT_OK};
  assert_memory_equal(expected_ends, value_ends, sizeof value_ends);
  assert_memory_equal(expected_statuses, statuses, sizeof statuses);
  assert_int_equal(4, stats_of(s->cache).hits);
  assert_int_equal(1, stats_of(s->cache).misses);
}

CONTRACT(get_many_copy_into_short_buffer_tells_the_capacity) {
  open_unbounded(s);
  assert_status(CT_OK, ct_set(s->cache, "a", 1, "one", 3));
  assert_status(CT_OK, ct_set(s->cache, "b", 1, "three", 5));
  const ct_stats before = stats_of(s->cache);
  const size_t key_ends[] = {1, 2, 3};
  char buffer[8];
  memset(buffer, '#', sizeof buffer);
  size_t value_ends[3] = {77, 77, 77};
  ct_status statuses[3];
  assert_status(CT_ERR_BUFFER,
                ct_get_many_copy(s->cache, "axb", key_ends, 3, buffer, 7, value_ends, statuses));
  const size_t expected_ends[] = {3, 3, 8};
  assert_memory_equal(expected_ends, value_ends, sizeof value_ends);
  assert_memory_equal("########", buffer, sizeof buffer);
  assert_same_stats(s, before);
  assert_status(CT_OK, ct_get_many_copy(s->cache, "axb", key_ends, 3, buffer, value_ends[2],
                                        value_ends, statuses));
  assert_memory_equal("onethree", buffer, sizeof buffer);
}

CONTRACT(get_many_copy_with_falling_ends_is_invalid) {
  open_unbounded(s);
  put_range(s, 0, 1);
  const size_t key_ends[] = {2, 1};
  char buffer[8];
  size_t value_ends[2] = {77, 77};
  ct_status statuses[2] = {CT_END, CT_END};
  assert_status(CT_ERR_INVALID,
                ct_get_many_copy(s->cache, "ab", key_ends, 2, buffer, 8, value_ends, statuses));
  assert_int_equal(0, value_ends[0] + value_ends[1]);
  assert_int_equal(0, statuses[0] + statuses[1]);
}

CONTRACT(set_many_stores_in_order) {
  open_unbounded(s);
  const size_t ends[] = {1, 4, 5, 5, 6, 9, 9, 12};
  ct_status statuses[4] = {CT_END, CT_END, CT_END, CT_END};
  assert_status(CT_OK, ct_set_many(s->cache, "aonebatwonil", ends, 4, NULL, statuses));
  for (unsigned i = 0; i < 4; i++) assert_status(CT_OK, statuses[i]);
  assert_text(s->cache, "a", "two");
  assert_text(s->cache, "b", "");
  assert_text(s->cache, "", "nil");
  assert_int_equal(3, ct_len(s->cache));
  assert_status(CT_OK, ct_set_many(s->cache, "aone", ends, 1, NULL, NULL));
  assert_text(s->cache, "a", "one");
}

CONTRACT(set_many_tells_each_pairs_status) {
  open_unbounded(s);
  assert_status(CT_OK, ct_set(s->cache, "b", 1, "old", 3));
  ct_entry_options options = entry_with(.flags = CT_ENTRY_IF_ABSENT);
  const size_t ends[] = {1, 2, 3, 4, 5, 6};
  ct_status statuses[3];
  assert_status(CT_OK, ct_set_many(s->cache, "a1b2a3", ends, 3, &options, statuses));
  assert_status(CT_OK, statuses[0]);
  assert_status(CT_EXISTS, statuses[1]);
  assert_status(CT_EXISTS, statuses[2]);
  assert_text(s->cache, "a", "1");
  assert_text(s->cache, "b", "old");
}

CONTRACT(set_many_goes_on_after_a_pair_that_is_too_large) {
  ct_options options = options_of(s);
  options.maxsize = 4 * weight_of(s, options, 1);
  open_with(s, options);
  ct_entry_options heavy = CT_ENTRY_OPTIONS_INIT;
  const bool by_count = s->config.weighing == BY_COUNT;
  if (by_count) {
    heavy.flags = CT_ENTRY_WEIGHT;
    heavy.weight = options.maxsize + 1;
  }
  const size_t large = (size_t)options.maxsize + 1;
  char *data = calloc(large + 3, 1);
  memcpy(data, "a", 1);
  memcpy(data + 1 + large, "bc", 2);
  const size_t ends[] = {1, 1 + large, 2 + large, 3 + large};
  ct_status statuses[2];
  assert_status(CT_ERR_TOO_LARGE, ct_set_many(s->cache, data, ends, 2, &heavy, statuses));
  assert_status(CT_ERR_TOO_LARGE, statuses[0]);
  assert_status(by_count ? CT_ERR_TOO_LARGE : CT_OK, statuses[1]);
  assert_int_equal(!by_count, has_text(s->cache, "b"));
  free(data);
}

CONTRACT(set_many_with_falling_ends_tries_nothing) {
  open_unbounded(s);
  const size_t ends[] = {1, 2, 3, 1};
  ct_status statuses[2] = {CT_END, CT_END};
  assert_status(CT_ERR_INVALID, ct_set_many(s->cache, "a1b2", ends, 2, NULL, statuses));
  assert_int_equal(0, statuses[0] + statuses[1]);
  assert_int_equal(0, ct_len(s->cache));
}

/* ---- Walks ---------------------------------------------------------------------------------- */

static bool has_order(const subject *s) {
  return s->config.policy != CT_POLICY_RR && s->config.policy != CT_POLICY_ADAPTIVE &&
         s->config.policy != CT_POLICY_CUSTOM;
}

/* Walks to the end and counts how often each number below count was seen. Unless sequence is
 * NULL, it gets the numbers in the order of the walk. */
static unsigned walk_on(ct_iter *iter, unsigned *seen, unsigned count, unsigned *sequence) {
  unsigned passed = 0;
  ct_bytes key, value;
  ct_status status;
  while ((status = ct_iter_next(iter, &key, &value)) == CT_OK) {
    const unsigned number = number_in(key.data, key.size);
    assert_in_range(number, 0, count - 1);
    assert_int_equal(number, number_in(value.data, value.size));
    seen[number]++;
    if (sequence != NULL) sequence[passed] = number;
    passed++;
  }
  assert_status(CT_END, status);
  assert_int_equal(0, key.size + value.size);
  assert_null(key.data);
  assert_null(value.data);
  assert_status(CT_END, ct_iter_next(iter, NULL, NULL));
  return passed;
}

CONTRACT(walk_in_any_order_sees_each_entry_once) {
  enum { kCount = 300 };
  open_unbounded(s);
  put_range(s, 0, kCount);
  const ct_stats before = stats_of(s->cache);
  ct_iter *iter = NULL;
  assert_status(CT_OK, ct_iter_new(s->cache, CT_ORDER_ANY, &iter));
  unsigned seen[kCount] = {0};
  assert_int_equal(kCount, walk_on(iter, seen, kCount, NULL));
  ct_iter_free(iter);
  for (unsigned i = 0; i < kCount; i++) assert_int_equal(1, seen[i]);
  assert_same_stats(s, before);
}

CONTRACT(walk_beside_writes_sees_unwritten_entries_once) {
  enum { kOld = 100, kAll = 1000 };
  open_unbounded(s);
  put_range(s, 0, kOld);
  ct_iter *iter = NULL;
  assert_status(CT_OK, ct_iter_new(s->cache, CT_ORDER_ANY, &iter));
  unsigned seen[kAll] = {0};
  for (unsigned i = 0; i < 10; i++) {
    ct_bytes key, value;
    assert_status(CT_OK, ct_iter_next(iter, &key, &value));
    seen[number_in(key.data, key.size)]++;
  }
  put_range(s, kOld, kAll);
  for (unsigned i = 0; i < kOld; i += 2) {
    assert_status(CT_OK, ct_delete(s->cache, key_of(i).text, kKeySize));
  }
  walk_on(iter, seen, kAll, NULL);
  ct_iter_free(iter);
  for (unsigned i = 0; i < kAll; i++) {
    if (i < kOld && i % 2 == 1) {
      assert_int_equal(1, seen[i]);
    } else {
      assert_in_range(seen[i], 0, 1);
    }
  }
}

CONTRACT(walks_in_order_are_each_others_reverse) {
  enum { kCount = 50 };
  open_unbounded(s);
  put_range(s, 0, kCount);
  for (unsigned i = 0; i < kCount; i += 3) {
    assert_status(CT_OK, ct_get(s->cache, key_of(i).text, kKeySize, NULL));
  }
  ct_iter *iter = (ct_iter *)s;
  if (!has_order(s)) {
    assert_status(CT_ERR_UNSUPPORTED, ct_iter_new(s->cache, CT_ORDER_COLDEST, &iter));
    assert_null(iter);
    iter = (ct_iter *)s;
    assert_status(CT_ERR_UNSUPPORTED, ct_iter_new(s->cache, CT_ORDER_HOTTEST, &iter));
    assert_null(iter);
    return;
  }
  unsigned seen[kCount] = {0}, coldest[kCount], hottest[kCount];
  assert_status(CT_OK, ct_iter_new(s->cache, CT_ORDER_COLDEST, &iter));
  assert_int_equal(kCount, walk_on(iter, seen, kCount, coldest));
  ct_iter_free(iter);
  assert_status(CT_OK, ct_iter_new(s->cache, CT_ORDER_HOTTEST, &iter));
  assert_int_equal(kCount, walk_on(iter, seen, kCount, hottest));
  ct_iter_free(iter);
  for (unsigned i = 0; i < kCount; i++) {
    assert_int_equal(2, seen[i]);
    assert_int_equal(coldest[i], hottest[kCount - 1 - i]);
  }
}

CONTRACT(walk_may_be_left_at_any_point) {
  open_unbounded(s);
  put_range(s, 0, 20);
  const int32_t orders[] = {CT_ORDER_ANY, CT_ORDER_COLDEST, CT_ORDER_HOTTEST};
  for (size_t i = 0; i < (has_order(s) ? COUNT_OF(orders) : 1); i++) {
    ct_iter *iter = NULL;
    assert_status(CT_OK, ct_iter_new(s->cache, orders[i], &iter));
    for (unsigned j = 0; j < 5; j++) assert_status(CT_OK, ct_iter_next(iter, NULL, NULL));
    ct_iter_free(iter);
  }
  ct_iter_free(NULL);
  assert_status(CT_OK, ct_clear(s->cache));
  assert_dropped(s, 20);
}

CONTRACT(walk_in_unknown_order_is_invalid) {
  open_unbounded(s);
  ct_iter *iter = (ct_iter *)s;
  assert_status(CT_ERR_INVALID, ct_iter_new(s->cache, 3, &iter));
  assert_null(iter);
  iter = (ct_iter *)s;
  assert_status(CT_ERR_INVALID, ct_iter_new(s->cache, -1, &iter));
  assert_null(iter);
}

/* ---- Sizes and counters --------------------------------------------------------------------- */

CONTRACT(currsize_is_the_sum_of_the_weights) {
  open_unbounded(s);
  for (unsigned i = 0; i < 30; i++) assert_status(CT_OK, put_units(s, i, 1 + i % 5));
  uint64_t sum = 0;
  for (unsigned i = 0; i < 30; i++) sum += inspect(s, i).weight;
  assert_int_equal(sum, ct_currsize(s->cache));
  for (unsigned i = 0; i < 30; i += 3) {
    sum -= inspect(s, i).weight;
    assert_status(CT_OK, ct_delete(s->cache, key_of(i).text, kKeySize));
    assert_int_equal(sum, ct_currsize(s->cache));
  }
  for (unsigned i = 1; i < 30; i += 3) {
    sum -= inspect(s, i).weight;
    assert_status(CT_OK, put_units(s, i, 7));
    sum += inspect(s, i).weight;
    assert_int_equal(sum, ct_currsize(s->cache));
  }
}

CONTRACT(memory_is_what_the_allocator_gave) {
  if (!s->config.mode->allocator) return; /* otherwise nobody counts the memory */
  open_unbounded(s);
  assert_int_equal(s->allocator.bytes, ct_memory(s->cache));
  put_range(s, 0, 200);
  assert_int_equal(s->allocator.bytes, ct_memory(s->cache));
  assert_status(CT_OK, put_units(s, 0, 100000));
  assert_int_equal(s->allocator.bytes, ct_memory(s->cache));
  assert_status(CT_OK, ct_delete(s->cache, key_of(0).text, kKeySize));
  assert_int_equal(s->allocator.bytes, ct_memory(s->cache));
}

CONTRACT(memory_counts_a_pinned_value_until_its_release) {
  enum { kLarge = 100000 * kValueSize };
  open_unbounded(s);
  assert_in_range(ct_memory(s->cache), 1, 100000);
  assert_status(CT_OK, put_units(s, 0, kLarge / kValueSize));
  assert_in_range(ct_memory(s->cache), kLarge, 2 * kLarge);
  ct_value value = CT_VALUE_INIT;
  assert_status(CT_OK, ct_pop(s->cache, key_of(0).text, kKeySize, &value));
  assert_in_range(ct_memory(s->cache), kLarge, 2 * kLarge);
  ct_value_release(&value);
  assert_in_range(ct_memory(s->cache), 1, 100000);
}

CONTRACT(stats_count_each_event_once) {
  open_room(s, options_of(s), 4);
  const uint64_t unit = ct_maxsize(s->cache) / 4;
  const number_key key = key_of(0), absent = key_of(99);

  put_range(s, 0, 4);
  assert_status(CT_OK, put(s, 0));                                       /* update */
  assert_status(CT_OK, ct_get(s->cache, key.text, kKeySize, NULL));      /* hit */
  assert_status(CT_MISS, ct_get(s->cache, absent.text, kKeySize, NULL)); /* miss */
  char buffer[kValueSize];
  assert_status(CT_OK, ct_get_copy(s->cache, key.text, kKeySize, buffer, kValueSize, NULL));
  assert_status(CT_MISS, ct_get_copy(s->cache, absent.text, kKeySize, buffer, kValueSize, NULL));
  assert_status(CT_OK, ct_setdefault(s->cache, key.text, kKeySize, "x", 1, NULL)); /* hit */
  assert_status(CT_ERR_TOO_LARGE, put_oversized(s, 0));                            /* rejection */
  assert_status(CT_NOT_STORED, ct_set_ttl(s->cache, absent.text, kKeySize, "x", 1, 0));
  assert_status(CT_OK, ct_delete(s->cache, key.text, kKeySize)); /* removal */
  assert_status(CT_OK, put(s, 5));                               /* insert */
  assert_status(CT_OK, put(s, 6));                               /* insert, eviction */
  assert_status(CT_OK, ct_popitem(s->cache, NULL, NULL));        /* eviction */
  assert_status(CT_OK, ct_clear(s->cache));                      /* 3 removals */

  const ct_stats expected = {.struct_size = sizeof expected,
                             .hits = 3,
                             .misses = 2,
                             .inserts = 6,
                             .updates = 1,
                             .evictions = 2,
                             .evicted_weight = 2 * unit,
                             .expirations = 0,
                             .removals = 4,
                             .rejections = 2};
  const ct_stats stats = stats_of(s->cache);
  assert_memory_equal(&expected, &stats, sizeof stats);
}

CONTRACT(stats_reset_counts_from_zero) {
  open_unbounded(s);
  put_range(s, 0, 10);
  assert_status(CT_OK, ct_cache_stats_reset(s->cache));
  const ct_stats zeros = CT_STATS_INIT;
  assert_same_stats(s, zeros);
  assert_status(CT_OK, put(s, 3));
  assert_status(CT_OK, ct_get(s->cache, key_of(3).text, kKeySize, NULL));
  assert_int_equal(1, stats_of(s->cache).updates);
  assert_int_equal(1, stats_of(s->cache).hits);
  assert_int_equal(0, stats_of(s->cache).inserts);
  assert_int_equal(10, ct_len(s->cache));
  s->uncounted = true;
}

CONTRACT(cache_without_stats_counts_nothing) {
  ct_options options = options_of(s);
  options.flags |= CT_FLAG_NO_STATS;
  open_room(s, options, 4);
  put_range(s, 0, 10);
  assert_status(CT_MISS, ct_get(s->cache, "absent", 6, NULL));
  assert_status(CT_OK, ct_clear(s->cache));
  const ct_stats zeros = CT_STATS_INIT;
  assert_same_stats(s, zeros);
  assert_told(s, CT_CAUSE_EVICTED, 6);
  assert_told(s, CT_CAUSE_CLEARED, 4);
  assert_dropped(s, 10);
}

CONTRACT(options_in_force_are_told) {
  const ct_options given = options_of(s);
  open_with(s, given);
  ct_options told = CT_OPTIONS_INIT;
  assert_status(CT_OK, ct_cache_options(s->cache, &told));
  assert_int_equal(sizeof told, told.struct_size);
  assert_int_equal(given.policy, told.policy);
  assert_int_equal(given.weight_kind, told.weight_kind);
  assert_true(given.maxsize == told.maxsize);
  assert_int_equal(given.shards, told.shards);
  assert_int_equal(given.flags, told.flags);
  assert_int_equal(given.ttl, told.ttl);
  assert_int_equal(given.tti, told.tti);
  assert_int_equal(given.seed, told.seed);
  assert_ptr_equal(given.user_data, told.user_data);
  assert_true(given.timer == told.timer && given.ttu == told.ttu);
  assert_true(given.weigher == told.weigher && given.listener == told.listener);
  assert_true(given.drop == told.drop);
  assert_int_equal(s->config.policy == CT_POLICY_CUSTOM, told.custom != NULL);
  if (s->config.mode->allocator) {
    assert_non_null(told.allocator);
    assert_true(told.allocator->alloc == s->allocator.hooks.alloc);
  }
}
