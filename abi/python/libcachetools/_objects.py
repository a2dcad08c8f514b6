# SPDX-License-Identifier: MIT
"""Caches of objects."""

import asyncio
import contextlib
import itertools
import threading
import time
from types import TracebackType
from typing import (
    Any,
    Awaitable,
    Callable,
    Dict,
    Generic,
    Iterable,
    List,
    Optional,
    Tuple,
    Type,
    TypeVar,
)

from . import _hot
from ._base import CacheBase, Pairs, answer, entry_options, pairs_of
from ._callbacks import NOT_MODIFIED, Callbacks, Event, Loaded, status_of
from ._choices import Policy, WeightKind
from ._errors import FAILED, CallbackError, Outcome, Status, check
from ._ffi import ffi, lib
from ._leases import Answer, ThreadWaiting, Waiting
from ._numbers import Seconds
from ._turns import Turn, Turns, this_task
from ._values import ABSENT, Objects, Tokens

K = TypeVar("K")
V = TypeVar("V")


class Cache(CacheBase[K, V], Generic[K, V]):
    """A cache of objects by hashable objects, bounded by a policy: a mutable mapping. All methods
    but close are safe on any thread.

    Keys are equal as those of a dict are: 1, 1.0 and True are one key. Only numbers of types such
    as Decimal and Fraction never equal an int or a float here, and all NaNs are one key. The cache
    holds references to key and value until their entry has left. The garbage collector does not
    look into it: if a value refers to the cache, both live until the entry leaves or the cache is
    cleared or closed.

    maxsize and policy say which entries stay. A maxsize of None is no limit; 0, which keeps
    nothing, is refused without keep_nothing. shards, a power of two, lets many threads write at
    once. ttl is the time to live from a write on, tti the time to idle from a use on: seconds, or a
    timedelta.

    Of the loading calls that find a value with less than refresh_ahead left until the end of its
    ttl, one renews it, and the others get the old one meanwhile. For stale longer than its ttl,
    they get the old one if a newer one cannot be loaded yet. retry is how long nobody tries again
    after a failure, by default a tenth of ttl. For negative_ttl it is remembered that a loader has
    found no value. jitter takes up to so much off the ttl, at random, so that what was stored at
    once does not expire at once.

    Callbacks: timer() returns the time in seconds, by default time.monotonic(). ttu(key, value,
    now) returns until when an entry may be used. weigher(key, value) returns its weight; without
    it, each entry weighs 1. choice(count) chooses the victim of RR, as an index. listener(event) is
    told of each entry that leaves. custom(maxsize) makes a CustomPolicy for each shard.

    timer, choice and custom run inside the critical section, and must not use any cache. What a
    callback raises continues in the call that ran it.
    """

    _values = Objects

    def __init__(
        self,
        maxsize: Optional[int] = 128,
        *,
        policy: Policy = Policy.LRU,
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
        ttu: Optional[Callable[[K, V, float], float]] = None,
        weigher: Optional[Callable[[K, V], int]] = None,
        choice: Optional[Callable[[int], int]] = None,
        listener: Optional[Callable[[Event], object]] = None,
        custom: Optional[Callable[[Optional[int]], Any]] = None,
    ) -> None:
        self._turns = Turns()
        self._failures = {}
        callbacks = Callbacks(Objects, timer, ttu, weigher, choice, listener, None, custom)
        self._make(
            callbacks,
            policy,
            maxsize,
            WeightKind.COUNT,
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

    def setdefault(self, key: K, default: Any = None) -> Any:
        """Return the value of a key. Stores the default first if the key is absent."""
        while True:
            value = self.get(key, ABSENT)
            if value is not ABSENT:
                return value
            if self.set(key, default, if_absent=True) != Outcome.EXISTS:
                return default

    def get_or_load(
        self,
        key: K,
        load: Callable[[K], Any],
        *,
        renew: Optional[Callable[[K, V], Any]] = None,
    ) -> V:
        """Look a key up. If it is absent, store what load(key) returns: a value, or Loaded. However
        many threads ask, one of them loads, and the others wait for its value. If the key is set
        meanwhile, they get that value at once, and what the loader brings goes to its own caller
        alone. If the key is deleted meanwhile, it goes to those who wait already. It is not kept.

        load returns ABSENT if there is no such value. All who wait get ABSENT then, and with
        negative_ttl so do those who come later.

        If a load raises, all who wait raise the same exception; but after BusyError, which says
        that only its own call was cancelled, RecursiveLoadError or what is no Exception, one of
        them loads.

        A value to be renewed is loaded by renew(key, old), if that is given. It may return
        NOT_MODIFIED, or Loaded(NOT_MODIFIED), if the old value is still right. If a renewal raises,
        the old value serves.
        """
        return self.get_stale_or_load(key, load, renew=renew)[0]

    def get_stale_or_load(
        self,
        key: K,
        load: Callable[[K], Any],
        *,
        renew: Optional[Callable[[K, V], Any]] = None,
    ) -> Tuple[V, bool]:
        """Do what get_or_load does. Return the value, and whether it is past its deadline: a newer
        one could not be loaded yet.
        """
        data, tokens = self._key(key)
        return self._load_with(data, tokens, key, load, renew)

    async def aget_or_load(
        self,
        key: K,
        load: Callable[[K], Awaitable[Any]],
        *,
        renew: Optional[Callable[[K, V], Awaitable[Any]]] = None,
    ) -> V:
        """Do what get_or_load does, in a task of asyncio: load is a coroutine function. However
        many tasks wait for a load, of a task or of a thread, they keep no thread. If the task that
        loads is cancelled, one of those who wait loads.
        """
        data, tokens = self._key(key)
        turn = None
        status, value, lease = self._look_up(data)
        if status == Status.BUSY:
            status, value, lease, turn = await self._wait_async(data)
        if lease is None:
            return value
        attempt = _Attempt(self, data, lease, this_task(), turn)
        try:
            with attempt:
                loading = load(key) if renew is None or value is ABSENT else renew(key, value)
                return self._fulfil(attempt, tokens, key, await loading, value)
        except Exception:
            left, _ = self._instead(data, value, attempt)
            if left is ABSENT:
                raise
            return left

    def get_or_load_many(
        self,
        keys: Iterable[K],
        load: Callable[[List[K]], Pairs[K, Any]],
        *,
        return_exceptions: bool = False,
    ) -> Dict[K, V]:
        """Do what get_or_load does for many keys: load is called once, with a list of the keys that
        are absent and that nobody else is loading, and returns a mapping or an iterable of pairs.
        Then the call waits for the loads of others. Only if one of these is given up, load is
        called again, with that key alone.

        Returns a dict of the values. A key that load did not return, or for which it returned
        ABSENT, is not in it. If the value of a key is an Exception, that key alone fails. The first
        failure is raised when all is done, or, with return_exceptions, each is the value of its
        key. To store an exception, return Loaded(exception).
        """
        wanted: Dict[bytes, Tuple[Tokens, K]] = {}
        for key in keys:
            data, tokens = self._key(key)
            wanted.setdefault(data, (tokens, key))
        values: Dict[bytes, Any] = dict.fromkeys(wanted, ABSENT)
        failures: Dict[bytes, BaseException] = {}
        waits, old = [], {}
        with contextlib.ExitStack() as stack:
            attempts = {}
            for data in wanted:
                status, value, lease = self._look_up(data)
                if lease is not None:
                    attempts[data] = stack.enter_context(_Attempt(self, data, lease))
                    old[data] = value
                elif status == Status.BUSY:
                    waits.append(data)
                else:
                    values[data] = value
            brought = self._bring(load, [wanted[data][1] for data in attempts])
            for data, attempt in attempts.items():
                value = brought.get(data, ABSENT)
                tokens, key = wanted[data]
                try:
                    if isinstance(value, Exception):
                        raise value
                    values[data] = self._fulfil(attempt, tokens, key, value, old[data])
                except Exception as exception:
                    attempt.fail(exception)
                    failures[data] = exception
                    values[data] = self._instead(data, old[data], attempt)[0]
                    value = None  # the exception would keep itself in a circle
        del brought, attempts

        def load_alone(key: K) -> Any:
            (value,) = self._bring(load, [key]).values() or (ABSENT,)
            if isinstance(value, Exception):
                try:
                    raise value
                finally:
                    del value
            return value

        for data in waits:
            tokens, key = wanted[data]
            try:
                values[data] = self._load_with(data, tokens, key, load_alone, None)[0]
            except Exception as exception:
                failures[data] = exception
        keyed = {wanted[data][1]: value for data, value in values.items()}
        failed = {wanted[data][1]: failure for data, failure in failures.items()}
        del failures
        try:
            return answer(keyed, failed, return_exceptions)
        finally:
            del failed

    def _bring(self, load: Callable[[List[Any]], Any], keys: List[Any]) -> Dict[bytes, Any]:
        """Return what a loader brings for keys, by their bytes: for each an Exception, if it
        raises.
        """
        asked = {self._key(key)[0] for key in keys}
        if not asked:
            return {}
        try:
            brought = {self._key(key)[0]: value for key, value in pairs_of(load(keys))}
        except Exception as exception:
            return dict.fromkeys(asked, exception)
        return {data: value for data, value in brought.items() if data in asked}

    def _load(self, data: bytes, tokens: Tokens, key: Any, load: Callable[[Any], Any]) -> Any:
        return self._load_with(data, tokens, key, load, None)[0]

    def _load_with(
        self,
        data: bytes,
        tokens: Tokens,
        key: Any,
        load: Callable[[Any], Any],
        renew: Optional[Callable[[Any, Any], Any]],
    ) -> Tuple[Any, bool]:
        turn = None
        status, value, lease = self._look_up(data)
        if status == Status.BUSY:
            status, value, lease, turn = self._wait(data)
        if lease is None:
            return value, status == Status.STALE
        attempt = _Attempt(self, data, lease, after=turn)
        try:
            with attempt:
                loaded = load(key) if renew is None or value is ABSENT else renew(key, value)
                return self._fulfil(attempt, tokens, key, loaded, value), False
        except Exception:
            left = self._instead(data, value, attempt)
            if left[0] is ABSENT:
                raise
            return left

    def _wait(self, data: bytes) -> Tuple[int, Any, Any, Optional[Turn]]:
        """Wait for the load of another caller. Return what _look_up does, and the turn that was
        waited for; or raise its failure.
        """
        this, turn = threading.get_ident(), None
        with ThreadWaiting(self, data) as waiting:
            try:
                while turn is None and not waiting.answer.done():
                    turn = self._turns.join(data, this)
                    if turn is None:  # it is about to begin
                        time.sleep(0)
                answer = waiting.answer.result()
            finally:
                self._turns.leave(this)
                del waiting  # which an exception would keep in a circle
        try:
            return (*self._found(answer), turn)
        finally:
            del answer

    async def _wait_async(self, data: bytes) -> Tuple[int, Any, Any, Optional[Turn]]:
        """Do the same in a task, without the thread."""
        this, turn = this_task(), None
        with Waiting(self, data) as waiting:
            try:
                while turn is None and not waiting.answer.done():
                    turn = self._turns.join(data, this)
                    if turn is None:
                        await asyncio.sleep(0)
                answer = await waiting.answer
            finally:
                self._turns.leave(this)
                del waiting
        try:
            return (*self._found(answer), turn)
        finally:
            del answer

    def _found(self, answer: Answer) -> Tuple[int, Any, Any]:
        """Return what a wait has found, or raise the failure of the load."""
        status, value, lease = answer
        del answer
        if lease is not None:
            return status, value, lease._take_over()
        self._open()  # unless it was closed meanwhile
        try:
            if status < 0 and value is not ABSENT:
                raise value
            return check(status), value, None
        finally:
            del value

    def _instead(self, data: bytes, old: Any, attempt: "_Attempt") -> Tuple[Any, bool]:
        """Return the old value that serves after a failure, and whether it is past its deadline; or
        ABSENT.
        """
        if old is ABSENT or not attempt.concerns_all:
            return ABSENT, False
        return self._left(data)

    def _fulfil(self, attempt: "_Attempt", tokens: Tokens, key: Any, value: Any, old: Any) -> Any:
        """Store what a loader has returned, and return the value."""
        options = ffi.NULL
        if isinstance(value, Loaded):
            loaded, value = value, value.value
            if loaded.keep_ttl:  # a load has no old lifetime
                raise CallbackError(Status.ERR_CALLBACK)
            ttl = 0 if loaded.discard else loaded.ttl
            deadline = None if loaded.discard else loaded.deadline
            options = entry_options(ttl, deadline, loaded.weight, tags=loaded.tags)
        if value is ABSENT:
            return value
        if value is NOT_MODIFIED:
            if old is ABSENT:
                raise CallbackError(Status.ERR_CALLBACK)
            self._end_call(lib.ct_lease_keep(attempt.take_over(), options), options)
            return old
        parcel = _hot.parcel_new(key, value, tokens)
        status = lib.ct_lease_fulfil(attempt.take_over(), parcel, len(parcel), options, ffi.NULL)
        if status < 0:  # else it is the library's
            _hot.parcel_free(parcel)
        self._end_call(status, options)
        return value

    def compute(self, key: K, change: Callable[[Any], Any], default: Any = None) -> Any:
        """Read, change and write one entry, as if at once. change(old) returns what to store, a
        value or Loaded; or REMOVE; or LEAVE. old is the default if there is no entry. Returns the
        value that is there afterwards, or the default.

        Computes of one key take turns. If another call has written the key meanwhile, change runs
        again, at most 16 times; then nothing is changed, and BusyError is raised. Computing a key
        within its own change raises RecursiveLoadError.
        """
        return self._compute(key, change, default)


_numbers = itertools.count()  # of failures


class _Attempt:
    """A load by this caller: the context has its lease and its turn. What is not fulfilled or
    failed at its end has found no value, or fails with the exception.
    """

    concerns_all = False  # whether it has failed, not only for its own caller

    def __init__(
        self,
        cache: Cache[Any, Any],
        data: bytes,
        lease: Any,
        caller: Optional[int] = None,
        after: Optional[Turn] = None,
    ) -> None:
        self._cache = cache
        self._lease = lease
        self._turn_of = cache._turns.take(data, caller, after)

    def take_over(self) -> Any:
        """Return the lease, which the caller ends now."""
        lease, self._lease = self._lease, None
        return lease

    def fail(self, exception: Optional[BaseException]) -> None:
        """End the lease, if that is not over, by an exception, or without a value."""
        lease = self.take_over()
        if lease is None:
            return
        if exception is None:
            lib.ct_lease_fail(lease, Status.MISS)
        elif status_of(exception) in (Status.BUSY, Status.ERR_RECURSION):
            lib.ct_lease_abandon(lease)
        else:
            self.concerns_all = True
            self._tell(lease, exception)

    def _tell(self, lease: Any, exception: BaseException) -> None:
        """Fail a lease by a status of its own, from which those who wait get the exception, while
        this call runs.
        """
        failures, status = self._cache._failures, FAILED - 1 - next(_numbers) % 2**30
        failures[status] = exception
        try:
            lib.ct_lease_fail(lease, status)
        finally:
            del failures[status], exception

    def __enter__(self) -> "_Attempt":
        self._turn_of.__enter__()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        exception: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.fail(exception)
        self._turn_of.__exit__(kind, exception, traceback)
        del self._turn_of  # which the exception would keep in a circle
        if exception is None:
            self._cache._end_call()  # the listener was told of an old value
