/* SPDX-License-Identifier: MIT */
/* Replays recorded requests through every policy at several sizes: each key is looked up and, if it
 * is missing, stored. Ends in a table of hit ratios, speed and memory.
 *
 *     replay TRACE
 *
 * TRACE is a file of 64-bit numbers, one a request, numbered from 0 on. */
#define _POSIX_C_SOURCE 200809L
#include <cachetools.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Sizes of the cache, in thousandths of the number of different keys. */
static const uint64_t kSizes[] = {1, 10, 50, 100, 200};

enum {
  kSizeCount = sizeof(kSizes) / sizeof(kSizes[0]),
  kValueSize = 64,
  kRounds = 3, /* of each replay, for the speed; they all hit and miss alike */
};

typedef struct trace {
  uint64_t *requests;
  size_t count;
  uint64_t keys;
} trace;

/* What one policy did. */
typedef struct result {
  double hit_percent[kSizeCount];
  double operations;
  double seconds;
  double bytes_per_entry; /* of the largest cache */
} result;

static void fail(const char *what) {
  fprintf(stderr, "replay: %s\n", what);
  exit(EXIT_FAILURE);
}

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static trace read_trace(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail("cannot open the trace");
  fseek(file, 0, SEEK_END);
  const long size = ftell(file);
  rewind(file);

  trace it = {NULL, size > 0 ? (size_t)size / sizeof(uint64_t) : 0, 0};
  if (it.count == 0) fail("the trace is empty");
  it.requests = malloc(it.count * sizeof(uint64_t));
  if (it.requests == NULL) fail("no memory");
  if (fread(it.requests, sizeof(uint64_t), it.count, file) != it.count) fail("cannot read it");
  fclose(file);

  for (size_t i = 0; i < it.count; i++)
    if (it.requests[i] >= it.keys) it.keys = it.requests[i] + 1;
  return it;
}

/* An hour: the lifetime for the policies that need one. */
static const uint64_t kHour = CT_HOURS(1);

static uint64_t in_an_hour(void *user_data, const void *key, size_t key_size, const void *value,
                           size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  return now + kHour;
}

static ct_cache *make_cache(ct_policy policy, uint64_t maxsize) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.maxsize = maxsize;
  options.seed = 1; /* RR draws the same victims every time */
  if (policy == CT_POLICY_TTL) options.ttl = kHour;
  if (policy == CT_POLICY_TLRU) options.ttu = in_an_hour;

  ct_cache *cache;
  if (ct_cache_new_with(&options, &cache) != CT_OK) fail("cannot make a cache");
  return cache;
}

static void replay(const trace *trace, ct_cache *cache) {
  char value[kValueSize] = {0};
  for (size_t i = 0; i < trace->count; i++) {
    const uint64_t *key = &trace->requests[i];
    if (ct_get_copy(cache, key, sizeof(*key), value, sizeof(value), NULL) == CT_OK) continue;
    /* Here a program would fetch or compute the value. */
    if (ct_set(cache, key, sizeof(*key), value, sizeof(value)) != CT_OK) fail("cannot store");
  }
}

/* Rounded, and at least 1. */
static uint64_t entries_of(const trace *trace, size_t size) {
  const uint64_t entries = (trace->keys * kSizes[size] + 500) / 1000;
  return entries != 0 ? entries : 1;
}

static void measure(const trace *trace, ct_policy policy, size_t size, result *result) {
  ct_cache *cache = make_cache(policy, entries_of(trace, size));
  const double start = seconds_now();
  replay(trace, cache);
  result->seconds += seconds_now() - start;

  ct_stats stats = CT_STATS_INIT;
  if (ct_cache_stats(cache, &stats) != CT_OK) fail("no statistics");
  result->hit_percent[size] = 100.0 * (double)stats.hits / (double)trace->count;
  result->operations += (double)(stats.hits + stats.misses + stats.inserts);
  result->bytes_per_entry = (double)ct_memory(cache) / (double)ct_len(cache);
  ct_cache_free(cache);
}

static void print_heading(const trace *trace) {
  printf("%zu requests for %" PRIu64 " different keys. Which part of them was found, in percent,\n",
         trace->count, trace->keys);
  printf("by policy and by the number of entries that the cache may hold:\n\n%-8s", "policy");
  for (size_t size = 0; size < kSizeCount; size++) printf("%8" PRIu64, entries_of(trace, size));
  printf("%14s%14s\n", "million op/s", "bytes/entry");
}

static void print_result(ct_policy policy, const result *result) {
  printf("%-8s", ct_policy_name(policy));
  for (size_t size = 0; size < kSizeCount; size++) printf("%8.2f", result->hit_percent[size]);
  printf("%14.1f%14.1f\n", result->operations / result->seconds / 1e6, result->bytes_per_entry);
}

int main(int argc, char **argv) {
  if (argc != 2) fail("usage: replay TRACE");
  const trace trace = read_trace(argv[1]);
  const bool show_progress = isatty(STDERR_FILENO);

  static result results[CT_POLICY_CUSTOM];
  for (int policy = 0; policy < CT_POLICY_CUSTOM; policy++) {
    if (ct_policy_name((ct_policy)policy) == NULL) continue;
    for (size_t size = 0; size < kSizeCount; size++) {
      if (show_progress)
        fprintf(stderr, "\r%-4s size %zu of %d ", ct_policy_name((ct_policy)policy), size + 1,
                kSizeCount);
      for (int round = 0; round < kRounds; round++)
        measure(&trace, (ct_policy)policy, size, &results[policy]);
    }
  }
  if (show_progress) fprintf(stderr, "\r%20s\r", "");

  print_heading(&trace);
  for (int policy = 0; policy < CT_POLICY_CUSTOM; policy++)
    if (ct_policy_name((ct_policy)policy) != NULL)
      print_result((ct_policy)policy, &results[policy]);
  printf("\nOf the bytes an entry takes in the largest cache, %zu are its key and value.\n",
         sizeof(uint64_t) + kValueSize);
  free(trace.requests);
  return EXIT_SUCCESS;
}
