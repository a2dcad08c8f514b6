// SPDX-License-Identifier: MIT
// The tree of the shards' earliest deadlines: it finds any shard with an entry that is due, even if
// threads have changed neighbouring numbers at the same time.
#include <algorithm>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <thread>
#include <vector>

#include "table/due_tree.hpp"
#include "test.h"

namespace {

alignas(64) char memory[64 * 1024];

uint64_t draw(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 24;
}

TEST(due_tree_finds_whoever_is_due) {
  for (const uint32_t shards : {1u, 2u, 8u, 16u, 64u, 128u, 512u, 4096u}) {
    assert_true(ct::DueTree::bytes_for(shards) <= sizeof memory);
    ct::DueTree tree;
    tree.make(memory, shards);
    uint64_t times[4096];
    for (uint32_t i = 0; i < shards; i++) times[i] = CT_NEVER;
    uint64_t state = 1;
    for (int step = 0; step < 20000; step++) {
      const auto shard = static_cast<uint32_t>(draw(&state) % shards);
      times[shard] = draw(&state) % 16 == 0 ? CT_NEVER : draw(&state) % 1000;
      tree.set(shard, times[shard]);
      const uint64_t time = draw(&state) % 1000;
      const uint32_t due = tree.due(time);
      if (due != ct::DueTree::kNobody) {
        assert_true(due < shards && times[due] <= time);
      } else {
        for (uint32_t i = 0; i < shards; i++) assert_true(times[i] > time);
      }
      assert_int_equal(times[shard], tree.earliest_of(shard));
    }
    assert_null(tree.problem());
  }
}

TEST(numbers_are_the_least_after_threads_met) {
  constexpr uint32_t kShards = 64;
  constexpr uint32_t kThreads = 4;
  for (int round = 0; round < 20; round++) {
    ct::DueTree tree;
    tree.make(memory, kShards);
    std::vector<std::thread> threads;
    for (uint32_t t = 0; t < kThreads; t++) {
      threads.emplace_back([&tree, round, t] {
        uint64_t state = static_cast<uint64_t>(round) * kThreads + t;
        for (int step = 0; step < 5000; step++) {
          // Each thread has shards of its own, in cache lines that all share.
          const auto shard = static_cast<uint32_t>(draw(&state) % (kShards / kThreads));
          tree.set(shard * kThreads + t, draw(&state) % 1000);
        }
      });
    }
    for (std::thread &thread : threads) thread.join();
    assert_null(tree.problem());
    uint64_t least = CT_NEVER;
    for (uint32_t i = 0; i < kShards; i++) least = std::min(least, tree.earliest_of(i));
    assert_int_equal(least, tree.earliest());
  }
}

}  // namespace
