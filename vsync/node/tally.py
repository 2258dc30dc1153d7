"""What a member has delivered, as a figure that members compare.

A configuration's digest is the SHA-256 over its messages in their order: for each datagram its
ring, number and first timestamp, in text, and then its messages, each with its length (4 bytes, big
end first) before it. Members that went through a configuration together have the same.
"""

import hashlib
from collections import deque
from itertools import chain

from vsync.events import Configuration, Messages

RECENT = 12


class Tally:
    """Counts and digests of one member, and the last events for people to see."""

    def __init__(self) -> None:
        self.delivered = 0
        self.bytes = 0
        self.configurations: list[str] = []
        self.current: Configuration | None = None
        self.recent: deque[Configuration | Messages] = deque(maxlen=RECENT)
        self._digests: dict[str, hashlib._Hash] = {}

    def take(self, event: Configuration | Messages) -> None:
        """One event, in its order."""
        self.recent.append(event)
        if isinstance(event, Configuration):
            self.current = event
            self.configurations.append(event.id)
            self._digests[event.id] = hashlib.sha256()
            return
        payloads = event.payloads
        self.delivered += len(payloads)
        self.bytes += sum(map(len, payloads))
        # Messages come in the configuration that was told last.
        digest = self._digests[event.configuration]
        digest.update(f"{event.ring}/{event.sequence} {event.timestamp}\n".encode())
        lengths = [len(payload).to_bytes(4, "big") for payload in payloads]
        digest.update(b"".join(chain.from_iterable(zip(lengths, payloads, strict=True))))

    def digests(self) -> dict[str, str]:
        """The digest of each configuration, hexadecimal."""
        return {name: digest.hexdigest() for name, digest in self._digests.items()}
