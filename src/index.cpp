// SPDX-License-Identifier: MIT
#include "index.hpp"

#include <cassert>

namespace ct {

void Index::put(Table &table, uint64_t hash, Ref ref, uint32_t mark) {
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
  bucket.set_mark(slot, mark);
  bucket.tags[slot] = hash_tag(hash);
}

void Index::take(Table &table, uint32_t home, uint32_t bucket, uint32_t slot) {
  table.data()[bucket].tags[slot] = 0;
  for (uint32_t b = home; b != bucket; b = table.next(b)) {
    Bucket &full = table.data()[b];
    if (full.passed != 255) --full.passed;
  }
}

void Index::insert(uint64_t hash, Ref ref) {
  Change change(*this);
  put(table_of(hash_position(hash)), hash, ref, 0);
  ++size_;
}

void Index::erase(uint64_t hash, Ref ref) {
  Change change(*this);
  Table &table = table_of(hash_position(hash));
  const uint32_t home = home_of(hash_position(hash), table.size());
  const Place place = place_of(hash, ref);
  take(table, home, static_cast<uint32_t>(place.bucket - table.data()), place.slot);
  --size_;
}

void Index::replace(uint64_t hash, Ref from, Ref to) {
  Change change(*this);
  const Place place = place_of(hash, from);
  assert(place.bucket != nullptr);
  place.bucket->refs[place.slot] = to;
}

// Doubles, by steps that end at the expected number; beyond that by a quarter.
uint32_t Index::next_size(uint64_t needed) const {
  const uint64_t least = buckets_for(needed);
  uint64_t size = current_.size() * uint64_t{2};
  const uint64_t ideal = buckets_for(expected_);
  if (expected_ != 0 && ideal <= kMaxBuckets) {
    if (current_.size() >= ideal) {
      size = current_.size() + current_.size() / 4 + 1;
    } else {
      size = ideal;
      while (size / 2 > current_.size()) size = (size + 1) / 2;
    }
  }
  return static_cast<uint32_t>(std::min<uint64_t>(std::max(size, least), kMaxBuckets));
}

// With a little room beyond, and by steps that end at the expected number, if it is known.
uint32_t Index::smallest_size(uint64_t needed) const {
  const uint64_t least = buckets_for(needed + needed / 8);
  uint64_t size = buckets_for(expected_);
  if (expected_ == 0 || size < least)
    return static_cast<uint32_t>(std::min<uint64_t>(least, kMaxBuckets));
  while ((size + 1) / 2 >= least && size > 1) size = (size + 1) / 2;
  return static_cast<uint32_t>(std::min<uint64_t>(size, kMaxBuckets));
}

bool Index::begin_growth(uint64_t needed) noexcept {
  const uint32_t size = next_size(needed);
  if (size <= current_.size() || !replace_table(size)) return false;
  step_ = kBucketsAStep;
  return true;
}

// The new table has room for all that may come until the old one is empty.
bool Index::begin_shrinking(uint64_t needed) noexcept {
  const uint32_t before = current_.size();
  if (before <= kSmallTable) return false;
  const uint32_t size = smallest_size(needed + before / kSparseBucketsAStep);
  if (size > before / 4 || !replace_table(size)) return false;
  step_ = kSparseBucketsAStep;
  return true;
}

// Begins to; false: no memory.
bool Index::replace_table(uint32_t size) noexcept {
  Table table = take_kept(size);
  if (table.data() == nullptr) {
    table.set(static_cast<Bucket *>(memory_.allocate_zeroed(table_bytes(size), alignof(Bucket))),
              size);
  }
  if (table.data() == nullptr) return false;
  Change change(*this);
  old_.set(current_.data(), current_.size());
  cursor_ = 0;
  discarded_ = 0;
  current_.set(table.data(), table.size());
  return true;
}

// Gives back what the cursor has left behind, by steps: all of a large table at once takes long.
//
// There may still be entries left of the cursor, which went over the end of the table and on from
// its first bucket. They are in the first step, which stays, unless they passed over all of that.
void Index::discard_moved() noexcept {
  const size_t bytes = memory_.discard_bytes(table_bytes(old_.size()), alignof(Bucket));
  const uint32_t step = static_cast<uint32_t>(bytes / sizeof(Bucket));
  if (step == 0 || cursor_ - discarded_ < step) return;
  if (discarded_ != 0 && old_.data()[step - 1].passed == 0) {
    memory_.discard(old_.data() + discarded_, bytes);
  }
  discarded_ += step;
}

// A table that was put away, of that size or little more, so that many sizes leave few tables; one
// without buckets if there is none.
Index::Table Index::take_kept(uint32_t count) noexcept {
  Table *link = &kept_;
  for (; link->data() != nullptr; link = predecessor(link->data(), link->size())) {
    if (link->size() < count || link->size() - count > count / 4) continue;
    Table table;
    table.set(link->data(), link->size());
    const Table *before = predecessor(table.data(), table.size());
    link->set(before->data(), before->size());
    memory_.reuse(table_bytes(table.size()), alignof(Bucket));
    return table;
  }
  return {};
}

// Out of use.
void Index::put_away(Table &table) noexcept {
  Bucket *buckets = table.data();
  const uint32_t count = table.size();
  table.set(nullptr, 0);
  if (buckets == nullptr) return;
  if (!keeps_) {
    release(buckets, count);
    return;
  }
  if (!memory_.idle(buckets, table_bytes(count), alignof(Bucket))) {
    for (uint32_t b = 0; b < count; b++) {
      for (Cell<uint8_t> &tag : buckets[b].tags) tag = 0;
      buckets[b].passed = 0;
    }
  }
  predecessor(buckets, count)->set(kept_.data(), kept_.size());
  kept_.set(buckets, count);
}

void Index::release(Bucket *buckets, uint32_t count) noexcept {
  memory_.release(buckets, table_bytes(count), alignof(Bucket));
}

void Index::clear() noexcept {
  Change change(*this);
  size_ = 0;
  put_away(old_);
  put_away(current_);
}

Index::~Index() {
  for (Table *table : {&current_, &old_}) {
    if (table->data() != nullptr) release(table->data(), table->size());
  }
  while (kept_.data() != nullptr) {
    Bucket *buckets = kept_.data();
    const uint32_t count = kept_.size();
    const Table *before = predecessor(buckets, count);
    kept_.set(before->data(), before->size());
    memory_.reuse(table_bytes(count), alignof(Bucket));
    release(buckets, count);
  }
}

}  // namespace ct
