// SPDX-License-Identifier: MIT
#include "custom.hpp"

#include "kinds.hpp"

namespace ct {

const PolicyKind kCustomKind = kind_of<Custom>();

}  // namespace ct
