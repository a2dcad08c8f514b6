#!/bin/sh
# SPDX-License-Identifier: MIT
# A get of each kind takes at most so many hundredths of the instructions of ct_get and
# ct_value_release, which is the kind c. The program gets in functions of cost that begin with get_.
# Usage: check_cost.sh PROGRAM KIND=HUNDREDTHS ...
set -eu
program=$1
shift

instructions() { # kind
  count=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null \
    --toggle-collect='cost::get_*' "$program" "$1" 2>&1 | sed -n 's/.*Collected : //p')
  [ "${count:-0}" -gt 0 ] || { echo "No instructions of $program $1 were counted" >&2; exit 1; }
  echo "$count"
}

least=$(instructions c)
count=0 status=0
for limit in "$@"; do
  count=$((count + 1)) verdict=ok kind=${limit%=*}
  taken=$(instructions "$kind")
  hundredths=$((100 * taken / least))
  [ "$hundredths" -le "${limit#*=}" ] || { verdict='not ok' && status=1; }
  echo "$verdict $count - $kind takes $hundredths hundredths of ct_get, at most ${limit#*=}"
done
echo "1..$count"
exit $status
