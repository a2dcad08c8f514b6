/* SPDX-License-Identifier: MIT */
/* What needs no memory: keys of up to 256 bytes, once their builder exists, and calls that a
 * memo answers from its cache. This program replaces the system's malloc to count its calls, so
 * it runs without sanitizers. */
#include "support.h"

static size_t allocations;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);
void *__libc_memalign(size_t align, size_t size);

void *malloc(size_t size) {
  allocations++;
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  allocations++;
  return __libc_calloc(count, size);
}

void *realloc(void *ptr, size_t size) {
  allocations++;
  return __libc_realloc(ptr, size);
}

void *aligned_alloc(size_t align, size_t size) {
  allocations++;
  return __libc_memalign(align, size);
}

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
  const size_t before_builder = allocations;
  ct_key *key = ct_key_new(0);
  assert_non_null(key);
  assert_true(allocations > before_builder); /* the library's allocations are counted */

  const void *data;
  size_t size;
  const size_t before = allocations;
  for (int i = 0; i < 3; i++) {
    ct_key_reset(key);
    add_256_bytes(key);
    assert_status(CT_OK, ct_key_data(key, &data, &size));
  }
  assert_int_equal(before, allocations);
  assert_int_equal(256, size);

  ct_key_reset(key);
  add_256_bytes(key);
  ct_key_name(key, "c", 1);
  ct_key_null(key);
  assert_true(allocations > before);
  ct_key_free(key);
}

TEST(long_key_in_a_reset_builder_allocates_nothing) {
  static const char bytes[5000];
  ct_key *key = ct_key_new(0);
  assert_non_null(key);
  ct_key_bytes(key, bytes, sizeof(bytes));
  const size_t before = allocations;
  ct_key_reset(key);
  ct_key_bytes(key, bytes, sizeof(bytes));
  assert_int_equal(before, allocations);
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
  const size_t before = allocations;
  assert_status(CT_OK, ct_memo_call(memo, NULL, &number, &value));
  assert_int_equal(before, allocations);
  ct_value_release(&value);
  ct_memo_free(memo);
}
