# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Shared by client.sh, check_readme.sh and bench.sh, which source it. Sets here, this folder, and
# work, a folder that is removed at the end. Nothing but the cache is written elsewhere.

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Lets programs find the libraries that pkg-config finds.
use_library() {
  for library in cachetools cachetools-redis; do
    ! folder=$(pkg-config --silence-errors --variable=libdir $library) ||
      LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  done
  export LD_LIBRARY_PATH
}

# Says where compilers keep files from one run to the next, above all their standard libraries.
use_cache() { # folder
  GOCACHE=$1/go GOPATH=$1/gopath GOPROXY=off GOTOOLCHAIN=local GOFLAGS=
  ZIG_GLOBAL_CACHE_DIR=$1/zig ZIG_LOCAL_CACHE_DIR=$1/zig
  CARGO_HOME=$1/cargo CARGO_TARGET_DIR=$1/cargo-target CARGO_NET_OFFLINE=true CARGO_TERM_COLOR=never
  export CARGO_HOME CARGO_TARGET_DIR CARGO_NET_OFFLINE CARGO_TERM_COLOR
  PYTHONDONTWRITEBYTECODE=1
  export PYTHONDONTWRITEBYTECODE GOCACHE GOPATH GOPROXY GOTOOLCHAIN GOFLAGS ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR
}

# Lets pip build and install without a network, by the cffi, setuptools and wheel that python3 has.
# A new virtual environment finds them by links, and none of python3's other packages.
use_python() {
  mkdir -p "$work/packages"
  python3 - "$work/packages" <<'END'
import importlib.util, pathlib, sys
for name in (
    "cffi _cffi_backend pycparser ply setuptools pkg_resources _distutils_hack wheel packaging"
).split():
    spec = importlib.util.find_spec(name)
    if spec is None:
        continue  # not all are packages of their own everywhere
    folder = pathlib.Path(spec.origin).parent
    if spec.submodule_search_locations:
        folder = folder.parent
    for found in folder.glob(name + "*"):
        link = pathlib.Path(sys.argv[1], found.name)
        if not link.exists():
            link.symlink_to(found)
END
  PYTHONPATH=$work/packages PIP_NO_INDEX=1 PIP_DISABLE_PIP_VERSION_CHECK=1
  PIP_NO_BUILD_ISOLATION=false # which means true
  export PYTHONPATH PIP_NO_INDEX PIP_DISABLE_PIP_VERSION_CHECK PIP_NO_BUILD_ISOLATION
}
