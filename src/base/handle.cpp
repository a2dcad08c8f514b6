// SPDX-License-Identifier: MIT
#include "base/handle.hpp"

#include <cstdlib>

#include "base/system.hpp"

namespace ct {
void abort_for(const char *what, const char *did) noexcept {
  system::say("libcachetools: ");
  system::say(what);
  system::say(" ");
  system::say(did);
  system::say("\n");
  std::abort();
}

const char *name_of(Handle kind) noexcept {
  switch (kind) {
    case Handle::kCache:
      return "a ct_cache";
    case Handle::kIter:
      return "a ct_iter";
    case Handle::kKey:
      return "a ct_key";
    case Handle::kMemo:
      return "a ct_memo";
  }
  return "a handle";
}

}  // namespace ct
