// SPDX-License-Identifier: MIT
#include "lfu.hpp"

#include "kinds.hpp"

namespace ct {

const PolicyKind kLfuKind = kind_of<Lfu>();

}  // namespace ct
