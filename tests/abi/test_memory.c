/* SPDX-License-Identifier: MIT */
/* A cache gives memory back to the system when it needs less, and its tables follow its
 * contents. */
#include <unistd.h>

#include "fixture.h"

static const ct_policy kPolicies[] = {CT_POLICY_LRU, CT_POLICY_FIFO, CT_POLICY_CLOCK,
                                      CT_POLICY_SIEVE};

static void add(ct_cache *cache, uint64_t number, size_t size) {
  static const char value[2048];
  char key[16] = {0};
  memcpy(key, &number, sizeof(number));
  assert_status(CT_OK, ct_set(cache, key, sizeof(key), value, size));
}

static bool has(ct_cache *cache, uint64_t number) {
  char key[16] = {0};
  memcpy(key, &number, sizeof(number));
  return ct_contains(cache, key, sizeof(key));
}

static void use(ct_cache *cache, uint64_t number) {
  char key[16] = {0};
  memcpy(key, &number, sizeof(number));
  ct_value value;
  assert_status(CT_OK, ct_get(cache, key, sizeof(key), &value));
  ct_value_release(&value);
}

/* Resident memory of the process, in bytes. */
static double resident(void) {
  unsigned long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  assert_non_null(file);
  assert_int_equal(1, fscanf(file, "%*u %lu", &pages));
  fclose(file);
  return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void resize(bool scattered, double kept) {
  uint64_t random = test_seed();
  const uint64_t count = 400000;
  /* A sanitizer's own records of memory stay resident. */
  const double shadow = kSanitized ? 0.5 : 0;
  for (size_t p = 0; p < COUNT_OF(kPolicies); p++) {
    const double before = resident();
    ct_cache *cache = cache_of(.policy = kPolicies[p], .maxsize = count);
    for (uint64_t i = 0; i < count; i++) add(cache, i, 64);
    const double full = resident() - before;
    const uint64_t held = ct_memory(cache);
    assert_true(full > (double)count * 80);
    for (uint64_t i = 0; scattered && i < count; i++) use(cache, test_random_below(&random, count));

    assert_status(CT_OK, ct_resize(cache, count / 100));
    assert_int_equal(count / 100, ct_len(cache));
    if (resident() - before > full * (kept + shadow))
      fail_msg("%s keeps %.0f of %.0f bytes", ct_policy_name(kPolicies[p]), resident() - before,
               full);
    assert_true(ct_memory(cache) < held / 6);

    uint64_t found = 0;
    for (uint64_t i = 0; i < count; i++) found += has(cache, i);
    assert_int_equal(count / 100, found);

    /* The cache is as good as new. */
    assert_status(CT_OK, ct_resize(cache, count));
    for (uint64_t i = 0; i < count; i++) add(cache, i, 64);
    for (uint64_t i = 0; i < count; i++) assert_true(has(cache, i));
    assert_true(resident() - before < full * (1.1 + shadow));
    ct_cache_free(cache);
  }
}

TEST(resize_gives_memory_back) {
  resize(false, 0.05);
}

/* The entries that stay lie anywhere, and have to be moved together. */
TEST(resize_gives_memory_back_between_entries) {
  resize(true, 0.1);
}

/* The sizes in between all differ, and tables that were kept are used again. */
TEST(resizing_often_does_not_pile_memory_up) {
  uint64_t seed = test_seed();
  for (size_t p = 0; p < COUNT_OF(kPolicies); p++) {
    ct_cache *cache = cache_of(.policy = kPolicies[p], .maxsize = 1);
    for (int turn = 0; turn < 40; turn++) {
      const uint64_t count = 1000 + test_random_below(&seed, 20000);
      assert_status(CT_OK, ct_resize(cache, count));
      for (uint64_t i = 0; i < count; i++) add(cache, i, 64);
      for (uint64_t i = 0; i < count; i++) assert_true(has(cache, i));
      assert_status(CT_OK, ct_resize(cache, 10));
      /* A chunk is an eighth of what the store held when it was made; some such chunks stay. */
      assert_true(ct_memory(cache) < 1200000);
    }
    ct_cache_free(cache);
  }
}

/* The table also shrinks while entries are replaced by fewer and larger ones. */
TEST(table_shrinks_with_larger_entries) {
  const uint64_t maxsize = 20000000;
  for (size_t p = 0; p < COUNT_OF(kPolicies); p++) {
    ct_cache *cache =
        cache_of(.policy = kPolicies[p], .maxsize = maxsize, .weight_kind = CT_WEIGHT_MEMORY);
    uint64_t number = 0;
    for (size_t shift = 0; shift < 2; shift++) {
      for (uint64_t written = 0; written < 2 * maxsize; written += 80) add(cache, number++, 40);
      assert_true(has(cache, number - 1000));
      for (uint64_t written = 0; written < 2 * maxsize; written += 1040) add(cache, number++, 1000);
      assert_true(has(cache, number - 1000));
      assert_true(ct_currsize(cache) <= maxsize);
      if (ct_memory(cache) > maxsize / 100 * 105)
        fail_msg("%s holds %llu", ct_policy_name(kPolicies[p]),
                 (unsigned long long)ct_memory(cache));
    }
    ct_cache_free(cache);
  }
}
