/* SPDX-License-Identifier: MIT */
/* Tests that register themselves with CMocka, for C and C++. */
#ifndef TEST_H
#define TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* CMocka needs the headers above, and does not know C++. */
#ifdef __cplusplus
extern "C" {
#endif
#include <cmocka.h>
#ifdef __cplusplus
}
#endif

/* Defines a test, as in TEST(set_stores) { ... }. A program runs its tests in the order in which
 * they stand in its file. Its main is that of support.c, unless it has a main of its own, which
 * returns run_registered_tests(). */
#define TEST(name) TEST_WITH(name, NULL, NULL)

/* Defines a test with functions that CMocka calls before it and, even if it failed, after it.
 * NULL: none. */
#define TEST_WITH(name, setup, teardown)                                                \
  static void test_##name(void **state);                                                \
  __attribute__((constructor)) static void register_##name(void) {                      \
    const struct CMUnitTest test = {"test_" #name, test_##name, setup, teardown, NULL}; \
    register_test(&test);                                                               \
  }                                                                                     \
  static void test_##name(void **state __attribute__((unused)))

/* Defines a test with a fixture, a struct of that type. open fills it in, close takes it down,
 * and the test has a pointer to it, whose name is that of the parameter it. FIXTURE_TEST of
 * tests/abi/fixture.h and others are made of this. */
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

/* Copies the struct, but not its name. */
void register_test(const struct CMUnitTest *test);
int run_registered_tests(void);

#ifdef __cplusplus
}
#endif

#endif
