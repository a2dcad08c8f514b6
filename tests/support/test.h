/* SPDX-License-Identifier: MIT */
/* Tests that register themselves with CMocka, for C and C++. */
#ifndef TEST_H
#define TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* CMocka needs those above, and does not know C++. */
#ifdef __cplusplus
extern "C" {
#endif
#include <cmocka.h>
#ifdef __cplusplus
}
#endif

/* As in TEST(set_stores) { ... }. A program's tests run in the order in which its file has them. The
 * program's main is that of support.c, unless it has one of its own, which returns
 * run_registered_tests(). */
#define TEST(name) TEST_WITH(name, NULL, NULL)

/* The same with what CMocka calls before the test and, even if it failed, after it; NULL: nothing. */
#define TEST_WITH(name, setup, teardown)                                                \
  static void test_##name(void **state);                                                \
  __attribute__((constructor)) static void register_##name(void) {                      \
    const struct CMUnitTest test = {"test_" #name, test_##name, setup, teardown, NULL}; \
    register_test(&test);                                                               \
  }                                                                                     \
  static void test_##name(void **state __attribute__((unused)))

/* A test of a struct, which open fills in and close takes down, where it is known as the pointer it.
 * FIXTURE_TEST of tests/abi/fixture.h and its likes are made of this. */
#define TEST_IN(type, it, name, open, close) \
  static void check_##name(type *it);        \
  TEST(name) {                               \
    type storage;                            \
    type *const it = &storage;               \
    open;                                    \
    check_##name(it);                        \
    close;                                   \
  }                                          \
  static void check_##name(type *it)

#ifdef __cplusplus
extern "C" {
#endif

/* Copies it, not its name. */
void register_test(const struct CMUnitTest *test);
int run_registered_tests(void);

#ifdef __cplusplus
}
#endif

#endif
