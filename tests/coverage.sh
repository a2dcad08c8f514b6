#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs all tests in a build that counts what they reach. Prints for each file of src/ and abi/ how
# many of its lines and branches they reach, and which lines they miss. build-coverage/index.html
# shows this in the sources. CONTRIBUTING.md explains the lines that remain.
# Usage: coverage.sh
set -eu
. "$(dirname "$0")/setup.sh"
folder=$root/build-coverage

# All threads count in the same counters.
build() {
  [ -d "$folder" ] || CC=gcc CXX=g++ meson setup "$folder" "$root" -Dbuildtype=debug \
    -Db_coverage=true -Ddefault_library=shared -Dc_args=-fprofile-update=atomic \
    -Dcpp_args=-fprofile-update=atomic
  find "$folder" -name '*.gcda' -delete
  meson compile -C "$folder"
}

report() { # options of gcovr ...
  gcovr --root "$root" --filter "$root/src/" --filter "$root/abi/" --exclude-throw-branches \
    --exclude-branches-by-pattern '.*\bassert\(.*' "$@"
}

set_up coverage
quietly "Building with counters" build
CT_MODEL_STEPS=${CT_MODEL_STEPS:-100000}
export CT_MODEL_STEPS
quietly "Running the tests" meson test -C "$folder" --no-rebuild --timeout-multiplier 10
quietly "Reading the counters" report "$folder" --json "$work/counters" \
  --html-details "$folder/index.html"
report --add-tracefile "$work/counters" --csv "$work/table.csv" --txt "$work/table.txt"
awk -F, '
  function row(name, lines, lines_hit, branches, branches_hit) {
    printf "%-28s %5d of %5d lines, %5d of %5d branches\n", name, lines_hit, lines, branches_hit, branches
  }
  NR > 1 {
    row($1, $2, $3, $5, $6)
    lines += $2; lines_hit += $3; branches += $5; branches_hit += $6
  }
  END { row("all", lines, lines_hit, branches, branches_hit) }' "$work/table.csv"
echo 'Lines that no test reaches:'
awk '$4 ~ /%$/ && NF == 5 { print "  " $1 ": " $5 }' "$work/table.txt"
