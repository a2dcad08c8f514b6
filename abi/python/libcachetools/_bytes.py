# SPDX-License-Identifier: MIT
"""Caches of bytes."""

import itertools
import os
from typing import (
    Any,
    Awaitable,
    BinaryIO,
    Callable,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Tuple,
    Union,
)

from ._base import CacheBase, Pairs, answer, entry_options, pairs_of
from ._callbacks import (
    NOT_MODIFIED,
    Callbacks,
    Event,
    Loaded,
    Tags,
    describe,
    hand_back,
    status_of,
)
from ._choices import Policy, WeightKind
from ._errors import (
    BusyError,
    Error,
    Outcome,
    RecursiveLoadError,
    Status,
    check,
    error_of,
)
from ._ffi import ffi, lib
from ._handles import Closing, reraise
from ._leases import Lease, Waiting, fulfil
from ._numbers import Seconds, remaining
from ._turns import this_task
from ._values import ABSENT, Bytes, Tokens, as_bytes, copy_of, take

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


def _check_file(status: int, file: Any) -> None:
    """Raise a failure's exception, which names the file if that is a path."""
    if status < 0:
        text = None
        if isinstance(file, (str, bytes, os.PathLike)):
            text = f"{os.fsdecode(file)}: {error_of(status)}"
        raise error_of(status, text)


class BytesCache(CacheBase[bytes, bytes]):
    """A cache of bytes by bytes, bounded by a policy: a mutable mapping. All methods but close are
    safe on any thread. A bytearray or a memoryview is copied first.

    maxsize, policy and weight_kind say which entries stay. A maxsize of None is no limit; 0, which
    keeps nothing, is refused without keep_nothing. shards, a power of two, lets many threads write
    at once. ttl is the time to live from a write on, tti the time to idle from a use on: seconds,
    or a timedelta.

    Of the loading calls that find a value with less than refresh_ahead left until the end of its
    ttl, one renews it, and the others get the old one meanwhile. For stale longer than its ttl,
    they get the old one if a newer one cannot be loaded yet. retry is how long nobody tries again
    after a failure, by default a tenth of ttl. For negative_ttl it is remembered that a loader has
    found no value. jitter takes up to so much off the ttl, at random, so that what was stored at
    once does not expire at once.

    Callbacks: timer() returns the time in seconds, by default time.monotonic(). ttu(key, value,
    now) returns until when an entry may be used. weigher(key, value) returns its weight.
    choice(count) chooses the victim of RR, as an index. listener(event) is told of each entry that
    leaves. drop(value) is told of each value that is gone. custom(maxsize) makes a CustomPolicy for
    each shard. allocator is a pair of functions: alloc(size, align), which returns an address or
    None, and free(address, size, align).

    timer, choice, custom and allocator run inside the critical section, and must not use any cache.
    What a callback raises continues in the call that ran it.
    """

    _values = Bytes

    def __init__(
        self,
        maxsize: Optional[int] = 128,
        *,
        policy: Policy = Policy.LRU,
        weight_kind: WeightKind = WeightKind.COUNT,
        shards: int = 0,
        ttl: Optional[Seconds] = None,
        tti: Optional[Seconds] = None,
        refresh_ahead: Optional[Seconds] = None,
        stale: Optional[Seconds] = None,
        retry: Optional[Seconds] = None,
        negative_ttl: Optional[Seconds] = None,
        jitter: Optional[Seconds] = None,
        seed: int = 0,
        stats: bool = True,
        precise_clock: bool = False,
        keep_nothing: bool = False,
        curve: bool = False,
        timer: Optional[Callable[[], float]] = None,
        ttu: Optional[Callable[[bytes, bytes, float], float]] = None,
        weigher: Optional[Callable[[bytes, bytes], int]] = None,
        choice: Optional[Callable[[int], int]] = None,
        listener: Optional[Callable[[Event], object]] = None,
        drop: Optional[Callable[[bytes], object]] = None,
        custom: Optional[Callable[[Optional[int]], Any]] = None,
        allocator: Optional[
            Tuple[Callable[[int, int], Optional[int]], Callable[[int, int, int], object]]
        ] = None,
    ) -> None:
        callbacks = Callbacks(Bytes, timer, ttu, weigher, choice, listener, drop, custom, allocator)
        self._make(
            callbacks,
            policy,
            maxsize,
            weight_kind,
            shards,
            ttl,
            tti,
            {
                "refresh_ahead": refresh_ahead,
                "stale": stale,
                "retry": retry,
                "negative_ttl": negative_ttl,
                "jitter": jitter,
            },
            seed,
            stats,
            precise_clock,
            keep_nothing,
            curve,
        )
        self._tasks: Dict[bytes, int] = {}  # which load what

    # ---- Reading

    def pin(self, key: bytes) -> Optional[memoryview]:
        """Return a view of the value in the library's own memory, or None. The value stays there
        until the last view of it is gone, whatever happens to its entry or to the cache.
        """
        if not self._reraises:
            return self._pin(key)
        handle, raw = self._open(), ffi.new("ct_value *")
        data, _ = self._key(key)
        status = lib.ct_get(handle, data, len(data), raw)
        view = None if raw.data == ffi.NULL else _Pin(raw, self._user_data).view()
        self._end_call(status)
        return view

    def get_many(self, keys: Iterable[bytes]) -> List[Optional[bytes]]:
        """Return the values for many keys, in one call for 64 of them. A miss is None."""
        return self._get_many(keys)

    # ---- Writing

    def setdefault(self, key: bytes, default: bytes = b"") -> bytes:
        """Return the value of a key. Stores the default first if the key is absent."""
        handle, raw = self._open(), ffi.new("ct_value *")
        data, _ = self._key(key)
        default = as_bytes(default)
        status = lib.ct_setdefault(handle, data, len(data), default, len(default), raw)
        return self._taken(status, raw)

    def set_many(
        self,
        entries: Union[Mapping[bytes, bytes], Iterable[Tuple[bytes, bytes]]],
        *,
        ttl: Optional[Seconds] = None,
        deadline: Optional[Seconds] = None,
        weight: Optional[int] = None,
        if_absent: bool = False,
        if_present: bool = False,
        keep_ttl: bool = False,
        tags: Optional[Tags] = None,
    ) -> List[Union[Outcome, Error]]:
        """Store many pairs, or a mapping, in one call. Each succeeds or fails alone: returns a list
        with an Outcome for each, or an Error if it failed.
        """
        handle = self._open()
        parts: List[bytes] = []
        for key, value in entries.items() if isinstance(entries, Mapping) else entries:
            parts += as_bytes(key), as_bytes(value)
        ends = ffi.new("size_t[]", list(itertools.accumulate(map(len, parts))))
        statuses = ffi.new("ct_status[]", len(parts) // 2)
        options = entry_options(
            ttl, deadline, weight, if_absent, if_present, keep_ttl=keep_ttl, tags=tags
        )
        status = lib.ct_set_many(handle, b"".join(parts), ends, len(statuses), options, statuses)
        if self._reraises:
            reraise()
        if not any(statuses):
            self._end_call(status, options)  # nothing was tried
        return [Outcome(one) if one >= 0 else error_of(one) for one in statuses]

    def add(
        self,
        key: bytes,
        delta: int,
        initial: int = 0,
        *,
        ttl: Optional[Seconds] = None,
        deadline: Optional[Seconds] = None,
        weight: Optional[int] = None,
        if_present: bool = False,
        tags: Optional[Tags] = None,
    ) -> Optional[int]:
        """Add to a counter, which keeps its lifetime, or store initial + delta with the lifetime,
        weight and tags given. Returns the sum; None with if_present if there is no counter. A
        counter is 8 bytes, a signed number in the machine's order; sums saturate. Raises
        UnsupportedError if the value is of another size.
        """
        handle, total = self._open(), ffi.new("int64_t *")
        options = entry_options(ttl, deadline, weight, if_present=if_present, tags=tags)
        data, _ = self._key(key)
        status = lib.ct_add(handle, data, len(data), delta, initial, options, total)
        return None if self._end_call(status, options) == Status.MISS else total[0]

    def __copy__(self) -> "BytesCache":  # type: ignore[override]
        """Return a cache with the same entries, which calls the same callbacks. Raises
        UnsupportedError with drop.
        """
        handle = ffi.new("ct_cache **")
        status = lib.ct_cache_copy(self._open(), handle)
        copied = type(self).__new__(type(self))
        if status == Status.OK:
            copied._adopt(handle[0], self._callbacks, self._user_data)
            copied._renews_ahead = self._renews_ahead
            copied._tasks = {}
        self._end_call(status)
        return copied

    # ---- Snapshots

    def save(self, file: Union[Path, BinaryIO]) -> None:
        """Save the contents of the cache. file is a path, whose file is replaced as a whole or not
        at all, or an object with write.
        """
        handle = self._open()
        if isinstance(file, (str, bytes, os.PathLike)):
            status = lib.ct_snapshot_save_file(handle, os.fsencode(file))
        else:
            function = ffi.new_handle(file.write)
            status = lib.ct_snapshot_save(handle, lib.on_write, function)
        reraise()
        _check_file(status, file)

    def load(self, file: Union[Path, BinaryIO], aged: bool = False) -> None:
        """Add the entries of a snapshot, from the hottest on, as far as there is room. file is a
        path, or an object with read; nothing beyond the snapshot is read. Lifetimes go on from
        where they were at the save. With aged, the time since the save is taken off them, by the
        wall clock; this is for caches without a timer.
        """
        handle = self._open()
        flags = lib.CT_SNAPSHOT_AGED if aged else 0
        if isinstance(file, (str, bytes, os.PathLike)):
            status = lib.ct_snapshot_load_file_with(handle, os.fsencode(file), flags)
        else:
            function = ffi.new_handle(file.read)
            status = lib.ct_snapshot_load_with(handle, lib.on_read, function, flags)
        reraise()
        _check_file(status, file)

    # ---- Loading

    def get_or_load(
        self,
        key: bytes,
        load: Callable[[bytes], Union[bytes, Loaded, None]],
        *,
        renew: Optional[Callable[[bytes, bytes], Union[bytes, Loaded, None]]] = None,
        timeout: Optional[Seconds] = None,
        stale_after: Optional[Seconds] = None,
        force: bool = False,
    ) -> Optional[bytes]:
        """Look a key up. If it is absent, store what load(key) returns. However many threads ask,
        one of them loads, and the others wait for its value. load returns None if there is no such
        value. If it raises, all who wait fail, with LoadError or, after an Error, with one of the
        same kind; but after BusyError or what is no Exception, one of them loads.

        A value to be renewed is loaded by renew(key, old), if that is given. It may return
        NOT_MODIFIED, or Loaded(NOT_MODIFIED), if the old value is still right. If a renewal fails,
        the old value serves.

        timeout says how long to wait for the load of another caller, before BusyError is raised.
        stale_after says how long to wait for the renewal of a value past its deadline, before that
        one serves. With force, load even if there is a value, or join a load that runs; if it
        fails, the call fails, and the old value stays.
        """
        return self.get_stale_or_load(
            key, load, renew=renew, timeout=timeout, stale_after=stale_after, force=force
        )[0]

    def get_stale_or_load(
        self,
        key: bytes,
        load: Callable[[bytes], Union[bytes, Loaded, None]],
        *,
        renew: Optional[Callable[[bytes, bytes], Union[bytes, Loaded, None]]] = None,
        timeout: Optional[Seconds] = None,
        stale_after: Optional[Seconds] = None,
        force: bool = False,
    ) -> Tuple[Optional[bytes], bool]:
        """Do what get_or_load does. Return the value, and whether it is past its deadline: a newer
        one could not be loaded yet.
        """
        options = _load_options(timeout, stale_after, force)
        return self._load_with(self._key(key)[0], load, renew, options)

    async def aget_or_load(
        self,
        key: bytes,
        load: Callable[[bytes], Awaitable[Union[bytes, Loaded, None]]],
        *,
        renew: Optional[Callable[[bytes, bytes], Awaitable[Union[bytes, Loaded, None]]]] = None,
    ) -> Optional[bytes]:
        """Do what get_or_load does, in a task of asyncio: load is a coroutine function. However
        many tasks wait for a load, of a task or of a thread, they keep no thread. If the task that
        loads is cancelled, one of those who wait loads. A load that awaits its own key in another
        task waits for ever.
        """
        data, task = self._key(key)[0], this_task()
        if self._tasks.get(data) == task:
            raise RecursiveLoadError(Status.ERR_RECURSION)
        with Waiting(self, data) as waiting:
            status, value, lease = await waiting.answer
        if lease is None:
            self._open()  # unless it was closed meanwhile
            check(status)
            return None if value is ABSENT else value
        self._tasks[data] = task
        try:
            with lease:
                loading = load(key) if renew is None or value is ABSENT else renew(key, value)
                return fulfil(lease, await loading)
        except Exception as exception:
            left = ABSENT
            if status_of(exception) not in (Status.BUSY, Status.ERR_RECURSION):
                left = ABSENT if value is ABSENT else self._left(data)[0]
            if left is ABSENT:
                raise
            return left
        finally:
            if self._tasks.get(data) == task:
                del self._tasks[data]

    def get_or_load_many(
        self,
        keys: Iterable[bytes],
        load: Callable[[List[bytes]], Pairs[bytes, Union[bytes, Loaded, Exception, None]]],
        *,
        return_exceptions: bool = False,
        timeout: Optional[Seconds] = None,
        stale_after: Optional[Seconds] = None,
        force: bool = False,
    ) -> Dict[bytes, bytes]:
        """Do what get_or_load does for many keys: load is called once, with a list of the keys that
        are absent and that nobody else is loading, and returns a mapping or an iterable of pairs.
        Then the call waits for the loads of others, all in all for timeout. Only if one of these is
        given up, load is called again, with that key alone.

        Returns a dict of the values. A key that load did not return, or for which it returned None,
        is not in it. If the value of a key is an Exception, that key alone fails. The first failure
        is raised when all is done, or, with return_exceptions, each is the value of its key.
        """
        handle, options = self._open(), _load_options(timeout, stale_after, force)
        wanted = list(dict.fromkeys(map(as_bytes, keys)))
        failures: Dict[bytes, BaseException] = {}

        def bring(key: bytes, loaded: Any, result: Any) -> int:
            if isinstance(loaded, Exception):
                failures[key] = loaded
                return status_of(loaded)
            try:
                return _hand_over(result, loaded)
            except BaseException as exception:
                failures[key] = exception
                return status_of(exception)

        def run(asked: List[bytes], results: Any) -> int:
            try:
                brought = {as_bytes(key): value for key, value in pairs_of(load(asked))}
            except BaseException as exception:
                failures.update(dict.fromkeys(asked, exception))
                return status_of(exception)
            for key, result in zip(asked, results[0 : len(asked)]):
                status = bring(key, brought.get(key), result)
                if status != Status.OK:
                    lib.ct_result_fail(result, status)
            return Status.OK

        raws, statuses = ffi.new("ct_value[]", len(wanted)), ffi.new("ct_status[]", len(wanted))
        ends = ffi.new("size_t[]", list(itertools.accumulate(map(len, wanted))))
        function = ffi.new_handle(run)
        status = lib.ct_get_or_load_many(
            handle,
            b"".join(wanted),
            ends,
            len(wanted),
            lib.on_load_many,
            function,
            options,
            raws,
            statuses,
        )
        values = {key: take(self._values, raws + i) for i, key in enumerate(wanted)}
        failed: Dict[bytes, BaseException] = {}
        for key, one in zip(wanted, statuses):
            if one < 0 or one == Status.BUSY:
                failed[key] = failures.get(key) or error_of(one)
        failures.clear()
        try:
            self._end_call(status)
            return answer(values, failed, return_exceptions)
        finally:
            del failed  # which the exceptions would keep in a circle

    def _load(self, data: bytes, tokens: Tokens, key: Any, load: Callable[[Any], Any]) -> Any:
        return self._load_with(data, load, None, ffi.NULL)[0]

    def _load_with(
        self,
        data: bytes,
        load: Callable[[Any], Any],
        renew: Optional[Callable[[Any, Any], Any]],
        options: Any,
    ) -> Tuple[Any, bool]:
        handle, raw = self._open(), ffi.new("ct_value *")
        failure: Optional[BaseException] = None

        def run(key: bytes, result: Any) -> int:
            old = ffi.new("ct_bytes *")
            is_there = lib.ct_result_old(result, old) == Status.OK
            if renew is not None and is_there:
                loaded = renew(key, copy_of(old.data, old.size))
            else:
                loaded = load(key)
            return _hand_over(result, loaded)

        def attempt(key: bytes, result: Any) -> int:
            """Run, and forget what that raised if the old value may serve."""
            nonlocal failure
            try:
                return run(key, result)
            except BaseException as exception:
                failure = exception
                return status_of(exception)

        function = ffi.new_handle(attempt)
        status = lib.ct_get_or_load_with(
            handle, data, len(data), lib.on_load, function, options, raw
        )
        value = take(self._values, raw)
        self._end_call()
        if failure is not None and value is ABSENT:
            try:
                raise failure
            finally:
                failure = None  # which the exception would keep in a circle
        if check(status) == Status.BUSY:
            raise BusyError
        return None if value is ABSENT else value, status == Status.STALE

    def get_or_lease(
        self, key: bytes, wait: Optional[Seconds] = None
    ) -> "Union[bytes, Lease, None]":
        """Look a key up. If it is absent, take its lease, or wait for the holder, at most so long.
        Returns bytes; or a Lease, and the caller must load the key; or None if another caller still
        has the lease when the time is over, or has found no such value. If its load failed, the
        call raises. Without wait, the call waits as long as it takes, and must not be made by a
        thread that has the lease.

        If a value is to be renewed, one caller gets a Lease with the old value, and the others get
        the old value at once. It may be past its deadline: then `key in cache` is false.
        """
        handle, raw = self._open(), ffi.new("ct_value *")
        lease = ffi.new("ct_lease **")
        data, _ = self._key(key)
        patience = lib.CT_NEVER if wait is None else remaining(wait)
        status = lib.ct_get_or_lease(handle, data, len(data), patience, raw, lease)
        if lease[0] != ffi.NULL:
            return Lease(self, lease[0], take(self._values, raw))
        value = self._taken(status, raw)
        return None if value is ABSENT else value

    def compute(
        self, key: bytes, change: Callable[[Optional[bytes]], Union[bytes, Loaded]]
    ) -> Optional[bytes]:
        """Read, change and write one entry, as if at once. change(old) returns what to store, bytes
        or Loaded; or REMOVE; or LEAVE. old is None if there is no entry. Returns the value that is
        there afterwards, or None.

        Computes of one key take turns. If another call has written the key meanwhile, change runs
        again, at most 16 times; then nothing is changed, and BusyError is raised. Computing a key
        within its own change raises RecursiveLoadError.
        """
        return self._compute(key, change, None)


def _load_options(timeout: Optional[Seconds], stale_after: Optional[Seconds], force: bool) -> Any:
    options = ffi.new("ct_load_options *")
    lib.ct_load_options_init(options, ffi.sizeof("ct_load_options"))
    options.flags = lib.CT_LOAD_FORCE if force else 0
    options.timeout_ns = 0 if timeout is None else max(remaining(timeout), 1)
    options.stale_after_ns = 0 if stale_after is None else remaining(stale_after)
    return options


def _hand_over(result: Any, loaded: Any) -> int:
    """Give the library what a loader has returned."""
    if isinstance(loaded, Loaded):
        describe(result, loaded)
        loaded = loaded.value
    if loaded is NOT_MODIFIED:
        lib.ct_result_not_modified(result)
        return Status.OK
    return Status.MISS if loaded is None else hand_back(result, as_bytes(loaded))


class _Pin(Closing):
    """Holds a pinned value of a cache with callbacks, which its release may run."""

    def __init__(self, raw: Any, user_data: Any) -> None:
        self._handle = raw
        self._user_data = user_data

    def view(self) -> memoryview:
        """Return a view that keeps the pin, as all views of it do."""
        data = ffi.gc(self._handle.data, self._forget)
        return memoryview(ffi.buffer(data, self._handle.size)).toreadonly()

    def _forget(self, _: Any) -> None:
        """Do nothing but let the last reference to the pin go."""

    def close(self, release: Callable[[Any], None] = lib.ct_value_release) -> None:
        """Release the value."""
        handle, self._handle = self._handle, None
        if handle is not None:
            release(handle)
            reraise()
