// SPDX-License-Identifier: MIT
// Who is loading what. A flight is one load of one key: someone has its lease, others wait for what
// comes of it.
//
//   loading   the lease is out
//   vacant    the lease was given up; the first to come takes it
//   landed    there is a value, pinned for those who wait
//
// Who invalidates its key overtakes a flight: then it leaves nothing behind, and whoever comes later
// starts anew, while those who wait already get what it brings; if it brings nothing, they start anew,
// too. Of a key at most one flight is not overtaken. A flight is in its shard's table until it has
// landed, and lives as long as somebody has its lease or waits for it. The shard's lock guards all of
// it.
#ifndef CT_FLIGHT_HPP
#define CT_FLIGHT_HPP

#include <cachetools.h>

#include <atomic>
#include <cstdint>
#include <cstring>

#include "array.hpp"
#include "entry.hpp"
#include "lock.hpp"
#include "memory.hpp"
#include "thread.hpp"

namespace ct {

class Shard;

struct Flight {
  enum State : uint8_t { kLoading, kVacant, kLanded };

  Shard *shard;
  Flight *next;  // in its bucket of the table
  uint64_t hash;
  uint64_t started;  // the lease's reading of the timer
  ct_value value;    // landed: holds a pin of its own
  uint32_t key_size;
  uint32_t holders;            // the lease, and who waits
  std::atomic<uint32_t> news;  // changes with the state
  State state;
  bool listed;                 // in the table
  bool overtaken;              // its key was invalidated since
  std::atomic<Thread> loader;  // who has the lease; 0: a lease belongs to no thread

  char *key_data() { return reinterpret_cast<char *>(this + 1); }
  Bytes key() { return {key_data(), key_size}; }
};

// The flights of a shard that have not landed.
class Flights {
 public:
  explicit Flights(Memory &memory) noexcept : memory_(memory), buckets_(memory) {}
  Flights(const Flights &) = delete;
  Flights &operator=(const Flights &) = delete;

  bool empty() const { return count_ == 0; }
  // Of the key, and not overtaken.
  Flight *find(Bytes key, uint64_t hash);
  // Whether a thread is loading the key, overtaken or not.
  bool is_loading(Bytes key, uint64_t hash, Thread loader);
  // A new one, loading, with one holder; nullptr: no memory.
  Flight *add(Shard &shard, Bytes key, uint64_t hash);
  // Takes it out of the table, if it is there.
  void unlist(Flight &flight);
  // The key was invalidated.
  void overtake(Bytes key, uint64_t hash);
  void overtake_all();
  // No longer held by anyone.
  void destroy(Flight &flight);

 private:
  // So many are in one list. Most often there are fewer: then they take no table.
  static constexpr uint32_t kFew = 4;

  Flight **bucket(uint64_t hash) {
    if (buckets_.empty()) return &few_;
    return &buckets_[static_cast<uint32_t>(hash) & (buckets_.size() - 1)];
  }
  static bool is_of(Flight &flight, Bytes key, uint64_t hash) {
    return flight.hash == hash && flight.key_size == key.size &&
           std::memcmp(flight.key_data(), key.data, key.size) == 0;
  }
  bool grow();
  void rehash(Flight *list);

  Memory &memory_;
  Flight *few_ = nullptr;    // all of them, while there are no buckets
  Array<Flight *> buckets_;  // none, or a power of two of them
  uint32_t count_ = 0;
};

// Which threads wait for which flights of a cache, so that nobody closes a ring: a digital search
// tree by thread, of nodes on the waiters' stacks. As no two threads are the same in all bits, it is
// at most 64 nodes deep, and about as deep as the logarithm of their number.
class Waits {
 public:
  struct Wait {
    Thread thread;
    const Flight *flight;
    uint64_t number;  // grows from wait to wait
    Wait *below[2];
  };

  // False: the flight's loader is this thread, or waits for it, directly or by others in between.
  bool begin(Wait &wait, Thread thread, const Flight &flight);
  void end(Wait &wait);

  // So many loaders are followed at most while the lock is held, however many wait for each other,
  // but for once in a call that has found a ring.
  static constexpr uint32_t kLoadersAtOnce = 32;

#ifdef CT_VALIDATE
  // Nodes that were looked at.
  struct Looks {
    uint64_t all;
    uint64_t held;  // while the lock was held the last time
    uint64_t most;  // in one hold
  };
  Looks looks() const { return looks_; }
#endif

 private:
  class Hold {
   public:
    explicit Hold(Waits &waits) noexcept : guard_(&waits.lock_) {
#ifdef CT_VALIDATE
      waits.looks_.held = 0;
#endif
    }

   private:
    Guard guard_;
  };

  Wait **place_of(Thread thread);
  bool leads_back(const Wait &wait, uint32_t at_once);

  Lock lock_;
  Wait *root_ = nullptr;
  uint32_t count_ = 0;
  uint64_t begun_ = 0;
#ifdef CT_VALIDATE
  Looks looks_ = {0, 0, 0};
#endif
};

}  // namespace ct

#endif
