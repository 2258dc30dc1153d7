"""Things that wait for their counterpart, as many as are allowed, the oldest giving way."""

from collections.abc import Hashable
from typing import Generic, TypeVar

Waiting = TypeVar("Waiting")

PENDING_MAX = 32_768


class Pending(Generic[Waiting]):
    """A dict that forgets what was put in first when it is full. Requests that are never answered
    (scans, floods, one-way captures) can fill it and nothing more."""

    __slots__ = ("_entries", "_limit", "forgotten")

    def __init__(self, limit: int = PENDING_MAX) -> None:
        self.forgotten = 0
        self._limit = limit
        self._entries: dict[Hashable, Waiting] = {}

    def put(self, key: Hashable, value: Waiting) -> None:
        """Wait; a second one of the same key takes the place of the first."""
        entries = self._entries
        entries[key] = value
        if len(entries) > self._limit:
            del entries[next(iter(entries))]
            self.forgotten += 1

    def get(self, key: Hashable) -> Waiting | None:
        """Look, and go on waiting."""
        return self._entries.get(key)

    def take(self, key: Hashable) -> Waiting | None:
        """The one that waits, which waits no more."""
        return self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)
