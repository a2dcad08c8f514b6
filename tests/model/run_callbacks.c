/* SPDX-License-Identifier: MIT */
/* See run_state.h. The callbacks of a cache. */
#include "run_state.h"

/* ---- Callbacks ------------------------------------------------------------------------------ */

static uint64_t mixed(uint64_t prefix, size_t size) {
  return (prefix * 0x9e3779b97f4a7c15 ^ size) >> 7;
}

uint64_t weight_of(const run *r, uint64_t prefix, size_t size) {
  return r->weights[mixed(prefix, size) % 8];
}

uint64_t deadline_of(uint64_t prefix, size_t size, uint64_t now) {
  static const uint64_t kTerms[] = {0, 1, 2, 5, 10, 20, 50, 200};
  const uint64_t choice = mixed(prefix, size) % 24;
  if (choice == 0) return 0;
  if (choice == 1) return now - (now != 0);
  if (choice <= 5) return CT_NEVER;
  return model_sum(now, kTerms[choice % 8]);
}

uint64_t on_timer(void *user_data) {
  run *r = user_data;
  r->timer_reads++;
  return r->clock;
}

uint64_t on_ttu(void *user_data, const void *key, size_t key_length, const void *value, size_t size,
                uint64_t now) {
  run *r = user_data;
  if (key_number(r, key, key_length) < 0) complain(r, "ttu was asked about a strange key");
  if (now != r->model.now) complain(r, "ttu was told another time");
  return deadline_of(read_prefix(r, value, size), size, now);
}

uint64_t on_weigh(void *user_data, const void *key, size_t key_length, const void *value,
                  size_t size) {
  run *r = user_data;
  if (key_number(r, key, key_length) < 0) complain(r, "weigher was asked about a strange key");
  return weight_of(r, read_prefix(r, value, size), size);
}

uint64_t on_choice(void *user_data, uint64_t count) {
  run *r = user_data;
  const uint64_t answer = choice(&r->source);
  if (r->choice_count == kEvents) {
    complain(r, "choice was asked too often");
    return answer;
  }
  r->choices[r->choice_count].count = count;
  r->choices[r->choice_count++].answer = answer;
  return answer;
}

static void note(run *r, event_log *log, const ct_event *e) {
  if (log->count == kEvents) {
    complain(r, "too many events");
    return;
  }
  event *to = &log->events[log->count++];
  to->key = key_number(r, e->key.data, e->key.size);
  to->prefix = read_prefix(r, e->value.data, e->value.size);
  to->size = e->value.size;
  to->weight = e->weight;
  to->cause = e->cause;
  if (to->key < 0) complain(r, "an event has a strange key");
  if (e->key.data == NULL || e->value.data == NULL) complain(r, "an event has no address");
  if (e->reserved != 0) complain(r, "an event's reserved field is not 0");
}

void on_event(void *user_data, const ct_event *e) {
  run *r = user_data;
  note(r, &r->heard, e);
}

void on_visit(void *user_data, const ct_event *e) {
  run *r = user_data;
  note(r, &r->visited, e);
}

void on_drop(void *user_data, const void *value, size_t size) {
  run *r = user_data;
  const uint64_t prefix = read_prefix(r, value, size);
  if (value == NULL) complain(r, "drop was given no address");
  if (size < 8)
    r->small_dropped[size]++;
  else if (r->drop_count == kEvents)
    complain(r, "too many drops");
  else
    r->drops[r->drop_count++] = prefix;
}

bool matches(const run *r, int key, uint64_t prefix) {
  return (key + (int)(prefix % 1000)) % r->match_modulus == r->match_rest;
}

bool on_match(void *user_data, const void *key, size_t key_length, const void *value, size_t size) {
  run *r = user_data;
  const int number = key_number(r, key, key_length);
  const uint64_t prefix = read_prefix(r, value, size);
  if (number < 0 || !model_is_kept(&r->model, number) || key == NULL || value == NULL) {
    complain(r, "match was asked about what is not there");
    return false;
  }
  if (prefix_of(r->model.entries[number].stamp, size) != prefix)
    complain(r, "match was shown another value");
  r->asked[number]++;
  return matches(r, number, prefix);
}

bool weighs_memory(const run *r) {
  return r->options.weight_kind == CT_WEIGHT_MEMORY && r->options.weigher == NULL;
}

bool reads_freely(const run *r) {
  return weighs_memory(r) || (r->options.flags & CT_FLAG_CURVE) != 0;
}

/* ---- The custom policy ---------------------------------------------------------------------- */

static int custom_find(const custom_state *state, uint32_t id) {
  for (int i = 0; i < state->count; i++)
    if (state->ids[i] == id) return i;
  return -1;
}

static void custom_erase(custom_state *state, int at) {
  state->count--;
  memmove(&state->ids[at], &state->ids[at + 1], (size_t)(state->count - at) * sizeof state->ids[0]);
  memmove(&state->weights[at], &state->weights[at + 1],
          (size_t)(state->count - at) * sizeof state->weights[0]);
}

static void custom_append(custom_state *state, uint32_t id, uint64_t weight) {
  state->ids[state->count] = id;
  state->weights[state->count++] = weight;
}

/* In a cache without lifetimes the timer is not read, so now tells nothing. */
static void custom_check(custom_state *state, const void *key, size_t size, uint64_t now) {
  run *r = state->run;
  if (key != NULL && key_number(r, key, size) < 0) complain(r, "the policy was told a strange key");
  if (!r->setup.timeless && now != r->model.now) complain(r, "the policy was told another time");
}

static void *custom_new(void *user_data, uint64_t maxsize) {
  run *r = user_data;
  custom_state *state = calloc(1, sizeof *state);
  if (state == NULL) return NULL;
  state->run = r;
  if (maxsize != r->model.maxsize) complain(r, "the policy was told another maxsize");
  r->states[r->state_count++] = state;
  return state;
}

static void custom_insert(void *data, uint32_t id, uint64_t weight, const void *key, size_t size,
                          uint64_t now) {
  custom_state *state = data;
  custom_check(state, key, size, now);
  if (custom_find(state, id) >= 0 || state->count == MODEL_KEYS)
    complain(state->run, "the policy was given an id that is in use");
  else
    custom_append(state, id, weight);
}

static void custom_update(void *data, uint32_t id, uint64_t weight, const void *key, size_t size,
                          uint64_t now) {
  custom_state *state = data;
  custom_check(state, key, size, now);
  const int at = custom_find(state, id);
  if (at < 0) {
    complain(state->run, "the policy was told of an update of an unknown id");
    return;
  }
  custom_erase(state, at);
  custom_append(state, id, weight);
}

static void custom_reweigh(void *data, uint32_t id, uint64_t weight) {
  custom_state *state = data;
  const int at = custom_find(state, id);
  if (at < 0)
    complain(state->run, "the policy was told the weight of an unknown id");
  else
    state->weights[at] = weight;
}

static void custom_hit(void *data, uint32_t id, uint64_t now) {
  custom_state *state = data;
  custom_check(state, NULL, 0, now);
  if (custom_find(state, id) < 0)
    complain(state->run, "the policy was told of a use of an unknown id");
  state->run->custom_uses++;
}

static void custom_remove(void *data, uint32_t id) {
  custom_state *state = data;
  const int at = custom_find(state, id);
  if (at < 0)
    complain(state->run, "the policy was told that an unknown id left");
  else
    custom_erase(state, at);
}

static void custom_clear(void *data) {
  custom_state *state = data;
  state->count = 0;
}

static void custom_resize(void *data, uint64_t maxsize) {
  custom_state *state = data;
  if (maxsize != state->run->model.maxsize)
    complain(state->run, "the policy was told another limit");
}

static uint32_t custom_victim(void *data) {
  custom_state *state = data;
  if (state->count == 0) complain(state->run, "an empty policy was asked for a victim");
  return state->ids[0];
}

const ct_policy_ops kFullOps = {sizeof(ct_policy_ops), custom_new,    free,          custom_insert,
                                custom_update,         custom_hit,    custom_remove, custom_clear,
                                custom_resize,         custom_victim, custom_reweigh};

const ct_policy_ops kSpareOps = {sizeof(ct_policy_ops), NULL, NULL, custom_insert, NULL, NULL,
                                 custom_remove,         NULL, NULL, custom_victim, NULL};

void check_custom_weights(run *r) {
  if (r->setup.spare) return;
  uint64_t weight = 0;
  for (int s = 0; s < r->state_count; s++)
    for (int i = 0; i < r->states[s]->count; i++) weight += r->states[s]->weights[i];
  check_equal(r, ct_weight(r->cache), weight);
}

void check_custom_policy(run *r) {
  int count = 0;
  for (int s = 0; s < r->state_count; s++) count += r->states[s]->count;
  check_equal(r, ct_len(r->cache), count);
  if (!r->setup.spare) check_equal(r, r->uses, r->custom_uses);
}
