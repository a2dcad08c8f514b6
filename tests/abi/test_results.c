/* SPDX-License-Identifier: MIT */
/* What holds for the results of loaders and computes alike, and for the arguments of both calls. */
#include "plan.h"

/* Makes two tests: one asks by load, the other by compute. */
#define ASK_TEST(name, open)                      \
  static void ask_##name(fixture *f, ask_fn ask); \
  FIXTURE_TEST(name##_by_load, open) {            \
    ask_##name(f, load_text);                     \
  }                                               \
  FIXTURE_TEST(name##_by_compute, open) {         \
    ask_##name(f, compute_text);                  \
  }                                               \
  static void ask_##name(fixture *f, ask_fn ask)

ASK_TEST(result_ttl_counts_from_the_return, open_lru(f, 8)) {
  set_now(f, 100);
  plan plan = {.act = take_time_and_set_ttl, .number = 5, .value = "1"};
  assert_answers(ask, CT_OK, "1", f, "a", &plan);
  assert_int_equal(115, info_of(f->cache, "a").deadline);
}

ASK_TEST(result_deadline_is_absolute, open_lru(f, 8)) {
  set_now(f, 100);
  plan plan = {.act = set_deadline, .number = 150, .value = "1"};
  assert_answers(ask, CT_OK, "1", f, "a", &plan);
  assert_int_equal(150, info_of(f->cache, "a").deadline);
}

ASK_TEST(result_weight_is_the_callbacks_fault_where_memory_is_weighed,
         open_fixture(f, .maxsize = 1000, .weight_kind = CT_WEIGHT_MEMORY)) {
  plan plan = {.act = set_weight, .number = 5, .value = "2"};
  assert_answers(ask, CT_ERR_CALLBACK, NULL, f, "a", &plan);
  assert_false(has_text(f->cache, "a"));
  plan.act = NULL;
  assert_answers(ask, CT_OK, "2", f, "a", &plan);
}

/* ---- Arguments that are not allowed --------------------------------------------------------- */

typedef ct_status (*call_fn)(ct_cache *cache, const void *key, size_t key_size, bool has_callback,
                             plan *plan, ct_value *out);

static ct_status call_to_load(ct_cache *cache, const void *key, size_t key_size, bool has_callback,
                              plan *plan, ct_value *out) {
  return ct_get_or_load(cache, key, key_size, has_callback ? load : NULL, plan, out);
}

static ct_status call_to_compute(ct_cache *cache, const void *key, size_t key_size,
                                 bool has_callback, plan *plan, ct_value *out) {
  return ct_compute(cache, key, key_size, has_callback ? compute : NULL, plan, out);
}

static void assert_refused(ct_status expected, call_fn call, ct_cache *cache, const void *key,
                           size_t key_size, bool has_callback) {
  plan plan = {.value = "1"};
  ct_value out = poisoned_value();
  assert_status(expected, call(cache, key, key_size, has_callback, &plan, &out));
  assert_holds_nothing(out);
  assert_int_equal(0, plan.calls);
}

static void assert_refuses_bad_arguments(call_fn call) {
  fixture f;
  open_lru(&f, 8);
  assert_refused(CT_ERR_INVALID, call, NULL, "a", 1, true);
  assert_refused(CT_ERR_INVALID, call, f.cache, NULL, 1, true);
  assert_refused(CT_ERR_INVALID, call, f.cache, "a", 1, false);
  if (sizeof(size_t) == 8)
    assert_refused(CT_ERR_TOO_LARGE, call, f.cache, unreadable(), kTooLong, true);
  assert_counted(f.cache, .hits = 0);
  fixture_close(&f);
}

TEST(get_or_load_of_bad_arguments_is_refused) {
  assert_refuses_bad_arguments(call_to_load);
}

TEST(compute_of_bad_arguments_is_refused) {
  assert_refuses_bad_arguments(call_to_compute);
}
