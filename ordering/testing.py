"""Testing programs that use ``ordering``: the simulator, a group in it, and the judges.

>>> run = play(seed=3, order=Order.TOTAL)
>>> judge(run.observed, Order.TOTAL)
[]

:class:`Simulated` puts a group into a world of one's own; :func:`play` draws a whole scenario from
a seed: members, what they multicast and answer, and what goes wrong.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import get_args
from zlib import crc32

from clocksync.runtime.core import Effects
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.simulation import (
    Boot,
    DeclaredFrames,
    Exponential,
    Fault,
    Link,
    World,
    inflict,
    random_faults,
    shrink,
)
from clocksync.runtime.simulation.faults import Kind
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from clocksync.runtime.wire import Frame
from ordering.multicast.member import Delivered, Member, MemberSettings, Previewed
from ordering.multicast.order import Order
from ordering.multicast.properties import Observed, What, judge

__all__ = [
    "Member",
    "MemberSettings",
    "Observed",
    "Order",
    "Played",
    "Scenario",
    "Simulated",
    "What",
    "World",
    "draw",
    "inflict",
    "judge",
    "play",
    "random_faults",
    "replay",
    "shrink",
]

HARMLESS: tuple[Kind, ...] = tuple(
    kind for kind in get_args(Kind) if kind not in ("crash", "restart")
)
"""Kinds of fault after which everything must be delivered in the end."""

QUIET_AFTER_NS = 120 * SECOND


class CheckedFrames(DeclaredFrames):
    """Declared frames behind a checksum, as on real sockets, so that corruption is loss."""

    def encode(self, frame: Frame) -> bytes:
        data = super().encode(frame)
        return crc32(data).to_bytes(4, "big") + data

    def decode(self, data: bytes | memoryview) -> Frame:
        if crc32(data[4:]).to_bytes(4, "big") != data[:4]:
            raise MalformedFrame("bad checksum")
        return super().decode(data[4:])


class Simulated:
    """A group in a world. `answers` makes members answer some deliveries, so that messages have
    causes: each with that probability, as long as fewer than `messages_max` were multicast."""

    def __init__(
        self,
        world: World,
        members: Iterable[int],
        settings: MemberSettings,
        *,
        answers: float = 0.0,
        messages_max: int = 0,
        piece_bytes: int = 200,
    ) -> None:
        self.world = world
        # Long enough that no run of lost answers keeps a member that leaves from its rest.
        self.settings = replace(settings, linger_ns=30 * SECOND)
        self.members = tuple(sorted(members))
        self.observed = Observed({member: [] for member in self.members})
        self._answers, self._messages_max = answers, messages_max
        self._piece_bytes = piece_bytes
        self._random = Random(f"{world.seed}/application")
        self._sent = 0
        for member in self.members:
            world.add(member, self._boot, application=self._hear)

    def _boot(self, boot: Boot) -> Member:
        if boot.incarnation > 1:
            self.observed.crashed.add(self.number(boot.address))
        return Member(
            self.number(boot.address), self.members, boot.random, self.settings, self._piece_bytes
        )

    def core(self, member: int) -> Member:
        """The core of a member, as it is now."""
        core = self.world.node(member).core
        assert isinstance(core, Member)
        return core

    def multicast(self, member: int, size: int = 0) -> None:
        """Let a member multicast a message of its own kind, of at least `size` bytes."""
        if member in self.observed.crashed | self.observed.left:
            return  # a new life of a member that died is nobody any more
        text = b"%d from %d" % (self._sent, member)
        message = text.ljust(size, b".")

        def verb(core: Member, now: int) -> Effects:
            self._sent += 1
            self.observed.logs[member].append((What.MULTICAST, member, message))
            return core.multicast([message], now)

        self.world.call(member, verb, "multicast")

    def crash(self, member: int) -> None:
        """Kill a member."""
        self.observed.crashed.add(member)
        self.world.crash(member)

    def leave(self, member: int) -> None:
        """Let a member leave, and end its process as soon as it may."""
        if member in self.observed.crashed | self.observed.left:
            return
        if self.world.call(member, lambda core, now: core.leave(), "leave"):
            self.observed.left.add(member)
            self._end(member)

    def _end(self, member: int) -> None:
        if member in self.observed.crashed:
            return
        if self.core(member).has_left(self.world.node(member).monotonic.read()):
            self.world.crash(member)
        else:
            self.world.after(10 * MILLISECOND, partial(self._end, member))

    def _hear(self, address: Hashable, event: object) -> None:
        member = self.number(address)
        if not isinstance(event, Delivered | Previewed) or member in self.observed.crashed:
            return
        what = What.DELIVERED if isinstance(event, Delivered) else What.PREVIEWED
        for batch in event.batches:
            for message in batch.messages:
                self.observed.logs[member].append((what, batch.origin, message))
                # Only others' messages are answered, or answers would never end.
                is_answered = batch.origin != member and self._random.random() < self._answers
                if is_answered and self._sent < self._messages_max:
                    self.multicast(member, self._random.choice((0, 0, 0, 500)))

    @staticmethod
    def number(address: Hashable) -> int:
        assert isinstance(address, int)
        return address


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is drawn from a seed, apart from what the network does."""

    seed: int
    members: int
    link: Link
    sends: tuple[tuple[int, int, int], ...]
    """(when, member, size) of each message that is no answer."""
    faults: tuple[Fault, ...]
    leaves: tuple[tuple[int, int], ...]
    """(when, member) of each that leaves; 1 and 2 stay, as one of them may be the sequencer."""
    until_ns: int


@dataclass(slots=True)
class Played:
    """A scenario that was run."""

    scenario: Scenario
    observed: Observed
    world: World
    group: Simulated


def draw(seed: int, kinds: Sequence[Kind] = HARMLESS) -> Scenario:
    """The scenario of a seed."""
    random = Random(f"{seed}/multicast scenario")
    members = random.randint(2, 5)
    until = 40 * MILLISECOND
    link = Link(
        delay=Exponential(50 * MICROSECOND, random.choice((20, 300, 2000)) * MICROSECOND),
        loss=random.choice((0.0, 0.02, 0.2)),
        duplicate=random.choice((0.0, 0.1)),
        reorder=random.choice((0.0, 0.2)),
    )
    sends = sorted(
        (random.randrange(until), random.randint(1, members), random.choice((0, 0, 0, 600)))
        for _ in range(random.randint(4, 16))
    )
    numbers = list(range(1, members + 1))
    faults = random_faults(random, numbers, until, kinds, count=random.randint(0, 4))
    leaving = [number for number in numbers[2:] if random.random() < 0.2]
    leaves = tuple((random.randrange(until), number) for number in leaving)
    return Scenario(seed, members, link, tuple(sends), tuple(faults), leaves, until)


def replay(scenario: Scenario, settings: MemberSettings) -> Played:
    """Run a scenario to its end, or until it is clear that it has none."""
    world = World(scenario.seed, link=scenario.link, codec=CheckedFrames())
    group = Simulated(world, range(1, scenario.members + 1), settings, answers=0.4, messages_max=40)
    for when, member, size in scenario.sends:
        world.at(when, partial(group.multicast, member, size))
    for fault in scenario.faults:
        if fault.kind in ("crash", "restart"):
            for node in fault.nodes:
                world.at(fault.at_ns, partial(group.crash, Simulated.number(node)))
    for when, member in scenario.leaves:
        world.at(when, partial(group.leave, member))
    inflict(world, scenario.faults)
    world.run(scenario.until_ns)
    world.heal()
    for member in group.members:
        world.resume(member)
    dead = group.observed.crashed
    limit = QUIET_AFTER_NS if not dead else world.now + 20 * SECOND
    group.observed.is_quiet = world.run_quiet(limit)
    living = [group.core(member) for member in group.members if member not in dead]
    group.observed.is_flowing = all(core.has_begun and not core.backlog_bytes for core in living)
    return Played(scenario, group.observed, world, group)


def play(
    seed: int,
    order: Order,
    settings: MemberSettings | None = None,
    kinds: Sequence[Kind] = HARMLESS,
) -> Played:
    """Run the scenario of a seed."""
    return replay(draw(seed, kinds), settings or MemberSettings(order=order))
