#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs a program and compares what it prints with a file, line by line: each line must begin with
# the file's, whose lines may leave out what differs from run to run at the end.
# A program for another machine is run by MESON_EXE_WRAPPER.
# Usage: check_output.sh FILE PROGRAM [ARGUMENTS ...]
set -eu
file=$1
shift
# shellcheck disable=SC2086 # words
output=$(${MESON_EXE_WRAPPER-} "$@")
printf '%s\n' "$output" | awk -v file="$file" '
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
