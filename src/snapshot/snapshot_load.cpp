// SPDX-License-Identifier: MIT
// Reads a snapshot: all of it, into memory of its own, before the cache is touched. No length is
// trusted: memory is allocated for bytes that have been read.
#include <algorithm>
#include <cstring>
#include <new>

#include "shard/shard_walk.hpp"
#include "snapshot/frames.hpp"
#include "snapshot/snapshot.hpp"

namespace ct {
namespace {

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

class Loader {
 public:
  Loader(Cache &cache, ct_read_fn read, void *user_data, bool aged) noexcept
      : cache_(cache),
        aged_(aged),
        in_(cache.memory(), read, user_data),
        arena_(cache.memory()),
        ranks_(cache.memory()),
        entries_(cache.memory()),
        orders_(cache.memory()),
        sorted_(cache.memory()),
        key_(cache.memory()),
        value_(cache.memory()) {}

  ct_status load(bool whole) {
    read_head();
    while (in_.status() == CT_OK && !ended_) read_part();
    if (whole && in_.status() == CT_OK) in_.expect_end();
    if (in_.status() != CT_OK) return in_.status();
    if (aged_) age();
    if (!sort()) return CT_ERR_NOMEM;
    return cache_.restore(sorted_.begin(), sorted_.size());
  }

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

  // ---- Reading

  bool require(bool condition) { return condition || in_.fail(CT_ERR_CORRUPT); }

  void read_head() {
    constexpr uint64_t kKnown = Snapshot::kCounted | Snapshot::kDated;
    char prefix[sizeof Snapshot::kUndatedPrefix];
    uint64_t zeros;
    if (!in_.get_raw(prefix, sizeof prefix)) return;
    const bool dated = std::memcmp(prefix, Snapshot::kDatedPrefix, sizeof prefix) == 0;
    const bool undated = std::memcmp(prefix, Snapshot::kUndatedPrefix, sizeof prefix) == 0;
    if (!require(dated || undated)) return;
    if (!in_.get_number(&weighing_, 1) || !in_.get_number(&flags_, 1) ||
        !in_.get_number(&zeros, 2)) {
      return;
    }
    if (!require(weighing_ <= Cache::kWeigher && (flags_ & ~kKnown) == 0 && zeros == 0)) return;
    if (!require(((flags_ & Snapshot::kDated) != 0) == dated)) return;
    if (dated) {
      in_.get_number(&date_, 8);
    } else if (aged_) {
      in_.fail(CT_ERR_UNSUPPORTED);
    }
  }

  void read_part() {
    uint64_t part;
    if (!in_.get_number(&part, 1)) return;
    if (part == Snapshot::kEntry) {
      read_entry();
    } else if (part == Snapshot::kRank) {
      read_rank();
    } else if (part == Snapshot::kShard) {
      if (!require(entries_.empty())) return;
      measure_shard();
      in_shard_ = true;
    } else {
      ended_ = require(part == Snapshot::kEnd && in_.at_end_of_frame());
    }
  }

  void read_rank() {
    uint64_t rank, id;
    if (!in_.get_number(&rank, 1) || !in_.get_number(&id, 8)) return;
    if (!require(rank < Policy::kRanks && in_shard_ && entries_.empty())) return;
    if (!ranks_.reserve(1)) {
      in_.fail(CT_ERR_NOMEM);
      return;
    }
    ranks_.push({id, 0, static_cast<uint32_t>(rank)});
  }

  void read_entry() {
    uint64_t flags, key_size, value_size;
    Record record = {{}, {}, 0, CT_NEVER, CT_NEVER, 0, false};
    if (!in_.get_number(&flags, 1) || !in_.get_number(&key_size, 4) ||
        !in_.get_number(&value_size, 4)) {
      return;
    }
    constexpr uint64_t kKnown = Snapshot::kWeighed | Snapshot::kTtl | Snapshot::kIdle;
    const bool weighed = (flags & Snapshot::kWeighed) != 0;
    if (!require((flags & ~kKnown) == 0 && !(weighed && weighing_ == CT_WEIGHT_MEMORY))) return;
    if ((flags_ & Snapshot::kCounted) != 0 && !in_.get_number(&record.uses, 8)) return;
    if (weighed && !in_.get_number(&record.weight, 8)) return;
    if ((flags & Snapshot::kTtl) != 0 && !in_.get_number(&record.ttl, 8)) return;
    if ((flags & Snapshot::kIdle) != 0 && !in_.get_number(&record.idle, 8)) return;
    // No lifetime is saved that is over, and no cache has counted 2^63 uses.
    if (!require(record.ttl != 0 && record.idle != 0 && record.uses <= INT64_MAX)) return;
    record.weighed = weighed && weighing_ == cache_.weighing();
    if (read_bytes(key_size, key_) && read_bytes(value_size, value_) && !stage(record)) {
      in_.fail(CT_ERR_NOMEM);
    }
  }

  // Whatever `size` says, never takes much more memory than bytes that were there to be read.
  bool read_bytes(uint64_t size, Array<char> &to) {
    to.truncate();
    while (size > 0) {
      const uint32_t part = in_.available(size);
      if (part == 0) return false;
      if (!to.reserve(part)) return in_.fail(CT_ERR_NOMEM);
      in_.get(to.end(), part);
      to.extend(part);
      size -= part;
    }
    return true;
  }

  bool stage(const Record &record) {
    const uint64_t bytes = sizeof(Cache::Restored) + uint64_t{key_.size()} + value_.size();
    char *where = arena_.allocate(bytes);
    if (where == nullptr || !entries_.reserve(1) || !orders_.reserve(1)) return false;
    char *key = where + sizeof(Cache::Restored);
    char *value = key + key_.size();
    if (!key_.empty()) std::memcpy(key, key_.begin(), key_.size());
    if (!value_.empty()) std::memcpy(value, value_.begin(), value_.size());
    auto *entry = new (where) Cache::Restored{record, kNone};
    entry->record.key = {key, key_.size()};
    entry->record.value = {value, value_.size()};
    orders_.push({ShardWalk::id_of(entry->record.key), 0, entries_.size()});
    entries_.push(entry);
    return true;
  }

  // ---- Ageing

  // Takes the time since the save off the lifetimes that remained then. The date is read after the
  // input, however long reading that took, but before the timer from which the rest counts. So no
  // lifetime ends early.
  void age() {
    const uint64_t now = Clock::read_date();
    const uint64_t elapsed = now > date_ ? now - date_ : 0;
    for (Cache::Restored *entry : entries_) {
      Record &record = entry->record;
      record.ttl = remaining_after(record.ttl, elapsed);
      record.idle = remaining_after(record.idle, elapsed);
    }
  }

  // ---- Sorting

  // Sets the distance of each entry of the shard: the number of entries that do not leave before
  // it. These are the entries of higher ranks, the later ones of its own rank, and the entry
  // itself.
  void measure_shard() {
    uint32_t left[Policy::kRanks + 1] = {};
    for (uint32_t i = shard_begin_; i < ranks_.size(); i++) left[ranks_[i].rank]++;
    for (uint32_t rank = Policy::kRanks; rank > 0; rank--) left[rank - 1] += left[rank];
    for (uint32_t i = shard_begin_; i < ranks_.size(); i++) {
      Rank &rank = ranks_[i];
      rank.distance = left[rank.rank]--;
    }
    shard_begin_ = ranks_.size();
  }

  // Sorts the entries, the coldest first: by count, then by how many entries of their shard are
  // hotter. So shards are laid side by side, however many there were. Returns false if there is no
  // memory.
  bool sort() {
    if (!sorted_.reserve(entries_.size())) return false;
    measure_shard();
    hand_out_distances();
    for (Order &order : orders_) order.first = entries_[order.number]->record.uses;
    std::sort(orders_.begin(), orders_.end(), [](const Order &a, const Order &b) {
      if (a.first != b.first) return a.first < b.first;
      return a.distance != b.distance ? a.distance > b.distance : a.number < b.number;
    });
    for (const Order &order : orders_) sorted_.push(entries_[order.number]);
    orders_.clear();
    entries_.clear();
    return true;
  }

  // Gives each entry the distance that has its id, by merging the two sorted lists. Where keys
  // share an id, each of them gets one of their distances.
  void hand_out_distances() {
    std::sort(ranks_.begin(), ranks_.end(), [](const Rank &a, const Rank &b) {
      return a.id != b.id ? a.id < b.id : a.distance > b.distance;
    });
    std::sort(orders_.begin(), orders_.end(), [](const Order &a, const Order &b) {
      return a.first != b.first ? a.first < b.first : a.number < b.number;
    });
    uint32_t next = 0;
    for (Order &order : orders_) {
      while (next < ranks_.size() && ranks_[next].id < order.first) next++;
      if (next == ranks_.size()) break;
      if (ranks_[next].id == order.first) order.distance = ranks_[next++].distance;
    }
    ranks_.clear();
  }

  Cache &cache_;
  const bool aged_;  // lifetimes are shorter by the time since the save
  FrameReader in_;
  Arena arena_;
  uint64_t weighing_ = 0;
  uint64_t flags_ = 0;
  uint64_t date_ = 0;  // of the save, if flags_ say so
  bool in_shard_ = false;
  bool ended_ = false;
  uint32_t shard_begin_ = 0;  // where those of the last shard begin in ranks_
  Array<Rank> ranks_;
  Array<Cache::Restored *> entries_;  // by their numbers
  Array<Order> orders_;
  Array<Cache::Restored *> sorted_;  // coldest first
  // Key and value of the entry that is being read.
  Array<char> key_;
  Array<char> value_;
};

}  // namespace

ct_status Snapshot::load(Cache &cache, ct_read_fn read, void *user_data, uint32_t flags,
                         bool whole) {
  const bool aged = (flags & CT_SNAPSHOT_AGED) != 0;
  if (aged && !cache.clock().is_systems()) return CT_ERR_UNSUPPORTED;
  return Loader(cache, read, user_data, aged).load(whole);
}

}  // namespace ct
