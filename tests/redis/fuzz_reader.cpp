// SPDX-License-Identifier: MIT
// Feeds what a server might say to the reader: at once, and byte by byte. Both must tell of the same
// events, in the same order, and break at the same place.
#include <cstdio>
#include <cstdlib>

#include "redis/reader.hpp"

namespace {

using ct::redis::Bytes;
using ct::redis::Reader;
using ct::redis::Reply;

struct Story {
  uint64_t hash = 14695981039346656037u;
  uint64_t events = 0;

  void add(uint64_t what, Bytes text) {
    events++;
    hash = (hash ^ what) * 1099511628211u;
    for (size_t i = 0; i < text.size; i++) {
      hash = (hash ^ static_cast<uint8_t>(text.data[i])) * 1099511628211u;
    }
  }
};

ct::redis::ReaderEvents events_of(Story *story) {
  return {story,
          [](void *self, const Reply &reply) {
            auto *story = static_cast<Story *>(self);
            story->add(static_cast<uint64_t>(reply.kind), reply.text);
            story->add(static_cast<uint64_t>(reply.integer), {"", 0});
            return story->events < 1000;
          },
          [](void *self, Bytes key) { static_cast<Story *>(self)->add(100, key); },
          [](void *self) {
            static_cast<Story *>(self)->add(101, {"", 0});
          }};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *bytes = reinterpret_cast<const char *>(data);
  Story whole;
  Story parts;
  Reader at_once(events_of(&whole));
  Reader in_parts(events_of(&parts));
  if (!at_once.open() || !in_parts.open()) return 0;
  const bool good = size == 0 || at_once.read({bytes, size});
  bool still_good = true;
  for (size_t i = 0; i < size && still_good; i++) still_good = in_parts.read({bytes + i, 1});
  if (good != still_good || whole.hash != parts.hash || whole.events != parts.events) {
    std::fprintf(stderr, "the reader depends on how the bytes are cut\n");
    std::abort();
  }
  return 0;
}
