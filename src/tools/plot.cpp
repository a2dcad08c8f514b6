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

#include "advice.hpp"
#include "failure.hpp"
#include "report.hpp"

// Some systems' headers lack it.
extern char **environ;  // NOLINT(readability-redundant-declaration)

namespace sim {
namespace {

// The colours on white of curves that are lowest somewhere: the one that is best over all sizes, then
// the others. All other curves are grey, LRU's a darker grey, as it is what most readers know.
const char *const kColours[] = {"#1f6fd6", "#d9730d", "#1b8a5a", "#b0389a"};
constexpr size_t kColourCount = sizeof kColours / sizeof *kColours;
const char *const kGrey = "#c4cad1";
const char *const kDarkGrey = "#4d555e";
const char *const kFaint = "#8b949e";  // of names of grey curves

constexpr double kHeight = 560;        // of a picture, in pixels
constexpr int kRounds = 200;           // of moving names apart
constexpr double kLabelHeight = 0.04;  // of its curves' height, so that labels do not overlap

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
    const std::string size =
        std::to_string(860 * drawn.size()) + "," + std::to_string(static_cast<int>(kHeight));
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
    choose_colours(drawn);
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
             quoted(describe(options_, trace_) + "; a dot: lowest at that size") + "\n";
    text_ +=
        "set grid lt 1 lw 0.7 lc rgb '#dde1e5'\nset border 3 lc rgb '#737b85'\nset tics nomirror\n";
    text_ += "unset key\nset rmargin 19\nset ylabel offset 1\n";
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

  // A curve, and how it looks.
  struct Curve {
    size_t policy;
    const char *colour;
    bool is_lowest;  // somewhere
    bool is_best;
    double end;    // its last ratio
    double label;  // where its name stands
  };

  bool is_lowest(const Measure &measure, size_t policy) const {
    return std::any_of(columns_.begin(), columns_.end(),
                       [&](const Column &it) { return is_least(measure, it, it.results[policy]); });
  }

  // Gives each policy the same colour in all pictures: those that are best first.
  void choose_colours(const std::vector<Measure> &drawn) {
    const size_t count = options_.policies.size();
    for (size_t i = 0; i < count; ++i) colours_.push_back(is_lru(i) ? kDarkGrey : kGrey);
    size_t next = 0;
    const auto give = [&](size_t policy) {
      const char *&own = colours_[policy];
      if ((own == kGrey || own == kDarkGrey) && next < kColourCount) own = kColours[next++];
    };
    for (const Measure &it : drawn) give(best_policy(it, columns_));
    for (const Measure &it : drawn) {
      for (size_t i = 0; i < count; ++i) {
        if (is_lowest(it, i)) give(i);
      }
    }
  }

  // Returns the curves, the most important ones last, so that they are drawn over the others.
  std::vector<Curve> curves(const Measure &measure) const {
    std::vector<Curve> all;
    const size_t best = best_policy(measure, columns_);
    for (size_t i = 0; i < options_.policies.size(); ++i) {
      const double end = measure.ratio(columns_.back().results[i]);
      all.push_back({i, colours_[i], is_lowest(measure, i), i == best, end, end});
    }
    std::stable_sort(all.begin(), all.end(),
                     [&](const Curve &a, const Curve &b) { return weight_of(a) < weight_of(b); });
    return all;
  }

  bool is_lru(size_t policy) const { return options_.policies[policy] == CT_POLICY_LRU; }
  int weight_of(const Curve &it) const {
    return it.is_best ? 3 : it.is_lowest ? 2 : is_lru(it.policy) ? 1 : 0;
  }

  // Moves names apart that would stand over each other, up and down alike.
  static void spread_labels(std::vector<Curve> *all, double bottom, double top) {
    std::vector<Curve *> by_end;
    for (Curve &it : *all) by_end.push_back(&it);
    std::stable_sort(by_end.begin(), by_end.end(),
                     [](const Curve *a, const Curve *b) { return a->end < b->end; });
    const double gap = (top - bottom) * kLabelHeight;
    for (int round = 0; round < kRounds; ++round) {
      by_end.front()->label = std::max(by_end.front()->label, bottom);
      by_end.back()->label = std::min(by_end.back()->label, top);
      for (size_t i = 1; i < by_end.size(); ++i) {
        const double overlap = by_end[i - 1]->label + gap - by_end[i]->label;
        if (overlap <= 0) continue;
        by_end[i - 1]->label -= overlap / 2;
        by_end[i]->label += overlap / 2;
      }
    }
  }

  void write_curves(const Measure &measure) {
    double least = 1, most = 0;
    for (const Column &column : columns_) {
      for (const Result &it : column.results) {
        least = std::min(least, measure.ratio(it));
        most = std::max(most, measure.ratio(it));
      }
    }
    // Up to the next tenth, or to the next hundredth of what is small; from 0 on, unless half of the
    // picture would be empty.
    const double step = most > 0.1 ? 0.1 : 0.01;
    const double top = std::max(std::ceil(most / step), 1.0) * step;
    const double bottom = least < top / 2 ? 0 : std::floor(least / step - 0.5) * step;
    std::vector<Curve> all = curves(measure);
    spread_labels(&all, bottom, top);
    std::string plots, dots;
    text_ += "unset label\n";
    for (const Curve &it : all) {
      const std::string name = ct_policy_name(options_.policies[it.policy]);
      write_points(measure, it, name);
      const std::string colour = " lc rgb '" + std::string(it.colour) + "' notitle";
      const char *width = it.is_best ? "3.5" : it.is_lowest ? "2.2" : "1.3";
      plots.append(plots.empty() ? "plot $" : ", $");
      plots.append(name).append(" with lines lw ").append(width).append(colour);
      if (it.is_lowest) {  // a dot says: lowest at this size
        dots.append(", $").append(name).append("_lowest with points pt 7 ps 1.1").append(colour);
      }
      const char *ink = it.colour == kGrey ? kFaint : it.colour;
      text_ += "set label " + quoted(it.is_best && all.size() > 1 ? name + " (best)" : name) +
               " at graph 1.015, first " + number(it.label) + " textcolor rgb '" + ink + "'\n";
    }
    text_ += "set yrange [" + number(bottom) + ":" + number(top) + "]\n";
    text_ += "set ylabel " + quoted(measure.title) + "\n" + plots + dots + "\n";
  }

  void write_points(const Measure &measure, const Curve &curve, const std::string &name) {
    std::string lowest;
    text_ += "$" + name + " << END\n";
    for (const Column &column : columns_) {
      const Result &result = column.results[curve.policy];
      const std::string point = number(place(column)) + " " + number(measure.ratio(result)) + "\n";
      text_ += point;
      if (is_least(measure, column, result)) lowest += point;
    }
    text_ += "END\n";
    if (curve.is_lowest) text_ += "$" + name + "_lowest << END\n" + lowest + "END\n";
  }

  const Options &options_;
  const Trace &trace_;
  const std::vector<Column> &columns_;
  bool are_percents_;
  std::vector<const char *> colours_;  // of policies
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
