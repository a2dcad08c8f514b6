/* SPDX-License-Identifier: MIT */
/* Snapshots in memory, and their frames, made and read by the description in
 * src/snapshot/frames.hpp and src/snapshot/snapshot.hpp alone. */
#ifndef SNAPSHOTS_H
#define SNAPSHOTS_H

#include <cachetools.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { kPrefix = 8, kFrameHead = 12, kFrameContent = 65536 };

/* Bytes that are written one behind the other, then read from the beginning. */
typedef struct tape {
  unsigned char *bytes;
  size_t size;
  size_t capacity;
  size_t at;      /* read so far */
  size_t most;    /* at one read; 0: as many as wanted */
  size_t fail_at; /* the byte whose writing or reading fails, if fail_with is not CT_OK */
  ct_status fail_with;
  unsigned calls;
} tape;

/* A ct_write_fn and a ct_read_fn on a tape. */
ct_status tape_write(void *tape, const void *data, size_t size);
ct_status tape_read(void *tape, void *buffer, size_t capacity, size_t *got);
void tape_free(tape *t);

/* Load and save as ct_snapshot_load and ct_snapshot_save do. A load rewinds the tape first. */
ct_status load_tape(ct_cache *cache, tape *t);
ct_status load_tape_with(ct_cache *cache, tape *t, uint32_t flags);
ct_status save_tape(ct_cache *cache, tape *t);

/* Writes a prefix, then content in frames of at most so many bytes each. */
void put_frames(tape *to, const unsigned char prefix[kPrefix], const void *content, size_t size,
                size_t most);
/* Reads the content of a snapshot. Returns false if a frame is wrong. */
bool get_frames(const tape *from, tape *content);

/* Returns what stands for a key in the order. */
uint64_t snapshot_id(const void *key, size_t key_size);

/* Writes a number, little-endian. */
void put_number(tape *to, uint64_t number, unsigned bytes);
uint64_t number_at(const unsigned char *at, unsigned bytes);

/* The prefix of a snapshot without a date, of one with, and of one whose entries may have tags. */
extern const unsigned char kSnapshotPrefix[kPrefix];
extern const unsigned char kDatedPrefix[kPrefix];
extern const unsigned char kTaggedPrefix[kPrefix];

/* A snapshot in CT_TEST_DATA, as it was recorded. */
tape read_recorded(const char *name);

/* Asserts that a recorded snapshot is corrupt with any byte altered and with any number of bytes
 * missing at its end, and that the cache stays empty. */
void assert_altered_is_corrupt(ct_cache *cache, const char *name);
/* If CT_RECORD_SNAPSHOT names a file, writes the snapshot into it. */
void record_snapshot(const tape *snapshot);
/* Describes a snapshot as text: a line for each part, entries sorted by key. */
void describe_snapshot(const tape *snapshot, char *text, size_t capacity);

#endif
