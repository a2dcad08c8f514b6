// SPDX-License-Identifier: MIT
// Statistics as text for Prometheus, in its exposition format, version 0.0.4: each metric once, with
// the samples of all caches. A little of the text is held at a time, and no memory is allocated. So
// the counters of each cache are read anew for each metric.
#ifndef CT_EXPOSITION_HPP
#define CT_EXPOSITION_HPP

#include <cachetools.h>

#include <cstddef>
#include <cstdint>

#include "cache/cache.hpp"

namespace ct {

class Exposition {
 public:
  // The names are UTF-8.
  Exposition(ct_cache *const *caches, const char *const *names, size_t count, ct_write_fn write,
             void *user_data) noexcept
      : caches_(caches), names_(names), count_(count), write_(write), user_data_(user_data) {}
  Exposition(const Exposition &) = delete;
  Exposition &operator=(const Exposition &) = delete;

  // Returns CT_OK, or the failure that the callback returned. It is not called after that.
  ct_status write();

 private:
  struct Metric;
  static const Metric kMetrics[];

  Cache &cache(size_t i) const { return *reinterpret_cast<Cache *>(caches_[i]); }
  template <class Visit>
  void put_metric(const char *name, const char *type, const char *help, bool counts,
                  Visit put_samples);
  void put_sample(const char *metric, const char *suffix, size_t cache);
  void put_loads(size_t cache, const ct_stats &stats);
  void put(char c);
  void put(const char *text);
  void put_decimal(uint64_t number, uint32_t digits);
  void flush();

  ct_cache *const *const caches_;
  const char *const *const names_;
  const size_t count_;
  const ct_write_fn write_;
  void *const user_data_;
  ct_status status_ = CT_OK;
  size_t size_ = 0;
  char text_[1024];
};

}  // namespace ct

#endif
