// SPDX-License-Identifier: MIT
#include "base/page_heap.hpp"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <cstring>

#include "base/cell.hpp"
#include "base/mapping.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CT_POISON
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define CT_POISON
#endif
#ifdef CT_POISON
#include <sanitizer/asan_interface.h>
#endif

namespace ct {
namespace {

constexpr uint32_t kWordBits = 64;

constexpr size_t words_for(uint32_t bits) { return (bits + kWordBits - 1) / kWordBits; }

bool get(const uint64_t *bits, uint32_t i) {
  return (bits[i / kWordBits] >> i % kWordBits & 1) != 0;
}
void set(uint64_t *bits, uint32_t i) { bits[i / kWordBits] |= uint64_t{1} << i % kWordBits; }
void unset(uint64_t *bits, uint32_t i) { bits[i / kWordBits] &= ~(uint64_t{1} << i % kWordBits); }

// Calls visit(word, mask) for each word that has some of the bits from first up to end.
template <class Visit>
void visit_words(uint32_t first, uint32_t end, Visit visit) {
  while (first < end) {
    const uint32_t word = first / kWordBits;
    const uint32_t stop = std::min(end, (word + 1) * kWordBits);
    visit(word, ~uint64_t{0} >> (kWordBits - (stop - first)) << first % kWordBits);
    first = stop;
  }
}

uint32_t last_set(const uint64_t *bits, uint32_t upto) {
  uint32_t word = upto / kWordBits;
  uint64_t found = bits[word] << (kWordBits - 1 - upto % kWordBits);
  if (found != 0) return upto - static_cast<uint32_t>(__builtin_clzll(found));
  do found = bits[--word];
  while (found == 0);
  return word * kWordBits + kWordBits - 1 - static_cast<uint32_t>(__builtin_clzll(found));
}

// Returns the first set bit from `from` on, or end if there is none.
uint32_t next_set(const uint64_t *bits, uint32_t from, uint32_t end) {
  while (from < end) {
    const uint64_t found = bits[from / kWordBits] >> from % kWordBits;
    if (found != 0) return std::min(end, from + static_cast<uint32_t>(__builtin_ctzll(found)));
    from = (from / kWordBits + 1) * kWordBits;
  }
  return end;
}

// The builtin would be a call into the compiler's library where the processor may lack the
// instruction.
uint32_t count_ones(uint64_t word) {
  word -= word >> 1 & 0x5555555555555555;
  word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
  word = (word + (word >> 4)) & 0x0F0F0F0F0F0F0F0F;
  return static_cast<uint32_t>(word * 0x0101010101010101 >> 56);
}

constexpr size_t round_up(size_t n, size_t step) { return (n + step - 1) / step * step; }

uint32_t log_of(size_t power_of_two) {
  return static_cast<uint32_t>(__builtin_ctzll(power_of_two));
}

// Tells AddressSanitizer that no code may touch this memory.
void poison([[maybe_unused]] const void *ptr, [[maybe_unused]] size_t bytes) {
#ifdef CT_POISON
  ASAN_POISON_MEMORY_REGION(ptr, bytes);
#endif
}

void unpoison([[maybe_unused]] const void *ptr, [[maybe_unused]] size_t bytes) {
#ifdef CT_POISON
  ASAN_UNPOISON_MEMORY_REGION(ptr, bytes);
#endif
}

// Stores zeros as cells do, for threads that read without a lock. from and end are multiples of a
// word.
void zero(char *from, char *end) {
  for (; from < end; from += sizeof(Word)) store_word(words(from), 0);
}

}  // namespace

PageHeap::PageHeap(std::atomic<uint64_t> &held, const Options &options) noexcept
    : held_(held),
      options_(options),
      page_shift_(static_cast<uint8_t>(log_of(options.huge ? kHugePageBytes : page_bytes()) -
                                       options.grain_shift)),
      cell_shift_(static_cast<uint8_t>(
          options.grain_shift < kMinShift ? kMinShift - options.grain_shift : 0)) {}

// Unmaps in order of address, so that no range is cut out of the middle of what the system sees as
// one mapping.
PageHeap::~PageHeap() {
  while (count_ != 0) unmap_range(remove(sorted_[0]));
  release_tables();
}

// ---- Pages ------------------------------------------------------------------------------------

PageHeap::Pages PageHeap::touched_by(const Run &run) const {
  return {run.at >> page_shift_, ((run.end() - 1) >> page_shift_) + 1};
}

// Returns the pages that belong to this run alone.
PageHeap::Pages PageHeap::within(const Run &run) const {
  const uint32_t last = (1u << page_shift_) - 1;
  const uint32_t first = (run.at + last) >> page_shift_;
  return {first, std::max(first, run.end() >> page_shift_)};
}

PageHeap::Pages PageHeap::within(const Range &range, const void *ptr, size_t bytes) const {
  const auto begin = static_cast<size_t>(static_cast<const char *>(ptr) - range.base);
  const auto first = static_cast<uint32_t>((begin + unit() - 1) / unit());
  return {first, std::max(first, static_cast<uint32_t>((begin + bytes) / unit()))};
}

uint32_t PageHeap::dirty_pages(const Range &range, Pages pages) {
  uint32_t sum = 0;
  visit_words(pages.first, pages.end,
              [&](uint32_t word, uint64_t mask) { sum += count_ones(range.dirty[word] & mask); });
  return sum;
}

// Returns how many pages the system would have to give for this run.
uint32_t PageHeap::lacking_pages(const Run &run) const {
  const Pages pages = touched_by(run);
  return pages.end - pages.first - dirty_pages(*run.range, pages);
}

// Returns the pages from the first to the last of these.
PageHeap::Pages PageHeap::lacking_span(const Run &run) const {
  const uint64_t *const dirty = run.range->dirty;
  Pages pages = touched_by(run);
  while (pages.first < pages.end && get(dirty, pages.first)) pages.first++;
  while (pages.first < pages.end && get(dirty, pages.end - 1)) pages.end--;
  return pages;
}

// Returns the pages of a warm run from the first dirty page to the last.
PageHeap::Pages PageHeap::dirty_span(const Run &run) const {
  const Pages pages = within(run);
  return {next_set(run.range->dirty, pages.first, pages.end),
          last_set(run.range->dirty, pages.end - 1) + 1};
}

void PageHeap::mark(Range &range, Pages pages) {
  const uint32_t more = pages.end - pages.first - dirty_pages(range, pages);
  if (more == 0) return;
  visit_words(pages.first, pages.end,
              [&](uint32_t word, uint64_t mask) { range.dirty[word] |= mask; });
  dirty_ += more;
  held_.fetch_add(more * unit(), std::memory_order_relaxed);
}

void PageHeap::unmark(Range &range, Pages pages) {
  const uint32_t less = dirty_pages(range, pages);
  visit_words(pages.first, pages.end,
              [&](uint32_t word, uint64_t mask) { range.dirty[word] &= ~mask; });
  dirty_ -= less;
  held_.fetch_sub(less * unit(), std::memory_order_relaxed);
}

// ---- Taking and releasing ---------------------------------------------------------------------

uint32_t PageHeap::grains_of(size_t bytes) const {
  return static_cast<uint32_t>(round_up(bytes, bytes_of(1)) >> options_.grain_shift);
}

void *PageHeap::allocate(size_t bytes, Fill fill) noexcept {
  assert(bytes >= kMinBytes);
  if (bytes > bytes_of(kMaxGrains)) return nullptr;
  const uint32_t grains = grains_of(bytes);
  const bool prefers_cold = fill == Fill::kZeros && bytes >= kZeroedBytes;
  lock_.lock();
  Run run = find(grains, prefers_cold);
  while (run.range == nullptr) {
    const bool added = add_range(bytes);
    if (!added) break;
    run = find(grains, prefers_cold);
  }
  if (run.range != nullptr && !reserve_nodes(run.range)) run.range = nullptr;
  Pages lacking = {};
  if (run.range != nullptr) {
    if (fill == Fill::kWritten) lacking = lacking_span(run);
    begin_use(run);
    if (fill == Fill::kZeros) zero_dirty(run);
    if (fill == Fill::kAny || fill == Fill::kWritten) mark(*run.range, touched_by(run));
  }
  lock_.unlock();
  if (run.range == nullptr) return nullptr;
  char *ptr = run.range->base + (bytes_of(run.at));
  unpoison(ptr, bytes_of(run.grains));
  const uint32_t count = lacking.end - lacking.first;
  if (count >= kWorthwhilePages) populate_pages(address(*run.range, lacking.first), count * unit());
  return ptr;
}

void PageHeap::release(void *ptr, size_t bytes) noexcept {
  lock_.lock();
  const Run run = run_at(ptr, bytes);
  if (!options_.kept) poison(ptr, bytes_of(run.grains));
  runs_--;
  used_ -= run.grains;
  free(run);
  Range *needless = take_needless();
  if (count_ == 0) release_tables();
  settle();
  lock_.unlock();
  if (needless != nullptr) unmap_range(needless);
}

// Returns the run that lacks the fewest pages. Its range is nullptr if no free run is large enough.
PageHeap::Run PageHeap::find(uint32_t grains, bool prefers_cold) const {
  if (bins_ == nullptr) return {};
  const Run first = prefers_cold ? find_cold(grains) : find_warm(grains);
  if (first.range != nullptr) return first;
  return prefers_cold ? find_warm(grains) : find_cold(grains);
}

PageHeap::Run PageHeap::find_warm(uint32_t grains) const {
  Run best = {};
  uint32_t least = UINT32_MAX;
  int tries = kTries;
  for (uint32_t bin = class_of(grains); tries > 0 && least > 0; bin++) {
    bin = next_bin(kWarm, bin);
    if (bin == kBins) break;
    for (uint32_t id = bins_->runs[kWarm][bin]; id != kNone && tries > 0 && least > 0; tries--) {
      const Run run = run_of(id);
      if (run.grains >= grains) {
        const Pages all = within(run);
        const Pages dirty = dirty_span(run);
        const uint32_t last = run.end() - grains;
        const uint32_t first_dirty =
            dirty.first == all.first ? run.at : std::min(dirty.first << page_shift_, last);
        const uint32_t last_dirty =
            dirty.end == all.end ? last
                                 : std::max(dirty.end << page_shift_, run.at + grains) - grains;
        consider({run.range, first_dirty, grains}, &least, &best);
        consider({run.range, last_dirty, grains}, &least, &best);
      }
      id = node(id).next;
    }
  }
  return best;
}

void PageHeap::consider(const Run &run, uint32_t *least, Run *best) const {
  const uint32_t lacking = lacking_pages(run);
  if (lacking >= *least) return;
  *least = lacking;
  *best = run;
}

// Good fit, as in TLSF: tries a few runs of the size's own bin, then takes any run of the next bin.
PageHeap::Run PageHeap::find_cold(uint32_t grains) const {
  uint32_t id = bins_->runs[kCold][class_of(grains)];
  for (int tries = kTries; id != kNone && tries > 0; tries--) {
    const Run run = run_of(id);
    if (run.grains >= grains) return {run.range, run.at, grains};
    id = node(id).next;
  }
  const uint32_t bin = next_bin(kCold, class_from(grains));
  if (bin == kBins) return {};
  const Run run = run_of(bins_->runs[kCold][bin]);
  return {run.range, run.at, grains};
}

// Takes a part of a free run. The caller has reserved nodes in its range for one more run.
void PageHeap::begin_use(const Run &run) {
  Range *range = run.range;
  const Run whole = free_run_at(range, last_set(range->heads, run.at));
  leave_bin(whole);
  if (run.at != whole.at) enter_bin({range, whole.at, run.at - whole.at});
  if (run.end() != whole.end()) enter_bin({range, run.end(), whole.end() - run.end()});
  occupy(range, run.grains);
  used_ += run.grains;
  runs_++;
}

void PageHeap::occupy(Range *range, uint32_t grains) {
  if (range->used == 0) empty_--;
  range->used += grains;
  range->runs++;
}

// Only dirty pages need to be zeroed, as the others are zeros.
void PageHeap::zero_dirty(const Run &run) const {
  const Range &range = *run.range;
  char *const begin = range.base + (bytes_of(run.at));
  char *const end = begin + (bytes_of(run.grains));
  const Pages pages = touched_by(run);
  unpoison(begin, static_cast<size_t>(end - begin));
  for (uint32_t page = pages.first; page < pages.end; page++) {
    if (!get(range.dirty, page)) continue;
    zero(std::max(begin, address(range, page)), std::min(end, address(range, page + 1)));
  }
}

// Frees a run and joins it with its free neighbours.
void PageHeap::free(Run run) {
  Range *range = run.range;
  range->runs--;
  range->used -= run.grains;
  if (range->used == 0) empty_++;
  if (run.end() < range->grains && get(range->heads, run.end())) {
    const Run next = free_run_at(range, run.end());
    leave_bin(next);
    run.grains += next.grains;
  }
  if (run.at > 0 && get(range->tails, run.at - 1)) {
    const Run before = free_run_at(range, last_set(range->heads, run.at - 1));
    leave_bin(before);
    run = {range, before.at, before.grains + run.grains};
  }
  if (range->used == 0) {
    release_nodes(range);
    link_nodes(range, 0);
  }
  enter_bin(run);
}

// Makes room for one more run in use. There can be one more free run than there are runs in use,
// and one of those in use may be a run that is just being given back. Returns false if there is no
// memory.
bool PageHeap::reserve_nodes(Range *range) noexcept {
  const uint32_t needed = range->runs + 3;
  if (needed <= range->node_count) return true;
  const uint32_t count = needed + needed / 4;
  auto *nodes = static_cast<Node *>(std::malloc(count * sizeof(Node)));
  if (nodes == nullptr) return false;
  std::copy(range->nodes, range->nodes + range->node_count, nodes);
  const uint32_t known = range->node_count;
  release_nodes(range);
  range->nodes = nodes;
  range->node_count = count;
  held_.fetch_add(node_bytes(*range), std::memory_order_relaxed);
  link_nodes(range, known);
  return true;
}

// Adds the nodes from first on to the list of unused nodes.
void PageHeap::link_nodes(Range *range, uint32_t first) {
  for (uint32_t i = first; i < range->node_count; i++) {
    range->nodes[i].next = range->free_node;
    range->free_node = i;
  }
}

// Leaves the range with its few_nodes. The caller makes sure that no node is in use, or has copied
// the nodes.
void PageHeap::release_nodes(Range *range) noexcept {
  if (range->nodes == range->few_nodes) return;
  held_.fetch_sub(node_bytes(*range), std::memory_order_relaxed);
  std::free(range->nodes);
  range->nodes = range->few_nodes;
  range->node_count = kFewNodes;
}

void PageHeap::enter_bin(const Run &run) {
  Range *range = run.range;
  const uint32_t dirty = dirty_pages(*range, within(run));
  const Kind kind = dirty != 0 ? kWarm : kCold;
  if (!range->locked) idle_ += dirty;
  set(range->heads, run.at);
  set(range->tails, run.end() - 1);
  const uint32_t index = range->free_node;
  const uint32_t id = range->number << 16 | index;
  range->free_node = range->nodes[index].next;
  range->node_of[cell_of(run.at)] = static_cast<uint16_t>(index);
  const uint32_t bin = class_of(run.grains);
  uint32_t *first = &bins_->runs[kind][bin];
  range->nodes[index] = {*first, kNone, run.at, run.grains};
  if (*first != kNone) node(*first).prev = id;
  *first = id;
  set(bins_->in_use[kind], bin);
}

void PageHeap::leave_bin(const Run &run) {
  Range *range = run.range;
  const uint32_t dirty = dirty_pages(*range, within(run));
  const Kind kind = dirty != 0 ? kWarm : kCold;
  if (!range->locked) idle_ -= dirty;
  unset(range->heads, run.at);
  unset(range->tails, run.end() - 1);
  const uint32_t index = range->node_of[cell_of(run.at)];
  Node *own = &range->nodes[index];
  if (own->next != kNone) node(own->next).prev = own->prev;
  if (own->prev != kNone) {
    node(own->prev).next = own->next;
  } else {
    const uint32_t bin = class_of(run.grains);
    bins_->runs[kind][bin] = own->next;
    if (own->next == kNone) unset(bins_->in_use[kind], bin);
  }
  own->next = range->free_node;
  range->free_node = index;
}

// Returns the first bin from `from` on that has a run, or kBins if there is none.
uint32_t PageHeap::next_bin(Kind kind, uint32_t from) const {
  return from >= kBins ? kBins : next_set(bins_->in_use[kind], from, kBins);
}

// ---- Parts of runs in use ---------------------------------------------------------------------

void PageHeap::use(void *ptr, size_t bytes) noexcept {
  if (bytes == 0) return;
  const Guard guard(lock_);
  Range &range = *range_of(ptr);
  const auto begin = static_cast<size_t>(static_cast<char *>(ptr) - range.base);
  mark(range, {static_cast<uint32_t>(begin / unit()),
               static_cast<uint32_t>((begin + bytes - 1) / unit() + 1)});
}

bool PageHeap::discard(void *ptr, size_t bytes) noexcept {
  char *const begin = static_cast<char *>(ptr);
  lock_.lock();
  Range &range = *range_of(ptr);
  const Pages pages = within(range, ptr, bytes);
  const bool goes = pages.first < pages.end && dirty_pages(range, pages) != 0;
  bool gone = !range.locked;
  lock_.unlock();
  char *const first = std::min(address(range, pages.first), begin + bytes);
  char *const end = std::max(address(range, pages.end), first);
  if (gone && goes) {
    gone = discard_pages(first, static_cast<size_t>(end - first));
    lock_.lock();
    if (gone) {
      unmark(range, pages);
    } else {
      keep_locked(range);
    }
    settle();
    lock_.unlock();
  }
  if (!gone) return false;
  zero(begin, first);
  zero(end, begin + bytes);
  return true;
}

// ---- Giving back ------------------------------------------------------------------------------

// Pages that are only partly in use have free room as well, which takes up to half of the slack.
uint64_t PageHeap::bearable_pages() const {
  const uint64_t all = held_.load(std::memory_order_relaxed);
  const uint64_t usual = runs_ == 0 ? 0 : bytes_of(1) * used_ / runs_;
  const uint64_t fixed = std::max({kSlackBytes, kSlackPages * unit(), usual});
  const uint64_t few = std::min((all >> kSharedSlackShift) + fixed, all >> options_.few_shift);
  const uint64_t in_use = dirty_ - idle_;
  const uint64_t slack = in_use >> options_.slack_shift;
  const uint64_t filled = std::min(in_use, used_ >> page_shift_);
  return slack - std::min(slack / 2, in_use - filled) + few / unit();
}

void PageHeap::trim() noexcept {
  lock_.lock();
  // Ranges that were locked may be unlocked by now.
  for (uint32_t i = 0; i < count_ && locked_ != 0; i++) {
    if (sorted_[i]->locked) forget_locked(*sorted_[i]);
  }
  give_back(0);
  Range *needless;
  while ((needless = take_needless()) != nullptr) {
    lock_.unlock();
    unmap_range(needless);
    lock_.lock();
  }
  if (count_ == 0) release_tables();
  lock_.unlock();
}

// Gives pages back if too many are idle beside those in use.
void PageHeap::settle() {
  const uint64_t most = bearable_pages();
  if (idle_ > most) give_back(most - most / 8);
}

// Gives pages back until at most `most` are idle, or all others are locked. The lock is released
// while the system is called; the run is out of the heap meanwhile. Only one thread at a time does
// this.
void PageHeap::give_back(uint64_t most) {
  if (gives_back_) return;
  gives_back_ = true;
  while (idle_ > most) {
    const Run run = choose();
    // There is such a run, because idle pages are pages of free runs.
    assert(run.range != nullptr);
    Range &range = *run.range;
    const Pages pages = last_dirty(run, idle_ - most);
    leave_bin(run);
    occupy(run.range, run.grains);
    lock_.unlock();
    const bool gone =
        discard_pages(address(range, pages.first), (pages.end - pages.first) * unit());
    lock_.lock();
    if (gone) {
      unmark(range, pages);
    } else {
      keep_locked(range);
    }
    free(run);
  }
  gives_back_ = false;
}

// Chooses a small run, because small runs are of least use to others. The caller knows that there
// is a run. Runs worth a call had better not go first: where chunks of four pages came and went,
// every one of them went back, and the free pages that may stay were all too short for the next
// chunk.
PageHeap::Run PageHeap::choose() const {
  for (uint32_t bin = 0; (bin = next_bin(kWarm, bin)) < kBins; bin++) {
    for (uint32_t id = bins_->runs[kWarm][bin]; id != kNone;) {
      const Run run = run_of(id);
      if (!run.range->locked) return run;
      id = node(id).next;
    }
  }
  return {};
}

// Returns the pages of the run from the first of its last `most` dirty pages to its last dirty
// page.
PageHeap::Pages PageHeap::last_dirty(const Run &run, uint64_t most) const {
  const Pages pages = dirty_span(run);
  uint32_t first = pages.end;
  while (first > pages.first && most > 0) most -= get(run.range->dirty, --first) ? 1 : 0;
  while (!get(run.range->dirty, first)) first++;
  return {first, pages.end};
}

// Counts all pages of the range as dirty, because locking has made all of it resident.
void PageHeap::keep_locked(Range &range) {
  if (range.locked) return;
  for (uint32_t at = 0; (at = next_set(range.heads, at, range.grains)) < range.grains;) {
    const Run run = free_run_at(&range, at);
    const Pages pages = within(run);
    leave_bin(run);
    mark(range, pages);
    enter_bin(run);
    idle_ -= pages.end - pages.first;
    at = run.end();
  }
  mark(range, all_of(range));
  range.locked = true;
  locked_++;
}

void PageHeap::forget_locked(Range &range) {
  for (uint32_t at = 0; (at = next_set(range.heads, at, range.grains)) < range.grains;) {
    const Run run = free_run_at(&range, at);
    idle_ += dirty_pages(range, within(run));
    at = run.end();
  }
  range.locked = false;
  locked_--;
}

// ---- Ranges -----------------------------------------------------------------------------------

size_t PageHeap::next_range_bytes(size_t needed) const {
  const size_t step = options_.huge ? kHugePageBytes : kLargestPageBytes;
  const size_t least = options_.huge ? kMinHugeRangeBytes : kMinRangeBytes;
  const uint64_t share = mapped_ >> (locked_ != 0 ? kLockedRangeShift : options_.range_shift);
  const auto bytes = static_cast<size_t>(std::min<uint64_t>(share, kMaxRangeBytes));
  const size_t several = needed * options_.range_runs;
  const bool few = locked_ == 0 && several <= kFewBytes;
  return round_up(std::max({bytes, least, few ? several : needed}), step);
}

size_t PageHeap::bytes_beside(uint32_t grains) const {
  return sizeof(Range) +
         (2 * words_for(grains) + words_for(grains >> page_shift_)) * sizeof(uint64_t) +
         cell_of(grains) * sizeof(uint16_t);
}

// Adds a range that has room for a run of needed bytes. Returns false if there is no memory. The
// lock is released meanwhile.
bool PageHeap::add_range(size_t needed) noexcept {
  const size_t bytes = next_range_bytes(needed);
  lock_.unlock();
  Range *range = map_range(bytes);
  const size_t least = round_up(needed, options_.huge ? kHugePageBytes : kLargestPageBytes);
  if (range == nullptr && bytes > kLargeRangeBytes && least < bytes) range = map_range(least);
  lock_.lock();
  if (range == nullptr) return false;
  if (enlist(range)) return true;
  unmap_range(range);
  return false;
}

PageHeap::Range *PageHeap::map_range(size_t bytes) const noexcept {
  const auto grains = static_cast<uint32_t>(bytes >> options_.grain_shift);
  auto *range = static_cast<Range *>(std::calloc(1, bytes_beside(grains)));
  if (range == nullptr) return nullptr;
  range->base = static_cast<char *>(map_pages(bytes, options_.huge));
  if (range->base == nullptr) {
    std::free(range);
    return nullptr;
  }
  range->grains = grains;
  range->nodes = range->few_nodes;
  range->node_count = kFewNodes;
  link_nodes(range, 0);
  range->heads = reinterpret_cast<uint64_t *>(range + 1);
  range->tails = range->heads + words_for(grains);
  range->dirty = range->tails + words_for(grains);
  range->node_of = reinterpret_cast<uint16_t *>(range->dirty + words_for(page_count(*range)));
  range->locked = !discard_pages(range->base, unit());
  if (!options_.kept) poison(range->base, bytes);
  return range;
}

void PageHeap::unmap_range(Range *range) const {
  const size_t bytes = bytes_of(range->grains);
  unpoison(range->base, bytes);
  unmap_pages(range->base, bytes);
  std::free(range);
}

// Adds the range to the heap. Returns false if there is no memory.
bool PageHeap::enlist(Range *range) noexcept {
  if (!reserve_range()) return false;
  uint32_t i = count_++;
  for (; i > 0 && sorted_[i - 1]->base > range->base; i--) sorted_[i] = sorted_[i - 1];
  sorted_[i] = range;
  while (numbered_[range->number] != nullptr) range->number++;
  numbered_[range->number] = range;
  mapped_ += bytes_of(range->grains);
  empty_++;
  held_.fetch_add(bytes_beside(range->grains), std::memory_order_relaxed);
  if (range->locked) {
    locked_++;
    mark(*range, all_of(*range));
  }
  enter_bin({range, 0, range->grains});
  return true;
}

bool PageHeap::reserve_range() noexcept {
  if (bins_ == nullptr) {
    bins_ = static_cast<Bins *>(std::calloc(1, sizeof(Bins)));
    if (bins_ == nullptr) return false;
    std::memset(bins_->runs, 0xFF, sizeof bins_->runs);
    held_.fetch_add(sizeof(Bins), std::memory_order_relaxed);
  }
  if (count_ < capacity_) return true;
  if (capacity_ == kMaxRanges) return false;
  const uint32_t capacity = std::min(kMaxRanges, std::max(4u, capacity_ * 2));
  auto **tables = static_cast<Range **>(std::calloc(1, bytes_of_tables(capacity)));
  if (tables == nullptr) return false;
  if (count_ != 0) {
    std::memcpy(tables, sorted_, capacity_ * sizeof *tables);
    std::memcpy(tables + capacity, numbered_, capacity_ * sizeof *tables);
  }
  held_.fetch_add(bytes_of_tables(capacity) - bytes_of_tables(capacity_),
                  std::memory_order_relaxed);
  std::free(sorted_);
  sorted_ = tables;
  numbered_ = tables + capacity;
  capacity_ = capacity;
  return true;
}

void PageHeap::release_tables() noexcept {
  held_.fetch_sub(bytes_of_tables(capacity_) + (bins_ != nullptr ? sizeof(Bins) : 0),
                  std::memory_order_relaxed);
  std::free(sorted_);
  std::free(bins_);
  sorted_ = numbered_ = nullptr;
  bins_ = nullptr;
  capacity_ = 0;
}

// Takes a range without any run in use out of the heap and returns it, or returns nullptr if there
// is none to spare. One such range is kept for requests to come.
PageHeap::Range *PageHeap::take_needless() {
  if (options_.kept || empty_ <= (used_ != 0 ? 1u : 0u)) return nullptr;
  uint32_t i = 0;
  while (sorted_[i]->used != 0) i++;
  return remove(sorted_[i]);
}

PageHeap::Range *PageHeap::remove(Range *range) {
  for (uint32_t at = 0; (at = next_set(range->heads, at, range->grains)) < range->grains;) {
    leave_bin(free_run_at(range, at));
  }
  if (range->locked) locked_--;
  if (range->used == 0) empty_--;
  unmark(*range, all_of(*range));
  release_nodes(range);
  held_.fetch_sub(bytes_beside(range->grains), std::memory_order_relaxed);
  mapped_ -= bytes_of(range->grains);
  numbered_[range->number] = nullptr;
  Range **const place = std::find(sorted_, sorted_ + count_, range);
  std::copy(place + 1, sorted_ + count_, place);
  count_--;
  return range;
}

PageHeap::Range *PageHeap::range_of(const void *ptr) const {
  Range **const found =
      std::upper_bound(sorted_, sorted_ + count_, static_cast<const char *>(ptr),
                       [](const char *at, const Range *range) { return at < range->base; });
  assert(found != sorted_);
  return found[-1];
}

PageHeap::Run PageHeap::run_at(const void *ptr, size_t bytes) const {
  Range *range = range_of(ptr);
  const auto at = static_cast<size_t>(static_cast<const char *>(ptr) - range->base);
  return {range, static_cast<uint32_t>(at >> options_.grain_shift), grains_of(bytes)};
}

#ifdef CT_VALIDATE
uint64_t PageHeap::held_bytes() const {
  Guard guard(lock_);
  uint64_t sum = bytes_of_tables(capacity_) + (bins_ != nullptr ? sizeof(Bins) : 0);
  for (uint32_t i = 0; i < count_; i++) {
    const Range &range = *sorted_[i];
    sum += bytes_beside(range.grains) + node_bytes(range);
    sum += dirty_pages(range, all_of(range)) * unit();
  }
  return sum;
}

const char *PageHeap::problem() const {
  Guard guard(lock_);
  uint64_t used = 0;
  uint64_t idle = 0;
  uint64_t mapped = 0;
  uint64_t dirty = 0;
  uint32_t runs = 0;
  uint32_t free_runs = 0;
  uint32_t empty = 0;
  for (uint32_t i = 0; i < count_; i++) {
    const Range &range = *sorted_[i];
    if (i != 0 && sorted_[i - 1]->base >= range.base) return "page heap: ranges are in no order";
    if (numbered_[range.number] != &range) return "page heap: a range has another's number";
    if (const char *problem = problem_of_range(range, &free_runs, &idle)) return problem;
    used += range.used;
    runs += range.runs;
    mapped += bytes_of(range.grains);
    empty += range.used == 0 ? 1 : 0;
    dirty += dirty_pages(range, all_of(range));
  }
  if (used != used_) return "page heap: its use is not that of its ranges";
  if (runs != runs_) return "page heap: its runs in use are not those of its ranges";
  if (idle != idle_) return "page heap: its idle pages are not those of its free runs";
  if (dirty != dirty_) return "page heap: its dirty pages are miscounted";
  if (mapped != mapped_) return "page heap: it has mapped not what its ranges are";
  if (empty != empty_) return "page heap: empty ranges are miscounted";
  for (const Kind kind : {kWarm, kCold}) {
    for (uint32_t bin = 0; bins_ != nullptr && bin < kBins; bin++) {
      if (get(bins_->in_use[kind], bin) != (bins_->runs[kind][bin] != kNone)) {
        return "page heap: a bin's bit is wrong";
      }
      uint32_t prev = kNone;
      for (uint32_t id = bins_->runs[kind][bin]; id != kNone; free_runs--) {
        const Run run = run_of(id);
        const bool known = run.range->node_of[cell_of(run.at)] == (id & UINT16_MAX);
        if (!known || node(id).prev != prev) return "page heap: a bin's links are broken";
        if (class_of(run.grains) != bin) return "page heap: a free run is in the wrong bin";
        const bool warm = dirty_pages(*run.range, within(run)) != 0;
        if (warm != (kind == kWarm)) return "page heap: a free run is of the wrong kind";
        prev = id;
        id = node(id).next;
      }
    }
  }
  return free_runs == 0 ? nullptr : "page heap: a free run is in no bin";
}

const char *PageHeap::problem_of_range(const Range &range, uint32_t *free_runs,
                                       uint64_t *idle) const {
  uint32_t free_grains = 0;
  uint32_t end_before = kNone;
  for (uint32_t at = 0; (at = next_set(range.heads, at, range.grains)) < range.grains;) {
    const Run run = free_run_at(const_cast<Range *>(&range), at);
    if (at == end_before) return "page heap: two free runs are neighbours";
    if (node_at(const_cast<Range *>(&range), at).at != at) return "page heap: a run has no node";
    if (run.grains == 0 || run.end() > range.grains) return "page heap: a run has a strange size";
    if (next_set(range.tails, at, range.grains) != run.end() - 1) {
      return "page heap: a free run's end is somewhere else";
    }
    if (at + 1 < run.end() && next_set(range.heads, at + 1, run.end()) != run.end()) {
      return "page heap: a free run begins within another";
    }
    if (!range.locked) *idle += dirty_pages(range, within(run));
    free_grains += run.grains;
    ++*free_runs;
    at = end_before = run.end();
  }
  if (range.grains - free_grains != range.used) return "page heap: a range's use is miscounted";
  const bool all_dirty = dirty_pages(range, all_of(range)) == page_count(range);
  return range.locked && !all_dirty ? "page heap: locked pages do not count" : nullptr;
}
#endif

}  // namespace ct
