// SPDX-License-Identifier: MIT
// Bytes that are borrowed, and bytes that are owned and grow. Without memory, growing fails and
// changes nothing.
#ifndef CT_REDIS_BYTES_HPP
#define CT_REDIS_BYTES_HPP

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace ct::redis {

struct Bytes {
  const char *data;
  size_t size;
};

template <size_t n>
constexpr Bytes text(const char (&literal)[n]) {
  return {literal, n - 1};
}

inline bool operator==(Bytes a, Bytes b) {
  return a.size == b.size && std::memcmp(a.data, b.data, a.size) == 0;
}

inline bool begins_with(Bytes whole, Bytes part) {
  return whole.size >= part.size && std::memcmp(whole.data, part.data, part.size) == 0;
}

inline Bytes without_first(Bytes whole, size_t count) {
  return {whole.data + count, whole.size - count};
}

class Buffer {
 public:
  Buffer() = default;
  ~Buffer() { std::free(data_); }
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;

  Bytes bytes() const { return {data_ == nullptr ? "" : data_, size_}; }
  size_t size() const { return size_; }
  void truncate(size_t size) { size_ = size; }

  bool reserve(size_t size) {
    if (size <= capacity_) return true;
    size_t capacity = capacity_ < 256 ? 256 : capacity_;
    while (capacity < size) capacity *= 2;
    char *grown = static_cast<char *>(std::realloc(data_, capacity));
    if (grown == nullptr) return false;
    data_ = grown;
    capacity_ = capacity;
    return true;
  }

  bool append(Bytes more) {
    if (!reserve(size_ + more.size)) return false;
    if (more.size > 0) std::memcpy(data_ + size_, more.data, more.size);
    size_ += more.size;
    return true;
  }

  bool assign(Bytes content) {
    size_ = 0;
    return append(content);
  }

  // Gives the memory of a burst back.
  void clear() {
    size_ = 0;
    if (capacity_ <= kKept) return;
    std::free(data_);
    data_ = nullptr;
    capacity_ = 0;
  }

  void swap(Buffer &other) {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  static constexpr size_t kKept = size_t{1} << 20;

  char *data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace ct::redis

#endif
