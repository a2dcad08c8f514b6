# SPDX-License-Identifier: MIT
"""Asks pkg-config for the library."""

import os
import shlex
import subprocess


def flags(option):
    """Return what pkg-config says of the library. Ends the build with what to do if it fails."""
    program = os.environ.get("PKG_CONFIG", "pkg-config")
    command = [program, "--print-errors", option, "cachetools"]
    try:
        said = subprocess.run(command, capture_output=True)
    except OSError as error:
        raise SystemExit(
            f"error: {program} cannot be run ({error.strerror}). Install pkg-config, or set "
            "PKG_CONFIG to where it is."
        ) from None
    if said.returncode != 0:
        raise SystemExit(
            "error: pkg-config does not find libcachetools. Install the library, or set "
            f"PKG_CONFIG_PATH to the folder that has its cachetools.pc.\n{said.stderr.decode()}"
        )
    return shlex.split(said.stdout.decode())
