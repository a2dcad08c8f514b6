// SPDX-License-Identifier: MIT
// The bytes of a trace, unpacked. input_libarchive.cpp is built where libarchive is there;
// input_plain.cpp stands in for it elsewhere, and refuses what is packed.
#ifndef SIM_INPUT_HPP
#define SIM_INPUT_HPP

#include <cstddef>
#include <memory>
#include <string>

#include "failure.hpp"

namespace sim {

// What is packed, as --version tells.
extern const char *const kUnpacks;

class Input {
 public:
  // "-" is the standard input. Throws a Failure if it cannot be opened.
  explicit Input(const std::string &path);
  ~Input();
  Input(const Input &) = delete;
  Input &operator=(const Input &) = delete;

  // Some bytes, up to capacity; 0: the end. Throws a Failure.
  size_t read(char *buffer, size_t capacity);

  // One that names the input.
  Failure failure(ExitStatus status, const std::string &reason) const;

 private:
  struct Source;
  std::unique_ptr<Source> source_;
};

}  // namespace sim

#endif
