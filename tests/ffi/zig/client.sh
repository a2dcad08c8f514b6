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
# Everything public has a doc comment. What is imported has it where it is declared.
find_comments() {
  find "$package/src" -name '*.zig' ! -name c.zig -exec awk '
    FNR == 1 { last = "" }
    /^ *pub / && !/@import/ && last !~ /^ *\/\/\/ / { print FILENAME ": " $0; missing = 1 }
    { last = $0 }
    END { exit missing }' {} +
}

for check in use_package find_comments; do
  if ! ($check >"$work/said" 2>&1); then
    echo "$check:"
    cat "$work/said"
    exit 1
  fi
done

# shellcheck disable=SC2046 # words
run '^test .* \.\.\. ' zig test --test-runner runner.zig -lc $(pkg-config --libs cachetools) \
  --dep cachetools -Mroot=tests.zig -Mcachetools="$package/src/cachetools.zig"
