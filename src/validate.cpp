// SPDX-License-Identifier: MIT
// Only in the static build for tests.
#include "../abi/boundary.hpp"
#include "internal.h"

const char *ct_validate(ct_cache *cache) { return ct::unwrap(cache)->problem(); }

void ct_measure_searches(ct_cache *cache, uint64_t *total, uint64_t *longest) {
  *total = *longest = 0;
  const ct::Family &shards = ct::unwrap(cache)->shards();
  for (uint32_t i = 0; i < shards.count; i++) shards[i].measure_searches(total, longest);
}
