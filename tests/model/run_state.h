/* SPDX-License-Identifier: MIT */
/* What the parts of a run share: its state, and what each of them offers the others. */
#ifndef RUN_STATE_H
#define RUN_STATE_H

#include <inttypes.h>

#include "internal.h"
#include "model.h"
#include "run.h"
#include "snapshots.h"
#include "support.h"

/* ---- What a run knows ----------------------------------------------------------------------- */

enum {
  kBatch = 6,         /* keys of a get_many and the like */
  kEvents = 2048,     /* that one call may cause */
  kHeld = 42,         /* pinned values, between two operations */
  kLeases = 6,        /* not ended yet */
  kWaits = 6,         /* calls that wait for leases without a thread, and may get them */
  kStates = 32,       /* of a custom policy: one a shard, and as many for a copy */
  kPattern = 1 << 18, /* bytes that values are cut from */
  kShifts = 1024,     /* where they may begin */
  kLargestValue = kPattern - kShifts,
  kLargestKey = 70000,
  kTags = 3, /* that entries may have */
  kStamps = RUN_STEPS * kBatch + kLeases + kWaits + 1
};

typedef struct event {
  int key;
  uint64_t prefix; /* the first bytes of the value, which tell its stamp */
  size_t size;
  uint64_t weight;
  int32_t cause;
} event;

typedef struct event_log {
  event events[kEvents];
  int count;
  int taken;
} event_log;

/* A value, from the store that brought it to its drop. */
typedef struct copy {
  size_t size;
  bool stored; /* it has been in the cache */
  int stores;  /* how often; a value that is stored again is another one */
  bool cached; /* it is in the cache now */
  bool due;    /* it left, and no pin is left */
  bool dropped;
  int pins;
  uint64_t deadline; /* when it left */
  unsigned tags;     /* since it was stored */
  uint64_t weight;   /* since it was stored; unknown where memory is weighed */
  bool walked;       /* the walk has shown it */
  bool listed;       /* the walk may show it */
} copy;

typedef struct held_value {
  ct_value value;
  uint64_t stamp;
  const void *key; /* the entry's key if this pins it too, else NULL */
  int stores;      /* of its copy, when it came out */
} held_value;

typedef struct open_lease {
  ct_lease *lease;
  int key;
  uint64_t started;
  bool overtaken;    /* its key was written since */
  unsigned outdated; /* the tags that were invalidated since */
  bool renews;       /* the entry of that stamp, which it pins */
  bool forced;       /* and which was not handed out */
  uint64_t stamp;
} open_lease;

/* A call that waits without a thread. */
typedef struct open_wait {
  struct run *run;
  bool open;
  uint64_t number; /* who came first to a load has the lower one */
  int key;
  bool forces;
  ct_lease *lease; /* of the load that it waits for */
  bool overtaken;  /* that load was */
  ct_wait *handle; /* NULL: it has none */
  bool cancels;    /* the callback gives the handle back */

  /* What the callback was told. */
  int calls;
  ct_status status;
  bool has_value;
  uint64_t prefix;
  size_t size;
  ct_lease *got;
} open_wait;

/* A policy of the caller's: first in, first out. */
typedef struct custom_state {
  struct run *run;
  uint32_t ids[MODEL_KEYS];
  uint64_t weights[MODEL_KEYS];
  int count;
} custom_state;

/* How a run is set up, beside its ct_options. */
typedef struct setup {
  bool timeless;  /* no entry gets a lifetime */
  bool backwards; /* the clock may go back */
  bool spare;     /* the custom policy has no optional functions */
  bool huge;      /* weights near 2^63 and 2^64 */
  bool bulky;     /* some values are large */
  bool long_keys; /* some keys are long */
  bool allocator; /* memory comes from the test's allocator */
  bool loads;     /* values are loaded and computed, too */
  int keys;
  int crowd; /* about how many entries shall fit */
} setup;

/* An iterator that is open from step to step. */
typedef struct walk {
  ct_iter *iter;
  int32_t order;
  uint64_t must[MODEL_KEYS]; /* the stamp that the walk has to show; 0: none */
  uint64_t coldest[MODEL_KEYS];
  int count; /* in coldest */
  int at;    /* the place in coldest that was shown last */
} walk;

typedef struct run {
  custom_state shared_state; /* first: a policy without state_new is handed user_data */
  custom_state *states[kStates];
  int state_count;
  uint64_t custom_uses;

  uint64_t number; /* the run was drawn from it; 0: from bytes */
  choices source;
  setup setup;
  ct_options options;
  test_allocator allocator;
  uint64_t weights[8];
  uint64_t clock;
  ct_cache *cache;
  model model;
  uint64_t uses;

  uint64_t stamps; /* given out */
  copy copies[kStamps];
  held_value held[kHeld + 1];
  int held_count;
  open_lease leases[kLeases + kWaits];
  int lease_count;
  open_wait waits[kWaits];
  uint64_t wait_number;
  walk walk;

  /* What the callbacks saw of the call that is running. */
  event_log heard;
  event_log visited;
  struct {
    uint64_t count, answer;
  } choices[kEvents];
  int choice_count, choice_taken;
  uint64_t drops[kEvents]; /* stamps */
  int drop_count;
  int timer_reads;
  int match_modulus, match_rest;
  int asked[MODEL_KEYS]; /* how often match was asked */
  const char *complaint;

  /* Copies whose drop was due, and that were dropped; small ones cannot be told apart. */
  uint64_t small_due[8], small_dropped[8];
  uint64_t large_due, large_dropped;

  int step;
  const char *operation;
  int key;
  uint32_t conditions; /* of a store: CT_ENTRY_... */
  ct_status answer;    /* to the store */
  bool writes;         /* the operation may reclaim */
  bool stores_next;    /* the next one shall be a store, which finds much to reclaim */
} run;

/* ---- run_state.c ---------------------------------------------------------------------------- */

/* Reports that the run has failed; does not return. */
void mismatch(const run *r, const char *file, int line, const char *what);

#define check(r, condition) ((condition) ? (void)0 : mismatch(r, __FILE__, __LINE__, #condition))

void check_same(const run *r, const char *file, int line, const char *what, uint64_t expected,
                uint64_t actual);

#define check_equal(r, expected, actual) \
  check_same(r, __FILE__, __LINE__, #actual, (uint64_t)(expected), (uint64_t)(actual))

/* Notes a failure in a callback, which must not unwind. */
void complain(run *r, const char *what);

uint64_t below(run *r, uint64_t n);
bool one_in(run *r, uint64_t n);

/* A key is its number in two bytes and some more; number 0 is empty, the last one may be long. */
size_t key_size(const run *r, int key);

const void *key_data(const run *r, int key);

/* Returns -1 if these bytes are no key of the test. */
int key_number(const run *r, const void *data, size_t size);

uint64_t prefix_of(uint64_t stamp, size_t size);

/* A short value has the lowest bytes of its stamp, as these tell most. This moves them to where the
 * bytes of a number begin on this machine, and back. */
static inline bool has_lowest_behind(size_t size) {
  return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ && size > 0 && size < 8;
}

static inline uint64_t to_front(uint64_t stamp, size_t size) {
  return has_lowest_behind(size) ? stamp << 8 * (8 - size) : stamp;
}

static inline uint64_t from_front(uint64_t bytes, size_t size) {
  return has_lowest_behind(size) ? bytes >> 8 * (8 - size) : bytes;
}

/* A value is its stamp, as far as it goes, and then a stretch of the pattern. */
void fill_value(unsigned char *to, uint64_t stamp, size_t size);

bool is_value(const void *data, uint64_t stamp, size_t size);

/* Checks the whole value that a callback was shown, and returns its prefix. */
uint64_t read_prefix(run *r, const void *data, size_t size);

size_t draw_size(run *r);

/* Returns the stamp of a value that is about to be stored. */
uint64_t new_stamp(run *r, size_t size);

int draw_key(run *r);

/* Must be called before the first run. */
void fill_pattern(void);

/* ---- run_callbacks.c ------------------------------------------------------------------------ */

uint64_t weight_of(const run *r, uint64_t prefix, size_t size);
uint64_t deadline_of(uint64_t prefix, size_t size, uint64_t now);
uint64_t on_timer(void *user_data);
uint64_t on_ttu(void *user_data, const void *key, size_t key_length, const void *value, size_t size,
                uint64_t now);
uint64_t on_weigh(void *user_data, const void *key, size_t key_length, const void *value,
                  size_t size);
uint64_t on_choice(void *user_data, uint64_t count);
void on_event(void *user_data, const ct_event *e);
void on_visit(void *user_data, const ct_event *e);
void on_drop(void *user_data, const void *value, size_t size);
bool matches(const run *r, int key, uint64_t prefix);
bool on_match(void *user_data, const void *key, size_t key_length, const void *value, size_t size);
bool weighs_memory(const run *r);
/* Returns whether it is not known how often a call reads the timer. Where memory is weighed, the
 * test itself calls the cache to look weights up; and the miniatures of a curve read the time, too. */
bool reads_freely(const run *r);

/* A policy with every function, and one with only those that are required. */
extern const ct_policy_ops kFullOps;
extern const ct_policy_ops kSpareOps;

/* A policy that is told of updates and weights knows what each entry weighs. */
void check_custom_weights(run *r);

void check_custom_policy(run *r);

/* ---- run_setup.c ---------------------------------------------------------------------------- */

uint64_t draw_maxsize(run *r);

/* Draws what the run is like, and makes its cache. */
void begin(run *r, choices from, ct_policy policy);

/* ---- run_follow.c --------------------------------------------------------------------------- */

/* Whether there is a listener. */
bool listens(const run *r);

/* Whether the model knows the order in which entries would go. */
bool is_exact(const run *r);

const event *next_event(const run *r);
void settle_copy(run *r, uint64_t stamp);

/* An entry leaves, or its value does, for another one; the listener must have said so. */
void replace(run *r, int key, ct_cause cause);
void leave(run *r, int key, ct_cause cause);

/* The cause if the entry leaves for another reason than room: EXPIRED past its deadline. */
ct_cause cause_for(const run *r, int key, ct_cause cause);

/* The policy's victim leaves. */
void leave_as_victim(run *r, int key);

/* Follows the expirations of entries that were due. */
void reclaim(run *r);

/* Asserts that no entry that is due is left. */
void reclaim_all(run *r);

/* Returns the policy's victim: predicted with one shard, otherwise as the cache reported it. */
int find_victim(run *r);

/* Evicts for an entry of that weight under that key (or -1), which may itself be a victim. */
void make_room(run *r, int key, uint64_t weight);

uint64_t inspected_weight(const run *r, int key);
void pin(run *r, uint64_t stamp);
void unpin(run *r, uint64_t stamp);
void release_held(run *r, int at);

/* Checks a value that came out, and keeps it for a while or releases it. */
void receive(run *r, ct_value *value, uint64_t stamp, const void *key, size_t size);

void receive_entry(run *r, ct_value *value, int key);
void receive_key(run *r, ct_value *value, int key, uint64_t stamp);

/* Draws a value to compare with a key's: a held one, mostly of the key drawn, or nothing. */
const held_value *draw_seen(run *r, int *key);

/* Whether the key is live and has that very value. */
bool has_value(const run *r, int key, const held_value *seen);

/* Checks that no value came out. */
void check_nothing(const run *r, const ct_value *value);

/* ---- run_store.c ---------------------------------------------------------------------------- */

/* Invalidates that key, or with -1 every key: a load that is running comes too late. */
void overtake(run *r, int key);

typedef struct request {
  int key;
  uint64_t stamp;
  size_t size;
  uint32_t flags;
  uint64_t ttl, deadline, weight;
  bool renews;            /* it ends the renewal of what is there */
  const held_value *seen; /* with CT_ENTRY_IF_SAME */
  unsigned tags;          /* a bit for each */
} request;

uint64_t age_deadline(const run *r, const request *q);
/* How much earlier that may be: jitter takes something off the cache's own lifetime. */
uint64_t most_jitter(const run *r, const request *q);

/* The most that an entry with so many bytes of key and value weighs where memory is weighed. A
 * block also weighs a twenty-fifth of itself, for free room, so that this room grows with the
 * blocks. What lies apart from its block is rounded up. */
uint64_t most_memory(uint64_t bytes);

/* Does a store to the model, and returns what it must answer. */
ct_status follow_store(run *r, const request *q, ct_status answer);

/* Learns what only the cache knows of an entry that was stored or kept: its weight where memory is
 * weighed, and what jitter has taken off its lifetime. */
void learn(run *r, int key);

void draw_conditions(run *r, request *q);
/* The pointers stay until the next call. */
ct_entry_options entry_options(const request *q);

/* The names of the tags that entries may have. */
extern const ct_bytes kTagNames[kTags];

/* Gives a request tags by its stamp, and so draws nothing: the choices stay what they were. */
void give_tags(const run *r, request *q);
request request_for(run *r, int key, unsigned char *buffer);
request new_request(run *r, unsigned char *buffer);
extern unsigned char buffer[kBatch * (kLargestKey + kLargestValue)];

void do_set(run *r);
void do_setdefault(run *r);
/* Whether it cannot always be told which of several stores in one call an event belongs to. */
bool stores_are_unclear(const run *r);
void do_set_many(run *r);
void do_set_seen(run *r);
void do_add(run *r);

/* A call that is refused as invalid leaves no trace. */
void do_invalid(run *r);

/* ---- run_read.c ----------------------------------------------------------------------------- */

/* Counts a read and uses the entry in the model, and returns what the read must answer. */
ct_status follow_read(run *r, int key);

void do_get(run *r);
void do_get_copy(run *r);
void do_peek(run *r);
void do_contains(run *r);
void do_inspect(run *r);
void do_get_many(run *r);
void do_get_many_copy(run *r);

/* ---- run_remove.c --------------------------------------------------------------------------- */

void do_delete(run *r);
void do_delete_if(run *r);
void do_popitem(run *r);
void do_clear(run *r);
void do_remove_if(run *r);

/* ---- run_size.c ----------------------------------------------------------------------------- */

void check_len(run *r);
void do_size(run *r);
void do_resize(run *r);
void do_set_lifetime(run *r);
void do_expire(run *r);
void follow_clock(run *r);
void do_tick(run *r);

/* ---- run_load.c ----------------------------------------------------------------------------- */

/* What a loader or compute is to do. */
typedef struct plan {
  run *run;
  request q; /* what it hands back, if it does */
  const unsigned char *bytes;
  bool sets;
  bool discards;
  bool invalidates; /* its own key, by a call that does nothing else */
  bool keeps;       /* says that the old value is not modified */
  bool renews;      /* there is an old value, which has this stamp */
  uint64_t stamp;
  bool sets_both;   /* a lifetime and a deadline, of which the last counts */
  ct_status answer; /* the callback's */
  ct_status told;   /* what the call makes of it; CT_OK: it goes on to store */
  uint64_t ticks;   /* that the first call takes */
  int calls;
} plan;

/* A plan to store that value; the caller may draw more. */
plan draw_plan(run *r, request q, const unsigned char *bytes);

/* Does in a loader what the plan says, but invalidates nothing yet. Returns its answer. */
ct_status follow_plan_to_load(plan *p, const void *key, size_t size, ct_result *result);

/* Invalidates all keys. */
void invalidate_all(run *r);

/* What a loading call finds. */
typedef struct service {
  bool serves; /* the old value */
  bool stale;  /* and that is past its deadline */
  bool loads;  /* the caller has the lease */
  bool busy;
  bool remembered; /* that there is no value */
  bool renews;     /* the lease comes with the old value */
  uint64_t stamp;
  size_t size;
} service;

/* Whether an old value may be kept: where values are renewed, its lifetime begins anew in place.
 * Elsewhere it may have to be stored anew. */
bool may_keep(const run *r);

service find_service(const run *r, int key, bool forces);

/* What ct_get_or_lease must answer if it does not wait. */
ct_status lease_status(const service *s);

/* Comes before the call, which may take its time. */
void follow_service(run *r, int key, const service *s);

/* Follows how a load ended that a call has led, and checks what that answered. out may be NULL.
 * Returns the stamp of the value that came out, or 0. */
uint64_t follow_led_load(run *r, plan *p, const service *s, uint64_t started, ct_status status,
                         ct_value *out);

void do_get_or_load(run *r);
void do_compute(run *r);
void do_invalidate_tag(run *r);

/* Fulfils a lease or gives it up. */
void end_lease(run *r, int at);

void do_lease(run *r);

/* ---- run_wait.c ----------------------------------------------------------------------------- */

/* These follow what the callbacks of those who wait were told: how the load of that lease ended,
 * or that a value was stored under a key. */
void follow_answer(run *r, const ct_lease *lease, ct_status status, uint64_t stamp);
void follow_giving_up(run *r, const open_lease *l);
void follow_stored(run *r, int key, uint64_t stamp);

/* Checks that nobody else was told anything. */
void check_waits(run *r);

void do_wait(run *r);
void do_load_many(run *r);

/* ---- run_walk.c ----------------------------------------------------------------------------- */

/* The live entries' stamps, coldest first. */
int list_live(const run *r, uint64_t *stamps);

bool has_order(const run *r);
void do_iterate(run *r);
void end_walk(run *r);
void do_walk(run *r);

/* ---- run_snapshot.c ------------------------------------------------------------------------- */

/* Loads a snapshot into another cache, which the model then describes as well. */
void do_snapshot(run *r);
/* Copies the cache, which the model then describes as well. */
void do_copy(run *r);

#endif
