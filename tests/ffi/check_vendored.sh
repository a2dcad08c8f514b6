#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks the library in one file, without an installed one: that each compiler takes it in one line
# without a warning, and that a program of each language can have it inside. As a newcomer would, it
# compiles README.md's program of the language with a copy of the package.
# Usage: check_vendored.sh c|rust|go|zig CACHE_FOLDER CACHETOOLS_CPP SCRIPT ARGUMENT ...
# SCRIPT with these arguments and --vendor=FOLDER puts the file into the packages below FOLDER.
set -eux
# shellcheck source=tests/ffi/environment.sh
. "$(dirname "$0")/environment.sh"
language=$1
file=$(realpath "$3")
use_cache "$2"
shift 3
examples=${here%ffi}examples
unset LD_LIBRARY_PATH MALLOC_PERTURB_ # which Meson sets, and which slows compilers down
export PKG_CONFIG=false PKG_CONFIG_LIBDIR=/nowhere PKG_CONFIG_PATH=/nowhere

# Writes the first block of that language below a heading of README.md.
readme_program() { # heading, language
  awk -v heading="$1" -v fence="\`\`\`$2" '
    $0 == heading { seen = 1; next }
    seen && $0 == fence { inside = 1; next }
    inside && /^```$/ { exit }
    inside' "${here%tests/ffi}README.md"
}

cd "$work"
cp "$file" "${file%cpp}h" .
if [ "$language" != c ]; then
  mkdir -p libcachetools/abi answer
  cp -R "${here%tests/ffi}abi/$language" libcachetools/abi
  "$@" --vendor="$work/libcachetools"
  cd answer
fi
case $language in
  c)
    cp "$examples/answer.c" "$examples/tour.c" .
    awk '/^#/ { seen = $0 == "### One file" } seen && /^    (c\+\+|cc) / { print substr($0, 5) }' \
      "${here%tests/ffi}README.md" >lines
    [ "$(wc -l <lines)" = 3 ]
    for compiler in clang++ g++; do
      command -v $compiler || continue
      sed "s/^c++ -std/$compiler -Wall -Wextra -Werror -std/; s/^c++ /$compiler /" lines >commands
      sh -eux commands
      "$examples/check_output.sh" "$examples/answer.txt" ./answer
      cc -I. -c tour.c
      $compiler tour.o cachetools.o -o tour
      "$examples/check_output.sh" "$examples/tour.txt" ./tour
    done
    # At this level gcc guesses most about what may be unset.
    c++ -std=c++17 -O1 -Wall -Wextra -Werror -c cachetools.cpp
    # With these flags a C compiler links it, and what has it inside shows what the library would.
    c++ -std=c++17 -O2 -Wall -Wextra -Werror -fPIC -fno-exceptions -fno-rtti \
      -fno-threadsafe-statics -fno-math-errno -c cachetools.cpp
    cc answer.o cachetools.o -lm -o answer
    "$examples/check_output.sh" "$examples/answer.txt" ./answer
    cc -shared cachetools.o -o shared.so
    nm -D --defined-only shared.so | sed 's/.* //' | LC_ALL=C sort >shown
    sed '/^#/d; s/@.*//' "${here%tests/ffi}abi/cachetools.symbols" | LC_ALL=C sort | diff - shown
    exit
    ;;
  rust)
    cargo init
    cargo add --path ../libcachetools/abi/rust/cachetools --features vendored
    readme_program '### Rust' rust >src/main.rs
    cargo run >said
    ;;
  go)
    readme_program '### Go' go >answer.go
    go mod init answer
    go mod edit -require cachetools@v0.0.0 -replace cachetools=../libcachetools/abi/go
    go run -tags vendored answer.go >said
    ;;
  zig)
    zig init
    zig fetch --save ../libcachetools/abi/zig
    readme_program '### Zig' zig >src/main.zig
    readme_program '### Zig' zig | grep -q forty-two
    awk '
      /b\.installArtifact\(exe\);/ {
        print "const cachetools = b.dependency(\"cachetools\","
        print "    .{ .target = target, .optimize = optimize, .vendored = true });"
        print "exe.root_module.addImport(\"cachetools\", cachetools.module(\"cachetools\"));"
      }
      { print }' build.zig >with
    mv with build.zig
    zig build run 2>said
    ;;
esac
cat said
grep -qx forty-two said
