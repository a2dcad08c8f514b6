/* SPDX-License-Identifier: MIT */
/* Prints the cost of a get in nanoseconds a key: pinned, copied, and with 16 keys in a call. The
 * programs of other languages measure the same: a thousand entries, which stay in the
 * processor's caches, so that the cost of the way to the library shows; 16-byte keys in random
 * order, 64-byte values, LRU. The least of many short runs is printed, as any disturbance only
 * adds time. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include <cachetools.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { kEntries = 1000, kKeySize = 16, kBatch = 16, kGets = 80000, kRuns = 50 };

static ct_cache *cache;
static char text[kEntries][kKeySize + 1];
static ct_bytes keys[kEntries + kBatch]; /* in random order, and begun again */
static volatile unsigned sink;

static void require(bool condition) {
  if (condition) return;
  fprintf(stderr, "bench: a call did not do what is to be measured\n");
  exit(EXIT_FAILURE);
}

static double now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void fill(void) {
  cache = ct_cache_new(CT_POLICY_LRU, kEntries);
  require(cache != NULL);
  uint32_t random = 1;
  for (unsigned i = 0; i < kEntries; i++) {
    snprintf(text[i], sizeof text[i], "key %012u", i);
    keys[i] = (ct_bytes){text[i], kKeySize};
    char value[64];
    memset(value, (int)i, sizeof value);
    require(ct_set(cache, text[i], kKeySize, value, sizeof value) == CT_OK);
    random = random * 1664525 + 1013904223;
    const unsigned other = (random >> 8) % (i + 1);
    const ct_bytes key = keys[i];
    keys[i] = keys[other];
    keys[other] = key;
  }
  memcpy(keys + kEntries, keys, kBatch * sizeof *keys);
}

static void get_single(void) {
  for (unsigned i = 0; i < kGets; i++) {
    const ct_bytes key = keys[i % kEntries];
    ct_value value;
    require(ct_get(cache, key.data, key.size, &value) == CT_OK);
    sink += *(const unsigned char *)value.data;
    ct_value_release(&value);
  }
}

static void get_copied(void) {
  for (unsigned i = 0; i < kGets; i++) {
    const ct_bytes key = keys[i % kEntries];
    unsigned char value[64];
    size_t size;
    require(ct_get_copy(cache, key.data, key.size, value, sizeof value, &size) == CT_OK);
    sink += value[0];
  }
}

static void get_batches(void) {
  for (unsigned i = 0; i < kGets; i += kBatch) {
    ct_value values[kBatch];
    ct_status statuses[kBatch];
    require(ct_get_many(cache, keys + i % kEntries, kBatch, values, statuses) == CT_OK);
    for (unsigned j = 0; j < kBatch; j++) {
      require(statuses[j] == CT_OK);
      sink += *(const unsigned char *)values[j].data;
      ct_value_release(&values[j]);
    }
  }
}

static double measure(void (*gets)(void)) {
  double least = 1e9;
  for (int run = 0; run < kRuns; run++) {
    const double begin = now_ns();
    gets();
    const double took = (now_ns() - begin) / kGets;
    if (took < least) least = took;
  }
  return least;
}

int main(void) {
  fill();
  printf("%.1f", measure(get_single));
  printf(" %.1f", measure(get_copied));
  printf(" %.1f\n", measure(get_batches));
  ct_cache_free(cache);
  return 0;
}
