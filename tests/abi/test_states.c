/* SPDX-License-Identifier: MIT */
/* Each function of a cache and each state of its key, as one table. One thread; the clock stands
 * still. */
#include <unistd.h>

#include "fixture.h"
#include "snapshots.h"

enum { kTtl = 100, kAhead = 20, kStale = 50, kRetry = 10, kNegativeTtl = 70, kMaxsize = 8 };

/* Numbers for ct_add, too: their bytes are the same in either order. */
static const char kOld[] = "11111111", kNew[] = "22222222";
enum { kSize = sizeof(kOld) - 1 };

typedef enum state {
  kAbsent,
  kLive,
  kSoon,        /* about to be renewed: refresh_ahead */
  kPast,        /* stale: past its deadline */
  kOver,        /* past deadline and stale, and still there */
  kNegative,    /* remembered as absent */
  kInvalidated, /* its tag was invalidated */
  kStates
} state;

static const char *const kStateNames[] = {"absent", "live",       "soon",       "past",
                                          "over",   "remembered", "invalidated"};

/* What a loader, a compute or the holder of a lease does. */
typedef enum way {
  kBrings, /* kNew */
  kFails,
  kFindsNone,
  kIsCancelled,
  kFindsNoChange,
  kDiscards,
  kKeepsLifetime,
  kDiesAtOnce,
  kLeaves,
} way;

typedef struct scene scene;

typedef struct row {
  const char *function;
  const char *variant;
  ct_status (*call)(scene *s);
  /* Status without its CT_; in brackets the old value that a callback was shown, if one was called;
   * causes that the listener was told of at once, each for the old value; at last what is there:
   *   =1  anybody finds this value
   *   >1  the same, and a loading call renews it
   *   ~1  only loading calls find it
   *   !   it is remembered that there is none
   *       nothing */
  const char *cells[kStates];
  way way;
  uint32_t flags;
  uint64_t number;
} row;

/* How the key came into a state. */
typedef struct setting {
  state state;
  uint64_t age; /* of the value that is there */
  size_t tags;
  bool pinned;
} setting;

struct scene {
  manual_clock clock; /* first, so that manual_clock_read accepts the whole */
  ct_cache *cache;
  ct_memo *memos[2]; /* the second one races */
  char key[32];
  size_t key_size;
  ct_value seen; /* the old value, or nothing */
  const row *row;
  char shown[8];  /* to callbacks */
  char told[128]; /* causes */
  size_t causes[5];
  size_t old_departures;
};

/* ---- Callbacks ------------------------------------------------------------------------------ */

static void note_event(void *user_data, const ct_event *event) {
  scene *s = user_data;
  const size_t used = strlen(s->told);
  const bool is_old = event->key.size == s->key_size && event->value.size == kSize &&
                      memcmp(event->key.data, s->key, s->key_size) == 0 &&
                      memcmp(event->value.data, kOld, kSize) == 0;
  snprintf(s->told + used, sizeof(s->told) - used, " %s%s", cause_name(event->cause),
           is_old ? "" : "?");
  s->causes[event->cause]++;
  s->old_departures += is_old;
}

static ct_status follow(scene *s, const ct_bytes *old, ct_result *result) {
  snprintf(s->shown, sizeof(s->shown), "(%.1s)", old == NULL ? "-" : (const char *)old->data);
  switch (s->row->way) {
    case kFails:
      return CT_ERR_IO;
    case kFindsNone:
      return CT_MISS;
    case kIsCancelled:
      return CT_BUSY;
    case kLeaves:
      return CT_NOT_STORED;
    case kFindsNoChange:
      ct_result_not_modified(result);
      return CT_OK;
    case kDiscards:
      ct_result_discard(result);
      break;
    case kKeepsLifetime:
      ct_result_keep_ttl(result);
      break;
    case kDiesAtOnce:
      ct_result_ttl(result, 0);
      break;
    case kBrings:
      break;
  }
  return ct_result_set(result, kNew, kSize);
}

static ct_status load(void *user_data, const void *key, size_t key_size, ct_result *result) {
  (void)key, (void)key_size;
  ct_bytes old;
  return follow(user_data, ct_result_old(result, &old) == CT_OK ? &old : NULL, result);
}

static ct_status load_many(void *user_data, const ct_bytes *keys, size_t count,
                           ct_result *const *results) {
  (void)count;
  return load(user_data, keys[0].data, keys[0].size, results[0]);
}

static ct_status compute(void *user_data, const void *key, size_t key_size, const ct_bytes *old,
                         ct_result *result) {
  (void)key, (void)key_size;
  return follow(user_data, old, result);
}

static ct_status call_function(void *user_data, void *self, const void *args, ct_result *result) {
  (void)self, (void)args;
  return load(user_data, NULL, 0, result);
}

static ct_status add_nothing(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self, (void)args, (void)key;
  return CT_OK;
}

static void no_done(void *user_data, ct_status status, const ct_value *value, ct_lease *lease) {
  (void)user_data, (void)status, (void)value, (void)lease;
  fail_msg("nobody waits");
}

static bool match(void *user_data, const void *key, size_t key_size, const void *value,
                  size_t value_size) {
  (void)key, (void)key_size, (void)value, (void)value_size;
  const scene *s = user_data;
  return s->row->number != 0;
}

/* ---- Scenes --------------------------------------------------------------------------------- */

static ct_options options_of(scene *s) {
  return (ct_options){.struct_size = sizeof(ct_options),
                      .maxsize = kMaxsize,
                      .ttl = kTtl,
                      .refresh_ahead = kAhead,
                      .stale = kStale,
                      .retry = kRetry,
                      .negative_ttl = kNegativeTtl,
                      .timer = manual_clock_read,
                      .listener = note_event,
                      .user_data = s};
}

static void open_memos(scene *s) {
  ct_key *key = ct_key_new(0);
  for (size_t i = 0; i < COUNT_OF(s->memos); i++) {
    ct_memo_options options = CT_MEMO_OPTIONS_INIT;
    options.flags = i == 0 ? 0 : CT_MEMO_RACE;
    options.user_data = s;
    options.fn = call_function;
    options.key = add_nothing;
    options.cache = s->cache;
    options.prefix = "memo";
    options.prefix_size = 4;
    assert_status(CT_OK, ct_memo_new(&options, &s->memos[i]));
    /* The key of all rows. */
    const void *data = NULL;
    assert_status(CT_OK, ct_memo_key(s->memos[i], NULL, NULL, key));
    assert_status(CT_OK, ct_key_data(key, &data, &s->key_size));
    assert_true(s->key_size <= sizeof(s->key));
    memcpy(s->key, data, s->key_size);
  }
  ct_key_free(key);
}

static void scene_open(scene *s, const row *row, const setting *at) {
  const ct_bytes kTags[] = {{"red", 3}, {"blue", 4}};
  memset(s, 0, sizeof(*s));
  s->row = row;
  const ct_options options = options_of(s);
  s->cache = new_cache(&options);
  open_memos(s);
  if (at->state == kNegative) {
    ct_lease *lease = NULL;
    assert_status(CT_LEASED, ct_get_or_lease(s->cache, s->key, s->key_size, 0, NULL, &lease));
    ct_lease_fail(lease, CT_MISS);
  } else if (at->state != kAbsent) {
    const ct_entry_options with =
        entry_with(.flags = CT_ENTRY_TAGS, .tags = kTags, .tag_count = at->tags);
    assert_status(CT_OK, ct_set_with(s->cache, s->key, s->key_size, kOld, kSize, &with));
    assert_status(CT_OK, ct_peek(s->cache, s->key, s->key_size, &s->seen));
  }
  if (!at->pinned && (row->flags & CT_ENTRY_IF_SAME) == 0) ct_value_release(&s->seen);
  s->clock.now += at->age;
  for (size_t i = 0; at->state == kInvalidated && i < at->tags; i++)
    assert_status(CT_OK, ct_invalidate_tag(s->cache, kTags[i].data, kTags[i].size, 0));
}

static void scene_close(scene *s) {
  for (size_t i = 0; i < COUNT_OF(s->memos); i++) ct_memo_free(s->memos[i]);
  ct_cache_free(s->cache);
  ct_value_release(&s->seen);
}

/* Another cache with the same clock, which has the new value. */
static ct_cache *other_cache(scene *s) {
  ct_cache *other = cache_of(.maxsize = kMaxsize, .timer = manual_clock_read, .user_data = s);
  assert_status(CT_OK, ct_set(other, s->key, s->key_size, kNew, kSize));
  return other;
}

/* A value that no key of the cache has. */
static ct_value value_of_another(scene *s) {
  ct_value value = CT_VALUE_INIT;
  ct_cache *other = other_cache(s);
  assert_status(CT_OK, ct_get(other, s->key, s->key_size, &value));
  ct_cache_free(other);
  return value;
}

/* Describes what is there, by calls that change nothing. */
static void describe(scene *s, char *text, size_t capacity) {
  ct_value found = CT_VALUE_INIT, loaded = CT_VALUE_INIT;
  ct_lease *lease = NULL;
  const ct_status peeked = ct_peek(s->cache, s->key, s->key_size, &found);
  const ct_status leased = ct_get_or_lease(s->cache, s->key, s->key_size, 0, &loaded, &lease);
  ct_lease_abandon(lease);
  if (peeked == CT_OK) {
    assert_ptr_equal(found.data, loaded.data);
    snprintf(text, capacity, " %c%.1s", leased == CT_RENEW ? '>' : '=', (const char *)found.data);
  } else if (loaded.data != NULL) {
    snprintf(text, capacity, " ~%.1s", (const char *)loaded.data);
  } else {
    assert_true(leased == CT_MISS || leased == CT_LEASED);
    snprintf(text, capacity, "%s", leased == CT_MISS ? " !" : "");
  }
  ct_value_release(&found);
  ct_value_release(&loaded);
}

/* ---- Reading -------------------------------------------------------------------------------- */

static ct_status released(scene *s, ct_status status, ct_value *value) {
  (void)s;
  if ((status == CT_OK || status == CT_STALE || status == CT_RENEW) != (value->data != NULL))
    fail_msg("%s: %s and %p", s->row->function, ct_status_name(status), value->data);
  ct_value_release(value);
  return status;
}

static ct_status get(scene *s) {
  ct_value value = poisoned_value();
  return released(s, ct_get(s->cache, s->key, s->key_size, &value), &value);
}

static ct_status get_copy(scene *s) {
  char buffer[kSize];
  return ct_get_copy(s->cache, s->key, s->key_size, buffer, sizeof(buffer), NULL);
}

static ct_status peek(scene *s) {
  ct_value value = poisoned_value();
  return released(s, ct_peek(s->cache, s->key, s->key_size, &value), &value);
}

static ct_status contains(scene *s) {
  return ct_contains(s->cache, s->key, s->key_size) ? CT_OK : CT_MISS;
}

static ct_status inspect(scene *s) {
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  return ct_inspect(s->cache, s->key, s->key_size, &info);
}

static ct_status get_many(scene *s) {
  const ct_bytes key = {s->key, s->key_size};
  ct_value value = poisoned_value();
  ct_status status = CT_END;
  assert_status(CT_OK, ct_get_many(s->cache, &key, 1, &value, &status));
  return released(s, status, &value);
}

static ct_status get_many_copy(scene *s) {
  size_t value_end = 7;
  ct_status status = CT_END;
  char buffer[kSize];
  assert_status(CT_OK, ct_get_many_copy(s->cache, s->key, &s->key_size, 1, buffer, sizeof(buffer),
                                        &value_end, &status));
  assert_int_equal(status == CT_OK ? kSize : 0, value_end);
  return status;
}

static ct_status walk(scene *s) {
  ct_iter *iter = NULL;
  assert_status(CT_OK, ct_iter_new(s->cache, (int32_t)s->row->number, &iter));
  const ct_status status = ct_iter_next(iter, NULL, NULL);
  ct_iter_free(iter);
  return status;
}

/* ---- Writing -------------------------------------------------------------------------------- */

static ct_status set(scene *s) {
  return ct_set(s->cache, s->key, s->key_size, kNew, kSize);
}

static ct_status set_too_long(scene *s) {
  const size_t size = sizeof(size_t) < 8 ? 1 : (size_t)UINT32_MAX + 1;
  return sizeof(size_t) < 8 ? CT_ERR_TOO_LARGE : ct_set(s->cache, s->key, s->key_size, kNew, size);
}

static ct_status set_ttl(scene *s) {
  return ct_set_ttl(s->cache, s->key, s->key_size, kNew, kSize, s->row->number);
}

static ct_entry_options entry_options(const scene *s) {
  static const ct_bytes kTag = {"green", 5};
  ct_entry_options options = entry_with(.flags = s->row->flags);
  if ((options.flags & CT_ENTRY_IF_SAME) != 0) options.same = &s->seen;
  if ((options.flags & CT_ENTRY_WEIGHT) != 0) options.weight = s->row->number;
  if ((options.flags & CT_ENTRY_TTL) != 0) options.ttl = s->row->number;
  if ((options.flags & CT_ENTRY_DEADLINE) != 0) options.deadline = s->row->number;
  if ((options.flags & CT_ENTRY_TAGS) != 0) options.tags = &kTag, options.tag_count = 1;
  return options;
}

static ct_status set_with(scene *s) {
  const ct_entry_options options = entry_options(s);
  return ct_set_with(s->cache, s->key, s->key_size, kNew, kSize, &options);
}

static ct_status set_if_another(scene *s) {
  ct_value another = value_of_another(s);
  const ct_entry_options options = entry_with(.flags = CT_ENTRY_IF_SAME, .same = &another);
  const ct_status status = ct_set_with(s->cache, s->key, s->key_size, kNew, kSize, &options);
  ct_value_release(&another);
  return status;
}

static ct_status set_many(scene *s) {
  const ct_entry_options options = entry_options(s);
  char data[sizeof(s->key) + kSize];
  memcpy(data, s->key, s->key_size);
  memcpy(data + s->key_size, kNew, kSize);
  const size_t ends[] = {s->key_size, s->key_size + kSize};
  ct_status status = CT_END;
  ct_set_many(s->cache, data, ends, 1, &options, &status);
  return status;
}

static ct_status add(scene *s) {
  const ct_entry_options options = entry_options(s);
  int64_t initial, sum = 7;
  memcpy(&initial, kOld, sizeof(initial));
  const ct_status status =
      ct_add(s->cache, s->key, s->key_size, 0x0101010101010101, initial, &options, &sum);
  if (status == CT_OK) {
    assert_memory_equal(kNew, &sum, sizeof(sum));
  } else {
    assert_int_equal(0, sum);
  }
  return status;
}

static ct_status setdefault(scene *s) {
  ct_value value = poisoned_value();
  return released(s, ct_setdefault(s->cache, s->key, s->key_size, kNew, kSize, &value), &value);
}

static ct_status set_lifetime(scene *s) {
  return ct_set_lifetime(s->cache, s->key, s->key_size, s->row->number);
}

static ct_status run_compute(scene *s) {
  ct_value value = poisoned_value();
  const ct_status status = ct_compute(s->cache, s->key, s->key_size, compute, s, &value);
  if (status == CT_NOT_STORED) return ct_value_release(&value), status;
  return released(s, status, &value);
}

/* ---- Removing ------------------------------------------------------------------------------- */

static ct_status delete_it(scene *s) {
  return ct_delete(s->cache, s->key, s->key_size);
}

static ct_status delete_if(scene *s) {
  return ct_delete_if(s->cache, s->key, s->key_size, &s->seen);
}

static ct_status delete_if_another(scene *s) {
  ct_value another = value_of_another(s);
  const ct_status status = ct_delete_if(s->cache, s->key, s->key_size, &another);
  ct_value_release(&another);
  return status;
}

static ct_status pop(scene *s) {
  ct_value value = poisoned_value();
  return released(s, ct_pop(s->cache, s->key, s->key_size, &value), &value);
}

static ct_status popitem(scene *s) {
  ct_value value = poisoned_value();
  return released(s, ct_popitem(s->cache, NULL, &value), &value);
}

static ct_status clear(scene *s) {
  return ct_clear(s->cache);
}

static ct_status remove_if(scene *s) {
  return ct_remove_if(s->cache, match, s) == 0 ? CT_MISS : CT_OK;
}

static ct_status invalidate_tag(scene *s) {
  return ct_invalidate_tag(s->cache, "red", 3, 0);
}

static ct_status expire(scene *s) {
  return ct_expire(s->cache, s->row->number, NULL, NULL) == 0 ? CT_MISS : CT_OK;
}

static ct_status resize(scene *s) {
  return ct_resize(s->cache, s->row->number);
}

static ct_status free_it(scene *s) {
  scene_close(&(scene){.cache = s->cache, .memos = {s->memos[0], s->memos[1]}});
  memset(s->memos, 0, sizeof(s->memos));
  s->cache = NULL;
  return CT_OK;
}

/* ---- Loading -------------------------------------------------------------------------------- */

static ct_status get_or_load(scene *s) {
  ct_value value = poisoned_value();
  return released(s, ct_get_or_load(s->cache, s->key, s->key_size, load, s, &value), &value);
}

static ct_load_options load_options(const scene *s) {
  return (ct_load_options){.struct_size = sizeof(ct_load_options), .flags = s->row->flags};
}

static ct_status get_or_load_with(scene *s) {
  const ct_load_options how = load_options(s);
  ct_value value = poisoned_value();
  return released(s, ct_get_or_load_with(s->cache, s->key, s->key_size, load, s, &how, &value),
                  &value);
}

static ct_status get_or_load_many(scene *s) {
  const ct_load_options how = load_options(s);
  ct_value value = poisoned_value();
  ct_status status = CT_END;
  assert_status(CT_OK, ct_get_or_load_many(s->cache, s->key, &s->key_size, 1, load_many, s, &how,
                                           &value, &status));
  return released(s, status, &value);
}

static ct_status memo_call(scene *s) {
  ct_value value = poisoned_value();
  return released(s, ct_memo_call(s->memos[s->row->number], NULL, NULL, &value), &value);
}

static ct_status get_or_lease(scene *s) {
  ct_value value = poisoned_value();
  ct_lease *lease = NULL;
  const ct_status status = ct_get_or_lease(s->cache, s->key, s->key_size, 0, &value, &lease);
  ct_lease_abandon(lease);
  return released(s, status, &value);
}

/* In any state, CT_LOAD_FORCE brings a lease. */
static ct_status ask_for_lease(scene *s, ct_lease **lease) {
  const ct_load_options how = load_options(s);
  ct_value value = poisoned_value();
  ct_wait *wait = NULL;
  const ct_status status =
      ct_get_or_lease_async(s->cache, s->key, s->key_size, &how, no_done, s, &value, lease, &wait);
  assert_null(wait);
  return released(s, status, &value);
}

static ct_status get_or_lease_async(scene *s) {
  ct_lease *lease = NULL;
  const ct_status status = ask_for_lease(s, &lease);
  ct_lease_abandon(lease);
  return status;
}

static ct_status lease_fulfil(scene *s) {
  ct_lease *lease = NULL;
  const ct_status status = ask_for_lease(s, &lease);
  return lease == NULL ? status : ct_lease_fulfil(lease, kNew, kSize, NULL, NULL);
}

static ct_status lease_fail(scene *s) {
  ct_lease *lease = NULL;
  const ct_status status = ask_for_lease(s, &lease);
  ct_lease_fail(lease, s->row->way == kFindsNone ? CT_MISS : CT_ERR_IO);
  return status;
}

static ct_status lease_keep(scene *s) {
  ct_lease *lease = NULL;
  const ct_status status = ask_for_lease(s, &lease);
  return lease == NULL ? status : ct_lease_keep(lease, NULL);
}

/* ---- Memos ---------------------------------------------------------------------------------- */

static ct_status memo_invalidate(scene *s) {
  return ct_memo_invalidate(s->memos[0], NULL, NULL);
}

static ct_status memo_clear(scene *s) {
  return ct_memo_clear(s->memos[0], NULL);
}

static ct_status memo_info(scene *s) {
  ct_cache_info info = CT_CACHE_INFO_INIT;
  assert_status(CT_OK, ct_memo_info(s->memos[0], NULL, &info));
  return info.currsize == 0 ? CT_MISS : CT_OK;
}

/* ---- Copies and snapshots ------------------------------------------------------------------- */

/* What a loading call finds in a copy. */
static ct_status cache_copy(scene *s) {
  ct_cache *copy = NULL;
  assert_status(CT_OK, ct_cache_copy(s->cache, &copy));
  ct_lease *lease = NULL;
  const ct_status status = ct_get_or_lease(copy, s->key, s->key_size, 0, NULL, &lease);
  ct_lease_abandon(lease);
  ct_cache_free(copy);
  return status;
}

/* Whether the key is in a snapshot. */
static ct_status is_in(scene *s, tape *t) {
  ct_cache *other = cache_of(.maxsize = kMaxsize, .timer = manual_clock_read, .user_data = s);
  assert_status(CT_OK, load_tape(other, t));
  const bool found = ct_contains(other, s->key, s->key_size);
  assert_int_equal(found, ct_len(other));
  ct_cache_free(other);
  tape_free(t);
  return found ? CT_OK : CT_MISS;
}

static ct_status snapshot_save(scene *s) {
  tape t = {0};
  assert_status(CT_OK, save_tape(s->cache, &t));
  return is_in(s, &t);
}

/* Makes a file, which the caller unlinks. */
static void make_file(char *path) {
  const int file = mkstemp(path);
  assert_true(file >= 0);
  close(file);
}

static ct_status snapshot_save_file(scene *s) {
  char path[] = "/tmp/cachetools-XXXXXX";
  make_file(path);
  assert_status(CT_OK, ct_snapshot_save_file(s->cache, path));
  ct_cache *other = cache_of(.maxsize = kMaxsize, .timer = manual_clock_read, .user_data = s);
  assert_status(CT_OK, ct_snapshot_load_file(other, path));
  unlink(path);
  const bool found = ct_contains(other, s->key, s->key_size);
  ct_cache_free(other);
  return found ? CT_OK : CT_MISS;
}

/* A snapshot with the new value. */
static ct_status snapshot_load(scene *s) {
  tape t = {0};
  ct_cache *other = other_cache(s);
  assert_status(CT_OK, save_tape(other, &t));
  ct_cache_free(other);
  const ct_status status = ct_snapshot_load(s->cache, tape_read, &t);
  tape_free(&t);
  return status;
}

static ct_status snapshot_load_with(scene *s) {
  tape t = {0};
  ct_cache *other = other_cache(s);
  assert_status(CT_OK, save_tape(other, &t));
  ct_cache_free(other);
  const ct_status status = ct_snapshot_load_with(s->cache, tape_read, &t, s->row->flags);
  tape_free(&t);
  return status;
}

static ct_status load_from_file(scene *s, ct_status (*call)(scene *s, const char *path)) {
  char path[] = "/tmp/cachetools-XXXXXX";
  make_file(path);
  ct_cache *other = other_cache(s);
  assert_status(CT_OK, ct_snapshot_save_file(other, path));
  ct_cache_free(other);
  const ct_status status = call(s, path);
  unlink(path);
  return status;
}

static ct_status load_file(scene *s, const char *path) {
  return ct_snapshot_load_file(s->cache, path);
}

static ct_status snapshot_load_file(scene *s) {
  return load_from_file(s, load_file);
}

static ct_status load_file_with(scene *s, const char *path) {
  return ct_snapshot_load_file_with(s->cache, path, s->row->flags);
}

static ct_status snapshot_load_file_with(scene *s) {
  return load_from_file(s, load_file_with);
}

/* ---- Size, options and statistics ----------------------------------------------------------- */

static ct_status len(scene *s) {
  return ct_len(s->cache) == 0 ? CT_MISS : CT_OK;
}

static ct_status currsize(scene *s) {
  return ct_currsize(s->cache) == 0 ? CT_MISS : CT_OK;
}

static ct_status maxsize(scene *s) {
  return ct_maxsize(s->cache) == kMaxsize ? CT_OK : CT_MISS;
}

static ct_status memory(scene *s) {
  return ct_memory(s->cache) == 0 ? CT_MISS : CT_OK;
}
static ct_status curve(scene *s) {
  const double scale = 1;
  double ratio;
  return ct_cache_curve(s->cache, &scale, 1, &ratio);
}

static ct_status options(scene *s) {
  ct_options options = CT_OPTIONS_INIT;
  return ct_cache_options(s->cache, &options);
}

static ct_status entry_problem(scene *s) {
  return ct_entry_options_problem(s->cache, &(ct_entry_options)CT_ENTRY_OPTIONS_INIT) == NULL
             ? CT_OK
             : CT_ERR_INVALID;
}

/* Whether the key was ever inserted. */
static ct_status stats(scene *s) {
  return stats_of(s->cache).inserts == 0 ? CT_MISS : CT_OK;
}

static ct_status stats_reset(scene *s) {
  return ct_cache_stats_reset(s->cache);
}

/* Whether the text tells of an entry. */
static ct_status stats_write(scene *s) {
  static const char *const kName = "it";
  tape t = {0};
  assert_status(CT_OK, ct_stats_write(&s->cache, &kName, 1, tape_write, &t));
  assert_status(CT_OK, tape_write(&t, "", 1));
  const char *line = strstr((const char *)t.bytes, "cachetools_entries{cache=\"it\"} ");
  assert_non_null(line);
  const bool found = strchr(line, ' ')[1] != '0';
  tape_free(&t);
  return found ? CT_OK : CT_MISS;
}

/* ---- The table ------------------------------------------------------------------------------ */

#define WITH(...) __VA_ARGS__,
#define USUAL
#define ROW(function_, variant_, call_, with, ...)                                           \
  {                                                                                          \
    .function = #function_, .variant = variant_, .call = call_, with.cells = { __VA_ARGS__ } \
  }

/* The states are: absent, live, soon, past, over, remembered, invalidated. */
static const row kRows[] = {
    ROW(ct_get, "", get, USUAL, "MISS", "OK =1", "OK >1", "MISS ~1", "MISS", "MISS !", "MISS"),
    ROW(ct_get_copy, "", get_copy, USUAL, "MISS", "OK =1", "OK >1", "MISS ~1", "MISS", "MISS !",
        "MISS"),
    ROW(ct_peek, "", peek, USUAL, "MISS", "OK =1", "OK >1", "MISS ~1", "MISS", "MISS !", "MISS"),
    ROW(ct_contains, "", contains, USUAL, "MISS", "OK =1", "OK >1", "MISS ~1", "MISS", "MISS !",
        "MISS"),
    ROW(ct_inspect, "", inspect, USUAL, "MISS", "OK =1", "OK >1", "MISS ~1", "MISS", "MISS !",
        "MISS"),
    ROW(ct_get_many, "", get_many, USUAL, "MISS", "OK =1", "OK >1", "MISS ~1", "MISS", "MISS !",
        "MISS"),
    ROW(ct_get_many_copy, "", get_many_copy, USUAL, "MISS", "OK =1", "OK >1", "MISS ~1", "MISS",
        "MISS !", "MISS"),
    ROW(ct_iter_new, "ANY", walk, WITH(.number = CT_ORDER_ANY), "END", "OK =1", "OK >1", "END ~1",
        "END", "END !", "END"),
    ROW(ct_iter_new, "COLDEST", walk, WITH(.number = CT_ORDER_COLDEST), "END", "OK =1", "OK >1",
        "END ~1", "END", "END !", "END"),
    ROW(ct_iter_new, "HOTTEST", walk, WITH(.number = CT_ORDER_HOTTEST), "END", "OK =1", "OK >1",
        "END ~1", "END", "END !", "END"),

    ROW(ct_set, "", set, USUAL, "OK =2", "OK REPLACED =2", "OK REPLACED =2", "OK EXPIRED =2",
        "OK EXPIRED =2", "OK =2", "OK REMOVED =2"),
    ROW(ct_set, "too long", set_too_long, USUAL, "ERR_TOO_LARGE", "ERR_TOO_LARGE =1",
        "ERR_TOO_LARGE >1", "ERR_TOO_LARGE ~1", "ERR_TOO_LARGE", "ERR_TOO_LARGE !",
        "ERR_TOO_LARGE"),
    ROW(ct_set_ttl, "short", set_ttl, WITH(.number = 10), "OK >2", "OK REPLACED >2",
        "OK REPLACED >2", "OK EXPIRED >2", "OK EXPIRED >2", "OK >2", "OK REMOVED >2"),
    ROW(ct_set_ttl, "0", set_ttl, WITH(.number = 0), "NOT_STORED", "NOT_STORED REMOVED",
        "NOT_STORED REMOVED", "NOT_STORED EXPIRED", "NOT_STORED EXPIRED", "NOT_STORED",
        "NOT_STORED REMOVED"),
    ROW(ct_set_with, "DEADLINE, over", set_with, WITH(.flags = CT_ENTRY_DEADLINE), "NOT_STORED",
        "NOT_STORED REMOVED", "NOT_STORED REMOVED", "NOT_STORED EXPIRED", "NOT_STORED EXPIRED",
        "NOT_STORED", "NOT_STORED REMOVED"),
    ROW(ct_set_with, "WEIGHT, too large", set_with,
        WITH(.flags = CT_ENTRY_WEIGHT, .number = kMaxsize + 1), "ERR_TOO_LARGE", "ERR_TOO_LARGE =1",
        "ERR_TOO_LARGE >1", "ERR_TOO_LARGE EXPIRED", "ERR_TOO_LARGE EXPIRED", "ERR_TOO_LARGE",
        "ERR_TOO_LARGE REMOVED"),
    ROW(ct_set_with, "TAGS", set_with, WITH(.flags = CT_ENTRY_TAGS), "OK =2", "OK REPLACED =2",
        "OK REPLACED =2", "OK EXPIRED =2", "OK EXPIRED =2", "OK =2", "OK REMOVED =2"),
    ROW(ct_set_with, "IF_ABSENT", set_with, WITH(.flags = CT_ENTRY_IF_ABSENT), "OK =2", "EXISTS =1",
        "EXISTS >1", "OK EXPIRED =2", "OK EXPIRED =2", "OK =2", "OK REMOVED =2"),
    ROW(ct_set_with, "IF_PRESENT", set_with, WITH(.flags = CT_ENTRY_IF_PRESENT), "MISS",
        "OK REPLACED =2", "OK REPLACED =2", "MISS EXPIRED", "MISS EXPIRED", "MISS", "MISS REMOVED"),
    ROW(ct_set_with, "IF_SAME", set_with, WITH(.flags = CT_ENTRY_IF_SAME), "OK =2",
        "OK REPLACED =2", "OK REPLACED =2", "MISS EXPIRED", "MISS EXPIRED", "OK =2",
        "MISS REMOVED"),
    ROW(ct_set_with, "IF_SAME, another", set_if_another, USUAL, "MISS", "EXISTS =1", "EXISTS >1",
        "MISS EXPIRED", "MISS EXPIRED", "MISS", "MISS REMOVED"),
    ROW(ct_set_with, "KEEP_TTL", set_with, WITH(.flags = CT_ENTRY_KEEP_TTL), "OK =2",
        "OK REPLACED =2", "OK REPLACED >2", "OK EXPIRED =2", "OK EXPIRED =2", "OK =2",
        "OK REMOVED =2"),
    ROW(ct_set_with, "KEEP_TTL, TTL 0", set_with, WITH(.flags = CT_ENTRY_KEEP_TTL | CT_ENTRY_TTL),
        "NOT_STORED", "OK REPLACED =2", "OK REPLACED >2", "NOT_STORED EXPIRED",
        "NOT_STORED EXPIRED", "NOT_STORED", "NOT_STORED REMOVED"),
    ROW(ct_set_with, "not allowed", set_with,
        WITH(.flags = CT_ENTRY_IF_ABSENT | CT_ENTRY_IF_PRESENT), "ERR_INVALID", "ERR_INVALID =1",
        "ERR_INVALID >1", "ERR_INVALID ~1", "ERR_INVALID", "ERR_INVALID !", "ERR_INVALID"),
    ROW(ct_set_many, "", set_many, USUAL, "OK =2", "OK REPLACED =2", "OK REPLACED =2",
        "OK EXPIRED =2", "OK EXPIRED =2", "OK =2", "OK REMOVED =2"),
    ROW(ct_set_many, "IF_PRESENT", set_many, WITH(.flags = CT_ENTRY_IF_PRESENT), "MISS",
        "OK REPLACED =2", "OK REPLACED =2", "MISS EXPIRED", "MISS EXPIRED", "MISS", "MISS REMOVED"),
    ROW(ct_add, "", add, USUAL, "OK =2", "OK REPLACED =2", "OK REPLACED >2", "OK EXPIRED =2",
        "OK EXPIRED =2", "OK =2", "OK REMOVED =2"),
    ROW(ct_add, "IF_PRESENT", add, WITH(.flags = CT_ENTRY_IF_PRESENT), "MISS", "OK REPLACED =2",
        "OK REPLACED >2", "MISS EXPIRED", "MISS EXPIRED", "MISS", "MISS REMOVED"),
    ROW(ct_setdefault, "", setdefault, USUAL, "OK =2", "OK =1", "OK >1", "OK EXPIRED =2",
        "OK EXPIRED =2", "OK =2", "OK REMOVED =2"),
    ROW(ct_set_lifetime, "longer", set_lifetime, WITH(.number = 70), "MISS", "OK =1", "OK =1",
        "MISS ~1", "MISS", "MISS !", "MISS"),
    ROW(ct_set_lifetime, "0", set_lifetime, WITH(.number = 0), "MISS", "OK EXPIRED", "OK EXPIRED",
        "MISS EXPIRED", "MISS EXPIRED", "MISS", "MISS REMOVED"),

    ROW(ct_delete, "", delete_it, USUAL, "MISS", "OK REMOVED", "OK REMOVED", "MISS EXPIRED",
        "MISS EXPIRED", "MISS", "MISS REMOVED"),
    ROW(ct_delete_if, "same", delete_if, WITH(.flags = CT_ENTRY_IF_SAME), "MISS", "OK REMOVED",
        "OK REMOVED", "MISS EXPIRED", "MISS EXPIRED", "MISS", "MISS REMOVED"),
    ROW(ct_delete_if, "another", delete_if_another, USUAL, "MISS", "EXISTS =1", "EXISTS >1",
        "MISS EXPIRED", "MISS EXPIRED", "MISS", "MISS REMOVED"),
    ROW(ct_pop, "", pop, USUAL, "MISS", "OK REMOVED", "OK REMOVED", "MISS EXPIRED", "MISS EXPIRED",
        "MISS", "MISS REMOVED"),
    ROW(ct_popitem, "", popitem, USUAL, "MISS", "OK EVICTED", "OK EVICTED", "MISS EXPIRED",
        "MISS EXPIRED", "MISS !", "MISS REMOVED"),
    ROW(ct_clear, "", clear, USUAL, "OK", "OK CLEARED", "OK CLEARED", "OK EXPIRED", "OK EXPIRED",
        "OK", "OK REMOVED"),
    ROW(ct_remove_if, "all", remove_if, WITH(.number = 1), "MISS", "OK REMOVED", "OK REMOVED",
        "OK EXPIRED", "MISS", "MISS", "MISS"),
    ROW(ct_remove_if, "none", remove_if, WITH(.number = 0), "MISS", "MISS =1", "MISS >1", "MISS ~1",
        "MISS", "MISS", "MISS"),
    ROW(ct_invalidate_tag, "", invalidate_tag, USUAL, "OK", "OK", "OK", "OK", "OK", "OK !", "OK"),
    ROW(ct_expire, "NOW", expire, WITH(.number = CT_NOW), "MISS", "MISS =1", "MISS >1", "MISS ~1",
        "OK EXPIRED", "MISS !", "MISS REMOVED"),
    ROW(ct_expire, "the last tick", expire, WITH(.number = CT_NEVER - 1), "MISS", "OK EXPIRED",
        "OK EXPIRED", "OK EXPIRED", "OK EXPIRED", "MISS", "MISS REMOVED"),
    ROW(ct_resize, "0", resize, WITH(.number = 0), "OK", "OK EVICTED", "OK EVICTED", "OK EXPIRED",
        "OK EXPIRED", "OK", "OK REMOVED"),
    ROW(ct_resize, "as before", resize, WITH(.number = kMaxsize), "OK", "OK =1", "OK >1", "OK ~1",
        "OK", "OK !", "OK"),
    ROW(ct_cache_free, "", free_it, USUAL, "OK", "OK", "OK", "OK", "OK", "OK", "OK"),

    ROW(ct_get_or_load, "brings", get_or_load, WITH(.way = kBrings), "OK(-) =2", "OK =1",
        "OK(1) REPLACED =2", "OK(1) EXPIRED =2", "OK(-) EXPIRED =2", "MISS !", "OK(-) REMOVED =2"),
    ROW(ct_get_or_load, "fails", get_or_load, WITH(.way = kFails), "ERR_IO(-)", "OK =1", "OK(1) =1",
        "STALE(1) ~1", "ERR_IO(-)", "MISS !", "ERR_IO(-)"),
    ROW(ct_get_or_load, "finds none", get_or_load, WITH(.way = kFindsNone), "MISS(-) !", "OK =1",
        "MISS(1) REMOVED !", "MISS(1) EXPIRED !", "MISS(-) !", "MISS !", "MISS(-) !"),
    ROW(ct_get_or_load, "is cancelled", get_or_load, WITH(.way = kIsCancelled), "BUSY(-)", "OK =1",
        "BUSY(1) >1", "BUSY(1) ~1", "BUSY(-)", "MISS !", "BUSY(-)"),
    ROW(ct_get_or_load, "finds no change", get_or_load, WITH(.way = kFindsNoChange),
        "ERR_CALLBACK(-)", "OK =1", "OK(1) =1", "OK(1) =1", "ERR_CALLBACK(-)", "MISS !",
        "ERR_CALLBACK(-)"),
    ROW(ct_get_or_load, "discards", get_or_load, WITH(.way = kDiscards), "OK(-)", "OK =1",
        "OK(1) REMOVED", "OK(1) EXPIRED", "OK(-) EXPIRED", "MISS !", "OK(-) REMOVED"),
    ROW(ct_get_or_load, "dies at once", get_or_load, WITH(.way = kDiesAtOnce), "OK(-)", "OK =1",
        "OK(1) REMOVED", "OK(1) EXPIRED", "OK(-) EXPIRED", "MISS !", "OK(-) REMOVED"),
    ROW(ct_get_or_load_with, "fails", get_or_load_with, WITH(.way = kFails), "ERR_IO(-)", "OK =1",
        "OK(1) =1", "STALE(1) ~1", "ERR_IO(-)", "MISS !", "ERR_IO(-)"),
    ROW(ct_get_or_load_with, "FORCE, brings", get_or_load_with,
        WITH(.way = kBrings, .flags = CT_LOAD_FORCE), "OK(-) =2", "OK(1) REPLACED =2",
        "OK(1) REPLACED =2", "OK(1) EXPIRED =2", "OK(-) EXPIRED =2", "OK(-) =2",
        "OK(-) REMOVED =2"),
    ROW(ct_get_or_load_with, "FORCE, fails", get_or_load_with,
        WITH(.way = kFails, .flags = CT_LOAD_FORCE), "ERR_IO(-)", "ERR_IO(1) =1", "ERR_IO(1) =1",
        "ERR_IO(1) ~1", "ERR_IO(-)", "ERR_IO(-)", "ERR_IO(-)"),
    ROW(ct_get_or_load_with, "FORCE, finds none", get_or_load_with,
        WITH(.way = kFindsNone, .flags = CT_LOAD_FORCE), "MISS(-) !", "MISS(1) REMOVED !",
        "MISS(1) REMOVED !", "MISS(1) EXPIRED !", "MISS(-) !", "MISS(-) !", "MISS(-) !"),
    ROW(ct_get_or_load_with, "FORCE, finds no change", get_or_load_with,
        WITH(.way = kFindsNoChange, .flags = CT_LOAD_FORCE), "ERR_CALLBACK(-)", "OK(1) =1",
        "OK(1) =1", "OK(1) =1", "ERR_CALLBACK(-)", "ERR_CALLBACK(-)", "ERR_CALLBACK(-)"),
    ROW(ct_get_or_load_many, "brings", get_or_load_many, WITH(.way = kBrings), "OK(-) =2", "OK =1",
        "OK(1) REPLACED =2", "OK(1) EXPIRED =2", "OK(-) EXPIRED =2", "MISS !", "OK(-) REMOVED =2"),
    ROW(ct_get_or_load_many, "fails", get_or_load_many, WITH(.way = kFails), "ERR_IO(-)", "OK =1",
        "OK(1) =1", "STALE(1) ~1", "ERR_IO(-)", "MISS !", "ERR_IO(-)"),
    ROW(ct_get_or_load_many, "finds none", get_or_load_many, WITH(.way = kFindsNone), "MISS(-) !",
        "OK =1", "MISS(1) REMOVED !", "MISS(1) EXPIRED !", "MISS(-) !", "MISS !", "MISS(-) !"),
    ROW(ct_get_or_load_many, "FORCE, fails", get_or_load_many,
        WITH(.way = kFails, .flags = CT_LOAD_FORCE), "ERR_IO(-)", "ERR_IO(1) =1", "ERR_IO(1) =1",
        "ERR_IO(1) ~1", "ERR_IO(-)", "ERR_IO(-)", "ERR_IO(-)"),
    ROW(ct_memo_call, "brings", memo_call, WITH(.way = kBrings), "OK(-) =2", "OK =1",
        "OK(1) REPLACED =2", "OK(1) EXPIRED =2", "OK(-) EXPIRED =2", "MISS !", "OK(-) REMOVED =2"),
    ROW(ct_memo_call, "fails", memo_call, WITH(.way = kFails), "ERR_IO(-)", "OK =1", "OK(1) =1",
        "STALE(1) ~1", "ERR_IO(-)", "MISS !", "ERR_IO(-)"),
    ROW(ct_memo_call, "finds none", memo_call, WITH(.way = kFindsNone), "MISS(-) !", "OK =1",
        "MISS(1) REMOVED !", "MISS(1) EXPIRED !", "MISS(-) !", "MISS !", "MISS(-) !"),
    ROW(ct_memo_call, "RACE, brings", memo_call, WITH(.way = kBrings, .number = 1), "OK(-) =2",
        "OK =1", "OK >1", "OK(-) EXPIRED =2", "OK(-) EXPIRED =2", "OK(-) =2", "OK(-) REMOVED =2"),
    ROW(ct_memo_call, "RACE, fails", memo_call, WITH(.way = kFails, .number = 1), "ERR_IO(-)",
        "OK =1", "OK >1", "ERR_IO(-) ~1", "ERR_IO(-)", "ERR_IO(-) !", "ERR_IO(-)"),

    ROW(ct_get_or_lease, "", get_or_lease, USUAL, "LEASED", "OK =1", "RENEW >1", "RENEW ~1",
        "LEASED", "MISS !", "LEASED"),
    ROW(ct_get_or_lease_async, "", get_or_lease_async, USUAL, "LEASED", "OK =1", "RENEW >1",
        "RENEW ~1", "LEASED", "MISS !", "LEASED"),
    ROW(ct_get_or_lease_async, "FORCE", get_or_lease_async, WITH(.flags = CT_LOAD_FORCE), "LEASED",
        "LEASED =1", "LEASED >1", "LEASED ~1", "LEASED", "LEASED", "LEASED"),
    ROW(ct_lease_fulfil, "", lease_fulfil, USUAL, "OK =2", "OK =1", "OK REPLACED =2",
        "OK EXPIRED =2", "OK EXPIRED =2", "MISS !", "OK REMOVED =2"),
    ROW(ct_lease_fulfil, "FORCE", lease_fulfil, WITH(.flags = CT_LOAD_FORCE), "OK =2",
        "OK REPLACED =2", "OK REPLACED =2", "OK EXPIRED =2", "OK EXPIRED =2", "OK =2",
        "OK REMOVED =2"),
    ROW(ct_lease_fail, "", lease_fail, WITH(.way = kFails), "LEASED", "OK =1", "RENEW =1",
        "RENEW ~1", "LEASED", "MISS !", "LEASED"),
    ROW(ct_lease_fail, "FORCE", lease_fail, WITH(.way = kFails, .flags = CT_LOAD_FORCE), "LEASED",
        "LEASED =1", "LEASED =1", "LEASED ~1", "LEASED", "LEASED", "LEASED"),
    ROW(ct_lease_fail, "MISS", lease_fail, WITH(.way = kFindsNone), "LEASED !", "OK =1",
        "RENEW REMOVED !", "RENEW EXPIRED !", "LEASED !", "MISS !", "LEASED !"),
    ROW(ct_lease_fail, "MISS, FORCE", lease_fail, WITH(.way = kFindsNone, .flags = CT_LOAD_FORCE),
        "LEASED !", "LEASED REMOVED !", "LEASED REMOVED !", "LEASED EXPIRED !", "LEASED !",
        "LEASED !", "LEASED !"),
    ROW(ct_lease_keep, "", lease_keep, USUAL, "ERR_INVALID", "OK =1", "OK =1", "OK =1",
        "ERR_INVALID", "MISS !", "ERR_INVALID"),
    ROW(ct_lease_keep, "FORCE", lease_keep, WITH(.flags = CT_LOAD_FORCE), "ERR_INVALID", "OK =1",
        "OK =1", "OK =1", "ERR_INVALID", "ERR_INVALID", "ERR_INVALID"),

    ROW(ct_compute, "stores", run_compute, WITH(.way = kBrings), "OK(-) =2", "OK(1) REPLACED =2",
        "OK(1) REPLACED =2", "OK(-) EXPIRED =2", "OK(-) EXPIRED =2", "OK(-) =2",
        "OK(-) REMOVED =2"),
    ROW(ct_compute, "keeps the lifetime", run_compute, WITH(.way = kKeepsLifetime), "OK(-) =2",
        "OK(1) REPLACED =2", "OK(1) REPLACED >2", "OK(-) EXPIRED =2", "OK(-) EXPIRED =2",
        "OK(-) =2", "OK(-) REMOVED =2"),
    ROW(ct_compute, "stores what dies at once", run_compute, WITH(.way = kDiesAtOnce),
        "NOT_STORED(-)", "NOT_STORED(1) REMOVED", "NOT_STORED(1) REMOVED", "NOT_STORED(-) EXPIRED",
        "NOT_STORED(-) EXPIRED", "NOT_STORED(-)", "NOT_STORED(-) REMOVED"),
    ROW(ct_compute, "removes", run_compute, WITH(.way = kFindsNone), "MISS(-)", "MISS(1) REMOVED",
        "MISS(1) REMOVED", "MISS(-) EXPIRED", "MISS(-) EXPIRED", "MISS(-)", "MISS(-) REMOVED"),
    ROW(ct_compute, "leaves", run_compute, WITH(.way = kLeaves), "NOT_STORED(-)",
        "NOT_STORED(1) =1", "NOT_STORED(1) >1", "NOT_STORED(-) ~1", "NOT_STORED(-)",
        "NOT_STORED(-) !", "NOT_STORED(-)"),
    ROW(ct_compute, "discards", run_compute, WITH(.way = kDiscards), "NOT_STORED(-)",
        "NOT_STORED(1) =1", "NOT_STORED(1) >1", "NOT_STORED(-) ~1", "NOT_STORED(-) EXPIRED",
        "NOT_STORED(-) !", "NOT_STORED(-) REMOVED"),
    ROW(ct_compute, "fails", run_compute, WITH(.way = kFails), "ERR_IO(-)", "ERR_IO(1) =1",
        "ERR_IO(1) >1", "ERR_IO(-) ~1", "ERR_IO(-)", "ERR_IO(-) !", "ERR_IO(-)"),

    ROW(ct_memo_invalidate, "", memo_invalidate, USUAL, "MISS", "OK REMOVED", "OK REMOVED",
        "MISS EXPIRED", "MISS EXPIRED", "MISS", "MISS REMOVED"),
    ROW(ct_memo_clear, "", memo_clear, USUAL, "OK", "OK CLEARED", "OK CLEARED", "OK EXPIRED",
        "OK EXPIRED", "OK", "OK REMOVED"),
    ROW(ct_memo_info, "", memo_info, USUAL, "MISS", "OK =1", "OK >1", "OK ~1", "MISS EXPIRED",
        "OK !", "MISS REMOVED"),

    ROW(ct_cache_copy, "", cache_copy, USUAL, "LEASED", "OK =1", "RENEW >1", "LEASED ~1", "LEASED",
        "LEASED !", "LEASED REMOVED"),
    ROW(ct_snapshot_save, "", snapshot_save, USUAL, "MISS", "OK =1", "OK >1", "MISS ~1", "MISS",
        "MISS !", "MISS"),
    ROW(ct_snapshot_save_file, "", snapshot_save_file, USUAL, "MISS", "OK =1", "OK >1", "MISS ~1",
        "MISS", "MISS !", "MISS"),
    ROW(ct_snapshot_load, "", snapshot_load, USUAL, "OK =2", "OK =1", "OK >1", "OK EXPIRED =2",
        "OK EXPIRED =2", "OK =2", "OK REMOVED =2"),
    ROW(ct_snapshot_load_with, "", snapshot_load_with, USUAL, "OK =2", "OK =1", "OK >1",
        "OK EXPIRED =2", "OK EXPIRED =2", "OK =2", "OK REMOVED =2"),
    ROW(ct_snapshot_load_with, "AGED", snapshot_load_with, WITH(.flags = CT_SNAPSHOT_AGED),
        "ERR_UNSUPPORTED", "ERR_UNSUPPORTED =1", "ERR_UNSUPPORTED >1", "ERR_UNSUPPORTED ~1",
        "ERR_UNSUPPORTED", "ERR_UNSUPPORTED !", "ERR_UNSUPPORTED"),
    ROW(ct_snapshot_load_file, "", snapshot_load_file, USUAL, "OK =2", "OK =1", "OK >1",
        "OK EXPIRED =2", "OK EXPIRED =2", "OK =2", "OK REMOVED =2"),
    ROW(ct_snapshot_load_file_with, "", snapshot_load_file_with, USUAL, "OK =2", "OK =1", "OK >1",
        "OK EXPIRED =2", "OK EXPIRED =2", "OK =2", "OK REMOVED =2"),

    ROW(ct_len, "", len, USUAL, "MISS", "OK =1", "OK >1", "OK ~1", "MISS EXPIRED", "MISS !",
        "MISS REMOVED"),
    ROW(ct_currsize, "", currsize, USUAL, "MISS", "OK =1", "OK >1", "OK ~1", "MISS EXPIRED", "OK !",
        "MISS REMOVED"),
    ROW(ct_maxsize, "", maxsize, USUAL, "OK", "OK =1", "OK >1", "OK ~1", "OK", "OK !", "OK"),
    ROW(ct_memory, "", memory, USUAL, "OK", "OK =1", "OK >1", "OK ~1", "OK", "OK !", "OK"),
    ROW(ct_cache_curve, "", curve, USUAL, "ERR_UNSUPPORTED", "ERR_UNSUPPORTED =1",
        "ERR_UNSUPPORTED >1", "ERR_UNSUPPORTED ~1", "ERR_UNSUPPORTED", "ERR_UNSUPPORTED !",
        "ERR_UNSUPPORTED"),
    ROW(ct_cache_options, "", options, USUAL, "OK", "OK =1", "OK >1", "OK ~1", "OK", "OK !", "OK"),
    ROW(ct_entry_options_problem, "", entry_problem, USUAL, "OK", "OK =1", "OK >1", "OK ~1", "OK",
        "OK !", "OK"),
    ROW(ct_cache_stats, "", stats, USUAL, "MISS", "OK =1", "OK >1", "OK ~1", "OK", "MISS !", "OK"),
    ROW(ct_cache_stats_reset, "", stats_reset, USUAL, "OK", "OK =1", "OK >1", "OK ~1", "OK", "OK !",
        "OK"),
    ROW(ct_stats_write, "", stats_write, USUAL, "MISS", "OK =1", "OK >1", "OK ~1", "OK", "MISS !",
        "OK"),
};

/* ---- Each row in each state ----------------------------------------------------------------- */

static void fail_row(const row *row, const setting *at, const char *what) {
  fail_msg("%s %s, %s at %d with %zu tags%s: %s, not \"%s\"", row->function, row->variant,
           kStateNames[at->state], (int)at->age, at->tags, at->pinned ? ", pinned" : "", what,
           row->cells[at->state]);
}

/* Everything that left was told of and counted once. */
static void assert_departures(const row *row, const setting *at, scene *s) {
  assert_status(CT_OK, ct_clear(s->cache));
  const ct_stats stats = stats_of(s->cache);
  const uint64_t removals = s->causes[CT_CAUSE_REMOVED] + s->causes[CT_CAUSE_CLEARED];
  if (s->causes[CT_CAUSE_EVICTED] != stats.evictions ||
      s->causes[CT_CAUSE_EXPIRED] != stats.expirations || removals != stats.removals)
    fail_row(row, at, "departures are not counted as they were told");
  if (s->old_departures != (at->state == kAbsent || at->state == kNegative ? 0 : 1))
    fail_row(row, at, "the old value is not told of once");
}

/* Where a value is both over and invalidated, the listener may be told sooner. */
static bool is_as_expected(const setting *at, const char *expected, const char *actual) {
  static const char kTold[] = " REMOVED";
  if (strcmp(expected, actual) == 0) return true;
  const char *told = strstr(actual, kTold);
  if (at->state != kInvalidated || at->age < kTtl + kStale || told == NULL) return false;
  const size_t before = (size_t)(told - actual);
  return strncmp(expected, actual, before) == 0 &&
         strcmp(expected + before, told + sizeof(kTold) - 1) == 0;
}

static void assert_row(const row *row, const setting *at) {
  scene s;
  char actual[256], after[16] = "";
  scene_open(&s, row, at);
  const ct_status status = row->call(&s);
  snprintf(actual, sizeof(actual), "%s%s%s", ct_status_name(status) + 3, s.shown, s.told);
  if (s.cache != NULL) describe(&s, after, sizeof(after));
  strcat(actual, after);
  if (!is_as_expected(at, row->cells[at->state], actual)) fail_row(row, at, actual);
  if (s.cache != NULL) assert_departures(row, at, &s);
  if (s.seen.data != NULL) assert_memory_equal(kOld, s.seen.data, kSize);
  scene_close(&s);
}

static void assert_all_rows(state state, uint64_t age) {
  for (size_t i = 0; i < COUNT_OF(kRows); i++) {
    for (size_t tags = 0; tags <= 2; tags++) {
      if (tags == 0 && (state == kInvalidated || kRows[i].call == invalidate_tag)) continue;
      assert_row(&kRows[i], &(setting){state, age, tags, false});
      assert_row(&kRows[i], &(setting){state, age, tags, true});
    }
  }
}

TEST(each_call_and_an_absent_key) {
  assert_all_rows(kAbsent, 0);
}

TEST(each_call_and_a_live_value) {
  assert_all_rows(kLive, 0);
  assert_all_rows(kLive, kTtl - kAhead);
}

TEST(each_call_and_a_value_that_is_soon_to_be_renewed) {
  assert_all_rows(kSoon, kTtl - kAhead + 1);
  assert_all_rows(kSoon, kTtl - 1);
}

TEST(each_call_and_a_stale_value) {
  assert_all_rows(kPast, kTtl);
  assert_all_rows(kPast, kTtl + kStale - 1);
}

TEST(each_call_and_a_value_that_is_over) {
  assert_all_rows(kOver, kTtl + kStale);
}

TEST(each_call_and_a_remembered_miss) {
  assert_all_rows(kNegative, 0);
  assert_all_rows(kNegative, kNegativeTtl - 1);
}

TEST(each_call_and_an_invalidated_value) {
  const uint64_t kAges[] = {0, kTtl - 1, kTtl + kStale - 1, kTtl + kStale};
  for (size_t i = 0; i < COUNT_OF(kAges); i++) assert_all_rows(kInvalidated, kAges[i]);
}
