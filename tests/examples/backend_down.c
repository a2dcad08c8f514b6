/* SPDX-License-Identifier: MIT */
#include <cachetools.h>
#include <inttypes.h>
#include <stdio.h>

static uint64_t now; /* instead of a clock, so that this program need not wait */

static uint64_t read_now(void *user_data) {
  (void)user_data;
  return now;
}

/* Stands for a backend that is down after the first call. */
static ct_status load(void *user_data, const void *key, size_t key_size, ct_result *result) {
  int *calls = user_data;
  (void)key, (void)key_size;
  if (++*calls > 1) return CT_ERR_IO;
  return ct_result_set(result, "forty-two", 9);
}

int main(void) {
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 10000;
  options.timer = read_now;
  options.ttl = CT_SECONDS(300);
  options.refresh_ahead = CT_SECONDS(30);
  options.stale = CT_SECONDS(3600);
  options.retry = CT_SECONDS(5);
  ct_cache *cache;
  if (ct_cache_new_with(&options, &cache) != CT_OK) return 1;

  int calls = 0;
  const uint64_t seconds[] = {0, 280, 301, 303, 3899, 3900};
  for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
    now = CT_SECONDS(seconds[i]);
    ct_value value;
    const ct_status status = ct_get_or_load(cache, "answer", 6, load, &calls, &value);
    printf("%4" PRIu64 " s, call %d: %s %.*s\n", seconds[i], calls, ct_status_name(status),
           (int)value.size, (const char *)value.data);
    ct_value_release(&value);
  }
  ct_cache_free(cache);
  return 0;
}
