#!/bin/sh
# SPDX-License-Identifier: MIT
# The programs that README.md shows are answer.c and memo_fibonacci.c; the one at the top of the
# header and in the manual page is answer.c.
# Usage: check_readme.sh README.md cachetools.h cachetools.3 answer.c memo_fibonacci.c
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed '1d' "$4" >"$work/program" # without its licence
sed '1d' "$5" | cat "$work/program" - >"$work/programs"
sed -n '/^```c$/,/^```$/p' "$1" | sed '/^```/d' >"$work/readme"
sed -n '/^ \*     #include/,/^ \*     }$/p' "$2" | sed 's/^ \*     //; s/^ \*$//' >"$work/header"
sed -n '/^#include/,/^}$/p' "$3" | sed 's/\\e/\\/' >"$work/manual"
diff "$work/programs" "$work/readme"
diff "$work/program" "$work/header"
diff "$work/program" "$work/manual"
