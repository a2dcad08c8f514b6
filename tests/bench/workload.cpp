// SPDX-License-Identifier: MIT
#include "workload.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "random.hpp"

namespace bench {
namespace {

constexpr double kSkew = 0.99;
constexpr uint64_t kUniverse = 10;  // keys of the skewed workloads, in capacities
constexpr uint64_t kLeastIds = 1 << 18;

// Ids of keys: filled below 2^32, skewed from there on, absent and fresh above those.
constexpr uint64_t kSkewedIds = UINT64_C(1) << 32;
constexpr uint64_t kAbsentIds = UINT64_C(1) << 40;
constexpr uint64_t kFreshIds = UINT64_C(1) << 48;  // and as many for each thread

/// Each value begins with its key's id.
void store(Cache &cache, uint64_t id, char *value) {
  memcpy(value, &id, sizeof(id));
  cache.set(Key::of(id), value);
}

uint64_t first_word(const char *value) {
  uint64_t word;
  memcpy(&word, value, sizeof(word));
  return word;
}

// ---- While the clock runs -----------------------------------------------------------------------

uint64_t get(Stage &stage, Lane &lane, uint64_t count) {
  uint64_t hits = 0;
  for (uint64_t i = 0; i < count; i++) {
    hits += stage.cache().get(Key::of(stage.next_id(lane)), lane.values.data());
    lane.sum += first_word(lane.values.data());
  }
  return hits;
}

/// Each key depends on the value before, as in a chase through a graph.
uint64_t get_dependent(Stage &stage, Lane &lane, uint64_t count) {
  uint64_t hits = 0;
  uint64_t word = 0;
  for (uint64_t i = 0; i < count; i++) {
    word >>= 63;  // always 0, as ids are small, but the compiler does not know
    hits += stage.cache().get(Key::of(stage.next_id(lane) + word), lane.values.data());
    word = first_word(lane.values.data());
  }
  lane.sum += word;
  return hits;
}

uint64_t get_batch(Stage &stage, Lane &lane, uint64_t count) {
  uint64_t hits = 0;
  for (uint64_t i = 0; i < count; i += kBatch) {
    Batch keys;
    for (Key &key : keys) key = Key::of(stage.next_id(lane));
    hits += stage.cache().get_batch(keys, lane.values.data(), stage.value_size());
    lane.sum += first_word(lane.values.data());
  }
  return hits;
}

uint64_t get_absent(Stage &stage, Lane &lane, uint64_t count) {
  uint64_t hits = 0;
  for (uint64_t i = 0; i < count; i++)
    hits += stage.cache().get(Key::of(kAbsentIds + stage.next_id(lane)), lane.values.data());
  return hits;
}

uint64_t set_new(Stage &stage, Lane &lane, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) store(stage.cache(), lane.fresh++, lane.values.data());
  return 0;
}

uint64_t read_through(Stage &stage, Lane &lane, uint64_t count) {
  uint64_t hits = 0;
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t id = kSkewedIds + stage.next_id(lane);
    if (stage.cache().get(Key::of(id), lane.values.data())) {
      lane.sum += first_word(lane.values.data());
      hits++;
    } else {
      store(stage.cache(), id, lane.values.data());
    }
  }
  return hits;
}

/// In a hundred: 90 gets, 9 sets and 1 delete, of the keys of read_through.
uint64_t mixed(Stage &stage, Lane &lane, uint64_t count) {
  uint64_t hits = 0;
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t id = kSkewedIds + stage.next_id(lane);
    const uint64_t draw = hash_of(Key::of(lane.turn++)) % 100;
    if (draw < 90) {
      hits += stage.cache().get(Key::of(id), lane.values.data());
      lane.sum += first_word(lane.values.data());
    } else if (draw < 99) {
      store(stage.cache(), id, lane.values.data());
    } else {
      stage.cache().remove(Key::of(id));
    }
  }
  return hits;
}

}  // namespace

const std::vector<Workload> kWorkloads = {
    {"get", "get, uniform over a full cache", Stage::Contents::kFilled, get},
    {"get_dependent", "get, each waiting for the last", Stage::Contents::kFilled, get_dependent},
    {"get_batch", "get, 16 keys a call", Stage::Contents::kFilled, get_batch},
    {"get_absent", "get of keys that are not there", Stage::Contents::kFilled, get_absent},
    {"set_new", "set of new keys into a full cache", Stage::Contents::kChurned, set_new},
    {"read_through", "get, set on a miss, zipf(0.99)", Stage::Contents::kSkewed, read_through},
    {"mixed", "get, set, delete, 90:9:1, zipf(0.99)", Stage::Contents::kSkewed, mixed},
};

// ---- Before the clock runs ----------------------------------------------------------------------

namespace {
std::unique_ptr<Stage> last_stage;
}

Stage &Stage::get(const Kind &kind, const Setup &setup, unsigned threads, Contents contents) {
  if (last_stage == nullptr || !last_stage->becomes(kind, setup, threads, contents)) {
    last_stage.reset();  // before there is another, so that only one takes memory
    last_stage = std::make_unique<Stage>(kind, setup, threads, contents);
  }
  return *last_stage;
}

void Stage::drop() {
  last_stage.reset();
}

Stage::Stage(const Kind &kind, const Setup &setup, unsigned threads, Contents contents)
    : kind_(&kind),
      setup_(setup),
      contents_(contents),
      cache_(kind.make(kind, setup)),
      lanes_(threads) {
  if (setup.entries >= kSkewedIds / kUniverse) throw std::length_error("too many entries");
  for (unsigned thread = 0; thread < threads; thread++) {
    Lane &lane = lanes_[thread];
    lane.fresh = kFreshIds * (thread + 1);
    lane.turn = lane.fresh;
    lane.values.assign(setup.value_size * kBatch, 'v');
  }
  if (contents == Contents::kSkewed) {
    skew();
  } else {
    fill();
    if (contents == Contents::kChurned) churn();
  }
  for (unsigned thread = 0; thread < threads; thread++)
    lanes_[thread].position = (lanes_[0].position + ids_.size() / threads * thread) % ids_.size();
}

bool Stage::becomes(const Kind &kind, const Setup &setup, unsigned threads, Contents contents) {
  if (&kind != kind_ || !(setup == setup_) || threads != lanes_.size()) return false;
  if (contents_ == Contents::kFilled && contents == Contents::kChurned) churn();
  return contents_ == contents;
}

void Stage::fill() {
  char *value = lanes_[0].values.data();
  for (uint64_t id = 0; id < setup_.entries; id++) store(*cache_, id, value);

  std::vector<uint32_t> present;  // caches in parts may have dropped some
  for (uint64_t id = 0; id < setup_.entries; id++) {
    if (!cache_->get(Key::of(id), value)) continue;
    if (first_word(value) != id) throw std::logic_error("the value of another key");
    present.push_back(static_cast<uint32_t>(id));
  }
  if (present.empty()) throw std::logic_error("the cache keeps nothing");

  Random random(1);
  ids_.resize(std::max<uint64_t>(setup_.entries, kLeastIds));
  for (uint32_t &id : ids_) id = present[random.below(present.size())];
}

void Stage::churn() {
  set_new(*this, lanes_[0], setup_.entries);
  contents_ = Contents::kChurned;
}

/// A round through the ids is so long that by its end no cache remembers how it began.
void Stage::skew() {
  Random random(2);
  const Zipf zipf(setup_.entries * kUniverse, kSkew);
  ids_.resize(std::max<uint64_t>(setup_.entries * 8, kLeastIds));
  for (uint32_t &id : ids_) id = static_cast<uint32_t>(zipf(random));
  read_through(*this, lanes_[0], setup_.entries * 4);
}

}  // namespace bench
