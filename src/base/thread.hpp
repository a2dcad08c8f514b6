// SPDX-License-Identifier: MIT
// Names for threads: the thread pointer, a register of the processor.
#ifndef CT_THREAD_HPP
#define CT_THREAD_HPP

#include <cstdint>

#if !__has_builtin(__builtin_thread_pointer)
#include <pthread.h>
#endif

namespace ct {

// Identifies a thread for as long as it is inside a call. 0 stands for no thread.
using Thread = uintptr_t;

inline Thread this_thread() {
#if __has_builtin(__builtin_thread_pointer)
  return reinterpret_cast<Thread>(__builtin_thread_pointer());
#else
  return (Thread)pthread_self();
#endif
}

}  // namespace ct

#endif
