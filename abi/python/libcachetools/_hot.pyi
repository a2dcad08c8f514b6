# SPDX-License-Identifier: MIT
from typing import (
    Any,
    Callable,
    Dict,
    Generic,
    Iterable,
    List,
    Optional,
    Tuple,
    Type,
    TypeVar,
    Union,
    overload,
)

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

DROP: int

class Store(Generic[K, V]):
    @overload
    def get(self, key: K, /) -> Optional[V]: ...
    @overload
    def get(self, key: K, default: Union[V, D], /) -> Union[V, D]: ...
    def __getitem__(self, key: K, /) -> V: ...
    def __setitem__(self, key: K, value: V, /) -> None: ...
    def __delitem__(self, key: K, /) -> None: ...
    def __contains__(self, key: object, /) -> bool: ...
    def _pin(self, key: Any, /) -> Optional[memoryview]: ...
    def _get_many(self, keys: Iterable[Any], /) -> List[Any]: ...
    def _key(self, key: Any, /) -> Tuple[bytes, Optional[List[Any]]]: ...
    def _attach(
        self, address: int, holds_objects: bool, lets_go: bool, reraises: bool, /
    ) -> None: ...
    def _detach(self) -> None: ...

class Memo:
    _hits: int
    _misses: int
    def _key(self, *args: Any, **kwargs: Any) -> Tuple[bytes, Optional[List[Any]]]: ...
    def _remember(
        self,
        store: Store[Any, Any],
        prefix: bytes,
        key: Optional[Callable[..., Any]],
        typed: bool,
        renews: bool,
        /,
    ) -> None: ...
    def _set_owners(self, owners: Dict[int, int], /) -> None: ...
    def _count(self, is_hit: bool, /) -> None: ...

def connect(
    check: Callable[[int], int],
    reraise: Callable[[], None],
    token_of: Callable[[Any], Any],
    closed: Type[Exception],
    call_key: Type[bytes],
    /,
) -> None: ...
def parcel_new(key: Any, value: Any, tokens: Optional[List[Any]], /) -> bytes: ...
def parcel_free(parcel: bytes, /) -> None: ...
def parcel_open(address: int, /) -> Tuple[Any, Any]: ...
