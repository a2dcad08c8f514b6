// SPDX-License-Identifier: MIT
// A store request: what is to be stored, when, and what becomes of it otherwise. The cache makes it with
// no lock held; the shard carries it out, in one call or in several.
#ifndef CT_REQUEST_HPP
#define CT_REQUEST_HPP

#include <cachetools.h>

#include <cstdint>

#include "base/memory.hpp"
#include "table/entries.hpp"
#include "table/entry.hpp"

namespace ct {

struct Flight;

// When to store, judged by what is there: an entry of the key that has not expired.
enum class Condition : uint8_t {
  kAlways,
  kIfAbsent,   // Else CT_EXISTS.
  kIfPresent,  // Else CT_MISS.
  kIfSame,     // If what is there is `seen`, or nothing if that is nullptr; else CT_EXISTS.
  kElseUse,    // If nothing is there; else it is handed out, as a read that hits.
  kElsePeek,   // If nothing is there; else it is handed out, and no read is counted.
};

// What becomes of a value that cannot be kept: too large, or its load was overtaken.
enum class Refusal : uint8_t {
  kFails,      // CT_ERR_TOO_LARGE.
  kHandsBack,  // It is handed out all the same, and CT_NOT_STORED.
  kNeverKept,  // The same, whatever it is: it is not to be kept.
};

// What is known of a value before anything is locked.
enum class Fitness : uint8_t {
  kFits,
  kDead,      // Its lifetime is over on arrival.
  kTooLarge,  // It weighs more than maxsize.
};

// How a request goes on after a call of the shard.
enum class Next : uint8_t {
  kDone,        // request.status is the answer.
  kAgain,       // The shard makes room for it: call again, now that others had their turn.
  kEvictThere,  // request.payer is to make room, request.need of it.
  kGather,      // The shard has nothing left: any shard is to.
  kTellFirst,   // What has left is to be told of first, since its blocks are wanted.
};

struct StoreRequest {
  explicit StoreRequest(Memory &memory) noexcept : apart(memory) {}
  StoreRequest(const StoreRequest &) = delete;
  StoreRequest &operator=(const StoreRequest &) = delete;

  Probe probe = {};
  Bytes value = {};
  uint64_t weight = 0;
  uint64_t deadline = CT_NEVER;  // from the write on
  uint64_t idle = CT_NEVER;      // until the first use, if that is less than the cache's tti
  uint8_t flags = 0;             // of the entry
  Condition condition = Condition::kAlways;
  Refusal refusal = Refusal::kFails;
  Fitness fitness = Fitness::kFits;
  const Entry *seen = nullptr;  // for kIfSame; pinned
  Flight *flight = nullptr;     // the load that it ends, if it is one
  ApartCopy apart;              // made, if flags say so

  Next end(ct_status answer) {
    status = answer;
    return Next::kDone;
  }

  // The shard's, between its calls.
  ct_status status = CT_OK;
  Ref ref = kNone;               // the block, once there is one
  bool lacks_reference = false;  // for the block that was asked for last
  uint64_t need = 0;             // the room that the shard did not make
  uint32_t payer = 0;            // which shard is to make it, by what is due
  uint64_t payer_keeps = 0;      // and by evicting down to so many entries
};

}  // namespace ct

#endif
