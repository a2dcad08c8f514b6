// SPDX-License-Identifier: MIT
#include "table/tags.hpp"

#include <cassert>
#include <cstring>
#include <new>
#include <utility>

#include "base/hash.hpp"

namespace ct {

// ---- Lists ------------------------------------------------------------------------------------

void TagList::release() noexcept {
  for (uint32_t i = 0; i < count_; i++) tables_->release(numbers_[i]);
  count_ = 0;
}

bool TagList::is_any_invalid() const noexcept {
  for (uint32_t i = 0; i < count_; i++) {
    if (!tables_->is_valid(numbers_[i])) return true;
  }
  return false;
}

void TagList::give(TagSlot *slots) noexcept {
  assert(tag_count(slots[0]) == count_);
  for (uint32_t i = 0; i < count_; i++) slots[i] = tag_slot(numbers_[i], i == 0 ? count_ : 0);
  count_ = 0;
}

// ---- Records ----------------------------------------------------------------------------------

TagTables::~TagTables() {
  for (uint32_t number = 1; number < made_; number++) {
    TagRecord *record = find(number);
    memory_.release(record->name, record->name_size, 1);
  }
  for (uint32_t piece = 0; piece < kPieces; piece++) {
    memory_.release(pieces_[piece].load(), piece_bytes(piece), alignof(TagRecord), Memory::kTable);
  }
}

TagTables::TagRecord *TagTables::find(Bytes name, uint64_t hash) {
  return names_.find(hash, [&](const TagRecord &record) {
    return record.name_size == name.size &&
           (name.size == 0 || std::memcmp(record.name, name.data, name.size) == 0);
  });
}

// Returns a record that is free, or nullptr if there is no memory.
TagTables::TagRecord *TagTables::make_record() {
  if (free_ != nullptr) return std::exchange(free_, free_->next);
  if (made_ == piece_begin(kPieces)) return nullptr;
  const uint32_t piece = piece_of(made_);
  TagRecord *records = pieces_[piece].load(std::memory_order_relaxed);
  const size_t bytes = piece_bytes(piece);
  if (records == nullptr) {
    records = static_cast<TagRecord *>(memory_.allocate_untouched(bytes, alignof(TagRecord)));
    if (records == nullptr) return nullptr;
    pieces_[piece].store(records, std::memory_order_release);
    edge_.begin();
  }
  const uint32_t place = made_ - piece_begin(piece);
  edge_.use_up_to(memory_, records, bytes, (place + 1) * sizeof(TagRecord));
  auto *record = new (records + place) TagRecord;
  record->number = made_++;
  return record;
}

// Makes a record for a name that has none. Returns nullptr if there is no memory.
TagTables::TagRecord *TagTables::make(Bytes name, uint64_t hash) {
  if (!names_.reserve()) return nullptr;
  char *copy = name.size == 0 ? nullptr : static_cast<char *>(memory_.allocate(name.size, 1));
  if (copy == nullptr && name.size > 0) return nullptr;
  TagRecord *record = make_record();
  if (record == nullptr) {
    memory_.release(copy, name.size, 1);
    return nullptr;
  }
  if (name.size > 0) std::memcpy(copy, name.data, name.size);
  record->hash = hash;
  record->name = copy;
  record->name_size = static_cast<uint32_t>(name.size);
  record->invalidated = 0;
  record->is_valid.store(true, std::memory_order_release);
  names_.add(*record);
  return record;
}

// Frees a record that nothing needs any more.
void TagTables::free_unused(TagRecord &record) {
  if (record.carriers.load(std::memory_order_relaxed) != 0 || record.is_awaiting) return;
  if (record.is_valid.load(std::memory_order_relaxed)) {
    names_.remove(record);
    memory_.release(std::exchange(record.name, nullptr), record.name_size, 1);
    record.name_size = 0;
  }
  record.next = free_;
  free_ = &record;
}

// ---- Carriers ---------------------------------------------------------------------------------

bool TagTables::hold(const ct_bytes *names, size_t count, const TagRun *run, TagList *list,
                     bool *outdated) noexcept {
  assert(list->count_ == 0 && count <= kMostTags);
  list->tables_ = this;
  Guard guard(lock_);
  for (size_t i = 0; i < count; i++) {
    const Bytes name = {static_cast<const char *>(names[i].data), names[i].size};
    const uint64_t hash = hash_any(name.data, name.size, seed_);
    TagRecord *record = find(name, hash);
    if (record == nullptr) record = make(name, hash);
    if (record == nullptr) {
      for (uint32_t held = 0; held < list->count_; held++) end_carrier(*find(list->numbers_[held]));
      list->count_ = 0;
      return false;
    }
    bool is_new = true;
    for (uint32_t held = 0; held < list->count_; held++) {
      if (list->numbers_[held] == record->number) is_new = false;
    }
    if (!is_new) continue;
    record->carriers.fetch_add(1, std::memory_order_relaxed);
    list->numbers_[list->count_++] = record->number;
    if (run != nullptr && is_outdated(*record, *run)) *outdated = true;
  }
  return true;
}

bool TagTables::is_outdated(const TagRecord &record, const TagRun &run) const {
  const bool counted = run.epoch != TagRun::kUncounted;
  const uint64_t latest = counted ? floor_ : invalidations_.load(std::memory_order_relaxed);
  return run.begun < latest || run.begun < record.invalidated;
}

// As there is a carrier already, the record stays meanwhile.
void TagTables::hold_again(const TagSlot *slots, TagList *list) noexcept {
  assert(list->count_ == 0);
  list->tables_ = this;
  list->count_ = tag_count(slots[0]);
  for (uint32_t i = 0; i < list->count_; i++) {
    list->numbers_[i] = tag_number(slots[i]);
    find(list->numbers_[i])->carriers.fetch_add(1, std::memory_order_relaxed);
  }
}

void TagTables::release(const TagSlot *slots) noexcept {
  const uint32_t count = tag_count(slots[0]);
  for (uint32_t i = 0; i < count; i++) {
    if (tag_number(slots[i]) != 0) release(tag_number(slots[i]));
  }
}

// The last carrier ends under the lock, where no other can come meanwhile.
void TagTables::release(uint32_t number) noexcept {
  TagRecord &record = *find(number);
  uint64_t carriers = record.carriers.load(std::memory_order_relaxed);
  while (carriers > 1) {
    if (record.carriers.compare_exchange_weak(carriers, carriers - 1)) return;
  }
  Guard guard(lock_);
  end_carrier(record);
}

void TagTables::end_carrier(TagRecord &record) {
  if (record.carriers.fetch_sub(1) != 1) return;
  if (!record.is_valid.load(std::memory_order_relaxed)) unswept_.fetch_sub(1);
  free_unused(record);
}

ct_status TagTables::list_names(const TagSlot *slots, Array<char> &names) noexcept {
  const uint32_t count = tag_count(slots[0]);
  Guard guard(lock_);
  for (uint32_t i = 0; i < count; i++) {
    const TagRecord &record = *find(tag_number(slots[i]));
    const uint32_t size = record.name_size;
    if (!record.is_valid.load(std::memory_order_relaxed)) return CT_MISS;
    if (!names.reserve(uint64_t{size} + sizeof size)) return CT_ERR_NOMEM;
    std::memcpy(names.end(), &size, sizeof size);
    names.extend(sizeof size);
    if (size > 0) std::memcpy(names.end(), record.name, size);
    names.extend(size);
  }
  return CT_OK;
}

// ---- Invalidating -----------------------------------------------------------------------------

// Its name goes first, since a new record may need the memory.
void TagTables::retire(TagRecord &record) {
  names_.remove(record);
  memory_.release(std::exchange(record.name, nullptr), record.name_size, 1);
  record.name_size = 0;
  unswept_.fetch_add(1);
  record.is_valid.store(false, std::memory_order_release);
}

void TagTables::invalidate(Bytes name) noexcept {
  const uint64_t hash = hash_any(name.data, name.size, seed_);
  Guard guard(lock_);
  const uint64_t number = invalidations_.fetch_add(1, std::memory_order_acq_rel) + 1;
  TagRecord *record = find(name, hash);
  if (record != nullptr && record->carriers.load(std::memory_order_relaxed) != 0) {
    retire(*record);
    record = nullptr;
    // A sweep of this number finds what is invalid by now.
    sweeps_.fetch_add(1, std::memory_order_release);
  }
  if (even_.runs + odd_.runs != 0) {
    if (record == nullptr) record = make(name, hash);
    if (record != nullptr) {
      await(*record, number);
    } else {
      floor_ = number;
    }
  }
}

// ---- Runs -------------------------------------------------------------------------------------

// Keeps a record until the runs have ended that go on now.
void TagTables::await(TagRecord &record, uint64_t invalidation) {
  record.invalidated = invalidation;
  record.epoch = epoch_;
  if (record.is_awaiting) return;
  record.is_awaiting = true;
  record.next_awaiting = epoch(epoch_).awaiting;
  epoch(epoch_).awaiting = &record;
}

TagRun TagTables::begin_run() noexcept {
  Guard guard(lock_);
  epoch(epoch_).runs++;
  return {invalidations_.load(std::memory_order_relaxed), epoch_};
}

// When the last run of the previous epoch has ended, what awaited that goes, and the next epoch
// begins. All runs of the present one began after the last invalidation of the previous one.
void TagTables::end_run(const TagRun &run) noexcept {
  Guard guard(lock_);
  assert(epoch(run.epoch).runs > 0);
  epoch(run.epoch).runs--;
  for (;;) {
    const auto previous = static_cast<uint8_t>(epoch_ ^ 1);
    if (epoch(previous).runs != 0) return;
    TagRecord *record = std::exchange(epoch(previous).awaiting, nullptr);
    while (record != nullptr) {
      TagRecord *next = record->next_awaiting;
      record->is_awaiting = false;
      if (record->epoch == previous) {
        free_unused(*record);
      } else {
        await(*record, record->invalidated);
      }
      record = next;
    }
    if (epoch(epoch_).awaiting == nullptr) return;
    epoch_ = previous;
  }
}

// ---- Tables -----------------------------------------------------------------------------------

Tags::~Tags() {
  TagTables *tables = this->tables();
  if (tables == nullptr) return;
  tables->~TagTables();
  memory_.release(tables, TagTables::bytes_for(options_), alignof(TagTables));
}

bool Tags::hold(const ct_bytes *names, size_t count, const TagRun *run, TagList *list,
                bool *outdated) noexcept {
  TagTables *tables = this->tables();
  if (tables == nullptr) {
    void *where = memory_.allocate(TagTables::bytes_for(options_), alignof(TagTables));
    if (where == nullptr) return false;
    auto *made = new (where) TagTables(memory_, options_, invalidations_);
    // Unless another thread has made them meanwhile.
    if (tables_.compare_exchange_strong(tables, made)) {
      tables = made;
    } else {
      made->~TagTables();
      memory_.release(where, TagTables::bytes_for(options_), alignof(TagTables));
    }
  }
  return tables->hold(names, count, run, list, outdated);
}

void Tags::invalidate(Bytes name) noexcept {
  TagTables *tables = this->tables();
  if (tables != nullptr) {
    tables->invalidate(name);
  } else {
    invalidations_.fetch_add(1, std::memory_order_acq_rel);
  }
}

#ifdef CT_VALIDATE
const char *TagTables::problem(uint64_t held) {
  Guard guard(lock_);
  const char *problem = nullptr;
  uint64_t carriers = 0;
  uint64_t named = 0;
  uint64_t unswept = 0;
  uint64_t used = 0;
  for (uint32_t number = 1; number < made_; number++) {
    TagRecord &record = *find(number);
    if (record.number != number) problem = "tags: a record has another's number";
    carriers += record.carriers;
    used += record.carriers != 0 || record.is_awaiting;
    if (record.carriers != 0 && !record.is_valid) unswept++;
    if (record.is_valid && (record.carriers != 0 || record.is_awaiting)) {
      named++;
      if (find({record.name, record.name_size}, record.hash) != &record) {
        problem = "tags: a valid record is not found by its name";
      }
    }
  }
  uint64_t free = 0;
  for (TagRecord *record = free_; record != nullptr; record = record->next) free++;
  if (used + free != made_ - 1) problem = "tags: a record is neither used nor free";
  if (named != names_.size()) problem = "tags: a name leads to a record that nothing carries";
  if (unswept != unswept_.load()) problem = "tags: the number of invalid records is wrong";
  if (carriers != held) problem = "tags: carriers are not what blocks hold";
  if (even_.runs + odd_.runs == 0 && (even_.awaiting != nullptr || odd_.awaiting != nullptr)) {
    problem = "tags: a record waits for runs that have ended";
  }
  return problem;
}
#endif

}  // namespace ct
