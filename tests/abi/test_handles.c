/* SPDX-License-Identifier: MIT */
/* Handles that are freed twice, and values that are released twice, each in a child that must abort
 * with a sentence. Every build notices what is freed twice. Builds with CT_DEBUG_HANDLES, for which
 * this is compiled once more, also notice each use after that. The memory of the objects stays, so
 * that looking at them is defined. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

static void *keep_alloc(void *ctx, size_t size, size_t align) {
  (void)ctx;
  void *where = NULL;
  return posix_memalign(&where, align < sizeof(void *) ? sizeof(void *) : align, size) == 0 ? where
                                                                                            : NULL;
}

static void keep(void *ctx, void *ptr, size_t size, size_t align) {
  (void)ctx, (void)ptr, (void)size, (void)align;
}

static const ct_allocator kKeep = {sizeof(ct_allocator), keep_alloc, keep, NULL};

/* A cache with an entry, whose memory stays. */
static ct_cache *make_cache(void) {
  ct_cache *cache = cache_of(.maxsize = 8, .allocator = &kKeep);
  set_text(cache, "a", "1");
  return cache;
}

static ct_status compute(void *user_data, void *self, const void *args, ct_result *result) {
  (void)user_data, (void)self, (void)args;
  return ct_result_set(result, "1", 1);
}

static ct_status add_key(void *user_data, void *self, const void *args, ct_key *key) {
  (void)user_data, (void)self, (void)args;
  ct_key_null(key);
  return CT_OK;
}

static ct_memo *make_memo(ct_cache *shared) {
  const ct_options own = {.struct_size = sizeof own, .maxsize = 8, .allocator = &kKeep};
  ct_memo_options options = CT_MEMO_OPTIONS_INIT;
  options.fn = compute;
  options.key = add_key;
  options.cache = shared;
  options.own = shared == NULL ? &own : NULL;
  ct_memo *memo;
  assert_status(CT_OK, ct_memo_new(&options, &memo));
  return memo;
}

/* Runs the mistake in a child, and asserts how that ended. Sanitizers have a sentence of their own
 * about memory that does not stay. */
static void assert_aborts(const char *sentence, void (*mistake)(void)) {
  int ends[2];
  assert_int_equal(0, pipe(ends));
  const pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    mistake();
    _exit(0);
  }
  close(ends[1]);
  char said[1000] = "";
  size_t size = 0;
  for (ssize_t got = 1; got > 0;) {
    got = read(ends[0], said + size, sizeof said - 1 - size);
    if (got > 0) size += (size_t)got;
  }
  close(ends[0]);
  int status;
  while (waitpid(child, &status, 0) < 0) assert_int_equal(EINTR, errno);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) fail_msg("nobody noticed");
  if (strstr(said, "AddressSanitizer: heap-use-after-free") != NULL) return;
  assert_string_equal(sentence, said);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

#define ABORT_TEST(name, sentence)                             \
  static void do_##name(void);                                 \
  TEST(name) {                                                 \
    assert_aborts("libcachetools: " sentence "\n", do_##name); \
  }                                                            \
  static void do_##name(void)

/* ---- Freed twice ---------------------------------------------------------------------------- */

ABORT_TEST(cache_freed_twice, "a ct_cache was freed twice") {
  ct_cache *cache = make_cache();
  ct_cache_free(cache);
  ct_cache_free(cache);
}

ABORT_TEST(cache_freed_twice_while_a_value_is_pinned, "a ct_cache was freed twice") {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 8);
  set_text(cache, "a", "1");
  ct_value value;
  ct_get(cache, "a", 1, &value);
  ct_cache_free(cache);
  ct_cache_free(cache);
}

ABORT_TEST(iter_freed_twice, "a ct_iter was freed twice") {
  ct_iter *iter;
  ct_iter_new(make_cache(), CT_ORDER_ANY, &iter);
  ct_iter_free(iter);
  ct_iter_free(iter);
}

ABORT_TEST(key_freed_twice, "a ct_key was freed twice") {
  ct_key *key = ct_key_new(0);
  ct_key_free(key);
  ct_key_free(key);
}

ABORT_TEST(memo_freed_twice, "a ct_memo was freed twice") {
  ct_memo *memo = make_memo(NULL);
  ct_memo_free(memo);
  ct_memo_free(memo);
}

#ifdef CT_DEBUG_HANDLES
/* ---- Used after that ------------------------------------------------------------------------ */

ABORT_TEST(cache_used_after_it_was_freed, "a ct_cache was used after it was freed") {
  ct_cache *cache = make_cache();
  ct_cache_free(cache);
  ct_get(cache, "a", 1, NULL);
}

ABORT_TEST(cache_told_of_after_it_was_freed, "a ct_cache was used after it was freed") {
  ct_cache *cache = make_cache();
  ct_cache_free(cache);
  ct_maxsize(cache);
}

ABORT_TEST(walk_of_a_freed_cache, "a ct_cache was used after it was freed") {
  ct_cache *cache = make_cache();
  ct_iter *iter;
  ct_iter_new(cache, CT_ORDER_ANY, &iter);
  ct_cache_free(cache);
  ct_iter_next(iter, NULL, NULL);
}

ABORT_TEST(iter_used_after_it_was_freed, "a ct_iter was used after it was freed") {
  ct_iter *iter;
  ct_iter_new(make_cache(), CT_ORDER_ANY, &iter);
  ct_iter_free(iter);
  ct_iter_next(iter, NULL, NULL);
}

ABORT_TEST(key_used_after_it_was_freed, "a ct_key was used after it was freed") {
  ct_key *key = ct_key_new(0);
  ct_key_free(key);
  ct_key_null(key);
}

ABORT_TEST(memo_used_after_it_was_freed, "a ct_memo was used after it was freed") {
  ct_memo *memo = make_memo(NULL);
  ct_memo_free(memo);
  ct_memo_call(memo, NULL, NULL, NULL);
}

ABORT_TEST(memo_of_a_freed_cache, "a ct_cache was used after it was freed") {
  ct_cache *cache = make_cache();
  ct_memo *memo = make_memo(cache);
  ct_cache_free(cache);
  ct_memo_call(memo, NULL, NULL, NULL);
}

ABORT_TEST(lease_abandoned_twice, "a ct_lease was used after it was fulfilled or abandoned") {
  ct_lease *lease;
  ct_get_or_lease(make_cache(), "b", 1, 0, NULL, &lease);
  ct_lease_abandon(lease);
  ct_lease_abandon(lease);
}

ABORT_TEST(lease_abandoned_after_it_was_fulfilled,
           "a ct_lease was used after it was fulfilled or abandoned") {
  ct_lease *lease;
  ct_get_or_lease(make_cache(), "b", 1, 0, NULL, &lease);
  ct_lease_fulfil(lease, "1", 1, NULL, NULL);
  ct_lease_abandon(lease);
}

ABORT_TEST(value_copied_and_released_twice, "a ct_value was released twice") {
  ct_cache *cache = make_cache();
  ct_value value;
  ct_get(cache, "a", 1, &value);
  ct_value copy = value;
  ct_value_release(&value);
  ct_value_release(&copy);
}

ABORT_TEST(value_of_a_deleted_entry_released_twice, "a ct_value was released twice") {
  ct_cache *cache = make_cache();
  ct_value value;
  ct_get(cache, "a", 1, &value);
  ct_delete(cache, "a", 1);
  ct_value copy = value;
  ct_value_release(&value);
  ct_value_release(&copy);
}

ABORT_TEST(value_pinned_again_after_it_was_released, "a ct_value was used after it was released") {
  ct_cache *cache = make_cache();
  ct_value value, other;
  ct_get(cache, "a", 1, &value);
  ct_value copy = value;
  ct_value_release(&value);
  ct_value_ref(&copy, &other);
}
#endif
