// SPDX-License-Identifier: MIT
// Measures caches side by side with Google Benchmark: every combination of the options' values
// becomes a benchmark. run.sh drives this program, and makes a table of its output.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "growth.hpp"
#include "workload.hpp"

namespace bench {
namespace {

constexpr char kUsage[] =
    R"(Usage: bench_cache [OPTION=VALUE[,VALUE...]]... [--benchmark_OPTION...]

  --caches=NAMES     which caches; all by default
  --workloads=NAMES  which workloads; all of speed by default
  --entries=NUMBERS  how many entries a cache may hold: 1e3,1e5 by default
  --values=BYTES     the size of values, at least 8: 64 by default
  --threads=NUMBERS  how many threads use one cache: 1 by default
  --shards=NUMBERS   into how many parts a cache is divided: 1 by default. Caches
                     without the choice take part with any one number
  --ttl=0|1          1: entries get lifetimes, in caches that have them; 0 by default
  --operations=N     each combination runs N operations, a multiple of 16, once and without a
                     clock, for a program that counts instructions; prints nothing
  --list             names the caches, one a line, with role (floor, own or peer), threads
                     (one or many), lifetimes (ttl or -) and the shards to choose from
  --help             this text

Google Benchmark's own options follow, such as --benchmark_min_time=SECONDS. Combinations that a
cache cannot do are left out. items_per_second counts processor time with one thread, wall time
with several; hit is the part of the reads that hit.

Workloads:
)";

struct Options {
  std::vector<const Kind *> caches;
  std::vector<std::string> workloads;
  std::vector<uint64_t> entries = {1000, 100000};
  std::vector<uint64_t> values = {64};
  std::vector<uint64_t> threads = {1};
  std::vector<uint64_t> shards = {1};
  bool ttl = false;
  uint64_t operations = 0;  ///< of each combination; 0: as many as Google Benchmark chooses
};

/// Benchmarks that are not loops of operations.
constexpr char kMemory[] = "memory";
constexpr char kGrowth[] = "growth";

// ---- Options ------------------------------------------------------------------------------------

[[noreturn]] void refuse(const std::string &what) {
  fprintf(stderr, "bench_cache: %s\nTry bench_cache --help.\n", what.c_str());
  exit(2);
}

void print_usage() {
  fputs(kUsage, stdout);
  for (const Workload &workload : kWorkloads) printf("  %-15s %s\n", workload.name, workload.what);
  printf("  %-15s resident bytes an entry, beyond key and value; name one cache and size\n",
         kMemory);
  printf("  %-15s latency of inserts into a cache that grows, beside a fixed table\n", kGrowth);
}

void print_kinds() {
  for (const Kind &kind : kinds()) {
    const char *role = kind.role == Role::kFloor ? "floor"
                       : kind.role == Role::kOwn ? "own"
                                                 : "peer";
    printf("%s %s %s %s ", kind.name.c_str(), role, kind.threads ? "many" : "one",
           kind.ttl ? "ttl" : "-");
    for (size_t i = 0; i < kind.shards.size(); i++) printf(i == 0 ? "%u" : ",%u", kind.shards[i]);
    puts("");
  }
}

std::vector<std::string> split(const std::string &text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::vector<uint64_t> numbers(const std::string &text, double least, double most) {
  std::vector<uint64_t> result;
  for (const std::string &part : split(text)) {
    char *end;
    const double number = strtod(part.c_str(), &end);  // 1e6 is a number, too
    if (part.empty() || *end != '\0' || !(number >= least && number <= most) ||
        number != std::floor(number))
      refuse("not a number that is allowed there: '" + part + "'");
    result.push_back(static_cast<uint64_t>(number));
  }
  return result;
}

std::vector<const Kind *> kinds_named(const std::string &text) {
  std::vector<const Kind *> result;
  for (const std::string &name : split(text)) {
    const Kind *kind = find_kind(name);
    if (kind == nullptr) refuse("there is no cache '" + name + "'");
    result.push_back(kind);
  }
  return result;
}

bool is_workload(const std::string &name) {
  for (const Workload &workload : kWorkloads)
    if (name == workload.name) return true;
  return name == kMemory || name == kGrowth;
}

std::vector<std::string> workloads_named(const std::string &text) {
  const std::vector<std::string> names = split(text);
  for (const std::string &name : names)
    if (!is_workload(name)) refuse("there is no workload '" + name + "'");
  return names;
}

/// Takes this program's options; the others are Google Benchmark's.
Options take_options(int &argc, char **argv) {
  Options options;
  for (const Kind &kind : kinds()) options.caches.push_back(&kind);
  for (const Workload &workload : kWorkloads) options.workloads.push_back(workload.name);

  int left = 1;
  for (int i = 1; i < argc; i++) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
    if (name == "--caches") {
      options.caches = kinds_named(value);
    } else if (name == "--workloads") {
      options.workloads = workloads_named(value);
    } else if (name == "--entries") {
      options.entries = numbers(value, 1, 1e8);
    } else if (name == "--values") {
      options.values = numbers(value, 8, 1 << 20);
    } else if (name == "--threads") {
      options.threads = numbers(value, 1, 1024);
    } else if (name == "--shards") {
      options.shards = numbers(value, 1, 4096);
    } else if (name == "--ttl") {
      options.ttl = numbers(value, 0, 1) == std::vector<uint64_t>{1};
    } else if (name == "--operations") {
      options.operations = numbers(value, 1, 1e12).front();
      if (options.operations % kBatch != 0) refuse("not a multiple of 16: '" + value + "'");
    } else if (argument == "--list") {
      print_kinds();
      exit(0);
    } else if (argument == "--help") {
      print_usage();
      exit(0);
    } else if (argument.rfind("--benchmark_", 0) == 0) {
      argv[left++] = argv[i];
    } else {
      refuse("unknown option '" + argument + "'");
    }
  }
  argc = left;
  return options;
}

// ---- Benchmarks ---------------------------------------------------------------------------------

/// Operations between two checks of whether the time is over.
constexpr uint64_t kStride = 16 * kBatch;

void measure_speed(benchmark::State &state, const Kind &kind, const Setup &setup,
                   const Workload &workload) {
  static Stage *stage;
  if (state.thread_index() == 0) {
    const auto threads = static_cast<unsigned>(state.threads());
    stage = &Stage::get(kind, setup, threads, workload.contents);
  }
  const auto thread = static_cast<unsigned>(state.thread_index());
  uint64_t hits = 0;
  while (state.KeepRunningBatch(kStride))  // the first call waits for all threads
    hits += workload.run(*stage, stage->lane(thread), kStride);
  state.SetItemsProcessed(state.iterations());
  state.counters["hit"] =
      benchmark::Counter(static_cast<double>(hits) / static_cast<double>(state.iterations()),
                         benchmark::Counter::kAvgThreads);
}

void measure_memory(benchmark::State &state, const Kind &kind, const Setup &setup) {
  Stage::drop();
  double bytes = -1;
  for (auto _ : state) bytes = memory_beyond(kind, setup);
  if (bytes < 0)
    state.SkipWithError("this system does not tell");
  else
    state.counters["bytes"] = bytes;
}

void measure_growth(benchmark::State &state, const Kind &kind, const Setup &setup) {
  Stage::drop();
  Growth growth{};
  for (auto _ : state) growth = grow(kind, setup);
  state.counters["mean_ns"] = growth.cache.mean_ns;
  state.counters["high_ns"] = growth.cache.high_ns;
  state.counters["worst_ns"] = growth.cache.worst_ns;
  state.counters["table_mean_ns"] = growth.table.mean_ns;
  state.counters["table_high_ns"] = growth.table.high_ns;
  state.counters["table_worst_ns"] = growth.table.worst_ns;
}

/// Whether a cache can have that many shards, or has no choice.
bool takes_shards(const Kind &kind, uint64_t shards) {
  if (kind.shards.size() == 1) return true;
  for (const unsigned choice : kind.shards)
    if (choice == shards) return true;
  return false;
}

std::string benchmark_name(const std::string &workload, const Kind &kind, const Setup &setup) {
  return workload + '/' + kind.name + "/entries:" + std::to_string(setup.entries) +
         "/value:" + std::to_string(setup.value_size) + "/shards:" + std::to_string(setup.shards) +
         "/ttl:" + std::to_string(setup.ttl);
}

void register_one(const std::string &name, const Kind &kind, const Setup &setup,
                  const std::vector<uint64_t> &threads) {
  const std::string title = benchmark_name(name, kind, setup);
  if (name == kMemory || name == kGrowth) {
    const auto measure = name == kMemory ? measure_memory : measure_growth;
    benchmark::RegisterBenchmark(
        title.c_str(),
        [&kind, setup, measure](benchmark::State &state) { measure(state, kind, setup); })
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond);
    return;
  }
  for (const Workload &workload : kWorkloads) {
    if (name != workload.name) continue;
    for (const uint64_t count : threads) {
      if (count > 1 && !kind.threads) continue;
      auto *registered = benchmark::RegisterBenchmark(
          title.c_str(),
          [&kind, setup, &workload](auto &state) { measure_speed(state, kind, setup, workload); });
      registered->Threads(static_cast<int>(count));
      // Other work of the machine does not count in the processor time of one thread. Several
      // threads wait for each other, and this must count, so theirs is wall time.
      if (count > 1) registered->UseRealTime();
    }
  }
}

/// Calls visit(workload, kind, setup) for each that the kind can do. Workloads vary fastest, so that
/// they share a stage.
template <class Visit>
void for_each_combination(const Options &options, Visit visit) {
  for (const uint64_t entries : options.entries)
    for (const uint64_t value_size : options.values)
      for (const uint64_t shards : options.shards)
        for (const Kind *kind : options.caches) {
          if (!takes_shards(*kind, shards) || (options.ttl && !kind->ttl)) continue;
          const Setup setup = {entries, value_size, static_cast<unsigned>(shards), options.ttl};
          for (const std::string &workload : options.workloads) visit(workload, *kind, setup);
        }
}

void run_without_clock(const std::string &name, const Kind &kind, const Setup &setup,
                       uint64_t operations) {
  for (const Workload &workload : kWorkloads) {
    if (name != workload.name) continue;
    Stage &stage = Stage::get(kind, setup, 1, workload.contents);
    workload.run(stage, stage.lane(0), operations);
  }
}

int run(int argc, char **argv) {
  const Options options = take_options(argc, argv);
  if (options.operations > 0) {
    for_each_combination(options, [&](const auto &workload, const Kind &kind, const Setup &setup) {
      run_without_clock(workload, kind, setup, options.operations);
    });
    Stage::drop();
    return 0;
  }
  for_each_combination(options, [&](const auto &workload, const Kind &kind, const Setup &setup) {
    register_one(workload, kind, setup, options.threads);
  });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  Stage::drop();
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char **argv) {
  try {
    return bench::run(argc, argv);
  } catch (const std::exception &error) {
    fprintf(stderr, "bench_cache: %s\n", error.what());
    return 1;
  }
}
