# SPDX-License-Identifier: MIT
"""Makes a table and pictures of what measure.py and cachetools-sim left in a folder of results.

    report.py --build BUILD_FOLDER RESULTS

writes bench.md, speed.svg and, for each trace, hit_ratio_NAME.svg; and prints bench.md.
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
Nanoseconds an operation: processor time; with several threads, wall time, by all their operations
together. Latencies are wall time, too. Every read copies the value out; keys have 16 bytes. In
brackets: times the floor and, for libcachetools, times the fastest peer in that row, which is bold.
The columns of libcachetools are named by policy.
The floor is a preallocated table of fixed slots without order, lock or strings; it has no tags
either, so that it searches longest for keys that are absent. flat_hash_map is Abseil's, with
strings, and neither order nor lock. Caches that choose their number of shards themselves stand in
the rows of both numbers. Latencies include one reading of the clock. The floor's are of the same
inserts, in turns, and show what the machine adds. The worst latency is the least of all rounds:
what a cache does itself, it does in every round. In rows with lifetimes, the brackets compare with
the same row without.
"""

INK = "#737b85"  # to be read on white and on black
COLOURS = {  # of fewer and of more entries
    "floor": ("#b4bbc3", "#8a929b"),
    "own": ("#7fb3f5", "#2f7de0"),
    "peer": ("#efc27c", "#d08a1d"),
}
CURVES = ["#2f7de0", "#d08a1d", "#2aa06a", "#c2498d", "#8763d1", "#d2553f", "#1d9fb3", "#8a929b",
          "#9a9a1f", "#6b1f2a", "#b0713a"]

Row = collections.namedtuple("Row", "workload entries value shards threads ttl")


# ---- What was measured ---------------------------------------------------------------------------


class Results:
    """Medians by row and cache."""

    def __init__(self, path):
        self.samples = {}  # row: {cache: [figures]}
        self.roles = {}
        self.rounds = 0
        with open(path, encoding="utf-8") as file:
            for line in file:
                self.add(json.loads(line))
        self.caches = sorted(self.roles, key=lambda name: ["floor", "own", "peer"].index(
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

    def fastest_peer(self, row):
        figures = {cache: self.figure(row, cache) for cache in self.samples[row]
                   if self.roles[cache] == "peer"}
        return min(figures, key=figures.get) if figures else None

    def spread(self):
        """How far apart the rounds lie: the median of (largest - smallest) / median."""
        spreads = [(max(samples) - min(samples)) / statistics.median(samples)
                   for row, caches in self.samples.items()
                   if not row.workload.startswith(("growth", "memory", "hits"))
                   for samples in caches.values()]
        return statistics.median(spreads) if spreads else 0


# ---- The table -----------------------------------------------------------------------------------


def title_of(cache):
    return TITLES.get(cache, cache[len(OWN):] if cache.startswith(OWN) else cache)


def short(number):
    return f"{number:,.0f}" if number >= 99.95 else f"{number:.3g}"


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


def table(results):
    lines = ["| what | entries | value | shards | threads | "
             + " | ".join(heading_of(results, cache) for cache in results.caches) + " |",
             "| --- |" + " ---: |" * (4 + len(results.caches))]
    for row in results.samples:
        what = WORKLOADS[row.workload] + (", lifetimes" if row.ttl else "")
        cells = [cell(results, row, cache) for cache in results.caches]
        lines.append(f"| {what} | {row.entries:,} | {row.value:,} | {row.shards} | {row.threads} | "
                     + " | ".join(cells) + " |")
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
            f"{platform.release()}; {compiler(build)}; libcachetools at {commit() or 'no commit'}")


def rounds_of(results):
    if results.rounds == 1:
        return "One round."
    return (f"Medians of {results.rounds} rounds; the median of their spreads is "
            f"{100 * results.spread():.0f} %.")


def versions(results):
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
              if name in results.roles]
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
    """Draws the curves, and returns the table in Markdown."""
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
    lines = [f"Trace {trace}: {heading}.", "",
             "| size, % | entries | " + " | ".join(names) + " |", "|" + " ---: |" * len(rows[0])]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("results", help="the folder")
    options = parser.parse_args()

    results = Results(os.path.join(options.results, "measured.jsonl"))
    text = (f"# Speed\n\n{INTRODUCTION}\n{machine(options.build)}.\n{versions(results)}. "
            f"{rounds_of(results)}\n\n{table(results)}\n")
    draw_speed(results, os.path.join(options.results, "speed.svg"))
    traces = [report_trace(path, options.results)
              for path in sorted(glob.glob(os.path.join(options.results, "hit_ratio_*.json")))]
    if traces:
        text += "\n# Miss ratios\n\nEach key is looked up and, if it is missing, stored.\n\n"
        text += "\n\n".join(traces) + "\n"
    with open(os.path.join(options.results, "bench.md"), "w", encoding="utf-8") as file:
        file.write("<!-- SPDX-License-Identifier: MIT -->\n" + text)
    print(text, end="")


main()
