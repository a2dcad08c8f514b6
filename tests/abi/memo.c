/* SPDX-License-Identifier: MIT */
/* See memo.h. */
#include "memo.h"

/* ---- What is memoized ----------------------------------------------------------------------- */

ct_status count_calls(void *user_data, void *self, const void *args, ct_result *result) {
  world *w = user_data;
  char text[600];
  memset(text, '.', sizeof(text));
  const int length = sprintf(text, "%u", w->calls++);
  text[length] = '.';
  if (w->inside != NULL) {
    ct_status (*inside)(world *, void *, const argument *) = w->inside;
    w->inside = NULL;
    w->noted = inside(w, self, args);
  }
  if (w->answer != CT_OK) return w->answer;
  if (w->ttl != 0) ct_result_ttl(result, w->ttl);
  if (w->discard) ct_result_discard(result);
  if (w->weightless) ct_result_weight(result, 0);
  return ct_result_set(result, text, w->size != 0 ? w->size : (size_t)length);
}

ct_status add_argument(void *user_data, void *self, const void *args, ct_key *key) {
  (void)self;
  world *w = user_data;
  const argument *it = args;
  w->keys++;
  if (it->is_real)
    ct_key_double(key, it->real);
  else
    ct_key_int(key, it->integer);
  return w->key_answer;
}

ct_cache *cache_of_object(void *user_data, void *self) {
  world *w = user_data;
  w->lookups++;
  return ((object *)self)->cache;
}

ct_status call_again(world *it, void *self, const argument *args) {
  ct_value value;
  const ct_status status = ct_memo_call(it->memo, self, args, &value);
  ct_value_release(&value);
  return status;
}

ct_status add_long_key(void *user_data, void *self, const void *args, ct_key *key) {
  char text[1000];
  memset(text, 'x', sizeof(text));
  ct_key_text(key, text, sizeof(text));
  return add_argument(user_data, self, args, key);
}

/* ---- Making and asking ---------------------------------------------------------------------- */

world w;

void begin_anew(void) {
  memset(&w, 0, sizeof(w));
}

int set_up(void **state) {
  (void)state;
  begin_anew();
  return 0;
}

ct_memo_options memo_options(void) {
  ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  options.user_data = &w;
  options.fn = count_calls;
  options.key = add_argument;
  return options;
}

ct_memo *new_memo(const ct_memo_options *options) {
  ct_memo *memo = NULL;
  assert_status(CT_OK, ct_memo_new(options, &memo));
  assert_non_null(memo);
  w.memo = memo;
  return memo;
}

ct_options own_options(ct_policy policy, uint64_t maxsize) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.maxsize = maxsize;
  if (maxsize == 0) options.flags = CT_FLAG_KEEP_NOTHING;
  options.user_data = &w;
  options.timer = manual_clock_read;
  if (policy == CT_POLICY_TTL) options.ttl = 600;
  return options;
}

ct_memo *memo_with_own(const ct_options *own, uint32_t flags) {
  ct_memo_options options = memo_options();
  options.own = own;
  options.flags = flags;
  return new_memo(&options);
}

ct_memo *memo_of_policy(ct_policy policy, uint64_t maxsize, uint32_t flags) {
  const ct_options own = own_options(policy, maxsize);
  return memo_with_own(&own, flags);
}

ct_memo *usual_memo(uint32_t flags) {
  return memo_of_policy(CT_POLICY_LRU, 128, flags);
}

ct_memo *memo_in(ct_cache *cache, const char *prefix) {
  ct_memo_options options = memo_options();
  options.cache = cache;
  options.prefix = prefix;
  options.prefix_size = strlen(prefix);
  return new_memo(&options);
}

ct_memo *method_memo(uint32_t flags) {
  ct_memo_options options = memo_options();
  options.cache_of = cache_of_object;
  options.flags = flags;
  return new_memo(&options);
}

ct_memo *pass_through(uint32_t flags) {
  ct_memo_options options = memo_options();
  options.flags = flags;
  return new_memo(&options);
}

ct_cache *any_cache(uint64_t maxsize) {
  ct_cache *cache = ct_cache_new(CT_POLICY_ANY, maxsize);
  assert_non_null(cache);
  return cache;
}

ct_cache_info info_from(ct_memo *memo, void *self) {
  ct_cache_info info = CT_CACHE_INFO_INIT;
  assert_status(CT_OK, ct_memo_info(memo, self, &info));
  assert_int_equal(0, info.reserved);
  return info;
}

bool keeps(ct_memo *memo, void *self, const argument *args) {
  ct_key *key = ct_key_new(0);
  assert_non_null(key);
  assert_status(CT_OK, ct_memo_key(memo, self, args, key));
  ct_bytes bytes;
  assert_status(CT_OK, ct_key_data(key, &bytes.data, &bytes.size));
  ct_cache *cache = ct_memo_cache(memo, self);
  assert_non_null(cache);
  ct_value value;
  const ct_status status = ct_peek(cache, bytes.data, bytes.size, &value);
  ct_value_release(&value);
  ct_key_free(key);
  assert_true(status == CT_OK || status == CT_MISS);
  return status == CT_OK;
}
