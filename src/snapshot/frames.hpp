// SPDX-License-Identifier: MIT
// A stream of bytes that is cut into frames, each with a checksum:
//
//   size   4 bytes   of the content, 1 to 65536
//   check  8 bytes   XXH3 (64 bits) of the content, seeded with the frame's number, from 0 on
//   content
//
// The content knows nothing of frames: a key, a value or a number may lie across several. Numbers
// are little-endian. A reader trusts no size. It holds one frame at a time, and reads no further
// than to the end of the frame that has the last byte it was asked for.
#ifndef CT_FRAMES_HPP
#define CT_FRAMES_HPP

#include <cachetools.h>

#include <cstddef>
#include <cstdint>

#include "base/memory.hpp"

namespace ct {

constexpr uint32_t kFrameHeadBytes = 12;
constexpr uint32_t kFrameBytes = 64 * 1024;  // of content, at most

inline void write_number(char *to, uint64_t number, uint32_t bytes) {
  for (uint32_t i = 0; i < bytes; i++) to[i] = static_cast<char>(number >> (8 * i));
}
inline uint64_t read_number(const char *from, uint32_t bytes) {
  uint64_t number = 0;
  for (uint32_t i = 0; i < bytes; i++) {
    number |= static_cast<uint64_t>(static_cast<unsigned char>(from[i])) << (8 * i);
  }
  return number;
}

// The first failure stays, and nothing is written after it.
class FrameWriter {
 public:
  FrameWriter(Memory &memory, ct_write_fn write, void *user_data) noexcept;
  ~FrameWriter();
  FrameWriter(const FrameWriter &) = delete;
  FrameWriter &operator=(const FrameWriter &) = delete;

  bool failed() const { return status_ != CT_OK; }
  // Writes bytes outside of any frame. Must be called before the first frame.
  void put_raw(const void *data, size_t size);
  void put(const void *data, size_t size);
  void put_number(uint64_t number, uint32_t bytes);
  // Ends the last frame. Returns CT_OK, CT_ERR_NOMEM, or the failure that the callback returned.
  ct_status end();

 private:
  void end_frame();

  Memory &memory_;
  ct_write_fn write_;
  void *user_data_;
  ct_status status_ = CT_OK;
  char *frame_;
  uint32_t size_ = 0;  // of the content so far
  uint64_t number_ = 0;
};

// The first failure stays, and every call after it fails, too.
class FrameReader {
 public:
  FrameReader(Memory &memory, ct_read_fn read, void *user_data) noexcept;
  ~FrameReader();
  FrameReader(const FrameReader &) = delete;
  FrameReader &operator=(const FrameReader &) = delete;

  // Returns CT_OK, CT_ERR_NOMEM, CT_ERR_CORRUPT if the input ends too early or a checksum is wrong,
  // or the failure that the callback returned.
  ct_status status() const { return status_; }
  bool fail(ct_status status);

  bool get_raw(void *to, size_t size);
  bool get(void *to, size_t size);
  // Returns how many of the next `size` bytes can be read without trusting `size`: at least 1, or 0
  // after a failure.
  uint32_t available(uint64_t size);
  bool get_number(uint64_t *number, uint32_t bytes);
  // Returns whether the frame has been read to its end.
  bool at_end_of_frame() const { return at_ == size_; }
  // Fails if anything follows.
  bool expect_end();

 private:
  bool next_frame();
  size_t read_some(void *to, size_t size);

  Memory &memory_;
  ct_read_fn read_;
  void *user_data_;
  ct_status status_ = CT_OK;
  char *frame_;
  uint32_t size_ = 0;
  uint32_t at_ = 0;
  uint64_t number_ = 0;
};

}  // namespace ct

#endif
