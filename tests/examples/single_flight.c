/* SPDX-License-Identifier: MIT */
/* 64 threads ask for 8 keys at once: each key is loaded by one of them, and the others wait for it.
 */
#define _POSIX_C_SOURCE 200809L /* pthread_barrier_t */
#include <cachetools.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { kThreads = 64, kKeys = 8 };

static ct_cache *cache;
static pthread_barrier_t start;
static atomic_int loads;
static atomic_int answered;

static ct_status load(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)user_data;
  atomic_fetch_add(&loads, 1);
  return ct_result_set(result, key, key_size);
}

static void *ask(void *user_data) {
  const char key = (char)('a' + *(int *)user_data % kKeys);
  pthread_barrier_wait(&start);
  ct_value value;
  if (ct_get_or_load(cache, &key, 1, load, NULL, &value) == CT_OK &&
      *(const char *)value.data == key)
    atomic_fetch_add(&answered, 1);
  ct_value_release(&value);
  return NULL;
}

int main(void) {
  cache = ct_cache_new(CT_POLICY_LRU, 100);
  if (cache == NULL || pthread_barrier_init(&start, NULL, kThreads) != 0) return EXIT_FAILURE;
  pthread_t threads[kThreads];
  int numbers[kThreads];
  for (int i = 0; i < kThreads; i++) {
    numbers[i] = i;
    if (pthread_create(&threads[i], NULL, ask, &numbers[i]) != 0) return EXIT_FAILURE;
  }
  for (int i = 0; i < kThreads; i++) pthread_join(threads[i], NULL);

  ct_stats stats = CT_STATS_INIT;
  ct_cache_stats(cache, &stats);
  printf("%d answers, %d loads\n", answered, loads);
  printf("%" PRIu64 " misses, %" PRIu64 " hits\n", stats.misses, stats.hits);
  ct_cache_free(cache);
  pthread_barrier_destroy(&start);
  return EXIT_SUCCESS;
}
