// SPDX-License-Identifier: MIT
// XXH3, compiled in once: inlined at every use it would be half of the library.
#include "hash.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ct {

uint64_t hash_key(const void *key, size_t size, uint64_t seed) {
  return XXH3_64bits_withSeed(key, size, seed);
}

}  // namespace ct
