/* SPDX-License-Identifier: MIT */
/* Random operations on a cache, each compared with the reference model of model.h. */
#ifndef RUN_H
#define RUN_H

#include <cachetools.h>

#include "choices.h"

enum { RUN_STEPS = 600 };

/* Makes a cache of that policy, does RUN_STEPS operations on it, or fewer if the choices end
 * before that, and frees it. */
void run_model(ct_policy policy, choices from);

/* Is called when a run has failed and has said why; must not return. The program defines it. */
void run_failed(void);

#endif
