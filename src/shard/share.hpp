// SPDX-License-Identifier: MIT
// A shard's share of the limit: what its entries weigh, how much of that a lower limit leaves, how
// often its stores ask for room, and which other shard should pay for a store. budget.hpp explains
// the rules. The shard's lock guards it.
#ifndef CT_SHARE_HPP
#define CT_SHARE_HPP

#include <cassert>
#include <cstdint>
#include <new>

#include "base/cell.hpp"
#include "base/clock.hpp"
#include "shard/budget.hpp"
#include "shard/request.hpp"
#include "shard/shards.hpp"

namespace ct {

class Share {
 public:
  Share(const Shards &shards, uint32_t number) noexcept
      : shards_(shards),
        number_(static_cast<uint16_t>(number)),
        looked_at_(static_cast<uint16_t>(number)) {
    if (shards.count > 1) new (&own()) Demand(number);
  }
  Share(const Share &) = delete;
  Share &operator=(const Share &) = delete;

  // Returns how many shards the cache has.
  uint32_t shards() const { return shards_.count; }
  // Returns the weight of all entries of this shard.
  uint64_t weight() const { return weight_; }
  // An entry weighs `now` instead of `before`. The difference is taken out of `room`, or put into
  // it.
  void reweigh(Reservation &room, uint64_t before, uint64_t now) {
    if (now > before) {
      room.spend(now - before);
    } else {
      room.keep(before - now);
    }
    weight_ += now - before;
  }
  void leave(uint64_t weight) {
    assert(weight <= weight_);
    weight_ -= weight;
  }

  // A lower limit leaves this shard `part` of its weight.
  void set_part(double part);
  void set_no_part() { part_ = 0; }
  // While a debt is being paid, returns whether this shard has not done its part yet.
  bool owes() const { return weight_ > part_; }

  // Both functions return whether another shard should pay, and if so, set the request's payer.
  // They are called when no entry of this shard is due.
  bool find_due_payer(StoreRequest &request, Now &now) const {
    return shards_.due_tree.earliest() != CT_NEVER && find_due_shard(request, now);
  }
  // Looks at another shard each time. Returns whether that one has more entries than this shard, or
  // noticeably more if this shard has not evicted for the request. Entries that either of them was
  // given are left out.
  bool find_larger_payer(StoreRequest &request, uint64_t entries);
  // Counts a store that asks for room when the pool has none. Returns whether it is time to
  // compare.
  bool count_demand() {
    left_ = left_ - 1;
    return left_ == 0;
  }
  // Compares with another shard. Returns whether that shard gives entries to the next stores.
  [[gnu::noinline, gnu::cold]] bool compare(uint64_t entries);
  // The same for a store that holds this much room: if so, sets the request's payer, for one entry.
  bool take_gift(StoreRequest &request, uint64_t entries, uint64_t held);
  // These need no lock, and are approximate without it. They are modulo 2^32: how many stores have
  // asked, and how many entries this shard was given.
  uint32_t demand() const { return own().planned - left_; }
  uint32_t given() const { return own().given; }
  // Returns whether no entry is due, in any shard.
  bool none_due(Now &now) const {
    const uint64_t earliest = shards_.due_tree.earliest();
    return earliest == CT_NEVER || earliest > now();
  }

 private:
  bool find_due_shard(StoreRequest &request, Now &now) const;
  uint32_t next(uint32_t shard) const;
  void look(uint64_t entries);
  void look_at_next(uint64_t entries);
  void wait_for(uint32_t stores) {
    own().planned = own().planned + stores - left_;
    left_ = stores;
  }
  Demand &own() const { return shards_.demand_of(number_); }

  const Shards &shards_;
  const uint16_t number_;
  uint16_t looked_at_;      // the shard that was looked at last
  Cell<uint32_t> left_{1};  // how many stores are still to ask before the next comparison
  uint64_t weight_ = 0;
  // Meaningless unless there is a debt. Until Shard::resize has set it for a new debt, a store may
  // pay a few victims too many, which does no harm.
  uint64_t part_ = 0;
};

}  // namespace ct

#endif
