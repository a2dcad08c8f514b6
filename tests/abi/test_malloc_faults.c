/* SPDX-License-Identifier: MIT */
/* Memory that runs out on the default path, without an allocator of the caller's. */
#include <pthread.h>

#include "counted_heap.h"
#include "snapshots.h"
#include "support.h"

enum {
  kSmall = 40,
  kMapped = 1 << 20, /* bytes of a value that malloc would map */
  kGrown = 30000     /* entries: enough for a large index and large chunks */
};

static void enter(int64_t fail) {
  heap.fail_at = fail < 0 ? -1 : heap.calls + fail;
  heap.failed = 0;
  inside = true;
}

static void exit_library(void) {
  inside = false;
  heap.fail_at = -1;
}

static void assert_nothing_left(void) {
  assert_int_equal(0, heap.blocks);
  assert_int_equal(0, heap.mapped);
}

/* ---- Operations ----------------------------------------------------------------------------- */

static unsigned char bytes[kMapped];

static ct_status set_number(ct_cache *cache, int number, size_t size) {
  return ct_set(cache, &number, sizeof number, bytes, size);
}

static ct_status set_small(ct_cache *cache) {
  return set_number(cache, -1, kSmall);
}

static ct_status set_apart(ct_cache *cache) {
  return set_number(cache, -1, 20000);
}

static ct_status set_mapped(ct_cache *cache) {
  return set_number(cache, -1, kMapped);
}

static ct_status replace_by_mapped(ct_cache *cache) {
  return set_number(cache, 0, kMapped);
}

static ct_status set_ttl(ct_cache *cache) {
  return ct_set_ttl(cache, "key", 3, bytes, kSmall, 1ull << 60);
}

static ct_status set_lifetime(ct_cache *cache) {
  const int number = 1;
  return ct_set_lifetime(cache, &number, sizeof number, 1ull << 60);
}

static ct_status setdefault(ct_cache *cache) {
  ct_value out;
  const ct_status status = ct_setdefault(cache, "key", 3, bytes, kSmall, &out);
  ct_value_release(&out);
  return status;
}

static ct_status get_many_copy(ct_cache *cache) {
  enum { kCount = 100 };
  static int keys[kCount];
  static size_t key_ends[kCount], value_ends[kCount];
  static ct_status statuses[kCount];
  static char buffer[kCount * kSmall];
  for (int i = 0; i < kCount; i++) {
    keys[i] = i;
    key_ends[i] = (size_t)(i + 1) * sizeof keys[0];
  }
  return ct_get_many_copy(cache, keys, key_ends, kCount, buffer, sizeof buffer, value_ends,
                          statuses);
}

static ct_status iterate(ct_cache *cache, int32_t order) {
  ct_iter *iter;
  ct_status status = ct_iter_new(cache, order, &iter);
  while (status == CT_OK) status = ct_iter_next(iter, NULL, NULL);
  ct_iter_free(iter);
  return status;
}

static ct_status iterate_any(ct_cache *cache) {
  return iterate(cache, CT_ORDER_ANY);
}

static ct_status iterate_coldest(ct_cache *cache) {
  return iterate(cache, CT_ORDER_COLDEST);
}

static ct_status write_nowhere(void *user_data, const void *data, size_t size) {
  (void)user_data, (void)data, (void)size;
  return CT_OK;
}

static ct_status save(ct_cache *cache) {
  return ct_snapshot_save(cache, write_nowhere, NULL);
}

static ct_status load_with(ct_cache *cache, uint32_t flags) {
  static tape t;
  if (t.size == 0) {
    inside = false;
    ct_cache *from = ct_cache_new(CT_POLICY_LRU, CT_UNBOUNDED);
    for (int i = -1; i > -50; i--) set_number(from, i, i == -30 ? kMapped : kSmall);
    save_tape(from, &t);
    ct_cache_free(from);
    inside = true;
  }
  return load_tape_with(cache, &t, flags);
}

static ct_status load(ct_cache *cache) {
  return load_with(cache, 0);
}

static ct_status load_aged(ct_cache *cache) {
  return load_with(cache, CT_SNAPSHOT_AGED);
}

static ct_status load_value(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)user_data, (void)key, (void)key_size;
  return ct_result_set(result, bytes, 5000);
}

static ct_status get_or_load(ct_cache *cache) {
  ct_value out;
  const ct_status status = ct_get_or_load(cache, "key", 3, load_value, NULL, &out);
  ct_value_release(&out);
  return status;
}

static ct_status lease_and_fulfil(ct_cache *cache) {
  ct_lease *lease;
  const ct_status status = ct_get_or_lease(cache, "key", 3, 0, NULL, &lease);
  return status == CT_LEASED ? ct_lease_fulfil(lease, bytes, 5000, NULL, NULL) : status;
}

static ct_status compute_value(void *user_data, const void *key, size_t key_size,
                               const ct_bytes *old, ct_result *result) {
  (void)user_data, (void)key, (void)key_size, (void)old;
  return ct_result_set(result, bytes, 5000);
}

static ct_status compute(ct_cache *cache) {
  return ct_compute(cache, "key", 3, compute_value, NULL, NULL);
}

typedef struct operation {
  const char *name;
  ct_status (*run)(ct_cache *cache);
  bool always; /* fails on every cache that it is tried on */
} operation;

static const operation kOperations[] = {
    {"ct_set", set_small, false},
    {"ct_set above 16 KiB", set_apart, true},
    {"ct_set of 1 MiB", set_mapped, true},
    {"ct_set of 1 MiB in place of a small one", replace_by_mapped, true},
    {"ct_set_ttl", set_ttl, true},
    {"ct_set_lifetime", set_lifetime, false},
    {"ct_setdefault", setdefault, false},
    {"ct_get_many_copy", get_many_copy, true},
    {"ct_iter_next", iterate_any, true},
    {"ct_iter_new, coldest first", iterate_coldest, false},
    {"ct_snapshot_save", save, true},
    {"ct_snapshot_load", load, true},
    {"ct_snapshot_load_with", load_aged, true},
    {"ct_get_or_load", get_or_load, true},
    {"ct_get_or_lease and ct_lease_fulfil", lease_and_fulfil, true},
    {"ct_compute", compute, true},
};

enum { kOperationCount = COUNT_OF(kOperations) };

/* ---- Tests ---------------------------------------------------------------------------------- */

static ct_cache *make(ct_policy policy, uint64_t maxsize, int count) {
  enter(-1);
  ct_cache *cache = ct_cache_new(policy, maxsize);
  for (int i = 0; i < count; i++) set_number(cache, i, kSmall);
  exit_library();
  assert_non_null(cache);
  return cache;
}

static void unmake(ct_cache *cache) {
  enter(-1);
  ct_cache_free(cache);
  exit_library();
  assert_nothing_left();
}

/* Asserts that the cache holds count numbers from first on, and nothing else. */
static void assert_holds(ct_cache *cache, int first, int count) {
  enter(-1);
  const uint64_t len = ct_len(cache);
  for (int i = first; i < count; i++) {
    ct_value value;
    const ct_status status = ct_peek(cache, &i, sizeof i, &value);
    const bool same =
        status == CT_OK && value.size == kSmall && memcmp(value.data, bytes, kSmall) == 0;
    ct_value_release(&value);
    if (same) continue;
    exit_library();
    fail_msg("entry %d of %d is not what it was", i, count);
  }
  exit_library();
  assert_int_equal(count - first, len);
}

TEST(cache_new_without_memory_is_null) {
  const ct_policy kPolicies[] = {CT_POLICY_LRU,   CT_POLICY_FIFO,    CT_POLICY_LFU,
                                 CT_POLICY_RR,    CT_POLICY_ANY,     CT_POLICY_MRU,
                                 CT_POLICY_CLOCK, CT_POLICY_SIEVE,   CT_POLICY_S3FIFO,
                                 CT_POLICY_ARC,   CT_POLICY_ADAPTIVE};
  for (size_t p = 0; p < COUNT_OF(kPolicies); p++) {
    for (int64_t fail = 0;; fail++) {
      enter(fail);
      ct_cache *cache = ct_cache_new(kPolicies[p], 100);
      exit_library();
      if (cache != NULL) {
        assert_true(fail > 0);
        assert_int_equal(0, heap.failed);
        unmake(cache);
        break;
      }
      assert_nothing_left();
    }
  }
}

TEST(cache_of_many_shards_without_memory_is_not_made) {
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 100;
  options.shards = 4096;
  for (int64_t fail = 0;; fail++) {
    ct_cache *cache = NULL;
    enter(fail);
    const ct_status status = ct_cache_new_with(&options, &cache);
    exit_library();
    if (status == CT_OK) {
      assert_true(fail > 0);
      unmake(cache);
      break;
    }
    assert_status(CT_ERR_NOMEM, status);
    assert_null(cache);
    assert_nothing_left();
  }
}

/* Returns how often memory was lacking. */
static int fail_each_allocation(const operation *o, ct_policy policy, uint64_t maxsize, int count) {
  int lacking = 0;
  const int held = maxsize < (uint64_t)count ? (int)maxsize : count;
  for (int64_t fail = 0;; fail++) {
    ct_cache *cache = make(policy, maxsize, count);
    enter(fail);
    ct_status status = o->run(cache);
    exit_library();
    const bool last = heap.failed == 0;
    if (status == CT_ERR_NOMEM) {
      lacking++;
      assert_holds(cache, count - held, count);
      enter(-1);
      status = o->run(cache);
      exit_library();
    }
    if (status < 0 && status != CT_ERR_UNSUPPORTED)
      fail_msg("%s answers %s", o->name, ct_status_name(status));
    unmake(cache);
    if (last) return lacking;
  }
}

TEST(call_without_memory_changes_nothing) {
  for (int i = 0; i < kOperationCount; i++) {
    const operation *o = &kOperations[i];
    int lacking = 0;
    for (int count = 2; count < 40; count++) {
      const int there = fail_each_allocation(o, CT_POLICY_LRU, CT_UNBOUNDED, count);
      if (o->always && there == 0) fail_msg("%s had memory, with %d entries", o->name, count);
      lacking += there;
    }
    lacking += fail_each_allocation(o, CT_POLICY_FIFO, 20, 40);
    lacking += fail_each_allocation(o, CT_POLICY_LFU, CT_UNBOUNDED, 500);
    lacking += fail_each_allocation(o, CT_POLICY_RR, 500, 500);
    if (lacking == 0) fail_msg("%s never lacked memory: the test tests nothing", o->name);
  }
}

/* Every insertion meets a failure first, until chunks and index are so large that they are
 * mapped. */
TEST(growing_cache_survives_each_failure) {
  ct_cache *cache = make(CT_POLICY_LRU, CT_UNBOUNDED, 0);
  int lacking = 0;
  for (int i = 0; i < kGrown; i++) {
    ct_status status = CT_ERR_NOMEM;
    for (int64_t fail = 0; status == CT_ERR_NOMEM && fail < 20; fail++) {
      enter(fail);
      status = set_number(cache, i, kSmall);
      const uint64_t len = ct_len(cache);
      exit_library();
      assert_int_equal(i + (status == CT_OK), len);
      lacking += status == CT_ERR_NOMEM;
    }
    assert_status(CT_OK, status);
  }
  assert_true(lacking > 10);
  assert_holds(cache, 0, kGrown);
  unmake(cache);
}

/* Reading, deleting and releasing need no memory, and deleting makes room without any. */
TEST(cache_goes_on_without_any_memory) {
  enum { kCount = 1000 };
  ct_cache *cache = make(CT_POLICY_LRU, kCount, kCount);
  ct_value pinned;
  const int first = 0;
  enter(-1);
  ct_get(cache, &first, sizeof first, &pinned);
  exit_library();
  heap.fail_on = true;
  enter(0);
  int hits = 0, deleted = 0, stored = 0;
  for (int i = 0; i < kCount; i++) {
    ct_value value;
    hits += ct_get(cache, &i, sizeof i, &value) == CT_OK;
    ct_value_release(&value);
    if (i % 2 == 0) deleted += ct_delete(cache, &i, sizeof i) == CT_OK;
  }
  for (int i = 0; i < kCount / 4; i++) stored += set_number(cache, i * 2, kSmall) == CT_OK;
  const uint64_t len = ct_len(cache);
  const ct_status mapped_status = set_mapped(cache);
  exit_library();
  heap.fail_on = false;
  assert_int_equal(kCount, hits);
  assert_int_equal(kCount / 2, deleted);
  assert_int_equal(kCount / 2 + stored, len);
  assert_true(stored > 0);
  assert_status(CT_ERR_NOMEM, mapped_status);

  enter(0);
  ct_cache_free(cache);
  exit_library();
  assert_int_equal(0, heap.failed);
  assert_int_equal(kSmall, pinned.size);
  assert_memory_equal(bytes, pinned.data, kSmall);
  enter(0);
  ct_value_release(&pinned);
  exit_library();
  assert_int_equal(0, heap.failed);
  assert_nothing_left();
}

typedef struct reader {
  ct_cache *cache;
  int count;
  int hits;
  int64_t calls;  /* for memory */
  int64_t failed; /* of these */
} reader;

/* Copies each value, with no memory to be had. */
static void *read_without_memory(void *argument) {
  reader *r = argument;
  const int64_t before = heap.calls;
  heap.fail_on = true;
  enter(0);
  for (int i = 0; i < r->count; i++) {
    char value[kSmall];
    size_t size;
    r->hits += ct_get_copy(r->cache, &i, sizeof i, value, sizeof value, &size) == CT_OK;
  }
  exit_library();
  heap.fail_on = false;
  r->calls = heap.calls - before;
  r->failed = heap.failed;
  return NULL;
}

static reader read_by_another_thread(ct_cache *cache, int count) {
  reader r = {.cache = cache, .count = count};
  pthread_t thread;
  assert_int_equal(0, pthread_create(&thread, NULL, read_without_memory, &r));
  assert_int_equal(0, pthread_join(thread, NULL));
  return r;
}

/* The second thread that reads gives the log of reads more room, or else does without. It tries
 * once. */
TEST(second_thread_reads_without_memory) {
  enum { kCount = 1000 };
  const ct_policy kPolicies[] = {CT_POLICY_LRU, CT_POLICY_SIEVE, CT_POLICY_WTINYLFU};
  for (size_t p = 0; p < COUNT_OF(kPolicies); p++) {
    ct_cache *cache = make(kPolicies[p], kCount, kCount);
    reader first = {.cache = cache, .count = kCount};
    read_without_memory(&first);
    assert_int_equal(0, first.calls);
    const reader second = read_by_another_thread(cache, kCount);
    assert_int_equal(kCount, second.hits);
    assert_int_equal(1, second.failed);
    const reader third = read_by_another_thread(cache, kCount);
    assert_int_equal(kCount, third.hits);
    assert_int_equal(0, third.calls);
    ct_stats stats = CT_STATS_INIT;
    ct_cache_stats(cache, &stats);
    assert_int_equal(3 * kCount, stats.hits);
    unmake(cache);
  }
}

/* Where memory is the limit, there may be no more of it for a read. */
TEST(reads_take_no_memory_where_it_is_the_limit) {
  enum { kCount = 1000 };
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = 1 << 20;
  options.weight_kind = CT_WEIGHT_MEMORY;
  for (int64_t fail = 0; fail < 40; fail++) {
    ct_cache *cache = NULL;
    enter(-1);
    assert_status(CT_OK, ct_cache_new_with(&options, &cache));
    exit_library();
    enter(fail); /* one of the allocations of the sets fails, among them the log's */
    for (int i = 0; i < kCount; i++) {
      if (set_number(cache, i, kSmall) == CT_ERR_NOMEM) set_number(cache, i, kSmall);
    }
    exit_library();
    reader first = {.cache = cache, .count = kCount};
    read_without_memory(&first);
    const reader second = read_by_another_thread(cache, kCount);
    assert_int_equal(2 * kCount, first.hits + second.hits);
    assert_int_equal(0, first.calls + second.calls);
    unmake(cache);
  }
}

/* However large a value is, what is mapped beyond it, so that it begins at a large page, is
 * unmapped at once. */
TEST(large_values_take_and_give_back_what_they_need) {
  enum { kHuge = 16 << 20, kLargest = 2 * kHuge, kLargestPage = 65536 };
  char *value = malloc(kLargest);
  assert_non_null(value);
  memset(value, 'v', kLargest);
  ct_cache *cache = make(CT_POLICY_LRU, 1, 0);
  const size_t sizes[] = {kHuge - 4096, kHuge - 1, kHuge, kHuge + 1, kHuge + 4097, kLargest};
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    const int64_t before = heap.mapped;
    enter(-1);
    const ct_status status = ct_set(cache, "key", 3, value, sizes[i]);
    const int64_t taken = heap.mapped - before;
    ct_value out;
    ct_get(cache, "key", 3, &out);
    exit_library();
    assert_status(CT_OK, status);
    assert_int_equal(sizes[i], out.size);
    assert_memory_equal(value, out.data, out.size);
    assert_in_range(taken, sizes[i], sizes[i] + 64 + kLargestPage);
    enter(-1);
    ct_value_release(&out);
    ct_delete(cache, "key", 3);
    exit_library();
    assert_int_equal(before, heap.mapped);
  }
  /* If there is no room for that, it is done without. */
  int managed = 0;
  for (int64_t fail = 0; fail < 4; fail++) {
    enter(fail);
    const ct_status status = ct_set(cache, "key", 3, value, kHuge);
    const bool lacked = heap.failed != 0;
    ct_delete(cache, "key", 3);
    exit_library();
    assert_true(status == CT_OK || status == CT_ERR_NOMEM);
    managed += lacked && status == CT_OK;
  }
  assert_int_equal(1, managed);
  unmake(cache);
  free(value);
}

/* ---- Key builders and memos ----------------------------------------------------------------- */

/* A key that makes its builder grow several times: by values, by names, and by sorting them. */
static ct_status build_key(ct_key *key, const void **data, size_t *size) {
  ct_key_reset(key);
  for (int i = 0; i < 20; i++) {
    ct_key_text(key, (const char *)bytes, 0);
    ct_key_bytes(key, bytes, (size_t)i * 200);
  }
  ct_key_tuple_begin(key);
  for (int i = 0; i < 100; i++) ct_key_int(key, i);
  ct_key_tuple_end(key);
  for (char name = 'z'; name >= 'a'; name--) {
    ct_key_name(key, &name, 1);
    ct_key_bytes(key, bytes, 300);
  }
  return ct_key_data(key, data, size);
}

TEST(key_without_memory_says_so_and_can_be_built_again) {
  int lacking = 0;
  for (int64_t fail = 0;; fail++) {
    const void *data = bytes;
    size_t size = 1;
    enter(fail);
    ct_key *key = ct_key_new(0);
    const ct_status status = key == NULL ? CT_ERR_NOMEM : build_key(key, &data, &size);
    const bool last = heap.failed == 0;
    heap.fail_at = -1;
    /* The mistake sticks until the builder is emptied. */
    ct_status later = CT_ERR_NOMEM;
    if (key != NULL && status != CT_OK) {
      ct_key_null(key);
      later = ct_key_data(key, &data, &size);
    }
    const ct_status again = key == NULL ? CT_OK : build_key(key, &data, &size);
    ct_key_free(key);
    exit_library();
    assert_status(last ? CT_OK : CT_ERR_NOMEM, status);
    assert_status(CT_ERR_NOMEM, later);
    assert_status(CT_OK, again);
    assert_nothing_left();
    if (last) break;
    lacking++;
  }
  assert_true(lacking > 3);
}

static ct_status answer(void *user_data, void *self, const void *args, ct_result *result) {
  (void)user_data, (void)self, (void)args;
  return ct_result_set(result, bytes, 5000);
}

static ct_status long_key(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self, (void)args;
  ct_key_bytes(key, bytes, 2000);
  return CT_OK;
}

/* Makes every call of a memo that may need memory, until one fails. */
static ct_status use_memo(const ct_memo_options *options) {
  ct_memo *memo;
  ct_status status = ct_memo_new(options, &memo);
  if (status != CT_OK) return memo == NULL ? status : CT_ERR_INTERNAL;
  ct_key *key = ct_key_new(0);
  if (key == NULL) status = CT_ERR_NOMEM;
  if (status == CT_OK) status = ct_memo_key(memo, NULL, NULL, key);
  ct_value value;
  for (int self = 0; self < 5 && status == CT_OK; self++) {
    status = ct_memo_call(memo, bytes + self, NULL, &value);
    ct_value_release(&value);
  }
  if (status == CT_OK) status = ct_memo_invalidate(memo, NULL, NULL);
  if (status == CT_MISS) status = CT_OK; /* this memo keeps nothing */
  ct_cache_info info = CT_CACHE_INFO_INIT;
  if (status == CT_OK) status = ct_memo_info(memo, NULL, &info);
  if (status == CT_OK) status = ct_memo_clear(memo, NULL);
  ct_memo_forget(memo, bytes);
  ct_key_free(key);
  ct_memo_free(memo);
  return status;
}

/* A memo with a cache of its own, one with a shared cache, and one without. */
TEST(memo_without_memory_says_so) {
  for (int kind = 0; kind < 3; kind++) {
    for (uint32_t flags = 0; flags <= CT_MEMO_RACE; flags += CT_MEMO_RACE) {
      int lacking = 0;
      for (int64_t fail = 0;; fail++) {
        ct_options own;
        ct_memo_own_default(&own, sizeof own);
        ct_memo_options options = CT_MEMO_OPTIONS_INIT;
        options.flags = flags;
        options.fn = answer;
        options.key = long_key;
        options.prefix = bytes;
        options.prefix_size = 1000;
        if (kind == 0) options.own = &own;
        if (kind == 1) options.cache = make(CT_POLICY_LRU, 100, 0);
        enter(fail);
        const ct_status status = use_memo(&options);
        const bool last = heap.failed == 0;
        heap.fail_at = -1;
        ct_cache_free(options.cache);
        exit_library();
        assert_status(last ? CT_OK : CT_ERR_NOMEM, status);
        assert_nothing_left();
        if (last) break;
        lacking++;
      }
      assert_true(lacking > 5);
    }
  }
}

int main(void) {
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 7);
  return run_registered_tests();
}
