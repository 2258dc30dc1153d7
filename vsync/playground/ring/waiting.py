"""Of each message and each member: whether it has it, has delivered it, and else what holds it up.

An engine knows less than we do: it hears from the token alone what others have. What is said here
is what it waits for, and beside it how things really are.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from vsync.identity import Service
from vsync.playground.ring.words import braced, listed
from vsync.playground.ring.world import RingWorld
from vsync.playground.stage import Message
from vsync.ring import Ring
from vsync.states import State

OPEN_MAX = 150
"""Messages that are looked after at a time; the oldest are let go."""


@dataclass(slots=True)
class Open:
    """A message that not everybody has done with.

    Attributes:
        got: where each member delivered it: in words.
        lives: which incarnation of each member was there when it was sent.
        told: what was said last of each member.
    """

    name: str
    label: str
    ring: str
    sequence: int
    origin: int
    service: Service
    members: tuple[int, ...]
    lives: dict[int, int]
    got: dict[int, str] = field(default_factory=dict)
    told: dict[int, tuple[str, str]] = field(default_factory=dict)


class Waiting:
    """Follows the messages of a world."""

    def __init__(self, world: RingWorld) -> None:
        self._world = world
        self._open: dict[str, Open] = {}
        self._members: dict[str, tuple[int, ...]] = {}
        self._views: dict[str, tuple[str, tuple[int, ...]]] = {}
        self.labels: dict[str, str] = {}
        """How messages are called on the page, by name."""
        self._count = 0

    def saw(self, event: dict[str, Any]) -> str:
        """An event of the history; the label of the message it is about."""
        match event["event"]:
            case "configuration":
                members = tuple(event["members"])
                self._views[event["id"]] = event["kind"], members
                if event["kind"] == "regular":
                    self._members[event["ring"]] = members
                _forget(self._views)
                _forget(self._members)
            case "send":
                return self._sent(event)
            case "deliver":
                found = self._open.get(event["message"])
                if found is not None:
                    found.got[event["node"]] = self._where(event["configuration"])
                return self.labels.get(event["message"], "")
        return ""

    def _sent(self, event: dict[str, Any]) -> str:
        self._count += 1
        name, label = event["message"], f"M{self._count}"
        ring, _, rest = name.partition("/")
        members = self._members.get(ring, (event["node"],))
        lives = {member: self._world.incarnation(member) for member in members}
        self.labels[name] = label
        self._open[name] = Open(
            name,
            label,
            ring,
            int(rest.partition(".")[0]),
            event["node"],
            Service(event["service"]),
            members,
            lives,
        )
        if len(self._open) > OPEN_MAX:
            del self._open[next(iter(self._open))]
        _forget(self.labels)
        return label

    def _where(self, configuration: str) -> str:
        kind, members = self._views.get(configuration, ("regular", ()))
        words = braced(members)
        if kind == "regular":
            return f"delivered, in the configuration {words}"
        return f"delivered, in the transitional configuration {words}: among those who go on"

    def news(self, at_s: float) -> Iterator[Message]:
        """What is different from what was said last."""
        done = []
        for message in self._open.values():
            states = []
            for member in message.members:
                state, text = self._why(message, member)
                states.append(state)
                if message.told.get(member) != (state, text):
                    message.told[member] = state, text
                    yield {
                        "kind": "why",
                        "at_s": at_s,
                        "node": member,
                        "message": message.name,
                        "state": state,
                        "text": text,
                    }
            if all(state in ("got", "never") for state in states):
                done.append(message.name)
        for name in done:
            del self._open[name]

    # Why

    def _why(self, message: Open, member: int) -> tuple[str, str]:
        world = self._world
        if member in message.got:
            return "got", message.got[member]
        condition = world.condition(member)
        if condition == "down" or world.incarnation(member) != message.lives[member]:
            return "never", "killed before it delivered it"
        engine = world.engine(member)
        ring = self._ring(member, message)
        if ring is None:
            if condition == "left":
                return "never", "left before it delivered it"
            if engine.ring.id.sequence > int(message.ring.partition(".")[0]):
                return "never", "went on to another ring without it: nobody who came along had it"
            return "coming", "is not on that ring yet"
        has = _has(ring, message.sequence)
        if condition == "paused":
            return ("waits", "has it, and is stopped") if has else ("coming", "is stopped")
        if not has:
            why = world.lost.get((message.name, member))
            return "coming", f"does not have it: {why}" if why else "does not have it yet"
        return "waits", f"has it, and waits: {self._held(message, member, ring)}"

    def _held(self, message: Open, member: int, ring: Ring) -> str:
        engine = self._world.engine(member)
        if ring is not engine.ring:
            return "the new ring is not installed here yet"
        if engine.state is not State.OPERATIONAL:
            return "its ring broke, and what is still delivered in it is agreed with the next one"
        if ring.log.contiguous < message.sequence:
            lacking = ring.log.contiguous + 1
            label = next(
                (
                    one.label
                    for one in self._open.values()
                    if one.ring == message.ring and one.sequence == lacking
                ),
                f"number {lacking}",
            )
            return f"{label}, which comes before it, is missing"
        if message.service is Service.SAFE and message.sequence > ring.safe:
            lacking_it = [other for other in message.members if not self._has(other, message)]
            if lacking_it:
                names = listed(lacking_it)
                return f"SAFE, and {names} {'do' if len(lacking_it) > 1 else 'does'} not have it"
            return "SAFE; all have it, but only the token, twice around, can tell so"
        return "it is about to be delivered"

    def _ring(self, member: int, message: Open) -> Ring | None:
        engine = self._world.engine(member)
        rings = [engine.ring]
        if engine.recovery is not None:
            rings.append(engine.recovery.ring)
        return next((ring for ring in rings if str(ring.id) == message.ring), None)

    def _has(self, member: int, message: Open) -> bool:
        if self._world.incarnation(member) != message.lives[member]:
            return False
        if member in message.got:
            return True
        ring = self._ring(member, message)
        return ring is not None and _has(ring, message.sequence)


def _has(ring: Ring, sequence: int) -> bool:
    return sequence <= ring.log.contiguous or sequence in ring.log.frames


def _forget(names: "dict[str, Any]", most: int = 2_000) -> None:
    if len(names) > most:
        for name in list(names)[: most // 2]:
            del names[name]
