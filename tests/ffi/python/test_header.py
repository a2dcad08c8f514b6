# SPDX-License-Identifier: MIT
"""The declarations, which build_ffi.py takes from the header and the compiler has checked."""

import os
import pathlib
import pickle
import re
import subprocess
import sys
import unittest

import libcachetools as ct
from libcachetools._ffi import ffi, lib

ROOT = pathlib.Path(__file__).resolve().parents[3]
HEADER = re.sub(
    r"/\*.*?\*/", "", (ROOT / "include/cachetools.h").read_text(encoding="utf-8"), flags=re.S
)


class Header(unittest.TestCase):
    def test_every_function_is_there(self):
        symbols = (ROOT / "abi/cachetools.symbols").read_text(encoding="utf-8")
        names = re.findall(r"^ct_\w+", symbols, re.M)
        self.assertGreater(len(names), 80)
        for name in names:
            self.assertTrue(callable(getattr(lib, name)), name)

    def test_every_constant_is_the_headers(self):
        lines = re.findall(
            r"^#define (CT_\w+) (0x[0-9a-f]+|\d+|UINT64_MAX)u?$", HEADER.replace(" \n", "\n"), re.M
        )
        self.assertGreater(len(lines), 20)
        for name, number in lines:
            expected = 2**64 - 1 if number == "UINT64_MAX" else int(number, 0)
            self.assertEqual(expected, getattr(lib, name), name)

    def test_every_struct_is_the_compilers(self):
        names = re.findall(r"^(?:typedef )?struct (ct_\w+) \{", HEADER, re.M)
        self.assertGreater(len(names), 10)
        for name in names:
            kind = ffi.typeof(f"struct {name}")
            self.assertTrue(kind.fields, name)  # cffi compares them when they are first used
            last = kind.fields[-1][1]
            self.assertEqual(ffi.sizeof(kind), last.offset + ffi.sizeof(last.type), name)

    def test_every_enumerator_has_a_name(self):
        for name, prefix, members in (
            ("ct_status", "CT_", ct.Status),
            ("ct_policy", "CT_POLICY_", ct.Policy),
            ("ct_cause", "CT_CAUSE_", ct.Cause),
            ("ct_weight_kind", "CT_WEIGHT_", ct.WeightKind),
        ):
            known = {f"{prefix}{it.name}": it.value for it in members}
            numbers = ffi.typeof(name).relements
            self.assertEqual(
                {it: number for it, number in numbers.items() if not it.endswith("_")}, known
            )
            for enumerator, number in known.items():
                self.assertEqual(number, getattr(lib, enumerator))
        orders = {f"CT_ORDER_{it.name}": it.value for it in ct.Order}
        self.assertEqual({it: getattr(lib, it) for it in dir(lib) if "CT_ORDER" in it}, orders)

    def test_every_failure_has_an_exception(self):
        for status in ct.Status:
            if status >= 0:
                self.assertEqual(status, ct._errors.check(status))
                continue
            with self.assertRaises(ct.Error) as caught:
                ct._errors.check(status)
            self.assertEqual((status, f"CT_{status.name}"), (caught.exception.status,
                                                            caught.exception.name))
            raised = caught.exception
            again = pickle.loads(pickle.dumps(raised))
            self.assertEqual((type(raised), raised.status, str(raised)),
                             (type(again), again.status, str(again)))
        again = pickle.loads(pickle.dumps(ct.ClosedError()))
        self.assertEqual((ct.ClosedError, str(ct.ClosedError())), (type(again), str(again)))
        for kind, parent in ((ct.InvalidError, ValueError), (ct.NoMemoryError, MemoryError),
                             (ct.TooLargeError, ValueError), (ct.ClosedError, ct.InvalidError),
                             (ct.RecursiveLoadError, RecursionError), (ct.FileError, OSError),
                             (ct.CorruptError, ValueError)):
            self.assertTrue(issubclass(kind, parent) and issubclass(kind, ct.Error))

    def test_the_package_has_the_librarys_version(self):
        text = (ROOT / "abi/python/pyproject.toml").read_text(encoding="utf-8")
        self.assertIn(f'version = "{ct.version()}"', text)

    def test_all_that_is_public_is_named(self):
        for name in ct.__all__:
            self.assertTrue(hasattr(ct, name), name)
        self.assertEqual(sorted(ct.__all__), sorted(set(ct.__all__)))

    def test_a_build_without_the_library_says_what_to_do(self):
        empty = {**os.environ, "PKG_CONFIG_PATH": "", "PKG_CONFIG_LIBDIR": os.devnull}
        for environment, expected in (
                (empty, "Install the library, or set PKG_CONFIG_PATH to"),
                ({**os.environ, "PKG_CONFIG": "no-such-program"},
                 "no-such-program cannot be run .* Install pkg-config, or set PKG_CONFIG to")):
            built = subprocess.run([sys.executable, "setup.py", "--version"], env=environment,
                                   cwd=ROOT / "abi/python", stderr=subprocess.PIPE, text=True)
            self.assertEqual(1, built.returncode)
            self.assertRegex(built.stderr, expected)
            self.assertNotIn("Traceback", built.stderr)
