// SPDX-License-Identifier: MIT
// What may be done with a shard without its lock, and nothing else: look as the reader of a seqlock
// (entry_map.hpp), look at entries that cannot go meanwhile, fetch ahead, and log uses
// (read_log.hpp).
#ifndef CT_OPTIMISTIC_READER_HPP
#define CT_OPTIMISTIC_READER_HPP

#include <cachetools.h>

#include <cstdint>

#include "shard/pins.hpp"
#include "shard/read_log.hpp"
#include "shard/share.hpp"
#include "shard/use_recorder.hpp"
#include "table/entry_map.hpp"

namespace ct {

class OptimisticReader {
 public:
  OptimisticReader(const EntryMap &map, const UseRecorder &uses, const Share &share) noexcept
      : map_(map), uses_(uses), share_(share) {}

  // ---- Looking at what may change meanwhile -------------------------------------------------
  // Only if is_open(), or under the lock. But seek_home finds nothing before that
  // (Index::shown_home), and hash_of, version, unchanged_since, holds, prefetch, size, demand and
  // given may be called at any time.

  bool is_open() const { return map_.index.is_shown(); }

  template <Access kAccess>
  [[gnu::always_inline]] Seek seek_home(const Probe &probe, Found *found) const {
    return map_.seek_home<kAccess>(probe, found);
  }
  template <Access kAccess>
  [[gnu::always_inline]] Seek seek_at(Place place, const Probe &probe, uint32_t version,
                                      Found *found) const {
    return map_.seek_at<kAccess>(place, probe, version, found);
  }
  uint64_t hash_of(Bytes key) const { return map_.entries.hash_of(key); }
  Seek seek(const Probe &probe, Found *found) const { return map_.seek(probe, found); }
  template <Access kAccess>
  uint64_t deadline(const Found &found) const {
    return map_.deadline<kAccess>(found);
  }
  // Sets weight and deadline of an entry with a key of this size. They are valid as the value is.
  void terms(const Found &found, size_t key_size, uint64_t *weight, uint64_t *deadline) const {
    map_.terms(found, key_size, weight, deadline);
  }
  bool is_invalidated(const Found &found) const { return map_.is_invalidated(found); }
  bool holds(const Found &found) const { return map_.holds(found); }
  uint32_t version() const { return map_.index.version(); }
  bool unchanged_since(uint32_t version) const { return map_.index.unchanged_since(version); }
  Bucket *home(uint64_t hash) const { return map_.index.home(hash); }
  void prefetch(uint64_t hash) const { map_.index.prefetch(hash); }
  uint64_t size() const { return map_.index.size(); }
  uint32_t demand() const { return share_.demand(); }
  uint32_t given() const { return share_.given(); }

  // ---- Looking at an entry that cannot go meanwhile -----------------------------------------

  Entry *at(Ref ref) const { return map_.entries.at(ref); }
  Entry *entry_of(const ct_value &value) const {
    return Pins::entry_of(map_.entries.store(), value);
  }
  Bytes key(const Entry *e) const { return map_.entries.key(e); }
  Bytes value(const Entry *e) const { return map_.entries.value(e); }
  uint64_t weight_of(const Entry *e) const { return map_.entries.weight_of(e); }
  uint64_t deadline(const Entry *e) const { return map_.entries.deadline(e); }
  void hold_tags_of(const Entry *e, TagList *list) const {
    if ((e->flags & kTags) == 0) return;
    map_.entries.tags().hold_again(map_.entries.layout().tags(e), list);
  }

  // ---- Logging ------------------------------------------------------------------------------

  [[gnu::always_inline]] ReadLog::Stripe *owned_stripe() const { return uses_.owned_stripe(); }
  ReadLog::Stripe &stripe_of_caller() const { return uses_.stripe_of_caller(); }
  bool should_spread_log() const { return uses_.log().should_spread(); }
  [[gnu::always_inline]] bool try_record(ReadLog::Stripe &own, Slot slot) const {
    return uses_.try_record(own, slot);
  }
  bool finish_record(Slot slot) const { return uses_.finish_record(slot); }
  void count_work() const { map_.entries.count_work(); }
#ifdef CT_VALIDATE
  void take_work(uint64_t *holds, uint64_t *most) const { map_.entries.take_work(holds, most); }
#endif

 private:
  const EntryMap &map_;
  const UseRecorder &uses_;
  const Share &share_;
};

}  // namespace ct

#endif
