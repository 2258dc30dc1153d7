"""The measurement of many hosts as one core.

A *host* is what the user named; it may have several addresses. They are tried in order, each with
a head start over the next (RFC 8305), until one answers in good standing; the others then fall
silent, and the row of the host is that of the address that answered. An address is asked once,
however many hosts share it.

The same object runs over sockets and in the simulator. It is told addresses by :meth:`Survey.add`
(names are resolved outside) and says by events how far it is; :meth:`Survey.rows` is what came of
it.
"""

import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, cast

from clocksync.measuring.prober import Prober, ProberTimer
from clocksync.measuring.settings import MeasureSettings
from clocksync.ntp.association import Exchange
from clocksync.ntp.authentication import Authenticator
from clocksync.ntp.packet import NtpPacket
from clocksync.runtime.core import (
    Arrival,
    CancelTimer,
    Effects,
    Notify,
    SetTimer,
    SilentCore,
    Stamp,
)
from clocksync.runtime.mmsg import Address


@dataclass(frozen=True, slots=True)
class HostSettled:
    """A host needs no more requests."""

    host: int


@dataclass(slots=True)
class _Host:
    """One row: its addresses in order of preference, and whose record it will be."""

    addresses: tuple[Address, ...]
    settings: MeasureSettings
    authenticator: Authenticator | None = None
    tried: int = 0
    settled: bool = False


class _NextAddress(NamedTuple):
    """The timer after which a host's next address gets its turn."""

    host: int


@dataclass(slots=True)
class Survey(SilentCore):
    """Measures all hosts that are added to it.

    Args:
        settings: how to measure.
        rng: where the cookies come from: an
            ``UnpredictableRandom`` on a network.
    """

    settings: MeasureSettings
    rng: random.Random
    probers: dict[Address, Prober] = field(default_factory=dict)
    strays: int = 0
    """Datagrams from addresses that nobody asked."""
    _hosts: dict[int, _Host] = field(default_factory=dict)
    _hosts_of: dict[Address, list[int]] = field(default_factory=dict)
    _last_answer: Stamp | None = None

    @property
    def last_answer(self) -> Stamp | None:
        """The latest arrival of a usable answer: the end of the actual measuring."""
        return self._last_answer

    def add(
        self,
        host: int,
        addresses: Sequence[Address],
        after_ns: int,
        now: int,
        authenticator: Authenticator | None = None,
        samples: int | None = None,
    ) -> Effects:
        """Measure a host, first asked `after_ns` from now; `host` is the caller's number for it.
        With `addresses` in order of preference, at least one; `samples` where not as for all. An
        address that hosts share is asked as the first of them wants, with its authenticator."""
        settings = self.settings if samples is None else replace(self.settings, samples=samples)
        self._hosts[host] = _Host(tuple(addresses), settings, authenticator)
        for address in addresses:
            self._hosts_of.setdefault(address, []).append(host)
        if after_ns:
            return [SetTimer(_NextAddress(host), after_ns)]
        return self._try_next(host, now)

    def _try_next(self, number: int, now: int) -> Effects:
        host = self._hosts[number]
        if host.settled or host.tried >= len(host.addresses):
            return []
        address = host.addresses[host.tried]
        host.tried += 1
        effects: Effects = []
        if host.tried < len(host.addresses):
            effects.append(SetTimer(_NextAddress(number), self.settings.stagger_ns))
        prober = self.probers.get(address)
        if prober is None:
            prober = Prober(address, host.settings, self.rng, host.authenticator)
            self.probers[address] = prober
            effects += prober.start(now)
        return effects + self._after(prober, False, now)

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        prober = self.probers.get(cast(Address, arrival.sender))
        if prober is None or not isinstance(arrival.frame, NtpPacket):
            self.strays += 1
            return []
        if prober.finished:
            return []
        association = prober.association
        had_answered, answers = prober.has_answered, association.answered
        effects: Effects = prober.on_packet(arrival.frame, arrival.stamp, now)
        if association.answered > answers:
            self._last_answer = arrival.stamp
        if had_answered and not prober.finished:  # nothing new, as nearly always
            return effects
        return effects + self._after(prober, had_answered, now)

    def on_malformed(self, sender: Hashable, now: int) -> Effects:
        prober = self.probers.get(cast(Address, sender))
        if prober is not None:
            prober.on_malformed()
        return []

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        cast(Exchange, tag).left(stamp)
        return []

    def on_refused(self, to: Hashable, tag: Hashable, reason: str, now: int) -> Effects:
        address, cookie = cast(Address, to), cast(Exchange, tag).cookie
        prober = self.probers[address]
        had_answered = prober.has_answered
        effects = prober.on_refused(cookie, reason, now)
        for number in self._hosts_of[address]:  # no need for the head start to run out
            host = self._hosts[number]
            if host.tried and host.addresses[host.tried - 1] == address:
                effects += [CancelTimer(_NextAddress(number)), *self._try_next(number, now)]
        return effects + self._after(prober, had_answered, now)

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        if isinstance(timer, _NextAddress):
            return self._try_next(timer.host, now)
        timer = cast(ProberTimer, timer)
        prober = self.probers[timer[0]]
        had_answered = prober.has_answered
        return prober.on_timer(timer, now) + self._after(prober, had_answered, now)

    def rekeyed(self, address: Address, now: int) -> Effects:
        """The authenticator of that address has the new keys that were wanted."""
        return self.probers[address].rekeyed(now)

    def abandon(self, address: Address, reason: str, now: int) -> Effects:
        """There are no new keys for that address, and why."""
        prober = self.probers[address]
        return prober.abandon(reason) + self._after(prober, prober.has_answered, now)

    def close(self) -> Effects:
        """Stop asking: the time is up, or the user had enough."""
        effects: Effects = []
        for number, host in self._hosts.items():
            host.tried = len(host.addresses)  # no other address gets its turn
            effects.append(CancelTimer(_NextAddress(number)))
        for prober in self.probers.values():
            if not prober.finished:
                effects += prober.stop()
        return effects

    def prober_of(self, host: int) -> Prober | None:
        """Whose record is the host's row: the address that answered, or else the one that came
        closest to it (usable, then heard, then first)."""
        known = self._hosts.get(host)
        if known is None:
            return None
        tried = [self.probers[a] for a in known.addresses if a in self.probers]
        return max(tried, key=_closeness, default=None)

    def _after(self, prober: Prober, had_answered: bool, now: int) -> Effects:
        """After anything happened to an address: what it means for the hosts that share it."""
        effects: Effects = []
        if prober.has_answered and not had_answered:
            for number in self._hosts_of[prober.address]:
                if self._hosts[number].tried:
                    effects += self._silence_others(number, prober)
        if prober.finished:
            for number in self._hosts_of[prober.address]:
                effects += self._settle(number, prober, now)
        return effects

    def _settle(self, number: int, finished: Prober, now: int) -> Effects:
        host = self._hosts[number]
        if host.settled or not host.tried:
            return []
        if not finished.has_answered and not self._is_exhausted(host):
            return [CancelTimer(_NextAddress(number)), *self._try_next(number, now)]
        host.settled = True
        return [Notify(HostSettled(number))]

    def _is_exhausted(self, host: _Host) -> bool:
        """Whether nothing more can come of any of the host's addresses."""
        return host.tried >= len(host.addresses) and all(
            self.probers[address].finished for address in host.addresses if address in self.probers
        )

    def _silence_others(self, number: int, chosen: Prober) -> Effects:
        host = self._hosts[number]
        if len(host.addresses) == 1:
            return []
        effects: Effects = [CancelTimer(_NextAddress(number))]
        host.tried = len(host.addresses)
        for address in host.addresses:
            other = self.probers.get(address)
            if other is None or other is chosen or other.finished:
                continue
            wanted = any(
                not self._hosts[n].settled and n != number for n in self._hosts_of[address]
            )
            if not wanted:
                effects += other.stop()
        return effects


def _closeness(prober: Prober) -> tuple[bool, bool, bool, bool]:
    association = prober.association
    return (
        prober.has_answered,
        bool(association.answered or prober.kiss),
        prober.heard,
        prober.refusals > 0,
    )
