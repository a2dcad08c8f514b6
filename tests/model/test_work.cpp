// SPDX-License-Identifier: MIT
// How much a call does before it lets others at a shard's lock, however much there is to do; and
// how few other shards a store looks at. The tests assert work, not time.
#include <algorithm>
#include <atomic>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <thread>
#include <utility>
#include <vector>

#include "internal.h"
#include "table/entry.hpp"
#include "test.h"

namespace {

constexpr uint64_t kEntries = 20000;
// Four times what a call sets out to do. Each reading of an entry's key counts, and each question
// of a policy for its weight. To find the entries of one home of the index, a call also reads its
// neighbours' keys.
constexpr uint64_t kMost = 1024;

uint64_t now;
uint64_t read_now(void *) {
  return now;
}
void ignore(void *, const ct_event *) {}
ct_status write_nowhere(void *, const void *, size_t) {
  return CT_OK;
}
bool match_all(void *, const void *, size_t, const void *, size_t) {
  return true;
}

struct Call {
  const char *name;
  bool lives;  // entries must not be due for it
  void (*call)(ct_cache *cache);
};

void walk(ct_cache *cache, int32_t order) {
  ct_iter *iter = nullptr;
  if (ct_iter_new(cache, order, &iter) == CT_ERR_UNSUPPORTED) return;
  uint64_t count = 0;
  while (ct_iter_next(iter, nullptr, nullptr) == CT_OK) count++;
  ct_iter_free(iter);
  assert_int_equal(kEntries, count);
}

const Call kCalls[] = {
    {"ct_len", false, [](ct_cache *cache) { assert_int_equal(0, ct_len(cache)); }},
    {"ct_currsize", false, [](ct_cache *cache) { assert_int_equal(0, ct_currsize(cache)); }},
    {"ct_popitem", false,
     [](ct_cache *cache) { assert_int_equal(CT_MISS, ct_popitem(cache, nullptr, nullptr)); }},
    {"ct_expire", false,
     [](ct_cache *cache) {
       assert_int_equal(kEntries, ct_expire(cache, CT_NOW, nullptr, nullptr));
     }},
    {"ct_clear, all due", false, [](ct_cache *cache) { ct_clear(cache); }},
    {"ct_set", false, [](ct_cache *cache) { ct_set(cache, "", 0, "", 0); }},
    {"ct_set of a heavy one", true,
     [](ct_cache *cache) {
       ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
       entry.flags = CT_ENTRY_WEIGHT;
       entry.weight = kEntries - 10;
       assert_int_equal(CT_OK, ct_set_with(cache, "heavy", 5, "", 0, &entry));
     }},
    {"ct_set_lifetime of a heavy one", true,
     [](ct_cache *cache) {
       const uint64_t key = kEntries - 1;
       assert_int_equal(CT_OK, ct_set_lifetime(cache, &key, sizeof key, 2000));
     }},
    {"ct_resize", false, [](ct_cache *cache) { ct_resize(cache, 10); }},
    {"ct_resize, none due", true, [](ct_cache *cache) { ct_resize(cache, 10); }},
    {"ct_clear", true, [](ct_cache *cache) { ct_clear(cache); }},
    {"ct_remove_if", true,
     [](ct_cache *cache) { assert_int_equal(kEntries, ct_remove_if(cache, match_all, nullptr)); }},
    {"a walk", true, [](ct_cache *cache) { walk(cache, CT_ORDER_ANY); }},
    {"a walk, coldest first", true, [](ct_cache *cache) { walk(cache, CT_ORDER_COLDEST); }},
    {"a walk, hottest first", true, [](ct_cache *cache) { walk(cache, CT_ORDER_HOTTEST); }},
    {"ct_snapshot_save", true,
     [](ct_cache *cache) {
       assert_int_equal(CT_OK, ct_snapshot_save(cache, write_nowhere, nullptr));
     }},
    {"ct_cache_copy", true,
     [](ct_cache *cache) {
       ct_cache *copy;
       assert_int_equal(CT_OK, ct_cache_copy(cache, &copy));
       ct_cache_free(copy);
     }},
};

// same: all entries have one lifetime. Otherwise they are due in another order than that of their
// arrival.
void assert_lets_others_in(const Call &call, ct_policy policy, uint32_t shards, bool same) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.maxsize = kEntries;
  options.shards = shards;
  options.timer = read_now;
  options.listener = ignore;  // so that each departure counts
  options.ttl = 1000;
  ct_cache *cache = nullptr;
  assert_int_equal(CT_OK, ct_cache_new_with(&options, &cache));
  now = 0;
  for (uint64_t i = 0; i < kEntries; i++) {
    ct_set_ttl(cache, &i, sizeof i, "value", 5, same ? 1000 : 500 + i * 7919 % 500);
  }
  if (!call.lives) now = 1000;
  uint64_t holds, most;
  ct_take_work(cache, &holds, &most);
  call.call(cache);
  ct_take_work(cache, &holds, &most);
  if (most > kMost) {
    fail_msg("%s, %s: works on %llu entries under a lock", call.name, ct_policy_name(policy),
             static_cast<unsigned long long>(most));
  }
  assert_null(ct_validate(cache));
  ct_cache_free(cache);
}

TEST(no_call_keeps_a_lock_for_long) {
  for (const Call &call : kCalls) {
    for (const ct_policy policy :
         {CT_POLICY_LRU, CT_POLICY_SIEVE, CT_POLICY_S3FIFO, CT_POLICY_WTINYLFU, CT_POLICY_LFU,
          CT_POLICY_ARC, CT_POLICY_ADAPTIVE}) {
      for (uint32_t shards = 1; shards <= 4; shards *= 4) {
        assert_lets_others_in(call, policy, shards, true);
        assert_lets_others_in(call, policy, shards, false);
      }
    }
  }
}

// ---- Tags -------------------------------------------------------------------------------------

// Every second entry carries the tag.
TEST(invalidation_works_on_no_entry_and_its_sweep_lets_others_in) {
  for (uint32_t shards = 1; shards <= 4; shards *= 4) {
    ct_options options = CT_OPTIONS_INIT;
    options.maxsize = 2 * kEntries;
    options.shards = shards;
    options.listener = ignore;
    ct_cache *cache = nullptr;
    assert_int_equal(CT_OK, ct_cache_new_with(&options, &cache));
    const ct_bytes tags[] = {{"red", 3}, {"blue", 4}};
    ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
    entry.flags = CT_ENTRY_TAGS;
    entry.tag_count = 1;
    for (uint64_t i = 0; i < kEntries; i++) {
      entry.tags = &tags[i % 2];
      assert_int_equal(CT_OK, ct_set_with(cache, &i, sizeof i, "value", 5, &entry));
    }
    uint64_t holds = 0, most = 0;
    ct_take_work(cache, &holds, &most);
    assert_int_equal(CT_OK, ct_invalidate_tag(cache, "red", 3, 0));
    ct_take_work(cache, &holds, &most);
    assert_int_equal(0, holds);
    assert_int_equal(0, most);
    // A write sweeps a few.
    ct_set(cache, "", 0, "", 0);
    ct_take_work(cache, &holds, &most);
    assert_in_range(most, 1, 128);
    assert_int_equal(kEntries / 2 + 1, ct_len(cache));
    ct_take_work(cache, &holds, &most);
    assert_true(most <= kMost);
    assert_true(holds >= kEntries / kMost);
    // None is left, so nobody looks for one.
    ct_set(cache, "a", 1, "", 0);
    ct_take_work(cache, &holds, &most);
    assert_true(most <= 4);
    assert_null(ct_validate(cache));
    ct_cache_free(cache);
  }
}

// ---- The order of hashes ------------------------------------------------------------------------

// Entries leave in the order of a walk over the index, or come in it. That order must not leave one
// part of the index dense while another is empty: a dense part is one long run of full buckets, and
// each step that looks for a place there, or moves a home from there, would go over all of it.

constexpr uint64_t kMany = 200000;
constexpr uint64_t kNew = UINT64_C(1) << 32;

ct_options options_for(ct_policy policy, int32_t weight_kind, uint64_t count) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.weight_kind = weight_kind;
  options.maxsize = weight_kind == CT_WEIGHT_MEMORY ? count * 120 : count;
  options.shards = 1;
  options.seed = 1;
  return options;
}

struct Ordered {
  explicit Ordered(const ct_options &options, uint64_t count) {
    assert_int_equal(CT_OK, ct_cache_new_with(&options, &cache));
    const ct_bytes tag = {"red", 3};
    ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
    entry.flags = CT_ENTRY_TAGS;
    entry.tags = &tag;
    for (uint64_t key = 0; key < count; key++) {
      entry.tag_count = key % 64 == 0 ? 0 : 1;
      assert_int_equal(CT_OK, ct_set_with(cache, &key, sizeof key, "value", 5, &entry));
    }
    begin();
  }
  ~Ordered() {
    assert_null(ct_validate(cache));
    ct_cache_free(cache);
  }
  Ordered(const Ordered &) = delete;
  Ordered &operator=(const Ordered &) = delete;

  void begin() {
    uint64_t holds, most;
    ct_take_work(cache, &holds, &most);
  }
  void add() {
    const uint64_t key = next++;
    assert_int_equal(CT_OK, ct_set(cache, &key, sizeof key, "value", 5));
  }
  void assert_let_others_in(const char *what) {
    uint64_t holds = 0, most = 0;
    ct_take_work(cache, &holds, &most);
    if (most > kMost) {
      fail_msg("%s: %llu entries in one hold", what, static_cast<unsigned long long>(most));
    }
  }

  ct_cache *cache = nullptr;
  std::atomic<uint64_t> next{kNew};
};

TEST(sets_beside_a_sweep_let_others_in) {
  for (const int32_t kind : {CT_WEIGHT_COUNT, CT_WEIGHT_MEMORY}) {
    Ordered cache(options_for(CT_POLICY_LRU, kind, 5 * kMany), 5 * kMany);
    assert_int_equal(CT_OK, ct_invalidate_tag(cache.cache, "red", 3, 0));
    for (uint64_t i = 0; i < kMany; i++) cache.add();
    cache.assert_let_others_in("sets after ct_invalidate_tag");
  }
}

TEST(removal_beside_sets_lets_others_in) {
  for (const int32_t kind : {CT_WEIGHT_COUNT, CT_WEIGHT_MEMORY}) {
    Ordered cache(options_for(CT_POLICY_LRU, kind, kMany), kMany);
    // Another thread might as well store between two calls of the match.
    const uint64_t removed = ct_remove_if(
        cache.cache,
        [](void *data, const void *key, size_t, const void *, size_t) {
          uint64_t number;
          memcpy(&number, key, sizeof number);
          if (number % 8 == 0) static_cast<Ordered *>(data)->add();
          return number < kNew && number % 64 != 0;
        },
        &cache);
    assert_true(removed > kMany / 2);
    cache.assert_let_others_in("ct_remove_if");
  }
}

TEST(clear_beside_sets_lets_others_in) {
  for (const int32_t kind : {CT_WEIGHT_COUNT, CT_WEIGHT_MEMORY}) {
    ct_options options = options_for(CT_POLICY_LRU, kind, kMany);
    options.listener = ignore;  // so that entries leave one by one
    Ordered cache(options, kMany);
    std::atomic<bool> ends{false};
    std::thread thread([&] {
      while (!ends) cache.add();
    });
    ct_clear(cache.cache);
    for (const uint64_t last = cache.next; cache.next < last + 1000;) std::this_thread::yield();
    ends = true;
    thread.join();
    cache.assert_let_others_in("ct_clear");
  }
}

// The other cache hashes keys as the one that is walked over.
TEST(copy_by_walk_lets_others_in) {
  for (const int32_t kind : {CT_WEIGHT_COUNT, CT_WEIGHT_MEMORY}) {
    const ct_options options = options_for(CT_POLICY_LRU, kind, kMany);
    Ordered from(options, kMany);
    for (const uint64_t limit : {kMany, kMany / 16}) {
      Ordered to(options_for(CT_POLICY_LRU, kind, limit), 0);
      ct_iter *iter;
      assert_int_equal(CT_OK, ct_iter_new(from.cache, CT_ORDER_ANY, &iter));
      for (ct_bytes key, value; ct_iter_next(iter, &key, &value) == CT_OK;) {
        assert_int_equal(CT_OK, ct_set(to.cache, key.data, key.size, value.data, value.size));
      }
      ct_iter_free(iter);
      to.assert_let_others_in("ct_set in the order of a walk");
      uint64_t total, longest;
      ct_measure_searches(to.cache, &total, &longest);
      assert_true(total <= ct_len(to.cache) * 4);
      assert_true(longest <= 100);
    }
  }
}

TEST(copy_lets_others_in) {
  for (const ct_policy policy : {CT_POLICY_LRU, CT_POLICY_RR, CT_POLICY_S3FIFO}) {
    for (const int32_t kind : {CT_WEIGHT_COUNT, CT_WEIGHT_MEMORY}) {
      Ordered from(options_for(policy, kind, kMany), kMany);
      ct_cache *copy;
      assert_int_equal(CT_OK, ct_cache_copy(from.cache, &copy));
      uint64_t holds = 0, most = 0;
      ct_take_work(copy, &holds, &most);
      assert_in_range(most, 1, kMost);
      assert_true(holds >= kMany / kMost);
      ct_cache_free(copy);

      std::vector<char> bytes;
      assert_int_equal(CT_OK, ct_snapshot_save(
                                  from.cache,
                                  [](void *to, const void *data, size_t size) {
                                    auto *all = static_cast<std::vector<char> *>(to);
                                    const char *part = static_cast<const char *>(data);
                                    all->insert(all->end(), part, part + size);
                                    return CT_OK;
                                  },
                                  &bytes));
      from.assert_let_others_in("ct_snapshot_save");
      Ordered to(options_for(policy, kind, kMany), 0);
      std::pair<const char *, size_t> rest{bytes.data(), bytes.size()};
      assert_int_equal(CT_OK, ct_snapshot_load(
                                  to.cache,
                                  [](void *from, void *out, size_t size, size_t *got) {
                                    auto *left = static_cast<decltype(rest) *>(from);
                                    *got = std::min(size, left->second);
                                    memcpy(out, left->first, *got);
                                    left->first += *got;
                                    left->second -= *got;
                                    return CT_OK;
                                  },
                                  &rest));
      assert_int_equal(kMany, ct_len(to.cache));
      to.assert_let_others_in("ct_snapshot_load");
    }
  }
}

// ---- Victims ----------------------------------------------------------------------------------

// All entries are used, so each is spared once before one goes.
TEST(search_for_a_victim_lets_others_in) {
  for (const ct_policy policy : {CT_POLICY_CLOCK, CT_POLICY_SIEVE, CT_POLICY_S3FIFO}) {
    for (int call = 0; call < 3; call++) {
      ct_options options = CT_OPTIONS_INIT;
      options.policy = policy;
      options.maxsize = kEntries;
      ct_cache *cache = nullptr;
      assert_int_equal(CT_OK, ct_cache_new_with(&options, &cache));
      for (uint64_t i = 0; i < kEntries; i++) ct_set(cache, &i, sizeof i, "value", 5);
      for (int uses = 0; uses < 3; uses++) {
        for (uint64_t i = 0; i < kEntries; i++) ct_get(cache, &i, sizeof i, nullptr);
      }
      uint64_t holds, most;
      ct_take_work(cache, &holds, &most);
      if (call == 0) ct_set(cache, "", 0, "", 0);
      if (call == 1) ct_popitem(cache, nullptr, nullptr);
      if (call == 2) ct_resize(cache, kEntries - 1);
      ct_take_work(cache, &holds, &most);
      // S3FIFO stops when a tenth is left in its small queue; entries enter the main queue without
      // uses.
      if (holds < kEntries * 9 / 10 / ct::kLooksAtOnce) {
        fail_msg("%s, call %d: the lock was taken %d times", ct_policy_name(policy), call,
                 static_cast<int>(holds));
      }
      assert_true(most <= kMost);
      assert_int_equal(call == 0 ? kEntries : kEntries - 1, ct_len(cache));
      assert_null(ct_validate(cache));
      ct_cache_free(cache);
    }
  }
}

// All entries go at once, but their memory goes back chunk by chunk, unless it is what is limited.
TEST(clear_without_anything_to_tell_lets_others_in) {
  for (const int32_t kind : {CT_WEIGHT_COUNT, CT_WEIGHT_MEMORY}) {
    const ct_options options = options_for(CT_POLICY_LRU, kind, kMany);
    Ordered cache(options, kMany);
    const uint64_t before = ct_memory(cache.cache);
    uint64_t holds, most;
    ct_take_work(cache.cache, &holds, &most);
    assert_int_equal(CT_OK, ct_clear(cache.cache));
    ct_take_work(cache.cache, &holds, &most);
    assert_int_equal(0, ct_len(cache.cache));
    if (kind == CT_WEIGHT_COUNT) assert_true(holds > before >> 20);
    assert_true(ct_memory(cache.cache) < before / 16);
    assert_null(ct_validate(cache.cache));
    for (uint64_t i = 0; i < kMany; i++) cache.add();
    assert_null(ct_validate(cache.cache));
    assert_int_equal(CT_OK, ct_clear(cache.cache));
  }
}

// ---- Policies that are told of each entry -----------------------------------------------------

// Nobody else needs to know of single entries, so otherwise all of them could go at once.
TEST(clear_lets_others_in_if_the_policy_is_told_of_each_entry) {
  static uint64_t removals;
  removals = 0;
  ct_policy_ops ops = CT_POLICY_OPS_INIT;
  ops.on_insert = [](void *, uint32_t, uint64_t, const void *, size_t, uint64_t) {};
  ops.on_remove = [](void *, uint32_t) { removals++; };
  ops.victim = [](void *) { return uint32_t{0}; };
  ct_options options = CT_OPTIONS_INIT;
  options.policy = CT_POLICY_CUSTOM;
  options.custom = &ops;
  options.maxsize = CT_UNBOUNDED;
  options.shards = 1;
  ct_cache *cache = nullptr;
  assert_int_equal(CT_OK, ct_cache_new_with(&options, &cache));
  for (uint64_t i = 0; i < kEntries; i++) ct_set(cache, &i, sizeof i, "value", 5);
  uint64_t holds, most;
  ct_take_work(cache, &holds, &most);
  assert_int_equal(CT_OK, ct_clear(cache));
  ct_take_work(cache, &holds, &most);
  assert_int_equal(kEntries, removals);
  assert_true(holds >= kEntries / ct::kLooksAtOnce);
  assert_null(ct_validate(cache));
  ct_cache_free(cache);
}

// ---- Many keys in one call --------------------------------------------------------------------

// With a tti, everything is read under the lock.
TEST(batch_of_many_keys_lets_others_in) {
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = CT_UNBOUNDED;
  options.shards = 1;
  options.timer = read_now;
  options.tti = 1000;
  ct_cache *cache = nullptr;
  assert_int_equal(CT_OK, ct_cache_new_with(&options, &cache));
  now = 0;
  std::vector<uint64_t> keys(kEntries);
  std::vector<size_t> key_ends(kEntries), value_ends(kEntries);
  std::vector<ct_status> statuses(kEntries);
  std::vector<char> buffer(5 * kEntries);
  for (uint64_t i = 0; i < kEntries; i++) {
    keys[i] = i;
    key_ends[i] = (i + 1) * sizeof i;
    ct_set(cache, &i, sizeof i, "value", 5);
  }
  uint64_t holds, most;
  ct_take_work(cache, &holds, &most);
  assert_int_equal(CT_OK,
                   ct_get_many_copy(cache, keys.data(), key_ends.data(), kEntries, buffer.data(),
                                    buffer.size(), value_ends.data(), statuses.data()));
  ct_take_work(cache, &holds, &most);
  assert_int_equal(buffer.size(), value_ends.back());
  assert_in_range(most, 1, ct::kLooksAtOnce);
  ct_cache_free(cache);
}

// ---- Lists of W-TinyLFU -----------------------------------------------------------------------

constexpr uint64_t kHeavy = 10 * kEntries;

struct Lists {
  Lists() {
    ct_options options = CT_OPTIONS_INIT;
    options.policy = CT_POLICY_WTINYLFU;
    options.maxsize = 4 * kHeavy;
    options.seed = 1;
    options.shards = 1;
    assert_int_equal(CT_OK, ct_cache_new_with(&options, &cache));
  }
  ~Lists() {
    assert_null(ct_validate(cache));
    ct_cache_free(cache);
  }
  Lists(const Lists &) = delete;
  Lists &operator=(const Lists &) = delete;

  void set(uint64_t key, uint64_t weight = 1) {
    ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
    entry.flags = CT_ENTRY_WEIGHT;
    entry.weight = weight;
    assert_int_equal(CT_OK, ct_set_with(cache, &key, sizeof key, "", 0, &entry));
  }
  void remove(uint64_t key) { assert_int_equal(CT_OK, ct_delete(cache, &key, sizeof key)); }
  void begin() {
    uint64_t holds, most;
    ct_take_work(cache, &holds, &most);
  }
  // A call makes at most eight moves for each of two limits. As more are due here, it makes eight.
  void assert_moves_eight() {
    uint64_t holds, most;
    ct_take_work(cache, &holds, &most);
    assert_in_range(most, 8, 2 * 8 + 8);
  }

  ct_cache *cache = nullptr;
};

// While a heavy entry is in main, all others have room in the window.
TEST(window_that_is_too_heavy_moves_a_few_in_a_call) {
  Lists lists;
  lists.set(0, kHeavy);
  for (uint64_t key = 1; key <= kEntries; key++) lists.set(key);
  lists.remove(0);
  for (uint64_t key = 1; key <= 9; key++) {
    lists.begin();
    lists.set(kEntries + key);
    lists.assert_moves_eight();
  }
}

// A heavy newcomer outweighs the older half of the window.
TEST(half_of_the_window_that_is_too_heavy_moves_a_few_in_a_call) {
  Lists lists;
  lists.set(0, kHeavy);
  for (uint64_t key = 1; key <= kEntries; key++) lists.set(key);
  lists.begin();
  lists.set(kEntries + 1, kEntries / 2);
  lists.assert_moves_eight();
}

// While a heavy entry is on probation, all others that are in main may be protected.
TEST(protected_list_that_is_too_heavy_moves_a_few_in_a_call) {
  Lists lists;
  for (uint64_t key = 0; key < kEntries; key++) lists.set(key);
  lists.set(0, kHeavy);
  constexpr uint64_t kUsed = kEntries * 3 / 4;
  for (uint64_t key = 1; key < kUsed; key++) lists.set(key);
  lists.remove(0);
  for (uint64_t key = kUsed; key < kUsed + 9; key++) {
    lists.begin();
    lists.set(key);
    lists.assert_moves_eight();
  }
}

// ---- What policies keep beside the entries ----------------------------------------------------

// A cache whose limit is on memory does not know how many entries it will have. Its sketch, or its
// ghosts, grow with them, and shrink if entries become fewer and larger.
TEST(what_a_policy_keeps_beside_the_entries_grows_in_steps) {
  static const char kLarge[2000] = {};
  for (const ct_policy policy : {CT_POLICY_WTINYLFU, CT_POLICY_ARC, CT_POLICY_S3FIFO}) {
    for (const bool hooked : {false, true}) {
      ct_allocator hooks = CT_ALLOCATOR_INIT;
      hooks.alloc = [](void *, size_t size, size_t align) -> void * {
        return std::aligned_alloc(align, (size + align - 1) / align * align);
      };
      hooks.free = [](void *, void *ptr, size_t, size_t) { std::free(ptr); };
      ct_options options = CT_OPTIONS_INIT;
      options.policy = policy;
      options.weight_kind = CT_WEIGHT_MEMORY;
      options.maxsize = 16 << 20;
      options.shards = 1;
      options.allocator = hooked ? &hooks : nullptr;
      ct_cache *cache = nullptr;
      assert_int_equal(CT_OK, ct_cache_new_with(&options, &cache));
      uint64_t holds, most;
      ct_take_work(cache, &holds, &most);
      uint64_t key = 0;
      for (const size_t size : {size_t{10}, sizeof kLarge, size_t{10}}) {
        for (int i = 0; i < 500000; i++, key++) {
          assert_int_equal(CT_OK, ct_set(cache, &key, sizeof key, kLarge, size));
          // Half of the keys come back.
          const uint64_t again = key - 10000 - key % 1000;
          if (key % 2 == 0) ct_get(cache, &again, sizeof again, nullptr);
        }
      }
      ct_take_work(cache, &holds, &most);
      // Few ghosts move at once: 4,096 buckets of them.
      if (most > kMost + (policy == CT_POLICY_WTINYLFU ? 0 : 4096)) {
        fail_msg("%s: works on %llu entries under a lock", ct_policy_name(policy),
                 static_cast<unsigned long long>(most));
      }
      assert_null(ct_validate(cache));
      ct_cache_free(cache);
    }
  }
}

// ---- Looks at other shards --------------------------------------------------------------------

// Many entries leave while the table of the index is being replaced. The sizes are spread over those
// at which a table is.
TEST(sets_move_a_few_homes_however_many_entries_have_left) {
  const uint64_t few = 50000;
  for (uint64_t count = few; count < 2 * few; count += few / 12) {
    ct_options options = CT_OPTIONS_INIT;
    options.maxsize = CT_UNBOUNDED;
    options.seed = 1;
    ct_cache *cache = nullptr;
    assert_int_equal(CT_OK, ct_cache_new_with(&options, &cache));
    for (uint64_t key = 0; key < count; key++) ct_set(cache, &key, sizeof key, "", 0);
    for (uint64_t key = 0; key < count; key += 4) ct_delete(cache, &key, sizeof key);
    uint64_t holds;
    uint64_t most;
    ct_take_work(cache, &holds, &most);
    for (uint64_t key = count; key < count + 100; key++) {
      ct_set(cache, &key, sizeof key, "", 0);
    }
    holds = most = 0;
    ct_take_work(cache, &holds, &most);
    if (most > kMost)
      fail_msg("%llu entries: %llu in one hold", static_cast<unsigned long long>(count),
               static_cast<unsigned long long>(most));
    ct_cache_free(cache);
  }
}

TEST(store_looks_at_four_lines_to_find_what_is_due) {
  for (uint32_t shards = 2; shards <= 4096; shards *= 2) {
    ct_options options = CT_OPTIONS_INIT;
    options.maxsize = kEntries;
    options.shards = shards;
    options.timer = read_now;
    options.ttl = 1000;
    options.flags = CT_FLAG_NO_STATS;
    ct_cache *cache = nullptr;
    assert_int_equal(CT_OK, ct_cache_new_with(&options, &cache));
    now = 0;
    uint64_t key = 0;
    for (; key < kEntries; key++) ct_set(cache, &key, sizeof key, "", 0);
    // Nothing is due.
    for (; key < 2 * kEntries; key++) ct_set(cache, &key, sizeof key, "", 0);
    assert_int_equal(0, ct_due_tree_looks(cache));
    // All entries are due, and each call removes a few.
    now = 1000;
    uint64_t most = 0;
    for (; key < 3 * kEntries; key++) {
      const uint64_t before = ct_due_tree_looks(cache);
      ct_set(cache, &key, sizeof key, "", 0);
      const uint64_t looks = ct_due_tree_looks(cache) - before;
      most = looks > most ? looks : most;
    }
    // The own shard's go first. Then a store looks once more, where the tree leads.
    assert_true(most <= 8);
    assert_null(ct_validate(cache));
    ct_cache_free(cache);
  }
}

}  // namespace
