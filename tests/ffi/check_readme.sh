#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks that README.md's section on a language or a build system works, beside a checkout and with
# the library that pkg-config finds, but as a subproject of Meson: runs the commands above its program,
# writes the program into the folder where they lead, and runs the commands below it.
# With wrap, Meson clones the checkout, by the wrap that README.md shows.
# Usage: check_readme.sh c|cpp|cmake|meson|wrap|rust|go|zig|python|redis-rust|redis-go CACHE_FOLDER
set -eu
# shellcheck source=tests/ffi/environment.sh
. "$(dirname "$0")/environment.sh"
language=$1
use_library
use_cache "$2"
examples=${here%ffi}examples
fence=$language run= limit=15 expected=$examples/answer.txt
case $language in
  c) heading='# libcachetools' program=answer.c run=./answer ;;
  cpp) heading='## From C++' program=products.cpp run=./products limit=30 expected=$examples/products.txt ;;
  cmake)
    heading='### CMake' program=CMakeLists.txt
    CMAKE_PREFIX_PATH=$(pkg-config --variable=libdir cachetools)
    CMAKE_PREFIX_PATH=$CMAKE_PREFIX_PATH:$CMAKE_PREFIX_PATH/cmake
    export CMAKE_PREFIX_PATH
    ;;
  meson | wrap) heading='### Meson' program=meson.build && unset PKG_CONFIG_PATH LD_LIBRARY_PATH ;;
  rust) heading='### Rust' program=src/main.rs ;;
  go) heading='### Go' program=answer.go ;;
  zig) heading='### Zig' program=answer.zig ;;
  python) heading='### Python' program=answer.py && use_python ;;
  redis-rust) heading='### From Rust' program=src/main.rs ;;
  redis-go) heading='### From Go' program=user.go ;;
esac
case $language in
  redis-*) fence=${language#redis-} limit=30 expected=${here%ffi}redis/shop.txt ;;
esac

cd "$work"
ln -s "${here%/tests/ffi}" libcachetools
mkdir answer
cd answer
[ "$language" != wrap ] || fence=meson
awk -v heading="$heading" -v fence="\`\`\`$fence" '
  /^#/ && $0 == heading && !part { part = "above"; next }
  part == "above" && $0 == fence { part = "program"; next }
  part == "program" && /^```$/ { part = "below"; next }
  part == "program" { print >"../program"; next }
  /^##/ && part { exit }
  part && /^    / { print substr($0, 5) >("../" part) }' ../libcachetools/README.md
touch ../above ../below
cat ../above ../below
# Lines that are empty or only close something do not count. Neither do changes of folder, nor what
# makes the library a subproject of Meson, in place of installing it.
[ "$(grep -vc '^[[:space:]]*[])}]*$' ../program)" -le $limit ] ||
  { echo "More than $limit lines: $program"; exit 1; }
[ "$(cat ../above ../below | sed 's/ && /\n/g' | grep -vc '^cd \|subprojects')" -le 3 ] ||
  { echo 'More than 3 commands'; exit 1; }
case $language in cmake | meson | wrap) cp "$examples/answer.c" . ;; esac
if [ "$language" = wrap ]; then
  mkdir subprojects
  awk -v root="${here%/tests/ffi}" '
    /^```ini$/ { inside = 1; next }
    /^```$/ { inside = 0 }
    inside { sub(/^url = .*/, "url = file://" root); sub(/^revision = .*/, "revision = HEAD"); print }
    ' ../libcachetools/README.md >subprojects/cachetools.wrap
  sed -i '/subprojects/d' ../above
fi
# No server is there, so that the output is the same whether or not one has answered in time.
{ cat ../above && echo "cp '$work/program' $program" && cat ../below && echo "$run"; } |
  sed 's|redis://localhost:6379|redis://127.0.0.1:1|' >../commands
case $language in
  zig) sh -e ../commands >../said 2>&1 ;; # std.debug.print; what standard output takes changes with Zig
  *) sh -e ../commands >../said ;;
esac || { cat ../said; exit 1; }
cat ../said
tail -n "$(wc -l <"$expected")" ../said | diff "$expected" -
