// SPDX-License-Identifier: MIT
// Writes a snapshot.
#include <cstring>

#include "snapshot/contents.hpp"
#include "snapshot/frames.hpp"
#include "snapshot/snapshot.hpp"

namespace ct {
namespace {

class Saver {
 public:
  Saver(Cache &cache, ct_write_fn write, void *user_data) noexcept
      : cache_(cache),
        clock_(cache.clock().precise()),
        now_(clock_),
        out_(cache.memory(), write, user_data) {}

  ct_status save() {
    has_frequency_ = cache_.shards()[0].has_frequency();
    tagged_ = cache_.are_tags_used();
    put_head();
    const ct_status status = Contents<Saver>(cache_, now_, *this).show();
    if (status != CT_OK) return status;
    out_.put_number(Snapshot::kEnd, 1);
    return out_.end();
  }

  bool begin_shard() {
    out_.put_number(Snapshot::kShard, 1);
    return !out_.failed();
  }
  bool add_rank(const Ranked &ranked) {
    out_.put_number(Snapshot::kRank, 1);
    out_.put_number(ranked.rank, 1);
    out_.put_number(ranked.id, 8);
    return !out_.failed();
  }
  bool add_entry(const Record &record) {
    // What carries the cache's first tags has come since the head was written.
    if (record.tag_count != 0 && !tagged_) return true;
    uint32_t flags = 0;
    if (record.weighed) flags |= Snapshot::kWeighed;
    if (record.ttl != CT_NEVER) flags |= Snapshot::kTtl;
    if (record.idle != CT_NEVER) flags |= Snapshot::kIdle;
    if (record.tag_count != 0) flags |= Snapshot::kTags;
    out_.put_number(Snapshot::kEntry, 1);
    out_.put_number(flags, 1);
    out_.put_number(record.key.size, 4);
    out_.put_number(record.value.size, 4);
    if (has_frequency_) out_.put_number(record.uses, 8);
    if (record.weighed) out_.put_number(record.weight, 8);
    if (record.ttl != CT_NEVER) out_.put_number(record.ttl, 8);
    if (record.idle != CT_NEVER) out_.put_number(record.idle, 8);
    if (record.tag_count != 0) out_.put_number(record.tag_count, 1);
    out_.put(record.key.data, record.key.size);
    out_.put(record.value.data, record.value.size);
    record.each_tag([this](Bytes tag) {
      out_.put_number(tag.size, 4);
      out_.put(tag.data, tag.size);
    });
    return !out_.failed();
  }

 private:
  void put_head() {
    const bool dated = cache_.clock().is_systems();
    uint32_t flags = 0;
    if (has_frequency_) flags |= Snapshot::kCounted;
    if (dated) flags |= Snapshot::kDated;
    if (tagged_) flags |= Snapshot::kTagged;
    char prefix[sizeof Snapshot::kPrefix + 2];
    std::memcpy(prefix, Snapshot::kPrefix, sizeof Snapshot::kPrefix);
    write_number(prefix + sizeof Snapshot::kPrefix, Snapshot::version(flags), 2);
    out_.put_raw(prefix, sizeof prefix);
    out_.put_number(cache_.weighing(), 1);
    out_.put_number(flags, 1);
    out_.put_number(0, 2);
    if (!dated) return;
    // The date is read after the timer from which lifetimes are counted. By an earlier date, they
    // would end early.
    now_();
    out_.put_number(system::read_date(), 8);
  }

  Cache &cache_;
  // What remains of a lifetime is told by a precise clock, and begins by one when it is loaded. The
  // coarse clock would add its lag each time.
  const Clock clock_;
  Now now_;
  FrameWriter out_;
  bool has_frequency_ = false;
  bool tagged_ = false;  // the cache has been given tags
};

}  // namespace

ct_status Snapshot::save(Cache &cache, ct_write_fn write, void *user_data) {
  return Saver(cache, write, user_data).save();
}

}  // namespace ct
