/* SPDX-License-Identifier: MIT */
/* What a memo costs beside the cache under it: a hit beside ct_get_copy, and a single-flight miss
 * beside the function itself. Processor time of one thread, in nanoseconds a call.
 *
 *     memo_cost                  all of them, in turns
 *     memo_cost copy 1000000     one of them, that often: function, copy, get, hit or miss
 *
 * Instructions a call are what a longer run takes beyond a shorter one:
 *
 *     valgrind --tool=callgrind --callgrind-out-file=/dev/null memo_cost hit 200000
 *     valgrind --tool=callgrind --callgrind-out-file=/dev/null memo_cost hit 100000
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include <cachetools.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { kKeys = 64, kRounds = 201, kCalls = 20000 };

static ct_cache *cache;
static ct_memo *memo;
static int64_t next_miss = 1 << 20;
static volatile uint64_t sink;

static ct_status square(void *user_data, void *self, const void *args, ct_result *result) {
  (void)user_data, (void)self;
  const int64_t number = *(const int64_t *)args;
  const int64_t answer = number * number;
  return ct_result_set(result, &answer, sizeof answer);
}

static ct_status key_of(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self;
  ct_key_int(key, *(const int64_t *)args);
  return CT_OK;
}

static void require(bool condition) {
  if (condition) return;
  fprintf(stderr, "memo_cost: a call did not do what is to be measured\n");
  exit(EXIT_FAILURE);
}

static void open_caches(void) {
  ct_options own;
  ct_memo_own_default(&own, sizeof own);
  require(ct_cache_new_with(&own, &cache) == CT_OK);
  ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  options.fn = square;
  options.key = key_of;
  options.own = &own;
  require(ct_memo_new(&options, &memo) == CT_OK);
  for (int64_t i = 0; i < kKeys; i++) {
    const int64_t answer = i * i;
    require(ct_set(cache, &i, sizeof i, &answer, sizeof answer) == CT_OK);
  }
}

/* ---- What is measured ----------------------------------------------------------------------- */

static void copy(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    const int64_t key = (int64_t)(i % kKeys);
    int64_t answer;
    size_t size;
    require(ct_get_copy(cache, &key, sizeof key, &answer, sizeof answer, &size) == CT_OK);
    sink += (uint64_t)answer;
  }
}

static void use(ct_value *value) {
  int64_t answer;
  memcpy(&answer, value->data, sizeof answer);
  ct_value_release(value);
  sink += (uint64_t)answer;
}

static void get(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    const int64_t key = (int64_t)(i % kKeys);
    ct_value value;
    require(ct_get(cache, &key, sizeof key, &value) == CT_OK);
    use(&value);
  }
}

static void call(int64_t number) {
  ct_value value;
  require(ct_memo_call(memo, NULL, &number, &value) == CT_OK);
  use(&value);
}

static void hit(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) call((int64_t)(i % kKeys));
}

static void miss(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) call(next_miss++);
}

static void function(uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    const int64_t number = (int64_t)(i % kKeys);
    sink += (uint64_t)(number * number);
  }
}

/* Each with the one that it is compared with. */
static const struct {
  const char *name;
  void (*run)(uint64_t count);
  size_t beside;
} kLoops[] = {{"function", function, 0},
              {"copy", copy, 0},
              {"get", get, 1},
              {"hit", hit, 1},
              {"miss", miss, 0}};

enum { kLoopCount = sizeof kLoops / sizeof kLoops[0] };

/* ---- Time ----------------------------------------------------------------------------------- */

static double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *one, const void *other) {
  const double a = *(const double *)one;
  const double b = *(const double *)other;
  return (a > b) - (a < b);
}

static double median(double *times) {
  qsort(times, kRounds, sizeof times[0], compare);
  return times[kRounds / 2];
}

/* In turns, so that what disturbs the machine disturbs all of them. */
static void measure_all(void) {
  static double times[kLoopCount][kRounds];
  static double beyond[kLoopCount][kRounds];
  for (int round = 0; round < kRounds; round++) {
    hit(kKeys); /* the misses of the round before evicted what is to be hit */
    for (size_t i = 0; i < kLoopCount; i++) {
      const double begin = now_ns();
      kLoops[i].run(kCalls);
      times[i][round] = (now_ns() - begin) / kCalls;
      beyond[i][round] = times[i][round] - times[kLoops[i].beside][round];
    }
  }
  puts("medians, in ns a call");
  for (size_t i = 0; i < kLoopCount; i++) {
    printf("%-8s %6.1f", kLoops[i].name, median(times[i]));
    if (i > 0) printf(", %.1f beyond %s", median(beyond[i]), kLoops[kLoops[i].beside].name);
    puts("");
  }
}

int main(int argc, char **argv) {
  open_caches();
  hit(kKeys);
  if (argc == 1) {
    measure_all();
  } else {
    bool found = false;
    for (size_t i = 0; i < kLoopCount; i++) {
      if (argc != 3 || strcmp(argv[1], kLoops[i].name) != 0) continue;
      kLoops[i].run(strtoull(argv[2], NULL, 10));
      found = true;
    }
    if (!found) {
      fprintf(stderr, "usage: memo_cost [function|copy|get|hit|miss COUNT]\n");
      return 2;
    }
  }
  ct_memo_free(memo);
  ct_cache_free(cache);
  return EXIT_SUCCESS;
}
