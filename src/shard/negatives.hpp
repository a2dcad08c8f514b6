// SPDX-License-Identifier: MIT
// Negative caching: keys of which a load has said that there is no value. They are remembered
// beside the entries, for a while, and no policy knows them.
//
// All shards together remember at most a sixteenth of the limit on weight, or one key. What they
// remember is part of the weight in use (budget.hpp): room for one is made as for an entry. If the
// part is used up, the oldest goes. Entries do not give way to negatives beyond that, and negatives
// give way to entries only where no entry is left to evict.
//
// Forgetting all of them takes one step: they are numbered, and those before a number are over.
// Those that are over are let go some at a time. The shard's lock guards a table.
#ifndef CT_NEGATIVES_HPP
#define CT_NEGATIVES_HPP

#include <cachetools.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>

#include "base/chain_table.hpp"
#include "base/clock.hpp"
#include "base/memory.hpp"
#include "base/options.hpp"
#include "table/entry_map.hpp"

namespace ct {

// What the negatives of all shards have in common.
class NegativeRoom {
 public:
  explicit NegativeRoom(bool counts) noexcept : counts_(counts ? 1 : 0) {}

  void hit() noexcept { hits_.fetch_add(counts_, std::memory_order_relaxed); }
  uint64_t hits() const { return hits_.load(std::memory_order_relaxed); }
  void reset_hits() noexcept { hits_.store(0, std::memory_order_relaxed); }

  // Returns what they weigh.
  uint64_t held() const { return held_.load(std::memory_order_relaxed); }
  // Returns false, and takes nothing, if all shards would then hold more than they may.
  bool take(uint64_t weight, uint64_t maxsize) noexcept {
    uint64_t held = this->held();
    do {
      if (!may_hold(saturating_add(held, weight), weight, maxsize)) return false;
    } while (!held_.compare_exchange_weak(held, held + weight, std::memory_order_relaxed));
    return true;
  }
  void give(uint64_t weight) noexcept { held_.fetch_sub(weight, std::memory_order_relaxed); }
  static uint64_t part_of(uint64_t maxsize) { return maxsize / 16; }
  // Returns whether that much may be held, of which one negative weighs `weight`: their part of the
  // limit, or that one alone.
  static bool may_hold(uint64_t held, uint64_t weight, uint64_t maxsize) {
    return held <= part_of(maxsize) || (held == weight && weight <= maxsize);
  }

 private:
  const uint64_t counts_;
  std::atomic<uint64_t> held_{0};
  std::atomic<uint64_t> hits_{0};
};

struct Negative {
  Negative *next = nullptr;   // in its bucket of the table
  Negative *older = nullptr;  // by age
  Negative *newer = nullptr;
  uint64_t hash = 0;
  uint64_t number = 0;
  uint64_t deadline = CT_NEVER;
  uint64_t weight = 1;
  uint32_t key_size = 0;

  char *key_data() { return reinterpret_cast<char *>(this + 1); }
  static size_t bytes_of(size_t key_size) { return sizeof(Negative) + key_size; }
  // Returns what a negative weighs: at least 1. Its memory includes its bucket, and what an
  // allocator keeps beside it.
  static uint64_t weigh(const ct_options &cache, size_t key_size) {
    if (counts_memory(cache)) return round_up_8(bytes_of(key_size)) + 2 * sizeof(void *);
    const bool by_key = cache.weigher == nullptr && cache.weight_kind == CT_WEIGHT_VALUE;
    return by_key ? std::max<uint64_t>(key_size, 1) : 1;
  }
};

class Negatives {
 public:
  Negatives(Memory &memory, NegativeRoom &room) noexcept
      : memory_(memory), room_(room), table_(memory) {}
  ~Negatives() { clear(); }
  Negatives(const Negatives &) = delete;
  Negatives &operator=(const Negatives &) = delete;

  // Returns one of the key that is in no table yet, or nullptr if there is no memory. Needs no
  // lock, as the next function does not.
  static Negative *make(Memory &memory, const Probe &probe, uint64_t deadline, uint64_t weight);
  static void destroy(Memory &memory, Negative *negative);

  NegativeRoom &room() const { return room_; }
  bool empty() const { return table_.empty(); }
  uint32_t count() const { return table_.size(); }
  uint64_t weight() const { return weight_; }
  // Returns whether the key is remembered.
  bool has(const Probe &probe, Now &now);
  // Adds a negative, whose key is not in the table. Returns false if there is no memory.
  bool add(Negative *negative);
  // The following return what they let go weighed.

  // Forgets the key.
  uint64_t forget(const Probe &probe);
  // Lets the oldest go, which must be there.
  uint64_t forget_oldest();
  // Lets the oldest go if it is over.
  uint64_t tidy(Now &now);

  // Forgets all keys. tidy lets them go.
  void forget_all() { valid_from_ = next_number_; }
  void clear() {
    while (oldest_ != nullptr) forget_oldest();
  }
#ifdef CT_VALIDATE
  // Returns the invariant that is broken, or NULL.
  const char *problem();
#endif

 private:
  Negative *find(const Probe &probe);
  bool is_over(const Negative &negative, Now &now) const {
    if (negative.number < valid_from_) return true;
    return negative.deadline != CT_NEVER && negative.deadline <= now();
  }
  uint64_t remove(Negative &negative);

  Memory &memory_;
  NegativeRoom &room_;
  ChainTable<Negative> table_;
  Negative *oldest_ = nullptr;
  Negative *newest_ = nullptr;
  uint64_t weight_ = 0;
  uint64_t next_number_ = 1;
  uint64_t valid_from_ = 1;
};

}  // namespace ct

#endif
