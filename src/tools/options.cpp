// SPDX-License-Identifier: MIT
#include "options.hpp"

#include <getopt.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <set>
#include <thread>

#include "failure.hpp"

namespace sim {

// main prints it. It fits a terminal of 24 lines.
const char *const kUsage =
    R"(usage: cachetools-sim [options] [TRACE]

Replays the requests of TRACE (a file; - or none: the standard input) through
caches of several policies and sizes, and prints the share of requests that
miss. A line is a key, or a key and a size in bytes. Unpacks gzip, xz and zstd.

  -p, --policies LIST   such as LRU,S3FIFO; default: all
  -s, --sizes LIST      such as 1%,5%,10% of all keys, or 1000,20k entries
  -b, --bytes           sizes of caches are in bytes; each key weighs its size
      --ttl N           a stored key expires at the Nth request after
      --format FORMAT   text; or u64: numbers of 8 bytes, one a request
      --csv, --json     print this instead of a table
      --advise          also say in a sentence which policy and size to take
      --plot FILE       also draw curves with gnuplot; FILE ends in .svg or .png
      --seed N          the seed for what is random; default: 1
  -t, --threads N       replays at the same time; default: one a processor
  -q, --quiet           show no progress
  -h, --help            print this
  -V, --version         print the version

Exit status: 0: done. 1: a file, memory or gnuplot failed. 2: the command line
or the trace is wrong. The manual has more, with examples: man cachetools-sim
)";

namespace {

constexpr uint64_t kMostThreads = 1024;
constexpr const char *kDefaultSizes = "0.1%,0.2%,0.5%,1%,2%,5%,10%,20%,50%";

// Options that have no letter.
enum LongOnly { kTtl = 256, kAdvise, kFormat, kCsv, kJson, kPlot, kSeed };

const option kOptions[] = {
    {"advise", no_argument, nullptr, kAdvise},
    {"bytes", no_argument, nullptr, 'b'},
    {"csv", no_argument, nullptr, kCsv},
    {"format", required_argument, nullptr, kFormat},
    {"help", no_argument, nullptr, 'h'},
    {"json", no_argument, nullptr, kJson},
    {"plot", required_argument, nullptr, kPlot},
    {"policies", required_argument, nullptr, 'p'},
    {"quiet", no_argument, nullptr, 'q'},
    {"seed", required_argument, nullptr, kSeed},
    {"sizes", required_argument, nullptr, 's'},
    {"threads", required_argument, nullptr, 't'},
    {"ttl", required_argument, nullptr, kTtl},
    {"version", no_argument, nullptr, 'V'},
    {nullptr, 0, nullptr, 0},
};

[[noreturn]] void refuse(const std::string &message) { throw Failure{kRefused, message}; }

std::string quoted(const std::string &text) { return "'" + text + "'"; }

std::vector<std::string> split(const std::string &list) {
  std::vector<std::string> parts(1);
  for (const char c : list) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

// ---- Numbers

struct Unit {
  const char *name;
  uint64_t factor;
};

const Unit kUnits[] = {
    {"", 1},
    {"k", 1000},
    {"K", 1000},
    {"M", 1000000},
    {"G", 1000000000},
    {"T", 1000000000000},
    {"Ki", UINT64_C(1) << 10},
    {"Mi", UINT64_C(1) << 20},
    {"Gi", UINT64_C(1) << 30},
    {"Ti", UINT64_C(1) << 40},
};

// Parses a number from 1 on, with or without a unit. Returns 0 if text is no such number.
uint64_t parse_amount(const std::string &text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  uint64_t number;
  if (!parse_number(text.data(), text.data() + digits, &number)) return 0;
  for (const Unit &unit : kUnits) {
    if (text.substr(digits) != unit.name) continue;
    return number <= UINT64_MAX / unit.factor ? number * unit.factor : 0;
  }
  return 0;
}

uint64_t amount_for(const char *option, const std::string &text, uint64_t most = UINT64_MAX) {
  const uint64_t amount = parse_amount(text);
  if (amount == 0 || amount > most) {
    refuse(std::string(option) + ": " + quoted(text) + " is not a whole number from 1 to " +
           std::to_string(most));
  }
  return amount;
}

// ---- Lists

// The options of a cache with nothing but a limit, and perhaps a lifetime.
ct_options simple_cache(ct_policy policy, uint64_t ttl) {
  ct_options options = CT_OPTIONS_INIT;
  options.policy = policy;
  options.maxsize = 1;
  options.ttl = ttl;
  options.timer = [](void *) { return uint64_t{0}; };  // the trace's, which counts what it likes
  return options;
}

// Leaves ANY out: it differs from FIFO by updates only, and there are none.
std::vector<ct_policy> all_policies(uint64_t ttl) {
  std::vector<ct_policy> policies;
  for (int number = 0; number <= CT_POLICY_CUSTOM; ++number) {
    const ct_policy policy = static_cast<ct_policy>(number);
    if (policy == CT_POLICY_ANY) continue;
    const ct_options options = simple_cache(policy, ttl);
    if (ct_options_problem(&options) == nullptr) policies.push_back(policy);
  }
  return policies;
}

std::vector<ct_policy> parse_policies(const std::string &list, uint64_t ttl) {
  std::vector<ct_policy> policies;
  for (const std::string &name : split(list)) {
    ct_policy policy;
    if (name == "all") refuse("--policies: all cannot be combined with others");
    if (ct_policy_from_name(name.c_str(), &policy) != CT_OK) {
      refuse("--policies: there is no policy " + quoted(name));
    }
    const ct_options options = simple_cache(policy, ttl);
    if (ct_options_problem(&options) != nullptr) {
      refuse(std::string("--policies: ") + ct_policy_name(policy) +
             (policy == CT_POLICY_TTL ? " requires --ttl" : " needs callbacks of a program"));
    }
    if (std::count(policies.begin(), policies.end(), policy) != 0) {
      refuse(std::string("--policies: ") + ct_policy_name(policy) + " is given twice");
    }
    policies.push_back(policy);
  }
  return policies;
}

Size parse_size(const std::string &text) {
  if (text.empty() || text.back() != '%') {
    const uint64_t amount = parse_amount(text);
    if (amount == 0) {
      refuse("--sizes: " + quoted(text) +
             " is neither a percentage nor a whole number from 1 on, such as 1000, 20k or 64Mi");
    }
    return {text, 0, amount};
  }
  // strtod accepts more than percentages, such as signs and exponents.
  const bool is_plain = text.find_first_not_of("0123456789.") == text.size() - 1;
  char *end;
  const double percent = strtod(text.c_str(), &end);
  if (!is_plain || end != text.c_str() + text.size() - 1 || !(percent > 0 && percent <= 100)) {
    refuse("--sizes: " + quoted(text) + " is not a percentage above 0 and up to 100");
  }
  return {text, percent, 0};
}

std::vector<Size> parse_sizes(const std::string &list) {
  std::vector<Size> sizes;
  for (const std::string &text : split(list)) {
    const Size size = parse_size(text);
    for (const Size &earlier : sizes) {
      if (earlier.percent == size.percent && earlier.amount == size.amount) {
        refuse("--sizes: " + quoted(text) + " is given twice");
      }
    }
    sizes.push_back(size);
  }
  return sizes;
}

Format parse_format(const std::string &name) {
  if (name == "text") return Format::kText;
  if (name == "u64") return Format::kU64;
  refuse("--format: " + quoted(name) + " is neither text nor u64");
}

unsigned parse_threads(const std::string &text) {
  return static_cast<unsigned>(amount_for("--threads", text, kMostThreads));
}

bool ends_with(const std::string &text, const std::string &end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string parse_plot(const std::string &path) {
  if (!ends_with(path, ".svg") && !ends_with(path, ".png")) {
    refuse("--plot: " + quoted(path) + " ends in neither .svg nor .png");
  }
  return path;
}

const char *name_of(int letter) {
  for (const option *it = kOptions; it->name != nullptr; ++it) {
    if (it->val == letter) return it->name;
  }
  return "?";
}

// Checks what depends on more than one option.
void check_together(Options *options, const std::string &policies) {
  if (options->weighs_bytes && options->format == Format::kU64) {
    refuse("--bytes: traces of --format=u64 have no sizes");
  }
  if (options->advises && options->output != Output::kTable)
    refuse("--advise: it comes with a table, not with --csv or --json");
  options->policies =
      policies == "all" ? all_policies(options->ttl) : parse_policies(policies, options->ttl);
}

void parse_trace(Options *options, int count, char **paths) {
  if (count > 1) refuse("only one trace is allowed: " + quoted(paths[1]) + " is too many");
  options->trace = count == 1 ? paths[0] : "-";
  if (count == 0 && isatty(STDIN_FILENO) != 0)
    refuse("there is no trace; see cachetools-sim --help");
}

}  // namespace

bool parse_number(const char *text, const char *end, uint64_t *out) {
  const std::from_chars_result result = std::from_chars(text, end, *out);
  return result.ec == std::errc() && result.ptr == end;
}

Options parse_options(int argc, char **argv) {
  Options options;
  options.threads = std::max(1u, std::thread::hardware_concurrency());
  options.sizes = parse_sizes(kDefaultSizes);
  std::string policies = "all";

  static char name[] = "cachetools-sim";  // the name that getopt_long prints
  if (argc > 0) argv[0] = name;
  std::set<int> seen;
  int letter;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet
  while ((letter = getopt_long(argc, argv, "bhp:qs:t:V", kOptions, nullptr)) != -1) {
    // getopt_long has printed what is wrong.
    if (letter == '?') refuse("see cachetools-sim --help");
    if (!seen.insert(letter).second)
      refuse(std::string("--") + name_of(letter) + " is given twice");
    switch (letter) {
      case 'b':
        options.weighs_bytes = true;
        break;
      case 'h':
        options.action = Action::kHelp;
        return options;
      case 'p':
        policies = optarg;
        break;
      case 'q':
        options.quiet = true;
        break;
      case 's':
        options.sizes = parse_sizes(optarg);
        options.are_sizes_given = true;
        break;
      case 't':
        options.threads = parse_threads(optarg);
        break;
      case 'V':
        options.action = Action::kVersion;
        return options;
      case kAdvise:
        options.advises = true;
        break;
      case kCsv:
        options.output = Output::kCsv;
        break;
      case kFormat:
        options.format = parse_format(optarg);
        break;
      case kJson:
        options.output = Output::kJson;
        break;
      case kPlot:
        options.plot = parse_plot(optarg);
        break;
      case kSeed:
        options.seed = amount_for("--seed", optarg);
        break;
      case kTtl:
        options.ttl = amount_for("--ttl", optarg);
        break;
      default:
        break;
    }
  }
  if (seen.count(kCsv) != 0 && seen.count(kJson) != 0) refuse("either --csv or --json, not both");
  check_together(&options, policies);
  parse_trace(&options, argc - optind, argv + optind);
  return options;
}

}  // namespace sim
