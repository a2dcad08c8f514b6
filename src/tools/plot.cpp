// SPDX-License-Identifier: MIT
#include "plot.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>

#include "failure.hpp"
#include "report.hpp"

// Some systems' headers lack it.
extern char **environ;  // NOLINT(readability-redundant-declaration)

namespace sim {
namespace {

// The colours of curves, in the order of policies, on white.
const char *const kColours[] = {"#2f7de0", "#d08a1d", "#2aa06a", "#c2498d", "#8763d1", "#d2553f",
                                "#1d9fb3", "#8a929b", "#9a9a1f", "#6b1f2a", "#b0713a", "#30363d"};
constexpr size_t kColourCount = sizeof kColours / sizeof *kColours;

// The shapes of points, which distinguish curves where colours do not. Filled ones come first.
constexpr int kPoints[] = {7, 5, 9, 11, 13, 6, 4, 8, 10, 12};
constexpr size_t kPointCount = sizeof kPoints / sizeof *kPoints;

[[noreturn]] void fail(const std::string &what, int error) {
  throw Failure{kSystemFailed, what + ": " + reason_of(error)};
}

// ---- gnuplot

struct CloseFile {
  void operator()(FILE *file) const { fclose(file); }
};

using Stream = std::unique_ptr<FILE, CloseFile>;

Stream temporary_file() {
  Stream file(tmpfile());
  if (file == nullptr) fail("temporary file", errno);
  return file;
}

// Uses files instead of pipes, so that neither side waits for the other or writes to a closed pipe.
void run_gnuplot(FILE *script, FILE *output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(script), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(output), STDOUT_FILENO);
  char name[] = "gnuplot";
  char *const arguments[] = {name, nullptr};
  pid_t child;
  const int error = posix_spawnp(&child, name, &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) {
    throw Failure{kSystemFailed, "--plot needs gnuplot, which is not installed"};
  }
  if (error != 0) fail("gnuplot", error);

  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) fail("gnuplot", errno);
  }
  if (status != 0) throw Failure{kSystemFailed, "gnuplot failed"};
}

Stream draw(const std::string &script) {
  const Stream input = temporary_file();
  Stream picture = temporary_file();
  if (fwrite(script.data(), 1, script.size(), input.get()) != script.size() ||
      fflush(input.get()) != 0) {
    fail("temporary file", errno);
  }
  rewind(input.get());
  run_gnuplot(input.get(), picture.get());
  rewind(picture.get());
  return picture;
}

// ---- The script

// Quotes a string for gnuplot, which doubles single quotes and takes no line ends.
std::string quoted(const std::string &text) {
  std::string it = "'";
  for (const char c : text) {
    if (c == '\'') it += c;
    it += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return it + "'";
}

std::string number(double value) {
  char text[32];
  snprintf(text, sizeof text, "%.10g", value);
  return text;
}

// One picture or two, side by side.
class Script {
 public:
  Script(const Options &options, const Trace &trace, const std::vector<Column> &columns)
      : options_(options),
        trace_(trace),
        columns_(columns),
        are_percents_(std::all_of(columns.begin(), columns.end(),
                                  [](const Column &it) { return it.size.percent != 0; })) {}

  std::string write() {
    const std::vector<Measure> drawn = measures(options_, trace_);
    const std::string size = std::to_string(800 * drawn.size()) + ",520";
    const bool is_svg =
        options_.plot.back() == 'g' && options_.plot[options_.plot.size() - 2] == 'v';
    text_ += "set encoding utf8\n";
    if (is_svg) {
      text_ += "set terminal svg size " + size +
               " noenhanced background rgb 'white' font 'Helvetica,Arial,sans-serif,13'\n";
    } else {
      // Cairo draws smooth lines, but not every gnuplot has it.
      text_ += "if (strstrt(GPVAL_TERMINALS, 'pngcairo') > 0) { set terminal pngcairo size " +
               size + " noenhanced } else { set terminal png size " + size + " noenhanced }\n";
    }
    write_setting(drawn.size());
    for (const Measure &measure : drawn) write_curves(measure);
    text_ += "unset multiplot\n";
    return text_;
  }

 private:
  double place(const Column &column) const {
    return are_percents_ ? column.size.percent : static_cast<double>(column.maxsize);
  }

  void write_setting(size_t count) {
    text_ += "set multiplot layout 1," + std::to_string(count) + " title " +
             quoted(describe(options_, trace_)) + "\n";
    text_ +=
        "set grid lt 1 lw 0.7 lc rgb '#dde1e5'\nset border 3 lc rgb '#737b85'\nset tics nomirror\n";
    text_ += "set key outside right top Left reverse\nset ylabel offset 1\n";
    text_ += "set xlabel " + quoted(axis()) + "\n";

    const double least = place(columns_.front());
    const double most = place(columns_.back());
    if (most >= 8 * least) text_ += "set logscale x\n";
    text_ += "set xrange [" + number(least / 1.1) + ":" + number(most * 1.1) + "]\n";
    write_tics();
  }

  // Puts tics at the sizes themselves, unless there are too many.
  void write_tics() {
    if (columns_.size() > 12) {
      text_ += are_percents_ ? "set format x '%g%%'\n" : "set format x '%.0s%c'\n";
      return;
    }
    text_ += "set xtics (";
    const char *between = "";
    for (const Column &column : columns_) {
      const std::string label =
          are_percents_ ? number(column.size.percent) + "%%" : column.size.label;
      text_ += between + quoted(label) + " " + number(place(column));
      between = ", ";
    }
    text_ += ")\n";
  }

  std::string axis() const {
    if (options_.weighs_bytes) {
      return are_percents_ ? "Size of the cache, in % of the bytes of all keys"
                           : "Size of the cache, in bytes";
    }
    return are_percents_ ? "Size of the cache, in % of all keys" : "Size of the cache, in entries";
  }

  void write_curves(const Measure &measure) {
    double most = 0;
    std::string plots;
    for (size_t i = 0; i < options_.policies.size(); ++i) {
      const std::string name = ct_policy_name(options_.policies[i]);
      text_ += "$" + name + " << END\n";
      for (const Column &column : columns_) {
        const double ratio = measure.ratio(column.results[i]);
        most = std::max(most, ratio);
        text_ += number(place(column)) + " " + number(ratio) + "\n";
      }
      text_ += "END\n";
      plots += std::string(i == 0 ? "plot " : ", ") + "$" + name +
               " with linespoints lw 2 ps 0.7 pt " + std::to_string(kPoints[i % kPointCount]) +
               " lc rgb '" + kColours[i % kColourCount] + "' title " + quoted(name);
    }
    // Up to the next tenth, or to the next hundredth of what is small.
    const double step = most > 0.1 ? 0.1 : 0.01;
    text_ += "set yrange [0:" + number(std::max(std::ceil(most / step), 1.0) * step) + "]\n";
    text_ += "set ylabel " + quoted(measure.title) + "\n" + plots + "\n";
  }

  const Options &options_;
  const Trace &trace_;
  const std::vector<Column> &columns_;
  bool are_percents_;
  std::string text_;
};

void copy_to(const std::string &path, FILE *from) {
  const Stream file(fopen(path.c_str(), "wb"));
  if (file == nullptr) fail(path, errno);
  char block[1 << 14];
  while (const size_t size = fread(block, 1, sizeof block, from)) {
    if (fwrite(block, 1, size, file.get()) != size) fail(path, errno);
  }
  if (fflush(file.get()) != 0) fail(path, errno);
}

}  // namespace

void require_gnuplot() { draw(""); }

void plot(const Options &options, const Trace &trace, const std::vector<Column> &columns) {
  const Stream picture = draw(Script(options, trace, columns).write());
  copy_to(options.plot, picture.get());
}

}  // namespace sim
