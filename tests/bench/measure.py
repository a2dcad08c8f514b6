# SPDX-License-Identifier: MIT
"""Runs bench_cache for every cache in turns, and keeps its output.

A round measures each cache once, in a process of its own with a heap of its own. Machines have good
and bad minutes: as caches take turns, these hit all of them alike, and report.py takes medians.

With --count, it counts instructions by Valgrind instead. What else the machine does is no matter
then: processes run side by side, once each.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

Cache = collections.namedtuple("Cache", "name role threads ttl shards")

# Policies that behave like another one here, or that nobody chooses for speed.
LEFT_OUT = ["cachetools-" + policy for policy in ("ANY", "MRU", "RR", "TLRU", "TTL")]
# Of these, only instructions are counted.
NOT_TIMED = ["cachetools-SIEVE-unlocked", "cachetools-WTINYLFU-unlocked"]

SPEED = ["get", "get_dependent", "get_batch", "get_absent", "set_new", "read_through", "mixed"]

COUNTED = ["get", "set_new", "read_through"]
COUNTED_RUNS = (16000, 96000)  # operations; the difference is what counts
# Of libcachetools, only these are counted with lifetimes.
COUNTED_TTL = ["cachetools-" + policy for policy in ("LRU", "SIEVE", "WTINYLFU")]


class Plan:
    """How much is measured: rounds, the seconds of one measurement, and combinations."""

    def __init__(self, extent, cores):
        self.rounds = {"quick": 1, "default": 5, "long": 9}[extent]
        self.seconds = {"quick": 0.01, "default": 0.05, "long": 0.2}[extent]
        self.jobs = []
        if extent == "quick":
            self.add(SPEED, entries="1e5")
            self.add(["memory"], entries="1e5")
            self.add(["growth"], entries="1e5")
            return
        for entries in ["1e3", "1e5", "1e6"]:
            self.add(SPEED, entries=entries)
        for size in ["16", "1024", "4096"]:
            self.add(["get", "set_new"], entries="1e5", values=size)
        self.add(["get", "set_new"], entries="1e5", ttl="1")
        for threads in sorted({2, cores} - {1}):
            for shards in ["1", "16"]:
                self.add(["get", "read_through", "mixed"], entries="1e5", shards=shards,
                         threads=str(threads))
        self.add(["memory"], entries="1e6")
        self.add(["growth"], entries="1e6")
        if extent == "long":
            self.add(SPEED, entries="1e7")
            self.add(["memory"], entries="1e7")
            self.add(["growth"], entries="1e7")

    def add(self, workloads, **options):
        """Plans a job: what one process does for each cache in each round."""
        self.jobs.append({"workloads": ",".join(workloads), **options})


def list_caches(program):
    lines = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout
    return [Cache(*line.split()) for line in lines.splitlines()]


def choose_caches(known, wanted, left_out, refuse):
    if wanted is None:
        return [cache for cache in known if cache.name not in left_out]
    by_name = {cache.name: cache for cache in known}
    for name in wanted.split(","):
        if name not in by_name:
            refuse(f"there is no cache {name!r}; there are: {', '.join(by_name)}")
    return [by_name[name] for name in wanted.split(",")]


def can_do(cache, job):
    """Whether a cache has what a job asks for."""
    if job.get("threads", "1") != "1" and cache.threads != "many":
        return False
    if job.get("ttl") == "1" and cache.ttl != "ttl":
        return False
    shards = cache.shards.split(",")
    return len(shards) == 1 or job.get("shards", "1") in shards


def run(program, cache, job, seconds):
    """Returns the output of bench_cache for one cache, as a list of benchmarks."""
    options = [f"--{name}={value}" for name, value in job.items()]
    command = [program, f"--caches={cache.name}", *options, "--benchmark_format=json",
               f"--benchmark_min_time={seconds}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\nfailed with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)["benchmarks"]


def instructions(program, cache, job, operations):
    """Returns how many instructions bench_cache takes for so many operations, start-up included."""
    options = [f"--{name}={value}" for name, value in job.items()]
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program,
               f"--caches={cache.name}", *options, f"--operations={operations}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        sys.exit(f"{' '.join(command)}\nfailed with {done.returncode}: {done.stderr}")
    return int(found[1])


def count(program, cache, job):
    """Returns what is written of one cache: instructions an operation. Two runs of different length
    differ by operations only, so that start-up does not count."""
    short, long = COUNTED_RUNS
    difference = (instructions(program, cache, job, long)
                  - instructions(program, cache, job, short))
    name = (f"{job['workloads']}/{cache.name}/entries:{job['entries']}/value:64/shards:1/"
            f"ttl:{job['ttl']}")
    return {"role": cache.role, "rounds": 1,
            "benchmarks": [{"name": name, "instructions": difference / (long - short)}]}


def count_all(program, caches, out):
    tasks = [(cache, job) for workload in COUNTED for ttl in ("0", "1") for cache in caches
             for job in [{"workloads": workload, "entries": "1000", "ttl": ttl}]
             if can_do(cache, job)
             and (ttl == "0" or cache.role == "peer" or cache.name in COUNTED_TTL)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        counted = pool.map(lambda task: count(program, *task), tasks)
        for number, ((cache, _), line) in enumerate(zip(tasks, counted), 1):
            tell(f"Counting {number} of {len(tasks)}: {cache.name:28}")
            json.dump(line, out)
            out.write("\n")
            out.flush()


def measure_all(program, caches, plan, rounds, out):
    for number, job in enumerate(plan.jobs, 1):
        takers = [cache for cache in caches if can_do(cache, job)]
        for turn in range(rounds):
            for cache in takers:
                tell(f"Measuring {number} of {len(plan.jobs)}, round {turn + 1} of {rounds}: "
                     f"{cache.name:28}")
                benchmarks = run(program, cache, job, plan.seconds)
                json.dump({"role": cache.role, "rounds": rounds, "benchmarks": benchmarks}, out)
                out.write("\n")
                out.flush()


def tell(progress):
    if sys.stderr.isatty():
        print(f"\r{progress}", end="", file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, help="bench_cache")
    parser.add_argument("--out", required=True, help="a line of JSON for each process")
    parser.add_argument("--count", action="store_true", help="instructions")
    parser.add_argument("--extent", choices=["quick", "default", "long"], default="default")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--caches", help="names, parted by commas")
    options = parser.parse_args()

    left_out = LEFT_OUT if options.count else LEFT_OUT + NOT_TIMED
    caches = choose_caches(list_caches(options.program), options.caches, left_out, parser.error)
    plan = Plan(options.extent, os.cpu_count() or 1)
    started = time.monotonic()
    with open(options.out, "w", encoding="utf-8") as out:
        if options.count:
            count_all(options.program, caches, out)
        else:
            measure_all(options.program, caches, plan, options.rounds or plan.rounds, out)
    tell(f"{'':70}\r")
    what = "Counting instructions" if options.count else "Measuring"
    print(f"{what} ... done ({time.monotonic() - started:.0f} s)\n")


main()
