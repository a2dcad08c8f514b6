# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# shellcheck disable=SC2154 # ../client.sh, which sources this, sets work and run
# shellcheck disable=SC2046 # words
run '^test .* \.\.\. ' zig test tests.zig --test-runner runner.zig -lc \
  $(pkg-config --cflags --libs cachetools)
