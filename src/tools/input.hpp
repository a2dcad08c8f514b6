// SPDX-License-Identifier: MIT
// The bytes of a trace, unpacked. input_libarchive.cpp is built with libarchive; without it,
// input_plain.cpp is built instead, which refuses packed traces.
#ifndef SIM_INPUT_HPP
#define SIM_INPUT_HPP

#include <cstddef>
#include <memory>
#include <string>

#include "failure.hpp"

namespace sim {

// The packed formats that can be read, as --version prints them.
extern const char *const kUnpacks;

class Input {
 public:
  // "-" is the standard input. Throws a Failure if it cannot be opened.
  explicit Input(const std::string &path);
  ~Input();
  Input(const Input &) = delete;
  Input &operator=(const Input &) = delete;

  // Reads up to capacity bytes. Returns how many, or 0 at the end. Throws a Failure.
  size_t read(char *buffer, size_t capacity);

  // Makes a Failure that names the input.
  Failure failure(ExitStatus status, const std::string &reason) const;

 private:
  struct Source;
  std::unique_ptr<Source> source_;
};

}  // namespace sim

#endif
