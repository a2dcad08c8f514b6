// SPDX-License-Identifier: MIT
#if defined(CT_GENERIC_SYSTEM) || !(defined(_WIN32) || defined(__linux__) || defined(__FreeBSD__))
#include "base/parking.hpp"

#include <pthread.h>

#include <algorithm>

#include "base/system_clock.hpp"
#include "base/system_posix.hpp"

namespace ct::system {
namespace {

struct Place {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
};

constexpr size_t kPlaces = 64;
Place places[kPlaces];
pthread_once_t once = PTHREAD_ONCE_INIT;

// The wall clock may jump, so it must not tell when a sleep is over.
void make_places() {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
#ifndef __APPLE__
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
  for (Place &place : places) {
    pthread_mutex_init(&place.mutex, nullptr);
    pthread_cond_init(&place.changed, &attributes);
  }
  pthread_condattr_destroy(&attributes);
}

// Fibonacci hashing: Knuth, "The Art of Computer Programming", volume 3, section 6.4.
Place &place_of(const std::atomic<uint32_t> &word) {
  pthread_once(&once, make_places);
  const uint64_t address = reinterpret_cast<uintptr_t>(&word);
  return places[(address * 0x9E3779B97F4A7C15u) >> 58];
}
static_assert(kPlaces == 1u << (64 - 58));

void wait_for(Place &place, uint64_t ns) {
#ifdef __APPLE__
  const timespec limit = timespec_of(ns);
  pthread_cond_timedwait_relative_np(&place.changed, &place.mutex, &limit);
#else
  const timespec limit = timespec_of(read_clock(kPreciseClock) + ns);
  pthread_cond_timedwait(&place.changed, &place.mutex, &limit);
#endif
}

}  // namespace

void park_while(const std::atomic<uint32_t> &word, uint32_t expected, uint64_t ns) noexcept {
  constexpr uint64_t kHour = 3600 * uint64_t{1000000000};
  Place &place = place_of(word);
  pthread_mutex_lock(&place.mutex);
  // A word that changes later is followed by unpark(), which waits for the mutex.
  if (word.load() == expected) {
    if (ns == UINT64_MAX) {
      pthread_cond_wait(&place.changed, &place.mutex);
    } else {
      wait_for(place, std::min(ns, kHour));
    }
  }
  pthread_mutex_unlock(&place.mutex);
}

void unpark(const std::atomic<uint32_t> &word) noexcept {
  Place &place = place_of(word);
  pthread_mutex_lock(&place.mutex);
  pthread_cond_broadcast(&place.changed);
  pthread_mutex_unlock(&place.mutex);
}

}  // namespace ct::system

#endif
