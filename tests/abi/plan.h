/* SPDX-License-Identifier: MIT */
/* What the tests of loading share: a loader that does as planned, and what loads and leases hand back. */
#ifndef PLAN_H
#define PLAN_H

#include "fixture.h"
#include "key_calls.h"

enum { kLarge = 20000 }; /* so large that key and value lie apart from the entry */

extern const size_t kTooLong;

/* What a loader is to do, and what it saw. */
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
  ct_status seen; /* what act met */
};

/* Does as the plan, which is its user_data, says. */
ct_status load(void *user_data, const void *key, size_t key_size, ct_result *result);

/* By load. */
ct_status load_text(fixture *f, const char *key, plan *plan, ct_value *out);

/* Asserts that loading key is CT_OK with that value. */
void assert_loads(fixture *f, const char *key, plan *plan, const char *expected);

void assert_load_fails(ct_status expected, fixture *f, const char *key, plan *plan);

/* The key is absent. */
ct_lease *lease_text(fixture *f, const char *key);

/* Fulfils with a text, and asserts that it is handed back. */
void assert_fulfils(ct_status expected, ct_lease *lease, const char *value,
                    const ct_entry_options *options);

/* Asserts what text key a has after a call, or (NULL) that it has none. */
void assert_text_after(fixture *f, const key_call *way, const char *expected);

#endif
