// SPDX-License-Identifier: MIT
// The command line.
#ifndef SIM_OPTIONS_HPP
#define SIM_OPTIONS_HPP

#include <cachetools.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sim {

enum class Action { kSimulate, kHelp, kVersion };
enum class Format { kText, kU64 };
enum class Output { kTable, kJson, kCsv };

// The size of a cache.
struct Size {
  std::string label;  // as it was given
  double percent;     // of all keys, or of the bytes of all; 0: amount counts
  uint64_t amount;    // entries or bytes
};

struct Options {
  Action action = Action::kSimulate;
  std::string trace;  // "-": the standard input
  Format format = Format::kText;
  Output output = Output::kTable;
  std::vector<ct_policy> policies;
  std::vector<Size> sizes;
  bool are_sizes_given = false;
  bool weighs_bytes = false;
  uint64_t ttl = 0;  // in requests; 0: none
  uint64_t seed = 1;
  unsigned threads = 1;
  std::string plot;  // a path; empty: none
  bool advises = false;
  bool quiet = false;
};

extern const char *const kUsage;

// Throws a Failure if the command line is wrong.
Options parse_options(int argc, char **argv);

// Parses a decimal number without a sign. Returns false if text is none, or does not fit.
bool parse_number(const char *text, const char *end, uint64_t *out);

}  // namespace sim

#endif
