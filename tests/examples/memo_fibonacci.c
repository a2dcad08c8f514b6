/* SPDX-License-Identifier: MIT */
#include <cachetools.h>
#include <stdio.h>
#include <string.h>

static ct_memo *memo;

static uint64_t fibonacci(uint64_t n) {
  ct_value value;
  uint64_t result = 0;
  if (ct_memo_call(memo, NULL, &n, &value) == CT_OK) memcpy(&result, value.data, sizeof result);
  ct_value_release(&value);
  return result;
}

static ct_status compute(void *user_data, void *self, const void *args, ct_result *result) {
  (void)user_data, (void)self;
  const uint64_t n = *(const uint64_t *)args;
  const uint64_t sum = n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
  return ct_result_set(result, &sum, sizeof sum);
}

static ct_status add_key(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self;
  ct_key_uint(key, *(const uint64_t *)args);
  return CT_OK;
}

int main(void) {
  ct_options own;
  ct_memo_own_default(&own, sizeof own); /* LRU, 128 results */
  ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  options.fn = compute;
  options.key = add_key;
  options.own = &own;
  if (ct_memo_new(&options, &memo) != CT_OK) return 1;

  printf("%llu\n", (unsigned long long)fibonacci(90));
  ct_memo_free(memo);
  return 0;
}
