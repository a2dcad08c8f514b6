/* SPDX-License-Identifier: MIT */
/* Drives key builders with arbitrary bytes: values, names and tuples in any order, well-formed or
 * not.
 *
 * The first byte says whether the key is typed. Each operation is a letter and its arguments,
 * which are zeros beyond the end of the input. Checked: mistakes are reported if and only if
 * there are some; the same arguments make the same bytes; and the bytes can be read back:
 * decoded as src/memo/key.hpp describes them and added again, they make the same key. */
#include <cachetools.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { kMaxNames = 64, kMaxHuge = 4, kHugeUnit = 512 };

static void require(bool condition, const char *what) {
  if (condition) return;
  fprintf(stderr, "fuzz_key: %s\n", what);
  abort();
}

/* ---- Input ---------------------------------------------------------------------------------- */

typedef struct input {
  const uint8_t *at;
  const uint8_t *end;
} input;

static uint8_t take_byte(input *in) {
  return in->at < in->end ? *in->at++ : 0;
}

static uint64_t take_number(input *in) {
  uint64_t number = 0;
  for (int i = 0; i < 8; i++) number |= (uint64_t)take_byte(in) << (8 * i);
  return number;
}

static ct_bytes take_bytes(input *in) {
  size_t size = take_byte(in);
  if (size > (size_t)(in->end - in->at)) size = (size_t)(in->end - in->at);
  const ct_bytes bytes = {in->at, size};
  in->at += size;
  return bytes;
}

/* ---- What is a mistake ---------------------------------------------------------------------- */

typedef struct expectation {
  ct_status status;  /* of the first mistake */
  bool perhaps_text; /* or an earlier text may be no UTF-8 */
  size_t depth;
  bool waiting; /* a name, for its value */
  bool twice;   /* a name was given */
  ct_bytes names[kMaxNames];
  size_t name_count;
} expectation;

static void expect(expectation *it, ct_status status) {
  if (it->status == CT_OK) it->status = status;
}

static void expect_begin(expectation *it) {
  if (it->depth == 0 && it->name_count > 0 && !it->waiting) expect(it, CT_ERR_INVALID);
}

/* A repeated name is reported when its value is complete. */
static void expect_end(expectation *it) {
  if (it->depth > 0) return;
  if (it->waiting && it->twice) expect(it, CT_ERR_INVALID);
  it->waiting = false;
}

static void expect_value(expectation *it) {
  expect_begin(it);
  expect_end(it);
}

static void expect_name(expectation *it, ct_bytes name) {
  if (it->depth > 0 || it->waiting) expect(it, CT_ERR_INVALID);
  for (size_t i = 0; i < it->name_count; i++) {
    const ct_bytes other = it->names[i];
    if (other.size == name.size && memcmp(other.data, name.data, name.size) == 0) it->twice = true;
  }
  it->names[it->name_count++] = name;
  it->waiting = true;
}

static void expect_text(expectation *it, ct_bytes text) {
  for (size_t i = 0; i < text.size; i++)
    if (((const uint8_t *)text.data)[i] >= 0x80) it->perhaps_text = true;
}

/* ---- Running ---------------------------------------------------------------------------------*/

static void add_huge(ct_key *key, uint8_t units, bool as_text) {
  static char text[256 * kHugeUnit];
  if (text[0] == 0) memset(text, 'h', sizeof text);
  if (as_text)
    ct_key_text(key, text, (size_t)units * kHugeUnit);
  else
    ct_key_bytes(key, text, (size_t)units * kHugeUnit);
}

static double as_double(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static expectation run(ct_key *key, input in) {
  expectation it = {.status = CT_OK};
  unsigned huge = 0;
  while (in.at < in.end) {
    const uint8_t operation = take_byte(&in);
    ct_bytes bytes;
    switch (operation) {
      case 'n':
        expect_value(&it);
        ct_key_null(key);
        break;
      case 'b':
        expect_value(&it);
        ct_key_bool(key, (take_byte(&in) & 1) != 0);
        break;
      case 'i':
        expect_value(&it);
        ct_key_int(key, (int64_t)take_number(&in));
        break;
      case 'u':
        expect_value(&it);
        ct_key_uint(key, take_number(&in));
        break;
      case 'd':
        expect_value(&it);
        ct_key_double(key, as_double(take_number(&in)));
        break;
      case 's':
        bytes = take_bytes(&in);
        expect_text(&it, bytes);
        expect_value(&it);
        ct_key_text(key, bytes.data, bytes.size);
        break;
      case 'x':
        bytes = take_bytes(&in);
        expect_value(&it);
        ct_key_bytes(key, bytes.data, bytes.size);
        break;
      case 'h':
      case 'H':
        if (++huge > kMaxHuge) break;
        expect_value(&it);
        add_huge(key, take_byte(&in), operation == 'h');
        break;
      case 'l':
        expect(&it, sizeof(size_t) > 4 ? CT_ERR_TOO_LARGE : CT_ERR_INVALID);
        ct_key_bytes(key, NULL, SIZE_MAX);
        break;
      case '(':
        expect_begin(&it);
        it.depth++;
        ct_key_tuple_begin(key);
        break;
      case ')':
        if (it.depth == 0) {
          expect(&it, CT_ERR_INVALID);
        } else {
          it.depth--;
          expect_end(&it);
        }
        ct_key_tuple_end(key);
        break;
      case 'k':
        bytes = take_bytes(&in);
        if (it.name_count == kMaxNames) break;
        expect_text(&it, bytes);
        expect_name(&it, bytes);
        ct_key_name(key, bytes.data, bytes.size);
        break;
      case 'r':
        ct_key_reset(key);
        it = (expectation){.status = CT_OK};
        break;
      default:
        break;
    }
  }
  if (it.depth > 0 || it.waiting) expect(&it, CT_ERR_INVALID);
  return it;
}

/* ---- Reading back --------------------------------------------------------------------------- */

static uint64_t number_at(const uint8_t *at, int bytes) {
  input in = {at, at + bytes};
  return take_number(&in);
}

/* Adds the atom at in->at, as a value of that type; 0: of the type that it looks like. */
static void add_atom(ct_key *key, input *in, char type) {
  const uint8_t *const at = in->at;
  require(at < in->end, "a value is missing");
  const uint64_t number = in->end - at >= 9 ? number_at(at + 1, 8) : 0;
  const size_t size = in->end - at >= 5 ? (size_t)number_at(at + 1, 4) : 0;
  size_t used = 9;
  switch (*at) {
    case 'n':
      ct_key_null(key);
      used = 1;
      break;
    case 'i':
      if (type == 'B')
        ct_key_bool(key, number != 0);
      else if (type == 'F')
        ct_key_double(key, (double)(int64_t)number);
      else
        ct_key_int(key, (int64_t)number);
      break;
    case 'u':
      if (type == 'F')
        ct_key_double(key, (double)number);
      else
        ct_key_uint(key, number);
      break;
    case 'f':
      ct_key_double(key, as_double(number));
      break;
    case 's':
    case 'x':
      used = 5 + size;
      require(used <= (size_t)(in->end - at), "a length is too long");
      if (*at == 's')
        ct_key_text(key, (const char *)at + 5, size);
      else
        ct_key_bytes(key, at + 5, size);
      break;
    case '(':
      ct_key_tuple_begin(key);
      for (in->at++; in->at < in->end && *in->at != ')';) add_atom(key, in, 0);
      ct_key_tuple_end(key);
      used = (size_t)(in->at - at) + 1;
      break;
    default:
      require(false, "an atom of unknown kind");
  }
  require(used <= (size_t)(in->end - at), "an atom is cut short");
  in->at = at + used;
}

static void add_decoded(ct_key *key, ct_bytes bytes, bool typed) {
  input in = {bytes.data, (const uint8_t *)bytes.data + bytes.size};
  while (in.at < in.end) {
    const uint8_t *const at = in.at;
    const uint8_t *end_of_name = NULL;
    if (*at == 'k') {
      const size_t size = (size_t)number_at(at + 5, 4);
      ct_key_name(key, (const char *)at + 9, size);
      end_of_name = in.at = at + 9 + size;
    }
    const char type = typed ? (char)*in.at++ : '\0';
    add_atom(key, &in, type);
    if (end_of_name != NULL)
      require(number_at(at + 1, 4) == (uint64_t)(in.at - at), "a total length is wrong");
  }
}

/* ---- The target ----------------------------------------------------------------------------- */

static bool equal(ct_bytes one, ct_bytes other) {
  return one.size == other.size && memcmp(one.data, other.data, one.size) == 0;
}

static ct_status data_of(ct_key *key, ct_bytes *out) {
  const ct_status status = ct_key_data(key, &out->data, &out->size);
  require((status == CT_OK) == (out->data != NULL), "bytes and status disagree");
  require(status == CT_OK || out->size == 0, "a size without bytes");
  require((status == CT_OK) == (ct_key_problem(key) == NULL), "problem and status disagree");
  return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  input in = {data, data + size};
  const bool typed = (take_byte(&in) & 1) != 0;
  ct_key *one = ct_key_new(typed ? CT_KEY_TYPED : 0);
  ct_key *other = ct_key_new(typed ? CT_KEY_TYPED : 0);
  require(one != NULL && other != NULL, "no memory");

  const expectation expected = run(one, in);
  ct_bytes first;
  ct_bytes second;
  const ct_status status = data_of(one, &first);
  if (!expected.perhaps_text) require(status == expected.status, "another status than expected");
  if (expected.status != CT_OK) require(status != CT_OK, "a mistake went unheard");

  run(other, in);
  require(data_of(other, &second) == status, "another status the second time");
  if (status == CT_OK) {
    require(equal(first, second), "other bytes the second time");
    ct_key_reset(other);
    add_decoded(other, first, typed);
    require(data_of(other, &second) == CT_OK, "what was read back is refused");
    require(equal(first, second), "what was read back is another key");
  }
  ct_key_reset(one);
  require(data_of(one, &first) == CT_OK && first.size == 0, "reset did not empty the builder");
  ct_key_free(one);
  ct_key_free(other);
  return 0;
}
