#!/bin/sh
# SPDX-License-Identifier: MIT
# Shows the second tier at work: starts a server of its own on a free port of the loopback address,
# and four processes. Three read through their near caches, the fourth writes, redis-cli deletes keys,
# and in the middle the server is killed and started again. Prints a line a second, then a table.
# Leaves nothing behind but packages.
# Usage: demo.sh [SECONDS]
set -eu
. "$(dirname "$0")/../setup.sh"
. "$root/tests/redis/setup.sh"

set_up demo
set_up_hiredis
set_up_servers
server=${CT_REDIS_SERVERS%%:*}
prefix=$work/prefix
quietly "Building the libraries and installing them into a private folder" \
  install_library "$prefix" -Dredis=enabled -Dtools=false
# shellcheck disable=SC2046 # words
quietly "Compiling demo.c against them: cc demo.c \$(pkg-config --cflags --libs cachetools-redis)" \
  cc -O2 "$root/tests/redis/demo.c" -o "$work/demo" -lm -pthread \
  $(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs cachetools-redis)
echo
LD_LIBRARY_PATH=$prefix/lib "$work/demo" "$server" "${1-15}" "$work"
