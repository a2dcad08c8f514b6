# SPDX-License-Identifier: MIT
"""Turns: who loads which object, and who waits for whom.

Who loads a key and who waits for it is the library's business, so that whatever invalidates the key
overtakes its load. Here is what the library does not know: a lease belongs to no thread, so nobody
else would notice that a call waits for itself, or in a ring.

A caller is a thread, or a task of asyncio. It is known by a number, so that nothing here keeps a
task alive whose loop has ended.
"""

import asyncio
import threading
from types import TracebackType
from typing import Dict, Optional, Type

from ._errors import RecursiveLoadError, Status


def this_task() -> int:
    """Return the number of the task that runs. Numbers of threads are positive."""
    return -id(asyncio.current_task())


class Turn:
    """The load of a key by a caller."""

    def __init__(self, thread: int, caller: int) -> None:
        self.thread = thread
        self.caller = caller
        self.is_over = False
        self.next: Optional[Turn] = None  # of one who waited for this one, and took over


_lock = threading.RLock()  # of all below; a destructor may run while it is held
_waits: Dict[int, Turn] = {}  # what callers wait for, whatever the cache


def _current(turn: Optional[Turn]) -> Optional[Turn]:
    while turn is not None and turn.is_over:
        turn = turn.next
    return turn


class Turns:
    """The turns of a cache: who loads which key."""

    def __init__(self) -> None:
        self._turns: Dict[bytes, Turn] = {}

    def join(self, key: bytes, this: int) -> Optional[Turn]:
        """Note that a caller waits. Returns None if the turn is over, or is about to begin. Raises
        RecursiveLoadError if the call would wait for ever: for itself, or in a ring.
        """
        thread = threading.get_ident()
        with _lock:
            turn = self._turns.get(key)
            seen, ahead = set(), [turn]
            while ahead:
                it = _current(ahead.pop())
                if it is None or it in seen:
                    continue
                # A thread that waits stops its tasks, and is stopped by what it calls.
                if it.caller == this or (it.thread == thread and thread in (this, it.caller)):
                    raise RecursiveLoadError(Status.ERR_RECURSION)
                seen.add(it)
                ahead += _waits.get(it.caller), _waits.get(it.thread)
            if turn is not None:
                _waits[this] = turn
            return turn

    @staticmethod
    def leave(this: int) -> None:
        """Note that a caller waits no longer."""
        with _lock:
            _waits.pop(this, None)

    def take(
        self, key: bytes, caller: Optional[int] = None, after: Optional[Turn] = None
    ) -> "TurnOf":
        """Return a context in which a caller has the turn, by default this thread: perhaps after
        another, which it has waited for.
        """
        return TurnOf(self._turns, key, caller, after)


class TurnOf:
    """A turn, from its beginning to its end."""

    def __init__(
        self, turns: Dict[bytes, Turn], key: bytes, caller: Optional[int], after: Optional[Turn]
    ) -> None:
        self._turns = turns
        self._key = key
        self._after = after
        thread = threading.get_ident()
        self._turn = Turn(thread, thread if caller is None else caller)

    def __enter__(self) -> Turn:
        with _lock:
            self._turns[self._key] = self._turn
            if self._after is not None:
                self._after.next = self._turn
                self._after.is_over = True  # its caller gave it up, and may not have said so yet
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
