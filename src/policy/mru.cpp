// SPDX-License-Identifier: MIT
#include "mru.hpp"

#include "kinds.hpp"

namespace ct {

const PolicyKind kMruKind = kind_of<Mru>();

}  // namespace ct
