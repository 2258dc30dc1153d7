"""A small protocol over :mod:`clocksync.peers`, for its tests: one asks, others answer."""

from dataclasses import dataclass, field

from clocksync.peers.frames import Echo, Probe
from clocksync.peers.sealed import EVERYBODY
from clocksync.peers.twoway import Answerer, Asker, EchoLeft, ProbeLeft
from clocksync.runtime.core import Notify, Send, SetTimer, SilentCore
from clocksync.runtime.units import MILLISECOND

FRAMES = (Probe, Echo)


@dataclass
class Talker(SilentCore):
    """Answers probes; asks those it is told to, or everybody, until it has been answered often."""

    to: object = None
    wanted: int = 0
    every_ns: int = 5 * MILLISECOND
    heard: list = field(default_factory=list)
    askers: dict = field(default_factory=dict)
    answerer: Answerer = field(default_factory=Answerer)

    def start(self, now):
        return self.on_timer("ask", now) if self.to is not None else []

    def on_timer(self, timer, now):
        if self.to is EVERYBODY or not isinstance(self.to, int):
            sends = [Send(self.to, Probe(now))]
        else:
            sends = [self.asker(self.to).ask()]
        return [*sends, SetTimer("ask", self.every_ns)]

    def asker(self, peer):
        return self.askers.setdefault(peer, Asker(peer, 1_000_000))

    def on_frame(self, arrival, now):
        is_new = arrival.sender not in {sender for sender, _ in self.heard}
        self.heard.append((arrival.sender, arrival.frame))
        return [Notify(("heard", arrival.sender))] * is_new + self._take(arrival)

    def _take(self, arrival):
        if isinstance(arrival.frame, Probe):
            return [self.answerer.on_probe(arrival.sender, arrival.frame, arrival.stamp)]
        asker = self.asker(arrival.sender)
        if not isinstance(self.to, int) and self.to is not EVERYBODY:
            self.to = arrival.sender  # now we know its number
        asker.on_echo(arrival.frame, arrival.stamp)
        done = len(asker.samples) == self.wanted
        return [Notify(("done", arrival.sender))] if done else []

    def on_sent(self, tag, stamp, now):
        if isinstance(tag, ProbeLeft):
            self.asker(tag.peer).on_sent(tag, stamp)
        elif isinstance(tag, EchoLeft):
            self.answerer.on_sent(tag, stamp)
        return []
