// SPDX-License-Identifier: MIT
#include "report.hpp"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <memory>

#include "advice.hpp"
#include "file.hpp"

namespace sim {
namespace {

// ---- The table: a row a policy, a column a size

// Prints a line without trailing blanks.
void print_line(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  puts(line.c_str());
}

std::string padded(const char *text) {
  char it[16];
  snprintf(it, sizeof it, "%-8s", text);
  return it;
}

class Table {
 public:
  Table(const Options &options, const std::vector<Column> &columns)
      : options_(options), columns_(columns) {
    for (const Column &it : columns) {
      width_ = std::max({width_, it.size.label.size(), std::to_string(it.maxsize).size()});
    }
  }

  void print(const Measure &measure) const {
    std::string sizes = padded("size");
    std::string maxsizes = padded(options_.weighs_bytes ? "bytes" : "entries");
    for (const Column &column : columns_) {
      sizes += cell(column.size.label, ' ');
      maxsizes += cell(std::to_string(column.maxsize), ' ');
    }
    print_line(sizes);
    print_line(maxsizes);
    for (size_t i = 0; i < options_.policies.size(); ++i) print_row(measure, i);
  }

 private:
  void print_row(const Measure &measure, size_t policy) const {
    std::string row = padded(ct_policy_name(options_.policies[policy]));
    for (const Column &column : columns_) {
      const Result &result = column.results[policy];
      char ratio[16];
      snprintf(ratio, sizeof ratio, "%.4f", measure.ratio(result));
      row += cell(ratio, is_least(measure, column, result) ? '*' : ' ');
    }
    print_line(row);
  }

  std::string cell(const std::string &text, char mark) const {
    return std::string(width_ + 1 - text.size(), ' ') + text + mark;
  }

  const Options &options_;
  const std::vector<Column> &columns_;
  size_t width_ = strlen("0.0000");
};

void print_table(const Options &options, const Trace &trace, const std::vector<Column> &columns) {
  printf("%s\n", describe(options, trace).c_str());
  const Table table(options, columns);
  for (const Measure &measure : measures(options, trace)) {
    printf("\n%s (* lowest for its size)\n", measure.title);
    table.print(measure);
  }
  if (options.advises) printf("\n%s\n", advise(options, trace, columns).c_str());
}

// ---- For programs

// Calls the function for each result, policy by policy.
template <typename Function>
void for_each_result(const Options &options, const std::vector<Column> &columns, Function call) {
  for (size_t i = 0; i < options.policies.size(); ++i) {
    for (const Column &column : columns) {
      call(ct_policy_name(options.policies[i]), column, column.results[i]);
    }
  }
}

void print_csv(const Options &options, const Trace &trace, const std::vector<Column> &columns) {
  const std::vector<Measure> told = measures(options, trace);
  printf("policy,size,%s", options.weighs_bytes ? "bytes" : "entries");
  for (const Measure &it : told) printf(",%s,%s", it.part_name, it.ratio_name);
  printf("\n");
  for_each_result(options, columns,
                  [&](const char *policy, const Column &column, const Result &result) {
                    printf("%s,%s,%" PRIu64, policy, column.size.label.c_str(), column.maxsize);
                    for (const Measure &it : told)
                      printf(",%" PRIu64 ",%.6f", result.*it.part, it.ratio(result));
                    printf("\n");
                  });
}

// The key builder accepts UTF-8 only.
bool is_utf8(const std::string &text) {
  const std::unique_ptr<ct_key, decltype(&ct_key_free)> key(ct_key_new(0), ct_key_free);
  const void *data;
  size_t size;
  ct_key_text(key.get(), text.data(), text.size());
  return ct_key_data(key.get(), &data, &size) == CT_OK;
}

// JSON is UTF-8, and a path may hold any bytes: other bytes become question marks.
std::string json_string(const std::string &text) {
  const bool is_text = is_utf8(text);
  std::string it = "\"";
  for (const char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    char escaped[8];
    if (c == '"' || c == '\\') {
      it += {'\\', c};
    } else if (byte < 0x20) {
      snprintf(escaped, sizeof escaped, "\\u%04x", byte);
      it += escaped;
    } else {
      it += byte < 0x80 || is_text ? c : '?';
    }
  }
  return it + '"';
}

void print_json(const Options &options, const Trace &trace, const std::vector<Column> &columns) {
  const std::vector<Measure> told = measures(options, trace);
  printf("{\n  \"trace\": %s,\n", json_string(options.trace).c_str());
  printf("  \"requests\": %zu,\n  \"keys\": %" PRIu64 ",\n", trace.requests.size(), trace.keys);
  if (options.weighs_bytes) {
    printf("  \"requested_bytes\": %" PRIu64 ",\n  \"key_bytes\": %" PRIu64 ",\n", trace.bytes,
           trace.footprint);
  }
  if (options.ttl != 0) printf("  \"ttl\": %" PRIu64 ",\n", options.ttl);
  printf("  \"seed\": %" PRIu64 ",\n  \"results\": [", options.seed);
  const char *between = "";
  for_each_result(options, columns,
                  [&](const char *policy, const Column &column, const Result &result) {
                    printf("%s\n    {\"policy\": \"%s\", \"size\": \"%s\", \"%s\": %" PRIu64,
                           between, policy, column.size.label.c_str(),
                           options.weighs_bytes ? "bytes" : "entries", column.maxsize);
                    for (const Measure &it : told) {
                      printf(", \"%s\": %" PRIu64 ", \"%s\": %.6f", it.part_name, result.*it.part,
                             it.ratio_name, it.ratio(result));
                    }
                    printf("}");
                    between = ",";
                  });
  printf("\n  ]\n}\n");
}

}  // namespace

std::vector<Measure> measures(const Options &options, const Trace &trace) {
  std::vector<Measure> told = {
      {"Miss ratio", "misses", "miss_ratio", &Result::misses, trace.requests.size()}};
  if (options.weighs_bytes) {
    told.push_back(
        {"Byte miss ratio", "missed_bytes", "byte_miss_ratio", &Result::missed_bytes, trace.bytes});
  }
  return told;
}

std::string describe(const Options &options, const Trace &trace) {
  const std::string name =
      options.trace == "-" ? "standard input" : options.trace.substr(options.trace.rfind('/') + 1);
  std::string line = name + ": " + std::to_string(trace.requests.size()) + " requests for " +
                     std::to_string(trace.keys) + " keys";
  if (options.weighs_bytes) line += " of " + std::to_string(trace.footprint) + " bytes";
  if (options.ttl != 0) line += ", ttl " + std::to_string(options.ttl) + " requests";
  return line;
}

void report(const Options &options, const Trace &trace, const std::vector<Column> &columns) {
  switch (options.output) {
    case Output::kTable:
      print_table(options, trace, columns);
      break;
    case Output::kCsv:
      print_csv(options, trace, columns);
      break;
    case Output::kJson:
      print_json(options, trace, columns);
      break;
  }
  finish_output();
}

}  // namespace sim
