// SPDX-License-Identifier: MIT
// A growing array of plain values in memory of the cache's.
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

  // Room for that many more; false: no memory.
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
  // Both of the same memory.
  void swap(Array &other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }
  // There is room.
  void push(const T &value) { data_[size_++] = value; }
  // What was written behind the end belongs to it now.
  void extend(uint32_t count) { size_ += count; }
  void pop() { size_--; }
  // To no more than it has.
  void truncate(uint32_t size = 0) { size_ = size; }
  void clear() noexcept {
    memory_.release(data_, capacity_ * sizeof(T), alignof(T));
    data_ = nullptr;
    size_ = capacity_ = 0;
  }

 private:
  static constexpr uint64_t kMaxSize = UINT32_MAX;

  Memory &memory_;
  T *data_ = nullptr;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
};

}  // namespace ct

#endif
