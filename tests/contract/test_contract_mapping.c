/* SPDX-License-Identifier: MIT */
/* The contract: a cache is a mapping. Reading, writing, removing, pins and arguments. */
#include "contract.h"

/* ---- Reading -------------------------------------------------------------------------------- */

CONTRACT(get_absent_key_is_miss) {
  open_unbounded(s);
  put_range(s, 0, 3);
  ct_value value = poisoned_value();
  assert_status(CT_MISS, ct_get(s->cache, "absent", 6, &value));
  assert_holds_nothing(value);
  value = poisoned_value();
  assert_status(CT_MISS, ct_peek(s->cache, "absent", 6, &value));
  assert_holds_nothing(value);
  size_t size = 77;
  assert_status(CT_MISS, ct_get_copy(s->cache, "absent", 6, NULL, 0, &size));
  assert_int_equal(0, size);
  assert_false(ct_contains(s->cache, "absent", 6));
}

CONTRACT(get_returns_what_was_set) {
  open_unbounded(s);
  put_range(s, 0, 100);
  for (unsigned i = 0; i < 100; i++) {
    ct_value value = poisoned_value();
    assert_status(CT_OK, ct_get(s->cache, key_of(i).text, kKeySize, &value));
    assert_int_equal(kValueSize, value.size);
    assert_int_equal(0, (uintptr_t)value.data % 8);
    ct_value_release(&value);
    assert_holds_nothing(value);
    ct_value_release(&value);
    assert_units(s, i, 1);
  }
}

CONTRACT(keys_and_values_of_any_bytes_come_back) {
  static const ct_bytes kKeys[] = {
      {NULL, 0},  {"\0", 1},   {"\0\0", 2}, {"a", 1},
      {"a\0", 2}, {"a\0b", 3}, {"a\0c", 3}, {"\xff", 1},
  };
  static const ct_bytes kValues[] = {
      {"empty key", 9}, {NULL, 0}, {"\0", 1},   {"\0\0\0", 3},
      {"b\0d", 3},      {"", 0},   {"\xff", 1}, {"x", 1},
  };
  open_unbounded(s);
  for (size_t i = 0; i < COUNT_OF(kKeys); i++) {
    assert_status(CT_OK,
                  ct_set(s->cache, kKeys[i].data, kKeys[i].size, kValues[i].data, kValues[i].size));
  }
  assert_int_equal(COUNT_OF(kKeys), ct_len(s->cache));
  for (size_t i = 0; i < COUNT_OF(kKeys); i++) {
    ct_value value = CT_VALUE_INIT;
    assert_status(CT_OK, ct_get(s->cache, kKeys[i].data, kKeys[i].size, &value));
    assert_non_null(value.data);
    assert_int_equal(0, (uintptr_t)value.data % 8);
    assert_int_equal(kValues[i].size, value.size);
    if (value.size > 0) assert_memory_equal(kValues[i].data, value.data, value.size);
    ct_value_release(&value);
  }
}

CONTRACT(key_and_value_of_a_mebibyte_come_back) {
  enum { kMebibyte = 1 << 20 };
  char *large = malloc(kMebibyte);
  assert_non_null(large);
  uint64_t random = s->seed;
  for (size_t i = 0; i < kMebibyte; i++) large[i] = (char)test_random(&random);

  open_unbounded(s);
  assert_status(CT_OK, ct_set(s->cache, "value", 5, large, kMebibyte));
  assert_status(CT_OK, ct_set(s->cache, large, kMebibyte, "key", 3));
  ct_value value = CT_VALUE_INIT;
  assert_status(CT_OK, ct_get(s->cache, "value", 5, &value));
  assert_int_equal(kMebibyte, value.size);
  assert_memory_equal(large, value.data, kMebibyte);
  ct_value_release(&value);
  assert_status(CT_OK, ct_get(s->cache, large, kMebibyte, &value));
  assert_int_equal(3, value.size);
  ct_value_release(&value);
  assert_false(ct_contains(s->cache, large, kMebibyte - 1));
  large[kMebibyte - 1] ^= 1;
  assert_false(ct_contains(s->cache, large, kMebibyte));
  free(large);
}

/* Stores a value and reads it back in each way, beside a neighbour that must not change. */
static void assert_comes_back(subject *s, ct_bytes key, ct_bytes expected, char *buffer) {
  assert_status(CT_OK, ct_set(s->cache, key.data, key.size, expected.data, expected.size));
  ct_value value = CT_VALUE_INIT;
  assert_status(CT_OK, ct_get(s->cache, key.data, key.size, &value));
  assert_int_equal(expected.size, value.size);
  assert_int_equal(0, (uintptr_t)value.data % 8);
  assert_int_equal(0, memcmp(expected.data, value.data, expected.size));
  ct_value_release(&value);
  size_t size = 0;
  assert_status(CT_OK, ct_get_copy(s->cache, key.data, key.size, buffer, expected.size, &size));
  assert_int_equal(expected.size, size);
  assert_int_equal(0, memcmp(expected.data, buffer, expected.size));
  assert_units(s, 0, 1);
}

CONTRACT(keys_and_values_of_many_lengths_come_back) {
  enum { kLongest = 70000 };
  /* Lengths around the powers of two, up and down: values grow and shrink, in place and apart. */
  static const size_t kLengths[] = {0,     1,     7,     8,    9,    15,    16,    17,
                                    24,    64,    129,   255,  256,  480,   512,   520,
                                    1023,  1024,  1025,  4096, 9000, 16383, 16384, 16385,
                                    20000, 65535, 65536, 100,  3,    33,    0,     40};
  static const size_t kKeyLengths[] = {0, 1, 8, 33, 470, 513, 16000, 16384, 66000};
  char *bytes = malloc(2 * kLongest), *buffer = malloc(kLongest);
  assert_non_null(bytes);
  assert_non_null(buffer);
  uint64_t random = s->seed;
  for (size_t i = 0; i < 2 * kLongest; i++) bytes[i] = (char)test_random(&random);

  open_unbounded(s);
  put_range(s, 0, 1);
  for (size_t k = 0; k < COUNT_OF(kKeyLengths); k++) {
    const ct_bytes key = {bytes, kKeyLengths[k]};
    for (size_t i = 0; i < COUNT_OF(kLengths); i++) {
      assert_comes_back(s, key, (ct_bytes){bytes + kLongest + i, kLengths[i]}, buffer);
    }
  }
  assert_int_equal(1 + COUNT_OF(kKeyLengths), ct_len(s->cache));
  free(bytes);
  free(buffer);
}

/* A value that needed just more memory than the cache had left once broke the cache. */
CONTRACT(second_value_of_any_length_finds_room) {
  static const char kZeros[1400];
  const number_key key = key_of(1);
  for (size_t size = 0; size < sizeof kZeros; size += 8) {
    open_unbounded(s);
    put_range(s, 0, 1);
    assert_status(CT_OK, ct_set(s->cache, key.text, kKeySize, kZeros, size));
    ct_value value = CT_VALUE_INIT;
    assert_status(CT_OK, ct_get(s->cache, key.text, kKeySize, &value));
    assert_int_equal(size, value.size);
    assert_int_equal(0, memcmp(kZeros, value.data, size));
    ct_value_release(&value);
    assert_units(s, 0, 1);
  }
}

CONTRACT(get_copy_copies_what_fits) {
  open_unbounded(s);
  put_range(s, 0, 1);
  char buffer[kValueSize + 1];
  memset(buffer, '#', sizeof buffer);
  size_t size = 77;
  assert_status(CT_OK, ct_get_copy(s->cache, key_of(0).text, kKeySize, buffer, kValueSize, &size));
  assert_int_equal(kValueSize, size);
  assert_memory_equal("val-0000#", buffer, sizeof buffer);
  assert_status(CT_OK,
                ct_get_copy(s->cache, key_of(0).text, kKeySize, buffer, sizeof buffer, NULL));
}

CONTRACT(get_copy_into_short_buffer_tells_the_size_and_is_no_use) {
  open_unbounded(s);
  put_range(s, 0, 1);
  const ct_stats before = stats_of(s->cache);
  const uint64_t frequency = inspect(s, 0).frequency;
  char buffer[kValueSize];
  memset(buffer, '#', sizeof buffer);
  size_t size = 77;
  assert_status(CT_ERR_BUFFER,
                ct_get_copy(s->cache, key_of(0).text, kKeySize, buffer, kValueSize - 1, &size));
  assert_int_equal(kValueSize, size);
  assert_memory_equal("########", buffer, sizeof buffer);
  assert_status(CT_ERR_BUFFER, ct_get_copy(s->cache, key_of(0).text, kKeySize, NULL, 0, NULL));
  assert_same_stats(s, before);
  assert_int_equal(frequency, inspect(s, 0).frequency);
}

CONTRACT(get_copy_of_empty_value_needs_no_buffer) {
  open_unbounded(s);
  assert_status(CT_OK, ct_set(s->cache, "k", 1, NULL, 0));
  size_t size = 77;
  assert_status(CT_OK, ct_get_copy(s->cache, "k", 1, NULL, 0, &size));
  assert_int_equal(0, size);
}

CONTRACT(peek_contains_and_inspect_leave_no_trace) {
  open_unbounded(s);
  put_range(s, 0, 2);
  const ct_stats before = stats_of(s->cache);
  const uint64_t frequency = inspect(s, 0).frequency;
  for (unsigned i = 0; i < 4; i++) {
    (void)is_there(s, i);
    ct_value value = CT_VALUE_INIT;
    (void)ct_peek(s->cache, key_of(i).text, kKeySize, &value);
    ct_value_release(&value);
    assert_status(i < 2 ? CT_OK : CT_MISS, ct_peek(s->cache, key_of(i).text, kKeySize, NULL));
    ct_entry_info info = CT_ENTRY_INFO_INIT;
    (void)ct_inspect(s->cache, key_of(i).text, kKeySize, &info);
  }
  assert_same_stats(s, before);
  assert_int_equal(frequency, inspect(s, 0).frequency);
}

CONTRACT(inspect_tells_sizes_weight_and_no_deadline) {
  open_unbounded(s);
  assert_status(CT_OK, put_units(s, 7, 3));
  const ct_entry_info info = inspect(s, 7);
  assert_int_equal(sizeof info, info.struct_size);
  assert_int_equal(kKeySize, info.key_size);
  assert_int_equal(3 * kValueSize, info.value_size);
  switch (s->config.weighing) {
    case BY_COUNT:
      assert_int_equal(3, info.weight);
      break;
    case BY_VALUE:
      assert_int_equal(3 * kValueSize, info.weight);
      break;
    case BY_WEIGHER:
      assert_int_equal(2 * 3 * kValueSize, info.weight);
      break;
    case BY_MEMORY:
      assert_in_range(info.weight, kKeySize + 3 * kValueSize, 1000);
      break;
  }
  if (s->config.policy != CT_POLICY_TTL && s->config.policy != CT_POLICY_TLRU) {
    assert_true(info.deadline == CT_NEVER);
    assert_true(info.remaining == CT_NEVER);
  }

  ct_entry_info absent = info;
  assert_status(CT_MISS, ct_inspect(s->cache, "absent", 6, &absent));
  const ct_entry_info zeros = CT_ENTRY_INFO_INIT;
  assert_memory_equal(&zeros, &absent, sizeof zeros);
}

/* ---- Writing -------------------------------------------------------------------------------- */

CONTRACT(set_replaces_the_value) {
  open_unbounded(s);
  put_range(s, 0, 3);
  for (unsigned units = 1; units < 100; units += 7) {
    assert_status(CT_OK, put_units(s, 1, units));
    assert_units(s, 1, units);
  }
  assert_status(CT_OK, put(s, 1));
  assert_int_equal(3, ct_len(s->cache));
  assert_units(s, 0, 1);
  assert_units(s, 1, 1);
  assert_units(s, 2, 1);
  assert_int_equal(departed(s), stats_of(s->cache).updates);
  assert_told(s, CT_CAUSE_REPLACED, stats_of(s->cache).updates);
}

CONTRACT(caller_may_change_its_buffers_after_set) {
  open_unbounded(s);
  char key[] = "key", value[] = "value";
  assert_status(CT_OK, ct_set(s->cache, key, 3, value, 5));
  memset(key, '#', sizeof key);
  memset(value, '#', sizeof value);
  assert_text(s->cache, "key", "value");
}

CONTRACT(set_with_if_absent_stores_only_once) {
  open_unbounded(s);
  ct_entry_options options = entry_with(.flags = CT_ENTRY_IF_ABSENT);
  assert_status(CT_OK, ct_set_with(s->cache, "k", 1, "first", 5, &options));
  const ct_stats before = stats_of(s->cache);
  assert_status(CT_EXISTS, ct_set_with(s->cache, "k", 1, "second", 6, &options));
  assert_same_stats(s, before);
  assert_text_quietly(s->cache, "k", "first");
  assert_int_equal(0, departed(s));
}

CONTRACT(set_with_if_present_stores_only_over_an_entry) {
  open_unbounded(s);
  ct_entry_options options = entry_with(.flags = CT_ENTRY_IF_PRESENT);
  const ct_stats before = stats_of(s->cache);
  assert_status(CT_MISS, ct_set_with(s->cache, "k", 1, "first", 5, &options));
  assert_same_stats(s, before);
  assert_int_equal(0, ct_len(s->cache));
  assert_status(CT_OK, ct_set(s->cache, "k", 1, "first", 5));
  assert_status(CT_OK, ct_set_with(s->cache, "k", 1, "second", 6, &options));
  assert_text_quietly(s->cache, "k", "second");
}

CONTRACT(set_with_contradicting_or_unknown_options_is_invalid) {
  open_unbounded(s);
  put_range(s, 0, 1);
  const uint32_t kBad[] = {CT_ENTRY_TTL | CT_ENTRY_DEADLINE,
                           CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT, 0x20, 0x80000000u};
  for (size_t i = 0; i < COUNT_OF(kBad); i++) {
    ct_entry_options options = entry_with(.flags = kBad[i]);
    if ((kBad[i] & CT_ENTRY_TTL) != 0) options.ttl = options.deadline = 10;
    assert_status(CT_ERR_INVALID,
                  ct_set_with(s->cache, key_of(0).text, kKeySize, "new", 3, &options));
  }
  /* A field whose flag was forgotten would be ignored. */
  const ct_entry_options kUnflagged[] = {entry_with(.ttl = 10), entry_with(.deadline = CT_NEVER),
                                         entry_with(.weight = 1),
                                         entry_with(.flags = CT_ENTRY_TTL, .deadline = 10),
                                         entry_with(.flags = CT_ENTRY_DEADLINE, .ttl = 10)};
  for (size_t i = 0; i < COUNT_OF(kUnflagged); i++)
    assert_status(CT_ERR_INVALID,
                  ct_set_with(s->cache, key_of(0).text, kKeySize, "new", 3, &kUnflagged[i]));
  assert_units(s, 0, 1);
}

CONTRACT(setdefault_keeps_what_is_there) {
  open_unbounded(s);
  ct_value value = poisoned_value();
  assert_status(CT_OK, ct_setdefault(s->cache, "k", 1, "first", 5, &value));
  assert_int_equal(5, value.size);
  assert_memory_equal("first", value.data, 5);
  ct_value_release(&value);
  value = poisoned_value();
  assert_status(CT_OK, ct_setdefault(s->cache, "k", 1, "second", 6, &value));
  assert_int_equal(5, value.size);
  assert_memory_equal("first", value.data, 5);
  ct_value_release(&value);
  assert_status(CT_OK, ct_setdefault(s->cache, "k", 1, "third", 5, NULL));
  assert_text_quietly(s->cache, "k", "first");
  const ct_stats stats = stats_of(s->cache);
  assert_int_equal(1, stats.misses);
  assert_int_equal(2, stats.hits);
  assert_int_equal(1, stats.inserts);
}

/* ---- Removing ------------------------------------------------------------------------------- */

CONTRACT(pop_hands_the_value_over_once) {
  open_unbounded(s);
  put_range(s, 0, 3);
  ct_value value = poisoned_value();
  assert_status(CT_OK, ct_pop(s->cache, key_of(1).text, kKeySize, &value));
  assert_memory_equal("val-0001", value.data, kValueSize);
  ct_value_release(&value);
  value = poisoned_value();
  assert_status(CT_MISS, ct_pop(s->cache, key_of(1).text, kKeySize, &value));
  assert_holds_nothing(value);
  assert_status(CT_OK, ct_pop(s->cache, key_of(2).text, kKeySize, NULL));
  assert_int_equal(1, ct_len(s->cache));
  assert_told(s, CT_CAUSE_REMOVED, 2);
  const ct_stats stats = stats_of(s->cache);
  assert_int_equal(2, stats.removals);
  assert_int_equal(0, stats.hits + stats.misses);
}

CONTRACT(deleted_key_is_miss) {
  open_unbounded(s);
  put_range(s, 0, 50);
  for (unsigned i = 0; i < 50; i += 2) {
    assert_status(CT_OK, ct_delete(s->cache, key_of(i).text, kKeySize));
    assert_status(CT_MISS, ct_delete(s->cache, key_of(i).text, kKeySize));
  }
  for (unsigned i = 0; i < 50; i++) assert_int_equal(i % 2, is_there(s, i));
  assert_int_equal(25, ct_len(s->cache));
  assert_told(s, CT_CAUSE_REMOVED, 25);
  put_range(s, 0, 50);
  assert_int_equal(50, ct_len(s->cache));
  assert_int_equal(50, count_there(s, 0, 50));
}

CONTRACT(popitem_drains_the_cache) {
  open_unbounded(s);
  put_range(s, 0, 60);
  for (unsigned left = 60; left > 0; left--) {
    ct_value key = poisoned_value(), value = poisoned_value();
    assert_status(CT_OK, ct_popitem(s->cache, &key, &value));
    assert_int_equal(kKeySize, key.size);
    assert_int_equal(kValueSize, value.size);
    assert_memory_equal((const char *)key.data + 3, (const char *)value.data + 3, 5);
    assert_false(ct_contains(s->cache, key.data, key.size));
    ct_value_release(&key);
    ct_value_release(&value);
    assert_int_equal(left - 1, ct_len(s->cache));
  }
  ct_value key = poisoned_value(), value = poisoned_value();
  assert_status(CT_MISS, ct_popitem(s->cache, &key, &value));
  assert_holds_nothing(key);
  assert_holds_nothing(value);
  assert_int_equal(60, evicted(s));
  assert_int_equal(60, stats_of(s->cache).evictions);
}

CONTRACT(popitem_without_outs_removes_one) {
  open_unbounded(s);
  put_range(s, 0, 2);
  assert_status(CT_OK, ct_popitem(s->cache, NULL, NULL));
  assert_int_equal(1, ct_len(s->cache));
  ct_value key = CT_VALUE_INIT;
  assert_status(CT_OK, ct_popitem(s->cache, &key, NULL));
  assert_int_equal(kKeySize, key.size);
  ct_value_release(&key);
  assert_status(CT_MISS, ct_popitem(s->cache, NULL, NULL));
}

CONTRACT(clear_removes_everything_and_keeps_counters) {
  open_unbounded(s);
  put_range(s, 0, 100);
  assert_status(CT_OK, ct_get(s->cache, key_of(3).text, kKeySize, NULL));
  assert_status(CT_OK, ct_clear(s->cache));
  assert_int_equal(0, ct_len(s->cache));
  assert_int_equal(0, ct_currsize(s->cache));
  assert_int_equal(0, count_there(s, 0, 100));
  assert_told(s, CT_CAUSE_CLEARED, 100);
  assert_dropped(s, 100);
  assert_int_equal(1, stats_of(s->cache).hits);
  assert_int_equal(100, stats_of(s->cache).inserts);
  assert_int_equal(100, stats_of(s->cache).removals);

  put_range(s, 50, 150);
  assert_int_equal(100, count_there(s, 0, 150));
  assert_status(CT_OK, ct_clear(s->cache));
  assert_status(CT_OK, ct_clear(s->cache));
  assert_told(s, CT_CAUSE_CLEARED, 200);
}

typedef struct matching {
  unsigned shown[64];
  unsigned strange;
} matching;

static bool match_thirds(void *user_data, const void *key, size_t key_size, const void *value,
                         size_t value_size) {
  matching *it = user_data;
  const unsigned number = number_in(key, key_size);
  if (number >= COUNT_OF(it->shown) || number_in(value, value_size) != number) {
    it->strange++;
    return false;
  }
  it->shown[number]++;
  return number % 3 == 0;
}

CONTRACT(remove_if_removes_what_matches) {
  open_unbounded(s);
  put_range(s, 0, 64);
  const ct_stats before = stats_of(s->cache);
  matching it = {{0}, 0};
  assert_int_equal(22, ct_remove_if(s->cache, match_thirds, &it));
  assert_int_equal(0, it.strange);
  for (unsigned i = 0; i < 64; i++) {
    assert_int_equal(1, it.shown[i]);
    assert_int_equal(i % 3 != 0, is_there(s, i));
  }
  assert_told(s, CT_CAUSE_REMOVED, 22);
  assert_int_equal(before.hits + before.misses,
                   stats_of(s->cache).hits + stats_of(s->cache).misses);
  assert_int_equal(0, ct_remove_if(s->cache, match_thirds, &it));
  assert_int_equal(0, ct_remove_if(s->cache, NULL, NULL));
  assert_int_equal(42, ct_len(s->cache));
}

/* ---- Pins ----------------------------------------------------------------------------------- */

CONTRACT(pinned_value_survives_whatever_removes_it) {
  open_room(s, options_of(s), 4);
  ct_value values[4];
  for (unsigned i = 0; i < 4; i++) {
    assert_status(CT_OK, put(s, i));
    assert_status(CT_OK, ct_get(s->cache, key_of(i).text, kKeySize, &values[i]));
  }
  assert_status(CT_OK, put(s, 0));
  assert_status(CT_OK, ct_delete(s->cache, key_of(1).text, kKeySize));
  while (ct_popitem(s->cache, NULL, NULL) == CT_OK) {
  }
  put_range(s, 10, 40);
  assert_status(CT_OK, ct_clear(s->cache));
  ct_cache_free(s->cache);
  s->cache = NULL;

  const uint64_t dropped = s->dropped;
  for (unsigned i = 0; i < 4; i++) {
    char expected[16];
    snprintf(expected, sizeof expected, "val-%04u", i);
    assert_int_equal(kValueSize, values[i].size);
    assert_memory_equal(expected, values[i].data, kValueSize);
    ct_value_release(&values[i]);
    assert_dropped(s, dropped + i + 1);
  }
}

CONTRACT(second_pin_outlives_the_first) {
  open_unbounded(s);
  put_range(s, 0, 1);
  ct_value first = CT_VALUE_INIT, second = poisoned_value();
  assert_status(CT_OK, ct_peek(s->cache, key_of(0).text, kKeySize, &first));
  assert_status(CT_OK, ct_value_ref(&first, &second));
  assert_status(CT_OK, ct_delete(s->cache, key_of(0).text, kKeySize));
  ct_value_release(&first);
  assert_dropped(s, 0);
  assert_memory_equal("val-0000", second.data, kValueSize);
  ct_value_release(&second);
  assert_dropped(s, 1);
}

/* ---- Arguments ------------------------------------------------------------------------------ */

CONTRACT(null_with_a_length_is_invalid) {
  open_unbounded(s);
  ct_cache *cache = s->cache;
  ct_value value = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_get(cache, NULL, 1, &value));
  assert_holds_nothing(value);
  value = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_peek(cache, NULL, 1, &value));
  assert_holds_nothing(value);
  assert_false(ct_contains(cache, NULL, 1));
  assert_status(CT_ERR_INVALID, ct_set(cache, NULL, 1, "v", 1));
  assert_status(CT_ERR_INVALID, ct_set(cache, "k", 1, NULL, 1));
  assert_status(CT_ERR_INVALID, ct_set_ttl(cache, "k", 1, NULL, 1, 5));
  value = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_setdefault(cache, "k", 1, NULL, 1, &value));
  assert_holds_nothing(value);
  value = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_pop(cache, NULL, 1, &value));
  assert_holds_nothing(value);
  assert_status(CT_ERR_INVALID, ct_delete(cache, NULL, 1));
  assert_status(CT_ERR_INVALID, ct_set_lifetime(cache, NULL, 1, 5));
  assert_int_equal(0, ct_len(cache));
}

CONTRACT(length_beyond_32_bits_is_too_large) {
  if (sizeof(size_t) < 8) return;
  const size_t beyond = (size_t)1 << 16 << 16;
  open_unbounded(s);
  put_range(s, 0, 1);
  const number_key key = key_of(0);
  ct_value value = poisoned_value();
  assert_status(CT_ERR_TOO_LARGE, ct_get(s->cache, "k", beyond, &value));
  assert_holds_nothing(value);
  assert_false(ct_contains(s->cache, "k", beyond));
  assert_status(CT_ERR_TOO_LARGE, ct_set(s->cache, "k", beyond, "v", 1));
  assert_status(CT_ERR_TOO_LARGE, ct_set(s->cache, key.text, kKeySize, "v", beyond));
  assert_status(CT_ERR_TOO_LARGE, ct_delete(s->cache, "k", beyond));
  assert_int_equal(1, ct_len(s->cache));
  assert_units(s, 0, 1);
}
