#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks that what README.md shows for a language works: copies its program, then runs the commands
# below it, beside a checkout as README.md says, with the library that pkg-config finds.
# Usage: check_readme.sh rust|go|zig|python CACHE_FOLDER
set -eu
# shellcheck source=tests/ffi/environment.sh
. "$(dirname "$0")/environment.sh"
language=$1
use_library
use_cache "$2"
case $language in
  rust) name=answer.rs ;;
  python) name=answer.py ;;
  *) name=answer.$language ;;
esac

mkdir "$work/answer"
cd "$work/answer"
ln -s "${here%/tests/ffi}" ../libcachetools
awk -v fence="\`\`\`$language" -v program="$name" '
  $0 == fence { place = "program"; next }
  place == "program" && /^```$/ { place = "commands"; next }
  place == "program" { print >program }
  place == "commands" && /^    / { print substr($0, 5); seen = 1; next }
  place == "commands" && seen { exit }' ../libcachetools/README.md >commands
cat commands
# Lines that are empty or only close something do not count.
[ "$(grep -vc '^[[:space:]]*[])}]*$' "$name")" -le 15 ] || { echo "More than 15 lines: $name"; exit 1; }
case $language in
  zig) sh -e commands >said 2>&1 ;; # std.debug.print; what standard output takes changes with Zig
  *) sh -e commands >said ;;
esac || { cat said; exit 1; }
cat said
[ "$(tail -n 1 said)" = forty-two ]
