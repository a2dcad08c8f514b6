/* SPDX-License-Identifier: MIT */
/* See stage.h. */
#include "stage.h"

const uint64_t kForever = UINT64_MAX;

int rounds(int usual) {
  const char *given = getenv("CT_ROUNDS");
  return given == NULL ? usual : 1 + (int)(usual * strtoll(given, NULL, 0) / 100);
}

static uint64_t read_time(void *user_data) {
  stage *self = user_data;
  atomic_store(&self->frame, (uintptr_t)__builtin_frame_address(0));
  atomic_fetch_add(&self->readings, 1);
  return atomic_load(&self->now);
}

void open_stage(stage *self, uint64_t maxsize) {
  memset(self, 0, sizeof(*self));
  ct_options options = CT_OPTIONS_INIT;
  options.maxsize = maxsize;
  options.timer = read_time;
  options.user_data = self;
  test_allocator_init(&self->allocator);
  options.allocator = &self->allocator.hooks;
  assert_status(CT_OK, ct_cache_new_with(&options, &self->cache));
  assert_status(CT_OK, ct_set_ttl(self->cache, "k", 1, "old", 3, 1));
  self->now = 1;
  ct_cache_stats_reset(self->cache);
  self->readings = 0;
}

void close_stage(stage *self) {
  ct_cache_free(self->cache);
}

uintptr_t await_readings(stage *self, uint64_t count) {
  while (atomic_load(&self->readings) < count) sched_yield();
  const uintptr_t frame = atomic_load(&self->frame);
  ct_contains(self->cache, "k", 1);
  return frame;
}

ct_lease *take_lease(stage *self) {
  ct_lease *lease = NULL;
  assert_status(CT_LEASED, ct_get_or_lease(self->cache, "k", 1, 0, NULL, &lease));
  self->readings = 0;
  return lease;
}

static ct_status follow_script(void *user_data, const void *key, size_t key_size,
                               ct_result *result) {
  (void)key, (void)key_size;
  caller *self = user_data;
  self->loaded = true;
  const int call = atomic_fetch_add(&self->stage->loads, 1);
  if (call == 0) await_readings(self->stage, self->stage->expected);
  return self->stage->script(self->stage, call, result);
}

void *call_to_load(void *user_data) {
  caller *self = user_data;
  self->status = ct_get_or_load(self->stage->cache, "k", 1, follow_script, self, &self->value);
  return NULL;
}

void *call_to_lease(void *user_data) {
  caller *self = user_data;
  self->status =
      ct_get_or_lease(self->stage->cache, "k", 1, self->wait_ns, &self->value, &self->lease);
  return NULL;
}

void start(caller *self, stage *stage, void *(*run)(void *)) {
  const uint64_t wait_ns = self->wait_ns;
  *self = (caller){.stage = stage, .wait_ns = wait_ns};
  assert_int_equal(0, pthread_create(&self->thread, NULL, run, self));
}

void start_all(caller *callers, size_t count, stage *stage, void *(*run)(void *)) {
  for (size_t i = 0; i < count; i++) start(&callers[i], stage, run);
}

ct_lease *let_wait(stage *self, caller *callers, size_t count, void *(*run)(void *)) {
  ct_lease *lease = take_lease(self);
  start_all(callers, count, self, run);
  await_readings(self, count);
  return lease;
}

void join_all(caller *callers, size_t count) {
  for (size_t i = 0; i < count; i++) pthread_join(callers[i].thread, NULL);
}

void assert_has(caller *self, const char *value) {
  assert_status(CT_OK, self->status);
  assert_value(value, self->value);
  ct_value_release(&self->value);
}

void assert_has_nothing(const caller *self) {
  assert_null(self->value.data);
  assert_int_equal(0, self->value.pin);
}

void assert_all_have(caller *callers, size_t count, const char *value) {
  for (size_t i = 0; i < count; i++) assert_has(&callers[i], value);
}

size_t count_loaded(const caller *callers, size_t count) {
  size_t loaded = 0;
  for (size_t i = 0; i < count; i++) loaded += callers[i].loaded;
  return loaded;
}

void assert_loading_counted(const stage *self, uint64_t misses, uint64_t loads, uint64_t failures,
                            uint64_t waits) {
  const ct_stats stats = stats_of(self->cache);
  assert_int_equal(misses, stats.misses);
  assert_int_equal(loads, stats.loads);
  assert_int_equal(failures, stats.load_failures);
  assert_int_equal(waits, stats.waits);
  assert_int_equal(waits, stats.hits);
}

ct_status bring(stage *self, int call, ct_result *result) {
  (void)self, (void)call;
  return ct_result_set(result, "loaded", 6);
}
