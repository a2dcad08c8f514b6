#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares what the crate cachetools-sys declares in C's name with the header.

Each declaration is translated to C and compiled after the header. A compiler accepts a second
declaration of a function or a type only if it equals the first; sizes and offsets are asserted.
Needs no Rust. Prints TAP.

    check_declarations.py abi/rust/cachetools-sys/src/lib.rs cc -I include
"""

import re
import subprocess
import sys

NAMES = {
    "c_void": "void", "c_char": "char", "usize": "size_t", "bool": "bool", "f64": "double",
    "u64": "uint64_t", "i64": "int64_t", "u32": "uint32_t", "i32": "int32_t",
}
ARRAY = re.compile(r"\[(.*); (\d+)\]$")
FUNCTION_POINTER = re.compile(r'Option< ?unsafe extern "C" fn\((.*?)\)(?: -> (.*?))?,? ?>$')


def c_type(rust):
    """Translates a type, for places where no name stands within the type."""
    for pointer, c in (("*const ", " const *"), ("*mut ", " *")):
        if rust.startswith(pointer):
            return c_type(rust[len(pointer):]) + c
    return NAMES.get(rust, rust)


def c_parameters(rust):
    """Translates parameters, with or without a name before a colon."""
    types = [part.split(":")[-1].strip() for part in rust.split(",") if part.strip()]
    return ", ".join(map(c_type, types)) or "void"


def c_result(rust):
    return c_type(rust) if rust else "void"


def c_declaration(rust, name):
    """Declares a name of a type."""
    array = ARRAY.match(rust)
    if array:
        return f"{c_type(array[1])} {name}[{array[2]}]"
    function = FUNCTION_POINTER.match(rust)
    if not function:
        return f"{c_type(rust)} {name}"
    parameters, result = function.groups()
    return f"{c_result(result)} (*{name})({c_parameters(parameters)})"


def constants(source):
    for name, value in re.findall(r"pub const (CT_\w+): \w+ = (.*?);", source):
        yield f'_Static_assert({name} == {value.replace("u64::MAX", "UINT64_MAX")}, "{name}");'


def callbacks(source):
    for name, rust in re.findall(r"pub type (ct_\w+_fn) = (.*?);", source):
        yield f"typedef {c_declaration(rust, name)};"


def structs(source):
    for name, body in re.findall(r"pub struct (ct_\w+) \{(.*?)\}", source):
        fields = re.findall(r"pub (\w+): (.*?),(?= pub | $)", body)
        fields = [(field.rstrip("_"), rust) for field, rust in fields]  # fn_: fn is a word of Rust
        members = " ".join(f"{c_declaration(rust, field)};" for field, rust in fields)
        yield f"struct rust_{name} {{ {members} }};"
        yield f'_Static_assert(sizeof({name}) == sizeof(struct rust_{name}), "sizeof({name})");'
        for field, _ in fields:
            yield f"SAME_FIELD({name}, {field});"


def functions(source, header):
    """Also fails for each function of the preprocessed header that is not declared."""
    declarations = source[source.index('extern "C" {'):]
    pattern = r"pub fn (ct_\w+)\((.*?)\)(?: -> (.*?))?;"
    found = re.findall(pattern, declarations)
    for name, parameters, result in found:
        yield f"{c_result(result)} {name}({c_parameters(parameters)});"
    exported = re.findall(r'\(visibility\("default"\)\)\)[^;(]*?\b(ct_\w+) ?\(', header)
    for name in set(exported) - {name for name, _, _ in found}:
        yield f'_Static_assert(0, "{name} is not declared");'


PROLOGUE = r"""
#include <cachetools.h>
#define FIELD(type, field) __typeof__(((type *)0)->field)
#define SAME_FIELD(type, field)                                                           \
  _Static_assert(offsetof(type, field) == offsetof(struct rust_##type, field), #field);   \
  _Static_assert(__builtin_types_compatible_p(FIELD(type, field),                         \
                                              FIELD(struct rust_##type, field)), #field)
"""


def compile_c(command, declarations):
    command = [*command, "-std=c11", "-Wall", "-Werror", "-fsyntax-only", "-x", "c", "-"]
    return subprocess.run(command, input=PROLOGUE + "\n".join(declarations), text=True,
                          stderr=subprocess.PIPE, check=False)


def preprocess(command):
    command = [*command, "-std=c11", "-E", "-x", "c", "-"]
    return subprocess.run(command, input=PROLOGUE, text=True, stdout=subprocess.PIPE,
                          check=True).stdout


def main():
    path, *command = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        source = file.read()
    source = re.sub(r"//.*", "", source)
    source = re.sub(r"macro_rules! .*?\n}\n", "", source, flags=re.S)
    source = re.sub(r"\s+", " ", source).replace("( ", "(").replace(", )", ")")

    header = preprocess(command)
    kinds = (constants, callbacks, structs, functions)
    print(f"1..{len(kinds)}")
    failed = False
    for number, kind in enumerate(kinds, 1):
        arguments = (source, header) if kind is functions else (source,)
        declarations = list(kind(*arguments))
        result = compile_c(command, declarations)
        is_good = declarations and result.returncode == 0
        failed = failed or not is_good
        print("ok" if is_good else "not ok", number, "-",
              f"{kind.__name__}_of_rust_are_the_headers")
        print(f"# {len(declarations)} declarations")
        for line in result.stderr.splitlines():
            print("#", line)
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
