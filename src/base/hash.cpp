// SPDX-License-Identifier: MIT
#include "base/hash.hpp"

namespace ct {

uint64_t hash_any(const void *key, size_t size, uint64_t seed) {
  return XXH3_64bits_withSeed(key, size, seed);
}

}  // namespace ct
