"""In which order events go down the picture: by a common time if there is one, or by causality.

The times of a simulation are common to all its nodes. Those of real nodes are each one's own, so a
history of these is drawn by what led to what: an event's depth is the length of the longest chain
that leads to it. A configuration counts as one event for all who enter it, and so stands at one
height, which is what extended virtual synchrony promises of it (a consistent cut). A history that
breaks that promise has cycles; these are drawn with fewer and fewer such claims.
"""

from collections import defaultdict, deque
from collections.abc import Iterable

from vsync.explain.reading import OF_THE_RUN, History, Item

Key = tuple[str, object]
Edges = dict[Key, set[Key]]


def arrange(history: History) -> bool:
    """Put the events of a history in the order in which they are drawn.

    Returns:
        Whether that is by time, and not by causality.
    """
    if has_common_time(history):
        return True
    history.items = causally(history)
    entered = [str(item.event["id"]) for item in history.items if item.kind == "configuration"]
    history.configurations = {name: history.configurations[name] for name in entered}
    return False


def has_common_time(history: History) -> bool:
    """Whether ``at`` is one time for all: it never goes back, and no message arrives too early."""
    last: int | None = None
    for item in history.items:
        if item.at is None:
            if item.kind in OF_THE_RUN:
                continue
            return False
        if last is not None and item.at < last:
            return False
        last = item.at
    return last is not None and not any(
        item.message in history.sent and history.sent[item.message].number > item.number
        for item in history.items
        if item.kind == "deliver"
    )


def causally(history: History) -> list[Item]:
    """All events, causes first, and what is equally deep together.

    If even the messages contradict the nodes' own order, the history's order is kept.
    """
    for merged in (True, False):
        depths = _depths(*_graph(history, merged))
        if depths is not None:
            found, grouped = depths, _keys(history.items, merged)
            return sorted(
                history.items, key=lambda item: (found[grouped[item.number]], item.number)
            )
    return list(history.items)


def _keys(items: Iterable[Item], merged: bool) -> dict[int, Key]:
    """What each event is in the graph: itself, or the configuration that it enters."""
    keys: dict[int, Key] = {}
    seen: set[tuple[str, int]] = set()
    for item in items:
        entry = str(item.event.get("id")), item.node
        if merged and item.kind == "configuration" and entry not in seen:
            seen.add(entry)
            keys[item.number] = ("configuration", entry[0])
        else:
            keys[item.number] = ("event", item.number)
    return keys


def _graph(history: History, merged: bool) -> tuple[list[Key], Edges]:
    keys = _keys(history.items, merged)
    edges: Edges = defaultdict(set)
    last: dict[int, Key] = {}
    for item in history.items:
        key = keys[item.number]
        if item.kind in OF_THE_RUN:
            # After all that was written before it; nobody waits for it.
            for before in last.values():
                edges[before].add(key)
            continue
        if item.node in last:
            edges[last[item.node]].add(key)
        last[item.node] = key
        if item.kind == "deliver" and item.message in history.sent:
            edges[keys[history.sent[item.message].number]].add(key)
    return list(dict.fromkeys(keys.values())), edges


def _depths(keys: list[Key], edges: Edges) -> dict[Key, int] | None:
    """The longest chain that leads to each; None if there is a cycle."""
    waiting = dict.fromkeys(keys, 0)
    for targets in edges.values():
        for target in targets:
            waiting[target] += 1
    depths = {key: 0 for key in keys if not waiting[key]}
    ready = deque(depths)
    while ready:
        key = ready.popleft()
        for target in edges.get(key, ()):
            depths[target] = max(depths.get(target, 0), depths[key] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return depths if len(depths) == len(keys) and not any(waiting.values()) else None
