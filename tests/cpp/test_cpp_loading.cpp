// SPDX-License-Identifier: MIT
// cachetools.hpp: many keys by one load, waits without a thread, and misses that are remembered; of
// values in the library's memory, and of objects held by shared_ptr.
#include <map>
#include <mutex>
#include <set>

#include "cpp.hpp"

using namespace std::chrono_literals;
using cachetools::batch;
using cachetools::cache;

namespace {

using numbers = cache<int, int>;
using objects = cache<int, pointer>;
using texts = std::vector<std::string>;

// What a cache of each kind stores for a number, and back.
template <class Cache>
auto made(int number) {
  if constexpr (std::is_same_v<Cache, objects>)
    return make(number);
  else
    return number;
}
int number_of(const std::optional<int> &it) {
  return it ? *it : -1;
}
int number_of(const pointer &it) {
  return it ? it->number : -1;
}

// Brings the square of each key but 0, and notes the keys.
template <class Cache>
auto squares(std::vector<int> &asked) {
  return [&asked](batch<int, typename Cache::mapped_type> &those) {
    for (std::size_t i = 0; i < those.size(); i++) {
      const int key = those.key(i);
      asked.push_back(key);
      if (key != 0) those.set(i, made<Cache>(key * key));
    }
  };
}

template <class Cache>
void check_many() {
  Cache it(options_of<int, typename Cache::mapped_type>(100));
  std::vector<int> asked;
  it.set(2, made<Cache>(7));
  const auto found = it.get_or_load_many(std::vector{3, 2, 0, 3}, squares<Cache>(asked));
  assert_true((asked == std::vector{3, 0}));
  assert_int_equal(4, found.size());
  const std::vector expected{9, 7, -1, 9};
  for (std::size_t i = 0; i < 4; i++) {
    assert_int_equal(expected[i], number_of(found[i].value));
    assert_false(found[i].stale || found[i].failure);
  }
  assert_int_equal(9, number_of(it.get(3)));
  assert_true(it.get_or_load_many(std::vector<int>{}, squares<Cache>(asked)).empty());
  assert_int_equal(2, asked.size());
}
TEST(many_keys_are_loaded_by_one_call) {
  check_many<numbers>();
  check_many<objects>();
  assert_int_equal(0, counted::alive);
}

template <class Loaded>
int thrown_by(const Loaded &it) {
  assert_true(!it);
  return caught<thrown>([&] { std::rethrow_exception(it.failure); }).number;
}

template <class Cache>
void check_failures() {
  using batch_of = batch<int, typename Cache::mapped_type>;
  Cache it(options_of<int, typename Cache::mapped_type>(100));
  auto found = it.get_or_load_many(std::vector{1, 2, 3}, [](batch_of &those) {
    those.set(0, made<Cache>(1));
    those.set(1, made<Cache>(2));
    those.fail_with(1, std::make_exception_ptr(thrown{5}));
    those.fail_with(2, std::make_exception_ptr(thrown{6}));
    those.set(2, made<Cache>(3), cachetools::entry{0s});
  });
  assert_int_equal(1, number_of(found[0].value));
  assert_int_equal(5, thrown_by(found[1]));
  assert_int_equal(3, number_of(found[2].value));
  assert_int_equal(1, it.size());
  found = it.get_or_load_many(std::vector{1, 2, 3}, [](batch_of &those) {
    those.set(0, made<Cache>(2));
    throw thrown{7};
  });
  assert_int_equal(1, number_of(found[0].value));
  assert_int_equal(7, thrown_by(found[1]));
  assert_int_equal(7, thrown_by(found[2]));
  // Nothing is left behind, and a key of the batch cannot be loaded inside.
  found = it.get_or_load_many(std::vector{2, 3}, [&](batch_of &those) {
    assert_status(CT_ERR_RECURSION,
                  failure_of([&] { it.get_or_load(3, [](int key) { return made<Cache>(key); }); }));
    those.set(0, made<Cache>(number_of(it.get_or_load(4, [](int k) { return made<Cache>(k); }))));
  });
  assert_int_equal(4, number_of(found[0].value));
  assert_false(found[1] || found[1].failure);
}
TEST(each_key_fails_alone_or_all_by_what_is_thrown) {
  check_failures<numbers>();
  check_failures<objects>();
  assert_int_equal(0, counted::alive);
}

template <class Cache>
void check_renewals() {
  auto clock = at(0);
  Cache it(renewing<int, typename Cache::mapped_type>(clock));
  for (int key : {1, 2, 3}) it.set(key, made<Cache>(key));
  clock = at(90);
  auto found = it.get_or_load_many(std::vector{1, 2, 3, 4},
                                   [](batch<int, typename Cache::mapped_type> &those) {
                                     assert_int_equal(4, those.size());
                                     for (std::size_t i = 0; i < 3; i++)
                                       assert_int_equal(i + 1, number_of(those.old(i)));
                                     assert_int_equal(-1, number_of(those.old(3)));
                                     those.keep(0);
                                     those.fail_with(1, std::make_exception_ptr(thrown{5}));
                                   });
  assert_int_equal(1, number_of(found[0].value));
  assert_int_equal(2, number_of(found[1].value));  // the old one serves
  assert_false(found[1].stale);
  assert_true(found[1].failure != nullptr);
  assert_false(found[2] || found[3]);
  assert_true(it.inspect(1)->remaining == 100s);
  assert_false(it.contains(3));
}
TEST(many_values_are_renewed) {
  check_renewals<numbers>();
  check_renewals<objects>();
  assert_int_equal(0, counted::alive);
}

template <class Cache>
void check_overlap() {
  Cache it(options_of<int, typename Cache::mapped_type>(1000));
  std::mutex mutex;
  std::multiset<int> asked;
  std::atomic<int> wrong{0};
  in_four_threads([&](int thread) {
    for (int turn = 0; turn < 50; turn++) {
      std::vector<int> keys;
      for (int i = 0; i < 8; i++) keys.push_back(100 * turn + (i + 2 * thread) % 8 + 1);
      const auto found =
          it.get_or_load_many(keys, [&](batch<int, typename Cache::mapped_type> &those) {
            for (std::size_t i = 0; i < those.size(); i++) {
              those.set(i, made<Cache>(those.key(i)));
              const std::lock_guard<std::mutex> lock(mutex);
              asked.insert(those.key(i));
            }
          });
      for (std::size_t i = 0; i < keys.size(); i++)
        if (number_of(found[i].value) != keys[i]) wrong++;
    }
  });
  assert_int_equal(0, wrong);
  assert_int_equal(400, asked.size());
  assert_int_equal(400, std::set<int>(asked.begin(), asked.end()).size());
}
TEST(batches_that_overlap_do_not_wait_for_each_other) {
  check_overlap<numbers>();
  check_overlap<objects>();
  assert_int_equal(0, counted::alive);
}

TEST(keys_may_be_texts_and_waits_may_end) {
  cache<std::string, std::string> it(cachetools::policy::lru, 10);
  auto lease = it.get_or_lease("a").lease;
  cachetools::load_options how;
  how.timeout = 0s;
  const auto upper = [](batch<std::string, std::string> &those) {
    for (std::size_t i = 0; i < those.size(); i++) those.set(i, std::string(those.key(i)) + "!");
  };
  auto found = it.get_or_load_many(texts{"a", "", "bc"}, how, upper);
  assert_status(CT_BUSY, failure_of([&] { std::rethrow_exception(found[0].failure); }));
  assert_text("!", *found[1].value);
  assert_text("bc!", *found[2].value);
  lease.fulfil("1");
  how.force = true;
  found = it.get_or_load_many(texts{"a"}, how, upper);
  assert_text("a!", *found[0].value);
}

template <class Cache>
void check_negatives() {
  auto with = options_of<int, typename Cache::mapped_type>(100);
  with.negative_ttl = 1h;
  Cache it(std::move(with));
  int calls = 0;
  const auto nothing = [&](int) {
    calls++;
    return typename Cache::result();
  };
  for (int i = 0; i < 3; i++) assert_int_equal(-1, number_of(it.get_or_load(1, nothing)));
  assert_int_equal(1, calls);
  assert_int_equal(2, it.stats().negative_hits);
  std::vector<int> asked;
  assert_true(!it.get_or_load_many(std::vector{1, 0}, squares<Cache>(asked))[0]);
  assert_true(!it.get_or_load(0, nothing));
  assert_true((asked == std::vector{0}));
  assert_false(it.erase(1));
  assert_true(!it.get_or_load(1, nothing));
  assert_int_equal(2, calls);
  it.set(1, made<Cache>(5));
  assert_int_equal(5, number_of(it.get_or_load(1, nothing)));
  assert_int_equal(2, calls);
}
TEST(that_there_is_no_value_is_remembered_until_the_key_is_written) {
  check_negatives<numbers>();
  check_negatives<objects>();
  assert_int_equal(0, counted::alive);
}

TEST(thousands_wait_without_a_thread) {
  numbers it(cachetools::policy::lru, 10);
  int told = 0, sum = 0;
  const auto done = [&](numbers::offer found, std::exception_ptr failure) {
    assert_true(failure == nullptr);
    told++;
    sum += *found.value;
  };
  auto first = it.get_or_lease_async(1, done);
  assert_true(first.now && first.now->lease && !first.wait);
  std::vector<cachetools::wait> waits;
  for (int i = 0; i < 1000; i++) {
    auto answer = it.get_or_lease_async(1, done);
    assert_true(!answer.now);
    waits.push_back(std::move(answer.wait));
  }
  for (int i = 0; i < 10; i++) assert_true(waits[i].cancel());
  waits[10] = cachetools::wait();  // so does its destructor
  first.now->lease.fulfil(3);
  assert_int_equal(989, told);
  assert_int_equal(3 * 989, sum);
  assert_false(waits[11].cancel());
  assert_int_equal(3, *it.get_or_lease_async(1, done).now->value);
}

TEST(who_waits_without_a_thread_is_told_of_failures_or_takes_over) {
  cache<> it(cachetools::policy::lru, 10);
  std::vector<cache<>::offer> offers;
  std::vector<std::exception_ptr> failures;
  const auto owned = make(1);
  const auto wait = [&] {
    return it.get_or_lease_async("a", [&, owned](cache<>::offer found, std::exception_ptr failure) {
      offers.push_back(std::move(found));
      failures.push_back(failure);
    });
  };
  auto lease = it.get_or_lease("a").lease;
  auto a = wait();
  lease.fail_with(CT_ERR_IO);
  assert_status(CT_ERR_IO, failure_of([&] { std::rethrow_exception(failures.at(0)); }));
  lease = it.get_or_lease("a").lease;
  auto b = wait();
  lease.fail_with(CT_MISS);
  assert_true(!failures.at(1) && !offers[1].value && !offers[1].lease);
  lease = it.get_or_lease("a").lease;
  auto c = wait();
  auto d = wait();
  lease.abandon();  // one of them takes over, and tells the other
  assert_int_equal(3, offers.size());
  offers[2].lease.fulfil("1");
  assert_text("1", offers.at(3).value.view());
  assert_false(a.wait.cancel() || b.wait.cancel() || c.wait.cancel() || d.wait.cancel());
  lease = it.get_or_lease("b").lease;
  assert_int_equal(1, owned.use_count());  // whoever was told, or was not, is gone
}

TEST(a_wait_ends_on_another_thread) {
  cache<int, std::string> it(cachetools::policy::lru, 10);
  auto lease = it.get_or_lease(1).lease;
  std::string got;
  auto answer =
      it.get_or_lease_async(1, [&](auto found, const std::exception_ptr &) { got = *found.value; });
  std::thread([&] { it.set(1, "set"); }).join();
  assert_text("set", got);
  lease.fulfil("late");
  assert_text("set", *it.get(1));
}

}  // namespace
