"""The settings of one measurement, and the hosts it is of."""

import ipaddress
import re
from dataclasses import dataclass, field

from clocksync.ntp.sample import MAX_DRIFT_PPM
from clocksync.ptp.place import EVENT_PORT, PtpPlace, parse_place
from clocksync.ptp.place import SCHEME as PTP_SCHEME
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND, SECOND

NTP_PORT = 123
KE_PORT = 4460
"""Of NTS key establishment (RFC 8915 section 7.1)."""
NTS_SCHEME = "nts://"
SAMPLES_MAX = 10_000
DRIFT_MAX_PPM = 1_000_000.0
"""Two clocks whose rates may differ by more have nothing to say of each other."""
SPREAD_PER_HOST_NS = 50_000
SPREAD_MAX_NS = SECOND
"""Hosts are first asked one after the other, this far apart, over at most a second: ten thousand
requests at the same instant would lose their own answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureSettings:
    """How to measure. Durations in ns."""

    samples: int = 8
    """Requests to each host. (1 to 10,000)"""

    interval_ns: int = 2 * SECOND
    """Between requests to one host; 0 asks again as soon as the answer is there. Public servers
    expect at least 2 s (RFC 8633 section 3.3)."""

    timeout_ns: int = SECOND
    """How long to wait for one answer."""

    stagger_ns: int = 250 * MILLISECOND
    """Head start of one address of a host over the next (RFC 8305's connection attempt delay)."""

    version: int = 4
    """NTP version of the requests. (1 to 4)"""

    max_drift_ppm: float = MAX_DRIFT_PPM
    """Largest rate difference between two clocks that bounds allow for."""

    precision_ns: int = 1
    """Precision of the local clock."""

    interleaved: bool = True
    """Whether to ask for NTP's interleaved mode."""

    def __post_init__(self) -> None:
        if not 1 <= self.samples <= SAMPLES_MAX:
            raise BadConfig(f"samples must be between 1 and {SAMPLES_MAX:,}, not {self.samples}")
        if self.interval_ns < 0:
            raise BadConfig("the interval cannot be negative")
        if self.timeout_ns <= 0:
            raise BadConfig("the timeout must be longer than nothing")
        if not 1 <= self.version <= 4:
            raise BadConfig(f"NTP version must be between 1 and 4, not {self.version}")
        check_drift(self.max_drift_ppm)

    @property
    def limit_ns(self) -> int:
        """A measurement never takes longer."""
        return self.samples * (self.interval_ns + self.timeout_ns) + 3 * SECOND // 2


@dataclass(frozen=True, slots=True)
class HostSpec:
    """A host as the user named it: ``text`` as given but for space around it, and what it means."""

    text: str
    name: str
    port: int
    nts: bool = field(default=False, repr=False)
    """Whether it is to be authenticated by NTS: then the port is that of key establishment."""
    ptp: PtpPlace | None = field(default=None, repr=False)
    """Where to listen for it, if it is a PTP master."""

    @classmethod
    def parse(cls, text: str, nts: bool = False, default_port: int | None = None) -> "HostSpec":
        """Read ``HOST``, ``HOST:PORT``, ``[V6]:PORT`` or a bare IPv6 address; ``nts://`` before it
        asks for NTS, as `nts` does for all; ``ptp://HOST%INTERFACE`` is a PTP master. The port is
        `default_port`, or else the protocol's, where none is said.

        Raises:
            BadConfig: it is none of these; the message says what is wrong with it.

        >>> HostSpec.parse("[::1]:1123")
        HostSpec(text='[::1]:1123', name='::1', port=1123)
        """
        text = text.strip()
        if text.startswith(PTP_SCHEME):
            if nts:
                raise BadConfig(f"{text} speaks PTP, which NTS cannot authenticate")
            host, place = parse_place(text)
            return cls(text, host, EVENT_PORT, ptp=place)
        nts = nts or text.startswith(NTS_SCHEME)
        name, port = text.removeprefix(NTS_SCHEME), ""
        if name.startswith("["):
            name, bracket, rest = name[1:].partition("]")
            if not bracket or (rest and not rest.startswith(":")) or not is_address(name):
                raise BadConfig(f"{text!r} is no host: write an IPv6 host as [::1]:123")
            port = rest[1:] if rest else ""
            if rest == ":":
                raise BadConfig(f"{text!r} has no port after the colon")
        elif name.count(":") == 1:
            name, _, port = name.partition(":")
            if not port:
                raise BadConfig(f"{text!r} has no port after the colon")
        elif ":" in name and not is_address(name):
            raise BadConfig(f"{text!r} is no host: write HOST, HOST:PORT or [IPV6]:PORT")
        if not name or any(c.isspace() or not c.isprintable() or c in "/@?#" for c in name):
            raise BadConfig(f"{text!r} is no host name")
        if port and not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536):
            raise BadConfig(f"{text!r}: the port must be between 1 and 65535")
        usual = KE_PORT if nts else NTP_PORT
        return cls(text, name, int(port or default_port or usual), nts)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedHost:
    """A host of an inventory: where it is, what it is called, and what is special about it."""

    name: str
    spec: HostSpec
    group: str | None = None
    samples: int | None = None
    """Requests to it, where not those of the settings."""
    offset_max_ns: int | None = None
    """It is out of bounds when |offset| + bound exceeds this, where not as for all."""


def check_drift(max_drift_ppm: float) -> None:
    """Raise :class:`BadConfig` unless a bound can allow for that drift."""
    if not 0 < max_drift_ppm <= DRIFT_MAX_PPM:
        raise BadConfig(
            f"the maximum drift must be above 0 and at most {DRIFT_MAX_PPM:,.0f} ppm,"
            f" not {max_drift_ppm:g}"
        )


def is_address(name: str) -> bool:
    """Whether `name` is a numeric IPv4 or IPv6 address (with or without a scope)."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
