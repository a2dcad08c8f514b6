// SPDX-License-Identifier: MIT
#include "ghosts.hpp"

#include <algorithm>
#include <utility>

namespace ct {

bool Ghosts::reserve(uint64_t count, bool tight) noexcept {
  // Too much is what four times as many would need.
  const bool excessive = count_ > 8 && (tight ? capacity() / 3 * 2 : capacity() / 4) > count;
  if (count <= capacity() && !excessive) return true;
  if (count < total()) return false;
  const uint64_t needed = count * 20 / (17 * kSlots) + 1;
  // A table that grows again and again, grows by an eighth.
  const uint64_t buckets = excessive ? needed : std::max<uint64_t>(needed, count_ + count_ / 8);
  if (buckets > kMaxBuckets) return false;

  Ghosts other(memory_);
  other.buckets_ = static_cast<Bucket *>(
      memory_.allocate_zeroed(static_cast<size_t>(buckets) * sizeof(Bucket), alignof(Bucket)));
  if (other.buckets_ == nullptr) return false;
  other.count_ = static_cast<uint32_t>(buckets);
  for (uint32_t queue = 0; queue < kQueues; queue++) {
    for (uint32_t slot = queues_[queue].oldest; slot != kNoSlot; slot = at(slot).newer) {
      other.put(at(slot).position, queue);
    }
    std::swap(queues_[queue], other.queues_[queue]);
  }
  std::swap(buckets_, other.buckets_);
  std::swap(count_, other.count_);
  return true;
}

void Ghosts::add(uint64_t hash, uint32_t queue) {
  if (total() >= capacity()) drop_oldest(queues_[queue].size != 0 ? queue : 1 - queue);
  if (total() < capacity()) put(hash_position(hash), queue);
}

uint32_t Ghosts::remove(uint64_t hash) {
  const uint32_t slot = locate(hash_position(hash));
  if (slot == kNoSlot) return kNowhere;
  const uint32_t queue = queue_of(slot);
  take(slot);
  return queue;
}

void Ghosts::drop_oldest(uint32_t queue) {
  if (queues_[queue].size != 0) take(queues_[queue].oldest);
}

void Ghosts::clear() noexcept {
  memory_.release(buckets_, static_cast<size_t>(count_) * sizeof(Bucket), alignof(Bucket));
  buckets_ = nullptr;
  count_ = 0;
  for (Queue &queue : queues_) queue = {};
}

uint32_t Ghosts::locate(uint32_t position) const {
  if (total() == 0) return kNoSlot;
  uint32_t b = home_of(position);
  for (uint32_t left = count_;; b = next(b)) {
    const Bucket &bucket = buckets_[b];
    for (uint32_t bits = bucket.used; bits != 0; bits &= bits - 1) {
      const auto i = static_cast<uint32_t>(__builtin_ctz(bits));
      if (bucket.ghosts[i].position == position) return b * kSlots + i;
    }
    if (bucket.passed == 0 || --left == 0) return kNoSlot;
  }
}

// There is an empty slot.
void Ghosts::put(uint32_t position, uint32_t queue) {
  constexpr uint32_t kAll = (1u << kSlots) - 1;
  uint32_t b = home_of(position);
  for (; buckets_[b].used == kAll; b = next(b)) {
    if (buckets_[b].passed != kManyPassed) buckets_[b].passed++;
  }
  Bucket &bucket = buckets_[b];
  const auto i = static_cast<uint32_t>(__builtin_ctz(~static_cast<uint32_t>(bucket.used)));
  const uint32_t slot = b * kSlots + i;
  Queue &q = queues_[queue];
  occupy(slot, queue);
  bucket.ghosts[i] = {position, q.newest, kNoSlot};
  (q.newest == kNoSlot ? q.oldest : at(q.newest).newer) = slot;
  q.newest = slot;
  q.size++;
}

void Ghosts::take(uint32_t slot) {
  const Ghost &ghost = at(slot);
  Queue &q = queues_[queue_of(slot)];
  (ghost.older == kNoSlot ? q.oldest : at(ghost.older).newer) = ghost.newer;
  (ghost.newer == kNoSlot ? q.newest : at(ghost.newer).older) = ghost.older;
  q.size--;
  pass_no_more(home_of(ghost.position), slot / kSlots);
  vacate(slot);
  fill_gap(slot);
}

void Ghosts::pass_no_more(uint32_t from, uint32_t to) {
  for (uint32_t b = from; b != to; b = next(b)) {
    if (buckets_[b].passed != kManyPassed) buckets_[b].passed--;
  }
}

void Ghosts::vacate(uint32_t slot) {
  Bucket &bucket = buckets_[slot / kSlots];
  bucket.used = static_cast<uint8_t>(bucket.used & ~(1u << slot % kSlots));
}

// Moves a ghost that passed over the slot's bucket into it, and so on with the gap that it leaves.
void Ghosts::fill_gap(uint32_t slot) {
  uint32_t gap = slot / kSlots;
  for (uint32_t b = gap; buckets_[b].passed != 0;) {
    b = next(b);
    if (b == gap) return;
    for (uint32_t bits = buckets_[b].used; bits != 0; bits &= bits - 1) {
      const uint32_t from = b * kSlots + static_cast<uint32_t>(__builtin_ctz(bits));
      if (distance(home_of(at(from).position), b) < distance(gap, b)) continue;
      pass_no_more(gap, b);
      move(from, slot);
      gap = b;
      slot = from;
      break;
    }
  }
}

void Ghosts::move(uint32_t from, uint32_t to) {
  const uint32_t queue = queue_of(from);
  const Ghost &ghost = at(to) = at(from);
  (ghost.older == kNoSlot ? queues_[queue].oldest : at(ghost.older).newer) = to;
  (ghost.newer == kNoSlot ? queues_[queue].newest : at(ghost.newer).older) = to;
  vacate(from);
  occupy(to, queue);
}

void Ghosts::occupy(uint32_t slot, uint32_t queue) {
  Bucket &bucket = buckets_[slot / kSlots];
  const auto bit = static_cast<uint8_t>(1u << slot % kSlots);
  bucket.used = static_cast<uint8_t>(bucket.used | bit);
  bucket.second = static_cast<uint8_t>(queue == 0 ? bucket.second & ~bit : bucket.second | bit);
}

#ifdef CT_VALIDATE
const char *Ghosts::problem() const {
  uint64_t used = 0;
  for (uint32_t b = 0; b < count_; b++) used += __builtin_popcount(buckets_[b].used);
  if (used != total()) return "ghosts: the table does not hold what the queues count";
  if (used > capacity()) return "ghosts: there are more than there is room for";
  for (uint32_t queue = 0; queue < kQueues; queue++) {
    uint32_t count = 0;
    uint32_t older = kNoSlot;
    for (uint32_t slot = queues_[queue].oldest; slot != kNoSlot; slot = at(slot).newer) {
      if (++count > queues_[queue].size) return "ghosts: a queue is longer than it counts";
      if (at(slot).older != older) return "ghosts: a queue is linked one way only";
      if (queue_of(slot) != queue) return "ghosts: one is in a queue that is not its own";
      if (locate(at(slot).position) == kNoSlot) return "ghosts: one is not found by its hash";
      older = slot;
    }
    if (count != queues_[queue].size) return "ghosts: a queue is shorter than it counts";
    if (older != queues_[queue].newest) return "ghosts: a queue does not end at its newest";
  }
  return nullptr;
}
#endif

}  // namespace ct
