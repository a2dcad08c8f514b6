// SPDX-License-Identifier: MIT
#include "policy/hazards.hpp"

#include <algorithm>
#include <array>
#include <new>

#include "base/cell.hpp"

namespace ct {
namespace {

// Rows are read and written as cells. Each of their numbers is whole; that they are of one time is
// not needed.
template <class T, size_t kSize>
void load_row(T (&to)[kSize], const std::atomic<T> (&from)[kSize]) {
  static_assert(sizeof(from) == sizeof(to) && sizeof(to) % 16 == 0, "cells");
  load_bytes(reinterpret_cast<char *>(to), reinterpret_cast<const char *>(from), sizeof(to));
}
template <class T, size_t kSize>
void store_row(std::atomic<T> (&to)[kSize], const T *from) {
  store_bytes(reinterpret_cast<char *>(to), reinterpret_cast<const char *>(from), sizeof(to));
}

// Returns when each step of age begins, in ticks: quarters of a doubling, as of Hazards::fine two
// make one.
template <size_t kCount>
constexpr std::array<float, kCount> begins() {
  std::array<float, kCount> all{};
  for (uint32_t age = 0; age < kCount; age++)
    all[age] = static_cast<float>(1u << age / 4) * (1 + static_cast<float>(age % 4) / 4) - 1;
  return all;
}

// Returns what is left of a count after so many half-lives, far less than one: 2^-lives, by its
// series.
float fade_after(float lives) {
  const float x = 0.6931472F * lives;
  return 1 - x + x * x / 2;
}

}  // namespace

// Before the first lesson, all classes have the ranks of one of which nothing is known.
Hazards::Hazards() {
  Row prior;
  std::fill_n(prior, kAges, kPrior);
  rank_ages(prior, unknown_);
  const Row zeros = {};
  for (uint32_t i = 0; i < Past::kClasses; i++) {
    set_ranks(i, unknown_);
    for (auto *counts : {&returns_, &losses_, &waiting_}) store_row((*counts)[i], zeros);
  }
}

void Hazards::begin(uint64_t entries) {
  if (busy_.exchange(true, std::memory_order_acquire)) return;
  if (!is_learning() && is_due()) {
    const uint64_t requests = requests_.exchange(0, std::memory_order_relaxed);
    news_.store(0, std::memory_order_relaxed);
    const uint64_t pause = std::max(kLeastLesson, entries / 2);
    const uint64_t due = due_.load(std::memory_order_relaxed);
    // The first lessons have little to learn from, so all of it stays.
    const float life = std::max(kLeastHalfLife, kHalfLife * static_cast<float>(entries));
    fade_ = due < pause ? 1 : fade_after(static_cast<float>(requests) / life);
    due_.store(std::min(due < pause ? 2 * due : pause, pause), std::memory_order_relaxed);
    entries_ = entries;
    wanted_ = std::min(entries, kMostSampled);
    sampled_ = step_ = 0;
    known_ = 0;
    all_ = {};
    learning_.store(true, std::memory_order_relaxed);
  }
  busy_.store(false, std::memory_order_release);
}

void Hazards::take_step() {
  const uint32_t gap = step_ % Past::kGaps;
  const uint32_t first = gap * Past::kLevels;
  work_ += Past::kLevels;
  if (step_ < Past::kGaps) {
    for (uint32_t i = first; i < first + Past::kLevels; i++)
      known_ |= uint64_t{add_class(i, all_)} << i;
  } else {
    if (gap == 0) {
      Row prior;
      std::fill_n(prior, kAges, kPrior);
      estimate(all_, kDoubtOfAll, prior, of_all_);
      rank_ages(of_all_, unknown_);
    }
    rank_gap(gap);
  }
  if (++step_ == 2 * Past::kGaps) learning_.store(false, std::memory_order_relaxed);
}

// Adds a class to the sums. Returns whether anything is known of it.
bool Hazards::add_class(uint32_t number, Sums &sums) const {
  // The sample stands for all that wait.
  const float scale = static_cast<float>(entries_) / static_cast<float>(sampled_);
  Row returns, losses, waiting;
  load_row(returns, returns_[number]);
  load_row(losses, losses_[number]);
  load_row(waiting, waiting_[number]);
  int32_t most = 0;
  for (uint32_t age = 0; age < kAges; age++) {
    const float others = losses[age] + waiting[age] * scale;
    sums.returns[age] += returns[age];
    sums.others[age] += others;
    most = std::max(most, static_cast<int32_t>(float_bits(returns[age] + others)));
  }
  return most >= static_cast<int32_t>(float_bits(kLeast));
}

// Makes the ranks of a gap's classes.
void Hazards::rank_gap(uint32_t gap) {
  constexpr uint32_t kAll = (1u << Past::kLevels) - 1;
  const uint32_t first = gap * Past::kLevels;
  const uint32_t known = static_cast<uint32_t>(known_ >> first) & kAll;
  Sums of_gap = {};
  Row hazards_of_gap;
  Rank ranks[kFine];
  const Rank *of_unknown = unknown_;
  if (known != 0) {
    for (uint32_t i = 0; i < Past::kLevels; i++)
      if ((known >> i & 1) != 0) add_class(first + i, of_gap);
    estimate(of_gap, kDoubt, of_all_, hazards_of_gap);
    if (known != kAll) rank_ages(hazards_of_gap, ranks);
    of_unknown = ranks;
  }
  for (uint32_t i = 0; i < Past::kLevels; i++)
    if ((known >> i & 1) == 0) set_ranks(first + i, of_unknown);
  for (uint32_t i = 0; i < Past::kLevels; i++) {
    if ((known >> i & 1) == 0) continue;
    Sums sums = {};
    add_class(first + i, sums);
    Row hazards;
    estimate(sums, kDoubt, hazards_of_gap, hazards);
    rank_ages(hazards, ranks);
    set_ranks(first + i, ranks);
    fade(first + i);
  }
}

void Hazards::set_ranks(uint32_t number, const Rank *ranks) { store_row(ranks_[number], ranks); }

// A lesson ends with what waits now.
void Hazards::fade(uint32_t number) {
  for (auto *counts : {&returns_, &losses_}) {
    Row row;
    load_row(row, (*counts)[number]);
    for (float &count : row) count *= fade_;
    store_row((*counts)[number], row);
  }
  const Row zeros = {};
  store_row(waiting_[number], zeros);
}

// What was lost or waits at an age counts for half of it.
void Hazards::estimate(const Sums &sums, float doubt, const Row &prior, Row &hazards) {
  float at_risk = 0;
  for (uint32_t age = kAges; age-- > 0;) {
    at_risk += sums.returns[age] + sums.others[age];
    hazards[age] =
        (sums.returns[age] + doubt * prior[age]) / (at_risk - 0.5F * sums.others[age] + doubt);
  }
}

// Finds the index of each age, from the oldest on. A stretch of ages is worth keeping an entry
// through as a whole if what follows yields more than what comes first. So an age takes over the
// stretch behind it for as long as that yields more.
void Hazards::rank_ages(const Row &hazards, Rank *ranks) {
  static constexpr std::array<float, kAges + 1> kBegins = begins<kAges + 1>();
  struct Stretch {
    float returns;   // expected in the stretch
    float time;      // expected to be spent in it
    float survival;  // the share that goes on to the next stretch
    uint32_t next;
  } stretches[kAges];
  float index[kAges + 2] = {};
  for (uint32_t age = kAges; age-- > 0;) {
    const float hazard = hazards[age];
    const float width = kBegins[age + 1] - kBegins[age];
    Stretch own = {hazard, width * (1 - 0.5F * hazard), 1 - hazard, age + 1};
    while (own.next < kAges) {
      const Stretch &behind = stretches[own.next];
      if (behind.returns * own.time <= own.returns * behind.time) break;
      own.returns += own.survival * behind.returns;
      own.time += own.survival * behind.time;
      own.survival *= behind.survival;
      own.next = behind.next;
    }
    stretches[age] = own;
    index[age + 1] = own.returns / own.time;
  }
  index[0] = index[1];
  index[kAges + 1] = index[kAges];
  // Between the middles of two steps, the index goes over from one to the other.
  for (uint32_t age = 0; age < kAges; age++) {
    ranks[2 * age] = to_rank(0.25F * index[age] + 0.75F * index[age + 1]);
    ranks[2 * age + 1] = to_rank(0.75F * index[age + 1] + 0.25F * index[age + 2]);
  }
}

Hazards *SharedHazards::acquire() noexcept {
  Guard guard(lock_);
  if (tables_ == nullptr) {
    void *where = memory_.allocate(sizeof(Hazards), alignof(Hazards));
    if (where == nullptr) return nullptr;
    tables_ = new (where) Hazards;
  }
  users_++;
  return tables_;
}

void SharedHazards::release() noexcept {
  Guard guard(lock_);
  if (--users_ != 0) return;
  tables_->~Hazards();
  memory_.release(tables_, sizeof(Hazards), alignof(Hazards));
  tables_ = nullptr;
}

}  // namespace ct
