// SPDX-License-Identifier: MIT
// Handles: the addresses of objects that callers hold and give back. Such an object bears a mark
// until it is given back, so that giving it back twice is noticed as long as its memory shows it.
// That aborts the program, as free() does. Builds with CT_DEBUG_HANDLES look at the mark at each
// use.
//
// No status is returned: nothing of the object can be trusted, and the program would go on with it.
#ifndef CT_HANDLE_HPP
#define CT_HANDLE_HPP

#include <cstdint>

namespace ct {

#ifdef CT_DEBUG_HANDLES
constexpr bool kDebugHandles = true;
#else
constexpr bool kDebugHandles = false;
#endif

// Says on the standard error what the program did, and aborts.
[[noreturn]] void abort_for(const char *what, const char *did) noexcept;

enum class Handle : uint32_t {
  kCache = 0xCAC4E001,
  kIter = 0xCAC4E002,
  kKey = 0xCAC4E003,
  kMemo = 0xCAC4E004,
};

const char *name_of(Handle kind) noexcept;

template <Handle kKind>
class Mark {
 public:
  Mark() = default;
  ~Mark() = default;
  Mark(const Mark &) = delete;
  Mark &operator=(const Mark &) = delete;

  // The caller gives the object back.
  void take_back() noexcept {
    if (mark_ != static_cast<uint32_t>(kKind)) abort_for(name_of(kKind), "was freed twice");
    mark_ = 0;
  }
  // The caller uses the object.
  void use() const noexcept {
    if constexpr (kDebugHandles) {
      if (mark_ != static_cast<uint32_t>(kKind)) {
        abort_for(name_of(kKind), "was used after it was freed");
      }
    }
  }

 private:
  // The compiler would leave out a last write before the memory is freed.
  volatile uint32_t mark_ = static_cast<uint32_t>(kKind);
};

}  // namespace ct

#endif
