#!/bin/sh
# SPDX-License-Identifier: MIT
# What cachetools.hpp refuses to compile, it refuses with a sentence: the first error of the compiler
# says it, and at most another one follows.
# Usage: check_refused.sh INCLUDE COMPILER [ARGUMENT ...]
set -eu
include=$1
shift
compiler=$* # words
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0 status=0

refuse() { # sentence, statements
  count=$((count + 1)) verdict=ok
  cat >"$work/refused.cpp" <<END
#include <cachetools.hpp>
struct named { std::string name; };
struct padded { char letter; int number; };
int main() {
  const auto lru = cachetools::policy::lru;
  $2
}
END
  if $compiler -std=c++17 -fsyntax-only -I"$include" "$work/refused.cpp" >"$work/said" 2>&1; then
    verdict='not ok'
  fi
  grep 'error:' "$work/said" >"$work/errors" || verdict='not ok'
  case $(head -n 1 "$work/errors") in
    *"cachetools: $1"*) ;;
    *) verdict='not ok' ;;
  esac
  [ "$(wc -l <"$work/errors")" -le 2 ] || verdict='not ok'
  echo "$verdict $count - $1"
  [ "$verdict" = ok ] || { status=1 && sed 's/^/# /' "$work/said"; }
}

bytes='this type does not become bytes'
refuse "$bytes" 'cachetools::cache<int, named> it(lru, 1); it.set(1, {"a"}); it.get(1);'
refuse "$bytes" 'cachetools::cache<named, int> it(lru, 1); it.set({"a"}, 1); it.get({"a"});'
refuse "$bytes" 'cachetools::cache<int, std::vector<named>> it(lru, 1); it.set(1, {}); it.get(1);'
refuse 'keys and values are no pointers' 'cachetools::cache<int, int *> it(lru, 1);'
refuse 'equal keys must have equal bytes' 'cachetools::cache<double, int> it(lru, 1);'
refuse 'equal keys must have equal bytes' 'cachetools::cache<padded, int> it(lru, 1);'
refuse 'a time has a unit' 'cachetools::cache<int, int> it(lru, 1); it.set(1, 1, 60);'
refuse 'a time has a unit' 'cachetools::cache<int, int>::options_type it; it.ttl = 60;'
refuse 'a time has a unit' 'cachetools::entry it; it.ttl = 1.5;'
echo "1..$count"
exit $status
