// SPDX-License-Identifier: MIT
#include <archive.h>
#include <archive_entry.h>

#include <cerrno>
#include <vector>

#include "file.hpp"
#include "input.hpp"

namespace sim {

const char *const kUnpacks = "gzip, xz, zstd";

struct Input::Source {
  explicit Source(const std::string &path) : file(path) {}
  ~Source() { archive_read_free(archive); }

  [[noreturn]] void fail() const {
    if (file_error != 0) throw file.failure(kSystemFailed, reason_of(file_error));
    throw file.failure(kRefused, archive_error_string(archive));
  }
  void check(int status) const {
    if (status != ARCHIVE_OK) fail();
  }

  static la_ssize_t read_block(struct archive *archive, void *user_data, const void **block) {
    auto *source = static_cast<Source *>(user_data);
    const long size = source->file.read(source->block.data(), source->block.size());
    if (size < 0) {
      source->file_error = errno;
      archive_set_error(archive, errno, "%s", reason_of(errno).c_str());
    }
    *block = source->block.data();
    return size;
  }

  File file;
  std::vector<char> block = std::vector<char>(1 << 16);
  int file_error = 0;  // errno if the file could not be read; 0: its content is wrong
  bool is_empty = false;
  struct archive *archive = archive_read_new();
};

Input::Input(const std::string &path) : source_(std::make_unique<Source>(path)) {
  struct archive *archive = source_->archive;
  if (archive == nullptr) throw std::bad_alloc();
  source_->check(archive_read_support_filter_gzip(archive));
  source_->check(archive_read_support_filter_xz(archive));
  source_->check(archive_read_support_filter_zstd(archive));
  source_->check(archive_read_support_format_raw(archive));
  source_->check(archive_read_support_format_empty(archive));  // raw needs at least one byte
  source_->check(archive_read_open(archive, source_.get(), nullptr, Source::read_block, nullptr));
  struct archive_entry *entry;
  const int status = archive_read_next_header(archive, &entry);
  source_->is_empty = status == ARCHIVE_EOF;
  if (!source_->is_empty) source_->check(status);
}

Input::~Input() = default;

Failure Input::failure(ExitStatus status, const std::string &reason) const {
  return source_->file.failure(status, reason);
}

size_t Input::read(char *buffer, size_t capacity) {
  if (source_->is_empty) return 0;
  const la_ssize_t size = archive_read_data(source_->archive, buffer, capacity);
  if (size < 0) source_->fail();
  return static_cast<size_t>(size);
}

}  // namespace sim
