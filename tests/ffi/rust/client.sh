# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# shellcheck disable=SC2154 # ../client.sh, which sources this, sets here, work and run
if command -v valgrind >"$work/said"; then
  # Fails with what it says unless an Arc costs what ../README.md says.
  cargo build --release --locked --bin cost >"$work/said" 2>&1 &&
    "$here/check_cost.sh" "$CARGO_TARGET_DIR/release/cost" typed=130 >>"$work/said" 2>&1 ||
    { cat "$work/said"; exit 1; }
fi
run '^test .* \.\.\. ' cargo test --locked --no-fail-fast
