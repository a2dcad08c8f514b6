// SPDX-License-Identifier: MIT
// LFU in O(1) (after Shah, Mitra, Matani, "An O(1) algorithm for implementing the LFU cache
// eviction scheme", 2010, with one list instead of many). The victim is the entry with the lowest
// count; of several such entries, the victim is the one that reached this count first.
//
// One list holds all entries, from the most to the least often used. Entries with the same count
// form a group, the newest first. A use moves an entry to the front of the next group. The groups
// are in a list of their own.
//
// A use may need a new group. Each insert leaves room for one group in reserve. If there is no such
// room and no memory for a group, the use moves the entry to the front of its own group and is not
// counted.
#include <algorithm>

#include "base/array.hpp"
#include "policy/policy.hpp"
#include "table/list.hpp"

namespace ct {
namespace {

class Lfu : public Policy {
 public:
  static constexpr size_t kHookBytes = 8;
  static constexpr Uses kUses = Uses::kBatched;
  static constexpr bool kHasFrequency = true;

  explicit Lfu(const PolicyContext &context)
      : layout_(context.layout()),
        store_(context.store()),
        list_(context.store()),
        groups_(context.memory) {}

  bool reserve(uint64_t count) override { return free_ != kNoGroup || groups_.reserve(count + 1); }

  void insert(Ref ref, uint64_t, Now &) override {
    if (lowest_ == kNoGroup || groups_[lowest_].count != 1) {
      lowest_ = make_group(1, lowest_, kNoGroup);
    }
    join(ref, lowest_);
  }

  void restore(Ref ref, uint64_t, uint64_t keepsake, Now &) override {
    join(ref, near_ = group_with(std::max<uint64_t>(Keepsake::uses(keepsake), 1)));
  }

  void used(const Ref *refs, uint32_t count) override {
    list_.prefetch_neighbours(refs, count);
    for (uint32_t i = 0; i < count; i++) rise(refs[i]);
  }
  void update(Ref ref, uint64_t, uint64_t, Now &) override { rise(ref); }

  void remove(Ref ref, uint64_t, bool) override { leave(ref, group_of(ref), kNoGroup); }

  void moved(Ref from, Ref to) override {
    list_.moved(to);
    Group &group = groups_[group_of(to)];
    if (group.newest == from) group.newest = to;
    if (group.oldest == from) group.oldest = to;
  }

  void clear() override {
    list_.clear();
    groups_.clear();
    lowest_ = free_ = near_ = kNoGroup;
  }

  Ref victim(const uint64_t *) override { return list_.back(); }
  Ref next_victim() const override { return list_.back(); }
  uint64_t frequency(Ref ref) const override { return groups_[group_of(ref)].count; }

  bool step(Walk &walk, uint32_t *rank) const override {
    walk.ref = list_.after(walk.ref);
    *rank = 0;
    return walk.ref != kNone;
  }

#ifdef CT_VALIDATE
  const char *problem() const override {
    uint32_t at = lowest_;
    bool begins = true;
    const char *problem = list_.problem([&](Ref ref) -> const char * {
      if (at == kNoGroup || group_of(ref) != at) return "lfu: an entry is in another's group";
      const Group &group = groups_[at];
      if (begins && ref != group.oldest) return "lfu: a group does not know its oldest";
      begins = ref == group.newest;
      if (!begins) return nullptr;
      at = group.higher;
      if (at != kNoGroup && groups_[at].count <= group.count) return "lfu: groups are out of order";
      return nullptr;
    });
    return problem != nullptr || at == kNoGroup ? problem : "lfu: a group is empty";
  }
#endif

 private:
  static constexpr uint32_t kNoGroup = UINT32_MAX;

  struct Group {
    uint64_t count;
    Ref newest;
    Ref oldest;
    uint32_t higher;  // kNoGroup at the end; of a free group, the next free one
    uint32_t lower;
  };

  Cell<uint32_t> &group_of(Ref ref) const { return *layout_.hook<Cell<uint32_t>>(store_.at(ref)); }

  // Makes an empty group. The caller has made sure that there is room.
  uint32_t make_group(uint64_t count, uint32_t higher, uint32_t lower) {
    uint32_t made = free_;
    if (made != kNoGroup) {
      free_ = groups_[made].higher;
    } else {
      made = groups_.size();
      groups_.push({});
    }
    groups_[made] = {count, kNone, kNone, higher, lower};
    if (higher != kNoGroup) groups_[higher].lower = made;
    if (lower != kNoGroup) groups_[lower].higher = made;
    return made;
  }

  // Returns the group of that count, and makes it if there is none. The caller has made sure that
  // there is room. Entries are restored in order, so the search begins at the group of the last
  // one.
  uint32_t group_with(uint64_t count) {
    uint32_t lower = near_ != kNoGroup ? near_ : lowest_;
    uint32_t higher = lower;
    while (lower != kNoGroup && groups_[lower].count > count) {
      higher = lower;
      lower = groups_[lower].lower;
    }
    if (lower != kNoGroup) higher = groups_[lower].higher;
    while (higher != kNoGroup && groups_[higher].count <= count) {
      lower = higher;
      higher = groups_[higher].higher;
    }
    if (lower != kNoGroup && groups_[lower].count == count) return lower;
    const uint32_t made = make_group(count, higher, lower);
    if (lower == kNoGroup) lowest_ = made;
    return made;
  }

  void join(Ref ref, uint32_t to) {
    Group &group = groups_[to];
    // The place is in front of the group's newest entry, or behind all entries of the next higher
    // group.
    const Ref place = group.newest != kNone      ? list_.towards_front(group.newest)
                      : group.higher != kNoGroup ? groups_[group.higher].oldest
                                                 : kNone;
    list_.insert_behind(place, ref);
    if (group.oldest == kNone) group.oldest = ref;
    group.newest = ref;
    group_of(ref) = to;
  }

  void rise(Ref ref) {
    const uint32_t from = group_of(ref);
    uint32_t to = groups_[from].higher;
    if (to == kNoGroup || groups_[to].count != groups_[from].count + 1) {
      if (groups_[from].newest == ref && groups_[from].oldest == ref) {
        groups_[from].count++;
        return;
      }
      to = free_ != kNoGroup || groups_.reserve(1) ? make_group(groups_[from].count + 1, to, from)
                                                   : from;
    }
    leave(ref, from, to);
    join(ref, to);
  }

  // Takes an entry out of its group. A group that becomes empty is freed, unless it is also the
  // group that the entry is about to join.
  void leave(Ref ref, uint32_t from, uint32_t to) {
    Group &group = groups_[from];
    if (group.newest == ref && group.oldest == ref) {
      group.newest = group.oldest = kNone;
      if (from != to) free_group(from);
    } else if (group.newest == ref) {
      group.newest = list_.towards_back(ref);
    } else if (group.oldest == ref) {
      group.oldest = list_.towards_front(ref);
    }
    list_.remove(ref);
  }

  void free_group(uint32_t which) {
    const Group &group = groups_[which];
    if (group.higher != kNoGroup) groups_[group.higher].lower = group.lower;
    if (group.lower != kNoGroup) groups_[group.lower].higher = group.higher;
    if (lowest_ == which) lowest_ = group.higher;
    if (near_ == which) near_ = kNoGroup;
    groups_[which].higher = free_;
    free_ = which;
  }

  const Layout &layout_;
  const Store &store_;
  List list_;
  Array<Group> groups_;
  uint32_t lowest_ = kNoGroup;
  uint32_t free_ = kNoGroup;
  uint32_t near_ = kNoGroup;  // the group of the entry that was restored last, if it still exists
};

}  // namespace

const PolicyKind kLfuKind = kind_of<Lfu>();

}  // namespace ct
