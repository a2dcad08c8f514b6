// SPDX-License-Identifier: MIT
#include "policy/hazards.hpp"

#include <algorithm>
#include <new>

namespace ct {

constexpr Past::ClassOf Past::kClassOf;

// Before the first lesson, all classes have the ranks of one of which nothing is known.
Hazards::Hazards() {
  Row prior;
  std::fill_n(prior, kAges, kPrior);
  rank_ages(prior, unknown_);
  for (uint32_t i = 0; i < Past::kClasses; i++) {
    set_ranks(i, unknown_);
    for (uint32_t age = 0; age < kAges; age++) {
      for (auto *counts : {&returns_, &losses_, &waiting_})
        (*counts)[i][age].store(0, std::memory_order_relaxed);
    }
  }
}

void Hazards::begin(uint64_t entries, float fade) {
  if (busy_.exchange(true, std::memory_order_acquire)) return;
  if (!is_learning()) {
    entries_ = entries;
    wanted_ = std::min(entries, kMostSampled);
    sampled_ = step_ = 0;
    fade_ = fade;
    known_ = 0;
    all_ = {};
    learning_.store(true, std::memory_order_relaxed);
  }
  busy_.store(false, std::memory_order_release);
}

void Hazards::take_step() {
  const uint32_t gap = step_ % Past::kGaps;
  const uint32_t first = Past::first_class(gap);
  work_ += Past::classes(gap);
  if (step_ < Past::kGaps) {
    for (uint32_t i = first; i < first + Past::classes(gap); i++)
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

// Adds a class to the sums. Returns whether anything was counted of it.
bool Hazards::add_class(uint32_t of_class, Sums &sums) const {
  // The sample stands for all that wait.
  const float scale = static_cast<float>(entries_) / static_cast<float>(sampled_);
  float total = 0;
  for (uint32_t age = 0; age < kAges; age++) {
    const float returns = returns_[of_class][age].load(std::memory_order_relaxed);
    const float others = losses_[of_class][age].load(std::memory_order_relaxed) +
                         waiting_[of_class][age].load(std::memory_order_relaxed) * scale;
    sums.returns[age] += returns;
    sums.others[age] += others;
    total += returns + others;
  }
  return total > 0;
}

// Makes the ranks of a gap's classes.
void Hazards::rank_gap(uint32_t gap) {
  const uint32_t first = Past::first_class(gap);
  const uint32_t end = first + Past::classes(gap);
  const uint64_t own = (uint64_t{1} << end) - (uint64_t{1} << first);
  if ((known_ & own) == 0) {
    for (uint32_t i = first; i < end; i++) set_ranks(i, unknown_);
    return;
  }
  Sums of_gap = {};
  for (uint32_t i = first; i < end; i++) add_class(i, of_gap);
  Row hazards_of_gap;
  estimate(of_gap, kDoubt, of_all_, hazards_of_gap);
  Rank ranks_of_gap[kFine];
  if ((known_ & own) != own) rank_ages(hazards_of_gap, ranks_of_gap);
  for (uint32_t i = first; i < end; i++) {
    if ((known_ >> i & 1) == 0) {
      set_ranks(i, ranks_of_gap);
      continue;
    }
    Sums sums = {};
    add_class(i, sums);
    Row hazards;
    estimate(sums, kDoubt, hazards_of_gap, hazards);
    Rank ranks[kFine];
    rank_ages(hazards, ranks);
    set_ranks(i, ranks);
    fade(i);
  }
}

void Hazards::set_ranks(uint32_t of_class, const Rank *ranks) {
  for (uint32_t i = 0; i < kFine; i++)
    ranks_[of_class][i].store(ranks[i], std::memory_order_relaxed);
}

void Hazards::fade(uint32_t of_class) {
  for (uint32_t age = 0; age < kAges; age++) {
    for (Count *count : {&returns_[of_class][age], &losses_[of_class][age]})
      count->store(count->load(std::memory_order_relaxed) * fade_, std::memory_order_relaxed);
    waiting_[of_class][age].store(0, std::memory_order_relaxed);
  }
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
  struct Stretch {
    float returns;   // expected in the stretch
    float time;      // expected to be spent in it
    float survival;  // the share that goes on to the next stretch
    uint32_t next;
  } stretches[kAges];
  // Age steps are those of `fine`, two at a time: quarters of a doubling.
  const auto begin_of = [](uint32_t age) {
    return static_cast<float>(1u << age / 4) * (1 + static_cast<float>(age % 4) / 4) - 1;
  };
  float index[kAges];
  for (uint32_t age = kAges; age-- > 0;) {
    const float hazard = hazards[age];
    const float width = begin_of(age + 1) - begin_of(age);
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
    index[age] = own.returns / own.time;
  }
  // Between the middles of two steps, the index goes over from one to the other.
  for (uint32_t age = 0; age < kAges; age++) {
    const float before = index[age == 0 ? 0 : age - 1];
    const float behind = index[age + 1 == kAges ? age : age + 1];
    ranks[2 * age] = to_rank(0.25F * before + 0.75F * index[age]);
    ranks[2 * age + 1] = to_rank(0.75F * index[age] + 0.25F * behind);
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
