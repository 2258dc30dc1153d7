"""One exchange of four stamps, and what it proves about the server's clock.

With T1 and T4 read on our clock, T2 and T3 on the server's, and a path whose two directions take
an unknown but non-negative time each::

    T3 - T4  <=  theirs - ours  <=  T2 - T1

That is ``offset ± delay/2`` (Cristian 1989; RFC 5905 section 8), and it needs no assumption about
symmetry. :attr:`Sample.path` is that interval, widened by the precision of both clocks and by what
they may drift apart within the exchange (the upper end was true when the request arrived, not when
the answer did): it bounds the *server's clock* against ours. :attr:`Sample.truth` is widened
further by what the server says of itself, half its root delay and its root dispersion: it bounds
*true time* against our clock, if the server is honest. Positive: our clock is behind.
"""

from dataclasses import dataclass

from clocksync.ntp import timestamps
from clocksync.ntp.packet import NtpPacket
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import StampSource
from clocksync.runtime.interval import Interval
from clocksync.runtime.records import maker
from clocksync.runtime.units import SECOND

PHI_PPM = 15.0
"""RFC 5905's tolerance of a disciplined clock's rate (section 7.2)."""
MAX_DRIFT_PPM = 500.0
"""Largest rate difference between two clocks that a bound allows for: what a kernel's frequency
correction can reach (RFC 5905 section 11.3 and appendix A.5.5), so that a free-running clock being
slewed is still covered."""
STALE_AFTER_S = 86_400
"""A server whose own clock was last set this long ago no longer accounts for its drift."""
DISTANCE_MAX_NS = 16 * SECOND
"""RFC 5905 MAXDISP: a server whose root distance reaches this is useless."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Four stamps in Unix ns and the server's claims about itself, in ns."""

    t1: int
    t2: int
    t3: int
    t4: int
    root_delay_ns: int
    root_dispersion_ns: int
    precision_ns: int
    """Sum of the local and the remote clock's precision."""
    source: StampSource
    interleaved: bool
    sending_ns: int = 0
    """What our own side took to send the request once it had read its clock; 0 unknown."""

    @property
    def offset_ns(self) -> int:
        """Theirs minus ours: positive when our clock is behind."""
        return (self.t2 - self.t1 + self.t3 - self.t4) // 2

    @property
    def delay_ns(self) -> int:
        """Round trip without the server's own time; never below the precision (RFC 5905 8)."""
        raw = (self.t4 - self.t1) - (self.t3 - self.t2)
        return raw if raw > self.precision_ns else self.precision_ns

    @property
    def raw_delay_ns(self) -> int:
        return (self.t4 - self.t1) - (self.t3 - self.t2)

    @property
    def path(self) -> Interval:
        """Their clock minus ours, at `t4`."""
        return self.path_within(MAX_DRIFT_PPM)

    def path_within(self, max_drift_ppm: float) -> Interval:
        """:attr:`path` for clocks that differ in rate by at most that."""
        slack = self.precision_ns + drift_allowance(self.t4 - self.t1, max_drift_ppm)
        back, there = self.t3 - self.t4, self.t2 - self.t1
        if back > there:  # within the precision of coarse clocks
            back, there = there, back
        return _make_interval(back - slack, there + slack)

    @property
    def truth(self) -> Interval:
        """True time minus our clock, at `t4`, if the server's claims hold."""
        return self.truth_within(MAX_DRIFT_PPM)

    def truth_within(self, max_drift_ppm: float) -> Interval:
        """:attr:`truth` for clocks that differ in rate by at most that."""
        path, distance = self.path_within(max_drift_ppm), self.root_distance_ns
        return _make_interval(path.earliest - distance, path.latest + distance)

    @property
    def root_distance_ns(self) -> int:
        """The server's own error bound: half its root delay and its root dispersion."""
        return (self.root_delay_ns + 1) // 2 + self.root_dispersion_ns


_make_sample = maker(Sample)
_make_interval = maker(Interval)


def make_sample(
    packet: NtpPacket,
    t1: int,
    t3_timestamp: int,
    t4: int,
    local_precision_ns: int,
    source: StampSource,
    interleaved: bool,
    sending_ns: int = 0,
) -> Sample:
    """A sample from a checked reply.

    `t3_timestamp` is an NTP timestamp: in interleaved mode it comes from a later packet. Eras are
    chosen nearest to `t4`, so that measuring goes on after 2036.
    """
    t2 = timestamps.to_unix_ns(packet.receive_timestamp, near=t4)
    t3 = timestamps.to_unix_ns(t3_timestamp, near=t4)
    dispersion = timestamps.from_short(packet.root_dispersion)
    if packet.reference_timestamp:
        age = timestamps.difference(packet.receive_timestamp, packet.reference_timestamp)
        if age > STALE_AFTER_S * timestamps.ONE_SECOND:
            age_ns = age // timestamps.ONE_SECOND * SECOND
            dispersion += drift_allowance(age_ns, PHI_PPM)
    return _make_sample(
        t1=t1,
        t2=t2,
        t3=t3,
        t4=t4,
        root_delay_ns=timestamps.from_short(packet.root_delay),
        root_dispersion_ns=dispersion,
        precision_ns=local_precision_ns + timestamps.from_precision(packet.precision),
        source=source,
        interleaved=interleaved,
        sending_ns=sending_ns,
    )
