// SPDX-License-Identifier: MIT
// The check of the options that callers give. They are checked nowhere else.
#ifndef CT_CHECK_OPTIONS_HPP
#define CT_CHECK_OPTIONS_HPP

#include <cachetools.h>

#include <cstdint>

namespace ct {

// At most one of them is allowed.
constexpr uint32_t kConditions = CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT | CT_ENTRY_IF_SAME;

constexpr uint32_t kMaxShards = 4096;

// Options as they will be in force, with copies of the structs that they point to.
struct CheckedOptions {
  ct_options options;
  ct_policy_ops custom;
  ct_allocator allocator;
};

// Sets *out and returns nullptr, or returns a sentence that says what is wrong.
const char *check_options(const ct_options *options, CheckedOptions *out);

// Likewise for an entry of a cache.
const char *check_entry_options(const ct_entry_options &given, const ct_options &cache,
                                ct_entry_options *out);

}  // namespace ct

#endif
