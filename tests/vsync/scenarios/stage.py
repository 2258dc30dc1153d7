"""What the scenarios share: a stage with real engines on it, and verbs for what happens there.

Time is virtual, every path takes the same half millisecond, and a message fills a datagram of its
own, so that its place on the ring can be foretold. What a member delivers is read as a list of
lines: ``["REG{1,2,3}", "m1", "TRANS{2,3}", "m2", "REG{2,3}"]``.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from clocksync.runtime.envelope import Envelope
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.history import Event
from clocksync.runtime.simulation import Constant, Link
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from clocksync.runtime.wire import Frame
from vsync.config import RingConfig
from vsync.engine import Engine
from vsync.events import (
    Accepted,
    Configuration,
    Effect,
    Kind,
    Left,
    Messages,
    Moved,
    Ordered,
    TimeRefused,
)
from vsync.frames import FRAMES, Data
from vsync.identity import RingId, Service
from vsync.simulation.group import Group
from vsync.simulation.node import Make, RingNode
from vsync.simulation.watch import Watch
from vsync.states import Cause, State

HOP_NS = 500 * MICROSECOND
PATIENCE_NS = 3 * SECOND
"""Nothing that a scenario waits for takes longer, unless it says so."""

RESTARTED = "(restart)"

_OPEN = Envelope(FRAMES, 0, 0)

Looks = Callable[[int, int, Any], bool]
"""(sender, to, frame): whether a rule is about it. Any: a predicate knows what it asks for."""


def decode(data: bytes) -> Frame | None:
    """The frame in a datagram; None if there is none."""
    try:
        return _OPEN.open(data)[1]
    except MalformedFrame:
        return None


def braces(members: tuple[int, ...]) -> str:
    return "{" + ",".join(map(str, members)) + "}"


def reg(*members: int) -> str:
    """How a regular configuration is written."""
    return f"REG{braces(members)}"


def trans(*members: int) -> str:
    """How a transitional configuration is written."""
    return f"TRANS{braces(members)}"


@dataclass(slots=True)
class Rule:
    """What is swallowed while the rule is on."""

    looks: Looks
    name: str = ""
    count: int = 0
    is_on: bool = True

    def end(self) -> None:
        self.is_on = False


@dataclass(frozen=True, slots=True)
class Seen:
    """One effect of one member."""

    at_ns: int
    me: int
    effect: Any


class Stage:
    """Members 1 to `count`, who meet nobody but each other.

    Args:
        later: members that are down until ``world.restart``.
    """

    def __init__(
        self,
        count: int,
        *,
        seed: int | str = 0,
        config: RingConfig | None = None,
        make: Make = Engine,
        link: Link | None = None,
        spread_ns: int = 0,
        later: tuple[int, ...] = (),
    ) -> None:
        self.watch = Watch()
        self.group = Group(
            seed=seed,
            count=count,
            config=config or RingConfig.simulated(),
            make=make,
            link=link or Link(delay=Constant(HOP_NS)),
            start_spread_ns=spread_ns,
            watch=self._see,
        )
        self.watch.group = self.group
        self.world = self.group.world
        self.seen: list[Seen] = []
        """Every change of a state, and every refusal of a clock."""
        self.rings: dict[int, list[RingId]] = {me: [] for me in self.group.members}
        """The rings each member installed, in order, over all its lives."""
        self.reasons: dict[int, list[Cause]] = {me: [] for me in self.group.members}
        """The reasons of its regular configurations."""
        self.installed: list[Seen] = []
        """Every regular configuration."""
        self.sent: dict[str, tuple[RingId, int]] = {}
        """Where each message got its place in the order."""
        self.stamps: dict[str, tuple[int, int, tuple[str, ...]]] = {}
        """The timestamp of each message delivered, its bound and its flags."""
        self.lost: dict[str, bytes] = {}
        """The last datagram in which each message was swallowed, to come late after all."""
        self._lines: dict[int, list[str]] = {me: [] for me in self.group.members}
        self._scene: dict[int, int] = dict.fromkeys(self.group.members, 0)
        self._lives: dict[int, RingNode] = {}
        self._names: dict[tuple[RingNode, int], str] = {}
        self._saying = ""
        self._rules: list[Rule] = []
        for me in later:
            self.world.node(me).started = True  # and yet it is down: the world starts it no more

    # What is told

    def _see(self, node: RingNode, effect: Effect) -> None:
        self.watch.see(node, effect)
        me, lines = node.me, self._lines[node.me]
        if self._lives.get(me) is not node:
            if me in self._lives:
                lines.append(RESTARTED)
            self._lives[me] = node
        match effect:
            case Configuration():
                kind = "REG" if effect.kind is Kind.REGULAR else "TRANS"
                lines.append(f"{kind}{braces(effect.members)}")
                if effect.kind is Kind.REGULAR:
                    self.rings[me].append(effect.ring)
                    self.reasons[me].append(effect.reason)
                    self.installed.append(Seen(self.world.now, me, effect))
            case Messages():
                for index, payload in enumerate(effect.payloads):
                    name = payload.rstrip(b".").decode()
                    lines.append(name)
                    self.stamps[name] = effect.timestamp + index, effect.error, effect.flags
            case Accepted(handle):
                self._names[node, handle] = self._saying
            case Ordered():
                for handle in effect.handles:
                    self.sent[self._names[node, handle]] = effect.ring, effect.sequence
            case Moved() | TimeRefused() | Left():
                self.seen.append(Seen(self.world.now, me, effect))

    def scene(self) -> None:
        """What comes from here on is what :meth:`told` tells."""
        self._scene = {me: len(lines) for me, lines in self._lines.items()}

    def told(self, me: int) -> list[str]:
        """What a member delivered in this scene."""
        return self._lines[me][self._scene[me] :]

    def story(self, me: int) -> list[str]:
        """All that a member ever delivered."""
        return list(self._lines[me])

    def engine(self, me: int) -> Engine:
        return self.group.node(me).engine

    def causes(self, *who: int) -> list[Cause]:
        """Why members changed their states, ever."""
        members = who or self.group.members
        return [
            s.effect.cause for s in self.seen if s.me in members and isinstance(s.effect, Moved)
        ]

    def regs(self, me: int, since_ns: int = 0) -> list[tuple[int, ...]]:
        """The members of the regular configurations of a member."""
        return [s.effect.members for s in self.installed if s.me == me and s.at_ns >= since_ns]

    # What the applications do

    def say(self, me: int, *names: str, size: int = 0) -> None:
        """Agreed messages, each in a datagram of its own; larger ones in several."""
        self._submit(me, names, size, Service.AGREED)

    def say_safe(self, me: int, *names: str, size: int = 0) -> None:
        """Safe messages."""
        self._submit(me, names, size, Service.SAFE)

    def _submit(self, me: int, names: tuple[str, ...], size: int, service: Service) -> None:
        size = size or self.group.config.payload_bytes // 2 + 1
        for name in names:
            assert name not in self._names.values(), f"{name} was said before"
            self._saying = name
            is_said = self.group.submit(me, name.encode().ljust(size, b"."), service)
            assert is_said, f"{me} is down and cannot say {name}"

    # What happens

    def until(self, holds: Callable[[], bool], what: str, within_ns: int = PATIENCE_NS) -> None:
        """Let time pass until it does; it must."""
        is_so = self.world.run_until(holds, self.world.now + within_ns)
        assert is_so, f"never happened: {what}\n{self}"

    def until_sent(self, *names: str) -> None:
        """Let messages get their place in the order."""
        self.until(lambda: all(name in self.sent for name in names), f"{names} sent")

    def until_told(self, me: int, *lines: str, within_ns: int = PATIENCE_NS) -> None:
        """Let a member deliver these, in this scene."""
        self.until(
            lambda: all(line in self.told(me) for line in lines),
            f"{me} delivers {lines}",
            within_ns,
        )

    def until_state(self, me: int, state: State) -> None:
        self.until(lambda: self.engine(me).state is state, f"{me} in {state}")

    def until_ring(self, *members: int, within_ns: int = PATIENCE_NS) -> None:
        """Let these be on a ring of their own, all of them."""
        self.until(lambda: self.are_on_ring(*members), f"ring {members}", within_ns)

    def are_on_ring(self, *members: int) -> bool:
        if not all(self.group.runs(me) for me in members):
            return False
        first = self.engine(members[0]).ring.id
        return all(
            self.engine(me).state is State.OPERATIONAL
            and self.engine(me).ring.members == members
            and self.engine(me).ring.id == first
            for me in members
        )

    def form(self, *members: int) -> None:
        """Bring a ring up, let it become idle, and begin a scene."""
        self.until_ring(*(members or self.group.members))
        self.run(50 * MILLISECOND)
        self.scene()

    def run(self, for_ns: int) -> None:
        self.world.run_for(for_ns)

    def calm_down(self, *members: int) -> None:
        """Let nothing be wrong any more, and wait until these are on a ring and nothing waits."""
        for rule in self._rules:
            rule.end()
        self.world.heal()
        self.until_ring(*(members or self.group.members), within_ns=10 * SECOND)
        self.run(100 * MILLISECOND)

    def swallow(self, looks: Looks, name: str = "") -> Rule:
        """Lose all frames that are so, from now on."""
        if not self._rules:
            self.world.intercept(self._loses)
        rule = Rule(looks, name)
        self._rules.append(rule)
        return rule

    def swallow_message(self, name: str, *to: int) -> Rule:
        """Lose a message on its way to these, whoever sends it, however often, on its ring."""
        text = name.encode()

        def looks(sender: int, receiver: int, frame: Any) -> bool:
            return receiver in to and isinstance(frame, Data) and frame.payload.rstrip(b".") == text

        return self.swallow(looks, name)

    def _loses(self, sender: Hashable, to: Hashable, data: bytes) -> bool:
        rules = [rule for rule in self._rules if rule.is_on]
        if not rules:
            return False
        frame = decode(data)
        lost = [rule for rule in rules if rule.looks(sender, to, frame)]  # type: ignore[arg-type]
        for rule in lost:
            rule.count += 1
            self.lost[rule.name] = data
        return bool(lost)

    # What must hold

    def __str__(self) -> str:
        lines = [f"{me}: {' '.join(self.story(me))}" for me in self.group.members]
        return "\n".join([*lines, *self.world.transcript.lines()])


def assert_clean(stage: Stage, is_quiet: bool = False) -> None:
    """No rule was broken: none that needs to see into the members, none that a history shows.

    `is_quiet`: everything has healed and calmed down, so what should have happened has.
    """
    stage.watch.note_all()
    stage.watch.finish()
    assert stage.watch.violations == [], str(stage)
    if is_quiet:
        stage.world.mark("healed")
        stage.run(10 * MILLISECOND)
        stage.world.mark("quiet")
    judge = _judge()
    if judge is not None:
        assert list(judge(stage.group.history).violations) == [], str(stage)


def _judge() -> Callable[[list[Event]], Any] | None:
    try:
        return getattr(import_module("vsync.check"), "judge", None)
    except ImportError:
        return None
