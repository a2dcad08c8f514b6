# SPDX-License-Identifier: MIT
"""Builds two extension modules, _ffi and _hot, against the library that pkg-config finds."""

import atexit
import os
import shutil
import sys
import tempfile

from setuptools import Extension, setup

# pip builds a folder in place; so that it stays as it was, everything is written elsewhere.
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from pkg_config import flags  # noqa: E402

scratch = tempfile.mkdtemp()
atexit.register(shutil.rmtree, scratch, ignore_errors=True)

setup(
    cffi_modules=["build_ffi.py:builder"],
    ext_modules=[
        Extension(
            "libcachetools._hot",
            ["libcachetools/_hot.c"],
            extra_compile_args=["-std=c99", "-O2", *flags("--cflags")],
            extra_link_args=flags("--libs"),
        )
    ],
    options={"build": {"build_base": scratch}, "egg_info": {"egg_base": scratch}},
)
