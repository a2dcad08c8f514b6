// SPDX-License-Identifier: MIT
// The expiry by itself, with clocks that go back, swing and jump. It names entries that are due in
// the order of their deadlines or, where these are equal, of their arrival. It touches few entries
// for this.
#include <algorithm>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <set>
#include <tuple>
#include <vector>

#include "table/expiry.hpp"
extern "C" {
#include "test.h"

uint64_t test_seed(void);
uint64_t test_random(uint64_t *state);
uint64_t test_random_below(uint64_t *state, uint64_t n);
}

namespace {

// Entries with nothing but a lifetime and a Note, in an expiry and, to compare, in a set.
class Timed {
 public:
  explicit Timed(bool with_idle = false, const ct_allocator *hooks = nullptr)
      : memory_(nullptr),
        early_memory_(hooks),
        layout_(0, 0, with_idle, false),
        store_(memory_, layout_, false),
        expiry_(early_memory_, store_, layout_, due_tree_, 0) {
    due_tree_.make(nullptr, 1);
    assert_true(expiry_.reserve());
  }

  size_t size() const { return refs_.size(); }
  ct::Ref any(uint64_t *random) const { return refs_[test_random_below(random, refs_.size())]; }
  uint64_t earliest() const { return order_.empty() ? CT_NEVER : std::get<0>(*order_.begin()); }

  ct::Ref insert(uint64_t deadline, uint64_t now) {
    const ct::Ref ref = allocate();
    note(ref).position = refs_.size();
    refs_.push_back(ref);
    lifetime(ref).write = deadline;
    if (layout_.keeps_idle) lifetime(ref).idle = deadline;
    arrives(ref);
    count([&] { expiry_.insert(ref, now); });
    return ref;
  }
  void remove(ct::Ref ref) {
    count([&] { expiry_.remove(ref); });
    leaves(ref);
    note(refs_.back()).position = note(ref).position;
    refs_[note(ref).position] = refs_.back();
    refs_.pop_back();
    store_.release(ref, bytes());
  }
  // Gives the same entry another lifetime.
  void extend(ct::Ref ref, uint64_t deadline, uint64_t now) {
    count([&] { expiry_.remove(ref); });
    leaves(ref);
    lifetime(ref).write = deadline;
    if (layout_.keeps_idle) lifetime(ref).idle = deadline;
    arrives(ref);
    count([&] { expiry_.insert(ref, now); });
  }
  // Moves the entry to another block.
  void move(ct::Ref from) {
    const ct::Ref to = allocate();
    std::memcpy(static_cast<void *>(store_.at(to) + 1), store_.at(from) + 1,
                bytes() - sizeof(ct::Entry));
    count([&] { expiry_.moved(to); });
    order_.erase(key_of(from));
    order_.insert(key_of(to));
    refs_[note(to).position] = to;
    store_.release(from, bytes());
  }
  // Uses the entry, in a cache with time to idle.
  void use(ct::Ref ref, uint64_t deadline) {
    leaves(ref);
    lifetime(ref).write = std::max<uint64_t>(lifetime(ref).write, deadline);
    lifetime(ref).idle = lifetime(ref).write;
    arrives(ref);
  }
  // Takes out the next entry that is due. Returns false if none is due, or if the expiry has to be
  // asked again.
  bool expire_one(uint64_t now) {
    ct::Ref ref = ct::kNone;
    count([&] { ref = expiry_.due(now); });
    if (ref == ct::kAskAgain) {
      asked_again_ = true;
      return false;
    }
    if (ref == ct::kNone) {
      assert_true(earliest() > now);
      assert_true(expiry_.earliest() <= earliest());
      return false;
    }
    assert_true(earliest() <= now);
    assert_true(layout_.deadline(store_.at(ref)) == earliest());
    // Where uses extend deadlines, the order of arrival is unknown.
    if (!layout_.keeps_idle) assert_int_equal(std::get<2>(*order_.begin()), ref);
    remove(ref);
    return true;
  }
  size_t expire(uint64_t now) {
    size_t count = 0;
    do {
      asked_again_ = false;
      while (expire_one(now)) count++;
    } while (asked_again_);
    return count;
  }
  void clear() {
    expiry_.clear();
    assert_int_equal(0, early_memory_.held());
    for (const ct::Ref ref : refs_) store_.release(ref, bytes());
    refs_.clear();
    order_.clear();
    assert_true(expiry_.reserve());
  }
  void assert_sound() const {
    if (const char *problem = expiry_.problem(size())) fail_msg("%s", problem);
  }

  uint64_t touched() const { return expiry_.touched(); }
  uint64_t most_touched() const { return most_touched_; }

 private:
  using Key = std::tuple<uint64_t, uint64_t, ct::Ref>;  // deadline, arrival
  // Stands in place of an entry's value.
  struct Note {
    uint64_t arrival;
    uint64_t position;  // in refs_
  };

  template <class Call>
  void count(Call call) {
    const uint64_t before = expiry_.touched();
    call();
    most_touched_ = std::max(most_touched_, expiry_.touched() - before);
  }
  Note &note(ct::Ref ref) {
    char *value = ct::Layout::at(store_.at(ref), layout_.value_offset(ct::kLifetime, 0));
    return *reinterpret_cast<Note *>(value);
  }
  Key key_of(ct::Ref ref) { return {layout_.deadline(store_.at(ref)), note(ref).arrival, ref}; }
  void arrives(ct::Ref ref) {
    note(ref).arrival = next_arrival_++;
    order_.insert(key_of(ref));
  }
  void leaves(ct::Ref ref) { order_.erase(key_of(ref)); }
  size_t bytes() const { return layout_.block_bytes(ct::kLifetime, 0, sizeof(Note), 0); }
  ct::Lifetime &lifetime(ct::Ref ref) { return *layout_.lifetime(store_.at(ref)); }
  ct::Ref allocate() {
    const ct::Ref ref = store_.allocate(bytes());
    assert_int_not_equal(ct::kNone, ref);
    store_.at(ref)->flags = ct::kLifetime;
    lifetime(ref).prev = lifetime(ref).next = ct::kNone;
    return ref;
  }

  ct::Memory memory_;
  ct::Memory early_memory_;
  ct::Layout layout_;
  ct::Store store_;
  ct::DueTree due_tree_;
  ct::Expiry expiry_;
  std::vector<ct::Ref> refs_;
  std::set<Key> order_;
  uint64_t next_arrival_ = 0;
  uint64_t most_touched_ = 0;
  bool asked_again_ = false;
};

// ---- The order ----------------------------------------------------------------------------------

// Draws a time up to 2^reach - 1, often less. A small reach makes many equal times.
uint64_t some_time(uint32_t reach, uint64_t *random) {
  return test_random(random) & ((uint64_t{1} << test_random_below(random, reach)) - 1);
}

// The clock moves by such times, and now and then jumps anywhere.
void run_in_order(Timed &timed, bool with_idle, uint32_t reach, uint64_t *random) {
  const auto below = [random](uint64_t n) { return test_random_below(random, n); };
  uint64_t now = test_random(random) >> below(64);
  uint64_t times[8] = {};  // deadlines that many entries share
  for (int step = 0; step < 20000; step++) {
    const uint64_t offset = some_time(reach, random);
    if (below(4) == 0) now = below(2) == 0 ? now + offset : now - std::min(now, offset);
    if (below(1000) == 0) now = test_random(random) >> below(64);
    now = std::min(now, CT_NEVER - 1);
    if (below(100) == 0) {
      for (uint64_t &time : times)
        time = now + std::min(some_time(reach, random), CT_NEVER - 1 - now);
    }
    uint64_t deadline = times[below(8)];
    if (deadline <= now || below(2) == 0) {
      deadline = now + std::min(some_time(reach, random), CT_NEVER - 1 - now);
    }
    const uint64_t drawn = below(16);
    if (timed.size() == 0 || drawn < 6) {
      timed.insert(deadline, now);
    } else if (drawn < 8) {
      timed.remove(timed.any(random));
    } else if (drawn < 9) {
      timed.move(timed.any(random));
    } else if (drawn < 10) {
      timed.extend(timed.any(random), deadline, now);
    } else if (drawn < 12) {
      if (with_idle) timed.use(timed.any(random), deadline);
    } else if (drawn < 13) {
      timed.expire(now);
    } else if (drawn < 15) {
      timed.expire_one(now);
    } else if (below(2000) == 0) {
      timed.clear();
    }
    if (timed.size() < 30 || step % 64 == 0) timed.assert_sound();
  }
  timed.expire(CT_NEVER - 1);
  assert_int_equal(0, timed.size());
  timed.assert_sound();
}

TEST(what_is_due_comes_in_order_whatever_the_clock_does) {
  uint64_t random = test_seed();
  for (const bool with_idle : {false, true}) {
    for (uint32_t reach = 1; reach <= 64; reach += 7) {
      Timed timed(with_idle);
      run_in_order(timed, with_idle, reach, &random);
    }
  }
}

// Without memory, the wheel is turned back at once.
TEST(order_is_the_same_without_memory) {
  uint64_t random = test_seed();
  struct Scarce {
    uint64_t random;
    uint64_t gives;  // one allocation in so many succeeds; 0: none
    uint64_t refusals;
  } scarce{random, 0, 0};
  ct_allocator hooks = CT_ALLOCATOR_INIT;
  hooks.ctx = &scarce;
  hooks.alloc = [](void *ctx, size_t size, size_t align) -> void * {
    Scarce *own = static_cast<Scarce *>(ctx);
    // Slots are reserved when an entry is filed, and are not refused.
    const bool refuses =
        size < 3000 && (own->gives == 0 || test_random_below(&own->random, own->gives) != 0);
    own->refusals += refuses;
    return refuses ? nullptr : std::aligned_alloc(align, (size + align - 1) / align * align);
  };
  hooks.free = [](void *, void *ptr, size_t, size_t) { std::free(ptr); };
  for (scarce.gives = 0; scarce.gives <= 20; scarce.gives += 20) {
    for (uint32_t reach = 1; reach <= 64; reach += 7) {
      Timed timed(false, &hooks);
      run_in_order(timed, false, reach, &random);
    }
  }
  assert_true(scarce.refusals > 100);
}

// The time comes near while nothing asks what is due, so each of three levels has a slot for the
// deadline.
TEST(entries_of_one_deadline_may_stand_in_nested_slots) {
  Timed timed;
  timed.insert(2000, 0);
  for (const uint64_t now : {0, 1100, 1480}) timed.insert(1500, now);
  assert_int_equal(3, timed.expire(1500));
  timed.insert(1990, 1995);
  assert_int_equal(2, timed.expire(2000));
  timed.assert_sound();
}

// A slot is split while others of the same deadlines arrive.
TEST(entries_of_one_deadline_leave_in_the_order_of_arrival) {
  uint64_t random = test_seed();
  Timed timed;
  constexpr uint64_t kCount = 5000;
  uint64_t now = 1;
  for (uint64_t i = 0; i < kCount; i++) {
    timed.insert(0x10000 + 3 * test_random_below(&random, 4), now);
    if (i % 3 == 0) timed.move(timed.any(&random));
  }
  now = 0x10000 - 1;
  while (timed.size() > 0) {
    if (timed.size() < 2 * kCount && now < 0x10009) {
      timed.insert(0x10000 + 3 * test_random_below(&random, 4), now);
    }
    if (test_random_below(&random, 3) == 0) timed.move(timed.any(&random));
    for (int i = 0; i < 4; i++) timed.expire_one(now);
    now = 0x10000 + test_random_below(&random, 16) - 4;
  }
  timed.assert_sound();
}

// ---- How much it touches ------------------------------------------------------------------------

// How often a call may touch entries: a few times for each entry that it looks at before others
// have their turn (kLooksAtOnce), for each slot, or for each level of the heap. On average, an
// entry is filed a few times, on a few levels.
constexpr uint64_t kMostTouched = 2500;
constexpr uint64_t kUsuallyTouched = 50;
constexpr uint64_t kMany = 100000;
constexpr uint64_t kStores = 50000;
constexpr uint64_t kSecond = 1000000000;
constexpr uint64_t kHour = 3600 * kSecond;
constexpr uint64_t kBegin = 100000 * kHour;

struct Swing {
  const char *name;
  uint64_t (*now)(uint64_t step, uint64_t *random);
};

const Swing kSwings[] = {
    {"on", [](uint64_t step, uint64_t *) { return kBegin + step * kSecond / 100; }},
    {"still", [](uint64_t, uint64_t *) { return kBegin; }},
    {"an hour back and forth each time",
     [](uint64_t step, uint64_t *) { return kBegin + step % 2 * kHour; }},
    {"an hour back and forth now and then",
     [](uint64_t step, uint64_t *) {
       return kBegin + step * kSecond / 100 + step / 1000 % 2 * kHour;
     }},
    {"anywhere in an hour",
     [](uint64_t, uint64_t *random) { return kBegin + test_random_below(random, kHour); }},
    {"anywhere near, sometimes far",
     [](uint64_t, uint64_t *random) { return kBegin + some_time(52, random); }},
    {"back for ever", [](uint64_t step, uint64_t *) { return kBegin - step * kSecond; }},
    {"years forward, then right again",
     [](uint64_t step, uint64_t *) {
       return kBegin + step * kSecond / 100 + (step < 1000 ? 50000 * kHour : 0);
     }},
    {"by halves, down and up",
     [](uint64_t step, uint64_t *) { return kBegin + (kHour >> (step % 64)); }},
};

struct Ages {
  const char *name;
  uint64_t (*deadline)(uint64_t now, uint64_t *random);
};

const Ages kAges[] = {
    {"one lifetime", [](uint64_t now, uint64_t *) { return now + kHour / 2; }},
    {"any within two hours",
     [](uint64_t now, uint64_t *random) { return now + 1 + test_random_below(random, 2 * kHour); }},
    {"from ns to years",
     [](uint64_t now, uint64_t *random) { return now + 1 + some_time(56, random); }},
    {"the same deadlines",
     [](uint64_t now, uint64_t *random) {
       return (now / kHour + 1 + test_random_below(random, 3)) * kHour;
     }},
};

// Stores take out a few entries that are due, as those of a cache do, while there are many entries.
// The clock stood still while these arrived.
void expect_few_touched(const Swing &swing, const Ages &ages, bool with_idle, uint64_t *random) {
  Timed timed(with_idle);
  for (uint64_t i = 0; i < kMany; i++) timed.insert(ages.deadline(kBegin, random), kBegin);
  for (uint64_t step = 0; step < kStores; step++) {
    const uint64_t now = swing.now(step, random);
    for (int i = 0; i < 3 && timed.expire_one(now); i++) continue;
    timed.insert(ages.deadline(now, random), now);
    if (with_idle) timed.use(timed.any(random), ages.deadline(now, random));
    if (timed.size() > kMany) timed.remove(timed.any(random));
  }
  const uint64_t most = timed.most_touched();
  const uint64_t each = timed.touched() / (kMany + kStores);
  if (most > kMostTouched || each > kUsuallyTouched) {
    fail_msg("%s, %s: a call touched %d entries, each store %d on average", swing.name, ages.name,
             static_cast<int>(most), static_cast<int>(each));
  }
  timed.assert_sound();
}

TEST(clock_that_swings_touches_few) {
  uint64_t random = test_seed();
  for (const Swing &swing : kSwings) {
    for (const Ages &ages : kAges) expect_few_touched(swing, ages, false, &random);
    expect_few_touched(swing, kAges[1], true, &random);
  }
}

// At one end of the swing come entries that are due at the other end. They are early, but they
// leave before they are many. So the wheel, with entries that are due much later, is not turned
// back, and no store has to look at all of its entries.
TEST(early_entries_that_come_and_go_leave_the_wheel_alone) {
  uint64_t random = test_seed();
  constexpr uint64_t kBase = uint64_t{1} << 40;
  constexpr uint64_t kSwing = 500000000;
  Timed timed;
  for (uint64_t i = 0; i < kMany; i++) {
    timed.insert(kBase + (1 << 30) + test_random_below(&random, 1 << 30), kBase);
  }
  for (uint64_t step = 0; step < kStores; step++) {
    const uint64_t now = step % 2 == 0 ? kBase - kSwing : kBase + kSwing;
    const uint64_t before = timed.touched();
    timed.expire(now);
    timed.insert(now + (1 << 20) + test_random_below(&random, uint64_t{1} << 31), now);
    if (timed.size() > kMany) timed.remove(timed.any(&random));
    assert_true(timed.touched() - before <= kMostTouched);
  }
  timed.assert_sound();
}

// When no entry is left, the expiry starts anew with the time that it is now.
TEST(time_that_goes_back_when_all_are_gone_is_the_time) {
  Timed timed;
  timed.insert(CT_NEVER - 1, 1);
  assert_int_equal(1, timed.expire(CT_NEVER - 1));
  const uint64_t before = timed.touched();
  for (uint64_t i = 0; i < kMany; i++) {
    timed.insert(i + 100, i);
    timed.expire_one(i);
  }
  assert_true(timed.touched() - before < 25 * kMany);
  timed.assert_sound();
}

}  // namespace
