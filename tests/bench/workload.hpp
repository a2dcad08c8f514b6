// SPDX-License-Identifier: MIT
// What is done to a cache while the clock runs, and how the cache is brought into the state for it.
#pragma once
#include <memory>
#include <vector>

#include "cache.hpp"

namespace bench {

/// What belongs to one thread.
struct alignas(128) Lane {
  uint64_t position = 0;  ///< in the stage's ids
  uint64_t fresh = 0;     ///< an id that no key has had
  uint64_t turn = 0;
  uint64_t sum = 0;  ///< of what was read, so that nothing is left out as unused
  std::vector<char> values;
};

/// A cache with known contents, and the ids to ask it for. Filling takes longer than measuring:
/// the last stage is kept for the next benchmark that can go on with it.
class Stage {
 public:
  enum class Contents {
    kFilled,   ///< as many keys as it may hold, and ids of those that it does hold
    kChurned,  ///< filled, and replaced by others
    kSkewed,   ///< what zipf(0.99) over ten times as many keys left in it
  };

  Stage(const Kind &kind, const Setup &setup, unsigned threads, Contents contents);

  /// A stage for a benchmark: the last one if it will do.
  static Stage &get(const Kind &kind, const Setup &setup, unsigned threads, Contents contents);
  static void drop();

  Cache &cache() { return *cache_; }
  Lane &lane(unsigned thread) { return lanes_[thread]; }
  size_t value_size() const { return setup_.value_size; }

  uint64_t next_id(Lane &lane) const {
    const uint64_t id = ids_[lane.position];
    if (++lane.position == ids_.size()) lane.position = 0;
    return id;
  }

 private:
  bool becomes(const Kind &kind, const Setup &setup, unsigned threads, Contents contents);
  void fill();
  void churn();
  void skew();

  const Kind *kind_;
  const Setup setup_;
  Contents contents_;
  std::unique_ptr<Cache> cache_;
  std::vector<uint32_t> ids_;
  std::vector<Lane> lanes_;
};

struct Workload {
  const char *name;
  const char *what;
  Stage::Contents contents;
  /// Does count operations, a multiple of kBatch. Returns the number of hits.
  uint64_t (*run)(Stage &stage, Lane &lane, uint64_t count);
};

/// Keys of one get_batch.
constexpr uint64_t kBatch = std::tuple_size<Batch>::value;

extern const std::vector<Workload> kWorkloads;

}  // namespace bench
