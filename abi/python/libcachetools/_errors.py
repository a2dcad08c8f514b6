# SPDX-License-Identifier: MIT
"""Statuses of the library, and the exceptions that they become."""

import enum
from typing import Any, Dict, Optional, Tuple, Type

from ._ffi import ffi, lib


class Status(enum.IntEnum):
    """What the library returns: 0 if done, another outcome if positive, else a failure."""

    ERR_CALLBACK = lib.CT_ERR_CALLBACK
    ERR_UNSUPPORTED = lib.CT_ERR_UNSUPPORTED
    ERR_INTERNAL = lib.CT_ERR_INTERNAL
    ERR_IO = lib.CT_ERR_IO
    ERR_CORRUPT = lib.CT_ERR_CORRUPT
    ERR_RECURSION = lib.CT_ERR_RECURSION
    ERR_BUFFER = lib.CT_ERR_BUFFER
    ERR_TOO_LARGE = lib.CT_ERR_TOO_LARGE
    ERR_NOMEM = lib.CT_ERR_NOMEM
    ERR_INVALID = lib.CT_ERR_INVALID
    OK = lib.CT_OK
    MISS = lib.CT_MISS
    EXISTS = lib.CT_EXISTS
    NOT_STORED = lib.CT_NOT_STORED
    LEASED = lib.CT_LEASED
    BUSY = lib.CT_BUSY
    END = lib.CT_END
    STALE = lib.CT_STALE
    RENEW = lib.CT_RENEW
    PENDING = lib.CT_PENDING


class Outcome(enum.IntEnum):
    """The outcome of a write."""

    STORED = lib.CT_OK
    MISSING = lib.CT_MISS  # with if_present
    EXISTS = lib.CT_EXISTS  # with if_absent
    NOT_STORED = lib.CT_NOT_STORED  # its lifetime was over at once


class Error(Exception):
    """The operation did not happen. `status` says why."""

    status: int

    def __init__(self, status: int, text: Optional[str] = None) -> None:
        super().__init__(text or ffi.string(lib.ct_status_message(status)).decode())
        self.status = status

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (self.status, str(self))

    @property
    def name(self) -> str:
        """The name of the status: "CT_ERR_NOMEM"."""
        return ffi.string(lib.ct_status_name(self.status)).decode()


class InvalidError(Error, ValueError):
    """An argument is not allowed."""


class ClosedError(InvalidError):
    """The cache, or what the method belongs to, was closed."""

    def __init__(self, text: str = "the cache is closed") -> None:
        super().__init__(Status.ERR_INVALID, text)

    def __reduce__(self) -> Tuple[Any, ...]:
        return type(self), (str(self),)


class NoMemoryError(Error, MemoryError):
    """The allocator has no memory left."""


class TooLargeError(Error, ValueError):
    """The entry weighs more than maxsize, or has 2**32 bytes or more."""


class RecursiveLoadError(Error, RecursionError):
    """The call would wait for itself, or for a thread that waits for it."""


class CorruptError(Error, ValueError):
    """The snapshot is truncated or altered, or is none."""


class FileError(Error, OSError):
    """Reading or writing a file failed."""


class UnsupportedError(Error, NotImplementedError):
    """The cache or the system cannot do that."""


class CallbackError(Error):
    """A callback answered what it may not."""


class BusyError(Error):
    """Others kept changing the entry, or the time to wait for the load of another caller is over. A
    loader raises it to say that only its own call was cancelled: one of those who wait loads.
    """

    def __init__(self, status: int = Status.BUSY, text: Optional[str] = None) -> None:
        super().__init__(status, text)


class LoadError(Error):
    """The load of another caller, for which this one waited, failed with an exception."""


FAILED = -1000
"""A callback's own status."""

_ERRORS: Dict[int, Type[Error]] = {
    Status.ERR_INVALID: InvalidError,
    Status.ERR_NOMEM: NoMemoryError,
    Status.ERR_TOO_LARGE: TooLargeError,
    Status.ERR_RECURSION: RecursiveLoadError,
    Status.ERR_CORRUPT: CorruptError,
    Status.ERR_IO: FileError,
    Status.ERR_UNSUPPORTED: UnsupportedError,
    Status.ERR_CALLBACK: CallbackError,
    Status.BUSY: BusyError,
    FAILED: LoadError,
}


def error_of(status: int, text: Optional[str] = None) -> Error:
    """Return the exception for a negative status, or for BUSY."""
    return _ERRORS.get(status, LoadError if status < FAILED else Error)(status, text)


def check(status: int) -> int:
    """Return the status, or raise its exception if it is a failure."""
    if status < 0:
        raise error_of(status)
    return status
