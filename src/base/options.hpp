// SPDX-License-Identifier: MIT
// Structs of the public header: which struct sizes are accepted, and what a cache's options mean.
#ifndef CT_OPTIONS_HPP
#define CT_OPTIONS_HPP

#include <cachetools.h>

#include <cstddef>
#include <cstring>

namespace ct {

// Keys and values are shorter than 2^32 bytes.
constexpr bool is_too_long(uint64_t size) { return size > UINT32_MAX; }

// No struct will ever be larger. A larger size is a mistake, and no byte is read because of it.
constexpr size_t kMaxStructBytes = 4096;

// Returns whether this library can read or fill a struct that begins with its size. The struct must
// not be shorter than that of the first release, which is this one, and must hold zeros where it is
// longer.
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

// to is a known struct. Its bytes beyond this library's struct stay zeros.
template <class T>
void write_struct(const T &from, T *to) {
  const size_t size = to->struct_size;
  *to = from;
  to->struct_size = size;
}

// Returns whether maxsize limits memory. The options have been checked.
inline bool counts_memory(const ct_options &options) {
  return options.weight_kind == CT_WEIGHT_MEMORY && options.weigher == nullptr;
}

constexpr ct_entry_options kNoEntryOptions = CT_ENTRY_OPTIONS_INIT;

}  // namespace ct

#endif
