# SPDX-License-Identifier: MIT
"""Callbacks: the functions that C calls (see build_ffi.py), and what they need.

An exception never unwinds through C: it is kept until the call that ran the callback has returned,
and continues there.
"""

import dataclasses
import functools
from typing import Any, Callable, Dict, Iterable, Optional, Tuple, Union

from ._choices import Cause
from ._errors import FAILED, BusyError, Error, Status
from ._ffi import ffi, lib
from ._handles import here
from ._numbers import Seconds, remaining, seconds_of, ticks, unsigned
from ._values import as_bytes, copy_of

Tags = Iterable[Union[str, bytes]]


def tag_of(tag: Union[str, bytes]) -> bytes:
    """Return a tag as bytes."""
    return tag.encode() if isinstance(tag, str) else as_bytes(tag)


@dataclasses.dataclass
class Event:
    """An entry that left."""

    key: Any
    value: Any
    weight: int
    cause: Cause


@dataclasses.dataclass
class Loaded:
    """A value that a callback brings, and what is special about it."""

    value: Any
    ttl: Optional[Seconds] = None  # from the callback's return on
    deadline: Optional[Seconds] = None  # by the cache's timer
    weight: Optional[int] = None
    discard: bool = False  # hand it to the callers, but do not keep it
    tags: Optional[Tags] = None  # see invalidate_tag
    keep_ttl: bool = False  # of compute: live as long as the old value would have


REMOVE: Any = object()
LEAVE: Any = object()
NOT_MODIFIED: Any = object()


def status_of(exception: BaseException) -> int:
    """Return what the library is told of a load that raised. CT_BUSY and CT_ERR_RECURSION concern
    its own caller only, as do the exceptions that end a thread or a program.
    """
    if isinstance(exception, BusyError) or not isinstance(exception, Exception):
        return Status.BUSY
    return exception.status if isinstance(exception, Error) else FAILED


@dataclasses.dataclass
class Callbacks:
    """The callbacks of a cache. They refer to no cache, so that values can keep them alive."""

    values: Any
    timer: Optional[Callable[[], float]] = None
    ttu: Optional[Callable[[Any, Any, float], float]] = None
    weigher: Optional[Callable[[Any, Any], int]] = None
    choice: Optional[Callable[[int], int]] = None
    listener: Optional[Callable[[Event], object]] = None
    drop: Optional[Callable[[bytes], object]] = None
    custom: Optional[Callable[[Optional[int]], Any]] = None
    allocator: Optional[Tuple[Callable[[int, int], Optional[int]], Callable[..., object]]] = None

    @property
    def run_inside(self) -> bool:
        """Whether some run inside the critical section."""
        return any((self.timer, self.choice, self.custom, self.allocator))

    @property
    def are_any(self) -> bool:
        """Whether there are callbacks at all."""
        return self.run_inside or any((self.ttu, self.weigher, self.listener, self.drop))

    def put_into(self, options: Any) -> Any:
        """Write the callbacks into a ct_options. Returns what must live until that is used."""
        for field, given, function in (
            ("timer", self.timer, lib.on_timer),
            ("ttu", self.ttu, lib.on_ttu),
            ("weigher", self.weigher, lib.on_weigh),
            ("choice", self.choice, lib.on_choice),
            ("listener", self.listener, lib.on_event),
        ):
            if given:
                setattr(options, field, function)
        options.drop = lib.on_drop if self.drop else self.values.drop
        if self.values.holds_objects:
            options.flags |= lib.CT_FLAG_DROP_LOADED
        structs = []
        if self.custom:
            options.custom = ops = ffi.new("ct_policy_ops *")
            lib.ct_policy_ops_init(ops, ffi.sizeof(ops[0]))
            ops.state_new, ops.state_free = lib.on_state_new, lib.on_state_free
            ops.on_insert, ops.on_update = lib.on_insert, lib.on_update
            ops.on_hit, ops.on_remove = lib.on_hit, lib.on_remove
            ops.on_resize, ops.victim = lib.on_resize, lib.on_victim
            structs.append(ops)
        if self.allocator:
            options.allocator = allocator = ffi.new("ct_allocator *")
            lib.ct_allocator_init(allocator, ffi.sizeof(allocator[0]))
            allocator.alloc, allocator.free = lib.on_alloc, lib.on_free
            allocator.ctx = options.user_data
            structs.append(allocator)
        return structs


def _keep(kind: Any, exception: Optional[BaseException], traceback: Any) -> None:
    if here.exception is None and exception is not None:
        here.exception = exception.with_traceback(traceback)


def _called_by_c(error: Any = None) -> Callable[[Any], Any]:
    """Make a function the C function of its name. If it raises, C gets error."""
    if error is None:
        return ffi.def_extern(onerror=_keep)
    return ffi.def_extern(error=error, onerror=_keep)


def _inside(function: Any) -> Any:
    """Note that a callback runs inside the critical section."""

    @functools.wraps(function)
    def inside(*args: Any) -> Any:
        here.is_inside = True
        try:
            return function(*args)
        finally:
            here.is_inside = False

    return inside


# ---- Of a cache: user_data is a handle of its Callbacks ------------------------------------------


@_called_by_c(0)
@_inside
def on_timer(user_data: Any) -> int:
    """ct_timer_fn."""
    return ticks(ffi.from_handle(user_data).timer())


@_called_by_c(2**64 - 1)
def on_ttu(user_data: Any, key: Any, key_size: int, value: Any, value_size: int, now: int) -> int:
    """ct_ttu_fn."""
    it = ffi.from_handle(user_data)
    return ticks(it.ttu(*it.values.entry(key, key_size, value, value_size), seconds_of(now)))


# If it raises, the entry is refused as too large.
@_called_by_c(2**64 - 1)
def on_weigh(user_data: Any, key: Any, key_size: int, value: Any, value_size: int) -> int:
    """ct_weigher_fn."""
    it = ffi.from_handle(user_data)
    return unsigned(it.weigher(*it.values.entry(key, key_size, value, value_size)), name="weight")


@_called_by_c(0)
@_inside
def on_choice(user_data: Any, count: int) -> int:
    """ct_choice_fn."""
    return unsigned(ffi.from_handle(user_data).choice(count))


def _event(values: Any, raw: Any) -> Event:
    key, value = values.entry(raw.key.data, raw.key.size, raw.value.data, raw.value.size)
    return Event(key, value, raw.weight, Cause(raw.cause))


@_called_by_c()
def on_event(user_data: Any, event: Any) -> None:
    """ct_listener_fn."""
    it = ffi.from_handle(user_data)
    it.listener(_event(it.values, event))


@_called_by_c()
def on_drop(user_data: Any, value: Any, size: int) -> None:
    """ct_drop_fn."""
    ffi.from_handle(user_data).drop(copy_of(value, size))


@_called_by_c(ffi.NULL)
@_inside
def on_alloc(user_data: Any, size: int, align: int) -> Any:
    """ct_allocator.alloc."""
    return ffi.cast("void *", ffi.from_handle(user_data).allocator[0](size, align) or 0)


@_called_by_c()
@_inside
def on_free(user_data: Any, block: Any, size: int, align: int) -> None:
    """ct_allocator.free."""
    ffi.from_handle(user_data).allocator[1](int(ffi.cast("uintptr_t", block)), size, align)


# ---- Of a policy: state is a handle of the object that custom made -------------------------------

_states: Dict[Any, Any] = {}  # keeps the handles


@_called_by_c(ffi.NULL)
@_inside
def on_state_new(user_data: Any, maxsize: int) -> Any:
    """ct_policy_ops.state_new."""
    make = ffi.from_handle(user_data).custom
    handle = ffi.new_handle(make(None if maxsize == lib.CT_UNBOUNDED else maxsize))
    _states[handle] = handle
    return handle


@_called_by_c()
@_inside
def on_state_free(state: Any) -> None:
    """ct_policy_ops.state_free."""
    _states.pop(state)


@_called_by_c()
@_inside
def on_insert(state: Any, id: int, weight: int, key: Any, key_size: int, now: int) -> None:
    """ct_policy_ops.on_insert."""
    ffi.from_handle(state).insert(id, weight, copy_of(key, key_size), seconds_of(now))


@_called_by_c()
@_inside
def on_update(state: Any, id: int, weight: int, key: Any, key_size: int, now: int) -> None:
    """ct_policy_ops.on_update."""
    update = getattr(ffi.from_handle(state), "update", None)
    if update:
        update(id, weight, copy_of(key, key_size), seconds_of(now))


@_called_by_c()
@_inside
def on_hit(state: Any, id: int, now: int) -> None:
    """ct_policy_ops.on_hit."""
    hit = getattr(ffi.from_handle(state), "hit", None)
    if hit:
        hit(id, seconds_of(now))


@_called_by_c()
@_inside
def on_remove(state: Any, id: int) -> None:
    """ct_policy_ops.on_remove."""
    ffi.from_handle(state).remove(id)


@_called_by_c()
@_inside
def on_resize(state: Any, maxsize: int) -> None:
    """ct_policy_ops.on_resize."""
    resize = getattr(ffi.from_handle(state), "resize", None)
    if resize:
        resize(None if maxsize == lib.CT_UNBOUNDED else maxsize)


@_called_by_c(2**32 - 1)
@_inside
def on_victim(state: Any) -> int:
    """ct_policy_ops.victim."""
    return unsigned(ffi.from_handle(state).victim(), 32)


# ---- Of a call: user_data is a handle of a function or a pair ------------------------------------


@_called_by_c()
def on_visit(user_data: Any, event: Any) -> None:
    """ct_visit_fn, with a pair of visit and values."""
    visit, values = ffi.from_handle(user_data)
    visit(_event(values, event))


@_called_by_c(False)
def on_match(user_data: Any, key: Any, key_size: int, value: Any, value_size: int) -> bool:
    """ct_match_fn, with a pair of match and values."""
    match, values = ffi.from_handle(user_data)
    return bool(match(*values.entry(key, key_size, value, value_size)))


def hand_back(result: Any, packed: bytes) -> int:
    """Give the library a value that a callback brought."""
    return lib.ct_result_set(result, packed, len(packed))


def describe(result: Any, loaded: Loaded) -> None:
    """Give the library what is special about a value that a callback brought."""
    if loaded.ttl is not None:
        lib.ct_result_ttl(result, remaining(loaded.ttl))
    if loaded.deadline is not None:
        lib.ct_result_deadline(result, remaining(loaded.deadline))
    if loaded.weight is not None:
        lib.ct_result_weight(result, unsigned(loaded.weight, name="weight"))
    if loaded.discard:
        lib.ct_result_discard(result)
    if loaded.keep_ttl:
        lib.ct_result_keep_ttl(result)
    for tag in map(tag_of, loaded.tags or ()):
        lib.ct_result_tag(result, tag, len(tag))


@_called_by_c(FAILED)
def on_load(user_data: Any, key: Any, key_size: int, result: Any) -> int:
    """ct_loader_fn, with a function that takes the key and the result, and returns a status."""
    return ffi.from_handle(user_data)(copy_of(key, key_size), result)


@_called_by_c(FAILED)
def on_load_many(user_data: Any, keys: Any, count: int, results: Any) -> int:
    """ct_load_many_fn, with a function that takes keys and results, and returns a status."""
    asked = [copy_of(keys[i].data, keys[i].size) for i in range(count)]
    return ffi.from_handle(user_data)(asked, results)


@_called_by_c()
def on_done(user_data: Any, status: int, value: Any, lease: Any) -> None:
    """ct_done_fn, with a function that takes the status, the value and the lease."""
    ffi.from_handle(user_data)(status, value, lease)


@_called_by_c(FAILED)
def on_compute(user_data: Any, key: Any, key_size: int, old: Any, result: Any) -> int:
    """ct_compute_fn, with a function that takes the old ct_bytes and the result."""
    return ffi.from_handle(user_data)(old, result)


@_called_by_c(FAILED)
def on_write(user_data: Any, data: Any, size: int) -> int:
    """ct_write_fn, with a function that writes bytes and says how many."""
    write = ffi.from_handle(user_data)
    rest = memoryview(copy_of(data, size))
    while rest:
        written = write(rest)
        rest = rest[len(rest) if written is None else written :]
    return Status.OK


@_called_by_c(FAILED)
def on_read(user_data: Any, buffer: Any, capacity: int, got: Any) -> int:
    """ct_read_fn, with a function that reads so many bytes."""
    data = ffi.from_handle(user_data)(capacity)
    if len(data) > capacity:
        raise ValueError(f"read({capacity}) returned {len(data)} bytes")
    ffi.memmove(buffer, data, len(data))
    got[0] = len(data)
    return Status.OK
