"""A world: nodes, the network between them, and what goes wrong. One seed gives one run.

This is the face of the simulator; :mod:`~clocksync.runtime.simulation.engine` does the steps,
:mod:`~clocksync.runtime.simulation.network` the paths. Times in arguments are true time, ns since
the run began; what a node reads is its own clocks.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from random import Random
from typing import Any

from clocksync.runtime.codec import Codec
from clocksync.runtime.core import Core, Effects
from clocksync.runtime.errors import BadConfig, MisusedCore
from clocksync.runtime.history import HistorySink
from clocksync.runtime.simulation.declared import DeclaredFrames
from clocksync.runtime.simulation.engine import Counts, Engine, Intercept, Told
from clocksync.runtime.simulation.failure import SimulationFailure
from clocksync.runtime.simulation.network import Disturbance, Link, Network, Pair, between
from clocksync.runtime.simulation.nodes import (
    Application,
    Boot,
    Condition,
    Node,
    NodeOptions,
    Oscillator,
    Program,
    WallClock,
)
from clocksync.runtime.simulation.schedule import Schedule
from clocksync.runtime.simulation.transcript import INTERFERENCE, VERB, Transcript
from clocksync.runtime.units import SECOND

EPOCH_NS = 1_790_000_000 * SECOND
"""What a right wall clock shows when a run begins: a day in September 2026."""


class World:
    """Nodes on a network in virtual time.

    Args:
        seed: of everything that is drawn. Any integer or string.
        codec: how frames become datagrams; by default any declared frame, without an envelope.
        link: every path's properties until :meth:`link` says otherwise.
        keep: how many entries the transcript keeps; None for all of them.
        epoch_ns: what a right wall clock shows at the beginning.
    """

    def __init__(
        self,
        seed: int | str = 0,
        *,
        codec: Codec | None = None,
        link: Link | None = None,
        keep: int | None = 50,
        epoch_ns: int = EPOCH_NS,
    ) -> None:
        self.seed = seed
        self.epoch_ns = epoch_ns
        self.transcript = Transcript(keep)
        self._schedule = Schedule()
        self._network = Network(link or Link())
        self._engine = Engine(
            seed, self._schedule, self._network, codec or DeclaredFrames(), self.transcript
        )
        self._clocks = Random(f"{seed}/clocks")
        self._partition: int | None = None

    # What there is to see

    @property
    def now(self) -> int:
        """True time: ns since the run began."""
        return self._schedule.now

    @property
    def true_wall_time(self) -> int:
        """What a right wall clock shows now, ns since the Unix epoch."""
        return self.epoch_ns + self._schedule.now

    @property
    def counts(self) -> Counts:
        """What became of every datagram."""
        return self._engine.counts

    @property
    def events_run(self) -> int:
        """How many events happened so far, of whatever kind."""
        return self._schedule.count

    @property
    def told(self) -> list[Told]:
        """Every ``Notify``: (true time, node, event), in order."""
        return self._engine.told

    @property
    def addresses(self) -> list[Hashable]:
        """All nodes, in the order they were added."""
        return list(self._engine.nodes)

    def node(self, address: Hashable) -> Node:
        """The node at `address`.

        Raises:
            BadConfig: there is none.
        """
        try:
            return self._engine.nodes[address]
        except KeyError:
            raise BadConfig(f"there is no node {address!r}: add it first") from None

    def events(self, address: Hashable) -> list[object]:
        """What one node told its application, in order."""
        return [told.event for told in self._engine.told if told.node == address]

    # Building

    def add(
        self,
        address: Hashable,
        program: Core | Program,
        *,
        application: Application | None = None,
        offset_ns: int = 0,
        rate_ppm: float = 0.0,
        monotonic_start_ns: int | None = None,
        start_after_ns: int = 0,
        options: NodeOptions | None = None,
    ) -> Node:
        """Put a node on the network. Its core starts when the world runs, or is first called.

        Args:
            program: a core; or a function from :class:`Boot` to one, which is called at every
                boot, so that the node can crash and restart.
            application: told every ``Notify`` of this node: (address, event).
            offset_ns: its wall clock minus true time, now.
            rate_ppm: how much faster than true time its oscillator runs.
            monotonic_start_ns: its monotonic reading now; drawn from the seed by default, as no
                two machines agree.
        """
        if address in self._engine.nodes or address in self._engine.groups:
            raise BadConfig(f"there is a {address!r} already: addresses are unique")
        drawn = self._clocks.randrange(SECOND, 1_000_000 * SECOND)
        start = drawn if monotonic_start_ns is None else monotonic_start_ns
        monotonic = Oscillator(self._schedule, start, rate_ppm)
        wall = WallClock(monotonic, self.true_wall_time + offset_ns)
        boots = program if callable(program) else _only_once(program)
        node = Node(
            len(self._engine.nodes),
            address,
            boots,
            monotonic,
            wall,
            options or NodeOptions(),
            application,
        )
        self._engine.nodes[address] = node
        node.starts_at = self.now + start_after_ns
        self.at(node.starts_at, lambda: self._start(node))
        return node

    def link(self, sender: Hashable, to: Hashable, link: Link) -> None:
        """Set the properties of one direction."""
        self._network.set_link((sender, to), link)

    def link_both(
        self, one: Hashable, other: Hashable, there: Link, back: Link | None = None
    ) -> None:
        """Set both directions; `back` differs from `there` on an asymmetric path."""
        self.link(one, other, there)
        self.link(other, one, back or there)

    def group(self, address: Hashable, members: Iterable[Hashable]) -> None:
        """Make `address` a multicast group: what is sent to it goes to every member but the
        sender, each over its own path."""
        if address in self._engine.nodes:
            raise BadConfig(f"{address!r} is a node: a group needs an address of its own")
        self._engine.groups[address] = tuple(members)

    def invariant(self, holds: Callable[[], object]) -> None:
        """Call `holds` after every step; if it raises, the run ends in a SimulationFailure."""
        self._engine.invariants.append(holds)

    def write_history(
        self, sink: HistorySink, describe: Callable[[object], Mapping[str, object] | None]
    ) -> None:
        """Write what happens to `sink` in the format of ``docs/history.md``; call before it runs.

        Boots and crashes are written by themselves; a ``Notify`` is, if `describe` makes keys of
        it, among them ``event``. Addresses must be integers, as in that format.
        """
        self._engine.history = (sink, describe)

    def mark(self, event: str) -> None:
        """Write ``healed`` or ``quiet``, the events of a run, to the history."""
        if self._engine.history is not None:
            self._engine.history[0].write({"event": event, "at": self.now})

    def intercept(self, look: Intercept) -> None:
        """Show every datagram that is sent to `look` (sender, to, bytes); True swallows it."""
        self._engine.intercepts.append(look)

    # Running

    def at(self, time_ns: int, happen: Callable[[], object]) -> None:
        """Let something happen at a true time."""
        if time_ns < self.now:
            raise BadConfig(f"{time_ns} has passed: it is {self.now}")
        self._engine.local += 1
        self._schedule.push(time_ns, self._happen, happen)

    def after(self, delay_ns: int, happen: Callable[[], object]) -> None:
        """Let something happen in a while."""
        self.at(self.now + delay_ns, happen)

    def run(self, until_ns: int) -> None:
        """Run until the true time is `until_ns`.

        Raises:
            SimulationFailure: a core broke its contract, or an invariant broke.
        """
        self._go(until_ns)

    def run_for(self, duration_ns: int) -> None:
        """Run for a while of true time."""
        self.run(self.now + duration_ns)

    def run_until(self, holds: Callable[[], bool], limit_ns: int) -> bool:
        """Run until `holds` returns True; False if it did not until the true time `limit_ns`."""
        return self._go(limit_ns, holds)

    def run_quiet(self, limit_ns: int, silence_ns: int | None = None) -> bool:
        """Run until nothing is under way any more; False if that was not so until `limit_ns`.

        Timers count as under way; with `silence_ns`, only those that run out sooner than that.
        """
        return self._go(limit_ns, lambda: self._is_quiet(silence_ns))

    def call(
        self,
        address: Hashable,
        verb: Callable[[Any, int], Effects],  # Any: the core's own type, which the caller knows
        name: str = "a verb",
    ) -> bool:
        """Call a verb of a node's core, as its application would: ``verb(core, now)``.

        False, and nothing happens, if the node is down or paused: so is its application. Not to be
        called from an interceptor or an invariant: a step is not over then.

        Raises:
            MisusedCore: what the core says of a verb that is not allowed now.
        """
        assert not self._engine.in_step, "a verb is called between steps, not from within one"
        node = self.node(address)
        if self.now >= node.starts_at:
            self._start(node)
        if node.condition is not Condition.UP:
            return False
        self.transcript.entries.append((self.now, VERB, address, None, name, ""))
        core = node.core
        self._engine.step(node, lambda now: verb(core, now), (), name, None, (MisusedCore,))
        return True

    def inject(self, to: Hashable, sender: Hashable, data: bytes, delay_ns: int = 0) -> None:
        """Let bytes arrive at `to` that claim to come from `sender`."""
        self.counts.injected += 1
        self.counts.in_flight += 1
        origin = (sender, 0, None)
        self._schedule.push(self.now + delay_ns, self._engine.arrive, to, None, origin, bytes(data))

    # Clocks going wrong

    def step_wall(self, address: Hashable, by_ns: int) -> None:
        """Step a node's wall clock. Its monotonic clock, and so its timers, do not notice."""
        self._note(f"clock of {address} steps by {by_ns} ns")
        self.node(address).wall.step(by_ns)

    def slew_wall(self, address: Hashable, by_ns: int, over_ns: int) -> None:
        """Move a node's wall clock by `by_ns`, evenly over the next `over_ns` of true time."""
        self._note(f"clock of {address} slews by {by_ns} ns")
        wall = self.node(address).wall
        wall.slew(by_ns * 1_000_000 / over_ns)
        self.after(over_ns, lambda: wall.slew(0.0))

    def set_rate(self, address: Hashable, rate_ppm: float) -> None:
        """Let a node's oscillator run at another rate; its pending timers move with it."""
        self._note(f"clock of {address} runs at {rate_ppm:+g} ppm")
        node = self.node(address)
        node.monotonic.retune(rate_ppm)
        self._engine.rearm(node)

    def wander(self, address: Hashable, every_ns: int, by_ppm: float, within_ppm: float) -> None:
        """Let a node's rate walk at random, as temperature makes it: a step of up to `by_ppm`
        every `every_ns` of true time, never beyond `within_ppm` of true. It does not keep a run
        from being quiet."""
        node = self.node(address)
        random = Random(f"{self.seed}/wander {node.index}")

        def walk() -> None:
            rate = node.monotonic.rate_ppm + random.uniform(-by_ppm, by_ppm)
            node.monotonic.retune(max(-within_ppm, min(within_ppm, rate)))
            self._engine.rearm(node)
            self._schedule.push(self.now + every_ns, walk)

        self._schedule.push(self.now + every_ns, walk)

    # Nodes going wrong

    def crash(self, address: Hashable, keep_storage: bool = True) -> None:
        """Kill a node's process: its core, its timers and all that waits for it are gone.

        What is under way to it arrives at nobody, unless it restarts in time.
        """
        node = self.node(address)
        if node.condition is Condition.DOWN:
            return
        self._note(f"crash {address}")
        node.condition = Condition.DOWN
        self._engine.forget(node)
        node.storage_lost = not keep_storage
        if not keep_storage:
            node.storage.clear()
        self._engine.chronicle(node, "crash")

    def restart(self, address: Hashable) -> None:
        """Boot a node that is down: a new incarnation, with what its storage kept."""
        node = self.node(address)
        self._start(node)
        if node.condition is Condition.DOWN:
            self._note(f"restart {address}")
            self._engine.boot(node)

    def pause(self, address: Hashable) -> None:
        """Stop a node's process, as SIGSTOP or a machine without memory does; nothing is lost."""
        node = self.node(address)
        if node.condition is Condition.UP:
            self._note(f"pause {address}")
            node.condition = Condition.PAUSED

    def resume(self, address: Hashable) -> None:
        """Let a paused node go on: what waited and what ran out meanwhile comes now.

        Whether its timers or its datagrams come first is drawn: a program can rely on neither.
        """
        node = self.node(address)
        if node.condition is not Condition.PAUSED:
            return
        self._note(f"resume {address}")
        node.condition = Condition.UP
        timers_first = self._engine.random.random() < 0.5
        if timers_first:
            self._engine.rearm(node)
        node.ready_at = self.now
        while node.backlog:
            _, handler, given = node.backlog.popleft()
            self._schedule.push(self.now, handler, *given)
        if not timers_first:
            self._engine.rearm(node)

    # The network going wrong

    def disturb(
        self, pairs: Iterable[Pair], disturbance: Disturbance, name: str = "disturbance"
    ) -> int:
        """Disturb the paths of ordered pairs until :meth:`calm` is called with the token."""
        self._note(name)
        return self._network.disturb(pairs, disturbance)

    def calm(self, token: int) -> None:
        """End one disturbance; one that ended already is no error."""
        self._network.calm(token)

    def cut(self, sender: Hashable, to: Hashable) -> int:
        """Cut one direction; what is under way is cut as well. A token for :meth:`calm`."""
        return self.disturb([(sender, to)], Disturbance(cut=True), f"cut {sender} > {to}")

    def partition(self, *groups: Iterable[Hashable]) -> None:
        """Split the network: nothing passes between the groups. Replaces the last partition.

        Nodes that are in no group make up one more.
        """
        parts = [list(group) for group in groups]
        named = dict.fromkeys(address for part in parts for address in part)
        parts.append([address for address in self._engine.nodes if address not in named])
        name = "partition " + " | ".join(" ".join(map(str, part)) for part in parts if part)
        if self._partition is not None:
            self.calm(self._partition)
        self._partition = self.disturb(between(parts), Disturbance(cut=True), name)

    def heal(self) -> None:
        """End every partition, cut and disturbance. Nodes that are down or paused stay so."""
        self._note("heal")
        self._network.calm_all()

    def refuse(self, address: Hashable, reason: str = "connection refused") -> None:
        """Let `address` answer every datagram with a refusal, as a host without the port does."""
        self._note(f"refuse {address}")
        self._engine.refusing[address] = reason

    def accept(self, address: Hashable) -> None:
        """End a refusal."""
        self._engine.refusing.pop(address, None)

    # Inside

    def _go(self, until_ns: int, stop: Callable[[], bool] | None = None) -> bool:
        try:
            return self._schedule.run(until_ns, stop)
        except SimulationFailure:
            raise
        except Exception as error:
            # Out of an application, a condition or a scheduled action: theirs, but with the seed.
            lines = "\n".join(f"    {line}" for line in self.transcript.lines())
            error.add_note(f"in a simulated world (seed {self.seed}):\n{lines}")
            raise

    def _start(self, node: Node) -> None:
        if not node.started:
            node.started = True
            self._engine.boot(node)

    def _happen(self, happen: Callable[[], object]) -> None:
        self._engine.local -= 1
        happen()

    def _is_quiet(self, silence_ns: int | None) -> bool:
        if self._engine.local or self.counts.in_flight:
            return False
        for node in self._engine.nodes.values():
            if node.condition is not Condition.UP:
                continue
            for _, due in node.timers.values():
                if silence_ns is None or node.monotonic.true_time_of(due) < self.now + silence_ns:
                    return False
        return True

    def _note(self, what: str) -> None:
        self.transcript.entries.append((self.now, INTERFERENCE, None, None, what, ""))


def _only_once(core: Core) -> Program:
    def boot(given: Boot) -> Core:
        if given.incarnation > 1:
            raise BadConfig(
                f"node {given.address} cannot restart: it was given a core instead of a function"
                " that makes one at every boot"
            )
        return core

    return boot
