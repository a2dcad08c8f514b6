// SPDX-License-Identifier: MIT
#include "any.hpp"

#include "kinds.hpp"

namespace ct {

const PolicyKind kAnyKind = kind_of<Any>();

}  // namespace ct
