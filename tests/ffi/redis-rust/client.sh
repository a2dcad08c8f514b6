# SPDX-License-Identifier: MIT
# shellcheck shell=sh
run '^test .* \.\.\. ' cargo test --locked --no-fail-fast
