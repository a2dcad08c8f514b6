// SPDX-License-Identifier: MIT
// Who waits for whom: that a wait that would close a ring is refused, and no other, and that looking
// for rings takes little time, however many wait. Threads are made up, as nobody sleeps here.
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <vector>
extern "C" {
#include <cmocka.h>

// Of support.h, which is C.
uint64_t test_seed(void);
uint64_t test_random_below(uint64_t *state, uint64_t n);
}

#include "flight.hpp"

namespace {

constexpr uint32_t kMany = 1000;

// So many threads, each of which loads what has its number and may wait.
struct Scene {
  explicit Scene(uint32_t count) : flights(count), waits_of(count), target(count, kNobody) {
    for (uint32_t i = 0; i < count; i++) flights[i].loader = thread_of(i);
  }

  static constexpr uint32_t kNobody = UINT32_MAX;

  // As far apart as stacks are.
  static ct::Thread thread_of(uint32_t number) {
    return static_cast<ct::Thread>(0x7f0000001700u + uint64_t{number} * 0x801000u);
  }

  bool begin(uint32_t waiter, uint32_t loader) {
    if (!waits.begin(waits_of[waiter], thread_of(waiter), flights[loader])) return false;
    target[waiter] = loader;
    return true;
  }
  void end(uint32_t waiter) {
    waits.end(waits_of[waiter]);
    target[waiter] = kNobody;
  }

  // What begin should say of a thread that does not wait yet.
  bool closes_ring(uint32_t waiter, uint32_t loader) const {
    while (loader != waiter && loader != kNobody) loader = target[loader];
    return loader == waiter;
  }

  ct::Waits waits;
  std::vector<ct::Flight> flights;
  std::vector<ct::Waits::Wait> waits_of;
  std::vector<uint32_t> target;
};

// As deep as a search of a thousand goes, with some to spare.
constexpr uint64_t kSearch = 40;

void test_many_who_wait_for_one_look_at_few_others(void **) {
  Scene scene(kMany);
  for (uint32_t i = 1; i < kMany; i++) {
    const uint64_t before = scene.waits.looks().all;
    assert_true(scene.begin(i, 0));
    assert_in_range(scene.waits.looks().all - before, 0, 2 * kSearch);
  }
  for (uint32_t i = 1; i < kMany; i++) {
    const uint64_t before = scene.waits.looks().all;
    scene.end(i);
    assert_in_range(scene.waits.looks().all - before, 0, kSearch);
  }
  assert_in_range(scene.waits.looks().most, 1, kSearch);
}

// Each waits for the next one, and the last one to come for the first of a long row.
void test_long_row_of_waits_is_followed_in_short_holds(void **) {
  Scene scene(kMany);
  for (uint32_t i = kMany - 1; i > 0; i--) {
    const uint64_t before = scene.waits.looks().all;
    assert_true(scene.begin(i - 1, i));
    assert_in_range(scene.waits.looks().all - before, 0, (kMany - i + 2) * kSearch);
  }
  assert_in_range(scene.waits.looks().most, ct::Waits::kLoadersAtOnce,
                  ct::Waits::kLoadersAtOnce * kSearch);
}

void test_ring_of_any_length_is_refused_to_who_closes_it(void **) {
  for (uint32_t size = 1; size <= kMany; size = size < 100 ? size + 1 : size * 3) {
    Scene scene(size);
    for (uint32_t i = 1; i < size; i++) assert_true(scene.begin(i - 1, i));
    assert_false(scene.begin(size - 1, 0));
    for (uint32_t i = 1; i < size; i++) scene.end(i - 1);
  }
}

void test_nobody_is_refused_a_wait_for_a_lease(void **) {
  Scene scene(2);
  scene.flights[1].loader = 0;
  assert_true(scene.begin(0, 1));
  assert_true(scene.begin(1, 0));
  scene.end(0);
  scene.end(1);
}

// Its wait is still there when it has got the lease that it was for.
void test_loader_who_has_just_waited_is_not_followed(void **) {
  Scene scene(3);
  assert_true(scene.begin(0, 2));
  scene.flights[2].loader = Scene::thread_of(0);
  const uint64_t before = scene.waits.looks().all;
  assert_true(scene.begin(1, 2));
  assert_in_range(scene.waits.looks().all - before, 0, kSearch);
  scene.end(1);
  scene.end(0);
  assert_false(scene.begin(0, 2));
}

void test_random_waits_are_refused_only_where_they_close_a_ring(void **) {
  uint64_t random = test_seed();
  const auto below = [&](uint32_t n) {
    return static_cast<uint32_t>(test_random_below(&random, n));
  };
  for (uint32_t count : {2u, 3u, 8u, 60u, 300u}) {
    Scene scene(count);
    uint32_t refused = 0;
    for (int step = 0; step < 20000; step++) {
      const uint32_t waiter = below(count);
      if (scene.target[waiter] != Scene::kNobody) {
        if (below(4) == 0) scene.end(waiter);
        continue;
      }
      const uint32_t loader = below(count);
      const bool closes = scene.closes_ring(waiter, loader);
      assert_int_equal(closes, !scene.begin(waiter, loader));
      refused += closes;
    }
    assert_true(refused > 0);
    for (uint32_t i = 0; i < count; i++) {
      if (scene.target[i] != Scene::kNobody) scene.end(i);
    }
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(test_many_who_wait_for_one_look_at_few_others),
      cmocka_unit_test(test_long_row_of_waits_is_followed_in_short_holds),
      cmocka_unit_test(test_ring_of_any_length_is_refused_to_who_closes_it),
      cmocka_unit_test(test_nobody_is_refused_a_wait_for_a_lease),
      cmocka_unit_test(test_loader_who_has_just_waited_is_not_followed),
      cmocka_unit_test(test_random_waits_are_refused_only_where_they_close_a_ring),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
