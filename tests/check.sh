#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the packages that are missing, builds the library with warnings as errors, and runs its
# tests. With --all, also builds it with clang and with sanitizers, for 32 bits, and in the ways
# that its users build it; runs the tests for longer, under Valgrind, and fuzzers; and analyses the
# sources. With --systems, builds it for other systems and processors instead, and runs what can be
# run of it; needs Debian. The last line says how many checks passed and failed.
# Usage: check.sh [--all | --systems]
set -eu
case "$#-${1-}" in
  0-) purpose=check ;;
  1---all) purpose=all ;;
  1---systems) purpose=systems ;;
  *)
    echo "Usage: $0 [--all | --systems]" >&2
    exit 2
    ;;
esac
. "$(dirname "$0")/setup.sh"
. "$root/tests/redis/setup.sh"
. "$root/tests/systems.sh"

passed=0
failed=0

# A check that passes or fails as a whole.
check() { # title, command ...
  if quietly "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    return 1
  fi
}

build() { # folder, C compiler, C++ compiler, meson options ...
  folder=$1 c=$2 cpp=$3
  shift 3
  CC=$c CXX=$cpp meson setup "$folder" "${sources:-$root}" -Dwerror=true "$@" &&
    meson compile -C "$folder"
}

# Runs Meson's tests and counts their cases. A program that fails without a failed case, because it
# crashed or ran out of time, counts as one; so does a skipped case, as none has a reason to be.
run_tests() { # title, folder, options of meson test ...
  title=$1 folder=$2
  shift 2
  started=$(date +%s)
  printf '%s ... ' "$title"
  status=0
  meson test -C "$folder" --no-rebuild --logbase cases "$@" >"$log" 2>&1 || status=1
  results=$(find "$folder/meson-logs" -name 'cases*.junit.xml')
  cases=0 bad=0
  if [ -n "$results" ]; then
    cases=$(grep -o '<testcase' "$results" | wc -l)
    bad=$(grep -oE '<(failure|error|skipped)' "$results" | wc -l)
    rm "$results"
  fi
  good=$((cases - bad))
  if [ "$good" -eq 0 ] || { [ $status -ne 0 ] && [ "$bad" -eq 0 ]; }; then bad=$((bad + 1)); fi
  passed=$((passed + good))
  failed=$((failed + bad))
  echo "$good cases passed, $bad failed ($(($(date +%s) - started)) s)"
  if [ "$bad" -ne 0 ]; then
    find "$folder/meson-logs" -name 'cases*.txt' -exec cat '{}' + | failed_programs >>"$log"
    show_log
  fi
}

# Prints from Meson's log what the failed programs said, without their passed cases.
failed_programs() {
  awk '
    function end_of_program() { if (is_bad) print said; said = ""; is_bad = 0 }
    /^=+ [0-9]+\/[0-9]+ =+$/ { end_of_program() }
    /^result: / && !/exit status 0$/ { is_bad = 1 }
    !/^ok / { said = said $0 "\n" }
    END { end_of_program() }'
}

# ---- The library as its users build it -----------------------------------------------------------

example_works() { # program, name, library folder
  LD_LIBRARY_PATH=$3 "$root/tests/examples/check_output.sh" "$root/tests/examples/$2.txt" "$1"
}

# The cachetools-sim that was installed, which is without libarchive.
sim_works() { # prefix
  LD_LIBRARY_PATH=$1/lib python3 "$root/tests/tools/test_sim.py" --source "$root" \
    --program "$1/bin/cachetools-sim"
}

use_documented() {
  install_library "$work/documented" -Ddocs=enabled -Dcompression=disabled &&
    sim_works "$work/documented" &&
    ls "$work/documented/share/doc/cachetools/reference/index.html" \
      "$work/documented/share/man/man1/cachetools-sim.1" \
      "$work/documented/share/man/man3/cachetools.3" "$work/documented/share/man/man3/ct_get.3"
}

# Prints the commands of an indented block of README.md that follows that line.
readme_block() { # line, number of the block
  awk -v line="$1" -v number="$2" '
    !seen { seen = $0 == line; next }
    /^```/ { fenced = !fenced }
    fenced { next }
    /^    / { if (!inside) block++; inside = 1; if (block == number) print substr($0, 5); next }
    { inside = 0 }' "$root/README.md"
}

# Packs what was committed as for a release, and unpacks it.
unpack_release() {
  meson dist -C "$work/gcc" --no-tests --allow-dirty --formats xztar &&
    mkdir "$work/release" && xz -dc "$work/gcc/meson-dist/"*.tar.xz | tar -C "$work/release" -xf - &&
    release=$(echo "$work/release/cachetools-"*) &&
    ls "$release/abi/rust/cachetools-sys/vendored/cachetools.cpp" \
      "$release/abi/go/cachetools.cpp" "$release/abi/zig/vendored/cachetools.cpp"
}

# Writes a script that does as README.md says in a copy of the sources: installs the library, then
# compiles README.md's first program and runs it.
write_installation() { # folder for both, number of the block under Install, sources
  mkdir -p "$1/libcachetools" &&
    tar -C "$3" --exclude=./.git --exclude='./build*' -cf - . | tar -C "$1/libcachetools" -xf - &&
    cp "$root/tests/examples/answer.c" "$1" && {
    echo 'set -eux'
    echo 'cd libcachetools'
    readme_block '## Install' "$2"
    echo 'cd ..'
    readme_block '# libcachetools' 1
    echo './answer >said'
  } >"$1/install.sh"
}

# With a prefix of the user's own, $HOME/ct. There the simulator is found, too.
use_installed() {
  write_installation "$work" 2 "$root" && {
    echo 'cd libcachetools'
    readme_block '## Which size, which policy: measure' 1 | sed -n 's/^\$ \(.*\)/\1 >..\/replayed/p'
  } >>"$work/install.sh" && (cd "$work" && HOME=$work sh install.sh) &&
    diff "$root/tests/examples/answer.txt" "$work/said" && grep -q 'Miss ratio' "$work/replayed"
}

# With what README.md asks for and nothing else, on the Debian that this one is.
use_on_bare_debian() {
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' | head -n 1)
  debootstrap --variant=minbase --include=sudo,meson,g++,pkg-config,libxxhash-dev \
    "${mirror#* }" "$work/debian" "${mirror% *}" &&
    write_installation "$work/debian/tmp" 1 "$release" &&
    on_debian 'sh install.sh' && diff "$root/tests/examples/answer.txt" "$work/debian/tmp/said"
}

on_debian() { # commands
  chroot "$work/debian" sh -euxc "export HOME=/root; cd /tmp; $1"
}

# The folders that tests of the system look into are not there, so these are the tests of the others.
test_on_debian() {
  on_debian "apt-get update; $install_by_apt libcmocka-dev liblzma-dev libarchive-dev xz-utils
    cd libcachetools; meson setup build-tests -Dtools=false -Doptimization=1 -Ddefault_library=shared
    CT_CONTRACT_SHARE=5 meson test -C build-tests -t 3 --suite contract --suite examples"
}

# Builds the packages, and README.md's first program with what they install.
use_debian_packages() {
  version=$(PKG_CONFIG_PATH=$work/gcc pkg-config --modversion cachetools)
  cp -R "$release" "$work/debian/tmp/package" &&
    cp -R "$release/tests/debian" "$work/debian/tmp/package" &&
    printf '%s\n' "cachetools ($version-1) unstable; urgency=medium" '' '  * First package.' '' \
      " -- The libcachetools authors <maintainers@example.org>  $(date -R)" \
      >"$work/debian/tmp/package/debian/changelog" &&
    on_debian "$install_by_apt build-essential debhelper
      ninja -C libcachetools/build uninstall; rm answer
      (cd package; dpkg-buildpackage --build=binary --no-sign)
      apt-get install -y --no-install-recommends ./*cachetools*_$version-1_*.deb
      $(readme_block '# libcachetools' 1)
      ./answer >said
      cachetools-sim --version
      ls /usr/share/man/man3/ct_get.3.gz /usr/lib/*/cmake/cachetools/cachetools-config.cmake
      grep -xF ' ct_get@CACHETOOLS_0.1 0.1' /var/lib/dpkg/info/libcachetools0:*.symbols" &&
    diff "$root/tests/examples/answer.txt" "$work/debian/tmp/said"
}

can_bootstrap() {
  [ "$(id -u)" = 0 ] && grep -qx 'ID=debian' /etc/os-release && command -v debootstrap >"$log"
}

use_installed_from() { # language
  PKG_CONFIG_PATH=$work/ct/lib/pkgconfig "$root/tests/ffi/check_readme.sh" "$1" \
    "$work/gcc/tests/ffi-cache"
}

# CMake finds what was installed where it was moved to, the shared and the static library, and no
# version that would not do. Nobody listens to the second tier.
use_moved_by_cmake() {
  mkdir "$work/cmake" && cp -R "$work/ct" "$work/cmake/moved" &&
    build_by_cmake examples && build_by_cmake redis || return 1
  for kind in shared static; do
    example_works "$work/cmake/examples/$kind" answer '' &&
      "$root/tests/examples/check_output.sh" "$root/tests/redis/shop.txt" "$work/cmake/redis/$kind" \
        redis://127.0.0.1:1 || return 1
  done
}

# The static library of the second tier needs hiredis, which may be in a folder of this run.
build_by_cmake() { # folder of tests
  LDFLAGS=$(pkg-config --libs-only-L hiredis) cmake -S "$root/tests/$1" -B "$work/cmake/$1" \
    -DCMAKE_PREFIX_PATH="$work/cmake/moved" &&
    cmake --build "$work/cmake/$1" && ! grep -rF "$work/ct" "$work/cmake/$1"
}

# Only the static library is installed here, so nothing else can have been linked.
use_static() {
  install_library "$work/static" -Ddefault_library=static &&
    compile_example "$work/static" answer --static &&
    example_works "$work/static/answer" answer ''
}

use_uninstalled() {
  # shellcheck disable=SC2046 # words
  cc "$root/tests/examples/answer.c" -o "$work/answer" \
    $(PKG_CONFIG_PATH=$work/gcc pkg-config --cflags --libs cachetools) &&
    example_works "$work/answer" answer "$work/gcc"
}

# With 32 bits there is no CMocka, so the examples stand for the tests.
use_32_bits() {
  install_library "$work/32" -Dwerror=true -Dcompression=disabled -Dredis=disabled -Dbuildtype=debugoptimized \
    -Dc_args=-m32 -Dcpp_args=-m32 -Dc_link_args=-m32 -Dcpp_link_args=-m32 || return 1
  xz -dc "$root/tests/data/traces/web12.u64.xz" >"$work/32/web12.u64"
  for name in answer tour replay warm_restart; do
    compile_example "$work/32" $name '' -m32 || return 1
  done
  example_works "$work/32/answer" answer "$work/32/lib" &&
    example_works "$work/32/tour" tour "$work/32/lib" &&
    (cd "$work/32" && example_works "$work/32/warm_restart" warm_restart "$work/32/lib") &&
    LD_LIBRARY_PATH=$work/32/lib "$work/32/replay" "$work/32/web12.u64" &&
    sim_works "$work/32"
}

# tests/ffi/rust tests what needs no other crates; this tests the rest, with serde, which cargo gets.
test_crates() (
  cp -R "$root/abi/rust" "$work/crates" && cd "$work/crates" || return 1
  export PKG_CONFIG_PATH="$work/gcc" LD_LIBRARY_PATH="$work/gcc:$work/gcc/abi/redis"
  export RUSTDOCFLAGS='-D warnings'
  cargo test --features cachetools/serde && cargo doc --features cachetools/serde --no-deps &&
    cargo package --workspace --allow-dirty --offline || return 1
  ! cargo clippy --version || cargo clippy --features cachetools/serde --all-targets -- -D warnings
)

# The crates that these tests need take a newer compiler than ours do.
has_new_cargo() {
  cargo --version >"$work/cargo" 2>"$log" &&
    [ "$(sed 's/^cargo 1\.\([0-9]*\).*/\1/' "$work/cargo")" -ge 85 ]
}

# Makes from a release what a distribution would package. It does so twice, in folders of different
# names: both results must be the same, byte for byte.
package() (
  mkdir "$work/package" && cd "$work/package" && cp -R "$release" . && cp -R cachetools-* copy || return 1
  for sources in cachetools-* copy; do
    meson setup "$sources/build" "$sources" --prefix /usr --libdir lib -Dtests=false &&
      DESTDIR=$work/package/root-$sources meson install -C "$sources/build" || return 1
  done
  diff -r root-cachetools-* root-copy && ! grep -rF "$work" root-copy &&
    (cd root-copy && find . ! -type d | LC_ALL=C sort) >files &&
    { sed "s/VERSION/$(PKG_CONFIG_PATH=$work/gcc pkg-config --modversion cachetools)/" \
      "$root/tests/package.files" && sed '/^#/d; s|@.*||; s|.*|./usr/share/man/man3/&.3|' \
      "$root/abi/cachetools.symbols" "$root/abi/redis/cachetools-redis.symbols"; } | LC_ALL=C sort |
      diff - files || return 1
  # shellcheck disable=SC2046 # words
  cc "$root/tests/examples/answer.c" -o answer $(PKG_CONFIG_SYSROOT_DIR=$work/package/root-copy \
    PKG_CONFIG_LIBDIR=$work/package/root-copy/usr/lib/pkgconfig pkg-config --cflags --libs cachetools) &&
    example_works ./answer answer root-copy/usr/lib
)

# ---- Fuzzing -------------------------------------------------------------------------------------

can_fuzz() {
  echo 'int LLVMFuzzerTestOneInput(const char *data, unsigned long size) { return !data && size; }' |
    clang -fsanitize=fuzzer,address -x c - -o "$work/can-fuzz" 2>"$log"
}

# Begins with the inputs of the checkout, and writes new ones to the work folder. Prints the bytes
# of an input that fails, as it is to become one of the checkout's.
fuzz() { # name
  found=$work/found/$1
  mkdir -p "$found"
  program=tests/fuzz_$1 corpus=$root/tests/fuzz/corpus/$1
  case $1 in
    redis_*) program=tests/redis/fuzz_$1 corpus=$root/tests/redis/corpus/${1#redis_} ;;
  esac
  if UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$work/address/$program" -entropic=0 \
    -max_total_time=30 -artifact_prefix="$found-" "$found" "$corpus" >"$found.log" 2>&1; then
    return 0
  fi
  echo "fuzz_$1:"
  tail -n 80 "$found.log"
  for file in "$found"-*; do
    echo "$file:"
    od -A d -t x1 "$file"
  done
  return 1
}

# Runs two fuzzers at a time.
fuzz_all() {
  bad=0
  for pair in 'key model' 'options snapshot' 'redis_reader redis_tier'; do
    fuzz "${pair% *}" &
    first=$!
    fuzz "${pair#* }" || bad=1
    wait $first || bad=1
  done
  return $bad
}

# ---- Checks that need a tool ---------------------------------------------------------------------

# The first argument is a command that the check needs; the rest is the check.
check_by() { # command, title, command ...
  if command -v "$1" >"$log"; then
    shift
    check "$@" || true
  else
    echo "There is no $1 here, so this was not done: $2"
  fi
}

# ---- What is run ---------------------------------------------------------------------------------

checkout_state() {
  git -C "$root" status --porcelain 2>"$work/git-log" || true
}

checkout_is_as_before() {
  checkout_state >"$work/after" && diff "$work/before" "$work/after"
}

check_all() {
  release=$root
  if git -C "$root" rev-parse HEAD >"$log" 2>&1; then
    check "Packing the sources" unpack_release || true
  fi
  sources=$release
  if check "Building what was packed with clang, optimized" build "$work/clang" clang clang++ \
    -Dbuildtype=release; then
    run_tests "Tests" "$work/clang" --no-suite ffi --no-suite redis
  fi
  sources=

  fuzz=false
  if can_fuzz; then fuzz=true; else echo 'This clang has no libFuzzer, so nothing is fuzzed.'; fi
  if check "Building with AddressSanitizer and UndefinedBehaviorSanitizer" \
    build "$work/address" clang clang++ -Dbuildtype=debugoptimized \
    -Db_sanitize=address,undefined -Db_lundef=false -Dfuzz=$fuzz -Ddebug_handles=true; then
    # Otherwise undefined behaviour would be printed, and the test would pass.
    UBSAN_OPTIONS=halt_on_error=1 run_tests "Tests" "$work/address" --timeout-multiplier 5 \
      --no-suite redis
    UBSAN_OPTIONS=halt_on_error=1 run_tests "Tests of the second tier" "$work/address" \
      --timeout-multiplier 5 redis_calls_redis redis_offline_redis redis_cut_redis redis_options \
      redis_tier redis_simulated redis_fuzz_reader_corpus redis_fuzz_tier_corpus
    if [ $fuzz = true ]; then check "Fuzzing, half a minute each" fuzz_all || true; fi
  fi

  if check "Building with ThreadSanitizer" \
    build "$work/thread" gcc g++ -Dbuildtype=debugoptimized -Db_sanitize=thread; then
    # ThreadSanitizer does not work with every layout of memory that the kernel may choose.
    wrapper=
    if setarch "$(uname -m)" -R true 2>"$log"; then wrapper="setarch $(uname -m) -R"; fi
    run_tests "Tests of the second tier's threads" "$work/thread" --timeout-multiplier 5 \
      ${wrapper:+--wrapper "$wrapper"} redis_calls_redis redis_offline_redis redis_failures_redis
    CT_MODEL_STEPS=100000 run_tests "Tests of threads, short model test" "$work/thread" \
      --timeout-multiplier 5 ${wrapper:+--wrapper "$wrapper"} --suite threads --suite model
  fi

  if check "Building for a system of which only POSIX is known" build "$work/posix" gcc g++ \
    -Dbuildtype=debugoptimized -Dcpp_args=-DCT_GENERIC_SYSTEM -Dtools=false -Dredis=disabled; then
    run_tests "Tests of threads, who sleep in the parking lot" "$work/posix" --suite threads
  fi

  CT_CONTRACT_SHARE=5 run_tests "A fifth of the contract with Valgrind" "$work/gcc" \
    --setup valgrind --suite contract
  run_tests "The page heap with Valgrind" "$work/gcc" --setup valgrind page_heap
  run_tests "The second tier with Valgrind" "$work/gcc" --setup valgrind \
    redis_options redis_tier redis_calls_redis
  CT_MODEL_STEPS=10000000 run_tests "Long model test" "$work/gcc" --timeout-multiplier 5 \
    --suite model

  check_by abidw "Breaking the ABI, to see that it is noticed" \
    "$root/tests/abi/check_guard.sh" "$root" "${CT_REDIS_SERVERS%%:*}"
  check_by clang-tidy "Analysing with clang-tidy" "$root/tests/analyse.sh" clang-tidy "$work/gcc"
  check_by cppcheck "Analysing with cppcheck" "$root/tests/analyse.sh" cppcheck "$work/gcc"

  if can_bootstrap; then
    if check "Installing a release on a bare Debian, as README.md says" use_on_bare_debian; then
      check "Testing it on that Debian" test_on_debian || true
      check "Building and using Debian packages on it" use_debian_packages || true
    fi
  else
    echo 'This is no Debian with root and debootstrap, so nothing was installed on a bare one.'
  fi
  if check "Installing the library with a prefix, as README.md says" use_installed; then
    for language in cpp meson rust go zig python redis-rust redis-go; do
      check "Using it from $language, as README.md says" use_installed_from $language || true
    done
    check_by cmake "Using it from CMake, as README.md says" use_installed_from cmake
    check_by cmake "Using it from CMake where it was moved to" use_moved_by_cmake
  fi
  if has_new_cargo; then
    check "Testing and documenting the crates for Rust, with serde" test_crates || true
  else
    echo 'There is no cargo 1.85 or later here, so the crates for Rust were not tested with serde.'
  fi
  check "Using cachetools-sim without libarchive, rendering the reference" use_documented || true
  check "Using the static library" use_static || true
  check "Using the library where it was built" use_uninstalled || true
  [ "$release" = "$root" ] || check "Packaging a release" package || true
  if compiles_for_32_bits; then
    check "Using the library with 32 bits" use_32_bits || true
  else
    echo 'There is no compiler for 32 bits here, so nothing was tried with it.'
  fi
}

set_up $purpose
case $purpose in
  all) set_up_hiredis && set_up_servers ;;
  systems) set_up_systems ;;
esac
checkout_state >"$work/before"
if [ $purpose = systems ]; then
  check_systems
elif check "Building with gcc, warnings as errors" \
  build "$work/gcc" gcc g++ -Dbuildtype=debugoptimized -Dcompression=enabled; then
  CT_MODEL_STEPS=1000000 run_tests "Tests" "$work/gcc"
  [ $purpose != all ] || check_all
fi
check "Looking whether the checkout is as it was" checkout_is_as_before || true

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
