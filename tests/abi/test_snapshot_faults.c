/* SPDX-License-Identifier: MIT */
/* Snapshots that are truncated, altered, or made to deceive; callbacks, disks and memory that
 * fail. test_faults has the allocations that fail one by one. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fixture.h"
#include "snapshots.h"

enum { kMiB = 1 << 20 };

/* ---- A cache that must stay as it is -------------------------------------------------------- */

typedef struct witness {
  fixture f;
  test_allocator allocator;
  ct_stats stats;
  int64_t bytes; /* held */
} witness;

static void witness_open(witness *w) {
  test_allocator_init(&w->allocator);
  ct_options options = fixture_options(&w->f, CT_POLICY_LRU, 1000);
  options.allocator = &w->allocator.hooks;
  fixture_open(&w->f, &options);
  set_text(w->f.cache, "a", "present");
  set_text(w->f.cache, "b", "too");
  w->stats = stats_of(w->f.cache);
  w->bytes = w->allocator.bytes;
}

/* Asserts that nothing was kept, reported or counted, and that no memory was taken. */
static void witness_check(witness *w) {
  assert_int_equal(2, ct_len(w->f.cache));
  assert_int_equal(w->bytes, w->allocator.bytes);
  assert_int_equal(0, w->f.told);
  assert_stats(&w->stats, w->f.cache, __LINE__);
}

static void witness_close(witness *w) {
  assert_text(w->f.cache, "a", "present");
  assert_text(w->f.cache, "b", "too");
  fixture_close(&w->f);
  assert_int_equal(0, w->allocator.blocks);
}

#define WITNESS_TEST(name) TEST_IN(witness, w, name, witness_open(w), witness_close(w))

static void assert_corrupt(witness *w, tape *t) {
  const ct_status status = load_tape(w->f.cache, t);
  if (status != CT_ERR_CORRUPT) fail_msg("%s of %zu bytes", ct_status_name(status), t->size);
  witness_check(w);
}

/* A snapshot of entries with all their fields, in more than one frame. */
static tape make_snapshot(size_t long_value) {
  fixture f;
  open_fixture(&f, .policy = CT_POLICY_LFU, .maxsize = 1000000, .tti = 500, .shards = 2, .seed = 1);
  set_text(f.cache, "a", "1");
  set_text_ttl(f.cache, "bb", "22", 30);
  set_text_weight(f.cache, "ccc", "", 5);
  set_text(f.cache, "", "no key");
  char *value = calloc(1, long_value + 1);
  assert_non_null(value);
  assert_status(CT_OK, ct_set(f.cache, "long", 4, value, long_value));
  free(value);
  tape t = {0};
  assert_status(CT_OK, save_tape(f.cache, &t));
  fixture_close(&f);
  return t;
}

/* ---- Truncated and altered ------------------------------------------------------------------ */

TEST(truncated_at_every_byte_is_corrupt) {
  static const size_t kLong[] = {0, 3000, 140000};
  uint64_t mutations = 0;
  for (size_t i = 0; i < 3; i++) {
    witness w;
    witness_open(&w);
    tape t = make_snapshot(kLong[i]);
    const size_t size = t.size;
    /* A long snapshot is cut all around the borders of its frames. */
    for (t.size = 0; t.size < size; t.size++) {
      const size_t in_frame = (t.size + kFrameHead) % (kFrameHead + kFrameContent);
      if (size > 10000 && in_frame > 300 && t.size % 97 != 0) continue;
      assert_corrupt(&w, &t);
      mutations++;
    }
    assert_status(CT_OK, load_tape(w.f.cache, &t));
    assert_int_equal(6, ct_len(w.f.cache)); /* a is in both */
    tape_free(&t);
    witness_close(&w);
  }
  printf("# %llu truncations refused\n", (unsigned long long)mutations);
  assert_true(mutations > 4000);
}

WITNESS_TEST(each_byte_altered_is_corrupt) {
  uint64_t mutations = 0;
  tape t = make_snapshot(200);
  for (size_t at = 0; at < t.size; at++) {
    const unsigned char right = t.bytes[at];
    for (unsigned wrong = 0; wrong < 256; wrong++) {
      if (wrong == right) continue;
      t.bytes[at] = (unsigned char)wrong;
      assert_corrupt(w, &t);
      mutations++;
    }
    t.bytes[at] = right;
  }
  tape_free(&t);
  t = make_snapshot(140000);
  for (size_t at = 0; at < t.size; at += at < 1000 ? 1 : 61) {
    t.bytes[at] ^= 0x10;
    assert_corrupt(w, &t);
    t.bytes[at] ^= 0x10;
    mutations++;
  }
  printf("# %llu altered bytes refused\n", (unsigned long long)mutations);
  assert_true(mutations > 100000);
  assert_status(CT_OK, load_tape(w->f.cache, &t));
  tape_free(&t);
}

/* Random bytes are removed, inserted, doubled and replaced. */
TEST(random_damage_is_corrupt) {
  uint64_t random = test_seed();
  witness w;
  witness_open(&w);
  const tape right = make_snapshot(70000);
  tape t = {0};
  uint64_t mutations = 0;
  while (mutations <= 1500) {
    t.size = 0;
    const size_t a = test_random_below(&random, right.size);
    const size_t b = test_random_below(&random, right.size);
    const size_t low = a < b ? a : b, high = a < b ? b : a;
    switch (test_random_below(&random, 4)) {
      case 0: /* a part is missing */
        tape_write(&t, right.bytes, low);
        tape_write(&t, right.bytes + high, right.size - high);
        break;
      case 1: /* a part is there twice */
        tape_write(&t, right.bytes, high);
        tape_write(&t, right.bytes + low, right.size - low);
        break;
      case 2: /* a part is zeros */
        tape_write(&t, right.bytes, right.size);
        memset(t.bytes + low, 0, high - low);
        break;
      default: /* noise instead of it */
        tape_write(&t, right.bytes, right.size);
        for (size_t j = low; j < high && j < low + 100; j++)
          t.bytes[j] = (unsigned char)test_random(&random);
    }
    /* Bytes behind the end are no part of the snapshot. */
    if (t.size >= right.size && memcmp(t.bytes, right.bytes, right.size) == 0) continue;
    assert_corrupt(&w, &t);
    mutations++;
  }
  printf("# %llu damaged snapshots refused\n", (unsigned long long)mutations);
  assert_true(mutations > 1500);
  tape_free(&t);
  t = right;
  tape_free(&t);
  witness_close(&w);
}

WITNESS_TEST(other_versions_are_corrupt) {
  tape t = make_snapshot(0);
  for (unsigned version = 0; version < 0x10000; version++) {
    if (version == 1) continue; /* version 1 is right; version 2 would have a date */
    t.bytes[6] = (unsigned char)version;
    t.bytes[7] = (unsigned char)(version >> 8);
    assert_corrupt(w, &t);
  }
  tape_free(&t);
}

/* ---- Wrong content under right checksums ---------------------------------------------------- */

static tape content_of(tape *snapshot) {
  tape content = {0};
  assert_true(get_frames(snapshot, &content));
  return content;
}

/* Loads content as a snapshot of that version, in frames whose checksums are right. */
static ct_status load_content_of(witness *w, const unsigned char prefix[kPrefix],
                                 const tape *content, size_t frame) {
  tape t = {0};
  put_frames(&t, prefix, content->bytes, content->size, frame);
  const ct_status status = load_tape(w->f.cache, &t);
  tape_free(&t);
  return status;
}

static ct_status load_content(witness *w, const tape *content, size_t frame) {
  return load_content_of(w, kSnapshotPrefix, content, frame);
}

static void put_head(tape *content, unsigned weighing, unsigned flags) {
  put_number(content, weighing, 1);
  put_number(content, flags, 1);
  put_number(content, 0, 2);
}

static void put_entry(tape *content, unsigned flags, uint64_t key_size, uint64_t value_size) {
  tape_write(content, "E", 1);
  put_number(content, flags, 1);
  put_number(content, key_size, 4);
  put_number(content, value_size, 4);
}

WITNESS_TEST(lengths_that_lie_are_corrupt_and_take_no_memory) {
  static const uint64_t kLies[] = {1,       5,          6,          1000,      65536,
                                   1 << 24, 0x7fffffff, 0xfffffffe, 0xffffffff};
  for (size_t i = 0; i < COUNT_OF(kLies); i++) {
    for (int of_key = 0; of_key < 2; of_key++) {
      tape content = {0};
      put_head(&content, CT_WEIGHT_COUNT, 0);
      put_entry(&content, 0, of_key ? kLies[i] : 0, of_key ? 0 : kLies[i]);
      if (kLies[i] > 5) tape_write(&content, "short", 5);
      w->allocator.peak = w->allocator.bytes;
      assert_status(CT_ERR_CORRUPT, load_content(w, &content, kFrameContent));
      assert_in_range(w->allocator.peak, 0, w->bytes + kMiB / 4);
      witness_check(w);
      tape_free(&content);
    }
  }
  /* Lengths of frames that lie. */
  for (uint64_t size = 0; size <= 0xffffffff; size += 0x00ffff10) {
    tape t = {0};
    tape_write(&t, kSnapshotPrefix, kPrefix);
    put_number(&t, size, 4);
    put_number(&t, 0, 8);
    w->allocator.peak = w->allocator.bytes;
    assert_corrupt(w, &t);
    assert_in_range(w->allocator.peak, 0, w->bytes + kMiB / 4);
    tape_free(&t);
  }
}

/* Memory grows with what was read, however long the snapshot claims to be. */
WITNESS_TEST(memory_follows_what_is_read) {
  for (size_t there = 1; there < 64 * kMiB; there *= 8) {
    tape content = {0};
    put_head(&content, CT_WEIGHT_COUNT, 0);
    put_entry(&content, 0, 0, 0xffffffff);
    char *zeros = calloc(1, there);
    assert_non_null(zeros);
    tape_write(&content, zeros, there);
    free(zeros);
    w->allocator.peak = w->allocator.bytes;
    assert_status(CT_ERR_CORRUPT, load_content(w, &content, kFrameContent));
    assert_in_range(w->allocator.peak - w->bytes, 0, 4 * there + kMiB / 4);
    witness_check(w);
    tape_free(&content);
  }
}

/* Wrong content of a snapshot, and the prefix that it stands behind. */
typedef struct wrong_content {
  const char *what;
  const unsigned char *prefix;
  const char *content;
  size_t size;
} wrong_content;

#define PLAIN(what, content) \
  { what, kSnapshotPrefix, content, sizeof(content) - 1 }
#define DATED(what, content) \
  { what, kDatedPrefix, content, sizeof(content) - 1 }
#define TAGGED(what, content) \
  { what, kTaggedPrefix, content, sizeof(content) - 1 }

/* Tries the content in frames of several sizes. */
static void assert_content_is_corrupt(witness *w, const wrong_content *wrong) {
  tape content = {0};
  if (wrong->size > 0) tape_write(&content, wrong->content, wrong->size);
  for (size_t frame = 1; frame < 40; frame += 19) {
    const ct_status status = load_content_of(w, wrong->prefix, &content, frame);
    if (status != CT_ERR_CORRUPT) fail_msg("%s: %s", wrong->what, ct_status_name(status));
    witness_check(w);
  }
  tape_free(&content);
}

WITNESS_TEST(content_that_means_nothing_is_corrupt) {
  static const wrong_content kWrong[] = {
      PLAIN("nothing", ""),
      PLAIN("half a head", "\0\0"),
      PLAIN("a head alone", "\0\0\0\0"),
      PLAIN("an unknown weighing", "\4\0\0\0Z"),
      PLAIN("an unknown flag", "\0\2\0\0Z"),
      PLAIN("a reserved byte", "\0\0\1\0Z"),
      PLAIN("another one", "\0\0\0\1Z"),
      PLAIN("an unknown part", "\0\0\0\0YZ"),
      PLAIN("no end", "\0\0\0\0S"),
      PLAIN("a rank before its shard", "\0\0\0\0R\0abcdefghZ"),
      PLAIN("a rank that is too high", "\0\0\0\0SR\5abcdefghZ"),
      PLAIN("a rank cut short", "\0\0\0\0SR\0abcdZ"),
      PLAIN("a shard behind an entry", "\0\0\0\0E\0\1\0\0\0\0\0\0\0kSZ"),
      PLAIN("a rank behind an entry", "\0\0\0\0SE\0\1\0\0\0\0\0\0\0kR\0abcdefghZ"),
      PLAIN("an unknown flag of an entry", "\0\0\0\0E\10\1\0\0\0\0\0\0\0kZ"),
      PLAIN("a weight where memory is weighed", "\2\0\0\0E\1\1\0\0\0\0\0\0\0abcdefghkZ"),
      PLAIN("a lifetime of 0", "\0\0\0\0E\2\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0kZ"),
      PLAIN("an idle time of 0", "\0\0\0\0E\4\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0kZ"),
      PLAIN("a count beyond all counting", "\0\1\0\0E\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\200kZ"),
      PLAIN("an entry without its lengths", "\0\0\0\0E\0\0\0"),
  };
  for (size_t i = 0; i < COUNT_OF(kWrong); i++) assert_content_is_corrupt(w, &kWrong[i]);
  /* If the second end had a frame of its own, it would belong to what follows the snapshot. */
  tape content = {0};
  tape_write(&content, "\0\0\0\0ZZ", 6);
  assert_status(CT_ERR_CORRUPT, load_content(w, &content, kFrameContent));
  tape_free(&content);
}

/* Both version and flag say whether there is a date, as only the flag is under a checksum. */
WITNESS_TEST(head_whose_date_is_not_there_or_too_much_is_corrupt) {
  static const wrong_content kWrong[] = {
      PLAIN("a flag of the other version", "\0\2\0\0Z"),
      PLAIN("a date of the other version", "\0\2\0\0abcdefghZ"),
      DATED("no flag", "\0\0\0\0Z"),
      DATED("another flag", "\0\1\0\0abcdefghZ"),
      DATED("a date without its flag", "\0\0\0\0abcdefghZ"),
      DATED("a flag alone", "\0\2\0\0"),
      DATED("a flag without its date", "\0\2\0\0Z"),
      DATED("a date cut short", "\0\2\0\0abcdefg"),
      DATED("a date alone", "\0\2\0\0abcdefgh"),
      DATED("two dates", "\0\2\0\0abcdefghabcdefghZ"),
      DATED("an unknown flag beside it", "\0\6\0\0abcdefghZ"),
      DATED("an unknown weighing", "\4\2\0\0abcdefghZ"),
      DATED("a reserved byte", "\0\2\1\0abcdefghZ"),
  };
  for (size_t i = 0; i < COUNT_OF(kWrong); i++) assert_content_is_corrupt(w, &kWrong[i]);
  tape content = {0};
  tape_write(&content, "\0\2\0\0abcdefghZ", 13);
  assert_status(CT_OK, load_content_of(w, kDatedPrefix, &content, kFrameContent));
  tape_free(&content);
}

/* For tags, it is the same. */
WITNESS_TEST(tags_that_are_not_there_or_too_many_are_corrupt) {
  static const wrong_content kWrong[] = {
      TAGGED("no flag", "\0\0\0\0Z"),
      TAGGED("another flag", "\0\2\0\0abcdefghZ"),
      TAGGED("an unknown flag", "\0\14\0\0Z"),
      PLAIN("the flag in another version", "\0\4\0\0Z"),
      DATED("the flag in another version", "\0\6\0\0abcdefghZ"),
      TAGGED("no date", "\0\6\0\0Z"),
      TAGGED("no tags", "\0\4\0\0E\10\1\0\0\0\0\0\0\0\0kZ"),
      TAGGED("tags without their flag", "\0\4\0\0E\0\1\0\0\0\0\0\0\0\1k\1\0\0\0tZ"),
      TAGGED("a flag without tags", "\0\4\0\0E\10\1\0\0\0\0\0\0\0kZ"),
      TAGGED("an unknown flag of an entry", "\0\4\0\0E\20\1\0\0\0\0\0\0\0kZ"),
      TAGGED("a tag too few", "\0\4\0\0E\10\1\0\0\0\0\0\0\0\2k\1\0\0\0tZ"),
      TAGGED("a tag too many", "\0\4\0\0E\10\1\0\0\0\0\0\0\0\1k\1\0\0\0t\1\0\0\0uZ"),
      TAGGED("a size that lies", "\0\4\0\0E\10\1\0\0\0\0\0\0\0\1k\7\0\0\0tZ"),
      TAGGED("a size beyond all sizes", "\0\4\0\0E\10\1\0\0\0\0\0\0\0\1k\377\377\377\377tZ"),
      TAGGED("a tag cut short", "\0\4\0\0E\10\1\0\0\0\0\0\0\0\1k\2\0\0\0t"),
      TAGGED("nine tags",
             "\0\4\0\0E\10\1\0\0\0\0\0\0\0\11k\0\0\0\0\0\0\0\0\0\0\0\0"
             "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0Z"),
  };
  for (size_t i = 0; i < COUNT_OF(kWrong); i++) assert_content_is_corrupt(w, &kWrong[i]);
}

/* Tags of no bytes, and the same one twice. */
TEST(strange_tags_do_no_harm) {
  static const char kContent[] =
      "\0\4\0\0E\10\1\0\0\0\0\0\0\0\4k\0\0\0\0\1\0\0\0t\1\0\0\0t\0\0\0\0Z";
  witness w;
  witness_open(&w);
  tape content = {0};
  tape_write(&content, kContent, sizeof(kContent) - 1);
  assert_status(CT_OK, load_content_of(&w, kTaggedPrefix, &content, kFrameContent));
  tape_free(&content);
  assert_true(ct_contains(w.f.cache, "k", 1));
  assert_status(CT_OK, ct_invalidate_tag(w.f.cache, "t", 1, 0));
  assert_false(ct_contains(w.f.cache, "k", 1));
  witness_close(&w);
}

TEST(any_frames_will_do_if_they_are_right) {
  tape t = make_snapshot(3000), content = content_of(&t);
  for (size_t frame = 1; frame < 4000; frame += 1 + frame / 3) {
    witness w;
    witness_open(&w);
    assert_status(CT_OK, load_content(&w, &content, frame));
    assert_int_equal(6, ct_len(w.f.cache));
    witness_close(&w);
  }
  tape_free(&t);
  tape_free(&content);
}

/* A key that is there twice, ranks of absent keys, and weights and times at the end of their
 * range. */
TEST(strange_content_does_no_harm) {
  tape content = {0};
  put_head(&content, CT_WEIGHT_COUNT, 1);
  for (int i = 0; i < 3; i++) {
    tape_write(&content, "S", 1);
    for (uint64_t j = 0; j < 40; j++) {
      tape_write(&content, "R", 1);
      put_number(&content, j % 5, 1);
      put_number(&content, j % 3, 8);
    }
  }
  for (int i = 0; i < 4; i++) {
    put_entry(&content, 7, 3, 0);
    put_number(&content, i == 0 ? 0 : INT64_MAX, 8);
    put_number(&content, i == 3 ? 1 : UINT64_MAX, 8);
    put_number(&content, UINT64_MAX, 8);
    put_number(&content, UINT64_MAX - 1, 8);
    tape_write(&content, i < 2 ? "one" : "two", 3);
  }
  tape_write(&content, "Z", 1);
  for (ct_policy policy = CT_POLICY_LRU; policy <= CT_POLICY_ADAPTIVE; policy++) {
    if (policy == CT_POLICY_TTL || policy == CT_POLICY_TLRU) continue;
    for (int unbounded = 0; unbounded < 2; unbounded++) {
      witness w = {0};
      ct_options options =
          fixture_options(&w.f, policy, unbounded ? CT_UNBOUNDED : UINT64_C(1) << 63);
      options.tti = CT_NEVER;
      fixture_open(&w.f, &options);
      set_now(&w.f, 12345);
      assert_status(CT_OK, load_content(&w, &content, 50));
      /* Two entries of the greatest weight do not fit side by side. */
      assert_int_equal(1, ct_len(w.f.cache));
      for (uint64_t i = 0; i < 20; i++) use_text(w.f.cache, i % 2 ? "one" : "two");
      set_text(w.f.cache, "three", "3");
      assert_true(ct_currsize(w.f.cache) <= ct_maxsize(w.f.cache));
      assert_status(CT_OK, ct_clear(w.f.cache));
      assert_int_equal(0, ct_currsize(w.f.cache));
      fixture_close(&w.f);
    }
  }
  tape_free(&content);
}

/* ---- Callbacks that fail -------------------------------------------------------------------- */

static const struct {
  ct_status answered, status;
} kAnswers[] = {
    {CT_ERR_IO, CT_ERR_IO},
    {CT_ERR_NOMEM, CT_ERR_NOMEM},
    {(ct_status)1000, (ct_status)1000},
    {(ct_status)-4711, (ct_status)-4711},
    {CT_MISS, CT_ERR_CALLBACK},
    {CT_END, CT_ERR_CALLBACK},
    {(ct_status)999, CT_ERR_CALLBACK},
    {(ct_status)-77, CT_ERR_CALLBACK},
};
enum { kAnswerCount = COUNT_OF(kAnswers) };

TEST(write_that_fails_ends_the_save) {
  tape whole = make_snapshot(200000);
  witness w;
  witness_open(&w);
  assert_status(CT_OK, load_tape(w.f.cache, &whole));
  const int64_t bytes = w.allocator.bytes;
  whole.size = whole.calls = 0;
  assert_status(CT_OK, save_tape(w.f.cache, &whole));
  assert_true(whole.calls > 3);
  for (size_t fail_at = 0; fail_at < whole.size; fail_at += 20000) {
    for (int i = 0; i < kAnswerCount; i++) {
      tape t = {.fail_at = fail_at, .fail_with = kAnswers[i].answered};
      assert_int_equal(kAnswers[i].status, ct_snapshot_save(w.f.cache, tape_write, &t));
      const unsigned calls = t.calls;
      assert_true(calls <= whole.calls);
      /* What was written is the beginning of the snapshot, and nothing follows the failure. */
      assert_true(t.size <= fail_at);
      if (t.size > 0) assert_memory_equal(whole.bytes, t.bytes, t.size);
      assert_int_equal(bytes, w.allocator.bytes);
      tape_free(&t);
    }
  }
  tape_free(&whole);
  witness_close(&w);
}

WITNESS_TEST(read_that_fails_leaves_the_cache_as_it_was) {
  tape t = make_snapshot(700);
  for (t.fail_at = 0; t.fail_at < t.size; t.fail_at++) {
    for (int i = 0; i < kAnswerCount; i++) {
      t.fail_with = kAnswers[i].answered;
      assert_int_equal(kAnswers[i].status, load_tape(w->f.cache, &t));
      witness_check(w);
    }
  }
  /* Bytes behind the end are never read, so their failure does not matter. */
  assert_status(CT_OK, load_tape(w->f.cache, &t));
  tape_free(&t);
}

static ct_status read_too_much(void *user_data, void *buffer, size_t capacity, size_t *got) {
  (void)user_data;
  memset(buffer, 0, capacity);
  *got = capacity + 1;
  return CT_OK;
}

static ct_status read_nothing(void *user_data, void *buffer, size_t capacity, size_t *got) {
  (void)user_data, (void)buffer, (void)capacity;
  return *got == 0 ? CT_OK : (ct_status)5000;
}

WITNESS_TEST(read_that_breaks_its_contract_is_told) {
  assert_status(CT_ERR_CALLBACK, ct_snapshot_load(w->f.cache, read_too_much, NULL));
  witness_check(w);
  assert_status(CT_ERR_CORRUPT, ct_snapshot_load(w->f.cache, read_nothing, NULL));
  witness_check(w);
}

TEST(two_snapshots_may_follow_each_other) {
  ct_cache *one = ct_cache_new(CT_POLICY_LRU, 10), *other = ct_cache_new(CT_POLICY_LRU, 10);
  set_text(one, "a", "1");
  set_text(other, "b", "2");
  tape t = {0};
  assert_status(CT_OK, ct_snapshot_save(one, tape_write, &t));
  assert_status(CT_OK, ct_snapshot_save(other, tape_write, &t));
  ct_cache_free(one);
  ct_cache_free(other);
  one = ct_cache_new(CT_POLICY_LRU, 10);
  assert_status(CT_OK, ct_snapshot_load(one, tape_read, &t));
  assert_int_equal(1, ct_len(one));
  assert_status(CT_OK, ct_snapshot_load(one, tape_read, &t));
  assert_text(one, "a", "1");
  assert_text(one, "b", "2");
  assert_status(CT_ERR_CORRUPT, ct_snapshot_load(one, tape_read, &t));
  ct_cache_free(one);
  tape_free(&t);
}

TEST(arguments_that_are_not_allowed) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 10);
  tape t = {0};
  assert_status(CT_ERR_INVALID, ct_snapshot_save(NULL, tape_write, &t));
  assert_status(CT_ERR_INVALID, ct_snapshot_save(cache, NULL, &t));
  assert_status(CT_ERR_INVALID, ct_snapshot_load(NULL, tape_read, &t));
  assert_status(CT_ERR_INVALID, ct_snapshot_load(cache, NULL, &t));
  assert_status(CT_ERR_INVALID, ct_snapshot_save_file(NULL, "x"));
  assert_status(CT_ERR_INVALID, ct_snapshot_save_file(cache, NULL));
  assert_status(CT_ERR_INVALID, ct_snapshot_load_file(NULL, "x"));
  assert_status(CT_ERR_INVALID, ct_snapshot_load_file(cache, NULL));
  assert_int_equal(0, t.calls);
  ct_cache_free(cache);
}

/* ---- Callbacks that call back --------------------------------------------------------------- */

typedef struct meddler {
  ct_cache *cache;
  uint64_t random;
  tape t;
  unsigned calls;
} meddler;

static ct_status meddle(void *user_data, const void *data, size_t size) {
  meddler *m = user_data;
  m->calls++;
  for (int i = 0; i < 200; i++) {
    const uint64_t key = test_random_below(&m->random, 4000);
    const uint64_t values[2] = {key, ~key};
    if (i % 3 == 0)
      ct_delete(m->cache, &key, sizeof key);
    else if (i % 3 == 1)
      ct_set(m->cache, &key, sizeof key, values, sizeof values);
    else
      ct_get(m->cache, &key, sizeof key, NULL);
  }
  if (m->calls % 2 == 0) {
    tape nested = {0};
    save_tape(m->cache, &nested);
    load_tape(m->cache, &nested);
    tape_free(&nested);
  }
  if (m->calls % 5 == 0) ct_clear(m->cache);
  if (m->calls % 7 == 0) ct_resize(m->cache, 1000 + test_random_below(&m->random, 3000));
  return tape_write(&m->t, data, size);
}

TEST(write_may_change_the_cache_that_is_saved) {
  meddler m = {.random = test_seed()};
  for (ct_policy policy = CT_POLICY_LRU; policy <= CT_POLICY_ADAPTIVE; policy++) {
    if (policy == CT_POLICY_TTL || policy == CT_POLICY_TLRU) continue;
    m.cache = ct_cache_new(policy, 3000);
    m.t.size = m.t.at = m.calls = 0;
    for (uint64_t key = 0; key < 3000; key++) {
      const uint64_t values[60] = {key, ~key};
      ct_set(m.cache, &key, sizeof key, values, sizeof values);
    }
    assert_status(CT_OK, ct_snapshot_save(m.cache, meddle, &m));
    assert_true(m.calls > 5);
    ct_cache *to = ct_cache_new(policy, CT_UNBOUNDED);
    assert_status(CT_OK, load_tape(to, &m.t));
    assert_true(ct_len(to) > 0);
    ct_iter *iter;
    assert_status(CT_OK, ct_iter_new(to, CT_ORDER_ANY, &iter));
    for (ct_bytes key, value; ct_iter_next(iter, &key, &value) == CT_OK;) {
      uint64_t number, values[2];
      memcpy(&number, key.data, sizeof number);
      memcpy(values, value.data, sizeof values);
      assert_true(values[0] == number && values[1] == ~number);
    }
    ct_iter_free(iter);
    ct_cache_free(to);
    ct_cache_free(m.cache);
  }
  tape_free(&m.t);
}

/* Uses keys all over the order, again and again. The save comes to an end all the same, and most
 * of the order is right. */
static ct_status read_all_keys(void *user_data, const void *data, size_t size) {
  meddler *m = user_data;
  for (uint64_t key = 0; key < 20000; key++)
    if (key % 100 < 2) ct_get(m->cache, &key, sizeof key, NULL);
  return tape_write(&m->t, data, size);
}

TEST(order_survives_uses_while_it_is_saved) {
  static const ct_policy kPolicies[] = {CT_POLICY_LRU, CT_POLICY_MRU, CT_POLICY_LFU, CT_POLICY_ARC,
                                        CT_POLICY_WTINYLFU};
  for (size_t i = 0; i < COUNT_OF(kPolicies); i++) {
    meddler m = {.cache = ct_cache_new(kPolicies[i], 20000)};
    for (uint64_t key = 0; key < 20000; key++) set_number(m.cache, key, &key, sizeof key);
    assert_status(CT_OK, ct_snapshot_save(m.cache, read_all_keys, &m));
    ct_cache *to = ct_cache_new(CT_POLICY_LRU, 20000);
    assert_status(CT_OK, load_tape(to, &m.t));
    assert_int_equal(20000, ct_len(to));
    /* Keys that nobody read keep their order. */
    ct_iter *iter;
    assert_status(
        CT_OK, ct_iter_new(to, kPolicies[i] == CT_POLICY_MRU ? CT_ORDER_HOTTEST : CT_ORDER_COLDEST,
                           &iter));
    uint64_t last = 0, swaps = 0;
    for (ct_bytes key, value; ct_iter_next(iter, &key, &value) == CT_OK;) {
      uint64_t number;
      memcpy(&number, key.data, sizeof number);
      if (number % 100 < 2) continue;
      swaps += number < last;
      last = number;
    }
    ct_iter_free(iter);
    if (swaps > 200) fail_msg("%s: %d swaps", ct_policy_name(kPolicies[i]), (int)swaps);
    ct_cache_free(to);
    ct_cache_free(m.cache);
    tape_free(&m.t);
  }
}

/* ---- Memory --------------------------------------------------------------------------------- */

static ct_status write_nowhere(void *user_data, const void *data, size_t size) {
  (void)data;
  *(uint64_t *)user_data += size;
  return CT_OK;
}

TEST(saving_needs_less_than_a_mebibyte) {
  static const ct_policy kPolicies[] = {CT_POLICY_LRU, CT_POLICY_LFU, CT_POLICY_RR, CT_POLICY_SIEVE,
                                        CT_POLICY_ARC};
  for (size_t i = 0; i < COUNT_OF(kPolicies); i++) {
    const ct_policy policy = kPolicies[i];
    test_allocator allocator;
    test_allocator_init(&allocator);
    ct_cache *cache =
        cache_of(.policy = policy, .maxsize = CT_UNBOUNDED,
                 .shards = policy == CT_POLICY_LRU ? 16 : 1, .allocator = &allocator.hooks);
    for (uint64_t key = 0; key < 200000; key++) set_number(cache, key, &key, sizeof key);
    char *large = calloc(8, kMiB);
    assert_non_null(large);
    set_number(cache, 0, large, (size_t)8 * kMiB);
    free(large);
    const int64_t before = allocator.bytes;
    allocator.peak = before;
    uint64_t written = 0;
    assert_status(CT_OK, ct_snapshot_save(cache, write_nowhere, &written));
    assert_true(written > 8 * kMiB);
    assert_int_equal(before, allocator.bytes);
    assert_in_range(allocator.peak - before, 1, kMiB);
    ct_cache_free(cache);
  }
}

/* ---- Files ---------------------------------------------------------------------------------- */

typedef struct folder {
  char path[64];
  char file[80];
} folder;

static folder make_folder(void) {
  folder it = {"/tmp/cachetools-XXXXXX", ""};
  assert_non_null(mkdtemp(it.path));
  snprintf(it.file, sizeof it.file, "%s/snapshot", it.path);
  return it;
}

static int count_files(const folder *it) {
  DIR *dir = opendir(it->path);
  assert_non_null(dir);
  int count = -2; /* the folder and its parent */
  while (readdir(dir) != NULL) count++;
  closedir(dir);
  return count;
}

static void remove_folder(const folder *it) {
  unlink(it->file);
  assert_int_equal(0, count_files(it));
  assert_int_equal(0, rmdir(it->path));
}

#define FOLDER_TEST(name) TEST_IN(folder, it, name, *it = make_folder(), remove_folder(it))

static void assert_file_has(const folder *it, uint64_t entries) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, CT_UNBOUNDED);
  assert_status(CT_OK, ct_snapshot_load_file(cache, it->file));
  assert_int_equal(entries, ct_len(cache));
  ct_cache_free(cache);
}

static ct_cache *numbered_cache(uint64_t entries) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, CT_UNBOUNDED);
  for (uint64_t key = 0; key < entries; key++) set_number(cache, key, &key, sizeof key);
  return cache;
}

FOLDER_TEST(file_holds_what_is_written) {
  ct_cache *cache = numbered_cache(3000);
  assert_status(CT_OK, ct_snapshot_save_file(cache, it->file));
  assert_int_equal(1, count_files(it));
  assert_file_has(it, 3000);
  /* Only the owner may read and write it, whatever the umask. */
  struct stat info;
  assert_int_equal(0, stat(it->file, &info));
  assert_int_equal(0600, info.st_mode & 07777);
  /* The file holds the same bytes that a callback gets. */
  tape t = {0};
  assert_status(CT_OK, save_tape(cache, &t));
  assert_int_equal(t.size, info.st_size);
  tape_free(&t);
  /* A new file takes the place of the old one. */
  for (uint64_t key = 0; key < 10; key++) ct_delete(cache, &key, sizeof key);
  assert_status(CT_OK, ct_snapshot_save_file(cache, it->file));
  assert_int_equal(1, count_files(it));
  assert_file_has(it, 2990);
  ct_cache_free(cache);
}

FOLDER_TEST(path_may_be_relative) {
  char before[4096];
  assert_non_null(getcwd(before, sizeof before));
  assert_int_equal(0, chdir(it->path));
  ct_cache *cache = numbered_cache(3);
  assert_status(CT_OK, ct_snapshot_save_file(cache, "snapshot"));
  assert_status(CT_OK, ct_snapshot_save_file(cache, "./snapshot"));
  assert_status(CT_OK, ct_snapshot_load_file(cache, "snapshot"));
  assert_int_equal(0, chdir(before));
  assert_file_has(it, 3);
  ct_cache_free(cache);
}

FOLDER_TEST(file_that_cannot_be_read_or_written_is_an_io_error) {
  ct_cache *cache = numbered_cache(3);
  assert_status(CT_ERR_IO, ct_snapshot_load_file(cache, it->file));
  assert_status(CT_ERR_IO, ct_snapshot_load_file(cache, it->path));
  assert_status(CT_ERR_IO, ct_snapshot_load_file(cache, ""));
  assert_status(CT_ERR_IO, ct_snapshot_save_file(cache, ""));
  assert_status(CT_ERR_IO, ct_snapshot_save_file(cache, "/"));
  char path[100];
  snprintf(path, sizeof path, "%s/none/snapshot", it->path);
  assert_status(CT_ERR_IO, ct_snapshot_save_file(cache, path));
  /* A folder of that name is in the way. */
  assert_int_equal(0, mkdir(it->file, 0700));
  assert_status(CT_ERR_IO, ct_snapshot_save_file(cache, it->file));
  assert_int_equal(1, count_files(it));
  assert_int_equal(0, rmdir(it->file));
  assert_int_equal(3, ct_len(cache));
  ct_cache_free(cache);
}

/* What is no regular file is not replaced: /dev/null would be lost for everybody. */
FOLDER_TEST(what_is_no_file_is_not_replaced) {
  ct_cache *cache = numbered_cache(3);
  struct stat info;

  assert_int_equal(0, mkfifo(it->file, 0600));
  assert_status(CT_ERR_IO, ct_snapshot_save_file(cache, it->file));
  assert_int_equal(0, lstat(it->file, &info));
  assert_true(S_ISFIFO(info.st_mode));
  assert_int_equal(1, count_files(it));
  assert_int_equal(0, unlink(it->file));

  const int number = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strcpy(address.sun_path, it->file);
  assert_int_equal(0, bind(number, (struct sockaddr *)&address, sizeof address));
  assert_status(CT_ERR_IO, ct_snapshot_save_file(cache, it->file));
  assert_int_equal(0, lstat(it->file, &info));
  assert_true(S_ISSOCK(info.st_mode));
  assert_int_equal(1, count_files(it));
  close(number);
  assert_int_equal(0, unlink(it->file));

  /* A link to what is no regular file: /dev/stdout is such a link. */
  assert_int_equal(0, symlink("/dev/null", it->file));
  assert_status(CT_ERR_IO, ct_snapshot_save_file(cache, it->file));
  assert_int_equal(0, lstat(it->file, &info));
  assert_true(S_ISLNK(info.st_mode));
  assert_int_equal(1, count_files(it));
  assert_int_equal(0, unlink(it->file));

  /* A link to a file, or to nothing, is replaced. What it leads to stays as it was. */
  static const char *const targets[] = {"/etc/passwd", "/nowhere/at/all"};
  for (size_t i = 0; i < COUNT_OF(targets); i++) {
    assert_int_equal(0, symlink(targets[i], it->file));
    assert_status(CT_OK, ct_snapshot_save_file(cache, it->file));
    assert_int_equal(0, lstat(it->file, &info));
    assert_true(S_ISREG(info.st_mode));
    assert_int_equal(1, count_files(it));
    assert_int_equal(0, unlink(it->file));
  }
  ct_cache_free(cache);
}

FOLDER_TEST(altered_file_is_corrupt) {
  ct_cache *cache = numbered_cache(50);
  assert_status(CT_OK, ct_snapshot_save_file(cache, it->file));
  ct_cache_free(cache);
  witness w;
  witness_open(&w);
  FILE *file = fopen(it->file, "ab");
  assert_non_null(file);
  fputc(0, file);
  fclose(file);
  assert_status(CT_ERR_CORRUPT, ct_snapshot_load_file(w.f.cache, it->file)); /* one byte more */
  witness_check(&w);
  struct stat info;
  assert_int_equal(0, stat(it->file, &info));
  for (off_t size = info.st_size - 2; size >= 0; size -= 7) {
    assert_int_equal(0, truncate(it->file, size));
    assert_status(CT_ERR_CORRUPT, ct_snapshot_load_file(w.f.cache, it->file));
    witness_check(&w);
  }
  witness_close(&w);
}

FOLDER_TEST(full_disk_leaves_the_old_file) {
  ct_cache *small = numbered_cache(5);
  assert_status(CT_OK, ct_snapshot_save_file(small, it->file));
  ct_cache_free(small);
  ct_cache *large = numbered_cache(20000);

  /* A limit on the size of files acts as a full disk does, if its signal is ignored. */
  void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
  struct rlimit old;
  assert_int_equal(0, getrlimit(RLIMIT_FSIZE, &old));
  for (rlim_t size = 0; size < 600000; size += 50001) {
    const struct rlimit limit = {size, old.rlim_max};
    assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &limit));
    const ct_status status = ct_snapshot_save_file(large, it->file);
    assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &old));
    assert_status(CT_ERR_IO, status);
    assert_int_equal(1, count_files(it));
    assert_file_has(it, 5);
  }
  signal(SIGXFSZ, before);
  assert_status(CT_OK, ct_snapshot_save_file(large, it->file));
  assert_file_has(it, 20000);
  ct_cache_free(large);
}

FOLDER_TEST(files_are_closed_again) {
  ct_cache *cache = numbered_cache(5);
  const int lowest = open("/", O_RDONLY);
  close(lowest);
  assert_status(CT_OK, ct_snapshot_save_file(cache, it->file));
  assert_status(CT_OK, ct_snapshot_load_file(cache, it->file));
  assert_int_equal(0, truncate(it->file, 20));
  assert_status(CT_ERR_CORRUPT, ct_snapshot_load_file(cache, it->file));
  assert_status(CT_ERR_IO, ct_snapshot_load_file(cache, it->path));
  assert_status(CT_ERR_IO, ct_snapshot_save_file(cache, "/"));
  const int now = open("/", O_RDONLY);
  close(now);
  assert_int_equal(lowest, now);
  ct_cache_free(cache);
}
