// SPDX-License-Identifier: MIT
#include "shard/share.hpp"

#include <algorithm>

#include "shard/shard.hpp"

namespace ct {
namespace {

// How many windows it takes to replace all entries of a shard. A window is long enough that chance
// does not make twice of what is even.
constexpr uint64_t kWindows = 4;
constexpr uint64_t kShortest = 128;
constexpr uint64_t kLongest = 1 << 24;
// One entry is given for so many stores of a window. So few are given, since several shards may ask
// the same one before it can show that it has none to spare.
constexpr uint32_t kStoresAGift = 16;

// How many entries a shard keeps whatever a shard of this many asks for.
uint64_t least_of(uint64_t entries) { return entries / 4; }

}  // namespace

void Share::set_part(double part) {
  // As a double, all * part may be rounded up to all, which may be too large for a uint64_t.
  const double all = static_cast<double>(weight_);
  part_ = all * part < all ? static_cast<uint64_t>(all * part) : weight_;
}

bool Share::find_due_shard(StoreRequest &request, Now &now) const {
  const uint32_t shard = shards_.due_tree.due(now());
  if (shard == DueTree::kNobody || shard == number_) return false;
  request.payer = shard;
  request.payer_keeps = UINT64_MAX;
  return true;
}

// Returns the shard behind another one, leaving out this one.
uint32_t Share::next(uint32_t shard) const {
  const uint32_t last = shards_.count - 1;
  const uint32_t next = (shard + 1) & last;
  return next == number_ ? (next + 1) & last : next;
}

bool Share::find_larger_payer(StoreRequest &request, uint64_t entries) {
  if (shards_.count == 1) return false;
  looked_at_ = static_cast<uint16_t>(next(looked_at_));
  const Shard &other = shards_[looked_at_];
  const uint64_t tolerated = request.own_paid ? 0 : entries / 16 + 1;
  // What was given stays with the shard that was given it, but no more than half of its entries, as
  // it may have been given when there were more.
  const auto most = static_cast<int64_t>(entries / 2);
  const int64_t lead =
      std::clamp<int64_t>(static_cast<int32_t>(given() - other.given()), -most, most);
  const auto keeps = static_cast<uint64_t>(static_cast<int64_t>(entries) - lead);
  if (other.entries() <= keeps + tolerated) return false;
  request.payer = looked_at_;
  request.payer_keeps = keeps;
  return true;
}

// ---- Demand -----------------------------------------------------------------------------------

bool Share::compare(uint64_t entries) {
  if (shards_.count == 1) {
    left_ = UINT32_MAX;
    return false;
  }
  if (own().gifts == 0) look(entries);
  wait_for(own().gifts != 0 ? 1 : own().window);
  return own().gifts != 0;
}

// At the end of a window: finds out whether the stores of the rival have asked less than half as
// often, for each of its entries.
void Share::look(uint64_t entries) {
  Demand &own = this->own();
  const Shard &rival = shards_[own.rival];
  const uint32_t asked = rival.demand() - own.before;
  const uint64_t theirs = rival.entries();
  const bool is_slower = uint64_t{asked} * 2 * entries < own.window * theirs;
  if (is_slower && theirs > least_of(entries)) {
    own.gifts = std::max(own.window / kStoresAGift, 1u);
  } else {
    look_at_next(entries);
  }
}

void Share::look_at_next(uint64_t entries) {
  Demand &own = this->own();
  own.rival = next(own.rival);
  own.before = shards_[own.rival].demand();
  own.window = static_cast<uint32_t>(std::clamp(entries / kWindows, kShortest, kLongest));
}

bool Share::take_gift(StoreRequest &request, uint64_t entries, uint64_t held) {
  if (!compare(entries)) return false;
  Demand &own = this->own();
  own.given = own.given + 1;
  request.payer = own.rival;
  request.payer_keeps = least_of(entries);
  request.need = held + 1;
  if (--own.gifts == 0) {
    look_at_next(entries);
    wait_for(own.window);
  }
  return true;
}

}  // namespace ct
