// SPDX-License-Identifier: MIT
// Reads a snapshot: all of it, into memory of its own, before the cache is touched. No length is
// trusted: memory is allocated for bytes that have been read.
#include <cstring>

#include "snapshot/collection.hpp"
#include "snapshot/frames.hpp"
#include "snapshot/snapshot.hpp"

namespace ct {
namespace {

class Loader {
 public:
  Loader(Cache &cache, ct_read_fn read, void *user_data, bool aged) noexcept
      : cache_(cache),
        aged_(aged),
        in_(cache.memory(), read, user_data),
        contents_(cache.memory()),
        key_(cache.memory()),
        value_(cache.memory()),
        tags_(cache.memory()) {}

  ct_status load(bool whole) {
    read_head();
    while (in_.status() == CT_OK && !ended_) read_part();
    if (whole && in_.status() == CT_OK) in_.expect_end();
    if (in_.status() != CT_OK) return in_.status();
    if (aged_) age();
    // As the snapshot was saved by a precise clock.
    const Clock clock = cache_.clock().precise();
    Now now(clock);
    return contents_.restore(cache_, now);
  }

 private:
  // ---- Reading

  bool require(bool condition) { return condition || in_.fail(CT_ERR_CORRUPT); }

  void read_head() {
    constexpr uint64_t kKnown = Snapshot::kCounted | Snapshot::kDated | Snapshot::kTagged;
    constexpr size_t kPrefixBytes = sizeof Snapshot::kPrefix;
    char prefix[kPrefixBytes + 2];
    uint64_t zeros;
    if (!in_.get_raw(prefix, sizeof prefix)) return;
    const uint64_t version = read_number(prefix + kPrefixBytes, 2);
    const bool is_known = version >= Snapshot::kUndated && version <= Snapshot::kWithTags;
    if (!require(is_known && std::memcmp(prefix, Snapshot::kPrefix, kPrefixBytes) == 0)) return;
    if (!in_.get_number(&weighing_, 1) || !in_.get_number(&flags_, 1) ||
        !in_.get_number(&zeros, 2)) {
      return;
    }
    if (!require(weighing_ <= Cache::kWeigher && (flags_ & ~kKnown) == 0 && zeros == 0)) return;
    if (!require(Snapshot::version(flags_) == version)) return;
    if ((flags_ & Snapshot::kDated) != 0) {
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
      if (require(!contents_.has_entries())) contents_.begin_shard();
    } else {
      ended_ = require(part == Snapshot::kEnd && in_.at_end_of_frame());
    }
  }

  void read_rank() {
    uint64_t rank, id;
    if (!in_.get_number(&rank, 1) || !in_.get_number(&id, 8)) return;
    const bool may_come = contents_.has_shards() && !contents_.has_entries();
    if (!require(rank < Policy::kRanks && may_come)) return;
    if (!contents_.add_rank({id, static_cast<uint32_t>(rank)})) in_.fail(CT_ERR_NOMEM);
  }

  void read_entry() {
    uint64_t flags, key_size, value_size;
    uint64_t tag_count = 0;
    Record record = {{}, {}, 0, CT_NEVER, CT_NEVER, 0, false, 0, {}};
    if (!in_.get_number(&flags, 1) || !in_.get_number(&key_size, 4) ||
        !in_.get_number(&value_size, 4)) {
      return;
    }
    uint64_t known = Snapshot::kWeighed | Snapshot::kTtl | Snapshot::kIdle;
    if ((flags_ & Snapshot::kTagged) != 0) known |= Snapshot::kTags;
    const bool weighed = (flags & Snapshot::kWeighed) != 0;
    if (!require((flags & ~known) == 0 && !(weighed && weighing_ == CT_WEIGHT_MEMORY))) return;
    if ((flags_ & Snapshot::kCounted) != 0 && !in_.get_number(&record.uses, 8)) return;
    if (weighed && !in_.get_number(&record.weight, 8)) return;
    if ((flags & Snapshot::kTtl) != 0 && !in_.get_number(&record.ttl, 8)) return;
    if ((flags & Snapshot::kIdle) != 0 && !in_.get_number(&record.idle, 8)) return;
    if ((flags & Snapshot::kTags) != 0) {
      if (!in_.get_number(&tag_count, 1) || !require(tag_count != 0 && tag_count <= kMostTags))
        return;
    }
    // No lifetime is saved that is over, and no cache has counted 2^63 uses.
    if (!require(record.ttl != 0 && record.idle != 0 && record.uses <= INT64_MAX)) return;
    record.weighed = weighed && weighing_ == cache_.weighing();
    record.tag_count = static_cast<uint32_t>(tag_count);
    if (!read_bytes(key_size, key_) || !read_bytes(value_size, value_)) return;
    if (!read_tags(record.tag_count)) return;
    record.key = {key_.begin(), key_.size()};
    record.value = {value_.begin(), value_.size()};
    record.tags = {tags_.begin(), tags_.size()};
    if (!contents_.add_entry(record)) in_.fail(CT_ERR_NOMEM);
  }

  // Reads tags as a Record has them.
  bool read_tags(uint32_t count) {
    tags_.truncate();
    for (uint32_t i = 0; i < count; i++) {
      uint64_t number;
      if (!in_.get_number(&number, 4)) return false;
      const auto size = static_cast<uint32_t>(number);
      if (!tags_.reserve(sizeof size)) return in_.fail(CT_ERR_NOMEM);
      std::memcpy(tags_.end(), &size, sizeof size);
      tags_.extend(sizeof size);
      if (!append_bytes(size, tags_)) return false;
    }
    return true;
  }

  // Whatever `size` says, never takes much more memory than bytes that were there to be read.
  bool read_bytes(uint64_t size, Array<char> &to) {
    to.truncate();
    return append_bytes(size, to);
  }
  bool append_bytes(uint64_t size, Array<char> &to) {
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

  // The date is read after the input, however long reading that took, but before the timer from
  // which the rest counts. So no lifetime ends early.
  void age() {
    const uint64_t now = system::read_date();
    contents_.age(now > date_ ? now - date_ : 0);
  }

  Cache &cache_;
  const bool aged_;  // lifetimes are shorter by the time since the save
  FrameReader in_;
  Collection contents_;
  uint64_t weighing_ = 0;
  uint64_t flags_ = 0;
  uint64_t date_ = 0;  // of the save, if flags_ say so
  bool ended_ = false;
  // Key, value and tags of the entry that is being read.
  Array<char> key_;
  Array<char> value_;
  Array<char> tags_;
};

}  // namespace

ct_status Snapshot::load(Cache &cache, ct_read_fn read, void *user_data, uint32_t flags,
                         bool whole) {
  const bool aged = (flags & CT_SNAPSHOT_AGED) != 0;
  if (aged && !cache.clock().is_systems()) return CT_ERR_UNSUPPORTED;
  return Loader(cache, read, user_data, aged).load(whole);
}

}  // namespace ct
