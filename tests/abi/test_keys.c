/* SPDX-License-Identifier: MIT */
/* Key builders: which arguments make equal keys, and the exact bytes of keys. model_equal tells,
 * without the library, which calls are equal to Python. */
#include <math.h>

#include "key_builders.h"

/* ---- A model of Python's equality ----------------------------------------------------------- */

/* Numbers are equal if they read the same when they are written out in full. */
static void write_number(const token *it, char text[400]) {
  if (it->kind == 'u') {
    sprintf(text, "%llu", (unsigned long long)it->number);
  } else if (it->kind != 'f') {
    sprintf(text, "%lld", (long long)it->integer);
  } else if (isnan(it->real)) {
    strcpy(text, "nan");
  } else if (it->real == 0) {
    strcpy(text, "0");
  } else {
    sprintf(text, "%.0f", it->real);
    if (strtod(text, NULL) != it->real) sprintf(text, "%a", it->real);
  }
}

/* All integers have one type, whatever their sign and size. */
static char type_of(const token *it) {
  return it->kind == 'u' ? 'i' : it->kind;
}

static bool is_number(const token *it) {
  return strchr("biuf", it->kind) != NULL;
}

static bool equal_text(const token *one, const token *other) {
  return one->size == other->size && memcmp(one->text, other->text, one->size) == 0;
}

/* Compares the values at both cursors, and moves the cursors behind them. If typed is set, types
 * count, but not within tuples. */
static bool equal_values(const token **one, const token **other, bool typed) {
  const token *a = (*one)++;
  const token *b = (*other)++;
  if (typed && type_of(a) != type_of(b)) return false;
  if (is_number(a) && is_number(b)) {
    char numbers[2][400];
    write_number(a, numbers[0]);
    write_number(b, numbers[1]);
    return strcmp(numbers[0], numbers[1]) == 0;
  }
  if (a->kind != b->kind) return false;
  if (a->kind == 's' || a->kind == 'x') return equal_text(a, b);
  if (a->kind != '(') return true;
  while ((*one)->kind != ')' && (*other)->kind != ')')
    if (!equal_values(one, other, false)) return false;
  return (*one)++->kind == (*other)++->kind;
}

static const token *end_of_value(const token *value) {
  size_t depth = 0;
  do {
    depth += (size_t)(value->kind == '(') - (size_t)(value->kind == ')');
    value++;
  } while (depth > 0);
  return value;
}

static const token *find_name(const call *it, const token *name) {
  for (size_t i = 0; i < it->count; i++)
    if (it->tokens[i].kind == 'k' && equal_text(&it->tokens[i], name)) return &it->tokens[i];
  return NULL;
}

static size_t count_names(const call *it) {
  size_t names = 0;
  for (size_t i = 0; i < it->count; i++) names += it->tokens[i].kind == 'k';
  return names;
}

static bool model_equal(const call *one, const call *other, bool typed) {
  if (count_names(one) != count_names(other)) return false;
  const token *a = one->tokens;
  const token *b = other->tokens;
  const token *const end_a = a + one->count;
  const token *const end_b = b + other->count;
  while (a < end_a && b < end_b && a->kind != 'k' && b->kind != 'k')
    if (!equal_values(&a, &b, typed)) return false;
  if ((a < end_a && a->kind != 'k') || (b < end_b && b->kind != 'k')) return false;
  while (a < end_a) {
    const token *named = find_name(other, a);
    if (named == NULL) return false;
    a++;
    named++;
    if (!equal_values(&a, &named, typed)) return false;
  }
  return true;
}

/* ---- The reference's answers ---------------------------------------------------------------- */

enum { kGoldenPairs = 400 };

KEY_TEST(recorded_pairs_are_equal_as_in_python) {
  const char *folder = getenv("CT_TEST_DATA");
  assert_non_null(folder);
  char path[4096];
  snprintf(path, sizeof(path), "%s/golden/keys.txt", folder);
  FILE *file = fopen(path, "r");
  assert_non_null(file);

  char line[4096];
  unsigned pairs = 0;
  while (fgets(line, sizeof(line), file) != NULL) {
    char *one = strchr(line, '|');
    assert_non_null(one);
    char *other = strchr(one + 1, '|');
    assert_non_null(other);
    *other = '\0';
    const call calls[2] = {parse(one + 1), parse(other + 1)};
    const bool expected[2] = {line[0] == '1', line[2] == '1'};
    for (int typed = 0; typed < 2; typed++) {
      if (equal_keys(&calls[0], &calls[1], typed) != expected[typed] ||
          model_equal(&calls[0], &calls[1], typed) != expected[typed])
        fail_msg("line %u: %s| %s: not %s, typed %d", pairs + 1, one + 1, other + 1,
                 expected[typed] ? "equal" : "different", typed);
    }
    pairs++;
  }
  fclose(file);
  assert_int_equal(kGoldenPairs, pairs);
}

/* ---- The encoding --------------------------------------------------------------------------- */

/* Users may store keys, so a change here breaks their data. */
static const struct {
  const char *call;
  const char *plain; /* in hex */
  const char *typed;
} kEncodings[] = {
    {"-", "", ""},
    {"n", "6e", "4e6e"},
    {"b:0", "690000000000000000", "42690000000000000000"},
    {"b:1", "690100000000000000", "42690100000000000000"},
    {"i:1", "690100000000000000", "49690100000000000000"},
    {"i:-2", "69feffffffffffffff", "4969feffffffffffffff"},
    {"i:-9223372036854775808", "690000000000000080", "49690000000000000080"},
    {"u:9223372036854775807", "69ffffffffffffff7f", "4969ffffffffffffff7f"},
    {"u:9223372036854775808", "750000000000000080", "49750000000000000080"},
    {"u:18446744073709551615", "75ffffffffffffffff", "4975ffffffffffffffff"},
    {"f:1", "690100000000000000", "46690100000000000000"},
    {"f:-0.0", "690000000000000000", "46690000000000000000"},
    {"f:9223372036854775808", "750000000000000080", "46750000000000000080"},
    {"f:0.5", "66000000000000e03f", "4666000000000000e03f"},
    {"f:18446744073709551616", "66000000000000f043", "4666000000000000f043"},
    {"f:inf", "66000000000000f07f", "4666000000000000f07f"},
    {"f:-inf", "66000000000000f0ff", "4666000000000000f0ff"},
    {"f:nan", "66000000000000f87f", "4666000000000000f87f"},
    {"f:5e-324", "660100000000000000", "46660100000000000000"},
    {"s:", "7300000000", "537300000000"},
    {"s:c3a9", "7302000000c3a9", "537302000000c3a9"},
    {"x:", "7800000000", "587800000000"},
    {"x:00ff", "780200000000ff", "58780200000000ff"},
    {"( )", "2829", "542829"},
    {"( n ( f:1 ) )",
     "286e2869010000000000000029"
     "29",
     "54286e286901000000000000002929"},
    {"k: n", "6b0a000000000000006e", "6b0b000000000000004e6e"},
    {"n k:b n k:a b:1",
     "6e"
     "6b130000000100000061690100000000000000"
     "6b0b00000001000000626e",
     "4e6e"
     "6b14000000010000006142690100000000000000"
     "6b0c00000001000000624e6e"},
};

static void assert_hex(const char *expected, ct_bytes bytes, const char *what) {
  char hex[4 * kMaxText + 1] = "";
  assert_true(bytes.size <= sizeof(hex) / 2);
  for (size_t i = 0; i < bytes.size; i++)
    sprintf(hex + 2 * i, "%02x", ((const unsigned char *)bytes.data)[i]);
  if (strcmp(expected, hex) != 0) print_error("%s\n", what);
  assert_string_equal(expected, hex);
}

KEY_TEST(encoding_is_what_it_was) {
  for (size_t i = 0; i < COUNT_OF(kEncodings); i++) {
    const call it = parse(kEncodings[i].call);
    assert_hex(kEncodings[i].plain, key_of(&it, false, 0), kEncodings[i].call);
    assert_hex(kEncodings[i].typed, key_of(&it, true, 0), kEncodings[i].call);
  }
}

/* ---- Which arguments are equal -------------------------------------------------------------- */

KEY_TEST(numbers_of_one_value_are_one_key_unless_typed) {
  assert_one_key_unless_typed("i:1", "f:1.0");
  assert_one_key_unless_typed("i:1", "b:1");
  assert_one_key_unless_typed("f:0.0", "b:0");
  assert_one_key_unless_typed("i:0", "f:-0.0");
  assert_one_key_unless_typed("i:-9223372036854775808", "f:-9223372036854775808");
  assert_one_key_unless_typed("u:9223372036854775808", "f:9223372036854775808");
  assert_one_key_unless_typed("i:9007199254740992", "f:9007199254740992");
  assert_one_key_unless_typed("u:18446744073709549568", "f:18446744073709549568");
}

KEY_TEST(signed_and_unsigned_are_one_type) {
  assert_one_key("i:5", "u:5");
  assert_one_key("i:9223372036854775807", "u:9223372036854775807");
  assert_two_keys("i:-1", "u:18446744073709551615");
  assert_two_keys("i:-9223372036854775808", "u:9223372036854775808");
}

KEY_TEST(numbers_beside_each_other_are_two_keys) {
  assert_two_keys("i:9007199254740993", "f:9007199254740992");
  assert_two_keys("i:9223372036854775807", "f:9223372036854775808");
  assert_two_keys("u:18446744073709551615", "f:18446744073709551616");
  assert_two_keys("f:9223372036854774784", "f:9223372036854775808");
  assert_two_keys("f:18446744073709549568", "f:18446744073709551616");
  assert_two_keys("f:-9223372036854775808", "f:-9223372036854777856");
  assert_two_keys("f:5e-324", "f:0");
  assert_two_keys("f:5e-324", "f:1e-323");
  assert_two_keys("f:5e-324", "f:-5e-324");
  assert_two_keys("f:inf", "f:-inf");
  assert_two_keys("f:inf", "f:1.7976931348623157e308");
}

KEY_TEST(zeros_of_both_signs_are_one_key) {
  assert_one_key("f:0.0", "f:-0.0");
}

static double from_bits(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

KEY_TEST(all_nans_are_one_key) {
  static const uint64_t kNans[] = {0x7ff8000000000000, 0xfff8000000000000, 0x7ff8000000000001,
                                   0x7ff0000000000001, 0xffffffffffffffff};
  const call nan = parse("f:nan");
  for (size_t i = 0; i < COUNT_OF(kNans); i++) {
    call other = nan;
    other.tokens[0].real = from_bits(kNans[i]);
    assert_true(equal_keys(&nan, &other, false));
    assert_true(equal_keys(&nan, &other, true));
  }
  assert_two_keys("f:nan", "f:inf");
}

KEY_TEST(text_and_bytes_are_two_keys) {
  assert_two_keys("s:61", "x:61");
  assert_two_keys("s:", "x:");
  assert_two_keys("( s:61 )", "( x:61 )");
}

KEY_TEST(kinds_of_nothing_are_all_different) {
  static const char *const kNothings[] = {"-", "n", "s:", "x:", "( )", "b:0", "( n )", "( ( ) )"};
  for (size_t i = 0; i < COUNT_OF(kNothings); i++)
    for (size_t j = 0; j < i; j++) assert_two_keys(kNothings[i], kNothings[j]);
}

KEY_TEST(null_text_of_no_bytes_is_empty) {
  ct_key *key = builders[0][0];
  const call expected = parse("s: x: k: n");
  ct_key_reset(key);
  ct_key_text(key, NULL, 0);
  ct_key_bytes(key, NULL, 0);
  ct_key_name(key, NULL, 0);
  ct_key_null(key);
  assert_true(equal_bytes(key_of(&expected, false, 1), bytes_of(key)));
}

KEY_TEST(grouping_counts) {
  assert_two_keys("( i:1 ) i:2", "( i:1 i:2 )");
  assert_two_keys("( ( i:1 ) i:2 )", "( ( i:1 i:2 ) )");
  assert_two_keys("i:1 i:2", "( i:1 i:2 )");
  assert_two_keys("( ) ( )", "( ( ) )");
  assert_two_keys("s:61 s:62", "s:6162");
  assert_two_keys("s:61 s:", "s: s:61");
}

KEY_TEST(content_that_looks_like_the_encoding_stays_content) {
  assert_two_keys("s:6e", "n");
  assert_two_keys("x:61 x:62", "x:6178010000006278");
  assert_two_keys("( s:29 )", "( s: )");
  assert_two_keys("s: k:a n", "s:6b0b00000001000000616e");
}

KEY_TEST(types_within_tuples_do_not_count) {
  assert_one_key("( i:1 )", "( f:1.0 )");
  assert_one_key("( ( b:1 ) )", "( ( u:1 ) )");
  assert_one_key("k:a ( i:1 )", "k:a ( f:1.0 )");
  assert_one_key_unless_typed("k:a i:1", "k:a f:1.0");
}

KEY_TEST(position_and_name_are_two_keys) {
  assert_two_keys("i:1", "k:a i:1");
  assert_two_keys("k:a i:1", "k:b i:1");
  assert_two_keys("s:61 i:1", "k:a i:1");
  assert_two_keys("k:a i:1 k:b i:2", "k:a i:2 k:b i:1");
}

/* ---- Names ---------------------------------------------------------------------------------- */

KEY_TEST(names_in_any_order_are_one_key) {
  assert_one_key("i:0 k:a i:1 k:b ( i:2 s:63 ) k:c n", "i:0 k:c n k:a i:1 k:b ( i:2 s:63 )");
  assert_one_key("k:a n k:ab n k:abc n k: n", "k:abc n k: n k:ab n k:a n");
}

static void add_named_number(ct_key *key, const char *name, int64_t value) {
  ct_key_name(key, name, strlen(name));
  ct_key_int(key, value);
}

/* So a name of many bytes is behind its own beginning, and one of high bytes behind ASCII. */
KEY_TEST(names_are_stored_in_order_of_their_bytes) {
  static const char *const kSorted[] = {"",   "Z", "a",        "a\x01",
                                        "aa", "b", "\xc3\xa9", "\xf0\x9f\x98\x80"};
  ct_key *key = builders[0][0];
  ct_key_reset(key);
  for (size_t i = COUNT_OF(kSorted); i-- > 0;) add_named_number(key, kSorted[i], 0);
  const ct_bytes bytes = bytes_of(key);
  const char *at = bytes.data;
  for (size_t i = 0; i < COUNT_OF(kSorted); i++) {
    const size_t size = strlen(kSorted[i]);
    assert_int_equal('k', at[0]);
    assert_memory_equal(kSorted[i], at + 9, size);
    at += 9 + size + 9; /* the header, the name, an integer */
  }
  assert_ptr_equal((const char *)bytes.data + bytes.size, at);
}

static void shuffle(size_t *order, size_t count, uint64_t *random) {
  for (size_t i = count; i > 1; i--) {
    const size_t j = test_random_below(random, i);
    const size_t kept = order[i - 1];
    order[i - 1] = order[j];
    order[j] = kept;
  }
}

KEY_TEST(shuffled_names_are_one_key) {
  enum { kMaxNames = 40, kRounds = 200 };
  uint64_t random = test_seed();
  for (int round = 0; round < kRounds; round++) {
    const size_t count = 1 + test_random_below(&random, kMaxNames);
    size_t order[kMaxNames];
    for (size_t i = 0; i < count; i++) order[i] = i;
    for (int builder = 0; builder < 2; builder++) {
      ct_key *key = builders[round % 2][builder];
      ct_key_reset(key);
      shuffle(order, count, &random);
      for (size_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%.*s%zu", (int)(order[i] % 3), "nn", order[i]);
        add_named_number(key, name, (int64_t)order[i]);
      }
    }
    assert_true(equal_bytes(bytes_of(builders[round % 2][0]), bytes_of(builders[round % 2][1])));
  }
}

/* ---- Long keys ------------------------------------------------------------------------------ */

KEY_TEST(key_of_any_length_keeps_all_of_it) {
  enum { kLongest = 300000 };
  char *text = malloc(kLongest);
  assert_non_null(text);
  memset(text, 'a', kLongest);
  ct_key *key = builders[0][0];
  static const size_t kSizes[] = {250, 251, 252, 256, 257, 1000, 70000, kLongest};
  for (size_t i = 0; i < COUNT_OF(kSizes); i++) {
    ct_key_reset(key);
    ct_key_text(key, text, kSizes[i]);
    const ct_bytes bytes = bytes_of(key);
    assert_int_equal(5 + kSizes[i], bytes.size);
    assert_memory_equal(text, (const char *)bytes.data + 5, kSizes[i]);
  }
  free(text);
}

KEY_TEST(many_short_arguments_make_a_long_key) {
  enum { kArguments = 10000 };
  ct_key *key = builders[0][0];
  ct_key_reset(key);
  for (int64_t i = 0; i < kArguments; i++) ct_key_int(key, i);
  const ct_bytes bytes = bytes_of(key);
  assert_int_equal(9 * kArguments, bytes.size);
  for (uint64_t i = 0; i < kArguments; i++) {
    const unsigned char *at = (const unsigned char *)bytes.data + 9 * i;
    assert_int_equal('i', at[0]);
    assert_int_equal(i, at[1] | at[2] << 8);
  }
}

KEY_TEST(long_names_are_sorted_across_growth) {
  char name[400];
  memset(name, 'n', sizeof(name));
  for (int builder = 0; builder < 2; builder++) {
    ct_key *key = builders[0][builder];
    ct_key_reset(key);
    for (size_t i = 0; i < sizeof(name); i++) {
      const size_t size = builder == 0 ? i : sizeof(name) - 1 - i;
      ct_key_name(key, name, size);
      ct_key_uint(key, size);
    }
  }
  assert_true(equal_bytes(bytes_of(builders[0][0]), bytes_of(builders[0][1])));
}

KEY_TEST(reset_builder_makes_the_key_of_a_fresh_one) {
  const call long_one = parse("i:1 ( s:61 ) k:b n k:a n");
  const call short_one = parse("k:z b:1");
  for (int typed = 0; typed < 2; typed++) {
    ct_key *fresh = ct_key_new(typed ? CT_KEY_TYPED : 0);
    assert_non_null(fresh);
    add_call(fresh, &short_one);
    key_of(&long_one, typed, 0);
    assert_true(equal_bytes(bytes_of(fresh), key_of(&short_one, typed, 0)));
    ct_key_free(fresh);
  }
}

KEY_TEST(data_asked_twice_is_the_same) {
  ct_key *key = builders[0][0];
  ct_key_reset(key);
  ct_key_int(key, 1);
  const ct_bytes first = bytes_of(key);
  const ct_bytes second = bytes_of(key);
  assert_ptr_equal(first.data, second.data);
  assert_int_equal(first.size, second.size);
  ct_key_int(key, 2);
  assert_int_equal(18, bytes_of(key).size);
}

/* ---- Random calls --------------------------------------------------------------------------- */

/* Only a few of each, so that equal values meet: numbers of one value in all their types, and
 * content that looks like the encoding. */
static const char *const kAtoms[] = {
    "n",
    "b:0",
    "b:1",
    "i:0",
    "i:1",
    "i:-1",
    "u:1",
    "f:0",
    "f:-0.0",
    "f:1",
    "f:-1",
    "f:0.5",
    "f:nan",
    "f:inf",
    "f:-inf",
    "f:5e-324",
    "i:9007199254740992",
    "i:9007199254740993",
    "f:9007199254740992",
    "i:9223372036854775807",
    "u:9223372036854775807",
    "u:9223372036854775808",
    "f:9223372036854775808",
    "i:-9223372036854775808",
    "f:-9223372036854775808",
    "u:18446744073709551615",
    "f:18446744073709551616",
    "s:",
    "s:61",
    "s:6162",
    "s:62",
    "s:29",
    "s:6e",
    "x:",
    "x:61",
    "x:6162",
    "x:62",
    "x:29",
    "x:6e",
    "x:690100000000000000",
    "x:6b0b00000001000000616e",
};
static const char *const kNames[] = {"k:", "k:a", "k:ab", "k:b", "k:n"};

enum { kPool = 48, kPoolRounds = 60 };

static void append(call *it, const token *what) {
  assert_true(it->count < kMaxTokens);
  it->tokens[it->count++] = *what;
}

static void append_word(call *it, const char *word) {
  const token parsed = parse_token(word);
  append(it, &parsed);
}

static void append_value(call *it, uint64_t *random, int depth) {
  if (depth == 3 || test_random_below(random, 4) > 0) {
    append_word(it, kAtoms[test_random_below(random, COUNT_OF(kAtoms))]);
    return;
  }
  append_word(it, "(");
  for (uint64_t n = test_random_below(random, 3); n > 0; n--) append_value(it, random, depth + 1);
  append_word(it, ")");
}

static void append_names(call *it, uint64_t *random) {
  size_t order[COUNT_OF(kNames)];
  for (size_t i = 0; i < COUNT_OF(order); i++) order[i] = i;
  shuffle(order, COUNT_OF(order), random);
  for (size_t n = test_random_below(random, 4); n-- > 0;) {
    append_word(it, kNames[order[n]]);
    append_value(it, random, 0);
  }
}

static call random_call(uint64_t *random) {
  call it = {.count = 0};
  for (uint64_t n = test_random_below(random, 3); n > 0; n--) append_value(&it, random, 0);
  if (test_random_below(random, 2) == 0) append_names(&it, random);
  return it;
}

static token another_atom_like(const token *atom, uint64_t *random) {
  for (;;) {
    const token other = parse_token(kAtoms[test_random_below(random, COUNT_OF(kAtoms))]);
    if (is_number(&other) == is_number(atom)) return other;
  }
}

/* Returns the same call with its names in another order and, half of the time, one atom changed. */
static call random_variant(const call *from, uint64_t *random) {
  call it = {.count = 0};
  size_t names[COUNT_OF(kNames)];
  size_t count = 0;
  for (size_t i = 0; i < from->count; i++) {
    if (from->tokens[i].kind == 'k') names[count++] = i;
    if (count == 0) append(&it, &from->tokens[i]);
  }
  shuffle(names, count, random);
  for (size_t i = 0; i < count; i++) {
    const token *at = &from->tokens[names[i]];
    const token *const end = end_of_value(at + 1);
    for (; at < end; at++) append(&it, at);
  }
  if (it.count > 0 && test_random_below(random, 2) == 0) {
    token *changed = &it.tokens[test_random_below(random, it.count)];
    if (strchr("k()", changed->kind) == NULL) *changed = another_atom_like(changed, random);
  }
  return it;
}

static void print_call(const call *it) {
  for (size_t i = 0; i < it->count; i++) {
    const token *at = &it->tokens[i];
    print_error("%c", at->kind);
    if (is_number(at)) {
      char number[400];
      write_number(at, number);
      print_error(":%s", number);
    }
    for (size_t j = 0; j < at->size; j++)
      print_error("%s%02x", j == 0 ? ":" : "", at->text[j] & 0xff);
    print_error(" ");
  }
  print_error("\n");
}

KEY_TEST(random_calls_are_equal_bytes_if_and_only_if_equal) {
  static call calls[kPool];
  static ct_key *keys[2][kPool];
  for (int typed = 0; typed < 2; typed++)
    for (size_t i = 0; i < kPool; i++) {
      keys[typed][i] = ct_key_new(typed ? CT_KEY_TYPED : 0);
      assert_non_null(keys[typed][i]);
    }
  uint64_t random = test_seed();
  uint64_t seen[2] = {0, 0};
  for (int round = 0; round < kPoolRounds; round++) {
    for (size_t i = 0; i < kPool; i++) {
      const bool fresh = i == 0 || test_random_below(&random, 2) == 0;
      calls[i] = fresh ? random_call(&random)
                       : random_variant(&calls[test_random_below(&random, i)], &random);
      for (int typed = 0; typed < 2; typed++) {
        ct_key_reset(keys[typed][i]);
        add_call(keys[typed][i], &calls[i]);
        for (size_t j = 0; j < i; j++) {
          const bool expected = model_equal(&calls[i], &calls[j], typed);
          seen[expected]++;
          if (equal_bytes(bytes_of(keys[typed][i]), bytes_of(keys[typed][j])) == expected) continue;
          print_call(&calls[i]);
          print_call(&calls[j]);
          fail_msg("these are %s, typed %d", expected ? "equal" : "different", typed);
        }
      }
    }
  }
  assert_true(seen[false] > 1000);
  assert_true(seen[true] > 1000);
  for (int typed = 0; typed < 2; typed++)
    for (size_t i = 0; i < kPool; i++) ct_key_free(keys[typed][i]);
}
