"""A host that answers: what others read its clock by.

The smallest core of a host of one's own. It answers probes and asks nothing, so any number of
protocols that read clocks two-way can use one.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

from clocksync.peers.frames import Echo, Probe
from clocksync.peers.twoway import Answerer, EchoLeft
from clocksync.runtime.core import Arrival, Effects, Notify, SilentCore, Stamp

FRAMES = (Probe, Echo)


@dataclass(frozen=True, slots=True)
class Asked:
    """A host has asked for the first time."""

    by: Hashable


@dataclass(slots=True)
class Agent(SilentCore):
    """Answers probes of whoever has the key."""

    answerer: Answerer = field(default_factory=Answerer)
    answers: int = 0
    known: set[Hashable] = field(default_factory=set)

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        if not isinstance(arrival.frame, Probe):
            return []
        self.answers += 1
        answer = self.answerer.on_probe(arrival.sender, arrival.frame, arrival.stamp)
        if arrival.sender in self.known:
            return [answer]
        self.known.add(arrival.sender)
        return [answer, Notify(Asked(arrival.sender))]

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        if isinstance(tag, EchoLeft):
            self.answerer.on_sent(tag, stamp)
        return []
