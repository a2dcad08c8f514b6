// SPDX-License-Identifier: MIT
// Structs of the header: which sizes of them are read and filled, and what the options of a cache mean.
#ifndef CT_OPTIONS_HPP
#define CT_OPTIONS_HPP

#include <cachetools.h>

#include <cstddef>
#include <cstring>

namespace ct {

// Keys and values are shorter than 2^32.
constexpr bool is_too_long(uint64_t size) { return size > UINT32_MAX; }

// No struct will ever be larger: a size beyond that is a mistake, and nothing is read by it.
constexpr size_t kMaxStructBytes = 4096;

// Whether a struct that begins with its size is one that this library can read or fill: not shorter
// than the first release's, which is ours, and zeros where it is longer.
template <class T>
bool is_known_struct(const T *given) {
  if (given->struct_size < sizeof(T) || given->struct_size > kMaxStructBytes) return false;
  const char *bytes = reinterpret_cast<const char *>(given);
  for (size_t i = sizeof(T); i < given->struct_size; i++) {
    if (bytes[i] != 0) return false;
  }
  return true;
}

template <class T>
bool read_struct(const T *from, T *to) {
  if (!is_known_struct(from)) return false;
  *to = *from;
  to->struct_size = sizeof(T);
  return true;
}

// to is known; what it has beyond ours stays zeros.
template <class T>
void write_struct(const T &from, T *to) {
  const size_t size = to->struct_size;
  *to = from;
  to->struct_size = size;
}

// Whether maxsize limits memory. Options are checked.
inline bool counts_memory(const ct_options &options) {
  return options.weight_kind == CT_WEIGHT_MEMORY && options.weigher == nullptr;
}

constexpr ct_entry_options kNoEntryOptions = CT_ENTRY_OPTIONS_INIT;

}  // namespace ct

#endif
