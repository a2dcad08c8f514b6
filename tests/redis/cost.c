/* SPDX-License-Identifier: MIT */
/* What a hit near costs beside a get of the near cache itself, in instructions: 10,000 hits of one
 * kind, which the argument names. check_cost.sh counts what runs in functions that begin with hit_. */
#include "fixture.h"

enum { kHits = 10000 };

static tier it;

static bool hit_get(const char *key) {
  ct_value value;
  const ct_status status = ct_get(it.near, key, 1, &value);
  ct_value_release(&value);
  return status == CT_OK;
}

static bool hit_redis_get(const char *key) {
  ct_value value;
  const ct_status status = ct_redis_get(it.redis, key, 1, &value);
  ct_value_release(&value);
  return status == CT_OK;
}

static bool hit_redis_get_or_load(const char *key) {
  ct_value value;
  const ct_status status =
      ct_redis_get_or_load(it.redis, key, 1, 0, load_from_source, NULL, &value);
  ct_value_release(&value);
  return status == CT_OK;
}

static bool hit_get_copy(const char *key) {
  char copy[8];
  size_t size;
  return ct_get_copy(it.near, key, 1, copy, sizeof copy, &size) == CT_OK;
}

static bool hit_redis_get_copy(const char *key) {
  char copy[8];
  size_t size;
  return ct_redis_get_copy(it.redis, key, 1, copy, sizeof copy, &size) == CT_OK;
}

static const struct {
  const char *name;
  bool (*hit)(const char *key);
} kinds[] = {
    {"get", hit_get},
    {"get_copy", hit_get_copy},
    {"redis_get", hit_redis_get},
    {"redis_get_or_load", hit_redis_get_or_load},
    {"redis_get_copy", hit_redis_get_copy},
};

int main(int argc, char **argv) {
  bool (*volatile hit)(const char *) = NULL; /* so that it is called, and not copied here */
  for (size_t i = 0; i < COUNT_OF(kinds) && argc == 2; i++) {
    if (strcmp(argv[1], kinds[i].name) == 0) hit = kinds[i].hit;
  }
  if (hit == NULL) return 2;
  server redis;
  server_start(&redis, "");
  ct_redis_options options;
  tier_options(&it, redis.port, 100, &options);
  options.flags = CT_REDIS_NO_THREAD;
  options.max_stale = CT_SECONDS(1000);
  tier_open(&it, &options);
  bool good = ct_redis_wait(it.redis, CT_SECONDS(60)) == CT_OK;
  good &= ct_redis_set(it.redis, "k", 1, "value", 5, 0) == CT_OK;
  for (int i = 0; i < kHits; i++) good &= hit("k");
  tier_close(&it);
  server_stop(&redis);
  return good ? 0 : 1;
}
