// SPDX-License-Identifier: MIT
#include "snapshot/frames.hpp"

#include <algorithm>
#include <cstring>

#include "base/hash.hpp"
#include "cache/result.hpp"

namespace ct {

// ---- Writing ----------------------------------------------------------------------------------

FrameWriter::FrameWriter(Memory &memory, ct_write_fn write, void *user_data) noexcept
    : memory_(memory),
      write_(write),
      user_data_(user_data),
      frame_(static_cast<char *>(memory.allocate(kFrameHeadBytes + kFrameBytes, 1))) {
  if (frame_ == nullptr) status_ = CT_ERR_NOMEM;
}

FrameWriter::~FrameWriter() { memory_.release(frame_, kFrameHeadBytes + kFrameBytes, 1); }

void FrameWriter::put_raw(const void *data, size_t size) {
  if (failed()) return;
  const ct_status answered = write_(user_data_, data, size);
  if (answered != CT_OK) status_ = Result::judge_stream(answered);
}

void FrameWriter::put(const void *data, size_t size) {
  const char *from = static_cast<const char *>(data);
  while (size > 0 && !failed()) {
    const auto part = static_cast<uint32_t>(std::min<size_t>(size, kFrameBytes - size_));
    std::memcpy(frame_ + kFrameHeadBytes + size_, from, part);
    size_ += part;
    from += part;
    size -= part;
    if (size_ == kFrameBytes) end_frame();
  }
}

void FrameWriter::put_number(uint64_t number, uint32_t bytes) {
  char text[8];
  write_number(text, number, sizeof text);
  put(text, bytes);
}

void FrameWriter::end_frame() {
  write_number(frame_, size_, 4);
  write_number(frame_ + 4, hash_any(frame_ + kFrameHeadBytes, size_, number_), 8);
  put_raw(frame_, kFrameHeadBytes + size_);
  number_++;
  size_ = 0;
}

ct_status FrameWriter::end() {
  if (size_ > 0 && !failed()) end_frame();
  return status_;
}

// ---- Reading ----------------------------------------------------------------------------------

FrameReader::FrameReader(Memory &memory, ct_read_fn read, void *user_data) noexcept
    : memory_(memory),
      read_(read),
      user_data_(user_data),
      frame_(static_cast<char *>(memory.allocate(kFrameBytes, 1))) {
  if (frame_ == nullptr) status_ = CT_ERR_NOMEM;
}

FrameReader::~FrameReader() { memory_.release(frame_, kFrameBytes, 1); }

bool FrameReader::fail(ct_status status) {
  if (status_ == CT_OK) status_ = status;
  return false;
}

// Returns 0 if the input ends here, or reading it has failed.
size_t FrameReader::read_some(void *to, size_t size) {
  if (status_ != CT_OK) return 0;
  size_t got = 0;
  const ct_status answered = read_(user_data_, to, size, &got);
  if (answered != CT_OK) {
    fail(Result::judge_stream(answered));
  } else if (got > size) {
    fail(CT_ERR_CALLBACK);
  }
  return status_ == CT_OK ? got : 0;
}

bool FrameReader::get_raw(void *to, size_t size) {
  for (size_t done = 0; done < size;) {
    const size_t got = read_some(static_cast<char *>(to) + done, size - done);
    if (got == 0) return fail(CT_ERR_CORRUPT);
    done += got;
  }
  return true;
}

bool FrameReader::next_frame() {
  char head[kFrameHeadBytes];
  if (!get_raw(head, sizeof head)) return false;
  const uint64_t size = read_number(head, 4);
  if (size == 0 || size > kFrameBytes) return fail(CT_ERR_CORRUPT);
  if (!get_raw(frame_, static_cast<size_t>(size))) return false;
  if (hash_any(frame_, static_cast<size_t>(size), number_) != read_number(head + 4, 8)) {
    return fail(CT_ERR_CORRUPT);
  }
  number_++;
  size_ = static_cast<uint32_t>(size);
  at_ = 0;
  return true;
}

uint32_t FrameReader::available(uint64_t size) {
  if (status_ != CT_OK || (at_end_of_frame() && !next_frame())) return 0;
  return static_cast<uint32_t>(std::min<uint64_t>(size, size_ - at_));
}

bool FrameReader::get(void *to, size_t size) {
  char *bytes = static_cast<char *>(to);
  while (size > 0) {
    const uint32_t part = available(size);
    if (part == 0) return false;
    std::memcpy(bytes, frame_ + at_, part);
    at_ += part;
    bytes += part;
    size -= part;
  }
  return status_ == CT_OK;
}

bool FrameReader::get_number(uint64_t *number, uint32_t bytes) {
  char text[8];
  if (!get(text, bytes)) return false;
  *number = read_number(text, bytes);
  return true;
}

bool FrameReader::expect_end() {
  char byte;
  if (read_some(&byte, 1) != 0) return fail(CT_ERR_CORRUPT);
  return status_ == CT_OK;
}

}  // namespace ct
