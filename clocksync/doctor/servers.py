"""What evidence says of the hosts that were measured. Pure: a function each."""

import statistics
from collections.abc import Iterator, Sequence

from clocksync.doctor.evidence import Evidence, Finding, HostEvidence, Severity, Unchecked
from clocksync.doctor.machine import Check, Outcome
from clocksync.measuring.result import HostResult, Verdict
from clocksync.ntp.sample import MAX_DRIFT_PPM, Sample
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND, format_duration

JITTER_LARGE_NS = MILLISECOND
ROOT_DISTANCE_LARGE_NS = SECOND
DELAY_SPREAD_NS = 100 * MICROSECOND
"""Delays must differ by so much before their correlation with the offset means anything."""
CORRELATED = 0.8
ASYMMETRY_LEAST_NS = 50 * MICROSECOND

_REMEDIES = {
    Verdict.UNREACHABLE: (
        "unreachable",
        Severity.ERROR,
        "is the name right, the server up, and UDP port {port} open on the way and at the server?",
    ),
    Verdict.KISS_OF_DEATH: (
        "kiss-of-death",
        Severity.WARNING,
        "ask less often, or ask its operator for access; use another server meanwhile",
    ),
    Verdict.UNSYNCHRONISED: (
        "server-unsynchronised",
        Severity.ERROR,
        "its own sources are gone, or it has just started: look at it there",
    ),
    Verdict.FALSETICKER: (
        "falseticker",
        Severity.ERROR,
        "leave it out of every configuration until it is right again",
    ),
    Verdict.INVALID: (
        "invalid",
        Severity.ERROR,
        "a clock that was stepped meanwhile is right at the second try; else leave the server out",
    ),
}


def verdicts(evidence: Evidence) -> Outcome:
    """Every host answers, is synchronised and agrees."""
    for host in evidence.hosts:
        result = host.result
        told = _REMEDIES.get(result.verdict)
        if told is not None:
            name, severity, remedy = told
            yield Finding(
                name,
                severity,
                result.host,
                result.reason or result.verdict.value,
                remedy.format(port=result.port),
            )


def majority(evidence: Evidence) -> Outcome:
    """More than half of the hosts agree, and there are enough to find a wrong one."""
    undecided = [h.result.host for h in evidence.hosts if h.result.verdict is Verdict.UNDECIDED]
    if undecided:
        yield Finding(
            "no-majority",
            Severity.ERROR,
            ", ".join(undecided),
            f"{len(undecided)} servers disagree, and no more than half of them agree",
            "name more servers that do not depend on each other: five bear two that are wrong",
        )
    usable = [h for h in evidence.hosts if h.result.interval is not None]
    if evidence.hosts and len(usable) < 3 and not undecided:
        yield Finding(
            "too-few-servers",
            Severity.NOTE,
            "all hosts",
            f"{len(usable)} usable: one that is wrong cannot be told from one that is right",
            "name at least four, so that three are left when one is down",
        )


def leap(evidence: Evidence) -> Outcome:
    """Whether a host announces a leap second, and whether all do."""
    known = [h.result for h in evidence.hosts if h.result.interval is not None]
    announcing = [result for result in known if result.leap in (1, 2)]
    if not announcing:
        return
    names = ", ".join(result.host for result in announcing)
    if len(announcing) == len(known):
        yield Finding(
            "leap-pending",
            Severity.NOTE,
            names,
            "a leap second is announced for the end of the month",
            "let programs that cannot bear a repeated second know, or smear at all hosts alike",
        )
    else:
        yield Finding(
            "leap-disagreement",
            Severity.WARNING,
            names,
            f"{len(announcing)} of {len(known)} hosts announce a leap second",
            "compare with the IERS Bulletin C: whoever is wrong will be off by a second",
        )


def steadiness(evidence: Evidence) -> Outcome:
    """Jitter, drift and the distance to the reference are within reason."""
    for host in evidence.hosts:
        result = host.result
        jitter, delay = result.jitter_ns, result.delay_ns
        if jitter is not None and delay is not None and jitter > max(JITTER_LARGE_NS, delay / 4):
            yield Finding(
                "jitter-large",
                Severity.WARNING,
                result.host,
                f"its samples scatter by {format_duration(round(jitter))} at a delay of"
                f" {format_duration(delay)}",
                "a wireless or saturated link, or a busy machine: prefer a server on a cable",
            )
        yield from _drift(result)
        distance = _root_distance(result)
        if result.interval is not None and distance > ROOT_DISTANCE_LARGE_NS:
            yield Finding(
                "server-far-from-reference",
                Severity.WARNING,
                result.host,
                f"it allows for {format_duration(distance)} of error of its own",
                "it has lost its sources or follows a bad one: use another",
            )


def _drift(result: HostResult) -> Iterator[Finding]:
    if result.skew_ppm is None or result.skew_bound_ppm is None:
        return
    least = abs(result.skew_ppm) - result.skew_bound_ppm
    if least > MAX_DRIFT_PPM / 5:
        yield Finding(
            "drift-large",
            Severity.WARNING,
            result.host,
            f"it moves by {result.skew_ppm:+.1f} ± {result.skew_bound_ppm:.1f} ppm against the"
            " local clock",
            "one of the two runs free or is being slewed: see which by a third",
        )


def _root_distance(result: HostResult) -> int:
    return ((result.root_delay_ns or 0) + 1) // 2 + (result.root_dispersion_ns or 0)


def asymmetry(evidence: Evidence) -> Outcome:
    """Paths take equally long both ways, as far as that shows."""
    for host in evidence.hosts:
        yield from _by_queues(host)
    yield from _by_others(evidence)


def _by_queues(host: HostEvidence) -> Outcome:
    """Where the offset follows the delay, all the queueing is one way."""
    found = correlation(host.samples)
    if found is None or abs(found) < CORRELATED:
        return
    way = "there" if found > 0 else "back"
    spread = max(s.delay_ns for s in host.samples) - min(s.delay_ns for s in host.samples)
    yield Finding(
        "asymmetric-path",
        Severity.WARNING,
        host.result.host,
        f"offset and delay move together (correlation {found:+.2f}, delays differ by"
        f" {format_duration(spread)}): datagrams queue on the way {way} only",
        "the bound covers it; for a better offset take more samples, so that some meet no queue",
    )


def correlation(samples: Sequence[Sample]) -> float | None:
    """Of offset with delay; None where the delays are too much alike, or too few."""
    if len(samples) < 6:
        return None
    delays = [float(sample.delay_ns) for sample in samples]
    base = samples[0].offset_ns
    offsets = [float(sample.offset_ns - base) for sample in samples]
    if max(delays) - min(delays) < DELAY_SPREAD_NS or max(offsets) == min(offsets):
        return None
    return statistics.correlation(delays, offsets)


def _by_others(evidence: Evidence) -> Outcome:
    """A host whose offset is off from all others' by much of its delay, and within its bound."""
    good = [h.result for h in evidence.hosts if h.result.verdict is Verdict.TRUECHIMER]
    if len(good) < 3:
        return
    for result in good:
        others = [other.offset_ns or 0 for other in good if other is not result]
        away = (result.offset_ns or 0) - round(statistics.median(others))
        noise = 5 * max(other.jitter_ns or 0.0 for other in good)
        if abs(away) > max(noise, (result.delay_ns or 0) / 10, ASYMMETRY_LEAST_NS):
            yield Finding(
                "asymmetric-path",
                Severity.NOTE,
                result.host,
                f"it is off by {format_duration(abs(away))} from what the others say in the middle,"
                f" at a delay of {format_duration(result.delay_ns or 0)}",
                "its path takes longer one way, or its clock is off within what it claims",
            )


def loops(evidence: Evidence) -> Outcome:
    """No host gets its time from this machine, nor two from each other."""
    upstream = {
        h.result.address: h.result.reference_id
        for h in evidence.hosts
        if h.result.address and h.result.reference_id and (h.result.stratum or 0) > 1
    }
    for host in evidence.hosts:
        source = upstream.get(host.result.address or "")
        if source in evidence.addresses and host.result.address != source:
            yield Finding(
                "stratum-loop",
                Severity.ERROR,
                host.result.host,
                f"it gets its time from this machine ({source})",
                "it tells us nothing new: do not follow it from here",
            )
        elif source in upstream and upstream[source] == host.result.address != source:
            yield Finding(
                "stratum-loop",
                Severity.ERROR,
                host.result.host,
                f"it follows {source}, which follows it",
                "give one of the two a source of its own, or peer them properly",
            )


CHECKS: tuple[Check, ...] = (verdicts, majority, leap, steadiness, asymmetry, loops)


def not_asked(evidence: Evidence) -> Outcome:
    """What is left out without hosts."""
    if not evidence.hosts:
        yield Unchecked("servers", "no HOST is named: say whom to compare with")
