// SPDX-License-Identifier: MIT
// The random numbers of the workloads: the same on every machine and for every cache.
#pragma once
#include <cmath>
#include <cstdint>

namespace bench {

/// SplitMix64 (Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = state_ += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
  }

  uint64_t below(uint64_t limit) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((static_cast<Wide>(next()) * limit) >> 64);
  }

  /// From 0 to 1, without 1.
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  uint64_t state_;
};

/// Ranks from 0 on, the k-th with a probability in proportion to 1 / k^skew (Gray et al., Quickly
/// generating billion-record synthetic databases, 1994).
class Zipf {
 public:
  Zipf(uint64_t count, double skew)
      : count_(static_cast<double>(count)),
        skew_(skew),
        zeta_(zeta(count, skew)),
        eta_((1 - std::pow(2 / count_, 1 - skew)) / (1 - zeta(2, skew) / zeta_)) {}

  uint64_t operator()(Random &random) const {
    const double unit = random.unit();
    const double weight = unit * zeta_;
    if (weight < 1) return 0;
    if (weight < 1 + std::pow(0.5, skew_)) return 1;
    const double rank = count_ * std::pow(eta_ * unit - eta_ + 1, 1 / (1 - skew_));
    return static_cast<uint64_t>(std::fmin(rank, count_ - 1));
  }

 private:
  /// The sum of the first terms, and an integral for the others.
  static double zeta(uint64_t count, double skew) {
    constexpr uint64_t kTerms = 10000;
    double sum = 0;
    for (uint64_t k = 1; k <= count && k <= kTerms; k++)
      sum += std::pow(static_cast<double>(k), -skew);
    if (count <= kTerms) return sum;
    const auto integral = [skew](double x) { return std::pow(x, 1 - skew) / (1 - skew); };
    return sum + integral(static_cast<double>(count) + 0.5) - integral(kTerms + 0.5);
  }

  double count_;
  double skew_;
  double zeta_;
  double eta_;
};

}  // namespace bench
