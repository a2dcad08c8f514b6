# SPDX-License-Identifier: MIT
"""Single flight for objects: one caller loads a key, and the others wait for its turn to end.

The library's own waiting hands a value over even if it is not kept. Of an object nobody would then
know when the last of those who wait has taken a reference.

A caller is a thread, or a task of asyncio. It is known by a number, so that nothing here keeps a
task alive whose loop has ended.
"""

import asyncio
import contextlib
import threading
from types import TracebackType
from typing import Dict, Optional, Type

from ._errors import RecursiveLoadError, Status


def this_task() -> int:
    """Return the number of the task that runs. Numbers of threads are positive."""
    return -id(asyncio.current_task())


class NoValueError(Exception):
    """A load has found that there is no such value."""


class _Turn:
    def __init__(self, thread: int, caller: int) -> None:
        self.thread = thread
        self.caller = caller
        self.is_over = False
        self.failure: Optional[BaseException] = None  # of all who wait
        self.end = threading.Lock()
        self.end.acquire()
        self.futures: Dict[asyncio.Future[None], asyncio.AbstractEventLoop] = {}


_lock = threading.RLock()  # of all below; a destructor may run while it is held
_waits: Dict[int, _Turn] = {}  # what callers wait for, whatever the cache


class Turns:
    """The turns of a cache: who loads which key."""

    def __init__(self) -> None:
        self._turns: Dict[bytes, _Turn] = {}
        self.shared_failures = 0

    def wait(self, key: bytes) -> None:
        """Wait for the end of a key's turn, and raise its failure, if any."""
        this = threading.get_ident()
        turn = self._join(key, this)
        if turn is None:
            return
        try:
            with turn.end:
                pass
        finally:
            with _lock:
                del _waits[this]
        self._share(turn)

    async def wait_async(self, key: bytes) -> None:
        """Do the same in a task, without the thread."""
        loop, this = asyncio.get_running_loop(), this_task()
        turn = self._join(key, this)
        if turn is None:
            await asyncio.sleep(0)
            return
        end = loop.create_future()
        try:
            with _lock:
                is_over = turn.is_over
                if not is_over:
                    turn.futures[end] = loop
            if not is_over:
                await end
        finally:
            with _lock:
                del _waits[this]
                turn.futures.pop(end, None)
        self._share(turn)

    def _join(self, key: bytes, this: int) -> Optional[_Turn]:
        """Note that a caller waits. Returns None if the turn is over, or is about to begin. Raises
        RecursiveLoadError if the call would wait for ever: for itself, or in a ring.
        """
        thread = threading.get_ident()
        with _lock:
            turn = self._turns.get(key)
            seen, ahead = set(), [turn]
            while ahead:
                it = ahead.pop()
                if it is None or it.is_over or it in seen:
                    continue
                # A thread that waits stops its tasks, and is stopped by what it calls.
                if it.caller == this or (it.thread == thread and thread in (this, it.caller)):
                    raise RecursiveLoadError(Status.ERR_RECURSION)
                seen.add(it)
                ahead += _waits.get(it.caller), _waits.get(it.thread)
            if turn is not None:
                _waits[this] = turn
            return turn

    def _share(self, turn: _Turn) -> None:
        failure = turn.failure
        if failure is None:
            return
        with _lock:
            self.shared_failures += 1
        try:
            raise failure
        finally:
            del turn, failure  # which the exception would keep in a circle

    def take(self, key: bytes, caller: Optional[int] = None) -> "TurnOf":
        """Return a context in which a caller has the turn, by default this thread."""
        return TurnOf(self._turns, key, caller)


class TurnOf:
    """A turn, from its beginning to its end."""

    def __init__(self, turns: Dict[bytes, _Turn], key: bytes, caller: Optional[int]) -> None:
        self._turns = turns
        self._key = key
        thread = threading.get_ident()
        self._turn = _Turn(thread, thread if caller is None else caller)

    def __enter__(self) -> _Turn:
        with _lock:
            self._turns[self._key] = self._turn
        return self._turn

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        exception: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        with _lock:
            self._turn.is_over = True
            if self._turns.get(self._key) is self._turn:  # else it was overtaken
                del self._turns[self._key]
            futures, self._turn.futures = self._turn.futures, {}
        self._turn.end.release()
        for future, loop in futures.items():
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(_finish, future)


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
