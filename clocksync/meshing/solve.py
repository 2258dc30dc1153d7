"""From all samples of a mesh to its result. Pure.

1. Exchanges that contradict each other are put down to hosts whose clocks were set, or to hosts and
   paths that make no sense: :mod:`clocksync.meshing.steps`.
2. Every host gets a rough offset, in whole nanoseconds, so that floats only see what is left.
3. Each pair gets its estimate and what is certain of it: :mod:`clocksync.meshing.pairs`.
4. The graph makes one skew and one offset of each host: :mod:`clocksync.meshing.graph`. With the
   skews of all known better than any pair knows its own, pairs are estimated again.
5. What is certain is drawn together over all paths: :mod:`clocksync.meshing.bounds`. Estimates are
   kept inside.

The instant everything is told of is near the end of the measurement: two visits before the median
of when the last exchanges of all pairs began, so that no liar can move it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clocksync.meshing import bounds, graph, pairs, steps
from clocksync.meshing.agent import TOGETHER
from clocksync.meshing.coordinator import Collected
from clocksync.meshing.frames import Row
from clocksync.meshing.pairs import Cloud, Line
from clocksync.meshing.result import HostState, MeshResult, Pair, Path, trouble_in_words
from clocksync.meshing.steps import Step
from clocksync.ntp.sample import MAX_DRIFT_PPM
from clocksync.runtime.interval import Interval

Ends = tuple[int, int]
Rows = dict[Ends, list[Row]]
_REBASED = 3


@dataclass(slots=True)
class _Work:
    """What is known on the way."""

    numbers: list[int]
    precision: dict[int, int]
    max_drift_ppm: float
    liars: int
    rows: Rows
    edges: list[Ends] = field(default_factory=list)
    base: dict[int, int] = field(default_factory=dict)
    instants: dict[int, int] = field(default_factory=dict)
    """Of each reference, by its clock."""
    reference: dict[int, int] = field(default_factory=dict)
    """Of each host: that of the lowest number that anything connects it to."""
    clouds: dict[Ends, Cloud] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    since: dict[int, int] = field(default_factory=dict)
    widened: dict[int, int] = field(default_factory=dict)
    """Hosts whose bound is wider than their exchanges say, and by how much."""

    def place(self, edge: Ends) -> Ends:
        """An edge by the places of its ends."""
        return self._places[edge[0]], self._places[edge[1]]

    @property
    def _places(self) -> dict[int, int]:
        return {number: place for place, number in enumerate(self.numbers)}

    def precision_of(self, edge: Ends) -> int:
        return self.precision.get(edge[0], 1) + self.precision.get(edge[1], 1)


def solve(
    collected: Collected,
    names: Mapping[int, str] | None = None,
    *,
    liars: int = 1,
    max_drift_ppm: float = MAX_DRIFT_PPM,
) -> MeshResult:
    """Work out the result.

    Args:
        names: of the hosts, in the order they were named in; by default their addresses.
        liars: how many hosts may tell different times to different others, and bounds between
            honest ones hold all the same.
    """
    hosts = [host for host in collected.hosts if host.takes_part and host.number is not None]
    work = _Work(
        sorted(host.number for host in hosts if host.number is not None),
        {host.number: host.precision_ns for host in hosts if host.number is not None},
        max_drift_ppm,
        liars,
        {ends: list(rows) for ends, rows in sorted(collected.rows.items())},
    )
    _leave_out_contradictions(work)
    _locate(work)
    for _ in range(3):
        found = steps.shift(work.clouds)
        if found is None:
            break
        _cut(work, found)
        _locate(work)
    return _result(work, collected, names or {})


# What is left out


def _leave_out_contradictions(work: _Work) -> None:
    """Find hosts whose clocks were set, and keep what came after."""
    broken_at: dict[Ends, list[int]] = {}
    for ends, rows in work.rows.items():
        broken_at[ends] = steps.breaks(rows, work.max_drift_ppm, work.precision_of(ends))
    edges: dict[Ends, bool] = {}
    for (a, b), places in broken_at.items():
        edge = (min(a, b), max(a, b))
        edges[edge] = edges.get(edge, False) or bool(places)
    hosts, paths = steps.blame(edges)
    for host in hosts:
        own = {ends: places for ends, places in broken_at.items() if host in ends and places}
        if any(len(places) >= steps.ERRATIC_FROM for places in own.values()):
            work.doubts.append(f"host {host} contradicts itself: its clock jumps, or it lies")
            for ends in [ends for ends in work.rows if host in ends]:
                del work.rows[ends]
            continue
        jumps = [
            (1 if ends[1] == host else -1) * steps.jump(work.rows[ends], places[-1])
            for ends, places in own.items()
        ]
        work.steps.append(Step((host,), _median(jumps)))
        # A path that saw no contradiction was measured across the step as well.
        after = max(places[-1] / len(work.rows[ends]) for ends, places in own.items())
        for ends in [ends for ends in work.rows if host in ends]:
            work.rows[ends] = work.rows[ends][math.ceil(after * len(work.rows[ends])) :]
    for a, b in paths:
        own = {ends: broken_at.get(ends, []) for ends in ((a, b), (b, a))}
        if sum(map(len, own.values())) < steps.ERRATIC_FROM:
            ends = next(ends for ends in own if own[ends])
            by = (1 if ends == (a, b) else -1) * steps.jump(work.rows[ends], own[ends][-1])
            work.steps.append(Step((a, b), by))
            for host in (a, b):  # and so all that its other paths say may be of before
                work.widened[host] = work.widened.get(host, 0) + 2 * abs(by)
            for ends, places in own.items():
                if places:
                    work.rows[ends] = work.rows[ends][places[-1] :]
        else:
            work.doubts.append(f"hosts {a} and {b} contradict each other: their path is left out")
            for ends in own:
                work.rows.pop(ends, None)


def _cut(work: _Work, found: steps.Shift) -> None:
    """Keep only what came after a step."""
    work.steps.append(Step(found.hosts, found.by_ns))
    for host in found.hosts:
        instant = work.instants[work.reference[host]]
        work.since[host] = instant + found.over_at
        if found.is_last:
            work.widened[host] = work.widened.get(host, 0) + 2 * abs(found.by_ns)


# Where everything is, roughly


def _locate(work: _Work) -> None:
    """Rough offsets, the instant, and the clouds about them."""
    edges = sorted({(min(ends), max(ends)) for ends, rows in work.rows.items() if rows})
    rough = {edge: pairs.rough_offset(*_both(work, edge)) for edge in edges}
    work.base = _bases(work, edges, rough)
    root = graph.components(len(work.numbers), [work.place(edge) for edge in edges])
    work.reference = {
        number: work.numbers[first] for number, first in zip(work.numbers, root, strict=True)
    }
    work.instants = _instants(work)
    _make_clouds(work, edges)
    work.edges = sorted(work.clouds)
    if len(work.edges) < len(edges):
        _locate(work)  # without them, others may have another reference


def _make_clouds(work: _Work, edges: Sequence[Ends]) -> None:
    work.clouds = {}
    for edge in edges:
        a, b = edge
        ours, theirs = _both(work, edge)
        instant = work.instants[work.reference[a]]
        points = pairs.cloud(
            ours, theirs, work.base[a], work.base[b], instant, work.precision_of(edge)
        )
        since = max(work.since.get(a, 0), work.since.get(b, 0))
        if since:
            points = points.since(since - instant)
        if points.is_usable:
            work.clouds[edge] = points
        else:
            work.rows.pop((a, b), None)
            work.rows.pop((b, a), None)


def _instants(work: _Work) -> dict[int, int]:
    """For each reference, by its clock: when the last exchange of a pair began, of all its pairs
    the median, less the time of two visits. So nearly every pair was measured before and after:
    a clock that was set before that instant shows it in all its paths."""
    lasts: dict[int, list[int]] = {}
    visits: dict[int, list[int]] = {}
    for (a, _), rows in work.rows.items():
        if rows:
            reference = work.reference[a]
            lasts.setdefault(reference, []).append(rows[-1].t1 - work.base[a])
            took = abs(rows[-1].t1 - rows[0].t1)
            visits.setdefault(reference, []).append(TOGETHER * took // len(rows))
    return {
        reference: _median(found) - 2 * _median(visits[reference])
        for reference, found in lasts.items()
    }


def _median(values: Sequence[int]) -> int:
    return sorted(values)[len(values) // 2]


def _both(work: _Work, edge: Ends) -> tuple[Sequence[Row], Sequence[Row]]:
    return work.rows.get(edge, []), work.rows.get((edge[1], edge[0]), [])


def _bases(work: _Work, edges: Sequence[Ends], rough: Mapping[Ends, int]) -> dict[int, int]:
    """A rough offset for each host, such that most paths agree with it. The fit is one of floats:
    where offsets are years, it takes more than one to be right to the nanosecond."""
    base = dict.fromkeys(work.numbers, 0)
    if not edges:
        return base
    places = [work.place(edge) for edge in edges]
    # The fewer exchanges, the less they say; and no two of a loop are trusted quite the same.
    sigma = [1_000.0 / sum(map(len, _both(work, edge))) for edge in edges]
    for _ in range(_REBASED):
        missing = [float(rough[a, b] - (base[b] - base[a])) for a, b in edges]
        offsets = graph.fit(len(base), places, np.array(missing), np.array(sigma)).offsets
        for number, offset in zip(work.numbers, offsets, strict=True):
            base[number] += round(float(offset))
    return base


# The result


def _result(work: _Work, collected: Collected, names: Mapping[int, str]) -> MeshResult:
    count = len(work.numbers)
    places = [work.place(edge) for edge in work.edges]
    root = graph.components(count, places)
    first = [pairs.line(work.clouds[edge], work.max_drift_ppm) for edge in work.edges]
    skews = _skews(work, places, first)
    _straighten(work, places, first)
    lines = [
        pairs.line(
            work.clouds[edge], work.max_drift_ppm, float(skews.offsets[j] - skews.offsets[i])
        )
        for edge, (i, j) in zip(work.edges, places, strict=True)
    ]
    measured = np.array([line.offset for line in lines])
    sigma = np.array([line.sigma for line in lines])
    fit = graph.fit(count, places, measured, sigma)
    most = bounds.closed(_direct(work, places), work.liars)
    found = _pairs(work, places, root, fit.offsets, skews.offsets, most)
    loops = graph.loops(count, places, measured)
    worst = max(loops, key=lambda loop: abs(loop.residual), default=None)
    paths = _paths(work, places, lines, fit, most)
    two_faced = _name_two_faced(work, fit, places)
    return MeshResult(
        hosts=_hosts(work, collected, names, root, found),
        pairs=tuple(found.values()),
        paths=paths,
        steps=tuple(work.steps),
        loop_residual_ns=None if worst is None else round(abs(worst.residual)),
        worst_loop=() if worst is None else tuple(work.numbers[place] for place in worst.hosts),
        as_of_ns=next((work.instants[number] for number in sorted(work.instants)), 0),
        doubts=tuple(work.doubts),
        two_faced=two_faced,
    )


def _skews(work: _Work, places: Sequence[Ends], lines: Sequence[Line]) -> graph.Fit:
    """Each host's rate relative to its reference, from all paths: less certain where they are less
    certain of the offset or were measured for less long."""
    spans = [
        max(1, int(np.ptp(work.clouds[edge].upper_at)), int(np.ptp(work.clouds[edge].lower_at)))
        for edge in work.edges
    ]
    sigma = np.array([line.sigma / span for line, span in zip(lines, spans, strict=True)])
    measured = np.array([line.skew for line in lines])
    return graph.fit(len(work.numbers), places, measured, sigma)


def _straighten(work: _Work, places: Sequence[Ends], lines: Sequence[Line]) -> None:
    """Tell times on a host's axis by its offset at the instant, no longer by one of somewhere in
    the measurement: at 100 ppm that would be off by nanoseconds."""
    measured = np.array([line.offset for line in lines])
    sigma = np.array([line.sigma for line in lines])
    offsets = graph.fit(len(work.numbers), places, measured, sigma).offsets
    for number, offset in zip(work.numbers, offsets, strict=True):
        work.base[number] += round(float(offset))
    _make_clouds(work, work.edges)


def _direct(work: _Work, places: Sequence[Ends]) -> NDArray[np.int64]:
    """The most that clock j minus clock i can be by their own exchanges, at [i, j]."""
    count = len(work.numbers)
    most = np.full((count, count), bounds.UNKNOWN, dtype=np.int64)
    np.fill_diagonal(most, 0)
    for edge, (i, j) in zip(work.edges, places, strict=True):
        low, high = work.clouds[edge].certain(work.max_drift_ppm)
        extra = work.widened.get(edge[0], 0) + work.widened.get(edge[1], 0)
        if low <= high:
            most[i, j], most[j, i] = high + extra, extra - low
        else:
            a, b = edge
            work.doubts.append(f"hosts {a} and {b} contradict each other: one lies or was set")
    return most


def _pairs(
    work: _Work,
    places: Sequence[Ends],
    root: Sequence[int],
    offsets: NDArray[np.float64],
    skews: NDArray[np.float64],
    most: NDArray[np.int64],
) -> dict[Ends, Pair]:
    found: dict[Ends, Pair] = {}
    direct, contradicted = set(places), []
    for i, a in enumerate(work.numbers):
        for j in range(i + 1, len(work.numbers)):
            b = work.numbers[j]
            low, high = -int(most[j, i]), int(most[i, j])
            if root[i] != root[j] or high >= bounds.UNKNOWN // 2 or -low >= bounds.UNKNOWN // 2:
                continue
            if low > high:
                contradicted.append((a, b))
                continue
            rough = work.base[b] - work.base[a]
            likely = min(max(round(float(offsets[j] - offsets[i])), low), high)
            skew = round(float(skews[j] - skews[i]) * 1e6, 6)
            error = max(high - likely, likely - low)
            interval = Interval(rough + low, rough + high)
            found[a, b] = Pair(a, b, rough + likely, skew, error, interval, (i, j) in direct)
    if contradicted:
        some = ", ".join(f"{a}-{b}" for a, b in contradicted[:5])
        more = ", ..." if len(contradicted) > 5 else ""
        work.doubts.append(
            f"other paths contradict {some}{more}: somebody lies, or a clock was set"
        )
    return found


def _paths(
    work: _Work,
    places: Sequence[Ends],
    lines: Sequence[Line],
    fit: graph.Fit,
    most: NDArray[np.int64],
) -> tuple[Path, ...]:
    found = []
    for k, (edge, (i, j)) in enumerate(zip(work.edges, places, strict=True)):
        a, b = edge
        points, offset = work.clouds[edge], lines[k].offset
        residual, usual = float(fit.residuals[k]), float(fit.usual[k])
        proven = max(0.0, offset - float(most[i, j]), -float(most[j, i]) - offset)
        least = max(0.0, 2 * (abs(residual) - graph.OUTLIER / 2 * usual))
        found.append(
            Path(
                a,
                b,
                work.base[b] - work.base[a] + round(offset),
                round(lines[k].delay),
                len(points.upper),
                round(residual),
                round(2 * residual) if fit.aside[k] else None,
                round(least) if fit.aside[k] else 0,
                round(2 * proven),
            )
        )
    return tuple(found)


def _name_two_faced(work: _Work, fit: graph.Fit, places: Sequence[Ends]) -> tuple[int, ...]:
    """A host most of whose paths do not fit does not tell everybody the same time."""
    total = np.bincount(np.array(places, dtype=int).ravel(), minlength=len(work.numbers))
    strange = np.bincount(
        np.array(places, dtype=int).reshape(-1, 2)[fit.aside].ravel(), minlength=len(work.numbers)
    )
    found = []
    for place, number in enumerate(work.numbers):
        if strange[place] >= 2 and 2 * strange[place] > total[place]:
            found.append(number)
            work.doubts.append(
                f"host {number} does not tell all the same time, or its paths are asymmetric:"
                f" {strange[place]} of its {total[place]} paths do not fit"
            )
    return tuple(found)


def _hosts(
    work: _Work,
    collected: Collected,
    names: Mapping[int, str],
    root: Sequence[int],
    found: Mapping[Ends, Pair],
) -> tuple[HostState, ...]:
    states = []
    for place, host in enumerate(collected.hosts):
        name = names.get(place) or f"{host.address[0]}:{host.address[1]}"
        troubles = [trouble_in_words(trouble, host.refusal) for trouble in host.troubles]
        state = HostState(name, host.address, host.number, troubles=tuple(troubles))
        if host.number in work.numbers and host.takes_part:
            reference = work.numbers[root[work.numbers.index(host.number)]]
            pair = found.get((reference, host.number))
            is_alone = all(host.number not in edge for edge in work.edges)
            if is_alone and not troubles:
                troubles.append("has no exchanges with any other: is its port open to them?")
            state = HostState(
                name,
                host.address,
                host.number,
                None if is_alone else reference,
                pair.offset_ns
                if pair
                else 0
                if reference == host.number and not is_alone
                else None,
                pair.error_bound_ns if pair else 0 if reference == host.number else None,
                pair.skew_ppm if pair else 0.0 if reference == host.number else None,
                tuple(troubles),
            )
        states.append(state)
    return tuple(states)
