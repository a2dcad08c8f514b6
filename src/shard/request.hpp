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

struct StoreRequest {
  explicit StoreRequest(Memory &memory) noexcept : apart(memory) {}
  StoreRequest(const StoreRequest &) = delete;
  StoreRequest &operator=(const StoreRequest &) = delete;

  Probe probe = {};
  Bytes value = {};
  uint64_t weight = 0;
  uint64_t deadline = CT_NEVER;  // of the lifetime from the write on
  uint64_t idle = CT_NEVER;      // lifetime until the first use, if less than the cache's tti
  uint8_t flags = 0;             // of the entry
  Condition condition = Condition::kAlways;
  Refusal refusal = Refusal::kFails;
  Fitness fitness = Fitness::kFits;
  const Entry *seen = nullptr;    // for the conditions that name it; pinned
  Flight *flight = nullptr;       // the load that the request ends, if any
  const Entry *renews = nullptr;  // the old value that this load renews, if any; pinned
  ApartCopy apart;                // of key and value; made if flags have kApart

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
