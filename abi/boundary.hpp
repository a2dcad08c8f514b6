// SPDX-License-Identifier: MIT
// The boundary between C and the core. Exported functions check arguments, call src/, and translate
// the result. They need no guard against exceptions: the core is compiled without exceptions, and
// its Memory returns nullptr when there is no memory.
#ifndef CT_BOUNDARY_HPP
#define CT_BOUNDARY_HPP

#include <cachetools.h>

#include <cstring>

#include "base/options.hpp"
#include "cache/cache.hpp"
#include "cache/iter.hpp"

namespace ct {

// The object behind a handle that is not NULL.
template <class T, class H>
T *object_of(H *handle) {
  auto *object = reinterpret_cast<T *>(handle);
  object->mark().use();
  return object;
}

inline Cache *unwrap(ct_cache *cache) { return object_of<Cache>(cache); }
inline const Cache *unwrap(const ct_cache *cache) { return object_of<const Cache>(cache); }
inline ct_cache *wrap(Cache *cache) { return reinterpret_cast<ct_cache *>(cache); }

// C may pass any number as a ct_policy, even one that the enum cannot hold in C++.
inline int32_t number_of(const ct_policy &policy) {
  static_assert(sizeof(ct_policy) == sizeof(int32_t), "32 bits wide in C too");
  int32_t number;
  std::memcpy(&number, &policy, sizeof number);
  return number;
}

// Empty bytes get an address, because callbacks are never shown NULL.
inline Bytes bytes(const void *data, size_t size) {
  return {data == nullptr ? "" : static_cast<const char *>(data), size};
}

// Zeros an [out] argument that may be NULL.
inline void zero(ct_value *value) {
  if (value != nullptr) *value = ct_value CT_VALUE_INIT;
}

// Returns CT_OK if the bytes may be read, else CT_ERR_INVALID or CT_ERR_TOO_LARGE.
inline ct_status check_bytes(const void *data, size_t size) {
  if (is_too_long(size)) return CT_ERR_TOO_LARGE;
  return data == nullptr && size > 0 ? CT_ERR_INVALID : CT_OK;
}

inline ct_status check_key(const ct_cache *cache, const void *key, size_t key_size) {
  return cache == nullptr ? CT_ERR_INVALID : check_bytes(key, key_size);
}

// Zeros an [out] array that may be NULL.
template <class T>
void zero_all(T *array, size_t count) {
  if (array != nullptr && count > 0) std::memset(static_cast<void *>(array), 0, count * sizeof(T));
}

// Returns CT_ERR_INVALID if an offset is less than the one before or data is missing, and
// CT_ERR_TOO_LARGE if a piece has 2^32 bytes or more.
inline ct_status check_ends(const void *data, const size_t *ends, size_t count) {
  ct_status status = CT_OK;
  size_t begin = 0;
  for (size_t i = 0; i < count; i++) {
    if (ends[i] < begin) return CT_ERR_INVALID;
    if (is_too_long(ends[i] - begin)) status = CT_ERR_TOO_LARGE;
    begin = ends[i];
  }
  return data == nullptr && begin > 0 ? CT_ERR_INVALID : status;
}

// The function form of an initializer: copies as much of it as fits, and zeros the rest.
template <class T>
void init_struct(T *to, size_t size, const T &from) {
  if (to == nullptr) return;
  std::memset(static_cast<void *>(to), 0, size);
  T sized = from;
  sized.struct_size = size;
  std::memcpy(static_cast<void *>(to), &sized, size < sizeof(T) ? size : sizeof(T));
}

template <class T>
bool can_write(const T *to) {
  return to != nullptr && is_known_struct(to);
}

}  // namespace ct

#endif
