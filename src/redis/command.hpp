// SPDX-License-Identifier: MIT
// Commands as bytes: an array of bulk strings each. They are written straight behind those that wait
// to be sent, which takes no memory of its own and copies a value once.
#ifndef CT_REDIS_COMMAND_HPP
#define CT_REDIS_COMMAND_HPP

#include "redis/bytes.hpp"

namespace ct::redis {

// Writes commands, all or none: without memory, the output becomes what it was.
class CommandWriter {
 public:
  explicit CommandWriter(Buffer &out) : out_(out), begin_(out.size()) {}
  ~CommandWriter() {
    if (!ok_) out_.truncate(begin_);
  }
  CommandWriter(const CommandWriter &) = delete;
  CommandWriter &operator=(const CommandWriter &) = delete;

  // As many arguments have to follow, the command's name among them.
  CommandWriter &begin(size_t arguments) { return header('*', arguments); }
  CommandWriter &add(Bytes argument) { return add(argument, {"", 0}); }
  // One argument of two parts.
  CommandWriter &add(Bytes first, Bytes second) {
    header('$', first.size + second.size);
    ok_ = ok_ && out_.append(first) && out_.append(second) && out_.append(text("\r\n"));
    return *this;
  }
  CommandWriter &add(uint64_t number) {
    Digits digits;
    return add(digits.of(number));
  }

  bool ok() const { return ok_; }

 private:
  struct Digits {
    char room[20];
    Bytes of(uint64_t number) {
      size_t at = sizeof room;
      do {
        room[--at] = static_cast<char>('0' + number % 10);
        number /= 10;
      } while (number > 0);
      return {room + at, sizeof room - at};
    }
  };

  CommandWriter &header(char type, size_t number) {
    Digits digits;
    ok_ = ok_ && out_.append({&type, 1}) && out_.append(digits.of(number)) &&
          out_.append(text("\r\n"));
    return *this;
  }

  Buffer &out_;
  const size_t begin_;
  bool ok_ = true;
};

}  // namespace ct::redis

#endif
