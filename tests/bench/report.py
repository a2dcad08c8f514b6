# SPDX-License-Identifier: MIT
"""Makes tables and pictures of what measure.py and cachetools-sim left in a folder of results.

    report.py --build BUILD_FOLDER RESULTS

turns measured.jsonl into speed.json and counted.jsonl into instructions.json, which say what was
measured and where. Of these two, new or already there, it writes bench.md and speed.svg and, for
each trace, hit_ratio_NAME.svg; and prints the short tables of bench.md.
"""

import argparse
import collections
import glob
import json
import math
import os
import platform
import re
import statistics
import subprocess

FLOOR = "table"
OWN = "cachetools-"

TITLES = {
    "table": "floor",
    "flat_hash_map": "flat_hash_map",
    "cachetools-LRU-unlocked": "LRU, no lock",
    "cachetools-SIEVE-unlocked": "SIEVE, no lock",
    "cachetools-WTINYLFU-unlocked": "WTINYLFU, no lock",
    "rocksdb-LRU": "RocksDB LRU",
    "rocksdb-HyperClock": "RocksDB HyperClock",
    "leveldb-LRU": "LevelDB LRU",
    "multi_index-LRU": "MultiIndex LRU",
    "onetbb-LRU": "oneTBB LRU",
    "tkrzw-CacheDBM": "tkrzw CacheDBM",
    "lru": "lru, mutex",
}

WORKLOADS = {
    "get": "get",
    "get_dependent": "get, each waits for the last",
    "get_batch": "get, 16 a call",
    "get_absent": "get of absent keys",
    "set_new": "set of new keys, evicting",
    "read_through": "read-through, zipf 0.99",
    "hits": "read-through, hits, %",
    "mixed": "get:set:delete 90:9:1, zipf",
    "memory": "memory beyond key and value, bytes",
    "growth mean": "insert while growing, mean",
    "growth high": "insert while growing, 99.98 %",
    "growth worst": "insert while growing, worst",
}

INTRODUCTION = """\
These tables compare libcachetools with other caches that live in a program's memory. Each table
answers one question. Its first columns are three of libcachetools' eviction policies: LRU, which is
the usual one, SIEVE and W-TinyLFU, which keep more of what will be asked for. The last column is
the best of the other caches in that row, with its name. **Bold** is the best of the row.

Every cache works on the same keys of 16 bytes and, unless a row says otherwise, values of 64 bytes,
and copies each value out. A *get* looks a key up, a *set* stores an entry; once a cache is full, a
set of a new key *evicts* another entry. *Read-through* is what programs do: get, and set after a
miss. Some keys are asked for far more often than others there (zipf 0.99).

The other caches: those of RocksDB (LRU and HyperClock), LevelDB and tkrzw; quick_cache and moka,
written in Rust for many threads; and LRU as one builds it of a mutex and Boost.MultiIndex, of a
mutex and Rust's lru, or over oneTBB's hash map. A dash says that no other cache was measured there.

[All figures](#all-figures), of more policies and every other cache, follow below.
"""

ABOUT_ALL_TIMES = """\
Nanoseconds an operation: processor time; with several threads, wall time, by all their operations
together. Latencies are wall time, too. In brackets: times the floor and, for libcachetools, times
the fastest peer in that row, which is bold. The columns of libcachetools are named by policy.
The floor is a preallocated table of fixed slots without order, lock or strings; it has no tags
either, so that it searches longest for keys that are absent. flat_hash_map is Abseil's, with
strings, and neither order nor lock. Caches that choose their number of shards themselves stand in
the rows of both numbers. Latencies include one reading of the clock. The floor's are of the same
inserts, in turns, and show what the machine adds. The worst latency is the least of all rounds:
what a cache does itself, it does in every round. In rows with lifetimes, the brackets compare with
the same row without.
"""

ABOUT_COUNTS = """\
Instructions, with 1,000 entries in one shard. They hardly differ from run to run, whatever else the
machine does; but they do not say how long each takes. *For one thread only* is a cache that takes
no locks (CT_FLAG_SINGLE_THREADED).
"""

ABOUT_ALL_COUNTS = """\
Instructions an operation, of caches with 1,000 entries of 64 bytes in one shard (LevelDB and tkrzw
always have more); bold is the least without floor and flat_hash_map, which are no caches (see
Times). The loop of the benchmark is part of each figure: 36 instructions of a get, 23 of a set, 40
of a read-through. Two runs of different length are counted, so that start-up is not.
"""

SHORT = {"LRU": OWN + "LRU", "SIEVE": OWN + "SIEVE", "W-TinyLFU": OWN + "WTINYLFU"}

INK = "#737b85"  # to be read on white and on black
COLOURS = {  # of fewer and of more entries
    "floor": ("#b4bbc3", "#8a929b"),
    "own": ("#7fb3f5", "#2f7de0"),
    "peer": ("#efc27c", "#d08a1d"),
}
CURVES = ["#2f7de0", "#d08a1d", "#2aa06a", "#c2498d", "#8763d1", "#d2553f", "#1d9fb3", "#8a929b",
          "#9a9a1f", "#6b1f2a", "#b0713a"]

Row = collections.namedtuple("Row", "workload entries value shards threads ttl")


class Question:
    """A short table: what it answers, how to read it, and which rows it takes in which words."""

    def __init__(self, question, explanation, takes, label, most=False, order=None):
        self.question = question
        self.explanation = explanation
        self.takes = takes
        self.label = label
        self.most = most  # is best, not the least
        self.order = order  # of rows; None: that of the measurement


def is_plain(row):
    return (row.value, row.threads, row.ttl) == (64, 1, 0)


def with_entries(row):
    return f"{WORKLOADS[row.workload]}, {row.entries:,} entries"


QUESTIONS = [
    Question("How long does a get take?", "Nanoseconds.",
             lambda row: row.workload.startswith("get") and is_plain(row), with_entries),
    Question("How long does a set take that evicts?", "Nanoseconds.",
             lambda row: row.workload == "set_new" and is_plain(row),
             lambda row: f"{row.entries:,} entries"),
    Question("How long does an operation take where gets and sets are mixed?", "Nanoseconds.",
             lambda row: row.workload in ("read_through", "mixed") and is_plain(row),
             with_entries),
    Question("How many of the gets of read-through hit?",
             "Percent; a miss costs a program far more than a get.",
             lambda row: row.workload == "hits" and is_plain(row),
             lambda row: f"{row.entries:,} entries", most=True),
    Question("How much does the size of values matter?", "Nanoseconds, with 100,000 entries.",
             lambda row: row.value != 64,
             lambda row: f"{WORKLOADS[row.workload]}, {row.value:,} bytes"),
    Question("What do lifetimes cost?",
             "Nanoseconds, if each of 100,000 entries has a lifetime that does not end meanwhile,\n"
             "beside entries without.",
             lambda row: row.ttl == 1 or (is_plain(row) and row.entries == 100000
                                          and row.workload in ("get", "set_new")),
             lambda row: WORKLOADS[row.workload] + (", with lifetimes" if row.ttl else ""),
             order=lambda row: row.workload),
    Question("What happens if several threads use one cache?",
             "Nanoseconds of wall time, divided by the operations of all threads; 100,000 entries.",
             lambda row: row.threads > 1,
             lambda row: f"{WORKLOADS[row.workload]}, {row.threads} threads, {row.shards} shard"
                         + "s" * (row.shards > 1)),
    Question("How much memory does an entry take, beyond its key and value?", "Bytes.",
             lambda row: row.workload == "memory", lambda row: f"{row.entries:,} entries"),
    Question("How long does an insert take while the cache grows?",
             "Nanoseconds, from empty to full: on average; what 9,998 of 10,000 do not exceed;\n"
             "and the worst. The machine has a part in the last two: see the floor in all figures.",
             lambda row: row.workload.startswith("growth"), with_entries),
]


# ---- What was measured ---------------------------------------------------------------------------


def rounded(figure):
    return round(figure) if figure >= 1000 else float(f"{figure:.4g}")


class Results:
    """Figures by row and cache, and where they come from."""

    def __init__(self):
        self.samples = {}  # row: {cache: [figures]}
        self.roles = {}
        self.rounds = 0
        self.about = {}

    @classmethod
    def measured(cls, path, build):
        """Of the lines that measure.py wrote just now."""
        results = cls()
        with open(path, encoding="utf-8") as file:
            for line in file:
                results.add(json.loads(line))
        results.about = {"commit": commit() or "no commit", "machine": machine(build),
                         "versions": versions(results.roles), "rounds": results.rounds,
                         "spread": round(results.spread(), 3)}
        return results

    @classmethod
    def loaded(cls, path):
        results = cls()
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
        results.about, results.roles = kept["about"], kept["roles"]
        results.rounds = results.about["rounds"]
        for *row, figures in kept["figures"]:
            results.samples[Row(*row)] = {cache: [figure] for cache, figure in figures.items()}
        return results

    def save(self, path):
        """Keeps one figure for all rounds, a row a line."""
        rows = [json.dumps([*row, {cache: rounded(self.figure(row, cache))
                                   for cache in self.samples[row]}]) for row in self.samples]
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'{{"about": {json.dumps(self.about, indent=1)},\n'
                       f'"roles": {json.dumps(self.roles)},\n"figures": [\n')
            file.write(",\n".join(rows) + "\n]}\n")

    @property
    def caches(self):
        return sorted(self.roles, key=lambda name: ["floor", "own", "peer"].index(
            self.roles[name]))

    def add(self, process):
        self.rounds = process["rounds"]
        for benchmark in process["benchmarks"]:
            if "error_occurred" in benchmark:
                continue
            workload, cache, *rest = benchmark["name"].split("/")
            options = dict(part.split(":") for part in rest if ":" in part)
            self.roles[cache] = process["role"]
            row = Row(workload, int(options["entries"]), int(options["value"]),
                      int(options["shards"]), int(options.get("threads", 1)), int(options["ttl"]))
            self.add_figures(row, cache, benchmark)

    def add_figures(self, row, cache, benchmark):
        if "instructions" in benchmark:
            self.keep(row, cache, benchmark["instructions"])
            return
        if row.workload == "memory":
            self.keep(row, cache, benchmark["bytes"])
        elif row.workload == "growth":
            for name in ["mean", "high", "worst"]:
                its_row = row._replace(workload=f"growth {name}")
                if cache != FLOOR:
                    self.keep(its_row, cache, benchmark[f"{name}_ns"])
                self.keep(its_row, FLOOR, benchmark[f"table_{name}_ns"])
        else:
            self.keep(row, cache, 1e9 / benchmark["items_per_second"])
        if row.workload == "read_through" and row.threads == 1:
            self.keep(row._replace(workload="hits"), cache, 100 * benchmark["hit"])

    def keep(self, row, cache, figure):
        self.samples.setdefault(row, {}).setdefault(cache, []).append(figure)

    def figure(self, row, cache):
        """Returns the figure that stands for all rounds, or None."""
        samples = self.samples.get(row, {}).get(cache)
        if samples is None:
            return None
        return min(samples) if row.workload == "growth worst" else statistics.median(samples)

    def fastest_peer(self, row, best=min):
        figures = {cache: self.figure(row, cache) for cache in self.samples[row]
                   if self.roles[cache] == "peer"}
        return best(figures, key=figures.get) if figures else None

    def spread(self):
        """How far apart the rounds lie: the median of (largest - smallest) / median."""
        spreads = [(max(samples) - min(samples)) / statistics.median(samples)
                   for row, caches in self.samples.items()
                   if not row.workload.startswith(("growth", "memory", "hits"))
                   for samples in caches.values()]
        return statistics.median(spreads) if spreads else 0


# ---- Tables --------------------------------------------------------------------------------------


def title_of(cache):
    return TITLES.get(cache, cache[len(OWN):] if cache.startswith(OWN) else cache)


def short(number):
    return f"{number:,.0f}" if number >= 99.95 else f"{number:.3g}"


def short_beside(number, winner):
    """Bold also if the winner is ahead by less than is shown."""
    text = short(number)
    return f"**{text}**" if text == short(winner) else text


def ratio(number):
    return f"{number:.2f}×" if number < 0.995 else f"{number:.1f}×"


def cell(results, row, cache):
    figure = results.figure(row, cache)
    if figure is None:
        return ""
    text = short(figure)
    if row.workload == "hits":
        return text
    if row.ttl:
        plain = results.figure(row._replace(ttl=0), cache)
        return f"{text} ({ratio(figure / plain)})" if plain else text
    peer = results.fastest_peer(row)
    if cache == peer:
        text = f"**{text}**"
    ratios = []
    floor = results.figure(row, FLOOR)
    if floor and cache != FLOOR and row.workload != "memory":
        ratios.append(ratio(figure / floor))
    if results.roles[cache] == "own" and peer is not None and results.figure(row, peer) > 0:
        ratios.append(ratio(figure / results.figure(row, peer)))
    return f"{text} ({', '.join(ratios)})" if ratios else text


def heading_of(results, cache):
    return f"**{title_of(cache)}**" if results.roles[cache] == "own" else title_of(cache)


def all_times(results):
    lines = ["| what | entries | value | shards | threads | "
             + " | ".join(heading_of(results, cache) for cache in results.caches) + " |",
             "| --- |" + " ---: |" * (4 + len(results.caches))]
    for row in results.samples:
        what = WORKLOADS[row.workload] + (", lifetimes" if row.ttl else "")
        cells = [cell(results, row, cache) for cache in results.caches]
        lines.append(f"| {what} | {row.entries:,} | {row.value:,} | {row.shards} | {row.threads} | "
                     + " | ".join(cells) + " |")
    return "\n".join(lines)


def short_line(label, figures, other, best):
    """A line of a short table, of figures by column and the best other one with its name."""
    winner = best([it for it in [*figures, other[0]] if it is not None])
    cells = ["–" if it is None else short_beside(it, winner) for it in [*figures, other[0]]]
    if other[0] is not None:
        cells[-1] += f" ({other[1]})"
    return f"| {label} | " + " | ".join(cells) + " |"


def short_head(what):
    return [f"| {what} | " + " | ".join(SHORT) + " | best other |",
            "| --- |" + " ---: |" * len(SHORT) + " --- |"]


def row_line(results, row, label, suffix="", best=min):
    """suffix: of the names of libcachetools' caches that are to be shown."""
    peer = None if suffix else results.fastest_peer(row, best)
    return short_line(label, [results.figure(row, name + suffix) for name in SHORT.values()],
                      (results.figure(row, peer), title_of(peer)) if peer else (None, ""), best)


def is_shown(results, row):
    return any(name in results.samples[row] for name in SHORT.values())


def answer(results, question):
    rows = [row for row in results.samples if question.takes(row) and is_shown(results, row)]
    if not rows:
        return ""
    if question.order is not None:
        rows.sort(key=question.order)
    best = max if question.most else min
    lines = [row_line(results, row, question.label(row), best=best) for row in rows]
    return "\n".join([f"## {question.question}\n", question.explanation + "\n",
                      *short_head("what"), *lines]) + "\n\n"


def answer_counts(results):
    lines = []
    for row in results.samples:
        if not is_shown(results, row):
            continue
        what = WORKLOADS[row.workload]
        lines.append(row_line(results, row, what + (", with lifetimes" if row.ttl else "")))
        if f"{SHORT['LRU']}-unlocked" in results.samples[row]:
            lines.append(row_line(results, row, f"{what}, for one thread only", "-unlocked"))
    if not lines:
        return ""
    return "\n".join(["## How many instructions does an operation take?\n",
                      ABOUT_COUNTS,
                      *short_head("what"), *lines]) + "\n\n"


def all_counts(results):
    """Caches by lines, as there are few rows."""
    rows = list(results.samples)
    least = {row: min((results.figure(row, cache) for cache in results.samples[row]
                       if results.roles[cache] != "floor"), default=None)
             for row in rows}
    lines = ["| cache | " + " | ".join(WORKLOADS[row.workload] + (", lifetimes" if row.ttl else "")
                                       for row in rows) + " |",
             "| --- |" + " ---: |" * len(rows)]
    for cache in results.caches:
        figures = [(results.figure(row, cache), least[row]) for row in rows]
        cells = ["" if figure is None else short(figure) if results.roles[cache] == "floor"
                 else short_beside(figure, its_least) for figure, its_least in figures]
        lines.append(f"| {label_of(cache)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


# ---- The machine ---------------------------------------------------------------------------------


def first_line(path, name):
    """What follows a name in a file of names and values, or nothing."""
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith(name):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return ""


def said_by(*command):
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def compiler(build):
    """Returns the compiler of bench_cache, as it calls itself."""
    with open(os.path.join(build, "meson-info", "intro-targets.json"), encoding="utf-8") as file:
        commands = [sources["compiler"] for target in json.load(file)
                    if target["name"] == "bench_cache" for sources in target["target_sources"]
                    if "compiler" in sources]
    said = said_by(*commands[0], "--version") if commands else ""
    return said.splitlines()[0] if said else "unknown compiler"


def commit():
    here = os.path.dirname(os.path.abspath(__file__))
    return said_by("git", "-C", here, "describe", "--always", "--dirty")


def machine(build):
    model = first_line("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()
    memory = first_line("/proc/meminfo", "MemTotal")
    gibibytes = f", {int(memory.split()[0]) / 2**20:.0f} GiB" if memory else ""
    return (f"{model}, {os.cpu_count()} cores{gibibytes}; {platform.system()} "
            f"{platform.release()}; {compiler(build)}")


def origin(results):
    about = results.about
    rounds = ("One round." if about["rounds"] == 1 else
              f"Medians of {about['rounds']} rounds. The rounds of one figure lie "
              f"{100 * about['spread']:.0f} % apart (median of all figures),\n"
              "so smaller differences say nothing.")
    return (f"libcachetools at {about['commit']}. {about['machine']}. {about['versions']}.", rounds)


def versions(roles):
    found = []
    for title, module in [("RocksDB", "rocksdb"), ("oneTBB", "tbb"), ("tkrzw", "tkrzw"),
                          ("Abseil", "absl_flat_hash_map"), ("Google Benchmark", "benchmark")]:
        version = said_by("pkg-config", "--modversion", module)
        if version:
            found.append(f"{title} {version}")
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "caches", "rust", "Cargo.lock"), encoding="utf-8") as file:
        locked = dict(re.findall(r'name = "(.*)"\nversion = "(.*)"', file.read()))
    found += [f"{name} {locked[name]}" for name in ("quick_cache", "moka", "lru")
              if name in roles]
    return ", ".join(found)


# ---- Pictures ------------------------------------------------------------------------------------


def gnuplot(script):
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def inline(name, lines):
    """Data as gnuplot takes it within a script."""
    return f"${name} << END\n" + "\n".join(lines) + "\nEND\n"


def setting(path, width, height):
    return f"""set terminal svg size {width},{height} font 'Helvetica,Arial,sans-serif,12'
set output '{path}'
set border 0 lc rgb '{INK}'
set tics textcolor rgb '{INK}' nomirror scale 0
set title textcolor rgb '{INK}'
set xlabel textcolor rgb '{INK}'
set ylabel textcolor rgb '{INK}'
set key textcolor rgb '{INK}'
set grid lc rgb '{INK}' lw 0.3 dt (2,4)
"""


# Policies that the pictures leave out.
NOT_SHOWN = {OWN + policy for policy in ("FIFO", "LFU", "LRU-unlocked", "MRU", "RR")}
NOT_DRAWN = {"MRU", "RR"}
SHOWN_WORKLOADS = {
    "get": "get",
    "get_dependent": "get, dependent",
    "get_batch": "get, 16 a call",
    "set_new": "set, evicting",
    "read_through": "read-through, zipf",
}


def shown_caches(results):
    return [cache for cache in results.caches
            if cache == FLOOR or results.roles[cache] != "floor" and cache not in NOT_SHOWN]


def speed_rows(results):
    """Returns the rows of one thread and the usual size of values, by workload: of two sizes, or of
    one."""
    usual = [row for row in results.samples
             if row.workload in SHOWN_WORKLOADS and (row.value, row.threads, row.ttl) == (64, 1, 0)
             and row.shards == 1]
    sizes = sorted({row.entries for row in usual})
    sizes = [size for size in sizes if size in (10**5, 10**6)] or sizes[-1:]
    return sizes, {workload: [row for size in sizes for row in usual
                              if row.workload == workload and row.entries == size]
                   for workload in SHOWN_WORKLOADS}


def label_of(cache):
    """As a title, which says whose policy it is."""
    own = cache.startswith(OWN)
    return f"cachetools {title_of(cache)}" if own else title_of(cache)


def draw_speed(results, path):
    """Draws bars by cache, from zero on: one panel for each workload, with the two sizes side by
    side."""
    sizes, rows = speed_rows(results)
    caches = shown_caches(results)
    width, top, bottom = 1000, 58, 46
    height = top + bottom + len(caches) * (13 * len(sizes) + 8)
    left, right = 0.155, 0.995
    panel_width = (right - left) / len(rows)
    ticks = ", ".join(f'"{label_of(cache)}" {-place}' for place, cache in enumerate(caches))
    script = setting(path, width, height) + legend(sizes, left, width, height) + f"""
set multiplot
unset key
set style fill solid noborder
set yrange [{0.55 - len(caches)}:0.55]
set ytics ({ticks}) offset 0.5
set tmargin at screen {1 - top / height}
set bmargin at screen {bottom / height}
set grid xtics noytics
set xlabel 'ns per operation' font ',10' offset 0,0.5
"""
    for panel, (workload, its_rows) in enumerate(rows.items()):
        bars = list(bars_of(results, caches, its_rows))
        length = 1.25 * max((bar[0] for bar in bars), default=1)
        script += inline(f"bars{panel}", [" ".join(map(str, bar)) for bar in bars])
        script += f"""set lmargin at screen {left + panel * panel_width}
set rmargin at screen {left + (panel + 0.93) * panel_width}
set xrange [0:{length}]
set xtics 0,{step_of(length)},{length * 0.93} font ',10'
set title '{SHOWN_WORKLOADS[workload]}' offset 0,-0.5
plot $bars{panel} using (0):2:(0):1:3:4:5 with boxxyerror lc rgb variable, \\
  $bars{panel} using 1:2:6 with labels left offset 0.3,0 font ',9' tc rgb '{INK}'
unset ytics
unset label
unset object
"""
    gnuplot(script + "unset multiplot\n")


def bars_of(results, caches, rows):
    """Length, middle, both edges, colour, and the figure to be written."""
    thick = 0.8 / max(len(rows), 1)
    for place, cache in enumerate(caches):
        for turn, row in enumerate(rows):
            figure = results.figure(row, cache)
            if figure is None:
                continue
            middle = -place + 0.4 - thick * (turn + 0.5)
            colour = COLOURS[results.roles[cache]][turn + 2 - len(rows)]
            yield (figure, middle, middle - thick / 2, middle + thick / 2, int(colour[1:], 16),
                   short(figure))


def legend(sizes, left, width, height):
    """Explains light and dark in a line at the top."""
    script, x, y = "", left, 1 - 14 / height
    for turn, size in enumerate(sizes):
        for role in COLOURS:
            colour = COLOURS[role][turn + 2 - len(sizes)]
            script += (f"set object rectangle from screen {x}, {y - 5 / height} to screen "
                       f"{x + 10 / width}, {y + 5 / height} fc rgb '{colour}' fs solid noborder\n")
            x += 12 / width
        script += f"set label '{size:,} entries' at screen {x + 4 / width}, {y} font ',11' " \
                  f"tc rgb '{INK}'\n"
        x += 130 / width
    return script


def step_of(length):
    """Between ticks, so that there are up to four beyond 0: 1, 2 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(length))
    return next(power * factor for factor in (0.2, 0.5, 1, 2, 5) if length / (power * factor) < 4)


def draw_curves(path, trace, names, rows, heading):
    """Miss ratio over size, a curve for each policy that differs from the ones before."""
    shown, seen = [], []
    for column, name in enumerate(names):
        curve = [row[2 + column] for row in rows]
        if name not in NOT_DRAWN and curve not in seen:
            shown.append((name, column + 3))
            seen.append(curve)
    script = setting(path, 760, 420) + inline("data", [" ".join(row) for row in rows])
    script += f"""set border 3 lw 0.7
set logscale x
set autoscale xfix
set xtics ({', '.join(f'"{row[0]}" {row[0]}' for row in rows)}) font ',10'
set xlabel 'size of the cache, in percent of the number of different keys'
set ylabel 'miss ratio'
set yrange [0:*]
set format y '%.1f'
set title '{trace}: {heading}'
set key right top samplen 2 spacing 1.1 Left reverse
plot """
    script += ", ".join(f"$data using 1:{column} with linespoints lw 2 pt 7 ps 0.35 "
                        f"lc rgb '{CURVES[turn % len(CURVES)]}' title '{name}'"
                        for turn, (name, column) in enumerate(shown))
    gnuplot(script + "\n")


# ---- Hit ratios ----------------------------------------------------------------------------------


def report_trace(path, folder):
    """Draws the curves, and returns a short and a full table in Markdown."""
    trace = os.path.basename(path)[len("hit_ratio_"):-len(".json")]
    with open(path, encoding="utf-8") as file:
        replayed = json.load(file)
    names = list(dict.fromkeys(it["policy"] for it in replayed["results"]))
    rows = {}
    for it in replayed["results"]:
        row = rows.setdefault(it["size"], [it["size"].rstrip("%"), str(it["entries"])])
        row.append(f"{it['miss_ratio']:.4f}")
    rows = list(rows.values())
    heading = f"{replayed['requests']:,} requests for {replayed['keys']:,} different keys"
    draw_curves(os.path.join(folder, f"hit_ratio_{trace}.svg"), trace, names, rows, heading)
    lines = [f"Trace {trace}: {heading}.", ""]
    full = ["| size, % | entries | " + " | ".join(names) + " |", "|" + " ---: |" * len(rows[0])]
    full += ["| " + " | ".join(row) + " |" for row in rows]
    own = [name[len(OWN):] for name in SHORT.values()]
    least = short_head("size, entries")
    least[0] = least[0].replace("best other", "best other policy")
    for row in rows:
        ratios = dict(zip(names, row[2:]))
        other = min((name for name in names if name not in own), key=ratios.get)
        winner = min(ratios.values())
        cells = [f"**{ratios[name]}**" if ratios[name] == winner else ratios[name]
                 for name in [*own, other]]
        least.append(f"| {row[0]} %, {row[1]} | " + " | ".join(cells) + f" ({other}) |")
    return "\n".join(lines + least), "\n".join(lines + full)


def page(results, counts, traces):
    """Returns the short tables and all figures. Each kind of results may be missing."""
    text = f"# How fast libcachetools is\n\n{INTRODUCTION}\n"
    full = "# All figures\n\n"
    if counts:
        where, _ = origin(counts)
        text += answer_counts(counts)
        full += f"## Instructions\n\n{ABOUT_ALL_COUNTS}\n{where}\n\n{all_counts(counts)}\n\n"
    if results:
        where, rounds = origin(results)
        text += "## Where the times come from\n\n"
        text += f"The times below are of libcachetools at {results.about['commit']}"
        if counts and counts.about["commit"] != results.about["commit"]:
            text += f", the instructions above of {counts.about['commit']}"
        text += f".\n{rounds}\n\n"
        text += "".join(answer(results, question) for question in QUESTIONS)
        full += f"## Times\n\n{ABOUT_ALL_TIMES}\n{where}\n{rounds}\n\n{all_times(results)}\n\n"
    if traces:
        text += ("## Which policy misses least?\n\nThe part of the requests that misses, in a "
                 "recorded trace. Each key is looked up and, if it is\nmissing, stored. Sizes are "
                 "parts of the number of different keys.\n\n"
                 + "\n\n".join(short_table for short_table, _ in traces) + "\n\n")
        full += "## Miss ratios\n\n" + "\n\n".join(table for _, table in traces) + "\n"
    return text.rstrip("\n") + "\n", full.rstrip("\n") + "\n"


def take(folder, measured, kept, build):
    """Returns results, new or kept, or None."""
    measured, kept = os.path.join(folder, measured), os.path.join(folder, kept)
    if os.path.exists(measured):
        Results.measured(measured, build).save(kept)
    return Results.loaded(kept) if os.path.exists(kept) else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("results", help="the folder")
    options = parser.parse_args()

    folder = options.results
    results = take(folder, "measured.jsonl", "speed.json", options.build)
    counts = take(folder, "counted.jsonl", "instructions.json", options.build)
    if results:
        draw_speed(results, os.path.join(folder, "speed.svg"))
    traces = [report_trace(path, folder)
              for path in sorted(glob.glob(os.path.join(folder, "hit_ratio_*.json")))]
    text, full = page(results, counts, traces)
    with open(os.path.join(folder, "bench.md"), "w", encoding="utf-8") as file:
        file.write(f"<!-- SPDX-License-Identifier: MIT -->\n{text}\n{full}")
    print(text, end="")


main()
