// SPDX-License-Identifier: MIT
// Callers that wait for a load without a thread: they are called back. A waiter is on the list of
// its flight (flight.hpp), which it holds as a waiting thread does, until there is an answer, the
// lease is given up, or it is cancelled. Then it is chosen, and on its way to the call that tells
// it, in Answers.
//
// The lock of its shard guards a waiter. It lives until it was told or cancelled, and until its
// handle was given back, if the caller has one.
#ifndef CT_WAITER_HPP
#define CT_WAITER_HPP

#include <cachetools.h>

#include <cassert>
#include <cstdint>
#include <utility>

namespace ct {

class Shard;
struct Flight;

struct Waiter {
  enum State : uint8_t {
    kWaits,     // on the list of its flight
    kAnswered,  // its flight is answered
    kLeased,    // it has the lease of its flight
    kAnew,      // its flight was overtaken and given up, so it has to look again
    kOver,      // nothing is to be told any more
  };

  Shard *const shard;
  const ct_done_fn done;
  void *const user_data;
  const bool forces;  // loads as if there were no value
  bool has_handle;
  State state = kOver;
  Flight *flight = nullptr;  // which it holds
  Waiter *prev = nullptr;    // in its list
  Waiter *next = nullptr;
};

// A list of waiters, oldest first.
class WaiterList {
 public:
  bool empty() const { return first_ == nullptr; }
  void add(Waiter &waiter) {
    waiter.prev = last_;
    waiter.next = nullptr;
    (last_ == nullptr ? first_ : last_->next) = &waiter;
    last_ = &waiter;
  }
  void remove(Waiter &waiter) {
    (waiter.prev == nullptr ? first_ : waiter.prev->next) = waiter.next;
    (waiter.next == nullptr ? last_ : waiter.next->prev) = waiter.prev;
  }
  // There must be one.
  Waiter &take_first() {
    Waiter &first = *first_;
    remove(first);
    return first;
  }

 private:
  Waiter *first_ = nullptr;
  Waiter *last_ = nullptr;
};

// The waiters that a call has to tell once it holds no lock.
using Answers = WaiterList;

}  // namespace ct

#endif
