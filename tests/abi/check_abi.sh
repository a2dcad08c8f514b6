#!/bin/sh
# SPDX-License-Identifier: MIT
# Compares the ABI of a shared library, read from its debug information, with abi/cachetools.abi or the
# file given; or, with --record, writes that file anew.
# Usage: check_abi.sh [--record] CHECKOUT LIBRARY [RECORDED]
set -eu
record=no
if [ "$1" = --record ]; then
  record=yes
  shift
fi
checkout=$1 library=$2
recorded=$checkout/${3-abi/cachetools.abi}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

abidw --headers-dir "$checkout/include" --drop-private-types --exported-interfaces-only \
  --no-architecture --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed \
  --type-id-style hash --out-file "$work/cachetools.abi" "$library"

# A library without debug information shows no types, and would equal any other.
exported=$(nm -D --defined-only "$library" | grep -c ' T ct_')
described=$(grep -c '<function-decl ' "$work/cachetools.abi") || true
if [ "$described" -ne "$exported" ]; then
  echo "Of $exported functions, debug information describes $described."
  exit 1
fi

if [ $record = yes ]; then
  # Paths of sources are recorded as they are in the checkout, wherever the library was built.
  sed "s|path='[^']*/abi/|path='abi/|" "$work/cachetools.abi" >"$recorded"
elif ! abidiff --harmless "$recorded" "$work/cachetools.abi"; then
  echo 'The ABI is not as recorded. abi/README.md says what may change, and how it is recorded.'
  exit 1
fi
