#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a program and compares its output with a file, line by line: each line must begin with the
# file's line, which leaves out an end that differs from run to run. If the program is for another
# machine, MESON_EXE_WRAPPER runs it. The lines of Windows end in one character more.
# Usage: check_output.sh FILE PROGRAM [ARGUMENTS ...]
set -eu
file=$1
shift
# shellcheck disable=SC2086 # words
output=$(${MESON_EXE_WRAPPER-} "$@")
printf '%s\n' "$output" | awk -v file="$file" '
  { sub(/\r$/, "") }
  (getline line < file) <= 0 { print "not expected: " $0; wrong = 1; next }
  substr($0, 1, length(line)) != line || (line == "" && $0 != "") {
    print "expected: " line
    print "printed:  " $0
    wrong = 1
  }
  END {
    while ((getline line < file) > 0) { print "missing: " line; wrong = 1 }
    exit wrong
  }'
