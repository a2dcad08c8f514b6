/* SPDX-License-Identifier: MIT */
/* Random operations on a cache, each compared with the reference model of model.h. */
#ifndef RUN_H
#define RUN_H

#include <cachetools.h>
#include <stdint.h>

enum { RUN_STEPS = 600 };

/* Makes a cache of that policy, does RUN_STEPS operations on it, and frees it; the number decides on
 * all of them. */
void run_model(ct_policy policy, uint64_t number);

/* Is called when a run has failed and has said why; must not return. The program defines it. */
void run_failed(void);

#endif
