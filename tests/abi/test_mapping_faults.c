/* SPDX-License-Identifier: MIT */
/* What a cache asks of the system: few calls, however much is stored. Nothing is lost when the
 * system refuses to map, unmap or take pages back, as it does if a process has too many mappings,
 * or locks its memory.
 *
 * This program brings its own mmap, munmap and madvise, which count and fail on demand.
 * Sanitizers bring their own too, so this test is not for them. */
#include <errno.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"

static struct { int64_t mmap, munmap, madvise; } calls;
static bool mmap_fails, munmap_fails, madvise_fails;
static int64_t mapped; /* bytes */

void *mmap(void *address, size_t size, int protection, int flags, int file, off_t offset) {
  calls.mmap++;
  if (mmap_fails) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
#ifdef SYS_mmap2
  void *ptr = (void *)syscall(SYS_mmap2, address, size, protection, flags, file, offset / 4096);
#else
  void *ptr = (void *)syscall(SYS_mmap, address, size, protection, flags, file, offset);
#endif
  if (ptr != MAP_FAILED) mapped += (int64_t)size;
  return ptr;
}

int munmap(void *address, size_t size) {
  calls.munmap++;
  if (munmap_fails) {
    errno = ENOMEM;
    return -1;
  }
  mapped -= (int64_t)size;
  return (int)syscall(SYS_munmap, address, size);
}

int madvise(void *address, size_t size, int advice) {
  calls.madvise++;
  if (madvise_fails) {
    errno = EINVAL;
    return -1;
  }
  return (int)syscall(SYS_madvise, address, size, advice);
}

static int be_kind(void **state) {
  (void)state;
  mmap_fails = munmap_fails = madvise_fails = false;
  return 0;
}

static char value[600000];

static ct_cache *memory_cache(uint64_t limit, uint32_t shards, uint64_t tti) {
  return cache_of(.weight_kind = CT_WEIGHT_MEMORY, .maxsize = limit, .shards = shards, .tti = tti);
}

/* Keys are evicted and come back. The ends of a value tell its key. */
static void store_some(ct_cache *cache, uint64_t *random, size_t least, size_t most, int sets) {
  const uint64_t keys = 4 * ct_maxsize(cache) / ((least + most) / 2);
  for (int i = 0; i < sets; i++) {
    const uint64_t key = test_random_below(random, keys);
    const size_t size = least + test_random_below(random, most - least + 1);
    memset(value, (int)key, 8);
    memset(value + size - 8, (int)key, 8);
    const ct_status status = ct_set(cache, &key, sizeof key, value, size);
    assert_true(status == CT_OK || (mmap_fails && status == CT_ERR_NOMEM));
  }
}

static void assert_intact(ct_cache *cache) {
  ct_iter *iter;
  assert_status(CT_OK, ct_iter_new(cache, CT_ORDER_ANY, &iter));
  ct_bytes key, held;
  uint64_t count = 0;
  while (ct_iter_next(iter, &key, &held) == CT_OK) {
    uint64_t number;
    memcpy(&number, key.data, sizeof number);
    for (size_t i = 0; i < 8; i++) {
      assert_int_equal((char)number, ((const char *)held.data)[i]);
      assert_int_equal((char)number, ((const char *)held.data)[held.size - 1 - i]);
    }
    count++;
  }
  ct_iter_free(iter);
  assert_int_equal(count, ct_len(cache));
}

/* ---- Calls ---------------------------------------------------------------------------------- */

/* A full cache takes as much memory as it releases. Asserts the most calls of the system in a
 * thousand sets. */
static void assert_calls(uint64_t limit, uint32_t shards, size_t least, size_t most, int64_t maps,
                         int64_t advices) {
  enum { kSets = 10000 };
  uint64_t random = test_seed();
  ct_cache *cache = memory_cache(limit, shards, 0);
  store_some(cache, &random, least, most, (int)(8 * limit / most) + kSets);
  memset(&calls, 0, sizeof calls);
  store_some(cache, &random, least, most, kSets);
  if (calls.mmap + calls.munmap > maps * kSets / 1000 || calls.madvise > advices * kSets / 1000)
    fail_msg("%u shards, values of %zu to %zu bytes: %lld mmap, %lld munmap, %lld madvise", shards,
             least, most, (long long)calls.mmap, (long long)calls.munmap, (long long)calls.madvise);
  ct_cache_free(cache);
}

TEST(full_cache_asks_the_system_for_little) {
  assert_calls(2 << 20, 1, 8, 4096, 2, 200);
  assert_calls(2 << 20, 16, 8, 4096, 2, 400);
  assert_calls(32 << 20, 1, 8, 500000, 4, 1500);
  assert_calls(64 << 20, 16, 65536, 262144, 4, 1000);
  assert_calls(64 << 20, 1, 16384, 16384, 2, 10);
}

/* ---- Faults --------------------------------------------------------------------------------- */

/* What cannot be unmapped is not lost: its pages go back all the same, and its addresses are
 * used again. However many caches come and go, they take little more than the first one. */
TEST_WITH(what_cannot_be_unmapped_is_used_again, NULL, be_kind) {
  const uint64_t ttis[] = {0, UINT64_C(1) << 60};
  const int64_t before = mapped;
  int64_t by_first = 0;
  for (int t = 0; t < 2; t++) {
    uint64_t random = test_seed();
    munmap_fails = true;
    for (int round = 0; round < 10; round++) {
      ct_cache *cache = memory_cache(16 << 20, 4, ttis[t]);
      store_some(cache, &random, 8, 3000, 20000);
      store_some(cache, &random, 16000, 300000, 1000);
      assert_intact(cache);
      ct_clear(cache);
      store_some(cache, &random, 16000, 300000, 100);
      ct_cache_free(cache);
      if (by_first == 0) by_first = mapped - before;
    }
    if (mapped - before > 4 * by_first)
      fail_msg("%lld bytes are mapped, and %lld by the first", (long long)(mapped - before),
               (long long)by_first);
    munmap_fails = false;
  }
}

/* The same as with locked memory: such pages count, and read as zeros where zeros are promised. */
TEST_WITH(pages_that_cannot_go_back_count, NULL, be_kind) {
  uint64_t random = test_seed();
  madvise_fails = true;
  ct_cache *cache = memory_cache(16 << 20, 1, 0);
  for (int round = 0; round < 4; round++) {
    store_some(cache, &random, 8, 3000, 20000);
    store_some(cache, &random, 16000, 300000, 400);
    assert_intact(cache);
    assert_status(CT_OK, ct_resize(cache, 1 << 20));
    assert_true(ct_memory(cache) > 12 << 20);
    assert_status(CT_OK, ct_resize(cache, 16 << 20));
  }
  madvise_fails = false;
  assert_status(CT_OK, ct_resize(cache, 1 << 20));
  assert_true(ct_memory(cache) < 2 << 20);
  assert_intact(cache);
  ct_cache_free(cache);
}

TEST_WITH(without_mappings_a_cache_goes_on, NULL, be_kind) {
  uint64_t random = test_seed();
  ct_cache *cache = memory_cache(16 << 20, 4, 0);
  store_some(cache, &random, 8, 300000, 50);
  mmap_fails = munmap_fails = true;
  store_some(cache, &random, 8, 300000, 1000);
  assert_intact(cache);
  mmap_fails = munmap_fails = false;
  store_some(cache, &random, 8, 300000, 1000);
  assert_intact(cache);
  assert_true(ct_currsize(cache) > 12 << 20);
  ct_cache_free(cache);
}
