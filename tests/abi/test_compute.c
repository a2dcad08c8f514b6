/* SPDX-License-Identifier: MIT */
/* ct_compute, as one thread sees it: what each answer does, what is handed back, what is counted,
 * and that it runs again when the entry has changed underneath. */
#include "fixture.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const size_t kTooLong = (size_t)UINT32_MAX + 1;

/* What compute is to do, and what it saw. */
typedef struct plan plan;
struct plan {
  fixture *f;
  const char *value; /* handed back, if not NULL */
  ct_status answer;
  void (*act)(plan *self, ct_result *result); /* runs first, if not NULL */
  uint64_t number;                            /* for act */
  int calls;
  char old[64]; /* what each call saw: "none, 1" */
};

static ct_status compute(void *user_data, const void *key, size_t key_size, const ct_bytes *old,
                         ct_result *result) {
  plan *self = user_data;
  (void)key, (void)key_size;
  const size_t used = strlen(self->old);
  snprintf(self->old + used, sizeof(self->old) - used, "%s%.*s", used == 0 ? "" : ", ",
           old == NULL ? 4 : (int)old->size, old == NULL ? "none" : (const char *)old->data);
  self->calls++;
  if (self->act != NULL) self->act(self, result);
  if (self->value != NULL) ct_result_set(result, self->value, strlen(self->value));
  return self->answer;
}

static void open_lru(fixture *f, uint64_t maxsize) {
  ct_options options = fixture_options(f, CT_POLICY_LRU, maxsize);
  fixture_open(f, &options);
}

static ct_status compute_text(fixture *f, const char *key, plan *plan, ct_value *out) {
  plan->f = f;
  return ct_compute(f->cache, key, strlen(key), compute, plan, out);
}

/* Asserts the status of computing key, and what is handed back: NULL for nothing. */
static void assert_computes(ct_status expected, const char *value, fixture *f, const char *key,
                            plan *plan) {
  ct_value out = poisoned_value();
  const ct_status status = compute_text(f, key, plan, &out);
  assert_int_equal(expected, status);
  if (value == NULL) {
    assert_holds_nothing(out);
  } else {
    assert_value(value, out);
  }
  ct_value_release(&out);
}

/* ---- Answers -------------------------------------------------------------------------------- */

static void test_absent_key_is_stored(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  plan plan = {.value = "1"};
  assert_computes(CT_OK, "1", &f, "a", &plan);
  assert_string_equal("none", plan.old);
  assert_text_quietly(f.cache, "a", "1");
  assert_counted(f.cache, .misses = 1, .inserts = 1);
  fixture_close(&f);
}

static void test_present_key_is_replaced(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  plan plan = {.value = "2"};
  assert_computes(CT_OK, "2", &f, "a", &plan);
  assert_string_equal("1", plan.old);
  assert_text_quietly(f.cache, "a", "2");
  assert_told(&f, "REPLACED a=1");
  assert_counted(f.cache, .hits = 1, .inserts = 1, .updates = 1);
  fixture_close(&f);
}

static void test_empty_value_is_not_absent(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "");
  plan plan = {.value = ""};
  assert_computes(CT_OK, "", &f, "a", &plan);
  assert_string_equal("", plan.old);
  fixture_close(&f);
}

static void test_out_may_be_null(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  plan plan = {.value = "1"};
  assert_status(CT_OK, compute_text(&f, "a", &plan, NULL));
  assert_status(CT_OK, compute_text(&f, "a", &plan, NULL));
  plan.answer = CT_NOT_STORED;
  assert_status(CT_NOT_STORED, compute_text(&f, "a", &plan, NULL));
  plan.answer = CT_MISS;
  assert_status(CT_MISS, compute_text(&f, "a", &plan, NULL));
  assert_status(CT_MISS, compute_text(&f, "a", &plan, NULL));
  assert_counted(f.cache, .misses = 2, .hits = 3, .inserts = 1, .updates = 1, .removals = 1);
  fixture_close(&f);
}

static void test_miss_removes(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  plan plan = {.value = "2", .answer = CT_MISS};
  assert_computes(CT_MISS, NULL, &f, "a", &plan);
  assert_false(has_text(f.cache, "a"));
  assert_told(&f, "REMOVED a=1");
  assert_int_equal(0, ct_currsize(f.cache));
  assert_counted(f.cache, .hits = 1, .inserts = 1, .removals = 1);
  fixture_close(&f);
}

static void test_miss_of_absent_key_changes_nothing(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  plan plan = {.answer = CT_MISS};
  assert_computes(CT_MISS, NULL, &f, "a", &plan);
  assert_told(&f, "");
  assert_counted(f.cache, .misses = 1);
  fixture_close(&f);
}

static void test_not_stored_leaves_what_is_there(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  plan plan = {.value = "2", .answer = CT_NOT_STORED};
  assert_computes(CT_NOT_STORED, "1", &f, "a", &plan);
  assert_text_quietly(f.cache, "a", "1");
  assert_told(&f, "");
  assert_counted(f.cache, .hits = 1, .inserts = 1);
  fixture_close(&f);
}

static void test_not_stored_of_absent_key_hands_back_nothing(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  plan plan = {.value = "2", .answer = CT_NOT_STORED};
  assert_computes(CT_NOT_STORED, NULL, &f, "a", &plan);
  assert_false(has_text(f.cache, "a"));
  assert_counted(f.cache, .misses = 1);
  fixture_close(&f);
}

static void test_failure_is_handed_back_and_changes_nothing(void **state) {
  (void)state;
  static const int32_t answers[] = {
      CT_ERR_INVALID, CT_ERR_NOMEM, CT_ERR_TOO_LARGE, CT_ERR_BUFFER,      CT_ERR_RECURSION,
      CT_ERR_CORRUPT, CT_ERR_IO,    CT_ERR_INTERNAL,  CT_ERR_UNSUPPORTED, 1000,
      2000000000,     -1000,        -2000000000};
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  for (size_t i = 0; i < COUNT_OF(answers); i++) {
    plan plan = {.value = "2", .answer = (ct_status)answers[i]};
    assert_computes((ct_status)answers[i], NULL, &f, "a", &plan);
    assert_computes((ct_status)answers[i], NULL, &f, "b", &plan);
    assert_int_equal(2, plan.calls);
  }
  assert_counted(f.cache, .inserts = 1);
  assert_text_quietly(f.cache, "a", "1");
  assert_int_equal(1, ct_len(f.cache));
  assert_told(&f, "");
  fixture_close(&f);
}

static void test_answer_in_the_reserved_range_is_invalid(void **state) {
  (void)state;
  static const int32_t answers[] = {CT_EXISTS, CT_LEASED, CT_BUSY, CT_END, 7, 999, -10, -100, -999};
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  for (size_t i = 0; i < COUNT_OF(answers); i++) {
    plan plan = {.value = "2", .answer = (ct_status)answers[i]};
    assert_computes(CT_ERR_INVALID, NULL, &f, "a", &plan);
    assert_int_equal(1, plan.calls);
  }
  assert_text_quietly(f.cache, "a", "1");
  fixture_close(&f);
}

static void test_done_without_a_value_is_invalid(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  plan plan = {.answer = CT_OK};
  assert_computes(CT_ERR_INVALID, NULL, &f, "a", &plan);
  assert_text_quietly(f.cache, "a", "1");
  fixture_close(&f);
}

static void test_expired_entry_is_absent(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text_ttl(f.cache, "a", "1", 5);
  set_now(&f, 5);
  plan plan = {.value = "2"};
  assert_computes(CT_OK, "2", &f, "a", &plan);
  assert_string_equal("none", plan.old);
  assert_told(&f, "EXPIRED a=1");
  assert_counted(f.cache, .misses = 1, .inserts = 2, .expirations = 1);
  fixture_close(&f);
}

static ct_status add_one(void *user_data, const void *key, size_t key_size, const ct_bytes *old,
                         ct_result *result) {
  (void)user_data, (void)key, (void)key_size;
  uint64_t count = 0;
  if (old != NULL) memcpy(&count, old->data, sizeof(count));
  count++;
  return ct_result_set(result, &count, sizeof(count));
}

static void test_every_policy_computes(void **state) {
  (void)state;
  static const ct_policy policies[] = {
      CT_POLICY_LRU, CT_POLICY_FIFO,  CT_POLICY_LFU,   CT_POLICY_RR,     CT_POLICY_ANY,
      CT_POLICY_MRU, CT_POLICY_CLOCK, CT_POLICY_SIEVE, CT_POLICY_S3FIFO, CT_POLICY_ARC};
  for (size_t p = 0; p < COUNT_OF(policies); p++) {
    fixture f;
    ct_options options = fixture_options(&f, policies[p], 16);
    options.listener = NULL;
    fixture_open(&f, &options);
    for (uint64_t i = 0; i < 160; i++) {
      const uint64_t key = i % 16;
      assert_status(CT_OK, ct_compute(f.cache, &key, sizeof(key), add_one, NULL, NULL));
    }
    for (uint64_t key = 0; key < 16; key++) {
      ct_value value = CT_VALUE_INIT;
      assert_status(CT_OK, ct_get(f.cache, &key, sizeof(key), &value));
      assert_int_equal(10, *(const uint64_t *)value.data);
      ct_value_release(&value);
    }
    fixture_close(&f);
  }
}

static void test_large_values_are_computed(void **state) {
  (void)state;
  enum { kLarge = 20000 };
  fixture f;
  open_lru(&f, 8);
  static char large[kLarge + 1];
  memset(large, 'x', kLarge);
  plan plan = {.value = large};
  for (int i = 0; i < 3; i++) assert_computes(CT_OK, large, &f, "a", &plan);
  plan.answer = CT_MISS;
  assert_computes(CT_MISS, NULL, &f, "a", &plan);
  assert_int_equal(4, plan.calls);
  fixture_close(&f);
}

/* ---- Options of the result ------------------------------------------------------------------ */

static void test_store_renews_the_lifetime(void **state) {
  (void)state;
  fixture f;
  ct_options options = fixture_options(&f, CT_POLICY_LRU, 8);
  options.ttl = 10;
  fixture_open(&f, &options);
  set_text(f.cache, "a", "1");
  set_now(&f, 9);
  plan plan = {.value = "2"};
  assert_computes(CT_OK, "2", &f, "a", &plan);
  assert_int_equal(19, info_of(f.cache, "a").deadline);
  fixture_close(&f);
}

static void test_leaving_renews_no_lifetime(void **state) {
  (void)state;
  fixture f;
  ct_options options = fixture_options(&f, CT_POLICY_LRU, 8);
  options.ttl = 10;
  fixture_open(&f, &options);
  set_text(f.cache, "a", "1");
  set_now(&f, 9);
  plan plan = {.answer = CT_NOT_STORED};
  assert_computes(CT_NOT_STORED, "1", &f, "a", &plan);
  assert_int_equal(10, info_of(f.cache, "a").deadline);
  fixture_close(&f);
}

static void take_time_and_set_ttl(plan *self, ct_result *result) {
  ct_result_ttl(result, self->number);
  set_now(self->f, self->f->clock.now + 10);
}

static void test_result_ttl_counts_from_the_return_of_compute(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_now(&f, 100);
  plan plan = {.act = take_time_and_set_ttl, .number = 5, .value = "1"};
  assert_computes(CT_OK, "1", &f, "a", &plan);
  assert_int_equal(115, info_of(f.cache, "a").deadline);
  fixture_close(&f);
}

static void set_deadline(plan *self, ct_result *result) {
  ct_result_deadline(result, self->number);
}

static void test_result_deadline_is_absolute(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  plan plan = {.act = set_deadline, .number = 5, .value = "1"};
  assert_computes(CT_OK, "1", &f, "a", &plan);
  assert_int_equal(5, info_of(f.cache, "a").deadline);
  fixture_close(&f);
}

static void test_dead_on_arrival_removes_what_it_would_replace(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  set_now(&f, 5);
  plan plan = {.act = set_deadline, .number = 5, .value = "2"};
  assert_computes(CT_NOT_STORED, "2", &f, "a", &plan);
  assert_false(has_text(f.cache, "a"));
  assert_told(&f, "REMOVED a=1");
  assert_counted(f.cache, .hits = 1, .inserts = 1, .removals = 1, .rejections = 1);
  fixture_close(&f);
}

static void set_weight(plan *self, ct_result *result) {
  ct_result_weight(result, self->number);
}

static void test_result_weight_counts_against_maxsize(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text_weight(f.cache, "b", "2", 4);
  set_text_weight(f.cache, "a", "1", 2);
  plan plan = {.act = set_weight, .number = 5, .value = "3"};
  assert_computes(CT_OK, "3", &f, "a", &plan);
  assert_told(&f, "EVICTED b=2, REPLACED a=1");
  assert_int_equal(5, ct_currsize(f.cache));
  fixture_close(&f);
}

static void test_too_large_value_leaves_what_is_there(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  plan plan = {.act = set_weight, .number = 9, .value = "2"};
  assert_computes(CT_ERR_TOO_LARGE, NULL, &f, "a", &plan);
  assert_computes(CT_ERR_TOO_LARGE, NULL, &f, "b", &plan);
  assert_text_quietly(f.cache, "a", "1");
  assert_told(&f, "");
  assert_int_equal(2, stats_of(f.cache).rejections);
  fixture_close(&f);
}

static void test_result_weight_is_invalid_where_memory_is_weighed(void **state) {
  (void)state;
  fixture f;
  ct_options options = fixture_options(&f, CT_POLICY_LRU, 1000);
  options.weight_kind = CT_WEIGHT_MEMORY;
  fixture_open(&f, &options);
  plan plan = {.act = set_weight, .number = 1, .value = "2"};
  assert_computes(CT_ERR_INVALID, NULL, &f, "a", &plan);
  assert_false(has_text(f.cache, "a"));
  fixture_close(&f);
}

static void discard(plan *self, ct_result *result) {
  (void)self;
  ct_result_discard(result);
}

static void test_discarded_value_is_handed_back_and_not_kept(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  plan plan = {.act = discard, .value = "2"};
  assert_computes(CT_NOT_STORED, "2", &f, "a", &plan);
  assert_computes(CT_NOT_STORED, "2", &f, "b", &plan);
  assert_text_quietly(f.cache, "a", "1");
  assert_false(has_text(f.cache, "b"));
  assert_told(&f, "");
  assert_counted(f.cache, .hits = 1, .misses = 1, .inserts = 1);
  fixture_close(&f);
}

/* ---- Changes underneath --------------------------------------------------------------------- */

static void write_once(plan *self, ct_result *result) {
  (void)result;
  if (self->calls == 1) set_text(self->f->cache, "a", "between");
}

static void delete_once(plan *self, ct_result *result) {
  (void)result;
  if (self->calls == 1) delete_text(self->f->cache, "a");
}

static void clear_once(plan *self, ct_result *result) {
  (void)result;
  if (self->calls == 1) ct_clear(self->f->cache);
}

static void test_runs_again_if_the_key_was_stored_meanwhile(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  plan plan = {.act = write_once, .value = "computed"};
  assert_computes(CT_OK, "computed", &f, "a", &plan);
  assert_string_equal("none, between", plan.old);
  assert_text_quietly(f.cache, "a", "computed");
  assert_told(&f, "REPLACED a=between");
  assert_counted(f.cache, .hits = 1, .inserts = 1, .updates = 1);
  fixture_close(&f);
}

static void test_runs_again_if_the_key_was_replaced_meanwhile(void **state) {
  (void)state;
  for (int listens = 0; listens < 2; listens++) {
    fixture f;
    ct_options options = fixture_options(&f, CT_POLICY_LRU, 8);
    if (listens == 0) options.listener = NULL;
    fixture_open(&f, &options);
    set_text(f.cache, "a", "as long");
    plan plan = {.act = write_once, .value = "computed"};
    assert_computes(CT_OK, "computed", &f, "a", &plan);
    assert_string_equal("as long, between", plan.old);
    assert_text_quietly(f.cache, "a", "computed");
    assert_counted(f.cache, .hits = 1, .inserts = 1, .updates = 2);
    fixture_close(&f);
  }
}

static void test_runs_again_if_the_same_bytes_were_stored_anew(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "between");
  plan plan = {.act = write_once, .value = "computed"};
  assert_computes(CT_OK, "computed", &f, "a", &plan);
  assert_string_equal("between, between", plan.old);
  fixture_close(&f);
}

static void test_runs_again_if_the_key_was_removed_meanwhile(void **state) {
  (void)state;
  void (*const acts[])(plan *, ct_result *) = {delete_once, clear_once};
  for (size_t i = 0; i < COUNT_OF(acts); i++) {
    fixture f;
    open_lru(&f, 8);
    set_text(f.cache, "a", "1");
    plan plan = {.act = acts[i], .value = "computed"};
    assert_computes(CT_OK, "computed", &f, "a", &plan);
    assert_string_equal("1, none", plan.old);
    assert_text_quietly(f.cache, "a", "computed");
    assert_counted(f.cache, .misses = 1, .inserts = 2, .removals = 1);
    fixture_close(&f);
  }
}

static void test_removes_nothing_that_it_did_not_see(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  plan plan = {.act = write_once, .answer = CT_MISS};
  assert_computes(CT_MISS, NULL, &f, "a", &plan);
  assert_string_equal("1, between", plan.old);
  assert_told(&f, "REPLACED a=1, REMOVED a=between");
  assert_counted(f.cache, .hits = 1, .inserts = 1, .updates = 1, .removals = 1);
  fixture_close(&f);
}

static void test_removal_of_nothing_runs_again_if_something_was_stored_meanwhile(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  plan plan = {.act = write_once, .answer = CT_MISS};
  assert_computes(CT_MISS, NULL, &f, "a", &plan);
  assert_string_equal("none, between", plan.old);
  assert_told(&f, "REMOVED a=between");
  assert_counted(f.cache, .hits = 1, .inserts = 1, .removals = 1);
  fixture_close(&f);
}

static void expire_once(plan *self, ct_result *result) {
  (void)result;
  if (self->calls == 1) set_now(self->f, 5);
}

static void test_runs_again_if_the_entry_expired_meanwhile(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text_ttl(f.cache, "a", "1", 5);
  plan plan = {.act = expire_once, .value = "computed"};
  assert_computes(CT_OK, "computed", &f, "a", &plan);
  assert_string_equal("1, none", plan.old);
  assert_told(&f, "EXPIRED a=1");
  assert_counted(f.cache, .misses = 1, .inserts = 2, .expirations = 1);
  fixture_close(&f);
}

static void change_another(plan *self, ct_result *result) {
  (void)result;
  use_text(self->f->cache, "a");
  set_text(self->f->cache, "b", "2");
}

static void test_runs_once_if_only_others_changed(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  set_text(f.cache, "a", "1");
  plan plan = {.act = change_another, .value = "computed"};
  assert_computes(CT_OK, "computed", &f, "a", &plan);
  assert_int_equal(1, plan.calls);
  fixture_close(&f);
}

static void test_old_value_stays_readable_while_it_is_removed(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 1);
  set_text(f.cache, "a", "1");
  ct_value pinned = CT_VALUE_INIT;
  assert_status(CT_OK, ct_get(f.cache, "a", 1, &pinned));
  plan plan = {.answer = CT_MISS};
  assert_computes(CT_MISS, NULL, &f, "a", &plan);
  set_text(f.cache, "b", "2");
  assert_value("1", pinned);
  ct_value_release(&pinned);
  fixture_close(&f);
}

static void compute_own_key(plan *self, ct_result *result) {
  (void)result;
  plan inner = {.value = "inner"};
  if (self->calls == 1) compute_text(self->f, "a", &inner, NULL);
}

static void test_compute_within_compute_runs_the_outer_again(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  plan plan = {.act = compute_own_key, .value = "outer"};
  assert_computes(CT_OK, "outer", &f, "a", &plan);
  assert_string_equal("none, inner", plan.old);
  assert_text_quietly(f.cache, "a", "outer");
  fixture_close(&f);
}

/* ---- Memory --------------------------------------------------------------------------------- */

static void test_compute_leaves_no_memory_behind(void **state) {
  (void)state;
  fixture f;
  test_allocator allocator;
  test_allocator_init(&allocator);
  ct_options options = fixture_options(&f, CT_POLICY_LRU, 8);
  options.allocator = &allocator.hooks;
  fixture_open(&f, &options);
  static const ct_status answers[] = {CT_NOT_STORED, CT_ERR_IO, CT_OK,   CT_NOT_STORED,
                                      CT_ERR_IO,     CT_OK,     CT_MISS, CT_MISS};
  int64_t bytes = 0;
  for (int round = 0; round < 3; round++) {
    char value[400];
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
      plan plan = {.value = value, .answer = answers[i]};
      assert_status(answers[i], compute_text(&f, "a", &plan, NULL));
    }
    if (round == 0) bytes = allocator.bytes;
    assert_int_equal(bytes, allocator.bytes);
  }
  fixture_close(&f);
  assert_int_equal(0, allocator.blocks);
}

static void test_computed_value_outlives_the_cache(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  plan plan = {.value = "1"};
  ct_value stored = CT_VALUE_INIT, left = CT_VALUE_INIT, discarded = CT_VALUE_INIT;
  assert_status(CT_OK, compute_text(&f, "a", &plan, &stored));
  plan.answer = CT_NOT_STORED;
  assert_status(CT_NOT_STORED, compute_text(&f, "a", &plan, &left));
  plan.answer = CT_OK;
  plan.act = discard;
  assert_status(CT_NOT_STORED, compute_text(&f, "a", &plan, &discarded));
  fixture_close(&f);
  assert_value("1", stored);
  assert_value("1", left);
  assert_value("1", discarded);
  ct_value_release(&stored);
  ct_value_release(&left);
  ct_value_release(&discarded);
}

/* ---- Bad input ------------------------------------------------------------------------------ */

static void test_compute_of_bad_arguments_is_refused(void **state) {
  (void)state;
  fixture f;
  open_lru(&f, 8);
  plan plan = {.value = "1"};
  ct_value out = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_compute(NULL, "a", 1, compute, &plan, &out));
  assert_holds_nothing(out);
  out = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_compute(f.cache, NULL, 1, compute, &plan, &out));
  assert_holds_nothing(out);
  out = poisoned_value();
  assert_status(CT_ERR_INVALID, ct_compute(f.cache, "a", 1, NULL, &plan, &out));
  assert_holds_nothing(out);
  if (sizeof(size_t) == 8) {
    out = poisoned_value();
    assert_status(CT_ERR_TOO_LARGE, ct_compute(f.cache, "a", kTooLong, compute, &plan, &out));
    assert_holds_nothing(out);
  }
  assert_int_equal(0, plan.calls);
  assert_counted(f.cache, .hits = 0);
  fixture_close(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_absent_key_is_stored),
      cmocka_unit_test(test_present_key_is_replaced),
      cmocka_unit_test(test_empty_value_is_not_absent),
      cmocka_unit_test(test_out_may_be_null),
      cmocka_unit_test(test_miss_removes),
      cmocka_unit_test(test_miss_of_absent_key_changes_nothing),
      cmocka_unit_test(test_not_stored_leaves_what_is_there),
      cmocka_unit_test(test_not_stored_of_absent_key_hands_back_nothing),
      cmocka_unit_test(test_failure_is_handed_back_and_changes_nothing),
      cmocka_unit_test(test_answer_in_the_reserved_range_is_invalid),
      cmocka_unit_test(test_done_without_a_value_is_invalid),
      cmocka_unit_test(test_expired_entry_is_absent),
      cmocka_unit_test(test_every_policy_computes),
      cmocka_unit_test(test_large_values_are_computed),
      cmocka_unit_test(test_store_renews_the_lifetime),
      cmocka_unit_test(test_leaving_renews_no_lifetime),
      cmocka_unit_test(test_result_ttl_counts_from_the_return_of_compute),
      cmocka_unit_test(test_result_deadline_is_absolute),
      cmocka_unit_test(test_dead_on_arrival_removes_what_it_would_replace),
      cmocka_unit_test(test_result_weight_counts_against_maxsize),
      cmocka_unit_test(test_too_large_value_leaves_what_is_there),
      cmocka_unit_test(test_result_weight_is_invalid_where_memory_is_weighed),
      cmocka_unit_test(test_discarded_value_is_handed_back_and_not_kept),
      cmocka_unit_test(test_runs_again_if_the_key_was_stored_meanwhile),
      cmocka_unit_test(test_runs_again_if_the_key_was_replaced_meanwhile),
      cmocka_unit_test(test_runs_again_if_the_same_bytes_were_stored_anew),
      cmocka_unit_test(test_runs_again_if_the_key_was_removed_meanwhile),
      cmocka_unit_test(test_removes_nothing_that_it_did_not_see),
      cmocka_unit_test(test_removal_of_nothing_runs_again_if_something_was_stored_meanwhile),
      cmocka_unit_test(test_runs_again_if_the_entry_expired_meanwhile),
      cmocka_unit_test(test_runs_once_if_only_others_changed),
      cmocka_unit_test(test_old_value_stays_readable_while_it_is_removed),
      cmocka_unit_test(test_compute_within_compute_runs_the_outer_again),
      cmocka_unit_test(test_compute_leaves_no_memory_behind),
      cmocka_unit_test(test_computed_value_outlives_the_cache),
      cmocka_unit_test(test_compute_of_bad_arguments_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
