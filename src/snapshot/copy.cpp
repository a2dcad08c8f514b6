// SPDX-License-Identifier: MIT
// Copies a cache: what a snapshot keeps of it is restored in a new one, with no bytes in between.
#include "cache/check_options.hpp"
#include "snapshot/collection.hpp"
#include "snapshot/contents.hpp"
#include "snapshot/snapshot.hpp"

namespace ct {

ct_status Snapshot::copy(Cache &cache, Cache **out) {
  const ct_options options = cache.options();
  // Two values would hold the same pointers, and each would be dropped. A policy without state_new
  // has one state for all of its ids, which would mean two entries each.
  const bool has_one_state = options.custom != nullptr && options.custom->state_new == nullptr;
  if (options.drop != nullptr || has_one_state) return CT_ERR_UNSUPPORTED;
  CheckedOptions checked;
  if (check_options(&options, &checked) != nullptr) return CT_ERR_INTERNAL;
  // Invalidated entries leave, as they would with ct_len.
  cache.sweep();
  Cache *copy;
  ct_status status = Cache::make(checked, &copy);
  if (status != CT_OK) return status;
  {
    // As lifetimes are read and given by the same reading, they end when those of the originals do.
    const Clock clock = cache.clock().precise();
    Now now(clock);
    Collection contents(copy->memory());
    Contents<Collection> walk(cache, now, contents);
    status = walk.show();
    if (status == CT_OK && !walk.goes_on()) status = CT_ERR_NOMEM;
    if (status == CT_OK) status = contents.restore(*copy, now);
  }
  if (status == CT_OK) {
    *out = copy;
  } else {
    copy->free();
  }
  return status;
}

}  // namespace ct
