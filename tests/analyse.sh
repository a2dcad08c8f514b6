#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks src/ and abi/ with clang-tidy (.clang-tidy says what it checks) or cppcheck. Each finding
# is an error.
# Usage: analyse.sh clang-tidy|cppcheck
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
processors=$(getconf _NPROCESSORS_ONLN)

# Each source is read once, with assertions, as they say what cannot happen. clang-tidy knows clang's
# options only.
if [ "$1" = clang-tidy ]; then export CC=clang CXX=clang++; fi
meson setup "$work" "$root" -Dtests=false -Dbuildtype=debug -Ddefault_library=shared >"$work/log" ||
  { cat "$work/log" && exit 1; }

case $1 in
  clang-tidy)
    cd "$work"
    sed -n 's/.*"file": "\(.*\)".*/\1/p' compile_commands.json | sort -u |
      xargs -n 1 -P "$processors" clang-tidy -p . --quiet
    ;;
  # Suppressed: a policy hides constants of Policy in which it differs, memory that is about to be
  # written is not cleared first, and compilers know better how wide a product is.
  cppcheck)
    cppcheck --project="$work/compile_commands.json" -j "$processors" --quiet --error-exitcode=1 \
      --enable=warning,performance,portability --inline-suppr \
      --suppress=duplInheritedMember --suppress=shiftTooManyBits \
      --suppress=uninitMemberVar
    ;;
esac
