#!/bin/sh
# SPDX-License-Identifier: MIT
# The library has the probes that src/base/probes.hpp lists, each with its arguments; or none if it
# was built without.
# Usage: check_probes.sh LIBRARY yes|no
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ "$2" = yes ]; then
  printf '%s\n' 'evict 2' 'hit 1' 'load_begin 3' 'load_end 3' 'miss 1' >"$work/expected"
else
  : >"$work/expected"
fi
readelf -n "$1" | awk '
  $1 == "Provider:" { is_ours = $2 == "cachetools" }
  $1 == "Name:" { name = $2 }
  $1 == "Arguments:" && is_ours { print name, NF - 1 }' | sort -u >"$work/found"
diff "$work/expected" "$work/found"
