// SPDX-License-Identifier: MIT
#include "shard/pins.hpp"

namespace ct {

bool Pins::pin_beyond(Entry *e) {
  for (Many &many : many_) {
    if (many.entry == e) {
      many.more++;
      count_++;
      return true;
    }
  }
  if (!many_.reserve(1)) return false;
  many_.push({e, 1});
  count_++;
  return true;
}

bool Pins::unpin_beyond(Entry *e) {
  for (Many &many : many_) {
    if (many.entry != e) continue;
    if (--many.more == 0) {
      many = many_.back();
      many_.pop();
    }
    return true;
  }
  return false;
}

}  // namespace ct
