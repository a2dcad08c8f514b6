# SPDX-License-Identifier: MIT
"""Caches, bounded by a policy of your choice, by the C library libcachetools.

    from libcachetools import Cache, Policy, memoize

    with Cache(1000, policy=Policy.SIEVE) as cache:
        cache["answer"] = 42
        print(cache["answer"])

    @memoize(maxsize=1000, ttl=60)
    def slow(x): ...

Cache keeps objects, BytesCache keeps bytes in the library's own memory, and memoize keeps what a
function returned. Times are seconds or a timedelta. Ordinary outcomes are values; an operation that
did not happen raises an Error. What a callback raises continues in the call that ran it.

All of this is safe on any thread. Only CPython with a GIL is supported, in its main interpreter.
"""

from ._base import Version, stats_text
from ._bytes import BytesCache
from ._callbacks import LEAVE, NOT_MODIFIED, REMOVE, Event, Loaded
from ._choices import Cause, Order, Policy, WeightKind
from ._custom import CustomPolicy
from ._errors import (
    BusyError,
    CallbackError,
    ClosedError,
    CorruptError,
    Error,
    FileError,
    InvalidError,
    LoadError,
    NoMemoryError,
    Outcome,
    RecursiveLoadError,
    Status,
    TooLargeError,
    UnsupportedError,
)
from ._ffi import ffi as _ffi
from ._ffi import lib as _lib
from ._keys import Key, key
from ._leases import Lease
from ._memo import CacheInfo, Memo, memoize
from ._objects import Cache
from ._values import ABSENT

__all__ = [
    "ABSENT",
    "LEAVE",
    "NOT_MODIFIED",
    "REMOVE",
    "BusyError",
    "BytesCache",
    "Cache",
    "CacheInfo",
    "CallbackError",
    "Cause",
    "ClosedError",
    "CorruptError",
    "CustomPolicy",
    "Error",
    "Event",
    "FileError",
    "InvalidError",
    "Key",
    "Lease",
    "LoadError",
    "Loaded",
    "Memo",
    "NoMemoryError",
    "Order",
    "Outcome",
    "Policy",
    "RecursiveLoadError",
    "Status",
    "TooLargeError",
    "UnsupportedError",
    "Version",
    "WeightKind",
    "key",
    "memoize",
    "stats_text",
    "version",
]


def version() -> str:
    """Return the version of the C library: "0.1.0"."""
    return _ffi.string(_lib.ct_version_string()).decode()
