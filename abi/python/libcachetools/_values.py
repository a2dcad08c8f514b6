# SPDX-License-Identifier: MIT
"""How keys and values become the library's bytes and back, in each kind of cache."""

from typing import Any, List, Optional, Tuple

from . import _hot
from ._ffi import ffi, lib

Tokens = Optional[List[Any]]


def as_bytes(value: Any) -> bytes:
    """Return a key or a value as bytes."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"keys and values are bytes, not {type(value).__name__}")


def copy_of(data: Any, size: int) -> bytes:
    """Return a copy of bytes in memory."""
    return ffi.buffer(data, size)[:]


class Bytes:
    """Both are the library's bytes."""

    holds_objects = False
    drop = ffi.NULL

    @staticmethod
    def pack(key: bytes, value: Any, tokens: Tokens) -> bytes:
        """Return what the library is to store for a value. If it does not, call unpack."""
        return as_bytes(value)

    @staticmethod
    def unpack(packed: bytes) -> None:
        """Give up what was packed and not stored."""

    @staticmethod
    def value(data: Any, size: int) -> bytes:
        """Return a value that the library shows."""
        return copy_of(data, size)

    @staticmethod
    def entry(key: Any, key_size: int, value: Any, value_size: int) -> Tuple[bytes, bytes]:
        """Return key and value that the library shows."""
        return copy_of(key, key_size), copy_of(value, value_size)


class Objects:
    """Keys are built of objects, and values are parcels that own key and value: see _hot.c."""

    holds_objects = True
    drop = ffi.cast("ct_drop_fn", _hot.DROP)

    @staticmethod
    def pack(key: Any, value: Any, tokens: Tokens) -> bytes:
        """Return what the library is to store for a value. If it does not, call unpack."""
        return _hot.parcel_new(key, value, tokens)

    @staticmethod
    def unpack(packed: bytes) -> None:
        """Give up what was packed and not stored."""
        _hot.parcel_free(packed)

    @staticmethod
    def value(data: Any, size: int) -> Any:
        """Return a value that the library shows."""
        return _hot.parcel_open(int(ffi.cast("uintptr_t", data)))[1]

    @staticmethod
    def entry(key: Any, key_size: int, value: Any, value_size: int) -> Tuple[Any, Any]:
        """Return key and value that the library shows."""
        return _hot.parcel_open(int(ffi.cast("uintptr_t", value)))


ABSENT: Any = object()


def take(values: Any, raw: Any) -> Any:
    """Return a value read out, and release it; ABSENT if there is none."""
    if raw.data == ffi.NULL:
        return ABSENT
    try:
        return values.value(raw.data, raw.size)
    finally:
        lib.ct_value_release(raw)
