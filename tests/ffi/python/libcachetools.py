# SPDX-License-Identifier: MIT
"""A Python wrapper of libcachetools by ctypes, in one file without packages, for Python 3.8 and later.

    with Cache(Policy.LRU, 1000) as cache:
        cache[b"answer"] = b"forty-two"
        print(cache[b"answer"])

A Cache is a mutable mapping of bytes to bytes. A bytearray or a memoryview is copied first. The
cache returns copies. Only Cache.pin returns a view of the library's own memory, which stays pinned
until the last memoryview of it is gone, whatever happens to its entry or to the cache.

An ordinary outcome is None, a bool or an Outcome. An operation that did not happen raises an Error.
An exception of a callback continues in the call that ran the callback, after the library has
returned; it never unwinds through C. A cache and its pinned values keep the callbacks alive that
they may still call.

Every call lets other threads run meanwhile. CT_FLAG_SINGLE_THREADED is not offered, because the
garbage collector may release values on any thread.
"""

import collections.abc
import ctypes
import dataclasses
import enum
import functools
import itertools
import operator
import os
import sys
import threading
from ctypes import CFUNCTYPE, POINTER, byref, c_bool, c_char_p, c_double, c_int32, c_int64
from ctypes import c_size_t, c_uint32, c_uint64, c_void_p, sizeof, string_at

__all__ = [
    "NEVER", "UNBOUNDED", "BufferError", "BusyError", "Cache", "CallbackError", "Cause",
    "CorruptError", "Error", "Event", "FileError", "InvalidError", "Key", "LEAVE", "Lease",
    "Loaded", "Memo", "NoMemoryError", "Order", "Outcome", "Policy", "REMOVE",
    "RecursiveLoadError", "Status", "TooLargeError", "UnsupportedError", "WeightKind", "key",
    "memoize", "version",
]

NEVER = UNBOUNDED = NOW = 2**64 - 1


# ---- The header ----------------------------------------------------------------------------------
# The declarations of cachetools.h; test_libcachetools.py compares both.

class Status(enum.IntEnum):
    ERR_CALLBACK = -10
    ERR_UNSUPPORTED = -9
    ERR_INTERNAL = -8
    ERR_IO = -7
    ERR_CORRUPT = -6
    ERR_RECURSION = -5
    ERR_BUFFER = -4
    ERR_TOO_LARGE = -3
    ERR_NOMEM = -2
    ERR_INVALID = -1
    OK = 0
    MISS = 1
    EXISTS = 2
    NOT_STORED = 3
    LEASED = 4
    BUSY = 5
    END = 6


class Policy(enum.IntEnum):
    """Which entry leaves when room is needed."""
    LRU = 0
    FIFO = 1
    LFU = 2
    RR = 3
    TTL = 4
    TLRU = 5
    ANY = 6
    MRU = 7
    CLOCK = 8
    SIEVE = 9
    S3FIFO = 10
    WTINYLFU = 11
    ARC = 12
    CUSTOM = 63

    @classmethod
    def named(cls, name):
        """Finds a policy by its name, in any case."""
        policy = c_int32()
        _check(_lib.ct_policy_from_name(name.encode(), byref(policy)))
        return cls(policy.value)


class WeightKind(enum.IntEnum):
    """What an entry weighs against maxsize."""
    COUNT = 0
    VALUE = 1
    MEMORY = 2


class Cause(enum.IntEnum):
    """Why an entry left."""
    EVICTED = 0
    EXPIRED = 1
    REPLACED = 2
    REMOVED = 3
    CLEARED = 4


class Order(enum.IntEnum):
    """The order of a walk."""
    ANY = 0
    COLDEST = 1
    HOTTEST = 2


class _Flag(enum.IntFlag):
    NO_STATS = 2
    PRECISE_CLOCK = 4
    KEEP_NOTHING = 8


class _Entry(enum.IntFlag):
    TTL = 1
    DEADLINE = 2
    WEIGHT = 4
    IF_ABSENT = 8
    IF_PRESENT = 16


_KEY_TYPED = 1
_MEMO_TYPED = 1
_SNAPSHOT_AGED = 1


class _Bytes(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("size", c_size_t)]


class _Value(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("size", c_size_t), ("pin", c_uint64)]


class _Event(ctypes.Structure):
    _fields_ = [("key", _Bytes), ("value", _Bytes), ("weight", c_uint64), ("cause", c_int32),
                ("reserved", c_uint32)]


_TimerFn = CFUNCTYPE(c_uint64, c_void_p)
_TtuFn = CFUNCTYPE(c_uint64, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, c_uint64)
_WeigherFn = CFUNCTYPE(c_uint64, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t)
_ChoiceFn = CFUNCTYPE(c_uint64, c_void_p, c_uint64)
_ListenerFn = CFUNCTYPE(None, c_void_p, POINTER(_Event))
_DropFn = CFUNCTYPE(None, c_void_p, c_void_p, c_size_t)
_MatchFn = CFUNCTYPE(c_bool, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t)
_VisitFn = CFUNCTYPE(None, c_void_p, POINTER(_Event))
_LoaderFn = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t, c_void_p)
_ComputeFn = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t, POINTER(_Bytes), c_void_p)
_WriteFn = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t)
_ReadFn = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t, POINTER(c_size_t))
_MemoFn = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_void_p, c_void_p)
_MemoKeyFn = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_void_p, c_void_p)
_MemoCacheFn = CFUNCTYPE(c_void_p, c_void_p, c_void_p)
_AllocFn = CFUNCTYPE(c_void_p, c_void_p, c_size_t, c_size_t)
_FreeFn = CFUNCTYPE(None, c_void_p, c_void_p, c_size_t, c_size_t)
_StateNewFn = CFUNCTYPE(c_void_p, c_void_p, c_uint64)
_StateFn = CFUNCTYPE(None, c_void_p)
_InsertFn = CFUNCTYPE(None, c_void_p, c_uint32, c_uint64, c_void_p, c_size_t, c_uint64)
_HitFn = CFUNCTYPE(None, c_void_p, c_uint32, c_uint64)
_RemoveFn = CFUNCTYPE(None, c_void_p, c_uint32)
_ResizeFn = CFUNCTYPE(None, c_void_p, c_uint64)
_VictimFn = CFUNCTYPE(c_uint32, c_void_p)
_ReweighFn = CFUNCTYPE(None, c_void_p, c_uint32, c_uint64)


class _Sized(ctypes.Structure):
    """A struct that begins with its own size."""

    def __init__(self, **fields):
        super().__init__(struct_size=sizeof(type(self)), **fields)


class _Allocator(_Sized):
    _fields_ = [("struct_size", c_size_t), ("alloc", _AllocFn), ("free", _FreeFn),
                ("ctx", c_void_p)]


class _PolicyOps(_Sized):
    _fields_ = [("struct_size", c_size_t), ("state_new", _StateNewFn), ("state_free", _StateFn),
                ("on_insert", _InsertFn), ("on_update", _InsertFn), ("on_hit", _HitFn),
                ("on_remove", _RemoveFn), ("on_clear", _StateFn), ("on_resize", _ResizeFn),
                ("victim", _VictimFn), ("on_reweigh", _ReweighFn)]


class _Options(_Sized):
    _fields_ = [("struct_size", c_size_t), ("policy", c_int32), ("weight_kind", c_int32),
                ("maxsize", c_uint64), ("shards", c_uint32), ("flags", c_uint32),
                ("ttl", c_uint64), ("tti", c_uint64), ("seed", c_uint64), ("user_data", c_void_p),
                ("timer", _TimerFn), ("ttu", _TtuFn), ("weigher", _WeigherFn),
                ("choice", _ChoiceFn), ("listener", _ListenerFn), ("drop", _DropFn),
                ("custom", POINTER(_PolicyOps)), ("allocator", POINTER(_Allocator))]


class _EntryOptions(_Sized):
    _fields_ = [("struct_size", c_size_t), ("flags", c_uint32), ("reserved", c_uint32),
                ("ttl", c_uint64), ("deadline", c_uint64), ("weight", c_uint64)]


class _EntryInfo(_Sized):
    _fields_ = [("struct_size", c_size_t)] + [(name, c_uint64) for name in (
        "weight", "deadline", "remaining", "frequency", "key_size", "value_size")]


class _MemoOptions(_Sized):
    _fields_ = [("struct_size", c_size_t), ("flags", c_uint32), ("reserved", c_uint32),
                ("user_data", c_void_p), ("fn", _MemoFn), ("key", _MemoKeyFn),
                ("cache", c_void_p), ("cache_of", _MemoCacheFn), ("own", POINTER(_Options)),
                ("prefix", c_char_p), ("prefix_size", c_size_t)]


class _CacheInfo(_Sized):
    _fields_ = [("struct_size", c_size_t), ("hits", c_uint64), ("misses", c_uint64),
                ("maxsize", c_uint64), ("currsize", c_uint64), ("flags", c_uint32),
                ("reserved", c_uint32)]


class _Stats(_Sized):
    _fields_ = [("struct_size", c_size_t)] + [(name, c_uint64) for name in (
        "hits", "misses", "inserts", "updates", "evictions", "evicted_weight", "expirations",
        "removals", "rejections", "loads", "load_failures", "load_ticks", "waits", "pinned")]


_KEY = [c_char_p, c_size_t]
_KEY_VALUE = [c_char_p, c_size_t, c_char_p, c_size_t]
_OUT = POINTER(_Value)

# The result and the parameters of each function. Bytes are passed as c_char_p, with their length, so
# that zeros in them do no harm.
_FUNCTIONS = {
    "ct_version_string": (c_char_p, []),
    "ct_status_name": (c_char_p, [c_int32]),
    "ct_status_message": (c_char_p, [c_int32]),
    "ct_policy_name": (c_char_p, [c_int32]),
    "ct_policy_from_name": (c_int32, [c_char_p, POINTER(c_int32)]),
    "ct_value_release": (None, [_OUT]),
    "ct_value_ref": (c_int32, [_OUT, _OUT]),
    "ct_options_problem": (c_char_p, [POINTER(_Options)]),
    "ct_cache_new_with": (c_int32, [POINTER(_Options), POINTER(c_void_p)]),
    "ct_cache_options": (c_int32, [c_void_p, POINTER(_Options)]),
    "ct_cache_free": (None, [c_void_p]),
    "ct_get": (c_int32, [c_void_p, *_KEY, _OUT]),
    "ct_get_copy": (c_int32, [c_void_p, *_KEY, c_void_p, c_size_t, c_void_p]),
    "ct_peek": (c_int32, [c_void_p, *_KEY, _OUT]),
    "ct_contains": (c_bool, [c_void_p, *_KEY]),
    "ct_set": (c_int32, [c_void_p, *_KEY_VALUE]),
    "ct_set_ttl": (c_int32, [c_void_p, *_KEY_VALUE, c_uint64]),
    "ct_set_with": (c_int32, [c_void_p, *_KEY_VALUE, POINTER(_EntryOptions)]),
    "ct_setdefault": (c_int32, [c_void_p, *_KEY_VALUE, _OUT]),
    "ct_pop": (c_int32, [c_void_p, *_KEY, _OUT]),
    "ct_delete": (c_int32, [c_void_p, *_KEY]),
    "ct_popitem": (c_int32, [c_void_p, _OUT, _OUT]),
    "ct_clear": (c_int32, [c_void_p]),
    "ct_remove_if": (c_uint64, [c_void_p, _MatchFn, c_void_p]),
    "ct_get_many_copy": (c_int32, [c_void_p, c_char_p, POINTER(c_size_t), c_size_t, c_void_p,
                                   c_size_t, POINTER(c_size_t), POINTER(c_int32)]),
    "ct_set_many": (c_int32, [c_void_p, c_char_p, POINTER(c_size_t), c_size_t,
                              POINTER(_EntryOptions), POINTER(c_int32)]),
    "ct_len": (c_uint64, [c_void_p]),
    "ct_currsize": (c_uint64, [c_void_p]),
    "ct_maxsize": (c_uint64, [c_void_p]),
    "ct_memory": (c_uint64, [c_void_p]),
    "ct_resize": (c_int32, [c_void_p, c_uint64]),
    "ct_set_lifetime": (c_int32, [c_void_p, *_KEY, c_uint64]),
    "ct_inspect": (c_int32, [c_void_p, *_KEY, POINTER(_EntryInfo)]),
    "ct_expire": (c_uint64, [c_void_p, c_uint64, _VisitFn, c_void_p]),
    "ct_cache_stats": (c_int32, [c_void_p, POINTER(_Stats)]),
    "ct_cache_stats_reset": (c_int32, [c_void_p]),
    "ct_iter_new": (c_int32, [c_void_p, c_int32, POINTER(c_void_p)]),
    "ct_iter_next": (c_int32, [c_void_p, POINTER(_Bytes), POINTER(_Bytes)]),
    "ct_iter_free": (None, [c_void_p]),
    "ct_snapshot_save": (c_int32, [c_void_p, _WriteFn, c_void_p]),
    "ct_snapshot_load_with": (c_int32, [c_void_p, _ReadFn, c_void_p, c_uint32]),
    "ct_snapshot_save_file": (c_int32, [c_void_p, c_char_p]),
    "ct_snapshot_load_file_with": (c_int32, [c_void_p, c_char_p, c_uint32]),
    "ct_result_set": (c_int32, [c_void_p, c_char_p, c_size_t]),
    "ct_result_ttl": (None, [c_void_p, c_uint64]),
    "ct_result_deadline": (None, [c_void_p, c_uint64]),
    "ct_result_weight": (None, [c_void_p, c_uint64]),
    "ct_result_discard": (None, [c_void_p]),
    "ct_get_or_load": (c_int32, [c_void_p, *_KEY, _LoaderFn, c_void_p, _OUT]),
    "ct_get_or_lease": (c_int32, [c_void_p, *_KEY, c_uint64, _OUT, POINTER(c_void_p)]),
    "ct_lease_fulfil": (c_int32, [c_void_p, c_char_p, c_size_t, POINTER(_EntryOptions), _OUT]),
    "ct_lease_abandon": (None, [c_void_p]),
    "ct_lease_key": (None, [c_void_p, POINTER(_Bytes)]),
    "ct_compute": (c_int32, [c_void_p, *_KEY, _ComputeFn, c_void_p, _OUT]),
    "ct_key_new": (c_void_p, [c_uint32]),
    "ct_key_reset": (None, [c_void_p]),
    "ct_key_free": (None, [c_void_p]),
    "ct_key_null": (None, [c_void_p]),
    "ct_key_bool": (None, [c_void_p, c_bool]),
    "ct_key_int": (None, [c_void_p, c_int64]),
    "ct_key_uint": (None, [c_void_p, c_uint64]),
    "ct_key_double": (None, [c_void_p, c_double]),
    "ct_key_text": (None, [c_void_p, c_char_p, c_size_t]),
    "ct_key_bytes": (None, [c_void_p, c_char_p, c_size_t]),
    "ct_key_tuple_begin": (None, [c_void_p]),
    "ct_key_tuple_end": (None, [c_void_p]),
    "ct_key_name": (None, [c_void_p, c_char_p, c_size_t]),
    "ct_key_data": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(c_size_t)]),
    "ct_memo_new": (c_int32, [POINTER(_MemoOptions), POINTER(c_void_p)]),
    "ct_memo_free": (None, [c_void_p]),
    "ct_memo_call": (c_int32, [c_void_p, c_void_p, c_void_p, _OUT]),
    "ct_memo_key": (c_int32, [c_void_p, c_void_p, c_void_p, c_void_p]),
    "ct_memo_invalidate": (c_int32, [c_void_p, c_void_p, c_void_p]),
    "ct_memo_info": (c_int32, [c_void_p, c_void_p, POINTER(_CacheInfo)]),
    "ct_memo_cache": (c_void_p, [c_void_p, c_void_p]),
    "ct_memo_clear": (c_int32, [c_void_p, c_void_p]),
    "ct_memo_forget": (None, [c_void_p, c_void_p]),
}


def _open_library():
    """Opens the library by the name that programs are linked to, or the file CACHETOOLS_LIBRARY."""
    name = "libcachetools.0.dylib" if sys.platform == "darwin" else "libcachetools.so.0"
    # Not PyDLL: with it, a call that waits for another thread would wait for ever.
    library = ctypes.CDLL(os.environ.get("CACHETOOLS_LIBRARY", name))
    for function, (result, arguments) in _FUNCTIONS.items():
        getattr(library, function).restype = result
        getattr(library, function).argtypes = arguments
    return library


_lib = _open_library()
_get_copy = _lib.ct_get_copy  # looked up once, for speed
_set = _lib.ct_set


def version():
    """The version of the library, "0.1.0"."""
    return _lib.ct_version_string().decode()


# ---- Errors --------------------------------------------------------------------------------------

class Error(Exception):
    """The operation did not happen. status says why."""

    def __init__(self, status, text=None):
        super().__init__(text or _lib.ct_status_message(status).decode())
        self.status = status

    @property
    def name(self):
        return _lib.ct_status_name(self.status).decode()


class InvalidError(Error, ValueError):
    pass


class NoMemoryError(Error, MemoryError):
    pass


class TooLargeError(Error, ValueError):
    pass


class BufferError(Error):
    pass


class RecursiveLoadError(Error, RecursionError):
    pass


class CorruptError(Error, ValueError):
    pass


class FileError(Error, OSError):
    pass


class UnsupportedError(Error, NotImplementedError):
    pass


class CallbackError(Error):
    pass


class BusyError(Error):
    pass


_ERRORS = {
    Status.ERR_INVALID: InvalidError,
    Status.ERR_NOMEM: NoMemoryError,
    Status.ERR_TOO_LARGE: TooLargeError,
    Status.ERR_BUFFER: BufferError,
    Status.ERR_RECURSION: RecursiveLoadError,
    Status.ERR_CORRUPT: CorruptError,
    Status.ERR_IO: FileError,
    Status.ERR_UNSUPPORTED: UnsupportedError,
    Status.ERR_CALLBACK: CallbackError,
}


def _check(status):
    """Returns the status, or raises its exception if it is a failure."""
    if status < 0:
        raise _ERRORS.get(status, Error)(status)
    return status


# ---- Arguments -----------------------------------------------------------------------------------

def _bytes(value):
    """Returns a key or a value as ctypes takes it. For speed, callers skip this for bytes."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"keys and values are bytes, not {type(value).__name__}")


def _unsigned(value, bits=64):
    """Returns an integer that fits into so many bits. ctypes would cut off a larger one."""
    value = operator.index(value)
    if not 0 <= value < 1 << bits:
        raise OverflowError(f"{value} is no unsigned integer of {bits} bits")
    return value


def _int32(value):
    value = operator.index(value)
    if not -2**31 <= value < 2**31:
        raise OverflowError(f"{value} is no integer of 32 bits")
    return value


# ---- Callbacks -----------------------------------------------------------------------------------

_CALLBACK_FAILED = -1000  # a callback's own status


class _Here(threading.local):
    """The state of this thread."""
    exception = None  # of a callback, until the call that ran the callback has returned
    is_inside = False  # in a callback that must not call the library


_here = _Here()

_deferred = []  # objects that the garbage collector took inside, to be closed afterwards


def _guarded(fallback):
    """Makes a callback that C may call. It keeps an exception, and returns fallback to C."""
    def decorate(callback):
        @functools.wraps(callback)
        def guarded(*args):
            try:
                return callback(*args)
            except BaseException as exception:  # ctypes would print it and continue
                if _here.exception is None:
                    _here.exception = exception
                return fallback
        return guarded
    return decorate


def _inside(fallback):
    """As _guarded, for a callback that runs inside the critical section."""
    def decorate(callback):
        guarded = _guarded(fallback)(callback)

        def inside(*args):
            _here.is_inside = True
            try:
                return guarded(*args)
            finally:
                _here.is_inside = False
        return inside
    return decorate


def _reraise():
    """Closes deferred objects, and raises the exception of a callback that ran in the last call."""
    while _deferred and not _here.is_inside:
        try:
            it = _deferred.pop()
        except IndexError:  # another thread took it
            break
        it.close()
    exception = _here.exception
    if exception is not None:
        _here.exception = None
        raise exception


class _Closing:
    """An object that is closed when it is collected. If it is collected inside the critical
    section, it lives a little longer, with all that close needs. It cannot be copied, because each
    copy would free the same handle."""

    _handle = None  # also if making it failed

    def __reduce__(self, *_):
        raise TypeError(f"a {type(self).__name__} can be neither copied nor pickled")

    __copy__ = __deepcopy__ = __reduce__

    def __del__(self, here=_here, deferred=_deferred):  # names may be gone at the end
        if here.is_inside:
            deferred.append(self)
        else:
            self.close()


class _Dependent(_Closing):
    """An object that must end before its cache. A cache that ends first ends its dependents too,
    because the garbage collector takes objects in any order."""

    def _depend_on(self, dependents, handle, end):
        self._dependents = dependents  # of the cache
        self._handle = handle
        self._end = end
        dependents[handle] = end

    def _live(self):
        """Returns the handle, or None after it has ended."""
        return self._handle if self._handle in self._dependents else None

    def _take_over(self):
        """Returns the handle, which from now on only the caller ends, or None."""
        handle, self._handle = self._handle, None
        return handle if handle and self._dependents.pop(handle, None) else None

    def close(self, here=_here, reraise=_reraise):
        handle = self._take_over()
        if not handle:
            return
        kept, here.exception = here.exception, None  # of the call that this runs in
        try:
            self._end(handle)
            reraise()
        finally:
            if kept is not None:
                here.exception = kept


# ---- Values --------------------------------------------------------------------------------------

class _Pin(_Closing):
    """Holds a pinned value."""

    def __init__(self, raw, callbacks):
        self._raw = raw
        self._callbacks = callbacks  # the release may call them

    def close(self, release=_lib.ct_value_release, reraise=_reraise):
        release(byref(self._raw))
        if self._callbacks:
            reraise()


def _view(raw, callbacks):
    """Returns a view of a value, pinned until it and all views of it are gone."""
    array = (ctypes.c_char * raw.size).from_address(raw.data)
    array.pin = _Pin(raw, callbacks)
    return memoryview(array).cast("B").toreadonly()


def _take(raw):
    """Returns a copy of a value, and releases the value."""
    try:
        return string_at(raw.data, raw.size)
    finally:
        _lib.ct_value_release(byref(raw))


@dataclasses.dataclass
class Event:
    """An entry that left."""
    key: bytes
    value: bytes
    weight: int
    cause: Cause


def _event(pointer):
    raw = pointer.contents
    return Event(string_at(raw.key.data, raw.key.size), string_at(raw.value.data, raw.value.size),
                 raw.weight, Cause(raw.cause))


# ---- How to make a cache -------------------------------------------------------------------------

class _Callbacks:
    """The options of a cache and the C functions made of its callbacks, which ctypes would
    otherwise free. They refer neither to the cache nor to this object."""

    def __init__(self, options, timer=None, ttu=None, weigher=None, choice=None, listener=None,
                 drop=None, custom=None, allocator=None):
        self.options = options
        self.are_any = any((timer, ttu, weigher, choice, listener, drop, custom, allocator))
        self.outlive_cache = bool(drop or allocator)
        if timer:
            options.timer = _TimerFn(_inside(0)(lambda _: _unsigned(timer())))
        if ttu:
            options.ttu = _TtuFn(_guarded(NEVER)(
                lambda _, key, key_size, value, value_size, now:
                _unsigned(ttu(string_at(key, key_size), string_at(value, value_size), now))))
        if weigher:  # if it raises, the entry is refused as too large
            options.weigher = _WeigherFn(_guarded(UNBOUNDED)(
                lambda _, key, key_size, value, value_size:
                _unsigned(weigher(string_at(key, key_size), string_at(value, value_size)))))
        if choice:
            options.choice = _ChoiceFn(_inside(0)(lambda _, count: _unsigned(choice(count))))
        if listener:
            options.listener = _ListenerFn(_guarded(None)(lambda _, event: listener(_event(event))))
        if drop:
            options.drop = _DropFn(_guarded(None)(
                lambda _, value, size: drop(string_at(value, size))))
        if custom:
            options.custom = ctypes.pointer(_policy_ops(custom))
        if allocator:
            alloc, free = allocator
            options.allocator = ctypes.pointer(_Allocator(
                alloc=_AllocFn(_inside(0)(lambda _, size, align: alloc(size, align) or 0)),
                free=_FreeFn(_inside(None)(
                    lambda _, block, size, align: free(block, size, align)))))

    def for_values(self):
        """Returns what a pinned value must keep alive."""
        return self if self.outlive_cache else None


def _policy_ops(make):
    """Makes a ct_policy_ops of objects with insert, hit, remove and victim. make(maxsize) makes an
    object for each shard; C knows it by a number."""
    states = {}
    numbers = itertools.count(1)

    @_inside(0)
    def state_new(_, maxsize):
        number = next(numbers)
        states[number] = make(maxsize)
        return number

    return _PolicyOps(
        state_new=_StateNewFn(state_new),
        state_free=_StateFn(_inside(None)(lambda state: states.pop(state))),
        on_insert=_InsertFn(_inside(None)(
            lambda state, id, weight, key, key_size, now:
            states[state].insert(id, weight, string_at(key, key_size), now))),
        on_hit=_HitFn(_inside(None)(lambda state, id, now: states[state].hit(id, now))),
        on_remove=_RemoveFn(_inside(None)(lambda state, id: states[state].remove(id))),
        victim=_VictimFn(_inside(2**32 - 1)(
            lambda state: _unsigned(states[state].victim(), 32))))


class Outcome(enum.IntEnum):
    """The outcome of a write."""
    STORED = Status.OK
    MISSING = Status.MISS  # with if_present
    EXISTS = Status.EXISTS  # with if_absent
    NOT_STORED = Status.NOT_STORED  # dead on arrival


def _entry_options(ttl, deadline, weight, if_absent, if_present):
    options = _EntryOptions()
    for flag, field, value in ((_Entry.TTL, "ttl", ttl), (_Entry.DEADLINE, "deadline", deadline),
                               (_Entry.WEIGHT, "weight", weight)):
        if value is not None:
            options.flags |= flag
            setattr(options, field, _unsigned(value))
    if if_absent:
        options.flags |= _Entry.IF_ABSENT
    if if_present:
        options.flags |= _Entry.IF_PRESENT
    return options


def _fields(raw):
    """Returns the fields of a struct as a dict, without its own size."""
    return {name: getattr(raw, name) for name, _ in raw._fields_[1:] if name != "reserved"}


# ---- The cache -----------------------------------------------------------------------------------

_ROOM = 1024  # bytes, in which most values fit

_ABSENT = object()


class Cache(_Closing, collections.abc.MutableMapping):
    """A cache of bytes by bytes, bounded by a policy. All methods but close are safe on any thread.

    Times are in ticks of the timer: nanoseconds, unless you bring a timer. timer, choice, custom
    and allocator run inside the critical section, and must not use any cache. custom(maxsize) makes
    an object with insert(id, weight, key, now), hit(id, now), remove(id) and victim(). allocator is
    a pair of functions: alloc(size, align), which returns an address, and free(address, size,
    align).
    """

    def __init__(self, policy=Policy.LRU, maxsize=128, *, weight_kind=WeightKind.COUNT, shards=0,
                 ttl=0, tti=0, seed=0, stats=True, precise_clock=False, **callbacks):
        self._dependents = {}  # functions that end walks and leases, by their handle
        self._buffers = []  # to copy values into, each with room for a size
        flags = _Flag.KEEP_NOTHING  # a maxsize of 0 is meant, as it is not the default
        flags |= (0 if stats else _Flag.NO_STATS) | (_Flag.PRECISE_CLOCK if precise_clock else 0)
        options = _Options(policy=_int32(policy), weight_kind=_int32(weight_kind),
                           maxsize=_unsigned(maxsize), shards=_unsigned(shards, 32), flags=flags,
                           ttl=_unsigned(ttl), tti=_unsigned(tti), seed=_unsigned(seed))
        self._callbacks = _Callbacks(options, **callbacks)
        handle = c_void_p()
        status = _lib.ct_cache_new_with(byref(options), byref(handle))
        _reraise()
        if status == Status.ERR_INVALID:
            raise InvalidError(status, _lib.ct_options_problem(byref(options)).decode())
        _check(status)
        self._handle = handle.value

    def close(self, free=_lib.ct_cache_free, reraise=_reraise):
        """Frees the cache. No other call may be running. Pinned values stay readable. Methods of a
        closed cache raise InvalidError."""
        if self._handle is None:
            return
        while self._dependents:
            handle, end = self._dependents.popitem()
            end(handle)
        handle, self._handle = self._handle, None
        free(handle)
        if self._callbacks.are_any:
            reraise()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        if self._handle is None:
            return "<Cache, closed>"
        options = self.options()
        return f"<Cache {Policy(options['policy']).name} of {options['maxsize']}>"

    def _reraise(self):
        if self._callbacks.are_any:
            _reraise()

    def _open(self):
        """Returns the handle, for functions that return 0 without one."""
        if self._handle is None:
            raise InvalidError(Status.ERR_INVALID)
        return self._handle

    # -- Reading --

    def _read(self, key):
        """Returns a copy of a value, and the status."""
        if type(key) is not bytes:
            key = _bytes(key)
        try:
            room = self._buffers.pop()
        except IndexError:
            buffer, size = ctypes.create_string_buffer(_ROOM), c_size_t()
            room = buffer, size, ctypes.addressof(buffer), ctypes.addressof(size)
        buffer, size, buffer_at, size_at = room  # addresses, which ctypes takes twice as fast
        status = _get_copy(self._handle, key, len(key), buffer_at, _ROOM, size_at)
        if status == 0:
            value = buffer[:size.value]
        elif status == Status.ERR_BUFFER:
            raw = _Value()
            status = _lib.ct_get(self._handle, key, len(key), byref(raw))
            value = _take(raw) if status == 0 else None
        else:
            value = None
        self._buffers.append(room)
        if self._callbacks.are_any:
            _reraise()
        return value, status

    def __getitem__(self, key):
        """A hit is a use."""
        value, status = self._read(key)
        if value is None:
            _check(status)
            raise KeyError(key)
        return value

    def get(self, key, default=None):
        value, status = self._read(key)
        if value is None:
            _check(status)
            return default
        return value

    def pin(self, key):
        """Returns a view of the value, without a copy, or None."""
        if type(key) is not bytes:
            key = _bytes(key)
        raw = _Value()
        status = _lib.ct_get(self._handle, key, len(key), byref(raw))
        return self._found(status, raw, _view)

    def peek(self, key):
        """Returns a copy of the value, or None. This is no use, and nothing is counted."""
        if type(key) is not bytes:
            key = _bytes(key)
        raw = _Value()
        return self._found(_lib.ct_peek(self._handle, key, len(key), byref(raw)), raw)

    def _found(self, status, raw, out_of=lambda raw, _: _take(raw)):
        value = None if raw.data is None else out_of(raw, self._callbacks.for_values())
        self._reraise()
        _check(status)
        return value

    def __contains__(self, key):
        if type(key) is not bytes:
            key = _bytes(key)
        is_there = _lib.ct_contains(self._open(), key, len(key))
        self._reraise()
        return is_there

    # -- Writing --

    def __setitem__(self, key, value):
        if type(key) is not bytes:
            key = _bytes(key)
        if type(value) is not bytes:
            value = _bytes(value)
        status = _set(self._handle, key, len(key), value, len(value))
        if self._callbacks.are_any:
            _reraise()
        if status < 0:
            _check(status)

    def set(self, key, value, *, ttl=None, deadline=None, weight=None, if_absent=False,
            if_present=False):
        """Stores a value with a lifetime, weight or condition of its own. Returns an Outcome."""
        if type(key) is not bytes:
            key = _bytes(key)
        if type(value) is not bytes:
            value = _bytes(value)
        options = _entry_options(ttl, deadline, weight, if_absent, if_present)
        status = _lib.ct_set_with(self._handle, key, len(key), value, len(value), byref(options))
        self._reraise()
        return Outcome(_check(status))

    def setdefault(self, key, default=b""):
        if type(key) is not bytes:
            key = _bytes(key)
        if type(default) is not bytes:
            default = _bytes(default)
        raw = _Value()
        status = _lib.ct_setdefault(self._handle, key, len(key), default, len(default), byref(raw))
        return self._found(status, raw)

    def pop(self, key, default=_ABSENT):
        if type(key) is not bytes:
            key = _bytes(key)
        raw = _Value()
        value = self._found(_lib.ct_pop(self._handle, key, len(key), byref(raw)), raw)
        if value is None and default is _ABSENT:
            raise KeyError(key)
        return default if value is None else value

    def __delitem__(self, key):
        if type(key) is not bytes:
            key = _bytes(key)
        status = _lib.ct_delete(self._handle, key, len(key))
        self._reraise()
        if _check(status) == Status.MISS:
            raise KeyError(key)

    def popitem(self):
        """Removes the policy's next victim, and returns its key and value."""
        key, value = _Value(), _Value()
        status = _lib.ct_popitem(self._handle, byref(key), byref(value))
        if status != Status.OK:
            self._reraise()
            _check(status)
            raise KeyError("the cache is empty")
        item = _take(key), _take(value)
        self._reraise()
        return item

    def clear(self):
        status = _lib.ct_clear(self._handle)
        self._reraise()
        _check(status)

    def remove_if(self, match):
        """Removes all entries for which match(key, value) is true. Returns how many."""
        callback = _MatchFn(_guarded(False)(
            lambda _, key, key_size, value, value_size:
            bool(match(string_at(key, key_size), string_at(value, value_size)))))
        removed = _lib.ct_remove_if(self._open(), callback, None)
        _reraise()
        return removed

    # -- Many at once --

    def get_many(self, keys):
        """Returns a list of copies of the values for many keys, in one call. A miss is None."""
        keys = [key if type(key) is bytes else _bytes(key) for key in keys]
        count = len(keys)
        sizes = c_size_t * count
        key_ends = sizes(*itertools.accumulate(map(len, keys)))
        value_ends, statuses = sizes(), (c_int32 * count)()
        data = b"".join(keys)
        capacity = 64 * count
        while True:
            buffer = ctypes.create_string_buffer(capacity)
            status = _lib.ct_get_many_copy(self._handle, data, key_ends, count, buffer, capacity,
                                           value_ends, statuses)
            if status != Status.ERR_BUFFER:
                break
            capacity = value_ends[count - 1]
        self._reraise()
        _check(status)
        values, begin = buffer.raw, 0
        found = []
        for end, status in zip(value_ends[:], statuses[:]):
            found.append(values[begin:end] if status == 0 else None)
            begin = end
        return found

    def set_many(self, entries, *, ttl=None, deadline=None, weight=None, if_absent=False,
                 if_present=False):
        """Stores many pairs, or a mapping, in one call. Each succeeds or fails alone: returns a
        list with an Outcome for each, or an Error if it failed."""
        if isinstance(entries, collections.abc.Mapping):
            entries = entries.items()
        parts = []
        for key, value in entries:
            parts += _bytes(key), _bytes(value)
        count = len(parts) // 2
        ends = (c_size_t * len(parts))(*itertools.accumulate(map(len, parts)))
        statuses = (c_int32 * count)()
        options = _entry_options(ttl, deadline, weight, if_absent, if_present)
        status = _lib.ct_set_many(self._handle, b"".join(parts), ends, count, byref(options),
                                  statuses)
        self._reraise()
        if not any(statuses):
            _check(status)  # nothing was tried
        return [Outcome(one) if one >= 0 else _ERRORS.get(one, Error)(one) for one in statuses]

    # -- Size and time --

    def __len__(self):
        length = _lib.ct_len(self._open())
        self._reraise()
        return length

    @property
    def weight(self):
        """Returns the sum of the weights."""
        weight = _lib.ct_currsize(self._open())
        self._reraise()
        return weight

    @property
    def maxsize(self):
        return _lib.ct_maxsize(self._open())

    @property
    def memory(self):
        """Returns the bytes of memory held in all."""
        return _lib.ct_memory(self._open())

    def resize(self, maxsize):
        status = _lib.ct_resize(self._handle, _unsigned(maxsize))
        self._reraise()
        _check(status)

    def set_lifetime(self, key, ttl):
        """Gives an entry another lifetime. Returns whether it is there."""
        if type(key) is not bytes:
            key = _bytes(key)
        status = _lib.ct_set_lifetime(self._handle, key, len(key), _unsigned(ttl))
        self._reraise()
        return _check(status) == Status.OK

    def inspect(self, key):
        """Returns what is known of an entry, as a dict, or None."""
        if type(key) is not bytes:
            key = _bytes(key)
        info = _EntryInfo()
        status = _lib.ct_inspect(self._handle, key, len(key), byref(info))
        self._reraise()
        return _fields(info) if _check(status) == Status.OK else None

    def expire(self, visit=None):
        """Removes the entries whose deadline has passed. Shows each as an Event. Returns how many."""
        callback = _VisitFn(_guarded(None)(lambda _, event: visit(_event(event)))) if visit else \
            _VisitFn()
        expired = _lib.ct_expire(self._open(), NOW, callback, None)
        _reraise()
        return expired

    def stats(self):
        """Returns the counters, as a dict."""
        stats = _Stats()
        _check(_lib.ct_cache_stats(self._handle, byref(stats)))
        return _fields(stats)

    def reset_stats(self):
        _check(_lib.ct_cache_stats_reset(self._handle))

    def options(self):
        """Returns the options in force as a dict, with defaults and the seed that was drawn."""
        options = _Options()
        _check(_lib.ct_cache_options(self._handle, byref(options)))
        return {name: value for name, value in _fields(options).items() if isinstance(value, int)}

    # -- Iteration --

    def walk(self, order=Order.ANY):
        """Returns an iterator of pairs. A walk uses nothing and counts nothing."""
        return _Walk(self, order)

    def __iter__(self):
        return (key for key, _ in self.walk())

    def items(self):
        return self.walk()

    def values(self):
        return (value for _, value in self.walk())

    # -- Snapshots --

    def save(self, file):
        """Saves the contents of the cache. file is a path, whose file is replaced as a whole or not
        at all, or an object with write."""
        if isinstance(file, (str, bytes, os.PathLike)):
            status = _lib.ct_snapshot_save_file(self._handle, os.fsencode(file))
        else:
            @_guarded(_CALLBACK_FAILED)
            def write(_, data, size):
                rest = memoryview(string_at(data, size))
                while rest:
                    written = file.write(rest)
                    rest = rest[len(rest) if written is None else written:]
                return Status.OK

            status = _lib.ct_snapshot_save(self._handle, _WriteFn(write), None)
        _reraise()
        _check(status)

    def load(self, file, aged=False):
        """Adds the entries of a snapshot, from the hottest on, as far as there is room. file is a
        path, or an object with read; nothing beyond the snapshot is read. Lifetimes go on from
        where they were at the save. With aged, the time since the save is taken off them, by the
        wall clock; this is for caches without a timer."""
        flags = _SNAPSHOT_AGED if aged else 0
        if isinstance(file, (str, bytes, os.PathLike)):
            status = _lib.ct_snapshot_load_file_with(self._handle, os.fsencode(file), flags)
        else:
            @_guarded(_CALLBACK_FAILED)
            def read(_, buffer, capacity, got):
                data = file.read(capacity)
                ctypes.memmove(buffer, data, len(data))
                got[0] = len(data)
                return Status.OK

            status = _lib.ct_snapshot_load_with(self._handle, _ReadFn(read), None, flags)
        _reraise()
        _check(status)

    # -- Loading --

    def get_or_load(self, key, load):
        """Looks a key up. If it is absent, stores what load(key) returns: bytes, or Loaded. However
        many threads ask, one of them loads, and the others wait for its value. load returns None if
        there is no such value."""
        if type(key) is not bytes:
            key = _bytes(key)
        @_guarded(_CALLBACK_FAILED)
        def run(_, key, key_size, result):
            return _finish(load(string_at(key, key_size)), result)

        raw = _Value()
        status = _lib.ct_get_or_load(self._handle, key, len(key), _LoaderFn(run), None, byref(raw))
        value = None if raw.data is None else _take(raw)
        _reraise()
        _check(status)
        return value

    def get_or_lease(self, key, wait=None):
        """Looks a key up. If it is absent, takes its lease, or waits for the holder, at most so
        many seconds. Returns bytes; or a Lease, and the caller must load the key; or None if
        another caller still has the lease when the time is over."""
        if type(key) is not bytes:
            key = _bytes(key)
        raw, lease = _Value(), c_void_p()
        wait_ns = 2**64 - 1 if wait is None else int(max(0, min(wait * 1e9, 2.0**63)))
        status = _lib.ct_get_or_lease(self._handle, key, len(key), wait_ns, byref(raw), byref(lease))
        if status == Status.LEASED:
            return Lease(self, lease.value)
        return self._found(status, raw)

    def compute(self, key, change):
        """Reads, changes and writes one entry, as if at once. change(old) returns what to store,
        bytes or Loaded; or REMOVE; or LEAVE. old is None if there is no entry. Returns the value
        that is there afterwards, or None.

        Computes of one key take turns. If another call has written the key meanwhile, change runs
        again, at most 16 times; then nothing is changed, and BusyError is raised. Computing a key
        within its own change raises RecursiveLoadError."""
        if type(key) is not bytes:
            key = _bytes(key)
        @_guarded(_CALLBACK_FAILED)
        def run(_, key, key_size, old, result):
            before = string_at(old.contents.data, old.contents.size) if old else None
            after = change(before)
            if after is REMOVE or after is LEAVE:
                return Status.MISS if after is REMOVE else Status.NOT_STORED
            return _finish(after, result)

        raw = _Value()
        status = _lib.ct_compute(self._handle, key, len(key), _ComputeFn(run), None, byref(raw))
        value = None if raw.data is None else _take(raw)
        _reraise()
        if _check(status) == Status.BUSY:
            raise BusyError(status)
        return value


# ---- Iteration -----------------------------------------------------------------------------------

class _Walk(_Dependent):
    """An iterator of the pairs of a cache, for one thread at a time."""

    def __init__(self, cache, order):
        self._cache = cache
        handle = c_void_p()
        _check(_lib.ct_iter_new(cache._handle, _int32(order), byref(handle)))
        self._depend_on(cache._dependents, handle.value, _lib.ct_iter_free)

    def __iter__(self):
        return self

    def __next__(self):
        if self._handle is None:
            raise StopIteration
        if not self._live():  # the cache was closed
            raise InvalidError(Status.ERR_INVALID)
        key, value = _Bytes(), _Bytes()
        status = _lib.ct_iter_next(self._handle, byref(key), byref(value))
        self._cache._reraise()
        if _check(status) == Status.END:
            self.close()
            raise StopIteration
        return string_at(key.data, key.size), string_at(value.data, value.size)


# ---- Loading -------------------------------------------------------------------------------------

REMOVE = object()
LEAVE = object()


@dataclasses.dataclass
class Loaded:
    """A value that a callback brings, and what is special about it."""
    value: bytes
    ttl: int = None  # in ticks from the callback's return on
    deadline: int = None  # in ticks, absolute
    weight: int = None
    discard: bool = False  # hand it to the callers, but do not keep it


def _finish(found, result):
    """Hands over what a callback returned."""
    if found is None:
        return Status.MISS
    if isinstance(found, Loaded):
        if found.ttl is not None:
            _lib.ct_result_ttl(result, _unsigned(found.ttl))
        if found.deadline is not None:
            _lib.ct_result_deadline(result, _unsigned(found.deadline))
        if found.weight is not None:
            _lib.ct_result_weight(result, _unsigned(found.weight))
        if found.discard:
            _lib.ct_result_discard(result)
        found = found.value
    if type(found) is not bytes:
        found = _bytes(found)
    return _lib.ct_result_set(result, found, len(found))


class Lease(_Dependent):
    """The right and the duty to load a key. It belongs to no thread. It is given up when it is
    closed, collected, or left as a context without a value."""

    def __init__(self, cache, handle):
        self._cache = cache
        self._depend_on(cache._dependents, handle, _lib.ct_lease_abandon)
        key = _Bytes()
        _lib.ct_lease_key(handle, byref(key))
        self.key = string_at(key.data, key.size)

    def fulfil(self, value, *, ttl=None, deadline=None, weight=None):
        """Stores the value, hands it to all who wait, and returns it."""
        if type(value) is not bytes:
            value = _bytes(value)
        options = _entry_options(ttl, deadline, weight, False, False)
        raw = _Value()
        status = _lib.ct_lease_fulfil(self._take_over(), value, len(value), byref(options), byref(raw))
        return self._cache._found(status, raw)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# ---- Keys ----------------------------------------------------------------------------------------

class Key(_Closing):
    """Builds a key from arguments: bytes that are equal if and only if the arguments are. If typed,
    1, 1.0 and True are three keys. One thread at a time may use it."""

    def __init__(self, typed=False):
        self._handle = _lib.ct_key_new(_KEY_TYPED if typed else 0)
        if not self._handle:
            raise NoMemoryError(Status.ERR_NOMEM)

    def close(self, free=_lib.ct_key_free):
        handle, self._handle = self._handle, None
        free(handle)

    def add(self, value):
        """Adds None, a bool, an int of 64 bits, a float, a str, bytes, or a tuple of these. If it
        raises, it adds nothing."""
        if isinstance(value, tuple):
            _add(Key()._handle, value)
        _add(self._handle, value)
        return self

    def name(self, name):
        """Names the next value."""
        name = name.encode()
        _lib.ct_key_name(self._handle, name, len(name))
        return self

    def reset(self):
        _lib.ct_key_reset(self._handle)
        return self

    def data(self):
        """Returns the key. Raises InvalidError for a mistake in what was added."""
        data, size = c_void_p(), c_size_t()
        _check(_lib.ct_key_data(self._handle, byref(data), byref(size)))
        return string_at(data, size.value)


def _add(key, value):
    if value is None:
        _lib.ct_key_null(key)
    elif isinstance(value, bool):
        _lib.ct_key_bool(key, value)
    elif isinstance(value, int):
        if -2**63 <= value < 2**63:  # ctypes would cut longer ones off
            _lib.ct_key_int(key, value)
        elif 0 <= value < 2**64:
            _lib.ct_key_uint(key, value)
        else:
            raise OverflowError("integers in keys have 64 bits")
    elif isinstance(value, float):
        _lib.ct_key_double(key, value)
    elif isinstance(value, str):
        text = value.encode()
        _lib.ct_key_text(key, text, len(text))
    elif isinstance(value, (bytes, bytearray, memoryview)):
        value = _bytes(value)
        _lib.ct_key_bytes(key, value, len(value))
    elif isinstance(value, tuple):
        _lib.ct_key_tuple_begin(key)
        for element in value:
            _add(key, element)
        _lib.ct_key_tuple_end(key)
    else:
        raise TypeError(f"no part of a key: {type(value).__name__}")


def _add_call(key, args, kwargs):
    for value in args:
        _add(key, value)
    for name, value in kwargs.items():
        name = name.encode()
        _lib.ct_key_name(key, name, len(name))
        _add(key, value)


def key(*args, **kwargs):
    """Returns the key of a call."""
    builder = Key()
    _add_call(builder._handle, args, kwargs)
    return builder.data()


# ---- Memoized functions --------------------------------------------------------------------------

class _LentCache(Cache):
    """A memo's own cache, which the memo frees. It keeps the memo alive."""

    def __init__(self, memo, handle):
        self._memo = memo
        self._handle = handle
        self._dependents = {}
        self._buffers = []
        self._callbacks = memo._own

    def close(self):
        super().close(free=lambda handle: None)


class Memo(_Dependent):
    """A function that returns bytes and remembers its results; see memoize. Close it while no call
    is running, or leave it to the garbage collector."""

    def __init__(self, function, cache=None, prefix=b"", typed=False, maxsize=128,
                 policy=Policy.LRU, **callbacks):
        functools.update_wrapper(self, function, updated=())
        self._calls = {}  # arguments, by the number that C knows
        self._numbers = itertools.count(1)
        self._typed = typed
        calls = self._calls

        @_guarded(_CALLBACK_FAILED)
        def run(_, obj, number, result):
            args, kwargs = calls[number]
            return _finish(function(*args, **kwargs), result)

        @_guarded(_CALLBACK_FAILED)
        def add_key(_, obj, number, key):
            _add_call(key, *calls[number])
            return Status.OK

        options = _MemoOptions(flags=_MEMO_TYPED if typed else 0, fn=_MemoFn(run),
                               key=_MemoKeyFn(add_key), prefix=prefix, prefix_size=len(prefix))
        self._options = options  # keeps the C functions alive
        self._own = None
        if cache is None:
            self._own = _Callbacks(_Options(
                policy=_int32(policy), maxsize=_unsigned(maxsize),
                flags=_Flag.KEEP_NOTHING), **callbacks)
            options.own = ctypes.pointer(self._own.options)
        else:
            options.cache = cache._open()
        handle = c_void_p()
        status = _lib.ct_memo_new(byref(options), byref(handle))
        _reraise()
        _check(status)
        self._shared = cache
        self._depend_on({} if cache is None else cache._dependents, handle.value, _lib.ct_memo_free)

    def close(self):
        lent = self.__dict__.pop("_lent", None)
        if lent is not None:
            lent.close()
        super().close()

    @property
    def cache(self):
        """The cache that keeps the results: the shared one, or the memo's own, which is open as
        long as the memo is."""
        if not self._live():
            raise InvalidError(Status.ERR_INVALID)
        if self._shared is not None:
            return self._shared
        lent = self.__dict__.get("_lent")
        if lent is None or lent._handle is None:
            self._lent = lent = _LentCache(self, _lib.ct_memo_cache(self._handle, None))
        return lent

    def _call(self, function, args, kwargs, *more):
        number = next(self._numbers)
        self._calls[number] = args, kwargs
        try:
            return function(self._live(), None, number, *more)
        finally:
            del self._calls[number]

    def __call__(self, *args, **kwargs):
        raw = _Value()
        status = self._call(_lib.ct_memo_call, args, kwargs, byref(raw))
        value = None if raw.data is None else _take(raw)
        _reraise()
        _check(status)
        return value

    def key(self, *args, **kwargs):
        """Returns the key that the result of a call is stored under."""
        builder = Key()
        status = self._call(_lib.ct_memo_key, args, kwargs, builder._handle)
        _reraise()
        _check(status)
        return builder.data()

    def invalidate(self, *args, **kwargs):
        """Forgets the result of one call. Returns whether it was kept."""
        status = self._call(_lib.ct_memo_invalidate, args, kwargs)
        _reraise()
        return _check(status) == Status.OK

    def info(self):
        """Returns hits, misses, maxsize and currsize, as a dict."""
        info = _CacheInfo()
        _check(_lib.ct_memo_info(self._live(), None, byref(info)))
        return _fields(info)

    def clear(self):
        """Empties the cache, and counts from zero again."""
        status = _lib.ct_memo_clear(self._live(), None)
        _reraise()
        _check(status)

    def forget(self):
        """Counts from zero again. Results stay."""
        if not self._live():
            raise InvalidError(Status.ERR_INVALID)
        _lib.ct_memo_forget(self._handle, None)


def memoize(cache=None, **options):
    """Decorates a function that returns bytes so that it remembers its results: in a cache of its
    own, of maxsize results, or in a shared cache, where prefix keeps functions apart. None and
    exceptions are not remembered. However many threads ask for one result, one computes it. Without
    options, no parentheses are needed."""
    if callable(cache):
        return Memo(cache, **options)
    if not isinstance(cache, (Cache, type(None))):
        raise TypeError(f"no cache: {type(cache).__name__}")
    return lambda function: Memo(function, cache, **options)
