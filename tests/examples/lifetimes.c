/* SPDX-License-Identifier: MIT */
#include <cachetools.h>
#include <stdio.h>

int main(void) {
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 10000;
  options.ttl = CT_MINUTES(10);
  ct_cache *cache;
  if (ct_cache_new_with(&options, &cache) != CT_OK) {
    fprintf(stderr, "%s\n", ct_options_problem(&options));
    return 1;
  }

  ct_set(cache, "page", 4, "<html>", 6);
  ct_set_ttl(cache, "token", 5, "opaque", 6, CT_HOURS(1));
  printf("%llu entries\n", (unsigned long long)ct_len(cache));

  ct_cache_free(cache);
  return 0;
}
