/* SPDX-License-Identifier: MIT */
/* A function whose result does not depend on all of its arguments. The key leaves out the log
 * that the function writes to, so calls that differ only in their log share a result. */
#include <cachetools.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct call {
  int width;
  int height;
  const char *log; /* where progress is told; not part of the key */
} call;

static ct_status area(void *user_data, void *self, const void *args, ct_result *result) {
  (void)user_data, (void)self;
  const call *it = args;
  printf("  %s: computing %d x %d\n", it->log, it->width, it->height);
  const int product = it->width * it->height;
  return ct_result_set(result, &product, sizeof product);
}

static ct_status add_sides(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self;
  const call *it = args;
  ct_key_int(key, it->width);
  ct_key_int(key, it->height);
  return CT_OK;
}

static void show(ct_memo *memo, int width, int height, const char *log) {
  const call arguments = {width, height, log};
  ct_value value;
  int product = 0;
  if (ct_memo_call(memo, NULL, &arguments, &value) == CT_OK)
    memcpy(&product, value.data, sizeof product);
  ct_value_release(&value);
  printf("%d x %d = %d\n", width, height, product);
}

int main(void) {
  ct_options own;
  ct_memo_own_default(&own, sizeof own);
  ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  options.fn = area;
  options.key = add_sides;
  options.own = &own;
  ct_memo *memo;
  if (ct_memo_new(&options, &memo) != CT_OK) return EXIT_FAILURE;

  show(memo, 6, 7, "first log");
  show(memo, 6, 7, "second log");
  show(memo, 7, 6, "second log");
  ct_memo_free(memo);
  return EXIT_SUCCESS;
}
