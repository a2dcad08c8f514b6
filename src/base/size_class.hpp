// SPDX-License-Identifier: MIT
// Classes of sizes for free blocks, as of TLSF (Masmano et al., "TLSF: a new dynamic memory allocator
// for real-time systems", 2004): one a size up to 15, then eight a power of two.
#ifndef CT_SIZE_CLASS_HPP
#define CT_SIZE_CLASS_HPP

#include <cstdint>

namespace ct {

constexpr uint32_t kExactClasses = 16;

// How many there are of sizes below 2^bits.
constexpr uint32_t classes_below(uint32_t bits) { return kExactClasses + 8 * (bits - 4); }

inline uint32_t class_of(uint32_t size) {
  if (size < kExactClasses) return size;
  const uint32_t log = 31 - static_cast<uint32_t>(__builtin_clz(size));
  return kExactClasses + (log - 4) * 8 + ((size >> (log - 3)) & 7);
}

// The first class in which every size is at least that.
inline uint32_t class_from(uint32_t size) {
  if (size < kExactClasses) return size;
  const uint32_t log = 31 - static_cast<uint32_t>(__builtin_clz(size));
  return class_of(size + (1u << (log - 3)) - 1);
}

}  // namespace ct

#endif
