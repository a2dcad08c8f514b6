// SPDX-License-Identifier: MIT
// Flights by themselves: which thread gets the lease, and which is woken. And waits: a wait that
// would close a ring is refused, and no other; looking for rings takes little time, however many
// threads wait. The threads are made up, as nobody sleeps here.
#include <algorithm>
#include <climits>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <vector>
extern "C" {
#include "test.h"

// From support.h, which is C only.
uint64_t test_seed(void);
uint64_t test_random(uint64_t *state);
uint64_t test_random_below(uint64_t *state, uint64_t n);
}

#include "cache/cache.hpp"
#include "shard/flight.hpp"
#include "shard/waits.hpp"

namespace {

// ---- Flights ----------------------------------------------------------------------------------

using ct::Flight;
using ct::Hold;

// Flights of their own, beside those of the shard that they are told to be of.
struct Stage {
  ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 1);
  ct::Memory memory{nullptr};
  ct::Pins pins{memory};
  ct::Counters counters{true, nullptr};
  ct::Memory memory_of_counters{nullptr};
  ct_options options = CT_OPTIONS_INIT;
  ct::LoadCounters loads{memory_of_counters, options, true};
  ct::Tags tags{memory, options};
  ct::Flights flights{
      memory, &reinterpret_cast<ct::Cache *>(cache)->shards()[0], pins, counters, loads, tags};

  Stage() = default;
  ~Stage() { ct_cache_free(cache); }
  Stage(const Stage &) = delete;
  Stage &operator=(const Stage &) = delete;

  ct_status join(Flight::Kind kind, const char *key, ct::Thread thread, Hold *hold) {
    const ct_status status = flights.join(kind, probe_of(key), thread, hold);
    assert_null(flights.problem());
    return status;
  }
  int leave(Hold hold, bool had_lease) {
    ct::Entry *left = nullptr;
    ct::Answers answers;
    const int others = had_lease ? flights.give_up(*hold.flight, answers)
                                 : flights.leave(*hold.flight, &left, answers);
    assert_null(left);
    assert_null(flights.problem());
    return others;
  }
  bool takes_lease(Hold hold, ct::Thread thread) {
    return flights.check_in(*hold.flight, thread, false, nullptr, nullptr) == ct::Landing::kLeased;
  }
  static ct::Probe probe_of(const char *key) { return {{key, 1}, static_cast<uint64_t>(*key)}; }
  void overtake(const char *key) {
    flights.overtake(probe_of(key));
    assert_null(flights.problem());
  }
};

bool has_news(Hold hold) {
  return hold.flight->news != hold.news;
}

TEST(lease_that_is_given_up_goes_to_the_first_to_come) {
  for (Flight::Kind kind : {Flight::kLoad, Flight::kTurn}) {
    Stage stage;
    Hold first, waiter, newcomer;
    assert_int_equal(CT_LEASED, stage.join(kind, "k", 1, &first));
    assert_int_equal(CT_BUSY, stage.join(kind, "k", 2, &waiter));
    assert_ptr_equal(first.flight, waiter.flight);
    assert_int_equal(1, stage.leave(first, true));
    assert_true(has_news(waiter));
    assert_int_equal(CT_LEASED, stage.join(kind, "k", 3, &newcomer));
    assert_int_equal(3, newcomer.flight->loader.load());
    assert_int_equal(0, stage.leave(waiter, false));
    assert_int_equal(0, stage.leave(newcomer, true));
  }
}

// Otherwise a thread that comes again and again could take the lease each time, before a sleeper
// has woken up.
TEST(waiter_is_passed_over_once) {
  for (Flight::Kind kind : {Flight::kLoad, Flight::kTurn}) {
    Stage stage;
    Hold first, waiter, second, third, fourth;
    assert_int_equal(CT_LEASED, stage.join(kind, "k", 1, &first));
    assert_int_equal(CT_BUSY, stage.join(kind, "k", 2, &waiter));
    assert_int_equal(1, stage.leave(first, true));
    assert_int_equal(CT_LEASED, stage.join(kind, "k", 1, &second));
    assert_false(stage.takes_lease(waiter, 2));
    assert_int_equal(1, stage.leave(second, true));
    assert_int_equal(CT_BUSY, stage.join(kind, "k", 1, &third));
    assert_false(has_news(third));
    assert_true(stage.takes_lease(waiter, 2));
    assert_int_equal(2, waiter.flight->loader.load());
    assert_int_equal(1, stage.leave(waiter, true));
    assert_true(has_news(third));
    // From here on it is the first to come again.
    assert_int_equal(CT_LEASED, stage.join(kind, "k", 4, &fourth));
    assert_int_equal(0, stage.leave(third, false));
    assert_int_equal(0, stage.leave(fourth, true));
  }
}

// A waiter whose time is over may be the one that was chosen to wake up.
TEST(waiter_who_leaves_a_vacant_flight_wakes_another) {
  Stage stage;
  Hold first, impatient, patient, newcomer;
  assert_int_equal(CT_LEASED, stage.join(Flight::kTurn, "k", 1, &first));
  assert_int_equal(CT_BUSY, stage.join(Flight::kTurn, "k", 2, &impatient));
  assert_false(stage.takes_lease(impatient, 2));
  assert_int_equal(1, stage.leave(first, true));
  // The vacant lease is reserved, so that others fall asleep before it is taken.
  assert_int_equal(CT_BUSY, stage.join(Flight::kTurn, "k", 3, &patient));
  assert_int_equal(CT_BUSY, stage.join(Flight::kTurn, "k", 4, &newcomer));
  assert_int_equal(1, stage.leave(impatient, false));
  assert_true(has_news(patient) && has_news(newcomer));
  assert_true(stage.takes_lease(patient, 3));
  assert_int_equal(0, stage.leave(newcomer, false));
  assert_int_equal(0, stage.leave(patient, true));
}

TEST(all_who_wait_for_an_overtaken_load_are_woken) {
  Stage stage;
  Hold first, waiters[2];
  assert_int_equal(CT_LEASED, stage.join(Flight::kLoad, "k", 1, &first));
  for (Hold &hold : waiters) assert_int_equal(CT_BUSY, stage.join(Flight::kLoad, "k", 2, &hold));
  stage.overtake("k");
  assert_int_equal(INT_MAX, stage.leave(first, true));
  assert_int_equal(INT_MAX, stage.leave(waiters[0], false));
  assert_int_equal(0, stage.leave(waiters[1], false));
}

TEST(failure_answers_all_who_wait_and_nobody_else) {
  for (const bool is_overtaken : {false, true}) {
    Stage stage;
    Hold first, waiters[2], later;
    assert_int_equal(CT_LEASED, stage.join(Flight::kLoad, "k", 1, &first));
    for (Hold &hold : waiters) assert_int_equal(CT_BUSY, stage.join(Flight::kLoad, "k", 2, &hold));
    if (is_overtaken) stage.overtake("k");
    ct::Answers answers;
    assert_int_equal(INT_MAX, stage.flights.fail_all(*first.flight, CT_ERR_IO, answers));
    assert_null(stage.flights.problem());
    assert_int_equal(CT_LEASED, stage.join(Flight::kLoad, "k", 3, &later));
    assert_ptr_not_equal(first.flight, later.flight);
    for (const Hold &hold : waiters) {
      assert_true(has_news(hold));
      assert_true(stage.flights.check_in(*hold.flight, 2, false, nullptr, nullptr) ==
                  ct::Landing::kFailed);
      assert_int_equal(CT_ERR_IO, hold.flight->failure);
      assert_int_equal(0, stage.leave(hold, false));
    }
    assert_int_equal(0, stage.leave(later, true));
    assert_true(stage.flights.empty());
  }
}

TEST(turns_are_not_overtaken_and_not_loads) {
  Stage stage;
  Hold turn, load, again;
  assert_int_equal(CT_LEASED, stage.join(Flight::kTurn, "k", 1, &turn));
  assert_int_equal(CT_LEASED, stage.join(Flight::kLoad, "k", 1, &load));
  stage.overtake("k");
  stage.flights.overtake_all();
  assert_null(stage.flights.problem());
  assert_false(stage.flights.is_overtaken(*turn.flight));
  assert_true(stage.flights.is_overtaken(*load.flight));
  assert_int_equal(CT_ERR_RECURSION, stage.join(Flight::kLoad, "k", 1, &again));
  assert_int_equal(CT_LEASED, stage.join(Flight::kLoad, "k", 2, &again));
  assert_int_equal(0, stage.leave(again, true));
  assert_int_equal(CT_BUSY, stage.join(Flight::kTurn, "k", 1, &again));
  assert_int_equal(0, stage.leave(again, false));
  assert_int_equal(0, stage.leave(load, true));
  assert_int_equal(0, stage.leave(turn, true));
}

TEST(many_flights_are_found_and_leave_one_block_behind) {
  constexpr int kKeys = 100;
  Stage stage;
  uint64_t random = test_seed();
  for (int round = 0; round < 3; round++) {
    char keys[kKeys];
    Hold holds[kKeys], others[kKeys];
    for (int i = 0; i < kKeys; i++) {
      keys[i] = static_cast<char>(i);
      const Flight::Kind kind = i % 2 == 0 ? Flight::kLoad : Flight::kTurn;
      assert_int_equal(CT_LEASED, stage.join(kind, &keys[i], 1, &holds[i]));
      assert_int_equal(CT_BUSY, stage.join(kind, &keys[i], 2, &others[i]));
      assert_ptr_equal(holds[i].flight, others[i].flight);
    }
    for (int left = kKeys; left > 0; left--) {
      const auto i = static_cast<size_t>(test_random_below(&random, static_cast<uint64_t>(left)));
      assert_int_equal(0, stage.leave(others[i], false));
      assert_int_equal(0, stage.leave(holds[i], true));
      holds[i] = holds[left - 1];
      others[i] = others[left - 1];
    }
    assert_true(stage.flights.empty());
    assert_in_range(stage.memory.held(), 1, 200);
  }
  stage.flights.trim();
  assert_int_equal(0, stage.memory.held());
}

// Others wait for the shard's lock while a call looks at flights.
TEST(call_looks_at_few_flights_of_many) {
  constexpr uint64_t kFlights = 20000;
  // The flights of one bucket, two or three times.
  constexpr uint64_t kMost = 64;
  Stage stage;
  uint64_t random = test_seed();
  std::vector<uint64_t> hashes;
  std::vector<Hold> loads, turns;
  uint64_t most = 0;
  uint64_t before = 0;
  const auto probe_of = [](const uint64_t &hash) {
    return ct::Probe{{reinterpret_cast<const char *>(&hash), sizeof hash}, hash};
  };
  const auto end_call = [&] {
    const uint64_t looks = stage.flights.looks();
    most = std::max(most, looks - before);
    before = looks;
  };
  for (int round = 0; round < 2; round++) {
    hashes.clear();
    for (uint64_t i = 0; i < kFlights; i++) {
      hashes.push_back(test_random(&random));
      const ct::Probe probe = probe_of(hashes.back());
      Hold hold;
      assert_int_equal(CT_LEASED, stage.flights.join(Flight::kLoad, probe, 0, &hold));
      end_call();
      loads.push_back(hold);
      if (i % 2 != 0) continue;
      assert_int_equal(CT_LEASED, stage.flights.join(Flight::kTurn, probe, 0, &hold));
      end_call();
      turns.push_back(hold);
    }
    assert_null(stage.flights.problem());
    before = stage.flights.looks();
    for (uint64_t i = 0; i < kFlights; i += 2) {
      stage.flights.overtake(probe_of(hashes[i]));
      end_call();
    }
    stage.flights.overtake_all();
    end_call();
    assert_null(stage.flights.problem());
    before = stage.flights.looks();
    // Half of the flights end before others begin, in any order.
    for (std::vector<Hold> *holds : {&loads, &turns}) {
      const size_t rest = round == 0 ? holds->size() / 2 : 0;
      while (holds->size() > rest) {
        std::swap((*holds)[test_random_below(&random, holds->size())], holds->back());
        ct::Answers answers;
        assert_int_equal(0, stage.flights.give_up(*holds->back().flight, answers));
        end_call();
        holds->pop_back();
      }
    }
  }
  assert_true(stage.flights.empty());
  if (most > kMost) fail_msg("a call looks at %d flights", static_cast<int>(most));
}

// ---- Waits ------------------------------------------------------------------------------------

constexpr uint32_t kMany = 1000;

// So many threads, each of which loads the key of its number, and may wait.
struct Scene {
  explicit Scene(uint32_t count) : flights(count), waits_of(count), target(count, kNobody) {
    for (uint32_t i = 0; i < count; i++) flights[i].loader = thread_of(i);
  }

  static constexpr uint32_t kNobody = UINT32_MAX;

  // The addresses are as far apart as stacks are.
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

  // Returns what begin should say to a thread that does not wait yet.
  bool closes_ring(uint32_t waiter, uint32_t loader) const {
    while (loader != waiter && loader != kNobody) loader = target[loader];
    return loader == waiter;
  }

  ct::Waits waits;
  std::vector<ct::Flight> flights;
  std::vector<ct::Waits::Wait> waits_of;
  std::vector<uint32_t> target;
};

// How deep a search among a thousand threads goes, with some to spare.
constexpr uint64_t kSearch = 40;

TEST(many_who_wait_for_one_look_at_few_others) {
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

// Each thread waits for the next one. The last one to come waits for the first of a long row.
TEST(long_row_of_waits_is_followed_in_short_holds) {
  Scene scene(kMany);
  for (uint32_t i = kMany - 1; i > 0; i--) {
    const uint64_t before = scene.waits.looks().all;
    assert_true(scene.begin(i - 1, i));
    assert_in_range(scene.waits.looks().all - before, 0, (kMany - i + 2) * kSearch);
  }
  assert_in_range(scene.waits.looks().most, ct::Waits::kLoadersAtOnce,
                  ct::Waits::kLoadersAtOnce * kSearch);
}

TEST(ring_of_any_length_is_refused_to_who_closes_it) {
  for (uint32_t size = 1; size <= kMany; size = size < 100 ? size + 1 : size * 3) {
    Scene scene(size);
    for (uint32_t i = 1; i < size; i++) assert_true(scene.begin(i - 1, i));
    assert_false(scene.begin(size - 1, 0));
    for (uint32_t i = 1; i < size; i++) scene.end(i - 1);
  }
}

TEST(nobody_is_refused_a_wait_for_a_lease) {
  Scene scene(2);
  scene.flights[1].loader = 0;
  assert_true(scene.begin(0, 1));
  assert_true(scene.begin(1, 0));
  scene.end(0);
  scene.end(1);
}

// A thread that has just got the lease that it waited for is still listed as waiting.
TEST(loader_who_has_just_waited_is_not_followed) {
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

TEST(random_waits_are_refused_only_where_they_close_a_ring) {
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
