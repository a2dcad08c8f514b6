// SPDX-License-Identifier: MIT
// Pseudorandom numbers from a seed: splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom
// number generators", 2014).
#ifndef CT_RANDOM_HPP
#define CT_RANDOM_HPP

#include <cstdint>

namespace ct {

class Random {
 public:
  explicit Random(uint64_t seed) noexcept : state_(seed) {}

  uint64_t operator()() {
    uint64_t x = state_ += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  }

 private:
  uint64_t state_;
};

}  // namespace ct

#endif
