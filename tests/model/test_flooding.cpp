// SPDX-License-Identifier: MIT
// Keys made to collide. Anyone who knows the seed of a cache can make as many keys as they like
// that share one place of the index; the first test shows this. Under another seed, which is what a
// cache draws for itself, the same keys cost what any others do.
//
// Cost is counted in buckets of the index that are looked into, never in time.
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/hash.hpp"
#include "base/memory.hpp"
#include "internal.h"
#include "table/index.hpp"
#include "test.h"

namespace {

constexpr uint64_t kKnownSeed = 1234567;
constexpr uint32_t kSeeds = 10;

// For an index that is at most 62.5 % full. Of 3,000 seeds, none made 4,000 keys take more than
// 1.02 buckets on average, or a search more than 7. Each further bucket is several times rarer.
constexpr double kMean = 1.2;
constexpr uint64_t kLongest = 24;

using Keys = std::vector<std::vector<unsigned char>>;

// ---- Keys that collide --------------------------------------------------------------------------

uint64_t rotated(uint64_t x, unsigned by) {
  return x << by | x >> (64 - by);
}

uint64_t inverse(uint64_t odd) {
  uint64_t x = odd;
  for (int i = 0; i < 6; i++) x *= 2 - odd * x;
  return x;
}

// XXH3 of 8 bytes mixes the key, xored with a secret, in a way that can be undone. This undoes it.
uint64_t unmixed(uint64_t hash) {
  const uint64_t kFactor = inverse(UINT64_C(0x9FB21C651E98DF25));
  uint64_t x = hash;
  x = x ^ x >> 28 ^ x >> 56;
  x *= kFactor;
  x ^= (x >> 35) + 8;
  x *= kFactor;
  // x ^ rotated(x, 49) ^ rotated(x, 24), done 64 times, changes nothing.
  for (int i = 0; i < 63; i++) x ^= rotated(x, 49) ^ rotated(x, 24);
  return x;
}

// Returns the key of 8 bytes that has that hash under a known seed.
std::vector<unsigned char> key_of(uint64_t hash, uint64_t seed) {
  const unsigned char zeros[8] = {};
  const uint64_t mixed = unmixed(hash) ^ unmixed(ct::hash_key(zeros, 8, seed));
  // The halves are swapped.
  const uint64_t input = mixed << 32 | mixed >> 32;
  std::vector<unsigned char> key(8);
  for (int i = 0; i < 8; i++) key[i] = static_cast<unsigned char>(input >> (8 * i));
  assert_true(ct::hash_key(key.data(), 8, seed) == hash);
  return key;
}

// Keys with the same tag, position and, of up to 16 shards, shard, whatever the sizes of the tables
// are.
Keys colliding_keys(uint32_t count) {
  Keys keys;
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t others = i >> 12 << 56 | (i & 0xFFF) << 40;
    keys.push_back(key_of(others | UINT64_C(5) << 52 | UINT64_C(0x1234567842), kKnownSeed));
  }
  return keys;
}

// Keys of that length with one bit set, then with two.
Keys sparse_keys(size_t size, uint32_t count) {
  Keys keys;
  for (size_t one = 0; one < size * 8; one++) {
    for (size_t other = 0; other <= one; other++) {
      if (keys.size() == count) return keys;
      keys.emplace_back(size);
      keys.back()[one / 8] = static_cast<unsigned char>(keys.back()[one / 8] | 1u << one % 8);
      keys.back()[other / 8] = static_cast<unsigned char>(keys.back()[other / 8] | 1u << other % 8);
    }
  }
  return keys;
}

// Numbers that end in so many zero bits.
Keys numbers(unsigned zeros, uint32_t count) {
  Keys keys;
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t number = i << zeros;
    keys.emplace_back(8);
    std::memcpy(keys.back().data(), &number, 8);
  }
  return keys;
}

// ---- What they cost -----------------------------------------------------------------------------

struct Cost {
  uint64_t total;
  uint64_t longest;
  uint64_t seed;
};

ct_cache *filled_cache(const Keys &keys, int32_t policy, uint32_t shards, uint64_t seed) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.maxsize = CT_UNBOUNDED;
  options.shards = shards;
  options.seed = seed;
  ct_cache *cache;
  assert_int_equal(CT_OK, ct_cache_new_with(&options, &cache));
  for (const auto &key : keys) {
    assert_int_equal(CT_OK, ct_set(cache, key.data(), key.size(), "", 0));
  }
  assert_int_equal(keys.size(), ct_len(cache));
  return cache;
}

Cost cost_of(const Keys &keys, uint32_t shards, uint64_t seed) {
  ct_cache *cache = filled_cache(keys, CT_POLICY_LRU, shards, seed);
  ct_options options = CT_OPTIONS_INIT;
  assert_int_equal(CT_OK, ct_cache_options(cache, &options));
  Cost cost;
  ct_measure_searches(cache, &cost.total, &cost.longest);
  cost.seed = options.seed;
  ct_cache_free(cache);
  return cost;
}

void assert_cheap(const char *what, const Keys &keys, uint32_t shards, const Cost &cost) {
  const double mean = static_cast<double>(cost.total) / static_cast<double>(keys.size());
  if (mean <= kMean && cost.longest <= kLongest) return;
  fail_msg("%s: %zu keys in %u shards take %llu buckets, %llu at most, with seed %llu", what,
           keys.size(), shards, static_cast<unsigned long long>(cost.total),
           static_cast<unsigned long long>(cost.longest),
           static_cast<unsigned long long>(cost.seed));
}

void assert_cheap_under_any_seed(const char *what, const Keys &keys) {
  Cost worst = {};
  for (uint32_t i = 0; i < kSeeds; i++) {
    const uint32_t shards = i % 2 == 0 ? 1 : 16;
    const Cost cost = cost_of(keys, shards, 0);
    assert_cheap(what, keys, shards, cost);
    if (cost.total > worst.total) worst.total = cost.total;
    if (cost.longest > worst.longest) worst.longest = cost.longest;
  }
  print_message("# %s: %zu keys take %.3f buckets each, %u at most\n", what, keys.size(),
                static_cast<double>(worst.total) / static_cast<double>(keys.size()),
                static_cast<unsigned>(worst.longest));
}

TEST(keys_made_for_a_known_seed_collide_under_it) {
  const Keys keys = colliding_keys(4000);
  const Cost cost = cost_of(keys, 1, kKnownSeed);
  print_message("# known seed: %zu keys take %.1f buckets each, %u at most\n", keys.size(),
                static_cast<double>(cost.total) / static_cast<double>(keys.size()),
                static_cast<unsigned>(cost.longest));
  // A search looks into one full bucket after the other.
  assert_true(cost.longest >= keys.size() / ct::kSlots);
  assert_true(cost.total >= keys.size() * keys.size() / ct::kSlots / 3);
}

TEST(keys_made_for_another_seed_cost_what_others_do) {
  for (uint32_t count = 1000; count <= 64000; count *= 4) {
    assert_cheap_under_any_seed("made for another seed", colliding_keys(count));
  }
}

TEST(keys_of_a_pattern_cost_what_others_do) {
  for (unsigned zeros = 0; zeros <= 48; zeros += 16) {
    assert_cheap_under_any_seed("numbers", numbers(zeros, 20000));
  }
  for (size_t size : {12, 16, 17, 100, 128, 129, 240, 241, 1000}) {
    assert_cheap_under_any_seed("keys of few bits", sparse_keys(size, 4000));
  }
}

// Policies have tables of their own, or none: with each, what is found is what is there.
TEST(colliding_keys_are_told_apart_by_every_policy) {
  const Keys keys = colliding_keys(1500);
  for (int32_t policy : {CT_POLICY_LRU, CT_POLICY_FIFO, CT_POLICY_LFU, CT_POLICY_RR, CT_POLICY_ANY,
                         CT_POLICY_MRU, CT_POLICY_CLOCK, CT_POLICY_SIEVE, CT_POLICY_S3FIFO,
                         CT_POLICY_WTINYLFU, CT_POLICY_ARC, CT_POLICY_ADAPTIVE}) {
    ct_cache *cache = filled_cache(keys, policy, 4, kKnownSeed);
    for (const auto &key : keys) {
      assert_int_equal(CT_OK, ct_get(cache, key.data(), key.size(), nullptr));
    }
    assert_int_equal(CT_OK, ct_resize(cache, 100));
    for (const auto &key : keys) {
      assert_true(ct_set(cache, key.data(), key.size(), "", 0) == CT_OK);
    }
    assert_null(ct_validate(cache));
    assert_int_equal(100, ct_len(cache));
    for (const auto &key : keys) ct_delete(cache, key.data(), key.size());
    assert_int_equal(0, ct_len(cache));
    ct_cache_free(cache);
  }
}

// Under the known seed, most of them go to one shard.
TEST(keys_made_for_one_shard_spread_over_all_under_another_seed) {
  constexpr uint32_t kShards = 16;
  const Keys keys = colliding_keys(16000);
  for (uint32_t i = 0; i < kSeeds; i++) {
    const uint64_t seed = cost_of(Keys(), kShards, 0).seed;
    uint32_t counts[kShards] = {};
    for (const auto &key : keys) {
      counts[ct::hash_shard(ct::hash_key(key.data(), key.size(), seed), kShards)]++;
    }
    for (uint32_t count : counts) assert_in_range(count, 700, 1300);
  }
}

}  // namespace
