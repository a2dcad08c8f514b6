// SPDX-License-Identifier: MIT
// A long array of plain values that grows and shrinks with a cache. It consists of pieces, so that
// elements stay where they are, and no call pays for moving all of them. Only the first piece grows
// as an Array does, so that a short LongArray is small.
#ifndef CT_LONG_ARRAY_HPP
#define CT_LONG_ARRAY_HPP

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/array.hpp"

namespace ct {

template <class T>
class LongArray {
 public:
  explicit LongArray(Memory &memory) noexcept : pieces_(memory) {}
  ~LongArray() { clear(); }
  LongArray(const LongArray &) = delete;
  LongArray &operator=(const LongArray &) = delete;

  Memory &memory() const { return pieces_.memory(); }
  uint32_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T &operator[](uint32_t i) { return pieces_[i / kPiece][i % kPiece]; }
  const T &operator[](uint32_t i) const { return pieces_[i / kPiece][i % kPiece]; }
  T &back() { return (*this)[size_ - 1]; }
  // Returns where the elements that lie side by side with this one end.
  static uint32_t end_of_run(uint32_t i) { return (i | (kPiece - 1)) + 1; }

  // Makes room for count more elements, and releases room far beyond that. Returns false if there
  // is no memory.
  bool reserve(uint64_t count) noexcept {
    const uint64_t needed = size_ + count;
    return (needed <= capacity_ && capacity_ - needed < kMostSpare) || fit(needed);
  }
  // The caller has reserved room.
  void push(const T &value) { (*this)[size_++] = value; }
  void pop() { size_--; }
  void clear() noexcept {
    while (capacity_ != 0) release_piece(std::min(capacity_, kPiece));
    pieces_.clear();
    size_ = 0;
  }

 private:
  static constexpr uint32_t kPiece = 8192 / sizeof(T);
  static constexpr uint32_t kMostSpare = kPiece + kPiece / 4;
  static_assert((kPiece & (kPiece - 1)) == 0, "an element is found without a division");

  [[gnu::noinline]] bool fit(uint64_t needed) noexcept {
    while (capacity_ >= needed + kMostSpare) release_piece(kPiece);
    if (needed > UINT32_MAX - kPiece) return false;
    if (needed > capacity_ && capacity_ < kPiece && !grow_first(needed)) return false;
    while (needed > capacity_) {
      if (!add_piece(kPiece)) return false;
    }
    return true;
  }

  bool grow_first(uint64_t needed) noexcept {
    const uint32_t before = capacity_;
    const uint64_t capacity = std::max<uint64_t>(needed, before * uint64_t{2} + 4);
    if (!add_piece(static_cast<uint32_t>(std::min<uint64_t>(kPiece, capacity)))) return false;
    if (before == 0) return true;
    std::memcpy(static_cast<void *>(pieces_[1]), pieces_[0], size_ * sizeof(T));
    std::swap(pieces_[0], pieces_[1]);
    release_piece(before);
    return true;
  }

  bool add_piece(uint32_t capacity) noexcept {
    if (!pieces_.reserve(1)) return false;
    auto *piece = static_cast<T *>(pieces_.memory().allocate(capacity * sizeof(T), alignof(T)));
    if (piece == nullptr) return false;
    pieces_.push(piece);
    capacity_ += capacity;
    return true;
  }

  void release_piece(uint32_t capacity) noexcept {
    pieces_.memory().release(pieces_.back(), capacity * sizeof(T), alignof(T));
    pieces_.pop();
    capacity_ -= capacity;
  }

  Array<T *> pieces_;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;  // of all pieces; each is full-sized, except a first piece that is alone
};

}  // namespace ct

#endif
