// SPDX-License-Identifier: MIT
#include "wtinylfu.hpp"

#include "kinds.hpp"

namespace ct {

const PolicyKind kWTinyLfuKind = kind_of<WTinyLfu>();

}  // namespace ct
