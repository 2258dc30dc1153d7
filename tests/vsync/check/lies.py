"""Lies to plant in clean histories that end quiet: an event is dropped, moved, repeated or changed.

Each kind comes as a function from a history to all its variants: where, what becomes of it, and
whether the rest of the history must contradict it. What nothing contradicts cannot be seen:

- the last agreed messages of others in a configuration that nobody else leaves the same way, or
  that the deliverer died in, may be missing: it did not receive them;
- what only one process tells of a message or a configuration may be any stamp in order, any flag;
- a sending of what nobody delivered, whose sender died, need not have been;
- the last configuration of one who died, in which it did nothing, need not have been;
- a member more in a configuration that one process alone installed may be one who died too early.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

from clocksync.runtime.history import Event


@dataclass
class Variant:
    at: int
    events: list[Event]
    is_contradicted: bool


@dataclass
class Index:
    """What the lies need to know of a history: by the index of an event."""

    events: list[Event]
    lives: dict[tuple[int, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    tellers: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Deliveries of a message, installations of a configuration."""
    ways: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    """How many go from one configuration to the next."""
    dead: set[tuple[int, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        last: dict[int, tuple[int, str]] = {}
        for at, event in enumerate(self.events):
            if "node" not in event:
                continue
            life = event["node"], event["incarnation"]
            self.lives[life].append(at)
            if event["event"] in ("deliver", "configuration"):
                self.tellers[event.get("message") or event["id"]].append(at)
            if event["event"] == "crash":
                self.dead.add(life)
            if event["event"] == "boot" and event["node"] in last:
                self.dead.add(last[event["node"]])  # unless it left: then nothing is missing
            if event["event"] in ("boot", "leave"):
                last[event["node"]] = life
        for places in self.lives.values():
            told = map(self.events.__getitem__, places)
            ids = [event["id"] for event in told if event["event"] == "configuration"]
            for way in pairwise(ids):
                self.ways[way] += 1

    def life(self, at: int) -> tuple[int, str]:
        return self.events[at]["node"], self.events[at]["incarnation"]

    def of(self, *kinds: str) -> list[int]:
        return [at for at, event in enumerate(self.events) if event["event"] in kinds]

    def after(self, at: int) -> list[int]:
        """What the same incarnation does later."""
        places = self.lives[self.life(at)]
        return places[places.index(at) + 1 :]

    def next_configuration(self, at: int) -> int | None:
        later = (n for n in self.after(at) if self.events[n]["event"] == "configuration")
        return next(later, None)

    def died_on_its_ring(self, at: int) -> bool:
        """Whether the incarnation died before its next regular configuration."""
        later = [self.events[n] for n in self.after(at)]
        return self.life(at) in self.dead and all(e.get("kind") != "regular" for e in later)

    def goes_on_with_others(self, at: int) -> bool:
        following = self.next_configuration(at)
        if following is None:
            return False
        return self.ways[self.events[at]["configuration"], self.events[following]["id"]] > 1

    def changed(self, at: int, **keys: object) -> list[Event]:
        return [*self.events[:at], {**self.events[at], **keys}, *self.events[at + 1 :]]

    def without(self, at: int) -> list[Event]:
        return self.events[:at] + self.events[at + 1 :]

    def swapped(self, at: int, other: int) -> list[Event]:
        events = [*self.events]
        events[at], events[other] = events[other], events[at]
        return events


Lie = Callable[[Index], Iterator[Variant]]


def drop_a_delivery(index: Index) -> Iterator[Variant]:
    for at in index.of("deliver"):
        event = index.events[at]
        later = [index.events[n] for n in index.after(at)]
        lives_on = not index.died_on_its_ring(at)
        same = [e for e in later if e.get("configuration") == event["configuration"]]
        others = [n for n in index.tellers[event["message"]] if n != at]
        in_theirs = any(index.events[n]["configuration"] == event["configuration"] for n in others)
        contradicted = (
            (event["origin"] == event["node"] and lives_on)
            or index.goes_on_with_others(at)
            or (event["service"] == "safe" and lives_on and in_theirs)
            or (bool(same) and event["configuration"].startswith("R"))
        )
        yield Variant(at, index.without(at), contradicted)


def swap_two_deliveries(index: Index) -> Iterator[Variant]:
    for at in index.of("deliver"):
        later = [n for n in index.after(at) if index.events[n]["event"] in ("deliver", "send")]
        if not later or index.events[later[0]]["event"] != "deliver":
            continue
        same = index.events[later[0]]["configuration"] == index.events[at]["configuration"]
        yield Variant(at, index.swapped(at, later[0]), same)


def repeat_a_delivery(index: Index) -> Iterator[Variant]:
    for at in index.of("deliver"):
        yield Variant(at, [*index.events[:at], index.events[at], *index.events[at:]], True)


def change_what_was_delivered(key: str, index: Index) -> Iterator[Variant]:
    others: dict[str, Callable[[Event], object]] = {
        "digest": lambda event: "?",
        "service": lambda event: "safe" if event["service"] == "agreed" else "agreed",
        "origin": lambda event: 1 + event["origin"] % 3 if event["origin"] < 4 else 1,
        "configuration": lambda event: "elsewhere",
        "timestamp": lambda event: event["timestamp"] + 1,
        "error": lambda event: event["error"] + 1,
        "flags": lambda event: [*event["flags"], "suspect"],
    }
    for at in index.of("deliver"):
        event = index.events[at]
        everybody_sees = key in ("digest", "service", "origin", "configuration")
        shared = len(index.tellers[event["message"]]) > 1
        yield Variant(at, index.changed(at, **{key: others[key](event)}), everybody_sees or shared)


def set_a_stamp_back(index: Index) -> Iterator[Variant]:
    """It is the node's highest so far, or it was not in order before."""
    for at in index.of("deliver"):
        yield Variant(at, index.changed(at, timestamp=-1), True)


def deliver_in_the_next_configuration(index: Index) -> Iterator[Variant]:
    for at in index.of("deliver"):
        after = index.next_configuration(at)
        if after is None or any(
            index.events[n]["event"] in ("deliver", "send") for n in index.after(at) if n < after
        ):
            continue
        event, new = index.events[at], index.events[after]
        told = {**event, "configuration": new["id"]}
        events = [*index.events[:at], *index.events[at + 1 : after + 1], told]
        events += index.events[after + 1 :]
        is_regular = new["kind"] == "regular"  # of another ring then
        yield Variant(at, events, is_regular or index.goes_on_with_others(at))


def forget_a_sending(index: Index) -> Iterator[Variant]:
    for at in index.of("send"):
        event = index.events[at]
        submitted = any(
            index.events[n]["event"] == "submit" and index.events[n]["handle"] == event["handle"]
            for n in index.lives[index.life(at)]
        )
        delivered = bool(index.tellers.get(event["message"]))
        lives = submitted and index.life(at) not in index.dead and not _left(index, at)
        yield Variant(at, index.without(at), delivered or lives)


def forget_a_configuration(index: Index) -> Iterator[Variant]:
    for at in index.of("configuration"):
        does = any(
            index.events[n]["event"] in ("configuration", "deliver", "send")
            for n in index.after(at)
        )
        ended = index.life(at) in index.dead or _left(index, at)
        yield Variant(at, index.without(at), does or not ended)


def forget_a_boot(index: Index) -> Iterator[Variant]:
    for at in index.of("boot"):
        yield Variant(at, index.without(at), len(index.after(at)) > 0)


def add_a_member(index: Index) -> Iterator[Variant]:
    for at in index.of("configuration"):
        event = index.events[at]
        shared = len(index.tellers[event["id"]]) > 1
        members = [*event["members"], 99]  # nobody ever saw it
        is_first = all(index.events[n]["event"] == "boot" for n in index.lives[index.life(at)][:1])
        is_first = is_first and index.lives[index.life(at)][1] == at
        contradicted = shared or is_first or event["kind"] == "transitional"
        yield Variant(at, index.changed(at, members=members), contradicted)


def leave_a_member_out(index: Index) -> Iterator[Variant]:
    for at in index.of("configuration"):
        event = index.events[at]
        if event["kind"] == "regular" and len(event["members"]) < 2:
            continue
        shared = len(index.tellers[event["id"]]) > 1
        left_out = event["members"][0]
        members = event["members"][1:]
        yield Variant(at, index.changed(at, members=members), shared or left_out == event["node"])


def change_a_configuration(key: str, index: Index) -> Iterator[Variant]:
    others: dict[str, Callable[[Event], object]] = {
        "timestamp": lambda event: event["timestamp"] + 1,
        "ring": lambda event: f"{event['ring']}x",
        "id": lambda event: f"{event['id']}x",
        "kind": lambda event: "transitional" if event["kind"] == "regular" else "regular",
    }
    for at in index.of("configuration"):
        event = index.events[at]
        shared = len(index.tellers[event["id"]]) > 1
        did = any(index.events[n]["event"] in ("deliver", "send") for n in index.after(at)[:1])
        contradicted = {
            "timestamp": shared,
            "ring": shared or event["kind"] == "transitional" or did,
            "id": did or (shared and event["kind"] == "regular"),
            "kind": True,
        }[key]
        told = index.changed(at, **{"ring_seq": 10**6, key: others[key](event)})
        if key != "kind":
            told = index.changed(at, **{key: others[key](event)})
        yield Variant(at, told, contradicted)


def let_a_ring_number_go_back(index: Index) -> Iterator[Variant]:
    for at in index.of("configuration"):
        event = index.events[at]
        first = index.lives[index.life(at)][1] == at
        shared = len(index.tellers[event["id"]]) > 1
        if event["kind"] == "regular":
            yield Variant(at, index.changed(at, ring_seq=0), shared or not first)


def send_later(index: Index) -> Iterator[Variant]:
    """Behind one's own delivery of it."""
    for at in index.of("send"):
        own = [
            n
            for n in index.after(at)
            if index.events[n]["event"] == "deliver"
            and index.events[n]["message"] == index.events[at]["message"]
        ]
        if own:
            events = [*index.events[:at], *index.events[at + 1 : own[0] + 1]]
            yield Variant(at, [*events, index.events[at], *index.events[own[0] + 1 :]], True)


def _left(index: Index, at: int) -> bool:
    return index.events[index.lives[index.life(at)][-1]]["event"] == "leave"


LIES: dict[str, Lie] = {
    lie.__name__: lie
    for lie in (
        drop_a_delivery,
        swap_two_deliveries,
        repeat_a_delivery,
        set_a_stamp_back,
        deliver_in_the_next_configuration,
        forget_a_sending,
        forget_a_configuration,
        forget_a_boot,
        add_a_member,
        leave_a_member_out,
        let_a_ring_number_go_back,
        send_later,
    )
}
for _key in ("digest", "service", "origin", "configuration", "timestamp", "error", "flags"):
    LIES[f"change_the_{_key}_of_a_delivery"] = partial(change_what_was_delivered, _key)
for _key in ("timestamp", "ring", "id", "kind"):
    LIES[f"change_the_{_key}_of_a_configuration"] = partial(change_a_configuration, _key)
