/* SPDX-License-Identifier: MIT */
/* What each counter counts, by small scenarios; that the counters agree; resetting, and not
 * counting. */
#include "fixture.h"

/* ---- Reading -------------------------------------------------------------------------------- */

FIXTURE_TEST(new_cache_has_counted_nothing, open_lru(f, 8)) {
  assert_counted(f->cache, .hits = 0);
}

FIXTURE_TEST(get_counts_hit_or_miss, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  use_text(f->cache, "a");
  use_text(f->cache, "x");
  assert_text(f->cache, "a", "1");
  assert_counted(f->cache, .inserts = 1, .hits = 2, .misses = 1);
}

FIXTURE_TEST(get_copy_counts_hit_or_miss, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  char byte;
  ct_get_copy(f->cache, "a", 1, &byte, 1, NULL);
  ct_get_copy(f->cache, "x", 1, &byte, 1, NULL);
  assert_counted(f->cache, .inserts = 1, .hits = 1, .misses = 1);
}

FIXTURE_TEST(get_copy_too_small_counts_nothing, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  assert_status(CT_ERR_BUFFER, ct_get_copy(f->cache, "a", 1, NULL, 0, NULL));
  assert_counted(f->cache, .inserts = 1);
}

FIXTURE_TEST(looking_without_use_counts_nothing, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  assert_text_quietly(f->cache, "a", "1");
  assert_text_quietly(f->cache, "x", NULL);
  has_text(f->cache, "a");
  has_text(f->cache, "x");
  info_of(f->cache, "a");
  ct_len(f->cache);
  ct_currsize(f->cache);
  ct_set_lifetime(f->cache, "a", 1, 100);
  ct_set_lifetime(f->cache, "x", 1, 100);
  assert_counted(f->cache, .inserts = 1);
}

FIXTURE_TEST(reading_expired_is_a_miss, open_lru(f, 8)) {
  set_text_ttl(f->cache, "a", "1", 5);
  set_now(f, 5);
  use_text(f->cache, "a");
  assert_int_equal(0, stats_of(f->cache).hits);
  assert_int_equal(1, stats_of(f->cache).misses);
}

FIXTURE_TEST(setdefault_counts_one_hit_or_one_miss, open_lru(f, 8)) {
  ct_setdefault(f->cache, "a", 1, "1", 1, NULL);
  assert_counted(f->cache, .inserts = 1, .misses = 1);
  ct_setdefault(f->cache, "a", 1, "2", 1, NULL);
  assert_counted(f->cache, .inserts = 1, .misses = 1, .hits = 1);
}

FIXTURE_TEST(setdefault_that_is_refused_counts_a_miss_and_a_rejection, open_lru(f, 0)) {
  assert_status(CT_ERR_TOO_LARGE, ct_setdefault(f->cache, "a", 1, "1", 1, NULL));
  assert_counted(f->cache, .misses = 1, .rejections = 1);
}

FIXTURE_TEST(invalid_calls_count_nothing, open_lru(f, 8)) {
  ct_get(f->cache, NULL, 1, NULL);
  ct_set(f->cache, NULL, 1, NULL, 0);
  ct_set(f->cache, "a", 1, NULL, 1);
  ct_delete(f->cache, NULL, 1);
  assert_counted(f->cache, .hits = 0);
}

/* ---- Writing -------------------------------------------------------------------------------- */

FIXTURE_TEST(set_counts_insert_or_update, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  set_text(f->cache, "a", "3");
  assert_counted(f->cache, .inserts = 2, .updates = 1);
}

FIXTURE_TEST(set_over_expired_counts_insert_and_expiration, open_lru(f, 8)) {
  set_text_ttl(f->cache, "a", "1", 5);
  set_now(f, 5);
  set_text(f->cache, "a", "2");
  assert_counted(f->cache, .inserts = 2, .expirations = 1);
}

FIXTURE_TEST(condition_that_fails_counts_nothing, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  ct_entry_options options = entry_with(.flags = CT_ENTRY_IF_ABSENT);
  assert_status(CT_EXISTS, set_text_with(f->cache, "a", "2", &options));
  options.flags = CT_ENTRY_IF_PRESENT;
  assert_status(CT_MISS, set_text_with(f->cache, "b", "2", &options));
  assert_counted(f->cache, .inserts = 1);
}

FIXTURE_TEST(too_large_counts_a_rejection, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  set_text_weight(f->cache, "a", "2", 9);
  set_text_weight(f->cache, "b", "2", 9);
  assert_counted(f->cache, .inserts = 1, .rejections = 2);
}

FIXTURE_TEST(dead_on_arrival_counts_a_rejection, open_lru(f, 8)) {
  set_text_ttl(f->cache, "a", "1", 0);
  assert_counted(f->cache, .rejections = 1);
}

FIXTURE_TEST(dead_on_arrival_that_replaces_counts_a_removal_too, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  set_text_ttl(f->cache, "a", "2", 0);
  assert_counted(f->cache, .inserts = 1, .rejections = 1, .removals = 1);
}

FIXTURE_TEST(growing_entry_that_is_its_own_victim_counts_as_evicted, open_lru(f, 4)) {
  set_text_weight(f->cache, "a", "1", 2);
  set_text_weight(f->cache, "b", "2", 2);
  set_text_weight(f->cache, "a", "3", 3);
  assert_counted(f->cache, .inserts = 3, .evictions = 2, .evicted_weight = 4);
}

/* ---- Leaving -------------------------------------------------------------------------------- */

FIXTURE_TEST(want_of_room_counts_evictions_and_their_weight, open_lru(f, 10)) {
  set_text_weight(f->cache, "a", "1", 4);
  set_text_weight(f->cache, "b", "2", 5);
  set_text_weight(f->cache, "c", "3", 6);
  assert_counted(f->cache, .inserts = 3, .evictions = 2, .evicted_weight = 9);
}

FIXTURE_TEST(popitem_counts_an_eviction, open_lru(f, 10)) {
  set_text_weight(f->cache, "a", "1", 4);
  ct_popitem(f->cache, NULL, NULL);
  ct_popitem(f->cache, NULL, NULL);
  assert_counted(f->cache, .inserts = 1, .evictions = 1, .evicted_weight = 4);
}

FIXTURE_TEST(resize_counts_evictions, open_lru(f, 10)) {
  set_text_weight(f->cache, "a", "1", 4);
  set_text_weight(f->cache, "b", "2", 5);
  ct_resize(f->cache, 5);
  assert_counted(f->cache, .inserts = 2, .evictions = 1, .evicted_weight = 4);
}

FIXTURE_TEST(expire_counts_expirations_alone, open_lru(f, 10)) {
  set_text_ttl(f->cache, "a", "1", 5);
  set_text_ttl(f->cache, "b", "2", 6);
  set_now(f, 6);
  ct_expire(f->cache, CT_NOW, NULL, NULL);
  assert_counted(f->cache, .inserts = 2, .expirations = 2);
}

FIXTURE_TEST(set_lifetime_of_zero_counts_an_expiration, open_lru(f, 10)) {
  set_text(f->cache, "a", "1");
  ct_set_lifetime(f->cache, "a", 1, 0);
  assert_counted(f->cache, .inserts = 1, .expirations = 1);
}

FIXTURE_TEST(delete_and_pop_count_removals_alone, open_lru(f, 10)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  delete_text(f->cache, "a");
  delete_text(f->cache, "a");
  ct_pop(f->cache, "b", 1, NULL);
  ct_pop(f->cache, "b", 1, NULL);
  assert_counted(f->cache, .inserts = 2, .removals = 2);
}

FIXTURE_TEST(delete_of_expired_counts_an_expiration_once, open_lru(f, 10)) {
  set_text_ttl(f->cache, "a", "1", 5);
  set_now(f, 5);
  delete_text(f->cache, "a");
  ct_pop(f->cache, "a", 1, NULL);
  ct_len(f->cache);
  assert_counted(f->cache, .inserts = 1, .expirations = 1);
}

static bool match_all(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  return true;
}

FIXTURE_TEST(remove_if_counts_removals, open_lru(f, 10)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  ct_remove_if(f->cache, match_all, NULL);
  assert_counted(f->cache, .inserts = 2, .removals = 2);
}

FIXTURE_TEST(clear_counts_removals_and_expirations_apart, open_lru(f, 10)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  set_text_ttl(f->cache, "c", "3", 5);
  set_now(f, 5);
  ct_clear(f->cache);
  assert_counted(f->cache, .inserts = 3, .removals = 2, .expirations = 1);
}

/* ---- Sums ----------------------------------------------------------------------------------- */

TEST(inserts_are_entries_and_departures) {
  static const ct_policy policies[] = {CT_POLICY_LRU,   CT_POLICY_FIFO,    CT_POLICY_LFU,
                                       CT_POLICY_RR,    CT_POLICY_ANY,     CT_POLICY_MRU,
                                       CT_POLICY_CLOCK, CT_POLICY_SIEVE,   CT_POLICY_S3FIFO,
                                       CT_POLICY_ARC,   CT_POLICY_ADAPTIVE};
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
      ct_entry_options entry = entry_with(.flags = CT_ENTRY_TTL | CT_ENTRY_WEIGHT,
                                          .ttl = test_random_below(&random, 100),
                                          .weight = test_random_below(&random, 8));
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

FIXTURE_TEST(reset_counts_from_zero, open_lru(f, 2)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "a", "2");
  use_text(f->cache, "a");
  use_text(f->cache, "x");
  set_text_weight(f->cache, "b", "3", 2);
  set_text_weight(f->cache, "c", "3", 3);
  assert_status(CT_OK, ct_cache_stats_reset(f->cache));
  assert_counted(f->cache, .hits = 0);
  use_text(f->cache, "b");
  delete_text(f->cache, "b");
  assert_counted(f->cache, .hits = 1, .removals = 1);
  assert_status(CT_OK, ct_cache_stats_reset(f->cache));
  assert_status(CT_OK, ct_cache_stats_reset(f->cache));
  assert_counted(f->cache, .hits = 0);
}

FIXTURE_TEST(reset_leaves_entries_alone, open_lru(f, 2)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  assert_status(CT_OK, ct_cache_stats_reset(f->cache));
  set_text(f->cache, "c", "3");
  assert_told(f, "EVICTED a=1");
  assert_int_equal(2, ct_currsize(f->cache));
  assert_counted(f->cache, .inserts = 1, .evictions = 1, .evicted_weight = 1);
}

FIXTURE_TEST(clear_leaves_counters_alone, open_lru(f, 2)) {
  set_text(f->cache, "a", "1");
  use_text(f->cache, "a");
  ct_clear(f->cache);
  assert_counted(f->cache, .inserts = 1, .hits = 1, .removals = 1);
}

FIXTURE_TEST(no_stats_answers_zeros, open_fixture(f, .maxsize = 2, .flags = CT_FLAG_NO_STATS)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  set_text(f->cache, "c", "3");
  use_text(f->cache, "c");
  use_text(f->cache, "x");
  delete_text(f->cache, "b");
  assert_counted(f->cache, .hits = 0);
  assert_status(CT_OK, ct_cache_stats_reset(f->cache));
  assert_counted(f->cache, .hits = 0);
}

FIXTURE_TEST(single_threaded_cache_counts_too,
             open_fixture(f, .maxsize = 2, .flags = CT_FLAG_SINGLE_THREADED)) {
  set_text(f->cache, "a", "1");
  use_text(f->cache, "a");
  use_text(f->cache, "x");
  assert_counted(f->cache, .inserts = 1, .hits = 1, .misses = 1);
}

/* ---- Pins ----------------------------------------------------------------------------------- */

FIXTURE_TEST(pinned_is_what_is_held_now, open_lru(f, 2)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  ct_value values[5];
  assert_status(CT_OK, ct_get(f->cache, "a", 1, &values[0]));
  assert_int_equal(1, stats_of(f->cache).pinned);
  assert_status(CT_OK, ct_peek(f->cache, "a", 1, &values[1]));
  assert_status(CT_OK, ct_value_ref(&values[1], &values[2]));
  assert_int_equal(3, stats_of(f->cache).pinned);
  assert_status(CT_OK, ct_popitem(f->cache, &values[3], &values[4])); /* a key, too */
  assert_int_equal(5, stats_of(f->cache).pinned);
  /* A reset counts events from zero again; the values are held all the same. */
  assert_status(CT_OK, ct_clear(f->cache));
  assert_status(CT_OK, ct_cache_stats_reset(f->cache));
  assert_int_equal(5, stats_of(f->cache).pinned);
  for (uint64_t left = 5; left-- > 0;) {
    ct_value_release(&values[left]);
    assert_int_equal(left, stats_of(f->cache).pinned);
  }
}

FIXTURE_TEST(what_hands_no_value_out_leaves_nothing_pinned, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  use_text(f->cache, "a");
  ct_value value;
  assert_status(CT_MISS, ct_get(f->cache, "x", 1, &value));
  char byte;
  assert_status(CT_OK, ct_get_copy(f->cache, "a", 1, &byte, 1, NULL));
  assert_status(CT_OK, ct_setdefault(f->cache, "a", 1, "2", 1, NULL));
  assert_status(CT_OK, ct_pop(f->cache, "a", 1, NULL));
  assert_int_equal(0, stats_of(f->cache).pinned);
}

FIXTURE_TEST(walk_in_order_pins_what_it_has_not_passed, open_lru(f, 8)) {
  for (char key[] = "a"; key[0] <= 'c'; key[0]++) set_text(f->cache, key, "1");
  ct_iter *iter;
  assert_status(CT_OK, ct_iter_new(f->cache, CT_ORDER_COLDEST, &iter));
  assert_int_equal(3, stats_of(f->cache).pinned);
  ct_iter_free(iter);
  assert_int_equal(0, stats_of(f->cache).pinned);
}

FIXTURE_TEST(pinned_is_told_where_nothing_is_counted,
             open_fixture(f, .maxsize = 8, .flags = CT_FLAG_NO_STATS, .shards = 4)) {
  ct_value values[8];
  for (uint64_t key = 0; key < 8; key++) {
    set_number(f->cache, key, &key, sizeof(key));
    assert_status(CT_OK, ct_get(f->cache, &key, sizeof(key), &values[key]));
  }
  assert_counted(f->cache, .pinned = 8);
  for (int i = 0; i < 8; i++) ct_value_release(&values[i]);
  assert_counted(f->cache, .pinned = 0);
}

/* ---- The struct ----------------------------------------------------------------------------- */

FIXTURE_TEST(stats_of_wrong_size_are_invalid, open_lru(f, 2)) {
  const size_t sizes[] = {0, 1, 8, sizeof(ct_stats) - 8, sizeof(ct_stats) - 1};
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    ct_stats stats = CT_STATS_INIT;
    stats.struct_size = sizes[i];
    assert_status(CT_ERR_INVALID, ct_cache_stats(f->cache, &stats));
  }
}

FIXTURE_TEST(stats_of_later_release_are_filled_as_far_as_known, open_lru(f, 2)) {
  set_text(f->cache, "a", "1");
  struct {
    ct_stats known;
    uint64_t tail[2];
  } stats = {.known = CT_STATS_INIT};
  stats.known.struct_size = sizeof(stats);
  assert_status(CT_OK, ct_cache_stats(f->cache, &stats.known));
  assert_int_equal(sizeof(stats), stats.known.struct_size);
  assert_int_equal(1, stats.known.inserts);
  assert_int_equal(0, stats.tail[0]);
  assert_int_equal(0, stats.tail[1]);
  stats.tail[1] = 1;
  assert_status(CT_ERR_INVALID, ct_cache_stats(f->cache, &stats.known));
}

FIXTURE_TEST(stats_overwrite_what_was_there, open_lru(f, 2)) {
  ct_stats stats;
  memset(&stats, 0xa5, sizeof(stats));
  stats.struct_size = sizeof(stats);
  const ct_stats zeros = CT_STATS_INIT;
  assert_status(CT_OK, ct_cache_stats(f->cache, &stats));
  assert_memory_equal(&zeros, &stats, sizeof(stats));
}
