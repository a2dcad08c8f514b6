// SPDX-License-Identifier: MIT
#include "base/utf8.hpp"

namespace ct {

bool is_utf8(const char *text, size_t size) {
  const auto *p = reinterpret_cast<const unsigned char *>(text);
  const auto *const end = p + size;
  while (p != end) {
    const unsigned char first = *p++;
    if (first < 0x80) continue;
    int more;
    unsigned char least = 0x80;
    unsigned char most = 0xBF;
    if (first >= 0xC2 && first <= 0xDF) {
      more = 1;
    } else if (first >= 0xE0 && first <= 0xEF) {
      more = 2;
      if (first == 0xE0) least = 0xA0;
      if (first == 0xED) most = 0x9F;
    } else if (first >= 0xF0 && first <= 0xF4) {
      more = 3;
      if (first == 0xF0) least = 0x90;
      if (first == 0xF4) most = 0x8F;
    } else {
      return false;
    }
    for (; more > 0; more--, least = 0x80, most = 0xBF) {
      if (p == end || *p < least || *p > most) return false;
      p++;
    }
  }
  return true;
}

}  // namespace ct
