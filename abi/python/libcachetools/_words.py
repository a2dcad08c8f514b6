# SPDX-License-Identifier: MIT
"""What the library says is wrong, by the names of this package."""

import re
from typing import Any, Match

from ._ffi import ffi

_NAMES = {
    "CT_FLAG_CURVE": "curve=True",
    "CT_FLAG_KEEP_NOTHING": "keep_nothing=True",
    "CT_FLAG_NO_STATS": "stats=False",
    "CT_FLAG_PRECISE_CLOCK": "precise_clock=True",
    "CT_POLICY_CUSTOM": "Policy.CUSTOM",
    "CT_POLICY_TLRU": "Policy.TLRU",
    "CT_POLICY_TTL": "Policy.TTL",
    "CT_SECONDS": "a number of seconds",
    "ct_policy": "Policy",
    "ct_weight_kind": "WeightKind",
    "flags": "options",
}
"""Names of the header that are others here."""


def problem(sentence: Any) -> str:
    """Return a sentence of the library, or an empty string for NULL."""
    if sentence == ffi.NULL:
        return ""
    return re.sub(r"\w+", _name, ffi.string(sentence).decode())


def _name(word: Match[str]) -> str:
    return _NAMES.get(word[0], word[0])
