# SPDX-License-Identifier: MIT
"""What bench.c measures, in Python; batches are copied."""

import time

from libcachetools import BytesCache

ENTRIES, BATCH, GETS, RUNS = 1000, 16, 16_000, 50


def measure(run):
    def once():
        begin = time.perf_counter_ns()
        run()
        return (time.perf_counter_ns() - begin) / GETS

    return min(once() for _ in range(RUNS))


def main():
    cache = BytesCache(ENTRIES)
    keys = []
    random = 1
    for i in range(ENTRIES):
        keys.append(b"key %012d" % i)
        cache[keys[i]] = bytes([i % 256]) * 64
        random = (random * 1664525 + 1013904223) % 2**32
        other = (random >> 8) % (i + 1)
        keys[i], keys[other] = keys[other], keys[i]
    keys += keys[:BATCH]

    def single():
        for _ in range(GETS // ENTRIES):
            for key in keys[:ENTRIES]:
                cache.pin(key)[0]

    def copied():
        for _ in range(GETS // ENTRIES):
            for key in keys[:ENTRIES]:
                cache[key][0]

    def batches():
        for i in range(0, GETS, BATCH):
            begin = i % ENTRIES
            for value in cache.get_many(keys[begin:begin + BATCH]):
                value[0]

    print(f"{measure(single):.1f} {measure(copied):.1f} {measure(batches):.1f}")


if __name__ == "__main__":
    main()
