"""Cookies: how an NTS server remembers its clients without remembering them (RFC 8915 section 6).

A cookie is the client's two keys, sealed with a key that only the server has. That one is renewed
every `rotate_ns`; cookies of the last :data:`KEPT` before it are still opened, so that a client
that asks at all often never notices. The master keys are in memory only and made afresh at each
start: after that every cookie is stale, which clients are told (NTS NAK) and mend by themselves.

::

    number of the master key  4 bytes
    nonce                    16 bytes
    tag and ciphertext       16 + 64 bytes     the keys: to the server, to the client
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from clocksync.nts.aead import KEY_BYTES, NONCE_BYTES, TAG_BYTES, Aead
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import SECOND

KEPT = 3
ROTATE_NS = 86_400 * SECOND
_NUMBER_BYTES = 4
_HEAD_BYTES = _NUMBER_BYTES + NONCE_BYTES
COOKIE_BYTES = _HEAD_BYTES + TAG_BYTES + 2 * KEY_BYTES


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """The keys of one client. In no repr."""

    to_server: bytes = field(repr=False)
    to_client: bytes = field(repr=False)


def _taken_apart(keys: bytes) -> ClientKeys:
    return ClientKeys(keys[:KEY_BYTES], keys[KEY_BYTES:])


class CookieJar:
    """Makes and opens cookies; may be shared between threads.

    Args:
        draw: so many unpredictable bytes.
        rotate_ns: how long a master key is used; it is accepted for :data:`KEPT` times longer.

    Raises:
        BadConfig: `rotate_ns` is nothing.
    """

    def __init__(self, draw: Callable[[int], bytes], rotate_ns: int = ROTATE_NS) -> None:
        if rotate_ns <= 0:
            raise BadConfig("the keys of cookies must live longer than nothing")
        self._draw = draw
        self._rotate_ns = rotate_ns
        self._lock = threading.Lock()
        self._masters: tuple[tuple[bytes, Aead], ...] = (self._fresh(),)
        """Number and key, the newest first."""
        self._renewed_at: int | None = None

    def __repr__(self) -> str:
        return f"CookieJar({len(self._masters)} keys)"

    def make(self, keys: ClientKeys, now: int) -> bytes:
        """A cookie for a client; `now` is monotonic, ns."""
        number, master = self._current(now)[0]
        nonce = self._draw(NONCE_BYTES)
        return number + nonce + master.seal(keys.to_server + keys.to_client, nonce, number)

    def open(self, cookie: bytes, now: int) -> ClientKeys | None:
        """Whose cookie it is; None where it is too old, or was not made here."""
        if len(cookie) != COOKIE_BYTES:
            return None
        number, nonce = cookie[:_NUMBER_BYTES], cookie[_NUMBER_BYTES:_HEAD_BYTES]
        for known, master in self._current(now):
            if known == number:
                keys = master.open(cookie[_HEAD_BYTES:], nonce, number)
                return None if keys is None else _taken_apart(keys)
        return None

    def rotate(self) -> None:
        """Take a new master key now."""
        with self._lock:
            self._renew(1)

    def _current(self, now: int) -> tuple[tuple[bytes, Aead], ...]:
        renewed_at = self._renewed_at
        if renewed_at is None or now - renewed_at >= self._rotate_ns:
            with self._lock:
                if self._renewed_at is None:
                    self._renewed_at = now
                due = (now - self._renewed_at) // self._rotate_ns
                if due > 0:
                    self._renew(due)
                    self._renewed_at += due * self._rotate_ns
        return self._masters

    def _renew(self, times: int) -> None:
        # Nobody asked for a while: keys that would have been used meanwhile have no cookies, but
        # the older ones must age all the same.
        for _ in range(min(times, KEPT + 1)):
            self._masters = (self._fresh(), *self._masters[:KEPT])

    def _fresh(self) -> tuple[bytes, Aead]:
        return self._draw(_NUMBER_BYTES), Aead(self._draw(KEY_BYTES))
