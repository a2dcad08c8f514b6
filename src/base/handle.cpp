// SPDX-License-Identifier: MIT
#include "base/handle.hpp"

#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace ct {
namespace {

void say(const char *text) noexcept {
  // If the standard error is closed, only the abort is left to tell.
  if (write(STDERR_FILENO, text, std::strlen(text)) < 0) return;
}

}  // namespace

void abort_for(const char *what, const char *did) noexcept {
  say("libcachetools: ");
  say(what);
  say(" ");
  say(did);
  say("\n");
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
