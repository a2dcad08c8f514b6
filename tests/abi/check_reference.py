#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Renders the header by Doxygen, which must not warn. With something added that has no comment, or
with a comment that names what does not exist, it must fail. Prints TAP.

    check_reference.py --doxygen PROGRAM --doxyfile FILE --header FILE
"""

import argparse
import pathlib
import re
import subprocess
import tempfile

MISTAKES = {
    "function": "CT_API void ct_wrong(void);",
    "type": "typedef int ct_wrong;",
    "macro": "#define CT_WRONG 1",
    "struct": "typedef struct ct_wrong { int field; /**< documented */ } ct_wrong;",
    "field": "/** Documented. */\ntypedef struct ct_wrong { int field; } ct_wrong;",
    "name": "/** As ct_wrong. */\nCT_API void ct_right(void);",
}
# Doxygen reports these only since 1.9.8.
ENUMERATOR_WITHOUT_COMMENT = re.compile(r"^ +(CT_\w+) = [^/\n]*$", re.M)
END = "#ifdef __cplusplus\n} /* extern"


def complaint(arguments, header):
    """Returns what Doxygen complains about in a header; empty if nothing is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "cachetools.h"
        copy.write_text(header)
        settings = arguments.doxyfile.read_text()
        settings += f"\nINPUT = \"{copy}\"\nOUTPUT_DIRECTORY = \"{folder}\"\n"
        done = subprocess.run([arguments.doxygen, "-"], input=settings, capture_output=True,
                              text=True, check=False)
        page = pathlib.Path(folder) / "reference/index.html"
        if done.returncode == 0 and not page.is_file():
            return "there is no page"
        return done.stderr or (f"exit status {done.returncode}" if done.returncode else "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--doxygen", required=True)
    parser.add_argument("--doxyfile", type=pathlib.Path, required=True)
    parser.add_argument("--header", type=pathlib.Path, required=True)
    arguments = parser.parse_args()

    header = arguments.header.read_text()
    before, found, after = header.rpartition(END)
    assert found
    cases = {
        "header_is_rendered_without_a_warning": complaint(arguments, header),
        "every_enumerator_has_a_comment": " ".join(ENUMERATOR_WITHOUT_COMMENT.findall(header)),
    }
    for name, text in MISTAKES.items():
        said = complaint(arguments, f"{before}{text}\n\n{found}{after}")
        is_told = "wrong" in said.lower()
        cases[f"undocumented_{name}_is_an_error"] = "" if is_told else f"It said: {said}"
    print(f"1..{len(cases)}")
    for number, (name, problem) in enumerate(cases.items(), 1):
        print("not ok" if problem else "ok", number, "-", name)
        for line in problem.splitlines():
            print("#", line)
    return any(cases.values())


if __name__ == "__main__":
    raise SystemExit(main())
