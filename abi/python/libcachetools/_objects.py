# SPDX-License-Identifier: MIT
"""Caches of objects."""

from typing import Any, Callable, Dict, Generic, Optional, Tuple, TypeVar

from . import _hot
from ._base import CacheBase, entry_options
from ._callbacks import NOT_MODIFIED, Callbacks, Event, Loaded, status_of
from ._choices import Policy, WeightKind
from ._errors import CallbackError, Outcome, RecursiveLoadError, Status
from ._ffi import ffi, lib
from ._numbers import Seconds
from ._turns import Turns
from ._values import ABSENT, Objects, Tokens, take

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
        timer: Optional[Callable[[], float]] = None,
        ttu: Optional[Callable[[K, V, float], float]] = None,
        weigher: Optional[Callable[[K, V], int]] = None,
        choice: Optional[Callable[[int], int]] = None,
        listener: Optional[Callable[[Event], object]] = None,
        custom: Optional[Callable[[Optional[int]], Any]] = None,
    ) -> None:
        self._turns = Turns()
        self._counts = stats
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
        many threads ask, one of them loads, and the others wait for its value. A value that is not
        kept goes to its own caller alone, and those who wait load again.

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
        raw, lease = ffi.new("ct_value *"), ffi.new("ct_lease **")
        while True:
            status = lib.ct_get_or_lease(self._open(), data, len(data), 0, raw, lease)
            if lease[0] != ffi.NULL:
                old = take(self._values, raw)
                try:
                    with self._turns.take(data) as turn:
                        return self._fulfil(lease[0], tokens, key, load, renew, old, turn), False
                except Exception as exception:
                    concerns_all = turn.failure is exception
                    del turn  # which the exception would keep in a circle
                    if old is ABSENT or not concerns_all:
                        raise
                    left, is_stale = self._left(data, key)
                    if left is ABSENT:
                        raise
                    return left, is_stale
            if status != Status.BUSY:
                return self._taken(status, raw), status == Status.STALE
            if not self._turns.wait(data):
                raise RecursiveLoadError(Status.ERR_RECURSION)

    def _left(self, data: bytes, key: Any) -> Tuple[Any, bool]:
        """Return the value that a failed renewal has left, and whether it is past its deadline; or
        ABSENT if it was invalidated meanwhile.
        """
        raw, lease = ffi.new("ct_value *"), ffi.new("ct_lease **")
        status = lib.ct_get_or_lease(self._open(), data, len(data), 0, raw, lease)
        lib.ct_lease_abandon(lease[0])  # if it is time to try again, already
        is_stale = status == Status.STALE
        if status == Status.RENEW:
            is_stale = not lib.ct_contains(self._open(), data, len(data))
        return self._taken(status, raw), is_stale

    def _fulfil(
        self,
        lease: Any,
        tokens: Tokens,
        key: Any,
        load: Callable[[Any], Any],
        renew: Optional[Callable[[Any, Any], Any]],
        old: Any,
        turn: Any,
    ) -> Any:
        try:
            value = load(key) if renew is None or old is ABSENT else renew(key, old)
            options = ffi.NULL
            if isinstance(value, Loaded):
                loaded, value = value, value.value
                ttl = 0 if loaded.discard else loaded.ttl
                deadline = None if loaded.discard else loaded.deadline
                options = entry_options(ttl, deadline, loaded.weight)
            if value is NOT_MODIFIED and old is ABSENT:
                raise CallbackError(Status.ERR_CALLBACK)
            if value is not NOT_MODIFIED:
                parcel = _hot.parcel_new(key, value, tokens)
        except BaseException as exception:
            status = status_of(exception)
            if status in (Status.BUSY, Status.ERR_RECURSION):
                lib.ct_lease_abandon(lease)
            else:
                turn.failure = exception
                del turn
                lib.ct_lease_fail(lease, status)
            raise
        if value is NOT_MODIFIED:
            self._end_call(lib.ct_lease_keep(lease, options))
            return old
        status = lib.ct_lease_fulfil(lease, parcel, len(parcel), options, ffi.NULL)
        if status != Status.OK:
            _hot.parcel_free(parcel)
        self._end_call(status)
        return value

    def stats(self) -> Dict[str, float]:
        """Return the counters, and the seconds that loads took."""
        stats, failures = super().stats(), self._turns.shared_failures
        if self._counts:
            stats["misses"] += failures
            stats["shared_failures"] += failures
        return stats

    def reset_stats(self) -> None:
        """Count from zero again."""
        super().reset_stats()
        self._turns.shared_failures = 0

    def compute(self, key: K, change: Callable[[Any], Any], default: Any = None) -> Any:
        """Read, change and write one entry, as if at once. change(old) returns what to store, a
        value or Loaded; or REMOVE; or LEAVE. old is the default if there is no entry. Returns the
        value that is there afterwards, or the default.

        Computes of one key take turns. If another call has written the key meanwhile, change runs
        again, at most 16 times; then nothing is changed, and BusyError is raised. Computing a key
        within its own change raises RecursiveLoadError.
        """
        return self._compute(key, change, default)
