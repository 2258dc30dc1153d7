"""Asking one address: when to ask, when to stop.

A prober is the schedule around one :class:`~clocksync.ntp.association.Association`. It asks
`samples` times, `interval` apart (or, with interval 0, as soon as the answer is there), waits
`timeout` for each answer, and stops early when told to: a kiss-o'-death (RFC 8633 section 3.4), or
a port that refuses twice before anything ever answered. It is no core of its own but the part of
:class:`~clocksync.measuring.survey.Survey` that belongs to one address.
"""

import random
from dataclasses import dataclass

from clocksync.measuring.settings import MeasureSettings
from clocksync.ntp.association import Association
from clocksync.ntp.authentication import Authenticator
from clocksync.ntp.checks import Rejection
from clocksync.ntp.packet import NtpPacket
from clocksync.runtime.core import CancelTimer, Effects, Notify, Send, SetTimer, Stamp
from clocksync.runtime.mmsg import Address
from clocksync.runtime.records import maker
from clocksync.runtime.units import MILLISECOND

REFUSALS_MAX = 2
"""An address that refuses this often before it ever answered is given up. More than one, because
a refusal is no proof: anybody can send one."""
STOPPING_KISSES = frozenset({"DENY", "RSTR", "RATE"})


LONG_INTERVAL_NS = 10 * MILLISECOND
"""From here on drift between two requests can outweigh what interleaved mode gains."""

ProberTimer = tuple[Address, bool]
"""A prober's two timers: (address, ``ASK``) and (address, ``ANSWER``). Plain tuples and only two,
because datagrams are many: the second one watches the oldest request, and is set anew when it
rings."""
ASK, ANSWER = True, False
_make_send = maker(Send)


@dataclass(frozen=True, slots=True)
class KeysWanted:
    """The authenticator of an address needs new keys; it is asked no more until it has them."""

    address: Address


class Prober:
    """The measurement of one address, and afterwards its record. With an `authenticator` requests
    are sealed, and answers that it does not find authentic are counted and go no further."""

    def __init__(
        self,
        address: Address,
        settings: MeasureSettings,
        rng: random.Random,
        authenticator: Authenticator | None = None,
    ) -> None:
        self.address = address
        self.authenticator = authenticator
        self.settings = settings
        self.association = Association(
            rng,
            version=settings.version,
            precision_ns=settings.precision_ns,
            interleaved=settings.interleaved,
        )
        self.finished = False
        self.kiss = ""
        self.refusals = 0
        self.refusal = ""
        self.failure = ""
        """Why it had to be given up, where that was not the network's doing."""
        self.heard = False
        """Whether any datagram came from there, of whatever kind."""
        self._watching = False
        self._waits_for_keys = False

    @property
    def has_answered(self) -> bool:
        """Whether it gave an answer in good standing: then its host looks no further."""
        return self.association.good > 0

    def start(self, now: int) -> Effects:
        return self._ask(now)

    def _ask(self, now: int) -> Effects:
        if self.finished or self.association.asked >= self.settings.samples:
            return []
        authenticator = self.authenticator
        if authenticator is not None and authenticator.must_rekey:
            return self._want_keys(authenticator)
        request, exchange = self.association.request(basic=self._must_end_fresh())
        exchange.asked_at = now
        if authenticator is not None:
            request = authenticator.seal(request)
        effects: Effects = [_make_send(self.address, request, tag=exchange)]
        if not self._watching:
            self._watching = True
            effects.append(SetTimer((self.address, ANSWER), self.settings.timeout_ns))
        if self.settings.interval_ns and self.association.asked < self.settings.samples:
            effects.append(SetTimer((self.address, ASK), self.settings.interval_ns))
        return effects

    def _want_keys(self, authenticator: Authenticator) -> Effects:
        if self._waits_for_keys:
            return []
        if authenticator.is_exhausted:
            return self.abandon("it accepts none of the cookies that it gives")
        self._waits_for_keys = True
        return [Notify(KeysWanted(self.address))]

    def rekeyed(self, now: int) -> Effects:
        """The authenticator has new keys: go on."""
        self._waits_for_keys = False
        return self._ask(now)

    def abandon(self, reason: str) -> Effects:
        """Ask no more, because that would be of no use."""
        self.failure = reason
        return self.stop()

    def _must_end_fresh(self) -> bool:
        """Whether this is the last request and the one before it long ago. An interleaved answer
        tells the precise departure of the answer *before*; to bound the offset now, a less precise
        one that tells its own is worth more than what drift has made of the others since."""
        is_last = self.association.asked == self.settings.samples - 1
        return is_last and self.settings.interval_ns >= LONG_INTERVAL_NS

    def on_timer(self, timer: ProberTimer, now: int) -> Effects:
        if timer[1] is ASK:
            return self._ask(now)
        self._watching = False
        if self.finished:
            return []
        waiting = self.association.waiting
        oldest = self.association.give_up_before(now - self.settings.timeout_ns)
        effects: Effects = []
        if oldest is not None:
            self._watching = True
            due = oldest + self.settings.timeout_ns - now
            effects.append(SetTimer((self.address, ANSWER), due))
        if self.association.waiting < waiting:
            effects += self._go_on(now)
        return effects

    def on_packet(self, packet: NtpPacket, stamp: Stamp, now: int) -> Effects:
        self.heard = True
        if self.authenticator is not None:
            rejection = self.authenticator.open(packet)
            if rejection is not None:
                self.association.rejections[rejection] += 1
                return []
        verdict = self.association.on_reply(packet, stamp)
        if not verdict.cookie:
            return []
        if verdict.kiss:
            self.kiss = verdict.kiss
            if verdict.kiss in STOPPING_KISSES:
                return self.stop()
        return self._go_on(now)

    def on_malformed(self) -> None:
        self.heard = True
        self.association.rejections[Rejection.MALFORMED] += 1

    def on_refused(self, cookie: int, reason: str, now: int) -> Effects:
        if self.finished or not self.association.is_waiting_for(cookie):
            return []
        self.refusals += 1
        self.refusal = reason
        if self.refusals >= REFUSALS_MAX and not self.heard:
            return self.stop()
        self.association.give_up(cookie)
        return self._go_on(now)

    def _go_on(self, now: int) -> Effects:
        """A request was settled: ask the next one, or notice that it was the last."""
        if self.association.asked >= self.settings.samples:
            self.finished = not self.association.waiting
            return []
        return [] if self.settings.interval_ns else self._ask(now)

    def stop(self) -> Effects:
        """Ask no more."""
        self.finished = True
        return [CancelTimer((self.address, ASK))]
