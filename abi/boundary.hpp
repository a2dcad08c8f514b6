// SPDX-License-Identifier: MIT
// The boundary between C and the core: bodies of exported functions check arguments, call src/, and
// translate. There is no guard against exceptions, because there are none: the core is compiled
// without, allocates by its own Memory, and says so when there is no memory.
#ifndef CT_BOUNDARY_HPP
#define CT_BOUNDARY_HPP

#include <cachetools.h>

#include <cstring>

#include "base/options.hpp"
#include "cache/cache.hpp"
#include "cache/iter.hpp"

namespace ct {

inline Cache *unwrap(ct_cache *cache) { return reinterpret_cast<Cache *>(cache); }
inline const Cache *unwrap(const ct_cache *cache) { return reinterpret_cast<const Cache *>(cache); }
inline ct_cache *wrap(Cache *cache) { return reinterpret_cast<ct_cache *>(cache); }

// What C passes as a ct_policy may be any number, also one that no ct_policy of C++ can be.
inline int32_t number_of(const ct_policy &policy) {
  static_assert(sizeof(ct_policy) == sizeof(int32_t), "32 bits wide in C too");
  int32_t number;
  std::memcpy(&number, &policy, sizeof number);
  return number;
}

// Callbacks are never shown NULL, so no bytes have an address too.
inline Bytes bytes(const void *data, size_t size) {
  return {data == nullptr ? "" : static_cast<const char *>(data), size};
}

// A result that may not be wanted, before anything is known of it.
inline void zero(ct_value *value) {
  if (value != nullptr) *value = ct_value CT_VALUE_INIT;
}

// Whether bytes may be read: CT_OK, CT_ERR_INVALID or CT_ERR_TOO_LARGE.
inline ct_status check_bytes(const void *data, size_t size) {
  if (is_too_long(size)) return CT_ERR_TOO_LARGE;
  return data == nullptr && size > 0 ? CT_ERR_INVALID : CT_OK;
}

inline ct_status check_key(const ct_cache *cache, const void *key, size_t key_size) {
  return cache == nullptr ? CT_ERR_INVALID : check_bytes(key, key_size);
}

// The function form of an initializer: as much of it as fits, zeros behind it.
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
