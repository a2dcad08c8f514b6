// SPDX-License-Identifier: MIT
// Which threads of a cache wait for which flights, so that no thread closes a ring of waits; and
// which of them tell callers that waited without a thread (waiter.hpp). Only waits in this cache
// count: a loader that waits for another thread by means of its own is not seen, nor is a lease
// that belongs to no thread.
#ifndef CT_WAITS_HPP
#define CT_WAITS_HPP

#include <cstdint>

#include "base/lock.hpp"
#include "base/system.hpp"
#include "shard/flight.hpp"

namespace ct {

// A digital search tree by thread. Its nodes are on the stacks of the threads that wait. No two
// threads are the same in all bits, so the tree is at most 64 nodes deep. It is about as deep as
// the logarithm of their number.
class Waits {
 public:
  struct Wait {
    Thread thread;
    const Flight *flight;
    uint64_t number;  // grows from wait to wait
    Wait *below[2];
  };

  // A thread that tells waiters, and those that it has still to tell, which only the thread itself
  // changes.
  struct Telling {
    Thread thread;
    Answers &answers;
    Telling *next;
  };
  // Returns what this thread is telling already. If it is telling nothing, it begins with `own`,
  // and nullptr is returned. (A library that may be loaded at any time is better off without
  // thread-local storage.)
  Telling *begin_telling(Telling &own);
  void end_telling(const Telling &own);

  // Adds a wait. Returns false if the flight's loader is this thread, or waits for this thread,
  // directly or through other threads.
  bool begin(Wait &wait, Thread thread, const Flight &flight);
  void end(Wait &wait);

  // At most this many loaders are followed in one hold of the lock, however many wait for each
  // other. The exception is one hold in a call that has found a ring.
  static constexpr uint32_t kLoadersAtOnce = 32;

#ifdef CT_VALIDATE
  // How many nodes were looked at.
  struct Looks {
    uint64_t all;
    uint64_t held;  // in the latest hold of the lock
    uint64_t most;  // the most in one hold
  };
  Looks looks() {
    Guard guard(lock_);
    return looks_;
  }
#endif

 private:
  void begin_hold() CT_REQUIRES(lock_) {
#ifdef CT_VALIDATE
    looks_.held = 0;
#endif
  }
  Wait **place_of(Thread thread) CT_REQUIRES(lock_);
  bool leads_back(const Wait &wait, uint32_t at_once);

  Lock lock_;
  Wait *root_ CT_GUARDED_BY(lock_) = nullptr;
  uint32_t count_ CT_GUARDED_BY(lock_) = 0;
  Telling *telling_ CT_GUARDED_BY(lock_) = nullptr;  // few, in no order
  uint64_t begun_ CT_GUARDED_BY(lock_) = 0;
#ifdef CT_VALIDATE
  Looks looks_ CT_GUARDED_BY(lock_) = {0, 0, 0};
#endif
};

}  // namespace ct

#endif
