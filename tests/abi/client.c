/* SPDX-License-Identifier: MIT */
/* A program that its user never builds again: check_clients.sh compiles it with the header of an
 * earlier release and runs it with the library of today. It calls every function of that release,
 * with arguments that cannot be mistaken for each other, and checks every field of every result. So
 * anything that moved, or changed its meaning, gives a wrong answer. Other tests check what else
 * the functions do.
 *
 * Functions that came after 0.1 are called only if the header has them: #if CT_VERSION_MINOR >=
 * 2. */
#include "client.h"

/* The user_data of all callbacks of a cache. */
typedef struct host {
  uint64_t now;
  uint64_t choices;     /* what choice was told */
  size_t blocks;        /* allocated */
  size_t drops;         /* values */
  size_t calls;         /* of loaders and functions */
  char dropped[64];     /* the value last dropped */
  char log[512];        /* "EVICTED key=value/weight " for each event */
  char file[4096];      /* a snapshot */
  size_t file_size;     /* written */
  size_t file_position; /* read */
} host;

static uint64_t tell_time(void *user_data) {
  return ((host *)user_data)->now;
}

/* What a callback was last asked about, as "key=value". */
static char asked[64];

static void note_asked(const void *key, size_t key_size, const void *value, size_t value_size) {
  snprintf(asked, sizeof(asked), "%.*s=%.*s", (int)key_size, (const char *)key, (int)value_size,
           (const char *)value);
}

/* A ttu: the entry lives until now + 10 * key_size + value_size. */
static uint64_t ttu(void *user_data, const void *key, size_t key_size, const void *value,
                    size_t value_size, uint64_t now) {
  (void)user_data;
  note_asked(key, key_size, value, value_size);
  return now + 10 * key_size + value_size;
}

static uint64_t weigh(void *user_data, const void *key, size_t key_size, const void *value,
                      size_t value_size) {
  (void)user_data;
  note_asked(key, key_size, value, value_size);
  return 100 * key_size + value_size;
}

static uint64_t choose_last(void *user_data, uint64_t count) {
  ((host *)user_data)->choices = count;
  return count - 1;
}

static void listen(void *user_data, const ct_event *event) {
  static const char *const causes[] = {"EVICTED", "EXPIRED", "REPLACED", "REMOVED", "CLEARED"};
  host *self = user_data;
  const size_t used = strlen(self->log);
  CHECK(event->cause >= CT_CAUSE_EVICTED && event->cause <= CT_CAUSE_CLEARED);
  snprintf(self->log + used, sizeof(self->log) - used, "%s %.*s=%.*s/%u ", causes[event->cause],
           (int)event->key.size, (const char *)event->key.data, (int)event->value.size,
           (const char *)event->value.data, (unsigned)event->weight);
}

static void drop(void *user_data, const void *value, size_t value_size) {
  host *self = user_data;
  self->drops++;
  snprintf(self->dropped, sizeof(self->dropped), "%.*s", (int)value_size, (const char *)value);
}

static void *allocate(void *ctx, size_t size, size_t align) {
  CHECK(size > 0 && align > 0 && (align & (align - 1)) == 0);
  ((host *)ctx)->blocks++;
  return aligned_alloc(align, (size + align - 1) / align * align);
}

static void deallocate(void *ctx, void *ptr, size_t size, size_t align) {
  CHECK(size > 0 && (align & (align - 1)) == 0);
  ((host *)ctx)->blocks--;
  free(ptr);
}

static ct_options options_for(host *self, ct_policy policy, uint64_t maxsize) {
  memset(self, 0, sizeof(*self));
  self->now = 1000;
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.maxsize = maxsize;
  options.user_data = self;
  options.timer = tell_time;
  options.listener = listen;
  return options;
}

static ct_cache *new_cache(const ct_options *options) {
  ct_cache *cache = NULL;
  CHECK(ct_options_problem(options) == NULL);
  CHECK(ct_cache_new_with(options, &cache) == CT_OK);
  CHECK(cache != NULL);
  return cache;
}

static void check_told(host *self, const char *expected) {
  if (strcmp(expected, self->log) != 0) fprintf(stderr, "told: \"%s\"\n", self->log);
  CHECK(strcmp(expected, self->log) == 0);
  self->log[0] = '\0';
}

static bool holds(ct_cache *cache, const char *key, const char *text) {
  ct_value value;
  return ct_peek(cache, key, strlen(key), &value) == CT_OK && take(&value, text);
}

static ct_status set(ct_cache *cache, const char *key, const char *value) {
  return ct_set(cache, key, strlen(key), value, strlen(value));
}

/* ---- Fixed data ---- */

static void check_names(void) {
  CHECK(strcmp("CT_ERR_NOMEM", ct_status_name(CT_ERR_NOMEM)) == 0);
  CHECK(strcmp("CT_END", ct_status_name(CT_END)) == 0);
  CHECK(strcmp(ct_status_message(CT_OK), ct_status_message(CT_MISS)) != 0);
  CHECK(strcmp("ARC", ct_policy_name(CT_POLICY_ARC)) == 0);
  ct_policy policy = CT_POLICY_LRU;
  CHECK(ct_policy_from_name("wtinylfu", &policy) == CT_OK && policy == CT_POLICY_WTINYLFU);
  CHECK(ct_policy_from_name("", &policy) == CT_ERR_INVALID && policy == 0);

  const uint32_t built_with =
      CT_VERSION_MAJOR * 1000000 + CT_VERSION_MINOR * 1000 + CT_VERSION_PATCH;
  CHECK(ct_version() >= built_with);
  CHECK(strtoul(ct_version_string(), NULL, 10) == ct_version() / 1000000);
}

static void check_initializers(void) {
  CHECK_INIT(ct_options, CT_OPTIONS_INIT);
  CHECK_INIT(ct_allocator, CT_ALLOCATOR_INIT);
  CHECK_INIT(ct_policy_ops, CT_POLICY_OPS_INIT);
  CHECK_INIT(ct_entry_options, CT_ENTRY_OPTIONS_INIT);
  CHECK_INIT(ct_entry_info, CT_ENTRY_INFO_INIT);
  CHECK_INIT(ct_stats, CT_STATS_INIT);
  CHECK_INIT(ct_load_options, CT_LOAD_OPTIONS_INIT);
  CHECK_INIT(ct_memo_options, CT_MEMO_OPTIONS_INIT);
  CHECK_INIT(ct_cache_info, CT_CACHE_INFO_INIT);
  ct_options own;
  ct_memo_own_default(&own, sizeof(own));
  CHECK(own.struct_size == sizeof(own) && own.policy == CT_POLICY_LRU && own.maxsize == 128);
}

/* ---- The cache ---- */

static void check_options(void) {
  host self;
  ct_options options = options_for(&self, CT_POLICY_FIFO, 70);
  ct_allocator allocator = CT_ALLOCATOR_INIT;
  allocator.alloc = allocate;
  allocator.free = deallocate;
  allocator.ctx = &self;
  options.weight_kind = CT_WEIGHT_VALUE;
  options.shards = 4;
  options.flags = CT_FLAG_SINGLE_THREADED | CT_FLAG_NO_STATS | CT_FLAG_PRECISE_CLOCK;
  options.ttl = 300;
  options.tti = 200;
  options.seed = 12345;
  options.ttu = ttu;
  options.weigher = weigh;
  options.choice = choose_last;
  options.drop = drop;
  options.allocator = &allocator;
  ct_cache *cache = new_cache(&options);
  CHECK(self.blocks > 0);

  ct_options in_force = CT_OPTIONS_INIT;
  CHECK(ct_cache_options(cache, &in_force) == CT_OK);
  CHECK(in_force.allocator->alloc == allocate && in_force.allocator->free == deallocate);
  CHECK(in_force.allocator->ctx == &self);
  in_force.allocator = &allocator;
  CHECK(memcmp(&options, &in_force, sizeof(options)) == 0);
  ct_cache_free(cache);
  CHECK(self.blocks == 0);

  options.shards = 3;
  CHECK(strncmp("shards", ct_options_problem(&options), 6) == 0);
  CHECK(ct_cache_new_with(&options, &cache) == CT_ERR_INVALID && cache == NULL);
}

static void check_reading(void) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 3);
  CHECK(set(cache, "key", "value") == CT_OK);
  ct_value value, second;
  CHECK(ct_get(cache, "key", 3, &value) == CT_OK);
  CHECK(ct_value_ref(&value, &second) == CT_OK);
  CHECK(take(&value, "value") && take(&second, "value"));
  CHECK(ct_get(cache, "value", 5, &value) == CT_MISS && value.data == NULL);
  CHECK(ct_peek(cache, "key", 3, &value) == CT_OK && take(&value, "value"));
  CHECK(ct_contains(cache, "key", 3) && !ct_contains(cache, "key", 2));

  char buffer[8] = "";
  size_t size = 0;
  CHECK(ct_get_copy(cache, "key", 3, buffer, sizeof(buffer), &size) == CT_OK);
  CHECK(is_text(buffer, size, "value"));
  CHECK(ct_get_copy(cache, "key", 3, buffer, 4, &size) == CT_ERR_BUFFER && size == 5);
  ct_cache_free(cache);
}

static void check_writing(void) {
  host self;
  ct_options options = options_for(&self, CT_POLICY_LRU, 1000);
  options.weigher = weigh;
  options.drop = drop;
  ct_cache *cache = new_cache(&options);
  CHECK(set(cache, "ab", "first") == CT_OK && strcmp(asked, "ab=first") == 0);
  CHECK(set(cache, "ab", "other one") == CT_OK);
  check_told(&self, "REPLACED ab=first/205 ");
  CHECK(self.drops == 1 && strcmp(self.dropped, "first") == 0);
  CHECK(ct_set_ttl(cache, "c", 1, "short", 5, 30) == CT_OK);

  ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
  entry.flags = CT_ENTRY_DEADLINE | CT_ENTRY_WEIGHT | CT_ENTRY_IF_ABSENT;
  entry.deadline = 1400;
  entry.weight = 77;
  CHECK(ct_set_with(cache, "d", 1, "dddd", 4, &entry) == CT_OK);
  CHECK(ct_set_with(cache, "d", 1, "ee", 2, &entry) == CT_EXISTS);
  ct_entry_options_init(&entry, sizeof entry);
  entry.flags = CT_ENTRY_IF_PRESENT;
  entry.ttl = 50;
  CHECK(strncmp("ttl", ct_entry_options_problem(cache, &entry), 3) == 0);
  entry.flags |= CT_ENTRY_TTL;
  CHECK(ct_entry_options_problem(cache, &entry) == NULL);
  CHECK(ct_set_with(cache, "no", 2, "f", 1, &entry) == CT_MISS);
  CHECK(ct_currsize(cache) == 209 + 105 + 77 && ct_len(cache) == 3);

  ct_entry_info info = CT_ENTRY_INFO_INIT;
  CHECK(ct_inspect(cache, "d", 1, &info) == CT_OK);
  CHECK(info.weight == 77 && info.deadline == 1400 && info.remaining == 400);
  CHECK(info.frequency == 0 && info.key_size == 1 && info.value_size == 4);
  CHECK(ct_set_lifetime(cache, "ab", 2, 20) == CT_OK);
  CHECK(ct_inspect(cache, "ab", 2, &info) == CT_OK && info.deadline == 1020);

  ct_value value, key;
  CHECK(ct_peek(cache, "d", 1, &value) == CT_OK);
  ct_entry_options_init(&entry, sizeof entry);
  entry.flags = CT_ENTRY_IF_SAME | CT_ENTRY_KEEP_TTL | CT_ENTRY_WEIGHT;
  entry.weight = 77;
  entry.same = &value;
  CHECK(ct_set_with(cache, "d", 1, "eeee", 4, &entry) == CT_OK);
  CHECK(ct_set_with(cache, "d", 1, "dddd", 4, &entry) == CT_EXISTS);
  CHECK(ct_delete_if(cache, "d", 1, &value) == CT_EXISTS && take(&value, "dddd"));
  CHECK(ct_inspect(cache, "d", 1, &info) == CT_OK && info.deadline == 1400);
  CHECK(ct_peek(cache, "d", 1, &value) == CT_OK && ct_delete_if(cache, "d", 1, &value) == CT_OK);
  CHECK(take(&value, "eeee"));
  check_told(&self, "REPLACED d=dddd/77 REMOVED d=eeee/77 ");
  ct_entry_options_init(&entry, sizeof entry);
  entry.flags = CT_ENTRY_WEIGHT;
  entry.weight = 77;
  CHECK(ct_set_with(cache, "d", 1, "dddd", 4, &entry) == CT_OK);

  CHECK(ct_setdefault(cache, "d", 1, "unused", 6, &value) == CT_OK && take(&value, "dddd"));
  CHECK(ct_pop(cache, "d", 1, &value) == CT_OK && take(&value, "dddd"));
  check_told(&self, "REMOVED d=dddd/77 ");
  CHECK(ct_expire(cache, 1025, listen, &self) == 1);
  check_told(&self, "EXPIRED ab=other one/209 EXPIRED ab=other one/209 ");
  self.now = 1029;
  CHECK(ct_contains(cache, "c", 1));
  self.now = 1030;
  CHECK(!ct_contains(cache, "c", 1) && ct_expire(cache, CT_NOW, NULL, NULL) == 1);
  check_told(&self, "EXPIRED c=short/105 ");

  int64_t initial, sum;
  memcpy(&initial, "8 bytes.", sizeof initial);
  CHECK(ct_add(cache, "n", 1, 5, initial - 5, NULL, &sum) == CT_OK && sum == initial);
  CHECK(ct_add(cache, "n", 1, 0, 7, NULL, &sum) == CT_OK && sum == initial);
  CHECK(ct_delete(cache, "n", 1) == CT_OK);
  check_told(&self, "REPLACED n=8 bytes./108 REMOVED n=8 bytes./108 ");

  CHECK(set(cache, "x", "1") == CT_OK && set(cache, "y", "22") == CT_OK);
  CHECK(ct_popitem(cache, &key, &value) == CT_OK && take(&key, "x") && take(&value, "1"));
  check_told(&self, "EVICTED x=1/101 ");
  CHECK(ct_delete(cache, "y", 1) == CT_OK && ct_delete(cache, "y", 1) == CT_MISS);
  check_told(&self, "REMOVED y=22/102 ");
  CHECK(set(cache, "z", "333") == CT_OK && ct_clear(cache) == CT_OK);
  check_told(&self, "CLEARED z=333/103 ");
  CHECK(set(cache, "too", "large") == CT_OK && ct_resize(cache, 304) == CT_OK);
  CHECK(ct_maxsize(cache) == 304 && ct_len(cache) == 0 && ct_memory(cache) > 0);
  CHECK(set(cache, "too", "large") == CT_ERR_TOO_LARGE);
  ct_cache_free(cache);
}

static void check_lifetimes(void) {
  host self;
  ct_options options = options_for(&self, CT_POLICY_TLRU, 10);
  options.ttu = ttu;
  ct_cache *cache = new_cache(&options);
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  CHECK(set(cache, "abc", "12345") == CT_OK && strcmp(asked, "abc=12345") == 0);
  CHECK(ct_inspect(cache, "abc", 3, &info) == CT_OK && info.deadline == 1035);
  ct_cache_free(cache);

  options = options_for(&self, CT_POLICY_TTL, 10);
  options.ttl = 80;
  options.tti = 60;
  cache = new_cache(&options);
  CHECK(set(cache, "abc", "12345") == CT_OK);
  CHECK(ct_inspect(cache, "abc", 3, &info) == CT_OK && info.deadline == 1060);
  self.now = 1040;
  CHECK(ct_get(cache, "abc", 3, NULL) == CT_OK);
  CHECK(ct_inspect(cache, "abc", 3, &info) == CT_OK && info.deadline == 1080);
  ct_cache_free(cache);
}

static void check_choice(void) {
  host self;
  ct_options options = options_for(&self, CT_POLICY_RR, 2);
  options.choice = choose_last;
  ct_cache *cache = new_cache(&options);
  CHECK(set(cache, "a", "1") == CT_OK && set(cache, "b", "2") == CT_OK);
  CHECK(set(cache, "c", "3") == CT_OK && self.choices == 2);
  check_told(&self, "EVICTED b=2/1 ");
  ct_cache_free(cache);
}

static bool has_two_bytes(void *user_data, const void *key, size_t key_size, const void *value,
                          size_t value_size) {
  (void)user_data;
  note_asked(key, key_size, value, value_size);
  return key_size == 1 && value_size == 2;
}

static void check_walks(void) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 10);
  CHECK(set(cache, "a", "11") == CT_OK && set(cache, "bb", "2") == CT_OK);
  static const char *const found[3][2] = {
      [CT_ORDER_COLDEST] = {"a", "bb"}, [CT_ORDER_HOTTEST] = {"bb", "a"}};
  for (int32_t order = CT_ORDER_COLDEST; order <= CT_ORDER_HOTTEST; order++) {
    ct_iter *iter;
    CHECK(ct_iter_new(cache, order, &iter) == CT_OK);
    ct_bytes key, value;
    for (size_t i = 0; i < 2; i++) {
      CHECK(ct_iter_next(iter, &key, &value) == CT_OK);
      CHECK(is_text(key.data, key.size, found[order][i]));
      CHECK(is_text(value.data, value.size, found[order][i][0] == 'a' ? "11" : "2"));
    }
    CHECK(ct_iter_next(iter, &key, &value) == CT_END);
    ct_iter_free(iter);
  }
  CHECK(ct_remove_if(cache, has_two_bytes, NULL) == 1 && !ct_contains(cache, "a", 1));
  CHECK(strcmp(asked, "a=11") == 0 || strcmp(asked, "bb=2") == 0);
  ct_cache_free(cache);
}

static void check_batches(void) {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 10);
  /* a=11, bb=2 */
  const size_t pair_ends[] = {1, 3, 5, 6};
  ct_status statuses[3];
  CHECK(ct_set_many(cache, "a11bb2", pair_ends, 2, NULL, statuses) == CT_OK);
  CHECK(statuses[0] == CT_OK && statuses[1] == CT_OK);
  CHECK(holds(cache, "a", "11") && holds(cache, "bb", "2"));

  const ct_bytes keys[] = {{"bb", 2}, {"no", 2}, {"a", 1}};
  ct_value values[3];
  CHECK(ct_get_many(cache, keys, 3, values, statuses) == CT_OK);
  CHECK(statuses[0] == CT_OK && statuses[1] == CT_MISS && statuses[2] == CT_OK);
  CHECK(take(&values[0], "2") && values[1].data == NULL && take(&values[2], "11"));

  const size_t key_ends[] = {2, 4, 5};
  size_t value_ends[3];
  char buffer[8];
  CHECK(ct_get_many_copy(cache, "bbnoa", key_ends, 3, buffer, sizeof(buffer), value_ends,
                         statuses) == CT_OK);
  CHECK(statuses[0] == CT_OK && statuses[1] == CT_MISS && statuses[2] == CT_OK);
  CHECK(value_ends[0] == 1 && value_ends[1] == 1 && is_text(buffer, value_ends[2], "211"));
  ct_cache_free(cache);
}

/* ---- A policy of its own: the newest goes first ---- */

typedef struct stack {
  host *self;
  uint64_t maxsize;
  uint32_t ids[8];
  size_t count;
  char calls[64];
} stack;

static void called(stack *state, char which) {
  state->calls[strlen(state->calls)] = which;
}

static void *stack_new(void *user_data, uint64_t maxsize) {
  static stack state;
  memset(&state, 0, sizeof(state));
  state.self = user_data;
  state.maxsize = maxsize;
  called(&state, 'n');
  return &state;
}

static void stack_free(void *state) {
  snprintf(((stack *)state)->self->log, sizeof(((stack *)state)->self->log), "%s",
           ((stack *)state)->calls);
}

static void stack_insert(void *user_data, uint32_t id, uint64_t weight, const void *key,
                         size_t key_size, uint64_t now) {
  stack *state = user_data;
  called(state, 'i');
  CHECK(weight == 1 && now == 1000 && key_size == 1);
  CHECK(*(const char *)key >= 'a' && *(const char *)key <= 'c');
  state->ids[state->count++] = id;
}

static void stack_update(void *user_data, uint32_t id, uint64_t weight, const void *key,
                         size_t key_size, uint64_t now) {
  called(user_data, 'u');
  CHECK(weight == 1 && now == 1000 && is_text(key, key_size, "a"));
  CHECK(id == ((stack *)user_data)->ids[0]);
}

static void stack_hit(void *user_data, uint32_t id, uint64_t now) {
  called(user_data, 'h');
  CHECK(now == 1000 && id == ((stack *)user_data)->ids[0]);
}

static void stack_remove(void *user_data, uint32_t id) {
  stack *state = user_data;
  called(state, 'r');
  CHECK(id == state->ids[--state->count]);
}

static void stack_clear(void *user_data) {
  called(user_data, 'c');
  ((stack *)user_data)->count = 0;
}

static void stack_resize(void *user_data, uint64_t maxsize) {
  called(user_data, 's');
  ((stack *)user_data)->maxsize = maxsize;
}

static uint32_t stack_victim(void *user_data) {
  stack *state = user_data;
  called(state, 'v');
  CHECK(state->maxsize == 1);
  return state->ids[state->count - 1];
}

static void check_custom_policy(void) {
  host self;
  ct_policy_ops ops = CT_POLICY_OPS_INIT;
  ops.state_new = stack_new;
  ops.state_free = stack_free;
  ops.on_insert = stack_insert;
  ops.on_update = stack_update;
  ops.on_hit = stack_hit;
  ops.on_remove = stack_remove;
  ops.on_clear = stack_clear;
  ops.on_resize = stack_resize;
  ops.victim = stack_victim;
  ct_options options = options_for(&self, CT_POLICY_CUSTOM, 2);
  options.custom = &ops;
  ct_cache *cache = new_cache(&options);
  CHECK(set(cache, "a", "1") == CT_OK && set(cache, "b", "2") == CT_OK);
  CHECK(set(cache, "a", "3") == CT_OK && ct_get(cache, "a", 1, NULL) == CT_OK);
  check_told(&self, "REPLACED a=1/1 ");
  CHECK(ct_resize(cache, 1) == CT_OK);
  check_told(&self, "EVICTED b=2/1 ");
  CHECK(ct_clear(cache) == CT_OK);
  ct_cache_free(cache);
  check_told(&self, "niiuhsvrc");
}

/* ---- Loading ---- */

static ct_status load(void *user_data, const void *key, size_t key_size, ct_result *result) {
  host *self = user_data;
  self->calls++;
  if (is_text(key, key_size, "fails")) return (ct_status)4711;
  CHECK(ct_result_set(result, "loaded", 6) == CT_OK);
  ct_result_deadline(result, 1234);
  ct_result_ttl(result, 60);
  ct_result_weight(result, 9);
  if (is_text(key, key_size, "unkept")) ct_result_discard(result);
  if (is_text(key, key_size, "dated")) ct_result_deadline(result, 1234);
  return CT_OK;
}

static ct_status append(void *user_data, const void *key, size_t key_size, const ct_bytes *old,
                        ct_result *result) {
  ((host *)user_data)->calls++;
  CHECK(is_text(key, key_size, "key"));
  CHECK(old != NULL && is_text(old->data, old->size, "brought"));
  ct_result_keep_ttl(result);
  return ct_result_set(result, "computed", 8);
}

static void check_loading(void) {
  host self;
  ct_options options = options_for(&self, CT_POLICY_LRU, 100);
  ct_cache *cache = new_cache(&options);
  ct_value value;
  CHECK(ct_get_or_load(cache, "key", 3, load, &self, &value) == CT_OK && take(&value, "loaded"));
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  CHECK(ct_inspect(cache, "key", 3, &info) == CT_OK && info.weight == 9 && info.deadline == 1060);
  CHECK(ct_get_or_load(cache, "dated", 5, load, &self, NULL) == CT_OK);
  CHECK(ct_inspect(cache, "dated", 5, &info) == CT_OK && info.deadline == 1234);
  CHECK(ct_get_or_load(cache, "fails", 5, load, &self, &value) == (ct_status)4711);
  CHECK(ct_get_or_load(cache, "unkept", 6, load, &self, &value) == CT_OK && take(&value, "loaded"));
  CHECK(!ct_contains(cache, "unkept", 6) && self.calls == 4);
  CHECK(ct_clear(cache) == CT_OK);

  ct_lease *lease = NULL, *other;
  CHECK(ct_get_or_lease(cache, "key", 3, 0, &value, &lease) == CT_LEASED && value.data == NULL);
  CHECK(ct_get_or_lease(cache, "key", 3, 0, &value, &other) == CT_BUSY && other == NULL);
  ct_bytes key;
  ct_lease_key(lease, &key);
  CHECK(is_text(key.data, key.size, "key"));
  ct_lease_abandon(lease);
  CHECK(ct_get_or_lease(cache, "key", 3, 0, &value, &lease) == CT_LEASED);
  ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
  entry.flags = CT_ENTRY_WEIGHT;
  entry.weight = 8;
  CHECK(ct_lease_fulfil(lease, "brought", 7, &entry, &value) == CT_OK && take(&value, "brought"));
  CHECK(ct_inspect(cache, "key", 3, &info) == CT_OK && info.weight == 8);
  CHECK(ct_get_or_lease(cache, "key", 3, 0, &value, &lease) == CT_OK && lease == NULL);
  CHECK(take(&value, "brought"));

  CHECK(ct_compute(cache, "key", 3, append, &self, &value) == CT_OK && take(&value, "computed"));
  CHECK(self.calls == 5);
  ct_cache_free(cache);
}

static ct_status renew(void *user_data, const void *key, size_t key_size, ct_result *result) {
  ct_bytes bytes;
  (void)key, (void)key_size;
  ((host *)user_data)->calls++;
  CHECK(ct_result_old(result, &bytes) == CT_OK && is_text(bytes.data, bytes.size, "old"));
  CHECK(ct_result_value(result, &bytes) == CT_MISS);
  CHECK(ct_result_set(result, "other", 5) == CT_OK);
  CHECK(ct_result_value(result, &bytes) == CT_OK && is_text(bytes.data, bytes.size, "other"));
  ct_result_not_modified(result);
  return CT_OK;
}

static void count_done(void *user_data, ct_status status, const ct_value *value, ct_lease *lease) {
  host *self = user_data;
  self->calls++;
  CHECK(lease == NULL && (value != NULL) == (status == CT_OK));
  if (value != NULL) CHECK(is_text(value->data, value->size, "1"));
}

static ct_status load_pair(void *user_data, const ct_bytes *keys, size_t count,
                           ct_result *const *results) {
  ((host *)user_data)->calls++;
  CHECK(count == 2 && is_text(keys[0].data, keys[0].size, "a"));
  CHECK(ct_result_set(results[0], "1", 1) == CT_OK);
  ct_result_tag(results[0], "tag", 3);
  ct_result_fail(results[1], CT_ERR_IO);
  return CT_OK;
}

static void check_waiting(void) {
  host self;
  const ct_options options = options_for(&self, CT_POLICY_LRU, 100);
  ct_cache *cache = new_cache(&options);
  ct_value values[3];
  ct_status statuses[3];
  ct_lease *lease, *none;
  ct_wait *told, *cancelled;
  CHECK(ct_get_or_lease(cache, "k", 1, 0, NULL, &lease) == CT_LEASED);
  CHECK(ct_get_or_lease_async(cache, "k", 1, NULL, count_done, &self, NULL, &none, &told) ==
        CT_PENDING);
  CHECK(ct_get_or_lease_async(cache, "k", 1, NULL, count_done, &self, &values[0], &none,
                              &cancelled) == CT_PENDING);
  CHECK(ct_wait_cancel(cancelled) && self.calls == 0);
  CHECK(ct_lease_fulfil(lease, "1", 1, NULL, NULL) == CT_OK && self.calls == 1);
  CHECK(!ct_wait_cancel(told));
  const size_t ends[] = {1, 2, 3};
  CHECK(ct_get_or_load_many(cache, "akb", ends, 3, load_pair, &self, NULL, values, statuses) ==
        CT_OK);
  CHECK(self.calls == 2 && statuses[2] == CT_ERR_IO);
  CHECK(ct_contains(cache, "a", 1) && ct_invalidate_tag(cache, "tag", 3, 0) == CT_OK);
  CHECK(!ct_contains(cache, "a", 1) && ct_contains(cache, "k", 1));
  CHECK(take(&values[0], "1") && take(&values[1], "1") && values[2].data == NULL);
  ct_cache_free(cache);
}

static void check_renewing(void) {
  host self;
  ct_options options = options_for(&self, CT_POLICY_LRU, 100);
  options.ttl = 100;
  options.refresh_ahead = 20;
  options.stale = 50;
  options.retry = 5;
  options.negative_ttl = 10;
  options.jitter = 0;
  ct_cache *cache = new_cache(&options);
  ct_value value;
  ct_lease *lease;
  CHECK(ct_set(cache, "key", 3, "old", 3) == CT_OK);
  self.now += 90;
  CHECK(ct_get_or_lease(cache, "key", 3, 0, &value, &lease) == CT_RENEW && take(&value, "old"));
  CHECK(ct_lease_keep(lease, NULL) == CT_OK);
  self.now += 110;
  ct_load_options how = CT_LOAD_OPTIONS_INIT;
  CHECK(ct_get_or_lease(cache, "key", 3, 0, NULL, &lease) == CT_RENEW);
  CHECK(ct_get_or_load_with(cache, "key", 3, renew, &self, &how, &value) == CT_STALE);
  CHECK(take(&value, "old"));
  ct_lease_fail(lease, CT_ERR_IO);
  how.flags = CT_LOAD_FORCE;
  how.timeout_ns = how.stale_after_ns = 1;
  CHECK(ct_get_or_load_with(cache, "key", 3, renew, &self, &how, &value) == CT_OK);
  CHECK(take(&value, "old") && self.calls == 1);
  ct_stats stats = CT_STATS_INIT;
  CHECK(ct_cache_stats(cache, &stats) == CT_OK && stats.shared_failures == 0);
  CHECK(stats.renewals == 2 && stats.renewal_failures == 1 && stats.stale_served == 2);
  CHECK(ct_get_or_lease(cache, "none", 4, 0, NULL, &lease) == CT_LEASED);
  ct_lease_fail(lease, CT_MISS);
  CHECK(ct_get_or_lease(cache, "none", 4, 0, NULL, &lease) == CT_MISS && lease == NULL);
  CHECK(ct_cache_stats(cache, &stats) == CT_OK && stats.negative_hits == 1);
  ct_cache_free(cache);
}

/* Counts the samples, each in its line. */
static ct_status count_samples(void *user_data, const void *data, size_t size) {
  const char *bytes = data;
  for (size_t i = 0; i < size; i++) *(int *)user_data += bytes[i] == '{';
  return CT_OK;
}

static void check_stats(void) {
  host self;
  ct_options options = options_for(&self, CT_POLICY_LRU, 50);
  options.weigher = weigh;
  options.maxsize = 250;
  ct_cache *cache = new_cache(&options);
  /* In the order of the fields: 7 hits, 2 misses, 5 inserts, 1 update, 2 evictions of 202, 1
   * expiration, 1 removal, 1 rejection, 1 load of 13 ticks, 1 failed, 2 pins. */
  CHECK(set(cache, "a", "1") == CT_OK && set(cache, "a", "1") == CT_OK);
  CHECK(set(cache, "b", "2") == CT_OK && set(cache, "c", "33") == CT_OK);
  CHECK(ct_popitem(cache, NULL, NULL) == CT_OK);
  for (int i = 0; i < 7; i++) CHECK(ct_get(cache, "c", 1, NULL) == CT_OK);
  CHECK(ct_set_lifetime(cache, "c", 1, 5) == CT_OK && ct_expire(cache, 1005, NULL, NULL) == 1);
  CHECK(set(cache, "d", "4") == CT_OK && ct_delete(cache, "d", 1) == CT_OK);
  CHECK(set(cache, "abc", "") == CT_ERR_TOO_LARGE);
  ct_lease *lease;
  CHECK(ct_get_or_lease(cache, "e", 1, 0, NULL, &lease) == CT_LEASED);
  self.now += 13;
  ct_value values[2];
  CHECK(ct_lease_fulfil(lease, "5", 1, NULL, &values[0]) == CT_OK);
  CHECK(ct_value_ref(&values[0], &values[1]) == CT_OK);
  CHECK(ct_get_or_lease(cache, "f", 1, 0, NULL, &lease) == CT_LEASED);
  ct_lease_abandon(lease);

  ct_stats stats = CT_STATS_INIT;
  CHECK(ct_cache_stats(cache, &stats) == CT_OK);
  const ct_stats expected = {
      sizeof(stats), 7, 2, 5, 1, 2, 202, 1, 1, 1, 1, 1, 13, 0, 2, 0, 0, 0, 0, 0, {0}};
  uint64_t loads = 0;
  for (int i = 0; i < 12; i++) loads += stats.load_buckets[i];
  CHECK(loads == stats.loads);
  memset(stats.load_buckets, 0, sizeof(stats.load_buckets)); /* these tell real time */
  CHECK(memcmp(&expected, &stats, sizeof(stats)) == 0);
  const char *name = "cache";
  int samples = 0;
  CHECK(ct_stats_write(&cache, &name, 1, count_samples, &samples) == CT_OK && samples >= 35);
  CHECK(ct_cache_stats_reset(cache) == CT_OK && ct_cache_stats(cache, &stats) == CT_OK);
  CHECK(stats.hits == 0 && stats.load_ticks == 0);
  const double scale = 1;
  double ratio;
  CHECK(ct_cache_curve(cache, &scale, 1, &ratio) == CT_ERR_UNSUPPORTED);
  ct_value_release(&values[0]);
  ct_value_release(&values[1]);
  CHECK(ct_cache_stats(cache, &stats) == CT_OK && stats.pinned == 0);
  ct_cache_free(cache);
}

/* ---- Keys and memoized functions ---- */

static void check_keys(void) {
  /* Recorded: users may have stored keys, and must find them again. */
  static const char expected[] =
      "Nn"
      "Bi\1\0\0\0\0\0\0\0"
      "Ii\xfe\xff\xff\xff\xff\xff\xff\xff"
      "Ii\3\0\0\0\0\0\0\0"
      "Ff\0\0\0\0\0\0\xe0?"
      "Ss\4\0\0\0text"
      "Xx\5\0\0\0bytes"
      "T(n)"
      "k\x14\0\0\0\4\0\0\0nameXx\1\0\0\0v";
  ct_key *key = ct_key_new(CT_KEY_TYPED);
  CHECK(key != NULL);
  ct_key_tuple_end(key); /* a mistake, which reset forgets */
  const void *data;
  size_t size;
  CHECK(ct_key_data(key, &data, &size) == CT_ERR_INVALID && data == NULL && size == 0);
  CHECK(strncmp("tuple", ct_key_problem(key), 5) == 0);
  ct_key_reset(key);
  CHECK(ct_key_problem(key) == NULL);
  ct_key_null(key);
  ct_key_bool(key, true);
  ct_key_int(key, -2);
  ct_key_uint(key, 3);
  ct_key_double(key, 0.5);
  ct_key_text(key, "text", 4);
  ct_key_bytes(key, "bytes", 5);
  ct_key_tuple_begin(key);
  ct_key_null(key);
  ct_key_tuple_end(key);
  ct_key_name(key, "name", 4);
  ct_key_bytes(key, "v", 1);
  CHECK(ct_key_data(key, &data, &size) == CT_OK);
  CHECK(size == sizeof(expected) - 1 && memcmp(expected, data, size) == 0);
  ct_key_free(key);
}

static ct_status function(void *user_data, void *self, const void *args, ct_result *result) {
  host *it = user_data;
  it->calls++;
  CHECK(self == it->file && strcmp("args", args) == 0);
  return ct_result_set(result, "result", 6);
}

static ct_status add_key(void *user_data, void *self, const void *args, ct_key *key) {
  CHECK(self == ((host *)user_data)->file);
  ct_key_bytes(key, args, strlen(args));
  return CT_OK;
}

static ct_cache *cache_of(void *user_data, void *self) {
  host *it = user_data;
  CHECK(self == it->file);
  ct_cache *cache;
  memcpy(&cache, it->log, sizeof(cache));
  return cache;
}

static void check_memo(void) {
  host it = {.now = 0};
  void *self = it.file;
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 33);
  memcpy(it.log, &cache, sizeof(cache));
  ct_options own = CT_OPTIONS_INIT;
  own.maxsize = 44;
  enum { kShared, kEach, kOwn };
  for (int where = kShared; where <= kOwn; where++) {
    ct_memo_options options = CT_MEMO_OPTIONS_INIT;
    options.flags = CT_MEMO_TYPED | CT_MEMO_RACE;
    options.user_data = &it;
    options.fn = function;
    options.key = add_key;
    options.cache = where == kShared ? cache : NULL;
    options.cache_of = where == kEach ? cache_of : NULL;
    options.own = where == kOwn ? &own : NULL;
    options.prefix = "pre";
    options.prefix_size = 3;
    ct_memo *memo = NULL;
    CHECK(ct_memo_problem(&options) == NULL && ct_memo_new(&options, &memo) == CT_OK);
    ct_cache *used = ct_memo_cache(memo, self);
    CHECK(where == kOwn ? ct_maxsize(used) == 44 : used == cache);

    it.calls = 0;
    ct_value value;
    CHECK(ct_memo_call(memo, self, "args", &value) == CT_OK && take(&value, "result"));
    CHECK(ct_memo_call(memo, self, "args", &value) == CT_OK && take(&value, "result"));
    CHECK(ct_memo_call(memo, self, "args", NULL) == CT_OK && it.calls == 1);
    ct_cache_info info = CT_CACHE_INFO_INIT;
    CHECK(ct_memo_info(memo, self, &info) == CT_OK);
    CHECK(info.hits == 2 && info.misses == 1 && info.currsize == 1 && info.flags == 0);
    CHECK(info.maxsize == ct_maxsize(used) && info.reserved == 0);

    ct_key *key = ct_key_new(0);
    const void *data;
    size_t size;
    CHECK(ct_memo_key(memo, self, "args", key) == CT_OK);
    CHECK(ct_key_data(key, &data, &size) == CT_OK && ct_contains(used, data, size));
    CHECK(ct_memo_invalidate(memo, self, "args") == CT_OK && !ct_contains(used, data, size));
    ct_key_free(key);
    ct_memo_forget(memo, self);
    CHECK(ct_memo_info(memo, self, &info) == CT_OK && info.hits == 0 && info.misses == 0);
    CHECK(ct_memo_call(memo, self, "args", NULL) == CT_OK && ct_memo_clear(memo, self) == CT_OK);
    CHECK(ct_memo_info(memo, self, &info) == CT_OK && info.misses == 0 && info.currsize == 0);
    ct_memo_free(memo);
  }
  ct_cache_free(cache);
}

/* ---- Snapshots ---- */

static ct_status write_bytes(void *user_data, const void *data, size_t size) {
  host *self = user_data;
  CHECK(size > 0 && size <= sizeof(self->file) - self->file_size);
  memcpy(self->file + self->file_size, data, size);
  self->file_size += size;
  return CT_OK;
}

static ct_status read_bytes(void *user_data, void *buffer, size_t capacity, size_t *got) {
  host *self = user_data;
  const size_t left = self->file_size - self->file_position;
  *got = left < capacity ? left : capacity;
  memcpy(buffer, self->file + self->file_position, *got);
  self->file_position += *got;
  return CT_OK;
}

static void check_copy(void) {
  host self;
  ct_options options = options_for(&self, CT_POLICY_LRU, 3);
  ct_cache *cache = new_cache(&options);
  CHECK(ct_set_ttl(cache, "a", 1, "1", 1, 10) == CT_OK && ct_set(cache, "b", 1, "2", 1) == CT_OK);
  ct_cache *copy = NULL;
  CHECK(ct_cache_copy(cache, &copy) == CT_OK && copy != NULL && copy != cache);
  ct_cache_free(cache);
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  CHECK(ct_inspect(copy, "a", 1, &info) == CT_OK && info.deadline == self.now + 10);
  CHECK(ct_len(copy) == 2 && ct_maxsize(copy) == 3 && holds(copy, "b", "2"));
  ct_cache_free(copy);
  CHECK(self.log[0] == '\0');
}

static void check_snapshots(void) {
  static const char path[] = "snapshot";
  host self;
  ct_options options = options_for(&self, CT_POLICY_LRU, 10);
  ct_cache *from = new_cache(&options);
  ct_cache *to = new_cache(&options);
  CHECK(set(from, "key", "value") == CT_OK);
  CHECK(ct_snapshot_save(from, write_bytes, &self) == CT_OK && self.file_size > 0);
  CHECK(ct_snapshot_load(to, read_bytes, &self) == CT_OK && holds(to, "key", "value"));

  CHECK(set(from, "other", "file") == CT_OK);
  CHECK(ct_snapshot_save_file(from, path) == CT_OK);
  CHECK(ct_snapshot_load_file(to, path) == CT_OK && holds(to, "other", "file"));
  CHECK(ct_clear(to) == CT_OK);
  self.file_position = 0;
  CHECK(ct_snapshot_load_with(to, read_bytes, &self, 0) == CT_OK && holds(to, "key", "value"));
  CHECK(ct_snapshot_load_file_with(to, path, 0) == CT_OK && holds(to, "other", "file"));
  CHECK(ct_snapshot_load_with(to, read_bytes, &self, CT_SNAPSHOT_AGED) == CT_ERR_UNSUPPORTED);
  CHECK(ct_snapshot_load_file_with(to, path, CT_SNAPSHOT_AGED) == CT_ERR_UNSUPPORTED);
  CHECK(remove(path) == 0);
  CHECK(ct_snapshot_load_file(to, path) == CT_ERR_IO);
  ct_cache_free(from);
  ct_cache_free(to);

  options.timer = NULL;
  options.ttl = UINT64_C(3600000000000);
  from = new_cache(&options);
  to = new_cache(&options);
  CHECK(set(from, "key", "value") == CT_OK);
  CHECK(ct_snapshot_save_file(from, path) == CT_OK);
  CHECK(ct_snapshot_load_file_with(to, path, CT_SNAPSHOT_AGED) == CT_OK);
  CHECK(holds(to, "key", "value"));
  CHECK(remove(path) == 0);
  ct_cache_free(from);
  ct_cache_free(to);
}

int main(void) {
  check_names();
  check_initializers();
  check_options();
  check_reading();
  check_writing();
  check_lifetimes();
  check_choice();
  check_walks();
  check_batches();
  check_custom_policy();
  check_loading();
  check_renewing();
  check_waiting();
  check_stats();
  check_keys();
  check_memo();
  check_copy();
  check_snapshots();
  return 0;
}
