# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# shellcheck disable=SC2016 disable=SC2154 # ../client.sh, which sources this, sets here, work and run
package=${here%/tests/ffi}/abi/zig

# Does what README.md says of a project: its blocks are commands, the program, lines of build.zig,
# and a command. ../check_readme.sh runs the program as a single file.
use_project() {
  ln -s "${here%/tests/ffi}" "$work/libcachetools"
  mkdir "$work/project" && cd "$work/project" || return 1
  awk '
    /^##/ { is_zig = $0 == "### Zig" }
    /^```$/ { block = "" }
    block { print >block }
    is_zig && /^```./ { block = "../block" ++blocks }' ../libcachetools/README.md
  [ "$(cat ../block1 ../block4 | wc -l)" -le 3 ] || { echo 'More than 3 commands'; return 1; }
  sh -e ../block1 && cp ../block2 src/main.zig &&
    awk '
      /b\.installArtifact\(exe\);/ { while ((getline line <"../block3") > 0) print line }
      { print }' build.zig >with && mv with build.zig && sh -e ../block4 >../ran 2>&1
  cat ../ran
  [ "$(tail -n 1 ../ran)" = forty-two ]
}

# A number without a unit is no time: it would be nanoseconds, in silence.
refuse_numbers() {
  cd "$work" || return 1
  for ttl in '.seconds(60)' '.{ .ns = 60 }' 60; do
    echo "const cachetools = @import(\"cachetools\");
      pub fn main() void {
        const options = cachetools.Options{ .maxsize = 1, .ttl = $ttl };
        _ = options.problem({});
      }" >ttl.zig
    zig build-exe -fno-emit-bin -lc --dep cachetools -Mroot=ttl.zig \
      -Mcachetools="$package/src/cachetools.zig" >refused 2>&1 && continue
    [ "$ttl" = 60 ] && grep -q "expected type '.*Duration', found 'comptime_int'" refused && return
    break
  done
  echo "ttl = $ttl" && cat refused
  return 1
}

# Everything public has a doc comment. What is imported has it where it is declared.
find_comments() {
  find "$package/src" -name '*.zig' ! -name c.zig -exec awk '
    FNR == 1 { last = "" }
    /^ *pub / && !/@import/ && last !~ /^ *\/\/\/ / { print FILENAME ": " $0; missing = 1 }
    { last = $0 }
    END { exit missing }' {} +
}

for check in use_project refuse_numbers find_comments; do
  if ! ($check >"$work/said" 2>&1); then
    echo "$check:"
    cat "$work/said"
    exit 1
  fi
done

# shellcheck disable=SC2046 # words
run '^test .* \.\.\. ' zig test --test-runner runner.zig -lc $(pkg-config --libs cachetools) \
  --dep cachetools -Mroot=tests.zig -Mcachetools="$package/src/cachetools.zig"
