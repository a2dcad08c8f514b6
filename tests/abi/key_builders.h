/* SPDX-License-Identifier: MIT */
/* What the tests of key builders share: calls, written in the format of data/golden/keys.txt
 * (see data/golden/README.md), and builders that make keys of calls. A call may be malformed,
 * too. */
#ifndef KEY_BUILDERS_H
#define KEY_BUILDERS_H

#include "support.h"

enum { kMaxTokens = 96, kMaxText = 64 };

/* ---- Calls ---------------------------------------------------------------------------------- */

/* One word of a call. */
typedef struct token {
  char kind; /* n b i u f s x ( ) or k, as in the file */
  int64_t integer;
  uint64_t number; /* beyond int64_t */
  double real;
  char text[kMaxText]; /* of s, x and k */
  size_t size;
} token;

typedef struct call {
  token tokens[kMaxTokens];
  size_t count;
} call;

token parse_token(const char *word);
call parse(const char *text);
void add_call(ct_key *key, const call *it);

/* ---- Keys of calls -------------------------------------------------------------------------- */

/* An untyped and a typed builder, each twice, so that two keys can be compared. */
extern ct_key *builders[2][2];

int make_builders(void **state);
int free_builders(void **state);

/* A test with builders. */
#define KEY_TEST(name) TEST_WITH(name, make_builders, free_builders)

ct_status status_of(ct_key *key);
ct_bytes bytes_of(ct_key *key);

/* Resets one of the two builders, and makes the key of a call with it. */
ct_bytes key_of(const call *it, bool typed, int builder);
bool equal_bytes(ct_bytes one, ct_bytes other);
bool equal_keys(const call *one, const call *other, bool typed);

/* Whether two calls, as texts, make equal keys. */
bool same(const char *one, const char *other, bool typed);

#define assert_one_key(one, other)        \
  do {                                    \
    assert_true(same(one, other, false)); \
    assert_true(same(one, other, true));  \
  } while (0)

#define assert_one_key_unless_typed(one, other) \
  do {                                          \
    assert_true(same(one, other, false));       \
    assert_false(same(one, other, true));       \
  } while (0)

#define assert_two_keys(one, other)        \
  do {                                     \
    assert_false(same(one, other, false)); \
    assert_false(same(one, other, true));  \
  } while (0)

#endif
