// SPDX-License-Identifier: MIT
// A lock of two words: spins briefly, then sleeps. Taking it costs one exchange, giving it back a
// plain store, half of what a compare-and-exchange pair costs and a tenth of a mutex that stops
// look-ups from overlapping.
//
// Whoever gives it back looks for sleepers first, so that after the store nothing of the lock is
// touched, and the next owner may destroy it. A thread that lies down in that very moment can miss
// its waking. Its sleep is limited for that reason: such a meeting costs a millisecond, once,
// instead of a fence on every unlock.
#ifndef CT_LOCK_HPP
#define CT_LOCK_HPP

#include <atomic>
#include <cstdint>

namespace ct {

class Lock {
 public:
  void lock() noexcept {
    if (held_.exchange(1, std::memory_order_acquire) != 0) lock_slowly();
  }

  void unlock() noexcept {
    const bool slept_on = sleepers_.load(std::memory_order_relaxed) != 0;
    held_.store(0, std::memory_order_release);
    if (slept_on) wake_one();
  }

 private:
  void lock_slowly() noexcept;
  void wake_one() noexcept;

  std::atomic<uint32_t> held_{0};  // 1 while someone holds the lock
  std::atomic<uint32_t> sleepers_{0};
};

// Holds a lock for a scope; nullptr holds nothing.
class Guard {
 public:
  explicit Guard(Lock *lock) noexcept : lock_(lock) {
    if (lock_ != nullptr) lock_->lock();
  }
  ~Guard() {
    if (lock_ != nullptr) lock_->unlock();
  }
  // Another one, of a guard that holds none.
  void take(Lock *lock) noexcept {
    lock_ = lock;
    if (lock_ != nullptr) lock_->lock();
  }
  bool holds() const { return lock_ != nullptr; }
  Guard(const Guard &) = delete;
  Guard &operator=(const Guard &) = delete;

 private:
  Lock *lock_;
};

}  // namespace ct

#endif
