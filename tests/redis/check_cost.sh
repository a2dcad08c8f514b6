#!/bin/sh
# SPDX-License-Identifier: MIT
# A hit near of each kind takes at most so many instructions more than that get of the near cache
# itself. The clock is read by a system call here, which costs none.
# Usage: check_cost.sh PROGRAM KIND=INSTRUCTIONS-GET ...
set -eu
program=$1
shift
hits=10000 # of one run of the program

instructions() { # kind
  said=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='hit_*' \
    "$program" "$1" 2>&1) || { echo "$said" >&2; return 1; }
  count=$(echo "$said" | sed -n 's/.*Collected : //p')
  [ "${count:-0}" -gt 0 ] || { echo "No instructions of $program $1 were counted" >&2; return 1; }
  echo $((count / hits))
}

count=0 status=0
for limit in "$@"; do
  kind=${limit%=*} most=${limit#*=}
  base=${most#*-} most=${most%-*}
  count=$((count + 1)) verdict=ok
  least=$(instructions "$base")
  more=$(($(instructions "$kind") - least))
  [ "$more" -le "$most" ] || { verdict='not ok' && status=1; }
  echo "$verdict $count - $kind takes $more instructions more than $base, at most $most"
done
echo "1..$count"
exit $status
