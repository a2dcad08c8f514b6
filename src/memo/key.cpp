// SPDX-License-Identifier: MIT
#include "memo/key.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "base/options.hpp"
#include "base/utf8.hpp"

namespace ct {
namespace {

constexpr double kTwo63 = 9223372036854775808.0;

void store_little_endian(char *to, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) to[i] = static_cast<char>(value >> (8 * i));
}

}  // namespace

void Key::release() noexcept {
  memory_.release(data_, capacity_, 8);
  data_ = small_;
  capacity_ = kSmall;
}

char *Key::extend(size_t size) {
  if (status_ != CT_OK) return nullptr;
  if (size > capacity_ - size_) {
    const size_t capacity = std::max(capacity_ * 2, size_ + size);
    char *grown =
        is_too_long(size_ + size) ? nullptr : static_cast<char *>(memory_.allocate(capacity, 8));
    if (grown == nullptr) {
      if (is_too_long(size_ + size))
        fail(CT_ERR_TOO_LARGE, "key: it would have 2^32 bytes or more.");
      fail(CT_ERR_NOMEM, "memory: the allocator has none left.");
      return nullptr;
    }
    std::memcpy(grown, data_, size_);
    if (data_ != small_) release();
    data_ = grown;
    capacity_ = capacity;
  }
  size_ += size;
  return data_ + size_ - size;
}

bool Key::put(const void *data, size_t size) {
  char *to = extend(size);
  if (to != nullptr && size > 0) std::memcpy(to, data, size);
  return to != nullptr;
}

bool Key::put_length(size_t length) {
  assert(!is_too_long(length));
  char bytes[4];
  store_little_endian(bytes, length, 4);
  return put(bytes, 4);
}

void Key::add_prefix(Bytes prefix) {
  if (put_length(prefix.size)) put(prefix.data, prefix.size);
}

// A positional argument after a named one is an error, as in the function call that the key stands
// for.
bool Key::begin_value(char type) {
  if (depth_ > 0) return status_ == CT_OK;
  if (named_ && !waiting_) fail(CT_ERR_INVALID, "value: it has no name, but follows a named one.");
  return !typed_ ? status_ == CT_OK : put_byte(type);
}

void Key::end_value() {
  if (depth_ > 0 || !waiting_ || status_ != CT_OK) return;
  waiting_ = false;
  store_little_endian(data_ + current_ + 1, size_ - current_, 4);
  sort_in();
}

void Key::put_integer(char tag, uint64_t value) {
  char *to = extend(9);
  if (to == nullptr) return;
  *to = tag;
  store_little_endian(to + 1, value, 8);
}

void Key::put_bytes(char type, char tag, Bytes bytes) {
  if (begin_value(type) && put_byte(tag) && put_length(bytes.size)) put(bytes.data, bytes.size);
  end_value();
}

void Key::add_null() {
  if (begin_value('N')) put_byte('n');
  end_value();
}

void Key::add_bool(bool value) {
  if (begin_value('B')) put_integer('i', value ? 1 : 0);
  end_value();
}

void Key::add_int(int64_t value) {
  if (begin_value('I')) put_integer('i', static_cast<uint64_t>(value));
  end_value();
}

void Key::add_uint(uint64_t value) {
  if (begin_value('I')) put_integer(value > INT64_MAX ? 'u' : 'i', value);
  end_value();
}

void Key::add_double(double value) {
  if (begin_value('F')) {
    if (std::isfinite(value) && std::trunc(value) == value && value >= -kTwo63 && value < kTwo63) {
      put_integer('i', static_cast<uint64_t>(static_cast<int64_t>(value)));
    } else if (std::isfinite(value) && std::trunc(value) == value && value >= kTwo63 &&
               value < 2 * kTwo63) {
      put_integer('u', static_cast<uint64_t>(value));
    } else {
      uint64_t bits = 0x7FF8000000000000u;
      if (!std::isnan(value)) std::memcpy(&bits, &value, sizeof bits);
      put_integer('f', bits);
    }
  }
  end_value();
}

void Key::add_text(Bytes text) {
  if (!is_utf8(text.data, text.size)) fail(CT_ERR_INVALID, "text: it is not UTF-8.");
  put_bytes('S', 's', text);
}

void Key::add_bytes(Bytes bytes) { put_bytes('X', 'x', bytes); }

void Key::begin_tuple() {
  if (begin_value('T')) put_byte('(');
  depth_++;
}

void Key::end_tuple() {
  if (depth_ == 0) {
    fail(CT_ERR_INVALID, "tuple: it ends, but was not begun.");
    return;
  }
  put_byte(')');
  depth_--;
  end_value();
}

void Key::add_name(Bytes name) {
  if (depth_ > 0) fail(CT_ERR_INVALID, "name: it is within a tuple.");
  if (const char *problem = unfinished()) fail(CT_ERR_INVALID, problem);
  if (!is_utf8(name.data, name.size)) fail(CT_ERR_INVALID, "name: it is not UTF-8.");
  if (!named_) names_ = size_;
  current_ = size_;
  // The argument's total length is known when its value has been added.
  if (put_byte('k') && put_length(0) && put_length(name.size) && put(name.data, name.size)) {
    named_ = waiting_ = true;
  }
}

uint32_t Key::length_at(size_t offset) const {
  uint32_t length = 0;
  for (int i = 3; i >= 0; i--) {
    length = length << 8 | static_cast<unsigned char>(data_[offset + static_cast<size_t>(i)]);
  }
  return length;
}

Bytes Key::name_at(size_t offset) const { return {data_ + offset + 9, length_at(offset + 5)}; }

// Moves the last named argument to where its name belongs among the names before it.
void Key::sort_in() {
  const Bytes name = name_at(current_);
  size_t place = names_;
  for (; place < current_; place += length_at(place + 1)) {
    const Bytes other = name_at(place);
    const size_t common = std::min(name.size, other.size);
    int order = common > 0 ? std::memcmp(name.data, other.data, common) : 0;
    if (order == 0) order = name.size < other.size ? -1 : name.size > other.size;
    if (order == 0) fail(CT_ERR_INVALID, "name: it was given twice.");
    if (order <= 0) break;
  }
  if (place < current_) std::rotate(data_ + place, data_ + current_, data_ + size_);
}

const char *Key::unfinished() const {
  if (depth_ > 0) return "tuple: it was begun, but does not end.";
  return waiting_ ? "name: it has no value." : nullptr;
}

ct_status Key::data(Bytes *out) {
  if (const char *problem = unfinished()) fail(CT_ERR_INVALID, problem);
  *out = {data_, size_};
  return status_;
}

}  // namespace ct
