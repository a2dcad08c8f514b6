/* SPDX-License-Identifier: MIT */
/* Checks that hit ratios stay what they are, however long it goes on. Requests for keys of very
 * different weights go to 16 shards and to one. The hit ratio of each million must be within half a
 * point of the first settled one, and that of 16 shards within a point of one shard's.
 *
 * Usage: drift MILLIONS [SEED] */
#include <cachetools.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { kKeys = 32000, kMillion = 1000000, kShards = 16, kSettled = 3 };
static const uint64_t kMaxsize = 16 * 500 * UINT64_C(2048);

static uint64_t draw(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

static uint64_t weight_of(uint32_t key) {
  uint64_t state = key;
  return 1 + draw(&state) % 4096;
}

static double sums[kKeys]; /* running sums of the keys' probabilities, by Zipf's law */

static uint32_t draw_key(uint64_t *state) {
  const double at = (double)(draw(state) >> 11) / 9007199254740992.0 * sums[kKeys - 1];
  uint32_t low = 0;
  for (uint32_t high = kKeys - 1; low < high;) {
    const uint32_t middle = (low + high) / 2;
    if (sums[middle] < at)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static ct_cache *make(ct_policy policy, uint32_t shards, uint64_t seed) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.maxsize = kMaxsize;
  options.shards = shards;
  options.seed = seed;
  ct_cache *cache;
  if (ct_cache_new_with(&options, &cache) != CT_OK) abort();
  return cache;
}

static double hit_ratio(ct_cache *cache, uint64_t *state) {
  ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
  entry.flags = CT_ENTRY_WEIGHT;
  int hits = 0;
  for (int i = 0; i < kMillion; i++) {
    const uint32_t key = draw_key(state);
    if (ct_get(cache, &key, sizeof key, NULL) == CT_OK) {
      hits++;
      continue;
    }
    entry.weight = weight_of(key);
    if (ct_set_with(cache, &key, sizeof key, "", 0, &entry) != CT_OK) abort();
  }
  if (ct_currsize(cache) > kMaxsize) abort();
  return (double)hits / kMillion;
}

/* Returns false if the hit ratio drifted. */
static int stays(ct_policy policy, int millions, uint64_t seed) {
  ct_cache *one = make(policy, 1, seed | 1);
  ct_cache *some = make(policy, kShards, seed | 1);
  uint64_t state = seed, same = seed;
  double expected = 0, least = 1, most = 0;
  for (int i = 0; i < kSettled; i++) {
    expected = hit_ratio(one, &state);
    const double first = hit_ratio(some, &same);
    least = most = first;
  }
  int good = least >= expected - 0.01;
  const double settled = least;
  for (int i = kSettled; i < millions; i++) {
    const double ratio = hit_ratio(some, &same);
    if (ratio < least) least = ratio;
    if (ratio > most) most = ratio;
  }
  good = good && settled - least <= 0.005 && most - settled <= 0.005;
  printf("%-8s one shard %.4f; %d shards %.4f, then %.4f to %.4f: %s\n", ct_policy_name(policy),
         expected, kShards, settled, least, most, good ? "stays" : "DRIFTS");
  fflush(stdout);
  ct_cache_free(one);
  ct_cache_free(some);
  return good;
}

int main(int argc, char **argv) {
  const int millions = argc > 1 ? atoi(argv[1]) : 0;
  const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
  if (millions <= kSettled || argc > 3) {
    fprintf(stderr, "Usage: %s MILLIONS [SEED], more than %d\n", argv[0], kSettled);
    return 2;
  }
  printf("%d million requests each, seed %" PRIu64 "\n", millions, seed);
  double sum = 0;
  for (int i = 0; i < kKeys; i++) sums[i] = sum += 1.0 / (i + 1);
  const ct_policy policies[] = {CT_POLICY_LRU, CT_POLICY_SIEVE, CT_POLICY_S3FIFO,
                                CT_POLICY_WTINYLFU};
  int good = 1;
  for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
    good = stays(policies[i], millions, seed) && good;
  return good ? 0 : 1;
}
