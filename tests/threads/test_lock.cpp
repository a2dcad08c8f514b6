// SPDX-License-Identifier: MIT
// The shards' lock with more threads than cores: one thread at a time has it, and each gets its
// turn after a known number of others.
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>

#include "base/lock.hpp"
#include "shard/budget.hpp"
#include "test.h"

namespace {

constexpr int kThreads = 24;

// The lock protects plain memory, so ThreadSanitizer notices if it does not.
struct Guarded {
  ct::Lock lock;
  uint64_t count = 0;
  int inside = 0;
  bool crowded = false;
  uint64_t turns_each = 0;
  bool slowly = false;
};

void take_turn(Guarded *guarded) {
  ct::Guard guard(guarded->lock);
  if (++guarded->inside != 1) guarded->crowded = true;
  guarded->count++;
  // Longer than any thread spins, so the others must go to sleep and be woken.
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

TEST(lock_lets_in_one_at_a_time) {
  Guarded guarded;
  guarded.turns_each = 20000;
  assert_everyone_has_its_turns(&guarded);
}

TEST(lock_wakes_whoever_sleeps) {
  Guarded guarded;
  guarded.turns_each = 60;
  guarded.slowly = true;
  assert_everyone_has_its_turns(&guarded);
}

void *take_one_turn(void *data) {
  take_turn(static_cast<Guarded *>(data));
  return nullptr;
}

// No thread comes by that would wake a forgotten sleeper by chance.
TEST(lock_given_back_once_wakes_the_only_sleeper) {
  for (int i = 0; i < 300; i++) {
    Guarded guarded;
    pthread_t thread;
    {
      ct::Guard guard(guarded.lock);
      assert_int_equal(0, pthread_create(&thread, nullptr, take_one_turn, &guarded));
      for (int k = 0; k < i % 30; k++) sched_yield();
    }
    assert_int_equal(0, pthread_join(thread, nullptr));
    assert_int_equal(1, guarded.count);
  }
}

// ---- How often a thread is overtaken ------------------------------------------------------------

constexpr uint32_t kInLine = 8;
constexpr int kComingBy = 3;

// Threads that stand in line, and others that come again and again until all of those have had the
// lock.
struct Line {
  ct::Lock lock;
  std::atomic<bool> is_open{false};
  // Guarded by the lock.
  uint64_t turns = 0;  // since the line was complete
  uint32_t served = 0;
};

struct Waiter {
  Line *line;
  uint64_t turns;   // that came before its own
  uint32_t served;  // in line before it
};

void *wait_in_line(void *data) {
  auto *own = static_cast<Waiter *>(data);
  ct::Guard guard(own->line->lock);
  own->turns = own->line->turns++;
  own->served = own->line->served++;
  return nullptr;
}

void *come_by(void *data) {
  auto *line = static_cast<Line *>(data);
  while (!line->is_open) sched_yield();
  for (;;) {
    ct::Guard guard(line->lock);
    line->turns++;
    if (line->served == kInLine) return nullptr;
  }
}

void start_waiter(pthread_t *thread, Waiter *waiter) {
  const ct::Lock &lock = waiter->line->lock;
  const uint32_t before = lock.waiting();
  assert_int_equal(0, pthread_create(thread, nullptr, wait_in_line, waiter));
  while (lock.waiting() == before) sched_yield();
}

// Tickets are counted modulo 2^32, and those of calls modulo 2^30.
TEST(line_is_overtaken_no_more_often_than_told) {
  const uint32_t tickets[] = {0, (1u << 30) - kInLine / 2, 0u - kInLine / 2};
  const uint32_t passes[] = {0, ct::Lock::kMostOvertaken / 2, ct::Lock::kMostOvertaken - 1};
  for (const uint32_t ticket : tickets) {
    for (const uint32_t passed : passes) {
      Line line;
      line.lock.begin_at(ticket, passed);
      Waiter waiters[kInLine];
      pthread_t in_line[kInLine];
      pthread_t coming_by[kComingBy];
      for (pthread_t &thread : coming_by) {
        assert_int_equal(0, pthread_create(&thread, nullptr, come_by, &line));
      }
      line.lock.lock();
      for (uint32_t i = 0; i < kInLine; i++) {
        waiters[i] = {&line, 0, 0};
        start_waiter(&in_line[i], &waiters[i]);
      }
      line.is_open = true;
      line.lock.unlock();
      for (pthread_t thread : in_line) assert_int_equal(0, pthread_join(thread, nullptr));
      for (pthread_t thread : coming_by) assert_int_equal(0, pthread_join(thread, nullptr));
      for (uint32_t i = 0; i < kInLine; i++) {
        assert_int_equal(i, waiters[i].served);
        assert_in_range(waiters[i].turns - i, 0, ct::Lock::kMostOvertaken);
      }
    }
  }
}

// A thread that ran on would have the lock again before a sleeper has woken up.
TEST(line_passes_when_it_is_let) {
  for (int round = 0; round < 20; round++) {
    Line line;
    Waiter waiters[kInLine];
    pthread_t in_line[kInLine];
    line.lock.lock();
    for (uint32_t i = 0; i < kInLine; i++) {
      waiters[i] = {&line, 0, 0};
      start_waiter(&in_line[i], &waiters[i]);
    }
    line.lock.let_line_pass();
    line.lock.unlock();
    line.lock.lock();
    assert_int_equal(kInLine, line.served);
    line.lock.let_line_pass();  // nobody stands in line
    line.lock.unlock();
    line.lock.lock();
    line.lock.unlock();
    for (pthread_t thread : in_line) assert_int_equal(0, pthread_join(thread, nullptr));
  }
}

// A thread that sleeps, and that the system does not run while there is anything else to do.
void *wait_idly(void *data) {
#ifdef SCHED_IDLE  // Linux
  const sched_param none = {};
  pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
#endif
  return wait_in_line(data);
}

TEST(waiter_that_does_not_run_is_overtaken_no_more_often_than_told) {
  Line line;
  Waiter waiter = {&line, 0, 0};
  pthread_t thread;
  line.lock.lock();
  assert_int_equal(0, pthread_create(&thread, nullptr, wait_idly, &waiter));
  while (line.lock.waiting() == 0) sched_yield();
  while (line.served == 0 && line.turns <= ct::Lock::kMostOvertaken) {
    line.lock.unlock();
    line.lock.lock();
    line.turns++;
  }
  line.lock.unlock();
  assert_int_equal(0, pthread_join(thread, nullptr));
  assert_in_range(waiter.turns, 0, ct::Lock::kMostOvertaken);
}

// ---- The end --------------------------------------------------------------------------------------

void *take_and_destroy(void *data) {
  auto *line = static_cast<Line *>(data);
  line->lock.lock();
  delete line;
  return nullptr;
}

// AddressSanitizer notices if a thread touches the lock after it has given it back.
TEST(next_owner_may_destroy_the_lock) {
  for (uint32_t i = 0; i < 300; i++) {
    auto *line = new Line;
    line->lock.begin_at(i, i % 2 == 0 ? 0 : ct::Lock::kMostOvertaken - 1);
    pthread_t thread;
    line->lock.lock();
    assert_int_equal(0, pthread_create(&thread, nullptr, take_and_destroy, line));
    for (uint32_t k = 0; k < i % 5 * 10; k++) sched_yield();
    line->lock.unlock();
    assert_int_equal(0, pthread_join(thread, nullptr));
  }
}

TEST(turn_to_gather_is_a_lock_among_threads_alone) {
  ct::Budget budget(1);
  ct::GatheringTurn single(budget, false);
  assert_true(single.is_own());
  ct::GatheringTurn turn(budget, true);
  assert_false(turn.is_own());
  turn.wait();
  assert_true(turn.is_own());
  turn.give_back();
  assert_false(turn.is_own());
  turn.wait();
}

}  // namespace
