#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the list of functions, which stands in several places, and how the library was linked.

The header, the version script, the list of symbols, the shared library and the manual page must name
the same functions. A test must name each function, and the header must say since when it exists,
unless that is the first release. --name and --folder are those of a library beside libcachetools.
Prints TAP.
"""

import argparse
import pathlib
import re
import subprocess

ALLOWED_LIBRARIES = re.compile(r"(libc|libstdc\+\+|libgcc_s|libm)\.")


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def header_functions(text):
    """Maps each function of the header to the comment in front of it."""
    declaration = re.compile(r"(/\*\*(?:(?!\*/).)*\*/)\s*CT_API\b[^;(]*?\b(ct_\w+)\s*\(", re.S)
    return {name: comment for comment, name in declaration.findall(text)}


def functions_of_caches(text):
    """The functions of the header that are given a cache."""
    declarations = re.findall(r"CT_API\b[^;(]*?\b(ct_\w+)\s*\(([^;]*)\);", text)
    return {name for name, parameters in declarations
            if re.search(r"\bct_cache \*(?!\*)", parameters)}


def map_symbols(text):
    """The functions of a version script, written as in the list of symbols."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    symbols = set()
    for node, body in re.findall(r"(\w[\w.]*)\s*\{(.*?)\}", text, re.S):
        exported = body.partition("local:")[0].replace("global:", "")
        symbols |= {f"{name.strip()}@@{node}" for name in exported.split(";") if name.strip()}
    return symbols


def wrong_releases(functions, symbols):
    """The functions whose comment and the version script disagree about since when they exist.
    Functions of the first release need not say it."""
    release_of = dict(re.fullmatch(r"(\w+)@@[A-Z_]+_([\d.]+)", symbol).groups()
                      for symbol in symbols)
    first = min(release_of.values(), key=lambda release: [int(part) for part in release.split(".")])
    problems = []
    for name, comment in functions.items():
        said = re.findall(r"\bSince: +([\d.]*\d)", comment)
        release = release_of.get(name)
        if said != ([] if release == first else [release]):
            problems.append(f"{name} is of {release}, and says {said}")
    return problems


def exported_symbols(library):
    rows = [row.split() for row in output_of("nm", "-D", "--defined-only", library).splitlines()]
    return {row[-1] for row in rows if row[-2] != "A"}  # A: the version nodes themselves


def difference(name_a, a, name_b, b):
    return [f"only in {name_a}: {symbol}" for symbol in sorted(a - b)] + [
        f"only in {name_b}: {symbol}" for symbol in sorted(b - a)]


def linkage_problems(library, soname, allowed):
    """A library that may need others finds them in the build folder by a RUNPATH, which installing
    takes away."""
    dynamic = output_of("readelf", "-dW", library)
    segments = output_of("readelf", "-lW", library)
    stack = re.search(r"^\s*GNU_STACK\s.*$", segments, re.M)
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    rules = {
        "the soname is not " + soname: f"[{soname}]" in dynamic,
        "the stack is executable": stack is not None and "RWE" not in stack.group(),
        "there is no RELRO": "GNU_RELRO" in segments,
        "symbols are not bound at once": re.search(r"BIND_NOW|FLAGS.*\bNOW\b", dynamic),
        "there are text relocations": "TEXTREL" not in dynamic,
        "there is an RPATH or RUNPATH": allowed or not re.search(r"\((RPATH|RUNPATH)\)", dynamic),
        "there is thread-local storage": not re.search(r"^\s*TLS\s", segments, re.M),
    }
    return [problem for problem, holds in rules.items() if not holds] + [
        f"needs {library}" for library in needed
        if not ALLOWED_LIBRARIES.match(library) and library.split(".")[0] not in allowed]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=pathlib.Path, required=True, help="the checkout")
    parser.add_argument("--library", required=True, help="the shared library")
    parser.add_argument("--soname", required=True)
    parser.add_argument("--name", default="cachetools", help="of the header and the lists")
    parser.add_argument("--folder", default="abi", help="of the lists")
    parser.add_argument("--allow", nargs="*", default=[], help="libraries that it may need, too")
    args = parser.parse_args()

    lists = args.source / args.folder
    header = (args.source / f"include/{args.name}.h").read_text()
    functions = header_functions(header)
    mapped = map_symbols((lists / f"{args.name}.map").read_text())
    listed = [line for line in (lists / f"{args.name}.symbols").read_text().splitlines()
              if not line.startswith("#")]
    manual = (args.source / f"include/{args.name}.3").read_text()
    explained = set(re.findall(r"^\.F[no] (ct_\w+)", manual, re.M))
    tests = "\n".join(path.read_text() for path in (args.source / "tests").rglob("*.c"))
    tested = set(re.findall(r"\bct_\w+", tests))
    states = (args.source / "tests/abi/test_states.c").read_text()
    rows = set(re.findall(r"^ *ROW\((ct_\w+),", states, re.M))

    cases = {
        "header_declares_what_the_map_exports":
            difference("the header", set(functions), "the map", {s.split("@")[0] for s in mapped}),
        "map_equals_recorded_symbols":
            difference("the map", mapped, "the list", set(listed)),
        "recorded_symbols_are_sorted": [] if listed == sorted(listed) else ["they are not"],
        "library_exports_recorded_symbols":
            difference("the library", exported_symbols(args.library),
                       "the list", set(listed)),
        "manual_page_names_every_function":
            difference("the header", set(functions), "the manual page", explained),
        "every_function_says_since_when": wrong_releases(functions, mapped),
        "every_function_is_named_by_a_test":
            [name for name in functions if name not in tested],
        "every_function_of_a_cache_has_a_row_of_states":
            sorted(functions_of_caches(header) - rows) if args.name == "cachetools" else [],
        "library_is_linked_safely": linkage_problems(args.library, args.soname, args.allow),
    }
    print(f"1..{len(cases)}")
    for number, (name, problems) in enumerate(cases.items(), 1):
        print("not ok" if problems else "ok", number, "-", name)
        for problem in problems:
            print("#", problem)
    return any(cases.values())


if __name__ == "__main__":
    raise SystemExit(main())
