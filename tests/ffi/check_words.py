#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whatever the library says is wrong with options, each wrapper says by its own names.

Usage: check_words.py CHECKOUT

Reads the sentences in the sources, and requires each wrapper to have another name for every name of C
in them that its users can come across.
"""
import pathlib
import re
import sys

SOURCES = "src/cache/check_options.cpp", "src/memo/key.cpp"

# What wrappers fill in themselves, so that nobody reads it; "struct_size" and "reserved" likewise.
FILLED_IN = re.compile(r'"(struct_size: |reserved: |options: |tags: they are )')

# Where options of an entry are a struct with flags, as in C, a field may be set without its flag.
WITHOUT_FLAG = re.compile(r"set without CT_ENTRY_|CT_ENTRY_IF_SAME requires")

TABLES = {
    "rust": "abi/rust/cachetools/src/problem.rs",
    "go": "abi/go/words.go",
    "zig": "abi/zig/src/words.zig",
    "python": "abi/python/libcachetools/_words.py",
    "cpp": "include/cachetools.hpp",
}


def sentences(checkout):
    for path in SOURCES:
        text = (checkout / path).read_text()
        yield from re.findall(r'"[a-z_, ]*: (?:[^"\\]|\\.)*"', text)


def names(sentence):
    return re.findall(r"\b(?:CT_[A-Z_]+|ct_[a-z_]+)\b", sentence)


def main():
    checkout = pathlib.Path(sys.argv[1])
    found = [it for it in sentences(checkout) if not FILLED_IN.match(it)]
    assert len(found) > 40, found
    print(f"1..{len(TABLES)}")
    failed = False
    for number, (language, path) in enumerate(TABLES.items(), 1):
        table = (checkout / path).read_text()
        read = [it for it in found if language == "go" or not WITHOUT_FLAG.search(it)]
        missing = sorted({name for it in read for name in names(it) if f'"{name}"' not in table})
        print("not ok" if missing else "ok", number, "-", language)
        for name in missing:
            print("#", name)
        failed = failed or bool(missing)
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
