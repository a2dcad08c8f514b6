# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Shared by client.sh, check_readme.sh and bench.sh, which source it. Sets here, this folder, and
# work, a folder that is removed at the end. Nothing but the cache is written elsewhere.

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Lets programs find the library that pkg-config finds.
use_library() {
  LD_LIBRARY_PATH=$(pkg-config --variable=libdir cachetools)${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
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
