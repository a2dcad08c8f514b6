# SPDX-License-Identifier: MIT
"""Numbers as the library takes them. Times are in seconds in Python, in nanoseconds in C."""

import datetime
import enum
import math
import operator
from typing import Any, Optional, Union

from ._ffi import lib

Seconds = Union[float, datetime.timedelta]
"""A duration: seconds, as an int or a float, or a timedelta."""

_BILLION = 10**9


def unsigned(value: Any, bits: int = 64, name: str = "a number") -> int:
    """Return an integer that fits into so many bits."""
    value = operator.index(value)
    if value < 0:
        raise ValueError(f"{name} must not be negative: {value}")
    if value >= 1 << bits:
        raise OverflowError(f"{value} is no unsigned integer of {bits} bits")
    return value


def limit(maxsize: Optional[int]) -> int:
    """Return a maxsize; None is no limit."""
    if maxsize is None:
        return lib.CT_UNBOUNDED
    if isinstance(maxsize, enum.Enum) or not hasattr(maxsize, "__index__"):
        raise TypeError(f"maxsize must be an integer or None, not {maxsize!r}")
    return unsigned(maxsize, name="maxsize")


def _nanoseconds(seconds: Seconds) -> int:
    """Return a duration in nanoseconds, at most CT_NEVER."""
    if isinstance(seconds, datetime.timedelta):
        nanoseconds = seconds // datetime.timedelta(microseconds=1) * 1000
    elif isinstance(seconds, int):
        nanoseconds = seconds * _BILLION
    elif isinstance(seconds, float):
        if math.isnan(seconds):
            raise ValueError("NaN is no time")
        if seconds >= 2**64 / _BILLION:  # also infinity
            return lib.CT_NEVER
        whole = math.floor(seconds) if seconds > 0 else -1 if seconds < 0 else 0
        nanoseconds = whole if whole < 0 else whole * _BILLION + round((seconds - whole) * 1e9)
        if seconds > 0:
            nanoseconds = max(nanoseconds, 1)
    else:
        raise TypeError(f"a time is a number of seconds or a timedelta, not {_name(seconds)}")
    return min(nanoseconds, lib.CT_NEVER)


def ticks(seconds: Seconds, name: str = "a time") -> int:
    """Return a duration or a time in nanoseconds. What is not over within 64 bits never ends."""
    nanoseconds = _nanoseconds(seconds)
    if nanoseconds < 0:
        raise ValueError(f"{name} must not be negative: {seconds}")
    return nanoseconds


def remaining(seconds: Seconds) -> int:
    """Return what remains of a time, in nanoseconds: 0 if it is over already."""
    return max(_nanoseconds(seconds), 0)


def lifetime(seconds: Optional[Seconds], name: str) -> int:
    """Return the lifetime that a cache gives its entries, in nanoseconds; 0 for None."""
    if seconds is None:
        return 0
    nanoseconds = ticks(seconds, name)
    if nanoseconds == 0:
        raise ValueError(f"{name} must be more than 0; None is no {name}")
    return nanoseconds


def seconds_of(nanoseconds: int) -> float:
    """Return nanoseconds in seconds, exact if they are whole ones; math.inf for no end."""
    if nanoseconds == lib.CT_NEVER:
        return math.inf
    whole, rest = divmod(nanoseconds, _BILLION)
    return whole + rest / _BILLION if rest else float(whole)


def _name(value: object) -> str:
    return type(value).__name__
