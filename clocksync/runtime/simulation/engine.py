"""The driver of simulated nodes: hands inputs to cores and carries out what they answer.

One input is one step: the core is called, its effects are carried out in order, the application
is told, the invariants are checked; only then does anything else happen. That is the contract of
:mod:`clocksync.runtime.core`, and the socket driver keeps the same one.
"""

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, fields
from random import Random
from typing import NamedTuple

from clocksync.runtime.codec import Codec
from clocksync.runtime.core import (
    Arrival,
    CancelTimer,
    Effects,
    Notify,
    Send,
    SetTimer,
    Stamp,
    StampSource,
)
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.history import HistorySink
from clocksync.runtime.simulation import transcript
from clocksync.runtime.simulation.failure import SimulationFailure
from clocksync.runtime.simulation.network import Network, Path
from clocksync.runtime.simulation.nodes import Boot, Condition, Node
from clocksync.runtime.simulation.schedule import Schedule
from clocksync.runtime.simulation.transcript import Transcript


class Told(NamedTuple):
    """What a node told its application, and when (true time, ns)."""

    time: int
    node: Hashable
    event: object


@dataclass(slots=True)
class Counts:
    """What became of every datagram. At any moment `made` equals `ended` plus `in_flight`."""

    sent: int = 0
    duplicated: int = 0
    injected: int = 0

    delivered: int = 0
    malformed: int = 0
    lost: int = 0
    cut: int = 0
    intercepted: int = 0
    refused: int = 0
    down: int = 0
    nowhere: int = 0
    overflowed: int = 0

    in_flight: int = 0
    corrupted: int = 0
    malformed_why: dict[str, int] = field(default_factory=dict)

    @property
    def made(self) -> int:
        return self.sent + self.duplicated + self.injected

    @property
    def ended(self) -> int:
        names = [f.name for f in fields(self)]
        ends = names[names.index("delivered") : names.index("in_flight")]
        return sum(getattr(self, name) for name in ends)


Describe = Callable[[object], Mapping[str, object] | None]
Intercept = Callable[[Hashable, Hashable, bytes], bool]


class Engine:
    """Everything that happens to cores. A world owns one and schedules what interferes with it."""

    def __init__(
        self,
        seed: object,
        schedule: Schedule,
        network: Network,
        codec: Codec,
        record: Transcript,
    ) -> None:
        self.seed = seed
        self.schedule = schedule
        self.network = network
        self.codec = codec
        self.random = Random(f"{seed}/network")
        self.transcript = record
        self.counts = Counts()
        self.nodes: dict[Hashable, Node] = {}
        self.groups: dict[Hashable, tuple[Hashable, ...]] = {}
        self.refusing: dict[Hashable, str] = {}
        self.intercepts: list[Intercept] = []
        self.invariants: list[Callable[[], object]] = []
        self.told: list[Told] = []
        self.history: tuple[HistorySink, Describe] | None = None
        self.local = 0  # events inside nodes that are due and are neither datagram nor timer
        self._record = record.entries.append
        self._paths = network.paths
        record.codec = codec
        self._untold: deque[tuple[Node, object]] = deque()
        self._telling = False
        self.in_step = False
        self._serial = 0

    # Steps

    def boot(self, node: Node) -> None:
        """Start a new incarnation of a node's program."""
        node.incarnation += 1
        node.condition = Condition.UP
        self.chronicle(node, "boot", storage="lost" if node.storage_lost else "kept")
        random = Random(f"{self.seed}/node {node.index}/{node.incarnation}")
        boot = Boot(node.address, node.incarnation, node.storage, random, node.monotonic, node.wall)
        try:
            node.core = node.program(boot)
        except Exception as error:
            raise self.failure(f"the program did not start: {error!r}", node, "boot") from error
        self.step(node, node.core.start, (), "start", None)

    def step(
        self,
        node: Node,
        call: Callable[..., Effects],
        given: tuple[object, ...],
        name: str,
        what: object,
        passed: tuple[type[Exception], ...] = (),
    ) -> None:
        """One input: `call` it and carry out the effects. Exceptions `passed` are the caller's."""
        try:
            effects = call(*given, node.monotonic.read())
        except passed:
            raise
        except Exception as error:
            raise self.failure(f"the core raised {error!r}", node, name, what) from error
        if effects or self.invariants:
            self._carry_out(node, effects, name, what)
        elif effects is None:
            raise self.failure(
                "the core returned None instead of a list of effects", node, name, what
            )

    def _carry_out(self, node: Node, effects: Effects, name: str, what: object) -> None:
        if type(effects) is not list:
            raise self.failure(
                f"the core returned {effects!r}: no list of effects", node, name, what
            )
        self.in_step = True
        for effect in effects:
            if isinstance(effect, Send):
                self._send(node, effect)
            elif isinstance(effect, SetTimer):
                if effect.after < 0:
                    raise self.failure(f"{effect} lies in the past", node, name, what)
                self._set_timer(node, effect.timer, node.monotonic.read() + effect.after)
            elif isinstance(effect, Notify):
                self._record((self.schedule.now, "=", node.address, None, effect.event, ""))
                self.told.append(Told(self.schedule.now, node.address, effect.event))
                if self.history is not None and (keys := self.history[1](effect.event)):
                    self.chronicle(node, **keys)
                if node.application is not None:
                    self._untold.append((node, effect.event))
            elif isinstance(effect, CancelTimer):
                node.timers.pop(effect.timer, None)
            else:
                raise self.failure(f"{effect!r} is no effect", node, name, what)
        for invariant in self.invariants:
            try:
                invariant()
            except Exception as error:
                raise self.failure(f"an invariant broke: {error}", node, name, what) from error
        self.in_step = False
        if self._untold and not self._telling:
            self._tell()

    def _tell(self) -> None:
        # First come, first told: an application that calls a verb gets what came before it first.
        self._telling = True
        try:
            while self._untold:
                node, event = self._untold.popleft()
                if node.application is not None and node.condition is not Condition.DOWN:
                    node.application(node.address, event)
        finally:
            self._telling = False

    # Timers

    def _set_timer(self, node: Node, timer: Hashable, due: int) -> None:
        self._serial += 1
        node.timers[timer] = (self._serial, due)
        at = max(node.monotonic.true_time_of(due), self.schedule.now)
        self.schedule.push(at, self._run_out, node, timer, self._serial)

    def rearm(self, node: Node) -> None:
        """Work out anew when a node's timers run out: after a pause, or at a new rate."""
        for timer, (_, due) in sorted(node.timers.items(), key=lambda item: item[1][1]):
            self._set_timer(node, timer, due)

    def _run_out(self, node: Node, timer: Hashable, serial: int) -> None:
        pending = node.timers.get(timer)
        # Cancelled, replaced, of an incarnation that died, or waiting for the end of a pause.
        if pending is None or pending[0] != serial or node.condition is not Condition.UP:
            return
        del node.timers[timer]
        self._record((self.schedule.now, "@", node.address, None, timer, ""))
        self.step(node, node.core.on_timer, (timer,), "timer", timer)

    # Datagrams, going out

    def _send(self, node: Node, effect: Send) -> None:
        try:
            data = self.codec.encode(effect.frame)
        except ValueError as error:
            raise self.failure(f"{effect.frame} cannot be sent: {error}", node, "Send") from error
        now = departure = self.schedule.now
        if not node.prompt:
            departure += node.latency.draw(self.random)
        if effect.tag is not None:
            self._promise_stamp(node, effect.tag, departure)
        to = effect.to
        self._record((now, ">", node.address, to, effect.frame, ""))
        group = self.groups.get(to)
        if group is None:
            self._dispatch(node, to, data, departure, effect.tag)
            return
        for member in group:
            if member != node.address:
                self._dispatch(node, member, data, departure, effect.tag)

    def _dispatch(
        self, node: Node, to: Hashable, data: bytes, departure: int, tag: Hashable
    ) -> None:
        counts, random = self.counts, self.random
        counts.sent += 1
        path = self._paths.get((node.address, to)) or self.network.path((node.address, to))
        origin = (node.address, node.incarnation, tag)
        if self.intercepts and self._is_intercepted(node.address, to, data):
            counts.intercepted += 1
            self._drop(to, node.address, data, "intercepted")
            return
        if not path.untroubled:
            if path.cut:
                counts.cut += 1
                self._drop(to, node.address, data, "cut")
                return
            if path.duplicate and random.random() < path.duplicate:
                counts.duplicated += 1
                self._launch(to, path, origin, data, departure)
            self._launch(to, path, origin, data, departure)
            return
        counts.in_flight += 1
        self.schedule.push(path.arrival(departure, random), self.arrive, to, path, origin, data)

    def _is_intercepted(self, sender: Hashable, to: Hashable, data: bytes) -> bool:
        # Every one of them looks, whatever the others say: hence the list.
        return any([look(sender, to, data) for look in self.intercepts])  # noqa: C419

    def _launch(
        self,
        to: Hashable,
        path: Path,
        origin: tuple[Hashable, int, Hashable],
        data: bytes,
        departure: int,
    ) -> None:
        if path.loss and self.random.random() < path.loss:
            self.counts.lost += 1
            self._drop(to, origin[0], data, "lost")
            return
        if data and path.corrupt and self.random.random() < path.corrupt:
            self.counts.corrupted += 1
            flipped = int.from_bytes(data, "big") ^ 1 << self.random.randrange(8 * len(data))
            data = flipped.to_bytes(len(data), "big")
        self.counts.in_flight += 1
        arrival = path.arrival(departure, self.random)
        self.schedule.push(arrival, self.arrive, to, path, origin, data)

    def _promise_stamp(self, node: Node, tag: Hashable, departure: int) -> None:
        options, now = node.options, self.schedule.now
        if options.stamp_loss and self.random.random() < options.stamp_loss:
            return
        if options.stamps is StampSource.USER or options.stamp_twice:
            self.local += 1
            own = Stamp(node.wall.read(), StampSource.USER)
            self.schedule.push(now, self._stamped, node, node.incarnation, tag, own)
        if options.stamps is not StampSource.USER:
            self.local += 1
            self.schedule.push(departure, self._stamped, node, node.incarnation, tag, None)

    def _stamped(self, node: Node, incarnation: int, tag: Hashable, stamp: Stamp | None) -> None:
        self.local -= 1
        if incarnation != node.incarnation or node.condition is Condition.DOWN:
            return
        stamp = stamp or Stamp(node.wall.read(), node.options.stamps)
        if node.condition is Condition.PAUSED:
            self.local += 1
            node.backlog.append((False, self._stamped, (node, incarnation, tag, stamp)))
            return
        self.step(node, node.core.on_sent, (tag, stamp), "the stamp of", tag)

    # Datagrams, coming in

    def arrive(
        self,
        to: Hashable,
        path: Path | None,
        origin: tuple[Hashable, int, Hashable],
        data: bytes,
    ) -> None:
        """A datagram reaches the address `to`; the kernel there stamps it."""
        sender = origin[0]
        if path is not None and path.cut:
            self._end("cut", to, sender, data)
            return
        if self.refusing and to in self.refusing:
            self._end("refused", to, sender, data)
            self._answer_refusal(to, origin)
            return
        node = self.nodes.get(to)
        if node is None:
            self._end("nowhere", to, sender, data)
            return
        kernel = node.options.stamps is not StampSource.USER
        stamp = Stamp(node.wall.read(), node.options.stamps) if kernel else None
        if node.prompt:
            self._hand_over(node, node.incarnation, sender, data, stamp)
            return
        ready = self.schedule.now + node.latency.draw(self.random)
        node.ready_at = ready = max(ready, node.ready_at)
        self.schedule.push(ready, self._hand_over, node, node.incarnation, sender, data, stamp)

    def _hand_over(
        self, node: Node, incarnation: int, sender: Hashable, data: bytes, stamp: Stamp | None
    ) -> None:
        if node.condition is not Condition.UP or incarnation != node.incarnation:
            self._withhold(node, incarnation, sender, data, stamp)
            return
        self.counts.in_flight -= 1
        try:
            frame = self.codec.decode(data)
        except MalformedFrame as error:
            reasons = self.counts.malformed_why
            reasons[error.reason] = reasons.get(error.reason, 0) + 1
            self.counts.malformed += 1
            self._drop(node.address, sender, data, f"malformed: {error.reason}")
            self.step(node, node.core.on_malformed, (sender,), "malformed", data.hex())
            return
        except Exception as error:
            raise self.failure(f"the codec raised {error!r}", node, data.hex()) from error
        self.counts.delivered += 1
        self._record((self.schedule.now, "<", node.address, sender, frame, ""))
        arrival = Arrival(frame, sender, stamp or Stamp(node.wall.read(), StampSource.USER))
        self.step(node, node.core.on_frame, (arrival,), "frame", frame)

    def _withhold(
        self, node: Node, incarnation: int, sender: Hashable, data: bytes, stamp: Stamp | None
    ) -> None:
        if node.condition is not Condition.PAUSED or incarnation != node.incarnation:
            self._end("down", node.address, sender, data)
        elif len(node.backlog) >= node.options.backlog:
            self._end("overflowed", node.address, sender, data)
        else:
            waiting = (node, incarnation, sender, data, stamp)
            node.backlog.append((True, self._hand_over, waiting))

    def _answer_refusal(self, to: Hashable, origin: tuple[Hashable, int, Hashable]) -> None:
        sender, incarnation, tag = origin
        node = self.nodes.get(sender)
        back = self.network.path((to, sender))
        if node is not None and not back.cut and self.random.random() >= back.loss:
            self.local += 1
            at = back.arrival(self.schedule.now, self.random)
            self.schedule.push(at, self._refused, node, incarnation, to, tag, self.refusing[to])

    def _refused(
        self, node: Node, incarnation: int, to: Hashable, tag: Hashable, reason: str
    ) -> None:
        self.local -= 1
        if incarnation != node.incarnation or node.condition is Condition.DOWN:
            return
        if node.condition is Condition.PAUSED:
            self.local += 1
            node.backlog.append((False, self._refused, (node, incarnation, to, tag, reason)))
            return
        self._record((self.schedule.now, "x", node.address, to, reason, "refused"))
        self.step(node, node.core.on_refused, (to, tag, reason), "refusal of", to)

    # Endings

    def forget(self, node: Node) -> None:
        """All that a dead process leaves behind: its timers, and what waited in its sockets."""
        node.timers.clear()
        while node.backlog:
            is_datagram, _, given = node.backlog.popleft()
            if is_datagram:
                self._end("down", node.address, given[2], given[3])
            else:
                self.local -= 1

    def _end(self, how: str, to: Hashable, sender: Hashable, data: object) -> None:
        self.counts.in_flight -= 1
        setattr(self.counts, how, getattr(self.counts, how) + 1)
        self._drop(to, sender, data, how)

    def _drop(self, to: Hashable, sender: Hashable, data: object, why: str) -> None:
        self._record((self.schedule.now, transcript.DROPPED, to, sender, data, why))

    def chronicle(self, node: Node, event: object = None, **keys: object) -> None:
        """Write an event of a node to the history, if there is one."""
        if self.history is not None:
            head = {"node": node.address, "incarnation": str(node.incarnation), "event": event}
            self.history[0].write({**head, "at": self.schedule.now, **keys})

    def failure(self, what: str, node: Node, name: str, given: object = None) -> SimulationFailure:
        """The report of something that may not be, at the input `name` with what was `given`."""
        told = name if given is None else f"{name} {given}"
        return SimulationFailure(what, self.seed, node.address, told, self.transcript.lines())
