// SPDX-License-Identifier: MIT
// What ADAPTIVE learns (policy/hazards.hpp): the index follows from what was counted, and a lesson
// goes on in small steps.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/memory.hpp"
#include "policy/hazards.hpp"
#include "test.h"

using namespace ct;

namespace {

// Numbers of entries for which tables have three scales, from the full one on.
constexpr uint64_t kEntriesOfScales[] = {5000, 500, 50};

// The tables of a cache with so many entries.
class Subject {
 public:
  explicit Subject(uint64_t entries)
      : entries_(entries), shared_(memory_), tables_(shared_.acquire(entries)) {}
  ~Subject() { shared_.release(tables_); }
  Subject(const Subject &) = delete;
  Subject &operator=(const Subject &) = delete;

  Hazards *operator->() { return tables_; }

  // Takes all steps of a lesson. Returns how many there were.
  uint32_t learn(uint64_t requests = 64) {
    tables_->pass(requests, 64);
    tables_->begin(entries_);
    uint32_t steps = 0;
    for (; tables_->is_learning(); steps++) {
      const uint64_t before = tables_->work();
      tables_->go_on([] { return 24; });
      assert_true(tables_->work() - before <= Hazards::kClassesAStep);
    }
    return steps;
  }
  uint32_t rank(Past past, uint16_t age) const {
    return tables_->rank_at(tables_->number_of(past) * Hazards::kFine + Hazards::fine(age));
  }
  uint32_t number(Past past) const { return tables_->number_of(past); }

 private:
  const uint64_t entries_;
  Memory memory_{nullptr};
  SharedHazards shared_;
  Hazards *tables_;
};

float index_of(uint32_t rank) {
  const uint32_t bits = rank << Hazards::kRankShift;
  float index;
  std::memcpy(&index, &bits, sizeof index);
  return index;
}

Past used_after(float capacities) {
  const uint32_t bits = float_bits(capacities);
  return Past().after(static_cast<int32_t>(bits) + Past::scale_of(1));
}

}  // namespace

TEST(ages_have_eight_steps_to_a_doubling) {
  assert_int_equal(0, Hazards::fine(0));
  assert_int_equal(8, Hazards::fine(1));
  assert_int_equal(16, Hazards::fine(3));
  assert_int_equal(128, Hazards::fine(UINT16_MAX));
  for (uint32_t age = 0; age < UINT16_MAX; age++) {
    const uint32_t step = Hazards::fine(static_cast<uint16_t>(age));
    const uint32_t next = Hazards::fine(static_cast<uint16_t>(age + 1));
    assert_true(next >= step && next < Hazards::kFine);
  }
}

TEST(past_knows_the_last_gap_and_the_uses) {
  Past past;
  assert_int_equal(0, past.count());
  for (int i = 0; i < 10; i++) past = used_after(1);
  assert_int_equal(1, past.count());
  for (uint64_t entries : kEntriesOfScales) {
    Subject hazards(entries);
    assert_true(hazards.number(used_after(1)) != hazards.number(used_after(2.5F)));
    assert_int_equal(hazards.number(used_after(1e-6F)), hazards.number(used_after(1e-5F)));
    assert_int_equal(hazards.number(used_after(1000)), hazards.number(used_after(10000)));
    assert_true(hazards.number(used_after(10000)) < hazards->scale().classes());
  }
  for (uint32_t i = 0; i < 10; i++) past = past.after(static_cast<int32_t>(float_bits(1)));
  assert_int_equal(6, past.count());
  assert_int_equal(3, Past::of_uses(4).count());
  assert_int_equal(0, Past::of_uses(0).count());
}

TEST(before_the_first_lesson_the_order_is_that_of_lru) {
  for (uint64_t entries : kEntriesOfScales) {
    Subject hazards(entries);
    for (uint16_t age = 1; age < 60000; age = static_cast<uint16_t>(age * 2)) {
      const auto older = static_cast<uint16_t>(age * 2);
      if (older < age) break;
      assert_true(hazards.rank(Past(), older) < hazards.rank(Past(), age));
      assert_int_equal(hazards.rank(Past(), age), hazards.rank(used_after(1), age));
    }
  }
}

// Entries that come back at one age are worth more, the nearer that age is; behind it they are
// worth least. That is what loops need.
TEST(index_rises_towards_a_peak_of_returns) {
  for (uint64_t entries : kEntriesOfScales) {
    Subject hazards(entries);
    const Past past = used_after(1);
    for (int i = 0; i < 1000; i++) hazards->count_return(past, 1000);
    hazards.learn();
    assert_true(hazards.rank(past, 0) < hazards.rank(past, 500));
    assert_true(hazards.rank(past, 500) < hazards.rank(past, 900));
    assert_true(hazards.rank(past, 4000) < hazards.rank(past, 900));
  }
}

// What was lost counts for the ages that it has reached, and for none beyond.
TEST(losses_lower_the_index) {
  for (uint64_t entries : kEntriesOfScales) {
    Subject hazards(entries);
    const Past good = used_after(1);
    const Past bad = used_after(8);
    for (int i = 0; i < 1000; i++) {
      hazards->count_return(good, 100);
      hazards->count_return(bad, 100);
      for (int k = 0; k < 4; k++) hazards->count_loss(bad, 2000);
    }
    hazards.learn();
    assert_true(hazards.rank(bad, 50) < hazards.rank(good, 50));
    assert_true(hazards.rank(bad, 1000) < hazards.rank(bad, 50));
  }
}

// A class of which nothing is known has the ranks of its gap, or else those of all entries.
TEST(little_known_classes_are_taken_for_their_neighbours) {
  for (uint64_t entries : kEntriesOfScales) {
    Subject hazards(entries);
    const Past known = used_after(1);
    const Past neighbour = known.after(static_cast<int32_t>(float_bits(1)) + Past::scale_of(1));
    for (int i = 0; i < 1000; i++) hazards->count_return(known, 100);
    hazards.learn();
    const uint32_t before = hazards.rank(used_after(8), 100);
    assert_true(known.bits() != neighbour.bits());
    assert_int_equal(before, hazards.rank(Past(), 100));
    assert_true(hazards.rank(neighbour, 50) > 0);
    assert_true(hazards.rank(neighbour, 50) > hazards.rank(neighbour, 5000));
  }
}

TEST(old_counts_fade) {
  for (uint64_t entries : kEntriesOfScales) {
    Subject hazards(entries);
    const Past past = used_after(1);
    for (int i = 0; i < 1000; i++) hazards->count_return(past, 1000);
    hazards.learn();
    const uint32_t fresh = hazards.rank(past, 900);
    for (int i = 0; i < 200; i++) hazards.learn(std::max<uint64_t>(512, entries));
    assert_true(hazards.rank(past, 900) < fresh);
  }
}

// Where hardly any request misses, a lesson takes far longer than a half-life.
TEST(what_was_counted_long_ago_is_forgotten) {
  for (uint64_t entries : kEntriesOfScales) {
    Subject hazards(entries);
    const Past past = used_after(1);
    const uint32_t unknown = hazards.rank(past, 900);
    for (int i = 0; i < 1000; i++) hazards->count_return(past, 1000);
    hazards.learn();
    assert_true(hazards.rank(past, 900) != unknown);
    for (int i = 0; i < 10; i++) hazards.learn(entries * 40 * 150);
    assert_int_equal(unknown, hazards.rank(past, 900));
  }
}

// A count of a float stands still at 2^24. The larger of two would reach that first.
TEST(many_counts_tell_as_much_as_few) {
  constexpr uint64_t kEntries = 1 << 24;
  const Past good = used_after(1);
  uint32_t ranks[2];
  for (int many = 0; many < 2; many++) {
    Subject hazards(kEntries);
    for (int lesson = 0; lesson < 20; lesson++) {
      const int count = many != 0 ? 1 << 22 : 1 << 12;
      for (int i = 0; i < count; i++) hazards->count_return(good, 100);
      for (int i = 0; i < count / 4; i++) hazards->count_loss(good, 2000);
      hazards.learn(kEntries / 2);
    }
    ranks[many] = hazards.rank(good, 50);
  }
  const float few = index_of(ranks[0]);
  const float many = index_of(ranks[1]);
  std::printf("# index %g of few counts, %g of many\n", static_cast<double>(few),
              static_cast<double>(many));
  assert_true(many > 0.95F * few && many < 1.05F * few);
}

// A sample of 24 entries a step, then two rounds over the gaps.
TEST(lesson_goes_on_in_small_steps) {
  static const uint64_t kEntries[] = {1000, 200, 50};
  for (uint64_t entries : kEntries) {
    Subject hazards(entries);
    for (int i = 0; i < 1000; i++) {
      for (uint32_t bits = 0; bits <= Past::kMask; bits++) hazards->count_return(Past(bits), 100);
    }
    assert_int_equal((entries + 23) / 24 + 2 * Past::kGaps, hazards.learn());
    assert_int_equal(2 * hazards->scale().classes(), hazards->work());
  }
}

// The first lesson comes early. Without news it is put off.
TEST(lesson_is_due_when_there_is_something_to_learn) {
  Subject hazards(1000);
  assert_false(hazards->is_due());
  hazards->pass(64, 1);
  assert_false(hazards->is_due());
  hazards->pass(1, 63);
  assert_true(hazards->is_due());
  hazards->begin(1000);
  assert_true(hazards->is_learning());
  assert_false(hazards->is_due());
  hazards->pass(127, 100);
  assert_false(hazards->is_due());
  hazards->pass(1, 0);
  assert_true(hazards->is_due());
}

TEST(tables_are_small_where_caches_are) {
  static const size_t kMost[] = {72000, 37000, 25000};
  for (uint32_t number = 0; number < 3; number++) {
    const Hazards::Scale scale = Hazards::Scale::of(kEntriesOfScales[number]);
    assert_int_equal(number, scale.number());
    assert_true(Hazards::bytes_of(scale) < kMost[number]);
  }
  for (uint64_t entries = 1; entries < 100000; entries++)
    assert_true(Hazards::Scale::of(entries).serves(entries));
}

// Shards go over one after the other. The old tables last until none has them.
TEST(tables_become_finer_with_the_number_of_entries) {
  Memory memory(nullptr);
  SharedHazards shared(memory);
  Hazards *small[2] = {shared.acquire(50), shared.acquire(90)};
  assert_ptr_equal(small[0], small[1]);
  const uint64_t held = memory.held();
  Hazards *large = shared.acquire(5000);
  assert_true(large != small[0]);
  shared.release(small[0]);
  assert_int_equal(held + Hazards::bytes_of(large->scale()), memory.held());
  shared.release(small[1]);
  assert_int_equal(Hazards::bytes_of(large->scale()), memory.held());
  assert_ptr_equal(large, shared.acquire(3));
  shared.release(large);
  shared.release(large);
  assert_int_equal(0, memory.held());
}

ct_allocator without_memory() {
  ct_allocator hooks = CT_ALLOCATOR_INIT;
  hooks.alloc = [](void *left, size_t size, size_t align) -> void * {
    return *static_cast<int *>(left) == 0
               ? nullptr
               : (--*static_cast<int *>(left), std::aligned_alloc(align, size));
  };
  hooks.free = [](void *, void *ptr, size_t, size_t) { std::free(ptr); };
  return hooks;
}

// Who has tables keeps some.
TEST(tables_that_cannot_become_finer_go_on) {
  int left = 1;
  ct_allocator hooks = without_memory();
  hooks.ctx = &left;
  Memory memory(&hooks);
  SharedHazards shared(memory);
  Hazards *tables = shared.acquire(50);
  assert_ptr_equal(tables, shared.acquire(5000));
  shared.release(tables);
  shared.release(tables);
  assert_null(shared.acquire(50));
}

// However unlike shards are, there are no more tables than scales.
TEST(shards_share_tables) {
  Memory memory(nullptr);
  SharedHazards shared(memory);
  static const uint64_t kEntries[] = {40, 250, 5000, 250, 40};
  Hazards *tables[5];
  for (int i = 0; i < 5; i++) tables[i] = shared.acquire(kEntries[i]);
  assert_true(tables[0] != tables[1] && tables[1] != tables[2]);
  assert_ptr_equal(tables[2], tables[3]);
  assert_ptr_equal(tables[2], tables[4]);
  for (Hazards *each : tables) shared.release(each);
  assert_int_equal(0, memory.held());
}

int main() {
  return run_registered_tests();
}
