"""What a disciplined clock says of itself: a line for people, a JSON line, an NTP reference.

Offsets are the disciplined clock minus the system's: positive where the system's clock is behind.
The schema of the JSON lines is ``clocksync/schemas/discipline-1.json``.
"""

import hashlib
import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clocksync.measuring.report import rfc3339
from clocksync.ntp.responder import Reference
from clocksync.ntp.sample import DISTANCE_MAX_NS
from clocksync.ntp.timestamps import from_short, to_precision
from clocksync.runtime.units import SECOND, format_duration, to_seconds
from clocksync.steering.discipline import Discipline
from clocksync.steering.source import Source, Standing
from clocksync.steering.states import (
    Cause,
    ClockStepped,
    Event,
    HostJudged,
    State,
    StateChanged,
)

SCHEMA = "clocksync.discipline/1"
UNSYNCHRONISED = 16
SERVED_AHEAD_NS = 3 * SECOND
"""What is served says how wrong the clock will be in so long: it is not renewed for each answer."""


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One host as it stands; durations in ns, None is unknown."""

    host: str
    standing: str
    reason: str
    delay_ns: int | None
    jitter_ns: float | None


@dataclass(frozen=True, slots=True)
class Status:
    """A disciplined clock at one instant."""

    time_ns: int
    """Its reading."""
    state: State
    cause: Cause | None
    offset_ns: int | None
    """It minus the system's clock; None while it is unlocked."""
    error_bound_ns: int | None
    frequency_ppm: float
    """How much faster than the machine's oscillator it runs."""
    frequency_bound_ppm: float
    poll_ns: int
    hosts: tuple[HostStatus, ...]

    @property
    def good(self) -> int:
        """How many hosts are truechimers."""
        return sum(host.standing == Standing.GOOD.value for host in self.hosts)


def status_of(
    core: Discipline,
    names: Sequence[str],
    now: int,
    system_ns: int,
    failures: Mapping[int, str] | None = None,
) -> Status:
    """How the clock stands; `system_ns` is what the system's clock shows at `now`, `failures` why
    hosts are not asked."""
    unasked = failures or {}
    base, reading, bound = now + core.epoch_ns, core.read(now), core.error_bound_ns(now)
    lowest, highest = core.reach.frequency_ppm(base)
    rate = core.steering.rate_ppm
    return Status(
        time_ns=reading,
        state=core.state,
        cause=core.cause,
        offset_ns=None if bound is None else reading - system_ns,
        error_bound_ns=bound,
        frequency_ppm=rate,
        frequency_bound_ppm=max(highest - rate, rate - lowest),
        poll_ns=core.poll.interval_ns,
        hosts=tuple(
            _host(core.sources.get(n), name, unasked.get(n, "it is not asked yet"))
            for n, name in enumerate(names)
        ),
    )


def _host(source: Source | None, name: str, failure: str) -> HostStatus:
    if source is None:
        return HostStatus(name, Standing.UNHEARD.value, failure, None, None)
    delay = source.least_delay_ns or None
    return HostStatus(name, source.standing.value, source.reason, delay, source.jitter_ns)


# For people


def status_line(status: Status) -> str:
    """The clock in one line.

    >>> hosts = (HostStatus("ntp1", "truechimer", "", 900_000, 1e4),)
    >>> status_line(Status(0, State.LOCKED, None, 5_000_000, 131_000, 12.3456, 0.4, 16 * SECOND,
    ...     hosts))
    '00:00:00  locked    system clock 5.00 ms slow ± 131 us  frequency +12.346 ± 0.40 ppm  \
poll 16 s  1 of 1 hosts'
    """
    if status.offset_ns is None or status.error_bound_ns is None:
        where = "no time yet"
    else:
        way = "slow" if status.offset_ns >= 0 else "fast"
        where = f"system clock {format_duration(abs(status.offset_ns))} {way}"
        where += f" ± {format_duration(status.error_bound_ns)}"
    poll = f"{status.poll_ns / SECOND:g}"
    return (
        f"{_clock(status.time_ns)}  {status.state.value:<8}  {where}  frequency "
        f"{status.frequency_ppm:+.3f} ± {status.frequency_bound_ppm:.2f} ppm  poll {poll} s  "
        f"{status.good} of {len(status.hosts)} hosts"
    )


def event_line(event: Event, names: Sequence[str], time_ns: int) -> str | None:
    """What happened in one line; None for what is not worth one."""
    match event:
        case StateChanged():
            words = f"= {event}"
        case ClockStepped(by_ns):
            words = f"= stepped forward by {format_duration(by_ns)}"
        case HostJudged(host, standing, reason):
            words = f"- {names[host]} is {standing}" + (f": {reason}" if reason else "")
        case _:
            return None
    return f"{_clock(time_ns)}  {words}"


def _clock(time_ns: int) -> str:
    return rfc3339(time_ns)[11:19]


# For programs


def status_document(status: Status) -> dict[str, Any]:
    """The clock as plain data, keys as the schema has them."""
    return {
        "schema": SCHEMA,
        "event": "status",
        "at": rfc3339(status.time_ns),
        "state": status.state.value,
        "cause": status.cause and status.cause.name.lower(),
        "offset_s": _seconds(status.offset_ns),
        "error_bound_s": _seconds(status.error_bound_ns),
        "frequency_ppm": status.frequency_ppm,
        "frequency_bound_ppm": status.frequency_bound_ppm,
        "poll_s": status.poll_ns / SECOND,
        "hosts": [
            {
                "host": host.host,
                "standing": host.standing,
                "reason": host.reason or None,
                "delay_s": _seconds(host.delay_ns),
                "jitter_s": None if host.jitter_ns is None else host.jitter_ns / SECOND,
            }
            for host in status.hosts
        ],
    }


def event_document(event: Event, names: Sequence[str], time_ns: int) -> dict[str, Any] | None:
    """What happened as plain data; None for what is not worth a line."""
    head = {"schema": SCHEMA, "at": rfc3339(time_ns)}
    match event:
        case StateChanged(before, after, cause, bound_ns):
            return head | {
                "event": "state",
                "before": before.value,
                "state": after.value,
                "cause": cause.name.lower(),
                "reason": cause.value,
                "error_bound_s": _seconds(bound_ns),
            }
        case ClockStepped(by_ns):
            return head | {"event": "step", "by_s": to_seconds(by_ns)}
        case HostJudged(host, standing, reason):
            told = {"host": names[host], "standing": standing, "reason": reason or None}
            return head | {"event": "host"} | told
        case _:
            return None


def to_json(document: dict[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps(document, separators=(",", ":"))


def _seconds(value: int | None) -> float | None:
    return None if value is None else to_seconds(value)


# For NTP


def reference_of(core: Discipline, now: int) -> Reference:
    """What a server of this clock says of it: half the root delay and the root dispersion together
    are no less than the bound, now and a few seconds on. Unlocked, or with a bound that no client
    accepts, it is not synchronised."""
    precision = to_precision(core.settings.precision_ns)
    nearest = _nearest(core)
    bounds = [core.error_bound_ns(now), core.error_bound_ns(now + SERVED_AHEAD_NS)]
    bound = None if None in bounds else max(b for b in bounds if b is not None)
    if nearest is None or bound is None or bound >= DISTANCE_MAX_NS:
        return Reference(stratum=UNSYNCHRONISED, precision=precision)
    packet = nearest.association.last
    assert packet is not None
    delay = from_short(packet.root_delay) + nearest.least_delay_ns
    base = core.followed_at or now + core.epoch_ns
    return Reference(
        stratum=min(packet.stratum + 1, UNSYNCHRONISED - 1),
        precision=precision,
        root_delay_ns=delay,
        # A 65536th of a second is the unit on the wire: never less than is true.
        root_dispersion_ns=max(0, bound - delay // 2) + SECOND // 65536 + 1,
        reference_id=reference_id_of(nearest.address[0]),
        reference_time=core.steering.at(base),
    )


def _nearest(core: Discipline) -> Source | None:
    """The host behind the clock: the nearest that is, or was last, a truechimer."""
    heard = [s for s in core.sources.values() if s.association.last is not None and s.sample]
    good = [source for source in heard if source.standing is Standing.GOOD]
    return min(good or heard, key=lambda source: source.least_delay_ns, default=None)


def reference_id_of(address: str) -> int:
    """A server's address as a reference id (RFC 5905 section 7.3).

    >>> hex(reference_id_of("192.0.2.1"))
    '0xc0000201'
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if ip.version == 4:
        return int(ip)
    digest = hashlib.md5(ip.packed, usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big")
