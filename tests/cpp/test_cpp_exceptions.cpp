// SPDX-License-Identifier: MIT
// What lambdas throw reaches whoever called the function that called them. Nothing is left behind.
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "cpp.hpp"

namespace {

using cachetools::policy;
using cache = cachetools::cache<int, int>;
using pointers = cachetools::cache<int, pointer>;
using namespace std::chrono_literals;

template <class Function>
void assert_throws(int number, Function function) {
  assert_int_equal(number, caught<thrown>(function).number);
}

[[noreturn]] int fail_with(int number) {
  throw thrown{number};
}

TEST(loader_that_throws_gives_the_load_up) {
  cache it(policy::lru, 10);
  assert_throws(1, [&] { it.get_or_load(1, [](int) { return fail_with(1); }); });
  assert_false(it.contains(1));
  assert_int_equal(1, it.stats().load_failures);
  assert_int_equal(7, *it.get_or_load(1, [](int) { return 7; }));

  pointers objects(policy::lru, 10);
  assert_throws(2, [&] {
    objects.get_or_load(1, [](int key) {
      const pointer lost = make(key);
      fail_with(2);
      return lost;
    });
  });
  assert_int_equal(0, counted::alive.load());
  assert_int_equal(1, objects.stats().load_failures);
  assert_int_equal(7, objects.get_or_load(1, [](int) { return make(7); })->number);
}

TEST(exception_goes_up_through_nested_loads) {
  cache it(policy::lru, 10);
  assert_throws(3, [&] {
    it.get_or_load(1, [&](int) { return *it.get_or_load(2, [](int) { return fail_with(3); }); });
  });
  assert_true(it.empty());
  // One that is caught on the way stays there.
  assert_int_equal(4, *it.get_or_load(1, [&](int) {
    assert_throws(3, [&] { it.get_or_load(2, [](int) { return fail_with(3); }); });
    return 4;
  }));
}

// Each thread waits for the load of another, or loads itself; of both, everyone fails.
TEST(who_waits_for_a_load_that_throws_fails) {
  for (int round = 0; round < 50; round++) {
    cache it(policy::lru, 10);
    std::atomic<int> loads{0}, asking{0}, threw{0}, shared{0};
    in_four_threads([&](int) {
      asking++;
      try {
        it.get_or_load(1, [&](int) {
          loads++;
          while (asking != 4) std::this_thread::yield();
          return fail_with(1);
        });
      } catch (const thrown &) {
        threw++;
      } catch (const cachetools::error &error) {
        if (error.status() == cachetools::loader_threw) shared++;
      }
    });
    assert_int_equal(loads, threw);
    assert_int_equal(4, threw + shared);
    assert_int_equal(shared, it.stats().shared_failures);
  }
}

TEST(who_waits_for_a_load_that_was_cancelled_loads) {
  for (const ct_status alone : {CT_BUSY, CT_ERR_RECURSION}) {
    cache it(policy::lru, 10);
    std::atomic<int> loads{0}, asking{0}, failed{0}, right{0};
    in_four_threads([&](int) {
      asking++;
      try {
        const auto value = it.get_or_load(1, [&](int) {
          while (asking != 4) std::this_thread::yield();
          if (loads++ < 2) throw cachetools::error(alone);
          return 5;
        });
        if (value == 5) right++;
      } catch (const cachetools::error &error) {
        if (error.status() == alone) failed++;
      }
    });
    assert_int_equal(3, loads);
    assert_int_equal(2, failed);
    assert_int_equal(2, right);
  }
}

TEST(who_waits_gets_an_error_of_the_library_as_it_is) {
  std::atomic<int> loads, threw{0};
  do {
    cache it(policy::lru, 10);
    std::atomic<int> asking{0};
    loads = 0;
    in_four_threads([&](int i) {
      asking++;
      try {
        it.get_or_load(1, [&](int) -> int {
          loads++;
          while (asking != 4) std::this_thread::yield();
          if (i % 2 == 0) throw std::bad_alloc();
          throw cachetools::error(CT_ERR_IO);
        });
      } catch (const std::bad_alloc &) {
        threw++;
      } catch (const cachetools::error &error) {
        if (error.status() == CT_ERR_IO) threw++;
      }
    });
  } while (loads == 4);
  assert_true(threw % 4 == 0 && threw > 0);
}

TEST(old_value_serves_when_a_renewal_throws) {
  cachetools::time_point now = at(1000);
  cache it(renewing<int, int>(now));
  it.set(1, 1);
  const auto fails = [](int) { return fail_with(7); };
  for (const int time : {1090, 1110}) {
    now = at(time);
    const auto got = it.get_or_renew(1, fails);
    assert_int_equal(1, *got.value);
    assert_int_equal(time > 1100, got.stale);
    assert_throws(7, [&got] { std::rethrow_exception(got.failure); });
    const auto later = it.get_or_renew(1, fails);  // tries nothing
    assert_int_equal(time > 1100, later.stale);
    assert_true(later.failure == nullptr);
  }
  assert_int_equal(2, it.stats().renewal_failures);
  cachetools::load_options how;
  how.force = true;
  assert_throws(7, [&] { it.get_or_renew(1, how, fails); });
  now = at(1130);
  assert_int_equal(1, *it.get_or_load(1, fails));
  now = at(1150);
  assert_throws(7, [&] { it.get_or_load(1, fails); });
}

TEST(compute_that_throws_changes_nothing) {
  cache it(policy::lru, 10);
  it.set(1, 1);
  assert_throws(1, [&] { it.compute(1, [](auto) { return fail_with(1); }); });
  assert_int_equal(1, *it.get(1));
  pointers objects(policy::lru, 10);
  objects.set(1, make(1));
  assert_throws(2, [&] {
    objects.compute(1, [&, n = 0](const pointer &) mutable {
      objects.set(1, make(2));  // so that compute runs again, and has brought an object before
      if (n++ == 1) fail_with(2);
      return make(3);
    });
  });
  assert_int_equal(2, objects.get(1)->number);
  assert_int_equal(1, counted::alive.load());
}

TEST(weigher_that_throws_refuses_the_value) {
  for (const std::uint64_t maxsize : {std::uint64_t{100}, cachetools::unbounded}) {
    auto with = options_of<int, pointer>(maxsize);
    with.weigher = [](int, const pointer &it) {
      if (it->number < 0) fail_with(it->number);
      return std::uint64_t{1};
    };
    pointers it(std::move(with));
    it.resize(maxsize);
    it.set(1, make(1));
    assert_throws(-1, [&] { it.set(1, make(-1)); });
    assert_throws(-2, [&] { it.get_or_set(2, make(-2)); });
    assert_throws(-3, [&] { it.get_or_load(2, [](int) { return make(-3); }); });
    assert_throws(-4, [&] { it.compute(1, [](const pointer &) { return make(-4); }); });
    assert_int_equal(1, it.get(1)->number);
    assert_int_equal(1, it.size());
    assert_int_equal(1, it.currsize());
    assert_int_equal(1, counted::alive.load());
  }
  auto with = options_of<int, int>(100);
  with.weigher = [](int, int) -> std::uint64_t { throw thrown{5}; };
  cache numbers(std::move(with));
  assert_throws(5, [&] { numbers.get_or_load(1, [](int) { return 1; }); });
  assert_throws(5, [&] { numbers.get_or_lease(1).lease.fulfil(1); });
  assert_true(numbers.empty());
}

TEST(ttu_that_throws_stores_nothing) {
  auto with = options_of<int, int>(100);
  with.ttu = [](int, int value, cachetools::time_point now) {
    return value < 0 ? throw thrown{value} : now + 1h;
  };
  cache it(std::move(with));
  it.set(1, 1);
  assert_throws(-1, [&] { it.set(1, -1); });
  assert_throws(-2, [&] { it.get_or_load(2, [](int) { return -2; }); });
  assert_true(it.empty());
}

TEST(listener_that_throws_does_not_undo_the_call) {
  auto with = options_of<int, pointer>(2);
  cachetools::time_point now{};
  with.timer = [&now] { return now; };
  int told = 0;
  with.listener = [&told](const auto &event) {
    told++;
    throw thrown{event.value->number};
  };
  pointers it(std::move(with));
  it.set(1, make(1));
  it.set(2, make(2));
  assert_throws(1, [&] { it.set(3, make(3)); });
  assert_throws(2, [&] { it.set(2, make(4)); });
  assert_int_equal(4, it.get(2)->number);
  assert_throws(3, [&] { it.get_or_load(5, [](int) { return make(5); }); });
  assert_throws(4, [&] { it.compute(6, [](const pointer &) { return make(6); }); });
  assert_throws(5, [&] { it.erase(5); });
  assert_throws(6, [&] { it.pop(6); });
  assert_true(it.empty());
  it.set(7, make(7));
  it.set(8, make(8));
  assert_throws(7, [&] { it.resize(1); });
  assert_throws(8, [&] { it.popitem(); });
  it.set(9, make(9));
  assert_throws(9, [&] { it.clear(); });
  it.set(10, make(10));
  assert_throws(10, [&] { it.set_lifetime(10, 0s); });
  it.set(11, make(11), 1s);
  now += 1s;
  assert_throws(11, [&] { (void)it.size(); });
  it.set(12, make(12), 1s);
  now += 1s;
  assert_throws(12, [&] { it.expire(); });
  it.set(13, make(13));
  assert_throws(13, [&] { it.remove_if([](int, const pointer &) { return true; }); });
  assert_int_equal(13, told);
  assert_int_equal(0, counted::alive.load());
}

TEST(first_of_several_exceptions_counts) {
  auto with = options_of<int, int>(10);
  int told = 0;
  with.listener = [&told](const auto &event) { told++, fail_with(event.value); };
  cache it(std::move(with));
  for (int i = 1; i <= 5; i++) it.set(i, i);
  assert_throws(1, [&] { it.resize(1); });
  assert_int_equal(4, told);
}

TEST(listener_may_call_the_cache_and_catch) {
  auto with = options_of<int, int>(10);
  cache *self = nullptr;
  int caught_in_listener = 0;
  with.listener = [&](const auto &event) {
    if (event.value == 1) {
      try {
        self->erase(2);
      } catch (const thrown &it) {
        caught_in_listener = it.number;
      }
    } else {
      fail_with(event.value);
    }
  };
  cache it(std::move(with));
  self = &it;
  it.set(1, 1);
  it.set(2, 2);
  assert_true(it.erase(1));  // nothing is thrown here
  assert_int_equal(2, caught_in_listener);
}

TEST(match_that_throws_ends_the_removal) {
  cache it(policy::lru, 10);
  for (int i = 0; i < 10; i++) it.set(i, i);
  int calls = 0;
  assert_throws(1, [&] {
    it.remove_if([&calls](int, int) { return ++calls == 3 ? throw thrown{1} : true; });
  });
  assert_int_equal(3, calls);
  assert_int_equal(8, it.size());
}

TEST(read_and_write_that_throw_end_the_snapshot) {
  cache it(policy::lru, 10);
  it.set(1, 1);
  assert_throws(1, [&] { it.save([](std::string_view) { fail_with(1); }); });
  assert_throws(2, [&] {
    cachetools::write_stats({{"it", it.native()}}, [](std::string_view) { fail_with(2); });
  });
  assert_throws(2, [&] { it.load([](char *, std::size_t) { return fail_with(2); }); });
  assert_int_equal(1, *it.get(1));
}

TEST(function_of_a_memo_may_throw) {
  int calls = 0;
  cachetools::memo<int(int)> it(10, [&calls](int n) { return ++calls == 1 ? fail_with(1) : n; });
  assert_throws(1, [&] { it(3); });
  assert_int_equal(3, it(3));
}

// Runs a function in a child, which must end by std::terminate.
template <class Function>
void assert_terminates(Function function) {
  const pid_t child = fork();
  if (child == 0) {
    std::set_terminate([] { _exit(42); });
    function();
    _exit(0);
  }
  int status = 0;
  assert_int_equal(child, waitpid(child, &status, 0));
  assert_true(WIFEXITED(status));
  assert_int_equal(42, WEXITSTATUS(status));
}

TEST(exception_that_nobody_can_be_given_ends_the_program) {
  assert_terminates([] {
    auto with = options_of<std::string_view, std::string_view>(1);
    with.listener = [](const auto &) { fail_with(1); };
    cachetools::cache<> it(std::move(with));
    it.set("a", "");
    ct_delete(it.native(), "a", 1);
  });
  assert_terminates([] {
    auto with = options_of<int, int>(1);
    with.ttl = 1s;
    with.timer = []() -> cachetools::time_point { throw thrown{1}; };
    cache it(std::move(with));
    it.set(1, 1);
  });
  assert_terminates([] {
    auto with = options_of<int, int>(1);
    with.policy = policy::rr;
    with.choice = [](std::uint64_t) -> std::uint64_t { throw thrown{1}; };
    cache it(std::move(with));
    it.set(1, 1);
    it.set(2, 2);
  });
}

TEST(entries_of_another_type_are_told_as_failures) {
  auto with = options_of<int, int>(10);
  with.listener = [](const auto &) {};
  cache it(std::move(with));
  const int key = 1;
  ct_set(it.native(), &key, sizeof key, "abc", 3);
  assert_status(CT_ERR_CORRUPT, failure_of([&] { it.erase(1); }));
  assert_true(it.empty());
}

TEST(want_of_memory_is_bad_alloc) {
  ct_allocator allocator = CT_ALLOCATOR_INIT;
  allocator.alloc = [](void *, std::size_t, std::size_t) -> void * { return nullptr; };
  allocator.free = [](void *, void *, std::size_t, std::size_t) {};
  caught<std::bad_alloc>([&] {
    auto with = options_of<int, int>(10);
    with.allocator = &allocator;
    cache never(std::move(with));
  });
}

}  // namespace
