// SPDX-License-Identifier: MIT
// A file of the system. Its failures name it.
#ifndef SIM_FILE_HPP
#define SIM_FILE_HPP

#include <cstddef>
#include <string>

#include "failure.hpp"

namespace sim {

class File {
 public:
  // "-" is the standard input. Throws a Failure if it cannot be opened.
  explicit File(const std::string &path);
  ~File();
  File(const File &) = delete;
  File &operator=(const File &) = delete;

  // Reads up to capacity bytes. Returns how many, 0 at the end, or -1 if it failed; errno says why.
  long read(char *buffer, size_t capacity);

  Failure failure(ExitStatus status, const std::string &reason) const;

 private:
  std::string name_;
  int descriptor_;
};

// Flushes the standard output. Throws a Failure if not all of it could be written.
void finish_output();

}  // namespace sim

#endif
