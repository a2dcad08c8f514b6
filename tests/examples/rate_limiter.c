/* SPDX-License-Identifier: MIT */
#include <cachetools.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { kLimit = 3 };

static uint64_t now; /* instead of a clock, so that this program need not wait */

static uint64_t read_now(void *user_data) {
  (void)user_data;
  return now;
}

/* Allows so many requests a minute. The window of a client begins with its first request. */
static bool allows(ct_cache *cache, const char *client) {
  ct_entry_options window = CT_ENTRY_OPTIONS_INIT;
  window.flags = CT_ENTRY_TTL;
  window.ttl = CT_SECONDS(60);
  int64_t count;
  if (ct_add(cache, client, strlen(client), 1, 0, &window, &count) != CT_OK) return true;
  return count <= kLimit;
}

int main(void) {
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 100000; /* clients that are counted at the same time */
  options.timer = read_now;
  ct_cache *cache;
  if (ct_cache_new_with(&options, &cache) != CT_OK) return 1;

  const uint64_t seconds[] = {0, 10, 20, 30, 59, 60};
  for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
    now = CT_SECONDS(seconds[i]);
    printf("%2" PRIu64 " s: %s\n", seconds[i], allows(cache, "192.0.2.7") ? "allowed" : "refused");
  }
  ct_cache_free(cache);
  return 0;
}
