/* SPDX-License-Identifier: MIT */
/* How much memory small and emptied caches take, by ct_memory and by an allocator that counts. */
#include "fixture.h"

static uint64_t never(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size, (void)value, (void)value_size, (void)now;
  return CT_NEVER;
}

static const ct_policy kPolicies[] = {
    CT_POLICY_LRU,    CT_POLICY_FIFO,     CT_POLICY_LFU, CT_POLICY_RR,      CT_POLICY_TTL,
    CT_POLICY_TLRU,   CT_POLICY_ANY,      CT_POLICY_MRU, CT_POLICY_CLOCK,   CT_POLICY_SIEVE,
    CT_POLICY_S3FIFO, CT_POLICY_WTINYLFU, CT_POLICY_ARC, CT_POLICY_ADAPTIVE};

static ct_options options_of(ct_policy policy, uint64_t maxsize) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.maxsize = maxsize;
  if (maxsize == 0) options.flags = CT_FLAG_KEEP_NOTHING;
  if (policy == CT_POLICY_TTL) options.ttl = (uint64_t)1 << 60;
  if (policy == CT_POLICY_TLRU) options.ttu = never;
  return options;
}

static void assert_memory_at_most(uint64_t bytes, const ct_cache *cache, ct_policy policy) {
  if (ct_memory(cache) > bytes)
    fail_msg("%s takes %llu bytes", ct_policy_name(policy), (unsigned long long)ct_memory(cache));
}

/* Keys of 16 bytes, values of 64. */
static void add_entries(ct_cache *cache, uint64_t count) {
  char key[16] = {0};
  const char value[64] = {0};
  for (uint64_t i = 0; i < count; i++) {
    memcpy(key, &i, sizeof(i));
    assert_status(CT_OK, ct_set(cache, key, sizeof(key), value, sizeof(value)));
  }
}

TEST(empty_cache_takes_at_most_two_kibibytes) {
  const uint64_t sizes[] = {0, 1, 1000, 1000000, CT_UNBOUNDED};
  for (size_t p = 0; p < COUNT_OF(kPolicies); p++) {
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
      ct_options options = options_of(kPolicies[p], sizes[i]);
      ct_cache *cache = new_cache(&options);
      assert_memory_at_most(2048, cache, kPolicies[p]);
      ct_cache_free(cache);
    }
  }
}

TEST(hundred_entries_take_at_most_twenty_kibibytes) {
  const uint64_t sizes[] = {100, 1000, CT_UNBOUNDED};
  for (size_t p = 0; p < COUNT_OF(kPolicies); p++) {
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
      ct_options options = options_of(kPolicies[p], sizes[i]);
      ct_cache *cache = new_cache(&options);
      add_entries(cache, 100);
      assert_int_equal(100, ct_len(cache));
      assert_memory_at_most(20 << 10, cache, kPolicies[p]);
      assert_true(ct_memory(cache) >= 100 * (16 + 64));
      ct_cache_free(cache);
    }
  }
}

TEST(cleared_cache_is_small_again) {
  for (size_t p = 0; p < COUNT_OF(kPolicies); p++) {
    ct_options options = options_of(kPolicies[p], CT_UNBOUNDED);
    ct_cache *cache = new_cache(&options);
    add_entries(cache, 100000);
    assert_true(ct_memory(cache) >= 100000 * (16 + 64));
    assert_status(CT_OK, ct_clear(cache));
    assert_memory_at_most(64 << 10, cache, kPolicies[p]);
    add_entries(cache, 1000);
    assert_int_equal(1000, ct_len(cache));
    ct_cache_free(cache);
  }
}

TEST(memory_is_what_the_allocator_gave) {
  for (size_t p = 0; p < COUNT_OF(kPolicies); p++) {
    test_allocator allocator;
    test_allocator_init(&allocator);
    ct_options options = options_of(kPolicies[p], CT_UNBOUNDED);
    options.allocator = &allocator.hooks;
    ct_cache *cache = new_cache(&options);
    assert_int_equal(allocator.bytes, ct_memory(cache));
    add_entries(cache, 20000);
    assert_int_equal(allocator.bytes, ct_memory(cache));
    assert_status(CT_OK, ct_clear(cache));
    assert_int_equal(allocator.bytes, ct_memory(cache));
    assert_memory_at_most(64 << 10, cache, kPolicies[p]);
    ct_cache_free(cache);
    assert_int_equal(0, allocator.blocks);
  }
}
