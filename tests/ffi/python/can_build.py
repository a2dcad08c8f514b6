# SPDX-License-Identifier: MIT
"""Fails unless this Python has what builds abi/python and its tests without a network."""

import sysconfig

import cffi  # noqa: F401
import ensurepip  # noqa: F401
import setuptools
import wheel  # noqa: F401

open(sysconfig.get_paths()["include"] + "/Python.h").close()
assert int(setuptools.__version__.split(".")[0]) >= 61, "setuptools is too old"
