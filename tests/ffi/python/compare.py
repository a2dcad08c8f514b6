# SPDX-License-Identifier: MIT
"""Compares the package with other caches for Python: a table of nanoseconds.

    pip install cachetools cachebox && python compare.py

What is not installed is left out. All caches are LRU, of 1,000 entries, with str keys and objects as
values, but for BytesCache. cachetools says itself that its caches need a lock among threads; here
they have one where two threads use them, as cachetools' own decorator has.
"""

import functools
import importlib
import threading
import time

import libcachetools

COUNT = 1000
ROUNDS = 15


def load(name):
    """Return a module, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


cachetools, cachebox = load("cachetools"), load("cachebox")


class Locked:
    """A cache with a lock around each use."""

    def __init__(self, cache):
        self._cache = cache
        self._lock = threading.Lock()

    def __getitem__(self, key):
        with self._lock:
            return self._cache[key]

    def __setitem__(self, key, value):
        with self._lock:
            self._cache[key] = value


def gets(cache, keys):
    """Read keys that are there."""
    for key in keys:
        cache[key]


def sets(cache, keys):
    """Write keys that are not there, so that others leave."""
    for key in keys:
        cache[key] = key


def calls(function, keys):
    """Call with arguments whose results are remembered."""
    for key in keys:
        function(key)


def best(work, it, many_keys):
    """Return the least nanoseconds of an operation, in so many threads as there are keys for."""
    least = float("inf")
    for _ in range(ROUNDS):
        barrier = threading.Barrier(len(many_keys) + 1)

        def run(keys, barrier=barrier):
            barrier.wait()
            for _ in range(10):
                work(it, keys)

        threads = [threading.Thread(target=run, args=(keys,)) for keys in many_keys]
        for thread in threads:
            thread.start()
        barrier.wait()
        start = time.perf_counter_ns()
        for thread in threads:
            thread.join()
        operations = 10 * sum(map(len, many_keys))
        least = min(least, (time.perf_counter_ns() - start) / operations)
    return least


def contenders(threads):
    """Return caches and decorators by name."""
    guard = Locked if threads > 1 else lambda cache: cache
    lock = {"lock": threading.Lock()} if threads > 1 else {}
    caches = {
        "`BytesCache`": libcachetools.BytesCache(maxsize=COUNT),
        "`Cache`, `memoize`": libcachetools.Cache(maxsize=COUNT),
    }
    decorators = {"`Cache`, `memoize`": libcachetools.memoize(maxsize=COUNT)}
    if cachetools:
        name = f"cachetools {cachetools.__version__}"
        caches[name] = guard(cachetools.LRUCache(COUNT))
        decorators[name] = cachetools.cached(cachetools.LRUCache(COUNT), **lock)
    if cachebox:
        name = f"cachebox {cachebox.__version__}"
        caches[name] = cachebox.LRUCache(COUNT)
        decorators[name] = cachebox.cached(cachebox.LRUCache(COUNT))
    decorators["`functools.lru_cache`"] = functools.lru_cache(COUNT)
    return caches, decorators


def row(name, threads, caches, decorators):
    """Return the figures of one contender."""
    encode = str.encode if name == "`BytesCache`" else str
    there = [encode(f"{number:016}") for number in range(COUNT)]
    new = [encode(f"new-{number:012}") for number in range(10 * COUNT)]
    cells = ["", "", ""]
    shares = [there[number::threads] for number in range(threads)]
    if name in caches:
        sets(caches[name], there)
        cells[0] = f"{best(gets, caches[name], shares):.0f}"
        cells[1] = f"{best(sets, caches[name], [new[it::threads] for it in range(threads)]):.0f}"
    if name in decorators:
        function = decorators[name](lambda key: key)
        calls(function, there)
        cells[2] = f"{best(calls, function, shares):.0f}"
    return cells


def main():
    """Print the table."""
    print("| ns | get | set that evicts | memoized hit | 2 threads: get | set | hit |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    tables = {threads: contenders(threads) for threads in (1, 2)}
    caches, decorators = tables[1]
    for name in dict.fromkeys([*caches, *decorators]):
        cells = [cell for threads, them in tables.items() for cell in row(name, threads, *them)]
        print(f"| {name} | {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))


if __name__ == "__main__":
    main()
