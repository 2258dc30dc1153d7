"""Datagrams without protection: the plain envelope, which guards against accidents only."""

from collections.abc import Hashable, Iterable
from typing import ClassVar

from clocksync.runtime.envelope import HEADER_BYTES, protect, unprotect
from clocksync.security.datagram import Opened, check_number
from clocksync.security.keyring import KeyRing


class PlainSealer:
    """The interface of :class:`~clocksync.security.sealer.Sealer` for a member that was told to go
    without a key.

    Raises:
        BadConfig: no member has this number.
    """

    OVERHEAD: ClassVar[int] = HEADER_BYTES
    """What a datagram has besides its body."""

    __slots__ = ("_cluster", "_me")

    def __init__(self, cluster: int, me: int) -> None:
        check_number(me)
        self._cluster, self._me = cluster, me

    def seal(self, kind: int, body: bytes) -> bytes:
        """The datagram that carries a body."""
        return protect(kind, self._cluster, self._me, body)

    def seal_many(self, kind: int, bodies: Iterable[bytes]) -> list[bytes]:
        """The datagrams that carry these bodies."""
        return [self.seal(kind, body) for body in bodies]

    def open(self, data: bytes | memoryview, now_ns: int, source: Hashable = None) -> Opened | None:
        """What is in a datagram, by whoever says so.

        Raises:
            MalformedFrame: it is none of this cluster's, or corrupt.
        """
        kind, sender, body = unprotect(data, self._cluster)
        return Opened(sender, kind, body)

    def greet(self, peer: int, now_ns: int) -> None:
        """Nobody has to prove who they are."""

    def hail(self, now_ns: int) -> bytes | None:
        """Nor has anybody to be asked who they are."""
        return None

    def take_outgoing(self) -> list[tuple[int, bytes]]:
        """Nothing of its own to send."""
        return []

    def use(self, keys: KeyRing) -> None:
        """No keys are used."""
