// SPDX-License-Identifier: MIT
// Builds keys from typed arguments, so that two keys are equal bytes if and only if the arguments
// are equal. It knows nothing of caches. This is the encoding, which never changes within a major
// version:
//
//   key    = value* named*
//   named  = 'k' total name value        sorted by name; total, name's length: 4 bytes each
//   value  = [type] atom                 the type only if typed, and not within tuples
//   atom   = 'n'                         null
//          | 'i' 8 bytes                 integer from -2^63 to 2^63-1, two's complement
//          | 'u' 8 bytes                 integer from 2^63 on
//          | 'f' 8 bytes                 number that is neither: IEEE 754; one NaN
//          | 's' length bytes            text, UTF-8
//          | 'x' length bytes            bytes
//          | '(' atom* ')'               tuple
//   type   = 'N' 'B' 'I' 'F' 'S' 'X' 'T' null, bool, integer, double, text, bytes, tuple
//
// Numbers are little-endian, and lengths have 4 bytes. A byte that begins no value ends what came
// before, and each atom says where it ends. So no two lists of arguments have the same encoding.
// Equal numbers have one encoding: true, 1 and 1.0 are all integers, and so is -0.0.
#ifndef CT_KEY_HPP
#define CT_KEY_HPP

#include <cachetools.h>

#include <cstdint>

#include "base/handle.hpp"
#include "base/memory.hpp"
#include "table/entry.hpp"

namespace ct {

class Key {
 public:
  Key(const Memory &memory, bool typed) noexcept : memory_(memory), typed_(typed) {}
  ~Key() {
    if (data_ != small_) release();
  }
  Key(const Key &) = delete;
  Key &operator=(const Key &) = delete;

  Mark<Handle::kKey> &mark() { return mark_; }

  void reset() noexcept {
    size_ = names_ = current_ = 0;
    depth_ = 0;
    named_ = waiting_ = false;
    status_ = CT_OK;
    problem_ = nullptr;
  }
  void set_typed(bool typed) { typed_ = typed; }

  // None of these does anything after an error. data() returns the error.
  void add_null();
  void add_bool(bool value);
  void add_int(int64_t value);
  void add_uint(uint64_t value);
  void add_double(double value);
  void add_text(Bytes text);
  void add_bytes(Bytes bytes);
  void begin_tuple();
  void end_tuple();
  void add_name(Bytes name);
  void fail(ct_status status, const char *problem) {
    if (status_ == CT_OK) fail_anyway(status, problem);
  }
  // The same, whatever went wrong before.
  void fail_anyway(ct_status status, const char *problem) {
    status_ = status;
    problem_ = problem;
  }
  // Adds bytes as they are, before anything else. A prefix keeps the keys of different users apart.
  void add_prefix(Bytes prefix);

  // Sets *out to the key, which is valid until the next call. Returns what went wrong, or CT_OK.
  ct_status data(Bytes *out);
  // Returns a sentence about what went wrong, or nullptr.
  const char *problem() const { return status_ != CT_OK ? problem_ : unfinished(); }
  // Returns the key. The caller knows that nothing went wrong.
  Bytes bytes() const { return {data_, size_}; }

 private:
  // A key that is no longer than this allocates nothing.
  static constexpr size_t kSmall = 256;

  // Returns what is still to come, as a sentence, or nullptr.
  const char *unfinished() const;
  bool begin_value(char type);
  void end_value();
  // Makes room for size more bytes. Returns nullptr after an error.
  char *extend(size_t size);
  bool put(const void *data, size_t size);
  bool put_byte(char byte) { return put(&byte, 1); }
  bool put_length(size_t length);
  void put_integer(char tag, uint64_t value);
  void put_bytes(char type, char tag, Bytes bytes);
  uint32_t length_at(size_t offset) const;
  Bytes name_at(size_t offset) const;
  void sort_in();
  void release() noexcept;

  Memory memory_;
  char *data_ = small_;
  size_t size_ = 0;
  size_t capacity_ = kSmall;
  size_t names_ = 0;    // where the named arguments begin, once there is one
  size_t current_ = 0;  // where the last named argument begins
  uint32_t depth_ = 0;  // nesting of tuples
  bool typed_;
  bool named_ = false;    // whether there was a name
  bool waiting_ = false;  // whether the last name waits for its value
  ct_status status_ = CT_OK;
  const char *problem_ = nullptr;  // of what the status says; static
  Mark<Handle::kKey> mark_;
  alignas(8) char small_[kSmall];
};

}  // namespace ct

#endif
