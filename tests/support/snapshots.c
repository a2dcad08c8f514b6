/* SPDX-License-Identifier: MIT */
/* See snapshots.h. */
#include "snapshots.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

const unsigned char kSnapshotPrefix[kPrefix] = {'C', 'T', 'S', 'N', 'A', 'P', 1, 0};

/* ---- Tapes ---------------------------------------------------------------------------------- */

static bool fails(const tape *t, size_t end) {
  return t->fail_with != CT_OK && end > t->fail_at;
}

ct_status tape_write(void *tape_, const void *data, size_t size) {
  tape *t = tape_;
  t->calls++;
  if (fails(t, t->size + size)) return t->fail_with;
  if (t->size + size > t->capacity) {
    t->capacity = (t->size + size) * 2;
    t->bytes = realloc(t->bytes, t->capacity);
    if (t->bytes == NULL) abort();
  }
  if (size > 0) memcpy(t->bytes + t->size, data, size);
  t->size += size;
  return CT_OK;
}

ct_status tape_read(void *tape_, void *buffer, size_t capacity, size_t *got) {
  tape *t = tape_;
  t->calls++;
  size_t size = t->size - t->at;
  if (size > capacity) size = capacity;
  if (t->most != 0 && size > t->most) size = t->most;
  if (fails(t, t->at + size)) return t->fail_with;
  if (size > 0) memcpy(buffer, t->bytes + t->at, size);
  t->at += size;
  *got = size;
  return CT_OK;
}

void tape_free(tape *t) {
  free(t->bytes);
  memset(t, 0, sizeof *t);
}

ct_status load_tape(ct_cache *cache, tape *t) {
  t->at = 0;
  return ct_snapshot_load(cache, tape_read, t);
}

ct_status save_tape(ct_cache *cache, tape *t) {
  t->size = 0;
  return ct_snapshot_save(cache, tape_write, t);
}

/* ---- Frames --------------------------------------------------------------------------------- */

void put_number(tape *to, uint64_t number, unsigned bytes) {
  for (unsigned i = 0; i < bytes; i++) {
    const unsigned char byte = (unsigned char)(number >> (8 * i));
    tape_write(to, &byte, 1);
  }
}

uint64_t number_at(const unsigned char *at, unsigned bytes) {
  uint64_t number = 0;
  for (unsigned i = 0; i < bytes; i++) number |= (uint64_t)at[i] << (8 * i);
  return number;
}

uint64_t snapshot_id(const void *key, size_t key_size) {
  return XXH3_64bits(key, key_size);
}

void put_frames(tape *to, const unsigned char prefix[kPrefix], const void *content, size_t size,
                size_t most) {
  const unsigned char *at = content;
  tape_write(to, prefix, kPrefix);
  for (uint64_t number = 0; size > 0; number++) {
    const size_t part = size < most ? size : most;
    put_number(to, part, 4);
    put_number(to, XXH3_64bits_withSeed(at, part, number), 8);
    tape_write(to, at, part);
    at += part;
    size -= part;
  }
}

bool get_frames(const tape *from, tape *content) {
  if (from->size < kPrefix || memcmp(from->bytes, kSnapshotPrefix, kPrefix) != 0) return false;
  const unsigned char *at = from->bytes + kPrefix;
  size_t left = from->size - kPrefix;
  for (uint64_t number = 0; left > 0; number++) {
    if (left < kFrameHead) return false;
    const size_t size = (size_t)number_at(at, 4);
    if (size == 0 || size > kFrameContent || size > left - kFrameHead) return false;
    if (XXH3_64bits_withSeed(at + kFrameHead, size, number) != number_at(at + 4, 8)) return false;
    tape_write(content, at + kFrameHead, size);
    at += kFrameHead + size;
    left -= kFrameHead + size;
  }
  return true;
}
