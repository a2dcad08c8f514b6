/* SPDX-License-Identifier: MIT */
/* See run_state.h. Failing, drawing, keys and values. */
#include "run_state.h"

/* ---- Failing -------------------------------------------------------------------------------- */

void mismatch(const run *r, const char *file, int line, const char *what) {
  const ct_options *o = &r->options;
  print_error(
      "model: %s (%s:%d)\n"
      "  step %d, %s of key %d, conditions %#x: %s\n"
      "  policy %s, shards %u, flags %#x, maxsize %#" PRIx64 ", weight kind %d%s%s, ttl %" PRIu64
      ", jitter %" PRIu64 ", tti %" PRIu64 ", refresh_ahead %" PRIu64 ", stale %" PRIu64
      "%s%s%s%s%s%s, keys %d\n"
      "  now %" PRIu64 ", entries %d, heard %d events, %d taken\n",
      what, file, line, r->step, r->operation, r->key, r->conditions, ct_status_name(r->answer),
      ct_policy_name((ct_policy)o->policy), o->shards, o->flags, o->maxsize, o->weight_kind,
      o->weigher != NULL ? ", weigher" : "", r->setup.huge ? " with huge weights" : "", o->ttl,
      o->jitter, o->tti, o->refresh_ahead, o->stale, o->ttu != NULL ? ", ttu" : "",
      o->listener != NULL ? ", listener" : "", o->drop != NULL ? ", drop" : "",
      r->setup.allocator ? ", allocator" : "", r->setup.timeless ? ", timeless" : "",
      r->setup.spare ? ", spare" : "", r->setup.keys, r->model.now, r->model.count, r->heard.count,
      r->heard.taken);
  if (r->number != 0) print_error("  again: CT_MODEL_RUN=%" PRIu64 "\n", r->number);
  for (int i = 0; i < r->heard.count && i < 20; i++)
    print_error("  event: key %d, value %" PRIu64 " of %zu bytes, weight %" PRIu64 ", cause %d\n",
                r->heard.events[i].key, r->heard.events[i].prefix, r->heard.events[i].size,
                r->heard.events[i].weight, r->heard.events[i].cause);
  run_failed();
}

void check_same(const run *r, const char *file, int line, const char *what, uint64_t expected,
                uint64_t actual) {
  if (expected == actual) return;
  char text[300];
  snprintf(text, sizeof text, "%s is %" PRId64 " (%#" PRIx64 "), not %" PRId64 " (%#" PRIx64 ")",
           what, (int64_t)actual, actual, (int64_t)expected, expected);
  mismatch(r, file, line, text);
}

void complain(run *r, const char *what) {
  if (r->complaint == NULL) r->complaint = what;
}

/* ---- Chance --------------------------------------------------------------------------------- */

uint64_t below(run *r, uint64_t n) {
  return choice_below(&r->source, n);
}

bool one_in(run *r, uint64_t n) {
  return below(r, n) == 0;
}

/* ---- Keys and values ------------------------------------------------------------------------ */

static unsigned char pattern[kPattern];
static unsigned char key_bytes[MODEL_KEYS][64];
static unsigned char long_key[kLargestKey];

size_t key_size(const run *r, int key) {
  if (key == 0) return 0;
  if (r->setup.long_keys && key == r->setup.keys - 1) return kLargestKey;
  return 2 + (size_t)key * 7 % 30;
}

const void *key_data(const run *r, int key) {
  if (key == 0) return NULL;
  return key_size(r, key) == kLargestKey ? long_key : key_bytes[key];
}

int key_number(const run *r, const void *data, size_t size) {
  if (size == 0) return 0;
  if (size == kLargestKey) return memcmp(data, long_key, size) == 0 ? r->setup.keys - 1 : -1;
  const unsigned char *bytes = data;
  if (size < 2) return -1;
  const int key = bytes[0] | bytes[1] << 8;
  if (key >= r->setup.keys || key_size(r, key) != size) return -1;
  return memcmp(data, key_bytes[key], size) == 0 ? key : -1;
}

uint64_t prefix_of(uint64_t stamp, size_t size) {
  return size >= 8 ? stamp : stamp & ((1ull << (8 * size)) - 1);
}

void fill_value(unsigned char *to, uint64_t stamp, size_t size) {
  const uint64_t bytes = to_front(stamp, size);
  memcpy(to, &bytes, size < 8 ? size : 8);
  if (size > 8) memcpy(to + 8, pattern + stamp % kShifts, size - 8);
}

bool is_value(const void *data, uint64_t stamp, size_t size) {
  const uint64_t bytes = to_front(stamp, size);
  if (memcmp(data, &bytes, size < 8 ? size : 8) != 0) return false;
  return size <= 8 || memcmp((const char *)data + 8, pattern + stamp % kShifts, size - 8) == 0;
}

uint64_t read_prefix(run *r, const void *data, size_t size) {
  uint64_t prefix = 0;
  if (size == 0) return prefix;
  memcpy(&prefix, data, size < 8 ? size : 8);
  prefix = from_front(prefix, size);
  if (!is_value(data, prefix, size)) complain(r, "a callback was shown a strange value");
  if (size >= 8 && (prefix > r->stamps || r->copies[prefix].size != size))
    complain(r, "a callback was shown a value that was never stored");
  return prefix;
}

size_t draw_size(run *r) {
  if (r->setup.bulky && one_in(r, 20)) return below(r, one_in(r, 6) ? kLargestValue : 20000);
  return one_in(r, 10) ? below(r, 8) : 8 + below(r, 50);
}

uint64_t new_stamp(run *r, size_t size) {
  const uint64_t stamp = ++r->stamps;
  memset(&r->copies[stamp], 0, sizeof r->copies[stamp]);
  r->copies[stamp].size = size;
  return stamp;
}

int draw_key(run *r) {
  return r->key = (int)below(r, (uint64_t)r->setup.keys);
}

void fill_pattern(void) {
  static bool filled = false;
  if (filled) return;
  filled = true;
  uint64_t state = 1;
  for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (unsigned char)test_random(&state);
  memcpy(long_key, pattern, sizeof long_key);
  for (int key = 0; key < MODEL_KEYS; key++) {
    memcpy(key_bytes[key], pattern + key, sizeof key_bytes[key]);
    key_bytes[key][0] = (unsigned char)key;
    key_bytes[key][1] = (unsigned char)(key >> 8);
  }
}
