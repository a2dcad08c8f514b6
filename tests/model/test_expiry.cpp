// SPDX-License-Identifier: MIT
// The expiry by itself, with clocks that go back, swing and jump: it names what is due in the order of
// the deadlines, and no call touches many entries.
#include <algorithm>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "expiry.hpp"
extern "C" {
#include <cmocka.h>
}

namespace {

uint64_t seed_of_test() {
  const char *given = std::getenv("CT_SEED");
  const uint64_t seed =
      given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("# CT_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

// Entries with nothing but a lifetime, in an expiry, and in a set beside it.
class Timed {
 public:
  explicit Timed(bool with_idle)
      : memory_(nullptr),
        layout_(0, 0, with_idle, false),
        store_(memory_, layout_, false),
        expiry_(memory_, store_, layout_, due_tree_, 0) {
    due_tree_.make(nodes_, 1);
  }

  size_t size() const { return all_.size(); }
  ct::Ref any(uint64_t number) const {
    auto at = all_.begin();
    std::advance(at, number % std::min<size_t>(all_.size(), 50));
    return at->second;
  }

  ct::Ref insert(uint64_t deadline, uint64_t now) {
    assert_true(expiry_.reserve());
    const ct::Ref ref = allocate();
    lifetime(ref).write = deadline;
    if (layout_.keeps_idle()) lifetime(ref).idle = deadline;
    all_.insert({deadline, ref});
    expiry_.insert(ref, now);
    return ref;
  }
  void remove(ct::Ref ref) {
    expiry_.remove(ref);
    all_.erase({layout_.deadline(store_.at(ref)), ref});
    store_.release(ref, bytes());
  }
  // To another block.
  void move(ct::Ref from) {
    const ct::Ref to = allocate();
    std::memcpy(static_cast<void *>(&lifetime(to)), &lifetime(from), layout_.lifetime_bytes);
    expiry_.moved(from, to);
    const uint64_t deadline = layout_.deadline(store_.at(from));
    all_.erase({deadline, from});
    all_.insert({deadline, to});
    store_.release(from, bytes());
  }
  // In a cache with time to idle.
  void use(ct::Ref ref, uint64_t deadline, uint64_t now) {
    all_.erase({layout_.deadline(store_.at(ref)), ref});
    const bool is_early = expiry_.is_early(ref);
    if (is_early) expiry_.remove(ref);
    lifetime(ref).write = std::max<uint64_t>(lifetime(ref).write, deadline);
    lifetime(ref).idle = lifetime(ref).write;
    if (is_early) expiry_.insert(ref, now);
    all_.insert({layout_.deadline(store_.at(ref)), ref});
  }
  // Takes out what is due next; false: nothing is.
  bool expire_one(uint64_t now) {
    const ct::Ref ref = expiry_.due(now);
    const uint64_t first = all_.empty() ? CT_NEVER : all_.begin()->first;
    if (ref == ct::kNone) {
      assert_true(first > now);
      assert_true(expiry_.earliest() <= first);
      return false;
    }
    assert_true(layout_.deadline(store_.at(ref)) == first);
    assert_true(first <= now);
    remove(ref);
    return true;
  }
  size_t expire(uint64_t now) {
    size_t count = 0;
    while (expire_one(now)) count++;
    return count;
  }
  void clear() {
    expiry_.clear();
    for (const auto &entry : all_) store_.release(entry.second, bytes());
    all_.clear();
  }
  void assert_sound() const {
    if (const char *problem = expiry_.problem(all_.size())) fail_msg("%s", problem);
  }
  uint64_t touched() const { return expiry_.touched(); }

 private:
  size_t bytes() const { return layout_.block_bytes(ct::kLifetime, 0, 0); }
  ct::Lifetime &lifetime(ct::Ref ref) { return *layout_.lifetime(store_.at(ref)); }
  ct::Ref allocate() {
    const ct::Ref ref = store_.allocate(bytes());
    assert_int_not_equal(ct::kNone, ref);
    store_.at(ref)->flags = ct::kLifetime;
    lifetime(ref).prev = lifetime(ref).next = ct::kNone;
    return ref;
  }

  ct::Memory memory_;
  ct::Layout layout_;
  ct::Store store_;
  alignas(64) char nodes_[64];  // of the tree, for one shard
  ct::DueTree due_tree_;
  ct::Expiry expiry_;
  std::set<std::pair<uint64_t, ct::Ref>> all_;
};

// ---- Whatever the clock does --------------------------------------------------------------------

// How far a clock moves at most in one run, in powers of two. Now and then it jumps anywhere.
void expect_order(bool with_idle, uint32_t reach, std::mt19937_64 &random) {
  Timed timed(with_idle);
  uint64_t now = random() >> random() % 64;
  for (int step = 0; step < 20000; step++) {
    const uint64_t offset = random() & ((uint64_t{1} << random() % reach) - 1);
    if (random() % 4 == 0) now = random() % 2 == 0 ? now + offset : now - std::min(now, offset);
    if (random() % 1000 == 0) now = random() >> random() % 64;
    now = std::min(now, CT_NEVER - 1);
    const uint64_t deadline = std::min(offset, CT_NEVER - 1 - now) + now;
    const uint64_t drawn = random() % 16;
    if (timed.size() == 0 || drawn < 6) {
      timed.insert(deadline, now);
    } else if (drawn < 8) {
      timed.remove(timed.any(random()));
    } else if (drawn < 10) {
      timed.move(timed.any(random()));
    } else if (drawn < 12) {
      if (with_idle) timed.use(timed.any(random()), deadline, now);
    } else if (drawn < 14) {
      timed.expire(now);
    } else if (random() % 2000 == 0) {
      timed.clear();
    }
    if (timed.size() < 30 || step % 32 == 0) timed.assert_sound();
  }
}

void test_what_is_due_comes_in_order_whatever_the_clock_does(void **) {
  std::mt19937_64 random(seed_of_test());
  for (const bool with_idle : {false, true}) {
    for (uint32_t reach = 1; reach <= 64; reach += 7) expect_order(with_idle, reach, random);
  }
}

void test_many_of_one_deadline_in_the_past(void **) {
  Timed timed(false);
  timed.insert(2000, 1000);
  std::vector<ct::Ref> refs;
  for (int i = 0; i < 5000; i++) refs.push_back(timed.insert(500, 400));
  timed.assert_sound();
  for (int i = 0; i < 5000; i += 2) timed.move(refs[i]);
  timed.assert_sound();
  for (int i = 1; i < 5000; i += 2) timed.remove(refs[i]);
  timed.assert_sound();
  assert_int_equal(2500, timed.expire(1999));
  assert_int_equal(1, timed.expire(2000));
}

// ---- How much it touches ------------------------------------------------------------------------

constexpr uint64_t kMany = 50000;
constexpr uint64_t kLate = uint64_t{1} << 40;
// A few for each bit of a deadline and a reference, and for each slot.
constexpr uint64_t kMostTouched = 6 * (64 + 32) + 6 * 13 * 32;

// With many that are not due yet, and that do not come in the order of their deadlines.
struct Crowd : Timed {
  explicit Crowd(std::mt19937_64 &random) : Timed(false) {
    for (uint64_t i = 0; i < kMany; i++) insert(kLate + random() % kLate, 1);
  }
};

template <class Call>
void expect_touched(const Timed &timed, uint64_t most, Call call) {
  const uint64_t before = timed.touched();
  call();
  const uint64_t touched = timed.touched() - before;
  if (touched > most) fail_msg("%llu were touched", static_cast<unsigned long long>(touched));
}

void test_swinging_clock_touches_few(void **) {
  std::mt19937_64 random(seed_of_test());
  Crowd timed(random);
  for (uint64_t round = 0; round < 300; round++) {
    const uint64_t low = round * 1000;
    const uint64_t high = low + (uint64_t{1} << round % 36);
    bool more;
    const auto expire_one = [&](uint64_t now) {
      expect_touched(timed, kMostTouched, [&] { more = timed.expire_one(now); });
    };
    for (uint64_t i = 0; i < 200; i++) {
      expect_touched(timed, kMostTouched, [&] { timed.insert(high + 1 + i, high); });
      expect_touched(timed, kMostTouched,
                     [&] { timed.insert(low + 1 + random() % (high - low), low); });
      expire_one(low);
      if (i % 8 == 0) expire_one(high);
    }
    more = true;
    while (more) expire_one(high + 200);
  }
  timed.assert_sound();
}

// As by ct_expire up to a time that is still to come.
void test_time_that_jumps_ahead_and_back_touches_few(void **) {
  std::mt19937_64 random(seed_of_test());
  Crowd timed(random);
  timed.expire(kLate + kLate / 2);
  for (uint64_t i = 0; i < kMany; i++) {
    expect_touched(timed, kMostTouched, [&] { timed.insert(i + 100, i); });
    expect_touched(timed, kMostTouched, [&] { timed.expire_one(i); });
  }
  timed.assert_sound();
}

// With nothing left it is as if the clock had never been there.
void test_time_that_goes_back_when_all_are_gone_is_the_time(void **) {
  std::mt19937_64 random(seed_of_test());
  Crowd timed(random);
  timed.insert(CT_NEVER - 1, 1);
  timed.expire(CT_NEVER - 1);
  for (uint64_t i = 0; i < kMany; i++) {
    expect_touched(timed, 8, [&] { timed.insert(i + 100, i); });
    expect_touched(timed, 8, [&] { timed.expire_one(i); });
  }
  timed.assert_sound();
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(test_what_is_due_comes_in_order_whatever_the_clock_does),
      cmocka_unit_test(test_many_of_one_deadline_in_the_past),
      cmocka_unit_test(test_swinging_clock_touches_few),
      cmocka_unit_test(test_time_that_jumps_ahead_and_back_touches_few),
      cmocka_unit_test(test_time_that_goes_back_when_all_are_gone_is_the_time),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
