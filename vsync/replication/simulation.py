"""Groups, replicas and locks in a simulated world: test your own state machine against every fault.

>>> from vsync.replication.objects import Counter
>>> from vsync.replication.replica import Replica
>>> stage = Stage(seed=7, count=3, build=lambda me: {"hits": Replica(me, "hits", Counter())})
>>> stage.world.run_for(300_000_000)
>>> stage.submit_to(1, "hits", [Counter.add(5)])
range(1, 2)
>>> stage.world.run_for(100_000_000)
>>> [stage.core(me, "hits").machine.value for me in stage.members]
[5, 5, 5]

A :class:`Stage` is a :class:`vsync.simulation.group.Group` with this layer on top, so its faults,
clocks and histories are those of the ring. What applications are told is in `told`; replicas whose
machine has a method ``digest()`` are compared after every message: two that hold the state at one
place of the order must agree.
"""

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, NamedTuple

from clocksync.runtime import core
from clocksync.runtime.simulation import Boot
from vsync.events import Configuration, Effect, Input, Messages, Moved, Submit
from vsync.identity import group_number
from vsync.replication.events import CancelTimer, Delivered, Effects, Multicast, SetTimer
from vsync.replication.member import GroupCore, Member
from vsync.replication.quorum import NO_QUORUM, Policy
from vsync.simulation.group import Group
from vsync.simulation.node import RingNode

Build = Callable[[int], Mapping[str, GroupCore | None]]
"""What a member that boots joins: the groups, each with the core that keeps its state, or None."""

Verb = Callable[[Any, int], Effects]
"""Something an application asks of a core, or of the member: called with it and the time."""


class Told(NamedTuple):
    """What an application was told, and when (true time, ns)."""

    time: int
    node: int
    incarnation: int
    event: object


class MemberNode(RingNode):
    """One incarnation of a ring member with groups on top.

    Args:
        member: what runs on the ring.
        joins: the groups it joins at once.
        tell: takes what the application is told.
    """

    def __init__(
        self,
        *ring: Any,
        member: Member,
        joins: Mapping[str, GroupCore | None],
        tell: Callable[["MemberNode", object], None],
    ) -> None:
        super().__init__(*ring)
        self.member = member
        self._joins = joins
        self._tell = tell
        self._to_submit: deque[Multicast] = deque()

    def start(self, now: int) -> core.Effects:
        out = super().start(now)
        for name, group in self._joins.items():
            out += self.do(partial(_join, name, group), now)
        return out

    def do(self, verb: Verb, now: int) -> core.Effects:
        """Something the application asks of the member."""
        out: core.Effects = []
        self._carry_on(verb(self.member, now), now, out)
        return out + self._submit(now)

    def on_timer(self, timer: Hashable, now: int) -> core.Effects:
        match timer:
            case ("group", inner):
                return self.do(lambda member, now: member.on_timer(inner, now), now)
        return super().on_timer(timer, now)

    def _step(self, now: int, event: Input) -> core.Effects:
        return super()._step(now, event) + self._submit(now)

    def _submit(self, now: int) -> core.Effects:
        # Only when all effects of a step were carried out may the next one come.
        out: core.Effects = []
        while self._to_submit:
            effect = self._to_submit.popleft()
            handle = self._handle + 1
            self._handle += len(effect.payloads)
            for n, payload in enumerate(effect.payloads):
                self._chronicler.submitting(handle + n, payload, effect.service)
            event = Submit(handle, effect.payloads, effect.service, effect.group)
            out += super()._step(now, event)
        return out

    def _carry_out(self, effect: Effect, now: int, out: core.Effects) -> None:
        super()._carry_out(effect, now, out)
        match effect:
            case Messages():
                self._carry_on(self.member.on_messages(effect, now), now, out)
                self._tell(self, effect)
            case Configuration():
                self._carry_on(self.member.on_configuration(effect, now), now, out)
            case Moved():
                self._carry_on(self.member.on_state(effect, now), now, out)

    def _carry_on(self, effects: Effects, now: int, out: core.Effects) -> None:
        for effect in effects:
            match effect:
                case Multicast():
                    self._to_submit.append(effect)
                case SetTimer(timer, at_ns):
                    out.append(core.SetTimer(("group", timer), max(0, at_ns - now)))
                case CancelTimer(timer):
                    out.append(core.CancelTimer(("group", timer)))
                case _:
                    self._tell(self, effect)


def _join(name: str, group: GroupCore | None, member: Member, now: int) -> Effects:
    return member.join(name, group)


@dataclass(slots=True)
class Stage(Group):
    """Members 1 to `count` of groups, in a world of their own.

    Args:
        build: what each boot of a member joins.
        policy: of the views' quorum.
        workload: what the applications do: called with the stage, a member and a generator, now and
            then while they :meth:`work`.
    """

    build: Build = lambda me: {}
    policy: Policy = NO_QUORUM
    workload: Callable[["Stage", int, Random], object] = lambda stage, me, random: None
    told: list[Told] = field(default_factory=list)
    listeners: list[Callable[[Told], object]] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)
    """Where two replicas that hold the state differ."""
    _digests: dict[tuple[str, str, int], tuple[int, object]] = field(default_factory=dict)
    _handles: dict[tuple[int, str], int] = field(default_factory=dict)

    def member(self, me: int) -> Member:
        """The layer of the incarnation that runs, or ran last."""
        node = self.node(me)
        assert isinstance(node, MemberNode), "all nodes of a stage are members"
        return node.member

    def core(self, me: int, group: str) -> Any:
        """The core of a group at a member; Any: the caller knows what it built."""
        return self.member(me).cores[group]

    def ask(self, me: int, group: str, verb: Verb) -> bool:
        """Ask something of a group's core; False if the member does not run, or has left it."""
        if not self.runs(me) or group not in self.member(me).cores:
            return False
        return self.do(me, lambda member, now: member.ask(group, lambda core: verb(core, now)))

    def do(self, me: int, verb: Verb) -> bool:
        """Ask something of the member; False if it does not run."""
        return self.world.call(me, lambda node, now: node.do(verb, now), "asks")

    def submit_to(self, me: int, group: str, commands: Sequence[bytes]) -> range | None:
        """Submit commands to a replica: their handles, None if the member does not run."""
        first = self._handles.get((me, group), 0) + 1
        if not self.ask(me, group, lambda replica, now: replica.submit(first, commands)):
            return None
        self._handles[me, group] = first + len(commands) - 1
        return range(first, first + len(commands))

    def events(self, me: int | None = None) -> list[object]:
        """What applications were told, of one member or of all."""
        return [told.event for told in self.told if me is None or told.node == me]

    # What the group of the ring does otherwise

    def _boot(self, offset: int, boot: Boot) -> RingNode:
        me = boot.address
        assert isinstance(me, int), "members are numbers"
        if boot.incarnation > 1:
            self._steps_before += self.node(me).steps
        return MemberNode(
            boot,
            self.config,
            self.make,
            f"{self.seed}/{me}",
            partial(self.clock, me, offset),
            partial(self._true_time, me),
            self.watch,
            member=Member(me, self.policy),
            joins=self.build(me),
            tell=partial(self._on_told, boot.incarnation),
        )

    def _submit_some(self, me: int, until_ns: int) -> None:
        if self.runs(me):
            self.workload(self, me, self.random)
        self._submit_later(me, until_ns)

    def _on_told(self, incarnation: int, node: MemberNode, event: object) -> None:
        if isinstance(event, Messages):
            self._compare(node, event)
            return
        if isinstance(event, Delivered):
            event = event.messages
        told = Told(self.world.now, node.me, incarnation, event)
        self.told.append(told)
        for listener in self.listeners:
            listener(told)

    def _compare(self, node: MemberNode, messages: Messages) -> None:
        for name, group in node.member.cores.items():
            replica: Any = getattr(group, "replica", group)
            digest = getattr(getattr(replica, "machine", None), "digest", None)
            if digest is None or messages.group != group_number(name):
                continue
            if not replica.is_current or replica.standing.ring != messages.ring:
                continue
            place = (name, messages.configuration, messages.sequence)
            other, theirs = self._digests.setdefault(place, (node.me, digest()))
            if theirs != digest():
                self.disagreements.append(
                    f"{name} at {place[1]}/{place[2]}: {other} has {theirs}, {node.me} {digest()}"
                )
