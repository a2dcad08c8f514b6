/* SPDX-License-Identifier: MIT */
/* Replays the operations of data/golden, whose README.md describes their format, and compares
 * every answer. CT_TEST_DATA names the data directory. Each file runs several times: the answers
 * must be the same with and without locks, and however weights, lifetimes and values are passed. */
#include <glob.h>

#include "support.h"

enum { kFilesPerPolicy = 12, kMaxEntries = 64, kMaxText = 32 };

/* ---- Settings and ways to replay ------------------------------------------------------------ */

/* The first line of a file. */
typedef struct settings {
  ct_policy policy;
  uint64_t maxsize;
  uint64_t ttl;
  uint64_t choice_seed;
  bool weigh_w;
} settings;

typedef struct way {
  const char *name;
  uint32_t flags;
  bool as_lru;        /* TTL and TLRU are LRU with lifetimes */
  bool weigher;       /* asked even where every entry weighs 1 */
  bool entry_options; /* set gives weight and lifetime itself */
  bool batches;       /* get and set go through the calls for many */
} way;

static const way kWays[] = {
    {.name = "plain"},
    {.name = "single-threaded", .flags = CT_FLAG_SINGLE_THREADED},
    {.name = "LRU with lifetimes, weights by weigher", .as_lru = true, .weigher = true},
    {.name = "weights and lifetimes by entry options", .entry_options = true},
    {.name = "batches, single-threaded", .flags = CT_FLAG_SINGLE_THREADED, .batches = true},
};

typedef struct replay {
  const way *way;
  settings settings;
  ct_cache *cache;
  uint64_t now;
  uint64_t choice;
} replay;

/* ---- Callbacks ------------------------------------------------------------------------------ */

/* The number after a letter in a value: 3 for 'w' in v12w3. */
static uint64_t number_after(char letter, const void *value, size_t value_size,
                             uint64_t otherwise) {
  const char *found = memchr(value, letter, value_size);
  if (found == NULL) return otherwise;
  uint64_t number = 0;
  for (const char *digit = found + 1; digit < (const char *)value + value_size; digit++) {
    if (*digit < '0' || *digit > '9') break;
    number = number * 10 + (uint64_t)(*digit - '0');
  }
  return number;
}

static uint64_t read_time(void *user_data) {
  return ((replay *)user_data)->now;
}

static uint64_t weigh(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size) {
  (void)user_data, (void)key, (void)key_size;
  return number_after('w', value, value_size, 1);
}

static uint64_t time_to_use(void *user_data, const void *key, size_t key_size, const void *value,
                            size_t value_size, uint64_t now) {
  (void)user_data, (void)key, (void)key_size;
  return now + number_after('t', value, value_size, 0);
}

static uint64_t choose(void *user_data, uint64_t count) {
  replay *run = user_data;
  run->choice = run->choice * 6364136223846793005u + 1442695040888963407u;
  return (run->choice >> 33) % count;
}

/* ---- Lists of entries as text --------------------------------------------------------------- */

typedef struct text_entry {
  char key[kMaxText];
  char value[kMaxText];
} text_entry;

typedef struct text_list {
  text_entry entries[kMaxEntries];
  size_t count;
} text_list;

static void take_text(char *to, ct_bytes bytes) {
  assert_true(bytes.size < kMaxText);
  memcpy(to, bytes.data, bytes.size);
  to[bytes.size] = '\0';
}

static void take_entry(text_list *list, ct_bytes key, ct_bytes value) {
  assert_true(list->count < kMaxEntries);
  text_entry *entry = &list->entries[list->count++];
  take_text(entry->key, key);
  take_text(entry->value, value);
}

static void take_event(void *list, const ct_event *event) {
  take_entry(list, event->key, event->value);
}

static int by_key(const void *a, const void *b) {
  return strcmp(((const text_entry *)a)->key, ((const text_entry *)b)->key);
}

static void write_list(text_list *list, bool with_values, char *answer) {
  qsort(list->entries, list->count, sizeof list->entries[0], by_key);
  if (list->count == 0) strcpy(answer, "-");
  for (size_t i = 0; i < list->count; i++) {
    answer += sprintf(answer, "%s%s", i == 0 ? "" : " ", list->entries[i].key);
    if (with_values) answer += sprintf(answer, ":%s", list->entries[i].value);
  }
}

/* ---- Operations ----------------------------------------------------------------------------- */

static void write_status(char *answer, ct_status status) {
  switch (status) {
    case CT_OK:
      strcpy(answer, "OK");
      return;
    case CT_MISS:
      strcpy(answer, "MISS");
      return;
    case CT_NOT_STORED:
      strcpy(answer, "NOT_STORED");
      return;
    case CT_ERR_TOO_LARGE:
      strcpy(answer, "TOO_LARGE");
      return;
    default:
      strcpy(answer, ct_status_name(status));
  }
}

/* Writes the value if the status brings one, otherwise the status. Releases the value. */
static void write_value(char *answer, ct_status status, ct_value *value) {
  if (status == CT_OK || status == CT_NOT_STORED) {
    take_text(answer, (ct_bytes){value->data, value->size});
  } else {
    write_status(answer, status);
  }
  ct_value_release(value);
}

static void do_get(replay *run, const char *key, char *answer) {
  ct_value value = CT_VALUE_INIT;
  ct_status status = CT_OK;
  if (run->way->batches) {
    const ct_bytes keys[] = {{key, strlen(key)}};
    assert_status(CT_OK, ct_get_many(run->cache, keys, 1, &value, &status));
  } else {
    status = ct_get(run->cache, key, strlen(key), &value);
  }
  write_value(answer, status, &value);
}

static ct_status set_by_entry_options(replay *run, const char *key, const char *value) {
  const size_t value_size = strlen(value);
  ct_entry_options options =
      entry_with(.flags = CT_ENTRY_WEIGHT, .weight = number_after('w', value, value_size, 1));
  if (run->settings.policy == CT_POLICY_TTL) {
    options.flags |= CT_ENTRY_DEADLINE;
    options.deadline = run->now + run->settings.ttl;
  } else if (run->settings.policy == CT_POLICY_TLRU) {
    options.flags |= CT_ENTRY_TTL;
    options.ttl = number_after('t', value, value_size, 0);
  }
  return ct_set_with(run->cache, key, strlen(key), value, value_size, &options);
}

static ct_status set_by_batch(replay *run, const char *key, const char *value) {
  char data[2 * kMaxText];
  const int size = snprintf(data, sizeof data, "%s%s", key, value);
  const size_t ends[] = {strlen(key), (size_t)size};
  ct_status status = CT_OK;
  const ct_status first_failure = ct_set_many(run->cache, data, ends, 1, NULL, &status);
  assert_status(status < 0 ? status : CT_OK, first_failure);
  return status;
}

static void do_set(replay *run, const char *key, const char *value, char *answer) {
  ct_status status;
  if (run->way->entry_options) {
    status = set_by_entry_options(run, key, value);
  } else if (run->way->batches) {
    status = set_by_batch(run, key, value);
  } else {
    status = set_text(run->cache, key, value);
  }
  write_status(answer, status);
}

static void do_popitem(replay *run, char *answer) {
  ct_value key = CT_VALUE_INIT;
  ct_value value = CT_VALUE_INIT;
  const ct_status status = ct_popitem(run->cache, &key, &value);
  if (status == CT_OK) {
    take_text(answer, (ct_bytes){key.data, key.size});
    strcat(answer, " ");
    take_text(answer + strlen(answer), (ct_bytes){value.data, value.size});
  } else if (status == CT_MISS) {
    strcpy(answer, "EMPTY");
  } else {
    write_status(answer, status);
  }
  ct_value_release(&key);
  ct_value_release(&value);
}

static void do_keys(replay *run, char *answer) {
  text_list list = {.count = 0};
  ct_iter *iter = NULL;
  assert_status(CT_OK, ct_iter_new(run->cache, CT_ORDER_ANY, &iter));
  ct_bytes key, value;
  ct_status status;
  while ((status = ct_iter_next(iter, &key, &value)) == CT_OK) take_entry(&list, key, value);
  assert_status(CT_END, status);
  ct_iter_free(iter);
  write_list(&list, false, answer);
}

static void do_expire(replay *run, char *answer) {
  text_list list = {.count = 0};
  const uint64_t went = ct_expire(run->cache, CT_NOW, take_event, &list);
  assert_int_equal(list.count, went);
  write_list(&list, true, answer);
}

/* Carries out an operation. If it has no answer, the answer is empty. */
static void perform(replay *run, const char *verb, const char *key, const char *value,
                    char *answer) {
  ct_value found = CT_VALUE_INIT;
  answer[0] = '\0';
  if (strcmp(verb, "get") == 0) {
    do_get(run, key, answer);
  } else if (strcmp(verb, "set") == 0) {
    do_set(run, key, value, answer);
  } else if (strcmp(verb, "setdefault") == 0) {
    write_value(answer, ct_setdefault(run->cache, key, strlen(key), value, strlen(value), &found),
                &found);
  } else if (strcmp(verb, "in") == 0) {
    strcpy(answer, has_text(run->cache, key) ? "1" : "0");
  } else if (strcmp(verb, "del") == 0) {
    write_status(answer, ct_delete(run->cache, key, strlen(key)));
  } else if (strcmp(verb, "pop") == 0) {
    write_value(answer, ct_pop(run->cache, key, strlen(key), &found), &found);
  } else if (strcmp(verb, "popitem") == 0) {
    do_popitem(run, answer);
  } else if (strcmp(verb, "len") == 0) {
    sprintf(answer, "%llu", (unsigned long long)ct_len(run->cache));
  } else if (strcmp(verb, "size") == 0) {
    sprintf(answer, "%llu", (unsigned long long)ct_currsize(run->cache));
  } else if (strcmp(verb, "keys") == 0) {
    do_keys(run, answer);
  } else if (strcmp(verb, "expire") == 0) {
    do_expire(run, answer);
  } else if (strcmp(verb, "tick") == 0) {
    run->now += strtoull(key, NULL, 10);
  } else if (strcmp(verb, "clear") == 0) {
    assert_status(CT_OK, ct_clear(run->cache));
  } else {
    fail_msg("unknown operation %s", verb);
  }
}

/* ---- Files ---------------------------------------------------------------------------------- */

static settings read_settings(char *line) {
  settings read = {.ttl = 0};
  for (char *word = strtok(line, " \n"); word != NULL; word = strtok(NULL, " \n")) {
    char *value = strchr(word, '=');
    assert_non_null(value);
    *value++ = '\0';
    if (strcmp(word, "policy") == 0) {
      assert_status(CT_OK, ct_policy_from_name(value, &read.policy));
    } else if (strcmp(word, "maxsize") == 0) {
      read.maxsize = strtoull(value, NULL, 10);
    } else if (strcmp(word, "ttl") == 0) {
      read.ttl = strtoull(value, NULL, 10);
    } else if (strcmp(word, "choice_seed") == 0) {
      read.choice_seed = strtoull(value, NULL, 10);
    } else if (strcmp(word, "weigh") == 0) {
      read.weigh_w = strcmp(value, "w") == 0;
    } else {
      fail_msg("unknown setting %s", word);
    }
  }
  return read;
}

static ct_cache *make_cache(replay *run, const test_allocator *allocator) {
  const settings *given = &run->settings;
  ct_options options = CT_OPTIONS_INIT;
  options.policy = (int32_t)given->policy;
  options.maxsize = given->maxsize;
  options.flags = run->way->flags;
  if (given->maxsize == 0) options.flags |= CT_FLAG_KEEP_NOTHING;
  options.user_data = run;
  options.timer = read_time;
  options.allocator = &allocator->hooks;
  if (given->weigh_w || run->way->weigher) options.weigher = weigh;
  if (given->policy == CT_POLICY_RR) options.choice = choose;
  if (given->policy == CT_POLICY_TTL) options.ttl = given->ttl;
  if (given->policy == CT_POLICY_TLRU) options.ttu = time_to_use;
  const bool lifetimes = given->policy == CT_POLICY_TTL || given->policy == CT_POLICY_TLRU;
  if (lifetimes && run->way->as_lru) options.policy = CT_POLICY_LRU;

  ct_cache *cache = NULL;
  assert_null(ct_options_problem(&options));
  assert_status(CT_OK, ct_cache_new_with(&options, &cache));
  return cache;
}

/* Replays one line, which it takes apart, and compares the answer. */
static void replay_line(replay *run, char *line, const char *path, int number) {
  line[strcspn(line, "\n")] = '\0';
  const char *expected = "";
  char *arrow = strstr(line, " -> ");
  if (arrow != NULL) {
    *arrow = '\0';
    expected = arrow + strlen(" -> ");
  }
  char verb[kMaxText] = "", key[kMaxText] = "", value[kMaxText] = "";
  sscanf(line, "%31s %31s %31s", verb, key, value);

  char answer[kMaxEntries * 2 * kMaxText];
  perform(run, verb, key, value, answer);
  if (strcmp(expected, answer) != 0) {
    fail_msg("%s:%d (%s): %s: expected \"%s\", got \"%s\"", path, number, run->way->name, line,
             expected, answer);
  }
}

static void replay_file(const char *path, const way *way) {
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  char line[4096];
  assert_non_null(fgets(line, sizeof line, file));

  test_allocator allocator;
  test_allocator_init(&allocator);
  replay run = {.way = way, .settings = read_settings(line)};
  run.choice = run.settings.choice_seed;
  run.cache = make_cache(&run, &allocator);

  int number = 1;
  while (fgets(line, sizeof line, file) != NULL) replay_line(&run, line, path, ++number);
  assert_true(number > 1);
  fclose(file);

  assert_int_equal(0, ct_len(run.cache));
  ct_cache_free(run.cache);
  assert_int_equal(0, allocator.blocks);
}

static void replay_policy(const char *policy) {
  const char *data = getenv("CT_TEST_DATA");
  char pattern[4096];
  snprintf(pattern, sizeof pattern, "%s/golden/%s_*.txt", data != NULL ? data : "tests/data",
           policy);
  glob_t files;
  const int failure = glob(pattern, 0, NULL, &files);
  if (failure != 0) fail_msg("no files %s", pattern);
  assert_int_equal(kFilesPerPolicy, files.gl_pathc);
  for (size_t i = 0; i < files.gl_pathc; i++) {
    for (size_t j = 0; j < COUNT_OF(kWays); j++) {
      replay_file(files.gl_pathv[i], &kWays[j]);
    }
  }
  globfree(&files);
}

#define GOLDEN_TEST(policy)                 \
  TEST(policy##_answers_as_the_reference) { \
    replay_policy(#policy);                 \
  }

GOLDEN_TEST(any)
GOLDEN_TEST(fifo)
GOLDEN_TEST(lfu)
GOLDEN_TEST(lru)
GOLDEN_TEST(rr)
GOLDEN_TEST(tlru)
GOLDEN_TEST(ttl)
