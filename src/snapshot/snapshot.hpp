// SPDX-License-Identifier: MIT
// Snapshots: a cache's entries written down, and read into another cache.
//
// A snapshot begins with 8 bytes, "CTSNAP" and its version in two. The rest lies in frames
// (frames.hpp), of which the content, one after the other, is this. Numbers are little-endian, times
// in ticks.
//
//   head    weighing 1   0, 1, 2: the cache's ct_weight_kind; 3: it had a weigher
//           flags    1   1: entries have a count, 2: there is a date
//           zeros    2
//           date     8   when that was left of lifetimes, by the wall clock, in nanoseconds since
//                        1970; none of a cache with a timer of its own, whose ticks may be anything
//   then parts in this order, each after the byte that names it:
//
//   shard   'S'          the order of a shard begins; none, if the policy has no order
//   rank    'R'          an entry of that shard, as the policy came by it
//           rank     1   it goes before those of a higher rank, after those of its own before it
//           id       8   XXH3 (64 bits) of its key, without a seed
//   entry   'E'          in no order
//           flags    1   1: it has a weight, 2: a ttl, 4: an idle time
//           key_size, value_size   4 each
//           count    8   how often it was used, if the head says so
//           weight   8   of its own, by the caller or the weigher; in no cache of CT_WEIGHT_MEMORY
//           ttl      8   what was left of its lifetime from the write on, from 1 on
//           idle     8   what was left of its lifetime from the last use on, from 1 on
//           key, value
//   end     'Z'          also of its frame
//
// Why the order comes apart from the entries: only by its position in the index is an entry met once
// for certain while others write, and only by the list is the order known. And why it comes first: an
// entry without a rank has come since, or has been used since a busy cache's order was cut short; it
// is taken for the hottest. Of an order beside others' calls not more is certain than that it ends.
//
// A version that adds to this gets another number: of what it does not know, a reader keeps nothing.
// Version 2 is version 1 with a date, and what has none is still written as version 1. That the flag
// repeats it is for the check: the version lies outside of the frames.
#ifndef CT_SNAPSHOT_HPP
#define CT_SNAPSHOT_HPP

#include <cachetools.h>

#include <cstdint>

#include "cache/cache.hpp"

namespace ct {

struct Snapshot {
  static constexpr char kUndatedPrefix[] = {'C', 'T', 'S', 'N', 'A', 'P', 1, 0};
  static constexpr char kDatedPrefix[] = {'C', 'T', 'S', 'N', 'A', 'P', 2, 0};

  enum HeadFlag : uint8_t { kCounted = 1, kDated = 2 };
  enum Part : uint8_t { kShard = 'S', kRank = 'R', kEntry = 'E', kEnd = 'Z' };
  enum EntryFlag : uint8_t { kWeighed = 1, kTtl = 2, kIdle = 4 };

  // CT_OK, CT_ERR_NOMEM, or the failure as the callback answered it.
  static ct_status save(Cache &cache, ct_write_fn write, void *user_data);
  // flags are known ones. whole: the input ends where the snapshot does; else nothing behind it is
  // read. Also CT_ERR_CORRUPT, CT_ERR_UNSUPPORTED.
  static ct_status load(Cache &cache, ct_read_fn read, void *user_data, uint32_t flags, bool whole);

  // Also CT_ERR_IO.
  static ct_status save_file(Cache &cache, const char *path);
  static ct_status load_file(Cache &cache, const char *path, uint32_t flags);
};

}  // namespace ct

#endif
