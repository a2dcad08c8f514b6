// SPDX-License-Identifier: MIT
// What POSIX says, or all systems that are like it do.
#ifndef _WIN32
#include "base/system_posix.hpp"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>  // musl and FreeBSD declare getentropy here

#include <algorithm>
#include <cstring>

#include "base/file.hpp"
#include "base/system.hpp"
#include "base/system_clock.hpp"

namespace ct {
namespace system {
namespace {

void *map_at(void *where, size_t bytes, int flags) {
  void *ptr =
      mmap(where, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  return ptr == MAP_FAILED ? nullptr : ptr;
}

}  // namespace

// ---- Memory -----------------------------------------------------------------------------------

size_t page_bytes() noexcept {
  static std::atomic<size_t> known{0};
  size_t bytes = known.load(std::memory_order_relaxed);
  if (bytes == 0) {
    bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    known.store(bytes, std::memory_order_relaxed);
  }
  return bytes;
}

void *map(size_t bytes) noexcept { return map_at(nullptr, bytes, 0); }

#if !defined(__linux__) || defined(CT_GENERIC_SYSTEM)
void prefer_huge_pages(void *, size_t, bool) noexcept {}

void populate(void *, size_t) noexcept {}

// By new pages in the place of these: what madvise does elsewhere would leave the bytes there for a
// while. No thread ever finds the place empty.
bool discard(void *ptr, size_t bytes) noexcept { return map_at(ptr, bytes, MAP_FIXED) != nullptr; }
#endif

bool unmap(void *ptr, size_t bytes) noexcept { return munmap(ptr, bytes) == 0; }

void *allocate_aligned(size_t align, size_t bytes) noexcept { return aligned_alloc(align, bytes); }

// ---- Threads ----------------------------------------------------------------------------------

#if !defined(__ELF__) || !__has_builtin(__builtin_thread_pointer)
Thread this_thread() noexcept { return (Thread)pthread_self(); }
#endif

void yield() noexcept { sched_yield(); }

// ---- Time -------------------------------------------------------------------------------------

// The coarse clock may be behind by two ticks. The system advances it by whole ticks and leaves the
// rest to the next tick; at ticks of 4 ms the lag measured 3.2 to 7.2 ms. Lifetimes that were
// extended by one tick only could end early.
uint64_t lag_of(ClockId id) noexcept {
  if (id == kPreciseClock) return 0;
  timespec tick;
  return clock_getres(id, &tick) == 0 ? 2 * ns_of(tick) : 0;
}

uint64_t read_date() noexcept {
  timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  if (time.tv_sec < 0) return 0;
  uint64_t ns;
  if (__builtin_mul_overflow(time.tv_sec, uint64_t{1000000000}, &ns) ||
      __builtin_add_overflow(ns, static_cast<uint64_t>(time.tv_nsec), &ns)) {
    return UINT64_MAX;
  }
  return ns;
}

// ---- The rest ---------------------------------------------------------------------------------

bool fill_randomly(void *bytes, size_t size) noexcept { return getentropy(bytes, size) == 0; }

void say(const char *text) noexcept {
  // If the standard error is closed, only what the program does next is left to tell.
  if (write(STDERR_FILENO, text, std::strlen(text)) < 0) return;
}

}  // namespace system

// ---- Files ------------------------------------------------------------------------------------

namespace {

// Not every system can read or write more than this in one call.
constexpr size_t kMostAtOnce = size_t{1} << 30;

// Repeats a system call that a signal has interrupted.
template <class Call>
auto repeat(Call call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

int number_of(File::Handle handle) { return static_cast<int>(handle); }

File::Handle open_by(const char *path, int flags) {
  return repeat([&] { return ::open(path, O_RDONLY | O_CLOEXEC | flags); });
}

}  // namespace

File::Handle File::open_to_read(const char *path) noexcept { return open_by(path, 0); }

File::Handle File::open_folder(const char *path) noexcept { return open_by(path, O_DIRECTORY); }

File::Handle File::make(char *path) noexcept { return ::mkostemp(path, O_CLOEXEC); }

bool File::write(const void *data, size_t size) noexcept {
  const char *at = static_cast<const char *>(data);
  while (size > 0) {
    const ssize_t done =
        repeat([&] { return ::write(number_of(handle_), at, std::min(size, kMostAtOnce)); });
    if (done <= 0) return false;
    at += done;
    size -= static_cast<size_t>(done);
  }
  return true;
}

bool File::read(void *buffer, size_t capacity, size_t *got) noexcept {
  const ssize_t done =
      repeat([&] { return ::read(number_of(handle_), buffer, std::min(capacity, kMostAtOnce)); });
  if (done < 0) return false;
  *got = static_cast<size_t>(done);
  return true;
}

bool File::sync() noexcept {
  return repeat([&] { return ::fsync(number_of(handle_)); }) == 0;
}

// Only some file systems can sync a folder.
bool File::sync_folder() noexcept { return sync() || errno == EINVAL; }

bool File::close() noexcept {
  const int number = number_of(handle_);
  handle_ = kNone;
  return ::close(number) == 0 || errno == EINTR;
}

size_t File::folder_bytes(const char *path) noexcept {
  const char *slash = std::strrchr(path, '/');
  return slash == nullptr ? 0 : static_cast<size_t>(slash - path) + 1;
}

bool File::may_be_replaced(const char *path) noexcept {
  struct stat info;
  if (::lstat(path, &info) != 0) return true;
  if (S_ISLNK(info.st_mode) && ::stat(path, &info) != 0) return true;
  return S_ISREG(info.st_mode);
}

bool File::rename(const char *from, const char *to) noexcept { return ::rename(from, to) == 0; }

void File::remove(const char *path) noexcept { ::unlink(path); }

}  // namespace ct

#endif
