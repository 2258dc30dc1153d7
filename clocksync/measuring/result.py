"""What a measurement found: typed rows, verdicts, and who agrees with whom.

Pure: :func:`conclude` turns the record of a :class:`~clocksync.measuring.survey.Survey` into a
:class:`Measurement`. Verdicts and exit codes are public contracts; the JSON form is in
:mod:`clocksync.measuring.report`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from clocksync.measuring.prober import Prober
from clocksync.measuring.settings import MeasureSettings, NamedHost
from clocksync.ntp.checks import Rejection, Standing
from clocksync.ntp.estimate import Contradiction, Estimate, estimate
from clocksync.ntp.packet import NtpPacket, reference_id_text
from clocksync.ntp.sample import DISTANCE_MAX_NS
from clocksync.ntp.selection import select
from clocksync.ntp.timestamps import from_short
from clocksync.runtime.core import StampSource
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import format_duration

MEASURED_BADLY = 1
NOTHING_USABLE = 2


class Verdict(Enum):
    """What became of one host."""

    TRUECHIMER = "truechimer"
    FALSETICKER = "falseticker"
    UNREACHABLE = "unreachable"
    UNSYNCHRONISED = "unsynchronised"
    KISS_OF_DEATH = "kiss-of-death"
    INVALID = "invalid"
    UNDECIDED = "undecided"


_FORGERIES = (
    Rejection.WRONG_ORIGIN,
    Rejection.UNAUTHENTICATED,
    Rejection.WRONG_KEY,
    Rejection.FORGED,
    Rejection.CRYPTO_NAK,
    Rejection.WRONG_IDENTIFIER,
)
_COUNTS_AS_ANSWER = frozenset(
    {Verdict.TRUECHIMER, Verdict.FALSETICKER, Verdict.UNDECIDED, Verdict.UNSYNCHRONISED}
)


@dataclass(frozen=True, slots=True)
class HostResult:
    """One row. Durations in ns; None is unknown. Positive offset: our clock is behind theirs."""

    host: str
    port: int
    address: str | None
    verdict: Verdict
    reason: str | None
    offset_ns: int | None = None
    error_bound_ns: int | None = None
    offset_to_reference_ns: int | None = None
    reference_error_bound_ns: int | None = None
    delay_ns: int | None = None
    jitter_ns: float | None = None
    skew_ppm: float | None = None
    skew_bound_ppm: float | None = None
    stratum: int | None = None
    reference_id: str | None = None
    leap: int | None = None
    root_delay_ns: int | None = None
    root_dispersion_ns: int | None = None
    timestamps: StampSource | None = None
    interleaved: bool = False
    samples: int = 0
    answered: int = 0
    out_of_bounds: bool = False
    authentication: str = "none"
    """How its answers had to prove themselves: ``none``, ``key`` or ``nts``."""
    name: str | None = None
    """What the inventory calls it; None: it is of none."""
    group: str | None = None
    protocol: str = "ntp"
    """What it was asked by: ``ntp`` or ``ptp``."""

    @property
    def interval(self) -> Interval | None:
        """Theirs minus ours, as an interval; None where it is not known."""
        if self.offset_ns is None or self.error_bound_ns is None:
            return None
        return Interval.around(self.offset_ns, self.error_bound_ns)


@dataclass(frozen=True, slots=True)
class Combined:
    """What the majority agrees on: true time minus our clock lies in ``interval``."""

    interval: Interval
    truechimers: tuple[str, ...]
    falsetickers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tie:
    """One instant on two local clocks: the wall clock showed ``wall_ns`` when the monotonic one
    was between ``monotonic_ns`` and ``apart_ns`` later."""

    wall_ns: int
    monotonic_ns: int
    apart_ns: int
    stepped_ns: int = 0
    """How far the wall clock had jumped against the monotonic one since the measurement began."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """The outcome. ``measured_at_ns`` is the local wall time that every offset is as of; ``end``
    says what the local clocks showed when it ended (None in a simulation)."""

    measured_at_ns: int
    hosts: tuple[HostResult, ...]
    combined: Combined | None
    cautions: tuple[str, ...] = ()
    end: Tie | None = None

    @property
    def exit_code(self) -> int:
        """0: every host is a truechimer and within bounds. 2: no host gave a usable answer.
        1: anything between."""
        if not any(row.verdict in _COUNTS_AS_ANSWER for row in self.hosts):
            return NOTHING_USABLE
        good = all(
            row.verdict is Verdict.TRUECHIMER and not row.out_of_bounds for row in self.hosts
        )
        return 0 if good else MEASURED_BADLY


@dataclass(frozen=True, slots=True)
class Asked:
    """One host going in: as named, and its record; no record where its name did not resolve."""

    host: str
    port: int
    prober: Prober | None
    failure: str = ""
    address: str | None = None
    verdict: Verdict = Verdict.UNREACHABLE
    """What a host without a record is."""
    authentication: str = "none"
    named: NamedHost | None = None
    protocol: str = "ntp"
    row: HostResult | None = None
    """Where another protocol measured it: its row, which still has to stand the vote."""


def conclude(
    asked: Sequence[Asked],
    measured_at_ns: int,
    settings: MeasureSettings,
    reference: int | None = None,
    offset_max_ns: int | None = None,
    cautions: Sequence[str] = (),
) -> Measurement:
    """Judge every host by itself, then all against each other."""
    rows = [one.row or _row(one, measured_at_ns, settings) for one in asked]
    rows, combined = vote(rows)
    if reference is not None:
        rows = _relate(rows, _usable_row_of(rows, rows[reference]))
    for place, one in enumerate(asked):
        own = one.named.offset_max_ns if one.named else None
        most_ns = offset_max_ns if own is None else own
        if most_ns is not None:
            rows[place] = limit(rows[place], most_ns, reference is not None)
    return Measurement(measured_at_ns, tuple(rows), combined, tuple(cautions))


def _row(one: Asked, at_ns: int, settings: MeasureSettings) -> HostResult:
    called: dict[str, Any] = {"authentication": one.authentication, "protocol": one.protocol}
    if one.named is not None:
        called |= {"name": one.named.name, "group": one.named.group}
    if one.prober is None:
        return HostResult(one.host, one.port, one.address, one.verdict, one.failure, **called)
    association = one.prober.association
    packet = association.last
    known: dict[str, Any] = {
        **called,
        "host": one.host,
        "port": one.port,
        "address": one.prober.address[0],
        "samples": association.asked,
        "answered": association.answered,
    }
    if packet is not None:
        known |= claims(packet)
    samples = association.samples
    if not samples:
        verdict, reason = _why_nothing(one.prober)
        return HostResult(verdict=verdict, reason=reason, **known)
    found = estimate(samples, at_ns, settings.max_drift_ppm)
    if isinstance(found, Contradiction):
        reason = contradiction_words(found, settings.max_drift_ppm)
        return HostResult(verdict=Verdict.INVALID, reason=reason, **known)
    if samples[-1].root_distance_ns >= DISTANCE_MAX_NS:
        reason = Rejection.ROOT_DISTANCE.value
        return HostResult(verdict=Verdict.INVALID, reason=reason, **known)
    return HostResult(
        verdict=Verdict.TRUECHIMER,
        reason="; ".join(_cautions(one.prober)) or None,
        **findings(found),
        **known,
    )


def claims(packet: NtpPacket) -> dict[str, Any]:
    """What a server says of itself, as fields of a :class:`HostResult`."""
    return {
        "stratum": packet.stratum,
        "reference_id": reference_id_text(packet.reference_id, packet.stratum),
        "leap": packet.leap,
        "root_delay_ns": from_short(packet.root_delay),
        "root_dispersion_ns": from_short(packet.root_dispersion),
    }


def findings(found: Estimate) -> dict[str, Any]:
    """What was found of a clock, as fields of a :class:`HostResult`."""
    return {
        "offset_ns": found.offset_ns,
        "error_bound_ns": found.error_bound_ns,
        "delay_ns": found.delay_ns,
        "jitter_ns": found.jitter_ns,
        "skew_ppm": found.skew_ppm,
        "skew_bound_ppm": found.skew_bound_ppm,
        "timestamps": found.source,
        "interleaved": found.interleaved,
    }


def contradiction_words(found: Contradiction, max_drift_ppm: float) -> str:
    """Why samples that contradict each other make no row."""
    return (
        f"its answers contradict each other by {format_duration(found.gap_ns)}: a clock was"
        f" stepped meanwhile, drifts by more than {max_drift_ppm:g} ppm, or it lies"
    )


def _why_nothing(prober: Prober) -> tuple[Verdict, str]:
    """The verdict on an address that gave no sample."""
    association = prober.association
    if prober.failure:
        return Verdict.INVALID, prober.failure
    if prober.kiss:
        return Verdict.KISS_OF_DEATH, kiss_words(prober.kiss)
    if association.standings[Standing.UNSYNCHRONISED]:
        return Verdict.UNSYNCHRONISED, "it says that its clock is not synchronised"
    if association.rejections:
        (worst, count), *_ = association.rejections.most_common(1)
        times = f" ({count} times)" if count > 1 else ""
        return Verdict.INVALID, worst.value + times
    if prober.refusals:
        return Verdict.UNREACHABLE, prober.refusal
    words = f"no answer to {counted(association.asked, 'request')}"
    if prober.authenticator is not None:
        words += f" ({prober.authenticator.silence})"
    return Verdict.UNREACHABLE, words


def _cautions(prober: Prober) -> list[str]:
    """What a user should know of a host that was measured all the same."""
    association, words = prober.association, []
    if prober.kiss:
        words.append(kiss_words(prober.kiss))
    if prober.failure:
        words.append(prober.failure)
    if association.standings[Standing.UNSYNCHRONISED]:
        words.append("some of its answers say that its clock is not synchronised")
    if association.last is not None and association.last.leap in (1, 2):
        words.append("it announces a leap second at the end of the month")
    forged = sum(association.rejections[why] for why in _FORGERIES)
    if forged:
        words.append(counted(forged, "stray or forged answer") + " ignored")
    if association.rejections[Rejection.NTS_NAK]:
        words.append("it had to be asked for new keys, because it no longer knew its cookies")
    return words


def counted(number: int, thing: str) -> str:
    """A number of things, in words.

    >>> counted(1, "reply"), counted(2, "reply")
    ('1 reply', '2 replies')
    """
    if number == 1:
        return f"1 {thing}"
    return f"{number} {thing[:-1]}ies" if thing.endswith("y") else f"{number} {thing}s"


def kiss_words(code: str) -> str:
    """What a kiss-o'-death asks for, in words."""
    meaning = {
        "RATE": "it asks to be asked less often",
        "DENY": "it denies us service",
        "RSTR": "it denies us service by its access rules",
    }.get(code, "kiss-o'-death")
    return f"{meaning} ({code or 'empty code'})"


def vote(rows: list[HostResult]) -> tuple[list[HostResult], Combined | None]:
    """Marzullo over the usable rows; rows of one server share one vote."""
    voters: dict[tuple[str | None, int], list[int]] = {}
    for i, row in enumerate(rows):
        if row.interval is not None:
            voters.setdefault((row.address, row.port), []).append(i)
    if not voters:
        return rows, None
    groups = list(voters.values())
    claims = [Interval.hull([_claim(rows[i]) for i in group]) for group in groups]
    chosen = select(claims)
    rows = list(rows)
    if chosen.combined is None:
        words = f"{len(groups)} servers disagree, and no more than half of them agree"
        for group in groups:
            for i in group:
                rows[i] = replace(rows[i], verdict=Verdict.UNDECIDED, reason=words)
        return rows, None
    for number in chosen.falsetickers:
        away = _distance(claims[number], chosen.agreed or chosen.combined)
        words = (
            f"off by at least {format_duration(away)} from what {len(chosen.truechimers)} agree on"
        )
        for i in groups[number]:
            told = [words, rows[i].reason] if rows[i].protocol == "ptp" else [words]
            reason = "; ".join(filter(None, told))  # a timescale may be the explanation
            rows[i] = replace(rows[i], verdict=Verdict.FALSETICKER, reason=reason)
    for number in chosen.contradicted:
        words = "contradicts another truechimer; no majority says which of them is wrong"
        for i in groups[number]:
            rows[i] = replace(rows[i], reason="; ".join(filter(None, [rows[i].reason, words])))
    named = {
        verdict: tuple(row.host for row in rows if row.verdict is verdict and row.interval)
        for verdict in (Verdict.TRUECHIMER, Verdict.FALSETICKER)
    }
    return rows, Combined(chosen.combined, named[Verdict.TRUECHIMER], named[Verdict.FALSETICKER])


def _claim(row: HostResult) -> Interval:
    assert row.interval is not None
    return row.interval


def _distance(one: Interval, other: Interval) -> int:
    return max(one.earliest - other.latest, other.earliest - one.latest, 0)


def _usable_row_of(rows: Sequence[HostResult], named: HostResult) -> HostResult:
    """With a row for each address, the reference is the first of them that can be used."""
    same = (row for row in rows if row.host == named.host and row.interval is not None)
    return next(same, named)


def _relate(rows: list[HostResult], reference: HostResult) -> list[HostResult]:
    """Every host's offset to the reference: theirs minus the reference's."""
    base = reference.interval
    if base is None or reference.offset_ns is None:
        return rows
    related = []
    for row in rows:
        if row.offset_ns is None or row.error_bound_ns is None:
            related.append(row)
            continue
        same = (row.address, row.port) == (reference.address, reference.port)
        error = 0 if same else row.error_bound_ns + (reference.error_bound_ns or 0)
        difference = 0 if same else row.offset_ns - reference.offset_ns
        related.append(
            replace(row, offset_to_reference_ns=difference, reference_error_bound_ns=error)
        )
    return related


def limit(row: HostResult, limit_ns: int, to_reference: bool = False) -> HostResult:
    """The row, marked where |offset| + bound exceeds the limit."""
    offset = row.offset_to_reference_ns if to_reference else row.offset_ns
    error = row.reference_error_bound_ns if to_reference else row.error_bound_ns
    if row.offset_ns is None:
        return row
    if offset is None or error is None:
        words = "out of bounds: the reference gave no usable answer"
    elif abs(offset) + error > limit_ns:
        words = (
            f"out of bounds: |offset| + bound is {format_duration(abs(offset) + error)},"
            f" more than {format_duration(limit_ns)}"
        )
    else:
        return row
    reason = "; ".join(filter(None, [row.reason, words]))
    return replace(row, out_of_bounds=True, reason=reason)
