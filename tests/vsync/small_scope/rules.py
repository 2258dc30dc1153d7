"""What must hold of what the members of a small world were told, written down once more.

``vsync.check`` judges histories; these few rules do so independently of it, so that one of the two
may be wrong. All speak of logs that may go on: none is broken by what is still to come.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Log = Sequence[Mapping[str, Any]]
"""Events of one node in order, of all its incarnations; each begins with ``boot``."""


def lives(log: Log) -> Iterator[Log]:
    """The incarnations of one node."""
    starts = [index for index, event in enumerate(log) if event["event"] == "boot"]
    for start, end in zip(starts, [*starts[1:], len(log)], strict=False):
        yield log[start:end]


def spans(life: Log) -> list[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]:
    """The configurations of one incarnation, each with what happened in it."""
    found: list[tuple[Mapping[str, Any], list[Mapping[str, Any]]]] = []
    for event in life:
        if event["event"] == "configuration":
            found.append((event, []))
        elif found:
            found[-1][1].append(event)
        elif event["event"] in ("send", "deliver"):
            found.append(({"id": "none", "kind": "none"}, [event]))
    return found


def _delivered(events: list[Mapping[str, Any]]) -> list[str]:
    return [event["message"] for event in events if event["event"] == "deliver"]


def complaints(logs: Mapping[int, Log]) -> Iterator[str]:
    """What is wrong, if anything."""
    for node, log in logs.items():
        yield from _one(node, log)
    yield from _all(logs)


def _one(node: int, log: Log) -> Iterator[str]:
    highest, seen = -1, set[str]()
    for life in lives(log):
        word, last = "", -1
        own: set[str] = set()
        for configuration, events in spans(life):
            id, kind = configuration["id"], configuration["kind"]
            word += kind[0]
            if id in seen:
                yield f"node {node} delivers {id} twice"
            seen.add(id)
            if kind == "regular":
                if own:
                    yield f"self delivery: node {node} enters {id} without its own {sorted(own)}"
                if configuration["ring_seq"] <= highest:
                    yield f"ring numbers: node {node} enters {id} after {highest}"
                highest = configuration["ring_seq"]
                if configuration["timestamp"] <= last:
                    yield f"timestamps: {id} at node {node}"
                last = configuration["timestamp"]
            for event in events:
                if event["event"] == "send":
                    own.add(event["message"])
                elif event["event"] == "deliver":
                    own.discard(event["message"])
                    if event["timestamp"] <= last:
                        yield f"timestamps: {event['message']} at node {node}"
                    last = event["timestamp"]
        # r, rt, rtr, rtrt, ...
        if word != ("rt" * len(word))[: len(word)]:
            yield f"shape: node {node} has configurations {word}"


def _all(logs: Mapping[int, Log]) -> Iterator[str]:
    contents: dict[str, tuple[Any, ...]] = {}
    orders: dict[str, list[str]] = {}
    passages: dict[tuple[str, str], list[str]] = {}
    for node, log in logs.items():
        for life in lives(log):
            went = spans(life)
            for at, (configuration, events) in enumerate(went):
                id, delivered = configuration["id"], _delivered(events)
                if configuration["kind"] == "none":
                    yield f"shape: node {node} acts before its first configuration"
                    continue
                content = (
                    configuration["kind"],
                    configuration["ring"],
                    tuple(configuration["members"]),
                    configuration["timestamp"] if configuration["kind"] == "regular" else 0,
                )
                if contents.setdefault(id, content) != content:
                    yield f"{id} is not alike everywhere: {contents[id]}, {content}"
                for event in events:
                    if event["event"] == "deliver":
                        what = (event["origin"], event["service"], event["digest"])
                        stamped = (*what, event["timestamp"])
                        if contents.setdefault(event["message"], stamped) != stamped:
                            yield f"{event['message']} is not alike everywhere"
                if configuration["kind"] == "regular":
                    longest = orders.setdefault(id, delivered)
                    both = min(len(longest), len(delivered))
                    if longest[:both] != delivered[:both]:
                        yield f"agreed order in {id}: {longest}, {delivered}"
                    if len(delivered) > len(longest):
                        orders[id] = delivered
                if at + 1 < len(went):
                    passage = (id, went[at + 1][0]["id"])
                    if passages.setdefault(passage, delivered) != delivered:
                        others = passages[passage]
                        yield f"failure atomicity: {passage} with {others} and {delivered}"
