# SPDX-License-Identifier: MIT
"""Memoized functions."""

import functools
import inspect
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Generic,
    List,
    NamedTuple,
    Optional,
    Protocol,
    Tuple,
    TypeVar,
    Union,
    overload,
)

from . import _hot
from ._base import CacheBase
from ._choices import Policy
from ._errors import Status
from ._ffi import lib
from ._keys import CallKey, Owners
from ._numbers import Seconds, limit
from ._objects import Cache
from ._values import ABSENT

R = TypeVar("R")


class CacheInfo(NamedTuple):
    """What a memoized function has seen."""

    hits: int  # calls that did not run the function, those that waited for a result included
    misses: int  # runs of the function, failed ones included
    maxsize: Optional[int]  # of the cache
    currsize: int  # of the cache, results of other functions included


class Memo(_hot.Memo, Generic[R]):
    """A function that remembers its results: see memoize."""

    __wrapped__: Callable[..., R]

    if TYPE_CHECKING:  # the base class has it

        def __call__(self, *args: Any, **kwargs: Any) -> R: ...

    def __init__(
        self,
        function: Callable[..., R],
        cache: "CacheBase[Any, Any]",
        typed: bool = False,
        key: Optional[Callable[..., Any]] = None,
        prefix: bytes = b"",
    ) -> None:
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("memoize takes functions that return their result, none that await it")
        cache._open()
        functools.update_wrapper(self, function)
        self._cache = cache
        self._remember(cache, prefix, key, typed, cache._renews_ahead)
        self._has_key = key is not None

    def __set_name__(self, owner: type, name: str) -> None:
        if not self._has_key and isinstance(self._cache, Cache):
            self._owners = Owners()
            self._set_owners(self._owners)

    def _own(self, owner: Any) -> Optional[int]:
        return self._owners.number_of(owner)

    def _compute(
        self,
        parts: Tuple[bytes, Optional[List[Any]]],
        args: Tuple[Any, ...],
        kwargs: Optional[Dict[str, Any]],
    ) -> Any:
        """Return the result of a call that was not found."""
        data, tokens = parts
        ran = False

        def run(_: Any) -> Any:
            nonlocal ran
            ran = True
            self._count(False)
            return self.__wrapped__(*args, **(kwargs or {}))

        value = self._cache._load(data, tokens, CallKey(data, tokens), run)
        if not ran:
            self._count(True)
        return value

    @property
    def cache(self) -> "CacheBase[Any, Any]":
        """The cache that keeps the results, by cache_key."""
        return self._cache

    def cache_key(self, *args: Any, **kwargs: Any) -> bytes:
        """Return the key that the result of a call is stored under."""
        return CallKey(*self._key(*args, **kwargs))

    def cache_discard(self, *args: Any, **kwargs: Any) -> bool:
        """Forget the result of one call, also of one that runs. Returns whether it was kept."""
        data, _ = self._key(*args, **kwargs)
        status = lib.ct_delete(self._cache._open(), data, len(data))
        return self._cache._end_call(status) == Status.OK

    def cache_info(self) -> CacheInfo:
        """Return hits, misses, and how full the cache is."""
        cache = self._cache
        return CacheInfo(self._hits, self._misses, cache.maxsize, cache.currsize)

    def cache_clear(self) -> None:
        """Empty the cache, results of other functions included, and count from zero again."""
        self._cache.clear()
        self.cache_reset_info()

    def cache_reset_info(self) -> None:
        """Count from zero again. Results stay."""
        self._hits = self._misses = 0

    def __reduce__(self) -> str:
        return self.__wrapped__.__qualname__  # pickled by its name, as a function is

    def __copy__(self) -> "Memo[R]":
        return self

    def __deepcopy__(self, _: Any) -> "Memo[R]":
        return self

    def __repr__(self) -> str:
        return f"<Memo of {getattr(self, '__wrapped__', None)!r}>"


_USUAL: Dict[str, Any] = {"maxsize": 128, "policy": Policy.LRU, "keep_nothing": False}


class Decorator(Protocol):
    """Memoizes a function."""

    def __call__(self, function: Callable[..., R]) -> Memo[R]: ...


@overload
def memoize(
    function: Callable[..., R],
    /,
    *,
    cache: "Optional[CacheBase[Any, Any]]" = None,
    maxsize: Optional[int] = 128,
    policy: Policy = Policy.LRU,
    ttl: Optional[Seconds] = None,
    tti: Optional[Seconds] = None,
    refresh_ahead: Optional[Seconds] = None,
    stale: Optional[Seconds] = None,
    retry: Optional[Seconds] = None,
    negative_ttl: Optional[Seconds] = None,
    jitter: Optional[Seconds] = None,
    keep_nothing: bool = False,
    typed: bool = False,
    key: Optional[Callable[..., Any]] = None,
    prefix: bytes = b"",
) -> Memo[R]: ...


@overload
def memoize(
    first: "Union[int, CacheBase[Any, Any], None]" = ...,
    /,
    *,
    cache: "Optional[CacheBase[Any, Any]]" = None,
    maxsize: Optional[int] = 128,
    policy: Policy = Policy.LRU,
    ttl: Optional[Seconds] = None,
    tti: Optional[Seconds] = None,
    refresh_ahead: Optional[Seconds] = None,
    stale: Optional[Seconds] = None,
    retry: Optional[Seconds] = None,
    negative_ttl: Optional[Seconds] = None,
    jitter: Optional[Seconds] = None,
    keep_nothing: bool = False,
    typed: bool = False,
    key: Optional[Callable[..., Any]] = None,
    prefix: bytes = b"",
) -> "Decorator": ...


def memoize(
    first: "Union[Callable[..., Any], int, CacheBase[Any, Any], None]" = ABSENT,
    /,
    *,
    cache: "Optional[CacheBase[Any, Any]]" = None,
    maxsize: Optional[int] = 128,
    policy: Policy = Policy.LRU,
    ttl: Optional[Seconds] = None,
    tti: Optional[Seconds] = None,
    refresh_ahead: Optional[Seconds] = None,
    stale: Optional[Seconds] = None,
    retry: Optional[Seconds] = None,
    negative_ttl: Optional[Seconds] = None,
    jitter: Optional[Seconds] = None,
    keep_nothing: bool = False,
    typed: bool = False,
    key: Optional[Callable[..., Any]] = None,
    prefix: bytes = b"",
) -> Any:
    """Decorate a function, so that it remembers its results. However many threads ask for one
    result, one computes it. Exceptions are not remembered. Without options, no parentheses are
    needed.

    Results are kept in a cache of the function's own: maxsize of them, for ttl seconds (or a
    timedelta) from the computation on, or tti from the last use on. A maxsize of None is no limit;
    0, which keeps nothing, is refused without keep_nothing. refresh_ahead, stale, retry,
    negative_ttl and jitter are those of Cache: results are renewed, and stale ones serve. Or they
    are kept in a cache that is given, with options of its own. maxsize or cache may be the first
    argument. A Cache remembers any result, and for negative_ttl that it was ABSENT. A BytesCache
    remembers bytes, not None, and takes arguments that keys can be stored of; see key().

    Arguments are a key as in Cache, so they must be hashable. Named ones count in any order, and
    f(1) and f(x=1) are two calls. If typed, 1, 1.0 and True differ. Or key(*args, **kwargs) returns
    the key. prefix keeps functions that share a cache apart, and apart from keys of your own.

    The function may return Loaded, which gives one result a lifetime, a weight or tags.

    Of a method, each object has its own results in the one cache. The object is known by its
    identity, and is neither kept alive nor asked for its hash. When it is gone, its results age out
    as others do. Objects without weak references, and those of a class that gets the function after
    it was made, count as arguments.
    """
    function: Optional[Callable[..., Any]] = None
    if callable(first):
        function = first
    elif isinstance(first, CacheBase):
        if cache is not None:
            raise TypeError("memoize takes one cache")
        cache = first
    elif first is not ABSENT:
        if maxsize != 128:
            raise TypeError("memoize takes one maxsize")
        maxsize = first
    if cache is not None and not isinstance(cache, CacheBase):
        raise TypeError(f"no cache: {type(cache).__name__}")
    options: Dict[str, Any] = {
        "maxsize": maxsize,
        "policy": policy,
        "ttl": ttl,
        "tti": tti,
        "refresh_ahead": refresh_ahead,
        "stale": stale,
        "retry": retry,
        "negative_ttl": negative_ttl,
        "jitter": jitter,
        "keep_nothing": keep_nothing,
    }
    if cache is not None and any(it != _USUAL.get(name) for name, it in options.items()):
        raise TypeError("a cache that is given has options of its own")
    limit(maxsize)  # refuses what is none here, rather than where a function is decorated

    def decorate(function: Callable[..., R]) -> Memo[R]:
        return Memo(function, Cache(**options) if cache is None else cache, typed, key, prefix)

    return decorate if function is None else decorate(function)
