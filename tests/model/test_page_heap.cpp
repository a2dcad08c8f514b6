// SPDX-License-Identifier: MIT
// The page heap by itself, at random, beside a plain record of the runs that it gave: they do not
// overlap, they keep what was written to them, and what the heap says it holds is what is resident.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <vector>

#include "base/page_heap.hpp"
#include "test.h"

#ifdef CT_VALGRIND
#include <valgrind/memcheck.h>
#endif

extern "C" {
// From support.h, which is C only.
uint64_t test_seed(void);
uint64_t test_random_below(uint64_t *state, uint64_t n);
}

namespace {

using ct::PageHeap;

// A piece may hold bytes that nobody has written. Valgrind must not take zeros that are handed out
// later for such bytes.
void make_undefined([[maybe_unused]] void *ptr, [[maybe_unused]] size_t bytes) {
#ifdef CT_VALGRIND
  VALGRIND_MAKE_MEM_UNDEFINED(ptr, bytes);
#endif
}

struct Piece {
  size_t bytes;
  unsigned char mark;
};

class Subject {
 public:
  Subject(const PageHeap::Options &options, uint64_t seed) : heap_(held_, options), random_(seed) {}

  uint64_t below(uint64_t n) { return test_random_below(&random_, n); }

  void take(size_t bytes, bool zeroed) {
    const bool untouched = !zeroed && below(2) == 0;
    auto *ptr = static_cast<char *>(zeroed      ? heap_.allocate_zeroed(bytes)
                                    : untouched ? heap_.allocate_untouched(bytes)
                                                : heap_.allocate(bytes));
    assert_non_null(ptr);
    assert_int_equal(0, reinterpret_cast<uintptr_t>(ptr) % 1024);
    const auto next = pieces_.lower_bound(ptr);
    if (next != pieces_.end()) assert_true(ptr + bytes <= next->first);
    if (next != pieces_.begin())
      assert_true(std::prev(next)->first + std::prev(next)->second.bytes <= ptr);
    if (zeroed) {
      for (size_t i = 0; i < bytes; i++) assert_int_equal(0, ptr[i]);
    }
    if (zeroed || untouched) heap_.use(ptr, bytes);
    const Piece piece = {bytes, static_cast<unsigned char>(below(255) + 1)};
    std::memset(ptr, piece.mark, bytes);
    pieces_[ptr] = piece;
  }
  void release_any() {
    if (pieces_.empty()) return;
    auto it = pieces_.lower_bound(reinterpret_cast<char *>(below(UINTPTR_MAX)));
    if (below(2) == 0 || it == pieces_.end())
      it = std::next(pieces_.begin(), below(pieces_.size()));
    check(*it);
    make_undefined(it->first, it->second.bytes);
    heap_.release(it->first, it->second.bytes);
    pieces_.erase(it);
  }
  void discard_any() {
    if (pieces_.empty()) return;
    const auto it = std::next(pieces_.begin(), below(pieces_.size()));
    const size_t from = below(it->second.bytes / 8) * 8;
    const size_t bytes = (1 + below((it->second.bytes - from) / 8)) * 8;
    if (from + bytes > it->second.bytes) return;
    const bool gone = heap_.discard(it->first + from, bytes);
    for (size_t i = 0; i < bytes; i++)
      assert_int_equal(gone ? 0 : it->second.mark, static_cast<unsigned char>(it->first[from + i]));
    heap_.use(it->first + from, bytes);
    std::memset(it->first + from, it->second.mark, bytes);
  }
  void check_heap() {
    if (const char *problem = heap_.problem()) fail_msg("%s", problem);
    assert_int_equal(held_.load(), heap_.held_bytes());
    uint64_t used = 0;
    for (const auto &piece : pieces_) used += piece.second.bytes;
    assert_true(used <= heap_.used_bytes());
  }
  static void check(const std::pair<char *const, Piece> &piece) {
    for (size_t i = 0; i < piece.second.bytes; i++)
      if (static_cast<unsigned char>(piece.first[i]) != piece.second.mark) fail_msg("overwritten");
  }
  bool empty() const { return pieces_.empty(); }
  PageHeap &heap() { return heap_; }
  uint64_t held() const { return held_; }

 private:
  std::atomic<uint64_t> held_{0};
  PageHeap heap_;
  uint64_t random_;
  std::map<char *, Piece> pieces_;
};

void run(const PageHeap::Options &options, size_t most, int steps) {
  Subject subject(options, test_seed());
  for (int step = 0; step < steps; step++) {
    const bool grows = step / 400 % 2 == 0;
    const uint64_t choice = subject.below(16);
    if (choice == 0)
      subject.discard_any();
    else if (choice == 1 && subject.below(20) == 0)
      subject.heap().trim();
    else if (choice < (grows ? 10 : 5)) {
      const size_t size =
          PageHeap::kMinBytes + subject.below(subject.below(4) == 0 ? most : most / 16) / 8 * 8;
      subject.take(size, subject.below(3) == 0);
    } else
      subject.release_any();
    if (step % 16 == 0) subject.check_heap();
  }
  while (!subject.empty()) subject.release_any();
  subject.check_heap();
}

TEST(runs_are_apart_and_stay) {
  run({false, false, 10, 0, 16, 4, 5}, 200000, 20000);
  run({false, true, 12, 2, 1, 6, 5}, 100000, 20000);
  run({true, true, 21, 2, 1, 6, 6}, 3000000, 600);
}

/* ---- What goes back to the system ------------------------------------------------------------ */

const size_t kPage = static_cast<size_t>(sysconf(_SC_PAGESIZE));
// Any heap of some size may keep this many pages free.
const size_t kFewPages = std::max<size_t>(32 * 1024 / kPage, 2);

// A heap that keeps little free, with runs of one size that come and go.
class Churned {
 public:
  Churned(size_t pages, int count) : bytes_(pages * kPage), runs_(static_cast<size_t>(count)) {
    for (void *&run : runs_) run = heap_.allocate(bytes_);
  }
  ~Churned() {
    for (void *run : runs_) heap_.release(run, bytes_);
  }
  Churned(const Churned &) = delete;
  Churned &operator=(const Churned &) = delete;

  PageHeap &heap() { return heap_; }
  // Replaces runs. Returns how many pages went back.
  uint64_t replace(size_t first, size_t count) {
    const uint64_t before = held_;
    for (size_t i = first; i < first + count; i++) heap_.release(runs_[i], bytes_);
    const uint64_t after = held_;
    for (size_t i = first; i < first + count; i++) {
      runs_[i] = heap_.allocate(bytes_);
      assert_non_null(runs_[i]);
    }
    return (before - after) / kPage;
  }

 private:
  std::atomic<uint64_t> held_{0};
  PageHeap heap_{held_, {false, false, 12, 2, 1, 12, 5}};
  const size_t bytes_;
  std::vector<void *> runs_;
};

// Free runs that are too small for the requests do not take the place of those that are not.
TEST(small_free_runs_go_back_first) {
  Churned churned(kFewPages, 64);
  std::vector<void *> singles(32);
  for (void *&single : singles) single = churned.heap().allocate(kPage);
  for (size_t i = 0; i < singles.size(); i += 2) churned.heap().release(singles[i], kPage);
  churned.replace(0, 1);
  for (size_t i = 1; i < 20; i++) assert_int_equal(0, churned.replace(i, 1));
  for (size_t i = 1; i < singles.size(); i += 2) churned.heap().release(singles[i], kPage);
}

// The pages of a run of the usual size wait for the next request, those of many such runs do not.
TEST(a_run_that_went_waits_for_the_next) {
  Churned churned(4 * kFewPages, 128);
  for (size_t i = 0; i < 20; i++) assert_int_equal(0, churned.replace(i, 1));
  assert_in_range(churned.replace(0, 20), 16 * 4 * kFewPages, 20 * 4 * kFewPages);
}

}  // namespace
