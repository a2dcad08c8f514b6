// SPDX-License-Identifier: MIT
// All requests of a trace. Keys become numbers, from 0 on in the order of their first requests, so
// that a replay handles no strings.
#ifndef SIM_TRACE_HPP
#define SIM_TRACE_HPP

#include <cstdint>
#include <vector>

#include "options.hpp"
#include "progress.hpp"

namespace sim {

struct Trace {
  std::vector<uint32_t> requests;
  uint64_t keys = 0;  // different ones

  // If caches weigh bytes:
  std::vector<uint64_t> sizes;  // of each request
  uint64_t bytes = 0;           // of all requests
  uint64_t footprint = 0;       // of all keys, each at its largest
};

// Throws a Failure if the trace cannot be read, has another format, or has no request.
Trace read_trace(const Options &options, Progress *progress);

}  // namespace sim

#endif
