# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# shellcheck disable=SC2154 # ../client.sh, which sources this, sets here, work and run
if command -v valgrind >"$work/said"; then
  # Fails with what it says unless an Arc costs what ../README.md says.
  cargo build --release --locked --bin cost >"$work/said" 2>&1 &&
    "$here/check_cost.sh" "$CARGO_TARGET_DIR/release/cost" typed=130 >>"$work/said" 2>&1 ||
    { cat "$work/said"; exit 1; }
fi
# Compilers before 1.78 take no hint.
is_refused_with_a_hint() {
  ! cargo check --locked --features refused --example refused >"$work/said" 2>&1 || return 1
  [ "$(rustc --version | cut -d . -f 2)" -lt 78 ] ||
    grep -q 'for a type of yours, implement .cachetools::Key.' "$work/said"
}
is_refused_with_a_hint || { cat "$work/said" && exit 1; }
run '^test .* \.\.\. ' cargo test --locked --no-fail-fast
