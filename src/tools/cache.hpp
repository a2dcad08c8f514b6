// SPDX-License-Identifier: MIT
// The library's handle as an object.
#ifndef SIM_CACHE_HPP
#define SIM_CACHE_HPP

#include <cachetools.h>

#include <memory>

#include "failure.hpp"

namespace sim {

// Throws a Failure unless status is CT_OK.
inline void check(ct_status status) {
  if (status != CT_OK) throw Failure{kSystemFailed, ct_status_message(status)};
}

struct FreeCache {
  void operator()(ct_cache *cache) const { ct_cache_free(cache); }
};

using Cache = std::unique_ptr<ct_cache, FreeCache>;

// Makes a single-threaded cache without statistics.
inline Cache make_cache(ct_options options) {
  options.flags |= CT_FLAG_SINGLE_THREADED | CT_FLAG_NO_STATS;
  ct_cache *cache;
  check(ct_cache_new_with(&options, &cache));
  return Cache(cache);
}

}  // namespace sim

#endif
