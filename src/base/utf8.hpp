// SPDX-License-Identifier: MIT
// UTF-8.
#ifndef CT_UTF8_HPP
#define CT_UTF8_HPP

#include <cstddef>

namespace ct {

// Returns whether text is well-formed UTF-8: no overlong forms, no surrogates, nothing beyond
// U+10FFFF.
bool is_utf8(const char *text, size_t size);

}  // namespace ct

#endif
