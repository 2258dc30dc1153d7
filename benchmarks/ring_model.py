"""What a rotation costs, and simulated rings that cost it.  [I/O]

The model (after Agarwal's thesis on Totem): with `b` what passing the token on costs and `c` what a
message costs, a ring of N members rotates in

    T0 = N * b              when there is nothing to send,
    T1 = N * b + m * c      when each rotation is full of `m` messages,

and carries m / T1 messages/s. `m` is set by flow control (``RingConfig.window`` datagrams) and does
not depend on N. `b` and `c` are fitted to two runs of three members (:func:`fitted`).

There are two values of `c`. On one machine all members share the processors, so that a message
costs N / 3 of what it costs three; between machines it costs what its handling takes of the
busiest member's own processor. What the model leaves out: without IP multicast sending is a copy
for each other member, and `c` grows with N by one system call for 40 datagrams and member.

Simulated (:func:`simulated`): the ring's own code in virtual time. The simulator knows how long a
datagram is under way, and no processing; so each member is a server that takes one datagram at a
time: a token occupies it for `b`, a datagram of messages for `c` times what is in it, and a
datagram under way arrives when the receiver is through with it. No cost is put anywhere else: what
comes out above or below the model is what the protocol does, such as letting the last frames of a
visit follow the token.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from clocksync.runtime.core import Effects
from clocksync.runtime.interval import Interval
from clocksync.runtime.simulation import Boot, Link, World
from clocksync.runtime.units import MICROSECOND, SECOND
from vsync.bench.run import Result
from vsync.config import RingConfig
from vsync.engine import Engine
from vsync.events import (
    Accepted,
    Configuration,
    Effect,
    Messages,
    Ordered,
    Promised,
    SendTo,
    Submit,
)
from vsync.frames import Data, Token
from vsync.simulation.node import EVERYBODY, Plain, RingNode

FITTED_TO = 3
FILL_EVERY_NS = 200 * MICROSECOND
ON_THEIR_WAY_BYTES = 3_000_000
WARM_ROTATIONS, ROTATIONS = 5, 20
LONGEST_START_NS = 60 * SECOND
_KIND_AT = 3  # magic, version, kind: the toolkit's envelope


@dataclass(frozen=True, slots=True)
class Costs:
    """The parameters of the model, in seconds."""

    size: int
    hop: float
    """`b`"""
    message: float
    """`c` of three members on this machine"""
    message_own: float
    """`c` of a member with a processor of its own"""
    per_rotation: float
    """`m`"""
    cores: int

    def rotation(self, members: int) -> float:
        """T1 with all members on this machine."""
        shared = max(members, self.cores) / max(FITTED_TO, self.cores)
        return members * self.hop + self.per_rotation * self.message * shared

    def rotation_own(self, members: int) -> float:
        """T1 with a machine for each member."""
        return members * self.hop + self.per_rotation * self.message_own


def fitted(light: Result, full: Result, cores: int) -> Costs:
    """The costs that explain two runs of three members.

    Args:
        light: one message on its way, so that the token is never held and carries next to nothing.
        full: as much as the ring takes.
    """
    hop = 1 / (FITTED_TO * light.rotations_per_second)
    per_rotation = full.messages_per_second / full.rotations_per_second
    message = (1 / full.rotations_per_second - FITTED_TO * hop) / per_rotation
    cpu_of_a_visit = max(light.cpu_percent) / 100 / light.rotations_per_second
    cpu = max(full.cpu_percent) / 100 - cpu_of_a_visit * full.rotations_per_second
    own = cpu / full.messages_per_second
    return Costs(full.size, hop, max(message, 0.0), max(own, 0.0), per_rotation, cores)


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a simulated ring did."""

    rotation: float
    """Seconds."""
    messages_per_second: float


def simulated(members: int, costs: Costs, seed: int = 1) -> Simulated:
    """A full ring in virtual time, each member with a processor of its own."""
    world = _Busy(seed, costs).world
    config = RingConfig.within(SECOND)
    on_their_way = max(4, ON_THEIR_WAY_BYTES // (costs.size + 2) // members)
    for me in range(1, members + 1):
        world.add(me, partial(_boot, world, config, on_their_way, bytes(costs.size)))
    world.group(EVERYBODY, range(1, members + 1))
    everybody = tuple(range(1, members + 1))
    nodes = {me: world.node(me) for me in everybody}

    def member(me: int) -> _Member:
        core = nodes[me].core
        assert isinstance(core, _Member), "all nodes of this world are members"
        return core

    def together() -> bool:
        return all(node.started and member(me).view == everybody for me, node in nodes.items())

    if not world.run_until(together, LONGEST_START_NS):
        raise RuntimeError(f"{members} simulated members did not find together")
    for me in everybody:
        _fill(world, me)
    turn = costs.rotation_own(members)
    world.run_for(round(WARM_ROTATIONS * turn * SECOND))
    delivered, turns, began = member(1).count, member(1).turns, world.now
    world.run_for(round(ROTATIONS * turn * SECOND))
    elapsed = (world.now - began) / SECOND
    turned = max(1, member(1).turns - turns)
    return Simulated(elapsed / turned, (member(1).count - delivered) / elapsed)


class _Busy:
    """Members that take one datagram at a time: the delay of every link of a world."""

    def __init__(self, seed: int, costs: Costs) -> None:
        self._free_at: dict[Hashable, int] = {}
        self._hop_ns = round(costs.hop * SECOND)
        self._byte_ns = costs.message_own * SECOND / costs.size
        self._next: tuple[Hashable, int] = (None, 0)
        self.world = World(seed, codec=Plain(), link=Link(delay=self), keep=0)
        self.world.intercept(self._look)

    def _look(self, sender: Hashable, to: Hashable, data: bytes) -> bool:
        """Called just before the delay of this very datagram is drawn."""
        is_data = data[_KIND_AT] == Data.KIND
        self._next = to, round(len(data) * self._byte_ns) if is_data else self._hop_ns
        return False

    def draw(self, random: Random) -> int:
        """Until the receiver has dealt with it."""
        to, cost = self._next
        now = self.world.now
        done = max(now, self._free_at.get(to, 0)) + cost
        self._free_at[to] = done
        return done - now


class _Member(RingNode):
    """Counts what is delivered, keeps no history, and has so many messages on their way."""

    def __init__(self, world: World, boot: Boot, config: RingConfig, most: int, payload: bytes):
        def clock() -> Interval:
            return Interval.around(world.true_wall_time, 1000 * MICROSECOND)

        super().__init__(boot, config, Engine, f"{world.seed}/{boot.address}", clock)
        self.view: Sequence[int] = ()
        self.count = self.turns = 0
        self._most, self._payload, self._handles = most, payload, 0

    def fill(self, now: int) -> Effects:
        """Submit as many as there is room for."""
        room = self._most - self.owed
        if room <= 0:
            return []
        first, self._handles = self._handles, self._handles + room
        return self._step(now, Submit(first, [self._payload] * room))

    def _carry_out(self, effect: Effect, now: int, out: Effects) -> None:
        match effect:
            case Messages():
                self.count += len(effect.payloads)
                self.owed -= len(effect.payloads) if effect.origin == self.me else 0
            case Accepted():
                self.owed += effect.count
            case Configuration():
                self.view = effect.members
            case Ordered() | Promised():
                pass
            case _:
                if isinstance(effect, SendTo) and isinstance(effect.frame, Token):
                    self.turns += 1
                super()._carry_out(effect, now, out)


def _boot(world: World, config: RingConfig, most: int, payload: bytes, boot: Boot) -> _Member:
    return _Member(world, boot, config, most, payload)


def _fill(world: World, me: int) -> None:
    world.call(me, lambda core, now: core.fill(now), "fill")
    world.after(FILL_EVERY_NS, partial(_fill, world, me))
