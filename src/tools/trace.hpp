// SPDX-License-Identifier: MIT
// Requests, read in whole. Keys become numbers, which count from 0 in the order in which the keys
// came first: a replay then has no strings to handle.
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

// Throws a Failure: it cannot be read, is not of that format, or holds no request.
Trace read_trace(const Options &options, Progress *progress);

}  // namespace sim

#endif
