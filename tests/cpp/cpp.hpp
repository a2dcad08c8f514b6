// SPDX-License-Identifier: MIT
// What the tests of cachetools.hpp share.
#pragma once

#include <atomic>
#include <cachetools.hpp>
#include <csetjmp>
#include <cstdarg>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "test.h"

#define assert_status(expected, call) \
  assert_string_equal(ct_status_name(expected), ct_status_name(call))

#define assert_text(expected, actual) assert_string_equal(expected, std::string(actual).c_str())

// Calls a function that must throw an exception of this type, and returns it.
template <class Exception, class Function>
Exception caught(Function function) {
  try {
    function();
  } catch (const Exception &it) {
    return it;
  }
  fail_msg("%s", "nothing was thrown");
  std::abort();
}

template <class Function>
ct_status failure_of(Function function) {
  return caught<cachetools::error>(function).status();
}

// What tests throw.
struct thrown {
  int number;
};

// An object that counts how many of its kind there are.
struct counted {
  explicit counted(int n) : number(n) { alive++; }
  counted(const counted &) = delete;
  counted &operator=(const counted &) = delete;
  ~counted() { alive--; }

  int number;
  static inline std::atomic<int> alive{0};
};
using pointer = std::shared_ptr<const counted>;
inline pointer make(int number) {
  return std::make_shared<counted>(number);
}

template <class Key, class Value>
cachetools::options<Key, Value> options_of(std::uint64_t maxsize) {
  cachetools::options<Key, Value> it;
  it.maxsize = maxsize;
  return it;
}

// Options with times in seconds: values live 100, are renewed 20 before that, and serve 50 longer;
// after a failure nobody tries for 10. The clock stands still until it is set.
template <class Key, class Value>
cachetools::options<Key, Value> renewing(const cachetools::time_point &clock) {
  auto it = options_of<Key, Value>(10);
  it.ttl = std::chrono::seconds(100);
  it.refresh_ahead = std::chrono::seconds(20);
  it.stale = std::chrono::seconds(50);
  it.retry = std::chrono::seconds(10);
  it.timer = [&clock] { return clock; };
  return it;
}

inline cachetools::time_point at(std::int64_t seconds) {
  return cachetools::time_point(std::chrono::seconds(seconds));
}

// Calls run(0) to run(3), each in a thread of its own, and waits for all of them.
template <class Run>
void in_four_threads(Run run) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) threads.emplace_back(run, i);
  for (auto &thread : threads) thread.join();
}
