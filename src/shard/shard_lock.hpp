// SPDX-License-Identifier: MIT
// The lock of a shard. A cache of one thread has none, and then only those who hold it are checked.
#ifndef CT_SHARD_LOCK_HPP
#define CT_SHARD_LOCK_HPP

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstdint>

#include "base/annotations.hpp"
#include "base/lock.hpp"

namespace ct {

class CT_CAPABILITY("lock of a shard") ShardLock {
 public:
  explicit ShardLock(bool shared) noexcept : shared_(shared) {}

  bool is_shared() const { return shared_; }
  // Unchecked, both: whether there is a lock to take is known at run time only.
  void lock() noexcept CT_ACQUIRE() CT_UNCHECKED {
    begin_work();
    if (shared_) lock_.lock();
  }
  void unlock() noexcept CT_RELEASE() CT_UNCHECKED {
    if (shared_) lock_.unlock();
  }
  // For callbacks that are called while the caller holds it, which the analysis does not see.
  void assert_held() const CT_ASSERT_HELD(this) { assert(!shared_ || lock_.is_held()); }
  // At the end of a slice of a longer call: without it the thread would take the lock again before one
  // that it has woken.
  void let_others_in() noexcept CT_REQUIRES(this) {
    if (shared_) lock_.let_line_pass();
  }

#ifdef CT_VALIDATE
  void work_on_entry() const {
    const uint64_t work = work_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (work > most_work_.load(std::memory_order_relaxed)) {
      most_work_.store(work, std::memory_order_relaxed);
    }
  }
  // Since the last time: how often it was taken, and most entries that were worked on under it.
  void take_work(uint64_t *holds, uint64_t *most) {
    *holds += holds_.exchange(0);
    *most = std::max(*most, most_work_.exchange(0));
  }
#else
  void work_on_entry() const {}
#endif

 private:
#ifdef CT_VALIDATE
  void begin_work() {
    holds_.fetch_add(1, std::memory_order_relaxed);
    work_.store(0, std::memory_order_relaxed);
  }
#else
  void begin_work() {}
#endif

  Lock lock_;
  const bool shared_;
#ifdef CT_VALIDATE
  std::atomic<uint64_t> holds_{0};
  mutable std::atomic<uint64_t> work_{0};
  mutable std::atomic<uint64_t> most_work_{0};
#endif
};

}  // namespace ct

#endif
