// SPDX-License-Identifier: MIT
// The only place that knows how keys are hashed. One 64-bit hash serves all purposes, which use
// disjoint bits:
//   0..7    tag in a bucket
//   8..19   shard
//   32..63  position in the index
#ifndef CT_HASH_HPP
#define CT_HASH_HPP

#include <cstddef>
#include <cstdint>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ct {

// XXH3 for any length. Inlined at every use, this would be half of the library.
uint64_t hash_any(const void *key, size_t size, uint64_t seed);

// Numbers and UUIDs are the most frequent keys. At a constant length the compiler reduces XXH3 to a
// few instructions.
[[gnu::always_inline]] inline uint64_t hash_key(const void *key, size_t size, uint64_t seed) {
  switch (size) {
    case 8:
      return XXH3_64bits_withSeed(key, 8, seed);
    case 16:
      return XXH3_64bits_withSeed(key, 16, seed);
    default:
      return hash_any(key, size, seed);
  }
}

// Returns 1..255, because 0 marks an empty slot.
inline uint8_t hash_tag(uint64_t hash) {
  const uint8_t tag = static_cast<uint8_t>(hash);
  return static_cast<uint8_t>(tag - (tag == 0));
}

inline uint32_t hash_position(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

// shards is a power of two up to 4096.
inline uint32_t hash_shard(uint64_t hash, uint32_t shards) {
  return static_cast<uint32_t>(hash >> 8) & (shards - 1);
}

}  // namespace ct

#endif
