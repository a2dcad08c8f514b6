/* SPDX-License-Identifier: MIT */
/* What entries weigh, and what the limit does: kinds of weight, sums, growth, resizing, and
 * heavy entries in caches of many shards. */
#include "fixture.h"

static void open_kind(fixture *f, int32_t weight_kind, uint64_t maxsize) {
  open_fixture(f, .maxsize = maxsize, .weight_kind = weight_kind);
}

/* ---- Kinds ---------------------------------------------------------------------------------- */

FIXTURE_TEST(count_weighs_one, open_kind(f, CT_WEIGHT_COUNT, 3)) {
  set_text(f->cache, "a", "");
  set_text(f->cache, "bbbbb", "a long value");
  assert_int_equal(1, info_of(f->cache, "a").weight);
  assert_int_equal(1, info_of(f->cache, "bbbbb").weight);
  assert_int_equal(2, ct_currsize(f->cache));
}

FIXTURE_TEST(value_weighs_its_bytes, open_kind(f, CT_WEIGHT_VALUE, 10)) {
  set_text(f->cache, "a long key", "1234");
  set_text(f->cache, "b", "");
  assert_int_equal(4, info_of(f->cache, "a long key").weight);
  assert_int_equal(0, info_of(f->cache, "b").weight);
  assert_int_equal(4, ct_currsize(f->cache));
  set_text(f->cache, "c", "123456");
  assert_int_equal(10, ct_currsize(f->cache));
  assert_told(f, "");
  set_text(f->cache, "d", "1");
  assert_told(f, "EVICTED a long key=1234");
  assert_int_equal(7, ct_currsize(f->cache));
  assert_status(CT_ERR_TOO_LARGE, set_text(f->cache, "e", "12345678901"));
}

FIXTURE_TEST(memory_weighs_more_than_its_bytes, open_kind(f, CT_WEIGHT_MEMORY, 1 << 20)) {
  set_text(f->cache, "key", "value");
  uint64_t small = info_of(f->cache, "key").weight;
  assert_true(small > strlen("key") + strlen("value"));
  assert_true(small < 200);
  char value[1000] = {0};
  assert_status(CT_OK, ct_set(f->cache, "large", 5, value, sizeof(value)));
  uint64_t large = info_of(f->cache, "large").weight;
  assert_true(large > sizeof(value));
  assert_true(large < sizeof(value) + 200);
  assert_int_equal(small + large, ct_currsize(f->cache));
}

FIXTURE_TEST(weigher_overrides_the_kind,
             open_fixture(f, .maxsize = 100, .weight_kind = CT_WEIGHT_VALUE,
                          .weigher = weigh_by_value)) {
  assert_status(CT_OK, set_weighed(f->cache, 1, 42));
  assert_int_equal(42, ct_currsize(f->cache));
  assert_status(CT_OK, set_weighed(f->cache, 1, 7));
  assert_int_equal(7, ct_currsize(f->cache));
}

FIXTURE_TEST(weight_of_the_entry_overrides_the_weigher,
             open_fixture(f, .maxsize = 100, .weigher = weigh_by_value)) {
  /* The weigher would read beyond this value, but is not asked. */
  assert_status(CT_OK, set_text_weight(f->cache, "a", "1", 5));
  assert_int_equal(5, info_of(f->cache, "a").weight);
}

/* What a weigher was shown. */
typedef struct shown {
  char key[8];
  char value[8];
  int times;
} shown;

static uint64_t weigh_and_keep(void *user_data, const void *key, size_t key_size, const void *value,
                               size_t value_size) {
  shown *self = user_data;
  memcpy(self->key, key, key_size);
  memcpy(self->value, value, value_size);
  self->times++;
  return 1;
}

TEST(weigher_is_shown_key_and_value) {
  shown shown = {0};
  ct_cache *cache = cache_of(.maxsize = 8, .weigher = weigh_and_keep, .user_data = &shown);
  assert_status(CT_OK, set_text(cache, "key", "value"));
  assert_string_equal("key", shown.key);
  assert_string_equal("value", shown.value);
  assert_int_equal(1, shown.times);
  ct_cache_free(cache);
}

static ct_cache *weighers_cache;

static uint64_t weigh_by_looking_up(void *user_data, const void *key, size_t key_size,
                                    const void *value, size_t value_size) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  return 1 + ct_len(weighers_cache);
}

TEST(weigher_may_call_the_cache) {
  weighers_cache = cache_of(.maxsize = 100, .weigher = weigh_by_looking_up);
  for (uint64_t key = 0; key < 4; key++)
    assert_status(CT_OK, set_number(weighers_cache, key, "v", 1));
  assert_int_equal(1 + 2 + 3 + 4, ct_currsize(weighers_cache));
  ct_cache_free(weighers_cache);
}

/* ---- Sums ----------------------------------------------------------------------------------- */

TEST(currsize_is_the_sum_of_weights) {
  static const ct_policy policies[] = {CT_POLICY_LRU,   CT_POLICY_FIFO,    CT_POLICY_LFU,
                                       CT_POLICY_RR,    CT_POLICY_ANY,     CT_POLICY_MRU,
                                       CT_POLICY_CLOCK, CT_POLICY_SIEVE,   CT_POLICY_S3FIFO,
                                       CT_POLICY_ARC,   CT_POLICY_ADAPTIVE};
  enum { kKeys = 100 };
  uint64_t random = test_seed();
  for (size_t p = 0; p < COUNT_OF(policies); p++) {
    for (uint32_t shards = 1; shards <= 8; shards *= 8) {
      ct_cache *cache = cache_of(.policy = policies[p], .maxsize = 1000, .shards = shards,
                                 .weigher = weigh_by_value);
      for (int step = 0; step < 4000; step++) {
        uint64_t key = test_random_below(&random, kKeys);
        uint64_t choice = test_random_below(&random, 10);
        uint64_t maxsize = ct_maxsize(cache);
        if (choice == 0) ct_delete(cache, &key, sizeof(key));
        if (choice == 1) ct_popitem(cache, NULL, NULL);
        if (choice == 2) ct_resize(cache, 200 + test_random_below(&random, 1000));
        if (choice > 2) {
          uint64_t weight = test_random_below(&random, choice == 9 ? maxsize + 50 : 60);
          assert_status(weight > maxsize ? CT_ERR_TOO_LARGE : CT_OK,
                        set_weighed(cache, key, weight));
        }
        if (step % 50 != 0) continue;
        uint64_t sum = 0;
        for (uint64_t each = 0; each < kKeys; each++) {
          ct_entry_info info = CT_ENTRY_INFO_INIT;
          if (ct_inspect(cache, &each, sizeof(each), &info) == CT_OK) sum += info.weight;
        }
        assert_int_equal(sum, ct_currsize(cache));
        assert_true(sum <= ct_maxsize(cache));
      }
      ct_cache_free(cache);
    }
  }
}

FIXTURE_TEST(entries_that_weigh_nothing_are_never_in_the_way, open_kind(f, CT_WEIGHT_VALUE, 2)) {
  for (uint64_t key = 0; key < 1000; key++)
    assert_status(CT_OK, set_number(f->cache, key, NULL, 0));
  assert_int_equal(1000, ct_len(f->cache));
  assert_int_equal(0, ct_currsize(f->cache));
  assert_status(CT_OK, set_text(f->cache, "a", "12"));
  assert_int_equal(1001, ct_len(f->cache));
  assert_int_equal(2, ct_currsize(f->cache));
  assert_told(f, "");
}

FIXTURE_TEST(full_cache_takes_what_weighs_nothing, open_kind(f, CT_WEIGHT_VALUE, 2)) {
  set_text(f->cache, "a", "12");
  set_text(f->cache, "b", "");
  assert_text(f->cache, "a", "12");
  assert_text(f->cache, "b", "");
  assert_told(f, "");
}

FIXTURE_TEST(victims_that_weigh_nothing_do_not_suffice, open_kind(f, CT_WEIGHT_VALUE, 4)) {
  set_text(f->cache, "a", "");
  set_text(f->cache, "b", "12");
  set_text(f->cache, "c", "34");
  set_text(f->cache, "d", "5");
  assert_told(f, "EVICTED a=, EVICTED b=12");
  assert_int_equal(3, ct_currsize(f->cache));
}

/* ---- Growing and shrinking entries ---------------------------------------------------------- */

/* Stores entries of a text like "a=1:4 b=2:3": key, value and weight. Returns the last status. */
static ct_status set_each_weight(ct_cache *cache, const char *entries) {
  ct_status status = CT_END;
  char key[2], value[2];
  unsigned weight;
  int used;
  for (; sscanf(entries, " %1[a-z]=%1[0-9]:%u%n", key, value, &weight, &used) == 3; entries += used)
    status = set_text_weight(cache, key, value, weight);
  assert_int_equal('\0', *entries);
  return status;
}

static void assert_left(ct_cache *cache, const char *entries) {
  char key[2], value[2];
  int used;
  uint64_t count = 0;
  for (; sscanf(entries, " %1[a-z]=%1[0-9]%n", key, value, &used) == 2; entries += used, count++)
    assert_text(cache, key, value);
  assert_int_equal('\0', *entries);
  assert_int_equal(count, ct_len(cache));
}

/* Writes to a cache of size 10 that holds some entries. Asserts the status, the events, the sum
 * that is left, and the entries that are there then, as in "a=1 b=2". */
#define WRITE_TEST(name, held, written, status, told, sum, left) \
  FIXTURE_TEST(name, open_kind(f, CT_WEIGHT_COUNT, 10)) {        \
    assert_status(CT_OK, set_each_weight(f->cache, held));       \
    assert_told(f, "");                                          \
    assert_status(status, set_each_weight(f->cache, written));   \
    assert_told(f, told);                                        \
    assert_int_equal(sum, ct_currsize(f->cache));                \
    assert_left(f->cache, left);                                 \
  }

WRITE_TEST(growth_needs_only_the_difference, "a=1:4 b=2:4", "a=3:6", CT_OK, "REPLACED a=1", 10,
           "b=2 a=3")
WRITE_TEST(growth_to_the_whole_cache_evicts_all_others, "b=2:3 c=3:3 a=1:3", "a=4:10", CT_OK,
           "EVICTED b=2, EVICTED c=3, REPLACED a=1", 10, "a=4")
WRITE_TEST(too_large_keeps_the_old_value, "a=1:4 b=2:6", "a=3:11", CT_ERR_TOO_LARGE, "", 10,
           "a=1 b=2")
WRITE_TEST(entry_as_heavy_as_maxsize_fits, "a=1:4", "b=2:10", CT_OK, "EVICTED a=1", 10, "b=2")

FIXTURE_TEST(shrinking_entry_gives_room_back, open_kind(f, CT_WEIGHT_COUNT, 10)) {
  set_text_weight(f->cache, "a", "1", 10);
  set_text_weight(f->cache, "a", "2", 4);
  assert_int_equal(4, ct_currsize(f->cache));
  set_text_weight(f->cache, "b", "3", 6);
  assert_told(f, "REPLACED a=1");
  assert_int_equal(10, ct_currsize(f->cache));
}

/* ---- Resizing ------------------------------------------------------------------------------- */

FIXTURE_TEST(resize_down_evicts_until_it_holds, open_kind(f, CT_WEIGHT_COUNT, 10)) {
  set_text_weight(f->cache, "a", "1", 4);
  set_text_weight(f->cache, "b", "2", 3);
  set_text_weight(f->cache, "c", "3", 3);
  assert_status(CT_OK, ct_resize(f->cache, 5));
  assert_told(f, "EVICTED a=1, EVICTED b=2");
  assert_int_equal(5, ct_maxsize(f->cache));
  assert_int_equal(3, ct_currsize(f->cache));
  assert_status(CT_ERR_TOO_LARGE, set_text_weight(f->cache, "d", "4", 6));
}

FIXTURE_TEST(resize_up_evicts_nothing_and_gives_room, open_kind(f, CT_WEIGHT_COUNT, 2)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  assert_status(CT_OK, ct_resize(f->cache, 4));
  set_text(f->cache, "c", "3");
  set_text(f->cache, "d", "4");
  assert_told(f, "");
  assert_int_equal(4, ct_len(f->cache));
  set_text(f->cache, "e", "5");
  assert_told(f, "EVICTED a=1");
}

FIXTURE_TEST(resize_to_zero_evicts_all_that_weighs, open_kind(f, CT_WEIGHT_COUNT, 4)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  assert_status(CT_OK, ct_resize(f->cache, 0));
  assert_told(f, "EVICTED a=1, EVICTED b=2");
  assert_int_equal(0, ct_len(f->cache));
  assert_status(CT_ERR_TOO_LARGE, set_text(f->cache, "c", "3"));
  assert_status(CT_OK, ct_resize(f->cache, 1));
  assert_status(CT_OK, set_text(f->cache, "c", "3"));
}

FIXTURE_TEST(resize_to_unbounded_evicts_no_more, open_kind(f, CT_WEIGHT_COUNT, 4)) {
  assert_status(CT_OK, ct_resize(f->cache, CT_UNBOUNDED));
  for (uint64_t key = 0; key < 5000; key++) assert_status(CT_OK, set_number(f->cache, key, "v", 1));
  assert_int_equal(5000, ct_len(f->cache));
  assert_status(CT_OK, ct_resize(f->cache, 10));
  assert_int_equal(10, ct_len(f->cache));
  assert_int_equal(4990, stats_of(f->cache).evictions);
}

TEST(resize_up_and_down_over_shards) {
  ct_cache *cache = cache_of(.maxsize = 100, .shards = 16);
  uint64_t random = test_seed();
  uint64_t next = 0;
  for (int round = 0; round < 200; round++) {
    uint64_t maxsize = test_random_below(&random, 300);
    assert_status(CT_OK, ct_resize(cache, maxsize));
    assert_true(ct_currsize(cache) <= maxsize);
    uint64_t before = ct_len(cache);
    uint64_t more = test_random_below(&random, 200);
    for (uint64_t i = 0; i < more; i++)
      assert_status(maxsize > 0 ? CT_OK : CT_ERR_TOO_LARGE, set_number(cache, next++, "v", 1));
    /* All room is used, whichever shards the keys belong to. */
    assert_int_equal(before + more < maxsize ? before + more : maxsize, ct_len(cache));
  }
  ct_cache_free(cache);
}

/* ---- Many shards, one limit ----------------------------------------------------------------- */

TEST(entry_as_heavy_as_maxsize_evicts_all_others_in_all_shards) {
  ct_cache *cache = cache_of(.maxsize = 64, .shards = 16);
  for (uint64_t key = 0; key < 64; key++) set_number(cache, key, "v", 1);
  assert_int_equal(64, ct_len(cache));
  assert_status(CT_OK, set_text_weight(cache, "heavy", "w", 64));
  assert_int_equal(1, ct_len(cache));
  assert_int_equal(64, ct_currsize(cache));
  assert_text(cache, "heavy", "w");
  assert_int_equal(64, stats_of(cache).evictions);
  assert_status(CT_OK, set_text(cache, "light", "w"));
  assert_int_equal(1, ct_len(cache));
  assert_text(cache, "light", "w");
  ct_cache_free(cache);
}

TEST(each_shard_may_hold_the_whole_limit) {
  ct_cache *cache = cache_of(.maxsize = 100, .shards = 16);
  for (uint64_t key = 0; key < 200; key++) {
    ct_entry_options heavy = entry_with(.flags = CT_ENTRY_WEIGHT, .weight = 100);
    assert_status(CT_OK, ct_set_with(cache, &key, sizeof(key), "v", 1, &heavy));
    assert_int_equal(1, ct_len(cache));
    assert_int_equal(100, ct_currsize(cache));
    assert_true(ct_contains(cache, &key, sizeof(key)));
  }
  ct_cache_free(cache);
}

TEST(more_shards_than_entries) {
  ct_cache *cache = cache_of(.maxsize = 3, .shards = 64);
  for (uint64_t key = 0; key < 1000; key++) {
    assert_status(CT_OK, set_number(cache, key, "v", 1));
    assert_true(ct_contains(cache, &key, sizeof(key)));
    assert_int_equal(key < 3 ? key + 1 : 3, ct_len(cache));
  }
  ct_cache_free(cache);
}

/* ---- Weights and memory --------------------------------------------------------------------- */

static void assert_weights_near_memory(size_t key_size, size_t least, size_t most) {
  enum { kEntries = 10000 };
  static char bytes[8192];
  uint64_t random = 1;
  ct_cache *cache = cache_of(.maxsize = (uint64_t)1 << 40, .weight_kind = CT_WEIGHT_MEMORY);
  for (uint64_t i = 0; i < kEntries; i++) {
    char key[256] = {0};
    memcpy(key, &i, sizeof(i));
    size_t size = least + test_random_below(&random, most - least + 1);
    assert_status(CT_OK, ct_set(cache, key, key_size, bytes, size));
  }
  uint64_t weights = ct_currsize(cache);
  uint64_t memory = ct_memory(cache);
  assert_int_equal(kEntries, ct_len(cache));
  if (weights < memory - memory / 4 || weights > memory + memory / 4)
    fail_msg("keys of %zu, values of %zu to %zu bytes: weights %llu, memory %llu", key_size, least,
             most, (unsigned long long)weights, (unsigned long long)memory);
  ct_cache_free(cache);
}

TEST(memory_weights_are_near_the_memory_taken) {
  assert_weights_near_memory(8, 8, 8);
  assert_weights_near_memory(16, 64, 64);
  assert_weights_near_memory(8, 0, 200);
  assert_weights_near_memory(100, 1000, 1000);
  assert_weights_near_memory(16, 0, 8000);
}

TEST(memory_weights_bound_the_memory_taken) {
  const uint64_t limit = (uint64_t)4 << 20;
  static char bytes[1000];
  uint64_t random = test_seed();
  ct_cache *cache = cache_of(.maxsize = limit, .weight_kind = CT_WEIGHT_MEMORY);
  for (uint64_t key = 0; key < 100000; key++)
    assert_status(CT_OK, set_number(cache, key, bytes, test_random_below(&random, sizeof(bytes))));
  assert_true(ct_currsize(cache) <= limit);
  assert_true(ct_currsize(cache) > limit - limit / 10);
  assert_true(ct_memory(cache) <= limit + limit / 4);
  ct_cache_free(cache);
}
