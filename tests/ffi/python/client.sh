# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# shellcheck disable=SC2154 # ../client.sh, which sources this, sets work and run
run '^test_.* \.\.\. ' python3 -m unittest -v test_libcachetools
