#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that the includes of src/ go one way.

A folder of src/ includes headers of its own and of those before it in LAYERS; abi/ includes all of
them. No headers include each other. --self-test plants a breach of each kind in a copy, and fails
unless it is found.
"""
import os
import re
import shutil
import sys
import tempfile

LAYERS = ["base", "table", "policy", "shard", "cache", "snapshot", "memo"]
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.MULTILINE)


def sources(root):
    """The files of the layers, named from src/ on."""
    found = []
    for folder in sorted(os.listdir(os.path.join(root, "src"))):
        path = os.path.join(root, "src", folder)
        if folder == "tools" or folder == "README.md":
            continue
        if not os.path.isdir(path):
            found.append(folder)
            continue
        found += ["%s/%s" % (folder, name) for name in sorted(os.listdir(path))]
    return found


def includes(root, name):
    """What a file includes, but for headers that are not in src/, which are the system's."""
    with open(os.path.join(root, "src", name), encoding="utf-8") as file:
        text = file.read()
    quoted = re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.MULTILINE)
    return [other for other in INCLUDE.findall(text)
            if other in quoted or os.path.exists(os.path.join(root, "src", other))]


def find_cycle(graph):
    """The headers of a cycle, or None."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return path[path.index(name):] + [name]
        if name in done:
            return None
        path.append(name)
        for other in graph.get(name, []):
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


def problems(root):
    found, graph = [], {}
    for name in sources(root):
        folder = name.split("/")[0]
        if folder not in LAYERS:
            found.append("src/%s: its folder is not a layer" % name)
            continue
        graph[name] = includes(root, name)
        for other in graph[name]:
            if ".." in other.split("/") or not os.path.exists(os.path.join(root, "src", other)):
                found.append("src/%s: %s is not named from src/ on" % (name, other))
            elif other.split("/")[0] not in LAYERS[:LAYERS.index(folder) + 1]:
                found.append("src/%s: it may not include %s" % (name, other))
    cycle = find_cycle(graph)
    if cycle:
        found.append("headers include each other: " + " ".join(cycle))
    return found


def plant(root, name, text):
    with open(os.path.join(root, "src", name), "a", encoding="utf-8") as file:
        file.write(text)


def self_test(root):
    breaches = {
        "a later layer": ("table/list.hpp", '#include "shard/shard.hpp"\n', "may not include"),
        "a cycle": ("base/memory.hpp", '#include "base/array.hpp"\n', "include each other"),
        "a header of abi/": ("cache/cache.hpp", '#include "../abi/boundary.hpp"\n', "may not include|is not named"),
        "a name without its folder": ("table/list.hpp", '#include "entry.hpp"\n', "not named"),
        "a folder of its own": ("other/new.hpp", "", "not a layer"),
        "a file without a folder": ("new.hpp", "", "not a layer"),
        "a later layer between angle brackets":
            ("table/list.hpp", "#include <shard/shard.hpp>\n", "may not include"),
        "a later layer by a detour":
            ("table/list.hpp", '#include "table/../shard/shard.hpp"\n', "not named"),
        "a program's header": ("cache/cache.hpp", '#include "tools/file.hpp"\n', "may not include"),
    }
    failed = []
    for what, (name, text, message) in breaches.items():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(os.path.join(root, "src"), os.path.join(folder, "src"))
            if name.startswith("other/"):
                os.mkdir(os.path.join(folder, "src", "other"))
            plant(folder, name, text)
            if not any(re.search(message, problem) for problem in problems(folder)):
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
