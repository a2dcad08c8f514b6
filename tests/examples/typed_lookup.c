/* SPDX-License-Identifier: MIT */
/* A function that tells an integer from a floating-point number. Untyped, a memo takes 1 and 1.0
 * for the same argument, as Python does; typed, it keeps them apart. */
#include <cachetools.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct number {
  bool is_real;
  long integer;
  double real;
} number;

static ct_status describe(void *user_data, void *self, const void *args, ct_result *result) {
  (void)user_data, (void)self;
  const number *it = args;
  char text[64];
  const int size = it->is_real ? snprintf(text, sizeof text, "the real number %.1f", it->real)
                               : snprintf(text, sizeof text, "the integer %ld", it->integer);
  return ct_result_set(result, text, (size_t)size);
}

static ct_status add_number(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self;
  const number *it = args;
  if (it->is_real)
    ct_key_double(key, it->real);
  else
    ct_key_int(key, it->integer);
  return CT_OK;
}

static void show(ct_memo *memo, const char *what, const number *argument) {
  ct_value value;
  if (ct_memo_call(memo, NULL, argument, &value) == CT_OK)
    printf("  %-3s is %.*s\n", what, (int)value.size, (const char *)value.data);
  ct_value_release(&value);
}

static void compare(const char *title, uint32_t flags) {
  ct_options own;
  ct_memo_own_default(&own, sizeof own);
  ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  options.fn = describe;
  options.key = add_number;
  options.own = &own;
  options.flags = flags;
  ct_memo *memo;
  if (ct_memo_new(&options, &memo) != CT_OK) exit(EXIT_FAILURE);
  puts(title);
  show(memo, "1", &(number){.integer = 1});
  show(memo, "1.0", &(number){.is_real = true, .real = 1.0});
  ct_memo_free(memo);
}

int main(void) {
  compare("untyped:", 0);
  compare("typed:", CT_MEMO_TYPED);
  return EXIT_SUCCESS;
}
