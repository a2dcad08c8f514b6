// SPDX-License-Identifier: MIT
// Only in the static build for tests.
#include "../abi/boundary.hpp"
#include "internal.h"

const char *ct_validate(ct_cache *cache) { return ct::unwrap(cache)->problem(); }
