#!/bin/sh
# SPDX-License-Identifier: MIT
# The programs that README.md shows are these examples, in this order; the one at the top of the
# header and in the manual page is the first.
# Usage: check_readme.sh README.md cachetools.h cachetools.3 EXAMPLE ...
set -eu
readme=$1 header=$2 manual=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed '1d' "$1" >"$work/first" # without its licence
for example in "$@"; do sed '1d' "$example"; done >"$work/examples"
sed -n '/^```c$/,/^```$/p' "$readme" | sed '/^```/d' >"$work/readme"
sed -n '/^ \*     #include/,/^ \*     }$/p' "$header" | sed 's/^ \*     //; s/^ \*$//' >"$work/header"
sed -n '/^#include/,/^}$/p' "$manual" | sed 's/\\e/\\/' >"$work/manual"
diff "$work/examples" "$work/readme"
diff "$work/first" "$work/header"
diff "$work/first" "$work/manual"
