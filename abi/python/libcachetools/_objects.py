# SPDX-License-Identifier: MIT
"""Caches of objects."""

from typing import Any, Callable, Generic, Optional, TypeVar

from . import _hot
from ._base import CacheBase, entry_options
from ._callbacks import Callbacks, Event, Loaded
from ._choices import Policy, WeightKind
from ._errors import Outcome, RecursiveLoadError, Status
from ._ffi import ffi, lib
from ._numbers import Seconds
from ._turns import Turns
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

    policy and maxsize say which entries stay; a maxsize of None is no limit, and 0 keeps nothing.
    shards, a power of two, lets many threads write at once. ttl is the time to live from a write
    on, tti the time to idle from a use on: seconds, or a timedelta.

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
        policy: Policy = Policy.LRU,
        maxsize: Optional[int] = 128,
        *,
        shards: int = 0,
        ttl: Optional[Seconds] = None,
        tti: Optional[Seconds] = None,
        seed: int = 0,
        stats: bool = True,
        precise_clock: bool = False,
        timer: Optional[Callable[[], float]] = None,
        ttu: Optional[Callable[[K, V, float], float]] = None,
        weigher: Optional[Callable[[K, V], int]] = None,
        choice: Optional[Callable[[int], int]] = None,
        listener: Optional[Callable[[Event], object]] = None,
        custom: Optional[Callable[[Optional[int]], Any]] = None,
    ) -> None:
        self._turns = Turns()
        callbacks = Callbacks(Objects, timer, ttu, weigher, choice, listener, None, custom)
        self._make(
            callbacks,
            policy,
            maxsize,
            WeightKind.COUNT,
            shards,
            ttl,
            tti,
            seed,
            stats,
            precise_clock,
        )

    def setdefault(self, key: K, default: Any = None) -> Any:
        """Return the value of a key. Stores the default first if the key is absent."""
        while True:
            value = self.get(key, ABSENT)
            if value is not ABSENT:
                return value
            if self.set(key, default, if_absent=True) != Outcome.EXISTS:
                return default

    def get_or_load(self, key: K, load: Callable[[K], Any]) -> V:
        """Look a key up. If it is absent, store what load(key) returns: a value, or Loaded. However
        many threads ask, one of them loads, and the others wait for its value. A value that is not
        kept goes to its own caller alone, and those who wait load again.
        """
        data, tokens = self._key(key)
        return self._load(data, tokens, key, load)

    def _load(self, data: bytes, tokens: Tokens, key: Any, load: Callable[[Any], Any]) -> Any:
        raw, lease = ffi.new("ct_value *"), ffi.new("ct_lease **")
        while True:
            status = lib.ct_get_or_lease(self._open(), data, len(data), 0, raw, lease)
            if status == Status.LEASED:
                with self._turns.take(data):
                    return self._fulfil(lease[0], tokens, key, load)
            if status != Status.BUSY:
                return self._taken(status, raw)
            if not self._turns.wait(data):
                raise RecursiveLoadError(Status.ERR_RECURSION)

    def _fulfil(self, lease: Any, tokens: Tokens, key: Any, load: Callable[[Any], Any]) -> Any:
        try:
            value, options = load(key), ffi.NULL
            if isinstance(value, Loaded):
                loaded, value = value, value.value
                ttl = 0 if loaded.discard else loaded.ttl
                deadline = None if loaded.discard else loaded.deadline
                options = entry_options(ttl, deadline, loaded.weight)
            parcel = _hot.parcel_new(key, value, tokens)
        except BaseException:
            lib.ct_lease_abandon(lease)
            raise
        status = lib.ct_lease_fulfil(lease, parcel, len(parcel), options, ffi.NULL)
        if status != Status.OK:
            _hot.parcel_free(parcel)
        self._end_call(status)
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
