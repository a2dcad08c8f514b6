/* SPDX-License-Identifier: MIT */
/* Negative caching: the cache remembers that a load has found no value. */
#include "plan.h"
#include "snapshots.h"

enum { kNegativeTtl = 10, kMaxsize = 32 };

static void open_negative(fixture *f) {
  open_fixture(f, .maxsize = kMaxsize, .negative_ttl = kNegativeTtl, .ttl = 100, .stale = 50,
               .retry = 5);
}

#define NEGATIVE_TEST(name) FIXTURE_TEST(name, open_negative(f))

static void assert_calls(int expected, fixture *f, const char *key) {
  plan finds_none = {.answer = CT_MISS};
  assert_load_fails(CT_MISS, f, key, &finds_none);
  assert_int_equal(expected, finds_none.calls);
}

/* Lets a load find that there is no value. */
static void find_none(fixture *f, const char *key) {
  assert_calls(1, f, key);
}

static void assert_remembered(fixture *f, const char *key) {
  assert_calls(0, f, key);
}

static void assert_forgotten(fixture *f, const char *key) {
  plan plan = {.value = "new"};
  assert_loads(f, key, &plan, "new");
  assert_int_equal(1, plan.calls);
}

/* ---- What is remembered --------------------------------------------------------------------- */

NEGATIVE_TEST(absent_value_is_loaded_once_in_its_time) {
  find_none(f, "a");
  for (int i = 1; i < kNegativeTtl; i++) {
    f->clock.now++;
    assert_remembered(f, "a");
  }
  assert_counted(f->cache, .misses = kNegativeTtl, .load_failures = 1,
                 .negative_hits = kNegativeTtl - 1);
  f->clock.now++;
  find_none(f, "a");
  assert_remembered(f, "a");
}

NEGATIVE_TEST(absence_is_of_one_key) {
  find_none(f, "a");
  assert_forgotten(f, "b");
  assert_forgotten(f, "");
  assert_remembered(f, "a");
}

NEGATIVE_TEST(empty_and_long_keys_are_remembered) {
  static char key[40000];
  memset(key, 'k', sizeof(key) - 1);
  find_none(f, "");
  find_none(f, key);
  assert_remembered(f, "");
  assert_remembered(f, key);
  key[0] = 0;
  plan plan = {.value = "1"};
  ct_value out;
  assert_status(CT_OK, ct_get_or_load(f->cache, key, sizeof(key), load, &plan, &out));
  ct_value_release(&out);
}

FIXTURE_TEST(without_negative_ttl_nothing_is_remembered, open_lru(f, 8)) {
  find_none(f, "a");
  find_none(f, "a");
  assert_int_equal(0, ct_currsize(f->cache));
}

FIXTURE_TEST(absence_may_be_remembered_for_ever,
             open_fixture(f, .maxsize = kMaxsize, .negative_ttl = CT_NEVER)) {
  find_none(f, "a");
  f->clock.now = CT_NEVER;
  assert_remembered(f, "a");
}

NEGATIVE_TEST(other_failures_are_not_remembered) {
  const ct_status failures[] = {CT_ERR_IO, (ct_status)1000, CT_BUSY, CT_ERR_RECURSION,
                                CT_ERR_CALLBACK};
  for (size_t i = 0; i < COUNT_OF(failures); i++) {
    plan fails = {.answer = failures[i]};
    assert_load_fails(failures[i], f, "a", &fails);
    assert_load_fails(failures[i], f, "a", &fails);
    assert_int_equal(2, fails.calls);
  }
}

/* ---- What forgets --------------------------------------------------------------------------- */

NEGATIVE_TEST(whatever_invalidates_a_key_forgets_its_absence) {
  for (size_t i = 0; i < kInvalidationCount; i++) {
    const key_call *call = &kInvalidations[i];
    find_none(f, "a");
    find_none(f, "b");
    assert_status(call->answer, call->run(f->cache, "a"));
    if (call->leaves == NULL) {
      assert_forgotten(f, "a");
    } else {
      plan plan = {.value = "new"};
      assert_loads(f, "a", &plan, call->leaves);
    }
    assert_calls(call->scope == kEveryKey, f, "b");
    ct_resize(f->cache, kMaxsize);
    ct_clear(f->cache);
  }
}

NEGATIVE_TEST(other_calls_leave_it_alone) {
  for (size_t i = 0; i < kOtherCallCount; i++) {
    const key_call *call = &kOtherCalls[i];
    find_none(f, "a");
    assert_status(call->answer, call->run(f->cache, "a"));
    if (call->leaves == NULL) assert_remembered(f, "a");
    ct_clear(f->cache);
  }
}

NEGATIVE_TEST(value_that_a_snapshot_brings_makes_it_forget) {
  tape tape = {0};
  set_text(f->cache, "a", "1");
  assert_status(CT_OK, save_tape(f->cache, &tape));
  ct_clear(f->cache);
  find_none(f, "a");
  assert_status(CT_OK, load_tape(f->cache, &tape));
  assert_int_equal(1, ct_currsize(f->cache));
  assert_text_quietly(f->cache, "a", "1");
  for (uint64_t i = 0; i < kMaxsize; i++) set_number(f->cache, i, "1", 1);
  assert_forgotten(f, "a");
  tape_free(&tape);
}

NEGATIVE_TEST(absence_is_not_remembered_beside_a_value_that_a_snapshot_brings) {
  tape tape = {0};
  set_text(f->cache, "a", "1");
  assert_status(CT_OK, save_tape(f->cache, &tape));
  ct_clear(f->cache);
  ct_lease *lease = lease_text(f, "a");
  assert_status(CT_OK, load_tape(f->cache, &tape));
  ct_lease_fail(lease, CT_MISS);
  assert_int_equal(1, ct_currsize(f->cache));
  assert_text_quietly(f->cache, "a", "1");
  for (uint64_t i = 0; i < kMaxsize; i++) set_number(f->cache, i, "1", 1);
  assert_forgotten(f, "a");
  tape_free(&tape);
}

static void set_key(plan *self, ct_result *result) {
  (void)result;
  self->seen = ct_set(self->f->cache, "a", 1, "set", 3);
}

static void delete_key(plan *self, ct_result *result) {
  (void)result;
  self->seen = ct_delete(self->f->cache, "a", 1);
}

NEGATIVE_TEST(overtaken_load_leaves_nothing_to_remember) {
  plan is_set = {.answer = CT_MISS, .act = set_key};
  assert_load_fails(CT_MISS, f, "a", &is_set);
  assert_text_quietly(f->cache, "a", "set");
  plan is_deleted = {.answer = CT_MISS, .act = delete_key};
  assert_load_fails(CT_MISS, f, "b", &is_deleted);
  assert_remembered(f, "b");
  delete_text(f->cache, "a");
  assert_load_fails(CT_MISS, f, "a", &is_deleted);
  assert_forgotten(f, "a");
}

/* ---- Weight --------------------------------------------------------------------------------- */

static uint64_t weigh_three(void *user_data, const void *key, size_t key_size, const void *value,
                            size_t size) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)size;
  return 3;
}

TEST(absence_weighs_by_the_kind_of_weight) {
  fixture f;
  open_fixture(&f, .maxsize = 1000, .negative_ttl = 5, .weight_kind = CT_WEIGHT_VALUE);
  find_none(&f, "four");
  assert_int_equal(4, ct_currsize(f.cache));
  find_none(&f, "");
  assert_int_equal(5, ct_currsize(f.cache));
  fixture_close(&f);
  open_fixture(&f, .maxsize = 1000, .negative_ttl = 5, .weigher = weigh_three);
  find_none(&f, "four");
  assert_int_equal(1, ct_currsize(f.cache));
  fixture_close(&f);
  open_fixture(&f, .maxsize = 100000, .negative_ttl = 5, .weight_kind = CT_WEIGHT_MEMORY);
  const uint64_t before = ct_memory(f.cache);
  find_none(&f, "a key of 24 bytes, so far");
  assert_true(ct_currsize(f.cache) >= 24 + 64);
  assert_true(ct_memory(f.cache) > before);
  f.clock.now = 5;
  assert_int_equal(0, ct_currsize(f.cache));
  fixture_close(&f);
}

NEGATIVE_TEST(a_sixteenth_of_the_limit_is_remembered_and_the_oldest_goes) {
  find_none(f, "a");
  find_none(f, "b");
  assert_int_equal(kMaxsize / 16, ct_currsize(f->cache));
  find_none(f, "c");
  assert_int_equal(kMaxsize / 16, ct_currsize(f->cache));
  assert_remembered(f, "b");
  assert_remembered(f, "c");
  assert_forgotten(f, "a");
}

FIXTURE_TEST(one_key_is_remembered_however_small_the_cache,
             open_fixture(f, .maxsize = 1, .negative_ttl = 5)) {
  find_none(f, "a");
  assert_remembered(f, "a");
  find_none(f, "b");
  assert_remembered(f, "b");
  assert_int_equal(1, ct_currsize(f->cache));
  /* An entry needs the room. */
  set_text(f->cache, "c", "1");
  assert_int_equal(1, ct_currsize(f->cache));
  assert_text_quietly(f->cache, "c", "1");
  find_none(f, "b");
  assert_told(f, "EVICTED c=1");
  assert_remembered(f, "b");
}

NEGATIVE_TEST(absence_takes_the_room_of_entries) {
  char key[2] = {0};
  for (int i = 0; i < kMaxsize; i++) {
    key[0] = (char)('A' + i);
    set_text(f->cache, key, "1");
  }
  find_none(f, "z");
  assert_told(f, "EVICTED A=1");
  assert_int_equal(kMaxsize, ct_currsize(f->cache));
  assert_int_equal(kMaxsize - 1, ct_len(f->cache));
  f->clock.now += kNegativeTtl;
  assert_int_equal(kMaxsize - 1, ct_currsize(f->cache));
}

NEGATIVE_TEST(heaviest_entry_leaves_no_room_for_absences) {
  find_none(f, "a");
  assert_status(CT_OK, set_text_weight(f->cache, "b", "1", kMaxsize));
  assert_int_equal(kMaxsize, ct_currsize(f->cache));
  assert_forgotten(f, "a");
}

NEGATIVE_TEST(lower_limit_forgets) {
  find_none(f, "a");
  find_none(f, "b");
  assert_status(CT_OK, ct_resize(f->cache, 16));
  assert_int_equal(1, ct_currsize(f->cache));
  assert_remembered(f, "b");
  assert_status(CT_OK, ct_resize(f->cache, 1));
  assert_int_equal(0, ct_currsize(f->cache));
}

/* It was forgotten, as it weighs more than a sixteenth. */
FIXTURE_TEST(limit_that_is_not_lowered_forgets_no_single_key,
             open_fixture(f, .maxsize = 8, .negative_ttl = 5)) {
  find_none(f, "a");
  assert_status(CT_OK, ct_resize(f->cache, 8));
  assert_remembered(f, "a");
  assert_status(CT_OK, ct_resize(f->cache, 9));
  assert_remembered(f, "a");
}

FIXTURE_TEST(key_that_weighs_more_than_the_limit_is_not_remembered,
             open_fixture(f, .maxsize = 3, .negative_ttl = 5, .weight_kind = CT_WEIGHT_VALUE)) {
  set_text(f->cache, "a", "1");
  find_none(f, "four");
  assert_int_equal(1, ct_len(f->cache));
  find_none(f, "four");
}

FIXTURE_TEST(all_shards_together_remember_a_sixteenth,
             open_fixture(f, .maxsize = 160, .shards = 16, .negative_ttl = CT_NEVER)) {
  for (uint64_t i = 0; i < 1000; i++) {
    plan finds_none = {.answer = CT_MISS};
    assert_status(CT_MISS, ct_get_or_load(f->cache, &i, sizeof(i), load, &finds_none, NULL));
    assert_true(ct_currsize(f->cache) <= 10);
    assert_status(CT_MISS, ct_get_or_load(f->cache, &i, sizeof(i), load, &finds_none, NULL));
    assert_int_equal(1, finds_none.calls);
  }
  assert_int_equal(10, ct_currsize(f->cache));
  for (uint64_t i = 0; i < 1000; i++) set_number(f->cache, i, "1", 1);
  assert_int_equal(160, ct_currsize(f->cache));
}

/* ---- Faults --------------------------------------------------------------------------------- */

TEST(without_memory_nothing_is_lost_but_what_is_remembered) {
  for (int64_t fault = 0;; fault++) {
    fixture f;
    test_allocator allocator;
    test_allocator_init(&allocator);
    open_fixture(&f, .maxsize = kMaxsize, .negative_ttl = 5, .allocator = &allocator.hooks);
    set_text(f.cache, "b", "1");
    allocator.fail_at = allocator.calls + fault;
    plan finds_none = {.answer = CT_MISS};
    const ct_status status = load_text(&f, "a", &finds_none, NULL);
    const bool failed = allocator.failed != 0;
    allocator.fail_at = -1;
    if (status != CT_MISS) assert_status(CT_ERR_NOMEM, status);
    assert_int_equal(status == CT_MISS, finds_none.calls);
    assert_text_quietly(f.cache, "b", "1");
    assert_status(CT_MISS, load_text(&f, "a", &finds_none, NULL));
    assert_remembered(&f, "a");
    fixture_close(&f);
    assert_int_equal(0, allocator.blocks);
    if (!failed) break;
  }
}
