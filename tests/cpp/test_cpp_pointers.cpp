// SPDX-License-Identifier: MIT
// cachetools.hpp with objects held by shared_ptr: they are handed out uncopied, and each is deleted
// once nobody needs it, whatever became of it; also when any allocation fails.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "cpp.hpp"

// Allocations, of C++ and of the caches: number fail_at, counted from 0, fails (-1: none).
namespace {

std::atomic<long> allocations{0}, fail_at{-1}, blocks{0};

void *allocate(std::size_t size) noexcept {
  if (allocations++ == fail_at) return nullptr;
  void *const it = std::malloc(size);
  if (it != nullptr) blocks++;
  return it;
}
// Inlined, it makes GCC warn that operator new's memory goes to free.
[[gnu::noinline]] void release(void *it) noexcept {
  if (it == nullptr) return;
  blocks--;
  std::free(it);
}

}  // namespace

void *operator new(std::size_t size) {
  if (void *it = allocate(size)) return it;
  throw std::bad_alloc();
}
void operator delete(void *it) noexcept {
  release(it);
}
void operator delete(void *it, std::size_t) noexcept {
  release(it);
}

namespace {

using cachetools::policy;
using cache = cachetools::cache<int, pointer>;
using namespace std::chrono_literals;

ct_allocator failing_allocator() {
  ct_allocator it = CT_ALLOCATOR_INIT;
  it.alloc = [](void *, std::size_t size, std::size_t align) -> void * {
    if (allocations++ == fail_at) return nullptr;
    void *const block = std::aligned_alloc(align, (size + align - 1) / align * align);
    if (block != nullptr) blocks++;
    return block;
  };
  it.free = [](void *, void *block, std::size_t, std::size_t) { release(block); };
  return it;
}

// A test that must leave no object behind.
#define POINTER_TEST(name)                      \
  void run_##name();                            \
  TEST(name) {                                  \
    run_##name();                               \
    assert_int_equal(0, counted::alive.load()); \
  }                                             \
  void run_##name()

POINTER_TEST(object_is_replaced_if_it_is_the_one_that_was_seen) {
  cache it(policy::lru, 10);
  const pointer object = make(1);
  it.set(1, object);
  cachetools::entry special;
  auto [found, seen] = it.hold(1);
  assert_ptr_equal(object.get(), found.get());
  special.if_same = &seen;
  it.set(1, object);  // the same object once more is another value
  assert_true(it.set(1, make(2), special) == cachetools::outcome::exists);
  assert_false(it.erase_if(1, seen));
  assert_ptr_equal(object.get(), it.get(1).get());
  assert_true(it.erase_if(1, it.hold(1).second));
  assert_false(it.hold(1).first != nullptr);
}

POINTER_TEST(object_is_handed_out_uncopied) {
  cache it(policy::lru, 10);
  const pointer object = make(1);
  assert_true(it.set(1, object));
  assert_ptr_equal(object.get(), it.get(1).get());
  assert_ptr_equal(object.get(), it.peek(1).get());
  assert_int_equal(2, object.use_count());
  assert_null(it.get(2).get());
  for (auto [key, value] : it.items()) assert_ptr_equal(object.get(), value.get());
  assert_ptr_equal(object.get(), it.get_many(std::vector<int>{2, 1})[1].get());
  assert_int_equal(1, it.remove_if([&](int, const pointer &value) { return value == object; }));
  assert_int_equal(1, object.use_count());
}

POINTER_TEST(object_lives_as_long_as_someone_has_it) {
  pointer kept;
  {
    cache it(policy::lru, 1);
    it.set(1, make(1));
    kept = it.get(1);
    it.set(1, make(2));  // replaces
    it.set(2, make(3));  // evicts
    assert_int_equal(2, counted::alive);
    cache moved(policy::lru, 1);
    moved.set(9, make(9));
    moved = std::move(it);
    assert_int_equal(2, counted::alive);
    assert_int_equal(3, moved.get(2)->number);
  }
  assert_int_equal(1, counted::alive);
  assert_int_equal(1, kept->number);
}

POINTER_TEST(object_that_is_not_stored_is_deleted) {
  auto with = options_of<int, pointer>(10);
  with.weigher = [](int, const pointer &it) { return static_cast<std::uint64_t>(it->number); };
  cache it(std::move(with));
  assert_false(it.set(1, make(11)));
  assert_false(it.set(1, make(1), 0s));
  assert_int_equal(0, counted::alive);
  it.set(1, make(1));
  cachetools::entry special;
  special.when = cachetools::condition::if_absent;
  assert_true(it.set(1, make(2), special) == cachetools::outcome::exists);
  assert_int_equal(1, it.get_or_set(1, make(3))->number);
  assert_int_equal(4, it.get_or_set(2, make(4))->number);
  assert_int_equal(2, counted::alive);
  assert_int_equal(11, it.get_or_load(3, [](int) { return make(11); })->number);
  assert_int_equal(2, counted::alive);
  assert_int_equal(5, it.get_or_load(3, [](int, cachetools::entry &entry) {
                          entry.ttl = 0s;
                          return make(5);
                        })->number);
  assert_int_equal(2, counted::alive);
}

POINTER_TEST(object_dead_on_arrival_is_handed_back) {
  auto with = options_of<int, pointer>(10);
  with.ttu = [](int, const pointer &, cachetools::time_point now) { return now; };
  cache it(std::move(with));
  assert_int_equal(1, it.get_or_set(1, make(1))->number);
  assert_int_equal(2, it.compute(1, [](const pointer &) { return make(2); })->number);
  assert_int_equal(3, it.get_or_load(1, [](int) { return make(3); })->number);
  assert_int_equal(0, counted::alive);
}

POINTER_TEST(null_is_no_object) {
  cache it(policy::lru, 10);
  assert_status(CT_ERR_INVALID, failure_of([&] { it.set(1, nullptr); }));
  assert_null(it.get_or_load(1, [](int) { return nullptr; }).get());
  assert_false(it.contains(1));
}

POINTER_TEST(load_that_is_overtaken_is_its_callers_alone) {
  cache it(policy::lru, 10);
  const pointer loaded = it.get_or_load(1, [&](int) {
    it.set(1, make(2));
    return make(1);
  });
  assert_int_equal(1, loaded->number);
  assert_int_equal(2, it.get(1)->number);
  const pointer again = it.get_or_load(3, [&](int key) {
    it.erase(key);
    // This load is not overtaken, and takes the place of the one that is.
    std::thread([&] { it.get_or_load(key, [](int) { return make(4); }); }).join();
    return make(3);
  });
  assert_int_equal(3, again->number);
  assert_int_equal(4, it.get(3)->number);
}

// Has a thread wait for a load of a key, runs within() in that, and lets the load bring an object, or
// throw. Returns what the thread got. As nobody can see who waits, it tries until one has.
template <class Within>
pointer got_by_one_who_waits(pointer own, Within within) {
  for (;;) {
    cache it(policy::lru, 10);
    std::atomic<bool> asks{false};
    bool has_waited = false;
    pointer got;
    std::thread waits;
    try {
      const pointer found = it.get_or_load(1, [&](int) -> pointer {
        waits = std::thread([&] {
          asks = true;
          got = it.get_or_load(1, [](int) { return make(0); });
        });
        while (!asks) std::this_thread::yield();
        has_waited = within(it, waits);
        if (own == nullptr) throw thrown{1};
        return own;
      });
      assert_ptr_equal(own.get(), found.get());
    } catch (const thrown &) {
      assert_null(own.get());
    }
    if (waits.joinable()) waits.join();
    if (got->number != 0 && has_waited) return got;
  }
}

// They waited until the loader came back, and failed with it.
POINTER_TEST(who_waits_gets_what_is_set_meanwhile_at_once) {
  for (const bool fails : {false, true}) {
    const pointer set = make(50);
    const pointer got =
        got_by_one_who_waits(fails ? nullptr : make(1), [&](cache &it, auto &waits) {
          for (int i = 0; i < 100; i++) std::this_thread::yield();
          it.set(1, set);
          it.erase(1);
          // One that has waited has that; one that asks only now loads itself.
          waits.join();
          return it.stats().waits == 1;
        });
    assert_ptr_equal(set.get(), got.get());
  }
}

// They loaded one after the other.
POINTER_TEST(who_waits_shares_an_object_that_is_not_kept) {
  pointer own = make(7);
  const std::weak_ptr<const counted> left = own;
  pointer got = got_by_one_who_waits(std::move(own), [](cache &it, auto &) {
    for (int i = 0; i < 100; i++) std::this_thread::yield();
    it.erase(1);
    return true;
  });
  assert_int_equal(7, got->number);
  got.reset();
  assert_true(left.expired());
}

POINTER_TEST(compute_replaces_and_removes) {
  cache it(policy::lru, 10);
  const auto next = [](const pointer &old) { return make(old ? old->number + 1 : 1); };
  it.compute(1, next);
  assert_int_equal(2, it.compute(1, next)->number);
  assert_int_equal(1, counted::alive);
  assert_int_equal(2, it.compute(1, [](const pointer &old) { return old; })->number);
  assert_status(CT_BUSY, failure_of([&] {
                  it.compute(1, [&](const pointer &) {
                    it.set(1, make(0));
                    return make(1);
                  });
                }));
  assert_int_equal(1, counted::alive);
  assert_null(it.compute(1, [](const pointer &) { return pointer(); }).get());
  assert_int_equal(0, counted::alive);
  using owner = std::unique_ptr<counted>;
  assert_int_equal(7, it.compute(1, [](auto) { return std::make_unique<counted>(7); })->number);
  assert_int_equal(8, it.get_or_load(2, [](int) { return std::make_unique<counted>(8); })->number);
  assert_null(it.compute(1, [](auto) { return owner(); }).get());
  assert_null(it.get_or_load(3, [](int) { return owner(); }).get());
  assert_int_equal(1, counted::alive);
}

POINTER_TEST(compute_gives_objects_lifetimes_and_tags) {
  cachetools::time_point now = at(1000);
  cache it(renewing<int, pointer>(now));
  const auto next = [](const pointer &old, cachetools::entry &entry) {
    entry.tags = {"red"};
    entry.keep_ttl = true;
    entry.ttl = 50s;
    return make(old ? old->number + 1 : 1);
  };
  it.compute(1, next);
  now = at(1020);
  assert_int_equal(2, it.compute(1, next)->number);
  assert_true(it.inspect(1)->remaining == 30s);
  const auto dies = [](const pointer &, cachetools::entry &entry) {
    entry.ttl = 0s;
    return make(3);
  };
  assert_int_equal(3, it.compute(2, dies)->number);
  assert_false(it.contains(2));
  assert_int_equal(1, counted::alive);
  it.invalidate_tag("red");
  assert_null(it.get(1).get());
  it.clear();
  assert_int_equal(0, counted::alive);
}

POINTER_TEST(key_that_is_being_loaded_by_this_thread_is_not_waited_for) {
  cache it(policy::lru, 10);
  assert_status(CT_ERR_RECURSION, failure_of([&] {
                  it.get_or_load(1, [&](int) {
                    return it.get_or_load(
                        2, [&](int) { return it.get_or_load(1, [](int) { return make(1); }); });
                  });
                }));
  assert_false(it.contains(1));
  assert_false(it.contains(2));
  assert_status(CT_ERR_RECURSION, failure_of([&] {
                  it.get_or_load(1, [&](int key) {
                    it.erase(key);
                    return it.get_or_load(key, [](int) { return make(1); });
                  });
                }));
  assert_false(it.contains(1));
  assert_int_equal(1, it.get_or_load(1, [](int) { return make(1); })->number);
}

POINTER_TEST(ring_of_two_threads_is_refused) {
  cache it(policy::lru, 10);
  std::atomic<int> loading{0}, refused{0};
  const auto load = [&](int own, int other) {
    try {
      it.get_or_load(own, [&](int) {
        loading++;
        while (loading < 2) std::this_thread::yield();
        return it.get_or_load(other, [](int key) { return make(key); });
      });
    } catch (const cachetools::error &error) {
      if (error.status() == CT_ERR_RECURSION) refused++;
    }
  };
  std::thread first(load, 1, 2), second(load, 2, 1);
  first.join();
  second.join();
  assert_int_equal(1, refused);
  assert_int_equal(1, it.size() == 2 ? 1 : 0);
}

POINTER_TEST(one_thread_loads_for_all) {
  cache it(policy::lru, 10);
  std::atomic<int> loads{0}, asking{0}, right{0};
  in_four_threads([&](int) {
    asking++;
    const pointer object = it.get_or_load(1, [&](int) {
      while (asking != 4) std::this_thread::yield();
      return make(++loads);
    });
    if (object == it.get(1)) right++;
  });
  assert_int_equal(1, loads);
  assert_int_equal(4, right);
}

// Loads a key on four threads, which all ask before a load ends, until some have waited for the
// load of another. Counts the calls of load in *loads.
template <class Run>
void share_a_load(std::atomic<int> *loads, Run run) {
  do {
    cache it(policy::lru, 10);
    std::atomic<int> asking{0};
    *loads = 0;
    in_four_threads([&](int) {
      asking++;
      run(it, [&] {
        ++*loads;
        while (asking != 4) std::this_thread::yield();
      });
    });
    assert_int_equal(0, it.size());
  } while (*loads == 4);
}

POINTER_TEST(who_waits_for_a_load_that_throws_gets_what_it_threw) {
  std::atomic<int> loads, threw{0};
  share_a_load(&loads, [&](cache &it, const auto &wait) {
    try {
      it.get_or_load(1, [&](int) -> pointer {
        wait();
        throw thrown{1};
      });
    } catch (const thrown &) {
      threw++;
    }
  });
  assert_true(threw % 4 == 0 && threw > 0);
}

POINTER_TEST(who_waits_for_a_load_that_finds_nothing_gets_nothing) {
  std::atomic<int> loads, nothing{0};
  share_a_load(&loads, [&](cache &it, const auto &wait) {
    const pointer found = it.get_or_load(1, [&](int) {
      wait();
      return pointer();
    });
    if (found == nullptr) nothing++;
  });
  assert_true(nothing % 4 == 0 && nothing > 0);
}

POINTER_TEST(who_waits_for_a_load_that_was_cancelled_loads) {
  for (const ct_status alone : {CT_BUSY, CT_ERR_RECURSION}) {
    cache it(policy::lru, 10);
    std::atomic<int> loads{0}, asking{0}, failed{0}, right{0};
    in_four_threads([&](int) {
      asking++;
      try {
        const pointer object = it.get_or_load(1, [&](int) {
          while (asking != 4) std::this_thread::yield();
          if (loads++ < 2) throw cachetools::error(alone);
          return make(1);
        });
        if (object == it.get(1)) right++;
      } catch (const cachetools::error &error) {
        if (error.status() == alone) failed++;
      }
    });
    assert_int_equal(3, loads);
    assert_int_equal(2, failed);
    assert_int_equal(2, right);
  }
}

POINTER_TEST(who_waits_for_a_load_that_throws_gets_what_was_stored_meanwhile) {
  cache it(policy::lru, 10);
  std::atomic<int> asking{0}, failed{0}, right{0};
  in_four_threads([&](int) {
    asking++;
    try {
      const pointer object = it.get_or_load(1, [&](int key) -> pointer {
        while (asking != 4) std::this_thread::yield();
        it.set(key, make(2));
        throw thrown{1};
      });
      if (object->number == 2) right++;
    } catch (const thrown &) {
      failed++;
    }
  });
  assert_int_equal(1, failed);
  assert_int_equal(3, right);
}

POINTER_TEST(object_is_renewed_by_one_while_the_others_get_the_old_one) {
  cachetools::time_point now = at(1000);
  cache it(renewing<int, pointer>(now));
  it.set(1, make(1));
  const auto unasked = [](int) -> pointer {
    fail_msg("%s", "loaded");
    std::abort();
  };
  now = at(1079);
  assert_int_equal(1, it.get_or_load(1, unasked)->number);
  int next = 2;
  for (const int time : {1081, 1081 + 130}) {
    now = at(time);
    const auto got = it.get_or_renew(1, [&](int, cachetools::entry &, const pointer &old) {
      assert_int_equal(next - 1, old->number);
      const auto meanwhile = it.get_or_renew(1, unasked);
      assert_ptr_equal(old.get(), meanwhile.value.get());
      assert_int_equal(next == 3, meanwhile.stale);
      return make(next);
    });
    assert_int_equal(next, got.value->number);
    assert_false(got.stale);
    assert_int_equal(next++, it.get(1)->number);
  }
  assert_int_equal(1, counted::alive);
  assert_int_equal(2, it.stats().renewals);
  now = at(1211 + 120);
  it.get_or_renew(1, [&](int, cachetools::entry &entry, const auto &) {
    entry.not_modified = true;
    return pointer();
  });
  assert_int_equal(3, it.get(1)->number);
  assert_true(it.inspect(1)->remaining == 100s);
  assert_status(CT_ERR_CALLBACK, failure_of([&] {
                  it.get_or_load(2, [](int, cachetools::entry &entry) {
                    entry.not_modified = true;
                    return pointer();
                  });
                }));
  now = at(1331 + 120);
  assert_null(it.get_or_load(1, [](int) { return pointer(); }).get());
  assert_int_equal(0, counted::alive);
}

/* It was stored anew, without them. */
POINTER_TEST(object_that_is_not_modified_keeps_its_tags) {
  cachetools::time_point now = at(1000);
  cache it(renewing<int, pointer>(now));
  cachetools::entry special;
  special.tags = {"red"};
  it.set(1, make(1), special);
  now = at(1120);
  const auto keeps = [](int, cachetools::entry &entry, const pointer &) {
    entry.not_modified = true;
    entry.tags = {"blue"};
    return pointer();
  };
  assert_int_equal(1, it.get_or_load(1, keeps)->number);
  assert_true(it.inspect(1)->remaining == 100s);
  assert_int_equal(1, it.stats().inserts);
  it.invalidate_tag("blue");
  assert_int_equal(1, it.get(1)->number);
  it.invalidate_tag("red");
  assert_null(it.get(1).get());
  assert_true(it.empty());
  assert_int_equal(0, counted::alive);
}

POINTER_TEST(object_that_was_invalidated_during_its_renewal_is_not_kept) {
  cachetools::time_point now = at(1000);
  cache it(renewing<int, pointer>(now));
  it.set(1, make(1));
  now = at(1120);
  const auto keeps = [&](int key, cachetools::entry &entry, const pointer &) {
    it.erase(key);
    entry.not_modified = true;
    return pointer();
  };
  assert_int_equal(1, it.get_or_load(1, keeps)->number);
  assert_null(it.get(1).get());
  assert_int_equal(0, counted::alive);
}

POINTER_TEST(old_object_serves_when_a_renewal_fails) {
  cachetools::time_point now = at(1000);
  cache it(renewing<int, pointer>(now));
  it.set(1, make(1));
  const auto fails = [](int) -> pointer { throw thrown{1}; };
  for (const int time : {1090, 1110}) {
    now = at(time);
    const auto got = it.get_or_renew(1, fails);
    assert_int_equal(1, got.value->number);
    assert_int_equal(time > 1100, got.stale);
    const auto rethrow = [&got] { std::rethrow_exception(got.failure); };
    assert_int_equal(1, caught<thrown>(rethrow).number);
    const auto later = it.get_or_renew(1, fails);  // tries nothing
    assert_int_equal(time > 1100, later.stale);
    assert_true(later.failure == nullptr);
  }
  assert_int_equal(2, it.stats().renewal_failures);
  now = at(1130);
  const auto cancelled = [](int) -> pointer { throw cachetools::error(CT_BUSY); };
  assert_status(CT_BUSY, failure_of([&] { it.get_or_load(1, cancelled); }));
  assert_int_equal(1, it.get_or_load(1, fails)->number);
  // What was removed meanwhile is never served, nor is what is too old.
  now = at(1145);
  caught<thrown>([&] {
    it.get_or_load(1, [&](int key) {
      it.erase(key);
      return fails(key);
    });
  });
  it.set(1, make(2));
  now = at(1145 + 150);
  caught<thrown>([&] { it.get_or_load(1, fails); });
}

// Whatever is kept or not, each thread has an object that lives.
POINTER_TEST(threads_load_what_is_not_kept) {
  auto with = options_of<int, pointer>(8);
  with.shards = 2;
  cache it(std::move(with));
  std::atomic<int> wrong{0};
  in_four_threads([&](int i) {
    for (int round = 0; round < 2000; round++) {
      const int key = (round * 7 + i) % 5;
      const pointer object = it.get_or_load(key, [&](int k, cachetools::entry &entry) {
        if (round % 3 == 0) entry.ttl = 0s;
        if (round % 5 == 0) it.erase(k);
        return make(k);
      });
      if (object->number != key) wrong++;
      if (round % 4 == 0) it.erase((key + 1) % 5);
    }
  });
  assert_int_equal(0, wrong);
}

POINTER_TEST(memo_remembers_objects) {
  int calls = 0;
  cachetools::memo<pointer(int)> it(2, [&calls](int number) {
    calls++;
    return number < 0 ? nullptr : make(number);
  });
  assert_ptr_equal(it(1).get(), it(1).get());
  assert_int_equal(1, calls);
  assert_null(it(-1).get());
}

// Everything once. Each line is done or throws, and the rest is left out.
void use_everything(const ct_allocator &allocator) {
  cachetools::time_point now = at(1000);
  auto with = renewing<int, pointer>(now);
  with.maxsize = 3;
  with.allocator = &allocator;
  with.listener = [](const auto &event) { (void)event; };
  cache it(std::move(with));
  it.set(1, make(1));
  it.set(1, make(2), 1h);
  it.get_or_set(2, make(2));
  it.get_or_set(2, make(3));
  it.get_or_load(3, [&](int) { return it.get_or_load(4, [](int key) { return make(key); }); });
  it.compute(5, [](const pointer &) { return make(5); });
  it.get_or_load(6, [](int, cachetools::entry &entry) {
    entry.ttl = 0s;
    return make(6);
  });
  it.compute(5, [](const pointer &old) { return make(old->number + 1); });
  it.get_many(std::vector<int>{1, 2, 3, 4, 5});
  for (auto [key, value] : it.items(cachetools::order::coldest)) assert_non_null(value.get());
  now = at(1110);
  it.get_or_renew(5, [](int) { return make(7); });
  now = at(1220);
  if (it.get_or_renew(5, [](int) -> pointer { throw std::bad_alloc(); }).value == nullptr)
    fail_msg("%s", "the old object does not serve");
  it.get_or_load_many(std::vector<int>{5, 8, 9, 8}, [](auto &those) {
    for (std::size_t i = 0; i < those.size(); i++) those.set(i, make(those.key(i)));
  });
  it.pop(5);
  it.popitem();
  it.clear();
}

void use_texts(const ct_allocator &allocator) {
  using texts = cachetools::cache<std::string, std::string>;
  const std::string text(50, 'x');  // more than a std::string has room for
  auto with = options_of<std::string, std::string>(3);
  with.allocator = &allocator;
  with.weigher = [](std::string_view, std::string_view) { return std::uint64_t{1}; };
  texts it(std::move(with));
  it.set(text, text);
  it.get(text);
  it.get_or_load("a", [&](std::string_view key) { return text + std::string(key); });
  it.get_or_lease("b").lease.fulfil(text);
  it.compute("b", [](auto old) { return std::string(*old) + "!"; });
  it.get_many(std::vector<std::string>{text, "a"});
  it.get_or_load_many(std::vector<std::string>{text, "c", "d"}, [&](auto &those) {
    for (std::size_t i = 0; i < those.size(); i++) those.set(i, text);
  });
  auto leased = it.get_or_lease("e");
  std::string told;
  const auto waits = it.get_or_lease_async("e", [&](auto found, const std::exception_ptr &) {
    if (found.value) told = *std::move(found.value);
  });
  leased.lease.fulfil(text);
  it.popitem();
  std::string saved;
  it.save([&saved](std::string_view bytes) { saved += bytes; });
}

TEST(nothing_leaks_whichever_allocation_fails) {
  const ct_allocator allocator = failing_allocator();
  for (const auto use : {use_everything, use_texts}) {
    long failures = 0;
    for (bool done = false; !done;) {
      const long before = blocks;
      allocations = 0;
      fail_at = failures;
      try {
        use(allocator);
        done = allocations <= fail_at;  // else the library did without the memory
      } catch (const std::bad_alloc &) {
      }
      failures++;
      fail_at = -1;
      assert_int_equal(0, counted::alive.load());
      assert_int_equal(before, blocks.load());
    }
    assert_true(failures > 20);
  }
}

}  // namespace
