/* SPDX-License-Identifier: MIT */
/* What the tests of loading and computing share: loaders and computes that follow a plan, and
 * assertions about what comes back. */
#ifndef PLAN_H
#define PLAN_H

#include "fixture.h"
#include "key_calls.h"

enum { kLarge = 20000 }; /* so large that key and value lie apart from the entry */

extern const size_t kTooLong;

/* What a loader or a compute is to do, and what it saw. */
typedef struct plan plan;
struct plan {
  fixture *f;
  const char *value; /* handed back, if not NULL */
  ct_status answer;
  void (*act)(plan *self, ct_result *result); /* runs before value is handed back, if not NULL */
  uint64_t number;                            /* for act */
  const key_call *key_call;                   /* for act */
  int calls;
  char key[64];   /* of the last call */
  char old[64];   /* what each call of compute saw: "none, 1" */
  ct_status seen; /* the status that act got */
};

/* Follow the plan, which is their user_data. */
ct_status load(void *user_data, const void *key, size_t key_size, ct_result *result);
ct_status compute(void *user_data, const void *key, size_t key_size, const ct_bytes *old,
                  ct_result *result);

/* Asks for a key, by load or by compute. */
typedef ct_status (*ask_fn)(fixture *f, const char *key, plan *plan, ct_value *out);
ct_status load_text(fixture *f, const char *key, plan *plan, ct_value *out);
ct_status compute_text(fixture *f, const char *key, plan *plan, ct_value *out);

/* Asserts the status of asking, and the value that is handed back; NULL: none. */
void assert_answers(ask_fn ask, ct_status expected, const char *value, fixture *f, const char *key,
                    plan *plan);
void assert_computes(ct_status expected, const char *value, fixture *f, const char *key,
                     plan *plan);

/* Asserts that loading key is CT_OK with that value. */
void assert_loads(fixture *f, const char *key, plan *plan, const char *expected);

void assert_load_fails(ct_status expected, fixture *f, const char *key, plan *plan);

/* Takes the lease of an absent key. */
ct_lease *lease_text(fixture *f, const char *key);

/* Fulfils with a text, and asserts that it is handed back. */
void assert_fulfils(ct_status expected, ct_lease *lease, const char *value,
                    const ct_entry_options *options);

/* Asserts which text key "a" has after a call; NULL: the key is absent. */
void assert_text_after(fixture *f, const key_call *way, const char *expected);

/* ---- What a plan may do --------------------------------------------------------------------- */

/* Lets 10 ticks pass. */
void take_time(plan *self, ct_result *result);

/* Sets a ttl of number ticks, then lets 10 ticks pass. */
void take_time_and_set_ttl(plan *self, ct_result *result);

/* Sets the deadline to number. */
void set_deadline(plan *self, ct_result *result);
void set_weight(plan *self, ct_result *result);

void discard(plan *self, ct_result *result);

#endif
