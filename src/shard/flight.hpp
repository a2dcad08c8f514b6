// SPDX-License-Identifier: MIT
// Single flight: who works for a key, and who waits. A flight is a load of a key, or the turn of those
// who compute it: someone has its lease, others wait for what comes of it.
//
//   leased    somebody has the lease
//   vacant    the lease was given up, or not taken yet
//   landed    there is a value, pinned for those who wait; loads only
//
// Whoever comes first takes a vacant lease, which costs less than to wait until somebody has woken up;
// but whoever was woken and found it taken is next. While a flight is vacant somebody who holds it is
// awake, or being woken: who lets go of it then wakes another.
//
// Who invalidates its key overtakes a load: then it leaves nothing behind, and whoever comes later
// starts anew, while those who wait already get what it brings; if it brings nothing, they start anew,
// too. So of a key there is at most one load that is not overtaken, and one turn, which never is.
//
// A flight is in its shard's table until it has landed, and lives as long as somebody has its lease or
// waits for it. The shard's lock guards all of it.
#ifndef CT_FLIGHT_HPP
#define CT_FLIGHT_HPP

#include <cachetools.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/array.hpp"
#include "base/lock.hpp"
#include "base/memory.hpp"
#include "base/thread.hpp"
#include "table/entry.hpp"

namespace ct {

class Shard;

struct Flight {
  enum Kind : uint8_t { kLoad, kTurn };
  enum State : uint8_t { kLeased, kVacant, kLanded };

  Shard *shard;
  Flight *next;  // in its bucket of the table
  uint64_t hash;
  uint64_t started;  // the lease's reading of the timer
  ct_value value;    // landed: holds a pin of its own
  uint32_t key_size;
  uint32_t holders;            // the lease, and who waits
  std::atomic<uint32_t> news;  // changes when there is something to wake up for
  Kind kind;
  State state;
  bool listed;                 // in the table
  bool overtaken;              // its key was invalidated since
  bool reserved;               // the next lease is for somebody who waits
  std::atomic<Thread> loader;  // who has the lease; 0: a lease belongs to no thread

  char *key_data() { return reinterpret_cast<char *>(this + 1); }
  Bytes key() { return {key_data(), key_size}; }
};

// A flight that somebody holds, and its news as of then.
struct Hold {
  Flight *flight = nullptr;
  uint32_t news = 0;
};

// The flights of a shard that have not landed.
class Flights {
 public:
  Flights(Memory &memory, Shard *shard) noexcept
      : memory_(memory), shard_(shard), buckets_(memory) {}
  ~Flights() { trim(); }
  Flights(const Flights &) = delete;
  Flights &operator=(const Flights &) = delete;

  bool empty() const { return count_ == 0; }
  // Holds the key's flight of that kind, a new one if there is none: CT_LEASED, the lease is the
  // caller's; CT_BUSY, it is to wait. CT_ERR_RECURSION: that thread is loading the key, overtaken;
  // CT_ERR_NOMEM.
  ct_status join(Flight::Kind kind, Bytes key, uint64_t hash, Thread loader, Hold *hold);
  // For who waits, and has woken up: takes the lease; false: somebody else has it.
  bool take_lease(Flight &flight, Thread loader);
  // Whoever had the lease, or waited, lets go. Answers how many of the others to wake; if there are
  // none, the flight is gone, and the value that it had, or none, is in *left.
  int leave(Flight &flight, bool had_lease, ct_value *left);
  // The lease has brought a value, whose pin is the flight's now if there is somebody who waits, all
  // of whom are to be woken; false: there is nobody, and the flight is gone.
  bool land(Flight &flight, const ct_value &value);
  // The key was invalidated, or all were.
  void overtake(Bytes key, uint64_t hash);
  void overtake_all();
  // Gives back memory that is kept for later.
  void trim() { memory_.release(std::exchange(spare_, nullptr), kSpareBytes, alignof(Flight)); }
#ifdef CT_VALIDATE
  // NULL, or the invariant that is broken.
  const char *problem();
#endif

 private:
  // So many are in one list. Most often there are fewer: then they take no table.
  static constexpr uint32_t kFew = 4;
  // The block of one that is gone is kept for the next one, if neither has a long key.
  static constexpr size_t kSpareBytes = sizeof(Flight) + 40;

  Flight **bucket(uint64_t hash) {
    if (buckets_.empty()) return &few_;
    return &buckets_[static_cast<uint32_t>(hash) & (buckets_.size() - 1)];
  }
  static bool is_of(Flight &flight, Flight::Kind kind, Bytes key, uint64_t hash) {
    return flight.hash == hash && flight.key_size == key.size && flight.kind == kind &&
           std::memcmp(flight.key_data(), key.data, key.size) == 0;
  }
  template <class Visit>
  void visit_all(Visit visit) {
    for (Flight *flight = few_; flight != nullptr; flight = flight->next) visit(*flight);
    for (Flight *flight : buckets_) {
      for (; flight != nullptr; flight = flight->next) visit(*flight);
    }
  }
  Flight *find(Flight::Kind kind, Bytes key, uint64_t hash);
  bool is_loading(Bytes key, uint64_t hash, Thread loader);
  Flight *add(Flight::Kind kind, Bytes key, uint64_t hash);
  static size_t bytes_of(size_t key_size) {
    return std::max(sizeof(Flight) + key_size, kSpareBytes);
  }
  static void give_lease(Flight &flight, Thread loader);
  void unlist(Flight &flight);
  void destroy(Flight &flight);
  bool grow();
  void rehash(Flight *list);

  Memory &memory_;
  Shard *const shard_;
  Flight *few_ = nullptr;    // all of them, while there are no buckets
  Array<Flight *> buckets_;  // none, or a power of two of them
  uint32_t count_ = 0;
  void *spare_ = nullptr;  // kSpareBytes, or none
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
  class Locked {
   public:
    explicit Locked(Waits &waits) noexcept : guard_(&waits.lock_) {
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
