// SPDX-License-Identifier: MIT
// The life of a shard, its limit and its statistics.
#include "shard/shard.hpp"

namespace ct {
namespace {

// In how many rounds trim moves entries: kTrims, and one for each kTrimmedEntries entries. So each
// entry is moved a few times at most.
constexpr uint64_t kTrims = 16;
constexpr uint64_t kTrimmedEntries = 64;

}  // namespace

// ---- Life -------------------------------------------------------------------------------------

Shard::Shard(const ShardContext &context) noexcept
    : lock_((context.options.flags & CT_FLAG_SINGLE_THREADED) == 0),
      keeps_stats_((context.options.flags & CT_FLAG_NO_STATS) == 0),
      reads_unlocked_(context.layout.read_unlocked),
      weighs_one_(context.options.weigher == nullptr &&
                  context.options.weight_kind == CT_WEIGHT_COUNT),
      quiet_(context.options.listener == nullptr && context.options.drop == nullptr),
      ordered_(context.kind.ordered),
      has_frequency_(context.kind.has_frequency),
      idles_(context.options.tti != 0),
      number_(context.number),
      options_(context.options),
      clock_(context.clock),
      budget_(context.budget),
      owner_(context.owner),
      destroy_policy_(context.kind.destroy),
      map_(context.memory, context.layout, context.options, context.tags,
           counts_memory(context.options)),
      uses_(context.kind, context.memory, lock_.is_shared()),
      counters_(keeps_stats_, &context.owner),
      expiry_(context.memory, map_.entries.store(), context.layout, context.shards.due_tree,
              context.number),
      share_(context.shards, context.number),
      pins_(context.memory),
      flights_(context.memory, this, pins_, counters_, context.loads, context.tags),
      negatives_(context.negatives == nullptr
                     ? nullptr
                     : new (reinterpret_cast<char *>(this) + bytes_before_negatives(context.kind))
                           Negatives(context.memory, *context.negatives)),
      attends_(idles_ || owner_.curve() != nullptr) {
  expect(context.options.maxsize);
  const PolicyContext policy = {
      context.memory,
      map_.entries,
      map_.index,
      context.options,
      hash_key(&context.number, sizeof context.number, context.options.seed),
      context.common};
  policy_ = context.kind.make(this + 1, policy);
  uses_.attach(policy_);
}

Shard::~Shard() {
  if (negatives_ != nullptr) negatives_->~Negatives();
}

bool Shard::ready() {
  Locked locked(*this);
  return policy_->ready();
}

void Shard::close(Departed &gone) {
  close_entries(gone);
  destroy_policy_(policy_);
  policy_ = nullptr;
}

void Shard::close_entries(Departed &gone) {
  Settled settled(*this);
  if (pins_.count() == 0 && !map_.entries.own_more() && options_.drop == nullptr) {
    map_.entries.store().clear();
  } else {
    map_.index.visit_all(under_lock([&](Ref ref) CT_REQUIRES(lock_) {
      Entry *e = at(ref);
      e->die();
      if (e->pins != 0) {
        e->prev = ref;
      } else if (options_.drop == nullptr) {
        map_.entries.free(ref, e);
      } else {
        telling_++;
        gone.add(number_, ref, e, CT_CAUSE_CLEARED);
      }
    }));
  }
  map_.index.clear();
  map_.entries.store().release_all_dropped();
  expiry_.clear();
  flights_.trim();
  if (negatives_ != nullptr) negatives_->clear();
  closed_ = true;
  owner_.refer(pins_.count());
}

uint64_t Shard::size() {
  Locked locked(*this);
  return map_.index.size();
}

// ---- The limit --------------------------------------------------------------------------------

// Tells the index how many entries a full cache has, if that can be known.
void Shard::expect(uint64_t maxsize) {
  const uint64_t share = maxsize / share_.shards();
  const uint64_t spread = share_.shards() == 1 ? 0 : share / 16;
  const bool known = weighs_one_ && share <= Index::kMostExpected;
  map_.index.expect(known ? static_cast<uint32_t>(share + spread + 16) : 0);
  if (!reads_unlocked_) return;
  const uint64_t nearly_full = share - share / 4;
  if (!map_.index.is_shown()) {
    opens_at_ = weighs_one_ && nearly_full < large_ ? static_cast<uint32_t>(nearly_full) : large_;
  }
}

// The same for entries that differ in weight. It assumes that entries to come weigh what the
// present ones weigh. In a cache that is nearly empty that would be no more than a guess, so
// nothing is expected.
void Shard::expect_by_weight() {
  const uint64_t share = budget_.maxsize() / share_.shards();
  const uint64_t entries = map_.index.size();
  const uint64_t weight = share_.weight();
  const bool known = weight != 0 && share / 8 <= weight;
  const double more = known ? static_cast<double>(share) / static_cast<double>(weight) : 0;
  const double full = static_cast<double>(entries) * more * 17 / 16;
  map_.index.expect(full <= Index::kMostExpected ? static_cast<uint32_t>(full) : 0);
}

// Opens the shard to reads without the lock. So the memory that they may look at is kept. A small
// cache is opened when its table is as large as it will be, since another one would be kept as
// well. In a large shard, each thread has a stripe of the log, as soon as there is a second thread;
// or at once, if memory is the limit, which no read may exceed.
void Shard::open() {
  if (!map_.index.is_shown()) {
    if (!map_.index.keep()) return;
    map_.entries.store().keep();
    map_.index.show();
  }
  const bool is_large = map_.index.size() >= large_;
  if (is_large) counts_memory(options_) ? uses_.log().spread() : uses_.log().allow_spread();
  opens_at_ = is_large ? UINT32_MAX : large_;
}

void Shard::resize(uint64_t maxsize, double part) {
  Settled settled(*this);
  // A limit of 0 empties the cache, and so invalidates all keys.
  if (maxsize == 0) invalidate_keys();
  policy_->resize(maxsize);
  expect(maxsize);
  share_.set_part(part);
}

// Works in rounds, and lets other threads at the lock between them. The rounds are limited, because
// a pinned entry stays however often it is tried. The chunk that is being filled is spared until
// nothing else is to be gained.
void Shard::trim() {
  bool spared = true;
  {
    Locked locked(*this);
    map_.entries.store().set_thrifty(true);
  }
  for (uint64_t goes = kTrims + size() / kTrimmedEntries; goes > 0; goes--) {
    Settled settled(*this);
    if (waiting_ != 0 || !map_.entries.store().is_sparse()) break;
    lock_.let_others_in();
    if (compact(SIZE_MAX)) continue;
    if (!spared) break;
    spared = false;
  }
  for (bool shrinks = true; shrinks;) {
    Settled settled(*this);
    shrinks = map_.index.shrink(waiting_, hasher());
    lock_.let_others_in();
  }
  Locked locked(*this);
  map_.entries.store().set_thrifty(false);
  flights_.trim();
}

// ---- Statistics -------------------------------------------------------------------------------

void Shard::count_read(bool is_hit) {
  if (is_hit) {
    Probes(&owner_).probe_hit();
  } else {
    Probes(&owner_).probe_miss();
  }
  if (!keeps_stats()) return;
  Locked locked(*this);
  counters_.read(is_hit);
}

void Shard::add_stats(ct_stats *stats) {
  Locked locked(*this);
  counters_.add_to(stats);
  stats->pinned += pins_.count();
  if (!keeps_stats()) return;
  stats->hits += uses_.log().hits();
  stats->misses += uses_.log().misses();
}

void Shard::reset_stats() {
  Locked locked(*this);
  counters_.reset(uses_.log().hits(), uses_.log().misses());
}

#ifdef CT_VALIDATE
const char *Shard::problem() {
  Settled settled(*this);
  if (const char *problem = policy_->problem()) return problem;
  uint64_t known = 0;
  uint32_t rank;
  for (Policy::Walk walk; policy_->step(walk, &rank); known++) {
    const Ref ref = walk.ref;
    if (rank >= Policy::kRanks) return "policy: a rank is too high";
    if (map_.find({map_.entries.key(at(ref)), hash_of(ref)}).ref != ref) {
      return "policy: it knows an entry that is not in the index";
    }
  }
  if (ordered_ && known != map_.index.size()) return "policy: it does not know every entry";
  return problem_of_entries();
}

void Shard::measure_searches(uint64_t *total, uint64_t *longest) {
  Locked locked(*this);
  map_.index.measure_searches(hasher(), total, longest);
}

const char *Shard::problem_of_entries() {
  uint64_t weight = 0;
  uint64_t linked = 0;
  uint64_t live = 0;
  uint64_t live_pins = 0;
  const char *problem = map_.index.problem(hasher());
  map_.index.visit_all(under_lock([&](Ref ref) CT_REQUIRES(lock_) {
    Entry *e = at(ref);
    weight += map_.entries.weight_of(e);
    live += map_.entries.layout().block_bytes(e);
    live_pins += e->pins;
    // A use may have moved the deadline to CT_NEVER since the entry was filed.
    const bool filed =
        (e->flags & kLifetime) != 0 && map_.entries.layout().lifetime(e)->prev != kNone;
    linked += filed;
    const bool stays =
        saturating_add(map_.entries.deadline(e), map_.entries.layout().stale) == CT_NEVER;
    if (!filed && !stays) problem = "shard: a deadline is not filed";
    if (e->is_dead()) problem = "shard: a dead entry is in the index";
    if ((e->block & kFree) != 0) problem = "shard: a free block is in the index";
  }));
  if (problem != nullptr) return problem;
  if (weight != share_.weight()) return "shard: its weight is not the sum of its entries'";
  if (telling_ != 0) return "shard: an entry was not told of";
  if (waiting_ != 0) return "shard: a request was forgotten";
  const uint64_t pins = pins_.count() + pins_.kept();
  if (live_pins > pins) return "shard: there are more pins than it knows";
  problem = expiry_.problem(linked);
  if (problem != nullptr) return problem;
  problem = flights_.problem();
  if (problem == nullptr && negatives_ != nullptr) problem = negatives_->problem();
  if (problem != nullptr) return problem;
  return map_.entries.store().problem(live, live_pins == pins && !pins_.has_many());
}
#endif

}  // namespace ct
