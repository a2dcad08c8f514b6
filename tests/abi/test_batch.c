/* SPDX-License-Identifier: MIT */
/* Many keys in one call: the same answers, uses and counts as one call for each, and what only
 * batches have: ends, capacities and statuses. */
#include "fixture.h"

enum { kManyKeys = 1000 };

/* Pairs in one block of bytes, as ct_set_many takes them. */
typedef struct pairs {
  char data[65536];
  size_t ends[2 * kManyKeys];
  size_t count;
  size_t used;
} pairs;

static void add_pair(pairs *self, const char *key, const char *value) {
  memcpy(self->data + self->used, key, strlen(key));
  self->used += strlen(key);
  self->ends[2 * self->count] = self->used;
  memcpy(self->data + self->used, value, strlen(value));
  self->used += strlen(value);
  self->ends[2 * self->count + 1] = self->used;
  self->count++;
}

static pairs *no_pairs(void) {
  static pairs pairs;
  memset(&pairs, 0, sizeof(pairs));
  return &pairs;
}

static void open_abc(fixture *f) {
  open_lru(f, 8);
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "22");
  set_text(f->cache, "c", "");
}

/* ---- ct_get_many ---------------------------------------------------------------------------- */

FIXTURE_TEST(get_many_tells_hits_and_misses, open_abc(f)) {
  const ct_bytes keys[] = {{"b", 1}, {"x", 1}, {"a", 1}, {"c", 1}};
  ct_value values[4] = {poisoned_value(), poisoned_value(), poisoned_value(), poisoned_value()};
  ct_status statuses[4] = {CT_BUSY, CT_BUSY, CT_BUSY, CT_BUSY};
  assert_status(CT_OK, ct_get_many(f->cache, keys, 4, values, statuses));
  assert_status(CT_OK, statuses[0]);
  assert_status(CT_MISS, statuses[1]);
  assert_status(CT_OK, statuses[2]);
  assert_status(CT_OK, statuses[3]);
  assert_value("22", values[0]);
  assert_holds_nothing(values[1]);
  assert_value("1", values[2]);
  assert_value("", values[3]);
  for (int i = 0; i < 4; i++) ct_value_release(&values[i]);
}

FIXTURE_TEST(get_many_is_a_use_of_each_key_in_order, open_abc(f)) {
  const ct_bytes keys[] = {{"b", 1}, {"x", 1}, {"a", 1}};
  ct_value values[3];
  ct_status statuses[3];
  assert_status(CT_OK, ct_get_many(f->cache, keys, 3, values, statuses));
  for (int i = 0; i < 3; i++) ct_value_release(&values[i]);
  assert_int_equal(2, stats_of(f->cache).hits);
  assert_int_equal(1, stats_of(f->cache).misses);
  while (ct_popitem(f->cache, NULL, NULL) == CT_OK) continue;
  assert_told(f, "EVICTED c=, EVICTED b=22, EVICTED a=1");
}

TEST(get_many_pins_each_value) {
  fixture f;
  open_abc(&f);
  const ct_bytes keys[] = {{"a", 1}, {"b", 1}, {"a", 1}};
  ct_value values[3];
  ct_status statuses[3];
  assert_status(CT_OK, ct_get_many(f.cache, keys, 3, values, statuses));
  ct_value_release(&values[0]);
  fixture_close(&f);
  assert_value("22", values[1]);
  assert_value("1", values[2]);
  ct_value_release(&values[1]);
  ct_value_release(&values[2]);
}

FIXTURE_TEST(get_many_of_the_same_key_stands_alone, open_abc(f)) {
  const ct_bytes keys[] = {{"a", 1}, {"a", 1}, {"x", 1}, {"x", 1}, {"a", 1}};
  ct_value values[5];
  ct_status statuses[5];
  assert_status(CT_OK, ct_get_many(f->cache, keys, 5, values, statuses));
  for (int i = 0; i < 5; i++) {
    assert_status(i == 2 || i == 3 ? CT_MISS : CT_OK, statuses[i]);
    ct_value_release(&values[i]);
  }
  assert_int_equal(3, stats_of(f->cache).hits);
  assert_int_equal(2, stats_of(f->cache).misses);
}

FIXTURE_TEST(get_many_of_empty_key, open_lru(f, 8)) {
  assert_status(CT_OK, ct_set(f->cache, NULL, 0, "empty", 5));
  const ct_bytes keys[] = {{NULL, 0}, {"", 0}};
  ct_value values[2];
  ct_status statuses[2];
  assert_status(CT_OK, ct_get_many(f->cache, keys, 2, values, statuses));
  assert_value("empty", values[0]);
  assert_value("empty", values[1]);
  ct_value_release(&values[0]);
  ct_value_release(&values[1]);
}

FIXTURE_TEST(get_many_of_nothing_is_done, open_abc(f)) {
  assert_status(CT_OK, ct_get_many(f->cache, NULL, 0, NULL, NULL));
  assert_int_equal(0, stats_of(f->cache).hits + stats_of(f->cache).misses);
}

FIXTURE_TEST(get_many_misses_the_expired, open_abc(f)) {
  set_text_ttl(f->cache, "a", "1", 5);
  set_now(f, 5);
  const ct_bytes keys[] = {{"a", 1}, {"b", 1}};
  ct_value values[2];
  ct_status statuses[2];
  assert_status(CT_OK, ct_get_many(f->cache, keys, 2, values, statuses));
  assert_status(CT_MISS, statuses[0]);
  assert_status(CT_OK, statuses[1]);
  ct_value_release(&values[1]);
}

TEST(get_many_that_fails_pins_nothing) {
  test_allocator allocator;
  test_allocator_init(&allocator);
  ct_cache *cache = cache_of(.maxsize = 8, .allocator = &allocator.hooks);
  set_text(cache, "a", "1");
  const ct_bytes keys[] = {{"a", 1}, {"a", 1}, {NULL, 3}};
  ct_value values[3] = {poisoned_value(), poisoned_value(), poisoned_value()};
  ct_status statuses[3] = {CT_BUSY, CT_BUSY, CT_BUSY};
  assert_status(CT_ERR_INVALID, ct_get_many(cache, keys, 3, values, statuses));
  for (int i = 0; i < 3; i++) {
    assert_holds_nothing(values[i]);
    assert_int_equal(0, statuses[i]);
  }
  ct_cache_free(cache);
  assert_int_equal(0, allocator.blocks);
}

TEST(get_many_of_a_thousand_keys) {
  static uint64_t numbers[kManyKeys];
  static ct_bytes keys[kManyKeys];
  static ct_value values[kManyKeys];
  static ct_status statuses[kManyKeys];
  for (uint32_t shards = 1; shards <= 16; shards *= 16) {
    ct_cache *cache = cache_of(.maxsize = kManyKeys, .shards = shards);
    for (uint64_t i = 0; i < kManyKeys; i++) {
      numbers[i] = i;
      keys[i] = (ct_bytes){&numbers[i], sizeof(numbers[i])};
      uint64_t value = i * i;
      if (i % 3 != 0) assert_status(CT_OK, set_number(cache, i, &value, sizeof(value)));
    }
    assert_status(CT_OK, ct_get_many(cache, keys, kManyKeys, values, statuses));
    for (uint64_t i = 0; i < kManyKeys; i++) {
      assert_status(i % 3 == 0 ? CT_MISS : CT_OK, statuses[i]);
      uint64_t square = i * i;
      if (i % 3 != 0) assert_memory_equal(&square, values[i].data, sizeof(square));
      ct_value_release(&values[i]);
    }
    ct_cache_free(cache);
  }
}

/* ---- ct_get_many_copy ----------------------------------------------------------------------- */

FIXTURE_TEST(get_many_copy_lays_values_end_to_end, open_abc(f)) {
  const size_t ends[] = {1, 2, 3, 4, 5};
  char buffer[8] = "-------";
  size_t value_ends[5] = {77, 77, 77, 77, 77};
  ct_status statuses[5] = {CT_BUSY, CT_BUSY, CT_BUSY, CT_BUSY, CT_BUSY};
  assert_status(CT_OK,
                ct_get_many_copy(f->cache, "bxcab", ends, 5, buffer, 8, value_ends, statuses));
  const size_t expected_ends[] = {2, 2, 2, 3, 5};
  const ct_status expected[] = {CT_OK, CT_MISS, CT_OK, CT_OK, CT_OK};
  for (int i = 0; i < 5; i++) {
    assert_int_equal(expected_ends[i], value_ends[i]);
    assert_status(expected[i], statuses[i]);
  }
  /* Bytes beyond the values are left alone. */
  assert_memory_equal("22122--", buffer, 8);
}

FIXTURE_TEST(get_many_copy_is_a_use_of_each_key, open_abc(f)) {
  const size_t ends[] = {1, 2};
  char buffer[4];
  size_t value_ends[2];
  ct_status statuses[2];
  assert_status(CT_OK, ct_get_many_copy(f->cache, "ax", ends, 2, buffer, 4, value_ends, statuses));
  assert_int_equal(1, stats_of(f->cache).hits);
  assert_int_equal(1, stats_of(f->cache).misses);
  while (ct_popitem(f->cache, NULL, NULL) == CT_OK) continue;
  assert_told(f, "EVICTED b=22, EVICTED c=, EVICTED a=1");
}

FIXTURE_TEST(get_many_copy_into_exactly_enough, open_abc(f)) {
  const size_t ends[] = {1, 2};
  char buffer[3];
  size_t value_ends[2];
  ct_status statuses[2];
  assert_status(CT_OK, ct_get_many_copy(f->cache, "ab", ends, 2, buffer, 3, value_ends, statuses));
  assert_memory_equal("122", buffer, 3);
}

FIXTURE_TEST(get_many_copy_too_small_tells_all_ends, open_abc(f)) {
  const size_t ends[] = {1, 2, 3, 4};
  for (size_t capacity = 0; capacity < 5; capacity++) {
    char buffer[8] = "-------";
    size_t value_ends[4] = {77, 77, 77, 77};
    ct_status statuses[4] = {CT_BUSY, CT_BUSY, CT_BUSY, CT_BUSY};
    assert_status(CT_ERR_BUFFER, ct_get_many_copy(f->cache, "bxab", ends, 4, buffer, capacity,
                                                  value_ends, statuses));
    assert_int_equal(2, value_ends[0]);
    assert_int_equal(2, value_ends[1]);
    assert_int_equal(3, value_ends[2]);
    assert_int_equal(5, value_ends[3]);
    assert_memory_equal("-------", buffer, 8);
    /* Every status is written, though none is promised. */
    for (int i = 0; i < 4; i++) assert_true(statuses[i] != CT_BUSY);
  }
}

FIXTURE_TEST(get_many_copy_too_small_is_no_use, open_abc(f)) {
  const size_t ends[] = {1, 2};
  size_t value_ends[2];
  ct_status statuses[2];
  assert_status(CT_ERR_BUFFER,
                ct_get_many_copy(f->cache, "ax", ends, 2, NULL, 0, value_ends, statuses));
  assert_int_equal(1, value_ends[1]);
  ct_stats stats = stats_of(f->cache);
  assert_int_equal(0, stats.hits + stats.misses);
  while (ct_popitem(f->cache, NULL, NULL) == CT_OK) continue;
  assert_told(f, "EVICTED a=1, EVICTED b=22, EVICTED c=");
}

FIXTURE_TEST(get_many_copy_of_misses_needs_no_buffer, open_abc(f)) {
  const size_t ends[] = {1, 2, 3};
  size_t value_ends[3] = {77, 77, 77};
  ct_status statuses[3];
  /* The last one is a hit of no bytes. */
  assert_status(CT_OK, ct_get_many_copy(f->cache, "xyc", ends, 3, NULL, 0, value_ends, statuses));
  for (int i = 0; i < 3; i++) assert_int_equal(0, value_ends[i]);
  assert_status(CT_MISS, statuses[0]);
  assert_status(CT_MISS, statuses[1]);
  assert_status(CT_OK, statuses[2]);
}

FIXTURE_TEST(get_many_copy_of_empty_keys, open_abc(f)) {
  assert_status(CT_OK, ct_set(f->cache, "", 0, "!", 1));
  /* An empty key at the beginning, in the middle and at the end. */
  const size_t ends[] = {0, 1, 1, 2, 2};
  char buffer[8];
  size_t value_ends[5];
  ct_status statuses[5];
  assert_status(CT_OK, ct_get_many_copy(f->cache, "ab", ends, 5, buffer, 8, value_ends, statuses));
  assert_int_equal(6, value_ends[4]);
  assert_memory_equal("!1!22!", buffer, 6);
  const size_t none[] = {0, 0};
  assert_status(CT_OK, ct_get_many_copy(f->cache, NULL, none, 2, buffer, 8, value_ends, statuses));
  assert_int_equal(2, value_ends[1]);
  assert_memory_equal("!!", buffer, 2);
}

FIXTURE_TEST(get_many_copy_of_nothing_is_done, open_abc(f)) {
  assert_status(CT_OK, ct_get_many_copy(f->cache, NULL, NULL, 0, NULL, 0, NULL, NULL));
}

TEST(get_many_copy_of_a_thousand_keys) {
  static uint64_t numbers[kManyKeys];
  static size_t ends[kManyKeys];
  static size_t value_ends[kManyKeys];
  static ct_status statuses[kManyKeys];
  ct_cache *cache = cache_of(.maxsize = kManyKeys, .shards = 4);
  size_t needed = 0;
  char value[300];
  for (uint64_t i = 0; i < kManyKeys; i++) {
    numbers[i] = i;
    ends[i] = (i + 1) * sizeof(numbers[i]);
    memset(value, (int)i, sizeof(value));
    if (i % 3 == 0) continue;
    assert_status(CT_OK, set_number(cache, i, value, i % sizeof(value)));
    needed += i % sizeof(value);
  }
  char *buffer = malloc(needed);
  assert_status(CT_ERR_BUFFER, ct_get_many_copy(cache, numbers, ends, kManyKeys, buffer, needed - 1,
                                                value_ends, statuses));
  assert_int_equal(needed, value_ends[kManyKeys - 1]);
  assert_status(CT_OK, ct_get_many_copy(cache, numbers, ends, kManyKeys, buffer, needed, value_ends,
                                        statuses));
  size_t from = 0;
  for (uint64_t i = 0; i < kManyKeys; i++) {
    assert_status(i % 3 == 0 ? CT_MISS : CT_OK, statuses[i]);
    assert_int_equal(i % 3 == 0 ? 0 : i % sizeof(value), value_ends[i] - from);
    memset(value, (int)i, sizeof(value));
    assert_memory_equal(value, buffer + from, value_ends[i] - from);
    from = value_ends[i];
  }
  free(buffer);
  ct_cache_free(cache);
}

/* ---- ct_set_many ---------------------------------------------------------------------------- */

FIXTURE_TEST(set_many_stores_all, open_lru(f, 8)) {
  pairs *p = no_pairs();
  add_pair(p, "a", "1");
  add_pair(p, "", "empty key");
  add_pair(p, "empty value", "");
  ct_status statuses[3] = {CT_BUSY, CT_BUSY, CT_BUSY};
  assert_status(CT_OK, ct_set_many(f->cache, p->data, p->ends, p->count, NULL, statuses));
  for (int i = 0; i < 3; i++) assert_status(CT_OK, statuses[i]);
  assert_text(f->cache, "a", "1");
  assert_text(f->cache, "", "empty key");
  assert_text(f->cache, "empty value", "");
  assert_int_equal(3, ct_len(f->cache));
}

FIXTURE_TEST(set_many_of_empty_key_and_value_without_data, open_lru(f, 8)) {
  const size_t ends[] = {0, 0};
  assert_status(CT_OK, ct_set_many(f->cache, NULL, ends, 1, NULL, NULL));
  assert_text(f->cache, "", "");
}

FIXTURE_TEST(set_many_of_nothing_is_done, open_abc(f)) {
  assert_status(CT_OK, ct_set_many(f->cache, NULL, NULL, 0, NULL, NULL));
  assert_int_equal(3, ct_len(f->cache));
}

FIXTURE_TEST(set_many_stores_in_order, open_lru(f, 2)) {
  pairs *p = no_pairs();
  add_pair(p, "a", "1");
  add_pair(p, "b", "2");
  add_pair(p, "a", "3");
  add_pair(p, "c", "4");
  assert_status(CT_OK, ct_set_many(f->cache, p->data, p->ends, p->count, NULL, NULL));
  assert_told(f, "REPLACED a=1, EVICTED b=2");
  assert_text(f->cache, "a", "3");
  assert_text(f->cache, "c", "4");
  ct_stats stats = stats_of(f->cache);
  assert_int_equal(3, stats.inserts);
  assert_int_equal(1, stats.updates);
}

FIXTURE_TEST(set_many_tells_the_status_of_each_pair,
             open_fixture(f, .maxsize = 4, .weight_kind = CT_WEIGHT_VALUE)) {
  pairs *p = no_pairs();
  add_pair(p, "a", "1");
  add_pair(p, "b", "too large");
  add_pair(p, "c", "3");
  add_pair(p, "a", "too large too");
  ct_status statuses[4] = {CT_BUSY, CT_BUSY, CT_BUSY, CT_BUSY};
  assert_status(CT_ERR_TOO_LARGE,
                ct_set_many(f->cache, p->data, p->ends, p->count, NULL, statuses));
  assert_status(CT_OK, statuses[0]);
  assert_status(CT_ERR_TOO_LARGE, statuses[1]);
  assert_status(CT_OK, statuses[2]);
  assert_status(CT_ERR_TOO_LARGE, statuses[3]);
  assert_text(f->cache, "a", "1");
  assert_text(f->cache, "b", NULL);
  assert_text(f->cache, "c", "3");
  assert_int_equal(2, stats_of(f->cache).rejections);
}

FIXTURE_TEST(set_many_fails_with_the_first_negative_status,
             open_fixture(f, .maxsize = 4, .weight_kind = CT_WEIGHT_VALUE)) {
  set_text(f->cache, "b", "2");
  pairs *p = no_pairs();
  add_pair(p, "b", "1");
  add_pair(p, "a", "too large");
  ct_entry_options absent = entry_with(.flags = CT_ENTRY_IF_ABSENT);
  ct_status statuses[2];
  /* The first is CT_EXISTS, an ordinary outcome. */
  assert_status(CT_ERR_TOO_LARGE,
                ct_set_many(f->cache, p->data, p->ends, p->count, &absent, statuses));
  assert_status(CT_EXISTS, statuses[0]);
  assert_status(CT_ERR_TOO_LARGE, statuses[1]);
}

FIXTURE_TEST(set_many_with_ordinary_outcomes_is_ok, open_abc(f)) {
  pairs *p = no_pairs();
  add_pair(p, "a", "9");
  add_pair(p, "d", "9");
  add_pair(p, "d", "8");
  ct_entry_options absent = entry_with(.flags = CT_ENTRY_IF_ABSENT);
  ct_status statuses[3];
  assert_status(CT_OK, ct_set_many(f->cache, p->data, p->ends, p->count, &absent, statuses));
  assert_status(CT_EXISTS, statuses[0]);
  assert_status(CT_OK, statuses[1]);
  assert_status(CT_EXISTS, statuses[2]);
  assert_text(f->cache, "a", "1");
  assert_text(f->cache, "d", "9");
}

FIXTURE_TEST(set_many_applies_options_to_all, open_lru(f, 8)) {
  pairs *p = no_pairs();
  add_pair(p, "a", "1");
  add_pair(p, "b", "2");
  ct_entry_options options =
      entry_with(.flags = CT_ENTRY_TTL | CT_ENTRY_WEIGHT, .ttl = 10, .weight = 3);
  assert_status(CT_OK, ct_set_many(f->cache, p->data, p->ends, p->count, &options, NULL));
  assert_int_equal(6, ct_currsize(f->cache));
  assert_int_equal(10, info_of(f->cache, "a").deadline);
  assert_int_equal(10, info_of(f->cache, "b").deadline);
  set_now(f, 10);
  assert_int_equal(0, ct_len(f->cache));
}

FIXTURE_TEST(set_many_dead_on_arrival_is_not_stored, open_abc(f)) {
  pairs *p = no_pairs();
  add_pair(p, "a", "9");
  add_pair(p, "d", "9");
  ct_entry_options dead = entry_with(.flags = CT_ENTRY_TTL);
  ct_status statuses[2];
  assert_status(CT_OK, ct_set_many(f->cache, p->data, p->ends, p->count, &dead, statuses));
  assert_status(CT_NOT_STORED, statuses[0]);
  assert_status(CT_NOT_STORED, statuses[1]);
  assert_told(f, "REMOVED a=1");
}

TEST(set_many_of_a_thousand_pairs) {
  static ct_status statuses[kManyKeys];
  for (uint32_t shards = 1; shards <= 16; shards *= 16) {
    ct_cache *cache = cache_of(.maxsize = kManyKeys, .shards = shards);
    pairs *p = no_pairs();
    char key[16];
    char value[32];
    for (int i = 0; i < kManyKeys; i++) {
      snprintf(key, sizeof(key), "%d", i);
      snprintf(value, sizeof(value), "value of %d", i);
      add_pair(p, key, value);
    }
    assert_status(CT_OK, ct_set_many(cache, p->data, p->ends, p->count, NULL, statuses));
    assert_int_equal(kManyKeys, ct_len(cache));
    for (int i = 0; i < kManyKeys; i++) {
      assert_status(CT_OK, statuses[i]);
      snprintf(key, sizeof(key), "%d", i);
      snprintf(value, sizeof(value), "value of %d", i);
      assert_text(cache, key, value);
    }
    ct_cache_free(cache);
  }
}

FIXTURE_TEST(set_many_into_a_small_cache_keeps_the_last, open_lru(f, 10)) {
  pairs *p = no_pairs();
  char key[16];
  for (int i = 0; i < kManyKeys; i++) {
    snprintf(key, sizeof(key), "%d", i);
    add_pair(p, key, "v");
  }
  assert_status(CT_OK, ct_set_many(f->cache, p->data, p->ends, p->count, NULL, NULL));
  assert_int_equal(10, ct_len(f->cache));
  for (int i = kManyKeys - 10; i < kManyKeys; i++) {
    snprintf(key, sizeof(key), "%d", i);
    assert_true(has_text(f->cache, key));
  }
  assert_int_equal(kManyKeys - 10, f->told);
}
