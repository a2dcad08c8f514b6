// SPDX-License-Identifier: MIT
// Windows 8 and later.
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#ifndef NOMINMAX  // which MinGW's C++ library defines
#define NOMINMAX
#endif
#define _CRT_RAND_S  // declares rand_s
#include <malloc.h>
#include <stdlib.h>
#include <windows.h>

#include <algorithm>
#include <cstring>

#include "base/file.hpp"
#include "base/system.hpp"
#include "base/system_clock.hpp"

namespace ct {
namespace system {
namespace {

uint64_t clock_frequency() {
  static std::atomic<uint64_t> known{0};
  uint64_t frequency = known.load(std::memory_order_relaxed);
  if (frequency == 0) {
    LARGE_INTEGER ticks;
    QueryPerformanceFrequency(&ticks);
    frequency = static_cast<uint64_t>(ticks.QuadPart);
    known.store(frequency, std::memory_order_relaxed);
  }
  return frequency;
}

volatile void *address_of(const std::atomic<uint32_t> &word) {
  return const_cast<std::atomic<uint32_t> *>(&word);
}

}  // namespace

// ---- Memory -----------------------------------------------------------------------------------

size_t page_bytes() noexcept {
  static std::atomic<size_t> known{0};
  size_t bytes = known.load(std::memory_order_relaxed);
  if (bytes == 0) {
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    bytes = info.dwPageSize;
    known.store(bytes, std::memory_order_relaxed);
  }
  return bytes;
}

void *map(size_t bytes) noexcept {
  return VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

// Finds addresses that are free, and hopes that no other thread is faster in taking them.
void *map_aligned(size_t bytes, size_t align) noexcept {
  constexpr int kAttempts = 8;
  for (int i = 0; i < kAttempts; i++) {
    void *free = VirtualAlloc(nullptr, bytes + align, MEM_RESERVE, PAGE_NOACCESS);
    if (free == nullptr) return nullptr;
    VirtualFree(free, 0, MEM_RELEASE);
    const uintptr_t aligned = (reinterpret_cast<uintptr_t>(free) + align - 1) & ~(align - 1);
    void *ptr = VirtualAlloc(reinterpret_cast<void *>(aligned), bytes, MEM_RESERVE | MEM_COMMIT,
                             PAGE_READWRITE);
    if (ptr != nullptr) return ptr;
  }
  return nullptr;
}

bool unmap(void *ptr, size_t) noexcept { return VirtualFree(ptr, 0, MEM_RELEASE) != 0; }

// Large pages need a right that few programs have, and cannot be given back one by one.
void prefer_huge_pages(void *, size_t, bool) noexcept {}

void populate(void *, size_t) noexcept {}

// Pages that are reset hold what they held, or zeros; so they are zeros before. To take them off the
// process and give it new ones would leave it without any for a moment. What is reset leaves memory
// when the system needs room; to unlock what is not locked takes it out of the working set at once.
bool discard(void *ptr, size_t bytes) noexcept {
  std::memset(ptr, 0, bytes);
  if (VirtualAlloc(ptr, bytes, MEM_RESET, PAGE_READWRITE) == nullptr) return false;
  VirtualUnlock(ptr, bytes);
  return true;
}

void *allocate_aligned(size_t align, size_t bytes) noexcept {
  return _aligned_malloc(bytes, align);
}

void release_aligned(void *ptr) noexcept { _aligned_free(ptr); }

// ---- Threads ----------------------------------------------------------------------------------

Thread this_thread() noexcept { return GetCurrentThreadId(); }

void yield() noexcept { SwitchToThread(); }

void sleep_while(const std::atomic<uint32_t> &word, uint32_t expected, uint64_t ns) noexcept {
  constexpr uint64_t kMillisecond = 1000000, kHour = 3600000;
  const uint64_t limit = std::min((ns - (ns != 0)) / kMillisecond + 1, kHour);
  WaitOnAddress(address_of(word), &expected, sizeof expected, static_cast<DWORD>(limit));
}

void sleep_while_masked(const std::atomic<uint32_t> &word, uint32_t expected, uint32_t) noexcept {
  WaitOnAddress(address_of(word), &expected, sizeof expected, INFINITE);
}

void wake(const std::atomic<uint32_t> &word, int count, uint32_t) noexcept {
  void *address = const_cast<void *>(address_of(word));
  if (count == 1) {
    WakeByAddressSingle(address);
  } else {
    WakeByAddressAll(address);
  }
}

// ---- Time -------------------------------------------------------------------------------------

uint64_t read_clock(ClockId) noexcept {
  constexpr uint64_t kSecond = 1000000000;
  const uint64_t frequency = clock_frequency();
  LARGE_INTEGER now;
  QueryPerformanceCounter(&now);
  const auto ticks = static_cast<uint64_t>(now.QuadPart);
  return ticks / frequency * kSecond + ticks % frequency * kSecond / frequency;
}

uint64_t lag_of(ClockId) noexcept { return 0; }

uint64_t read_date() noexcept {
  // From the first day of 1601, where this clock begins, to that of 1970, in its units.
  constexpr uint64_t k1970 = 116444736000000000, kUnitNs = 100;
  FILETIME now;
  GetSystemTimePreciseAsFileTime(&now);
  const uint64_t units = uint64_t{now.dwHighDateTime} << 32 | now.dwLowDateTime;
  if (units < k1970) return 0;
  uint64_t ns;
  return __builtin_mul_overflow(units - k1970, kUnitNs, &ns) ? UINT64_MAX : ns;
}

// ---- The rest ---------------------------------------------------------------------------------

bool fill_randomly(void *bytes, size_t size) noexcept {
  char *at = static_cast<char *>(bytes);
  while (size > 0) {
    unsigned number;
    if (rand_s(&number) != 0) return false;
    const size_t taken = std::min(size, sizeof number);
    std::memcpy(at, &number, taken);
    at += taken;
    size -= taken;
  }
  return true;
}

void say(const char *text) noexcept {
  DWORD written;
  WriteFile(GetStdHandle(STD_ERROR_HANDLE), text, static_cast<DWORD>(std::strlen(text)), &written,
            nullptr);
}

}  // namespace system

// ---- Files ------------------------------------------------------------------------------------

namespace {

constexpr size_t kMostAtOnce = size_t{1} << 30;
// Whoever reads a file does not keep others from replacing it.
constexpr DWORD kShared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

// A path from UTF-8. get() returns nullptr if it is none, or there is no memory.
class WidePath {
 public:
  explicit WidePath(const char *path) noexcept {
    const int size = convert(path, 0);
    if (size > 0) text_ = static_cast<wchar_t *>(malloc(static_cast<size_t>(size) * sizeof *text_));
    if (text_ != nullptr) convert(path, size);
  }
  ~WidePath() { free(text_); }
  WidePath(const WidePath &) = delete;
  WidePath &operator=(const WidePath &) = delete;

  const wchar_t *get() const noexcept { return text_; }

 private:
  int convert(const char *path, int size) noexcept {
    return MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, text_, size);
  }

  wchar_t *text_ = nullptr;
};

HANDLE handle_of(File::Handle handle) { return reinterpret_cast<HANDLE>(handle); }

File::Handle open_by(const char *path, DWORD access, DWORD share, DWORD how, DWORD flags) {
  const WidePath wide(path);
  if (wide.get() == nullptr) return File::kNone;
  const HANDLE handle = CreateFileW(wide.get(), access, share, nullptr, how, flags, nullptr);
  return reinterpret_cast<File::Handle>(handle);
}
static_assert(sizeof(File::Handle) == sizeof(HANDLE));

// Writes letters that only chance would repeat.
bool write_letters(char *letters, size_t count) {
  for (size_t i = 0; i < count; i++) {
    unsigned number;
    if (rand_s(&number) != 0) return false;
    letters[i] = "abcdefghijklmnopqrstuvwxyz012345"[number % 32];
  }
  return true;
}

}  // namespace

File::Handle File::open_to_read(const char *path) noexcept {
  return open_by(path, GENERIC_READ, kShared, OPEN_EXISTING, FILE_FLAG_SEQUENTIAL_SCAN);
}

File::Handle File::open_folder(const char *path) noexcept {
  return open_by(path, FILE_READ_ATTRIBUTES, kShared, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS);
}

File::Handle File::make(char *path) noexcept {
  constexpr size_t kLetters = 6;
  constexpr int kAttempts = 100;
  char *letters = path + std::strlen(path) - kLetters;
  for (int i = 0; i < kAttempts && write_letters(letters, kLetters); i++) {
    const Handle handle = open_by(path, GENERIC_WRITE, 0, CREATE_NEW, FILE_ATTRIBUTE_NORMAL);
    if (handle != kNone || GetLastError() != ERROR_FILE_EXISTS) return handle;
  }
  return kNone;
}

bool File::write(const void *data, size_t size) noexcept {
  const char *at = static_cast<const char *>(data);
  while (size > 0) {
    DWORD done = 0;
    const auto part = static_cast<DWORD>(std::min(size, kMostAtOnce));
    if (!WriteFile(handle_of(handle_), at, part, &done, nullptr) || done == 0) return false;
    at += done;
    size -= done;
  }
  return true;
}

bool File::read(void *buffer, size_t capacity, size_t *got) noexcept {
  DWORD done = 0;
  const auto part = static_cast<DWORD>(std::min(capacity, kMostAtOnce));
  const bool read = ReadFile(handle_of(handle_), buffer, part, &done, nullptr) != 0;
  // Where a pipe ends, that is an error.
  if (!read && GetLastError() != ERROR_BROKEN_PIPE) return false;
  *got = done;
  return true;
}

bool File::sync() noexcept { return FlushFileBuffers(handle_of(handle_)) != 0; }

// rename() has waited for the disk.
bool File::sync_folder() noexcept { return true; }

bool File::close() noexcept {
  const HANDLE handle = handle_of(handle_);
  handle_ = kNone;
  return CloseHandle(handle) != 0;
}

size_t File::folder_bytes(const char *path) noexcept {
  const char *end = path + std::strlen(path);
  while (end != path && std::strchr("/\\:", end[-1]) == nullptr) end--;
  return static_cast<size_t>(end - path);
}

bool File::may_be_replaced(const char *path) noexcept {
  File file(open_by(path, 0, kShared, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS));
  if (!file.is_open()) return true;
  BY_HANDLE_FILE_INFORMATION info;
  return GetFileType(handle_of(file.handle_)) == FILE_TYPE_DISK &&
         GetFileInformationByHandle(handle_of(file.handle_), &info) != 0 &&
         (info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) == 0;
}

bool File::rename(const char *from, const char *to) noexcept {
  const WidePath wide_from(from), wide_to(to);
  return wide_from.get() != nullptr && wide_to.get() != nullptr &&
         MoveFileExW(wide_from.get(), wide_to.get(),
                     MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH) != 0;
}

void File::remove(const char *path) noexcept {
  const WidePath wide(path);
  if (wide.get() != nullptr) DeleteFileW(wide.get());
}

}  // namespace ct

#endif
