// SPDX-License-Identifier: MIT
// Replays a trace through caches, each on its own and several at once.
#ifndef SIM_REPLAY_HPP
#define SIM_REPLAY_HPP

#include <cstdint>
#include <vector>

#include "options.hpp"
#include "progress.hpp"
#include "trace.hpp"

namespace sim {

// The result of one policy with one size.
struct Result {
  uint64_t misses;
  uint64_t missed_bytes;  // 0 unless caches weigh bytes
};

// A column of the table.
struct Column {
  Size size;
  uint64_t maxsize;             // entries or bytes
  std::vector<Result> results;  // of each policy
};

// Columns by maxsize.
std::vector<Column> replay(const Trace &trace, const Options &options, Progress *progress);

}  // namespace sim

#endif
