/* SPDX-License-Identifier: MIT */
/* Drives the library from a benchmark that loads caches as plugins: a shared object of four
 * functions. The environment chooses what is measured: CT_BENCH_POLICY (a name, by default LRU),
 * CT_BENCH_SHARDS (by default 1), CT_BENCH_SINGLE=1 (no locks). */
#include <cachetools.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kBatch = 64, kMaxValue = 64 };

void *peer_create(size_t capacity);
int64_t peer_get(void *cache, const void *key, size_t key_size, void *buffer, size_t capacity);
int peer_set(void *cache, const void *key, size_t key_size, const void *value, size_t value_size);
size_t peer_mget(void *cache, const char *keys, size_t key_size, size_t count, char *out,
                 size_t stride, int64_t *sizes);

static const char *setting(const char *name, const char *otherwise) {
  const char *value = getenv(name);
  return value != NULL ? value : otherwise;
}

/* The deadline of TLRU: none, so that only the order is measured. */
static uint64_t never(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size, (void)now;
  return CT_NEVER;
}

void *peer_create(size_t capacity) {
  ct_policy policy;
  if (ct_policy_from_name(setting("CT_BENCH_POLICY", "LRU"), &policy) != CT_OK) {
    fprintf(stderr, "CT_BENCH_POLICY names no policy\n");
    exit(2);
  }
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.maxsize = capacity;
  options.shards = (uint32_t)strtoul(setting("CT_BENCH_SHARDS", "1"), NULL, 10);
  options.seed = 1;
  if (strcmp(setting("CT_BENCH_SINGLE", "0"), "1") == 0) options.flags = CT_FLAG_SINGLE_THREADED;
  if (policy == CT_POLICY_TTL) options.ttl = UINT64_C(3600000000000);
  if (policy == CT_POLICY_TLRU) options.ttu = never;

  ct_cache *cache;
  if (ct_cache_new_with(&options, &cache) != CT_OK) {
    const char *problem = ct_options_problem(&options);
    fprintf(stderr, "no cache: %s\n", problem != NULL ? problem : "no memory");
    exit(2);
  }
  return cache;
}

int64_t peer_get(void *cache, const void *key, size_t key_size, void *buffer, size_t capacity) {
  size_t size;
  const ct_status status = ct_get_copy(cache, key, key_size, buffer, capacity, &size);
  return status == CT_OK ? (int64_t)size : -1;
}

int peer_set(void *cache, const void *key, size_t key_size, const void *value, size_t value_size) {
  return ct_set(cache, key, key_size, value, value_size);
}

/* The hits among count keys, one after the other; each value goes to its own stride of out. */
size_t peer_mget(void *cache, const char *keys, size_t key_size, size_t count, char *out,
                 size_t stride, int64_t *sizes) {
  size_t key_ends[kBatch];
  size_t value_ends[kBatch];
  ct_status statuses[kBatch];
  char values[kBatch * kMaxValue];
  if (count == 0 || count > kBatch) abort();
  for (size_t i = 0; i < count; i++) key_ends[i] = (i + 1) * key_size;
  if (ct_get_many_copy(cache, keys, key_ends, count, values, sizeof(values), value_ends,
                       statuses) != CT_OK)
    abort();

  size_t hits = 0;
  size_t begin = 0;
  for (size_t i = 0; i < count; i++) {
    const size_t size = value_ends[i] - begin;
    if (size > stride) abort();
    memcpy(out + i * stride, values + begin, size);
    sizes[i] = statuses[i] == CT_OK ? (int64_t)size : -1;
    hits += statuses[i] == CT_OK;
    begin = value_ends[i];
  }
  return hits;
}
