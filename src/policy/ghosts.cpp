// SPDX-License-Identifier: MIT
#include "policy/ghosts.hpp"

#include <cstring>

namespace ct {

// ---- The queue --------------------------------------------------------------------------------

void Ghosts::add(uint64_t hash) {
  if (table_.count == 0) return;
  while (size() >= table_.capacity()) drop_oldest();
  if (ticks_.arrive(tick_length_)) {
    sweep(table_, 0);
    sweep(old_, moved_);
  }
  const uint32_t position = hash_position(hash);
  put(is_in_new(position) ? table_ : old_, position, ticks_.now());
}

bool Ghosts::remove(uint64_t hash) {
  if (size() == 0) return false;
  const uint32_t position = hash_position(hash);
  return (is_in_new(position) && erase(table_, position)) ||
         (may_be_in_old(position) && erase(old_, position));
}

void Ghosts::drop_oldest() {
  const uint64_t before = size();
  while (before != 0 && size() == before) ticks_.drop_oldest();
}

void Ghosts::clear() noexcept {
  release(table_);
  release(old_);
  ticks_.clear();
}

// ---- Tables -----------------------------------------------------------------------------------

// Returns a table without buckets if there is no memory.
Ghosts::Table Ghosts::allocate(uint64_t buckets) noexcept {
  Table table;
  if (buckets > kMaxBuckets) return table;
  const size_t bytes = bytes_of(buckets);
  void *memory = memory_.allocate_untouched(bytes, alignof(Bucket));
  if (memory == nullptr) return table;
  table.buckets = static_cast<Bucket *>(memory);
  table.count = static_cast<uint32_t>(buckets);
  table.ready = reinterpret_cast<Cell<uint64_t> *>(table.buckets + buckets);
  memory_.use(table.ready, ready_bytes(buckets), bytes, Memory::kTable);
  for (size_t i = 0; i < ready_bytes(buckets) / sizeof *table.ready; i++) table.ready[i] = 0;
  return table;
}

void Ghosts::release(Table &table) noexcept {
  memory_.release(table.buckets, bytes_of(table.count), alignof(Bucket), Memory::kTable);
  table = Table();
}

// Frees all slots of the bucket's page.
void Ghosts::make_ready(const Table &table, uint32_t bucket) {
  const uint32_t first = bucket / kPage * kPage;
  const uint32_t size = std::min(kPage, table.count - first);
  Bucket *const buckets = table.buckets + first;
  memory_.use(buckets, bucket_bytes(size), bytes_of(table.count), Memory::kTable);
  for (uint32_t b = 0; b < size; b++) {
    for (Cell<uint32_t> &position : buckets[b].positions) position = 0;
    for (Cell<Tick> &came : buckets[b].came) came = ticks_.long_ago();
  }
  table.ready[bucket / kPage / 64] |= uint64_t{1} << (bucket / kPage % 64);
}

// Returns the first bucket from this one on whose page is ready, or the number of buckets if there
// is none.
uint32_t Ghosts::Table::next_ready(uint32_t bucket) const {
  uint64_t b = bucket;
  while (b < count && !is_ready(static_cast<uint32_t>(b))) {
    const uint64_t page = b / kPage;
    b = (ready[page / 64] == 0 ? (page / 64 + 1) * 64 : page + 1) * kPage;
  }
  return static_cast<uint32_t>(std::min<uint64_t>(b, count));
}

bool Ghosts::erase(const Table &table, uint32_t position) {
  for (uint32_t home : table.homes_of(position)) {
    if (!table.is_ready(home)) continue;
    Bucket &bucket = table.buckets[home];
    if (bucket.may_hold(position) && erase_from(bucket, position)) return true;
  }
  return false;
}

bool Ghosts::erase_from(Bucket &bucket, uint32_t position) {
  for (uint32_t i = 0; i < kSlots; i++) {
    if (bucket.positions[i] != position || !ticks_.reaches(bucket.came[i])) continue;
    ticks_.leave(bucket.came[i]);
    bucket.came[i] = ticks_.long_ago();
    return true;
  }
  return false;
}

// Puts a ghost into the less crowded of its two buckets, into a free slot, or in place of the
// oldest.
void Ghosts::put(const Table &table, uint32_t position, Tick came) {
  const Homes homes = table.homes_of(position);
  for (uint32_t home : homes) {
    if (!table.is_ready(home)) make_ready(table, home);
  }
  const uint32_t first = crowd(table.buckets[homes[0]]);
  const uint32_t second = crowd(table.buckets[homes[1]]);
  Bucket &bucket = table.buckets[homes[first <= second ? 0 : 1]];
  uint32_t i = 0;
  if (std::min(first, second) == kSlots) {
    i = oldest(bucket);
    ticks_.leave(bucket.came[i]);
  } else {
    while (ticks_.reaches(bucket.came[i])) i++;
  }
  bucket.positions[i] = position;
  bucket.came[i] = came;
}

// Returns the number of ghosts in the bucket.
uint32_t Ghosts::crowd(const Bucket &bucket) const {
  // Compilers make vectors of loops over plain numbers only.
  Tick all[kSlots];
  std::memcpy(all, bucket.came, sizeof all);
  Tick count = 0;
  for (Tick came : all) count = static_cast<Tick>(count + ticks_.reaches(came));
  return count;
}

uint32_t Ghosts::oldest(const Bucket &bucket) const {
  uint32_t oldest = 0;
  for (uint32_t i = 1; i < kSlots; i++) {
    if (ticks_.age(bucket.came[i]) > ticks_.age(bucket.came[oldest])) oldest = i;
  }
  return oldest;
}

// Gives the age kLongAgo to the ghosts that have left, in this tick's share of the buckets, from a
// bucket on.
void Ghosts::sweep(const Table &table, uint32_t from) {
  const uint64_t turn = ticks_.now() % kTicksASweep;
  const uint64_t end = (turn + 1) * table.count / kTicksASweep;
  for (uint64_t b = std::max<uint64_t>(from, turn * table.count / kTicksASweep); b < end; b++) {
    if (!table.is_ready(static_cast<uint32_t>(b))) continue;
    for (Cell<Tick> &came : table.buckets[b].came) {
      if (!ticks_.reaches(came)) came = ticks_.long_ago();
    }
  }
}

// ---- Changes of size --------------------------------------------------------------------------

bool Ghosts::reserve(uint64_t count, bool tight) noexcept {
  if (tight && moving() && table_.count < old_.count) move_some(kBucketsAGhost, kGhostsAGhost);
  const uint64_t needed = buckets_for(count);
  const uint64_t capacity = table_.capacity();
  // A table is too large if four times as many ghosts would fit.
  const bool excessive = table_.count > 8 && needed < table_.count &&
                         (tight ? capacity / 3 * 2 : capacity / 4) > count;
  if (count <= capacity && !excessive) return true;
  if (count < size() || moving()) return false;
  // It grows by at least an eighth, so that it does not grow again at once. A table that is no
  // longer exact has room for more as it is.
  const uint64_t grown = table_.count + table_.count / 8;
  const bool leaps = is_exact(table_.count) && !is_exact(grown);
  return replace_table(excessive || leaps ? needed : std::max(needed, grown), tight);
}

// Begins to replace the table by one of another size. Returns false if there is no memory.
bool Ghosts::replace_table(uint64_t buckets, bool tight) noexcept {
  Table table = allocate(buckets);
  if (table.buckets == nullptr) return false;
  if (!ticks_.limit_reach(ticks_of(buckets))) {
    release(table);
    return false;
  }
  tick_length_ = tick_length(buckets);
  old_ = table_;
  table_ = table;
  moved_ = 0;
  emptied_.begin();
  go_on();
  while (moving() && old_.count <= (tight ? kTightBuckets : kExactBuckets)) go_on();
  return true;
}

// Moves the ghosts of the next buckets from the old table to the new one: about `ghosts`, from at
// most `buckets`.
void Ghosts::move_some(uint32_t buckets, uint32_t ghosts) {
  for (uint32_t i = 0, moved = 0; i < buckets && moved < ghosts && moved_ < old_.count; i++) {
    if (old_.is_ready(moved_)) moved += move_bucket(old_.buckets[moved_++]);
    moved_ = old_.next_ready(moved_);
  }
  if (moved_ == old_.count) {
    release(old_);
  } else {
    // Look-ups still read all of a block of which some buckets are left.
    emptied_.discard_up_to(memory_, old_.buckets, bytes_of(old_.count),
                           bucket_bytes(moved_ / kBlock * kBlock));
  }
}

// Returns how many ghosts have moved.
uint32_t Ghosts::move_bucket(Bucket &bucket) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < kSlots; i++) {
    const Tick came = bucket.came[i];
    if (!ticks_.reaches(came)) continue;
    bucket.came[i] = ticks_.long_ago();
    put(table_, bucket.positions[i], came);
    count++;
  }
#ifdef CT_VALIDATE
  work_++;
#endif
  return count;
}

#ifdef CT_VALIDATE
const char *Ghosts::problem() const {
  uint64_t known = 0;
  for (const Table *table : {&table_, &old_}) {
    for (uint32_t b = table == &old_ ? moved_ : 0; b < table->count; b++) {
      if (!table->is_ready(b)) continue;
      for (uint32_t i = 0; i < kSlots; i++) {
        if (!ticks_.reaches(table->buckets[b].came[i])) continue;
        known++;
        const uint32_t position = table->buckets[b].positions[i];
        if (!(table == &old_ ? may_be_in_old(position) : is_in_new(position)))
          return "ghosts: one is in a table that is not in charge of its hash";
        const Homes homes = table->homes_of(position);
        if (homes[0] != b && homes[1] != b) return "ghosts: one is not where its hash leads";
      }
    }
  }
  if (const char *problem = ticks_.problem()) return problem;
  if (known != size()) return "ghosts: the tables do not hold as many as there are";
  if (size() > table_.capacity()) return "ghosts: there are more than there is room for";
  return nullptr;
}
#endif

}  // namespace ct
