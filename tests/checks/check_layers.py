#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that the includes of src/ and abi/ go one way.

A layer includes headers of its own and of those before it in LAYERS. The programs in src/tools/
include headers of their own and the public header. So does src/redis/, which is a library of its
own, with its boundary in abi/redis/. No headers include each other. Headers of a system are for
those files of src/base/ that are there for it, and for src/tools/ and src/redis/. --self-test plants
a breach of each kind in a copy, and fails unless it is found.
"""
import os
import re
import shutil
import sys
import tempfile

LAYERS = ["include", "base", "table", "policy", "shard", "cache", "snapshot", "memo", "abi"]
MAY_INCLUDE = {layer: LAYERS[:i + 1] for i, layer in enumerate(LAYERS)}
MAY_INCLUDE["tools"] = ["include", "tools"]
MAY_INCLUDE["redis"] = ["include", "redis"]
MAY_INCLUDE["abi/redis"] = ["include", "redis", "abi/redis"]
# Where headers are named from: src/, or the file's own folder here.
HOMES = {"abi": "abi", "abi/redis": "abi/redis", "tools": "src/tools"}
# What comes with any compiler: C++'s own headers, and those of C that promise the same everywhere.
EVERYWHERE = re.compile(r"[a-z_]+|(?:inttypes|math|stdbool|stddef|stdint|stdio|stdlib|string)\.h")
# The files that know a system, and the other headers that single files may include.
OF_A_SYSTEM = re.compile(r"src/base/(?:system\w*|parking)\.[ch]pp|src/tools/.*|(?:src|abi)/redis/.*")
BESIDE = {
    "src/base/cell.hpp": ["emmintrin.h"],
    "src/base/hash.hpp": ["xxhash.h"],
    "src/base/mapping.cpp": ["valgrind/memcheck.h"],
    "src/base/page_heap.cpp": ["sanitizer/asan_interface.h"],
    "src/base/probes.hpp": ["sys/sdt.h"],
}
# All that a compiler may take for an include, and the one way to write it that is let through.
ANY_INCLUDE = re.compile(r"^.*(?:#|%:|\?\?=)(?:[ \t\v\f]|/\*[\s\S]*?\*/)*(?:include|import).*$",
                         re.MULTILINE)
INCLUDE = re.compile(r'#include ("[^"]+"|<[^>]+>)(?:  // .*)?')


def sources(root):
    found = []
    for top in ("src", "abi"):
        for folder, below, names in os.walk(os.path.join(root, top)):
            if top == "abi":
                below[:] = [name for name in below if name == "redis"]  # others are wrappers
            found += [os.path.relpath(os.path.join(folder, name), root) for name in names
                      if re.search(r"\.[chi]\w*$", name)]
    return sorted(found)


def layer_of(name):
    parts = name.split("/")
    return parts[1] if parts[0] == "src" else "/".join(parts[:-1])


def written(root, name):
    """The lines that include something."""
    with open(os.path.join(root, name), encoding="utf-8") as file:
        return ANY_INCLUDE.findall(file.read().replace("\\\n", ""))


def problems(root):
    found, graph = [], {"include/cachetools.h": [], "include/cachetools-redis.h": []}
    graph.update((name, []) for name in sources(root))
    for name in sources(root):
        layer = layer_of(name)
        if layer not in MAY_INCLUDE:
            found.append("%s: its folder is not a layer" % name)
            continue
        for line in written(root, name):
            include = INCLUDE.fullmatch(line)
            if not include:
                found.append('%s: write `#include "..."` instead of `%s`' % (name, line.strip()))
                continue
            other = include[1][1:-1]
            homes = [HOMES.get(layer, "src"), "src", "include"]
            ours = [home + "/" + other for home in homes if home + "/" + other in graph]
            exists = any(os.path.exists(os.path.join(root, folder, other))
                         for folder in homes + [os.path.dirname(name), ""])
            if ours:
                graph[name].append(ours[0])
                if layer_of(ours[0]) not in MAY_INCLUDE[layer]:
                    found.append("%s: it may not include %s" % (name, other))
            elif exists or include[1][0] == '"':
                found.append("%s: %s is not named from %s/ on" % (name, other, homes[0]))
            elif not (EVERYWHERE.fullmatch(other) or OF_A_SYSTEM.fullmatch(name)
                      or other in BESIDE.get(name, [])):
                found.append("%s: %s is a header of a system" % (name, other))
    cycle = find_cycle(graph)
    if cycle:
        found.append("headers include each other: " + " ".join(cycle))
    return found


def find_cycle(graph):
    """The headers of a cycle, or None."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return path[path.index(name):] + [name]
        if name in done:
            return None
        path.append(name)
        for other in graph[name]:
            cycle = visit(other)
            if cycle:
                return cycle
        path.pop()
        done.add(name)
        return None

    for name in graph:
        cycle = visit(name)
        if cycle:
            return cycle
    return None


# What is added to a file, and the message that it must bring.
BREACHES = {
    "a later layer": ("src/table/list.hpp", '#include "shard/shard.hpp"', "may not include"),
    "a later layer between angle brackets":
        ("src/table/list.hpp", "#include <shard/shard.hpp>", "may not include"),
    "a later layer by a detour":
        ("src/table/list.hpp", '#include "table/../shard/shard.hpp"', "not named"),
    "no blank before the name": ("src/table/list.hpp", '#include"shard/shard.hpp"', "instead of"),
    "an import": ("src/table/list.hpp", '#import "shard/shard.hpp"', "instead of"),
    "an include of the next file": ("src/table/list.hpp", "#include_next <list.hpp>", "instead of"),
    "a comment before the name":
        ("src/table/list.hpp", '#include /* */ "shard/shard.hpp"', "instead of"),
    "a comment of two lines before the word":
        ("src/table/list.hpp", '/* */ # /*\n*/ include "shard/shard.hpp"', "instead of"),
    "a line that goes on in the next":
        ("src/table/list.hpp", '#inc\\\nlude "shard/shard.hpp"', "may not include"),
    "another spelling of the first character":
        ("src/table/list.hpp", '%:include "shard/shard.hpp"', "instead of"),
    "a name behind a macro":
        ("src/table/list.hpp", '#define H "shard/shard.hpp"\n#include H', "instead of"),
    "a name without its folder": ("src/table/list.hpp", '#include "entry.hpp"', "not named"),
    "a name from the root on": ("src/table/list.hpp", '#include "src/table/entry.hpp"', "not named"),
    "a header of abi/": ("src/cache/cache.hpp", '#include "../abi/boundary.hpp"', "not named"),
    "a header of abi/ between angle brackets":
        ("src/base/memory.hpp", "#include <abi/boundary.hpp>", "not named"),
    "a program's header": ("src/cache/cache.hpp", '#include "tools/file.hpp"', "may not include"),
    "a program's header in abi/":
        ("abi/status.cpp", '#include "tools/file.hpp"', "may not include"),
    "a header of a layer in a program":
        ("src/tools/replay.cpp", '#include "shard/shard.hpp"', "may not include"),
    "a header of abi/ in a program":
        ("src/tools/replay.cpp", '#include "../../abi/boundary.hpp"', "not named"),
    "a header of a layer in the other library":
        ("src/redis/tier.hpp", '#include "base/lock.hpp"', "may not include"),
    "a header of the other library in a layer":
        ("src/cache/cache.hpp", '#include "redis/lock.hpp"', "may not include"),
    "a header of abi/ in the other library's boundary":
        ("abi/redis/redis.cpp", '#include "../boundary.hpp"', "not named"),
    "a header of a system": ("src/shard/shard.cpp", "#include <unistd.h>", "of a system"),
    "a header of a system in abi/": ("abi/status.cpp", "#include <windows.h>", "of a system"),
    "a header of a system in a header":
        ("src/base/file.hpp", "#include <sys/stat.h>", "of a system"),
    "a header of C that is more on some systems":
        ("src/base/clock.hpp", "#include <time.h>", "of a system"),
    "a header of another file's": ("src/base/lock.hpp", "#include <emmintrin.h>", "of a system"),
    "a cycle": ("src/base/memory.hpp", '#include "base/array.hpp"', "include each other"),
    "a cycle in abi/": ("abi/boundary.hpp", '#include "boundary.hpp"', "include each other"),
    "a folder of its own": ("src/other/new.hpp", "", "not a layer"),
    "a file without a folder": ("src/new.hpp", "", "not a layer"),
}


def self_test(root):
    failed = ["without a breach: " + problem for problem in problems(root)]
    for what, (name, text, message) in BREACHES.items():
        with tempfile.TemporaryDirectory() as folder:
            for part in ("include", "src", "abi"):
                shutil.copytree(os.path.join(root, part), os.path.join(folder, part))
            planted = os.path.join(folder, name)
            os.makedirs(os.path.dirname(planted), exist_ok=True)
            with open(planted, "a", encoding="utf-8") as file:
                file.write(text + "\n")
            if not any(message in problem for problem in problems(folder)):
                failed.append("not found: " + what)
    return failed


def main():
    root = sys.argv[1]
    found = self_test(root) if "--self-test" in sys.argv else problems(root)
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
