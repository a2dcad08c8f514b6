/* SPDX-License-Identifier: MIT */
/* See contract.h. */
#include "contract.h"

/* ---- Callbacks ------------------------------------------------------------------------------ */

static uint64_t read_clock(void *user_data) {
  subject *s = user_data;
  s->readings++;
  return manual_clock_read(&s->clock);
}

static uint64_t ttu(void *user_data, const void *key, size_t key_size, const void *value,
                    size_t value_size, uint64_t now) {
  (void)key, (void)key_size, (void)value, (void)value_size;
  const subject *s = user_data;
  return s->ttu_ticks > CT_NEVER - now ? CT_NEVER : now + s->ttu_ticks;
}

static uint64_t weigh_double(void *user_data, const void *key, size_t key_size, const void *value,
                             size_t value_size) {
  (void)user_data, (void)key, (void)key_size, (void)value;
  return 2 * value_size;
}

static void count_event(void *user_data, const ct_event *event) {
  subject *s = user_data;
  if (event->cause >= 0 && event->cause < 5) s->told[event->cause]++;
}

static void count_drop(void *user_data, const void *value, size_t value_size) {
  (void)value, (void)value_size;
  ((subject *)user_data)->dropped++;
}

/* ---- A policy of our own -------------------------------------------------------------------- */

/* Evicts the lowest id: the least that a policy has to remember is which entries are there. */
typedef struct lowest_first {
  bool *present;
  size_t capacity;
} lowest_first;

static void *lowest_new(void *user_data, uint64_t maxsize) {
  (void)user_data, (void)maxsize;
  return calloc(1, sizeof(lowest_first));
}

static void lowest_free(void *state) {
  free(((lowest_first *)state)->present);
  free(state);
}

static void lowest_insert(void *state, uint32_t id, uint64_t weight, const void *key,
                          size_t key_size, uint64_t now) {
  (void)weight, (void)key, (void)key_size, (void)now;
  lowest_first *self = state;
  if (id >= self->capacity) {
    const size_t capacity = 2 * (size_t)id + 16;
    self->present = realloc(self->present, capacity);
    if (self->present == NULL) abort();
    memset(self->present + self->capacity, 0, capacity - self->capacity);
    self->capacity = capacity;
  }
  self->present[id] = true;
}

static void lowest_remove(void *state, uint32_t id) {
  ((lowest_first *)state)->present[id] = false;
}

static uint32_t lowest_victim(void *state) {
  const lowest_first *self = state;
  uint32_t id = 0;
  while (id < self->capacity && !self->present[id]) id++;
  return id;
}

static const ct_policy_ops kLowestFirst = {
    .struct_size = sizeof(ct_policy_ops),
    .state_new = lowest_new,
    .state_free = lowest_free,
    .on_insert = lowest_insert,
    .on_remove = lowest_remove,
    .victim = lowest_victim,
};

/* ---- Opening and closing -------------------------------------------------------------------- */

ct_options options_of(subject *s) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = (int32_t)s->config.policy;
  options.maxsize = CT_UNBOUNDED;
  options.shards = s->config.shards;
  options.flags = s->config.mode->flags;
  options.seed = s->seed;
  options.user_data = s;
  options.timer = read_clock;
  if (s->config.mode->listener) options.listener = count_event;
  if (s->config.mode->drop) options.drop = count_drop;
  if (s->config.mode->allocator) options.allocator = &s->allocator.hooks;

  if (s->config.weighing == BY_VALUE) options.weight_kind = CT_WEIGHT_VALUE;
  if (s->config.weighing == BY_MEMORY) options.weight_kind = CT_WEIGHT_MEMORY;
  if (s->config.weighing == BY_WEIGHER) options.weigher = weigh_double;

  if (s->config.policy == CT_POLICY_TTL) options.ttl = kLongTime;
  if (s->config.policy == CT_POLICY_TLRU) options.ttu = ttu;
  if (s->config.policy == CT_POLICY_CUSTOM) options.custom = &kLowestFirst;
  return options;
}

static uint64_t told_in_all(const subject *s) {
  uint64_t sum = 0;
  for (size_t i = 0; i < 5; i++) sum += s->told[i];
  return sum;
}

void open_with(subject *s, ct_options options) {
  if (s->cache != NULL) close_subject(s);
  memset(s->told, 0, sizeof s->told);
  s->dropped = 0;
  s->uncounted = (options.flags & CT_FLAG_NO_STATS) != 0;
  assert_null(ct_options_problem(&options));
  assert_status(CT_OK, ct_cache_new_with(&options, &s->cache));
  assert_non_null(s->cache);
}

void open_room(subject *s, ct_options options, uint64_t entries) {
  options.maxsize = entries * weight_of(s, options, 1);
  open_with(s, options);
}

void open_unbounded(subject *s) {
  open_with(s, options_of(s));
}

void close_subject(subject *s) {
  const uint64_t entries = ct_len(s->cache);
  const ct_stats stats = stats_of(s->cache);
  if (!s->uncounted) {
    assert_int_equal(stats.inserts, entries + stats.evictions + stats.expirations + stats.removals);
    assert_told(s, CT_CAUSE_EVICTED, stats.evictions);
    assert_told(s, CT_CAUSE_EXPIRED, stats.expirations);
    if (s->config.mode->listener) assert_int_equal(departed(s), told_in_all(s));
  }
  const uint64_t told = told_in_all(s);
  ct_cache_free(s->cache);
  s->cache = NULL;
  assert_int_equal(told, told_in_all(s));
  if (!s->uncounted) assert_dropped(s, stats.inserts + stats.updates);
}

/* ---- Numbered entries ----------------------------------------------------------------------- */

static void write_number(char *to, const char *prefix, unsigned i) {
  char text[32];
  snprintf(text, sizeof text, "%s-%04u", prefix, i % 10000);
  memcpy(to, text, 8);
}

number_key key_of(unsigned i) {
  number_key key = {{0}};
  write_number(key.text, "key", i);
  return key;
}

unsigned number_in(const void *key, size_t key_size) {
  unsigned number = 0;
  for (size_t i = 4; i < key_size; i++)
    number = number * 10 + ((const unsigned char *)key)[i] - '0';
  return number;
}

static char *new_value(unsigned i, size_t size) {
  char *value = malloc(size);
  assert_non_null(value);
  memset(value, '.', size);
  write_number(value, "val", i);
  return value;
}

static ct_status put_sized(subject *s, unsigned i, size_t value_size, uint64_t weight_by_count) {
  const number_key key = key_of(i);
  ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
  if (s->config.weighing == BY_COUNT) {
    options.flags = CT_ENTRY_WEIGHT;
    options.weight = weight_by_count;
  }
  char *value = new_value(i, value_size);
  const ct_status status = ct_set_with(s->cache, key.text, kKeySize, value, value_size, &options);
  free(value);
  return status;
}

ct_status put(subject *s, unsigned i) {
  const number_key key = key_of(i);
  char value[kValueSize];
  write_number(value, "val", i);
  return ct_set(s->cache, key.text, kKeySize, value, kValueSize);
}

ct_status put_units(subject *s, unsigned i, unsigned units) {
  return put_sized(s, i, (size_t)kValueSize * units, units);
}

ct_status put_oversized(subject *s, unsigned i) {
  const uint64_t more = ct_maxsize(s->cache) + 1;
  return put_sized(s, i, more < kValueSize ? kValueSize : (size_t)more, more);
}

void put_range(subject *s, unsigned begin, unsigned end) {
  for (unsigned i = begin; i < end; i++) assert_status(CT_OK, put(s, i));
}

bool is_there(subject *s, unsigned i) {
  return ct_contains(s->cache, key_of(i).text, kKeySize);
}

unsigned count_there(subject *s, unsigned begin, unsigned end) {
  unsigned count = 0;
  for (unsigned i = begin; i < end; i++) count += is_there(s, i);
  return count;
}

void assert_units(subject *s, unsigned i, unsigned units) {
  const number_key key = key_of(i);
  char *expected = new_value(i, (size_t)kValueSize * units);
  ct_value value = poisoned_value();
  assert_status(CT_OK, ct_peek(s->cache, key.text, kKeySize, &value));
  assert_int_equal(kValueSize * units, value.size);
  assert_memory_equal(expected, value.data, value.size);
  ct_value_release(&value);
  free(expected);
}

uint64_t weight_of(subject *s, ct_options options, unsigned units) {
  subject probe = *s;
  options.maxsize = CT_UNBOUNDED;
  assert_status(CT_OK, ct_cache_new_with(&options, &probe.cache));
  assert_status(CT_OK, put_units(&probe, 0, units));
  const uint64_t weight = inspect(&probe, 0).weight;
  const uint64_t dropped = s->dropped;
  ct_cache_free(probe.cache);
  s->dropped = dropped; /* the probe's does not count */
  return weight;
}

/* ---- Other helpers -------------------------------------------------------------------------- */

void give_lifetime(subject *s, ct_options *options, uint64_t ticks) {
  options->ttl = ticks;
  s->ttu_ticks = ticks;
}

void set_now(subject *s, uint64_t now) {
  s->clock.now = now;
}

ct_entry_info inspect(subject *s, unsigned i) {
  ct_entry_info info = CT_ENTRY_INFO_INIT;
  assert_status(CT_OK, ct_inspect(s->cache, key_of(i).text, kKeySize, &info));
  return info;
}

uint64_t evicted(subject *s) {
  const uint64_t count = stats_of(s->cache).evictions;
  assert_told(s, CT_CAUSE_EVICTED, count);
  return count;
}

uint64_t expired(subject *s) {
  const uint64_t count = stats_of(s->cache).expirations;
  assert_told(s, CT_CAUSE_EXPIRED, count);
  return count;
}

uint64_t departed(subject *s) {
  const ct_stats stats = stats_of(s->cache);
  return stats.updates + stats.evictions + stats.expirations + stats.removals;
}

void assert_told(const subject *s, ct_cause cause, uint64_t count) {
  if (s->config.mode->listener) assert_int_equal(count, s->told[cause]);
}

void assert_dropped(const subject *s, uint64_t count) {
  if (s->config.mode->drop) assert_int_equal(count, s->dropped);
}

void assert_same_stats(subject *s, ct_stats before) {
  const ct_stats after = stats_of(s->cache);
  assert_memory_equal(&before, &after, sizeof before);
}

/* ---- Running -------------------------------------------------------------------------------- */

/* The configuration whose check is running. */
static const configuration *g_running;

static const ct_policy kPolicies[] = {
    CT_POLICY_LRU,    CT_POLICY_FIFO,     CT_POLICY_LFU, CT_POLICY_RR,       CT_POLICY_TTL,
    CT_POLICY_TLRU,   CT_POLICY_ANY,      CT_POLICY_MRU, CT_POLICY_CLOCK,    CT_POLICY_SIEVE,
    CT_POLICY_S3FIFO, CT_POLICY_WTINYLFU, CT_POLICY_ARC, CT_POLICY_ADAPTIVE, CT_POLICY_CUSTOM,
};
static const mode kModes[] = {
    {.name = "thread-safe"},
    {.name = "thread-safe, watched", .listener = true, .drop = true, .allocator = true},
    {.name = "single-threaded", .flags = CT_FLAG_SINGLE_THREADED, .allocator = true},
    {.name = "single-threaded, listened to", .flags = CT_FLAG_SINGLE_THREADED, .listener = true},
};
static const uint32_t kShards[] = {1, 4, 16};
static const char *const kWeighings[] = {"count", "value", "memory", "weigher"};

static uint64_t seed_of_this_run(void) {
  static uint64_t seed;
  if (seed == 0) seed = test_seed();
  if (seed == 0) seed = 1; /* 0 would leave hashing to chance */
  return seed;
}

static void run_in(void (*check)(subject *s), const configuration *config) {
  subject s = {.config = *config, .seed = seed_of_this_run(), .ttu_ticks = kLongTime};
  test_allocator_init(&s.allocator);
  check(&s);
  if (s.cache != NULL) close_subject(&s);
  assert_int_equal(0, s.allocator.blocks);
}

/* CT_CONTRACT_SHARE=<n> tries one configuration in n; the seed says which. 5 divides no number
 * of policies, modes, shards or weighings, so each of these then meets all of the others. */
static size_t share_of_this_run(void) {
  const char *given = getenv("CT_CONTRACT_SHARE");
  const size_t share = given == NULL ? 1 : strtoul(given, NULL, 10);
  return share == 0 ? 1 : share;
}

void run_everywhere(void (*check)(subject *s)) {
  const size_t share = share_of_this_run();
  for (size_t i = seed_of_this_run() % share;
       i < COUNT_OF(kPolicies) * COUNT_OF(kModes) * COUNT_OF(kShards) * COUNT_OF(kWeighings);
       i += share) {
    size_t rest = i;
    static configuration config;
    config.weighing = (weighing)(rest % COUNT_OF(kWeighings));
    rest /= COUNT_OF(kWeighings);
    config.shards = kShards[rest % COUNT_OF(kShards)];
    rest /= COUNT_OF(kShards);
    config.mode = &kModes[rest % COUNT_OF(kModes)];
    rest /= COUNT_OF(kModes);
    config.policy = kPolicies[rest];

    g_running = &config;
    run_in(check, &config);
    g_running = NULL;
  }
}

int name_failed_configuration(void **state) {
  (void)state;
  if (g_running == NULL) return 0;
  print_error("failed with policy %s, %s, shards %u, weights by %s\n",
              ct_policy_name(g_running->policy), g_running->mode->name, g_running->shards,
              kWeighings[g_running->weighing]);
  g_running = NULL;
  return 0;
}
