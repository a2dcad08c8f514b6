// SPDX-License-Identifier: MIT
// The shards' lock under more threads than cores: one at a time, and everyone's turn comes.
#include <pthread.h>
#include <sched.h>

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
extern "C" {
#include <cmocka.h>
}

#include "lock.hpp"

namespace {

constexpr int kThreads = 24;

// What the lock protects is plain memory: ThreadSanitizer sees it if it does not.
struct Guarded {
  ct::Lock lock;
  uint64_t count = 0;
  int inside = 0;
  bool crowded = false;
  uint64_t turns_each = 0;
  bool slowly = false;
};

void take_turn(Guarded *guarded) {
  ct::Guard guard(&guarded->lock);
  if (++guarded->inside != 1) guarded->crowded = true;
  guarded->count++;
  // Longer than anyone spins: the others must go to sleep and be woken.
  for (int i = 0; guarded->slowly && i < 20; i++) sched_yield();
  guarded->inside--;
}

void *take_turns(void *data) {
  auto *guarded = static_cast<Guarded *>(data);
  for (uint64_t i = 0; i < guarded->turns_each; i++) take_turn(guarded);
  return nullptr;
}

void assert_everyone_has_its_turns(Guarded *guarded) {
  pthread_t threads[kThreads];
  for (pthread_t &thread : threads) {
    assert_int_equal(0, pthread_create(&thread, nullptr, take_turns, guarded));
  }
  for (pthread_t thread : threads) assert_int_equal(0, pthread_join(thread, nullptr));
  assert_false(guarded->crowded);
  assert_int_equal(kThreads * guarded->turns_each, guarded->count);
}

void test_lock_lets_in_one_at_a_time(void **) {
  Guarded guarded;
  guarded.turns_each = 20000;
  assert_everyone_has_its_turns(&guarded);
}

void test_lock_wakes_whoever_sleeps(void **) {
  Guarded guarded;
  guarded.turns_each = 60;
  guarded.slowly = true;
  assert_everyone_has_its_turns(&guarded);
}

void *take_one_turn(void *data) {
  take_turn(static_cast<Guarded *>(data));
  return nullptr;
}

// Nobody comes by who would wake a forgotten sleeper by chance.
void test_lock_given_back_once_wakes_the_only_sleeper(void **) {
  for (int i = 0; i < 300; i++) {
    Guarded guarded;
    pthread_t thread;
    {
      ct::Guard guard(&guarded.lock);
      assert_int_equal(0, pthread_create(&thread, nullptr, take_one_turn, &guarded));
      for (int k = 0; k < i % 30; k++) sched_yield();
    }
    assert_int_equal(0, pthread_join(thread, nullptr));
    assert_int_equal(1, guarded.count);
  }
}

void test_guard_of_no_lock_holds_nothing(void **) {
  ct::Lock lock;
  ct::Guard nothing(nullptr);
  ct::Guard guard(&lock);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(test_lock_lets_in_one_at_a_time),
      cmocka_unit_test(test_lock_wakes_whoever_sleeps),
      cmocka_unit_test(test_lock_given_back_once_wakes_the_only_sleeper),
      cmocka_unit_test(test_guard_of_no_lock_holds_nothing),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
