/* SPDX-License-Identifier: MIT */
/* References to a shard's entries reach 2,047 chunks of memory, some 24 GiB. Here they reach
 * fewer chunks, and a cache that has used them up evicts as at any limit. A store that lacks a
 * reference evicts until it has one. It is refused only if no entry of its shard can go, as all
 * are pinned or dead. Sizes and hashes decide which chunk has room, so both are random. */
#include "internal.h"
#include "snapshots.h"
#include "support.h"

enum { kChunks = 64, kLargest = 16000, kCount = 24000 };

static char value[kLargest];

typedef struct told {
  uint64_t evicted, others, stored;
  ct_cache *cache; /* the cache that the listener looks into */
} told;

static void count(void *user_data, const ct_event *event) {
  told *self = user_data;
  if (event->cause == CT_CAUSE_EVICTED)
    self->evicted++;
  else
    self->others++;
  if (self->cache == NULL) return;
  /* No lock is held here. What this stores makes others leave, of which the listener is told
   * meanwhile. */
  ct_cache *cache = self->cache;
  self->cache = NULL;
  const uint64_t key = UINT64_C(1) << 40;
  self->stored += ct_set(cache, &key, sizeof key, "told", 4) == CT_OK;
  self->cache = cache;
}

static void assert_valid(ct_cache *cache) {
  const char *problem = ct_validate(cache);
  if (problem != NULL) fail_msg("%s", problem);
}

static ct_cache *limited_cache(ct_policy policy, ct_weight_kind kind, uint32_t shards,
                               uint32_t chunks, ct_listener_fn listener, told *log,
                               uint64_t *random) {
  ct_cache *cache =
      cache_of(.policy = policy, .maxsize = CT_UNBOUNDED, .weight_kind = kind, .shards = shards,
               .listener = listener, .user_data = log, .seed = test_random(random) | 1);
  ct_act_large(cache);
  ct_limit_chunks(cache, chunks);
  return cache;
}

static void fill(ct_cache *cache, uint64_t first, uint64_t end, size_t most, uint64_t *random) {
  for (uint64_t key = first; key < end; key++)
    assert_status(CT_OK, ct_set(cache, &key, sizeof key, value, test_random_below(random, most)));
}

static const ct_policy kPolicies[] = {CT_POLICY_LRU,      CT_POLICY_FIFO,   CT_POLICY_RR,
                                      CT_POLICY_SIEVE,    CT_POLICY_S3FIFO, CT_POLICY_LFU,
                                      CT_POLICY_WTINYLFU, CT_POLICY_ARC,    CT_POLICY_ADAPTIVE};

TEST(cache_without_references_evicts) {
  uint64_t random = test_seed();
  for (size_t p = 0; p < COUNT_OF(kPolicies); p++) {
    for (int kind = CT_WEIGHT_COUNT; kind <= CT_WEIGHT_MEMORY; kind++) {
      for (uint32_t shards = 1; shards <= 4; shards *= 4) {
        told log = {0};
        ct_listener_fn listener = p % 2 == 0 ? count : NULL;
        ct_cache *cache =
            limited_cache(kPolicies[p], kind, shards, kChunks, listener, &log, &random);
        fill(cache, 0, 16000, 400, &random);
        fill(cache, 16000, 16400, kLargest, &random);
        fill(cache, 16400, kCount, 100, &random);
        assert_valid(cache);
        assert_true(ct_len(cache) > 100);
        assert_true(ct_len(cache) < kCount);
        if (listener != NULL) {
          assert_int_equal(kCount, ct_len(cache) + log.evicted);
          assert_int_equal(0, log.others);
        }
        /* LRU keeps the last entry; the other policies need not. */
        const uint64_t last = kCount - 1;
        if (kPolicies[p] == CT_POLICY_LRU) assert_true(ct_contains(cache, &last, sizeof last));
        /* Emptied, the cache is as good as new. */
        assert_status(CT_OK, ct_clear(cache));
        fill(cache, 0, 500, 400, &random);
        assert_valid(cache);
        ct_cache_free(cache);
      }
    }
  }
}

/* Chunks that are read without the lock stay where they are, and those of less than a page did
 * not give up their numbers. When all chunks were so short, a cache emptied itself for a longer
 * block, and then refused it. */
TEST(any_block_gets_the_number_of_any_chunk) {
  uint64_t random = test_seed();
  for (uint32_t chunks = 1; chunks <= 32; chunks += 1 + chunks / 4) {
    for (int kind = CT_WEIGHT_COUNT; kind <= CT_WEIGHT_MEMORY; kind++) {
      ct_cache *cache = limited_cache(CT_POLICY_LRU, kind, 1, chunks, NULL, NULL, &random);
      uint64_t key = 0;
      for (size_t most = 10; most <= kLargest; most = most * 3 / 2) {
        fill(cache, key, key + 300, most, &random);
        key += 300;
        assert_valid(cache);
      }
      fill(cache, key, key + 300, 10, &random);
      assert_valid(cache);
      ct_cache_free(cache);
    }
  }
}

/* The listener is told of what leaves with no lock held, before the call that evicts goes on. */
TEST(listener_of_what_leaves_may_store) {
  uint64_t random = test_seed();
  told log = {0};
  ct_cache *cache = limited_cache(CT_POLICY_LRU, CT_WEIGHT_COUNT, 4, kChunks, count, &log, &random);
  log.cache = cache;
  fill(cache, 0, 12000, 2000, &random);
  assert_true(log.evicted > 0);
  assert_true(log.stored > 0);
  log.cache = NULL;
  assert_valid(cache);
  ct_cache_free(cache);
}

static ct_status load(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)user_data, (void)key, (void)key_size;
  return ct_result_set(result, value, 1000);
}

/* Loading, giving a lifetime, and storing if absent are stores like any other. */
TEST(each_way_to_store_evicts) {
  uint64_t random = test_seed();
  ct_cache *cache = limited_cache(CT_POLICY_LRU, CT_WEIGHT_COUNT, 1, kChunks, NULL, NULL, &random);
  fill(cache, 0, 20000, 400, &random);
  for (uint64_t key = 20000; key < 20500; key++) {
    ct_value got = CT_VALUE_INIT;
    assert_status(CT_OK, ct_get_or_load(cache, &key, sizeof key, load, NULL, &got));
    assert_int_equal(1000, got.size);
    ct_value_release(&got);
    /* The present entry meets the condition, even if it is the one that has to leave. */
    ct_entry_options present = CT_ENTRY_OPTIONS_INIT;
    present.flags = CT_ENTRY_IF_PRESENT;
    assert_status(CT_OK, ct_set_with(cache, &key, sizeof key, value, 1200, &present));
    got = (ct_value)CT_VALUE_INIT;
    const uint64_t other = key + 100000;
    const ct_status status = ct_setdefault(cache, &other, sizeof other, value, 700, &got);
    assert_true(status >= 0);
    ct_value_release(&got);
    /* The entry itself may be the one that leaves. */
    const ct_status longer = ct_set_lifetime(cache, &key, sizeof key, 1000000);
    if (longer != CT_MISS) assert_status(CT_OK, longer);
  }
  assert_valid(cache);
  ct_cache_free(cache);
}

/* Nothing leaves for a snapshot: entries that find no reference are not let in. */
TEST(snapshot_lets_in_what_finds_a_reference) {
  uint64_t random = test_seed();
  ct_options unlimited = CT_OPTIONS_INIT;
  unlimited.maxsize = CT_UNBOUNDED;
  unlimited.seed = test_random(&random) | 1;
  ct_cache *from;
  assert_status(CT_OK, ct_cache_new_with(&unlimited, &from));
  fill(from, 0, kCount, 400, &random);
  tape snapshot = {0};
  assert_status(CT_OK, save_tape(from, &snapshot));
  ct_cache *to = limited_cache(CT_POLICY_LRU, CT_WEIGHT_COUNT, 1, kChunks, NULL, NULL, &random);
  assert_status(CT_OK, load_tape(to, &snapshot));
  assert_true(ct_len(to) > 100);
  assert_true(ct_len(to) < kCount);
  const uint64_t last = kCount - 1;
  assert_true(ct_contains(to, &last, sizeof last));
  assert_valid(to);
  tape_free(&snapshot);
  ct_cache_free(from);
  ct_cache_free(to);
}

/* If all entries are pinned, none can make room. */
TEST(pinned_entries_alone_leave_no_reference) {
  enum { kMost = 2000 };
  static ct_value pinned[kMost];
  uint64_t random = test_seed();
  ct_cache *cache = limited_cache(CT_POLICY_LRU, CT_WEIGHT_COUNT, 1, kChunks, NULL, NULL, &random);
  uint64_t held = 0;
  ct_status status = CT_OK;
  for (; held < kMost; held++) {
    pinned[held] = (ct_value)CT_VALUE_INIT;
    status = ct_set(cache, &held, sizeof held, value, 1000);
    if (status != CT_OK) break;
    assert_status(CT_OK, ct_get(cache, &held, sizeof held, &pinned[held]));
  }
  assert_status(CT_ERR_NOMEM, status);
  assert_true(held > 10);
  for (uint64_t i = 0; i < held; i++) {
    assert_int_equal(1000, pinned[i].size);
    ct_value_release(&pinned[i]);
  }
  assert_status(CT_OK, ct_set(cache, &held, sizeof held, value, 1000));
  assert_valid(cache);
  ct_cache_free(cache);
}

static uint32_t name_nobody(void *state) {
  (void)state;
  return UINT32_MAX;
}

/* A value of 20,000 bytes has an allocation of its own. If that fails, memory is lacking, not a
 * reference, even if no reference is left. */
TEST(nothing_leaves_for_want_of_memory_alone) {
  static char large[20000];
  uint64_t random = test_seed();
  for (int round = 0; round < 20; round++) {
    test_allocator memory;
    test_allocator_init(&memory);
    ct_cache *cache = cache_of(.maxsize = CT_UNBOUNDED, .allocator = &memory.hooks);
    ct_limit_chunks(cache, 4);
    const uint64_t first = 0;
    assert_status(CT_OK, ct_set(cache, &first, sizeof first, large, sizeof large));
    /* There is memory for lifetimes. */
    const uint64_t second = 1;
    assert_status(CT_OK, ct_set_ttl(cache, &second, sizeof second, value, 100, UINT64_MAX / 2));
    uint64_t count = 2;
    while (count - ct_len(cache) < 20) {
      /* The entry stays the youngest. */
      assert_status(CT_OK, ct_get(cache, &first, sizeof first, NULL));
      assert_status(
          CT_OK, ct_set(cache, &count, sizeof count, value, 100 + test_random_below(&random, 400)));
      count++;
    }
    const uint64_t before = ct_len(cache);
    memory.fail_at = memory.calls;
    memory.fail_on = true;
    assert_status(CT_ERR_NOMEM, ct_set_lifetime(cache, &first, sizeof first, 1000000));
    assert_int_equal(before, ct_len(cache));
    ct_cache_free(cache);
  }
}

/* Replaces the key 0 once, when another entry leaves. */
typedef struct replacer {
  ct_cache *cache;
  bool armed, has_replaced;
} replacer;

static char replacement[30000];

static void replace_once(void *user_data, const ct_event *event) {
  replacer *self = user_data;
  if (!self->armed || event->cause != CT_CAUSE_EVICTED) return;
  self->armed = false;
  const uint64_t first = 0;
  memset(replacement, 'b', sizeof replacement);
  assert_status(CT_OK, ct_set(self->cache, &first, sizeof first, replacement, sizeof replacement));
  self->has_replaced = true;
}

/* The listener is told of the entries that leave for a longer block before the block is made. By
 * then, the value that is to get a lifetime may be another one. */
TEST(lifetime_is_that_of_the_value_that_is_there) {
  static char large[20000];
  uint64_t random = test_seed();
  int replaced = 0;
  for (int round = 0; round < 60; round++) {
    replacer self = {0};
    ct_cache *cache =
        cache_of(.maxsize = CT_UNBOUNDED, .listener = replace_once, .user_data = &self);
    self.cache = cache;
    ct_limit_chunks(cache, 4);
    const uint64_t first = 0, second = 1;
    memset(large, 'a', sizeof large);
    assert_status(CT_OK, ct_set(cache, &first, sizeof first, large, sizeof large));
    assert_status(CT_OK, ct_set_ttl(cache, &second, sizeof second, value, 100, UINT64_MAX / 2));
    const size_t size = 60 + test_random_below(&random, 60);
    for (uint64_t count = 2; count - ct_len(cache) < 20; count++) {
      assert_status(CT_OK, ct_get(cache, &first, sizeof first, NULL));
      assert_status(CT_OK, ct_set(cache, &count, sizeof count, value, size));
    }
    self.armed = true;
    assert_status(CT_OK, ct_set_lifetime(cache, &first, sizeof first, UINT64_MAX / 4));
    self.armed = false;
    ct_value got = CT_VALUE_INIT;
    assert_status(CT_OK, ct_get(cache, &first, sizeof first, &got));
    assert_int_equal(self.has_replaced ? sizeof replacement : sizeof large, got.size);
    assert_memory_equal(self.has_replaced ? replacement : large, got.data, got.size);
    ct_value_release(&got);
    replaced += self.has_replaced;
    assert_valid(cache);
    ct_cache_free(cache);
  }
  assert_true(replaced > 0);
}

/* The call is refused because of the policy, not for want of memory. */
TEST(policy_that_names_no_victim_is_told) {
  uint64_t random = test_seed();
  ct_policy_ops ops = kQueue;
  ops.victim = name_nobody;
  ct_options options = CT_OPTIONS_INIT;
  options.policy = CT_POLICY_CUSTOM;
  options.custom = &ops;
  options.maxsize = CT_UNBOUNDED;
  ct_cache *cache;
  assert_status(CT_OK, ct_cache_new_with(&options, &cache));
  ct_limit_chunks(cache, 4);
  ct_status status = CT_OK;
  uint64_t count = 0;
  /* In the chunk of the first entry, no other place is large enough for it with a lifetime. */
  for (; count < 2000 && status == CT_OK; count++) {
    const size_t size = count == 0 ? 500 : 100 + test_random_below(&random, 400);
    status = ct_set(cache, &count, sizeof count, value, size);
  }
  assert_status(CT_ERR_CALLBACK, status);
  assert_int_equal(count - 1, ct_len(cache));
  const uint64_t first = 0;
  assert_status(CT_ERR_CALLBACK, ct_set_lifetime(cache, &first, sizeof first, 1000000));
  ct_value got = CT_VALUE_INIT;
  assert_status(CT_ERR_CALLBACK, ct_get_or_load(cache, &count, sizeof count, load, NULL, &got));
  assert_valid(cache);
  ct_cache_free(cache);
}
