#!/bin/sh
# SPDX-License-Identifier: MIT
# Measures the cost of a get from each language whose toolchain is found, beside C: installs the
# library into a private folder, compiles the programs, runs them, and prints a table.
# Usage: bench.sh [FOLDER]    where to build; one that is there already is measured again
set -eu
# shellcheck source=tests/ffi/environment.sh
. "$(dirname "$0")/environment.sh"
root=${here%/tests/ffi}
folder=${1:-$work}
mkdir -p "$folder"

build() {
  meson setup "$folder/build" "$root" --prefix "$folder" --libdir lib -Dtests=false &&
    meson install -C "$folder/build" || return 1
  # shellcheck disable=SC2046 # words
  cc -O2 "$here/bench.c" -o "$folder/C" $(pkg-config --cflags --libs cachetools)
  if command -v cargo; then
    cargo build --locked --release --manifest-path "$here/rust/Cargo.toml" --bin bench
    cp "$CARGO_TARGET_DIR/release/bench" "$folder/Rust"
  fi
  if command -v zig; then
    zig build-exe -femit-bin="$folder/Zig" -lc $(pkg-config --libs cachetools) -O ReleaseFast \
      --dep cachetools -Mroot="$here/zig/bench.zig" \
      -O ReleaseFast -Mcachetools="$root/abi/zig/src/cachetools.zig"
  fi
  if command -v go; then (cd "$here/go" && go build -o "$folder/Go" ./bench); fi
  if python3 "$here/python/can_build.py"; then
    python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install "$root/abi/python" || return 1
    printf '#!/bin/sh\nexec "%s/venv/bin/python" "%s/python/bench.py"\n' "$folder" "$here" >"$folder/Python"
    chmod +x "$folder/Python"
  fi
}

use_cache "$folder/cache"
use_python
PKG_CONFIG_PATH=$folder/lib/pkgconfig
export PKG_CONFIG_PATH
if [ ! -x "$folder/C" ] && ! build >"$folder/log" 2>&1; then
  cat "$folder/log"
  exit 1
fi

use_library
echo '| ns a get | pinned | copied | 16 in a call |'
echo '| --- | ---: | ---: | ---: |'
for language in C Rust Zig Go Python; do
  [ -x "$folder/$language" ] || continue
  "$folder/$language" | awk -v language=$language \
    '{ printf "| %s | %.0f | %.0f | %.0f |\n", language, $1, $2, $3 }'
done
