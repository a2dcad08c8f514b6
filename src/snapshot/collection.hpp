// SPDX-License-Identifier: MIT
// Entries that are about to be restored, and their order, apart from any cache: in the parts that
// snapshot.hpp lists, wherever these come from. Key and value of each are copied. The caller sees to
// it that all ranks come before the first entry.
#ifndef CT_COLLECTION_HPP
#define CT_COLLECTION_HPP

#include <cachetools.h>

#include <cstddef>
#include <cstdint>

#include "base/array.hpp"
#include "cache/cache.hpp"
#include "shard/order_walk.hpp"
#include "shard/record.hpp"

namespace ct {

// An arena: memory that is given back all at once. It takes at most about twice the memory that is
// used.
class Arena {
 public:
  explicit Arena(Memory &memory) noexcept : memory_(memory) {}
  ~Arena() {
    while (chunks_ != nullptr) {
      Chunk *chunk = chunks_;
      chunks_ = chunk->next;
      memory_.release(chunk, chunk->bytes, alignof(Chunk));
    }
  }
  Arena(const Arena &) = delete;
  Arena &operator=(const Arena &) = delete;

  // Returns memory aligned to 8 bytes, or nullptr if there is none.
  char *allocate(uint64_t bytes) noexcept {
    bytes = (bytes + 7) & ~uint64_t{7};
    if (bytes > left_ && !add_chunk(bytes)) return nullptr;
    char *taken = reinterpret_cast<char *>(chunks_) + chunks_->bytes - left_;
    left_ -= static_cast<size_t>(bytes);
    used_ += bytes;
    return taken;
  }

 private:
  static constexpr uint64_t kMostAhead = 1024 * 1024;

  struct alignas(8) Chunk {
    Chunk *next;
    size_t bytes;
  };

  bool add_chunk(uint64_t bytes) noexcept {
    const uint64_t room = std::max(bytes, std::min(used_, kMostAhead));
    if (room > SIZE_MAX / 2) return false;
    const auto size = static_cast<size_t>(room) + sizeof(Chunk);
    void *where = memory_.allocate(size, alignof(Chunk));
    if (where == nullptr) return false;
    chunks_ = new (where) Chunk{chunks_, size};
    left_ = static_cast<size_t>(room);
    return true;
  }

  Memory &memory_;
  Chunk *chunks_ = nullptr;  // the latest chunk first
  size_t left_ = 0;          // bytes left at the end of the first chunk
  uint64_t used_ = 0;
};

class Collection {
 public:
  explicit Collection(Memory &memory) noexcept
      : arena_(memory), ranks_(memory), entries_(memory), orders_(memory), sorted_(memory) {}
  Collection(const Collection &) = delete;
  Collection &operator=(const Collection &) = delete;

  bool has_shards() const { return has_shards_; }
  bool has_entries() const { return !entries_.empty(); }
  // Begins the order of a shard.
  bool begin_shard() {
    measure_shard();
    return has_shards_ = true;
  }
  // These return false if there is no memory.
  bool add_rank(const Ranked &ranked);
  bool add_entry(const Record &record);

  // Takes the time that has passed off the lifetimes that remained.
  void age(uint64_t elapsed);
  // Restores the entries in a cache, and forgets them. Lifetimes go on from `now`. Returns CT_OK or
  // CT_ERR_NOMEM.
  ct_status restore(Cache &cache, Now &now);

 private:
  // The number of an entry, and the keys by which it is sorted. `first` is the entry's id, and
  // later its count.
  struct Order {
    uint64_t first;
    uint32_t distance;  // from the hottest of its shard; 0: no rank, hotter than any entry with one
    uint32_t number;
  };

  struct Rank {
    uint64_t id;
    uint32_t distance;
    uint32_t rank;
  };

  void measure_shard();
  bool sort();
  void hand_out_distances();

  Arena arena_;
  bool has_shards_ = false;
  uint32_t shard_begin_ = 0;  // where those of the last shard begin in ranks_
  Array<Rank> ranks_;
  Array<Cache::Restored *> entries_;  // by their numbers
  Array<Order> orders_;
  Array<Cache::Restored *> sorted_;  // coldest first
};

}  // namespace ct

#endif
