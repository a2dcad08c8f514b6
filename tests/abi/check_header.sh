#!/bin/sh
# SPDX-License-Identifier: MIT
# Compiles the headers alone, with one object of each CT_..._INIT and with units of time, in every
# mode of C and C++ that it promises, with every compiler found; and the header for C++ likewise,
# with all that it has for some types, also without exceptions and without type information. Prints
# TAP.
# Usage: check_header.sh INCLUDE_DIRECTORY
set -eu
include=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

{
  echo '#include <cachetools-redis.h>' # includes the other one
  echo '#include <cachetools-redis.h>' # does nothing, by its guard
  echo '#include <cachetools.h>'
  sed -n 's/^#define CT_\([A-Z_]*\)_INIT\b.*/\1/p' "$include/cachetools.h" "$include/cachetools-redis.h" |
    while read -r name; do
      type=ct_$(echo "$name" | tr '[:upper:]' '[:lower:]')
      echo "extern $type a_$type;"
      echo "$type a_$type = CT_${name}_INIT;"
    done
  for unit in NANOSECONDS MICROSECONDS MILLISECONDS SECONDS MINUTES HOURS; do
    function="of_$unit(short n, unsigned char u, int64_t l, uint64_t q)"
    echo "uint64_t $function;"
    echo "uint64_t $function {"
    echo "  enum { kMany = CT_$unit(2) > 1 };"
    echo "  static uint64_t two = CT_$unit(2);"
    echo "  return kMany + two + CT_$unit(n) + CT_$unit(u) + CT_$unit(l - 1) + CT_$unit(q);"
    echo '}'
  done
  echo 'int main(void) { return ct_version() == 0; }'
} >"$work/header.c"
cp "$work/header.c" "$work/header.cpp"
cat >"$work/typed.cpp" <<'END'
#include <cachetools.hpp>
#include <cachetools.hpp>
template class cachetools::cache<>;
template class cachetools::cache<std::string, double>;
template class cachetools::cache<std::tuple<int, std::string>, std::vector<int>>;
template class cachetools::lease<std::string, double>;
template class cachetools::memo<std::string(int, double)>;
template class cachetools::memo<std::shared_ptr<int>(std::string)>;
int main() {
  cachetools::cache<int, std::shared_ptr<int>> cache(cachetools::policy::lru, 1);
  cache.set(1, std::make_shared<int>(1));
  cache.compute(1, [](const std::shared_ptr<int> &old) { return old; });
  return *cache.get_or_load(1, [](int) { return std::make_unique<int>(2); });
}
END
: >"$work/empty.c"
: >"$work/empty.cpp"

count=0
status=0
option=
compile() { # name, compiler, mode, language, flags ...
  name=$1 compiler=$2 mode=$3 language=$4
  shift 4
  # A compiler that is missing, or a mode that it does not know, is passed over in silence.
  "$compiler" "-std=$mode" -fsyntax-only "$work/empty.$language" >"$work/log" 2>&1 || return 0
  count=$((count + 1))
  result=ok
  "$compiler" "-std=$mode" -Wall -Wextra -pedantic -Werror "$@" -I"$include" \
    -c "$work/$name.$language" -o "$work/$name.o" >"$work/log" 2>&1 || result='not ok' status=1
  echo "$result $count - ${name}_compiles_alone_with_${compiler}_as_$mode$option"
  sed 's/^/# /' "$work/log"
}

# A fraction would be cut off.
for compiler in gcc g++ clang clang++; do
  "$compiler" --version >"$work/log" 2>&1 || continue
  case $compiler in
    *++) language=c++ ;;
    *) language=c ;;
  esac
  count=$((count + 1))
  result=ok
  if echo '#include <cachetools.h>
extern uint64_t time;
uint64_t time = CT_SECONDS(1.5);' | "$compiler" -I"$include" -x $language -fsyntax-only - 2>"$work/log"; then
    result='not ok' status=1
  fi
  grep -q 'invalid operands' "$work/log" || result='not ok' status=1
  echo "$result $count - fraction_does_not_compile_with_$compiler"
  [ "$result" = ok ] || sed 's/^/# /' "$work/log"
done

for compiler in gcc clang; do
  for mode in c99 c11 c17 c2x; do
    compile header "$compiler" $mode c -Wpadded -Wstrict-prototypes
  done
done
for compiler in g++ clang++; do
  for mode in c++11 c++14 c++17 c++20 c++2b; do
    compile header "$compiler" $mode cpp -Wpadded -Wold-style-cast -Wzero-as-null-pointer-constant
  done
  for way in c++17 c++17-fno-exceptions c++17-fno-rtti c++20 c++2b; do
    option=${way#c++??}
    # shellcheck disable=SC2086 # nothing, if there is no option
    compile typed "$compiler" "${way%"$option"}" cpp -Wold-style-cast \
      -Wzero-as-null-pointer-constant -Wconversion -Wshadow -fsyntax-only $option
  done
  option=
done
echo "1..$count"
[ "$count" -gt 0 ] || { echo 'Bail out! There is neither gcc nor clang.'; exit 1; }
exit $status
