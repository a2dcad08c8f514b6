#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks that README.md's section on a language works, beside a checkout and with the library that
# pkg-config finds: runs the commands above its program, writes the program into the folder where
# they lead, and runs the commands below it.
# Usage: check_readme.sh rust|go|zig|python CACHE_FOLDER
set -eu
# shellcheck source=tests/ffi/environment.sh
. "$(dirname "$0")/environment.sh"
language=$1
use_library
use_cache "$2"
case $language in
  rust) heading=Rust program=src/main.rs ;;
  go) heading=Go program=answer.go ;;
  zig) heading=Zig program=answer.zig ;;
  python) heading=Python program=answer.py && use_python ;;
esac

cd "$work"
ln -s "${here%/tests/ffi}" libcachetools
mkdir answer
cd answer
awk -v heading="### $heading" -v fence="\`\`\`$language" '
  /^##/ && $0 == heading { part = "above"; next }
  /^##/ && part { exit }
  part == "above" && $0 == fence { part = "program"; next }
  part == "program" && /^```$/ { part = "below"; next }
  part == "program" { print >"../program"; next }
  part && /^    / { print substr($0, 5) >("../" part) }' ../libcachetools/README.md
touch ../above ../below
cat ../above ../below
# Lines that are empty or only close something do not count, nor do changes of folder.
[ "$(grep -vc '^[[:space:]]*[])}]*$' ../program)" -le 15 ] || { echo "More than 15 lines: $program"; exit 1; }
[ "$(cat ../above ../below | sed 's/ && /\n/g' | grep -vc '^cd ')" -le 3 ] || { echo 'More than 3 commands'; exit 1; }
{ cat ../above && echo "cp '$work/program' $program" && cat ../below; } >../commands
case $language in
  zig) sh -e ../commands >../said 2>&1 ;; # std.debug.print; what standard output takes changes with Zig
  *) sh -e ../commands >../said ;;
esac || { cat ../said; exit 1; }
cat ../said
[ "$(tail -n 1 ../said)" = forty-two ]
