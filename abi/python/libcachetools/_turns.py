# SPDX-License-Identifier: MIT
"""Single flight for objects: one thread loads a key, and the others wait for its turn to end.

The library's own waiting hands a value over even if it is not kept. Of an object nobody would then
know when the last of those who wait has taken a reference.
"""

import threading
from types import TracebackType
from typing import Dict, Optional, Type


class _Turn:
    def __init__(self, thread: int) -> None:
        self.thread = thread
        self.is_over = False
        self.failure: Optional[BaseException] = None  # of all who wait
        self.end = threading.Lock()
        self.end.acquire()


_lock = threading.RLock()  # of all below; a destructor may run while it is held
_waits: Dict[int, _Turn] = {}  # what threads wait for, whatever the cache


class Turns:
    """The turns of a cache: which thread loads which key."""

    def __init__(self) -> None:
        self._turns: Dict[bytes, _Turn] = {}
        self.shared_failures = 0

    def wait(self, key: bytes) -> bool:
        """Wait for the end of a key's turn, and raise its failure, if any. Returns False if the
        call would wait for ever: this thread has the turn, or the thread that has it waits for this
        one.
        """
        this = threading.get_ident()
        with _lock:
            turn = self._turns.get(key)
            it = turn
            while it is not None and not it.is_over:
                if it.thread == this:
                    return False
                it = _waits.get(it.thread)
            if turn is None:
                return True  # it is over, or is about to begin
            _waits[this] = turn
        try:
            with turn.end:
                pass
        finally:
            with _lock:
                del _waits[this]
        failure = turn.failure
        if failure is None:
            return True
        with _lock:
            self.shared_failures += 1
        try:
            raise failure
        finally:
            del it, turn, failure  # which the exception would keep in a circle

    def take(self, key: bytes) -> "TurnOf":
        """Return a context in which this thread has the turn."""
        return TurnOf(self._turns, key)


class TurnOf:
    """A turn, from its beginning to its end."""

    def __init__(self, turns: Dict[bytes, _Turn], key: bytes) -> None:
        self._turns = turns
        self._key = key
        self._turn = _Turn(threading.get_ident())

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
        self._turn.end.release()
