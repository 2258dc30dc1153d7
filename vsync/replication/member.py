"""All of one process's groups over its ring: what the ring delivers goes in, effects come out.

::

    member = Member(me=1, policy=MajorityOfExpected({1, 2, 3}))
    carry_out(member.join("config", Replica(1, "config", ReplicatedDict(), member.policy)))
    # Of the engine's effects, in order:
    #   Messages       -> member.on_messages(messages, now)
    #   Configuration  -> member.on_configuration(configuration, now)
    #   Moved          -> member.on_state(moved, now)
    # and a timer that ran out      -> member.on_timer(timer, now)
    # Of what these answer, ``Multicast`` becomes a ``Submit`` to the engine, timers are set and
    # cancelled, and everything else is for the application.

All processes of a ring must run this layer: a view opens when everybody's roll has come.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

from clocksync.runtime.errors import MisusedCore
from vsync.events import Configuration, Messages, Moved
from vsync.identity import Service
from vsync.replication.events import (
    CancelTimer,
    Delivered,
    Effects,
    JoinRefused,
    LeaveRefused,
    Multicast,
    RollCall,
    SetTimer,
    View,
)
from vsync.replication.groups import Groups
from vsync.replication.quorum import NO_QUORUM, Policy


class GroupCore(Protocol):
    """What keeps a state in a group: a replica, or something around one."""

    def offer(self) -> object:
        """What the others are told of our state; a value of JSON."""

    def leaving(self) -> None:
        """This process is about to leave the group.

        Raises:
            MisusedCore: not now.
        """

    def on_ring_ended(self, now: int) -> Effects: ...

    def on_view(self, view: View, now: int) -> Effects: ...

    def on_messages(self, messages: Messages, now: int) -> Effects: ...

    def on_state(self, moved: Moved, now: int) -> Effects: ...

    def on_timer(self, timer: Hashable, now: int) -> Effects: ...


class Member:
    """One process on one ring.

    Args:
        me: its number.
        policy: which side of a divided network has a quorum (of views; replicas have their own).
    """

    def __init__(self, me: int, policy: Policy = NO_QUORUM) -> None:
        self.me, self.policy = me, policy
        self.groups = Groups(me, policy)
        self.cores: dict[str, GroupCore] = {}
        self._closed: dict[str, list[Multicast]] = {}
        """Groups whose join or leave is under way, and what must neither overtake nor follow it."""

    # What an application asks

    def join(self, name: str, core: GroupCore | None = None) -> Effects:
        """Be in a group, with a replica of its state or without one.

        Raises:
            BadConfig: no group can be called so.
            MisusedCore: we are in it.
        """
        effects = self.groups.join(name, core.offer() if core is not None else None)
        if core is not None:
            self.cores[name] = core
        self._closed[name] = []
        return effects

    def leave(self, name: str) -> Effects:
        """Be in a group no more. With a state we leave only as long as nobody else joins meanwhile,
        who may need it: then ``LeaveRefused`` is told.

        Raises:
            MisusedCore: we are not in it, or it cannot do without us now.
        """
        core = self.cores.get(name)
        if core is not None:
            core.leaving()
        effects = self.groups.leave(name, if_unchanged=core is not None)
        self._closed[name] = []
        return effects

    def multicast(
        self, name: str, payloads: Sequence[bytes], service: Service = Service.AGREED
    ) -> Effects:
        """Send messages to a group that keeps no state here; one that does takes commands.

        Raises:
            MisusedCore: we are not in it, or it keeps a state.
        """
        if name in self.cores:
            raise MisusedCore(f"multicast to {name!r}: submit commands to its replica instead")
        return self._of(name, self.groups.multicast(name, payloads, service))

    def ask(self, name: str, verb: Callable[[Any], Effects]) -> Effects:
        """Ask something of a group's core: ``member.ask("jobs", lambda core: core.submit(...))``.

        Raises:
            MisusedCore: the group keeps no state here; or what the core says.
        """
        if name not in self.cores:
            raise MisusedCore(f"ask {name!r}: this process keeps no state in it")
        return self._of(name, verb(self.cores[name]))

    # Inputs

    def on_messages(self, messages: Messages, now: int) -> Effects:
        """The ring delivered messages."""
        return self._hand_on(self.groups.on_messages(messages, now), now)

    def on_configuration(self, configuration: Configuration, now: int) -> Effects:
        """The ring delivered a configuration."""
        return self._hand_on(self.groups.on_configuration(configuration, now), now)

    def on_state(self, moved: Moved, now: int) -> Effects:
        """The ring's state moved."""
        effects = self.groups.on_state(moved, now)
        for name, core in self.cores.items():
            effects += self._of(name, core.on_state(moved, now))
        return effects

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        """A timer ran out."""
        match timer:
            case (str(name), inner) if name in self.cores:
                return self._of(name, self.cores[name].on_timer(inner, now))
        return []

    # Between groups and cores

    def _hand_on(self, effects: Effects, now: int) -> Effects:
        """What groups say goes to the cores they speak of, and what these say follows it."""
        todo, done = deque(effects), Effects()
        while todo:
            effect = todo.popleft()
            match effect:
                case Delivered(name, messages) if name in self.cores:
                    done += self._of(name, self.cores[name].on_messages(messages, now))
                    continue
                case RollCall():
                    done += self._answer(now)
                    continue
            if isinstance(effect, View) and self.me in effect.joined:
                # What a core said before comes before what the view makes it say.
                done += self._closed.pop(effect.group, [])
            done.append(effect)
            match effect:
                case View() if effect.group in self.cores:
                    done += self._of(effect.group, self.cores[effect.group].on_view(effect, now))
                    if self.me not in effect.members:
                        self._forget(effect.group)
                case View() if self.me not in effect.members:
                    self._forget(effect.group)
                case JoinRefused(name):
                    self._forget(name)
                case LeaveRefused(name):
                    done += self._closed.pop(name, [])
        return done

    def _answer(self, now: int) -> Effects:
        done, told = Effects(), {}
        for name, core in self.cores.items():
            done += self._of(name, core.on_ring_ended(now))
            told[name] = core.offer()
        return done + self.groups.answer(told)

    def _forget(self, name: str) -> None:
        self.cores.pop(name, None)
        self._closed.pop(name, None)

    def _of(self, name: str, effects: Effects) -> Effects:
        """What a core says: its timers are its group's, and its messages wait where they must."""
        said: Effects = []
        for effect in effects:
            match effect:
                case Multicast() if name in self._closed:
                    self._closed[name].append(effect)
                case SetTimer(timer, at_ns):
                    said.append(SetTimer((name, timer), at_ns))
                case CancelTimer(timer):
                    said.append(CancelTimer((name, timer)))
                case _:
                    said.append(effect)
        return said
