/* SPDX-License-Identifier: MIT */
#include <cachetools-redis.h>
#include <stdio.h>

static ct_status load_user(void *database, const void *key, size_t key_size, ct_result *result) {
  printf("asking the %s for %.*s\n", (const char *)database, (int)key_size, (const char *)key);
  return ct_result_set(result, "Ada", 3);
}

int main(int argc, char **argv) {
  ct_redis_options options = CT_REDIS_OPTIONS_INIT;
  options.url = argc > 1 ? argv[1] : "redis://localhost:6379";
  options.near = ct_cache_new(CT_POLICY_LRU, 1000);
  options.prefix = "shop:";
  options.prefix_size = 5;
  options.ttl = CT_MINUTES(10);
  ct_redis *tier;
  if (ct_redis_open(&options, &tier) != CT_OK) return 1;

  for (int i = 0; i < 2; i++) {
    ct_value user;
    if (ct_redis_get_or_load(tier, "user:7", 6, 0, load_user, "database", &user) == CT_OK)
      printf("%.*s\n", (int)user.size, (const char *)user.data);
    ct_value_release(&user);
  }
  ct_redis_delete(tier, "user:7", 6); /* whenever the database has changed */

  ct_redis_close(tier);
  ct_cache_free(options.near);
  return 0;
}
