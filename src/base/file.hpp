// SPDX-License-Identifier: MIT
// Files, as snapshots need them: read from front to end, or written beside another file whose name
// they take. system_posix.cpp and system_windows.cpp have the functions.
//
// Paths are as the C library of the system takes them; on Windows they are in UTF-8.
#ifndef CT_FILE_HPP
#define CT_FILE_HPP

#include <cstddef>
#include <cstdint>

namespace ct {

class File {
 public:
  using Handle = intptr_t;
  static constexpr Handle kNone = -1;

  // The handle is closed with the file. Each of these returns kNone if there is no such file.
  explicit File(Handle handle) noexcept : handle_(handle) {}
  ~File() {
    if (is_open()) close();
  }
  File(const File &) = delete;
  File &operator=(const File &) = delete;
  static Handle open_to_read(const char *path) noexcept;
  static Handle open_folder(const char *path) noexcept;
  // Makes a new file, which only its owner can read and write where the system knows of that. The
  // name ends in XXXXXX, which becomes something that no other file has.
  static Handle make(char *path) noexcept;

  bool is_open() const noexcept { return handle_ != kNone; }
  // These return false if they failed.
  bool write(const void *data, size_t size) noexcept;
  // *got is 0 at the end of the file.
  bool read(void *buffer, size_t capacity, size_t *got) noexcept;
  // What was written is then on the disk.
  bool sync() noexcept;
  // The names in the folder are then on the disk. Where they cannot be synced, this does nothing.
  bool sync_folder() noexcept;
  // A write that the system has delayed may fail only here.
  bool close() noexcept;

  // Returns how long the part of a path is that names the folder, with what divides the two.
  static size_t folder_bytes(const char *path) noexcept;
  // Returns false for a device, a FIFO or a socket, and for a link to one, such as /dev/stdout. If
  // it were replaced, it would be lost to all its users.
  static bool may_be_replaced(const char *path) noexcept;
  // Gives a file the name of another in the same folder, whose place it takes at once.
  static bool rename(const char *from, const char *to) noexcept;
  static void remove(const char *path) noexcept;

 private:
  Handle handle_;
};

}  // namespace ct

#endif
