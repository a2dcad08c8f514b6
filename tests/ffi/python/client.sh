# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# shellcheck disable=SC2154 # ../client.sh, which sources this, sets here, work and run
use_python
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "${here%/tests/ffi}/abi/python"
# A hang ends with where each thread stands.
run '^test_.* \.\.\. ' timeout --signal=ABRT 500 "$work/venv/bin/python" -X faulthandler -m unittest -v
