// SPDX-License-Identifier: MIT
#include "trace.hpp"

#include <cstring>
#include <string>

#include "cache.hpp"
#include "input.hpp"

namespace sim {
namespace {

constexpr size_t kLongestLine = 1 << 16;
constexpr size_t kBlock = 1 << 18;
constexpr uint64_t kMostBytes = INT64_MAX;
constexpr size_t kBetweenShows = 1 << 16;  // requests

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

const char *skip_blanks(const char *at, const char *end) {
  while (at != end && is_blank(*at)) ++at;
  return at;
}

const char *skip_word(const char *at, const char *end) {
  while (at != end && !is_blank(*at)) ++at;
  return at;
}

// Gives each key a number, by a cache without a limit.
class Numbers {
 public:
  uint32_t number_of(const void *key, size_t key_size) {
    uint32_t number;
    ct_status status = ct_get_copy(cache_.get(), key, key_size, &number, sizeof number, nullptr);
    if (status == CT_OK) return number;
    if (count_ > UINT32_MAX) throw Failure{kRefused, "the trace has more than 2^32 different keys"};
    number = static_cast<uint32_t>(count_);
    if (status == CT_MISS) {
      status = ct_set(cache_.get(), key, key_size, &number, sizeof number);
    }
    check(status);
    ++count_;
    return number;
  }

  uint64_t count() const { return count_; }

 private:
  Cache cache_ = make_cache(unlimited());
  uint64_t count_ = 0;

  static ct_options unlimited() {
    ct_options options = CT_OPTIONS_INIT;
    options.policy = CT_POLICY_ANY;
    options.maxsize = CT_UNBOUNDED;
    return options;
  }
};

class Reader {
 public:
  Reader(const Options &options, Progress *progress)
      : input_(options.trace), weighs_bytes_(options.weighs_bytes), progress_(progress) {}

  void read_text();
  void read_u64();
  Trace finish();

 private:
  void read_line(const char *begin, const char *end);
  void add_request(const void *key, size_t key_size);
  void add_size(uint64_t size);

  [[noreturn]] void refuse_line(const std::string &reason) const {
    throw input_.failure(kRefused, "line " + std::to_string(line_) + ": " + reason);
  }

  Input input_;
  bool weighs_bytes_;
  Progress *progress_;
  Numbers numbers_;
  uint64_t line_ = 0;  // the current line, from 1 on
  Trace trace_;
  std::vector<uint64_t> largest_;  // size of each key
};

void Reader::add_request(const void *key, size_t key_size) {
  trace_.requests.push_back(numbers_.number_of(key, key_size));
  const size_t count = trace_.requests.size();
  if (count % kBetweenShows == 0) {
    progress_->show("reading: " + std::to_string(count) + " requests");
  }
}

// Adds the size of the latest request.
void Reader::add_size(uint64_t size) {
  if (size > kMostBytes - trace_.bytes) refuse_line("the sum of all sizes is 2^63 or more");
  trace_.bytes += size;
  trace_.sizes.push_back(size);
  const uint32_t key = trace_.requests.back();
  if (key == largest_.size()) largest_.push_back(0);
  if (size <= largest_[key]) return;
  trace_.footprint += size - largest_[key];
  largest_[key] = size;
}

void Reader::read_line(const char *begin, const char *end) {
  ++line_;
  if (static_cast<size_t>(end - begin) > kLongestLine) {
    refuse_line("the line is longer than " + std::to_string(kLongestLine) + " bytes");
  }
  if (memchr(begin, '\0', static_cast<size_t>(end - begin)) != nullptr) {
    refuse_line("the line has a zero byte, so the trace is no text; try --format=u64");
  }
  const char *key = skip_blanks(begin, end);
  const char *key_end = skip_word(key, end);
  if (key == key_end) refuse_line("the line has no key");

  const char *size_text = skip_blanks(key_end, end);
  const char *size_end = skip_word(size_text, end);
  if (skip_blanks(size_end, end) != end) refuse_line("the line has more than a key and a size");
  uint64_t size = 0;
  if (size_text == size_end) {
    if (weighs_bytes_) refuse_line("the line has no size, which --bytes requires");
  } else if (!parse_number(size_text, size_end, &size)) {
    refuse_line("'" + std::string(size_text, size_end) + "' is not a size in bytes");
  }

  add_request(key, static_cast<size_t>(key_end - key));
  if (weighs_bytes_) add_size(size);
}

void Reader::read_text() {
  // Room for the longest line and one byte more, which shows that it is too long; then for a block.
  std::vector<char> buffer(kLongestLine + 1 + kBlock);
  size_t begin = 0;
  size_t end = 0;
  while (true) {
    const char *start = buffer.data() + begin;
    const void *newline = memchr(start, '\n', end - begin);
    if (newline != nullptr || end - begin > kLongestLine) {
      const char *stop =
          newline != nullptr ? static_cast<const char *>(newline) : start + (end - begin);
      read_line(start, stop);
      begin = static_cast<size_t>(stop - buffer.data()) + 1;
      continue;
    }
    memmove(buffer.data(), start, end - begin);
    end -= begin;
    begin = 0;
    const size_t size = input_.read(buffer.data() + end, kBlock);
    if (size == 0) break;
    end += size;
  }
  if (end != begin) read_line(buffer.data() + begin, buffer.data() + end);
}

void Reader::read_u64() {
  constexpr size_t kKeySize = sizeof(uint64_t);
  std::vector<char> buffer(kBlock);
  size_t end = 0;
  while (const size_t size = input_.read(buffer.data() + end, buffer.size() - end)) {
    end += size;
    const size_t whole = end - end % kKeySize;
    // Byte order does not matter: the numbers only identify keys.
    for (size_t at = 0; at != whole; at += kKeySize) add_request(buffer.data() + at, kKeySize);
    memmove(buffer.data(), buffer.data() + whole, end - whole);
    end -= whole;
  }
  if (end != 0) {
    throw input_.failure(kRefused, std::to_string(end) + " bytes are left after " +
                                       std::to_string(trace_.requests.size()) + " keys of 8 bytes");
  }
}

Trace Reader::finish() {
  if (trace_.requests.empty()) throw input_.failure(kRefused, "the trace has no request");
  trace_.keys = numbers_.count();
  return std::move(trace_);
}

}  // namespace

Trace read_trace(const Options &options, Progress *progress) {
  Reader reader(options, progress);
  if (options.format == Format::kText) {
    reader.read_text();
  } else {
    reader.read_u64();
  }
  return reader.finish();
}

}  // namespace sim
