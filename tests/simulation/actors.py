"""Small cores for the simulator's own tests."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from clocksync.runtime.core import Arrival, Effects, Notify, Send, SetTimer, SilentCore, Stamp
from clocksync.runtime.wire import U32, Frame


@dataclass(frozen=True, slots=True)
class Ping(Frame):
    """A numbered something."""

    KIND: ClassVar[int] = 1
    round: Annotated[U32, "which one"]


@dataclass(frozen=True, slots=True)
class Pong(Frame):
    """Its answer."""

    KIND: ClassVar[int] = 2
    round: Annotated[U32, "which one"]


@dataclass(frozen=True, slots=True)
class Heard:
    """A frame came in: which, from whom, when."""

    round: int
    sender: object
    stamp: Stamp
    now: int


class Listener(SilentCore):
    """Tells of everything it hears, and of every stamp and refusal."""

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        return [Notify(Heard(arrival.frame.round, arrival.sender, arrival.stamp, now))]

    def on_sent(self, tag, stamp, now: int) -> Effects:
        return [Notify(("stamp", tag, stamp, now))]

    def on_refused(self, to, tag, reason: str, now: int) -> Effects:
        return [Notify(("refused", to, tag, reason))]

    def on_timer(self, timer, now: int) -> Effects:
        return [Notify(("timer", timer, now))]

    def say(self, to, number: int, tag=None) -> Effects:
        return [Send(to, Ping(number), tag)]

    def alarm(self, timer, after: int) -> Effects:
        return [SetTimer(timer, after)]


@dataclass
class Talker(Listener):
    """Sends `count` pings to each of `peers`, one every `every_ns`, answers each with a pong."""

    peers: list
    count: int = 10
    every_ns: int = 1_000_000
    done: int = field(default=0)

    def start(self, now: int) -> Effects:
        return [SetTimer("talk", self.every_ns)]

    def on_timer(self, timer, now: int) -> Effects:
        self.done += 1
        again = [SetTimer("talk", self.every_ns)] if self.done < self.count else []
        return [Send(peer, Ping(self.done), tag=self.done) for peer in self.peers] + again

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        told = super().on_frame(arrival, now)
        match arrival.frame:
            case Ping(number):
                return [*told, Send(arrival.sender, Pong(number))]
            case _:
                return told


def rounds(world, address) -> list[int]:
    """The numbers a node heard, in order."""
    return [event.round for event in world.events(address) if isinstance(event, Heard)]
