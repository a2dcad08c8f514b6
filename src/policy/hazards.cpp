// SPDX-License-Identifier: MIT
#include "policy/hazards.hpp"

#include <algorithm>
#include <array>
#include <new>

#include "base/cell.hpp"

namespace ct {
namespace {

// Returns when each step of age begins, in ticks, at full scale: quarters of a doubling, as of
// Hazards::fine two make one.
constexpr std::array<float, Hazards::kAges + 1> begins() {
  std::array<float, Hazards::kAges + 1> all{};
  for (uint32_t age = 0; age < all.size(); age++)
    all[age] = static_cast<float>(1u << age / 4) * (1 + static_cast<float>(age % 4) / 4) - 1;
  return all;
}

// Returns what is left of a count after so many half-lives: 2^-lives. Its series is for numbers
// below one.
float fade_after(float lives) {
  if (lives > 100) return 0;
  const auto whole = static_cast<uint32_t>(lives);
  const float x = 0.6931472F * (lives - static_cast<float>(whole));
  float left = 1 - x * (1 - x / 2 * (1 - x / 3));
  for (uint32_t i = 0; i < whole; i++) left /= 2;
  return left;
}

}  // namespace

// Before the first lesson, all classes have the ranks of one of which nothing is known.
Hazards::Hazards(Scale scale)
    : scale_(scale),
      ranks_(reinterpret_cast<std::atomic<Rank> *>(this + 1)),
      returns_(reinterpret_cast<Count *>(ranks_ + scale.classes() * kFine)),
      losses_(returns_ + scale.classes() * scale.row()),
      waiting_(losses_ + scale.classes() * scale.row()) {
  Row prior;
  std::fill_n(prior, kAges, kPrior);
  rank_ages(prior, unknown_);
  const Row zeros = {};
  for (uint32_t i = 0; i < scale_.classes(); i++) {
    set_ranks(i, unknown_);
    for (Count *counts : {returns_, losses_, waiting_}) store_row(counts, i, zeros);
  }
}

// Rows are read and written as cells. Each of their numbers is whole; that they are of one time is
// not needed.
void Hazards::load_row(Row &to, const Count *table, uint32_t number) const {
  load_bytes(reinterpret_cast<char *>(to),
             reinterpret_cast<const char *>(table + number * scale_.row()),
             scale_.row() * sizeof(Count));
}
void Hazards::store_row(Count *table, uint32_t number, const Row &from) const {
  store_bytes(reinterpret_cast<char *>(table + number * scale_.row()),
              reinterpret_cast<const char *>(from), scale_.row() * sizeof(Count));
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
    if (most_ > kMostCounted) fade_ /= 2;
    most_ = 0;
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
  const uint32_t first = gap * scale_.levels();
  work_ += scale_.levels();
  if (step_ < Past::kGaps) {
    for (uint32_t i = first; i < first + scale_.levels(); i++)
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
  Row returns = {}, losses = {}, waiting = {};
  load_row(returns, returns_, number);
  load_row(losses, losses_, number);
  load_row(waiting, waiting_, number);
  int32_t most = 0;
  for (uint32_t age = 0; age < scale_.ages(); age++) {
    const float others = losses[age] + waiting[age] * scale;
    sums.returns[age] += returns[age];
    sums.others[age] += others;
    most = std::max(most, static_cast<int32_t>(float_bits(returns[age] + others)));
  }
  return most >= static_cast<int32_t>(float_bits(kLeast));
}

// Makes the ranks of a gap's classes.
void Hazards::rank_gap(uint32_t gap) {
  const uint32_t levels = scale_.levels();
  const uint32_t all = (1u << levels) - 1;
  const uint32_t first = gap * levels;
  const uint32_t known = static_cast<uint32_t>(known_ >> first) & all;
  Sums of_gap = {};
  Row hazards_of_gap;
  Rank ranks[kFine];
  const Rank *of_unknown = unknown_;
  if (known != 0) {
    for (uint32_t i = 0; i < levels; i++)
      if ((known >> i & 1) != 0) add_class(first + i, of_gap);
    estimate(of_gap, kDoubt, of_all_, hazards_of_gap);
    if (known != all) rank_ages(hazards_of_gap, ranks);
    of_unknown = ranks;
  }
  for (uint32_t i = 0; i < levels; i++)
    if ((known >> i & 1) == 0) set_ranks(first + i, of_unknown);
  for (uint32_t i = 0; i < levels; i++) {
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

void Hazards::set_ranks(uint32_t number, const Rank *ranks) {
  store_bytes(reinterpret_cast<char *>(ranks_ + number * kFine),
              reinterpret_cast<const char *>(ranks), kFine * sizeof(Rank));
}

// A lesson ends with what waits now.
void Hazards::fade(uint32_t number) {
  for (Count *counts : {returns_, losses_}) {
    Row row;
    load_row(row, counts, number);
    for (uint32_t age = 0; age < scale_.ages(); age++) {
      most_ = std::max(most_, row[age]);
      row[age] *= fade_;
    }
    store_row(counts, number, row);
  }
  const Row zeros = {};
  store_row(waiting_, number, zeros);
}

// What was lost or waits at an age counts for half of it.
void Hazards::estimate(const Sums &sums, float doubt, const Row &prior, Row &hazards) const {
  float at_risk = 0;
  for (uint32_t age = scale_.ages(); age-- > 0;) {
    at_risk += sums.returns[age] + sums.others[age];
    hazards[age] =
        (sums.returns[age] + doubt * prior[age]) / (at_risk - 0.5F * sums.others[age] + doubt);
  }
}

// Finds the index of each age, from the oldest on. A stretch of ages is worth keeping an entry
// through as a whole if what follows yields more than what comes first. So an age takes over the
// stretch behind it for as long as that yields more.
void Hazards::rank_ages(const Row &hazards, Rank *ranks) const {
  static constexpr std::array<float, kAges + 1> kBegins = begins();
  const uint32_t ages = scale_.ages();
  struct Stretch {
    float returns;   // expected in the stretch
    float time;      // expected to be spent in it
    float survival;  // the share that goes on to the next stretch
    uint32_t next;
  } stretches[kAges];
  float index[kAges + 2] = {};
  for (uint32_t age = ages; age-- > 0;) {
    const float hazard = hazards[age];
    const float width =
        kBegins[(age + 1) << scale_.age_shift()] - kBegins[age << scale_.age_shift()];
    Stretch own = {hazard, width * (1 - 0.5F * hazard), 1 - hazard, age + 1};
    while (own.next < ages) {
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
  index[ages + 1] = index[ages];
  // Between the middles of two steps, the index goes over from one to the other.
  const uint32_t parts = 2u << scale_.age_shift();
  for (uint32_t part = 0; part < parts; part++) {
    const float beyond = (static_cast<float>(part) + 0.5F) / static_cast<float>(parts) - 0.5F;
    const float share = beyond < 0 ? -beyond : beyond;
    const float *other = beyond < 0 ? index : index + 2;
    for (uint32_t age = 0; age < ages; age++)
      ranks[age * parts + part] = to_rank(share * other[age] + (1 - share) * index[age + 1]);
  }
}

Hazards *SharedHazards::acquire(uint64_t entries) noexcept {
  Guard guard(lock_);
  Hazards *best = nullptr;
  for (Hazards *tables : tables_) {
    if (best == nullptr) best = tables;
  }
  if (best == nullptr || !best->scale().serves(entries)) {
    const Hazards::Scale scale = Hazards::Scale::of(entries);
    void *where = memory_.allocate(Hazards::bytes_of(scale), alignof(Hazards));
    if (where != nullptr) best = tables_[scale.number()] = new (where) Hazards(scale);
  }
  if (best != nullptr) best->users_++;
  return best;
}

void SharedHazards::release(Hazards *tables) noexcept {
  Guard guard(lock_);
  if (--tables->users_ != 0) return;
  tables_[tables->scale().number()] = nullptr;
  const size_t bytes = Hazards::bytes_of(tables->scale());
  tables->~Hazards();
  memory_.release(tables, bytes, alignof(Hazards));
}

}  // namespace ct
