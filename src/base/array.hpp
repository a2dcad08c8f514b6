// SPDX-License-Identifier: MIT
// A growing array of plain values, whose memory comes from a cache's Memory.
#ifndef CT_ARRAY_HPP
#define CT_ARRAY_HPP

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "base/memory.hpp"

namespace ct {

template <class T>
class Array {
  static_assert(std::is_trivially_copyable<T>::value, "moved by memcpy");

 public:
  explicit Array(Memory &memory) noexcept : memory_(memory) {}
  Memory &memory() const { return memory_; }
  ~Array() { clear(); }
  Array(const Array &) = delete;
  Array &operator=(const Array &) = delete;

  uint32_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T &operator[](uint32_t i) { return data_[i]; }
  const T &operator[](uint32_t i) const { return data_[i]; }
  T *begin() { return data_; }
  T *end() { return data_ + size_; }
  T &back() { return data_[size_ - 1]; }

  // Makes room for count more elements. Returns false if there is no memory.
  bool reserve(uint64_t count) noexcept {
    const uint64_t needed = size_ + count;
    if (needed <= capacity_) return true;
    if (needed > kMaxSize) return false;
    const auto capacity = static_cast<uint32_t>(
        std::min<uint64_t>(kMaxSize, std::max<uint64_t>(needed, capacity_ * uint64_t{2} + 4)));
    T *data = static_cast<T *>(memory_.allocate(capacity * sizeof(T), alignof(T)));
    if (data == nullptr) return false;
    if (size_ > 0) std::memcpy(static_cast<void *>(data), data_, size_ * sizeof(T));
    memory_.release(data_, capacity_ * sizeof(T), alignof(T));
    data_ = data;
    capacity_ = capacity;
    return true;
  }
  // Both arrays use the same memory.
  void swap(Array &other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }
  // The caller has reserved room.
  void push(const T &value) { data_[size_++] = value; }
  // Appends count elements that the caller has already written behind the end.
  void extend(uint32_t count) { size_ += count; }
  void pop() { size_--; }
  // size is at most the current size.
  void truncate(uint32_t size = 0) { size_ = size; }
  void clear() noexcept {
    memory_.release(data_, capacity_ * sizeof(T), alignof(T));
    data_ = nullptr;
    size_ = capacity_ = 0;
  }

 private:
  // With pointers of 32 bits, memory ends before the numbers do.
  static constexpr uint64_t kMaxSize = std::min<uint64_t>(UINT32_MAX, PTRDIFF_MAX / sizeof(T));

  Memory &memory_;
  T *data_ = nullptr;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
};

}  // namespace ct

#endif
