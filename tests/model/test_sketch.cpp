// SPDX-License-Identifier: MIT
// The sketch by itself: what it knows, what it holds and how much it does while it changes its
// size.
#include <algorithm>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "policy/sketch.hpp"
#include "refusing_allocator.hpp"
#include "test.h"

namespace {

constexpr uint64_t kBlockBytes = 64;
// A small table moves at once: all of a page. A larger one moves a few blocks with each use.
constexpr uint64_t kMostAtOnce = 64;
constexpr uint64_t kMostInAStep = 4;

uint64_t hash_of(uint64_t key) {
  return (key + 1) * UINT64_C(0xD1B54A32D192ED03);
}

// A sketch in page heaps, where what is held is what has been touched.
struct Subject {
  explicit Subject(bool tight) : sketch(memory, tight) {}

  void use(uint64_t key) {
    sketch.add(hash_of(key));
    most = std::max(most, sketch.take_work());
  }
  // Makes room for so many entries, and begins to change the size if that is needed.
  void reserve(uint64_t entries) {
    sketch.reserve(entries, 0);
    sketch.fit(entries);
    most = std::max(most, sketch.take_work());
  }

  ct::PageHeaps heaps{true, true};
  ct::Memory memory{nullptr, &heaps};
  ct::Sketch sketch;
  uint64_t most = 0;  // blocks that one call has moved
};

TEST(it_grows_by_a_few_blocks_a_call) {
  for (const bool tight : {false, true}) {
    Subject subject(tight);
    for (uint64_t key = 0; key < 500000; key++) {
      subject.reserve(key + 1);
      subject.use(key);
      assert_true(subject.most <= (key < 2000 ? kMostAtOnce : kMostInAStep));
      if (key == 1999) subject.most = 0;
    }
  }
}

// The table doubles at most, so the larger one alone takes 12.8 bytes an entry; and a step more.
TEST(both_tables_are_held_by_as_much_as_the_larger_one) {
  Subject subject(true);
  uint64_t key = 0;
  for (; key < 1000000; key++) {
    subject.reserve(key + 1);
    subject.use(key);
    if (key % 64 == 0 && key > 20000) {
      assert_true(subject.memory.held() <= key * 2 * kBlockBytes / 10 + 600000);
    }
  }
  for (uint64_t entries = key; entries > 20000; entries -= 20) {
    subject.reserve(entries);
    subject.use(entries);
    subject.use(entries);
    if (entries % 64 == 0) {
      assert_true(subject.memory.held() <= entries * 2 * kBlockBytes / 10 + 600000);
    }
  }
  // It has shrunk.
  assert_true(subject.memory.held() < 1000000);
}

// Keys of counters that the one key which is used meanwhile does not share keep what is known of
// them exactly, if each new block is a half of an old one; and are never known less well.
void expect_knowledge(uint64_t before, uint64_t after) {
  constexpr uint64_t kKeys = 30000;
  constexpr uint64_t kOther = 1 << 30;
  Subject subject(true);
  subject.reserve(before);
  for (int use = 0; use < 3; use++) subject.use(kOther);
  for (uint64_t key = 0; key < kKeys; key++) {
    for (uint64_t use = 0; use <= key % 5; use++) subject.use(key);
  }
  std::vector<uint32_t> known(kKeys);
  for (uint64_t key = 0; key < kKeys; key++) known[key] = subject.sketch.estimate(hash_of(key));
  subject.most = 0;
  subject.reserve(after);
  uint64_t steps = 0;
  for (; steps < 100000; steps++) {
    subject.use(kOther);
    if (steps % 500 != 0) continue;
    for (uint64_t key = steps / 500 % 7; key < kKeys; key += 7) {
      const uint32_t now = subject.sketch.estimate(hash_of(key));
      assert_true(now >= known[key]);
    }
    if (subject.most == 0) break;  // all has moved
    subject.most = 0;
  }
  assert_true(steps >= std::min(before, after) / 10 / kMostInAStep);
  uint64_t changed = 0;
  for (uint64_t key = 0; key < kKeys; key++) {
    changed += subject.sketch.estimate(hash_of(key)) != known[key];
  }
  if (after > before) assert_true(changed <= 20);
}

TEST(it_knows_as_much_while_it_grows) {
  expect_knowledge(100000, 200000);
}

TEST(it_knows_no_less_while_it_shrinks) {
  expect_knowledge(200000, 90000);
}

TEST(without_memory_it_stays_as_it_is) {
  bool refuses = false;
  const ct_allocator hooks = refusing_allocator(&refuses);
  ct::Memory memory(&hooks);
  {
    ct::Sketch sketch(memory, true);
    sketch.reserve(5000, 0);
    for (int use = 0; use < 5; use++) sketch.add(hash_of(1));
    assert_int_equal(5, sketch.estimate(hash_of(1)));
    refuses = true;
    const uint64_t held = memory.held();
    sketch.reserve(100000, 0);
    sketch.fit(100);
    assert_int_equal(held, memory.held());
    assert_int_equal(5, sketch.estimate(hash_of(1)));
    refuses = false;
    sketch.reserve(1000000, 0);
    assert_true(memory.held() > held);
    // Released with both tables.
    for (int use = 0; use < 100; use++) sketch.add(hash_of(2));
    assert_int_equal(5, sketch.estimate(hash_of(1)));
  }
  assert_int_equal(0, memory.held());
}

}  // namespace
