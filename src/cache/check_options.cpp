// SPDX-License-Identifier: MIT
#include "cache/check_options.hpp"

#include <algorithm>

#include "base/clock.hpp"
#include "base/options.hpp"
#include "policy/policy.hpp"
#include "table/entry.hpp"

namespace ct {
namespace {

static_assert(kMostTags == 8, "check_tags says so");

constexpr uint32_t kKnownFlags = CT_FLAG_SINGLE_THREADED | CT_FLAG_NO_STATS |
                                 CT_FLAG_PRECISE_CLOCK | CT_FLAG_KEEP_NOTHING |
                                 CT_FLAG_DROP_LOADED | CT_FLAG_COST_BY_TIME | CT_FLAG_CURVE;
constexpr uint32_t kKnownEntryFlags = CT_ENTRY_TTL | CT_ENTRY_DEADLINE | CT_ENTRY_WEIGHT |
                                      CT_ENTRY_KEEP_TTL | CT_ENTRY_TAGS | CT_ENTRY_COST |
                                      kConditions;

const char *check_policy(const ct_options &options, ct_policy_ops *custom) {
  const PolicyKind *kind = policy_kind(options.policy);
  if (kind == nullptr) return "policy: it is not one of ct_policy.";
  if (kind->needs == Needs::kTtl && options.ttl == 0) {
    return "ttl: CT_POLICY_TTL requires one above 0.";
  }
  if (kind->needs == Needs::kTtu && options.ttu == nullptr) {
    return "ttu: CT_POLICY_TLRU requires one.";
  }
  if (kind->needs != Needs::kOps) return nullptr;
  if (options.custom == nullptr) return "custom: CT_POLICY_CUSTOM requires it.";
  if (!read_struct(options.custom, custom)) {
    return "custom: its struct_size is not one that this library knows.";
  }
  if (custom->on_insert == nullptr) return "custom: on_insert is required.";
  if (custom->on_remove == nullptr) return "custom: on_remove is required.";
  if (custom->victim == nullptr) return "custom: victim is required.";
  return nullptr;
}

// A lifetime that the clock cannot measure was meant in another unit: 60 for a minute.
const char *check_units(const ct_options &options, uint64_t shortest) {
#define CT_CHECKED(field)                                                                      \
  {                                                                                            \
    options.field, #field                                                                      \
        ": it is below 1 ms, for which CT_FLAG_PRECISE_CLOCK is needed; was CT_SECONDS meant?" \
  }
  const struct {
    uint64_t time;
    const char *problem;
  } rows[] = {
      CT_CHECKED(ttl),   CT_CHECKED(tti),          CT_CHECKED(refresh_ahead), CT_CHECKED(stale),
      CT_CHECKED(retry), CT_CHECKED(negative_ttl), CT_CHECKED(jitter),
  };
  for (const auto &row : rows) {
    if (row.time != 0 && row.time < shortest) return row.problem;
  }
  return nullptr;
}

const char *check_freshness(ct_options &options) {
  const uint64_t shortest =
      shortest_lifetime(options.timer, (options.flags & CT_FLAG_PRECISE_CLOCK) != 0);
  if (const char *problem = check_units(options, shortest)) return problem;
  if (options.ttl != 0 && options.refresh_ahead >= options.ttl) {
    return "refresh_ahead: it is not below ttl.";
  }
  if (options.jitter != 0 && options.jitter >= options.ttl) return "jitter: it is not below ttl.";
  // Otherwise some values would be renewed as soon as they are stored.
  if (options.jitter != 0 && options.refresh_ahead >= options.ttl - options.jitter) {
    return "refresh_ahead: together with jitter it is not below ttl.";
  }
  if (options.retry == 0 && (options.refresh_ahead != 0 || options.stale != 0)) {
    const uint64_t whole = options.ttl != 0 ? options.ttl : options.refresh_ahead;
    if (whole != 0) options.retry = std::max(whole / 10, shortest);
  }
  if (options.stale != 0 && options.retry == 0) {
    return "retry: stale requires one above 0 where there is neither ttl nor refresh_ahead.";
  }
  return nullptr;
}

// What stands in a field without its flag would be ignored, though the caller wants it.
const char *check_flags(const ct_entry_options &entry) {
  const uint32_t flags = entry.flags;
  if ((flags & ~kKnownEntryFlags) != 0) return "flags: one of them is not known.";
  if (entry.reserved != 0) return "reserved: it is not 0.";
  if ((flags & CT_ENTRY_TTL) == 0 && entry.ttl != 0) return "ttl: it is set without CT_ENTRY_TTL.";
  if ((flags & CT_ENTRY_DEADLINE) == 0 && entry.deadline != 0) {
    return "deadline: it is set without CT_ENTRY_DEADLINE.";
  }
  if ((flags & CT_ENTRY_WEIGHT) == 0 && entry.weight != 0) {
    return "weight: it is set without CT_ENTRY_WEIGHT.";
  }
  if ((flags & CT_ENTRY_TAGS) == 0 && (entry.tags != nullptr || entry.tag_count != 0)) {
    return "tags: they are set without CT_ENTRY_TAGS.";
  }
  if ((flags & CT_ENTRY_COST) == 0 && entry.cost != 0) {
    return "cost: it is set without CT_ENTRY_COST.";
  }
  if ((flags & CT_ENTRY_IF_SAME) == 0 && entry.same != nullptr) {
    return "same: it is set without CT_ENTRY_IF_SAME.";
  }
  return nullptr;
}

const char *check_tags(const ct_bytes *tags, size_t count) {
  if (count > kMostTags) return "tags: there are more than 8.";
  if (tags == nullptr && count != 0) return "tags: they are NULL.";
  for (size_t i = 0; i < count; i++) {
    if (is_too_long(tags[i].size)) return "tags: one has 2^32 bytes or more.";
    if (tags[i].data == nullptr && tags[i].size != 0) return "tags: one is NULL, but has a size.";
  }
  return nullptr;
}

}  // namespace

const char *check_options(const ct_options *given, CheckedOptions *out) {
  *out = {};
  if (given == nullptr) return "options: they are NULL.";
  if (!read_struct(given, &out->options)) {
    return "struct_size: it is not one that this library knows; set it by CT_OPTIONS_INIT.";
  }
  ct_options &options = out->options;
  if (const char *problem = check_policy(options, &out->custom)) return problem;
  if (options.weight_kind < CT_WEIGHT_COUNT || options.weight_kind > CT_WEIGHT_MEMORY) {
    return "weight_kind: it is not one of ct_weight_kind.";
  }
  if ((options.shards & (options.shards - 1)) != 0 || options.shards > kMaxShards) {
    return "shards: it is not 0 or a power of two up to 4096.";
  }
  if ((options.flags & ~kKnownFlags) != 0) return "flags: one of them is not known.";
  if ((options.flags & CT_FLAG_CURVE) != 0) {
    if ((options.flags & CT_FLAG_NO_STATS) != 0) {
      return "flags: CT_FLAG_CURVE needs the counts that CT_FLAG_NO_STATS leaves out.";
    }
    if (options.policy == CT_POLICY_CUSTOM) {
      return "flags: CT_FLAG_CURVE knows no CT_POLICY_CUSTOM.";
    }
  }
  if (options.allocator != nullptr) {
    if (!read_struct(options.allocator, &out->allocator)) {
      return "allocator: its struct_size is not one that this library knows.";
    }
    if (out->allocator.alloc == nullptr || out->allocator.free == nullptr) {
      return "allocator: alloc and free are both required.";
    }
  }
  if (const char *problem = check_freshness(options)) return problem;
  if (options.maxsize == 0 && (options.flags & CT_FLAG_KEEP_NOTHING) == 0) {
    return "maxsize: 0 keeps nothing, which CT_FLAG_KEEP_NOTHING says is meant.";
  }
  if (options.shards == 0) options.shards = 1;
  return nullptr;
}

const char *check_entry_options(const ct_entry_options &given, const ct_options &cache,
                                ct_entry_options *out) {
  if (!read_struct(&given, out)) {
    return "struct_size: it is not one that this library knows; set it by CT_ENTRY_OPTIONS_INIT.";
  }
  if (const char *problem = check_flags(*out)) return problem;
  if (const char *problem = check_tags(out->tags, out->tag_count)) return problem;
  const uint32_t flags = out->flags;
  if ((flags & CT_ENTRY_COST) != 0 && out->cost == 0) return "cost: it is 0.";
  if ((flags & CT_ENTRY_TTL) != 0 && (flags & CT_ENTRY_DEADLINE) != 0) {
    return "deadline: there is a ttl as well.";
  }
  if ((flags & CT_ENTRY_IF_SAME) != 0 && out->same == nullptr) {
    return "same: CT_ENTRY_IF_SAME requires it.";
  }
  const uint32_t conditions = flags & kConditions;
  if ((conditions & (conditions - 1)) != 0) return "flags: there is more than one condition.";
  if ((flags & CT_ENTRY_WEIGHT) != 0 && counts_memory(cache)) {
    return "weight: entries of this cache weigh the memory that they take.";
  }
  return nullptr;
}

}  // namespace ct
