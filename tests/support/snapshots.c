/* SPDX-License-Identifier: MIT */
/* See snapshots.h. */
#include "snapshots.h"

#include "support.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

const unsigned char kSnapshotPrefix[kPrefix] = {'C', 'T', 'S', 'N', 'A', 'P', 1, 0};
const unsigned char kDatedPrefix[kPrefix] = {'C', 'T', 'S', 'N', 'A', 'P', 2, 0};
const unsigned char kTaggedPrefix[kPrefix] = {'C', 'T', 'S', 'N', 'A', 'P', 3, 0};

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

ct_status load_tape_with(ct_cache *cache, tape *t, uint32_t flags) {
  t->at = 0;
  return ct_snapshot_load_with(cache, tape_read, t, flags);
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

static bool begins_with(const tape *t, const unsigned char prefix[kPrefix]) {
  return t->size >= kPrefix && memcmp(t->bytes, prefix, kPrefix) == 0;
}

bool get_frames(const tape *from, tape *content) {
  if (!begins_with(from, kSnapshotPrefix) && !begins_with(from, kDatedPrefix) &&
      !begins_with(from, kTaggedPrefix))
    return false;
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

/* ---- Recorded ones, and as text ------------------------------------------------------------- */

tape read_recorded(const char *name) {
  char path[4096];
  const char *data = getenv("CT_TEST_DATA");
  assert_non_null(data);
  snprintf(path, sizeof path, "%s/snapshots/%s", data, name);
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  tape t = {0};
  unsigned char buffer[4096];
  for (size_t size; (size = fread(buffer, 1, sizeof buffer, file)) > 0;)
    tape_write(&t, buffer, size);
  fclose(file);
  return t;
}

void record_snapshot(const tape *snapshot) {
  const char *path = getenv("CT_RECORD_SNAPSHOT");
  if (path == NULL) return;
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(snapshot->size, fwrite(snapshot->bytes, 1, snapshot->size, file));
  fclose(file);
}

typedef struct reader {
  const unsigned char *at;
  const unsigned char *end;
} reader;

static const unsigned char *take(reader *r, size_t size) {
  assert_true((size_t)(r->end - r->at) >= size);
  r->at += size;
  return r->at - size;
}

static uint64_t take_number(reader *r, unsigned bytes) {
  return number_at(take(r, bytes), bytes);
}

static int compare_lines(const void *a, const void *b) {
  return strcmp(a, b);
}

/* Describes an entry of a snapshot whose head has these flags. */
static void describe_entry(reader *r, unsigned head_flags, char *line, size_t capacity) {
  const unsigned flags = (unsigned)take_number(r, 1);
  const size_t key_size = (size_t)take_number(r, 4), value_size = (size_t)take_number(r, 4);
  unsigned long long numbers[4] = {0};
  const bool has[4] = {(head_flags & 1) != 0, (flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0};
  for (int i = 0; i < 4; i++)
    if (has[i]) numbers[i] = take_number(r, 8);
  unsigned tags = (flags & 8) != 0 ? (unsigned)take_number(r, 1) : 0;
  const char *key = (const char *)take(r, key_size);
  const char *value = (const char *)take(r, value_size);
  size_t used = (size_t)snprintf(
      line, capacity, "%.*s = %.*s, count %llu, weight %llu, ttl %llu, idle %llu", (int)key_size,
      key, (int)value_size, value, numbers[0], numbers[1], numbers[2], numbers[3]);
  for (; tags > 0; tags--) {
    const size_t size = (size_t)take_number(r, 4);
    const char *tag = (const char *)take(r, size);
    used += (size_t)snprintf(line + used, capacity - used, ", tag \"%.*s\"", (int)size, tag);
  }
  used += (size_t)snprintf(line + used, capacity - used, "\n");
  assert_true(used < capacity);
}

void describe_snapshot(const tape *snapshot, char *text, size_t capacity) {
  enum { kLine = 160, kLines = 64 };
  static char lines[kLines][kLine];
  int count = 0;
  tape content = {0};
  assert_true(get_frames(snapshot, &content));
  reader r = {content.bytes, content.bytes + content.size};
  const unsigned weighing = (unsigned)take_number(&r, 1), flags = (unsigned)take_number(&r, 1);
  assert_int_equal(0, take_number(&r, 2));
  size_t used = (size_t)snprintf(text, capacity, "weighing %u, flags %u\n", weighing, flags);
  if ((flags & 2) != 0)
    used += (size_t)snprintf(text + used, capacity - used, "date %llu\n",
                             (unsigned long long)take_number(&r, 8));
  for (;;) {
    const char part = (char)take_number(&r, 1);
    if (part == 'Z') break;
    if (part == 'S') {
      used += (size_t)snprintf(text + used, capacity - used, "shard\n");
    } else if (part == 'R') {
      const unsigned rank = (unsigned)take_number(&r, 1);
      used += (size_t)snprintf(text + used, capacity - used, "rank %u: %016llx\n", rank,
                               (unsigned long long)take_number(&r, 8));
    } else {
      assert_int_equal('E', part);
      assert_true(count < kLines);
      describe_entry(&r, flags, lines[count++], kLine);
    }
  }
  assert_ptr_equal(r.end, r.at);
  qsort(lines, (size_t)count, kLine, compare_lines);
  for (int i = 0; i < count; i++)
    used += (size_t)snprintf(text + used, capacity - used, "%s", lines[i]);
  assert_true(used < capacity);
  tape_free(&content);
}

void assert_altered_is_corrupt(ct_cache *cache, const char *name) {
  tape t = read_recorded(name);
  for (size_t at = 0; at < t.size; at++) {
    for (unsigned other = 1; other < 256; other++) {
      t.bytes[at] ^= (unsigned char)other;
      assert_status(CT_ERR_CORRUPT, load_tape(cache, &t));
      t.bytes[at] ^= (unsigned char)other;
    }
  }
  while (t.size-- > 0) assert_status(CT_ERR_CORRUPT, load_tape(cache, &t));
  assert_int_equal(0, ct_len(cache));
  tape_free(&t);
}
