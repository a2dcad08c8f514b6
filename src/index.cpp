// SPDX-License-Identifier: MIT
#include "index.hpp"

namespace ct {

// Calls found(bucket, slot) for the place of ref; the way there begins at its home.
template <class Found>
bool Index::locate(const Table &table, uint64_t hash, Ref ref, Found found) {
  const uint8_t tag = hash_tag(hash);
  uint32_t b = home_of(hash_position(hash), table.size());
  for (uint32_t left = table.size(); left > 0; left--, b = table.next(b)) {
    const Bucket &bucket = table.data()[b];
    for (uint32_t bits = bucket.match(tag); bits != 0; bits &= bits - 1) {
      const uint32_t slot = static_cast<uint32_t>(__builtin_ctz(bits));
      if (bucket.refs[slot] == ref) {
        found(b, slot);
        return true;
      }
    }
  }
  return false;
}

void Index::put(Table &table, uint64_t hash, Ref ref) {
  uint32_t b = home_of(hash_position(hash), table.size());
  uint32_t empty;
  while ((empty = table.data()[b].match(0)) == 0) {
    Bucket &full = table.data()[b];
    if (full.passed != 255) full.passed++;
    b = table.next(b);
  }
  const uint32_t slot = static_cast<uint32_t>(__builtin_ctz(empty));
  table.data()[b].tags[slot] = hash_tag(hash);
  table.data()[b].refs[slot] = ref;
}

void Index::take(Table &table, uint32_t home, uint32_t bucket, uint32_t slot) {
  table.data()[bucket].tags[slot] = 0;
  for (uint32_t b = home; b != bucket; b = table.next(b)) {
    Bucket &full = table.data()[b];
    if (full.passed != 255) full.passed--;
  }
}

void Index::insert(uint64_t hash, Ref ref) {
  put(table_of(hash_position(hash)), hash, ref);
  size_++;
}

void Index::erase(uint64_t hash, Ref ref) {
  Table &table = table_of(hash_position(hash));
  const uint32_t home = home_of(hash_position(hash), table.size());
  locate(table, hash, ref, [&](uint32_t b, uint32_t slot) { take(table, home, b, slot); });
  size_--;
}

void Index::replace(uint64_t hash, Ref from, Ref to) {
  Table &table = table_of(hash_position(hash));
  locate(table, hash, from, [&](uint32_t b, uint32_t slot) { table.data()[b].refs[slot] = to; });
}

// Doubles, by steps that end at the expected number; beyond that by a quarter.
uint32_t Index::next_size(uint64_t needed) const {
  const uint64_t least = needed * 10 / (kSlots * 7) + 1;
  uint64_t size = current_.size() * uint64_t{2};
  const uint64_t ideal = expected_ * 10 / (kSlots * 7) + 1;
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

bool Index::begin_growth(uint64_t needed) noexcept {
  const uint32_t size = next_size(needed);
  if (size <= current_.size()) return false;
  void *buckets = memory_.allocate_zeroed(size * sizeof(Bucket), alignof(Bucket));
  if (buckets == nullptr) return false;
  old_.set(current_.data(), current_.size());
  cursor_ = 0;
  current_.set(static_cast<Bucket *>(buckets), size);
  return true;
}

void Index::release(Table &table) noexcept {
  Bucket *buckets = table.data();
  const uint32_t count = table.size();
  table.set(nullptr, 0);
  memory_.release(buckets, count * sizeof(Bucket), alignof(Bucket));
}

void Index::clear() noexcept {
  release(current_);
  release(old_);
  size_ = 0;
}

}  // namespace ct
