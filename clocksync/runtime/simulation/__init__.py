"""The deterministic simulator: the cores that run on sockets, in virtual time, from one seed.

A distributed program is hard to test because what breaks it is a *coincidence*: this datagram
late, that node paused, these two clocks apart. On real machines coincidences are rare and do not
come back. Here they are cheap, and a seed brings each of them back. Users test their own programs
with it: whatever fulfils :class:`clocksync.runtime.core.Core` runs.

>>> from dataclasses import dataclass
>>> from typing import Annotated
>>> from clocksync.runtime.core import Notify, Send, SilentCore
>>> from clocksync.runtime.wire import U8, Frame
>>> @dataclass(frozen=True, slots=True)
... class Ball(Frame):
...     left: Annotated[U8, "how often it is still hit"]
>>> class Player(SilentCore):
...     def serve(self, now): return [Send("bob", Ball(2))]
...     def on_frame(self, arrival, now):
...         left = arrival.frame.left
...         return [Send(arrival.sender, Ball(left - 1))] if left else [Notify("out")]
>>> world = World(seed=7, link=Link(delay=Uniform(100_000, 200_000), loss=0.01))
>>> ann, bob = world.add("ann", Player(), rate_ppm=50), world.add("bob", Player())
>>> world.call("ann", Player.serve, "serve") and world.run_quiet(limit_ns=1_000_000_000)
True
>>> print(*world.transcript.lines(with_time=False), sep="\\n")
ann : serve
ann > bob Ball left=2
bob < ann Ball left=2
bob > ann Ball left=1
ann < bob Ball left=1
ann > bob Ball left=0
bob < ann Ball left=0
bob = out

**The problem** has three parts, and each has its module:

1. *Time* (:mod:`~.schedule`, :mod:`~.nodes`). Nothing waits: the next event is taken from a queue
   and it is then. Only the world knows that true time. A node reads an oscillator that is fast or
   slow, and a wall clock on top of it that is wrong, steps and slews. Timers run on the node's
   oscillator, so those of a fast clock run out early. All clock arithmetic is exact in integers.
2. *Chance* (:mod:`~.network`, :mod:`~.faults`). Everything drawn comes from generators seeded by
   the world's seed, one for the network, one per node and incarnation. Events at one instant
   happen in the order they were made in. Nothing here iterates over a set or orders by hash or
   identity, so ``PYTHONHASHSEED`` does not matter; a core must not do so either, and should draw
   only from ``boot.random``. A run repeats on the same version of Python: drawn delays go through
   the platform's logarithm.
3. *Truth* (:mod:`~.engine`, :mod:`~.transcript`). Frames cross as bytes, encoded by the sender and
   decoded by the receiver, so what a datagram cannot carry does not arrive, and garbage can. The
   end of each datagram is counted: ``counts.made == counts.ended + counts.in_flight``. A core that
   raises, or answers what is no effect, ends the run with the seed, the node, the input and the
   last lines of the transcript. So does an :meth:`~World.invariant`: checkers stay apart from
   faults.

**What it does not model**: the time a core takes to compute, bandwidth and full queues, fragments,
and a crash in the middle of a step. A cut takes what is under way; a lost datagram still gets its
transmit stamp, as it would from a real kernel.

**Reading**: TigerBeetle's simulator (one seed, whole cluster, checkers alongside); FoundationDB's
(Zhou et al., "FoundationDB: A Distributed Unbundled Transactional Key Value Store", SIGMOD 2021,
section 4).
"""

from clocksync.runtime.simulation.declared import DeclaredFrames
from clocksync.runtime.simulation.engine import Counts, Told
from clocksync.runtime.simulation.failure import SimulationFailure
from clocksync.runtime.simulation.faults import Fault, inflict, random_faults, shrink
from clocksync.runtime.simulation.network import (
    Constant,
    Delay,
    Disturbance,
    Exponential,
    Link,
    LogNormal,
    Pareto,
    Uniform,
)
from clocksync.runtime.simulation.nodes import Boot, Condition, Node, NodeOptions
from clocksync.runtime.simulation.schedule import Stuck
from clocksync.runtime.simulation.transcript import Transcript
from clocksync.runtime.simulation.world import EPOCH_NS, World

__all__ = [
    "EPOCH_NS",
    "Boot",
    "Condition",
    "Constant",
    "Counts",
    "DeclaredFrames",
    "Delay",
    "Disturbance",
    "Exponential",
    "Fault",
    "Link",
    "LogNormal",
    "Node",
    "NodeOptions",
    "Pareto",
    "SimulationFailure",
    "Stuck",
    "Told",
    "Transcript",
    "Uniform",
    "World",
    "inflict",
    "random_faults",
    "shrink",
]
