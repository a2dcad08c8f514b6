// SPDX-License-Identifier: MIT
// The live miss-ratio curve. Its miniatures are caches of one thread, which know hashes for keys.
#include "shard/curve.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <utility>

#include "cache/cache.hpp"

namespace ct {
namespace {

// The memory that each miniature may hold.
constexpr uint64_t kBytes = 79 << 10;
// A full miniature of fewer entries does not behave like a large cache.
constexpr uint64_t kFewestEntries = 64;
// A miss ratio is known once its standard error is about this, if keys miss independently.
constexpr double kKnown = 0.015;

Bytes key_of(const uint64_t &hash) { return {reinterpret_cast<const char *>(&hash), sizeof hash}; }

// Returns how many entries a miniature may have. So small a cache takes nearly twice the memory that
// its entries weigh: for tables that grow, and for the rest of its last page.
[[gnu::cold, gnu::noinline]] uint64_t entries_for(const ct_options &options) {
  const PolicyKind &kind = *policy_kind(options.policy);
  const Layout layout(kind.hook_bytes, Index::kBytesAnEntry + kind.bytes_beside, options.tti != 0,
                      false);
  const bool weighs_one = options.weight_kind == CT_WEIGHT_COUNT && options.weigher == nullptr;
  const bool is_mortal = options.ttl != 0 || options.tti != 0 || options.ttu != nullptr;
  const auto flags = static_cast<uint8_t>((weighs_one ? 0 : kWeight) | (is_mortal ? kLifetime : 0));
  const uint64_t weight = Entries::weigh(CT_WEIGHT_MEMORY, layout, flags, sizeof(uint64_t), 0, 0);
  return kBytes / (2 * weight - 10);
}

// Returns the share of some misses that fall into a part, as if one had done so and one had not.
double share_of(double part, double all) { return (part + 1) / (all + 2); }

}  // namespace

// ---- Life -------------------------------------------------------------------------------------

Curve::Curve(const ct_options &options, const Clock &clock) noexcept
    : clock_(clock),
      lock_((options.flags & CT_FLAG_SINGLE_THREADED) == 0),
      most_(entries_for(options)),
      maxsize_(options.maxsize) {
  for (size_t i = 0; i < kMiniatures; i++) miniatures_[i].scale = kScales[i];
  show_rate();
}

Curve *Curve::make(Memory &memory, const ct_options &options, const Clock &clock) noexcept {
  void *where = memory.allocate(sizeof(Curve), alignof(Curve));
  if (where == nullptr) return nullptr;
  auto *curve = new (where) Curve(options, clock);
  if (curve->make_miniatures(options)) return curve;
  curve->free(memory);
  return nullptr;
}

// Weights and deadlines are given with each entry. So nobody is asked but the timer, and an
// allocator.
bool Curve::make_miniatures(const ct_options &options) noexcept {
  ShardGuard guard(lock_);
  CheckedOptions checked = {};
  checked.options = CT_OPTIONS_INIT;
  checked.options.policy = options.policy;
  checked.options.flags = CT_FLAG_SINGLE_THREADED | CT_FLAG_NO_STATS;
  checked.options.shards = 1;
  checked.options.tti = options.tti;
  checked.options.seed = hash_key(&options.seed, sizeof options.seed, options.seed) | 1;
  checked.options.timer = read_clock;
  checked.options.user_data = this;
  if (options.allocator != nullptr) {
    checked.allocator = *options.allocator;
    checked.options.allocator = &checked.allocator;
  }
  for (Miniature &mini : miniatures_) {
    checked.options.maxsize = mini.size(maxsize_);
    if (Cache::make(checked, &mini.cache) != CT_OK) return false;
  }
  return true;
}

void Curve::free(Memory &memory) noexcept {
  {
    ShardGuard guard(lock_);
    for (Miniature &mini : miniatures_) {
      if (mini.cache != nullptr) mini.cache->free();
    }
  }
  this->~Curve();
  memory.release(this, sizeof(Curve), alignof(Curve));
}

// ---- Miniatures -------------------------------------------------------------------------------

uint64_t Curve::Miniature::size(uint64_t maxsize) const {
  const double whole = static_cast<double>(maxsize) * scale;
  const uint64_t size = whole < 0x1p64 ? static_cast<uint64_t>(whole) : UINT64_MAX;
  return std::max<uint64_t>(size >> thinned, 1);
}

bool Curve::Miniature::look(uint64_t hash, Looks how) noexcept {
  const Bytes key = key_of(hash);
  return (how == kUses ? cache->get(key, nullptr) : cache->peek(key, nullptr)) == CT_OK;
}

// If there is no memory, the miniature does without the entry.
void Curve::Miniature::put(uint64_t hash, uint64_t weight, uint64_t deadline) noexcept {
  ct_entry_options entry = CT_ENTRY_OPTIONS_INIT;
  if (weight != 1) {
    entry.flags |= CT_ENTRY_WEIGHT;
    entry.weight = weight;
  }
  if (deadline != CT_NEVER) {
    entry.flags |= CT_ENTRY_DEADLINE;
    entry.deadline = deadline;
  }
  cache->set(key_of(hash), {nullptr, 0}, entry);
}

// Takes half of the keys from now on.
void Curve::Miniature::thin(uint64_t maxsize) noexcept {
  thinned++;
  const auto is_left_out = [](void *mini, const void *key, size_t, const void *, size_t) {
    uint64_t hash;
    std::memcpy(&hash, key, sizeof hash);
    return !static_cast<const Miniature *>(mini)->takes(hash);
  };
  cache->remove_if(is_left_out, this);
  cache->resize(size(maxsize));
}

// ---- What shards tell -------------------------------------------------------------------------

void Curve::show_rate() noexcept {
  uint32_t least = kMostThinned;
  for (const Miniature &mini : miniatures_) least = std::min(least, mini.thinned);
  below_.store(uint64_t{1} << (64 - least), std::memory_order_relaxed);
}

void Curve::insert(Miniature &mini, uint64_t hash, uint64_t weight, uint64_t deadline) noexcept {
  mini.put(hash, weight, deadline);
  if (mini.cache->entries() <= most_ || mini.thinned == kMostThinned) return;
  mini.thin(maxsize_);
  show_rate();
}

void Curve::hit(uint64_t hash, uint64_t weight, uint64_t deadline, Looks how) noexcept {
  if (!samples(hash)) return;
  if (!lock_.try_lock()) {
    lost_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  told_++;
  for (Miniature &mini : miniatures_) {
    if (!mini.takes(hash) || mini.look(hash, how)) continue;
    mini.extra += uint64_t{1} << mini.thinned;
    insert(mini, hash, weight, deadline);
  }
  lock_.unlock();
}

void Curve::miss(uint64_t hash, Looks how) noexcept {
  if (!samples(hash)) return;
  ShardGuard guard(lock_);
  missed(hash) = hash;
  for (Miniature &mini : miniatures_) {
    if (!mini.takes(hash)) continue;
    const uint64_t requests = uint64_t{1} << mini.thinned;
    mini.misses += requests;
    if (!mini.look(hash, how)) mini.both += requests;
  }
}

void Curve::store(uint64_t hash, uint64_t weight, uint64_t deadline) noexcept {
  if (!samples(hash)) return;
  ShardGuard guard(lock_);
  const bool has_missed = missed(hash) == hash;
  if (has_missed) missed(hash) = 0;
  for (Miniature &mini : miniatures_) {
    if (!mini.takes(hash)) continue;
    if (has_missed && mini.look(hash, kPeeks)) continue;
    insert(mini, hash, weight, deadline);
  }
}

void Curve::remove(uint64_t hash) noexcept {
  if (!samples(hash)) return;
  ShardGuard guard(lock_);
  for (Miniature &mini : miniatures_) {
    if (mini.takes(hash)) mini.cache->remove(key_of(hash), nullptr);
  }
}

void Curve::extend(uint64_t hash, uint64_t deadline) noexcept {
  if (!samples(hash)) return;
  ShardGuard guard(lock_);
  const uint64_t now = clock_.read();
  const uint64_t ttl = deadline == CT_NEVER ? CT_NEVER : std::max(deadline, now) - now;
  for (Miniature &mini : miniatures_) {
    if (mini.takes(hash)) mini.cache->set_deadline(key_of(hash), ttl);
  }
}

// ---- What the cache asks ----------------------------------------------------------------------

void Curve::clear() noexcept {
  ShardGuard guard(lock_);
  for (Miniature &mini : miniatures_) mini.cache->clear();
}

void Curve::restart(const Totals &so_far) noexcept {
  ShardGuard guard(lock_);
  before_ = so_far;
  told_ = 0;
  lost_.store(0, std::memory_order_relaxed);
  for (Miniature &mini : miniatures_) mini.misses = mini.both = mini.extra = 0;
}

// A miniature that becomes much smaller takes more keys again, as many entries as it had before.
bool Curve::resize(uint64_t maxsize) noexcept {
  ShardGuard guard(lock_);
  const uint64_t before = std::exchange(maxsize_, maxsize);
  const uint64_t shown = below_.load(std::memory_order_relaxed);
  for (Miniature &mini : miniatures_) {
    for (uint64_t part = before / 2; part >= std::max<uint64_t>(maxsize, 1); part /= 2) {
      if (mini.thinned > kLeastThinned) mini.thinned--;
    }
    mini.cache->resize(mini.size(maxsize));
  }
  show_rate();
  return below_.load(std::memory_order_relaxed) > shown;
}

// Returns the miss ratio at a miniature's size, or NaN.
double Curve::ratio_of(const Miniature &mini, const Totals &since) const {
  const auto all = static_cast<double>(since.hits + since.misses);
  const auto rate = static_cast<double>(uint64_t{1} << mini.thinned);
  const uint64_t entries = mini.cache->entries();
  const bool is_full = mini.cache->weight() >= mini.cache->maxsize() / 8 * 7;
  if (all == 0 || (is_full && entries < kFewestEntries)) return NAN;
  const double missed = static_cast<double>(since.misses) / all;
  const double misses = static_cast<double>(mini.misses) / rate;
  const double both = static_cast<double>(mini.both) / rate;
  const double told = static_cast<double>(told_) + 1;
  const double untold = static_cast<double>(lost_.load(std::memory_order_relaxed));
  const double extra = static_cast<double>(mini.extra) / rate * (told + untold) / told;
  const double share = share_of(both, misses);
  const double error =
      missed * std::sqrt(share * (1 - share) / (misses + 2)) + std::sqrt(extra + 1) * rate / all;
  if (error > kKnown) return NAN;
  const double still = misses == 0 ? share : both / misses;
  return std::min(missed * still + extra * rate / all, 1.0);
}

double Curve::miss_ratio(double scale, const Totals &counted) noexcept {
  ShardGuard guard(lock_);
  if (maxsize_ == 0) return NAN;
  // Another thread may have reset the counts meanwhile.
  const Totals since = {std::max(counted.hits, before_.hits) - before_.hits,
                        std::max(counted.misses, before_.misses) - before_.misses};
  const auto all = static_cast<double>(since.hits + since.misses);
  const double own = all == 0 ? NAN : static_cast<double>(since.misses) / all;
  double left = NAN, right = NAN, left_scale = 0;
  for (size_t i = 0; i <= kMiniatures; i++) {
    // The cache itself stands between the first miniature and the others.
    const double right_scale = i == 0 ? kScales[0] : i == 1 ? 1 : kScales[i - 1];
    right = i == 1 ? own : ratio_of(miniatures_[i == 0 ? 0 : i - 1], since);
    if (scale == right_scale) return right;
    if (scale < right_scale) {
      if (left_scale == 0) return NAN;
      return left + (right - left) * (scale - left_scale) / (right_scale - left_scale);
    }
    left = right;
    left_scale = right_scale;
  }
  return NAN;
}

uint64_t Curve::held() noexcept {
  ShardGuard guard(lock_);
  uint64_t held = 0;
  for (const Miniature &mini : miniatures_) held += mini.cache->own_held();
  return held;
}

}  // namespace ct
