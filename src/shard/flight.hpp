// SPDX-License-Identifier: MIT
// Single flight: one caller works for a key, and the others wait for its result. A flight is a load
// of a key, or the turn to compute it. One caller has its lease, and others wait. Read
// table/entry.hpp and pins.hpp first.
//
//   leased    a caller has the lease
//   vacant    the lease was given up, or has not been taken yet
//   answered  the callers that wait have an answer: a value, pinned for them, or the failure of the
//             load; loads only
//
// The first caller to come takes a vacant lease, which costs less than waiting until a sleeping
// thread has woken up. But if a thread was woken and finds the lease taken, the next lease is for a
// caller that waits. While a flight is vacant, one of its holders is awake or being woken: a holder
// that lets go of the flight wakes another.
//
// Invalidating a key overtakes its load. An overtaken load leaves nothing in the cache. Callers
// that come later start anew. Callers that wait already get what comes of the overtaken load, or
// the value that is stored under the key meanwhile, if that comes first. If the overtaken load is
// given up, they start anew, too. So a key has at most one load that is not overtaken, and one
// turn, which is never overtaken. Invalidating all keys begins another epoch, which overtakes the
// loads of earlier epochs at once, however many there are.
//
// A load may also renew a value that is there. Then it works on behalf of nobody else: callers that
// come meanwhile are served the old value, unless they would rather wait.
//
// A caller that waits without a thread (waiter.hpp) is on the flight's list. If the lease is given
// up, the oldest of these has it at once, so a flight with such callers is never vacant.
//
// A flight is in its shard's table until its lease has ended and it is answered. It lives as long
// as a caller has its lease or waits for it. The shard's lock guards all of it.
#ifndef CT_FLIGHT_HPP
#define CT_FLIGHT_HPP

#include <cachetools.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/chain_table.hpp"
#include "base/clock.hpp"
#include "base/memory.hpp"
#include "base/system.hpp"
#include "shard/counters.hpp"
#include "shard/load_counters.hpp"
#include "shard/pins.hpp"
#include "shard/waiter.hpp"
#include "table/entries.hpp"
#include "table/entry.hpp"
#include "table/tags.hpp"

namespace ct {

class Shard;

struct Flight {
  enum Kind : uint8_t { kLoad, kTurn };
  enum Answer : uint8_t { kNone, kValue, kFailure };  // to the callers that wait
  static constexpr uint64_t kOvertaken = 0;       // the key was invalidated since the load began
  static constexpr uint64_t kNever = UINT64_MAX;  // the flight is a turn

  Shard *shard = nullptr;
  Flight *next = nullptr;  // in its bucket of the table
  uint64_t hash = 0;
  uint64_t epoch = kOvertaken;  // the table's when the flight began, kOvertaken or kNever
  uint32_t key_size = 0;
  Kind kind = kLoad;
  bool leased = false;
  Answer answer = kNone;
  bool listed = true;              // the flight is in the table
  bool reserved = false;           // the next lease is for a caller that waits
  bool renews = false;             // its caller was handed the old value, and renews it
  ct_status failure = CT_OK;       // kFailure: the status
  LoadCounters::Start start = {};  // of the load
  TagRun run = {};                 // since the lease was given
  ct_value value = CT_VALUE_INIT;  // kValue: the value
  Entry *entry = nullptr;          // kValue: its entry, which the flight pins while callers wait
  Entry *old = nullptr;            // what the load renews, pinned; its caller's alone
  WaiterList waiters{};            // callers that wait without a thread
  uint32_t holders = 0;            // callers that have the lease or wait
  std::atomic<uint32_t> news{0};   // a futex, which changes when waiting threads are to look again
  std::atomic<Thread> loader{0};   // the thread that has the lease; 0: no thread in particular

  uint32_t waiting() const { return holders - (leased ? 1 : 0); }
  char *key_data() { return reinterpret_cast<char *>(this + 1); }
  Bytes key() const { return {reinterpret_cast<const char *>(this + 1), key_size}; }
};

// A flight that a caller holds, and its news at that time.
struct Hold {
  Flight *flight = nullptr;
  uint32_t news = 0;
  bool falls_back = false;  // the caller waits only for something newer than a stale value
};

// What a waiting caller finds after it has woken up.
enum class Landing : uint8_t {
  kLanded,    // There is a value, which is handed out.
  kFailed,    // The load has failed, with the flight's failure.
  kLeased,    // The lease was given up, and the caller has it now.
  kNotYet,    // Another caller has the lease; after a wait: the time is over.
  kGivenUp,   // The lease was given up, and is not for this caller: start anew.
  kNoMemory,  // There is a value, but no memory for its pin.
  kRing,      // The wait was not begun: the loader waits for this thread.
};

// Returns what a caller that finds this is told.
ct_status status_of(Landing landing, const Flight &flight);

// The flights of a shard that are leased, vacant, or both overtaken and answered.
class Flights {
 public:
  Flights(Memory &memory, Shard *shard, Pins &pins, Counters &counters, LoadCounters &loads,
          Tags &tags) noexcept
      : shard_(shard),
        pins_(pins),
        counters_(counters),
        loads_(loads),
        tags_(tags),
        table_(memory) {}
  ~Flights() { trim(); }
  Flights(const Flights &) = delete;
  Flights &operator=(const Flights &) = delete;

  LoadCounters &loads() const { return loads_; }
  bool empty() const { return table_.empty(); }
  uint32_t count() const { return table_.size(); }
  // Finds the key's flight of that kind, or adds one, and holds it. Returns CT_LEASED if the caller
  // has the lease now, and CT_BUSY if it is to wait. Otherwise the caller holds nothing:
  // CT_ERR_RECURSION if `loader` is loading the key already, by a load that was overtaken, or
  // CT_ERR_NOMEM.
  ct_status join(Flight::Kind kind, const Probe &probe, Thread loader, Hold *hold);
  // Returns whether a caller is loading the key, or is about to.
  bool is_leased(const Probe &probe) {
    const Flight *flight = find(Flight::kLoad, probe);
    return flight != nullptr && (flight->leased || flight->reserved);
  }
  // Takes the lease of a load that renews `old`, unless another caller loads the key, or the next
  // lease is another's. Returns nullptr if it has not, or if there is no memory.
  Flight *join_to_renew(const Probe &probe, Thread loader, Entry *old);
  // Returns what has come of the flight, to a holder that waits and has woken up. out may be NULL.
  // falls_back: the caller has a stale value to fall back on. So it takes no lease, as it would
  // have to be given the old value with it; and a failure is not yet its own. If there is nothing
  // yet, `waiter` waits from now on, unless it is nullptr.
  Landing check_in(Flight &flight, Thread loader, bool falls_back, ct_value *out, Waiter *waiter);
  // The following four end a caller's hold. If there are no other holders, the flight is gone. The
  // first three return how many of the threads that wait are to be woken. All of them add to
  // `answers` who is to be told.

  // The caller waited. If no other caller waits, *left is the entry that the flight had pinned, or
  // nullptr.
  int leave(Flight &flight, Entry **left, Answers &answers);
  // The caller had the lease; a caller that waits may take it.
  int give_up(Flight &flight, Answers &answers);
  // The caller had the lease, and its failure answers all who wait.
  int fail_all(Flight &flight, ct_status failure, Answers &answers);
  // The caller had the lease, and its value answers all who wait. The value's entry is pinned.
  // outdated: a tag of the value was invalidated since the load began. Who waits may have come after
  // that, and starts anew.
  void land(Flight &flight, const ct_value &value, Entry *entry, bool outdated, Now &now,
            Answers &answers);

  // A value was stored under the key. It answers all who wait for loads that this has overtaken.
  void release_waiting(const Probe &probe, const ct_value &value, Entry *entry, Answers &answers);
  // Overtakes the load of the key, or all loads: the key was invalidated, or all keys were.
  void overtake(const Probe &probe);
  void overtake_all() { epoch_++; }
  bool is_overtaken(const Flight &flight) const { return flight.epoch < epoch_; }
  // Gives back the memory that is kept for a later flight.
  void trim() { memory().release(std::exchange(spare_, nullptr), kSpareBytes, alignof(Flight)); }
#ifdef CT_VALIDATE
  // Returns the invariant that is broken, or NULL.
  const char *problem();
  // How many flights were looked at.
  uint64_t looks() const { return table_.looks(); }
#endif

 private:
  Memory &memory() const { return table_.memory(); }
  // The block of a flight that is gone is kept for the next flight, if neither has a long key.
  static constexpr size_t kSpareBytes = sizeof(Flight) + 40;

  static bool is_of(Flight &flight, Flight::Kind kind, const Probe &probe) {
    return flight.key_size == probe.key.size && flight.kind == kind &&
           std::memcmp(flight.key_data(), probe.key.data, probe.key.size) == 0;
  }
  Flight *find(Flight::Kind kind, const Probe &probe);
  bool is_loading(const Probe &probe, Thread loader);
  Flight *add(Flight::Kind kind, const Probe &probe);
  static size_t bytes_of(size_t key_size) {
    return std::max(sizeof(Flight) + key_size, kSpareBytes);
  }
  void give_lease(Flight &flight, Thread loader);
  void end_lease(Flight &flight);
  int end_hold(Flight &flight, Answers &answers);
  void answer(Flight &flight, Flight::Answer answer, Answers &answers);
  bool answer_by_value(Flight &flight, const ct_value &value, Entry *entry, Answers &answers);
  void count_miss(const Flight &flight);
  void count_answer(const Flight &flight);
  void unlist(Flight &flight);
  void destroy(Flight &flight);

  Shard *const shard_;
  Pins &pins_;
  Counters &counters_;
  LoadCounters &loads_;
  Tags &tags_;
  ChainTable<Flight> table_;
  uint64_t epoch_ = Flight::kOvertaken + 1;  // loads of earlier epochs are overtaken
  void *spare_ = nullptr;                    // a block of kSpareBytes, or nullptr
};

}  // namespace ct

#endif
