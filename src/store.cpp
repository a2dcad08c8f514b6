// SPDX-License-Identifier: MIT
#include "store.hpp"

#include <algorithm>
#include <cstring>

namespace ct {

uint32_t Store::bin_of(uint32_t units) {
  if (units < kExactBins) return units;
  const uint32_t log = 31 - static_cast<uint32_t>(__builtin_clz(units));
  return kExactBins + (log - 4) * 8 + ((units >> (log - 3)) & 7);
}

// The first bin in which every block has at least that many units.
uint32_t Store::bin_from(uint32_t units) {
  if (units < kExactBins) return units;
  const uint32_t log = 31 - static_cast<uint32_t>(__builtin_clz(units));
  return bin_of(units + (1u << (log - 3)) - 1);
}

void Store::link_free(Ref ref, uint32_t units) {
  Entry *e = at(ref);
  const uint32_t bin = bin_of(units);
  e->prev = kNone;
  e->next = bins_->heads[bin];
  write_units(e, units);
  e->pins = 0;
  e->flags = 0;
  e->block = kFree;
  if (e->next != kNone) at(e->next)->prev = ref;
  bins_->heads[bin] = ref;
  bins_->in_use[bin / 64] |= uint64_t{1} << (bin % 64);
  after(e, units)->block |= kPrevFree;
}

void Store::unlink_free(Ref ref) {
  Entry *e = at(ref);
  const uint32_t units = free_units(e);
  if (e->next != kNone) at(e->next)->prev = e->prev;
  if (e->prev != kNone) {
    at(e->prev)->next = e->next;
  } else {
    const uint32_t bin = bin_of(units);
    bins_->heads[bin] = e->next;
    if (e->next == kNone) bins_->in_use[bin / 64] &= ~(uint64_t{1} << (bin % 64));
  }
  after(e, units)->block &= static_cast<uint8_t>(~kPrevFree);
}

Ref Store::find(uint32_t units) const {
  if (bins_ == nullptr) return kNone;
  Ref ref = bins_->heads[bin_of(units)];
  for (int i = 0; i < kTries && ref != kNone; i++) {
    Entry *e = at(ref);
    if (fits(free_units(e), units)) return ref;
    ref = e->next;
  }
  const uint32_t bin = bin_from(units + kMinUnits);
  if (bin >= kBins) return kNone;
  uint64_t word = bins_->in_use[bin / 64] & (~uint64_t{0} << (bin % 64));
  for (uint32_t i = bin / 64; i < kBinWords; word = ++i < kBinWords ? bins_->in_use[i] : 0) {
    if (word != 0) return bins_->heads[i * 64 + static_cast<uint32_t>(__builtin_ctzll(word))];
  }
  return kNone;
}

Ref Store::allocate(size_t bytes) noexcept {
  const uint32_t units = static_cast<uint32_t>(bytes / kUnit);
  Ref ref = find(units);
  if (ref == kNone) ref = grow(units);
  if (ref == kNone) return kNone;
  Entry *e = at(ref);
  const uint32_t have = free_units(e);
  unlink_free(ref);
  if (have != units) link_free(ref + units, have - units);
  const uint32_t number = ref >> kOffsetBits;
  chunks()[number].used_units += units;
  used_units_ += units;
  if (number == idle_chunk_) idle_chunk_ = kMaxChunks;
  zero(e);
  return ref;
}

void Store::release(Ref ref, size_t bytes) noexcept {
  uint32_t units = static_cast<uint32_t>(bytes / kUnit);
  const uint32_t number = ref >> kOffsetBits;
  Chunk &chunk = chunks()[number];
  chunk.used_units -= units;
  used_units_ -= units;
  Entry *e = at(ref);
  Entry *next = after(e, units);
  if ((next->block & kFree) != 0) {
    const uint32_t next_units = free_units(next);
    unlink_free(ref + units);
    units += next_units;
  }
  if ((e->block & kPrevFree) != 0) {
    const uint32_t before = units_before(e);
    ref -= before;
    unlink_free(ref);
    units += before;
  }
  link_free(ref, units);
  if (chunk.used_units == 0) retire(number);
}

// One free chunk is kept, if it is not large beside what is in use: so a cache that wavers about
// the edge of a chunk does not ask for it again and again.
void Store::retire(uint32_t number) {
  if (idle_chunk_ != kMaxChunks) let_chunk_go(idle_chunk_);
  idle_chunk_ = kMaxChunks;
  if (used_units_ / 4 >= chunks()[number].units) {
    idle_chunk_ = number;
  } else {
    let_chunk_go(number);
  }
}

// A free block, in a new chunk, from which that many units can be cut; kNone: no memory.
Ref Store::grow(uint32_t units) {
  const size_t needed = (kFirstUnit + units + kMinUnits + kEndUnits) * kUnit;
  if (needed > kMaxChunkBytes) return kNone;
  size_t bytes = static_cast<size_t>(std::min<uint64_t>(held_units_ * kUnit / 8, kMaxChunkBytes));
  bytes = std::max({bytes, kMinChunkBytes, needed});
  const size_t step = bytes < kPageBytes ? kMinChunkBytes : kPageBytes;
  bytes = (bytes + step - 1) & ~(step - 1);

  uint32_t number = find_idle(static_cast<uint32_t>(bytes / kUnit));
  if (number == kMaxChunks) number = add_chunk(bytes);
  if (number == kMaxChunks) return kNone;
  Chunk &chunk = chunks()[number];
  chunk.used_units = 0;
  held_units_ += chunk.units;

  const uint32_t free_size = chunk.units - kFirstUnit - kEndUnits;
  const Ref first = (number << kOffsetBits) + kFirstUnit;
  zero(at(first + free_size));
  link_free(first, free_size);
  return first;
}

// The smallest idle chunk of at least that many units; kMaxChunks: there is none.
uint32_t Store::find_idle(uint32_t units) const {
  uint32_t best = kMaxChunks;
  for (uint32_t i = 0; keeps_ && i < chunk_count_; i++) {
    const Chunk &chunk = chunks()[i];
    if (chunk.base == nullptr || chunk.used_units != kIdle || chunk.units < units) continue;
    if (best == kMaxChunks || chunk.units < chunks()[best].units) best = i;
  }
  if (best != kMaxChunks) memory_.reuse(chunk_bytes(chunks()[best]), kChunkAlign);
  return best;
}

// kMaxChunks: no memory.
uint32_t Store::add_chunk(size_t bytes) {
  if (bins_ == nullptr) {
    bins_ = static_cast<Bins *>(memory_.allocate_zeroed(sizeof(Bins), alignof(Bins)));
    if (bins_ == nullptr) return kMaxChunks;
  }
  uint32_t number = 0;
  while (number < chunk_count_ && chunks()[number].base != nullptr) number++;
  if (number == chunk_count_ && !add_chunk_slot()) return kMaxChunks;
  char *base = static_cast<char *>(memory_.allocate(bytes, kChunkAlign));
  if (base == nullptr) return kMaxChunks;
  chunk_count_ = std::max(chunk_count_, number + 1);
  chunks()[number] = {base, static_cast<uint32_t>(bytes / kUnit), 0};
  return number;
}

bool Store::add_chunk_slot() {
  if (chunk_count_ < chunk_capacity_) return true;
  if (chunk_count_ == kMaxChunks) return false;
  const uint32_t capacity = std::min(kMaxChunks, std::max(4u, chunk_capacity_ * 2));
  auto *table = static_cast<Chunk *>(memory_.allocate(table_bytes(capacity), alignof(Chunk)));
  if (table == nullptr) return false;
  if (chunk_count_ > 0) std::memcpy(table, chunks(), chunk_count_ * sizeof(Chunk));
  table[capacity] = {reinterpret_cast<char *>(chunks()), chunk_capacity_, 0};
  chunks_.store(table, std::memory_order_release);
  chunk_capacity_ = capacity;
  return true;
}

void Store::release_tables() {
  for (Chunk *table = chunks(); table != nullptr;) {
    const Chunk predecessor = table[chunk_capacity_];
    memory_.release(table, table_bytes(chunk_capacity_), alignof(Chunk));
    table = reinterpret_cast<Chunk *>(predecessor.base);
    chunk_capacity_ = predecessor.units;
  }
  chunks_.store(nullptr, std::memory_order_relaxed);
}

// A chunk that is one free block is held no more.
void Store::let_chunk_go(uint32_t number) {
  Chunk &chunk = chunks()[number];
  unlink_free((number << kOffsetBits) + kFirstUnit);
  held_units_ -= chunk.units;
  if (keeps_) {
    memory_.idle(chunk.base, chunk_bytes(chunk), kChunkAlign);
    chunk.used_units = kIdle;
    return;
  }
  release_chunk(number);
  while (chunk_count_ > 0 && chunks()[chunk_count_ - 1].base == nullptr) chunk_count_--;
}

void Store::trim() noexcept {
  if (bins_ == nullptr) return;
  for (uint32_t bin = bin_of(kTrimmedBytes / kUnit); bin < kBins; bin++) {
    for (Ref ref = bins_->heads[bin]; ref != kNone; ref = at(ref)->next) {
      const Chunk &chunk = chunks()[ref >> kOffsetBits];
      if (memory_.discard_bytes(chunk_bytes(chunk), kChunkAlign) == 0) continue;
      // What the store keeps in a free block stands at its ends.
      const size_t begin = (ref & kOffsetMask) * kUnit;
      const size_t end = begin + free_units(at(ref)) * kUnit;
      const size_t first = (begin + kMinBlockBytes + kLargestPage - 1) & ~(kLargestPage - 1);
      const size_t last = (end - sizeof(uint32_t)) & ~(kLargestPage - 1);
      if (first < last) memory_.discard(chunk.base + first, last - first);
    }
  }
}

void Store::release_chunk(uint32_t number) {
  Chunk &chunk = chunks()[number];
  memory_.release(chunk.base, chunk_bytes(chunk), kChunkAlign);
  chunk = {};
}

void Store::clear() noexcept {
  for (uint32_t i = 0; i < chunk_count_; i++) {
    Chunk &chunk = chunks()[i];
    if (chunk.base == nullptr || chunk.used_units == kIdle) continue;
    if (keeps_) {
      memory_.idle(chunk.base, chunk_bytes(chunk), kChunkAlign);
      chunk.used_units = kIdle;
    } else {
      release_chunk(i);
    }
  }
  if (!keeps_) {
    release_tables();
    chunk_count_ = 0;
  }
  held_units_ = used_units_ = 0;
  idle_chunk_ = kMaxChunks;
  if (bins_ != nullptr) *bins_ = {};
}

Store::~Store() {
  for (uint32_t i = 0; i < chunk_count_; i++) {
    if (chunks()[i].used_units == kIdle) memory_.reuse(chunk_bytes(chunks()[i]), kChunkAlign);
    release_chunk(i);
  }
  release_tables();
  memory_.release(bins_, sizeof(Bins), alignof(Bins));
}

#ifdef CT_VALIDATE
const char *Store::problem(uint64_t used, bool all) const {
  uint64_t held_units = 0;
  uint64_t used_units = 0;
  uint64_t free_units_in_all = 0;
  for (uint32_t i = 0; i < chunk_count_; i++) {
    const Chunk &chunk = chunks()[i];
    if (chunk.base == nullptr || chunk.used_units == kIdle) continue;
    held_units += chunk.units;
    used_units += chunk.used_units;
    free_units_in_all += chunk.units - kFirstUnit - kEndUnits - chunk.used_units;
    if (chunk.used_units == 0 && i != idle_chunk_) return "store: a free chunk is kept";
  }
  if (held_units != held_units_) return "store: it holds not what its chunks have";
  if (used_units != used_units_) return "store: its use is not that of its chunks";
  const uint64_t known = used / kUnit;
  if (all ? known != used_units_ : known > used_units_) return "store: blocks were lost";

  for (uint32_t bin = 0; bins_ != nullptr && bin < kBins; bin++) {
    const bool in_use = (bins_->in_use[bin / 64] >> (bin % 64) & 1) != 0;
    if (in_use != (bins_->heads[bin] != kNone)) return "store: a bin's bit is wrong";
    Ref before = kNone;
    for (Ref ref = bins_->heads[bin]; ref != kNone; ref = at(ref)->next) {
      Entry *e = at(ref);
      const uint32_t units = free_units(e);
      if (e->block != kFree) return "store: a free block is not marked so, or follows another";
      if (e->prev != before) return "store: a bin's links are broken";
      if (bin_of(units) != bin) return "store: a free block is in the wrong bin";
      Entry *next = after(e, units);
      if (units_before(next) != units) return "store: a free block's sizes differ";
      if (next->block != kPrevFree) return "store: the block after a free one does not know it";
      free_units_in_all -= units;
      before = ref;
    }
  }
  return free_units_in_all == 0 ? nullptr : "store: free room is in no bin";
}
#endif

}  // namespace ct
