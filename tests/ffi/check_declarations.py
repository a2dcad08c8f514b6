#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares with the headers what the wrappers for Rust and Zig declare in C's name, and what all
wrappers show of the counters.

Each declaration is translated to C and compiled after the header. A compiler accepts a second
declaration of a function or a type only if it equals the first; sizes and offsets are asserted.
Each name of a header must be declared, too. Needs neither Rust nor Zig. Prints TAP.

    check_declarations.py CHECKOUT cc
"""

import pathlib
import re
import subprocess
import sys


class Rust:
    """The crate cachetools-sys."""

    path = "abi/rust/cachetools-sys/src/lib.rs"
    header = "cachetools.h"
    names = {
        "c_void": "void", "c_char": "char", "usize": "size_t", "bool": "bool", "f64": "double",
        "u64": "uint64_t", "i64": "int64_t", "u32": "uint32_t", "i32": "int32_t",
    }
    greatest = "u64::MAX"
    constant = r"pub const (CT_\w+): \w+ = (.*?);"
    callback = r"pub type (ct_\w+_fn) = (.*?);"
    struct = r"pub struct (ct_\w+) \{(.*?)\}"
    function = r"pub fn (ct_\w+)\((.*?)\)(?: -> (.*?))?;"
    array = re.compile(r"\[(?P<type>.*); (?P<count>\d+)\]$")
    function_pointer = re.compile(r'Option< ?unsafe extern "C" fn\((.*?)\)(?: -> (.*?))?,? ?>$')
    label = r"^.*: "  # of a parameter

    @staticmethod
    def strip(source):
        return re.sub(r"macro_rules! .*?\n}\n", "", source, flags=re.S)

    @staticmethod
    def pointed_to(rust):
        """What a pointer points to, and how C writes that pointer."""
        for pointer, c in (("*const ", " const *"), ("*mut ", " *")):
            if rust.startswith(pointer):
                return rust[len(pointer):], c
        return None

    @staticmethod
    def fields(body):
        fields = re.findall(r"pub (\w+): (.*?),(?= pub | $)", body)
        return [(name.rstrip("_"), rust) for name, rust in fields]  # fn_: fn is a word of Rust


class RustRedis(Rust):
    """The crate cachetools-redis-sys."""

    path = "abi/rust/cachetools-redis-sys/src/lib.rs"
    header = "cachetools-redis.h"


class Zig:
    """The declarations of the package."""

    path = "abi/zig/src/c.zig"
    header = "cachetools.h"
    names = {
        "anyopaque": "void", "usize": "size_t", "bool": "bool", "f64": "double", "u64": "uint64_t",
        "i64": "int64_t", "u32": "uint32_t", "i32": "int32_t", "u8": "char",
    }
    greatest = "std.math.maxInt(u64)"
    constant = r"pub const (CT_\w+) = (.*?);"
    callback = r"pub const (ct_\w+_fn) = (fn .*?);"
    struct = r"pub const (ct_\w+) = extern struct \{(.*?),? \};"
    function = r"pub extern fn (ct_\w+)\((.*?)\) (.*?);"
    array = re.compile(r"\[(?P<count>\d+)\](?P<type>.*)$")
    function_pointer = re.compile(r"(?:\?\*const )?fn \((.*)\) callconv\(\.c\) (.*)$")
    label = r'^[\w@"]+: '

    @staticmethod
    def strip(source):
        return source

    @staticmethod
    def pointed_to(zig):
        if zig.startswith(("?*const ct_", "*const ct_")) and zig.endswith("_fn"):
            return zig.split(" ")[1], ""  # a typedef of a pointer to a function
        pointer = re.match(r"\??(?:\*|\[\*(?::0)?\])(const )?", zig)
        return pointer and (zig[pointer.end():], " const *" if pointer[1] else " *")

    @staticmethod
    def fields(body):
        body = body.split(" pub const ")[0].replace('@"', "")
        return re.findall(r'(\w+)"?: (.*?)(?:,(?= @?"?\w+"?: )|,? *$)', body)


class Declarations:
    """What a language declares, in C."""

    def __init__(self, language, checkout):
        self.language = language
        source = language.strip(re.sub(r"//.*", "", (checkout / language.path).read_text()))
        self.source = re.sub(r"\s+", " ", source).replace("( ", "(").replace(", )", ")")

    def type(self, text):
        """Translates a type, for places where no name stands within the type."""
        pointer = self.language.pointed_to(text)
        if pointer:
            return self.type(pointer[0]) + pointer[1]
        return self.language.names.get(text, text)

    def parameters(self, text):
        """Translates parameters, with or without a name before a colon."""
        types = [re.sub(self.language.label, "", part.strip())
                 for part in text.split(",") if part.strip()]
        return ", ".join(map(self.type, types)) or "void"

    def declaration(self, text, name):
        """Declares a name of a type."""
        array = self.language.array.match(text)
        if array:
            return f"{self.type(array['type'])} {name}[{array['count']}]"
        function = self.language.function_pointer.match(text)
        if not function:
            return f"{self.type(text)} {name}"
        return f"{self.type(function[2] or 'void')} (*{name})({self.parameters(function[1])})"

    def constants(self):
        for name, value in re.findall(self.language.constant, self.source):
            value = value.replace(self.language.greatest, "UINT64_MAX")
            yield f'_Static_assert({name} == {value}, "{name}");'

    def callbacks(self):
        for name, text in re.findall(self.language.callback, self.source):
            yield f"typedef {self.declaration(text, name)};"

    def structs(self):
        for name, body in re.findall(self.language.struct, self.source):
            fields = self.language.fields(body)
            if not fields:
                continue  # opaque
            members = " ".join(f"{self.declaration(text, field)};" for field, text in fields)
            yield f"struct its_{name} {{ {members} }};"
            yield f'_Static_assert(sizeof({name}) == sizeof(struct its_{name}), "sizeof({name})");'
            for field, _ in fields:
                yield f"SAME_FIELD({name}, {field});"

    def functions(self):
        for name, parameters, result in re.findall(self.language.function, self.source):
            yield f"{self.type(result or 'void')} {name}({self.parameters(parameters)});"

    def missing(self, header):
        """The names of the header that are not there, but for enums, which are numbers, and macros
        that are no numbers."""
        names = set(re.findall(r"\b(ct_\w+|CT_\w*[A-Z0-9])\b", header))
        names -= {"CT_API", *re.findall(r"typedef enum (\w+)", header)}
        names -= set(re.findall(r"#define (CT_\w+)(?:\(| *\\)", header))
        return sorted(names - set(re.findall(r"\w+", self.source)))


PROLOGUE = r"""
#define FIELD(type, field) __typeof__(((type *)0)->field)
#define SAME_FIELD(type, field)                                                          \
  _Static_assert(offsetof(type, field) == offsetof(struct its_##type, field), #field);   \
  _Static_assert(__builtin_types_compatible_p(FIELD(type, field),                        \
                                              FIELD(struct its_##type, field)), #field)
"""


def compile_c(command, header, declarations):
    """Returns what is wrong, as lines."""
    command = [*command, "-std=c11", "-Wall", "-Werror", "-fsyntax-only", "-x", "c", "-"]
    source = f"#include <{header}>\n{PROLOGUE}" + "\n".join(declarations)
    result = subprocess.run(command, input=source, text=True, stderr=subprocess.PIPE, check=False)
    failed = result.returncode != 0 or not declarations
    return result.stderr.splitlines() or ["nothing was declared"] if failed else []


# Where each wrapper makes its own statistics of a struct of counters, field by field. C++ and Zig
# hand out the struct itself; Python takes the numbers of any struct, and names what is no number.
STATISTICS = {
    "rust": ("cachetools.h", "ct_stats", "abi/rust/cachetools/src/stats.rs", r"\braw\.(\w+)"),
    "go": ("cachetools.h", "ct_stats", "abi/go/stats.go", r"\braw\.(\w+)"),
    "zig": ("cachetools.h", "ct_stats", "abi/zig/src/cache.zig",
            r"pub fn stats\(self: Self\) Error!c\.(ct_stats)"),
    "cpp": ("cachetools.h", "ct_stats", "include/cachetools.hpp", r"\b(ct_stats) stats\(\) const"),
    "python": ("cachetools.h", "ct_stats", "abi/python/libcachetools/_base.py",
               r"(_fields)\(raw\)|raw\.(load_buckets)"),
    "rust_redis": ("cachetools-redis.h", "ct_redis_counters", "abi/rust/cachetools-redis/src/stats.rs",
                   r"\braw\.(\w+)"),
    "go_redis": ("cachetools-redis.h", "ct_redis_counters", "abi/go/redis/tier.go",
                 r"\braw\.(\w+)"),
}


def untold(checkout, headers, language):
    """The counters that a wrapper does not show."""
    header, struct, path, pattern = STATISTICS[language]
    body = re.search(f"typedef struct {struct} {{(.*?)}} {struct};", headers[header], re.S)[1]
    fields = re.findall(r"uint64_t (\w+)(\[\d+\])?;", body)
    shown = {name for match in re.finditer(pattern, (checkout / path).read_text())
             for name in match.groups() if name}
    if struct in shown:
        return []
    return [name for name, array in fields
            if name not in shown and ("_fields" not in shown or array)]


def main():
    checkout, *command = sys.argv[1:]
    checkout = pathlib.Path(checkout)
    command += ["-I", str(checkout / "include")]
    headers = {name: re.sub(r"/\*.*?\*/", "", (checkout / "include" / name).read_text(), flags=re.S)
               for name in ("cachetools.h", "cachetools-redis.h")}

    cases = {}
    for name, language in {"rust": Rust, "rust_redis": RustRedis, "zig": Zig}.items():
        declared = Declarations(language, checkout)
        for kind in (declared.constants, declared.callbacks, declared.structs, declared.functions):
            case = f"{kind.__name__}_of_{name}_are_the_headers"
            cases[case] = compile_c(command, language.header, list(kind()))
        cases[f"{name}_declares_every_name_of_the_header"] = declared.missing(headers[language.header])
    for language in STATISTICS:
        cases[f"statistics_of_{language}_are_whole"] = untold(checkout, headers, language)

    print(f"1..{len(cases)}")
    for number, (case, problems) in enumerate(cases.items(), 1):
        print("not ok" if problems else "ok", number, "-", case)
        for problem in problems:
            print("#", problem)
    return any(cases.values())


if __name__ == "__main__":
    raise SystemExit(main())
