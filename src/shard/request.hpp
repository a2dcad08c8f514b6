// SPDX-License-Identifier: MIT
// A store request: what is to be stored, on which condition, and what becomes of the value
// otherwise. The cache makes it with no lock held. The shard carries it out, in one call or in
// several.
#ifndef CT_REQUEST_HPP
#define CT_REQUEST_HPP

#include <cachetools.h>

#include <cstdint>

#include "base/memory.hpp"
#include "table/entries.hpp"
#include "table/entry.hpp"
#include "table/tags.hpp"

namespace ct {

struct Flight;

// When to store. An entry of the key is present if it is there and has not expired.
enum class Condition : uint8_t {
  kAlways,
  kIfAbsent,   // Returns CT_EXISTS if an entry is present.
  kIfPresent,  // Returns CT_MISS if no entry is present.
  // Returns CT_EXISTS if another entry than `seen` is present (nullptr: if any is), and CT_MISS if
  // `seen` should be and none is.
  kIfSame,
  kIfUnchanged,  // The same, but CT_EXISTS in both cases: the caller tries anew.
  kElseUse,      // An entry that is present is handed out instead, as a read that hits.
  kElsePeek,     // The same, but no read is counted.
};

// What becomes of a value that cannot be kept: it is too large, or its load was overtaken.
enum class Refusal : uint8_t {
  kFails,      // The store returns CT_ERR_TOO_LARGE.
  kHandsBack,  // The value is handed out all the same, with CT_NOT_STORED.
  kNeverKept,  // The same for any value, since the caller wants it not to be kept.
};

// Whether a value can be stored, as far as that is known before anything is locked.
enum class Fitness : uint8_t {
  kFits,
  kDead,      // Its lifetime is over on arrival.
  kTooLarge,  // It weighs more than maxsize.
};

// How the cache goes on with a request after a call of the shard.
enum class Next : uint8_t {
  kDone,        // The result is request.status.
  kAgain,       // Call again: the shard is making room, and has let others at the lock.
  kEvictThere,  // Make room for request.need in shard request.payer, then call again.
  kGather,      // The shard has no entry left: make room in any shard.
  kTellFirst,   // Tell the listener of the entries that left first: their blocks are needed.
};

// What the usual set stores, under no condition: an entry that weighs 1 and does not lie apart.
struct UsualSet {
  const Probe &probe;
  Bytes value;
  uint64_t deadline;
};

// What is stored beside key and value.
struct Terms {
  uint64_t weight = 0;
  uint64_t deadline = CT_NEVER;  // of the lifetime from the write on
  uint8_t flags = 0;             // of the entry
  Fitness fitness = Fitness::kFits;
};

// A value that takes over the lifetime of the one that it replaces. If it is the sum of a counter,
// it takes over all terms.
struct Inheritance {
  bool is_sum = false;
  bool was_there = false;  // an entry, when the request looked
  int64_t delta = 0;
  int64_t base = 0;  // what delta is added to
  int64_t sum = 0;
  // For a key that is absent:
  int64_t initial = 0;      // the base
  Terms own;                // the request's own terms
  TagList tags;             // of the counter that is there
  bool keeps_tags = false;  // they are the entry's, as it was evicted for the request

  Bytes value() const { return {reinterpret_cast<const char *>(&sum), sizeof sum}; }
  // The entry was evicted for the request, which had looked at it. So it lives on in the request.
  void lose_entry(const Terms &terms) {
    own = terms;
    initial = base;
    keeps_tags = is_sum;
  }
  // Saturates.
  void add_to(int64_t value) {
    base = value;
    if (__builtin_add_overflow(base, delta, &sum)) sum = delta < 0 ? INT64_MIN : INT64_MAX;
  }
};

struct StoreRequest : Terms {
  explicit StoreRequest(Memory &memory) noexcept : apart(memory) {}
  StoreRequest(const StoreRequest &) = delete;
  StoreRequest &operator=(const StoreRequest &) = delete;

  Probe probe = {};
  Bytes value = {};
  uint64_t cost = 1;         // of bringing the value back
  uint64_t idle = CT_NEVER;  // lifetime until the first use, if less than the cache's tti
  Condition condition = Condition::kAlways;
  Refusal refusal = Refusal::kFails;
  const Entry *seen = nullptr;    // for the conditions that name it; pinned
  Flight *flight = nullptr;       // the load that the request ends, if any
  const TagRun *run = nullptr;    // the load or compute that the value comes from, if any
  const Entry *renews = nullptr;  // the old value that this load renews, if any; pinned
  Inheritance *inherits = nullptr;
  ApartCopy apart;           // of key and value; made if flags have kApart, but not for a sum
  TagList tags;              // of the request's own; some if flags have kTags
  TagList *carried = &tags;  // the tags of the entry to come; until it has them
  bool outdated = false;     // one of them was invalidated since the run began

  // Returns whether the condition asks for an entry: without one, nothing is stored.
  bool needs_entry() const {
    const bool names_one = condition == Condition::kIfSame || condition == Condition::kIfUnchanged;
    return condition == Condition::kIfPresent || (names_one && seen != nullptr);
  }
  bool is_sum() const { return inherits != nullptr && inherits->is_sum; }
  Next end(ct_status answer) {
    status = answer;
    return Next::kDone;
  }

  // The shard writes these, and keeps them between its calls.
  ct_status status = CT_OK;
  Ref ref = kNone;               // the block, once there is one
  bool lacks_reference = false;  // the latest block was refused because no reference was left
  bool own_paid = false;         // the shard itself has evicted for the request
  uint64_t need = 0;             // the room that the store needs
  uint32_t payer = 0;            // the shard that is to make it
  uint64_t payer_keeps = 0;      // down to how many entries it evicts, once none is due
};

}  // namespace ct

#endif
