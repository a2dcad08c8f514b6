// SPDX-License-Identifier: MIT
// Static probes for perf and bpftrace (USDT), of the provider cachetools. Where nobody traces, a
// probe is a nop, and its arguments stay where they are anyway. Without sys/sdt.h, or with
// -Dprobes=disabled, there are none.
//
//   hit         cache                    where ct_stats counts hits, also with CT_FLAG_NO_STATS
//   miss        cache                    likewise
//   evict       cache, weight            an entry leaves for want of room, or by ct_popitem
//   load_begin  cache, key, key_size     a caller has the lease of a load
//   load_end    cache, key, key_size     the lease has ended, with or without a value
//
// cache is the address of the ct_cache. evict and both probes of loads run under the shard's lock.
#ifndef CT_PROBES_HPP
#define CT_PROBES_HPP

#include <cstddef>
#include <cstdint>

#ifdef CT_PROBES
#include <sys/sdt.h>
#endif

namespace ct {

#ifdef CT_PROBES

class Probes {
 public:
  explicit Probes(const void *cache) noexcept : cache_(cache) {}

  void probe_hit() const { DTRACE_PROBE1(cachetools, hit, cache_); }
  void probe_miss() const { DTRACE_PROBE1(cachetools, miss, cache_); }
  void probe_eviction(uint64_t weight) const { DTRACE_PROBE2(cachetools, evict, cache_, weight); }
  void probe_load_begin(const char *key, size_t key_size) const {
    DTRACE_PROBE3(cachetools, load_begin, cache_, key, key_size);
  }
  void probe_load_end(const char *key, size_t key_size) const {
    DTRACE_PROBE3(cachetools, load_end, cache_, key, key_size);
  }

 private:
  const void *const cache_;
};

#else

// Takes no room as a base class.
class Probes {
 public:
  explicit Probes(const void *) noexcept {}

  void probe_hit() const {}
  void probe_miss() const {}
  void probe_eviction(uint64_t) const {}
  void probe_load_begin(const char *, size_t) const {}
  void probe_load_end(const char *, size_t) const {}
};

#endif

}  // namespace ct

#endif
