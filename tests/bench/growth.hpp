// SPDX-License-Identifier: MIT
// What a cache costs while it grows from empty to full: memory, and the latency of single inserts.
#pragma once
#include "cache.hpp"

namespace bench {

/// Resident bytes an entry, beyond its key and value. Only the first in a process is right, as
/// later ones reuse memory. Negative where the system does not tell.
double memory_beyond(const Kind &kind, const Setup &setup);

struct Latency {
  double mean_ns;
  double high_ns;  ///< 99.98 % of all take no longer
  double worst_ns;
};

struct Growth {
  Latency cache;
  Latency table;  ///< of the same inserts, taken in turns, into a table that never grows
};

/// Measures single inserts. Each figure includes one reading of the clock.
Growth grow(const Kind &kind, const Setup &setup);

}  // namespace bench
