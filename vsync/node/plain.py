"""Datagrams without protection: the plain envelope, which guards against accidents only."""

from typing import ClassVar

from clocksync.runtime.envelope import HEADER_BYTES, _protect, _unprotect


class PlainSealer:
    """What a member seals and opens datagrams with where it was told to go without a key."""

    OVERHEAD: ClassVar[int] = HEADER_BYTES

    def __init__(self, cluster: int, me: int) -> None:
        self._cluster, self._me = cluster, me

    def seal(self, kind: int, body: bytes) -> bytes:
        """The datagram that carries a frame."""
        return _protect(kind, self._cluster, self._me, body)

    def open(self, data: bytes | memoryview, now_ns: int) -> tuple[int, int, memoryview]:
        """The sender, the kind and the body of a datagram.

        Raises:
            MalformedFrame: it is none of this group's.
        """
        kind, sender, body = _unprotect(data, self._cluster)
        return sender, kind, body

    def greet(self, peer: int, now_ns: int) -> None:
        """Nobody has to prove who they are."""

    def take_outgoing(self) -> list[tuple[int, bytes]]:
        """Nothing of its own to send."""
        return []
