// SPDX-License-Identifier: MIT
// What ADAPTIVE learns (policy/hazards.hpp): the index follows from what was counted, and a lesson
// goes on in small steps.
#include <memory>

#include "policy/hazards.hpp"
#include "test.h"

using namespace ct;

namespace {

constexpr uint64_t kEntries = 1000;

// Takes all steps of a lesson. Returns how many there were.
uint32_t learn(Hazards &hazards, uint64_t requests = 64) {
  hazards.pass(requests, 64);
  hazards.begin(kEntries);
  uint32_t steps = 0;
  for (; hazards.is_learning(); steps++) {
    const uint64_t before = hazards.work();
    hazards.go_on([] { return 24; });
    assert_true(hazards.work() - before <= Hazards::kClassesAStep);
  }
  return steps;
}

uint32_t rank(const Hazards &hazards, Past past, uint16_t age) {
  return hazards.rank_at(past.number() * Hazards::kFine + Hazards::fine(age));
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
  assert_true(used_after(1).number() != used_after(2.5F).number());
  assert_int_equal(used_after(1e-6F).number(), used_after(1e-5F).number());
  assert_int_equal(used_after(1000).number(), used_after(10000).number());
  for (uint32_t i = 0; i < 10; i++) past = past.after(static_cast<int32_t>(float_bits(1)));
  assert_int_equal(6, past.count());
  assert_int_equal(3, Past::of_uses(4).count());
  assert_int_equal(0, Past::of_uses(0).count());
}

TEST(before_the_first_lesson_the_order_is_that_of_lru) {
  auto hazards = std::make_unique<Hazards>();
  for (uint16_t age = 1; age < 60000; age = static_cast<uint16_t>(age * 2)) {
    const auto older = static_cast<uint16_t>(age * 2);
    if (older < age) break;
    assert_true(rank(*hazards, Past(), older) < rank(*hazards, Past(), age));
    assert_int_equal(rank(*hazards, Past(), age), rank(*hazards, used_after(1), age));
  }
}

// Entries that come back at one age are worth more, the nearer that age is; behind it they are
// worth least. That is what loops need.
TEST(index_rises_towards_a_peak_of_returns) {
  auto hazards = std::make_unique<Hazards>();
  const Past past = used_after(1);
  for (int i = 0; i < 1000; i++) hazards->count_return(past, 1000);
  learn(*hazards);
  assert_true(rank(*hazards, past, 0) < rank(*hazards, past, 500));
  assert_true(rank(*hazards, past, 500) < rank(*hazards, past, 900));
  assert_true(rank(*hazards, past, 4000) < rank(*hazards, past, 900));
}

// What was lost counts for the ages that it has reached, and for none beyond.
TEST(losses_lower_the_index) {
  auto hazards = std::make_unique<Hazards>();
  const Past good = used_after(1);
  const Past bad = used_after(8);
  for (int i = 0; i < 1000; i++) {
    hazards->count_return(good, 100);
    hazards->count_return(bad, 100);
    for (int k = 0; k < 4; k++) hazards->count_loss(bad, 2000);
  }
  learn(*hazards);
  assert_true(rank(*hazards, bad, 50) < rank(*hazards, good, 50));
  assert_true(rank(*hazards, bad, 1000) < rank(*hazards, bad, 50));
}

// A class of which nothing is known has the ranks of its gap, or else those of all entries.
TEST(little_known_classes_are_taken_for_their_neighbours) {
  auto hazards = std::make_unique<Hazards>();
  const Past known = used_after(1);
  const Past neighbour = known.after(static_cast<int32_t>(float_bits(1)) + Past::scale_of(1));
  for (int i = 0; i < 1000; i++) hazards->count_return(known, 100);
  learn(*hazards);
  const uint32_t before = rank(*hazards, used_after(8), 100);
  assert_true(known.number() != neighbour.number());
  assert_int_equal(before, rank(*hazards, Past(), 100));
  assert_true(rank(*hazards, neighbour, 50) > 0);
  assert_true(rank(*hazards, neighbour, 50) > rank(*hazards, neighbour, 5000));
}

TEST(old_counts_fade) {
  auto hazards = std::make_unique<Hazards>();
  const Past past = used_after(1);
  for (int i = 0; i < 1000; i++) hazards->count_return(past, 1000);
  learn(*hazards);
  const uint32_t fresh = rank(*hazards, past, 900);
  for (int i = 0; i < 200; i++) learn(*hazards, 2000);
  assert_true(rank(*hazards, past, 900) < fresh);
}

// A sample of 24 entries a step, then two rounds over the gaps.
TEST(lesson_goes_on_in_small_steps) {
  auto hazards = std::make_unique<Hazards>();
  for (int i = 0; i < 1000; i++) {
    for (uint32_t bits = 0; bits <= Past::kMask; bits++) hazards->count_return(Past(bits), 100);
  }
  assert_int_equal((kEntries + 23) / 24 + 2 * Past::kGaps, learn(*hazards));
  assert_int_equal(2 * Past::kClasses, hazards->work());
}

// The first lesson comes early. Without news it is put off.
TEST(lesson_is_due_when_there_is_something_to_learn) {
  auto hazards = std::make_unique<Hazards>();
  assert_false(hazards->is_due());
  hazards->pass(64, 1);
  assert_false(hazards->is_due());
  hazards->pass(1, 63);
  assert_true(hazards->is_due());
  hazards->begin(kEntries);
  assert_true(hazards->is_learning());
  assert_false(hazards->is_due());
  hazards->pass(127, 100);
  assert_false(hazards->is_due());
  hazards->pass(1, 0);
  assert_true(hazards->is_due());
}

TEST(tables_take_less_than_256_kilobytes) {
  assert_true(sizeof(Hazards) < 80000);
}

int main() {
  return run_registered_tests();
}
