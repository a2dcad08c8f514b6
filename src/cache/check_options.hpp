// SPDX-License-Identifier: MIT
// What a caller may ask for: checked here, and nowhere else.
#ifndef CT_CHECK_OPTIONS_HPP
#define CT_CHECK_OPTIONS_HPP

#include <cachetools.h>

#include <cstdint>

namespace ct {

constexpr uint32_t kMaxShards = 4096;

// Options as they will be in force, with copies of what they point to.
struct CheckedOptions {
  ct_options options;
  ct_policy_ops custom;
  ct_allocator allocator;
};

// nullptr: *out is set. Else a sentence that says what is wrong.
const char *check_options(const ct_options *options, CheckedOptions *out);

// False: not allowed.
bool read_entry_options(const ct_entry_options &given, const ct_options &cache,
                        ct_entry_options *out);

}  // namespace ct

#endif
