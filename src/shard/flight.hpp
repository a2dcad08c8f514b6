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
// too. So of a key there is at most one load that is not overtaken, and one turn, which never is. Who
// invalidates all keys begins another epoch, which overtakes the loads of those before at once,
// however many there are.
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

#include "base/clock.hpp"
#include "base/long_array.hpp"
#include "base/memory.hpp"
#include "base/thread.hpp"
#include "shard/counters.hpp"
#include "shard/pins.hpp"
#include "table/entries.hpp"
#include "table/entry.hpp"

namespace ct {

class Shard;

struct Flight {
  enum Kind : uint8_t { kLoad, kTurn };
  enum State : uint8_t { kLeased, kVacant, kLanded };
  static constexpr uint64_t kOvertaken = 0;       // its key was invalidated since
  static constexpr uint64_t kNever = UINT64_MAX;  // it is a turn

  Shard *shard = nullptr;
  Flight *next = nullptr;  // in its bucket of the table
  uint64_t hash = 0;
  uint64_t epoch = kOvertaken;  // of its table, when it began; or kOvertaken, or kNever
  uint32_t key_size = 0;
  Kind kind = kLoad;
  State state = kVacant;
  bool listed = true;              // in the table
  bool reserved = false;           // the next lease is for somebody who waits
  uint64_t started = 0;            // the lease's reading of the timer
  ct_value value = CT_VALUE_INIT;  // landed: what it brought,
  Entry *entry = nullptr;          // and whose that is, with a pin of its own
  uint32_t holders = 0;            // the lease, and who waits
  std::atomic<uint32_t> news{0};   // changes when there is something to wake up for
  std::atomic<Thread> loader{0};   // who has the lease; 0: a lease belongs to no thread

  char *key_data() { return reinterpret_cast<char *>(this + 1); }
  Bytes key() { return {key_data(), key_size}; }
};

// A flight that somebody holds, and its news as of then.
struct Hold {
  Flight *flight = nullptr;
  uint32_t news = 0;
};

// What somebody who waits finds, having woken up.
enum class Landing : uint8_t {
  kLanded,     // There is a value, which is handed out.
  kLeased,     // The lease was given up, and is the caller's now.
  kNotYet,     // Somebody has the lease.
  kOvertaken,  // The load was overtaken, then given up: look again.
  kNoMemory,   // There is a value, but no memory for its pin.
};

// The flights of a shard that have not landed.
class Flights {
 public:
  Flights(Memory &memory, Shard *shard, Pins &pins, Counters &counters) noexcept
      : memory_(memory), shard_(shard), pins_(pins), counters_(counters), buckets_(memory) {}
  ~Flights() { trim(); }
  Flights(const Flights &) = delete;
  Flights &operator=(const Flights &) = delete;

  bool empty() const { return count_ == 0; }
  // Holds the key's flight of that kind, a new one if there is none: CT_LEASED, the lease is the
  // caller's; CT_BUSY, it is to wait. CT_ERR_RECURSION: that thread is loading the key, overtaken;
  // CT_ERR_NOMEM.
  ct_status join(Flight::Kind kind, const Probe &probe, Thread loader, Hold *hold);
  // For who waits, and has woken up. out may be NULL.
  Landing check_in(Flight &flight, Thread loader, ct_value *out);
  // Whoever had the lease, or waited, lets go. Returns how many of the others are to be woken. If there
  // are none the flight is gone; *left is the entry whose pin it had, or nullptr.
  int leave(Flight &flight, bool had_lease, Entry **left);
  // The lease has brought a value, of that entry, which is pinned. Consumes the lease, and wakes those
  // who wait; without any the flight is gone.
  void land(Flight &flight, const ct_value &value, Entry *entry, Now &now);
  // The key was invalidated, or all were.
  void overtake(const Probe &probe);
  void overtake_all() { epoch_++; }
  bool is_overtaken(const Flight &flight) const { return flight.epoch < epoch_; }
  // Gives back memory that is kept for later.
  void trim() { memory_.release(std::exchange(spare_, nullptr), kSpareBytes, alignof(Flight)); }
#ifdef CT_VALIDATE
  // NULL, or the invariant that is broken.
  const char *problem();
  // How many flights were looked at.
  uint64_t looks() const { return looks_; }
#endif

 private:
#ifdef CT_VALIDATE
  template <class Visit>
  void visit_all(Visit visit) {
    for (Flight *flight = few_; flight != nullptr; flight = flight->next) visit(*flight);
    for (uint32_t i = 0; i < buckets_.size(); i++) {
      for (Flight *flight = buckets_[i]; flight != nullptr; flight = flight->next) visit(*flight);
    }
  }
  void look() { looks_++; }
#else
  void look() {}
#endif
  // So many are in one list. Most often there are fewer: then they take no table.
  static constexpr uint32_t kFew = 4;
  // The block of one that is gone is kept for the next one, if neither has a long key.
  static constexpr size_t kSpareBytes = sizeof(Flight) + 40;

  Flight **bucket(uint64_t hash) { return buckets_.empty() ? &few_ : bucket_of_many(hash); }
  [[gnu::noinline]] Flight **bucket_of_many(uint64_t hash);
  static bool is_of(Flight &flight, Flight::Kind kind, const Probe &probe) {
    return flight.hash == probe.hash && flight.key_size == probe.key.size && flight.kind == kind &&
           std::memcmp(flight.key_data(), probe.key.data, probe.key.size) == 0;
  }
  Flight *find(Flight::Kind kind, const Probe &probe);
  bool is_loading(const Probe &probe, Thread loader);
  Flight *add(Flight::Kind kind, const Probe &probe);
  static size_t bytes_of(size_t key_size) {
    return std::max(sizeof(Flight) + key_size, kSpareBytes);
  }
  void give_lease(Flight &flight, Thread loader);
  void unlist(Flight &flight);
  void destroy(Flight &flight);
  bool grow();
  void relist(Flight *list);

  Memory &memory_;
  Shard *const shard_;
  Pins &pins_;
  Counters &counters_;
  // All of them, while there are no buckets. Linear hashing (Litwin, 1980) adds a bucket for each
  // that comes, and shares another one's flights with it: so no call pays for all.
  Flight *few_ = nullptr;
  LongArray<Flight *> buckets_;
  uint32_t count_ = 0;
  uint64_t epoch_ = Flight::kOvertaken + 1;  // all loads of those before are overtaken
  void *spare_ = nullptr;                    // kSpareBytes, or none
#ifdef CT_VALIDATE
  uint64_t looks_ = 0;
#endif
};

}  // namespace ct

#endif
