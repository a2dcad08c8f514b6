// SPDX-License-Identifier: MIT
// Snapshots in files. A new file is written beside the old one, and takes its name when it is
// complete and on the disk. So whatever happens, one of the two files is there.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "snapshot/snapshot.hpp"

namespace ct {
namespace {

// Not every system can read or write more than this in one call.
constexpr size_t kMostAtOnce = size_t{1} << 30;

// Repeats a system call that a signal has interrupted.
template <class Call>
auto repeat(Call call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

class File {
 public:
  explicit File(int number) noexcept : number_(number) {}
  ~File() {
    if (is_open()) ::close(number_);
  }
  File(const File &) = delete;
  File &operator=(const File &) = delete;

  static int open_to_read(const char *path, int flags) {
    return repeat([&] { return ::open(path, O_RDONLY | O_CLOEXEC | flags); });
  }

  bool is_open() const { return number_ >= 0; }
  bool sync() {
    return repeat([&] { return ::fsync(number_); }) == 0;
  }
  // Only some file systems can sync a folder.
  bool sync_folder() { return sync() || errno == EINVAL; }
  // A write that the system has delayed may fail only here.
  bool close() {
    const int number = number_;
    number_ = -1;
    return ::close(number) == 0 || errno == EINTR;
  }

  static ct_status write(void *file, const void *data, size_t size) {
    const char *at = static_cast<const char *>(data);
    while (size > 0) {
      const ssize_t done = repeat([&] {
        return ::write(static_cast<File *>(file)->number_, at, std::min(size, kMostAtOnce));
      });
      if (done <= 0) return CT_ERR_IO;
      at += done;
      size -= static_cast<size_t>(done);
    }
    return CT_OK;
  }

  static ct_status read(void *file, void *buffer, size_t capacity, size_t *got) {
    const ssize_t done = repeat([&] {
      return ::read(static_cast<File *>(file)->number_, buffer, std::min(capacity, kMostAtOnce));
    });
    if (done < 0) return CT_ERR_IO;
    *got = static_cast<size_t>(done);
    return CT_OK;
  }

 private:
  int number_;
};

// A string in memory of the cache's.
class Text {
 public:
  Text(Memory &memory, const char *begin, size_t size, const char *end) noexcept
      : memory_(memory),
        bytes_(size + std::strlen(end) + 1),
        text_(static_cast<char *>(memory.allocate(bytes_, 1))) {
    if (text_ == nullptr) return;
    if (size > 0) std::memcpy(text_, begin, size);
    std::memcpy(text_ + size, end, bytes_ - size);
  }
  ~Text() { memory_.release(text_, bytes_, 1); }
  Text(const Text &) = delete;
  Text &operator=(const Text &) = delete;

  char *get() { return text_; }

 private:
  Memory &memory_;
  size_t bytes_;
  char *text_;
};

// Returns false for a device, a FIFO or a socket, and for a link to one, such as /dev/stdout. If it
// were replaced, it would be lost to all its users.
bool may_be_replaced(const char *path) {
  struct stat info;
  if (::lstat(path, &info) != 0) return true;
  if (S_ISLNK(info.st_mode) && ::stat(path, &info) != 0) return true;
  return S_ISREG(info.st_mode);
}

}  // namespace

ct_status Snapshot::save_file(Cache &cache, const char *path) {
  if (!may_be_replaced(path)) return CT_ERR_IO;
  const char *slash = std::strrchr(path, '/');
  const size_t folder_size = slash == nullptr ? 0 : static_cast<size_t>(slash - path) + 1;
  Text folder_name(cache.memory(), path, folder_size, ".");
  Text beside(cache.memory(), path, std::strlen(path), ".XXXXXX");
  if (folder_name.get() == nullptr || beside.get() == nullptr) return CT_ERR_NOMEM;
  File folder(File::open_to_read(folder_name.get(), O_DIRECTORY));
  if (!folder.is_open()) return CT_ERR_IO;
  File file(::mkostemp(beside.get(), O_CLOEXEC));
  if (!file.is_open()) return CT_ERR_IO;

  ct_status status = save(cache, File::write, &file);
  if (status == CT_OK && !file.sync()) status = CT_ERR_IO;
  if (!file.close() && status == CT_OK) status = CT_ERR_IO;
  if (status == CT_OK && ::rename(beside.get(), path) != 0) status = CT_ERR_IO;
  if (status != CT_OK) {
    ::unlink(beside.get());
    return status;
  }
  return folder.sync_folder() ? CT_OK : CT_ERR_IO;
}

ct_status Snapshot::load_file(Cache &cache, const char *path, uint32_t flags) {
  File file(File::open_to_read(path, 0));
  return file.is_open() ? load(cache, File::read, &file, flags, true) : CT_ERR_IO;
}

}  // namespace ct
