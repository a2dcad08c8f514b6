# SPDX-License-Identifier: MIT
"""Keys: bytes that are equal if and only if the arguments they were built of are."""

import itertools
import threading
import weakref
from typing import Any, Dict, Hashable, Optional

from ._errors import ClosedError, InvalidError, NoMemoryError, Status, check
from ._ffi import ffi, lib
from ._handles import Closing
from ._values import Tokens, as_bytes, copy_of
from ._words import problem

# ---- Keys that may be stored ---------------------------------------------------------------------


class Key(Closing):
    """Builds a key from arguments. If typed, 1, 1.0 and True are three keys. One thread at a time
    may use it.
    """

    def __init__(self, typed: bool = False) -> None:
        handle = lib.ct_key_new(lib.CT_KEY_TYPED if typed else 0)
        if handle == ffi.NULL:
            raise NoMemoryError(Status.ERR_NOMEM)
        self._handle = handle

    def close(self, free: Any = lib.ct_key_free) -> None:
        """Free the builder. Closing twice is allowed."""
        handle, self._handle = self._handle, None
        if handle is not None:
            free(handle)

    def _open(self) -> Any:
        if self._handle is None:
            raise ClosedError("the key is closed")
        return self._handle

    def add(self, value: Any) -> "Key":
        """Add None, a bool, an int of 64 bits, a float, a str, bytes, or a tuple of these. If it
        raises, it adds nothing.
        """
        if isinstance(value, tuple):
            _add(Key()._handle, value)
        _add(self._open(), value)
        return self

    def name(self, name: str) -> "Key":
        """Name the next value."""
        text = name.encode()
        lib.ct_key_name(self._open(), text, len(text))
        return self

    def reset(self) -> "Key":
        """Forget all that was added."""
        lib.ct_key_reset(self._open())
        return self

    def data(self) -> bytes:
        """Return the key. Raises InvalidError, which says what was added wrongly."""
        key, data, size = self._open(), ffi.new("void **"), ffi.new("size_t *")
        status = lib.ct_key_data(key, ffi.cast("const void **", data), size)
        if status == Status.ERR_INVALID:
            raise InvalidError(status, problem(lib.ct_key_problem(key)))
        check(status)
        return copy_of(data[0], size[0])


def _add(key: Any, value: Any) -> None:
    if value is None:
        lib.ct_key_null(key)
    elif isinstance(value, bool):
        lib.ct_key_bool(key, value)
    elif isinstance(value, int):
        if -(2**63) <= value < 2**63:
            lib.ct_key_int(key, value)
        elif 0 <= value < 2**64:
            lib.ct_key_uint(key, value)
        else:
            raise OverflowError("integers in keys have 64 bits")
    elif isinstance(value, float):
        lib.ct_key_double(key, value)
    elif isinstance(value, str):
        text = value.encode()
        lib.ct_key_text(key, text, len(text))
    elif isinstance(value, (bytes, bytearray, memoryview)):
        value = as_bytes(value)
        lib.ct_key_bytes(key, value, len(value))
    elif isinstance(value, tuple):
        lib.ct_key_tuple_begin(key)
        for element in value:
            _add(key, element)
        lib.ct_key_tuple_end(key)
    else:
        raise TypeError(f"no part of a key: {type(value).__name__}")


def key(*args: Any, **kwargs: Any) -> bytes:
    """Return the key of a call. It never changes within a major version, so it may be stored."""
    builder = Key()
    for value in args:
        builder.add(value)
    for name, value in kwargs.items():
        builder.name(name).add(value)
    return builder.data()


# ---- Objects that the library's keys do not know -------------------------------------------------

_numbers = itertools.count(1)


class Token:
    """Stands for equal objects in keys, by a number. Keys hold it; it keeps one of the objects."""

    __slots__ = ("__weakref__", "_number")

    def __init__(self) -> None:
        self._number = next(_numbers)

    def __index__(self) -> int:
        return self._number


_tokens: "weakref.WeakValueDictionary[Hashable, Token]" = weakref.WeakValueDictionary()
_lock = threading.RLock()


def token_of(value: Any) -> Token:
    """Return what stands for this object and those that equal it, as long as somebody holds it.
    Raises TypeError for an object that is not hashable.
    """
    token = _tokens.get(value)
    if token is None:
        with _lock:
            token = _tokens.get(value)
            if token is None:
                token = _tokens[value] = Token()
    return token


class CallKey(bytes):
    """The key of a call: bytes as the library knows them, in caches of objects too."""

    _tokens: Tokens

    def __new__(cls, data: bytes, tokens: Tokens) -> "CallKey":
        it = super().__new__(cls, data)
        it._tokens = tokens  # which live as long as the key
        return it


class Owners(Dict[int, int]):
    """The numbers of living objects, by their ids. No object ever gets the number of another."""

    def __init__(self) -> None:
        super().__init__()
        self._refs: Dict[int, Any] = {}

    def number_of(self, owner: Any) -> Optional[int]:
        """Number an object. Returns None if nobody would know when it dies."""
        place, number = id(owner), next(_numbers)

        def forget(_: Any) -> None:
            self.pop(place, None)
            self._refs.pop(number, None)

        try:
            self._refs[number] = weakref.ref(owner, forget)
        except TypeError:
            return None
        self[place] = number
        return number
