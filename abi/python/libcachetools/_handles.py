# SPDX-License-Identifier: MIT
"""Objects that own something of the library's, and give it back once."""

import threading
from typing import Any, Callable, Dict, List, NoReturn, Optional

Ends = Dict[Any, Callable[[Any], None]]
"""Functions that end the dependents of a cache, by their handles."""


class _Here(threading.local):
    """The state of this thread."""

    exception: Optional[BaseException] = None  # of a callback, until its call has returned
    is_inside = False  # in a callback that must not call the library


here = _Here()

deferred: List["Closing"] = []  # what the garbage collector took inside, to be closed afterwards


def reraise() -> None:
    """Close what was deferred, and raise the exception of a callback that ran in the last call."""
    while deferred and not here.is_inside:
        try:
            it = deferred.pop()
        except IndexError:  # another thread took it
            break
        it.close()
    exception = here.exception
    if exception is not None:
        here.exception = None
        raise exception


class Closing:
    """An object that is closed when it is collected. If it is collected inside the critical
    section, it lives a little longer, with all that close needs. It cannot be copied, because each
    copy would free the same handle.
    """

    _handle: Any = None  # also if making it failed

    def close(self) -> None:
        """Give back what this object owns. Closing twice is allowed."""
        raise NotImplementedError

    def __reduce__(self, *_: Any) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} can be neither copied nor pickled")

    __copy__ = __deepcopy__ = __reduce_ex__ = __reduce__

    # Names may be gone when the interpreter ends.
    def __del__(self, here: _Here = here, deferred: List["Closing"] = deferred) -> None:
        if here.is_inside:
            deferred.append(self)
        else:
            self.close()


class Dependent(Closing):
    """An object that must end before its cache. A cache that ends first ends its dependents too,
    because the garbage collector takes objects in any order.
    """

    _ends: Ends
    _end: Callable[[Any], None]

    def _depend_on(self, ends: Ends, handle: Any, end: Callable[[Any], None]) -> None:
        self._ends = ends  # of the cache
        self._end = end
        self._handle = handle
        ends[handle] = end

    def _is_live(self) -> bool:
        return self._handle is not None and self._handle in self._ends

    def _take_over(self) -> Any:
        """Return the handle, which from now on only the caller ends, or None."""
        handle, self._handle = self._handle, None
        if handle is None:
            return None
        end: Optional[Callable[[Any], None]] = self._ends.pop(handle, None)
        return None if end is None else handle

    def close(self, here: _Here = here, reraise: Callable[[], None] = reraise) -> None:
        """End it. Closing twice is allowed."""
        handle = self._take_over()
        if handle is None:
            return
        end = self._end
        del self._end  # which may be a method of this object
        kept, here.exception = here.exception, None  # of the call that this runs in
        try:
            end(handle)
            reraise()
        finally:
            if kept is not None:
                here.exception = kept
