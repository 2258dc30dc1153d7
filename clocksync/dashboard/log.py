"""What a page is told: messages kept in order, as many as fit, and the state that the rest left.

A reader has a cursor and asks for what is new; nobody is waited for. Who was too slow, or comes
late, is given the state as of the oldest message that is kept, and goes on from there. So memory
is bounded whatever readers do.

>>> log = Log(keep=2)
>>> for at in range(4):
...     log.add({"kind": "boot", "node": 1, "at_s": at})
>>> log.since(0)
([{'kind': 'boot', 'node': 1, 'at_s': 1}, {'kind': 'boot', 'node': 1, 'at_s': 2},\
 {'kind': 'boot', 'node': 1, 'at_s': 3}], 4)
>>> log.since(4)
([], 4)
"""

from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from itertools import islice
from typing import Any

SCHEMA = "clocksync.dashboard/1"
KEEP = 80_000
BUNDLE = 2_000
"""Messages that go out in one piece."""

Message = dict[str, Any]  # Any: JSON; the schema is clocksync/schemas/dashboard-1.json


def state_key(message: Mapping[str, Any]) -> Hashable:
    """What a message is the newest word on; None: it is an event, and passes."""
    match message["kind"]:
        case "boot" | "end":
            return "life", message["node"]
        case "change":
            return "life", message["node"]
        case "status":
            return "status", message["node"]
        case "clock":
            return "clock", message.get("node"), message["host"]
        case "member":
            return "member", message["node"]
        case "can" | "lane":
            return str(message["kind"]), message["lane"]
        case "reading":
            return "reading", message["lane"], message["name"]
        case "link":
            return "link", message["from"], message["to"]
        case "stage" | "guide":
            return str(message["kind"])
        case _:
            return None


class Log:
    """See the module's text.

    Args:
        keep: how many messages.
    """

    def __init__(self, keep: int = KEEP) -> None:
        self._kept: deque[Message] = deque()
        self._keep = keep
        self._first = 0
        """The number of the oldest message that is kept."""
        self._state: dict[Hashable, Message] = {}
        """Of messages that are not kept any more."""

    @property
    def end(self) -> int:
        """The number that the next message will have."""
        return self._first + len(self._kept)

    @property
    def forgotten(self) -> int:
        """How many messages are not kept any more."""
        return self._first

    def add(self, message: Message) -> None:
        """One more; the oldest may go."""
        self._kept.append(message)
        if len(self._kept) > self._keep:
            old = self._kept.popleft()
            self._first += 1
            key = state_key(old)
            if key is not None:
                self._state[key] = old

    def extend(self, messages: Iterable[Message]) -> None:
        """Several more."""
        for message in messages:
            self.add(message)

    def since(self, cursor: int) -> tuple[list[Message], int]:
        """Messages from number `cursor` on, at most :data:`BUNDLE`, and the cursor after them."""
        found: list[Message] = []
        if cursor < self._first:
            found += self._state.values()
            cursor = self._first
        begin = cursor - self._first
        found += islice(self._kept, begin, begin + BUNDLE)
        return found, min(self.end, cursor + BUNDLE)
