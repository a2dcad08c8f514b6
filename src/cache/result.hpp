// SPDX-License-Identifier: MIT
// The result of a callback: a copy of its value, and how to keep it.
#ifndef CT_RESULT_HPP
#define CT_RESULT_HPP

#include <cachetools.h>

#include <cstdint>
#include <cstring>

#include "base/array.hpp"
#include "base/memory.hpp"
#include "base/options.hpp"
#include "table/entry.hpp"

namespace ct {

class Result {
 public:
  // old: the value that is there so far, if any; it stays valid as long as the result. unset: the
  // status of a callback that sets nothing.
  explicit Result(Memory &memory, Bytes old = {nullptr, 0},
                  ct_status unset = CT_ERR_CALLBACK) noexcept
      : memory_(memory), old_(old), status_(unset), names_(memory) {}
  ~Result() { memory_.release(large_, size_, 1); }
  Result(const Result &) = delete;
  Result &operator=(const Result &) = delete;

  // Copies the value. If a callback sets several, the last one counts.
  ct_status set(Bytes value) noexcept {
    memory_.release(large_, size_, 1);
    large_ = nullptr;
    size_ = 0;
    status_ = CT_OK;
    is_not_modified_ = false;
    if (value.size > sizeof small_) {
      large_ = static_cast<char *>(memory_.allocate_written(value.size, 1));
      if (large_ == nullptr) return status_ = CT_ERR_NOMEM;
    }
    size_ = value.size;
    if (size_ > 0) std::memcpy(large_ != nullptr ? large_ : small_, value.data, size_);
    return CT_OK;
  }
  // Of this and set, the last one counts.
  void fail(ct_status status) {
    status_ = status;
    is_not_modified_ = false;
  }

  ct_entry_options &entry() { return entry_; }
  const ct_entry_options &entry() const { return entry_; }
  // Only what is computed from an old value may do so.
  bool keeps_ttl() const { return (entry_.flags & CT_ENTRY_KEEP_TTL) != 0; }
  void discard() { discarded_ = true; }
  // Hands the old value back. Of this and set, the last one counts.
  void keep_old() {
    status_ = CT_OK;
    is_not_modified_ = true;
  }
  bool is_not_modified() const { return is_not_modified_; }
  const Bytes *old() const { return old_.data == nullptr ? nullptr : &old_; }
  bool has_value() const { return status_ == CT_OK && !is_not_modified_; }
  bool discarded() const { return discarded_; }
  // Adds a tag to the entry's. Once that has failed, the call fails.
  void tag(Bytes name) noexcept {
    const ct_status status = add_tag(name);
    if (status != CT_OK) fail_tags(status);
  }
  void fail_tags(ct_status status) { tag_status_ = status; }
  Bytes value() const { return {large_ != nullptr ? large_ : small_, size_}; }

  // Turns the status that a callback returned into the one that the call returns. That is the same
  // status if it may be handed on, else CT_ERR_CALLBACK.
  ct_status judge(ct_status answered) const {
    ct_status status = answered == CT_OK ? status_ : answered;
    if (status == CT_OK) status = tag_status_;
    return status == CT_OK ? CT_OK : judge_failure(status);
  }
  // The same for a loader, which may also say that only its caller was cancelled.
  ct_status judge_load(ct_status answered) const {
    const bool is_busy = answered == CT_BUSY || (answered == CT_OK && status_ == CT_BUSY);
    return is_busy ? CT_BUSY : judge(answered);
  }
  static ct_status judge_failure(ct_status answered) {
    const auto number = static_cast<int32_t>(answered);
    const bool known = answered == CT_MISS || (number < 0 && number >= CT_ERR_CALLBACK);
    return is_own(number) || known ? answered : CT_ERR_CALLBACK;
  }
  // The same for a callback that reads or writes a stream, whose call must not end with a miss.
  static ct_status judge_stream(ct_status answered) {
    const ct_status status = judge_failure(answered);
    return status == CT_MISS ? CT_ERR_CALLBACK : status;
  }
  // Returns whether a status is one of the callback's own.
  static bool is_own(int32_t number) { return number >= 1000 || number <= -1000; }
  // Returns whether a judged status is a failure: one of the library's, or any of the callback's
  // own.
  static bool is_failure(ct_status judged) { return judged < 0 || is_own(judged); }

 private:
  // A tag that is there already does not count again.
  ct_status add_tag(Bytes name) noexcept {
    const size_t count = entry_.tag_count;
    for (size_t i = 0; i < count; i++) {
      const ct_bytes &tag = tags_[i];
      if (tag.size != name.size) continue;
      if (name.size == 0 || std::memcmp(tag.data, name.data, name.size) == 0) return CT_OK;
    }
    if (count == kMostTags) return CT_ERR_INVALID;
    if (!names_.reserve(name.size)) return CT_ERR_NOMEM;
    if (name.size > 0) std::memcpy(names_.end(), name.data, name.size);
    names_.extend(static_cast<uint32_t>(name.size));
    tags_[count].size = name.size;
    entry_.flags |= CT_ENTRY_TAGS;
    entry_.tags = tags_;
    entry_.tag_count = count + 1;
    // The names may have moved.
    const char *at = names_.begin();
    for (size_t i = 0; i <= count; at += tags_[i++].size) tags_[i].data = at == nullptr ? "" : at;
    return CT_OK;
  }

  Memory &memory_;
  const Bytes old_;
  size_t size_ = 0;
  char *large_ = nullptr;  // a value that small_ has no room for
  ct_status status_;       // if the callback answers CT_OK
  bool discarded_ = false;
  bool is_not_modified_ = false;
  ct_entry_options entry_ = CT_ENTRY_OPTIONS_INIT;
  ct_status tag_status_ = CT_OK;
  ct_bytes tags_[kMostTags];  // in names_
  Array<char> names_;
  alignas(8) char small_[256];
};

}  // namespace ct

#endif
