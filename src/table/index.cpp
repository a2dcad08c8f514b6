// SPDX-License-Identifier: MIT
#include "table/index.hpp"

#include <cassert>

namespace ct {

const Bucket Index::kElsewhere = {{}, 1, {}, {}};

void Index::put(Table &table, uint64_t hash, Ref ref, uint32_t use_bits) {
  assert(ref != kNone);
  uint32_t b = home_of(hash_position(hash), table.size());
  uint32_t empty;
  while ((empty = table.data()[b].match(0)) == 0) {
    Bucket &full = table.data()[b];
    if (full.passed != 255) ++full.passed;
    b = table.next(b);
  }
  const uint32_t slot = static_cast<uint32_t>(__builtin_ctz(empty));
  Bucket &bucket = table.data()[b];
  bucket.refs[slot] = ref;
  bucket.set_use_bits(slot, use_bits);
  bucket.tags[slot] = hash_tag(hash);
}

void Index::erase_at(const Table &table, Bucket *home, Place place) {
  Bucket *const bucket = place.slot.bucket();
  bucket->tags[place.slot.number()] = 0;
  *place.slot.cell = kNone;
  for (Bucket *full = home; full != bucket; full = table.next(full)) {
    if (full->passed != 255) --full->passed;
  }
}

// An insertion needs no write section. Readers that see the tag, which put stores last, see the
// rest.
[[gnu::flatten]] void Index::insert(uint64_t hash, Ref ref) {
  assert(size_ < uint64_t{kSlots} * current_.size());
  put(table_of(hash_position(hash)), hash, ref, 0);
  ++size_;
}

[[gnu::flatten]] void Index::erase(uint64_t hash, Ref ref) {
  WriteSection section(*this);
  const Table &table = table_of(hash_position(hash));
  Bucket *const home = table.data() + home_of(hash_position(hash), table.size());
  const Place place = scan(table.data(), table.size(), hash, [ref](Ref at) { return at == ref; });
  assert(place.ref == ref && size_ > 0);
  erase_at(table, home, place);
  --size_;
}

void Index::replace(uint64_t hash, Ref from, Ref to) {
  WriteSection section(*this);
  const Place place = place_of(hash, from);
  assert(place.slot.cell != nullptr);
  *place.slot.cell = to;
}

// A kept table that is this small cannot give its memory back. Powers of two keep the number of
// such tables low.
uint32_t Index::size_of(uint64_t buckets) const {
  uint64_t size = std::min<uint64_t>(buckets, kMaxBuckets);
  if (keeps_ && size < kSmallTable) {
    for (size = 1; size < buckets;) size *= 2;
  }
  return static_cast<uint32_t>(size);
}

// The table doubles, by steps that end at the expected number of entries; beyond that it grows by a
// quarter. A table that is only a little larger is not worth a step, and would be full before the
// old table is empty.
uint32_t Index::next_size(uint64_t needed) const {
  const uint64_t least = buckets_for(needed);
  const uint64_t size = current_.size();
  const uint64_t more = size + size / 16 + 1;
  const uint64_t ideal = buckets_for(expected_);
  if (expected_ == 0 || ideal > kMaxBuckets) return size_of(std::max(2 * size, least));
  if (size >= ideal) return size_of(std::max(size + size / 4 + 1, least));
  uint64_t next = ideal;
  while (next / 2 >= more) next = (next + 1) / 2;
  return size_of(std::max({next, more, least}));
}

// Leaves a little room, and goes by steps that end at the expected number of entries, if that is
// known.
uint32_t Index::smallest_size(uint64_t needed) const {
  const uint64_t least = buckets_for(needed + needed / 8);
  uint64_t size = buckets_for(expected_);
  if (tight_ || expected_ == 0 || size < least) return size_of(least);
  while ((size + 1) / 2 >= least && size > 1) size = (size + 1) / 2;
  return size_of(size);
}

bool Index::begin_growth(uint64_t needed) noexcept {
  const uint32_t size = next_size(needed);
  if (size <= current_.size() || !replace_table(size)) return false;
  step_ = kHomesAStep;
  return true;
}

// The new table has room for all entries that may come until the old one is empty.
bool Index::begin_shrinking(uint64_t needed) noexcept {
  const uint32_t before = current_.size();
  if (before <= (tight_ ? kTinyTable : kSmallTable)) return false;
  const uint32_t size = smallest_size(needed + before / kSparseHomesAStep);
  if (size > shrunk(before) || !replace_table(size)) return false;
  step_ = kSparseHomesAStep;
  return true;
}

// Begins to replace the table. Returns false if there is no memory.
bool Index::replace_table(uint32_t size) noexcept {
  if (keeps_ && !kept_.reserve(2)) return false;
  Table table = reuse_kept(size);
  if (table.data() == nullptr) {
    void *zeros = memory_.allocate_zeroed(table_bytes(size), alignof(Bucket), Memory::kTable);
    table.set(static_cast<Bucket *>(zeros), size);
  }
  if (table.data() == nullptr) return false;
  WriteSection section(*this);
  old_.set(current_.data(), current_.size());
  current_.set(table.data(), table.size());
  cursor_ = 0;
  show_current();
  size_then_ = size_;
  filled_.begin();
  // The first step of the old table stays: see discard_moved.
  emptied_.begin(memory_.step_of(table_bytes(old_.size())));
  if (!migrating()) use_up_to(table_bytes(current_.size()));
  return true;
}

// Returns how many homes to move for one more entry. A cache that has evicted many entries since,
// for large ones, moves more, so that it gets on with a smaller table as fast: one home for each of
// them, now or later. Where memory is the limit, a table that waits longer takes room that entries
// are not weighed for.
uint32_t Index::homes_to_move() noexcept {
  const uint32_t shed = size_then_ > size_ ? size_then_ - size_ : 0;
  const uint32_t more = std::min(shed, kHomesAtOnce);
  size_then_ = size_ + shed - more;
  return step_ + more;
}

void Index::use_up_to(size_t end) noexcept {
  filled_.use_up_to(memory_, current_.data(), table_bytes(current_.size()), end);
}

// Counts as held what is touched in the new table when as many homes of the old one have moved: the
// buckets that these homes lead to, and some buckets behind them.
void Index::use_for(uint32_t homes) noexcept {
  const size_t bytes = table_bytes(current_.size());
  if (homes == old_.size()) return use_up_to(bytes);
  const uint64_t position = first_position(homes, old_.size());
  const uint32_t last = home_of(static_cast<uint32_t>(position), current_.size());
  use_up_to(table_bytes(last) + memory_.step_of(bytes));
}

// Gives back the buckets that the cursor has passed.
//
// There may still be entries left of the cursor: those that went over the end of the table and on
// from its first bucket. They lie in the first step, which stays, unless they passed over all of
// it.
void Index::discard_moved() noexcept {
  const size_t bytes = table_bytes(old_.size());
  const size_t step = memory_.step_of(bytes) / sizeof(Bucket);
  if (step == 0 || cursor_ <= step || old_.data()[step - 1].passed != 0) return;
  emptied_.discard_up_to(memory_, old_.data(), bytes, table_bytes(cursor_));
}

// Returns a table that was put away and is as large as this, or a little larger, so that many sizes
// leave few tables. Returns a table without buckets if there is none.
Index::Table Index::reuse_kept(uint32_t count) noexcept {
  for (Kept &kept : kept_) {
    if (kept.count < count || kept.count - count > count / 4) continue;
    Table table;
    table.set(kept.buckets, kept.count);
    kept = kept_.back();
    kept_.pop();
    return table;
  }
  return {};
}

// Takes a table out of use.
void Index::put_away(Table &table) noexcept {
  Bucket *buckets = table.data();
  const uint32_t count = table.size();
  table.set(nullptr, 0);
  if (buckets == nullptr) return;
  if (!keeps_) {
    release(buckets, count);
    return;
  }
  const size_t bytes = table_bytes(count);
  if (!memory_.discard(buckets, bytes, bytes, Memory::kTable)) {
    for (uint32_t b = 0; b < count; b++) {
      for (Cell<uint8_t> &tag : buckets[b].tags) tag = 0;
      for (Cell<Ref> &ref : buckets[b].refs) ref = kNone;
      buckets[b].passed = 0;
    }
  }
  kept_.push({buckets, count});
}

void Index::release(Bucket *buckets, uint32_t count) noexcept {
  memory_.release(buckets, table_bytes(count), alignof(Bucket), Memory::kTable);
}

void Index::clear() noexcept {
  WriteSection section(*this);
  size_ = 0;
  put_away(old_);
  put_away(current_);
  show_current();
}

// Shows readers the current table, if that is all there is to see. Called whenever tables change,
// in the same write section.
void Index::show_current() noexcept {
  if (is_shown() && !migrating() && current_.data() != nullptr) {
    shown_.set(current_.data(), current_.size());
  } else {
    shown_.set(const_cast<Bucket *>(&kElsewhere), 1);
  }
}

Index::~Index() {
  for (Table *table : {&current_, &old_}) {
    if (table->data() != nullptr) release(table->data(), table->size());
  }
  for (const Kept &kept : kept_) release(kept.buckets, kept.count);
}

}  // namespace ct
