# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# shellcheck disable=SC2016 disable=SC2154 # ../client.sh, which sources this, sets here, work and run
package=${here%/tests/ffi}/abi/zig

# A project of Zig's own making takes the package as README.md says.
use_package() {
  mkdir "$work/project" && cd "$work/project" && zig init && zig fetch --save "$package" || return 1
  awk -v readme="$package/../../README.md" '
    /b\.installArtifact\(exe\);/ {
      while ((getline line <readme) > 0) if (line ~ /^(const cachetools = b|exe\.)/) print line
    }
    { print }' build.zig >with && mv with build.zig &&
    sed -n '/^```zig$/,/^```$/{/^```/!p}' "$package/../../README.md" | sed '/^}$/q' >src/main.zig &&
    zig build run
}
if ! (use_package >"$work/said" 2>&1); then
  cat "$work/said"
  exit 1
fi

# shellcheck disable=SC2046 # words
run '^test .* \.\.\. ' zig test --test-runner runner.zig -lc $(pkg-config --libs cachetools) \
  --dep cachetools -Mroot=tests.zig -Mcachetools="$package/src/cachetools.zig"
