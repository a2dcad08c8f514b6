// SPDX-License-Identifier: MIT
// A page heap, as TCMalloc calls it. It hands out runs of any multiple of a grain, cut from ranges
// of pages that are mapped and unmapped as a whole. It does its own locking, and calls the system
// without its lock, unless a new range cannot be kept for want of memory. Read mapping.hpp and
// size_class.hpp first.
//
// What the heap knows of a free run is stored beside the range, so that all pages of the run can go
// back to the system. Neighbouring free runs are joined. A page counts as held from when it is
// first handed out until it goes back. Pages of free runs go back when there are many beside those
// in use, those of the smallest runs first. So a cache that takes as much as it releases never
// calls the system.
//
// Addresses are cheap, and pages are not. So a request is placed where it lacks the fewest pages,
// and of such runs in the smallest. Free runs are binned by size. A run is warm if it contains a
// whole page that has not gone back, and cold otherwise; warm and cold runs have separate bins. In
// a large warm run the request begins where the warm pages begin, or ends where they end. If it
// lacks several pages, and is written at once, the system gives them in one call.
//
// Pages that are locked in memory (mlock) do not go back. Once the heap finds that pages of a range
// are locked, it counts the whole range as held, because locking a mapping makes all of it
// resident.
#ifndef CT_PAGE_HEAP_HPP
#define CT_PAGE_HEAP_HPP

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/lock.hpp"
#include "base/size_class.hpp"

namespace ct {

class PageHeap {
 public:
  struct Options {
    bool huge;  // hands out huge pages, and only whole ones
    bool kept;  // ranges stay mapped until the end, because they may be read without a lock
    uint8_t grain_shift;
    // A new range is 2^-range_shift of all that is mapped, and has room for range_runs runs if
    // these are not large. Unused addresses cost little, and runs of all sizes fit best into few
    // ranges.
    uint8_t range_shift;
    uint8_t range_runs;
    // What lies free in pages that have not gone back may be 2^-slack_shift of the pages in use. In
    // addition, a few free pages are allowed beside all that is held, so that a small heap of a
    // large cache need not call the system for each page: at most 2^-few_shift of all held bytes.
    uint8_t slack_shift;
    uint8_t few_shift;
  };

  // Adds what the heap holds to held.
  PageHeap(std::atomic<uint64_t> &held, const Options &options) noexcept;
  ~PageHeap();
  PageHeap(const PageHeap &) = delete;
  PageHeap &operator=(const PageHeap &) = delete;

  // No run in use is smaller than this.
  static constexpr uint8_t kMinShift = 12;
  static constexpr size_t kMinBytes = size_t{1} << kMinShift;

  // Returns a run of bytes, aligned to a grain, or nullptr if there is no memory. bytes is at least
  // kMinBytes.
  void *allocate(size_t bytes) noexcept { return allocate(bytes, Fill::kAny); }
  // Does the same for a run that is written as a whole at once. The caller holds no lock.
  void *allocate_written(size_t bytes) noexcept { return allocate(bytes, Fill::kWritten); }
  // Does the same as allocate, but pages of the run that are not resident yet count only from use()
  // on.
  void *allocate_untouched(size_t bytes) noexcept { return allocate(bytes, Fill::kUntouched); }
  // Does the same as allocate_untouched, with zeros.
  void *allocate_zeroed(size_t bytes) noexcept { return allocate(bytes, Fill::kZeros); }
  void release(void *ptr, size_t bytes) noexcept;

  // Returns how many bytes a run takes that was requested with this many bytes.
  size_t run_bytes(size_t bytes) const noexcept { return bytes_of(grains_of(bytes)); }
  // Tells the heap that this part of a run in use is about to be touched.
  void use(void *ptr, size_t bytes) noexcept;
  // Gives back the pages of such a part, which is zeros afterwards. Returns false if that is not
  // possible; the part is unchanged then.
  bool discard(void *ptr, size_t bytes) noexcept;
  // Gives back all free pages.
  void trim() noexcept;

#ifdef CT_VALIDATE
  // Returns nullptr, or the invariant that is broken. No other call may run meanwhile.
  const char *problem() const;
  uint64_t used_bytes() const {
    Guard guard(lock_);
    return used_ << options_.grain_shift;
  }
  uint64_t held_bytes() const;
#endif

 private:
  static constexpr uint32_t kMaxGrains = 1u << 16;  // of a range
  static constexpr uint32_t kMaxRanges = (1u << 16) - 1;
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kBins = classes_below(17);
  static_assert(kMaxGrains < 1u << 17, "each size has a bin");
  static constexpr uint32_t kBinWords = (kBins + 63) / 64;
  // How many free runs a request looks at.
  static constexpr int kTries = 32;
  // From this size on, memory that is to be zeros had better not be resident.
  static constexpr size_t kZeroedBytes = 64 * 1024;
  // Fewer pages that lack are not worth a system call: they come when they are touched.
  static constexpr uint32_t kWorthwhilePages = 4;

  static constexpr size_t kMinRangeBytes = 64 * 1024;
  static constexpr size_t kMinHugeRangeBytes = 16 * 1024 * 1024;
  static constexpr size_t kMaxRangeBytes = (sizeof(void *) == 8 ? 64 : 4) * size_t{1024 * 1024};
  // If the system refuses a range larger than this, it may still give a range that is just large
  // enough.
  static constexpr size_t kLargeRangeBytes = 1024 * 1024;
  // A range is made large enough for range_runs runs only up to this size.
  static constexpr size_t kFewBytes = 16 * 1024 * 1024;
  // Replaces range_shift and range_runs if a range is locked, because locked addresses do cost
  // memory.
  static constexpr uint32_t kLockedRangeShift = 5;
  // The few free pages that may stay in addition: all held bytes >> kSharedSlackShift, plus
  // kSlackBytes, kSlackPages or a run of average size. So the pages of a chunk of entries that went
  // wait for the next chunk.
  static constexpr uint32_t kSharedSlackShift = 9;
  static constexpr uint64_t kSlackBytes = 32 * 1024;
  static constexpr uint64_t kSlackPages = 2;
  // Enough for one run in use; see reserve_nodes.
  static constexpr uint32_t kFewNodes = 4;

  // What the heap knows of a free run.
  struct Node {
    uint32_t next;  // in the same bin, or the next unused node
    uint32_t prev;
    uint32_t at;
    uint32_t grains;
  };

  struct Range {
    char *base;
    uint32_t grains;
    uint32_t number;
    uint32_t used;      // grains in use
    uint32_t runs;      // runs in use
    bool locked;        // in memory (mlock)
    uint64_t *heads;    // a bit for each grain at which a free run begins
    uint64_t *tails;    // a bit for each grain at which a free run ends
    uint64_t *dirty;    // a bit for each page that counts as held
    uint16_t *node_of;  // for each cell, the node of the free run that begins there
    Node *nodes;
    Node few_nodes[kFewNodes];  // the only nodes if no run is in use
    uint32_t node_count;
    uint32_t free_node;
  };

  struct Run {
    Range *range;  // nullptr if there is no such run
    uint32_t at;
    uint32_t grains;

    uint32_t end() const { return at + grains; }
  };

  // Pages of a range, from first up to end.
  struct Pages {
    uint32_t first;
    uint32_t end;
  };

  enum class Fill { kAny, kWritten, kUntouched, kZeros };
  enum Kind : uint32_t { kWarm, kCold };  // with or without a whole dirty page
  struct Bins {
    uint64_t in_use[2][kBinWords];
    uint32_t runs[2][kBins];
  };

  size_t bytes_of(uint32_t grains) const { return size_t{grains} << options_.grain_shift; }
  size_t unit() const { return bytes_of(1u << page_shift_); }  // bytes of a page
  uint32_t page_count(const Range &range) const { return range.grains >> page_shift_; }
  Pages all_of(const Range &range) const { return {0, page_count(range)}; }
  Pages touched_by(const Run &run) const;
  Pages within(const Run &run) const;
  Pages within(const Range &range, const void *ptr, size_t bytes) const;
  uint32_t lacking_pages(const Run &run) const;
  Pages lacking_span(const Run &run) const;
  Pages dirty_span(const Run &run) const;
  static uint32_t dirty_pages(const Range &range, Pages pages);
  void mark(Range &range, Pages pages) CT_REQUIRES(lock_);
  void unmark(Range &range, Pages pages) CT_REQUIRES(lock_);

  uint32_t grains_of(size_t bytes) const;
  void *allocate(size_t bytes, Fill fill) noexcept;
  Run find(uint32_t grains, bool prefers_cold) const CT_REQUIRES(lock_);
  Run find_warm(uint32_t grains) const CT_REQUIRES(lock_);
  Run find_cold(uint32_t grains) const CT_REQUIRES(lock_);
  void consider(const Run &run, uint32_t *least, Run *best) const;
  void begin_use(const Run &run) CT_REQUIRES(lock_);
  void zero_dirty(const Run &run) const;
  void occupy(Range *range, uint32_t grains) CT_REQUIRES(lock_);
  void free(Run run) CT_REQUIRES(lock_);
  Run free_run_at(Range *range, uint32_t at) const CT_REQUIRES(lock_) {
    return {range, at, node_at(range, at).grains};
  }
  void enter_bin(const Run &run) CT_REQUIRES(lock_);
  void leave_bin(const Run &run) CT_REQUIRES(lock_);
  Run run_of(uint32_t id) const CT_REQUIRES(lock_) {
    return {numbered_[id >> 16], node(id).at, node(id).grains};
  }
  uint32_t cell_of(uint32_t at) const { return at >> cell_shift_; }
  Node &node_at(Range *range, uint32_t at) const {
    return range->nodes[range->node_of[cell_of(at)]];
  }
  Node &node(uint32_t id) const CT_REQUIRES(lock_) {
    return numbered_[id >> 16]->nodes[id & UINT16_MAX];
  }
  bool reserve_nodes(Range *range) noexcept CT_REQUIRES(lock_);
  static void link_nodes(Range *range, uint32_t first);
  void release_nodes(Range *range) noexcept;
  static size_t node_bytes(const Range &range) {
    return range.nodes == range.few_nodes ? 0 : range.node_count * sizeof(Node);
  }
  uint32_t next_bin(Kind kind, uint32_t from) const CT_REQUIRES(lock_);

  uint64_t bearable_pages() const CT_REQUIRES(lock_);
  void settle() CT_REQUIRES(lock_);
  void give_back(uint64_t most) CT_REQUIRES(lock_);
  Run choose() const CT_REQUIRES(lock_);
  Pages last_dirty(const Run &run, uint64_t most) const;
  void keep_locked(Range &range) CT_REQUIRES(lock_);
  void forget_locked(Range &range) CT_REQUIRES(lock_);

  size_t next_range_bytes(size_t needed) const CT_REQUIRES(lock_);
  size_t bytes_beside(uint32_t grains) const;
  static size_t bytes_of_tables(uint32_t capacity) {
    return 2 * size_t{capacity} * sizeof(Range *);
  }
  [[gnu::noinline, gnu::cold]] bool add_range(size_t needed) noexcept CT_REQUIRES(lock_);
  Range *map_range(size_t bytes) const noexcept;
  void unmap_range(Range *range) const;
  bool enlist(Range *range) noexcept CT_REQUIRES(lock_);
  bool reserve_range() noexcept CT_REQUIRES(lock_);
  void release_tables() noexcept CT_REQUIRES(lock_);
  Range *take_needless() CT_REQUIRES(lock_);
  Range *remove(Range *range) CT_REQUIRES(lock_);
  Range *range_of(const void *ptr) const CT_REQUIRES(lock_);
  Run run_at(const void *ptr, size_t bytes) const CT_REQUIRES(lock_);
  char *address(const Range &range, uint32_t page) const { return range.base + page * unit(); }
#ifdef CT_VALIDATE
  const char *problem_of_range(const Range &range, uint32_t *free_runs, uint64_t *idle) const
      CT_REQUIRES(lock_);
#endif

  mutable Lock lock_;
  std::atomic<uint64_t> &held_;
  const Options options_;
  const uint8_t page_shift_;  // a page has 2^page_shift_ grains
  // A cell has as many grains as the smallest run in use. So no two free runs begin in one cell.
  const uint8_t cell_shift_;
  bool gives_back_ CT_GUARDED_BY(lock_) = false;
  Range **sorted_ CT_GUARDED_BY(lock_) = nullptr;  // by address
  Range **numbered_ CT_GUARDED_BY(lock_) = nullptr;
  uint32_t count_ CT_GUARDED_BY(lock_) = 0;     // of ranges
  uint32_t capacity_ CT_GUARDED_BY(lock_) = 0;  // of both tables
  Bins *bins_ CT_GUARDED_BY(lock_) = nullptr;   // nullptr before the first range
  uint32_t empty_ CT_GUARDED_BY(lock_) = 0;     // ranges without any run in use
  uint32_t locked_ CT_GUARDED_BY(lock_) = 0;    // locked ranges
  uint64_t mapped_ CT_GUARDED_BY(lock_) = 0;    // bytes
  uint64_t used_ CT_GUARDED_BY(lock_) = 0;      // grains
  uint32_t runs_ CT_GUARDED_BY(lock_) = 0;      // runs in use
  uint64_t dirty_ CT_GUARDED_BY(lock_) = 0;     // pages
  uint32_t idle_ CT_GUARDED_BY(lock_) = 0;      // dirty pages in free runs, of unlocked ranges
};

}  // namespace ct

#endif
