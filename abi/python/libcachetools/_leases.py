# SPDX-License-Identifier: MIT
"""Leases of caches of bytes, and waiting for them."""

import asyncio
import concurrent.futures
from typing import Any, Dict, Optional, Tuple, Union

from ._base import CacheBase, entry_options
from ._callbacks import NOT_MODIFIED, Loaded, Tags, status_of
from ._errors import CallbackError, ClosedError, InvalidError, Outcome, Status
from ._ffi import ffi, lib
from ._handles import Dependent
from ._numbers import Seconds
from ._values import ABSENT, as_bytes, copy_of, take


class Lease(Dependent):
    """The right and the duty to load a key. It belongs to no thread. It is given up when it is
    closed, collected, or left as a context without a value. A context that is left by an Exception
    fails.
    """

    key: bytes
    old: Optional[bytes]
    """The value that is to be renewed, or None."""

    def __init__(self, cache: "CacheBase[Any, Any]", handle: Any, old: Any = ABSENT) -> None:
        self._cache = cache
        self.old = None if old is ABSENT else old
        self._depend_on(cache._ends, handle, lib.ct_lease_abandon)
        key = ffi.new("ct_bytes *")
        lib.ct_lease_key(handle, key)
        self.key = copy_of(key.data, key.size)

    def fulfil(
        self,
        value: bytes,
        *,
        ttl: Optional[Seconds] = None,
        deadline: Optional[Seconds] = None,
        weight: Optional[int] = None,
        tags: Optional[Tags] = None,
    ) -> bytes:
        """Store the value, hand it to all who wait, and return it."""
        value = as_bytes(value)
        options = entry_options(ttl, deadline, weight, tags=tags)
        raw = ffi.new("ct_value *")
        handle = self._take_over()
        if handle is None:
            raise ClosedError("the lease is over")
        status = lib.ct_lease_fulfil(handle, value, len(value), options, raw)
        return self._cache._taken(status, raw, options)

    def keep(
        self,
        *,
        ttl: Optional[Seconds] = None,
        deadline: Optional[Seconds] = None,
        weight: Optional[int] = None,
    ) -> Outcome:
        """Say that the old value is still right: its lifetime begins anew. NOT_STORED means that
        the key was set or deleted meanwhile. Raises InvalidError if there is no old value; then the
        lease is given up.
        """
        options = entry_options(ttl, deadline, weight)
        handle = self._take_over()
        if handle is None:
            raise ClosedError("the lease is over")
        status = lib.ct_lease_keep(handle, options)
        if status == Status.ERR_INVALID and self.old is None:
            raise InvalidError(status, "there is no old value that the lease could keep")
        return Outcome(self._cache._end_call(status, options))

    def fail(self, exception: Optional[BaseException] = None) -> None:
        """Say that the load failed, or, without an exception, that there is no such value. All who
        wait fail with LoadError or, for an Error, with one of the same kind; or they get None. An
        old value stays after a failure, and leaves if there is no such value. After BusyError or
        what is no Exception, one of those who wait loads.
        """
        status = Status.MISS if exception is None else status_of(exception)
        if status == Status.BUSY:
            self.close()
            return
        handle = self._take_over()
        if handle is not None:
            lib.ct_lease_fail(handle, status)
            self._cache._end_call()

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, kind: Any, exception: Optional[BaseException], traceback: Any) -> None:
        if exception is None:
            self.close()
        else:
            self.fail(exception)


def fulfil(lease: Lease, value: Any) -> Optional[bytes]:
    """End a lease by what a loader has returned, and return the value, or None."""
    options: Dict[str, Any] = {}
    tags = None
    if isinstance(value, Loaded):
        loaded, value = value, value.value
        if loaded.keep_ttl:  # a load has no old lifetime
            raise CallbackError(Status.ERR_CALLBACK)
        tags = loaded.tags
        options["weight"] = loaded.weight
        if loaded.discard:
            options["ttl"] = 0
        else:
            options.update(ttl=loaded.ttl, deadline=loaded.deadline)
    if value is None:
        lease.fail()
        return None
    if value is not NOT_MODIFIED:
        return lease.fulfil(value, **options, tags=tags)
    if lease.old is None:
        raise CallbackError(Status.ERR_CALLBACK)
    lease.keep(**options)
    return lease.old


Answer = Tuple[int, Any, Optional[Lease]]

_awaited: Dict["Waiting", Any] = {}  # handles of those whose answer comes later


class Waiting(Dependent):
    """A look-up that no thread waits for. Its answer is a status, a value or ABSENT, or the exception
    of a load that failed, and a Lease or None. It is a context, at whose end it is cancelled.
    """

    answer: "Union[asyncio.Future[Answer], concurrent.futures.Future[Answer]]"

    def __init__(self, cache: "CacheBase[Any, Any]", data: bytes) -> None:
        handle = cache._open()
        self._cache = cache
        self._prepare()
        raw, lease, wait = ffi.new("ct_value *"), ffi.new("ct_lease **"), ffi.new("ct_wait **")
        done = _awaited[self] = ffi.new_handle(self._done)
        status = lib.ct_get_or_lease_async(
            handle, data, len(data), ffi.NULL, lib.on_done, done, raw, lease, wait
        )
        if status == Status.PENDING:
            self._depend_on(cache._ends, wait[0], self._cancel)
            return
        del _awaited[self]
        value = take(cache._values, raw)
        held = None if lease[0] == ffi.NULL else Lease(cache, lease[0], value)
        self.answer.set_result((status, value, held))

    def _prepare(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.answer = self._loop.create_future()

    def _done(self, status: int, raw: Any, lease: Any) -> None:
        """Bring the answer, on whichever thread. A loop that is closed leaves the lease to the
        garbage collector, which gives it up.
        """
        del _awaited[self]
        if raw == ffi.NULL:
            value = self._cache._failures.get(status, ABSENT)
        else:
            value = self._cache._values.value(raw.data, raw.size)
        held = None if lease == ffi.NULL else Lease(self._cache, lease, value)
        self._tell((status, value, held))

    def _cancel(self, wait: Any) -> None:
        if lib.ct_wait_cancel(wait):
            del _awaited[self]
            if not self.answer.done():  # the cache is being closed
                self._tell((Status.ERR_INVALID, ABSENT, None))

    def _tell(self, answer: Answer) -> None:
        try:
            self._loop.call_soon_threadsafe(self._arrive, answer)
        except RuntimeError:  # the loop is closed
            self.close()

    def _arrive(self, answer: Answer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)
        elif answer[2] is not None:
            answer[2].close()

    def __enter__(self) -> "Waiting":
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.close()
        if kind is not None and self.answer.done() and not self.answer.cancelled():
            lease = self.answer.result()[2]  # the task was cancelled when its turn had come
            if lease is not None:
                lease.close()


class ThreadWaiting(Waiting):
    """The same, for a thread: it may wait for the answer, and can be interrupted."""

    def _prepare(self) -> None:
        self.answer = concurrent.futures.Future()

    def _tell(self, answer: Answer) -> None:
        self.answer.set_result(answer)
