// SPDX-License-Identifier: MIT
#include "file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace sim {

File::File(const std::string &path)
    : name_(path == "-" ? "standard input" : path),
      descriptor_(path == "-" ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (descriptor_ < 0) throw failure(kSystemFailed, reason_of(errno));
}

File::~File() {
  if (descriptor_ != STDIN_FILENO) close(descriptor_);
}

long File::read(char *buffer, size_t capacity) {
  ssize_t size;
  do {
    size = ::read(descriptor_, buffer, capacity);
  } while (size < 0 && errno == EINTR);
  return size;
}

Failure File::failure(ExitStatus status, const std::string &reason) const {
  return {status, name_ + ": " + reason};
}

void finish_output() {
  if (fflush(stdout) != 0 || ferror(stdout) != 0) {
    throw Failure{kSystemFailed, "standard output: " + reason_of(errno)};
  }
}

}  // namespace sim
