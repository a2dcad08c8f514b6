/* SPDX-License-Identifier: MIT */
/* See key_builders.h. */
#include "key_builders.h"

/* ---- Calls ---------------------------------------------------------------------------------- */

static size_t from_hex(const char *hex, char *out) {
  size_t size = 0;
  unsigned byte;
  for (; sscanf(hex, "%2x", &byte) == 1; hex += 2) out[size++] = (char)byte;
  return size;
}

token parse_token(const char *word) {
  token it = {.kind = word[0]};
  const char *rest = word[1] == ':' ? word + 2 : word + 1;
  switch (it.kind) {
    case 'b':
    case 'i':
      it.integer = strtoll(rest, NULL, 10);
      break;
    case 'u':
      it.number = strtoull(rest, NULL, 10);
      break;
    case 'f':
      it.real = strtod(rest, NULL);
      break;
    case 's':
    case 'x':
      assert_true(strlen(rest) / 2 <= kMaxText);
      it.size = from_hex(rest, it.text);
      break;
    case 'k':
      assert_true(strlen(rest) <= kMaxText);
      it.size = strlen(rest);
      memcpy(it.text, rest, it.size);
      break;
    default:
      assert_non_null(strchr("n()", it.kind));
  }
  return it;
}

call parse(const char *text) {
  call it = {.count = 0};
  char words[2048];
  assert_true(strlen(text) < sizeof(words));
  strcpy(words, text);
  for (char *word = strtok(words, " \n"); word != NULL; word = strtok(NULL, " \n")) {
    if (strcmp(word, "-") == 0) continue;
    assert_true(it.count < kMaxTokens);
    it.tokens[it.count++] = parse_token(word);
  }
  return it;
}

static void add_token(ct_key *key, const token *it) {
  switch (it->kind) {
    case 'n':
      ct_key_null(key);
      break;
    case 'b':
      ct_key_bool(key, it->integer != 0);
      break;
    case 'i':
      ct_key_int(key, it->integer);
      break;
    case 'u':
      ct_key_uint(key, it->number);
      break;
    case 'f':
      ct_key_double(key, it->real);
      break;
    case 's':
      ct_key_text(key, it->text, it->size);
      break;
    case 'x':
      ct_key_bytes(key, it->text, it->size);
      break;
    case 'k':
      ct_key_name(key, it->text, it->size);
      break;
    case '(':
      ct_key_tuple_begin(key);
      break;
    default:
      ct_key_tuple_end(key);
  }
}

void add_call(ct_key *key, const call *it) {
  for (size_t i = 0; i < it->count; i++) add_token(key, &it->tokens[i]);
}

/* ---- Keys of calls -------------------------------------------------------------------------- */

ct_key *builders[2][2];

int make_builders(void **state) {
  (void)state;
  for (int typed = 0; typed < 2; typed++)
    for (int i = 0; i < 2; i++) {
      builders[typed][i] = ct_key_new(typed ? CT_KEY_TYPED : 0);
      if (builders[typed][i] == NULL) return 1;
    }
  return 0;
}

int free_builders(void **state) {
  (void)state;
  for (int typed = 0; typed < 2; typed++)
    for (int i = 0; i < 2; i++) ct_key_free(builders[typed][i]);
  return 0;
}

ct_status status_of(ct_key *key) {
  const void *data;
  size_t size;
  return ct_key_data(key, &data, &size);
}

ct_bytes bytes_of(ct_key *key) {
  ct_bytes bytes;
  assert_status(CT_OK, ct_key_data(key, &bytes.data, &bytes.size));
  assert_non_null(bytes.data);
  return bytes;
}

ct_bytes key_of(const call *it, bool typed, int builder) {
  ct_key *key = builders[typed][builder];
  ct_key_reset(key);
  add_call(key, it);
  return bytes_of(key);
}

bool equal_bytes(ct_bytes one, ct_bytes other) {
  return one.size == other.size && memcmp(one.data, other.data, one.size) == 0;
}

bool equal_keys(const call *one, const call *other, bool typed) {
  return equal_bytes(key_of(one, typed, 0), key_of(other, typed, 1));
}

bool same(const char *one, const char *other, bool typed) {
  const call a = parse(one);
  const call b = parse(other);
  return equal_keys(&a, &b, typed);
}
