// SPDX-License-Identifier: MIT
// Memory that is written under a lock and may be read without it.
//
// Who reads without the lock finds out afterwards whether what it read was of one moment (see
// Changes in index.hpp). For that, every store here releases and every load of such a reader
// acquires: whoever sees a part of a change then also sees that the change has begun. Under the
// lock a cell is an ordinary variable, and on most processors so are release and acquire.
#ifndef CT_CELL_HPP
#define CT_CELL_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ct {

// A number of 1 to 8 bytes. Larger than a word it is not read without the lock.
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
  Cell &operator=(const Cell &other) { return *this = static_cast<T>(other); }
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

using Word = uintptr_t;

inline Word *words(char *at) { return reinterpret_cast<Word *>(at); }
inline const Word *words(const char *at) { return reinterpret_cast<const Word *>(at); }

inline void store_word(Word *to, Word word) { __atomic_store_n(to, word, __ATOMIC_RELEASE); }
inline Word load_word(const Word *from) { return __atomic_load_n(from, __ATOMIC_ACQUIRE); }

inline Word read_word(const char *bytes) {
  Word word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}
// A word that begins with those bytes, fewer than it has, in the order of memory.
inline Word read_part(const char *bytes, size_t size) {
  char word[sizeof(Word)] = {};
  for (size_t i = 0; i < size; i++) word[i] = bytes[i];
  return read_word(word);
}

// Copies bytes to cells, which are aligned to words and padded to 8 bytes.
inline void store_bytes(char *to, const char *from, size_t size) {
  Word *cells = words(to);
  constexpr size_t kWord = sizeof(Word);
  for (; size >= 4 * kWord; size -= 4 * kWord, from += 4 * kWord, cells += 4) {
    Word w[4];
    std::memcpy(w, from, sizeof w);
    store_word(cells, w[0]);
    store_word(cells + 1, w[1]);
    store_word(cells + 2, w[2]);
    store_word(cells + 3, w[3]);
  }
  for (; size >= kWord; size -= kWord, from += kWord) {
    store_word(cells++, read_word(from));
  }
  if (size > 0) store_word(cells, read_part(from, size));
}

// Copies cells to bytes.
inline void load_bytes(char *to, const char *from, size_t size) {
  const Word *cells = words(from);
  constexpr size_t kWord = sizeof(Word);
  for (; size >= 4 * kWord; size -= 4 * kWord, to += 4 * kWord, cells += 4) {
    const Word w[4] = {load_word(cells), load_word(cells + 1), load_word(cells + 2),
                       load_word(cells + 3)};
    std::memcpy(to, w, sizeof w);
  }
  for (; size >= kWord; size -= kWord, to += kWord) {
    const Word word = load_word(cells++);
    std::memcpy(to, &word, kWord);
  }
  if (size == 0) return;
  char last[kWord];
  const Word word = load_word(cells);
  std::memcpy(last, &word, kWord);
  for (size_t i = 0; i < size; i++) to[i] = last[i];
}

// Whether cells hold those bytes.
inline bool equal_cells(const char *at, const char *bytes, size_t size) {
  const Word *cells = words(at);
  constexpr size_t kWord = sizeof(Word);
  for (; size >= kWord; size -= kWord, bytes += kWord) {
    if (load_word(cells++) != read_word(bytes)) return false;
  }
  if (size == 0) return true;
  char last[kWord];
  const Word word = load_word(cells);
  std::memcpy(last, &word, kWord);
  for (size_t i = 0; i < size; i++) {
    if (last[i] != bytes[i]) return false;
  }
  return true;
}

}  // namespace ct

#endif
