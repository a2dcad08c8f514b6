/* SPDX-License-Identifier: MIT */
/* Replays recorded requests through every policy over a range of sizes, and prints which part of
 * them misses. Each key is looked up and, if it is missing, stored.
 *
 *     hit_ratio TRACE [PERCENT...]
 *
 * TRACE is a file of 64-bit numbers in the machine's order, one a request, each standing for one
 * object; - is the standard input. A size is given in percent of the number of different keys; by
 * default there are twelve, from 0.1 on. The columns of the table are: the size in percent and in
 * entries, then the miss ratio of each policy, from 0 to 1. */
#define _POSIX_C_SOURCE 200809L
#include <cachetools.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double kPercents[] = {0.1, 0.2, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30};

enum { kPercentCount = sizeof kPercents / sizeof kPercents[0] };

typedef struct trace {
  uint64_t *requests;
  size_t count;
  uint64_t keys; /* different ones */
} trace;

static void fail(const char *what) {
  fprintf(stderr, "hit_ratio: %s\n", what);
  exit(EXIT_FAILURE);
}

static void refuse(const char *what) {
  fprintf(stderr, "hit_ratio: %s\nusage: hit_ratio TRACE [PERCENT...]\n", what);
  exit(2);
}

/* ---- Traces --------------------------------------------------------------------------------- */

/* An hour, for the policies that want to be told how long each entry may be used. */
static const uint64_t kHour = UINT64_C(3600000000000);

static uint64_t in_an_hour(void *user_data, const void *key, size_t key_size, const void *value,
                           size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size;
  return now + kHour;
}

static ct_cache *make_cache(ct_policy policy, uint64_t maxsize) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.maxsize = maxsize;
  options.flags = CT_FLAG_SINGLE_THREADED;
  options.seed = 1; /* what is drawn at random is the same every time */
  if (policy == CT_POLICY_TTL) options.ttl = kHour;
  if (policy == CT_POLICY_TLRU) options.ttu = in_an_hour;

  ct_cache *cache;
  if (ct_cache_new_with(&options, &cache) != CT_OK) fail("cannot make a cache");
  return cache;
}

/* The number of requests that miss. */
static uint64_t replay(const trace *trace, ct_policy policy, uint64_t maxsize) {
  ct_cache *cache = make_cache(policy, maxsize);
  uint64_t misses = 0;
  for (size_t i = 0; i < trace->count; i++) {
    const uint64_t *key = &trace->requests[i];
    const ct_status status = ct_get_copy(cache, key, sizeof *key, NULL, 0, NULL);
    if (status == CT_OK) continue;
    if (status != CT_MISS || ct_set(cache, key, sizeof *key, NULL, 0) != CT_OK)
      fail("cannot use the cache");
    misses++;
  }
  ct_cache_free(cache);
  return misses;
}

static trace read_trace(const char *path) {
  FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
  if (file == NULL) {
    fprintf(stderr, "hit_ratio: %s: %s\n", path, strerror(errno));
    exit(EXIT_FAILURE);
  }
  trace it = {NULL, 0, 0};
  for (size_t room = 1 << 16;; room *= 2) {
    uint64_t *longer = realloc(it.requests, room * sizeof *longer);
    if (longer == NULL) fail("no memory");
    it.requests = longer;
    it.count += fread(it.requests + it.count, sizeof *longer, room - it.count, file);
    if (it.count < room) break;
  }
  if (ferror(file)) fail("cannot read the trace");
  if (it.count == 0) fail("the trace is empty");
  fclose(file);

  it.keys = replay(&it, CT_POLICY_LRU, CT_UNBOUNDED);
  return it;
}

/* ---- The table ------------------------------------------------------------------------------ */

/* Rounded, and at least 1. */
static uint64_t entries_of(const trace *trace, double percent) {
  const uint64_t entries = (uint64_t)((double)trace->keys * percent / 100 + 0.5);
  return entries != 0 ? entries : 1;
}

static void print_heading(const trace *trace) {
  printf("# %zu requests for %" PRIu64 " different keys\n", trace->count, trace->keys);
  printf("percent  entries");
  for (int policy = 0; policy < CT_POLICY_CUSTOM; policy++) {
    const char *name = ct_policy_name((ct_policy)policy);
    if (name != NULL) printf(" %8s", name);
  }
  puts("");
}

static void print_row(const trace *trace, double percent) {
  const uint64_t entries = entries_of(trace, percent);
  printf("%7g %8" PRIu64, percent, entries);
  for (int policy = 0; policy < CT_POLICY_CUSTOM; policy++) {
    if (ct_policy_name((ct_policy)policy) == NULL) continue;
    const uint64_t misses = replay(trace, (ct_policy)policy, entries);
    printf(" %8.4f", (double)misses / (double)trace->count);
    fflush(stdout); /* so that one can watch */
  }
  puts("");
}

static double percent_of(const char *text) {
  char *end;
  const double percent = strtod(text, &end);
  if (*text == '\0' || *end != '\0' || !(percent > 0 && percent <= 100))
    refuse("a size is a percentage, above 0 and up to 100");
  return percent;
}

int main(int argc, char **argv) {
  if (argc < 2) refuse("which trace?");
  if (argv[1][0] == '-' && argv[1][1] != '\0') refuse("there are no options");
  for (int i = 2; i < argc; i++) percent_of(argv[i]);

  const trace trace = read_trace(argv[1]);
  print_heading(&trace);
  if (argc == 2)
    for (size_t i = 0; i < kPercentCount; i++) print_row(&trace, kPercents[i]);
  else
    for (int i = 2; i < argc; i++) print_row(&trace, percent_of(argv[i]));
  free(trace.requests);
  return EXIT_SUCCESS;
}
