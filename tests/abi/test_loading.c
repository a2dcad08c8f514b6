/* SPDX-License-Identifier: MIT */
/* Loading, as one thread sees it: loaders and what they hand back, what is counted, and when the
 * time is read. tests/threads/test_loading.c tests waiting. */
#include "plan.h"

/* ---- Hit and load --------------------------------------------------------------------------- */

FIXTURE_TEST(hit_calls_no_loader, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  plan plan = {.value = "2"};
  assert_loads(f, "a", &plan, "1");
  assert_int_equal(0, plan.calls);
  assert_counted(f->cache, .inserts = 1, .hits = 1);
}

FIXTURE_TEST(hit_is_a_use, open_lru(f, 2)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  plan plan = {.value = "3"};
  assert_loads(f, "a", &plan, "1");
  assert_loads(f, "c", &plan, "3");
  assert_told(f, "EVICTED b=2");
}

FIXTURE_TEST(hit_by_lease_is_a_use, open_lru(f, 2)) {
  set_text(f->cache, "a", "1");
  set_text(f->cache, "b", "2");
  ct_value out = poisoned_value();
  ct_lease *lease = (ct_lease *)&out;
  assert_status(CT_OK, ct_get_or_lease(f->cache, "a", 1, 0, &out, &lease));
  assert_value("1", out);
  assert_null(lease);
  ct_value_release(&out);
  set_text(f->cache, "c", "3");
  assert_told(f, "EVICTED b=2");
}

FIXTURE_TEST(miss_is_loaded_and_kept, open_lru(f, 8)) {
  plan plan = {.value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_loads(f, "a", &plan, "1");
  assert_int_equal(1, plan.calls);
  assert_text_quietly(f->cache, "a", "1");
  assert_counted(f->cache, .inserts = 1, .hits = 1, .misses = 1, .loads = 1);
}

FIXTURE_TEST(load_without_out_is_kept, open_lru(f, 8)) {
  plan plan = {.value = "1"};
  assert_status(CT_OK, load_text(f, "a", &plan, NULL));
  assert_status(CT_OK, load_text(f, "a", &plan, NULL));
  assert_int_equal(1, plan.calls);
  assert_text_quietly(f->cache, "a", "1");
}

FIXTURE_TEST(loader_is_shown_the_key, open_lru(f, 8)) {
  plan plan = {.value = "1"};
  load_text(f, "the key", &plan, NULL);
  assert_string_equal("the key", plan.key);
}

static ct_status load_if_key_has_address(void *user_data, const void *key, size_t key_size,
                                         ct_result *result) {
  (void)user_data;
  if (key == NULL || key_size != 0) return CT_ERR_INTERNAL;
  return ct_result_set(result, NULL, 0);
}

FIXTURE_TEST(empty_key_and_value_are_loaded, open_lru(f, 8)) {
  ct_value out = poisoned_value();
  assert_status(CT_OK, ct_get_or_load(f->cache, NULL, 0, load_if_key_has_address, NULL, &out));
  assert_non_null(out.data);
  assert_int_equal(0, out.size);
  ct_value_release(&out);
  assert_true(ct_contains(f->cache, NULL, 0));
}

FIXTURE_TEST(expired_entry_is_loaded_anew, open_lru(f, 8)) {
  set_text_ttl(f->cache, "a", "1", 5);
  set_now(f, 5);
  plan plan = {.value = "2"};
  assert_loads(f, "a", &plan, "2");
  assert_told(f, "EXPIRED a=1");
  assert_counted(f->cache, .inserts = 2, .misses = 1, .loads = 1, .expirations = 1);
}

FIXTURE_TEST(load_evicts_for_room, open_lru(f, 1)) {
  set_text(f->cache, "a", "1");
  plan plan = {.value = "2"};
  assert_loads(f, "b", &plan, "2");
  assert_told(f, "EVICTED a=1");
}

TEST(loaded_value_outlives_eviction_clear_and_cache) {
  fixture f;
  open_lru(&f, 1);
  plan plan = {.value = "1"};
  ct_value evicted = CT_VALUE_INIT, cleared = CT_VALUE_INIT, left = CT_VALUE_INIT;
  assert_status(CT_OK, load_text(&f, "a", &plan, &evicted));
  plan.value = "2";
  assert_status(CT_OK, load_text(&f, "b", &plan, &cleared));
  ct_clear(f.cache);
  plan.value = "3";
  assert_status(CT_OK, load_text(&f, "c", &plan, &left));
  fixture_close(&f);
  assert_value("1", evicted);
  assert_value("2", cleared);
  assert_value("3", left);
  ct_value_release(&evicted);
  ct_value_release(&cleared);
  ct_value_release(&left);
}

static ct_status load_zeros(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)key, (void)key_size;
  static const char zeros[kLarge];
  return ct_result_set(result, zeros, *(size_t *)user_data);
}

FIXTURE_TEST(value_of_any_size_is_loaded, open_lru(f, 100)) {
  f->log[0] = '\0';
  size_t sizes[] = {0, 1, 8, 255, 256, 257, 1024, 16383, 16384, 16385, kLarge};
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    for (int again = 0; again < 2; again++) {
      ct_value out = poisoned_value();
      assert_status(CT_OK, ct_get_or_load(f->cache, &i, sizeof(i), load_zeros, &sizes[i], &out));
      assert_int_equal(sizes[i], out.size);
      assert_int_equal(0, (uintptr_t)out.data % 8);
      for (size_t k = 0; k < out.size; k++) assert_int_equal(0, ((const char *)out.data)[k]);
      ct_value_release(&out);
    }
  }
  assert_int_equal(COUNT_OF(sizes), stats_of(f->cache).loads);
}

TEST(every_policy_loads) {
  static const ct_policy policies[] = {CT_POLICY_LRU,    CT_POLICY_FIFO,  CT_POLICY_LFU,
                                       CT_POLICY_RR,     CT_POLICY_TTL,   CT_POLICY_ANY,
                                       CT_POLICY_MRU,    CT_POLICY_CLOCK, CT_POLICY_SIEVE,
                                       CT_POLICY_S3FIFO, CT_POLICY_ARC,   CT_POLICY_ADAPTIVE};
  for (size_t p = 0; p < COUNT_OF(policies); p++) {
    for (uint32_t shards = 1; shards <= 4; shards *= 4) {
      fixture f;
      ct_options options = fixture_options(&f, policies[p], 16);
      options.shards = shards;
      options.ttl = 100;
      options.listener = NULL;
      fixture_open(&f, &options);
      for (int i = 0; i < 100; i++) {
        char key[8];
        snprintf(key, sizeof(key), "%d", i);
        plan plan = {.value = key};
        assert_loads(&f, key, &plan, key);
        assert_loads(&f, key, &plan, key);
      }
      assert_counted(f.cache, .inserts = 100, .misses = 100, .hits = 100, .loads = 100,
                     .evictions = 84, .evicted_weight = 84);
      fixture_close(&f);
    }
  }
}

/* ---- Failing loaders ------------------------------------------------------------------------ */

FIXTURE_TEST(failure_is_handed_back_as_it_came, open_lru(f, 8)) {
  for (size_t i = 0; i <= kFailureCount; i++) {
    const ct_status answer = i < kFailureCount ? kFailures[i] : CT_MISS;
    plan plan = {.answer = answer};
    assert_load_fails(answer, f, "a", &plan);
    assert_int_equal(1, plan.calls);
    assert_false(has_text(f->cache, "a"));
  }
  assert_counted(f->cache, .misses = kFailureCount + 1, .load_failures = kFailureCount + 1);
}

FIXTURE_TEST(answer_in_the_reserved_range_is_the_callbacks_fault, open_lru(f, 8)) {
  for (size_t i = 0; i <= kReservedForLoaders; i++) {
    plan plan = {.value = "1", .answer = i < kReservedForLoaders ? kReserved[i] : CT_NOT_STORED};
    assert_load_fails(CT_ERR_CALLBACK, f, "a", &plan);
    assert_false(has_text(f->cache, "a"));
  }
  assert_counted(f->cache, .misses = kReservedForLoaders + 1,
                 .load_failures = kReservedForLoaders + 1);
}

FIXTURE_TEST(loader_may_say_that_it_was_cancelled, open_lru(f, 8)) {
  plan plan = {.value = "1", .answer = CT_BUSY};
  assert_load_fails(CT_BUSY, f, "a", &plan);
  assert_false(has_text(f->cache, "a"));
  assert_counted(f->cache, .misses = 1, .load_failures = 1);
}

FIXTURE_TEST(done_without_a_value_is_the_callbacks_fault, open_lru(f, 8)) {
  plan plan = {.value = NULL, .answer = CT_OK};
  assert_load_fails(CT_ERR_CALLBACK, f, "a", &plan);
  assert_false(has_text(f->cache, "a"));
  assert_counted(f->cache, .misses = 1, .load_failures = 1);
}

FIXTURE_TEST(value_of_a_failing_loader_is_not_kept, open_lru(f, 8)) {
  plan plan = {.value = "1", .answer = CT_MISS};
  assert_load_fails(CT_MISS, f, "a", &plan);
  assert_false(has_text(f->cache, "a"));
}

FIXTURE_TEST(failure_is_not_remembered, open_lru(f, 8)) {
  plan plan = {.answer = CT_ERR_IO};
  assert_load_fails(CT_ERR_IO, f, "a", &plan);
  plan.value = "1";
  plan.answer = CT_OK;
  assert_loads(f, "a", &plan, "1");
  assert_counted(f->cache, .misses = 2, .load_failures = 1, .loads = 1, .inserts = 1);
}

FIXTURE_TEST(failing_load_evicts_nothing, open_lru(f, 1)) {
  set_text(f->cache, "a", "1");
  plan plan = {.answer = CT_MISS};
  assert_load_fails(CT_MISS, f, "b", &plan);
  assert_told(f, "");
  assert_text_quietly(f->cache, "a", "1");
}

/* ---- Results -------------------------------------------------------------------------------- */

static void set_long_and_short(plan *self, ct_result *result) {
  static const char zeros[kLarge];
  self->seen = ct_result_set(result, zeros, sizeof(zeros));
  ct_result_set(result, "short", 5);
  ct_result_set(result, zeros, 300);
  ct_result_set(result, NULL, 0);
}

FIXTURE_TEST(last_value_set_counts, open_lru(f, 8)) {
  plan plan = {.act = set_long_and_short, .value = "last"};
  assert_loads(f, "a", &plan, "last");
  assert_status(CT_OK, plan.seen);
  plan.value = NULL;
  assert_loads(f, "b", &plan, "");
}

static void set_null(plan *self, ct_result *result) {
  ct_result_set(result, "before", 6);
  self->seen = ct_result_set(result, NULL, 1);
}

FIXTURE_TEST(setting_null_fails_the_load, open_lru(f, 8)) {
  plan plan = {.act = set_null};
  assert_load_fails(CT_ERR_INVALID, f, "a", &plan);
  assert_status(CT_ERR_INVALID, plan.seen);
  assert_false(has_text(f->cache, "a"));
}

static void set_too_long(plan *self, ct_result *result) {
  ct_result_set(result, "before", 6);
  self->seen = ct_result_set(result, "x", kTooLong);
}

TEST(setting_too_many_bytes_fails_the_load) {
  if (sizeof(size_t) < 8) return;
  fixture f;
  open_lru(&f, 8);
  plan plan = {.act = set_too_long};
  assert_load_fails(CT_ERR_TOO_LARGE, &f, "a", &plan);
  assert_status(CT_ERR_TOO_LARGE, plan.seen);
  assert_false(has_text(f.cache, "a"));
  fixture_close(&f);
}

FIXTURE_TEST(own_failure_goes_before_that_of_setting, open_lru(f, 8)) {
  plan plan = {.act = set_null, .answer = (ct_status)-1234};
  assert_load_fails((ct_status)-1234, f, "a", &plan);
}

FIXTURE_TEST(value_set_after_a_failure_counts, open_lru(f, 8)) {
  plan plan = {.act = set_null, .value = "after"};
  assert_loads(f, "a", &plan, "after");
}

static void fail_to_set(plan *self, ct_result *result) {
  static const char zeros[1000];
  test_allocator *allocator = (test_allocator *)(uintptr_t)self->number;
  allocator->fail_at = allocator->calls;
  self->seen = ct_result_set(result, zeros, sizeof(zeros));
}

TEST(no_memory_for_the_result_fails_the_load) {
  fixture f;
  test_allocator allocator;
  test_allocator_init(&allocator);
  open_fixture(&f, .maxsize = 8, .allocator = &allocator.hooks);
  plan plan = {.act = fail_to_set, .number = (uintptr_t)&allocator};
  assert_load_fails(CT_ERR_NOMEM, &f, "a", &plan);
  assert_status(CT_ERR_NOMEM, plan.seen);
  assert_false(has_text(f.cache, "a"));
  fixture_close(&f);
  assert_int_equal(0, allocator.blocks);
}

TEST(functions_of_no_result_do_nothing) {
  assert_status(CT_ERR_INVALID, ct_result_set(NULL, "1", 1));
  ct_result_ttl(NULL, 1);
  ct_result_deadline(NULL, 1);
  ct_result_weight(NULL, 1);
  ct_result_discard(NULL);
}

FIXTURE_TEST(ttl_of_the_cache_counts_from_the_return_of_the_loader,
             open_fixture(f, .maxsize = 8, .ttl = 7)) {
  set_now(f, 100);
  plan plan = {.act = take_time, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_int_equal(117, info_of(f->cache, "a").deadline);
}

FIXTURE_TEST(tti_of_the_cache_counts_from_the_return_of_the_loader,
             open_fixture(f, .maxsize = 8, .tti = 7)) {
  set_now(f, 100);
  plan plan = {.act = take_time, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_int_equal(117, info_of(f->cache, "a").deadline);
}

static uint64_t live_three_ticks(void *user_data, const void *key, size_t key_size,
                                 const void *value, size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  return now + 3;
}

FIXTURE_TEST(ttu_of_the_cache_is_asked_after_the_return_of_the_loader,
             open_fixture(f, .maxsize = 8, .ttu = live_three_ticks)) {
  set_now(f, 100);
  plan plan = {.act = take_time, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_int_equal(113, info_of(f->cache, "a").deadline);
}

static void set_ttl(plan *self, ct_result *result) {
  ct_result_ttl(result, self->number);
}

FIXTURE_TEST(result_ttl_of_never_overrides_that_of_the_cache,
             open_fixture(f, .maxsize = 8, .ttl = 7)) {
  plan plan = {.act = set_ttl, .number = CT_NEVER, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_int_equal(CT_NEVER, info_of(f->cache, "a").deadline);
}

static void set_deadline_then_ttl(plan *self, ct_result *result) {
  (void)self;
  ct_result_deadline(result, 150);
  ct_result_ttl(result, 20);
}

static void set_ttl_then_deadline(plan *self, ct_result *result) {
  (void)self;
  ct_result_ttl(result, 20);
  ct_result_deadline(result, 150);
}

FIXTURE_TEST(last_of_ttl_and_deadline_counts, open_lru(f, 8)) {
  set_now(f, 100);
  plan plan = {.act = set_deadline_then_ttl, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_int_equal(120, info_of(f->cache, "a").deadline);
  plan.act = set_ttl_then_deadline;
  assert_loads(f, "b", &plan, "1");
  assert_int_equal(150, info_of(f->cache, "b").deadline);
}

FIXTURE_TEST(result_weight_counts_against_maxsize, open_lru(f, 8)) {
  set_text_weight(f->cache, "a", "1", 4);
  plan plan = {.act = set_weight, .number = 5, .value = "2"};
  assert_loads(f, "b", &plan, "2");
  assert_told(f, "EVICTED a=1");
  assert_int_equal(5, ct_currsize(f->cache));
  assert_int_equal(5, info_of(f->cache, "b").weight);
}

FIXTURE_TEST(weigher_weighs_what_is_loaded,
             open_fixture(f, .maxsize = 100, .weigher = weigh_by_value)) {
  plan plan = {.value = "\x07\x01\x01\x01\x01\x01\x01\x01"};
  assert_loads(f, "a", &plan, plan.value); /* weighs far more than 100 */
  assert_false(has_text(f->cache, "a"));
  assert_counted(f->cache, .misses = 1, .loads = 1, .rejections = 1);
}

FIXTURE_TEST(discarded_value_is_handed_back_and_not_kept, open_lru(f, 8)) {
  plan plan = {.act = discard, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_false(has_text(f->cache, "a"));
  assert_told(f, "");
  assert_loads(f, "a", &plan, "1");
  assert_int_equal(2, plan.calls);
  assert_counted(f->cache, .misses = 2, .loads = 2);
}

FIXTURE_TEST(too_large_value_is_handed_back_and_not_kept, open_lru(f, 8)) {
  set_text(f->cache, "b", "2");
  plan plan = {.act = set_weight, .number = 9, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_false(has_text(f->cache, "a"));
  assert_text_quietly(f->cache, "b", "2");
  assert_told(f, "");
  assert_counted(f->cache, .inserts = 1, .misses = 1, .loads = 1, .rejections = 1);
}

FIXTURE_TEST(cache_without_room_loads_each_time, open_lru(f, 0)) {
  plan plan = {.value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_loads(f, "a", &plan, "1");
  assert_int_equal(2, plan.calls);
}

TEST(large_value_beyond_maxsize_is_handed_back) {
  fixture f;
  open_fixture(&f, .maxsize = 100, .weight_kind = CT_WEIGHT_VALUE);
  size_t size = kLarge;
  ct_value out = poisoned_value();
  assert_status(CT_OK, ct_get_or_load(f.cache, "a", 1, load_zeros, &size, &out));
  assert_int_equal(kLarge, out.size);
  fixture_close(&f);
  assert_int_equal(0, ((const char *)out.data)[kLarge - 1]);
  ct_value_release(&out);
}

FIXTURE_TEST(value_dead_on_arrival_is_handed_back_and_not_kept, open_lru(f, 8)) {
  set_now(f, 100);
  plan plan = {.act = set_ttl, .number = 0, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  plan.act = set_deadline;
  plan.number = 100;
  assert_loads(f, "b", &plan, "1");
  assert_int_equal(0, ct_len(f->cache));
  assert_told(f, "");
  assert_counted(f->cache, .misses = 2, .loads = 2, .rejections = 2);
}

/* ---- Time ----------------------------------------------------------------------------------- */

FIXTURE_TEST(load_ticks_are_those_from_lease_to_fulfilment, open_lru(f, 8)) {
  set_now(f, 100);
  plan plan = {.act = take_time, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_loads(f, "b", &plan, "1");
  assert_int_equal(20, stats_of(f->cache).load_ticks);
  ct_lease *lease = lease_text(f, "c");
  set_now(f, 1000);
  assert_fulfils(CT_OK, lease, "1", NULL);
  assert_int_equal(900, stats_of(f->cache).load_ticks);
}

FIXTURE_TEST(failed_load_counts_no_ticks, open_lru(f, 8)) {
  plan plan = {.act = take_time, .answer = CT_ERR_IO};
  assert_load_fails(CT_ERR_IO, f, "a", &plan);
  assert_int_equal(0, stats_of(f->cache).load_ticks);
}

static void turn_back_time(plan *self, ct_result *result) {
  (void)result;
  set_now(self->f, self->number);
}

FIXTURE_TEST(load_ticks_do_not_run_backwards, open_lru(f, 8)) {
  set_now(f, 100);
  plan plan = {.act = turn_back_time, .number = 50, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_int_equal(0, stats_of(f->cache).load_ticks);
}

/* An expired entry that comes back while its key is loaded is replaced like any other. Storing
 * in place, which is done only without a listener and a pin, once forgot the lease. */
TEST(load_replaces_what_comes_back_as_time_runs_backwards) {
  for (int listens = 0; listens < 2; listens++) {
    fixture f;
    ct_options options = fixture_options(&f, CT_POLICY_LRU, 8);
    options.ttl = 10;
    if (listens == 0) options.listener = NULL;
    fixture_open(&f, &options);
    set_text(f.cache, "a", "1");
    set_now(&f, 10);
    plan plan = {.act = turn_back_time, .number = 5, .value = "2"};
    assert_loads(&f, "a", &plan, "2");
    assert_text_quietly(f.cache, "a", "2");
    assert_told(&f, listens == 0 ? "" : "REPLACED a=1");
    assert_counted(f.cache, .inserts = 1, .updates = 1, .misses = 1, .loads = 1);
    delete_text(f.cache, "a");
    ct_lease_abandon(lease_text(&f, "a"));
    fixture_close(&f);
  }
}

static uint64_t readings_of(fixture *f) {
  uint64_t readings = f->readings;
  f->readings = 0;
  return readings;
}

TEST(timer_is_read_at_most_twice_for_a_load) {
  static const uint64_t lifetimes[][2] = {{0, 0}, {50, 0}, {0, 50}, {50, 50}};
  for (size_t i = 0; i < COUNT_OF(lifetimes); i++) {
    fixture f;
    open_fixture(&f, .maxsize = 2, .timer = count_readings, .ttl = lifetimes[i][0],
                 .tti = lifetimes[i][1]);
    plan plan = {.value = "1"};
    assert_loads(&f, "a", &plan, "1");
    assert_in_range(readings_of(&f), 0, 2);
    assert_loads(&f, "b", &plan, "1");
    assert_loads(&f, "c", &plan, "1");
    assert_in_range(readings_of(&f), 0, 4);
    assert_loads(&f, "c", &plan, "1");
    assert_in_range(readings_of(&f), 0, 1);
    plan.answer = CT_MISS;
    assert_load_fails(CT_MISS, &f, "d", &plan);
    assert_in_range(readings_of(&f), 0, 2);
    ct_lease *lease = lease_text(&f, "e");
    assert_in_range(readings_of(&f), 0, 1);
    assert_fulfils(CT_OK, lease, "1", NULL);
    assert_in_range(readings_of(&f), 0, 1);
    ct_lease_abandon(lease_text(&f, "g"));
    assert_in_range(readings_of(&f), 0, 1);
    fixture_close(&f);
  }
}

FIXTURE_TEST(timer_is_not_read_for_a_hit_without_lifetimes,
             open_fixture(f, .maxsize = 2, .timer = count_readings)) {
  set_text(f->cache, "a", "1");
  plan plan = {.value = "2"};
  assert_loads(f, "a", &plan, "1");
  assert_int_equal(0, readings_of(f));
}

FIXTURE_TEST(loaded_value_expires,
             open_fixture(f, .policy = CT_POLICY_TTL, .maxsize = 8, .ttl = 10)) {
  plan plan = {.value = "1"};
  assert_loads(f, "a", &plan, "1");
  set_now(f, 9);
  assert_loads(f, "a", &plan, "1");
  assert_int_equal(1, plan.calls);
  set_now(f, 10);
  assert_loads(f, "a", &plan, "1");
  assert_int_equal(2, plan.calls);
}

/* ---- Statistics ----------------------------------------------------------------------------- */

FIXTURE_TEST(cache_without_statistics_loads,
             open_fixture(f, .maxsize = 8, .flags = CT_FLAG_NO_STATS)) {
  plan plan = {.act = take_time, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_loads(f, "a", &plan, "1");
  plan.answer = CT_MISS;
  assert_load_fails(CT_MISS, f, "b", &plan);
  assert_counted(f->cache, .hits = 0);
}

FIXTURE_TEST(reset_forgets_loads, open_lru(f, 8)) {
  plan plan = {.act = take_time, .value = "1"};
  assert_loads(f, "a", &plan, "1");
  plan.answer = CT_MISS;
  assert_load_fails(CT_MISS, f, "b", &plan);
  ct_cache_stats_reset(f->cache);
  assert_counted(f->cache, .hits = 0);
}

/* ---- Single-threaded caches ----------------------------------------------------------------- */

static void open_single_threaded(fixture *f) {
  open_fixture(f, .maxsize = 8, .flags = CT_FLAG_SINGLE_THREADED);
}

FIXTURE_TEST(single_threaded_cache_loads, open_single_threaded(f)) {
  plan plan = {.value = "1"};
  assert_loads(f, "a", &plan, "1");
  assert_loads(f, "a", &plan, "1");
  assert_fulfils(CT_OK, lease_text(f, "b"), "2", NULL);
  assert_counted(f->cache, .inserts = 2, .misses = 2, .loads = 2, .hits = 1);
}

FIXTURE_TEST(single_threaded_cache_never_waits_for_a_lease, open_single_threaded(f)) {
  ct_lease *lease = lease_text(f, "a");
  static const uint64_t waits[] = {0, 1, UINT64_MAX};
  for (size_t i = 0; i < COUNT_OF(waits); i++) {
    ct_value out = poisoned_value();
    ct_lease *second = (ct_lease *)&out;
    assert_status(CT_BUSY, ct_get_or_lease(f->cache, "a", 1, waits[i], &out, &second));
    assert_holds_nothing(out);
    assert_null(second);
  }
  plan plan = {.value = "1"};
  assert_load_fails(CT_BUSY, f, "a", &plan);
  assert_int_equal(0, plan.calls);
  assert_fulfils(CT_OK, lease, "1", NULL);
  assert_loads(f, "a", &plan, "1");
  assert_counted(f->cache, .inserts = 1, .misses = 1, .loads = 1, .hits = 1);
}

/* ---- Memory --------------------------------------------------------------------------------- */

static void delete_own_key(plan *self, ct_result *result) {
  (void)result;
  delete_text(self->f->cache, self->key);
}

TEST(load_that_keeps_nothing_leaves_no_memory_behind) {
  fixture f;
  test_allocator allocator;
  test_allocator_init(&allocator);
  open_fixture(&f, .maxsize = 1, .allocator = &allocator.hooks);
  /* The first round leaves memory behind that a cache keeps for later. */
  int64_t blocks = 0, bytes = 0;
  for (int round = 0; round < 3; round++) {
    plan plan = {.act = discard, .value = "1"};
    assert_loads(&f, "a", &plan, "1");
    plan.act = delete_own_key;
    assert_loads(&f, "a", &plan, "1");
    plan.answer = CT_ERR_IO;
    assert_load_fails(CT_ERR_IO, &f, "a", &plan);
    plan.act = set_long_and_short;
    assert_load_fails(CT_ERR_IO, &f, "a", &plan);
    ct_lease *leases[20];
    for (uint64_t i = 0; i < COUNT_OF(leases); i++)
      assert_status(CT_LEASED, ct_get_or_lease(f.cache, &i, sizeof(i), 0, NULL, &leases[i]));
    for (size_t i = 0; i < COUNT_OF(leases) / 2; i++) ct_lease_abandon(leases[i]);
    ct_clear(f.cache);
    for (size_t i = COUNT_OF(leases) / 2; i < COUNT_OF(leases); i++)
      assert_status(CT_NOT_STORED, ct_lease_fulfil(leases[i], "1", 1, NULL, NULL));
    if (round == 0) {
      blocks = allocator.blocks;
      bytes = allocator.bytes;
    }
    assert_int_equal(blocks, allocator.blocks);
    assert_int_equal(bytes, allocator.bytes);
    assert_int_equal(bytes, ct_memory(f.cache));
  }
  fixture_close(&f);
  assert_int_equal(0, allocator.blocks);
  assert_int_equal(0, allocator.bytes);
}
