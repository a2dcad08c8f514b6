#!/bin/sh
# SPDX-License-Identifier: MIT
# The programs that README.md shows are these examples, in this order, those in C and those in C++
# each; the one at the top of the header and in the manual page is the first. What it names is in a
# header.
# Usage: check_readme.sh README.md cachetools.h cachetools.3 EXAMPLE ...
set -eu
readme=$1 header=$2 manual=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

programs() { # language, examples ...
  language=$1
  shift
  for example in "$@"; do
    [ "${example##*.}" != "$language" ] || sed '1d' "$example" # without its licence
  done
}

for language in c cpp; do
  programs $language "$@" >"$work/examples"
  sed -n '/^```'$language'$/,/^```$/p' "$readme" | sed '/^```/d' >"$work/readme"
  diff "$work/examples" "$work/readme"
done
sed '1d' "$1" >"$work/first"
sed -n '/^ \*     #include/,/^ \*     }$/p' "$header" | sed 's/^ \*     //; s/^ \*$//' >"$work/header"
sed -n '/^#include/,/^}$/p' "$manual" | sed 's/\\e/\\/' >"$work/manual"
diff "$work/first" "$work/header"
diff "$work/first" "$work/manual"

names() { # files ...
  grep -ohE '(CT|ct)_[A-Za-z0-9_]+' "$@" | sort -u
}

names "$readme" >"$work/shown"
names "$(dirname "$header")"/*.h >"$work/known"
unknown=$(comm -23 "$work/shown" "$work/known")
if [ -n "$unknown" ]; then
  echo "README.md shows what no header has: $unknown"
  exit 1
fi
