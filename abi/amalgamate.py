#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes one file of the library, for those who compile it with a program of their own.

cachetools.cpp holds all sources, and each header before the first source that includes it;
xxHash's, too. A header comes once, unless it is included for some systems only. What the system
brings stays an include. cachetools.h is the public header.
--output is a folder for both. --vendor is a tree of the sources, whose packages for Rust, Go and
Zig each get both. --dist does so in the tree that `meson dist` packs, which is what was committed.
"""
import argparse
import os
import re
import shutil

INCLUDE = re.compile(r'#include (?:"([^"]+)"|<([^>]+)>).*\n')
GUARD = re.compile(r"^#ifndef (CT_\w+_HPP)\n#define \1\n", re.MULTILINE)
SPDX = "// SPDX-License-Identifier: MIT\n"
# Where the packages have the files. Go compiles what stands beside its own, so it asks for a tag.
PACKAGES = {"abi/rust/cachetools-sys/vendored": "", "abi/zig/vendored": "",
            "abi/go": "//go:build vendored\n\n"}

TOP = """\
// SPDX-License-Identifier: MIT AND BSD-2-Clause
// libcachetools {version} in one file, which was generated from its sources:
//
//     c++ -std=c++17 -O2 -c cachetools.cpp
//
// Link it by a C++ compiler. With -fno-exceptions -fno-rtti -fno-threadsafe-statics and
// -fno-math-errno a C compiler can link it, too, and -lm is all that may be missing. On Windows
// -lsynchronization goes behind it, which Zig has as -lapi-ms-win-core-synch-l1-2-0. gcc inlines
// less in so large a file: with --param inline-unit-growth=1000 it is about as fast as the library.
// Assertions are left out, unless CT_ASSERTIONS is defined. A shared library that has all this
// inside shows no names of it but those of cachetools.h, and below -O2 some of namespace std.
//
{licence}
#if !defined(NDEBUG) && !defined(CT_ASSERTIONS)
#define NDEBUG
#endif

#ifdef _WIN32
#define _CRT_RAND_S  // before any header of the system
#define CT_HIDDEN_BEGIN
#define CT_HIDDEN_END
#else
#define CT_HIDDEN_BEGIN _Pragma("GCC visibility push(hidden)")
#define CT_HIDDEN_END _Pragma("GCC visibility pop")
#endif

#include "cachetools.h"
"""


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Amalgamation:
    """Text that is put together, and the files that are in it already."""

    def __init__(self, root, xxhash):
        self.root = root
        self.xxhash = xxhash
        self.parts = []
        self.header = os.path.join(root, "include", "cachetools.h")
        self.files = [self.header]
        self.always = {self.header}  # what is in it under no condition

    def add(self, path, inside=None):
        """Adds a file with what it includes. If a condition holds here (of #if), inside has what
        stands under that: elsewhere it has to be added again."""
        seen = self.always if inside is None else inside
        if path in self.always or path in seen:
            return
        seen.add(path)
        self.files.append(path)
        self.parts.append("\n// ---- %s\n\n" % (
            "xxhash.h" if path == self.xxhash else os.path.relpath(path, self.root)))
        if path == self.xxhash:
            self.parts.append(read(path))
            return
        text = read(path).replace(SPDX, "", 1)
        depth = -1 if GUARD.search(text) else 0
        within, end = set(inside or ()), 0
        for line in re.finditer(r".*\n", text):
            condition = re.match(r"#(?:(if)|(endif))", line[0])
            if condition:
                depth += 1 if condition[1] else -1
                if depth <= 0:
                    within = set(inside or ())
            include = INCLUDE.match(line[0])
            other = include and self.find(include, os.path.dirname(path))
            if other:
                self.parts.append(adapted(text[end:line.start()]))
                end = line.end()
                self.add(other, inside if depth <= 0 else within)
        self.parts.append(adapted(text[end:]))

    def find(self, include, folder):
        """Where an included file is that belongs inside; None for those of the system."""
        name = include[1] or include[2]
        if name == "xxhash.h":
            return self.xxhash
        for home in (folder, os.path.join(self.root, "src"), os.path.dirname(self.header)):
            path = os.path.join(home, name)
            if os.path.exists(path):
                return path
        if include[1]:
            raise SystemExit("%s: there is no %s" % (folder, name))
        return None


def adapted(text):
    """Text of ours that shall stand in the one file."""
    text = re.sub(r"^(namespace ct\b.*\{)$", r"CT_HIDDEN_BEGIN\n\1", text, flags=re.MULTILINE)
    text = re.sub(r"^(\}  // namespace ct\b.*)$", r"\1\nCT_HIDDEN_END", text, flags=re.MULTILINE)
    # These functions have all inlined that their own file shows: here it would be the library.
    return text.replace("[[gnu::flatten]] ", "").replace("gnu::flatten, ", "")


def write(folder, whole, text, prefix=""):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "cachetools.cpp"), "w", encoding="utf-8") as file:
        file.write(prefix + text)
    shutil.copy(whole.header, os.path.join(folder, "cachetools.h"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, help="the folder of the sources")
    parser.add_argument("--version", required=True)
    parser.add_argument("--xxhash", required=True, help="xxHash's header")
    parser.add_argument("--output")
    parser.add_argument("--vendor")
    parser.add_argument("--dist", action="store_true")
    parser.add_argument("--depfile")
    parser.add_argument("sources", nargs="+")
    args = parser.parse_args()

    root = args.root
    if args.dist:
        root = args.vendor = os.environ["MESON_DIST_ROOT"]
    whole = Amalgamation(root, args.xxhash)
    for source in args.sources:
        whole.add(os.path.join(root, os.path.relpath(source, args.root)))
    licence = "".join("// %s\n" % line if line else "//\n"
                      for line in read(os.path.join(root, "LICENSE")).splitlines())
    text = TOP.format(version=args.version, licence=licence) + "".join(whole.parts)
    if args.output:
        write(args.output, whole, text)
    for package, prefix in PACKAGES.items() if args.vendor else ():
        write(os.path.join(args.vendor, package), whole, text, prefix)
    if args.depfile:
        with open(args.depfile, "w", encoding="utf-8") as file:
            file.write("cachetools.cpp cachetools.h: %s\n" % " ".join(
                path.replace(" ", "\\ ") for path in whole.files))


if __name__ == "__main__":
    main()
