# SPDX-License-Identifier: MIT
"""What a cache can be told to be, and what it tells."""

import enum
from typing import Type

from ._errors import InvalidError, Status
from ._ffi import ffi, lib


class Policy(enum.IntEnum):
    """Which entry leaves when room is needed."""

    LRU = lib.CT_POLICY_LRU
    FIFO = lib.CT_POLICY_FIFO
    LFU = lib.CT_POLICY_LFU
    RR = lib.CT_POLICY_RR
    TTL = lib.CT_POLICY_TTL
    TLRU = lib.CT_POLICY_TLRU
    ANY = lib.CT_POLICY_ANY
    MRU = lib.CT_POLICY_MRU
    CLOCK = lib.CT_POLICY_CLOCK
    SIEVE = lib.CT_POLICY_SIEVE
    S3FIFO = lib.CT_POLICY_S3FIFO
    WTINYLFU = lib.CT_POLICY_WTINYLFU
    ARC = lib.CT_POLICY_ARC
    ADAPTIVE = lib.CT_POLICY_ADAPTIVE
    CUSTOM = lib.CT_POLICY_CUSTOM

    @classmethod
    def named(cls, name: str) -> "Policy":
        """Find a policy by its name, in any case."""
        policy = ffi.new("ct_policy *")
        status = lib.ct_policy_from_name(name.encode(), policy)
        if status != Status.OK:
            raise InvalidError(status, f"there is no policy {name!r}")
        return cls(policy[0])


class WeightKind(enum.IntEnum):
    """What an entry weighs against maxsize."""

    COUNT = lib.CT_WEIGHT_COUNT  # 1 each
    VALUE = lib.CT_WEIGHT_VALUE  # the bytes of its value
    MEMORY = lib.CT_WEIGHT_MEMORY  # the bytes that it takes


class Cause(enum.IntEnum):
    """Why an entry left."""

    EVICTED = lib.CT_CAUSE_EVICTED
    EXPIRED = lib.CT_CAUSE_EXPIRED
    REPLACED = lib.CT_CAUSE_REPLACED
    REMOVED = lib.CT_CAUSE_REMOVED
    CLEARED = lib.CT_CAUSE_CLEARED


class Order(enum.IntEnum):
    """The order of a walk."""

    ANY = lib.CT_ORDER_ANY
    COLDEST = lib.CT_ORDER_COLDEST
    HOTTEST = lib.CT_ORDER_HOTTEST


def chosen(value: enum.IntEnum, kind: Type[enum.IntEnum], name: str) -> int:
    """Return what a member of an enumeration is in C. Numbers and names are refused."""
    if not isinstance(value, kind):
        example = f"{kind.__name__}.{next(iter(kind)).name}"
        raise TypeError(f"{name} must be one of {kind.__name__}, such as {example}, not {value!r}")
    return int(value)
