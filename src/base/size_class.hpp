// SPDX-License-Identifier: MIT
// Size classes of free blocks, as in TLSF (Masmano et al., "TLSF: a new dynamic memory allocator
// for real-time systems", 2004): one class for each size up to 15, then eight classes for each
// power of two.
#ifndef CT_SIZE_CLASS_HPP
#define CT_SIZE_CLASS_HPP

#include <cstdint>

namespace ct {

constexpr uint32_t kExactClasses = 16;

// Returns how many classes there are for sizes below 2^bits.
constexpr uint32_t classes_below(uint32_t bits) { return kExactClasses + 8 * (bits - 4); }

inline uint32_t class_of(uint32_t size) {
  if (size < kExactClasses) return size;
  const uint32_t log = 31 - static_cast<uint32_t>(__builtin_clz(size));
  return kExactClasses + (log - 4) * 8 + ((size >> (log - 3)) & 7);
}

// Returns the first class in which every size is at least that large.
inline uint32_t class_from(uint32_t size) {
  if (size < kExactClasses) return size;
  const uint32_t log = 31 - static_cast<uint32_t>(__builtin_clz(size));
  return class_of(size + (1u << (log - 3)) - 1);
}

}  // namespace ct

#endif
