"""A receiver of reference broadcasts on sockets.  [I/O]

::

    network = PeerSettings(id=2, listen=("10.0.0.2", 3190), key_file="fleet.key",
                           multicast=("239.192.0.7", 3191))
    async with ReferenceBroadcasts([network], ReceiverSettings(broadcasts=100)) as receiver:
        await receiver.ended()
        receiver.convert(reading, a=2, b=3)      # an Interval: what clock 3 shows

A receiver that hears beacons on several networks, or in several groups, has a socket on each and
one core behind all: what it knows goes to all of them, and to a host by the network where that was
heard last.
"""

import asyncio
import os
from collections.abc import Hashable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from clocksync.peers.endpoint import Endpoint, PeerSettings
from clocksync.peers.sealed import EVERYBODY
from clocksync.rbs.receiver import FRAMES, BroadcastHeard, Ended, Receiver, ReceiverSettings
from clocksync.rbs.relation import Relation
from clocksync.runtime.core import Arrival, Effect, Effects, Send, SilentCore, Stamp
from clocksync.runtime.errors import BadConfig, NotSynchronised
from clocksync.runtime.interval import Interval
from clocksync.runtime.udp import StampClock


def draw(bits: int) -> int:
    """An unpredictable number, not 0."""
    return int.from_bytes(os.urandom(bits // 8), "big") or 1


class ReferenceBroadcasts:
    """A receiver, from ``async with`` to its end. Not to be shared by threads.

    Args:
        networks: where it listens: for each its address, its multicast group and key. All by one
            number.
        settings: how it goes about it.
        clock: what stamps are told in: the system's wall clock, or one that is wrong on purpose.
        kernel_stamps: False keeps to this program's own readings, for comparison.

    Raises:
        BadConfig: no network, one without a group, or two numbers.
    """

    def __init__(
        self,
        networks: Sequence[PeerSettings],
        settings: ReceiverSettings | None = None,
        *,
        clock: StampClock | None = None,
        kernel_stamps: bool = True,
    ) -> None:
        if not networks or any(network.multicast is None for network in networks):
            raise BadConfig("a receiver needs the multicast group of each network it is to hear")
        if len({network.id for network in networks}) > 1:
            raise BadConfig("one receiver has one number, on all its networks")
        self.core = Receiver(networks[0].id, draw(32), settings or ReceiverSettings())
        self.legs = [
            Endpoint(
                _Leg(self, place),
                FRAMES,
                network,
                clock=clock,
                on_event=self._on_event,
                kernel_stamps=kernel_stamps,
            )
            for place, network in enumerate(networks)
        ]
        self.reached_by: dict[int, int] = {}
        """By which network each of the others was heard last."""
        self._stack = AsyncExitStack()
        self._ended = asyncio.Event()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    async def ended(self) -> Ended:
        """Wait until it has heard what it was to hear, and why it ended."""
        await self._ended.wait()
        assert self.core.ended is not None, "it says why it ended"
        return self.core.ended

    async def heard(self, count: int) -> None:
        """Wait until it has heard so many broadcasts, or has ended."""
        if self.core.count >= count or self._ended.is_set():
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((count, done))
        await done

    def finish(self) -> None:
        """Let it exchange last reports and end."""
        self.legs[0].call(self.core.finish)

    def relations(self) -> list[Relation]:
        """Every pair of clocks of which anything is known."""
        return self.core.relations()

    def convert(self, reading: int, a: int, b: int) -> Interval:
        """What b's clock shows when a's shows `reading`, ns since the Unix epoch.

        Raises:
            NotSynchronised: nothing is known of the two.
        """
        found = self.core.convert(reading, a, b)
        if found is None:
            raise NotSynchronised(f"nothing is known of the clocks of {a} and {b}")
        return found

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            # The first leg runs the core's timers and starts it: the others are open by then.
            for leg in reversed(self.legs):
                await stack.enter_async_context(leg)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def _on_event(self, event: object) -> None:
        is_over = isinstance(event, Ended)
        if is_over:
            self._ended.set()
        elif not isinstance(event, BroadcastHeard):
            return
        waiting, self._waiting = self._waiting, []
        for count, done in waiting:
            if not is_over and count > self.core.count:
                self._waiting.append((count, done))
            elif not done.done():
                done.set_result(None)

    def carried(self, effects: Effects, leg: int) -> list[Effect]:
        """Of the core's effects those that this network carries out; the rest goes elsewhere."""
        own: list[Effect] = []
        for effect in effects:
            for place in self._places(effect):
                if place == leg:
                    own.append(effect)
                else:
                    self._elsewhere(place, effect)
        return own

    def _places(self, effect: Effect) -> Sequence[int]:
        if not isinstance(effect, Send):
            return (0,)
        if effect.to is EVERYBODY:
            return range(len(self.legs))
        return (self.reached_by.get(effect.to, 0) if isinstance(effect.to, int) else 0,)

    def _elsewhere(self, place: int, effect: Effect) -> None:
        self.legs[place].call(lambda now: [effect])


class _Leg(SilentCore):
    """What one network's socket drives: hands inputs to the one core, and sees to its effects."""

    def __init__(self, whole: ReferenceBroadcasts, place: int) -> None:
        self._whole, self._place = whole, place

    def start(self, now: int) -> Effects:
        if self._place:
            return []
        return self._whole.carried(self._whole.core.start(now), self._place)

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        if isinstance(arrival.sender, int):
            self._whole.reached_by[arrival.sender] = self._place
        effects = self._whole.core.on_frame(arrival, now)
        return self._whole.carried(effects, self._place) if effects else []

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        return self._whole.carried(self._whole.core.on_timer(timer, now), self._place)

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        return self._whole.core.on_sent(tag, stamp, now)
