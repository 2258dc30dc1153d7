"""The events of a history that can be drawn, checked for what drawing needs of them.

Unknown events and keys are passed over, as the format asks of its readers. Whatever else the
history claims is drawn as it stands: whether it may be true is the checker's business.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from clocksync.runtime.errors import ToolkitError
from clocksync.runtime.history import Event
from vsync.explain.wording import members_text

OF_THE_RUN = ("healed", "quiet")
MESSAGES = ("send", "deliver")
NEEDED = {
    "boot": (),
    "configuration": ("id", "kind", "members"),
    "recovered": (),
    "crash": (),
    "leave": (),
    "token": ("to",),
    "send": ("message",),
    "deliver": ("message",),
}
"""Keys that drawing needs, beside the node."""


class NothingToDraw(ToolkitError):
    """A history without events that can be drawn, or with one that lacks what it needs."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A view. One id is one of these, however many members tell of it."""

    id: str
    is_regular: bool
    members: tuple[int, ...]
    ring: str
    """Its own, or for a transitional one the old one's; its id if nothing is told."""
    number: str
    """The ring's sequence number, or what stands for it."""

    @property
    def name(self) -> str:
        letter = f"R{self.number}" if self.is_regular else "T"
        return f"{letter} {members_text(self.members)}"


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """An event that can be drawn."""

    number: int
    """Its place in the history, from 1."""
    kind: str
    node: int
    """Zero for an event of the whole run; those have a kind of their own."""
    event: Event
    at: int | None
    ring: str = ""
    sequence: int | None = None
    """Of a message: its place in the order of its ring."""
    label: str = ""
    is_safe: bool = False
    origin: int = 0

    @property
    def message(self) -> str:
        return str(self.event["message"])


@dataclass(slots=True)
class History:
    """All that can be drawn of a history."""

    items: list[Item] = field(default_factory=list)
    total: int = 0
    """Events read, drawable or not."""
    nodes: list[int] = field(default_factory=list)
    configurations: dict[str, Configuration] = field(default_factory=dict)
    """By id, as the first event that names it has it."""
    sent: dict[str, Item] = field(default_factory=dict)
    """The sending of each message, the first if there are several."""
    delivered: set[str] = field(default_factory=set)
    packed: set[str] = field(default_factory=set)
    """Messages that share their datagram with one before them."""
    submitted: dict[tuple[int, str, str], int] = field(default_factory=dict)
    """When what has this node, incarnation and handle was submitted."""

    def configuration(self, item: Item) -> Configuration:
        """What an event says it enters, whatever others say of the same id."""
        return _configuration(item.number, item.event)

    def short_name(self, item: Item) -> str:
        """A message's place in its ring's order, and if several share it, its place among these."""
        place, dot, index = item.label.partition(".")
        alone = dot and index == "0" and f"{item.ring}/{place}.1" not in self.packed
        return place if alone else item.label

    def is_transitional(self, item: Item) -> bool:
        """Whether it is a delivery in a transitional configuration, by its own word."""
        found = self.configurations.get(str(item.event.get("configuration")))
        return item.kind == "deliver" and found is not None and not found.is_regular


def read(events: Iterable[Event], tokens: bool) -> History:
    """Take from a history what can be drawn.

    Args:
        tokens: whether the passing of tokens is drawn.

    Raises:
        NothingToDraw: there is nothing, or an event lacks a key that is needed to draw it.
    """
    history = History()
    for number, event in enumerate(events, start=1):
        history.total = number
        kind = event.get("event")
        if kind in OF_THE_RUN:
            history.items.append(Item(number, str(kind), 0, event, _at(event)))
        elif kind == "submit":
            key = (event.get("node"), str(event.get("incarnation")), str(event.get("handle")))
            if isinstance(key[0], int) and isinstance(event.get("at"), int):
                history.submitted[(key[0], key[1], key[2])] = event["at"]
        elif kind in NEEDED and (kind != "token" or tokens):
            _take(history, number, str(kind), event)
    if not history.items:
        raise NothingToDraw("no events of a ring: there is nothing to draw")
    history.nodes = sorted({item.node for item in history.items if item.kind not in OF_THE_RUN})
    return history


def _take(history: History, number: int, kind: str, event: Event) -> None:
    for key in ("node", *NEEDED[kind]):
        if key not in event:
            raise NothingToDraw(f"event {number}: {kind} without {key!r}")
    if not _is_integer(event["node"]):
        raise NothingToDraw(f"event {number}: {kind} whose 'node' is no integer")
    if kind == "token" and not _is_integer(event["to"]):
        raise NothingToDraw(f"event {number}: token whose 'to' is no integer")
    if kind in MESSAGES:
        item = _message(number, kind, event)
        if kind == "send":
            history.sent.setdefault(item.message, item)
        else:
            history.delivered.add(item.message)
        if item.label.endswith(".1"):
            history.packed.add(item.message)
    else:
        item = Item(number, kind, event["node"], event, _at(event), str(event.get("ring", "")))
        if kind == "configuration":
            found = _configuration(number, event)
            history.configurations.setdefault(found.id, found)
    history.items.append(item)


def _message(number: int, kind: str, event: Event) -> Item:
    ring, _, label = str(event["message"]).rpartition("/")
    digits = label.partition(".")[0]
    origin: object = event["node"] if kind == "send" else event.get("origin")
    return Item(
        number,
        kind,
        event["node"],
        event,
        _at(event),
        ring,
        int(digits) if digits.isdecimal() and len(digits) < 20 else None,
        label,
        event.get("service") == "safe",
        origin if isinstance(origin, int) else 0,
    )


def _configuration(number: int, event: Event) -> Configuration:
    members, kind = event["members"], event["kind"]
    if not isinstance(members, Sequence) or not all(map(_is_integer, members)):
        raise NothingToDraw(f"event {number}: configuration whose 'members' are no integers")
    if kind not in ("regular", "transitional"):
        raise NothingToDraw(f"event {number}: configuration of no known kind: {str(kind)[:40]!r}")
    name = str(event["id"])
    ring = str(event.get("ring", name))
    number_of = event.get("ring_seq", ring.partition(".")[0][:12])
    return Configuration(name, kind == "regular", tuple(members), ring, str(number_of))


def _at(event: Event) -> int | None:
    at = event.get("at")
    # A line may hold any integer; of these no time is that large.
    return at if isinstance(at, int) and _is_integer(at) and abs(at) < 1 << 63 else None


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
