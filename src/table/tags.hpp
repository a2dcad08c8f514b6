// SPDX-License-Identifier: MIT
// The tags of a cache's entries. All entries that carry a tag are invalidated at once.
//
// A tag that is in use has a record. Each entry holds the numbers of its tags' records (TagSlot in
// entry.hpp). Invalidating a tag takes the record from the name and marks it as invalid: that ends
// all entries that hold it, without touching one of them. Entries that come later hold another
// record. So a record is valid from its beginning until it is invalidated, and never again.
//
// A record counts its carriers: blocks of entries, dead ones included, and requests to store. It
// goes when the last of them has gone. Records never move, and their memory stays mapped, so that
// readers may ask for their validity without a lock.
//
// What was loaded before a tag was invalidated must not be kept with that tag afterwards. So a run,
// which is a load or a compute, notes the number of the latest invalidation when it begins, and a
// record notes the number of the latest invalidation of its name. Such a record is kept, without
// carriers if need be, until all runs have ended that began before. Two counters tell when that is
// (epoch-based reclamation with two epochs): a run is counted in the epoch in which it begins, and
// the next epoch begins when no run is left from the one before.
//
// No table is made before the first tag comes. Runs that begin before that are not counted; any
// invalidation outdates them.
#ifndef CT_TAGS_HPP
#define CT_TAGS_HPP

#include <cachetools.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

#include "base/array.hpp"
#include "base/chain_table.hpp"
#include "base/lock.hpp"
#include "base/memory.hpp"
#include "base/table_edge.hpp"
#include "table/entry.hpp"

namespace ct {

class TagTables;

// When a load or compute began, as tags need to know it.
struct TagRun {
  static constexpr uint8_t kUncounted = 2;

  uint64_t begun = 0;          // the number of the latest invalidation then
  uint8_t epoch = kUncounted;  // in which the run is counted
};

// The tags of an entry to come: each counts as a carrier until the entry has taken them over.
class TagList {
 public:
  TagList() = default;
  ~TagList() { clear(); }
  TagList(const TagList &) = delete;
  TagList &operator=(const TagList &) = delete;

  uint32_t count() const { return count_; }
  void clear() {
    if (count_ != 0) release();
  }
  bool has_invalid() const { return count_ != 0 && is_any_invalid(); }
  // Writes them into an entry that was made for as many.
  void give(TagSlot *slots) noexcept;

 private:
  friend class TagTables;

  void release() noexcept;
  bool is_any_invalid() const noexcept;

  TagTables *tables_ = nullptr;
  uint32_t count_ = 0;
  uint32_t numbers_[kMostTags];
};

// A shard's passes over its index that remove invalidated entries. The shard's lock guards it.
struct TagSweep {
  bool goes_on = false;
  uint64_t from = 0;   // the position in the index where the pass goes on
  uint64_t begun = 0;  // the number of sweeps when it began
  uint64_t done = 0;   // the same for the latest pass that has ended
};

// The records of a cache that has been given a tag.
class TagTables {
 public:
  TagTables(Memory &memory, const ct_options &options,
            std::atomic<uint64_t> &invalidations) noexcept
      : memory_(memory), seed_(options.seed), invalidations_(invalidations), names_(memory) {
    for (uint32_t i = 0; i < options.shards; i++) new (sweeps_of_shards() + i) TagSweep;
  }
  // The sweeps of the shards lie behind the tables.
  static size_t bytes_for(const ct_options &options) {
    return sizeof(TagTables) + options.shards * sizeof(TagSweep);
  }
  TagSweep &sweep_of(uint32_t shard) { return sweeps_of_shards()[shard]; }
  ~TagTables();
  TagTables(const TagTables &) = delete;
  TagTables &operator=(const TagTables &) = delete;

  // These do what those of Tags do.
  TagRun begin_run() noexcept;
  void end_run(const TagRun &run) noexcept;
  bool hold(const ct_bytes *names, size_t count, const TagRun *run, TagList *list,
            bool *outdated) noexcept;
  void hold_again(const TagSlot *slots, TagList *list) noexcept;
  void release(const TagSlot *slots) noexcept;
  ct_status list_names(const TagSlot *slots, Array<char> &names) noexcept;
  bool is_valid(uint32_t number) const {
    const TagRecord *record = find(number);
    return record == nullptr || record->is_valid.load(std::memory_order_acquire);
  }
  void invalidate(Bytes name) noexcept;
  uint64_t sweeps() const { return sweeps_.load(std::memory_order_acquire); }
  bool has_unswept() const { return unswept_.load(std::memory_order_acquire) != 0; }

#ifdef CT_VALIDATE
  // Returns the invariant that is broken, or NULL. held: how many tags all blocks hold together. No
  // other call may run meanwhile.
  const char *problem(uint64_t held);
#endif

 private:
  friend class TagList;

  TagSweep *sweeps_of_shards() { return reinterpret_cast<TagSweep *>(this + 1); }

  struct TagRecord {
    TagRecord *next = nullptr;  // in the table by name, or in the list of free records
    uint64_t hash = 0;          // of the name
    char *name = nullptr;
    uint64_t invalidated =
        0;  // the number of the latest invalidation of the name; 0: none is known
    std::atomic<uint64_t> carriers{0};
    TagRecord *next_awaiting = nullptr;
    uint32_t name_size = 0;
    uint32_t number = 0;
    std::atomic<bool> is_valid{true};
    bool is_awaiting = false;  // it stays until older runs have ended
    uint8_t epoch = 0;         // of the latest invalidation, if it is awaiting
  };

  struct Epoch {
    uint64_t runs = 0;              // that began in it
    TagRecord *awaiting = nullptr;  // records that await the end of its runs
  };

  // Pieces of the records' memory double in size.
  static constexpr uint32_t kFirstPiece = 64;
  static constexpr uint32_t kPieces = 26;
  static uint32_t piece_of(uint32_t number) {
    return 31 - static_cast<uint32_t>(__builtin_clz(number / kFirstPiece + 1));
  }
  static uint32_t piece_begin(uint32_t piece) { return ((1u << piece) - 1) * kFirstPiece; }
  static size_t piece_bytes(uint32_t piece) {
    return (size_t{kFirstPiece} << piece) * sizeof(TagRecord);
  }

  // Returns nullptr for a number that is no record's.
  TagRecord *find(uint32_t number) const {
    if (number == 0 || number >= piece_begin(kPieces)) return nullptr;
    const uint32_t piece = piece_of(number);
    TagRecord *records = pieces_[piece].load(std::memory_order_acquire);
    return records == nullptr ? nullptr : records + (number - piece_begin(piece));
  }
  TagRecord *find(Bytes name, uint64_t hash) CT_REQUIRES(lock_);
  TagRecord *make(Bytes name, uint64_t hash) CT_REQUIRES(lock_);
  Epoch &epoch(uint8_t number) CT_REQUIRES(lock_) { return number == 0 ? even_ : odd_; }
  TagRecord *make_record() CT_REQUIRES(lock_);
  void release(uint32_t number) noexcept;
  void end_carrier(TagRecord &record) CT_REQUIRES(lock_);
  void retire(TagRecord &record) CT_REQUIRES(lock_);
  void free_unused(TagRecord &record) CT_REQUIRES(lock_);
  void await(TagRecord &record, uint64_t invalidation) CT_REQUIRES(lock_);
  bool is_outdated(const TagRecord &record, const TagRun &run) const CT_REQUIRES(lock_);

  Memory &memory_;
  const uint64_t seed_;
  std::atomic<uint64_t> &invalidations_;  // of the cache
  Lock lock_;
  // Written under the lock.
  std::atomic<uint64_t> sweeps_{0};   // invalidations that have left something to sweep
  std::atomic<uint64_t> unswept_{0};  // invalid records that have carriers
  std::atomic<TagRecord *> pieces_[kPieces] = {};
  ChainTable<TagRecord> names_ CT_GUARDED_BY(lock_);
  TagRecord *free_ CT_GUARDED_BY(lock_) = nullptr;
  TableEdge edge_ CT_GUARDED_BY(lock_);     // of the newest piece
  uint32_t made_ CT_GUARDED_BY(lock_) = 1;  // numbers below this are records
  // Runs that began before this invalidation are outdated whatever their tags are, because there
  // was no memory for its record.
  uint64_t floor_ CT_GUARDED_BY(lock_) = 0;
  uint8_t epoch_ CT_GUARDED_BY(lock_) = 0;
  Epoch even_ CT_GUARDED_BY(lock_);
  Epoch odd_ CT_GUARDED_BY(lock_);
};

class Tags {
 public:
  Tags(Memory &memory, const ct_options &options) noexcept : memory_(memory), options_(options) {}
  ~Tags();
  Tags(const Tags &) = delete;
  Tags &operator=(const Tags &) = delete;

  // Returns whether there has ever been a tag.
  bool are_used() const { return tables() != nullptr; }

  // ---- Runs ---------------------------------------------------------------------------------

  TagRun begin_run() noexcept {
    if (TagTables *tables = this->tables(); __builtin_expect(tables != nullptr, 0))
      return tables->begin_run();
    return {invalidations_.load(std::memory_order_acquire), TagRun::kUncounted};
  }
  void end_run(const TagRun &run) noexcept {
    if (__builtin_expect(run.epoch != TagRun::kUncounted, 0)) tables()->end_run(run);
  }

  // ---- Carriers -----------------------------------------------------------------------------

  // Makes an empty list hold these tags, each once. Sets *outdated if one of them was invalidated
  // since the run began; run may be NULL. Returns false if there is no memory.
  bool hold(const ct_bytes *names, size_t count, const TagRun *run, TagList *list,
            bool *outdated) noexcept;
  // Makes an empty list, or slots, hold the tags of an entry, too.
  void hold_again(const TagSlot *slots, TagList *list) noexcept {
    tables()->hold_again(slots, list);
  }
  void hold_again(const TagSlot *from, TagSlot *to) noexcept {
    TagList list;
    hold_again(from, &list);
    list.give(to);
  }
  // Ends the hold of an entry.
  void release(const TagSlot *slots) noexcept { tables()->release(slots); }
  // Appends the names of an entry's tags to `names`: for each the size, as 4 bytes in the machine's
  // order, and its bytes. Returns CT_OK, CT_MISS if one of them is invalid, or CT_ERR_NOMEM.
  ct_status list_names(const TagSlot *slots, Array<char> &names) noexcept {
    return tables()->list_names(slots, names);
  }

  // Returns whether one of the tags was invalidated. The entry is locked, or pinned.
  bool has_invalid(const TagSlot *slots) const {
    const uint32_t count = tag_count(slots[0]);
    for (uint32_t i = 0; i < count; i++) {
      if (!is_valid(tag_number(slots[i]))) return true;
    }
    return false;
  }
  // May be called for any number that was read in an entry: 0, which is no tag, is valid.
  bool is_valid(uint32_t number) const { return tables()->is_valid(number); }

  // ---- Invalidating -------------------------------------------------------------------------

  void invalidate(Bytes name) noexcept;
  // There have been tags.
  TagSweep &sweep_of(uint32_t shard) const { return tables()->sweep_of(shard); }
  // How many invalidations have left something to sweep.
  uint64_t sweeps() const {
    const TagTables *tables = this->tables();
    return tables == nullptr ? 0 : tables->sweeps();
  }
  // Returns whether an invalid tag still has carriers.
  bool has_unswept() const {
    const TagTables *tables = this->tables();
    return __builtin_expect(tables != nullptr, 0) && tables->has_unswept();
  }

#ifdef CT_VALIDATE
  const char *problem(uint64_t held) {
    return are_used() ? tables()->problem(held) : held == 0 ? nullptr : "tags: there are no tables";
  }
#endif

 private:
  TagTables *tables() const { return tables_.load(std::memory_order_acquire); }

  Memory &memory_;
  const ct_options &options_;                 // the cache's
  std::atomic<TagTables *> tables_{nullptr};  // from the first tag on
  std::atomic<uint64_t> invalidations_{0};
};

}  // namespace ct

#endif
