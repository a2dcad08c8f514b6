/* SPDX-License-Identifier: MIT */
/* ct_memory reports what is resident, and a cache has few mappings, whatever was done to it: for
 * values of many sizes, after entries were stored, deleted and stored again, and after the limit
 * was changed; also where memory is locked. */
#include <malloc.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

enum {
  kMixed = 0, /* sizes from 1 byte to 256 KiB, as many small ones as large ones */
  kLargest = 256 * 1024
};
static const uint64_t kLong = UINT64_C(1) << 60;
static const uint64_t kLimit = UINT64_C(128) << 20;

static char value[kLargest];

/* ---- What the system says ------------------------------------------------------------------- */

static int mappings(void) {
  int lines = 0;
  FILE *file = fopen("/proc/self/maps", "r");
  assert_non_null(file);
  for (int c; (c = fgetc(file)) != EOF;) lines += c == '\n';
  fclose(file);
  return lines;
}

/* ---- A cache that is worked on -------------------------------------------------------------- */

typedef struct subject {
  ct_cache *cache;
  const char *name;
  size_t size; /* of values */
  uint32_t shards;
  double resident_before;
  int mappings_before;
  uint64_t random;
  uint64_t first, end; /* keys that were stored */
} subject;

static size_t draw_size(subject *self) {
  if (self->size != kMixed) return self->size;
  const uint64_t most = UINT64_C(1) << test_random_below(&self->random, 19);
  return 1 + test_random_below(&self->random, most < kLargest ? most : kLargest);
}

static void fill(subject *self, uint64_t bytes) {
  for (uint64_t stored = 0; stored < bytes; self->end++) {
    const size_t size = draw_size(self);
    assert_status(CT_OK, ct_set(self->cache, &self->end, sizeof self->end, value, size));
    stored += size + 64;
  }
}

/* Deletes a third of all entries: runs of ten, and others anywhere. */
static void delete_some(subject *self) {
  for (uint64_t key = 0; key < self->end; key++) {
    const bool goes = key / 10 % 5 == 0 || test_random_below(&self->random, 6) == 0;
    if (goes) ct_delete(self->cache, &key, sizeof key);
  }
}

static void check(const subject *self, const char *stage) {
  const double told = (double)ct_memory(self->cache);
  const double taken = resident_bytes() - self->resident_before;
  const int mapped = mappings() - self->mappings_before;
  /* The header promises this from 64 MiB and a mebibyte a shard on. */
  const double off = taken - told;
  if (told >= 64.0 * 1024 * 1024 && (off > told * 0.05 || off < -told * 0.05))
    fail_msg("%s, values of %zu bytes, %u shards, %s: tells %.1f MiB, takes %.1f", self->name,
             self->size, self->shards, stage, told / 1048576, taken / 1048576);
  if (mapped > 64)
    fail_msg("%s, values of %zu bytes, %u shards, %s: %d mappings", self->name, self->size,
             self->shards, stage, mapped);
}

static void work_on(ct_policy policy, uint64_t tti, ct_weight_kind kind, uint32_t shards,
                    size_t size) {
  subject self = {.name = ct_policy_name(policy), .size = size, .shards = shards};
  self.random = test_seed();
  malloc_trim(0);
  self.resident_before = resident_bytes();
  self.mappings_before = mappings();
  self.cache = cache_of(.policy = policy, .tti = tti, .weight_kind = kind, .maxsize = kLimit,
                        .shards = shards);
  fill(&self, kLimit / 4 * 5);
  check(&self, "filled");
  delete_some(&self);
  check(&self, "a third deleted");
  assert_status(CT_OK, ct_resize(self.cache, kLimit + 1));
  check(&self, "trimmed");
  fill(&self, kLimit / 2);
  check(&self, "filled again");
  assert_status(CT_OK, ct_resize(self.cache, kLimit / 4 * 3));
  check(&self, "limit lowered");
  self.size = size == 4096 ? 3000 : 4096;
  fill(&self, kLimit);
  check(&self, "filled with another size");
  self.size = size;
  assert_status(CT_OK, ct_resize(self.cache, kLimit));
  fill(&self, kLimit);
  check(&self, "limit raised and filled");
  assert_status(CT_OK, ct_clear(self.cache));
  assert_true(ct_memory(self.cache) < kLimit / 64);
  if (resident_bytes() - self.resident_before > (double)kLimit / 32)
    fail_msg("%s, values of %zu bytes: %.0f KiB stay after a clear", self.name, size,
             (resident_bytes() - self.resident_before) / 1024);
  ct_cache_free(self.cache);
  if (mappings() - self.mappings_before > 4)
    fail_msg("%d mappings stay", mappings() - self.mappings_before);
}

TEST(memory_is_what_is_resident) {
  static const size_t kSizes[] = {100, 4096, 16384, 65536, kLargest, kMixed};
  memset(value, 1, sizeof value);
  for (size_t i = 0; i < COUNT_OF(kSizes); i++) {
    work_on(CT_POLICY_LRU, 0, CT_WEIGHT_VALUE, 1, kSizes[i]);
    work_on(CT_POLICY_SIEVE, 0, CT_WEIGHT_MEMORY, 16, kSizes[i]);
    /* Such a cache is never read without the lock. */
    work_on(CT_POLICY_FIFO, kLong, CT_WEIGHT_MEMORY, 1, kSizes[i]);
  }
}

/* ---- Locked memory -------------------------------------------------------------------------- */

static bool told_is_resident(const ct_cache *cache, double before, const char *stage) {
  const double told = (double)ct_memory(cache);
  const double off = resident_bytes() - before - told;
  if (off < told * 0.05 + 65536 && off > -told * 0.05 - 65536) return true;
  fprintf(stderr, "%s: tells %.1f MiB, takes %.1f\n", stage, told / 1048576,
          (resident_bytes() - before) / 1048576);
  return false;
}

/* Returns whether ct_memory was right all the time. */
static bool work_locked(uint64_t tti) {
  bool right = true;
  const double before = resident_bytes();
  ct_options options = CT_OPTIONS_INIT;
  options.tti = tti;
  options.weight_kind = CT_WEIGHT_MEMORY;
  options.maxsize = UINT64_C(64) << 20;
  ct_cache *cache;
  if (ct_cache_new_with(&options, &cache) != CT_OK) return false;
  for (uint64_t key = 0; key < 200000; key++)
    if (ct_set(cache, &key, sizeof key, value, key % 8 == 0 ? 20000 : 1000) != CT_OK) return false;
  right = told_is_resident(cache, before, "full") && right;
  ct_resize(cache, 1 << 20);
  right = told_is_resident(cache, before, "limit lowered") && right;
  ct_clear(cache);
  right = told_is_resident(cache, before, "cleared") && right;
  if (munlockall() != 0) return false;
  ct_resize(cache, 1 << 20);
  right = told_is_resident(cache, before, "unlocked and trimmed") && right;
  if (ct_memory(cache) > 1 << 20) {
    fprintf(stderr, "%llu bytes stay\n", (unsigned long long)ct_memory(cache));
    right = false;
  }
  ct_cache_free(cache);
  return right;
}

TEST(memory_is_what_is_resident_where_it_is_locked) {
  bool locks = true;
  for (int idles = 0; idles < 2; idles++) {
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) _exit(2);
      _exit(work_locked(idles != 0 ? kLong : 0) ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2)
      locks = false;
    else
      assert_int_equal(0, WEXITSTATUS(status));
  }
  /* RLIMIT_MEMLOCK forbids it. */
  if (!locks) skip();
}
