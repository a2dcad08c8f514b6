/* SPDX-License-Identifier: MIT */
/* What each counter counts, by small scenarios; that all add up; resetting, and not counting. */
#include "fixture.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void open_lru(fixture *f, uint64_t maxsize) {
  ct_options options = fixture_options(f, CT_POLICY_LRU, maxsize);
  fixture_open(f, &options);
}

/* ---- Reading -------------------------------------------------------------------------------- */

static void test_new_cache_has_counted_nothing(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  assert_counted(f.cache, .hits = 0);
  fixture_close(&f);
}

static void test_get_counts_hit_or_miss(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  use_text(f.cache, "a");
  use_text(f.cache, "x");
  assert_text(f.cache, "a", "1");
  assert_counted(f.cache, .inserts = 1, .hits = 2, .misses = 1);
  fixture_close(&f);
}

static void test_get_copy_counts_hit_or_miss(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  char byte;
  ct_get_copy(f.cache, "a", 1, &byte, 1, NULL);
  ct_get_copy(f.cache, "x", 1, &byte, 1, NULL);
  assert_counted(f.cache, .inserts = 1, .hits = 1, .misses = 1);
  fixture_close(&f);
}

static void test_get_copy_too_small_counts_nothing(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  assert_status(CT_ERR_BUFFER, ct_get_copy(f.cache, "a", 1, NULL, 0, NULL));
  assert_counted(f.cache, .inserts = 1);
  fixture_close(&f);
}

static void test_looking_without_use_counts_nothing(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  assert_text_quietly(f.cache, "a", "1");
  assert_text_quietly(f.cache, "x", NULL);
  has_text(f.cache, "a");
  has_text(f.cache, "x");
  info_of(f.cache, "a");
  ct_len(f.cache);
  ct_currsize(f.cache);
  ct_set_lifetime(f.cache, "a", 1, 100);
  ct_set_lifetime(f.cache, "x", 1, 100);
  assert_counted(f.cache, .inserts = 1);
  fixture_close(&f);
}

static void test_reading_expired_is_a_miss(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text_ttl(f.cache, "a", "1", 5);
  set_now(&f, 5);
  use_text(f.cache, "a");
  assert_int_equal(0, stats_of(f.cache).hits);
  assert_int_equal(1, stats_of(f.cache).misses);
  fixture_close(&f);
}

static void test_setdefault_counts_one_hit_or_one_miss(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  ct_setdefault(f.cache, "a", 1, "1", 1, NULL);
  assert_counted(f.cache, .inserts = 1, .misses = 1);
  ct_setdefault(f.cache, "a", 1, "2", 1, NULL);
  assert_counted(f.cache, .inserts = 1, .misses = 1, .hits = 1);
  fixture_close(&f);
}

static void test_setdefault_that_is_refused_counts_a_miss_and_a_rejection(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 0);
  assert_status(CT_ERR_TOO_LARGE, ct_setdefault(f.cache, "a", 1, "1", 1, NULL));
  assert_counted(f.cache, .misses = 1, .rejections = 1);
  fixture_close(&f);
}

static void test_invalid_calls_count_nothing(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  ct_get(f.cache, NULL, 1, NULL);
  ct_set(f.cache, NULL, 1, NULL, 0);
  ct_set(f.cache, "a", 1, NULL, 1);
  ct_delete(f.cache, NULL, 1);
  assert_counted(f.cache, .hits = 0);
  fixture_close(&f);
}

/* ---- Writing -------------------------------------------------------------------------------- */

static void test_set_counts_insert_or_update(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  set_text(f.cache, "b", "2");
  set_text(f.cache, "a", "3");
  assert_counted(f.cache, .inserts = 2, .updates = 1);
  fixture_close(&f);
}

static void test_set_over_expired_counts_insert_and_expiration(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text_ttl(f.cache, "a", "1", 5);
  set_now(&f, 5);
  set_text(f.cache, "a", "2");
  assert_counted(f.cache, .inserts = 2, .expirations = 1);
  fixture_close(&f);
}

static void test_condition_that_fails_counts_nothing(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  options.flags = CT_ENTRY_IF_ABSENT;
  assert_status(CT_EXISTS, set_text_with(f.cache, "a", "2", &options));
  options.flags = CT_ENTRY_IF_PRESENT;
  assert_status(CT_MISS, set_text_with(f.cache, "b", "2", &options));
  assert_counted(f.cache, .inserts = 1);
  fixture_close(&f);
}

static void test_too_large_counts_a_rejection(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  set_text_weight(f.cache, "a", "2", 9);
  set_text_weight(f.cache, "b", "2", 9);
  assert_counted(f.cache, .inserts = 1, .rejections = 2);
  fixture_close(&f);
}

static void test_dead_on_arrival_counts_a_rejection(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text_ttl(f.cache, "a", "1", 0);
  assert_counted(f.cache, .rejections = 1);
  fixture_close(&f);
}

static void test_dead_on_arrival_that_replaces_counts_a_removal_too(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  set_text_ttl(f.cache, "a", "2", 0);
  assert_counted(f.cache, .inserts = 1, .rejections = 1, .removals = 1);
  fixture_close(&f);
}

static void test_growing_entry_that_is_its_own_victim_counts_as_evicted(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 4);
  set_text_weight(f.cache, "a", "1", 2);
  set_text_weight(f.cache, "b", "2", 2);
  set_text_weight(f.cache, "a", "3", 3);
  assert_counted(f.cache, .inserts = 3, .evictions = 2, .evicted_weight = 4);
  fixture_close(&f);
}

/* ---- Leaving -------------------------------------------------------------------------------- */

static void test_want_of_room_counts_evictions_and_their_weight(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 10);
  set_text_weight(f.cache, "a", "1", 4);
  set_text_weight(f.cache, "b", "2", 5);
  set_text_weight(f.cache, "c", "3", 6);
  assert_counted(f.cache, .inserts = 3, .evictions = 2, .evicted_weight = 9);
  fixture_close(&f);
}

static void test_popitem_counts_an_eviction(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 10);
  set_text_weight(f.cache, "a", "1", 4);
  ct_popitem(f.cache, NULL, NULL);
  ct_popitem(f.cache, NULL, NULL);
  assert_counted(f.cache, .inserts = 1, .evictions = 1, .evicted_weight = 4);
  fixture_close(&f);
}

static void test_resize_counts_evictions(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 10);
  set_text_weight(f.cache, "a", "1", 4);
  set_text_weight(f.cache, "b", "2", 5);
  ct_resize(f.cache, 5);
  assert_counted(f.cache, .inserts = 2, .evictions = 1, .evicted_weight = 4);
  fixture_close(&f);
}

static void test_expire_counts_expirations_alone(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 10);
  set_text_ttl(f.cache, "a", "1", 5);
  set_text_ttl(f.cache, "b", "2", 6);
  set_now(&f, 6);
  ct_expire(f.cache, CT_NOW, NULL, NULL);
  assert_counted(f.cache, .inserts = 2, .expirations = 2);
  fixture_close(&f);
}

static void test_set_lifetime_of_zero_counts_an_expiration(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 10);
  set_text(f.cache, "a", "1");
  ct_set_lifetime(f.cache, "a", 1, 0);
  assert_counted(f.cache, .inserts = 1, .expirations = 1);
  fixture_close(&f);
}

static void test_delete_and_pop_count_removals_alone(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 10);
  set_text(f.cache, "a", "1");
  set_text(f.cache, "b", "2");
  delete_text(f.cache, "a");
  delete_text(f.cache, "a");
  ct_pop(f.cache, "b", 1, NULL);
  ct_pop(f.cache, "b", 1, NULL);
  assert_counted(f.cache, .inserts = 2, .removals = 2);
  fixture_close(&f);
}

static void test_delete_of_expired_counts_an_expiration_once(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 10);
  set_text_ttl(f.cache, "a", "1", 5);
  set_now(&f, 5);
  delete_text(f.cache, "a");
  ct_pop(f.cache, "a", 1, NULL);
  ct_len(f.cache);
  assert_counted(f.cache, .inserts = 1, .expirations = 1);
  fixture_close(&f);
}

static bool match_all(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  return true;
}

static void test_remove_if_counts_removals(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 10);
  set_text(f.cache, "a", "1");
  set_text(f.cache, "b", "2");
  ct_remove_if(f.cache, match_all, NULL);
  assert_counted(f.cache, .inserts = 2, .removals = 2);
  fixture_close(&f);
}

static void test_clear_counts_removals_and_expirations_apart(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 10);
  set_text(f.cache, "a", "1");
  set_text(f.cache, "b", "2");
  set_text_ttl(f.cache, "c", "3", 5);
  set_now(&f, 5);
  ct_clear(f.cache);
  assert_counted(f.cache, .inserts = 3, .removals = 2, .expirations = 1);
  fixture_close(&f);
}

/* ---- Sums ----------------------------------------------------------------------------------- */

static void test_inserts_are_entries_and_departures(void **state) {
  (void)state;
  static const ct_policy policies[] = {
      CT_POLICY_LRU, CT_POLICY_FIFO,  CT_POLICY_LFU,   CT_POLICY_RR,     CT_POLICY_ANY,
      CT_POLICY_MRU, CT_POLICY_CLOCK, CT_POLICY_SIEVE, CT_POLICY_S3FIFO, CT_POLICY_ARC};
  uint64_t random = test_seed();
  for (size_t p = 0; p < COUNT_OF(policies); p++) {
    fixture f;
    ct_options options = fixture_options(&f, policies[p], 60);
    options.shards = p % 2 == 0 ? 4 : 1;
    options.listener = NULL;
    fixture_open(&f, &options);
    uint64_t reads = 0;
    uint64_t rejections = 0;
    for (int step = 0; step < 20000; step++) {
      uint64_t key = test_random_below(&random, 150);
      set_now(&f, f.clock.now + test_random_below(&random, 3));
      ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
      entry.flags = CT_ENTRY_TTL | CT_ENTRY_WEIGHT;
      entry.ttl = test_random_below(&random, 100);
      entry.weight = test_random_below(&random, 8);
      switch (test_random_below(&random, 12)) {
        case 0:
          ct_delete(f.cache, &key, sizeof(key));
          break;
        case 1:
          ct_popitem(f.cache, NULL, NULL);
          break;
        case 2:
          ct_resize(f.cache, 4 + test_random_below(&random, 100));
          break;
        case 3:
          ct_len(f.cache);
          break;
        case 4:
        case 5:
          ct_get(f.cache, &key, sizeof(key), NULL);
          reads++;
          break;
        default: {
          ct_status status = ct_set_with(f.cache, &key, sizeof(key), "v", 1, &entry);
          rejections += status == CT_NOT_STORED || status == CT_ERR_TOO_LARGE;
        }
      }
      if (step % 100 != 0) continue;
      uint64_t entries = ct_len(f.cache);
      ct_stats stats = stats_of(f.cache);
      assert_int_equal(stats.inserts,
                       entries + stats.evictions + stats.expirations + stats.removals);
      assert_int_equal(reads, stats.hits + stats.misses);
      assert_int_equal(rejections, stats.rejections);
    }
    fixture_close(&f);
  }
}

/* ---- Resetting, and not counting ------------------------------------------------------------ */

static void test_reset_counts_from_zero(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 2);
  set_text(f.cache, "a", "1");
  set_text(f.cache, "a", "2");
  use_text(f.cache, "a");
  use_text(f.cache, "x");
  set_text_weight(f.cache, "b", "3", 2);
  set_text_weight(f.cache, "c", "3", 3);
  assert_status(CT_OK, ct_cache_stats_reset(f.cache));
  assert_counted(f.cache, .hits = 0);
  use_text(f.cache, "b");
  delete_text(f.cache, "b");
  assert_counted(f.cache, .hits = 1, .removals = 1);
  assert_status(CT_OK, ct_cache_stats_reset(f.cache));
  assert_status(CT_OK, ct_cache_stats_reset(f.cache));
  assert_counted(f.cache, .hits = 0);
  fixture_close(&f);
}

static void test_reset_leaves_entries_alone(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 2);
  set_text(f.cache, "a", "1");
  set_text(f.cache, "b", "2");
  assert_status(CT_OK, ct_cache_stats_reset(f.cache));
  set_text(f.cache, "c", "3");
  assert_told(&f, "EVICTED a=1");
  assert_int_equal(2, ct_currsize(f.cache));
  assert_counted(f.cache, .inserts = 1, .evictions = 1, .evicted_weight = 1);
  fixture_close(&f);
}

static void test_clear_leaves_counters_alone(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 2);
  set_text(f.cache, "a", "1");
  use_text(f.cache, "a");
  ct_clear(f.cache);
  assert_counted(f.cache, .inserts = 1, .hits = 1, .removals = 1);
  fixture_close(&f);
}

static void test_no_stats_answers_zeros(void **state) {
  (void)state;
  fixture f;
  ct_options options = fixture_options(&f, CT_POLICY_LRU, 2);
  options.flags = CT_FLAG_NO_STATS;
  fixture_open(&f, &options);
  set_text(f.cache, "a", "1");
  set_text(f.cache, "b", "2");
  set_text(f.cache, "c", "3");
  use_text(f.cache, "c");
  use_text(f.cache, "x");
  delete_text(f.cache, "b");
  assert_counted(f.cache, .hits = 0);
  assert_status(CT_OK, ct_cache_stats_reset(f.cache));
  assert_counted(f.cache, .hits = 0);
  fixture_close(&f);
}

static void test_single_threaded_cache_counts_too(void **state) {
  (void)state;
  fixture f;
  ct_options options = fixture_options(&f, CT_POLICY_LRU, 2);
  options.flags = CT_FLAG_SINGLE_THREADED;
  fixture_open(&f, &options);
  set_text(f.cache, "a", "1");
  use_text(f.cache, "a");
  use_text(f.cache, "x");
  assert_counted(f.cache, .inserts = 1, .hits = 1, .misses = 1);
  fixture_close(&f);
}

/* ---- The struct ----------------------------------------------------------------------------- */

static void test_stats_of_wrong_size_are_invalid(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 2);
  const size_t sizes[] = {0, 1, 8, sizeof(ct_stats) - 8, sizeof(ct_stats) - 1};
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    ct_stats stats = CT_STATS_INIT;
    stats.struct_size = sizes[i];
    assert_status(CT_ERR_INVALID, ct_cache_stats(f.cache, &stats));
  }
  fixture_close(&f);
}

static void test_stats_of_later_release_are_filled_as_far_as_known(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 2);
  set_text(f.cache, "a", "1");
  struct {
    ct_stats known;
    uint64_t tail[2];
  } stats = {.known = CT_STATS_INIT};
  stats.known.struct_size = sizeof(stats);
  assert_status(CT_OK, ct_cache_stats(f.cache, &stats.known));
  assert_int_equal(sizeof(stats), stats.known.struct_size);
  assert_int_equal(1, stats.known.inserts);
  assert_int_equal(0, stats.tail[0]);
  assert_int_equal(0, stats.tail[1]);
  stats.tail[1] = 1;
  assert_status(CT_ERR_INVALID, ct_cache_stats(f.cache, &stats.known));
  fixture_close(&f);
}

static void test_stats_overwrite_what_was_there(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 2);
  ct_stats stats;
  memset(&stats, 0xa5, sizeof(stats));
  stats.struct_size = sizeof(stats);
  const ct_stats zeros = CT_STATS_INIT;
  assert_status(CT_OK, ct_cache_stats(f.cache, &stats));
  assert_memory_equal(&zeros, &stats, sizeof(stats));
  fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_new_cache_has_counted_nothing),
      cmocka_unit_test(test_get_counts_hit_or_miss),
      cmocka_unit_test(test_get_copy_counts_hit_or_miss),
      cmocka_unit_test(test_get_copy_too_small_counts_nothing),
      cmocka_unit_test(test_looking_without_use_counts_nothing),
      cmocka_unit_test(test_reading_expired_is_a_miss),
      cmocka_unit_test(test_setdefault_counts_one_hit_or_one_miss),
      cmocka_unit_test(test_setdefault_that_is_refused_counts_a_miss_and_a_rejection),
      cmocka_unit_test(test_invalid_calls_count_nothing),
      cmocka_unit_test(test_set_counts_insert_or_update),
      cmocka_unit_test(test_set_over_expired_counts_insert_and_expiration),
      cmocka_unit_test(test_condition_that_fails_counts_nothing),
      cmocka_unit_test(test_too_large_counts_a_rejection),
      cmocka_unit_test(test_dead_on_arrival_counts_a_rejection),
      cmocka_unit_test(test_dead_on_arrival_that_replaces_counts_a_removal_too),
      cmocka_unit_test(test_growing_entry_that_is_its_own_victim_counts_as_evicted),
      cmocka_unit_test(test_want_of_room_counts_evictions_and_their_weight),
      cmocka_unit_test(test_popitem_counts_an_eviction),
      cmocka_unit_test(test_resize_counts_evictions),
      cmocka_unit_test(test_expire_counts_expirations_alone),
      cmocka_unit_test(test_set_lifetime_of_zero_counts_an_expiration),
      cmocka_unit_test(test_delete_and_pop_count_removals_alone),
      cmocka_unit_test(test_delete_of_expired_counts_an_expiration_once),
      cmocka_unit_test(test_remove_if_counts_removals),
      cmocka_unit_test(test_clear_counts_removals_and_expirations_apart),
      cmocka_unit_test(test_inserts_are_entries_and_departures),
      cmocka_unit_test(test_reset_counts_from_zero),
      cmocka_unit_test(test_reset_leaves_entries_alone),
      cmocka_unit_test(test_clear_leaves_counters_alone),
      cmocka_unit_test(test_no_stats_answers_zeros),
      cmocka_unit_test(test_single_threaded_cache_counts_too),
      cmocka_unit_test(test_stats_of_wrong_size_are_invalid),
      cmocka_unit_test(test_stats_of_later_release_are_filled_as_far_as_known),
      cmocka_unit_test(test_stats_overwrite_what_was_there),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
