// SPDX-License-Identifier: MIT
// Loading many keys by one call of the loader: the keys that nobody else is loading. While it waits
// for the loads of others, the call holds no lease, so no ring of such calls can close.
#include <cstring>
#include <new>

#include "base/array.hpp"
#include "cache/cache.hpp"
#include "cache/result.hpp"

namespace ct {
namespace {

constexpr uint32_t kNobody = UINT32_MAX;
// Room for a result, its handle, and the key that it is for.
struct AskedRoom {
  alignas(Result) char bytes[sizeof(Result) + sizeof(ct_bytes) + sizeof(ct_result *)];
};

bool are_equal(Bytes a, Bytes b) {
  return a.size == b.size && (a.size == 0 || std::memcmp(a.data, b.data, a.size) == 0);
}

}  // namespace

// One call. Keys are known by their numbers.
class ManyLoads {
 public:
  ManyLoads(Cache &cache, const KeyList &keys, const BulkLoader &loader,
            const Cache::Patience &patience, ct_value *values, ct_status *statuses) noexcept
      : cache_(cache),
        keys_(keys),
        loader_(loader),
        patience_(patience),
        values_(values),
        statuses_(statuses),
        firsts_(cache.memory()),
        asked_(cache.memory()) {}
  ManyLoads(const ManyLoads &) = delete;
  ManyLoads &operator=(const ManyLoads &) = delete;

  // Returns false if there is no memory, and then nothing was loaded.
  bool run();

 private:
  // A key that the loader is asked for.
  struct Asked {
    uint32_t number;
    Cache::Loading loading;
  };
  // A key whose load is waited for. No load ends with this status.
  static constexpr ct_status kWaits = CT_PENDING;

  ct_value *value_of(uint32_t number) const {
    return values_ == nullptr ? nullptr : &values_[number];
  }
  bool find_firsts();
  bool is_first(uint32_t number) const { return firsts_[number] == number; }
  void join(uint32_t number, Cache::Patience &patience);
  void load();
  void load_into(char *block);
  void answer_repeated();

  Cache &cache_;
  const KeyList &keys_;
  const BulkLoader &loader_;
  Cache::Patience patience_;
  ct_value *const values_;
  ct_status *const statuses_;
  Array<uint32_t> firsts_;  // by number: the number of the first key that is the same
  Array<Asked> asked_;      // by the next call of the loader
};

// A hash table with open addressing, which is thrown away afterwards.
bool ManyLoads::find_firsts() {
  uint64_t slots = 2;
  while (slots < 2 * uint64_t{keys_.count}) slots *= 2;
  Array<uint32_t> table(cache_.memory());
  if (!table.reserve(slots) || !firsts_.reserve(keys_.count)) return false;
  for (uint64_t i = 0; i < slots; i++) table.push(kNobody);
  const auto mask = static_cast<uint32_t>(slots - 1);
  for (uint32_t number = 0; number < keys_.count; number++) {
    const Bytes key = keys_[number];
    auto at = static_cast<uint32_t>(cache_.probe_of(key).hash) & mask;
    while (table[at] != kNobody && !are_equal(keys_[table[at]], key)) at = (at + 1) & mask;
    if (table[at] == kNobody) table[at] = number;
    firsts_.push(table[at]);
  }
  return true;
}

void ManyLoads::join(uint32_t number, Cache::Patience &patience) {
  Flight *flight = nullptr;
  const ct_status status =
      cache_.join(keys_[number], patience, system::this_thread(), value_of(number), &flight);
  statuses_[number] = status;
  if (flight != nullptr) asked_.push({number, Cache::begin_loading(*flight, status)});
}

// Calls the loader for the keys that were leased. The time that it takes is none of waiting.
void ManyLoads::load() {
  if (asked_.empty()) return;
  const uint64_t begun = patience_.begun == 0 ? 0 : Clock::read_monotonic();
  Array<AskedRoom> room(cache_.memory());
  if (room.reserve(asked_.size())) {
    load_into(room.begin()->bytes);
  } else {
    Result nothing(cache_.memory());
    for (const Asked &asked : asked_) {
      statuses_[asked.number] =
          cache_.end_loading(asked.loading, nothing, CT_ERR_NOMEM, value_of(asked.number));
    }
  }
  asked_.truncate();
  if (begun != 0) patience_.begun += Clock::read_monotonic() - begun;
}

void ManyLoads::load_into(char *block) {
  const uint32_t count = asked_.size();
  auto *results = reinterpret_cast<Result *>(block);
  auto *keys = reinterpret_cast<ct_bytes *>(results + count);
  auto *handles = reinterpret_cast<ct_result **>(keys + count);
  for (uint32_t i = 0; i < count; i++) {
    const Bytes key = keys_[asked_[i].number];
    new (&results[i]) Result(cache_.memory(), Cache::old_value(asked_[i].loading), CT_MISS);
    keys[i] = {key.data, key.size};
    handles[i] = reinterpret_cast<ct_result *>(&results[i]);
  }
  const ct_status answered = loader_.load(loader_.user_data, keys, count, handles);
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t number = asked_[i].number;
    statuses_[number] = cache_.end_loading(asked_[i].loading, results[i],
                                           results[i].judge_load(answered), value_of(number));
    results[i].~Result();
  }
}

// Answers keys that were asked for more than once.
void ManyLoads::answer_repeated() {
  for (uint32_t number = 0; number < keys_.count; number++) {
    if (is_first(number)) continue;
    const uint32_t first = firsts_[number];
    statuses_[number] = statuses_[first];
    if (values_ == nullptr || values_[first].pin == 0) continue;
    const ct_status status =
        Shard::of_pin(values_[first].pin).repin(values_[first], &values_[number]);
    if (status != CT_OK) statuses_[number] = status;
  }
}

bool ManyLoads::run() {
  if (!find_firsts() || !asked_.reserve(keys_.count)) return false;
  Cache::Patience none = patience_;
  none.only_looks = true;
  for (uint32_t number = 0; number < keys_.count; number++) {
    if (!is_first(number)) continue;
    join(number, none);
    if (statuses_[number] == CT_BUSY) statuses_[number] = kWaits;
  }
  load();
  for (uint32_t number = 0; number < keys_.count; number++) {
    if (!is_first(number) || statuses_[number] != kWaits) continue;
    join(number, patience_);
    load();
  }
  answer_repeated();
  return true;
}

ct_status Cache::get_or_load_many(const KeyList &keys, const BulkLoader &loader,
                                  const Patience &patience, ct_value *values, ct_status *statuses) {
  return ManyLoads(*this, keys, loader, patience, values, statuses).run() ? CT_OK : CT_ERR_NOMEM;
}

}  // namespace ct
