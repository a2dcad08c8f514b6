# SPDX-License-Identifier: MIT
"""What caches of bytes and caches of objects have in common."""

import collections.abc
import weakref
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    MutableMapping,
    Optional,
    Tuple,
    TypeVar,
    Union,
)

from . import _hot
from ._callbacks import (
    LEAVE,
    NOT_MODIFIED,
    REMOVE,
    Callbacks,
    Event,
    Loaded,
    Tags,
    describe,
    hand_back,
    tag_of,
)
from ._choices import Order, Policy, WeightKind, chosen
from ._errors import (
    BusyError,
    ClosedError,
    InvalidError,
    Outcome,
    Status,
    check,
)
from ._ffi import ffi, lib
from ._handles import Closing, Dependent, Ends, here, reraise
from ._keys import CallKey, token_of
from ._numbers import Seconds, lifetime, limit, remaining, seconds_of, unsigned
from ._values import ABSENT, Tokens, take
from ._words import problem

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

_hot.connect(check, reraise, token_of, ClosedError, CallKey)


Freshness = Dict[str, Optional[Seconds]]
"""refresh_ahead, stale, retry, negative_ttl and jitter."""


_kept: "weakref.WeakKeyDictionary[Any, Any]" = weakref.WeakKeyDictionary()
"""What options point to."""


def entry_options(
    ttl: Optional[Seconds] = None,
    deadline: Optional[Seconds] = None,
    weight: Optional[int] = None,
    if_absent: bool = False,
    if_present: bool = False,
    if_same: "Optional[Version]" = None,
    keep_ttl: bool = False,
    tags: Optional[Tags] = None,
    cost: Optional[int] = None,
) -> Any:
    """Return a ct_entry_options."""
    options = ffi.new("ct_entry_options *")
    lib.ct_entry_options_init(options, ffi.sizeof(options[0]))
    if ttl is not None:
        options.flags |= lib.CT_ENTRY_TTL
        options.ttl = remaining(ttl)
    if deadline is not None:
        options.flags |= lib.CT_ENTRY_DEADLINE
        options.deadline = remaining(deadline)
    if weight is not None:
        options.flags |= lib.CT_ENTRY_WEIGHT
        options.weight = unsigned(weight, name="weight")
    if cost is not None:
        options.flags |= lib.CT_ENTRY_COST
        options.cost = unsigned(cost, name="cost")
    if if_absent:
        options.flags |= lib.CT_ENTRY_IF_ABSENT
    if if_present:
        options.flags |= lib.CT_ENTRY_IF_PRESENT
    if if_same is not None:
        options.flags |= lib.CT_ENTRY_IF_SAME
        options.same = if_same._held()
    if keep_ttl:
        options.flags |= lib.CT_ENTRY_KEEP_TTL
    if tags is not None:
        options.flags |= lib.CT_ENTRY_TAGS
        names = [ffi.from_buffer(it) for it in map(tag_of, tags)]
        options.tags = raw = ffi.new("ct_bytes[]", [(it, len(it)) for it in names])
        options.tag_count = len(names)
        _kept[options] = raw, names
    return options


Pairs = Union[Mapping[K, V], Iterable[Tuple[K, V]]]
"""What a loader of many keys returns."""


def pairs_of(brought: Any) -> Iterable[Tuple[Any, Any]]:
    """Return the pairs of a mapping, or of an iterable."""
    return brought.items() if isinstance(brought, Mapping) else brought


def answer(
    values: Dict[K, Any], failures: Mapping[K, BaseException], return_exceptions: bool
) -> Dict[K, Any]:
    """Return what was found of many keys, without those that are ABSENT. Raises the first failure,
    unless it is to be returned.
    """
    for key, failure in failures.items():
        if values[key] is not ABSENT:
            continue  # an old value serves
        if not return_exceptions or not isinstance(failure, Exception):
            try:
                raise failure
            finally:
                del failure, failures  # which the exception would keep in a circle
        values[key] = failure
    return {key: value for key, value in values.items() if value is not ABSENT}


def _fields(raw: Any) -> Dict[str, int]:
    """Return the numbers of a struct, without its own size."""
    names = (name for name, field in ffi.typeof(raw[0]).fields if field.type.kind == "primitive")
    return {name: getattr(raw, name) for name in names if name not in ("struct_size", "reserved")}


def _sized(kind: str) -> Any:
    """Return a struct to be filled in, which knows its size."""
    struct = ffi.new(f"{kind} *")
    struct.struct_size = ffi.sizeof(kind)
    return struct


class CacheBase(Closing, _hot.Store[K, V], MutableMapping[K, V]):
    """A cache. All methods but close are safe on any thread."""

    _values: Any  # how keys and values become bytes
    _handle: Any = None
    _ends: Ends
    _callbacks: Callbacks
    _reraises: bool
    _renews_ahead = False  # a hit may have to be loaded
    _user_data: Any

    _failures: Dict[int, BaseException] = {}
    """Of loads that end: exceptions by the statuses that say so."""

    def _load(self, data: bytes, tokens: Tokens, key: Any, load: Callable[[Any], Any]) -> Any:
        """Look up the bytes of a key, or store what load returns for key."""
        raise NotImplementedError

    def _make(
        self,
        callbacks: Callbacks,
        policy: Policy,
        maxsize: Optional[int],
        weight_kind: WeightKind,
        shards: int,
        ttl: Optional[Seconds],
        tti: Optional[Seconds],
        freshness: Freshness,
        seed: int,
        stats: bool,
        precise_clock: bool,
        keep_nothing: bool,
        curve: bool,
    ) -> None:
        self.close()  # if this one is made again
        self._ends = {}
        self._user_data = ffi.new_handle(callbacks)
        options = ffi.new("ct_options *")
        lib.ct_options_init(options, ffi.sizeof("ct_options"))
        options.policy = chosen(policy, Policy, "policy")
        options.weight_kind = chosen(weight_kind, WeightKind, "weight_kind")
        options.maxsize = limit(maxsize)
        options.shards = unsigned(shards, 32, "shards")
        if keep_nothing:
            options.flags |= lib.CT_FLAG_KEEP_NOTHING
        if curve:
            options.flags |= lib.CT_FLAG_CURVE
        if not stats:
            options.flags |= lib.CT_FLAG_NO_STATS
        if precise_clock:
            options.flags |= lib.CT_FLAG_PRECISE_CLOCK
        options.ttl = lifetime(ttl, "ttl")
        options.tti = lifetime(tti, "tti")
        self._renews_ahead = freshness["refresh_ahead"] is not None
        for name, seconds in freshness.items():
            setattr(options, name, lifetime(seconds, name))
        options.seed = unsigned(seed, name="seed")
        options.user_data = self._user_data
        structs = callbacks.put_into(options)
        handle = ffi.new("ct_cache **")
        status = lib.ct_cache_new_with(options, handle)
        if status == Status.OK:
            self._handle = handle[0]  # to be freed, whatever is raised
        reraise()
        if status == Status.ERR_INVALID:
            raise InvalidError(status, problem(lib.ct_options_problem(options)))
        check(status)
        del structs  # options pointed to them
        self._adopt(handle[0], callbacks, self._user_data)

    def _adopt(self, handle: Any, callbacks: Callbacks, user_data: Any) -> None:
        """Begin to be a cache."""
        self._ends = {}  # of walks and leases
        self._callbacks = callbacks
        self._reraises = callbacks.are_any
        self._user_data = user_data
        self._handle = handle
        self._attach(
            int(ffi.cast("uintptr_t", handle)),
            self._values.holds_objects,
            callbacks.run_inside,
            self._reraises,
        )

    def close(
        self,
        free: Callable[[Any], None] = lib.ct_cache_free,
        reraise: Callable[[], None] = reraise,
    ) -> None:
        """Free the cache. No other call may be running. Values that were handed out stay valid.
        Methods of a closed cache raise ClosedError. Closing twice is allowed.
        """
        if self._handle is None:
            return
        while self._ends:
            handle, end = self._ends.popitem()
            end(handle)
        handle, self._handle = self._handle, None
        self._detach()
        kept, here.exception = here.exception, None  # of the call that this runs in
        try:
            free(handle)
            reraise()
        finally:
            if kept is not None:
                here.exception = kept

    def __enter__(self: D) -> D:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        name = type(self).__name__
        if self._handle is None:
            return f"<{name}, closed>"
        return f"<{name} {self.policy.name} of {self.maxsize}>"

    def _open(self) -> Any:
        if self._handle is None:
            raise ClosedError
        return self._handle

    def _end_call(self, status: int = 0, options: Any = None) -> int:
        """Return the status, or raise its exception. options are those of an entry, if any."""
        if self._reraises:
            reraise()
        if status == Status.ERR_INVALID and options is not None:
            raise InvalidError(
                status, problem(lib.ct_entry_options_problem(self._open(), options))
            )
        return check(status)

    def _taken(self, status: int, raw: Any, options: Any = None) -> Any:
        """Return what a call has read out, or ABSENT."""
        value = take(self._values, raw)
        self._end_call(status, options)
        return value

    def _look_up(self, data: bytes) -> Tuple[int, Any, Any]:
        """Look a key up to load it. Return status, value or ABSENT, and lease or None."""
        raw, lease = ffi.new("ct_value *"), ffi.new("ct_lease **")
        status = lib.ct_get_or_lease(self._open(), data, len(data), 0, raw, lease)
        value = take(self._values, raw)
        if lease[0] != ffi.NULL:
            return status, value, lease[0]
        self._end_call(status)
        return status, value, None

    def _left(self, data: bytes) -> Tuple[Any, bool]:
        """Return the value that a failed renewal has left, and whether it is past its deadline; or
        ABSENT if it was invalidated meanwhile.
        """
        status, value, lease = self._look_up(data)
        if lease is not None:  # if it is time to try again, already
            lib.ct_lease_abandon(lease)
        is_stale = status == Status.STALE
        if status == Status.RENEW:
            is_stale = not lib.ct_contains(self._open(), data, len(data))
        return value, is_stale

    # ---- Reading

    def peek(self, key: K, default: Any = None) -> Any:
        """Return a value, or else the default. This is no use, and nothing is counted."""
        handle, raw = self._open(), ffi.new("ct_value *")
        data, _ = self._key(key)
        value = self._taken(lib.ct_peek(handle, data, len(data), raw), raw)
        return default if value is ABSENT else value

    # ---- Writing

    def set(
        self,
        key: K,
        value: V,
        *,
        ttl: Optional[Seconds] = None,
        deadline: Optional[Seconds] = None,
        weight: Optional[int] = None,
        if_absent: bool = False,
        if_present: bool = False,
        if_same: "Optional[Version]" = None,
        keep_ttl: bool = False,
        tags: Optional[Tags] = None,
    ) -> Outcome:
        """Store a value with a lifetime, weight or condition of its own. A ttl of math.inf is none,
        whatever the cache's is, and with one of 0 or less the value is not kept; a deadline is by
        the cache's timer, by default time.monotonic().

        With if_same, store it only if the key still has that version; else the outcome is EXISTS,
        or MISSING. With keep_ttl, it lives as long as the old value would have; ttl and deadline
        count only if there is none. tags, at most 8 texts or bytes, say what the value was made of:
        see invalidate_tag.
        """
        handle = self._open()
        options = entry_options(
            ttl, deadline, weight, if_absent, if_present, if_same, keep_ttl, tags
        )
        data, tokens = self._key(key)
        packed = self._values.pack(key, value, tokens)
        status = lib.ct_set_with(handle, data, len(data), packed, len(packed), options)
        if status != Status.OK:
            self._values.unpack(packed)
        return Outcome(self._end_call(status, options))

    def pop(self, key: K, default: Any = ABSENT) -> Any:
        """Remove an entry, and return its value, or else the default, or else raise KeyError."""
        handle, raw = self._open(), ffi.new("ct_value *")
        data, _ = self._key(key)
        value = self._taken(lib.ct_pop(handle, data, len(data), raw), raw)
        if value is not ABSENT:
            return value
        if default is ABSENT:
            raise KeyError(key)
        return default

    def popitem(self) -> Tuple[K, V]:
        """Remove the policy's next victim, and return its key and value."""
        key, value = ffi.new("ct_value *"), ffi.new("ct_value *")
        status = lib.ct_popitem(self._open(), key, value)
        if status != Status.OK:
            self._end_call(status)
            raise KeyError("the cache is empty")
        try:
            item = self._values.entry(key.data, key.size, value.data, value.size)
        finally:
            lib.ct_value_release(key)
            lib.ct_value_release(value)
        self._end_call()
        return item

    def version(self, key: K) -> "Version":
        """Return the version of a key, for if_same and delete_if. This is a use."""
        handle, raw = self._open(), ffi.new("ct_value *")
        data, _ = self._key(key)
        status = lib.ct_get(handle, data, len(data), raw)
        version = Version(raw, self._values, self._user_data)
        self._end_call(status)
        return version

    def delete_if(self, key: K, same: "Version") -> bool:
        """Remove an entry if the key still has that version. Returns whether it had."""
        handle = self._open()
        data, _ = self._key(key)
        status = lib.ct_delete_if(handle, data, len(data), same._held())
        return self._end_call(status) == Status.OK

    def invalidate_tag(self, tag: Union[str, bytes]) -> None:
        """End all values that carry a tag, at once, without touching them. A value whose load was
        begun before is not kept if it carries the tag.
        """
        data = tag_of(tag)
        self._end_call(lib.ct_invalidate_tag(self._open(), data, len(data), 0))

    def clear(self) -> None:
        """Remove all entries."""
        self._end_call(lib.ct_clear(self._open()))

    def remove_if(self, match: Callable[[K, V], object]) -> int:
        """Remove all entries for which match(key, value) is true. Returns how many."""
        pair = ffi.new_handle((match, self._values))
        removed = lib.ct_remove_if(self._open(), lib.on_match, pair)
        reraise()
        return removed

    # ---- Size and time

    def __len__(self) -> int:
        length = lib.ct_len(self._open())
        self._end_call()
        return length

    @property
    def currsize(self) -> int:
        """The sum of the weights."""
        weight = lib.ct_currsize(self._open())
        self._end_call()
        return weight

    @property
    def maxsize(self) -> Optional[int]:
        """The limit, in units of weight, or None."""
        maxsize = lib.ct_maxsize(self._open())
        return None if maxsize == lib.CT_UNBOUNDED else maxsize

    @property
    def policy(self) -> Policy:
        """Which entry leaves when room is needed."""
        return self.options()["policy"]

    @property
    def memory(self) -> int:
        """The bytes of memory held by the library, objects not included."""
        return lib.ct_memory(self._open())

    def resize(self, maxsize: Optional[int]) -> None:
        """Set another limit, and evict until it holds."""
        self._end_call(lib.ct_resize(self._open(), limit(maxsize)))

    def set_lifetime(self, key: K, ttl: Seconds) -> bool:
        """Give an entry another lifetime, from now on; 0 or less ends it. Returns whether it is
        there.
        """
        handle, nanoseconds = self._open(), remaining(ttl)
        data, _ = self._key(key)
        status = lib.ct_set_lifetime(handle, data, len(data), nanoseconds)
        return self._end_call(status) == Status.OK

    def inspect(self, key: K) -> Optional[Dict[str, float]]:
        """Return what is known of an entry, or None: its weight, deadline by the cache's timer,
        remaining seconds, frequency of use, and sizes. This is no use.
        """
        handle, info = self._open(), _sized("ct_entry_info")
        data, _ = self._key(key)
        status = lib.ct_inspect(handle, data, len(data), info)
        if self._end_call(status) != Status.OK:
            return None
        fields: Dict[str, float] = dict(_fields(info))
        fields.update({name: seconds_of(getattr(info, name)) for name in ("deadline", "remaining")})
        return fields

    def expire(self, visit: Optional[Callable[[Event], object]] = None) -> int:
        """Remove the entries that have expired. Shows each as an Event. Returns how many."""
        handle = self._open()
        if visit is None:
            expired = lib.ct_expire(handle, lib.CT_NOW, ffi.NULL, ffi.NULL)
        else:
            pair = ffi.new_handle((visit, self._values))
            expired = lib.ct_expire(handle, lib.CT_NOW, lib.on_visit, pair)
        reraise()
        return expired

    def stats(self) -> Dict[str, Any]:
        """Return the counters, and the seconds that loads took: in all, and as a histogram.

        Of the loads, load_buckets[i] took at most 4**i microseconds and longer than those of the
        bucket before; the last bucket has all that took longer.
        """
        raw = _sized("ct_stats")
        check(lib.ct_cache_stats(self._open(), raw))
        stats: Dict[str, Any] = dict(_fields(raw))
        stats["load_buckets"] = tuple(raw.load_buckets)
        stats["load_seconds"] = seconds_of(raw.load_ticks)
        del stats["load_ticks"]
        return stats

    def reset_stats(self) -> None:
        """Count from zero again."""
        check(lib.ct_cache_stats_reset(self._open()))

    def miss_ratios(self, *scales: float) -> Dict[float, Optional[float]]:
        """Return which part of the reads would miss in this cache at other sizes: multiples of the
        present one, from a half to four; None where that is not known, or not yet. It requires the
        option curve."""
        asked = scales or (0.5, 1.0, 2.0, 4.0)
        ratios = ffi.new("double[]", len(asked))
        if not all(scale > 0 for scale in asked):
            raise InvalidError(Status.ERR_INVALID, "scales: one is not above 0.")
        check(lib.ct_cache_curve(self._open(), ffi.new("double[]", asked), len(asked), ratios))
        return {scale: None if it != it else it for scale, it in zip(asked, ratios)}

    def options(self) -> Dict[str, Any]:
        """Return the options in force, with the seed that was drawn. Of a lifetime, 0 is none."""
        raw = _sized("ct_options")
        check(lib.ct_cache_options(self._open(), raw))
        options: Dict[str, Any] = _fields(raw)
        options["policy"] = Policy(raw.policy)
        options["weight_kind"] = WeightKind(raw.weight_kind)
        options["maxsize"] = None if raw.maxsize == lib.CT_UNBOUNDED else raw.maxsize
        times = ("ttl", "tti", "refresh_ahead", "stale", "retry", "negative_ttl", "jitter")
        options.update({name: seconds_of(getattr(raw, name)) for name in times})
        return options

    # ---- Iteration

    def walk(self, order: Order = Order.ANY) -> "Walk[K, V]":
        """Return an iterator of pairs. A walk uses nothing and counts nothing."""
        return Walk(self, order)

    def __iter__(self) -> Iterator[K]:
        return (key for key, _ in self.walk())

    def items(self) -> "collections.abc.ItemsView[K, V]":
        """Return a view of the pairs."""
        return _Items(self)

    def values(self) -> "collections.abc.ValuesView[V]":
        """Return a view of the values."""
        return _Values(self)

    # ---- Computing

    def _compute(self, key: K, change: Callable[[Any], Any], before: Any) -> Any:
        """See compute of the classes. before stands for a value that is absent."""
        handle, raw = self._open(), ffi.new("ct_value *")
        data, tokens = self._key(key)
        values = self._values
        packed: List[bytes] = []

        def run(old: Any, result: Any) -> int:
            while packed:
                values.unpack(packed.pop())
            after = change(before if old == ffi.NULL else values.value(old.data, old.size))
            if after is REMOVE:
                return Status.MISS
            if after is LEAVE:
                return Status.NOT_STORED
            if isinstance(after, Loaded):
                describe(result, after)
                after = after.value
            if after is NOT_MODIFIED:  # for loaders alone
                return Status.ERR_CALLBACK
            packed.append(values.pack(key, after, tokens))
            return hand_back(result, packed[0])

        function = ffi.new_handle(run)
        status = lib.ct_compute(handle, data, len(data), lib.on_compute, function, raw)
        value = take(values, raw)
        if packed and status != Status.OK:
            values.unpack(packed[0])
        reraise()
        if check(status) == Status.BUSY:
            raise BusyError(status)
        return before if value is ABSENT else value


class Version(Closing):
    """What a key had: the very value, be there equal ones or not. It keeps the value in memory
    until it is closed or collected.
    """

    value: Any
    """The value, or ABSENT: then the key is to be absent."""

    def __init__(self, raw: Any, values: Any, user_data: Any) -> None:
        self._handle = raw
        self._user_data = user_data  # of callbacks that the release may run
        is_there = raw.data != ffi.NULL
        self.value = values.value(raw.data, raw.size) if is_there else ABSENT

    def _held(self) -> Any:
        if self._handle is None:
            raise ClosedError("the version is closed")
        return self._handle

    def close(
        self,
        release: Callable[[Any], None] = lib.ct_value_release,
        reraise: Callable[[], None] = reraise,
    ) -> None:
        """Let the value go. Closing twice is allowed."""
        handle, self._handle = self._handle, None
        if handle is not None:
            release(handle)
            reraise()


def stats_text(caches: "Mapping[str, CacheBase[Any, Any]]") -> str:
    """Return the counters of caches as Prometheus reads them, each with its name as a label."""
    names = [ffi.new("char[]", name.encode()) for name in caches]
    handles = [cache._open() for cache in caches.values()]
    parts: List[bytes] = []
    function = ffi.new_handle(_writer(parts))
    status = lib.ct_stats_write(handles, names, len(handles), lib.on_write, function)
    reraise()
    check(status)
    return b"".join(parts).decode()


def _writer(parts: List[bytes]) -> Callable[[memoryview], int]:
    def write(data: memoryview) -> int:
        parts.append(bytes(data))
        return len(data)

    return write


class Walk(Dependent, Iterator[Tuple[K, V]]):
    """An iterator of the pairs of a cache, for one thread at a time."""

    def __init__(self, cache: CacheBase[K, V], order: Order) -> None:
        self._cache = cache
        handle = ffi.new("ct_iter **")
        check(lib.ct_iter_new(cache._open(), chosen(order, Order, "order"), handle))
        self._depend_on(cache._ends, handle[0], lib.ct_iter_free)

    def __iter__(self) -> "Walk[K, V]":
        return self

    def __next__(self) -> Tuple[K, V]:
        if self._handle is None:
            raise StopIteration
        if not self._is_live():
            raise ClosedError
        key, value = ffi.new("ct_bytes *"), ffi.new("ct_bytes *")
        status = lib.ct_iter_next(self._handle, key, value)
        item = None
        if status == Status.OK:
            item = self._cache._values.entry(key.data, key.size, value.data, value.size)
        self._cache._end_call(status)
        if item is None:
            self.close()
            raise StopIteration
        return item


class _Items(collections.abc.ItemsView):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[Any]:
        return self._mapping.walk()  # type: ignore[attr-defined]


class _Values(collections.abc.ValuesView):  # type: ignore[type-arg]
    def __iter__(self) -> Iterator[Any]:
        return (value for _, value in self._mapping.walk())  # type: ignore[attr-defined]
