// SPDX-License-Identifier: MIT
#include "rr.hpp"

#include "kinds.hpp"

namespace ct {

const PolicyKind kRrKind = kind_of<Rr>();

}  // namespace ct
