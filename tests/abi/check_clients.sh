#!/bin/sh
# SPDX-License-Identifier: MIT
# For each release in tests/abi/releases, builds a program as it was built at that time, against that
# release's headers and symbols, and runs it with the libraries of today. Prints TAP.
# Usage: check_clients.sh PROGRAM.c LIBRARY ... -- COMPILER ...
set -eu
program=$1
shift
names='' folders=''
while [ "$1" != -- ]; do
  name=$(basename "$1")
  name=${name%%.so*}
  names="$names ${name#lib}"
  folders=${folders:+$folders:}$(dirname "$1")
  shift
done
shift
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A program is linked to stand-ins for the libraries of its time: only the symbols and their
# versions matter.
stand_in() { # name, folder of the release, compiler ...
  name=$1 symbols=$2/$1.symbols number=$(basename "$2")
  shift 2
  sed -n 's/^\(ct_.*\)@@.*/void \1(void) {}/p' "$symbols" >"$work/library.c"
  sed -n 's/^\(ct_.*\)@@\(.*\)/\2 \1/p' "$symbols" | sort | awk '
    $1 != node { if (node) print "};"; node = $1; print node " {" }
    { print $2 ";" }
    END { print "};" }' >"$work/library.map"
  "$@" -shared -fPIC "$work/library.c" -o "$work/lib$name.so" \
    -Wl,-soname,"lib$name.so.${number%%.*}" -Wl,--version-script="$work/library.map"
}

# The program refers to every function of the release, even to one that its code has forgotten.
list_functions() { # folder of the release
  for name in $names; do echo "#include <$name.h>"; done
  echo 'typedef void (*function)(void);'
  echo 'extern const function functions[];'
  echo 'const function functions[] = {'
  for name in $names; do sed -n 's/^\(ct_.*\)@@.*/(function)\1,/p' "$1/$name.symbols"; done
  echo '};'
}

link_to_release() { # folder, compiler ...
  release=$1
  shift
  for name in $names; do stand_in "$name" "$release" "$@" || return 1; done
  list_functions "$release" >"$work/functions.c"
  "$@" -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$release" -I"$here" \
    "$program" "$work/functions.c" "$work"/lib*.so -o "$work/client"
}

# In an empty folder.
run_client() (
  rm -rf "$work/folder" && mkdir "$work/folder" && cd "$work/folder" &&
    LD_BIND_NOW=1 LD_LIBRARY_PATH=$folders ../client
)

count=0
status=0
for release in "$here"/releases/*/; do
  count=$((count + 1))
  result='not ok'
  if link_to_release "${release%/}" "$@" >"$work/log" 2>&1 && run_client >"$work/log" 2>&1; then
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
