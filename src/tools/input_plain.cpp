// SPDX-License-Identifier: MIT
#include <cerrno>

#include "file.hpp"
#include "input.hpp"

namespace sim {
namespace {

struct Packing {
  const char *name;
  std::string beginning;
};

const Packing kPackings[] = {
    {"gzip", {"\x1f\x8b\x08", 3}},
    {"xz", {"\xfd\x37zXZ\0", 6}},
    {"zstd", {"\x28\xb5\x2f\xfd", 4}},
};

}  // namespace

const char *const kUnpacks = "nothing";

struct Input::Source {
  explicit Source(const std::string &path) : file(path) {}

  size_t read(char *buffer, size_t capacity) {
    const long size = file.read(buffer, capacity);
    if (size < 0) throw file.failure(kSystemFailed, reason_of(errno));
    return static_cast<size_t>(size);
  }

  File file;
  std::string beginning;  // read ahead, and not handed out yet
};

Input::Input(const std::string &path) : source_(std::make_unique<Source>(path)) {
  constexpr size_t kLongest = 6;
  while (source_->beginning.size() < kLongest) {
    char buffer[kLongest];
    const size_t size = source_->read(buffer, kLongest - source_->beginning.size());
    if (size == 0) break;
    source_->beginning.append(buffer, size);
  }
  for (const Packing &packing : kPackings) {
    if (source_->beginning.compare(0, packing.beginning.size(), packing.beginning) != 0) continue;
    throw source_->file.failure(
        kRefused,
        std::string("the trace is packed by ") + packing.name +
            ", and this cachetools-sim was built without libarchive; unpack the trace first");
  }
}

Input::~Input() = default;

Failure Input::failure(ExitStatus status, const std::string &reason) const {
  return source_->file.failure(status, reason);
}

size_t Input::read(char *buffer, size_t capacity) {
  std::string &beginning = source_->beginning;
  if (beginning.empty()) return source_->read(buffer, capacity);
  const size_t size = beginning.copy(buffer, capacity);
  beginning.erase(0, size);
  return size;
}

}  // namespace sim
