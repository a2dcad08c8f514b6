// SPDX-License-Identifier: MIT
#include "weak_memory.hpp"

#include <sys/mman.h>
#include <sys/types.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace weak {

Memory memory;

// ---- Writing ------------------------------------------------------------------------------------

void Memory::write(const std::function<void()> &writers) {
  bytes_.clear();
  stores_ = 0;
  stack_end_ = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  phase_ = Phase::kWriting;
  writers();
  phase_ = Phase::kOther;
  for (auto &[at, byte] : bytes_) keep_before(at, byte);
}

// What lies on the stack above this function belongs to one thread.
bool Memory::is_shared(uintptr_t at) const {
  return at < reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) || at >= stack_end_;
}

// Keeps a byte that was there before the first store, or that was not stored atomically.
void Memory::keep_before(uintptr_t at, Byte &byte) {
  if (!byte.values.empty() && byte.plain <= byte.values.back().store) return;
  byte.values.push_back({byte.plain, 0, *reinterpret_cast<const uint8_t *>(at)});
}

void Memory::store(uintptr_t at, size_t size, unsigned order, const void *value, bool follows) {
  const Pause pause(phase_);
  if (pause.before == Phase::kReading && is_shared(at)) return;
  if (pause.before == Phase::kWriting && is_shared(at)) {
    stores_++;
    for (size_t i = 0; i < size; i++) {
      Byte &byte = bytes_[at + i];
      keep_before(at + i, byte);
      // Whoever acquires this value also acquires the one that it follows.
      const uint64_t inherited = follows ? byte.values.back().known : 0;
      const uint64_t known = (order & kReleases) != 0 ? stores_ : inherited;
      byte.values.push_back({stores_, known, static_cast<const uint8_t *>(value)[i]});
    }
  }
  std::memcpy(reinterpret_cast<void *>(at), value, size);
}

void Memory::write_plainly(uintptr_t at, size_t size) {
  const Pause pause(phase_);
  if (pause.before != Phase::kWriting || !is_shared(at)) return;
  stores_++;
  for (size_t i = 0; i < size; i++) bytes_[at + i].plain = stores_;
}

// ---- Reading ------------------------------------------------------------------------------------

// Depth first. A run makes the choices of the run before, up to the last one that had another
// option, and there takes the next option.
bool Memory::read(Reader &reader, const Fault &fault) {
  reader_ = &reader;
  fault_ = fault;
  runs_ = 0;
  choices_.clear();
  attempts_.clear();
  acquired_.clear();
  bool holds;
  do {
    runs_++;
    holds = run();
  } while (holds && has_next_run());
  return holds;
}

bool Memory::has_next_run() {
  while (!choices_.empty() && choices_.back().taken + 1 == choices_.back().count) {
    choices_.pop_back();
  }
  if (choices_.empty()) return false;
  choices_.back().taken++;
  return true;
}

bool Memory::run() {
  problem_ = nullptr;
  chosen_ = 0;
  known_ = 0;
  begun_ = 0;
  repeatable_ = 0;
  loads_.clear();
  stack_end_ = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  bool holds;
  if (setjmp(end_) == 0) {
    phase_ = Phase::kReading;
    holds = reader_->read();
  } else {
    holds = problem_ == nullptr;
  }
  phase_ = Phase::kOther;
  for (Byte *byte : seen_) byte->seen = 0;
  seen_.clear();
  return holds;
}

void Memory::end_run(const char *problem) {
  problem_ = problem;
  std::longjmp(end_, 1);
}

Memory::Byte *Memory::find(uintptr_t at) {
  const auto found = bytes_.find(at);
  return found == bytes_.end() ? nullptr : &found->second;
}

// Whether an attempt that knew no more began by other choices, so that it may find all that this
// one may. The first attempt of a run differs from later ones.
bool Memory::is_begun() {
  Attempt attempt = {begun_++ == 0, known_, repeatable_, {}, {}};
  for (Byte *byte : seen_) {
    if (byte->seen > known_) attempt.seen.emplace_back(byte, byte->seen);
  }
  for (size_t i = 0; i < chosen_; i++) attempt.choices.push_back(choices_[i].taken);
  for (const Attempt &before : attempts_) {
    if (before.first != attempt.first || before.repeatable != attempt.repeatable) continue;
    const bool knew_no_more =
        before.known <= known_ &&
        std::all_of(before.seen.begin(), before.seen.end(), [this](const auto &seen) {
          return seen.second <= std::max(known_, seen.first->seen);
        });
    if (knew_no_more) return before.choices != attempt.choices;
  }
  attempts_.push_back(attempt);
  return false;
}

void Memory::load(uintptr_t at, size_t size, unsigned order, void *out) {
  const Pause pause(phase_);
  if (pause.before != Phase::kReading || !is_shared(at)) {
    std::memcpy(out, reinterpret_cast<const void *>(at), size);
    return;
  }
  const Part part = reader_->part_of(at, size);
  const bool acquires = (order & kAcquires) != 0;
  if (acquires && part == reader_->beginning() && is_begun()) end_run(nullptr);
  loads_.push_back({part, at, size, 0, 0, known_});
  if (allocation_of(at, size) == 0) end_run("this is outside of all allocations");
  std::memcpy(out, reinterpret_cast<const void *>(at), size);
  if (part == fault_.repeated) repeatable_++;
  if (part == fault_.repeated && repeatable_ > 1 &&
      (fault_.number == 0 || fault_.number == repeatable_)) {
    std::memcpy(out, &first_, size);
  } else {
    find_values(at, size, part, acquires && part != fault_.relaxed, static_cast<uint8_t *>(out));
    if (known_ > loads_.back().known) acquired_.insert(part);
  }
  if (part == fault_.repeated && repeatable_ == 1) std::memcpy(&first_, out, size);
  std::memcpy(&loads_.back().value, out, size);
}

void Memory::find_values(uintptr_t at, size_t size, Part part, bool acquires, uint8_t *out) {
  const auto same_store = [](const Value &a, const Value &b) { return a.store == b.store; };
  uint64_t known = known_;
  for (size_t first = 0, end; first < size; first = end) {
    end = first + 1;
    Byte *byte = find(at + first);
    if (byte == nullptr) continue;
    if (byte->plain > known_) end_run("this may be written at the same time, and not atomically");
    std::vector<Byte *> bytes = {byte};
    for (Byte *next; end < size && (next = find(at + end)) != nullptr; end++) {
      if (next->plain != byte->plain ||
          !std::equal(byte->values.begin(), byte->values.end(), next->values.begin(),
                      next->values.end(), same_store)) {
        break;
      }
      bytes.push_back(next);
    }
    const uint32_t chosen = choose(bytes, part, acquires);
    const uint64_t store = byte->values[chosen].store;
    for (Byte *each : bytes) {
      *(out + first++) = each->values[chosen].byte;
      each->seen = std::max(each->seen, store);
      seen_.insert(each);
    }
    if (acquires) known = std::max(known, byte->values[chosen].known);
    loads_.back().store = std::max(loads_.back().store, store);
  }
  known_ = known;
}

// Chooses which of the values a load of bytes finds that the same stores have written.
uint32_t Memory::choose(const std::vector<Byte *> &bytes, Part part, bool acquires) {
  const std::vector<Value> &values = bytes[0]->values;
  uint64_t seen = known_;
  for (const Byte *byte : bytes) seen = std::max(seen, byte->seen);
  const auto known_by = [&](uint32_t i) {
    return acquires ? std::max(seen, values[i].known) : seen;
  };
  // A value is left out if the code does the same with an older one that teaches the reader no
  // more.
  std::vector<uint32_t> different;
  for (uint32_t i = 0; i < values.size(); i++) {
    if (i + 1 < values.size() && values[i + 1].store <= seen) continue;
    const auto covers = [&](uint32_t before) {
      return known_by(before) <= known_by(i) &&
             std::all_of(bytes.begin(), bytes.end(), [&](const Byte *byte) {
               return reader_->is_same(part, byte->values[before].byte, byte->values[i].byte);
             });
    };
    if (std::none_of(different.begin(), different.end(), covers)) different.push_back(i);
  }
  if (different.size() == 1) return different[0];
  if (chosen_ == choices_.size()) choices_.push_back({0, static_cast<uint32_t>(different.size())});
  return different[choices_[chosen_++].taken];
}

void Memory::load_last(uintptr_t at, size_t size, unsigned order, void *out) {
  const Pause pause(phase_);
  std::memcpy(out, reinterpret_cast<const void *>(at), size);
  if (pause.before != Phase::kReading || (order & kAcquires) == 0) return;
  for (size_t i = 0; i < size; i++) {
    const Byte *byte = find(at + i);
    if (byte != nullptr) known_ = std::max(known_, byte->values.back().known);
  }
}

void Memory::read_plainly(uintptr_t at, size_t size) {
  const Pause pause(phase_);
  if (pause.before != Phase::kReading || !is_shared(at)) return;
  for (size_t i = 0; i < size; i++) {
    const Byte *byte = find(at + i);
    if (byte == nullptr || byte->values.back().store <= known_) continue;
    loads_.push_back({reader_->part_of(at, size), at, size, 0, byte->values.back().store, known_});
    end_run("this is not atomic, and may be written at the same time");
  }
}

std::string Memory::story(const std::function<std::string(Part)> &name_of) const {
  std::string story;
  for (const Load &load : loads_) {
    char line[160];
    std::snprintf(
        line, sizeof line, "# %-10s %#zx: %2zu bytes %#18llx by store %llu, knowing %llu\n",
        name_of(load.part).c_str(), static_cast<size_t>(load.at), load.size,
        static_cast<unsigned long long>(load.value), static_cast<unsigned long long>(load.store),
        static_cast<unsigned long long>(load.known));
    story += line;
  }
  if (problem_ != nullptr) story += std::string("# ") + problem_ + '\n';
  return story;
}

// ---- Allocations --------------------------------------------------------------------------------

void Memory::allocate(void *at, size_t size) {
  const Pause pause(phase_);
  allocations_[reinterpret_cast<uintptr_t>(at)] = size;
}

void Memory::release(void *at) {
  const Pause pause(phase_);
  allocations_.erase(reinterpret_cast<uintptr_t>(at));
}

uintptr_t Memory::allocation_of(uintptr_t at, size_t size) const {
  auto next = allocations_.upper_bound(at);
  if (next == allocations_.begin()) return 0;
  const auto &[begin, bytes] = *--next;
  return at + size <= begin + bytes ? begin : 0;
}

namespace {

// ---- What the compiler makes of accesses --------------------------------------------------------

template <class T>
uintptr_t address(const volatile T *at) {
  return reinterpret_cast<uintptr_t>(at);
}

unsigned order_of(int order) {
  switch (order) {
    case __ATOMIC_RELAXED:
      return 0;
    case __ATOMIC_CONSUME:
    case __ATOMIC_ACQUIRE:
      return kAcquires;
    case __ATOMIC_RELEASE:
      return kReleases;
    default:
      return kAcquires | kReleases;
  }
}

template <class T>
T load(const volatile T *at, int order) {
  T value;
  memory.load(address(at), sizeof(T), order_of(order), &value);
  return value;
}

template <class T>
void store(volatile T *at, T value, int order) {
  memory.store(address(at), sizeof(T), order_of(order), &value);
}

template <class T, class NewOf>
T change(volatile T *at, int order, NewOf new_of) {
  T before;
  memory.load_last(address(at), sizeof(T), order_of(order), &before);
  const T after = static_cast<T>(new_of(before));
  memory.store(address(at), sizeof(T), order_of(order), &after, true);
  return before;
}

template <class T>
int compare_exchange(volatile T *at, T *expected, T desired, int order) {
  T before;
  memory.load_last(address(at), sizeof(T), order_of(order), &before);
  const bool is_same = before == *expected;
  if (is_same) memory.store(address(at), sizeof(T), order_of(order), &desired, true);
  *expected = before;
  return is_same;
}

}  // namespace
}  // namespace weak

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}

void __tsan_read_range(char *at, size_t size) {
  weak::memory.read_plainly(weak::address(at), size);
}
void __tsan_write_range(char *at, size_t size) {
  weak::memory.write_plainly(weak::address(at), size);
}
void __tsan_vptr_read(char *at) {
  __tsan_read_range(at, sizeof(void *));
}
void __tsan_vptr_update(char *at, void *) {
  __tsan_write_range(at, sizeof(void *));
}

#define PLAIN(size)                             \
  void __tsan_read##size(char *at) {            \
    __tsan_read_range(at, size);                \
  }                                             \
  void __tsan_write##size(char *at) {           \
    __tsan_write_range(at, size);               \
  }                                             \
  void __tsan_unaligned_read##size(char *at) {  \
    __tsan_read_range(at, size);                \
  }                                             \
  void __tsan_unaligned_write##size(char *at) { \
    __tsan_write_range(at, size);               \
  }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

#define CHANGE(bits, T, name, after)                                                      \
  T __tsan_atomic##bits##_##name(volatile T *at, T value, int order) {                    \
    return weak::change(at, order, [value]([[maybe_unused]] T before) { return after; }); \
  }
#define COMPARE(bits, T, strength)                                                              \
  int __tsan_atomic##bits##_compare_exchange_##strength(volatile T *at, T *expected, T desired, \
                                                        int order, int) {                       \
    return weak::compare_exchange(at, expected, desired, order);                                \
  }
// As clang calls them.
#define COMPARE_VALUE(bits, T)                                                                   \
  T __tsan_atomic##bits##_compare_exchange_val(volatile T *at, T expected, T desired, int order, \
                                               int) {                                            \
    weak::compare_exchange(at, &expected, desired, order);                                       \
    return expected;                                                                             \
  }
#define ATOMIC(bits, T)                                                  \
  T __tsan_atomic##bits##_load(const volatile T *at, int order) {        \
    return weak::load(at, order);                                        \
  }                                                                      \
  void __tsan_atomic##bits##_store(volatile T *at, T value, int order) { \
    weak::store(at, value, order);                                       \
  }                                                                      \
  CHANGE(bits, T, exchange, value)                                       \
  CHANGE(bits, T, fetch_add, before + value)                             \
  CHANGE(bits, T, fetch_sub, before - value)                             \
  COMPARE(bits, T, strong)                                               \
  COMPARE(bits, T, weak)                                                 \
  COMPARE_VALUE(bits, T)
ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

// ---- What the linker puts between the code and the C library (-Wl,--wrap) -------------------------

void *__real_memcpy(void *to, const void *from, size_t size);
void *__wrap_memcpy(void *to, const void *from, size_t size) {
  weak::memory.read_plainly(reinterpret_cast<uintptr_t>(from), size);
  weak::memory.write_plainly(reinterpret_cast<uintptr_t>(to), size);
  return __real_memcpy(to, from, size);
}
void *__tsan_memcpy(void *to, const void *from, size_t size) {
  return __wrap_memcpy(to, from, size);
}

void *__real_memset(void *to, int byte, size_t size);
void *__wrap_memset(void *to, int byte, size_t size) {
  weak::memory.write_plainly(reinterpret_cast<uintptr_t>(to), size);
  return __real_memset(to, byte, size);
}
void *__tsan_memset(void *to, int byte, size_t size) {
  return __wrap_memset(to, byte, size);
}

void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size) {
  void *at = __real_aligned_alloc(align, size);
  if (at != nullptr) weak::memory.allocate(at, size);
  return at;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size) {
  void *at = __real_malloc(size);
  if (at != nullptr) weak::memory.allocate(at, size);
  return at;
}

void __real_free(void *at);
void __wrap_free(void *at) {
  weak::memory.release(at);
  __real_free(at);
}

void *__real_mmap(void *hint, size_t size, int rights, int flags, int file, off_t offset);
void *__wrap_mmap(void *hint, size_t size, int rights, int flags, int file, off_t offset) {
  void *at = __real_mmap(hint, size, rights, flags, file, offset);
  if (at != MAP_FAILED) weak::memory.allocate(at, size);
  return at;
}

// The name of mmap where files may be large.
void *__wrap_mmap64(void *hint, size_t size, int rights, int flags, int file, off_t offset) {
  return __wrap_mmap(hint, size, rights, flags, file, offset);
}

int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size) {
  weak::memory.release(at);
  return __real_munmap(at, size);
}

// A reader that finds the zeros of pages that went back to the system comes after that: it, or
// another before it, has had a page fault, for which the kernel takes the lock under which it took
// the pages away.
int __real_madvise(void *at, size_t size, int advice);
int __wrap_madvise(void *at, size_t size, int advice) {
  const uint64_t zero = 0;
  for (size_t i = 0; advice == MADV_DONTNEED && i < size; i += sizeof zero) {
    weak::memory.store(reinterpret_cast<uintptr_t>(at) + i, sizeof zero, weak::kReleases, &zero);
  }
  return __real_madvise(at, size, advice);
}

}  // extern "C"
