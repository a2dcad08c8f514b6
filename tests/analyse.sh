#!/bin/sh
# SPDX-License-Identifier: MIT
# Reads src/ and abi/ as clang-tidy (.clang-tidy says for what) or cppcheck does. Whatever they find
# is an error.
# Usage: analyse.sh clang-tidy|cppcheck
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
processors=$(getconf _NPROCESSORS_ONLN)

# Each source once, with assertions: they say what cannot be.
meson setup "$work" "$root" -Dtests=false -Dbuildtype=debug -Ddefault_library=shared >"$work/log" ||
  { cat "$work/log" && exit 1; }

case $1 in
  clang-tidy)
    cd "$work"
    sed -n 's/.*"file": "\(.*\)".*/\1/p' compile_commands.json | sort -u |
      xargs -n 1 -P "$processors" clang-tidy -p . --quiet
    ;;
  # What is suppressed: a policy hides the constants of Policy in which it differs, memory that is about
  # to be written is not cleared first, and how wide a product is compilers know better.
  cppcheck)
    cppcheck --project="$work/compile_commands.json" -j "$processors" --quiet --error-exitcode=1 \
      --enable=warning,performance,portability --inline-suppr \
      --suppress=duplInheritedMember --suppress=shiftTooManyBits \
      --suppress=uninitMemberVar
    ;;
esac
