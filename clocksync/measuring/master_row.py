"""The row of a PTP master: what a listener found, judged by itself."""

from typing import Any

from clocksync.measuring.result import (
    HostResult,
    Verdict,
    contradiction_words,
    counted,
    findings,
)
from clocksync.measuring.settings import MeasureSettings
from clocksync.ntp.estimate import Contradiction, estimate
from clocksync.ptp.frames import clock_text
from clocksync.ptp.listener import PtpListener


def master_row(
    host: str, port: int, listener: PtpListener, at_ns: int, settings: MeasureSettings
) -> HostResult:
    """The row of `host` as of local wall time `at_ns`.

    Its bound is half the delay, the clocks' precision, drift, and the accuracy that the grandmaster
    claims; where it claims none, the bound is of the master's clock, and the row says so.
    """
    address = listener.address[0] if listener.address else min(listener.hosts)
    known: dict[str, Any] = {
        "host": host,
        "port": port,
        "address": address,
        "samples": listener.asked,
        "answered": listener.answered,
        "protocol": "ptp",
    }
    claims, samples = listener.claims, listener.samples
    if claims is not None:
        known |= {
            "stratum": claims.stratum,
            "reference_id": clock_text(claims.announce.grandmaster),
            "leap": claims.leap,
            "root_dispersion_ns": claims.accuracy_ns,
        }
    if claims is None or not samples:
        verdict = Verdict.INVALID if listener.unusable else Verdict.UNREACHABLE
        return HostResult(verdict=verdict, reason=listener.failure, **known)
    if claims.is_useless:
        reason = "it says that its clock is wrong by more than 10 s"
        return HostResult(verdict=Verdict.INVALID, reason=reason, **known)
    found = estimate(samples, at_ns, settings.max_drift_ppm)
    if isinstance(found, Contradiction):
        reason = contradiction_words(found, settings.max_drift_ppm)
        return HostResult(verdict=Verdict.INVALID, reason=reason, **known)
    return HostResult(
        verdict=Verdict.TRUECHIMER,
        reason="; ".join([*claims.words, *_cautions(listener)]) or None,
        **findings(found),
        **known,
    )


def _cautions(listener: PtpListener) -> list[str]:
    words = list(listener.changed[:3])
    if listener.fell_silent:
        words.append("it fell silent before all was measured")
    unusable = sum(listener.unusable.values())
    if unusable:
        words.append(counted(unusable, "impossible answer") + " ignored")
    if listener.strangers:
        words.append(counted(listener.strangers, "message") + " in its name from elsewhere ignored")
    return words
