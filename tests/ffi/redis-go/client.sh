# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# shellcheck disable=SC2154 # ../client.sh, which sources this, sets work and run
go vet .
(cd ../../../abi/go && go vet ./redis)
unformatted=$(gofmt -l .)
[ -z "$unformatted" ] || { echo "Not as gofmt writes it: $unformatted"; exit 1; }
race=-race
go test $race -run '^$' . >"$work/said" 2>&1 || race=
# shellcheck disable=SC2086 # words
run '^ *--- (PASS|FAIL|SKIP): ' go test -v -count=1 $race .
