// SPDX-License-Identifier: MIT
// Cells: memory that is written under a lock and may be read without the lock.
//
// Every store to a cell releases, and a reader without the lock acquires. The comment above
// Index::version explains why that suffices to find out whether all that was read was there at one
// time. Under the lock a cell is an ordinary variable; on most processors that is true of release
// stores and acquire loads, too.
#ifndef CT_CELL_HPP
#define CT_CELL_HPP

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

// Where a processor keeps the order of loads, cells are copied 16 bytes at a time. That halves the
// number of loads and stores in flight, and this number bounds how many look-ups overlap. No atomic
// builtin is that wide, so the loads are asm. ThreadSanitizer does not see such loads, so it gets
// words.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CT_NARROW_CELLS
#endif
#endif
#if !defined(__x86_64__) || defined(__ILP32__) || defined(__SANITIZE_THREAD__)
#define CT_NARROW_CELLS
#endif
#ifndef CT_NARROW_CELLS
#include <emmintrin.h>
#endif

namespace ct {

// A number of 1 to 8 bytes. A number larger than a word is never read without the lock.
template <class T>
class Cell {
 public:
  Cell() = default;
  constexpr Cell(T value) : value_(value) {}
  Cell(const Cell &other) : value_(other) {}

  operator T() const {
    if constexpr (sizeof(T) <= sizeof(void *)) return __atomic_load_n(&value_, __ATOMIC_RELAXED);
    return value_;
  }
  T acquire() const {
    if constexpr (sizeof(T) <= sizeof(void *)) return __atomic_load_n(&value_, __ATOMIC_ACQUIRE);
    return value_;
  }
  Cell &operator=(T value) {
    if constexpr (sizeof(T) <= sizeof(void *)) {
      __atomic_store_n(&value_, value, __ATOMIC_RELEASE);
    } else {
      value_ = value;
    }
    return *this;
  }
  Cell &operator=(const Cell &other) {
    *this = static_cast<T>(other);
    return *this;
  }
  Cell &operator+=(T n) { return *this = static_cast<T>(*this + n); }
  Cell &operator-=(T n) { return *this = static_cast<T>(*this - n); }
  Cell &operator|=(T bits) { return *this = static_cast<T>(*this | bits); }
  Cell &operator&=(T bits) { return *this = static_cast<T>(*this & bits); }
  Cell &operator++() { return *this += 1; }
  Cell &operator--() { return *this -= 1; }

 private:
  T value_;
};

// ---- Bytes ------------------------------------------------------------------------------------

// Cells of all types are copied and compared as words.
typedef uintptr_t __attribute__((__may_alias__)) Word;
typedef uint32_t __attribute__((__may_alias__)) HalfWord;

inline Word *words(char *at) { return reinterpret_cast<Word *>(at); }
inline const Word *words(const char *at) { return reinterpret_cast<const Word *>(at); }

inline void store_word(Word *to, Word word) { __atomic_store_n(to, word, __ATOMIC_RELEASE); }
inline Word load_word(const Word *from) { return __atomic_load_n(from, __ATOMIC_ACQUIRE); }

// These two access ordinary bytes, at any alignment, that no other thread touches.
inline Word read_word(const char *bytes) {
  Word word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}
inline void write_word(char *bytes, Word word) { std::memcpy(bytes, &word, sizeof word); }
// Returns a word that begins with these bytes, in memory order, and ends with zeros. size is less
// than a word.
inline Word read_part(const char *bytes, size_t size) {
  char word[sizeof(Word)] = {};
  for (size_t i = 0; i < size; i++) word[i] = bytes[i];
  return read_word(word);
}

#ifndef CT_NARROW_CELLS
// Loads two words of cells; each of the two may have been written at another time. Compilers keep
// volatile asm in order, and behind earlier loads that acquire. loaded_wide() keeps the next load
// of the version behind these loads.
inline __m128i load_wide(const char *from) {
  __m128i wide;
  asm volatile("movdqu %1, %0" : "=x"(wide) : "m"(*reinterpret_cast<const __m128i_u *>(from)));
  return wide;
}
// The same for up to a word, at any alignment.
template <class T>
T load_narrow(const char *from) {
  T value;
  asm volatile("mov %1, %0" : "=q"(value) : "m"(*reinterpret_cast<const char(*)[sizeof(T)]>(from)));
  return value;
}
inline void loaded_wide() { std::atomic_signal_fence(std::memory_order_acquire); }
inline void write_wide(char *to, __m128i wide) {
  _mm_storeu_si128(reinterpret_cast<__m128i_u *>(to), wide);
}
inline __m128i read_wide(const char *bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i_u *>(bytes));
}
// The counterpart for writers. These stores stay behind all stores before a stored_wide(), and
// ahead of all stores after the next stored_wide().
inline void store_wide(char *to, __m128i wide) {
  asm volatile("movups %1, %0" : "=m"(*reinterpret_cast<__m128i_u *>(to)) : "x"(wide));
}
inline void stored_wide() { std::atomic_signal_fence(std::memory_order_seq_cst); }
constexpr size_t kWide = sizeof(__m128i);
#endif

// Returns one bit for each of the first count cells that has the value, count at most kLineCells.
// All kLineCells may be loaded at once.
constexpr uint32_t kLineCells = 16;
[[gnu::always_inline]] inline uint32_t match_cells(const Cell<uint8_t> *cells, uint32_t count,
                                                   uint8_t value) {
#ifndef CT_NARROW_CELLS
  const __m128i line = load_wide(reinterpret_cast<const char *>(cells));
  loaded_wide();
  const __m128i values = _mm_set1_epi32(static_cast<int>(value * 0x01010101u));
  const __m128i same = _mm_cmpeq_epi8(line, values);
  return static_cast<uint32_t>(_mm_movemask_epi8(same)) & ((1u << count) - 1);
#else
  uint32_t bits = 0;
  for (uint32_t i = 0; i < count; i++) {
    bits |= static_cast<uint32_t>(cells[i].acquire() == value) << i;
  }
  return bits;
#endif
}

// In the following functions, cells are aligned to words and padded to 8 bytes, and bytes are at
// any alignment.

#ifndef CT_NARROW_CELLS

// Where a processor keeps the order of loads and of stores, pieces may overlap. So the end of an
// odd length takes no loop of its own.

// Copies bytes to cells.
[[gnu::always_inline]] inline void store_bytes(char *to, const char *from, size_t size) {
  constexpr size_t kWord = sizeof(Word);
  if (size >= kWide) {
    const size_t last = size - kWide;
    stored_wide();
    for (size_t at = 0; at < last; at += kWide) store_wide(to + at, read_wide(from + at));
    store_wide(to + last, read_wide(from + last));
    stored_wide();
  } else if (size > kWord) {
    // A word is stored at a multiple of its size, so what the first word has is shifted out of the
    // second.
    store_word(words(to), read_word(from));
    store_word(words(to) + 1, read_word(from + size - kWord) >> 8 * (2 * kWord - size));
  } else if (size == kWord) {
    store_word(words(to), read_word(from));
  } else if (size > 0) {
    store_word(words(to), read_part(from, size));
  }
}

// Copies the first and the last T of cells. They may overlap.
template <class T>
[[gnu::always_inline]] inline void copy_ends(char *to, const char *from, size_t size) {
  T part = load_narrow<T>(from);
  std::memcpy(to, &part, sizeof part);
  part = load_narrow<T>(from + size - sizeof part);
  std::memcpy(to + size - sizeof part, &part, sizeof part);
  loaded_wide();
}

// More bytes are fetched before they are copied: processors foresee no reads that go backwards.
constexpr size_t kFewBytes = 256;

// Copies cells to bytes.
[[gnu::always_inline]] inline void load_bytes(char *to, const char *from, size_t size) {
  constexpr size_t kTwo = 2 * kWide;
  if (size >= kTwo) {
    if (__builtin_expect(size > kFewBytes, 0)) {
      for (size_t at = 64; at < size; at += 64) __builtin_prefetch(from + at);
    }
    // From the end on, because this needs one register less.
    while (size > kTwo) {
      size -= kTwo;
      write_wide(to + size, load_wide(from + size));
      write_wide(to + size + kWide, load_wide(from + size + kWide));
    }
    write_wide(to, load_wide(from));
    write_wide(to + kWide, load_wide(from + kWide));
    loaded_wide();
  } else if (size >= kWide) {
    write_wide(to, load_wide(from));
    write_wide(to + size - kWide, load_wide(from + size - kWide));
    loaded_wide();
  } else if (size >= sizeof(Word)) {
    copy_ends<Word>(to, from, size);
  } else if (size >= sizeof(uint32_t)) {
    copy_ends<uint32_t>(to, from, size);
  } else if (size >= sizeof(uint16_t)) {
    copy_ends<uint16_t>(to, from, size);
  } else if (size > 0) {
    copy_ends<char>(to, from, size);
  }
}

#else

// Copies bytes to cells.
inline void store_bytes(char *to, const char *from, size_t size) {
  constexpr size_t kWord = sizeof(Word);
  Word *cells = words(to);
  for (; size >= 4 * kWord; size -= 4 * kWord, from += 4 * kWord, cells += 4) {
    store_word(cells, read_word(from));
    store_word(cells + 1, read_word(from + kWord));
    store_word(cells + 2, read_word(from + 2 * kWord));
    store_word(cells + 3, read_word(from + 3 * kWord));
  }
  for (; size >= kWord; size -= kWord, from += kWord) store_word(cells++, read_word(from));
  if (size > 0) store_word(cells, read_part(from, size));
}

// Writes the first bytes of a word.
inline void write_part(char *bytes, Word word, size_t size) {
  char part[sizeof(Word)];
  write_word(part, word);
  for (size_t i = 0; i < size; i++) bytes[i] = part[i];
}

// Copies cells to bytes.
[[gnu::always_inline]] inline void load_bytes(char *to, const char *from, size_t size) {
  constexpr size_t kWord = sizeof(Word);
  size_t at = 0;
  for (const size_t end = size & ~(4 * kWord - 1); at < end; at += 4 * kWord) {
    write_word(to + at, load_word(words(from + at)));
    write_word(to + at + kWord, load_word(words(from + at + kWord)));
    write_word(to + at + 2 * kWord, load_word(words(from + at + 2 * kWord)));
    write_word(to + at + 3 * kWord, load_word(words(from + at + 3 * kWord)));
  }
  for (; size - at >= kWord; at += kWord) write_word(to + at, load_word(words(from + at)));
  if (at < size) write_part(to + at, load_word(words(from + at)), size - at);
}

#endif

// Returns whether the cells hold the same bytes.
[[gnu::always_inline]] inline bool equal_cells(const char *cells, const char *bytes, size_t size) {
  constexpr size_t kWord = sizeof(Word);
  if (size == kWord) return load_word(words(cells)) == read_word(bytes);  // most keys
  size_t at = 0;
#ifndef CT_NARROW_CELLS
  for (const size_t end = size & ~(kWide - 1); at < end; at += kWide) {
    const __m128i same = _mm_cmpeq_epi8(load_wide(cells + at), read_wide(bytes + at));
    if (_mm_movemask_epi8(same) != 0xFFFF) {
      loaded_wide();
      return false;
    }
  }
  loaded_wide();
  if (at == size) return true;
#endif
  for (const size_t end = size & ~(kWord - 1); at < end; at += kWord) {
    if (load_word(words(cells + at)) != read_word(bytes + at)) return false;
  }
  if (at == size) return true;
  char last[kWord];
  write_word(last, load_word(words(cells + at)));
  for (size_t i = 0; at < size; i++, at++) {
    if (last[i] != bytes[at]) return false;
  }
  return true;
}

}  // namespace ct

#endif
