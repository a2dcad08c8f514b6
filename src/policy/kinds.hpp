// SPDX-License-Identifier: MIT
// The policies there are, each defined in the file of its name.
#ifndef CT_POLICY_KINDS_HPP
#define CT_POLICY_KINDS_HPP

#include "../policy.hpp"

namespace ct {

extern const PolicyKind kLruKind, kFifoKind, kLfuKind, kRrKind, kAnyKind, kMruKind, kClockKind,
    kSieveKind, kS3FifoKind, kWTinyLfuKind, kArcKind, kCustomKind;

}  // namespace ct

#endif
