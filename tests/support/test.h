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
#define TEST(name)                                                 \
  static void test_##name(void **state);                           \
  __attribute__((constructor)) static void register_##name(void) { \
    register_test("test_" #name, test_##name);                     \
  }                                                                \
  static void test_##name(void **state __attribute__((unused)))

#ifdef __cplusplus
extern "C" {
#endif

/* name lives as long as the program. */
void register_test(const char *name, void (*test)(void **state));
int run_registered_tests(void);

#ifdef __cplusplus
}
#endif

#endif
