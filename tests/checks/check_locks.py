#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks by clang's thread-safety analysis that what a lock guards is touched under it only.

Usage: check_locks.py ROOT CLANG++ [--self-test] [FLAG...]

All of src/ and abi/ is analysed, and no more functions are exempt than are known. --self-test plants
a breach of each kind in a copy, and fails unless it is found.
"""
import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

# Locks that are taken or not, as is known at run time only: ShardLock and GatheringTurn, two
# functions each. And two of a shard: unlocked and under_lock.
EXEMPT = 6
# How often a lock may only be said to be held.
ASSERTED = 0

# What is taken out of a file, and what is put there instead.
BREACHES = {
    "a guarded field without the lock":
        ("src/shard/shard.cpp", "  Locked locked(*this);\n  counters_.add_to(stats);",
         "  counters_.add_to(stats);"),
    "a function without the lock that it needs":
        ("src/shard/shard_load.cpp", "  Locked locked(*this);\n  overtake_load(probe);",
         "  overtake_load(probe);"),
    "a removal before the policy knows all uses":
        ("src/shard/shard_remove.cpp", "  Settled settled(*this);\n  overtake_load(probe);",
         "  Locked locked(*this);\n  overtake_load(probe);"),
    "a lock that is taken twice":
        ("src/shard/shard_pins.cpp", "  Locked locked(*this);\n",
         "  Locked locked(*this);\n  Locked again(*this);\n"),
    "a heap without its lock":
        ("src/base/page_heap.cpp", "  const Guard guard(lock_);\n", ""),
    "a look at the map without the lock":
        ("src/shard/shard_batch.cpp", "  Shard::Locked locked(shard_);\n  const Place place",
         "  const Place place"),
    "a lock that is only said to be held":
        ("src/shard/shard_pins.cpp", "  Locked locked(*this);\n", "  lock_.assert_held();\n"),
    "an exempt function in clang's own words":
        ("src/shard/shard_load.cpp", "void Shard::overtake_all() {",
         "__attribute__((no_thread_safety_analysis)) void Shard::overtake_all() {"),
    "one more exempt function":
        ("src/shard/shard_load.cpp", "Landing Shard::check_in(", "CT_UNCHECKED Landing Shard::check_in("),
}


def sources(root):
    found = glob.glob(os.path.join(root, "src", "*", "*.cpp"))
    found += glob.glob(os.path.join(root, "abi", "*.cpp"))
    return sorted(name for name in found if os.sep + "tools" + os.sep not in name)


def analyse(root, compiler, name, flags):
    command = compiler + ["-std=c++17", "-fsyntax-only", "-fno-exceptions", "-fno-rtti",
                          "-Wthread-safety", "-Wthread-safety-beta",
                          "-Werror=thread-safety", "-Werror=thread-safety-beta",
                          "-I" + os.path.join(root, "include"), "-I" + os.path.join(root, "src"),
                          name] + flags
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return "" if done.returncode == 0 else done.stdout


def count_exempt(root):
    count = 0
    for name in glob.glob(os.path.join(root, "src", "*", "*.[ch]pp")):
        with open(name, encoding="utf-8") as file:
            text = file.read()
        if not name.endswith("annotations.hpp"):
            count += len(re.findall(r"\bCT_UNCHECKED\b|\bno_thread_safety_analysis\b", text))
    return count


def count_asserted(root):
    """How often a lock is only said to be held."""
    count = 0
    for name in glob.glob(os.path.join(root, "src", "*", "*.[ch]pp")):
        with open(name, encoding="utf-8") as file:
            count += len(re.findall(r"\bassert_held\(\);|\bassert_capability\b", file.read()))
    return count


def problems(root, compiler, names):
    found = []
    if count_exempt(root) > EXEMPT:
        found.append("More functions are exempt than the %d that are known." % EXEMPT)
    if count_asserted(root) > ASSERTED:
        found.append("More functions say that a lock is held than the %d that are known." % ASSERTED)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [(name, flags) for name in names for flags in ([], ["-DCT_VALIDATE"])]
        found += [text for text in pool.map(lambda job: analyse(root, compiler, *job), jobs) if text]
    return found


def self_test(root, compiler):
    failed = []
    for what, (name, old, new) in BREACHES.items():
        with tempfile.TemporaryDirectory() as folder:
            for part in ("src", "include"):
                shutil.copytree(os.path.join(root, part), os.path.join(folder, part))
            planted = os.path.join(folder, name)
            with open(planted, encoding="utf-8") as file:
                text = file.read()
            if old not in text:
                failed.append("%s: there is no place to plant it in %s" % (what, name))
                continue
            with open(planted, "w", encoding="utf-8") as file:
                file.write(text.replace(old, new, 1))
            if not problems(folder, compiler, [planted]):
                failed.append("not found: " + what)
    return failed


def main():
    root, arguments = sys.argv[1], sys.argv[2:]
    tests_itself = "--self-test" in arguments
    compiler = [argument for argument in arguments if argument != "--self-test"]
    found = self_test(root, compiler) if tests_itself else problems(root, compiler, sources(root))
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
