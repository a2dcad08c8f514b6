// SPDX-License-Identifier: MIT
// The index by itself, with hashes that no key would have. While a large table is replaced, the
// part of the old one that was moved out goes back to the system, piece by piece.
#include <algorithm>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "table/index.hpp"
#include "test.h"

namespace {

constexpr uint32_t kCount = 400000;
// Looking for all of them would take long.
constexpr uint32_t kStride = 20011;

struct Hashes {
  std::vector<uint64_t> of;  // by reference

  explicit Hashes(uint32_t crowded) : of(1) {
    for (uint32_t i = 1; i <= kCount; i++) {
      // The first ones share the last home: the end of the table is full, and so is its beginning.
      const uint64_t spread = i * UINT64_C(0x9E3779B97F4A7C15);
      of.push_back(i <= crowded ? UINT64_C(0xFFFFFFFF) << 32 | (spread >> 56) : spread);
    }
  }
};

template <class HashOf>
void assert_all_are_found(const ct::Index &index, HashOf hashes, uint32_t count) {
  for (ct::Ref ref = 1; ref <= count; ref++) {
    if (index.place_of(hashes(ref), ref).ref != ref) fail_msg("%u of %u is lost", ref, count);
  }
}

void assert_grows(uint32_t crowded, bool keeps) {
  const Hashes all(crowded);
  const auto hashes = [&all](ct::Ref ref) { return all.of[ref]; };
  ct::PageHeaps heaps(false, keeps);
  ct::Memory memory(nullptr, &heaps);
  {
    ct::Index index(memory);
    if (keeps) index.keep();
    for (ct::Ref ref = 1; ref <= kCount; ref++) {
      assert_true(index.reserve(1, hashes));
      index.insert(hashes(ref), ref);
      if (ref % kStride == 0) assert_all_are_found(index, hashes, ref);
    }
    assert_all_are_found(index, hashes, kCount);
    // Down again: a reference that was taken out is put in again, so that calls go on to move the
    // rest.
    for (ct::Ref ref = kCount; ref > 1; ref--) {
      index.erase(hashes(ref), ref);
      index.erase(hashes(1), 1);
      assert_true(index.reserve(1, hashes));
      index.insert(hashes(1), 1);
      if (ref % kStride == 0) assert_all_are_found(index, hashes, ref - 1);
    }
    assert_int_equal(1, index.size());
    assert_true(keeps || memory.held() < 64 * 1024);
    while (index.shrink(0, hashes)) continue;
    assert_all_are_found(index, hashes, 1);
  }
  assert_int_equal(0, memory.used());
  // All goes back but what the heaps keep for themselves, and ranges that stay mapped.
  memory.trim();
  assert_true(memory.held() <= (keeps ? 16 * 1024 : ct::PageHeaps::bytes()));
}

TEST(growing_table_loses_none) {
  assert_grows(0, false);
  assert_grows(0, true);
}

TEST(growing_table_loses_none_that_went_over_its_end) {
  assert_grows(300, false);
  assert_grows(300, true);
}

// However few more are expected, no step moves more than a few references, as each has to be asked
// for its hash.
TEST(no_step_moves_many) {
  constexpr uint32_t kBefore = 20000;
  const Hashes all(0);
  uint64_t asked = 0;
  const auto hashes = [&](ct::Ref ref) {
    asked++;
    return all.of[ref];
  };
  for (uint32_t expected = kBefore; expected < 3 * kBefore; expected += kBefore / 50) {
    ct::Memory memory(nullptr);
    ct::Index index(memory);
    index.expect(kBefore);
    for (ct::Ref ref = 1; ref <= 3 * kBefore; ref++) {
      if (ref == kBefore) index.expect(expected);
      asked = 0;
      assert_true(index.reserve(1, hashes));
      if (asked > 1000) fail_msg("%u expected: %u moved at %u", expected, (unsigned)asked, ref);
      index.insert(all.of[ref], ref);
    }
  }
}

// A set of a large value evicts many small entries. A table that is as large as before by then takes
// memory that no entry is weighed for.
TEST(table_becomes_smaller_as_fast_as_entries_leave) {
  constexpr uint32_t kBefore = 10000, kLeaveAtOnce = 50;
  const Hashes all(0);
  const auto hashes = [&](ct::Ref ref) { return all.of[ref]; };
  ct::PageHeaps heaps(true, false);
  ct::Memory memory(nullptr, &heaps);
  ct::Index index(memory, true);
  ct::Ref newest = 1;
  for (; newest <= kBefore; newest++) {
    assert_true(index.reserve(1, hashes));
    index.insert(all.of[newest], newest);
  }
  for (ct::Ref oldest = 1; index.size() > kBefore / 20; newest++) {
    for (uint32_t i = 0; i < kLeaveAtOnce; i++, oldest++) index.erase(all.of[oldest], oldest);
    assert_true(index.reserve(1, hashes));
    index.insert(all.of[newest], newest);
  }
  memory.trim();
  const uint64_t each = memory.held() / index.size();
  std::printf("# %llu bytes an entry\n", static_cast<unsigned long long>(each));
  assert_true(each < 40);
}

// ---- Walks --------------------------------------------------------------------------------------

// While a walk goes on, others come and go, so that larger and smaller tables replace the table.
TEST(walk_visits_once_what_is_there_throughout) {
  constexpr uint32_t kStays = 1000;
  const Hashes all(0);
  const auto hashes = [&all](ct::Ref ref) { return all.of[ref]; };
  for (const uint32_t others : {uint32_t{0}, uint32_t{500}, uint32_t{20000}, kCount - kStays}) {
    for (int first = 0; first < 2; first++) {
      ct::Memory memory(nullptr);
      ct::Index index(memory);
      const auto add = [&](ct::Ref ref) {
        assert_true(index.reserve(1, hashes));
        index.insert(hashes(ref), ref);
      };
      for (ct::Ref ref = 1; ref <= kStays; ref++) add(ref);
      const ct::Ref last = kStays + others;
      // Either all others are there, and leave during the walk, or they come during the walk, and
      // half of them leave.
      if (first == 0) {
        for (ct::Ref ref = kStays + 1; ref <= last; ref++) add(ref);
      }
      std::vector<int> visits(last + 1);
      ct::Ref next = kStays + 1;
      for (uint64_t from = 0; from != ct::Index::kEnd;) {
        from = index.visit_from(from, hashes, [&](ct::Ref ref, uint64_t) { visits[ref]++; });
        for (int i = 0; i < 40 && next <= last; i++, next++) {
          if (first == 0) {
            index.erase(hashes(next), next);
            index.shrink(0, hashes);
          } else {
            add(next);
          }
        }
        if (first == 1 && next == last + 1) {
          for (ct::Ref ref = kStays + 1; ref <= kStays + others / 2; ref++)
            index.erase(hashes(ref), ref);
          next++;
        }
      }
      for (ct::Ref ref = 1; ref <= kStays; ref++) assert_int_equal(1, visits[ref]);
      for (ct::Ref ref = kStays + 1; ref <= last; ref++) assert_true(visits[ref] <= 1);
      if (next < last) fail_msg("%u others: the walk ended at %u", others, next - kStays);
    }
  }
}

// Whatever a walk has been to, it has been to each part of the hashes alike.
TEST(walk_is_everywhere_alike) {
  constexpr uint32_t kParts = 64;
  const Hashes all(0);
  const auto hashes = [&all](ct::Ref ref) { return all.of[ref]; };
  ct::Memory memory(nullptr);
  ct::Index index(memory);
  for (ct::Ref ref = 1; ref <= kCount; ref++) {
    assert_true(index.reserve(1, hashes));
    index.insert(hashes(ref), ref);
  }
  uint32_t visits[kParts] = {};
  for (uint64_t from = 0; from != ct::Index::kEnd;) {
    from = index.visit_from(from, hashes, [&](ct::Ref, uint64_t hash) { visits[hash >> 58]++; });
    const auto [least, most] = std::minmax_element(visits, visits + kParts);
    // A cell and its neighbours by chance.
    assert_true(*most - *least <= 100);
  }
  for (const uint32_t count : visits)
    assert_in_range(count, kCount / kParts - 50, kCount / kParts + 50);
}

}  // namespace
