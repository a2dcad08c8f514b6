#!/bin/sh
# SPDX-License-Identifier: MIT
# Breaks the ABI of either library in copies of the sources, consistently, in every list that such a
# change has to update. Checks that the right tests of that ABI fail, and no others. Prints TAP. Needs
# what those tests need, and Meson.
# Usage: check_guard.sh CHECKOUT REDIS_SERVER
set -eu
checkout=$1
export CT_REDIS_SERVER="$2"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
copy=$work/copy
library=$work/build/libcachetools.so
redis=$work/build/abi/redis/libcachetools-redis.so

edited=

build() {
  [ -d "$work/build" ] ||
    meson setup "$work/build" "$copy" -Dtests=false -Dbuildtype=debug -Ddefault_library=shared \
      -Dredis=enabled
  meson compile -C "$work/build"
}

# An edit that finds nothing to change would test nothing.
edit() { # file, script of sed
  sed "$2" "$copy/$1" >"$work/edit"
  if cmp -s "$copy/$1" "$work/edit"; then
    echo "There is nothing to change in $1 any more."
    return 1
  fi
  cp "$work/edit" "$copy/$1"
  edited="$edited $1"
}

undo_edits() {
  for file in $edited; do cp "$checkout/$file" "$copy/$file"; done
  edited=
}

# ---- The tests of the ABI, as in tests/meson.build and tests/redis/meson.build -------------------

layout() { cc -std=c11 -fsyntax-only -I"$copy/include" "$copy/tests/abi/test_layout.c"; }
symbols() {
  python3 "$copy/tests/abi/check_symbols.py" --source "$copy" --library "$library" \
    --soname libcachetools.so.0
}
abi() { "$copy/tests/abi/check_abi.sh" "$copy" "$library"; }
clients() {
  "$copy/tests/abi/check_clients.sh" "$copy/tests/abi/client.c" "$library" -- cc
}

redis_layout() {
  cc -std=c11 -fsyntax-only -I"$copy/include" "$copy/tests/redis/test_layout.c"
}
redis_symbols() {
  python3 "$copy/tests/abi/check_symbols.py" --source "$copy" --library "$redis" \
    --soname libcachetools-redis.so.0 --name cachetools-redis --folder abi/redis \
    --allow libcachetools libhiredis libssl libcrypto
}
redis_abi() { "$copy/tests/abi/check_abi.sh" "$copy" "$redis" abi/redis/cachetools-redis.abi; }
redis_clients() {
  "$copy/tests/abi/check_clients.sh" "$copy/tests/redis/client.c" "$library" "$redis" -- cc
}

# ---- Changes -------------------------------------------------------------------------------------

change_nothing() { :; }

remove_a_function() {
  edit include/cachetools.h '/CT_API uint64_t ct_memory(/d' &&
    edit abi/cache.cpp '/^uint64_t ct_memory(/,/^}/d' &&
    edit abi/cachetools.map '/ct_memory;/d' &&
    edit abi/cachetools.symbols '/^ct_memory@/d' && edit include/cachetools.3 '/^.Fn ct_memory /d'
}

swap_two_statuses() {
  edit include/cachetools.h 's/CT_EXISTS = 2/CT_EXISTS = 3/; s/CT_NOT_STORED = 3/CT_NOT_STORED = 2/'
}

grow_a_struct_in_the_middle() {
  edit include/cachetools.h '/^typedef struct ct_entry_options {/,/^}/s/.*uint64_t ttl;/  uint64_t added;\n&/' &&
    edit include/cachetools.h 's/{ sizeof(ct_entry_options), 0,/& 0,/'
}

# All parameters have the same type, so no compiler notices.
swap_parameters() {
  for file in include/cachetools.h abi/mapping.cpp; do
    edit $file '/ct_set(ct_cache \*cache, const void \*key/ {
      s/void \*key, size_t key_size, const void \*value/void *value, size_t value_size, const void *key/
      n
      s/value_size/key_size/
    }' || return 1
  done
}

remove_a_function_of_redis() {
  edit include/cachetools-redis.h '/CT_API bool ct_redis_is_fresh(/d' &&
    edit abi/redis/redis.cpp '/^bool ct_redis_is_fresh(/,/^}/d' &&
    edit abi/redis/cachetools-redis.map '/ct_redis_is_fresh;/d' &&
    edit abi/redis/cachetools-redis.symbols '/^ct_redis_is_fresh@/d' &&
    edit include/cachetools-redis.3 '/^.Fn ct_redis_is_fresh/d'
}

rename_the_node_of_redis() {
  for list in map symbols; do
    edit abi/redis/cachetools-redis.$list 's/CACHETOOLS_REDIS_0\.1/CACHETOOLS_REDIS_0.2/' || return 1
  done
}

swap_parameters_of_redis() {
  for file in include/cachetools-redis.h abi/redis/redis.cpp; do
    edit $file '/ct_redis_set(ct_redis \*tier, const void \*key/ {
      s/void \*key, size_t key_size, const void \*value/void *value, size_t value_size, const void *key/
      n
      s/value_size/key_size/
    }' || return 1
  done
}

omit_debug_information() {
  edit meson.build "s/cpp.get_supported_link_arguments(/&'-Wl,--strip-debug', /"
}

# ---- Which tests notice which change -------------------------------------------------------------

count=0
status=0

# Of $tests, exactly the named ones have to fail.
expect() { # change, names of tests ...
  change=$1
  shift
  failed=
  if { "$change" && build; } >"$work/log" 2>&1; then
    for test in $tests; do
      $test >"$work/log" 2>&1 || failed="$failed $test"
    done
    echo "fails:$failed" >"$work/log"
  else
    failed=' to be tried'
  fi
  result=ok
  if [ "$failed" != "${*:+ }$*" ]; then result='not ok' status=1; fi
  count=$((count + 1))
  echo "$result $count - $change"
  sed 's/^/# /' "$work/log"
  undo_edits
}

mkdir "$copy"
(cd "$checkout" && cp -R abi include src tests meson.build meson_options.txt cachetools.pc.in "$copy")
tests='layout symbols abi clients'
expect change_nothing
expect omit_debug_information abi
expect remove_a_function abi clients
expect swap_two_statuses layout abi clients
expect grow_a_struct_in_the_middle layout abi clients
expect swap_parameters clients
tests='redis_layout redis_symbols redis_abi redis_clients'
expect change_nothing
expect remove_a_function_of_redis redis_abi redis_clients
expect rename_the_node_of_redis redis_abi redis_clients
expect swap_parameters_of_redis redis_clients
echo "1..$count"
exit $status
