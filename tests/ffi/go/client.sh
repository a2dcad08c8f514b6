# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# shellcheck disable=SC2154 # ../client.sh, which sources this, sets work and run
run '^ *--- (PASS|FAIL|SKIP): ' go test -v -count=1 .
