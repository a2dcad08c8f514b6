# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# shellcheck disable=SC2154 # ../client.sh, which sources this, sets work and run
# shellcheck disable=SC2046 # words
rustc --edition 2021 --test tests.rs -o "$work/tests" $(pkg-config --libs-only-L cachetools)
run '^test .* \.\.\. ' "$work/tests"
