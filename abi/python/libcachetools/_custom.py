# SPDX-License-Identifier: MIT
"""Policies of one's own."""

from typing import Optional


class CustomPolicy:
    """A policy for Policy.CUSTOM, to be derived from; any object with insert, remove and victim
    will do. A cache makes one for each shard, with its maxsize or None. The policy knows entries by
    ids: small numbers, each used again only after remove.

    All methods run inside the critical section, and must not use any cache. now is the time by the
    cache's timer, in seconds. In a cache of objects, key is bytes that stand for the key.
    """

    def insert(self, id: int, weight: int, key: bytes, now: float) -> None:
        """There is a new entry."""
        raise NotImplementedError

    def update(self, id: int, weight: int, key: bytes, now: float) -> None:
        """There is another value under the same key. Optional."""

    def hit(self, id: int, now: float) -> None:
        """An entry was used. Optional."""

    def remove(self, id: int) -> None:
        """An entry left."""
        raise NotImplementedError

    def resize(self, maxsize: Optional[int]) -> None:
        """The cache has another limit. Optional."""

    def victim(self) -> int:
        """Choose the entry that leaves next, and remove nothing. Called only if there is one."""
        raise NotImplementedError
