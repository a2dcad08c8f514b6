// SPDX-License-Identifier: MIT
// Snapshots in files. A new file is written beside the old one, and takes its name when it is
// complete and on the disk. So whatever happens, one of the two files is there.
#include <cstring>

#include "base/file.hpp"
#include "snapshot/snapshot.hpp"

namespace ct {
namespace {

ct_status write_file(void *file, const void *data, size_t size) {
  return static_cast<File *>(file)->write(data, size) ? CT_OK : CT_ERR_IO;
}

ct_status read_file(void *file, void *buffer, size_t capacity, size_t *got) {
  return static_cast<File *>(file)->read(buffer, capacity, got) ? CT_OK : CT_ERR_IO;
}

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

}  // namespace

ct_status Snapshot::save_file(Cache &cache, const char *path) {
  if (!File::may_be_replaced(path)) return CT_ERR_IO;
  Text folder_name(cache.memory(), path, File::folder_bytes(path), ".");
  Text beside(cache.memory(), path, std::strlen(path), ".XXXXXX");
  if (folder_name.get() == nullptr || beside.get() == nullptr) return CT_ERR_NOMEM;
  File folder(File::open_folder(folder_name.get()));
  if (!folder.is_open()) return CT_ERR_IO;
  File file(File::make(beside.get()));
  if (!file.is_open()) return CT_ERR_IO;

  ct_status status = save(cache, write_file, &file);
  if (status == CT_OK && !file.sync()) status = CT_ERR_IO;
  if (!file.close() && status == CT_OK) status = CT_ERR_IO;
  if (status == CT_OK && !File::rename(beside.get(), path)) status = CT_ERR_IO;
  if (status != CT_OK) {
    File::remove(beside.get());
    return status;
  }
  return folder.sync_folder() ? CT_OK : CT_ERR_IO;
}

ct_status Snapshot::load_file(Cache &cache, const char *path, uint32_t flags) {
  File file(File::open_to_read(path));
  return file.is_open() ? load(cache, read_file, &file, flags, true) : CT_ERR_IO;
}

}  // namespace ct
