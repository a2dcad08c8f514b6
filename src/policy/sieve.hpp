// SPDX-License-Identifier: MIT
// SIEVE: as Clock, but newcomers queue up as the youngest, wherever the hand is. So it sifts those
// who came lately more often than those who have stayed (Zhang, Yang, Yue, Vigfusson, Rashmi, "SIEVE
// is Simpler than LRU: an Efficient Turn-Key Eviction Algorithm for Web Caches", NSDI 2024).
//
// The queue is in the order in which entries came, and nothing changes that.
#ifndef CT_POLICY_SIEVE_HPP
#define CT_POLICY_SIEVE_HPP

#include "clock.hpp"

namespace ct {

class Sieve : public SecondChance {
 public:
  using SecondChance::SecondChance;
  void insert(Ref ref, uint64_t, Now &) override { hand_.insert_youngest(ref); }
};

}  // namespace ct

#endif
