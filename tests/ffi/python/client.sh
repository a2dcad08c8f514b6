# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# shellcheck disable=SC2154 # ../client.sh, which sources this, sets here, work and run
use_python
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "${here%/tests/ffi}/abi/python"
run '^test_.* \.\.\. ' "$work/venv/bin/python" -m unittest -v
