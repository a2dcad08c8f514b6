#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs demo.sh on a machine without compiler where nothing can be installed: with apt-get and neither
# root nor sudo, with sudo that fails, and without any package manager. It must print the command
# that would do it, or say what is missing, and leave no file behind. Prints TAP.
# Usage: check_refusal.sh demo.sh
set -eu
demo=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

make_command() { # name, line of shell
  printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"
  chmod +x "$work/bin/$1"
}

number=0
status=0
check_refuses() { # title, text that must be printed
  number=$((number + 1))
  mkdir "$work/tmp"
  result=ok
  if PATH=$work/bin TMPDIR=$work/tmp "$demo" >"$work/said" 2>&1; then result='not ok'; fi
  grep -qF -- "$2" "$work/said" || result='not ok'
  if grep -q 'are kept' "$work/said"; then result='not ok'; fi
  [ -z "$(ls -A "$work/tmp")" ] || result='not ok'
  rm -rf "$work/tmp"
  [ "$result" = ok ] || status=1
  echo "$result $number - $1"
  sed 's/^/# /' "$work/said"
}

mkdir "$work/bin"
for name in sh cat cut date dirname grep head mktemp rm sed sort tr; do
  ln -s "$(command -v $name)" "$work/bin/$name"
done
make_command id 'echo 1000'

echo 1..3
check_refuses without_package_manager_says_what_is_missing 'Missing here: gcc g++ meson ninja'
make_command apt-get 'exit 1'
check_refuses without_root_prints_the_command \
  'apt-get install -y --no-install-recommends gcc g++'
make_command sudo 'echo "sudo: a password is required" >&2; exit 1'
check_refuses with_sudo_that_fails_prints_the_command \
  'apt-get install -y --no-install-recommends gcc g++'
exit $status
