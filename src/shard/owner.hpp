// SPDX-License-Identifier: MIT
// The owner of shards: the cache that they belong to, as far as they know it. It is destroyed when
// nothing refers to it.
#ifndef CT_OWNER_HPP
#define CT_OWNER_HPP

#include <atomic>
#include <cstdint>

#include "shard/drops.hpp"
#include "shard/shards.hpp"

namespace ct {

class Curve;

class Owner {
 public:
  // Returns nullptr if the cache keeps no miss-ratio curve.
  Curve *curve() const { return curve_; }
  // The handle refers to the cache, and so does each pin that outlives the handle.
  void refer(uint64_t count) { references_.fetch_add(count, std::memory_order_relaxed); }
  // These are defined in cache.cpp: every owner is a Cache. The first one is for a cache with a
  // drop alone.
  Drops &drops() noexcept;
  const Shards &shards_of_all() const noexcept;
  // Destroys the cache if that was the last reference.
  void unrefer() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }

 protected:
  Owner() = default;
  ~Owner() = default;
  Owner(const Owner &) = delete;
  Owner &operator=(const Owner &) = delete;

  Curve *curve_ = nullptr;

 private:
  // Defined in cache.cpp, too.
  void destroy() noexcept;

  std::atomic<uint64_t> references_{1};
};

}  // namespace ct

#endif
