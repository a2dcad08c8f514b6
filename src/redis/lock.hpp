// SPDX-License-Identifier: MIT
// A mutex, the scope that holds it, and a condition whose waits end by the monotonic clock.
#ifndef CT_REDIS_LOCK_HPP
#define CT_REDIS_LOCK_HPP

#include <pthread.h>

#include "redis/clock.hpp"

namespace ct::redis {

class Mutex {
 public:
  Mutex() = default;
  ~Mutex() { pthread_mutex_destroy(&mutex_); }
  Mutex(const Mutex &) = delete;
  Mutex &operator=(const Mutex &) = delete;

  void lock() { pthread_mutex_lock(&mutex_); }
  void unlock() { pthread_mutex_unlock(&mutex_); }
  pthread_mutex_t *native() { return &mutex_; }

 private:
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
};

// Holds the mutex but between unlock and lock.
class Locker {
 public:
  explicit Locker(Mutex &mutex) : mutex_(mutex) { mutex_.lock(); }
  ~Locker() { mutex_.unlock(); }
  Locker(const Locker &) = delete;
  Locker &operator=(const Locker &) = delete;

  void unlock() { mutex_.unlock(); }
  void lock() { mutex_.lock(); }
  Mutex &mutex() { return mutex_; }

 private:
  Mutex &mutex_;
};

class Condition {
 public:
  Condition() {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&condition_, &attributes);
    pthread_condattr_destroy(&attributes);
  }
  ~Condition() { pthread_cond_destroy(&condition_); }
  Condition(const Condition &) = delete;
  Condition &operator=(const Condition &) = delete;

  void tell_all() { pthread_cond_broadcast(&condition_); }

  // May return for no reason.
  void wait(Locker &locker, uint64_t deadline) {
    if (deadline == CT_NEVER) {
      pthread_cond_wait(&condition_, locker.mutex().native());
      return;
    }
    timespec time;
    time.tv_sec = static_cast<time_t>(deadline / kSecond);
    time.tv_nsec = static_cast<long>(deadline % kSecond);
    pthread_cond_timedwait(&condition_, locker.mutex().native(), &time);
  }

 private:
  pthread_cond_t condition_;
};

}  // namespace ct::redis

#endif
