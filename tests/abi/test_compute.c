/* SPDX-License-Identifier: MIT */
/* ct_compute, as one thread sees it: what each answer does, what is handed back and counted, and
 * that the compute runs again if the entry was changed meanwhile. */
#include "plan.h"

/* ---- Answers -------------------------------------------------------------------------------- */

FIXTURE_TEST(absent_key_is_stored, open_lru(f, 8)) {
  plan plan = {.value = "1"};
  assert_computes(CT_OK, "1", f, "a", &plan);
  assert_string_equal("none", plan.old);
  assert_text_quietly(f->cache, "a", "1");
  assert_counted(f->cache, .misses = 1, .inserts = 1);
}

FIXTURE_TEST(present_key_is_replaced, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  plan plan = {.value = "2"};
  assert_computes(CT_OK, "2", f, "a", &plan);
  assert_string_equal("1", plan.old);
  assert_text_quietly(f->cache, "a", "2");
  assert_told(f, "REPLACED a=1");
  assert_counted(f->cache, .hits = 1, .inserts = 1, .updates = 1);
}

FIXTURE_TEST(empty_value_is_not_absent, open_lru(f, 8)) {
  set_text(f->cache, "a", "");
  plan plan = {.value = ""};
  assert_computes(CT_OK, "", f, "a", &plan);
  assert_string_equal("", plan.old);
}

FIXTURE_TEST(out_may_be_null, open_lru(f, 8)) {
  plan plan = {.value = "1"};
  assert_status(CT_OK, compute_text(f, "a", &plan, NULL));
  assert_status(CT_OK, compute_text(f, "a", &plan, NULL));
  plan.answer = CT_NOT_STORED;
  assert_status(CT_NOT_STORED, compute_text(f, "a", &plan, NULL));
  plan.answer = CT_MISS;
  assert_status(CT_MISS, compute_text(f, "a", &plan, NULL));
  assert_status(CT_MISS, compute_text(f, "a", &plan, NULL));
  assert_counted(f->cache, .misses = 2, .hits = 3, .inserts = 1, .updates = 1, .removals = 1);
}

FIXTURE_TEST(miss_removes, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  plan plan = {.value = "2", .answer = CT_MISS};
  assert_computes(CT_MISS, NULL, f, "a", &plan);
  assert_false(has_text(f->cache, "a"));
  assert_told(f, "REMOVED a=1");
  assert_int_equal(0, ct_currsize(f->cache));
  assert_counted(f->cache, .hits = 1, .inserts = 1, .removals = 1);
}

FIXTURE_TEST(miss_of_absent_key_changes_nothing, open_lru(f, 8)) {
  plan plan = {.answer = CT_MISS};
  assert_computes(CT_MISS, NULL, f, "a", &plan);
  assert_told(f, "");
  assert_counted(f->cache, .misses = 1);
}

FIXTURE_TEST(not_stored_leaves_what_is_there, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  plan plan = {.value = "2", .answer = CT_NOT_STORED};
  assert_computes(CT_NOT_STORED, "1", f, "a", &plan);
  assert_text_quietly(f->cache, "a", "1");
  assert_told(f, "");
  assert_counted(f->cache, .hits = 1, .inserts = 1);
}

FIXTURE_TEST(not_stored_of_absent_key_hands_back_nothing, open_lru(f, 8)) {
  plan plan = {.value = "2", .answer = CT_NOT_STORED};
  assert_computes(CT_NOT_STORED, NULL, f, "a", &plan);
  assert_false(has_text(f->cache, "a"));
  assert_counted(f->cache, .misses = 1);
}

FIXTURE_TEST(failure_is_handed_back_and_changes_nothing, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  for (size_t i = 0; i < kFailureCount; i++) {
    plan plan = {.value = "2", .answer = kFailures[i]};
    assert_computes(kFailures[i], NULL, f, "a", &plan);
    assert_computes(kFailures[i], NULL, f, "b", &plan);
    assert_int_equal(2, plan.calls);
  }
  assert_counted(f->cache, .inserts = 1);
  assert_text_quietly(f->cache, "a", "1");
  assert_int_equal(1, ct_len(f->cache));
  assert_told(f, "");
}

FIXTURE_TEST(answer_in_the_reserved_range_is_the_callbacks_fault, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  for (size_t i = 0; i < kReservedCount; i++) {
    plan plan = {.value = "2", .answer = kReserved[i]};
    assert_computes(CT_ERR_CALLBACK, NULL, f, "a", &plan);
    assert_int_equal(1, plan.calls);
  }
  assert_text_quietly(f->cache, "a", "1");
}

FIXTURE_TEST(done_without_a_value_is_the_callbacks_fault, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  plan plan = {.answer = CT_OK};
  assert_computes(CT_ERR_CALLBACK, NULL, f, "a", &plan);
  assert_text_quietly(f->cache, "a", "1");
}

FIXTURE_TEST(expired_entry_is_absent, open_lru(f, 8)) {
  set_text_ttl(f->cache, "a", "1", 5);
  set_now(f, 5);
  plan plan = {.value = "2"};
  assert_computes(CT_OK, "2", f, "a", &plan);
  assert_string_equal("none", plan.old);
  assert_told(f, "EXPIRED a=1");
  assert_counted(f->cache, .misses = 1, .inserts = 2, .expirations = 1);
}

static ct_status add_one(void *user_data, const void *key, size_t key_size, const ct_bytes *old,
                         ct_result *result) {
  (void)user_data, (void)key, (void)key_size;
  uint64_t count = 0;
  if (old != NULL) memcpy(&count, old->data, sizeof(count));
  count++;
  return ct_result_set(result, &count, sizeof(count));
}

TEST(every_policy_computes) {
  static const ct_policy policies[] = {CT_POLICY_LRU,   CT_POLICY_FIFO,    CT_POLICY_LFU,
                                       CT_POLICY_RR,    CT_POLICY_ANY,     CT_POLICY_MRU,
                                       CT_POLICY_CLOCK, CT_POLICY_SIEVE,   CT_POLICY_S3FIFO,
                                       CT_POLICY_ARC,   CT_POLICY_ADAPTIVE};
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

TEST(large_values_are_computed) {
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

FIXTURE_TEST(store_renews_the_lifetime, open_fixture(f, .maxsize = 8, .ttl = 10)) {
  set_text(f->cache, "a", "1");
  set_now(f, 9);
  plan plan = {.value = "2"};
  assert_computes(CT_OK, "2", f, "a", &plan);
  assert_int_equal(19, info_of(f->cache, "a").deadline);
}

FIXTURE_TEST(leaving_renews_no_lifetime, open_fixture(f, .maxsize = 8, .ttl = 10)) {
  set_text(f->cache, "a", "1");
  set_now(f, 9);
  plan plan = {.answer = CT_NOT_STORED};
  assert_computes(CT_NOT_STORED, "1", f, "a", &plan);
  assert_int_equal(10, info_of(f->cache, "a").deadline);
}

FIXTURE_TEST(dead_on_arrival_removes_what_it_would_replace, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  set_now(f, 5);
  plan plan = {.act = set_deadline, .number = 5, .value = "2"};
  assert_computes(CT_NOT_STORED, "2", f, "a", &plan);
  assert_false(has_text(f->cache, "a"));
  assert_told(f, "REMOVED a=1");
  assert_counted(f->cache, .hits = 1, .inserts = 1, .removals = 1, .rejections = 1);
}

FIXTURE_TEST(result_weight_counts_against_maxsize, open_lru(f, 8)) {
  set_text_weight(f->cache, "b", "2", 4);
  set_text_weight(f->cache, "a", "1", 2);
  plan plan = {.act = set_weight, .number = 5, .value = "3"};
  assert_computes(CT_OK, "3", f, "a", &plan);
  assert_told(f, "EVICTED b=2, REPLACED a=1");
  assert_int_equal(5, ct_currsize(f->cache));
}

FIXTURE_TEST(too_large_value_leaves_what_is_there, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  plan plan = {.act = set_weight, .number = 9, .value = "2"};
  assert_computes(CT_ERR_TOO_LARGE, NULL, f, "a", &plan);
  assert_computes(CT_ERR_TOO_LARGE, NULL, f, "b", &plan);
  assert_text_quietly(f->cache, "a", "1");
  assert_told(f, "");
  assert_int_equal(2, stats_of(f->cache).rejections);
}

FIXTURE_TEST(discarded_value_is_handed_back_and_not_kept, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  plan plan = {.act = discard, .value = "2"};
  assert_computes(CT_NOT_STORED, "2", f, "a", &plan);
  assert_computes(CT_NOT_STORED, "2", f, "b", &plan);
  assert_text_quietly(f->cache, "a", "1");
  assert_false(has_text(f->cache, "b"));
  assert_told(f, "");
  assert_counted(f->cache, .hits = 1, .misses = 1, .inserts = 1);
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

FIXTURE_TEST(runs_again_if_the_key_was_stored_meanwhile, open_lru(f, 8)) {
  plan plan = {.act = write_once, .value = "computed"};
  assert_computes(CT_OK, "computed", f, "a", &plan);
  assert_string_equal("none, between", plan.old);
  assert_text_quietly(f->cache, "a", "computed");
  assert_told(f, "REPLACED a=between");
  assert_counted(f->cache, .hits = 1, .inserts = 1, .updates = 1);
}

TEST(runs_again_if_the_key_was_replaced_meanwhile) {
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

FIXTURE_TEST(runs_again_if_the_same_bytes_were_stored_anew, open_lru(f, 8)) {
  set_text(f->cache, "a", "between");
  plan plan = {.act = write_once, .value = "computed"};
  assert_computes(CT_OK, "computed", f, "a", &plan);
  assert_string_equal("between, between", plan.old);
}

TEST(runs_again_if_the_key_was_removed_meanwhile) {
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

FIXTURE_TEST(removes_nothing_that_it_did_not_see, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  plan plan = {.act = write_once, .answer = CT_MISS};
  assert_computes(CT_MISS, NULL, f, "a", &plan);
  assert_string_equal("1, between", plan.old);
  assert_told(f, "REPLACED a=1, REMOVED a=between");
  assert_counted(f->cache, .hits = 1, .inserts = 1, .updates = 1, .removals = 1);
}

FIXTURE_TEST(removal_of_nothing_runs_again_if_something_was_stored_meanwhile, open_lru(f, 8)) {
  plan plan = {.act = write_once, .answer = CT_MISS};
  assert_computes(CT_MISS, NULL, f, "a", &plan);
  assert_string_equal("none, between", plan.old);
  assert_told(f, "REMOVED a=between");
  assert_counted(f->cache, .hits = 1, .inserts = 1, .removals = 1);
}

static void expire_once(plan *self, ct_result *result) {
  (void)result;
  if (self->calls == 1) set_now(self->f, 5);
}

FIXTURE_TEST(runs_again_if_the_entry_expired_meanwhile, open_lru(f, 8)) {
  set_text_ttl(f->cache, "a", "1", 5);
  plan plan = {.act = expire_once, .value = "computed"};
  assert_computes(CT_OK, "computed", f, "a", &plan);
  assert_string_equal("1, none", plan.old);
  assert_told(f, "EXPIRED a=1");
  assert_counted(f->cache, .misses = 1, .inserts = 2, .expirations = 1);
}

static void change_another(plan *self, ct_result *result) {
  (void)result;
  use_text(self->f->cache, "a");
  set_text(self->f->cache, "b", "2");
}

FIXTURE_TEST(runs_once_if_only_others_changed, open_lru(f, 8)) {
  set_text(f->cache, "a", "1");
  plan plan = {.act = change_another, .value = "computed"};
  assert_computes(CT_OK, "computed", f, "a", &plan);
  assert_int_equal(1, plan.calls);
}

FIXTURE_TEST(old_value_stays_readable_while_it_is_removed, open_lru(f, 1)) {
  set_text(f->cache, "a", "1");
  ct_value pinned = CT_VALUE_INIT;
  assert_status(CT_OK, ct_get(f->cache, "a", 1, &pinned));
  plan plan = {.answer = CT_MISS};
  assert_computes(CT_MISS, NULL, f, "a", &plan);
  set_text(f->cache, "b", "2");
  assert_value("1", pinned);
  ct_value_release(&pinned);
}

static void resize_always(plan *self, ct_result *result) {
  (void)result;
  ct_resize(self->f->cache, 0);
  ct_resize(self->f->cache, 8);
}

static void clear_always(plan *self, ct_result *result) {
  (void)result;
  ct_clear(self->f->cache);
}

/* The second run finds no entry and removes none, so the call ends. */
TEST(compute_that_empties_the_cache_ends) {
  void (*const acts[])(plan *, ct_result *) = {clear_always, resize_always};
  for (size_t i = 0; i < COUNT_OF(acts); i++) {
    fixture f;
    open_lru(&f, 8);
    set_text(f.cache, "a", "1");
    plan plan = {.act = acts[i], .value = "computed"};
    assert_computes(CT_OK, "computed", &f, "a", &plan);
    assert_string_equal("1, none", plan.old);
    fixture_close(&f);
  }
}

/* ---- Plain writes that come first ----------------------------------------------------------- */

enum { kRuns = 1 + 16 };

static void write_at_first(plan *self, ct_result *result) {
  (void)result;
  self->old[0] = '\0'; /* the text would not hold all runs */
  if ((uint64_t)self->calls <= self->number) set_text(self->f->cache, "a", "between");
}

static void delete_and_write(plan *self, ct_result *result) {
  (void)result;
  self->old[0] = '\0';
  if (self->calls % 2 == 1) {
    set_text(self->f->cache, "a", "between");
  } else {
    delete_text(self->f->cache, "a");
  }
}

TEST(gives_up_after_16_retries) {
  void (*const acts[])(plan *, ct_result *) = {write_at_first, delete_and_write};
  static const ct_status answers[] = {CT_OK, CT_MISS};
  for (int way = 0; way < 4; way++) {
    fixture f;
    open_lru(&f, 8);
    plan plan = {.act = acts[way % 2],
                 .number = UINT64_MAX,
                 .value = "computed",
                 .answer = answers[way / 2]};
    assert_computes(CT_BUSY, NULL, &f, "a", &plan);
    assert_int_equal(kRuns, plan.calls);
    assert_text_quietly(f.cache, "a", "between");
    const ct_stats stats = stats_of(f.cache);
    assert_int_equal(0, stats.hits + stats.misses);
    /* The compute that gave up leaves nothing behind. */
    plan.act = NULL;
    plan.answer = CT_OK;
    assert_computes(CT_OK, "computed", &f, "a", &plan);
    assert_int_equal(kRuns + 1, plan.calls);
    fixture_close(&f);
  }
}

FIXTURE_TEST(last_retry_may_succeed, open_lru(f, 8)) {
  plan plan = {.act = write_at_first, .number = kRuns - 1, .value = "computed"};
  assert_computes(CT_OK, "computed", f, "a", &plan);
  assert_int_equal(kRuns, plan.calls);
  assert_text_quietly(f->cache, "a", "computed");
}

/* ---- Turns ---------------------------------------------------------------------------------- */

/* What a callback got when it computed key "a". */
typedef struct inner_compute {
  int calls;
  ct_status status;
  ct_value out;
} inner_compute;

static inner_compute compute_inside(fixture *f) {
  plan inner = {.value = "inner"};
  inner_compute met = {.out = poisoned_value()};
  met.status = compute_text(f, "a", &inner, &met.out);
  met.calls = inner.calls;
  return met;
}

#define assert_was_recursion(met)                  \
  do {                                             \
    assert_status(CT_ERR_RECURSION, (met).status); \
    assert_int_equal(0, (met).calls);              \
    assert_holds_nothing((met).out);               \
  } while (0)

static inner_compute met;

static void compute_own_key(plan *self, ct_result *result) {
  (void)result;
  met = compute_inside(self->f);
}

TEST(compute_within_compute_is_recursion) {
  for (uint32_t flags = 0; flags <= CT_FLAG_SINGLE_THREADED; flags++) {
    fixture f;
    open_fixture(&f, .maxsize = 8, .flags = flags);
    plan plan = {.act = compute_own_key, .value = "outer"};
    assert_computes(CT_OK, "outer", &f, "a", &plan);
    assert_was_recursion(met);
    assert_string_equal("none", plan.old);
    assert_text_quietly(f.cache, "a", "outer");
    assert_counted(f.cache, .misses = 1, .inserts = 1);
    fixture_close(&f);
  }
}

static void compute_by_way_of_b(plan *self, ct_result *result) {
  (void)result;
  plan inner = {.act = compute_own_key, .value = "b"};
  compute_text(self->f, "b", &inner, NULL);
}

FIXTURE_TEST(compute_within_compute_of_another_key_is_recursion_only_for_its_own, open_lru(f, 8)) {
  plan plan = {.act = compute_by_way_of_b, .value = "outer"};
  assert_computes(CT_OK, "outer", f, "a", &plan);
  assert_was_recursion(met);
  assert_text_quietly(f->cache, "b", "b");
}

static ct_status load_by_computing(void *user_data, const void *key, size_t key_size,
                                   ct_result *result) {
  (void)key, (void)key_size;
  met = compute_inside(user_data);
  return ct_result_set(result, "loaded", 6);
}

static void load_own_key(plan *self, ct_result *result) {
  (void)result;
  ct_value out = CT_VALUE_INIT;
  self->number = ct_get_or_load(self->f->cache, "a", 1, load_by_computing, self->f, &out) == CT_OK;
  ct_value_release(&out);
}

/* Only computes take turns. A loader may run within a compute, even for the same key. */
FIXTURE_TEST(loader_within_compute_may_not_compute_its_key, open_lru(f, 8)) {
  plan plan = {.act = load_own_key, .value = "computed"};
  assert_computes(CT_OK, "computed", f, "a", &plan);
  assert_int_equal(1, plan.number);
  assert_was_recursion(met);
  assert_string_equal("none, loaded", plan.old);
}

TEST(loader_may_compute_its_key) {
  for (uint32_t flags = 0; flags <= CT_FLAG_SINGLE_THREADED; flags++) {
    fixture f;
    open_fixture(&f, .maxsize = 8, .flags = flags);
    ct_value out = CT_VALUE_INIT;
    assert_status(CT_OK, ct_get_or_load(f.cache, "a", 1, load_by_computing, &f, &out));
    assert_value("loaded", out);
    ct_value_release(&out);
    assert_status(CT_OK, met.status);
    assert_value("inner", met.out);
    ct_value_release(&met.out);
    assert_text_quietly(f.cache, "a", "inner");
    fixture_close(&f);
  }
}

TEST(leased_key_is_computed_without_waiting) {
  for (uint32_t flags = 0; flags <= CT_FLAG_SINGLE_THREADED; flags++) {
    fixture f;
    open_fixture(&f, .maxsize = 8, .flags = flags);
    ct_lease *lease = NULL;
    assert_status(CT_LEASED, ct_get_or_lease(f.cache, "a", 1, 0, NULL, &lease));
    plan plan = {.value = "computed"};
    assert_computes(CT_OK, "computed", &f, "a", &plan);
    assert_status(CT_NOT_STORED, ct_lease_fulfil(lease, "old", 3, NULL, NULL));
    assert_text_quietly(f.cache, "a", "computed");
    fixture_close(&f);
  }
}

/* Once the value is stored, the turn is over: the listener may compute the key again. */
static void compute_what_is_told(void *user_data, const ct_event *event) {
  (void)event;
  fixture *f = user_data;
  if (f->told++ == 0) met = compute_inside(f);
}

FIXTURE_TEST(listener_may_compute_the_same_key,
             open_fixture(f, .maxsize = 1, .listener = compute_what_is_told)) {
  set_text(f->cache, "b", "2");
  plan plan = {.value = "1"};
  assert_computes(CT_OK, "1", f, "a", &plan);
  assert_status(CT_OK, met.status);
  assert_value("inner", met.out);
  ct_value_release(&met.out);
  assert_text_quietly(f->cache, "a", "inner");
}

static void compute_what_is_dropped(void *user_data, const void *value, size_t value_size) {
  (void)value, (void)value_size;
  fixture *f = user_data;
  if (f->readings++ == 0) met = compute_inside(f);
}

FIXTURE_TEST(drop_may_compute_the_same_key,
             open_fixture(f, .maxsize = 8, .drop = compute_what_is_dropped)) {
  set_text(f->cache, "a", "1");
  plan plan = {.value = "2"};
  assert_computes(CT_OK, "2", f, "a", &plan);
  assert_status(CT_OK, met.status);
  ct_value_release(&met.out);
  assert_text_quietly(f->cache, "a", "inner");
}

static uint64_t weigh_by_computing(void *user_data, const void *key, size_t key_size,
                                   const void *value, size_t value_size) {
  (void)key, (void)key_size, (void)value, (void)value_size;
  fixture *f = user_data;
  if (f->readings++ == 0) met = compute_inside(f);
  return 1;
}

FIXTURE_TEST(weigher_may_not_compute_the_key_that_it_weighs,
             open_fixture(f, .maxsize = 8, .weigher = weigh_by_computing)) {
  plan plan = {.value = "1"};
  assert_computes(CT_OK, "1", f, "a", &plan);
  assert_was_recursion(met);
}

/* ---- Memory --------------------------------------------------------------------------------- */

TEST(compute_leaves_no_memory_behind) {
  fixture f;
  test_allocator allocator;
  test_allocator_init(&allocator);
  open_fixture(&f, .maxsize = 8, .allocator = &allocator.hooks);
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

TEST(computed_value_outlives_the_cache) {
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

/* A compute that would leave the value as it is answers CT_NOT_STORED. */
static void not_modified(plan *self, ct_result *result) {
  (void)self;
  ct_result_not_modified(result);
}

FIXTURE_TEST(value_is_not_modified_by_loaders_alone, open_lru(f, 8)) {
  set_text(f->cache, "a", "precious");
  plan keeps = {.act = not_modified};
  assert_computes(CT_ERR_CALLBACK, NULL, f, "a", &keeps);
  assert_text(f->cache, "a", "precious");
  assert_computes(CT_ERR_CALLBACK, NULL, f, "b", &keeps);
  assert_text(f->cache, "b", NULL);
}
