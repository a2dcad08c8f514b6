// SPDX-License-Identifier: MIT
#include "clock.hpp"

#include "kinds.hpp"

namespace ct {

const PolicyKind kClockKind = kind_of<SecondChance>();

}  // namespace ct
