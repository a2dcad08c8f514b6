# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Shared by demo.sh, check.sh, coverage.sh and bench/run.sh, which source it. Sets root, the
# checkout, and work, a folder for everything that is written. The folder is removed unless
# something failed after the run could begin.

root=$(cd "$(dirname "$0")" && pwd)
root=${root%/tests*}
work=$(mktemp -d)
log=$work/log
trap '[ $? -ne 0 ] && [ -d "$work" ] && echo "The files are kept in $work" || rm -rf "$work"' EXIT
trap 'rm -rf "$work"; exit 130' INT TERM

# Runs a command, hides its output, and reports how it went; if it failed, also shows its output.
quietly() { # title, command ...
  title=$1
  shift
  started=$(date +%s)
  printf '%s ... ' "$title"
  if "$@" >"$log" 2>&1; then
    echo "done ($(($(date +%s) - started)) s)"
  else
    echo "FAILED"
    show_log
    return 1
  fi
}

show_log() {
  sed 's/^/    /' "$log"
}

# ---- Packages ------------------------------------------------------------------------------------

# Prints which of its arguments are missing: commands, pkg-config modules, headers, a compiler for
# 32 bits, clang's sanitizers, what builds Python packages.
missing() {
  for it in "$@"; do
    case $it in
      32-bits) compiles_for_32_bits || echo "$it" ;;
      clang-sanitizers) clang_has_sanitizers || echo "$it" ;;
      python-packages) python_builds || echo "$it" ;;
      lib:*) pkg-config --exists "${it#lib:}" 2>"$log" || echo "${it#lib:}" ;;
      header:*) has_header "${it#header:}" || echo "${it#header:}" ;;
      *) command -v "$it" >"$log" || echo "$it" ;;
    esac
  done
}

compiles_for_32_bits() {
  printf '#include <linux/futex.h>\nint main(void) { return 0; }\n' |
    g++ -m32 -x c++ - -o "$work/m32" 2>"$log"
}

# Debian packages them apart from the compiler.
clang_has_sanitizers() {
  echo 'int main(void) { return 0; }' |
    clang -fsanitize=address -x c - -o "$work/sanitized" 2>"$log"
}

# Whether python3 has what builds abi/python without a network.
python_builds() {
  python3 "$root/tests/ffi/python/can_build.py" >"$log" 2>&1
}

has_header() {
  echo "#include <$1>" | g++ -std=c++17 -x c++ -E - >"$log" 2>&1
}

# Runs a line of shell as root.
as_root() { # command line
  if [ "$(id -u)" = 0 ]; then
    sh -c "$1"
  else
    sudo sh -c "$1"
  fi
}

install_by_apt='apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends'

# Ends a run that cannot begin, and leaves nothing behind.
refuse() { # lines ...
  printf '%s\n' "$@" >&2
  rm -rf "$work"
  exit 1
}

# Installs what is missing for a purpose: demo; check, which also needs what demo needs; all, bench
# or coverage, which also need what check needs.
set_up() { # purpose
  needed='gcc g++ meson ninja pkg-config xz lib:libxxhash'
  [ "$1" = demo ] || needed="$needed python3 lib:cmocka lib:liblzma lib:libarchive"
  # The system's packages are for the system's Python. For another one see set_up_python.
  case $1-$(command -v python3) in
    demo-*) ;;
    *- | *-/usr/bin/python3 | *-/bin/python3) needed="$needed python-packages" ;;
  esac
  if [ "$1" = all ]; then
    needed="$needed clang clang++ clang-tidy cppcheck valgrind abidw git doxygen mandoc gnuplot cmake"
    needed="$needed cargo go clang-sanitizers"
  fi
  # Not everybody packages what probes are made of, and the library does without.
  for manager in apt-get dnf; do
    [ "$1" != all ] || ! command -v $manager >"$log" || needed="$needed header:sys/sdt.h"
  done
  [ "$1" != bench ] || needed="$needed gnuplot lib:benchmark"
  [ "$1" != coverage ] || needed="$needed gcovr"
  has_multilib=no
  if command -v dpkg >"$log" && [ "$(dpkg --print-architecture)" = amd64 ]; then has_multilib=yes; fi
  [ "$1-$has_multilib" != all-yes ] || needed="$needed 32-bits"
  # check.sh installs the library on a bare Debian, which takes root.
  [ "$1" != all ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >"$log" || needed="$needed debootstrap"
  # shellcheck disable=SC2086 # words
  absent=$(missing $needed | tr '\n' ' ')

  if [ -n "$absent" ]; then
    run=as_root
    if command -v apt-get >"$log"; then
      install=$install_by_apt
      packages='gcc g++ libc6-dev meson ninja-build pkg-config libxxhash-dev xz-utils'
      packages_check='python3 libcmocka-dev liblzma-dev libarchive-dev'
      packages_check="$packages_check python3-cffi python3-dev python3-setuptools python3-venv python3-wheel"
      packages_all='clang libclang-rt-dev clang-tidy cppcheck valgrind libc6-dbg abigail-tools git doxygen mandoc'
      packages_all="$packages_all gnuplot-nox cmake debootstrap systemtap-sdt-dev"
      packages_languages='cargo golang-go'
      packages_bench='gnuplot-nox libbenchmark-dev'
      [ $has_multilib = no ] || packages_all="$packages_all gcc-multilib g++-multilib"
    elif command -v dnf >"$log"; then
      install='dnf install -y'
      packages='gcc gcc-c++ meson ninja-build pkgconf-pkg-config xxhash-devel xz'
      packages_check='python3 libcmocka-devel xz-devel libarchive-devel'
      packages_check="$packages_check python3-cffi python3-devel python3-setuptools python3-wheel"
      packages_all='clang clang-tools-extra cppcheck valgrind-devel libabigail git doxygen mandoc gnuplot cmake'
      packages_all="$packages_all libasan libubsan libtsan systemtap-sdt-devel"
      packages_languages='cargo golang'
      packages_bench='gnuplot google-benchmark-devel'
    elif command -v apk >"$log"; then
      install='apk add'
      packages='build-base linux-headers meson samurai pkgconf xxhash-dev xz'
      packages_check='python3 cmocka-dev xz-dev libarchive-dev'
      packages_check="$packages_check py3-cffi python3-dev py3-setuptools py3-wheel"
      packages_all='clang clang-extra-tools cppcheck valgrind valgrind-dev git doxygen mandoc gnuplot cmake'
      packages_languages='cargo go'
      packages_bench='gnuplot benchmark-dev'
    elif command -v pacman >"$log"; then
      install='pacman -S --needed --noconfirm'
      packages='gcc meson ninja pkgconf xxhash xz'
      packages_check='python cmocka libarchive python-cffi python-setuptools python-wheel'
      packages_all='clang cppcheck valgrind git doxygen mandoc gnuplot cmake'
      packages_languages='rust go'
      packages_bench='gnuplot benchmark'
    elif command -v brew >"$log"; then
      install='brew install' run='sh -c' # which refuses to run as root
      packages='meson ninja pkgconf xxhash xz'
      packages_check='python cmocka libarchive'
      packages_all='git doxygen mandoc gnuplot cmake'
      packages_languages='rust go'
      packages_bench='gnuplot google-benchmark'
    else
      refuse "Missing here: $absent" \
        'There is no apt-get, dnf, apk, pacman or brew here: please install them in your way.'
    fi
    [ "$1" = demo ] || packages="$packages $packages_check"
    [ "$1" != all ] || packages="$packages $packages_all $packages_languages"
    [ "$1" != bench ] || packages="$packages $packages_bench"
    [ "$1" != coverage ] || packages="$packages gcovr"
    echo "Missing here: $absent"
    # shellcheck disable=SC2086 # words
    if ! { [ $run != as_root ] || [ "$(id -u)" = 0 ] || command -v sudo >"$log"; } ||
      ! quietly "Installing packages" $run "$install $packages"; then
      refuse 'Please run this as root, then try again:' "    $install $packages"
    fi
  fi
  set_up_meson
  [ "$1" = demo ] || [ "$1" = bench ] || set_up_python
  [ "$1" != all ] || set_up_zig
  [ "$1" != all ] || set_up_promtool
}

# Older systems package a Meson before 1.0, which is too old. Then this takes one from the Python
# Package Index, for this run only.
set_up_meson() {
  if meson_is_new_enough; then return; fi
  echo "Meson $(meson --version) is too old."
  make_venv
  quietly "Installing a newer Meson into it" "$work/venv/bin/pip" install 'meson >= 1.0' ||
    refuse 'Please install Meson 1.0 or later, then try again.'
}

# A Python that is not the system's may lack what builds abi/python. Then this takes it from the
# Python Package Index, for this run only.
set_up_python() {
  if python_builds; then return; fi
  make_venv
  if ! quietly "Installing cffi and setuptools into it" "$work/venv/bin/pip" install cffi setuptools \
    wheel || ! python_builds; then
    refuse "Please install cffi, setuptools, wheel and Python's headers, then try again."
  fi
}

# Few systems package Zig. Then this takes one from the Python Package Index, for this run only: the
# oldest that the package is for, as 0.17 takes minutes for its first build.
set_up_zig() {
  if command -v zig >"$log"; then
    case $(zig version) in
      0.1[4-7].*) return ;;
    esac
  fi
  make_venv
  quietly "Installing Zig into it" "$work/venv/bin/pip" install 'ziglang == 0.14.*' ||
    refuse 'Please install Zig 0.14, then try again.'
  ln -s "$("$work/venv/bin/python" -c 'import ziglang; print(*ziglang.__path__)')/zig" \
    "$work/venv/bin/zig"
}

# Debian packages promtool with Prometheus, which begins to serve when it is installed. So this only
# unpacks it, for this run. Where it is missing, a test has one parser less.
set_up_promtool() {
  if command -v promtool >"$log" || ! command -v apt-get >"$log"; then return; fi
  quietly "Unpacking promtool" unpack_promtool || refuse 'Please install promtool, then try again.'
  PATH=$work/prometheus/usr/bin:$PATH
}

unpack_promtool() {
  mkdir "$work/prometheus"
  (
    cd "$work/prometheus" || return 1
    apt-get download prometheus || { as_root 'apt-get update' && apt-get download prometheus; } || return 1
    dpkg -x prometheus_*.deb .
  )
}

# Makes a virtual environment of Python for this run, if there is none yet. Its programs come first.
make_venv() {
  if [ -d "$work/venv" ]; then return; fi
  if command -v apt-get >"$log" && ! python3 -c 'import ensurepip' 2>"$log"; then
    quietly "Installing packages" as_root "$install_by_apt python3-venv" ||
      refuse 'Please run this as root, then try again:' "    $install_by_apt python3-venv"
  fi
  quietly "Making a virtual environment" python3 -m venv "$work/venv" ||
    refuse "Please install Python's venv, then try again."
  PATH=$work/venv/bin:$PATH
}

meson_is_new_enough() {
  [ "$(printf '1.0.0\n%s\n' "$(meson --version)" | sort -V | head -n 1)" = 1.0.0 ]
}

# ---- Building programs against the library -------------------------------------------------------

# Installs the library as a user would, into a folder of its own.
install_library() { # prefix, meson options ...
  prefix=$1
  shift
  meson setup "$prefix-build" "$root" --prefix "$prefix" --libdir lib -Dtests=false "$@" &&
    meson install -C "$prefix-build"
}

# Compiles an example against an installed library, with only the flags that pkg-config prints.
compile_example() { # prefix, name, option of pkg-config or nothing, options of the compiler ...
  prefix=$1 name=$2 option=${3-}
  shift 2
  [ $# -eq 0 ] || shift
  compiler=cc source=$root/tests/examples/$name.c
  [ -e "$source" ] || compiler='c++ -std=c++20' source=${source}pp
  # shellcheck disable=SC2046 disable=SC2086 # words
  $compiler -O2 "$@" "$source" -o "$prefix/$name" \
    $(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config $option --cflags --libs cachetools)
}
