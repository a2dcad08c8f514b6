/* SPDX-License-Identifier: MIT */
/* The functions of callbacks.c, which the Go files call. See ../callbacks.h for why handles are
 * integers. */
#ifndef CALLBACKS_H
#define CALLBACKS_H

#include <cachetools-redis.h>

/* A status and a value, returned together, so that C needs no pointer into Go's memory. */
typedef struct ct_go_value {
  ct_value value;
  ct_status status;
} ct_go_value;

/* Options without pointers of Go's, which come beside them. */
const char *ct_go_redis_problem(const ct_redis_options *plain, const char *prefix, size_t size);
ct_status ct_go_redis_open(const ct_redis_options *plain, const char *prefix, size_t size,
                           uintptr_t listener, ct_redis **out);

/* The keys are one after the other, and end where ends say. */
ct_status ct_go_redis_get_many(ct_redis *tier, const char *keys, const size_t *ends, size_t count,
                               ct_value *values, ct_status *statuses);

#endif
