"""What must be true of every watch, checked from outside with the truth at hand.

Each property looks at a :class:`~tests.cluster.watch_world.Played` run and yields its offences.
None of them knows how bounds and lines are found.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

from clocksync.measuring.result import Verdict
from clocksync.runtime.units import SECOND
from clocksync.watching.alarms import LOCAL, Kind
from clocksync.watching.core import STEP_TOLD_NS
from clocksync.watching.feed import PATIENCE
from clocksync.watching.track import LIVE, WINDOW
from tests.cluster.watch_world import DAY_S, LOUD_NS, Noted, Played, draw, play

Offences = Iterator[str]
NOT_BELIEVED = (Verdict.FALSETICKER, Verdict.UNDECIDED)
VOTERS = (Verdict.TRUECHIMER, Verdict.FALSETICKER, Verdict.UNDECIDED)


def every_honest_bound_holds(played: Played) -> Offences:
    """True time lies within what is said of an honest server, at every instant: in reports and
    between them, in silences, right after our own clock was stepped."""
    for noted in played.noted:
        if not noted.at_is_right:
            yield f"the report at {noted.now} is of another instant"
        for plan, row in zip(played.scenario.servers, noted.report.rows, strict=True):
            interval = row.result.interval
            if plan.honest and interval is not None and noted.true_ns not in interval:
                yield f"at {noted.now} true time is {noted.true_ns} away, not in {interval}: {row}"


def every_server_is_where_it_is_said_to_be(played: Played) -> Offences:
    """The clock of a server, liar or not, is within what is said of it; but for one that was
    stepped, until it has answered since."""
    for noted in played.noted:
        for place, row in enumerate(noted.report.rows):
            stepped = [s.at_ns for s in played.scenario.steps if s.place == place]
            if any(at_ns <= noted.now < at_ns + _heard_within(played) for at_ns in stepped):
                continue
            interval = row.result.interval
            if stepped and not _heard_since(played, place, max(stepped), noted):
                continue
            if interval is not None and noted.servers_ns[place] not in interval:
                yield f"at {noted.now} its clock is {noted.servers_ns[place]} away: {row}"


def _heard_within(played: Played) -> int:
    return 4 * played.scenario.interval_ns + 2 * SECOND


def _heard_since(played: Played, place: int, at_ns: int, noted: Noted) -> bool:
    age_ns = noted.report.rows[place].age_ns
    return at_ns > noted.now or (age_ns is not None and age_ns < noted.now - at_ns - SECOND)


def a_majority_that_is_honest_is_right(played: Played) -> Offences:
    """What is combined contains true time while fewer than half of those that vote lie; with a
    liar there may be groups of one size and no side is taken, without one there is always one."""
    for noted in played.noted:
        combined = noted.report.combined
        voters = [n for n, row in enumerate(noted.report.rows) if row.result.verdict in VOTERS]
        liars = [n for n in voters if not played.scenario.servers[n].honest]
        if 2 * len(liars) >= len(voters):
            continue
        if combined is None:
            if voters and not liars:
                yield f"at {noted.now} {len(voters)} honest voters, and no majority"
        elif noted.true_ns not in combined.interval:
            yield f"at {noted.now} true time is {noted.true_ns} away, not in {combined}"


def nobody_is_accused_wrongly(played: Played) -> Offences:
    """No honest server is called a falseticker, stepped or drifting while the honest are most."""
    liars = sum(not plan.honest for plan in played.scenario.servers)
    if 2 * liars >= len(played.scenario.servers):
        return
    for noted in played.reports:
        for change in noted.report.changes:
            cause = change.alarm.cause
            if not change.raised or cause.host == LOCAL:
                continue
            plan = played.scenario.servers[int(cause.host[1:])]
            if not plan.honest:
                continue
            voters = [r for r in noted.report.rows if r.result.verdict in VOTERS]
            if cause.kind in (Kind.STEP, Kind.DRIFT, Kind.INVALID):
                yield f"at {noted.now} an honest server is accused: {cause}"
            elif cause.kind is Kind.FALSETICKER and 2 * liars < len(voters):
                yield f"at {noted.now} an honest server is called a liar: {cause}"


def a_silence_is_told(played: Played) -> Offences:
    """A server that nothing reaches is told to be silent, in time, and its bound grows."""
    for silence in played.scenario.silences:
        rounds = (min(silence.to_ns, played.scenario.duration_ns) - silence.from_ns) // (
            played.scenario.interval_ns
        )
        if rounds < 6:
            continue
        until = silence.from_ns + 5 * played.scenario.interval_ns + 2 * SECOND
        if until > min(silence.to_ns, played.scenario.duration_ns):
            continue
        told = [
            noted
            for noted in played.reports
            if silence.from_ns < noted.now <= until and _has(noted, silence.place, Kind.SILENCE)
        ]
        if not told:
            yield f"nobody noticed {silence}"
        # Two notes of the same stretch: later, wider. Clocks that are stepped widen it as well.
        within = [
            noted.report.rows[silence.place]
            for noted in played.noted
            if silence.from_ns + 2 * SECOND < noted.now < silence.to_ns
            and noted.report.rows[silence.place].result.error_bound_ns is not None
        ]
        ages = sorted((row.age_ns or 0, row.result.error_bound_ns or 0) for row in within)
        shrank = any(later[1] + 1 < earlier[1] for earlier, later in pairwise(ages))
        if shrank and not played.scenario.steps:
            yield f"a bound shrank in {silence}"


def _has(noted: Noted, place: int, kind: Kind) -> bool:
    wanted = (f"s{place}", kind)
    return any((a.cause.host, a.cause.kind) == wanted for a in noted.report.alarms)


def a_step_is_told(played: Played) -> Offences:
    """A step of our own clock is told with the next report; one of a server's that no bound hides
    is told with its next answer."""
    for step in played.scenario.steps:
        later = [noted for noted in played.reports if noted.now > step.at_ns]
        if step.place is None:
            if abs(step.by_ns) > 2 * STEP_TOLD_NS and later:
                changes = later[0].report.changes
                if not any(c.alarm.cause.host == LOCAL and c.raised for c in changes):
                    yield f"nobody noticed {step}"
            continue
        before = [noted for noted in played.noted if noted.now < step.at_ns]
        known = before[-1].report.rows[step.place] if before else None
        if known is None or known.result.error_bound_ns is None or (known.age_ns or 0) > 3 * SECOND:
            continue
        heard = [n for n in later if n.report.rows[step.place].reach & 1]
        if len(heard) < 2 or heard[1].now > step.at_ns + _heard_within(played):
            continue
        drift_ns = round((heard[1].now - before[-1].now) * 1e-6 * played.scenario.max_drift_ppm)
        widest = known.result.error_bound_ns + 2 * drift_ns
        widest += max(n.report.rows[step.place].result.error_bound_ns or 0 for n in heard[:2])
        if abs(step.by_ns) > 2 * widest:
            told = any(_has(n, step.place, Kind.STEP) or _has(n, step.place, Kind.DRIFT)
                       for n in heard[:2])  # fmt: skip
            if not told:
                yield f"nobody noticed {step}, with bounds of {widest}"


def a_loud_liar_is_named(played: Played) -> Offences:
    """A liar off by more than any bound, among a majority of honest ones, is not believed
    in the last report, if it and they still answer."""
    if not played.reports:
        return
    last = played.reports[-1]
    rows = last.report.rows
    answering = [n for n, row in enumerate(rows) if row.result.interval and row.missed < PATIENCE]
    honest = [n for n in answering if played.scenario.servers[n].honest]
    if 2 * len(honest) <= len(rows):
        return
    for place in answering:
        interval = rows[place].result.interval
        away = abs(last.servers_ns[place] - last.true_ns)
        is_loud = not played.scenario.servers[place].honest and away > LOUD_NS // 2
        if is_loud and interval and rows[place].result.verdict not in NOT_BELIEVED:
            yield f"a lie of {away} was not noticed: {rows[place]}"


def memory_is_bounded(played: Played) -> Offences:
    """However long it ran."""
    for feed in played.watch.feeds:
        track, association = feed.track, feed.association
        if len(track._settled) > WINDOW or len(association._measured) > LIVE + 1:
            yield f"{len(track._settled)} settled, {len(association._measured)} measured"
        if len(association._outstanding) > 200 or len(association._by_receive_cookie) > 200:
            yield f"{len(association._outstanding)} exchanges kept"


PROPERTIES: tuple[Callable[[Played], Offences], ...] = (
    every_honest_bound_holds,
    every_server_is_where_it_is_said_to_be,
    a_majority_that_is_honest_is_right,
    nobody_is_accused_wrongly,
    a_silence_is_told,
    a_step_is_told,
    a_loud_liar_is_named,
    memory_is_bounded,
)


class Violated(AssertionError):
    """A property does not hold; says of which seed, and what was seen."""

    def __init__(self, by: str, offence: str, played: Played) -> None:
        super().__init__(f"{by}: {offence}\nin {played.scenario}")
        self.by = by


def judge(played: Played) -> Counter[str]:
    """Hold every property against a run; what there was to see in it."""
    for holds in PROPERTIES:
        for offence in holds(played):
            raise Violated(holds.__name__, offence, played)
    scenario, reports = played.scenario, played.reports
    raised = [c.alarm.cause.kind.value for n in reports for c in n.report.changes if c.raised]
    return Counter(
        {
            "reports": len(reports),
            "bounds": sum(
                row.result.interval is not None for n in played.noted for row in n.report.rows
            ),
            "liars": sum(not plan.honest for plan in scenario.servers),
            "local steps": sum(step.place is None for step in scenario.steps),
            **{f"alarms {kind}": raised.count(kind) for kind in set(raised)},
        }
    )


def check(seed: int) -> Counter[str]:
    """Draw, play and judge one seed: minutes of simulated time."""
    return judge(play(draw(seed)))


def check_day(seed: int) -> Counter[str]:
    """A simulated day of one seed."""
    return judge(play(draw(seed, DAY_S)))
