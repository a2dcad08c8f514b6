# SPDX-License-Identifier: MIT
# shellcheck shell=sh
run '^test .* \.\.\. ' cargo test --locked
