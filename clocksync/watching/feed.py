"""One host being watched: whom to ask, when to ask somebody else, what came of it.

A host may have several addresses. One is asked; after some silence the next gets its turn, with
an association and a track of its own, as it may be another machine. The driver is told when a host
went silent so that its name can be looked up again: names move, and a watch runs for months.
"""

import random
from collections.abc import Sequence

from clocksync.measuring.prober import STOPPING_KISSES
from clocksync.ntp.association import Association, Exchange
from clocksync.ntp.checks import Rejection
from clocksync.ntp.packet import NtpPacket
from clocksync.runtime.core import Stamp
from clocksync.runtime.mmsg import Address
from clocksync.watching.settings import WatchSettings
from clocksync.watching.track import Gap, Track

PATIENCE = 8
"""Requests without an answer after which another address is tried."""
PATIENCE_AT_FIRST = 2
"""The same for an address that never answered."""
REACH_BITS = 8
BACKOFF_MAX = 64
"""A server that asks for fewer requests gets one in so many rounds at the least."""
DENIED_ROUNDS = 512
"""A server that denies us service is asked again after so many rounds: rules change."""


class Feed:
    """The record of one host; `addresses` empty until its name is resolved."""

    def __init__(self, settings: WatchSettings, rng: random.Random) -> None:
        self.settings = settings
        self.addresses: tuple[Address, ...] = ()
        self.failure = ""
        """Why there is no address; empty while that is not known either."""
        self._rng = rng
        self._place = 0
        self._every = 1  # rounds
        self._skip = 0
        self._left = 0  # requests of this round
        self._begin_anew()

    def _begin_anew(self) -> None:
        settings = self.settings
        self.association = Association(
            self._rng,
            version=settings.version,
            precision_ns=settings.precision_ns,
            interleaved=settings.interleaved,
        )
        self.track = Track(settings.max_drift_ppm)
        self.reach = 0
        """The last eight rounds, newest in the lowest bit: whether they were answered."""
        self.missed = 0
        """Requests since the last answer that were not answered in time."""
        self.kiss = ""
        self.refusal = ""
        self.answered_at: int | None = None
        """When the last answer was accepted, on the steady clock."""
        self.heard_bad: Rejection | None = None
        """Why the last datagram from there was not used; None: it was."""

    @property
    def address(self) -> Address | None:
        """Who is asked."""
        return self.addresses[self._place] if self.addresses else None

    @property
    def is_pending(self) -> bool:
        """Whether its name is still being looked up for the first time."""
        return not self.addresses and not self.failure

    def resolved(self, addresses: Sequence[Address]) -> None:
        """The host's addresses, in order of preference. The one in use stays if it is among them,
        unless it is silent and there are others."""
        current = self.address
        self.addresses = tuple(addresses)
        self.failure = ""
        if current in self.addresses and (self.missed < PATIENCE or len(self.addresses) == 1):
            self._place = self.addresses.index(current)
            return
        others = [place for place, address in enumerate(addresses) if address != current]
        self._place = others[0] if others else 0
        self._begin_anew()

    def ask(self, now: int) -> tuple[NtpPacket, Exchange] | None:
        """The first request of a round; None where there is nobody to ask, or not now."""
        if self.address is None:
            return None
        if self._skip > 0:
            self._skip -= 1
            return None
        self._skip = self._every - 1
        self.reach = self.reach << 1 & (1 << REACH_BITS) - 1
        self._left = self.settings.burst if self._every == 1 else 1
        return self.ask_again(now)

    def ask_again(self, now: int) -> tuple[NtpPacket, Exchange] | None:
        """The next request of this round; None where there are no more."""
        if not self._left or self.address is None:
            return None
        self._left -= 1
        request, exchange = self.association.request()
        exchange.asked_at = now
        return request, exchange

    def give_up_before(self, asked_at: int) -> tuple[bool, int | None]:
        """No longer wait for what was asked until then. Whether the silence has lasted so long
        that the name is worth another look (another address is being asked already); and since
        when an answer is still waited for."""
        waiting = self.association.waiting
        since = self.association.give_up_before(asked_at)
        return self._miss(waiting - self.association.waiting), since

    def refused(self, cookie: int, reason: str) -> bool:
        """The network says that the request cannot arrive; as :meth:`give_up_before`."""
        self.refusal = reason
        return self._miss(self.association.give_up(cookie))

    def _miss(self, count: int) -> bool:
        before, self.missed = self.missed, self.missed + count
        patience = PATIENCE if self.answered_at is not None else PATIENCE_AT_FIRST
        if self.missed // patience == before // patience:
            return False
        if len(self.addresses) > 1:
            self._place = (self._place + 1) % len(self.addresses)
            missed = self.missed
            self._begin_anew()
            self.missed = missed
        return True

    def on_packet(self, packet: NtpPacket, stamp: Stamp, steady_ns: int) -> Gap | None:
        """An answer; a gap where it excludes what was known."""
        verdict = self.association.on_reply(packet, stamp)
        self.heard_bad = verdict.rejection
        if verdict.kiss:
            self._on_kiss(verdict.kiss)
            return None
        if not verdict.accepted:
            return None
        self.reach |= 1
        self.missed, self.kiss, self.refusal = 0, "", ""
        self.answered_at = steady_ns
        return self.track.take(self.association)

    def _on_kiss(self, code: str) -> None:
        """Ask less often, as RFC 5905 section 7.4 has it; of those that deny us, hardly ever."""
        self.kiss, self._left = code, 0
        if code == "RATE":
            self._every = min(2 * self._every, BACKOFF_MAX)
        elif code in STOPPING_KISSES:
            self._every = DENIED_ROUNDS
        self._skip = self._every - 1

    def on_malformed(self) -> None:
        """A datagram came from there that is no NTP."""
        self.association.rejections[Rejection.MALFORMED] += 1
        self.heard_bad = Rejection.MALFORMED
