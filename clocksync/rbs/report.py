"""What a receiver found, as JSON (schema ``clocksync.rbs/1``) and as a table for people.

offset is b minus a: positive means that b's clock is ahead. Units are in the names, unknown is
null and never 0. The schema is ``clocksync/schemas/rbs-1.json``.
"""

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from clocksync.rbs.receiver import Ended, Receiver
from clocksync.rbs.relation import Relation
from clocksync.runtime.units import SECOND, format_duration, to_seconds

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = "clocksync.rbs/1"
UNKNOWN = "–"


def to_document(core: Receiver, now: int) -> dict[str, Any]:
    """All that a receiver knows at its monotonic time `now`, keys as the schema has them."""
    relations = core.relations()
    loops, looked_at = core.web.loops()
    return {
        "schema": SCHEMA,
        "broadcasts": min(core.count, core.settings.window),
        "pairs": [pair_document(core, relation, now) for relation in relations],
        "receiver": core.me,
        "heard": core.count,
        "beacons": sorted({name.beacon for name in core.beacons}),
        "bound": "two-way" if core.settings.two_way else "arrival spread assumed",
        "arrival_spread_s": _seconds(core.settings.arrival_spread_ns),
        "max_drift_ppm": core.settings.max_drift_ppm,
        "loops": looked_at,
        "contradicting_loops": [list(loop) for loop in loops],
        "ended": None if core.ended is None else core.ended.value,
        "cautions": cautions(core, relations),
    }


def pair_document(core: Receiver, relation: Relation, now: int) -> dict[str, Any]:
    """One pair as plain data."""
    return {
        "a": relation.a,
        "b": relation.b,
        "offset_s": to_seconds(relation.offset_ns),
        "skew_ppm": relation.skew_ppm,
        "error_bound_s": to_seconds(relation.error_bound_ns),
        "standard_error_s": _seconds(relation.standard_error_ns),
        "bias_s": _seconds(relation.bias_ns),
        "broadcasts": relation.broadcasts,
        "rejected": relation.rejected,
        "hops": relation.hops,
        "via": relation.via or None,
        "age_s": _seconds(_age(core, relation, now)),
        "disputed": relation.is_disputed,
    }


def to_json(core: Receiver, now: int) -> str:
    """The same as one JSON text."""
    return json.dumps(to_document(core, now), indent=2)


def cautions(core: Receiver, relations: list[Relation]) -> list[str]:
    """What is not as it should be, a sentence each."""
    found = []
    wanted = core.settings.broadcasts
    if core.ended is Ended.FELL_SILENT and wanted is not None:
        found.append(f"the beacon fell silent: {core.count} of {wanted} broadcasts were heard")
    if core.namesakes:
        found.append(f"another receiver is numbered {core.me} too: give each a number of its own")
    lives = Counter(name.beacon for name in core.beacons)
    for beacon, count in sorted(lives.items()):
        if count > 1:
            found.append(
                f"beacon {beacon} was heard in {count} lives: it restarted, or there are two"
            )
    for peer, count in sorted(core.restarts.items()):
        times = "once" if count == 1 else f"{count} times"
        found.append(f"receiver {peer} came with another clock {times}: what was known is void")
    for peer, contact in sorted(core.contacts.items()):
        if contact.contradictions:
            found.append(
                f"clock {peer} contradicted itself {contact.contradictions} times: it or ours was"
                " set, or it lies"
            )
        if peer not in core.web.own:
            found.append(f"nothing bounds clock {peer}: {_why_unbounded(core)}")
    found += [
        f"what is said of {relation.a} and {relation.b} contradicts itself: one lies"
        for relation in relations
        if relation.is_disputed
    ]
    if not core.contacts and core.count:
        found.append("no other receiver was heard")
    return found


def table(core: Receiver, relations: list[Relation]) -> "Table":
    """The pairs for a terminal."""
    from rich import box
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    shown.add_column("a")
    shown.add_column("b")
    for title in ("b is", "bound", "std. error", "skew, ppm", "bias", "broadcasts"):
        shown.add_column(title, justify="right", no_wrap=True)
    shown.add_column("way", no_wrap=True)
    for relation in relations:
        used = f"{relation.broadcasts}"
        if relation.rejected:
            used += f" (-{relation.rejected})"
        shown.add_row(
            str(relation.a),
            str(relation.b),
            ahead(relation.offset_ns, relation.error_bound_ns),
            f"± {format_duration(relation.error_bound_ns)}",
            _duration(relation.standard_error_ns),
            UNKNOWN if relation.skew_ppm is None else f"{relation.skew_ppm:+.2f}",
            UNKNOWN if relation.bias_ns is None else format_duration(relation.bias_ns),
            used,
            way(relation),
        )
    return shown


def ahead(offset_ns: int, bound_ns: int = 0) -> str:
    """What an offset, b minus a, says of b: with as many digits as its bound makes sense of.

    >>> ahead(412_000), ahead(-3), ahead(0)
    ('412 us ahead', '3 ns behind', 'even')
    >>> ahead(3_000_000_412, 2_500)
    '3.0000004 s ahead'
    """
    if not offset_ns:
        return "even"
    magnitude = abs(offset_ns)
    digits = max(3, len(str(magnitude)) - len(str(bound_ns)) + 2) if bound_ns else 3
    return f"{format_duration(magnitude, digits)} {'ahead' if offset_ns > 0 else 'behind'}"


def way(relation: Relation) -> str:
    """How a pair came about, in words."""
    words = "direct" if relation.hops == 1 else f"over {relation.via}, {relation.hops} hops"
    return f"{words}, disputed" if relation.is_disputed else words


def summary(core: Receiver, relations: list[Relation]) -> str:
    """The one sentence to take away."""
    if not relations:
        return f"{core.count} broadcasts heard, and no pair of clocks is known."
    worst = max(relations, key=lambda relation: relation.error_bound_ns)
    pairs = "1 pair" if len(relations) == 1 else f"{len(relations)} pairs"
    what = "by two-way exchanges"
    if not core.settings.two_way:
        spread = format_duration(core.settings.arrival_spread_ns or 0)
        what = f"if broadcasts reach all within {spread}"
    bound = format_duration(worst.error_bound_ns)
    return f"{pairs} from {core.count} broadcasts; every bound within {bound}, {what}."


def _why_unbounded(core: Receiver) -> str:
    if core.settings.two_way:
        return "no two-way exchange came through"
    return "arrivals were further apart than --arrival-spread allows, or none were in common"


def _age(core: Receiver, relation: Relation, now: int) -> int | None:
    """How long ago it held."""
    reading = core.reading_at(now)
    if relation.a != core.me:
        ours = core.web.known().get(relation.a)
        if ours is None:
            return None
        reading += ours.offset_at(reading)
    return max(0, reading - relation.as_of)


def _seconds(value: float | None) -> float | None:
    return None if value is None else value / SECOND


def _duration(value: float | None) -> str:
    return UNKNOWN if value is None else format_duration(round(value))
