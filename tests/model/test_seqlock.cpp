// SPDX-License-Identifier: MIT
// Reads without the lock, in a model of weakly ordered memory (weak_memory.hpp). One thread looks a
// key up while others, one after the other, change what it looks at. Whichever of their stores it
// sees, its answer must have been right at some time since it began. And if any of the things that
// ensure this is taken away, the model must notice. index.hpp explains why the answer is right.
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cache/cache.hpp"
#include "test.h"
#include "weak_memory.hpp"

namespace {

constexpr uint64_t kSeed = 1;
constexpr size_t kLargest = 1024;

uint64_t now;

// ---- Keys and values ----------------------------------------------------------------------------

struct Key {
  uint64_t number;
  size_t size = sizeof number;

  uint64_t hash() const { return ct::hash_key(&number, size, kSeed); }
  uint8_t tag() const { return ct::hash_tag(hash()); }
  uint32_t home(uint32_t buckets) const {
    return static_cast<uint32_t>(uint64_t{ct::hash_position(hash())} * buckets >> 32);
  }
};

// Returns the first key from that number on for which is_so is true.
Key key_from(uint64_t number, const std::function<bool(Key)> &is_so) {
  while (!is_so({number})) number++;
  return {number};
}

// A value that repeats one word.
struct Value {
  uint64_t word;
  size_t size;

  void write(char *to) const {
    for (size_t i = 0; i < size; i++)
      to[i] = reinterpret_cast<const char *>(&word)[i % sizeof word];
  }
};

// What a look-up may answer: a hit with that value, or a miss.
struct Answer {
  ct_status status;
  Value value;
};
constexpr Answer kMiss = {CT_MISS, {0, 0}};
Answer hit(uint64_t word, size_t size) {
  return {CT_OK, {word, size}};
}

const Key kAsked = {1};
// This key has the same tag, so that one may be taken for the other until the keys are compared.
const Key kTwin = key_from(2, [](Key key) { return key.tag() == kAsked.tag(); });
const Key kAbsent = {0};
constexpr uint64_t kFillers = 1000;

// ---- A cache ------------------------------------------------------------------------------------

class Cache {
 public:
  // There are a few entries, enough to open the shard to reads without the lock. ttl: the lifetime of
  // all entries; 0: none. opens_at: the number of entries at which the shard is opened. by_memory:
  // memory is the limit, so that the shard has its whole log as soon as it is opened.
  explicit Cache(uint64_t fillers = 5, uint64_t ttl = 0, uint8_t opens_at = 3,
                 bool by_memory = false) {
    now = 0;
    ct_options options = CT_OPTIONS_INIT;
    options.policy = CT_POLICY_FIFO;
    options.maxsize = CT_UNBOUNDED;
    options.seed = kSeed;
    options.ttl = ttl;
    options.timer = [](void *) { return now; };
    if (by_memory) {
      options.weight_kind = CT_WEIGHT_MEMORY;
      options.maxsize = uint64_t{1} << 30;
    }
    assert_int_equal(CT_OK, ct_cache_new_with(&options, &cache_));
    reinterpret_cast<ct::Cache *>(cache_)->shards()[0].act_large(opens_at);
    fill(fillers);
  }
  ~Cache() { ct_cache_free(cache_); }
  Cache(const Cache &) = delete;
  Cache &operator=(const Cache &) = delete;

  void set(Key key, uint64_t word, size_t size) {
    char value[kLargest];
    Value{word, size}.write(value);
    set_bytes(key, value, size);
  }
  void set_bytes(Key key, const void *value, size_t size) {
    assert_int_equal(CT_OK, ct_set(cache_, &key.number, key.size, value, size));
  }
  void set_until(uint64_t deadline, Key key, uint64_t word, size_t size, uint32_t flags = 0) {
    char value[kLargest];
    Value{word, size}.write(value);
    ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
    entry.flags = CT_ENTRY_DEADLINE | flags;
    entry.deadline = deadline;
    entry.weight = (flags & CT_ENTRY_WEIGHT) != 0 ? 1 : 0;
    assert_int_equal(CT_OK, ct_set_with(cache_, &key.number, key.size, value, size, &entry));
  }
  void set_lifetime(Key key, uint64_t ttl) {
    assert_int_equal(CT_OK, ct_set_lifetime(cache_, &key.number, key.size, ttl));
  }
  void remove(Key key) { assert_int_equal(CT_OK, ct_delete(cache_, &key.number, key.size)); }
  void clear() { assert_int_equal(CT_OK, ct_clear(cache_)); }
  // Stores entries of other keys.
  void fill(uint64_t count) {
    for (; count > 0; count--) set({kFillers + ++filled_}, 0, 16);
  }

  ct_status copy(Key key, char *value, size_t *size) {
    return ct_get_copy(cache_, &key.number, key.size, value, kLargest, size);
  }
  // Copies the value of the first of two keys in one call.
  ct_status copy_both(Key key, char *value, size_t *size) {
    const uint64_t keys[] = {key.number, kAbsent.number};
    const size_t key_ends[] = {key.size, key.size + kAbsent.size};
    size_t value_ends[2];
    ct_status statuses[2];
    assert_int_equal(
        CT_OK, ct_get_many_copy(cache_, keys, key_ends, 2, value, kLargest, value_ends, statuses));
    *size = value_ends[0];
    return statuses[1] == CT_MISS ? statuses[0] : CT_ERR_INTERNAL;
  }
  // Returns where the value of a key is.
  const void *place_of(Key key) {
    ct_value value = CT_VALUE_INIT;
    assert_int_equal(CT_OK, ct_peek(cache_, &key.number, key.size, &value));
    const void *place = value.data;
    shard_ = reinterpret_cast<uintptr_t>(&ct::Shard::of_pin(value.pin));
    ct_value_release(&value);
    return place;
  }
  uintptr_t shard() {
    place_of({kFillers + 1});
    return shard_;
  }

 private:
  ct_cache *cache_ = nullptr;
  uint64_t filled_ = 0;
  uintptr_t shard_ = 0;
};

// ---- Scenarios ----------------------------------------------------------------------------------

struct Scenario {
  const char *name;
  std::vector<Answer> answers;
  std::function<void(Cache &)> before;
  std::function<void(Cache &)> meanwhile;
  Key key = kAsked;
  uint64_t fillers = 5;
  uint64_t ttl = 0;
  bool both = false;  // it is looked up by copy_both
  uint8_t opens_at = 3;
  bool by_memory = false;
};

// The time at which the key is looked up.
constexpr uint64_t kThen = 50;

// Returns how many more fillers there are when the next one moves kAsked to another block.
uint64_t fillers_before_it_moves(const std::function<void(Cache &)> &prepare) {
  Cache cache;
  prepare(cache);
  const void *place = cache.place_of(kAsked);
  uint64_t count = 0;
  for (; cache.place_of(kAsked) == place; count++) {
    assert_true(count < 1000);
    cache.fill(1);
  }
  return count - 1;
}

std::vector<Scenario> scenarios() {
  std::vector<Scenario> all;
  const auto set_first = [](Cache &cache) { cache.set(kAsked, 1, 16); };

  all.push_back(
      {"a value is overwritten", {hit(1, 16), hit(2, 12), hit(3, 16)}, set_first, [](Cache &cache) {
         cache.set(kAsked, 2, 12);
         cache.set(kAsked, 3, 16);
       }});
  all.push_back(all.back());
  all.back().name = "a value is overwritten that is one of two";
  all.back().both = true;

  // The third value is stored where the first was.
  all.push_back({"an entry is replaced",
                 {hit(2, 32), hit(3, 16), hit(4, 32)},
                 [](Cache &cache) {
                   cache.set(kAsked, 1, 16);
                   cache.set(kAsked, 2, 32);
                 },
                 [](Cache &cache) {
                   cache.set(kAsked, 3, 16);
                   cache.set(kAsked, 4, 32);
                 }});
  all.push_back(all.back());
  all.back().name = "an entry is replaced that is one of two";
  all.back().both = true;

  all.push_back(
      {"another entry takes its block and slot", {hit(1, 16), kMiss}, set_first, [](Cache &cache) {
         cache.remove(kAsked);
         cache.set(kTwin, 2, 16);
       }});
  all.push_back({"an entry is inserted",
                 {kMiss, hit(1, 16), hit(2, 32)},
                 [](Cache &) {},
                 [](Cache &cache) {
                   cache.set(kAsked, 1, 16);
                   cache.set(kAsked, 2, 32);
                 }});
  all.push_back({"it takes another entry's block and slot",
                 {kMiss, hit(2, 16)},
                 [](Cache &cache) { cache.set(kTwin, 1, 16); },
                 [](Cache &cache) {
                   cache.remove(kTwin);
                   cache.set(kAsked, 2, 16);
                 }});
  // An entry's header then lies where the value was.
  all.push_back({"two entries take its block",
                 {hit(1, 80), kMiss},
                 [](Cache &cache) {
                   cache.set(kAsked, 1, 80);
                   cache.fill(1);
                 },
                 [](Cache &cache) {
                   cache.remove(kAsked);
                   cache.fill(2);
                 }});
  // A free block has its size where an entry has its lengths: a size of 8 looks like a key of 8
  // bytes.
  all.push_back({"its block is free, and looks like an entry without a value",
                 {hit(1, 40), kMiss},
                 [](Cache &cache) {
                   cache.set(kAsked, 1, 40);
                   cache.fill(1);
                 },
                 [](Cache &cache) { cache.remove(kAsked); }});
  // An allocated block is cleared before its lengths are written.
  all.push_back({"its block is cleared, and looks like an entry without key and value",
                 {hit(1, 24), kMiss},
                 [](Cache &cache) {
                   cache.set({0, 0}, 1, 24);
                   cache.fill(1);
                 },
                 [](Cache &cache) {
                   cache.remove({0, 0});
                   cache.fill(1);
                 },
                 {0, 0}});
  // This block is the last one in its chunk. The words of the other value, from the fourth on, look
  // like the entry's key and lengths, except that its value would reach beyond the end of the
  // chunk.
  all.push_back({"its block becomes a value that looks like an entry",
                 {hit(1, 16), kMiss},
                 set_first,
                 [](Cache &cache) {
                   const ct::Head head = {8, 0, 0, 1000, 0};
                   uint64_t words[10] = {};
                   std::memcpy(&words[3], &head, sizeof head);
                   words[4] = kAsked.number;
                   cache.remove({kFillers + 22});
                   cache.remove(kAsked);
                   cache.set_bytes(kTwin, words, sizeof words);
                 },
                 kAsked,
                 22});

  all.push_back(
      {"the table grows", {hit(1, 16)}, set_first, [](Cache &cache) { cache.fill(3); }, kAsked, 6});
  all.push_back(all.back());
  all.back().name = "the table grows, where the key is not";
  all.back().answers = {kMiss};
  all.back().key = kTwin;
  all.push_back(all.back());
  all.back().name = "the table grows, where one of two keys is";
  all.back().answers = {hit(1, 16)};
  all.back().key = kAsked;
  all.back().both = true;
  // Half of its 8 buckets were moved before.
  const Key late = key_from(1, [](Key key) { return key.home(8) == 6; });
  all.push_back({"the rest of a table is moved",
                 {hit(1, 16)},
                 [=](Cache &cache) {
                   cache.set(late, 1, 16);
                   cache.fill(1);
                 },
                 [](Cache &cache) { cache.fill(2); },
                 late,
                 60});
  const auto is_first_of_2 = [](Key key) { return key.home(2) == 0; };
  const Key passing = key_from(1, is_first_of_2);
  all.push_back({"an entry is moved to its home that had passed it",
                 {hit(1, 16)},
                 [=](Cache &cache) {
                   Key key = passing;
                   for (int i = 0; i < 13; i++) {
                     key = key_from(key.number + 1, is_first_of_2);
                     cache.set(key, 0, 16);
                   }
                   cache.set(passing, 1, 16);
                 },
                 [](Cache &cache) {
                   for (uint64_t i = 0; i < 3; i++) cache.set({2000 + i}, 0, 16);
                 },
                 passing,
                 1});
  all.push_back({"an entry is inserted behind its home, which is full",
                 {kMiss, hit(1, 16)},
                 [=](Cache &cache) {
                   Key key = passing;
                   for (int i = 0; i < 12; i++) {
                     key = key_from(key.number + 1, is_first_of_2);
                     cache.set(key, 0, 16);
                   }
                 },
                 [=](Cache &cache) { cache.set(passing, 1, 16); },
                 passing,
                 1});
  all.push_back(
      {"a table grows, then the shard is opened", {hit(1, 16)}, set_first, [](Cache &cache) {
         cache.fill(20);
       }});
  all.back().fillers = 1;
  all.back().opens_at = 20;
  all.push_back({"all is cleared", {hit(1, 16), kMiss, hit(2, 16)}, set_first, [](Cache &cache) {
                   cache.clear();
                   cache.set(kAsked, 2, 16);
                 }});
  all.push_back(all.back());
  all.back().name = "all is cleared, and its memory goes back to the system";
  all.back().fillers = 2000;
  all.push_back(all[all.size() - 2]);
  all.back().name = "all is cleared, one by one";
  all.back().ttl = 1000;

  // At kThen, deadlines of 10 and 20 are over, and 100 is not.
  all.push_back({"a deadline is overwritten with the value",
                 {kMiss, hit(2, 16), hit(4, 16)},
                 [](Cache &cache) { cache.set_until(10, kAsked, 1, 16); },
                 [](Cache &cache) {
                   cache.set_until(100, kAsked, 2, 16);
                   cache.set_until(20, kAsked, 3, 16);
                   cache.set_until(100, kAsked, 4, 16);
                 },
                 kAsked,
                 5,
                 1000});
  // An entry with a weight takes its block, and has its deadline elsewhere.
  all.push_back({"a deadline is looked for where another entry's would be",
                 {hit(1, 24), hit(2, 40)},
                 [](Cache &cache) { cache.set_until(CT_NEVER, kAsked, 1, 24); },
                 [](Cache &cache) {
                   cache.set_until(CT_NEVER, kAsked, 2, 40);
                   cache.set_until(CT_NEVER, kTwin, 3, 16, CT_ENTRY_WEIGHT);
                 },
                 kAsked,
                 5,
                 1000});
  all.push_back({"an entry is moved to a block that has room for a deadline",
                 {hit(1, 16)},
                 set_first,
                 [](Cache &cache) { cache.set_lifetime(kAsked, 1000); }});

  // Most of what was stored is removed again.
  const auto scatter = [](Cache &cache) {
    cache.set(kAsked, 1, 16);
    cache.fill(200);
    for (uint64_t i = 6; i <= 205; i++) {
      if (i % 8 != 0) cache.remove({kFillers + i});
    }
  };
  const uint64_t fillers = fillers_before_it_moves(scatter);
  all.push_back({"an entry is moved out of a sparse chunk",
                 {hit(1, 16)},
                 [=](Cache &cache) {
                   scatter(cache);
                   cache.fill(fillers);
                 },
                 [](Cache &cache) { cache.fill(1); }});
  // The fourteenth of these needs a larger table.
  all.push_back({"the table of chunks grows",
                 {hit(1, 16)},
                 [](Cache &cache) {
                   cache.set(kAsked, 1, 16);
                   for (uint64_t i = 0; i < 13; i++) cache.set({2000 + i}, 0, 900);
                 },
                 [](Cache &cache) { cache.set({3000}, 0, 900); }});
  all.push_back({"the log of reads is opened",
                 {hit(1, 16), hit(2, 16)},
                 set_first,
                 [](Cache &cache) {
                   cache.fill(1);
                   cache.set(kAsked, 2, 16);
                 },
                 kAsked,
                 2});
  all.back().by_memory = true;
  return all;
}

// ---- Parts --------------------------------------------------------------------------------------

// Each member of a shard is a part, but the version is a part of its own.
enum : weak::Part {
  kVersion,
  kTag,
  kPassed,
  kUses,
  kRef,
  kHead,
  kDeadline,
  kKey,
  kValue,
  kStripe,
  kShard
};
const char *const kNames[] = {"version", "tag",      "passed", "uses",  "ref",
                              "head",    "deadline", "key",    "value", "stripe"};

std::string name_of(weak::Part part) {
  return part < kShard ? kNames[part] : "shard + " + std::to_string(part - kShard);
}

std::set<weak::Part> named_parts() {
  return {kVersion, kTag, kPassed, kRef, kHead, kDeadline, kKey, kValue};
}
// The log, the buckets of both tables and of the one shown, their numbers, whether one is shown, the
// cursor, and the table of chunks.
constexpr size_t kShardParts = 10;

class Look final : public weak::Reader {
 public:
  Look(const Scenario &scenario, Cache &cache, uintptr_t version)
      : scenario_(scenario),
        cache_(cache),
        shard_(cache.shard()),
        version_(version),
        key_offset_(sizeof(ct::Entry) + (scenario.ttl != 0 ? ct::kLifetimeBytes : 0)) {}

  bool read() override {
    char value[kLargest];
    char expected[kLargest];
    size_t size = 0;
    const ct_status status = scenario_.both ? cache_.copy_both(scenario_.key, value, &size)
                                            : cache_.copy(scenario_.key, value, &size);
    for (const Answer &answer : scenario_.answers) {
      answer.value.write(expected);
      if (status == answer.status && size == answer.value.size &&
          std::memcmp(value, expected, size) == 0) {
        return true;
      }
    }
    return false;
  }

  weak::Part part_of(uintptr_t at, size_t size) override {
    if (at - shard_ < sizeof(ct::Shard)) {
      loads_[at - shard_]++;
      return at - shard_ == version_ ? kVersion : static_cast<weak::Part>(kShard + (at - shard_));
    }
    const size_t in_bucket = at % sizeof(ct::Bucket);
    if (size == 1) return in_bucket < ct::kSlots ? kTag : kPassed;
    if (size == 4 && in_bucket == ct::kSlots) return kUses;
    if (size == 4) {
      entry_ = chunk_ = 0;
      return kRef;
    }
    // A reference leads by way of its chunk, whose origin is loaded next, to the head of its entry.
    if (entry_ == 0 && chunk_ == 0) chunk_ = at;
    if (at == chunk_) return kRef;
    if (entry_ == 0) {
      entry_ = at - offsetof(ct::Entry, key_size);
      return kHead;
    }
    if (weak::memory.allocation_of(at, size) != weak::memory.allocation_of(entry_, size)) {
      return kStripe;
    }
    if (at - entry_ < key_offset_) return kDeadline;
    return at - entry_ < key_offset_ + ct::round_up_8(scenario_.key.size) ? kKey : kValue;
  }

  // All that matters about a tag is whether it is that of a key.
  bool is_same(weak::Part part, uint8_t a, uint8_t b) override {
    const auto is_asked = [this](uint8_t tag) { return tag == tags_[0] || tag == tags_[1]; };
    return a == b || (part == kTag && !is_asked(a) && !is_asked(b));
  }

  weak::Part beginning() override { return kVersion; }

  // Returns what was loaded most often in the shard.
  uintptr_t most_loaded() const {
    std::pair<uintptr_t, uint64_t> most;
    for (const auto &each : loads_) {
      if (each.second > most.second) most = each;
    }
    return most.first;
  }

 private:
  const Scenario &scenario_;
  Cache &cache_;
  const uintptr_t shard_;
  const uintptr_t version_;  // in the shard
  const size_t key_offset_;
  const uint8_t tags_[2] = {scenario_.key.tag(), kAbsent.tag()};
  uintptr_t entry_ = 1;  // 0: the next load is of another
  uintptr_t chunk_ = 0;  // its chunk's origin; 0: not known yet
  std::map<uintptr_t, uint64_t> loads_;
};

// Finds the version in a shard: a read loads it again and again. It is not this thread's first read,
// which looks for a stripe of the log again and again.
uintptr_t find_version() {
  const Scenario quiet = {"", {hit(1, 16)}, nullptr, nullptr};
  Cache cache;
  cache.set(kAsked, 1, 16);
  char value[kLargest];
  size_t size;
  assert_int_equal(CT_OK, cache.copy(kAsked, value, &size));
  Look look(quiet, cache, 0);
  weak::memory.write([] {});
  assert_true(weak::memory.read(look));
  assert_int_equal(1, weak::memory.runs());
  return look.most_loaded();
}

// A scenario whose writers have run, and whose reader begins.
struct Trial {
  explicit Trial(const Scenario &scenario)
      : scenario(scenario),
        cache(scenario.fillers, scenario.ttl, scenario.opens_at, scenario.by_memory),
        look(scenario, cache, find_version()) {
    weak::memory.allocate(const_cast<ct::Bucket *>(&ct::Index::elsewhere()), sizeof(ct::Bucket));
    scenario.before(cache);
    weak::memory.write([&] { scenario.meanwhile(cache); });
    now = kThen;
  }
  bool holds(const weak::Fault &fault = {}) { return weak::memory.read(look, fault); }

  const Scenario &scenario;
  Cache cache;
  Look look;
};

// ---- Tests --------------------------------------------------------------------------------------

TEST(read_without_lock_finds_what_was_so) {
  for (const Scenario &scenario : scenarios()) {
    Trial trial(scenario);
    const bool holds = trial.holds();
    std::printf("# %s: %llu runs\n", scenario.name, (unsigned long long)weak::memory.runs());
    if (!holds) {
      std::printf("%s", weak::memory.story(name_of).c_str());
      fail_msg("%s", scenario.name);
    }
  }
}

TEST(each_order_is_needed) {
  std::set<weak::Part> acquired;
  std::set<weak::Part> noticed;
  for (const Scenario &scenario : scenarios()) {
    // The loads for two keys take turns.
    if (scenario.both) continue;
    Trial trial(scenario);
    assert_true(trial.holds());
    const std::set<weak::Part> parts = weak::memory.acquired();
    acquired.insert(parts.begin(), parts.end());
    for (const weak::Part part : parts) {
      if (noticed.count(part) == 0 && !trial.holds({part})) noticed.insert(part);
    }
  }
  size_t shard_parts = 0;
  for (const weak::Part part : acquired) {
    if (noticed.count(part) == 0) fail_msg("nothing notices a relaxed %s", name_of(part).c_str());
    shard_parts += part >= kShard;
  }
  for (const weak::Part part : named_parts()) {
    if (acquired.count(part) == 0) fail_msg("nothing acquires a %s", name_of(part).c_str());
  }
  assert_int_equal(kShardParts, shard_parts);
}

// The version is loaded when a read begins, before a table is used, before lengths are used, and at
// the end. With fault 0, the writers do not change the version.
TEST(each_look_at_the_version_is_needed) {
  std::set<uint32_t> noticed;
  const uint32_t numbers[] = {0, 2, 3, 4};
  for (const Scenario &scenario : scenarios()) {
    Trial trial(scenario);
    for (const uint32_t number : numbers) {
      if (noticed.count(number) == 0 && !trial.holds({weak::kNoPart, kVersion, number})) {
        noticed.insert(number);
      }
    }
  }
  for (const uint32_t number : numbers) {
    if (noticed.count(number) == 0) fail_msg("nothing needs look %u at the version", number);
  }
}

}  // namespace
