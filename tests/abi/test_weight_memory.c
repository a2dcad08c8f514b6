/* SPDX-License-Identifier: MIT */
/* The memory that a cache takes from the system follows what it is to hold. With
 * CT_WEIGHT_MEMORY it stays near maxsize, however the sizes of values change. Where entries are
 * counted, it goes back when they become smaller. */
#include <sys/resource.h>
#include <unistd.h>

#include "fixture.h"

enum {
  kMixed = 0, /* sizes from 16 to 2015 bytes */
  kKey = 16,  /* bytes */
  kLargest = 4000,
  kHeader = 40 /* bytes beside key and value, about */
};

static const ct_policy kPolicies[] = {CT_POLICY_LRU,      CT_POLICY_SIEVE, CT_POLICY_S3FIFO,
                                      CT_POLICY_WTINYLFU, CT_POLICY_ARC,   CT_POLICY_ADAPTIVE};

static void open_limited(fixture *f, uint64_t bytes) {
  ct_options options = fixture_options(f, CT_POLICY_LRU, bytes);
  options.listener = NULL;
  options.weight_kind = CT_WEIGHT_MEMORY;
  fixture_open(f, &options);
}

/* ---- Memory as the limit -------------------------------------------------------------------- */

/* How a cache is filled. */
typedef enum pattern {
  kNewKeys, /* each key once */
  kSkewed   /* key k with a frequency of 1 / k, written if it is absent, and now and then anew.
              * So entries of all ages stay, scattered over the memory. */
} pattern;

typedef struct filling {
  ct_cache *cache;
  pattern pattern;
  double limit;
  double before; /* resident */
  uint64_t random;
  uint64_t keys;    /* different ones, if skewed */
  uint64_t written; /* entries */
} filling;

/* Draws a number. All lengths in bits are about as likely. */
static uint64_t draw_skewed(uint64_t *random, uint64_t below) {
  for (;;) {
    const uint64_t bits = test_random_below(random, 64 - (uint64_t)__builtin_clzll(below)) + 1;
    const uint64_t key =
        ((uint64_t)1 << (bits - 1)) | test_random_below(random, (uint64_t)1 << (bits - 1));
    if (key < below) return key;
  }
}

static uint64_t draw_key(filling *self) {
  char buffer[kLargest];
  size_t size;
  for (;;) {
    if (self->pattern == kNewKeys) return self->written;
    uint64_t key[2] = {draw_skewed(&self->random, self->keys), 0};
    const ct_status status =
        ct_get_copy(self->cache, key, sizeof key, buffer, sizeof buffer, &size);
    if (status == CT_MISS || test_random_below(&self->random, 8) == 0) return key[0];
  }
}

/* Writes about as many bytes as the cache holds. Reports the most memory that it took meanwhile,
 * as the cache tells and as the system does. */
static void fill(filling *self, size_t size, double *held, double *taken) {
  static const char value[kLargest];
  const uint64_t stride =
      (uint64_t)(self->limit / 25 / (double)(size == kMixed ? 1000 : size + kHeader));
  *held = *taken = 0;
  for (double bytes = 0; bytes < self->limit; self->written++) {
    uint64_t key[2] = {draw_key(self), 0};
    const size_t own = size != kMixed ? size : 16 + test_random_below(&self->random, 2000);
    assert_status(CT_OK, ct_set(self->cache, key, sizeof key, value, own));
    bytes += (double)(own + kKey + kHeader);
    if (self->written % (stride + 1) != 0) continue;
    const double now_held = (double)ct_memory(self->cache);
    const double now_taken = resident_bytes() - self->before;
    if (now_held > *held) *held = now_held;
    if (now_taken > *taken) *taken = now_taken;
  }
}

static void assert_within(const filling *self, ct_policy policy, uint32_t shards, size_t size,
                          int turn, double bound, double held, double taken) {
  /* Tables of ghosts, of reads and of free blocks, and the unused rest of chunks, come on top. */
  const double learned = policy == CT_POLICY_ADAPTIVE ? 68 : 0;
  const double most = self->limit * bound + 1024.0 * (40 + learned + 24 * shards);
  if (held > most || (!kSanitized && taken > most))
    fail_msg(
        "%s, %u shards, limit %.0f, %s: turn %d with values of %zu bytes: says %.3f, takes %.3f",
        ct_policy_name(policy), shards, self->limit,
        self->pattern == kNewKeys ? "new keys" : "skewed", turn, size, held / self->limit,
        taken / self->limit);
  assert_true(ct_currsize(self->cache) <= (uint64_t)self->limit);
}

static void assert_stays_within_from(uint64_t seed, ct_policy policy, double limit, uint32_t shards,
                                     pattern pattern) {
  static const size_t kSizes[] = {64, 1000, 40, 4000, kMixed};
  filling self = {.pattern = pattern, .limit = limit, .random = seed};
  self.keys = (uint64_t)(limit / 20);
  self.before = resident_bytes();
  self.cache = cache_of(.policy = policy, .maxsize = (uint64_t)limit,
                        .weight_kind = CT_WEIGHT_MEMORY, .shards = shards);
  /* W-TinyLFU lets no new key replace one that was used as often, so its contents change slowly. */
  const bool keeps_old = policy == CT_POLICY_WTINYLFU && pattern == kNewKeys;
  for (size_t i = 0; i < COUNT_OF(kSizes); i++) {
    for (int turn = 0; turn < 3; turn++) {
      double held, taken;
      fill(&self, kSizes[i], &held, &taken);
      const bool scatters = policy == CT_POLICY_ADAPTIVE;
      const double bound = turn == 2 && !keeps_old ? scatters ? 1.08 : 1.05 : 1.10;
      assert_within(&self, policy, shards, kSizes[i], turn, bound, held, taken);
    }
  }
  /* Most of the limit is used. */
  assert_true(ct_currsize(self.cache) > (uint64_t)(limit * 0.97));
  ct_cache_free(self.cache);
}

static void assert_stays_within(ct_policy policy, double limit, uint32_t shards, pattern pattern) {
  assert_stays_within_from(test_seed(), policy, limit, shards, pattern);
}

static void assert_all_stay_within(double limit, uint32_t shards, pattern pattern) {
  for (size_t p = 0; p < COUNT_OF(kPolicies); p++)
    assert_stays_within(kPolicies[p], limit, shards, pattern);
}

TEST(memory_stays_within_the_limit) {
  assert_all_stay_within(8e6, 1, kNewKeys);
  assert_all_stay_within(8e6, 1, kSkewed);
}

TEST(memory_of_shards_stays_within_the_limit) {
  assert_all_stay_within(1e7, 16, kSkewed);
}

TEST(memory_of_small_caches_stays_within_the_limit) {
  assert_all_stay_within(1e6, 1, kNewKeys);
  assert_all_stay_within(1e6, 1, kSkewed);
}

/* A set of a large value evicts many small ones. With these draws, an index that lagged behind and
 * pages that lay free once took too much together. */
TEST(memory_stays_within_the_limit_while_many_leave_at_once) {
  assert_stays_within_from(1797837208, CT_POLICY_LRU, 1e6, 1, kSkewed);
}

/* What a policy remembers counts most where entries are small. Such entries fill the cache, and
 * more come: the cache never holds too much after a call. */
TEST(memory_of_tiny_entries_stays_within_the_limit_at_every_call) {
  for (size_t p = 0; p < COUNT_OF(kPolicies); p++) {
    for (int i = 0; i < 3; i++) {
      static const uint64_t kLimits[] = {3000000, 4893354, 9786709};
      ct_cache *cache =
          cache_of(.policy = kPolicies[p], .maxsize = kLimits[i], .weight_kind = CT_WEIGHT_MEMORY);
      const uint64_t most = kLimits[i] / 20 * 21 + 64 * 1024;
      for (uint64_t key = 0; key < kLimits[i] / 24; key++) {
        assert_status(CT_OK, ct_set(cache, &key, sizeof key, &key, sizeof key));
        if (ct_memory(cache) > most)
          fail_msg("%s, limit %llu: %llu with key %llu", ct_policy_name(kPolicies[p]),
                   (unsigned long long)kLimits[i], (unsigned long long)ct_memory(cache),
                   (unsigned long long)key);
      }
      ct_cache_free(cache);
    }
  }
}

/* What chunks of one page lose at their ends is more than may lie free in a small cache. Moving
 * entries of one size gains nothing of it, and the next sets would move them again. */
TEST(entries_of_one_size_are_not_moved_in_a_small_cache) {
  enum { kLatest = 500, kSets = 400 };
  ct_cache *cache = cache_of(.maxsize = 200000, .weight_kind = CT_WEIGHT_MEMORY);
  const void *places[kLatest];
  ct_value value;
  uint64_t key = 0;
  for (; key < 4000; key++) assert_status(CT_OK, set_number(cache, key, "value", 5));
  for (uint64_t i = 0; i < kLatest; i++) {
    const uint64_t latest = key - 1 - i;
    assert_status(CT_OK, ct_peek(cache, &latest, sizeof latest, &value));
    places[i] = value.data;
    ct_value_release(&value);
  }
  for (uint64_t i = 0; i < kSets; i++) assert_status(CT_OK, set_number(cache, key + i, "value", 5));
  for (uint64_t i = 0; i < kLatest; i++) {
    const uint64_t latest = key - 1 - i;
    assert_status(CT_OK, ct_peek(cache, &latest, sizeof latest, &value));
    assert_ptr_equal(places[i], value.data);
    ct_value_release(&value);
  }
  ct_cache_free(cache);
}

/* Entries that are due before the latest time that the cache has seen are kept in order apart
 * from the others. This takes memory that no entry is weighed for. */
FIXTURE_TEST(memory_stays_near_the_limit_when_the_clock_goes_back, open_limited(f, 8 << 20)) {
  uint64_t key = 0;
  for (; key < 200000; key++)
    assert_status(CT_OK, ct_set_ttl(f->cache, &key, sizeof key, "value", 5, 3600));
  for (int swing = 0; swing < 20; swing++) {
    set_now(f, 3000);
    assert_status(CT_OK, ct_set_ttl(f->cache, &key, sizeof key, "value", 5, 3600));
    set_now(f, 0);
    for (int i = 0; i < 20000; i++, key++) {
      assert_status(CT_OK, ct_set_ttl(f->cache, &key, sizeof key, "value", 5, 60));
      if (i % 1000 == 0) assert_true(ct_memory(f->cache) <= (8 << 20) * 1.1);
    }
  }
}

/* ---- Entries as the limit ------------------------------------------------------------------- */

/* Small values replace large ones in random order: half of the entries, which then lie all over
 * the memory, and later as many again. */
TEST(memory_goes_back_when_values_shrink) {
  enum { kCount = 20000 };
  static const char value[1000];
  uint64_t random = test_seed();
  ct_cache *cache = cache_of(.policy = CT_POLICY_RR, .maxsize = kCount);
  uint64_t key = 0;
  for (; key < kCount; key++) assert_status(CT_OK, set_number(cache, key, value, sizeof value));
  const uint64_t full = ct_memory(cache);
  for (; key < 10 * kCount; key++)
    assert_status(CT_OK, set_number(cache, key, value, 20 + test_random_below(&random, 20)));
  assert_int_equal(kCount, ct_len(cache));
  if (ct_memory(cache) > full / 6)
    fail_msg("%llu of %llu bytes", (unsigned long long)ct_memory(cache), (unsigned long long)full);
  ct_cache_free(cache);
}

/* ---- Moving entries ------------------------------------------------------------------------- */

/* The sizes in a cache change while half of its entries are pinned, have deadlines, or have keys
 * that lie far from their values. All values stay what they were. */
TEST(values_survive_that_entries_move) {
  enum { kHeld = 200 };
  static char bytes[kLargest];
  uint64_t random = test_seed();
  fixture f;
  ct_options options = fixture_options(&f, CT_POLICY_LRU, 2000000);
  options.weight_kind = CT_WEIGHT_MEMORY;
  options.listener = NULL;
  fixture_open(&f, &options);
  ct_value held[kHeld] = {{0}};
  uint64_t sums[kHeld] = {0};
  uint64_t written = 0;
  for (int phase = 0; phase < 6; phase++) {
    const size_t size = phase % 2 == 0 ? 40 : 1500;
    for (int i = 0; i < 30000; i++) {
      char key[700] = {0};
      const uint64_t number = test_random_below(&random, 20000);
      memcpy(key, &number, sizeof number);
      const size_t key_size = number % 5 == 0 ? sizeof key : 16;
      ct_value got = CT_VALUE_INIT;
      if (ct_get(f.cache, key, key_size, &got) == CT_OK) {
        uint64_t stamp;
        assert_true(got.size >= 16);
        memcpy(&stamp, got.data, sizeof stamp);
        assert_true(stamp % 20000 == number);
        memcpy(&stamp, (const char *)got.data + got.size - 8, sizeof stamp);
        assert_true(stamp % 20000 == number);
        const size_t at = test_random_below(&random, kHeld);
        if (held[at].pin != 0) {
          memcpy(&stamp, held[at].data, sizeof stamp);
          assert_true(stamp == sums[at]);
          ct_value_release(&held[at]);
        }
        held[at] = got;
        memcpy(&sums[at], got.data, sizeof sums[at]);
      }
      if (i % 2 != 0) continue;
      const uint64_t stamp = written++ * 20000 + number;
      const size_t own = size + test_random_below(&random, size);
      memcpy(bytes, &stamp, sizeof stamp);
      memcpy(bytes + own - 8, &stamp, sizeof stamp);
      ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
      if (number % 3 == 0) {
        entry.flags = CT_ENTRY_TTL;
        entry.ttl = 1 + test_random_below(&random, 100000);
      }
      assert_status(CT_OK, ct_set_with(f.cache, key, key_size, bytes, own, &entry));
      f.clock.now++;
    }
  }
  /* Each entry expires in its time. */
  uint64_t left = ct_len(f.cache);
  while (left > 0) {
    f.clock.now += 1000;
    const uint64_t gone = ct_expire(f.cache, CT_NOW, NULL, NULL);
    assert_true(gone <= left);
    left -= gone;
    if (f.clock.now > 1000000) break;
  }
  assert_int_equal(left, ct_len(f.cache));
  for (int i = 0; i < kHeld; i++) {
    uint64_t stamp;
    if (held[i].pin == 0) continue;
    memcpy(&stamp, held[i].data, sizeof stamp);
    assert_true(stamp == sums[i]);
    ct_value_release(&held[i]);
  }
  fixture_close(&f);
}

/* ---- Many small entries that are scattered --------------------------------------------------- */

static void put_value(ct_cache *cache, uint64_t number, size_t size) {
  static const char value[40000];
  const uint64_t key[2] = {number, 0};
  assert_status(CT_OK, ct_set(cache, key, sizeof key, value, size));
}

/* Returns a cache full of values of 300 bytes that were used in random order. */
static ct_cache *full_of_small(ct_policy policy, uint64_t limit) {
  uint64_t random = test_seed();
  ct_cache *cache = cache_of(.policy = policy, .maxsize = limit, .weight_kind = CT_WEIGHT_MEMORY);
  const uint64_t count = limit / 300;
  for (uint64_t i = 0; i < count; i++) put_value(cache, i, 300);
  for (uint64_t i = 0; i < 2 * count; i++) {
    const uint64_t key[2] = {test_random_below(&random, count), 0};
    char value[300];
    ct_get_copy(cache, key, sizeof key, value, sizeof value, NULL);
  }
  return cache;
}

/* One write makes many small entries go, which lie anywhere. */
TEST(memory_stays_within_the_limit_when_large_values_come) {
  const uint64_t limit = 40000000;
  for (size_t p = 0; p < COUNT_OF(kPolicies); p++) {
    ct_cache *cache = full_of_small(kPolicies[p], limit);
    for (uint64_t i = 0; i < 3000; i++) {
      put_value(cache, 1000000 + i, 40000);
      if (ct_memory(cache) > limit + limit / 10 + 65536)
        fail_msg("%s holds %.3f of the limit after %d", ct_policy_name(kPolicies[p]),
                 (double)ct_memory(cache) / (double)limit, (int)i);
    }
    ct_cache_free(cache);
  }
}

/* Memory follows at once. What other policies remember follows only with later writes. */
TEST(memory_follows_a_lower_limit) {
  const uint64_t limit = 40000000;
  const ct_policy policies[] = {CT_POLICY_LRU, CT_POLICY_SIEVE, CT_POLICY_FIFO, CT_POLICY_LFU,
                                CT_POLICY_CLOCK};
  for (size_t p = 0; p < COUNT_OF(policies); p++) {
    ct_cache *cache = full_of_small(policies[p], limit);
    assert_status(CT_OK, ct_resize(cache, limit / 20));
    if (ct_memory(cache) > (limit + limit / 10) / 20 + 65536)
      fail_msg("%s holds %.2f of its new limit", ct_policy_name(policies[p]),
               (double)ct_memory(cache) * 20 / (double)limit);
    ct_cache_free(cache);
  }
}

/* ---- What the system has to do --------------------------------------------------------------- */

static double faults(void) {
  struct rusage usage;
  assert_int_equal(0, getrusage(RUSAGE_SELF, &usage));
  return (double)usage.ru_minflt;
}

/* A cache that is full reuses the pages that it has, though it may not keep many: a set makes the
 * system give much less than the bytes that it stores. Pages that the system gives in one call
 * count as faults as well. most: of the bytes. */
static void assert_reuses(uint64_t limit, size_t largest, uint32_t shards, double most) {
  static char value[500000];
  uint64_t random = test_seed();
  ct_cache *cache = cache_of(.maxsize = limit, .weight_kind = CT_WEIGHT_MEMORY, .shards = shards);
  const uint64_t keys = 4 * limit / largest;
  double before = 0;
  uint64_t stored = 0;
  for (int turn = 0; turn < 2; turn++) {
    before = faults();
    for (stored = 0; stored < 10 * limit;) {
      const size_t size = 1 + test_random_below(&random, largest);
      assert_status(CT_OK, set_number(cache, test_random_below(&random, keys), value, size));
      stored += size;
    }
  }
  const double given = (faults() - before) * (double)sysconf(_SC_PAGESIZE) / (double)stored;
  /* A sanitizer has pages of its own. */
  if (!kSanitized && given > most)
    fail_msg("limit %llu, values up to %zu, %u shards: the system gives %.3f of what is stored",
             (unsigned long long)limit, largest, shards, given);
  ct_cache_free(cache);
}

TEST(pages_are_reused) {
  assert_reuses(32 << 20, 500000, 1, 0.2);
  assert_reuses(32 << 20, 500000, 16, 0.2);
  assert_reuses(8 << 20, 100000, 1, 0.2);
  assert_reuses(16 << 20, 60000, 1, 0.15);
  assert_reuses(64 << 20, 20000, 1, 0.2);
  assert_reuses(8 << 20, 20000, 1, 0.4);
  assert_reuses(1 << 20, 20000, 1, 0.7);
  assert_reuses(32 << 20, 4096, 16, 0.1);
  assert_reuses(8 << 20, 4096, 1, 0.25);
  assert_reuses(2 << 20, 4096, 1, 0.25);
  assert_reuses(2 << 20, 4096, 16, 0.35);
  assert_reuses(1 << 20, 1000, 1, 0.15);
}
