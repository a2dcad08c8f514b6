/* SPDX-License-Identifier: MIT */
/* What the tests of memos share: a function that counts its calls and does what it is told to, and
 * memos of it. */
#ifndef MEMO_H
#define MEMO_H

#include "fixture.h"

/* ---- What is memoized ----------------------------------------------------------------------- */

/* The one argument of a call. */
typedef struct argument {
  bool is_real;
  int64_t integer;
  double real;
} argument;

#define INT(value) (&(const argument){.integer = (value)})
#define REAL(value) (&(const argument){.is_real = true, .real = (value)})

typedef struct world {
  fixture f; /* first, so that the fixture's callbacks accept the whole */
  unsigned calls;
  unsigned keys;
  unsigned lookups;     /* of an object's cache */
  ct_status answer;     /* the function's */
  ct_status key_answer; /* the key function's */
  uint64_t ttl;         /* of results; 0: the cache's */
  size_t size;          /* of results; 0: as long as they need to be */
  bool discard;
  bool weightless;
  ct_memo *memo;
  /* What the function does besides, if anything; its answer is noted. */
  ct_status (*inside)(struct world *world, void *self, const argument *args);
  ct_status noted;
} world;

/* Call number n, counted from 0, returns n as text. */
ct_status count_calls(void *user_data, void *self, const void *args, ct_result *result);

/* A key function: one argument makes the key. */
ct_status add_argument(void *user_data, void *self, const void *args, ct_key *key);

/* An object with a cache of its own, or none. */
typedef struct object {
  ct_cache *cache;
} object;

ct_cache *cache_of_object(void *user_data, void *self);

/* For inside: makes the same call again. */
ct_status call_again(world *it, void *self, const argument *args);

/* A key function: the key is longer than what a builder holds without allocating. */
ct_status add_long_key(void *user_data, void *self, const void *args, ct_key *key);

/* ---- Making and asking ---------------------------------------------------------------------- */

/* The state of the running test. Its memos pass it to the function. */
extern world w;

void begin_anew(void);
int set_up(void **state);

/* A test that begins with a fresh world. */
#define MEMO_TEST(name) TEST_WITH(name, set_up, NULL)

/* The same, with a memo that is freed at the end. */
#define MEMO_TEST_OF(name, open)           \
  static void check_##name(ct_memo *memo); \
  MEMO_TEST(name) {                        \
    ct_memo *const memo = open;            \
    check_##name(memo);                    \
    ct_memo_free(memo);                    \
  }                                        \
  static void check_##name(ct_memo *memo)

ct_memo_options memo_options(void);
ct_memo *new_memo(const ct_memo_options *options);
ct_options own_options(ct_policy policy, uint64_t maxsize);
ct_memo *memo_with_own(const ct_options *own, uint32_t flags);
ct_memo *memo_of_policy(ct_policy policy, uint64_t maxsize, uint32_t flags);
ct_memo *usual_memo(uint32_t flags);
ct_memo *memo_in(ct_cache *cache, const char *prefix);
ct_memo *method_memo(uint32_t flags);
/* A memo without a cache. */
ct_memo *pass_through(uint32_t flags);
ct_cache *any_cache(uint64_t maxsize);

#define assert_call(expected, memo, self, args)                           \
  do {                                                                    \
    ct_value answer_ = poisoned_value();                                  \
    assert_status(CT_OK, ct_memo_call((memo), (self), (args), &answer_)); \
    assert_value((expected), answer_);                                    \
    ct_value_release(&answer_);                                           \
  } while (0)

#define assert_call_fails(expected, memo, self, args)                          \
  do {                                                                         \
    ct_value answer_ = poisoned_value();                                       \
    assert_status((expected), ct_memo_call((memo), (self), (args), &answer_)); \
    assert_holds_nothing(answer_);                                             \
  } while (0)

ct_cache_info info_from(ct_memo *memo, void *self);

#define assert_info(memo, self, hits_, misses_, maxsize_, currsize_) \
  do {                                                               \
    const ct_cache_info info_ = info_from((memo), (self));           \
    assert_int_equal((hits_), info_.hits);                           \
    assert_int_equal((misses_), info_.misses);                       \
    assert_int_equal((maxsize_), info_.maxsize);                     \
    assert_int_equal((currsize_), info_.currsize);                   \
  } while (0)

/* Returns whether the result of a call is kept, by a look-up of the key that the memo reports. */
bool keeps(ct_memo *memo, void *self, const argument *args);

#endif
