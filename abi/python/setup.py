# SPDX-License-Identifier: MIT
"""Builds two extension modules, _ffi and _hot, against the library that pkg-config finds."""

import atexit
import shlex
import shutil
import subprocess
import tempfile

from setuptools import Extension, setup

# pip builds a folder in place; so that it stays as it was, everything is written elsewhere.
scratch = tempfile.mkdtemp()
atexit.register(shutil.rmtree, scratch, ignore_errors=True)


def flags(option):
    """Return what pkg-config says of the library."""
    printed = subprocess.run(
        ["pkg-config", option, "cachetools"], check=True, stdout=subprocess.PIPE
    ).stdout
    return shlex.split(printed.decode())


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
