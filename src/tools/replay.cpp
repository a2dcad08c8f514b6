// SPDX-License-Identifier: MIT
#include "replay.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <string>

#include "cache.hpp"

namespace sim {
namespace {

constexpr size_t kBetweenCounts = 1 << 16;  // requests
constexpr std::chrono::milliseconds kBetweenShows{100};

// Returns the number of the request, because lifetimes are counted in requests.
uint64_t tell_time(void *now) { return *static_cast<const uint64_t *>(now); }

class Replay {
 public:
  Replay(const Trace &trace, const Options &options, ct_policy policy, uint64_t maxsize)
      : trace_(trace) {
    ct_options it = CT_OPTIONS_INIT;
    it.policy = policy;
    it.maxsize = maxsize;
    it.seed = options.seed;
    it.ttl = options.ttl;
    it.timer = tell_time;
    it.user_data = &now_;
    cache_ = make_cache(it);
  }

  // Looks each key up, and stores it if it is missing. Adds the finished requests to done.
  Result run(std::atomic<uint64_t> *done) {
    const size_t count = trace_.requests.size();
    while (now_ != count) {
      const uint64_t begin = now_;
      const uint64_t end = std::min<uint64_t>(count, begin + kBetweenCounts);
      for (; now_ != end; ++now_) request();
      done->fetch_add(end - begin, std::memory_order_relaxed);
    }
    return result_;
  }

 private:
  void request() {
    const uint32_t key = trace_.requests[now_];
    const ct_status status = ct_get(cache_.get(), &key, sizeof key, nullptr);
    if (status == CT_OK) return;
    if (status != CT_MISS) check(status);
    ++result_.misses;
    const ct_status stored = trace_.sizes.empty()
                                 ? ct_set(cache_.get(), &key, sizeof key, nullptr, 0)
                                 : store_weighed(key, trace_.sizes[now_]);
    check(stored);
  }

  ct_status store_weighed(uint32_t key, uint64_t size) {
    result_.missed_bytes += size;
    weight_.weight = size;
    const ct_status status = ct_set_with(cache_.get(), &key, sizeof key, nullptr, 0, &weight_);
    return status == CT_ERR_TOO_LARGE ? CT_OK : status;  // such a key is never kept
  }

  static ct_entry_options weighed() {
    ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
    options.flags = CT_ENTRY_WEIGHT;
    return options;
  }

  const Trace &trace_;
  uint64_t now_ = 0;
  ct_entry_options weight_ = weighed();
  Result result_ = {0, 0};
  Cache cache_;
};

uint64_t maxsize_of(const Size &size, uint64_t whole) {
  if (size.percent == 0) return size.amount;
  const double part = static_cast<double>(whole) * size.percent / 100 + 0.5;
  return std::max<uint64_t>(1, static_cast<uint64_t>(part));
}

std::vector<Column> make_columns(const Trace &trace, const Options &options) {
  std::vector<Column> columns;
  for (const Size &size : options.sizes) {
    const uint64_t whole = options.weighs_bytes ? trace.footprint : trace.keys;
    columns.push_back(
        {size, maxsize_of(size, whole), std::vector<Result>(options.policies.size())});
  }
  std::stable_sort(columns.begin(), columns.end(),
                   [](const Column &a, const Column &b) { return a.maxsize < b.maxsize; });
  if (options.are_sizes_given) return columns;
  // In a short trace, several default sizes are the same.
  const auto is_same = [](const Column &a, const Column &b) { return a.maxsize == b.maxsize; };
  columns.erase(std::unique(columns.begin(), columns.end(), is_same), columns.end());
  return columns;
}

}  // namespace

std::vector<Column> replay(const Trace &trace, const Options &options, Progress *progress) {
  std::vector<Column> columns = make_columns(trace, options);
  const size_t policies = options.policies.size();
  const size_t cells = columns.size() * policies;
  std::atomic<size_t> next{0};
  std::atomic<uint64_t> done{0};

  const auto work = [&] {
    for (size_t cell; (cell = next.fetch_add(1)) < cells;) {
      // Begins with the largest caches, which take longest.
      Column &column = columns[columns.size() - 1 - cell / policies];
      const ct_policy policy = options.policies[cell % policies];
      try {
        column.results[cell % policies] = Replay(trace, options, policy, column.maxsize).run(&done);
      } catch (...) {
        next = cells;  // the other workers stop
        throw;
      }
    }
  };

  std::vector<std::future<void>> workers;
  for (size_t i = 0; i < std::min<size_t>(options.threads, cells); ++i) {
    workers.push_back(std::async(std::launch::async, work));
  }
  const double total = static_cast<double>(trace.requests.size()) * static_cast<double>(cells);
  for (std::future<void> &worker : workers) {
    while (worker.wait_for(kBetweenShows) != std::future_status::ready) {
      const int percent = static_cast<int>(100 * static_cast<double>(done.load()) / total);
      progress->show("replaying: " + std::to_string(percent) + " %");
    }
    worker.get();
  }
  return columns;
}

}  // namespace sim
