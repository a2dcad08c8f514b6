// SPDX-License-Identifier: MIT
#ifndef CT_THREAD_HPP
#define CT_THREAD_HPP

#include <pthread.h>

#include <cstdint>
#include <cstring>

namespace ct {

// A thread, for as long as it is inside a call; 0 is none.
using Thread = uintptr_t;

inline Thread this_thread() {
  const pthread_t self = pthread_self();
  static_assert(sizeof self == sizeof(Thread), "a thread's name is a word");
  Thread thread;
  std::memcpy(&thread, &self, sizeof thread);
  return thread;
}

}  // namespace ct

#endif
