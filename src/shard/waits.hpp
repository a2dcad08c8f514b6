// SPDX-License-Identifier: MIT
// Which threads of a cache wait for which flights, so that nobody closes a ring of waits.
#ifndef CT_WAITS_HPP
#define CT_WAITS_HPP

#include <cstdint>

#include "base/lock.hpp"
#include "base/thread.hpp"
#include "shard/flight.hpp"

namespace ct {

// A digital search tree by thread, of nodes on the waiters' stacks. As no two threads are the same in
// all bits, it is at most 64 nodes deep, and about as deep as the logarithm of their number.
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
  uint64_t begun_ CT_GUARDED_BY(lock_) = 0;
#ifdef CT_VALIDATE
  Looks looks_ = {0, 0, 0};
#endif
};

}  // namespace ct

#endif
