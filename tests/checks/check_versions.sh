#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks that whatever repeats the version says the same as meson.build, and that CHANGELOG.md
# begins with it.
# Usage: check_versions.sh SOURCES VERSION
set -eu
cd "$1"
version=$2
minor=${version%.*}
bad=0

says() { # file, line that it must have
  if ! grep -qxF -e "$2" "$1"; then
    echo "$1 lacks this line: $2"
    bad=1
  fi
}

for crate in cachetools cachetools-redis; do
  says "abi/rust/$crate/Cargo.toml" "version = \"$version\""
  says "abi/rust/$crate-sys/Cargo.toml" "version = \"$version\""
  says "abi/rust/$crate/Cargo.toml" \
    "$crate-sys = { version = \"$version\", path = \"../$crate-sys\" }"
done
says abi/rust/cachetools-redis/Cargo.toml \
  "cachetools = { version = \"=$version\", path = \"../cachetools\" }"
says abi/rust/cachetools-sys/build.rs "const OLDEST: &str = \"$version\";"
says abi/rust/cachetools-redis-sys/build.rs \
  "const PACKAGE: &str = \"cachetools-redis >= $version\";"
says abi/python/pyproject.toml "version = \"$version\""
says abi/zig/build.zig.zon "    .version = \"$version\","
says README.md "find_package(cachetools $minor CONFIG REQUIRED)"
says README.md "revision = v$version"
says tests/examples/CMakeLists.txt "foreach(version $minor $version)"
says tests/redis/CMakeLists.txt "find_package(cachetools-redis $minor CONFIG REQUIRED)"
for file in cachetools.h cachetools.symbols cachetools-redis.h cachetools-redis.symbols; do
  if [ ! -e "tests/abi/releases/$minor/$file" ]; then
    echo "There is no tests/abi/releases/$minor/$file"
    bad=1
  fi
done
case $(grep -m 1 '^## ' CHANGELOG.md) in
  "## $version, "*) ;;
  *) echo "CHANGELOG.md does not begin with $version" && bad=1 ;;
esac
exit $bad
