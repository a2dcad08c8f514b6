// SPDX-License-Identifier: MIT
// Ghosts by themselves: few of them beside a queue that is searched from end to end, and many by
// what must hold whatever is lost.
#include <algorithm>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <vector>

#include "policy/ghosts.hpp"
#include "refusing_allocator.hpp"
#include "test.h"

namespace {

// From here on the oldest are forgotten, and the ghosts are only nearly a queue.
constexpr uint64_t kLast = 512;
constexpr uint64_t kFew = 280;

// Any two keys differ in the bits of the hash that are kept.
uint64_t hash_of(uint64_t key) {
  return key * UINT64_C(0x9E3779B97F4A7C15);
}

uint64_t seed_of_test() {
  const char *given = std::getenv("CT_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("# CT_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

struct Naive {
  struct Ghost {
    uint64_t key;
    uint64_t came;
  };
  std::deque<Ghost> ghosts;
  uint64_t came = 0;

  void add(uint64_t key) {
    ghosts.push_back({key, ++came});
    while (ghosts.front().came + kLast <= came) ghosts.pop_front();
  }
  bool remove(uint64_t key) {
    const auto at = std::find_if(ghosts.begin(), ghosts.end(),
                                 [key](const Ghost &ghost) { return ghost.key == key; });
    if (at == ghosts.end()) return false;
    ghosts.erase(at);
    return true;
  }
};

void assert_sound(const ct::Ghosts &ghosts) {
  if (const char *problem = ghosts.problem()) fail_msg("%s", problem);
}

// As a policy does for each key that comes.
bool make_room(ct::Ghosts &ghosts, uint64_t count, bool tight) {
  ghosts.go_on();
  return ghosts.reserve(count, tight);
}

// Adds the next `count` keys, of which no more than `most` are to be kept.
void churn(ct::Ghosts &ghosts, uint64_t *next, uint64_t count, uint64_t most) {
  for (const uint64_t end = *next + count; *next < end; ++*next) {
    while (ghosts.size() >= most) ghosts.drop_oldest();
    ghosts.add(hash_of(*next));
  }
}

// Adds ghosts until a table of another size has taken over.
void settle(ct::Ghosts &ghosts, uint64_t count) {
  for (uint64_t size = ghosts.size(), i = 0; i <= size; i++) make_room(ghosts, count, false);
}

void expect_exact_queue(bool is_tight) {
  std::mt19937_64 random(seed_of_test());
  ct::Memory memory(nullptr);
  {
    ct::Ghosts ghosts(memory);
    Naive naive;
    uint64_t most = 1;
    uint64_t keys = 2;
    for (int step = 0; step < 1000000; step++) {
      if (random() % 5000 == 0) {
        most = 1 + random() % kFew;
        keys = 2 + random() % (2 * most);
      }
      if (random() % 100000 == 0) {
        ghosts.clear();
        naive.ghosts.clear();
      }
      const uint64_t key = random() % keys;
      const bool known = naive.remove(key);
      assert_int_equal(known, ghosts.remove(hash_of(key)));
      if (random() % 3 != 0) {
        // There may be more than that already.
        const bool room = make_room(ghosts, most, is_tight);
        assert_true(room || naive.ghosts.size() > most);
        while (naive.ghosts.size() >= most) {
          naive.ghosts.pop_front();
          ghosts.drop_oldest();
        }
        naive.add(key);
        ghosts.add(hash_of(key));
      }
      assert_int_equal(naive.ghosts.size(), ghosts.size());
      if (step % 1000 == 0) assert_sound(ghosts);
    }
  }
  assert_int_equal(0, memory.held());
}

TEST(few_are_an_exact_queue) {
  expect_exact_queue(false);
}

TEST(few_are_an_exact_queue_where_memory_is_tight) {
  expect_exact_queue(true);
}

// Where memory is tight, there is never room for half as many again, but in the smallest size of
// table; and if the count stays, nothing changes.
TEST(tight_table_follows_the_count) {
  ct::Memory memory(nullptr);
  ct::Ghosts ghosts(memory);
  for (uint64_t count = 100000; count > 0; count -= 1 + count / 10) {
    assert_true(make_room(ghosts, count, true));
    const uint64_t held = memory.held();
    assert_in_range(held, count * 7, count * 13 + 6000);
    assert_true(make_room(ghosts, count, true));
    assert_int_equal(held, memory.held());
  }
}

// If the ghosts fill the room, a few of the oldest go too early, and none stays too long.
TEST(many_are_nearly_a_queue) {
  constexpr uint64_t kMany = 100000;
  ct::Memory memory(nullptr);
  ct::Ghosts ghosts(memory);
  assert_true(make_room(ghosts, kMany, false));
  assert_true(memory.held() < 8 * kMany);
  uint64_t next = 0;
  churn(ghosts, &next, 5 * kMany, kMany);
  assert_sound(ghosts);
  assert_in_range(ghosts.size(), kMany * 99 / 100, kMany);

  uint64_t young = 0;
  uint64_t old = 0;
  for (uint64_t age = 1; age <= 3 * kMany; age++) {
    const bool known = ghosts.remove(hash_of(next - age));
    if (age <= kMany) young += known;
    if (age > kMany + kMany / 20) old += known;
  }
  assert_in_range(young, kMany * 98 / 100, kMany);
  assert_int_equal(0, old);
  assert_int_equal(0, ghosts.size());
  assert_sound(ghosts);
}

// A ghost that comes back leaves its room to others, which are remembered for longer.
TEST(who_comes_back_leaves_room) {
  constexpr uint64_t kMany = 10000;
  ct::Memory memory(nullptr);
  ct::Ghosts ghosts(memory);
  assert_true(make_room(ghosts, kMany, false));
  uint64_t next = 0;
  for (uint64_t key = 0; key < 2 * kMany; key++) {
    churn(ghosts, &next, 1, kMany);
    if (key % 2 == 0) assert_true(ghosts.remove(hash_of(key)));
  }
  uint64_t known = 0;
  for (uint64_t key = 1; key < 2 * kMany; key += 2) known += ghosts.remove(hash_of(key));
  assert_in_range(known, kMany * 98 / 100, kMany);
}

TEST(growing_and_shrinking_table_keeps_the_newest) {
  constexpr uint64_t kMost = 50000;
  ct::Memory memory(nullptr);
  ct::Ghosts ghosts(memory);
  uint64_t next = 0;
  for (; next < kMost; next++) {
    assert_true(make_room(ghosts, ghosts.size() + 1, false));
    ghosts.add(hash_of(next));
  }
  assert_sound(ghosts);
  assert_in_range(ghosts.size(), kMost * 95 / 100, kMost);
  assert_false(make_room(ghosts, 100, false));

  const uint64_t large = memory.held();
  while (ghosts.size() > 1000) ghosts.drop_oldest();
  assert_true(make_room(ghosts, 1000, false));
  settle(ghosts, 1000);
  assert_true(memory.held() < large / 10);
  assert_sound(ghosts);
  for (uint64_t age = 1; age <= 500; age++) assert_true(ghosts.remove(hash_of(next - age)));
}

// No step moves more than a few, and a look-up meanwhile finds the ghosts of both tables.
TEST(other_table_takes_over_step_by_step) {
  constexpr uint64_t kMany = 100000;
  for (const uint64_t then : {kMany * 9 / 8, 10 * kMany, kMany / 5, uint64_t{300}}) {
    ct::Memory memory(nullptr);
    ct::Ghosts ghosts(memory);
    assert_true(make_room(ghosts, kMany, false));
    uint64_t next = 0;
    churn(ghosts, &next, 2 * kMany, kMany);
    while (ghosts.size() > then) ghosts.drop_oldest();
    const uint64_t before = memory.held();
    const uint64_t most = std::min(then, kMany);

    assert_true(make_room(ghosts, then, false));
    const uint64_t both = memory.held();
    assert_true(both > before);
    uint64_t steps = 0;
    for (; memory.held() == both; steps++) {
      if (steps % 1000 == 0) assert_sound(ghosts);
      if (steps % 2 == 0) churn(ghosts, &next, 1, most);
      // In so short a queue, it is unknown how much of it left with its first tick.
      if (steps % 16 == 0 && most > 300) {
        const uint64_t key = next - most / 2;
        assert_true(ghosts.remove(hash_of(key)));
        assert_false(ghosts.remove(hash_of(key)));
      }
      make_room(ghosts, then, false);
    }
    assert_sound(ghosts);
    assert_in_range(steps, 100, kMany / 10);
    assert_true(memory.held() < both);
  }
}

// ---- What they hold -----------------------------------------------------------------------------

struct Paged {
  ct::PageHeaps heaps{true, true};
  ct::Memory memory{nullptr, &heaps};
  ct::Ghosts ghosts{memory};
};

TEST(room_counts_when_it_is_taken) {
  Paged paged;
  constexpr uint64_t kMany = 1000000;
  assert_true(make_room(paged.ghosts, kMany, true));
  assert_true(paged.memory.held() < 50000);
  uint64_t next = 0;
  churn(paged.ghosts, &next, 10, kMany);
  // Each of them in two pages, at most.
  assert_true(paged.memory.held() < 50000 + 10 * 2 * 4096);
  churn(paged.ghosts, &next, kMany, kMany);
  assert_in_range(paged.memory.held(), 7 * kMany, 8 * kMany);
  assert_sound(paged.ghosts);
}

// A table of another size takes over by a few buckets in a call. Both are held by as much as the
// larger one, and two steps.
TEST(both_tables_are_held_by_as_much_as_the_larger_one) {
  constexpr uint64_t kMost = 300000;
  Paged paged;
  ct::Ghosts &ghosts = paged.ghosts;
  uint64_t next = 0;
  // A small tight queue moves at once.
  const auto expect_little = [&](uint64_t count) {
    assert_true(ghosts.take_work() <= (count < 60000 ? 4096 : 64));
    assert_true(paged.memory.held() <= count * 10 + 600000);
  };
  for (uint64_t count = 1; count < kMost; count++) {
    make_room(ghosts, count, true);
    churn(ghosts, &next, 1, count);
    expect_little(count);
    if (count % 10000 == 0) assert_sound(ghosts);
  }
  for (uint64_t count = kMost; count > 1000; count -= 5) {
    while (ghosts.size() >= count) ghosts.drop_oldest();
    make_room(ghosts, count, true);
    churn(ghosts, &next, 1, count);
    // There is room for half as many again before the table shrinks.
    expect_little(count * 3 / 2);
    if (count % 10000 == 0) assert_sound(ghosts);
  }
}

// ---- What they know -----------------------------------------------------------------------------

// A key is known only if it was added and has not come back since, whatever tables took over.
TEST(resized_again_and_again_it_knows_nobody_else) {
  constexpr uint64_t kKeys = 40000;
  std::mt19937_64 random(seed_of_test());
  ct::Memory memory(nullptr);
  ct::Ghosts ghosts(memory);
  std::vector<bool> there(kKeys);
  uint64_t most = kKeys / 2;
  for (int step = 0; step < 2000000; step++) {
    if (random() % 20000 == 0) most = 1 + random() % (random() % 2 == 0 ? kKeys : kKeys / 40);
    const uint64_t key = random() % kKeys;
    if (ghosts.remove(hash_of(key))) assert_true(there[key]);
    there[key] = random() % 4 != 0;
    if (there[key]) {
      make_room(ghosts, most, random() % 1000 == 0);
      while (ghosts.size() >= most) ghosts.drop_oldest();
      ghosts.add(hash_of(key));
    }
    if (step % 10000 == 0) assert_sound(ghosts);
  }
}

// Numbers of ticks are used again and again.
TEST(who_has_left_never_comes_back) {
  for (const uint64_t many : {3, 300, 3000}) {
    ct::Memory memory(nullptr);
    ct::Ghosts ghosts(memory);
    assert_true(make_room(ghosts, many, false));
    uint64_t next = 0;
    for (int round = 0; round < 500; round++) {
      churn(ghosts, &next, 1000, many);
      for (uint64_t age = 2 * many; age < next; age += 1 + next / 500)
        assert_false(ghosts.remove(hash_of(next - age)));
    }
    assert_sound(ghosts);
  }
}

// Where there is room for many but few may stay, as in ARC's B1 beside a large T1, each few
// arrivals have a tick of their own. So the numbers of ticks come round long before each bucket has
// another ghost. Ghosts of the last round would be found again, and counted though they are gone.
TEST(few_of_many_do_not_come_back) {
  constexpr uint64_t kMany = 1000000;
  ct::Memory memory(nullptr);
  ct::Ghosts ghosts(memory);
  assert_true(make_room(ghosts, kMany, false));
  uint64_t next = 0;
  for (int round = 0; round < 4; round++) {
    churn(ghosts, &next, 70000, 1);
    assert_sound(ghosts);
  }
  for (uint64_t age = 2; age < next; age++) assert_false(ghosts.remove(hash_of(next - age)));
  assert_int_equal(1, ghosts.size());
}

TEST(without_memory_there_are_fewer) {
  bool refuses = true;
  const ct_allocator hooks = refusing_allocator(&refuses);
  ct::Memory memory(&hooks);
  {
    ct::Ghosts ghosts(memory);
    assert_false(make_room(ghosts, 10, false));
    ghosts.add(hash_of(1));
    assert_false(ghosts.remove(hash_of(1)));
    refuses = false;
    assert_true(make_room(ghosts, 10, false));
    refuses = true;
    assert_false(make_room(ghosts, 1000, false));
    for (uint64_t key = 0; key < 1000; key++) ghosts.add(hash_of(key));
    assert_in_range(ghosts.size(), 10, 20);
    assert_true(ghosts.remove(hash_of(990)));
    assert_true(ghosts.remove(hash_of(999)));
    assert_false(ghosts.remove(hash_of(900)));
  }
  assert_int_equal(0, memory.held());
}

}  // namespace
