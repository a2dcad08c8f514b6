/* SPDX-License-Identifier: MIT */
/* Weights and clocks at the ends of their ranges. */
#include "fixture.h"

/* ---- Extreme weights ------------------------------------------------------------------------ */

TEST(maxsize_zero_keeps_only_what_weighs_nothing) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 0);
  assert_status(CT_ERR_TOO_LARGE, set_text(cache, "b", "2"));
  assert_status(CT_OK, set_text_weight(cache, "c", "3", 0));
  assert_int_equal(1, ct_len(cache));
  assert_text(cache, "c", "3");
  ct_cache_free(cache);
}

TEST(weigher_answering_zero_needs_no_room) {
  ct_cache *cache = cache_of(.maxsize = 1, .weigher = weigh_by_value);
  assert_status(CT_OK, set_weighed(cache, 0, 1));
  for (uint64_t key = 1; key < 100; key++) assert_status(CT_OK, set_weighed(cache, key, 0));
  assert_int_equal(100, ct_len(cache));
  assert_int_equal(1, ct_currsize(cache));
  ct_cache_free(cache);
}

TEST(weigher_answering_the_maximum_is_too_large) {
  ct_cache *cache = cache_of(.maxsize = UINT64_MAX - 1, .weigher = weigh_by_value);
  assert_status(CT_OK, set_weighed(cache, 1, 5));
  assert_status(CT_ERR_TOO_LARGE, set_weighed(cache, 1, UINT64_MAX));
  assert_status(CT_ERR_TOO_LARGE, set_weighed(cache, 2, UINT64_MAX));
  assert_int_equal(1, ct_len(cache));
  assert_int_equal(5, ct_currsize(cache));
  ct_cache_free(cache);
}

TEST(weights_near_the_maximum_do_not_wrap) {
  const uint64_t sizes[] = {UINT64_MAX, UINT64_MAX - 1, ((uint64_t)1 << 63) + 1, (uint64_t)1 << 63,
                            INT64_MAX};
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    ct_cache *cache = cache_of(.maxsize = sizes[i], .weigher = weigh_by_value);
    assert_status(CT_OK, set_weighed(cache, 1, sizes[i]));
    assert_true(ct_currsize(cache) == sizes[i]);
    assert_status(CT_OK, set_weighed(cache, 2, 2));
    assert_true(ct_currsize(cache) == 2);
    assert_status(CT_OK, set_weighed(cache, 3, sizes[i] - 2));
    assert_true(ct_currsize(cache) == sizes[i]);
    assert_int_equal(2, ct_len(cache));
    assert_status(CT_OK, set_weighed(cache, 4, sizes[i] - 1));
    assert_true(ct_currsize(cache) == sizes[i] - 1);
    assert_int_equal(1, ct_len(cache));
    ct_cache_free(cache);
  }
}

TEST(count_of_evicted_weight_near_the_maximum_goes_on) {
  ct_cache *cache = cache_of(.maxsize = UINT64_MAX - 1, .weigher = weigh_by_value);
  assert_status(CT_OK, set_weighed(cache, 1, UINT64_MAX - 1));
  assert_status(CT_OK, set_weighed(cache, 2, 1));
  assert_true(stats_of(cache).evicted_weight == UINT64_MAX - 1);
  ct_cache_free(cache);
}

/* ---- Extreme clocks ------------------------------------------------------------------------- */

TEST(timer_at_the_maximum_expires_only_what_has_a_deadline) {
  fixture late;
  open_lru(&late, 8);
  assert_status(CT_OK, set_text(late.cache, "always", "1"));
  assert_status(CT_OK, set_text_ttl(late.cache, "never", "2", CT_NEVER));
  assert_status(CT_OK, set_text_ttl(late.cache, "soon", "3", 5));
  assert_status(CT_OK, set_text_deadline(late.cache, "late", "4", CT_NEVER - 1));
  set_now(&late, CT_NEVER);
  assert_text_quietly(late.cache, "always", "1");
  assert_text_quietly(late.cache, "never", "2");
  assert_text_quietly(late.cache, "soon", NULL);
  assert_text_quietly(late.cache, "late", NULL);
  assert_int_equal(2, ct_len(late.cache));
  assert_told(&late, "EXPIRED soon=3, EXPIRED late=4");
  fixture_close(&late);
}

TEST(timer_at_the_maximum_stores_for_ever) {
  fixture late;
  ct_options options = fixture_options(&late, CT_POLICY_TTL, 8);
  options.ttl = 5;
  set_now(&late, CT_NEVER);
  fixture_open(&late, &options);
  assert_status(CT_OK, set_text(late.cache, "b", "1"));
  assert_true(info_of(late.cache, "b").deadline == CT_NEVER);
  assert_text(late.cache, "b", "1");
  fixture_close(&late);
}

TEST(timer_that_jumps_loses_nothing) {
  fixture jumpy;
  open_fixture(&jumpy, .policy = CT_POLICY_TTL, .maxsize = 1000, .ttl = 10);
  uint64_t random = test_seed();
  for (int i = 0; i < 20000; i++) {
    /* Readings of every magnitude, back and forth. */
    set_now(&jumpy, test_random(&random) >> test_random_below(&random, 64));
    uint64_t key = test_random_below(&random, 100);
    assert_status(CT_OK, set_number(jumpy.cache, key, &key, sizeof(key)));
    uint64_t found = 0;
    size_t size;
    assert_status(CT_OK, ct_get_copy(jumpy.cache, &key, sizeof(key), &found, sizeof(found), &size));
    assert_int_equal(key, found);
    jumpy.log[0] = '\0';
  }
  ct_clear(jumpy.cache);
  ct_stats stats = stats_of(jumpy.cache);
  assert_int_equal(0, stats.evictions);
  assert_int_equal(stats.inserts, stats.expirations + stats.removals);
  fixture_close(&jumpy);
}
