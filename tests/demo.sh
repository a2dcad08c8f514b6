#!/bin/sh
# SPDX-License-Identifier: MIT
# Shows the library at work: installs the packages that are missing, builds it, installs it into a
# private folder, compiles programs against it, and runs them on recorded requests of a web shop.
# Leaves nothing behind but the packages.
# Usage: demo.sh
set -eu
. "$(dirname "$0")/setup.sh"

prefix=$work/prefix
run() { # name, arguments ...
  name=$1
  shift
  LD_LIBRARY_PATH=$prefix/lib "$prefix/$name" "$@"
}

echo 'libcachetools: an in-process cache of byte strings, bounded by a policy of your choice.'
echo
set_up demo
quietly "Building the library and installing it into $prefix" install_library "$prefix"
for name in answer replay tour; do
  quietly "Compiling $name.c against it: cc $name.c \$(pkg-config --cflags --libs cachetools)" \
    compile_example "$prefix" "$name"
done

echo
echo '== A first program: tests/examples/answer.c =='
echo
run answer

echo
echo '== Recorded requests of a web shop, through every policy: tests/examples/replay.c =='
echo '   (trace web12, copyright headissue GmbH, Jens Wilke, CC BY 4.0; see tests/data/traces)'
echo
xz -dc "$root/tests/data/traces/web12.u64.xz" >"$work/web12.u64"
run replay "$work/web12.u64"

echo
echo '== A tour of the rest: tests/examples/tour.c =='
echo
run tour

echo
echo 'That was it. The reference is include/cachetools.h; ./tests/check.sh runs the tests.'
