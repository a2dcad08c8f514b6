// SPDX-License-Identifier: MIT
// The lock of a shard. A cache of one thread has none: there, only clang's analysis checks that
// callers hold the lock.
#ifndef CT_SHARD_LOCK_HPP
#define CT_SHARD_LOCK_HPP

#include "base/annotations.hpp"
#include "base/lock.hpp"

namespace ct {

class CT_CAPABILITY("lock of a shard") ShardLock {
 public:
  explicit ShardLock(bool shared) noexcept : shared_(shared) {}

  bool is_shared() const { return shared_; }
  // Unchecked: only at run time is it known whether there is a lock to take.
  void lock() noexcept CT_ACQUIRE() CT_UNCHECKED {
    if (shared_) lock_.lock();
  }
  // Unchecked, as lock is.
  bool try_lock() noexcept CT_TRY_ACQUIRE(true) CT_UNCHECKED {
    return !shared_ || lock_.try_lock();
  }
  // Unchecked, as lock is.
  void unlock() noexcept CT_RELEASE() CT_UNCHECKED {
    if (shared_) lock_.unlock();
  }
  // Called at the end of a slice of a longer call. Without it, this thread would take the lock
  // again before a thread that it has woken.
  void let_others_in() noexcept CT_REQUIRES(this) {
    if (shared_) lock_.let_line_pass();
  }

 private:
  Lock lock_;
  const bool shared_;
};

// Holds such a lock for a scope.
class CT_SCOPED_CAPABILITY ShardGuard {
 public:
  explicit ShardGuard(ShardLock &lock) noexcept CT_ACQUIRE(lock) : lock_(lock) { lock_.lock(); }
  ~ShardGuard() CT_RELEASE() { lock_.unlock(); }
  ShardGuard(const ShardGuard &) = delete;
  ShardGuard &operator=(const ShardGuard &) = delete;

 private:
  ShardLock &lock_;
};

}  // namespace ct

#endif
