// SPDX-License-Identifier: MIT
// The format of values on the server: the payload, then a trailer of 8 bytes, which any language can
// append and strip: kind, flags, grace in milliseconds (32 bits, little-endian), version, 0xC7.
//
// A lease lies in the key itself, in the place of the value that it is for. So any write or deletion
// of the key, by whichever program, destroys it, and what was loaded under it is refused.
#ifndef CT_REDIS_FORMAT_HPP
#define CT_REDIS_FORMAT_HPP

#include "redis/bytes.hpp"

namespace ct::redis {

constexpr size_t kTrailerSize = 8;
constexpr size_t kTokenSize = 16;

enum class StoredKind : uint8_t { kValue = 0, kAbsent = 1, kLease = 2 };

struct Trailer {
  char bytes[kTrailerSize];
};

inline Trailer trailer_of(StoredKind kind, uint32_t grace_ms) {
  const auto byte = [&](int number) { return static_cast<char>(grace_ms >> (8 * number) & 0xFF); };
  return {
      {static_cast<char>(kind), 0, byte(0), byte(1), byte(2), byte(3), 1, static_cast<char>(0xC7)}};
}

// What a value on the server is.
struct Content {
  enum class Form : uint8_t { kNothing, kValue, kAbsent, kLease, kUnknown };
  Form form;
  Bytes payload;      // of a value; lies in the bytes that were parsed
  uint64_t grace_ms;  // how much of its lifetime on the server is past its own
};

inline Content parse_content(Bytes stored) {
  using Form = Content::Form;
  const Content unknown = {Form::kUnknown, {"", 0}, 0};
  if (stored.size < kTrailerSize) return unknown;
  const Bytes payload = {stored.data, stored.size - kTrailerSize};
  uint8_t trailer[kTrailerSize];
  std::memcpy(trailer, stored.data + payload.size, kTrailerSize);
  if (trailer[7] != 0xC7 || trailer[6] != 1 || trailer[1] != 0) return unknown;
  const uint64_t grace = trailer[2] | uint64_t{trailer[3]} << 8 | uint64_t{trailer[4]} << 16 |
                         uint64_t{trailer[5]} << 24;
  switch (trailer[0]) {
    case static_cast<uint8_t>(StoredKind::kValue):
      return {Form::kValue, payload, grace};
    case static_cast<uint8_t>(StoredKind::kAbsent):
      return payload.size == 0 ? Content{Form::kAbsent, payload, grace} : unknown;
    case static_cast<uint8_t>(StoredKind::kLease):
      return payload.size == kTokenSize ? Content{Form::kLease, payload, grace} : unknown;
    default:
      return unknown;
  }
}

// What a lease looks like on the server: the bytes that a fill has to find there.
struct LeaseBytes {
  char data[kTokenSize + kTrailerSize];
  Bytes bytes() const { return {data, sizeof data}; }
};

inline LeaseBytes lease_bytes(uint64_t tier, uint64_t number) {
  LeaseBytes lease;
  const Trailer trailer = trailer_of(StoredKind::kLease, 0);
  std::memcpy(lease.data, &tier, 8);
  std::memcpy(lease.data + 8, &number, 8);
  std::memcpy(lease.data + kTokenSize, trailer.bytes, kTrailerSize);
  return lease;
}

}  // namespace ct::redis

#endif
