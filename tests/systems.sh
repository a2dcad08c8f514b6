# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# For check.sh --systems, which sources it after setup.sh: builds the library for other systems and
# processors, and runs its tests where something here runs such programs. Needs Debian: Zig comes
# from the Python Package Index; Wine and QEMU are installed; cross compilers and CMocka's sources
# are only unpacked, in the work folder, as the compilers and gcc-multilib exclude each other.

# Zig 0.15 is the first that brings FreeBSD's libc. An older Meson does not know Zig as a linker.
set_up_systems() {
  command -v apt-get >"$log" || refuse 'This needs apt-get, for compilers and CMocka.'
  if [ -n "$(missing wine qemu-aarch64-static qemu-s390x-static)" ]; then
    install="$install_by_apt wine wine64 qemu-user-static"
    quietly "Installing Wine and QEMU" as_root "$install" ||
      refuse 'Please run this as root, then try again:' "    $install"
  fi
  make_venv
  quietly "Installing Zig and Meson into it" "$work/venv/bin/pip" install 'ziglang == 0.15.*' \
    'meson >= 1.12' || refuse 'Please install Zig 0.15 and Meson 1.12, then try again.'
  zig=$("$work/venv/bin/python" -c 'import ziglang; print(*ziglang.__path__)')/zig
  quietly "Unpacking the cross compilers" unpack_compilers || refuse 'There is no way without them.'
  quietly "Unpacking CMocka's sources" unpack_cmocka || refuse 'There is no way without them.'
  PATH=$work/cross/usr/bin:$PATH
  # Debian's folder would be searched before a system's own headers.
  mkdir "$work/xxhash"
  cp "$(pkg-config --variable=includedir libxxhash)/xxhash.h" "$work/xxhash"
}

unpack_compilers() {
  mkdir "$work/debs" && cd "$work/debs" || return 1
  # Debian's names of the processors in packages of libraries differ from those of compilers.
  for names in 'aarch64 arm64' 's390x s390x'; do
    cpu=${names% *}
    apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
      --no-replaces --no-enhances "g++-$cpu-linux-gnu" | grep -E "^[a-z].*(${names#* }-cross|$cpu-linux-gnu)" |
      sort -u | xargs apt-get download || return 1
  done
  for package in *.deb; do dpkg -x "$package" "$work/cross" || return 1; done
}

unpack_cmocka() {
  mkdir -p "$work/cmocka/lists/partial" && cd "$work/cmocka" || return 1
  echo "deb-src $(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
    head -n 1) main" >sources.list
  # The lists of the system stay as they are.
  for step in update 'source --download-only cmocka'; do
    # shellcheck disable=SC2086 # words
    apt-get -o Dir::Etc::sourcelist="$PWD/sources.list" -o Dir::Etc::sourceparts=/dev/null \
      -o Dir::State::lists="$PWD/lists" $step || return 1
  done
  tar --strip-components 1 -xf cmocka_*.orig.tar.?z
}

# Writes what Meson has to know of a machine, and makes what tests of it need: CMocka for it, and
# where xxHash's header is.
prepare() { # name, system, processor, byte order, program that runs its programs or '', compiler ...
  name=$1 system=$2 cpu=$3 endian=$4 wrapper=$5
  shift 5
  folder=$work/for-$name
  mkdir -p "$folder" || return 1
  case $1 in
    "$zig")
      c="'$zig', 'cc', '-target', '$2'" cpp="'$zig', 'c++', '-target', '$2'" ar="'$zig', 'ar'"
      set -- "$zig" cc -target "$2"
      ;;
    *) c="'$1-gcc'" cpp="'$1-g++'" ar="'$1-ar'" && set -- "$1-gcc" ;;
  esac
  {
    printf '%s\n' '[binaries]' "c = [$c]" "cpp = [$cpp]" "ar = [$ar]" "pkg-config = 'pkg-config'"
    [ -z "$wrapper" ] || echo "exe_wrapper = [$wrapper]"
    printf '%s\n' '[properties]' "pkg_config_libdir = '$folder'" '[host_machine]' \
      "system = '$system'" "cpu_family = '$cpu'" "cpu = '$cpu'" "endian = '$endian'"
  } >"$folder/cross.ini"
  printf '%s\n' 'Name: libxxhash' 'Description: a hash' 'Version: 0.8' "Cflags: -I$work/xxhash" \
    >"$folder/libxxhash.pc"
  [ -n "$wrapper" ] || return 0
  {
    for part in ASSERT_H INTTYPES_H MALLOC_H SETJMP_H SIGNAL_H STDARG_H STDDEF_H STDINT_H STDIO_H \
      STDLIB_H STRING_H TIME_H SNPRINTF VSNPRINTF SIGNAL STRUCT_TIMESPEC CLOCK_GETTIME \
      CLOCK_REALTIME GCC_THREAD_LOCAL_STORAGE; do
      echo "#define HAVE_$part 1"
    done
    [ "$system" = windows ] || echo '#define HAVE_SIGLONGJMP 1'
  } >"$folder/config.h"
  "$@" -O1 -w -DHAVE_CONFIG_H -I"$folder" -I"$work/cmocka/include" -c "$work/cmocka/src/cmocka.c" \
    -o "$folder/cmocka.o" && ar rcs "$folder/libcmocka.a" "$folder/cmocka.o" || return 1
  printf '%s\n' 'Name: cmocka' 'Description: tests' 'Version: 1.1' "Cflags: -I$work/cmocka/include" \
    "Libs: -L$folder -lcmocka" >"$folder/cmocka.pc"
}

# Builds the library, or it and tests. A warning is an error; Meson's own option would be one of the
# linker's as well, which Zig's does not know.
build_for() { # name, targets ...
  folder=$work/for-$1
  tests=$([ $# -gt 1 ] && echo true || echo false)
  shift
  # Zig checks for undefined behaviour unless it optimizes, by a library that FreeBSD has not enough for.
  flags=-Werror
  case $folder in *freebsd) flags="$flags -fno-sanitize=undefined" ;; esac
  meson setup "$folder/build" "$root" --cross-file "$folder/cross.ini" -Dbuildtype=debug \
    -Dcpp_args="$flags" -Dc_args="$flags" -Ddefault_library=shared -Dtests="$tests" -Dtools=false \
    -Dredis=disabled -Dprobes=disabled -Dvalgrind=disabled -Dcompression=disabled &&
    ninja -C "$folder/build" "$@"
}

# ---- What is built and run -----------------------------------------------------------------------

# The suites that run on every machine, by the names of their tests, and what only Windows runs.
portable='contract_lifetimes contract_limits contract_mapping contract_snapshots contract_whole files
  keys model snapshot'
on_windows='due_tree lock threads threads_async threads_compute threads_copy threads_counters
  threads_leases threads_limits threads_loading threads_loading_mix threads_loading_room
  threads_reading threads_renewing threads_snapshots threads_tags'
examples='answer backend_down bulk_lookup exchange_rates file_cache http_cache ignored_argument
  lifetimes memo_fibonacci product_repository products rate_limiter shared_users single_flight
  tagged_pages tour typed_lookup warm_restart weather_client'

compile_for() { # name, system, processor, target
  prepare "$1" "$2" "$3" little '' "$zig" "$4" && build_for "$1"
}

run_for() { # machine, name, ending of programs, examples, tests ...
  machine=$1 name=$2 ending=$3 shown=$4
  shift 4
  targets=$(for it in "$@"; do echo "tests/test_$it$ending"; done)
  targets="$targets $(for it in $shown; do echo "tests/$it$ending"; done)"
  # shellcheck disable=SC2086 # words
  check "Building for $machine" build_for "$name" $targets || return 0
  # shellcheck disable=SC2046 # words
  CT_MODEL_STEPS=20000 CT_CONTRACT_SHARE=5 run_tests "Tests for $machine" \
    "$work/for-$name/build" --timeout-multiplier 10 "$@" \
    $(for it in $shown; do echo "example_$it"; done)
}

# Compiles the library in one file as README.md says, but so that it may not say a word, and links a
# program with it.
compile_one_file() ( # target, libraries ...
  target=$1 folder=$work/one-file-$1
  shift
  mkdir "$folder" && cp "$work/one-file/cachetools.cpp" "$work/one-file/cachetools.h" \
    "$root/tests/examples/answer.c" "$folder" && cd "$folder" &&
    "$zig" c++ -target "$target" -std=c++17 -O2 -Wall -Wextra -Werror -c cachetools.cpp &&
    "$zig" cc -target "$target" -I. -c answer.c &&
    "$zig" c++ -target "$target" ./*.o* -o answer.exe "$@" || return 1
  case $target in
    *windows*) "$root/tests/examples/check_output.sh" "$root/tests/examples/answer.txt" wine answer.exe ;;
  esac
)

make_one_file() {
  meson setup "$work/one-file" "$root" -Dtests=false -Dtools=false -Dredis=disabled &&
    meson compile -C "$work/one-file" amalgamation
}

check_systems() {
  export WINEDEBUG=-all WINEPREFIX="$work/wine"
  if check "Making the library in one file" make_one_file; then
    for target in aarch64-macos x86_64-macos x86_64-freebsd; do
      check "Compiling it for $target" compile_one_file $target || true
    done
    check "Compiling it for x86_64-windows, and running it by Wine" \
      compile_one_file x86_64-windows-gnu -lapi-ms-win-core-synch-l1-2-0 || true
  fi
  check "Compiling for aarch64-macos" compile_for macos-arm darwin aarch64 aarch64-macos || true
  check "Compiling for x86_64-macos" compile_for macos darwin x86_64 x86_64-macos || true
  check "Compiling for x86_64-freebsd" compile_for freebsd freebsd x86_64 x86_64-freebsd || true
  for cpu in aarch64 s390x; do
    endian=little
    [ $cpu != s390x ] || endian=big
    if check "Preparing for $cpu-linux" prepare $cpu linux $cpu $endian \
      "'qemu-$cpu-static', '-L', '$work/cross/usr/$cpu-linux-gnu'" $cpu-linux-gnu; then
      # shellcheck disable=SC2086 # words
      run_for "$cpu-linux, by QEMU" $cpu '' '' $portable golden snapshot_date snapshot_faults threads_snapshots
    fi
  done
  if check "Preparing for x86_64-windows" prepare windows windows x86_64 little "'wine'" "$zig" \
    x86_64-windows-gnu; then
    # shellcheck disable=SC2086 # words
    run_for "x86_64-windows, by Wine" windows .exe "$examples" $portable $on_windows
  fi
}
