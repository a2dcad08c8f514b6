// SPDX-License-Identifier: MIT
#include "arc.hpp"

#include "kinds.hpp"

namespace ct {

const PolicyKind kArcKind = kind_of<Arc>();

}  // namespace ct
