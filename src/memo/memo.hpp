// SPDX-License-Identifier: MIT
// Memoized functions: a function, how its arguments make a key, and the cache that keeps results. A
// memo counts its calls itself, for each object (self) on which it was called.
#ifndef CT_MEMO_HPP
#define CT_MEMO_HPP

#include <cachetools.h>

#include <cstdint>

#include "base/array.hpp"
#include "base/handle.hpp"
#include "base/lock.hpp"
#include "base/memory.hpp"
#include "cache/cache.hpp"
#include "memo/key.hpp"

namespace ct {

// Hits and misses per object, in an open-addressing table by address. The table does its own
// locking.
class Tally {
 public:
  struct Counts {
    uint64_t hits;
    uint64_t misses;
  };

  explicit Tally(Memory &memory) noexcept : memory_(memory), rows_(memory) {}
  Tally(const Tally &) = delete;
  Tally &operator=(const Tally &) = delete;

  // Returns false if there is no memory.
  bool count(const void *self, bool hit);
  Counts counts(const void *self);
  void reset(const void *self);
  void forget(const void *self);

 private:
  struct Row {
    const void *self;
    Counts counts;
    bool used;
  };

  uint32_t home(const void *self) const CT_REQUIRES(lock_);
  Row *find(const void *self) CT_REQUIRES(lock_);
  Row *add(const void *self) CT_REQUIRES(lock_);
  bool grow() CT_REQUIRES(lock_);

  Memory &memory_;
  Lock lock_;
  Array<Row> rows_ CT_GUARDED_BY(lock_);  // no rows, or a power of two, at least a quarter unused
  uint32_t count_ CT_GUARDED_BY(lock_) = 0;
};

class Memo {
 public:
  // Copies the options to *out, and those of its own cache to *own. Returns a sentence about what is
  // wrong with them, or nullptr.
  static const char *check(const ct_memo_options *given, ct_memo_options *out, CheckedOptions *own);
  // Returns CT_OK, CT_ERR_INVALID or CT_ERR_NOMEM.
  static ct_status make(const ct_memo_options *options, Memo **out);
  void free();

  ct_status call(void *self, const void *args, ct_value *out);
  // Empties key, and fills it with the key of a call.
  ct_status fill_key(void *self, const void *args, Key &key);
  // Returns nullptr if the memo has no cache, or if cache_of returns none.
  Cache *cache(void *self);
  ct_status invalidate(void *self, const void *args);
  ct_status info(void *self, ct_cache_info *out);
  ct_status clear(void *self);
  void forget(void *self) { tally_.forget(self); }
  const Mark<Handle::kMemo> &mark() const { return mark_; }

 private:
  Memo(const Memory &memory, const ct_memo_options &options, Cache *own) noexcept;
  ~Memo() = default;
  Memo(const Memo &) = delete;
  Memo &operator=(const Memo &) = delete;

  struct Call {
    Memo *memo;
    void *self;
    const void *args;
    bool hit;  // the function was not called
  };
  static ct_status load(void *user_data, const void *key, size_t key_size, ct_result *result);

  bool passes_through() const {
    return options_.cache == nullptr && options_.cache_of == nullptr && options_.own == nullptr;
  }
  bool typed() const { return (options_.flags & CT_MEMO_TYPED) != 0; }
  ct_status compute(const Call &call, ct_result *result);
  ct_status call_alone(Cache &cache, Bytes key, Call &call, ct_value *out);

  Memory memory_;
  ct_memo_options options_;
  Bytes prefix_;  // a copy that lies behind the memo
  Cache *own_;    // freed with the memo; if no results are kept, it holds what is handed back
  Tally tally_;
  Mark<Handle::kMemo> mark_;
};

}  // namespace ct

#endif
