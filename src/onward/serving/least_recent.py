"""A bounded memory of answers: of too many, the one that was needed longest ago goes."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LeastRecent(Generic[Key, Value]):
    """A mapping whose entries' sizes add up to at most so much, for several threads.

    >>> memory = LeastRecent(2)
    >>> for key in "aba":
    ...     memory.put(key, key.upper())
    >>> memory.put("c", "C")
    >>> memory.get("a"), memory.get("b")
    ('A', None)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._entries: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        """The value of a key, which counts as its last use; None where there is none."""
        return self.get_all((key,)).get(key)

    def get_all(self, keys: Iterable[Key]) -> dict[Key, Value]:
        """The values of those keys that have one."""
        found = {}
        with self._lock:
            for key in keys:
                entry = self._entries.get(key)
                if entry is not None:
                    self._entries.move_to_end(key)
                    found[key] = entry[0]
        return found

    def put(self, key: Key, value: Value, size: int = 1) -> None:
        """Remember a value of some size; one that is larger than all may be is not remembered."""
        self.put_all({key: value}, size)

    def put_all(self, values: Mapping[Key, Value], size: int = 1) -> None:
        """Remember values, each of that size."""
        with self._lock:
            for key, value in values.items():
                _, earlier = self._entries.pop(key, (None, 0))
                self._entries[key] = value, size
                self._size += size - earlier
            while self._size > self._most:
                _, (_, gone) = self._entries.popitem(last=False)
                self._size -= gone

    def __len__(self) -> int:
        return len(self._entries)
