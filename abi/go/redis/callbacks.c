/* SPDX-License-Identifier: MIT */
/* Connects the library with the functions that exports.go exports. */
#include "callbacks.h"

#include <stdlib.h>

#include "_cgo_export.h"

static void listener(void *handle, const ct_redis_event *event) {
  ctGoRedisListen((uintptr_t)handle, (ct_redis_event *)event);
}

const char *ct_go_redis_problem(const ct_redis_options *plain, const char *prefix, size_t size) {
  ct_redis_options options = *plain;
  options.prefix = prefix;
  options.prefix_size = size;
  return ct_redis_problem(&options);
}

ct_status ct_go_redis_open(const ct_redis_options *plain, const char *prefix, size_t size,
                           uintptr_t handle, ct_redis **out) {
  ct_redis_options options = *plain;
  options.prefix = prefix;
  options.prefix_size = size;
  if (handle != 0) {
    options.listener = listener;
    options.user_data = (void *)handle;
  }
  return ct_redis_open(&options, out);
}

ct_status ct_go_redis_get_many(ct_redis *tier, const char *keys, const size_t *ends, size_t count,
                               ct_value *values, ct_status *statuses) {
  ct_bytes *each = calloc(count, sizeof *each);
  if (each == NULL) return CT_ERR_NOMEM;
  for (size_t i = 0, begin = 0; i < count; begin = ends[i++]) {
    each[i].data = keys + begin;
    each[i].size = ends[i] - begin;
  }
  const ct_status status = ct_redis_get_many(tier, each, count, values, statuses);
  free(each);
  return status;
}
