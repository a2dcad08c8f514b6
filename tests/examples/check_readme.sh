#!/bin/sh
# SPDX-License-Identifier: MIT
# The program that README.md shows, and the one at the top of the header, are answer.c.
# Usage: check_readme.sh README.md cachetools.h answer.c
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed '1d' "$3" >"$work/program" # without its licence
sed -n '/^```c$/,/^```$/p' "$1" | sed '/^```/d' >"$work/readme"
sed -n '/^ \*     #include/,/^ \*     }$/p' "$2" | sed 's/^ \*     //; s/^ \*$//' >"$work/header"
diff "$work/program" "$work/readme"
diff "$work/program" "$work/header"
