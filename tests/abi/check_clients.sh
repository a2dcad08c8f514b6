#!/bin/sh
# SPDX-License-Identifier: MIT
# For each release in tests/abi/releases, builds client.c as it was built at that time, against that
# release's header and symbols, and runs it with the library of today. Prints TAP.
# Usage: check_clients.sh LIBRARY COMPILER ...
set -eu
library=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A program is linked to a stand-in for the library of its time: only the symbols and their versions
# matter.
link_to_release() { # folder, compiler ...
  release=$1
  shift
  number=$(basename "$release")
  sed -n 's/^\(ct_.*\)@@.*/void \1(void) {}/p' "$release/cachetools.symbols" >"$work/library.c"
  sed -n 's/^\(ct_.*\)@@\(.*\)/\2 \1/p' "$release/cachetools.symbols" | sort | awk '
    $1 != node { if (node) print "};"; node = $1; print node " {" }
    { print $2 ";" }
    END { print "};" }' >"$work/library.map"
  # The client refers to every function of the release, even to one that its code has forgotten.
  {
    echo '#include <cachetools.h>'
    echo 'typedef void (*function)(void);'
    echo 'extern const function functions[];'
    echo 'const function functions[] = {'
    sed -n 's/^\(ct_.*\)@@.*/(function)\1,/p' "$release/cachetools.symbols"
    echo '};'
  } >"$work/functions.c"
  "$@" -shared -fPIC "$work/library.c" -o "$work/libcachetools.so" \
    -Wl,-soname,"libcachetools.so.${number%%.*}" -Wl,--version-script="$work/library.map" &&
    "$@" -std=c11 -Wall -Wextra -Werror -I"$release" "$here/client.c" "$work/functions.c" \
      -L"$work" -lcachetools -o "$work/client"
}

count=0
status=0
for release in "$here"/releases/*/; do
  count=$((count + 1))
  result='not ok'
  if link_to_release "$release" "$@" >"$work/log" 2>&1 &&
    LD_BIND_NOW=1 LD_LIBRARY_PATH=$(dirname "$library") "$work/client" "$work/snapshot" \
      >"$work/log" 2>&1; then
    result=ok
  else
    status=1
  fi
  echo "$result $count - client_of_$(basename "$release")_runs"
  sed 's/^/# /' "$work/log"
done
echo "1..$count"
[ "$count" -gt 0 ] || { echo 'Bail out! There is no release.'; exit 1; }
exit $status
