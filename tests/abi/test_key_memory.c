/* SPDX-License-Identifier: MIT */
/* What needs no memory: keys of up to 256 bytes, once their builder exists, and calls that a
 * memo answers from its cache. */
#include "counted_heap.h"
#include "support.h"

/* ---- Keys ----------------------------------------------------------------------------------- */

/* An integer, a tuple and two names, sorted: 9 + 2 + 224 + 11 + 10 bytes. */
static void add_256_bytes(ct_key *key) {
  static const char text[209];
  ct_key_int(key, 1);
  ct_key_tuple_begin(key);
  ct_key_tuple_end(key);
  ct_key_name(key, "b", 1);
  ct_key_bytes(key, text, 209);
  ct_key_name(key, "a", 1);
  ct_key_null(key);
  ct_key_name(key, "", 0);
  ct_key_null(key);
}

TEST(key_of_256_bytes_allocates_nothing) {
  inside = true;
  const int64_t before_builder = heap.calls;
  ct_key *key = ct_key_new(0);
  assert_non_null(key);
  assert_true(heap.calls > before_builder); /* the library's allocations are counted */

  const void *data;
  size_t size;
  const int64_t before = heap.calls;
  for (int i = 0; i < 3; i++) {
    ct_key_reset(key);
    add_256_bytes(key);
    assert_status(CT_OK, ct_key_data(key, &data, &size));
  }
  assert_int_equal(before, heap.calls);
  assert_int_equal(256, size);

  ct_key_reset(key);
  add_256_bytes(key);
  ct_key_name(key, "c", 1);
  ct_key_null(key);
  assert_true(heap.calls > before);
  ct_key_free(key);
}

TEST(long_key_in_a_reset_builder_allocates_nothing) {
  inside = true;
  static const char bytes[5000];
  ct_key *key = ct_key_new(0);
  assert_non_null(key);
  ct_key_bytes(key, bytes, sizeof(bytes));
  const int64_t before = heap.calls;
  ct_key_reset(key);
  ct_key_bytes(key, bytes, sizeof(bytes));
  assert_int_equal(before, heap.calls);
  ct_key_free(key);
}

/* ---- Memos ---------------------------------------------------------------------------------- */

static ct_status add_number(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self;
  ct_key_int(key, *(const int *)args);
  return CT_OK;
}

static ct_status answer(void *user_data, void *self, const void *args, ct_result *result) {
  (void)user_data, (void)self, (void)args;
  return ct_result_set(result, "answer", 6);
}

TEST(memo_hit_allocates_nothing) {
  inside = true;
  ct_options own;
  ct_memo_own_default(&own, sizeof(own));
  ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  options.fn = answer;
  options.key = add_number;
  options.own = &own;
  ct_memo *memo;
  assert_status(CT_OK, ct_memo_new(&options, &memo));
  const int number = 7;
  assert_status(CT_OK, ct_memo_call(memo, NULL, &number, NULL));

  ct_value value;
  const int64_t before = heap.calls;
  assert_status(CT_OK, ct_memo_call(memo, NULL, &number, &value));
  assert_int_equal(before, heap.calls);
  ct_value_release(&value);
  ct_memo_free(memo);
}
