/* SPDX-License-Identifier: MIT */
/* Leases as one thread sees them, and what overtakes them. tests/threads/test_leases.c tests
 * waiting. */
#include "plan.h"

/* ---- Leases --------------------------------------------------------------------------------- */

FIXTURE_TEST(fulfilled_lease_is_kept, open_lru(f, 8)) {
  assert_fulfils(CT_OK, lease_text(f, "a"), "1", NULL);
  assert_text_quietly(f->cache, "a", "1");
  assert_counted(f->cache, .inserts = 1, .misses = 1, .loads = 1);
}

FIXTURE_TEST(fulfilment_without_out_is_kept, open_lru(f, 8)) {
  ct_lease *lease = NULL;
  assert_status(CT_LEASED, ct_get_or_lease(f->cache, "a", 1, 0, NULL, &lease));
  assert_status(CT_OK, ct_lease_fulfil(lease, "1", 1, NULL, NULL));
  assert_text_quietly(f->cache, "a", "1");
}

FIXTURE_TEST(fulfilment_without_out_that_is_not_kept_leaves_nothing, open_lru(f, 0)) {
  assert_status(CT_NOT_STORED, ct_lease_fulfil(lease_text(f, "a"), "1", 1, NULL, NULL));
  assert_int_equal(0, ct_len(f->cache));
}

FIXTURE_TEST(lease_has_a_key, open_lru(f, 8)) {
  char key[] = "some key";
  ct_lease *lease = lease_text(f, key);
  key[0] = 'x'; /* it was copied */
  ct_bytes bytes = {NULL, 77};
  ct_lease_key(lease, &bytes);
  assert_int_equal(8, bytes.size);
  assert_memory_equal("some key", bytes.data, 8);
  ct_lease_abandon(lease);

  assert_status(CT_LEASED, ct_get_or_lease(f->cache, NULL, 0, 0, NULL, &lease));
  ct_lease_key(lease, &bytes);
  assert_int_equal(0, bytes.size);
  assert_non_null(bytes.data);
  ct_lease_abandon(lease);
}

FIXTURE_TEST(lease_key_outlives_overtaking, open_lru(f, 8)) {
  ct_lease *lease = lease_text(f, "a");
  ct_clear(f->cache);
  ct_bytes bytes = {NULL, 0};
  ct_lease_key(lease, &bytes);
  assert_memory_equal("a", bytes.data, 1);
  ct_lease_abandon(lease);
}

FIXTURE_TEST(leased_key_is_busy, open_lru(f, 8)) {
  ct_lease *lease = lease_text(f, "a");
  static const uint64_t waits[] = {0, 1, 1000000};
  for (size_t i = 0; i < COUNT_OF(waits); i++) {
    ct_value out = poisoned_value();
    ct_lease *second = (ct_lease *)&out;
    assert_status(CT_BUSY, ct_get_or_lease(f->cache, "a", 1, waits[i], &out, &second));
    assert_holds_nothing(out);
    assert_null(second);
  }
  assert_counted(f->cache, .misses = 1);
  ct_lease_abandon(lease);
}

TEST(each_key_has_a_lease_of_its_own) {
  enum { kLeases = 500 };
  fixture f;
  open_fixture(&f, .maxsize = 1000, .shards = 2);
  uint64_t random = test_seed();
  ct_lease *leases[kLeases];
  uint64_t order[kLeases];
  for (uint64_t i = 0; i < kLeases; i++) {
    assert_status(CT_LEASED, ct_get_or_lease(f.cache, &i, sizeof(i), 0, NULL, &leases[i]));
    const uint64_t place = test_random_below(&random, i + 1);
    order[i] = order[place];
    order[place] = i;
  }
  for (uint64_t i = 0; i < kLeases; i++) {
    ct_lease *none = NULL;
    assert_status(CT_BUSY, ct_get_or_lease(f.cache, &i, sizeof(i), 0, NULL, &none));
  }
  for (uint64_t i = 0; i < kLeases; i++) {
    const uint64_t key = order[i];
    if (key % 3 == 0) {
      ct_lease_abandon(leases[key]);
    } else {
      assert_status(CT_OK, ct_lease_fulfil(leases[key], &key, sizeof(key), NULL, NULL));
    }
  }
  for (uint64_t i = 0; i < kLeases; i++)
    assert_true(ct_contains(f.cache, &i, sizeof(i)) == (i % 3 != 0));
  assert_counted(f.cache, .misses = kLeases, .loads = 333, .load_failures = 167, .inserts = 333);
  fixture_close(&f);
}

FIXTURE_TEST(lease_is_no_entry, open_lru(f, 1)) {
  set_text(f->cache, "b", "2");
  ct_lease *lease = lease_text(f, "a");
  assert_int_equal(1, ct_len(f->cache));
  assert_int_equal(1, ct_currsize(f->cache));
  assert_text_quietly(f->cache, "a", NULL);
  assert_text_quietly(f->cache, "b", "2");
  assert_told(f, "");
  ct_lease_abandon(lease);
}

FIXTURE_TEST(lease_is_fulfilled_with_entry_options, open_lru(f, 8)) {
  ct_lease *lease = lease_text(f, "a");
  set_now(f, 100);
  ct_entry_options options =
      entry_with(.flags = CT_ENTRY_TTL | CT_ENTRY_WEIGHT, .ttl = 5, .weight = 3);
  assert_fulfils(CT_OK, lease, "1", &options);
  assert_int_equal(105, info_of(f->cache, "a").deadline);
  assert_int_equal(3, info_of(f->cache, "a").weight);
  options = entry_with(.flags = CT_ENTRY_DEADLINE, .deadline = 200);
  assert_fulfils(CT_OK, lease_text(f, "b"), "1", &options);
  assert_int_equal(200, info_of(f->cache, "b").deadline);
}

FIXTURE_TEST(fulfilment_too_large_is_not_stored, open_lru(f, 8)) {
  ct_entry_options options = entry_with(.flags = CT_ENTRY_WEIGHT, .weight = 9);
  assert_fulfils(CT_NOT_STORED, lease_text(f, "a"), "1", &options);
  assert_false(has_text(f->cache, "a"));
  assert_counted(f->cache, .misses = 1, .loads = 1, .rejections = 1);
}

FIXTURE_TEST(fulfilment_dead_on_arrival_is_not_stored, open_lru(f, 8)) {
  ct_lease *lease = lease_text(f, "a");
  set_now(f, 100);
  ct_entry_options options = entry_with(.flags = CT_ENTRY_DEADLINE, .deadline = 100);
  assert_fulfils(CT_NOT_STORED, lease, "1", &options);
  assert_false(has_text(f->cache, "a"));
  assert_counted(f->cache, .misses = 1, .loads = 1, .rejections = 1, .load_ticks = 100);
}

FIXTURE_TEST(abandoned_lease_is_given_anew, open_lru(f, 8)) {
  ct_lease_abandon(lease_text(f, "a"));
  assert_false(has_text(f->cache, "a"));
  assert_fulfils(CT_OK, lease_text(f, "a"), "1", NULL);
  assert_counted(f->cache, .inserts = 1, .misses = 2, .loads = 1, .load_failures = 1);
}

TEST(abandoning_nothing_does_nothing) {
  ct_lease_abandon(NULL);
}

FIXTURE_TEST(loader_gives_way_to_the_next_after_abandonment, open_lru(f, 8)) {
  ct_lease_abandon(lease_text(f, "a"));
  plan plan = {.value = "1"};
  assert_loads(f, "a", &plan, "1");
}

FIXTURE_TEST(fulfilment_with_bad_arguments_gives_the_lease_up, open_lru(f, 8)) {
  ct_entry_options bad[4] = {CT_ENTRY_OPTIONS_INIT, CT_ENTRY_OPTIONS_INIT, CT_ENTRY_OPTIONS_INIT,
                             CT_ENTRY_OPTIONS_INIT};
  bad[0].struct_size = 8;
  bad[1].flags = 0x80000000u;
  bad[2].flags = CT_ENTRY_TTL | CT_ENTRY_DEADLINE;
  bad[3].reserved = 1;
  for (size_t i = 0; i < COUNT_OF(bad); i++) {
    ct_value out = poisoned_value();
    assert_status(CT_ERR_INVALID, ct_lease_fulfil(lease_text(f, "a"), "1", 1, &bad[i], &out));
    assert_holds_nothing(out);
  }
  ct_value out = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_lease_fulfil(lease_text(f, "a"), NULL, 1, NULL, &out));
  assert_holds_nothing(out);
  uint64_t failures = COUNT_OF(bad) + 1;
  if (sizeof(size_t) == 8) {
    out = poisoned_value();
    assert_status(CT_ERR_TOO_LARGE, ct_lease_fulfil(lease_text(f, "a"), "1", kTooLong, NULL, &out));
    assert_holds_nothing(out);
    failures++;
  }
  assert_false(has_text(f->cache, "a"));
  assert_counted(f->cache, .misses = failures, .load_failures = failures);
  assert_fulfils(CT_OK, lease_text(f, "a"), "1", NULL);
}

FIXTURE_TEST(fulfilment_takes_no_conditions, open_lru(f, 8)) {
  static const uint32_t conditions[] = {CT_ENTRY_IF_ABSENT, CT_ENTRY_IF_PRESENT};
  for (size_t i = 0; i < COUNT_OF(conditions); i++) {
    ct_entry_options options = entry_with(.flags = conditions[i]);
    assert_status(CT_ERR_INVALID, ct_lease_fulfil(lease_text(f, "a"), "1", 1, &options, NULL));
  }
}

FIXTURE_TEST(fulfilment_with_a_weight_is_invalid_where_memory_is_weighed,
             open_fixture(f, .maxsize = 1000, .weight_kind = CT_WEIGHT_MEMORY)) {
  ct_entry_options entry = entry_with(.flags = CT_ENTRY_WEIGHT);
  assert_status(CT_ERR_INVALID, ct_lease_fulfil(lease_text(f, "a"), "1", 1, &entry, NULL));
  assert_fulfils(CT_OK, lease_text(f, "a"), "1", NULL);
}

/* ---- Overtaking ----------------------------------------------------------------------------- */

TEST(overtaken_value_is_handed_back_and_not_stored) {
  for (size_t i = 0; i < kInvalidationCount; i++) {
    const key_call *way = &kInvalidations[i];
    fixture f;
    open_lru(&f, 8);
    ct_lease *lease = lease_text(&f, "a");
    assert_status(way->answer, way->run(f.cache, "a"));
    assert_fulfils(CT_NOT_STORED, lease, "loaded", NULL);
    assert_text_after(&f, way, way->leaves);
    assert_told(&f, "");
    ct_stats stats = stats_of(f.cache);
    assert_int_equal(1, stats.loads);
    assert_int_equal(0, stats.load_failures);
    assert_int_equal(way->leaves != NULL, stats.inserts);
    const bool is_refused = way->answer == CT_NOT_STORED || way->answer == CT_ERR_TOO_LARGE;
    assert_int_equal(is_refused, stats.rejections);
    fixture_close(&f);
  }
}

/* An entry that has expired, but was not reclaimed yet, counts as absent. */
TEST(invalidation_of_an_expired_entry_overtakes) {
  for (size_t i = 0; i < kInvalidationCount; i++) {
    const key_call *way = &kInvalidations[i];
    fixture f;
    open_lru(&f, 8);
    set_text_ttl(f.cache, "a", "expired", 5);
    set_now(&f, 5);
    ct_lease *lease = lease_text(&f, "a");
    assert_status(way->answer, way->run(f.cache, "a"));
    assert_fulfils(CT_NOT_STORED, lease, "loaded", NULL);
    assert_text_after(&f, way, way->leaves);
    fixture_close(&f);
  }
}

/* An entry that had expired when the load began may come back, as time may run backwards. A call
 * that changes nothing overtakes nothing, such as one that returns CT_EXISTS. */
TEST(invalidation_of_an_entry_that_came_back_overtakes) {
  for (size_t i = 0; i < kInvalidationCount; i++) {
    const key_call *way = &kInvalidations[i];
    fixture f;
    open_lru(&f, 8);
    set_now(&f, 1);
    set_text_ttl(f.cache, "a", "again", 5);
    set_now(&f, 6);
    ct_lease *lease = lease_text(&f, "a");
    set_now(&f, 1);
    way->run(f.cache, "a");
    const ct_status expected = way->scope == kAbsentKey ? CT_OK : CT_NOT_STORED;
    assert_fulfils(expected, lease, "loaded", NULL);
    if (way->scope == kAbsentKey) assert_text_after(&f, way, "loaded");
    fixture_close(&f);
  }
}

TEST(whoever_comes_after_overtaking_starts_anew) {
  for (size_t i = 0; i < kInvalidationCount; i++) {
    const key_call *way = &kInvalidations[i];
    if (way->leaves != NULL) continue;
    fixture f;
    open_lru(&f, 8);
    ct_lease *first = lease_text(&f, "a");
    way->run(f.cache, "a");
    ct_lease *second = lease_text(&f, "a");
    /* The two leases do not disturb each other. */
    assert_fulfils(CT_NOT_STORED, first, "old", NULL);
    assert_false(has_text(f.cache, "a"));
    ct_lease *none = NULL;
    assert_status(CT_BUSY, ct_get_or_lease(f.cache, "a", 1, 0, NULL, &none));
    assert_fulfils(CT_OK, second, "new", NULL);
    assert_text_quietly(f.cache, "a", "new");
    fixture_close(&f);
  }
}

/* A load in each of many shards. */
TEST(invalidation_of_everything_overtakes_every_load) {
  enum { kLoads = 64 };
  for (size_t i = 0; i < kInvalidationCount; i++) {
    const key_call *way = &kInvalidations[i];
    if (way->scope != kEveryKey) continue;
    fixture f;
    open_fixture(&f, .maxsize = 100, .shards = 8);
    ct_lease *leases[kLoads];
    for (uint64_t key = 0; key < kLoads; key++)
      assert_status(CT_LEASED, ct_get_or_lease(f.cache, &key, sizeof(key), 0, NULL, &leases[key]));
    way->run(f.cache, "a");
    for (uint64_t key = 0; key < kLoads; key++)
      assert_status(CT_NOT_STORED, ct_lease_fulfil(leases[key], "old", 3, NULL, NULL));
    assert_int_equal(0, ct_len(f.cache));
    fixture_close(&f);
  }
}

FIXTURE_TEST(overtaken_value_does_not_replace_a_newer_one, open_lru(f, 8)) {
  ct_lease *first = lease_text(f, "a");
  delete_text(f->cache, "a");
  assert_fulfils(CT_OK, lease_text(f, "a"), "new", NULL);
  assert_fulfils(CT_NOT_STORED, first, "old", NULL);
  assert_text_quietly(f->cache, "a", "new");
  assert_counted(f->cache, .inserts = 1, .misses = 2, .loads = 2);
}

FIXTURE_TEST(overtaken_lease_is_abandoned_as_any_other, open_lru(f, 8)) {
  ct_lease *first = lease_text(f, "a");
  ct_lease *other = lease_text(f, "b");
  ct_clear(f->cache);
  ct_lease_abandon(first);
  ct_lease *second = lease_text(f, "a");
  ct_lease_abandon(other);
  assert_fulfils(CT_OK, second, "1", NULL);
  assert_counted(f->cache, .inserts = 1, .misses = 3, .loads = 1, .load_failures = 2);
}

FIXTURE_TEST(what_invalidates_nothing_overtakes_nothing, open_lru(f, 8)) {
  ct_lease *lease = lease_text(f, "a");
  for (size_t i = 0; i < kOtherCallCount; i++)
    assert_status(kOtherCalls[i].answer, kOtherCalls[i].run(f->cache, "a"));
  set_text(f->cache, "aa", "1");
  ct_resize(f->cache, 7);
  assert_fulfils(CT_OK, lease, "1", NULL);
  assert_text_quietly(f->cache, "a", "1");
}

FIXTURE_TEST(write_after_fulfilment_overtakes_nothing, open_lru(f, 8)) {
  assert_fulfils(CT_OK, lease_text(f, "a"), "1", NULL);
  set_text(f->cache, "a", "2");
  assert_text_quietly(f->cache, "a", "2");
  delete_text(f->cache, "a");
  assert_fulfils(CT_OK, lease_text(f, "a"), "3", NULL);
  assert_text_quietly(f->cache, "a", "3");
}

/* ---- Bad input ------------------------------------------------------------------------------ */

FIXTURE_TEST(get_or_lease_of_bad_arguments_is_refused, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  ct_value out = poisoned_value();
  ct_lease *lease = (ct_lease *)&out;
  assert_status(CT_ERR_INVALID, ct_get_or_lease(NULL, "a", 1, 0, &out, &lease));
  assert_holds_nothing(out);
  assert_null(lease);
  out = poisoned_value();
  lease = (ct_lease *)&out;
  assert_status(CT_ERR_INVALID, ct_get_or_lease(f->cache, NULL, 1, 0, &out, &lease));
  assert_holds_nothing(out);
  assert_null(lease);
  out = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_get_or_lease(f->cache, "a", 1, 0, &out, NULL));
  assert_holds_nothing(out);
  if (sizeof(size_t) == 8) {
    out = poisoned_value();
    lease = (ct_lease *)&out;
    assert_status(CT_ERR_TOO_LARGE, ct_get_or_lease(f->cache, "a", kTooLong, 0, &out, &lease));
    assert_holds_nothing(out);
    assert_null(lease);
  }
  assert_counted(f->cache, .inserts = 1);
}

TEST(fulfilling_nothing_is_invalid) {
  ct_value out = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_lease_fulfil(NULL, "1", 1, NULL, &out));
  assert_holds_nothing(out);
}

TEST(nothing_has_no_key) {
  ct_bytes bytes = {"x", 77};
  ct_lease_key(NULL, &bytes);
  assert_null(bytes.data);
  assert_int_equal(0, bytes.size);
  fixture f;
  open_lru(&f, 8);
  ct_lease *lease = lease_text(&f, "a");
  ct_lease_key(lease, NULL);
  ct_lease_abandon(lease);
  fixture_close(&f);
}
