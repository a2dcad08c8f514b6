// SPDX-License-Identifier: MIT
#include "memo/memo.hpp"

#include <cstring>
#include <new>

#include "base/options.hpp"
#include "cache/result.hpp"

namespace ct {

// ---- Tally ------------------------------------------------------------------------------------

// Addresses differ in their middle bits. The upper half of the product depends on all of these.
uint32_t Tally::home(const void *self) const {
  const uint64_t product = uint64_t{reinterpret_cast<uintptr_t>(self)} * 0x9E3779B97F4A7C15u;
  return static_cast<uint32_t>(product >> 32) & (rows_.size() - 1);
}

Tally::Row *Tally::find(const void *self) {
  if (rows_.empty()) return nullptr;
  for (uint32_t i = home(self); rows_[i].used; i = (i + 1) & (rows_.size() - 1)) {
    if (rows_[i].self == self) return &rows_[i];
  }
  return nullptr;
}

bool Tally::grow() {
  const uint32_t size = rows_.empty() ? 4 : rows_.size() * 2;
  Array<Row> old(memory_);
  if (!old.reserve(size)) return false;
  for (uint32_t i = 0; i < size; i++) old.push({});
  old.swap(rows_);
  for (const Row &row : old) {
    if (!row.used) continue;
    uint32_t i = home(row.self);
    while (rows_[i].used) i = (i + 1) & (size - 1);
    rows_[i] = row;
  }
  return true;
}

Tally::Row *Tally::add(const void *self) {
  if (uint64_t{count_} * 4 >= uint64_t{rows_.size()} * 3 && !grow()) return nullptr;
  uint32_t i = home(self);
  while (rows_[i].used) i = (i + 1) & (rows_.size() - 1);
  rows_[i] = {self, {0, 0}, true};
  count_++;
  return &rows_[i];
}

bool Tally::count(const void *self, bool hit) {
  Guard guard(lock_);
  Row *row = find(self);
  if (row == nullptr) row = add(self);
  if (row == nullptr) return false;
  (hit ? row->counts.hits : row->counts.misses)++;
  return true;
}

Tally::Counts Tally::counts(const void *self) {
  Guard guard(lock_);
  const Row *row = find(self);
  return row == nullptr ? Counts{0, 0} : row->counts;
}

void Tally::reset(const void *self) {
  Guard guard(lock_);
  if (Row *row = find(self)) row->counts = {0, 0};
}

// Closes the gap that the row leaves, so that no search ends too early.
void Tally::forget(const void *self) {
  Guard guard(lock_);
  const Row *row = find(self);
  if (row == nullptr) return;
  const uint32_t mask = rows_.size() - 1;
  auto gap = static_cast<uint32_t>(row - rows_.begin());
  for (uint32_t i = (gap + 1) & mask; rows_[i].used; i = (i + 1) & mask) {
    if (((i - home(rows_[i].self)) & mask) < ((i - gap) & mask)) continue;
    rows_[gap] = rows_[i];
    gap = i;
  }
  rows_[gap] = {};
  count_--;
}

// ---- Memo -------------------------------------------------------------------------------------

Memo::Memo(const Memory &memory, const ct_memo_options &options, Cache *own) noexcept
    : memory_(memory),
      options_(options),
      prefix_{reinterpret_cast<char *>(this + 1), options.prefix_size},
      own_(own),
      tally_(memory_) {}

const char *Memo::check(const ct_memo_options *given, ct_memo_options *out, CheckedOptions *own) {
  constexpr uint32_t kKnownFlags = CT_MEMO_TYPED | CT_MEMO_RACE;
  if (given == nullptr) return "options: they are NULL.";
  if (!read_struct(given, out)) {
    return "struct_size: it is not one that this library knows; set it by CT_MEMO_OPTIONS_INIT.";
  }
  if (out->fn == nullptr) return "fn: it is required.";
  if (out->key == nullptr) return "key: it is required.";
  if ((out->flags & ~kKnownFlags) != 0) return "flags: one of them is not known.";
  if (out->reserved != 0) return "reserved: it is not 0.";
  const int caches = (out->cache != nullptr) + (out->cache_of != nullptr) + (out->own != nullptr);
  if (caches > 1) return "cache, cache_of, own: there is more than one of them.";
  if (is_too_long(out->prefix_size)) return "prefix_size: it is 2^32 or more.";
  if (out->prefix == nullptr && out->prefix_size > 0) return "prefix: it is NULL, but has a size.";
  // A result that is not kept needs a cache, too, through which it is handed back.
  ct_options nothing = CT_OPTIONS_INIT;
  nothing.flags = CT_FLAG_KEEP_NOTHING;
  return check_options(out->own != nullptr ? out->own : &nothing, own);
}

ct_status Memo::make(const ct_memo_options *given, Memo **out) {
  ct_memo_options options;
  CheckedOptions checked;
  if (check(given, &options, &checked) != nullptr) return CT_ERR_INVALID;
  Memory memory(checked.options.allocator != nullptr ? &checked.allocator : nullptr);
  const size_t bytes = sizeof(Memo) + options.prefix_size;
  void *where = memory.allocate(bytes, alignof(Memo));
  if (where == nullptr) return CT_ERR_NOMEM;
  Cache *own = nullptr;
  if (options.cache == nullptr && options.cache_of == nullptr) {
    const ct_status status = Cache::make(checked, &own);
    if (status != CT_OK) {
      memory.release(where, bytes, alignof(Memo));
      return status;
    }
  }
  *out = new (where) Memo(memory, options, own);
  if (options.prefix_size > 0) {
    std::memcpy(const_cast<char *>((*out)->prefix_.data), options.prefix, options.prefix_size);
  }
  return CT_OK;
}

void Memo::free() {
  mark_.take_back();
  if (own_ != nullptr) own_->free();
  const size_t bytes = sizeof(Memo) + prefix_.size;
  Memory memory(memory_);
  this->~Memo();
  memory.release(this, bytes, alignof(Memo));
}

Cache *Memo::cache(void *self) {
  if (options_.own != nullptr) return own_;
  ct_cache *given = options_.cache;
  if (options_.cache_of != nullptr) given = options_.cache_of(options_.user_data, self);
  auto *cache = reinterpret_cast<Cache *>(given);
  if (cache != nullptr) cache->mark().use();
  return cache;
}

// Makes the key as it is stored. In a cache that others may use, an empty prefix is added, too.
ct_status Memo::fill_key(void *self, const void *args, Key &key) {
  key.reset();
  key.set_typed(typed());
  if (options_.own == nullptr || prefix_.size > 0) key.add_prefix(prefix_);
  const ct_status status =
      options_.key(options_.user_data, self, args, reinterpret_cast<ct_key *>(&key));
  if (status != CT_OK)
    key.fail_anyway(Result::judge_failure(status), "key: the function that adds arguments failed.");
  Bytes bytes;
  return key.data(&bytes);
}

// Calls the function. The call is counted first, because counting must not fail once the function
// has been called.
ct_status Memo::compute(const Call &call, ct_result *result) {
  if (!tally_.count(call.self, false)) return CT_ERR_NOMEM;
  return options_.fn(options_.user_data, call.self, call.args, result);
}

ct_status Memo::load(void *user_data, const void *, size_t, ct_result *result) {
  Call &call = *static_cast<Call *>(user_data);
  call.hit = false;
  return call.memo->compute(call, result);
}

// Works without a flight: calls the function if there is no result. Of several results, the first
// is kept.
ct_status Memo::call_alone(Cache &cache, Bytes key, Call &call, ct_value *out) {
  const bool keep = !passes_through();
  if (keep) {
    const ct_status found = cache.get(key, out);
    if (found != CT_MISS) return found;
  }
  call.hit = false;
  Result result(cache.memory());
  const TagRun run = cache.begin_run();
  ct_status status = result.judge_load(compute(call, reinterpret_cast<ct_result *>(&result)));
  if (status == CT_OK) status = cache.keep_first(key, result, run, keep, out);
  cache.end_run(run);
  return status;
}

ct_status Memo::call(void *self, const void *args, ct_value *out) {
  Cache *cache = passes_through() ? own_ : this->cache(self);
  if (cache == nullptr) return CT_ERR_CALLBACK;
  Key key(memory_, typed());
  ct_status status = fill_key(self, args, key);
  if (status != CT_OK) return status;
  Call call = {this, self, args, true};
  if (passes_through() || (options_.flags & CT_MEMO_RACE) != 0) {
    status = call_alone(*cache, key.bytes(), call, out);
  } else {
    status = cache->get_or_load(key.bytes(), {}, load, &call, out);
  }
  // A remembered miss is a hit, too.
  const bool has_answer =
      status == CT_OK || status == CT_STALE || (status == CT_MISS && cache->remembers_misses());
  if (!has_answer || !call.hit || tally_.count(self, true)) return status;
  if (out != nullptr && out->pin != 0) Shard::of_pin(out->pin).release(out);
  return CT_ERR_NOMEM;
}

ct_status Memo::invalidate(void *self, const void *args) {
  Cache *cache = this->cache(self);
  if (cache == nullptr) return passes_through() ? CT_MISS : CT_ERR_CALLBACK;
  Key key(memory_, typed());
  const ct_status status = fill_key(self, args, key);
  return status == CT_OK ? cache->remove(key.bytes(), nullptr) : status;
}

ct_status Memo::info(void *self, ct_cache_info *out) {
  Cache *cache = this->cache(self);
  if (cache == nullptr && !passes_through()) return CT_ERR_CALLBACK;
  const Tally::Counts counts = tally_.counts(self);
  out->hits = counts.hits;
  out->misses = counts.misses;
  out->maxsize = cache == nullptr ? 0 : cache->maxsize();
  out->currsize = cache == nullptr ? 0 : cache->currsize();
  out->flags = cache == nullptr ? CT_INFO_NO_CACHE : 0;
  return CT_OK;
}

ct_status Memo::clear(void *self) {
  Cache *cache = this->cache(self);
  if (cache == nullptr && !passes_through()) return CT_ERR_CALLBACK;
  if (cache != nullptr) cache->clear();
  tally_.reset(self);
  return CT_OK;
}

}  // namespace ct
