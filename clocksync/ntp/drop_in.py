"""A drop-in for ntplib: change the import, keep the program.

``from clocksync import ntp as ntplib`` gives ``NTPClient().request(host)``, ``NTPStats``,
``NTPException`` and the text functions, with ntplib's names and meanings. What changes beneath:
kernel stamps, every reply checked, all addresses of a name tried, IPv6, right after 2036, and an
:attr:`~NTPStats.error_bound`. ``offset`` and ``delay`` come from integers, not from floats of
seconds since 1900 (whose last digit is half a microsecond).
"""

import math

import ntplib

from clocksync.measuring.measure import run_blocking
from clocksync.measuring.run import MeasureRun
from clocksync.measuring.settings import MeasureSettings
from clocksync.ntp import timestamps
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.sample import Sample
from clocksync.runtime.addresses import format_endpoint
from clocksync.runtime.clocks import SystemClock, reading_precision
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import SECOND, from_seconds, to_seconds

NTPException = ntplib.NTPException
leap_to_text = ntplib.leap_to_text
mode_to_text = ntplib.mode_to_text
ntp_to_system_time = ntplib.ntp_to_system_time
ref_id_to_text = ntplib.ref_id_to_text
stratum_to_text = ntplib.stratum_to_text
system_to_ntp_time = ntplib.system_to_ntp_time


class NTPStats(ntplib.NTPStats):  # type: ignore[misc]  # ntplib has no types
    """One exchange, with ntplib's attribute names and units (seconds, as floats).

    ``orig_timestamp`` is when we really sent: the packet itself carried a random cookie.
    ``error_bound`` is ours: true time minus the local clock lies in ``offset ± error_bound``.
    """

    def __init__(self, packet: NtpPacket, sample: Sample) -> None:
        super().__init__()
        self.sample = sample
        self.leap = packet.leap
        self.version = packet.version
        self.mode = packet.mode
        self.stratum = packet.stratum
        self.poll = packet.poll
        self.precision = packet.precision
        self.root_delay = packet.root_delay / (1 << 16)
        self.root_dispersion = packet.root_dispersion / (1 << 16)
        self.ref_id = packet.reference_id
        self.ref_timestamp = packet.reference_timestamp / (1 << 32)
        self.orig_timestamp = _since_1900(sample.t1)
        self.recv_timestamp = _since_1900(sample.t2)
        self.tx_timestamp = _since_1900(sample.t3)
        self.dest_timestamp = _since_1900(sample.t4)

    @property
    def offset(self) -> float:
        """Theirs minus ours, s: positive when the local clock is slow."""
        return to_seconds(self.sample.offset_ns)

    @property
    def delay(self) -> float:
        """Round trip, s."""
        return to_seconds(self.sample.raw_delay_ns)

    @property
    def error_bound(self) -> float:
        """Half the delay, the server's root distance, precision and drift, s."""
        truth = self.sample.truth
        offset = self.sample.offset_ns
        return to_seconds(max(truth.latest - offset, offset - truth.earliest))


class NTPClient:
    """ntplib's client class; it holds nothing."""

    def request(
        self, host: str, version: int = 4, port: int | str = "ntp", timeout: float = 5
    ) -> NTPStats:
        """See :func:`request`."""
        return request(host, version, port, timeout)


def request(host: str, version: int = 4, port: int | str = "ntp", timeout: float = 5) -> NTPStats:
    """Ask one server once. Blocks; inside an event loop use ``await clocksync.measure([...])``.

    Raises:
        NTPException: no usable answer within `timeout` seconds; the message says why.
        BadConfig: the host, port or version is unusable.
    """
    number = 123 if port == "ntp" else port
    if isinstance(number, str) and not number.isdigit():
        raise BadConfig(f"{port!r} is no port: write its number")
    if not math.isfinite(timeout):
        raise BadConfig(f"a timeout of {timeout} s is none: write a number of seconds")
    target = format_endpoint(host, number)
    settings = MeasureSettings(
        samples=1,
        timeout_ns=from_seconds(timeout),
        version=version,
        precision_ns=reading_precision(SystemClock()),
    )

    async def ask() -> NTPStats:
        run = MeasureRun([target], settings)
        measurement = await run.run()
        prober = run.record(0)
        if prober is None or not prober.association.samples:
            row = measurement.hosts[0]
            if not row.answered and row.reason and row.reason.startswith("no answer"):
                raise NTPException(f"No response received from {host}.")
            raise NTPException(f"{host}: {row.reason}")
        assert prober.association.last is not None
        return NTPStats(prober.association.last, prober.association.samples[0])

    return run_blocking(ask())


def _since_1900(time_ns: int) -> float:
    return (time_ns + timestamps.UNIX_EPOCH_IN_NTP * SECOND) / SECOND


__all__ = [
    "NTPClient",
    "NTPException",
    "NTPStats",
    "leap_to_text",
    "mode_to_text",
    "ntp_to_system_time",
    "ref_id_to_text",
    "request",
    "stratum_to_text",
    "system_to_ntp_time",
]
