// SPDX-License-Identifier: MIT
#include "shard/share.hpp"

#include "shard/shard.hpp"

namespace ct {

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

bool Share::find_larger_payer(StoreRequest &request, uint64_t entries) {
  const uint32_t last = shards_.count - 1;
  looked_at_ = static_cast<uint16_t>((looked_at_ + 1) & last);
  if (looked_at_ == number_) looked_at_ = static_cast<uint16_t>((looked_at_ + 1) & last);
  const uint64_t tolerated = request.own_paid ? 0 : entries / 16 + 1;
  if (shards_[looked_at_].entries() <= entries + tolerated) return false;
  request.payer = looked_at_;
  request.payer_keeps = entries;
  return true;
}

}  // namespace ct
