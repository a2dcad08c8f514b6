// SPDX-License-Identifier: MIT
#include "lru.hpp"

#include "kinds.hpp"

namespace ct {

const PolicyKind kLruKind = kind_of<Lru>();

}  // namespace ct
