"""One host that a clock is disciplined by: what it claims, how noisy and how biased it is.

Two things are kept of its answers, as everywhere here:

- **The claim**: where true time minus base can be if this host is honest. It is carried forward by
  what :class:`~clocksync.steering.reach.Reach` knows of the base's frequency, and cut by every
  answer. An answer that misses it means that the host's clock was stepped (or it lies): the claim
  begins anew, and the vote says what that is worth.
- **The reading**: the likeliest offset, for the servo. What an answer's delay exceeds the least one
  by can all be asymmetry, so that is its noise (Mills' clock filter, as weights). Hosts behind
  asymmetric paths differ by constant amounts; a host's usual difference from the others is taken
  out of its readings, so that a servo does not swing between hosts that are asked in turn.
"""

import random
from collections import deque
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from clocksync.ntp.association import Association, Exchange
from clocksync.ntp.checks import Standing as Answered
from clocksync.ntp.estimate import unseen_sending_ns
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.sample import DISTANCE_MAX_NS, Sample
from clocksync.runtime.core import Stamp
from clocksync.runtime.interval import Interval
from clocksync.runtime.mmsg import Address
from clocksync.steering.reach import Anchor, Reach
from clocksync.steering.servo import Reading
from clocksync.steering.settings import DisciplineSettings

UNANSWERED_MAX = 6
"""A host that leaves so many requests in a row unanswered has no vote."""
DELAYS_REMEMBERED = 64
NOISE_LEAST_NS = 50.0
_MEMORY = 0.125
_BIAS_MEMORY = 0.05
OVER_INTERLEAVED_EXPONENT = 1
"""Hosts that are asked every 2 s or more often are asked in interleaved mode: what a later answer
says of an earlier one is worth more than what that ages meanwhile."""


class Standing(StrEnum):
    """What a host is to the clock."""

    UNHEARD = "unheard"
    GOOD = "truechimer"
    FALSETICKER = "falseticker"
    UNDECIDED = "undecided"
    SILENT = "silent"
    UNSYNCHRONISED = "unsynchronised"
    REFUSING = "refusing"


class News(NamedTuple):
    """What an answer brings: its own sample, and the one whose offset nothing will change now."""

    newest: Sample
    final: Sample | None


class Source:
    """The exchanges with one host, and what comes of them."""

    def __init__(
        self,
        number: int,
        addresses: Sequence[Address],
        settings: DisciplineSettings,
        rng: random.Random,
    ) -> None:
        self.number = number
        self.addresses = tuple(addresses)
        self.settings = settings
        self._rng = rng
        self._place = 0
        self.standing = Standing.UNHEARD
        self.reason = ""
        self.claim: Anchor | None = None
        self.unanswered = 0
        self.asked = 0
        self.poll_floor = settings.poll_min
        """Never ask more often than 2^this: raised by a kiss-o'-death."""
        self.denied = False
        self.bias_ns = 0.0
        self.jitter_ns: float | None = None
        self.sample: Sample | None = None
        """The last one that is final."""
        self._delays: deque[int] = deque(maxlen=DELAYS_REMEMBERED)
        self._sendings: deque[Sample] = deque(maxlen=8)
        self._last: Exchange | None = None
        self.association = self._associate()

    @property
    def address(self) -> Address:
        return self.addresses[self._place]

    @property
    def has_vote(self) -> bool:
        """Whether what it claims is of lately."""
        return self.claim is not None and self.unanswered < UNANSWERED_MAX

    @property
    def least_delay_ns(self) -> int:
        return min(self._delays, default=0)

    def _associate(self) -> Association:
        settings = self.settings
        return Association(
            self._rng, settings.version, settings.precision_ns, interleaved=settings.interleaved
        )

    def request(self, exponent: int, now: int) -> tuple[NtpPacket, Exchange]:
        """The next request."""
        basic = exponent > OVER_INTERLEAVED_EXPONENT
        packet, exchange = self.association.request(basic=basic)
        exchange.asked_at = now
        self.asked += 1
        return packet, exchange

    def give_up(self, asked_at: int) -> int | None:
        """Count requests asked until then as unanswered; when the oldest of the others was."""
        waiting = self.association.waiting
        oldest = self.association.give_up_before(asked_at)
        self.unanswered += waiting - self.association.waiting
        return oldest

    def unreachable(self, exchange: Exchange) -> None:
        """The network says that this request cannot arrive."""
        self.unanswered += self.association.give_up(exchange.cookie)

    def void(self) -> None:
        """Stamps from before now and after now are of different clocks: drop what is under way."""
        for cookie in self.association.outstanding:
            self.association.give_up(cookie)
        self._last = None

    def try_next_address(self) -> None:
        """Ask another of the host's addresses, if it has one."""
        if len(self.addresses) > 1:
            self._place = (self._place + 1) % len(self.addresses)
            self.association = self._associate()
            self._last = None
            self.restart()

    def restart(self) -> None:
        """Forget what it said: its clock, or ours, is another one now."""
        self.claim, self.bias_ns, self.jitter_ns = None, 0.0, None
        self._delays.clear()
        self._sendings.clear()

    def on_packet(self, packet: NtpPacket, stamp: Stamp) -> "News | None":
        """What an answer says, and what it says of the one before; None where it says nothing."""
        sent = self.association.find(packet.origin_timestamp)
        verdict = self.association.on_reply(packet, stamp)
        self.association.retire(0)
        if verdict.kiss:
            self._kissed(verdict.kiss)
            return None
        if not verdict.accepted or sent is None:
            return None
        if verdict.standing is not Answered.GOOD:
            self.unanswered, self.claim = 0, None
            self.judge(Standing.UNSYNCHRONISED, "it says that its clock is not synchronised")
            return None
        before, self._last = self._last, sent
        newest = self.association.sample_of(sent)
        if newest.root_distance_ns >= DISTANCE_MAX_NS:
            return None
        self.unanswered = 0
        if before is not None and before.interleaved:
            final: Sample | None = self.association.sample_of(before)
        else:  # an interleaved answer does not tell when it left itself: the next one does
            final = None if sent.departure == packet.receive_timestamp else newest
        return News(newest, final)

    def _kissed(self, code: str) -> None:
        if code == "RATE":
            self.poll_floor = min(self.settings.poll_max, self.poll_floor + 1)
            return
        self.denied, self.claim = code in ("DENY", "RSTR"), None
        self.judge(Standing.REFUSING, f"kiss-o'-death ({code or 'empty code'})")

    def judge(self, standing: Standing, reason: str = "") -> None:
        self.standing, self.reason = standing, reason

    def cut(self, sample: Sample, reach: Reach) -> bool:
        """Take in what a sample claims; False where it contradicts what the host claimed before."""
        truth = sample.truth_within(self.settings.max_drift_ppm)
        claim = self.claim
        if claim is None:
            self.claim = Anchor(sample.t4, truth)
            return True
        at = max(claim.at, sample.t4)
        both = reach.carry(claim.interval, claim.at, at) & reach.carry(truth, sample.t4, at)
        if both is None:
            self.claim = Anchor(sample.t4, truth)
            return False
        self.claim = Anchor(at, both)
        return True

    def claim_at(self, base: int, reach: Reach) -> Interval:
        """Where true time minus base is then, if the host is honest."""
        assert self.claim is not None
        return reach.carry(self.claim.interval, self.claim.at, base)

    def reading(self, sample: Sample, common_bias_ns: float, interval_ns: int) -> Reading:
        """What the servo is told of a sample."""
        if not self._delays:  # a newcomer is as biased as the others until it is known
            self.bias_ns = common_bias_ns
        self.sample = sample
        self._delays.append(sample.delay_ns)
        if sample.sending_ns:
            self._sendings.append(sample)
        least = self.least_delay_ns
        if self.jitter_ns is None:
            self.jitter_ns = max(NOISE_LEAST_NS, sample.delay_ns / 4)
        offset = sample.offset_ns + unseen_sending_ns([*self._sendings, sample], sample) // 2
        excess = (sample.delay_ns - least) / 2
        return Reading(
            at=sample.t4,
            offset_ns=offset - round(self.bias_ns - common_bias_ns),
            noise_ns=max(sample.precision_ns, excess + self.jitter_ns),
            weight=least / sample.delay_ns,
            interval_ns=interval_ns,
        )

    def differed(self, reading: Reading, innovation_ns: float) -> None:
        """A reading differed by that from what was expected: learn jitter and bias from it."""
        assert self.jitter_ns is not None
        trust = self.jitter_ns / max(reading.noise_ns, 1.0)
        clipped = max(-4 * reading.noise_ns, min(4 * reading.noise_ns, innovation_ns))
        self.bias_ns += _BIAS_MEMORY * trust * clipped
        most = max(NOISE_LEAST_NS, self.least_delay_ns / 4)
        spread = min(1.25 * abs(innovation_ns), 4 * self.jitter_ns)
        self.jitter_ns += _MEMORY * trust * (spread - self.jitter_ns)
        self.jitter_ns = min(most, max(NOISE_LEAST_NS, self.jitter_ns))
