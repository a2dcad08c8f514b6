#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what abi/zig/src/c.zig declares with the header.

Each declaration is translated to C and compiled after the header. A compiler accepts a second
declaration of a function or a type only if it equals the first; sizes and offsets are asserted.
Each name of the header must be declared, too. Needs no Zig. Prints TAP.

    check_declarations.py c.zig cachetools.h cc -I include
"""

import re
import subprocess
import sys

NAMES = {
    "anyopaque": "void", "usize": "size_t", "bool": "bool", "f64": "double", "u64": "uint64_t",
    "i64": "int64_t", "u32": "uint32_t", "i32": "int32_t", "u8": "char",
}
ARRAY = re.compile(r"\[(\d+)\](.*)$")
POINTER = re.compile(r"\??(?:\*|\[\*(?::0)?\])(const )?")
FUNCTION = re.compile(r"(?:\?\*const )?fn \((.*)\) callconv\(\.c\) (.*)$")


def c_type(zig):
    """Translates a type, for places where no name stands within the type."""
    if zig.startswith(("?*const ct_", "*const ct_")) and zig.endswith("_fn"):
        return zig.split(" ")[1]  # a typedef of a pointer to a function
    pointer = POINTER.match(zig)
    if pointer:
        return c_type(zig[pointer.end():]) + (" const *" if pointer[1] else " *")
    return NAMES.get(zig, zig)


def c_parameters(zig):
    """Translates parameters, with or without a name before a colon."""
    types = [re.sub(r'^[\w@"]+: ', "", part.strip()) for part in zig.split(",") if part.strip()]
    return ", ".join(map(c_type, types)) or "void"


def c_declaration(zig, name):
    """Declares a name of a type."""
    array = ARRAY.match(zig)
    if array:
        return f"{c_type(array[2])} {name}[{array[1]}]"
    function = FUNCTION.match(zig)
    if not function:
        return f"{c_type(zig)} {name}"
    return f"{c_type(function[2])} (*{name})({c_parameters(function[1])})"


def constants(source):
    for name, value in re.findall(r"pub const (CT_\w+) = (.*?);", source):
        yield f'_Static_assert({name} == {value.replace("std.math.maxInt(u64)", "UINT64_MAX")}, "");'


def callbacks(source):
    for name, zig in re.findall(r"pub const (ct_\w+_fn) = (fn .*?);", source):
        yield f"typedef {c_declaration(zig, name)};"


def structs(source):
    for name, body in re.findall(r"pub const (ct_\w+) = extern struct \{(.*?),? \};", source):
        body = body.split(" pub const ")[0]
        fields = re.findall(r'(\w+)"?: (.*?)(?:,(?= @?"?\w+"?: )|,? *$)', body.replace('@"', ""))
        members = " ".join(f"{c_declaration(zig, field)};" for field, zig in fields)
        yield f"struct zig_{name} {{ {members} }};"
        yield f'_Static_assert(sizeof({name}) == sizeof(struct zig_{name}), "sizeof({name})");'
        for field, _ in fields:
            yield f"SAME_FIELD({name}, {field});"


def functions(source):
    for name, parameters, result in re.findall(r"pub extern fn (ct_\w+)\((.*?)\) (.*?);", source):
        yield f"{c_type(result)} {name}({c_parameters(parameters)});"


PROLOGUE = r"""
#include <cachetools.h>
#define FIELD(type, field) __typeof__(((type *)0)->field)
#define SAME_FIELD(type, field)                                                          \
  _Static_assert(offsetof(type, field) == offsetof(struct zig_##type, field), #field);   \
  _Static_assert(__builtin_types_compatible_p(FIELD(type, field),                        \
                                              FIELD(struct zig_##type, field)), #field)
"""


def compile_c(command, declarations):
    command = [*command, "-std=c11", "-Wall", "-Werror", "-fsyntax-only", "-x", "c", "-"]
    return subprocess.run(command, input=PROLOGUE + "\n".join(declarations), text=True,
                          stderr=subprocess.PIPE, check=False)


def undeclared(header, source):
    """The names of the header that are missing, but for enums, which are numbers, and macros that
    are no numbers."""
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    names = set(re.findall(r"\b(ct_\w+|CT_\w*[A-Z0-9])\b", header))
    names -= {"CT_API", *re.findall(r"typedef enum (\w+)", header)}
    names -= set(re.findall(r"#define (CT_\w+)(?:\(| *\\)", header))
    return sorted(names - set(re.findall(r"\w+", source)))


def main():
    path, header_path, *command = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        source = file.read()
    with open(header_path, encoding="utf-8") as file:
        header = file.read()
    source = re.sub(r"//.*", "", source)
    source = re.sub(r"\s+", " ", source).replace("( ", "(").replace(", )", ")")

    kinds = (constants, callbacks, structs, functions)
    print(f"1..{len(kinds) + 1}")
    failed = False
    for number, kind in enumerate(kinds, 1):
        declarations = list(kind(source))
        result = compile_c(command, declarations)
        is_good = declarations and result.returncode == 0
        failed = failed or not is_good
        print("ok" if is_good else "not ok", number, "-",
              f"{kind.__name__}_of_zig_are_the_headers")
        print(f"# {len(declarations)} declarations")
        for line in result.stderr.splitlines():
            print("#", line)
    missing = undeclared(header, source)
    print("not ok" if missing else "ok", len(kinds) + 1, "- every_name_of_the_header_is_declared")
    for name in missing:
        print("#", name)
    return failed or bool(missing)


if __name__ == "__main__":
    raise SystemExit(main())
