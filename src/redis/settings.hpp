// SPDX-License-Identifier: MIT
// The options of a tier with their defaults filled in, and where its server is.
#ifndef CT_REDIS_SETTINGS_HPP
#define CT_REDIS_SETTINGS_HPP

#include <cachetools-redis.h>

#include "redis/bytes.hpp"

namespace ct::redis {

// Whether this library can read or fill a struct that begins with its size.
template <class T>
bool is_known_struct(const T *given) {
  constexpr size_t kMaxStructBytes = 4096;
  if (given->struct_size < sizeof(T) || given->struct_size > kMaxStructBytes) return false;
  const char *bytes = reinterpret_cast<const char *>(given);
  for (size_t i = sizeof(T); i < given->struct_size; i++) {
    if (bytes[i] != 0) return false;
  }
  return true;
}

// redis://user:password@host:port/db, rediss://..., unix:///path?db=0. Texts end with a zero.
struct Url {
  bool is_tls = false;
  bool is_local = false;
  Buffer user;
  Buffer password;
  Buffer host;  // or the path
  Buffer port;
  uint64_t db = 0;

  // Returns nullptr, or what is wrong.
  const char *parse(const char *url);
};

// Bytes of a request besides its key and value, at most.
constexpr size_t kRequestOverhead = 512;

struct Settings {
  Url url;
  Buffer prefix;
  ct_cache *near = nullptr;
  ct_options near_options;
  bool has_thread = true;
  bool is_raw = false;
  uint64_t ttl = 0;  // CT_NEVER: none, as in the next one
  uint64_t near_ttl = 0;
  uint64_t offline_ttl = 0;
  uint64_t max_stale = 0;
  uint64_t timeout = 0;
  uint64_t lease = 0;
  uint64_t max_value = 0;
  uint64_t max_pending = 0;
  void *user_data = nullptr;
  ct_redis_listener_fn listener = nullptr;

  // Returns nullptr, or what is wrong.
  const char *read(const ct_redis_options *options);
};

// What a problem is for want of memory, and of TLS.
extern const char *const kNoMemory;
extern const char *const kNoTls;

}  // namespace ct::redis

#endif
