// SPDX-License-Identifier: MIT
// Files as the system hands them out, named in what is said of them.
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

  // Some bytes, up to capacity; 0: the end; -1: failed, and errno says why.
  long read(char *buffer, size_t capacity);

  Failure failure(ExitStatus status, const std::string &reason) const;

 private:
  std::string name_;
  int descriptor_;
};

// Sees to it that all was written to the standard output. Throws a Failure otherwise.
void finish_output();

}  // namespace sim

#endif
