"""Unpredictable numbers by the handful.  [I/O]"""

import os
import random

_BLOCK_BYTES = 4096


class UnpredictableRandom(random.SystemRandom):
    """``random.SystemRandom`` that asks the system once for many draws.

    A cookie for every datagram would otherwise cost a system call each. Not safe to share between
    threads, nor across a fork (both halves would draw the same numbers).
    """

    def __init__(self) -> None:
        super().__init__()
        self._block = b""
        self._at = 0

    def getrandbits(self, k: int, /) -> int:
        """An integer of `k` random bits."""
        size = (k + 7) // 8
        if size > _BLOCK_BYTES:
            return super().getrandbits(k)
        if self._at + size > len(self._block):
            self._block, self._at = os.urandom(_BLOCK_BYTES), 0
        drawn = int.from_bytes(self._block[self._at : self._at + size], "big")
        self._at += size
        return drawn >> (size * 8 - k)
