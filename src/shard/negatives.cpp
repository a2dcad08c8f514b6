// SPDX-License-Identifier: MIT
#include "shard/negatives.hpp"

#include <new>
#include <utility>

namespace ct {

Negative *Negatives::make(Memory &memory, const Probe &probe, uint64_t deadline, uint64_t weight) {
  const Bytes key = probe.key;
  void *where = memory.allocate(Negative::bytes_of(key.size), alignof(Negative));
  if (where == nullptr) return nullptr;
  auto *negative = new (where) Negative;
  negative->hash = probe.hash;
  negative->deadline = deadline;
  negative->weight = weight;
  negative->key_size = static_cast<uint32_t>(key.size);
  if (key.size > 0) std::memcpy(negative->key_data(), key.data, key.size);
  return negative;
}

void Negatives::destroy(Memory &memory, Negative *negative) {
  const size_t bytes = Negative::bytes_of(negative->key_size);
  negative->~Negative();
  memory.release(negative, bytes, alignof(Negative));
}

Negative *Negatives::find(const Probe &probe) {
  return table_.find(probe.hash, [&](Negative &negative) {
    return negative.key_size == probe.key.size &&
           std::memcmp(negative.key_data(), probe.key.data, probe.key.size) == 0;
  });
}

bool Negatives::has(const Probe &probe, Now &now) {
  const Negative *negative = find(probe);
  return negative != nullptr && !is_over(*negative, now);
}

bool Negatives::add(Negative *negative) {
  if (!table_.reserve()) return false;
  negative->number = next_number_++;
  negative->older = newest_;
  (newest_ == nullptr ? oldest_ : newest_->newer) = negative;
  newest_ = negative;
  weight_ += negative->weight;
  table_.add(*negative);
  return true;
}

uint64_t Negatives::remove(Negative &negative) {
  (negative.older == nullptr ? oldest_ : negative.older->newer) = negative.newer;
  (negative.newer == nullptr ? newest_ : negative.newer->older) = negative.older;
  table_.remove(negative);
  const uint64_t weight = negative.weight;
  weight_ -= weight;
  room_.give(weight);
  destroy(memory_, &negative);
  return weight;
}

uint64_t Negatives::forget(const Probe &probe) {
  Negative *negative = find(probe);
  return negative == nullptr ? 0 : remove(*negative);
}

uint64_t Negatives::forget_oldest() { return remove(*oldest_); }

uint64_t Negatives::tidy(Now &now) {
  return oldest_ != nullptr && is_over(*oldest_, now) ? forget_oldest() : 0;
}

#ifdef CT_VALIDATE
const char *Negatives::problem() {
  uint64_t weight = 0;
  uint64_t number = 0;
  uint32_t count = 0;
  const char *problem = nullptr;
  for (Negative *negative = oldest_; negative != nullptr; negative = negative->newer) {
    if (negative->number <= number) problem = "negatives: they are not in order of age";
    number = negative->number;
    weight += negative->weight;
    count++;
    const Bytes key = {negative->key_data(), negative->key_size};
    if (find({key, negative->hash}) != negative) problem = "negatives: one is not found";
  }
  if (count != table_.size()) problem = "negatives: their number is wrong";
  if (weight != weight_) problem = "negatives: their weight is wrong";
  return problem;
}
#endif

}  // namespace ct
