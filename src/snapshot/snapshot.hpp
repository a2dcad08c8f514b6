// SPDX-License-Identifier: MIT
// Snapshots: a cache's entries written down, and read into another cache.
//
// A snapshot begins with 8 bytes: "CTSNAP", and its version in two bytes. The rest lies in frames
// (frames.hpp). Their contents, one behind the other, are as follows. Numbers are little-endian,
// and times are in ticks.
//
//   head    weighing 1   0, 1, 2: the cache's ct_weight_kind; 3: the cache had a weigher
//           flags    1   1: entries have a count, 2: there is a date, 4: entries may have tags
//           zeros    2
//           date     8   when the remaining lifetimes were measured, by the wall clock, in
//                        nanoseconds since 1970; absent if the cache has a timer of its own, whose
//                        ticks may be anything
//   then parts in this order, each behind the byte that names it:
//
//   shard   'S'          the order of a shard begins; absent if the policy has no order
//   rank    'R'          an entry of that shard, in the sequence in which the policy met it
//           rank     1   the entry leaves before those of a higher rank, and after those that come
//                        before it in its own rank
//           id       8   XXH3 (64 bits) of its key, without a seed
//   entry   'E'          an entry; entries are in no order
//           flags    1   1: it has a weight, 2: a ttl, 4: an idle time, 8: tags
//           key_size, value_size   4 each
//           count    8   how often the entry was used, or what else its policy knows of its uses
//                        (Keepsake in policy/policy.hpp); present if the head says so
//           weight   8   the entry's own, by the caller or the weigher; never with CT_WEIGHT_MEMORY
//           ttl      8   ticks left of its lifetime from the write on, at least 1
//           idle     8   ticks left of its lifetime from the last use on, at least 1
//           tags     1   how many, 1 to 8
//           key, value
//           then, for each tag: its size (4), and the tag
//   end     'Z'          the end, also of its frame
//
// The order is apart from the entries because they come from different walks. Only a walk by
// position in the index is certain to meet each entry once while other threads write, and only the
// policy's list knows the order. The order comes first, so that an entry without a rank is one that
// has come or has been used since, or that was not met because the order of a busy cache was cut
// short. Such an entry is taken for the hottest. If other threads call the cache meanwhile, any
// part of the order may come out wrong; but writing it always ends.
//
// A version that adds to this format gets another number, and a reader keeps nothing of a version
// that it does not know. Version 2 is version 1 with a date. Version 3 is for caches that have been
// given tags, with a date or without. Other caches are still written as version 1 or 2. The flags
// repeat what the version says because the version lies outside of the frames, where no checksum
// covers it.
#ifndef CT_SNAPSHOT_HPP
#define CT_SNAPSHOT_HPP

#include <cachetools.h>

#include <cstdint>

#include "cache/cache.hpp"

namespace ct {

struct Snapshot {
  static constexpr char kPrefix[] = {'C', 'T', 'S', 'N', 'A', 'P'};
  enum Version : uint8_t { kUndated = 1, kWithDate = 2, kWithTags = 3 };
  // Returns the version that has what these flags say.
  static Version version(uint64_t head_flags) {
    if ((head_flags & kTagged) != 0) return kWithTags;
    return (head_flags & kDated) != 0 ? kWithDate : kUndated;
  }

  enum HeadFlag : uint8_t { kCounted = 1, kDated = 2, kTagged = 4 };
  enum Part : uint8_t { kShard = 'S', kRank = 'R', kEntry = 'E', kEnd = 'Z' };
  enum EntryFlag : uint8_t { kWeighed = 1, kTtl = 2, kIdle = 4, kTags = 8 };

  // Returns CT_OK, CT_ERR_NOMEM, or the failure that the callback returned.
  static ct_status save(Cache &cache, ct_write_fn write, void *user_data);
  // Returns the same, CT_ERR_CORRUPT or CT_ERR_UNSUPPORTED. The flags have been checked. whole: the
  // input must end where the snapshot does. If not whole, nothing behind the snapshot is read.
  static ct_status load(Cache &cache, ct_read_fn read, void *user_data, uint32_t flags, bool whole);

  // Makes a cache with the same options and entries. Returns CT_OK, CT_ERR_NOMEM, or
  // CT_ERR_UNSUPPORTED.
  static ct_status copy(Cache &cache, Cache **out);

  // These may also return CT_ERR_IO.
  static ct_status save_file(Cache &cache, const char *path);
  static ct_status load_file(Cache &cache, const char *path, uint32_t flags);
};

}  // namespace ct

#endif
