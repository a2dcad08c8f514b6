#!/bin/sh
# SPDX-License-Identifier: MIT
# Compiles the client of one language, as its users would, against the library that pkg-config finds,
# runs its tests, and prints TAP. LANGUAGE/client.sh tells how: it calls run.
# Usage: client.sh rust|go|zig|python|redis-rust|redis-go CACHE_FOLDER
set -eu
# shellcheck source=tests/ffi/environment.sh
. "$(dirname "$0")/environment.sh"
client=$1
use_library
use_cache "$2"
cd "$here/$client"

# Runs tests, and turns the lines of their runner into TAP.
run() { # pattern of awk, command ...
  pattern=$1
  shift
  status=0
  "$@" >"$work/said" 2>&1 || status=$?
  awk -v pattern="$pattern" -v counted="$work/count" '
    $0 !~ pattern { print "# " $0; next }
    {
      verdict = /ok$|PASS/ ? "ok" : "not ok"
      sub(/^ *(--- [A-Z]+:|test) /, "")
      sub(/ (\(|\.\.\. ).*/, "")
      print verdict, ++count, "-", $0
    }
    END { print count + 0 >counted }' "$work/said"
}

# shellcheck source=/dev/null
. ./client.sh

count=$(($(cat "$work/count") + 1))
if "$here/check_readme.sh" "$client" "$2" >"$work/said" 2>&1; then
  echo "ok $count - readme"
else
  echo "not ok $count - readme"
  status=1
fi
sed 's/^/# /' "$work/said"
echo "1..$count"
exit $status # also if a runner crashed
