"""What is known of every watched host at one instant: rows, and who agrees with whom. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from clocksync.measuring.result import (
    Combined,
    HostResult,
    Verdict,
    claims,
    counted,
    findings,
    kiss_words,
    vote,
)
from clocksync.measuring.settings import HostSpec
from clocksync.ntp.checks import Rejection, Standing, standing
from clocksync.ntp.sample import DISTANCE_MAX_NS
from clocksync.runtime.errors import BadConfig
from clocksync.watching.feed import PATIENCE, Feed
from clocksync.watching.settings import Limits


@dataclass(frozen=True, slots=True)
class Target:
    """A host to watch: what the user calls it, where it is, what it may be."""

    name: str
    spec: HostSpec
    group: str | None = None
    limits: Limits | None = None

    def __post_init__(self) -> None:
        if self.spec.nts or self.spec.ptp:
            raise BadConfig(
                f"{self.name}: a watch speaks plain NTP alone; clocksync measure speaks more"
            )

    @classmethod
    def parse(cls, text: str) -> "Target":
        """From ``HOST``, ``HOST:PORT`` or ``[IPV6]:PORT``.

        Raises:
            BadConfig: it is none.
        """
        spec = HostSpec.parse(text)
        return cls(spec.text, spec)


@dataclass(frozen=True, slots=True)
class Row:
    """One host. The offset and its bound are as of the report, whenever the last answer came."""

    result: HostResult
    group: str | None
    reach: int
    """Of the last eight requests, newest lowest, whether each was answered."""
    missed: int
    """Requests since the last answer that stayed without one."""
    age_ns: int | None
    """Since the last answer; None: there was none."""
    refusal: str = ""
    sample_offset_ns: int | None = None
    """Of the newest complete exchange alone, as of its own time: what statistics are made of."""
    sample_delay_ns: int | None = None


def row_of(target: Target, feed: Feed, at_ns: int, steady_ns: int) -> Row:
    """One host by itself."""
    age_ns = None if feed.answered_at is None else max(0, steady_ns - feed.answered_at)
    raw = feed.track.raw
    return Row(
        result=_result(target, feed, at_ns),
        group=target.group,
        reach=feed.reach,
        missed=feed.missed,
        age_ns=age_ns,
        refusal=feed.refusal or feed.failure,
        sample_offset_ns=None if raw is None else raw.offset_ns,
        sample_delay_ns=None if raw is None else raw.delay_ns,
    )


def _result(target: Target, feed: Feed, at_ns: int) -> HostResult:
    association = feed.association
    known: dict[str, Any] = {
        "host": target.name,
        "port": target.spec.port,
        "address": feed.address[0] if feed.address else None,
        "samples": association.asked,
        "answered": association.answered,
    }
    packet = association.last
    if packet is not None:
        known |= claims(packet)
    found = feed.track.estimate(at_ns)
    if found is not None and found.error_bound_ns < DISTANCE_MAX_NS:
        known |= findings(found)
    verdict, reason = _verdict(feed, "offset_ns" in known)
    return HostResult(verdict=verdict, reason=reason, **known)


def _verdict(feed: Feed, has_offset: bool) -> tuple[Verdict, str | None]:
    association = feed.association
    if feed.address is None:
        return Verdict.UNREACHABLE, feed.failure or "its name is not resolved yet"
    if feed.kiss:
        return Verdict.KISS_OF_DEATH, kiss_words(feed.kiss)
    if feed.missed >= PATIENCE or not (has_offset or association.answered or feed.heard_bad):
        return Verdict.UNREACHABLE, feed.refusal or _silence(feed)
    if association.last is not None and standing(association.last) is Standing.UNSYNCHRONISED:
        return Verdict.UNSYNCHRONISED, "it says that its clock is not synchronised"
    if not has_offset:
        return Verdict.INVALID, (feed.heard_bad or Rejection.ROOT_DISTANCE).value
    return Verdict.TRUECHIMER, "; ".join(_remarks(feed)) or None


def _silence(feed: Feed) -> str:
    if feed.missed:
        return f"no answer to {counted(feed.missed, 'request')} in a row"
    return "not answered yet"


def _remarks(feed: Feed) -> list[str]:
    association, words = feed.association, []
    if association.last is not None and association.last.leap in (1, 2):
        words.append("it announces a leap second at the end of the month")
    forged = association.rejections[Rejection.WRONG_ORIGIN]
    if forged:
        words.append(counted(forged, "stray or forged answer") + " ignored")
    return words


def agree(rows: Sequence[Row]) -> tuple[list[Row], Combined | None, bool]:
    """The rows after all that can be used have voted, what a majority agrees on, and whether
    there were voters without one."""
    voters = [n for n, row in enumerate(rows) if row.result.verdict is Verdict.TRUECHIMER]
    voted, combined = vote([rows[n].result for n in voters])
    told = list(rows)
    for place, result in zip(voters, voted, strict=True):
        told[place] = replace(told[place], result=result)
    return told, combined, bool(voters) and combined is None
