// SPDX-License-Identifier: MIT
// The time of a ghost queue (ghosts.hpp), which tells which of its ghosts have left.
//
// Time is counted in ticks, of so many arrivals each. A ghost holds the tick in which it came. The
// queue reaches back some ticks, and the ghosts of older ticks have left. How many ghosts each tick
// within reach still has is known here. So the oldest tick is dropped, with all of its ghosts,
// without a look at any ghost.
//
// Ticks are numbers of 16 bits, and wrap around. The owner sees to it that no ghost is kept for as
// long as that.
#ifndef CT_GHOST_TICKS_HPP
#define CT_GHOST_TICKS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/memory.hpp"

namespace ct {

class GhostTicks {
 public:
  using Tick = uint16_t;
  // The age that stands for a slot without a ghost.
  static constexpr Tick kLongAgo = 1u << 15;
  // A tick has no more arrivals than this, so that 16 bits count its ghosts.
  static constexpr uint32_t kMostArrivals = 1u << 15;

  explicit GhostTicks(Memory &memory) noexcept : memory_(memory) {}
  ~GhostTicks() { clear(); }
  GhostTicks(const GhostTicks &) = delete;
  GhostTicks &operator=(const GhostTicks &) = delete;

  // Returns how many ghosts there are in all ticks within reach.
  uint64_t ghosts() const { return ghosts_; }
  Tick now() const { return now_; }
  Tick long_ago() const { return static_cast<Tick>(now_ - kLongAgo); }
  Tick age(Tick came) const { return static_cast<Tick>(now_ - came); }
  // Returns whether a ghost that came in this tick is still there.
  bool reaches(Tick came) const { return age(came) < reach_; }

  // Limits the reach to this number of ticks, a power of two. Ghosts that are older leave. Returns
  // false if there is no memory.
  bool limit_reach(uint32_t most) noexcept {
    if (most == most_) return true;
    auto *counts = static_cast<Count *>(memory_.allocate(bytes_of(most), alignof(Count)));
    if (counts == nullptr) return false;
    std::memset(counts, 0, bytes_of(most));
    while (reach_ > most) drop_oldest();
    for (uint32_t age = 0; age < reach_; age++) {
      const auto tick = static_cast<Tick>(now_ - age);
      counts[tick & (most - 1)] = count_of(tick);
    }
    memory_.release(counts_, bytes_of(most_), alignof(Count));
    counts_ = counts;
    most_ = most;
    return true;
  }

  // A ghost comes. A tick with this number of arrivals is over. Returns whether a new tick begins.
  bool arrive(uint32_t arrivals) {
    const bool begins = reach_ == 0 || arrivals_ >= arrivals;
    if (begins) begin();
    arrivals_++;
    count_of(now_)++;
    ghosts_++;
    return begins;
  }
  // One of the ghosts that came in this tick leaves.
  void leave(Tick came) {
    count_of(came)--;
    ghosts_--;
  }
  void drop_oldest() {
    Count &oldest = count_of(static_cast<Tick>(now_ - --reach_));
    ghosts_ -= oldest;
    oldest = 0;
  }

  void clear() noexcept {
    memory_.release(counts_, bytes_of(most_), alignof(Count));
    counts_ = nullptr;
    most_ = reach_ = 0;
    ghosts_ = 0;
  }

#ifdef CT_VALIDATE
  // Returns nullptr, or the invariant that is broken.
  const char *problem() const {
    uint64_t counted = 0;
    for (uint32_t age = 0; age < reach_; age++) counted += count_of(static_cast<Tick>(now_ - age));
    if (reach_ > most_) return "ghosts: the queue reaches back too far";
    return counted == ghosts_ ? nullptr : "ghosts: those of all ticks are not as many as there are";
  }
#endif

 private:
  using Count = uint16_t;

  static size_t bytes_of(uint32_t ticks) { return ticks * sizeof(Count); }
  Count &count_of(Tick tick) const { return counts_[tick & (most_ - 1)]; }

  void begin() {
    if (reach_ == most_) drop_oldest();
    now_++;
    reach_++;
    arrivals_ = 0;
  }

  Memory &memory_;
  Count *counts_ = nullptr;  // of the ghosts that are there, for each tick within reach
  uint32_t most_ = 0;        // ticks within reach, at most; a power of two
  uint32_t arrivals_ = 0;    // in this tick
  Tick now_ = 0;
  Tick reach_ = 0;  // ticks within reach; 16 bits, too, so that many slots are looked at at once
  uint64_t ghosts_ = 0;
};

}  // namespace ct

#endif
