/* SPDX-License-Identifier: MIT */
/* A reader that takes no lock may be held up between any two of its instructions, until others
 * have changed everything that it has seen. A signal holds it up wherever it is. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "support.h"

enum { kValueRoom = 4096 };

static const int kRounds = 1000;

typedef struct shared {
  ct_cache *cache;
  uint64_t keys;
  uint64_t reader_seed;
  uint64_t writer_seed;
  atomic_bool over;
  uint64_t wrong; /* wrong values that the reader has seen */
} shared;

static int held[2];   /* pipes: a byte for each time that the reader is held up */
static int let_go[2]; /* a byte for each time that it may go on */

/* It does not wait for ever: the reader may hold the lock that the others wait for. */
static void hold_up(int signal_number) {
  (void)signal_number;
  char byte = 0;
  struct pollfd news = {.fd = let_go[0], .events = POLLIN};
  if (write(held[1], &byte, 1) == 1) poll(&news, 1, 20);
}

/* The bytes of a value follow from its key. */
static size_t write_value(unsigned char *to, uint64_t key, size_t size) {
  for (size_t i = 0; i < size; i++) to[i] = (unsigned char)(key * 31 + i);
  return size;
}

static void set_value(ct_cache *cache, uint64_t key, size_t size) {
  unsigned char value[kValueRoom];
  write_value(value, key, size);
  assert_status(CT_OK, ct_set(cache, &key, sizeof(key), value, size));
}

static void *read_values(void *argument) {
  shared *s = argument;
  unsigned char expected[kValueRoom], value[kValueRoom];
  while (!s->over) {
    const uint64_t key = test_random_below(&s->reader_seed, s->keys);
    size_t size;
    if (ct_get_copy(s->cache, &key, sizeof(key), value, sizeof(value), &size) != CT_OK) continue;
    write_value(expected, key, size);
    if (memcmp(expected, value, size) != 0) s->wrong++;
  }
  return NULL;
}

static void fill(shared *s, uint64_t count, uint64_t largest) {
  for (uint64_t key = 0; key < count; key++)
    set_value(s->cache, key, test_random_below(&s->writer_seed, largest + 1));
}

static void change(shared *s) {
  switch (test_random_below(&s->writer_seed, 4)) {
    case 0:
      fill(s, s->keys, 1000);
      break;
    case 1:
      for (uint64_t key = 0; key < s->keys; key++) ct_delete(s->cache, &key, sizeof(key));
      ct_resize(s->cache, 2000);
      break;
    default:
      ct_clear(s->cache);
  }
}

static void clear(shared *s) {
  ct_clear(s->cache);
}

/* There are some 510 entries when the index moves to its next table. */
static void run(shared *s, void (*change_all)(shared *s)) {
  const struct sigaction action = {.sa_handler = hold_up, .sa_flags = SA_RESTART};
  assert_int_equal(0, sigaction(SIGUSR1, &action, NULL));
  assert_int_equal(0, pipe(held));
  assert_int_equal(0, pipe(let_go));
  assert_int_equal(0, fcntl(let_go[0], F_SETFL, O_NONBLOCK));
  pthread_t reader;
  assert_int_equal(0, pthread_create(&reader, NULL, read_values, s));
  for (int round = 0; round < kRounds; round++) {
    fill(s, 512 + test_random_below(&s->writer_seed, 14), 8);
    char byte;
    while (read(let_go[0], &byte, 1) == 1) continue;
    assert_int_equal(0, pthread_kill(reader, SIGUSR1));
    assert_int_equal(1, read(held[0], &byte, 1));
    change_all(s);
    assert_int_equal(1, write(let_go[1], &byte, 1));
  }
  s->over = true;
  pthread_join(reader, NULL);
  for (int i = 0; i < 2; i++) close(held[i]), close(let_go[i]);
  assert_int_equal(0, s->wrong);
  ct_cache_free(s->cache);
}

static void new_shared(shared *s) {
  memset(s, 0, sizeof(*s));
  s->keys = 560;
  s->reader_seed = test_seed();
  s->writer_seed = test_random(&s->reader_seed);
  assert_non_null(s->cache = ct_cache_new(CT_POLICY_SIEVE, 2000));
}

TEST(reader_held_up_anywhere_reads_whole_values) {
  shared s;
  new_shared(&s);
  run(&s, change);
}

/* In a table that was put away, the reader may see references to entries that are gone. Such a
 * reference was taken to lead into the first memory of the cache. Here there is none: it went
 * back while the cache was so small that reads took the lock. */
TEST(reader_held_up_while_table_goes_looks_nowhere) {
  shared s;
  new_shared(&s);
  for (uint64_t key = 0; key < 120; key++) set_value(s.cache, key, key % 2 == 0 ? 1 : 3900);
  for (uint64_t key = 0; key < 120; key++)
    if (key < 20 || key % 2 == 1) ct_delete(s.cache, &key, sizeof(key));
  run(&s, clear);
}
